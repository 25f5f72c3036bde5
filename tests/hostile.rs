//! Hostile records through the whole program: each is counted, a duplicate, or a dead letter, and nothing else happens.
//!
//! Invariant: the records go through a real broker, compressed or not, into a real warehouse.

#[path = "../src/hostile/mutation.rs"]
mod mutation;

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clickhouse::Row;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use rdkafka::{ClientConfig, producer::FutureProducer};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    chaos::number,
    support::{
        engine::Engine,
        figures::Chunks,
        kafka, poll,
        records::{self, Stored},
        stage::{SOON, Stage},
        yinliu::Yinliu,
    },
};

/// 2025-03-10 10:00 in Shanghai.
const AT_MS: i64 = 1_741_572_000_000;

const MIB: usize = 1 << 20;

/// The records of all cases, to be mutated.
fn known() -> Vec<Stored> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    let mut known = Vec::new();
    for case in files.map(|file| serde_json::from_slice::<Value>(&file).unwrap()) {
        for record in case["records"].as_array().unwrap() {
            let text = |name: &str| record[name].as_str().map(|text| text.as_bytes().to_vec());
            let binary = record["value_base64"].as_str().map(|text| STANDARD.decode(text).unwrap());
            let headers = record["headers"].as_array().into_iter().flatten();
            let word = |header: &Value, at: usize| header[at].as_str().unwrap_or_default().to_owned();
            known.push(Stored {
                timestamp: record["timestamp"].as_i64().unwrap_or(AT_MS),
                key: text("key"),
                value: text("value").or(binary),
                headers: headers.map(|header| (word(header, 0), word(header, 1).into_bytes())).collect(),
                ..Stored::default()
            });
        }
    }
    known
}

/// One of the known records after some steps; mostly an event that nobody sent before, if it is one still.
fn mutated(number: usize, known: &[Stored], random: &mut SmallRng) -> Stored {
    let mut record = known[random.random_range(0..known.len())].clone();
    let other = known[random.random_range(0..known.len())].value.as_deref().unwrap_or_default();
    if let Some(value) = &mut record.value {
        if let Ok(text) = str::from_utf8(value)
            && random.random_bool(0.8)
        {
            *value = text.replacen("\"event_id\":\"", &format!("\"event_id\":\"{number}-"), 1).into_bytes();
        }
        if random.random_bool(0.8) {
            *value = mutation::mutate(value, other, 2, random);
        }
    }
    if let Some((name, value)) = record.headers.first_mut()
        && random.random_bool(0.2)
    {
        *value = mutation::mutate(value, name.as_bytes(), 2, random);
    }
    record
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Row, Deserialize)]
struct Sums {
    received: u64,
    rejected: u64,
    duplicate: u64,
    counted: u64,
    letters: u64,
    facts: u64,
}

#[derive(Debug, Row, Deserialize)]
struct Refused {
    src_offset: u64,
    reason: String,
}

async fn sums(stage: &Stage<'_>) -> Sums {
    let sql = "SELECT sum(c.received) AS received, sum(c.rejected) AS rejected, sum(c.duplicate) AS duplicate, \
               sum(c.counted) AS counted, assumeNotNull((SELECT count() FROM dead_letters)) AS letters, \
               assumeNotNull((SELECT count() FROM events)) AS facts FROM chunks AS c";
    stage.client().query(sql).fetch_one().await.unwrap()
}

/// Nothing of these records was lost, and the process lives on within its memory.
async fn assert_accounted_for(stage: &Stage<'_>, yinliu: &Yinliu, sent: usize) -> Sums {
    let found = sums(stage).await;
    assert_eq!(found.received, u64::try_from(sent).unwrap(), "{found:?}");
    assert_eq!(found.received, found.rejected + found.duplicate + found.counted, "{found:?}");
    assert_eq!((found.letters, found.facts), (found.rejected, found.counted), "{found:?}");
    // Each has a letter, at least one: whoever takes over a partition sends again what its former owner had not entered.
    let mut refused = BTreeSet::new();
    records::visit(stage.kafka, &[stage.topic("dead-letter")], |letter| {
        let (topic, partition, offset) = letter.origin();
        refused.insert((topic.to_owned(), partition, offset));
    });
    assert_eq!(u64::try_from(refused.len()).unwrap(), found.rejected, "records with a letter in the topic");
    assert!(yinliu.is_running() && !yinliu.whole_log().contains("panicked"), "{}", yinliu.log());
    let [resident, bound] =
        ["process_resident_memory_bytes", "memory_bound_bytes"].map(|sample| yinliu.metric(sample).unwrap());
    println!("{found:?}, {:.0} MB of memory, the bound is {:.0}", resident / 1e6, bound / 1e6);
    assert!(resident < bound, "{resident} bytes, the bound is {bound}");
    found
}

