//! One thread's share of the partitions: takes part in the group, folds records, hands batches over.
//!
//! Invariant: never waits. What takes time (loading, inserting, writing letters) happens elsewhere and is collected
//! at the next step, so that no partition waits for another.

mod turns;

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;

use super::{
    Shared,
    assigned::{Assigned, Phase, Tail},
    flush::Receipt,
    loader,
    monitor::Standing,
    seen::Seen,
};
use crate::{
    batch::{Batch, Opened},
    letters::Letter,
    metrics::Cause,
    mutants::planted,
    partition::{Outcome, Partition, Rules},
    source::{Error, Signal, Slot, Source},
    window::Calendar,
};

/// A batch of this size is handed over before the interval is over: some 12,000 events, to which a drain adds about as
/// much in registers. The batches of all workers together are enough for efficient inserts, and of the four that may be
/// under way for each worker none weighs on memory.
pub const BATCH_BYTES_FULL: usize = 4 << 20;

/// A held partition is looked at again after this time.
const HELD_RETRY: Duration = Duration::from_secs(10);

/// Where a step leaves the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Read,
    /// Nothing could be read: the batch is full, or the directory is behind.
    Held,
}

/// What the worker is connected to.
#[derive(Debug)]
pub struct Links {
    pub batches: tokio::sync::mpsc::Sender<Batch>,
    pub receipts: mpsc::Receiver<Arc<Receipt>>,
    pub requests: tokio::sync::mpsc::UnboundedSender<loader::Request>,
    pub answers: mpsc::Receiver<loader::Answer>,
    /// Cloned into each request.
    pub answer_to: mpsc::Sender<loader::Answer>,
}

/// The partitions of one member of the group.
#[derive(Debug)]
pub struct Worker<S> {
    /// Among those of its process.
    number: usize,
    source: S,
    shared: Arc<Shared>,
    links: Links,
    assigned: FxHashMap<Slot, Assigned>,
    batch: Batch,
    calendar: Calendar,
    scratch: Vec<u8>,
    flush_at: Instant,
    /// Where a batch waits for the one before it to be taken.
    waiting: Option<Batch>,
    requested: u64,
    /// Partitions that wait for the directory, as told last.
    awaiting: Option<usize>,
    seen: Seen,
}

impl<S: Source> Worker<S> {
    pub fn new(number: usize, source: S, shared: Arc<Shared>, links: Links, now: Instant) -> Self {
        Self {
            number,
            source,
            shared,
            links,
            assigned: FxHashMap::default(),
            batch: Batch::default(),
            calendar: Calendar::new(),
            scratch: Vec::new(),
            flush_at: now,
            waiting: None,
            requested: 0,
            awaiting: None,
            seen: Seen::default(),
        }
    }

    /// Does what can be done now, and waits for records up to `limit`. `wall_ms` is the wall clock, by which alone the
    /// age of the directory is judged.
    pub fn step(&mut self, now: Instant, wall_ms: i64, limit: Duration) -> Result<Step, Error> {
        for signal in self.source.signals()? {
            self.signal(signal, now)?;
        }
        self.collect(now)?;
        self.mute_and_unmute(now)?;
        if self.hand_over(now) {
            self.keep_within(now)?;
        }
        let stale = self.shared.reference.is_stale(wall_ms) && !planted!(DirectoryNotAwaited);
        let would_read = |assigned: &&Assigned| matches!(assigned.phase, Phase::Live(..));
        let awaiting = stale.then(|| self.assigned.values().filter(would_read).count());
        self.shared.holds.directory(std::mem::replace(&mut self.awaiting, awaiting), awaiting);
        let is_full = self.batch.bytes() >= self.shared.batch_bytes_full && !planted!(FullBatchReadOn);
        if stale || is_full {
            return Ok(Step::Held);
        }
        for signal in self.read(limit) {
            self.signal(signal, now)?;
        }
        Ok(Step::Read)
    }

