//! The few things that need a person.
//!
//! Invariant: each says the value, what is usual, and since when; what is unfair goes when the figures are stale.

use super::text::{NONE, known, rate};
use super::{Context, icons, provisional};
use crate::board::attention::{Finding, Kind, NotJudged};
use crate::board::html::{Html, number};
use crate::board::leaderboard::Row;
use crate::board::view::{Language, Level, Page, Scope, View};
use crate::board::words::Word;

pub(super) fn section(page: &Context) -> Html {
    let (items, says) = match &page.facts.attention {
        None => (Vec::new(), Word::NotKnown),
        Some(items) => {
            let lines: Vec<_> = items.iter().map(|item| line(page, item)).collect();
            (lines, if page.held() { Word::HeldToDo } else { Word::NothingToDo })
        }
    };
    let count = if items.is_empty() { String::new() } else { items.len().to_string() };
    let note = if items.is_empty() { page.words.text(says) } else { Html::default() };
    let not_judged = Html::join(page.facts.not_judged.iter().map(|kind| not_judged(page, kind)));
    page.fill(
        "<section id=\"attention\" aria-labelledby=\"attention-title\"><h2 id=\"attention-title\">{{:attention}} <small class=\"num\">{{count}}</small></h2>\
         <ul class=\"todo\">{{items}}</ul><p class=\"note\">{{note}}</p>{{not_judged}}</section>",
        &[("count", Html::text(&count)), ("items", Html::join(items)), ("note", note), ("not_judged", not_judged)],
    )
}

/// Why nothing is told of a kind.
fn not_judged(page: &Context, kind: &NotJudged) -> Html {
    let word = match kind.kind {
        Kind::PassRate => Word::NotJudgedPassRate,
        Kind::Loss => Word::NotJudgedLoss,
        Kind::Zero => Word::NotJudgedZero,
        // A code without a usual gap is not active, so there is nothing to judge.
        Kind::Silent => return Html::default(),
    };
    let says = page.words.with(word, &[&number(kind.known.into()), &number(kind.needed.into())]);
    Html::fill("<p class=\"note w\">{{says}}</p>", &[("says", says)])
}

fn line(page: &Context, item: &Finding) -> Html {
    let (what, detail) = words(page, item);
    page.fill(
        "<li class=\"{{class}}\"><a href=\"{{to}}\"><span class=\"g\" aria-hidden=\"true\">{{sign}}</span><span><b>{{what}}</b><small class=\"num\">{{detail}} {{seal}}</small></span>{{icon:next}}</a></li>",
        &[
            ("class", Html::text(withdrawn(item.kind))),
            ("to", to(page, item)),
            ("sign", sign(page, item)),
            ("what", what),
            ("detail", detail),
            ("seal", if item.provisional { provisional(page.words, None) } else { Html::default() }),
        ],
    )
}

/// Whether it is of a row, and the viewer may know.
pub(super) fn is_of(page: &Context, item: &Finding, row: &Row) -> bool {
    let level = page.view.watched.level.name();
    let scope = item.scope.as_ref();
    row.flags.contains(&item.kind) && scope.is_some_and(|place| place.level == level && place.id == row.id)
}

/// The reason of a flag, in the row that was opened: as one text, for fifty rows may be flagged.
pub(super) fn reason(page: &Context, item: &Finding) -> Html {
    let (what, detail) = words(page, item);
    Html::fill(
        "<p class=\"why num {{class}}\">{{what}}{{comma}}{{detail}} {{seal}}</p>",
        &[
            ("class", Html::text(withdrawn(item.kind))),
            ("what", what),
            ("comma", Html::text(page.words.comma())),
            ("detail", detail),
            ("seal", if item.provisional { provisional(page.words, None) } else { Html::default() }),
        ],
    )
}

/// What is the matter, in a line of a wall.
pub(super) fn line_of_wall(page: &Context, item: &Finding) -> Html {
    let values =
        [("class", Html::text(withdrawn(item.kind))), ("sign", sign(page, item)), ("what", words(page, item).0)];
    Html::fill(
        "<p class=\"why {{class}}\"><span class=\"g\" aria-hidden=\"true\">{{sign}}</span><span>{{what}}</span></p>",
        &values,
    )
}

/// Losses are counted from their broadcast on, and stand while the rest is withdrawn.
pub(super) fn withdrawn(kind: Kind) -> &'static str {
    if kind == Kind::Loss { "" } else { "w" }
}

fn sign(page: &Context, item: &Finding) -> Html {
    let (sign, icon) = match item.kind {
        Kind::Silent => ("静", "silent"),
        Kind::PassRate => ("拒", "pass_rate"),
        Kind::Loss => ("删", "loss"),
        Kind::Zero => ("零", "zero"),
    };
    match page.words.language {
        Language::Zh => Html::text(sign),
        Language::En => icons::icon(icon),
    }
}

/// What is the matter, and what is usual.
fn words(page: &Context, item: &Finding) -> (Html, Html) {
    let words = page.words;
    let name = item.name.as_str();
    let time = |pattern: &str| page.time(item.since.as_deref(), pattern);
    let counts = [known(item.numerator), known(item.denominator)];
    let told = |part: Option<u64>, whole: Option<u64>| {
        part.zip(whole).map_or_else(|| NONE.to_owned(), |(part, whole)| rate(part, whole))
    };
    let now = told(item.numerator, item.denominator);
    let usual = told(item.usual_numerator, item.usual_denominator);
    match item.kind {
        Kind::Silent => {
            let usual = item.usual.map_or_else(|| NONE.to_owned(), |seconds| words.span(seconds));
            let says = [usual.as_str(), &time("%H:%M:%S")];
            (words.with(Word::SilentFor, &[name, &words.span(item.value)]), words.with(Word::SilentUsual, &says))
        }
        Kind::PassRate => {
            (words.with(Word::FewPassed, &[name, &counts[1], &counts[0]]), words.with(Word::PassUsual, &[&now, &usual]))
        }
        Kind::Loss => (
            words.with(Word::LeftAfter, &[name, &number(item.value.into())]),
            words.with(Word::LossUsual, &[&time("%H:%M"), &counts[1], &now, &usual]),
        ),
        Kind::Zero => (words.with(Word::NoAdds, &[name]), words.with(Word::UsualBy, &[&known(item.usual)])),
    }
}

/// The page of the scope that the item is about; else the channels, where silent codes are listed.
fn to(page: &Context, item: &Finding) -> Html {
    let named = item
        .scope
        .as_ref()
        .and_then(|place| Some(Scope { level: Level::from_name(place.level)?, id: place.id.clone() }));
    let view = match named {
        Some(scope) if scope != page.view.watched.scope && item.kind != Kind::Silent => page.view.of(scope),
        Some(_) | None => View { page: Page::Channels, from: 0, ..page.view.clone() },
    };
    super::link(&view)
}
