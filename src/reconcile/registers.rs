//! Registers that differ from the facts, and the rows that put them right.
//!
//! Invariant: what is written is what the facts say, absolute, complete up to the end of the chunk; a row that has no
//! facts left becomes zeros.
//!
//! # Why most days are never grouped
//! Counters are sums. So the hash of a key times a weighted sum of its counters, added up over all rows of a chunk, is
//! the same whether the rows are registers or facts, modulo 2^64. Facts need not be grouped by key for it, and only
//! chunks in which it differs are looked at row by row. A difference goes unseen with a chance of about 2^-64.

use std::{collections::BTreeSet, fmt};

use clickhouse::Row;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    places::Places,
    repeats,
    scope::{DayChunk, Scope},
};
use crate::{
    batch::{Origin, Rows, put_text, put_window, version},
    chunk::Grain,
    event::Counter,
    sink::Error,
    verify::{Days, sql},
    window::{self, Date, Minute},
};

/// Which facts registers have to hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Facts<'a> {
    /// Those that are there.
    Stored,
    /// Those that would be there: repeated events are taken out, and some placed. `delay_ms` is `directory.delay`.
    Planned { places: Option<&'a Places>, delay_ms: i64 },
}

/// A day of a chunk in which registers differ from the facts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) chunk: DayChunk,
    pub(super) day: Date,
    /// Whether registers by day differ: what is amended there is amended for boards too.
    pub(super) by_day: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, number, day) = (&self.chunk.origin, self.chunk.number, window::civil_of(self.day));
        write!(out, "correcting {day} in {}[{}] chunk of days {number}", origin.topic, origin.partition)
    }
}

/// One register that differs. Figures are in the order of [`sql::names`]: the counters, the records, and for boards the last
/// add.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub(super) struct Register {
    pub(super) corp_id: String,
    pub(super) region_id: String,
    pub(super) store_id: String,
    pub(super) staff_id: String,
    pub(super) channel: String,
    pub(super) late: bool,
    pub(super) minute: u32,
    pub(super) src_chunk: u64,
    pub(super) expected: Vec<u64>,
    pub(super) found: Vec<u64>,
    /// The generation of the row that was found; 0 where there is none.
    pub(super) generation: u64,
    /// Of the whole key in this grain, over all partitions and chunks; of days alone.
    pub(super) before: Vec<u64>,
    /// Why, as of the facts: some were marked, some placed since the ledger's generation.
    pub(super) marked: bool,
    pub(super) placed: bool,
}

impl Register {
    /// The dimensions, in the order in which registers come.
    pub(super) const fn key(&self) -> [&String; 5] {
        [&self.corp_id, &self.region_id, &self.store_id, &self.staff_id, &self.channel]
    }

    /// Whether no fact of it is left.
    pub(super) fn is_zeros(&self) -> bool {
        self.expected.iter().all(|figure| *figure == 0)
    }
}

#[derive(Row, Deserialize)]
struct Unequal {
    business_date: u16,
    src_topic: String,
    src_partition: u32,
    day_chunk: u64,
    by_day: bool,
}

/// The columns of a cell.
const CELL: &str = "business_date, src_topic, src_partition, day_chunk";

/// The days of closed chunks in which registers differ.
pub(super) async fn unequal(scope: &Scope<'_>, facts: Facts<'_>) -> Result<BTreeSet<Cell>, Error> {
    let of_registers: Vec<_> = Grain::ALL.iter().map(|&grain| hashes_of_registers(scope, grain)).collect();
    let differ = |sum: &str| format!("sumIf({sum}, expected) != sumIf({sum}, NOT expected)");
    let text = format!(
        "SELECT {CELL}, toBool({}) AS by_day FROM (SELECT *, true AS expected FROM ({}) UNION ALL SELECT *, false FROM ({})) \
         GROUP BY {CELL} HAVING {} {}",
        differ("day"),
        hashes_of_facts(scope, facts),
        of_registers.join(" UNION ALL "),
        ["day", "minute", "board", "last_adds"].map(differ).join(" OR "),
        sql::SETTINGS
    );
    let rows = scope.warehouse.fetch::<Unequal>("compare registers with facts", &text).await?;
    let cell = |row: Unequal| {
        let origin = Origin { topic: row.src_topic.into(), partition: row.src_partition };
        Cell { chunk: DayChunk { origin, number: row.day_chunk }, day: Date(row.business_date), by_day: row.by_day }
    };
    Ok(rows.into_iter().map(cell).collect())
}

