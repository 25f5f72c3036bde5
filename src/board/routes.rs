//! Which path answers what, with the headers that every answer carries.
//!
//! Invariant: a page runs no script and loads no style but our own, and nobody else's page may frame it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use super::api::{self, Part};
use super::refresh::{Reading, Refresher};
use super::snapshot::Snapshot;
use super::view::View;
use super::{Board, assets, page, problem::Problem, stream};

/// A stream holds a socket and about 50 kB; browsers that find none free fall back to polling.
const STREAMS_MAX: usize = 2_000;

const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

#[derive(Clone, Debug)]
struct Shared {
    refresher: Arc<Refresher>,
    corp: Arc<str>,
    streams: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// All paths of the board.
pub(super) fn router(board: Board, shutdown: CancellationToken) -> Router {
    let shared = Shared {
        refresher: Arc::new(Refresher::new(board.reader, board.corps, shutdown.clone())),
        corp: board.config.corp.into(),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        shutdown,
    };
    Router::new()
        .route("/", get(show))
        .route(
            "/assets/{name}",
            get(|Path(name): Path<String>, headers: HeaderMap| async move { assets::asset(&name, &headers) }),
        )
        .route("/api/v1/stream", get(follow))
        .route("/api/v1/{part}", get(ask))
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        // Event streams are left as they are: the layer's own rule, for a compressor would hold events back.
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(secured))
        .with_state(shared)
}

async fn show(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    let view = shared.view(&uri).await?;
    let page = match shared.figures(&view).await {
        Ok((snapshot, age)) => page::page(&view, &snapshot, age),
        Err(Problem::NoFigures) => page::page_without_figures(&view),
        Err(problem) => return Err(problem),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response())
}

async fn ask(
    State(shared): State<Shared>,
    Path(part): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let part = Part::from_name(&part).ok_or(Problem::NotFound)?;
    let view = shared.view(&uri).await?;
    let (snapshot, age) = shared.figures(&view).await?;
    Ok(api::answer(part, &view, &snapshot, age, &headers))
}

async fn follow(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    let view = shared.view(&uri).await?;
    let permit = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| Problem::Busy)?;
    let readings = shared.watch(&view).await?;
    Ok(stream::stream(view, readings, permit, shared.shutdown.clone()))
}

async fn secured(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

impl Shared {
    /// The view that a request asks for.
    async fn view(&self, uri: &Uri) -> Result<View, Problem> {
        let parameters = Query::<HashMap<String, String>>::try_from_uri(uri).map(|Query(parameters)| parameters);
        let parameters = parameters.map_err(|_| Problem::Parameter {
            field: "query",
            allowed: vec!["pairs of name=value, percent-encoded".to_owned()],
        })?;
        let view = View::read(&parameters, &self.corp)?;
        if !view.watched.corp.is_empty() {
            return Ok(view);
        }
        View::read(&parameters, &self.refresher.busiest_corp().await)
    }

    async fn watch(&self, view: &View) -> Result<watch::Receiver<Reading>, Problem> {
        self.refresher.watch(&view.watched).await
    }

    /// The newest figures of a view, with their age.
    async fn figures(&self, view: &View) -> Result<(Arc<Snapshot>, Duration), Problem> {
        let readings = self.watch(view).await?;
        readings.borrow().aged().ok_or(Problem::NoFigures)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::Ordering;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::board::fixture::Fixture;
    use crate::board::{Config, Error, serve};
    use crate::corp::Corps;

    struct Served {
        address: SocketAddr,
        fixture: Arc<Fixture>,
        shutdown: CancellationToken,
        task: JoinHandle<Result<(), Error>>,
    }

    async fn served() -> Served {
        let fixture = Arc::new(Fixture::default());
        let corps = Corps::new(&HashMap::new()).unwrap();
        let board = Board { config: Config::default(), reader: Arc::<Fixture>::clone(&fixture), corps };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(listener, board, shutdown.clone()));
        Served { address, fixture, shutdown, task }
    }

    impl Served {
        /// Asks for a path and reads until `end` was read or the server closes.
        async fn get(&self, path: &str, headers: &str, end: &str) -> (TcpStream, String) {
            let socket = TcpStream::connect(self.address).await.unwrap();
            socket.writable().await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: board\r\n{headers}\r\n");
            assert_eq!(socket.try_write(request.as_bytes()).unwrap(), request.len());
            let text = read_until(&socket, end).await;
            (socket, text)
        }

        async fn whole(&self, path: &str, headers: &str) -> String {
            self.get(path, &format!("connection: close\r\n{headers}"), "\0").await.1
        }
    }

    async fn read_until(socket: &TcpStream, end: &str) -> String {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            socket.readable().await.unwrap();
            match socket.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    bytes.extend_from_slice(&buffer[..read]);
                    if String::from_utf8_lossy(&bytes).contains(end) {
                        break;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("read the answer: {error}"),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn the_page_is_never_an_error_while_clickhouse_is_down() {
        let served = served().await;
        served.fixture.down.store(true, Ordering::SeqCst);
        let page = served.whole("/?corp=acme", "").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("data-state=\"loading\""), "{page}");
        let figures = served.whole("/api/v1/summary?corp=acme", "").await;
        assert!(figures.starts_with("HTTP/1.1 503") && figures.contains("retry-after: 5"), "{figures}");
    }

    #[tokio::test]
    async fn a_page_that_names_no_corp_shows_the_busiest() {
        let page = served().await.whole("/", "").await;
        assert!(page.contains("id=\"adds\">30</b>") && page.contains("content-security-policy: default-src 'none'"));
    }

    #[tokio::test]
    async fn a_problem_names_the_field_and_what_is_allowed() {
        let answer = served().await.whole("/api/v1/leaderboard?metric=best", "").await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("\"field\":\"metric\"") && answer.contains("[\"adds\",\"net_adds\"]"), "{answer}");
    }

    #[tokio::test]
    async fn answers_are_compressed_and_streams_are_not() {
        let served = served().await;
        let page = served.whole("/", "accept-encoding: gzip\r\n").await;
        assert!(page.contains("content-encoding: gzip"));
        let (_socket, stream) = served.get("/api/v1/stream", "accept-encoding: gzip\r\n", "event: snapshot").await;
        assert!(stream.contains("text/event-stream") && !stream.contains("content-encoding"), "{stream}");
        assert!(stream.contains("no-cache, no-transform") && stream.contains("x-accel-buffering: no"));
    }

    #[tokio::test]
    async fn an_open_stream_ends_with_the_server() {
        let served = served().await;
        let (_open, _) = served.get("/api/v1/stream", "", "event: snapshot").await;
        let before = tokio::time::Instant::now();
        served.shutdown.cancel();
        served.task.await.unwrap().unwrap();
        assert!(before.elapsed() < Duration::from_secs(4), "the stream was cut by the deadline");
    }
}
