//! The figures of each view.
//!
//! Invariant: all views of a corp and day that are made of the same rows are made of one reading of them.
//!
//! Why whole levels are read: a question for four hundred stores costs what one for all of them does, and what was read of a
//! store before anybody looked at it is there for whoever comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all, try_join_all};
use jiff::civil::Date;
use tokio::time::Instant;

use super::{Beginnings, Directories, Organisations};
use crate::board::counts::Counts;
use crate::board::days::{self, DayState, Instants};
use crate::board::details::Readings;
use crate::board::leaderboard::Ranks;
use crate::board::news;
use crate::board::reader::{Clock, Directory, Earlier, Error, Parts, Reader, Within};
use crate::board::refresh::{Asked, Refresher, Source};
use crate::board::snapshot::{Derived, Snapshot};
use crate::board::view::{Level, Scope, Watched};
use crate::corp::Corps;

/// From so many stores and members of staff on, all of them are asked for: that costs no more.
const MANY: usize = 32;
/// Of fewer, all are read once in this time, for whoever comes.
const ALL_EVERY: Duration = Duration::from_secs(10);
/// What was read of all this long ago is shown to whoever comes, until they are read themselves: a reading of all comes with
/// its rest some seconds after it is due.
const ALL_KEPT: Duration = Duration::from_secs(15);

/// The figures of each view.
#[derive(Debug)]
pub struct Views {
    reader: Arc<dyn Reader>,
    corps: Corps,
    beside: Beside,
    /// The last reading of all that a batch can tell of.
    all: Mutex<HashMap<Watched, Arc<Counted>>>,
}

/// What is read for views beside their counts.
#[derive(Debug)]
pub struct Beside {
    pub organisations: Arc<Refresher<Organisations>>,
    pub beginnings: Arc<Refresher<Beginnings>>,
    pub directories: Arc<Refresher<Directories>>,
    pub details: Readings,
}

/// The counts of a day at one instant.
#[derive(Debug)]
struct Counted {
    clock: Clock,
    day: Date,
    instants: Instants,
    counts: Counts,
    read_at: Instant,
}

impl Views {
    #[must_use]
    pub fn new(reader: Arc<dyn Reader>, corps: Corps, beside: Beside) -> Self {
        Self { reader, corps, beside, all: Mutex::default() }
    }

    /// Of views that are made of the same rows, in their order.
    async fn snapshots(&self, asked: &[Asked<Self>]) -> Result<Vec<Snapshot>, Error> {
        let Some(first) = asked.first() else { return Ok(Vec::new()) };
        let corp = &first.key.corp;
        let counted = match self.newer(asked, &first.key) {
            Some(all) => all,
            None => self.count(asked, &first.key).await?,
        };
        let instants = &counted.instants;
        let details = join_all(asked.iter().map(|asked| self.beside.details.glance(&asked.key, instants)));
        let (details, earlier, directory, beginning) = tokio::join!(
            details,
            self.earlier(asked, &counted),
            self.directory(first, &counted.instants),
            self.beside.beginnings.newest(corp),
        );
        let counted_since = beginning.ok().flatten().and_then(|(since, _)| *since);
        let time_zone = self.corps.get(corp).time_zone.iana_name().unwrap_or("UTC");
        let snapshot = |((asked, details), earlier): ((&Asked<Self>, _), Arc<Earlier>)| {
            let (watched, before) = (asked.key.clone(), asked.before.as_deref());
            let told = before.filter(|before| {
                Arc::ptr_eq(&before.earlier, &earlier) && before.directory == directory && before.day == counted.day
            });
            let news = told.map_or_else(
                || news::of_the_hour(&watched, instants, &earlier, &directory),
                |before| before.news.clone(),
            );
            let snapshot = Snapshot {
                day: counted.day,
                counted_since,
                time_zone: time_zone.to_owned(),
                clock: counted.clock,
                instants: counted.instants,
                counts: counted.counts.day(&watched.scope, watched.level),
                watched,
                earlier,
                directory: directory.clone(),
                details,
                news,
                derived: Derived::default(),
                ranks: Ranks::default(),
                revision: counted.clock.now,
            };
            revised(snapshot.with_derived(), before)
        };
        Ok(asked.iter().zip(details).zip(earlier?).map(snapshot).collect())
    }

    /// The last reading of all, where it tells everybody who asks of more than they know.
    fn newer(&self, asked: &[Asked<Self>], first: &Watched) -> Option<Arc<Counted>> {
        let all = Arc::clone(self.all.lock().unwrap_or_else(PoisonError::into_inner).get(&Self::shared(first))?);
        let is_newer =
            |asked: &Asked<Self>| asked.before.as_ref().is_none_or(|before| before.clock.now < all.clock.now);
        (all.read_at.elapsed() < ALL_KEPT && asked.iter().all(is_newer)).then_some(all)
    }

