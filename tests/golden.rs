//! The golden day on the board: from the pure rooms through a real ClickHouse engine to the figures that a manager sees.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use yinliu::{
    batch::{Rows, encode_ledger},
    board::{self, Board},
    chunk,
    corp::Corps,
    migrate, refresh,
    sink::{self, ClickHouse, Sink as _, Table},
};

use crate::{cases, support::engine::Engine};

/// The JSON that the board answers.
fn get(address: SocketAddr, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: board\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("200 OK"), "{path}: {answer}");
    serde_json::from_str(body).unwrap()
}

/// Everything until 2025-03-13 is counted.
fn progress() -> Rows {
    let mut rows = Rows { count: 1, ..Rows::default() };
    let topic = b"yinliu.friend.v1";
    rows.bytes.push(u8::try_from(topic.len()).unwrap());
    rows.bytes.extend(topic);
    rows.bytes.extend(0_u32.to_le_bytes());
    rows.bytes.extend(1_741_795_200_000_i64.to_le_bytes());
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_day_stands_on_the_board() {
    let engine = Engine::start();
    let config = sink::Config { url: engine.url(), ..sink::Config::default() };
    migrate::run(&config, &chunk::Config::default()).await.unwrap();
    let (sink, batch) = (ClickHouse::new(&config), cases::batch("golden_day"));
    for (table, rows) in [
        (Table::Facts, &batch.facts),
        (Table::Minutes, &batch.minute),
        (Table::Days, &batch.day),
        (Table::Boards, &batch.board),
    ] {
        sink.insert(table, rows).await.unwrap();
    }
    sink.insert(Table::Ledger, &encode_ledger(&batch.ledger)).await.unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let page = Board::new(board::Config::default(), sink.client().clone(), Corps::new(&HashMap::new()).unwrap(), || 0);
    let server = tokio::spawn(board::serve(listener, page, shutdown.clone()));
    let day = |path: &str, day: &str| {
        let path = format!("/api/v1/{path}corp=wwcorp&day={day}");
        tokio::task::spawn_blocking(move || get(address, &path))
    };

    let first = day("summary?", "2025-03-10").await.unwrap();
    let figures = |summary: &Value| {
        ["adds", "deletes_by_customer", "net_adds"].map(|name| summary["data"][name].as_i64().unwrap())
    };
    assert_eq!(figures(&first), [2, 1, 1], "day 1: {first}");
    let second = day("summary?", "2025-03-11").await.unwrap();
    assert_eq!(figures(&second), [1, 0, 1], "day 2: {second}");
    let staff = day("leaderboard?level=staff&", "2025-03-10").await.unwrap();
    assert_eq!(staff["data"]["rows"][0]["id"], "s1", "{staff}");
    assert_eq!(staff["data"]["rows"][0]["adds"], 2, "{staff}");
    let channels = day("channels?", "2025-03-10").await.unwrap();
    assert_eq!(channels["data"]["rows"][0]["channel"], "package_card", "{channels}");
    assert_eq!(channels["data"]["total"], 2, "{channels}");
    sink.insert(Table::Progress, &progress()).await.unwrap();
    let settings = yinliu::config::Config { clickhouse: config, ..Default::default() };
    refresh::run(&refresh::Settings::default(), &settings).await.unwrap();
    let figures =
        "SELECT [adds, first_adds, re_adds, new_adds, lost_same_day] FROM v_cohorts_1d ORDER BY business_date";
    let figures = sink.client().query(figures).fetch_all::<Vec<u64>>().await.unwrap();
    assert_eq!(figures, [[2, 1, 1, 1, 1], [1, 1, 0, 0, 0]]);
    let qualified = "SELECT sum(qualified_adds) FROM v_leaderboard_1d WHERE level = 'staff' AND id = 's1'";
    // Deleted within five minutes, and not new when they came back.
    assert_eq!(sink.client().query(qualified).fetch_one::<u64>().await.unwrap(), 0);

    shutdown.cancel();
    server.await.unwrap();
}
