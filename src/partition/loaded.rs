//! What the warehouse holds of a partition, as it comes in.
//!
//! Invariant: the text of a row is held once, however many rows have it: an open chunk of keys that no two records share
//! has three million rows.

use super::Decision;
use crate::{
    batch::{Tally, encode_place},
    chunk::{COUNTERS, Grain, Key, Places, Register, View},
    directory::Channel,
    enrich::Dimensions,
    event::Weight,
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
    /// Facts at and beyond the position.
    pub facts: Vec<Fact>,
    /// The topic whose records the ledger counted; `None` where it is not known.
    pub topic_id: Option<String>,
    pub rows: Rows,
}

/// Registers of the chunks in which the position lies, and of later ones.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub(super) places: Places,
    pub(super) minutes: Vec<Held>,
    pub(super) days: Vec<Held>,
    pub(super) boards: Vec<Held>,
    /// Where they were let go of: so many of them, and so many bytes.
    let_go: Option<(usize, usize)>,
    /// Those that came in since.
    passed: usize,
}

/// One register as the warehouse holds it; by day, `window.minute` has no meaning.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub chunk: u64,
    pub corp_id: &'a str,
    pub region_id: &'a str,
    pub store_id: &'a str,
    pub staff_id: &'a str,
    pub channel: &'a str,
    pub window: Window,
    pub values: &'a [u64; COUNTERS],
    pub events: u32,
    /// For boards: when its last add occurred, milliseconds since the epoch; 0 without any.
    pub last_add_at: i64,
    /// The row is complete below this offset.
    pub upto: u64,
}

/// A row whose text lies in [`Rows::places`].
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) chunk: u64,
    pub(super) key: Key,
    pub(super) register: Register,
    pub(super) last_add_at: i64,
    pub(super) upto: u64,
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

impl Rows {
    /// Takes in a row; `scratch` is room for encoding.
    pub fn take(&mut self, grain: Grain, row: &Row<'_>, scratch: &mut Vec<u8>) {
        if self.let_go.is_some() {
            self.passed += 1;
            return;
        }
        // The group of a channel is no part of a register.
        let channel = Channel { key: row.channel, group: "" };
        let dimensions = Dimensions { region_id: row.region_id, store_id: row.store_id, channel };
        encode_place(scratch, row.corp_id, row.staff_id, &dimensions);
        let place = match grain {
            Grain::Minute | Grain::Day => self.places.intern(scratch),
            Grain::Board if row.channel.is_empty() => self.places.intern_for_boards(scratch, View::Staff),
            Grain::Board => self.places.intern_for_boards(scratch, View::Channel),
        };
        let &Row { chunk, last_add_at, upto, .. } = row;
        let (key, register) = (Key::new(grain, place, row.window), Register::of(row.values, row.events));
        let rows = match grain {
            Grain::Minute => &mut self.minutes,
            Grain::Day => &mut self.days,
            Grain::Board => &mut self.boards,
        };
        rows.push(Held { chunk, key, register, last_add_at, upto });
    }

    /// Bytes that they would take, where they were let go of for want of room.
    #[must_use]
    pub fn too_large(&self) -> Option<usize> {
        let (rows, bytes) = self.let_go?;
        Some(bytes / rows.max(1) * (rows + self.passed))
    }

    /// Below which offsets they are complete.
    pub(super) fn uptos(&self) -> impl Iterator<Item = u64> {
        self.iter().map(|row| row.upto)
    }

    fn iter(&self) -> impl Iterator<Item = &Held> {
        self.minutes.iter().chain(&self.days).chain(&self.boards)
    }

    fn count(&self) -> usize {
        self.minutes.len() + self.days.len() + self.boards.len()
    }

    /// Memory, in bytes, about as much as the partition will take.
    fn bytes(&self) -> usize {
        self.places.bytes() + self.count() * size_of::<Held>()
    }
}

impl Loaded {
    /// How far rows and facts reach beyond the ledger; 0 where none does.
    pub(super) fn reaches(&self, ledger: u64) -> u64 {
        let facts = self.facts.iter().map(|fact| fact.offset + 1);
        facts.chain(self.rows.uptos()).filter(|reach| *reach > ledger).max().unwrap_or(0)
    }
}

/// Memory for what is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub bytes: usize,
    /// One is loaded however large, for nothing else is read.
    pub keeps_one: bool,
}

impl Room {
    /// For all that there is.
    pub const ENOUGH: Self = Self { bytes: usize::MAX, keeps_one: true };
}

/// Lets go of the rows of the largest partition, and of the next, until the rest has room.
pub fn let_go<'a>(loaded: impl Iterator<Item = &'a mut Loaded>, room: Room) {
    let rows = loaded.map(|loaded| &mut loaded.rows);
    let mut rows: Vec<_> = rows.filter(|rows| rows.let_go.is_none() && rows.count() > 0).collect();
    rows.sort_by_key(|rows| rows.bytes());
    let mut total: usize = rows.iter().map(|rows| rows.bytes()).sum();
    while total > room.bytes && rows.len() > usize::from(room.keeps_one) {
        let Some(largest) = rows.pop() else { break };
        total -= largest.bytes();
        largest.let_go = Some((largest.count(), largest.bytes()));
        (largest.places, largest.minutes, largest.days, largest.boards) = Default::default();
    }
}

impl Fact {
    pub(super) fn dimensions(&self) -> Dimensions<'_> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Minute;

    fn loaded(rows: u32) -> Loaded {
        let (mut loaded, mut scratch) = (Loaded::default(), Vec::new());
        take(&mut loaded, rows, &mut scratch);
        loaded
    }

    fn take(loaded: &mut Loaded, rows: u32, scratch: &mut Vec<u8>) {
        let window = Window { minute: Minute(0), date: Date(20_157), late: false };
        for number in 0..rows {
            let staff_id = &number.to_string();
            let values = &[1; COUNTERS];
            let (corp_id, region_id, store_id, channel) = ("c", "r", "s", "badge");
            let (events, last_add_at, upto) = (1, 0, 1);
            let row = Row {
                chunk: 0,
                corp_id,
                region_id,
                store_id,
                staff_id,
                channel,
                window,
                values,
                events,
                last_add_at,
                upto,
            };
            loaded.rows.take(Grain::Day, &row, scratch);
        }
    }

    #[test]
    fn the_largest_are_let_go_until_the_rest_has_room() {
        let check = |bytes: usize, keeps_one: bool, expected: [bool; 3]| {
            let (mut all, room) = ([loaded(10), loaded(1_000), loaded(100)], Room { bytes, keeps_one });
            let_go(all.iter_mut(), room);
            assert_eq!(all.map(|loaded| loaded.rows.too_large().is_some()), expected, "{room:?}");
        };
        let (small, middle) = (loaded(10).rows.bytes(), loaded(100).rows.bytes());
        check(usize::MAX, false, [false; 3]);
        check(small + middle, false, [false, true, false]);
        check(small, false, [false, true, true]);
        check(0, true, [false, true, true]);
        check(0, false, [true; 3]);
    }

    #[test]
    fn what_was_let_go_is_told_by_all_its_rows() {
        let (mut first, mut scratch) = (loaded(1_000), Vec::new());
        let bytes = first.rows.bytes();
        let_go(std::iter::once(&mut first), Room { bytes: 0, keeps_one: false });
        take(&mut first, 2_000, &mut scratch);
        assert_eq!((first.rows.too_large(), first.rows.bytes()), (Some(bytes / 1_000 * 3_000), 0));
    }
}
