//! How busy each quarter of an hour is, over the counter and online.
//!
//! Invariant: pure; local time is counted from the midnight that the caller names, so on a day when clocks change the
//! rhythm is an hour off and nothing else.

use super::channel::Side;

pub const MINUTE_MS: i64 = 60_000;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Relative traffic per hour of the local day. Stores open at ten and peak at lunch and after work; online peaks late
/// in the evening and never sleeps.
const STORE: [i64; 24] = [0, 0, 0, 0, 0, 0, 0, 0, 2, 18, 40, 52, 64, 56, 40, 36, 40, 52, 70, 82, 78, 50, 14, 0];
const ONLINE: [i64; 24] = [22, 12, 7, 5, 4, 5, 9, 16, 26, 36, 44, 46, 58, 52, 42, 40, 42, 46, 52, 62, 76, 84, 70, 44];

/// So many parts has a unit of work per millisecond: gaps far below a millisecond still differ at 100 million a day.
const PARTS: i64 = 1_024;

/// The instants between which a stream runs, `[start_ms, end_ms)`, and the local midnight at or before its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start_ms: i64,
    pub end_ms: i64,
    pub midnight_ms: i64,
}

/// Milliseconds since local midnight, `[0, DAY_MS)`.
#[must_use]
pub fn time_of_day(at_ms: i64, midnight_ms: i64) -> i64 {
    (at_ms - midnight_ms).rem_euclid(DAY_MS)
}

/// How busy one side is at this time of the day, relative to the other side and the other hours.
#[must_use]
pub fn intensity(side: Side, time_of_day_ms: i64) -> i64 {
    let hours = match side {
        Side::Store => &STORE,
        Side::Online => &ONLINE,
    };
    let hour = usize::try_from(time_of_day_ms / HOUR_MS).unwrap_or(0).min(23);
    let next = (hour + 1) % 24;
    // Linear from hour to hour, in steps of a quarter.
    let quarter = time_of_day_ms % HOUR_MS / (15 * MINUTE_MS);
    (hours[hour] * (4 - quarter) + hours[next] * quarter) / 4
}

/// All work of the span: intensity summed over its milliseconds.
#[must_use]
pub fn work(span: &Span) -> i64 {
    pieces(span.start_ms, span).map(|(from, to, busy)| (to - from) * busy).sum()
}

/// The instant at which `amount` of work after `from_ms` is done, and what of it was done within that millisecond: to
/// be added to the next amount, or a fast stream would never get ahead. `None` where the span ends before.
#[must_use]
pub fn after(amount: i64, from_ms: i64, span: &Span) -> Option<(i64, i64)> {
    let mut left = amount;
    for (from, to, busy) in pieces(from_ms, span) {
        let here = (to - from) * busy;
        if left < here {
            return Some((from + left / busy, left % busy));
        }
        left -= here;
    }
    None
}

/// The rest of the span in pieces of even intensity: start, end, parts of work per millisecond.
fn pieces(from_ms: i64, span: &Span) -> impl Iterator<Item = (i64, i64, i64)> + '_ {
    const QUARTER_MS: i64 = 15 * MINUTE_MS;
    let mut at = from_ms;
    std::iter::from_fn(move || {
        if at >= span.end_ms {
            return None;
        }
        let time = time_of_day(at, span.midnight_ms);
        let end = (at + QUARTER_MS - time % QUARTER_MS).min(span.end_ms);
        let piece = (at, end, (intensity(Side::Store, time) + intensity(Side::Online, time)) * PARTS);
        at = end;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Span = Span { start_ms: 0, end_ms: DAY_MS, midnight_ms: 0 };

    #[test]
    fn half_of_the_work_is_done_in_the_afternoon() {
        let (half, _) = after(work(&DAY) / 2, 0, &DAY).unwrap();
        assert!((14 * HOUR_MS..19 * HOUR_MS).contains(&half), "{half}");
    }

    #[test]
    fn work_that_does_not_fit_has_no_instant() {
        assert_eq!(after(work(&DAY), 0, &DAY), None);
        assert_eq!(after(work(&DAY) - 1, 0, &DAY).unwrap().0, DAY_MS - 1);
    }

    #[test]
    fn stores_are_closed_at_night_and_online_is_not() {
        assert_eq!(intensity(Side::Store, 3 * HOUR_MS), 0);
        assert!((0..24).all(|hour| intensity(Side::Online, hour * HOUR_MS) > 0));
    }
}
