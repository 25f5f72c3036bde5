//! Rows of the leaderboard, on the day's page and in the ranks.
//!
//! Invariant: the browser makes new rows from the same templates, so a row looks alike whoever made it.

use super::text::{known, length, many, progress};
use super::{Context, Values, attention, link, provisional};
use crate::board::attention::Kind;
use crate::board::html::{Html, number, tenths};
use crate::board::leaderboard::{Row, TODAY_ROWS};
use crate::board::view::{Level, Metric, Page, Scope, View};
use crate::board::words::Word;

/// The children of the scope, as links to their own pages.
pub(super) fn children(page: &Context) -> Html {
    let (rows, total) = (&page.facts.leaderboard.rows, page.facts.leaderboard.total);
    let shown = &rows[..rows.len().min(TODAY_ROWS)];
    let in_all = if total > shown.len() { page.words.with(Word::RowsInAll, &[&many(total)]) } else { Html::default() };
    let says = match (rows.is_empty(), page.is_over()) {
        (true, _) => Word::NobodyHere,
        (false, false) => Word::BarsSay,
        (false, true) => Word::BarsSayOver,
    };
    let ranks = View { page: Page::Rank, from: 0, ..page.view.clone() };
    page.fill(
        include_str!("children.html"),
        &[
            ("title", page.words.text(level_word(page.view.watched.level))),
            ("ranks", link(&ranks)),
            ("rows", Html::join(shown.iter().map(|row| linked(page, Some(row))))),
            ("template", linked(page, None)),
            ("says", Html::join([in_all, page.words.text(says)])),
        ],
    )
}

pub(super) fn level_word(level: Level) -> Word {
    match level {
        Level::Corp | Level::Region => Word::Region,
        Level::Store => Word::Store,
        Level::Staff => Word::Staff,
    }
}

/// A row that leads to the page of its scope; `None` makes the empty one for the browser.
fn linked(page: &Context, row: Option<&Row>) -> Html {
    let href = row.map(|row| href(page, row, Page::Today)).unwrap_or_default();
    let mut values = cells(page, row);
    values.push(("href", href));
    page.fill(
        concat!("<li data-id=\"{{id}}\"><a class=\"row\"{{href}}>", include_str!("cells.html"), "</a></li>"),
        &values,
    )
}

/// The link to the scope of a row; what belongs to nobody has none.
pub(super) fn href(page: &Context, row: &Row, kind: Page) -> Html {
    if row.id.is_empty() {
        return Html::default();
    }
    let scope = Scope { level: page.view.watched.level, id: row.id.clone() };
    Html::fill(" href=\"{{to}}\"", &[("to", link(&View { page: kind, ..page.view.of(scope) }))])
}

/// The values of one row's cells.
pub(super) fn cells(page: &Context, row: Option<&Row>) -> Values {
    let ranks = page.view.page == Page::Rank;
    let qualified = page.view.metric == Metric::QualifiedAdds;
    let hatching = super::hatching(page.is_final(page.view.metric));
    let Some(row) = row else {
        let seal = if ranks || qualified { provisional(page.words, page.qualified_final()) } else { Html::default() };
        let change = if ranks { Html::default() } else { change_cell((Html::default(), Html::default())) };
        return vec![
            ("tick", tick(page)),
            ("bar", Html::text("0")),
            ("hatching", hatching),
            ("seal", seal),
            ("change", change),
        ];
    };
    let value = measure(row, page.view.metric).unwrap_or(0);
    let seals = (ranks || qualified) && row.qualified_adds.is_some();
    let (move_class, moved, move_says) = if page.held() { Default::default() } else { moved(page, row) };
    vec![
        ("id", Html::text(&row.id)),
        ("rank", Html::text(&row.rank.map(|rank| rank.to_string()).unwrap_or_default())),
        ("rank_text", Html::text(&row.rank.map_or_else(|| "–".to_owned(), |rank| number(rank.into())))),
        ("move_class", move_class),
        ("move", moved),
        ("move_says", move_says),
        ("name", name(page, row)),
        ("sub", sub(page, row)),
        ("flag", flags(page, row)),
        ("value", Html::text(&known(measure(row, page.view.metric)))),
        ("done", if ranks { also_qualified(page, row) } else { done(page, row, value) }),
        ("seal", if seals { provisional(page.words, page.qualified_final()) } else { Html::default() }),
        ("change", if ranks { Html::default() } else { change_cell(changed(page, row)) }),
        ("bar", bar(row, value)),
        ("hatching", hatching),
        ("tick", tick(page)),
    ]
}

