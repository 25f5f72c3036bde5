//! What the board watches: corps, organisations, views.
//!
//! Invariant: each is read once for all who watch it; a reading is computed from the one before and from the reader alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::civil::Date;
use tokio::time::Instant;

use super::days;
use super::details::Readings;
use super::news;
use super::organisation::Organisation;
use super::reader::{Error, Reader};
use super::refresh::{Refresher, Source};
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

    fn read<'a>(&'a self, (): &'a (), _: Option<&'a Vec<String>>) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        self.reader.busiest_corps()
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

    fn read<'a>(&'a self, corp: &'a String, _: Option<&'a Organisation>) -> BoxFuture<'a, Result<Organisation, Error>> {
        self.reader.organisation(corp)
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

    fn read<'a>(&'a self, corp: &'a String, _: Option<&'a Option<Date>>) -> BoxFuture<'a, Result<Option<Date>, Error>> {
        self.reader.counted_since(corp)
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

    fn is_for(&self, day: Date, minute: i64) -> bool {
        self.day == day && self.minute == minute && self.read_at.elapsed() < SLOW_INTERVAL
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

    async fn snapshot(&self, watched: &Watched, before: Option<&Snapshot>) -> Result<Snapshot, Error> {
        let zone = &self.corps.get(&watched.corp).time_zone;
        let clock = self.reader.clock(&watched.corp).await?;
        let complete_through = clock.complete_through.unwrap_or(i64::MIN);
        let day = watched.day.or_else(|| days::day_of(clock.now, zone)).unwrap_or_default();
        let instants = days::instants(day, complete_through, zone).ok_or(Error::Day { day })?;
        let minute = instants.now.minute();
        let recent = before.filter(|before| before.slow.is_for(day, minute));
        let counted = async {
            let counts = self.reader.day(watched, day).await?;
            if let Some(before) = recent {
                let Snapshot { slow, earlier, directory, news, .. } = before;
                return Ok::<_, Error>((counts, *slow, earlier.clone(), directory.clone(), Some(news.clone())));
            }
            let earlier = self.reader.earlier(watched, &instants).await?;
            let directory = self.reader.directory(watched, day).await?;
            Ok((counts, Slow::now(day, minute), earlier, directory, None))
        };
        // At the same time, for the first viewer of a scope waits for both.
        let (details, counted) = tokio::join!(self.details.glance(watched, &instants), counted);
        let (counts, slow, earlier, mut directory, news) = counted?;
        // Without an organisation places are shown by their ids.
        if let Ok(Some((organisation, _))) = self.organisations.newest(&watched.corp).await {
            directory.organisation = organisation;
        }
        let beginning = self.beginnings.newest(&watched.corp).await.ok().flatten();
        let counted_since = beginning.and_then(|(since, _)| *since);
        let time_zone = zone.iana_name().unwrap_or("UTC").to_owned();
        let news = news.unwrap_or_else(|| news::of_the_hour(watched, &instants, &earlier, &directory));
        let (watched, revision) = (watched.clone(), clock.now);
        let mut snapshot = Snapshot {
            watched,
            day,
            counted_since,
            time_zone,
            clock,
            instants,
            counts,
            earlier,
            directory,
            details,
            news,
            derived: Derived::default(),
            revision,
            slow,
        }
        .with_derived();
        if let Some(before) = before {
            let same = snapshot.shows_the_same_as(before);
            // The clock of a server may be set back; a revision never is.
            snapshot.revision = if same { before.revision } else { clock.now.max(before.revision + 1) };
        }
        Ok(snapshot)
    }
}

impl Source for Views {
    type Key = Watched;
    type Value = Snapshot;

    /// Figures change with every flush, which comes once a second by default.
    const INTERVAL: Duration = Duration::from_secs(1);

    fn read<'a>(
        &'a self,
        watched: &'a Watched,
        before: Option<&'a Snapshot>,
    ) -> BoxFuture<'a, Result<Snapshot, Error>> {
        Box::pin(self.snapshot(watched, before))
    }
}
