//! The day as a chart: bars of today, late ones hatched, the day before as a line.
//!
//! Invariant: a bar is solid only where its step is complete.

use super::text::length;
use super::{Context, minute_of};
use crate::board::html::{Html, number};
use crate::board::trend::Trend;
use crate::board::words::Word;

/// A chart of a trend; `label` says in words what it shows.
pub(super) fn plot(page: &Context, trend: &Trend, label: Html) -> Html {
    let chart = Chart::new(trend);
    let numbers = |counts: &[Option<u64>]| {
        let texts: Vec<_> = counts.iter().map(|count| count.map(|n| n.to_string()).unwrap_or_default()).collect();
        Html::text(&texts.join(","))
    };
    Html::fill(
        include_str!("plot.html").trim_end(),
        &[
            ("step", Html::text(&trend.step_seconds.to_string())),
            ("adds", numbers(&trend.adds)),
            ("late", numbers(&trend.late_adds)),
            ("before", numbers(&trend.baseline_adds)),
            ("label", label),
            ("minutes", Html::text(&chart.minutes.to_string())),
            ("lines", chart.lines()),
            ("y_labels", chart.y_labels()),
            ("x_labels", chart.x_labels(page)),
            ("bars", Html::text(&chart.bars())),
            ("hatched", chart.hatched()),
            ("steps", Html::text(&if page.held() { String::new() } else { chart.steps() })),
            ("now", chart.now(page)),
        ],
    )
}

struct Chart<'a> {
    trend: &'a Trend,
    /// Minutes of a step and of the day.
    step: u64,
    minutes: u64,
    /// Adds at the upper edge, and between two lines.
    top: u64,
    line: u64,
}

impl<'a> Chart<'a> {
    fn new(trend: &'a Trend) -> Self {
        let step = (trend.step_seconds / 60).max(1);
        let steps = u64::try_from(trend.adds.len().max(trend.baseline_adds.len())).unwrap_or(0);
        let largest = trend.adds.iter().chain(&trend.baseline_adds).flatten().copied().max().unwrap_or(0);
        let top = (largest + largest / 8).max(4);
        // Lines at 1, 2 or 5 times a power of ten, so that two to five of them are seen.
        let mut line = 1;
        for factor in [2, 5, 10].iter().cycle() {
            if top / line <= 4 {
                break;
            }
            let power = 10_u64.pow(line.ilog10());
            line = power * factor;
        }
        Self { trend, step, minutes: (steps * step).max(1), top, line }
    }

    fn x(&self, minute: u64) -> Html {
        length(i64::try_from(minute).unwrap_or(0), i64::try_from(self.minutes).unwrap_or(1))
    }

    fn y(&self, adds: u64) -> Html {
        length(i64::try_from(self.top.saturating_sub(adds)).unwrap_or(0), i64::try_from(self.top).unwrap_or(1))
    }

    /// The same in thousandths of the height, for paths.
    fn thousandths(&self, adds: u64) -> u64 {
        1000 - (adds * 1000 / self.top).min(1000)
    }

    /// Until when everything is counted, while that is a moment of this day.
    fn now(&self, page: &Context) -> Html {
        let Some(complete) = page.complete_on_day() else { return Html::default() };
        let at = u64::try_from(minute_of(&complete)).unwrap_or(0).min(self.minutes);
        let late_half = at * 10 > self.minutes * 7;
        Html::fill(
            "<line class=\"now\" x1=\"{{now}}\" x2=\"{{now}}\" y1=\"0\" y2=\"100%\"/>\
             <text class=\"now-says\" x=\"{{now}}\" dx=\"{{dx}}\" y=\"11\" text-anchor=\"{{anchor}}\">{{says}}</text>",
            &[
                ("now", self.x(at)),
                ("dx", Html::text(if late_half { "-6" } else { "6" })),
                ("anchor", Html::text(if late_half { "end" } else { "start" })),
                ("says", page.words.with(Word::CompleteAt, &[&complete.strftime("%H:%M").to_string()])),
            ],
        )
    }

