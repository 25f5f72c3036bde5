//! What librdkafka's clients say, at the level that it deserves.
//!
//! Invariant: a broker that is away is told once by the monitor, not by every client and connection.

use rdkafka::{ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError};

/// Lines of these kinds tell of connections that break and of commits that came too late for a rebalance: the first the
/// monitor tells, on the second nothing depends.
const EXPECTED: [&str; 4] = ["FAIL", "ERROR", "BROKERFAIL", "COMMITFAIL"];

/// For clients that need no callbacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet;

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
