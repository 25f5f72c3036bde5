//! One partition that the group assigned to a worker, and where it stands.
//!
//! Invariant: counts that were not drained yet are those of a live or a muted partition.

use std::time::Instant;

use crate::{batch::Origin, partition::Partition};

#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) origin: Origin,
    pub(super) phase: Phase,
    /// The position that the ledger has, as far as this worker knows.
    pub(super) entered: u64,
    /// When it began to be read, or was held for want of room.
    pub(super) since: Instant,
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
    /// It took so many bytes, for which there is no room.
    Shed(usize),
}

/// What a partition takes of its worker's share of memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    Read(usize),
    /// What it would take again.
    Shed(usize),
    /// Perhaps for as long as nobody mends what is wrong.
    Nothing,
    /// It is about to take some.
    Unknown,
}

impl Phase {
    pub(super) fn memory(&self, now: Instant) -> Memory {
        match self {
            Self::Live(partition, _) | Self::Muted(partition) => Memory::Read(partition.bytes()),
            Self::Shed(bytes) => Memory::Shed(*bytes),
            Self::Held { until } if *until > now => Memory::Nothing,
            Self::Loading(_) | Self::Broken(_) | Self::Held { .. } => Memory::Unknown,
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn partition_that_is_held_for_another_reason_does_not_keep_others_from_being_judged() {
        let now = Instant::now();
        let held = |until| Phase::Held { until }.memory(now);
        assert_eq!(held(now + Duration::from_secs(10)), Memory::Nothing);
        assert_eq!(held(now), Memory::Unknown, "it is loaded next");
        assert_eq!(Phase::Loading(1).memory(now), Memory::Unknown);
        assert_eq!(Phase::Shed(5).memory(now), Memory::Shed(5));
    }
}
