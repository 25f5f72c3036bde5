//! Adds by ten minutes.
//!
//! Invariant: the table beside the chart has the same figures, by the hour.

use super::{Context, plot};
use crate::board::html::{Html, number};
use crate::board::trend::Trend;
use crate::board::words::Word;

pub(super) fn section(page: &Context) -> Html {
    let Some(trend) = &page.facts.trend else {
        return page.fill(
            "<section class=\"trend\" id=\"trend\"><h2>{{:trend_plain}}</h2><p class=\"note\">{{:not_known}}</p></section>",
            &[],
        );
    };
    let title = title(page, trend);
    page.fill(
        include_str!("trend.html"),
        &[
            ("title", title.clone()),
            ("legend", legend(page, trend)),
            ("plot", plot::plot(page, trend, title)),
            ("hours", table(page, trend)),
        ],
    )
}

/// What bars, line and hatching are.
pub(super) fn legend(page: &Context, trend: &Trend) -> Html {
    let (day, before) = page.day_words();
    let in_progress = page.words.with(Word::InProgress, &[&(trend.step_seconds / 60).to_string()]);
    page.fill(
        include_str!("legend.html").trim_end(),
        &[("day", page.words.text(day)), ("before", page.words.text(before)), ("in_progress", in_progress)],
    )
}

/// Adds per 10 minutes, or whatever a step is.
pub(super) fn title(page: &Context, trend: &Trend) -> Html {
    page.words.with(Word::TrendTitle, &[&(trend.step_seconds / 60).to_string()])
}

/// The figures of the chart by the hour.
pub(super) fn table(page: &Context, trend: &Trend) -> Html {
    let (day, before) = page.day_words();
    page.fill(
        "<table><thead><tr><th scope=\"col\">{{:hour}}</th><th scope=\"col\">{{day}}</th><th scope=\"col\" class=\"w\">{{before}}</th></tr></thead><tbody>{{hours}}</tbody></table>",
        &[("day", page.words.text(day)), ("before", page.words.text(before)), ("hours", hours(page, trend))],
    )
}

fn hours(page: &Context, trend: &Trend) -> Html {
    let steps = usize::try_from(3600 / trend.step_seconds.max(1)).unwrap_or(1).max(1);
    let sum = |counts: &[Option<u64>]| counts.iter().flatten().sum::<u64>();
    let lines = trend.adds.chunks(steps).enumerate().take_while(|(hour, _)| hour * steps <= trend.complete_steps);
    Html::join(lines.map(|(hour, today)| {
        let from = (hour * steps).min(trend.baseline_adds.len());
        let to = (from + steps).min(trend.baseline_adds.len());
        let so_far = (hour + 1) * steps > trend.complete_steps;
        Html::fill("<tr class=\"num\"><th scope=\"row\">{{hour}}:00</th><td>{{today}} {{so_far}}</td><td class=\"w\">{{before}}</td></tr>", &[
            ("hour", Html::text(&format!("{hour:02}"))),
            ("today", Html::text(&number(sum(today).into()))),
            ("so_far", if so_far { page.words.text(Word::SoFar) } else { Html::default() }),
            ("before", if from == to { Html::default() } else { Html::text(&number(sum(&trend.baseline_adds[from..to]).into())) }),
        ])
    }))
}
