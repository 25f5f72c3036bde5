//! Registers: absolute counts within one chunk of a partition's offsets.
//!
//! Invariant: pure; an event changes a register only at or beyond the register's high-water offset, so that whatever
//! an insert brought in already is recognised row by row.

mod boards;
mod places;

use std::hash::BuildHasher as _;

use hashbrown::{HashTable, hash_table::Entry};
use rustc_hash::{FxBuildHasher, FxHashMap};
use serde::{Deserialize, Serialize};

pub use boards::{Boards, Found};
pub use places::{Place, Places, View};

use crate::{
    batch::{Rows, put_window, version},
    event::{Counter, named},
    mutants::planted,
    window::{Date, Minute, Window},
};

/// Section `chunk`: sizes of the chunks, as powers of two; fixed when a database is created.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Rows by minute and the ledger: a minute rarely outlives 131,072 offsets. From 4 to 20.
    pub bits: u32,
    /// Rows by day: their keys come back all day. From `bits` to 24.
    pub day_bits: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { bits: 17, day_bits: 20 }
    }
}

/// An entry of an index: a number and a byte, in a table that grows to twice the size at seven eighths.
const INDEXED: usize = 5 * 16 / 7 + 1;

impl Config {
    /// What the registers and places of a partition take at most, in bytes: where every id is as long as it may be and no
    /// two records share a key. Where two do, a register may take 168 bytes more, and a place of 345 less is there.
    #[must_use]
    pub const fn bytes_max(&self) -> usize {
        const TEXT: usize = 1 + 64;
        const REGISTER: usize = size_of::<(Key, Register)>() + INDEXED + size_of::<u32>();
        const PLACE: usize = 5 * TEXT + size_of::<usize>() + INDEXED;
        const FOR_BOARDS: usize = 2 * (REGISTER + size_of::<i64>() + size_of::<(Place, View)>() + INDEXED);
        let by_day = REGISTER + PLACE + FOR_BOARDS + size_of::<[u32; 2]>();
        (REGISTER << self.bits) + (by_day << self.day_bits)
    }

    /// What the rows of a partition take that is loaded, in bytes, until they are registers.
    #[must_use]
    pub const fn loading_bytes_max(&self) -> usize {
        const ROW: usize = size_of::<(Key, Register)>() + 3 * size_of::<u64>();
        (ROW << self.bits) + ((3 * ROW) << self.day_bits)
    }
}

/// The place in a list of what has this number.
fn index(number: u32) -> usize {
    usize::try_from(number).expect("a u32 is an index")
}

named! {
    /// Which of the tables of registers.
    Grain {
        Minute = "minute",
        Day = "day",
        /// By day, without what boards do not show: a member of staff over all channels, a channel over a region.
        Board = "board",
    }
}

/// Dimensions and window of a register, packed: place 32 bits, minute 27 or day 16, the distance of the business day
/// from the day in UTC 2, late 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

const MINUTES_OF_A_DAY: u32 = 24 * 60;

impl Key {
    #[must_use]
    pub fn new(grain: Grain, place: Place, window: Window) -> Self {
        let late = u64::from(window.late);
        let window = match grain {
            Grain::Minute => {
                // A zone is at most a day away from UTC: the distance plus one is 0, 1 or 2.
                let days = u32::from(window.date.0) + 1 - window.minute.0 / MINUTES_OF_A_DAY;
                u64::from(window.minute.0) << 2 | u64::from(days & 3)
            }
            Grain::Day | Grain::Board => u64::from(window.date.0),
        };
        Self(u64::from(place.0) << 32 | window << 1 | late)
    }

    fn hash(self) -> u64 {
        FxBuildHasher.hash_one(self.0)
    }

    /// The place, of the grain for which the key was made.
    #[must_use]
    pub fn place(self) -> Place {
        Place(u32::try_from(self.0 >> 32).expect("32 bits"))
    }

