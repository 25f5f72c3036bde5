//! What must not leave the warehouse and the topics: who a customer is, what a record says, what opens a door.
//!
//! Invariant: every command runs as a program of its own, at its most talkative, over records and settings that carry
//! marks; whatever it says or answers is searched for them.

use std::ffi::OsString;

use clickhouse::Row;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{
    board::Board,
    engine::Engine,
    kafka,
    proxy::{Failure, Mode, Proxy},
    records::{self, Stored},
    stage::{SOON, Stage},
    yinliu::{Yinliu, command},
};

/// 2025-03-10 10:00 in Shanghai.
const AT_MS: i64 = 1_741_572_000_000;

/// What a customer is called, what stands in bodies, and what is secret; none stands anywhere else.
const CUSTOMER: &str = "kehu-q7x2";
const BODY: &str = "neirong-w4p9";
const SECRET: &str = "mima-z8k3";

/// Fails where a mark stands in what was said.
fn assert_unmarked(what: &str, said: &str) {
    for mark in [CUSTOMER, BODY, SECRET] {
        // A mark is also one where it is cut.
        let Some(at) = said.find(&mark[..mark.len() - 1]) else { continue };
        let from = said[..at].char_indices().rev().nth(300).map_or(0, |(from, _)| from);
        let to = said[at..].char_indices().nth(100).map_or(said.len(), |(to, _)| at + to);
        panic!("{what} says `{mark}`: …{}…", &said[from..to]);
    }
}

#[test]
#[should_panic(expected = "the leak says `kehu-q7x2`")]
fn leak_is_noticed() {
    assert_unmarked("the leak", &format!("{{\"message\":\"no customer {CUSTOMER}\"}}"));
}

/// Records of every fate, each full of marks.
fn marked() -> Vec<Stored> {
    let event = |id: u32, more: Value| {
        let mut event = json!({
            "event_id": format!("e{id}"), "type": "friend.added", "corp_id": "c", "occurred_at": AT_MS, "staff_id": "s",
            "customer_id": CUSTOMER, "note": BODY, "state": BODY, "channel": BODY, "campaign_id": BODY,
            "deeper": { CUSTOMER: [BODY] },
        });
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        event.to_string()
    };
    let long = format!("{CUSTOMER}{}", "x".repeat(200));
    let texts = [
        event(1, json!({})),
        event(1, json!({})),
        // A conflict.
        event(1, json!({ "state": format!("{BODY}-other") })),
        event(2, json!({ "customer_id": long })),
        event(3, json!({ "customer_id": { "id": CUSTOMER } })),
        event(4, json!({ "customer_id": [CUSTOMER] })),
        event(5, json!({ "occurred_at": CUSTOMER })),
        event(6, json!({ "staff_id": { "body": BODY } })),
        event(7, json!({ "type": format!("{BODY} {CUSTOMER}") })),
        event(8, json!({ "type": { "body": BODY } })),
        event(9, json!({ "schema": BODY })),
        event(10, json!({ "add_way": BODY })),
        event(11, json!({ "type": "order.paid", "order_id": BODY, "amount_fen": BODY })),
        event(12, json!({ "type": "order.paid", "order_id": BODY, "amount_fen": 1, "currency": BODY })),
        event(13, json!({ "type": "friend.requested", "direction": BODY })),
        event(14, json!({ "type": "message.outbound", "auto": CUSTOMER })),
        event(15, json!({ "occurred_at": AT_MS + 86_400_000 })),
        event(16, json!({ "store_id": BODY.repeat(10) })),
        event(17, json!({})).replacen('{', &format!("{{\"customer_id\":\"{CUSTOMER}\","), 1),
        event(18, json!({})).replace(BODY, &format!("{BODY}\\ud800")),
        event(19, json!({})) + &event(20, json!({})),
        event(21, json!({}))[..100].to_owned(),
        format!("\"{CUSTOMER} {BODY}\""),
        format!("[\"{CUSTOMER}\", \"{BODY}\"]"),
        format!("{CUSTOMER} {BODY}"),
        format!("{{\"{CUSTOMER}\": {BODY}}}"),
        json!({ "specversion": "1.0", "id": "x", "type": "friend.added", "time": CUSTOMER, "data": BODY }).to_string(),
        json!({ "specversion": BODY, "data_base64": CUSTOMER }).to_string(),
    ];
    let key = |number: usize| Some(format!("{BODY}-{number}").into_bytes());
    let headers = vec![("trace".to_owned(), BODY.as_bytes().to_vec()), ("ce_time".to_owned(), CUSTOMER.into())];
    let record = |(number, text): (usize, String)| Stored {
        timestamp: AT_MS + 500,
        key: key(number),
        value: Some(text.into_bytes()),
        headers: if number % 5 == 0 { headers.clone() } else { Vec::new() },
        ..Stored::default()
    };
    texts.into_iter().enumerate().map(record).collect()
}

