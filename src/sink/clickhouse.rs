//! ClickHouse through the `clickhouse` crate.
//!
//! Invariant: every request has a time limit; inserts are synchronous and carry all their rows.

use std::time::Duration;

use bytes::Bytes;
use clickhouse::{Client, Row};
use hyper_util::{
    client::legacy::connect::HttpConnector,
    rt::{TokioExecutor, TokioTimer},
};
use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::{Config, Error, Sink, Table, load};
use crate::{
    batch::{Origin, Rows},
    chunk,
    partition::{Loaded, Room},
};

/// Long enough for a distant server, short enough that one which is away is noticed within a flush or two.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// One chunk of a request is taken by the socket within this time, or the connection is dead.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// A server that merges heavily takes seconds for an insert; one that needs longer is treated as away.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Below ClickHouse's default `keep_alive_timeout` of 10 s (3 s before 24.8), so that no request meets a closing connection.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// Requests carry their rows in pieces of this size, each compressed by itself.
const PIECE_BYTES: usize = 1 << 20;

/// A text as a literal of SQL, for statements that can bind nothing.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The HTTP client of all rooms that read or write ClickHouse.
#[must_use]
pub fn client(config: &Config) -> Client {
    let mut connector = HttpConnector::new();
    // With Nagle's algorithm on, an insert of 1,000 rows takes twice as long.
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_LIMIT));
    connector.set_keepalive(Some(Duration::from_mins(1)));
    connector.enforce_http(false);
    let builder = hyper_rustls::HttpsConnectorBuilder::new();
    let builder = match builder.with_native_roots() {
        Ok(builder) => builder.https_or_http(),
        // A host without any certificate can still speak HTTP; over HTTPS each request says what is missing.
        Err(_) => hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(
                rustls::ClientConfig::builder()
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth(),
            )
            .https_or_http(),
    };
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_LIMIT)
        .pool_timer(TokioTimer::new())
        .build(builder.enable_http1().wrap_connector(connector));
    let client = Client::with_http_client(http)
        .with_url(&config.url)
        .with_user(&config.user)
        .with_database(&config.database)
        // Since 26.3 inserts are asynchronous by default; ours are batches already, and must be in when acknowledged.
        .with_setting("async_insert", "0")
        // A catch-up after days inserts rows of as many days, each a partition of its own.
        .with_setting("max_partitions_per_insert_block", "0")
        .with_setting("distributed_foreground_insert", "1");
    if config.password.is_empty() { client } else { client.with_password(&config.password) }
}

/// The warehouse over HTTP(S).
#[derive(Clone, Debug)]
pub struct ClickHouse {
    client: Client,
    cluster: Option<String>,
}

#[derive(Row, Deserialize)]
struct Position {
    src_topic: String,
    src_partition: u32,
    next_offset: u64,
}

#[derive(Row, Deserialize)]
struct Incarnation {
    topic: String,
    incarnation: u32,
}

impl ClickHouse {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let cluster = (!config.cluster.is_empty()).then(|| config.cluster.clone());
        Self { client: client(config), cluster }
    }

    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }
}

impl Sink for ClickHouse {
    async fn insert(&self, table: Table, rows: &Rows) -> Result<(), Error> {
        let sql = format!("INSERT INTO {} ({}) FORMAT RowBinary", table.name(), table.columns());
        let bytes = Bytes::copy_from_slice(&rows.bytes);
        let inserted = answered(async {
            let mut insert = self.client.insert_formatted_with(sql).with_timeouts(Some(SEND_LIMIT), Some(ANSWER_LIMIT));
            for start in (0..bytes.len()).step_by(PIECE_BYTES) {
                insert.send(bytes.slice(start..bytes.len().min(start + PIECE_BYTES))).await?;
            }
            insert.end().await
        });
        inserted.await.map_err(|source| Error::of_rows("insert rows", source))
    }

    async fn positions(&self, origins: &[Origin]) -> Result<FxHashMap<Origin, u64>, Error> {
        let sql = format!(
            "SELECT src_topic, src_partition, max(l.next_offset) AS next_offset FROM ledger AS l \
             WHERE (src_topic, src_partition) IN ({}) GROUP BY src_topic, src_partition",
            load::tuples(origins)
        );
        let rows = limited("read the ledger", self.client.query(&sql).fetch_all::<Position>()).await?;
        let position =
            |row: Position| (Origin { topic: row.src_topic.into(), partition: row.src_partition }, row.next_offset);
        Ok(rows.into_iter().map(position).collect())
    }

