//! Tests of the target bar and of the bars of rows: what they measure, and why something is not told.

use std::sync::Arc;

use super::*;
use crate::board::days::DayState;
use crate::board::details::history::History;
use crate::board::reader::Day;

/// The section of the target of a page.
fn goal(kind: Page, snapshot: Snapshot, parameters: &[(&str, &str)]) -> String {
    let mut view = View { page: kind, ..fixture::view(parameters) };
    view.watched.day = snapshot.watched.day;
    let html = page(&view, &snapshot.with_derived(), Duration::ZERO, None);
    html.split("id=\"goal\"").nth(1).unwrap().split("</section>").next().unwrap().to_owned()
}

/// What is said of forecast and pace of a snapshot, in Chinese and English.
fn check(change: impl Fn(&mut Snapshot), expected: [&[&str]; 2]) {
    for (language, expected) in ["zh", "en"].into_iter().zip(expected) {
        let mut snapshot = fixture::snapshot();
        change(&mut snapshot);
        let html = goal(Page::Wall, snapshot, &[("lang", language)]);
        for part in expected {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}

/// Every like weekday with so many of its adds in the morning.
fn mornings(snapshot: &mut Snapshot, days: usize, adds: u64) {
    let mut history = (**snapshot.details.history.as_ref().unwrap()).clone();
    history.days.truncate(days);
    for day in &mut history.days {
        day.minutes[0].1 = adds;
        day.minutes[1].1 = 100 - adds;
    }
    snapshot.details.history = Some(Arc::new(History { days: history.days }));
}

#[test]
fn of_too_few_like_weekdays_neither_forecast_nor_pace_is_told() {
    check(
        |snapshot| mornings(snapshot, 2, 45),
        [
            &["历史不足，不预计", "历史不足，不比进度"],
            &["no forecast: too little history", "no pace: too little history"],
        ],
    );
}

#[test]
fn a_day_that_is_over_says_so_and_blames_no_history() {
    check(
        |snapshot| snapshot.instants.state = DayState::Settling,
        [
            &["这一天已经结束，不预计", "这一天已经结束，不比进度"],
            &["no forecast: the day is over", "no pace: the day is over"],
        ],
    );
}

#[test]
fn history_that_could_not_be_read_is_not_called_too_little() {
    check(
        |snapshot| snapshot.details.history = None,
        [
            &["往日数据读不到，不预计", "往日数据读不到，不比进度"],
            &["no forecast: earlier days could not be read", "no pace: earlier days could not be read"],
        ],
    );
}

#[test]
fn before_a_fifth_of_a_usual_day_the_pace_is_told_and_the_forecast_is_too_early() {
    check(
        |snapshot| mornings(snapshot, 3, 15),
        [
            &["还不到平时全天的两成，不预计", "平时此刻 15.0%"],
            &["no forecast: less than a fifth of a usual day", "usual by now 15.0%"],
        ],
    );
}

#[test]
fn a_day_without_adds_says_that_this_is_why_there_is_no_forecast() {
    check(
        |snapshot| snapshot.counts = Day::default(),
        [&["还没有加粉，不预计", "平时此刻 45.0%"], &["no forecast: no adds yet", "usual by now 45.0%"]],
    );
}

#[test]
fn the_day_of_one_person_is_not_foreseen_and_says_why() {
    let person = [("lang", "en"), ("scope", "staff:z1"), ("level", "staff")];
    let html = goal(Page::Me, fixture::snapshot_of_person(), &person);
    assert!(html.contains("No target") && html.contains("no forecast: the day of one person is too small"), "{html}");
}
