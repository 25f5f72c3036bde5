//! Promises of the stream, checked on its bytes: a second reader knows the contract and nothing of the model.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use super::*;
use crate::{
    event::Counter,
    generate::{
        Settings,
        channel::{CHANNELS, Mix, Side},
        reference,
        rhythm::{DAY_MS, HOUR_MS},
    },
};

/// 2026-11-11 in Shanghai.
const MIDNIGHT_MS: i64 = 1_794_326_400_000;
const DAY: Span = Span { start_ms: MIDNIGHT_MS, end_ms: MIDNIGHT_MS + DAY_MS, midnight_ms: MIDNIGHT_MS };

fn model(seed: u64) -> Model {
    let brand = Brand::new(&Settings { seed, ..Settings::default() }).unwrap();
    Model::new(Arc::new(brand), MIDNIGHT_MS, MIDNIGHT_MS)
}

fn hash_of_a_day(seed: u64) -> u64 {
    let mut hash = Xxh3::new();
    for delivery in model(seed).day(DAY, 20_000) {
        hash.update(delivery.key.as_bytes());
        hash.update(&delivery.timestamp_ms.to_le_bytes());
        hash.update(&delivery.value);
    }
    hash.digest()
}

#[test]
fn one_seed_makes_the_same_bytes_and_another_others() {
    assert_eq!(hash_of_a_day(1), hash_of_a_day(1));
    assert_ne!(hash_of_a_day(1), hash_of_a_day(2));
}

#[test]
fn a_day_has_about_as_many_records_as_asked_for() {
    let check = |staff: u32, count: u64| {
        let brand = Brand::new(&Settings { staff, ..Settings::default() }).unwrap();
        let mut model = Model::new(Arc::new(brand), MIDNIGHT_MS, MIDNIGHT_MS);
        let records = u64::try_from(model.day(DAY, count).count()).unwrap();
        assert!(records.abs_diff(count) * 100 <= count * 3, "{records} of {count}");
        assert_eq!(model.tally().records(), records);
    };
    check(240, 50_000);
    check(240, 400_000);
    check(5_000, 200_000);
}

#[test]
fn values_have_the_size_of_real_ones() {
    let mut model = model(1);
    let records = u64::try_from(model.day(DAY, 30_000).count()).unwrap();
    let average = model.tally().bytes / records;
    assert!((300..=370).contains(&average), "{average}");
}

#[test]
fn timestamps_stay_in_the_span_and_never_run_backwards() {
    let mut latest = DAY.start_ms;
    for delivery in model(1).day(DAY, 30_000) {
        assert!(delivery.timestamp_ms >= latest && delivery.timestamp_ms < DAY.end_ms);
        latest = delivery.timestamp_ms;
    }
}

#[test]
fn a_busy_evening_is_busier_than_the_night_and_stores_sell_only_by_day() {
    let mut by_hour = [0u32; 24];
    for delivery in model(1).day(DAY, 50_000) {
        by_hour[usize::try_from((delivery.timestamp_ms - MIDNIGHT_MS) / HOUR_MS).unwrap()] += 1;
    }
    assert!(by_hour[19] > 5 * by_hour[3], "{by_hour:?}");
    assert!(by_hour[3] > 0);
}

/// What a reader who knows the contract makes of a value.
struct Read {
    id: String,
    kind: Type,
    staff: String,
    customer: String,
    channel: String,
    occurred_at: i64,
    body: Value,
}

/// The codes of the channel topic.
fn codes(model: &Model) -> HashMap<String, String> {
    let rows = reference::rows(&model.brand, Date::constant(2026, 11, 11), MIDNIGHT_MS).unwrap();
    let of_channel = rows.iter().filter(|row| row.topic == Topic::Channel);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let parsed = of_channel.map(|row| serde_json::from_slice::<Value>(&row.value).unwrap());
    parsed.map(|body| (text(&body["state"]), text(&body["channel"]))).collect()
}

