//! Every kind of fault, in a seeded order, on real components under load; then the counts once more from the log.
//!
//! Invariant: one seed decides which faults come, when, how long and on what; the same test runs for three minutes with
//! the others and, by `make chaos`, for as long as one likes.

mod fault;
mod kill;
mod report;
mod world;

use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use crate::{
    recount::compare,
    support::{figures::Chunks, poll},
};
use fault::{Deck, Fault};
use report::Report;
use world::{LOOK, Met, World};

/// A broker that was killed takes ten seconds on an idle machine; this is for one that is not.
const CAUGHT_UP: Duration = Duration::from_mins(3);

/// Of a run, unless a number of faults is asked for.
const LENGTH: Duration = Duration::from_mins(3);

/// By which seed a run goes, and how far.
#[derive(Clone, Copy, Debug)]
struct Plan {
    seed: u64,
    faults: Option<usize>,
    per_second: usize,
    brokers: usize,
}

/// What three brokers take, with the rest beside them.
const MEMORY_OF_THREE_KB: u64 = 6 << 20;

impl Plan {
    /// What `make chaos` asks for, or what the tests have time for: one broker starts in a third of the time.
    fn read() -> Self {
        let faults = number("CHAOS_FAULTS").and_then(|faults| faults.try_into().ok());
        let has_room = memory_available_kb() >= MEMORY_OF_THREE_KB;
        Self {
            seed: number("CHAOS_SEED").unwrap_or(1),
            faults,
            brokers: if faults.is_some() && has_room { 3 } else { 1 },
            per_second: number("CHAOS_RATE").and_then(|rate| rate.try_into().ok()).unwrap_or(400),
        }
    }
}

/// A variable of the environment, which `make` sets.
#[allow(clippy::disallowed_methods, reason = "arguments of a test run come by the environment alone")]
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|error| panic!("`{name}` is `{text}`: {error}")))
}

fn memory_available_kb() -> u64 {
    let told = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).expect("a number of kB")
}

#[tokio::test]
async fn every_kind_of_fault_under_load_leaves_no_wrong_key() {
    let plan = Plan::read();
    println!("{plan:?}");
    let (mut world, load) = World::build(plan.seed, plan.brokers).await;
    let load = load.steady(plan.per_second);

    let (mut dice, mut deck, mut report) = (SmallRng::seed_from_u64(plan.seed), Deck::default(), Report::default());
    let began = Instant::now();
    // Every kind at least once, and as many as are asked for, however slow the machine.
    while match plan.faults {
        Some(faults) => report.faults() < faults,
        None => began.elapsed() < LENGTH || !report.missing().is_empty(),
    } {
        let round = deck.round(&mut dice);
        play(&mut world, &round, &mut report).await;
        // A part of the schedule, not a wait: mostly into the middle of whatever comes after.
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..500))).await;
    }
    let length = began.elapsed();
    load.stop();
    world.stage().until_in(CAUGHT_UP).await;
    world.until_ready().await;
    let compared = compare(&world.stage(), &world.stage().records()).await;
    print!("{}", report.table());
    let [jumps, full_disks] = world.orders_met();
    println!(
        "seed {}, {} s, {} events/s, {} broker(s): {} records, {} keys, {} wrong; {} requests to ClickHouse struck, {full_disks} \
         full disks met and {jumps} readings of clocks that had jumped; {}",
        plan.seed,
        length.as_secs(),
        plan.per_second,
        plan.brokers,
        compared.records,
        compared.keys,
        compared.wrong.rows,
        world.struck(),
        report.most_memory()
    );
    // All kinds of faults came: those that a process has to meet by itself were met.
    assert!(jumps > 0 && full_disks > 0 && world.struck() > 0, "faults that nobody met");
    compared.assert_right();
    let (agrees, said) = world.verify();
    assert!(agrees && said.contains("everything agrees"), "{said}");
}

/// Lets the faults of a round come and go, and waits until everything is in.
async fn play(world: &mut World, round: &[Fault], report: &mut Report) {
    let mut moments: Vec<_> =
        (0..round.len()).flat_map(|at| [(round[at].begins, at, true), (round[at].ends, at, false)]).collect();
    moments.sort_unstable();
    let kinds: Vec<_> = round.iter().map(|fault| fault.kind.name()).collect();
    let start = Instant::now();
    let (mut begun, mut met) = (vec![start; round.len()], vec![Met::Nobody; round.len()]);
    for (moment, at, begins) in moments {
        // When a fault begins and ends is the schedule itself; what follows from it is waited for below.
        while let Some(left) = moment.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            world.look();
            tokio::time::sleep(left.min(LOOK)).await;
        }
        if begins {
            begun[at] = Instant::now();
            met[at] = world.begin(round[at].kind).await;
            if met[at] != Met::Nobody {
                report.fault(round[at].kind);
            }
        } else {
            world.end(round[at].kind, met[at]).await;
        }
    }
    let (over, during) = (Instant::now(), world.take_peak());
    caught_up(world, &kinds).await;
    let (from_end, after) = (over.elapsed(), world.take_peak());
    report.memory(&kinds, during, after);
    match round {
        [_] if met[0] == Met::Nobody => {}
        [fault] => report.alone(fault.kind, begun[0].elapsed(), from_end),
        _ => report.together(from_end),
    }
    println!(
        "{:>4} {kinds:?}: {:.1} s after the last; a process took {:.0} MB at most before that, {:.0} MB after",
        report.faults(),
        from_end.as_secs_f64(),
        during / 1e6,
        after / 1e6
    );
}

/// Waits until the ledger has everything that the log holds now.
async fn caught_up(world: &mut World, kinds: &[&str]) {
    let (ends, client) = (world.stage().ends(), world.stage().client());
    poll::until(&format!("everything in after {kinds:?}"), CAUGHT_UP, async || {
        world.look();
        let chunks = Chunks::read(&client).await.map_err(|error| format!("{error:?}"))?;
        let behind: Vec<_> =
            ends.iter().filter(|(topic, partition, end)| chunks.position(topic, *partition) < *end).collect();
        if behind.is_empty() { Ok(()) } else { Err(format!("behind in {behind:?}: {chunks:?}")) }
    })
    .await;
}