    /// The key of the same day at another place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self(u64::from(place.0) << 32 | self.0 & u64::from(u32::MAX))
    }

    fn put(self, grain: Grain, rows: &mut Vec<u8>) {
        let late = self.0 & 1 == 1;
        let window = u32::try_from(self.0 >> 1 & 0x7fff_ffff).expect("31 bits");
        let (minute, day) = match grain {
            Grain::Minute => {
                let minute = window >> 2;
                (Some(Minute(minute)), minute / MINUTES_OF_A_DAY + (window & 3) - 1)
            }
            Grain::Day | Grain::Board => (None, window),
        };
        put_window(rows, minute, Date(u16::try_from(day).expect("a day was packed")), late);
    }
}

/// Absolute counts of one key, and the number of its events. Most keys of a chunk see one event, so two counters have their place in the register
/// of 32 bits, and a third or a larger one moves all of them to the heap: 24 bytes instead of 160.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    cells: Cells,
    events: u32,
    dirty: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cells {
    Few { counters: [u8; 2], values: [u32; 2] },
    Many(Box<[u64; COUNTERS]>),
}

/// The number of counters of a rollup.
pub const COUNTERS: usize = Counter::ALL.len();

/// A place for a counter that none has taken.
const FREE: u8 = u8::MAX;

/// Counters and values that one event adds.
pub type Additions = [Option<(Counter, u64)>; 2];

impl Register {
    const fn new() -> Self {
        Self { cells: Cells::Few { counters: [FREE; 2], values: [0; 2] }, events: 0, dirty: false }
    }

    /// Of the counters in their order.
    #[must_use]
    pub fn of(values: &[u64; COUNTERS], events: u32) -> Self {
        let mut register = Self { events, ..Self::new() };
        for (&counter, &value) in Counter::ALL.iter().zip(values).filter(|&(_, &value)| value > 0) {
            register.add(counter, value);
        }
        register
    }

    #[must_use]
    pub const fn events(&self) -> u32 {
        self.events
    }

    fn add(&mut self, counter: Counter, value: u64) {
        let index = counter.index();
        if let Cells::Few { counters, values } = &mut self.cells {
            let number = u8::try_from(index).expect("there are fewer than 255 counters");
            let at = counters.iter().position(|&taken| taken == number || taken == FREE);
            let sum = |at: usize| u64::from(values[at]).checked_add(value).and_then(|sum| u32::try_from(sum).ok());
            if let Some((at, sum)) = at.and_then(|at| Some((at, sum(at)?))) {
                counters[at] = number;
                values[at] = sum;
                return;
            }
            self.cells = Cells::Many(Box::new(self.values()));
        }
        if let Cells::Many(values) = &mut self.cells {
            values[index] += value;
        }
    }

    const fn is_spread(&self) -> bool {
        matches!(self.cells, Cells::Many(_))
    }

    /// The counters in their order, 8 bytes each.
    fn put(&self, row: &mut Vec<u8>) {
        let start = row.len();
        row.extend_from_slice(&[0; COUNTERS * 8]);
        let mut put = |counter: usize, value: u64| {
            let at = start + counter * 8;
            row[at..at + 8].copy_from_slice(&value.to_le_bytes());
        };
        match &self.cells {
            // Mostly zeros, which are there already.
            Cells::Few { counters, values } => {
                for (&counter, &value) in counters.iter().zip(values).filter(|&(&counter, _)| counter != FREE) {
                    put(usize::from(counter), value.into());
                }
            }
            Cells::Many(values) => values.iter().enumerate().for_each(|(counter, &value)| put(counter, value)),
        }
    }

    /// The counters in their order.
    #[must_use]
    pub fn values(&self) -> [u64; COUNTERS] {
        match &self.cells {
            Cells::Few { counters, values } => {
                let mut all = [0; COUNTERS];
                for (&counter, &value) in counters.iter().zip(values).filter(|&(&counter, _)| counter != FREE) {
                    all[usize::from(counter)] = value.into();
                }
                all
            }
            Cells::Many(values) => **values,
        }
    }
}

/// The registers of one grain in the open chunk of one partition.
///
/// They lie one after another in the order of their first events: a flush, most of whose registers are new, walks
/// through memory instead of jumping, and the index that is jumped through has 5 bytes for each.
#[derive(Debug)]
pub struct Registers {
    grain: Grain,
    bits: u32,
    chunk: u64,
    index: HashTable<u32>,
    held: Vec<(Key, Register)>,
    /// Positions in `held`.
    dirty: Vec<u32>,
    /// High-water offsets beyond the position: rows that reached the warehouse before the ledger did.
    ahead: FxHashMap<Key, u64>,
    /// Registers with all counters on the heap.
    spread: usize,
}

