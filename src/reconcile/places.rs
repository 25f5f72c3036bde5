//! Facts without a store or a region, placed by what the directory has learnt since (`--directory`).
//!
//! Invariant: the directory decides through the same room as in the pipeline, and what an event said itself stays.
//!
//! # How so many facts are placed without reading them
//! For one member of staff the answer changes only where a row was published or begins to hold. So the room is asked
//! once for each cell between these moments, and ClickHouse looks the cell of each fact up. A fact with an empty
//! region may have been given its store or have taken it from the directory: both lead to the same answer.
//!
//! A member who had rows when the event was counted gets the answer that was given then: rows published later do not
//! play a part in it. Only for one without any the answer changes, since the first row holds from the beginning.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Row;
use serde::Deserialize;

use super::{NOW, scope::Scope};
use crate::{
    batch::FACT_COLUMNS,
    directory::{Directory, OrgRow, Reference},
    enrich,
    event::{Event, Type},
    reference,
    sink::{self, Error},
    verify::sql,
};

/// What facts of a member say of their place, one of the two at least being empty.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the fields are the columns of the query")]
struct Incomplete {
    corp_id: String,
    staff_id: String,
    store_id: String,
    region_id: String,
}

/// Where facts belong by the directory as of now.
#[derive(Debug)]
pub(super) struct Places {
    /// Lines of tab-separated values; see [`COLUMNS`].
    cells: String,
}

/// Of a cell: the key, the half-open spans of `occurred_at` and of the moment up to which rows count, both in
/// milliseconds since the epoch, and the place.
const COLUMNS: &str = "of_corp String, of_staff String, of_store String, of_region String, occurred_from Int64, \
     occurred_to Int64, until_from Int64, until_to Int64, new_store String, new_region String";

impl Places {
    /// Asks the directory about all facts of the range without store or region; `None` where nothing would change.
    pub(super) async fn read(scope: &Scope<'_>) -> Result<Option<Self>, Error> {
        let client = scope.warehouse.client;
        let loaded = reference::load(client).await;
        let loaded = loaded.map_err(|source| sink::Error::new("read the directory", source))?;
        let (mut directory, mut members) = (Directory::default(), BTreeMap::<_, Vec<OrgRow>>::new());
        for row in loaded {
            let Reference::Org(row) = row else { continue };
            directory.insert_org(row.clone());
            members.entry((row.corp_id.clone(), row.staff_id.clone())).or_default().push(row);
        }
        let text = format!(
            "SELECT DISTINCT corp_id, staff_id, store_id, region_id FROM facts WHERE business_date {} \
             AND (store_id = '' OR region_id = '') AND staff_id != '' {}",
            sql::between(scope.warehouse.days),
            sql::SETTINGS
        );
        let mut cells = String::new();
        for fact in scope.warehouse.fetch::<Incomplete>("look for facts without a place", &text).await? {
            let Some(rows) = members.get(&(fact.corp_id.clone(), fact.staff_id.clone())) else { continue };
            let of_fact = cells_of(&fact, rows, &directory);
            if of_fact.iter().any(|cell| (cell.store_id.as_str(), cell.region_id.as_str()) != fact.place()) {
                for cell in &of_fact {
                    cell.write(&fact, &mut cells);
                }
            }
        }
        Ok((!cells.is_empty()).then_some(Self { cells }))
    }

    /// The facts of `facts` (its columns include `occurred_at` and `recorded_at`) with the place that they have by now
    /// in `new_store, new_region`; of those that no cell is for, their own.
    pub(super) fn join(&self, facts: &str, delay_ms: i64) -> String {
        let until = format!("(toUnixTimestamp64Milli(recorded_at) - {delay_ms})");
        let occurred = "toUnixTimestamp64Milli(occurred_at)";
        format!(
            "SELECT f.*, if(of_corp = '', f.store_id, c.new_store) AS placed_store, \
             if(of_corp = '', f.region_id, c.new_region) AS placed_region FROM ({facts}) AS f LEFT JOIN (\
             {}) AS c \
             ON f.corp_id = c.of_corp AND f.staff_id = c.of_staff AND f.store_id = c.of_store AND f.region_id = c.of_region \
             WHERE of_corp = '' OR {occurred} >= occurred_from AND {occurred} < occurred_to AND {until} >= until_from \
             AND {until} < until_to",
            self.table()
        )
    }

