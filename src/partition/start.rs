//! The state of a partition out of what the warehouse holds of it.
//!
//! Invariant: rows that do not add up to the ledger are never built upon.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Config, Decision, Partition, board_places};
use crate::{
    batch::{Batch, Origin, Tally, encode_origin, encode_place},
    chunk::{Boards, COUNTERS, Found, Grain, Key, Places, Registers},
    dedup::Horizon,
    directory::Channel,
    enrich::Dimensions,
    event::Weight,
    mutants::planted,
    window::{Date, Window},
};

/// What the warehouse holds of one partition.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The ledger's position; `None` where no flush was ever completed.
    pub next_offset: Option<u64>,
    /// Of the chunk of minutes in which the position lies; all 0 at its start.
    pub tally: Tally,
    /// Records counted in the chunk of days in which the position lies, by the ledger.
    pub day_counted: u64,
    /// Earliest and latest business day of these.
    pub day_dates: Option<(Date, Date)>,
    /// Registers of the chunks in which the position lies, and of later ones.
    pub minutes: Vec<Row>,
    pub days: Vec<Row>,
    pub boards: Vec<Row>,
    /// Facts at and beyond the position.
    pub facts: Vec<Fact>,
    /// The topic whose records the ledger counted; `None` where it is not known.
    pub topic_id: Option<String>,
}

/// One register as the warehouse holds it; by day, `window.minute` has no meaning.
#[derive(Clone, Debug)]
pub struct Row {
    pub chunk: u64,
    pub corp_id: String,
    pub region_id: String,
    pub store_id: String,
    pub staff_id: String,
    pub channel: String,
    pub window: Window,
    pub values: [u64; COUNTERS],
    pub events: u32,
    /// For boards: when its last add occurred, milliseconds since the epoch; 0 without any.
    pub last_add_at: i64,
    /// The row is complete below this offset.
    pub upto: u64,
}

