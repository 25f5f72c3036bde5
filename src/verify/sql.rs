//! The pieces of SQL that the checks are made of.
//!
//! Invariant: only text. Every counter of an event is computed here once more, from the contract and not from the fold.

use std::collections::HashMap;

use super::Days;
use crate::{
    batch::Origin,
    chunk::Grain,
    directory::channels::TRANSFER,
    event::{Counter, LATE_ADD_MS},
    sink::Table,
    window::APART_MS,
};

/// The dimensions of a day, and the partition: figures are compared register by register, so that what a flush is about
/// to change hides nothing else of its key.
pub(crate) const KEY: &str =
    "business_date, corp_id, region_id, store_id, staff_id, channel, src_topic, src_partition, src_chunk";

/// [`KEY`] without the chunk.
pub(crate) const PARTITION_KEY: &str =
    "business_date, corp_id, region_id, store_id, staff_id, channel, src_topic, src_partition";

/// [`KEY`] for people, without the day.
pub(crate) const PLACE: &str = "concat('corp `', corp_id, '` region `', region_id, '` store `', store_id, '` staff `', \
     staff_id, '` channel `', channel, '` of ', src_topic, '[', toString(src_partition), '] chunk ', toString(src_chunk))";

/// Beyond this much memory ClickHouse groups on disk: a day of 20 million records must not take the server's memory. On a
/// cluster what a condition looks up lies on other shards too.
pub(crate) const SETTINGS: &str = "SETTINGS do_not_merge_across_partitions_select_final = 1, max_bytes_before_external_group_by = 2147483648, \
     distributed_product_mode = 'global'";

/// The offset below which a row is complete: the lower 48 bits of its version.
pub(crate) const UPTO: &str = "bitAnd(version, 281474976710655)";

/// `BETWEEN` for a column of days.
pub(crate) fn between(days: Days) -> String {
    format!("BETWEEN toDate({}) AND toDate({})", days.from.0, days.to.0)
}

/// The ledger's positions as a table `topic, number, position`: names that no other table of a join has.
pub(crate) fn positions(positions: &HashMap<Origin, u64>) -> String {
    // Names of topics hold neither quotes nor backslashes.
    let row = |(origin, position): (&Origin, &u64)| format!("('{}', {}, {position})", origin.topic, origin.partition);
    // At least one row: a partition that no topic has.
    let rows: Vec<_> = positions.iter().map(row).chain(["('', 0, 0)".to_owned()]).collect();
    format!("values('topic String, number UInt32, position UInt64', {})", rows.join(", "))
}

/// The names of what is compared: every counter, the records behind them, and for boards the last add in milliseconds.
pub(crate) fn names(grain: Grain) -> String {
    figures(grain, |counter| format!("'{}'", counter.name()), ["'records'", "'last_add_at'"])
}

/// As many zeros as there are [`names`].
pub(crate) fn zeros(grain: Grain) -> String {
    let zeros = figures(grain, |_| "0".to_owned(), ["0", "0"]);
    format!("CAST({zeros}, 'Array(UInt64)')")
}

/// The figures of registers, in the order of [`names`], as an array.
pub(crate) fn of_registers(grain: Grain) -> String {
    let last_add = "max(toUInt64(toUnixTimestamp64Milli(last_add_at)))";
    figures(grain, |counter| format!("sum({})", counter.name()), ["sum(toUInt64(events))", last_add])
}

/// The same figures of facts.
pub(crate) fn of_facts(grain: Grain) -> String {
    let last_add = format!("max(toUInt64(if({}, toUnixTimestamp64Milli(occurred_at), 0)))", of_fact(Counter::Adds));
    figures(grain, |counter| format!("toUInt64(sum({}))", of_fact(counter)), ["count()", &last_add])
}

fn figures(grain: Grain, counter: impl Fn(Counter) -> String, [records, last_add]: [&str; 2]) -> String {
    let last_add = (grain == Grain::Board).then(|| last_add.to_owned());
    let figures = Counter::ALL.iter().map(|&each| counter(each)).chain([records.to_owned()]).chain(last_add);
    format!("[{}]", figures.collect::<Vec<_>>().join(", "))
}

