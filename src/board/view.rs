//! What a viewer asks for: the parameters of the page and of every path under `/api/v1/`.
//!
//! Invariant: a view that was read here is possible; whatever comes later need not check it again.

use std::collections::HashMap;

use jiff::civil::Date;

use super::access::sight::Viewer;
use super::problem::Problem;
use super::trend::{STEP_SECONDS, STEPS_SECONDS};
use crate::event::named;

named! {
    /// The levels of the organisation, from the root to the leaf.
    Level { Corp = "corp", Region = "region", Store = "store", Staff = "staff" }
}

named! {
    /// What a leaderboard ranks.
    Metric { Adds = "adds", NetAdds = "net_adds", QualifiedAdds = "qualified_adds" }
}

named! {
    /// Which rows of a leaderboard are listed.
    Filter {
        All = "all",
        /// Those without an add on the day.
        Zero = "zero",
    }
}

named! {
    /// By which measure of the metric a leaderboard is in order.
    Order {
        /// The metric itself.
        Total = "total",
        /// Divided by the active staff of the row.
        PerHead = "per_head",
        /// Divided by the target of the row.
        Target = "target",
    }
}

named! {
    /// Languages of the page.
    Language { Zh = "zh", En = "en" }
}

impl Language {
    /// As HTML names it (BCP 47).
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }
}

named! {
    /// The pages. The parameter `view` names them, and without it the path.
    Page { Today = "today", Rank = "rank", Channels = "channels", Me = "me", Wall = "wall" }
}

impl Page {
    /// Its path, relative to the root of the board.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Today | Self::Rank | Self::Channels => "./",
            Self::Me => "me",
            Self::Wall => "wall",
        }
    }
}

named! {
    /// Light or dark, or as the device is set.
    Theme { System = "system", Light = "light", Dark = "dark" }
}

named! {
    /// Forms of an answer.
    Format { Json = "json", Csv = "csv" }
}

/// A part of the organisation: the corp itself (`id` is empty), a region, a store or a member of staff.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    pub level: Level,
    pub id: String,
}

impl Scope {
    /// The whole corp.
    #[must_use]
    pub fn corp() -> Self {
        Self { level: Level::Corp, id: String::new() }
    }

    /// From the text of the parameter `scope`; absent for any other text.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (level, id) = text.split_once(':').unwrap_or((text, ""));
        let level = Level::from_name(level).filter(|level| {
            let named = !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.contains('\0');
            if *level == Level::Corp { text == "corp" } else { named }
        })?;
        Some(Self { level, id: id.to_owned() })
    }

    /// What it has in common with all scopes of its level.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self { level: self.level, id: String::new() }
    }

    /// Levels that a leaderboard of this scope can show, the nearest first.
    #[must_use]
    pub fn levels(&self) -> &'static [Level] {
        match self.level {
            Level::Corp => &[Level::Region, Level::Store, Level::Staff],
            Level::Region => &[Level::Store, Level::Staff],
            Level::Store | Level::Staff => &[Level::Staff],
        }
    }

    /// The text of the parameter `scope`.
    #[must_use]
    pub fn text(&self) -> String {
        match self.level {
            Level::Corp => "corp".to_owned(),
            level @ (Level::Region | Level::Store | Level::Staff) => format!("{}:{}", level.name(), self.id),
        }
    }
}

/// What is read from ClickHouse for a view: viewers whose views agree in this share one reading, and views that differ in the
/// id of their scope alone are read together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watched {
    pub corp: String,
    /// The business day; absent: today in the zone of the corp, whichever day that becomes.
    pub day: Option<Date>,
    pub scope: Scope,
    /// Of the rows of the leaderboard.
    pub level: Level,
}

/// One view in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub watched: Watched,
    pub metric: Metric,
    pub order: Order,
    pub filter: Filter,
    /// Of the trend.
    pub step_seconds: u64,
    /// Rows of the leaderboard before the page that is shown.
    pub from: usize,
    pub language: Language,
    /// Absent: as the page is by itself, dark on the wall and like the device elsewhere.
    pub theme: Option<Theme>,
    pub format: Format,
    /// What is searched for.
    pub text: String,
    pub page: Page,
    /// Who looks; until that is judged, as one who sees everything.
    pub viewer: Viewer,
}

/// What a request means where it does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    pub corp: String,
    pub scope: Scope,
}

impl Defaults {
    /// The whole of a corp.
    #[must_use]
    pub fn of(corp: &str) -> Self {
        Self { corp: corp.to_owned(), scope: Scope::corp() }
    }
}

/// Names are at most this long (contract, section 1), so longer ones exist nowhere.
const ID_BYTES_MAX: usize = 64;

