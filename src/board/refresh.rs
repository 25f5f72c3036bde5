//! Reads each watched thing at its pace, however many watch it, and publishes what was read.
//!
//! Invariant: what nobody watches is not read; what cannot be read keeps its last figures.
//!
//! Why keys are read together: four hundred store managers look at four hundred views, and a view asks ClickHouse for a
//! dozen figures. What all of them need is one answer of as many rows; asked one by one it would be as many questions.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
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

    /// What a key has in common with those that are read together with it.
    fn shared(key: &Self::Key) -> Self::Key {
        key.clone()
    }

    /// One reading of keys that have everything in common that is shared, in their order.
    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<Self::Value>, Error>>;
}

/// A key that is read.
#[derive(Debug)]
pub struct Asked<S: Source + ?Sized> {
    pub key: S::Key,
    /// The last reading that succeeded.
    pub before: Option<Arc<S::Value>>,
}

/// A reading that takes longer is given up, so that the page can say how old its figures are.
const READ_SECONDS_MAX: u64 = 5;
const READ_LIMIT: Duration = Duration::from_secs(READ_SECONDS_MAX);
/// What could never be read is tried again after this time.
const RETRY: Duration = Duration::from_secs(1);
/// Readings take this part of the time at most, with a rest that is no longer than this: what hundreds of places watch may
/// take ClickHouse a second, which inserts need as well, and read without a rest all of it would be late.
const PART_OF_TIME: u32 = 4;
const REST_MAX: Duration = Duration::from_secs(10);
/// So many readings of those who came are on their way at once. Five hundred come within a second after a restart, and asked
/// for one by one they kept ClickHouse for five seconds.
const WAITING_MAX: usize = 2;
/// A reading that is late by no more than this need not be repeated for a viewer who comes now.
const FRESH: Duration = Duration::from_secs(2);
/// How long a page waits for fresher figures than those it has: it is promised within 50 ms.
const BRIEF: Duration = Duration::from_millis(20);
/// How long it waits where it has none, or none but old ones.
const WAIT: Duration = Duration::from_secs(6);
/// How long one who only glances waits for the first attempt: the figures that stand without it are waiting too.
const GLANCE: Duration = Duration::from_secs(1);
/// What nobody watches is kept this long, as the last known figures if ClickHouse fails meanwhile.
const KEEP: Duration = Duration::from_mins(10);
/// The pages of 5,000 staff and as many other views. At about 100 kB for a view of 500 rows and 30 kB for one of a person,
/// this keeps all views together near 500 MB.
const WATCHED_MAX: usize = 10_000;

/// What is known of a key.
#[derive(Debug)]
pub struct Reading<T> {
    /// The newest figures and when they were read.
    pub known: Option<(Arc<T>, Instant)>,
    /// When reading was last tried, with or without success, and when it is due again.
    tried: Option<(Instant, Instant)>,
}

impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        Self { known: self.known.clone(), tried: self.tried }
    }
}

impl<T> Default for Reading<T> {
    fn default() -> Self {
        Self { known: None, tried: None }
    }
}

impl<T> Reading<T> {
    /// One that succeeded now.
    #[cfg(test)]
    pub(super) fn now(value: T) -> Self {
        let now = Instant::now();
        Self { known: Some((Arc::new(value), now)), tried: Some((now, now)) }
    }

    /// The figures with their age.
    #[must_use]
    pub fn aged(&self) -> Option<(Arc<T>, Duration)> {
        self.known.as_ref().map(|(value, read_at)| (Arc::clone(value), read_at.elapsed()))
    }

    fn is_fresh(&self) -> bool {
        self.tried.is_some_and(|(_, due_at)| due_at.elapsed() < FRESH)
    }

    /// Whether the figures are not older than those may be that are read all the time.
    fn is_recent(&self, interval: Duration) -> bool {
        self.known.as_ref().is_some_and(|(_, read_at)| read_at.elapsed() < interval + REST_MAX + READ_LIMIT)
    }
}

