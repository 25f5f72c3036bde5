//! What is worth telling a room: a hundred of a store, a thousand of a region, a target reached, a new first.
//!
//! Invariant: pure; facts alone, told only while the figures are live and once a minute is complete, so that none is
//! taken back.
//!
//! Why from the minutes of the last hour and not from one reading to the next: what happened is then the same on every
//! board and after a restart, and nothing is missed while nobody watches. An add that comes late can move the minute in
//! which a number was passed; the number stays passed.

use serde::Serialize;

use super::contests::Place;
use super::days::{Instants, MINUTE_MS};
use super::reader::{Directory, Earlier, Hour};
use super::snapshot::{Freshness, Snapshot, State, rfc3339};
use super::view::{Level, Metric, Scope, Watched};
use crate::event::named;

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

/// What there is to tell at this moment, the newest first.
#[must_use]
pub fn news<'a>(snapshot: &'a Snapshot, freshness: &Freshness) -> &'a [Item] {
    if freshness.state == State::Live { &snapshot.news } else { &[] }
}

/// What happened in the whole minutes of the last hour, the newest first.
#[must_use]
pub fn of_the_hour(watched: &Watched, instants: &Instants, earlier: &Earlier, directory: &Directory) -> Vec<Item> {
    let mut places: Vec<_> = earlier.hours.iter().map(|(scope, hour)| Course::new(scope, hour)).collect();
    places.sort_by_cached_key(|place| place.scope.text());
    let mut items = Vec::new();
    let mut leader = first(&places, watched.level);
    let mut minute = instants.hour_ago.minute();
    while minute < instants.now.minute() {
        let complete = minute + MINUTE_MS;
        let item = |kind, scope: &Scope, value| Item {
            at: rfc3339(complete),
            kind,
            scope: Place::new(scope),
            name: if scope.level == Level::Corp {
                watched.corp.clone()
            } else {
                directory.name(scope.level, &scope.id)
            },
            value,
        };
        for place in &mut places {
            let was = place.adds;
            place.adds += place.added_within(minute);
            let facts = crossed(place, was, directory);
            items.extend(facts.into_iter().map(|(kind, value)| item(kind, place.scope, value)));
        }
        let now = first(&places, watched.level);
        if let (Some(before), Some(now)) = (leader, now)
            && before.0 != now.0
        {
            items.push(item(Kind::First, now.0, now.1));
        }
        // Between two firsts there may be a tie.
        leader = now.or(leader);
        minute = complete;
    }
    items.reverse();
    items.truncate(ITEMS_MAX);
    items
}

/// One place on its way through the hour.
struct Course<'a> {
    scope: &'a Scope,
    /// So far.
    adds: u64,
    minutes: &'a [(i64, u64)],
}

impl<'a> Course<'a> {
    fn new(scope: &'a Scope, hour: &'a Hour) -> Self {
        Self { scope, adds: hour.before, minutes: &hour.minutes }
    }

    /// The adds of this minute; minutes are asked for in order.
    fn added_within(&mut self, minute: i64) -> u64 {
        let Some(((start, adds), rest)) = self.minutes.split_first().filter(|((start, _), _)| *start <= minute) else {
            return 0;
        };
        self.minutes = rest;
        if *start == minute { *adds } else { 0 }
    }
}

/// What a place has come past since it had so many. No member of staff is told of: rooms read it.
fn crossed(place: &Course, was: u64, directory: &Directory) -> Vec<(Kind, u64)> {
    let is = place.adds;
    let round = match place.scope.level {
        Level::Store => 100,
        Level::Region => 1000,
        Level::Corp => 10_000,
        Level::Staff => return Vec::new(),
    };
    let passed = (is / round > was / round).then_some((Kind::Passed, is / round * round));
    let target = directory.target(place.scope.level, &place.scope.id, Metric::Adds.name());
    let reached = target.filter(|target| was < *target && *target <= is);
    passed.into_iter().chain(reached.map(|target| (Kind::Target, target))).collect()
}

