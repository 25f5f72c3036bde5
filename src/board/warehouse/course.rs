//! The adds of a day by the minute, and of the like weekdays before it.

use clickhouse::Row;
use jiff::ToSpan;
use serde::Deserialize;

use super::{Warehouse, bind_parts, part, places, rows, within};
use crate::board::details::course::{Course, Minute};
use crate::board::places::Places;
use crate::board::reader::{Error, Parts};

#[derive(Row, Deserialize)]
struct MinuteRow {
    part: String,
    day: String,
    start: i64,
    sum: u64,
    late: u64,
}

impl Warehouse {
    pub(super) async fn read_course(&self, parts: &Parts) -> Result<Places<Course>, Error> {
        let day_before = parts.day.checked_sub(1.day()).map_err(|_| Error::Day { day: parts.day })?;
        let query = format!(
            "SELECT {part}, toString(business_date) AS day, toInt64(toUnixTimestamp(window_start)) * 1000 AS start, \
             sum(adds) AS sum, sum(late_adds) AS late \
             FROM v_counts_1m_chunks WHERE corp_id = ? AND business_date IN (toDate(?), toDate(?)){within} \
             GROUP BY part, day, start HAVING sum > 0 ORDER BY start",
            part = part(parts),
            within = within(parts),
        );
        let day = parts.day.to_string();
        let query = self.client.query(&query).bind(&parts.corp).bind(&day).bind(day_before.to_string());
        let found: Vec<MinuteRow> = rows("a day by the minute", bind_parts(query, parts)).await?;
        let course = |found: Vec<MinuteRow>| {
            let mut course = Course::default();
            for row in found {
                let minutes = if row.day == day { &mut course.day } else { &mut course.day_before };
                minutes.push(Minute { start: row.start, adds: row.sum, late_adds: row.late });
            }
            course
        };
        Ok(places(found, |row| &row.part, course))
    }
}
