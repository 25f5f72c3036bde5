//! The pages, with their first figures in the HTML.
//!
//! Invariant: pure; a page says how far its figures are complete, and shows no figure that its viewer may not see.
//!
//! Why a page is made by the functions that answer the API and not from the snapshot: what a page shows and what a client is
//! told are then the same by construction, withdrawals and limits of a scope included.
//!
//! Why the trend is drawn here and not by a library in the browser: a day is three paths, which cost 2 kB where uPlot
//! costs 23 kB, which are there without JavaScript, and which take their colours from the theme.

mod attention;
mod channels;
mod corrections;
mod facts;
mod figures;
mod hero;
mod icons;
mod me;
mod plot;
mod rank;
mod rows;
mod sheets;
mod shell;
mod target;
mod text;
mod today;
mod trend;
mod wall;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

use self::facts::Facts;
use self::text::Words;
use super::access::sight::Sight;
use super::days::DayState;
use super::html::Html;
use super::leaderboard::{Leaderboard, Row};
use super::snapshot::Snapshot;
use super::summary::{Baseline, Target};
use super::view::{Metric, Page, View};
use super::words::Word;

type Values = Vec<(&'static str, Html)>;

/// What every part of a page is made from.
struct Context<'a> {
    words: Words,
    view: &'a View,
    facts: &'a Facts,
    zone: TimeZone,
}

/// The page of a view whose figures were read `age` ago; `colleagues` are the ranks around the person of the page `/me`.
#[must_use]
pub fn page(view: &View, snapshot: &Snapshot, age: Duration, colleagues: Option<Leaderboard>) -> String {
    render(view, &Facts::read(view, snapshot, age, colleagues))
}

/// The page of a view of which nothing is known yet: grey blocks of the final size, which fill themselves.
#[must_use]
pub fn page_without_figures(view: &View) -> String {
    shell::loading(view).into_string()
}

fn render(view: &View, facts: &Facts) -> String {
    let zone = TimeZone::get(&facts.frame.time_zone).unwrap_or(TimeZone::UTC);
    let page = Context { words: Words { language: view.language }, view, facts, zone };
    let body = match view.page {
        Page::Today => shell::phone(&page, today::main(&page), Html::default()),
        Page::Rank => shell::phone(&page, rank::main(&page), rank::pin(&page)),
        Page::Channels => shell::phone(&page, channels::main(&page), Html::default()),
        Page::Me => shell::phone(&page, me::main(&page), Html::default()),
        Page::Wall => wall::wall(&page),
    };
    shell::document(&page, body).into_string()
}