    /// The members who have another place now, as `of_corp, of_staff`.
    pub(super) fn members(&self) -> String {
        format!("SELECT DISTINCT of_corp, of_staff FROM ({})", self.table())
    }

    fn table(&self) -> String {
        format!("SELECT * FROM format(TSV, '{COLUMNS}', {})", sink::literal(&self.cells))
    }

    /// How many facts of closed chunks have another place now.
    pub(super) async fn count(&self, scope: &Scope<'_>, delay_ms: i64) -> Result<u64, Error> {
        let text = format!("SELECT count() FROM ({}) {}", self.moved(scope, delay_ms), sql::SETTINGS);
        let counts = scope.warehouse.fetch::<u64>("look for facts without a place", &text).await?;
        Ok(counts.into_iter().sum())
    }

    /// Writes these facts again; how many.
    pub(super) async fn write(&self, scope: &Scope<'_>, delay_ms: i64, generation: u64) -> Result<u64, Error> {
        let columns = FACT_COLUMNS.replace("region_id, store_id,", "placed_region, placed_store,");
        let text = format!(
            "INSERT INTO facts ({FACT_COLUMNS}, schema, ingested_at, is_duplicate, version) \
             SELECT {columns}, schema, {NOW}, is_duplicate, {generation} FROM ({}) {}",
            self.moved(scope, delay_ms),
            sql::SETTINGS
        );
        scope.warehouse.execute("place facts", &text).await?;
        let text = format!(
            "SELECT uniqExact(src_topic, src_partition, src_offset) FROM facts \
             WHERE business_date {} AND version = {generation} AND NOT is_duplicate",
            sql::between(scope.warehouse.days)
        );
        let counts = scope.warehouse.fetch::<u64>("count the placed facts", &text).await?;
        Ok(counts.into_iter().sum())
    }

    /// The facts of closed chunks that have another place now, with `placed_store` and `placed_region`.
    fn moved(&self, scope: &Scope<'_>, delay_ms: i64) -> String {
        let between = sql::between(scope.warehouse.days);
        let day_chunk = format!("bitShiftRight(src_offset, {})", scope.warehouse.chunk.day_bits);
        let facts = format!(
            "SELECT f.* FROM (SELECT * FROM facts WHERE business_date {between} AND staff_id != '' \
             AND (src_topic, src_partition, src_offset) IN (SELECT src_topic, src_partition, src_offset FROM facts \
             WHERE business_date {between} AND staff_id != '' AND (store_id = '' OR region_id = '')) \
             ORDER BY version DESC LIMIT 1 BY src_topic, src_partition, src_offset) AS f \
             INNER JOIN {} AS p ON f.src_topic = p.topic AND f.src_partition = p.number \
             WHERE NOT f.is_duplicate AND {}",
            scope.partitions(),
            scope.is_closed(&day_chunk)
        );
        format!(
            "SELECT * FROM ({}) WHERE placed_store != store_id OR placed_region != region_id",
            self.join(&facts, delay_ms)
        )
    }
}

impl Incomplete {
    fn place(&self) -> (&str, &str) {
        (&self.store_id, &self.region_id)
    }
}

/// What the directory says between the moments at which its answer may change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    occurred: std::ops::Range<i64>,
    until: std::ops::Range<i64>,
    store_id: String,
    region_id: String,
}

impl Cell {
    fn write(&self, fact: &Incomplete, cells: &mut String) {
        let texts = [&fact.corp_id, &fact.staff_id, &fact.store_id, &fact.region_id].map(|text| escaped(text));
        let numbers = [&self.occurred, &self.until].map(|span| format!("{}\t{}", span.start, span.end));
        let place = [escaped(&self.store_id), escaped(&self.region_id)];
        cells.push_str(&[texts.join("\t"), numbers.join("\t"), place.join("\t")].join("\t"));
        cells.push('\n');
    }
}

