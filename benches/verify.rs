//! The user's own check and correction of a day: seconds, and the memory that they take from the engine.
//!
//! Invariant: the large day is made by the engine itself, as the pipeline would have left it: facts, rollups, ledger. Against
//! the log a day is checked that the pipeline has counted.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    Scale,
    engine::{Program, Warehouse, words},
    fold, measure,
    null::{fill as fill_topic, prepare},
    support::kafka::shared,
    table::Table,
};

/// Records that are made with one statement: the parts of a day that merges have gone through.
const STEP: u64 = 1_000_000;
const PARTITIONS: u64 = 16;
/// One day, 2026-11-10 in Shanghai: where it begins, in milliseconds since the epoch.
const DAY: &str = "2026-11-10";
const START_MS: u64 = 1_794_240_000_000;

/// A check before the figures of yesterday are read in the morning, beside whatever else a night has.
const TARGET: &str = "≤ 300";

pub(crate) fn run(scale: Scale, table: &mut Table) {
    stored(scale, table);
    against_the_log(scale, table);
}

fn stored(scale: Scale, table: &mut Table) {
    let records = if scale == Scale::Full { 20_000_000 } else { 200_000 };
    let warehouse = Warehouse::start();
    fill(&warehouse, records);
    let millions = records / 1_000_000;
    for (what, command) in [("verify", "verify"), ("reconcile, with nothing to correct", "reconcile")] {
        let arguments = words(&[command, "--from", DAY, "--to", DAY]);
        let (elapsed, peak) = measured(&warehouse, arguments);
        let figure = format!("{what}: a day of {millions} million records, 5,000 staff, s");
        table.row(&figure, TARGET, format!("{:.1}, peak memory of the engine {peak:.0} MB", elapsed.as_secs_f64()));
    }
}

fn against_the_log(scale: Scale, table: &mut Table) {
    prepare(shared());
    let records = if scale == Scale::Full { 4_000_000 } else { 20_000 };
    let job = fill_topic(shared(), 8, records);
    let warehouse = Warehouse::start();
    let pipeline = warehouse.pipeline(&job.topic, Stdio::null());
    warehouse.wait_for(records);
    drop(pipeline);
    let (first, last) = (fold::DAY.to_string(), fold::DAY.saturating_add(jiff::Span::new().days(1)).to_string());
    let brokers = format!("kafka.brokers={}", job.brokers);
    let input = format!("kafka.topics.input={}", job.topic);
    let of_log = ["verify", "--deep", "--from", &first, "--to", &last, "--set", &brokers, "--set", &input];
    let (elapsed, peak) = measured(&warehouse, words(&of_log));
    let millions = measure::count(usize::try_from(records).unwrap_or(0)) / 1e6;
    let figure = format!("verify --deep: a day of {millions} million records in the log, s");
    table.row(&figure, "stated", format!("{:.1}, peak memory of the engine {peak:.0} MB", elapsed.as_secs_f64()));
}

/// How long the command takes, and the most memory that the engine held meanwhile, in MB.
fn measured(warehouse: &Warehouse, mut arguments: Vec<String>) -> (Duration, f64) {
    // Of its own peak the kernel forgets the past with this.
    let _ = fs::write(format!("/proc/{}/clear_refs", warehouse.pid()), "5");
    arguments.extend(words(&["--set", &format!("clickhouse.url={}", warehouse.url), "--log", "warn"]));
    let began = Instant::now();
    let ended = Program::start(&arguments, Stdio::null(), Stdio::inherit()).wait();
    assert!(ended.success(), "a difference in a day that has none: {arguments:?}");
    (began.elapsed(), measure::peak_memory(warehouse.pid()))
}

