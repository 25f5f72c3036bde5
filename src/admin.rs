//! The port for operators: `/metrics`, `/livez`, `/readyz`.
//!
//! Invariant: a scrape reads what the rooms have already told; it never asks Kafka or ClickHouse.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use health::Health;

use crate::metrics::Metrics;

mod health;

/// Section `admin`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)) }
    }
}

/// What a process shows of itself while it runs.
#[derive(Clone, Debug)]
pub struct Outside {
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    /// Milliseconds since the epoch.
    pub wall_ms: fn() -> i64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("listen on `{listen}` for operators; set `admin.listen` to a free address of this machine")]
    Bind { listen: SocketAddr, source: std::io::Error },
    #[error("serve operators")]
    Serve(#[source] std::io::Error),
}

/// How long open requests may take once the process stops. A scrape takes milliseconds, and the process has better
/// to do than to wait for a client that does not read.
const DRAIN: Duration = Duration::from_secs(1);

/// Takes the address; port 0 takes a free one, which `local_addr` tells.
///
/// # Errors
/// The address is taken or is not of this machine.
pub async fn bind(config: &Config) -> Result<TcpListener, Error> {
    TcpListener::bind(config.listen).await.map_err(|source| Error::Bind { listen: config.listen, source })
}

/// Answers until `shutdown`, then for a short while longer to requests that are open.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let live = get(livez).with_state(Arc::clone(&health));
    let router = Router::new()
        .route("/metrics", get(scrape).with_state(metrics))
        .route("/livez", live.clone())
        .route("/healthz", live)
        .route("/readyz", get(readyz).with_state(health))
        .fallback(unknown);
    let server = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::select! {
        ended = server => ended.map_err(Error::Serve),
        () = async { shutdown.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
    }
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}

async fn livez(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    answer(&health.stalled(std::time::Instant::now()))
}

async fn readyz(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    answer(&health.causes())
}

/// 200 if nothing is wrong, else 503 with a line for each thing that is.
fn answer(wrong: &[String]) -> (StatusCode, String) {
    if wrong.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, wrong.iter().flat_map(|line| [line.as_str(), "\n"]).collect())
}

async fn unknown() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz\n")
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
    };

    use super::*;

    /// A running port on a free address, with what it shows.
    struct Port {
        address: SocketAddr,
        health: Arc<Health>,
        shutdown: CancellationToken,
        server: tokio::task::JoinHandle<Result<(), Error>>,
    }

    async fn port() -> Port {
        let listener = bind(&Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)) }).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (metrics, health, shutdown) =
            (Arc::new(Metrics::new(&[])), Arc::new(Health::default()), CancellationToken::new());
        let server = tokio::spawn(serve(listener, metrics, Arc::clone(&health), shutdown.clone()));
        Port { address, health, shutdown, server }
    }

    impl Port {
        /// Status line and body.
        async fn get(&self, path: &str) -> (String, String) {
            let (address, path) = (self.address, path.to_owned());
            let answer = tokio::task::spawn_blocking(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                text
            });
            let text = answer.await.unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            (head.lines().next().unwrap().to_owned(), body.to_owned())
        }
    }

    #[tokio::test]
    async fn process_is_ready_once_no_cause_is_left() {
        let port = port().await;
        port.health.report("clickhouse", Some("refused"));
        let (status, body) = port.get("/readyz").await;
        assert_eq!(
            (status.as_str(), body.as_str()),
            ("HTTP/1.1 503 Service Unavailable", "clickhouse: refused\nprocess: starting\n")
        );
        port.health.report("clickhouse", None);
        port.health.set_ready();
        let (status, body) = port.get("/readyz").await;
        assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", "ok\n"));
    }

    #[tokio::test]
    async fn process_without_stalled_loops_is_alive_under_both_names() {
        let port = port().await;
        assert_eq!(port.get("/livez").await.0, "HTTP/1.1 200 OK");
        assert_eq!(port.get("/healthz").await.0, "HTTP/1.1 200 OK");
    }

    #[tokio::test]
    async fn scrape_gets_metrics_and_a_wrong_path_the_right_ones() {
        let port = port().await;
        assert!(port.get("/metrics").await.1.contains("yinliu_build_info"));
        let (status, body) = port.get("/metric").await;
        assert_eq!(status, "HTTP/1.1 404 Not Found");
        assert!(body.contains("/metrics"), "{body}");
    }

    #[tokio::test]
    async fn taken_address_is_an_error_that_names_the_setting() {
        let port = port().await;
        let error = bind(&Config { listen: port.address }).await.unwrap_err();
        assert!(error.to_string().contains("`admin.listen`"), "{error}");
    }

    #[tokio::test]
    async fn shutdown_ends_the_server_though_a_client_does_not_read() {
        let port = port().await;
        let address = port.address;
        let client = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            let requests = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
            // Once its answers fill all buffers, the server takes no more requests.
            while stream.write_all(requests.as_bytes()).is_ok() {}
            stream
        });
        let _unread = client.await.unwrap();
        port.shutdown.cancel();
        tokio::time::timeout(DRAIN * 10, port.server).await.unwrap().unwrap().unwrap();
    }

    #[test]
    fn example_of_a_scrape_asks_the_default_address() {
        let example = include_str!("../deploy/prometheus.yml");
        assert!(example.contains(&format!("\"{}\"", Config::default().listen)), "{example}");
    }
}
