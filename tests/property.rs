//! Random histories of a few partitions, broken off at random moments in every way that a flush can break, against a
//! recount that is slow and obvious and shares nothing with the pipeline.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde_json::{Value, json};
use yinliu::{
    batch::{Batch, Origin},
    chunk,
    corp::Corps,
    dedup,
    directory::{Directory, OrgRow, Publication},
    event::Record,
    partition::{Config, Partition, Rules},
    window::{self, Calendar, Date},
};

use crate::warehouse::{Counts, Key, Warehouse};

const STAFF: [&str; 3] = ["s0", "s1", "s2"];
const BEGIN_MS: i64 = 1_741_572_000_000;
const DELAY_MS: i64 = 60_000;
const DEDUP: (u32, i64) = (9, 120_000);

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A record in a partition, so long after the one before it, of an event that happened so long before.
    Record {
        partition: u32,
        after_ms: i64,
        age_ms: i64,
        value: Draw,
    },
    /// A member moves to a store.
    Move {
        staff: usize,
        store: u8,
    },
    Flush,
    /// The process ends in the middle of a flush, of which so much came in; a new one starts.
    Crash(Arrived),
}

#[derive(Clone, Debug)]
struct Draw {
    id: u8,
    staff: usize,
    kind: u8,
    channel: u8,
    number: u32,
    store: Option<u8>,
    broken: bool,
}

/// What of a flush reached the warehouse before the process ended.
#[derive(Clone, Copy, Debug)]
enum Arrived {
    Nothing,
    Facts,
    FactsAndMinutes,
    FactsAndDays,
    Rows,
    All,
}

fn step() -> impl Strategy<Value = Step> {
    let draw = (
        0..14_u8,
        0..3_usize,
        0..6_u8,
        0..4_u8,
        1..1000_u32,
        prop::option::weighted(0.2, 0..3_u8),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(id, staff, kind, channel, number, store, broken)| Draw {
            id,
            staff,
            kind,
            channel,
            number,
            store,
            broken,
        });
    let record = (0..2_u32, -5_000..40_000_i64, -1_000..400_000_i64, draw)
        .prop_map(|(partition, after_ms, age_ms, value)| Step::Record { partition, after_ms, age_ms, value });
    let arrived = prop_oneof![
        Just(Arrived::Nothing),
        Just(Arrived::Facts),
        Just(Arrived::FactsAndMinutes),
        Just(Arrived::FactsAndDays),
        Just(Arrived::Rows),
        Just(Arrived::All),
    ];
    prop_oneof![
        20 => record,
        1 => (0..3_usize, 0..3_u8).prop_map(|(staff, store)| Step::Move { staff, store }),
        2 => Just(Step::Flush),
        2 => arrived.prop_map(Step::Crash),
    ]
}

/// A record of the log.
#[derive(Clone, Debug)]
struct Entry {
    origin: Origin,
    offset: u64,
    timestamp: i64,
    value: String,
}

fn value(draw: &Draw, occurred_at: i64) -> String {
    let mut event = json!({
        "event_id": format!("e{}", draw.id), "corp_id": "c", "occurred_at": occurred_at,
        "staff_id": STAFF[draw.staff], "customer_id": "w1",
    });
    let (kind, field) = match draw.kind {
        0 => ("friend.added", None),
        1 => ("friend.deleted_by_customer", None),
        2 => ("message.inbound", Some("count")),
        3 => ("order.paid", Some("amount_fen")),
        4 => ("order.refunded", Some("amount_fen")),
        _ => ("touch.scanned", Some("count")),
    };
    event["type"] = kind.into();
    event["order_id"] = "o1".into();
    if let Some(field) = field {
        event[field] = draw.number.into();
    }
    match draw.channel {
        0 => event["channel"] = "badge".into(),
        1 => event["channel"] = "shared".into(),
        2 => event["add_way"] = 3.into(),
        _ => {}
    }
    if let Some(store) = draw.store {
        event["store_id"] = format!("st{store}").into();
    }
    let text = event.to_string();
    if draw.broken { text[..text.len() - 1].to_owned() } else { text }
}

/// What the pipeline makes of the history.
struct Run {
    config: Config,
    corps: Corps,
    directory: Directory,
    warehouse: Warehouse,
    partitions: HashMap<Origin, Partition>,
    batch: Batch,
    log: Vec<Entry>,
}

