//! Which records repeat an earlier one of the same partition.
//!
//! Invariant: pure; decides from offsets and record timestamps alone, never from a clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `dedup`: how far back a repetition is recognised. Both bounds are facts of the log, so that every
/// process decides alike.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Offsets, at most 1,048,576: the set holds 50 bytes for each, in every partition.
    pub records: u32,
    /// Record timestamps.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub span: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { records: 65_536, span: Duration::from_hours(24) }
    }
}
