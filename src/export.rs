//! Writes the days of a view as Parquet or CSV files, one for each business day.
//!
//! Invariant: a file under its own name is whole; while it is written it has another name.
//!
//! # Why a file for each day
//! The day is what the warehouse is partitioned by, and what a run that was broken off goes on with. A file stays as it is
//! once its day was over in every zone when it was written; `--again` writes those too, for late events amend closed days.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use clickhouse::{Client, query::BytesCursor};
use jiff::{ToSpan as _, civil};

use crate::{
    config,
    progress::{Progress, Telling},
    sink::{self, client},
};

#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// Any view with business days, such as `events` or `v_counts_1d`
    #[arg(value_name = "VIEW")]
    pub view: String,
    /// One business day, such as 2026-11-10, or a month, such as 2026-11
    #[arg(long, value_name = "DAY|MONTH")]
    pub of: Span,
    #[arg(long, value_enum, default_value_t = Format::Parquet)]
    pub format: Format,
    /// The rows of one corp alone
    #[arg(long, value_name = "ID")]
    pub corp: Option<String>,
    /// The folder of the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub to: PathBuf,
    /// Write the files that are there once more
    #[arg(long)]
    pub again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Parquet,
    Csv,
}

impl Format {
    const fn of_clickhouse(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Csv => "CSVWithNames",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }
}

/// The business days from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    first: civil::Date,
    last: civil::Date,
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "is neither a day such as 2026-11-10 nor a month such as 2026-11";
        let day = |text: &str| text.parse::<civil::Date>().ok().filter(|_| text.len() == "2026-11-10".len());
        if let Some(day) = day(text) {
            return Ok(Self { first: day, last: day });
        }
        let first = day(&format!("{text}-01")).ok_or(FORM)?;
        Ok(Self { first, last: first.last_of_month() })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("export `{view}`: no such view with business days; there are {known}")]
    View { view: String, known: String },
    #[error("read `{view}` of {day}")]
    Read {
        view: String,
        day: civil::Date,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error("read `{view}` of {day}: no answer within {} s", STALL_LIMIT.as_secs())]
    Stalled { view: String, day: civil::Date },
    #[error("write `{path}`")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Sink(#[from] sink::Error),
}

/// Between two pieces of an answer; the first one comes when ClickHouse has grouped the day.
const STALL_LIMIT: Duration = Duration::from_mins(5);

/// A business day ends half a day after its midnight in UTC at the latest, and begins 14 hours before it at the earliest.
const LATEST_END_HOURS: i64 = 36;
const EARLIEST_BEGIN_HOURS: i64 = -14;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub written: usize,
    pub bytes: u64,
    /// Files that were there.
    pub kept: usize,
    /// Days that have not begun.
    pub to_come: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, bytes, kept, to_come } = self;
        write!(out, "{written} files written, {bytes} bytes; {kept} were there already")?;
        if *to_come > 0 {
            write!(out, "; {to_come} days have not begun")?;
        }
        Ok(())
    }
}

/// Exports what the settings ask for; `wall_ms` is the wall clock in milliseconds since the epoch.
///
/// # Errors
/// There is no such view, it cannot be read, or a file cannot be written; those before it are whole.
pub async fn run(settings: &Settings, config: &config::Config, wall_ms: i64) -> Result<Report, Error> {
    let client = client(&config.clickhouse);
    look_up(&client, &settings.view).await?;
    let created = fs::create_dir_all(&settings.to);
    created.map_err(|source| Error::Write { path: settings.to.clone(), source })?;
    let days: Vec<_> = settings.of.first.series(1.day()).take_while(|day| *day <= settings.of.last).collect();
    let (progress, mut report) = (Progress::start(Telling::Progress), Report::default());
    progress.count("exporting days", u64::try_from(days.len()).ok());
    let detail = |day: civil::Date, bytes: u64| progress.detail(&format!("{day}, {} MB", bytes / 1_000_000));
    for (day, count) in days.into_iter().zip(1..) {
        detail(day, report.bytes);
        let path = settings.to.join(name(settings, day));
        if wall_ms < instant_ms(day, EARLIEST_BEGIN_HOURS) {
            report.to_come += 1;
        } else if !settings.again && stands(&path, day) {
            report.kept += 1;
        } else {
            let before = report.bytes;
            let bytes = write(&client, settings, day, &path, |bytes| detail(day, before + bytes)).await?;
            report.bytes += bytes;
            report.written += 1;
        }
        progress.done(count);
    }
    Ok(report)
}