/// The reason for a refusal is one of those that the model makes.
fn read(delivery: &Delivery, codes: &HashMap<String, String>) -> Result<Read, Reason> {
    let outer: Value = serde_json::from_slice(&delivery.value).map_err(|_| Reason::Malformed)?;
    let cloud = outer.get("specversion").is_some();
    let body = if cloud { outer["data"].clone() } else { outer.clone() };
    let attribute = |own: &str, of_envelope: &str| if cloud { &outer[of_envelope] } else { &outer[own] }.clone();
    let kind = attribute("type", "type").as_str().and_then(Type::from_name).ok_or(Reason::UnknownType)?;
    let staff = body.get("staff_id").map(|staff| staff.as_str().unwrap().to_owned());
    if staff.is_none() && topic(kind) != Topic::Touch {
        return Err(Reason::MissingField);
    }
    let customer = body.get("customer_id").cloned();
    if customer.is_none() && (kind.name().starts_with("friend.") || kind.name().starts_with("message.")) {
        return Err(Reason::MissingField);
    }
    let customer = customer.unwrap_or_default();
    if customer.is_number() {
        return Err(Reason::InvalidField);
    }
    let at = attribute("occurred_at", "time");
    let occurred_at =
        at.as_i64().unwrap_or_else(|| at.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond());
    if delivery.timestamp_ms - occurred_at > 35 * DAY_MS {
        return Err(Reason::TooOld);
    }
    assert!(occurred_at <= delivery.timestamp_ms, "told before it happened: {body}");
    assert_eq!(body["corp_id"], "ww-demo");
    Ok(Read {
        id: attribute("event_id", "id").as_str().unwrap().to_owned(),
        kind,
        staff: staff.unwrap_or_default(),
        customer: customer.as_str().unwrap_or_default().to_owned(),
        channel: channel_of(&body, codes),
        occurred_at,
        body,
    })
}

fn channel_of(body: &Value, codes: &HashMap<String, String>) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    if let Some(channel) = body.get("channel") {
        return text(channel);
    }
    if let Some(state) = body.get("state") {
        return codes.get(&text(state)).cloned().unwrap_or_else(|| "unattributed".to_owned());
    }
    let key = match body.get("add_way").and_then(Value::as_i64) {
        Some(2 | 9) => "search",
        Some(3) => "card_share",
        Some(4) => "group_chat",
        Some(5) => "phone_import",
        Some(6 | 7 | 13 | 24) => "wechat_contact",
        Some(10) => "channels_profile",
        Some(11 | 12) => "work_context",
        Some(16) => "acquisition_link",
        Some(201) => "shared",
        Some(202) => "assigned",
        _ => "unattributed",
    };
    key.to_owned()
}

fn counted(read: &Read, lateness_ms: i64) -> Vec<(Counter, u64)> {
    let count = read.body["count"].as_u64().unwrap_or(1);
    let amount = || read.body["amount_fen"].as_u64().unwrap();
    let out = read.body["direction"] == "out";
    match read.kind {
        Type::TouchExposed => vec![(Counter::Exposures, count)],
        Type::TouchScanned => vec![(Counter::Scans, count)],
        Type::FriendRequested if out => vec![(Counter::RequestsOut, 1)],
        Type::FriendRequested => {
            assert_eq!(read.body["direction"], "in");
            vec![(Counter::RequestsIn, 1)]
        }
        Type::FriendHalfAdded => vec![(Counter::HalfAdds, 1)],
        Type::FriendAdded if ["assigned", "shared"].contains(&read.channel.as_str()) => vec![(Counter::TransfersIn, 1)],
        Type::FriendAdded if lateness_ms > 120_000 => vec![(Counter::Adds, 1), (Counter::LateAdds, 1)],
        Type::FriendAdded => vec![(Counter::Adds, 1)],
        Type::FriendDeletedByCustomer => vec![(Counter::DeletesByCustomer, 1)],
        Type::FriendDeletedByStaff => vec![(Counter::DeletesByStaff, 1)],
        Type::FriendTransferredIn => vec![(Counter::TransfersIn, 1)],
        Type::FriendTransferredOut => vec![(Counter::TransfersOut, 1)],
        Type::MessageInbound => vec![(Counter::MessagesIn, count)],
        Type::MessageOutbound if read.body["auto"] == true => vec![(Counter::MessagesAuto, count)],
        Type::MessageOutbound => vec![(Counter::MessagesOut, count)],
        Type::OrderPaid => vec![(Counter::Orders, 1), (Counter::GmvFen, amount())],
        Type::OrderRefunded => vec![(Counter::Refunds, 1), (Counter::RefundFen, amount())],
        Type::BroadcastSent => vec![(Counter::Broadcasts, 1)],
    }
}

