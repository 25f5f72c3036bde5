//! What is drawn for a history before it begins.
//!
//! Invariant: every kind of fault is absent from half of the histories, so that each meets the others undisturbed.

use std::{sync::Arc, time::Duration};

use yinliu::{chunk, dedup, metrics::Metrics, partition};

use super::{chance::Dice, clickhouse::Weather, process::Settings, workload::Habits};
use crate::recount::Terms;

/// What makes the figures depend on more than the log, and is therefore kept apart from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Owners overlap in every way; retention stays below everything that may be read again.
    Overlap,
    /// Retention takes what was not counted, or what a duplicate would be recognised by, while all processes are down;
    /// no two owners at once.
    Outage,
    /// As the first, with members of staff whose first row comes after their events.
    Newcomers,
}

/// What is drawn for a history.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) topics: u64,
    pub(super) partitions: u64,
    pub(super) processes_max: u64,
    pub(super) settings: Settings,
    pub(super) terms: Terms,
    pub(super) habits: Habits,
    pub(super) weather: Weather,
    /// Ticks before the healing.
    pub(super) ticks: u64,
    pub(super) tick_ms_max: u64,
    /// Records that a tick appends at most.
    pub(super) burst: u64,
    /// How likely each fault is at a tick, of a thousand.
    pub(super) faults: Faults,
    pub(super) directory_lag_ms: u64,
    /// How often records are delivered once more, of a thousand reads.
    pub(super) again: u64,
}

/// How likely each kind of fault is at a tick, of a thousand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) kill: u64,
    pub(super) close: u64,
    pub(super) join: u64,
    pub(super) stop: u64,
    pub(super) rebalance: u64,
    pub(super) outage: u64,
    pub(super) away: u64,
    pub(super) brokers_away: u64,
    pub(super) backup: u64,
    pub(super) restore: u64,
    pub(super) lag: u64,
    pub(super) retention: u64,
    pub(super) recreate: u64,
}

impl Plan {
    pub(super) fn draw(dice: &Dice, metrics: &Arc<Metrics>) -> Self {
        let kind = match dice.below(10) {
            0..6 => Kind::Overlap,
            6..9 => Kind::Outage,
            _ => Kind::Newcomers,
        };
        let bits = u32::try_from(dice.between(3, 6)).unwrap();
        let records = u32::try_from(dice.between(4, 40)).unwrap();
        let (span_ms, delay_ms) = (dice.between(1_000, 20_000), dice.between(500, 4_000));
        let dedup = dedup::Config { records, span: Duration::from_millis(span_ms) };
        let chunk = chunk::Config { bits, day_bits: bits + u32::try_from(dice.below(3)).unwrap() };
        let settings = Settings {
            partition: partition::Config { chunk, dedup },
            workers: usize::try_from(dice.between(1, 2)).unwrap(),
            flush_interval: Duration::from_millis(dice.between(100, 1_000)),
            batch_bytes_full: usize::try_from(dice.between(1_000, 16_000)).unwrap(),
            limit: if dice.chance(300) { usize::try_from(dice.between(3_000, 90_000)).unwrap() } else { usize::MAX },
            delay: Duration::from_millis(delay_ms),
            letters_refused: maybe(dice, 300),
            metrics: Arc::clone(metrics),
        };
        let habits = Habits {
            repeated: maybe(dice, 400),
            dedup_records: records.into(),
            span_ms: span_ms.cast_signed(),
            broken: maybe(dice, 150),
            gaps: maybe(dice, 200),
            newcomers: kind == Kind::Newcomers,
        };
        Self {
            kind,
            topics: dice.between(1, 2),
            partitions: dice.between(1, 3),
            processes_max: dice.between(1, 3),
            settings,
            terms: Terms { records: records.into(), span_ms: span_ms.cast_signed(), delay_ms: delay_ms.cast_signed() },
            habits,
            weather: Weather {
                refused: maybe(dice, 100),
                partial: maybe(dice, 150),
                lost_answer: maybe(dice, 150),
                late: if kind == Kind::Outage { 0 } else { maybe(dice, 150) },
                late_ms_max: dice.between(1, 20_000),
                delay_ms_max: *dice.pick(&[5, 60, 400]),
                replaced: maybe(dice, 30),
            },
            ticks: dice.between(100, 400),
            tick_ms_max: *dice.pick(&[10, 60, 300]),
            burst: dice.between(1, 4),
            faults: Faults::draw(dice, kind),
            directory_lag_ms: dice.between(50, 3 * delay_ms),
            again: maybe(dice, 100),
        }
    }
}

impl Faults {
    fn draw(dice: &Dice, kind: Kind) -> Self {
        let overlap = kind != Kind::Outage;
        Self {
            kill: maybe(dice, 30),
            close: if overlap { maybe(dice, 20) } else { 0 },
            join: maybe(dice, 40),
            stop: if overlap { maybe(dice, 30) } else { 0 },
            rebalance: if overlap { maybe(dice, 100) } else { 0 },
            outage: if overlap { maybe(dice, 5) } else { 20 },
            away: maybe(dice, 20),
            brokers_away: maybe(dice, 20),
            backup: maybe(dice, 40),
            restore: maybe(dice, 15),
            lag: maybe(dice, 50),
            retention: maybe(dice, 50),
            recreate: maybe(dice, 30),
        }
    }
}

/// In half of the histories 0.
fn maybe(dice: &Dice, most: u64) -> u64 {
    if dice.chance(500) { 0 } else { dice.between(1, most) }
}
