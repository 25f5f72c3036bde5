//! The real components do what the other tests take for granted.
//!
//! Invariant: only the harness is tested here, nothing of the pipeline.

use std::time::Duration;

use clickhouse::Client;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::support::kafka::{self, Kafka};

/// The one test of this binary with an engine in its own process: there is room for one.
#[tokio::test]
async fn an_engine_in_process_stops_and_starts_again_with_its_rows() {
    let folder = tempfile::TempDir::new().unwrap();
    let library = yinliu::engine::Engine::default_library();
    let listen = ([127, 0, 0, 1], 0).into();
    let config = yinliu::engine::Config { library, data: folder.path().join("data"), listen };
    for statement in ["CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a", "INSERT INTO t VALUES (1)"] {
        let engine = yinliu::engine::Engine::start(&config).await.unwrap();
        let client = Client::default().with_url(format!("http://{}", engine.address()));
        client.query(statement).execute().await.unwrap();
        engine.stop().await.unwrap();
    }
    let engine = yinliu::engine::Engine::start(&config).await.unwrap();
    let client = Client::default().with_url(format!("http://{}", engine.address()));
    assert_eq!(client.query("SELECT a FROM t").fetch_all::<u64>().await.unwrap(), [1]);
    engine.stop().await.unwrap();
}

/// Produces one record; returns its offset.
async fn produce(kafka: &Kafka, topic: &str, value: &str) -> i64 {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.brokers()).set("acks", "all");
    let producer: FutureProducer = config.create().unwrap();
    let record = FutureRecord::to(topic).key("staff").payload(value).partition(1).timestamp(1_000);
    producer.send(record, Duration::from_mins(1)).await.unwrap().offset
}

fn end_of(kafka: &Kafka, topic: &str) -> i64 {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
    client.fetch_watermarks(topic, 1, Duration::from_mins(1)).unwrap().1
}

#[tokio::test]
async fn the_shared_broker_keeps_old_records() {
    let kafka = kafka::shared();
    let topic = kafka.fresh_topic("old", 2, &[("cleanup.policy", "delete")]).await;
    assert_eq!(produce(kafka, &topic, "1").await, 0);
    assert_eq!(produce(kafka, &topic, "2").await, 1);
    assert_eq!(end_of(kafka, &topic), 2);
}

#[tokio::test]
async fn a_killed_broker_comes_back_with_its_records() {
    let mut kafka = Kafka::start();
    kafka.create_topic("kept", 2, &[]).await;
    produce(&kafka, "kept", "1").await;
    kafka.kill(0);
    kafka.restart();
    assert_eq!(produce(&kafka, "kept", "2").await, 1);
    kafka.delete_topic("kept").await;
}