#[test]
fn the_books_are_what_a_reader_of_the_stream_counts() {
    let mut model = model(7);
    let deliveries: Vec<Delivery> = model.day(DAY, 60_000).collect();
    let codes = codes(&model);
    let mut counts: BTreeMap<(String, String, Date, Counter), u64> = BTreeMap::new();
    let mut refused = [0; Reason::ALL.len()];
    let mut by_type = [0; Type::ALL.len()];
    let mut repeated = 0;
    let mut seen: HashMap<(Topic, String), (usize, Vec<u8>, String)> = HashMap::new();
    for (number, delivery) in deliveries.iter().enumerate() {
        let read = match read(delivery, &codes) {
            Ok(read) => read,
            Err(reason) => {
                refused[reason.index()] += 1;
                continue;
            }
        };
        by_type[read.kind.index()] += 1;
        if let Some((first, value, key)) = seen.get(&(delivery.topic, read.id.clone())) {
            assert_eq!((value, key), (&delivery.value, &delivery.key), "a repeated delivery differs from its first");
            assert!(number - first <= usize::try_from(REPEAT_WITHIN).unwrap());
            repeated += 1;
            continue;
        }
        seen.insert((delivery.topic, read.id.clone()), (number, delivery.value.clone(), delivery.key.clone()));
        let date = jiff::Timestamp::from_millisecond(read.occurred_at).unwrap().in_tz("Asia/Shanghai").unwrap().date();
        for (counter, value) in counted(&read, delivery.timestamp_ms - read.occurred_at) {
            *counts.entry((read.staff.clone(), read.channel.clone(), date, counter)).or_default() += value;
        }
    }
    assert_eq!(refused, model.tally().refused);
    assert_eq!(by_type, model.tally().by_type);
    assert_eq!(repeated, model.tally().repeated);
    let rows = model.planned().rows();
    let planned: BTreeMap<_, _> = rows
        .iter()
        .map(|row| ((row.staff_id.to_owned(), row.channel.to_owned(), row.business_date, row.counter), row.value))
        .collect();
    assert_eq!(planned, counts);
    assert!(model.planned().complete());
    assert!(by_type.iter().all(|count| *count > 0), "a type never happens: {by_type:?}");
    assert!(counts.keys().any(|(_, _, date, _)| *date < Date::constant(2026, 11, 11)), "nothing is days late");
    assert!(repeated > 0 && refused.iter().filter(|count| **count > 0).count() == 5, "{repeated} {refused:?}");
}

#[test]
fn nobody_leaves_who_is_no_friend_and_nobody_comes_twice() {
    let mut model = model(3);
    let deliveries: Vec<Delivery> = model.day(DAY, 60_000).collect();
    let codes = codes(&model);
    let mut ids = HashSet::new();
    let mut episodes: HashMap<(String, String), Vec<(i64, Type)>> = HashMap::new();
    for read in deliveries.iter().filter_map(|delivery| read(delivery, &codes).ok()) {
        let ending_or_beginning = matches!(
            read.kind,
            Type::FriendAdded
                | Type::FriendTransferredIn
                | Type::FriendDeletedByCustomer
                | Type::FriendDeletedByStaff
                | Type::FriendTransferredOut
        );
        if ending_or_beginning && ids.insert(read.id) {
            episodes.entry((read.staff, read.customer)).or_default().push((read.occurred_at, read.kind));
        }
    }
    let (mut within_the_hour, mut came_back) = (0, 0);
    for ((staff, customer), mut events) in episodes {
        events.sort_by_key(|(at, _)| *at);
        let begins = |kind| matches!(kind, Type::FriendAdded | Type::FriendTransferredIn);
        for pair in events.windows(2) {
            assert_ne!(begins(pair[0].1), begins(pair[1].1), "{staff} and {customer}: {events:?}");
            assert!(pair[0].0 < pair[1].0, "{staff} and {customer}: {events:?}");
            within_the_hour += u32::from(begins(pair[0].1) && pair[1].0 - pair[0].0 < HOUR_MS);
            came_back += u32::from(begins(pair[1].1));
        }
    }
    assert!(within_the_hour > 20 && came_back > 10, "{within_the_hour} {came_back}");
}

