//! How the process starts and ends: what it waits for, what it refuses, and with which exit code.
//!
//! Invariant: exit codes and texts are those that a supervisor and an operator see.

use std::time::Duration;

use yinliu::{chunk, migrate};

use crate::{
    recount::assert_counts_equal_the_log,
    support::{
        engine::Engine,
        figures::Chunks,
        kafka::{self, Kafka},
        load::Load,
        poll,
        stage::{SOON, Stage},
        yinliu::{Yinliu, command},
    },
};

#[tokio::test]
async fn sigterm_enters_everything_that_was_read() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "sigterm");
    stage.build(2).await;
    let load = Load::new(&stage, 11);
    let rows = load.send_reference().await;
    let mut yinliu = Yinliu::start(&stage.config());
    stage.until_reference(rows).await;
    let load = load.steady(1_000);
    poll::until("a few thousand records read", SOON, async || match yinliu.metric("records_received_total")? {
        count if count > 3_000.0 => Ok(()),
        count => Err(format!("{count} records; its log:\n{}", yinliu.log())),
    })
    .await;
    let read = yinliu.metric("records_received_total").unwrap();
    yinliu.stop();
    let chunks = Chunks::read(&stage.client()).await.unwrap();
    let entered: u64 = chunks.0.values().map(|sums| sums[1]).sum();
    let entered = f64::from(u32::try_from(entered).unwrap());
    assert!(entered >= read, "{entered} records in the ledger, {read} were read before the signal");
    load.stop();
    yinliu.restart();
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
}

#[tokio::test]
async fn ctrl_c_ends_the_process_as_sigterm_does_and_its_log_is_json_where_nobody_watches() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "interrupted");
    stage.build(1).await;
    let mut load = Load::new(&stage, 14);
    load.send_reference().await;
    load.send(200).await;
    let mut yinliu = Yinliu::start(&stage.config());
    stage.until_in(SOON).await;
    yinliu.interrupt();
    assert_eq!(yinliu.exit_code(Duration::from_secs(10)), 0, "its log:\n{}", yinliu.log());
    assert_counts_equal_the_log(&stage).await;
    let log = yinliu.whole_log();
    assert!(!log.is_empty(), "it says something");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn second_signal_ends_the_process_at_once() {
    let mut engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "twice");
    stage.build(1).await;
    let mut load = Load::new(&stage, 12);
    load.send_reference().await;
    let mut yinliu = Yinliu::start(&stage.config());
    load.send(100).await;
    stage.until_in(SOON).await;
    engine.kill();
    load.send(100).await;
    yinliu.until_ready_is(503, "ClickHouse", SOON).await;
    // The last flush cannot succeed, so that the process would wait for some seconds.
    yinliu.terminate();
    yinliu.until_ready_is(503, "stopping", SOON).await;
    yinliu.terminate();
    assert_eq!(yinliu.exit_code(Duration::from_secs(2)), 1);
}

#[tokio::test]
async fn database_without_the_schema_is_refused_with_the_command_that_makes_it() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "unmade");
    let mut yinliu = Yinliu::start(&stage.config());
    assert_eq!(yinliu.exit_code(SOON), 1);
    assert!(yinliu.log().contains("yinliu migrate"), "the log names the command:\n{}", yinliu.log());
}

#[tokio::test]
async fn database_with_other_chunks_is_refused_with_the_settings_that_differ() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "other");
    let other = chunk::Config { bits: 10, ..chunk::Config::default() };
    migrate::run(&stage.clickhouse(), &other).await.unwrap();
    let mut yinliu = Yinliu::start(&stage.config());
    assert_eq!(yinliu.exit_code(SOON), 1);
    assert!(yinliu.log().contains("`chunk.bits`"), "the log names the setting:\n{}", yinliu.log());
}

