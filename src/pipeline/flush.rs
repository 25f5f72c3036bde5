//! The end of the pipe and the arrow that returns: facts, then registers, then the ledger, then the receipt.
//!
//! Invariant: a ledger row is written only after every row that it vouches for is acknowledged, and after every letter
//! below it has arrived.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering, mpsc},
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;

use super::{Shared, progress::Progress};
use crate::{
    batch::{Batch, Entry, Opened, Origin, Rows, encode_ledger, encode_origin, put_text},
    log::{Repeated, chain},
    metrics,
    mutants::planted,
    sink::{Backoff, Error, Sink, Table},
};

/// How long a batch waits for those of the other workers, which tick at the same moment.
const GATHER: Duration = Duration::from_millis(20);

/// Batches beyond this size are not joined by another: ClickHouse takes a block of about a million rows at most.
const JOINED_BYTES_MAX: usize = 32 << 20;

const NO_ROWS: &str = "ClickHouse takes no rows, which are kept";

/// A lasting error is said again after this time.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// What a flush achieved.
#[derive(Debug, Default)]
pub struct Receipt {
    /// Everything below these offsets is in the warehouse.
    pub positions: Vec<(Origin, u64)>,
    /// The warehouse has forgotten something: it was restored from an older copy. All partitions start again from its
    /// ledger, and their batches carry this epoch from then on.
    pub restart: Option<u64>,
}

/// Why a flush was not completed.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    #[error("write to ClickHouse")]
    Sink(#[source] Error),
    /// The process ends; the records will be read again.
    #[error("flush before the end of the process")]
    Shutdown,
}

/// Whether the warehouse holds what it acknowledged.
#[derive(Debug)]
enum Standing<T> {
    Firm(T),
    /// It knows less of these partitions than it did, or may.
    Forgot(Vec<Origin>),
}

/// Writes the batches of all workers.
#[derive(Debug)]
pub struct Flush<K> {
    sink: Arc<K>,
    shared: Arc<Shared>,
    batches: tokio::sync::mpsc::Receiver<Batch>,
    receipts: Vec<mpsc::Sender<Arc<Receipt>>>,
    progress: Progress,
    /// The ledger's positions as this process last wrote or read them.
    acknowledged: FxHashMap<Origin, u64>,
    epoch: u64,
    /// Until the ledger is there, these partitions lean on rows that others wrote and they do not.
    leaning: BTreeMap<Origin, u64>,
    /// Ledger rows that wait for letters.
    waiting: BTreeMap<(Origin, u64), Entry>,
    faults: Repeated,
}

impl<K: Sink> Flush<K> {
    pub fn new(
        sink: Arc<K>,
        shared: Arc<Shared>,
        batches: tokio::sync::mpsc::Receiver<Batch>,
        receipts: Vec<mpsc::Sender<Arc<Receipt>>>,
        progress: Progress,
    ) -> Self {
        let faults = Repeated::new(SAY_AGAIN);
        let (acknowledged, leaning, waiting) = (FxHashMap::default(), BTreeMap::new(), BTreeMap::new());
        Self { sink, shared, batches, receipts, progress, acknowledged, epoch: 0, leaning, waiting, faults }
    }

