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
            &["预计全天：— 历史不足", "历史不足，不比进度"],
            &["Forecast: — too little history", "no pace: too little history"],
        ],
    );
}

#[test]
fn a_day_that_is_over_says_so_and_blames_no_history() {
    check(
        |snapshot| snapshot.instants.state = DayState::Settling,
        [
            &["预计全天：— 这一天已经结束", "这一天已经结束，不比进度"],
            &["Forecast: — the day is over", "no pace: the day is over"],
        ],
    );
}

#[test]
fn history_that_could_not_be_read_is_not_called_too_little() {
    check(
        |snapshot| snapshot.details.history = None,
        [
            &["预计全天：— 往日数据还没读到", "往日数据还没读到，不比进度"],
            &["Forecast: — earlier days are not read yet", "no pace: earlier days are not read yet"],
        ],
    );
}

#[test]
fn before_a_fifth_of_a_usual_day_the_pace_is_told_and_the_forecast_is_too_early() {
    check(
        |snapshot| mornings(snapshot, 3, 15),
        [
            &["预计全天：— 还不到平时的两成", "平时此刻 15.0%"],
            &["Forecast: — less than a fifth of a usual day", "usual by now 15.0%"],
        ],
    );
}

#[test]
fn a_day_without_adds_says_that_this_is_why_there_is_no_forecast() {
    check(
        |snapshot| snapshot.counts = Day::default(),
        [&["预计全天：— 还没有加粉", "平时此刻 45.0%"], &["Forecast: — no adds yet", "usual by now 45.0%"]],
    );
}

#[test]
fn the_day_of_one_person_is_not_foreseen_and_says_why() {
    let person = [("lang", "en"), ("scope", "staff:z1"), ("level", "staff")];
    let html = goal(Page::Me, fixture::snapshot_of_person(), &person);
    assert!(html.contains("No target") && html.contains("Forecast: — the day of one person is too small"), "{html}");
}

/// The fixture with these targets alone, all of one metric.
fn with_targets(metric: &str, targets: &[(Level, &str, u64)]) -> Snapshot {
    let mut snapshot = fixture::snapshot();
    let target = |(level, id, target): &(Level, &str, u64)| ((*level, (*id).to_owned(), metric.to_owned()), *target);
    snapshot.directory.targets = Arc::new(targets.iter().map(target).collect());
    snapshot
}

const SEAL: &str = "<span class=\"seal\" title=\"provisional until 24 h have passed\">prov.</span>";
const HATCHED: &str = "fill=\"url(#hatch)\"";

/// The bar of the target without the range of the forecast.
fn bar(html: &str) -> &str {
    html.split("class=\"fill\"").nth(1).unwrap().split("/>").next().unwrap()
}

#[test]
fn a_target_in_net_adds_is_measured_by_net_adds_and_named() {
    let html = goal(Page::Today, with_targets("net_adds", &[(Level::Corp, "", 52)]), &[("lang", "en")]);
    assert!(html.contains("(Net) <b class=\"num\">52</b>") && html.contains(">50.0%</b>"), "{html}");
    assert!(!bar(&html).contains(HATCHED) && !html.contains(SEAL), "{html}");
    assert!(html.contains("Forecast of adds <b class=\"num\">67</b>") && !html.contains("class=\"range"), "{html}");
}

#[test]
fn a_target_in_qualified_adds_is_hatched_and_sealed_until_they_are_final() {
    let mut snapshot = with_targets("qualified_adds", &[(Level::Corp, "", 48)]);
    let html = goal(Page::Today, snapshot.clone(), &[("lang", "en")]);
    assert!(html.contains(&format!("(Qualified) <b class=\"num\">48</b> {SEAL}")), "{html}");
    assert!(html.contains(">50.0%</b>") && bar(&html).contains(HATCHED), "{html}");
    let mut cohorts = (**snapshot.details.cohorts.as_ref().unwrap()).clone();
    cohorts.complete_through = i64::MAX / 2;
    snapshot.details.cohorts = Some(Arc::new(cohorts));
    let html = goal(Page::Today, snapshot.clone(), &[("lang", "en")]);
    assert!(!html.contains(SEAL) && !bar(&html).contains(HATCHED), "{html}");
    snapshot.details.cohorts = None;
    let html = goal(Page::Today, snapshot, &[("lang", "en")]);
    assert!(html.contains("width=\"0%\"") && html.contains(">—</b>"), "what is not known is no zero: {html}");
}

#[test]
fn of_several_targets_that_in_adds_is_shown_and_needs_no_name() {
    let mut snapshot = fixture::snapshot();
    let of_qualified = ((Level::Corp, String::new(), "qualified_adds".to_owned()), 7);
    Arc::make_mut(&mut snapshot.directory.targets).extend([of_qualified]);
    let html = goal(Page::Today, snapshot, &[("lang", "en")]);
    assert!(html.contains("Target</button> <b class=\"num\">100</b>") && html.contains(">30.0%</b>"), "{html}");
}

