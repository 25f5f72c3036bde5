//! A small corp that the tests of the board know by heart.
//!
//! Invariant: 30 adds today and 22 by the same moment yesterday, over three stores and what belongs to none.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::counts::{Counts, Row};
use super::days::{self, Instants};
use super::details::Details;
use super::details::broadcasts::{Broadcasts, Sent, Usual};
use super::details::codes::{Code, Codes};
use super::details::cohorts::{Cohort, Cohorts};
use super::details::contests::{Contestant, Contests};
use super::details::corrections::{Corrected, Corrections};
use super::details::course::{Course, Minute};
use super::details::history::{History, LikeDay};
use super::details::person::{Added, Fate, Month, Person};
use super::details::requests::{Passed, Requests};
use super::organisation::{Member, Organisation};
use super::reader::{Clock, Counters, Directory, Earlier, EarlierChild, Minutes, minutes_of};
use super::snapshot::Snapshot;
use super::view::{Defaults, Level, Scope, View};
use crate::event::Counter;

mod answers;
pub(super) mod crew;

pub(super) use answers::Fixture;

/// 14:32:15 in Shanghai.
const COMPLETE_THROUGH: i64 = 1_795_329_135_000;

/// More than eight weeks before.
const COUNTED_SINCE: Date = jiff::civil::date(2026, 9, 1);

pub(super) fn view(parameters: &[(&str, &str)]) -> View {
    let mut all = HashMap::from([("level".to_owned(), "store".to_owned())]);
    all.extend(parameters.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())));
    View::read(&all, &Defaults::of("acme")).unwrap()
}

pub(super) fn snapshot() -> Snapshot {
    let (clock, instants) = (clock(), instants());
    let mut counts = rows().day(&Scope::corp(), Level::Store);
    // What belongs to none stands last, where no test takes it for a place.
    counts.regions.rotate_left(1);
    Snapshot {
        watched: view(&[]).watched,
        day: instants.now.day,
        counted_since: Some(COUNTED_SINCE),
        time_zone: "Asia/Shanghai".to_owned(),
        clock,
        instants,
        counts,
        earlier: Arc::new(earlier()),
        directory: directory(),
        details: details(),
        news: Vec::new(),
        revision: clock.now,
        derived: super::snapshot::Derived::default(),
        ranks: super::leaderboard::Ranks::default(),
    }
    .with_derived()
}

fn instants() -> Instants {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let day = days::day_of(clock().now, &zone).unwrap();
    days::instants(day, COMPLETE_THROUGH, &zone).unwrap()
}

/// The same of one member of staff.
pub(super) fn snapshot_of_person() -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.watched = view(&[("scope", "staff:z1"), ("level", "staff")]).watched;
    snapshot.details.person = Some(Arc::new(person()));
    snapshot
}

fn clock() -> Clock {
    Clock {
        now: COMPLETE_THROUGH + 3_000,
        complete_through: Some(COMPLETE_THROUGH),
        last_event_at: Some(COMPLETE_THROUGH - 500),
    }
}

pub(super) fn counters(adds: u64, deletes_by_customer: u64) -> Counters {
    let mut values = [0; Counter::ALL.len()];
    values[Counter::Adds.index()] = adds;
    values[Counter::DeletesByCustomer.index()] = deletes_by_customer;
    Counters::from_values(&values)
}

/// 16 adds of one in S1, and 12 of another in S2, of which 2 came without a region; 2 of a region came without a store.
pub(super) fn rows() -> Counts {
    let row = |region: &str, store: &str, staff: &str, [adds, deletes]: [u64; 2], channels: &[(&str, u64)]| Row {
        region: region.to_owned(),
        store: store.to_owned(),
        staff: staff.to_owned(),
        counters: counters(adds, deletes),
        channels: channels.iter().map(|(key, adds)| ((*key).to_owned(), *adds)).collect(),
        last_add_at: 0,
    };
    Counts::new(vec![
        row("R1", "S1", "z1", [16, 4], &[("badge", 14), ("search", 2)]),
        row("R1", "", "", [2, 0], &[("unattributed", 2)]),
        row("R2", "S2", "z3", [10, 0], &[("badge", 6), ("search", 4)]),
        row("", "S2", "z3", [2, 0], &[("search", 1), ("unattributed", 1)]),
    ])
}

