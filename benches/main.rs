//! The speed of yinliu, in one table: `cargo bench`, or `cargo bench -- --quick` for a run of small numbers.
//!
//! Invariant: a figure that is compared with another is measured beside it in the same run.

mod child;
mod fold;
mod measure;
mod null;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "the tests need more of it than the benchmarks")]
mod support;

use fold::Load;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    /// Only whether everything runs: the figures have no meaning.
    Quick,
}

fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "child") {
        return child::main(&words[1..]);
    }
    let scale = if words.iter().any(|word| word == "--quick") { Scale::Quick } else { Scale::Full };
    if let Some(events) = words.iter().find_map(|word| word.parse().ok()) {
        println!("{:.3} µs", fold::run(Load { events, staff: 5_000, partitions: 4 }));
        return;
    }
    let wanted = |name: &str| !words.iter().any(|word| !word.starts_with('-')) || words.iter().any(|word| word == name);
    if wanted("null") {
        null::run(scale);
    }
}
