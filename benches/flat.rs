//! Whether an event costs the same however many there were before it, and however large the brand.
//!
//! Invariant: the pure part alone, in memory, for its cost is what could grow.

use crate::{
    Scale,
    fold::{self, Load},
    measure::Runs,
    table::Table,
};

const PARTITIONS: usize = 8;

pub(crate) fn run(scale: Scale, table: &mut Table) {
    let (million, turns) = if scale == Scale::Full { (1_000_000, 3) } else { (20_000, 1) };
    let mut by_events = [Runs::default(), Runs::default()];
    let mut by_staff = [Runs::default(), Runs::default()];
    for turn in 0..turns {
        by_events[0].push(fold::run(Load { events: million, staff: 5_000, partitions: PARTITIONS }));
        if turn == 0 {
            by_events[1].push(fold::run(Load { events: 16 * million, staff: 5_000, partitions: PARTITIONS }));
        }
        for (staff, runs) in [100, 20_000].into_iter().zip(&mut by_staff) {
            runs.push(fold::run(Load { events: million, staff, partitions: PARTITIONS }));
        }
    }
    let row = |[few, many]: &[Runs; 2]| {
        let ratio = many.median() / few.median();
        format!("{ratio:.2}: from {} to {} µs", few.text(2), many.text(2))
    };
    table.row("CPU per event in memory, 1 to 16 million events", "≤ 1.3×", row(&by_events));
    table.row("CPU per event in memory, 100 to 20,000 staff", "≤ 1.3×", row(&by_staff));
}
