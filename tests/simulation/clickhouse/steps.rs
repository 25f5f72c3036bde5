//! What must hold of the warehouse at every step of a history.
//!
//! Invariant: expected is what the log says; of the warehouse nothing but the rows that came in.

use yinliu::batch::Origin;

use super::{ClickHouse, State, Warehouse};
use crate::warehouse::Inserted;

impl ClickHouse {
    /// What must hold at every step.
    pub(super) fn check(&self, state: &State, row: &Inserted) {
        match row {
            Inserted::Ledger(entry) => {
                assert!(entry.tally.balances(), "the balance of {entry:?}");
                let end = self.log.end_of_label(&entry.origin);
                assert!(entry.next_offset <= end, "{entry:?} is beyond the end {end} of the log");
            }
            Inserted::Progress(origin, moment) => {
                let counted = state.now.position(&self.log.label(origin)).unwrap_or(0);
                let position = counted.max(self.log.start_of(origin));
                let end = self.log.end_at(origin, *moment);
                assert!(
                    end <= position,
                    "{origin:?} is told to be complete through {moment}, when it ended at {end}; its ledger: {position}"
                );
            }
            Inserted::Fact(..) | Inserted::Register(..) | Inserted::Letter(..) => {}
        }
    }

    /// A start begins at the furthest ledger row, and trusts that the chunks before it are read to their ends.
    pub(super) fn check_whole(&self, now: &Warehouse, label: &Origin) {
        let Some(bits) = self.whole_bits else { return };
        let rows = now.ledger.range((label.clone(), 0)..=(label.clone(), u64::MAX));
        let rows: Vec<_> = rows.map(|((_, chunk), (next_offset, _))| (*chunk, *next_offset)).collect();
        for pair in rows.windows(2) {
            let [(chunk, next_offset), (next_chunk, _)] = pair else { unreachable!() };
            let passed_over = self.log.first_record_in(label, *next_offset..next_chunk << bits);
            assert!(
                passed_over.is_none(),
                "{label:?}: chunk {chunk} is entered to {next_offset}, before {next_chunk}, and passes over {passed_over:?}"
            );
        }
    }
}