impl View {
    /// Reads the parameters of a request.
    ///
    /// Parameters that are not known here are ignored, for links gather them on their way through chats.
    ///
    /// # Errors
    /// [`Problem::Parameter`] for the first value that is not allowed.
    pub fn read(parameters: &HashMap<String, String>, defaults: &Defaults) -> Result<Self, Problem> {
        let given = |field: &str| parameters.get(field).map(String::as_str).filter(|value| !value.is_empty());
        let corp = given("corp").unwrap_or(&defaults.corp);
        if corp.len() > ID_BYTES_MAX || corp.contains(['/', '\0']) {
            return Err(problem("corp", ["an id of 0 to 64 bytes without `/`"]));
        }
        let scope = given("scope").map_or_else(|| Ok(defaults.scope.clone()), scope)?;
        let levels = scope.levels();
        let level = match given("level") {
            None => levels[0],
            Some(name) => Level::from_name(name)
                .filter(|level| levels.contains(level))
                .ok_or_else(|| problem("level", levels.iter().map(|level| level.name())))?,
        };
        let day = given("day").map(|day| day_of(day).ok_or_else(|| problem("day", ["YYYY-MM-DD"]))).transpose()?;
        let from = given("from").map_or(Some(0), |from| from.parse().ok().filter(|from| *from <= ROWS_MAX));
        let step = given("step_seconds")
            .map_or(Some(STEP_SECONDS), |step| STEPS_SECONDS.into_iter().find(|allowed| allowed.to_string() == step));
        let text = given("q").unwrap_or_default();
        if text.chars().count() > ID_BYTES_MAX || text.contains('\0') {
            return Err(problem("q", ["a part of a name or id, 1 to 64 characters"]));
        }
        Ok(Self {
            text: text.to_owned(),
            watched: Watched { corp: corp.to_owned(), day, scope, level },
            metric: choice(
                "metric",
                given("metric"),
                Metric::Adds,
                Metric::from_name,
                Metric::ALL.iter().map(|m| m.name()),
            )?,
            order: choice(
                "order",
                given("order"),
                Order::Total,
                Order::from_name,
                Order::ALL.iter().map(|o| o.name()),
            )?,
            filter: choice(
                "filter",
                given("filter"),
                Filter::All,
                Filter::from_name,
                Filter::ALL.iter().map(|f| f.name()),
            )?,
            step_seconds: step.ok_or_else(|| problem("step_seconds", STEPS_SECONDS.iter().map(u64::to_string)))?,
            from: from.ok_or_else(|| problem("from", ["a number of rows, 0 to 1000000"]))?,
            language: choice(
                "lang",
                given("lang"),
                Language::Zh,
                Language::from_name,
                Language::ALL.iter().map(|l| l.name()),
            )?,
            format: choice(
                "format",
                given("format"),
                Format::Json,
                Format::from_name,
                Format::ALL.iter().map(|f| f.name()),
            )?,
            theme: given("theme")
                .map(|name| {
                    Theme::from_name(name).ok_or_else(|| problem("theme", Theme::ALL.iter().map(|theme| theme.name())))
                })
                .transpose()?,
            page: choice("view", given("view"), Page::Today, Page::from_name, Page::ALL.iter().map(|p| p.name()))?,
            viewer: Viewer::default(),
        })
    }

    /// The page that has a path of its own. A wall shows stores where nothing else is asked for, for regions are few.
    #[must_use]
    pub fn at(mut self, path: &str, parameters: &HashMap<String, String>) -> Self {
        match path.rsplit('/').next() {
            Some("me") => self.page = Page::Me,
            Some("wall") => {
                self.page = Page::Wall;
                if !parameters.contains_key("level") && self.watched.level == Level::Region {
                    self.watched.level = Level::Store;
                }
            }
            Some(_) | None => {}
        }
        self
    }

    /// The same for another scope, from its first row and at its nearest level.
    #[must_use]
    pub fn of(&self, scope: Scope) -> Self {
        let watched = Watched { level: scope.levels()[0], scope, ..self.watched.clone() };
        Self { watched, from: 0, ..self.clone() }
    }

    /// The query of a link to this view; defaults are left out, so that links stay short.
    #[must_use]
    pub fn query(&self) -> String {
        let watched = &self.watched;
        let mut pairs = vec![("corp", watched.corp.clone())];
        if matches!(self.page, Page::Rank | Page::Channels) {
            pairs.push(("view", self.page.name().to_owned()));
        }
        // Whoever does not see the whole corp gets another scope where none is given.
        if watched.scope.level != Level::Corp {
            pairs.push(("scope", watched.scope.text()));
        }
        if let Some(day) = watched.day {
            pairs.push(("day", day.to_string()));
        }
        if watched.level != watched.scope.levels()[0] {
            pairs.push(("level", watched.level.name().to_owned()));
        }
        if self.metric != Metric::Adds {
            pairs.push(("metric", self.metric.name().to_owned()));
        }
        if self.order != Order::Total {
            pairs.push(("order", self.order.name().to_owned()));
        }
        if self.filter != Filter::All {
            pairs.push(("filter", self.filter.name().to_owned()));
        }
        if self.from > 0 {
            pairs.push(("from", self.from.to_string()));
        }
        if self.language != Language::Zh {
            pairs.push(("lang", self.language.name().to_owned()));
        }
        if let Some(theme) = self.theme {
            pairs.push(("theme", theme.name().to_owned()));
        }
        let text: Vec<_> = pairs.iter().map(|(field, value)| format!("{field}={}", percent_encoded(value))).collect();
        text.join("&")
    }
}

