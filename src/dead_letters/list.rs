//! Refused records, counted.

use std::fmt::Write as _;

use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};

use super::{
    Error,
    filter::{Filter, zone},
};
use crate::sink;

/// How the list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    #[default]
    Text,
    /// One array of objects
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize, Serialize)]
struct Group {
    day: String,
    topic: String,
    reason: String,
    letters: u64,
    replayed: u64,
    /// The newest of them.
    example: String,
    detail: String,
}

pub(super) async fn run(client: &Client, filter: &Filter, format: Format) -> Result<String, Error> {
    let text = format!(
        "SELECT toString(toDate(recorded_at, '{}')) AS day, d.src_topic AS topic, d.reason AS reason, count() AS letters, \
         countIf(r.replay_count > 0) AS replayed, \
         argMax(concat(d.src_topic, '/', toString(d.src_partition), '/', toString(d.src_offset)), \
         (recorded_at, d.src_partition, d.src_offset)) AS example, \
         argMax(d.detail, (recorded_at, d.src_partition, d.src_offset)) AS detail \
         FROM (SELECT src_topic, src_partition, src_offset, recorded_at, reason, detail FROM dead_letters WHERE {}) AS d \
         LEFT JOIN (SELECT src_topic, src_partition, src_offset, replay_count FROM dead_letter_replays FINAL) AS r \
         ON d.src_topic = r.src_topic AND d.src_partition = r.src_partition AND d.src_offset = r.src_offset \
         GROUP BY day, topic, reason ORDER BY day, topic, reason",
        zone(),
        filter.condition()?
    );
    let groups = client.query_raw(&text).fetch_all::<Group>().await;
    let groups = groups.map_err(|source| sink::Error::new("count the dead letters", source))?;
    Ok(match format {
        Format::Text => table(&groups),
        Format::Json => serde_json::to_string_pretty(&groups).map(|text| text + "\n").unwrap_or_default(),
    })
}

fn table(groups: &[Group]) -> String {
    if groups.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let width = |of: fn(&Group) -> &str| groups.iter().map(|group| of(group).len()).max().unwrap_or(0);
    let (topic, reason) = (width(|group| &group.topic), width(|group| &group.reason));
    let mut text = String::new();
    for group in groups {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} {:topic$} {:reason$} {:>9} {:>9} replayed, such as {}: {}",
            group.day, group.topic, group.reason, group.letters, group.replayed, group.example, group.detail
        );
    }
    text
}
