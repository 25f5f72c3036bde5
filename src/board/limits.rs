//! How much the board does at once, how long it waits for anybody, and how much of it one client may take.
//!
//! Invariant: whoever is refused hears it in a whole answer, with the time after which it is worth trying again; what is
//! kept of clients is bounded.
//!
//! Why a rate of our own and not a crate: it is one instant for each address, and those at hand keep an entry for every
//! address that was ever seen.

mod client;
mod rate;
mod seats;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

pub use self::client::Client;
use self::rate::Rate;
pub use self::seats::{Seat, Seats};
use super::access::Access;
use super::problem::{Beyond, Problem};

/// Section `board.limits`. An office may be one address for hundreds of people, so what one address may take is much.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Of one address in the long run; a page and its files are 14, and one every 30 s after that.
    pub requests_per_second: u32,
    /// Of one address at once: 70 people who open the page in the same moment.
    pub requests_burst: u32,
    /// Open event streams of all viewers. Each holds a socket and about 50 kB; who finds none free polls.
    pub streams: u32,
    pub streams_per_address: u32,
    /// Open connections; a browser holds up to six.
    pub connections: u32,
    /// Of one address that is no trusted proxy.
    pub connections_per_address: u32,
    /// From the opening of a connection, or the answer before, to the end of the next request's head.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub head_timeout: Duration,
    /// From a request to the head of its answer: the longest way waits three times 6 s for ClickHouse.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub answer_timeout: Duration,
    /// For how long a client may take nothing of what is sent to it.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub write_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            requests_per_second: 100,
            requests_burst: 1_000,
            streams: 4_000,
            streams_per_address: 1_000,
            connections: 8_000,
            connections_per_address: 2_000,
            head_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// Path and query: a token has up to 600 bytes, and every parameter at its longest another 1,500.
const ADDRESS_BYTES_MAX: usize = 4_096;

/// The limits of one board, with what is taken of them.
#[derive(Debug)]
pub struct Limits {
    pub config: Config,
    pub streams: Arc<Seats>,
    pub connections: Arc<Seats>,
    rate: Rate,
    access: Access,
}

impl Limits {
    #[must_use]
    pub fn new(config: Config, access: Access) -> Self {
        Self {
            streams: Arc::new(Seats::new(config.streams, config.streams_per_address)),
            connections: Arc::new(Seats::new(config.connections, config.connections_per_address)),
            rate: Rate::new(config.requests_per_second, config.requests_burst),
            config,
            access,
        }
    }

    /// Whose a connection is; `None` for a trusted proxy, whose connections are those of many.
    #[must_use]
    pub fn holder(&self, peer: std::net::IpAddr) -> Option<Client> {
        (!self.access.is_proxy(peer)).then(|| Client::new(peer))
    }

    fn admit(&self, client: Client, uri: &Uri, headers: &HeaderMap) -> Result<(), Beyond> {
        self.rate.admit(client, Instant::now()).map_err(|wait| Beyond::Requests { wait })?;
        if uri.path_and_query().is_some_and(|address| address.as_str().len() > ADDRESS_BYTES_MAX) {
            return Err(Beyond::Address);
        }
        if has_body(headers) { Err(Beyond::Body) } else { Ok(()) }
    }
}

/// Nothing of the board reads a body, so none is waited for.
fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length.as_bytes() != b"0")
}

/// Keeps a request within the limits, and tells the handlers whose it is by a [`Client`].
pub async fn keep(
    State(limits): State<Arc<Limits>>,
    ConnectInfo(peer): ConnectInfo<std::net::SocketAddr>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let client = Client::of(request.headers(), peer.ip(), |address| limits.access.is_proxy(address));
    if let Err(beyond) = limits.admit(client, request.uri(), request.headers()) {
        return Problem::Beyond(beyond).into_response();
    }
    request.extensions_mut().insert(client);
    let answer = timeout(limits.config.answer_timeout, next.run(request)).await;
    answer.unwrap_or_else(|_| Problem::Beyond(Beyond::Time).into_response())
}
