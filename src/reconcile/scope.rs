//! Which chunks are recomputed: those that the ledger calls complete, and whose facts are all there.
//!
//! Invariant: a chunk is closed in every table of registers or it is left to the pipeline, which holds its registers in
//! memory and would write over what was corrected.
//!
//! # Why facts are counted first
//! Whoever drops old facts keeps the rollups of those days. Recomputed from the facts that are left, they would become
//! zeros. So a chunk is touched only if its facts are as many as the ledger counts.

use std::collections::{BTreeMap, HashMap};

use clickhouse::Row;
use serde::Deserialize;

use crate::{
    batch::Origin,
    chunk::Grain,
    mutants::planted,
    sink::Error,
    verify::{Days, Warehouse, sql},
};

/// A chunk of days: offsets `[number << day_bits, (number + 1) << day_bits)` of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct DayChunk {
    pub(super) origin: Origin,
    pub(super) number: u64,
}

/// What the ledger and the facts say of one chunk of minutes.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub(super) struct Books {
    src_topic: String,
    src_partition: u32,
    pub(super) src_chunk: u64,
    /// By the ledger; records.
    pub(super) counted: u64,
    /// The generation of its ledger row.
    pub(super) generation: u64,
    /// Facts, those that are marked as duplicates included.
    pub(super) facts: u64,
    pub(super) marked: u64,
    /// The largest generation of a fact.
    pub(super) newest: u64,
}

impl Books {
    /// What the ledger has to count.
    pub(super) const fn unmarked(&self) -> u64 {
        self.facts.saturating_sub(self.marked)
    }

    /// Whether no fact is missing: marks come before the ledger takes them in, and may be interrupted in between.
    const fn is_whole(&self) -> bool {
        self.unmarked() <= self.counted && self.counted <= self.facts
    }

    /// Whether the ledger row is behind the facts.
    const fn is_behind(&self) -> bool {
        self.counted != self.unmarked() || self.generation < self.newest
    }
}

/// The closed chunks of a range of days.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) warehouse: Warehouse<'a>,
    positions: HashMap<Origin, u64>,
    /// The chunks of minutes that hold records of these days, by chunk of days.
    pub(super) books: BTreeMap<DayChunk, Vec<Books>>,
    /// Closed chunks whose facts are not all there.
    pub(super) refused: Vec<DayChunk>,
    /// Records of the range's days in chunks that are not closed, by the ledger; those chunks may hold other days too.
    pub(super) open: u64,
}

#[derive(Row, Deserialize)]
struct Open {
    counted: u64,
}

#[derive(Row, Deserialize)]
struct Newest {
    generation: u64,
}

impl<'a> Scope<'a> {
    pub(super) async fn read(warehouse: Warehouse<'a>) -> Result<Self, Error> {
        let positions = warehouse.positions().await?;
        let (books, refused) = (BTreeMap::new(), Vec::new());
        let mut scope = Self { warehouse, positions, books, refused, open: 0 };
        scope.open = scope.open().await?;
        let sql = scope.of_books(warehouse.span().await?);
        for books in warehouse.fetch::<Books>("compare the ledger with the facts", &sql).await? {
            let origin = Origin { topic: books.src_topic.as_str().into(), partition: books.src_partition };
            let number = books.src_chunk >> scope.chunks_of_a_day_bits();
            scope.books.entry(DayChunk { origin, number }).or_default().push(books);
        }
        let broken = |(_, books): &(&DayChunk, &Vec<Books>)| !books.iter().all(Books::is_whole);
        scope.refused = scope.books.iter().filter(broken).map(|(chunk, _)| chunk.clone()).collect();
        scope.books.retain(|chunk, _| !scope.refused.contains(chunk));
        Ok(scope)
    }

    /// Chunks whose ledger row is behind what the facts say.
    pub(super) fn behind(&self) -> impl Iterator<Item = &DayChunk> {
        let behind = |(_, books): &(&DayChunk, &Vec<Books>)| books.iter().any(Books::is_behind);
        self.books.iter().filter(behind).map(|(chunk, _)| chunk)
    }

    /// Larger than every generation in the ledger, and than those of the facts and the registers of these days.
    pub(super) async fn next_generation(&self) -> Result<u64, Error> {
        let between = sql::between(self.warehouse.days);
        let registers = Grain::ALL.iter().map(|&grain| {
            let table = sql::table(grain);
            format!("UNION ALL SELECT max(bitShiftRight(version, 48)) AS g FROM {table} WHERE business_date {between} ")
        });
        let registers: String = registers.collect();
        let text = format!(
            "SELECT max(g) AS generation FROM (SELECT toUInt64(max(generation)) AS g FROM ledger UNION ALL \
             SELECT max(version) AS g FROM facts WHERE business_date {between} {registers}) {}",
            sql::SETTINGS
        );
        let newest = self.warehouse.fetch::<Newest>("read the newest generation", &text).await?;
        Ok(newest.first().map_or(0, |newest| newest.generation) + 1)
    }

