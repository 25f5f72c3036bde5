//! The reference topics, read from their beginning and then followed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::BorrowedMessage,
};
use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;

use super::{Reference, csv};
use crate::{
    admin::Outside,
    batch::Origin,
    directory::{self, Kind, Publication},
    source::{self, Brokers as _, Quiet, client_settings, log::Log},
};

/// Between two looks at the ends of the topics, and at the CSV files.
const INTERVAL: Duration = Duration::from_secs(1);

/// Brokers answer within this time, or are away.
const LIMIT: Duration = Duration::from_secs(5);

/// Rows that are published at once: enough that a whole organisation takes a moment, few enough for its memory.
const ROWS_MAX: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("read the reference topics")]
    Client(#[from] KafkaError),
    #[error("look up the reference topics")]
    Source(#[from] source::Error),
    #[error("read the reference files")]
    Csv(#[from] csv::Error),
}

/// Which partitions of which kind are read, and how far.
struct Following<'a> {
    consumer: BaseConsumer<Quiet>,
    topics: [(&'a str, Kind); 4],
    positions: FxHashMap<Origin, u64>,
}

/// Reads until `shutdown`, or until something fails; the next call begins anew.
pub(super) fn read(
    kafka: &source::Config,
    log: &Log,
    files: &mut csv::Files,
    reference: &Arc<Reference>,
    outside: &Outside,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let group = format!("{}-reference", kafka.group);
    let own = [
        ("group.id", group.as_str()),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("isolation.level", "read_committed"),
    ];
    let settings = client_settings(kafka, own);
    let names = &kafka.topics;
    let topics = [
        (names.org.as_str(), Kind::Org),
        (names.channel.as_str(), Kind::Channel),
        (names.target.as_str(), Kind::Target),
        (names.contest.as_str(), Kind::Contest),
    ];
    let mut following =
        Following { consumer: settings.create_with_context(Quiet)?, topics, positions: FxHashMap::default() };
    while !shutdown.is_cancelled() {
        files.read(reference)?;
        let asked_at = (outside.wall_ms)();
        following.follow(log)?;
        let origins: Vec<_> = following.positions.keys().cloned().collect();
        let ends = log.ends(&origins, LIMIT)?;
        outside.health.report("reference", None);
        let began = Instant::now();
        let mut complete = following.reached(&ends);
        if complete {
            reference.complete(asked_at);
        }
        while began.elapsed() < INTERVAL && !shutdown.is_cancelled() {
            following.poll(reference)?;
            if !complete && following.reached(&ends) {
                complete = true;
                reference.complete(asked_at);
            }
        }
    }
    Ok(())
}

impl Following<'_> {
    /// Takes up partitions that came into being since; a topic that does not exist holds nothing.
    fn follow(&mut self, log: &Log) -> Result<(), Error> {
        let names: Vec<_> = self.topics.iter().map(|(name, _)| (*name).to_owned()).collect();
        let before = self.positions.len();
        for topic in log.topics(&names, LIMIT)? {
            for origin in topic.origins() {
                self.positions.entry(origin).or_insert(0);
            }
        }
        if self.positions.len() == before {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for (origin, position) in &self.positions {
            let (Ok(partition), Ok(position)) = (i32::try_from(origin.partition), i64::try_from(*position)) else {
                continue;
            };
            let offset = if position == 0 { Offset::Beginning } else { Offset::Offset(position) };
            list.add_partition_offset(&origin.topic, partition, offset)?;
        }
        Ok(self.consumer.assign(&list)?)
    }

    /// Takes what is there, all at once: each time the directory changes, its readers wait.
    fn poll(&mut self, reference: &Reference) -> Result<(), Error> {
        let (mut rows, mut positions) = (Vec::new(), Vec::new());
        let mut patience = Duration::from_millis(50);
        while let Some(message) = self.consumer.poll(std::mem::take(&mut patience)) {
            match message {
                Ok(message) => {
                    let origin = self.take(&message, reference, &mut rows);
                    positions.extend(origin.zip(u64::try_from(message.offset()).ok()));
                }
                Err(KafkaError::MessageConsumption(error)) => tracing::debug!(%error, "librdkafka"),
                Err(error) => return Err(error.into()),
            }
            if rows.len() >= ROWS_MAX {
                break;
            }
        }
        reference.publish(rows);
        self.positions.extend(positions.into_iter().map(|(origin, offset)| (origin, offset + 1)));
        Ok(())
    }

    fn take(
        &self,
        message: &BorrowedMessage<'_>,
        reference: &Reference,
        rows: &mut Vec<directory::Reference>,
    ) -> Option<Origin> {
        let (_, kind) = self.topics.iter().find(|(name, _)| *name == message.topic())?;
        let partition = u32::try_from(message.partition()).ok()?;
        let offset = u64::try_from(message.offset()).ok()?;
        match message.timestamp().to_millis() {
            None => reference.ignore(*kind, message.key(), "the record has no timestamp"),
            Some(at) => {
                let publication = Publication { at, partition, offset };
                match directory::Reference::read(*kind, message.key(), message.payload(), publication) {
                    Ok(row) => rows.push(row),
                    Err(why) => reference.ignore(*kind, message.key(), &why),
                }
            }
        }
        Some(Origin { topic: message.topic().into(), partition })
    }

    /// Whether everything below these ends was read. Where the end is a transaction marker, librdkafka's own position
    /// tells; a compacted topic may end below its end.
    fn reached(&self, ends: &FxHashMap<Origin, u64>) -> bool {
        let behind = |(origin, end): (&Origin, &u64)| self.positions.get(origin).is_none_or(|position| position < end);
        let behind: Vec<_> = ends.iter().filter(|&entry| behind(entry)).map(|(origin, _)| origin).collect();
        if ends.len() < self.positions.len() {
            return false;
        }
        if behind.is_empty() {
            return true;
        }
        let Ok(list) = self.consumer.position() else { return false };
        behind.iter().all(|origin| {
            let partition = i32::try_from(origin.partition).unwrap_or(-1);
            let position = list.find_partition(&origin.topic, partition).map(|element| element.offset());
            matches!(position, Some(Offset::Offset(offset)) if u64::try_from(offset).is_ok_and(|o| Some(&o) >= ends.get(*origin)))
        })
    }
}
