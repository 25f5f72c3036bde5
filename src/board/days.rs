//! Which instants a view of a business day stands for: its bounds, the moment it is counted to, and the same moment of
//! earlier days.
//!
//! Invariant: pure; days and times of day are those of the corp's zone, also where a clock change shortens a day.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::event::named;
use crate::window::is_closed;

/// A minute window (contract, section 1).
pub const MINUTE_MS: i64 = 60_000;
/// Moves in the ranks are told over the last hour, as the page says.
const MOVED_MS: i64 = 3_600_000;

/// What is usual is told from at most so many weeks: longer ago, seasons and stores were others.
pub const LIKE_WEEKDAYS: usize = 8;

named! {
    /// How final a business day is: it goes on, it is over but may change before rewards are paid on it, or it is closed
    /// ([`is_closed`]): what changes from then on is an adjustment.
    DayState { Open = "open", Settling = "settling", Closed = "closed" }
}

/// A moment within a business day, as counts by the minute can tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    pub day: Date,
    /// In ms since the epoch.
    pub until: i64,
}

impl Moment {
    /// Start of the minute that runs at this moment, in ms since the epoch; all minutes before it are whole.
    #[must_use]
    pub fn minute(&self) -> i64 {
        self.until - self.until.rem_euclid(MINUTE_MS)
    }

    /// The count until this moment: whole minutes, and the running minute's share of `running`, rounded down.
    #[must_use]
    pub fn count(&self, whole: u64, running: u64) -> u64 {
        let passed = u128::from(self.until.rem_euclid(MINUTE_MS).unsigned_abs());
        let share = u128::from(running) * passed / u128::from(MINUTE_MS.unsigned_abs());
        whole + u64::try_from(share).unwrap_or(running)
    }
}

/// The instants of one view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instants {
    /// How far the day itself is counted: its end, or what is complete if that is earlier, or its start.
    pub now: Moment,
    /// One hour before, but not before the day's start.
    pub hour_ago: Moment,
    /// The same time of day on the day before and a week before.
    pub baselines: [Moment; 2],
    /// The same time of day on the like weekdays before, the nearest first.
    pub like_weekdays: [Moment; LIKE_WEEKDAYS],
    /// The bounds of the day itself, in ms since the epoch: from the first to before the second.
    pub bounds: (i64, i64),
    /// Those of the day before.
    pub day_before: (i64, i64),
    pub state: DayState,
}

/// The business day of an instant (ms since the epoch); absent for instants that no calendar holds.
#[must_use]
pub fn day_of(instant: i64, zone: &TimeZone) -> Option<Date> {
    Some(Timestamp::from_millisecond(instant).ok()?.to_zoned(zone.clone()).date())
}

/// The instants of the view of `day` when everything before `complete_through` (ms since the epoch) is counted.
///
/// Absent for days at the edges of the calendar.
#[must_use]
pub fn instants(day: Date, complete_through: i64, zone: &TimeZone) -> Option<Instants> {
    let start = midnight(day, zone)?;
    let end = midnight(day.checked_add(1.day()).ok()?, zone)?;
    let (start_ms, end_ms) = (start.timestamp().as_millisecond(), end.timestamp().as_millisecond());
    let until = complete_through.clamp(start_ms, end_ms);
    let before = |days: i64| {
        let other = day.checked_sub(days.days()).ok()?;
        let until = if until == end_ms {
            midnight(other.checked_add(1.day()).ok()?, zone)?.timestamp()
        } else {
            let time = Timestamp::from_millisecond(until).ok()?.to_zoned(zone.clone()).time();
            other.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp()
        };
        Some(Moment { day: other, until: until.as_millisecond() })
    };
    let state = if complete_through < end_ms {
        DayState::Open
    } else if is_closed(end_ms, complete_through) {
        DayState::Closed
    } else {
        DayState::Settling
    };
    let mut like_weekdays = [Moment { day, until }; LIKE_WEEKDAYS];
    for (weeks, moment) in (1..).zip(&mut like_weekdays) {
        *moment = before(weeks * 7)?;
    }
    Some(Instants {
        now: Moment { day, until },
        hour_ago: Moment { day, until: (until - MOVED_MS).max(start_ms) },
        baselines: [before(1)?, like_weekdays[0]],
        like_weekdays,
        bounds: (start_ms, end_ms),
        day_before: (midnight(day.checked_sub(1.day()).ok()?, zone)?.timestamp().as_millisecond(), start_ms),
        state,
    })
}

