//! What a correction changes, figure by figure, for people and for the table `amendments`.
//!
//! Invariant: an amendment is stored before the registers that it tells of. So an interruption loses none; and one that
//! was stored already, because the run before was broken off in between, is not stored again. Of two runs at once each may
//! tell of the same change.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use clickhouse::Row;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_128;

use super::registers::Register;
use crate::{
    batch::{Rows, put_text},
    chunk::Grain,
    event::{Counter, named},
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
        /// A figure by minute alone did not; before and after are those of the minutes that were corrected.
        Minutes = "recount of minutes",
    }
}

/// One figure of one day that is corrected; by day it is the figure of `v_counts_1d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    pub corp_id: String,
    pub day: Date,
    pub reason: Reason,
    /// A counter, or `records` where no counter differs.
    pub metric: &'static str,
    pub region_id: String,
    pub store_id: String,
    pub staff_id: String,
    pub channel: String,
    pub before: u64,
    pub after: u64,
}

/// The amendments of one day of one chunk after another, as they come.
#[derive(Debug)]
pub(super) struct Amendments {
    day: Date,
    /// The last ones that are stored of each figure.
    stored: HashSet<u128>,
    /// Figures that were told of by day, for those by minute say the same.
    told: HashSet<u128>,
    /// By figure of a day what chunks before this one would have changed, modulo 2^64; nothing where it is in the
    /// figures already.
    planned: Option<HashMap<u128, u64>>,
}

#[derive(Row, Deserialize)]
struct Stored {
    corp_id: String,
    metric: String,
    region_id: String,
    store_id: String,
    staff_id: String,
    channel: String,
    before: i64,
    after: i64,
}

impl Amendments {
    /// Of registers that are put right, or, in a dry run, would be.
    pub(super) fn new(dry_run: bool) -> Self {
        let (stored, told) = (HashSet::new(), HashSet::new());
        Self { day: Date(0), stored, told, planned: dry_run.then(HashMap::new) }
    }

    /// Goes on with a day of another chunk.
    pub(super) async fn begin(&mut self, warehouse: &Warehouse<'_>, day: Date) -> Result<(), Error> {
        let key = "corp_id, metric, region_id, store_id, staff_id, channel";
        let text = format!(
            "SELECT {key}, last.1 AS before, last.2 AS after FROM (\
             SELECT {key}, argMax((before, after), recorded_at) AS last FROM amendments WHERE business_date = toDate({}) \
             GROUP BY {key})",
            day.0
        );
        let stored = warehouse.fetch::<Stored>("read the amendments", &text).await?.into_iter().map(|row| {
            let key = [&row.corp_id, &row.region_id, &row.store_id, &row.staff_id, &row.channel];
            fingerprint(key, &[&row.metric, &row.before.to_string(), &row.after.to_string()])
        });
        self.stored = stored.collect();
        self.told.clear();
        self.day = day;
        Ok(())
    }

    /// The amendments that these registers stand for; those of one key follow each other, and are all here.
    pub(super) fn of(&mut self, registers: &[Register], grain: Grain) -> Vec<Amendment> {
        let mut amendments = Vec::new();
        for of_key in registers.chunk_by(|one, other| one.key() == other.key()) {
            self.of_key(of_key, grain, &mut amendments);
        }
        amendments
    }

    fn of_key(&mut self, registers: &[Register], grain: Grain, amendments: &mut Vec<Amendment>) {
        let Some(first) = registers.first() else { return };
        let differs = |at: usize| registers.iter().any(|register| register.expected.get(at) != register.found.get(at));
        let sum = |of: fn(&Register) -> &Vec<u64>, at: usize| {
            registers.iter().map(|register| of(register).get(at).copied().unwrap_or(0)).fold(0, u64::wrapping_add)
        };
        let mut metrics: Vec<_> = Counter::ALL.iter().map(|counter| (counter.index(), counter.name())).collect();
        metrics.retain(|&(at, _)| differs(at));
        if metrics.is_empty() {
            metrics.push((Counter::ALL.len(), "records"));
        }
        for (at, metric) in metrics {
            let (expected, found) = (sum(|register| &register.expected, at), sum(|register| &register.found, at));
            let Register { corp_id, region_id, store_id, staff_id, channel, .. } = first;
            let key = [corp_id, region_id, store_id, staff_id, channel];
            let is_new = self.told.insert(fingerprint(key, &[metric]));
            if grain == Grain::Minute && !is_new {
                continue;
            }
            // Modulo 2^64, so that a figure that falls needs no sign.
            let change = expected.wrapping_sub(found);
            let before = match grain {
                Grain::Day => {
                    let planned = self.planned.as_mut().map_or(0, |planned| {
                        let sum = planned.entry(fingerprint(key, &[metric, &self.day.0.to_string()])).or_default();
                        std::mem::replace(sum, sum.wrapping_add(change))
                    });
                    first.before.get(at).copied().unwrap_or(0).wrapping_add(planned)
                }
                Grain::Minute => found,
            };
            let after = before.wrapping_add(change);
            amendments.push(Amendment {
                corp_id: corp_id.clone(),
                day: self.day,
                reason: reason(registers, grain),
                metric,
                region_id: region_id.clone(),
                store_id: store_id.clone(),
                staff_id: staff_id.clone(),
                channel: channel.clone(),
                before,
                after,
            });
        }
    }

    /// The rows of those that are not stored yet, for [`crate::sink::Table::Amendments`].
    pub(super) fn encode(&self, amendments: &[Amendment]) -> Rows {
        let mut rows = Rows::default();
        for amendment in amendments {
            let Amendment { corp_id, day, reason, metric, region_id, store_id, staff_id, channel, before, after } =
                amendment;
            let [before, after] = [before, after].map(|figure| i64::try_from(*figure).unwrap_or(i64::MAX));
            let key = [corp_id, region_id, store_id, staff_id, channel];
            if self.stored.contains(&fingerprint(key, &[metric, &before.to_string(), &after.to_string()])) {
                continue;
            }
            let bytes = &mut rows.bytes;
            put_text(bytes, corp_id);
            bytes.extend_from_slice(&day.0.to_le_bytes());
            for text in [reason.name(), metric, region_id, store_id, staff_id, channel] {
                put_text(bytes, text);
            }
            bytes.extend_from_slice(&before.to_le_bytes());
            bytes.extend_from_slice(&after.to_le_bytes());
            rows.count += 1;
        }
        rows
    }
}

fn reason(registers: &[Register], grain: Grain) -> Reason {
    let (marked, placed) =
        (registers.iter().any(|register| register.marked), registers.iter().any(|register| register.placed));
    match (marked, placed, grain) {
        (true, true, _) => Reason::DuplicateAndDirectory,
        (true, false, _) => Reason::Duplicate,
        (false, true, _) => Reason::Directory,
        (false, false, Grain::Day) => Reason::Recount,
        (false, false, Grain::Minute) => Reason::Minutes,
    }
}

/// Texts hold no U+0000.
fn fingerprint(key: [&String; 5], rest: &[&str]) -> u128 {
    let texts: Vec<_> = key.into_iter().map(String::as_str).chain(rest.iter().copied()).collect();
    xxh3_128(texts.join("\0").as_bytes())
}

impl fmt::Display for Amendment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { corp_id, day, reason, metric, region_id, store_id, staff_id, channel, before, after } = self;
        write!(
            out,
            "{} corp `{corp_id}` region `{region_id}` store `{store_id}` staff `{staff_id}` channel `{channel}`: {metric} \
             {before} → {after} ({})",
            window::civil_of(*day),
            reason.name()
        )
    }
}
