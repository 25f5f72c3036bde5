//! The target of the day, how much is usual by now, and where the day is likely to end.
//!
//! Invariant: what is estimated is hatched and carries its seal; pace and forecast go when the figures are stale, and where
//! they are not known the reason stands.

use super::rank::metric_word;
use super::text::{NONE, known, length, progress, thousandths};
use super::{Context, SEAL_ESTIMATE, hatching, provisional};
use crate::board::html::{Html, number, tenths};
use crate::board::pace::{Forecast, Pace, Unknown};
use crate::board::view::{Level, Metric};
use crate::board::words::Word;

pub(super) fn section(page: &Context) -> Html {
    let expected = page.facts.summary.as_ref().and_then(|summary| summary.forecast.as_ref());
    let title = page.term("target", Word::Target);
    let Some(goal) = Goal::of(page) else {
        return page.fill(
            "<section class=\"goal\" id=\"goal\"><div class=\"two l\"><span>{{title}}</span>\
             <span class=\"w\">{{forecast}}</span></div><p class=\"note\">{{:no_target}}</p></section>",
            &[("title", title), ("forecast", forecast(page, Word::Forecast, expected))],
        );
    };
    let is_of_adds = goal.metric == Metric::Adds;
    // The forecast is one of adds, so it stands on no other bar.
    let range = expected.filter(|_| is_of_adds && !page.held());
    let scale = Scale::new(&goal, range);
    // Of one person no day is foreseen: what is left to do is certain.
    let is_of_staff = page.view.watched.scope.level == Level::Staff;
    let end = if is_of_staff {
        to_go(page, &goal)
    } else {
        forecast(page, if is_of_adds { Word::Forecast } else { Word::ForecastAdds }, expected)
    };
    page.fill(
        include_str!("target.html"),
        &[
            ("title", title),
            ("metric", if is_of_adds { Html::default() } else { named(page, goal.metric) }),
            ("seal", seal(page, goal.metric)),
            ("hatching", hatching(page.is_final(goal.metric))),
            ("goal", Html::text(&goal.target.to_string())),
            ("target", Html::text(&number(goal.target.into()))),
            ("done", Html::text(&goal.measured.and_then(|now| progress(now, goal.target)).unwrap_or(NONE.to_owned()))),
            ("max", Html::text(&scale.0.to_string())),
            ("width", scale.at(goal.measured.unwrap_or(0))),
            ("end", scale.at(goal.target)),
            ("forecast", end),
            ("range", range.map(|forecast| hatched(&scale, forecast)).unwrap_or_default()),
            ("tick", tick(page, &scale, &goal)),
            ("usual", usual(page).map(|usual| Html::text(&usual.to_string())).unwrap_or_default()),
            ("usual_says", usual_says(page, &goal)),
            ("range_says", range.map(|forecast| range_says(page, forecast)).unwrap_or_default()),
        ],
    )
}

/// A target above zero, and how much of it is reached.
struct Goal {
    metric: Metric,
    target: i64,
    /// Absent where what the target counts is not known.
    measured: Option<i64>,
}

impl Goal {
    fn of(page: &Context) -> Option<Self> {
        let target = page.target().filter(|target| target.target > 0)?;
        let measured = page.figure(target.metric);
        Some(Self { metric: Metric::from_name(target.metric)?, target: signed(target.target), measured })
    }
}

/// What the target is of, where that is not adds.
fn named(page: &Context, metric: Metric) -> Html {
    page.words.with(Word::OfMetric, &[metric_word(metric).text(page.words.language)])
}

fn seal(page: &Context, metric: Metric) -> Html {
    match page.is_final(metric) {
        Some(true) => Html::default(),
        is_final => Html::join([Html::text(" "), provisional(page.words, is_final)]),
    }
}

/// Target and what is done of it, as a line of text.
pub(super) fn line(page: &Context) -> Option<String> {
    let goal = Goal::of(page)?;
    let language = page.words.language;
    let metric = metric_word(goal.metric).text(language);
    let metric = if goal.metric == Metric::Adds { String::new() } else { Word::OfMetric.with(language, &[metric]) };
    let done = goal.measured.and_then(|now| progress(now, goal.target))?;
    let certain = if page.is_final(goal.metric) == Some(true) { "" } else { Word::ProvisionalWord.text(language) };
    let [target, says] = [Word::Target, Word::Done].map(|word| word.text(language));
    Some(format!("{target}{metric} {}{says}{done}{certain}", number(goal.target.into())))
}

/// The right end of the bar: a little past the target and the forecast, so that both ends are seen.
struct Scale(i64);

