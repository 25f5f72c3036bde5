//! The ranks: one level of the scope, by one metric, in one order.
//!
//! Invariant: a row says by what it is ranked, and opens where it stands.

use super::rows::{cells, href, level_word, measure, moves_say};
use super::text::{NONE, known, many, progress};
use super::{Context, attention, hero, link, provisional};
use crate::board::access::sight::Sight;
use crate::board::html::{Html, number};
use crate::board::leaderboard::{Mine, Row};
use crate::board::view::{Filter, Level, Metric, Order, Page, View};
use crate::board::words::Word;

pub(super) fn main(page: &Context) -> Html {
    let board = &page.facts.leaderboard;
    let place = &page.facts.frame.scope;
    page.fill(
        include_str!("rank.html"),
        &[
            ("path", hero::path(page)),
            ("stores", Html::text(&many(place.stores))),
            ("adds", page.shown("adds")),
            ("levels", levels(page)),
            ("metrics", metrics(page)),
            ("metric", metric_title(page, page.view.metric)),
            ("moves", moves_say(page, Word::MovesSay)),
            ("adds_label", page.words.text(hero::adds_label(page))),
            ("rows", Html::join(board.rows.iter().map(|row| opening(page, Some(row))))),
            ("template", opening(page, None)),
            ("nobody", if board.rows.is_empty() { page.words.text(Word::NobodyHere) } else { Html::default() }),
            ("total", page.words.with(Word::RowsInAll, &[&many(board.total)])),
            ("pages", pages(page, Word::First, board.next.map(|next| (next, Word::Next)))),
        ],
    )
}

/// The links from a page that does not begin with the first, and to the `next` one.
pub(super) fn pages(page: &Context, first: Word, next: Option<(usize, Word)>) -> Html {
    let to = |(from, word): (usize, Word)| {
        let values = [("to", link(&View { from, ..page.view.clone() })), ("word", page.words.text(word))];
        Html::fill("<a class=\"btn\" href=\"{{to}}\">{{word}}</a>", &values)
    };
    let first = (page.view.from > 0).then_some((0, first));
    Html::join(first.into_iter().chain(next).map(to))
}

pub(super) fn metric_word(metric: Metric) -> Word {
    match metric {
        Metric::Adds => Word::Adds,
        Metric::NetAdds => Word::NetAdds,
        Metric::QualifiedAdds => Word::Qualified,
    }
}

/// The metric with the mark of its certainty.
fn metric_title(page: &Context, metric: Metric) -> Html {
    let word = page.words.text(metric_word(metric));
    match metric {
        Metric::Adds | Metric::NetAdds => word,
        Metric::QualifiedAdds => Html::join([word, Html::text(" "), provisional(page.words, page.qualified_final())]),
    }
}

fn levels(page: &Context) -> Html {
    Html::join(page.view.watched.scope.levels().iter().map(|level| {
        let mut to = View { from: 0, ..page.view.clone() };
        to.watched.level = *level;
        choice(&to, page.words.text(level_word(*level)), *level == page.view.watched.level)
    }))
}

fn metrics(page: &Context) -> Html {
    let view = page.view;
    // Where nobody's losses are shown, nothing is ranked by what they would tell.
    let shown = if matches!(view.viewer.sight, Sight::Around { .. } | Sight::Wall) { 1 } else { Metric::ALL.len() };
    let metrics = Metric::ALL.iter().take(shown).map(|metric| {
        let to = View { metric: *metric, from: 0, ..view.clone() };
        choice(&to, metric_title(page, *metric), *metric == view.metric)
    });
    let divider = Html::fill("<span class=\"div\"></span>", &[]);
    let orders = [(Order::Total, Word::Total), (Order::PerHead, Word::PerHead), (Order::Target, Word::OfTarget)];
    let orders = orders.map(|(order, word)| {
        choice(&View { order, from: 0, ..view.clone() }, page.words.text(word), order == view.order)
    });
    let filter = match view.filter {
        Filter::All => Filter::Zero,
        Filter::Zero => Filter::All,
    };
    let zero = View { filter, from: 0, ..view.clone() };
    let zero = choice(&zero, page.words.text(Word::WithoutAdds), view.filter == Filter::Zero);
    Html::join(metrics.chain([divider.clone()]).chain(orders).chain([divider, zero]))
}

