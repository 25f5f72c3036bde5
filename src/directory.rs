//! Who works where, and what a channel code means, with the times from which that holds.
//!
//! Invariant: pure; a row once taken in is never changed, only joined by later ones.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// Section `directory`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A change holds for records from this long after its publication on; the pipeline holds back while it has not
    /// read the directory up to there. So every process decides alike, however late it learns of a change.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub delay: Duration,
    /// CSV files with the columns of the topics, for those without the topics; `None`: no file.
    pub org_file: Option<PathBuf>,
    pub channel_file: Option<PathBuf>,
    pub target_file: Option<PathBuf>,
    pub contest_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(60),
            org_file: None,
            channel_file: None,
            target_file: None,
            contest_file: None,
        }
    }
}
