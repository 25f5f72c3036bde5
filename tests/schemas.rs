//! The published contract in `schemas/` and the code say the same, in both directions.
//!
//! Invariant: the folders are read, not lists of files, so a new schema or example is held to the same at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use jsonschema::{Keyword, ValidationError, Validator};
use serde_json::{Value as Json, json};
use yinliu::{
    corp::Corps,
    decode::decode,
    directory::{Kind, Publication, Reference},
    event::{Counter, Header, LATE_ADD_MS, Reason, Record, Refusal, Type},
    source::Topics,
};

/// The record timestamp of the examples of events, half a second after they happened.
const NOW: i64 = 1_741_572_000_500;

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn read(path: &Path) -> Json {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The JSON files of a folder by their names without `.json`; never none.
fn folder(path: &Path) -> BTreeMap<String, Json> {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let named = files.filter_map(|file| {
        let name = file.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
        Some((name, read(&file)))
    });
    let files: BTreeMap<_, _> = named.collect();
    assert!(!files.is_empty(), "{} holds no example", path.display());
    files
}

/// The keyword `x-max-bytes`: the limit of a text in bytes of UTF-8.
struct BytesMax(usize);

impl Keyword<'_> for BytesMax {
    fn validate(&self, instance: &Json) -> Result<(), ValidationError<'static>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("more bytes than `x-max-bytes`")) }
    }

    fn is_valid(&self, instance: &Json) -> bool {
        instance.as_str().is_none_or(|text| text.len() <= self.0)
    }
}

fn validator(path: &str) -> Validator {
    let schema = read(&schemas().join(path));
    assert!(jsonschema::meta::is_valid(&schema), "{path} is no JSON Schema");
    jsonschema::options()
        .with_keyword("x-max-bytes", |_, limit, _| {
            let limit = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
            Ok(Box::new(BytesMax(limit.expect("a number of bytes"))))
        })
        .build(&schema)
        .unwrap()
}

/// What is left of an event when its record is gone.
#[derive(Debug)]
struct Decoded {
    kind: Type,
    /// Every counter that it can add to, late or not, in a transfer channel or not.
    counters: BTreeSet<&'static str>,
}

/// Decodes a `record` as the cases and the examples write it.
fn decode_record(record: &Json) -> Result<Decoded, Refusal> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let pairs = record["headers"].as_array().map_or(&[][..], Vec::as_slice);
    let headers: Vec<_> = pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    let headers: Vec<_> = headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let size = record["pad_to"].as_u64().map_or(0, |bytes| usize::try_from(bytes).unwrap());
    let value = record["value"].as_str().map(|value| value.to_owned() + &" ".repeat(size.saturating_sub(value.len())));
    let record = Record {
        offset: 0,
        timestamp: record["timestamp"].as_i64(),
        key: None,
        value: value.as_deref().map(str::as_bytes),
        headers: &headers,
    };
    let corps = Corps::new(&HashMap::new()).unwrap();
    let event = decode(&record, &corps)?;
    let cases = [(0, false), (LATE_ADD_MS + 1, false), (0, true)];
    let counters = cases.into_iter().flat_map(|(lateness_ms, transfer)| event.counters(lateness_ms, transfer));
    Ok(Decoded { kind: event.kind, counters: counters.flatten().map(|(counter, _)| counter.name()).collect() })
}

#[test]
fn each_example_of_an_event_is_valid_and_decodes_to_its_type_and_counters() {
    let schema = read(&schemas().join("events/event.schema.json"));
    let validator = validator("events/event.schema.json");
    let mut counted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, example) in folder(&schemas().join("examples/events")) {
        let errors: Vec<_> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let decoded = decode_record(&json!({ "timestamp": NOW, "value": example.to_string() }));
        let decoded = decoded.unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert!(name.starts_with(decoded.kind.name()), "{name} is named after another type");
        counted.entry(decoded.kind.name()).or_default().extend(decoded.counters);
    }
    for kind in Type::ALL {
        let stated: BTreeSet<_> = texts(&schema["$defs"][kind.name()]["x-counters"]).collect();
        assert_eq!(counted.get(kind.name()), Some(&stated), "{}", kind.name());
    }
}

#[test]
fn each_envelope_of_the_examples_is_opened() {
    for (name, example) in folder(&schemas().join("examples/envelopes")) {
        let decoded = decode_record(&example["record"]).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_eq!(decoded.kind, Type::FriendAdded, "{name}");
    }
}

