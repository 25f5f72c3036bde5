//! Letters through librdkafka: a producer with threads of its own.
//!
//! Invariant: each letter that is sent comes back to the reports, as arrived or as refused.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};

use super::{Letter, Post, Refused, Reports, TRUNCATED_BYTES};
use crate::source;

/// Letters that are sent together. What is larger goes alone, so that brokers refuse it alone; a topic that does not take
/// this much does not take a letter that was cut either.
const BATCH_BYTES: usize = TRUNCATED_BYTES;

/// The producer.
pub(super) struct Kafka {
    producer: ThreadedProducer<Context>,
    topic: String,
}

/// Where librdkafka's threads report to.
struct Context(Arc<Reports>);

impl Kafka {
    pub(super) fn new(config: &source::Config, reports: Arc<Reports>) -> Result<Self, KafkaError> {
        let batch = BATCH_BYTES.to_string();
        let own = [
            ("acks", "all"),
            // The topic's own limit decides, and its answer is heard.
            ("message.max.bytes", "1000000000"),
            ("batch.size", batch.as_str()),
            ("message.timeout.ms", "10000"),
        ];
        let producer = source::client_settings(config, own).create_with_context(Context(reports))?;
        Ok(Self { producer, topic: config.topics.dead_letter.clone() })
    }
}

impl Post for Kafka {
    fn send(&self, letter: Letter) {
        let headers = headers(&letter);
        let letter = Box::new(letter);
        // The letter travels with the message, and is read again by the report.
        let (key, value) = (letter.key.clone(), letter.value.clone());
        let mut record = BaseRecord::<[u8], [u8], Box<Letter>>::with_opaque_to(&self.topic, letter).headers(headers);
        record.key = key.as_deref();
        record.payload = value.as_deref();
        if let Err((error, record)) = self.producer.send(record) {
            self.producer.client().context().came_back(*record.delivery_opaque, &error);
        }
    }

    fn flush(&self, limit: Duration) {
        if let Err(error) = self.producer.flush(limit) {
            tracing::warn!(%error, "letters are still on their way; their records will be read again");
        }
    }
}

impl Context {
    fn came_back(&self, letter: Letter, error: &KafkaError) {
        let refused = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Refused::TooLarge,
            Some(code) => Refused::Other(code.to_string()),
            None => Refused::Other(error.to_string()),
        };
        self.0.came_back(letter, refused);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, kind: &str, line: &str) {
        source::hear(level, kind, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        source::hear_error(&error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Letter>;

    fn delivery(&self, result: &DeliveryResult<'_>, letter: Box<Letter>) {
        match result {
            Ok(_) => self.0.arrived(&letter),
            Err((error, _)) => self.came_back(*letter, error),
        }
    }
}

fn headers(letter: &Letter) -> OwnedHeaders {
    let timestamp = letter.timestamp.map(|timestamp| timestamp.to_string()).unwrap_or_default();
    let texts = [
        ("reason", letter.refusal.reason.name().to_owned()),
        ("detail", letter.refusal.detail.clone()),
        ("topic", letter.origin.topic.to_string()),
        ("partition", letter.origin.partition.to_string()),
        ("offset", letter.offset.to_string()),
        ("timestamp", timestamp),
    ];
    let mut headers = OwnedHeaders::new_with_capacity(texts.len() + letter.headers.len() + 1);
    for (key, value) in &texts {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    if letter.truncated {
        headers = headers.insert(Header { key: "truncated", value: Some("true") });
    }
    for (name, value) in &letter.headers {
        headers = headers.insert(Header { key: &format!("original-{name}"), value: Some(value) });
    }
    headers
}