    fn lines(&self) -> Html {
        Html::join((0..=self.top / self.line).map(|n| {
            Html::fill("<line class=\"grid\" x2=\"100%\" y1=\"{{y}}\" y2=\"{{y}}\"/>", &[("y", self.y(n * self.line))])
        }))
    }

    fn y_labels(&self) -> Html {
        Html::join((0..=self.top / self.line).map(|n| {
            let values = [("y", self.y(n * self.line)), ("says", Html::text(&number((n * self.line).into())))];
            Html::fill("<text x=\"100%\" y=\"{{y}}\" dx=\"-6\" dy=\"4\" text-anchor=\"end\">{{says}}</text>", &values)
        }))
    }

    fn x_labels(&self, page: &Context) -> Html {
        let hours = self.minutes / 60;
        Html::join([0, 6, 12, 18, 24].into_iter().filter(|hour| *hour <= hours).map(|hour| {
            let anchor = match hour {
                0 => "start",
                24 => "end",
                _ => "middle",
            };
            Html::fill(
                "<text x=\"{{x}}\" y=\"14\" text-anchor=\"{{anchor}}\">{{says}}</text>",
                &[
                    ("x", self.x(hour * 60)),
                    ("anchor", Html::text(anchor)),
                    ("says", page.words.with(Word::AtHour, &[&hour.to_string()])),
                ],
            )
        }))
    }

    /// The solid bars: what came in time, of complete steps.
    fn bars(&self) -> String {
        let complete = self.trend.adds.iter().take(self.trend.complete_steps).enumerate();
        complete.fold(String::new(), |path, (step, adds)| {
            let in_time = adds.unwrap_or(0).saturating_sub(self.late(step));
            if in_time == 0 {
                return path;
            }
            let left = u64::try_from(step).unwrap_or(0) * self.step;
            // A gap of a tenth of a step between bars.
            let width = (self.step * 9 / 10).max(1);
            format!("{path}M{left} 1000V{}h{width}V1000z", self.thousandths(in_time))
        })
    }

    fn late(&self, step: usize) -> u64 {
        self.trend.late_adds.get(step).copied().flatten().unwrap_or(0)
    }

    /// The late adds upon their bars, and the step that is not complete.
    fn hatched(&self) -> Html {
        let bar = |step: usize, from: u64, to: u64, pattern: &str| {
            let left = u64::try_from(step).unwrap_or(0) * self.step;
            let height = i64::try_from(to.saturating_sub(from)).unwrap_or(0);
            Html::fill(
                "<rect class=\"{{pattern}}-bar\" x=\"{{x}}\" y=\"{{y}}\" width=\"{{width}}\" height=\"{{height}}\" fill=\"url(#{{pattern}})\"/>",
                &[
                    ("pattern", Html::text(pattern)),
                    ("x", self.x(left)),
                    ("y", self.y(to)),
                    ("width", self.x((self.step * 9 / 10).max(1))),
                    ("height", length(height, i64::try_from(self.top).unwrap_or(1))),
                ],
            )
        };
        Html::join(self.trend.adds.iter().enumerate().filter_map(|(step, adds)| {
            let adds = adds.unwrap_or(0);
            if step >= self.trend.complete_steps {
                return (adds > 0).then(|| bar(step, 0, adds, "hatch"));
            }
            let late = self.late(step).min(adds);
            (late > 0).then(|| bar(step, adds - late, adds, "late"))
        }))
    }

    /// The day before as a line of steps.
    fn steps(&self) -> String {
        let before = self.trend.baseline_adds.iter().enumerate();
        before.fold(String::new(), |path, (step, adds)| {
            let right = u64::try_from(step + 1).unwrap_or(0) * self.step;
            let level = self.thousandths(adds.unwrap_or(0));
            if path.is_empty() { format!("M0 {level}H{right}") } else { format!("{path}V{level}H{right}") }
        })
    }
}
