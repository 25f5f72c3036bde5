//! What one worker did with the records that it read, on its way to the metrics.
//!
//! Invariant: every record is seen once, with what came of it.

use crate::{
    event::{LATE_ADD_MS, Type},
    metrics::Metrics,
    partition::Outcome,
};

/// Counts since they were last told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    received: u64,
    replayed: u64,
    duplicate: u64,
    conflicting: u64,
    late: u64,
    /// By [`Type::index`].
    counted: [u64; Type::ALL.len()],
}

impl Seen {
    pub(super) fn take(&mut self, outcome: &Outcome) {
        self.received += 1;
        match outcome {
            Outcome::Skipped | Outcome::Warmed => self.replayed += 1,
            // Counted by reason where the letter is written.
            Outcome::Rejected(_) => {}
            Outcome::Duplicate => self.duplicate += 1,
            Outcome::Conflict => {
                self.duplicate += 1;
                self.conflicting += 1;
            }
            Outcome::Counted(counted) => {
                self.late += u64::from(counted.lateness_ms > LATE_ADD_MS);
                self.counted[counted.kind.index()] += 1;
            }
        }
    }

    /// Adds everything to the metrics, and starts anew.
    pub(super) fn tell(&mut self, metrics: &Metrics) {
        let seen = std::mem::take(self);
        metrics.records_received.inc_by(seen.received);
        metrics.records_replayed.inc_by(seen.replayed);
        metrics.events_duplicate.inc_by(seen.duplicate);
        metrics.events_conflicting.inc_by(seen.conflicting);
        metrics.events_late.inc_by(seen.late);
        for (&kind, count) in Type::ALL.iter().zip(seen.counted) {
            metrics.events_counted(kind).inc_by(count);
        }
    }
}
