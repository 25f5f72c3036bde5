//! The lists of the page: the leaderboard and the channels.
//!
//! Invariant: the browser makes new rows from the same templates, so a row looks alike whoever made it.

use crate::board::assets::template;
use crate::board::channels::{self, Channels};
use crate::board::html::{Html, number, tenths};
use crate::board::leaderboard::{Leaderboard, Row};
use crate::board::view::{Language, Level, Metric, Order, Scope, View};
use crate::board::words::Word;

use super::{Values, Words, link};

/// The leaderboard with its links.
pub(super) fn board(words: Words, view: &View, board: &Leaderboard) -> Values {
    let largest = board.rows.iter().map(|row| measure(row, view.metric)).max().unwrap_or(0);
    let rows = board.rows.iter().map(|row| {
        let values = row_values(words, view, row, largest);
        Html::fill(template("row.html").trim_end(), &values)
    });
    let page = |from: usize, word: Word| {
        let values = [("to", link(&View { from, ..view.clone() })), ("word", words.text(word))];
        Html::fill("<a class=\"button\" href=\"{{to}}#ranks\">{{word}}</a>", &values)
    };
    let first = if view.from > 0 { page(0, Word::First) } else { Html::default() };
    let next = board.next.map(|next| page(next, Word::Next)).unwrap_or_default();
    let hidden = if board.rows.is_empty() { Html::default() } else { Html::text(" hidden") };
    let mut values = vec![
        ("rows", Html::join(rows)),
        ("nobody_hidden", hidden),
        ("pages", Html::join([first, next])),
        ("level_links", level_links(words, view)),
        ("order_links", order_links(words, view)),
        ("moves_say", if board.held { Html::default() } else { words.text(Word::MovesSay) }),
    ];
    values.extend(templates());
    values
}

/// Empty rows for the browser to fill.
pub(super) fn templates() -> Values {
    let empty = |name: &str| Html::fill(template(name).trim_end(), &[("bar", Html::text("0"))]);
    vec![("row_template", empty("row.html")), ("channel_template", empty("channel.html"))]
}

/// The channels by adds.
pub(super) fn channels(words: Words, channels: &Channels) -> Values {
    let largest = channels.rows.iter().map(|row| row.adds).max().unwrap_or(0);
    let rows = channels.rows.iter().map(|row: &channels::Row| {
        let name = match words.language {
            Language::Zh => &row.zh,
            Language::En => &row.en,
        };
        let (class, change) = changed(words, row.adds.into(), row.baseline_adds);
        Html::fill(
            template("channel.html").trim_end(),
            &[
                ("channel", Html::text(&row.channel)),
                ("name", Html::text(name)),
                ("bar", share(row.adds.into(), largest.into())),
                ("value", Html::text(&number(row.adds.into()))),
                ("change_class", class),
                ("change", change),
            ],
        )
    });
    vec![("channels", Html::join(rows))]
}

fn row_values(words: Words, view: &View, row: &Row, largest: i128) -> Values {
    let (move_class, moved) = moved(row);
    let (change_class, change) = match view.metric {
        Metric::Adds => changed(words, row.adds.into(), row.baseline_adds),
        // The baseline of a row is of its adds; another metric has none yet.
        Metric::NetAdds => (Html::default(), Html::default()),
    };
    let value = measure(row, view.metric);
    vec![
        ("id", Html::text(&row.id)),
        ("rank", Html::text(&row.rank.map(|rank| rank.to_string()).unwrap_or_default())),
        ("rank_text", Html::text(&row.rank.map_or_else(|| "–".to_owned(), |rank| number(rank.into())))),
        ("move_class", move_class),
        ("move", moved),
        ("name", if row.id.is_empty() { words.text(Word::Unassigned) } else { Html::text(&row.name) }),
        ("href", href(view, row)),
        ("sub", sub(words, view, row)),
        ("value", Html::text(&number(value))),
        ("change_class", change_class),
        ("change", change),
        ("bar", share(value, largest)),
    ]
}

