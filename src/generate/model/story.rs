//! Promises of the story that a demonstration tells, checked on the bytes of its records.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::generate::{Settings, reference, rhythm::HOUR_MS, world::story::WITHIN_MS};

/// 2026-11-11 in Shanghai.
const MIDNIGHT_MS: i64 = 1_794_326_400_000;
/// Records per second of a demonstration.
const RATE: i64 = 10;

/// An event as the board's sources have it.
struct Told {
    at_ms: i64,
    value: Value,
}

impl Told {
    fn is(&self, kind: &str) -> bool {
        self.value["type"] == kind
    }

    fn occurred_ms(&self) -> i64 {
        match &self.value["occurred_at"] {
            Value::String(text) => text.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond),
            number => number.as_i64().unwrap_or(0),
        }
    }

    /// From a colleague: no add (contract, section 1).
    fn is_transfer(&self) -> bool {
        self.value["add_way"].as_i64().is_some_and(|way| way == 201 || way == 202)
    }

    fn text(&self, field: &str) -> String {
        self.value[field].as_str().unwrap_or_default().to_owned()
    }
}

/// The day so far of so many records, and the two minutes after it.
fn told(live_ms: i64, records: u64) -> (Arc<Brand>, Vec<Told>, Vec<Told>) {
    let brand = Arc::new(Brand::new(&Settings::default()).unwrap());
    let mut model = Model::new(Arc::clone(&brand), MIDNIGHT_MS, MIDNIGHT_MS);
    model.tell_story(live_ms);
    let told = |delivery: Delivery| {
        let value = serde_json::from_slice(&delivery.value).unwrap_or_default();
        Told { at_ms: delivery.timestamp_ms, value }
    };
    let span = Span { start_ms: MIDNIGHT_MS, end_ms: live_ms, midnight_ms: MIDNIGHT_MS };
    let before = model.day(span, records).map(told).collect();
    let live = (0..WITHIN_MS / 1_000 * RATE).map(|n| told(model.now(live_ms + n * 1_000 / RATE))).collect();
    (brand, before, live)
}

fn adds_by_store(brand: &Brand, events: &[&[Told]]) -> BTreeMap<usize, u64> {
    let mut adds = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    let of_today =
        |event: &&Told| event.is("friend.added") && event.occurred_ms() >= MIDNIGHT_MS && !event.is_transfer();
    for event in events.iter().copied().flatten().filter(of_today) {
        let member = brand.staff.iter().find(|member| member.id == event.text("staff_id"));
        if let Some(member) = member.filter(|_| seen.insert(event.text("event_id"))) {
            *adds.entry(member.store).or_default() += 1;
        }
    }
    adds
}

fn check(live_ms: i64, records: u64) {
    let (brand, before, live) = told(live_ms, records);
    assert_eq!(before.last().unwrap().at_ms / 60_000, live_ms / 60_000 - 1, "the day so far ends when it goes live");
    assert_eq!(overtaking(&brand, &before, &live), Some(true), "a store overtakes another");
    assert_eq!(silent_codes(live_ms, &before, &live), 1, "a code with an add every ten seconds has none any more");
    assert!(leaving(&live) >= 10, "{} left after the broadcast", leaving(&live));
    assert!(late(&live) >= 10, "{} came late", late(&live));
    assert!(contests(&brand).iter().any(|bounds| bounds.contains(&live_ms)), "a contest runs");
}

#[test]
fn every_scene_of_the_story_happens_within_two_minutes() {
    check(MIDNIGHT_MS + 15 * HOUR_MS, 15_000);
    check(MIDNIGHT_MS + 23 * HOUR_MS, 29_000);
}

#[test]
fn the_code_of_the_story_is_not_out_before() {
    let brand = Arc::new(Brand::new(&Settings::default()).unwrap());
    let code = brand.codes.last().unwrap().state.clone();
    let span = Span { start_ms: MIDNIGHT_MS, end_ms: MIDNIGHT_MS + 24 * HOUR_MS, midnight_ms: MIDNIGHT_MS };
    let with = |kept: bool| {
        let mut model = Model::new(Arc::clone(&brand), MIDNIGHT_MS, MIDNIGHT_MS);
        if kept {
            model.keep_code();
        }
        model.day(span, 20_000).filter(|delivery| String::from_utf8_lossy(&delivery.value).contains(&code)).count()
    };
    assert!(with(true) == 0 && with(false) > 0, "{} and {}", with(true), with(false));
}

/// Fewer a demonstration does not tell, however early it is.
#[test]
fn so_it_does_of_the_shortest_day() {
    check(MIDNIGHT_MS + HOUR_MS, 2_000);
}

/// Whether one of the first eight stores is at least three ahead of one that was ahead of it.
fn overtaking(brand: &Brand, before: &[Told], live: &[Told]) -> Option<bool> {
    let (then, now) = (adds_by_store(brand, &[before]), adds_by_store(brand, &[before, live]));
    let mut ranks: Vec<_> = then.iter().collect();
    ranks.sort_by_key(|(_, adds)| std::cmp::Reverse(**adds));
    let first = ranks.get(..8)?;
    let behind = |(store, adds): &(&usize, &u64)| {
        first.iter().any(|(other, before)| adds < before && now[*store] >= now[*other] + 3)
    };
    Some(first.iter().any(behind))
}

/// Codes with ten adds in the last ten minutes of the day so far, no two of them more than half a minute apart, and none since.
fn silent_codes(live_ms: i64, before: &[Told], live: &[Told]) -> usize {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for event in before.iter().filter(|event| event.is("friend.added") && event.at_ms >= live_ms - 600_000) {
        times.entry(event.text("state")).or_default().push(event.at_ms);
    }
    let is_dense = |times: &[i64]| times.len() >= 10 && times.windows(2).all(|pair| pair[1] - pair[0] <= 30_000);
    let happens = |event: &&Told| event.is("friend.added") && event.occurred_ms() >= live_ms;
    let since = |code: &str| live.iter().filter(happens).any(|event| event.text("state") == code);
    times.iter().filter(|(code, times)| !code.is_empty() && is_dense(times) && !since(code)).count()
}

/// Friends who leave whoever sent a broadcast, after it.
fn leaving(live: &[Told]) -> usize {
    let sent = live.iter().filter(|event| event.is("broadcast.sent"));
    let left = |broadcast: &Told| {
        let own = |event: &&Told| event.text("staff_id") == broadcast.text("staff_id") && event.at_ms > broadcast.at_ms;
        live.iter().filter(|event| event.is("friend.deleted_by_customer")).filter(own).count()
    };
    sent.map(left).max().unwrap_or(0)
}

/// Adds of the same day that come more than a quarter of an hour after they happened.
fn late(live: &[Told]) -> usize {
    let is_late = |event: &&Told| event.at_ms - event.occurred_ms() > 900_000 && event.occurred_ms() >= MIDNIGHT_MS;
    live.iter().filter(|event| event.is("friend.added")).filter(is_late).count()
}

fn contests(brand: &Brand) -> Vec<std::ops::Range<i64>> {
    let rows = reference::rows(brand, "2026-11-11".parse().unwrap(), MIDNIGHT_MS).unwrap();
    let rows = rows.into_iter().filter(|row| row.topic == Topic::Contest);
    let bounds = |row: Delivery| {
        let value: Value = serde_json::from_slice(&row.value).unwrap();
        value["starts_at"].as_i64().unwrap()..value["ends_at"].as_i64().unwrap()
    };
    rows.map(bounds).collect()
}
