//! Whole histories of the pipeline against simulated Kafka and ClickHouse, with a virtual clock and one seed for every
//! choice.
//!
//! Invariant: the stages are the program's own; a seed always gives the same history.

mod chance;
mod check;
mod clickhouse;
mod history;
mod log;
mod plan;
mod process;
mod workload;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use yinliu::metrics::Metrics;

use chance::{Dice, Trace};
use history::History;

/// Histories of every run of the tests: some ten seconds on two cores, in which each of the planted bugs is met many
/// times over.
const SEEDS: u64 = 2_000;

/// What one history held.
struct Told {
    records: usize,
    inserts: u64,
    /// Whether two owners placed a newcomer's record differently, so that its partition is left out of what must be equal.
    is_disputed: bool,
}

fn run(seed: u64, trace: Trace, metrics: &Arc<Metrics>) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let dice = Dice::begin(seed);
        let mut history = History::new(dice, trace, metrics);
        history.run().await;
        check::check(&history);
        let is_disputed = !history.server.disputed().is_empty();
        Told { records: history.log.everything().len(), inserts: history.server.inserts(), is_disputed }
    })
}

/// What this variable asks for: `from..to`, or one seed.
pub(crate) fn asked(name: &str, default: Range<u64>) -> Range<u64> {
    #[allow(clippy::disallowed_methods, reason = "a test has no configuration")]
    let Ok(text) = std::env::var(name) else { return default };
    let number = |text: &str| {
        text.parse::<u64>().unwrap_or_else(|_| panic!("`{name}` is `from..to`, or one seed, and not `{text}`"))
    };
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&text)..number(&text) + 1,
    }
}

#[test]
fn every_history_ends_with_the_counts_of_an_independent_recount() {
    let seeds = asked("YINLIU_SIMULATION_SEEDS", 0..SEEDS);
    let trace = if seeds.end - seeds.start == 1 { Trace::Told } else { Trace::Silent };
    let began = Instant::now();
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicU64::new(u64::MAX));
    let [records, inserts, disputed] = [(); 3].map(|()| AtomicU64::new(0));
    let work = || {
        let metrics = Arc::new(Metrics::new(&[]));
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) || failed.load(Ordering::Relaxed) < seed {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| run(seed, trace, &metrics))) {
                Ok(told) => {
                    records.fetch_add(u64::try_from(told.records).unwrap(), Ordering::Relaxed);
                    inserts.fetch_add(told.inserts, Ordering::Relaxed);
                    disputed.fetch_add(told.is_disputed.into(), Ordering::Relaxed);
                }
                Err(_) => {
                    failed.fetch_min(seed, Ordering::Relaxed);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner();
    assert!(failed == u64::MAX, "seed {failed} failed; `make simulate SEED={failed}` tells its history");
    let (histories, disputed) = (seeds.end - seeds.start, disputed.into_inner());
    println!(
        "{histories} histories, of which {disputed} with a disputed newcomer, {} records, {} inserts, {:.1} s",
        records.into_inner(),
        inserts.into_inner(),
        began.elapsed().as_secs_f64()
    );
    assert!(histories < 100 || disputed * 20 < histories, "what is left out is rare: {disputed} of {histories}");
}

/// Histories that are played twice.
const AGAIN: u64 = 50;

#[test]
fn seed_gives_the_same_history_again() {
    let metrics = Arc::new(Metrics::new(&[]));
    for seed in 0..AGAIN {
        let told = [(); 2].map(|()| {
            run(seed, Trace::Kept, &metrics);
            chance::kept()
        });
        let [first, second] = &told;
        let differs = first.iter().zip(second).position(|(first, second)| first != second);
        if let Some(at) = differs {
            panic!("seed {seed}, line {at}:\n{}\n{}", first[at], second[at]);
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
        assert!(first.len() > 10, "seed {seed} tells something: {first:#?}");
    }
}

/// Histories in which each planted bug has to be found.
#[cfg(feature = "mutants")]
const MUTANT_SEEDS: u64 = 200;

/// Of corrections without a planted bug: they take seconds each, and nearly every bug of theirs is found in the first few.
#[cfg(feature = "mutants")]
const CORRECTION_SEEDS: u64 = 20;

#[cfg(feature = "mutants")]
#[test]
fn every_planted_bug_is_found() {
    use yinliu::mutants::{Mutant, plant};

    /// What `reconcile` does is SQL, which has a world of its own.
    const CORRECTIONS: [Mutant; 8] = [
        Mutant::ZerosForgotten,
        Mutant::GenerationUsedAgain,
        Mutant::LastDeliveryCounts,
        Mutant::OpenChunksCorrected,
        Mutant::MinutesForgotten,
        Mutant::LedgerNotEntered,
        Mutant::ToldAnew,
        Mutant::ToldAfterwards,
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let corrects = |seed: u64| runtime.block_on(crate::corrections::play(seed, false));

    std::panic::set_hook(Box::new(|_| {}));
    let metrics = Arc::new(Metrics::new(&[]));
    let mut survived = Vec::new();
    let all = Mutant::ALL.iter().map(|&mutant| (Some(mutant), CORRECTIONS.contains(&mutant), MUTANT_SEEDS));
    // Of both kinds of history first some in which nothing is planted.
    let sound = [(None, false, MUTANT_SEEDS), (None, true, CORRECTION_SEEDS)];
    for (mutant, of_corrections, seeds) in sound.into_iter().chain(all) {
        plant(mutant);
        let fails = |seed: &u64| {
            let play = || {
                if of_corrections {
                    corrects(*seed);
                } else {
                    run(*seed, Trace::Silent, &metrics);
                }
            };
            catch_unwind(AssertUnwindSafe(play)).is_err()
        };
        let found = (0..seeds).find(fails);
        let name = mutant.map_or_else(|| "none".to_owned(), |mutant| format!("{mutant:?}"));
        let what = mutant.map_or("is as it should be", Mutant::name);
        let seed = found.map_or_else(|| "-".to_owned(), |seed| seed.to_string());
        println!("{name:22} {seed:>5}  {what}");
        // The bug itself is what was found: without it the same history comes out right.
        plant(None);
        let by_itself = found.is_some_and(|seed| fails(&seed));
        if found.is_none() == mutant.is_some() || by_itself {
            survived.push(name);
        }
    }
    drop(std::panic::take_hook());
    assert!(survived.is_empty(), "not found in {MUTANT_SEEDS} histories, or found where nothing is: {survived:?}");
}