    /// A table `topic, number, position, closed`: offsets below `closed` lie in closed chunks.
    pub(super) fn partitions(&self) -> String {
        let row = |(origin, position): (&Origin, &u64)| {
            let closed = position >> self.warehouse.chunk.day_bits << self.warehouse.chunk.day_bits;
            format!("('{}', {}, {position}, {closed})", origin.topic, origin.partition)
        };
        // At least one row: a partition that no topic has.
        let rows: Vec<_> = self.positions.iter().map(row).chain(["('', 0, 0, 0)".to_owned()]).collect();
        let columns = "topic String, number UInt32, position UInt64, closed UInt64";
        format!("values('{columns}', {})", rows.join(", "))
    }

    /// The condition that a row of `src_topic, src_partition` and this chunk of days is to be recomputed, given
    /// [`Self::partitions`] as `p`.
    pub(super) fn is_closed(&self, day_chunk: &str) -> String {
        if planted!(OpenChunksCorrected) {
            return "true".to_owned();
        }
        let day_bits = self.warehouse.chunk.day_bits;
        let refused = self
            .refused
            .iter()
            .map(|DayChunk { origin, number }| format!("('{}', {}, {number})", origin.topic, origin.partition));
        let refused: Vec<_> = refused.chain(["('', 0, 0)".to_owned()]).collect();
        format!(
            "{day_chunk} < bitShiftRight(p.closed, {day_bits}) AND (src_topic, src_partition, {day_chunk}) NOT IN ({})",
            refused.join(", ")
        )
    }

    /// For people: the partition and the offsets.
    pub(super) fn name(&self, DayChunk { origin, number }: &DayChunk) -> String {
        let bits = self.warehouse.chunk.day_bits;
        format!("{}[{}] offsets {} to {}", origin.topic, origin.partition, number << bits, (number + 1) << bits)
    }

    /// How many chunks of minutes a chunk of days has, as a power of two.
    pub(super) const fn chunks_of_a_day_bits(&self) -> u32 {
        self.warehouse.chunk.day_bits - self.warehouse.chunk.bits
    }

    async fn open(&self) -> Result<u64, Error> {
        let Days { from, to } = self.warehouse.days;
        let text = format!(
            "SELECT sum(c.counted) AS counted FROM chunks AS c INNER JOIN {} AS p \
             ON c.src_topic = p.topic AND c.src_partition = p.number WHERE c.counted > 0 \
             AND c.first_date <= toDate({}) AND c.last_date >= toDate({}) \
             AND bitShiftLeft(c.src_chunk, {}) >= p.closed {}",
            self.partitions(),
            to.0,
            from.0,
            self.warehouse.chunk.bits,
            sql::SETTINGS
        );
        let open = self.warehouse.fetch::<Open>("read the ledger", &text).await?;
        Ok(open.first().map_or(0, |open| open.counted))
    }

    /// The books of the chunks of minutes that hold records of these days; `span` are the days of all their records.
    fn of_books(&self, span: Days) -> String {
        let (bits, between) = (self.warehouse.chunk.bits, sql::between(self.warehouse.days));
        let Days { from, to } = self.warehouse.days;
        let (chunk, spanned) = ("src_topic, src_partition, src_chunk", sql::between(span));
        let of_offset = format!("bitShiftRight(src_offset, {bits}) AS src_chunk");
        let day_chunk = format!("bitShiftRight(src_chunk, {})", self.chunks_of_a_day_bits());
        let touched = format!(
            "SELECT {chunk} FROM chunks WHERE counted > 0 AND first_date <= toDate({}) AND last_date >= toDate({}) \
             UNION DISTINCT SELECT DISTINCT src_topic, src_partition, {of_offset} FROM facts WHERE business_date {between}",
            to.0, from.0
        );
        // As many as there are offsets, so that copies of a fact need no `FINAL`.
        let facts = format!(
            "SELECT {chunk}, 0 AS c, 0 AS g, groupBitmap(toUInt32(src_offset - bitShiftLeft(src_chunk, {bits}))) AS f, 0 AS m, \
             0 AS n FROM (SELECT src_topic, src_partition, src_offset, {of_offset} FROM facts WHERE business_date {spanned}) \
             GROUP BY {chunk}"
        );
        let marked = format!(
            "SELECT {chunk}, 0 AS c, 0 AS g, 0 AS f, countIf(duplicate) AS m, max(newest) AS n FROM (\
             SELECT src_topic, src_partition, {of_offset}, src_offset, argMax(is_duplicate, version) AS duplicate, \
             max(version) AS newest FROM facts WHERE version > 0 AND business_date {spanned} \
             GROUP BY src_topic, src_partition, src_chunk, src_offset) GROUP BY {chunk}"
        );
        format!(
            "SELECT {chunk}, toUInt64(sum(c)) AS counted, toUInt64(max(g)) AS generation, toUInt64(sum(f)) AS facts, \
             toUInt64(sum(m)) AS marked, toUInt64(max(n)) AS newest FROM (\
             SELECT {chunk}, counted AS c, generation AS g, 0 AS f, 0 AS m, 0 AS n FROM chunks \
             UNION ALL {facts} UNION ALL {marked}) AS b INNER JOIN {} AS p \
             ON b.src_topic = p.topic AND b.src_partition = p.number WHERE {} AND ({chunk}) IN ({touched}) \
             GROUP BY {chunk} ORDER BY {chunk} {}",
            self.partitions(),
            self.is_closed(&day_chunk),
            sql::SETTINGS
        )
    }
}
