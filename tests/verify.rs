//! What `verify` finds in a real engine.
//!
//! Invariant: each test has a database of its own; rows come from the pure rooms through the sink, as in the pipeline.

use std::collections::HashMap;

use clickhouse::Client;
use yinliu::{
    batch::{Batch, Origin, encode_ledger},
    chunk, config,
    corp::Corps,
    directory::Directory,
    event::Record,
    migrate,
    partition::{Config, Partition, Rules},
    sink::{self, ClickHouse, Sink as _, Table},
    verify,
    window::Calendar,
};

use crate::warehouse_sql::{NOW_MS, database, execute};

/// One record of each type, adds late and in a transfer channel, and one that is refused, one that repeats.
fn records() -> Vec<(i64, String)> {
    let event = |id: usize, kind: &str, rest: &str| {
        let (at, staff) = (NOW_MS + i64::try_from(id).unwrap() * 40_000, id % 3);
        let text = format!(
            r#"{{"event_id":"e{id}","type":"{kind}","corp_id":"c","occurred_at":{at},"staff_id":"s{staff}","customer_id":"x{id}","store_id":"m{staff}","region_id":"r"{rest}}}"#
        );
        (at + 500, text)
    };
    let kinds = [
        ("touch.exposed", r#","count":5"#),
        ("touch.scanned", ""),
        ("friend.requested", r#","direction":"in""#),
        ("friend.requested", r#","direction":"out""#),
        ("friend.half_added", ""),
        ("friend.added", r#","channel":"cashier""#),
        ("friend.added", r#","channel":"shared""#),
        ("friend.deleted_by_customer", ""),
        ("friend.deleted_by_staff", ""),
        ("friend.transferred_in", ""),
        ("friend.transferred_out", ""),
        ("message.inbound", r#","count":7"#),
        ("message.outbound", ""),
        ("message.outbound", r#","auto":true,"count":3"#),
        ("order.paid", r#","order_id":"o1","amount_fen":1234"#),
        ("order.refunded", r#","order_id":"o1","amount_fen":234"#),
        ("broadcast.sent", r#","task_id":"t","audience":9"#),
    ];
    let mut records: Vec<_> = kinds.iter().enumerate().map(|(id, (kind, rest))| event(id, kind, rest)).collect();
    let (at, text) = event(100, "friend.added", "");
    records.push((at + 120_000, text.clone()));
    records.push((at + 120_000, text));
    let (at, text) = event(101, "friend.added", "");
    records.push((at + 16 * 60_000, text));
    records.push((at, "{}".to_owned()));
    records
}

/// Which part of a flush comes to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Whole,
    /// The process ended after the facts and the rows by minute.
    FactsAndMinutes,
}

/// Counts records from the position on and flushes.
async fn flush(partition: &mut Partition, sink: &ClickHouse, records: &[(i64, String)], written: Written) {
    let (corps, directory) = (Corps::new(&HashMap::new()).unwrap(), Directory::default());
    let (mut calendar, mut scratch, mut batch) = (Calendar::new(), Vec::new(), Batch::default());
    let mut rules = Rules {
        corps: &corps,
        directory: &directory,
        delay_ms: 60_000,
        calendar: &mut calendar,
        scratch: &mut scratch,
    };
    for (timestamp, value) in records {
        let offset = partition.position();
        let record =
            Record { offset, timestamp: Some(*timestamp), key: None, value: Some(value.as_bytes()), headers: &[] };
        partition.fold(&record, &mut rules, &mut batch);
    }
    partition.drain(&mut batch);
    sink.insert(Table::Facts, &batch.facts).await.unwrap();
    sink.insert(Table::Minutes, &batch.minute).await.unwrap();
    if written == Written::Whole {
        sink.insert(Table::Days, &batch.day).await.unwrap();
        sink.insert(Table::Boards, &batch.board).await.unwrap();
        sink.insert(Table::Letters, &batch.letters).await.unwrap();
        sink.insert(Table::Ledger, &encode_ledger(&batch.ledger)).await.unwrap();
    }
}

/// A database with one partition, counted in chunks of 16 records, that ends within a chunk.
async fn counted(name: &str) -> (config::Config, Client, Partition) {
    let mut config = database(name);
    config.chunk = chunk::Config { bits: 4, day_bits: 5 };
    migrate::run(&config.clickhouse, &config.chunk).await.unwrap();
    let sink = ClickHouse::new(&config.clickhouse);
    let partition = Config { chunk: config.chunk.clone(), ..Default::default() };
    let origin = Origin { topic: "yinliu.friend.v1".into(), partition: 0 };
    let mut partition = Partition::start(&partition, origin, yinliu::partition::Loaded::default(), 0).unwrap();
    for part in records().chunks(6) {
        flush(&mut partition, &sink, part, Written::Whole).await;
    }
    (config.clone(), sink::client(&config.clickhouse), partition)
}

async fn verified(config: &config::Config) -> verify::Report {
    verify::run(&verify::Settings::default(), config, NOW_MS).await.unwrap()
}

#[tokio::test]
async fn counted_records_of_every_type_agree_everywhere() {
    let (config, ..) = counted("equal").await;
    let report = verified(&config).await;
    assert_eq!(report.to_string(), "2025-03-09 to 2025-03-10, 19 records: everything agrees\n");
    assert!(report.is_equal());
}

#[tokio::test]
async fn flush_that_was_broken_off_is_no_difference() {
    let (config, _, mut partition) = counted("broken_off").await;
    let sink = ClickHouse::new(&config.clickhouse);
    let more: Vec<_> = records().into_iter().map(|(at, text)| (at, text.replace("\"e", "\"f"))).collect();
    flush(&mut partition, &sink, &more, Written::FactsAndMinutes).await;
    let report = verified(&config).await;
    assert!(report.is_equal(), "{report}");
}

#[tokio::test]
async fn event_that_was_counted_twice_is_a_note() {
    let (config, ..) = counted("repeated").await;
    let sink = ClickHouse::new(&config.clickhouse);
    let settings = Config { chunk: config.chunk.clone(), ..Default::default() };
    let origin = Origin { topic: "yinliu.friend.v1".into(), partition: 1 };
    let mut other = Partition::start(&settings, origin, yinliu::partition::Loaded::default(), 0).unwrap();
    flush(&mut other, &sink, &records()[..1], Written::Whole).await;
    let report = verified(&config).await;
    assert!(report.is_equal(), "{report}");
    let example = "e0 of c at yinliu.friend.v1[0] offset 0, yinliu.friend.v1[1] offset 0";
    assert!(report.notes.len() == 1 && report.notes[0].contains(example), "{report}");
}

/// Tampers with one row; verify names what differs.
async fn check_tampered(name: &str, sql: &str, expected: &[&str]) {
    let (config, client, _) = counted(name).await;
    execute(&client, sql).await;
    let report = verified(&config).await;
    let text = report.to_string();
    assert!(!report.is_equal(), "{name}: {text}");
    for part in expected {
        assert!(
            text.lines().any(|line| line.starts_with('✗') && line.contains(part)),
            "{name}: no `{part}` in\n{text}"
        );
    }
}

const CASHIER: &str = "2025-03-10 corp `c` region `r` store `m2` staff `s2` channel `cashier`";

#[tokio::test]
async fn register_that_was_changed_is_named() {
    let columns = Table::Days.columns();
    // Within its version, as a repair by hand would leave it, and beyond the ledger.
    for (name, version) in [("day", "version + bitShiftLeft(toUInt64(1), 48)"), ("day_ahead", "version + 1000")] {
        let changed = columns.replace(" adds,", " adds + 1,").replace(" version", &format!(" {version}"));
        let sql = format!(
            "INSERT INTO counts_1d_registers ({columns}) SELECT {changed} FROM counts_1d_registers FINAL \
             WHERE channel = 'cashier'"
        );
        check_tampered(name, &sql, &[&format!("{CASHIER} of yinliu.friend.v1[0] chunk 0: adds by facts 1, by day 2")])
            .await;
    }
    let columns = Table::Minutes.columns();
    let changed =
        columns.replace(" adds,", " adds + 1,").replace(" version", " version + bitShiftLeft(toUInt64(1), 48)");
    let sql = format!(
        "INSERT INTO counts_1m_registers ({columns}) SELECT {changed} FROM counts_1m_registers FINAL \
         WHERE channel = 'cashier'"
    );
    check_tampered("minute", &sql, &["chunk 0: adds by day 1, by minute 2"]).await;
    let ahead = sql.replace("version + bitShiftLeft(toUInt64(1), 48)", "version + 1000");
    check_tampered(
        "minute_ahead",
        &ahead,
        &[&format!("{CASHIER} of yinliu.friend.v1[0] chunk 0: adds by facts 1, by minute 2")],
    )
    .await;
}

#[tokio::test]
async fn register_for_boards_that_was_changed_is_named() {
    let columns = Table::Boards.columns();
    for (name, version) in [("board", "version + bitShiftLeft(toUInt64(1), 48)"), ("board_ahead", "version + 1000")] {
        let changed = columns.replace(" adds,", " adds + 1,").replace(" version", &format!(" {version}"));
        let sql = format!(
            "INSERT INTO counts_1d_board_registers ({columns}) SELECT {changed} FROM counts_1d_board_registers FINAL \
             WHERE staff_id = 's2'"
        );
        check_tampered(name, &sql, &["2025-03-10 corp `c` region `r` store `m2` staff `s2`"]).await;
    }
}

#[tokio::test]
async fn fact_that_is_gone_is_named() {
    let sql = "ALTER TABLE facts DELETE WHERE channel = 'cashier' SETTINGS mutations_sync = 2";
    let rollup = format!("{CASHIER} of yinliu.friend.v1[0] chunk 0: adds by facts 0, by day 1");
    check_tampered(
        "fact",
        sql,
        &[&rollup, "✗ 2025-03-10 yinliu.friend.v1[0] chunk 0: counted by ledger 16, by facts 15"],
    )
    .await;
}

#[tokio::test]
async fn ledger_row_that_was_changed_is_named() {
    let columns = Table::Ledger.columns();
    let changed = columns.replace(" counted,", " counted + 1,").replace(" version", " version + 1");
    let sql = format!("INSERT INTO ledger ({columns}) SELECT {changed} FROM ledger FINAL WHERE src_chunk = 0");
    let balance = "✗ 2025-03-10 yinliu.friend.v1[0] chunk 0: received by outcome 17, by receipt 16";
    check_tampered("ledger", &sql, &[balance, "chunk 0: counted by ledger 17, by facts 16"]).await;
}

#[tokio::test]
async fn verify_ends_with_1_where_something_differs() {
    let (config, client, _) = counted("exit").await;
    let run = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_yinliu"));
        command.args(["verify", "--from", "2025-03-10", "--to", "2025-03-10"]);
        command.args(["--set", &format!("clickhouse.url={}", config.clickhouse.url)]);
        command.args(["--set", "clickhouse.database=exit", "--set", "chunk.bits=4", "--set", "chunk.day_bits=5"]);
        command.output().unwrap()
    };
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    execute(&client, "ALTER TABLE facts DELETE WHERE channel = 'cashier' SETTINGS mutations_sync = 2").await;
    let output = run();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("figures differ"), "{output:?}");
}
