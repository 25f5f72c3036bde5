//! One side of the comparison, alone in a process: reading from Kafka, or the whole pipeline into a sink that keeps nothing.
//!
//! Invariant: both sides have the same members, settings and calls into librdkafka; reading begins once the members have
//! shared the partitions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;
use yinliu::{
    admin::{Health, Outside},
    batch::{Origin, Rows},
    chunk, config,
    generate::brand::Brand,
    metrics::Metrics,
    partition::{Loaded, Room},
    pipeline,
    reference::Reference,
    sink::{self, Sink, Table},
    source::{self, Kafka, Signal, Source, log::Log},
};

use crate::{fold, measure};

/// Members agree within this time, or have agreed.
const SETTLED: Duration = Duration::from_millis(1_500);

/// How often progress is looked at: a thousandth of the shortest run.
const LOOK: Duration = Duration::from_millis(2);

/// What a side reads.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) brokers: String,
    pub(crate) topic: String,
    pub(crate) events: u64,
    pub(crate) staff: u32,
}

/// Which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Consume,
    Pipeline,
}

/// What a side took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) events_per_second: f64,
    /// CPU seconds for a million events, from the start of the process to its end.
    pub(crate) cpu: f64,
    /// MB at the peak.
    pub(crate) memory: f64,
}

impl Job {
    /// Runs a side in a process of its own.
    pub(crate) fn run(&self, side: Side) -> Taken {
        let side = if side == Side::Consume { "consume" } else { "pipeline" };
        let program = std::env::current_exe().expect("Linux tells it");
        let (events, staff) = (self.events.to_string(), self.staff.to_string());
        let arguments = ["child", side, &self.brokers, &self.topic, &events, &staff];
        let output = std::process::Command::new(program).args(arguments).output().expect("the program is there");
        let text = String::from_utf8_lossy(&output.stdout);
        let figures: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
        let [events_per_second, cpu, memory] = figures[..] else {
            panic!("{side} ended early: {text} {}", String::from_utf8_lossy(&output.stderr));
        };
        Taken { events_per_second, cpu, memory }
    }
}

/// The process that [`Job::run`] starts; `words` follow `child`.
pub(crate) fn main(words: &[String]) {
    let [side, brokers, topic, events, staff] = words else { panic!("run by the benchmark itself") };
    let job = Job {
        brokers: brokers.clone(),
        topic: topic.clone(),
        events: events.parse().expect("a count"),
        staff: staff.parse().expect("a count"),
    };
    let events_per_second = if side == "consume" { consume(&job) } else { pipeline(&job) };
    let pid = std::process::id();
    let millions = measure::count(usize::try_from(job.events).unwrap_or(0)) / 1e6;
    println!("{events_per_second} {} {}", measure::process_cpu(pid) / millions, measure::peak_memory(pid));
    std::process::exit(0);
}

fn kafka(job: &Job) -> source::Config {
    let topics = source::Topics { input: vec![job.topic.clone()], ..source::Topics::default() };
    let group = format!("bench-{}", std::process::id());
    source::Config { brokers: vec![job.brokers.clone()], group, topics, ..source::Config::default() }
}

/// Waits until `moves` of the assignment have stopped.
fn settle(moves: impl Fn() -> u64) {
    let (mut seen, mut since) = (0, Instant::now());
    while seen == 0 || since.elapsed() < SETTLED {
        if moves() != seen {
            (seen, since) = (moves(), Instant::now());
        }
        thread::sleep(LOOK);
    }
}

/// Records per second between a twentieth of `all` and all but a twentieth: neither the start nor the last, partly filled
/// batch.
fn speed(all: u64, received: impl Fn() -> u64) -> f64 {
    let (mut first, mut last) = (None, None);
    loop {
        let (now, count) = (Instant::now(), received());
        if count >= all / 20 && first.is_none() {
            first = Some((now, count));
        }
        if count >= all - all / 20 && last.is_none() {
            last = Some((now, count));
        }
        if count >= all {
            break;
        }
        thread::sleep(LOOK);
    }
    let (Some((began, from)), Some((ended, to))) = (first, last) else { return 0.0 };
    let seconds = ended.duration_since(began).max(LOOK).as_secs_f64();
    measure::count(usize::try_from(to - from).unwrap_or(0)) / seconds
}

