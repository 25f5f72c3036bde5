//! Dead letters: refused records, written whole to their topic.
//!
//! Invariant: a letter is kept until the brokers have it; the ledger does not pass one that they do not have.

mod kafka;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::error::KafkaError;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::{
    batch::Origin,
    event::{Record, Refusal},
    metrics::Metrics,
    source,
};

/// A partition with more bytes of letters than this on their way is held until the brokers have them.
const LETTER_BYTES_MAX: usize = 16 << 20;

/// And with more than this in all partitions together.
const ALL_BYTES_MAX: usize = 64 << 20;

/// What a letter takes beside its record: places in our lists and in the client's queues, and the headers that say why.
const OWN_BYTES: usize = 1 << 10;

/// Letters that wait longer than this hold their partition.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What is kept of the value, of the key, and of the headers of a letter that the topic does not take whole.
const TRUNCATED_BYTES: usize = 64 << 10;

/// A refused record and why, with everything that is needed to send it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub origin: Origin,
    pub offset: u64,
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub refusal: Refusal,
    truncated: bool,
}

impl Letter {
    #[must_use]
    /// `origin` as it stands in the tables.
    pub fn new(origin: &Origin, record: &Record<'_>, refusal: &Refusal) -> Self {
        Self {
            origin: origin.broker(),
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect(),
            refusal: refusal.clone(),
            truncated: false,
        }
    }

    /// Memory, in bytes.
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        OWN_BYTES + [&self.value, &self.key].into_iter().flatten().map(Vec::len).chain(headers).sum::<usize>()
    }

    /// Cuts the value, the key, and all headers together: each of them may be what the topic does not take.
    fn truncate(&mut self) {
        for part in [&mut self.value, &mut self.key].into_iter().flatten() {
            part.truncate(TRUNCATED_BYTES);
        }
        let mut room = TRUNCATED_BYTES;
        self.headers.retain_mut(|(name, value)| {
            let Some(left) = room.checked_sub(name.len()) else { return false };
            value.truncate(left);
            room = left - value.len();
            true
        });
        self.truncated = true;
    }
}

/// Letters of one partition that the brokers do not have yet.
#[derive(Debug, Default)]
struct Outstanding {
    letters: BTreeMap<u64, Instant>,
    bytes: usize,
    error: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    outstanding: FxHashMap<Origin, Outstanding>,
    /// To be sent again.
    returned: VecDeque<Letter>,
}

/// Takes letters to the brokers.
pub trait Post: Send + Sync {
    /// Sends a letter; the [`Reports`] hear what became of it, now or later.
    fn send(&self, letter: Letter);

    /// Waits up to `limit` until all letters are out.
    fn flush(&self, limit: Duration);
}

/// Why the brokers do not take a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    TooLarge,
    /// In the words of the client.
    Other(String),
}

/// The delivery reports come back here.
#[derive(Debug)]
pub struct Reports {
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

/// Writes letters, and knows which ones have not arrived.
pub struct Letters {
    post: Box<dyn Post>,
    reports: Arc<Reports>,
    topic: String,
}

impl std::fmt::Debug for Letters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Letters").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Letters {
    /// To the topic of this configuration.
    pub fn new(config: &source::Config, metrics: Arc<Metrics>) -> Result<Self, KafkaError> {
        let topic = config.topics.dead_letter.clone();
        Self::by(topic, metrics, |reports| Ok(Box::new(kafka::Kafka::new(config, reports)?)))
    }

    /// By the post that is made around the reports.
    pub fn by<E>(
        topic: String,
        metrics: Arc<Metrics>,
        post: impl FnOnce(Arc<Reports>) -> Result<Box<dyn Post>, E>,
    ) -> Result<Self, E> {
        let reports = Arc::new(Reports { state: Mutex::default(), metrics });
        Ok(Self { post: post(Arc::clone(&reports))?, reports, topic })
    }

    /// Sends a letter; until the brokers have it, it counts as outstanding.
    pub fn write(&self, letter: Letter) {
        {
            let mut state = self.reports.lock();
            let outstanding = state.outstanding.entry(letter.origin.clone()).or_default();
            outstanding.letters.insert(letter.offset, Instant::now());
            outstanding.bytes += letter.bytes();
        }
        self.reports.metrics.records_rejected(letter.refusal.reason).inc();
        self.post.send(letter);
    }

    /// Sends again what came back. To be called every second or so.
    pub fn resend(&self) {
        let returned = std::mem::take(&mut self.reports.lock().returned);
        for letter in returned {
            self.post.send(letter);
        }
    }

    /// The offset of the first letter of this partition that the brokers do not have.
    #[must_use]
    pub fn first_outstanding(&self, origin: &Origin) -> Option<u64> {
        let state = self.reports.lock();
        state.outstanding.get(origin)?.letters.keys().next().copied()
    }

    /// Why a partition should not be read on, if so.
    #[must_use]
    pub fn stuck(&self, origin: &Origin) -> Option<String> {
        let state = self.reports.lock();
        let outstanding = state.outstanding.get(origin)?;
        let count = outstanding.letters.len();
        let waits = outstanding.letters.values().next().is_some_and(|since| since.elapsed() > WAIT_MAX);
        let all_bytes: usize = state.outstanding.values().map(|outstanding| outstanding.bytes).sum();
        let full = outstanding.bytes > LETTER_BYTES_MAX || all_bytes > ALL_BYTES_MAX;
        (full || waits).then(|| {
            let error = outstanding.error.as_deref().unwrap_or("the brokers do not answer");
            format!("{count} refused records cannot be written to `{}`: {error}", self.topic)
        })
    }

    /// Whether the brokers have all letters of this partition.
    #[must_use]
    pub fn is_clear(&self, origin: &Origin) -> bool {
        self.first_outstanding(origin).is_none()
    }

    /// Waits up to `limit` until all letters are out.
    pub fn flush(&self, limit: Duration) {
        self.post.flush(limit);
    }
}

impl Reports {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The brokers have the letter.
    pub fn arrived(&self, letter: &Letter) {
        self.metrics.dead_letters.inc();
        let mut state = self.lock();
        let Some(outstanding) = state.outstanding.get_mut(&letter.origin) else { return };
        outstanding.letters.remove(&letter.offset);
        outstanding.bytes = outstanding.bytes.saturating_sub(letter.bytes());
        outstanding.error = None;
        if outstanding.letters.is_empty() {
            state.outstanding.remove(&letter.origin);
        }
    }

    /// The brokers do not have the letter, which is kept to be sent again.
    pub fn came_back(&self, mut letter: Letter, refused: Refused) {
        let mut state = self.lock();
        let outstanding = state.outstanding.entry(letter.origin.clone()).or_default();
        if refused == Refused::TooLarge && !letter.truncated {
            outstanding.bytes = outstanding.bytes.saturating_sub(letter.bytes());
            letter.truncate();
            outstanding.bytes += letter.bytes();
        }
        outstanding.error = Some(match refused {
            Refused::TooLarge => "a letter is larger than the topic takes".to_owned(),
            Refused::Other(words) => words,
        });
        state.returned.push_back(letter);
    }
}