fn midnight(day: Date, zone: &TimeZone) -> Option<Zoned> {
    day.to_zoned(zone.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn moment(day: &str, until: &str) -> Moment {
        Moment { day: day.parse().unwrap(), until: at(until) }
    }

    fn check(zone: &str, day: &str, complete_through: &str) -> Instants {
        let complete_through = at(complete_through);
        let zone = TimeZone::get(zone).unwrap();
        instants(day.parse().unwrap(), complete_through, &zone).unwrap()
    }

    #[test]
    fn baselines_stand_at_the_same_time_of_day() {
        let found = check("Asia/Shanghai", "2026-11-22", "2026-11-22T06:32:05.500Z");
        assert_eq!(found.now, moment("2026-11-22", "2026-11-22T06:32:05.500Z"));
        assert_eq!(found.hour_ago, moment("2026-11-22", "2026-11-22T05:32:05.500Z"));
        assert_eq!(found.baselines[0], moment("2026-11-21", "2026-11-21T06:32:05.500Z"));
        assert_eq!(found.baselines[1], moment("2026-11-15", "2026-11-15T06:32:05.500Z"));
        assert_eq!(found.state, DayState::Open);
        assert_eq!(found.bounds, (at("2026-11-21T16:00:00Z"), at("2026-11-22T16:00:00Z")));
        assert_eq!(found.like_weekdays[7], moment("2026-09-27", "2026-09-27T06:32:05.500Z"));
    }

    #[test]
    fn a_past_day_is_compared_with_whole_days() {
        let found = check("Asia/Shanghai", "2026-11-20", "2026-11-22T06:32:05Z");
        assert_eq!(found.now, moment("2026-11-20", "2026-11-20T16:00:00Z"));
        assert_eq!(found.baselines[0], moment("2026-11-19", "2026-11-19T16:00:00Z"));
    }

    #[test]
    fn a_day_is_closed_three_days_after_its_end_and_settles_until_then() {
        let state = |complete_through| check("Asia/Shanghai", "2026-11-20", complete_through).state;
        assert_eq!(state("2026-11-20T15:59:59.999Z"), DayState::Open);
        assert_eq!(state("2026-11-20T16:00:00Z"), DayState::Settling);
        assert_eq!(state("2026-11-23T15:59:59.999Z"), DayState::Settling);
        assert_eq!(state("2026-11-23T16:00:00Z"), DayState::Closed);
    }

    #[test]
    fn a_day_that_nothing_is_complete_for_is_compared_with_nothing() {
        let found = check("Asia/Shanghai", "2026-11-22", "2026-11-21T15:59:58Z");
        assert_eq!(found.now, moment("2026-11-22", "2026-11-21T16:00:00Z"));
        assert_eq!(found.hour_ago, found.now);
        assert_eq!(found.baselines[0], moment("2026-11-21", "2026-11-20T16:00:00Z"));
    }

    #[test]
    fn a_clock_change_moves_the_instant_and_not_the_time_of_day() {
        let found = check("Europe/Berlin", "2026-10-25", "2026-10-25T11:30:00Z");
        assert_eq!(found.baselines[0], moment("2026-10-24", "2026-10-24T10:30:00Z"));
    }

    #[test]
    fn the_running_minute_counts_by_its_share() {
        let quarter = moment("2026-11-22", "2026-11-22T06:32:15Z");
        assert_eq!(quarter.minute(), at("2026-11-22T06:32:00Z"));
        assert_eq!(quarter.count(100, 9), 102);
        assert_eq!(moment("2026-11-22", "2026-11-22T06:32:00Z").count(100, 9), 100);
    }
}
