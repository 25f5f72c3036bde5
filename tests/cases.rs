//! Every case of `tests/cases/` through the pure rooms: straight on, broken off after each record, with any size of chunk.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use yinliu::{
    batch::{Batch, Origin},
    chunk,
    corp::{self, Corps},
    dedup,
    directory::{Directory, Kind, Publication, Reference, Taken},
    event::{Header, Record},
    partition::{Config, Outcome, Partition, Rules},
    window::{self, Calendar, Date},
};

use crate::warehouse::{Counts, Key, Warehouse};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) title: String,
    #[serde(rename = "contract")]
    _contract: String,
    pub(crate) config: Settings,
    pub(crate) reference: Vec<Input>,
    pub(crate) records: Vec<Input>,
    pub(crate) expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) corp: HashMap<String, corp::Config>,
    #[serde(default)]
    pub(crate) dedup: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    pub(crate) timestamp: i64,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    value_base64: Option<String>,
    #[serde(default)]
    pad_to: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub counts_1m: Vec<serde_json::Map<String, Value>>,
    pub counts_1d: Vec<serde_json::Map<String, Value>>,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) duplicates: Vec<Value>,
    pub(crate) conflicts: usize,
    pub(crate) chunks: Vec<Chunk>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rejected {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) detail_word: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chunk {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) next_offset: u64,
    pub(crate) received: u64,
    pub(crate) rejected: u64,
    pub(crate) duplicate: u64,
    pub(crate) counted: u64,
}

/// Every case, by name.
pub(crate) fn all() -> Vec<(String, Case)> {
    let mut files: Vec<PathBuf> = ["tests/cases", "tests/own_cases"]
        .iter()
        .map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(files.len() > 50, "the cases are missing: {files:?}");
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let case =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, case)
    };
    files.into_iter().map(read).collect()
}

impl Input {
    pub(crate) fn origin(&self) -> Origin {
        Origin { topic: self.topic.as_str().into(), partition: self.partition }
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.key.as_deref().map(str::as_bytes)
    }

    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        let text = self.value.as_ref().map(|text| text.as_bytes().to_vec());
        let mut value = text.or_else(|| self.value_base64.as_ref().map(|text| STANDARD.decode(text).unwrap()))?;
        value.resize(value.len().max(self.pad_to), b' ');
        Some(value)
    }

    pub(crate) fn headers(&self) -> Vec<Header<'_>> {
        self.headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect()
    }
}

impl Case {
    fn directory(&self) -> Directory {
        let mut directory = Directory::default();
        for row in &self.reference {
            let publication = Publication { at: row.timestamp, partition: row.partition, offset: row.offset };
            let kind = if row.topic == "yinliu.org.v1" { Kind::Org } else { Kind::Channel };
            let taken = match Reference::read(kind, row.key(), row.value().as_deref(), publication).unwrap() {
                Reference::Org(row) => directory.insert_org(row),
                Reference::Channel(row) => directory.insert_channel(row),
                other => panic!("{other:?}"),
            };
            assert_eq!(taken, Taken::New, "{row:?}");
        }
        directory
    }

    pub(crate) fn dedup(&self) -> dedup::Config {
        let config = self.config.dedup.clone().map(|config| serde_json::from_value(config).unwrap());
        config.unwrap_or_default()
    }
}

/// How a run ends its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Never,
    /// Before each record a new process starts from what was flushed.
    AfterFlush,
    /// Likewise, but the ledger rows of every flush were lost: each record is folded again and again.
    BeforeLedger,
}

#[derive(Debug, Default)]
struct Found {
    warehouse: Warehouse,
    /// The last flush; where nothing was broken off, the only one.
    batch: Batch,
    duplicates: usize,
    conflicts: usize,
}

fn run(case: &Case, bits: u32, broken: Broken) -> Found {
    let (corps, directory) = (Corps::new(&case.config.corp).unwrap(), case.directory());
    let config = Config { chunk: chunk::Config { bits, day_bits: bits + 2 }, dedup: case.dedup() };
    let (mut found, mut partitions) = (Found::default(), HashMap::<Origin, Partition>::new());
    let (mut calendar, mut scratch, mut batch) = (Calendar::new(), Vec::new(), Batch::default());
    for (at, input) in case.records.iter().enumerate() {
        let origin = input.origin();
        let mut rules = Rules {
            corps: &corps,
            directory: &directory,
            delay_ms: 60_000,
            calendar: &mut calendar,
            scratch: &mut scratch,
        };
        if broken != Broken::Never {
            partitions.remove(&origin);
        }
        let partition = partitions.entry(origin.clone()).or_insert_with(|| {
            let loaded = found.warehouse.load(&origin, &config.chunk);
            Partition::start(&config, origin.clone(), loaded, 0)
                .unwrap_or_else(|error| panic!("{}: {error}", case.title))
        });
        let from = partition.read_from(&config, 0);
        let earlier = case.records[..at].iter().filter(|other| other.origin() == origin && other.offset >= from);
        let again = if broken == Broken::Never { 0 } else { usize::MAX };
        for input in earlier.take(again).chain([input]) {
            let (value, headers) = (input.value(), input.headers());
            let record = Record {
                offset: input.offset,
                timestamp: Some(input.timestamp),
                key: input.key(),
                value: value.as_deref(),
                headers: &headers,
            };
            match partition.fold(&record, &mut rules, &mut batch) {
                Outcome::Duplicate if broken == Broken::Never => found.duplicates += 1,
                Outcome::Conflict if broken == Broken::Never => {
                    found.duplicates += 1;
                    found.conflicts += 1;
                }
                _ => {}
            }
        }
        if broken != Broken::Never {
            partition.drain(&mut batch);
            let batch = std::mem::take(&mut batch);
            if broken == Broken::BeforeLedger && at % 3 != 2 {
                found.warehouse.insert_rows(&batch);
            } else {
                found.warehouse.flush(&batch);
            }
        }
    }
    for partition in partitions.values_mut() {
        partition.drain(&mut batch);
    }
    found.warehouse.flush(&batch);
    Found { batch, ..found }
}

