//! What the board watches: corps, organisations, views.
//!
//! Invariant: each is read once for all who watch it, and all views of a corp and day that tell of the same levels at once;
//! a reading is computed from the one before and from the reader alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all, try_join_all};
use jiff::civil::Date;
use tokio::time::Instant;

use super::days;
use super::details::Readings;
use super::news;
use super::organisation::Organisation;
use super::reader::{Directory, Error, Parts, Reader};
use super::refresh::{Asked, Refresher, Source};
use super::snapshot::{Derived, Snapshot};
use super::view::Watched;
use crate::corp::Corps;

/// Names, targets and earlier counts hardly change within a minute: a tenth of the readings is enough.
const SLOW_INTERVAL: Duration = Duration::from_secs(10);

/// The two busiest corps, of which a page that names none shows the first.
#[derive(Debug)]
pub struct BusiestCorps {
    reader: Arc<dyn Reader>,
}

impl BusiestCorps {
    #[must_use]
    pub fn new(reader: Arc<dyn Reader>) -> Self {
        Self { reader }
    }
}

impl Source for BusiestCorps {
    type Key = ();
    type Value = Vec<String>;

    /// Which corp is the busiest changes seldom.
    const INTERVAL: Duration = Duration::from_mins(1);

    /// Before anything was counted, pages wait for the first corp as for figures.
    fn interval_after(corps: &Vec<String>) -> Duration {
        if corps.is_empty() { Views::INTERVAL } else { Self::INTERVAL }
    }

    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<Vec<String>>, Error>> {
        Box::pin(try_join_all(asked.iter().map(|_| self.reader.busiest_corps())))
    }
}

/// The organisation of each corp.
#[derive(Debug)]
pub struct Organisations {
    reader: Arc<dyn Reader>,
}

impl Organisations {
    #[must_use]
    pub fn new(reader: Arc<dyn Reader>) -> Self {
        Self { reader }
    }
}

impl Source for Organisations {
    type Key = String;
    type Value = Organisation;

    const INTERVAL: Duration = SLOW_INTERVAL;

    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<Organisation>, Error>> {
        Box::pin(try_join_all(asked.iter().map(|asked| self.reader.organisation(&asked.key))))
    }
}

/// Since when each corp is counted.
#[derive(Debug)]
pub struct Beginnings {
    reader: Arc<dyn Reader>,
}

impl Beginnings {
    #[must_use]
    pub fn new(reader: Arc<dyn Reader>) -> Self {
        Self { reader }
    }
}

impl Source for Beginnings {
    type Key = String;
    /// The first business day that was counted; absent while there is none.
    type Value = Option<Date>;

    /// Records of days before move it alone.
    const INTERVAL: Duration = Duration::from_mins(10);

    fn interval_after(since: &Option<Date>) -> Duration {
        if since.is_none() { SLOW_INTERVAL } else { Self::INTERVAL }
    }

    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<Option<Date>>, Error>> {
        Box::pin(try_join_all(asked.iter().map(|asked| self.reader.counted_since(&asked.key))))
    }
}

/// The figures of each view.
#[derive(Debug)]
pub struct Views {
    reader: Arc<dyn Reader>,
    corps: Corps,
    organisations: Arc<Refresher<Organisations>>,
    beginnings: Arc<Refresher<Beginnings>>,
    details: Readings,
}

/// For when what is read at the slower pace was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    day: Date,
    minute: i64,
    read_at: Instant,
}

impl Slow {
    /// Read now, for a day and the minute (ms since the epoch) that runs in it.
    #[must_use]
    pub fn now(day: Date, minute: i64) -> Self {
        Self { day, minute, read_at: Instant::now() }
    }

    /// Whether what was read then need not be read again now.
    fn holds(&self, now: Self) -> bool {
        self.day == now.day && self.minute == now.minute && now.read_at - self.read_at < SLOW_INTERVAL
    }
}

impl Views {
    #[must_use]
    pub fn new(
        reader: Arc<dyn Reader>,
        corps: Corps,
        organisations: Arc<Refresher<Organisations>>,
        beginnings: Arc<Refresher<Beginnings>>,
        details: Readings,
    ) -> Self {
        Self { reader, corps, organisations, beginnings, details }
    }

