//! The ClickHouse engine inside this process, behind an HTTP endpoint on the loopback interface.
//!
//! Invariant: one engine and one data folder per process. What the endpoint has acknowledged is in the data folder.
//!
//! # Why
//! `yinliu demo` and the tests run against the real engine without a server to install: `libchdb.so` is ClickHouse with
//! a C interface. The endpoint speaks as much of ClickHouse's HTTP interface as the `clickhouse` crate, Python's
//! `clickhouse-connect` and `curl` need, so that nothing else in the program knows which of the two it talks to.
//! It has no users and no passwords, and therefore listens on loopback addresses only.
//!
//! # Differences from a server
//! - An answer is held in memory as a whole, so an error always has its status and never arrives amid data.
//! - Each request is a session of its own: `session_id`, users, roles and quotas are ignored.
//! - Bodies may be packed as ClickHouse blocks (`decompress=1`) or as LZ4 (`Content-Encoding`); answers likewise.

mod blocks;
mod chdb;
mod exception;
#[cfg(any(test, feature = "fuzzing"))]
mod hostile;
mod http;
mod multipart;
mod packing;
pub mod process;
mod request;
mod session;
mod statement;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::{self, JoinHandle};
use tokio::time;
use tokio_util::sync::CancellationToken;

use chdb::{Connection, LoadError};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use hostile::hostile;
use http::Endpoint;
use session::Sessions;

/// How long `stop` waits for requests and statements that run. Supervisors kill after 30 s; our own limit is 25 s.
const STOP_WAIT: Duration = Duration::from_secs(20);

/// Where the engine comes from, where its data goes, where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `libchdb.so`; see [`Engine::default_library`].
    pub library: PathBuf,
    /// A folder, created if absent, for this process alone.
    pub data: PathBuf,
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("start a second ClickHouse engine in one process, in `{}`", data.display())]
    AlreadyRunning { data: PathBuf },
    #[error("offer the ClickHouse engine, which has no passwords, on `{listen}`: only loopback addresses are allowed")]
    NotLoopback { listen: SocketAddr },
    #[error("start the ClickHouse engine")]
    Load {
        #[from]
        source: LoadError,
    },
    #[error("create the data folder `{}`", data.display())]
    CreateFolder { data: PathBuf, source: io::Error },
    #[error("open the data folder `{}`, which another process may hold", data.display())]
    OpenFolder { data: PathBuf },
    #[error("ask the ClickHouse engine for its version, answered by `{answer}`")]
    Version { answer: String },
    #[error("listen on `{listen}`")]
    Listen { listen: SocketAddr, source: io::Error },
    #[error("wait {} s for the statements of the ClickHouse engine to end", STOP_WAIT.as_secs())]
    Busy,
    #[error("finish a task of the ClickHouse engine")]
    Task {
        #[from]
        source: task::JoinError,
    },
    #[error("tell the address of the ClickHouse engine")]
    Announce { source: io::Error },
    #[error("wait for the signal to stop")]
    Signal { source: io::Error },
}

/// A running engine with its endpoint. Dropping it closes the endpoint and leaves running statements to themselves;
/// `stop` waits for them.
#[derive(Debug)]
pub struct Engine {
    address: SocketAddr,
    endpoint: Arc<Endpoint>,
    stopping: CancellationToken,
    server: Option<JoinHandle<io::Result<()>>>,
    /// The engine closes its folder with the last connection: this one keeps it open between requests.
    keeper: Option<Connection>,
    _place: Place,
}

impl Engine {
    /// Loads the library, opens the data folder and listens. Takes 0.1 to 0.4 s.
    pub async fn start(config: &Config) -> Result<Self, Error> {
        if !config.listen.ip().is_loopback() {
            return Err(Error::NotLoopback { listen: config.listen });
        }
        let place = Place::take().ok_or_else(|| Error::AlreadyRunning { data: config.data.clone() })?;
        let failed_to_listen = |source| Error::Listen { listen: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed_to_listen)?;
        let address = listener.local_addr().map_err(failed_to_listen)?;
        let (library, data) = (config.library.clone(), config.data.clone());
        let (keeper, endpoint) = task::spawn_blocking(move || open(&library, data)).await??;

        let endpoint = Arc::new(endpoint);
        let router = http::router(Arc::clone(&endpoint));
        let stopping = CancellationToken::new();
        let stopped = stopping.clone().cancelled_owned();
        // Answers leave at once: with Nagle's algorithm an insert takes twice as long. A socket that refuses works too.
        let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
        let server = tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        Ok(Self { address, endpoint, stopping, server: Some(server), keeper: Some(keeper), _place: place })
    }

    /// Where the endpoint listens; `http://` and this is what a client takes.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the endpoint, waits for what runs, and closes the data folder.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.stopping.cancel();
        let (server, keeper) = (self.server.take(), self.keeper.take());
        let sessions = &self.endpoint.sessions;
        let ended = time::timeout(STOP_WAIT, async {
            if let Some(server) = server {
                // The server itself fails only where `accept` does, after which it would have ended anyway.
                drop(server.await);
            }
            sessions.close().await;
        });
        ended.await.map_err(|_elapsed| Error::Busy)?;
        task::spawn_blocking(move || drop(keeper)).await?;
        Ok(())
    }

    /// `.cache/engine/libchdb.so`, where `deploy/fetch-engine.sh` puts it: below the current folder if it is there,
    /// else below the folder that the program was built in.
    #[must_use]
    pub fn default_library() -> PathBuf {
        let fetched = Path::new(".cache/engine/libchdb.so");
        if fetched.exists() { fetched.to_owned() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(fetched) }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

fn open(library: &Path, data: PathBuf) -> Result<(Connection, Endpoint), Error> {
    let library = chdb::load(library)?;
    std::fs::create_dir_all(&data).map_err(|source| Error::CreateFolder { data: data.clone(), source })?;
    let keeper = library.connect(&data).ok_or_else(|| Error::OpenFolder { data: data.clone() })?;
    let answer = keeper.query(b"SELECT version()", "TabSeparatedRaw", &[]);
    let version = answer.map_err(|answer| Error::Version { answer })?;
    let version = String::from_utf8_lossy(version.as_ref()).trim().to_owned();
    Ok((keeper, Endpoint { sessions: Sessions::new(library, data), version }))
}

/// The one place for an engine in a process.
#[derive(Debug)]
struct Place;

static TAKEN: AtomicBool = AtomicBool::new(false);

impl Place {
    fn take() -> Option<Self> {
        (!TAKEN.swap(true, Ordering::AcqRel)).then_some(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    //! Nothing here loads the library, whose threads would still run when the tests end; its clients are in
    //! `tests/engine.rs`.

    use super::*;

    fn config(listen: &str) -> Config {
        let nowhere = PathBuf::from("/nowhere");
        Config { library: nowhere.join("libchdb.so"), data: nowhere, listen: listen.parse().unwrap() }
    }

    #[tokio::test]
    async fn a_second_engine_is_refused_until_the_first_is_gone() {
        let first = Place::take().unwrap();
        let second = Engine::start(&config("127.0.0.1:0")).await.unwrap_err();
        assert!(matches!(second, Error::AlreadyRunning { .. }), "{second}");
        drop(first);
        let third = Engine::start(&config("127.0.0.1:0")).await.unwrap_err();
        assert!(matches!(third, Error::Load { .. }), "{third}");
    }

    #[tokio::test]
    async fn an_address_that_others_can_reach_is_refused() {
        let error = Engine::start(&config("0.0.0.0:0")).await.unwrap_err();
        assert!(matches!(error, Error::NotLoopback { .. }), "{error}");
    }
}
