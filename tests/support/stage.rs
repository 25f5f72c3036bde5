//! Topics and a database of their own for one test, on components that others may share.
//!
//! Invariant: two stages never meet: every name is made of the stage's own.

use std::time::Duration;

use clickhouse::Client;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::KafkaError,
};
use serde_json::{Value, json};
use yinliu::{chunk, migrate, sink};

use super::{
    figures::{Chunks, Figures},
    kafka::Kafka,
    poll,
    records::{self, Stored},
};

/// By when whatever a test waits for has come, some seconds on an idle machine: what is right must not depend on how fast
/// a machine is, and details of the board are read once a minute. Who promises a time measures it by itself.
pub(crate) const SOON: Duration = Duration::from_mins(3);

#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) kafka: &'a Kafka,
    name: String,
    url: String,
    input: Vec<String>,
}

impl<'a> Stage<'a> {
    /// `name` is made of letters, digits and `_`; `url` is that of the engine.
    pub(crate) fn new(kafka: &'a Kafka, url: String, name: &str) -> Self {
        let input = ["friend", "message", "order", "touch"].map(|role| format!("{name}.{role}"));
        Self { kafka, name: name.to_owned(), url, input: input.to_vec() }
    }

    /// The topic of this stage for one of the contract: `yinliu.friend.v1` or `friend`.
    pub(crate) fn topic(&self, contract: &str) -> String {
        let role = contract.trim_start_matches("yinliu.").trim_end_matches(".v1");
        format!("{}.{role}", self.name)
    }

    /// The consumer group.
    pub(crate) fn group(&self) -> &str {
        &self.name
    }

    /// Creates the topics and the database. Input topics have this many partitions.
    pub(crate) async fn build(&self, partitions: i32) {
        self.build_without_letters(partitions).await;
        self.create_letters().await;
    }

    /// With chunks of these sizes, which the configuration has to name.
    pub(crate) async fn build_with_chunks(&self, partitions: i32, chunk: &chunk::Config) {
        self.create_topics(partitions).await;
        migrate::run(&self.clickhouse(), chunk).await.unwrap();
        self.create_letters().await;
    }

    pub(crate) async fn build_without_letters(&self, partitions: i32) {
        self.create_topics(partitions).await;
        migrate::run(&self.clickhouse(), &chunk::Config::default()).await.unwrap();
    }

    async fn create_topics(&self, partitions: i32) {
        for topic in &self.input {
            self.create_input(topic, partitions).await;
        }
        for role in ["org", "channel"] {
            // Nothing may be compacted away while a test runs.
            let settings = [("cleanup.policy", "compact"), ("min.compaction.lag.ms", "9000000000000")];
            self.kafka.create_topic(&self.topic(role), 1, &settings).await;
        }
    }

    pub(crate) async fn create_input(&self, topic: &str, partitions: i32) {
        self.kafka.create_topic(topic, partitions, &[("retention.ms", "-1")]).await;
    }

    /// The topics that boards alone read.
    pub(crate) async fn create_board_topics(&self) {
        for role in ["target", "contest"] {
            self.kafka.create_topic(&self.topic(role), 1, &[("cleanup.policy", "compact")]).await;
        }
    }

    pub(crate) async fn create_letters(&self) {
        self.kafka.create_topic(&self.topic("dead-letter"), 1, &[("retention.ms", "-1")]).await;
    }

    pub(crate) fn clickhouse(&self) -> sink::Config {
        sink::Config { url: self.url.clone(), database: self.name.clone(), ..sink::Config::default() }
    }

    pub(crate) fn client(&self) -> Client {
        Client::default().with_url(&self.url).with_database(&self.name)
    }

    /// The configuration of a process on this stage.
    pub(crate) fn config(&self) -> Value {
        json!({
            "kafka": {
                "brokers": self.kafka.brokers(),
                "group": self.name,
                "topics": {
                    "input": self.input, "dead_letter": self.topic("dead-letter"), "org": self.topic("org"),
                    "channel": self.topic("channel"), "target": self.topic("target"), "contest": self.topic("contest"),
                },
                // A killed process is noticed after 2 s, for many are killed here.
                "options": { "session.timeout.ms": "2000", "heartbeat.interval.ms": "300" },
            },
            "clickhouse": { "url": self.url, "database": self.name },
            "flush": { "interval": "100ms" },
        })
    }

    /// Waits until so many changes of the directory and of channel codes are kept.
    pub(crate) async fn until_reference(&self, rows: usize) {
        let client = self.client();
        let sql = "SELECT sum(c.rows) FROM (SELECT count() AS rows FROM org_history UNION ALL \
                   SELECT count() AS rows FROM channel_history) AS c";
        poll::until(&format!("{rows} rows of reference data in the database"), SOON, async || {
            match client.query(sql).fetch_one::<u64>().await {
                Ok(found) if usize::try_from(found).unwrap() >= rows => Ok(()),
                found => Err(format!("{found:?}")),
            }
        })
        .await;
    }

    /// How many partitions this topic has.
    pub(crate) fn partitions(&self, topic: &str) -> usize {
        let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", self.kafka.brokers()).create().unwrap();
        client.fetch_metadata(Some(topic), SOON).unwrap().topics()[0].partitions().len()
    }

    /// The ends of the input topics; partitions without a record are left out.
    pub(crate) fn ends(&self) -> Vec<(String, u32, u64)> {
        records::ends(self.kafka, &self.input)
    }

    /// Waits until the ledger covers the ends of the log that are there now.
    pub(crate) async fn until_in(&self, limit: Duration) {
        self.until_at(self.ends(), limit).await;
    }

    /// Waits until the ledger covers these ends: topic, partition, offset.
    pub(crate) async fn until_at(&self, ends: Vec<(String, u32, u64)>, limit: Duration) {
        let client = self.client();
        let expected = format!("the ledger of `{}` at the ends {ends:?}", self.name);
        poll::until(&expected, limit, async || {
            Chunks::read(&client).await.map_err(|error| format!("{error:?}"))?.reach(&ends)
        })
        .await;
    }

    /// Commits for the whole group, which has no member now; an error while it has one.
    pub(crate) fn move_group(&self, offset: impl Fn(u64) -> u64) -> Result<(), KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.kafka.brokers()).set("group.id", self.group());
        let consumer: BaseConsumer = config.create()?;
        let mut list = TopicPartitionList::new();
        for (topic, partition, end) in self.ends() {
            let offset = Offset::Offset(i64::try_from(offset(end)).unwrap());
            list.add_partition_offset(&topic, i32::try_from(partition).unwrap(), offset)?;
        }
        let committed = consumer.commit(&list, CommitMode::Sync);
        // The list refers to the consumer, which hangs on its way out while one is left.
        drop(list);
        committed
    }

    pub(crate) async fn figures(&self) -> Figures {
        Figures::read(&self.client()).await
    }

    /// All records that the input topics hold.
    pub(crate) fn records(&self) -> Vec<Stored> {
        records::read(self.kafka, &self.input)
    }

    /// All records of the dead-letter topic.
    pub(crate) fn letters(&self) -> Vec<Stored> {
        records::read(self.kafka, &[self.topic("dead-letter")])
    }
}
