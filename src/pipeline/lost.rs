//! What retention took of a partition before it was counted: for the metric and the log.
//!
//! Invariant: each offset is told once, however often its partition is loaded. Nothing is held for it: what is gone does
//! not come back by waiting.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::{batch::Origin, metrics::Metrics};

/// Up to which offset the losses of each partition, as it stands in the tables, were told.
#[derive(Debug)]
pub struct Lost {
    told: Mutex<FxHashMap<Origin, u64>>,
    metrics: Arc<Metrics>,
}

impl Lost {
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { told: Mutex::default(), metrics }
    }

    /// The ledger stands at `position`, and the log starts at `log_start`.
    pub fn look(&self, label: &Origin, position: u64, log_start: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let from = position.max(told.get(label).copied().unwrap_or(0));
        if from >= log_start {
            return;
        }
        told.insert(label.clone(), log_start);
        self.metrics.offsets_lost.inc_by(log_start - from);
        tracing::error!(
            topic = %label.topic, partition = label.partition, from, to = log_start,
            "retention removed records that were never counted; counting goes on behind them"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_that_are_lost_are_told_once_and_those_behind_the_ledger_never() {
        let metrics = Arc::new(Metrics::new(&[]));
        let lost = Lost::new(Arc::clone(&metrics));
        let origin = |partition| Origin { topic: "t".into(), partition };
        let check = |partition, position, log_start, expected| {
            lost.look(&origin(partition), position, log_start);
            assert_eq!(metrics.offsets_lost.get(), expected, "{partition} {position} {log_start}");
        };
        check(0, 100, 100, 0);
        check(0, 100, 40, 0);
        check(0, 100, 130, 30);
        check(0, 100, 130, 30);
        check(0, 100, 135, 35);
        check(0, 150, 160, 45);
        check(1, 0, 5, 50);
    }
}
