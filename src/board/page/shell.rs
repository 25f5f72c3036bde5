//! What every page has: the head with its freshness, the tabs, the foot, the sheets.
//!
//! Invariant: how far the figures are complete stands in one fixed place of every page.

use super::text::{NONE, Words, many};
use super::{Context, DATED, Values, icons, link, sheets, today};
use crate::board::html::Html;
use crate::board::snapshot::State;
use crate::board::view::{Level, Page, Theme, View};
use crate::board::words::Word;

/// The document around a body.
pub(super) fn document(page: &Context, body: Html) -> Html {
    let freshness = &page.facts.frame.freshness;
    let mut values = frame(page.words, page.view);
    values.extend([
        ("state", Html::text(freshness.state.name())),
        ("name", Html::text(&name(page))),
        ("day", Html::text(&page.facts.frame.business_date)),
        ("zone", Html::text(&page.facts.frame.time_zone)),
        ("complete", Html::text(freshness.complete_through.as_deref().unwrap_or_default())),
        ("lag", Html::text(&freshness.lag_seconds.map(|lag| lag.to_string()).unwrap_or_default())),
        ("revision", Html::text(&page.facts.frame.revision.to_string())),
        ("body", body),
        ("status", page.words.text(status(page))),
        ("sheets", if page.view.page == Page::Wall { Html::default() } else { sheets::all(page) }),
    ]);
    page.fill(include_str!("shell.html"), &values)
}

/// What depends on the view alone.
fn frame(words: Words, view: &View) -> Values {
    let theme = match (view.theme, view.page) {
        (None, Page::Wall) => Theme::Dark,
        (None, _) => Theme::System,
        (Some(theme), _) => theme,
    };
    let dark = match theme {
        Theme::Light => "",
        Theme::Dark => "<link rel=\"stylesheet\" href=\"assets/dark.css\">",
        Theme::System => "<link rel=\"stylesheet\" href=\"assets/dark.css\" media=\"(prefers-color-scheme: dark)\">",
    };
    // Nobody touches a wall, and nothing turns on a phone: neither loads what only the other needs.
    let (sheet, script) = if view.page == Page::Wall { ("wall", "wall") } else { ("phone", "sheets") };
    let sheet = format!("<link rel=\"stylesheet\" href=\"assets/{sheet}.css\">");
    let script = format!("<script type=\"module\" src=\"assets/{script}.js\"></script>");
    vec![
        ("html_lang", Html::text(words.language.code())),
        ("page", Html::text(view.page.name())),
        ("styles", Html::join([sheet.as_str(), dark].map(|link| Html::fill(link, &[])))),
        ("script", Html::fill(&script, &[])),
        ("words", Html::text(&Word::json(words.language))),
        ("query", Html::text(&followed(view))),
        ("metric", Html::text(view.metric.name())),
        ("level", Html::text(view.watched.level.name())),
        ("definitions", icons::definitions()),
    ]
}

/// What the stream of a page is asked for: there the path does not say which page it is.
fn followed(view: &View) -> String {
    match view.page {
        Page::Me | Page::Wall => format!("{}&view={}", view.query(), view.page.name()),
        Page::Today | Page::Rank | Page::Channels => view.query(),
    }
}

/// The page of a phone around its main part; `pin` stands above the tabs.
pub(super) fn phone(page: &Context, main: Html, pin: Html) -> Html {
    let place = &page.facts.frame.scope;
    let size = match Level::from_name(place.level) {
        Some(Level::Staff) => {
            let above = place.path.iter().rev().nth(1).map(|step| step.name.clone());
            Html::text(&above.unwrap_or_default())
        }
        Some(Level::Store) => page.words.with(Word::SizeStaff, &[&many(place.staff)]),
        Some(Level::Corp | Level::Region) | None => {
            page.words.with(Word::Size, &[&many(place.stores), &many(place.staff)])
        }
    };
    let foot = [
        page.facts.frame.time_zone.clone(),
        page.time(page.complete_through(), DATED),
        // An id to quote, not an amount: without separators.
        page.facts.frame.revision.to_string(),
    ];
    page.fill(
        include_str!("phone.html"),
        &[
            ("name", Html::text(&name(page))),
            ("size", size),
            ("query", Html::text(&home(page.view).query())),
            ("wall", wall(page)),
            ("fresh", fresh(page)),
            ("main", main),
            ("foot", page.words.with(Word::Foot, &foot.each_ref().map(String::as_str))),
            ("language_link", link(&View { language: page.words.other(), ..page.view.clone() })),
            ("language_code", Html::text(page.words.other().code())),
            ("themes", themes(page.words, page.view)),
            ("pin", pin),
            ("open", open(page)),
            ("tabs", tabs(page.words, page.view)),
        ],
    )
}

/// What a board says that asks nobody for a link.
pub(super) fn open(page: &Context) -> Html {
    if page.view.viewer.open { page.fill("<p id=\"open\">{{:open_to_all}}</p>", &[]) } else { Html::default() }
}

