//! Asks the brokers once a second where the logs end: for lag and for freshness.
//!
//! Invariant: an answer is never newer than the moment it is given out for.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;

use super::{Shared, loader::ID_LIMIT, progress::Sample};
use crate::{
    batch::Origin,
    log::{Repeated, chain},
    source::{self, Brokers, log::Topic},
};

/// Between two samples: what freshness is told to.
const INTERVAL: Duration = Duration::from_secs(1);

/// A broker that does not answer within this time does not for this sample.
const LIMIT: Duration = Duration::from_secs(5);

const NO_ANSWER: &str = "Kafka does not answer";

/// Where the workers stand.
#[derive(Debug, Default)]
pub struct Positions(Mutex<FxHashMap<Origin, Standing>>);

/// Where one partition stands, and what is held of it.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub position: u64,
    pub registers: usize,
    pub bytes: usize,
}

impl Positions {
    /// Those of the partitions of one worker.
    pub fn tell(&self, partitions: impl Iterator<Item = (Origin, Standing)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(partitions);
    }

    fn take(&self) -> FxHashMap<Origin, Standing> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Samples until `shutdown`.
pub(super) fn start<B: Brokers>(
    kafka: &source::Config,
    brokers: Arc<B>,
    shared: Arc<Shared>,
    samples: tokio::sync::mpsc::UnboundedSender<Sample>,
    shutdown: CancellationToken,
) -> thread::JoinHandle<()> {
    let mut monitor = Monitor::new(kafka.topics.input.clone(), brokers, shared, samples);
    thread::spawn(move || {
        while !shutdown.is_cancelled() {
            let began = Instant::now();
            monitor.look();
            monitor.shared.health.beat("monitor", Instant::now());
            thread::sleep(INTERVAL.saturating_sub(began.elapsed()));
        }
    })
}

/// Looks at the ends of the input topics.
#[derive(Debug)]
pub struct Monitor<B> {
    topics: Vec<String>,
    brokers: Arc<B>,
    shared: Arc<Shared>,
    samples: tokio::sync::mpsc::UnboundedSender<Sample>,
    /// Partitions of each topic, and when that was asked for.
    known: FxHashMap<String, (u32, i64)>,
    ids: FxHashMap<String, String>,
    faults: Repeated,
}

impl<B: Brokers> Monitor<B> {
    pub fn new(
        topics: Vec<String>,
        brokers: Arc<B>,
        shared: Arc<Shared>,
        samples: tokio::sync::mpsc::UnboundedSender<Sample>,
    ) -> Self {
        let faults = Repeated::new(Duration::from_secs(30));
        Self { topics, brokers, shared, samples, known: FxHashMap::default(), ids: FxHashMap::default(), faults }
    }

    /// Takes a sample, and sends letters again that came back. To be called every second or so.
    pub fn look(&mut self) {
        self.sample();
        self.shared.letters.resend();
    }

    fn sample(&mut self) {
        let asked_at = (self.shared.wall_ms)();
        let found = self.brokers.topics(&self.topics, LIMIT).and_then(|topics| {
            let origins: Vec<_> = topics.iter().flat_map(Topic::origins).collect();
            self.brokers.ends(&origins, LIMIT).map(|ends| (topics, ends))
        });
        let health = &self.shared.health;
        match found {
            Ok((topics, ends)) => {
                self.faults.recovered(Instant::now(), NO_ANSWER);
                let missing: Vec<_> =
                    self.topics.iter().filter(|name| !topics.iter().any(|topic| topic.name == **name)).collect();
                let cause = format!("Kafka: no topic {missing:?}; create it, or correct `kafka.topics.input`");
                health.report("kafka", (!missing.is_empty()).then_some(cause.as_str()));
                self.lag(&ends);
                let (born, recreated) = (self.born(&topics, asked_at), self.recreated());
                let _ = self.samples.send(Sample { asked_at, ends: ends.into_iter().collect(), born, recreated });
            }
            Err(error) => {
                let text = chain(&error);
                health.report("kafka", Some(&format!("Kafka: {text}")));
                self.faults.warn(Instant::now(), NO_ANSWER, &text);
            }
        }
    }

    /// Partitions that a topic gained since the last sample are complete through that one; those of a topic seen for
    /// the first time through no moment yet.
    fn born(&mut self, topics: &[Topic], asked_at: i64) -> Vec<(Origin, i64)> {
        let mut born = Vec::new();
        for topic in topics {
            let (before, moment) = self.known.get(&topic.name).copied().unwrap_or((0, 0));
            let gained = topic.origins().filter(|origin| origin.partition >= before);
            born.extend(gained.map(|origin| (origin, moment)));
            self.known.insert(topic.name.clone(), (topic.partitions, asked_at));
        }
        born
    }

    /// Topics that have another id than a sample ago, or of which it is seen for the first time: a partition may have been
    /// opened before. Asked after the ends, so that those of another topic are never taken for the ends of the one before;
    /// brokers that tell no ids are not believed to have recreated any.
    fn recreated(&mut self) -> Vec<(String, String)> {
        let ids = self.brokers.ids(&self.topics, ID_LIMIT);
        let told = ids.into_iter().filter(|(_, id)| !id.is_empty());
        let other = |(topic, id): (String, String)| {
            let before = self.ids.insert(topic.clone(), id.clone());
            (before.as_ref() != Some(&id)).then_some((topic, id))
        };
        told.filter_map(other).collect()
    }

    fn lag(&self, ends: &FxHashMap<Origin, u64>) {
        let positions = self.shared.positions.take();
        let mut lag: FxHashMap<&str, u64> = self.topics.iter().map(|topic| (topic.as_str(), 0)).collect();
        let (mut registers, mut bytes) = (0, 0);
        for (origin, standing) in &positions {
            registers += standing.registers;
            bytes += standing.bytes;
            if let (Some(end), Some(lag)) = (ends.get(origin), lag.get_mut(&*origin.topic)) {
                *lag += end.saturating_sub(standing.position);
            }
        }
        if positions.is_empty() {
            return;
        }
        for (topic, lag) in lag {
            if let Some(gauge) = self.shared.metrics.kafka_lag(topic) {
                gauge.set(i64::try_from(lag).unwrap_or(i64::MAX));
            }
        }
        self.shared.metrics.registers.set(i64::try_from(registers).unwrap_or(i64::MAX));
        self.shared.metrics.partition_memory.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
