//! Real components for the tests: Apache Kafka and the ClickHouse engine, each a process that can be killed.
//!
//! Invariant: no process outlives the test binary, however that ends.

pub(crate) mod engine;
pub(crate) mod kafka;
pub(crate) mod process;
