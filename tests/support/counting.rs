//! Partitions counted by the pure rooms into a real engine, without a broker: any topic, any moment, any size of chunk.
//!
//! Invariant: what is counted is flushed in the pipeline's order; a partition can be started anew from what is stored.

use std::collections::{BTreeMap, HashMap};

use clickhouse::Client;
use yinliu::{
    batch::{Batch, Origin, encode_ledger},
    chunk, config,
    corp::Corps,
    dedup,
    directory::{Directory, OrgRow, Publication},
    event::Record,
    migrate,
    partition::{Config, Loaded, Partition, Room, Rules},
    sink::{self, ClickHouse, Sink as _, Table},
    window::Calendar,
};

/// A database with chunks of 16 offsets by minute and 32 by day, and a horizon of 4 records.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) config: config::Config,
    pub(crate) client: Client,
    pub(crate) directory: Directory,
    sink: ClickHouse,
    partitions: BTreeMap<Origin, Partition>,
}

/// Offsets of a chunk of days.
pub(crate) const CHUNK: usize = 32;

impl Counting {
    pub(crate) async fn new(url: String, database: &str) -> Self {
        let clickhouse = sink::Config { url, database: database.to_owned(), ..Default::default() };
        let config = config::Config {
            clickhouse,
            chunk: chunk::Config { bits: 4, day_bits: 5 },
            dedup: dedup::Config { records: 4, ..Default::default() },
            ..Default::default()
        };
        migrate::run(&config.clickhouse, &config.chunk).await.unwrap();
        let (sink, client) = (ClickHouse::new(&config.clickhouse), sink::client(&config.clickhouse));
        Self { config, client, directory: Directory::default(), sink, partitions: BTreeMap::new() }
    }

    /// Counts records, each a timestamp and a value, from the partition's position on, and flushes.
    pub(crate) async fn count(&mut self, topic: &str, partition: u32, records: &[(i64, String)]) {
        let origin = Origin { topic: topic.into(), partition };
        let mut partition = match self.partitions.remove(&origin) {
            Some(partition) => partition,
            None => self.start(&origin).await,
        };
        let corps = Corps::new(&HashMap::new()).unwrap();
        let (mut calendar, mut scratch, mut batch) = (Calendar::new(), Vec::new(), Batch::default());
        let mut rules = Rules {
            corps: &corps,
            directory: &self.directory,
            delay_ms: 60_000,
            calendar: &mut calendar,
            scratch: &mut scratch,
        };
        for (timestamp, value) in records {
            let (offset, value) = (partition.position(), Some(value.as_bytes()));
            let record = Record { offset, timestamp: Some(*timestamp), key: None, value, headers: &[] };
            partition.fold(&record, &mut rules, &mut batch);
        }
        partition.drain(&mut batch);
        let rows = [
            (Table::Facts, &batch.facts),
            (Table::Minutes, &batch.minute),
            (Table::Days, &batch.day),
            (Table::Boards, &batch.board),
        ];
        for (table, rows) in rows {
            self.sink.insert(table, rows).await.unwrap();
        }
        self.sink.insert(Table::Ledger, &encode_ledger(&batch.ledger)).await.unwrap();
        self.partitions.insert(origin, partition);
    }

    /// Every partition forgets what it holds, and starts from the database at its next record, as a process does.
    pub(crate) fn restart(&mut self) {
        self.partitions.clear();
    }

    /// Enters a member of staff into the directory and into `org_history`.
    pub(crate) async fn employ(&mut self, staff_id: &str, store_id: &str, region_id: &str, published_at: i64) {
        let text = str::to_owned;
        let sql = format!(
            "INSERT INTO org_log (corp_id, staff_id, store_id, region_id, active, valid_from, published_at, src_offset) \
             VALUES ('c', '{staff_id}', '{store_id}', '{region_id}', true, fromUnixTimestamp64Milli({published_at}), \
             fromUnixTimestamp64Milli({published_at}), {published_at})"
        );
        self.execute(&sql).await;
        let offset = u64::try_from(published_at).unwrap();
        self.directory.insert_org(OrgRow {
            publication: Publication { at: published_at, partition: 0, offset },
            corp_id: text("c"),
            staff_id: text(staff_id),
            store_id: text(store_id),
            region_id: text(region_id),
            active: true,
            valid_from: published_at,
            ..OrgRow::default()
        });
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.client.query_raw(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The rows of a statement that selects one text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        self.client.query_raw(sql).fetch_all().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The words with which a process of its own works on this database.
    pub(crate) fn settings(&self) -> Vec<String> {
        let config = &self.config;
        let pairs = [
            format!("clickhouse.url={}", config.clickhouse.url),
            format!("clickhouse.database={}", config.clickhouse.database),
            format!("chunk.bits={}", config.chunk.bits),
            format!("chunk.day_bits={}", config.chunk.day_bits),
            format!("dedup.records={}", config.dedup.records),
        ];
        pairs.into_iter().flat_map(|pair| ["--set".to_owned(), pair]).collect()
    }

    async fn start(&self, origin: &Origin) -> Partition {
        let settings = Config { chunk: self.config.chunk.clone(), dedup: self.config.dedup.clone() };
        let loaded = self.load(std::slice::from_ref(origin), Room::ENOUGH).await.remove(0);
        Partition::start(&settings, origin.clone(), loaded, 0).unwrap()
    }

    /// What the database holds of these partitions, in their order.
    pub(crate) async fn load(&self, origins: &[Origin], room: Room) -> Vec<Loaded> {
        let mut loaded = self.sink.load(origins, &self.config.chunk, room).await.unwrap();
        origins.iter().map(|origin| loaded.remove(origin).unwrap_or_default()).collect()
    }
}
