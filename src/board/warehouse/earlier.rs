//! The counts of earlier moments: baselines, the ranks of an hour ago, the last hour by the minute.
//!
//! Invariant: of whole minutes and of the one that runs, never of a part of a minute.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use clickhouse::Row;
use serde::Deserialize;

use super::{Warehouse, bind_parts, by_part, column, part, rows, sums, within};
use crate::board::days::{Instants, Moment};
use crate::board::places::Places;
use crate::board::reader::{Counters, Earlier, EarlierChild, Error, Hour, Minutes, Parts, minutes_of};
use crate::board::view::{Level, Scope};

#[derive(Row, Deserialize)]
struct MinutesRow {
    part: String,
    name: String,
    whole: Vec<u64>,
    running: Vec<u64>,
    next: Vec<u64>,
}

#[derive(Row, Deserialize)]
struct PlaceRow {
    part: String,
    kind: String,
    name: String,
    whole: u64,
    running: u64,
    next: u64,
    adds_hour_ago: u64,
    net_adds_hour_ago: i64,
    added_then: u64,
    net_added_then: i64,
    last_add_at: i64,
    minutes: Vec<(i64, u64)>,
}

impl Warehouse {
    pub(super) async fn read_earlier(&self, parts: &Parts, instants: &Instants) -> Result<Places<Earlier>, Error> {
        let [yesterday, last_week] = instants.baselines;
        // One after the other: they are read ahead, and what is counted now must not wait behind them.
        let mut yesterday = self.channels_until(parts, yesterday).await?;
        let mut last_week = self.channels_until(parts, last_week).await?;
        let places = self.places_earlier(parts, instants).await?;
        let mut places = by_part(places, |row| &row.part);
        let ids: HashSet<String> = places.keys().chain(yesterday.keys()).chain(last_week.keys()).cloned().collect();
        let minutes = minutes_of(instants);
        let earlier = |id: String| {
            let rows = places.remove(&id).unwrap_or_default();
            let baselines = [&mut yesterday, &mut last_week].map(|day| day.remove(&id).unwrap_or_default());
            let (children, hours) = (children(&rows), Arc::new(hours(parts, &id, rows)));
            (id, Earlier { minutes, baselines, children, hours })
        };
        let nothing = Earlier { minutes, ..Earlier::default() };
        Ok(Places::new(ids.into_iter().map(earlier), nothing))
    }

    async fn channels_until(
        &self,
        parts: &Parts,
        moment: Moment,
    ) -> Result<HashMap<String, HashMap<String, Minutes>>, Error> {
        let query = format!(
            "WITH toDateTime(?, 'UTC') AS minute SELECT {part}, toString(channel) AS name, \
             {whole} AS whole, {running} AS running, {next} AS next \
             FROM v_counts_1m_chunks WHERE corp_id = ? AND business_date = toDate(?){within} AND window_start <= minute + 60 \
             GROUP BY part, channel",
            part = part(parts),
            whole = sums("window_start < minute"),
            running = sums("window_start = minute"),
            next = sums("window_start = minute + 60"),
            within = within(parts),
        );
        let query = self.client.query(&query).bind(moment.minute() / 1000).bind(&parts.corp);
        let query = bind_parts(query.bind(moment.day.to_string()), parts);
        let rows: Vec<MinutesRow> = rows("the counts of an earlier day", query).await?;
        let mut channels: HashMap<_, HashMap<_, _>> = HashMap::new();
        for MinutesRow { part, name, whole, running, next } in rows {
            let [whole, running, next] = [whole, running, next].map(|values| Counters::from_values(&values));
            channels.entry(part).or_default().insert(name, Minutes { whole, running, next });
        }
        Ok(channels)
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
             sumIf(adds, business_date = day_before AND window_start = minute_before + 60) AS next, \
             sumIf(adds, business_date = day AND window_start < minute_hour_ago) AS adds_hour_ago, \
             toInt64(adds_hour_ago) - toInt64(sumIf(deletes_by_customer + deletes_by_staff, \
             business_date = day AND window_start < minute_hour_ago)) AS net_adds_hour_ago, \
             sumIf(adds, business_date = day AND window_start = minute_hour_ago) AS added_then, \
             toInt64(added_then) - toInt64(sumIf(deletes_by_customer + deletes_by_staff, \
             business_date = day AND window_start = minute_hour_ago)) AS net_added_then, \
             toInt64(toUnixTimestamp(maxIf(window_start, business_date = day AND adds > 0))) * 1000 AS last_add_at, \
             if(kind = 'child' AND {is_staff}, [], arrayZip((sumMapIf([toInt64(toUnixTimestamp(window_start)) * 1000], \
             [adds], business_date = day AND adds > 0 AND window_start >= minute_hour_ago \
             AND window_start < minute_now) AS hour).1, hour.2)) AS minutes \
             FROM v_counts_1m_chunks WHERE corp_id = ? AND business_date IN (day_before, day){within} \
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
fn children(rows: &[PlaceRow]) -> HashMap<String, EarlierChild> {
    let child = |row: &PlaceRow| EarlierChild {
        baseline_adds: [row.whole, row.running, row.next],
        adds_hour_ago: row.adds_hour_ago,
        net_adds_hour_ago: row.net_adds_hour_ago,
        added_then: row.added_then,
        net_added_then: row.net_added_then,
        last_add_at: Some(row.last_add_at).filter(|at| *at > 0),
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
