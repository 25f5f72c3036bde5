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
