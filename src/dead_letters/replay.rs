//! Sends refused records again.
//!
//! Invariant: a record that was sent again is noted in `dead_letter_replays` once the brokers have it, and is not sent a
//! second time. Between the two an interruption may send it once more, which counts nothing twice.
//!
//! # Why facts are asked first
//! The pipeline recognises a repeated event within a partition and the dedup horizon. A letter may be sent again long after
//! its producer did so, or after an interrupted replay; the facts know what was counted anywhere and at any time. What
//! is counted between the question and the answer of the brokers lies within the horizon.
//!
//! # Why to the partition from which it came
//! Repeated events are recognised within a partition. In another one, an event that its producer sent again meanwhile
//! would count twice.
//!
//! # Why with the time of today
//! A record is late when it comes late. By its old timestamp it would be refused again for the same reason where that
//! is about time, and retention could remove it at once.
//!
//! # What is never sent
//! A record without a value, or above the limit of size, cannot be accepted by any version. One whose bytes are not to be
//! had whole would be another event.

use std::{collections::HashMap, fmt};

use clickhouse::{Client, Row};
use futures_util::future::join_all;
use rdkafka::{
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{
    Error, Origin,
    counted::Counted,
    filter::Filter,
    restore::{self, Whole},
    stored::{self, Letter},
};
use crate::{
    batch::{self, Rows, put_text},
    config,
    event::Reason,
    progress::{Progress, Telling},
    sink::{self, ClickHouse, Sink as _, Table},
    source::{self, client_settings},
};

/// Letters of one run: their origins are held, some 100 bytes each.
pub(super) const LIMIT_MAX: u32 = 1_000_000;

/// Letters that are read, sent and noted together: with their values of 64 KiB at most, 32 MB. Their identities, escaped,
/// stay below 256 KiB, the longest question that ClickHouse takes.
const PAGE: usize = 500;

/// Letters from the topic that wait to be sent: up to 1 MiB each.
const WAITING: usize = 8;

/// Names the refused record; one header for each time, the oldest first.
const REPLAY_OF: &str = "yinliu-replay-of";
/// How often the event was sent again.
const REPLAY_COUNT: &str = "yinliu-replay-count";

/// What there is to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    whole: Vec<Origin>,
    /// Held in part, with the bytes of the whole value.
    cut: HashMap<Origin, u64>,
    without_value: u64,
    too_large: u64,
    replayed: u64,
}

/// What was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub sent: u64,
    /// Left out, for their events were counted meanwhile.
    pub counted: u64,
    /// Whose bytes are neither in the table nor in the topic whole.
    pub lost: Vec<Origin>,
}

impl Replayed {
    /// Letters that were sent, or looked at and left out.
    const fn seen(&self) -> u64 {
        self.sent + self.counted
    }
}

#[derive(Row, Deserialize)]
struct Candidate {
    src_topic: String,
    src_partition: u32,
    src_offset: u64,
    reason: String,
    value_bytes: u64,
    held: u64,
    replayed: bool,
}