/// Every moment lies in one cell.
fn cells_of(fact: &Incomplete, rows: &[OrgRow], directory: &Directory) -> Vec<Cell> {
    let spans = |moments: BTreeSet<i64>| {
        let mut edges: Vec<_> = [i64::MIN].into_iter().chain(moments).chain([i64::MAX]).collect();
        edges.dedup();
        edges.windows(2).map(|edge| edge[0]..edge[1]).collect::<Vec<_>>()
    };
    let published = spans(rows.iter().map(|row| row.publication.at).collect());
    let valid = spans(rows.iter().map(|row| row.valid_from).collect());
    let mut event = event_of(fact);
    let mut cells = Vec::with_capacity(published.len() * valid.len());
    for until in &published {
        for occurred in &valid {
            event.occurred_at = occurred.start;
            let found = enrich::resolve(&event, directory, until.start);
            let (store_id, region_id) = (found.store_id.to_owned(), found.region_id.to_owned());
            cells.push(Cell { occurred: occurred.clone(), until: until.clone(), store_id, region_id });
        }
    }
    cells
}

/// An event that says of its place what the fact holds.
fn event_of(fact: &Incomplete) -> Event<'_> {
    Event {
        event_id: "".into(),
        kind: Type::FriendAdded,
        corp_id: fact.corp_id.as_str().into(),
        occurred_at: 0,
        staff_id: fact.staff_id.as_str().into(),
        customer_id: "".into(),
        store_id: fact.store_id.as_str().into(),
        region_id: fact.region_id.as_str().into(),
        channel: "".into(),
        state: "".into(),
        add_way: None,
        campaign_id: "".into(),
        direction: None,
        count: 1,
        auto: false,
        order_id: "".into(),
        amount_fen: None,
        task_id: "".into(),
        task_name: "".into(),
        audience: None,
        extra: "{}".into(),
    }
}

/// As a field of tab-separated values.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Publication;

    fn row(at: i64, valid_from: i64, store_id: &str) -> OrgRow {
        let publication = Publication { at, partition: 0, offset: 0 };
        let (corp_id, staff_id) = ("c".to_owned(), "s".to_owned());
        let (store_id, region_id) = (store_id.to_owned(), format!("r{store_id}"));
        OrgRow { publication, corp_id, staff_id, store_id, region_id, valid_from, ..OrgRow::default() }
    }

    fn check(rows: &[OrgRow], store_id: &str, region_id: &str) {
        let mut directory = Directory::default();
        for row in rows {
            directory.insert_org(row.clone());
        }
        let text = str::to_owned;
        let fact = Incomplete {
            corp_id: text("c"),
            staff_id: text("s"),
            store_id: text(store_id),
            region_id: text(region_id),
        };
        let cells = cells_of(&fact, rows, &directory);
        for occurred_at in -3..60 {
            for until in -3..60 {
                let mut event = event_of(&fact);
                event.occurred_at = occurred_at;
                let expected = enrich::resolve(&event, &directory, until);
                let mut found =
                    cells.iter().filter(|cell| cell.occurred.contains(&occurred_at) && cell.until.contains(&until));
                let cell = found.next().unwrap();
                assert_eq!((&*cell.store_id, &*cell.region_id), (expected.store_id, expected.region_id));
                assert_eq!(found.next(), None, "two cells for {occurred_at}, {until}");
            }
        }
    }

    #[test]
    fn cell_of_a_moment_holds_what_the_directory_says_of_it() {
        let moves = [row(10, 10, "a"), row(20, 5, "b"), row(30, 40, "c"), row(30, 40, "d"), row(50, 1, "")];
        for rows in [&moves[..1], &moves[..2], &moves[..]] {
            check(rows, "", "");
            check(rows, "", "given");
            check(rows, "a", "");
            check(rows, "elsewhere", "");
        }
    }
}