async fn until_in(stage: &Stage<'_>, yinliu: &Yinliu, limit: Duration) {
    let (ends, client) = (stage.ends(), stage.client());
    poll::until("everything in", limit, async || {
        let chunks = Chunks::read(&client).await.map_err(|error| format!("{error:?}"))?;
        let behind = |(topic, partition, end): &&(String, u32, u64)| chunks.position(topic, *partition) < *end;
        let behind: Vec<_> = ends.iter().filter(behind).collect();
        if behind.is_empty() { Ok(()) } else { Err(format!("behind in {behind:?}; its log:\n{}", yinliu.log())) }
    })
    .await;
}

/// By `make mutated` two hundred times as many.
const RECORDS: usize = 50_000;
const SENT_AT_ONCE: usize = 20_000;

#[tokio::test]
async fn mutated_records_are_each_counted_a_duplicate_or_a_dead_letter() {
    let count = number("MUTATED_RECORDS").map_or(RECORDS, |count| count.try_into().unwrap());
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "mutated");
    stage.build(2).await;
    let yinliu = Yinliu::start(&stage.config());
    let (producer, known) = (records::producer(stage.kafka), known());
    assert!(known.len() > 100, "{} known records", known.len());
    let mut random = SmallRng::seed_from_u64(number("MUTATED_SEED").unwrap_or(1));
    let topics = ["friend", "message", "order", "touch"].map(|role| stage.topic(role));
    for start in (0..count).step_by(SENT_AT_ONCE) {
        let batch: Vec<_> = (start..count.min(start + SENT_AT_ONCE))
            .map(|number| {
                let topic = topics[random.random_range(0..topics.len())].clone();
                Stored { topic, ..mutated(number, &known, &mut random) }
            })
            .collect();
        records::send(&producer, batch).await;
    }
    until_in(&stage, &yinliu, SOON * 30).await;
    let found = assert_accounted_for(&stage, &yinliu, count).await;
    // Of each outcome enough that it was tried.
    let least = u64::try_from(count / 100).unwrap();
    assert!([found.rejected, found.duplicate, found.counted].iter().all(|count| *count > least), "{found:?}");
    let (agrees, said) = yinliu.command(&["verify", "--from", "2024-01-01", "--to", "2026-12-31"]);
    assert!(agrees, "{said}");
}

/// An event that counts, with more fields.
fn event(id: &str, more: &str) -> Vec<u8> {
    format!(
        r#"{{"event_id":"{id}","type":"friend.added","corp_id":"c","occurred_at":{AT_MS},"staff_id":"s","customer_id":"u"{more}}}"#
    )
    .into_bytes()
}

