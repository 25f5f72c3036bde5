//! How long a refresh of the cohort figures takes, and what memory the engine needs for it.
//!
//! Invariant: the facts lie on many days, and what comes in between two refreshes touches episodes of each of them.

use std::{fs, time::Instant};

use crate::{
    Scale,
    engine::Warehouse,
    measure,
    table::Table,
    warehouse::{
        fill::{self, Size},
        refresh,
    },
};

/// Flushes from one refresh to the next.
const FLUSHES: u64 = 60;

/// Refreshes after the first, of which the slowest is told.
const REFRESHES: u64 = 3;

pub(crate) fn run(scale: Scale, table: &mut Table) {
    let size =
        |facts, fact_days, flush| Size { staff: 10_000, minutes: 0, facts, fact_days, days: 0, days_of_all: 0, flush };
    let (size, refreshes) = match scale {
        // Twenty million events of a day and its hours.
        Scale::Full => (size(100_000_000, 60, 230), REFRESHES),
        Scale::Quick => (size(20_000, 20, 10), 1),
    };
    let warehouse = Warehouse::start();
    fill::facts(&warehouse, 0, size.facts, &size);
    fill::directory(&warehouse, &size);
    fill::progress(&warehouse);
    let millions = measure::count(usize::try_from(size.facts).unwrap_or(0)) / 1e6;
    let (seconds, peak) = refreshed(&warehouse);
    let first = format!("first refresh, of {millions} million facts on {} days", size.fact_days);
    table.row(&first, "stated", format!("{seconds:.0} s, peak memory of the engine {peak:.0} MB"));
    let (mut slowest, mut most) = (0.0_f64, 0.0_f64);
    for number in 0..refreshes {
        fill::facts(&warehouse, size.facts + number * FLUSHES * size.flush, FLUSHES * size.flush, &size);
        let (seconds, peak) = refreshed(&warehouse);
        (slowest, most) = (slowest.max(seconds), most.max(peak));
    }
    let next = format!("next refresh, after {} facts of a minute, the slowest of {refreshes}", FLUSHES * size.flush);
    table.row(&next, "≤ 30 s, ≤ 2 GiB", format!("{slowest:.1} s, peak memory of the engine {most:.0} MB"));
}

/// Seconds that it took, and megabytes of the engine at the most.
fn refreshed(warehouse: &Warehouse) -> (f64, f64) {
    // Of its own peak the kernel forgets the past with this.
    let _ = fs::write(format!("/proc/{}/clear_refs", warehouse.pid()), "5");
    let began = Instant::now();
    refresh(warehouse);
    (began.elapsed().as_secs_f64(), measure::peak_memory(warehouse.pid()))
}