impl Registers {
    /// The registers of the chunk in which `position` lies.
    #[must_use]
    pub fn new(grain: Grain, bits: u32, position: u64) -> Self {
        let chunk = position >> bits;
        let (index, held, dirty) = (HashTable::new(), Vec::new(), Vec::new());
        Self { grain, bits, chunk, index, held, dirty, ahead: FxHashMap::default(), spread: 0 }
    }

    /// Takes in a row of this chunk that is complete below `upto`.
    pub fn load(&mut self, key: Key, register: Register, upto: u64, position: u64) {
        let at = self.place_of(key);
        self.spread += usize::from(register.is_spread());
        self.held[at].1 = register;
        if upto > position {
            self.ahead.insert(key, upto);
        }
    }

    /// The offset below which the loaded row of this key is complete, where that is beyond the position.
    #[must_use]
    pub fn high_water(&self, key: Key) -> Option<u64> {
        self.ahead.get(&key).copied()
    }

    /// Adds what the event at `offset` adds, unless the row is complete beyond it. The answer is the register's
    /// position, which stays.
    pub fn add(&mut self, key: Key, offset: u64, additions: &Additions) -> usize {
        let at = self.place_of(key);
        let is_in = !self.ahead.is_empty()
            && self.ahead.get(&key).is_some_and(|&upto| offset < upto + u64::from(planted!(GuardOffByOne)));
        if !is_in {
            self.add_at(at, additions.iter().flatten().copied(), 1);
            self.touch(at);
        }
        at
    }

    fn add_at(&mut self, at: usize, additions: impl Iterator<Item = (Counter, u64)>, events: u32) {
        let register = &mut self.held[at].1;
        let before = register.is_spread();
        for (counter, value) in additions {
            register.add(counter, value);
        }
        self.spread += usize::from(register.is_spread() != before);
        register.events += events;
    }

    /// The register is to be written by the next drain.
    fn touch(&mut self, at: usize) {
        let register = &mut self.held[at].1;
        if !register.dirty {
            register.dirty = true;
            self.dirty.push(u32::try_from(at).expect("a chunk has at most 2^24 offsets"));
        }
    }

    /// The position of the register of this key, a new one if need be.
    fn place_of(&mut self, key: Key) -> usize {
        let held = &self.held;
        let key_at = |at: u32| held[index(at)].0;
        let entry = self.index.entry(key.hash(), |&at| key_at(at) == key, |&at| key_at(at).hash());
        match entry {
            Entry::Occupied(entry) => index(*entry.get()),
            Entry::Vacant(entry) => {
                let at = held.len();
                entry.insert(u32::try_from(at).expect("a chunk has at most 2^24 offsets"));
                self.held.push((key, Register::new()));
                at
            }
        }
    }

    #[must_use]
    pub const fn grain(&self) -> Grain {
        self.grain
    }

    /// Whether an event at `offset` belongs to a later chunk.
    #[must_use]
    pub const fn ends_before(&self, offset: u64) -> bool {
        offset >> self.bits != self.chunk
    }

    /// The chunk: offsets `[chunk << bits, (chunk + 1) << bits)`.
    #[must_use]
    pub const fn chunk(&self) -> u64 {
        self.chunk
    }

    /// Empty registers of the chunk in which `offset` lies.
    #[must_use]
    pub fn next(&self, offset: u64) -> Self {
        Self::new(self.grain, self.bits, offset)
    }

    /// The first offset beyond the chunk.
    #[must_use]
    pub const fn end(&self) -> u64 {
        (self.chunk + 1) << self.bits
    }

    /// Encodes the rows that changed, complete below `upto`, which lies in the chunk or at its end.
    pub fn drain(&mut self, places: &Places, origin: &[u8], upto: u64, rows: &mut Rows) {
        self.drain_with(places, origin, upto, rows, |_, _| {});
    }