/// Whoever of a level has more than everybody else; nobody where the first are equal, nor among staff.
fn first<'a>(places: &[Course<'a>], level: Level) -> Option<(&'a Scope, u64)> {
    let ranked = || places.iter().filter(|place| place.scope.level == level && level != Level::Staff);
    let most = ranked().map(|place| place.adds).max().filter(|most| *most > 0)?;
    let mut equal = ranked().filter(|place| place.adds == most);
    let one = equal.next()?;
    equal.next().is_none().then_some((one.scope, most))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;
    use crate::board::fixture;

    /// What is told of an hour of two stores, the oldest first: adds before it, and those of its minutes from the first on.
    fn told(stores: &[(&str, u64, &[u64])]) -> Vec<(Kind, String, u64)> {
        let snapshot = fixture::snapshot();
        let from = snapshot.instants.hour_ago.minute();
        let hour = |before: u64, adds: &[u64]| Hour {
            before,
            minutes: (0..).zip(adds).map(|(minute, adds)| (from + minute * MINUTE_MS, *adds)).collect(),
        };
        let store = |id: &str| Scope { level: Level::Store, id: id.to_owned() };
        let hours: HashMap<_, _> = stores.iter().map(|(id, before, adds)| (store(id), hour(*before, adds))).collect();
        let earlier = Earlier { hours: Arc::new(hours), ..Earlier::default() };
        let items = of_the_hour(&snapshot.watched, &snapshot.instants, &earlier, &snapshot.directory);
        items.into_iter().rev().map(|item| (item.kind, item.scope.id, item.value)).collect()
    }

    #[test]
    fn a_hundred_of_a_store_is_told_once() {
        let passed = (Kind::Passed, "S1".to_owned(), 100);
        assert_eq!(told(&[("S1", 95, &[6, 29, 69]), ("S2", 9, &[])]), [passed]);
    }

    #[test]
    fn a_thousand_of_a_region_is_told_and_its_hundreds_are_not() {
        let snapshot = fixture::snapshot();
        let region = Scope { level: Level::Region, id: "R1".to_owned() };
        let hour = Hour { before: 880, minutes: vec![(snapshot.instants.hour_ago.minute(), 150)] };
        let earlier = Earlier { hours: Arc::new(HashMap::from([(region, hour)])), ..Earlier::default() };
        let items = of_the_hour(&snapshot.watched, &snapshot.instants, &earlier, &snapshot.directory);
        let told: Vec<_> = items.iter().map(|item| (item.kind, item.name.as_str(), item.value)).collect();
        assert_eq!(told, [(Kind::Passed, "华东", 1000)]);
    }

    #[test]
    fn what_happened_more_than_an_hour_ago_is_not_told() {
        assert_eq!(told(&[("S1", 950, &[1, 1]), ("S2", 100, &[])]), []);
    }

    #[test]
    fn the_minute_that_runs_is_not_told() {
        let (mut minutes, last) = ([0; 61], (Kind::Passed, "S2".to_owned(), 200));
        minutes[60] = 200;
        assert_eq!(told(&[("S1", 0, &[]), ("S2", 1, &minutes)]), []);
        minutes.swap(59, 60);
        assert_eq!(told(&[("S1", 0, &[]), ("S2", 1, &minutes)]), [last]);
    }

    #[test]
    fn a_target_and_a_new_first_are_told_and_a_tie_is_not() {
        let first = (Kind::First, "S1".to_owned(), 35);
        let target = (Kind::Target, "S1".to_owned(), 40);
        assert_eq!(told(&[("S1", 20, &[15, 6]), ("S2", 30, &[0, 1])]), [first.clone(), target.clone()]);
        assert_eq!(told(&[("S1", 20, &[10, 11]), ("S2", 30, &[0, 1])]), [target, (Kind::First, "S1".to_owned(), 41)]);
        assert_eq!(told(&[("S1", 30, &[5]), ("S2", 30, &[0])]), [], "of two firsts nobody was before the other");
        assert_eq!(told(&[("S1", 20, &[10, 0, 5]), ("S2", 30, &[0])]), [first], "a tie stands between them");
    }

    #[test]
    fn nothing_is_told_while_the_figures_are_not_live() {
        let mut snapshot = fixture::snapshot();
        let at = std::time::Duration::from_secs;
        snapshot.news = vec![Item {
            at: None,
            kind: Kind::Target,
            scope: Place::new(&Scope::corp()),
            name: "acme".to_owned(),
            value: 100,
        }];
        assert_eq!(news(&snapshot, &snapshot.freshness(at(0))).len(), 1);
        assert_eq!(news(&snapshot, &snapshot.freshness(at(31))).len(), 0);
    }

    #[test]
    fn the_newest_stands_first_and_no_more_than_a_room_reads() {
        let items = told(&[("S2", 0, &[100; 10])]);
        assert_eq!(items.iter().map(|(_, _, value)| *value).collect::<Vec<_>>(), [500, 600, 700, 800, 900, 1000]);
    }
}
