//! The doors through which bytes come in from outside, each to be tried with any bytes.
//!
//! Invariant: a door takes whatever it is given and returns; what must hold of every input it asserts itself. None of
//! this is in a program that counts.
//!
//! The inputs are the records of the cases and the files of `tests/corpus/` by door. Tests try these and mutations of them;
//! `make fuzz` starts from them, follows the code, and adds to the files what it found.

#![allow(clippy::unwrap_used, reason = "the files are those of the project")]

#[cfg(test)]
mod mutation;

// The program itself is linked beside the fuzzer, and is made to follow the code as well: what that asks for is in here.
#[cfg(feature = "fuzzing")]
use libfuzzer_sys as _;

use std::{collections::HashMap, path::Path};

use crate::{
    batch::{Batch, Origin},
    config,
    corp::Corps,
    directory::Directory,
    engine,
    event::{Header, Record},
    partition::{self, Loaded, Outcome, Partition, Rules},
    reference,
    window::Calendar,
};

/// A door by its name.
pub type Door = (&'static str, fn(&[u8]));

/// All of them.
pub const DOORS: [Door; 4] =
    [("record", record), ("config", config::hostile), ("csv", reference::hostile), ("engine", endpoint)];

/// Of every record: that of the examples in `schemas/`, so that their events are neither too old nor in the future.
const TIMESTAMP_MS: i64 = 1_741_572_000_500;

/// Header lines `name: value` between a first line `#` and an empty one; without the `#` all is the value.
fn headers(bytes: &[u8]) -> (Vec<Header<'_>>, &[u8]) {
    let Some(mut rest) = bytes.strip_prefix(b"#\n") else { return (Vec::new(), bytes) };
    let mut headers = Vec::new();
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let cut = memchr::memchr(b':', line).unwrap_or(line.len());
        let value = line.get(cut + 1..).unwrap_or_default().trim_ascii_start();
        headers.extend(str::from_utf8(&line[..cut]).map(|name| Header { name, value }));
    }
    (headers, rest)
}

/// A request to the embedded endpoint: header lines, then the address in a line, then the body.
fn endpoint(bytes: &[u8]) {
    let (headers, request) = headers(bytes);
    engine::hostile(&headers, request);
}

/// A record, delivered twice at different offsets.
///
/// # Panics
/// It is not accounted for, or is counted twice.
fn record(bytes: &[u8]) {
    let (headers, value) = headers(bytes);
    let origin = Origin { topic: "events".into(), partition: 0 };
    let settings = partition::Config::default();
    let Ok(mut partition) = Partition::start(&settings, origin, Loaded::default(), 0) else {
        unreachable!("nothing was loaded that could disagree")
    };
    let Ok(corps) = Corps::new(&HashMap::new()) else { unreachable!("no corp has settings") };
    let directory = Directory::default();
    let (mut calendar, mut scratch, mut batch) = (Calendar::new(), Vec::new(), Batch::default());
    let mut rules =
        Rules { corps: &corps, directory: &directory, delay_ms: 0, calendar: &mut calendar, scratch: &mut scratch };
    let outcomes = [0, 1].map(|offset| {
        let record = Record { offset, timestamp: Some(TIMESTAMP_MS), key: None, value: Some(value), headers: &headers };
        partition.fold(&record, &mut rules, &mut batch)
    });
    partition.drain(&mut batch);
    let tally = partition.tally();
    assert!(tally.received == 2 && tally.balances(), "{tally:?}");
    match outcomes {
        [Outcome::Counted(_), Outcome::Duplicate] => {}
        [Outcome::Rejected(first), Outcome::Rejected(second)] => assert_eq!(first, second, "the same, told otherwise"),
        other => panic!("of the same record twice became {other:?}"),
    }
}

fn folder(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let files = std::fs::read_dir(path).unwrap().map(Result::unwrap);
    files.map(|file| std::fs::read(file.path()).unwrap()).collect()
}

/// The values of all cases, with their headers.
fn records() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for case in folder("cases") {
        let case: serde_json::Value = serde_json::from_slice(&case).unwrap();
        for record in case["records"].as_array().unwrap() {
            let Some(value) = record["value"].as_str() else { continue };
            let mut input = Vec::new();
            for header in record["headers"].as_array().into_iter().flatten() {
                let text = |at: usize| header[at].as_str().unwrap_or_default();
                let start = if input.is_empty() { "#\n" } else { "" };
                input.extend_from_slice(format!("{start}{}: {}\n", text(0), text(1)).as_bytes());
            }
            if !input.is_empty() {
                input.push(b'\n');
            }
            input.extend_from_slice(value.as_bytes());
            inputs.push(input);
        }
    }
    inputs
}

/// What a door is known to be asked.
#[must_use]
pub fn inputs(door: &str) -> Vec<Vec<u8>> {
    let cases = if door == "record" { records() } else { Vec::new() };
    cases.into_iter().chain(folder(&format!("corpus/{door}"))).collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

    use super::{mutation::mutate, *};

    /// For each door so many mutations of its inputs, of up to so many steps each; fewer missed a form without its end.
    const MUTATIONS: usize = 10_000;
    const STEPS_MAX: usize = 8;

    #[test]
    fn every_input_and_its_mutations_are_taken_by_their_door() {
        let mut random = SmallRng::seed_from_u64(1);
        for (name, door) in DOORS {
            let inputs = inputs(name);
            assert!(inputs.len() >= 8, "{} inputs for `{name}`", inputs.len());
            for input in &inputs {
                door(input);
                for _ in 0..MUTATIONS.div_ceil(inputs.len()) {
                    let other = &inputs[random.random_range(0..inputs.len())];
                    door(&mutate(input, other, STEPS_MAX, &mut random));
                }
            }
        }
    }

    #[test]
    fn lines_before_the_value_are_headers() {
        let (headers, value) = headers(b"#\nce_id: 1\nx\n\n{}\n");
        let headers: Vec<_> = headers.iter().map(|header| (header.name, header.value)).collect();
        assert_eq!(headers, [("ce_id", &b"1"[..]), ("x", b"")]);
        assert_eq!(value, b"{}\n");
    }
}
