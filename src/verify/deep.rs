//! Facts against the log: reads the input topics up to the ledger, decodes and recognises duplicates once more.
//!
//! Invariant: holds a dedup horizon for the partition that is read, and three numbers for each record and the keys of one
//! chunk of it, and of the chunks that differ the first few.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use clickhouse::Row;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _},
};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{Check, Days, Difference, Error, checks::Warehouse, sql};
use crate::{
    batch::{Origin, identity},
    config,
    corp::Corps,
    decode::decode,
    dedup::{self, Horizon, Seen, Verdict},
    event::{Direction, Event, Header, Record},
    pipeline::loader::BROKER_LIMIT,
    progress::Progress,
    sink::{self, ClickHouse, Sink as _},
    source::{self, Brokers as _, Quiet, client_settings, log::Log},
    window::{Calendar, Date, civil_of},
};

/// What the deep comparison found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) differences: Vec<Difference>,
    pub(super) notes: Vec<String>,
}

/// Of the chunks of a partition that differ, so many are looked at record by record: each needs a query and some MiB.
const ODD_CHUNKS_MAX: usize = 8;

/// Records after which it is told how far the reading is.
const TELL_EVERY: u64 = 1_024;

/// A broker that delivers nothing for so long is away.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The records that count within one chunk: how many, and a fingerprint of what counts in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set {
    count: u64,
    /// The fingerprints of the records, joined by exclusive or.
    hash: u64,
}

/// Everything of a fact that the counts of its key depend on and the log tells, as text, of which `xxh3` makes the
/// fingerprint. Not store, region and channel, which depend on the directory; nor whose event it is, which may be erased.
const FINGERPRINT: &str = "xxh3(concat(toString(src_offset), ' ', type, ' ', corp_id, ' ', staff_id, ' ', \
    toString(toUnixTimestamp64Milli(occurred_at)), ' ', toString(toUnixTimestamp64Milli(recorded_at)), ' ', direction, \
    ' ', toString(count), ' ', toString(toUInt8(auto)), ' ', ifNull(toString(amount_fen), '-')))";

/// The same of a record.
fn fingerprint(record: &Record<'_>, event: &Event<'_>, text: &mut String) -> u64 {
    let Event { kind, corp_id, staff_id, occurred_at, direction, count, auto, amount_fen, .. } = event;
    let (offset, recorded_at) = (record.offset, record.timestamp.unwrap_or(0));
    let (direction, auto) = (direction.map_or("", Direction::name), u8::from(*auto));
    text.clear();
    let _ = write!(text, "{offset} {} {corp_id} {staff_id} {occurred_at} {recorded_at} ", kind.name());
    let _ = write!(text, "{direction} {count} {auto} ");
    let _ = match amount_fen {
        Some(amount) => write!(text, "{amount}"),
        None => write!(text, "-"),
    };
    xxh3_64(text.as_bytes())
}

#[derive(Row, Deserialize)]
struct FactSet {
    src_topic: String,
    src_partition: u32,
    src_chunk: u64,
    records: u64,
    hash: u64,
}

/// One partition to be read.
#[derive(Clone, Debug)]
struct Reading {
    /// As it stands in the tables.
    label: Origin,
    /// The first offset of the log.
    start: u64,
    /// The first offset of which all that it could repeat was read.
    certain: u64,
    /// The ledger's position.
    end: u64,
    days: Days,
    bits: u32,
    /// By chunk.
    facts: FxHashMap<u64, Set>,
}

/// A record that counts by the log.
#[derive(Clone, Copy, Debug)]
struct Counting {
    offset: u64,
    hash: u64,
    /// The place of its key among those of the chunk.
    key: u32,
}

/// The keys of a chunk as far as the log alone knows them, which is without what the directory adds, each once.
#[derive(Debug, Default)]
struct Keys {
    /// By a hash, for what hangs on it is said to people alone.
    places: FxHashMap<u64, u32>,
    /// The day, and the key as text.
    keys: Vec<(Date, String)>,
}