    async fn incarnations(&self) -> Result<FxHashMap<String, u32>, Error> {
        let sql = "SELECT topic, max(i.incarnation) AS incarnation FROM incarnations AS i GROUP BY topic";
        let rows =
            limited("read the incarnations of topics", self.client.query(sql).fetch_all::<Incarnation>()).await?;
        Ok(rows.into_iter().map(|row| (row.topic, row.incarnation)).collect())
    }

    async fn sync(&self) -> Result<(), Error> {
        if self.cluster.is_none() {
            return Ok(());
        }
        for table in [Table::Facts, Table::Minutes, Table::Days, Table::Boards, Table::Ledger] {
            let sql = format!("SYSTEM SYNC REPLICA {}_local", table.name());
            limited("wait for the replica", self.client.query(&sql).execute()).await?;
        }
        Ok(())
    }

    async fn load(
        &self,
        origins: &[Origin],
        chunk: &chunk::Config,
        room: Room,
    ) -> Result<FxHashMap<Origin, Loaded>, Error> {
        let loaded = load::load(&self.client, origins, chunk, room).await;
        loaded.map_err(|source| Error::new("load partitions", source))
    }
}

async fn limited<T>(
    doing: &'static str,
    request: impl Future<Output = Result<T, clickhouse::error::Error>>,
) -> Result<T, Error> {
    answered(request).await.map_err(|source| Error::new(doing, source))
}

async fn answered<T>(
    request: impl Future<Output = Result<T, clickhouse::error::Error>>,
) -> Result<T, clickhouse::error::Error> {
    answered_late(Duration::ZERO, request).await
}

/// Allows so much more time than others have.
pub(super) async fn answered_late<T>(
    more: Duration,
    request: impl Future<Output = Result<T, clickhouse::error::Error>>,
) -> Result<T, clickhouse::error::Error> {
    let answer = tokio::time::timeout(CONNECT_LIMIT + SEND_LIMIT + ANSWER_LIMIT + more, request).await;
    answer.unwrap_or(Err(clickhouse::error::Error::TimedOut))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        net::TcpListener,
    };

    use super::*;
    use crate::sink::Class;

    #[test]
    fn text_cannot_end_its_literal() {
        assert_eq!(literal(r"a'b\c\"), r"'a\'b\\c\\'");
    }

    #[tokio::test]
    async fn insert_asks_to_be_answered_when_its_rows_are_in() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sink = ClickHouse::new(&Config { url, ..Config::default() });
        let rows = Rows { bytes: vec![0], count: 1 };
        let first_line = tokio::task::spawn_blocking(move || {
            let (stream, _) = listener.accept().unwrap();
            BufReader::new(stream).lines().next().unwrap().unwrap()
        });
        // Nobody answers: the request is what is looked at.
        let (inserted, asked) = tokio::join!(sink.insert(Table::Ledger, &rows), first_line);
        let asked = asked.unwrap();
        assert!(inserted.is_err() && asked.starts_with("POST /?"), "{asked}");
        let settings: Vec<_> = asked.split(['?', '&', ' ']).collect();
        assert!(settings.contains(&"async_insert=0"), "{asked}");
        assert!(settings.contains(&"distributed_foreground_insert=1"), "{asked}");
    }

    #[tokio::test]
    async fn server_that_hangs_is_given_up_in_time_and_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sink = ClickHouse::new(&Config { url, ..Config::default() });
        let insert = async |sink: &ClickHouse| sink.insert(Table::Ledger, &Rows { bytes: vec![0], count: 1 }).await;
        let asked = async |sink: &ClickHouse| sink.positions(&[]).await.map(|_| ());
        for is_insert in [true, false] {
            let taken = listener.try_clone().unwrap();
            let taken = tokio::task::spawn_blocking(move || {
                let mut stream = BufReader::new(taken.accept().unwrap().0);
                stream.read_line(&mut String::new()).unwrap();
                stream
            });
            let sink = sink.clone();
            let request = tokio::spawn(async move { if is_insert { insert(&sink).await } else { asked(&sink).await } });
            let _open = taken.await.unwrap();
            // From here on time passes as soon as there is nothing to do but wait.
            tokio::time::pause();
            let began = tokio::time::Instant::now();
            let given_up = request.await.unwrap();
            assert!(matches!(given_up, Err(Error::Retry { class: Class::Timeout, .. })), "{given_up:?}");
            assert!(began.elapsed() <= CONNECT_LIMIT + SEND_LIMIT + ANSWER_LIMIT + Duration::from_secs(1));
            tokio::time::resume();
        }
    }
}
