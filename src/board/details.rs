//! What a view shows beside its counts, each read at a pace of its own.
//!
//! Invariant: a detail that cannot be read holds nothing else back: it is absent, and the page says so in its place.
//!
//! Why not with the counts: they change once a second and cost milliseconds; a day by the minute or the cohorts cost
//! more and change seldom.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::civil::Date;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::days::Instants;
use super::places::Places;
use super::reader::{Earlier, Error, Parts, Reader};
use super::refresh::{Asked, Refresher, Source};
use super::view::{Level, Scope, Watched};
use crate::corp::Corps;

pub mod broadcasts;
pub mod codes;
pub mod cohorts;
pub mod contests;
pub mod corrections;
pub mod course;
pub mod earlier;
pub mod history;
pub mod person;
pub mod requests;

use self::broadcasts::Broadcasts;
use self::codes::Codes;
use self::cohorts::Cohorts;
use self::contests::Contests;
use self::corrections::Corrections;
use self::course::Course;
use self::earlier::Earliers;
use self::history::History;
use self::person::Person;
use self::requests::Requests;

/// What a detail is of: all stores, or all regions, share one reading, so that it is there for whoever comes. Of thousands of
/// members of staff those are read together who are watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub corp: String,
    pub day: Date,
    /// Without an id but for staff.
    pub scope: Scope,
    pub level: Level,
}

impl Key {
    /// Of the scope of a view, by its level.
    fn of(watched: &Watched, day: Date) -> Self {
        let scope = if watched.scope.level == Level::Staff { watched.scope.clone() } else { watched.scope.shared() };
        Self { corp: watched.corp.clone(), day, scope, level: watched.level }
    }

    /// What it has in common with those that are read together with it.
    fn shared(&self) -> Self {
        Self { scope: self.scope.shared(), ..self.clone() }
    }

    /// Of the scope alone, whatever its rows are.
    fn of_scope(watched: &Watched, day: Date) -> Self {
        Self { level: watched.scope.levels()[0], ..Self::of(watched, day) }
    }

    /// Of the whole corp.
    fn of_corp(watched: &Watched, day: Date) -> Self {
        Self { scope: Scope::corp(), level: Level::Region, ..Self::of(watched, day) }
    }
}

/// One detail, as read.
pub trait Detail: Debug + Eq + Send + Sync + Sized + 'static {
    /// From one reading to the next.
    const INTERVAL: Duration;

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>>;
}

/// The source of one detail.
#[derive(Debug)]
pub struct Of<D> {
    reader: Arc<dyn Reader>,
    at_once: Arc<Semaphore>,
    detail: PhantomData<fn() -> D>,
}

impl<D: Detail> Source for Of<D> {
    type Key = Key;
    type Value = Places<D>;

    const INTERVAL: Duration = D::INTERVAL;

    fn shared(key: &Key) -> Key {
        key.shared()
    }

    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<Places<D>>, Error>> {
        Box::pin(async move {
            let mut read = Vec::with_capacity(asked.len());
            for parts in parts(asked) {
                // Never closed; without a permit it would be read all the same.
                let _permit = self.at_once.acquire().await;
                let places = D::read(self.reader.as_ref(), &parts).await?;
                read.resize((read.len() + TOGETHER_MAX).min(asked.len()), places);
            }
            Ok(read)
        })
    }
}

/// Keys of one question: ids are at most 64 bytes, a question names them thrice, and ClickHouse reads 256 KiB of it.
const TOGETHER_MAX: usize = 1_000;

/// What is read for keys that have everything in common that is shared: for each [`TOGETHER_MAX`] of them.
fn parts<S: Source<Key = Key>>(asked: &[Asked<S>]) -> impl Iterator<Item = Parts> {
    asked.chunks(TOGETHER_MAX).filter_map(|asked| {
        let Key { corp, day, scope, level } = &asked.first()?.key;
        let ids = || asked.iter().map(|asked| asked.key.scope.id.clone()).collect();
        let ids = (scope.level == Level::Staff).then(ids);
        Some(Parts { corp: corp.clone(), day: *day, scope: scope.level, ids, level: *level })
    })
}

/// So many details are read at once: the counts, which everybody waits for, must not wait behind ten of them.
const AT_ONCE: usize = 2;

