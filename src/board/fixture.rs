//! A small corp that the tests of the board know by heart, and a reader that answers with it.
//!
//! Invariant: 30 adds today and 22 by the same moment yesterday, over three stores and what belongs to none.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::days::{self, Instants};
use super::organisation::{Member, Organisation};
use super::reader::{Clock, Counters, Day, Directory, Earlier, EarlierChild, Error, Minutes, Reader};
use super::snapshot::Snapshot;
use super::sources::Slow;
use super::view::{Defaults, Level, View, Watched};
use crate::event::Counter;

/// 14:32:15 in Shanghai.
const COMPLETE_THROUGH: i64 = 1_795_329_135_000;

pub(super) fn view(parameters: &[(&str, &str)]) -> View {
    let mut all = HashMap::from([("level".to_owned(), "store".to_owned())]);
    all.extend(parameters.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())));
    View::read(&all, &Defaults::of("acme")).unwrap()
}

pub(super) fn snapshot() -> Snapshot {
    let clock = clock();
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let day = days::day_of(clock.now, &zone).unwrap();
    let instants = days::instants(day, COMPLETE_THROUGH, clock.now, &zone).unwrap();
    Snapshot {
        watched: view(&[]).watched,
        day,
        time_zone: "Asia/Shanghai".to_owned(),
        clock,
        instants,
        counts: counts(),
        earlier: earlier(),
        directory: directory(),
        revision: clock.now,
        slow: Slow::now(day, instants.now.minute()),
    }
}

fn clock() -> Clock {
    Clock {
        now: COMPLETE_THROUGH + 3_000,
        complete_through: Some(COMPLETE_THROUGH),
        last_event_at: Some(COMPLETE_THROUGH - 500),
    }
}

fn counters(adds: u64, deletes_by_customer: u64) -> Counters {
    let mut values = [0; Counter::ALL.len()];
    values[Counter::Adds.index()] = adds;
    values[Counter::DeletesByCustomer.index()] = deletes_by_customer;
    Counters::from_values(&values)
}

fn counts() -> Day {
    let named = |rows: &[(&str, u64, u64)]| {
        rows.iter().map(|(id, adds, deletes)| ((*id).to_owned(), counters(*adds, *deletes))).collect()
    };
    Day {
        children: named(&[("S1", 16, 4), ("S2", 12, 0), ("", 2, 0)]),
        channels: named(&[("badge", 20, 4), ("search", 7, 0), ("unattributed", 3, 0)]),
    }
}

fn earlier() -> Earlier {
    let minutes = |whole, running| Minutes { whole: counters(whole, 0), running: counters(running, 0) };
    let yesterday = HashMap::from([("badge".to_owned(), minutes(14, 8)), ("search".to_owned(), minutes(6, 3))]);
    let child = |whole, running, adds_hour_ago| EarlierChild {
        baseline_adds: (whole, running),
        adds_hour_ago,
        net_adds_hour_ago: 0,
        last_add_at: Some(COMPLETE_THROUGH - 15_000),
    };
    Earlier {
        baselines: [yesterday, HashMap::new()],
        children: HashMap::from([("S1".to_owned(), child(9, 8, 5)), ("S2".to_owned(), child(11, 3, 6))]),
    }
}

pub(super) fn organisation() -> Organisation {
    let name = |level, id: &str, name: &str| ((level, id.to_owned()), name.to_owned());
    let member = |staff: &str, store: &str| Member {
        staff_id: staff.to_owned(),
        store_id: store.to_owned(),
        region_id: "R1".to_owned(),
        active: staff != "gone",
    };
    Organisation {
        names: HashMap::from([
            name(Level::Region, "R1", "华东"),
            name(Level::Store, "S1", "杭州湖滨路店"),
            name(Level::Store, "S2", "<b>南京&新街口店"),
            name(Level::Store, "S3", "苏州观前街店"),
            name(Level::Staff, "z3", "沈立群"),
        ]),
        members: vec![
            member("gone", "S1"),
            member("z1", "S1"),
            member("z2", "S1"),
            member("z3", "S2"),
            member("z4", "S3"),
        ],
        regions: ["S1", "S2", "S3"].map(|store| (store.to_owned(), "R1".to_owned())).into(),
    }
}

fn directory() -> Directory {
    Directory {
        organisation: organisation().into(),
        targets: HashMap::from([
            ((Level::Corp, String::new(), "adds".to_owned()), 100),
            ((Level::Store, "S1".to_owned(), "adds".to_owned()), 40),
        ]),
        groups: HashMap::new(),
    }
}

/// Answers with the fixture while it is up, and counts the readings.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) down: AtomicBool,
    /// Whether it takes questions and answers none.
    pub(super) hangs: AtomicBool,
    pub(super) readings: AtomicUsize,
    /// How many corps there are, up to two.
    pub(super) corps: AtomicUsize,
}

impl Default for Fixture {
    fn default() -> Self {
        Self {
            down: AtomicBool::default(),
            hangs: AtomicBool::default(),
            readings: AtomicUsize::default(),
            corps: AtomicUsize::new(1),
        }
    }
}

impl Fixture {
    fn answer<T: Send + 'static>(&self, answer: T) -> BoxFuture<'_, Result<T, Error>> {
        let (down, hangs) = (self.down.load(Ordering::SeqCst), self.hangs.load(Ordering::SeqCst));
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            if down { Err(Error::Timeout { seconds: 0 }) } else { Ok(answer) }
        })
    }
}

impl Reader for Fixture {
    fn busiest_corps(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        self.answer(
            ["acme", "other"].iter().take(self.corps.load(Ordering::SeqCst)).map(|&corp| corp.to_owned()).collect(),
        )
    }

    fn organisation<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Organisation, Error>> {
        self.answer(organisation())
    }

    fn clock<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Clock, Error>> {
        self.readings.fetch_add(1, Ordering::SeqCst);
        self.answer(clock())
    }

    fn day<'a>(&'a self, _: &'a Watched, _: Date) -> BoxFuture<'a, Result<Day, Error>> {
        self.answer(counts())
    }

    fn earlier<'a>(&'a self, _: &'a Watched, _: &'a Instants) -> BoxFuture<'a, Result<Earlier, Error>> {
        self.answer(earlier())
    }

    fn directory<'a>(&'a self, _: &'a Watched, _: Date) -> BoxFuture<'a, Result<Directory, Error>> {
        self.answer(directory())
    }
}