impl Context<'_> {
    /// A figure of the scope by its name; absent where it is not known, or not for this viewer.
    fn figure(&self, name: &str) -> Option<i64> {
        self.facts.summary.as_ref()?.figures.get(name)
    }

    /// The same as text.
    fn shown(&self, name: &str) -> Html {
        Html::text(&text::known(self.figure(name)))
    }

    fn adds(&self) -> i64 {
        self.figure("adds").unwrap_or(0)
    }

    /// The day before, then the day a week before.
    fn baselines(&self) -> &[Baseline] {
        self.facts.summary.as_ref().map(|summary| summary.baselines.as_slice()).unwrap_or_default()
    }

    fn target(&self) -> Option<&Target> {
        self.facts.summary.as_ref()?.target.as_ref()
    }

    fn qualified_final(&self) -> Option<bool> {
        self.facts.qualified_final
    }

    /// Whether a figure of this metric can no longer change.
    fn is_final(&self, metric: Metric) -> Option<bool> {
        match metric {
            Metric::Adds | Metric::NetAdds => Some(true),
            Metric::QualifiedAdds => self.qualified_final(),
        }
    }

    fn fill(&self, template: &str, values: &[(&str, Html)]) -> Html {
        self.words.fill(template, values)
    }

    /// Whether comparisons are withdrawn: some partitions are ahead of others, so they would be unfair.
    fn held(&self) -> bool {
        self.facts.frame.freshness.holds_comparisons()
    }

    /// A word whose definition opens where it is touched; a wall, which nobody touches, has none to open.
    fn term(&self, key: &str, word: Word) -> Html {
        let template = match self.view.page {
            Page::Wall => "{{word}}",
            Page::Today | Page::Rank | Page::Channels | Page::Me => {
                "<button type=\"button\" class=\"def\" data-def=\"{{key}}\">{{word}}</button>"
            }
        };
        Html::fill(template, &[("key", Html::text(key)), ("word", self.words.text(word))])
    }

    /// Whether the page of a row is for the viewer; `None` stands for rows that the browser makes.
    fn leads_inside(&self, row: Option<&Row>) -> bool {
        let viewer = &self.view.viewer;
        let level = self.view.watched.level;
        let is_own = |row: &Row| viewer.own.as_ref().is_some_and(|own| own.level == level && own.id == row.id);
        viewer.sight == Sight::Whole || row.is_some_and(is_own)
    }

    /// Whether the day that is shown is the one that goes on by the clock of the server.
    fn is_today(&self) -> bool {
        let lag = self.facts.frame.freshness.lag_seconds.and_then(|lag| i64::try_from(lag).ok());
        let complete = self.complete_through().and_then(|at| text::local(at, &self.zone));
        let now = complete.zip(lag).and_then(|(at, lag)| at.checked_add(SignedDuration::from_secs(lag)).ok());
        self.view.watched.day.is_none()
            || now.is_some_and(|now| now.date().to_string() == self.facts.frame.business_date)
    }

    /// Whether all of the day is counted, so that nothing of it is still usual by now.
    fn is_over(&self) -> bool {
        self.facts.frame.day_state != DayState::Open
    }

    /// What the day that is shown is called, and the day before it.
    fn day_words(&self) -> (Word, Word) {
        if self.is_today() { (Word::TodayShort, Word::Yesterday) } else { (Word::ThisDay, Word::DayBefore) }
    }

    /// A time of day in the zone of the corp.
    fn time(&self, instant: Option<&str>, pattern: &str) -> String {
        let local = instant.and_then(|instant| text::local(instant, &self.zone));
        local.map_or_else(|| text::NONE.to_owned(), |local| local.strftime(pattern).to_string())
    }

    fn complete_through(&self) -> Option<&str> {
        self.facts.frame.freshness.complete_through.as_deref()
    }

    /// The same where it is a moment of the day that is shown.
    fn complete_on_day(&self) -> Option<Zoned> {
        let complete = text::local(self.complete_through()?, &self.zone)?;
        Some(complete).filter(|at| at.date().to_string() == self.facts.frame.business_date)
    }

    /// The same as text: a time of the day that is shown, or with its own date.
    fn complete(&self) -> String {
        let pattern = if self.complete_on_day().is_some() { "%H:%M:%S" } else { DATED };
        self.time(self.complete_through(), pattern)
    }
}

/// A moment with its date.
const DATED: &str = "%Y-%m-%d %H:%M:%S";

/// Minutes of its day that have passed.
fn minute_of(at: &Zoned) -> i64 {
    i64::from(at.hour()) * 60 + i64::from(at.minute())
}

/// The link to a view, from any page of the board.
fn link(view: &View) -> Html {
    Html::text(&format!("{}?{}", view.page.path(), view.query()))
}

/// The mark of a figure that may still change; nothing for one that is final.
fn provisional(words: Words, is_final: Option<bool>) -> Html {
    if is_final == Some(true) { Html::default() } else { words.fill(SEAL_PROVISIONAL, &[]) }
}

/// How a bar is drawn whose figure may still change; nothing for one that is final.
fn hatching(is_final: Option<bool>) -> Html {
    if is_final == Some(true) { Html::default() } else { Html::fill(" fill=\"url(#hatch)\"", &[]) }
}

const SEAL_PROVISIONAL: &str = "<span class=\"seal\" title=\"{{:provisional_says}}\">{{:provisional}}</span>";
const SEAL_ESTIMATE: &str = "<span class=\"seal\">{{:estimate}}</span>";
const SEAL_REVISED: &str = "<span class=\"seal amend\">{{:revised}}</span>";
const SEAL_HELD: &str = "<span class=\"seal halt\">{{:seal_held}}</span>";

#[cfg(test)]
mod tests;