/// All that is known of a view beside its counts; a detail that could not be read of late is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    pub cohorts: Option<Arc<Cohorts>>,
    pub course: Option<Arc<Course>>,
    pub history: Option<Arc<History>>,
    pub broadcasts: Option<Arc<Broadcasts>>,
    pub requests: Option<Arc<Requests>>,
    pub corrections: Option<Arc<Corrections>>,
    pub contests: Option<Arc<Contests>>,
    pub codes: Option<Arc<Codes>>,
    /// Of a scope that is one member of staff.
    pub person: Option<Arc<Person>>,
}

/// The details of all views that are watched.
#[derive(Debug)]
pub struct Readings {
    earlier: Arc<Refresher<Earliers>>,
    cohorts: Arc<Refresher<Of<Cohorts>>>,
    course: Arc<Refresher<Of<Course>>>,
    history: Arc<Refresher<Of<History>>>,
    broadcasts: Arc<Refresher<Of<Broadcasts>>>,
    requests: Arc<Refresher<Of<Requests>>>,
    corrections: Arc<Refresher<Of<Corrections>>>,
    contests: Arc<Refresher<Of<Contests>>>,
    codes: Arc<Refresher<Of<Codes>>>,
    person: Arc<Refresher<Of<Person>>>,
}

impl Readings {
    #[must_use]
    pub fn new(reader: &Arc<dyn Reader>, corps: &Corps, shutdown: &CancellationToken) -> Self {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        let earlier = Earliers::new(Arc::clone(reader), corps.clone(), Arc::clone(&at_once));
        Self {
            earlier: Arc::new(Refresher::new(earlier, shutdown.clone())),
            cohorts: refresher(reader, &at_once, shutdown),
            course: refresher(reader, &at_once, shutdown),
            history: refresher(reader, &at_once, shutdown),
            broadcasts: refresher(reader, &at_once, shutdown),
            requests: refresher(reader, &at_once, shutdown),
            corrections: refresher(reader, &at_once, shutdown),
            contests: refresher(reader, &at_once, shutdown),
            codes: refresher(reader, &at_once, shutdown),
            person: refresher(reader, &at_once, shutdown),
        }
    }

    /// The counts of earlier moments; absent where they were read for others.
    pub async fn earlier(&self, watched: &Watched, instants: &Instants) -> Option<Arc<Earlier>> {
        let (read, _) = self.earlier.glance(&Key::of(watched, instants.now.day)).await?;
        read.places.get(&watched.scope.id).as_of(instants)
    }

    /// What is known of a view at this moment.
    pub async fn glance(&self, watched: &Watched, instants: &Instants) -> Details {
        let day = instants.now.day;
        let person = async {
            let is_person = watched.scope.level == Level::Staff;
            if is_person { glance(&self.person, watched, Key::of_scope(watched, day)).await } else { None }
        };
        let (cohorts, course, history, broadcasts, requests, corrections, contests, codes, person) = tokio::join!(
            glance(&self.cohorts, watched, Key::of(watched, day)),
            glance(&self.course, watched, Key::of_scope(watched, day)),
            glance(&self.history, watched, Key::of(watched, day)),
            glance(&self.broadcasts, watched, Key::of(watched, day)),
            glance(&self.requests, watched, Key::of(watched, day)),
            glance(&self.corrections, watched, Key::of_corp(watched, day)),
            glance(&self.contests, watched, Key::of_corp(watched, day)),
            glance(&self.codes, watched, Key::of_corp(watched, day)),
            person,
        );
        Details { cohorts, course, history, broadcasts, requests, corrections, contests, codes, person }
    }
}

fn refresher<D: Detail>(
    reader: &Arc<dyn Reader>,
    at_once: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Arc<Refresher<Of<D>>> {
    let source = Of { reader: Arc::clone(reader), at_once: Arc::clone(at_once), detail: PhantomData };
    Arc::new(Refresher::new(source, shutdown.clone()))
}

/// A detail that was not read for so many of its intervals is no longer shown.
const MISSED_MAX: u32 = 6;

async fn glance<D: Detail>(readings: &Arc<Refresher<Of<D>>>, watched: &Watched, key: Key) -> Option<Arc<D>> {
    let (places, age) = readings.glance(&key).await?;
    (age <= D::INTERVAL * MISSED_MAX).then(|| Arc::clone(places.get(&watched.scope.id)))
}