/// What goes to the edges of what a broker takes, and the reason of its refusal; `None`: it counts.
fn extremes() -> Vec<(&'static str, Stored, Option<&'static str>)> {
    let of = |value: Vec<u8>| Stored { timestamp: AT_MS + 500, value: Some(value), ..Stored::default() };
    let with_header =
        |value: Vec<u8>, bytes: usize| Stored { headers: vec![("trace".to_owned(), vec![b'h'; bytes])], ..of(value) };
    let (open, close) = ("[".repeat(400_000), "]".repeat(400_000));
    let many = (0..20_000).map(|at| format!(r#","f{at}":0"#)).collect::<Vec<_>>().concat();
    let mut not_utf8 = event("u8", r#","state":"?""#);
    let at = not_utf8.iter().position(|byte| *byte == b'?').unwrap();
    not_utf8[at] = 0xff;
    let malformed = Some("malformed");
    vec![
        ("deep", of(event("deep", &format!(r#","x":{open}{close}"#))), None),
        ("deep without an end", of(event("deeper", &format!(r#","x":{open}"#))), malformed),
        ("nothing but brackets", of(open.clone().into_bytes()), malformed),
        ("a thousand digits", of(event("digits", &format!(r#","x":{}"#, "9".repeat(1_000)))), None),
        ("a huge exponent", of(event("exponent", r#","x":1e999999999"#)), None),
        ("a huge count", of(event("amount", r#","count":99999999999999999999"#)), None),
        ("a repeated field", of(event("repeated", r#","staff_id":"t""#)), malformed),
        ("20,000 fields", of(event("many", &many)), None),
        ("a NUL in a field", of(event("nul", r#","state":"\u0000""#)), Some("invalid_field")),
        ("a NUL in the text", of(b"{\0}".to_vec()), malformed),
        ("nothing but NULs", of(vec![0; 1_000]), Some("unsupported_encoding")),
        ("no UTF-8", of(not_utf8), malformed),
        ("a lone surrogate", of(event("surrogate", r#","state":"\ud800""#)), malformed),
        ("a value just too large", of(vec![b' '; MIB + 1]), Some("too_large")),
        ("a large header", with_header(event("header", ""), MIB), None),
        ("a large header on what is refused", with_header(b"{}".to_vec(), MIB), Some("missing_field")),
        ("the largest header", with_header(b"{}".to_vec(), 2 * MIB), Some("missing_field")),
        ("the last one", of(event("last", "")), None),
    ]
}

fn compressing(stage: &Stage<'_>, codec: &str) -> FutureProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stage.kafka.brokers()).set("compression.type", codec);
    config.set("message.max.bytes", "1000000000").set("queue.buffering.max.kbytes", "1000000").set("linger.ms", "0");
    config.create().unwrap()
}

/// Zeros that a broker takes for a small record: packed they are one.
const BOMB_BYTES: usize = 64 * MIB;

#[tokio::test]
async fn extremes_and_bombs_hold_nothing_up_and_each_has_its_reason() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "extremes");
    stage.build(1).await;
    let yinliu = Yinliu::start(&stage.config());
    let topic = stage.topic("friend");
    let mut expected = Vec::new();
    for codec in ["zstd", "lz4", "gzip"] {
        let bomb = || Stored { timestamp: AT_MS, topic: topic.clone(), ..Stored::default() };
        let value = Stored { value: Some(vec![0; BOMB_BYTES]), ..bomb() };
        let header = vec![("zeros".to_owned(), vec![0; 8 * MIB])];
        let header = Stored { headers: header, value: Some(b"{}".to_vec()), ..bomb() };
        for (what, record, reason) in [("a bomb", value, "too_large"), ("a header as a bomb", header, "missing_field")]
        {
            records::send(&compressing(&stage, codec), [record]).await;
            expected.push((what, Some(reason)));
        }
    }
    let producer = records::producer(stage.kafka);
    for (what, record, reason) in extremes() {
        records::send(&producer, [Stored { topic: topic.clone(), ..record }]).await;
        expected.push((what, reason));
    }
    until_in(&stage, &yinliu, SOON * 2).await;
    assert_accounted_for(&stage, &yinliu, expected.len()).await;
    let sql = "SELECT src_offset, reason FROM dead_letters";
    let refused = stage.client().query(sql).fetch_all::<Refused>().await.unwrap();
    let refused: HashMap<u64, String> = refused.into_iter().map(|row| (row.src_offset, row.reason)).collect();
    for (offset, (what, reason)) in (0..).zip(&expected) {
        assert_eq!(refused.get(&offset).map(String::as_str), *reason, "{what}");
    }
    let letters = stage.letters();
    let letters: HashMap<_, _> = letters.iter().map(|letter| (letter.header("offset"), letter)).collect();
    assert_eq!(letters.len(), refused.len(), "each has its letter");
    let cut = letters.values().filter(|letter| letter.header("truncated").is_some()).count();
    assert_eq!(cut, 3 * 2, "of bombs alone: the topic takes everything else whole");
}
