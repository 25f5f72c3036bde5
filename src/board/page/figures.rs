//! The counters of the day as plain lines: the stages up to the first message, and the losses.
//!
//! Invariant: stages are counts of different people, so no rate from one to the next is shown.

use super::text::{NONE, known, many, share};
use super::{Context, provisional};
use crate::board::html::{Html, number};
use crate::board::losses::Broadcast;
use crate::board::words::Word;

/// The stages in order: the figure, and what explains it.
const STAGES: [(&str, Word, Option<Word>); 7] = [
    ("exposures", Word::Exposures, None),
    ("scans", Word::Scans, None),
    ("requests_in", Word::RequestsIn, None),
    ("requests_out", Word::RequestsOut, None),
    ("half_adds", Word::HalfAdds, Some(Word::HalfAddsSay)),
    ("adds", Word::Adds, None),
    ("opened", Word::Opened, None),
];

/// From exposure to the first message.
pub(super) fn stages(page: &Context) -> Html {
    let before = page.baselines().first().filter(|_| !page.held());
    let lines = STAGES.iter().map(|(name, word, says)| {
        let value = page.figure(name);
        let text = match value {
            // Exposures are many and rough.
            Some(value) if *name == "exposures" => page.words.about(value),
            value => known(value),
        };
        let before = before.and_then(|before| before.figures.get(name));
        let (class, change) = value.zip(before).map(|(now, before)| page.words.against(now, before)).unwrap_or_default();
        let kind = if *name == "exposures" { "data-about" } else { "data-n" };
        let seal = if *name == "opened" && value.is_some() { provisional(page.words, page.qualified_final()) } else { Html::default() };
        page.fill(
            "<li><span>{{word}} {{seal}}<small>{{says}}</small></span><span class=\"num\"><b {{kind}}=\"{{name}}\">{{value}}</b> <span class=\"pc w {{class}}\" data-p=\"{{name}}\">{{change}}</span></span></li>",
            &[
                ("word", page.words.text(*word)),
                ("seal", seal),
                ("says", says.map(|says| page.words.text(says)).unwrap_or_default()),
                ("kind", Html::text(kind)),
                ("name", Html::text(name)),
                ("value", Html::text(&text)),
                ("class", class),
                ("change", change),
            ],
        )
    });
    page.fill(
        "<section id=\"stages\" aria-labelledby=\"stages-title\"><h2 id=\"stages-title\">{{:stages}}</h2><ul class=\"kv\">{{lines}}</ul><p class=\"note\">{{:stages_say}}</p></section>",
        &[("lines", Html::join(lines))],
    )
}

/// Who left, after what, and who only changed the colleague.
pub(super) fn losses(page: &Context) -> Html {
    let broadcasts = match page.facts.losses.as_ref().and_then(|losses| losses.broadcasts.as_deref()) {
        None => line(page, Word::AfterBroadcasts, Word::NotKnown, &Html::text(NONE)),
        Some([]) => line(page, Word::AfterBroadcasts, Word::NoBroadcasts, &Html::text("0")),
        Some(sent) => {
            let lines = sent.iter().take(BROADCASTS_MAX).map(|sent| broadcast(page, sent));
            Html::join(lines.chain((sent.len() > BROADCASTS_MAX).then(|| latest(page, sent.len()))))
        }
    };
    page.fill(
        include_str!("losses.html"),
        &[
            ("losses", page.shown("losses")),
            ("by_customer", page.shown("deletes_by_customer")),
            ("by_staff", page.shown("deletes_by_staff")),
            ("broadcasts", broadcasts),
            ("comma", Html::text(page.words.comma())),
            ("transfers_out", page.shown("transfers_out")),
            ("transfers_in", page.shown("transfers_in")),
        ],
    )
}

/// The latest are those that somebody can still learn from.
const BROADCASTS_MAX: usize = 3;

/// That these are not all.
fn latest(page: &Context, count: usize) -> Html {
    let says = page.words.with(Word::Latest, &[&many(BROADCASTS_MAX), &many(count)]);
    Html::fill("<li><small class=\"num\">{{says}}</small></li>", &[("says", says)])
}

fn line(page: &Context, word: Word, says: Word, value: &Html) -> Html {
    Html::fill(
        "<li><span>{{word}}<small>{{says}}</small></span><b class=\"num\">{{value}}</b></li>",
        &[("word", page.words.text(word)), ("says", page.words.text(says)), ("value", value.clone())],
    )
}

fn broadcast(page: &Context, sent: &Broadcast) -> Html {
    let (audience, left) = (number(sent.audience.into()), number(sent.deleted_24h.into()));
    let people = Word::People.with(page.words.language, &[&left]);
    let share = share(sent.deleted_24h, sent.audience);
    let left = share.map_or(people.clone(), |share| format!("{people}{}{share}", page.words.either(" ", ", ")));
    let seal = provisional(page.words, Some(!sent.provisional));
    page.fill("<li><span>{{:after_broadcasts}} {{seal}}<small class=\"num\">{{says}}</small></span><b class=\"num\">{{left}}</b></li>", &[
        ("seal", seal),
        ("says", page.words.with(Word::SentTo, &[&page.time(sent.sent_at.as_deref(), "%H:%M"), &sent.name, &audience])),
        ("left", Html::text(&left)),
    ])
}