/// By cell the hashes of what the registers of each grain have to hold.
fn hashes_of_facts(scope: &Scope<'_>, facts: Facts<'_>) -> String {
    let (bits, day_bits) = (scope.warehouse.chunk.bits, scope.warehouse.chunk.day_bits);
    let facts = effective(scope, scope.warehouse.days, facts, day_bits);
    let facts = |rows: &str| closed(scope, &format!("SELECT *, src_chunk AS day_chunk FROM ({facts}){rows}"));
    let weight = weighed(|counter| format!("toUInt64({})", sql::of_fact(counter)), "1");
    let minute = minute_hash(&format!("bitShiftRight(src_offset, {bits})"));
    // Of a time the latest holds, which is no sum: adds are grouped, a small part of all facts.
    let place = "corp_id, region_id, store_id, staff_id, channel, late";
    let adds = facts(&format!(" WHERE {}", sql::of_fact(Counter::Adds)));
    format!(
        "SELECT {CELL}, sum({DAY_HASH} * ({weight})) AS day, sum({minute} * ({weight})) AS minute, \
         sum({BOARD_HASH} * ({weight})) AS board, toUInt64(0) AS last_adds FROM ({}) GROUP BY {CELL} UNION ALL \
         SELECT {CELL}, toUInt64(0), toUInt64(0), toUInt64(0), sum({}) FROM (SELECT {CELL}, {place}, \
         max(occurred_at) AS last FROM ({}) GROUP BY {CELL}, {place}) GROUP BY {CELL}",
        facts(""),
        last_add_hash("last"),
        sql::folded(Grain::Board, &adds)
    )
}

/// By cell the hashes of what the registers of this grain hold.
fn hashes_of_registers(scope: &Scope<'_>, grain: Grain) -> String {
    let weight = weighed(|counter| counter.name().to_owned(), "events");
    let (sum, none) = (|hash: &str| format!("sum({hash} * ({weight}))"), || "toUInt64(0)".to_owned());
    let [day, minute, board, last_adds] = match grain {
        Grain::Day => [sum(DAY_HASH), none(), none(), none()],
        Grain::Minute => [none(), sum(&minute_hash("src_chunk")), none(), none()],
        Grain::Board => {
            let hash = last_add_hash("last_add_at");
            let last_adds = format!("sum(if(toUnixTimestamp64Milli(last_add_at) > 0, {hash}, 0))");
            [none(), none(), sum(DAY_HASH), last_adds]
        }
    };
    let chunk = match grain {
        Grain::Minute => format!("bitShiftRight(src_chunk, {})", scope.chunks_of_a_day_bits()),
        Grain::Day | Grain::Board => "src_chunk".to_owned(),
    };
    let (table, between) = (sql::table(grain), sql::between(scope.warehouse.days));
    let rows = format!("SELECT *, {chunk} AS day_chunk FROM {table} FINAL WHERE business_date {between}");
    format!(
        "SELECT {CELL}, {day} AS day, {minute} AS minute, {board} AS board, {last_adds} AS last_adds FROM ({}) \
         GROUP BY {CELL}",
        closed(scope, &rows)
    )
}

/// Those of these rows that lie in closed chunks.
fn closed(scope: &Scope<'_>, rows: &str) -> String {
    format!(
        "SELECT f.* FROM ({rows}) AS f INNER JOIN {} AS p ON f.src_topic = p.topic AND f.src_partition = p.number \
         WHERE {}",
        scope.partitions(),
        scope.is_closed("day_chunk")
    )
}

