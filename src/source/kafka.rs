//! Kafka through librdkafka: one member of the consumer group, to be driven by one OS thread.
//!
//! Invariant: nothing is delivered of a partition between its assignment and its start.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Offset, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Config, Error, Signal, Slot, Source, Started, ffi, hear, hear_error};
use crate::{
    batch::Origin,
    event::{Header, Record},
};

/// Messages of one call; ten of them a millisecond at full speed, and small enough that signals are seen in time.
const MESSAGES_MAX: usize = 4_096;

/// A seek is answered by librdkafka's own thread within milliseconds.
const SEEK_LIMIT: Duration = Duration::from_secs(2);

/// An assignment takes effect within moments; one in which no seek succeeds for this long never will.
const PATIENCE: Duration = Duration::from_secs(3);

/// A partition is assigned here and held there until it is started. A number would be fetched before the hold takes effect,
/// and where retention has removed it librdkafka may deliver nothing ever after.
const PLACEHOLDER: Offset = Offset::End;

/// The broker's answer where that end is has to come before the start, or it would move the partition once more; it takes
/// milliseconds.
const SETTLE: Duration = Duration::from_millis(500);

/// One member of the consumer group.
pub struct Kafka {
    consumer: BaseConsumer<Group>,
    /// Since when a partition is to be started.
    starting: FxHashMap<Slot, Instant>,
    /// Partitions in which it will not seek again, for their offset was out of range.
    displaced: FxHashSet<Slot>,
    queue: Arc<Mutex<Option<ffi::Queue>>>,
    slots: Slots,
}

/// What came of a seek.
enum Sought {
    Done,
    NotYet,
    /// The partition has to be placed anew.
    Never,
}

/// Partitions by the number under which their records are delivered.
#[derive(Debug, Default)]
struct Slots {
    next: u32,
    origins: FxHashMap<Slot, Origin>,
    by_message: FxHashMap<(usize, i32), Slot>,
}

/// What librdkafka calls back with, until the thread collects it.
struct Group {
    signals: Mutex<Vec<Event>>,
    queue: Arc<Mutex<Option<ffi::Queue>>>,
}

#[derive(Debug)]
enum Event {
    Assigned(Vec<Origin>),
    Revoked(Vec<Origin>),
    Tails(Vec<(Origin, u64)>),
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Kafka").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl Kafka {
    /// Joins the group and subscribes to the input topics.
    pub fn join(config: &Config) -> Result<Self, Error> {
        let queue = Arc::new(Mutex::new(None));
        let group = Group { signals: Mutex::default(), queue: Arc::clone(&queue) };
        let consumer: BaseConsumer<Group> =
            settings(config).create_with_context(group).map_err(|source| Error::new("create the consumer", source))?;
        *lock(&queue) = Some(ffi::Queue::new(consumer.client(), MESSAGES_MAX));
        let topics: Vec<_> = config.topics.input.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|source| Error::new("subscribe to the input topics", source))?;
        Ok(Self {
            consumer,
            starting: FxHashMap::default(),
            displaced: FxHashSet::default(),
            queue,
            slots: Slots::default(),
        })
    }

    fn seek(&mut self, slot: Slot, topic: &str, partition: i32, offset: i64) -> Result<Sought, Error> {
        if self.displaced.contains(&slot) {
            return Ok(Sought::Never);
        }
        let since = *self.starting.entry(slot).or_insert_with(Instant::now);
        if since.elapsed() < SETTLE {
            return Ok(Sought::NotYet);
        }
        match self.consumer.seek(topic, partition, Offset::Offset(offset), SEEK_LIMIT) {
            Ok(()) => Ok(Sought::Done),
            // The assignment has not taken effect yet.
            Err(KafkaError::Seek(error)) => {
                tracing::debug!(%error, topic, partition, "seek");
                Ok(if since.elapsed() < PATIENCE { Sought::NotYet } else { Sought::Never })
            }
            Err(source) => Err(Error::new("seek to the position", source)),
        }
    }

    /// Takes a partition out of the assignment and back in. After an answer that an offset is out of range, librdkafka
    /// refuses every seek in it.
    fn place_anew(&self, list: &TopicPartitionList) -> Result<(), Error> {
        let failed = |source| Error::new("place a partition anew", source);
        self.consumer.incremental_unassign(list).map_err(failed)?;
        if let Some(queue) = lock(&self.queue).as_ref() {
            queue.take_over(self.consumer.client(), list);
        }
        self.consumer.incremental_assign(list).map_err(failed)
    }

    fn list(&self, slot: Slot) -> Option<TopicPartitionList> {
        let origin = self.slots.origins.get(&slot)?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&origin.topic, i32::try_from(origin.partition).ok()?);
        Some(list)
    }
}

