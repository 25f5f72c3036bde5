//! One simulated process: the program's own workers, flush, loader and monitor, driven by hand.
//!
//! Invariant: what is simulated is what lies outside of the process; inside everything is the program's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use yinliu::{
    admin::Health,
    batch::{Batch, Origin},
    corp::Corps,
    letters::Letters,
    metrics::Metrics,
    partition,
    pipeline::{
        Shared,
        bound::Turns,
        flush::{Flush, Stopped},
        hold::Holds,
        loader::Loader,
        lost::Lost,
        monitor::{Monitor, Positions},
        progress::Progress,
        spare::Spares,
        worker::{Links, Worker},
    },
    reference::Reference,
    sink,
};

use super::{
    chance::{Life, Part, random, wall_ms},
    clickhouse::{ClickHouse, Connection},
    log::{Client, Consumer, Log, Mail},
};

/// The settings of all processes of a history.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) partition: partition::Config,
    pub(super) workers: usize,
    pub(super) flush_interval: Duration,
    pub(super) batch_bytes_full: usize,
    /// Memory of the partitions of a process; where it is small they take turns.
    pub(super) limit: usize,
    pub(super) delay: Duration,
    /// Letters that come back, of a thousand.
    pub(super) letters_refused: u64,
    pub(super) metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partition, workers, flush_interval, batch_bytes_full, limit, delay, letters_refused, metrics: _ } =
            self;
        let mut fields = formatter.debug_struct("Settings");
        fields.field("partition", partition).field("workers", workers).field("flush_interval", flush_interval);
        fields.field("batch_bytes_full", batch_bytes_full).field("limit", limit).field("delay", delay);
        fields.field("letters_refused", letters_refused).finish_non_exhaustive()
    }
}

pub(super) struct Process {
    pub(super) life: Arc<Life>,
    pub(super) reference: Arc<Reference>,
    /// Rows of the directory that it has read.
    pub(super) directory_read: usize,
    pub(super) reads_at: i64,
    workers: Vec<Worker<Consumer>>,
    monitor: Monitor<Client>,
    looks_at: i64,
    batches: tokio::sync::mpsc::Sender<Batch>,
    pub(super) shared: Arc<Shared>,
    flush: JoinHandle<Result<(), Stopped>>,
    loader: JoinHandle<Result<(), sink::Error>>,
    abandon: CancellationToken,
    rounds: Rounds,
    settings: Settings,
    /// Of all topics.
    partitions: usize,
}

/// In a round each worker drains at least once, and judges. What is read through two of them was known to all who judged
/// in the second one.
#[derive(Default)]
struct Rounds {
    drained: BTreeSet<usize>,
    /// What partitions took at least, in bytes, that were read through the last round, and through the one that runs.
    last: BTreeMap<Origin, usize>,
    running: BTreeMap<Origin, usize>,
}

/// A process that takes its leave.
pub(super) struct Closing {
    life: Arc<Life>,
    flush: JoinHandle<Result<(), Stopped>>,
    loader: JoinHandle<Result<(), sink::Error>>,
    abandon: CancellationToken,
    gives_up_at: i64,
}

/// Records of one read, of less than a kilobyte each.
const READ_BYTES_MAX: usize = 12 << 10;

/// Of the limit of memory: a partition that takes less than this part of it is never held.
const SMALL: usize = 256;

/// Of one encoded register, with the short names of a history.
const REGISTER_BYTES_MAX: usize = 300;

/// As `pipeline` gives the last flush.
const LAST_FLUSH_LIMIT_MS: i64 = 6_000;