/// The statement that answers with the [`Register`]s of a cell which differ.
pub(super) fn differing(scope: &Scope<'_>, cell: &Cell, grain: Grain, facts: Facts<'_>) -> String {
    let Cell { chunk: DayChunk { origin, number }, day, .. } = cell;
    let days = Days { from: *day, to: *day };
    let (bits, chunk) = match grain {
        Grain::Minute => {
            (scope.warehouse.chunk.bits, format!("bitShiftRight(src_chunk, {})", scope.chunks_of_a_day_bits()))
        }
        Grain::Day | Grain::Board => (scope.warehouse.chunk.day_bits, "src_chunk".to_owned()),
    };
    let minute = match grain {
        Grain::Minute => "intDiv(toUInt32(window_start), 60)",
        Grain::Day | Grain::Board => "toUInt32(0)",
    };
    let here =
        format!("src_topic = '{}' AND src_partition = {} AND {chunk} = {number}", origin.topic, origin.partition);
    let place = "corp_id, region_id, store_id, staff_id, channel";
    let key = format!("{place}, is_late, minute, src_chunk, mine");
    let (zeros, of_facts, of_registers, table) =
        (sql::zeros(grain), sql::of_facts(grain), sql::of_registers(grain), sql::table(grain));
    let columns = format!("{place}, toBool(late) AS is_late, {minute} AS minute, src_chunk");
    let date = format!("business_date = toDate({})", day.0);
    // The whole figure comes from the same look at the table as its parts: another run may write in between two looks.
    let registers = match grain {
        Grain::Minute | Grain::Board => format!("{date} AND {here}"),
        Grain::Day => date,
    };
    let changed = changed(scope, cell, facts);
    let effective = sql::folded(grain, &effective(scope, days, facts, bits));
    format!(
        "SELECT corp_id, region_id, store_id, staff_id, channel, r.row.1 AS late, r.row.2 AS minute, r.row.3 AS src_chunk, \
         r.row.4 AS expected, r.row.5 AS found, r.row.6 AS generation, before, y.marked AS marked, y.placed AS placed FROM (\
         SELECT {place}, sumForEach(f) AS before, arrayJoin(groupArrayIf((is_late, minute, src_chunk, e, f, g), mine AND e != f)) \
         AS row FROM (SELECT {key}, sumForEach(expected) AS e, sumForEach(found) AS f, max(newest) AS g FROM (\
         SELECT {columns}, true AS mine, {of_facts} AS expected, {zeros} AS found, toUInt64(0) AS newest \
         FROM ({effective}) WHERE {here} GROUP BY {key} UNION ALL \
         SELECT {columns}, {here} AS mine, {zeros} AS expected, {of_registers} AS found, \
         max(bitShiftRight(version, 48)) AS newest FROM {table} FINAL WHERE {registers} GROUP BY {key}) GROUP BY {key}) GROUP BY {place}) AS r \
         LEFT JOIN ({changed}) AS y ON r.corp_id = y.y_corp AND r.staff_id = y.y_staff AND r.channel = y.y_channel \
         ORDER BY {place}, late, minute, src_chunk {}",
        sql::SETTINGS
    )
}

/// The rows that put these registers of a cell right.
pub(super) fn encode(rows: &mut Rows, cell: &Cell, register: &Register, place: Grained, generation: u16) {
    let bytes = &mut rows.bytes;
    let Register { corp_id, region_id, store_id, staff_id, channel, .. } = register;
    for text in [corp_id, region_id, store_id, staff_id, channel] {
        put_text(bytes, text);
    }
    let minute = (place.grain == Grain::Minute).then_some(Minute(register.minute));
    put_window(bytes, minute, cell.day, register.late);
    put_text(bytes, &cell.chunk.origin.topic);
    bytes.extend_from_slice(&cell.chunk.origin.partition.to_le_bytes());
    bytes.extend_from_slice(&register.src_chunk.to_le_bytes());
    let (counters, rest) = register.expected.split_at(Counter::ALL.len());
    for counter in counters {
        bytes.extend_from_slice(&counter.to_le_bytes());
    }
    let records = rest.first().and_then(|&records| u32::try_from(records).ok()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&records.to_le_bytes());
    let end = (register.src_chunk + 1) << place.bits;
    bytes.extend_from_slice(&version(generation, end).to_le_bytes());
    if let (Grain::Board, Some(last_add)) = (place.grain, rest.get(1)) {
        bytes.extend_from_slice(&last_add.to_le_bytes());
    }
    rows.count += 1;
}