/// What the reading threads share.
#[derive(Default)]
struct Progress {
    open: AtomicBool,
    moves: AtomicU64,
    received: AtomicU64,
}

fn consume(job: &Job) -> f64 {
    let progress = Arc::new(Progress::default());
    for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
        let (config, progress) = (kafka(job), Arc::clone(&progress));
        thread::spawn(move || read(Kafka::join(&config).expect("Kafka answers"), &progress));
    }
    settle(|| progress.moves.load(Ordering::Relaxed));
    progress.open.store(true, Ordering::Relaxed);
    speed(job.events, || progress.received.load(Ordering::Relaxed))
}

/// One member that visits every record and does nothing with it.
fn read(mut source: Kafka, progress: &Progress) {
    loop {
        for signal in source.signals().expect("Kafka answers") {
            progress.moves.fetch_add(1, Ordering::Relaxed);
            match signal {
                Signal::Assigned(partitions) => {
                    for (slot, _) in partitions {
                        source.start(slot, 0).expect("Kafka answers");
                    }
                }
                Signal::Revoked(_) => {}
                Signal::Tail(..) => {
                    progress.moves.fetch_sub(1, Ordering::Relaxed);
                }
                Signal::Broken(slot) => panic!("{slot:?} has no such offset"),
            }
        }
        if !progress.open.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
            continue;
        }
        let mut count = 0;
        source.records(Duration::from_millis(10), &mut |_, _| count += 1);
        progress.received.fetch_add(count, Ordering::Relaxed);
    }
}

fn pipeline(job: &Job) -> f64 {
    let config = config::Config { kafka: kafka(job), ..config::Config::default() };
    let metrics = Arc::new(Metrics::new(&config.kafka.topics.input));
    let outside = Outside { metrics: Arc::clone(&metrics), health: Arc::new(Health::default()), wall_ms };
    let reference = Arc::new(Reference::new(config.directory.delay, Arc::clone(&metrics)));
    let brand = Brand::new(&fold::settings(job.staff, job.events)).expect("the sizes fit each other");
    reference.publish(fold::directory_rows(&brand).collect());
    let shared = Arc::new(pipeline::shared(&config, outside, Arc::clone(&reference)).expect("the settings are good"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started");
    let log = Arc::new(Log::new(&config.kafka).expect("Kafka answers"));
    runtime.spawn(async move {
        let ended = pipeline::stages(&config, Arc::new(Nowhere), log, shared, CancellationToken::new()).await;
        panic!("the pipeline ended: {ended:?}");
    });
    settle(|| metrics.rebalances.get());
    reference.complete(i64::MAX);
    speed(job.events, || metrics.records_received.get())
}

/// Milliseconds since the epoch.
#[allow(clippy::disallowed_methods, reason = "a benchmark is a process, and asks what time it is as `main.rs` does")]
pub(crate) fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A warehouse that acknowledges everything and keeps nothing.
struct Nowhere;

impl Sink for Nowhere {
    async fn insert(&self, _: Table, _: &Rows) -> Result<(), sink::Error> {
        Ok(())
    }

    async fn positions(&self, origins: &[Origin]) -> Result<FxHashMap<Origin, u64>, sink::Error> {
        // Whatever was entered is still there.
        Ok(origins.iter().map(|origin| (origin.clone(), u64::MAX)).collect())
    }

    async fn incarnations(&self) -> Result<FxHashMap<String, u32>, sink::Error> {
        Ok(FxHashMap::default())
    }

    async fn sync(&self) -> Result<(), sink::Error> {
        Ok(())
    }

    async fn load(
        &self,
        origins: &[Origin],
        _: &chunk::Config,
        _: Room,
    ) -> Result<FxHashMap<Origin, Loaded>, sink::Error> {
        Ok(origins.iter().map(|origin| (origin.clone(), Loaded::default())).collect())
    }
}
