//! Where records come from: Kafka, through a consumer group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Section `kafka`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `host:port`, at least one; in a file a list or text with commas.
    #[serde(deserialize_with = "crate::config::text_or_list")]
    pub brokers: Vec<String>,
    pub group: String,
    pub topics: Topics,
    /// Passed to librdkafka as they are, after our own settings: SASL, TLS, timeouts. Values may be secret.
    pub options: BTreeMap<String, String>,
}

/// Section `kafka.topics`: every topic by its role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Input; any type of event may arrive on any of them.
    #[serde(deserialize_with = "crate::config::text_or_list")]
    pub input: Vec<String>,
    pub dead_letter: String,
    pub org: String,
    pub channel: String,
    pub target: String,
    pub contest: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            brokers: vec!["127.0.0.1:9092".to_owned()],
            group: "yinliu".to_owned(),
            topics: Topics::default(),
            options: BTreeMap::new(),
        }
    }
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            input: ["friend", "message", "order", "touch"].map(|kind| format!("yinliu.{kind}.v1")).to_vec(),
            dead_letter: "yinliu.dead-letter.v1".to_owned(),
            org: "yinliu.org.v1".to_owned(),
            channel: "yinliu.channel.v1".to_owned(),
            target: "yinliu.target.v1".to_owned(),
            contest: "yinliu.contest.v1".to_owned(),
        }
    }
}
