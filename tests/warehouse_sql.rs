//! The schema in a real engine, and what `verify` finds in it.
//!
//! Invariant: each test has a database of its own; rows come from the pure rooms through the sink, as in the pipeline.

use std::collections::{BTreeSet, HashMap};

use clickhouse::Client;
use tokio::sync::OnceCell;
use yinliu::{
    batch::{Batch, Origin, Rows, encode_ledger},
    chunk, config,
    corp::Corps,
    directory::Directory,
    event::{Counter, Record},
    migrate,
    partition::{Config, Partition, Rules},
    sink::{self, ClickHouse, Sink as _, Table},
    validate, verify,
    window::Calendar,
};

use crate::support::engine::Engine;

/// 2025-03-10 10:00 in Asia/Shanghai.
const NOW_MS: i64 = 1_741_572_000_000;

/// A database on the engine that the tests of this file share.
async fn database(name: &str) -> config::Config {
    static ENGINE: OnceCell<Engine> = OnceCell::const_new();
    let engine = ENGINE.get_or_init(|| async { Engine::start() }).await;
    let clickhouse = sink::Config { url: engine.url(), database: name.to_owned(), ..Default::default() };
    config::Config { clickhouse, ..Default::default() }
}

async fn migrated(name: &str) -> (config::Config, Client) {
    let config = database(name).await;
    migrate::run(&config.clickhouse, &config.chunk).await.unwrap();
    let client = sink::client(&config.clickhouse);
    (config, client)
}

