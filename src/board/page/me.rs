//! One's own page: each add, where it stands, and the neighbours in the ranks.
//!
//! Invariant: an add shows time, channel and status; who the customer is stands nowhere.

use std::cmp::Ordering;

use jiff::ToSpan;

use super::text::{local, many};
use super::{Context, SEAL_PROVISIONAL, SEAL_REVISED, channels, hero, minute_of, provisional, rank, rows, target};
use crate::board::html::{Html, number};
use crate::board::leaderboard::Row;
use crate::board::person::{Add, Status};
use crate::board::view::{Level, Scope};
use crate::board::words::Word;
use crate::directory::channels as keys;

pub(super) fn main(page: &Context) -> Html {
    if page.view.watched.scope.level != Level::Staff {
        return whose(page);
    }
    Html::join([hero(page), target::section(page), ladder(page), month(page), flow(page), channels::section(page)])
}

/// A viewer who may see more than one person chooses whose page it is.
fn whose(page: &Context) -> Html {
    let rows = page.facts.leaderboard.rows.iter().filter(|row| !row.id.is_empty()).map(|row| {
        let level = page.view.watched.level;
        let scope = Scope { level, id: row.id.clone() };
        Html::fill(
            "<li><a class=\"plain\" href=\"{{to}}\"><b>{{name}}</b><span class=\"num\">{{adds}}</span></a></li>",
            &[
                ("to", super::link(&page.view.of(scope))),
                ("name", rows::name(page, row)),
                ("adds", Html::text(&number(row.adds.into()))),
            ],
        )
    });
    let values = [("path", hero::path(page)), ("rows", Html::join(rows))];
    page.fill("<section>{{path}}<h2>{{:whose}}</h2><p class=\"note\">{{:whose_says}}</p><ol class=\"lb\">{{rows}}</ol></section>", &values)
}

fn hero(page: &Context) -> Html {
    let uncounted = page.facts.summary.as_ref().and_then(|summary| summary.uncounted.first());
    let uncounted = uncounted.map(|day| {
        let day = hero::base_day(page, 0, day);
        page.fill(
            "<p class=\"beside num\"><span>{{day}} —</span><span class=\"note\">{{:uncounted}}</span></p>",
            &[("day", day)],
        )
    });
    let compared = page.baselines().first().map(|base| {
        let (class, change) = page.words.change(page.adds(), base.figures.adds());
        let change = if page.held() { Html::default() } else { change };
        page.fill("<p class=\"beside num\" data-base=\"0\"><span>{{label}}{{:was}}<span data-b=\"base\">{{base}}</span></span><b class=\"w {{class}}\" data-b=\"change\">{{change}}</b><span class=\"h hold\">{{:held}}</span></p>", &[
            ("label", Html::text(&hero::base_label(page, 0, base))),
            ("base", Html::text(&number(base.figures.adds().into()))),
            ("class", class),
            ("change", change),
        ])
    });
    page.fill(
        include_str!("me.html"),
        &[
            ("path", hero::path(page)),
            ("adds_label", page.words.text(if page.is_today() { Word::MyToday } else { Word::MyOnDay })),
            ("day_before", hero::day_before(page)),
            ("day", hero::day(page)),
            ("adds", page.shown("adds")),
            ("compared", compared.or(uncounted).unwrap_or_default()),
            (
                "code",
                page.facts
                    .my_adds
                    .as_deref()
                    .map_or_else(|| page.words.text(Word::NotKnown), |adds| barcode(page, adds)),
            ),
        ],
    )
}

/// What became of an add, from its status.
fn kind(add: &Add) -> &'static str {
    match add.status {
        Status::NotNew => "old",
        Status::Left | Status::Purged => "left",
        Status::Pending | Status::Final => "qualified",
    }
}

/// The part of a day that the barcode shows, in minutes: whole hours around everything that it has to show.
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// A day of work at least: from 9 to 21 o'clock.
    fn around(minutes: impl Iterator<Item = i64>) -> Self {
        let (first, last) = minutes.fold((540, 1260), |(first, last), minute| (minute.min(first), minute.max(last)));
        Self { first: first / 60 * 60, last: (last + 59) / 60 * 60 }
    }

    fn x(&self, minute: i64) -> Html {
        super::text::length(minute - self.first, self.last - self.first)
    }
}

