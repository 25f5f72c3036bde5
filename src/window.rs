//! When an event counts: its minute in UTC and its business day in the zone of its corp.
//!
//! Invariant: pure; time and zones are arguments.

use jiff::{Timestamp, ToSpan, civil};

use crate::corp::Corp;

/// A minute `[start, start + 60 s)`, as minutes since the epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Minute(pub u32);

/// A calendar day, as days since 1970-01-01: the form of ClickHouse's `Date`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date(pub u16);

/// Events happen in `[0, END_MS)`: from the epoch to the end of the range of ClickHouse's `DateTime`, 2106-02-07.
pub const END_MS: i64 = 4_294_967_296_000;

/// Where a record's timestamp is more than this later than the event, its rows are kept apart from those of today:
/// old minutes would otherwise drag all of today's unmerged parts into every read.
pub const APART_MS: i64 = 15 * 60_000;

/// After its end a business day settles for so long, then it is closed: rewards are paid on it (domain).
pub const SETTLING_MS: i64 = 3 * DAY_MS;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// Whether a business day that ended at `end_ms` is closed once everything is counted through another instant, both in
/// milliseconds since the epoch.
#[must_use]
pub const fn is_closed(end_ms: i64, complete_through_ms: i64) -> bool {
    end_ms.saturating_add(SETTLING_MS) <= complete_through_ms
}

/// The windows of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub minute: Minute,
    pub date: Date,
    pub late: bool,
}

impl Window {
    /// The windows of an event whose day is known; instants in milliseconds since the epoch, within `[0, END_MS)`.
    #[must_use]
    pub fn new(occurred_at: i64, timestamp: i64, date: Date) -> Self {
        let minute = u32::try_from(occurred_at.div_euclid(MINUTE_MS)).unwrap_or(0);
        Self { minute: Minute(minute), date, late: timestamp.saturating_sub(occurred_at) > APART_MS }
    }
}

/// Assigns windows. Remembers the edges of recent days, for looking one up in the zone database costs more than all
/// the rest of counting.
#[derive(Debug)]
pub struct Calendar {
    /// By zone, then by day modulo [`REMEMBERED`].
    days: Vec<[Option<Day>; REMEMBERED]>,
}

/// A power of two above the 36 days that live events can lie in.
const REMEMBERED: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Day {
    /// `[start, end)` in milliseconds since the epoch.
    start: i64,
    end: i64,
    date: Date,
}

impl Default for Calendar {
    fn default() -> Self {
        Self::new()
    }
}

impl Calendar {
    #[must_use]
    pub const fn new() -> Self {
        Self { days: Vec::new() }
    }

    /// The windows of an event of `corp`; `None` where `occurred_at` (milliseconds since the epoch) is outside
    /// `[0, END_MS)`. `timestamp` is the record's.
    pub fn window(&mut self, corp: &Corp, occurred_at: i64, timestamp: i64) -> Option<Window> {
        if !(0..END_MS).contains(&occurred_at) {
            return None;
        }
        Some(Window::new(occurred_at, timestamp, self.date(corp, occurred_at)?))
    }

    fn date(&mut self, corp: &Corp, occurred_at: i64) -> Option<Date> {
        if self.days.len() <= corp.zone {
            self.days.resize(corp.zone + 1, [None; REMEMBERED]);
        }
        let slot = usize::try_from(occurred_at.div_euclid(DAY_MS)).ok()? % REMEMBERED;
        let remembered = &mut self.days[corp.zone][slot];
        match remembered {
            Some(day) if (day.start..day.end).contains(&occurred_at) => Some(day.date),
            _ => {
                let day = day_of(corp, occurred_at)?;
                *remembered = Some(day);
                Some(day.date)
            }
        }
    }
}

fn day_of(corp: &Corp, occurred_at: i64) -> Option<Day> {
    let zoned = Timestamp::from_millisecond(occurred_at).ok()?.to_zoned(corp.time_zone.clone());
    let start = zoned.start_of_day().ok()?;
    let end = start.checked_add(1.day()).ok()?.start_of_day().ok()?;
    Some(Day {
        start: start.timestamp().as_millisecond(),
        end: end.timestamp().as_millisecond(),
        date: date_of(zoned.date())?,
    })
}

/// The day in ClickHouse's form; `None` outside its range.
#[must_use]
pub fn date_of(date: civil::Date) -> Option<Date> {
    let days = (date - civil::date(1970, 1, 1)).get_days();
    u16::try_from(days).ok().map(Date)
}

/// The calendar day that ClickHouse's form stands for.
#[must_use]
pub fn civil_of(date: Date) -> civil::Date {
    civil::date(1970, 1, 1).saturating_add(i64::from(date.0).days())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::corp::{self, Corps};

    fn check(zone: &str, instant: &str, expected: &str) {
        let config = corp::Config { time_zone: zone.to_owned(), ..Default::default() };
        let corps = Corps::new(&HashMap::from([("c".to_owned(), config)])).unwrap();
        let occurred_at = instant.parse::<Timestamp>().unwrap().as_millisecond();
        let mut calendar = Calendar::new();
        for _ in 0..2 {
            let window = calendar.window(corps.get("c"), occurred_at, occurred_at).unwrap();
            assert_eq!(civil_of(window.date).to_string(), expected, "{zone} {instant}");
        }
    }

    #[test]
    fn day_begins_at_midnight_of_the_zone() {
        check("Asia/Shanghai", "2025-03-10T15:59:59.999Z", "2025-03-10");
        check("Asia/Shanghai", "2025-03-10T16:00:00Z", "2025-03-11");
        check("America/New_York", "2025-03-09T04:59:59.999Z", "2025-03-08");
        check("America/New_York", "2025-03-09T05:00:00Z", "2025-03-09");
    }

    #[test]
    fn day_of_a_clock_change_has_its_own_length() {
        check("America/New_York", "2025-03-10T03:59:59.999Z", "2025-03-09");
        check("America/New_York", "2025-03-10T04:00:00Z", "2025-03-10");
    }

    #[test]
    fn instants_outside_the_range_of_the_warehouse_have_no_window() {
        let corps = Corps::new(&HashMap::new()).unwrap();
        let mut calendar = Calendar::new();
        for (occurred_at, counted) in [(-1, false), (0, true), (END_MS - 1, true), (END_MS, false), (i64::MAX, false)] {
            assert_eq!(calendar.window(corps.get("c"), occurred_at, 0).is_some(), counted, "{occurred_at}");
        }
    }

    #[test]
    fn rows_are_kept_apart_beyond_fifteen_minutes() {
        let corps = Corps::new(&HashMap::new()).unwrap();
        let late = |timestamp| Calendar::new().window(corps.get("c"), 0, timestamp).unwrap().late;
        assert!(!late(900_000));
        assert!(late(900_001));
    }
}
