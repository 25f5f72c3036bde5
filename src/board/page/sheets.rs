//! What opens over a page: definitions with today's figures, days, and what can be shared.
//!
//! Invariant: every sheet says to which instant its figures are complete.

use std::cmp::Ordering;

use jiff::ToSpan;

use super::text::{known, length, percent};
use super::{Context, DATED, hero, provisional, target};
use crate::board::definitions::{Basis, DEFINITIONS, Definition};
use crate::board::html::{Html, number};
use crate::board::summary::Baseline;
use crate::board::view::Language;
use crate::board::words::Word;

/// Two weeks back: what managers compare. Older days are a link.
const DAYS: i32 = 14;

pub(super) fn all(page: &Context) -> Html {
    Html::join([definitions(page), days(page), share(page), search(page)])
}

/// A sheet with a title; the parts are HTML already.
fn sheet(page: &Context, id: &str, title: Html, body: Html) -> Html {
    page.fill(include_str!("sheet.html"), &[("id", Html::text(id)), ("title", title), ("body", body)])
}

fn definitions(page: &Context) -> Html {
    Html::join(DEFINITIONS.iter().map(|definition| {
        let seal = match definition.basis {
            Basis::Add => provisional(page.words, page.qualified_final()),
            Basis::Event => Html::default(),
        };
        let title = Html::join([page.words.text(definition.title), Html::text(" "), seal]);
        let at = page.time(page.complete_through(), DATED);
        let body = page.fill(
            include_str!("definition.html"),
            &[
                ("says", page.words.text(definition.says)),
                ("parts", if definition.key == "qualified_adds" { parts(page) } else { Html::default() }),
                ("terms", equation(page, definition)),
                ("basis", page.words.text(definition.basis.word())),
                ("when", page.words.text(definition.when)),
                ("at", Html::text(&at)),
                ("zone", Html::text(&page.facts.frame.time_zone)),
            ],
        );
        sheet(page, &format!("def-{}", definition.key), title, body)
    }))
}

/// Whether a figure of an equation follows what becomes of the adds of the day.
fn sealed(name: &str) -> bool {
    DEFINITIONS.iter().any(|definition| definition.key == name && definition.basis == Basis::Add)
}

/// Today's figures in the equation of a definition.
fn equation(page: &Context, definition: &Definition) -> Html {
    let known = definition.terms.iter().all(|(_, name, _)| page.figure(name).is_some());
    if definition.terms.is_empty() || !known {
        return Html::default();
    }
    let lines = definition.terms.iter().map(|(word, name, sign)| {
        let seal = if sealed(name) { provisional(page.words, page.qualified_final()) } else { Html::default() };
        Html::fill("<div><span>{{word}} {{seal}}</span><span class=\"num\">{{sign}}<span data-n=\"{{name}}\">{{value}}</span></span></div>", &[
            ("word", page.words.text(*word)),
            ("seal", seal),
            ("sign", Html::text(sign)),
            ("name", Html::text(name)),
            ("value", page.shown(name)),
        ])
    });
    Html::fill("<div class=\"eq\">{{lines}}</div>", &[("lines", Html::join(lines))])
}

/// What became of today's adds, to scale.
fn parts(page: &Context) -> Html {
    let (Some(qualified), Some(old)) = (page.figure("qualified_adds"), page.figure("not_new_adds")) else {
        return Html::default();
    };
    let adds = page.adds();
    page.fill("<svg class=\"compo\" aria-hidden=\"true\"><rect class=\"left\" width=\"100%\" height=\"14\"/><rect class=\"old\" width=\"{{both}}\" height=\"14\"/><rect class=\"ground\" width=\"{{one}}\" height=\"14\"/><rect width=\"{{one}}\" height=\"14\" fill=\"url(#hatch)\"/></svg>", &[
        ("both", length(qualified + old, adds)),
        ("one", length(qualified, adds)),
    ])
}

