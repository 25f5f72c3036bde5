//! Where records come from: Kafka, through a consumer group.
//!
//! Invariant: reads and positions; nothing here looks into a record or remembers one.

mod context;
mod ffi;
mod kafka;
pub mod log;

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
};
use serde::{Deserialize, Deserializer, Serialize};

pub use context::Complaint;
pub(crate) use context::{Complaints, Quiet, complaint, hear, hear_error};
pub use kafka::Kafka;
use rustc_hash::FxHashMap;

use crate::{batch::Origin, event::Record};

/// Section `kafka`.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `host:port`, at least one; in a file a list or text with commas.
    #[serde(deserialize_with = "text_or_list")]
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
    #[serde(deserialize_with = "text_or_list")]
    pub input: Vec<String>,
    pub dead_letter: String,
    pub org: String,
    pub channel: String,
    pub target: String,
    pub contest: String,
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, group, topics, options } = self;
        let options: Vec<_> = options.keys().collect();
        let mut fields = formatter.debug_struct("Config");
        fields
            .field("brokers", brokers)
            .field("group", group)
            .field("topics", topics)
            .field("options", &options)
            .finish()
    }
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

/// The number under which the records of an assigned partition are delivered; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// What happens to the partitions of a source, apart from records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// To be loaded, then started; until then nothing is delivered of them.
    Assigned(Vec<(Slot, Origin)>),
    /// Nothing more is delivered of them.
    Revoked(Vec<Slot>),
    /// Below this offset there is no record that was not delivered.
    Tail(Slot, u64),
    /// Nothing more is delivered of it, for the log does not hold its offset: to be loaded and started again.
    Broken(Slot),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{doing}")]
    Client {
        doing: &'static str,
        #[source]
        source: KafkaError,
    },
    #[error("ask the brokers for {what}")]
    Asked {
        what: &'static str,
        #[source]
        source: RDKafkaErrorCode,
    },
    /// The connection failed, and librdkafka told why.
    #[error("{doing}")]
    Connection {
        doing: &'static str,
        #[source]
        source: Complaint,
    },
    /// The client can go on no more.
    #[error("{doing}")]
    Fatal {
        doing: &'static str,
        #[source]
        source: RDKafkaErrorCode,
    },
}

impl Error {
    const fn new(doing: &'static str, source: KafkaError) -> Self {
        Self::Client { doing, source }
    }
}

/// Where records come from: one member of the consumer group, driven by one thread.
pub trait Source {
    /// Takes part in the group; to be called several times a second, whatever else happens.
    fn signals(&mut self) -> Result<Vec<Signal>, Error>;

    /// Shows the records that are there, in the order of each partition, after waiting up to `limit` for the first.
    /// Not calling it is the back-pressure.
    fn records(&mut self, limit: Duration, visit: &mut dyn FnMut(Slot, &Record<'_>)) -> Vec<Signal>;

    /// Delivers the records of a partition from this offset on, and none that was delivered before.
    fn start(&mut self, slot: Slot, offset: u64) -> Result<(), Error>;

    /// Delivers none until the partition is started again.
    fn hold(&mut self, slot: Slot) -> Result<(), Error>;

    /// Tells the brokers the positions, for lag tools alone.
    fn commit(&mut self, positions: &[(Origin, u64)]) -> Result<(), Error>;
}

/// What the brokers tell of topics, apart from their records. Questions block up to their `limit`.
pub trait Brokers: Send + Sync + 'static {
    /// The topics of these names that exist. `limit` is for each.
    fn topics(&self, names: &[String], limit: Duration) -> Result<Vec<log::Topic>, Error>;

    /// The ids of these topics, by name, as far as the brokers tell them: Kafka before 2.8 does not.
    fn ids(&self, names: &[String], limit: Duration) -> FxHashMap<String, String>;

    /// The offset of the first record of each partition; one that has no leader is left out.
    fn starts(&self, origins: &[Origin], limit: Duration) -> Result<FxHashMap<Origin, u64>, Error>;

    /// The offset after the last committed record of each partition; one that has no leader is left out.
    fn ends(&self, origins: &[Origin], limit: Duration) -> Result<FxHashMap<Origin, u64>, Error>;

    /// Asks where blocking harms nobody; `None` where that broke off.
    fn ask<T: Send + 'static>(
        self: Arc<Self>,
        question: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send;
}

/// The settings of one client: those of every client of this project, its `own`, then the configuration's options.
pub(crate) fn client_settings<'a>(config: &Config, own: impl IntoIterator<Item = (&'a str, &'a str)>) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", config.brokers.join(","))
        .set("client.id", "yinliu")
        // After an outage the first try comes within a second, so that catching up begins at once.
        .set("reconnect.backoff.max.ms", "1000")
        // OpenSSL is linked in, and would look for authorities below the folder it was built for, which no machine has.
        .set("ssl.ca.location", "probe")
        .set("log.connection.close", "false");
    for (name, value) in own {
        settings.set(name, value);
    }
    settings.extend(config.options.clone());
    settings
}

/// A list, or text with commas.
pub(crate) fn text_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "text with commas, or a list of texts")]
    enum TextOrList {
        Text(String),
        List(Vec<String>),
    }
    Ok(match TextOrList::deserialize(deserializer)? {
        TextOrList::List(list) => list,
        TextOrList::Text(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_configuration_win_over_everything_that_a_client_starts_from() {
        let options = [("ssl.ca.location", "/ca.pem"), ("linger.ms", "7")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config { options: options.into(), ..Config::default() };
        let settings = client_settings(&config, [("linger.ms", "20"), ("acks", "all")]);
        let set = |name| settings.get(name);
        assert_eq!([set("linger.ms"), set("acks"), set("ssl.ca.location")], [Some("7"), Some("all"), Some("/ca.pem")]);
        let settings = client_settings(&Config::default(), []);
        assert_eq!(settings.get("ssl.ca.location"), Some("probe"));
    }
}
