//! Dead letters: refused records, written whole to their topic.
//!
//! Invariant: a letter is kept until the brokers have it; the ledger does not pass one that they do not have.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};

use crate::{
    batch::Origin,
    event::{Record, Refusal},
    metrics::Metrics,
    source,
};

/// A partition with more letters than this on their way is held: a stream of nothing but refused records is worth a
/// person's look before it fills the topic faster than the brokers take it.
const LETTERS_MAX: usize = 1_000;

/// The same for their bytes: a letter may have a megabyte.
const LETTER_BYTES_MAX: usize = 16 << 20;

/// Letters that wait longer than this hold their partition.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What is kept of a value that the topic does not take whole.
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

    fn bytes(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len) + self.key.as_ref().map_or(0, Vec::len)
    }

    fn truncate(&mut self) {
        if let Some(value) = &mut self.value {
            value.truncate(TRUNCATED_BYTES);
        }
        self.truncated = true;
    }

    fn kafka_headers(&self) -> OwnedHeaders {
        let timestamp = self.timestamp.map(|timestamp| timestamp.to_string()).unwrap_or_default();
        let texts = [
            ("reason", self.refusal.reason.name().to_owned()),
            ("detail", self.refusal.detail.clone()),
            ("topic", self.origin.topic.to_string()),
            ("partition", self.origin.partition.to_string()),
            ("offset", self.offset.to_string()),
            ("timestamp", timestamp),
        ];
        let mut headers = OwnedHeaders::new_with_capacity(texts.len() + self.headers.len() + 1);
        for (key, value) in &texts {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        if self.truncated {
            headers = headers.insert(Header { key: "truncated", value: Some("true") });
        }
        for (name, value) in &self.headers {
            headers = headers.insert(Header { key: &format!("original-{name}"), value: Some(value) });
        }
        headers
    }
}

/// Letters of one partition that the brokers do not have yet.
#[derive(Debug, Default)]
struct Outstanding {
    letters: BTreeMap<u64, Instant>,
    bytes: usize,
    error: Option<RDKafkaErrorCode>,
}

#[derive(Debug, Default)]
struct State {
    outstanding: HashMap<Origin, Outstanding>,
    /// To be sent again.
    returned: VecDeque<Letter>,
}

/// The delivery reports come back here.
#[derive(Debug)]
struct Reports {
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

/// Writes letters, and knows which ones have not arrived.
pub struct Letters {
    producer: ThreadedProducer<Reports>,
    topic: String,
}

impl std::fmt::Debug for Letters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Letters").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Letters {
    pub fn new(config: &source::Config, metrics: Arc<Metrics>) -> Result<Self, KafkaError> {
        let mut settings = source::client_settings(config);
        settings
            .set("acks", "all")
            // The topic's own limit decides, and its answer is heard; a letter on its own is judged on its own.
            .set("message.max.bytes", "1000000000")
            .set("batch.num.messages", "1")
            .set("message.timeout.ms", "10000");
        for (key, value) in &config.options {
            settings.set(key, value);
        }
        let producer = settings.create_with_context(Reports { state: Mutex::default(), metrics })?;
        Ok(Self { producer, topic: config.topics.dead_letter.clone() })
    }

    /// Sends a letter; until the brokers have it, it counts as outstanding.
    pub fn write(&self, letter: Letter) {
        {
            let mut state = self.reports().lock();
            let outstanding = state.outstanding.entry(letter.origin.clone()).or_default();
            outstanding.letters.insert(letter.offset, Instant::now());
            outstanding.bytes += letter.bytes();
        }
        self.reports().metrics.records_rejected(letter.refusal.reason).inc();
        self.send(letter);
    }

    /// Sends again what came back. To be called every second or so.
    pub fn resend(&self) {
        let returned = std::mem::take(&mut self.reports().lock().returned);
        for letter in returned {
            self.send(letter);
        }
    }

    /// The offset of the first letter of this partition that the brokers do not have.
    #[must_use]
    pub fn first_outstanding(&self, origin: &Origin) -> Option<u64> {
        let state = self.reports().lock();
        state.outstanding.get(origin)?.letters.keys().next().copied()
    }

    /// Why a partition should not be read on, if so.
    #[must_use]
    pub fn stuck(&self, origin: &Origin) -> Option<String> {
        let state = self.reports().lock();
        let outstanding = state.outstanding.get(origin)?;
        let count = outstanding.letters.len();
        let waits = outstanding.letters.values().next().is_some_and(|since| since.elapsed() > WAIT_MAX);
        let stuck = count > LETTERS_MAX || outstanding.bytes > LETTER_BYTES_MAX || waits;
        stuck.then(|| {
            let error =
                outstanding.error.map_or_else(|| "the brokers do not answer".to_owned(), |error| error.to_string());
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
        if let Err(error) = self.producer.flush(limit) {
            tracing::warn!(%error, "letters are still on their way; their records will be read again");
        }
    }

    fn reports(&self) -> &Reports {
        self.producer.client().context()
    }

    fn send(&self, letter: Letter) {
        let headers = letter.kafka_headers();
        let letter = Box::new(letter);
        // The letter travels with the message, and is read again by the report.
        let (key, value) = (letter.key.clone(), letter.value.clone());
        let mut record = BaseRecord::<[u8], [u8], Box<Letter>>::with_opaque_to(&self.topic, letter).headers(headers);
        record.key = key.as_deref();
        record.payload = value.as_deref();
        if let Err((error, record)) = self.producer.send(record) {
            self.reports().came_back(*record.delivery_opaque, &error);
        }
    }
}

impl Reports {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn came_back(&self, mut letter: Letter, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        let mut state = self.lock();
        let outstanding = state.outstanding.entry(letter.origin.clone()).or_default();
        outstanding.error = code;
        if code == Some(RDKafkaErrorCode::MessageSizeTooLarge) && !letter.truncated {
            outstanding.bytes = outstanding.bytes.saturating_sub(letter.bytes());
            letter.truncate();
            outstanding.bytes += letter.bytes();
        }
        state.returned.push_back(letter);
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, kind: &str, line: &str) {
        source::hear(level, kind, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        source::hear_error(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Letter>;

    fn delivery(&self, result: &DeliveryResult<'_>, letter: Box<Letter>) {
        match result {
            Ok(_) => {
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
            Err((error, _)) => self.came_back(*letter, error),
        }
    }
}
