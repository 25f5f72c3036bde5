//! What is worth telling a room: a hundred of a store, a thousand of a region, a target reached, a new first.
//!
//! Invariant: pure; facts alone, told only while the figures are live and once a minute is complete, so that none is
//! taken back.

use std::collections::HashMap;

use serde::{Serialize, Serializer};

use super::contests::Place;
use super::snapshot::{Snapshot, State, rfc3339};
use super::view::{Level, Metric, Scope};
use crate::event::{Counter, named};

/// What a room reads while it waits for a coffee.
const ITEMS_MAX: usize = 6;

named! {
    /// What happened.
    Kind {
        /// A round number of adds.
        Passed = "passed",
        /// The target of the day.
        Target = "target",
        /// More adds than everybody else of the scope.
        First = "first",
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The minute that was complete then, RFC 3339, UTC.
    pub at: Option<String>,
    pub kind: Kind,
    pub scope: Place,
    pub name: String,
    /// The round number, the target, or the adds of the first.
    pub value: u64,
}

/// The facts of a view, and what they were told against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The newest first.
    pub items: Vec<Item>,
    /// The start of the minute that ran when it was last looked, and the adds of the children and of the scope then.
    minute: i64,
    adds: HashMap<String, u64>,
    total: u64,
}

impl News {
    /// What is told after a reading, from what was told before it.
    #[must_use]
    pub fn next(before: Option<&Snapshot>, snapshot: &Snapshot) -> Self {
        let minute = snapshot.instants.now.minute();
        let is_live = snapshot.freshness(std::time::Duration::ZERO).state == State::Live;
        let same_day = before.filter(|before| before.day == snapshot.day);
        match same_day.map(|before| &before.news) {
            Some(news) if !is_live || news.minute == minute => news.clone(),
            Some(news) => news.look(snapshot, minute),
            // Of what happened before somebody watched nothing is told.
            None => Self { items: Vec::new(), ..Self::look(&Self::default(), snapshot, minute) },
        }
    }

    fn look(&self, snapshot: &Snapshot, minute: i64) -> Self {
        let adds: HashMap<String, u64> = snapshot
            .counts
            .children
            .iter()
            .filter(|(id, _)| !id.is_empty())
            .map(|(id, counters)| (id.clone(), counters.get(Counter::Adds)))
            .collect();
        let total = snapshot.total().get(Counter::Adds);
        let watched = &snapshot.watched;
        let child = |id: &String| Scope { level: watched.level, id: id.clone() };
        let mut items = crossed(snapshot, &watched.scope, (self.total, total));
        let mut ids: Vec<_> = adds.keys().collect();
        ids.sort_unstable();
        for id in ids {
            items.extend(crossed(snapshot, &child(id), (self.adds.get(id).copied().unwrap_or(0), adds[id])));
        }
        if let Some((id, value)) = first(&adds).filter(|(id, _)| first(&self.adds).is_some_and(|(was, _)| was != *id)) {
            items.push(item(snapshot, Kind::First, &child(id), value));
        }
        items.extend(self.items.iter().cloned());
        items.truncate(ITEMS_MAX);
        Self { items, minute, adds, total }
    }
}

/// What a place has come past between two counts. No member of staff is told of: rooms read it.
fn crossed(snapshot: &Snapshot, scope: &Scope, (was, is): (u64, u64)) -> Vec<Item> {
    let round = match scope.level {
        Level::Store => 100,
        Level::Region => 1000,
        Level::Corp => 10_000,
        Level::Staff => return Vec::new(),
    };
    let passed = (is / round > was / round).then(|| item(snapshot, Kind::Passed, scope, is / round * round));
    let target = snapshot.directory.target(scope.level, &scope.id, Metric::Adds.name());
    let reached = target.filter(|target| was < *target && *target <= is);
    passed.into_iter().chain(reached.map(|target| item(snapshot, Kind::Target, scope, target))).collect()
}