/// Rows of reference topics that are broken, each with what a person wrote into it.
fn broken_rows(stage: &Stage<'_>) -> Vec<Stored> {
    let values = [
        json!({ "corp_id": "c", "staff_id": "s", "staff_name": { "name": BODY }, "active": true }).to_string(),
        json!({ "corp_id": "c", "staff_id": "s", "staff_name": "n", "active": BODY }).to_string(),
        json!({ "corp_id": "c", "staff_id": "s", "staff_name": "n", "active": true, "valid_from": BODY }).to_string(),
        format!("\"{BODY}\""),
        BODY.to_owned(),
    ];
    let row = |value: String| Stored {
        topic: stage.topic("org"),
        timestamp: AT_MS - 3_600_000,
        key: Some(b"c/s".to_vec()),
        value: Some(value.into_bytes()),
        ..Stored::default()
    };
    values.into_iter().map(row).collect()
}

#[derive(Row, Deserialize)]
struct Letter {
    src_offset: u64,
    reason: String,
    detail: String,
}

/// The program as it is, and then `--log trace`.
fn talkative() -> Vec<OsString> {
    ["sh", "-c", r#"exec "$@" --log trace"#, "sh"].map(Into::into).into()
}

fn config(stage: &Stage<'_>, url: &str) -> Value {
    let mut config = stage.config();
    config["clickhouse"]["url"] = url.into();
    config["clickhouse"]["password"] = SECRET.into();
    config["kafka"]["options"]["sasl.password"] = SECRET.into();
    config["kafka"]["options"]["ssl.key.password"] = SECRET.into();
    config["kafka"]["options"]["debug"] = "all".into();
    config
}

const DAYS: [&str; 4] = ["--from", "2025-03-10", "--to", "2025-03-10"];

#[tokio::test]
async fn no_line_metric_answer_or_detail_holds_a_customer_a_body_or_a_secret() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "secrets");
    stage.build(1).await;
    let proxy = Proxy::start(&engine.url(), 1);
    let producer = records::producer(stage.kafka);
    records::send(&producer, broken_rows(&stage)).await;
    let mut yinliu = Yinliu::start_under(&config(&stage, &proxy.url()), talkative());
    let sent = marked();
    let count = sent.len();
    records::send(&producer, sent.into_iter().map(|record| Stored { topic: stage.topic("friend"), ..record })).await;
    stage.until_in(SOON).await;
    // What an outage makes it say, with marked records in hand.
    for (statement, failure) in [("", SHUT), ("INSERT", QUOTING)] {
        proxy.set(Mode::Fail(statement, failure));
        records::send(&producer, [Stored { topic: stage.topic("friend"), ..marked().swap_remove(0) }]).await;
        yinliu.until_ready_is(503, "ClickHouse", SOON).await;
        for page in ["/metrics", "/readyz", "/livez"] {
            let (_, answer) = yinliu.get(page).unwrap();
            assert_unmarked(page, &answer);
        }
        proxy.set(Mode::Pass);
        yinliu.until_ready_is(200, "ok", SOON).await;
    }
    stage.until_in(SOON).await;
    assert!((yinliu.metric("events_conflicting_total").unwrap() - 1.0).abs() < 0.5);
    let asked = stage.client().query("SELECT src_offset, reason, detail FROM dead_letters");
    let letters = asked.fetch_all::<Letter>().await.unwrap();
    assert!(letters.len() > count / 2, "{} letters", letters.len());
    for Letter { src_offset, reason, detail } in letters {
        assert_unmarked(&format!("the detail of {reason} at {src_offset}"), &detail);
    }
    for (what, words) in commands() {
        let (_, said) = yinliu.command(&[&words[..], &["--log", "trace"]].concat());
        assert!(!said.is_empty(), "{what} says something");
        assert_unmarked(what, &said);
    }
    no_answer_or_line_of_a_board_holds_a_mark(&stage);
    yinliu.stop();
    let log = yinliu.whole_log();
    assert!(log.contains("TRACE") && log.len() > 10_000, "it says what it does: {} bytes", log.len());
    assert_unmarked("the log", &log);
}

