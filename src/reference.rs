//! Reads the reference topics (organisation, channel codes, targets, contests) or their CSV files into the directory,
//! and keeps every row with its times in ClickHouse, for the topics forget.
//!
//! Invariant: the directory is complete through a moment only if everything that the topics held then was read.

mod csv;
mod rows;
mod standing;
mod topics;

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, atomic::AtomicI64, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use clickhouse::Client;
use tokio_util::sync::CancellationToken;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::csv::hostile;
use crate::{
    admin::Outside,
    config,
    directory::{self, Directory, Kind, Taken},
    log::{Repeated, chain},
    metrics::Metrics,
    sink::Table,
    source::log::Log,
};

/// The directory that all workers read, and how far it reaches.
#[derive(Debug)]
pub struct Reference {
    directory: RwLock<Directory>,
    /// Everything published up to this moment is in the directory; milliseconds since the epoch.
    complete_through: AtomicI64,
    delay_ms: i64,
    /// Rows that ClickHouse does not have yet.
    unwritten: Mutex<Vec<directory::Reference>>,
    metrics: Arc<Metrics>,
}

/// Reading that fails is tried again after this time.
const RETRY: Duration = Duration::from_secs(1);

impl Reference {
    /// An empty directory, read by nobody yet.
    #[must_use]
    pub fn new(delay: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            directory: RwLock::default(),
            complete_through: AtomicI64::new(i64::MIN),
            delay_ms: i64::try_from(delay.as_millis()).unwrap_or(i64::MAX),
            unwritten: Mutex::default(),
            metrics,
        }
    }

    /// Begins to read; what was read is kept in ClickHouse by a task of its own.
    pub fn start(
        config: &config::Config,
        log: &Arc<Log>,
        client: Client,
        outside: Outside,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let reference = Arc::new(Self::new(config.directory.delay, Arc::clone(&outside.metrics)));
        let (kafka, mut files) = (config.kafka.clone(), csv::Files::new(&config.directory));
        let runtime = tokio::runtime::Handle::current();
        let reader = Arc::clone(&reference);
        let (log, keeper) = (Arc::clone(log), client.clone());
        thread::spawn({
            let shutdown = shutdown.clone();
            move || {
                let mut faults = Repeated::new(Duration::from_secs(30));
                let fault = |error: &dyn std::error::Error, faults: &mut Repeated| {
                    let text = chain(error);
                    outside.health.report("reference", Some(&format!("reference data: {text}")));
                    faults.warn(Instant::now(), "reference data cannot be read", &text);
                    thread::sleep(RETRY);
                };
                while !shutdown.is_cancelled() {
                    // What earlier processes kept comes first: the topics may have forgotten it.
                    match runtime.block_on(rows::load(&keeper)) {
                        Ok(rows) => {
                            reader.insert(rows);
                        }
                        Err(error) => {
                            fault(&error, &mut faults);
                            continue;
                        }
                    }
                    match runtime.block_on(standing::load(&keeper, &mut files)) {
                        Ok(()) => break,
                        Err(error) => fault(&error, &mut faults),
                    }
                }
                while !shutdown.is_cancelled() {
                    let read = topics::read(&kafka, &log, &mut files, &reader, &outside, &shutdown);
                    if let Err(error) = read {
                        fault(&error, &mut faults);
                    }
                }
            }
        });
        tokio::spawn(rows::keep(Arc::clone(&reference), client, shutdown));
        reference
    }

    /// The directory, for as long as the guard is held; readers should hold it for a batch of records at most.
    pub fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the directory may lack a row that a record of this moment has to be counted by.
    #[must_use]
    pub fn is_stale(&self, wall_ms: i64) -> bool {
        self.complete_through.load(Ordering::Acquire) < wall_ms.saturating_sub(self.delay_ms)
    }

    /// Everything published up to this moment was read. The last word counts, even if it is earlier: then the clock was
    /// ahead and has been set back, and a directory that is not read on has to become stale by the new time.
    pub fn complete(&self, moment_ms: i64) {
        self.complete_through.store(moment_ms, Ordering::Release);
    }

    /// Takes in rows, and notes those that are new for ClickHouse.
    pub fn publish(&self, rows: Vec<directory::Reference>) {
        let new = self.insert(rows);
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
    }

    /// Takes in rows; the answer is those that are new.
    fn insert(&self, mut rows: Vec<directory::Reference>) -> Vec<directory::Reference> {
        if rows.is_empty() {
            return rows;
        }
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        let before = directory.bytes();
        rows.retain(|row| {
            let (kind, key, taken) = match row {
                directory::Reference::Org(row) => (Kind::Org, &row.staff_id, directory.insert_org(row.clone())),
                directory::Reference::Channel(row) => {
                    (Kind::Channel, &row.state, directory.insert_channel(row.clone()))
                }
                directory::Reference::Target(_)
                | directory::Reference::Contest(_)
                | directory::Reference::Cost(_)
                | directory::Reference::Official(_) => return true,
            };
            if taken == Taken::Refused {
                self.ignore(kind, Some(key.as_bytes()), "the directory is full");
            }
            taken == Taken::New
        });
        // Once in the directory, and once until ClickHouse has it.
        let more = 2 * (directory.bytes() - before);
        self.metrics.memory_bound.add(i64::try_from(more).unwrap_or(i64::MAX));
        rows
    }

    /// A row that breaks its form is passed over.
    pub fn ignore(&self, kind: Kind, key: Option<&[u8]>, why: &str) {
        self.metrics.directory_rows_ignored.inc();
        let key = String::from_utf8_lossy(key.unwrap_or_default());
        tracing::warn!(?kind, %key, why, "a row of the reference data is ignored");
    }
}

/// All rows of the organisation and of the channel codes that ClickHouse keeps.
pub(crate) async fn load(client: &Client) -> Result<Vec<directory::Reference>, clickhouse::error::Error> {
    rows::load(client).await
}

/// The table in which rows of this kind are kept.
const fn table(row: &directory::Reference) -> Table {
    match row {
        directory::Reference::Org(_) => Table::Org,
        directory::Reference::Channel(_) => Table::Channels,
        directory::Reference::Target(_) => Table::Targets,
        directory::Reference::Contest(_) => Table::Contests,
        directory::Reference::Cost(_) => Table::Costs,
        directory::Reference::Official(_) => Table::Official,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_read_while_the_clock_was_ahead_becomes_stale_by_the_right_time() {
        let reference = Reference::new(Duration::from_mins(1), Arc::new(Metrics::new(&[])));
        let (hour, minute) = (3_600_000, 60_000);
        reference.complete(10 * hour);
        assert!(!reference.is_stale(10 * hour + minute) && reference.is_stale(10 * hour + minute + 1));
        reference.complete(9 * hour);
        assert!(!reference.is_stale(9 * hour + minute) && reference.is_stale(9 * hour + minute + 1));
    }
}
