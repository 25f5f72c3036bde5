//! Registers: absolute counts within one chunk of a partition's offsets.
//!
//! Invariant: pure; an event changes a register only at or beyond the register's high-water offset.

use serde::{Deserialize, Serialize};

/// Section `chunk`: sizes of the chunks, as powers of two; fixed when a database is created.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Rows by minute and the ledger: a minute rarely outlives 131,072 offsets. From 4 to 20.
    pub bits: u32,
    /// Rows by day: their keys come back all day. From `bits` to 24.
    pub day_bits: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { bits: 17, day_bits: 20 }
    }
}