    /// Hands the rest over for the last flush, and commits what becomes of it within `limit`. Nothing is read any more.
    pub fn close(mut self, limit: Duration) -> Result<(), Error> {
        let last = self.finish();
        let Self { mut source, links, mut assigned, .. } = self;
        let deadline = Instant::now() + limit;
        if links.batches.blocking_send(last).is_ok() {
            // The flush ends with its last sender, and the receipts end with the flush.
            drop(links.batches);
            while let Ok(receipt) = links.receipts.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                enter(&mut source, &mut assigned, &receipt)?;
            }
        }
        source.signals().map(drop)
    }

    /// All that was folded and not handed over; nothing may be read any more.
    pub fn finish(&mut self) -> Batch {
        self.drain();
        self.tell();
        let mut last = std::mem::take(&mut self.batch);
        if let Some(mut waiting) = self.waiting.take() {
            std::mem::swap(&mut last, &mut waiting);
            last.append(&mut waiting);
        }
        if planted!(LastWindowDropped) {
            (last.minute, last.day, last.board) = Default::default();
        }
        last
    }

    fn signal(&mut self, signal: Signal, now: Instant) -> Result<(), Error> {
        match signal {
            Signal::Assigned(partitions) => {
                self.shared.metrics.rebalances.inc();
                tracing::info!(count = partitions.len(), "partitions assigned");
                let new = |(slot, origin)| (slot, Assigned::new(origin, now));
                self.assigned.extend(partitions.into_iter().map(new));
            }
            Signal::Revoked(slots) => {
                self.shared.metrics.rebalances.inc();
                tracing::info!(count = slots.len(), "partitions revoked");
                for slot in slots {
                    self.revoke(slot);
                }
            }
            Signal::Tail(slot, offset) => self.tail(slot, offset),
            Signal::Broken(slot) => self.broken(slot)?,
        }
        Ok(())
    }

    /// What was counted stays true, whoever counts on: it goes out with the next flush.
    fn revoke(&mut self, slot: Slot) {
        let Some(assigned) = self.assigned.remove(&slot) else { return };
        self.shared.holds.release(&assigned.origin);
        if let Phase::Live(mut partition, _) | Phase::Muted(mut partition) = assigned.phase {
            partition.drain(&mut self.batch);
            if planted!(RevokedRowsDropped) {
                (self.batch.minute, self.batch.day, self.batch.board) = Default::default();
            }
        }
    }

    fn broken(&mut self, slot: Slot) -> Result<(), Error> {
        let Some(assigned) = self.assigned.get_mut(&slot) else { return Ok(()) };
        if let Phase::Live(partition, _) | Phase::Muted(partition) = &mut assigned.phase {
            tracing::warn!(origin = ?assigned.origin, "the log does not hold the position");
            partition.drain(&mut self.batch);
            assigned.phase = Phase::Broken(partition.position());
        }
        self.source.hold(slot)
    }

    fn reload(&mut self, slot: Slot, now: Instant) -> Result<(), Error> {
        let Some(assigned) = self.assigned.get_mut(&slot) else { return Ok(()) };
        tracing::warn!(origin = ?assigned.origin, "the partition starts again from the ledger");
        self.source.hold(slot)?;
        assigned.phase = Phase::Held { until: now };
        Ok(())
    }

    /// What was drained is void, and every partition starts again from the ledger.
    fn restart(&mut self, epoch: u64, now: Instant) -> Result<(), Error> {
        self.waiting = None;
        self.batch = Batch { epoch, ..Batch::default() };
        let slots: Vec<_> = self.assigned.keys().copied().collect();
        slots.into_iter().try_for_each(|slot| self.reload(slot, now))
    }

    fn tail(&mut self, slot: Slot, offset: u64) {
        let Some(Assigned { phase: Phase::Live(partition, tail), .. }) = self.assigned.get_mut(&slot) else { return };
        if tail.is_settled(offset) {
            partition.advance(offset, &mut self.batch);
        }
    }

    /// Takes what the loader and the flush have to say.
    fn collect(&mut self, now: Instant) -> Result<(), Error> {
        let mut answered = false;
        while let Ok(answer) = self.links.answers.try_recv() {
            answered = true;
            let Some(assigned) = self.assigned.get_mut(&answer.slot) else { continue };
            if !matches!(assigned.phase, Phase::Loading(number) if number == answer.number) {
                continue;
            }
            match answer.outcome {
                loader::Outcome::Ready { mut partition, read_from, ledger, absences } => {
                    self.shared.holds.release(&assigned.origin);
                    partition.adopt(&mut self.batch);
                    let (origin, position) = (partition.origin().clone(), partition.position());
                    assigned.entered = position;
                    let (topic_id, leans_until) = (partition.topic_id().clone(), partition.leans_until());
                    self.batch.opened.push(Opened { origin, topic_id, ledger, position, leans_until, absences });
                    self.source.start(answer.slot, read_from)?;
                    assigned.phase = Phase::Live(partition, Tail::default());
                    assigned.begin(now);
                }
                loader::Outcome::TooLarge(bytes) => {
                    assigned.shed(bytes, now, &self.shared.holds);
                }
                loader::Outcome::Held { cause, detail } => {
                    self.shared.holds.hold(&assigned.origin, cause, &detail);
                    assigned.phase = Phase::Held { until: now + HELD_RETRY };
                }
            }
        }
        if answered {
            // Whatever is loaded next has the room that is left.
            self.shared.turns.tell(self.number, self.stand(now));
        }
        while let Ok(receipt) = self.links.receipts.try_recv() {
            enter(&mut self.source, &mut self.assigned, &receipt)?;
            if let Some(epoch) = receipt.restart {
                self.restart(epoch, now)?;
            }
        }
        Ok(())
    }

    /// Holds partitions whose letters are not getting out, and takes up held ones whose time has come.
    fn mute_and_unmute(&mut self, now: Instant) -> Result<(), Error> {
        let mut due = Vec::new();
        for (&slot, assigned) in &mut self.assigned {
            let origin = &assigned.origin;
            assigned.phase = match std::mem::replace(&mut assigned.phase, Phase::Held { until: now }) {
                Phase::Live(partition, tail) => match self.shared.letters.stuck(origin) {
                    Some(detail) => {
                        self.source.hold(slot)?;
                        self.shared.holds.hold(origin, Cause::DeadLetter, &detail);
                        Phase::Muted(partition)
                    }
                    None => Phase::Live(partition, tail),
                },
                Phase::Muted(partition) if self.shared.letters.is_clear(origin) => {
                    self.shared.holds.release(origin);
                    self.source.start(slot, partition.position())?;
                    Phase::Live(partition, Tail::default())
                }
                Phase::Broken(position) if position <= assigned.entered => Phase::Held { until: now },
                Phase::Held { until } if until <= now => {
                    due.push((slot, origin.clone()));
                    assigned.since = now;
                    Phase::Loading(self.requested + 1)
                }
                other => other,
            };
        }
        if !due.is_empty() {
            self.requested += 1;
            let took = due.iter().filter_map(|(slot, _)| self.assigned.get(slot)).map(|assigned| assigned.took).sum();
            self.shared.turns.tell(self.number, self.stand(now));
            let (number, answer_to) = (self.requested, self.links.answer_to.clone());
            // The loader ends at shutdown alone.
            let _ = self.links.requests.send(loader::Request { number, partitions: due, took, answer_to });
        }
        Ok(())
    }

    /// Hands a batch to the flush, at the interval or as soon as it is full, where the one before it was taken. Whether
    /// what was counted has been drained.
    fn hand_over(&mut self, now: Instant) -> bool {
        let (due, drains) = (now >= self.flush_at, self.drains(now));
        if due || drains {
            self.flush_at = self.shared.next_flush(now);
        }
        if drains {
            self.drain();
            if !self.batch.is_empty() {
                let next = Batch { epoch: self.batch.epoch, ..self.shared.spares.take() };
                self.waiting = Some(std::mem::replace(&mut self.batch, next));
            }
        }
        // While ClickHouse is away as well, or the lag would seem to stand still.
        if due || drains {
            self.tell();
        }
        if let Some(batch) = self.waiting.take()
            && let Err(tokio::sync::mpsc::error::TrySendError::Full(batch)) = self.links.batches.try_send(batch)
        {
            self.waiting = Some(batch);
        }
        drains
    }

    /// Whether a step drains at this moment what was counted, and judges what is held.
    #[must_use]
    pub fn drains(&self, now: Instant) -> bool {
        (now >= self.flush_at || self.batch.bytes() >= self.shared.batch_bytes_full) && self.waiting.is_none()
    }

    fn drain(&mut self) {
        for assigned in self.assigned.values_mut() {
            if let Phase::Live(partition, _) | Phase::Muted(partition) = &mut assigned.phase {
                partition.drain(&mut self.batch);
            }
        }
    }

    fn read(&mut self, limit: Duration) -> Vec<Signal> {
        let directory = self.shared.reference.directory();
        let mut rules = Rules {
            corps: &self.shared.corps,
            directory: &directory,
            delay_ms: self.shared.delay_ms,
            calendar: &mut self.calendar,
            scratch: &mut self.scratch,
        };
        let (assigned, batch, seen) = (&mut self.assigned, &mut self.batch, &mut self.seen);
        let letters = &self.shared.letters;
        self.source.records(limit, &mut |slot, record| {
            let Some(assigned) = assigned.get_mut(&slot) else { return };
            let Phase::Live(partition, _) = &mut assigned.phase else { return };
            let outcome = partition.fold(record, &mut rules, batch);
            if let Outcome::Rejected(refusal) = &outcome {
                letters.write(Letter::new(partition.origin(), record, refusal));
            }
            seen.take(&outcome);
        })
    }

    /// The partitions of which something is held.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.assigned.values().filter_map(|assigned| match &assigned.phase {
            Phase::Live(partition, _) | Phase::Muted(partition) => Some(&**partition),
            Phase::Loading(_) | Phase::Broken(_) | Phase::Held { .. } | Phase::Shed => None,
        })
    }

    /// Encoded rows that the flush has not taken yet.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.batch.bytes() + self.waiting.as_ref().map_or(0, Batch::bytes)
    }

    /// Adds to the metrics what was seen since the last time.
    fn tell(&mut self) {
        self.seen.tell(&self.shared.metrics);
        self.shared.positions.tell(self.partitions().map(|partition| {
            let (position, registers, bytes) = (partition.position(), partition.registers(), partition.bytes());
            (partition.origin().broker(), Standing { position, registers, bytes })
        }));
    }
}

/// Notes the positions of a receipt, as far as the partitions are ours, and tells them the brokers.
fn enter(source: &mut impl Source, assigned: &mut FxHashMap<Slot, Assigned>, receipt: &Receipt) -> Result<(), Error> {
    let mut positions = Vec::new();
    for (origin, position) in &receipt.positions {
        let origin = origin.broker();
        if let Some(assigned) = assigned.values_mut().find(|assigned| assigned.origin == origin) {
            assigned.entered = assigned.entered.max(*position);
            positions.push((origin, *position));
        }
    }
    if positions.is_empty() { Ok(()) } else { source.commit(&positions) }
}
