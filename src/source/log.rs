//! What the brokers tell about the input topics: their ids, how many partitions they have, where each begins and ends.
//!
//! Invariant: an end was true at or after the moment at which it was asked for.

use std::{collections::HashMap, time::Duration};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{Config, Error, client_settings, ffi};
use crate::batch::Origin;

pub use super::ffi::Topic;

/// A client that belongs to no group.
pub struct Log {
    client: BaseConsumer,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Log")
    }
}

impl Log {
    pub fn new(config: &Config) -> Result<Self, Error> {
        let mut settings = client_settings(config);
        settings.extend(config.options.clone());
        let client = settings.create().map_err(|source| Error::new("create a client", source))?;
        Ok(Self { client })
    }

    /// The topics of these names that exist. Blocks up to `limit`.
    pub fn topics(&self, names: &[String], limit: Duration) -> Result<Vec<Topic>, Error> {
        ffi::describe_topics(self.client.client(), names, limit)
            .map_err(|source| Error::Asked { what: "topics", source })
    }

    /// The offset of the first record of each partition. Blocks up to `limit`.
    pub fn starts(&self, origins: &[Origin], limit: Duration) -> Result<HashMap<Origin, u64>, Error> {
        self.offsets(origins, ffi::End::Earliest, limit)
    }

    /// The offset after the last committed record of each partition. Blocks up to `limit`.
    pub fn ends(&self, origins: &[Origin], limit: Duration) -> Result<HashMap<Origin, u64>, Error> {
        self.offsets(origins, ffi::End::Latest, limit)
    }

    fn offsets(&self, origins: &[Origin], end: ffi::End, limit: Duration) -> Result<HashMap<Origin, u64>, Error> {
        if origins.is_empty() {
            return Ok(HashMap::new());
        }
        let partitions: Vec<_> = origins
            .iter()
            .filter_map(|origin| Some((origin.topic.to_string(), i32::try_from(origin.partition).ok()?)))
            .collect();
        let found = ffi::list_offsets(self.client.client(), &partitions, end, limit)
            .map_err(|source| Error::Asked { what: "offsets", source })?;
        let found = found.into_iter().filter_map(|(topic, partition, offset)| {
            let origin = Origin { topic: topic.into(), partition: u32::try_from(partition).ok()? };
            Some((origin, u64::try_from(offset).ok()?))
        });
        Ok(found.collect())
    }
}