fn fill(warehouse: &Warehouse, records: u64) {
    for from in (0..records).step_by(usize::try_from(STEP).unwrap_or(1)) {
        let count = STEP.min(records - from);
        let moment = format!("{START_MS} + intDiv(number * 86400000, {records})");
        let sql = format!(
            "INSERT INTO facts (type, event_id, corp_id, staff_id, customer_id, occurred_at, count, extra, region_id, \
             store_id, channel, channel_group, business_date, recorded_at, src_topic, src_partition, src_offset) \
             SELECT ['friend.added', 'message.inbound', 'message.outbound', 'touch.exposed'][1 + h % 4], \
             concat('e', toString(number)), 'c', concat('s', toString(staff)), concat('x', toString(number % 3000000)), \
             fromUnixTimestamp64Milli({moment}), 1, '{{}}', concat('r', toString(staff % 10)), \
             concat('m', toString(staff % 500)), ['app', 'douyin', 'website', 'cashier'][1 + intDiv(h, 4) % 4], 'owned', \
             '{DAY}', fromUnixTimestamp64Milli({moment} + 500), 'yinliu.friend.v1', number % {PARTITIONS}, \
             intDiv(number, {PARTITIONS}) FROM (SELECT number, cityHash64(number) AS h, cityHash64(number, 1) % 5000 AS staff \
             FROM numbers({from}, {count}))"
        );
        warehouse.execute(&sql);
    }
    let end = records / PARTITIONS;
    let counters = "countIf(type = 'friend.added'), countIf(type = 'message.inbound'), \
         countIf(type = 'message.outbound'), countIf(type = 'touch.exposed'), count()";
    // A partition at a time: minutes of a whole day are more groups than need be in memory.
    for partition in 0..PARTITIONS {
        for (table, window, minute, bits) in [
            ("counts_1d_registers", "", "", 20),
            ("counts_1m_registers", "window_start, ", "toStartOfMinute(toDateTime(occurred_at)) AS window_start, ", 17),
        ] {
            let sql = format!(
                "INSERT INTO {table} (corp_id, business_date, late, {window}region_id, store_id, staff_id, channel, src_topic, \
                 src_partition, src_chunk, adds, messages_in, messages_out, exposures, events, version) \
                 SELECT corp_id, business_date, false, {minute}region_id, store_id, staff_id, channel, src_topic, \
                 src_partition, bitShiftRight(src_offset, {bits}) AS chunk, {counters}, \
                 least(bitShiftLeft(chunk + 1, {bits}), {end}) FROM facts WHERE src_partition = {partition} \
                 GROUP BY corp_id, business_date, {window}region_id, store_id, staff_id, channel, src_topic, src_partition, chunk"
            );
            warehouse.execute(&sql);
        }
        warehouse.execute(&format!(
            "INSERT INTO counts_1d_board_registers (corp_id, business_date, late, region_id, store_id, staff_id, channel, \
             src_topic, src_partition, src_chunk, adds, messages_in, messages_out, exposures, events, version, last_add_at) \
             SELECT corp_id, business_date, false, board.1, board.2, board.3, board.4, src_topic, src_partition, \
             bitShiftRight(src_offset, 20) AS chunk, {counters}, least(bitShiftLeft(chunk + 1, 20), {end}), \
             maxIf(occurred_at, type = 'friend.added') FROM (SELECT *, arrayJoin([\
             (toString(region_id), toString(store_id), staff_id, ''), (toString(region_id), '', '', toString(channel))]) AS board \
             FROM facts WHERE src_partition = {partition}) \
             GROUP BY corp_id, business_date, board, src_topic, src_partition, chunk"
        ));
    }
    warehouse.execute(&format!(
        "INSERT INTO ledger (src_topic, src_partition, src_chunk, next_offset, received, counted, fold, first_date, \
         last_date, version) SELECT src_topic, src_partition, bitShiftRight(src_offset, 17) AS chunk, \
         least(bitShiftLeft(chunk + 1, 17), {end}) AS upto, count(), count(), 1, '{DAY}', '{DAY}', upto FROM facts \
         GROUP BY src_topic, src_partition, chunk"
    ));
}
