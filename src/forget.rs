//! Erases one customer from the warehouse: what would tell who it was goes, what was counted stays.
//!
//! Invariant: no figure changes by it. The rows of the customer go on under a random name that leads back to nobody, so
//! that rollups still equal the facts, and cohorts keep their members.
//!
//! # Why not delete the rows
//! `verify` would miss them, and `reconcile` would take their counts away: rewards were paid on these.
//!
//! # What becomes of the columns of a fact
//! - `customer_id` is the random name; `event_id`, which producers make of the customer, the same name and the place that
//!   it had among the ids of the customer. So two deliveries of one event still have one id, for `reconcile`; and of what
//!   happened in one instant the order stays, which decides between episodes.
//! - `order_id` and `extra` are cleared; `state`, `channel_given` and `campaign_id` where they quote the customer, `state`
//!   also where no other customer came by this code: then it is a code of one person.
//! - What stays: type, times, staff, place, channel, amounts, the task of a broadcast, and the position in Kafka.
//!
//! # Which refused records go
//! - Those that name the corp, or none: also those that are no JSON, such as one that was cut. Privacy comes before what
//!   could be sent again.
//! - And of these the ones whose customer it is, or that quote the id anywhere as a word of its own: `wm1` is not in `wm10`.
//!   Letters, digits, `_` and `-` go on an id, as `WeCom` makes them. Where a record names no customer, `_` and `-` end it
//!   too: producers join with them what they make an `event_id` or a key of.
//!
//! # What comes later
//! The log may still hold the records. Where one is read again at its offset, its fact is replaced by the one without the
//! customer; what a flush under way wrote at this moment is taken out by a second run. Another delivery of the same event at
//! another offset names the customer anew, and counts as another event: producers have to be told first.

use std::fmt;

use clickhouse::Client;
use rand::Rng as _;

use crate::{
    config, refresh,
    sink::{self, client},
};

#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// The corp of the customer
    #[arg(long, value_name = "ID")]
    pub corp: String,
    /// The external user id
    #[arg(long, value_name = "ID")]
    pub customer: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("erase a customer")]
    Sink(#[from] sink::Error),
    #[error("compute the figures of the customer under another name")]
    Refresh(#[from] refresh::Error),
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Facts that go on without the customer.
    pub facts: u64,
    /// Rows that were deleted, by table.
    pub deleted: Vec<(&'static str, u64)>,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{} facts go on under a random name: type, times, staff, place, channel and amount stay, other fields are gone; \
             counts are as they were",
            self.facts
        )?;
        for (table, rows) in &self.deleted {
            writeln!(out, "{table}: {rows} rows deleted")?;
        }
        writeln!(
            out,
            "not reached: records in Kafka until its retention takes them, records of others that name the customer, logs of \
             the ClickHouse server (`system.query_log`, `system.mutations`) until it drops them, backups, and files that \
             were exported"
        )
    }
}

/// Tables whose rows name corp and customer.
const TABLES: [&str; 5] = ["facts", "customer_events", "episode_rows", "request_rows", "refresh_queue"];

/// Quotes records that may name the customer. Where one was sent again stands in `dead_letter_replays` by its offset alone.
const LETTERS: &str = "dead_letter_log";

/// Which rows are meant: a condition, and what is bound to it.
struct Condition {
    sql: String,
    values: Vec<String>,
}

impl Condition {
    fn of_table(Settings { corp, customer }: &Settings) -> Self {
        Self { sql: "corp_id = ? AND customer_id = ?".to_owned(), values: vec![corp.clone(), customer.clone()] }
    }

    /// See "Which refused records go".
    fn of_letters(Settings { corp, customer }: &Settings) -> Self {
        // Behind the five bytes of Confluent's serialisers, and in the data of a CloudEvent. No JSON holds no field.
        let json = "if(startsWith(value, '\\0'), substring(value, 6), value)";
        let named = |field: &str| {
            format!(
                "arrayFilter(name -> name != '', [JSONExtractString({json}, '{field}'), \
                 JSONExtractString({json}, 'data', '{field}')])"
            )
        };
        let (corps, customers) = (named("corp_id"), named("customer_id"));
        // Bytes that are no UTF-8 would match no expression, and delimit as well as any.
        let sql = format!(
            "(empty({corps}) OR has({corps}, ?)) AND (has({customers}, ?) OR arrayExists(text -> \
             match(toValidUTF8(text), ?) OR (empty({customers}) AND match(toValidUTF8(text), ?)), \
             arrayConcat([value, key], arrayMap(header -> header.2, headers))))"
        );
        let (alone, joined) = (token(customer, "A-Za-z0-9_-"), token(customer, "A-Za-z0-9"));
        Self { sql, values: vec![corp.clone(), customer.clone(), alone, joined] }
    }
}

/// An expression for the id where none of these characters goes on before or behind it. What JSON escapes ends in a letter
/// that belongs to no id.
fn token(id: &str, characters: &str) -> String {
    let literal =
        id.chars().flat_map(|letter| letter.is_ascii_punctuation().then_some('\\').into_iter().chain([letter]));
    let literal: String = literal.collect();
    format!(r"(?:^|[^{characters}]|\\(?:[bfnrt]|u[0-9A-Fa-f]{{4}})){literal}(?:$|[^{characters}])")
}

