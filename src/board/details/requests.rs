//! Requests by staff of a day and how many were accepted, against those of the week before at the same age.
//!
//! Invariant: both are cut at the same time of day, so that requests are compared at the same age.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Detail;
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};

/// By id at the watched level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    pub children: HashMap<String, Passed>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub sent: u64,
    pub accepted: u64,
    /// Of the seven days before, each until the same time of day.
    pub usual_sent: u64,
    pub usual_accepted: u64,
}

impl Detail for Requests {
    /// As often as they are refreshed.
    const INTERVAL: Duration = Duration::from_mins(1);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        reader.requests(parts)
    }
}