async fn execute(client: &Client, sql: &str) {
    client.query_raw(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    client.query_raw(sql).fetch_all().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The names of the contract, section 5, and their columns.
fn contract() -> Vec<(&'static str, Vec<String>)> {
    let split = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let counters = Counter::ALL.iter().map(|counter| counter.name().to_owned());
    let counted = |key: &str| split(key).into_iter().chain(counters.clone()).collect();
    vec![
        ("v_counts_1m", counted("corp_id window_start business_date region_id store_id staff_id channel")),
        ("v_counts_1d", counted("corp_id business_date region_id store_id staff_id channel")),
        ("v_counts_1d_staff", counted("corp_id business_date region_id store_id staff_id last_add_at")),
        ("v_counts_1d_channel", counted("corp_id business_date region_id channel last_add_at")),
        (
            "events",
            split(
                "schema event_id type corp_id occurred_at staff_id customer_id store_id region_id channel channel_given \
                 state add_way campaign_id direction count auto order_id amount_fen currency task_id audience task_name \
                 business_date recorded_at ingested_at src_topic src_partition src_offset extra",
            ),
        ),
        ("v_freshness", split("corp_id complete_through last_event_at lag_seconds")),
        (
            "chunks",
            split(
                "src_topic src_partition src_chunk next_offset received rejected duplicate counted generation fold \
                 first_date last_date updated_at",
            ),
        ),
        (
            "dead_letters",
            split("src_topic src_partition src_offset recorded_at reason detail key value value_bytes headers"),
        ),
        (
            "org_history",
            split(
                "corp_id staff_id staff_name store_id store_name region_id region_name active published_at valid_from",
            ),
        ),
        (
            "amendments",
            split("corp_id business_date reason metric region_id store_id staff_id channel before after recorded_at"),
        ),
        ("v_leaderboard_1d", split("corp_id business_date level id name adds net_adds qualified_adds rank")),
        (
            "v_episodes",
            split("corp_id business_date customer_id staff_id number began_at ended_at ended_by src_offset"),
        ),
        ("v_requests", split("corp_id business_date region_id store_id staff_id channel requested_at accepted_at")),
        ("v_cohorts_1d", split("corp_id business_date region_id store_id staff_id channel adds qualified_adds")),
        ("v_closed_1d", split("corp_id business_date store_id closed_adds adjusted_adds")),
        ("v_corrections", split("corp_id business_date reason metric before after recorded_at is_closed")),
        ("v_silent_codes", split("corp_id state label channel last_add_at silent_seconds usual_gap_seconds store_id")),
        ("v_broadcasts", split("corp_id task_id task_name sent_at audience deleted_24h is_provisional")),
        ("v_contests", split("corp_id contest_id name metric basis starts_at ends_at state id value staff_active")),
        ("v_targets", split("corp_id business_date level id metric target value")),
        ("v_costs_1d", split("corp_id business_date channel campaign_id cost_fen")),
        ("v_cohort_costs_1d", split("corp_id business_date channel figure numerator denominator matured pending")),
        ("v_refresh", split("figure complete_through final_after_seconds lag_seconds")),
    ]
}

#[tokio::test]
async fn every_name_of_the_contract_exists_with_its_columns() {
    let (_, client) = migrated("contract").await;
    for (table, columns) in contract() {
        let sql = format!("SELECT name FROM system.columns WHERE database = 'contract' AND table = '{table}'");
        let found: BTreeSet<_> = texts(&client, &sql).await.into_iter().collect();
        let missing: Vec<_> = columns.iter().filter(|column| !found.contains(*column)).collect();
        assert!(missing.is_empty(), "{table} lacks {missing:?}");
        // A view that exists may still not run.
        execute(&client, &format!("SELECT {} FROM {table} FORMAT Null", columns.join(", "))).await;
    }
}

#[tokio::test]
async fn every_table_and_column_has_a_comment_in_chinese_and_english() {
    let (_, client) = migrated("comments").await;
    let in_both = "match(comment, '\\p{Han}') AND match(comment, '[A-Za-z]{2}') AND position(comment, ' / ') > 0";
    let of = |table: &str, name: &str| {
        format!("SELECT {name} FROM system.{table} WHERE database = 'comments' AND NOT ({in_both})")
    };
    assert_eq!(texts(&client, &of("tables", "name")).await, Vec::<String>::new());
    assert_eq!(texts(&client, &of("columns", "concat(table, '.', name)")).await, Vec::<String>::new());
    let tables = texts(&client, "SELECT name FROM system.tables WHERE database = 'comments'").await;
    assert!(tables.len() > 20, "{tables:?}");
}

#[tokio::test]
async fn second_migration_changes_nothing_and_an_interrupted_one_is_completed() {
    let (config, client) = migrated("twice").await;
    let again = || migrate::run(&config.clickhouse, &config.chunk);
    assert_eq!(again().await.unwrap(), Vec::<String>::new());
    execute(&client, "DROP TABLE counts_1d_registers SYNC").await;
    execute(&client, "ALTER TABLE migrations DELETE WHERE name = '0003_registers.sql' SETTINGS mutations_sync = 2")
        .await;
    assert_eq!(again().await.unwrap(), ["0003_registers.sql"]);
    let found = "SELECT name FROM system.tables WHERE database = 'twice' AND name = 'counts_1d_registers'";
    assert_eq!(texts(&client, found).await.len(), 1);
    assert_eq!(again().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn database_of_other_files_or_other_chunks_is_refused_and_validate_says_so() {
    let (config, client) = migrated("other").await;
    let other = chunk::Config { bits: 16, day_bits: 20 };
    let error = migrate::run(&config.clickhouse, &other).await.unwrap_err();
    assert!(matches!(&error, migrate::Error::Unfit { state: migrate::State::Chunks { .. }, .. }), "{error}");
    execute(
        &client,
        "INSERT INTO migrations (name, checksum, applied_at) SELECT name, 'x', now64(3) + 1 FROM migrations LIMIT 1",
    )
    .await;
    let error = migrate::run(&config.clickhouse, &config.chunk).await.unwrap_err();
    assert!(matches!(&error, migrate::Error::Unfit { state: migrate::State::Changed(_), .. }), "{error}");
    let report = validate::run(&config, validate::Environment::Check).await.to_string();
    assert!(report.lines().any(|line| line.starts_with('✗') && line.contains("another content")), "{report}");
}

#[tokio::test]
async fn validate_asks_for_a_migration_that_is_missing() {
    let (config, client) = migrated("behind").await;
    let report =
        |config: config::Config| async move { validate::run(&config, validate::Environment::Check).await.to_string() };
    let text = report(config.clone()).await;
    assert!(text.contains("✓ database `behind`: its schema is current"), "{text}");
    execute(&client, "ALTER TABLE migrations DELETE WHERE name = '0007_amendments.sql' SETTINGS mutations_sync = 2")
        .await;
    let text = report(config).await;
    assert!(text.contains("! database `behind`: its schema lacks 0007_amendments.sql; run `yinliu migrate`"), "{text}");
}

#[test]
fn cluster_gets_every_table_replicated_and_spread_by_its_key() {
    let config = sink::Config { cluster: "c".to_owned(), ..Default::default() };
    let plain = migrate::dry_run(&sink::Config::default());
    let text = migrate::dry_run(&config);
    let tables: Vec<_> =
        plain.lines().filter_map(|line| line.strip_prefix("CREATE TABLE IF NOT EXISTS ")?.split(' ').next()).collect();
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        let local = format!("CREATE TABLE IF NOT EXISTS {table}_local ON CLUSTER 'c' (");
        assert!(text.contains(&local), "{table} has no local table");
        let spread = format!("ENGINE = Distributed('c', 'yinliu', '{table}_local', ");
        let (_, key) = text.split_once(&spread).unwrap_or_else(|| panic!("{table} is not spread"));
        // Versions of one row have to meet on one shard.
        let free = ["settings", "migrations"].contains(&table);
        assert!(free || key.starts_with("cityHash64("), "{table} is spread by {}", key.lines().next().unwrap());
    }
    for (engine, line) in text.lines().filter_map(|line| Some((line.strip_prefix("ENGINE = ")?, line))) {
        assert!(engine.starts_with("Replicated") || engine.starts_with("Distributed"), "{line}");
    }
    assert!(text.contains("ENGINE = ReplicatedReplacingMergeTree"), "{text}");
    let views = text.lines().filter(|line| line.starts_with("CREATE VIEW"));
    views.for_each(|line| assert!(line.contains(" ON CLUSTER 'c' "), "{line}"));
}

#[tokio::test]
async fn every_table_of_the_sink_takes_its_columns() {
    let (config, client) = migrated("columns").await;
    let sink = ClickHouse::new(&config.clickhouse);
    for table in Table::ALL {
        sink.insert(table, &Rows::default()).await.unwrap_or_else(|error| panic!("{}: {error}", table.name()));
        let row = format!("INSERT INTO {0} ({1}) SELECT {1} FROM {0} LIMIT 1", table.name(), table.columns());
        execute(&client, &row).await;
    }
}

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
    let mut config = database(name).await;
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
}

#[tokio::test]
async fn fact_that_is_gone_is_named() {
    let sql = "ALTER TABLE facts DELETE WHERE channel = 'cashier' SETTINGS mutations_sync = 2";
    let rollup = format!("{CASHIER} of yinliu.friend.v1[0] chunk 0: adds by facts 0, by day 1");
    check_tampered("fact", sql, &[&rollup, "yinliu.friend.v1[0] chunk 0: counted by ledger 16, by facts 15"]).await;
}

#[tokio::test]
async fn ledger_row_that_was_changed_is_named() {
    let columns = Table::Ledger.columns();
    let changed = columns.replace(" counted,", " counted + 1,").replace(" version", " version + 1");
    let sql = format!("INSERT INTO ledger ({columns}) SELECT {changed} FROM ledger FINAL WHERE src_chunk = 0");
    let balance = "yinliu.friend.v1[0] chunk 0: received by outcome 17, by receipt 16";
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
