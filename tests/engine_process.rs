//! The engine as a process keeps what it has acknowledged.
//!
//! Invariant: only the harness and `yinliu engine` are tested here, nothing of the pipeline.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::support::engine::Engine;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Row)]
struct Number {
    number: u64,
}

async fn insert(engine: &Engine, number: u64) {
    let mut insert = engine.client().insert::<Number>("numbers").await.unwrap();
    insert.write(&Number { number }).await.unwrap();
    insert.end().await.unwrap();
}

async fn numbers(engine: &Engine) -> Vec<u64> {
    engine.client().query("SELECT number FROM numbers ORDER BY number").fetch_all().await.unwrap()
}

async fn engine_with_table() -> Engine {
    let engine = Engine::start();
    let create = "CREATE TABLE numbers (number UInt64) ENGINE = MergeTree ORDER BY number";
    engine.client().query(create).execute().await.unwrap();
    engine
}

#[tokio::test]
async fn acknowledged_rows_survive_kill_and_stop() {
    let mut engine = engine_with_table().await;
    let url = engine.url();
    insert(&engine, 1).await;
    engine.kill();
    engine.restart();
    assert_eq!(numbers(&engine).await, [1]);
    insert(&engine, 2).await;
    engine.stop();
    engine.restart();
    assert_eq!((numbers(&engine).await, engine.url()), (vec![1, 2], url));
}

#[tokio::test]
async fn a_copied_folder_is_an_engine_of_its_own() {
    let mut engine = engine_with_table().await;
    insert(&engine, 1).await;
    engine.stop();
    let mut copy = engine.start_copy();
    engine.restart();
    insert(&engine, 2).await;
    assert_eq!((numbers(&engine).await, numbers(&copy).await), (vec![1, 2], vec![1]));
    engine.stop();
    copy.stop();
    engine.replace_data(&copy);
    engine.restart();
    assert_eq!(numbers(&engine).await, [1]);
}
