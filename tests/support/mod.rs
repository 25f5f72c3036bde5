//! Real components for the tests: Apache Kafka and the ClickHouse engine, each a process that can be killed.
//!
//! Invariant: no process outlives the test binary, however that ends.

pub(crate) mod board;
pub(crate) mod counting;
pub(crate) mod engine;
pub(crate) mod figures;
pub(crate) mod kafka;
pub(crate) mod load;
pub(crate) mod poll;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod records;
pub(crate) mod refreshed;
pub(crate) mod secured;
pub(crate) mod shim;
pub(crate) mod stage;
pub(crate) mod told;
pub(crate) mod yinliu;
