//! Random histories of a few partitions, broken off at random moments in every way that a flush can break, against the
//! recount, which is slow and obvious and shares nothing with the pipeline.
//!
//! Invariant: the partitions alone, without the stages around them; `simulation` has the whole.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde_json::json;
use yinliu::{
    batch::{Batch, Origin},
    chunk,
    corp::Corps,
    dedup,
    directory::{Directory, OrgRow, Publication},
    event::Record,
    partition::{Config, Partition, Rules},
    window::Calendar,
};

use crate::{
    recount::{self, Terms, WholeLog, recount},
    support::records::Stored,
    warehouse::Warehouse,
};

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
    FactsAndBoards,
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
        Just(Arrived::FactsAndBoards),
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

impl Entry {
    fn stored(&self) -> Stored {
        Stored {
            topic: self.origin.topic.to_string(),
            partition: i32::try_from(self.origin.partition).ok(),
            offset: self.offset,
            timestamp: self.timestamp,
            value: Some(self.value.clone().into_bytes()),
            ..Stored::default()
        }
    }
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
                (batch.minute, batch.day, batch.board) = (none(), none(), none());
                self.warehouse.insert_rows(&batch);
            }
            Arrived::FactsAndMinutes => {
                (batch.day, batch.board) = (none(), none());
                self.warehouse.insert_rows(&batch);
            }
            Arrived::FactsAndDays => {
                (batch.minute, batch.board) = (none(), none());
                self.warehouse.insert_rows(&batch);
            }
            Arrived::FactsAndBoards => {
                (batch.minute, batch.day) = (none(), none());
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
    let terms = Terms { records: DEDUP.0.into(), span_ms: DEDUP.1, delay_ms: DELAY_MS };
    let records: Vec<_> = run.log.iter().map(Entry::stored).collect();
    let (figures, _) = recount(&terms, &recount::Directory::new(moves, []), &records, &WholeLog);
    prop_assert_eq!(run.warehouse.counts_1m(), figures.minutes);
    prop_assert_eq!(run.warehouse.counts_1d(), figures.days);
    prop_assert_eq!(run.warehouse.counts_for_boards(), figures.boards);
    prop_assert_eq!(run.warehouse.facts.len(), figures.events.len());
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
