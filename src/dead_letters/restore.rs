//! Letters that the table holds in part, read whole from the topic of dead letters.
//!
//! Invariant: a letter is whole only if its bytes are as many as the record had; of the topic, one letter is held.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _},
};
use tokio::sync::mpsc;

use super::Origin;
use crate::{
    batch,
    pipeline::loader::BROKER_LIMIT,
    source::{self, client_settings},
};

/// A record to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) origin: Origin,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}

/// A broker that delivers nothing for so long is away.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What the pipeline puts before the names of the record's own headers.
const PREFIX: &str = "original-";

/// Reads the topic from its beginning and gives each of these letters (with the bytes that its value had) that is whole
/// there, once.
pub(super) fn read(
    kafka: &source::Config,
    mut wanted: HashMap<Origin, u64>,
    found: &mpsc::Sender<Whole>,
) -> Result<(), KafkaError> {
    let group = format!("{}-dead-letters", kafka.group);
    let own = [
        ("group.id", group.as_str()),
        ("enable.auto.commit", "false"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "earliest"),
    ];
    let consumer: BaseConsumer = client_settings(kafka, own).create()?;
    let mut open = assign(&consumer, &kafka.topics.dead_letter)?;
    // Where a topic was recreated, its name stands for several in the tables.
    let labels: HashMap<(batch::Origin, u64), Vec<Origin>> =
        wanted.keys().fold(HashMap::new(), |mut labels, origin| {
            labels.entry((origin.partition.broker(), origin.offset)).or_default().push(origin.clone());
            labels
        });
    let mut heard = Instant::now();
    while !open.is_empty() && !wanted.is_empty() {
        let message = match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => message,
            Some(Err(error)) if heard.elapsed() > SILENCE_MAX => return Err(error),
            None if heard.elapsed() > SILENCE_MAX => {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            Some(Err(_)) | None => {
                settle(&consumer, &kafka.topics.dead_letter, &mut open);
                continue;
            }
        };
        heard = Instant::now();
        if let Some((at, whole)) = letter(&message) {
            let value_bytes = u64::try_from(whole.value.len()).unwrap_or(u64::MAX);
            for origin in labels.get(&at).into_iter().flatten() {
                // Of several topics of one name, the one whose record had so many bytes.
                if wanted.get(origin) == Some(&value_bytes) {
                    wanted.remove(origin);
                    let whole = Whole { origin: origin.clone(), ..whole.clone() };
                    if found.blocking_send(whole).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        open.retain(|&partition, end| partition != message.partition() || message.offset() + 1 < *end);
    }
    Ok(())
}

/// Reads all partitions of the topic; the answer is the end of each that holds something.
fn assign(consumer: &BaseConsumer, topic: &str) -> Result<HashMap<i32, i64>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), BROKER_LIMIT)?;
    let (mut list, mut open) = (TopicPartitionList::new(), HashMap::new());
    for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
        let (start, end) = consumer.fetch_watermarks(topic, partition.id(), BROKER_LIMIT)?;
        if start < end {
            list.add_partition_offset(topic, partition.id(), Offset::Offset(start))?;
            open.insert(partition.id(), end);
        }
    }
    consumer.assign(&list)?;
    Ok(open)
}

/// Takes out partitions that were read to their end, where the last offsets are no records.
fn settle(consumer: &BaseConsumer, topic: &str, open: &mut HashMap<i32, i64>) {
    let Ok(positions) = consumer.position() else { return };
    for element in positions.elements_for_topic(topic) {
        if let Offset::Offset(position) = element.offset() {
            open.retain(|&partition, end| partition != element.partition() || position < *end);
        }
    }
}

/// The record of a letter and where it was refused; `None` where it is not whole, or no letter.
fn letter(message: &BorrowedMessage<'_>) -> Option<((batch::Origin, u64), Whole)> {
    let headers: Vec<_> = message.headers()?.iter().collect();
    let text = |name: &str| {
        let header = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok()
    };
    if text("truncated").is_some() {
        return None;
    }
    let partition = batch::Origin { topic: text("topic")?.into(), partition: text("partition")?.parse().ok()? };
    let offset = text("offset")?.parse().ok()?;
    let own = headers.iter().filter_map(|header| {
        // One prefix alone: the record may have had a header of such a name itself.
        Some((header.key.strip_prefix(PREFIX)?.to_owned(), header.value.unwrap_or_default().to_vec()))
    });
    let whole = Whole {
        origin: Origin { partition: partition.clone(), offset },
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload()?.to_vec(),
        headers: own.collect(),
    };
    Some(((partition, offset), whole))
}