/// One counted record as the warehouse holds it.
#[derive(Clone, Debug)]
pub struct Fact {
    pub offset: u64,
    pub corp_id: String,
    pub staff_id: String,
    pub region_id: String,
    pub store_id: String,
    pub channel: String,
    pub channel_group: String,
    pub window: Window,
    pub weight: Weight,
    /// Milliseconds since the epoch.
    pub occurred_at: i64,
    /// Record timestamp minus `occurred_at`, milliseconds.
    pub lateness_ms: i64,
}

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
    pub fn start(config: &Config, origin: Origin, loaded: Loaded, log_start: u64) -> Result<Self, Mismatch> {
        let ledger_position = loaded.next_offset.unwrap_or(0);
        let position = ledger_position.max(log_start);
        let mut partition = Self {
            encoded: encode_origin(&origin),
            origin,
            topic_id: Arc::from(loaded.topic_id.as_deref().unwrap_or_default()),
            position,
            warmed: 0,
            horizon: Horizon::new(&config.dedup),
            places: Places::default(),
            minute: Registers::new(Grain::Minute, config.chunk.bits, ledger_position),
            day: Registers::new(Grain::Day, config.chunk.day_bits, ledger_position),
            boards: Boards::new(Registers::new(Grain::Board, config.chunk.day_bits, ledger_position)),
            tally: loaded.tally,
            // What retention removed is not waited for.
            changed: position > ledger_position,
            decided: FxHashMap::default(),
            decided_below: ledger_position,
            unread: Vec::new(),
            leans_until: loaded.reaches(ledger_position),
        };
        let (minute, day, places) = (&mut partition.minute, &mut partition.day, &mut partition.places);
        load(minute, places, &loaded.minutes, ledger_position);
        check(minute, places, &loaded.minutes, &loaded.facts, loaded.tally.counted)?;
        if !planted!(OpenChunkNotLoaded) {
            load(day, places, &loaded.days, ledger_position);
            check(day, places, &loaded.days, &loaded.facts, loaded.day_counted)?;
        }
        partition.load_boards(&loaded, ledger_position);
        // Where the log still holds the whole horizon, the same duplicates are found again. Where it does not, a record
        // below the high water that has no fact was one, though its first delivery is gone.
        if log_start > 0 && log_start > ledger_position.saturating_sub(u64::from(config.dedup.records)) {
            let upto = loaded.rows().map(|row| row.upto);
            partition.decided_below = upto.max().unwrap_or(0).max(ledger_position);
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
    fn load_boards(&mut self, loaded: &Loaded, position: u64) {
        let chunk = self.day.chunk();
        let beyond = self.beyond(&loaded.facts);
        let mut encoded = Vec::new();
        for row in loaded.days.iter().filter(|row| row.chunk == chunk) {
            let dimensions = row.dimensions();
            encode_place(&mut encoded, &row.corp_id, &row.staff_id, &dimensions);
            let key = Key::new(Grain::Day, self.places.intern(&encoded), row.window);
            let (less, fewer) = beyond.get(&key).copied().unwrap_or_default();
            let mut values = row.values;
            for (value, less) in values.iter_mut().zip(less) {
                *value = value.saturating_sub(less);
            }
            for place in board_places(&mut self.places, &mut encoded, &row.corp_id, &row.staff_id, &dimensions) {
                let key = Key::new(Grain::Board, place, row.window);
                self.boards.load(key, &values, row.events.saturating_sub(fewer));
            }
        }
        let mut found: FxHashMap<Key, Found> = FxHashMap::default();
        let mut keys: Vec<_> = self.boards.keys().collect();
        for row in loaded.boards.iter().filter(|row| row.chunk == chunk) {
            encode_place(&mut encoded, &row.corp_id, &row.staff_id, &row.dimensions());
            let key = Key::new(Grain::Board, self.places.intern(&encoded), row.window);
            let Row { values, events, last_add_at, upto, .. } = *row;
            found.insert(key, Found { values, events, last_add_at, is_ahead: upto > position });
            keys.push(key);
        }
        for key in keys {
            self.changed |= self.boards.compare(key, found.get(&key));
        }
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
            let at = self.day.add(Key::new(Grain::Day, place, fact.window), fact.offset, &additions);
            let places = &mut self.places;
            self.boards.add(at, &additions, fact.occurred_at, || {
                board_places(places, &mut encoded, &fact.corp_id, &fact.staff_id, &dimensions)
                    .map(|place| Key::new(Grain::Board, place, fact.window))
            });
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

fn load(registers: &mut Registers, places: &mut Places, rows: &[Row], position: u64) {
    let mut encoded = Vec::new();
    let chunk = registers.chunk();
    for row in rows.iter().filter(|row| row.chunk == chunk) {
        encode_place(&mut encoded, &row.corp_id, &row.staff_id, &row.dimensions());
        let key = Key::new(registers.grain(), places.intern(&encoded), row.window);
        registers.load(key, &row.values, row.events, row.upto, position);
    }
}

/// The records that the rows count, less those beyond the position, are those that the ledger counts.
fn check(
    registers: &Registers,
    places: &mut Places,
    rows: &[Row],
    facts: &[Fact],
    ledger: u64,
) -> Result<(), Mismatch> {
    let chunk = registers.chunk();
    let all: u64 = rows.iter().filter(|row| row.chunk == chunk).map(|row| u64::from(row.events)).sum();
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

impl Loaded {
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.minutes.iter().chain(&self.days).chain(&self.boards)
    }

    /// How far rows reach beyond the ledger; 0 where none does.
    fn reaches(&self, ledger: u64) -> u64 {
        let facts = self.facts.iter().map(|fact| fact.offset + 1);
        let rows = self.rows().map(|row| row.upto);
        facts.chain(rows).filter(|reach| *reach > ledger).max().unwrap_or(0)
    }
}

impl Row {
    /// The group of the channel is no part of a register.
    fn dimensions(&self) -> Dimensions<'_> {
        let channel = Channel { key: &self.channel, group: "" };
        Dimensions { region_id: &self.region_id, store_id: &self.store_id, channel }
    }
}

impl Fact {
    fn dimensions(&self) -> Dimensions<'_> {
        let channel = Channel { key: &self.channel, group: &self.channel_group };
        Dimensions { region_id: &self.region_id, store_id: &self.store_id, channel }
    }
}

impl From<Fact> for Decision {
    fn from(fact: Fact) -> Self {
        Self {
            region_id: fact.region_id,
            store_id: fact.store_id,
            channel: fact.channel,
            channel_group: fact.channel_group,
        }
    }
}
