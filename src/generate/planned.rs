//! The generator's own books: what each counter has to show when everything was delivered.
//!
//! Invariant: kept beside the stream and never read from it; the rule of the contract is written here a second time on
//! purpose, so that a mistake in the pipeline's own rule shows as a difference.

use std::sync::Arc;

use jiff::{ToSpan, civil::Date};
use rustc_hash::FxHashMap;

use super::{
    brand::Brand,
    channel,
    fact::{Fact, Sender},
};
use crate::event::{Counter, Direction, Type};

/// Cells of the books that are kept; at 16 bytes and the slack of a table about 130 MB. A day of 20,000 staff has two
/// million, so only a live stream of many days gets there.
const CELLS_MAX: usize = 4_000_000;
/// A record that comes more than this after its add makes it a late add.
const LATE_MS: i64 = 120_000;

/// One figure of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row<'a> {
    /// `""` on touches that belong to nobody.
    pub staff_id: &'a str,
    pub channel: &'static str,
    pub business_date: Date,
    pub counter: Counter,
    pub value: u64,
}

/// Figures per member of staff, channel, business date and counter; repeated and malformed records are not in them.
#[derive(Clone, Debug)]
pub struct Planned {
    brand: Arc<Brand>,
    cells: FxHashMap<u64, u64>,
    days: Days,
    complete: bool,
}

impl Planned {
    #[must_use]
    pub fn new(brand: Arc<Brand>) -> Self {
        Self { brand, cells: FxHashMap::default(), days: Days::default(), complete: true }
    }

    /// Whether every delivery is in the books; false once more figures came up than are kept.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// The sum over everything.
    #[must_use]
    pub fn total(&self, counter: Counter) -> u64 {
        let of_counter = |(key, value): (&u64, &u64)| (unpack(*key).3 == counter.index()).then_some(*value);
        self.cells.iter().filter_map(of_counter).sum()
    }

    /// Every figure above 0, sorted by member, channel, date and counter.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<Row<'_>> = self.cells.iter().map(|(&key, &value)| self.row(key, value)).collect();
        rows.sort_unstable();
        rows
    }

    /// Enters the first delivery of a fact, by the timestamp of its record.
    pub(super) fn enter(&mut self, fact: &Fact, timestamp_ms: i64) {
        let date = self.days.of(fact.occurred_at, &self.brand);
        for (counter, value) in meant(fact, timestamp_ms).into_iter().flatten().filter(|(_, value)| *value > 0) {
            let key = pack(fact.staff, fact.given.channel, date, counter);
            if let Some(cell) = self.cells.get_mut(&key) {
                *cell += value;
            } else if self.cells.len() < CELLS_MAX {
                self.cells.insert(key, value);
            } else {
                self.complete = false;
            }
        }
    }

    fn row(&self, key: u64, value: u64) -> Row<'_> {
        let (staff, channel, date, counter) = unpack(key);
        Row {
            staff_id: self.brand.staff.get(staff).map_or("", |member| &member.id),
            channel: channel::CHANNELS[channel].key,
            business_date: EPOCH.saturating_add(i64::try_from(date).unwrap_or(0).days()),
            counter: Counter::ALL[counter],
            value,
        }
    }
}

const EPOCH: Date = Date::constant(1970, 1, 1);
/// Stands for no member; the staff end far below.
const NOBODY: u16 = u16::MAX;

/// 16 bits of member, 8 of channel, 32 of date, 8 of counter.
fn pack(staff: Option<u16>, channel: channel::Index, date: u32, counter: Counter) -> u64 {
    let counter = u64::try_from(counter.index()).unwrap_or(0);
    u64::from(staff.unwrap_or(NOBODY)) << 48 | u64::from(channel) << 40 | u64::from(date) << 8 | counter
}

/// Member, channel, days since 1970, counter.
fn unpack(key: u64) -> (usize, usize, usize, usize) {
    let part = |shift: u32, mask: u64| usize::try_from(key >> shift & mask).unwrap_or(usize::MAX);
    (part(48, 0xffff), part(40, 0xff), part(8, 0xffff_ffff), part(0, 0xff))
}

/// The counters that a fact is meant to add to.
fn meant(fact: &Fact, timestamp_ms: i64) -> [Option<(Counter, u64)>; 2] {
    let count = u64::from(fact.count);
    let amount = u64::from(fact.amount_fen);
    let transfer = channel::channel(fact.given.channel).key == "assigned";
    let first = match fact.kind {
        Type::TouchExposed => (Counter::Exposures, count),
        Type::TouchScanned => (Counter::Scans, count),
        Type::FriendRequested if fact.direction == Some(Direction::Out) => (Counter::RequestsOut, 1),
        Type::FriendRequested => (Counter::RequestsIn, 1),
        Type::FriendHalfAdded => (Counter::HalfAdds, 1),
        Type::FriendAdded if transfer => (Counter::TransfersIn, 1),
        Type::FriendAdded => (Counter::Adds, 1),
        Type::FriendDeletedByCustomer => (Counter::DeletesByCustomer, 1),
        Type::FriendDeletedByStaff => (Counter::DeletesByStaff, 1),
        Type::FriendTransferredIn => (Counter::TransfersIn, 1),
        Type::FriendTransferredOut => (Counter::TransfersOut, 1),
        Type::MessageInbound => (Counter::MessagesIn, count),
        Type::MessageOutbound if fact.sender == Sender::Machine => (Counter::MessagesAuto, count),
        Type::MessageOutbound => (Counter::MessagesOut, count),
        Type::OrderPaid => (Counter::Orders, 1),
        Type::OrderRefunded => (Counter::Refunds, 1),
        Type::BroadcastSent => (Counter::Broadcasts, 1),
    };
    let second = match first.0 {
        Counter::Adds if timestamp_ms - fact.occurred_at > LATE_MS => Some((Counter::LateAdds, 1)),
        Counter::Orders => Some((Counter::GmvFen, amount)),
        Counter::Refunds => Some((Counter::RefundFen, amount)),
        _ => None,
    };
    [Some(first), second]
}

/// The business dates of the last few days asked for, so that the calendar is asked once a day.
#[derive(Clone, Debug, Default)]
struct Days {
    /// Start and end of the day in milliseconds, and its number since 1970; the newest last.
    known: Vec<(i64, i64, u32)>,
}

impl Days {
    /// Today, the three days that a late record may lie back, and one to spare.
    const KNOWN_MAX: usize = 5;

    fn of(&mut self, at_ms: i64, brand: &Brand) -> u32 {
        if let Some(&(_, _, day)) = self.known.iter().rev().find(|(start, end, _)| (*start..*end).contains(&at_ms)) {
            return day;
        }
        let Some(day) = Self::look_up(at_ms, brand) else { return 0 };
        if self.known.len() == Self::KNOWN_MAX {
            self.known.remove(0);
        }
        self.known.push(day);
        day.2
    }

    /// `None` outside the years that the calendar knows, from −9999 to 9999.
    fn look_up(at_ms: i64, brand: &Brand) -> Option<(i64, i64, u32)> {
        let zoned = jiff::Timestamp::from_millisecond(at_ms).ok()?.to_zoned(brand.time_zone.clone());
        let start = zoned.start_of_day().ok()?;
        let end = zoned.tomorrow().ok()?.start_of_day().ok()?;
        let days = (zoned.date() - EPOCH).get_days();
        Some((start.timestamp().as_millisecond(), end.timestamp().as_millisecond(), u32::try_from(days).ok()?))
    }
}
