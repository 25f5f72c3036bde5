//! Which partitions are held, and why: for the metric, the log and `/readyz`.
//!
//! Invariant: what is told is what is held now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    admin::Health,
    batch::Origin,
    metrics::{Cause, Metrics},
};

/// The held partitions of this process.
#[derive(Debug)]
pub struct Holds {
    held: Mutex<BTreeMap<Origin, Cause>>,
    directory: Mutex<bool>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl Holds {
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, health: Arc<Health>) -> Self {
        Self { held: Mutex::default(), directory: Mutex::default(), metrics, health }
    }

    /// The partition is read no further.
    pub fn hold(&self, origin: &Origin, cause: Cause, detail: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.insert(origin.clone(), cause) != Some(cause) {
            tracing::error!(topic = %origin.topic, partition = origin.partition, cause = cause.name(), detail, "held");
        }
        self.health.report(&name(origin), Some(&format!("held ({}): {detail}", cause.name())));
        self.tell(&held);
    }

    /// The partition is read on, or is no longer ours.
    pub fn release(&self, origin: &Origin) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cause) = held.remove(origin) {
            tracing::info!(topic = %origin.topic, partition = origin.partition, cause = cause.name(), "no longer held");
            self.health.report(&name(origin), None);
            self.tell(&held);
        }
    }

    /// All partitions wait while the directory is not read far enough.
    pub fn directory(&self, stale: bool) {
        let mut before = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *before, stale) == stale {
            return;
        }
        let cause = "held (directory): the reference topics are not read up to a minute ago; is Kafka answering?";
        self.health.report("directory", stale.then_some(cause));
        self.metrics.partitions_held(Cause::Directory).set(i64::from(stale));
    }

    fn tell(&self, held: &BTreeMap<Origin, Cause>) {
        for &cause in Cause::ALL.iter().filter(|&&cause| cause != Cause::Directory) {
            let count = held.values().filter(|&&other| other == cause).count();
            self.metrics.partitions_held(cause).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

fn name(origin: &Origin) -> String {
    format!("partition {} of {}", origin.partition, origin.topic)
}
