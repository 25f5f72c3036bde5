//! What the warehouse holds of a partition: its ledger, the registers of its open chunks, the facts beyond the ledger.
//!
//! Invariant: reads only; of several versions of a row the largest holds.

use std::time::Duration;

use clickhouse::{Client, Row, error::Error};
use rustc_hash::FxHashMap;
use serde::Deserialize;

use crate::{
    batch::{Origin, Tally},
    chunk::{self, COUNTERS, Grain},
    event::{Counter, Direction, Type, Weight},
    partition::{self, Fact, Loaded, Room, let_go},
    sink::{Table, clickhouse::answered_late},
    window::{Date, Minute, Window},
};

#[derive(Row, Deserialize)]
struct Entry {
    src_topic: String,
    src_partition: u32,
    src_chunk: u64,
    next_offset: u64,
    received: u64,
    rejected: u64,
    duplicate: u64,
    counted: u64,
    first_date: u16,
    last_date: u16,
    topic_id: String,
}

#[derive(Row, Deserialize)]
struct TopicId {
    src_topic: String,
    topic_id: String,
}

#[derive(Row, Deserialize)]
struct StoredFact {
    src_topic: String,
    src_partition: u32,
    src_offset: u64,
    corp_id: String,
    staff_id: String,
    region_id: String,
    store_id: String,
    channel: String,
    channel_group: String,
    business_date: u16,
    occurred_at: i64,
    recorded_at: i64,
    r#type: String,
    direction: String,
    count: u32,
    auto: bool,
    amount_fen: Option<u64>,
}

/// One of many: 16 open chunks can hold a million, so that it borrows from the answer, and its counters have no length.
#[derive(Row, Deserialize)]
struct Register<'a> {
    src_topic: &'a str,
    src_partition: u32,
    src_chunk: u64,
    corp_id: &'a str,
    region_id: &'a str,
    store_id: &'a str,
    staff_id: &'a str,
    channel: &'a str,
    minute: u32,
    business_date: u16,
    late: bool,
    counters: [u64; COUNTERS],
    events: u32,
    last_add_at: i64,
    version: u64,
}

/// How long before the ledger's last row a fact beyond it may have been inserted, by the clocks of two servers.
const CLOCKS_APART: &str = "INTERVAL 1 HOUR";

/// Partitions whose open chunks count more records than this are asked for one after another: ClickHouse sorts what it is
/// asked for at once, at most three rows for each record.
const ASKED_AT_ONCE: u64 = 2_000_000;

/// So much longer may an answer take for each record that the open chunks count: four times as long as it took on two busy
/// cores. A partition that could never be loaded in time would stand still for ever.
const PER_RECORD: Duration = Duration::from_micros(200);

/// After so many rows it is seen whether there is room for what has come in.
const ROWS_BETWEEN_LOOKS: usize = 4_096;

pub(super) async fn load(
    client: &Client,
    origins: &[Origin],
    chunk: &chunk::Config,
    room: Room,
) -> Result<FxHashMap<Origin, Loaded>, Error> {
    if origins.is_empty() {
        return Ok(FxHashMap::default());
    }
    let mut loaded = answered_late(Duration::ZERO, positions(client, origins, chunk)).await?;
    for (group, records) in groups(&loaded) {
        let more = PER_RECORD.saturating_mul(u32::try_from(records).unwrap_or(u32::MAX));
        for (grain, bits) in [(Grain::Minute, chunk.bits), (Grain::Day, chunk.day_bits), (Grain::Board, chunk.day_bits)]
        {
            answered_late(more, registers(client, grain, bits, &group, &mut loaded, room)).await?;
        }
    }
    Ok(loaded)
}

