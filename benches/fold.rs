//! The pure part alone, in memory: records to encoded rows, without Kafka and without ClickHouse.
//!
//! Invariant: generating the records is not measured; a full batch is handed on as the pipeline does it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use yinliu::{
    batch::{Batch, Origin},
    corp::Corps,
    directory::{Directory, Kind, Publication, Reference},
    event::Record,
    generate::{
        Delivery, Model, Settings, Topic,
        brand::Brand,
        reference,
        rhythm::{MINUTE_MS, Span},
    },
    partition::{self, Loaded, Partition, Rules},
    window::Calendar,
};

use crate::measure::thread_cpu;

/// Records that are generated before they are folded: memory for them, and 1 % at most lost on the ends of measuring.
const BLOCK: usize = 100_000;

/// The size at which the pipeline hands a batch over.
const BATCH_BYTES_FULL: usize = 4 << 20;

/// The day that the benchmarks tell, and its midnight in Shanghai in milliseconds since the epoch.
pub(crate) const DAY: jiff::civil::Date = jiff::civil::Date::constant(2026, 11, 11);
const MIDNIGHT_MS: i64 = 1_794_326_400_000;

/// What is folded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) events: u64,
    pub(crate) staff: u32,
    pub(crate) partitions: usize,
}

/// The brand of the benchmarks: 12 or so to a store, as far as the stores go.
pub(crate) fn settings(staff: u32, count: u64) -> Settings {
    let stores = (staff / 12).clamp(1, 400);
    Settings {
        staff,
        stores,
        regions: stores.min(4),
        count,
        day: yinliu::generate::Day::Past(DAY),
        ..Settings::default()
    }
}

/// The rows of the brand's organisation and of its codes.
pub(crate) fn directory_rows(brand: &Brand) -> impl Iterator<Item = Reference> {
    let rows = reference::rows(brand, DAY, MIDNIGHT_MS).unwrap_or_default();
    (0..).zip(rows).filter_map(|(offset, row)| {
        let kind = match row.topic {
            Topic::Org => Kind::Org,
            Topic::Channel => Kind::Channel,
            _ => return None,
        };
        let publication = Publication { at: row.timestamp_ms, partition: 0, offset };
        Reference::read(kind, Some(row.key.as_bytes()), Some(&row.value), publication).ok()
    })
}

/// CPU for one event, in microseconds.
pub(crate) fn run(load: Load) -> f64 {
    let settings = settings(load.staff, load.events);
    let brand = Arc::new(Brand::new(&settings).expect("the sizes fit each other"));
    let mut directory = Directory::default();
    for row in directory_rows(&brand) {
        let _ = match row {
            Reference::Org(row) => directory.insert_org(row),
            Reference::Channel(row) => directory.insert_channel(row),
            Reference::Target(_) | Reference::Contest(_) | Reference::Cost(_) | Reference::Official(_) => continue,
        };
    }
    let mut folding = Folding::new(load.partitions);
    let mut model = Model::new(brand, MIDNIGHT_MS, MIDNIGHT_MS);
    let span = Span { start_ms: MIDNIGHT_MS, end_ms: MIDNIGHT_MS + 24 * 60 * MINUTE_MS, midnight_ms: MIDNIGHT_MS };
    let mut day = model.day(span, load.events);
    let (mut spent, mut folded) = (Duration::ZERO, 0_u32);
    loop {
        let block: Vec<_> = day.by_ref().take(BLOCK).collect();
        if block.is_empty() {
            return spent.as_secs_f64() * 1e6 / f64::from(folded.max(1));
        }
        let began = thread_cpu();
        folding.fold(&block, &directory);
        spent += thread_cpu().saturating_sub(began);
        folded += u32::try_from(block.len()).unwrap_or(0);
    }
}

struct Folding {
    partitions: Vec<(Partition, u64)>,
    corps: Corps,
    calendar: Calendar,
    scratch: Vec<u8>,
    batch: Batch,
}

impl Folding {
    fn new(partitions: usize) -> Self {
        let start = |partition| {
            let origin = Origin { topic: "yinliu.friend.v1".into(), partition };
            Partition::start(&partition::Config::default(), origin, Loaded::default(), 0).expect("an empty start fits")
        };
        let count = u32::try_from(partitions).unwrap_or(u32::MAX);
        Self {
            partitions: (0..count).map(|partition| (start(partition), 0)).collect(),
            corps: Corps::new(&HashMap::new()).expect("the default zone exists"),
            calendar: Calendar::new(),
            scratch: Vec::new(),
            batch: Batch::default(),
        }
    }

    fn fold(&mut self, block: &[Delivery], directory: &Directory) {
        let mut rules = Rules {
            corps: &self.corps,
            directory,
            delay_ms: 60_000,
            calendar: &mut self.calendar,
            scratch: &mut self.scratch,
        };
        for delivery in block {
            // Any spreading by the key will do; this one is cheap.
            let hash = delivery.key.bytes().fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
            let at = hash % self.partitions.len();
            let (partition, offset) = &mut self.partitions[at];
            let record = Record {
                offset: *offset,
                timestamp: Some(delivery.timestamp_ms),
                key: Some(delivery.key.as_bytes()),
                value: Some(&delivery.value),
                headers: &[],
            };
            *offset += 1;
            partition.fold(&record, &mut rules, &mut self.batch);
            if self.batch.bytes() >= BATCH_BYTES_FULL {
                for (partition, _) in &mut self.partitions {
                    partition.drain(&mut self.batch);
                }
                self.batch.clear();
            }
        }
    }
}
