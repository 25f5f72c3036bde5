//! What a correction changes, register by register, for people and for the table `amendments`.
//!
//! Invariant: an amendment is stored before the register that it tells of, under the register's key and the generation
//! that it takes the place of. So an interruption loses none; and whoever tells of the same change once more, because the
//! run before was broken off in between or another one runs at the same time, takes the place of what was told.
//!
//! # Why by register
//! An insert is atomic within one partition of its table: of the registers of one figure some may be corrected and
//! others not. What is told of each stands or falls with its own row, as its newest generation does.
//!
//! What this does not cover: two runs at the same moment of which one has `--directory` and the other has not see
//! different facts for a moment, and may each tell a part of what the other one tells. The figures are right all the same.

use std::{collections::HashMap, fmt};

use clickhouse::Row;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_128;

use super::registers::{Cell, Register};
use crate::{
    batch::{Rows, put_text},
    chunk::Grain,
    event::{Counter, named},
    mutants::planted,
    sink::Error,
    verify::Warehouse,
    window::{self, Date},
};

named! {
    /// Why a figure was corrected.
    Reason {
        /// Events that were counted more than once were taken out.
        Duplicate = "duplicate",
        /// Members of staff got a place who had none when they were counted.
        Directory = "directory",
        /// Both.
        DuplicateAndDirectory = "duplicate, directory",
        /// The figure by day did not agree with the facts.
        Recount = "recount",
        /// A figure by minute alone did not; before and after are those of one register of that minute.
        Minutes = "recount of minutes",
        /// A figure for boards alone did not, likewise.
        Boards = "recount of boards",
    }
}

/// Behind the counters come the records, and for boards the last add.
const RECORDS: usize = Counter::ALL.len();
const LAST_ADD: usize = RECORDS + 1;

/// What the correction of one register changes; by day before and after are figures of `v_counts_1d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    pub corp_id: String,
    pub day: Date,
    pub reason: Reason,
    /// A counter, or `records` or `last_add_at` (milliseconds) where no counter differs.
    pub metric: &'static str,
    pub region_id: String,
    pub store_id: String,
    pub staff_id: String,
    pub channel: String,
    pub before: u64,
    pub after: u64,
    /// Minutes since the epoch; 0 for a figure by day.
    pub minute: u32,
    late: bool,
    src_chunk: u64,
    /// Of the register that was found.
    generation_before: u64,
}

/// Whether what is told of will be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    Real,
    Planned,
}

/// The amendments of one day of one chunk after another, as they come.
#[derive(Debug)]
pub(super) struct Amendments {
    course: Course,
    cell: Option<Cell>,
    /// The generation with which a figure of this cell was last told of by day.
    told: HashMap<u128, u64>,
    /// By figure of a day what registers before this one change, modulo 2^64: what they counted is still in the figures.
    ahead: HashMap<u128, u64>,
}

#[derive(Row, Deserialize)]
struct Told {
    corp_id: String,
    metric: String,
    region_id: String,
    store_id: String,
    staff_id: String,
    channel: String,
    newest: u64,
}

impl Amendments {
    pub(super) fn new(course: Course) -> Self {
        Self { course, cell: None, told: HashMap::new(), ahead: HashMap::new() }
    }

    /// Goes on with another cell.
    pub(super) fn begin(&mut self, cell: &Cell) {
        self.told.clear();
        if self.course == Course::Real {
            // What was corrected is in the figures.
            self.ahead.clear();
        }
        self.cell = Some(cell.clone());
    }

    /// Reads what was told of this cell by day, by whatever run: its minutes are not told again. To be called after the
    /// registers by day were compared, for whoever put them right had told of it before.
    pub(super) async fn recall(&mut self, warehouse: &Warehouse<'_>) -> Result<(), Error> {
        let Some(cell) = &self.cell else { return Ok(()) };
        let key = "corp_id, metric, region_id, store_id, staff_id, channel";
        let (origin, day_chunk) = (&cell.chunk.origin, cell.chunk.number);
        let text = format!(
            "SELECT {key}, toUInt64(max(generation)) AS newest FROM amendment_log WHERE business_date = toDate({}) \
             AND src_topic = '{}' AND src_partition = {} AND src_chunk = {day_chunk} AND window_start = toDateTime(0) \
             AND reason != '{}' GROUP BY {key}",
            cell.day.0,
            origin.topic,
            origin.partition,
            Reason::Boards.name()
        );
        for row in warehouse.fetch::<Told>("read the amendments", &text).await? {
            let key = [&row.corp_id, &row.region_id, &row.store_id, &row.staff_id, &row.channel];
            let told = self.told.entry(fingerprint(key, &[&row.metric])).or_default();
            *told = row.newest.max(*told);
        }
        Ok(())
    }

