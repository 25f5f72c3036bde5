//! What operators look at: broadcasts, requests, corrections, silent codes.

use std::collections::HashMap;

use clickhouse::Row;
use jiff::civil::Date;
use serde::Deserialize;

use super::{Warehouse, bind_parts, by_part, column, part, places, rows, within};
use crate::board::details::broadcasts::{Broadcasts, Sent, Usual};
use crate::board::details::codes::{Code, Codes};
use crate::board::details::corrections::{Corrected, Corrections};
use crate::board::details::requests::{Passed, Requests};
use crate::board::places::Places;
use crate::board::reader::{Error, Parts};

#[derive(Row, Deserialize)]
struct SentRow {
    part: String,
    task: String,
    name: String,
    child: String,
    first_sent_at: i64,
    sent_to: u64,
    left: u64,
    provisional: u8,
}

#[derive(Row, Deserialize)]
struct UsualRow {
    part: String,
    sent_to: u64,
    left: u64,
    tasks: u64,
}

#[derive(Row, Deserialize)]
struct PassedRow {
    part: String,
    child: String,
    sent: u64,
    accepted: u64,
    usual_sent: u64,
    usual_accepted: u64,
}

#[derive(Row, Deserialize)]
struct CorrectedRow {
    day: String,
    why: String,
    what: String,
    region: String,
    store: String,
    staff: String,
    was: i64,
    became: i64,
    happened_from: i64,
    happened_to: i64,
    received: i64,
    closed: u8,
}

#[derive(Row, Deserialize)]
struct CodeRow {
    code: String,
    named: String,
    key: String,
    region: String,
    store: String,
    staff: String,
    last: i64,
    gap: u64,
}

impl Warehouse {
    pub(super) async fn read_broadcasts(&self, parts: &Parts) -> Result<Places<Broadcasts>, Error> {
        let (part, child, within) = (part(parts), column(parts.level), within(parts));
        let sent = format!(
            "SELECT {part}, task_id AS task, max(task_name) AS name, toString({child}) AS child, \
             toUnixTimestamp64Milli(min(sent_at)) AS first_sent_at, sum(audience) AS sent_to, sum(deleted_24h) AS left, \
             toUInt8(max(is_provisional)) AS provisional \
             FROM v_broadcasts WHERE corp_id = ? AND business_date = toDate(?){within} \
             GROUP BY part, task_id, {child} ORDER BY first_sent_at, task, child"
        );
        let usual = format!(
            "SELECT {part}, sum(audience) AS sent_to, sum(deleted_24h) AS left, uniqExact(task_id) AS tasks FROM v_broadcasts \
             WHERE corp_id = ? AND business_date BETWEEN toDate(?) - 30 AND toDate(?) - 1{within} AND NOT is_provisional \
             GROUP BY part"
        );
        let day = parts.day.to_string();
        let sent = self.client.query(&sent).bind(&parts.corp).bind(&day);
        let usual = self.client.query(&usual).bind(&parts.corp).bind(&day).bind(&day);
        let (sent, usual) = tokio::try_join!(
            rows::<SentRow>("broadcasts", bind_parts(sent, parts)),
            rows::<UsualRow>("earlier broadcasts", bind_parts(usual, parts)),
        )?;
        let of = |row: SentRow| Sent {
            task_id: row.task,
            name: row.name,
            child: row.child,
            sent_at: row.first_sent_at,
            audience: row.sent_to,
            deleted_24h: row.left,
            is_provisional: row.provisional == 1,
        };
        let usual_of = |row: &UsualRow| Usual { audience: row.sent_to, deleted_24h: row.left, tasks: row.tasks };
        let mut found: HashMap<String, Broadcasts> = HashMap::new();
        for row in usual {
            found.entry(row.part.clone()).or_default().usual = usual_of(&row);
        }
        for (id, rows) in by_part(sent, |row| &row.part) {
            found.entry(id).or_default().sent = rows.into_iter().map(of).collect();
        }
        Ok(Places::new(found, Broadcasts::default()))
    }