fn earlier() -> Earlier {
    let minutes = |whole, running| Minutes {
        whole: counters(whole, 0),
        running: counters(running, 0),
        next: Counters::default(),
    };
    let yesterday = HashMap::from([("badge".to_owned(), minutes(14, 8)), ("search".to_owned(), minutes(6, 3))]);
    let child = |whole, running, adds_hour_ago| EarlierChild {
        baseline_adds: [whole, running, 0],
        adds_hour_ago,
        last_add_at: Some(COMPLETE_THROUGH - 15_000),
        ..EarlierChild::default()
    };
    Earlier {
        minutes: minutes_of(&instants()),
        baselines: [yesterday, HashMap::new()],
        children: HashMap::from([("S1".to_owned(), child(9, 8, 5)), ("S2".to_owned(), child(11, 3, 6))]),
        hours: Arc::default(),
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
        targets: Arc::new(HashMap::from([
            ((Level::Corp, String::new(), "adds".to_owned()), 100),
            ((Level::Store, "S1".to_owned(), "adds".to_owned()), 40),
            ((Level::Region, "R1".to_owned(), "adds".to_owned()), 40),
            ((Level::Region, "R2".to_owned(), "adds".to_owned()), 60),
        ])),
        groups: HashMap::new(),
    }
}

fn details() -> Details {
    Details {
        cohorts: Some(Arc::new(cohorts())),
        course: Some(Arc::new(course())),
        history: Some(Arc::new(history())),
        broadcasts: Some(Arc::new(broadcasts())),
        requests: Some(Arc::new(requests())),
        corrections: Some(Arc::new(corrections())),
        contests: Some(Arc::new(contests())),
        codes: Some(Arc::new(codes())),
        person: None,
    }
}

/// Midnight in Shanghai.
const DAY_START: i64 = COMPLETE_THROUGH - 52_335_000;

/// 20 adds at 10:00, of which 2 came late, 7 at 11:40 and 3 in the minute that runs; the day before 20 at 10:00 and 15 in
/// the evening.
fn course() -> Course {
    let minute =
        |start: i64, minutes: i64, adds, late_adds| Minute { start: start + minutes * 60_000, adds, late_adds };
    let before = DAY_START - 86_400_000;
    Course {
        day: vec![minute(DAY_START, 600, 20, 2), minute(DAY_START, 700, 7, 0), minute(DAY_START, 872, 3, 0)],
        day_before: vec![minute(before, 600, 20, 0), minute(before, 1200, 15, 0)],
    }
}

/// Three Sundays of 100 adds, of which 40, 50 and 45 came in the morning.
fn history() -> History {
    let day = |(weeks, morning): (i64, u64)| {
        let start = DAY_START - weeks * 7 * 86_400_000;
        let minute = |minutes: i64| u32::try_from(start / 60_000 + minutes).unwrap();
        LikeDay {
            day: jiff::Timestamp::from_millisecond(start)
                .unwrap()
                .to_zoned(TimeZone::get("Asia/Shanghai").unwrap())
                .date(),
            minutes: vec![(minute(600), morning), (minute(1200), 100 - morning)],
            children: [("S1".to_owned(), 60), ("S3".to_owned(), 40)].into(),
        }
    };
    History { days: [(1, 40), (2, 50), (3, 45)].map(day).to_vec() }
}

/// 4 of the 30 adds are not new and 2 of the others are lost.
fn cohorts() -> Cohorts {
    let cohort = |not_new, lost, opened| Cohort { not_new, lost, opened, ..Cohort::default() };
    let named = |rows: &[(&str, Cohort)]| rows.iter().map(|(id, cohort)| ((*id).to_owned(), *cohort)).collect();
    Cohorts {
        complete_through: COMPLETE_THROUGH - 45_000,
        children: named(&[("S1", cohort(3, 1, 7)), ("S2", cohort(1, 1, 5))]),
        channels: named(&[("badge", cohort(3, 2, 9)), ("search", cohort(1, 0, 3))]),
    }
}

