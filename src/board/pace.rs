//! What is usual by now, and where the day is likely to end.
//!
//! Invariant: pure; of too little history nothing is told.

use serde::Serialize;

use super::details::history::Progress;
use crate::event::named;

/// Of fewer like weekdays no usual day is known (board, section 3).
pub const DAYS_MIN: usize = 3;
/// Before a fifth of a usual day one customer more makes five at its end (board, section 3).
const FORECAST_FROM_PERCENT: u128 = 20;

/// The usual share of a day by now: a ratio of sums, so that a weak day does not count as much as a strong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub numerator: u64,
    pub denominator: u64,
}

/// Where the day is likely to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    pub adds: u64,
    /// The range that holds four days in five: the 10th and the 90th percentile.
    pub low: u64,
    pub high: u64,
    /// Like weekdays that it is made from.
    pub basis_days: usize,
}

named! {
    /// Why the usual pace of a day or its end is not told.
    Unknown {
        /// The day of one person is too small to be told in advance.
        Person = "person",
        /// The figures are stale, so nothing is compared.
        Held = "held",
        /// The day is over.
        Over = "over",
        /// Earlier days could not be read.
        Unread = "unread",
        /// Fewer like weekdays than [`DAYS_MIN`] were counted.
        FewDays = "few_days",
        /// Nothing was added yet.
        NoAdds = "no_adds",
        /// Less than a fifth of a usual day has passed.
        TooEarly = "too_early",
    }
}

/// The pace of like weekdays.
///
/// # Errors
/// [`Unknown::FewDays`].
pub fn usual(days: &[Progress]) -> Result<Pace, Unknown> {
    let pace =
        Pace { numerator: days.iter().map(|day| day.until).sum(), denominator: days.iter().map(|day| day.whole).sum() };
    if days.len() >= DAYS_MIN && pace.denominator > 0 { Ok(pace) } else { Err(Unknown::FewDays) }
}

/// The forecast of a day that has so many adds by now.
///
/// The value is `adds` by the usual pace. The range is what each like weekday by itself would have made of these adds:
/// its percentiles, widened to the value where the days are so unlike that it lies outside.
///
/// # Errors
/// [`Unknown::FewDays`], [`Unknown::NoAdds`] or [`Unknown::TooEarly`].
pub fn forecast(adds: u64, days: &[Progress]) -> Result<Forecast, Unknown> {
    let pace = usual(days)?;
    if adds == 0 {
        return Err(Unknown::NoAdds);
    }
    if u128::from(pace.numerator) * 100 < u128::from(pace.denominator) * FORECAST_FROM_PERCENT {
        return Err(Unknown::TooEarly);
    }
    between(adds, pace, days).ok_or(Unknown::TooEarly)
}

/// Absent where no day had an add by now.
fn between(adds: u64, pace: Pace, days: &[Progress]) -> Option<Forecast> {
    let scaled = |whole: u64, until: u64| {
        let until = u128::from(until);
        let value = (u128::from(adds) * u128::from(whole) + until / 2).checked_div(until)?;
        u64::try_from(value).ok()
    };
    let value = scaled(pace.denominator, pace.numerator)?;
    let mut each: Vec<u64> = days.iter().filter_map(|day| scaled(day.whole, day.until)).collect();
    each.sort_unstable();
    let (low, high) = (percentile(&each, 10)?, percentile(&each, 90)?);
    Some(Forecast { adds: value, low: low.min(value), high: high.max(value), basis_days: days.len() })
}

/// A percentile of sorted values, between two of them in proportion.
fn percentile(sorted: &[u64], percent: u64) -> Option<u64> {
    let last = u64::try_from(sorted.len()).ok()?.checked_sub(1)?;
    let (at, part) = (last * percent / 100, last * percent % 100);
    let below = *sorted.get(usize::try_from(at).ok()?)?;
    let above = *sorted.get(usize::try_from(at + 1).ok()?).unwrap_or(&below);
    let apart = u128::from(above - below) * u128::from(part) / 100;
    Some(below + u64::try_from(apart).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(pairs: &[(u64, u64)]) -> Vec<Progress> {
        pairs.iter().map(|(until, whole)| Progress { until: *until, whole: *whole }).collect()
    }

    #[test]
    fn the_usual_pace_is_a_ratio_of_sums_and_not_a_mean_of_ratios() {
        let pace = usual(&days(&[(10, 20), (300, 1000), (40, 100)])).unwrap();
        assert_eq!((pace.numerator, pace.denominator), (350, 1120));
    }

    #[test]
    fn fewer_than_three_like_weekdays_tell_nothing() {
        let two = days(&[(40, 100), (50, 100)]);
        assert_eq!((usual(&two), forecast(50, &two)), (Err(Unknown::FewDays), Err(Unknown::FewDays)));
    }

    #[test]
    fn the_forecast_is_the_adds_by_the_usual_pace_between_the_percentiles_of_the_days() {
        // 100 adds: by the days alone 250, 200, 200, 154; together 100 × 400 / 205.
        let found = forecast(100, &days(&[(40, 100), (50, 100), (50, 100), (65, 100)])).unwrap();
        assert_eq!(found, Forecast { adds: 195, low: 167, high: 235, basis_days: 4 });
    }

    #[test]
    fn before_a_fifth_of_a_usual_day_nothing_is_forecast() {
        let day = |until| days(&[(until, 1000), (until, 1000), (until, 1000)]);
        assert_eq!(forecast(30, &day(199)), Err(Unknown::TooEarly));
        assert_eq!(forecast(30, &day(200)).map(|forecast| forecast.adds), Ok(150));
        assert_eq!(forecast(0, &day(500)), Err(Unknown::NoAdds), "of nothing nothing can be told");
    }

    #[test]
    fn the_range_holds_the_value_however_unlike_the_days_were() {
        let found = forecast(10, &days(&[(1, 1000), (1, 1000), (900, 1000)])).unwrap();
        assert!(found.low <= found.adds && found.adds <= found.high, "{found:?}");
    }

    #[test]
    fn percentiles_lie_between_the_values_in_proportion() {
        let eight = [10, 20, 30, 40, 50, 60, 70, 80];
        assert_eq!((percentile(&eight, 10), percentile(&eight, 90)), (Some(17), Some(73)));
        assert_eq!((percentile(&[7], 90), percentile(&[], 10)), (Some(7), None));
    }
}
