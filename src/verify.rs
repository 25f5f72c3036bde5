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
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// The first business day; by default yesterday
    #[arg(long, value_name = "DAY")]
    pub from: Option<civil::Date>,
    /// The last business day, inclusive; by default today
    #[arg(long, value_name = "DAY")]
    pub to: Option<civil::Date>,
    /// Read the input topics too, as far as they reach, and compare what they count with the facts
    ///
    /// Compared are the offsets, and of each record the type, corp, staff, times, direction, count and amount: not store,
    /// region and channel, which depend on the directory too, nor ids of customers, events and orders, which may be erased.
    #[arg(long)]
    pub deep: bool,
    /// Of each comparison, print so many differences and count the others
    #[arg(long, value_name = "LINES", default_value_t = LINES_MAX)]
    pub limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { from: None, to: None, deep: false, limit: LINES_MAX }
    }
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
    /// The business day as `YYYY-MM-DD`; of the figure of a whole chunk the first and the last; empty where it has none.
    pub day: String,
    /// The key: dimensions as far as they are known, and the partition and chunk.
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
    /// Of [`Settings`].
    pub limit: usize,
}

/// More lines than these of one comparison seldom tell more.
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
    let (records, limit) = (warehouse.records().await?, settings.limit);
    let mut report = Report { days, records, differences: Vec::new(), notes: Vec::new(), limit };
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
    let change = |one: &Difference| one.found.wrapping_sub(one.expected);
    let first: std::collections::HashMap<_, _> = first.iter().map(|one| (one.key(), change(one))).collect();
    Ok(second.into_iter().filter(|one| first.get(&one.key()) == Some(&change(one))).collect())
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

impl Difference {
    /// Day, place and counter; the days of an open chunk may become more.
    fn key(&self) -> (&str, &str, &str) {
        let day = if self.check.is_of_chunks() { "" } else { &self.day };
        (day, &self.place, &self.counter)
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
        for alike in self.differences.chunk_by(|one, other| one.check == other.check) {
            for difference in alike.iter().take(self.limit) {
                writeln!(out, "{difference}")?;
            }
            if let (Some(more @ 1..), [first, ..]) = (alike.len().checked_sub(self.limit), alike) {
                let (compared, all) = (first.check.name(), alike.len());
                writeln!(out, "✗ … and {more} more, comparing {compared}; `--limit {all}` prints them")?;
            }
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
    fn of_each_comparison_fifty_differences_are_told_one_by_one_and_the_rest_counted() {
        let difference = |check| Difference {
            check,
            day: "2025-03-10".to_owned(),
            place: "corp c".to_owned(),
            counter: "adds".to_owned(),
            expected: 1,
            found: 2,
        };
        let days = Days { from: Date(0), to: Date(1) };
        let mut differences = vec![difference(Check::Days); 52];
        differences.push(difference(Check::Log));
        let limit = Settings::default().limit;
        let mut report = Report { days, records: 3, differences, notes: vec!["n".to_owned()], limit };
        let text = report.to_string();
        assert_eq!(text.lines().next(), Some("✗ 2025-03-10 corp c: adds by facts 1, by day 2"));
        let rest: Vec<_> = text.lines().skip(50).collect();
        let expected = [
            "✗ … and 2 more, comparing rollups by day with facts; `--limit 52` prints them",
            "✗ 2025-03-10 corp c: adds by log 1, by facts 2",
            "! n",
            "1970-01-01 to 1970-01-02, 3 records: 53 figures differ",
        ];
        assert_eq!(rest, expected);
        report.limit = 52;
        assert_eq!(report.to_string().lines().count(), 55, "{report}");
    }
}
