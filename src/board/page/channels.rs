//! The channel mix: by group on the day's page, by key and with silent codes on its own.
//!
//! Invariant: unattributed is part of the list, so what is shown adds up to the total.

use super::text::{length, share};
use super::{Context, figures, hero, link};
use crate::board::channels::{Channels, Group, Retained, Row, Silent};
use crate::board::html::{Html, number};
use crate::board::view::{Page, View};
use crate::board::words::Word;
use crate::directory::channels;

/// Adds of a group or channel, and of the same minute before where comparisons stand.
struct Bar<'a> {
    name: String,
    channels: Vec<&'a Row>,
    adds: u64,
    before: Option<u64>,
}

/// The groups, on the day's page.
pub(super) fn section(page: &Context) -> Html {
    let Some(mix) = &page.facts.channels else { return Html::default() };
    let groups = groups(page, mix);
    let all = View { page: Page::Channels, ..page.view.clone() };
    let largest = largest(&groups);
    page.fill(
        include_str!("channels.html"),
        &[
            ("total", Html::text(&number(mix.total.into()))),
            ("tick", tick_says(page)),
            ("all", link(&all)),
            ("count", page.words.with(Word::AllChannels, &[&mix.rows.len().to_string()])),
            ("bars", Html::join(groups.iter().map(|(key, bar)| line(page, ("group", key), bar, largest)))),
        ],
    )
}

/// On a wall, where no note has room: there the other ticks are of another kind.
fn tick_says(page: &Context) -> Html {
    if page.view.page != Page::Wall || page.baselines().is_empty() {
        return Html::default();
    }
    let says = page.words.text(if page.is_over() { Word::TickDayBefore } else { Word::TickYesterday });
    Html::fill("<small class=\"w\">{{says}}</small>", &[("says", says)])
}

/// The page of the channels.
pub(super) fn main(page: &Context) -> Html {
    let Some(mix) = &page.facts.channels else { return Html::default() };
    let groups = groups(page, mix);
    let largest = mix.rows.iter().map(|row| row.adds.max(row.baseline_adds.unwrap_or(0))).max();
    let retained_of = |group: &Bar| Retained::sum(group.channels.iter().filter_map(|row| row.retained_24h));
    // Of an open day mostly none is old enough: said once, not of each group.
    let none_known = groups.iter().all(|(_, group)| retained_of(group).is_none());
    let later = || page.words.text(Word::RetainedLater);
    let parts = groups.iter().map(|(key, group)| {
        let mut rows = group.channels.clone();
        rows.sort_by_key(|row| std::cmp::Reverse(row.adds));
        let lines = rows.into_iter().map(|row| {
            let bar = Bar { name: label(page, row), channels: vec![row], adds: row.adds, before: row.baseline_adds };
            line(page, ("channel", &row.channel), &bar, largest.unwrap_or(0))
        });
        let lines = Html::join(lines);
        let (class, change) = changed(page, group);
        page.fill(
            include_str!("group.html"),
            &[
                ("key", Html::text(key)),
                ("name", Html::text(&group.name)),
                ("adds", Html::text(&number(group.adds.into()))),
                ("class", class),
                ("change", change),
                ("lines", lines),
                ("retained", if none_known { Html::default() } else { retained(page, retained_of(group)) }),
            ],
        )
    });
    let head = page.fill(
        include_str!("channels_head.html"),
        &[
            ("path", hero::path(page)),
            ("adds_label", page.words.text(hero::adds_label(page))),
            ("adds", Html::text(&number(mix.total.into()))),
            ("against", against(page)),
            ("retained", if none_known { later() } else { Html::default() }),
        ],
    );
    Html::join([head, silent(page, mix)].into_iter().chain(parts).chain([figures::stages(page)]))
}

/// With what the ticks and the differences compare.
fn against(page: &Context) -> Html {
    let base = page.baselines().first();
    base.map(|base| page.words.with(Word::Against, &[&hero::base_moment(page, 0, base)])).unwrap_or_default()
}

/// How many of a group's adds stayed for 24 h, of those that are so old: of these it changes no more.
fn retained(page: &Context, known: Option<Retained>) -> Html {
    let Some(Retained { numerator, denominator }) = known else {
        return page.fill("<p class=\"note\">{{:retained_later}}</p>", &[]);
    };
    let share = share(numerator, denominator).map(|share| page.words.with(Word::RetainedShare, &[&share]));
    let says = page.words.with(Word::Retained, &[&number(denominator.into()), &number(numerator.into())]);
    Html::fill("<p class=\"note num\">{{says}}{{share}}</p>", &[("says", says), ("share", share.unwrap_or_default())])
}

