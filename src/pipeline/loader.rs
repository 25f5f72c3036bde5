//! The start of partitions: what the warehouse and the brokers hold of them, put together.
//!
//! Invariant: a partition is started from the ledger or not at all; whatever is unclear holds it, with the reason.

use std::{
    collections::BTreeSet,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering, mpsc},
    time::Duration,
};

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::Shared;
use crate::{
    batch::Origin,
    log::{Repeated, chain},
    metrics::Cause,
    mutants::planted,
    partition::{self, Loaded, Partition},
    sink::{self, Backoff, Sink},
    source::{Brokers, Slot},
};

/// Brokers answer within this time, or are away.
pub const BROKER_LIMIT: Duration = Duration::from_secs(10);

/// Brokers that have just told where the topics begin and end tell their ids as fast, or do not know the request.
pub const ID_LIMIT: Duration = Duration::from_secs(1);

/// Partitions that are assigned one after another within this time are loaded together.
const GATHER: Duration = Duration::from_millis(20);

/// A broker that has just started may show an end below the true one until it has heard from the other replicas.
const SETTLE: Duration = Duration::from_secs(10);

/// Partitions to be started, and where the answers go.
#[derive(Debug)]
pub struct Request {
    /// Repeated in the answers, by which those to an earlier request are told apart.
    pub number: u64,
    pub partitions: Vec<(Slot, Origin)>,
    /// What they took when they were held for want of room, in bytes.
    pub took: usize,
    pub answer_to: mpsc::Sender<Answer>,
}

/// What became of one partition.
#[derive(Debug)]
pub struct Answer {
    pub number: u64,
    pub slot: Slot,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    /// To be read from this offset on.
    Ready { partition: Box<Partition>, read_from: u64, ledger: Option<u64>, absences: u64 },
    /// There is no room for it, which takes so many bytes.
    TooLarge(usize),
    /// Not to be read until a person has looked, or time has passed.
    Held { cause: Cause, detail: String },
}

/// Loads partitions for all workers.
#[derive(Debug)]
pub struct Loader<K, B> {
    pub sink: Arc<K>,
    pub brokers: Arc<B>,
    pub shared: Arc<Shared>,
    pub config: partition::Config,
}

/// What the brokers hold of some partitions, and what is known of the warehouse beside them.
#[derive(Debug, Default)]
struct Bounds {
    /// See [`Shared::absences`].
    absences: u64,
    topic_ids: FxHashMap<Arc<str>, String>,
    starts: FxHashMap<Origin, u64>,
    ends: FxHashMap<Origin, u64>,
}

/// One partition that was asked for, and what the warehouse holds of it.
#[derive(Debug)]
struct Asked<'a> {
    request: &'a Request,
    slot: Slot,
    origin: &'a Origin,
    /// As it stands in the tables.
    label: Origin,
    loaded: Loaded,
}

