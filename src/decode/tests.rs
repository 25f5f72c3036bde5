//! The promises of decoding: every record of the cases, and that nothing at all makes it panic.
//!
//! Invariant: what is expected stands in the cases or beside the input, never computed by the code under test.

use std::{collections::HashMap, fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::{decode, instant};
use crate::{
    corp::{self, Corps},
    event::{Header, Reason, Record, Refusal},
};

const NOW: i64 = 1_741_572_000_500;
const EVENT: &str = r#"{"schema":1,"event_id":"e1","type":"friend.added","corp_id":"wwcorp","occurred_at":1741572000000,"staff_id":"s1","customer_id":"wmK1","channel":"app"}"#;

fn corps(configs: &HashMap<String, corp::Config>) -> Corps {
    Corps::new(configs).expect("the cases name real time zones")
}

fn record<'a>(value: &'a [u8], headers: &'a [Header<'a>]) -> Record<'a> {
    Record { offset: 0, timestamp: Some(NOW), key: None, value: Some(value), headers }
}

#[test]
fn every_record_of_the_cases_is_decoded_or_refused_as_the_case_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut records = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let case: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            records += run_case(&path.file_stem().unwrap().to_string_lossy(), &case);
        }
    }
    assert!(records > 500, "only {records} records in the cases");
}

/// Decodes every record of one case and returns their number.
fn run_case(name: &str, case: &Json) -> usize {
    let configs = case["config"].get("corp").cloned().unwrap_or_else(|| serde_json::json!({}));
    let corps = corps(&serde_json::from_value(configs).unwrap());
    let records = case["records"].as_array().unwrap();
    for given in records {
        let place = |of: &Json| (of["topic"].clone(), of["partition"].clone(), of["offset"].clone());
        let rejected = case["expect"]["rejected"].as_array().unwrap();
        let expected = rejected.iter().find(|refused| place(refused) == place(given));
        let result = decode_given(given, &corps);
        let reason = result.as_ref().err().map(|refusal| refusal.reason.name());
        let place = format!("{name} offset {}: {result:?}", given["offset"]);
        assert_eq!(reason, expected.map(|refused| refused["reason"].as_str().unwrap()), "{place}");
        if let Err(refusal) = &result {
            assert!(!refusal.detail.contains("wmK"), "{place} quotes a customer id");
            check_word(expected.and_then(|refused| refused["detail_word"].as_str()), refusal);
        }
    }
    records.len()
}

fn check_word(expected: Option<&str>, refusal: &Refusal) {
    let words: Vec<_> = refusal.detail.split(|letter: char| !letter.is_alphabetic()).collect();
    for unit in ["seconds", "microseconds", "nanoseconds"] {
        if let Some(expected) = expected {
            assert_eq!(words.contains(&unit), unit == expected, "{}", refusal.detail);
        }
    }
}

/// What the record of a case decodes to, without what borrows from it.
fn decode_given(given: &Json, corps: &Corps) -> Result<String, Refusal> {
    let value = match (&given["value"], &given["value_base64"]) {
        (Json::String(text), _) => Some(text.clone().into_bytes()),
        (_, Json::String(text)) => Some(STANDARD.decode(text).unwrap()),
        _ => None,
    };
    let size = given["pad_to"].as_u64().map_or(0, |bytes| usize::try_from(bytes).unwrap());
    let value = value.map(|mut value| {
        value.resize(value.len().max(size), b' ');
        value
    });
    let text = |header: &Json, at: usize| header[at].as_str().unwrap().to_owned();
    let headers: Vec<_> = given["headers"]
        .as_array()
        .map_or_else(Vec::new, |headers| headers.iter().map(|header| (text(header, 0), text(header, 1))).collect());
    let headers: Vec<_> = headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let record = Record {
        offset: given["offset"].as_u64().unwrap(),
        timestamp: given["timestamp"].as_i64(),
        key: None,
        value: value.as_deref(),
        headers: &headers,
    };
    decode(&record, corps).map(|event| event.event_id.into_owned())
}

