//! Reads each watched thing at its pace, however many watch it, and publishes what was read.
//!
//! Invariant: what nobody watches is not read; what cannot be read keeps its last figures.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use super::reader::Error;

/// What can be read again and again.
pub trait Source: Debug + Send + Sync + 'static {
    /// Watchers of equal keys share one reading.
    type Key: Clone + Debug + Eq + Hash + Send + Sync + 'static;
    type Value: Debug + Send + Sync + 'static;

    /// From one reading of a key to the next.
    const INTERVAL: Duration;

    /// The same after this value, where it is not worth keeping for so long.
    fn interval_after(_value: &Self::Value) -> Duration {
        Self::INTERVAL
    }

    /// One reading; `before` is the last that succeeded.
    fn read<'a>(
        &'a self,
        key: &'a Self::Key,
        before: Option<&'a Self::Value>,
    ) -> BoxFuture<'a, Result<Self::Value, Error>>;
}

/// A reading that takes longer is given up, so that the page can say how old its figures are.
const READ_SECONDS_MAX: u64 = 5;
/// What could never be read is tried again after this time.
const RETRY: Duration = Duration::from_secs(1);
/// An attempt that is late by no more than this need not be repeated for a viewer who comes now.
const FRESH: Duration = Duration::from_secs(2);
/// How long a page waits for a first reading before it shows what it has.
const WAIT: Duration = Duration::from_secs(6);
/// How long one who only glances waits for the first attempt: the figures that stand without it are waiting too.
const GLANCE: Duration = Duration::from_secs(1);
/// What nobody watches is kept this long, as the last known figures if ClickHouse fails meanwhile.
const KEEP: Duration = Duration::from_mins(10);
/// At about 100 kB for a view of 500 rows, this keeps all views together near 100 MB.
const WATCHED_MAX: usize = 1_000;

/// What is known of a key.
#[derive(Debug)]
pub struct Reading<T> {
    /// The newest figures and when they were read.
    pub known: Option<(Arc<T>, Instant)>,
    /// When reading was last tried, with or without success.
    tried_at: Option<Instant>,
}

impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        Self { known: self.known.clone(), tried_at: self.tried_at }
    }
}

impl<T> Default for Reading<T> {
    fn default() -> Self {
        Self { known: None, tried_at: None }
    }
}

impl<T> Reading<T> {
    /// One that succeeded now.
    #[cfg(test)]
    pub(super) fn now(value: T) -> Self {
        Self { known: Some((Arc::new(value), Instant::now())), tried_at: Some(Instant::now()) }
    }

    /// The figures with their age.
    #[must_use]
    pub fn aged(&self) -> Option<(Arc<T>, Duration)> {
        self.known.as_ref().map(|(value, read_at)| (Arc::clone(value), read_at.elapsed()))
    }

    fn is_fresh(&self, interval: Duration) -> bool {
        self.tried_at.is_some_and(|tried_at| tried_at.elapsed() < interval + FRESH)
    }
}

type Entries<S> = HashMap<<S as Source>::Key, Arc<Entry<<S as Source>::Value>>>;

/// All keys that are watched, or were a short while ago.
#[derive(Debug)]
pub struct Refresher<S: Source> {
    source: S,
    shutdown: CancellationToken,
    watched: Mutex<Entries<S>>,
}

#[derive(Debug)]
struct Entry<T> {
    sender: watch::Sender<Reading<T>>,
    wake: Notify,
    stop: CancellationToken,
}

impl<S: Source> Refresher<S> {
    /// Reads until `shutdown`.
    #[must_use]
    pub fn new(source: S, shutdown: CancellationToken) -> Self {
        Self { source, shutdown, watched: Mutex::default() }
    }

    /// Watches a key, until the receiver is dropped. Returns once it was read or tried a moment ago.
    ///
    /// # Errors
    /// [`Problem::Busy`] where as many different keys are watched as this process can hold.
    pub async fn watch(self: &Arc<Self>, key: &S::Key) -> Result<watch::Receiver<Reading<S::Value>>, Problem> {
        let mut receiver = self.subscribe(key)?;
        // Without an answer in time the viewer gets what is there: the last figures, or none yet.
        let _ = timeout(WAIT, receiver.wait_for(|reading| reading.is_fresh(Self::interval(reading)))).await;
        Ok(receiver)
    }

