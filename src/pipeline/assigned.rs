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