#[test]
fn channels_have_their_shares_in_every_region() {
    let mut model = model(5);
    let deliveries: Vec<Delivery> = model.day(DAY, 400_000).collect();
    let codes = codes(&model);
    let brand = Arc::clone(&model.brand);
    let region: HashMap<&str, usize> =
        (0..brand.staff.len()).map(|at| (brand.staff[at].id.as_str(), brand.store_of(at).region)).collect();
    // Scans and requests of journeys: the first thing that is told of a customer's channel.
    let mut met = vec![vec![0u64; CHANNELS.len()]; brand.regions.len()];
    let mut unattributed = 0;
    for read in deliveries.iter().filter_map(|delivery| read(delivery, &codes).ok()) {
        if matches!(read.kind, Type::TouchScanned | Type::FriendRequested) && !read.customer.is_empty() {
            let index = CHANNELS.iter().position(|channel| channel.key == read.channel).unwrap();
            met[region[read.staff.as_str()]][index] += 1;
            unattributed += u64::from(read.channel == "unattributed");
        }
    }
    for (region, met) in met.iter().enumerate() {
        for side in [Side::Store, Side::Online] {
            let weights = Mix::weights(region, side);
            // Seven in ten scans are told, every request is.
            let told = |at: usize| {
                let scan = CHANNELS[at].opening == crate::generate::channel::Opening::Scan;
                u64::from(weights[at]) * if scan { 7 } else { 10 }
            };
            let expected: u64 = (0..CHANNELS.len()).map(told).sum();
            let all: u64 = (0..CHANNELS.len()).filter(|at| weights[*at] > 0).map(|at| met[at]).sum();
            for at in 0..CHANNELS.len() {
                if weights[at] == 0 {
                    continue;
                }
                let share = met[at] * 10_000 / all;
                let planned = told(at) * 10_000 / expected;
                assert!(share.abs_diff(planned) <= 150 + planned / 20, "{} {share} {planned}", CHANNELS[at].key);
            }
        }
    }
    let all: u64 = met.iter().flatten().sum();
    assert!((30..60).contains(&(unattributed * 1_000 / all)), "{unattributed} of {all}");
}

#[test]
fn a_live_stream_is_stamped_now_at_any_hour_and_tells_of_what_just_happened() {
    let mut model = model(1);
    let night = Span { end_ms: MIDNIGHT_MS + 3 * HOUR_MS, ..DAY };
    let story: Vec<Delivery> = model.day(night, 5_000).collect();
    assert!(story.iter().all(|delivery| delivery.timestamp_ms < night.end_ms));
    let codes = codes(&model);
    let mut fresh = 0;
    let mut adds = 0;
    for turn in 0..20_000 {
        let now_ms = night.end_ms + turn * 10;
        let delivery = model.now(now_ms);
        assert_eq!(delivery.timestamp_ms, now_ms);
        if let Ok(read) = read(&delivery, &codes) {
            fresh += u32::from(now_ms - read.occurred_at <= 3_000);
            adds += u32::from(read.kind == Type::FriendAdded);
        }
    }
    assert!(fresh > 19_500, "{fresh}");
    assert!(adds > 1_000, "{adds}");
}

#[test]
fn a_day_too_fast_for_milliseconds_still_ends() {
    let second = Span { end_ms: MIDNIGHT_MS + 1_000, ..DAY };
    let deliveries: Vec<Delivery> = model(1).day(second, 50_000).collect();
    // Most of what begins within one second is delivered within it; what follows comes later.
    assert!((15_000..50_000).contains(&deliveries.len()), "{}", deliveries.len());
    assert!(deliveries.iter().any(|delivery| delivery.timestamp_ms > MIDNIGHT_MS + 950));
}

#[test]
fn an_empty_span_has_no_deliveries() {
    let empty = Span { end_ms: MIDNIGHT_MS, ..DAY };
    assert_eq!(model(1).day(empty, 1_000).count(), 0);
}
