//! Contests, as far as a viewer may see who takes part.
//!
//! Invariant: pure; a side that is not for the viewer is not listed, and no value stands while the figures are stale.

use std::cmp::Ordering;

use serde::Serialize;

use super::access::sight::{Names, Reach, Viewer};
use super::details::contests::Contestant;
use super::organisation::Organisation;
use super::snapshot::{Freshness, Snapshot, rfc3339};
use super::view::{Level, Scope, View};
use crate::event::named;

named! {
    /// Whether a contest goes on, by what is counted.
    State { Upcoming = "upcoming", Running = "running", Ended = "ended" }
}

/// One item of `/api/v1/contests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contest {
    pub contest_id: String,
    pub name: String,
    pub metric: String,
    /// `total` or `per_head`.
    pub basis: String,
    /// RFC 3339, UTC: the start, and the end, which is not part of it.
    pub starts_at: Option<String>,
    pub ends_at: Option<String>,
    pub state: State,
    /// Best first.
    pub sides: Vec<Side>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    pub scope: Place,
    pub name: String,
    /// `null` while the figures are stale: some sides would be ahead of others.
    pub value: Option<i64>,
    pub staff_active: u64,
}

/// A part of the organisation as data say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    pub level: &'static str,
    pub id: String,
}

impl Place {
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        Self { level: scope.level.name(), id: scope.id.clone() }
    }
}

/// The contests that concern the scope; absent where they could not be read.
#[must_use]
pub fn contests(snapshot: &Snapshot, view: &View, freshness: &Freshness) -> Option<Vec<Contest>> {
    let rows = &snapshot.details.contests.as_ref()?.rows;
    let organisation = snapshot.directory.organisation.as_ref();
    let scope = &snapshot.watched.scope;
    let concerns =
        |row: &Contestant| organisation.contains(scope, &row.scope) || organisation.contains(&row.scope, scope);
    let complete_through = snapshot.clock.complete_through.unwrap_or(i64::MIN);
    let mut found: Vec<Contest> = Vec::new();
    for group in rows.chunk_by(|a, b| a.contest_id == b.contest_id) {
        let mut sides: Vec<_> = group.iter().filter(|row| is_visible(&row.scope, &view.viewer, organisation)).collect();
        let Some(first) = sides.first().filter(|_| group.iter().any(concerns)) else { continue };
        let first = *first;
        // While the figures are stale the order would tell what the values may not.
        if !freshness.holds_comparisons() {
            sides.sort_by(|one, other| by_measure(other, one).then_with(|| one.scope.id.cmp(&other.scope.id)));
        }
        let side = |row: &&Contestant| Side {
            scope: Place::new(&row.scope),
            name: organisation.name(row.scope.level, &row.scope.id),
            value: (!freshness.holds_comparisons()).then_some(row.value),
            staff_active: row.staff_active,
        };
        found.push(Contest {
            contest_id: first.contest_id.clone(),
            name: if first.name.is_empty() { first.contest_id.clone() } else { first.name.clone() },
            metric: first.metric.clone(),
            basis: first.basis.clone(),
            starts_at: rfc3339(first.bounds.0),
            ends_at: rfc3339(first.bounds.1),
            state: state(first.bounds, complete_through),
            sides: sides.iter().map(side).collect(),
        });
    }
    Some(found)
}

fn state((start, end): (i64, i64), complete_through: i64) -> State {
    match complete_through {
        at if at < start => State::Upcoming,
        at if at < end => State::Running,
        _ => State::Ended,
    }
}

/// Which side is ahead. Per head by the whole quotients: rewards hang on it, and 0.6666 is not 2/3.
fn by_measure(one: &Contestant, other: &Contestant) -> Ordering {
    let heads = |row: &Contestant| if row.basis == PER_HEAD { i128::from(row.staff_active.max(1)) } else { 1 };
    (i128::from(one.value) * heads(other)).cmp(&(i128::from(other.value) * heads(one)))
}

