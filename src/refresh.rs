//! Computes the cohort figures from the facts, as far as facts or the time have moved since the last run.
//!
//! Invariant: every row that it writes is absolute and a function of the facts (of a cohort also of the horizon), so
//! that a run may be broken off, repeated, or go on in two places at once.
//!
//! # How a run goes
//! 1. *Customers* of whom facts came in: by the offsets of the facts, from where the last finished run found the ledger.
//!    No clock can move an offset; the time of insertion only spares reading old parts.
//! 2. Of these customers all *episodes and requests*, from all their facts; written where they differ. Their version is
//!    the number of facts that they were computed from: of two runs the one that saw more wins, whoever writes last. So
//!    `customer_events` drops none: with fewer facts than before, what comes then would be taken for old.
//! 3. The *days* on which an episode changed, and those on which members came of age, since the last run began less
//!    `OVERLAP`: all their figures anew, written where they differ.
//!    Likewise the losses after broadcasts, where a broadcast came in or a loss may have changed.
//! 4. Of days with any count it is noted when they end, and those that ended three days before are *closed*: their figures
//!    are copied, with the targets, heads and costs that they are measured by, and stay as they are for ever
//!    (`refresh/closings.rs`).
//! 5. What *leaderboards* show beside the counts of today, of the days that changed and of those that run; and of all others the
//!    names and heads of the *places* that are not what they were (`refresh/places.rs`).
//! 6. The positions and the run itself: only now will the next one begin later.
//!
//! The statements stand in `schemas/refresh/`, the tables in `schemas/clickhouse/`.
//!
//! # Why not …
//! - *… materialized views of ClickHouse?* They see inserts, not customers: a late deletion changes a figure of a day
//!   long past, and a retried insert would be added twice.
//! - *… a version by the clock for episodes?* A run that read less may write later.

mod ask;
mod boards;
mod closings;
mod days;
mod keep;
mod places;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    time::Duration,
};

use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};

use self::ask::{Asking, all, ask, execute, one};
use crate::{
    config,
    corp::{self, Corps},
    progress::{Progress, Telling},
    sink::{self, ClickHouse, Sink as _},
    window::Date,
};
pub use days::CorpDay;
pub use keep::keep;

/// Section `refresh`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// From the end of one run to the next, whichever process does it.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { interval: Duration::from_mins(1) }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// Compute everything anew, also what did not change
    #[arg(long)]
    pub all: bool,
    #[arg(skip)]
    pub telling: Telling,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("set up the tenants")]
    Corps(#[from] corp::Error),
    #[error(transparent)]
    Sink(#[from] sink::Error),
}

/// Generation of the rules in `schemas/refresh/`: a larger one replaces every row of a smaller one. Raise it with every
/// change there that changes a figure.
pub const RULES: u64 = 2;

/// Customers of one statement: some 10 MB of their events, and a few seconds.
const CUSTOMERS: u64 = 20_000;

/// A batch without customers: a sign that the run goes on.
const SIGN: u32 = u32::MAX;

/// Days of one statement: the figures of a day are some thousand rows.
const DAYS: usize = 128;

/// By so much a run looks back before the beginning of the last one: longer than an insert or a statement takes to
/// become visible, so that what another run wrote meanwhile is seen by this one.
const OVERLAP: Duration = Duration::from_mins(10);

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Customers whose episodes were computed.
    pub customers: u64,
    /// Pairs of corp and day whose figures were computed.
    pub days: u64,
    /// Milliseconds since the epoch: everything that the brokers held by then is in the figures.
    pub complete_through_ms: i64,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customers, days, complete_through_ms } = self;
        let instant = jiff::Timestamp::from_millisecond(*complete_through_ms).unwrap_or_default();
        write!(out, "{customers} customers and {days} days computed, complete through {instant}")
    }
}

