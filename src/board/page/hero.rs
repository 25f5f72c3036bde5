//! The first figure of a page: adds, what they are compared with, and what became of them.
//!
//! Invariant: the shown base and the shown difference give the shown adds.

use jiff::ToSpan;
use jiff::civil::Date;

use super::text::{local, percent, share};
use super::{Context, link, provisional};
use crate::board::html::{Html, number};
use crate::board::summary::Baseline;
use crate::board::trend::Trend;
use crate::board::view::{Level, Scope, View};
use crate::board::words::Word;

pub(super) fn section(page: &Context) -> Html {
    let opened_says = page.figure("opened").map_or_else(
        || page.words.text(Word::NotKnown),
        |opened| {
            let share = share(opened, page.adds());
            share.map(|share| page.words.with(Word::ShareOfAdds, &[&share])).unwrap_or_default()
        },
    );
    let qualified_says = match (page.figure("qualified_adds"), page.qualified_final()) {
        (None, _) => Word::NotKnown,
        (Some(_), Some(true)) => Word::Final,
        (Some(_), Some(false) | None) => Word::FinalAfterDay,
    };
    page.fill(
        include_str!("hero.html"),
        &[
            ("path", path(page)),
            ("adds_label", page.words.text(adds_label(page))),
            ("day_before", day_before(page)),
            ("day", day(page)),
            ("adds", page.shown("adds")),
            ("spark", page.facts.trend.as_ref().map(spark).unwrap_or_default()),
            ("baselines", compared(page)),
            ("net_adds", page.shown("net_adds")),
            ("losses", page.shown("losses")),
            ("qualified", page.shown("qualified_adds")),
            ("qualified_says", page.words.text(qualified_says)),
            ("seal", provisional(page.words, page.qualified_final())),
            ("opened", page.shown("opened")),
            ("opened_says", opened_says),
        ],
    )
}

/// Today's adds or those of a past day.
pub(super) fn adds_label(page: &Context) -> Word {
    if page.is_today() { Word::Today } else { Word::OnDay }
}

/// The day as people say it.
pub(super) fn day(page: &Context) -> Html {
    Html::text(&business_day(page).map(|day| page.words.day(day)).unwrap_or_default())
}

/// The link to the day before, where the sheet with the days is not.
pub(super) fn day_before(page: &Context) -> Html {
    on(page, business_day(page).and_then(|day| day.checked_sub(1.day()).ok()))
}

/// This page on another day; `None` is today.
pub(super) fn on(page: &Context, day: Option<Date>) -> Html {
    let mut view = View { from: 0, ..page.view.clone() };
    view.watched.day = day;
    link(&view)
}

pub(super) fn business_day(page: &Context) -> Option<Date> {
    page.facts.frame.business_date.parse().ok()
}

const STEP: &str = "<span>{{name}}</span><span aria-hidden=\"true\">›</span>";
const STEP_LINKED: &str = "<a href=\"{{to}}\">{{name}}</a><span aria-hidden=\"true\">›</span>";

/// The steps that lead back up from the scope; nothing for the whole corp.
pub(super) fn path(page: &Context) -> Html {
    let place = &page.facts.frame.scope;
    if place.path.len() < 2 {
        return Html::default();
    }
    let above = place.path.iter().take(place.path.len() - 1);
    let steps = above.map(|step| {
        let corp = step.level == Level::Corp.name();
        let name = if corp { page.words.text(Word::WholeCorp) } else { Html::text(&step.name) };
        // Whoever sees ranks alone is let into nothing above them.
        let template = if page.view.viewer.sight.shows_figures() { STEP_LINKED } else { STEP };
        Html::fill(template, &[("to", to(page, step.level, &step.id)), ("name", name)])
    });
    page.fill(
        "<nav class=\"crumb\" aria-label=\"{{:path}}\">{{steps}}<b>{{here}}</b></nav>",
        &[("steps", Html::join(steps)), ("here", Html::text(&place.name))],
    )
}

/// This page for another scope.
fn to(page: &Context, level: &str, id: &str) -> Html {
    let scope = Scope { level: Level::from_name(level).unwrap_or(Level::Corp), id: id.to_owned() };
    link(&page.view.of(scope))
}

/// The day against the same moment of days before.
pub(super) fn compared(page: &Context) -> Html {
    let counted = page.baselines().iter().enumerate().map(|(position, base)| line(page, position, base));
    let uncounted = page.facts.summary.iter().flat_map(|summary| &summary.uncounted).enumerate();
    Html::join(counted.chain(uncounted.map(|(after, day)| line_uncounted(page, page.baselines().len() + after, day))))
}

/// The line of a day of which not all was counted.
fn line_uncounted(page: &Context, position: usize, business_date: &str) -> Html {
    page.fill(
        "<tr><th scope=\"row\">{{day}}</th><td class=\"num base\">—</td><td class=\"note\" colspan=\"2\">{{:uncounted}}</td></tr>",
        &[("day", base_day(page, position, business_date))],
    )
}