    /// The newest of a key, with its age; absent where nothing could be read yet.
    ///
    /// # Errors
    /// Those of [`Self::watch`].
    pub async fn newest(self: &Arc<Self>, key: &S::Key) -> Result<Option<(Arc<S::Value>, Duration)>, Problem> {
        let receiver = self.watch(key).await?;
        Ok(receiver.borrow().aged())
    }

    /// What is known of a key with its age, without waiting for more than the first attempt; absent where nothing is.
    pub async fn glance(self: &Arc<Self>, key: &S::Key) -> Option<(Arc<S::Value>, Duration)> {
        // As many different keys are watched as this process can hold: then this one is not.
        let mut receiver = self.subscribe(key).ok()?;
        let _ = timeout(GLANCE, receiver.wait_for(|reading| reading.tried_at.is_some())).await;
        receiver.borrow().aged()
    }

    /// From this reading to the next.
    fn interval(reading: &Reading<S::Value>) -> Duration {
        reading.known.as_ref().map_or(RETRY, |(value, _)| S::interval_after(value))
    }

    fn subscribe(self: &Arc<Self>, key: &S::Key) -> Result<watch::Receiver<Reading<S::Value>>, Problem> {
        let mut watched = self.watched();
        if let Some(entry) = watched.get(key) {
            let receiver = entry.sender.subscribe();
            entry.wake.notify_one();
            return Ok(receiver);
        }
        if watched.len() >= WATCHED_MAX {
            let idle = watched.iter().find(|(_, entry)| entry.sender.receiver_count() == 0).map(|(key, _)| key.clone());
            let entry = idle.and_then(|key| watched.remove(&key)).ok_or(Problem::Busy)?;
            entry.stop.cancel();
        }
        let (sender, receiver) = watch::channel(Reading::default());
        let entry = Arc::new(Entry { sender, wake: Notify::new(), stop: self.shutdown.child_token() });
        watched.insert(key.clone(), Arc::clone(&entry));
        let (refresher, key) = (Arc::clone(self), key.clone());
        tokio::spawn(async move {
            let stop = entry.stop.clone();
            stop.run_until_cancelled(refresher.run(&key, &entry)).await;
        });
        Ok(receiver)
    }

    fn watched(&self) -> MutexGuard<'_, Entries<S>> {
        // A panic while the map was locked leaves a map that is still whole: every change is one call.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, key: &S::Key, entry: &Entry<S::Value>) {
        loop {
            // Whoever only glanced since the last reading wants the next one too, though they are gone by now.
            while entry.sender.receiver_count() == 0 && timeout(KEEP, entry.wake.notified()).await.is_err() {
                let mut watched = self.watched();
                if entry.sender.receiver_count() == 0 {
                    watched.remove(key);
                    return;
                }
            }
            let began = Instant::now();
            let before = entry.sender.borrow().known.clone();
            let read = self.source.read(key, before.as_ref().map(|(value, _)| value.as_ref()));
            let known = match timeout(Duration::from_secs(READ_SECONDS_MAX), read).await {
                Ok(Ok(value)) => Some((Arc::new(value), Instant::now())),
                Ok(Err(error)) => {
                    warn(&error);
                    before
                }
                Err(_) => {
                    warn(&Error::Timeout { seconds: READ_SECONDS_MAX });
                    before
                }
            };
            let reading = Reading { known, tried_at: Some(Instant::now()) };
            let next = began + Self::interval(&reading);
            entry.sender.send_replace(reading);
            sleep_until(next).await;
        }
    }
}