/// Keys that are read together.
#[derive(Debug)]
struct Batch<S: Source> {
    entries: HashMap<S::Key, Arc<Entry<S::Value>>>,
    /// Somebody waits for a reading before the next of all.
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct Entry<T> {
    sender: watch::Sender<Reading<T>>,
    /// Since the last reading began: whoever only glanced wants the next one too, though they are gone by now.
    is_wanted: AtomicBool,
    is_being_read: AtomicBool,
}

impl<T> Entry<T> {
    fn new() -> Arc<Self> {
        let (sender, _) = watch::channel(Reading::default());
        Arc::new(Self { sender, is_wanted: AtomicBool::new(true), is_being_read: AtomicBool::new(false) })
    }

    fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst) || self.sender.receiver_count() > 0
    }

    fn is_kept(&self) -> bool {
        self.is_wanted() || self.sender.borrow().tried.is_none_or(|(tried_at, _)| tried_at.elapsed() < KEEP)
    }
}

/// Which keys of a batch are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    All,
    /// Those whose watchers do not wait for the next reading of all.
    Waiting,
}

/// When keys that were read are read again.
#[derive(Clone, Copy, Debug)]
struct Again {
    /// The first of them.
    due_at: Instant,
    /// Not before this.
    rested_at: Instant,
}

type Known<S> = (<S as Source>::Key, Arc<Entry<<S as Source>::Value>>);
type Batches<S> = HashMap<<S as Source>::Key, Batch<S>>;

/// All keys that are watched, or were a short while ago.
#[derive(Debug)]
pub struct Refresher<S: Source> {
    source: S,
    shutdown: CancellationToken,
    /// By what their keys share.
    batches: Mutex<Batches<S>>,
}

impl<S: Source> Refresher<S> {
    /// Reads until `shutdown`.
    #[must_use]
    pub fn new(source: S, shutdown: CancellationToken) -> Self {
        Self { source, shutdown, batches: Mutex::default() }
    }

    /// Watches a key, until the receiver is dropped. Returns once it was read or tried a moment ago, or at once where its
    /// figures are not old.
    ///
    /// # Errors
    /// [`Problem::Busy`] where as many different keys are watched as this process can hold.
    pub async fn watch(self: &Arc<Self>, key: &S::Key) -> Result<watch::Receiver<Reading<S::Value>>, Problem> {
        let mut receiver = self.subscribe(key)?;
        let is_recent = receiver.borrow().is_recent(S::INTERVAL);
        let wait = if is_recent { BRIEF } else { WAIT };
        // Without an answer in time the viewer gets what is there: the last figures, or none yet.
        let _ = timeout(wait, receiver.wait_for(Reading::is_fresh)).await;
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
        let _ = timeout(GLANCE, receiver.wait_for(|reading| reading.tried.is_some())).await;
        receiver.borrow().aged()
    }

    fn subscribe(self: &Arc<Self>, key: &S::Key) -> Result<watch::Receiver<Reading<S::Value>>, Problem> {
        let shared = S::shared(key);
        let mut batches = self.batches();
        if !batches.get(&shared).is_some_and(|batch| batch.entries.contains_key(key)) {
            make_room(&mut batches)?;
        }
        let batch = batches.entry(shared).or_insert_with_key(|shared| self.begin(shared));
        let entry = batch.entries.entry(key.clone()).or_insert_with(Entry::new);
        entry.is_wanted.store(true, Ordering::SeqCst);
        if !entry.sender.borrow().is_fresh() {
            batch.wake.notify_one();
        }
        Ok(entry.sender.subscribe())
    }

    fn batches(&self) -> MutexGuard<'_, Batches<S>> {
        // A panic while the map was locked leaves a map that is still whole: every change is one call.
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch without keys, and the task that reads it.
    fn begin(self: &Arc<Self>, shared: &S::Key) -> Batch<S> {
        let wake = Arc::new(Notify::new());
        let (refresher, shared, woken) = (Arc::clone(self), shared.clone(), Arc::clone(&wake));
        tokio::spawn(async move {
            refresher.shutdown.run_until_cancelled(refresher.run(&shared, &woken)).await;
        });
        Batch { entries: HashMap::new(), wake }
    }

