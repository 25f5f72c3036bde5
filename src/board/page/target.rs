//! The target of the day, how much is usual by now, and where the day is likely to end.
//!
//! Invariant: what is estimated is hatched and carries its seal; pace and forecast go when the figures are stale, and where
//! they are not known the reason stands.

use super::text::{length, share};
use super::{Context, SEAL_ESTIMATE};
use crate::board::html::{Html, number, tenths};
use crate::board::pace::{Forecast, Unknown};
use crate::board::summary::Target;
use crate::board::view::Level;
use crate::board::words::Word;

pub(super) fn section(page: &Context) -> Html {
    let expected = page.facts.summary.as_ref().and_then(|summary| summary.forecast.as_ref());
    let title = page.term("target", Word::Target);
    let Some(target) = page.target().filter(|target| target.target > 0) else {
        return page.fill(
            "<section class=\"goal\" id=\"goal\"><div class=\"two l\"><span>{{title}}</span>\
             <span class=\"w\">{{forecast}}</span></div><p class=\"note\">{{:no_target}}</p></section>",
            &[("title", title), ("forecast", forecast(page, expected))],
        );
    };
    let scale = Scale::new(target, expected);
    // Of one person no day is foreseen: what is left to do is certain.
    let is_of_staff = page.view.watched.scope.level == Level::Staff;
    let (adds, goal) = (page.adds(), signed(target.target));
    let done = share(adds, goal).unwrap_or_default();
    let range = expected.filter(|_| !page.held());
    page.fill(
        include_str!("target.html"),
        &[
            ("title", title),
            ("goal", Html::text(&target.target.to_string())),
            ("target", Html::text(&number(target.target.into()))),
            ("done", Html::text(&done)),
            ("max", Html::text(&scale.0.to_string())),
            ("width", scale.at(adds)),
            ("end", scale.at(goal)),
            ("forecast", if is_of_staff { to_go(page, goal) } else { forecast(page, expected) }),
            ("range", range.map(|forecast| hatched(&scale, forecast)).unwrap_or_default()),
            ("tick", tick(page, &scale, target)),
            ("usual", usual(page, target).map(|usual| Html::text(&usual.to_string())).unwrap_or_default()),
            ("usual_says", usual_says(page, target)),
            ("range_says", range.map(|forecast| range_says(page, forecast)).unwrap_or_default()),
        ],
    )
}

/// The right end of the bar: a little past the target and the forecast, so that both ends are seen.
struct Scale(i64);

impl Scale {
    fn new(target: &Target, forecast: Option<&Forecast>) -> Self {
        let farthest = target.target.max(forecast.map_or(0, |forecast| forecast.high));
        Self(signed(farthest.saturating_add(farthest / 33).max(1)))
    }

    fn at(&self, value: i64) -> Html {
        length(value, self.0)
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The usual share by now in thousandths, unless it is withdrawn.
pub(super) fn usual(page: &Context, target: &Target) -> Option<i64> {
    let (numerator, denominator) = target.usual_numerator.zip(target.usual_denominator).filter(|_| !page.held())?;
    let thousandths = (u128::from(numerator) * 1000 + u128::from(denominator) / 2).checked_div(denominator.into())?;
    i64::try_from(thousandths).ok()
}

fn tick(page: &Context, scale: &Scale, target: &Target) -> Html {
    let Some(usual) = usual(page, target) else { return Html::default() };
    let at = signed(target.target).saturating_mul(usual) / 1000;
    Html::fill("<rect class=\"usual w\" x=\"{{x}}\" y=\"-4\" width=\"2\" height=\"22\"/>", &[("x", scale.at(at))])
}

fn hatched(scale: &Scale, forecast: &Forecast) -> Html {
    let width = signed(forecast.high.saturating_sub(forecast.low));
    Html::fill(
        "<rect class=\"range w\" x=\"{{x}}\" y=\".5\" width=\"{{width}}\" height=\"13\" rx=\"2\" fill=\"url(#hatch)\"/>",
        &[("x", scale.at(signed(forecast.low))), ("width", scale.at(width))],
    )
}

/// How far the day is ahead of the usual pace, in points of the target.
fn usual_says(page: &Context, target: &Target) -> Html {
    let Some(usual) = usual(page, target) else {
        return unknown(page, Word::NoUsual, page.facts.summary.as_ref().and_then(|summary| summary.usual_unknown));
    };
    let done = page.adds().saturating_mul(1000) / signed(target.target);
    let apart = tenths(i128::from((done - usual).abs()), 10);
    let (class, word) = if done >= usual { ("up", Word::Ahead) } else { ("down", Word::Behindhand) };
    let usual = tenths(usual.into(), 10);
    Html::fill(
        "{{usual}}<span class=\"{{class}}\" data-pace>{{apart}}</span>",
        &[
            ("usual", page.words.with(Word::Usual, &[&usual])),
            ("class", Html::text(class)),
            ("apart", page.words.with(word, &[&apart])),
        ],
    )
}

fn to_go(page: &Context, goal: i64) -> Html {
    let left = number((goal - page.adds()).max(0).into());
    Html::fill(
        "{{says}}<b class=\"num\" data-goal=\"{{goal}}\">{{left}}</b>",
        &[("says", page.words.text(Word::ToGo)), ("goal", Html::text(&goal.to_string())), ("left", Html::text(&left))],
    )
}

fn forecast(page: &Context, forecast: Option<&Forecast>) -> Html {
    let Some(forecast) = forecast.filter(|_| !page.held()) else {
        return unknown(
            page,
            Word::NoForecast,
            page.facts.summary.as_ref().and_then(|summary| summary.forecast_unknown),
        );
    };
    let adds = Html::text(&page.words.about(signed(forecast.adds)));
    page.fill(&format!("{{{{:forecast}}}} <b class=\"num\">{{{{adds}}}}</b> {SEAL_ESTIMATE}"), &[("adds", adds)])
}

/// Why something is not told; what is held says so elsewhere.
fn unknown(page: &Context, says: Word, why: Option<Unknown>) -> Html {
    let why = match why {
        Some(Unknown::Held) => return Html::default(),
        Some(Unknown::Person) => Word::WhyPerson,
        Some(Unknown::Over) => Word::WhyOver,
        Some(Unknown::FewDays) => Word::WhyFewDays,
        Some(Unknown::NoAdds) => Word::WhyNoAdds,
        Some(Unknown::TooEarly) => Word::WhyTooEarly,
        Some(Unknown::Unread) | None => Word::WhyUnread,
    };
    page.words.with(says, &[why.text(page.words.language)])
}

fn range_says(page: &Context, forecast: &Forecast) -> Html {
    let ends = [forecast.low, forecast.high].map(|end| page.words.about(signed(end)));
    let low = ends[0].trim_end_matches(" 万");
    Html::text(&format!("{low}–{}", ends[1]))
}
