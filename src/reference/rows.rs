//! The rows of the directory in ClickHouse: read at the start, written as they come.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use clickhouse::{Client, Row, error::Error};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{Reference, table};
use crate::{
    batch::{Rows, put_text, put_varint},
    directory::{self, ChannelRow, OrgRow, Publication},
    log::{Repeated, chain},
    sink::Table,
};

/// Between two writes; rows come seldom.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Row, Deserialize)]
struct Org {
    corp_id: String,
    staff_id: String,
    staff_name: String,
    store_id: String,
    store_name: String,
    region_id: String,
    region_name: String,
    active: bool,
    valid_from: i64,
    removed: bool,
    published_at: i64,
    src_partition: u32,
    src_offset: u64,
}

#[derive(Row, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the fields are the columns of the table")]
struct Channel {
    corp_id: String,
    state: String,
    channel: String,
    campaign_id: String,
    label: String,
    group: String,
    removed: bool,
    published_at: i64,
    src_partition: u32,
    src_offset: u64,
}

/// All rows that decide how events are counted.
pub(super) async fn load(client: &Client) -> Result<Vec<directory::Reference>, Error> {
    let sql = |table: Table, view: &str| format!("SELECT {} FROM {view}", table.columns());
    let org = client.query(&sql(Table::Org, "org_history")).fetch_all::<Org>().await?;
    let channels = client.query(&sql(Table::Channels, "channel_history")).fetch_all::<Channel>().await?;
    let org = org.into_iter().map(|row| directory::Reference::Org(row.into()));
    Ok(org.chain(channels.into_iter().map(|row| directory::Reference::Channel(row.into()))).collect())
}

/// Writes new rows until `shutdown`.
pub(super) async fn keep(reference: Arc<Reference>, client: Client, shutdown: CancellationToken) {
    let mut faults = Repeated::new(Duration::from_secs(30));
    while !shutdown.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shutdown.cancelled() => {}
        }
        let rows = std::mem::take(&mut *reference.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        for table in [Table::Org, Table::Channels, Table::Targets, Table::Contests, Table::Costs, Table::Official] {
            let encoded = encode(table, &rows);
            if encoded.count == 0 {
                continue;
            }
            match insert(&client, table, encoded).await {
                Ok(()) => {
                    faults.succeeded(Instant::now());
                }
                Err(error) => {
                    faults.warn(Instant::now(), "reference data cannot be kept in ClickHouse", &chain(&error));
                    let again = rows.iter().filter(|row| super::table(row) == table).cloned();
                    reference.unwritten.lock().unwrap_or_else(PoisonError::into_inner).extend(again);
                }
            }
        }
    }
}

async fn insert(client: &Client, table: Table, rows: Rows) -> Result<(), Error> {
    let sql = format!("INSERT INTO {} ({}) FORMAT RowBinary", table.name(), table.columns());
    let limit = Some(Duration::from_secs(10));
    let mut insert = client.insert_formatted_with(sql).with_timeouts(limit, limit);
    insert.send(rows.bytes.into()).await?;
    insert.end().await
}

fn encode(wanted: Table, rows: &[directory::Reference]) -> Rows {
    let mut encoded = Rows::default();
    for row in rows.iter().filter(|row| table(row) == wanted) {
        let bytes = &mut encoded.bytes;
        encoded.count += 1;
        let texts = |bytes: &mut Vec<u8>, texts: &[&str]| texts.iter().for_each(|text| put_text(bytes, text));
        match row {
            directory::Reference::Org(row) => {
                let place = [&row.store_id, &row.store_name, &row.region_id, &row.region_name].map(String::as_str);
                texts(bytes, &[&row.corp_id, &row.staff_id, &row.staff_name]);
                texts(bytes, &place);
                bytes.push(u8::from(row.active));
                bytes.extend_from_slice(&row.valid_from.to_le_bytes());
                publication(bytes, row.removed, row.publication);
            }
            directory::Reference::Channel(row) => {
                texts(bytes, &[&row.corp_id, &row.state, &row.channel, &row.campaign_id, &row.label, &row.group]);
                publication(bytes, row.removed, row.publication);
            }
            directory::Reference::Target(row) => {
                texts(bytes, &[&row.corp_id, &row.level, &row.id]);
                day(bytes, &row.business_date);
                texts(bytes, &[&row.metric]);
                bytes.extend_from_slice(&row.target.to_le_bytes());
                publication(bytes, row.removed, row.publication);
            }
            directory::Reference::Contest(row) => {
                texts(bytes, &[&row.corp_id, &row.contest_id, &row.name, &row.level]);
                put_varint(bytes, row.ids.len());
                row.ids.iter().for_each(|id| put_text(bytes, id));
                texts(bytes, &[&row.metric, &row.basis]);
                bytes.extend_from_slice(&row.starts_at.to_le_bytes());
                bytes.extend_from_slice(&row.ends_at.to_le_bytes());
                publication(bytes, row.removed, row.publication);
            }
            directory::Reference::Cost(row) => {
                texts(bytes, &[&row.corp_id]);
                day(bytes, &row.business_date);
                texts(bytes, &[&row.channel, &row.campaign_id]);
                bytes.extend_from_slice(&row.cost_fen.to_le_bytes());
                publication(bytes, row.removed, row.publication);
            }
            directory::Reference::Official(row) => {
                texts(bytes, &[&row.corp_id]);
                day(bytes, &row.business_date);
                texts(bytes, &[&row.staff_id]);
                let counts = [row.new_apply_cnt, row.new_contact_cnt, row.negative_feedback_cnt];
                bytes.extend(counts.map(u64::to_le_bytes).as_flattened());
                publication(bytes, row.removed, row.publication);
            }
        }
    }
    encoded
}

/// A day that was read as one.
fn day(bytes: &mut Vec<u8>, text: &str) {
    let date = text.parse().ok().and_then(crate::window::date_of);
    bytes.extend_from_slice(&date.map_or(0, |date| date.0).to_le_bytes());
}

fn publication(bytes: &mut Vec<u8>, removed: bool, publication: Publication) {
    bytes.push(u8::from(removed));
    bytes.extend_from_slice(&publication.at.to_le_bytes());
    bytes.extend_from_slice(&publication.partition.to_le_bytes());
    bytes.extend_from_slice(&publication.offset.to_le_bytes());
}

impl From<Org> for OrgRow {
    fn from(row: Org) -> Self {
        Self {
            publication: Publication { at: row.published_at, partition: row.src_partition, offset: row.src_offset },
            removed: row.removed,
            corp_id: row.corp_id,
            staff_id: row.staff_id,
            staff_name: row.staff_name,
            store_id: row.store_id,
            store_name: row.store_name,
            region_id: row.region_id,
            region_name: row.region_name,
            active: row.active,
            valid_from: row.valid_from,
        }
    }
}

impl From<Channel> for ChannelRow {
    fn from(row: Channel) -> Self {
        Self {
            publication: Publication { at: row.published_at, partition: row.src_partition, offset: row.src_offset },
            removed: row.removed,
            corp_id: row.corp_id,
            state: row.state,
            channel: row.channel,
            campaign_id: row.campaign_id,
            label: row.label,
            group: row.group,
        }
    }
}