#[test]
fn rows_have_the_tick_of_the_usual_pace_where_they_alone_have_targets() {
    let snapshot = with_targets("adds", &[(Level::Store, "S1", 40)]);
    let html = page(&fixture::view(&[]), &snapshot, Duration::ZERO, None);
    let row = html.split("<li data-id=\"S1\">").nth(1).unwrap().split("</li>").next().unwrap();
    assert!(row.contains("<rect class=\"usual w\" x=\"45%\""), "{row}");
}

#[test]
fn a_region_shows_how_far_it_is_by_the_metric_of_its_target() {
    let wall = View { page: Page::Wall, ..fixture::view(&[("lang", "en")]) };
    let item = |metric: &str| {
        let snapshot = with_targets(metric, &[(Level::Region, "R1", 28)]);
        let html = page(&wall, &snapshot, Duration::ZERO, None);
        html.split("<li data-region=\"R1\">").nth(1).unwrap().split("</li>").next().unwrap().to_owned()
    };
    let net = item("net_adds");
    assert!(net.contains("Net <span data-f=\"done\">50.0%</span>") && net.contains("width=\"50%\""), "{net}");
    assert!(net.contains("data-f=\"value\">18</b>"), "its figure stays adds: {net}");
    let adds = item("adds");
    assert!(adds.contains("num\"><span data-f=\"done\">64.3%</span>"), "{adds}");
    let qualified = item("qualified_adds");
    assert!(!qualified.contains('%') && !qualified.contains("<svg"), "not known of regions: {qualified}");
}

#[test]
fn bars_of_qualified_adds_are_hatched_until_these_are_final() {
    let mut snapshot = with_targets("qualified_adds", &[(Level::Store, "S1", 24)]);
    let bars = |kind: Page, metric: &str, snapshot: &Snapshot| {
        let view = View { page: kind, ..fixture::view(&[("lang", "en"), ("metric", metric)]) };
        let html = page(&view, snapshot, Duration::ZERO, None);
        let rows = html.split("id=\"rows\">").nth(1).unwrap().split("</template>").next().unwrap();
        let bars = rows.split("data-f=\"bar\"").skip(1).map(|bar| bar.split('>').next().unwrap().contains(HATCHED));
        bars.collect::<Vec<_>>()
    };
    let mut closed = snapshot.clone();
    let mut cohorts = (**closed.details.cohorts.as_ref().unwrap()).clone();
    cohorts.complete_through = i64::MAX / 2;
    closed.details.cohorts = Some(Arc::new(cohorts));
    for kind in [Page::Today, Page::Rank, Page::Wall] {
        // Four rows, and the one from which the browser makes more.
        assert_eq!(bars(kind, "qualified_adds", &snapshot), [true; 5], "{kind:?}");
        assert_eq!(bars(kind, "qualified_adds", &closed), [false; 5], "{kind:?}, closed");
        assert_eq!(bars(kind, "adds", &snapshot), [false; 5], "{kind:?}");
    }
    let mut contests = (**snapshot.details.contests.as_ref().unwrap()).clone();
    contests.rows.iter_mut().for_each(|row| row.metric = "qualified_adds".to_owned());
    let tug = |snapshot: &Snapshot| {
        let view = View { page: Page::Wall, ..fixture::view(&[("lang", "en")]) };
        let html = page(&view, snapshot, Duration::ZERO, None);
        html.split("class=\"tug\"").nth(1).unwrap().split("</svg>").next().unwrap().contains(HATCHED)
    };
    assert!(!tug(&snapshot));
    snapshot.details.contests = Some(Arc::new(contests));
    assert!(tug(&snapshot));
}

#[test]
fn what_is_shown_of_target_and_pace_subtracts_as_it_is_shown() {
    let tenths = |text: &str| {
        let digits: String = text.chars().take_while(|letter| *letter != '%' && *letter != ' ').collect();
        digits.replace('.', "").parse::<i64>().unwrap()
    };
    for target in 31..131 {
        let html = goal(Page::Today, with_targets("adds", &[(Level::Corp, "", target)]), &[("lang", "en")]);
        let after = |mark: &str| html.split(mark).nth(1).unwrap();
        let done = tenths(after("data-done=\"").split('>').nth(1).unwrap());
        let usual = tenths(after("usual by now "));
        let pace = after("data-pace>");
        let apart = tenths(pace) * if pace.split('<').next().unwrap().ends_with("ahead") { 1 } else { -1 };
        assert_eq!(done - usual, apart, "{target}: {html}");
    }
}