fn warn(error: &Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "the board shows its last figures");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::board::details::Readings;
    use crate::board::fixture::{self, Fixture};
    use crate::board::sources::{Beginnings, BusiestCorps, Organisations, Views};
    use crate::corp::Corps;

    fn refresher() -> (Arc<Refresher<Views>>, Arc<Fixture>) {
        let fixture = Arc::new(Fixture::default());
        let corps = Corps::new(&HashMap::new()).unwrap();
        let shutdown = CancellationToken::new();
        let organisations = Organisations::new(Arc::<Fixture>::clone(&fixture));
        let organisations = Arc::new(Refresher::new(organisations, shutdown.clone()));
        let reader: Arc<dyn crate::board::reader::Reader> = Arc::<Fixture>::clone(&fixture);
        let details = Readings::new(&reader, &shutdown);
        let beginnings = Beginnings::new(Arc::clone(&reader));
        let beginnings = Arc::new(Refresher::new(beginnings, shutdown.clone()));
        let views = Views::new(reader, corps, organisations, beginnings, details);
        (Arc::new(Refresher::new(views, shutdown)), fixture)
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_viewers_of_a_view_cost_one_reading_a_second() {
        let (refresher, fixture) = refresher();
        let watched = fixture::view(&[]).watched;
        let mut viewers = Vec::new();
        for _ in 0..1000 {
            viewers.push(refresher.watch(&watched).await.unwrap());
        }
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(fixture.readings.load(Ordering::SeqCst), 1);
        let viewer = &mut viewers[0];
        viewer.mark_unchanged();
        viewer.changed().await.unwrap();
        assert_eq!(fixture.readings.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_that_nobody_watches_is_not_read() {
        let (refresher, fixture) = refresher();
        drop(refresher.watch(&fixture::view(&[]).watched).await.unwrap());
        tokio::time::timeout(Duration::from_mins(1), std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(fixture.readings.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_glanced_at_is_read_once_an_interval_and_no_longer_when_nobody_looks() {
        let (refresher, fixture) = refresher();
        let watched = fixture::view(&[]).watched;
        for _ in 0..40 {
            assert!(refresher.glance(&watched).await.is_some());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let readings = fixture.readings.load(Ordering::SeqCst);
        assert!((10..=11).contains(&readings), "{readings} readings in 10 s");
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(fixture.readings.load(Ordering::SeqCst) <= readings + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_figures_stay_while_clickhouse_does_not_answer() {
        let (refresher, fixture) = refresher();
        let mut viewer = refresher.watch(&fixture::view(&[]).watched).await.unwrap();
        fixture.down.store(true, Ordering::SeqCst);
        for _ in 0..10 {
            viewer.mark_unchanged();
            viewer.changed().await.unwrap();
        }
        let (snapshot, age) = viewer.borrow().aged().unwrap();
        assert_eq!(snapshot.counts.channels.len(), 3);
        assert!(age >= Duration::from_secs(9), "{age:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_corp_is_found_within_seconds_though_its_choice_is_kept_for_a_minute() {
        let fixture = Arc::new(Fixture::default());
        let corps = BusiestCorps::new(Arc::<Fixture>::clone(&fixture));
        let corps = Arc::new(Refresher::new(corps, CancellationToken::new()));
        let newest = async || corps.newest(&()).await.unwrap().map(|(corps, _)| corps.len());
        fixture.down.store(true, Ordering::SeqCst);
        assert_eq!(newest().await, None);
        fixture.down.store(false, Ordering::SeqCst);
        fixture.corps.store(0, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(newest().await, Some(0), "ClickHouse is back, nothing was counted yet");
        fixture.corps.store(1, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(newest().await, Some(1));
        fixture.corps.store(2, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(newest().await, Some(1), "kept");
    }

    #[tokio::test(start_paused = true)]
    async fn a_revision_stays_while_nothing_changes() {
        let (refresher, _) = refresher();
        let mut viewer = refresher.watch(&fixture::view(&[]).watched).await.unwrap();
        let first = viewer.borrow_and_update().aged().unwrap().0.revision;
        viewer.changed().await.unwrap();
        assert_eq!(viewer.borrow().aged().unwrap().0.revision, first);
    }
}
