//! The counts of a day.

use std::collections::HashMap;

use clickhouse::Row;
use clickhouse::query::Query;
use jiff::civil::Date;
use serde::Deserialize;

use super::{Warehouse, rows};
use crate::board::counts::{self, Counts};
use crate::board::reader::{Counters, Error, Within};
use crate::event::Counter;

#[derive(Row, Deserialize)]
struct CountsRow {
    region: String,
    store: String,
    staff: String,
    counters: Vec<u64>,
    channels: Vec<(String, u64)>,
    last_add_at: i64,
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

    /// Of the rollup for boards, and channels by that of all dimensions: a store or a person is told of them nowhere else.
    async fn counts_by_staff(&self, corp: &str, day: Date, within: &Within) -> Result<Counts, Error> {
        let some = match within {
            Within::Some { stores, staff } => vec![("store_id", stores), ("staff_id", staff)],
            Within::Regions | Within::Everywhere => Vec::new(),
        };
        let some: Vec<_> = some.into_iter().filter(|(_, ids)| !ids.is_empty()).collect();
        let inside: Vec<_> = some.iter().map(|(column, _)| format!("{column} IN ?")).collect();
        let inside = if inside.is_empty() { String::new() } else { format!(" AND ({})", inside.join(" OR ")) };
        let place = "toString(region_id) AS region, toString(store_id) AS store, staff_id AS staff";
        let inside = format!("WHERE corp_id = ? AND business_date = toDate(?){inside}");
        // Nineteen counters of each channel would take twice as long.
        let query = format!(
            "SELECT {place}, {counters} AS counters, [] AS channels, \
             toUnixTimestamp64Milli(v.last_add_at) AS last_add_at FROM v_counts_1d_staff AS v {inside} \
             UNION ALL SELECT {place}, [], groupArrayIf((toString(channel), v.adds), v.adds > 0), 0 \
             FROM v_counts_1d_chunks AS v {inside} GROUP BY region_id, store_id, staff_id",
            counters = counters(),
        );
        let bound = |query: Query| {
            let query = query.bind(corp).bind(day.to_string());
            some.iter().fold(query, |query, (_, ids)| query.bind(ids.as_slice()))
        };
        let rows: Vec<CountsRow> =
            rows("the counts of a day by channel", bound(bound(self.client.query(&query)))).await?;
        Ok(Counts::new(joined(rows)))
    }
}

/// Rows of counters with those of the channels of the same place. Either was read at its own moment of a flush: adds are what
/// the channels that stand beside them add up to.
fn joined(rows: Vec<CountsRow>) -> Vec<counts::Row> {
    let (of_channels, of_staff): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.counters.is_empty());
    let place = |row: &CountsRow| (row.region.clone(), row.store.clone(), row.staff.clone());
    let mut places: HashMap<_, _> = of_staff.into_iter().map(|row| (place(&row), row)).collect();
    for mut row in of_channels {
        let channels = std::mem::take(&mut row.channels);
        places.entry(place(&row)).or_insert(row).channels = channels;
    }
    let joined = places.into_values().map(|row| {
        let mut row = counted(row);
        row.counters.set(Counter::Adds, row.channels.iter().map(|(_, adds)| adds).sum());
        row
    });
    joined.collect()
}

fn counted(row: CountsRow) -> counts::Row {
    let CountsRow { region, store, staff, counters, channels, last_add_at } = row;
    counts::Row { region, store, staff, counters: Counters::from_values(&counters), channels, last_add_at }
}

/// An array of all counters of a row.
fn counters() -> String {
    let names: Vec<_> = Counter::ALL.iter().map(|counter| format!("v.{}", counter.name())).collect();
    format!("[{}]", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::view::{Level, Scope};

    fn row(staff: &str, counters: Vec<u64>, channels: &[(&str, u64)]) -> CountsRow {
        let channels = channels.iter().map(|(channel, adds)| ((*channel).to_owned(), *adds)).collect();
        let [region, store, staff] = ["R1", "S1", staff].map(str::to_owned);
        CountsRow { region, store, staff, counters, channels, last_add_at: 0 }
    }

    #[test]
    fn channels_add_up_to_the_adds_though_a_flush_came_between_them() {
        let counters = |adds| {
            let mut counters = Counters::default();
            counters.set(Counter::Adds, adds);
            counters.set(Counter::MessagesIn, 7);
            Counter::ALL.iter().map(|counter| counters.get(*counter)).collect::<Vec<_>>()
        };
        let rows = vec![
            row("behind", counters(2), &[]),
            row("gone", counters(1), &[]),
            // Two chunks of a channel.
            row("behind", Vec::new(), &[("sms", 1), ("ads", 1), ("sms", 1)]),
            row("new", Vec::new(), &[("sms", 1)]),
        ];
        let day = Counts::new(joined(rows)).day(&Scope::read("store:S1").unwrap(), Level::Staff);
        let children: Vec<_> = day.children.iter().map(|(id, sum)| (id.as_str(), sum.get(Counter::Adds))).collect();
        assert_eq!(children, [("behind", 3), ("gone", 0), ("new", 1)]);
        assert_eq!(day.channels, [("ads".to_owned(), 1), ("sms".to_owned(), 3)]);
        assert_eq!((day.total.get(Counter::Adds), day.total.get(Counter::MessagesIn)), (4, 14));
    }
}