impl Keys {
    fn place_of(&mut self, date: Date, event: &Event<'_>, text: &mut String) -> u32 {
        text.clear();
        let _ = write!(text, "corp `{}` staff `{}`", event.corp_id, event.staff_id);
        let hash = xxh3_64_with_seed(text.as_bytes(), date.0.into());
        *self.places.entry(hash).or_insert_with(|| {
            self.keys.push((date, text.clone()));
            u32::try_from(self.keys.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// The first and the last of the days, for people.
    fn days(&self) -> String {
        let dates = || self.keys.iter().map(|(date, _)| *date);
        match (dates().min(), dates().max()) {
            (Some(first), Some(last)) if first < last => format!("{} to {}", civil_of(first), civil_of(last)),
            (first, _) => first.map_or_else(String::new, |first| civil_of(first).to_string()),
        }
    }
}

/// A chunk in which the log and the facts differ.
#[derive(Debug)]
struct Odd {
    chunk: u64,
    counted: u64,
    days: String,
    /// The records that count by the log, and their keys; of the first [`ODD_CHUNKS_MAX`] chunks.
    records: Option<(Vec<Counting>, Keys)>,
}

#[derive(Row, Deserialize)]
struct Fact {
    src_offset: u64,
    hash: u64,
    day: String,
    place: String,
}

/// Compares every partition of the input topics that the ledger knows, one after another.
pub(super) async fn compare(
    warehouse: &Warehouse<'_>,
    sink: &ClickHouse,
    config: &config::Config,
    corps: &Corps,
    progress: &Progress,
) -> Result<Found, Error> {
    let incarnations = sink.incarnations().await?;
    let positions = warehouse.positions().await?;
    let current = |label: &Origin| {
        let broker = label.broker();
        let incarnation = incarnations.get(&*broker.topic).copied().unwrap_or(1);
        config.kafka.topics.input.iter().any(|topic| **topic == *broker.topic) && broker.label(incarnation) == *label
    };
    let mut labels: Vec<_> = positions.keys().filter(|label| current(label)).cloned().collect();
    labels.sort();
    let starts = starts(config, &labels).await?;
    let (mut found, corps) = (Found::default(), Arc::new(corps.clone()));
    for label in labels {
        let (end, start) = (positions[&label], starts.get(&label.broker()).copied().unwrap_or(u64::MAX));
        let records = u64::from(config.dedup.records);
        let certain = if start == 0 { 0 } else { start.saturating_add(records) };
        if certain > 0 {
            let text = format!(
                "{}[{}]: the log tells what counts from offset {} on, the ledger stands at {end}",
                label.topic, label.partition, certain
            );
            found.notes.push(text);
        }
        if certain >= end {
            continue;
        }
        let (days, bits) = (warehouse.days, warehouse.chunk.bits);
        let facts = fact_sets(warehouse, &label, certain..end).await?;
        progress.count(&format!("reading {}[{}]", label.topic, label.partition), Some(end - start));
        let reading = Reading { label, start, certain, end, days, bits, facts };
        let (kafka, dedup, corps) = (config.kafka.clone(), config.dedup.clone(), Arc::clone(&corps));
        let (copy, progress) = (reading.clone(), progress.clone());
        let done = move |next| progress.done(next - start);
        let read = tokio::task::spawn_blocking(move || read(&copy, &kafka, &dedup, &corps, &done));
        for odd in read.await.map_err(|_| Error::Gone)?? {
            found.differences.extend(differences(warehouse, &reading, odd).await?);
        }
    }
    Ok(found)
}

async fn starts(config: &config::Config, labels: &[Origin]) -> Result<FxHashMap<Origin, u64>, Error> {
    let (kafka, origins) = (config.kafka.clone(), labels.iter().map(Origin::broker).collect::<Vec<_>>());
    let asked = tokio::task::spawn_blocking(move || Ok(Log::new(&kafka)?.starts(&origins, BROKER_LIMIT)?));
    asked.await.map_err(|_| Error::Gone)?
}

/// The facts of this partition in the days, duplicates that `reconcile` marked included: the log counts them.
fn facts_of(label: &Origin, offsets: &std::ops::Range<u64>, days: Days) -> String {
    format!(
        "FROM facts FINAL WHERE src_topic = '{}' AND src_partition = {} AND src_offset >= {} AND src_offset < {} \
         AND business_date {}",
        label.topic,
        label.partition,
        offsets.start,
        offsets.end,
        sql::between(days)
    )
}

async fn fact_sets(
    warehouse: &Warehouse<'_>,
    label: &Origin,
    offsets: std::ops::Range<u64>,
) -> Result<FxHashMap<u64, Set>, Error> {
    let sql = format!(
        "SELECT src_topic, src_partition, bitShiftRight(src_offset, {}) AS src_chunk, count() AS records, \
         groupBitXor({FINGERPRINT}) AS hash {} GROUP BY src_topic, src_partition, src_chunk {}",
        warehouse.chunk.bits,
        facts_of(label, &offsets, warehouse.days),
        sql::SETTINGS
    );
    let rows = warehouse.fetch::<FactSet>("read the facts of a partition", &sql).await?;
    let set = |row: FactSet| (row.src_chunk, Set { count: row.records, hash: row.hash });
    debug_assert!(rows.iter().all(|row| *row.src_topic == *label.topic && row.src_partition == label.partition));
    Ok(rows.into_iter().map(set).collect())
}

/// The records of one chunk on which the log and the facts do not agree.
async fn differences(warehouse: &Warehouse<'_>, reading: &Reading, odd: Odd) -> Result<Vec<Difference>, Error> {
    let Reading { label, days, bits, certain, end, facts, .. } = reading;
    let Odd { chunk, counted, days: of_chunk, records } = odd;
    let whole = format!("{}[{}] chunk {chunk}", label.topic, label.partition);
    let difference = |(day, place): (String, String), counter: &str, expected, found| {
        let (check, counter) = (Check::Log, counter.to_owned());
        Difference { check, day, place, counter, expected, found }
    };
    let Some((records, Keys { keys, .. })) = records else {
        let found = facts.get(&chunk).map_or(0, |set| set.count);
        return Ok(vec![difference((of_chunk, whole), "counted", counted, found)]);
    };
    let missing = |Counting { offset, key, .. }| {
        let key = usize::try_from(key).ok().and_then(|key| keys.get(key));
        let (day, key) = key.map(|(date, key)| (civil_of(*date).to_string(), &**key)).unwrap_or_default();
        difference((day, format!("{key} of {whole} offset {offset}")), "counted", 1, 0)
    };
    let range = (chunk << bits).max(*certain)..((chunk + 1) << bits).min(*end);
    let sql = format!(
        "SELECT src_offset, hash, toString(business_date) AS day, \
         concat({}, ' offset ', toString(src_offset)) AS place FROM (SELECT *, {FINGERPRINT} AS hash, \
         toUInt64({chunk}) AS src_chunk {}) ORDER BY src_offset {}",
        sql::PLACE,
        facts_of(label, &range, *days),
        sql::SETTINGS
    );
    let doing = |source| sink::Error::new("read the facts of a chunk", source);
    let mut facts = warehouse.client.query_raw(&sql).fetch::<Fact>().map_err(doing)?;
    let (mut log, mut found) = (records.into_iter().peekable(), Vec::new());
    while let Some(Fact { src_offset, hash, day, place }) = facts.next().await.map_err(doing)? {
        while let Some(record) = log.next_if(|record| record.offset < src_offset) {
            found.push(missing(record));
        }
        match log.next_if(|record| record.offset == src_offset) {
            Some(record) if record.hash == hash => {}
            Some(_) => found.push(difference((day, place), "counted as recorded", 1, 0)),
            None => found.push(difference((day, place), "counted", 0, 1)),
        }
    }
    found.extend(log.map(missing));
    Ok(found)
}

/// Reads one partition up to the ledger's position.
fn read(
    reading: &Reading,
    kafka: &source::Config,
    dedup: &dedup::Config,
    corps: &Corps,
    done: &dyn Fn(u64),
) -> Result<Vec<Odd>, Error> {
    let group = format!("{}-verify", kafka.group);
    let own = [
        ("group.id", group.as_str()),
        ("enable.auto.commit", "false"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "earliest"),
        ("enable.partition.eof", "true"),
    ];
    let consumer: BaseConsumer<Quiet> = client_settings(kafka, own).create_with_context(Quiet)?;
    let broker = reading.label.broker();
    let mut list = TopicPartitionList::with_capacity(1);
    let partition = i32::try_from(broker.partition).unwrap_or(i32::MAX);
    let start = i64::try_from(reading.start).unwrap_or(i64::MAX);
    list.add_partition_offset(&broker.topic, partition, Offset::Offset(start))?;
    consumer.assign(&list)?;
    let mut recount = Recount::new(reading, dedup, corps);
    let mut heard = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                if !recount.take(&message) {
                    break;
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error.into()),
            // Connections come and go; silence tells when none comes back.
            Some(Err(error)) if heard.elapsed() > SILENCE_MAX => return Err(error.into()),
            None if heard.elapsed() > SILENCE_MAX => {
                return Err(KafkaError::MessageConsumption(rdkafka::error::RDKafkaErrorCode::OperationTimedOut).into());
            }
            Some(Err(_)) | None => {}
        }
        if recount.next.is_multiple_of(TELL_EVERY) {
            done(recount.next);
        }
    }
    Ok(recount.finish())
}

/// Which records of a partition count, chunk by chunk.
struct Recount<'a> {
    reading: &'a Reading,
    corps: &'a Corps,
    calendar: Calendar,
    horizon: Horizon,
    scratch: Vec<u8>,
    next: u64,
    chunk: u64,
    text: String,
    /// Within `chunk`, as the next.
    records: Vec<Counting>,
    keys: Keys,
    odd: Vec<Odd>,
}

impl<'a> Recount<'a> {
    fn new(reading: &'a Reading, dedup: &dedup::Config, corps: &'a Corps) -> Self {
        Self {
            reading,
            corps,
            calendar: Calendar::new(),
            horizon: Horizon::new(dedup),
            scratch: Vec::new(),
            next: reading.start,
            chunk: reading.certain >> reading.bits,
            text: String::new(),
            records: Vec::new(),
            keys: Keys::default(),
            odd: Vec::new(),
        }
    }

