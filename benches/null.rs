//! The whole pipeline into nothing, against reading alone, side by side from one real broker.
//!
//! Invariant: the sides take turns, so that a noisy machine is noisy for both.

use tokio_util::sync::CancellationToken;
use yinliu::{
    generate,
    source,
};

use crate::{
    Scale,
    child::{Job, Side, wall_ms},
    fold,
    measure::Runs,
    support::kafka::Kafka,
};

/// As many as a brand of this size has on a few busy days; seconds of work, so that starting does not show.
const EVENTS: u64 = 4_000_000;

pub(crate) fn run(scale: Scale) {
    let kafka = Kafka::start();
    let (events, turns) = if scale == Scale::Full { (EVENTS, 3) } else { (100_000, 1) };
    prepare(&kafka);
    let job = fill(&kafka, 8, events);
    let (mut ratios, mut reads, mut pipes, mut cpu_reads, mut cpu) =
        (Runs::default(), Runs::default(), Runs::default(), Runs::default(), Runs::default());
    for _ in 0..turns {
        let read = job.run(Side::Consume);
        let pipe = job.run(Side::Pipeline);
        eprintln!("{read:?} {pipe:?}");
        ratios.push(pipe.events_per_second / read.events_per_second);
        reads.push(read.events_per_second);
        pipes.push(pipe.events_per_second);
        cpu_reads.push(read.cpu);
        cpu.push(pipe.cpu);
    }
    println!("{} {} {} {} {}", reads.text(0), pipes.text(0), ratios.text(2), cpu_reads.text(2), cpu.text(2));
}

/// Creates the topics beside those of events.
pub(crate) fn prepare(kafka: &Kafka) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads can be started");
    let topics = source::Topics::default();
    for topic in [topics.org, topics.channel, topics.target, topics.contest, topics.dead_letter] {
        runtime.block_on(kafka.create_topic(&topic, 1, &[]));
    }
}

/// Fills a fresh topic of so many partitions with a past day.
pub(crate) fn fill(kafka: &Kafka, partitions: i32, events: u64) -> Job {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads can be started");
    let topic = runtime.block_on(kafka.fresh_topic("events", partitions, &[]));
    let staff = 5_000;
    let settings = generate::Settings { limit: Some(events), ..fold::settings(staff, events + events / 10) };
    let topics = source::Topics { input: vec![topic.clone()], ..source::Topics::default() };
    let config = source::Config { brokers: vec![kafka.brokers()], topics, ..source::Config::default() };
    let summary = generate::run(&settings, &config, &wall_ms, &CancellationToken::new()).expect("Kafka takes them");
    eprintln!("{summary}");
    Job { brokers: kafka.brokers(), topic, events, staff }
}