#[test]
fn each_refused_example_is_refused_with_its_reason_and_what_a_schema_can_see_is_invalid() {
    let validator = validator("events/event.schema.json");
    let examples = folder(&schemas().join("examples/refused"));
    for (name, example) in &examples {
        let refusal = decode_record(&example["record"]).expect_err(name);
        assert_eq!(Some(refusal.reason.name()), example["reason"].as_str(), "{name}: {}", refusal.detail);
        assert!(name.starts_with(refusal.reason.name()), "{name} is named after another reason");
        let value = example["record"]["value"].as_str().and_then(|text| serde_json::from_str(text).ok());
        let seen = match value {
            None => "no_json",
            Some(Json::Object(value)) if validator.is_valid(&Json::Object(value.clone())) => "unseen",
            Some(Json::Object(_)) => "invalid",
            Some(_) => "unseen",
        };
        assert_eq!(Some(seen), example["schema"].as_str(), "{name}");
    }
    for reason in Reason::ALL {
        assert!(examples.values().any(|example| example["reason"] == reason.name()), "no example is {}", reason.name());
    }
}

#[test]
fn the_schema_agrees_with_the_code_on_every_plain_record_of_the_cases() {
    let validator = validator("events/event.schema.json");
    let (mut decoded, mut invalid) = (0, 0);
    for (name, case) in folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")) {
        for record in case["records"].as_array().unwrap() {
            let Some(value) = plain(&case, record) else { continue };
            let result = decode_record(record);
            let place = format!("{name} offset {}: {result:?}", record["offset"]);
            match result.map_err(|refusal| refusal.reason) {
                Ok(_) => {
                    decoded += 1;
                    assert!(validator.is_valid(&value), "{place}, but the schema refuses it");
                }
                Err(Reason::UnsupportedSchema | Reason::UnknownType | Reason::MissingField | Reason::InvalidField) => {
                    invalid += 1;
                    assert!(!validator.is_valid(&value) || beyond_a_schema(&value), "{place}, but the schema takes it");
                }
                // Of these a schema knows nothing: they are of the bytes, or of the record's timestamp.
                Err(
                    Reason::TooLarge
                    | Reason::UnsupportedEncoding
                    | Reason::Malformed
                    | Reason::InFuture
                    | Reason::TooOld,
                ) => {}
            }
        }
    }
    assert!(decoded > 300 && invalid > 150, "only {decoded} decoded and {invalid} invalid records");
}

/// The object of a record without envelope, of a case without configuration.
fn plain(case: &Json, record: &Json) -> Option<Json> {
    let bare = record["headers"].is_null() && record["pad_to"].is_null() && case["config"]["corp"].is_null();
    let text = record["value"].as_str().filter(|_| bare)?;
    // A lone surrogate or a number beyond any range, in a field that nobody knows, is no value of this parser.
    let value: Json = serde_json::from_str(text).ok()?;
    (value.is_object() && value["specversion"].is_null()).then_some(value)
}

/// What is invalid though no schema can say so: an integer with a fraction, a day that its month does not have, a currency
/// other than the corp's own.
fn beyond_a_schema(value: &Json) -> bool {
    let fields = value.as_object().unwrap();
    let fraction = fields.values().any(|value| value.as_f64().is_some() && !value.is_i64() && !value.is_u64());
    let no_such_day = value["occurred_at"].as_str().is_some_and(|text| text.starts_with("2025-02-29"));
    fraction || no_such_day || value["currency"].as_str().is_some_and(|currency| currency != "CNY")
}

#[test]
fn types_counters_and_reasons_are_the_same_in_code_and_schemas() {
    let event = read(&schemas().join("events/event.schema.json"));
    let kinds: Vec<_> = texts(&event["properties"]["type"]["enum"]).collect();
    assert_eq!(kinds, Type::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>());
    let branches: Vec<_> =
        event["allOf"].as_array().unwrap().iter().map(|branch| branch["then"]["$ref"].clone()).collect();
    assert_eq!(branches, kinds.iter().map(|kind| json!(format!("#/$defs/{kind}"))).collect::<Vec<_>>());

    let counters: BTreeSet<_> = kinds.iter().flat_map(|kind| texts(&event["$defs"][kind]["x-counters"])).collect();
    assert_eq!(counters, Counter::ALL.iter().map(|counter| counter.name()).collect());

    let letter = read(&schemas().join("dead-letters/dead-letter-headers.schema.json"));
    let reasons = letter["properties"]["reason"]["oneOf"].as_array().unwrap();
    let reasons: Vec<_> = reasons.iter().map(|reason| reason["const"].as_str().unwrap()).collect();
    assert_eq!(reasons, Reason::ALL.iter().map(|reason| reason.name()).collect::<Vec<_>>());
}