/// One tick per add: solid where qualified, short where not new, hollow where the customer left; below them the day before.
fn barcode(page: &Context, adds: &[Add]) -> Html {
    let minute = |at: &str| local(at, &page.zone).map_or(0, |at| minute_of(&at));
    let times: Vec<_> = adds.iter().map(|add| add.added_at.as_deref().map_or(0, minute)).collect();
    let before: Vec<_> = page.facts.my_adds_before.iter().flatten().map(|at| minute(at)).collect();
    let complete = page.complete_on_day();
    let span = Span::around(times.iter().chain(&before).copied().chain(complete.as_ref().map(minute_of)));
    let ticks = adds.iter().zip(&times).map(|(add, minute)| {
        let (y, height) = if kind(add) == "old" { ("28", "35") } else { ("6", "57") };
        Html::fill(
            "<rect class=\"{{kind}}\" x=\"{{x}}\" y=\"{{y}}\" width=\"3\" height=\"{{height}}\"/>",
            &[
                ("kind", Html::text(kind(add))),
                ("x", span.x(*minute)),
                ("y", Html::text(y)),
                ("height", Html::text(height)),
            ],
        )
    });
    let grey = before.iter().map(|minute| {
        Html::fill(
            "<rect class=\"day-before\" x=\"{{x}}\" y=\"69\" width=\"2\" height=\"11\"/>",
            &[("x", span.x(*minute))],
        )
    });
    let ticks = Html::join(ticks.chain(grey));
    let count = |which: &str| Html::text(&many(adds.iter().filter(|add| kind(add) == which).count()));
    let pending = adds.iter().any(|add| add.status == Status::Pending);
    let says = if before.is_empty() { Word::NoneBefore } else { Word::GreyIsBefore };
    page.fill(
        include_str!("barcode.html"),
        &[
            ("ticks", ticks),
            ("now", complete.as_ref().map(|at| now(span.x(minute_of(at)))).unwrap_or_default()),
            (
                "complete",
                complete
                    .map(|at| page.words.with(Word::CompleteAt, &[&at.strftime("%H:%M").to_string()]))
                    .unwrap_or_default(),
            ),
            ("from", page.words.with(Word::AtHour, &[&(span.first / 60).to_string()])),
            ("to", page.words.with(Word::AtHour, &[&(span.last / 60).to_string()])),
            ("qualified", count("qualified")),
            ("seal", provisional(page.words, Some(!pending))),
            ("old", count("old")),
            ("left", count("left")),
            ("before_says", page.words.text(says)),
            ("final_says", final_says(page, adds)),
        ],
    )
}

/// Until where the day is counted.
fn now(x: Html) -> Html {
    Html::fill("<line class=\"now\" x1=\"{{x}}\" x2=\"{{x}}\" y1=\"0\" y2=\"80\"/>", &[("x", x)])
}

/// When the first and the last add of the day become final.
fn final_says(page: &Context, adds: &[Add]) -> Html {
    let mut finals: Vec<_> =
        adds.iter().filter(|add| add.status == Status::Pending).filter_map(|add| add.final_at.as_deref()).collect();
    finals.sort_unstable();
    let day = hero::business_day(page).and_then(|day| day.checked_add(1.day()).ok());
    match (finals.first(), day) {
        (Some(first), Some(day)) => {
            page.words.with(Word::FirstFinal, &[&page.time(Some(first), "%H:%M"), &page.words.day(day)])
        }
        (_, _) => Html::default(),
    }
}

/// The viewer between the neighbours.
fn ladder(page: &Context) -> Html {
    let board = page.facts.colleagues.as_ref();
    let mine = board.and_then(|board| Some((board, board.mine.as_ref()?)));
    let (lines, of, note) = match mine {
        None => (Html::default(), Html::default(), page.words.text(Word::NotKnown)),
        Some((board, mine)) => {
            let lines = board.rows.iter().map(|row| rung(page, row, &mine.row));
            (Html::join(lines), page.words.with(Word::OfPeople, &[&many(board.total)]), Html::default())
        }
    };
    page.fill("<section id=\"ladder\" aria-labelledby=\"ladder-title\"><h2 id=\"ladder-title\">{{:my_rank}}<small class=\"num\">{{of}}</small></h2><ol class=\"lb\">{{lines}}</ol><p class=\"note\">{{note}}</p></section>", &[
        ("of", of),
        ("lines", lines),
        ("note", note),
    ])
}

fn rung(page: &Context, row: &Row, own: &Row) -> Html {
    let mine = row.id == own.id;
    let apart = number(row.adds.abs_diff(own.adds).into());
    let says = match row.adds.cmp(&own.adds) {
        _ if mine => Html::default(),
        Ordering::Equal => page.words.text(Word::Level),
        Ordering::Greater => page.words.with(Word::MoreThanI, &[&apart]),
        Ordering::Less => page.words.with(Word::FewerThanI, &[&apart]),
    };
    Html::fill(
        "<li><div class=\"row {{mine}}\"><span class=\"rk\"><span class=\"n num\" data-rank=\"{{rank}}\">{{rank}}</span></span><span class=\"nm\"><b>{{name}}</b></span><span class=\"vl\"><b class=\"num\">{{adds}}</b><small class=\"num\">{{says}}</small></span></div></li>",
        &[
            ("mine", Html::text(if mine { "mine" } else { "" })),
            ("rank", Html::text(&row.rank.map_or_else(|| "–".to_owned(), |rank| number(rank.into())))),
            ("name", if mine { page.words.text(Word::Me) } else { rows::name(page, row) }),
            ("adds", Html::text(&number(row.adds.into()))),
            ("says", says),
        ],
    )
}