    /// The same; `put_more` encodes what follows the version of the row at a position.
    fn drain_with(
        &mut self,
        places: &Places,
        origin: &[u8],
        upto: u64,
        rows: &mut Rows,
        put_more: impl Fn(usize, &mut Vec<u8>),
    ) {
        for at in self.dirty.drain(..) {
            let at = index(at);
            let (key, register) = &mut self.held[at];
            register.dirty = false;
            let bytes = &mut rows.bytes;
            places.put(self.grain, key.place(), bytes);
            key.put(self.grain, bytes);
            bytes.extend_from_slice(origin);
            bytes.extend_from_slice(&self.chunk.to_le_bytes());
            register.put(bytes);
            bytes.extend_from_slice(&register.events.to_le_bytes());
            let upto = upto + u64::from(planted!(VersionTooHigh));
            bytes.extend_from_slice(&version(0, upto).to_le_bytes());
            put_more(at, bytes);
            rows.count += 1;
        }
        if !self.ahead.is_empty() {
            self.ahead.retain(|_, ahead| *ahead > upto && !planted!(HighWaterForgotten));
        }
    }

    /// Registers held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Memory, in bytes, see [`Places::bytes`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        // A block on the heap has 16 bytes of the allocator's own.
        let spread = self.spread * (size_of::<[u64; COUNTERS]>() + 16);
        let ahead = self.ahead.capacity() * size_of::<(Key, u64)>();
        let held = self.held.len() * size_of::<(Key, Register)>() + self.dirty.capacity() * size_of::<u32>();
        held + self.index.allocation_size() + spread + ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::upto;

    const WINDOW: Window = Window { minute: Minute(29_026_200), date: Date(20_157), late: false };

    /// Counters, records and high water of the only row that is drained.
    fn drained(registers: &mut Registers, places: &Places, position: u64) -> (Vec<(Counter, u64)>, u32, u64) {
        let mut rows = Rows::default();
        registers.drain(places, b"", position, &mut rows);
        assert_eq!(rows.count, 1);
        let number = |at: usize| u64::from_le_bytes(rows.bytes[at..at + 8].try_into().unwrap());
        let end = rows.bytes.len();
        let counters = end - 8 - 4 - COUNTERS * 8;
        let values = Counter::ALL.iter().map(|&counter| (counter, number(counters + counter.index() * 8)));
        let events = u32::from_le_bytes(rows.bytes[end - 12..end - 8].try_into().unwrap());
        (values.filter(|(_, value)| *value > 0).collect(), events, upto(number(end - 8)))
    }

    fn registers() -> (Registers, Places, Key) {
        let mut places = Places::default();
        let key = Key::new(Grain::Minute, places.intern(b"place"), WINDOW);
        (Registers::new(Grain::Minute, 4, 32), places, key)
    }

    #[test]
    fn third_counter_of_a_key_loses_none_of_the_others() {
        let (mut registers, places, key) = registers();
        for (offset, counter) in (32..).zip([Counter::Adds, Counter::LateAdds, Counter::Adds, Counter::Orders]) {
            registers.add(key, offset, &[Some((counter, 2)), None]);
        }
        let expected = vec![(Counter::Adds, 4), (Counter::LateAdds, 2), (Counter::Orders, 2)];
        assert_eq!(drained(&mut registers, &places, 36), (expected, 4, 36));
    }

    #[test]
    fn event_below_the_high_water_is_in_the_row_already() {
        let (mut registers, places, key) = registers();
        let mut values = [0; COUNTERS];
        values[Counter::Adds.index()] = 5;
        registers.load(key, Register::of(&values, 5), 40, 32);
        registers.add(key, 39, &[Some((Counter::Adds, 1)), None]);
        registers.add(key, 40, &[Some((Counter::Adds, 1)), None]);
        assert_eq!(drained(&mut registers, &places, 41), (vec![(Counter::Adds, 6)], 6, 41));
    }

    #[test]
    fn row_that_did_not_change_is_not_written_again() {
        let (mut registers, places, key) = registers();
        registers.add(key, 32, &[Some((Counter::Adds, 1)), None]);
        drained(&mut registers, &places, 33);
        let mut rows = Rows::default();
        registers.drain(&places, b"", 34, &mut rows);
        assert_eq!(rows.count, 0);
    }

