//! Tests of the pages as HTML, without a browser.

mod budget;
mod day;
mod goal;
mod said;
mod wall;

use std::time::Duration;

use super::*;
use crate::board::access::sight::Sight;
use crate::board::fixture;
use crate::board::view::{Level, Scope};

fn check(parameters: &[(&str, &str)], age_seconds: u64) -> String {
    page(&fixture::view(parameters), &fixture::snapshot(), Duration::from_secs(age_seconds), None)
}

/// The HTML of every page.
fn pages(parameters: &[(&str, &str)], age_seconds: u64) -> Vec<String> {
    let kinds = Page::ALL.iter().map(|kind| View { page: *kind, ..fixture::view(parameters) });
    let age = Duration::from_secs(age_seconds);
    kinds.map(|view| page(&view, &fixture::snapshot(), age, None)).collect()
}

#[test]
fn the_html_carries_the_first_figure_and_how_far_it_is_complete() {
    let html = check(&[], 0);
    assert!(html.contains("data-n=\"adds\">30</b>"));
    assert!(html.contains("数据完整至</span> <b class=\"num\" id=\"complete\">14:32:15</b>"));
    assert!(html.contains("慢 3 秒"));
}

#[test]
fn shown_base_and_change_give_the_shown_adds() {
    let html = check(&[("lang", "en")], 0);
    assert!(html.contains(">22</td>") && html.contains(">+8</span>"), "{html}");
    assert!(!html.contains("36.4%"), "no percentage below a base of 100");
}

#[test]
fn a_stale_page_withdraws_comparisons_and_says_at_least() {
    for html in pages(&[], 200) {
        assert!(
            html.contains("data-state=\"stale\"") && html.contains("数据只完整到") && html.contains("已 3 分 23 秒")
        );
        assert!(!html.contains("多 8") && !html.contains("▲1"));
    }
    let html = check(&[], 200);
    assert!(html.contains("，至少") && html.contains("等数据恢复"));
}

#[test]
fn the_day_shows_what_the_api_answers_with_the_marks_of_its_certainty() {
    let html = check(&[("lang", "en")], 0);
    for part in [
        "data-n=\"qualified_adds\">24</b><span class=\"s\">final after 24 h</span>",
        "Forecast <b class=\"num\">67</b> <span class=\"seal\">est.</span>",
        "usual by now 45.0%",
        "Adds per 10 minutes",
        "工牌·湖滨 silent for 47 min",
        "&lt;b&gt;南京&amp;新街口店: 40 sent, 2 accepted",
        "15 left, 1.7%",
        "2/40, usually 40.0% by now",
        "done 40.0%",
        "3 late, put back in their minutes; closed, kept as an adjustment",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let equation =
        ["−<span data-n=\"not_new_adds\">4", "−<span data-n=\"lost_adds\">2", "data-n=\"qualified_adds\">24"];
    assert!(equation.iter().all(|term| html.contains(term)), "the sheet subtracts: {html}");
}

#[test]
fn a_stale_page_withdraws_forecast_pace_silence_contests_and_news() {
    for html in pages(&[("lang", "en")], 200) {
        for part in ["Forecast <b", "usual by now 4", "silent for", "accepted", "4.5</b>"] {
            assert!(!html.contains(part), "{part}: {html}");
        }
    }
}

#[test]
fn ones_own_page_shows_each_add_and_the_month_and_no_customer() {
    let view = View { page: Page::Me, ..fixture::view(&[("lang", "en"), ("scope", "staff:z1"), ("level", "staff")]) };
    let html = page(&view, &fixture::snapshot_of_person(), Duration::ZERO, None);
    assert_eq!(html.matches("<rect class=\"qualified\"").count(), 1);
    for part in [
        "not new to the company, not counted",
        "deleted by the customer, not counted",
        "yinliu.friend.v1/3/42",
        ">25</b>",
        ">6</b>",
        ">−2</b>",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
}

#[test]
fn a_wall_shows_the_contest_that_runs_per_head() {
    let view = View { page: Page::Wall, ..fixture::view(&[("lang", "en")]) };
    let html = page(&view, &fixture::snapshot(), Duration::ZERO, None);
    assert!(
        html.contains("<b class=\"num\">4.5</b>杭州湖滨路店") && html.contains("<b class=\"num\">7.0</b>"),
        "{html}"
    );
}

#[test]
fn whoever_sees_the_ranks_of_others_sees_rows_and_no_figure_of_that_scope() {
    let mut view = View { page: Page::Rank, ..fixture::view(&[("lang", "en")]) };
    let figure = "data-n=\"adds\">30</b>";
    let total = "Adds today 30";
    let html = page(&view, &fixture::snapshot(), Duration::ZERO, None);
    assert!(html.contains(figure) && html.contains(total), "{html}");
    for sight in [Sight::Siblings, Sight::Around { first: 3 }] {
        view.viewer.sight = sight;
        let html = page(&view, &fixture::snapshot(), Duration::ZERO, None);
        assert!(html.contains("<li data-id=\"S1\">"), "{html}");
        assert!(!html.contains(figure) && !html.contains(total), "{html}");
        assert!(html.contains("data-n=\"adds\">—</b>") && html.contains("Adds today —"), "{html}");
    }
}

#[test]
fn a_name_with_markup_is_shown_as_it_is() {
    let html = check(&[], 0);
    assert!(html.contains("&lt;b&gt;南京&amp;新街口店") && !html.contains("<b>南京"));
}

#[test]
fn every_place_of_a_template_has_a_value_and_no_style_is_inline() {
    let mut all = pages(&[], 0);
    all.push(page_without_figures(&fixture::view(&[])));
    for html in all {
        assert!(!html.contains("{{") && !html.contains("}}"));
        assert!(!html.contains("style="), "styles would need a weaker policy");
    }
}

#[test]
fn every_word_that_a_template_names_exists() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/board/page");
    let mut words = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for (at, _) in text.match_indices("{{:") {
            let rest = &text[at + 3..];
            let key: String = rest.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
            if key == "key" || key.is_empty() {
                continue;
            }
            assert!(crate::board::words::Word::from_key(&key).is_some(), "no word `{key}`");
            words += 1;
        }
    }
    assert!(words > 50, "{words} words");
}

