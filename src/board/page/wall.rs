//! The wall: one screen for a room, read from five metres.
//!
//! Invariant: what is withdrawn on a phone is withdrawn here, and "complete through" stands beside the clock.

use jiff::{ToSpan as _, Zoned};

use super::text::{NONE, length, local, many, progress, share};
use super::{
    Context, SEAL_HELD, attention, channels, corrections, hatching, hero, plot, provisional, rank, rows, shell, target,
    trend,
};
use crate::board::access::sight::Sight;
use crate::board::attention::Kind as Matter;
use crate::board::contests::{Contest, Side, State};
use crate::board::html::{Html, number, tenths};
use crate::board::leaderboard::{Row, WALL_ROWS};
use crate::board::news::Kind;
use crate::board::regions::Region;
use crate::board::view::{Level, Metric};
use crate::board::words::Word;

/// As many as fit below the hero.
const REGIONS_MAX: usize = 8;

pub(super) fn wall(page: &Context) -> Html {
    let chart = page.facts.trend.as_ref().map(|trend| plot::plot(page, trend, trend::title(page, trend)));
    let title = page.facts.trend.as_ref().map(|trend| trend::title(page, trend));
    let qualified = page.figure("qualified_adds").and_then(|qualified| share(qualified, page.adds()));
    let qualified = qualified.map(|share| page.words.with(Word::ShareOfAdds, &[&share]));
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
            ("qualified_share", qualified.unwrap_or_default()),
            ("seal", provisional(page.words, page.qualified_final())),
            ("target", target::section(page)),
            ("regions", regions(page)),
            ("trend_title", title.unwrap_or_else(|| page.words.text(Word::TrendPlain))),
            ("legend", page.facts.trend.as_ref().map(|trend| trend::legend(page, trend)).unwrap_or_default()),
            ("plot", chart.unwrap_or_else(|| page.fill("<p class=\"note\">{{:not_known}}</p>", &[]))),
            ("board_title", page.words.text(rows::level_word(page.view.watched.level))),
            ("rows", Html::join(page.facts.leaderboard.rows.iter().take(WALL_ROWS).map(|row| line(page, Some(row))))),
            ("template", line(page, None)),
            ("contest", contest(page)),
            ("channels", channels::section(page)),
            ("silent", silent(page)),
            ("hours", page.facts.trend.as_ref().map(|trend| trend::table(page, trend)).unwrap_or_default()),
            ("news", news(page)),
            ("late_says", page.words.text(if page.is_today() { Word::LateToday } else { Word::LateAdds })),
            ("late", page.shown("late_adds")),
            ("changed", corrections::newest(page)),
            ("open", shell::open(page)),
            ("nobody", nobody(page)),
            ("moves", rows::moves_say(page, Word::MovesShort)),
            ("columns", columns(page)),
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

/// What the figures of a row are.
fn columns(page: &Context) -> Html {
    let rows = &page.facts.leaderboard.rows;
    if rows.is_empty() {
        return Html::default();
    }
    let has_targets = rows.iter().take(WALL_ROWS).any(|row| row.target.is_some());
    let done = if has_targets { page.words.text(Word::Progress) } else { Html::default() };
    Html::fill(
        "<small class=\"cols\"><span>{{done}}</span><span>{{metric}}</span></small>",
        &[("done", done), ("metric", page.words.text(rank::metric_word(page.view.metric)))],
    )
}

/// Why there are no rows.
fn nobody(page: &Context) -> Html {
    let says = match page.view.viewer.sight {
        Sight::Nameless => Word::WallNameless,
        Sight::Whole | Sight::Siblings | Sight::Around { .. } | Sight::Wall => Word::NobodyHere,
    };
    if !page.facts.leaderboard.rows.is_empty() {
        return Html::default();
    }
    Html::fill("<p class=\"note\" id=\"rows-note\">{{says}}</p>", &[("says", page.words.text(says))])
}

/// The regions with their share of the target and where they usually stand by now; those that find no place as one.
fn regions(page: &Context) -> Html {
    let all = page.facts.regions.as_slice();
    let shown = if all.len() > REGIONS_MAX { REGIONS_MAX - 1 } else { all.len() };
    let mut items: Vec<_> = all[..shown].iter().map(|region| region_item(page, region)).collect();
    if let Some(rest) = all.get(shown..).filter(|rest| !rest.is_empty()) {
        let adds: u64 = rest.iter().map(|region| region.adds).sum();
        items.push(page.fill(
            "<li><span>{{says}}</span><b class=\"num\" data-f=\"rest\">{{adds}}</b></li>",
            &[
                ("says", page.words.with(Word::OtherRegions, &[&many(rest.len())])),
                ("adds", Html::text(&number(adds.into()))),
            ],
        ));
    }
    if items.is_empty() {
        return Html::default();
    }
    page.fill(
        "<section aria-label=\"{{:region}}\"><ol class=\"wreg\">{{items}}</ol></section>",
        &[("items", Html::join(items))],
    )
}

fn region_item(page: &Context, region: &Region) -> Html {
    let done = region.target.and_then(|target| progress(region.measured(), target)).unwrap_or_default();
    let metric = region.net_adds.map(|_| Html::join([page.words.text(Word::NetAdds), Html::text(" ")]));
    let name = if region.id.is_empty() { page.words.text(Word::Unassigned) } else { Html::text(&region.name) };
    let bar = region.target.map(|target| {
        Html::fill(
            "<svg class=\"mini\" aria-hidden=\"true\"><rect class=\"fill\" data-f=\"bar\" width=\"{{width}}\" height=\"100%\" rx=\"2\"/>{{tick}}</svg>",
            &[("width", length(region.measured(), target)), ("tick", rows::tick(page))],
        )
    });
    Html::fill(
        "<li data-region=\"{{id}}\"><span>{{name}} <small class=\"num\">{{metric}}<span data-f=\"done\">{{done}}</span></small></span><b class=\"num\" data-f=\"value\">{{adds}}</b>{{bar}}</li>",
        &[
            ("id", Html::text(&region.id)),
            ("name", name),
            ("metric", metric.unwrap_or_default()),
            ("done", Html::text(&done)),
            ("adds", Html::text(&number(region.adds.into()))),
            ("bar", bar.unwrap_or_default()),
        ],
    )
}

/// The worst of the silent codes, as far as a wall may name it.
fn silent(page: &Context) -> Html {
    let mut found = page.facts.attention.iter().flatten();
    found.find(|item| item.kind == Matter::Silent).map(|item| attention::line_of_wall(page, item)).unwrap_or_default()
}

/// The newest fact, with its minute; its figure is golden.
fn news(page: &Context) -> Html {
    let Some(item) = page.facts.news.first() else { return page.words.text(Word::NewsNone) };
    let word = match item.kind {
        Kind::Passed => Word::NewsPassed,
        Kind::Target => Word::NewsTarget,
        Kind::First => Word::NewsFirst,
    };
    let template = word.text(page.words.language).replacen("{}", "{{name}}", 1).replacen("{}", "<b>{{value}}</b>", 1);
    let at = page.time(item.at.as_deref(), "%H:%M");
    Html::fill(
        &format!("<time>{{{{at}}}}</time>{template}"),
        &[("at", Html::text(&at)), ("name", Html::text(&item.name)), ("value", Html::text(&number(item.value.into())))],
    )
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
    let state = match contest.state {
        State::Upcoming => Word::Upcoming,
        State::Running => Word::Running,
        State::Ended => Word::Ended,
    };
    let ends = match contest.state {
        State::Ended => Html::default(),
        State::Upcoming | State::Running => {
            Html::join([Html::text(page.words.comma()), page.words.with(Word::EndsAt, &[&ends(page, contest)])])
        }
    };
    page.fill(
        &format!("<div class=\"wpk\"><h2>{{{{name}}}}<span class=\"h\">{SEAL_HELD}</span><small class=\"num w\">{{{{state}}}}{{{{ends}}}}</small></h2><div class=\"w\">{{{{body}}}}</div><p class=\"h hold\">{{{{:contest_held}}}}</p></div>"),
        &[
            ("name", Html::text(&contest.name)),
            ("state", page.words.text(state)),
            ("ends", ends),
            ("body", body),
        ],
    )
}

/// The end of a contest, and its last moment: midnight is the end of the day before it.
fn end(page: &Context, contest: &Contest) -> Option<(Zoned, Zoned)> {
    let end = local(contest.ends_at.as_deref()?, &page.zone)?;
    let last = end.checked_sub(1.millisecond()).ok()?;
    Some((end, last))
}

/// When a contest ends: a time of the day that is shown, or with its own day.
fn ends(page: &Context, contest: &Contest) -> String {
    let Some((end, last)) = end(page, contest) else { return NONE.to_owned() };
    let time = if end.date() == last.date() { end.strftime("%H:%M").to_string() } else { "24:00".to_owned() };
    let is_shown = Some(last.date()) == hero::business_day(page);
    if is_shown { time } else { format!("{} {time}", page.words.day(last.date())) }
}

/// From its first to its last day.
fn period(page: &Context, contest: &Contest) -> String {
    let first = contest.starts_at.as_deref().and_then(|at| local(at, &page.zone));
    let Some((first, (_, last))) = first.zip(end(page, contest)) else { return NONE.to_owned() };
    let [first, last] = [first, last].map(|at| page.words.date(at.date()));
    if first == last { first } else { format!("{first}–{last}") }
}

/// What is compared: 人均加粉, Adds per head.
fn compared(page: &Context, contest: &Contest) -> Html {
    let metric = Metric::from_name(&contest.metric).map(rank::metric_word);
    let metric = metric.map_or(contest.metric.as_str(), |word| word.text(page.words.language));
    if contest.basis == "per_head" { page.words.with(Word::PerHeadOf, &[metric]) } else { Html::text(metric) }
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
    // A contest goes on while its adds mature, and may count those of several days.
    let is_final = Some(true).filter(|_| contest.metric != Metric::QualifiedAdds.name());
    Html::fill(
        "<p class=\"names\"><span><b class=\"num\">{{one}}</b>{{one_name}}</span><small><span class=\"num\">{{period}}</span> <span>{{compared}} {{seal}}</span></small><span><b class=\"num\">{{other}}</b>{{other_name}}</span></p><svg class=\"tug\" aria-hidden=\"true\"><rect class=\"rest\" width=\"100%\" height=\"100%\"/><rect class=\"ground\" width=\"{{width}}\" height=\"100%\"/><rect class=\"fill\" width=\"{{width}}\" height=\"100%\"{{hatching}}/></svg>",
        &[
            ("one", Html::text(&shown(one))),
            ("one_name", Html::text(&one.0.name)),
            ("other", Html::text(&shown(other))),
            ("other_name", Html::text(&other.0.name)),
            ("period", Html::text(&period(page, contest))),
            ("compared", compared(page, contest)),
            ("seal", provisional(page.words, is_final)),
            ("hatching", hatching(is_final)),
            ("width", length(one.1, one.1.saturating_add(other.1))),
        ],
    )
}
