//! One member of staff: the adds of a day one by one, and the month.

use clickhouse::Row;
use serde::Deserialize;

use super::{Warehouse, rows};
use crate::board::details::Key;
use crate::board::details::person::{Added, Fate, Month, Person};
use crate::board::reader::Error;

#[derive(Row, Deserialize)]
struct AddedRow {
    at: i64,
    recorded: i64,
    key: String,
    topic: String,
    partition: u32,
    offset: u64,
    fate: String,
}

#[derive(Row, Deserialize)]
struct BeforeRow {
    at: i64,
}

#[derive(Row, Deserialize)]
struct QualifiedRow {
    qualified: u64,
    last: u64,
}

#[derive(Row, Deserialize)]
struct AdjustedRow {
    adjusted: i64,
}

/// Whoever the customers are stays in ClickHouse: an episode is found by the record that began it.
const ADDS: &str = "SELECT toUnixTimestamp64Milli(e.occurred_at) AS at, toUnixTimestamp64Milli(e.recorded_at) AS recorded, \
    toString(e.channel) AS key, toString(e.src_topic) AS topic, e.src_partition AS partition, e.src_offset AS offset, \
    multiIf(p.began_by = '', '', NOT p.is_new, 'not_new', p.by = 'customer' AND p.within, 'left', \
    p.by = 'staff' AND p.within, 'purged', 'friend') AS fate \
    FROM (SELECT occurred_at, recorded_at, channel, src_topic, src_partition, src_offset FROM events \
    WHERE corp_id = ? AND business_date = toDate(?) AND type = 'friend.added' AND staff_id = ? \
    AND channel_group != 'transfer') AS e LEFT JOIN (SELECT src_topic, src_partition, src_offset, \
    toString(begun_by) AS began_by, is_new_to_corp AS is_new, toString(unfriended_by) AS by, \
    ifNull(unfriended_at < began_at + INTERVAL 1 DAY, false) AS within FROM v_episodes \
    WHERE corp_id = ? AND business_date = toDate(?) AND customer_id IN (SELECT customer_id FROM events \
    WHERE corp_id = ? AND business_date = toDate(?) AND type = 'friend.added' AND staff_id = ?)) AS p \
    ON p.src_topic = e.src_topic AND p.src_partition = e.src_partition AND p.src_offset = e.src_offset \
    ORDER BY at, topic, partition, offset";

const DAY_BEFORE: &str = "SELECT toUnixTimestamp64Milli(occurred_at) AS at FROM events WHERE corp_id = ? \
    AND business_date = toDate(?) - 1 AND type = 'friend.added' AND staff_id = ? AND channel_group != 'transfer' ORDER BY at";

impl Warehouse {
    pub(super) async fn read_person(&self, key: &Key) -> Result<Person, Error> {
        // First how far the episodes are: what a refresh writes meanwhile is then only farther.
        let complete_through = self.refreshed("qualified_provisional").await?;
        let (day, staff) = (key.day.to_string(), &key.scope.id);
        let adds = self.client.query(ADDS).bind(&key.corp).bind(&day).bind(staff).bind(&key.corp).bind(&day);
        let adds = adds.bind(&key.corp).bind(&day).bind(staff);
        let before = self.client.query(DAY_BEFORE).bind(&key.corp).bind(&day).bind(staff);
        let (adds, before, month) = tokio::try_join!(
            rows::<AddedRow>("one's adds", adds),
            rows::<BeforeRow>("one's adds of the day before", before),
            self.month(key),
        )?;
        let added = |row: AddedRow| Added {
            at: row.at,
            recorded_at: row.recorded,
            channel: row.key,
            record: (row.topic, row.partition, row.offset),
            fate: match row.fate.as_str() {
                "not_new" => Fate::NotNew,
                "left" => Fate::Left,
                "purged" => Fate::Purged,
                "friend" => Fate::Friend,
                _ => Fate::Unknown,
            },
        };
        let (adds, day_before) =
            (adds.into_iter().map(added).collect(), before.into_iter().map(|row| row.at).collect());
        Ok(Person { adds, day_before, month, complete_through })
    }

    async fn month(&self, key: &Key) -> Result<Month, Error> {
        let within =
            "WHERE corp_id = ? AND business_date BETWEEN toStartOfMonth(toDate(?)) AND toDate(?) AND staff_id = ?";
        let qualified = format!(
            "SELECT sum(qualified_adds) AS qualified, sum(qualified_final) AS last FROM v_qualified_adds_1d {within}"
        );
        let adjusted = format!("SELECT sum(adjusted_qualified_adds) AS adjusted FROM v_closed_1d {within}");
        let day = key.day.to_string();
        let ask = |query: &str| self.client.query(query).bind(&key.corp).bind(&day).bind(&day).bind(&key.scope.id);
        let (qualified, adjusted) = tokio::try_join!(
            rows::<QualifiedRow>("one's month", ask(&qualified)),
            rows::<AdjustedRow>("one's adjustments", ask(&adjusted)),
        )?;
        let (qualified, adjusted) = (qualified.first(), adjusted.first());
        Ok(Month {
            qualified: qualified.map_or(0, |row| row.qualified),
            qualified_final: qualified.map_or(0, |row| row.last),
            adjusted: adjusted.map_or(0, |row| row.adjusted),
        })
    }
}
