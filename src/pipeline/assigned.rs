//! One partition that the group assigned to a worker, and where it stands.
//!
//! Invariant: counts that were not drained yet are those of a live or a muted partition.

use std::time::{Duration, Instant};

use super::{
    bound::{self, Stand, Taken},
    hold::Holds,
};
use crate::{batch::Origin, metrics::Cause, partition::Partition};

#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) origin: Origin,
    pub(super) phase: Phase,
    /// The position that the ledger has, as far as this worker knows.
    pub(super) entered: u64,
    /// When it began to be loaded or read, or was held for want of room.
    pub(super) since: Instant,
    /// How long it is read at least, while others wait for want of room.
    pub(super) turn: Duration,
    /// What it took when it was held for want of room, in bytes, until it is read again.
    pub(super) took: usize,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// By the request of this number.
    Loading(u64),
    Live(Box<Partition>, Tail),
    /// Refused records of it cannot be written; read on from its position once they are.
    Muted(Box<Partition>),
    /// To be loaded again once the ledger has what was counted below this position: the log may not have it any more.
    Broken(u64),
    Held {
        until: Instant,
    },
    /// There is no room for it.
    Shed,
}

impl Assigned {
    /// To be loaded at once.
    pub(super) const fn new(origin: Origin, now: Instant) -> Self {
        Self { origin, phase: Phase::Held { until: now }, entered: 0, since: now, turn: Duration::ZERO, took: 0 }
    }

    /// It is read from now on, and was loaded since it was asked for.
    pub(super) fn begin(&mut self, now: Instant) {
        self.turn = bound::turn(now.saturating_duration_since(self.since));
        (self.since, self.took) = (now, 0);
    }

    /// It waits for its turn, and takes so many bytes when it has one.
    pub(super) fn shed(&mut self, bytes: usize, now: Instant, holds: &Holds) {
        let mib = bytes >> 20;
        let detail =
            format!("it takes {mib} MiB, and waits for its turn; start another process, or raise `memory.limit_mib`");
        holds.hold(&self.origin, Cause::Memory, &detail);
        (self.phase, self.since, self.took) = (Phase::Shed, now, bytes);
    }

    /// Adds the partition to where its worker stands.
    pub(super) fn stand(&self, stand: &mut Stand, now: Instant) {
        let taken = |bytes| Taken { bytes, since: self.since, turn: self.turn };
        match &self.phase {
            Phase::Live(partition, _) | Phase::Muted(partition) => stand.read.push(taken(partition.bytes())),
            Phase::Shed => stand.held.push(taken(self.took)),
            // Perhaps for as long as nobody mends what is wrong.
            Phase::Held { until } if *until > now => {}
            Phase::Loading(_) | Phase::Broken(_) | Phase::Held { .. } => *stand.loading.get_or_insert(0) += self.took,
        }
    }
}

/// Statistics are a second old or two; after so many of them since its start, what they say of a partition is true of it.
const STATISTICS_SETTLED: u32 = 5;

/// What statistics say about the end of a live partition.
#[derive(Debug, Default)]
pub(super) struct Tail {
    told: u32,
    last: u64,
}

impl Tail {
    /// Takes in what the newest statistics say; whether it can be believed.
    pub(super) fn is_settled(&mut self, offset: u64) -> bool {
        let repeated = self.last == offset;
        self.told += 1;
        self.last = offset;
        repeated && self.told >= STATISTICS_SETTLED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_that_is_held_for_another_reason_does_not_keep_others_from_being_judged() {
        let now = Instant::now();
        let stand = |phase| {
            let origin = Origin { topic: "friend".into(), partition: 0 };
            let mut stand = Stand::default();
            Assigned { phase, took: 5, ..Assigned::new(origin, now) }.stand(&mut stand, now);
            (stand.held.len(), stand.loading)
        };
        let held = |until| stand(Phase::Held { until });
        assert_eq!(held(now + Duration::from_secs(10)), (0, None));
        assert_eq!(held(now), (0, Some(5)), "it is loaded next");
        assert_eq!(stand(Phase::Loading(1)), (0, Some(5)));
        assert_eq!(stand(Phase::Shed), (1, None));
    }
}
