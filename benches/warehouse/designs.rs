//! Other physical designs of the tables of registers, each beside the one that is there.
//!
//! Invariant: every design of a table gets the same rows by the same inserts, is merged in the background as always, and
//! is asked the same. Each first one is the table's own, made anew, with all of the key in the primary key as the others.

use std::time::Instant;

use super::fill::{self, Size, TODAY};
use crate::{
    engine::Warehouse,
    measure::{self, Runs},
    table::Table,
};

/// A design: the table's own but for what it says.
struct Design {
    name: &'static str,
    partition: &'static str,
    /// What follows corp and day in the key, before the origin.
    key: &'static str,
    settings: &'static str,
}

/// One table, with the questions that its readers ask of it: what is summed over, and by what.
struct Tried {
    table: &'static str,
    designs: &'static [Design],
    questions: &'static [(&'static str, &'static str, &'static str)],
    flush: fn(&str, &Size, u64) -> String,
}

const OWN: &str = "as it is";
const PARTITION: &str = "(business_date, late)";
const SETTINGS: &str = "index_granularity = 8192";
/// Rows in granules of an eighth, for questions of few rows.
const FINER: &str = "index_granularity = 1024";
/// A file for each column also of the parts that a flush makes, which ClickHouse keeps in one up to 10 MB.
const WIDE: &str = "min_bytes_for_wide_part = 0";
const ZSTD: &str = "default_compression_codec = 'ZSTD(1)'";

const BOARDS: Tried = Tried {
    table: "counts_1d_board_registers",
    designs: &[
        design(OWN, PARTITION, "late, channel, region_id, store_id, staff_id", SETTINGS),
        design("hierarchy before channel", PARTITION, "late, region_id, store_id, staff_id, channel", SETTINGS),
        design("late rows not apart", "business_date", "channel, region_id, store_id, staff_id, late", SETTINGS),
        design("finer granules", PARTITION, "late, channel, region_id, store_id, staff_id", FINER),
        design("ZSTD", PARTITION, "late, channel, region_id, store_id, staff_id", ZSTD),
    ],
    questions: &[
        ("all staff", "channel = ''", "staff_id"),
        ("channels of a region", "channel != '' AND region_id = 'r1'", "channel"),
        ("a person", "channel = '' AND region_id = 'r5' AND store_id = 'm77' AND staff_id = 's77'", "staff_id"),
    ],
    flush: fill::flush_boards,
};

const MINUTES: Tried = Tried {
    table: "counts_1m_registers",
    designs: &[
        design(OWN, PARTITION, "late, window_start, region_id, store_id, staff_id, channel", SETTINGS),
        design(
            "hierarchy before minute",
            PARTITION,
            "late, region_id, store_id, staff_id, channel, window_start",
            SETTINGS,
        ),
        design(
            "late rows not apart",
            "business_date",
            "window_start, region_id, store_id, staff_id, channel, late",
            SETTINGS,
        ),
        design("finer granules", PARTITION, "late, window_start, region_id, store_id, staff_id, channel", FINER),
        design("ZSTD", PARTITION, "late, window_start, region_id, store_id, staff_id, channel", ZSTD),
    ],
    questions: &[
        ("the last hour by staff", "window_start >= toDateTime('2026-11-10 12:00:00', 'UTC')", "staff_id"),
        ("a region by minute", "region_id = 'r1'", "window_start"),
        ("a store by minute", "region_id = 'r5' AND store_id = 'm77'", "window_start"),
    ],
    flush: fill::flush_minutes,
};

const DAYS: Tried = Tried {
    table: "counts_1d_registers",
    designs: &[
        design(OWN, PARTITION, "late, region_id, store_id, staff_id, channel", SETTINGS),
        design("channel before hierarchy", PARTITION, "late, channel, region_id, store_id, staff_id", SETTINGS),
        design("late rows not apart", "business_date", "region_id, store_id, staff_id, channel, late", SETTINGS),
        design("finer granules", PARTITION, "late, region_id, store_id, staff_id, channel", FINER),
        design("ZSTD", PARTITION, "late, region_id, store_id, staff_id, channel", ZSTD),
        design("small parts by columns", PARTITION, "late, region_id, store_id, staff_id, channel", WIDE),
    ],
    questions: &[
        ("a store by staff", "region_id = 'r5' AND store_id = 'm77'", "staff_id"),
        ("a person by channel", "region_id = 'r5' AND store_id = 'm77' AND staff_id = 's77'", "channel"),
        ("a channel by store", "channel = 'channel7'", "store_id"),
    ],
    flush: fill::flush_days,
};

const fn design(name: &'static str, partition: &'static str, key: &'static str, settings: &'static str) -> Design {
    Design { name, partition, key, settings }
}

/// Flushes upon the day so far, one after another.
const FLUSHES: u64 = 60;

/// Tries all designs, `times` questions each.
pub(super) fn tried(warehouse: &Warehouse, size: &Size, times: usize, table: &mut Table) {
    for tried in [&BOARDS, &MINUTES, &DAYS] {
        for (number, design) in tried.designs.iter().enumerate() {
            let name = format!("{}_{number}", tried.table);
            warehouse.execute(&format!(
                "CREATE TABLE {name} AS {} ENGINE = ReplacingMergeTree(version) PARTITION BY {} \
                 PRIMARY KEY (corp_id, business_date, {key}) \
                 ORDER BY (corp_id, business_date, {key}, src_topic, src_partition, src_chunk) SETTINGS {}",
                tried.table,
                design.partition,
                design.settings,
                key = design.key
            ));
            let rows = "cityHash64(staff_id, channel, src_partition) % 4 = 0";
            warehouse.execute(&format!(
                "INSERT INTO {name} SELECT * FROM {} WHERE business_date = '{TODAY}' AND {rows}",
                tried.table
            ));
            (0..FLUSHES).for_each(|flush| warehouse.execute(&(tried.flush)(&name, size, flush)));
            let text = answered(warehouse, &name, tried.questions, times);
            table.row(&format!("`{}`, {}, ms", tried.table, design.name), "", text);
            warehouse.execute(&format!("DROP TABLE {name} SYNC"));
        }
    }
}

fn answered(warehouse: &Warehouse, name: &str, questions: &[(&str, &str, &str)], times: usize) -> String {
    let mut texts = Vec::new();
    for (question, filter, by) in questions {
        let sql = format!(
            "SELECT {by}, sum(adds), sum(messages_in), sum(messages_out) FROM {name} FINAL WHERE corp_id = 'c' \
             AND business_date = '{TODAY}' AND {filter} GROUP BY {by} FORMAT Null \
             SETTINGS do_not_merge_across_partitions_select_final = 1"
        );
        let mut answers = Runs::default();
        for _ in 0..times {
            let began = Instant::now();
            warehouse.execute(&sql);
            answers.push(began.elapsed().as_secs_f64() * 1e3);
        }
        texts.push(format!("{question} {:.0}", answers.median()));
    }
    let parts = format!("FROM system.parts WHERE active AND database = 'yinliu' AND table = '{name}'");
    let [bytes, rows, parts] = ["sum(bytes_on_disk)", "sum(rows)", "count()"]
        .map(|figure| warehouse.number(&format!("SELECT {figure} {parts}")))
        .map(|number| measure::count(usize::try_from(number).unwrap_or(0)));
    format!("{}; {:.1} bytes a row, {parts:.0} parts", texts.join(", "), bytes / rows)
}
