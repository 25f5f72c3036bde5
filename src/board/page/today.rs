//! The page `/`: how the day stands, for one scope.
//!
//! Invariant: a part that is not answered keeps its place and says why it is empty.

use super::{Context, attention, channels, corrections, figures, hero, rows, target, trend};
use crate::board::html::{Html, number};
use crate::board::snapshot::State;
use crate::board::words::Word;

/// All parts in order; the page of an empty day says that data is flowing.
pub(super) fn main(page: &Context) -> Html {
    if page.facts.frame.freshness.state == State::Empty {
        return empty(page);
    }
    Html::join([
        hero::section(page),
        target::section(page),
        attention::section(page),
        rows::children(page),
        trend::section(page),
        channels::section(page),
        figures::stages(page),
        figures::losses(page),
        corrections::section(page),
    ])
}

fn empty(page: &Context) -> Html {
    let yesterday = page.baselines().first();
    let says = match (page.complete_through(), yesterday) {
        (None, _) => page.words.text(Word::Never),
        (Some(at), None) => page.words.with(Word::Flowing, &[&page.time(Some(at), "%H:%M:%S")]),
        (Some(at), Some(before)) => {
            let before = number(before.figures.adds().into());
            page.words.with(Word::FlowingBefore, &[&page.time(Some(at), "%H:%M:%S"), &before])
        }
    };
    Html::join([
        page.fill(
            "<section class=\"empty\">{{icon:today}}<h2>{{:empty_day}}</h2><p class=\"num\">{{says}}</p>\
             <p class=\"num\"><a class=\"day\" href=\"{{day_before}}\" data-sheet=\"days\" aria-haspopup=\"dialog\">{{day}}{{icon:down}}</a></p></section>",
            &[("says", says), ("day_before", hero::day_before(page)), ("day", hero::day(page))],
        ),
        rows::children(page),
    ])
}
