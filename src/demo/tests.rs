//! Promises of the days that a demonstration tells.

use std::collections::HashMap;

use super::*;
use crate::generate::{Delivery, drive::drive, outlet::Outlet};

/// 2026-11-11 23:59 in Shanghai: no day so far is longer.
const NOW_MS: i64 = 1_794_412_740_000;

fn date(day: i8) -> Date {
    jiff::civil::date(2026, 11, day)
}

fn shown() -> generate::Settings {
    brand(&Settings { data: None, rate: 10, seed: 1 }, &Config::default())
}

fn days_of(told: &[Date]) -> Vec<(Day, u64)> {
    let (past, today) = days(&shown(), told, NOW_MS).unwrap();
    past.into_iter().chain([today]).map(|day| (day.day, day.count)).collect()
}

#[test]
fn what_is_told_already_is_not_told_again() {
    let all = days_of(&[]);
    let dates: Vec<_> = all.iter().map(|(day, _)| *day).collect();
    let past = |date| Day::Past(date);
    let october = |day| past(jiff::civil::date(2026, 10, day));
    assert_eq!(dates, [october(14), october(21), october(28), past(date(4)), past(date(10)), Day::Today]);
    assert!(all.iter().all(|(_, count)| *count > 15_000), "{all:?}");
    // Started the day before: its today is a day back now.
    let again = days_of(&[date(3), date(10)]);
    assert_eq!(again.len(), 5);
    assert!(!again.iter().any(|(day, _)| *day == past(date(10))));
    assert_eq!(days_of(&[date(11)]).last(), Some(&(Day::Today, 0)), "it goes on live");
}

#[derive(Default)]
struct Scales(HashMap<generate::Topic, usize>);

impl Outlet for Scales {
    fn send(&mut self, delivery: &Delivery) -> Result<(), generate::Error> {
        *self.0.entry(delivery.topic).or_default() += delivery.value.len() + delivery.key.len();
        Ok(())
    }

    fn idle(&mut self, _: Duration) {}

    fn finish(&mut self) -> Result<(u64, Option<String>), generate::Error> {
        Ok((0, None))
    }
}

#[test]
fn all_that_is_told_before_the_pipeline_reads_fits_twice_into_the_broker() {
    let mut scales = Scales::default();
    let (past, today) = days(&shown(), &[], NOW_MS).unwrap();
    for day in past.into_iter().chain([today]) {
        let so_far = generate::Settings { live: false, rate: 0, ..day };
        drive(&so_far, &mut scales, &|| NOW_MS, &CancellationToken::new()).unwrap();
    }
    let kept = 5 * 1024 * 1024 * usize::try_from(PARTITIONS).unwrap();
    assert!(scales.0.values().all(|bytes| 2 * bytes < kept), "{:?}", scales.0);
    assert!(scales.0.values().any(|bytes| 8 * bytes > kept), "as many partitions as it takes: {:?}", scales.0);
}