/// The link to the child of a row; a member of staff has no children.
fn href(view: &View, row: &Row) -> Html {
    let level = view.watched.level;
    if row.id.is_empty() || level == Level::Staff {
        return Html::default();
    }
    let scope = Scope { level, id: row.id.clone() };
    let mut view = View { from: 0, ..view.clone() };
    view.watched.level = scope.levels()[0];
    view.watched.scope = scope;
    Html::fill(" href=\"{{to}}\"", &[("to", link(&view))])
}

/// Staff and adds per head, then the target.
fn sub(words: Words, view: &View, row: &Row) -> Html {
    let value = measure(row, view.metric);
    let mut parts = Vec::new();
    if view.watched.level != Level::Staff && row.staff_active > 0 {
        let heads = number(row.staff_active.into());
        parts.push(Word::RowHeads.with(words.language, &[&heads, &tenths(value, row.staff_active)]));
    }
    if let Some(target) = row.target {
        let done = tenths(value * 100, target);
        parts.push(format!("{} {done}%", Word::RowTarget.with(words.language, &[&number(target.into())])));
    }
    let comma = match words.language {
        Language::Zh => "，",
        Language::En => ", ",
    };
    Html::text(&parts.join(comma))
}

fn measure(row: &Row, metric: Metric) -> i128 {
    match metric {
        Metric::Adds => row.adds.into(),
        Metric::NetAdds => row.net_adds.unwrap_or(0).into(),
    }
}

fn moved(row: &Row) -> (Html, Html) {
    match (row.rank, row.rank_before) {
        (Some(now), Some(before)) if now < before => (Html::text("up"), Html::text(&format!("▲{}", before - now))),
        (Some(now), Some(before)) if now > before => (Html::text("down"), Html::text(&format!("▼{}", now - before))),
        (Some(_), Some(_)) => (Html::default(), Html::text("–")),
        (None, _) | (_, None) => (Html::default(), Html::default()),
    }
}

fn changed(words: Words, now: i128, before: Option<u64>) -> (Html, Html) {
    before.map(|before| words.change(now, before.into())).unwrap_or_default()
}

/// The length of a bar, in whole percent of the largest.
fn share(value: i128, largest: i128) -> Html {
    Html::text(&(value.max(0) * 100).checked_div(largest.max(0)).unwrap_or(0).to_string())
}

fn level_links(words: Words, view: &View) -> Html {
    Html::join(view.watched.scope.levels().iter().map(|level| {
        let word = match level {
            Level::Corp | Level::Region => Word::Region,
            Level::Store => Word::Store,
            Level::Staff => Word::Staff,
        };
        let mut to = View { from: 0, ..view.clone() };
        to.watched.level = *level;
        choice(&to, words.text(word), *level == view.watched.level)
    }))
}

fn order_links(words: Words, view: &View) -> Html {
    let metrics = [(Metric::Adds, Word::Adds), (Metric::NetAdds, Word::NetAdds)].map(|(metric, word)| {
        choice(&View { metric, from: 0, ..view.clone() }, words.text(word), metric == view.metric)
    });
    let orders = [(Order::Total, Word::Total), (Order::PerHead, Word::PerHead), (Order::Target, Word::OfTarget)]
        .map(|(order, word)| choice(&View { order, from: 0, ..view.clone() }, words.text(word), order == view.order));
    let divider = Html::fill("<span class=\"divider\"></span>", &[]);
    Html::join(metrics.into_iter().chain([divider]).chain(orders))
}

fn choice(to: &View, word: Html, chosen: bool) -> Html {
    let current = Html::fill(if chosen { " aria-current=\"true\"" } else { "" }, &[]);
    let values = [("to", link(to)), ("current", current), ("word", word)];
    Html::fill("<a href=\"{{to}}#ranks\"{{current}}>{{word}}</a>", &values)
}
