//! Compares rollups, facts, ledger and, if wished, the log, for a range of business days.
//!
//! Invariant: reads only. What a running pipeline is about to complete is no difference: nothing is compared beyond what
//! its rows say of themselves, and a difference is told only if a second look finds the same one.

mod checks;
mod deep;
pub(crate) mod sql;

use std::{fmt, time::Duration};

use jiff::{Timestamp, ToSpan as _, civil};

use crate::{
    config,
    corp::{self, Corps},
    progress::{Progress, Telling},
    sink::{self, ClickHouse, Sink as _},
    source,
    window::{self, Date},
};
pub use checks::Check;
pub(crate) use checks::Warehouse;

/// `yinliu verify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// The first business day; by default yesterday
    #[arg(long, value_name = "DAY")]
    pub from: Option<civil::Date>,
    /// The last business day, inclusive; by default today
    #[arg(long, value_name = "DAY")]
    pub to: Option<civil::Date>,
    /// Read the input topics too, as far as they reach, and compare what they count with the facts
    #[arg(long)]
    pub deep: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("set up the tenants")]
    Corps(#[from] corp::Error),
    #[error(
        "choose the days: the first is `{from}`, the last `{to}`; they lie in order between 1970-01-01 and 2149-06-06"
    )]
    Days { from: civil::Date, to: civil::Date },
    #[error("read the warehouse")]
    Sink(#[from] sink::Error),
    #[error("read the input topics")]
    Source(#[from] source::Error),
    #[error("read the input topics")]
    Kafka(#[from] rdkafka::error::KafkaError),
    #[error("read the input topics: the reading thread is gone")]
    Gone,
}

/// Business days, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    pub from: Date,
    pub to: Date,
}

/// One figure that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub check: Check,
    /// The business day as `YYYY-MM-DD`; empty where the figure belongs to no day.
    pub day: String,
    /// The key: dimensions, and the partition and chunk.
    pub place: String,
    pub counter: String,
    pub expected: u64,
    pub found: u64,
}

/// What was compared, and what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub days: Days,
    /// Records that the rollups by day count in these days.
    pub records: u64,
    /// In the order of the checks, then by day and key.
    pub differences: Vec<Difference>,
    /// What is worth knowing, but no difference.
    pub notes: Vec<String>,
}

/// More lines than these tell nothing more.
const LINES_MAX: usize = 50;

/// A flush in flight is over by then. No multiple of a flush's interval, so that two looks do not meet two flushes at the
/// same moment of theirs.
const PAUSE: Duration = Duration::from_millis(1_300);

/// Compares what the settings ask for; `wall_ms` is the wall clock in milliseconds since the epoch.
///
/// # Errors
/// ClickHouse or Kafka cannot be read. Differences are an answer, not an error.
pub async fn run(settings: &Settings, config: &config::Config, wall_ms: i64) -> Result<Report, Error> {
    let corps = Corps::new(&config.corp)?;
    let days = Days::choose(settings.from, settings.to, &corps, wall_ms)?;
    let sink = ClickHouse::new(&config.clickhouse);
    // A lagging replica would differ from itself.
    sink.sync().await?;
    let warehouse = checks::Warehouse { client: sink.client(), chunk: &config.chunk, days };
    let mut report = Report { days, records: warehouse.records().await?, differences: Vec::new(), notes: Vec::new() };
    let progress = Progress::start(Telling::Progress);
    for &check in Check::ALL {
        progress.step(&format!("comparing {}", check.name()));
        report.differences.extend(persistent(&warehouse, check).await?);
    }
    progress.step("looking for events that were counted more than once");
    report.notes.extend(warehouse.repetitions().await?);
    if settings.deep {
        let found = deep::compare(&warehouse, &sink, config, &corps, &progress).await?;
        report.differences.extend(found.differences);
        report.notes.extend(found.notes);
    }
    Ok(report)
}

/// What two looks find alike: a figure that is on its way moves between them.
async fn persistent(warehouse: &checks::Warehouse<'_>, check: Check) -> Result<Vec<Difference>, sink::Error> {
    let first = warehouse.look(check).await?;
    if first.is_empty() {
        return Ok(first);
    }
    tokio::time::sleep(PAUSE).await;
    let second = warehouse.look(check).await?;
    let same = |one: &Difference, other: &Difference| {
        (&one.day, &one.place, &one.counter) == (&other.day, &other.place, &other.counter)
            && one.found.wrapping_sub(one.expected) == other.found.wrapping_sub(other.expected)
    };
    let first: std::collections::HashMap<_, _> =
        first.iter().map(|one| ((&one.day, &one.place, &one.counter), one)).collect();
    let known =
        |one: &Difference| first.get(&(&one.day, &one.place, &one.counter)).is_some_and(|other| same(one, other));
    Ok(second.into_iter().filter(known).collect())
}