fn texts(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().expect("a list of texts").iter().map(|text| text.as_str().expect("a text"))
}

#[test]
fn each_example_of_a_dead_letter_is_valid() {
    let validator = validator("dead-letters/dead-letter-headers.schema.json");
    for (name, example) in folder(&schemas().join("examples/dead-letters")) {
        assert!(validator.is_valid(&example), "{name}");
    }
    assert!(!validator.is_valid(&json!({ "reason": "bad_mood" })));
}

#[test]
fn each_example_of_a_reference_row_is_valid_and_read_and_a_required_field_is_required_by_both() {
    let examples = folder(&schemas().join("examples/reference"));
    let mut checked = 0;
    for (kind, topic) in
        [(Kind::Org, "org"), (Kind::Channel, "channel"), (Kind::Target, "target"), (Kind::Contest, "contest")]
    {
        let file = format!("reference/{topic}.schema.json");
        let (schema, validator) = (read(&schemas().join(&file)), validator(&file));
        let of_topic: Vec<_> = examples.iter().filter(|(name, _)| name.split('.').next() == Some(topic)).collect();
        assert!(!of_topic.is_empty(), "no example of {topic}");
        for (name, example) in of_topic {
            assert!(validator.is_valid(example) && reads(kind, example).is_ok(), "{name}: {:?}", reads(kind, example));
            checked += 1;
            for field in schema["properties"].as_object().unwrap().keys() {
                let mut without = example.clone();
                without.as_object_mut().unwrap().remove(field);
                assert_eq!(validator.is_valid(&without), reads(kind, &without).is_ok(), "{name} without {field}");
            }
        }
    }
    assert_eq!(checked, examples.len(), "an example is named after no topic");
}

fn reads(kind: Kind, row: &Json) -> Result<Reference, String> {
    Reference::read(kind, None, Some(row.to_string().as_bytes()), Publication::default())
}

#[test]
fn the_async_api_names_every_topic_and_refers_to_every_schema() {
    let text = fs::read_to_string(schemas().join("asyncapi.yaml")).unwrap();
    let addresses: BTreeSet<_> = text.lines().filter_map(|line| line.trim().strip_prefix("address: ")).collect();
    let Topics { input, dead_letter, org, channel, target, contest } = Topics::default();
    let topics: Vec<_> = input.into_iter().chain([dead_letter, org, channel, target, contest]).collect();
    assert_eq!(addresses, topics.iter().map(String::as_str).collect());

    let referred: BTreeSet<_> = text.split("$ref: './").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
    let mut files = BTreeSet::new();
    for folder in ["events", "dead-letters", "reference"] {
        for entry in fs::read_dir(schemas().join(folder)).unwrap() {
            files.insert(format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
        }
    }
    assert_eq!(referred, files.iter().map(String::as_str).collect());
}

#[test]
fn every_channel_has_a_known_group_and_every_add_way_a_known_channel() {
    let table = read(&schemas().join("channels.json"));
    let keys = |of: &str| -> BTreeSet<String> {
        let rows = table[of].as_array().unwrap();
        let keys: BTreeSet<_> = rows.iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect();
        assert_eq!(keys.len(), rows.len(), "a key of {of} stands twice");
        assert!(rows.iter().all(|row| ["zh", "en"].iter().all(|label| row[label].as_str() > Some(""))), "{of}");
        keys
    };
    let (groups, channels) = (keys("groups"), keys("channels"));
    let used: BTreeSet<_> = texts_of(&table["channels"], "group");
    assert_eq!(used, groups);
    assert!(texts_of(&table["add_way"], "channel").is_subset(&channels));
    let codes: Vec<_> =
        table["add_way"].as_array().unwrap().iter().flat_map(|way| way["codes"].as_array().unwrap()).collect();
    let unique: BTreeSet<_> = codes.iter().map(|code| code.as_i64().unwrap()).collect();
    assert_eq!(codes.len(), unique.len(), "a code of add_way stands twice");
}

fn texts_of(rows: &Json, field: &str) -> BTreeSet<String> {
    rows.as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
}