/// The oldest letters that were not sent again yet, at most `limit`.
pub(super) async fn choose(
    client: &Client,
    origin: Option<&Origin>,
    filter: &Filter,
    limit: u32,
) -> Result<Chosen, Error> {
    let condition = match origin {
        None => filter.condition()?,
        Some(Origin { partition: batch::Origin { topic, partition }, offset }) => {
            format!("src_topic = '{topic}' AND src_partition = {partition} AND src_offset = {offset}")
        }
    };
    let never = format!("value_bytes = 0 OR reason = '{}'", Reason::TooLarge.name());
    let text = format!(
        "SELECT d.src_topic AS src_topic, d.src_partition AS src_partition, d.src_offset AS src_offset, d.reason AS reason, \
         d.value_bytes AS value_bytes, d.held AS held, r.replay_count > 0 AS replayed FROM (\
         SELECT src_topic, src_partition, src_offset, recorded_at, reason, value_bytes, length(value) AS held \
         FROM dead_letters WHERE {condition}) AS d \
         LEFT JOIN (SELECT src_topic, src_partition, src_offset, replay_count FROM dead_letter_replays FINAL) AS r \
         ON d.src_topic = r.src_topic AND d.src_partition = r.src_partition AND d.src_offset = r.src_offset \
         ORDER BY replayed OR {never}, recorded_at, src_topic, src_partition, src_offset"
    );
    let doing = |source| sink::Error::new("choose the letters", source);
    let mut rows = client.query_raw(&text).fetch::<Candidate>().map_err(doing)?;
    let (mut chosen, limit) = (Chosen::default(), usize::try_from(limit).unwrap_or(usize::MAX));
    let mut is_known = false;
    while let Some(row) = rows.next().await.map_err(doing)? {
        is_known = true;
        let Candidate { src_topic, src_partition, src_offset, reason, value_bytes, held, replayed } = row;
        let partition = batch::Origin { topic: src_topic.into(), partition: src_partition };
        let origin = Origin { partition, offset: src_offset };
        if replayed {
            chosen.replayed += 1;
        } else if value_bytes == 0 {
            chosen.without_value += 1;
        } else if reason == Reason::TooLarge.name() {
            chosen.too_large += 1;
        } else if chosen.whole.len() + chosen.cut.len() >= limit {
        } else if held < value_bytes {
            chosen.cut.insert(origin, value_bytes);
        } else {
            chosen.whole.push(origin);
        }
    }
    match origin {
        Some(origin) if !is_known => Err(Error::Unknown(origin.clone())),
        _ => Ok(chosen),
    }
}

/// Sends what was chosen.
pub(super) async fn run(
    client: &Client,
    config: &config::Config,
    chosen: Chosen,
    now_ms: i64,
) -> Result<Replayed, Error> {
    let mut replay = Replay {
        producer: producer(&config.kafka).map_err(Error::Restore)?,
        sink: ClickHouse::new(&config.clickhouse),
        counted: Counted::new(client.clone(), config, now_ms).map_err(Error::Corps)?,
        replayed: Replayed::default(),
    };
    let progress = Progress::start(Telling::Progress);
    progress.count("sending letters again", u64::try_from(chosen.whole.len()).ok());
    for page in chosen.whole.chunks(PAGE) {
        let mut letters = stored::read(client, page).await?;
        // As they were chosen: events of one partition keep their order.
        letters.sort_by_key(|letter| page.iter().position(|origin| *origin == letter.origin));
        let whole: Vec<_> = letters.into_iter().map(Whole::from).collect();
        replay.send(&whole).await?;
        progress.done(replay.replayed.seen());
    }
    replay.restore(&config.kafka, chosen.cut, &progress).await?;
    Ok(replay.replayed)
}

fn producer(kafka: &source::Config) -> Result<FutureProducer, KafkaError> {
    let own = [
        ("acks", "all"),
        ("enable.idempotence", "true"),
        // The topic's own limit decides.
        ("message.max.bytes", "1000000000"),
        ("message.timeout.ms", "30000"),
    ];
    client_settings(kafka, own).create()
}

struct Replay {
    producer: FutureProducer,
    sink: ClickHouse,
    counted: Counted,
    replayed: Replayed,
}

impl Replay {
    /// Sends those letters whose events were not counted meanwhile, and notes those that the brokers have.
    async fn send(&mut self, letters: &[Whole]) -> Result<(), Error> {
        let counted = self.counted.among(letters).await?;
        self.replayed.counted += u64::try_from(counted.len()).unwrap_or(u64::MAX);
        let letters: Vec<_> = letters.iter().filter(|letter| !counted.contains(&letter.origin)).collect();
        let mut deliveries = Vec::with_capacity(letters.len());
        for letter in &letters {
            let (headers, count) = headers(letter);
            let partition = letter.origin.partition.broker();
            let mut record = FutureRecord::<[u8], [u8]>::to(&partition.topic).payload(&letter.value).headers(headers);
            record.partition = Some(i32::try_from(partition.partition).unwrap_or(i32::MAX));
            record.key = letter.key.as_deref();
            let delivery = self.producer.send_result(record).map_err(|(error, _)| error);
            deliveries.push(async move {
                let gone = KafkaError::Canceled;
                let offset = delivery?.await.map_err(|_| gone)?.map_err(|(error, _)| error)?.offset;
                Ok::<_, KafkaError>((u64::try_from(offset).unwrap_or(0), count))
            });
        }
        let (mut rows, mut failed) = (Rows::default(), None);
        for (letter, outcome) in letters.into_iter().zip(join_all(deliveries).await) {
            match outcome {
                Ok((offset, count)) => note(&mut rows, &letter.origin, offset, count),
                Err(source) => failed = failed.or(Some((letter.origin.clone(), source))),
            }
        }
        if rows.count > 0 {
            self.sink.insert(Table::Replays, &rows).await?;
            self.replayed.sent += u64::try_from(rows.count).unwrap_or(u64::MAX);
        }
        match failed {
            Some((origin, source)) => Err(Error::Send { origin, sent: self.replayed.sent, source }),
            None => Ok(()),
        }
    }

