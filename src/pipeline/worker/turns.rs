//! A worker's part in the turns that partitions take at the limit of memory.
//!
//! Invariant: what is let go of was drained just before.

use std::time::Instant;

use super::Worker;
use crate::{
    mutants::planted,
    pipeline::{assigned::Phase, bound::Stand},
    source::{Error, Slot, Source},
};

impl<S: Source> Worker<S> {
    /// Has partitions take turns where all together take too much. What they counted was drained just before.
    pub(super) fn keep_within(&mut self, now: Instant) -> Result<(), Error> {
        if planted!(LimitIgnored) {
            return Ok(());
        }
        let slots = |is_one: fn(&Phase) -> bool| -> Vec<Slot> {
            self.assigned.iter().filter(|(_, assigned)| is_one(&assigned.phase)).map(|(slot, _)| *slot).collect()
        };
        let read = slots(|phase| matches!(phase, Phase::Live(..) | Phase::Muted(_)));
        let held = slots(|phase| matches!(phase, Phase::Shed));
        let verdict = self.shared.turns.judge(self.number, self.stand(now), now);
        for slot in verdict.hold.into_iter().map(|at| read[at]) {
            self.source.hold(slot)?;
            let Some(assigned) = self.assigned.get_mut(&slot) else { continue };
            let (Phase::Live(partition, _) | Phase::Muted(partition)) = &assigned.phase else { continue };
            let bytes = partition.bytes();
            assigned.shed(bytes, now, &self.shared.holds);
        }
        for slot in verdict.take_up.into_iter().map(|at| held[at]) {
            if let Some(assigned) = self.assigned.get_mut(&slot) {
                assigned.phase = Phase::Held { until: now };
            }
        }
        self.shared.turns.tell(self.number, self.stand(now));
        Ok(())
    }

    /// Where its partitions stand, in the order in which they are assigned.
    pub(super) fn stand(&self, now: Instant) -> Stand {
        let mut stand = Stand::default();
        self.assigned.values().for_each(|assigned| assigned.stand(&mut stand, now));
        stand
    }
}