/// Erases what the settings name. May be run again, also after an interruption.
pub async fn run(settings: &Settings, config: &config::Config) -> Result<Report, Error> {
    let client = client(&config.clickhouse);
    let Settings { corp, customer } = settings;
    let count = "SELECT count() FROM facts FINAL WHERE corp_id = ? AND customer_id = ?";
    let facts = client.query(count).bind(corp).bind(customer).fetch_one::<u64>().await;
    let facts = facts.map_err(|source| sink::Error::unquoted("count the facts of a customer", source))?;
    rename(&client, settings).await?;
    let mut deleted = Vec::new();
    for table in TABLES {
        deleted.push((table, delete(&client, config, table, &Condition::of_table(settings)).await?));
    }
    deleted.push((LETTERS, delete(&client, config, LETTERS, &Condition::of_letters(settings)).await?));
    refresh::run(&refresh::Settings::default(), config).await?;
    Ok(Report { facts, deleted })
}

/// Writes the facts again under a random name: the same keys and a larger version, so that they replace.
async fn rename(client: &Client, settings: &Settings) -> Result<(), sink::Error> {
    // 128 bits from the generator of the process: no one can compute the name from the customer, or back.
    let name = format!("forgotten-{:032x}", rand::rng().random::<u128>());
    let Settings { corp, customer } = settings;
    let written = client.query(RENAME).bind(name).bind(corp).bind(customer).execute().await;
    written.map_err(|source| sink::Error::unquoted("write the facts of a customer under another name", source))
}

/// The facts of a customer under another name. On a cluster what a condition looks up lies on other shards too.
const RENAME: &str = "INSERT INTO facts WITH ? AS other, ? AS corp, ? AS customer SELECT f.* REPLACE (\
     other AS customer_id, \
     concat(other, '-', leftPad(toString(dense_rank() OVER (ORDER BY f.event_id)), 10, '0')) AS event_id, \
     '' AS order_id, '{}' AS extra, \
     if(position(f.state, customer) = 0 AND f.state IN (SELECT o.state FROM facts AS o WHERE o.corp_id = corp \
     AND o.customer_id NOT IN ('', customer) AND NOT startsWith(o.customer_id, 'forgotten-')), f.state, '') AS state, \
     if(position(ifNull(f.channel_given, ''), customer) = 0, f.channel_given, '') AS channel_given, \
     if(position(f.campaign_id, customer) = 0, f.campaign_id, '') AS campaign_id, \
     now64(3) AS ingested_at, f.version + 1 AS version) FROM facts AS f FINAL \
     WHERE f.corp_id = corp AND f.customer_id = customer SETTINGS distributed_product_mode = 'global'";

/// Deletes rows, older versions too, and waits until they are gone from the disk; the answer is how many there were.
async fn delete(
    client: &Client,
    config: &config::Config,
    table: &str,
    Condition { sql: condition, values }: &Condition,
) -> Result<u64, sink::Error> {
    let bind = |query| values.iter().fold(query, clickhouse::query::Query::bind);
    let count = format!("SELECT count() FROM {table} WHERE {condition}");
    let count = bind(client.query(&count)).fetch_one::<u64>().await;
    let count = count.map_err(|source| sink::Error::unquoted("count the rows of a customer", source))?;
    let cluster = &config.clickhouse.cluster;
    let place = if cluster.is_empty() { table.to_owned() } else { format!("{table}_local ON CLUSTER '{cluster}'") };
    if count > 0 {
        let sql = format!("ALTER TABLE {place} DELETE WHERE {condition} SETTINGS mutations_sync = 2");
        let deleted = bind(client.query(&sql)).execute().await;
        deleted.map_err(|source| sink::Error::unquoted("delete the rows of a customer", source))?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::migrate;

    /// Columns that hold what a record says of a customer, or may.
    const PERSONAL: [&str; 5] = ["customer_id", "extra", "key", "value", "headers"];

    /// Tables with a column of such a name that holds nothing of a record, and what it holds.
    const OTHERS: [(&str, &str); 2] = [
        ("settings", "what was fixed when the database was created"),
        ("closed_contest_rows", "its `value` is a count"),
    ];

    #[test]
    fn every_table_that_may_name_a_customer_is_erased_from() {
        let schema = migrate::dry_run(&sink::Config::default());
        let mut found = BTreeSet::new();
        let mut table = "";
        for line in schema.lines() {
            if let Some(rest) = line.strip_prefix("CREATE ") {
                let named = rest.strip_prefix("TABLE IF NOT EXISTS ").and_then(|rest| rest.split(' ').next());
                table = named.unwrap_or_default();
            }
            let column = line.strip_prefix("    ").and_then(|line| line.split(' ').next()).unwrap_or_default();
            if !table.is_empty() && PERSONAL.contains(&column) {
                found.insert(table);
            }
        }
        let others = OTHERS.iter().map(|(table, _)| *table);
        let known: BTreeSet<_> = TABLES.into_iter().chain([LETTERS]).chain(others).collect();
        assert_eq!(found, known);
    }
}