fn label(origin: &Origin, incarnations: &FxHashMap<String, u32>) -> Origin {
    if planted!(IncarnationIgnored) {
        return origin.clone();
    }
    origin.label(incarnations.get(&*origin.topic).copied().unwrap_or(1))
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("load partitions from ClickHouse")]
    Sink(#[from] sink::Error),
    #[error("look up partitions in Kafka")]
    Source(#[from] crate::source::Error),
    #[error("look up partitions in Kafka: some have no leader")]
    NoLeader,
}

impl<K: Sink, B: Brokers> Loader<K, B> {
    /// Answers requests until the workers are gone.
    ///
    /// # Errors
    /// ClickHouse refuses what a person must mend.
    pub async fn run(self, mut requests: tokio::sync::mpsc::UnboundedReceiver<Request>) -> Result<(), sink::Error> {
        let mut faults = Repeated::new(Duration::from_secs(30));
        while let Some(first) = requests.recv().await {
            let mut gathered = vec![first];
            let deadline = Instant::now() + GATHER;
            while let Ok(Some(next)) = tokio::time::timeout_at(deadline, requests.recv()).await {
                gathered.push(next);
            }
            let mut backoff = Backoff::new(self.shared.random);
            while let Err(error) = self.answer(&gathered).await {
                if let Error::Sink(error @ sink::Error::Final { .. }) = error {
                    return Err(error);
                }
                let text = chain(&error);
                self.shared.health.report("start", Some(&text));
                faults.warn(Instant::now().into_std(), "partitions cannot be started", &text);
                tokio::time::sleep(backoff.advance()).await;
            }
            faults.recovered(Instant::now().into_std(), "partitions cannot be started");
            self.shared.health.report("start", None);
        }
        Ok(())
    }

    async fn answer(&self, requests: &[Request]) -> Result<(), Error> {
        // A partition that is asked for again before the answer stands here twice; librdkafka refuses to look it up twice.
        let asked = requests.iter().flat_map(|request| &request.partitions).map(|(_, origin)| origin.clone());
        let origins: Vec<_> = asked.collect::<BTreeSet<_>>().into_iter().collect();
        let (began, took) = (Instant::now(), requests.iter().map(|request| request.took).sum());
        let mut incarnations;
        let (bounds, mut loaded) = loop {
            let mut bounds = self.bounds(origins.clone()).await?;
            incarnations = self.sink.incarnations().await?;
            let labels: Vec<_> = origins.iter().map(|origin| label(origin, &incarnations)).collect();
            bounds.absences = self.shared.absences.load(Ordering::Acquire);
            if !planted!(LoadWithoutSync) {
                self.sink.sync().await?;
            }
            let loaded = self.sink.load(&labels, &self.config.chunk, self.shared.turns.room(took)).await?;
            let beyond =
                |(label, loaded): (&Origin, &Loaded)| loaded.next_offset > bounds.ends.get(&label.broker()).copied();
            if began.elapsed() > SETTLE || !loaded.iter().any(beyond) {
                break (bounds, loaded);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        let mut asked: Vec<Asked<'_>> = Vec::new();
        for request in requests {
            for (slot, origin) in &request.partitions {
                let label = label(origin, &incarnations);
                let loaded = match asked.iter().find(|other| other.label == label) {
                    Some(other) => other.loaded.clone(),
                    None => loaded.remove(&label).unwrap_or_default(),
                };
                asked.push(Asked { request, slot: *slot, origin, label, loaded });
            }
        }
        self.start_all(asked, &bounds);
        Ok(())
    }

    /// Answers for each partition, in order: what happens then must not depend on which thread was the first. On all cores,
    /// for the registers of 16 chunks take half a second to build on one.
    fn start_all(&self, asked: Vec<Asked<'_>>, bounds: &Bounds) {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(asked.len());
        let left = Mutex::new(asked.into_iter().enumerate());
        let work = || {
            let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let mut started = Vec::new();
            while let Some((at, Asked { request, slot, origin, label, loaded })) = next() {
                started.push((at, request, slot, self.start(origin, label, loaded, bounds)));
            }
            started
        };
        let mut started = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut started = work();
            for other in others {
                started.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            started
        });
        started.sort_unstable_by_key(|(at, ..)| *at);
        for (_, request, slot, outcome) in started {
            // A worker that is gone needs no answer.
            let _ = request.answer_to.send(Answer { number: request.number, slot, outcome });
        }
    }

    fn start(&self, origin: &Origin, label: Origin, mut loaded: Loaded, bounds: &Bounds) -> Outcome {
        let topic_id = bounds.topic_ids.get(&origin.topic).cloned().unwrap_or_default();
        let end = bounds.ends.get(origin).copied().unwrap_or(0);
        let log_start = bounds.starts.get(origin).copied().unwrap_or(0);
        let position = loaded.next_offset.unwrap_or(0);
        let renamed = loaded.topic_id.as_ref().is_some_and(|known| !topic_id.is_empty() && *known != topic_id);
        if (renamed || position > end) && !planted!(RecreatedUnnoticed) {
            let known = loaded.topic_id.unwrap_or_default();
            let detail = format!(
                "`{}` is not the topic that was counted: its log ends at {end}, the ledger stands at {position} (topic id \
                 `{topic_id}`, counted `{known}`); if it was recreated on purpose, run `yinliu adopt --topic {}`",
                origin.topic, origin.topic
            );
            return Outcome::Held { cause: Cause::TopicRecreated, detail };
        }
        if let Some(bytes) = loaded.rows.too_large() {
            return Outcome::TooLarge(bytes);
        }
        if loaded.next_offset.is_some() {
            self.shared.lost.look(&label, position, log_start);
        }
        let ledger = loaded.next_offset;
        loaded.topic_id = Some(topic_id);
        match Partition::start(&self.config, label, loaded, log_start) {
            Ok(partition) => {
                let read_from = partition.read_from(&self.config, log_start);
                Outcome::Ready { partition: Box::new(partition), read_from, ledger, absences: bounds.absences }
            }
            Err(mismatch) => {
                let detail = format!(
                    "partition {} of `{}`: {}; run `yinliu verify` for its days",
                    origin.partition,
                    origin.topic,
                    chain(&mismatch)
                );
                Outcome::Held { cause: Cause::Ledger, detail }
            }
        }
    }

    async fn bounds(&self, origins: Vec<Origin>) -> Result<Bounds, Error> {
        let asked = Arc::clone(&self.brokers).ask(move |brokers| {
            let mut names: Vec<_> = origins.iter().map(|origin| origin.topic.to_string()).collect();
            names.sort_unstable();
            names.dedup();
            let starts = brokers.starts(&origins, BROKER_LIMIT)?;
            let ends = brokers.ends(&origins, BROKER_LIMIT)?;
            if origins.iter().any(|origin| !starts.contains_key(origin) || !ends.contains_key(origin)) {
                return Err(Error::NoLeader);
            }
            let topic_ids = brokers.ids(&names, ID_LIMIT).into_iter().map(|(name, id)| (Arc::from(name), id)).collect();
            Ok(Bounds { absences: 0, topic_ids, starts, ends })
        });
        asked.await.unwrap_or(Err(Error::NoLeader))
    }
}
