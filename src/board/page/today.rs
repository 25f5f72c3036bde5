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

/// That there are no adds: not yet, or not on a day that is gone.
pub(super) fn empty_word(page: &Context) -> Word {
    if page.is_today() { Word::EmptyDay } else { Word::EmptyPast }
}

fn empty(page: &Context) -> Html {
    let yesterday = page.baselines().first();
    let says = match (page.complete_through(), yesterday) {
        (None, _) => page.words.text(Word::Never),
        (Some(_), None) => page.words.with(Word::Flowing, &[&page.complete()]),
        (Some(_), Some(before)) => {
            let adds = number(before.figures.adds().into());
            let before = hero::base_moment(page, 0, before);
            page.words.with(Word::FlowingBefore, &[&page.complete(), &before, &adds])
        }
    };
    Html::join([
        page.fill(
            "<section class=\"empty\">{{icon:today}}<h2>{{empty}}</h2><p class=\"num\">{{says}}</p>\
             <p class=\"num\"><a class=\"day\" href=\"{{day_before}}\" data-sheet=\"days\" aria-haspopup=\"dialog\">{{day}}{{icon:down}}</a></p></section>",
            &[
                ("empty", page.words.text(empty_word(page))),
                ("says", says),
                ("day_before", hero::day_before(page)),
                ("day", hero::day(page)),
            ],
        ),
        rows::children(page),
    ])
}