/// A grain and the size of its chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grained {
    pub(super) grain: Grain,
    pub(super) bits: u32,
}

/// Which members and channels of this day and chunk have facts that were changed since their ledger row was written,
/// or are to be changed.
fn changed(scope: &Scope<'_>, cell: &Cell, facts: Facts<'_>) -> String {
    let Cell { chunk: DayChunk { origin, number }, day, .. } = cell;
    let (bits, day_bits) = (scope.warehouse.chunk.bits, scope.warehouse.chunk.day_bits);
    let of_cell = format!(
        "business_date = toDate({}) AND src_topic = '{}' AND src_partition = {} AND bitShiftRight(src_offset, {day_bits}) = \
         {number}",
        day.0, origin.topic, origin.partition
    );
    let (marked, placed, rows) = match facts {
        Facts::Stored => (
            "is_duplicate".to_owned(),
            "NOT is_duplicate".to_owned(),
            format!(
                "(SELECT * FROM facts WHERE {of_cell} AND version > 0) AS f LEFT JOIN (SELECT src_topic AS l_topic, \
                 src_partition AS l_partition, src_chunk AS l_chunk, generation FROM chunks) AS l ON f.src_topic = l_topic \
                 AND f.src_partition = l_partition AND bitShiftRight(f.src_offset, {bits}) = l_chunk WHERE version > generation"
            ),
        ),
        Facts::Planned { places, .. } => (
            format!("(src_topic, src_partition, src_offset) IN ({})", repeats::unmarked(scope)),
            places
                .map_or_else(|| "false".to_owned(), |places| format!("(corp_id, staff_id) IN ({})", places.members())),
            format!("facts WHERE {of_cell}"),
        ),
    };
    format!(
        "SELECT corp_id AS y_corp, staff_id AS y_staff, channel AS y_channel, toBool(max({marked})) AS marked, \
         toBool(max({placed})) AS placed FROM {rows} GROUP BY corp_id, staff_id, channel"
    )
}

/// The facts of these days that count, with the chunk of this size in which each lies.
fn effective(scope: &Scope<'_>, days: Days, facts: Facts<'_>, bits: u32) -> String {
    let stored = sql::facts(days, bits);
    let Facts::Planned { places, delay_ms } = facts else { return stored };
    let planned = format!(
        "SELECT * FROM ({stored}) WHERE (src_topic, src_partition, src_offset) NOT IN ({})",
        repeats::unmarked(scope)
    );
    match places {
        None => planned,
        Some(places) => format!(
            "SELECT * EXCEPT (store_id, region_id, placed_store, placed_region), placed_store AS store_id, \
             placed_region AS region_id FROM ({})",
            places.join(&planned, delay_ms)
        ),
    }
}

/// The hash of a key by day within its cell.
const DAY_HASH: &str = "cityHash64(corp_id, region_id, store_id, staff_id, channel, toUInt8(late))";

/// Those of the two keys for boards of a key by day.
const BOARD_HASH: &str = "(cityHash64(corp_id, region_id, store_id, staff_id, '', toUInt8(late)) \
     + cityHash64(corp_id, region_id, '', '', channel, toUInt8(late)))";

/// The hash of a key for boards with the time of its last add.
fn last_add_hash(last_add: &str) -> String {
    format!(
        "cityHash64(corp_id, region_id, store_id, staff_id, channel, toUInt8(late), toUnixTimestamp64Milli({last_add}))"
    )
}

/// The same by minute: with the minute and its own chunk.
fn minute_hash(chunk: &str) -> String {
    format!(
        "cityHash64(corp_id, region_id, store_id, staff_id, channel, toUInt8(late), toUInt32(window_start), {chunk})"
    )
}

/// The weighted sum of all counters and of the records.
fn weighed(column: impl Fn(Counter) -> String, records: &str) -> String {
    // Odd, so that no counter loses its lowest bit.
    let weight = |name: &str| xxh3_64(name.as_bytes()) | 1;
    let counters = Counter::ALL.iter().map(|&counter| format!("({}) * {}", column(counter), weight(counter.name())));
    counters.chain([format!("{records} * {}", weight("records"))]).collect::<Vec<_>>().join(" + ")
}
