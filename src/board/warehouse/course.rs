//! The adds of a day by the minute, and of the like weekdays before it.

use clickhouse::Row;
use jiff::ToSpan;
use serde::Deserialize;

use super::{Warehouse, bind_scope, rows, within};
use crate::board::details::Key;
use crate::board::details::course::{Course, Minute};
use crate::board::reader::Error;

#[derive(Row, Deserialize)]
struct MinuteRow {
    day: String,
    start: i64,
    sum: u64,
    late: u64,
}

impl Warehouse {
    pub(super) async fn read_course(&self, key: &Key) -> Result<Course, Error> {
        let day_before = key.day.checked_sub(1.day()).map_err(|_| Error::Day { day: key.day })?;
        let query = format!(
            "SELECT toString(business_date) AS day, toInt64(toUnixTimestamp(window_start)) * 1000 AS start, \
             sum(adds) AS sum, sum(late_adds) AS late \
             FROM v_counts_1m WHERE corp_id = ? AND business_date IN (toDate(?), toDate(?)){scope} \
             GROUP BY day, start HAVING sum > 0 ORDER BY start",
            scope = within(&key.scope),
        );
        let query = self.client.query(&query).bind(&key.corp).bind(key.day.to_string()).bind(day_before.to_string());
        let found: Vec<MinuteRow> = rows("a day by the minute", bind_scope(query, &key.scope)).await?;
        let day = key.day.to_string();
        let mut course = Course::default();
        for row in found {
            let minutes = if row.day == day { &mut course.day } else { &mut course.day_before };
            minutes.push(Minute { start: row.start, adds: row.sum, late_adds: row.late });
        }
        Ok(course)
    }
}