fn days(page: &Context) -> Html {
    let Some(shown) = hero::business_day(page) else { return Html::default() };
    // Today is only known where the page shows it; from a past day the first link leads there.
    let newest = page.view.watched.day.map_or(shown, |day| day.checked_add(7.days()).unwrap_or(day));
    let complete = page.complete_through().and_then(|at| super::text::local(at, &page.zone)).map(|at| at.date());
    let newest = complete.map_or(newest, |complete| newest.min(complete.max(shown)));
    let items = (0..DAYS).filter_map(|back| newest.checked_sub(back.days()).ok()).map(|day| {
        let is_today = complete == Some(day);
        let current = if day == shown { " aria-current=\"date\"" } else { "" };
        Html::fill(
            "<li><a class=\"plain\" href=\"{{to}}\"{{current}}><span>{{day}}</span><small>{{today}}</small></a></li>",
            &[
                ("to", hero::on(page, if is_today { None } else { Some(day) })),
                ("current", Html::fill(current, &[])),
                ("day", Html::text(&page.words.day(day))),
                ("today", if is_today { page.words.text(Word::TodayShort) } else { Html::default() }),
            ],
        )
    });
    let step = |days: i32, id: &str, word: Word| {
        let to = shown.checked_add(days.days()).ok().filter(|to| complete.is_none_or(|complete| *to <= complete));
        to.map(|to| {
            let to = if complete == Some(to) { None } else { Some(to) };
            Html::fill(
                "<a class=\"btn\" id=\"{{id}}\" href=\"{{to}}\">{{word}}</a>",
                &[("id", Html::text(id)), ("to", hero::on(page, to)), ("word", page.words.text(word))],
            )
        })
    };
    let steps = [step(-1, "day-before", Word::DayEarlier), step(1, "day-after", Word::DayLater)];
    let body = Html::fill(
        "<p class=\"acts\">{{steps}}</p><ol class=\"days\">{{items}}</ol>",
        &[("steps", Html::join(steps.into_iter().flatten())), ("items", Html::join(items))],
    );
    sheet(page, "days", page.words.text(Word::ChooseDay), body)
}

fn search(page: &Context) -> Html {
    let body = page.fill(include_str!("search.html"), &[]);
    sheet(page, "search", page.words.text(Word::Search), body)
}

fn share(page: &Context) -> Html {
    let body = page.fill(
        include_str!("share.html"),
        &[("report", Html::text(&report(page))), ("query", Html::text(&page.view.query()))],
    );
    sheet(page, "share", page.words.text(Word::Share), body)
}

/// The report as text: each figure with its certainty, and the line that says how far it is complete.
fn report(page: &Context) -> String {
    let words = page.words;
    let language = words.language;
    let day = hero::business_day(page).map(|day| words.day(day)).unwrap_or_default();
    let count = |name: &str| known(page.figure(name));
    let mut lines = vec![
        Word::ReportTitle.with(language, &[&super::shell::name(page), &day]),
        Word::ReportComplete.with(language, &[&page.complete()]),
    ];
    let label = hero::adds_label(page).text(language);
    let at_least = if page.held() { Word::AtLeast.text(language) } else { "" };
    lines.push(format!("{label}{at_least} {}", count("adds")));
    if !page.held() {
        lines.extend(page.baselines().iter().enumerate().map(|(position, base)| difference(page, position, base)));
    }
    lines.push(format!("{} {}", Word::NetAdds.text(language), count("net_adds")));
    if page.figure("qualified_adds").is_some() {
        let certain = if page.qualified_final() == Some(true) { Word::FinalWord } else { Word::ProvisionalWord };
        lines.push(format!("{} {}{}", Word::Qualified.text(language), count("qualified_adds"), certain.text(language)));
    }
    lines.extend(target::line(page));
    let best = page.facts.leaderboard.rows.iter().filter(|row| !row.id.is_empty()).take(3);
    let best: Vec<_> = best.map(|row| format!("{} {}", row.name, number(row.adds.into()))).collect();
    lines.push(best.join(words.comma()));
    lines.join("\n")
}

/// How many more or fewer than at the same moment of a day before.
fn difference(page: &Context, position: usize, base: &Baseline) -> String {
    let (words, moment) = (page.words, hero::base_moment(page, position, base));
    let (now, before) = (i128::from(page.adds()), i128::from(base.figures.adds()));
    let apart = number((now - before).abs());
    // English begins with the number.
    let values = match words.language {
        Language::Zh => [moment.as_str(), &apart],
        Language::En => [&apart, moment.as_str()],
    };
    let word = match now.cmp(&before) {
        Ordering::Equal => return Word::SameAs.with(words.language, &[&moment]),
        Ordering::Greater => Word::MoreThan,
        Ordering::Less => Word::FewerThan,
    };
    let percent = percent(now, before);
    let percent = if percent.is_empty() { percent } else { words.either("（{}）", " ({})").replace("{}", &percent) };
    format!("{}{percent}", word.with(words.language, &values))
}