#[test]
fn a_wall_shows_every_region_and_they_add_up_to_the_total() {
    let wall = |snapshot: &Snapshot| {
        let view = View { page: Page::Wall, ..fixture::view(&[("lang", "en")]) };
        page(&view, snapshot, Duration::ZERO, None)
    };
    let mut snapshot = fixture::snapshot();
    let html = wall(&snapshot);
    for part in ["<li data-region=\"R1\">", "data-f=\"value\">18</b>", "data-f=\"value\">10</b>", ">45.0%<"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let one = snapshot.counts.regions[1].1;
    snapshot.counts.regions.extend((3..=12).map(|n| (format!("R{n}"), one)));
    let html = wall(&snapshot);
    assert_eq!(html.matches("<li data-region=").count(), 7);
    assert!(html.contains("6 other regions</span><b class=\"num\" data-f=\"rest\">52</b>"), "{html}");
}

#[test]
fn ones_own_page_shows_the_day_before_below_the_day() {
    let view = View { page: Page::Me, ..fixture::view(&[("lang", "en"), ("scope", "staff:z1"), ("level", "staff")]) };
    let mut snapshot = fixture::snapshot_of_person();
    let html = page(&view, &snapshot, Duration::ZERO, None);
    assert!(html.contains("<rect class=\"day-before\" x=\"4.16%\"") && html.contains("Grey ticks"), "{html}");
    let mut person = (**snapshot.details.person.as_ref().unwrap()).clone();
    person.day_before.clear();
    snapshot.details.person = Some(std::sync::Arc::new(person));
    let html = page(&view, &snapshot, Duration::ZERO, None);
    assert!(!html.contains("class=\"day-before\"") && html.contains("No adds on the day before."), "{html}");
}

#[test]
fn figures_that_may_change_carry_their_seal_wherever_they_stand_and_final_ones_none() {
    let seal = "<span class=\"seal\" title=\"provisional until 24 h have passed\">prov.</span>";
    let qualified = [("lang", "en"), ("metric", "qualified_adds")];
    let by_kind = |kind: Page, snapshot: &Snapshot| {
        let html = page(&View { page: kind, ..fixture::view(&qualified) }, snapshot, Duration::ZERO, None);
        // What stands below the figures of the rows alone, without the template that the browser fills.
        let rows = html.split("id=\"rows\">").nth(1).unwrap().split("</ol>").next().unwrap();
        let below: String =
            rows.split("data-f=\"done\">").skip(1).map(|rest| rest.split("</small>").next().unwrap()).collect();
        (below, html)
    };
    let mut closed = fixture::snapshot();
    let mut cohorts = (**closed.details.cohorts.as_ref().unwrap()).clone();
    cohorts.complete_through = i64::MAX / 2;
    closed.details.cohorts = Some(std::sync::Arc::new(cohorts));
    for kind in [Page::Today, Page::Wall, Page::Rank] {
        let (rows, html) = by_kind(kind, &fixture::snapshot());
        assert_eq!(rows.matches(seal).count(), 4, "{kind:?}: one for each row: {rows}");
        assert_eq!(html.contains(&format!("Qualified {seal}</a>")), kind == Page::Rank, "its choice: {html}");
        let (rows, html) = by_kind(kind, &closed);
        assert!(!rows.contains(seal) && !html.contains(&format!("Qualified {seal}</a>")), "{kind:?}, closed: {html}");
    }
}

#[test]
fn a_contest_of_qualified_adds_carries_their_seal() {
    let wall = |snapshot: &Snapshot| {
        let view = View { page: Page::Wall, ..fixture::view(&[("lang", "en")]) };
        page(&view, snapshot, Duration::ZERO, None)
            .split("wpk")
            .nth(1)
            .unwrap()
            .split("</svg>")
            .next()
            .unwrap()
            .to_owned()
    };
    let mut snapshot = fixture::snapshot();
    assert!(!wall(&snapshot).contains("prov."));
    let mut contests = (**snapshot.details.contests.as_ref().unwrap()).clone();
    contests.rows.iter_mut().for_each(|row| row.metric = "qualified_adds".to_owned());
    snapshot.details.contests = Some(std::sync::Arc::new(contests));
    assert!(wall(&snapshot).contains("prov."));
}

#[test]
fn an_add_that_came_late_and_is_pending_carries_both_seals_and_says_when_it_is_final() {
    let view = View { page: Page::Me, ..fixture::view(&[("lang", "en"), ("scope", "staff:z1"), ("level", "staff")]) };
    let mut snapshot = fixture::snapshot_of_person();
    let flow = |snapshot: &Snapshot| {
        let html = page(&view, snapshot, Duration::ZERO, None);
        html.split("id=\"flow\"").nth(1).unwrap().to_owned()
    };
    let in_time = flow(&snapshot);
    assert!(in_time.contains("final 23 Nov 10:00 <span class=\"seal\" title"), "{in_time}");
    let mut person = (**snapshot.details.person.as_ref().unwrap()).clone();
    person.adds[0].recorded_at += 600_000;
    snapshot.details.person = Some(std::sync::Arc::new(person));
    let late = flow(&snapshot);
    assert!(
        late.contains(
            "added 10:10, final 23 Nov 10:00 <span class=\"seal amend\">rev.</span><span class=\"seal\" title"
        ),
        "{late}"
    );
}

#[test]
fn an_opened_row_divides_the_metric_by_its_target_and_says_why_it_is_flagged() {
    let mut snapshot = fixture::snapshot();
    let of_net = ((Level::Store, "S1".to_owned(), "net_adds".to_owned()), 24);
    std::sync::Arc::make_mut(&mut snapshot.directory.targets).extend([of_net]);
    let view = View { page: Page::Rank, ..fixture::view(&[("lang", "en"), ("metric", "net_adds")]) };
    let html = page(&view, &snapshot, Duration::ZERO, None);
    assert!(html.contains("net 12, target 24, done 50.0%"), "{html}");
    let row = |id: &str| html.split(&format!("<li data-id=\"{id}\">")).nth(1).unwrap().split("</li>").next().unwrap();
    for (id, part) in [
        ("S2", "class=\"why num w\">&lt;b&gt;南京&amp;新街口店: 40 sent, 2 accepted"),
        ("S1", "class=\"why num \">杭州湖滨路店: 12 left after a broadcast"),
    ] {
        assert!(row(id).contains(part), "{part}: {}", row(id));
    }
    assert!(!row("S3").contains("accepted"), "{}", row("S3"));
}

#[test]
fn every_page_says_at_least_beside_its_adds_while_they_are_stale() {
    for kind in [Page::Today, Page::Rank, Page::Channels, Page::Wall] {
        let html = page(
            &View { page: kind, ..fixture::view(&[("lang", "en")]) },
            &fixture::snapshot(),
            Duration::from_mins(5),
            None,
        );
        assert!(html.contains("<span class=\"h\">, at least</span>"), "{kind:?}: {html}");
    }
}

#[test]
fn the_pinned_row_names_the_next_rank_that_somebody_holds() {
    let mut snapshot = fixture::snapshot();
    for (id, adds) in [("S1", 9), ("S2", 9), ("S3", 4)] {
        let values = crate::event::Counter::ALL
            .iter()
            .map(|counter| if *counter == crate::event::Counter::Adds { adds } else { 0 });
        let counters = crate::board::reader::Counters::from_values(&values.collect::<Vec<_>>());
        snapshot.counts.children.retain(|(other, _)| other != id);
        snapshot.counts.children.push((id.to_owned(), counters));
    }
    let mut view = View { page: Page::Rank, ..fixture::view(&[("lang", "en")]) };
    view.viewer.own = Some(Scope { level: Level::Store, id: "S3".to_owned() });
    let html = page(&view, &snapshot, Duration::ZERO, None);
    let pin = html.split("class=\"pin\"").nth(1).unwrap().split("</aside>").next().unwrap();
    assert!(pin.contains("data-f=\"sub\">rank 1 is 5 ahead<") && pin.contains("data-rank=\"3\""), "{pin}");
}

#[test]
fn a_wall_offers_no_definition_to_open_and_has_its_chart_as_a_table() {
    let html = page(
        &View { page: Page::Wall, ..fixture::view(&[("lang", "en")]) },
        &fixture::snapshot(),
        Duration::ZERO,
        None,
    );
    assert!(!html.contains("data-def") && !html.contains("data-sheet"), "{html}");
    assert!(html.contains("<th scope=\"row\">10:00</th><td>20 </td>"), "{html}");
    assert!(html.contains("工牌·湖滨 silent for 47 min"), "{html}");
}

#[test]
fn what_is_unfair_of_the_flags_of_a_row_is_withdrawn_and_a_loss_stands() {
    let html = check(&[("lang", "en")], 0);
    let row = |id: &str| html.split(&format!("<li data-id=\"{id}\">")).nth(1).unwrap().split("</li>").next().unwrap();
    let (loss, silent) = ("<span class=\"warn \">, losses</span>", "<span class=\"warn w\">, silent</span>");
    assert!(row("S1").contains(loss) && row("S1").contains(silent), "{}", row("S1"));
    assert!(row("S2").contains("<span class=\"warn w\">, few accepted</span>"), "{}", row("S2"));
}

#[test]
fn an_empty_day_says_that_data_are_flowing_and_where_the_day_before_stood() {
    let mut snapshot = fixture::snapshot();
    let html = |snapshot: &Snapshot| page(&fixture::view(&[("lang", "en")]), snapshot, Duration::ZERO, None);
    snapshot.counts = crate::board::reader::Day::default();
    let says = "Data is flowing: complete through 14:32:15; yesterday at 14:32 stood at 22.";
    assert!(html(&snapshot).contains(says), "{}", html(&snapshot));
    snapshot.counted_since = None;
    let says = "<p class=\"num\">Data is flowing: complete through 14:32:15.</p>";
    assert!(html(&snapshot).contains(says), "{}", html(&snapshot));
    snapshot.clock.complete_through = None;
    assert!(html(&snapshot).contains("No data has arrived yet."), "{}", html(&snapshot));
}

#[test]
fn retention_is_not_told_before_anybody_could_have_stayed_for_a_day() {
    let view = View { page: Page::Channels, ..fixture::view(&[("lang", "en")]) };
    let html = page(&view, &fixture::snapshot(), Duration::ZERO, None);
    assert_eq!(html.matches("Retention is known after 24 h.").count(), 1, "once, and not of each group: {html}");
}

#[test]
fn retention_is_that_of_the_adds_of_a_group_that_are_a_day_old() {
    let mut snapshot = fixture::snapshot();
    let mut cohorts = (**snapshot.details.cohorts.as_ref().unwrap()).clone();
    let badge = cohorts.channels.get_mut("badge").unwrap();
    (badge.matured, badge.retained) = (8, 6);
    snapshot.details.cohorts = Some(std::sync::Arc::new(cohorts));
    let view = View { page: Page::Channels, ..fixture::view(&[("lang", "en")]) };
    let html = page(&view, &snapshot, Duration::ZERO, None);
    assert!(
        html.contains("Of 8 that are 24 h old 6 are still friends</p>"),
        "no percentage below a base of 100: {html}"
    );
    assert_eq!(html.matches("Retention is known after 24 h.").count(), 2, "of the others none is so old: {html}");
}

#[test]
fn a_page_without_figures_says_why() {
    let html = page_without_figures(&fixture::view(&[("lang", "en")]));
    assert!(html.contains("The database does not answer"), "{html}");
}
