//! Whether the process lives and whether it does its work, as the rooms report it.
//!
//! Invariant: ready means that no cause against it is reported; alive means that every loop beat not long ago.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A loop that is silent for this long is stuck: the longest wait of any loop, one insert with its timeouts, is
/// shorter, and a supervisor that restarts on it loses nothing that was counted.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The cause under which the life of the process itself is reported.
const PROCESS: &str = "process";

/// Shared by the loops that report and the port that shows it.
#[derive(Debug)]
pub struct Health(Mutex<Reported>);

#[derive(Debug)]
struct Reported {
    causes: BTreeMap<String, String>,
    beats: BTreeMap<String, Instant>,
}

impl Default for Health {
    /// Not ready: `starting`.
    fn default() -> Self {
        let causes = BTreeMap::from([(PROCESS.to_owned(), "starting".to_owned())]);
        Self(Mutex::new(Reported { causes, beats: BTreeMap::new() }))
    }
}

impl Health {
    /// The process itself is ready; causes reported by name remain.
    pub fn set_ready(&self) {
        self.report(PROCESS, None);
    }

    /// The process itself is not ready: it starts, or it stops.
    pub fn set_not_ready(&self, cause: &str) {
        self.report(PROCESS, Some(cause));
    }

    /// A cause of this name is there (and replaces the earlier one), or is gone.
    pub fn report(&self, name: &str, cause: Option<&str>) {
        let mut reported = self.reported();
        match cause {
            Some(cause) => reported.causes.insert(name.to_owned(), cause.to_owned()),
            None => reported.causes.remove(name),
        };
    }

    /// The loop of this name goes round at `now`; its first beat begins the watch.
    pub fn beat(&self, name: &str, now: Instant) {
        let mut reported = self.reported();
        match reported.beats.get_mut(name) {
            Some(beat) => *beat = now,
            None => {
                reported.beats.insert(name.to_owned(), now);
            }
        }
    }

    /// The loop of this name has ended as it should; its watch ends.
    pub fn retire(&self, name: &str) {
        self.reported().beats.remove(name);
    }

    /// A line for each loop that was silent for more than 30 s at `now`, sorted by name.
    #[must_use]
    pub fn stalled(&self, now: Instant) -> Vec<String> {
        let silent = |(name, beat): (&String, &Instant)| {
            let silence = now.saturating_duration_since(*beat);
            (silence > SILENCE_MAX).then(|| format!("loop `{name}` is silent for {} s", silence.as_secs()))
        };
        self.reported().beats.iter().filter_map(silent).collect()
    }

    /// A line `name: cause` for each cause, sorted by name.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        self.reported().causes.iter().map(|(name, cause)| format!("{name}: {cause}")).collect()
    }

    /// A loop that panicked while reporting leaves whole entries, so the others may go on.
    fn reported(&self) -> MutexGuard<'_, Reported> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_loop_is_named_and_a_retired_one_is_not() {
        let (health, start) = (Health::default(), Instant::now());
        health.beat("worker-0", start);
        health.beat("worker-1", start);
        health.beat("worker-1", start + Duration::from_secs(20));
        assert!(health.stalled(start + SILENCE_MAX).is_empty());
        assert_eq!(health.stalled(start + Duration::from_secs(31)), ["loop `worker-0` is silent for 31 s"]);
        health.retire("worker-0");
        assert!(health.stalled(start + Duration::from_secs(31)).is_empty());
    }

    #[test]
    fn causes_stand_side_by_side_until_each_is_gone() {
        let health = Health::default();
        health.set_ready();
        health.report("kafka", Some("no broker answers"));
        health.report("clickhouse", Some("refused"));
        health.report("clickhouse", Some("timed out"));
        assert_eq!(health.causes(), ["clickhouse: timed out", "kafka: no broker answers"]);
        health.report("kafka", None);
        health.set_not_ready("stopping");
        assert_eq!(health.causes(), ["clickhouse: timed out", "process: stopping"]);
    }
}