pub(super) fn name(page: &Context, row: &Row) -> Html {
    if row.id.is_empty() { page.words.text(Word::Unassigned) } else { Html::text(&row.name) }
}

pub(super) fn measure(row: &Row, metric: Metric) -> Option<i128> {
    match metric {
        Metric::Adds => Some(row.adds.into()),
        Metric::NetAdds => row.net_adds.map(i128::from),
        Metric::QualifiedAdds => row.qualified_adds.map(i128::from),
    }
}

/// Staff and what each of them added.
fn sub(page: &Context, row: &Row) -> Html {
    if page.view.watched.level == Level::Staff || row.staff_active == 0 {
        return Html::default();
    }
    let Some(value) = measure(row, page.view.metric) else { return Html::default() };
    let each = tenths(value, row.staff_active);
    page.words.with(Word::RowHeads, &[&number(row.staff_active.into()), &each])
}

/// What is the matter with a row, in words that go with what they compare.
fn flags(page: &Context, row: &Row) -> Html {
    Html::join(row.flags.iter().map(|flag| {
        let word = match flag {
            Kind::Silent | Kind::Zero => Word::FlagSilent,
            Kind::Loss => Word::FlagLoss,
            Kind::PassRate => Word::FlagPassRate,
        };
        Html::fill(
            "<span class=\"warn {{class}}\">{{comma}}{{word}}</span>",
            &[
                ("class", Html::text(attention::withdrawn(*flag))),
                ("comma", Html::text(page.words.comma())),
                ("word", page.words.text(word)),
            ],
        )
    }))
}

fn change_cell((class, change): (Html, Html)) -> Html {
    Html::fill(
        "<span class=\"w {{class}}\" data-f=\"change\">{{change}}</span>",
        &[("class", class), ("change", change)],
    )
}

fn also_qualified(page: &Context, row: &Row) -> Html {
    let qualified = row.qualified_adds.map(|qualified| number(qualified.into()));
    qualified.map(|qualified| page.words.with(Word::RowQualified, &[&qualified])).unwrap_or_default()
}

/// How much of its target a row has reached; the columns of a wall have their heads.
fn done(page: &Context, row: &Row, value: i128) -> Html {
    let Some(done) = row.target.and_then(|target| progress(value, target)) else { return Html::default() };
    if page.view.page == Page::Wall { Html::text(&done) } else { page.words.with(Word::RowDone, &[&done]) }
}

fn bar(row: &Row, value: i128) -> Html {
    row.target.map_or_else(|| Html::text("0"), |target| length(value, target))
}

/// Where a row usually stands by now, on its bar.
pub(super) fn tick(page: &Context) -> Html {
    super::target::usual(page)
        .map(|usual| {
            Html::fill(
                "<rect class=\"usual w\" x=\"{{x}}\" y=\"-3\" width=\"2\" height=\"10\"/>",
                &[("x", length(usual, 1000))],
            )
        })
        .unwrap_or_default()
}

/// What the moves of the rows mean, or why there are none; of a day that is over nobody moves any more.
pub(super) fn moves_say(page: &Context, says: Word) -> Html {
    if page.is_over() {
        return Html::default();
    }
    page.words.text(if page.view.metric == Metric::QualifiedAdds { Word::NoMoves } else { says })
}

fn moved(page: &Context, row: &Row) -> (Html, Html, Html) {
    let (Some(now), Some(before)) = (row.rank, row.rank_before) else { return Default::default() };
    let apart = before.abs_diff(now).to_string();
    match now.cmp(&before) {
        std::cmp::Ordering::Less => {
            (Html::text("up"), Html::text(&format!("▲{apart}")), page.words.with(Word::Up, &[&apart]))
        }
        std::cmp::Ordering::Greater => {
            (Html::text("down"), Html::text(&format!("▼{apart}")), page.words.with(Word::Down, &[&apart]))
        }
        std::cmp::Ordering::Equal => (Html::default(), Html::text("–"), Html::default()),
    }
}

/// Against the same minute of the day before; the baseline of a row is of its adds, another metric has none.
fn changed(page: &Context, row: &Row) -> (Html, Html) {
    match (page.view.metric, row.baseline_adds) {
        (Metric::Adds, Some(before)) if !page.held() => page.words.change(row.adds, before),
        (Metric::Adds | Metric::NetAdds | Metric::QualifiedAdds, _) => (Html::default(), Html::default()),
    }
}
