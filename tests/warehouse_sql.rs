//! The schema in a real engine.
//!
//! Invariant: each test has a database of its own.

use std::{collections::BTreeSet, sync::LazyLock};

use clickhouse::Client;
use yinliu::{
    batch::Rows,
    chunk, config,
    event::Counter,
    migrate,
    sink::{self, ClickHouse, Sink as _, Table},
    validate,
};

use crate::support::engine::Engine;

/// 2025-03-10 10:00 in Asia/Shanghai.
pub(crate) const NOW_MS: i64 = 1_741_572_000_000;

/// A database on the engine that the tests of this file share.
pub(crate) fn database(name: &str) -> config::Config {
    static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);
    let clickhouse = sink::Config { url: ENGINE.url(), database: name.to_owned(), ..Default::default() };
    config::Config { clickhouse, ..Default::default() }
}

async fn migrated(name: &str) -> (config::Config, Client) {
    let config = database(name);
    migrate::run(&config.clickhouse, &config.chunk).await.unwrap();
    let client = sink::client(&config.clickhouse);
    (config, client)
}

pub(crate) async fn execute(client: &Client, sql: &str) {
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
pub(crate) async fn database_of_other_files_or_other_chunks_is_refused_and_validate_says_so() {
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
    assert!(text.contains("✗ database `behind`: its schema lacks 0007_amendments.sql; run `yinliu migrate`"), "{text}");
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
