//! Where rows go: ClickHouse over HTTP(S).

use serde::{Deserialize, Serialize};

/// Section `clickhouse`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `http://` or `https://`, host and port.
    pub url: String,
    pub database: String,
    pub user: String,
    /// Secret.
    pub password: String,
    /// `ON CLUSTER` of the migrations, with `Replicated*` engines; empty: one server, plain engines.
    pub cluster: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".to_owned(),
            database: "yinliu".to_owned(),
            user: "default".to_owned(),
            password: String::new(),
            cluster: String::new(),
        }
    }
}