/// More rows than any organisation has staff; a larger start is a mistake in a link.
const ROWS_MAX: usize = 1_000_000;

fn problem<T: Into<String>>(field: &'static str, allowed: impl IntoIterator<Item = T>) -> Problem {
    Problem::Parameter { field, allowed: allowed.into_iter().map(Into::into).collect() }
}

fn choice<T>(
    field: &'static str,
    given: Option<&str>,
    default: T,
    from_name: fn(&str) -> Option<T>,
    allowed: impl Iterator<Item = &'static str>,
) -> Result<T, Problem> {
    given.map_or(Ok(default), |name| from_name(name).ok_or_else(|| problem(field, allowed)))
}

fn scope(text: &str) -> Result<Scope, Problem> {
    Scope::read(text).ok_or_else(|| problem("scope", ["corp", "region:ID", "store:ID", "staff:ID"]))
}

/// The day of `YYYY-MM-DD`, and of no other form, within the years that a ClickHouse `Date` can hold.
fn day_of(text: &str) -> Option<Date> {
    let day: Date = text.parse().ok()?;
    (day.to_string() == text && (1971..=2148).contains(&day.year())).then_some(day)
}

/// Text as a value in the query of a link (RFC 3986: all but the unreserved characters, and `:`, which a query may hold).
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' | b':' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<View, Problem> {
        let parameters = pairs.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
        View::read(&parameters, &Defaults::of("acme"))
    }

    fn refused(field: &str, value: &str) -> Vec<String> {
        match read(&[(field, value)]) {
            Err(Problem::Parameter { field: named, allowed }) if named == field => allowed,
            other => panic!("`{field}={value}` gave {other:?}"),
        }
    }

    #[test]
    fn a_bare_link_shows_the_regions_of_the_corp_today() {
        let view = read(&[]).unwrap();
        assert_eq!(view.watched.corp, "acme");
        assert_eq!(view.watched.day, None);
        assert_eq!((view.watched.scope.level, view.watched.level), (Level::Corp, Level::Region));
    }

    #[test]
    fn a_wrong_value_is_refused_with_the_values_that_are_allowed() {
        assert_eq!(refused("metric", "best"), ["adds", "net_adds", "qualified_adds"]);
        assert_eq!(refused("filter", "none"), ["all", "zero"]);
        assert_eq!(refused("order", "best"), ["total", "per_head", "target"]);
        assert_eq!(refused("scope", "shop:1")[2], "store:ID");
        assert_eq!(refused("scope", "store:")[0], "corp");
        assert_eq!(refused("scope", "corp:x")[0], "corp");
        assert_eq!(refused("day", "2026-2-30"), ["YYYY-MM-DD"]);
        assert_eq!(refused("day", "2026-11-24T00:00:00"), ["YYYY-MM-DD"]);
        assert_eq!(refused("level", "corp"), ["region", "store", "staff"]);
        assert_eq!(refused("from", "-1").len(), 1);
        assert_eq!(refused("step_seconds", "601").len(), 6);
        assert_eq!(refused("lang", "fr"), ["zh", "en"]);
    }

    #[test]
    fn a_level_above_the_scope_is_refused() {
        let above = read(&[("scope", "store:S1"), ("level", "region")]);
        assert_eq!(above, Err(problem("level", ["staff"])));
    }

    #[test]
    fn a_link_of_a_view_reads_as_that_view() {
        let pairs = [
            ("corp", "a&b"),
            ("scope", "region:华东"),
            ("day", "2026-11-22"),
            ("level", "staff"),
            ("metric", "net_adds"),
            ("order", "per_head"),
            ("filter", "zero"),
            ("from", "50"),
            ("lang", "en"),
            ("view", "rank"),
            ("theme", "dark"),
        ];
        let view = read(&pairs).unwrap();
        let query = view.query();
        let uri: axum::http::Uri = format!("/?{query}").parse().unwrap();
        let parameters = axum::extract::Query::<HashMap<String, String>>::try_from_uri(&uri).unwrap().0;
        assert_eq!(View::read(&parameters, &Defaults::of("other")).unwrap(), view, "{query}");
    }
}
