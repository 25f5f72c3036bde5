//! Who is where in a corp: names, places, and which part contains which.
//!
//! Invariant: pure; read once for all views of a corp, so that all of them agree.

use std::collections::HashMap;

use super::view::{Level, Scope};

/// A member of staff, and where the directory puts them at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, clickhouse::Row, serde::Deserialize)]
pub struct Member {
    pub staff_id: String,
    pub store_id: String,
    pub region_id: String,
    /// At work. Those who left keep the place that they had.
    pub active: bool,
}

impl Member {
    /// The place of this member at a level; absent for the corp, and where the directory names none.
    #[must_use]
    pub fn id_at(&self, level: Level) -> Option<&str> {
        let id = match level {
            Level::Corp => return None,
            Level::Region => &self.region_id,
            Level::Store => &self.store_id,
            Level::Staff => &self.staff_id,
        };
        Some(id.as_str()).filter(|id| !id.is_empty())
    }
}

/// The organisation of a corp: its names as of now, its members at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organisation {
    /// The newest name by level and id, also of those who left.
    pub names: HashMap<(Level, String), String>,
    /// All who were ever in the directory, by id.
    pub members: Vec<Member>,
    /// The region of each store, by the newest row that names both.
    pub regions: HashMap<String, String>,
}

impl Organisation {
    /// The name of an id, or the id where no row names it.
    #[must_use]
    pub fn name(&self, level: Level, id: &str) -> String {
        self.names.get(&(level, id.to_owned())).filter(|name| !name.is_empty()).map_or(id, String::as_str).to_owned()
    }

    /// Active members within a scope, by id.
    pub fn active<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Member> {
        self.members.iter().filter(move |member| {
            let id = match scope.level {
                Level::Corp => return member.active,
                Level::Region => &member.region_id,
                Level::Store => &member.store_id,
                Level::Staff => &member.staff_id,
            };
            member.active && *id == scope.id
        })
    }

    /// The part that directly contains this one; absent for a corp, and for a place that the directory does not know.
    #[must_use]
    pub fn parent(&self, scope: &Scope) -> Option<Scope> {
        match scope.level {
            Level::Corp => None,
            Level::Region => Some(Scope::corp()),
            Level::Store => Some(Scope { level: Level::Region, id: self.regions.get(&scope.id)?.clone() }),
            Level::Staff => {
                let store = self.member(&scope.id).map(|member| &member.store_id).filter(|id| !id.is_empty())?;
                Some(Scope { level: Level::Store, id: store.clone() })
            }
        }
    }

    /// From the corp down to the scope itself, as far as the directory knows.
    #[must_use]
    pub fn path(&self, scope: &Scope) -> Vec<Scope> {
        let mut path = vec![scope.clone()];
        while let Some(parent) = path.last().and_then(|last| self.parent(last)) {
            path.push(parent);
        }
        if path.last().is_some_and(|last| last.level != Level::Corp) {
            path.push(Scope::corp());
        }
        path.reverse();
        path
    }

    /// Whether `inner` is `outer` or lies within it. A corp contains everything; another part only what is known.
    #[must_use]
    pub fn contains(&self, outer: &Scope, inner: &Scope) -> bool {
        outer.level == Level::Corp || self.path(inner).contains(outer)
    }

    fn member(&self, id: &str) -> Option<&Member> {
        self.members.binary_search_by(|member| member.staff_id.as_str().cmp(id)).ok().map(|at| &self.members[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    fn check(outer: &str, inner: &str, expected: bool) {
        let [outer, inner] = [outer, inner].map(|text| Scope::read(text).unwrap());
        assert_eq!(fixture::organisation().contains(&outer, &inner), expected, "{inner:?} in {outer:?}");
    }

    #[test]
    fn a_part_contains_itself_and_what_the_directory_puts_there() {
        check("store:S1", "store:S1", true);
        check("region:R1", "staff:z1", true);
        check("region:R1", "store:S9", false);
        check("store:S1", "region:R1", false);
        check("store:S1", "staff:z3", false);
        check("store:S1", "staff:nobody", false);
        check("corp", "staff:nobody", true);
    }

    #[test]
    fn whoever_left_stays_where_they_were_and_is_no_longer_counted_in() {
        check("store:S1", "staff:gone", true);
        let organisation = fixture::organisation();
        let store = Scope::read("store:S1").unwrap();
        let active: Vec<_> = organisation.active(&store).map(|member| &member.staff_id).collect();
        assert_eq!(active, ["z1", "z2"]);
    }

    #[test]
    fn a_path_leads_from_the_corp_as_far_as_is_known() {
        let path = |scope: &str| {
            let path = fixture::organisation().path(&Scope::read(scope).unwrap());
            path.iter().map(Scope::text).collect::<Vec<_>>()
        };
        assert_eq!(path("staff:z1"), ["corp", "region:R1", "store:S1", "staff:z1"]);
        assert_eq!(path("store:S9"), ["corp", "store:S9"]);
        assert_eq!(path("corp"), ["corp"]);
    }
}
