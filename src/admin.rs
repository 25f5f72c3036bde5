//! The port for operators: `/metrics`, `/livez`, `/readyz`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Section `admin`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)) }
    }
}
