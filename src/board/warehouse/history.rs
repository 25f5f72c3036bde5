//! The like weekdays of the weeks before a day.

use std::collections::HashMap;

use clickhouse::Row;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;

use super::{Warehouse, bind_parts, by_part, column, part, rows, within};
use crate::board::days::LIKE_WEEKDAYS;
use crate::board::details::history::{History, LikeDay};
use crate::board::places::Places;
use crate::board::reader::{Error, Parts};

#[derive(Row, Deserialize)]
struct LikeRow {
    part: String,
    day: String,
    minutes: Vec<(u32, u64)>,
}

#[derive(Row, Deserialize)]
struct ChildRow {
    part: String,
    day: String,
    name: String,
    sum: u64,
}

impl Warehouse {
    pub(super) async fn read_history(&self, parts: &Parts) -> Result<Places<History>, Error> {
        let (days, part, within) = (like_weekdays(parts.day), part(parts), within(parts));
        let minutes = format!(
            "SELECT part, toString(date) AS day, arraySort(groupArray((minute, sum))) AS minutes FROM \
             (SELECT {part}, business_date AS date, toUInt32(intDiv(toUnixTimestamp(window_start), 60)) AS minute, sum(adds) AS sum \
             FROM v_counts_1m_chunks WHERE corp_id = ? AND business_date IN ({days}){within} \
             GROUP BY part, date, minute HAVING sum > 0) GROUP BY part, date ORDER BY date DESC"
        );
        let children = format!(
            "SELECT {part}, toString(business_date) AS day, toString({child}) AS name, sum(adds) AS sum \
             FROM v_counts_1d_chunks WHERE corp_id = ? AND business_date IN ({days}){within} \
             GROUP BY part, business_date, {child} HAVING sum > 0",
            child = column(parts.level),
        );
        let ask = |query: &str| bind_parts(self.client.query(query).bind(&parts.corp), parts);
        let (minutes, children) = tokio::try_join!(
            rows::<LikeRow>("like weekdays", ask(&minutes)),
            rows::<ChildRow>("like weekdays by child", ask(&children)),
        )?;
        let mut children = by_part(children, |row| &row.part);
        // Children are those of days with minutes: both are counted from the same events.
        let history = |(id, minutes)| {
            let children = by_day(children.remove(&id).unwrap_or_default());
            (id, History { days: like_days(minutes, children) })
        };
        Ok(Places::new(by_part(minutes, |row| &row.part).into_iter().map(history), History::default()))
    }
}

fn by_day(rows: Vec<ChildRow>) -> HashMap<String, HashMap<String, u64>> {
    let mut by_day: HashMap<_, HashMap<_, _>> = HashMap::new();
    for ChildRow { day, name, sum, .. } in rows {
        by_day.entry(day).or_default().insert(name, sum);
    }
    by_day
}

fn like_days(rows: Vec<LikeRow>, mut children: HashMap<String, HashMap<String, u64>>) -> Vec<LikeDay> {
    let like = |row: LikeRow| {
        let children = children.remove(&row.day).unwrap_or_default();
        row.day.parse::<Date>().ok().map(|day| LikeDay { day, minutes: row.minutes, children })
    };
    rows.into_iter().filter_map(like).collect()
}

/// The days as a list of SQL.
fn like_weekdays(day: Date) -> String {
    let weeks = 1..=i32::try_from(LIKE_WEEKDAYS).unwrap_or(i32::MAX);
    let days = weeks.filter_map(|weeks| day.checked_sub((weeks * 7).days()).ok());
    days.map(|day| format!("toDate('{day}')")).collect::<Vec<_>>().join(", ")
}