/// librdkafka's settings: ours, then what the configuration passes through.
fn settings(config: &Config) -> ClientConfig {
    let mut settings = super::client_settings(config);
    settings
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // An offset that the log does not hold is for us to judge: retention, or another topic of the same name.
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("partition.assignment.strategy", "cooperative-sticky")
        // A killed process is noticed within 10 s, not within 45.
        .set("session.timeout.ms", "10000")
        // Tells the position behind transaction markers, which are no records.
        .set("statistics.interval.ms", "1000")
        // 8 MiB of fetched records for each member feed it for 25 ms at full speed; a full queue is looked at again at
        // once instead of after a second.
        // A fetched megabyte of each of many partitions, unpacked, is what memory goes to; a quarter feeds as well, and a
        // larger record still comes, by itself.
        .set("fetch.message.max.bytes", "262144")
        .set("fetch.max.bytes", "4194304")
        .set("queued.max.messages.kbytes", "8192")
        .set("fetch.queue.backoff.ms", "5")
        .set_log_level(RDKafkaLogLevel::Warning);
    for (key, value) in &config.options {
        settings.set(key, value);
    }
    settings
}

impl Source for Kafka {
    fn signals(&mut self) -> Result<Vec<Signal>, Error> {
        // Serves rebalances, commits, statistics and errors; messages come by the other queue.
        while let Some(result) = self.consumer.poll(Duration::ZERO) {
            match result {
                Ok(_) => tracing::error!("a message came by the group's queue; its partition will be read again"),
                Err(KafkaError::MessageConsumptionFatal(code)) => {
                    return Err(Error::Fatal { doing: "stay in the consumer group", source: code });
                }
                Err(error) => tracing::debug!(%error, "librdkafka"),
            }
        }
        let events = std::mem::take(&mut *lock(&self.consumer.context().signals));
        Ok(events.into_iter().flat_map(|event| self.slots.signals(event)).collect())
    }

    fn records(&mut self, limit: Duration, visit: &mut dyn FnMut(Slot, &Record<'_>)) -> Vec<Signal> {
        let mut signals = Vec::new();
        let mut queue = lock(&self.queue);
        let Some(queue) = queue.as_mut() else { return signals };
        let (slots, displaced) = (&mut self.slots, &mut self.displaced);
        queue.consume(limit, |message| {
            let Some(slot) = slots.of(message) else { return };
            match message.error {
                None => {}
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    displaced.insert(slot);
                    return signals.push(Signal::OutOfRange(slot));
                }
                Some(error) => return tracing::debug!(%error, "librdkafka"),
            }
            let Ok(offset) = u64::try_from(message.offset) else { return };
            let mut headers: Vec<Header<'_>> = Vec::new();
            message.headers(&mut headers);
            let (timestamp, key, value) = (message.timestamp, message.key, message.value);
            visit(slot, &Record { offset, timestamp, key, value, headers: &headers });
        });
        signals
    }

    fn start(&mut self, slot: Slot, offset: u64) -> Result<Started, Error> {
        let (Some(mut list), Some(origin)) = (self.list(slot), self.slots.origins.get(&slot)) else {
            return Ok(Started::Gone);
        };
        let (Ok(partition), Ok(offset)) = (i32::try_from(origin.partition), i64::try_from(offset)) else {
            return Ok(Started::Gone);
        };
        match self.seek(slot, &origin.topic.clone(), partition, offset)? {
            Sought::Done => {}
            Sought::NotYet => return Ok(Started::NotYet),
            Sought::Never => {
                list.set_all_offsets(Offset::Offset(offset)).map_err(|source| Error::new("note a position", source))?;
                self.place_anew(&list)?;
            }
        }
        self.displaced.remove(&slot);
        self.starting.remove(&slot);
        self.consumer.resume(&list).map_err(|source| Error::new("resume a partition", source))?;
        Ok(Started::Reading)
    }

