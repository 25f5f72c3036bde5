//! What the files of reference data said last, from ClickHouse: a process that starts goes on from there.
//!
//! Invariant: of rows that a topic published nothing is known here, so that no file withdraws them.

use clickhouse::{Client, Row, error::Error};
use serde::Deserialize;

use super::csv::Files;
use crate::{
    directory::{FILE_PARTITION, Kind, Publication, Reference},
    sink::Table,
};

#[derive(Row, Deserialize)]
struct Standing {
    /// The row as a topic would carry it.
    body: String,
    at: i64,
    src_offset: u64,
}

/// Brings the files up to what is stored.
pub(super) async fn load(client: &Client, files: &mut Files) -> Result<(), Error> {
    for kind in files.kinds() {
        let rows = client.query(&question(kind)).fetch_all::<Standing>().await?;
        let row = |Standing { body, at, src_offset }: Standing| {
            let publication = Publication { at, partition: FILE_PARTITION, offset: src_offset };
            Reference::read(kind, None, Some(body.as_bytes()), publication).ok()
        };
        files.stand_on(kind, rows.into_iter().filter_map(row).collect());
    }
    Ok(())
}

/// The newest row of each key that a file published, but for removals.
fn question(kind: Kind) -> String {
    let Stored { table, values, types } = stored(kind);
    let key = kind.line().join(", ");
    format!(
        "SELECT toJSONString(CAST(({key}, {values}), 'Tuple({types})')) AS body, \
         toUnixTimestamp64Milli(published_at) AS at, src_offset FROM (SELECT * FROM {} \
         WHERE src_partition = {FILE_PARTITION} ORDER BY published_at DESC, src_offset DESC LIMIT 1 BY {key}) \
         WHERE NOT removed SETTINGS output_format_json_quote_64bit_integers = 0",
        table.name()
    )
}

/// Where the rows of a kind are, and what the fields of its body beyond [`Kind::line`] are called there.
struct Stored {
    table: Table,
    values: &'static str,
    types: &'static str,
}

const fn stored(kind: Kind) -> Stored {
    match kind {
        Kind::Org => Stored {
            table: Table::Org,
            values: "staff_name, store_id, store_name, region_id, region_name, active, toUnixTimestamp64Milli(valid_from)",
            types: "corp_id String, staff_id String, staff_name String, store_id String, store_name String, \
                    region_id String, region_name String, active Bool, valid_from Int64",
        },
        Kind::Channel => Stored {
            table: Table::Channels,
            values: "channel, campaign_id, label, `group`",
            types: "corp_id String, state String, channel String, campaign_id String, label String, `group` String",
        },
        Kind::Target => Stored {
            table: Table::Targets,
            values: "target",
            types: "corp_id String, level String, id String, business_date String, metric String, target UInt64",
        },
        Kind::Contest => Stored {
            table: Table::Contests,
            values: "name, level, ids, metric, basis, toUnixTimestamp64Milli(starts_at), toUnixTimestamp64Milli(ends_at)",
            types: "corp_id String, contest_id String, name String, level String, ids Array(String), metric String, \
                    basis String, starts_at Int64, ends_at Int64",
        },
        Kind::Cost => Stored {
            table: Table::Costs,
            values: "cost_fen",
            types: "corp_id String, business_date String, channel String, campaign_id String, cost_fen UInt64",
        },
        Kind::Official => Stored {
            table: Table::Official,
            values: "new_apply_cnt, new_contact_cnt, negative_feedback_cnt",
            types: "corp_id String, business_date String, staff_id String, new_apply_cnt UInt64, \
                    new_contact_cnt UInt64, negative_feedback_cnt UInt64",
        },
    }
}