impl Process {
    pub(super) fn start(number: u32, settings: &Settings, log: &Arc<Log>, server: &Arc<ClickHouse>) -> Self {
        let (life, starts) = (Life::new(number), Arc::new(Mutex::new(FxHashMap::default())));
        let metrics = Arc::clone(&settings.metrics);
        let reference = Arc::new(Reference::new(settings.delay, Arc::clone(&metrics)));
        let shared = Arc::new(shared(settings, log, &life, Arc::clone(&reference)));
        let (batches, gathered) = tokio::sync::mpsc::channel(settings.workers);
        let (requests, requested) = tokio::sync::mpsc::unbounded_channel();
        let (ends, sampled) = tokio::sync::mpsc::unbounded_channel();
        let (mut workers, mut receipts) = (Vec::new(), Vec::new());
        for number in 0..settings.workers {
            let (receipt_to, from_flush) = std::sync::mpsc::channel();
            let (answer_to, answers) = std::sync::mpsc::channel();
            let (batches, requests) = (batches.clone(), requests.clone());
            let links = Links { batches, receipts: from_flush, requests, answers, answer_to };
            receipts.push(receipt_to);
            workers.push(Worker::new(number, log.join(&life), Arc::clone(&shared), links, now()));
        }
        // A batch that is full, the one that waits, and of each what a last read brought.
        let facts_bytes_max = 2 * settings.workers * (settings.batch_bytes_full + READ_BYTES_MAX);
        let sink = Connection {
            server: Arc::clone(server),
            life: Arc::clone(&life),
            starts: Arc::clone(&starts),
            facts_bytes_max,
        };
        let (sink, brokers) = (Arc::new(sink), Arc::new(Client { log: Arc::clone(log), starts }));
        let loader = Loader {
            sink: Arc::clone(&sink),
            brokers: Arc::clone(&brokers),
            shared: Arc::clone(&shared),
            config: settings.partition.clone(),
        };
        let abandon = CancellationToken::new();
        let flush = Flush::new(sink, Arc::clone(&shared), gathered, receipts, Progress::new(sampled));
        let flush = Part { life: Arc::clone(&life), work: Box::pin(flush.run(abandon.clone())) };
        let loader = Part { life: Arc::clone(&life), work: Box::pin(loader.run(requested)) };
        Self {
            reference,
            directory_read: 0,
            reads_at: 0,
            workers,
            monitor: Monitor::new(log.topics(), brokers, Arc::clone(&shared), ends),
            looks_at: 0,
            batches,
            shared,
            flush: tokio::spawn(flush),
            loader: tokio::spawn(loader),
            abandon,
            life,
            rounds: Rounds::default(),
            settings: settings.clone(),
            partitions: log.origins().len(),
        }
    }

    pub(super) fn workers(&self) -> usize {
        self.workers.len()
    }

    /// One step of one worker, after which what it holds is within its bounds.
    pub(super) fn step(&mut self, worker: usize) {
        let number = worker;
        let worker = &mut self.workers[number];
        let drains = worker.drains(now());
        worker.step(now(), wall_ms(), Duration::ZERO).unwrap();
        if drains {
            self.rounds.drained.insert(number);
        }
        self.check_turns();
        let (worker, Settings { partition: partition::Config { chunk, dedup }, batch_bytes_full, .. }) =
            (&self.workers[number], &self.settings);
        // One by minute, one by day and two for boards of each record at most.
        let registers = (1 << chunk.bits) + 3 * (1 << chunk.day_bits);
        let horizon = usize::try_from(dedup.records).unwrap();
        for partition in worker.partitions() {
            assert!(partition.tally().balances(), "the balance of {:?}", partition.tally());
            let (remembered, held) = (partition.remembered(), partition.registers());
            assert!(remembered <= horizon, "{remembered} identities in a horizon of {horizon}");
            assert!(held <= registers, "{held} registers, at most {registers} in the open chunks");
        }
        // A read takes a batch beyond its size, and so does a drain of every partition.
        let drained = self.partitions * registers * REGISTER_BYTES_MAX;
        let (bytes, most) = (worker.bytes(), 2 * (batch_bytes_full + 2 * READ_BYTES_MAX + drained));
        assert!(bytes <= most, "{bytes} bytes of rows wait, at most {most} may");
    }