#[test]
fn bad_configuration_ends_with_78_and_names_the_mistake() {
    let (code, said) = command(&["run", "--set", "flush.interval=soon", "--set", "kafka.brokerz=a"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("flush.interval") && said.contains("kafka.brokerz"), "{said}");
}

#[test]
fn board_that_other_machines_reach_needs_a_key() {
    let (code, said) = command(&["run", "--set", "board.listen=0.0.0.0:0"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("`board.access.keys` must hold a key"), "{said}");
    let (code, said) = command(&["validate", "--no-environment", "--set", "board.listen=0.0.0.0:0", "--set", KEY]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("0123456789"), "{said}");
}

#[tokio::test]
async fn pipeline_alone_leaves_the_address_of_the_board_to_the_board() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "apart");
    stage.build(1).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = stage.config();
    config["board"] = serde_json::json!({ "listen": taken.local_addr().unwrap().to_string() });
    let mut yinliu = Yinliu::start(&config);
    stage.until_in(SOON).await;
    yinliu.stop();
    let (code, said) = command(&["run", "--only", "board", "--set", "board.listen=0.0.0.0:0"]);
    assert_eq!(code, Some(78), "{said}");
}

const KEY: &str = "board.access.keys.k1=0123456789abcdef0123456789abcdef";

#[test]
fn token_prints_a_link_for_a_scope_and_never_the_key() {
    let wish = ["token", "--scope", "store:S1001", "--role", "manager", "--expires", "30d"];
    let (code, said) = command(&[&wish[..], &["--set", KEY, "--log", "trace"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("http://127.0.0.1:8080/?token=") && !said.contains("0123456789"), "{said}");
    let (code, said) = command(&wish);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("board.access.keys"), "{said}");
    assert_eq!(command(&["token", "--scope", "store:S1001", "--role", "owner"]).0, Some(2));
}

#[test]
fn wrong_usage_ends_with_2() {
    for line in [
        "rum",
        "verify --from 2026-11-12 --to 2026-11-11",
        "reconcile --from 2026-11-12 --to 2026-11-11",
        "dead-letters list --from 2026-11-12 --to 2026-11-11",
        "generate --to stdout --regions 3 --stores 2",
        "generate --to stdout --time-zone Asia/Atlantis",
        "generate --to stdout --day 2100-01-01",
        "generate --to stdout --day 2026-01-01 --live",
        "generate --to stdout --count 0",
        "generate --count 0 --set kafka.brokers=127.0.0.1:1",
    ] {
        let (code, said) = command(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(code, Some(2), "`{line}`: {said}");
        assert!(!said.contains("\"level\""), "`{line}` is told to a person: {said}");
    }
}

#[tokio::test]
async fn broker_that_goes_away_later_is_waited_for() {
    let (mut kafka, engine) = (Kafka::start(), Engine::start());
    let stage = Stage::new(&kafka, engine.url(), "later");
    stage.build(1).await;
    let mut load = Load::new(&stage, 15);
    let rows = load.send_reference().await;
    let yinliu = Yinliu::start(&stage.config());
    stage.until_reference(rows).await;
    load.send(500).await;
    stage.until_in(SOON).await;
    yinliu.until_ready_is(200, "ok", SOON).await;
    kafka.kill(0);
    yinliu.until_ready_is(503, "kafka: Kafka: ask the brokers", SOON).await;
    kafka.restart();
    let stage = Stage::new(&kafka, engine.url(), "later");
    let mut load = Load::new(&stage, 16);
    load.send(500).await;
    stage.until_in(SOON).await;
    yinliu.until_ready_is(200, "ok", SOON).await;
    assert_counts_equal_the_log(&stage).await;
    assert!(yinliu.is_running());
}

#[tokio::test]
async fn process_waits_for_a_broker_that_is_away_at_its_start() {
    let (mut kafka, engine) = (Kafka::start(), Engine::start());
    Stage::new(&kafka, engine.url(), "absent").build(1).await;
    let config = Stage::new(&kafka, engine.url(), "absent").config();
    kafka.kill(0);
    let yinliu = Yinliu::start(&config);
    yinliu.until_ready_is(503, "Kafka", SOON).await;
    kafka.restart();
    yinliu.until_ready_is(200, "ok", SOON).await;
    let stage = Stage::new(&kafka, engine.url(), "absent");
    let mut load = Load::new(&stage, 13);
    let rows = load.send_reference().await;
    stage.until_reference(rows).await;
    load.send(500).await;
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
    assert!(yinliu.is_running());
}
