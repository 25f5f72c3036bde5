//! The stages in the order of the picture, and the one arrow that returns.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `flush`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// From one flush to the next; earlier where a batch is full. At least 100 ms, for ClickHouse wants few inserts.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1) }
    }
}
