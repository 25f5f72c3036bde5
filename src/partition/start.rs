//! The state of a partition out of what the warehouse holds of it.
//!
//! Invariant: rows that do not add up to the ledger are never built upon.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Config, Fact, Loaded, Partition, board_keys, loaded::Held};
use crate::{
    batch::{Batch, Origin, encode_origin, encode_place},
    chunk::{Boards, COUNTERS, Found, Grain, Key, Places, Registers},
    dedup::Horizon,
    mutants::planted,
};

/// The rows of a chunk do not add up to the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger counts {ledger} records in chunk {chunk}, its rows by {grain} count {rows}")]
pub struct Mismatch {
    grain: &'static str,
    chunk: u64,
    ledger: u64,
    rows: u64,
}

impl Partition {
    /// Starts a partition whose log begins at `log_start`.
    ///
    /// Where retention took records that were never read, counting goes on at the start of the log, after
    /// [`Self::adopt`].
    ///
    /// # Errors
    /// The rows do not add up to the ledger.
    pub fn start(config: &Config, origin: Origin, mut loaded: Loaded, log_start: u64) -> Result<Self, Mismatch> {
        let ledger_position = loaded.next_offset.unwrap_or(0);
        let position = ledger_position.max(log_start);
        let (leans_until, reach) = (loaded.reaches(ledger_position), loaded.rows.uptos().max().unwrap_or(0));
        let mut partition = Self {
            encoded: encode_origin(&origin),
            origin,
            topic_id: Arc::from(loaded.topic_id.as_deref().unwrap_or_default()),
            position,
            warmed: 0,
            horizon: Horizon::new(&config.dedup),
            places: std::mem::take(&mut loaded.rows.places),
            minute: Registers::new(Grain::Minute, config.chunk.bits, ledger_position),
            day: Registers::new(Grain::Day, config.chunk.day_bits, ledger_position),
            boards: Boards::new(Registers::new(Grain::Board, config.chunk.day_bits, ledger_position)),
            tally: loaded.tally,
            // What retention removed is not waited for.
            changed: position > ledger_position,
            decided: FxHashMap::default(),
            decided_below: ledger_position,
            unread: Vec::new(),
            leans_until,
        };
        let (minute, day, places) = (&mut partition.minute, &mut partition.day, &mut partition.places);
        load(minute, &loaded.rows.minutes, ledger_position);
        check(minute, places, &loaded.rows.minutes, &loaded.facts, loaded.tally.counted)?;
        if !planted!(OpenChunkNotLoaded) {
            load(day, &loaded.rows.days, ledger_position);
            check(day, places, &loaded.rows.days, &loaded.facts, loaded.day_counted)?;
        }
        partition.load_boards(loaded.rows.days, loaded.rows.boards, &loaded.facts, ledger_position);
        // Where the log still holds the whole horizon, the same duplicates are found again. Where it does not, a record
        // below the high water that has no fact was one, though its first delivery is gone.
        if log_start > 0 && log_start > ledger_position.saturating_sub(u64::from(config.dedup.records)) {
            partition.decided_below = reach.max(ledger_position);
        }
        let (mut unread, mut ahead): (Vec<_>, Vec<Fact>) =
            loaded.facts.into_iter().partition(|fact| fact.offset < position);
        unread.sort_unstable_by_key(|fact| fact.offset);
        partition.unread = unread;
        if planted!(FactIgnored) {
            ahead.clear();
        }
        partition.decided = ahead.into_iter().map(|fact| (fact.offset, fact.into())).collect();
        Ok(partition)
    }

    /// The first offset to read: that of the oldest record which one at the position could repeat.
    #[must_use]
    pub fn read_from(&self, config: &Config, log_start: u64) -> u64 {
        let records = if planted!(WarmUpSkipped) { 0 } else { config.dedup.records };
        self.position.saturating_sub(u64::from(records)).max(log_start)
    }