/// Only a name that the warehouse itself tells is put into a statement.
async fn look_up(client: &Client, view: &str) -> Result<(), Error> {
    let sql = "SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'business_date' AND table IN \
               (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View') ORDER BY table";
    let known = client.query(sql).fetch_all::<String>().await;
    let known = known.map_err(|source| sink::Error::new("read the names of the views", source))?;
    if known.iter().any(|name| name == view) {
        return Ok(());
    }
    Err(Error::View { view: view.to_owned(), known: known.join(", ") })
}

/// A corp's id holds no `/`, and never begins the name.
fn name(settings: &Settings, day: civil::Date) -> String {
    let Settings { view, format, corp, .. } = settings;
    let corp = corp.as_ref().map(|corp| format!(".{corp}")).unwrap_or_default();
    format!("{view}{corp}.{day}.{}", format.extension())
}

/// Milliseconds since the epoch, so many hours after midnight of this day in UTC.
fn instant_ms(day: civil::Date, hours: i64) -> i64 {
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).map_or(i64::MAX, |day| day.timestamp().as_millisecond());
    midnight.saturating_add(hours * 3_600_000)
}

/// Whether the file is there, and was written when its day was over.
fn stands(path: &Path, day: civil::Date) -> bool {
    let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let since = written.and_then(|written| written.duration_since(UNIX_EPOCH).ok());
    let written_ms = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    written_ms.is_some_and(|written_ms| written_ms >= instant_ms(day, LATEST_END_HOURS))
}

/// Writes the file of a day; the answer is its bytes.
async fn write(
    client: &Client,
    settings: &Settings,
    day: civil::Date,
    path: &Path,
    told: impl Fn(u64),
) -> Result<u64, Error> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let failed = |source| Error::Write { path: PathBuf::from(&part), source };
    let mut file = fs::File::create(&part).map_err(failed)?;
    let (mut cursor, mut bytes) = (read(client, settings, day)?, 0);
    loop {
        let Ok(piece) = tokio::time::timeout(STALL_LIMIT, cursor.next()).await else {
            return Err(Error::Stalled { view: settings.view.clone(), day });
        };
        let Some(piece) = piece.map_err(|source| unread(settings, day, source))? else { break };
        file.write_all(&piece).map_err(failed)?;
        bytes += u64::try_from(piece.len()).unwrap_or(0);
        told(bytes);
    }
    file.sync_all().map_err(failed)?;
    fs::rename(&part, path).map_err(failed)?;
    Ok(bytes)
}

fn read(client: &Client, settings: &Settings, day: civil::Date) -> Result<BytesCursor, Error> {
    let Settings { view, format, corp, .. } = settings;
    let of_corp = if corp.is_some() { " AND corp_id = ?" } else { "" };
    let sql = format!("SELECT * FROM {view} WHERE business_date = toDate(?){of_corp}");
    let query = client.query(&sql).bind(day.to_string());
    let query = corp.iter().fold(query, |query, corp| query.bind(corp));
    query.fetch_bytes(format.of_clickhouse()).map_err(|source| unread(settings, day, source))
}

fn unread(settings: &Settings, day: civil::Date, source: clickhouse::error::Error) -> Error {
    Error::Read { view: settings.view.clone(), day, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<[&str; 2]>) {
        let days = text.parse::<Span>().ok().map(|span| [span.first.to_string(), span.last.to_string()]);
        assert_eq!(days, expected.map(|days| days.map(str::to_owned)), "{text}");
    }

    #[test]
    fn span_is_a_day_or_all_days_of_a_month() {
        check("2026-11-10", Some(["2026-11-10", "2026-11-10"]));
        check("2024-02", Some(["2024-02-01", "2024-02-29"]));
        for text in ["", "2026", "2026-13", "2026-11-31", "2026-11-1", "20261110", "2026-11-10T00:00:00"] {
            check(text, None);
        }
    }

    #[test]
    fn file_stands_once_it_was_written_after_its_day() {
        let folder = tempfile::tempdir().unwrap();
        let (path, day) = (folder.path().join("x"), civil::date(2026, 11, 10));
        assert!(!stands(&path, day), "it is not there");
        let file = fs::File::create(&path).unwrap();
        // The day is over west of Greenwich at noon of the next one.
        let over_ms = 1_794_398_400_000;
        for (written_ms, expected) in [(over_ms - 1, false), (over_ms, true)] {
            file.set_modified(UNIX_EPOCH + Duration::from_millis(written_ms)).unwrap();
            assert_eq!(stands(&path, day), expected);
        }
    }
}
