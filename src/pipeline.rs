//! The stages in the order of the picture, and the one arrow that returns.
//!
//! Invariant: the only back-pressure is the absence of a poll; the only way back is the receipt.
//!
//! # Why maps with a fixed hash
//! Those of the standard library have another order in each process. Here, in `sink` and in `source` one history is told
//! like the next: what a seed of the simulation found, it finds again.

mod assigned;
pub mod bound;
pub mod flush;
pub mod hold;
pub mod loader;
pub mod lost;
mod memory;
pub mod monitor;
pub mod progress;
mod seen;
pub mod spare;
pub mod worker;

use std::{
    sync::{Arc, atomic::AtomicU64, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Health, Outside},
    config,
    corp::{self, Corps},
    letters::Letters,
    metrics::Metrics,
    partition,
    reference::Reference,
    sink::{self, ClickHouse, Sink},
    source::{self, Brokers, Kafka, log::Log},
};
use bound::Turns;
use flush::{Flush, Stopped};
use hold::Holds;
use loader::Loader;
use lost::Lost;
use monitor::Positions;
use progress::Progress;
use spare::Spares;
use worker::{Links, Step, Worker};

/// Section `flush`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// From one flush to the next; earlier where a batch is full. At least 100 ms, for ClickHouse wants few inserts.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1) }
    }
}

/// More threads than this would share too few partitions; a larger machine runs more processes.
const WORKERS_MAX: usize = 8;

/// How long a step waits for records: short, so that signals are served and flushes begin in time.
const READ_LIMIT: Duration = Duration::from_millis(10);