/// Codes that are silent for longer than is usual.
fn silent(page: &Context, mix: &Channels) -> Html {
    let (lines, says) = match mix.silent.as_deref() {
        None => (Html::default(), page.words.text(Word::NotKnown)),
        Some([]) => (Html::default(), page.words.text(Word::NoneSilent)),
        Some(codes) => (Html::join(codes.iter().map(|code| code_line(page, code))), Html::default()),
    };
    page.fill(
        "<section id=\"silent\" aria-labelledby=\"silent-title\"><h2 id=\"silent-title\">{{:silent_codes}}</h2><ul class=\"kv w\">{{lines}}</ul><p class=\"note w\">{{says}}</p><p class=\"note h\">{{:held}}</p></section>",
        &[("lines", if page.held() { Html::default() } else { lines }), ("says", says)],
    )
}

fn code_line(page: &Context, code: &Silent) -> Html {
    let name = code.label.as_deref().filter(|label| !label.is_empty()).unwrap_or(&code.state);
    let last = page.time(code.last_add_at.as_deref(), "%H:%M:%S");
    Html::fill(
        "<li><span>{{name}}<small class=\"num\">{{usual}}</small></span><b class=\"num\">{{silent}}</b></li>",
        &[
            ("name", Html::text(name)),
            ("usual", page.words.with(Word::SilentUsual, &[&page.words.span(code.usual_gap_seconds), &last])),
            ("silent", Html::text(&page.words.span(code.silent_seconds))),
        ],
    )
}

/// Groups by adds with unattributed last, as channels are.
fn groups<'a>(page: &Context, mix: &'a Channels) -> Vec<(String, Bar<'a>)> {
    let mut groups = mix.groups();
    let last = |group: &Group| group.group == channels::UNATTRIBUTED.key;
    groups.sort_by(|a, b| last(a).cmp(&last(b)).then(b.adds.cmp(&a.adds)).then(a.group.cmp(&b.group)));
    let bar = |Group { group, adds, baseline_adds: before, rows: channels }| {
        (group, Bar { name: group_label(page, channels[0]), channels, adds, before })
    };
    groups.into_iter().map(bar).collect()
}

fn group_label(page: &Context, row: &Row) -> String {
    let known = row.group.as_ref().and_then(|key| channels::table().groups.iter().find(|group| group.key == *key));
    match known {
        Some(group) => page.words.either(&group.zh, &group.en).to_owned(),
        None => row.group.clone().unwrap_or_else(|| label(page, row)),
    }
}

fn label(page: &Context, row: &Row) -> String {
    page.words.either(&row.zh, &row.en).to_owned()
}

fn largest(groups: &[(String, Bar)]) -> u64 {
    groups.iter().map(|(_, bar)| bar.adds.max(bar.before.unwrap_or(0))).max().unwrap_or(0)
}

/// A bar with a tick at the same minute before.
fn line(page: &Context, (attribute, key): (&str, &str), bar: &Bar, largest: u64) -> Html {
    let (class, change) = changed(page, bar);
    let before = bar.before.filter(|_| !page.held());
    let tick = before.map(|before| {
        Html::fill(
            "<rect class=\"usual w\" data-f=\"tick\" x=\"{{x}}\" y=\"-3\" width=\"2\" height=\"20\"/>",
            &[("x", length(before, largest))],
        )
    });
    Html::fill(
        "<li data-{{attribute}}=\"{{key}}\"><span class=\"c\">{{name}}</span><svg class=\"t\" aria-hidden=\"true\"><rect class=\"fill\" data-f=\"bar\" width=\"{{width}}\" height=\"14\" rx=\"2\"/>{{tick}}</svg><b class=\"num\" data-f=\"value\">{{adds}}</b><small class=\"num w {{class}}\" data-f=\"change\">{{change}}</small></li>",
        &[
            ("attribute", Html::text(attribute)),
            ("key", Html::text(key)),
            ("name", Html::text(&bar.name)),
            ("width", length(bar.adds, largest)),
            ("tick", tick.unwrap_or_default()),
            ("adds", Html::text(&number(bar.adds.into()))),
            ("class", class),
            ("change", change),
        ],
    )
}

/// In percent where the base carries one, else how many more or fewer.
fn changed(page: &Context, bar: &Bar) -> (Html, Html) {
    let Some(before) = bar.before.filter(|_| !page.held()) else { return Default::default() };
    page.words.against(bar.adds, before)
}
