//! Reads each watched view once a second, however many watch it, and publishes what was read.
//!
//! Invariant: a view that nobody watches is not read; a view that cannot be read keeps its last figures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::days;
use super::problem::Problem;
use super::reader::{Directory, Earlier, Error, Reader};
use super::snapshot::Snapshot;
use super::view::Watched;
use crate::corp::Corps;

/// Figures change with every flush, which comes once a second by default.
const INTERVAL: Duration = Duration::from_secs(1);
/// Names, targets and earlier counts hardly change within a minute: a tenth of the readings is enough.
const SLOW_INTERVAL: Duration = Duration::from_secs(10);
/// A reading that takes longer is given up, so that the page can say how old its figures are.
const READ_SECONDS_MAX: u64 = 5;
/// An attempt as recent as this need not be repeated for a viewer who comes now.
const FRESH: Duration = Duration::from_secs(3);
/// How long a page waits for a first reading before it shows what it has.
const WAIT: Duration = Duration::from_secs(6);
/// Figures of a view that nobody watches are kept this long, as the last known ones if ClickHouse fails meanwhile.
const KEEP: Duration = Duration::from_mins(10);
/// At about 100 kB for a view of 500 rows, this keeps all views together near 100 MB.
const VIEWS_MAX: usize = 1_000;
/// The busiest corp is only asked for pages that name none; it changes seldom.
const BUSIEST_INTERVAL: Duration = Duration::from_mins(1);

/// What is known of a view.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The newest figures and when they were read.
    pub known: Option<(Arc<Snapshot>, Instant)>,
    /// When reading was last tried, with or without success.
    tried_at: Option<Instant>,
}

impl Reading {
    /// The figures with their age.
    #[must_use]
    pub fn aged(&self) -> Option<(Arc<Snapshot>, Duration)> {
        self.known.as_ref().map(|(snapshot, read_at)| (Arc::clone(snapshot), read_at.elapsed()))
    }

    fn is_fresh(&self) -> bool {
        self.tried_at.is_some_and(|tried_at| tried_at.elapsed() < FRESH)
    }
}

/// All views that are watched, or were a short while ago.
#[derive(Debug)]
pub struct Refresher {
    reader: Arc<dyn Reader>,
    corps: Corps,
    shutdown: CancellationToken,
    views: Mutex<HashMap<Watched, Arc<Entry>>>,
    busiest: tokio::sync::Mutex<Option<(String, Instant)>>,
}

#[derive(Debug)]
struct Entry {
    sender: watch::Sender<Reading>,
    wake: Notify,
    stop: CancellationToken,
}

/// What is read at the slower pace, and for when.
struct Slow {
    earlier: Earlier,
    directory: Directory,
    read_at: Instant,
    day: Date,
    minute: i64,
}

impl Refresher {
    /// Reads until `shutdown`.
    #[must_use]
    pub fn new(reader: Arc<dyn Reader>, corps: Corps, shutdown: CancellationToken) -> Self {
        Self { reader, corps, shutdown, views: Mutex::default(), busiest: tokio::sync::Mutex::default() }
    }

    /// The corp with the most adds, as of the last minute; empty where none was ever counted or none can be read.
    pub async fn busiest_corp(&self) -> String {
        let mut busiest = self.busiest.lock().await;
        if let Some((corp, read_at)) = busiest.as_ref()
            && read_at.elapsed() < BUSIEST_INTERVAL
        {
            return corp.clone();
        }
        match timeout(Duration::from_secs(READ_SECONDS_MAX), self.reader.busiest_corp()).await {
            Ok(Ok(Some(corp))) => *busiest = Some((corp, Instant::now())),
            Ok(Ok(None)) => *busiest = None,
            Ok(Err(error)) => warn(&error),
            Err(_) => warn(&Error::Timeout { seconds: READ_SECONDS_MAX }),
        }
        busiest.as_ref().map(|(corp, _)| corp.clone()).unwrap_or_default()
    }

    /// Watches a view, until the receiver is dropped. Returns once the view was read or tried a moment ago.
    ///
    /// # Errors
    /// [`Problem::Busy`] where as many different views are watched as this process can hold.
    pub async fn watch(self: &Arc<Self>, watched: &Watched) -> Result<watch::Receiver<Reading>, Problem> {
        let mut receiver = self.subscribe(watched)?;
        // Without an answer in time the viewer gets what is there: the last figures, or none yet.
        let _ = timeout(WAIT, receiver.wait_for(Reading::is_fresh)).await;
        Ok(receiver)
    }

