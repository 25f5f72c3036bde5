//! The counts of a day by member of staff, and what follows from them for every place.
//!
//! Invariant: pure; all places are told of from the same rows, so that staff, stores, regions and corp agree.

use std::collections::{BTreeMap, HashMap};

use super::reader::{Counters, Day};
use super::view::{Level, Scope};

/// What a member of staff did in one place, or the adds of a channel in a region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Empty where it belongs to none.
    pub region: String,
    pub store: String,
    pub staff: String,
    /// Zero in a row of a channel.
    pub counters: Counters,
    /// Adds by channel.
    pub channels: Vec<(String, u64)>,
    /// In ms since the epoch; 0 where it is not known.
    pub last_add_at: i64,
}

impl Row {
    fn id_at(&self, level: Level) -> &str {
        match level {
            Level::Corp => "",
            Level::Region => &self.region,
            Level::Store => &self.store,
            Level::Staff => &self.staff,
        }
    }
}

/// The counts of a day, of a whole corp or of some of its places.
#[derive(Debug, Default)]
pub struct Counts {
    rows: Vec<Row>,
    /// Rows by their store and by their member of staff: four hundred stores are told of each second.
    by_store: HashMap<String, Vec<usize>>,
    by_staff: HashMap<String, Vec<usize>>,
}

impl Counts {
    #[must_use]
    pub fn new(rows: Vec<Row>) -> Self {
        let by = |level| {
            let mut by: HashMap<String, Vec<usize>> = HashMap::new();
            for (at, row) in rows.iter().enumerate() {
                by.entry(row.id_at(level).to_owned()).or_default().push(at);
            }
            by
        };
        Self { by_store: by(Level::Store), by_staff: by(Level::Staff), rows }
    }

    /// The counts within a scope, with children of this level.
    #[must_use]
    pub fn day(&self, scope: &Scope, level: Level) -> Day {
        let mut day = Day::default();
        let (mut children, mut regions) = (BTreeMap::new(), BTreeMap::new());
        let mut channels: BTreeMap<&str, u64> = BTreeMap::new();
        for row in self.within(scope) {
            for (channel, adds) in &row.channels {
                *channels.entry(channel).or_default() += adds;
            }
            if row.counters == Counters::default() {
                continue;
            }
            day.total.add(&row.counters);
            let child = row.id_at(level);
            children.entry(child).or_insert_with(Counters::default).add(&row.counters);
            if scope.level == Level::Corp && level != Level::Region {
                regions.entry(row.region.as_str()).or_insert_with(Counters::default).add(&row.counters);
            }
            if row.last_add_at > 0 {
                let last = day.last_adds.entry(child.to_owned()).or_default();
                *last = row.last_add_at.max(*last);
            }
        }
        let named = |rows: BTreeMap<&str, Counters>| rows.into_iter().map(|(id, sum)| (id.to_owned(), sum)).collect();
        day.children = named(children);
        day.regions = named(regions);
        day.channels = channels.into_iter().map(|(key, adds)| (key.to_owned(), adds)).collect();
        day
    }

    fn within<'a>(&'a self, scope: &'a Scope) -> Box<dyn Iterator<Item = &'a Row> + 'a> {
        let at = |by: &'a HashMap<String, Vec<usize>>| {
            by.get(&scope.id).into_iter().flatten().filter_map(|at| self.rows.get(*at))
        };
        match scope.level {
            Level::Corp => Box::new(self.rows.iter()),
            Level::Region => Box::new(self.rows.iter().filter(|row| row.region == scope.id)),
            Level::Store => Box::new(at(&self.by_store)),
            Level::Staff => Box::new(at(&self.by_staff)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;
    use crate::event::Counter;

    fn day(rows: &Counts, scope: &str, level: Level) -> Day {
        rows.day(&Scope::read(scope).unwrap(), level)
    }

    fn adds(named: &[(String, Counters)]) -> Vec<(&str, u64)> {
        named.iter().map(|(id, counters)| (id.as_str(), counters.get(Counter::Adds))).collect()
    }

    #[test]
    fn every_place_is_the_sum_of_its_parts() {
        let rows = fixture::rows();
        let corp = day(&rows, "corp", Level::Store);
        assert_eq!(corp.total.get(Counter::Adds), 30);
        assert_eq!(adds(&corp.children), [("", 2), ("S1", 16), ("S2", 12)]);
        assert_eq!(adds(&corp.regions), [("", 2), ("R1", 18), ("R2", 10)]);
        assert_eq!(adds(&day(&rows, "corp", Level::Staff).children), [("", 2), ("z1", 16), ("z3", 12)]);
        let store = day(&rows, "store:S2", Level::Staff);
        assert_eq!((store.total.get(Counter::Adds), adds(&store.children)), (12, vec![("z3", 12)]));
        assert!(store.regions.is_empty());
        for scope in ["corp", "region:R1", "store:S1", "store:S2", "staff:z3"] {
            let day = day(&rows, scope, Level::Staff);
            let channels: u64 = day.channels.iter().map(|(_, adds)| adds).sum();
            assert_eq!(channels, day.total.get(Counter::Adds), "{scope}");
        }
        assert_eq!(day(&rows, "store:S9", Level::Staff), Day::default());
    }

    #[test]
    fn a_row_of_a_channel_counts_for_no_child() {
        let of_staff =
            Row { region: "R1".to_owned(), counters: fixture::counters(3, 0), last_add_at: 5, ..Row::default() };
        let of_channel = Row { region: "R1".to_owned(), channels: vec![("badge".to_owned(), 3)], ..Row::default() };
        let rows = Counts::new(vec![Row { staff: "z1".to_owned(), ..of_staff }, of_channel]);
        let day = day(&rows, "region:R1", Level::Staff);
        assert_eq!((adds(&day.children), day.channels), (vec![("z1", 3)], vec![("badge".to_owned(), 3)]));
        assert_eq!(day.last_adds, [("z1".to_owned(), 5)].into());
    }
}