    /// Reads a batch until nobody has wanted any of it for long.
    async fn run(&self, shared: &S::Key, wake: &Notify) {
        let mut next = Instant::now() + S::INTERVAL;
        // Whoever comes meanwhile is read at once, and then with the others: they take no part of their rest.
        let mut rested_at = Instant::now();
        // Whoever comes does not wait until the others are read, nor the others for them.
        let mut readings = FuturesUnordered::new();
        let mut waiting = 0;
        loop {
            tokio::select! {
                () = wake.notified(), if waiting < WAITING_MAX => {
                    waiting += 1;
                    readings.push(self.read(shared, Due::Waiting));
                }
                () = sleep_until(next) => {
                    if !self.keeps(shared) {
                        return;
                    }
                    // Set by the end of this reading, which is sooner.
                    next = Instant::now() + S::INTERVAL + READ_LIMIT;
                    rested_at = next;
                    readings.push(self.read(shared, Due::All));
                }
                Some((due, again)) = readings.next() => match due {
                    Due::All => (next, rested_at) = (again.due_at, again.rested_at),
                    Due::Waiting => {
                        waiting -= 1;
                        next = next.min(again.due_at).max(rested_at);
                    }
                },
            }
        }
    }

    /// Whether anything is left of a batch without what nobody has wanted for long.
    fn keeps(&self, shared: &S::Key) -> bool {
        let mut batches = self.batches();
        let Some(batch) = batches.get_mut(shared) else { return false };
        batch.entries.retain(|_, entry| entry.is_kept());
        let keeps = !batch.entries.is_empty();
        if !keeps {
            batches.remove(shared);
        }
        keeps
    }

    /// Reads what is due of a batch; when it is due again.
    async fn read(&self, shared: &S::Key, due: Due) -> (Due, Again) {
        let keys = self.due(shared, due);
        (due, self.read_together(&keys).await)
    }

    /// The keys of a batch that are due, from now on as being read.
    fn due(&self, shared: &S::Key, due: Due) -> Vec<Known<S>> {
        let batches = self.batches();
        let is_due = |entry: &Entry<S::Value>| {
            let waits = due == Due::All || !entry.sender.borrow().is_fresh();
            waits && entry.is_wanted() && !entry.is_being_read.swap(true, Ordering::SeqCst)
        };
        let entries = batches.get(shared).into_iter().flat_map(|batch| &batch.entries);
        let due = entries.filter(|(_, entry)| is_due(entry));
        due.map(|(key, entry)| (key.clone(), Arc::clone(entry))).collect()
    }

    /// Reads and publishes keys of a batch.
    async fn read_together(&self, due: &[Known<S>]) -> Again {
        let began = Instant::now();
        let asked = due.iter().map(|(key, entry)| {
            entry.is_wanted.store(false, Ordering::SeqCst);
            let before = entry.sender.borrow().known.as_ref().map(|(value, _)| Arc::clone(value));
            Asked { key: key.clone(), before }
        });
        let asked: Vec<_> = asked.collect();
        let read = timeout(READ_LIMIT, self.source.read(&asked)).await;
        let values = match read.unwrap_or(Err(Error::Timeout { seconds: READ_SECONDS_MAX })) {
            Ok(values) => values,
            Err(error) => {
                warn(&error);
                Vec::new()
            }
        };
        let (now, took) = (Instant::now(), began.elapsed());
        let rested_at = began + (took * PART_OF_TIME).min(took + REST_MAX);
        let mut values = values.into_iter();
        let due_again = due.iter().map(|(_, entry)| {
            let read = values.next().map(|value| (Arc::new(value), now));
            let known = read.or_else(|| entry.sender.borrow().known.clone());
            let interval = known.as_ref().map_or(RETRY, |(value, _)| S::interval_after(value));
            let due_at = (began + interval).max(rested_at);
            entry.is_being_read.store(false, Ordering::SeqCst);
            entry.sender.send_replace(Reading { known, tried: Some((now, due_at)) });
            due_at
        });
        Again { due_at: due_again.min().unwrap_or(began + S::INTERVAL), rested_at }
    }
}

