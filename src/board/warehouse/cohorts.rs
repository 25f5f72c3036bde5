//! The cohorts of a day, by child and by channel.

use clickhouse::Row;
use serde::Deserialize;

use super::{Warehouse, bind_parts, column, part, places, rows, within};
use crate::board::details::cohorts::{Cohort, Cohorts};
use crate::board::places::Places;
use crate::board::reader::{Error, Parts};

#[derive(Row, Deserialize)]
struct ThroughRow {
    through: i64,
}

#[derive(Row, Deserialize)]
struct CohortRow {
    part: String,
    by_channel: u8,
    name: String,
    not_new: u64,
    lost: u64,
    opened: u64,
    matured: u64,
    retained: u64,
}

impl Warehouse {
    pub(super) async fn read_cohorts(&self, parts: &Parts) -> Result<Places<Cohorts>, Error> {
        // First how far they are: what a refresh writes meanwhile is then only farther.
        let complete_through = self.refreshed("qualified_provisional").await?;
        let query = format!(
            "SELECT {part}, toUInt8(grouping(channel) = 0) AS by_channel, \
             if(by_channel, toString(channel), toString({child})) AS name, \
             toUInt64(sum(adds) - sum(new_adds)) AS not_new, sum(lost_adds) AS lost, sum(opened_adds) AS opened, \
             sum(matured_24h) AS matured, sum(retained_24h) AS retained \
             FROM v_cohorts_1d WHERE corp_id = ? AND business_date = toDate(?){within} \
             GROUP BY GROUPING SETS ((part, {child}), (part, channel))",
            part = part(parts),
            child = column(parts.level),
            within = within(parts),
        );
        let query = self.client.query(&query).bind(&parts.corp).bind(parts.day.to_string());
        let found: Vec<CohortRow> = rows("the cohorts of a day", bind_parts(query, parts)).await?;
        let cohorts = |found: Vec<CohortRow>| {
            let mut cohorts = Cohorts { complete_through, ..Cohorts::default() };
            for CohortRow { by_channel, name, not_new, lost, opened, matured, retained, .. } in found {
                let map = if by_channel == 1 { &mut cohorts.channels } else { &mut cohorts.children };
                map.insert(name, Cohort { not_new, lost, opened, matured, retained });
            }
            cohorts
        };
        Ok(places(found, |row| &row.part, cohorts))
    }

    /// How far a cohort figure is refreshed, in ms since the epoch; 0 before the first run.
    pub(super) async fn refreshed(&self, figure: &str) -> Result<i64, Error> {
        let query = "SELECT toUnixTimestamp64Milli(complete_through) AS through FROM v_refresh WHERE figure = ?";
        let found: Vec<ThroughRow> = rows("the freshness of cohorts", self.client.query(query).bind(figure)).await?;
        Ok(found.first().map_or(0, |row| row.through))
    }
}