fn choice(to: &View, word: Html, chosen: bool) -> Html {
    let current = Html::fill(if chosen { " aria-current=\"true\"" } else { "" }, &[]);
    let values = [("to", link(to)), ("current", current), ("word", word)];
    Html::fill("<a href=\"{{to}}\"{{current}}>{{word}}</a>", &values)
}

/// A row that opens in place; `None` makes the empty one for the browser.
fn opening(page: &Context, row: Option<&Row>) -> Html {
    let mut values = cells(page, row);
    let open = match row {
        Some(row) if !row.id.is_empty() => opened(page, row),
        Some(_) => Html::default(),
        None => page.fill(
            OPENED,
            &[("acts", if page.leads_inside(None) { acts(Html::default(), Html::default()) } else { Html::default() })],
        ),
    };
    values.push(("open", open));
    page.fill(
        concat!(
            "<li data-id=\"{{id}}\"><details name=\"row\"><summary class=\"row\">",
            include_str!("cells.html"),
            "</summary>{{open}}</details></li>"
        ),
        &values,
    )
}

const OPENED: &str = "<div class=\"open\"><p class=\"note num\" data-f=\"facts\">{{facts}}</p>{{reasons}}<div data-f=\"inside\"></div>{{acts}}</div>";

/// Why there is no call to the manager: the directory that the contract describes holds no telephone number, and a page
/// invents nothing. What a row offers is what is known: the page of its staff.
fn acts(href: Html, to: Html) -> Html {
    let values = [("href", href), ("to", to)];
    Html::fill("<a class=\"btn go\" data-f=\"to\"{{href}}>{{to}}</a>", &values)
}

/// What a row shows when it is opened; its hours and its best come from its own page.
fn opened(page: &Context, row: &Row) -> Html {
    let to = match page.view.watched.level {
        Level::Staff => page.words.text(Word::ThePage),
        Level::Corp | Level::Region | Level::Store => {
            page.words.with(Word::AllStaff, &[&number(row.staff_active.into())])
        }
    };
    let value = measure(row, page.view.metric);
    let done = row.target.zip(value).and_then(|(target, value)| progress(value, target));
    let reasons = page
        .facts
        .findings
        .iter()
        .filter(|finding| attention::is_of(page, finding, row))
        .map(|finding| attention::reason(page, finding));
    let facts = [known(row.net_adds), known(row.target), done.unwrap_or_else(|| NONE.to_owned())];
    page.fill(
        OPENED,
        &[
            ("facts", page.words.with(Word::RowFacts, &facts.each_ref().map(String::as_str))),
            ("reasons", Html::join(reasons)),
            (
                "acts",
                if page.leads_inside(Some(row)) { acts(href(page, row, Page::Today), to) } else { Html::default() },
            ),
        ],
    )
}

/// The viewer's own row, pinned above the tabs, with the distance to the next rank.
pub(super) fn pin(page: &Context) -> Html {
    let Some(Mine { row, rank_next, gap_next }) = &page.facts.leaderboard.mine else { return Html::default() };
    let mut values = cells(page, Some(row));
    let gap = rank_next
        .zip(*gap_next)
        .map(|(rank, gap)| page.words.with(Word::GapNext, &[&number(rank.into()), &number(gap.into())]));
    let gap = gap.unwrap_or_default();
    for (name, value) in &mut values {
        match *name {
            "sub" => *value = gap.clone(),
            "flag" => *value = Html::default(),
            _ => {}
        }
    }
    page.fill(
        concat!(
            "<aside class=\"pin\" aria-label=\"{{:mine}}\"><div class=\"row\">",
            include_str!("cells.html"),
            "</div></aside>"
        ),
        &values,
    )
}
