//! Tests of what a room reads: whom a wall names, what was corrected, and what is not told, with the reason.

use super::*;
use crate::board::access::sight::{Names, Viewer};

fn wall(parameters: &[(&str, &str)], viewer: Viewer, snapshot: &Snapshot) -> String {
    let view = View { page: Page::Wall, viewer, ..fixture::view(parameters) };
    page(&view, snapshot, Duration::ZERO, None)
}

/// The line in place of the rows.
fn note(html: &str) -> Option<&str> {
    html.split("id=\"rows-note\">").nth(1)?.split("</p>").next()
}

#[test]
fn a_wall_that_names_no_staff_says_so_where_their_rows_would_stand() {
    let staff = [("scope", "store:S1"), ("level", "staff"), ("lang", "en")];
    let mut snapshot = fixture::snapshot();
    snapshot.watched = fixture::view(&staff).watched;
    let nameless = Viewer { sight: Sight::Nameless, names: Names::Hidden, ..Viewer::default() };
    let html = wall(&staff, nameless, &snapshot);
    assert_eq!(note(&html), Some("Walls name no staff here."));
    assert!(!html.contains("data-id=\"z1\""), "{html}");
    assert_eq!(note(&wall(&[], Viewer::default(), &fixture::snapshot())), None);
}

#[test]
fn qualified_adds_say_once_why_there_are_no_moves() {
    for kind in [Page::Rank, Page::Wall] {
        let html = |metric: &str| {
            let view = View { page: kind, ..fixture::view(&[("lang", "en"), ("metric", metric)]) };
            page(&view, &fixture::snapshot(), Duration::ZERO, None)
        };
        let says = "no moves: nobody kept what was qualified an hour ago";
        let (qualified, adds) = (html("qualified_adds"), html("adds"));
        assert_eq!(qualified.matches(says).count(), 1, "{kind:?}: {qualified}");
        assert!(!qualified.contains("last hour"), "{kind:?}: {qualified}");
        assert!(!adds.contains(says) && adds.contains("last hour"), "{kind:?}: {adds}");
    }
}

#[test]
fn a_wall_that_is_open_to_all_says_so() {
    let says = "whoever opens this address sees everything";
    let open = Viewer { open: true, ..Viewer::default() };
    assert!(wall(&[("lang", "en")], open, &fixture::snapshot()).contains(says));
    assert!(!wall(&[("lang", "en")], Viewer::default(), &fixture::snapshot()).contains(says));
}

#[test]
fn a_contest_says_on_which_day_it_ends_unless_that_is_the_one_shown() {
    let ends = |at: &str| {
        let mut snapshot = fixture::snapshot();
        let mut contests = (**snapshot.details.contests.as_ref().unwrap()).clone();
        let end = at.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        contests.rows.iter_mut().for_each(|row| row.bounds.1 = end);
        snapshot.details.contests = Some(std::sync::Arc::new(contests));
        let html = wall(&[("lang", "en")], Viewer::default(), &snapshot);
        html.split("ends ").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    assert_eq!(ends("2026-11-22T10:00:00Z"), "18:00");
    assert_eq!(ends("2026-11-22T16:00:00Z"), "24:00");
    assert_eq!(ends("2026-11-24T10:00:00Z"), "Tue 24 Nov 18:00");
    assert_eq!(ends("2026-11-24T16:00:00Z"), "Tue 24 Nov 24:00");
}

#[test]
fn a_wall_tells_the_newest_correction_of_another_day() {
    let corrected = |change: fn(&mut crate::board::details::corrections::Corrections)| {
        let mut snapshot = fixture::snapshot();
        let mut corrections = (**snapshot.details.corrections.as_ref().unwrap()).clone();
        change(&mut corrections);
        snapshot.details.corrections = Some(std::sync::Arc::new(corrections));
        let html = wall(&[("lang", "en")], Viewer::default(), &snapshot);
        html.split("class=\"rev num\">").nth(1).unwrap().split("</p>").next().unwrap().to_owned()
    };
    let late = corrected(|corrections| corrections.rows.retain(|row| row.reason == "late"));
    assert!(late.contains("data-n=\"late_adds\">0</span>, yesterday +3"), "{late}");
    let newest = corrected(|corrections| corrections.rows[2].received_at += 1);
    assert!(newest.contains(", yesterday −1"), "{newest}");
    let older = corrected(|corrections| {
        corrections.rows.truncate(1);
        corrections.rows[0].day = "2026-11-19".parse().unwrap();
    });
    assert!(older.contains(", Thu 19 Nov +1"), "{older}");
    let of_today = corrected(|corrections| {
        corrections.rows.iter_mut().for_each(|row| row.day = "2026-11-22".parse().unwrap());
    });
    assert!(of_today.ends_with("0</span>"), "{of_today}");
}

#[test]
fn a_contest_says_what_it_compares_from_when_to_when_and_whether_it_goes_on() {
    let contest = |bounds: [&str; 2]| {
        let mut snapshot = fixture::snapshot();
        let mut contests = (**snapshot.details.contests.as_ref().unwrap()).clone();
        let [start, end] = bounds.map(|at| at.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        contests.rows.iter_mut().for_each(|row| row.bounds = (start, end));
        snapshot.details.contests = Some(std::sync::Arc::new(contests));
        let html = wall(&[], Viewer::default(), &snapshot);
        html.split("class=\"wpk\"").nth(1).unwrap().split("</div></div>").next().unwrap().to_owned()
    };
    let html = contest(["2026-11-21T16:00:00Z", "2026-11-22T10:00:00Z"]);
    assert!(html.contains(">11月22日</span> <span>人均加粉 ") && html.contains(">进行中，18:00 结束<"), "{html}");
    let html = contest(["2026-11-22T16:00:00Z", "2026-11-29T16:00:00Z"]);
    assert!(
        html.contains(">11月23日–11月29日</span>") && html.contains(">未开始，11月29日 周日 24:00 结束<"),
        "{html}"
    );
    let html = contest(["2026-11-14T16:00:00Z", "2026-11-21T16:00:00Z"]);
    assert!(html.contains(">11月15日–11月21日</span>") && html.contains(">已结束<"), "{html}");
}

#[test]
fn a_wall_heads_its_columns_and_says_what_the_ticks_of_the_channels_are() {
    let html = wall(&[], Viewer::default(), &fixture::snapshot());
    assert!(html.contains("<small class=\"cols\"><span>完成</span><span>加粉</span></small>"), "{html}");
    assert!(html.contains("data-f=\"done\">40.0%</span>"), "{html}");
    assert!(html.contains("<small class=\"w\">竖线：昨日此刻</small>"), "{html}");
    assert!(html.contains("id=\"sound\" aria-pressed=\"false\">提示音：关<"), "{html}");
    let phone = page(&fixture::view(&[]), &fixture::snapshot(), Duration::ZERO, None);
    assert!(!phone.contains("竖线：昨日此刻") && phone.contains("完成 40.0%"), "there a note and the rows say it");
}
