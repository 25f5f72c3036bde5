//! The counts of earlier moments: baselines, the ranks of an hour ago, the last hour by the minute.
//!
//! Invariant: of whole minutes and of the one that runs, never of a part of a minute.

use std::collections::HashMap;

use clickhouse::Row;
use jiff::civil::Date;
use serde::Deserialize;

use super::{Warehouse, bind_scope, column, rows, sums, within};
use crate::board::days::{Instants, Moment};
use crate::board::reader::{Counters, EarlierChild, Error, Hour, Minutes, shows_regions};
use crate::board::view::{Level, Scope, Watched};

#[derive(Row, Deserialize)]
struct MinutesRow {
    name: String,
    whole: Vec<u64>,
    running: Vec<u64>,
}

#[derive(Row, Deserialize)]
pub(super) struct PlaceRow {
    kind: String,
    name: String,
    whole: u64,
    running: u64,
    adds_hour_ago: u64,
    net_adds_hour_ago: i64,
    last_add_at: i64,
    minutes: Vec<(i64, u64)>,
}

#[derive(Row, Deserialize)]
struct LastAddRow {
    name: String,
    at: i64,
}

impl Warehouse {
    /// When each child had its last add of a day, to the millisecond: of two that reach as much within one minute the first
    /// stands first.
    pub(super) async fn last_adds(&self, watched: &Watched, day: Date) -> Result<HashMap<String, i64>, Error> {
        let query = format!(
            "SELECT toString({child}) AS name, max(toUnixTimestamp64Milli(last_add_at)) AS at \
             FROM v_counts_1d_staff WHERE corp_id = ? AND business_date = toDate(?){scope} GROUP BY name",
            child = column(watched.level),
            scope = within(&watched.scope),
        );
        let query = self.client.query(&query).bind(&watched.corp).bind(day.to_string());
        let rows: Vec<LastAddRow> = rows("the last adds", bind_scope(query, &watched.scope)).await?;
        Ok(rows.into_iter().map(|row| (row.name, row.at)).collect())
    }

    pub(super) async fn channels_until(
        &self,
        watched: &Watched,
        moment: Moment,
    ) -> Result<HashMap<String, Minutes>, Error> {
        let query = format!(
            "WITH toDateTime(?, 'UTC') AS minute SELECT toString(channel) AS name, \
             {whole} AS whole, {running} AS running \
             FROM v_counts_1m WHERE corp_id = ? AND business_date = toDate(?){scope} AND window_start <= minute \
             GROUP BY channel",
            whole = sums("window_start < minute"),
            running = sums("window_start = minute"),
            scope = within(&watched.scope),
        );
        let query = self.client.query(&query).bind(moment.minute() / 1000).bind(&watched.corp);
        let query = bind_scope(query.bind(moment.day.to_string()), &watched.scope);
        let rows: Vec<MinutesRow> = rows("the counts of an earlier day", query).await?;
        let minutes = |row: &MinutesRow| Minutes {
            whole: Counters::from_values(&row.whole),
            running: Counters::from_values(&row.running),
        };
        Ok(rows.into_iter().map(|row| (row.name.clone(), minutes(&row))).collect())
    }

    /// The children, the regions where they are told of, and the scope itself at earlier moments.
    pub(super) async fn places_earlier(&self, watched: &Watched, instants: &Instants) -> Result<Vec<PlaceRow>, Error> {
        let (regions, region) = if shows_regions(watched) { (", (region_id)", "region_id") } else { ("", "''") };
        let query = format!(
            "WITH toDateTime(?, 'UTC') AS minute_before, toDateTime(?, 'UTC') AS minute_hour_ago, \
             toDateTime(?, 'UTC') AS minute_now, toDate(?) AS day_before, toDate(?) AS day \
             SELECT multiIf(grouping({child}) = 0, 'child'{is_region}, 'scope') AS kind, \
             multiIf(kind = 'child', toString({child}), kind = 'region', toString({region}), '') AS name, \
             sumIf(adds, business_date = day_before AND window_start < minute_before) AS whole, \
             sumIf(adds, business_date = day_before AND window_start = minute_before) AS running, \
             sumIf(adds, business_date = day AND window_start < minute_hour_ago) AS adds_hour_ago, \
             toInt64(adds_hour_ago) - toInt64(sumIf(deletes_by_customer + deletes_by_staff, \
             business_date = day AND window_start < minute_hour_ago)) AS net_adds_hour_ago, \
             toInt64(toUnixTimestamp(maxIf(window_start, business_date = day AND adds > 0))) * 1000 AS last_add_at, \
             if(kind = 'child' AND {is_staff}, [], arrayZip((sumMapIf([toInt64(toUnixTimestamp(window_start)) * 1000], \
             [adds], business_date = day AND adds > 0 AND window_start >= minute_hour_ago \
             AND window_start < minute_now) AS hour).1, hour.2)) AS minutes \
             FROM v_counts_1m WHERE corp_id = ? AND business_date IN (day_before, day){scope} \
             GROUP BY GROUPING SETS (({child}), (){regions})",
            child = column(watched.level),
            is_region = if shows_regions(watched) { ", grouping(region_id) = 0, 'region'" } else { "" },
            // Of thousands of staff nothing is told by the minute.
            is_staff = u8::from(watched.level == Level::Staff),
            scope = within(&watched.scope),
        );
        let before = instants.baselines[0];
        let query = self.client.query(&query).bind(before.minute() / 1000).bind(instants.hour_ago.minute() / 1000);
        let query = query.bind(instants.now.minute() / 1000).bind(before.day.to_string());
        let query = query.bind(instants.now.day.to_string()).bind(&watched.corp);
        rows("earlier ranks", bind_scope(query, &watched.scope)).await
    }
}

/// The rows of the leaderboard at earlier moments.
///
/// An add that came between the two readings, or was counted before last adds were, is known to the minute alone.
pub(super) fn children(rows: &[PlaceRow], last_adds: &HashMap<String, i64>) -> HashMap<String, EarlierChild> {
    let last = |row: &PlaceRow| row.last_add_at.max(last_adds.get(&row.name).copied().unwrap_or(0));
    let child = |row: &PlaceRow| EarlierChild {
        baseline_adds: (row.whole, row.running),
        adds_hour_ago: row.adds_hour_ago,
        net_adds_hour_ago: row.net_adds_hour_ago,
        last_add_at: Some(last(row)).filter(|at| *at > 0),
    };
    let children = rows.iter().filter(|row| row.kind == "child");
    children.map(|row| (row.name.clone(), child(row))).collect()
}

/// The last hour of each place that is told of by the minute.
pub(super) fn hours(watched: &Watched, rows: Vec<PlaceRow>) -> HashMap<Scope, Hour> {
    let place = |row: &PlaceRow| match row.kind.as_str() {
        "scope" => Some(watched.scope.clone()),
        // What belongs to none is no place.
        _ if row.name.is_empty() => None,
        "region" => Some(Scope { level: Level::Region, id: row.name.clone() }),
        _ if watched.level == Level::Staff => None,
        _ => Some(Scope { level: watched.level, id: row.name.clone() }),
    };
    let hour = |row: PlaceRow| Hour { before: row.adds_hour_ago, minutes: row.minutes };
    rows.into_iter().filter_map(|row| place(&row).map(|place| (place, hour(row)))).collect()
}
