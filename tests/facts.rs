//! What a counted record says, as `events` tells it: every field of the contract's section 1, present and absent.
//!
//! Invariant: expected rows are written by hand; each field has a value that no other has.

use serde_json::{Value, json};

use crate::support::{
    engine::Engine,
    kafka,
    records::{self, Stored},
    stage::{SOON, Stage},
    yinliu::Yinliu,
};

/// 2026-06-01 23:59:59.123 in Shanghai.
const AT_MS: i64 = 1_780_329_599_123;

const COLUMNS: &str = "schema, event_id, toString(type) AS type, toString(corp_id) AS corp_id, staff_id, customer_id, \
    toString(store_id) AS store_id, toString(region_id) AS region_id, toString(channel) AS channel, \
    toString(channel_given) AS channel_given, state, add_way, toString(campaign_id) AS campaign_id, \
    toString(direction) AS direction, count, auto, order_id, amount_fen, toString(currency) AS currency, task_id, task_name, \
    audience, extra, toString(business_date) AS business_date, toUnixTimestamp64Milli(occurred_at) AS occurred_at, \
    toUnixTimestamp64Milli(recorded_at) AS recorded_at";

/// A row without any optional field.
fn bare(id: &str, kind: &str) -> Value {
    json!({
        "schema": 1, "event_id": id, "type": kind, "corp_id": "c", "staff_id": "s", "customer_id": "", "store_id": "",
        "region_id": "", "channel": "unattributed", "channel_given": null, "state": "", "add_way": null, "campaign_id": "",
        "direction": "", "count": 1, "auto": false, "order_id": "", "amount_fen": null, "currency": "", "task_id": "",
        "task_name": "", "audience": null, "extra": {}, "business_date": "2026-06-01", "occurred_at": AT_MS,
        "recorded_at": AT_MS + 1_000,
    })
}

fn with(mut object: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more} is no object") };
    object.as_object_mut().unwrap().extend(more);
    object
}

/// Events and the rows that they become.
fn told() -> Vec<(Value, Value)> {
    let event = |id: &str, kind: &str, more: Value| {
        let base = json!({ "event_id": id, "type": kind, "corp_id": "c", "occurred_at": AT_MS, "staff_id": "s" });
        with(base, more)
    };
    let common = json!({
        "customer_id": "u", "store_id": "t", "region_id": "r", "channel": "app", "state": "q", "add_way": -7,
        "campaign_id": "k",
    });
    let row = |id: &str, kind: &str, more: Value| {
        let given = json!({ "channel_given": "app" });
        with(with(with(bare(id, kind), common.clone()), given), more)
    };
    let foreign = json!({ "amount_fen": 5, "auto": "x", "note": { "deep": [1, "一"] } });
    let full = |id: &str, kind: &str, more: Value| event(id, kind, with(common.clone(), more));
    vec![
        (event("e1", "order.paid", json!({ "order_id": "o1", "amount_fen": 0 })), {
            with(bare("e1", "order.paid"), json!({ "order_id": "o1", "amount_fen": 0, "currency": "CNY" }))
        }),
        (
            full(
                "e2",
                "order.refunded",
                json!({ "order_id": "o2", "amount_fen": 1_000_000_000_000_u64, "currency": "CNY" }),
            ),
            row(
                "e2",
                "order.refunded",
                json!({ "order_id": "o2", "amount_fen": 1_000_000_000_000_u64, "currency": "CNY" }),
            ),
        ),
        (full("e3", "friend.added", foreign.clone()), row("e3", "friend.added", json!({ "extra": foreign }))),
        (
            full("e4", "friend.requested", json!({ "direction": "out" })),
            row("e4", "friend.requested", json!({ "direction": "out" })),
        ),
        (
            full("e5", "message.outbound", json!({ "count": 12, "auto": true })),
            row("e5", "message.outbound", json!({ "count": 12, "auto": true })),
        ),
        (
            full("e6", "broadcast.sent", json!({ "task_id": "b", "task_name": "早安", "audience": 340 })),
            row("e6", "broadcast.sent", json!({ "task_id": "b", "task_name": "早安", "audience": 340 })),
        ),
        (
            full("e7", "broadcast.sent", json!({ "task_id": "d", "audience": 0, "channel": "", "add_way": null })),
            row(
                "e7",
                "broadcast.sent",
                json!({
                    "task_id": "d", "audience": 0, "channel": "unattributed", "channel_given": null, "add_way": null,
                }),
            ),
        ),
        (event("e8", "friend.deleted_by_staff", json!({ "customer_id": "u" })), {
            with(bare("e8", "friend.deleted_by_staff"), json!({ "customer_id": "u" }))
        }),
    ]
}

/// A line of the answer; `extra` is an object in a text.
fn row(line: &str) -> Value {
    let mut row: Value = serde_json::from_str(line).unwrap();
    row["extra"] = serde_json::from_str(row["extra"].as_str().unwrap()).unwrap();
    row
}

#[tokio::test]
async fn every_field_of_a_record_stands_in_its_column_and_what_is_absent_is_null_or_empty() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "facts");
    stage.build(1).await;
    let _yinliu = Yinliu::start(&stage.config());
    let told = told();
    let record = |(event, _): &(Value, Value)| Stored {
        topic: stage.topic("friend"),
        timestamp: AT_MS + 1_000,
        value: Some(event.to_string().into_bytes()),
        ..Stored::default()
    };
    records::send(&records::producer(stage.kafka), told.iter().map(record)).await;
    stage.until_in(SOON).await;
    let sql =
        format!("SELECT {COLUMNS} FROM events ORDER BY event_id SETTINGS output_format_json_quote_64bit_integers = 0");
    let mut answer = stage.client().query(&sql).fetch_bytes("JSONEachRow").unwrap();
    let text = String::from_utf8(answer.collect().await.unwrap().to_vec()).unwrap();
    let found: Vec<Value> = text.lines().map(row).collect();
    for ((event, expected), found) in told.iter().zip(&found) {
        assert_eq!(found, expected, "of {event}");
    }
    assert_eq!(found.len(), told.len());
}
