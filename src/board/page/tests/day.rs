//! Tests of what a page calls the day that it shows: today, or a day that is gone.

use jiff::tz::TimeZone;

use super::*;
use crate::board::reader::{Day, minutes_of};

/// The fixture of the day before its own, which is over.
fn past(mut snapshot: Snapshot) -> Snapshot {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let day = jiff::civil::date(2026, 11, 21);
    (snapshot.day, snapshot.watched.day) = (day, Some(day));
    snapshot.instants = crate::board::days::instants(day, snapshot.clock.complete_through.unwrap(), &zone).unwrap();
    std::sync::Arc::make_mut(&mut snapshot.earlier).minutes = minutes_of(&snapshot.instants);
    snapshot.with_derived()
}

/// What stands on a page of that day, without the words that the browser may write.
fn shown(kind: Page, language: &str, day: &str, snapshot: &Snapshot) -> String {
    let person = [("lang", language), ("day", day), ("scope", "staff:z1"), ("level", "staff")];
    let view = fixture::view(if kind == Page::Me { &person } else { &person[..2] });
    let html = page(&View { page: kind, ..view }, snapshot, Duration::ZERO, None);
    html.split_once("<header").unwrap().1.to_owned()
}

const YESTERDAY: &str = "2026-11-21";

#[test]
fn a_day_that_is_gone_is_never_called_today() {
    for kind in Page::ALL {
        let snapshot = if *kind == Page::Me { fixture::snapshot_of_person() } else { fixture::snapshot() };
        let html = shown(*kind, "zh", YESTERDAY, &past(snapshot));
        for word in ["今天", "今日加粉", "昨日", "近 1 小时", "▲", "▼", "平时此刻该到", "now-says", "class=\"now\" x"]
        {
            assert!(!html.contains(word), "{kind:?}: {word}: {html}");
        }
        assert!(html.contains("id=\"complete\">2026-11-22 14:32:15<"), "{kind:?}: the date beside the time: {html}");
    }
}

#[test]
fn the_chart_the_table_and_the_report_of_a_past_day_name_its_days() {
    let html = shown(Page::Today, "zh", YESTERDAY, &past(fixture::snapshot()));
    for part in [
        "</i>当日</span><span class=\"w\"><i class=\"ln\"></i>前一日</span>",
        "<th scope=\"col\">当日</th><th scope=\"col\" class=\"w\">前一日</th>",
        "数据完整至 2026-11-22 14:32:15\n当日加粉 ",
        "\n比前一日 24:00 ",
        "截至 2026-11-22 14:32:15，",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let html = shown(Page::Me, "en", YESTERDAY, &past(fixture::snapshot_of_person()));
    assert!(html.contains("Friends added that day"), "{html}");
}

#[test]
fn today_is_today_also_where_the_address_names_it() {
    for day in ["", "2026-11-22"] {
        let html = shown(Page::Today, "zh", day, &fixture::snapshot());
        for part in ["今日加粉", "</i>今日</span>", "昨日 14:32", "完整至 14:32</text>", "未满 10 分钟"]
        {
            assert!(html.contains(part), "{day}: {part}: {html}");
        }
    }
}

#[test]
fn an_empty_day_that_is_gone_waits_for_no_adds() {
    let mut snapshot = fixture::snapshot();
    snapshot.counts = Day::default();
    assert!(shown(Page::Today, "zh", "", &snapshot).contains("<h2>今天还没有加粉</h2>"));
    let html = shown(Page::Today, "zh", YESTERDAY, &past(snapshot));
    assert!(
        html.contains("<h2>这一天没有加粉</h2>") && html.contains("完整至 2026-11-22 14:32:15，前一日 24:00 是 "),
        "{html}"
    );
}