/// One run.
///
/// # Errors
/// ClickHouse does not answer, or no longer after a minute of asking; what was written stays, and the next run computes it
/// again.
pub async fn run(settings: &Settings, config: &config::Config) -> Result<Report, Error> {
    let corps = Corps::new(&config.corp)?;
    let sink = ClickHouse::new(&config.clickhouse);
    sink.sync().await?;
    let progress = Progress::start(settings.telling);
    let run = Run::begin(sink.client(), &corps, settings).await?;
    run.is_alive().await?;
    progress.step("looking for customers of whom facts came in");
    let customers = run.queue().await?;
    progress.count("computing what became of customers", Some(customers));
    for batch in 0..customers.div_ceil(CUSTOMERS) {
        let values = [("batch", batch.to_string())];
        run.execute("compute episodes", EPISODES, &values).await?;
        run.execute("compute what became of requests", REQUESTS, &values).await?;
        run.is_alive().await?;
        progress.done(customers.min((batch + 1) * CUSTOMERS));
    }
    progress.step("looking for days that changed");
    let days = run.days().await?;
    progress.count("computing the figures of days", u64::try_from(days.len()).ok());
    let mut done = 0;
    for days in days.chunks(DAYS) {
        run.cohorts(days).await?;
        run.is_alive().await?;
        done += u64::try_from(days.len()).unwrap_or(0);
        progress.done(done);
    }
    progress.step("computing losses after broadcasts");
    run.replace("compute losses after broadcasts", BROADCASTS, &[]).await?;
    let counted = run.counted(&days).await?;
    run.note_ends(&counted).await?;
    run.close(&counted.iter().filter(|day| day.is_due).cloned().collect::<Vec<_>>()).await?;
    run.close_contests().await?;
    progress.step("computing leaderboards");
    run.leaderboards(&counted).await?;
    run.finish(customers, days.len()).await?;
    let days = u64::try_from(days.len()).unwrap_or(u64::MAX);
    Ok(Report { customers, days, complete_through_ms: run.now.complete_through_ms })
}

/// Whether no run began, or gave a sign of life, within the interval before now, by the clock of the server. What a run in
/// the future would say, of a clock that was set back, is not believed.
///
/// # Errors
/// ClickHouse does not answer.
pub async fn is_due(config: &config::Config) -> Result<bool, Error> {
    let sql = "SELECT toUnixTimestamp64Micro(now64(6)) - max(at_us) FROM (SELECT toInt64(max(run)) AS at_us FROM refresh_runs \
               UNION ALL SELECT toInt64(toUnixTimestamp(max(queued_at))) * 1000000 FROM refresh_queue)";
    let sink = ClickHouse::new(&config.clickhouse);
    let ago_us: i64 =
        ask(Asking::Once, "look when the last refresh began", || sink.client().query(sql).fetch_one()).await?;
    Ok(u64::try_from(ago_us).map_or(true, |ago_us| Duration::from_micros(ago_us) >= config.refresh.interval))
}

const BEGIN: &str = include_str!("../schemas/refresh/begin.sql");
const QUEUE: &str = include_str!("../schemas/refresh/queue.sql");
const EPISODES: &str = include_str!("../schemas/refresh/episodes.sql");
const REQUESTS: &str = include_str!("../schemas/refresh/requests.sql");
const DAYS_CHANGED: &str = include_str!("../schemas/refresh/days.sql");
const BROADCASTS: &str = include_str!("../schemas/refresh/broadcasts.sql");
const COHORTS: &str = include_str!("../schemas/refresh/cohorts.sql");

/// One statement must leave the server room for inserts: beyond half of 2 GiB it goes on on disk.
const BOUNDS: &str = "SETTINGS max_memory_usage = 2147483648, max_bytes_before_external_group_by = 536870912, \
     max_bytes_before_external_sort = 536870912, do_not_merge_across_partitions_select_final = 1";

/// The server's clock, and where the last run stood.
#[derive(Clone, Debug, Row, Deserialize)]
struct Now {
    /// Microseconds since the epoch: the number of this run.
    run: u64,
    complete_through_ms: i64,
    /// Of the last finished run under the same rules; 0 where there is none.
    last_began_ms: i64,
    last_complete_through_ms: i64,
}

