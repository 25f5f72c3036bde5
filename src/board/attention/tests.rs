//! Tests of what needs a person, on a hand-made day.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::board::details::requests::Passed;
use crate::board::fixture;

fn found(snapshot: &Snapshot, age_seconds: u64) -> Vec<(Kind, String, u64)> {
    let snapshot = snapshot.clone().with_derived();
    let all = findings(&snapshot, &snapshot.freshness(Duration::from_secs(age_seconds)));
    all.into_iter().map(|finding| (finding.kind, finding.name, finding.value)).collect()
}

fn named(kind: Kind, name: &str, value: u64) -> (Kind, String, u64) {
    (kind, name.to_owned(), value)
}

#[test]
fn the_day_has_one_finding_of_each_kind() {
    let expected = [
        named(Kind::Loss, "杭州湖滨路店", 12),
        named(Kind::Silent, "工牌·湖滨", 2835),
        named(Kind::PassRate, "<b>南京&新街口店", 2),
        named(Kind::Zero, "苏州观前街店", 0),
    ];
    assert_eq!(found(&fixture::snapshot(), 0), expected);
}

#[test]
fn stale_figures_are_compared_with_nothing_but_losses_stay() {
    assert_eq!(found(&fixture::snapshot(), 600), [named(Kind::Loss, "杭州湖滨路店", 12)]);
}

#[test]
fn a_day_that_is_over_lists_its_losses_alone() {
    let mut snapshot = fixture::snapshot();
    snapshot.instants.state = crate::board::days::DayState::Closed;
    assert_eq!(found(&snapshot, 0).len(), 1);
}

#[test]
fn three_are_shown_of_different_kinds_first() {
    let mut snapshot = fixture::snapshot();
    let mut codes = (**snapshot.details.codes.as_ref().unwrap()).clone();
    codes.silent.push(codes.silent[0].clone());
    snapshot.details.codes = Some(Arc::new(codes));
    let snapshot = snapshot.with_derived();
    let shown = attention(&snapshot, &Viewer::default(), &snapshot.freshness(Duration::ZERO)).unwrap();
    let kinds: Vec<_> = shown.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Silent, Kind::PassRate, Kind::Loss]);
}

#[test]
fn a_pass_rate_has_fallen_at_half_of_the_usual_and_not_above() {
    let check = |accepted, sent| {
        let mut snapshot = fixture::snapshot();
        let passed = Passed { sent, accepted, usual_sent: 200, usual_accepted: 80 };
        let children = [("S2".to_owned(), passed)].into();
        snapshot.details.requests = Some(Arc::new(super::super::details::requests::Requests { children }));
        found(&snapshot, 0).iter().any(|(kind, _, _)| *kind == Kind::PassRate)
    };
    assert!(check(8, 40) && !check(9, 40), "a fifth is half of two fifths");
    assert!(!check(0, 19), "of so few it is chance");
}

#[test]
fn too_little_history_tells_nothing_and_says_so() {
    let mut snapshot = fixture::snapshot();
    let mut history = (**snapshot.details.history.as_ref().unwrap()).clone();
    history.days.pop();
    snapshot.details.history = Some(Arc::new(history));
    let mut broadcasts = (**snapshot.details.broadcasts.as_ref().unwrap()).clone();
    broadcasts.usual.tasks = 2;
    snapshot.details.broadcasts = Some(Arc::new(broadcasts));
    let kinds: Vec<_> = found(&snapshot, 0).into_iter().map(|(kind, _, _)| kind).collect();
    assert_eq!(kinds, [Kind::Silent, Kind::PassRate]);
    let snapshot = snapshot.with_derived();
    let not_judged = |age| -> Vec<_> {
        let freshness = snapshot.freshness(Duration::from_secs(age));
        not_judged(&snapshot, &freshness).iter().map(|each| (each.kind, each.known, each.needed)).collect()
    };
    assert_eq!(not_judged(0), [(Kind::Loss, 2, 3), (Kind::Zero, 2, 3)]);
    assert_eq!(not_judged(600), [], "nothing is compared while the figures are stale");
    assert_eq!(fixture::snapshot().derived.not_judged, [], "with enough history everything is judged");
}

#[test]
fn requests_are_not_judged_before_enough_are_known_of_those_who_sent_some() {
    let check = |sent, usual_sent| {
        let mut snapshot = fixture::snapshot();
        let children = [("S2".to_owned(), Passed { sent, usual_sent, ..Passed::default() })].into();
        snapshot.details.requests = Some(Arc::new(super::super::details::requests::Requests { children }));
        snapshot.with_derived().derived.not_judged.iter().map(|each| (each.kind, each.known)).collect::<Vec<_>>()
    };
    assert_eq!(check(20, 99), [(Kind::PassRate, 99)]);
    assert_eq!((check(20, 100), check(19, 0)), (Vec::new(), Vec::new()));
}

#[test]
fn where_fewer_than_five_adds_are_usual_by_now_none_is_nothing_strange() {
    let mut snapshot = fixture::snapshot();
    let mut history = (**snapshot.details.history.as_ref().unwrap()).clone();
    // 45 % of 11 are 4.95.
    for day in &mut history.days {
        day.children.insert("S3".to_owned(), 11);
    }
    snapshot.details.history = Some(Arc::new(history));
    assert!(!found(&snapshot, 0).iter().any(|(kind, _, _)| *kind == Kind::Zero));
}

#[test]
fn a_code_is_of_a_scope_where_all_its_adds_are() {
    let of = |scope: &str| {
        let mut snapshot = fixture::snapshot();
        snapshot.watched.scope = Scope::read(scope).unwrap();
        silent_codes(&snapshot).unwrap().len()
    };
    assert_eq!(["corp", "region:R1", "store:S1", "store:S2"].map(of), [1, 1, 1, 0]);
}

#[test]
fn a_wall_names_no_staff_and_says_what_none_of_them_lost() {
    let mut snapshot = fixture::snapshot();
    snapshot.watched.level = Level::Staff;
    let snapshot = snapshot.with_derived();
    let shown = |sight, names| {
        let viewer = Viewer { sight, names, ..Viewer::default() };
        let shown = attention(&snapshot, &viewer, &snapshot.freshness(Duration::ZERO)).unwrap();
        shown.into_iter().map(|finding| finding.kind).collect::<Vec<_>>()
    };
    // The code is nobody's.
    assert_eq!(shown(Sight::Nameless, Names::Hidden), [Kind::Silent]);
    assert!(!shown(Sight::Wall, Names::Shown).contains(&Kind::Loss));
    assert!(shown(Sight::Whole, Names::Shown).contains(&Kind::Loss));
}

#[test]
fn a_flag_stands_at_the_row_that_the_finding_is_about() {
    let snapshot = fixture::snapshot();
    let all = findings(&snapshot, &snapshot.freshness(Duration::ZERO));
    let of = |id: &str| flags(&all, &Scope { level: Level::Store, id: id.to_owned() });
    assert_eq!(of("S1"), [Kind::Loss, Kind::Silent]);
    assert_eq!((of("S2"), of("S3")), (vec![Kind::PassRate], vec![Kind::Zero]));
}