    fn subscribe(self: &Arc<Self>, watched: &Watched) -> Result<watch::Receiver<Reading>, Problem> {
        let mut views = self.views();
        if let Some(entry) = views.get(watched) {
            let receiver = entry.sender.subscribe();
            entry.wake.notify_one();
            return Ok(receiver);
        }
        if views.len() >= VIEWS_MAX {
            let idle = views.iter().find(|(_, entry)| entry.sender.receiver_count() == 0).map(|(key, _)| key.clone());
            let entry = idle.and_then(|key| views.remove(&key)).ok_or(Problem::Busy)?;
            entry.stop.cancel();
        }
        let (sender, receiver) = watch::channel(Reading::default());
        let entry = Arc::new(Entry { sender, wake: Notify::new(), stop: self.shutdown.child_token() });
        views.insert(watched.clone(), Arc::clone(&entry));
        let (refresher, watched) = (Arc::clone(self), watched.clone());
        tokio::spawn(async move {
            let stop = entry.stop.clone();
            stop.run_until_cancelled(refresher.run(&watched, &entry)).await;
        });
        Ok(receiver)
    }

    fn views(&self) -> MutexGuard<'_, HashMap<Watched, Arc<Entry>>> {
        // A panic while the map was locked leaves a map that is still whole: every change is one call.
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, watched: &Watched, entry: &Entry) {
        let mut slow = None;
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            while entry.sender.receiver_count() == 0 {
                if timeout(KEEP, entry.wake.notified()).await.is_err() {
                    let mut views = self.views();
                    if entry.sender.receiver_count() == 0 {
                        views.remove(watched);
                        return;
                    }
                }
            }
            let before = entry.sender.borrow().known.clone();
            let read = self.read(watched, &mut slow, before.as_ref().map(|(snapshot, _)| snapshot.as_ref()));
            let known = match timeout(Duration::from_secs(READ_SECONDS_MAX), read).await {
                Ok(Ok(snapshot)) => Some((Arc::new(snapshot), Instant::now())),
                Ok(Err(error)) => {
                    warn(&error);
                    before
                }
                Err(_) => {
                    warn(&Error::Timeout { seconds: READ_SECONDS_MAX });
                    before
                }
            };
            entry.sender.send_replace(Reading { known, tried_at: Some(Instant::now()) });
        }
    }

    async fn read(
        &self,
        watched: &Watched,
        slow: &mut Option<Slow>,
        before: Option<&Snapshot>,
    ) -> Result<Snapshot, Error> {
        let zone = &self.corps.get(&watched.corp).time_zone;
        let clock = self.reader.clock(&watched.corp).await?;
        let complete_through = clock.complete_through.unwrap_or(i64::MIN);
        let day = watched.day.or_else(|| days::day_of(clock.now, zone)).unwrap_or_default();
        let instants = days::instants(day, complete_through, clock.now, zone).ok_or(Error::Day { day })?;
        let counts = self.reader.day(watched, day).await?;
        let minute = instants.now.minute();
        if !slow.as_ref().is_some_and(|slow| slow.is_for(day, minute)) {
            let earlier = self.reader.earlier(watched, &instants).await?;
            let directory = self.reader.directory(watched, day).await?;
            *slow = Some(Slow { earlier, directory, read_at: Instant::now(), day, minute });
        }
        let (earlier, directory) =
            slow.as_ref().map(|slow| (slow.earlier.clone(), slow.directory.clone())).unwrap_or_default();
        let time_zone = zone.iana_name().unwrap_or("UTC").to_owned();
        let watched = watched.clone();
        let mut snapshot =
            Snapshot { watched, day, time_zone, clock, instants, counts, earlier, directory, revision: clock.now };
        if let Some(before) = before {
            let same = snapshot.shows_the_same_as(before);
            // The clock of a server may be set back; a revision never is.
            snapshot.revision = if same { before.revision } else { clock.now.max(before.revision + 1) };
        }
        Ok(snapshot)
    }
}

impl Slow {
    fn is_for(&self, day: Date, minute: i64) -> bool {
        self.day == day && self.minute == minute && self.read_at.elapsed() < SLOW_INTERVAL
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
    use crate::board::fixture::{self, Fixture};

    fn refresher() -> (Arc<Refresher>, Arc<Fixture>) {
        let fixture = Arc::new(Fixture::default());
        let corps = Corps::new(&HashMap::new()).unwrap();
        let reader: Arc<dyn Reader> = Arc::<Fixture>::clone(&fixture);
        (Arc::new(Refresher::new(reader, corps, CancellationToken::new())), fixture)
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
    async fn a_revision_stays_while_nothing_changes() {
        let (refresher, _) = refresher();
        let mut viewer = refresher.watch(&fixture::view(&[]).watched).await.unwrap();
        let first = viewer.borrow_and_update().aged().unwrap().0.revision;
        viewer.changed().await.unwrap();
        assert_eq!(viewer.borrow().aged().unwrap().0.revision, first);
    }
}
