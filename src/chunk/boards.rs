//! Registers by day for boards: each member of staff over all channels, each channel over a region.
//!
//! Invariant: an event that a register by day counts is counted in exactly two of these, one of either kind.
//!
//! # Why not summed up when they are drained, or loaded like the others
//! A row says what it counts below one offset. After a broken flush some registers by day reach beyond the ledger and
//! others do not, so that their sum is the count below no offset at all. So events are folded here too, one by one; that
//! needs no search, for the register by day remembers where its two are. And at the start of a partition nothing is
//! built on the rows that the warehouse holds: what the registers by day count, less the facts beyond the ledger that
//! they count already, is what these count below the ledger, exactly. Rows that lack or differ are written again, those of
//! a database that never had any too. Only the time of the last add is loaded: no register by day has it, and taking
//! in a later one twice changes nothing.

use super::{Additions, COUNTERS, Key, Places, Register, Registers, index};
use crate::{batch::Rows, event::Counter};

/// No register yet.
const NONE: u32 = u32::MAX;

/// The registers for boards in the open chunk of one partition.
#[derive(Debug)]
pub struct Boards {
    registers: Registers,
    /// By position of the register: `occurred_at` of its last add, milliseconds since the epoch; 0 without any.
    last_adds: Vec<i64>,
    /// By position of the register by day: the positions of the two in which its events count.
    folds: Vec<[u32; 2]>,
}

impl Boards {
    /// Of the chunk of these registers, which are empty.
    #[must_use]
    pub const fn new(registers: Registers) -> Self {
        Self { registers, last_adds: Vec::new(), folds: Vec::new() }
    }

    /// Adds what an event adds that the register by day at `day_at` counts, or counted before; `keys` are asked for once.
    pub fn add(&mut self, day_at: usize, additions: &Additions, occurred_at: i64, keys: impl FnOnce() -> [Key; 2]) {
        let folds = match self.folds.get(day_at) {
            Some(&folds) if folds[0] != NONE => folds,
            _ => self.link(day_at, keys()),
        };
        let adds = additions.iter().flatten().any(|&(counter, _)| counter == Counter::Adds);
        for at in folds {
            let at = index(at);
            self.registers.add_at(at, additions.iter().flatten().copied(), 1);
            self.registers.touch(at);
            if adds {
                self.last_adds[at] = self.last_adds[at].max(occurred_at);
            }
        }
    }

    /// Takes in what a register counts below the position.
    pub fn load(&mut self, key: Key, values: &[u64; COUNTERS], events: u32) {
        let at = self.place_of(key);
        let additions = Counter::ALL.iter().copied().zip(values.iter().copied()).filter(|(_, value)| *value > 0);
        self.registers.add_at(at, additions, events);
    }

    /// Takes in the rows that the warehouse holds of these registers, one of each: the times of their last adds, and which
    /// have to be written again, because they lack or differ. Whether there are any.
    pub fn compare(&mut self, rows: impl IntoIterator<Item = (Key, Found)>) -> bool {
        let (mut found, mut any) = (vec![false; self.len()], false);
        for (key, row) in rows {
            let at = self.place_of(key);
            found.resize(self.len(), false);
            found[at] = true;
            self.last_adds[at] = self.last_adds[at].max(row.last_add_at);
            let held = &self.registers.held[at].1;
            // Complete beyond the position: whatever differs will be counted again.
            let differs = !row.is_ahead && (row.register.values(), row.register.events) != (held.values(), held.events);
            any |= self.touch_if(at, differs);
        }
        for at in (0..found.len()).filter(|&at| !found[at]) {
            any |= self.touch_if(at, self.registers.held[at].1.events > 0);
        }
        any
    }

    fn touch_if(&mut self, at: usize, differs: bool) -> bool {
        if differs {
            self.registers.touch(at);
        }
        differs
    }

    /// Encodes the rows that changed, complete below `upto`, which lies in the chunk or at its end.
    pub fn drain(&mut self, places: &Places, origin: &[u8], upto: u64, rows: &mut Rows) {
        let last_adds = &self.last_adds;
        self.registers.drain_with(places, origin, upto, rows, |at, bytes| {
            bytes.extend_from_slice(&last_adds[at].to_le_bytes());
        });
    }

    /// Empty registers of the chunk in which `offset` lies.
    #[must_use]
    pub fn next(&self, offset: u64) -> Self {
        Self::new(self.registers.next(offset))
    }

