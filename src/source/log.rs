//! What the brokers tell about the input topics: their ids, how many partitions they have, where each begins and ends.
//!
//! Invariant: an end was true at or after the moment at which it was asked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rustc_hash::FxHashMap;

use super::{Brokers, Complaints, Config, Error, client_settings, complaint, context::no_complaint, ffi};
use crate::batch::Origin;

/// A topic that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub partitions: u32,
}

impl Topic {
    /// Its partitions.
    pub fn origins(&self) -> impl Iterator<Item = Origin> + use<> {
        let name: Arc<str> = self.name.as_str().into();
        (0..self.partitions).map(move |partition| Origin { topic: Arc::clone(&name), partition })
    }
}

/// A client that belongs to no group.
pub struct Log {
    client: BaseConsumer<Complaints>,
    without_ids: AtomicBool,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Log")
    }
}

impl Log {
    pub fn new(config: &Config) -> Result<Self, Error> {
        let client = client_settings(config, [])
            .create_with_context(Complaints::default())
            .map_err(|source| Error::new("create a client", source))?;
        Ok(Self { client, without_ids: AtomicBool::new(false) })
    }

    /// The answer, or instead of the error what librdkafka told of the connection.
    fn told<T>(&self, doing: &'static str, answer: Result<T, Error>) -> Result<T, Error> {
        match answer {
            Ok(answer) => {
                no_complaint(&self.client);
                Ok(answer)
            }
            Err(error) => Err(match complaint(&self.client) {
                Some(source) => Error::Connection { doing, source },
                None => error,
            }),
        }
    }

    fn offsets(&self, origins: &[Origin], end: ffi::End, limit: Duration) -> Result<FxHashMap<Origin, u64>, Error> {
        if origins.is_empty() {
            return Ok(FxHashMap::default());
        }
        let partitions: Vec<_> = origins
            .iter()
            .filter_map(|origin| Some((origin.topic.to_string(), i32::try_from(origin.partition).ok()?)))
            .collect();
        let found = ffi::list_offsets(self.client.client(), &partitions, end, limit)
            .map_err(|source| Error::Asked { what: "offsets", source });
        let found = self.told("ask the brokers for offsets", found)?;
        let found = found.into_iter().filter_map(|(topic, partition, offset)| {
            let origin = Origin { topic: topic.into(), partition: u32::try_from(partition).ok()? };
            Some((origin, u64::try_from(offset).ok()?))
        });
        Ok(found.collect())
    }
}

impl Brokers for Log {
    fn topics(&self, names: &[String], limit: Duration) -> Result<Vec<Topic>, Error> {
        let mut topics = Vec::new();
        for name in names {
            let doing = "ask the brokers for a topic";
            let metadata = self.client.fetch_metadata(Some(name), limit);
            let metadata = self.told(doing, metadata.map_err(|source| Error::new(doing, source)))?;
            let found = metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
            let partitions = found.map_or(0, |topic| topic.partitions().len());
            if let (1.., Ok(partitions)) = (partitions, u32::try_from(partitions)) {
                topics.push(Topic { name: name.clone(), partitions });
            }
        }
        Ok(topics)
    }

    fn ids(&self, names: &[String], limit: Duration) -> FxHashMap<String, String> {
        if self.without_ids.load(Ordering::Relaxed) {
            return FxHashMap::default();
        }
        let ids = ffi::topic_ids(self.client.client(), names, limit);
        // A broker that answers everything else but this does not know the request.
        self.without_ids.store(ids.is_err(), Ordering::Relaxed);
        ids.unwrap_or_default().into_iter().collect()
    }

    fn starts(&self, origins: &[Origin], limit: Duration) -> Result<FxHashMap<Origin, u64>, Error> {
        self.offsets(origins, ffi::End::Earliest, limit)
    }

    fn ends(&self, origins: &[Origin], limit: Duration) -> Result<FxHashMap<Origin, u64>, Error> {
        self.offsets(origins, ffi::End::Latest, limit)
    }

    async fn ask<T: Send + 'static>(self: Arc<Self>, question: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        tokio::task::spawn_blocking(move || question(&self)).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_tell_topics_and_ends() {
        let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
        cluster.create_topic("t", 2, 1).unwrap();
        let log = Log::new(&Config { brokers: vec![cluster.bootstrap_servers()], ..Config::default() }).unwrap();
        let limit = Duration::from_secs(5);
        let topics = log.topics(&["t".to_owned(), "none".to_owned()], limit).unwrap();
        assert_eq!(topics, [Topic { name: "t".to_owned(), partitions: 2 }]);
        let origins: Vec<_> = (0..2).map(|partition| Origin { topic: "t".into(), partition }).collect();
        let expected: FxHashMap<_, _> = origins.iter().map(|origin| (origin.clone(), 0)).collect();
        assert_eq!(log.ends(&origins, limit).unwrap(), expected);
        assert_eq!(log.starts(&origins, limit).unwrap(), expected);
    }
}