impl Run {
    fn fold(&mut self, entry: &Entry) {
        let (mut calendar, mut scratch) = (Calendar::new(), Vec::new());
        let mut rules = Rules {
            corps: &self.corps,
            directory: &self.directory,
            delay_ms: DELAY_MS,
            calendar: &mut calendar,
            scratch: &mut scratch,
        };
        let (config, warehouse, origin) = (&self.config, &self.warehouse, &entry.origin);
        let mut fresh = false;
        let partition = self.partitions.entry(origin.clone()).or_insert_with(|| {
            fresh = true;
            let loaded = warehouse.load(origin, &config.chunk);
            Partition::start(config, origin.clone(), loaded, 0).unwrap()
        });
        let from = if fresh { partition.read_from(config, 0) } else { entry.offset };
        let again = self.log.iter().filter(|other| other.origin == *origin && other.offset >= from);
        for entry in again.filter(|other| other.offset <= entry.offset) {
            let (timestamp, value) = (Some(entry.timestamp), Some(entry.value.as_bytes()));
            let record = Record { offset: entry.offset, timestamp, key: None, value, headers: &[] };
            partition.fold(&record, &mut rules, &mut self.batch);
        }
    }

    fn drain(&mut self) -> Batch {
        for partition in self.partitions.values_mut() {
            partition.drain(&mut self.batch);
        }
        std::mem::take(&mut self.batch)
    }

    fn crash(&mut self, arrived: Arrived) {
        let mut batch = self.drain();
        let none = yinliu::batch::Rows::default;
        match arrived {
            Arrived::Nothing => {}
            Arrived::Facts => {
                (batch.minute, batch.day) = (none(), none());
                self.warehouse.insert_rows(&batch);
            }
            Arrived::FactsAndMinutes => {
                batch.day = none();
                self.warehouse.insert_rows(&batch);
            }
            Arrived::FactsAndDays => {
                batch.minute = none();
                self.warehouse.insert_rows(&batch);
            }
            Arrived::Rows => self.warehouse.insert_rows(&batch),
            Arrived::All => self.warehouse.flush(&batch),
        }
        self.partitions.clear();
        // The new process reads each log again from where the warehouse stands.
        let ends: BTreeMap<Origin, Entry> =
            self.log.iter().map(|entry| (entry.origin.clone(), entry.clone())).collect();
        for entry in ends.values() {
            self.fold(entry);
        }
    }
}

type Rollups = (BTreeMap<Key, Counts>, BTreeMap<Key, Counts>, usize);

/// The contract's sentences, one after another, over the whole log.
fn recount(log: &[Entry], moves: &[OrgRow]) -> Rollups {
    let (mut minutes, mut days, mut counted) = (BTreeMap::new(), BTreeMap::new(), 0);
    for (at, entry) in log.iter().enumerate() {
        let Ok(event) = serde_json::from_str::<Value>(&entry.value) else { continue };
        let mut earlier = log[..at].iter().rev().filter(|other| {
            let parsed = serde_json::from_str::<Value>(&other.value);
            other.origin == entry.origin && parsed.is_ok_and(|parsed| parsed["event_id"] == event["event_id"])
        });
        let repeats = earlier.next().is_some_and(|nearest| {
            entry.offset - nearest.offset <= DEDUP.0.into() && entry.timestamp - nearest.timestamp <= DEDUP.1
        });
        if repeats {
            continue;
        }
        counted += 1;
        let occurred_at = event["occurred_at"].as_i64().unwrap();
        let (store, region) = place(&event, entry.timestamp, moves);
        let channel = match (event["channel"].as_str(), event["add_way"].as_i64()) {
            (Some(channel), _) => channel,
            (None, Some(3)) => "card_share",
            _ => "unattributed",
        };
        let minute = u32::try_from(occurred_at / 60_000).unwrap();
        let instant = jiff::Timestamp::from_millisecond(occurred_at).unwrap();
        let day = instant.to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()).date();
        let Date(day) = window::date_of(day).unwrap();
        let staff = event["staff_id"].as_str().unwrap().to_owned();
        for (rollup, minute) in [(&mut minutes, minute), (&mut days, 0)] {
            let key = ("c".to_owned(), minute, day, region.clone(), store.clone(), staff.clone(), channel.to_owned());
            let counts: &mut Counts = rollup.entry(key).or_default();
            for (counter, value) in counters(&event, entry.timestamp - occurred_at, channel) {
                *counts.entry(counter).or_default() += value;
            }
        }
    }
    (minutes, days, counted)
}