/// Asked for pages, for data, and for what is not there.
fn no_answer_or_line_of_a_board_holds_a_mark(stage: &Stage<'_>) {
    let mut config = config(stage, &stage.clickhouse().url);
    config["board"] = json!({ "access": { "keys": { "k1": SECRET.repeat(4) } } });
    let board = Board::start_with(&config, &["--log", "trace"]);
    let link = board.link(&["--scope", "corp", "--role", "owner", "--corp", "c"]);
    let token = link.split_once("token=").expect("a link with a token").1;
    let cookie = format!("Cookie: yinliu_board={token}\r\n");
    let pages = ["/", "/me", "/wall", "/?view=rank", "/?view=channels", "/?day=2025-03-10", "/?scope=staff:s", "/none"];
    let data = ["summary", "leaderboard", "channels", "losses", "attention", "me/adds?scope=staff:s", "summary?day=x"];
    let paths = pages.map(str::to_owned).into_iter().chain(data.map(|path| format!("/api/v1/{path}")));
    for path in paths {
        let (status, answer) = board.get(&path, &cookie).unwrap();
        assert!((200..500).contains(&status), "{path}: {answer}");
        assert_unmarked(&path, &answer);
        let (status, answer) = board.get(&path, "").unwrap();
        assert!([401, 404].contains(&status), "{path}: {answer}");
        assert_unmarked(&path, &answer);
    }
    let (status, _) = board.get(&format!("/?token={token}"), "").unwrap();
    assert_eq!(status, 303, "the token goes into a cookie");
    let (_, metrics) = board.admin("/metrics").unwrap();
    assert_unmarked("/metrics of a board", &metrics);
    let said = board.log();
    assert!(said.contains("TRACE") && said.len() > 10_000, "{} bytes", said.len());
    assert_unmarked("the log of a board", &said);
    assert!(!said.contains(&token[..token.len() - 1]), "a token stands in the log of a board");
}

/// As a server in front of another one tells it.
const SHUT: Failure = Failure {
    status: 403,
    code: Some(209),
    text: "Code: 209. DB::NetException: Timeout exceeded while reading from socket. (SOCKET_TIMEOUT)",
};

/// As a server tells of rows that a constraint of somebody's own refuses.
const QUOTING: Failure = Failure {
    status: 500,
    code: Some(469),
    text: "Code: 469. DB::Exception: Constraint `c` for table yinliu.facts is violated at row 1. Column values: customer_id = \
           'kehu-q7x2', state = 'neirong-w4p9'. (VIOLATED_CONSTRAINT) (version 26.3.1.1 (official build))",
};

/// Where customers do stand, for whoever asked.
const EXPORTED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/secrets");

const KEY: &str = "board.access.keys.k1=mima-z8k3-mima-z8k3-mima-z8k3-mima-z8k3";

/// Every command that meets records or settings, but for `show`, which is for the eyes of a person.
fn commands() -> Vec<(&'static str, Vec<&'static str>)> {
    let range = |command: &'static str, more: &[&'static str]| [&[command], &DAYS[..], more].concat();
    vec![
        ("verify", range("verify", &["--deep"])),
        ("reconcile", range("reconcile", &["--directory"])),
        ("dead-letters list", vec!["dead-letters", "list"]),
        ("dead-letters replay", vec!["dead-letters", "replay"]),
        ("validate", vec!["validate"]),
        ("refresh", vec!["refresh"]),
        ("adopt", vec!["adopt", "--topic", "secrets.friend"]),
        ("forget", vec!["forget", "--corp", "c", "--customer", "kehu-q7x2"]),
        ("migrate", vec!["migrate"]),
        ("export", vec!["export", "events", "--of", "2025-03-10", "--format", "csv", "--to", EXPORTED]),
        ("top", vec!["top", "--count", "1"]),
        ("token", vec!["token", "--scope", "corp", "--role", "owner", "--corp", "c", "--set", KEY]),
        ("generate", vec!["generate", "--day", "2025-03-10", "--limit", "50"]),
    ]
}

#[tokio::test]
async fn command_that_fails_does_not_say_for_whom_or_with_what() {
    let engine = Engine::start();
    let url = engine.url();
    // Without a schema: ClickHouse answers with parts of the statement.
    let bare = ["--set", &format!("clickhouse.url={url}"), "--set", &format!("clickhouse.password={SECRET}")];
    let away = ["--set", "clickhouse.url=http://u:mima-z8k3@127.0.0.1:1", "--set", "kafka.brokers=127.0.0.1:1"];
    for settings in [&bare, &away] {
        for (what, words) in commands() {
            let (_, said) = command(&[&words[..], &settings[..], &["--log", "trace"]].concat());
            assert!(!said.is_empty(), "{what} says something");
            assert_unmarked(what, &said);
        }
    }
    let wrong = ["validate", "--no-environment", "--set", "clickhouse.pasword=mima-z8k3"];
    let (code, said) = command(&wrong);
    assert_eq!(code, Some(78), "{said}");
    assert_unmarked("a mistake in the configuration", &said);
}
