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
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl Holds {
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, health: Arc<Health>) -> Self {
        Self { held: Mutex::default(), metrics, health }
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

    /// While the directory is not read far enough, a worker waits with all the partitions that it would read: with so
    /// many `before`, as it told last, and with so many `now`.
    pub fn directory(&self, before: Option<usize>, now: Option<usize>) {
        if before == now {
            return;
        }
        let cause = "held (directory): the reference topics are not read up to a minute ago; is Kafka answering?";
        self.health.report("directory", now.map(|_| cause));
        let count = |partitions: Option<usize>| i64::try_from(partitions.unwrap_or(0)).unwrap_or(i64::MAX);
        self.metrics.partitions_held(Cause::Directory).add(count(now) - count(before));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_all_workers_that_wait_for_the_directory_are_told() {
        let (metrics, health) = (Arc::new(Metrics::new(&[])), Arc::new(Health::default()));
        health.set_ready();
        let holds = Holds::new(Arc::clone(&metrics), Arc::clone(&health));
        let check = |before, now, expected: i64| {
            holds.directory(before, now);
            assert_eq!(metrics.partitions_held(Cause::Directory).get(), expected, "{before:?} {now:?}");
        };
        check(None, Some(3), 3);
        check(None, Some(5), 8);
        check(Some(3), Some(3), 8);
        assert!(health.causes()[0].starts_with("directory: held"), "{:?}", health.causes());
        check(Some(3), Some(1), 6);
        check(Some(5), None, 1);
        check(Some(1), None, 0);
        assert!(health.causes().is_empty(), "{:?}", health.causes());
    }
}
