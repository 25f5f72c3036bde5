//! The counts of a day.

use clickhouse::Row;
use jiff::civil::Date;
use serde::Deserialize;

use super::{Warehouse, rows, sums};
use crate::board::counts::{self, Counts};
use crate::board::details::last_adds::LastAdds;
use crate::board::reader::{Counters, Error, Within};

#[derive(Row, Deserialize)]
struct CountsRow {
    region: String,
    store: String,
    staff: String,
    counters: Vec<u64>,
    channels: Vec<(String, u64)>,
    last_add_at: i64,
}

#[derive(Row, Deserialize)]
struct LastAddRow {
    store: String,
    staff: String,
    at: i64,
}

impl Warehouse {
    pub(super) async fn read_counts(&self, corp: &str, day: Date, within: &Within) -> Result<Counts, Error> {
        match within {
            Within::Regions => self.counts_by_region(corp, day).await,
            Within::Everywhere | Within::Some { .. } => self.counts_by_staff(corp, day, within).await,
        }
    }

    /// Of the rollup for boards: of staff without channels, and of channels by region.
    async fn counts_by_region(&self, corp: &str, day: Date) -> Result<Counts, Error> {
        let query = format!(
            "SELECT toString(region_id) AS region, toString(store_id) AS store, staff_id AS staff, \
             if(channel = '', {counters}, []) AS counters, \
             if(channel != '' AND adds > 0, [(toString(channel), adds)], []) AS channels, \
             if(channel = '', toUnixTimestamp64Milli(v.last_add_at), 0) AS last_add_at \
             FROM v_counts_1d_board AS v WHERE corp_id = ? AND business_date = toDate(?)",
            counters = counters(),
        );
        let query = self.client.query(&query).bind(corp).bind(day.to_string());
        let rows: Vec<CountsRow> = rows("the counts of a day", query).await?;
        Ok(Counts::new(rows.into_iter().map(counted).collect()))
    }

    /// Of the rollup by all dimensions: channels of a store or a person are told of nowhere else.
    async fn counts_by_staff(&self, corp: &str, day: Date, within: &Within) -> Result<Counts, Error> {
        let some = match within {
            Within::Some { stores, staff } => vec![("store_id", stores), ("staff_id", staff)],
            Within::Regions | Within::Everywhere => Vec::new(),
        };
        let some: Vec<_> = some.into_iter().filter(|(_, ids)| !ids.is_empty()).collect();
        let inside: Vec<_> = some.iter().map(|(column, _)| format!("{column} IN ?")).collect();
        let inside = if inside.is_empty() { String::new() } else { format!(" AND ({})", inside.join(" OR ")) };
        let all = format!(
            "SELECT toString(region_id) AS region, toString(store_id) AS store, staff_id AS staff, {sums} AS counters, \
             groupArrayIf((toString(channel), v.adds), v.adds > 0) AS channels, toInt64(0) AS last_add_at \
             FROM v_counts_1d_chunks AS v WHERE corp_id = ? AND business_date = toDate(?){inside} \
             GROUP BY region_id, store_id, staff_id",
            sums = sums(""),
        );
        let query = self.client.query(&all).bind(corp).bind(day.to_string());
        let query = some.iter().fold(query, |query, (_, ids)| query.bind(ids.as_slice()));
        let rows: Vec<CountsRow> = rows("the counts of a day by channel", query).await?;
        Ok(Counts::new(rows.into_iter().map(counted).collect()))
    }

    pub(super) async fn read_last_adds(&self, corp: &str, day: Date) -> Result<LastAdds, Error> {
        let query = "SELECT toString(store_id) AS store, staff_id AS staff, toUnixTimestamp64Milli(last_add_at) AS at \
            FROM v_counts_1d_staff WHERE corp_id = ? AND business_date = toDate(?) AND adds > 0";
        let query = self.client.query(query).bind(corp).bind(day.to_string());
        let rows: Vec<LastAddRow> = rows("the last adds", query).await?;
        let mut last_adds = LastAdds::default();
        for LastAddRow { store, staff, at } in rows {
            last_adds.by_staff.entry(staff).or_default().push((store, at));
        }
        Ok(last_adds)
    }
}

fn counted(row: CountsRow) -> counts::Row {
    let CountsRow { region, store, staff, counters, channels, last_add_at } = row;
    counts::Row { region, store, staff, counters: Counters::from_values(&counters), channels, last_add_at }
}

/// An array of all counters of a row.
fn counters() -> String {
    let names: Vec<_> = crate::event::Counter::ALL.iter().map(|counter| format!("v.{}", counter.name())).collect();
    format!("[{}]", names.join(", "))
}
