//! The counts of earlier moments: baselines, the ranks of an hour ago, the last hour by the minute.
//!
//! Invariant: of whole minutes and of the one that runs, never of a part of a minute.

use std::collections::HashMap;
use std::sync::Arc;

use clickhouse::Row;
use jiff::civil::Date;
use serde::Deserialize;

use super::{ByPart, Warehouse, bind_parts, column, part, rows, sums, within};
use crate::board::days::{Instants, Moment};
use crate::board::reader::{Counters, Earlier, EarlierChild, Error, Hour, Minutes, Parts};
use crate::board::view::{Level, Scope};

#[derive(Row, Deserialize)]
struct MinutesRow {
    part: String,
    name: String,
    whole: Vec<u64>,
    running: Vec<u64>,
}

#[derive(Row, Deserialize)]
struct PlaceRow {
    part: String,
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
    part: String,
    name: String,
    at: i64,
}

impl Warehouse {
    pub(super) async fn read_earlier(&self, parts: &Parts, instants: &Instants) -> Result<Vec<Earlier>, Error> {
        let [yesterday, last_week] = instants.baselines;
        let (yesterday, last_week, places, last_adds) = tokio::try_join!(
            self.channels_until(parts, yesterday),
            self.channels_until(parts, last_week),
            self.places_earlier(parts, instants),
            self.last_adds(parts, instants.now.day),
        )?;
        let mut places = ByPart::new(places, |row| &row.part);
        let earlier = |(((id, yesterday), last_week), last_adds): (((&String, _), _), _)| {
            let places = places.take(id);
            let (children, hours) = (children(&places, &last_adds), Arc::new(hours(parts, id, places)));
            Earlier { baselines: [yesterday, last_week], children, hours }
        };
        Ok(parts.ids.iter().zip(yesterday).zip(last_week).zip(last_adds).map(earlier).collect())
    }

    /// When each child had its last add of a day, to the millisecond: of two that reach as much within one minute the first
    /// stands first.
    async fn last_adds(&self, parts: &Parts, day: Date) -> Result<Vec<HashMap<String, i64>>, Error> {
        let query = format!(
            "SELECT {part}, toString({child}) AS name, max(toUnixTimestamp64Milli(last_add_at)) AS at \
             FROM v_counts_1d_staff WHERE corp_id = ? AND business_date = toDate(?){within} GROUP BY part, name",
            part = part(parts),
            child = column(parts.level),
            within = within(parts),
        );
        let query = self.client.query(&query).bind(&parts.corp).bind(day.to_string());
        let rows: Vec<LastAddRow> = rows("the last adds", bind_parts(query, parts)).await?;
        let by_name = |rows: Vec<LastAddRow>| rows.into_iter().map(|row| (row.name, row.at)).collect();
        Ok(ByPart::new(rows, |row| &row.part).each(parts, by_name))
    }

    async fn channels_until(&self, parts: &Parts, moment: Moment) -> Result<Vec<HashMap<String, Minutes>>, Error> {
        let query = format!(
            "WITH toDateTime(?, 'UTC') AS minute SELECT {part}, toString(channel) AS name, \
             {whole} AS whole, {running} AS running \
             FROM v_counts_1m WHERE corp_id = ? AND business_date = toDate(?){within} AND window_start <= minute \
             GROUP BY part, channel",
            part = part(parts),
            whole = sums("window_start < minute"),
            running = sums("window_start = minute"),
            within = within(parts),
        );
        let query = self.client.query(&query).bind(moment.minute() / 1000).bind(&parts.corp);
        let query = bind_parts(query.bind(moment.day.to_string()), parts);
        let rows: Vec<MinutesRow> = rows("the counts of an earlier day", query).await?;
        let minutes = |row: &MinutesRow| Minutes {
            whole: Counters::from_values(&row.whole),
            running: Counters::from_values(&row.running),
        };
        let channels = |rows: Vec<MinutesRow>| rows.into_iter().map(|row| (row.name.clone(), minutes(&row))).collect();
        Ok(ByPart::new(rows, |row| &row.part).each(parts, channels))
    }

    /// The children, the regions where they are told of, and each part itself at earlier moments.
    async fn places_earlier(&self, parts: &Parts, instants: &Instants) -> Result<Vec<PlaceRow>, Error> {
        let (regions, region) = if parts.show_regions() { (", (part, region_id)", "region_id") } else { ("", "''") };
        let query = format!(
            "WITH toDateTime(?, 'UTC') AS minute_before, toDateTime(?, 'UTC') AS minute_hour_ago, \
             toDateTime(?, 'UTC') AS minute_now, toDate(?) AS day_before, toDate(?) AS day \
             SELECT {part}, multiIf(grouping({child}) = 0, 'child'{is_region}, 'scope') AS kind, \
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
             FROM v_counts_1m WHERE corp_id = ? AND business_date IN (day_before, day){within} \
             GROUP BY GROUPING SETS ((part, {child}), (part){regions})",
            part = part(parts),
            child = column(parts.level),
            is_region = if parts.show_regions() { ", grouping(region_id) = 0, 'region'" } else { "" },
            // Of thousands of staff nothing is told by the minute.
            is_staff = u8::from(parts.level == Level::Staff),
            within = within(parts),
        );
        let before = instants.baselines[0];
        let query = self.client.query(&query).bind(before.minute() / 1000).bind(instants.hour_ago.minute() / 1000);
        let query = query.bind(instants.now.minute() / 1000).bind(before.day.to_string());
        let query = query.bind(instants.now.day.to_string()).bind(&parts.corp);
        rows("earlier ranks", bind_parts(query, parts)).await
    }
}

/// The rows of the leaderboard at earlier moments.
///
/// An add that came between the two readings, or was counted before last adds were, is known to the minute alone.
fn children(rows: &[PlaceRow], last_adds: &HashMap<String, i64>) -> HashMap<String, EarlierChild> {
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
fn hours(parts: &Parts, id: &str, rows: Vec<PlaceRow>) -> HashMap<Scope, Hour> {
    let place = |row: &PlaceRow| match row.kind.as_str() {
        "scope" => Some(Scope { level: parts.scope, id: id.to_owned() }),
        // What belongs to none is no place.
        _ if row.name.is_empty() => None,
        "region" => Some(Scope { level: Level::Region, id: row.name.clone() }),
        _ if parts.level == Level::Staff => None,
        _ => Some(Scope { level: parts.level, id: row.name.clone() }),
    };
    let hour = |row: PlaceRow| Hour { before: row.adds_hour_ago, minutes: row.minutes };
    rows.into_iter().filter_map(|row| place(&row).map(|place| (place, hour(row)))).collect()
}