fn check_refused(value: &str, reason: Reason) {
    let refusal = decode(&record(value.as_bytes(), &[]), &corps(&HashMap::new())).unwrap_err();
    assert_eq!(refusal.reason, reason, "{value}: {}", refusal.detail);
}

fn check_extra(more: &str, extra: &str) {
    let value = EVENT.replace('}', &format!("{more}}}"));
    let corps = corps(&HashMap::new());
    let event = decode(&record(value.as_bytes(), &[]), &corps).unwrap();
    assert_eq!(event.extra, extra, "{more}");
}

#[test]
fn unknown_and_foreign_fields_are_kept_as_they_came() {
    check_extra("", "{}");
    check_extra(r#","x": 1e999 ,"y":{"a":[ "\ud83d" ]}"#, r#"{"x":1e999,"y":{"a":[ "\ud83d" ]}}"#);
    check_extra(r#","count":0,"x":null,"direction":null"#, r#"{"x":null,"count":0}"#);
    check_extra(r#","\ud83d":1,"audience":"a\u0062""#, r#"{"\ud83d":1,"audience":"a\u0062"}"#);
}

#[test]
fn of_a_repeated_unknown_name_the_last_is_kept() {
    check_extra(r#","x":1,"y":2,"x":3"#, r#"{"y":2,"x":3}"#);
    check_extra(r#","x":1,"\u0078":2,"z":3,"x":4"#, r#"{"z":3,"x":4}"#);
    check_extra(r#","\ud83d":1,"\ud83d":2"#, r#"{"\ud83d":2}"#);
}

#[test]
fn a_record_full_of_repeated_names_is_decoded_in_time() {
    // Comparing each with each would take minutes.
    let more = r#","x":0"#.repeat(150_000);
    check_extra(&more, r#"{"x":0}"#);
}

#[test]
fn fields_that_the_type_uses_are_not_kept_twice() {
    let value =
        EVENT.replace("friend.added", "message.outbound").replace('}', r#","count":3,"auto":true,"order_id":1}"#);
    let corps = corps(&HashMap::new());
    let event = decode(&record(value.as_bytes(), &[]), &corps).unwrap();
    assert_eq!((event.count, event.auto, &*event.extra), (3, true, r#"{"order_id":1}"#));
}

#[test]
fn deep_nesting_neither_overflows_nor_is_refused() {
    let deep = format!(r#","x":{}{}"#, "[".repeat(400_000), "]".repeat(400_000));
    check_extra(&deep, &format!("{{{}}}", &deep[1..]));
}

#[test]
fn a_record_without_a_timestamp_is_an_invalid_field() {
    let record = Record { timestamp: None, ..record(EVENT.as_bytes(), &[]) };
    assert_eq!(decode(&record, &corps(&HashMap::new())).unwrap_err().reason, Reason::InvalidField);
}

#[test]
fn lone_surrogates_are_found_at_any_depth_of_a_field() {
    check_refused(&EVENT.replace("\"s1\"", r#"["\ud83d"]"#), Reason::Malformed);
    check_refused(&EVENT.replace("\"s1\"", r#""\uD83D\u0041""#), Reason::Malformed);
    check_refused(&EVENT.replace("\"s1\"", r#""\ud83d\\ude00""#), Reason::Malformed);
    check_refused(&EVENT.replace("\"s1\"", r#"["\ud83d\ude00"]"#), Reason::InvalidField);
}

#[test]
fn a_cloud_event_whose_data_is_no_object_is_malformed() {
    check_refused(r#"{"specversion":"1.0","id":"1","data":"x"}"#, Reason::Malformed);
    check_refused(r#"{"specversion":"1.0","id":"1","data_base64":"x","type":1,"type":2}"#, Reason::UnsupportedEncoding);
    check_refused(r#"{"specversion":"1.0","id":"1","type":"x","type":"x","data":{}}"#, Reason::Malformed);
}

#[test]
fn the_first_header_of_a_name_counts_in_any_case_of_letters() {
    let corps = corps(&HashMap::new());
    let headers = [Header { name: "CE_ID", value: b"first" }, Header { name: "ce_id", value: b"second" }];
    let value = EVENT.replace(r#""event_id":"e1","#, "");
    assert_eq!(decode(&record(value.as_bytes(), &headers), &corps).unwrap().event_id, "first");
    let headers = [Header { name: "Content-Type", value: b"APPLICATION/CloudEvents+JSON" }];
    assert_eq!(decode(&record(value.as_bytes(), &headers), &corps).unwrap_err().reason, Reason::Malformed);
}

#[test]
fn the_detail_of_an_unknown_type_quotes_it_only_where_it_has_the_form_of_one() {
    let detail = |name: &str| {
        let value = EVENT.replace("friend.added", name);
        decode(&record(value.as_bytes(), &[]), &corps(&HashMap::new())).unwrap_err().detail
    };
    assert!(detail("friend.Added").contains("friend.Added"));
    assert!(!detail("wmKsomebody").contains("wmK"));
}

#[test]
fn an_instant_of_a_reference_row_is_read_as_occurred_at_is() {
    for (raw, expected) in [
        ("1741572000000", Some(1_741_572_000_000)),
        (r#""2025-03-10T02:00:00Z""#, Some(1_741_572_000_000)),
        (r#""2025-03-10T02:00:00\u005a""#, Some(1_741_572_000_000)),
        (r#""1741572000000""#, None),
        ("1e3", None),
        ("null", None),
        ("", None),
    ] {
        assert_eq!(instant(raw), expected, "{raw}");
    }
}

/// Pieces from which events of every kind of brokenness are put together.
fn piece() -> impl Strategy<Value = String> {
    let names = prop::sample::select(super::Field::ALL);
    let value = prop::sample::select(vec![
        "null",
        "\"\"",
        "1",
        "-0",
        "1e5",
        "true",
        "\"in\"",
        "\"\\ud83d\"",
        "\"\\ud83d\\ude00\"",
        "\"order.paid\"",
        "\"friend.added\"",
        "\"message.outbound\"",
        "\"2025-03-10T02:00:00Z\"",
        "1741572000000",
        "9223372036854775807",
        "\"\\u0000\"",
        "{}",
        "[[]]",
        "\"wmK\u{5e97}\"",
        "\"CNY\"",
        "{\"event_id\":\"e\"}",
        "\"\\",
    ]);
    (names, value).prop_map(|(name, value)| format!("\"{}\":{value}", name.name()))
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&record(&bytes, &[]), &corps(&HashMap::new()));
    }

    #[test]
    fn no_mutated_event_panics(at in 0..EVENT.len(), with in any::<u8>(), cut in 0..EVENT.len(), escape in any::<bool>()) {
        let mut bytes = EVENT.as_bytes().to_vec();
        bytes[at] = if escape { b'\\' } else { with };
        bytes.truncate(cut.max(at + 1));
        let _ = decode(&record(&bytes, &[]), &corps(&HashMap::new()));
    }

    #[test]
    fn no_mix_of_fields_panics_or_quotes_a_customer(
        pieces in prop::collection::vec(piece(), 0..30),
        timestamp in any::<Option<i64>>(),
        header in ".{0,8}",
    ) {
        let body = format!("{{{}}}", pieces.join(","));
        let headers = [Header { name: "ce_time", value: header.as_bytes() }];
        let wrapped = format!("{{\"specversion\":\"1.0\",\"id\":5,\"data\":{body}}}");
        for value in [body, wrapped] {
            let record = Record { timestamp, ..record(value.as_bytes(), &headers) };
            if let Err(refusal) = decode(&record, &corps(&HashMap::new())) {
                prop_assert!(!refusal.detail.contains("wmK"), "{}", refusal.detail);
            }
        }
    }
}