    /// The registers for boards out of those by day, see [`Boards`].
    fn load_boards(&mut self, days: Vec<Held>, boards: Vec<Held>, facts: &[Fact], position: u64) {
        let chunk = self.day.chunk();
        let beyond = self.beyond(facts);
        let mut encoded = Vec::new();
        for row in days.into_iter().filter(|row| row.chunk == chunk) {
            let (less, fewer) = beyond.get(&row.key).copied().unwrap_or_default();
            let mut values = row.register.values();
            for (value, less) in values.iter_mut().zip(less) {
                *value = value.saturating_sub(less);
            }
            encoded.clear();
            encoded.extend_from_slice(self.places.encoded(row.key.place()));
            for key in board_keys(&mut self.places, &encoded, row.key) {
                self.boards.load(key, &values, row.register.events().saturating_sub(fewer));
            }
        }
        let found = boards.into_iter().filter(|row| row.chunk == chunk).map(|row| {
            let Held { key, register, last_add_at, upto, .. } = row;
            (key, Found { register, last_add_at, is_ahead: upto > position })
        });
        self.changed |= self.boards.compare(found);
    }

    /// What the loaded registers by day count of these facts, which lie beyond the ledger: counters and records.
    fn beyond(&mut self, facts: &[Fact]) -> FxHashMap<Key, ([u64; COUNTERS], u32)> {
        let mut beyond: FxHashMap<Key, ([u64; COUNTERS], u32)> = FxHashMap::default();
        for fact in facts {
            let Some(key) = holds(&self.day, &mut self.places, fact) else { continue };
            let (values, events) = beyond.entry(key).or_default();
            let additions = fact.weight.counters(fact.lateness_ms, fact.dimensions().is_transfer());
            for (counter, value) in additions.into_iter().flatten() {
                values[counter.index()] += value;
            }
            *events += 1;
        }
        beyond
    }

    /// Counts what a former owner counted and did not enter, and retention has removed since: of such records the facts
    /// are all that is left, and of their registers some may be in the warehouse and others not. To be called once,
    /// before anything is folded.
    pub fn adopt(&mut self, batch: &mut Batch) {
        if planted!(UnreadNotAdopted) {
            self.unread.clear();
        }
        for fact in std::mem::take(&mut self.unread) {
            self.enter_chunk(fact.offset, batch);
            let dimensions = fact.dimensions();
            let mut encoded = Vec::new();
            encode_place(&mut encoded, &fact.corp_id, &fact.staff_id, &dimensions);
            let place = self.places.intern(&encoded);
            let additions = fact.weight.counters(fact.lateness_ms, dimensions.is_transfer());
            self.minute.add(Key::new(Grain::Minute, place, fact.window), fact.offset, &additions);
            let (key, places) = (Key::new(Grain::Day, place, fact.window), &mut self.places);
            let at = self.day.add(key, fact.offset, &additions);
            self.boards.add(at, &additions, fact.occurred_at, || board_keys(places, &encoded, key));
            self.tally.received += 1;
            self.tally.counted += 1;
            self.tally.extend_dates(fact.window.date);
            self.changed = true;
        }
        if let Some(last) = self.position.checked_sub(1) {
            self.enter_chunk(last, batch);
        }
    }
}

fn load(registers: &mut Registers, rows: &[Held], position: u64) {
    let chunk = registers.chunk();
    for row in rows.iter().filter(|row| row.chunk == chunk) {
        registers.load(row.key, row.register.clone(), row.upto, position);
    }
}

/// The records that the rows count, less those beyond the position, are those that the ledger counts.
fn check(
    registers: &Registers,
    places: &mut Places,
    rows: &[Held],
    facts: &[Fact],
    ledger: u64,
) -> Result<(), Mismatch> {
    let chunk = registers.chunk();
    let all: u64 = rows.iter().filter(|row| row.chunk == chunk).map(|row| u64::from(row.register.events())).sum();
    let mut beyond = 0;
    for fact in facts {
        beyond += u64::from(holds(registers, places, fact).is_some());
    }
    match all.checked_sub(beyond) {
        Some(rows) if rows == ledger => Ok(()),
        _ => Err(Mismatch { grain: registers.grain().name(), chunk, ledger, rows: all.saturating_sub(beyond) }),
    }
}

/// The key of the loaded register that counts this fact already.
fn holds(registers: &Registers, places: &mut Places, fact: &Fact) -> Option<Key> {
    let mut encoded = Vec::new();
    encode_place(&mut encoded, &fact.corp_id, &fact.staff_id, &fact.dimensions());
    let key = Key::new(registers.grain(), places.intern(&encoded), fact.window);
    let is_in = fact.offset < registers.end() && registers.high_water(key).is_some_and(|upto| fact.offset < upto);
    is_in.then_some(key)
}
