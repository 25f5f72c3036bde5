//! The like weekdays of the weeks before a day.

use std::collections::HashMap;

use clickhouse::Row;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;

use super::{Warehouse, bind_scope, column, rows, within};
use crate::board::days::LIKE_WEEKDAYS;
use crate::board::details::Key;
use crate::board::details::history::{History, LikeDay};
use crate::board::reader::Error;

#[derive(Row, Deserialize)]
struct LikeRow {
    day: String,
    minutes: Vec<(u32, u64)>,
}

#[derive(Row, Deserialize)]
struct ChildRow {
    day: String,
    name: String,
    sum: u64,
}

impl Warehouse {
    pub(super) async fn read_history(&self, key: &Key) -> Result<History, Error> {
        let (days, scope) = (like_weekdays(key.day), within(&key.scope));
        let minutes = format!(
            "SELECT toString(date) AS day, arraySort(groupArray((minute, sum))) AS minutes FROM \
             (SELECT business_date AS date, toUInt32(intDiv(toUnixTimestamp(window_start), 60)) AS minute, sum(adds) AS sum \
             FROM v_counts_1m WHERE corp_id = ? AND business_date IN ({days}){scope} \
             GROUP BY date, minute HAVING sum > 0) GROUP BY date ORDER BY date DESC"
        );
        let children = format!(
            "SELECT toString(business_date) AS day, toString({child}) AS name, sum(adds) AS sum \
             FROM v_counts_1d WHERE corp_id = ? AND business_date IN ({days}){scope} \
             GROUP BY business_date, {child} HAVING sum > 0",
            child = column(key.level),
        );
        let ask = |query: &str| bind_scope(self.client.query(query).bind(&key.corp), &key.scope);
        let (minutes, children) = tokio::try_join!(
            rows::<LikeRow>("like weekdays", ask(&minutes)),
            rows::<ChildRow>("like weekdays by child", ask(&children)),
        )?;
        let mut by_day: HashMap<String, HashMap<String, u64>> = HashMap::new();
        for ChildRow { day, name, sum } in children {
            by_day.entry(day).or_default().insert(name, sum);
        }
        let like = |row: LikeRow| {
            let children = by_day.remove(&row.day).unwrap_or_default();
            row.day.parse::<Date>().ok().map(|day| LikeDay { day, minutes: row.minutes, children })
        };
        Ok(History { days: minutes.into_iter().filter_map(like).collect() })
    }
}

/// The days as a list of SQL.
fn like_weekdays(day: Date) -> String {
    let weeks = 1..=i32::try_from(LIKE_WEEKDAYS).unwrap_or(i32::MAX);
    let days = weeks.filter_map(|weeks| day.checked_sub((weeks * 7).days()).ok());
    days.map(|day| format!("toDate('{day}')")).collect::<Vec<_>>().join(", ")
}