#[derive(Row, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the fields are the columns of the query")]
struct Position {
    src_topic: String,
    src_partition: u32,
    next_offset: u64,
}

#[derive(Row, Deserialize)]
struct Changed {
    corp_id: String,
    business_date: u16,
}

struct Run<'a> {
    client: &'a Client,
    corps: &'a Corps,
    now: Now,
    /// The ledger's position of each partition when the run began.
    ledger: Vec<Position>,
    /// Up to which facts are refreshed: a literal of ClickHouse, `topic/partition` to offset.
    positions: String,
}

impl<'a> Run<'a> {
    async fn begin(client: &'a Client, corps: &'a Corps, settings: &Settings) -> Result<Self, sink::Error> {
        let sql = fill(BEGIN, &[("rules", RULES.to_string())]);
        let mut now: Now = one(client, "look where the last refresh stood", &sql).await?;
        let positions = |table: &str| {
            format!(
                "SELECT src_topic, src_partition, max(p.next_offset) AS next_offset FROM {table} AS p \
                 GROUP BY src_topic, src_partition"
            )
        };
        let of = |table| {
            let sql = positions(table);
            async move { all::<Position>(client, "read positions", &sql).await }
        };
        let (ledger, mut done) = (of("ledger").await?, of("refresh_positions").await?);
        if settings.all || now.last_began_ms == 0 {
            (now.last_began_ms, now.last_complete_through_ms) = (0, 0);
            done.clear();
        }
        let reached: HashMap<_, _> =
            ledger.iter().map(|row| ((row.src_topic.as_str(), row.src_partition), row.next_offset)).collect();
        // A ledger that was restored from an older copy lies behind: what comes is new once more.
        let done = done.iter().map(|Position { src_topic, src_partition, next_offset }| {
            let reached = reached.get(&(src_topic.as_str(), *src_partition)).copied().unwrap_or(0);
            // Names of topics hold neither quotes nor backslashes.
            format!("'{src_topic}/{src_partition}', {}", reached.min(*next_offset))
        });
        let done: Vec<_> = done.collect();
        let positions = format!("CAST(map({}), 'Map(String, UInt64)')", done.join(", "));
        Ok(Self { client, corps, now, ledger, positions })
    }

    /// Tells other processes that they need not begin.
    async fn is_alive(&self) -> Result<(), sink::Error> {
        let sql = format!("INSERT INTO refresh_queue (run, batch) VALUES ({}, {SIGN})", self.now.run);
        execute(self.client, "tell that a refresh goes on", &sql).await
    }

    /// Puts the customers to be computed into batches; the answer is how many.
    async fn queue(&self) -> Result<u64, sink::Error> {
        let values = [("positions", self.positions.clone()), ("size", CUSTOMERS.to_string())];
        self.execute("look for customers of whom facts came in", QUEUE, &values).await?;
        let count = format!("SELECT count() FROM refresh_queue WHERE run = {} AND batch != {SIGN}", self.now.run);
        one(self.client, "count customers", &count).await
    }

    /// The days whose figures may have changed.
    async fn days(&self) -> Result<Vec<CorpDay>, sink::Error> {
        let sql = self.statement(DAYS_CHANGED, &[]);
        let changed = self.picked("look for days that changed", &sql).await?;
        let aging = self.aging();
        let known = format!(
            "SELECT DISTINCT corp_id, business_date FROM cohort_rows WHERE business_date IN ({})",
            literal(&aging)
        );
        let known = self.picked("look for days that come of age", &known).await?;
        let aged = known.into_iter().filter(|day| aging.is_due(&day.corp_id, day.date));
        let days: BTreeSet<_> = changed.into_iter().chain(aged).collect();
        Ok(days.into_iter().collect())
    }

    /// The days that a statement answers with.
    async fn picked(&self, doing: &'static str, sql: &str) -> Result<Vec<CorpDay>, sink::Error> {
        let rows: Vec<Changed> = all(self.client, doing, sql).await?;
        Ok(rows.into_iter().map(|row| self.day(row.corp_id, Date(row.business_date))).collect())
    }

