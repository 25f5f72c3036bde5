//! The adds of a day by the minute, and of the day before.
//!
//! Invariant: as counted, in order of time; a minute without adds is left out.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Detail;
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};

/// Two days of one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    pub day: Vec<Minute>,
    pub day_before: Vec<Minute>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// Its start, in ms since the epoch.
    pub start: i64,
    pub adds: u64,
    /// Of these, adds whose record came more than 120 s late.
    pub late_adds: u64,
}

impl Detail for Course {
    /// A page is taken anew every half minute, and no stream tells of it.
    const INTERVAL: Duration = Duration::from_secs(30);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        reader.course(parts)
    }
}
