//! The adds of one member of staff one by one, and how their month stands.
//!
//! Invariant: an add is known by the place of its record; who the customer is is never read.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Detail;
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Of the day, in order of time.
    pub adds: Vec<Added>,
    /// When those of the day before were, in ms since the epoch, in order of time.
    pub day_before: Vec<i64>,
    pub month: Month,
    /// Every record that the brokers held by then (ms since the epoch) is in what is said of the adds.
    pub complete_through: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// In ms since the epoch: when it happened, and when its record came.
    pub at: i64,
    pub recorded_at: i64,
    pub channel: String,
    /// The record: topic, partition and offset.
    pub record: (String, u32, u64),
    pub fate: Fate,
}

/// What is known of an add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The refresh has not reached it.
    Unknown,
    NotNew,
    /// Deleted by the customer within 24 h.
    Left,
    /// Deleted by the member of staff within 24 h.
    Purged,
    Friend,
}

/// Qualified adds from the first of the month to the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Month {
    pub qualified: u64,
    /// Of these those that can no longer change.
    pub qualified_final: u64,
    /// What changed on closed days after they were closed.
    pub adjusted: i64,
}

impl Detail for Person {
    /// A page is taken anew every half minute, and no stream tells of it.
    const INTERVAL: Duration = Duration::from_secs(30);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        reader.person(parts)
    }
}
