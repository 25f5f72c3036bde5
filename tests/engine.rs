//! The engine seen by its clients: the unmodified `clickhouse` crate, and plain HTTP.
//!
//! Invariant: no test looks behind the endpoint; each has a database of its own on the engine that they share.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};

use crate::support::engine::Engine;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Row)]
struct Count {
    id: u64,
    name: String,
}

fn rows(ids: std::ops::Range<u64>) -> Vec<Count> {
    ids.map(|id| Count { id, name: format!("员工 {}\n\t'{}'", id % 97, "\0".repeat(3)) }).collect()
}

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);

/// A fresh database.
async fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("endpoint_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    ENGINE.client().query(&format!("CREATE DATABASE {name}")).execute().await.unwrap();
    name
}

async fn client() -> Client {
    let client = ENGINE.client().with_database(database().await);
    let create = "CREATE TABLE counts (id UInt64, name String) ENGINE = MergeTree ORDER BY id";
    client.query(create).execute().await.unwrap();
    client
}

async fn insert(client: &Client, rows: &[Count]) -> clickhouse::error::Result<()> {
    let mut insert = client.insert::<Count>("counts").await?;
    for row in rows {
        insert.write(row).await?;
    }
    insert.end().await
}

async fn select(client: &Client) -> Vec<Count> {
    client.query("SELECT ?fields FROM counts ORDER BY id").fetch_all::<Count>().await.unwrap()
}

/// One request over a connection of its own: head and body of the answer.
fn exchange(address: SocketAddr, request: &[u8]) -> (String, Vec<u8>) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase(), answer[end + 4..].to_vec())
}

async fn send(method: &str, target: &str, body: &[u8]) -> (String, Vec<u8>) {
    let length = body.len();
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n").into_bytes();
    request.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
    request.extend_from_slice(body);
    let address = ENGINE.address();
    tokio::task::spawn_blocking(move || exchange(address, &request)).await.unwrap()
}

#[tokio::test]
async fn inserted_rows_come_back_whatever_the_compression() {
    for compression in [Compression::None, Compression::Lz4] {
        let client = client().await.with_compression(compression);
        // More than one block of the client, more than one piece of the body.
        let expected = rows(0..50_000);
        insert(&client, &expected).await.unwrap();
        assert_eq!(select(&client).await, expected);
    }
}

#[tokio::test]
async fn bound_values_and_parameters_reach_the_engine_unchanged() {
    let client = client().await;
    insert(&client, &rows(0..5)).await.unwrap();
    let name = rows(3..4).remove(0).name;
    let bound = client.query("SELECT id FROM counts WHERE name = ?").bind(&name).fetch_one::<u64>().await.unwrap();
    let named = "SELECT id FROM counts WHERE name = {name: String} AND id < {limit: UInt64}";
    let query = client.query(named).param("name", &name).param("limit", 4);
    assert_eq!((bound, query.fetch_one::<u64>().await.unwrap()), (3, 3));
}

#[tokio::test]
async fn the_error_of_an_unknown_table_arrives_with_its_code() {
    let client = client().await;
    let error = client.query("SELECT 1 FROM no_such_table").execute().await.unwrap_err().to_string();
    assert!(error.contains("Code: 60. DB::Exception: ") && error.contains("(UNKNOWN_TABLE)"), "{error}");

    let mut lost = client.with_validation(false).insert::<Count>("no_such_table").await.unwrap();
    for row in rows(0..50_000) {
        // A write may fail as well as the end, once the server has answered.
        if lost.write(&row).await.is_err() {
            break;
        }
    }
    let error = lost.end().await.unwrap_err().to_string();
    assert!(error.contains("Code: 60. DB::Exception: "), "{error}");
}

#[tokio::test]
async fn settings_hold_for_one_request() {
    let client = client().await;
    let limited = client.query("SELECT number FROM numbers(10)").with_setting("limit", "3").fetch_all::<u64>().await;
    assert_eq!(limited.unwrap().len(), 3);
    assert_eq!(client.query("SELECT number FROM numbers(10)").fetch_all::<u64>().await.unwrap().len(), 10);
    let unknown = client.query("SELECT 1").with_setting("no_such_setting", "1").execute().await.unwrap_err();
    assert!(unknown.to_string().contains("Code: 115."), "{unknown}");
}

