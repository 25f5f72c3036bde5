//! The day in steps: what was added when, what of it came late, and the day before.
//!
//! Invariant: pure; the steps of the day add up to its adds, and a step is complete only when all of it is counted.

use serde::Serialize;

use super::details::course::Minute;
use super::snapshot::{Freshness, Snapshot, rfc3339};

/// A chart of ten minutes shows a queue at noon and not every single customer.
pub const STEP_SECONDS: u64 = 600;
/// The steps that divide an hour, and that a chart of a day can show.
pub const STEPS_SECONDS: [u64; 6] = [300, 600, 900, 1200, 1800, 3600];

/// Data of `/api/v1/trend`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trend {
    pub step_seconds: u64,
    /// Start of the first step, RFC 3339, UTC.
    pub from: Option<String>,
    /// By step; `null` for a step that has not begun.
    pub adds: Vec<Option<u64>>,
    pub late_adds: Vec<Option<u64>>,
    /// Of the day before, step by step from its own start; empty while comparisons are held, and where not all of that day was
    /// counted.
    pub baseline_adds: Vec<Option<u64>>,
    /// So many steps from the first on are counted to their end.
    pub complete_steps: usize,
}

impl Trend {
    /// Absent where the day by the minute could not be read.
    #[must_use]
    pub fn new(snapshot: &Snapshot, step_seconds: u64, freshness: &Freshness) -> Option<Self> {
        let course = snapshot.details.course.as_ref()?;
        let instants = &snapshot.instants;
        let step = i64::try_from(step_seconds.max(60)).ok()?.saturating_mul(1000);
        let (start, end) = instants.bounds;
        let steps = steps(start, end, step);
        let complete = usize::try_from((instants.now.until - start) / step).unwrap_or(0);
        let (adds, late): (Vec<_>, Vec<_>) = fold(&course.day, start, step, steps).into_iter().unzip();
        // What lies ahead of the moment has not begun, unless something was counted there already.
        let begun = complete.saturating_add(1).max(adds.iter().rposition(|adds| *adds > 0).map_or(0, |last| last + 1));
        let shown = |counts: Vec<u64>| {
            counts.into_iter().enumerate().map(|(at, count)| (at < begun).then_some(count)).collect::<Vec<_>>()
        };
        let (before_start, before_end) = instants.day_before;
        let before = fold(&course.day_before, before_start, step, self::steps(before_start, before_end, step));
        let before = before.into_iter().map(|(adds, _)| Some(adds));
        Some(Self {
            step_seconds: u64::try_from(step / 1000).unwrap_or(STEP_SECONDS),
            from: rfc3339(start),
            adds: shown(adds),
            late_adds: shown(late),
            baseline_adds: if snapshot.compares(freshness) { before.collect() } else { Vec::new() },
            complete_steps: complete.min(steps),
        })
    }
}

/// A clock change makes a day of 23 or 25 hours, so of fewer or more steps.
fn steps(start: i64, end: i64, step: i64) -> usize {
    usize::try_from((end - start + step - 1) / step).unwrap_or(0)
}

/// Adds and late adds by step.
fn fold(minutes: &[Minute], start: i64, step: i64, steps: usize) -> Vec<(u64, u64)> {
    let mut folded = vec![(0, 0); steps];
    for minute in minutes {
        let at = usize::try_from((minute.start - start).div_euclid(step)).ok();
        if let Some(sum) = at.and_then(|at| folded.get_mut(at)) {
            sum.0 += minute.adds;
            sum.1 += minute.late_adds;
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::board::fixture;

    fn trend(snapshot: &Snapshot, step_seconds: u64, age: Duration) -> Trend {
        Trend::new(snapshot, step_seconds, &snapshot.freshness(age)).unwrap()
    }

    #[test]
    fn the_steps_add_up_to_the_day_and_say_how_many_are_complete() {
        let snapshot = fixture::snapshot();
        for (step, complete) in [(300, 174), (600, 87), (3600, 14)] {
            let trend = trend(&snapshot, step, Duration::ZERO);
            assert_eq!(trend.adds.iter().flatten().sum::<u64>(), 30, "{step}");
            assert_eq!(trend.late_adds.iter().flatten().sum::<u64>(), 2);
            assert_eq!(trend.complete_steps, complete);
            assert_eq!(trend.adds.len(), usize::try_from(86_400 / step).unwrap());
            assert_eq!(trend.from.as_deref(), Some("2026-11-21T16:00:00Z"));
        }
    }

    #[test]
    fn the_running_step_is_there_and_what_lies_ahead_is_null() {
        let trend = trend(&fixture::snapshot(), 600, Duration::ZERO);
        assert_eq!((trend.adds[87], trend.adds[88]), (Some(3), None));
        assert_eq!((trend.adds[60], trend.late_adds[60]), (Some(20), Some(2)));
    }

    #[test]
    fn the_day_before_is_whole_and_goes_when_the_figures_are_stale() {
        let snapshot = fixture::snapshot();
        let before = trend(&snapshot, 600, Duration::ZERO).baseline_adds;
        assert_eq!((before.len(), before[60], before[120]), (144, Some(20), Some(15)));
        assert!(trend(&snapshot, 600, Duration::from_mins(10)).baseline_adds.is_empty());
    }

    #[test]
    fn a_day_of_a_clock_change_has_its_own_number_of_steps() {
        assert_eq!([steps(0, 25 * 3_600_000, 600_000), steps(0, 23 * 3_600_000, 3_600_000)], [150, 23]);
    }
}