fn place(event: &Value, timestamp: i64, moves: &[OrgRow]) -> (String, String) {
    let own: Vec<_> = moves.iter().filter(|row| row.staff_id == event["staff_id"]).collect();
    let published = own.iter().filter(|row| row.publication.at <= timestamp - DELAY_MS);
    let occurred_at = event["occurred_at"].as_i64().unwrap();
    let first = own[0].publication;
    let valid = published.filter(|row| row.publication == first || row.valid_from <= occurred_at);
    let latest = valid.max_by_key(|row| (row.publication != first, row.valid_from, row.publication)).unwrap_or(&own[0]);
    match event["store_id"].as_str() {
        None => (latest.store_id.clone(), latest.region_id.clone()),
        Some(given) if given == latest.store_id => (given.to_owned(), latest.region_id.clone()),
        Some(given) => (given.to_owned(), String::new()),
    }
}

fn counters(event: &Value, lateness_ms: i64, channel: &str) -> Vec<(&'static str, u64)> {
    let number = |field: &str| event[field].as_u64().unwrap();
    match event["type"].as_str().unwrap() {
        "friend.added" if channel == "shared" => vec![("transfers_in", 1)],
        "friend.added" if lateness_ms > 120_000 => vec![("adds", 1), ("late_adds", 1)],
        "friend.added" => vec![("adds", 1)],
        "friend.deleted_by_customer" => vec![("deletes_by_customer", 1)],
        "message.inbound" => vec![("messages_in", number("count"))],
        "order.paid" => vec![("orders", 1), ("gmv_fen", number("amount_fen"))],
        "order.refunded" => vec![("refunds", 1), ("refund_fen", number("amount_fen"))],
        "touch.scanned" => vec![("scans", number("count"))],
        other => panic!("{other}"),
    }
}

fn check(steps: &[Step], bits: u32) -> Result<(), TestCaseError> {
    let dedup = dedup::Config { records: DEDUP.0, span: std::time::Duration::from_millis(DEDUP.1.unsigned_abs()) };
    let mut run = Run {
        config: Config { chunk: chunk::Config { bits, day_bits: bits + 1 }, dedup },
        corps: Corps::new(&HashMap::new()).unwrap(),
        directory: Directory::default(),
        warehouse: Warehouse::default(),
        partitions: HashMap::new(),
        batch: Batch::default(),
        log: Vec::new(),
    };
    let (mut moves, mut now, mut ends) = (Vec::new(), BEGIN_MS, [0_u64; 2]);
    let move_to = |run: &mut Run, moves: &mut Vec<OrgRow>, staff: usize, store: u8, at: i64| {
        let row = OrgRow {
            publication: Publication { at, partition: 0, offset: u64::try_from(moves.len()).unwrap() },
            corp_id: "c".to_owned(),
            staff_id: STAFF[staff].to_owned(),
            store_id: format!("st{store}"),
            region_id: format!("r{store}"),
            valid_from: at,
            ..OrgRow::default()
        };
        run.directory.insert_org(row.clone());
        moves.push(row);
    };
    for staff in 0..STAFF.len() {
        move_to(&mut run, &mut moves, staff, 0, BEGIN_MS - 3_600_000);
    }
    for step in steps {
        match step {
            Step::Record { partition, after_ms, age_ms, value: draw } => {
                now += after_ms;
                let end = &mut ends[usize::try_from(*partition).unwrap()];
                let origin = Origin { topic: "t".into(), partition: *partition };
                let entry = Entry { origin, offset: *end, timestamp: now, value: value(draw, now - age_ms) };
                *end += 1;
                run.log.push(entry.clone());
                run.fold(&entry);
            }
            // A move becomes known long before the first record that it concerns: the delay sees to that.
            Step::Move { staff, store } => move_to(&mut run, &mut moves, *staff, *store, now),
            Step::Flush => {
                let batch = run.drain();
                run.warehouse.flush(&batch);
            }
            Step::Crash(arrived) => run.crash(*arrived),
        }
    }
    let batch = run.drain();
    run.warehouse.flush(&batch);
    let (minutes, days, counted) = recount(&run.log, &moves);
    prop_assert_eq!(run.warehouse.counts_1m(), minutes);
    prop_assert_eq!(run.warehouse.counts_1d(), days);
    prop_assert_eq!(run.warehouse.facts.len(), counted);
    for (origin, (position, tally)) in run.warehouse.chunks() {
        let received = u64::try_from(run.log.iter().filter(|entry| entry.origin == origin).count()).unwrap();
        prop_assert_eq!((position, tally.received), (received, received));
        prop_assert!(tally.balances());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_history_counts_as_a_slow_recount_does(steps in prop::collection::vec(step(), 1..150), bits in 4_u32..8) {
        check(&steps, bits)?;
    }
}
