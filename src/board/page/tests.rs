//! Tests of the pages as HTML, without a browser.

use std::time::Duration;

use super::*;
use crate::board::access::sight::Sight;
use crate::board::fixture;

fn check(parameters: &[(&str, &str)], age_seconds: u64) -> String {
    page(&fixture::view(parameters), &fixture::snapshot(), Duration::from_secs(age_seconds))
}

/// The HTML of every page.
fn pages(parameters: &[(&str, &str)], age_seconds: u64) -> Vec<String> {
    let kinds = Page::ALL.iter().map(|kind| View { page: *kind, ..fixture::view(parameters) });
    let age = Duration::from_secs(age_seconds);
    kinds.map(|view| page(&view, &fixture::snapshot(), age)).collect()
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
        "15, 1.7%",
        "late events: 12 became 15; closed, kept as an adjustment",
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
    let html = page(&view, &fixture::snapshot_of_person(), Duration::ZERO);
    assert_eq!(html.matches("<rect class=\"qualified\"").count(), 1);
    for part in ["already a colleague", "left, not counted", "yinliu.friend.v1/3/42", ">25</b>", ">6</b>", ">−2</b>"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
}

#[test]
fn a_wall_shows_the_contest_that_runs_per_head() {
    let view = View { page: Page::Wall, ..fixture::view(&[("lang", "en")]) };
    let html = page(&view, &fixture::snapshot(), Duration::ZERO);
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
    let html = page(&view, &fixture::snapshot(), Duration::ZERO);
    assert!(html.contains(figure) && html.contains(total), "{html}");
    for sight in [Sight::Siblings, Sight::Around { first: 3 }] {
        view.viewer.sight = sight;
        let html = page(&view, &fixture::snapshot(), Duration::ZERO);
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
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
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
        page(&view, snapshot, Duration::ZERO)
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
    let html = page(&view, &snapshot, Duration::ZERO);
    assert!(html.contains("<rect class=\"day-before\" x=\"4.16%\"") && html.contains("Grey ticks"), "{html}");
    let mut person = (**snapshot.details.person.as_ref().unwrap()).clone();
    person.day_before.clear();
    snapshot.details.person = Some(std::sync::Arc::new(person));
    let html = page(&view, &snapshot, Duration::ZERO);
    assert!(!html.contains("class=\"day-before\"") && html.contains("No adds on the day before."), "{html}");
}

#[test]
fn a_page_without_figures_says_why() {
    let html = page_without_figures(&fixture::view(&[("lang", "en")]));
    assert!(html.contains("The database does not answer"), "{html}");
}
