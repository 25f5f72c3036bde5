//! The managers' page and its data over HTTP.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Section `board`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    /// The corp that a page shows which names none; empty: the one with the most adds of the day.
    pub corp: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), corp: String::new() }
    }
}