/// The basis of a contest by which a side is divided by its active staff.
const PER_HEAD: &str = "per_head";

/// Whether a viewer may see the total of a side: what lies within their own scope, and for managers its siblings.
fn is_visible(side: &Scope, viewer: &Viewer, organisation: &Organisation) -> bool {
    if side.level == Level::Staff && viewer.names == Names::Hidden {
        return false;
    }
    let Some(own) = &viewer.own else { return true };
    let is_sibling = || {
        side.level == own.level
            && organisation.parent(side).is_some_and(|parent| organisation.parent(own) == Some(parent))
    };
    organisation.contains(own, side) || (viewer.reach == Reach::Siblings && is_sibling())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::board::fixture;

    /// The ids of the sides of each contest, for a viewer whose own place this is.
    fn sides(own: Option<&str>, reach: Reach, names: Names) -> Vec<(String, Vec<String>)> {
        let mut view = fixture::view(&[]);
        let own = own.map(|own| Scope::read(own).unwrap());
        let mut snapshot = fixture::snapshot();
        snapshot.watched.scope = own.clone().unwrap_or_else(Scope::corp);
        view.viewer = Viewer { own, reach, names, ..Viewer::default() };
        let freshness = snapshot.freshness(Duration::ZERO);
        let found = contests(&snapshot, &view, &freshness).unwrap();
        found.into_iter().map(|c| (c.contest_id, c.sides.into_iter().map(|side| side.scope.id).collect())).collect()
    }

    fn named(contest: &str, sides: &[&str]) -> (String, Vec<String>) {
        (contest.to_owned(), sides.iter().map(|side| (*side).to_owned()).collect())
    }

    #[test]
    fn an_owner_sees_every_side() {
        let all = [named("k1", &["S2", "S1"]), named("k2", &["z1", "z3"]), named("k3", &["S9", "S1"])];
        assert_eq!(sides(None, Reach::Everything, Names::Shown), all);
    }

    #[test]
    fn a_store_manager_sees_siblings_and_the_own_staff_and_nobody_elses() {
        let own = [named("k1", &["S2", "S1"]), named("k2", &["z1"]), named("k3", &["S1"])];
        assert_eq!(sides(Some("store:S1"), Reach::Siblings, Names::Shown), own);
        assert_eq!(sides(Some("store:S3"), Reach::Siblings, Names::Shown), [], "it concerns them not");
    }

    #[test]
    fn staff_see_their_own_side_and_a_wall_no_staff() {
        assert_eq!(sides(Some("staff:z1"), Reach::Own, Names::Shown), [named("k2", &["z1"])]);
        assert_eq!(sides(Some("store:S1"), Reach::Own, Names::Hidden), [named("k1", &["S1"]), named("k3", &["S1"])]);
    }

    #[test]
    fn a_quotient_is_not_rounded_before_it_is_compared() {
        let side = |value, staff_active| Contestant { value, staff_active, ..fixture::contests().rows[0].clone() };
        assert_eq!(by_measure(&side(2, 3), &side(666, 1_000)), Ordering::Greater);
        assert_eq!(by_measure(&side(2, 3), &side(4, 6)), Ordering::Equal);
        let total = |value, staff_active| Contestant { basis: "total".to_owned(), ..side(value, staff_active) };
        assert_eq!(by_measure(&total(5, 1), &total(6, 9)), Ordering::Less);
    }

    #[test]
    fn no_value_stands_while_the_figures_are_stale() {
        let (snapshot, view) = (fixture::snapshot(), fixture::view(&[]));
        let values = |age| {
            let found = contests(&snapshot, &view, &snapshot.freshness(Duration::from_secs(age))).unwrap();
            found[0].sides.iter().map(|side| side.value).collect::<Vec<_>>()
        };
        assert_eq!((values(0), values(600)), (vec![Some(7), Some(9)], vec![None, None]));
    }
}