    /// Partitions beyond the limit take turns: what is read from one drain to the next grows, as much as a batch holds, and
    /// chunks end; so it is the least that each took which counts.
    fn check_turns(&mut self) {
        let (Rounds { drained, last, running }, limit) = (&mut self.rounds, self.settings.limit);
        let now: BTreeMap<_, _> = self.workers.iter().flat_map(taken).collect();
        running.retain(|origin, _| now.contains_key(origin));
        for (origin, least) in running.iter_mut() {
            *least = now[origin].min(*least);
        }
        if drained.len() < self.workers.len() {
            return;
        }
        let through = running.iter().filter_map(|(origin, least)| last.get(origin).map(|before| *before.min(least)));
        let read: Vec<_> = through.filter(|bytes| *bytes > limit / SMALL).collect();
        let within = read.len() < 2 || read.iter().sum::<usize>() <= limit;
        assert!(within, "partitions of {read:?} bytes are read on, of which {limit} may be");
        drained.clear();
        *last = std::mem::replace(running, now);
    }

    /// What the process does every second.
    pub(super) fn look(&mut self) {
        if wall_ms() >= self.looks_at {
            self.looks_at = wall_ms() + 1_000;
            self.monitor.look();
        }
        assert!(!self.flush.is_finished(), "the flush of a live process ended");
        assert!(!self.loader.is_finished(), "the loader of a live process ended");
    }

    /// Ends as by kill -9; `cut`: what was on its way never arrives.
    pub(super) fn kill(self, cut: bool) {
        self.life.end(cut);
        self.flush.abort();
        self.loader.abort();
    }

    /// Ends as by SIGTERM.
    pub(super) fn close(mut self) -> Closing {
        let lasts: Vec<_> = self.workers.iter_mut().map(Worker::finish).collect();
        drop(self.workers);
        let batches = self.batches;
        let handing_over = async move {
            for last in lasts {
                // The flush ends early where it gives up.
                let _ = batches.send(last).await;
            }
        };
        tokio::spawn(Part { life: Arc::clone(&self.life), work: Box::pin(handing_over) });
        let gives_up_at = wall_ms() + LAST_FLUSH_LIMIT_MS;
        let Self { life, flush, loader, abandon, .. } = self;
        Closing { life, flush, loader, abandon, gives_up_at }
    }
}

impl Closing {
    /// Whether it is gone; the process that ran is dead from then on.
    pub(super) fn is_gone(&self) -> bool {
        if wall_ms() >= self.gives_up_at {
            self.abandon.cancel();
        }
        let gone = self.flush.is_finished();
        if gone {
            self.life.end(false);
            self.loader.abort();
        }
        gone
    }

    pub(super) fn life(&self) -> &Arc<Life> {
        &self.life
    }
}

/// What the partitions of which something is held take, in bytes.
fn taken(worker: &Worker<Consumer>) -> BTreeMap<Origin, usize> {
    worker.partitions().map(|partition| (partition.origin().clone(), partition.bytes())).collect()
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn shared(settings: &Settings, log: &Arc<Log>, life: &Arc<Life>, reference: Arc<Reference>) -> Shared {
    let (metrics, health) = (Arc::clone(&settings.metrics), Arc::new(Health::default()));
    let (log, life, refused_thousandths) = (Arc::clone(log), Arc::clone(life), settings.letters_refused);
    let letters = Letters::by::<std::convert::Infallible>("letters".to_owned(), Arc::clone(&metrics), |reports| {
        Ok(Box::new(Mail { log, life, reports, refused_thousandths }))
    });
    Shared {
        corps: Corps::new(&std::collections::HashMap::new()).unwrap(),
        delay_ms: i64::try_from(settings.delay.as_millis()).unwrap(),
        reference,
        letters: letters.unwrap(),
        holds: Holds::new(Arc::clone(&metrics), Arc::clone(&health)),
        lost: Lost::new(Arc::clone(&metrics)),
        positions: Positions::default(),
        spares: Spares::new(settings.workers),
        metrics,
        health,
        absences: AtomicU64::new(0),
        flush_interval: settings.flush_interval,
        flush_epoch: now(),
        batch_bytes_full: settings.batch_bytes_full,
        turns: Turns::new(settings.limit, settings.workers),
        wall_ms,
        random,
    }
}
