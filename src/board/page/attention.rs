//! The few things that need a person.
//!
//! Invariant: each says the value, what is usual, and since when; silence goes when the figures are stale.

use super::facts::Attention;
use super::text::{NONE, known, share};
use super::{Context, icons, provisional};
use crate::board::html::{Html, number};
use crate::board::view::{Language, Level, Page, Scope, View};
use crate::board::words::Word;

/// More than three nobody acts upon (board, section 2).
const ITEMS_MAX: usize = 3;

pub(super) fn section(page: &Context) -> Html {
    let (items, says) = match &page.facts.attention {
        None => (Vec::new(), Word::NotKnown),
        Some(items) => {
            let fair = items.iter().filter(|item| !(page.held() && item.kind == "silent"));
            (fair.take(ITEMS_MAX).map(|item| line(page, item)).collect(), Word::NothingToDo)
        }
    };
    let count = if items.is_empty() { String::new() } else { items.len().to_string() };
    let note = if items.is_empty() { page.words.text(says) } else { Html::default() };
    page.fill(
        "<section id=\"attention\" aria-labelledby=\"attention-title\"><h2 id=\"attention-title\">{{:attention}} <small class=\"num\">{{count}}</small></h2>\
         <ul class=\"todo\">{{items}}</ul><p class=\"note\">{{note}}</p></section>",
        &[("count", Html::text(&count)), ("items", Html::join(items)), ("note", note)],
    )
}

fn line(page: &Context, item: &Attention) -> Html {
    let (sign, icon) = match item.kind.as_str() {
        "silent" => ("静", "silent"),
        "pass_rate" => ("拒", "pass_rate"),
        "loss" => ("删", "loss"),
        _ => ("零", "zero"),
    };
    let sign = match page.words.language {
        Language::Zh => Html::text(sign),
        Language::En => icons::icon(icon),
    };
    let (what, detail) = words(page, item);
    let withdrawn = if item.kind == "silent" { " class=\"w\"" } else { "" };
    let seal = if item.provisional == Some(true) { provisional(page.words, None) } else { Html::default() };
    page.fill(
        "<li{{withdrawn}}><a href=\"{{to}}\"><span class=\"g\" aria-hidden=\"true\">{{sign}}</span><span><b>{{what}}</b><small class=\"num\">{{detail}} {{seal}}</small></span>{{icon:next}}</a></li>",
        &[
            ("withdrawn", Html::fill(withdrawn, &[])),
            ("to", to(page, item)),
            ("sign", sign),
            ("what", what),
            ("detail", detail),
            ("seal", seal),
        ],
    )
}

/// What is the matter, and what is usual.
fn words(page: &Context, item: &Attention) -> (Html, Html) {
    let words = page.words;
    let name = item.name.as_deref().unwrap_or_default();
    let minutes = |seconds: i64| number((seconds / 60).max(1).into());
    let at = page.time(item.since.as_deref(), "%H:%M:%S");
    let usual = item.usual.map_or_else(|| NONE.to_owned(), short);
    match item.kind.as_str() {
        "silent" => {
            let usual = item.usual.map_or_else(|| NONE.to_owned(), |seconds| short(seconds / 60.0));
            let silent = minutes(item.value.unwrap_or(0));
            (words.with(Word::SilentFor, &[name, &silent]), words.with(Word::SilentUsual, &[&usual, &at]))
        }
        "pass_rate" => {
            let rate = share(item.numerator.unwrap_or(0), item.denominator.unwrap_or(0)).unwrap_or_default();
            let usual = item.usual.map_or_else(|| NONE.to_owned(), |share| short(share * 100.0));
            let counts = [known(item.denominator), known(item.numerator)];
            (
                words.with(Word::FewPassed, &[name, &counts[0], &counts[1]]),
                words.with(Word::PassUsual, &[&rate, &usual]),
            )
        }
        "loss" => {
            let rate = share(item.numerator.unwrap_or(0), item.denominator.unwrap_or(0)).unwrap_or_default();
            let usual = item.usual.map_or_else(|| NONE.to_owned(), |share| short(share * 100.0));
            let detail = [page.time(item.since.as_deref(), "%H:%M"), known(item.denominator), rate, usual];
            let detail = detail.each_ref().map(String::as_str);
            (
                words.with(Word::LeftAfter, &[name, &known(item.value.or(item.numerator))]),
                words.with(Word::LossUsual, &detail),
            )
        }
        _ => (words.with(Word::NoAdds, &[name]), words.with(Word::UsualBy, &[&usual])),
    }
}

/// A usual value with one decimal where it is small.
fn short(value: f64) -> String {
    if value.fract().abs() < 0.05 || value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// The page of the scope that the item is about; else the channels, where silent codes are listed.
fn to(page: &Context, item: &Attention) -> Html {
    let named = item.scope.as_ref().and_then(|scope| {
        let level = Level::from_name(scope.get("level")?.as_str()?)?;
        Some(Scope { level, id: scope.get("id")?.as_str()?.to_owned() })
    });
    let view = match named {
        Some(scope) if scope != page.view.watched.scope => page.view.of(scope),
        Some(_) | None => View { page: Page::Channels, from: 0, ..page.view.clone() },
    };
    super::link(&view)
}