#[tokio::test]
async fn concurrent_requests_do_not_disturb_each_other() {
    let client = client().await;
    let requests = (0..8_u64).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            insert(&client, &rows(number * 1000..(number + 1) * 1000)).await.unwrap();
            client.query("SELECT toUInt64(?)").bind(number).fetch_one::<u64>().await.unwrap()
        })
    });
    let requests: Vec<_> = requests.collect();
    for (number, request) in (0_u64..).zip(requests) {
        assert_eq!(request.await.unwrap(), number);
    }
    assert_eq!(select(&client).await, rows(0..8000));
}

#[tokio::test]
async fn a_body_that_breaks_off_inserts_nothing() {
    let database = database().await;
    let create = format!("CREATE TABLE {database}.t (a UInt8) ENGINE = MergeTree ORDER BY a");
    send("POST", "/", create.as_bytes()).await;
    let target = format!("/?database={database}&query=INSERT%20INTO%20t%20FORMAT%20RowBinary");
    let request = format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123");
    let address = ENGINE.address();
    tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        // Until the endpoint has closed its side: it has dealt with the request.
        socket.read_to_end(&mut Vec::new()).unwrap();
    })
    .await
    .unwrap();
    let (_, body) = send("POST", &format!("/?database={database}"), b"SELECT count() FROM t").await;
    assert_eq!(body, b"0\n");
}

#[tokio::test]
async fn a_statement_and_its_data_may_share_the_body() {
    let database = database().await;
    let target = format!("/?database={database}");
    send("POST", &target, b"CREATE TABLE t (a UInt8, b String) ENGINE = Memory").await;
    let mut body = b"INSERT INTO t FORMAT RowBinary\n".to_vec();
    body.extend_from_slice(b"\n\x02\n\n");
    let (head, answer) = send("POST", &target, &body).await;
    assert!(head.starts_with("http/1.1 200") && head.contains(r#""written_rows":"1""#), "{head}");
    assert_eq!(answer, b"");
    send("POST", &target, b"INSERT INTO t VALUES (1, 'x'),\n(2, 'y')").await;
    let (_, answer) = send("POST", &target, b"SELECT a, b FROM t ORDER BY a FORMAT CSV").await;
    assert_eq!(answer, b"1,\"x\"\n2,\"y\"\n10,\"\n\n\"\n");
}

/// An answer of 2 MB: several blocks, and well above what is left as it is.
#[tokio::test]
async fn a_packed_answer_is_taken_as_a_packed_body() {
    let plain = "/?query=SELECT%20number%20FROM%20numbers(300000)";
    let (_, expected) = send("GET", plain, b"").await;
    let (head, blocks) = send("GET", &format!("{plain}&compress=1"), b"").await;
    assert!(!head.contains("content-encoding") && blocks.len() < expected.len(), "{head}");
    let target = format!("/?database={}", database().await);
    send("POST", &target, b"CREATE TABLE t (number UInt64) ENGINE = Memory").await;
    let insert = format!("{target}&decompress=1&query=INSERT%20INTO%20t%20FORMAT%20TabSeparated");
    let (head, _) = send("POST", &insert, &blocks).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (_, body) = send("POST", &target, b"SELECT number FROM t ORDER BY number").await;
    assert!(body == expected);
}

#[tokio::test]
async fn answers_tell_their_format_and_their_query() {
    let target = "/?query=SELECT%201%20AS%20a&default_format=JSONEachRow&query_id=mine";
    let (head, body) = send("GET", target, b"").await;
    assert_eq!(body, b"{\"a\":1}\n");
    assert!(
        head.contains("x-clickhouse-format: jsoneachrow") && head.contains("x-clickhouse-query-id: mine"),
        "{head}"
    );
    let (head, body) = send("GET", "/ping", b"").await;
    assert!(head.starts_with("http/1.1 200"));
    assert_eq!(body, b"Ok.\n");
}

#[tokio::test]
async fn errors_have_the_status_and_the_code_of_clickhouse() {
    for (statement, status, code) in [
        ("SELECT%201%20FROM%20nowhere", "404", "60"),
        ("SELEC%201", "400", "62"),
        ("SELECT%20throwIf(1)", "500", "395"),
        // A GET changes nothing.
        ("CREATE%20DATABASE%20by_get", "500", "164"),
    ] {
        let (head, body) = send("GET", &format!("/?query={statement}"), b"").await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{statement}: {head}");
        assert!(head.contains(&format!("x-clickhouse-exception-code: {code}")), "{statement}: {head}");
        assert!(body.starts_with(format!("Code: {code}. ").as_bytes()), "{statement}");
    }
}
