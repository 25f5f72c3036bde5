//! Reads the views of ClickHouse for the board.
//!
//! Invariant: only views are read, never a physical table, and nothing is written: those of counts and cohorts, the events of
//! one member of staff, and the histories of the registers.

mod cohorts;
mod contests;
mod counts;
mod course;
mod earlier;
mod history;
mod operations;
mod person;

use std::collections::HashMap;
use std::sync::Arc;

use clickhouse::query::Query;
use clickhouse::{Client, Row};
use futures_util::future::BoxFuture;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;
use tokio::time::Instant;

use super::counts::Counts;
use super::days::Instants;
use super::details::broadcasts::Broadcasts;
use super::details::codes::Codes;
use super::details::cohorts::Cohorts;
use super::details::contests::Contests;
use super::details::corrections::Corrections;
use super::details::course::Course;
use super::details::history::History;
use super::details::person::Person;
use super::details::requests::Requests;
use super::organisation::{Member, Organisation};
use super::places::Places;
use super::reader::{Clock, Directory, Earlier, Error, Parts, Reader, Within};
use super::view::Level;
use crate::event::Counter;

/// The views of one database, through a client that knows address, database and user.
#[derive(Clone)]
pub struct Warehouse {
    client: Client,
}

impl std::fmt::Debug for Warehouse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Warehouse").finish_non_exhaustive()
    }
}

impl Warehouse {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

/// The first day of a corp (bound) with adds that came in time, for late ones belong to days on which nobody counted yet
/// too; where all come late the first with any; 1970-01-01 where there are none.
const COUNTED_SINCE: &str = "SELECT if(countIf(adds > late_adds) > 0, minIf(business_date, adds > late_adds), \
     min(business_date)) AS day FROM v_counts_1d_channel WHERE corp_id = ?";

impl Reader for Warehouse {
    fn busiest_corps(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        Box::pin(async move {
            // Two days, for at midnight the new day of most corps is still empty.
            let newest = "SELECT toString(f.corp_id) AS corp FROM v_freshness AS f \
                LEFT JOIN (SELECT corp_id, sum(adds) AS adds FROM v_counts_1d_channel \
                WHERE business_date BETWEEN toDate(now('UTC')) - 1 AND toDate(now('UTC')) + 1 GROUP BY corp_id) AS c \
                ON c.corp_id = f.corp_id ORDER BY c.adds DESC, corp LIMIT 2";
            let rows: Vec<CorpRow> = rows("the busiest corps", self.client.query(newest)).await?;
            Ok(rows.into_iter().map(|row| row.corp).collect())
        })
    }

    fn organisation<'a>(&'a self, corp: &'a str, at: Option<i64>) -> BoxFuture<'a, Result<Organisation, Error>> {
        Box::pin(async move {
            let (names, members, regions) =
                tokio::try_join!(self.names(corp), self.members(corp, at), self.regions(corp))?;
            Ok(Organisation { names, members, regions })
        })
    }

    fn counted_since<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Option<Date>, Error>> {
        Box::pin(async move {
            let query = self.client.query(COUNTED_SINCE).bind(corp);
            let rows: Vec<SinceRow> = rows("the first day", query).await?;
            Ok(rows
                .first()
                .filter(|row| row.day > 0)
                .and_then(|row| jiff::civil::date(1970, 1, 1).checked_add(i64::from(row.day).days()).ok()))
        })
    }

    fn clock<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Clock, Error>> {
        Box::pin(async move {
            let query = "SELECT toUnixTimestamp64Milli(now64(3)) AS now, count() AS known, \
                toUnixTimestamp64Milli(max(complete_through)) AS complete_through, \
                toUnixTimestamp64Milli(max(last_event_at)) AS last_event_at FROM v_freshness WHERE corp_id = ?";
            let rows: Vec<ClockRow> = rows("the freshness", self.client.query(query).bind(corp)).await?;
            let known = |row: &ClockRow, instant: i64| (row.known > 0).then_some(instant);
            Ok(rows.first().map_or_else(Clock::default, |row| Clock {
                now: row.now,
                complete_through: known(row, row.complete_through),
                last_event_at: known(row, row.last_event_at),
            }))
        })
    }

