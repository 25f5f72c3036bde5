//! The wall: one screen for a room, read from five metres.
//!
//! Invariant: what is withdrawn on a phone is withdrawn here, and "complete through" stands beside the clock.

use super::text::{length, share};
use super::{Context, SEAL_HELD, channels, hero, plot, provisional, rows, shell, target, trend};
use crate::board::contests::{Contest, Side, State};
use crate::board::html::{Html, number, tenths};
use crate::board::leaderboard::Row;
use crate::board::news::Kind;
use crate::board::view::Level;
use crate::board::words::Word;

/// As many as fit beside the hero.
const ROWS_MAX: usize = 8;

pub(super) fn wall(page: &Context) -> Html {
    let chart = page.facts.trend.as_ref().map(|trend| plot::plot(page, trend, trend::title(page, trend)));
    let title = page.facts.trend.as_ref().map(|trend| trend::title(page, trend));
    let qualified = page.figure("qualified_adds");
    page.fill(
        include_str!("wall.html"),
        &[
            ("name", Html::text(&shell::name(page))),
            ("day", hero::day(page)),
            ("fresh", shell::fresh(page)),
            ("adds_label", page.words.text(hero::adds_label(page))),
            ("adds", page.shown("adds")),
            ("baselines", hero::compared(page)),
            ("net_adds", page.shown("net_adds")),
            ("losses", page.shown("losses")),
            ("qualified", page.shown("qualified_adds")),
            ("qualified_share", Html::text(&qualified.and_then(|n| share(n, page.adds())).unwrap_or_default())),
            ("seal", provisional(page.words, page.qualified_final())),
            ("target", target::section(page)),
            ("trend_title", title.unwrap_or_else(|| page.words.text(Word::TrendPlain))),
            ("plot", chart.unwrap_or_else(|| page.fill("<p class=\"note\">{{:not_known}}</p>", &[]))),
            ("board_title", page.words.text(rows::level_word(page.view.watched.level))),
            ("rows", Html::join(page.facts.leaderboard.rows.iter().take(ROWS_MAX).map(|row| line(page, Some(row))))),
            ("template", line(page, None)),
            ("contest", contest(page)),
            ("channels", channels::section(page)),
            ("news", news(page)),
            ("late", page.shown("late_adds")),
        ],
    )
}

fn line(page: &Context, row: Option<&Row>) -> Html {
    let mut values = rows::cells(page, row);
    if let Some(row) = row.filter(|row| page.view.watched.level == Level::Staff && !row.id.is_empty()) {
        // Names of staff are shown on a wall only where the corp says so; the API then answers them.
        let name = if row.name.is_empty() { page.words.text(Word::Staff) } else { Html::text(&row.name) };
        values.insert(0, ("name", name));
    }
    page.fill(concat!("<li data-id=\"{{id}}\"><div class=\"row\">", include_str!("cells.html"), "</div></li>"), &values)
}

/// The newest fact.
fn news(page: &Context) -> Html {
    let Some(item) = page.facts.news.first().filter(|_| !page.held()) else { return page.words.text(Word::NewsNone) };
    let word = match item.kind {
        Kind::Passed => Word::NewsPassed,
        Kind::Target => Word::NewsTarget,
        Kind::First => Word::NewsFirst,
    };
    page.words.with(word, &[&item.name, &number(item.value.into())])
}

/// The contest that runs; its figures go when they would be unfair.
fn contest(page: &Context) -> Html {
    let running = page.facts.contests.as_deref().and_then(|contests| {
        contests.iter().filter(|contest| contest.sides.len() > 1).min_by_key(|contest| {
            [State::Running, State::Upcoming, State::Ended].iter().position(|state| contest.state == *state)
        })
    });
    let Some(contest) = running else {
        let says = page.words.text(if page.facts.contests.is_none() { Word::NotKnown } else { Word::NoContest });
        return page
            .fill("<div class=\"wpk\"><h2>{{:contest}}</h2><p class=\"note\">{{says}}</p></div>", &[("says", says)]);
    };
    let sides: Vec<_> = contest.sides.iter().take(2).collect();
    let [one, other] = sides.as_slice() else { return Html::default() };
    let (left, right) = (measure(contest, one), measure(contest, other));
    let body = if page.held() { Html::default() } else { tug(page, (one, left), (other, right), contest) };
    page.fill(
        &format!("<div class=\"wpk\"><h2>{{{{name}}}}<span class=\"h\">{SEAL_HELD}</span><small class=\"num w\">{{{{ends}}}}</small></h2><div class=\"w\">{{{{body}}}}</div><p class=\"h hold\">{{{{:contest_held}}}}</p></div>"),
        &[
            ("name", Html::text(&contest.name)),
            ("ends", page.words.with(Word::EndsAt, &[&page.time(contest.ends_at.as_deref(), "%H:%M")])),
            ("body", body),
        ],
    )
}

/// The figure of a side in thousandths, so that per-head figures of unlike teams compare.
fn measure(contest: &Contest, side: &Side) -> i64 {
    let value = side.value.unwrap_or(0).max(0).saturating_mul(1000);
    match (contest.basis.as_str(), i64::try_from(side.staff_active)) {
        ("per_head", Ok(staff)) if staff > 0 => value / staff,
        (_, _) => value,
    }
}

fn tug(page: &Context, one: (&Side, i64), other: (&Side, i64), contest: &Contest) -> Html {
    let shown = |(side, measure): (&Side, i64)| match contest.basis.as_str() {
        "per_head" => tenths(measure.into(), 1000),
        _ => number(side.value.unwrap_or(0).into()),
    };
    let basis = if contest.basis == "per_head" { Word::PerHead } else { Word::Total };
    Html::fill(
        "<p class=\"names\"><span><b class=\"num\">{{one}}</b>{{one_name}}</span><small>{{basis}}</small><span><b class=\"num\">{{other}}</b>{{other_name}}</span></p><svg class=\"tug\" aria-hidden=\"true\"><rect class=\"rest\" width=\"100%\" height=\"100%\"/><rect class=\"fill\" width=\"{{width}}\" height=\"100%\"/></svg>",
        &[
            ("one", Html::text(&shown(one))),
            ("one_name", Html::text(&one.0.name)),
            ("other", Html::text(&shown(other))),
            ("other_name", Html::text(&other.0.name)),
            ("basis", page.words.text(basis)),
            ("width", length(one.1, one.1.saturating_add(other.1))),
        ],
    )
}
