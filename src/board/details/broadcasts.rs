//! Broadcasts of a day, and who deleted the sender within 24 h.
//!
//! Invariant: numerators and denominators as counted; no rate is stored.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Detail;
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broadcasts {
    /// Of the day, by task and by child at the watched level.
    pub sent: Vec<Sent>,
    pub usual: Usual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub task_id: String,
    /// Empty where the task has none.
    pub name: String,
    pub child: String,
    /// In ms since the epoch: the first of the task.
    pub sent_at: i64,
    pub audience: u64,
    pub deleted_24h: u64,
    /// The 24 h have not passed.
    pub is_provisional: bool,
}

/// All broadcasts of the scope of the 30 days before whose 24 h have passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    pub audience: u64,
    pub deleted_24h: u64,
    pub tasks: u64,
}

impl Detail for Broadcasts {
    /// As often as they are refreshed.
    const INTERVAL: Duration = Duration::from_mins(1);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        reader.broadcasts(parts)
    }
}
