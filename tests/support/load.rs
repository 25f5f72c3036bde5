//! A brand's records, sent at a steady rate.
//!
//! Invariant: reproducible: the same seed makes the same records with the same timestamps, whenever the test runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use jiff::civil::date;
use rdkafka::producer::FutureProducer;
use yinliu::generate::{Delivery, Model, Settings, Topic, brand::Brand, reference};

use super::{
    records::{self, Stored},
    stage::Stage,
};

/// 2026-06-01 10:00 in Shanghai, an hour in which a brand is busy, and the midnight before it.
const START_MS: i64 = 1_780_279_200_000;
const MIDNIGHT_MS: i64 = START_MS - 10 * 3_600_000;

/// Between two records of the story: a day's worth of minutes comes up in a few thousand records.
const STEP_MS: i64 = 100;

/// Between two bursts of a steady rate: as smooth as a flush notices.
const BURST: Duration = Duration::from_millis(50);

pub(crate) struct Load {
    model: Model,
    brand: Arc<Brand>,
    now_ms: i64,
    producer: FutureProducer,
    topics: [(Topic, String); 6],
}

impl Load {
    pub(crate) fn new(stage: &Stage<'_>, seed: u64) -> Self {
        let settings = Settings { seed, regions: 2, stores: 6, staff: 40, ..Settings::default() };
        let brand = Arc::new(Brand::new(&settings).unwrap());
        let role = |topic: Topic, name: &str| (topic, stage.topic(name));
        Self {
            model: Model::new(Arc::clone(&brand), START_MS, MIDNIGHT_MS),
            brand,
            now_ms: START_MS,
            producer: records::producer(stage.kafka),
            topics: [
                role(Topic::Friend, "friend"),
                role(Topic::Message, "message"),
                role(Topic::Order, "order"),
                role(Topic::Touch, "touch"),
                role(Topic::Org, "org"),
                role(Topic::Channel, "channel"),
            ],
        }
    }

    /// Sends the directory and the codes of the brand; returns how many rows these are.
    pub(crate) async fn send_reference(&self) -> usize {
        let rows = reference::rows(&self.brand, date(2026, 6, 1), MIDNIGHT_MS).unwrap();
        let rows: Vec<_> = rows.iter().filter_map(|row| self.stored(row)).collect();
        let count = rows.len();
        records::send(&self.producer, rows).await;
        count
    }

    /// Sends the next records.
    pub(crate) async fn send(&mut self, count: usize) {
        let mut records = Vec::new();
        for _ in 0..count {
            self.now_ms += STEP_MS;
            let delivery = self.model.now(self.now_ms);
            records.extend(self.stored(&delivery));
        }
        records::send(&self.producer, records).await;
    }

    /// Sends so many records a second until told to stop.
    pub(crate) fn steady(mut self, per_second: usize) -> Steady {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let began = Instant::now();
            let mut sent = 0;
            while !told.load(Ordering::Relaxed) {
                let due = per_second * usize::try_from(began.elapsed().as_millis()).unwrap() / 1_000;
                runtime.block_on(self.send(due - sent));
                sent = due;
                thread::sleep(BURST);
            }
            self
        });
        Steady { stop, thread: Some(thread) }
    }

    /// `None` for rows that boards alone read.
    fn stored(&self, delivery: &Delivery) -> Option<Stored> {
        let (_, topic) = self.topics.iter().find(|(topic, _)| *topic == delivery.topic)?;
        Some(Stored {
            topic: topic.clone(),
            timestamp: delivery.timestamp_ms,
            key: Some(delivery.key.clone().into_bytes()),
            value: Some(delivery.value.clone()),
            ..Stored::default()
        })
    }
}

/// A load that goes on by itself.
pub(crate) struct Steady {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Load>>,
}

impl Steady {
    /// Everything that was sent is acknowledged.
    pub(crate) fn stop(mut self) -> Load {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a load ends once").join().unwrap()
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
