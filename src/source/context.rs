//! What librdkafka's clients say, at the level that it deserves.
//!
//! Invariant: a broker that is away is told once by the monitor, not by every client and connection.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

/// Lines of these kinds tell of connections that break (the monitor tells it), of commits that came too late for a
/// rebalance (nothing depends on them), and of options for consumers that a producer ignores (all clients share them).
const EXPECTED: [&str; 5] = ["FAIL", "ERROR", "BROKERFAIL", "COMMITFAIL", "CONFWARN"];

/// For clients that need no callbacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet;

/// What librdkafka told of a connection that failed, such as a refused password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Complaint(String);

/// Keeps the last that librdkafka told of a connection that failed: its codes say only that none is there.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<Option<String>>);

impl Complaints {
    fn last(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes it, unless it only sums up those of the single brokers.
    fn note(&self, error: &KafkaError, reason: &str) {
        hear_error(error, reason);
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.last() = Some(reason.to_owned());
        }
    }
}

/// Why the last request of this client failed, as far as librdkafka told. It tells a complaint once, in a poll.
pub(crate) fn complaint(client: &BaseConsumer<Complaints>) -> Option<Complaint> {
    // Many lines of a log may stand before it.
    listen(client, Duration::from_millis(50));
    client.context().last().clone().map(Complaint)
}

/// The last request of this client succeeded: what failed before is over.
pub(crate) fn no_complaint(client: &BaseConsumer<Complaints>) {
    listen(client, Duration::from_millis(1));
    client.context().last().take();
}

fn listen(client: &BaseConsumer<Complaints>, limit: Duration) {
    // Nothing is assigned to these clients, so that nothing but complaints comes.
    while client.poll(limit).is_some() {}
}

/// A line of librdkafka.
pub(crate) fn hear(level: RDKafkaLogLevel, kind: &str, line: &str) {
    match level {
        _ if EXPECTED.contains(&kind) => tracing::debug!(kind, line, "librdkafka"),
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(kind, line, "librdkafka");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(kind, line, "librdkafka"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(kind, line, "librdkafka"),
        RDKafkaLogLevel::Debug => tracing::debug!(kind, line, "librdkafka"),
    }
}

/// An error that librdkafka itself recovers from.
pub(crate) fn hear_error(error: &KafkaError, reason: &str) {
    tracing::debug!(%error, reason, "librdkafka");
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, kind: &str, line: &str) {
        hear(level, kind, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        hear_error(&error, reason);
    }
}

impl ConsumerContext for Quiet {}

impl ClientContext for Complaints {
    fn log(&self, level: RDKafkaLogLevel, kind: &str, line: &str) {
        hear(level, kind, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note(&error, reason);
    }
}

impl ConsumerContext for Complaints {}
