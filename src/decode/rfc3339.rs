//! RFC 3339 to milliseconds since the epoch, by hand: a tenth of the budget of an event, a general parser takes all of it.
//!
//! Invariant: exactly the grammar of the contract, no more: `T` and `Z` in either case, seconds and zone required.

/// Milliseconds since the epoch, or `None` where the text is no such time or names one that does not exist.
///
/// `:60` is read as `:59` in any minute, for leap seconds are announced and not computed; fractions are cut to
/// milliseconds, towards the past. Years are 0000 to 9999.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (head, tail) = text.as_bytes().split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T' | b't', h1, h2, b':', mi1, mi2, b':', s1, s2] = *head
    else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4])?;
    let month = number(&[mo1, mo2]).filter(|month| (1..=12).contains(month))?;
    let day = number(&[d1, d2]).filter(|day| (1..=days_in_month(year, month)).contains(day))?;
    let hour = number(&[h1, h2]).filter(|hour| *hour <= 23)?;
    let minute = number(&[mi1, mi2]).filter(|minute| *minute <= 59)?;
    let second = number(&[s1, s2]).filter(|second| *second <= 60)?.min(59);
    let (millisecond, zone) = fraction(tail)?;
    let minutes = (days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - offset_minutes(zone)?;
    Some((minutes * 60 + second) * 1000 + millisecond)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// The milliseconds of an optional fraction of any length, and what follows it.
fn fraction(tail: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', tail)) = tail.split_first() else {
        return Some((0, tail));
    };
    let length = tail.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let (digits, zone) = tail.split_at(length);
    match *digits {
        [] => None,
        [a] => Some((number(&[a, b'0', b'0'])?, zone)),
        [a, b] => Some((number(&[a, b, b'0'])?, zone)),
        [a, b, c, ..] => Some((number(&[a, b, c])?, zone)),
    }
}

fn offset_minutes(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = number(&[h1, h2]).filter(|hours| *hours <= 23)?;
            let minutes = number(&[m1, m2]).filter(|minutes| *minutes <= 59)?;
            let offset = hours * 60 + minutes;
            Some(if sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, negative before it.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`. The year begins in March,
/// so that the leap day is its last; 719,468 are the days from 0000-03-01 to the epoch.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2025-03-10T10:00:00.5+08:00", Some(1_741_572_000_500)),
            ("2025-03-10t02:00:00.0009z", Some(1_741_572_000_000)),
            ("2025-03-10T02:00:60.999Z", Some(1_741_572_059_999)),
            ("1969-12-31T23:59:59.001Z", Some(-999)),
            ("0000-01-01T00:00:00Z", Some(-62_167_219_200_000)),
            ("9999-12-31T23:59:59.999-23:59", Some(253_402_387_139_999)),
            ("1900-02-29T00:00:00Z", None),
            ("2025-04-31T00:00:00Z", None),
            ("2025-03-10T02:00:00é", None),
            ("2025-03-10T02:00:00", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_read_as_the_general_parser_reads_it(
            ms in -62_135_510_400_000_i64..253_402_207_200_000,
            minutes in -1439_i32..=1439,
        ) {
            let zone = jiff::tz::Offset::from_seconds(minutes * 60).unwrap().to_time_zone();
            let text = jiff::Timestamp::from_millisecond(ms).unwrap().to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z");
            prop_assert_eq!(parse(&text.to_string()), Some(ms), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
