//! The managers' page and its data over HTTP: today's adds, the leaderboard and the channel mix, live.
//!
//! Invariant: every figure comes from the views of ClickHouse, and every page says how far its figures are complete.
//!
//! ```text
//! reader ──▶ refresh ──▶ snapshot ──▶ summary, leaderboard, channels ──▶ page, api, stream
//!                                        access: who may see what ──────────┘
//! ```
//!
//! Why one question per figure and second for all views of a corp and day that tell of the same levels: a page that everybody
//! opens at nine o'clock, each of their own store, must not cost ClickHouse more than one that a single manager opens. Why
//! the figures of a view are read whole and compared here: what changed is then known exactly, and a stream needs no state in
//! ClickHouse.
//!
//! Without keys and without a trusted proxy everybody sees everything, which a board on a loopback address says on its
//! pages, and which no other address may do.

pub mod access;
mod admission;
pub mod api;
pub mod assets;
pub mod attention;
pub mod channels;
mod connections;
pub mod contests;
pub mod corrections;
pub mod counts;
pub mod days;
pub mod definitions;
pub mod delta;
pub mod details;
mod files;
#[cfg(test)]
mod fixture;
pub mod html;
pub mod leaderboard;
pub mod limits;
pub mod losses;
pub mod news;
pub mod organisation;
pub mod pace;
pub mod page;
pub mod person;
pub mod pictures;
pub mod places;
pub mod problem;
pub mod rank;
pub mod reader;
pub mod refresh;
pub mod refusal;
pub mod regions;
mod routes;
pub mod search;
pub mod snapshot;
pub mod sources;
pub mod stream;
pub mod summary;
pub mod trend;
pub mod view;
pub mod warehouse;
pub mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::access::Access;
use self::limits::Limits;
use self::reader::Reader;
use self::warehouse::Warehouse;
use crate::corp::Corps;

/// Section `board`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    /// The corp that a page shows which names none; empty: the one with the most adds of the day.
    pub corp: String,
    /// Where browsers reach the board, for the links that are printed; empty: `http://` and `listen`.
    pub url: String,
    pub access: access::Config,
    pub limits: limits::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            corp: String::new(),
            url: String::new(),
            access: access::Config::default(),
            limits: limits::Config::default(),
        }
    }
}

/// Open requests have this long to end after a shutdown; streams end at once, and no answer takes longer to write.
const DRAIN: Duration = Duration::from_secs(5);

/// The board, ready to be served.
#[derive(Clone, Debug)]
pub struct Board {
    config: Config,
    reader: Arc<dyn Reader>,
    corps: Corps,
    wall_ms: fn() -> i64,
}

impl Board {
    /// A board over the views of the database that `client` is set up for; `wall_ms` is the wall clock, by which links
    /// expire.
    #[must_use]
    pub fn new(config: Config, client: clickhouse::Client, corps: Corps, wall_ms: fn() -> i64) -> Self {
        Self { config, reader: Arc::new(Warehouse::new(client)), corps, wall_ms }
    }
}

/// Serves the board on `listener` until `shutdown`, then until open requests have ended or 5 s have passed.
///
/// ClickHouse that does not answer is no error: the board shows its last figures with their age.
pub async fn serve(listener: TcpListener, board: Board, shutdown: CancellationToken) {
    if board.config.access.is_open() {
        tracing::warn!("the board has no keys: whoever reaches its address sees everything; set `board.access.keys`");
    }
    let limits = Arc::new(Limits::new(board.config.limits.clone(), Access::new(board.config.access.clone())));
    files::allow(board.config.limits.connections);
    let router = routes::router(board, Arc::clone(&limits), shutdown.clone());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = connections::serve(listener, router, limits, shutdown.clone()) => {}
        () = drained => {}
    }
}
