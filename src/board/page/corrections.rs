//! What was changed after it was shown.
//!
//! Invariant: every change of a past day is listed with its reason; nothing is changed in silence.

use super::text::many;
use super::{Context, SEAL_REVISED};
use crate::board::corrections::{Correction, Reason};
use crate::board::html::{Html, number};
use crate::board::words::Word;

/// The rest stands in the table of the API.
const LINES_MAX: usize = 5;

pub(super) fn section(page: &Context) -> Html {
    let today = line(
        page,
        &Line {
            day: page.words.text(super::hero::adds_label(page)),
            says: page.words.text(Word::LateSays),
            value: Html::fill("+<span data-n=\"late_adds\">{{late}}</span>", &[("late", page.shown("late_adds"))]),
        },
    );
    // What came late today stands in the first line already.
    let is_past = |correction: &&Correction| {
        correction.reason != Reason::Late || correction.business_date != page.facts.frame.business_date
    };
    let (lines, note) = match &page.facts.corrections {
        None => (Vec::new(), page.words.text(Word::NotKnown)),
        Some(corrections) => {
            let adds = corrections.iter().filter(|correction| correction.metric == "adds").filter(is_past);
            let mut lines: Vec<_> = adds.map(|correction| line(page, &Line::new(page, correction))).collect();
            let note = match lines.len() {
                0 => page.words.text(Word::NoCorrections),
                1..=LINES_MAX => Html::default(),
                all => page.words.with(Word::MoreLines, &[&many(all - LINES_MAX)]),
            };
            lines.truncate(LINES_MAX);
            (lines, note)
        }
    };
    let lines = Html::join(lines);
    page.fill(
        "<section id=\"corrections\" aria-labelledby=\"corrections-title\"><h2 id=\"corrections-title\">{{:corrections}}</h2><ul class=\"kv\">{{today}}{{lines}}</ul><p class=\"note\">{{note}}</p></section>",
        &[("today", today), ("lines", lines), ("note", note)],
    )
}

/// The newest change of a day before, for a room: by how much, of which day.
pub(super) fn newest(page: &Context) -> Html {
    let today = &page.facts.frame.business_date;
    let changed = page.facts.corrections.iter().flatten().filter(|correction| {
        correction.metric == "adds" && correction.business_date != *today && correction.before != correction.after
    });
    let received = |correction: &&Correction| correction.received_at.as_ref()?.parse::<jiff::Timestamp>().ok();
    let Some(newest) = changed.max_by_key(received) else { return Html::default() };
    let yesterday = super::hero::business_day(page).and_then(|day| day.yesterday().ok());
    let day = match newest.business_date.parse() {
        // Within a line.
        Ok(day) if Some(day) == yesterday => Html::text(&super::hero::day_before_word(page)),
        Ok(day) => Html::text(&page.words.day(day)),
        Err(_) => Html::default(),
    };
    let values = [("comma", Html::text(page.words.comma())), ("day", day), ("apart", Html::text(&apart(newest)))];
    Html::fill("{{comma}}{{day}} {{apart}}", &values)
}

/// How many more or fewer.
fn apart(correction: &Correction) -> String {
    let apart = correction.after.saturating_sub(correction.before);
    format!("{}{}", if apart > 0 { "+" } else { "" }, number(apart.into()))
}

struct Line {
    day: Html,
    says: Html,
    value: Html,
}

impl Line {
    fn new(page: &Context, correction: &Correction) -> Self {
        let day = correction.business_date.parse().map(|day| page.words.day(day)).unwrap_or_default();
        let closed = if correction.closed { Word::ClosedDay.text(page.words.language) } else { "" };
        let (put_in, after) = (correction.after.saturating_sub(correction.before), number(correction.after.into()));
        // Before and after are those of what was corrected, not of the day: nobody has seen them.
        let says = match correction.reason {
            Reason::Late => page.words.with(Word::CameLate, &[&number(put_in.into())]),
            Reason::Replay => page.words.text(Word::ReasonReplay),
            Reason::Fold => page.words.text(Word::ReasonFold),
            Reason::Channel => {
                page.words.with(Word::StaysInSum, &[Word::ReasonChannel.text(page.words.language), &after])
            }
        };
        Self {
            day: Html::text(&day),
            says: Html::join([says, Html::text(closed)]),
            value: Html::text(&apart(correction)),
        }
    }
}

fn line(page: &Context, line: &Line) -> Html {
    page.fill(
        &format!("<li><span>{{{{day}}}} {SEAL_REVISED}<small class=\"num\">{{{{says}}}}</small></span><b class=\"num\">{{{{value}}}}</b></li>"),
        &[("day", line.day.clone()), ("says", line.says.clone()), ("value", line.value.clone())],
    )
}