    pub(super) async fn read_requests(&self, parts: &Parts) -> Result<Places<Requests>, Error> {
        // Every day is cut at the time of day that the refresh has reached today: earlier days hold answers that came later.
        let query = format!(
            "WITH toDate(?) AS today, \
             (SELECT complete_through FROM v_refresh WHERE figure = 'pass_rate_72h') - toIntervalDay(today - business_date) AS until \
             SELECT {part}, toString({child}) AS child, countIf(business_date = today AND requested_at < until) AS sent, \
             countIf(business_date = today AND accepted_at < until) AS accepted, \
             countIf(business_date < today AND requested_at < until) AS usual_sent, \
             countIf(business_date < today AND accepted_at < until) AS usual_accepted \
             FROM v_requests WHERE corp_id = ? AND business_date BETWEEN toDate(?) - 7 AND toDate(?){within} GROUP BY part, {child}",
            part = part(parts),
            child = column(parts.level),
            within = within(parts),
        );
        let day = parts.day.to_string();
        let query = self.client.query(&query).bind(&day).bind(&parts.corp).bind(&day).bind(&day);
        let found: Vec<PassedRow> = rows("requests and answers", bind_parts(query, parts)).await?;
        let passed = |row: PassedRow| {
            let PassedRow { child, sent, accepted, usual_sent, usual_accepted, .. } = row;
            (child, Passed { sent, accepted, usual_sent, usual_accepted })
        };
        let requests = |rows: Vec<PassedRow>| Requests { children: rows.into_iter().map(passed).collect() };
        Ok(places(found, |row| &row.part, requests))
    }

    pub(super) async fn read_corrections(&self, corp: &str, day: Date) -> Result<Corrections, Error> {
        // Where the channels of a figure changed and their sum did not, that is what happened, whatever found it.
        let query = "SELECT toString(business_date) AS day, \
            if(was = became AND max(c.moved), 'channel', toString(reason)) AS why, toString(metric) AS what, \
            toString(region_id) AS region, toString(store_id) AS store, staff_id AS staff, sum(c.channel_before) AS was, \
            sum(c.channel_after) AS became, ifNull(toUnixTimestamp64Milli(min(c.first)), 0) AS happened_from, \
            ifNull(toUnixTimestamp64Milli(max(c.last)), 0) AS happened_to, \
            toUnixTimestamp64Milli(max(c.at)) AS received, toUInt8(max(c.closed)) AS closed \
            FROM (SELECT business_date, reason, metric, region_id, store_id, staff_id, sum(before) AS channel_before, \
            sum(after) AS channel_after, channel_before != channel_after AS moved, min(occurred_from) AS first, \
            max(occurred_to) AS last, max(recorded_at) AS at, max(is_closed) AS closed \
            FROM v_corrections WHERE corp_id = ? AND business_date BETWEEN toDate(?) - 7 AND toDate(?) \
            GROUP BY business_date, reason, metric, region_id, store_id, staff_id, channel) AS c \
            GROUP BY business_date, reason, metric, region_id, store_id, staff_id";
        let day = day.to_string();
        let query = self.client.query(query).bind(corp).bind(&day).bind(&day);
        let found: Vec<CorrectedRow> = rows("corrections", query).await?;
        let corrected = |row: CorrectedRow| {
            Some(Corrected {
                day: row.day.parse().ok()?,
                reason: row.why,
                metric: row.what,
                region_id: row.region,
                store_id: row.store,
                staff_id: row.staff,
                before: row.was,
                after: row.became,
                occurred: (row.happened_to > 0).then_some((row.happened_from, row.happened_to)),
                received_at: row.received,
                is_closed: row.closed == 1,
            })
        };
        let mut rows: Vec<_> = found.into_iter().filter_map(corrected).collect();
        rows.sort_by(|a, b| {
            (a.day, &a.reason, &a.metric, &a.staff_id).cmp(&(b.day, &b.reason, &b.metric, &b.staff_id))
        });
        Ok(Corrections { rows })
    }

    pub(super) async fn read_codes(&self, corp: &str) -> Result<Codes, Error> {
        let query = "SELECT state AS code, label AS named, toString(channel) AS key, toString(region_id) AS region, \
            toString(store_id) AS store, staff_id AS staff, toUnixTimestamp64Milli(last_add_at) AS last, \
            toUInt64(usual_gap_seconds) AS gap FROM v_silent_codes WHERE corp_id = ? ORDER BY adds_14d DESC, state";
        let found: Vec<CodeRow> = rows("silent codes", self.client.query(query).bind(corp)).await?;
        let code = |row: CodeRow| Code {
            state: row.code,
            label: row.named,
            channel: row.key,
            region_id: row.region,
            store_id: row.store,
            staff_id: row.staff,
            last_add_at: row.last,
            usual_gap_seconds: row.gap,
        };
        Ok(Codes { silent: found.into_iter().map(code).collect() })
    }
}
