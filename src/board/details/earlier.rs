//! The counts of earlier moments, read ahead of the minute that comes.
//!
//! Invariant: what is told of a moment was read for it, or a minute before together with the minute that was missing.
//!
//! Why not with the counts: of days and minutes that are over hardly anything changes within a minute, and reading a day by
//! the minute takes as long as everything else together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::{Key, TOGETHER_MAX};
use crate::board::days::{self, DayState, Instants, MINUTE_MS};
use crate::board::places::Places;
use crate::board::reader::{Earlier, Error, Parts, Reader};
use crate::board::refresh::{Asked, Source};
use crate::corp::Corps;

/// The earlier counts of places, by what they have in common.
#[derive(Debug)]
pub struct Earliers {
    reader: Arc<dyn Reader>,
    corps: Corps,
    at_once: Arc<Semaphore>,
}

/// What was read for one minute.
#[derive(Clone, Debug)]
pub struct AsOf {
    pub places: Places<Earlier>,
    /// From this reading to that of the next minute.
    next_in: Duration,
}

impl Earliers {
    #[must_use]
    pub fn new(reader: Arc<dyn Reader>, corps: Corps, at_once: Arc<Semaphore>) -> Self {
        Self { reader, corps, at_once }
    }

    async fn as_of(&self, parts: &Parts) -> Result<AsOf, Error> {
        // Never closed; without a permit it would be read all the same.
        let _permit = self.at_once.acquire().await;
        let clock = self.reader.clock(&parts.corp).await?;
        let through = clock.complete_through.unwrap_or(i64::MIN);
        let zone = &self.corps.get(&parts.corp).time_zone;
        let instants = days::instants(parts.day, through, zone).ok_or(Error::Day { day: parts.day })?;
        let places = self.reader.earlier(parts, &instants).await?;
        Ok(AsOf { places, next_in: next_in(&instants) })
    }
}

/// So long after a minute has turned it is read: what is complete comes in steps, and the minute before would be read again.
const AFTER: Duration = Duration::from_secs(5);

/// From a moment to the next minute, as long as minutes pass.
fn next_in(instants: &Instants) -> Duration {
    let passed = instants.now.until.rem_euclid(MINUTE_MS);
    let left = if instants.state == DayState::Open { MINUTE_MS - passed } else { MINUTE_MS };
    Duration::from_millis(left.unsigned_abs()) + AFTER
}

impl Source for Earliers {
    type Key = Key;
    type Value = AsOf;

    const INTERVAL: Duration = Duration::from_mins(1);

    fn interval_after(read: &AsOf) -> Duration {
        read.next_in
    }

    fn shared(key: &Key) -> Key {
        key.shared()
    }

    fn read<'a>(&'a self, asked: &'a [Asked<Self>]) -> BoxFuture<'a, Result<Vec<AsOf>, Error>> {
        Box::pin(async move {
            let mut read = Vec::with_capacity(asked.len());
            for parts in super::parts(asked) {
                let as_of = self.as_of(&parts).await?;
                read.resize((read.len() + TOGETHER_MAX).min(asked.len()), as_of);
            }
            Ok(read)
        })
    }
}