/// The way to the wall of a scope; of one person there is none.
fn wall(page: &Context) -> Html {
    let to = home(page.view);
    if to.watched.scope.level == Level::Staff {
        return Html::default();
    }
    page.fill("<a href=\"wall?{{query}}\">{{:wall}}</a>", &[("query", Html::text(&to.query()))])
}

/// The name of the scope exactly as given.
pub(super) fn name(page: &Context) -> String {
    let place = &page.facts.frame.scope;
    if place.name.is_empty() { page.facts.frame.corp_id.clone() } else { place.name.clone() }
}

/// The line is a button where its definition can be opened.
const FRESH_OPENS: &str = "button type=\"button\" data-def=\"complete_through\"";

/// The line that says how far the figures are complete.
pub(super) fn fresh(page: &Context) -> Html {
    let words = page.words;
    let lag = page.facts.frame.freshness.lag_seconds;
    let held = page.held();
    let seconds = lag.unwrap_or(0);
    let age = if held {
        words.with(Word::MinutesBehind, &[&(seconds / 60).to_string(), &(seconds % 60).to_string()])
    } else {
        words.with(Word::SecondsBehind, &[&seconds.to_string()])
    };
    let tag = if page.view.page == Page::Wall { "div" } else { FRESH_OPENS };
    let said = if held { words.text(Word::StaleWords) } else { Html::default() };
    page.fill(
        include_str!("fresh.html"),
        &[
            ("tag", Html::fill(tag, &[])),
            ("end", Html::fill(tag.split(' ').next().unwrap_or_default(), &[])),
            ("label", words.text(if held { Word::CompleteOnly } else { Word::CompleteThrough })),
            ("complete", Html::text(&page.complete())),
            ("age", if lag.is_some() { age } else { Html::default() }),
            ("words", said),
        ],
    )
}

/// What is spoken of the state.
fn status(page: &Context) -> Word {
    match (page.facts.frame.freshness.state, page.complete_through()) {
        (State::Stale, _) => Word::StaleWords,
        (State::Empty, None) => Word::Never,
        (State::Empty, Some(_)) => today::empty_word(page),
        (State::Behind, _) => Word::BehindWords,
        (State::Live, _) => Word::LiveWords,
    }
}

fn themes(words: Words, view: &View) -> Html {
    let choices =
        [(Theme::System, Word::ThemeSystem), (Theme::Light, Word::ThemeLight), (Theme::Dark, Word::ThemeDark)];
    let current = view.theme.unwrap_or(Theme::System);
    Html::join(choices.map(|(theme, word)| {
        let chosen = if theme == current { " aria-current=\"true\"" } else { "" };
        let to = View { theme: Some(theme).filter(|theme| *theme != Theme::System), ..view.clone() };
        let values = [("to", link(&to)), ("chosen", Html::fill(chosen, &[])), ("word", words.text(word))];
        Html::fill("<a href=\"{{to}}\"{{chosen}}>{{word}}</a>", &values)
    }))
}

/// Where a viewer is at home: their own place, where they see the ranks of others and no more.
fn home(view: &View) -> View {
    match &view.viewer.own {
        Some(own) if !view.viewer.sight.shows_figures() => view.of(own.clone()),
        Some(_) | None => view.clone(),
    }
}

fn tabs(words: Words, view: &View) -> Html {
    let tabs = [
        (Page::Today, "today", Word::TabToday),
        (Page::Rank, "rank", Word::TabRank),
        (Page::Channels, "channels", Word::Channels),
        (Page::Me, "me", Word::TabMe),
    ];
    Html::join(tabs.map(|(kind, icon, word)| {
        let current = if kind == view.page { " aria-current=\"page\"" } else { "" };
        let to = if kind == view.page { view.clone() } else { home(view) };
        let to = View { page: kind, from: 0, ..to };
        Html::fill(
            "<a href=\"{{to}}\" data-tab=\"{{tab}}\"{{current}}>{{icon}}{{word}}</a>",
            &[
                ("to", link(&to)),
                ("tab", Html::text(icon)),
                ("current", Html::fill(current, &[])),
                ("icon", icons::icon(icon)),
                ("word", words.text(word)),
            ],
        )
    }))
}

/// A page of the final size without any figure.
pub(super) fn loading(view: &View) -> Html {
    let words = Words { language: view.language };
    let fresh = words.fill(
        include_str!("fresh.html"),
        &[
            ("tag", Html::fill("div", &[])),
            ("end", Html::fill("div", &[])),
            ("label", words.text(Word::Loading)),
            ("complete", Html::text(NONE)),
        ],
    );
    let adds = words.text(if view.watched.day.is_none() { Word::Today } else { Word::OnDay });
    let body = words
        .fill(include_str!("loading.html"), &[("fresh", fresh), ("adds_label", adds), ("tabs", tabs(words, view))]);
    let mut values = frame(words, view);
    values.extend([
        ("state", Html::text("loading")),
        ("zone", Html::text("UTC")),
        ("body", body),
        ("status", words.text(Word::Loading)),
    ]);
    words.fill(include_str!("shell.html"), &values)
}
