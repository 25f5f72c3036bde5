//! Every case of `tests/cases/` through the whole pipeline: a real broker, a real engine, `yinliu` as its own process.
//!
//! Invariant: what is compared is what an outsider sees: views, topics, metrics.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use clickhouse::Row;
use serde::Deserialize;
use serde_json::json;

use crate::{
    cases::{self, Case, Input, Rejected},
    support::{
        engine::Engine,
        figures::{At, Chunks, Figures, same},
        kafka,
        records::{self, Stored},
        stage::{SOON, Stage},
        yinliu::Yinliu,
    },
};

/// Cases under way at a time: most of a case is waiting for a group and for flushes.
const AT_ONCE: usize = 6;

/// Cases that lie at the very edge of the horizon: behind themselves, some of their records are beyond it.
const BEYOND_THE_HORIZON: [&str; 3] = ["duplicate_beyond_records", "duplicate_beyond_span", "duplicate_renewed"];

#[test]
fn every_case_counts_as_expected_through_the_whole_pipeline() {
    let (kafka, engine, cases) = (kafka::shared(), Engine::start(), cases::all());
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        while let Some((name, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let stage = Stage::new(kafka, engine.url(), &format!("case_{name}"));
            let run = AssertUnwindSafe(|| runtime.block_on(check(&stage, name, case)));
            if let Err(panic) = catch_unwind(run) {
                failures.lock().unwrap().push(format!("{name} ({}): {}", case.title, text(&*panic)));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

async fn check(stage: &Stage<'_>, name: &str, case: &Case) {
    let partitions = case.records.iter().map(|record| record.partition + 1).max().unwrap_or(1);
    stage.build(i32::try_from(partitions).unwrap()).await;
    let producer = records::producer(stage.kafka);
    records::send(&producer, case.reference.iter().map(|row| stored(stage, row))).await;
    let mut config = stage.config();
    config["corp"] = serde_json::to_value(&case.config.corp).unwrap();
    config["dedup"] = case.config.dedup.clone().unwrap_or_else(|| json!({}));
    let mut yinliu = Yinliu::start(&config);
    stage.until_reference(case.reference.len()).await;
    yinliu.until_ready_is(200, "ok", SOON).await;

    let offsets = records::send(&producer, case.records.iter().map(|record| stored(stage, record))).await;
    let promised: Vec<_> = case.records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, promised, "offsets of the case in fresh topics");
    stage.until_in(SOON).await;
    let figures = stage.figures().await;
    check_figures(stage, case, &figures).await;
    let read: BTreeMap<At, &Input> = case.records.iter().map(|record| (at(stage, record), record)).collect();
    check_letters(stage, case, &read);
    check_dead_letters(stage, case, &read).await;
    let conflicts = yinliu.metric("events_conflicting_total").unwrap();
    assert_eq!(conflicts.to_string(), case.expect.conflicts.to_string(), "conflicts");

    // Between two flushes it makes no difference whether a process was killed.
    yinliu.kill();
    if !BEYOND_THE_HORIZON.contains(&name) {
        records::send(&producer, case.records.iter().map(|record| stored(stage, record))).await;
    }
    yinliu.restart();
    stage.until_in(SOON).await;
    let again = stage.figures().await;
    same("minutes after the same records again", &figures.minutes, &again.minutes);
    same("days after the same records again", &figures.days, &again.days);
    assert_eq!(figures.events, again.events, "counted records after the same records again");
    yinliu.kill();
}

async fn check_figures(stage: &Stage<'_>, case: &Case, found: &Figures) {
    same("`v_counts_1m`", &cases::expected(&case.expect.counts_1m), &found.minutes);
    same("`v_counts_1d`", &cases::expected(&case.expect.counts_1d), &found.days);

    let mut counted: BTreeSet<At> = case.records.iter().map(|record| at(stage, record)).collect();
    for refusal in &case.expect.rejected {
        counted.remove(&(stage.topic(&refusal.topic), refusal.partition, refusal.offset));
    }
    for duplicate in &case.expect.duplicates {
        let number = |name: &str| duplicate[name].as_u64().unwrap();
        let topic = stage.topic(duplicate["topic"].as_str().unwrap());
        counted.remove(&(topic, u32::try_from(number("partition")).unwrap(), number("offset")));
    }
    assert_eq!(found.events, counted, "`events`: all but refused records and duplicates");

    let chunks = case.expect.chunks.iter().map(|chunk| {
        let sums = [chunk.next_offset, chunk.received, chunk.rejected, chunk.duplicate, chunk.counted];
        ((stage.topic(&chunk.topic), chunk.partition), sums)
    });
    let Chunks(sums) = Chunks::read(&stage.client()).await.unwrap();
    same("sums of `chunks`", &chunks.collect(), &sums);
}

/// Letters arrive at least once, so that the last one of each record stands for all.
fn check_letters(stage: &Stage<'_>, case: &Case, read: &BTreeMap<At, &Input>) {
    let mut letters: BTreeMap<At, Stored> = BTreeMap::new();
    for letter in stage.letters() {
        let (topic, partition, offset) = letter.origin();
        letters.insert((topic.to_owned(), partition, offset), letter.clone());
    }
    let expected: BTreeMap<At, &Rejected> = refusals(stage, case);
    let reasons = |at: &At| expected.get(at).map(|refusal| refusal.reason.as_str());
    let found: BTreeMap<_, _> = letters.iter().map(|(at, letter)| (at, letter.header("reason").unwrap())).collect();
    same("letters", &expected.keys().map(|at| (at, reasons(at).unwrap())).collect(), &found);
    for (at, letter) in &letters {
        let original = read[at];
        assert!(letter.value == original.value(), "the letter of {at:?} has all bytes of the record");
        assert_eq!(letter.key.as_deref(), original.key(), "key of the letter of {at:?}");
        let timestamp = original.timestamp.to_string();
        assert_eq!(letter.header("timestamp"), Some(timestamp.as_str()), "timestamp of the letter of {at:?}");
        let original_header =
            |(name, value): &'_ (String, Vec<u8>)| Some((name.strip_prefix("original-")?.to_owned(), value.clone()));
        let headers: Vec<_> = letter.headers.iter().filter_map(original_header).collect();
        let expected = original.headers();
        let expected: Vec<_> = expected.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect();
        assert_eq!(headers, expected, "original headers in the letter of {at:?}");
        check_detail(letter.header("detail").unwrap(), refusals(stage, case)[at]);
    }
}

/// Bytes come as hex: a key or a value need not be text.
#[derive(Debug, Row, Deserialize)]
struct DeadLetter {
    src_topic: String,
    src_partition: u32,
    src_offset: u64,
    recorded: i64,
    reason: String,
    detail: String,
    key: String,
    value: String,
    value_bytes: u64,
    headers: Vec<(String, String)>,
}

/// How much of a value the table keeps.
const KEPT_BYTES: usize = 64 << 10;

async fn check_dead_letters(stage: &Stage<'_>, case: &Case, read: &BTreeMap<At, &Input>) {
    let sql = "SELECT src_topic, src_partition, src_offset, toUnixTimestamp64Milli(recorded_at) AS recorded, reason, \
               detail, hex(d.key) AS key, hex(d.value) AS value, value_bytes, \
               arrayMap(h -> (h.1, hex(h.2)), d.headers) AS headers FROM dead_letters AS d";
    let rows = stage.client().query(sql).fetch_all::<DeadLetter>().await.unwrap();
    let expected = refusals(stage, case);
    let found =
        rows.iter().map(|row| ((row.src_topic.clone(), row.src_partition, row.src_offset), row.reason.as_str()));
    let reasons = expected.iter().map(|(at, refusal)| (at.clone(), refusal.reason.as_str()));
    same("`dead_letters`", &reasons.collect(), &found.collect());
    assert_eq!(rows.len(), expected.len(), "`dead_letters` has one row for each refused record");
    for row in &rows {
        let at = (row.src_topic.clone(), row.src_partition, row.src_offset);
        let original = read[&at];
        let value = original.value().unwrap_or_default();
        assert_eq!(row.recorded, original.timestamp, "`recorded_at` of {at:?}");
        assert_eq!(row.key, hex(original.key().unwrap_or_default()), "`key` of {at:?}");
        assert!(row.value == hex(&value[..value.len().min(KEPT_BYTES)]), "`value` of {at:?} is the record's start");
        assert_eq!(usize::try_from(row.value_bytes).unwrap(), value.len(), "`value_bytes` of {at:?}");
        let headers = original.headers();
        let headers: Vec<_> = headers.iter().map(|header| (header.name.to_owned(), hex(header.value))).collect();
        assert_eq!(row.headers, headers, "`headers` of {at:?}");
        check_detail(&row.detail, expected[&at]);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"))
}

fn check_detail(detail: &str, refusal: &Rejected) {
    assert!(!detail.contains("wmK"), "a customer id in `{detail}`");
    let Some(wanted) = refusal.detail_word.as_deref() else { return };
    for word in ["seconds", "microseconds", "nanoseconds"] {
        let said = detail.split(|letter: char| !letter.is_alphanumeric()).any(|other| other == word);
        assert_eq!(said, word == wanted, "`{word}` in `{detail}`, where `{wanted}` alone is expected");
    }
}

fn refusals<'a>(stage: &Stage<'_>, case: &'a Case) -> BTreeMap<At, &'a Rejected> {
    let at = |refusal: &Rejected| (stage.topic(&refusal.topic), refusal.partition, refusal.offset);
    case.expect.rejected.iter().map(|refusal| (at(refusal), refusal)).collect()
}

fn at(stage: &Stage<'_>, record: &Input) -> At {
    (stage.topic(&record.topic), record.partition, record.offset)
}

fn stored(stage: &Stage<'_>, record: &Input) -> Stored {
    let headers = record.headers();
    Stored {
        topic: stage.topic(&record.topic),
        partition: Some(i32::try_from(record.partition).unwrap()),
        offset: 0,
        timestamp: record.timestamp,
        key: record.key().map(<[u8]>::to_vec),
        value: record.value(),
        headers: headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect(),
    }
}