/// Whoever has more than everybody else; nobody where the first are equal.
fn first(adds: &HashMap<String, u64>) -> Option<(&String, u64)> {
    let (id, most) = adds.iter().max_by_key(|(_, adds)| **adds)?;
    let others = adds.values().filter(|adds| *adds == most).count();
    (others == 1 && *most > 0).then_some((id, *most))
}

fn item(snapshot: &Snapshot, kind: Kind, scope: &Scope, value: u64) -> Item {
    let name = match scope.level {
        Level::Corp => snapshot.watched.corp.clone(),
        level @ (Level::Region | Level::Store | Level::Staff) => snapshot.directory.name(level, &scope.id),
    };
    Item { at: rfc3339(snapshot.instants.now.minute()), kind, scope: Place::new(scope), name, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;
    use crate::board::reader::Counters;

    /// The fixture so many minutes later, with these adds of S1 and S2.
    fn later(minutes: i64, s1: u64, s2: u64) -> Snapshot {
        let mut snapshot = fixture::snapshot();
        snapshot.instants.now.until += minutes * 60_000;
        snapshot.clock.now += minutes * 60_000;
        snapshot.clock.complete_through = snapshot.clock.complete_through.map(|at| at + minutes * 60_000);
        let counters = |adds| {
            let mut values = [0; Counter::ALL.len()];
            values[Counter::Adds.index()] = adds;
            Counters::from_values(&values)
        };
        snapshot.counts.children = vec![("S1".to_owned(), counters(s1)), ("S2".to_owned(), counters(s2))];
        snapshot.counts.channels = vec![("badge".to_owned(), counters(s1 + s2))];
        snapshot
    }

    /// What is told of a row of readings, the oldest first.
    fn told(readings: &[Snapshot]) -> Vec<(Kind, String, u64)> {
        let mut before: Option<Snapshot> = None;
        for reading in readings {
            let mut reading = reading.clone();
            reading.news = News::next(before.as_ref(), &reading);
            before = Some(reading);
        }
        let items = before.unwrap().news.items;
        items.into_iter().rev().map(|item| (item.kind, item.scope.id, item.value)).collect()
    }

    #[test]
    fn a_hundred_of_a_store_is_told_once() {
        let readings = [later(0, 95, 90), later(1, 101, 91), later(2, 130, 92), later(3, 199, 93)];
        assert_eq!(told(&readings), [(Kind::Passed, "S1".to_owned(), 100)]);
    }

    #[test]
    fn nothing_is_told_within_a_minute_nor_while_the_figures_are_not_live() {
        assert_eq!(told(&[later(0, 95, 90), later(0, 101, 91)]), []);
        let mut stale = later(1, 101, 91);
        stale.clock.now += 31_000;
        assert_eq!(told(&[later(0, 95, 90), stale]), []);
    }

    #[test]
    fn what_happened_before_somebody_watched_is_not_told() {
        assert_eq!(told(&[later(0, 950, 90)]), []);
        let mut tomorrow = later(1, 1000, 90);
        tomorrow.day = tomorrow.day.tomorrow().unwrap();
        assert_eq!(told(&[later(0, 95, 90), tomorrow]), []);
    }

    #[test]
    fn a_target_and_a_new_first_are_told_and_a_tie_is_not() {
        let readings = [later(0, 20, 30), later(1, 30, 30), later(2, 41, 31)];
        let first = (Kind::First, "S1".to_owned(), 41);
        let target = (Kind::Target, "S1".to_owned(), 40);
        let told = told(&readings);
        assert!(told.contains(&target), "{told:?}");
        assert!(!told.contains(&first), "after a tie nobody was first before: {told:?}");
        let overtaken = [later(0, 20, 30), later(1, 35, 30)];
        assert_eq!(super::tests::told(&overtaken), [(Kind::First, "S1".to_owned(), 35)]);
    }
}
