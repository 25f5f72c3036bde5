//! What the contract's views say, read whole.
//!
//! Invariant: reads views alone, as a data team would; no table of the pipeline, and no `FINAL`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clickhouse::{Client, Row, error::Error};
use serde::Deserialize;
use yinliu::event::Counter;

use crate::warehouse::{Counts, Key, LAST_ADD};

/// One event of the log: topic, partition, offset.
pub(crate) type At = (String, u32, u64);

/// Everything that a pipeline leaves behind of its input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) minutes: BTreeMap<Key, Counts>,
    pub(crate) days: BTreeMap<Key, Counts>,
    /// Members of staff without channel, and channels without store and staff.
    pub(crate) boards: BTreeMap<Key, Counts>,
    /// Counted records.
    pub(crate) events: BTreeSet<At>,
}

/// Records by partition: next offset, received, rejected, duplicate, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunks(pub(crate) BTreeMap<(String, u32), [u64; 5]>);

#[derive(Debug, Row, Deserialize)]
struct Count {
    corp_id: String,
    minute: u32,
    business_date: u16,
    region_id: String,
    store_id: String,
    staff_id: String,
    channel: String,
    counters: Vec<u64>,
}

#[derive(Debug, Row, Deserialize)]
struct Event {
    topic: String,
    partition: u32,
    offset: u64,
}

#[derive(Debug, Row, Deserialize)]
struct Chunk {
    src_topic: String,
    src_partition: u32,
    sums: Vec<u64>,
}

impl Figures {
    pub(crate) async fn read(client: &Client) -> Self {
        let sql = "SELECT e.src_topic AS topic, e.src_partition AS partition, e.src_offset AS offset FROM events AS e";
        let rows = client.query(sql).fetch_all::<Event>().await.unwrap();
        let count = rows.len();
        let events: BTreeSet<_> = rows.into_iter().map(|event| (event.topic, event.partition, event.offset)).collect();
        assert_eq!(events.len(), count, "`events` has one row for each counted record");
        let (minutes, days) = (counts(client, &MINUTES).await, counts(client, &DAYS).await);
        let mut boards = BTreeMap::new();
        for rollup in &FOR_BOARDS {
            boards.append(&mut counts(client, rollup).await);
        }
        Self { minutes, days, boards, events }
    }
}

impl Chunks {
    pub(crate) async fn read(client: &Client) -> Result<Self, Error> {
        let sql = "SELECT src_topic, src_partition, [max(c.next_offset), sum(c.received), sum(c.rejected), \
                   sum(c.duplicate), sum(c.counted)] AS sums FROM chunks AS c GROUP BY src_topic, src_partition";
        let rows = client.query(sql).fetch_all::<Chunk>().await?;
        let chunk = |row: Chunk| ((row.src_topic, row.src_partition), row.sums.try_into().unwrap());
        Ok(Self(rows.into_iter().map(chunk).collect()))
    }

    /// Whether all below these ends (topic, partition, offset) is entered; else where it is not.
    pub(crate) fn reach(&self, ends: &[(String, u32, u64)]) -> Result<(), String> {
        let behind = |(topic, partition, end): &&(String, u32, u64)| self.position(topic, *partition) < *end;
        let behind: Vec<_> = ends.iter().filter(behind).collect();
        if behind.is_empty() { Ok(()) } else { Err(format!("{self:?}, behind in {behind:?}")) }
    }

    /// The next offset to read; 0 where nothing was read.
    pub(crate) fn position(&self, topic: &str, partition: u32) -> u64 {
        self.0.get(&(topic.to_owned(), partition)).map_or(0, |sums| sums[0])
    }
}

/// A rollup: the view, and what stands for the columns that it lacks.
struct Rollup {
    view: &'static str,
    minute: &'static str,
    place: &'static str,
    last_add: &'static str,
}

const PLACE: &str = "region_id, store_id, staff_id, channel";

const MINUTES: Rollup =
    Rollup { view: "v_counts_1m", minute: "intDiv(toUInt32(window_start), 60)", place: PLACE, last_add: "" };

const DAYS: Rollup = Rollup { view: "v_counts_1d", minute: "toUInt32(0)", place: PLACE, last_add: "" };

const FOR_BOARDS: [Rollup; 2] = [
    Rollup {
        view: "v_counts_1d_staff",
        place: "region_id, store_id, staff_id, '' AS channel",
        last_add: ", toUInt64(toUnixTimestamp64Milli(last_add_at))",
        ..DAYS
    },
    Rollup {
        view: "v_counts_1d_channel",
        place: "region_id, '' AS store_id, '' AS staff_id, channel",
        last_add: ", toUInt64(toUnixTimestamp64Milli(last_add_at))",
        ..DAYS
    },
];

async fn counts(client: &Client, rollup: &Rollup) -> BTreeMap<Key, Counts> {
    let Rollup { view, minute, place, last_add } = rollup;
    let counters: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    let sql = format!(
        "SELECT corp_id, {minute} AS minute, business_date, {place}, [{}{last_add}] AS counters FROM {view}",
        counters.join(", ")
    );
    let mut found = BTreeMap::new();
    for row in client.query(&sql).fetch_all::<Count>().await.unwrap() {
        let named = counters.iter().copied().chain([LAST_ADD]).zip(row.counters);
        let counts: Counts = named.filter(|(_, value)| *value > 0).collect();
        let key = (row.corp_id, row.minute, row.business_date, row.region_id, row.store_id, row.staff_id, row.channel);
        assert!(!counts.is_empty(), "{view} leaves out keys without a count, {key:?} too");
        let repeated = found.insert(key.clone(), counts);
        assert_eq!(repeated, None, "{view} has one row for {key:?}");
    }
    found
}

/// Fails where two tables differ.
pub(crate) fn same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
) {
    let Differences { rows, told } = differences(what, expected, found);
    assert!(rows == 0, "{told}");
}

/// In how many rows two tables differ, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    pub(crate) rows: usize,
    pub(crate) told: String,
}

impl Differences {
    /// Those of two comparisons.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.rows += other.rows;
        self.told += &other.told;
        self
    }
}

pub(crate) fn differences<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
) -> Differences {
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let differing: Vec<_> = keys.into_iter().filter(|key| expected.get(*key) != found.get(*key)).collect();
    let rows = differing.len();
    if rows == 0 {
        return Differences::default();
    }
    let mut told = format!("{what}: {rows} rows differ:\n");
    // The first ten say enough of what is wrong.
    for key in differing.into_iter().take(10) {
        let (expected, found) = (expected.get(key), found.get(key));
        writeln!(told, "  {key:?}\n    expected {expected:?}\n    found    {found:?}").unwrap();
    }
    Differences { rows, told }
}