/// What the pure rooms make of the case of this name, in one flush.
pub(crate) fn batch(name: &str) -> Batch {
    let (_, case) = all().into_iter().find(|(other, _)| other == name).unwrap();
    run(&case, 17, Broken::Never).batch
}

fn check(name: &str, case: &Case, bits: u32, broken: Broken) {
    let what = format!("{name} ({}), chunks of {bits} bits, broken off {broken:?}", case.title);
    let found = run(case, bits, broken);
    let warehouse = &found.warehouse;
    assert_eq!(warehouse.counts_1m(), expected(&case.expect.counts_1m), "{what}: minutes");
    assert_eq!(warehouse.counts_1d(), expected(&case.expect.counts_1d), "{what}: days");
    let mut rejected = BTreeMap::new();
    for refusal in &case.expect.rejected {
        let origin = Origin { topic: refusal.topic.as_str().into(), partition: refusal.partition };
        rejected.insert((origin, refusal.offset), refusal.reason.clone());
    }
    for refusal in &case.expect.rejected {
        let origin = Origin { topic: refusal.topic.as_str().into(), partition: refusal.partition };
        let detail = warehouse.letters.get(&(origin, refusal.offset)).map_or("", |(_, detail)| detail);
        assert!(!detail.contains("wmK"), "{what}: a customer id in `{detail}`");
        for word in ["seconds", "microseconds", "nanoseconds"] {
            let said = detail.split(|letter: char| !letter.is_alphanumeric()).any(|other| other == word);
            let wanted = refusal.detail_word.as_deref() == Some(word);
            assert!(refusal.detail_word.is_none() || said == wanted, "{what}: `{detail}`, {word}");
        }
    }
    let letters: BTreeMap<_, _> =
        warehouse.letters.iter().map(|(at, (reason, _))| (at.clone(), reason.clone())).collect();
    assert_eq!(letters, rejected, "{what}: refusals");
    if broken == Broken::Never {
        assert_eq!(found.duplicates, case.expect.duplicates.len(), "{what}: duplicates");
        assert_eq!(found.conflicts, case.expect.conflicts, "{what}: conflicts");
    }
    if broken == Broken::BeforeLedger {
        return;
    }
    let chunks = warehouse.chunks();
    assert_eq!(chunks.len(), case.expect.chunks.len(), "{what}: partitions");
    for chunk in &case.expect.chunks {
        let (position, tally) = chunks[&Origin { topic: chunk.topic.as_str().into(), partition: chunk.partition }];
        let found = (position, tally.received, tally.rejected, tally.duplicate, tally.counted);
        let expected = (chunk.next_offset, chunk.received, chunk.rejected, chunk.duplicate, chunk.counted);
        assert_eq!(found, expected, "{what}: chunks of {}/{}", chunk.topic, chunk.partition);
    }
}

/// Expected rows under the keys of the warehouse.
pub(crate) fn expected(rows: &[serde_json::Map<String, Value>]) -> BTreeMap<Key, Counts> {
    let text = |row: &serde_json::Map<String, Value>, name: &str| row[name].as_str().unwrap().to_owned();
    let counters = |row: &serde_json::Map<String, Value>| {
        let all = yinliu::event::Counter::ALL.iter();
        all.filter_map(|counter| Some((counter.name(), row.get(counter.name())?.as_u64().unwrap()))).collect()
    };
    let key = |row: &serde_json::Map<String, Value>| {
        let start = row
            .get("window_start")
            .map_or(0, |start| start.as_str().unwrap().parse::<Timestamp>().unwrap().as_second() / 60);
        let Date(date) = window::date_of(text(row, "business_date").parse().unwrap()).unwrap();
        let (corp, region, store) = (text(row, "corp_id"), text(row, "region_id"), text(row, "store_id"));
        (corp, u32::try_from(start).unwrap(), date, region, store, text(row, "staff_id"), text(row, "channel"))
    };
    rows.iter().map(|row| (key(row), counters(row))).collect()
}

#[test]
fn every_case_counts_as_expected() {
    for (name, case) in all() {
        check(&name, &case, 17, Broken::Never);
    }
}

#[test]
fn size_of_chunks_is_no_part_of_the_meaning() {
    for (name, case) in all() {
        for bits in [4, 5, 7] {
            check(&name, &case, bits, Broken::Never);
        }
    }
}

#[test]
fn case_broken_off_after_each_record_counts_as_expected() {
    for (name, case) in all() {
        // Reading a megabyte again for each of a hundred starts shows nothing more.
        if case.records.len() < 200 {
            check(&name, &case, 17, Broken::AfterFlush);
            check(&name, &case, 4, Broken::AfterFlush);
        }
    }
}

#[test]
fn case_whose_ledger_rows_were_lost_counts_as_expected() {
    for (name, case) in all() {
        if case.records.len() < 200 {
            check(&name, &case, 17, Broken::BeforeLedger);
            check(&name, &case, 4, Broken::BeforeLedger);
        }
    }
}
