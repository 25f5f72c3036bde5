//! A refused record as ClickHouse holds it.
//!
//! Invariant: bytes come as they were; what was cut is known as cut.

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::{Origin, escape::unhex};
use crate::{batch, sink};

/// Everything of one letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) origin: Origin,
    pub(super) recorded_at: String,
    pub(super) reason: String,
    pub(super) detail: String,
    /// The table does not tell an empty key from none.
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    /// Of the whole value.
    pub(super) value_bytes: u64,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}

#[derive(Row, Deserialize)]
struct Stored {
    src_topic: String,
    src_partition: u32,
    src_offset: u64,
    recorded: String,
    reason: String,
    detail: String,
    hex_key: String,
    hex_value: String,
    value_bytes: u64,
    hex_headers: Vec<(String, String)>,
}

/// The letters of these origins, in no order; those that do not exist are left out.
pub(super) async fn read(client: &Client, origins: &[Origin]) -> Result<Vec<Letter>, sink::Error> {
    let tuple =
        |origin: &Origin| format!("('{}', {}, {})", origin.partition.topic, origin.partition.partition, origin.offset);
    let origins: Vec<_> = origins.iter().map(tuple).collect();
    select(client, &format!("(src_topic, src_partition, src_offset) IN ({})", origins.join(", "))).await
}

/// The newest letters of this condition, and how many there are in all.
pub(super) async fn newest(client: &Client, condition: &str, limit: u32) -> Result<(Vec<Letter>, u64), sink::Error> {
    let all = format!("SELECT count() FROM dead_letters WHERE {condition}");
    let all = client.query_raw(&all).fetch_one::<u64>().await;
    let all = all.map_err(|source| sink::Error::new("count the letters", source))?;
    let order = "recorded_at DESC, src_topic, src_partition, src_offset DESC";
    Ok((select(client, &format!("{condition} ORDER BY {order} LIMIT {limit}")).await?, all))
}

async fn select(client: &Client, which: &str) -> Result<Vec<Letter>, sink::Error> {
    let text = format!(
        "SELECT src_topic, src_partition, src_offset, formatDateTime(recorded_at, '%FT%T.%fZ', 'UTC') AS recorded, reason, \
         detail, hex(key) AS hex_key, hex(value) AS hex_value, value_bytes, \
         arrayMap(header -> (hex(header.1), hex(header.2)), headers) AS hex_headers \
         FROM dead_letters WHERE {which}"
    );
    let stored = client.query_raw(&text).fetch_all::<Stored>().await;
    let stored = stored.map_err(|source| sink::Error::new("read the letters", source))?;
    Ok(stored.into_iter().map(Letter::from).collect())
}

impl Letter {
    /// Whether the table holds less than the record had.
    pub(super) fn is_cut(&self) -> bool {
        u64::try_from(self.value.len()).is_ok_and(|held| held < self.value_bytes)
    }
}

impl From<Stored> for Letter {
    fn from(stored: Stored) -> Self {
        let Stored { src_topic, src_partition, src_offset, reason, detail, value_bytes, .. } = stored;
        let partition = batch::Origin { topic: src_topic.into(), partition: src_partition };
        let header =
            |(name, value): (String, String)| (String::from_utf8_lossy(&unhex(&name)).into_owned(), unhex(&value));
        Self {
            origin: Origin { partition, offset: src_offset },
            recorded_at: stored.recorded,
            reason,
            detail,
            key: Some(unhex(&stored.hex_key)).filter(|key| !key.is_empty()),
            value: unhex(&stored.hex_value),
            value_bytes,
            headers: stored.hex_headers.into_iter().map(header).collect(),
        }
    }
}