/// One line of comparison: the moment, the base, how many more or fewer, and the percentage where the base carries one.
fn line(page: &Context, position: usize, base: &Baseline) -> Html {
    let label = base_label(page, position, base);
    let (now, before) = (page.adds(), base.figures.adds());
    let (class, change) = page.words.change(now, before);
    let held = page.held();
    page.fill(
        "<tr data-base=\"{{n}}\"><th scope=\"row\" data-b=\"label\">{{label}}</th><td class=\"num base\" data-b=\"base\">{{base}}</td>\
         <td class=\"num d\"><span class=\"w {{class}}\" data-b=\"change\">{{change}}</span><span class=\"h hold\">{{:held}}</span></td>\
         <td class=\"num p w\" data-b=\"percent\">{{percent}}</td></tr>",
        &[
            ("n", Html::text(&position.to_string())),
            ("label", Html::text(&label)),
            ("base", Html::text(&number(before.into()))),
            ("class", class),
            ("change", if held { Html::default() } else { change }),
            ("percent", if held { Html::default() } else { Html::text(&percent(now, before)) }),
        ],
    )
}

/// Yesterday 14:32, last Sunday 14:32; the end of a day is 24:00 of it and not 00:00 of the next.
pub(super) fn base_label(page: &Context, position: usize, base: &Baseline) -> String {
    format!("{} {}", base_day(page, position, &base.business_date), base_time(page, base))
}

/// The same within a sentence.
pub(super) fn base_moment(page: &Context, position: usize, base: &Baseline) -> String {
    let (language, time) = (page.words.language, base_time(page, base));
    match position {
        0 if page.is_today() => Word::YesterdayAt.with(language, &[&time]),
        0 => Word::DayBeforeAt.with(language, &[&time]),
        _ => Word::LastWeekdayAt.with(language, &[&weekday(page, &base.business_date), &time]),
    }
}

fn base_time(page: &Context, base: &Baseline) -> String {
    let time = base.until.as_deref().and_then(|until| local(until, &page.zone));
    let whole = time.as_ref().is_some_and(|at| at.date().to_string() != base.business_date);
    let time = time.map(|at| if whole { "24:00".to_owned() } else { at.strftime("%H:%M").to_string() });
    time.unwrap_or_default()
}

/// Yesterday, last Sunday.
pub(super) fn base_day(page: &Context, position: usize, business_date: &str) -> Html {
    if position == 0 {
        return page.words.text(page.day_words().1);
    }
    page.words.with(Word::LastWeekday, &[&weekday(page, business_date)])
}

fn weekday(page: &Context, business_date: &str) -> String {
    business_date.parse().map(|day| page.words.weekday(day)).unwrap_or_default()
}

/// What the day before is called within a line.
pub(super) fn day_before_word(page: &Context) -> String {
    page.day_words().1.text(page.words.language).to_lowercase()
}

/// Width and height of the running total beside the figure.
const SPARK: (u64, u64) = (132, 56);

/// The running total of the day against that of the day before.
fn spark(trend: &Trend) -> Html {
    let running = |counts: &[Option<u64>], steps: usize| {
        let mut total = 0;
        counts
            .iter()
            .take(steps)
            .map(|count| {
                total += count.unwrap_or(0);
                total
            })
            .collect::<Vec<u64>>()
    };
    let steps = trend.adds.len().max(trend.baseline_adds.len());
    let now = running(&trend.adds, trend.complete_steps + 1);
    let before = running(&trend.baseline_adds, steps);
    let largest = now.last().copied().unwrap_or(0).max(before.last().copied().unwrap_or(0));
    if largest == 0 || steps == 0 {
        return Html::default();
    }
    let (width, height) = SPARK;
    let point = |(step, total): (usize, &u64)| {
        let x = u64::try_from(step + 1).unwrap_or(0) * width * 10 / u64::try_from(steps).unwrap_or(1);
        let y = height * 10 - (height - 4) * 10 * total / largest;
        (x, y)
    };
    let line =
        |totals: &[u64]| {
            totals.iter().enumerate().map(point).fold(format!("M0 {height}"), |path, (x, y)| {
                format!("{path}L{}.{} {}.{}", x / 10, x % 10, y / 10, y % 10)
            })
        };
    let (x, y) = now.iter().enumerate().map(point).next_back().unwrap_or((0, height * 10));
    Html::fill(
        "<svg class=\"spark\" width=\"132\" height=\"60\" viewBox=\"0 -2 136 60\" aria-hidden=\"true\">\
         <path class=\"under\" d=\"{{now}}L{{x}} {{height}}Z\"/><path class=\"before w\" d=\"{{before}}\"/>\
         <path class=\"now\" d=\"{{now}}\"/><circle cx=\"{{x}}\" cy=\"{{y}}\" r=\"3.2\"/></svg>",
        &[
            ("now", Html::text(&line(&now))),
            ("before", Html::text(&line(&before))),
            ("height", Html::text(&height.to_string())),
            ("x", Html::text(&format!("{}.{}", x / 10, x % 10))),
            ("y", Html::text(&format!("{}.{}", y / 10, y % 10))),
        ],
    )
}