    #[test]
    fn chunk_ends_where_the_next_begins() {
        let (registers, ..) = registers();
        assert_eq!((registers.chunk(), registers.end()), (2, 48));
        assert!(!registers.ends_before(47));
        assert!(registers.ends_before(48));
        assert_eq!(registers.next(48).chunk(), 3);
    }

    #[test]
    fn day_of_a_key_is_that_of_the_zone_on_either_side_of_utc() {
        for date in [20_156, 20_157, 20_158] {
            let mut places = Places::default();
            let window = Window { date: Date(date), ..WINDOW };
            let mut rows = Vec::new();
            Key::new(Grain::Minute, places.intern(b""), window).put(Grain::Minute, &mut rows);
            let mut expected = Vec::new();
            put_window(&mut expected, Some(window.minute), window.date, window.late);
            assert_eq!(rows, expected);
        }
    }

    #[test]
    fn counters_are_kept_whole_however_large_and_however_many() {
        const HALF: u64 = 1 << 31;
        let steps = [(Counter::Orders, 1), (Counter::GmvFen, HALF), (Counter::GmvFen, HALF), (Counter::Adds, 7)];
        let (mut register, mut expected) = (Register::new(), [0; COUNTERS]);
        for (counter, value) in steps {
            register.add(counter, value);
            expected[counter.index()] += value;
            assert_eq!(register.values(), expected);
            let mut row = Vec::new();
            register.put(&mut row);
            assert_eq!(row, expected.map(u64::to_le_bytes).concat());
        }
    }

    #[test]
    fn registers_of_different_keys_stay_apart_and_drain_in_the_order_of_their_first_events() {
        let mut places = Places::default();
        let mut registers = Registers::new(Grain::Day, 17, 0);
        let window = Window { minute: Minute(0), date: Date(20_000), late: false };
        let keys: Vec<_> =
            (0..1_000_u32).map(|n| Key::new(Grain::Day, places.intern(&n.to_le_bytes()), window)).collect();
        for (offset, key) in (0..).zip(keys.iter().chain(&keys)) {
            registers.add(*key, offset, &[Some((Counter::Adds, 1)), None]);
        }
        let mut rows = Rows::default();
        registers.drain(&places, &[], 2_000, &mut rows);
        assert_eq!((rows.count, registers.len()), (1_000, 1_000));
        let length = rows.bytes.len() / rows.count;
        for (number, row) in (0_u32..).zip(rows.bytes.chunks(length)) {
            assert_eq!(row[..4], number.to_le_bytes());
            assert_eq!(row[length - 12..length - 8], 2_u32.to_le_bytes(), "events");
        }
        registers.drain(&places, &[], 2_000, &mut rows);
        assert_eq!(rows.count, 1_000, "nothing changed since");
    }

    #[test]
    fn chunk_of_the_longest_ids_that_no_two_records_share_takes_what_was_said_and_little_less() {
        let config = Config { bits: 10, day_bits: 12 };
        let last = (1 << config.day_bits) - 1;
        let (mut minute, mut day) =
            (Registers::new(Grain::Minute, config.bits, last), Registers::new(Grain::Day, config.day_bits, last));
        let mut boards = Boards::new(Registers::new(Grain::Board, config.day_bits, last));
        let mut places = Places::default();
        for offset in 0..=last {
            let text = format!("{offset:064}");
            let encoded = [&[64], text.as_bytes()].concat().repeat(5);
            let place = places.intern(&encoded);
            let additions = [Some((Counter::Adds, 1)), Some((Counter::LateAdds, 1))];
            if !minute.ends_before(offset) {
                minute.add(Key::new(Grain::Minute, place, WINDOW), offset, &additions);
            }
            let key = Key::new(Grain::Day, place, WINDOW);
            let at = day.add(key, offset, &additions);
            boards.add(at, &additions, 1, || {
                [View::Staff, View::Channel].map(|view| key.at(places.intern_for_boards(&encoded, view)))
            });
        }
        let (bytes, most) = (minute.bytes() + day.bytes() + boards.bytes() + places.bytes(), config.bytes_max());
        assert!(bytes <= most && bytes > most * 9 / 10, "{bytes} of {most}");
    }
}
