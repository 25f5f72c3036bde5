//! Which business days come of age between two instants, and which are over.
//!
//! Invariant: pure; a day is one of its corp's time zone.

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};

use crate::{
    corp::Corps,
    sink,
    window::{Date, END_MS, SETTLING_MS, civil_of, date_of, is_closed},
};

/// After so long a member is old enough for a figure (`schemas/refresh/cohorts.sql`): a day, three, seven, thirty. And
/// time alone closes a day.
const SPANS_MS: [i64; 5] = [DAY_MS, 3 * DAY_MS, 7 * DAY_MS, 30 * DAY_MS, SETTLING_MS];

const DAY_MS: i64 = 86_400_000;

/// The days on which a member may come of age, after one instant and up to another.
#[derive(Clone, Debug)]
pub(super) struct Aging<'a> {
    corps: &'a Corps,
    after_ms: i64,
    until_ms: i64,
}

impl<'a> Aging<'a> {
    /// Instants in milliseconds since the epoch.
    pub(super) const fn new(corps: &'a Corps, after_ms: i64, until_ms: i64) -> Self {
        Self { corps, after_ms, until_ms }
    }

    /// Every day that is due in some time zone.
    pub(super) fn dates(&self) -> BTreeSet<Date> {
        // Zones reach from UTC−12 to UTC+14, so a day begins and ends within one of UTC's own.
        let utc =
            |(first, last): (civil::Date, civil::Date)| (first.saturating_sub(1.day()), last.saturating_add(1.day()));
        self.ranges(&TimeZone::UTC).map(utc).flat_map(|(first, last)| dates(first, last)).collect()
    }

    /// Whether figures of this day of the corp may change by time alone.
    pub(super) fn is_due(&self, corp_id: &str, date: Date) -> bool {
        let date = civil_of(date);
        self.ranges(&self.corps.get(corp_id).time_zone).any(|(first, last)| first <= date && date <= last)
    }

    /// The days, both inclusive, whose members reach each span; and those that end.
    fn ranges(&self, zone: &TimeZone) -> impl Iterator<Item = (civil::Date, civil::Date)> {
        let none_moved = self.until_ms <= self.after_ms;
        let ends = if none_moved { None } else { Some(0) };
        let spans = if none_moved { &[][..] } else { &SPANS_MS[..] };
        let (after, until) = (self.after_ms, self.until_ms);
        let zone = zone.clone();
        ends.into_iter()
            .chain(spans.iter().copied())
            .map(move |span| (day(after - span, &zone), day(until - span, &zone)))
    }
}

/// The days from that of one instant to the one after that of another.
pub(super) fn running(zone: &TimeZone, from_ms: i64, until_ms: i64) -> impl Iterator<Item = Date> {
    dates(day(from_ms, zone), day(until_ms, zone).saturating_add(1.day()))
}

fn day(instant_ms: i64, zone: &TimeZone) -> civil::Date {
    Timestamp::from_millisecond(instant_ms.max(0)).unwrap_or_default().to_zoned(zone.clone()).date()
}

fn dates(first: civil::Date, last: civil::Date) -> impl Iterator<Item = Date> {
    let mut next = Some(first);
    std::iter::from_fn(move || {
        let date = next.filter(|date| *date <= last)?;
        next = date.tomorrow().ok();
        Some(date)
    })
    .filter_map(date_of)
}

/// A business day of a corp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CorpDay {
    pub corp_id: String,
    pub date: Date,
    /// The first instant after it, in milliseconds since the epoch.
    pub ends_ms: i64,
    /// Whether the day had ended by the horizon.
    pub is_over: bool,
    /// Whether it is to be closed: it had ended [`SETTLING_MS`] before.
    pub is_due: bool,
}

impl CorpDay {
    pub(super) fn new(corps: &Corps, corp_id: String, date: Date, horizon_ms: i64) -> Self {
        let ends_ms = ends_ms(corps, &corp_id, date).unwrap_or(END_MS);
        Self { corp_id, date, ends_ms, is_over: ends_ms <= horizon_ms, is_due: is_closed(ends_ms, horizon_ms) }
    }

    /// The rows of `values('corp_id String, business_date Date, over Bool', …)`.
    pub(super) fn literals(days: &[Self]) -> String {
        rows(days, |day| day.is_over.to_string())
    }

    /// The rows of `values('corp_id String, business_date Date, ends_ms Int64', …)`.
    pub(super) fn end_literals(days: &[Self]) -> String {
        rows(days, |day| day.ends_ms.to_string())
    }
}

fn rows(days: &[CorpDay], last: fn(&CorpDay) -> String) -> String {
    let row = |day: &CorpDay| format!("({}, '{}', {})", sink::literal(&day.corp_id), civil_of(day.date), last(day));
    days.iter().map(row).collect::<Vec<_>>().join(", ")
}

/// The first instant after the day, in milliseconds since the epoch.
fn ends_ms(corps: &Corps, corp_id: &str, date: Date) -> Option<i64> {
    let next = civil_of(date).tomorrow().ok()?;
    let start = next.to_zoned(corps.get(corp_id).time_zone.clone()).ok()?;
    Some(start.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::corp;

    /// 2025-03-10 00:00 in Asia/Shanghai.
    const MIDNIGHT_MS: i64 = 1_741_536_000_000;

    fn corps() -> Corps {
        let new_york = corp::Config { time_zone: "America/New_York".to_owned(), ..Default::default() };
        Corps::new(&HashMap::from([("ny".to_owned(), new_york)])).unwrap()
    }

    fn check(corp: &str, after_ms: i64, until_ms: i64, expected: &[&str]) {
        let corps = corps();
        let aging = Aging::new(&corps, after_ms, until_ms);
        let due: Vec<_> = aging.dates().into_iter().filter(|date| aging.is_due(corp, *date)).collect();
        let due: Vec<_> = due.into_iter().map(|date| civil_of(date).to_string()).collect();
        assert_eq!(due, expected, "{corp} after {after_ms} until {until_ms}");
    }

    #[test]
    fn days_come_of_age_a_day_three_seven_and_thirty_days_later_and_when_they_end() {
        let hour = 3_600_000;
        check(
            "c",
            MIDNIGHT_MS + hour,
            MIDNIGHT_MS + 2 * hour,
            &["2025-02-08", "2025-03-03", "2025-03-07", "2025-03-09", "2025-03-10"],
        );
        check(
            "ny",
            MIDNIGHT_MS + hour,
            MIDNIGHT_MS + 2 * hour,
            &["2025-02-07", "2025-03-02", "2025-03-06", "2025-03-08", "2025-03-09"],
        );
        check("c", MIDNIGHT_MS, MIDNIGHT_MS, &[]);
    }

    #[test]
    fn day_is_over_with_its_last_millisecond_in_its_own_zone() {
        let corps = corps();
        let is_over = |corp: &str, horizon| CorpDay::new(&corps, corp.to_owned(), Date(20_156), horizon).is_over;
        assert_eq!(civil_of(Date(20_156)).to_string(), "2025-03-09");
        assert_eq!([is_over("c", MIDNIGHT_MS - 1), is_over("c", MIDNIGHT_MS)], [false, true]);
        // A day of 23 hours: the clocks went forward.
        let end = MIDNIGHT_MS + 12 * 3_600_000;
        assert_eq!([is_over("ny", end - 1), is_over("ny", end)], [false, true]);
    }
}