impl Days {
    /// The days that are asked for; by default yesterday and today in the zone that corps have by default.
    pub(crate) fn choose(
        from: Option<civil::Date>,
        to: Option<civil::Date>,
        corps: &Corps,
        wall_ms: i64,
    ) -> Result<Self, Error> {
        let now = Timestamp::from_millisecond(wall_ms).unwrap_or_default();
        let today = now.to_zoned(corps.get("").time_zone.clone()).date();
        let to = to.unwrap_or_else(|| from.map_or(today, |from| from.max(today)));
        let from = from.unwrap_or_else(|| to.min(today.saturating_sub(1.day())));
        match (window::date_of(from), window::date_of(to)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { from: first, to: last }),
            _ => Err(Error::Days { from, to }),
        }
    }
}

impl Report {
    #[must_use]
    pub const fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, day, place, counter, expected, found } = self;
        let gap = if day.is_empty() { "" } else { " " };
        let (left, right) = check.sides();
        write!(out, "✗ {day}{gap}{place}: {counter} by {left} {expected}, by {right} {found}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in self.differences.iter().take(LINES_MAX) {
            writeln!(out, "{difference}")?;
        }
        if let Some(more @ 1..) = self.differences.len().checked_sub(LINES_MAX) {
            writeln!(out, "✗ {more} more")?;
        }
        for note in &self.notes {
            writeln!(out, "! {note}")?;
        }
        let (from, to) = (window::civil_of(self.days.from), window::civil_of(self.days.to));
        let verdict = match self.differences.len() {
            0 => "everything agrees".to_owned(),
            1 => "1 figure differs".to_owned(),
            // A check that finds more than this is broken off.
            many if many >= checks::DIFFERENCES_MAX => format!("at least {many} figures differ"),
            many => format!("{many} figures differ"),
        };
        writeln!(out, "{from} to {to}, {} records: {verdict}", self.records)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// 2025-03-10 00:30 in Asia/Shanghai.
    const WALL_MS: i64 = 1_741_537_800_000;

    fn check(from: &str, to: &str, expected: Option<(&str, &str)>) {
        let day = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        let found = Days::choose(day(from), day(to), &Corps::new(&HashMap::new()).unwrap(), WALL_MS);
        let text = |date| window::civil_of(date).to_string();
        let found = found.ok().map(|days| (text(days.from), text(days.to)));
        assert_eq!(found, expected.map(|(from, to)| (from.to_owned(), to.to_owned())), "`{from}` to `{to}`");
    }

    #[test]
    fn yesterday_and_today_of_the_default_zone_are_compared_unless_days_are_given() {
        check("", "", Some(("2025-03-09", "2025-03-10")));
        check("2025-03-01", "", Some(("2025-03-01", "2025-03-10")));
        check("", "2025-03-01", Some(("2025-03-01", "2025-03-01")));
        check("2025-04-01", "", Some(("2025-04-01", "2025-04-01")));
        check("2025-03-02", "2025-03-01", None);
        check("1969-12-31", "1970-01-01", None);
    }

    #[test]
    fn fifty_differences_are_told_one_by_one_and_the_rest_counted() {
        let difference = Difference {
            check: Check::Days,
            day: "2025-03-10".to_owned(),
            place: "corp c".to_owned(),
            counter: "adds".to_owned(),
            expected: 1,
            found: 2,
        };
        let days = Days { from: Date(0), to: Date(1) };
        let report = Report { days, records: 3, differences: vec![difference; 52], notes: vec!["n".to_owned()] };
        let text = report.to_string();
        assert_eq!(text.lines().next(), Some("✗ 2025-03-10 corp c: adds by facts 1, by day 2"));
        let rest: Vec<_> = text.lines().skip(50).collect();
        assert_eq!(rest, ["✗ 2 more", "! n", "1970-01-01 to 1970-01-02, 3 records: 52 figures differ"]);
    }
}