    /// Registers held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registers.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registers.is_empty()
    }

    /// Memory, in bytes, see [`Places::bytes`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        let links = self.folds.len() * size_of::<[u32; 2]>();
        self.registers.bytes() + self.last_adds.len() * size_of::<i64>() + links
    }

    fn link(&mut self, day_at: usize, keys: [Key; 2]) -> [u32; 2] {
        let folds = keys.map(|key| u32::try_from(self.place_of(key)).expect("a chunk has at most 2^24 offsets"));
        if self.folds.len() <= day_at {
            self.folds.resize(day_at + 1, [NONE; 2]);
        }
        self.folds[day_at] = folds;
        folds
    }

    fn place_of(&mut self, key: Key) -> usize {
        let at = self.registers.place_of(key);
        if self.last_adds.len() <= at {
            self.last_adds.resize(at + 1, 0);
        }
        at
    }
}

/// What the warehouse holds of a register for boards.
#[derive(Clone, Debug)]
pub struct Found {
    pub register: Register,
    /// Milliseconds since the epoch; 0 without any.
    pub last_add_at: i64,
    /// It is complete beyond the position.
    pub is_ahead: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chunk::{Grain, View},
        window::{Date, Minute, Window},
    };

    const WINDOW: Window = Window { minute: Minute(0), date: Date(20_157), late: false };

    /// Encoded: no corp, region and store, the member and the channel.
    const PLACE: &[u8] = b"\0\0\0\x03mei\x03sms";
    const STAFF: &[u8] = b"\0\0\0\x03mei\0";
    const CHANNEL: &[u8] = b"\0\0\0\0\x03sms";

    fn boards() -> (Boards, Places, [Key; 2]) {
        let mut places = Places::default();
        let keys = [View::Staff, View::Channel]
            .map(|view| Key::new(Grain::Board, places.intern_for_boards(PLACE, view), WINDOW));
        (Boards::new(Registers::new(Grain::Board, 4, 0)), places, keys)
    }

    /// Place, adds, records and last add of the rows that are drained.
    fn drained(boards: &mut Boards, places: &Places) -> Vec<(Vec<u8>, u64, u32, i64)> {
        let mut rows = Rows::default();
        boards.drain(places, b"", 9, &mut rows);
        let mut rest = rows.bytes.as_slice();
        let mut found = Vec::new();
        for _ in 0..rows.count {
            let (place, row) = rest.split_at(STAFF.len());
            let (row, more) = row.split_at(2 + 1 + 8 + COUNTERS * 8 + 4 + 8 + 8);
            let number = |at: usize| u64::from_le_bytes(row[at..at + 8].try_into().unwrap());
            let counters = 2 + 1 + 8;
            let events = counters + COUNTERS * 8;
            let records = u32::from_le_bytes(row[events..events + 4].try_into().unwrap());
            let last = i64::from_le_bytes(row[events + 12..].try_into().unwrap());
            found.push((place.to_vec(), number(counters + Counter::Adds.index() * 8), records, last));
            rest = more;
        }
        found
    }

    #[test]
    fn event_counts_once_for_its_member_and_once_for_its_channel_with_the_latest_add() {
        let (mut boards, places, keys) = boards();
        for (occurred_at, counter) in [(70, Counter::Adds), (50, Counter::Adds), (90, Counter::Scans)] {
            boards.add(3, &[Some((counter, 1)), None], occurred_at, || keys);
        }
        let expected = [(STAFF.to_vec(), 2, 3, 70), (CHANNEL.to_vec(), 2, 3, 70)];
        assert_eq!(drained(&mut boards, &places), expected);
        assert!(drained(&mut boards, &places).is_empty(), "nothing changed since");
    }

    #[test]
    fn row_is_written_again_at_the_start_only_where_it_lacks_or_differs() {
        let mut values = [0; COUNTERS];
        values[Counter::Adds.index()] = 5;
        let found = |events, is_ahead| Found { register: Register::of(&values, events), last_add_at: 70, is_ahead };
        for (row, expected) in
            [(None, true), (Some(found(4, false)), true), (Some(found(5, false)), false), (Some(found(6, true)), false)]
        {
            let (mut boards, places, [key, _]) = boards();
            boards.load(key, &values, 5);
            let last = row.as_ref().map_or(0, |row| row.last_add_at);
            assert_eq!(boards.compare(row.map(|row| (key, row))), expected);
            let rows = if expected { vec![(STAFF.to_vec(), 5, 5, last)] } else { Vec::new() };
            assert_eq!(drained(&mut boards, &places), rows);
        }
    }

    #[test]
    fn row_that_nothing_counts_any_more_becomes_zeros() {
        let (mut boards, places, [_, key]) = boards();
        let row = Found { register: Register::of(&[1; COUNTERS], 1), last_add_at: 70, is_ahead: false };
        assert!(boards.compare([(key, row)]));
        assert_eq!(drained(&mut boards, &places), [(CHANNEL.to_vec(), 0, 0, 70)]);
    }
}