    /// Reads the counts of those who ask, and of all others where that costs no more, or where they were not read of late.
    async fn count(&self, asked: &[Asked<Self>], first: &Watched) -> Result<Arc<Counted>, Error> {
        let read_at = Instant::now();
        let zone = &self.corps.get(&first.corp).time_zone;
        let clock = self.reader.clock(&first.corp).await?;
        let complete_through = clock.complete_through.unwrap_or(i64::MIN);
        let day = first.day.or_else(|| days::day_of(clock.now, zone)).unwrap_or_default();
        let instants = days::instants(day, complete_through, zone).ok_or(Error::Day { day })?;
        let within = self.within(asked, first);
        let counts = self.reader.counts(&first.corp, day, &within).await?;
        let counted = Arc::new(Counted { clock, day, instants, counts, read_at });
        if !matches!(within, Within::Some { .. }) {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, counted| counted.read_at.elapsed() < ALL_KEPT);
            all.insert(Self::shared(first), Arc::clone(&counted));
        }
        Ok(counted)
    }

    fn within(&self, asked: &[Asked<Self>], first: &Watched) -> Within {
        if matches!(first.scope.level, Level::Corp | Level::Region) {
            return Within::Regions;
        }
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let all_are_due = all.get(&Self::shared(first)).is_none_or(|all| all.read_at.elapsed() >= ALL_EVERY);
        // Whoever comes first does not wait for all others.
        if asked.len() >= MANY || all_are_due && asked.iter().any(|asked| asked.before.is_some()) {
            return Within::Everywhere;
        }
        let ids = |level| {
            let scopes = asked.iter().map(|asked| &asked.key.scope).filter(|scope| scope.level == level);
            scopes.map(|scope| scope.id.clone()).collect()
        };
        Within::Some { stores: ids(Level::Store), staff: ids(Level::Staff) }
    }

    /// The counts of earlier moments of each view: those that were read ahead, or read now where these are not of this minute.
    async fn earlier(&self, asked: &[Asked<Self>], counted: &Counted) -> Result<Vec<Arc<Earlier>>, Error> {
        let known =
            join_all(asked.iter().map(|asked| self.beside.details.earlier(&asked.key, &counted.instants))).await;
        let missing = asked.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(asked, _)| &asked.key);
        let mut missing_ids: HashMap<(Level, Level), Vec<String>> = HashMap::new();
        for Watched { scope, level, .. } in missing {
            missing_ids.entry((scope.level, *level)).or_default().push(scope.id.clone());
        }
        let read = missing_ids.into_iter().map(async |((scope, level), ids)| {
            let corp = asked.first().map(|asked| asked.key.corp.clone()).unwrap_or_default();
            let parts = Parts { corp, day: counted.day, scope, ids: Some(ids), level };
            Ok::<_, Error>(((scope, level), self.reader.earlier(&parts, &counted.instants).await?))
        });
        let read: HashMap<_, _> = try_join_all(read).await?.into_iter().collect();
        let earlier = |(asked, known): (&Asked<Self>, Option<Arc<Earlier>>)| {
            let Watched { scope, level, .. } = &asked.key;
            known.or_else(|| Some(Arc::clone(read.get(&(scope.level, *level))?.get(&scope.id)))).unwrap_or_default()
        };
        Ok(asked.iter().zip(known).map(earlier).collect())
    }

    /// What is told of the corp beside the counts: the newest that could be read, or as it was before.
    async fn directory(&self, asked: &Asked<Self>, instants: &Instants) -> Directory {
        let (corp, day) = (&asked.key.corp, instants.now.day);
        // Of a day that is over, as at its end.
        let at = (instants.state != DayState::Open).then_some(instants.bounds.1);
        let before = asked.before.as_ref().filter(|before| before.day == day).map(|before| &before.directory);
        let (key, moment) = ((corp.clone(), day), (corp.clone(), at));
        let (read, organisation) =
            tokio::join!(self.beside.directories.newest(&key), self.beside.organisations.newest(&moment));
        let read = read.ok().flatten().map(|(read, _)| Directory::clone(&read));
        let mut directory = read.or_else(|| before.cloned()).unwrap_or_default();
        // Without an organisation places are shown by their ids.
        if let Ok(Some((organisation, _))) = organisation {
            directory.organisation = organisation;
        }
        // One and the same is compared at once, by thousands of views.
        before.filter(|before| **before == directory).cloned().unwrap_or(directory)
    }
}

/// A snapshot with a revision of its own if it shows anything new.
fn revised(mut snapshot: Snapshot, before: Option<&Snapshot>) -> Snapshot {
    if let Some(before) = before {
        let same = snapshot.shows_the_same_as(before);
        // The clock of a server may be set back; a revision never is.
        snapshot.revision = if same { before.revision } else { snapshot.clock.now.max(before.revision + 1) };
    }
    snapshot
}

impl Source for Views {
    type Key = Watched;
    type Value = Snapshot;

    /// Figures change with every flush, which comes once a second by default.
    const INTERVAL: Duration = Duration::from_secs(1);

    /// The rows of which they are made: those of corp and regions, or those of stores and staff.
    fn shared(watched: &Watched) -> Watched {
        let level = match watched.scope.level {
            Level::Corp | Level::Region => Level::Corp,
            Level::Store | Level::Staff => Level::Store,
        };
        let scope = Scope { level, id: String::new() };
        Watched { scope, level: Level::Staff, ..watched.clone() }
    }

    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<Snapshot>, Error>> {
        Box::pin(self.snapshots(asked))
    }
}