/// Forgets a key that nobody watches where as many are kept as this process can hold.
fn make_room<S: Source>(batches: &mut Batches<S>) -> Result<(), Problem> {
    if batches.values().map(|batch| batch.entries.len()).sum::<usize>() < WATCHED_MAX {
        return Ok(());
    }
    for batch in batches.values_mut() {
        let idle = batch.entries.iter().find(|(_, entry)| entry.sender.receiver_count() == 0);
        if let Some(key) = idle.map(|(key, _)| key.clone()) {
            batch.entries.remove(&key);
            return Ok(());
        }
    }
    Err(Problem::Busy)
}

fn warn(error: &Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "the board shows its last figures");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join_all;

    use super::*;
    use crate::board::details::Readings;
    use crate::board::fixture::{self, Fixture};
    use crate::board::sources::{Beginnings, Beside, BusiestCorps, Directories, Organisations, Views};
    use crate::board::view::Watched;
    use crate::corp::Corps;

    fn refresher() -> (Arc<Refresher<Views>>, Arc<Fixture>) {
        let fixture = Arc::new(Fixture::default());
        let corps = Corps::new(&HashMap::new()).unwrap();
        let shutdown = CancellationToken::new();
        let organisations = Organisations::new(Arc::<Fixture>::clone(&fixture));
        let organisations = Arc::new(Refresher::new(organisations, shutdown.clone()));
        let reader: Arc<dyn crate::board::reader::Reader> = Arc::<Fixture>::clone(&fixture);
        let details = Readings::new(&reader, &corps, &shutdown);
        let beginnings = Beginnings::new(Arc::clone(&reader));
        let beginnings = Arc::new(Refresher::new(beginnings, shutdown.clone()));
        let directories = Arc::new(Refresher::new(Directories::new(Arc::clone(&reader)), shutdown.clone()));
        let beside = Beside { organisations, beginnings, directories, details };
        let views = Views::new(reader, corps, beside);
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

    fn store(id: usize) -> Watched {
        fixture::view(&[("scope", &format!("store:S{id}")), ("level", "staff")]).watched
    }

    #[tokio::test(start_paused = true)]
    async fn four_hundred_stores_of_a_corp_cost_as_many_questions_as_one() {
        let questions = async |stores: usize| {
            let (refresher, fixture) = refresher();
            let viewers = join_all((0..stores).map(async |id| refresher.watch(&store(id)).await.unwrap())).await;
            tokio::time::sleep(Duration::from_mins(3)).await;
            assert!(viewers.iter().all(|viewer| viewer.borrow().aged().is_some_and(|(_, age)| age < FRESH)));
            fixture.questions.load(Ordering::SeqCst)
        };
        let (one, all) = (questions(1).await, questions(400).await);
        assert!((180..1_800).contains(&one), "{one} questions in three minutes");
        assert_eq!(all, one);
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_that_comes_between_two_readings_is_read_at_once_and_then_with_the_others() {
        let (refresher, fixture) = refresher();
        let first = refresher.watch(&store(1)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let second = refresher.watch(&store(2)).await.unwrap();
        assert_eq!(second.borrow().aged().unwrap().0.watched, store(2));
        assert_eq!(fixture.readings.load(Ordering::SeqCst), 2);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(fixture.readings.load(Ordering::SeqCst), 12);
        assert_eq!(first.borrow().aged().unwrap().1, second.borrow().aged().unwrap().1);
    }

    /// How long keys below a limit take to read, with all others that are read then, and how often they were. Others take no
    /// time.
    #[derive(Debug)]
    struct Long(Duration, usize, Arc<AtomicUsize>);

    impl Source for Long {
        type Key = usize;
        type Value = ();
        const INTERVAL: Duration = Duration::from_secs(1);

        fn shared(_: &usize) -> usize {
            0
        }

        fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<()>, Error>> {
            Box::pin(async {
                if asked.iter().any(|asked| asked.key < self.1) {
                    self.2.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(self.0).await;
                }
                Ok(asked.iter().map(|_| ()).collect())
            })
        }
    }

    fn long(takes: Duration, below: usize) -> (Arc<Refresher<Long>>, Arc<AtomicUsize>) {
        let readings = Arc::new(AtomicUsize::default());
        (Arc::new(Refresher::new(Long(takes, below, Arc::clone(&readings)), CancellationToken::new())), readings)
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_long_to_read_is_read_a_quarter_of_the_time() {
        for (milliseconds, expected) in [(100, 120), (250, 120), (500, 60), (1_500, 20), (4_500, 9)] {
            let (refresher, readings) = long(Duration::from_millis(milliseconds), 1);
            let _viewer = refresher.watch(&0).await.unwrap();
            tokio::time::sleep(Duration::from_mins(2)).await;
            let readings = readings.load(Ordering::SeqCst);
            assert!(readings.abs_diff(expected) <= 1, "{milliseconds} ms: {readings} readings in two minutes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_takes_no_part_of_the_rest_of_the_others() {
        let (refresher, readings) = long(Duration::from_secs(1), 1);
        let _viewer = refresher.watch(&0).await.unwrap();
        for key in 1..=170 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            assert!(refresher.newest(&key).await.unwrap().is_some_and(|(_, age)| age < Duration::from_millis(100)));
        }
        let readings = readings.load(Ordering::SeqCst);
        assert!((28..=32).contains(&readings), "{readings} readings in two minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_reading_where_the_figures_are_not_old() {
        let (refresher, _) = long(Duration::from_millis(4_500), 1);
        let _viewer = refresher.watch(&0).await.unwrap();
        let mut oldest = Duration::ZERO;
        for _ in 0..1_000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let began = Instant::now();
            let (_, age) = refresher.newest(&0).await.unwrap().unwrap();
            assert!(began.elapsed() <= BRIEF, "waited {:?}", began.elapsed());
            oldest = oldest.max(age);
        }
        assert!(oldest > Duration::from_secs(13), "{oldest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn five_hundred_who_come_at_once_are_read_together() {
        let (refresher, readings) = long(Duration::from_millis(500), 500);
        let viewers = (0..500).map(async |id: usize| {
            tokio::time::sleep(Duration::from_millis(u64::try_from(id).unwrap_or(0) * 4)).await;
            let began = Instant::now();
            let viewer = refresher.watch(&id).await.unwrap();
            assert!(viewer.borrow().known.is_some());
            began.elapsed()
        });
        let longest = join_all(viewers).await.into_iter().max();
        assert!(longest.is_some_and(|longest| longest <= Duration::from_millis(1_010)), "{longest:?}");
        let readings = readings.load(Ordering::SeqCst);
        assert!(readings <= 12, "{readings} readings");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_nobody_watched_is_told_of_as_it_was_read_with_all_others() {
        let (refresher, fixture) = refresher();
        let viewers = join_all((0..40).map(async |id| refresher.watch(&store(id)).await.unwrap())).await;
        let readings = fixture.readings.load(Ordering::SeqCst);
        let newest = async |id| refresher.newest(&store(id)).await.unwrap().unwrap().0.watched.clone();
        assert_eq!(newest(1_000).await, store(1_000));
        assert_eq!(fixture.readings.load(Ordering::SeqCst), readings);
        // Of one store all are read once in a while.
        drop(viewers);
        tokio::time::sleep(Duration::from_secs(30)).await;
        let _viewer = refresher.watch(&store(1)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let readings = fixture.readings.load(Ordering::SeqCst);
        assert_eq!(newest(1_001).await, store(1_001));
        assert_eq!(fixture.readings.load(Ordering::SeqCst), readings);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_more_than_can_be_held_takes_the_place_of_what_nobody_watches() {
        let beginnings = Beginnings::new(Arc::new(Fixture::default()));
        let beginnings = Arc::new(Refresher::new(beginnings, CancellationToken::new()));
        let watch = async |corp: usize| beginnings.watch(&corp.to_string()).await;
        let mut viewers = join_all((0..WATCHED_MAX).map(watch)).await;
        assert_eq!(watch(WATCHED_MAX).await.unwrap_err(), Problem::Busy);
        viewers.pop();
        assert!(watch(WATCHED_MAX).await.is_ok());
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