impl Scale {
    fn new(goal: &Goal, forecast: Option<&Forecast>) -> Self {
        let farthest = goal.target.max(forecast.map_or(0, |forecast| signed(forecast.high)));
        Self(farthest.saturating_add(farthest / 33))
    }

    fn at(&self, value: i64) -> Html {
        length(value, self.0)
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The usual share of a day's adds by now in thousandths, unless it is withdrawn.
pub(super) fn usual(page: &Context) -> Option<i64> {
    let Pace { numerator, denominator } = page.facts.summary.as_ref()?.usual.filter(|_| !page.held())?;
    i64::try_from(thousandths(numerator, denominator)?).ok()
}

fn tick(page: &Context, scale: &Scale, goal: &Goal) -> Html {
    let Some(usual) = usual(page) else { return Html::default() };
    let at = goal.target.saturating_mul(usual) / 1000;
    Html::fill("<rect class=\"usual w\" x=\"{{x}}\" y=\"-4\" width=\"2\" height=\"22\"/>", &[("x", scale.at(at))])
}

fn hatched(scale: &Scale, forecast: &Forecast) -> Html {
    let width = signed(forecast.high.saturating_sub(forecast.low));
    Html::fill(
        "<rect class=\"range w\" x=\"{{x}}\" y=\".5\" width=\"{{width}}\" height=\"13\" rx=\"2\" fill=\"url(#hatch)\"/>",
        &[("x", scale.at(signed(forecast.low))), ("width", scale.at(width))],
    )
}

/// How far the day is ahead of the usual pace, in points of the target: the difference of the two shares that are shown.
fn usual_says(page: &Context, goal: &Goal) -> Html {
    let Some(usual) = usual(page) else {
        let why = page.facts.summary.as_ref().and_then(|summary| summary.usual_unknown);
        return unknown(page, why, |why| page.words.with(Word::NoUsual, &[why]));
    };
    let done = goal.measured.and_then(|measured| thousandths(measured, goal.target));
    let Some(done) = done else { return page.words.text(Word::NotKnown) };
    let usual = i128::from(usual);
    let apart = tenths((done - usual).abs(), 10);
    let (class, word) = if done >= usual { ("up", Word::Ahead) } else { ("down", Word::Behindhand) };
    let usual = tenths(usual, 10);
    Html::fill(
        "<span data-by-now>{{usual}}</span><span class=\"{{class}}\" data-pace>{{apart}}</span>",
        &[
            ("usual", page.words.with(Word::Usual, &[&usual])),
            ("class", Html::text(class)),
            ("apart", page.words.with(word, &[&apart])),
        ],
    )
}

fn to_go(page: &Context, goal: &Goal) -> Html {
    let left = known(goal.measured.map(|measured| goal.target.saturating_sub(measured).max(0)));
    Html::fill(
        "{{says}}<b class=\"num\" data-goal=\"{{goal}}\">{{left}}</b>",
        &[
            ("says", page.words.text(Word::ToGo)),
            ("goal", Html::text(&goal.target.to_string())),
            ("left", Html::text(&left)),
        ],
    )
}

fn forecast(page: &Context, says: Word, forecast: Option<&Forecast>) -> Html {
    let Some(forecast) = forecast.filter(|_| !page.held()) else {
        let why = page.facts.summary.as_ref().and_then(|summary| summary.forecast_unknown);
        return unknown(page, why, |why| page.words.with(Word::NoForecast, &[says.text(page.words.language), why]));
    };
    let adds = Html::text(&page.words.about(signed(forecast.adds)));
    let values = [("says", page.words.text(says)), ("adds", adds)];
    page.fill(&format!("{{{{says}}}} <b class=\"num\">{{{{adds}}}}</b> {SEAL_ESTIMATE}"), &values)
}

/// Why something is not told; what is held says so elsewhere.
fn unknown(page: &Context, why: Option<Unknown>, says: impl Fn(&str) -> Html) -> Html {
    let why = match why {
        Some(Unknown::Held) => return Html::default(),
        Some(Unknown::Person) => Word::WhyPerson,
        Some(Unknown::Over) => Word::WhyOver,
        Some(Unknown::FewDays) => Word::WhyFewDays,
        Some(Unknown::NoAdds) => Word::WhyNoAdds,
        Some(Unknown::TooEarly) => Word::WhyTooEarly,
        Some(Unknown::Unread) | None => Word::WhyUnread,
    };
    says(why.text(page.words.language))
}

fn range_says(page: &Context, forecast: &Forecast) -> Html {
    let ends = [forecast.low, forecast.high].map(|end| page.words.about(signed(end)));
    let low = ends[0].trim_end_matches(" 万");
    Html::text(&format!("{low}–{}", ends[1]))
}