/// The process stops within 10 s: so much of it for the last flush, the rest for leaving the group.
const LAST_FLUSH_LIMIT: Duration = Duration::from_secs(6);
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("set up the tenants")]
    Corps(#[from] corp::Error),
    #[error("set up Kafka")]
    Kafka(#[from] source::Error),
    #[error("set up the writing of dead letters")]
    Letters(#[source] rdkafka::error::KafkaError),
    #[error("start partitions")]
    Start(#[source] sink::Error),
    #[error("flush")]
    Flush(#[from] Stopped),
    #[error("start a thread")]
    Thread(#[source] std::io::Error),
    #[error("a thread ended unexpectedly; its last words are in the log")]
    Gone,
}

/// What all stages of a process share.
#[derive(Debug)]
pub struct Shared {
    pub corps: Corps,
    /// `directory.delay`, milliseconds.
    pub delay_ms: i64,
    pub reference: Arc<Reference>,
    pub letters: Letters,
    pub holds: Holds,
    pub lost: Lost,
    pub positions: Positions,
    pub spares: Spares,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub turns: Turns,
    /// How often the flush lost sight of the warehouse, behind which it may have been replaced by an older copy.
    pub absences: AtomicU64,
    pub flush_interval: Duration,
    /// All workers flush at the same moments: this one and each interval after it.
    pub flush_epoch: Instant,
    /// A batch of this size is handed over before the interval is over, and nothing is read while the one before it
    /// waits.
    pub batch_bytes_full: usize,
    /// Milliseconds since the epoch.
    pub wall_ms: fn() -> i64,
    /// From 0 to 1, by which retries of many processes are spread.
    pub random: fn() -> f64,
}

impl Shared {
    /// The first moment to flush after `now`.
    #[must_use]
    pub fn next_flush(&self, now: Instant) -> Instant {
        let since = now.saturating_duration_since(self.flush_epoch);
        let remainder = since.as_nanos() % self.flush_interval.as_nanos().max(1);
        now + self.flush_interval.saturating_sub(Duration::from_nanos(u64::try_from(remainder).unwrap_or(0)))
    }
}

/// Runs until `shutdown`, then flushes, enters, commits and leaves the group.
///
/// # Errors
/// Something that a person must mend; what was read but not entered will be read again.
pub async fn run(config: &config::Config, outside: Outside, shutdown: CancellationToken) -> Result<(), Error> {
    let sink = Arc::new(ClickHouse::new(&config.clickhouse));
    let log = Arc::new(Log::new(&config.kafka)?);
    let reference = Reference::start(config, &log, sink.client().clone(), outside.clone(), shutdown.clone());
    let shared = Arc::new(shared(config, outside, reference)?);
    stages(config, sink, log, shared, shutdown).await
}

/// The stages, first to last: workers read and fold, the flush writes, the receipt returns. Beside them the loader
/// starts partitions and the monitor watches the ends of the log.
pub async fn stages<K: Sink, B: Brokers>(
    config: &config::Config,
    sink: Arc<K>,
    brokers: Arc<B>,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    memory::give_back_large_blocks();
    let workers = workers();
    let (batches, gathered) = tokio::sync::mpsc::channel(workers);
    let (requests, requested) = tokio::sync::mpsc::unbounded_channel();
    let (ends, sampled_ends) = tokio::sync::mpsc::unbounded_channel();
    monitor::start(&config.kafka, Arc::clone(&brokers), Arc::clone(&shared), ends, shutdown.clone());
    let (mut threads, mut receipts) = (Vec::new(), Vec::new());
    for number in 0..workers {
        let (receipt_to, from_flush) = mpsc::channel();
        let (answer_to, answers) = mpsc::channel();
        let links =
            Links { batches: batches.clone(), receipts: from_flush, requests: requests.clone(), answers, answer_to };
        receipts.push(receipt_to);
        threads.push(spawn(number, config.kafka.clone(), Arc::clone(&shared), links, shutdown.clone())?);
    }
    drop((batches, requests));
    let (reads, settings) = (Arc::clone(&sink), partition_config(config));
    let loader = Loader { sink: reads, brokers, shared: Arc::clone(&shared), config: settings };
    let loader = tokio::spawn(loader.run(requested));
    let abandon = CancellationToken::new();
    let flush = Flush::new(sink, Arc::clone(&shared), gathered, receipts, Progress::new(sampled_ends));
    let flush = tokio::spawn(flush.run(abandon.clone()));

    let result = supervise(flush, loader, &shared.health, &shutdown, &abandon).await;
    shutdown.cancel();
    let joined = move || {
        let ends: Vec<_> = threads.into_iter().map(thread::JoinHandle::join).collect();
        ends.into_iter().try_for_each(|end| Ok(end.map_err(|_| Error::Gone)??))
    };
    // Closing a consumer can hang in librdkafka; by then nothing depends on it.
    if let Ok(joined) = tokio::time::timeout(LEAVE_LIMIT, tokio::task::spawn_blocking(joined)).await {
        return result.and(joined.map_err(|_| Error::Gone)?);
    }
    tracing::warn!("left without waiting for the consumer group");
    result
}

/// Waits for the end: by `shutdown`, or because a stage cannot go on.
async fn supervise(
    mut flush: tokio::task::JoinHandle<Result<(), Stopped>>,
    mut loader: tokio::task::JoinHandle<Result<(), sink::Error>>,
    health: &Health,
    shutdown: &CancellationToken,
    abandon: &CancellationToken,
) -> Result<(), Error> {
    tokio::select! {
        ended = &mut flush => return ended.map_err(|_| Error::Gone)?.map_err(Error::from).and(Err(Error::Gone)),
        ended = &mut loader => return ended.map_err(|_| Error::Gone)?.map_err(Error::Start).and(Err(Error::Gone)),
        () = shutdown.cancelled() => health.set_not_ready("stopping"),
    }
    if let Ok(ended) = tokio::time::timeout(LAST_FLUSH_LIMIT, &mut flush).await {
        return Ok(ended.map_err(|_| Error::Gone)??);
    }
    abandon.cancel();
    tracing::warn!("ClickHouse did not take the last batch in time; its records will be read again at the next start");
    Ok(())
}

/// What the stages share, around this directory.
pub fn shared(config: &config::Config, outside: Outside, reference: Arc<Reference>) -> Result<Shared, Error> {
    let Outside { metrics, health, wall_ms } = outside;
    metrics.memory_bound.add(i64::try_from(config.memory.process(workers(), &config.chunk)).unwrap_or(i64::MAX));
    Ok(Shared {
        corps: Corps::new(&config.corp)?,
        delay_ms: i64::try_from(config.directory.delay.as_millis()).unwrap_or(i64::MAX),
        reference,
        letters: Letters::new(&config.kafka, Arc::clone(&metrics)).map_err(Error::Letters)?,
        holds: Holds::new(Arc::clone(&metrics), Arc::clone(&health)),
        lost: Lost::new(Arc::clone(&metrics)),
        positions: Positions::default(),
        // The one that each worker fills next.
        spares: Spares::new(workers()),
        turns: Turns::new(config.memory.limit(), workers()),
        metrics,
        health,
        absences: AtomicU64::new(0),
        flush_interval: config.flush.interval,
        flush_epoch: Instant::now(),
        batch_bytes_full: worker::BATCH_BYTES_FULL,
        wall_ms,
        random: rand::random,
    })
}

/// The settings of each partition.
#[must_use]
pub fn partition_config(config: &config::Config) -> partition::Config {
    partition::Config { chunk: config.chunk.clone(), dedup: config.dedup.clone() }
}

fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX)
}

/// One thread: a member of the group and its worker.
fn spawn(
    number: usize,
    kafka: source::Config,
    shared: Arc<Shared>,
    links: Links,
    shutdown: CancellationToken,
) -> Result<thread::JoinHandle<Result<(), source::Error>>, Error> {
    let thread = thread::Builder::new().name(name_of(number));
    let body = move || {
        // However the thread ends, the process does not go on without it.
        let _ends = shutdown.clone().drop_guard();
        work(number, &kafka, &shared, links, &shutdown)
    };
    thread.spawn(body).map_err(Error::Thread)
}

fn name_of(worker: usize) -> String {
    format!("worker-{worker}")
}

fn work(
    number: usize,
    kafka: &source::Config,
    shared: &Arc<Shared>,
    links: Links,
    shutdown: &CancellationToken,
) -> Result<(), source::Error> {
    let name = name_of(number);
    let mut worker = Worker::new(number, Kafka::join(kafka)?, Arc::clone(shared), links, Instant::now());
    while !shutdown.is_cancelled() {
        let now = Instant::now();
        shared.health.beat(&name, now);
        if worker.step(now, (shared.wall_ms)(), READ_LIMIT)? == Step::Held {
            thread::sleep(READ_LIMIT);
        }
    }
    shared.letters.flush(Duration::from_secs(2));
    worker.close(LAST_FLUSH_LIMIT)
}