    fn counts<'a>(&'a self, corp: &'a str, day: Date, within: &'a Within) -> BoxFuture<'a, Result<Counts, Error>> {
        Box::pin(self.read_counts(corp, day, within))
    }

    fn earlier<'a>(
        &'a self,
        parts: &'a Parts,
        instants: &'a Instants,
    ) -> BoxFuture<'a, Result<Places<Earlier>, Error>> {
        Box::pin(self.read_earlier(parts, instants))
    }

    fn directory<'a>(&'a self, corp: &'a str, day: Date) -> BoxFuture<'a, Result<Directory, Error>> {
        Box::pin(async move {
            let (targets, groups) = tokio::try_join!(self.targets(corp, day), self.groups(corp))?;
            Ok(Directory { targets: Arc::new(targets), groups, ..Directory::default() })
        })
    }

    fn cohorts<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Cohorts>, Error>> {
        Box::pin(self.read_cohorts(parts))
    }

    fn course<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Course>, Error>> {
        Box::pin(self.read_course(parts))
    }

    fn history<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<History>, Error>> {
        Box::pin(self.read_history(parts))
    }

    fn broadcasts<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Broadcasts>, Error>> {
        Box::pin(self.read_broadcasts(parts))
    }

    fn requests<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Requests>, Error>> {
        Box::pin(self.read_requests(parts))
    }

    fn corrections<'a>(&'a self, corp: &'a str, day: Date) -> BoxFuture<'a, Result<Corrections, Error>> {
        Box::pin(self.read_corrections(corp, day))
    }

    fn contests<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Contests, Error>> {
        Box::pin(self.read_contests(corp))
    }

    fn codes<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Codes, Error>> {
        Box::pin(self.read_codes(corp))
    }

    fn person<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Person>, Error>> {
        Box::pin(self.read_person(parts))
    }
}

/// 2299-12-31, when nothing holds any more (`dim_staff_history`).
const LATEST: i64 = 10_413_705_600_000;

impl Warehouse {
    /// The newest name of each id at every level.
    async fn names(&self, corp: &str) -> Result<HashMap<(Level, String), String>, Error> {
        let query = "SELECT place.1 AS level, place.2 AS id, argMax(place.3, (published_at, src_offset)) AS name \
            FROM org_history ARRAY JOIN [('region', toString(region_id), region_name), \
            ('store', toString(store_id), store_name), ('staff', staff_id, staff_name)] AS place \
            WHERE corp_id = ? AND NOT removed AND place.2 != '' GROUP BY level, id";
        let rows: Vec<NameRow> = rows("names", self.client.query(query).bind(corp)).await?;
        let named = |row: NameRow| Some(((Level::from_name(&row.level)?, row.id), row.name));
        Ok(rows.into_iter().filter_map(named).collect())
    }

    /// All members by id, each at the last place that a row gave them before this moment; whoever had left is not active.
    async fn members(&self, corp: &str, at: Option<i64>) -> Result<Vec<Member>, Error> {
        let query = "WITH least(fromUnixTimestamp64Milli(toInt64(?), 'UTC'), now64(3)) AS moment \
            SELECT staff_id, place.1 AS store_id, place.2 AS region_id, is_at_work AS active FROM (SELECT staff_id, \
            argMax((toString(store_id), toString(region_id)), valid_from) AS place, \
            argMax(is_active AND valid_to >= moment, valid_from) AS is_at_work \
            FROM dim_staff_history WHERE corp_id = ? AND valid_from < moment GROUP BY staff_id) ORDER BY staff_id";
        rows("members of staff", self.client.query(query).bind(at.unwrap_or(LATEST)).bind(corp)).await
    }

    async fn regions(&self, corp: &str) -> Result<HashMap<String, String>, Error> {
        let query = "SELECT toString(store_id) AS store, \
            argMax(toString(region_id), (published_at, src_offset)) AS region FROM org_history \
            WHERE corp_id = ? AND NOT removed AND store_id != '' AND region_id != '' GROUP BY store";
        let rows: Vec<RegionRow> = rows("the regions of stores", self.client.query(query).bind(corp)).await?;
        Ok(rows.into_iter().map(|row| (row.store, row.region)).collect())
    }