/// Facts, or registers by day, each as often as it counts in this grain, under the dimensions by which it does.
pub(crate) fn folded(grain: Grain, rows: &str) -> String {
    match grain {
        Grain::Minute | Grain::Day => rows.to_owned(),
        Grain::Board => format!(
            "SELECT * EXCEPT (region_id, store_id, staff_id, channel, board), board.1 AS region_id, board.2 AS store_id, \
             board.3 AS staff_id, board.4 AS channel FROM (SELECT *, arrayJoin([\
             (toString(region_id), toString(store_id), staff_id, ''), (toString(region_id), '', '', toString(channel))]) \
             AS board FROM ({rows}))"
        ),
    }
}

/// What one fact adds to a counter (contract, section 1).
pub(crate) fn of_fact(counter: Counter) -> String {
    let one = |kind: &str| format!("type = '{kind}'");
    let deliveries = |kind: &str| format!("if(type = '{kind}', count, 0)");
    let amount = |kind: &str| format!("if(type = '{kind}', ifNull(amount_fen, 0), 0)");
    let added = format!("type = 'friend.added' AND channel_group != '{TRANSFER}'");
    match counter {
        Counter::Exposures => deliveries("touch.exposed"),
        Counter::Scans => deliveries("touch.scanned"),
        Counter::RequestsIn => "type = 'friend.requested' AND direction = 'in'".to_owned(),
        Counter::RequestsOut => "type = 'friend.requested' AND direction = 'out'".to_owned(),
        Counter::HalfAdds => one("friend.half_added"),
        Counter::Adds => added,
        Counter::LateAdds => format!("{added} AND {LATENESS_MS} > {LATE_ADD_MS}"),
        Counter::DeletesByCustomer => one("friend.deleted_by_customer"),
        Counter::DeletesByStaff => one("friend.deleted_by_staff"),
        Counter::TransfersIn => {
            format!("type = 'friend.transferred_in' OR type = 'friend.added' AND channel_group = '{TRANSFER}'")
        }
        Counter::TransfersOut => one("friend.transferred_out"),
        Counter::MessagesIn => deliveries("message.inbound"),
        Counter::MessagesOut => "if(type = 'message.outbound' AND NOT auto, count, 0)".to_owned(),
        Counter::MessagesAuto => "if(type = 'message.outbound' AND auto, count, 0)".to_owned(),
        Counter::Orders => one("order.paid"),
        Counter::GmvFen => amount("order.paid"),
        Counter::Refunds => one("order.refunded"),
        Counter::RefundFen => amount("order.refunded"),
        Counter::Broadcasts => one("broadcast.sent"),
    }
}

/// How much later the record is than the event, in milliseconds.
const LATENESS_MS: &str = "(toUnixTimestamp64Milli(recorded_at) - toUnixTimestamp64Milli(occurred_at))";

/// What counts of the facts of these days, with the chunk of this size in which each lies.
pub(crate) fn facts(days: Days, bits: u32) -> String {
    format!(
        "SELECT business_date, corp_id, region_id, store_id, staff_id, channel, channel_group, src_topic, \
         src_partition, src_offset, bitShiftRight(src_offset, {bits}) AS src_chunk, type, count, auto, direction, \
         amount_fen, recorded_at, occurred_at, {LATENESS_MS} > {APART_MS} AS late, \
         toDateTime(intDiv(toUnixTimestamp64Milli(occurred_at), 60000) * 60, 'UTC') AS window_start \
         FROM facts FINAL WHERE business_date {} AND NOT is_duplicate",
        between(days)
    )
}

/// The registers of these days, with the ledger's position of their partition.
pub(crate) fn registers(grain: Grain, days: Days, positions: &str) -> String {
    let table = table(grain);
    format!(
        "SELECT r.*, p.position AS position FROM (SELECT * FROM {table} FINAL WHERE business_date {}) AS r \
         LEFT JOIN {positions} AS p ON r.src_topic = p.topic AND r.src_partition = p.number",
        between(days)
    )
}

pub(crate) const fn table(grain: Grain) -> &'static str {
    match grain {
        Grain::Minute => Table::Minutes.name(),
        Grain::Day => Table::Days.name(),
        Grain::Board => Table::Boards.name(),
    }
}
