//! Figures that changed after they were shown, of a day and the week before it.
//!
//! Invariant: read once for all scopes of a corp, for they are few; each says whose figure it is.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::civil::Date;

use super::Detail;
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    pub rows: Vec<Corrected>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    pub day: Date,
    /// `late`, or what the correction says.
    pub reason: String,
    pub metric: String,
    pub region_id: String,
    pub store_id: String,
    pub staff_id: String,
    pub before: i64,
    pub after: i64,
    /// Of what came late, in ms since the epoch: when the first and the last of it had happened.
    pub occurred: Option<(i64, i64)>,
    /// The last of it.
    pub received_at: i64,
    pub is_closed: bool,
}

impl Detail for Corrections {
    const INTERVAL: Duration = Duration::from_mins(1);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        Box::pin(async move { Ok(Places::all(reader.corrections(&parts.corp, parts.day).await?)) })
    }
}
