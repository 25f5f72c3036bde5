//! Bursts of keys that no two records share, every id as long as the contract allows.
//!
//! Invariant: memory is bounded by the chunk and by the limit, whatever the records hold, and each record is counted.

use clickhouse::Row;
use serde::Deserialize;
use serde_json::json;
use yinliu::{batch::Origin, chunk, partition::Room};

use crate::{
    chaos::number,
    support::{
        counting::Counting,
        engine::Engine,
        figures::Chunks,
        kafka, poll,
        records::{self, Stored},
        stage::{SOON, Stage},
        yinliu::Yinliu,
    },
};

/// 2026-06-01 10:00 in Shanghai.
const AT_MS: i64 = 1_780_279_200_000;

/// So many records are on their way at once, with their values in memory.
const SENT_AT_ONCE: usize = 20_000;

#[derive(Clone, Debug)]
struct Burst {
    records: usize,
    /// So many of them have a channel key of the corp's own.
    keys: usize,
    partitions: i32,
    chunk: chunk::Config,
    limit_mib: usize,
}

/// The most that the process was seen to have.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    registers: f64,
    partition_memory: f64,
    resident: f64,
    held: f64,
}

impl Most {
    fn look(&mut self, yinliu: &Yinliu) {
        for (most, sample) in [
            (&mut self.registers, "registers"),
            (&mut self.partition_memory, "partition_memory_bytes"),
            (&mut self.resident, "process_resident_memory_bytes"),
            (&mut self.held, "partitions_held{cause=\"memory\"}"),
        ] {
            *most = most.max(yinliu.metric(sample).unwrap_or(0.0));
        }
    }
}

/// As long as it may be.
fn id(letter: char, length: usize, number: usize) -> String {
    format!("{letter}{number:0width$}", width = length - 1)
}

/// The key that this record names, published an hour before.
fn channel_key(stage: &Stage<'_>, number: usize) -> Stored {
    let id = |letter, length| id(letter, length, number);
    let (corp, code) = (id('w', 64).replace(char::is_numeric, "w"), id('q', 64));
    let row = json!({ "corp_id": corp, "state": code, "channel": id('c', 64), "label": id('l', 64), "group": "ads" });
    let (key, value) = (format!("{corp}/{code}").into_bytes(), row.to_string().into_bytes());
    let (key, value) = (Some(key), Some(value));
    Stored { topic: stage.topic("channel"), timestamp: AT_MS - 3_600_000, key, value, ..Stored::default() }
}

/// A record whose member of staff, store, region, channel and customer are nobody else's.
fn strange(stage: &Stage<'_>, number: usize) -> Stored {
    let id = |letter, length| id(letter, length, number);
    let event = json!({
        "event_id": id('e', 128), "type": "friend.added", "corp_id": id('w', 64).replace(char::is_numeric, "w"),
        "occurred_at": AT_MS, "staff_id": id('s', 64), "store_id": id('t', 64), "region_id": id('r', 64),
        "channel": id('c', 64), "customer_id": id('u', 128),
    });
    let (key, value) = (Some(id('s', 64).into_bytes()), Some(event.to_string().into_bytes()));
    Stored { topic: stage.topic("friend"), timestamp: AT_MS, key, value, ..Stored::default() }
}

/// Sends a burst and waits until it is in.
async fn run(stage: &Stage<'_>, burst: &Burst) -> (Yinliu, Most) {
    stage.build_with_chunks(burst.partitions, &burst.chunk).await;
    let mut config = stage.config();
    config["chunk"] = json!({ "bits": burst.chunk.bits, "day_bits": burst.chunk.day_bits });
    config["memory"] = json!({ "limit_mib": burst.limit_mib });
    let (yinliu, mut most) = (Yinliu::start(&config), Most::default());
    let producer = records::producer(stage.kafka);
    for start in (0..burst.keys).step_by(SENT_AT_ONCE) {
        let numbers = start..burst.keys.min(start + SENT_AT_ONCE);
        records::send(&producer, numbers.map(|number| channel_key(stage, number))).await;
    }
    stage.until_reference(burst.keys).await;
    for start in (0..burst.records).step_by(SENT_AT_ONCE) {
        let numbers = start..burst.records.min(start + SENT_AT_ONCE);
        records::send(&producer, numbers.map(|number| strange(stage, number))).await;
        most.look(&yinliu);
    }
    until_in(stage, &yinliu, &mut most).await;
    (yinliu, most)
}

async fn until_in(stage: &Stage<'_>, yinliu: &Yinliu, most: &mut Most) {
    let (ends, client) = (stage.ends(), stage.client());
    poll::until("the burst in", SOON * 60, async || {
        most.look(yinliu);
        let chunks = Chunks::read(&client).await.map_err(|error| format!("{error:?}"))?;
        let behind = |(topic, partition, end): &&(String, u32, u64)| chunks.position(topic, *partition) < *end;
        let behind: Vec<_> = ends.iter().filter(behind).collect();
        if behind.is_empty() { Ok(()) } else { Err(format!("behind in {behind:?}; its log:\n{}", yinliu.log())) }
    })
    .await;
}

#[derive(Debug, PartialEq, Eq, Row, Deserialize)]
struct Sums {
    keys: u64,
    adds: u64,
    channels: u64,
    unattributed: u64,
}