    /// Of views of one corp and day that tell of the same levels, in their order.
    async fn snapshots(&self, asked: &[Asked<Self>]) -> Result<Vec<Snapshot>, Error> {
        let Some(first) = asked.first() else { return Ok(Vec::new()) };
        let Watched { corp, scope, level, .. } = &first.key;
        let zone = &self.corps.get(corp).time_zone;
        let clock = self.reader.clock(corp).await?;
        let complete_through = clock.complete_through.unwrap_or(i64::MIN);
        let day = first.key.day.or_else(|| days::day_of(clock.now, zone)).unwrap_or_default();
        let instants = days::instants(day, complete_through, zone).ok_or(Error::Day { day })?;
        let slow = Slow::now(day, instants.now.minute());
        let recent: Vec<_> =
            asked.iter().map(|asked| asked.before.as_deref().filter(|before| before.slow.holds(slow))).collect();
        let stale = asked.iter().zip(&recent).filter(|(_, recent)| recent.is_none()).map(|(asked, _)| asked);
        let id = |asked: &Asked<Self>| asked.key.scope.id.clone();
        let parts =
            Parts { corp: corp.clone(), day, scope: scope.level, ids: asked.iter().map(id).collect(), level: *level };
        let stale = Parts { ids: stale.map(id).collect(), ..parts.clone() };
        let counted = async {
            let counts = self.reader.day(&parts).await?;
            if stale.ids.is_empty() {
                return Ok::<_, Error>((counts, Vec::new(), None));
            }
            let earlier = self.reader.earlier(&stale, &instants).await?;
            Ok((counts, earlier, Some(self.reader.directory(&parts).await?)))
        };
        // At the same time, for the first viewer of a scope waits for both.
        let details = join_all(asked.iter().map(|asked| self.details.glance(&asked.key, &instants)));
        let (details, counted) = tokio::join!(details, counted);
        let (counts, earlier, directory) = counted?;
        let directory = self.directory(first, directory).await;
        let beginning = self.beginnings.newest(corp).await.ok().flatten();
        let counted_since = beginning.and_then(|(since, _)| *since);
        let time_zone = zone.iana_name().unwrap_or("UTC").to_owned();
        let mut earlier = earlier.into_iter();
        let mut snapshots = Vec::with_capacity(asked.len());
        for (((asked, recent), counts), details) in asked.iter().zip(recent).zip(counts).zip(details) {
            let watched = asked.key.clone();
            let (slow, earlier, news) = recent.map_or_else(
                || {
                    let earlier = earlier.next().unwrap_or_default();
                    let news = news::of_the_hour(&watched, &instants, &earlier, &directory);
                    (slow, earlier, news)
                },
                |recent| (recent.slow, recent.earlier.clone(), recent.news.clone()),
            );
            let snapshot = Snapshot {
                watched,
                day,
                counted_since,
                time_zone: time_zone.clone(),
                clock,
                instants,
                counts,
                earlier,
                directory: directory.clone(),
                details,
                news,
                derived: Derived::default(),
                revision: clock.now,
                slow,
            };
            snapshots.push(revised(snapshot.with_derived(), asked.before.as_deref()));
        }
        Ok(snapshots)
    }

    /// What is told of the corp beside the counts: as it was `read`, or before where it was not, with the newest organisation.
    async fn directory(&self, asked: &Asked<Self>, read: Option<Directory>) -> Directory {
        let before = asked.before.as_ref().map(|before| &before.directory);
        let mut directory = read.or_else(|| before.cloned()).unwrap_or_default();
        // Without an organisation places are shown by their ids.
        if let Ok(Some((organisation, _))) = self.organisations.newest(&asked.key.corp).await {
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

    fn shared(watched: &Watched) -> Watched {
        Watched { scope: watched.scope.shared(), ..watched.clone() }
    }

    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<Snapshot>, Error>> {
        Box::pin(self.snapshots(asked))
    }
}
