//! Finds parts of the organisation by name or id, within what the viewer may see.
//!
//! Invariant: pure; no name outside the viewer's scope is found, and none stands in a path.

use serde::Serialize;

use super::access::sight::{Names, Viewer};
use super::organisation::Organisation;
use super::summary::Step;
use super::view::{Level, Scope};

/// A screen of a phone; whoever sees more types more.
const FOUND_MAX: usize = 20;

/// One item of `/api/v1/search`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    #[serde(flatten)]
    pub step: Step,
    /// From the viewer's own scope down to this part.
    pub path: Vec<Step>,
}

/// The parts whose name or id holds the text, in any case: those that begin with it first, then regions, stores, staff.
#[must_use]
pub fn search(text: &str, viewer: &Viewer, organisation: &Organisation) -> Vec<Found> {
    let wanted = text.trim().to_lowercase();
    if wanted.is_empty() {
        return Vec::new();
    }
    let own = viewer.own.clone().unwrap_or_else(Scope::corp);
    let named = organisation.names.keys().map(|(level, id)| Scope { level: *level, id: id.clone() });
    let members = organisation.members.iter().map(|member| Scope { level: Level::Staff, id: member.staff_id.clone() });
    let mut found: Vec<(bool, Level, String, Scope)> = named
        .chain(members)
        .filter(|scope| scope.level != Level::Staff || viewer.names == Names::Shown)
        .filter_map(|scope| {
            let name = organisation.name(scope.level, &scope.id);
            let texts = [name.to_lowercase(), scope.id.to_lowercase()];
            let holds = texts.iter().any(|text| text.contains(&wanted));
            let begins = texts.iter().any(|text| text.starts_with(&wanted));
            (holds && organisation.contains(&own, &scope)).then_some((!begins, scope.level, name, scope))
        })
        .collect();
    found.sort_by(|a, b| (a.0, a.1.index(), &a.2, &a.3.id).cmp(&(b.0, b.1.index(), &b.2, &b.3.id)));
    found.dedup_by(|a, b| a.3 == b.3);
    found.truncate(FOUND_MAX);
    found.into_iter().map(|(_, _, _, scope)| Found::new(&scope, &own, organisation)).collect()
}

impl Found {
    fn new(scope: &Scope, own: &Scope, organisation: &Organisation) -> Self {
        let step = |scope: &Scope| Step {
            level: scope.level.name(),
            id: scope.id.clone(),
            name: organisation.name(scope.level, &scope.id),
        };
        let path = organisation.path(scope);
        let from = path.iter().position(|part| part == own).unwrap_or(0);
        // The corp has no name but its id, which whoever asks knows.
        let inside = path[from..].iter().filter(|part| part.level != Level::Corp);
        Self { step: step(scope), path: inside.map(step).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    fn found(text: &str, own: Option<&str>, names: Names) -> Vec<String> {
        let viewer = Viewer { own: own.map(|own| Scope::read(own).unwrap()), names, ..Viewer::default() };
        let found = search(text, &viewer, &fixture::organisation());
        found.into_iter().map(|found| found.step.name).collect()
    }

    #[test]
    fn a_part_is_found_by_name_and_by_id_in_any_case() {
        assert_eq!(found("湖滨", None, Names::Shown), ["杭州湖滨路店"]);
        assert_eq!(found(" s3 ", None, Names::Shown), ["苏州观前街店"]);
        assert_eq!(found("Z", None, Names::Shown), ["z1", "z2", "z4", "沈立群"]);
        assert_eq!(found("", None, Names::Shown), Vec::<String>::new());
    }

    #[test]
    fn nothing_outside_the_scope_of_the_viewer_is_found() {
        assert_eq!(found("店", Some("store:S1"), Names::Shown), ["杭州湖滨路店"]);
        assert_eq!(found("沈", Some("store:S1"), Names::Shown), Vec::<String>::new());
        assert_eq!(found("z", Some("staff:z1"), Names::Shown), ["z1"]);
    }

    #[test]
    fn a_path_begins_at_the_scope_of_the_viewer() {
        let path = |own: Option<&str>| {
            let viewer = Viewer { own: own.map(|own| Scope::read(own).unwrap()), ..Viewer::default() };
            let found = search("z1", &viewer, &fixture::organisation());
            found[0].path.iter().map(|step| step.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(path(None), ["华东", "杭州湖滨路店", "z1"]);
        assert_eq!(path(Some("store:S1")), ["杭州湖滨路店", "z1"]);
    }

    #[test]
    fn a_wall_finds_no_staff() {
        assert_eq!(found("z", None, Names::Hidden), Vec::<String>::new());
    }
}