/// Of 900 who got the one task 15 have left, 12 of them in S1; 1 in 100 is usual.
fn broadcasts() -> Broadcasts {
    let sent = |task: &str, name: &str, child: &str, hours: i64, audience, deleted_24h| Sent {
        task_id: task.to_owned(),
        name: name.to_owned(),
        child: child.to_owned(),
        sent_at: DAY_START + hours * 3_600_000,
        audience,
        deleted_24h,
        is_provisional: child != "S2",
    };
    Broadcasts {
        sent: vec![
            sent("t1", "双11预热", "S2", 11, 500, 3),
            sent("t1", "双11预热", "S1", 10, 400, 12),
            sent("t2", "", "S1", 13, 100, 0),
        ],
        usual: Usual { audience: 10_000, deleted_24h: 100, tasks: 9 },
    }
}

/// In S2 2 of 40 requests were accepted, where 2 in 5 are usual.
fn requests() -> Requests {
    let passed = |sent, accepted| Passed { sent, accepted, usual_sent: 200, usual_accepted: 80 };
    Requests { children: [("S1".to_owned(), passed(30, 11)), ("S2".to_owned(), passed(40, 2))].into() }
}

/// Of the day before: 3 adds came late, 1 of them of S1, and 1 was taken out.
fn corrections() -> Corrections {
    let yesterday = DAY_START - 86_400_000;
    let corrected = |reason: &str, store: &str, staff: &str, before, after| Corrected {
        day: "2026-11-21".parse().unwrap(),
        reason: reason.to_owned(),
        metric: "adds".to_owned(),
        region_id: "R1".to_owned(),
        store_id: store.to_owned(),
        staff_id: staff.to_owned(),
        before,
        after,
        occurred: (reason == "late").then_some(match store {
            "S1" => (yesterday + 620 * 60_000, yesterday + 640 * 60_000),
            _ => (yesterday + 630 * 60_000, yesterday + 650 * 60_000),
        }),
        received_at: DAY_START + 3_600_000,
        is_closed: store == "S2",
    };
    Corrections {
        rows: vec![
            corrected("late", "S1", "z1", 7, 8),
            corrected("late", "S2", "z3", 5, 7),
            corrected("duplicate", "S2", "z3", 9, 8),
        ],
    }
}

/// Two stores of one region, two members of staff of two stores, two stores of which one is nowhere.
pub(super) fn contests() -> Contests {
    let side = |contest: &str, scope: &str, value| Contestant {
        contest_id: contest.to_owned(),
        name: "人均加粉".to_owned(),
        scope: Scope::read(scope).unwrap(),
        metric: "adds".to_owned(),
        basis: "per_head".to_owned(),
        bounds: (DAY_START, DAY_START + 18 * 3_600_000),
        value,
        staff_active: u64::try_from(organisation().active(&Scope::read(scope).unwrap()).count()).unwrap(),
    };
    Contests {
        rows: vec![
            side("k1", "store:S1", 9),
            side("k1", "store:S2", 7),
            side("k2", "staff:z1", 5),
            side("k2", "staff:z3", 4),
            side("k3", "store:S9", 3),
            side("k3", "store:S1", 2),
        ],
    }
}

/// One code of S1, silent since 13:45:00.
fn codes() -> Codes {
    let code = |state: &str, store: &str, minutes: i64| Code {
        state: state.to_owned(),
        label: "工牌·湖滨".to_owned(),
        channel: "badge".to_owned(),
        region_id: "R1".to_owned(),
        store_id: store.to_owned(),
        staff_id: String::new(),
        last_add_at: DAY_START + minutes * 60_000,
        usual_gap_seconds: 240,
    };
    // The other had an add since it was read.
    Codes { silent: vec![code("qr-7", "S1", 825), code("qr-8", "S1", 870)] }
}

fn person() -> Person {
    let added = |offset, minutes: i64, fate| Added {
        at: DAY_START + minutes * 60_000,
        recorded_at: DAY_START + minutes * 60_000 + 500,
        channel: "badge".to_owned(),
        record: ("yinliu.friend.v1".to_owned(), 3, offset),
        fate,
    };
    Person {
        adds: vec![added(41, 600, Fate::Friend), added(42, 610, Fate::NotNew), added(43, 700, Fate::Left)],
        day_before: vec![DAY_START - 86_400_000 + 570 * 60_000],
        month: Month { qualified: 31, qualified_final: 25, adjusted: -2 },
        complete_through: COMPLETE_THROUGH - 45_000,
    }
}
