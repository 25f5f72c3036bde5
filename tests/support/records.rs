//! Records into real topics and out of them, by clients that know nothing of the pipeline.
//!
//! Invariant: in order, and each acknowledged before `send` returns; `read` returns everything up to the end of the log.

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    metadata::MetadataPartition,
    producer::{FutureProducer, FutureRecord},
};

use super::kafka::Kafka;

/// A broker on a busy machine takes its time, one that was killed its start; never this much.
const LIMIT: Duration = Duration::from_mins(2);

/// One record, on its way to a topic or read from one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) topic: String,
    /// `None`: by the key.
    pub(crate) partition: Option<i32>,
    /// Of no meaning on the way in.
    pub(crate) offset: u64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Stored {
    /// The value of the first header of this name, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| std::str::from_utf8(value).unwrap())
    }

    /// Of a letter: topic, partition and offset of the record that it is about.
    pub(crate) fn origin(&self) -> (&str, u32, u64) {
        let header = |name| self.header(name).unwrap_or_else(|| panic!("no `{name}` in {self:?}"));
        (header("topic"), header("partition").parse().unwrap(), header("offset").parse().unwrap())
    }
}

pub(crate) fn producer(kafka: &Kafka) -> FutureProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.brokers()).set("enable.idempotence", "true").set("linger.ms", "5");
    // What a topic gains in partitions is filled soon.
    config.set("message.max.bytes", "2100000").set("topic.metadata.refresh.interval.ms", "1000");
    config.create().unwrap()
}

/// Sends in order; returns the offsets.
pub(crate) async fn send(producer: &FutureProducer, records: impl IntoIterator<Item = Stored>) -> Vec<u64> {
    let mut sent = Vec::new();
    for record in records {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut message = FutureRecord::<[u8], [u8]>::to(&record.topic).timestamp(record.timestamp).headers(headers);
        message.partition = record.partition;
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        sent.push(producer.send_result(message).map_err(|(error, _)| error).unwrap());
    }
    let mut offsets = Vec::new();
    for delivery in sent {
        let delivery = tokio::time::timeout(LIMIT, delivery).await.expect("the broker takes the record").unwrap();
        offsets.push(u64::try_from(delivery.unwrap().offset).unwrap());
    }
    offsets
}

/// Everything that these topics hold now, each partition in its order. Topics that do not exist hold nothing.
pub(crate) fn read(kafka: &Kafka, topics: &[String]) -> Vec<Stored> {
    let mut records = Vec::new();
    visit(kafka, topics, |record| records.push(record));
    records
}

/// The same one by one, where all of them have no room.
pub(crate) fn visit(kafka: &Kafka, topics: &[String], mut each: impl FnMut(Stored)) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.brokers()).set("group.id", "reader").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let (mut list, mut open) = (TopicPartitionList::new(), Vec::new());
    for (topic, partition, (low, high)) in partitions(&consumer, topics) {
        if low < high {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
            open.push((topic.clone(), partition, high));
        }
    }
    consumer.assign(&list).unwrap();
    while !open.is_empty() {
        let message = consumer.poll(LIMIT).expect("the log holds what its end promises").unwrap();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let headers = headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()));
        each(Stored {
            topic: message.topic().to_owned(),
            partition: Some(message.partition()),
            offset: u64::try_from(message.offset()).unwrap(),
            timestamp: message.timestamp().to_millis().unwrap(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.collect(),
        });
        let at = (message.topic(), message.partition(), message.offset() + 1);
        open.retain(|(topic, partition, high)| (topic.as_str(), *partition) != (at.0, at.1) || *high > at.2);
    }
    // The list refers to the consumer, which hangs on its way out while one is left.
    drop(list);
}

/// The partitions of these topics, each with its first offset and the one behind its last.
fn partitions<'a>(consumer: &BaseConsumer, topics: &'a [String]) -> Vec<(&'a String, i32, (i64, i64))> {
    let of = |topic: &'a String| {
        let metadata = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
        let ids: Vec<_> = metadata.topics()[0].partitions().iter().map(MetadataPartition::id).collect();
        ids.into_iter().map(move |id| (topic, id, watermarks(consumer, topic, id)))
    };
    topics.iter().flat_map(of).collect()
}

/// The first offset of a partition and the one behind its last. A broker that has just come back leads none for a moment.
fn watermarks(consumer: &BaseConsumer, topic: &str, partition: i32) -> (i64, i64) {
    let began = Instant::now();
    loop {
        match consumer.fetch_watermarks(topic, partition, LIMIT) {
            Ok(found) => return found,
            Err(error) => assert!(began.elapsed() < LIMIT, "{topic}/{partition}: {error}"),
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The end of each partition of these topics that holds a record: topic, partition, next offset.
pub(crate) fn ends(kafka: &Kafka, topics: &[String]) -> Vec<(String, u32, u64)> {
    let mut config = ClientConfig::new();
    let consumer: BaseConsumer = config.set("bootstrap.servers", kafka.brokers()).create().unwrap();
    let end = |(topic, partition, (_, high)): (&String, i32, (i64, i64))| {
        (topic.clone(), u32::try_from(partition).unwrap(), u64::try_from(high).unwrap())
    };
    partitions(&consumer, topics).into_iter().map(end).filter(|(_, _, end)| *end > 0).collect()
}