/// The ledger and the facts beyond it.
async fn positions(
    client: &Client,
    origins: &[Origin],
    chunk: &chunk::Config,
) -> Result<FxHashMap<Origin, Loaded>, Error> {
    let mut loaded: FxHashMap<Origin, Loaded> =
        origins.iter().map(|origin| (origin.clone(), Loaded::default())).collect();
    for entries in ledger(client, origins).await?.into_values() {
        let Some(newest) = entries.iter().max_by_key(|entry| entry.next_offset) else { continue };
        let origin = origin(&newest.src_topic, newest.src_partition);
        loaded.insert(origin, state(&entries, newest, chunk));
    }
    if loaded.values().any(|loaded| loaded.topic_id.is_none()) {
        let known = topic_ids(client, origins).await?;
        for (origin, loaded) in loaded.iter_mut().filter(|(_, loaded)| loaded.topic_id.is_none()) {
            loaded.topic_id = known.get(&*origin.topic).cloned();
        }
    }
    for (origin, fact) in facts(client, &loaded).await? {
        if let Some(loaded) = loaded.get_mut(&origin) {
            loaded.facts.push(fact);
        }
    }
    Ok(loaded)
}

/// Partitions to be asked for together, and how many records their open chunks count.
fn groups(loaded: &FxHashMap<Origin, Loaded>) -> Vec<(Vec<Origin>, u64)> {
    let mut groups: Vec<(Vec<Origin>, u64)> = Vec::new();
    for (origin, loaded) in loaded {
        match groups.last_mut() {
            Some((group, records)) if *records + loaded.day_counted <= ASKED_AT_ONCE => {
                group.push(origin.clone());
                *records += loaded.day_counted;
            }
            _ => groups.push((vec![origin.clone()], loaded.day_counted)),
        }
    }
    groups
}

/// `('topic', 0), …`: names of topics hold neither quotes nor backslashes.
pub(super) fn tuples(origins: &[Origin]) -> String {
    let tuples: Vec<_> = origins.iter().map(|origin| format!("('{}', {})", origin.topic, origin.partition)).collect();
    tuples.join(", ")
}

async fn ledger(client: &Client, origins: &[Origin]) -> Result<FxHashMap<Origin, Vec<Entry>>, Error> {
    let sql = format!(
        "SELECT src_topic, src_partition, src_chunk, next_offset, received, rejected, duplicate, counted, \
         first_date, last_date, topic_id FROM ledger FINAL WHERE (src_topic, src_partition) IN ({})",
        tuples(origins)
    );
    let mut entries: FxHashMap<Origin, Vec<Entry>> = FxHashMap::default();
    for entry in client.query(&sql).fetch_all::<Entry>().await? {
        entries.entry(origin(&entry.src_topic, entry.src_partition)).or_default().push(entry);
    }
    Ok(entries)
}

/// The id of each topic of which anything was counted: also a partition of which nothing was is another one's where its
/// topic was recreated.
async fn topic_ids(client: &Client, origins: &[Origin]) -> Result<FxHashMap<String, String>, Error> {
    let mut topics: Vec<_> = origins.iter().map(|origin| format!("'{}'", origin.topic)).collect();
    topics.sort_unstable();
    topics.dedup();
    let sql = format!(
        "SELECT src_topic, argMax(l.topic_id, l.updated_at) AS topic_id FROM ledger AS l \
         WHERE src_topic IN ({}) AND l.topic_id != '' GROUP BY src_topic",
        topics.join(", ")
    );
    let rows = client.query(&sql).fetch_all::<TopicId>().await?;
    Ok(rows.into_iter().map(|row| (row.src_topic, row.topic_id)).collect())
}

fn state(entries: &[Entry], newest: &Entry, chunk: &chunk::Config) -> Loaded {
    let position = newest.next_offset;
    let open = entries.iter().find(|entry| entry.src_chunk == position >> chunk.bits);
    let day = position >> chunk.day_bits;
    let in_day = |entry: &&Entry| entry.src_chunk >> (chunk.day_bits - chunk.bits) == day;
    Loaded {
        next_offset: Some(position),
        tally: open.map(tally).unwrap_or_default(),
        day_counted: entries.iter().filter(in_day).map(|entry| entry.counted).sum(),
        day_dates: entries.iter().filter(in_day).filter_map(|entry| tally(entry).dates).reduce(join),
        topic_id: (!newest.topic_id.is_empty()).then(|| newest.topic_id.clone()),
        ..Loaded::default()
    }
}