    /// What time alone changes since the last run.
    fn aging(&self) -> days::Aging<'a> {
        let (last, horizon) = (self.now.last_complete_through_ms, self.now.complete_through_ms);
        days::Aging::new(self.corps, last.saturating_sub(overlap_ms()), horizon)
    }

    fn day(&self, corp_id: String, date: Date) -> CorpDay {
        CorpDay::new(self.corps, corp_id, date, self.now.complete_through_ms)
    }

    async fn cohorts(&self, days: &[CorpDay]) -> Result<(), sink::Error> {
        let values = [("days", CorpDay::literals(days)), ("horizon_ms", self.now.complete_through_ms.to_string())];
        self.replace("compute the figures of days", COHORTS, &values).await
    }

    async fn finish(&self, customers: u64, days: usize) -> Result<(), sink::Error> {
        let rows: Vec<_> = self
            .ledger
            .iter()
            .map(|row| format!("('{}', {}, {})", row.src_topic, row.src_partition, row.next_offset))
            .collect();
        if !rows.is_empty() {
            let sql = "INSERT INTO refresh_positions (src_topic, src_partition, next_offset) VALUES";
            let sql = format!("{sql} {}", rows.join(", "));
            execute(self.client, "note the positions", &sql).await?;
        }
        let Now { run, complete_through_ms, .. } = self.now;
        let sql = format!(
            "INSERT INTO refresh_runs (run, began_at, complete_through, customers, days, rules) \
             SELECT {run}, fromUnixTimestamp64Milli(toInt64(intDiv({run}, 1000)), 'UTC'), \
             fromUnixTimestamp64Milli(toInt64({complete_through_ms}), 'UTC'), {customers}, {days}, {RULES}"
        );
        execute(self.client, "note the run", &sql).await
    }

    async fn execute(&self, doing: &'static str, sql: &str, values: &[(&str, String)]) -> Result<(), sink::Error> {
        execute(self.client, doing, &self.statement(sql, values)).await
    }

    /// A statement whose rows bear as version the time before it reads, each time that it does: of two the one that saw more
    /// wins.
    async fn replace(&self, doing: &'static str, sql: &str, values: &[(&str, String)]) -> Result<(), sink::Error> {
        let (client, sql) = (self.client, &self.statement(sql, values));
        ask(Asking::Again, doing, || async move {
            let version = "SELECT toUInt64(toUnixTimestamp64Micro(now64(6)))";
            let version = client.query(version).fetch_one::<u64>().await?;
            client.query_raw(&sql.replace("{{version}}", &version.to_string())).execute().await
        })
        .await
    }

    fn statement(&self, sql: &str, values: &[(&str, String)]) -> String {
        let since = self.now.last_began_ms.saturating_sub(overlap_ms()).max(0);
        let own = [("run", self.now.run.to_string()), ("rules", RULES.to_string()), ("since_ms", since.to_string())];
        let sql = fill(&fill(sql, values), &own);
        format!("{} {BOUNDS}", sql.trim_end().trim_end_matches(';'))
    }
}

/// The days that may be due, as a question for them: of the first run they are thousands.
fn literal(aging: &days::Aging<'_>) -> String {
    let dates: Vec<_> = aging.dates().iter().map(|date| date.0.to_string()).collect();
    format!("SELECT toDate(arrayJoin(CAST([{}], 'Array(UInt16)')))", dates.join(", "))
}

fn overlap_ms() -> i64 {
    i64::try_from(OVERLAP.as_millis()).unwrap_or(i64::MAX)
}

/// Puts values in the place of `{{name}}`, and leaves out lines that are comments.
fn fill(sql: &str, values: &[(&str, String)]) -> String {
    let lines: Vec<_> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let put = |sql: String, (name, value): &(&str, String)| sql.replace(&format!("{{{{{name}}}}}"), value);
    values.iter().fold(lines.join("\n"), put)
}
