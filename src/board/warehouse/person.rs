//! One member of staff: the adds of a day one by one, and the month.

use std::collections::HashMap;

use clickhouse::Row;
use serde::Deserialize;

use super::{Warehouse, bind_parts, rows};
use crate::board::details::person::{Added, Fate, Month, Person};
use crate::board::places::Places;
use crate::board::reader::{Error, Parts};

#[derive(Row, Deserialize)]
struct AddedRow {
    part: String,
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
    part: String,
    at: i64,
}

#[derive(Row, Deserialize)]
struct QualifiedRow {
    part: String,
    qualified: u64,
    last: u64,
}

#[derive(Row, Deserialize)]
struct AdjustedRow {
    part: String,
    adjusted: i64,
}

/// Whoever the customers are stays in ClickHouse: an episode is found by the record that began it.
const ADDS: &str = "SELECT e.staff_id AS part, toUnixTimestamp64Milli(e.occurred_at) AS at, toUnixTimestamp64Milli(e.recorded_at) AS recorded, \
    toString(e.channel) AS key, toString(e.src_topic) AS topic, e.src_partition AS partition, e.src_offset AS offset, \
    multiIf(p.began_by = '', '', NOT p.is_new, 'not_new', p.by = 'customer' AND p.within, 'left', \
    p.by = 'staff' AND p.within, 'purged', 'friend') AS fate \
    FROM (SELECT staff_id, occurred_at, recorded_at, channel, src_topic, src_partition, src_offset FROM events \
    WHERE corp_id = ? AND business_date = toDate(?) AND type = 'friend.added' AND staff_id IN ? \
    AND channel_group != 'transfer') AS e LEFT JOIN (SELECT src_topic, src_partition, src_offset, \
    toString(begun_by) AS began_by, is_new_to_corp AS is_new, toString(unfriended_by) AS by, \
    ifNull(unfriended_at < began_at + INTERVAL 1 DAY, false) AS within FROM v_episodes \
    WHERE corp_id = ? AND business_date = toDate(?) AND customer_id IN (SELECT customer_id FROM events \
    WHERE corp_id = ? AND business_date = toDate(?) AND type = 'friend.added' AND staff_id IN ?)) AS p \
    ON p.src_topic = e.src_topic AND p.src_partition = e.src_partition AND p.src_offset = e.src_offset \
    ORDER BY at, topic, partition, offset";

const DAY_BEFORE: &str = "SELECT staff_id AS part, toUnixTimestamp64Milli(occurred_at) AS at FROM events WHERE corp_id = ? \
    AND business_date = toDate(?) - 1 AND type = 'friend.added' AND staff_id IN ? AND channel_group != 'transfer' ORDER BY at";

impl Warehouse {
    pub(super) async fn read_person(&self, parts: &Parts) -> Result<Places<Person>, Error> {
        // First how far the episodes are: what a refresh writes meanwhile is then only farther.
        let complete_through = self.refreshed("qualified_provisional").await?;
        let day = parts.day.to_string();
        let adds = bind_parts(self.client.query(ADDS).bind(&parts.corp).bind(&day), parts).bind(&parts.corp).bind(&day);
        let adds = bind_parts(adds.bind(&parts.corp).bind(&day), parts);
        let before = bind_parts(self.client.query(DAY_BEFORE).bind(&parts.corp).bind(&day), parts);
        let (adds, before, months) = tokio::try_join!(
            rows::<AddedRow>("one's adds", adds),
            rows::<BeforeRow>("one's adds of the day before", before),
            self.months(parts),
        )?;
        let nothing = Person { complete_through, ..Person::default() };
        let mut people: HashMap<String, Person> = HashMap::new();
        for row in adds {
            people.entry(row.part.clone()).or_insert_with(|| nothing.clone()).adds.push(added(row));
        }
        for BeforeRow { part, at } in before {
            people.entry(part).or_insert_with(|| nothing.clone()).day_before.push(at);
        }
        for (id, month) in months {
            people.entry(id).or_insert_with(|| nothing.clone()).month = month;
        }
        Ok(Places::new(people, nothing))
    }

    async fn months(&self, parts: &Parts) -> Result<HashMap<String, Month>, Error> {
        let within = "WHERE corp_id = ? AND business_date BETWEEN toStartOfMonth(toDate(?)) AND toDate(?) \
                      AND staff_id IN ? GROUP BY staff_id";
        let qualified = format!(
            "SELECT staff_id AS part, sum(qualified_adds) AS qualified, sum(qualified_final) AS last \
             FROM v_qualified_adds_1d {within}"
        );
        let adjusted =
            format!("SELECT staff_id AS part, sum(adjusted_qualified_adds) AS adjusted FROM v_closed_1d {within}");
        let day = parts.day.to_string();
        let ask = |query: &str| bind_parts(self.client.query(query).bind(&parts.corp).bind(&day).bind(&day), parts);
        let (qualified, adjusted) = tokio::try_join!(
            rows::<QualifiedRow>("one's month", ask(&qualified)),
            rows::<AdjustedRow>("one's adjustments", ask(&adjusted)),
        )?;
        let mut months: HashMap<String, Month> = HashMap::new();
        for QualifiedRow { part, qualified, last } in qualified {
            months.insert(part, Month { qualified, qualified_final: last, adjusted: 0 });
        }
        for AdjustedRow { part, adjusted } in adjusted {
            months.entry(part).or_default().adjusted = adjusted;
        }
        Ok(months)
    }
}

fn added(row: AddedRow) -> Added {
    Added {
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
    }
}