    /// Flushes until the workers are gone. `abandon` ends an attempt that cannot succeed in time.
    ///
    /// # Errors
    /// ClickHouse refuses what a person must mend.
    pub async fn run(mut self, abandon: CancellationToken) -> Result<(), Stopped> {
        let mut idle = tokio::time::interval(self.shared.flush_interval);
        idle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Nothing but the wait for the first batch may be broken off: a batch in hand would be lost.
            let first = tokio::select! {
                // In this order, for a flush of rows does what an idle one does.
                biased;
                first = self.batches.recv() => first,
                // Idle partitions become complete through later moments too.
                _ = idle.tick() => Some(Batch::default()),
            };
            let Some(first) = first else { return Ok(()) };
            let batch = if first.is_empty() { first } else { self.gather(first).await };
            let batch = if batch.epoch == self.epoch || planted!(EpochNotChecked) {
                batch
            } else {
                Batch { epoch: self.epoch, ..Batch::default() }
            };
            let flushed = tokio::select! {
                biased;
                flushed = self.flush(batch) => flushed,
                () = abandon.cancelled() => Err(Stopped::Shutdown),
            };
            flushed?;
        }
    }

    /// Joins the batches of the other workers that come within moments.
    async fn gather(&mut self, mut joined: Batch) -> Batch {
        let deadline = tokio::time::Instant::now() + GATHER;
        let mut count = 1;
        while count < self.receipts.len() && joined.bytes() < JOINED_BYTES_MAX {
            match tokio::time::timeout_at(deadline, self.batches.recv()).await {
                Ok(Some(mut batch)) => {
                    // What is of an earlier epoch is void.
                    if batch.epoch > joined.epoch {
                        std::mem::swap(&mut batch, &mut joined);
                    } else if batch.epoch == joined.epoch {
                        joined.append(&mut batch);
                    }
                    self.shared.spares.put(batch);
                }
                Ok(None) | Err(_) => break,
            }
            count += 1;
        }
        joined
    }

    async fn flush(&mut self, mut batch: Batch) -> Result<(), Stopped> {
        let began = Instant::now();
        let mut replaced = Vec::new();
        for Opened { origin, topic_id, ledger, position, leans_until, absences } in batch.opened.drain(..) {
            self.progress.flushed(&origin, &topic_id, position);
            if leans_until > 0 {
                self.leaning.insert(origin.clone(), leans_until);
                if absences < self.shared.absences.load(Ordering::Acquire) {
                    replaced.push(origin.clone());
                }
            }
            // Never less than before, so that a warehouse which forgot something cannot hide it behind a start.
            if let Some(ledger) = ledger {
                let acknowledged = self.acknowledged.entry(origin).or_default();
                *acknowledged = ledger.max(*acknowledged);
            }
        }
        if !replaced.is_empty() {
            self.restart(&replaced);
            return Ok(());
        }
        let idle = batch.is_empty() && self.waiting.is_empty();
        if planted!(CommittedFirst) {
            let positions = batch.ledger.iter().map(|entry| (entry.origin.clone(), entry.next_offset)).collect();
            self.send(Receipt { positions, ..Receipt::default() });
        }
        let entered = match self.write(&mut batch).await? {
            Standing::Forgot(origins) => {
                self.restart(&origins);
                return Ok(());
            }
            Standing::Firm(entered) => entered,
        };
        self.faults.recovered(Instant::now(), NO_ROWS);
        self.shared.health.report("clickhouse", None);
        if !idle {
            let positions = self.entered(entered);
            self.observe(&batch, began);
            self.send(Receipt { positions, ..Receipt::default() });
        }
        if let Standing::Forgot(origins) = self.write_progress(&batch).await? {
            self.restart(&origins);
        }
        self.shared.spares.put(batch);
        Ok(())
    }

    /// Writes facts, then registers, then the ledger rows whose letters have arrived; the other ledger rows wait.
    ///
    /// After an error everything is sent again: the server that answers next may be one that was restored from a copy
    /// without what the one before it had acknowledged. For the same reason all partitions start again where one stands
    /// upon rows that are not in hand: with a ledger row of an earlier batch, or with rows that it loaded.
    async fn write(&mut self, batch: &mut Batch) -> Result<Standing<Vec<Entry>>, Stopped> {
        let not_in_hand = self.not_in_hand();
        for entry in batch.ledger.drain(..) {
            let waiting = self.waiting.entry((entry.origin.clone(), entry.chunk)).or_insert_with(|| entry.clone());
            // A former owner in this process may have come further.
            if entry.next_offset >= waiting.next_offset || planted!(OlderEntryWins) {
                *waiting = entry;
            }
        }
        let (mut backoff, mut done) = (Backoff::new(self.shared.random), 0);
        loop {
            let error = match self.attempt(batch, &mut done).await {
                Ok(standing) => return Ok(standing),
                Err(error) => error,
            };
            let replaced = self.failed(error, &mut backoff).await?;
            if planted!(BatchDroppedOnError) {
                return Ok(Standing::Firm(Vec::new()));
            }
            if replaced && !not_in_hand.is_empty() {
                return Ok(Standing::Forgot(not_in_hand));
            }
        }
    }

    /// One attempt at everything. `done` counts the stages that were acknowledged, for the planted bug that trusts it.
    async fn attempt(&self, batch: &Batch, done: &mut usize) -> Result<Standing<Vec<Entry>>, Error> {
        if planted!(LedgerFirst) {
            self.insert(Table::Ledger, &encode_ledger(&self.ready())).await?;
        }
        let mut stages = [
            vec![(Table::Facts, &batch.facts), (Table::Letters, &batch.letters)],
            vec![(Table::Minutes, &batch.minute), (Table::Days, &batch.day), (Table::Boards, &batch.board)],
        ];
        if planted!(RegistersBeforeFacts) {
            stages.reverse();
        }
        for (at, stage) in stages.into_iter().enumerate() {
            if planted!(TrustedAfterError) && at < *done {
                continue;
            }
            if let Some(origins) = self.forgotten().await? {
                return Ok(Standing::Forgot(origins));
            }
            try_join_all(stage.into_iter().map(|(table, rows)| self.insert(table, rows))).await?;
            *done = at + 1;
            if batch.is_empty() {
                break;
            }
        }
        let ready = self.ready();
        if !ready.is_empty() {
            if let Some(origins) = self.forgotten().await? {
                return Ok(Standing::Forgot(origins));
            }
            self.insert(Table::Ledger, &encode_ledger(&ready)).await?;
        }
        Ok(Standing::Firm(ready))
    }

    /// The ledger rows whose letters have arrived.
    fn ready(&self) -> Vec<Entry> {
        let arrived = |entry: &&Entry| {
            let first = self.shared.letters.first_outstanding(&entry.origin.broker());
            planted!(LetterNotAwaited) || first.is_none_or(|offset| entry.next_offset <= offset)
        };
        self.waiting.values().filter(arrived).cloned().collect()
    }

    /// Notes what the ledger says now; the answer is the position of each partition.
    fn entered(&mut self, entries: Vec<Entry>) -> Vec<(Origin, u64)> {
        let mut positions: BTreeMap<Origin, u64> = BTreeMap::new();
        for entry in entries {
            self.waiting.remove(&(entry.origin.clone(), entry.chunk));
            self.progress.flushed(&entry.origin, &entry.topic_id, entry.next_offset);
            let position = positions.entry(entry.origin).or_default();
            *position = (*position).max(entry.next_offset);
        }
        for (origin, position) in &positions {
            self.acknowledged.insert(origin.clone(), *position);
            if self.leaning.get(origin).is_some_and(|leans_until| position >= leans_until) {
                self.leaning.remove(origin);
            }
        }
        positions.into_iter().collect()
    }

    async fn write_progress(&mut self, batch: &Batch) -> Result<Standing<()>, Stopped> {
        let mut rows = Rows::default();
        for (origin, complete_through) in self.progress.changed() {
            rows.bytes.extend_from_slice(&encode_origin(&origin));
            rows.bytes.extend_from_slice(&complete_through.to_le_bytes());
            rows.count += 1;
        }
        let mut activity = Rows::default();
        for (corp_id, occurred_at) in &batch.activity {
            put_text(&mut activity.bytes, corp_id);
            activity.bytes.extend_from_slice(&occurred_at.to_le_bytes());
            activity.count += 1;
        }
        if let Some(moment) = self.progress.complete_through().and_then(|moment| u64::try_from(moment).ok()) {
            self.shared.metrics.complete_through_timestamp.set(Duration::from_millis(moment).as_secs_f64());
        }
        let mut backoff = Backoff::new(self.shared.random);
        let mut again = false;
        loop {
            let attempt = async {
                // What is told was true of the server that was asked last.
                if again && let Some(origins) = self.forgotten().await? {
                    return Ok(Standing::Forgot(origins));
                }
                self.insert(Table::Progress, &rows).await?;
                self.insert(Table::Activity, &activity).await?;
                Ok(Standing::Firm(()))
            };
            let replaced = match attempt.await {
                Ok(standing) => return Ok(standing),
                Err(error) => self.failed(error, &mut backoff).await?,
            };
            let not_in_hand = self.not_in_hand();
            if replaced && !not_in_hand.is_empty() {
                return Ok(Standing::Forgot(not_in_hand));
            }
            again = true;
        }
    }

    /// Partitions whose ledger says less than it said before: nothing may be written then, for rows on top of a hole
    /// would hide it. A server that is replaced within one request, unseen by any other, would go unnoticed.
    async fn forgotten(&self) -> Result<Option<Vec<Origin>>, Error> {
        if planted!(RestoreUnnoticed) || self.behind().await?.is_empty() {
            return Ok(None);
        }
        // A replica that lags knows less for a moment only.
        self.sink.sync().await?;
        let behind = self.behind().await?;
        Ok((!behind.is_empty()).then_some(behind))
    }

    async fn behind(&self) -> Result<Vec<Origin>, Error> {
        // Asked of what waits or leans as well, though nothing is known of it: a server that is away must not be missed.
        let known: BTreeSet<_> = self.acknowledged.keys().cloned().chain(self.not_in_hand()).collect();
        let known: Vec<_> = known.into_iter().collect();
        let found = if known.is_empty() { FxHashMap::default() } else { self.sink.positions(&known).await? };
        let forgot = |(origin, position): (&Origin, &u64)| {
            (found.get(origin).copied().unwrap_or(0) < *position).then(|| origin.clone())
        };
        Ok(self.acknowledged.iter().filter_map(forgot).collect())
    }

    /// Everything that was drained, or waits, stands upon rows that may be gone: it is void, for all partitions.
    fn restart(&mut self, origins: &[Origin]) {
        tracing::warn!(?origins, "ClickHouse may be an older copy of itself: counting again from its ledger");
        self.acknowledged.clear();
        if !planted!(ProgressKept) {
            self.progress.restart();
        }
        self.waiting.clear();
        self.leaning.clear();
        self.epoch += 1;
        self.send(Receipt { restart: Some(self.epoch), ..Receipt::default() });
    }

    async fn insert(&self, table: Table, rows: &Rows) -> Result<(), Error> {
        if rows.count == 0 {
            return Ok(());
        }
        self.sink.insert(table, rows).await
    }

    /// Partitions that stand upon rows of the warehouse which are not in hand.
    fn not_in_hand(&self) -> Vec<Origin> {
        let waiting = self.waiting.keys().map(|(origin, _)| origin);
        waiting.chain(self.leaning.keys()).cloned().collect()
    }

    /// Waits before the next attempt, if there may be one. Whether the server that answers it may be another.
    async fn failed(&mut self, error: Error, backoff: &mut Backoff) -> Result<bool, Stopped> {
        let replaced = error.may_be_replaced();
        if replaced {
            self.shared.absences.fetch_add(1, Ordering::AcqRel);
        }
        let Error::Retry { class, .. } = &error else { return Err(Stopped::Sink(error)) };
        self.shared.metrics.insert_retries(*class).inc();
        let text = chain(&error);
        self.shared.health.report("clickhouse", Some(&format!("ClickHouse: {text}")));
        self.faults.warn(Instant::now(), NO_ROWS, &text);
        tokio::time::sleep(backoff.advance()).await;
        Ok(replaced)
    }

    fn observe(&self, batch: &Batch, began: Instant) {
        let metrics = &self.shared.metrics;
        metrics.flush.observe(began.elapsed().as_secs_f64());
        for (table, rows) in [
            (metrics::Table::Events, &batch.facts),
            (metrics::Table::DeadLetters, &batch.letters),
            (metrics::Table::CountsByMinute, &batch.minute),
            (metrics::Table::CountsByDay, &batch.day),
            (metrics::Table::CountsForBoards, &batch.board),
        ] {
            if let (true, Ok(count)) = (rows.count > 0, u32::try_from(rows.count)) {
                metrics.flush_rows(table).observe(count.into());
            }
        }
        let now_ms = (self.shared.wall_ms)();
        let delays = metrics.event_delay.local();
        for &(tenth, count) in &batch.recorded {
            let delay = Duration::from_millis(u64::try_from(now_ms - tenth * 100).unwrap_or(0)).as_secs_f64();
            (0..count).for_each(|_| delays.observe(delay));
        }
        delays.flush();
        if let Some(latest) = batch.activity.values().max().and_then(|&latest| u64::try_from(latest).ok()) {
            let seconds = Duration::from_millis(latest).as_secs_f64();
            metrics.last_event_timestamp.set(metrics.last_event_timestamp.get().max(seconds));
        }
    }

    fn send(&self, receipt: Receipt) {
        let receipt = Arc::new(receipt);
        for worker in &self.receipts {
            // A worker that is gone needs no receipt.
            let _ = worker.send(Arc::clone(&receipt));
        }
    }
}
