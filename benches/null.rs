//! The whole pipeline into nothing, against reading alone, side by side from one real broker.
//!
//! Invariant: the sides take turns, so that a noisy machine is noisy for both.

use tokio_util::sync::CancellationToken;
use yinliu::{generate, source};

use crate::{
    Scale,
    child::{Job, Side, wall_ms},
    fold,
    measure::Runs,
    support::kafka::{Kafka, shared},
    table::Table,
};

/// As many as a brand of this size has on a few busy days; seconds of work, so that starting does not show.
const EVENTS: u64 = 4_000_000;

/// Enough to run through every part.
const EVENTS_QUICK: u64 = 100_000;

/// Staff of the brand that is measured; the generator's channels are about 40.
pub(crate) const STAFF: u32 = 5_000;

/// Speed and CPU on 8 partitions, memory on 16.
pub(crate) fn run(scale: Scale, table: &mut Table) {
    let kafka = shared();
    prepare(kafka);
    let (events, turns) = if scale == Scale::Full { (EVENTS, 3) } else { (EVENTS_QUICK, 1) };
    let job = fill(kafka, 8, events);
    let mut sides = Vec::new();
    for _ in 0..turns {
        sides.push((job.run(Side::Consume), job.run(Side::Pipeline)));
    }
    let runs =
        |figure: fn(&(crate::child::Taken, crate::child::Taken)) -> f64| sides.iter().map(figure).collect::<Runs>();
    table.row("reading alone, events/s", "", runs(|(read, _)| read.events_per_second).text(0));
    table.row("whole pipeline into nothing, events/s", "", runs(|(_, whole)| whole.events_per_second).text(0));
    let ratios = runs(|(read, whole)| whole.events_per_second / read.events_per_second);
    table.row("the same, of reading alone", "≥ 0.6", ratios.text(2));
    table.row("reading alone, CPU s per million", "", runs(|(read, _)| read.cpu).text(2));
    table.row("whole pipeline into nothing, CPU s per million", "≤ 2.0", runs(|(_, whole)| whole.cpu).text(2));
    let job = fill(kafka, 16, events);
    let memory: Runs = (0..turns).map(|_| job.run(Side::Pipeline).memory).collect();
    table.row("memory at that speed, 16 partitions, MB", "≤ 300", memory.text(0));
}

/// Creates the topics beside those of events.
pub(crate) fn prepare(kafka: &Kafka) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let topics = source::Topics::default();
        for topic in [topics.org, topics.channel, topics.target, topics.contest, topics.dead_letter] {
            block_on(kafka.create_topic(&topic, 1, &[]));
        }
    });
}

/// Fills a fresh topic of so many partitions with a past day.
pub(crate) fn fill(kafka: &Kafka, partitions: i32, events: u64) -> Job {
    let topic = block_on(kafka.fresh_topic("events", partitions, &[]));
    // The day's count is met to within a few per cent, its limit exactly.
    let settings = generate::Settings { limit: Some(events), ..fold::settings(STAFF, events + events / 10) };
    let config = config(kafka, &topic);
    let summary = generate::run(&settings, &config, &wall_ms, &CancellationToken::new()).expect("Kafka takes them");
    assert_eq!((summary.tally.records(), summary.failed), (events, 0), "{summary}");
    Job { brokers: kafka.brokers(), topic, events, staff: STAFF }
}

/// The settings with which this topic alone is read or filled.
pub(crate) fn config(kafka: &Kafka, topic: &str) -> source::Config {
    let topics = source::Topics { input: vec![topic.to_owned()], ..source::Topics::default() };
    source::Config { brokers: vec![kafka.brokers()], topics, ..source::Config::default() }
}

/// Runs a request to the end.
pub(crate) fn block_on<T>(request: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the process may open files").block_on(request)
}