    /// Takes in a message; `false` if it lies beyond the ledger's position.
    fn take(&mut self, message: &BorrowedMessage<'_>) -> bool {
        let Ok(offset) = u64::try_from(message.offset()) else { return true };
        if offset >= self.reading.end {
            return false;
        }
        let all = message.headers().map(|headers| headers.iter().collect::<Vec<_>>()).unwrap_or_default();
        let headers: Vec<_> =
            all.iter().map(|header| Header { name: header.key, value: header.value.unwrap_or_default() }).collect();
        let (timestamp, key, value) = (message.timestamp().to_millis(), message.key(), message.payload());
        self.count(&Record { offset, timestamp, key, value, headers: &headers });
        true
    }

    fn count(&mut self, record: &Record<'_>) {
        self.next = record.offset + 1;
        let Ok(event) = decode(record, self.corps) else { return };
        let timestamp = record.timestamp.unwrap_or(0);
        let window = self.calendar.window(self.corps.get(&event.corp_id), event.occurred_at, timestamp);
        // Outside the range of the warehouse: refused.
        let Some(window) = window else { return };
        let identity = identity(&event, &mut self.scratch);
        // Conflicts are duplicates too, so the values do not matter.
        let verdict = self.horizon.observe(Seen { offset: record.offset, timestamp, identity, values: 0 });
        let Days { from, to } = self.reading.days;
        if verdict == Verdict::First && record.offset >= self.reading.certain && (from..=to).contains(&window.date) {
            while record.offset >> self.reading.bits > self.chunk {
                self.close();
            }
            let (offset, hash) = (record.offset, fingerprint(record, &event, &mut self.text));
            let key = self.keys.place_of(window.date, &event, &mut self.text);
            self.records.push(Counting { offset, hash, key });
        }
    }

    /// Compares the chunk and goes on to the next.
    fn close(&mut self) {
        let (chunk, records, keys) = (self.chunk, std::mem::take(&mut self.records), std::mem::take(&mut self.keys));
        self.chunk += 1;
        let hash = records.iter().fold(0, |hash, record| hash ^ record.hash);
        let counted = u64::try_from(records.len()).unwrap_or(u64::MAX);
        if self.reading.facts.get(&chunk).copied().unwrap_or_default() != (Set { count: counted, hash }) {
            let days = keys.days();
            let records = (self.odd.len() < ODD_CHUNKS_MAX).then_some((records, keys));
            self.odd.push(Odd { chunk, counted, days, records });
        }
    }

    fn finish(mut self) -> Vec<Odd> {
        while self.chunk <= self.reading.end.saturating_sub(1) >> self.reading.bits {
            self.close();
        }
        self.odd
    }
}
