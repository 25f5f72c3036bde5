//! What board and pipeline hold over an hour of updates.
//!
//! Invariant: each viewer watches a place of his own, and is told of it all the time.

use std::{process::Stdio, sync::atomic::Ordering, thread, time::Duration};

use tokio::runtime::Runtime;

use super::{Board, watch};
use crate::{
    Scale,
    engine::{Warehouse, live},
    measure::{self, Runs, count},
    null::{block_on, prepare},
    support::kafka::shared,
    table::Table,
};

/// Memory is told by quarters of the hour.
const QUARTERS: usize = 4;
const SAMPLES_OF_QUARTER: usize = 15;

pub(crate) fn run(scale: Scale, table: &mut Table) {
    prepare(shared());
    let (viewers, rate, every) = match scale {
        Scale::Full => (200, 1_000, Duration::from_mins(1)),
        Scale::Quick => (10, 200, Duration::from_millis(50)),
    };
    let topic = block_on(shared().fresh_topic("hour", 8, &[]));
    let warehouse = Warehouse::start();
    let pipeline = warehouse.pipeline(&topic, Stdio::null());
    let _live = live(&topic, rate);
    warehouse.wait_for(u64::from(rate) * 5);
    let board = Board::start(&warehouse);
    let runtime = Runtime::new().expect("threads can be started");
    let received = watch(&runtime, &board, 0..viewers);

    let mut told = [Vec::new(), Vec::new()];
    for _ in 0..QUARTERS {
        let mut quarter = [Runs::default(), Runs::default()];
        for _ in 0..SAMPLES_OF_QUARTER {
            thread::sleep(every);
            for (runs, pid) in quarter.iter_mut().zip([board.program.pid(), pipeline.pid()]) {
                runs.push(measure::memory(pid));
            }
        }
        for (told, runs) in told.iter_mut().zip(quarter) {
            told.push(runs.text(0));
        }
    }
    let bytes = count(usize::try_from(received.bytes.load(Ordering::Relaxed)).unwrap_or(0));
    runtime.shutdown_background();

    let used = format!("{viewers} viewers of as many places at {rate} events/s");
    for (whose, told) in ["board", "pipeline"].into_iter().zip(told) {
        table.row(&format!("memory of the {whose} by quarters of an hour, {used}, MB"), "flat", told.join("; "));
    }
    table.row("bytes that the viewers read meanwhile, MB", "stated", format!("{:.0}", bytes / 1e6));
}
