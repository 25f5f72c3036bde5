//! The speed of yinliu, in one table: `make bench`; with `--quick` a run of small numbers.
//! Names of parts measure these alone: those of [`PARTS`].
//!
//! Invariant: a figure that is compared with another is measured beside it in the same run.

mod board;
mod child;
mod engine;
mod flat;
mod fold;
mod measure;
mod null;
mod refresh;
#[path = "../tests/support"]
#[allow(dead_code, clippy::unwrap_used, reason = "written for the tests, which need more of it and may unwrap")]
mod support {
    pub(crate) mod kafka;
    pub(crate) mod port;
    pub(crate) mod process;
}
mod table;
mod verify;
mod warehouse;

use table::Table;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    /// Only whether everything runs: the figures have no meaning.
    Quick,
}

/// Measures one part and adds its rows.
type Part = fn(Scale, &mut Table);

/// The parts by name, in the order in which they run.
const PARTS: [(&str, Part); 11] = [
    ("flat", flat::run),
    ("null", null::run),
    ("engine", engine::throughput),
    ("freshness", engine::freshness),
    ("parts", engine::parts),
    ("start", engine::start),
    ("board", board::run),
    ("hour", board::hour::run),
    ("verify", verify::run),
    ("warehouse", warehouse::run),
    ("refresh", refresh::run),
];

fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "child") {
        return child::main(&words[1..]);
    }
    let scale = if words.iter().any(|word| word == "--quick") { Scale::Quick } else { Scale::Full };
    // Cargo itself adds `--bench`.
    let named: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let mut table = Table::default();
    for (name, run) in PARTS {
        if named.is_empty() || named.iter().any(|word| *word == name) {
            run(scale, &mut table);
        }
    }
    table.print();
}
