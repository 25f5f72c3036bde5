//! Kafka through librdkafka: one member of the consumer group, to be driven by one OS thread.
//!
//! Invariant: librdkafka knows of a partition from its start to its hold only, and from the first moment at the offset
//! it is started from. What the group assigns meanwhile is ours by the group's protocol alone, so nothing of it can be
//! fetched, and there is neither a placeholder to seek away from nor an answer of the broker to wait for.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Config, Error, Signal, Slot, Source, ffi, hear, hear_error};
use crate::{
    batch::Origin,
    event::{Header, Record},
};

/// Messages of one call; ten of them a millisecond at full speed, and small enough that signals are seen in time.
const MESSAGES_MAX: usize = 4_096;

/// One member of the consumer group.
pub struct Kafka {
    /// Refers to the consumer, and therefore goes first.
    queue: ffi::Queue,
    consumer: BaseConsumer<Group>,
    slots: Slots,
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
    /// Partitions that were started and not held since.
    placed: Mutex<FxHashSet<Origin>>,
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
        let group = Group { signals: Mutex::default(), placed: Mutex::default() };
        let consumer: BaseConsumer<Group> =
            settings(config).create_with_context(group).map_err(|source| Error::new("create the consumer", source))?;
        let queue = ffi::Queue::new(consumer.client(), MESSAGES_MAX);
        let topics: Vec<_> = config.topics.input.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|source| Error::new("subscribe to the input topics", source))?;
        Ok(Self { queue, consumer, slots: Slots::default() })
    }

    /// Takes a partition out of librdkafka's hands, with what was fetched of it.
    fn displace(&self, origin: &Origin) -> Result<(), Error> {
        if lock(&self.consumer.context().placed).remove(origin) {
            let failed = |source| Error::new("hold a partition", source);
            let list = list([(origin, None)]);
            self.consumer.incremental_unassign(&list).map_err(failed)?;
            // Answered behind the end of the fetching, which is when librdkafka forgets where its records are sent to.
            self.consumer.resume(&list).map_err(failed)?;
        }
        Ok(())
    }
}

fn settings(config: &Config) -> ClientConfig {
    let own = [
        ("group.id", config.group.as_str()),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // An offset that the log does not hold is for us to judge: retention, or another topic of the same name.
        ("auto.offset.reset", "error"),
        ("isolation.level", "read_committed"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        // A killed process is noticed within 6 s, the least that brokers allow by default, not within 45: with what is
        // loaded and caught up after that, its partitions are fresh again within 10 s.
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "1000"),
        // Partitions that a topic gains are found within this time, not within five minutes.
        ("topic.metadata.refresh.interval.ms", "5000"),
        // Tells the position behind transaction markers, which are no records.
        ("statistics.interval.ms", "1000"),
        // A fetched megabyte of each of many partitions, unpacked, is what memory goes to; a quarter feeds as well, and a
        // larger record still comes, by itself.
        ("fetch.message.max.bytes", "262144"),
        ("fetch.max.bytes", "4194304"),
        // 8 MiB of fetched records for each member feed it for 25 ms at full speed; a full queue is looked at again at
        // once instead of after a second.
        ("queued.max.messages.kbytes", "8192"),
        ("fetch.queue.backoff.ms", "5"),
    ];
    let mut settings = super::client_settings(config, own);
    settings.set_log_level(RDKafkaLogLevel::Warning);
    settings
}

impl Source for Kafka {
    fn signals(&mut self) -> Result<Vec<Signal>, Error> {
        // Serves rebalances, commits, statistics and errors; messages come by the other queue.
        let mut strays = Vec::new();
        while let Some(result) = self.consumer.poll(Duration::ZERO) {
            match result {
                // It came by the wrong queue, out of order: its partition is read again.
                Ok(message) => {
                    let topic = message.topic().into();
                    let partition = u32::try_from(message.partition()).unwrap_or_default();
                    strays.extend(self.slots.slot(&Origin { topic, partition }));
                }
                Err(KafkaError::MessageConsumptionFatal(code)) => {
                    return Err(Error::Fatal { doing: "stay in the consumer group", source: code });
                }
                Err(error) => tracing::debug!(%error, "librdkafka"),
            }
        }
        let events = std::mem::take(&mut *lock(&self.consumer.context().signals));
        let signals = events.into_iter().flat_map(|event| self.slots.signals(event));
        Ok(signals.chain(strays.into_iter().map(Signal::Broken)).collect())
    }

    fn records(&mut self, limit: Duration, visit: &mut dyn FnMut(Slot, &Record<'_>)) -> Vec<Signal> {
        let mut signals = Vec::new();
        let slots = &mut self.slots;
        self.queue.consume(limit, |message| {
            let Some(slot) = slots.of(message) else { return };
            match message.error {
                None => {}
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    return signals.push(Signal::Broken(slot));
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

    fn start(&mut self, slot: Slot, offset: u64) -> Result<(), Error> {
        let Some(origin) = self.slots.origins.get(&slot) else { return Ok(()) };
        self.displace(origin)?;
        let list = list([(origin, Some(offset))]);
        self.queue.take_over(self.consumer.client(), &list);
        self.consumer.incremental_assign(&list).map_err(|source| Error::new("start a partition", source))?;
        lock(&self.consumer.context().placed).insert(origin.clone());
        Ok(())
    }

    fn hold(&mut self, slot: Slot) -> Result<(), Error> {
        self.slots.origins.get(&slot).map_or(Ok(()), |origin| self.displace(origin))
    }

    fn commit(&mut self, positions: &[(Origin, u64)]) -> Result<(), Error> {
        let list = list(positions.iter().map(|(origin, position)| (origin, Some(*position))));
        // Lag tools read it; nothing of ours does.
        self.consumer.commit(&list, CommitMode::Async).map_err(|source| Error::new("commit positions", source))
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
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let origins = origins(partitions);
        let answered = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            lock(&self.signals).push(Event::Assigned(origins));
            consumer.incremental_assign(&TopicPartitionList::new())
        } else {
            let placed: Vec<_> = {
                let mut placed = lock(&self.placed);
                origins.iter().filter(|origin| placed.remove(*origin)).cloned().collect()
            };
            lock(&self.signals).push(Event::Revoked(origins));
            consumer.incremental_unassign(&list(placed.iter().map(|origin| (origin, None))))
        };
        if let Err(error) = answered {
            tracing::error!(%error, "take part in a rebalance");
        }
    }
}

fn list<'a>(positions: impl IntoIterator<Item = (&'a Origin, Option<u64>)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (origin, offset) in positions {
        // Kafka numbers partitions and offsets by positive signed integers.
        let Ok(partition) = i32::try_from(origin.partition) else { continue };
        let mut element = list.add_partition(&origin.topic, partition);
        if let Some(offset) = offset.and_then(|offset| i64::try_from(offset).ok()) {
            let _ = element.set_offset(Offset::Offset(offset));
        }
    }
    list
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
