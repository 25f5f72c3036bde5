//! Channel codes without an add for longer than is usual.
//!
//! Invariant: a code belongs to a part of the organisation only where all its adds of the last 14 days do.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Detail;
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// Of the corp, the one with the most adds first.
    pub silent: Vec<Code>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub state: String,
    /// Empty where the corp gave it none.
    pub label: String,
    pub channel: String,
    pub region_id: String,
    pub store_id: String,
    pub staff_id: String,
    /// In ms since the epoch.
    pub last_add_at: i64,
    /// The 95th percentile of the gaps between its adds.
    pub usual_gap_seconds: u64,
}

impl Detail for Codes {
    const INTERVAL: Duration = Duration::from_mins(1);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        Box::pin(async move { Ok(Places::all(reader.codes(&parts.corp).await?)) })
    }
}