    /// The amendments that these registers stand for, which are to be written with this generation.
    pub(super) fn of(&mut self, registers: &[Register], grain: Grain, generation: u64) -> Vec<Amendment> {
        let mut amendments = Vec::new();
        for register in registers {
            let figures = register.expected.iter().zip(&register.found);
            let differing = figures.enumerate().filter(|(_, (expected, found))| expected != found).map(|(at, _)| at);
            let mut metrics: Vec<_> =
                differing.filter_map(|at| Counter::ALL.get(at).map(|counter| (at, counter.name()))).collect();
            if metrics.is_empty() {
                let differs = register.expected.get(RECORDS) != register.found.get(RECORDS);
                metrics.push(if differs { (RECORDS, "records") } else { (LAST_ADD, "last_add_at") });
            }
            for metric in metrics {
                amendments.extend(self.of_figure(register, metric, grain, generation));
            }
        }
        amendments
    }

    fn of_figure(
        &mut self,
        register: &Register,
        (at, metric): (usize, &'static str),
        grain: Grain,
        generation: u64,
    ) -> Option<Amendment> {
        let day = self.cell.as_ref().map_or(Date(0), |cell| cell.day);
        let of = |figures: &[u64]| figures.get(at).copied().unwrap_or(0);
        let (expected, found) = (of(&register.expected), of(&register.found));
        // Modulo 2^64, so that a figure that falls needs no sign.
        let change = expected.wrapping_sub(found);
        let figure = fingerprint(register.key(), &[metric]);
        let before = match grain {
            Grain::Day => {
                self.told.insert(figure, generation);
                let ahead = self.ahead.entry(fingerprint(register.key(), &[metric, &day.0.to_string()])).or_default();
                of(&register.before).wrapping_add(std::mem::replace(ahead, ahead.wrapping_add(change)))
            }
            // Older than what was told of by day: the minutes of the same correction say the same.
            Grain::Minute if self.told.get(&figure).is_some_and(|told| register.generation < *told) => return None,
            Grain::Minute | Grain::Board => found,
        };
        let Register { corp_id, region_id, store_id, staff_id, channel, .. } = register;
        Some(Amendment {
            corp_id: corp_id.clone(),
            day,
            reason: reason(register, grain),
            metric,
            region_id: region_id.clone(),
            store_id: store_id.clone(),
            staff_id: staff_id.clone(),
            channel: channel.clone(),
            before,
            after: before.wrapping_add(change),
            minute: register.minute,
            late: register.late,
            src_chunk: register.src_chunk,
            generation_before: register.generation,
        })
    }
}

/// The rows of these, for [`crate::sink::Table::Amendments`].
pub(super) fn encode(amendments: &[Amendment], cell: &Cell, generation: u16) -> Rows {
    let mut rows = Rows::default();
    for amendment in amendments {
        let Amendment { corp_id, day, reason, metric, region_id, store_id, staff_id, channel, .. } = amendment;
        let bytes = &mut rows.bytes;
        put_text(bytes, corp_id);
        bytes.extend_from_slice(&day.0.to_le_bytes());
        for text in [reason.name(), metric, region_id, store_id, staff_id, channel] {
            put_text(bytes, text);
        }
        for figure in [amendment.before, amendment.after] {
            bytes.extend_from_slice(&i64::try_from(figure).unwrap_or(i64::MAX).to_le_bytes());
        }
        bytes.extend_from_slice(&(amendment.minute * 60).to_le_bytes());
        bytes.push(u8::from(amendment.late));
        put_text(bytes, &cell.chunk.origin.topic);
        bytes.extend_from_slice(&cell.chunk.origin.partition.to_le_bytes());
        bytes.extend_from_slice(&amendment.src_chunk.to_le_bytes());
        let before = if planted!(ToldAnew) { u64::from(rand::random::<u16>()) } else { amendment.generation_before };
        let before = u16::try_from(before).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&before.to_le_bytes());
        bytes.extend_from_slice(&generation.to_le_bytes());
        rows.count += 1;
    }
    rows
}

fn reason(register: &Register, grain: Grain) -> Reason {
    match (register.marked, register.placed, grain) {
        (true, true, _) => Reason::DuplicateAndDirectory,
        (true, false, _) => Reason::Duplicate,
        (false, true, _) => Reason::Directory,
        (false, false, Grain::Day) => Reason::Recount,
        (false, false, Grain::Minute) => Reason::Minutes,
        (false, false, Grain::Board) => Reason::Boards,
    }
}

/// Texts hold no U+0000.
fn fingerprint(key: [&String; 5], rest: &[&str]) -> u128 {
    let texts: Vec<_> = key.into_iter().map(String::as_str).chain(rest.iter().copied()).collect();
    xxh3_128(texts.join("\0").as_bytes())
}

impl fmt::Display for Amendment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { corp_id, day, reason, metric, region_id, store_id, staff_id, channel, before, after, .. } = self;
        write!(
            out,
            "{} corp `{corp_id}` region `{region_id}` store `{store_id}` staff `{staff_id}` channel `{channel}`: {metric} \
             {before} → {after} ({})",
            window::civil_of(*day),
            reason.name()
        )
    }
}