async fn assert_each_is_counted(stage: &Stage<'_>, records: usize, keys: usize) {
    let (count, keys) = (u64::try_from(records).unwrap(), u64::try_from(keys).unwrap());
    for view in ["v_counts_1m", "v_counts_1d"] {
        let sql = format!(
            "SELECT count() AS keys, sum(adds) AS adds, uniqExactIf(channel, channel != 'unattributed') AS channels, \
             countIf(channel = 'unattributed') AS unattributed FROM {view}"
        );
        let sums = stage.client().query(&sql).fetch_one::<Sums>().await.unwrap();
        assert_eq!(sums, Sums { keys: count, adds: count, channels: keys, unattributed: count - keys }, "{view}");
    }
    let sql = "SELECT uniqExact(assumeNotNull(e.channel_given)) FROM events AS e";
    assert_eq!(stage.client().query(sql).fetch_one::<u64>().await.unwrap(), count, "channels as they were given");
}

/// Registers of a chunk by minute and one by day, of which each counts in two for boards.
fn registers_max(burst: &Burst) -> f64 {
    f64::from(burst.partitions) * f64::from((1_u32 << burst.chunk.bits) + 3 * (1 << burst.chunk.day_bits))
}

#[tokio::test]
async fn burst_of_distinct_keys_is_bounded_by_the_chunk_and_each_is_counted() {
    // By `make pressure` with the chunks that are shipped; small ones end within few records.
    let (records, chunk) = match number("BURST_KEYS").and_then(|keys| keys.try_into().ok()) {
        Some(records) => (records, chunk::Config::default()),
        None => (100_000, chunk::Config { bits: 10, day_bits: 13 }),
    };
    let burst = Burst { records, keys: records / 10, partitions: 4, chunk, limit_mib: 1_024 };
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "burst");
    let (mut yinliu, mut most) = run(&stage, &burst).await;
    assert!(most.registers > 0.0 && most.registers <= registers_max(&burst), "{most:?}");
    let bound = yinliu.metric("memory_bound_bytes").unwrap();
    println!("{burst:?}: {most:?}, memory bound {bound}");
    assert!(most.resident < bound, "{most:?}, the bound is {bound}");
    assert_each_is_counted(&stage, burst.records, burst.keys).await;
    // What it held is loaded again within the bound.
    yinliu.kill();
    yinliu.restart();
    let producer = records::producer(stage.kafka);
    let more = burst.records..burst.records + 100;
    records::send(&producer, more.map(|number| strange(&stage, number))).await;
    until_in(&stage, &yinliu, &mut most).await;
    println!("after a start: {most:?}");
    assert!(most.resident < bound, "after a start {most:?}, the bound is {bound}");
    assert_each_is_counted(&stage, burst.records + 100, burst.keys).await;
}

#[tokio::test]
async fn process_at_its_memory_limit_has_partitions_take_turns_and_loses_nothing() {
    // Each worker has five partitions, of which each takes more than half of its share. As many workers as the process.
    const PARTITIONS: usize = 5;
    let workers = std::thread::available_parallelism().unwrap().get().min(8);
    let partitions = i32::try_from(PARTITIONS * workers).unwrap();
    let records = 10_000 * PARTITIONS * workers;
    let burst =
        Burst { records, keys: 0, partitions, chunk: chunk::Config::default(), limit_mib: (8 * workers).max(16) };
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "turns");
    let (yinliu, most) = run(&stage, &burst).await;
    println!("{burst:?}: {most:?}");
    assert!(most.held > 0.0, "partitions wait for their turn: {most:?}");
    // Each worker reads one, however large, and learns what it has become only at its next flush, which a busy machine
    // delays: some 13 MB each, of which two are there at once. All five would be 65 MB.
    assert!(most.partition_memory < 40e6 * f64::from(partitions) / 5.0, "{most:?}");
    assert!(yinliu.whole_log().contains("memory.limit_mib"), "{}", yinliu.log());
    assert_each_is_counted(&stage, burst.records, burst.keys).await;
}

#[tokio::test]
async fn partitions_for_which_there_is_no_room_are_let_go_of_as_they_are_loaded() {
    let engine = Engine::start();
    let mut counting = Counting::new(engine.url(), "room").await;
    for (partition, records) in [(0, 2), (1, 12), (2, 5)] {
        let event = |number: i64| {
            let text = json!({
                "event_id": number.to_string(), "type": "friend.added", "corp_id": "c", "occurred_at": AT_MS,
                "staff_id": id('s', 64, usize::try_from(number).unwrap()), "customer_id": "u",
            });
            (AT_MS, text.to_string())
        };
        counting.count("friend", partition, &(0..records).map(event).collect::<Vec<_>>()).await;
    }
    let origins = [0, 1, 2].map(|partition| Origin { topic: "friend".into(), partition });
    let sizes = async |bytes, keeps_one| {
        let loaded = counting.load(&origins, Room { bytes, keeps_one }).await;
        loaded.iter().map(|loaded| loaded.rows.too_large()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(1 << 20, false).await, [None; 3]);
    let all = sizes(1, false).await;
    assert!(all[0] < all[2] && all[2] < all[1] && all[0] > Some(64), "the sizes of 2, 12 and 5 members: {all:?}");
    assert_eq!(sizes(1, true).await, [None, all[1], all[2]], "the smallest is kept");
}