fn tally(entry: &Entry) -> Tally {
    let &Entry { received, rejected, duplicate, counted, first_date, last_date, .. } = entry;
    Tally {
        received,
        rejected,
        duplicate,
        counted,
        dates: (counted > 0).then_some((Date(first_date), Date(last_date))),
    }
}

fn join(one: (Date, Date), other: (Date, Date)) -> (Date, Date) {
    (one.0.min(other.0), one.1.max(other.1))
}

async fn facts(client: &Client, loaded: &FxHashMap<Origin, Loaded>) -> Result<Vec<(Origin, Fact)>, Error> {
    let beyond: Vec<_> = loaded
        .iter()
        .map(|(origin, loaded)| {
            let position = loaded.next_offset.unwrap_or(0);
            format!(
                "(src_topic = '{}' AND src_partition = {} AND src_offset >= {position})",
                origin.topic, origin.partition
            )
        })
        .collect();
    // Facts beyond the ledger were inserted after its last row, so that old parts are passed over; a partition without
    // a ledger looks through all of them, once.
    let known: Vec<_> =
        loaded.iter().filter(|(_, loaded)| loaded.next_offset.is_some()).map(|(origin, _)| origin.clone()).collect();
    let since = if known.len() < loaded.len() {
        "toDateTime64(0, 3)".to_owned()
    } else {
        format!(
            "(SELECT min(latest) - {CLOCKS_APART} FROM (SELECT max(updated_at) AS latest FROM ledger \
             WHERE (src_topic, src_partition) IN ({}) GROUP BY src_topic, src_partition))",
            tuples(&known)
        )
    };
    let sql = format!(
        "SELECT src_topic, src_partition, src_offset, corp_id, staff_id, region_id, store_id, channel, channel_group, \
         business_date, occurred_at, recorded_at, type, direction, count, auto, amount_fen FROM facts WHERE ingested_at >= {since} AND ({}) \
         ORDER BY version DESC LIMIT 1 BY src_topic, src_partition, src_offset",
        beyond.join(" OR ")
    );
    let rows = client.query(&sql).fetch_all::<StoredFact>().await?;
    // A type that this version does not know was not counted by it either.
    let known = |fact: StoredFact| {
        let origin = origin(&fact.src_topic, fact.src_partition);
        fact.known().map(|fact| (origin, fact))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

async fn registers(
    client: &Client,
    grain: Grain,
    bits: u32,
    origins: &[Origin],
    loaded: &mut FxHashMap<Origin, Loaded>,
    room: Room,
) -> Result<(), Error> {
    // Rows lie on the days that the ledger names, or on those of the facts beyond it.
    let dates = origins.iter().map(|origin| &loaded[origin]).flat_map(|loaded| {
        let facts = loaded.facts.iter().map(|fact| (fact.window.date, fact.window.date));
        facts.chain(loaded.tally.dates).chain(loaded.day_dates)
    });
    let Some((first, last)) = dates.reduce(join) else { return Ok(()) };
    let chunks: Vec<_> = origins
        .iter()
        .flat_map(|origin| {
            let chunk = loaded[origin].next_offset.unwrap_or(0) >> bits;
            [chunk, chunk + 1].map(|chunk| format!("('{}', {}, {chunk})", origin.topic, origin.partition))
        })
        .collect();
    let counters: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    let none = "toInt64(0)";
    let (table, minute, window, last_add) = match grain {
        Grain::Minute => (Table::Minutes, "intDiv(toUInt32(window_start), 60)", "window_start, ", none),
        Grain::Day => (Table::Days, "toUInt32(0)", "", none),
        Grain::Board => (Table::Boards, "toUInt32(0)", "", "toUnixTimestamp64Milli(last_add_at)"),
    };
    let sql = format!(
        "SELECT src_topic, src_partition, src_chunk, corp_id, region_id, store_id, staff_id, channel, {minute} AS minute, \
         business_date, late, ({}) AS counters, events, {last_add} AS last_add_at, version FROM {} \
         WHERE (src_topic, src_partition, src_chunk) IN ({}) AND business_date BETWEEN toDate({}) AND toDate({}) \
         ORDER BY version DESC \
         LIMIT 1 BY src_topic, src_partition, src_chunk, corp_id, region_id, store_id, staff_id, channel, {window}\
         business_date, late",
        counters.join(", "),
        table.name(),
        chunks.join(", "),
        first.0,
        last.0,
    );
    // Looking up the type of every field of every row took two thirds of the time of a start; the types are those of
    // our own schema, which is checked before.
    let mut cursor = client.clone().with_validation(false).query(&sql).fetch::<Register<'_>>()?;
    let (mut scratch, mut rows) = (Vec::new(), 0_usize);
    while let Some(row) = cursor.next().await? {
        let of = |origin: &Origin| origin.partition == row.src_partition && *origin.topic == *row.src_topic;
        if let Some(loaded) = origins.iter().find(|origin| of(origin)).and_then(|origin| loaded.get_mut(origin)) {
            loaded.rows.take(grain, &(&row).into(), &mut scratch);
        }
        rows += 1;
        if rows.is_multiple_of(ROWS_BETWEEN_LOOKS) {
            let_go(loaded.values_mut(), room);
        }
    }
    let_go(loaded.values_mut(), room);
    Ok(())
}

fn origin(topic: &str, partition: u32) -> Origin {
    Origin { topic: topic.into(), partition }
}

impl StoredFact {
    fn known(self) -> Option<Fact> {
        let Self { count, auto, amount_fen, .. } = self;
        let (kind, direction) = (Type::from_name(&self.r#type)?, Direction::from_name(&self.direction));
        Some(Fact {
            offset: self.src_offset,
            corp_id: self.corp_id,
            staff_id: self.staff_id,
            region_id: self.region_id,
            store_id: self.store_id,
            channel: self.channel,
            channel_group: self.channel_group,
            window: Window::new(self.occurred_at, self.recorded_at, Date(self.business_date)),
            weight: Weight { kind, count: count.into(), direction, auto, amount_fen },
            occurred_at: self.occurred_at,
            lateness_ms: self.recorded_at.saturating_sub(self.occurred_at),
        })
    }
}

impl<'a> From<&'a Register<'a>> for partition::Row<'a> {
    fn from(row: &'a Register<'a>) -> Self {
        let &Register { corp_id, region_id, store_id, staff_id, channel, events, last_add_at, .. } = row;
        Self {
            chunk: row.src_chunk,
            corp_id,
            region_id,
            store_id,
            staff_id,
            channel,
            window: Window { minute: Minute(row.minute), date: Date(row.business_date), late: row.late },
            values: &row.counters,
            events,
            last_add_at,
            upto: crate::batch::upto(row.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_partitions_are_asked_for_one_after_another_and_each_once() {
        let counted = [1_200_000, 5_000_000, 300_000, 1_200_000, 0];
        let partitions = (0..)
            .zip(counted)
            .map(|(partition, day_counted)| (origin("friend", partition), Loaded { day_counted, ..Loaded::default() }));
        let loaded: FxHashMap<_, _> = partitions.collect();
        let groups = groups(&loaded);
        let mut asked: Vec<_> = groups.iter().flat_map(|(group, _)| group).map(|origin| origin.partition).collect();
        asked.sort_unstable();
        assert_eq!(asked, [0, 1, 2, 3, 4]);
        for (group, records) in groups {
            assert_eq!(group.iter().map(|origin| loaded[origin].day_counted).sum::<u64>(), records);
            assert!(group.len() == 1 || records <= ASKED_AT_ONCE, "{group:?}");
        }
    }
}
