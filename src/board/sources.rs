//! What the board watches: corps, organisations, views.
//!
//! Invariant: each is read once for all who watch it; a reading is computed from the one before and from the reader alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use jiff::civil::Date;

use super::organisation::Organisation;
use super::reader::{Directory, Error, Reader};
use super::refresh::{Asked, Source};

mod views;

pub use views::{Beside, Views};

/// Names and targets hardly change within a minute: a tenth of the readings is enough.
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

/// The organisation of each corp, at a moment that is over or now: what is told of a day is divided by who was at work then.
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
    /// The corp, and the moment in ms since the epoch; absent is now.
    type Key = (String, Option<i64>);
    type Value = Organisation;

    const INTERVAL: Duration = SLOW_INTERVAL;

    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<Organisation>, Error>> {
        Box::pin(try_join_all(asked.iter().map(|asked| self.reader.organisation(&asked.key.0, asked.key.1))))
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

/// The targets of each corp and day, and its channels.
#[derive(Debug)]
pub struct Directories {
    reader: Arc<dyn Reader>,
}

impl Directories {
    #[must_use]
    pub fn new(reader: Arc<dyn Reader>) -> Self {
        Self { reader }
    }
}

impl Source for Directories {
    type Key = (String, Date);
    type Value = Directory;

    /// Targets are set for days.
    const INTERVAL: Duration = Duration::from_secs(30);

    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<Directory>, Error>> {
        let directory = |asked: &'a Asked<Self>| self.reader.directory(&asked.key.0, asked.key.1);
        Box::pin(try_join_all(asked.iter().map(directory)))
    }
}