    fn hold(&mut self, slot: Slot) -> Result<(), Error> {
        let Some(list) = self.list(slot) else { return Ok(()) };
        self.consumer.pause(&list).map_err(|source| Error::new("pause a partition", source))
    }

    fn commit(&mut self, positions: &[(Origin, u64)]) -> Result<(), Error> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (origin, position) in positions {
            let (Ok(partition), Ok(position)) = (i32::try_from(origin.partition), i64::try_from(*position)) else {
                continue;
            };
            list.add_partition_offset(&origin.topic, partition, Offset::Offset(position))
                .map_err(|source| Error::new("note a position", source))?;
        }
        // Lag tools read it; nothing of ours does.
        match self.consumer.commit(&list, CommitMode::Async) {
            Err(error) => Err(Error::new("commit positions", error)),
            Ok(()) => Ok(()),
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // The queue refers to the consumer, which must not go first.
        lock(&self.queue).take();
    }
}

impl Slots {
    fn signals(&mut self, event: Event) -> Vec<Signal> {
        match event {
            Event::Assigned(origins) => {
                let assigned = origins.into_iter().map(|origin| (self.add(&origin), origin)).collect();
                vec![Signal::Assigned(assigned)]
            }
            Event::Revoked(origins) => {
                let revoked: Vec<_> = origins.iter().filter_map(|origin| self.remove(origin)).collect();
                vec![Signal::Revoked(revoked)]
            }
            Event::Tails(tails) => {
                let of = |(origin, offset)| self.slot(&origin).map(|slot| Signal::Tail(slot, offset));
                tails.into_iter().filter_map(of).collect()
            }
        }
    }

    fn add(&mut self, origin: &Origin) -> Slot {
        self.remove(origin);
        let slot = Slot(self.next);
        self.next += 1;
        self.origins.insert(slot, origin.clone());
        slot
    }

    fn remove(&mut self, origin: &Origin) -> Option<Slot> {
        let slot = self.slot(origin)?;
        self.origins.remove(&slot);
        self.by_message.retain(|_, other| *other != slot);
        Some(slot)
    }

    fn slot(&self, origin: &Origin) -> Option<Slot> {
        self.origins.iter().find(|(_, other)| *other == origin).map(|(slot, _)| *slot)
    }

    fn of(&mut self, message: &ffi::Message<'_>) -> Option<Slot> {
        let key = (message.topic, message.partition);
        if let Some(slot) = self.by_message.get(&key) {
            return Some(*slot);
        }
        let partition = u32::try_from(message.partition).ok()?;
        let slot = self.slot(&Origin { topic: message.topic_name().into(), partition })?;
        self.by_message.insert(key, slot);
        Some(slot)
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, kind: &str, line: &str) {
        hear(level, kind, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        hear_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let mut tails = Vec::new();
        for (topic, statistics) in &statistics.topics {
            for partition in statistics.partitions.values() {
                // Everything fetched was delivered, and fetching has reached what is committed.
                let caught_up = partition.fetchq_cnt == 0 && partition.next_offset >= partition.ls_offset;
                if let (true, Ok(number), Ok(offset)) =
                    (caught_up, u32::try_from(partition.partition), u64::try_from(partition.next_offset))
                {
                    tails.push((Origin { topic: topic.as_str().into(), partition: number }, offset));
                }
            }
        }
        lock(&self.signals).push(Event::Tails(tails));
    }
}

impl ConsumerContext for Group {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = origins(list);
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let result = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let _ = list.set_all_offsets(PLACEHOLDER);
            if let Some(queue) = lock(&self.queue).as_ref() {
                queue.take_over(consumer.client(), list);
            }
            let assigned = if cooperative { consumer.incremental_assign(list) } else { consumer.assign(list) };
            lock(&self.signals).push(Event::Assigned(partitions));
            assigned.and_then(|()| consumer.pause(list))
        } else {
            lock(&self.signals).push(Event::Revoked(partitions));
            if cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() }
        };
        if let Err(error) = result {
            tracing::error!(%error, "take part in a rebalance");
        }
    }
}

fn origins(list: &TopicPartitionList) -> Vec<Origin> {
    let elements = list.elements();
    let origin =
        |topic: &str, partition: i32| Some(Origin { topic: topic.into(), partition: u32::try_from(partition).ok()? });
    elements.iter().filter_map(|element| origin(element.topic(), element.partition())).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A thread that panicked while it held one of these locks left whole values behind: they are set in one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