    async fn targets(&self, corp: &str, day: Date) -> Result<HashMap<(Level, String, String), u64>, Error> {
        let query = "SELECT toString(level) AS level, if(level = 'corp', '', t.id) AS id, toString(metric) AS metric, \
            t.target AS newest FROM dim_target AS t WHERE corp_id = ? AND business_date = toDate(?)";
        let query = self.client.query(query).bind(corp).bind(day.to_string());
        let rows: Vec<TargetRow> = rows("targets", query).await?;
        let target = |row: TargetRow| Some(((Level::from_name(&row.level)?, row.id, row.metric), row.newest));
        Ok(rows.into_iter().filter_map(target).collect())
    }

    async fn groups(&self, corp: &str) -> Result<HashMap<String, String>, Error> {
        let query = "SELECT toString(channel) AS channel, argMax(toString(`group`), (published_at, src_offset)) AS name \
            FROM channel_history WHERE corp_id = ? AND NOT removed AND `group` != '' GROUP BY channel";
        let rows: Vec<GroupRow> = rows("channels", self.client.query(query).bind(corp)).await?;
        Ok(rows.into_iter().map(|row| (row.channel, row.name)).collect())
    }
}

#[derive(Row, Deserialize)]
struct CorpRow {
    corp: String,
}

#[derive(Row, Deserialize)]
struct SinceRow {
    /// Days since 1970-01-01.
    day: u16,
}

#[derive(Row, Deserialize)]
struct ClockRow {
    now: i64,
    known: u64,
    complete_through: i64,
    last_event_at: i64,
}

#[derive(Row, Deserialize)]
struct RegionRow {
    store: String,
    region: String,
}

#[derive(Row, Deserialize)]
struct NameRow {
    level: String,
    id: String,
    name: String,
}

#[derive(Row, Deserialize)]
struct TargetRow {
    level: String,
    id: String,
    metric: String,
    newest: u64,
}

#[derive(Row, Deserialize)]
struct GroupRow {
    channel: String,
    name: String,
}

async fn rows<R>(what: &'static str, query: Query) -> Result<Vec<R>, Error>
where
    R: clickhouse::RowOwned + clickhouse::RowRead,
{
    let began = Instant::now();
    let rows = query.fetch_all().await.map_err(|source| Error::Query { what, source })?;
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(what, rows = rows.len(), milliseconds, "read from ClickHouse");
    Ok(rows)
}

/// The column that holds the ids of a level.
fn column(level: Level) -> &'static str {
    match level {
        Level::Corp => "corp_id",
        Level::Region => "region_id",
        Level::Store => "store_id",
        Level::Staff => "staff_id",
    }
}

/// The column `part`: to which of the parts a row belongs; empty for the corp.
fn part(parts: &Parts) -> String {
    match parts.scope {
        Level::Corp => "'' AS part".to_owned(),
        level @ (Level::Region | Level::Store | Level::Staff) => format!("toString({}) AS part", column(level)),
    }
}

/// The condition that keeps a query within the parts; their ids are bound by [`bind_parts`].
fn within(parts: &Parts) -> String {
    match (parts.scope, &parts.ids) {
        (Level::Corp, _) | (_, None) => String::new(),
        (level, Some(_)) => format!(" AND {} IN ?", column(level)),
    }
}

fn bind_parts(query: Query, parts: &Parts) -> Query {
    match (parts.scope, &parts.ids) {
        (Level::Corp, _) | (_, None) => query,
        (_, Some(ids)) => query.bind(ids.as_slice()),
    }
}

/// The rows of an answer by the id of their part.
fn by_part<R>(rows: Vec<R>, part: fn(&R) -> &String) -> HashMap<String, Vec<R>> {
    let mut parts: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        parts.entry(part(&row).clone()).or_default().push(row);
    }
    parts
}

/// What is made of the rows of each part; of a part without any, what is made of none.
fn places<R, T>(rows: Vec<R>, part: fn(&R) -> &String, of: impl Fn(Vec<R>) -> T) -> Places<T> {
    let other = of(Vec::new());
    Places::new(by_part(rows, part).into_iter().map(|(id, rows)| (id, of(rows))), other)
}

/// An array of the sums of all counters, of the rows that meet `condition`.
fn sums(condition: &str) -> String {
    let sum = |counter: &Counter| format!("sumIf({}, {condition})", counter.name());
    format!("[{}]", Counter::ALL.iter().map(sum).collect::<Vec<_>>().join(", "))
}