    /// Sends those letters that the topic holds whole.
    async fn restore(
        &mut self,
        kafka: &source::Config,
        cut: HashMap<Origin, u64>,
        progress: &Progress,
    ) -> Result<(), Error> {
        if cut.is_empty() {
            return Ok(());
        }
        progress.count("sending letters from their topic again", u64::try_from(cut.len()).ok());
        let before = self.replayed.seen();
        let mut lost: Vec<_> = cut.keys().cloned().collect();
        let (found, mut restored) = mpsc::channel(WAITING);
        let kafka = kafka.clone();
        let reading = tokio::task::spawn_blocking(move || restore::read(&kafka, cut, &found));
        while let Some(letter) = restored.recv().await {
            lost.retain(|origin| *origin != letter.origin);
            self.send(std::slice::from_ref(&letter)).await?;
            progress.done(self.replayed.seen() - before);
        }
        reading.await.map_err(|_| Error::Gone)?.map_err(Error::Restore)?;
        lost.sort();
        self.replayed.lost = lost;
        Ok(())
    }
}

/// The record's own headers and one more name of where it was refused; and how often it was sent again with this.
fn headers(letter: &Whole) -> (OwnedHeaders, u32) {
    let is_count = |name: &str| name == REPLAY_COUNT;
    let counts = letter.headers.iter().filter(|(name, _)| is_count(name));
    let before = counts.filter_map(|(_, value)| std::str::from_utf8(value).ok()?.parse::<u32>().ok()).max();
    let count = before.unwrap_or(0).saturating_add(1);
    let mut headers = OwnedHeaders::new_with_capacity(letter.headers.len() + 2);
    for (key, value) in letter.headers.iter().filter(|(name, _)| !is_count(name)) {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    headers = headers.insert(Header { key: REPLAY_OF, value: Some(&letter.origin.to_string()) });
    (headers.insert(Header { key: REPLAY_COUNT, value: Some(&count.to_string()) }), count)
}

/// A row of [`Table::Replays`].
fn note(rows: &mut Rows, origin: &Origin, offset: u64, count: u32) {
    let bytes = &mut rows.bytes;
    put_text(bytes, &origin.partition.topic);
    bytes.extend_from_slice(&origin.partition.partition.to_le_bytes());
    for number in [origin.offset, offset] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&count.to_le_bytes());
    rows.count += 1;
}

impl From<Letter> for Whole {
    fn from(letter: Letter) -> Self {
        let Letter { origin, key, value, headers, .. } = letter;
        Self { origin, key, value, headers }
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whole, cut, without_value, too_large, replayed } = self;
        writeln!(out, "{} letters to send again", whole.len() + cut.len())?;
        for (count, why) in [
            (*replayed, "were sent again before"),
            (*without_value, "have no value, which no version accepts"),
            (*too_large, "are too large, which no version accepts"),
        ] {
            if count > 0 {
                writeln!(out, "! {count} are left out: they {why}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for origin in &self.lost {
            writeln!(out, "! {origin} is not sent: its bytes are whole neither in the table nor in the topic")?;
        }
        if self.counted > 0 {
            writeln!(out, "! {} are not sent: their events were counted meanwhile", self.counted)?;
        }
        writeln!(out, "{} letters sent again", self.sent)
    }
}
