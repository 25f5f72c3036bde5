//! yinliu: exact, live counts of WeCom friend acquisition. Kafka in, ClickHouse out.

pub mod admin;
pub mod batch;
pub mod board;
pub mod chunk;
pub mod cli;
pub mod config;
pub mod corp;
pub mod decode;
pub mod dedup;
pub mod demo;
pub mod directory;
pub mod engine;
pub mod enrich;
pub mod event;
pub mod generate;
pub mod letters;
pub mod log;
pub mod metrics;
pub mod migrate;
pub mod partition;
pub mod pipeline;
pub mod sink;
pub mod source;
pub mod validate;
pub mod verify;
pub mod window;
