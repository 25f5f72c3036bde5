//! Contests of a corp and how they stand.
//!
//! Why not from `v_contests`: it asks once for all corps and metrics, which takes seconds; here each contest asks for its own
//! days, sides and metric alone. `tests/boards.rs` compares the two.

use std::collections::HashMap;

use clickhouse::Row;
use clickhouse::query::Query;
use futures_util::future::try_join_all;
use serde::Deserialize;

use super::{Warehouse, column, rows};
use crate::board::details::contests::{Contestant, Contests};
use crate::board::reader::Error;
use crate::board::view::{Level, Metric, Scope};

/// Those that ended longer ago are no news; of more at a time nobody keeps track.
const SHOWN_MAX: usize = 8;

#[derive(Row, Deserialize)]
struct ContestRow {
    contest: String,
    title: String,
    place: String,
    sides: Vec<String>,
    what: String,
    by: String,
    begins: i64,
    ends: i64,
}

#[derive(Row, Deserialize)]
struct SideRow {
    side: String,
    score: i64,
}

#[derive(Row, Deserialize)]
struct HeadsRow {
    side: String,
    heads: u64,
}

impl Warehouse {
    pub(super) async fn read_contests(&self, corp: &str) -> Result<Contests, Error> {
        let query = format!(
            "SELECT contest_id AS contest, row.1 AS title, row.2 AS place, row.3 AS sides, row.4 AS what, row.5 AS by, \
            toUnixTimestamp64Milli(row.6) AS begins, toUnixTimestamp64Milli(row.7) AS ends FROM (SELECT contest_id, \
            argMax((name, toString(level), ids, toString(metric), toString(basis), starts_at, ends_at, removed), \
            (published_at, src_offset)) AS row FROM contests_history WHERE corp_id = ? GROUP BY contest_id) \
            WHERE NOT row.8 AND row.7 > now64(3) - INTERVAL 7 DAY ORDER BY begins, contest LIMIT {SHOWN_MAX}"
        );
        let found: Vec<ContestRow> = rows("contests", self.client.query(&query).bind(corp)).await?;
        let sides = async |row| tokio::try_join!(self.sides(corp, row), self.heads(corp, row));
        let sides = try_join_all(found.iter().map(sides)).await?;
        let contests = found.iter().zip(sides).flat_map(|(row, (values, heads))| contestants(row, &values, &heads));
        Ok(Contests { rows: contests.collect() })
    }

    /// How many are at work on each side at the end of the contest; before that, as of now.
    async fn heads(&self, corp: &str, row: &ContestRow) -> Result<HashMap<String, u64>, Error> {
        let query = "SELECT id AS side, toUInt64(greatest(0, arraySum(c -> if(c.at < least(fromUnixTimestamp64Milli(toInt64(?), 'UTC'), \
             now64(3)), c.change, 0), changes))) AS heads FROM dim_headcount WHERE corp_id = ? AND level = ? AND has(?, id)";
        let query = self.client.query(query).bind(row.ends).bind(corp).bind(&row.place).bind(row.sides.as_slice());
        let found: Vec<HeadsRow> = rows("who takes part in a contest", query).await?;
        Ok(found.into_iter().map(|row| (row.side, row.heads)).collect())
    }

    /// The values of the sides that have one.
    async fn sides(&self, corp: &str, row: &ContestRow) -> Result<HashMap<String, i64>, Error> {
        let Some(level) = Level::from_name(&row.place) else { return Ok(HashMap::new()) };
        let days = "toDate(fromUnixTimestamp64Milli(toInt64(?), 'UTC')) - 1 AND toDate(fromUnixTimestamp64Milli(toInt64(?), 'UTC')) + 1";
        let query = match Metric::from_name(&row.what) {
            Some(metric @ (Metric::Adds | Metric::NetAdds)) => {
                let lost = if metric == Metric::NetAdds { "-1" } else { "0" };
                format!(
                    "SELECT toString({side}) AS side, toInt64(sum(if(type = 'friend.added', 1, {lost}))) AS score FROM events \
                     WHERE corp_id = ? AND business_date BETWEEN {days} AND type IN ('friend.added', \
                     'friend.deleted_by_customer', 'friend.deleted_by_staff') \
                     AND (type != 'friend.added' OR channel_group != 'transfer') \
                     AND occurred_at >= fromUnixTimestamp64Milli(toInt64(?), 'UTC') AND occurred_at < fromUnixTimestamp64Milli(toInt64(?), 'UTC') \
                     AND has(?, toString({side})) GROUP BY {side}",
                    side = column(level),
                )
            }
            Some(Metric::QualifiedAdds) => format!(
                "SELECT toString({side}) AS side, toInt64(count()) AS score FROM v_episodes \
                 WHERE corp_id = ? AND business_date BETWEEN {days} AND is_new_to_corp \
                 AND NOT ifNull(unfriended_at < began_at + INTERVAL 1 DAY, false) \
                 AND began_at >= fromUnixTimestamp64Milli(toInt64(?), 'UTC') AND began_at < fromUnixTimestamp64Milli(toInt64(?), 'UTC') \
                 AND has(?, toString({side})) GROUP BY {side}",
                side = column(level),
            ),
            None => return Ok(HashMap::new()),
        };
        let bounds = |query: Query| query.bind(row.begins).bind(row.ends);
        let query = bounds(bounds(self.client.query(&query).bind(corp))).bind(row.sides.as_slice());
        let found: Vec<SideRow> = rows("the sides of a contest", query).await?;
        Ok(found.into_iter().map(|row| (row.side, row.score)).collect())
    }
}

fn contestants(row: &ContestRow, values: &HashMap<String, i64>, heads: &HashMap<String, u64>) -> Vec<Contestant> {
    let Some(level) = Level::from_name(&row.place) else { return Vec::new() };
    let contestant = |id: &String| Contestant {
        contest_id: row.contest.clone(),
        name: row.title.clone(),
        scope: Scope { level, id: id.clone() },
        metric: row.what.clone(),
        basis: row.by.clone(),
        bounds: (row.begins, row.ends),
        value: values.get(id).copied().unwrap_or(0),
        staff_active: heads.get(id).copied().unwrap_or(0),
    };
    row.sides.iter().map(contestant).collect()
}