/// What is final of the month, what is not yet, and what was adjusted after closing.
fn month(page: &Context) -> Html {
    let Some(month) = &page.facts.month else {
        return page
            .fill("<section id=\"month\"><h2>{{:month}}</h2><p class=\"note\">{{:not_known}}</p></section>", &[]);
    };
    let template = format!(
        "<section id=\"month\"><h2>{{{{:month}}}}</h2><div class=\"trio\"><div><span class=\"k\">{{{{:month_final}}}}</span><b class=\"v num\">{{{{last}}}}</b><span class=\"s\"></span></div><div><span class=\"k\">{{{{:month_pending}}}} {SEAL_PROVISIONAL}</span><b class=\"v num\">{{{{pending}}}}</b><span class=\"s\">{{{{:final_after_day}}}}</span></div><div><span class=\"k\">{{{{:month_adjusted}}}} {SEAL_REVISED}</span><b class=\"v num\">{{{{adjusted}}}}</b><span class=\"s\">{{{{:month_adjusted_says}}}}</span></div></div></section>"
    );
    page.fill(
        &template,
        &[
            ("last", Html::text(&number(month.qualified_final.into()))),
            ("pending", Html::text(&number(month.pending.into()))),
            ("adjusted", Html::text(&number(month.adjusted.into()))),
        ],
    )
}

/// Lines of the flow on one page: eight nodes each, beside a tick in the barcode for every add of two days.
const FLOW_LINES: usize = 50;

fn flow(page: &Context) -> Html {
    let adds = page.facts.my_adds.as_deref();
    let mut newest: Vec<&Add> = adds.unwrap_or_default().iter().collect();
    newest.sort_by(|a, b| b.added_at.cmp(&a.added_at));
    let lines = newest.iter().skip(page.view.from).take(FLOW_LINES).map(|add| add_line(page, add));
    let end = page.view.from.saturating_add(FLOW_LINES);
    let next = (end < newest.len()).then_some((end, Word::MyAddsBefore));
    page.fill("<section id=\"flow\" aria-labelledby=\"flow-title\"><h2 id=\"flow-title\">{{:my_adds}}</h2><ol class=\"flow\">{{lines}}</ol><p class=\"note\">{{:my_adds_say}}</p><p class=\"acts\">{{pages}}</p></section>", &[
        ("lines", Html::join(lines)),
        ("pages", rank::pages(page, Word::MyAddsNewest, next)),
    ])
}

fn add_line(page: &Context, add: &Add) -> Html {
    let known = keys::table().channels.iter().find(|key| key.key == add.channel);
    let channel = known.map_or(add.channel.as_str(), |key| page.words.either(&key.zh, &key.en));
    let late = page.time(add.received_late_at.as_deref(), "%H:%M");
    let fixed = page.time(add.final_at.as_deref(), page.words.either("%-m月%-d日 %H:%M", "%-d %b %H:%M"));
    let (words, seal) = (page.words, provisional(page.words, Some(add.status != Status::Pending)));
    let (says, amended) = match (add.status, &add.received_late_at) {
        (Status::NotNew, _) => (words.text(Word::StatusNotNew), ""),
        (Status::Left, _) => (words.text(Word::StatusLeft), ""),
        (Status::Purged, _) => (words.text(Word::StatusPurged), ""),
        (Status::Final, None) => (words.text(Word::StatusFinal), ""),
        (Status::Final, Some(_)) => (words.with(Word::StatusLate, &[&late]), SEAL_REVISED),
        (Status::Pending, None) => (words.with(Word::StatusPending, &[&fixed]), ""),
        (Status::Pending, Some(_)) => (words.with(Word::StatusLatePending, &[&late, &fixed]), SEAL_REVISED),
    };
    page.fill(
        &format!("<li><details><summary><span class=\"tm num\">{{{{time}}}}</span><span>{{{{channel}}}}</span><span class=\"st\">{{{{says}}}} {amended}{{{{seal}}}}</span></summary><p class=\"note num\">{{{{:receipt}}}} {{{{receipt}}}}</p></details></li>"),
        &[
            ("time", Html::text(&page.time(add.added_at.as_deref(), "%H:%M"))),
            ("channel", Html::text(channel)),
            ("says", says),
            ("seal", seal),
            ("receipt", Html::text(&add.receipt)),
        ],
    )
}
