//! Records to Kafka, through one idempotent producer.
//!
//! Invariant: per partition in order and, as far as the brokers acknowledge, exactly once; never holds more than its
//! queue has room for.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};
use tokio_util::sync::CancellationToken;

use super::{Names, Outlet};
use crate::{
    generate::{Delivery, Error},
    source::{self, client_settings},
};

/// Longer than a broker takes to answer, shorter than patience.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// An ordinary end waits out a broker's restart; one that was asked for does not.
const FLUSH_WITHIN: Duration = Duration::from_mins(1);
const FLUSH_WITHIN_WHEN_STOPPED: Duration = Duration::from_secs(5);
/// How long a wait for room goes on before it looks whether it shall stop.
const WAIT: Duration = Duration::from_millis(100);
/// Acknowledgements are collected after so many records: often enough that the queue of reports stays short.
const POLL_EVERY: u32 = 1_000;

/// The producer and its topics.
pub struct Kafka {
    producer: BaseProducer<Reports>,
    names: Names,
    shutdown: CancellationToken,
    since_poll: u32,
    dropped: u64,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("names", &self.names).field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

/// What the brokers said of the records.
#[derive(Default)]
struct Reports {
    failed: AtomicU64,
    last_failure: Mutex<Option<String>>,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
    }
}

impl Kafka {
    /// Connects; a wait for room ends when `shutdown` is cancelled.
    ///
    /// # Errors
    /// An option that librdkafka does not know, no broker that answers, no input topic.
    pub fn connect(config: &source::Config, shutdown: CancellationToken) -> Result<Self, Error> {
        let brokers = config.brokers.join(",");
        let connect = |source| Error::Connect { brokers: brokers.clone(), source };
        let own = [
            ("client.id", "yinliu-generate"),
            ("enable.idempotence", "true"),
            // As Kafka's own clients do, so that a key finds the same partition whoever sends it.
            ("partitioner", "murmur2_random"),
            ("compression.type", "lz4"),
            // Larger batches at a delay that nobody sees on a live board.
            ("linger.ms", "20"),
            // About 64 MB of records: a second of the fastest stream.
            ("queue.buffering.max.messages", "200000"),
        ];
        let producer: BaseProducer<Reports> =
            client_settings(config, own).create_with_context(Reports::default()).map_err(connect)?;
        producer.client().fetch_metadata(None, CONNECT_WITHIN).map_err(connect)?;
        Ok(Self { producer, names: Names::new(&config.topics)?, shutdown, since_poll: 0, dropped: 0 })
    }
}

impl Outlet for Kafka {
    fn send(&mut self, delivery: &Delivery) -> Result<(), Error> {
        let topic = self.names.of(delivery.topic);
        let mut record = BaseRecord::to(topic)
            .key(delivery.key.as_str())
            .payload(delivery.value.as_slice())
            .timestamp(delivery.timestamp_ms);
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    if self.shutdown.is_cancelled() {
                        self.dropped += 1;
                        return Ok(());
                    }
                    record = returned;
                    self.producer.poll(WAIT);
                }
                Err((source, _)) => return Err(Error::Produce { topic: topic.to_owned(), source }),
            }
        }
        self.since_poll += 1;
        if self.since_poll >= POLL_EVERY {
            self.since_poll = 0;
            self.producer.poll(Duration::ZERO);
        }
        Ok(())
    }

    fn idle(&mut self, limit: Duration) {
        // Reports do not end the wait: it serves them and goes on.
        self.producer.poll(limit);
    }

    fn finish(&mut self) -> Result<(u64, Option<String>), Error> {
        let limit = if self.shutdown.is_cancelled() { FLUSH_WITHIN_WHEN_STOPPED } else { FLUSH_WITHIN };
        let flushed = self.producer.flush(limit);
        let reports = self.producer.context();
        let waiting = u64::try_from(self.producer.in_flight_count()).unwrap_or(0);
        let failed = reports.failed.load(Ordering::Relaxed) + waiting + self.dropped;
        let reported = reports.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((failed, reported.or_else(|| flushed.err().map(|error| error.to_string()))))
    }
}
