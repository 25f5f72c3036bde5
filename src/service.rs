//! One process: the pipeline, the board and the port for operators, from the first check to the last flush.
//!
//! Invariant: nothing starts on a database that it cannot work with; whatever ends one part ends the process.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Health, Outside},
    board,
    config::Config,
    corp::Corps,
    log::{Repeated, chain},
    metrics::Metrics,
    migrate, pipeline, refresh,
    sink::{Backoff, client},
};

/// Which parts of the process run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    Pipeline,
    Board,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("open the port for operators")]
    Admin(#[from] admin::Error),
    #[error("look at the schema")]
    Migrate(#[from] migrate::Error),
    #[error("run the pipeline")]
    Pipeline(#[from] pipeline::Error),
    #[error("listen on `{listen}` for the board; set `board.listen` to a free address of this machine")]
    Bind { listen: SocketAddr, source: std::io::Error },
    #[error("set up the tenants")]
    Corps(#[from] crate::corp::Error),
    #[error("wait for the board")]
    Gone(#[from] tokio::task::JoinError),
}

/// The addresses of a process, taken before anything else starts.
#[derive(Debug)]
pub struct Ports {
    admin: TcpListener,
    /// Absent where another process serves the board: its address is left to that one.
    board: Option<TcpListener>,
}

impl Ports {
    /// Takes the addresses of the configuration that `only` leaves.
    pub async fn bind(config: &Config, only: Option<Part>) -> Result<Self, Error> {
        let listen = config.board.listen;
        let board = match only {
            Some(Part::Pipeline) => None,
            Some(Part::Board) | None => {
                Some(TcpListener::bind(listen).await.map_err(|source| Error::Bind { listen, source })?)
            }
        };
        Ok(Self { admin: admin::bind(&config.admin).await?, board })
    }

    /// Likewise, but takes a free port where one of the configuration is taken.
    pub async fn bind_near(config: &Config) -> Result<Self, Error> {
        let mut config = config.clone();
        for listen in [&mut config.board.listen, &mut config.admin.listen] {
            if TcpListener::bind(*listen).await.is_err() {
                listen.set_port(0);
            }
        }
        Self::bind(&config, None).await
    }

    /// Where the board and the port for operators listen.
    #[must_use]
    pub fn addresses(&self) -> (String, String) {
        let address = |listener: &TcpListener| listener.local_addr().map_or_else(|_| "?".to_owned(), |a| a.to_string());
        (self.board.as_ref().map_or_else(|| "?".to_owned(), address), address(&self.admin))
    }
}

/// Runs until `shutdown`. `only` leaves out the other parts.
pub async fn run(
    config: &Config,
    only: Option<Part>,
    ports: Ports,
    wall_ms: fn() -> i64,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let metrics = Arc::new(Metrics::new(&config.kafka.topics.input));
    let health = Arc::new(Health::default());
    // The port answers to the last: an operator sees why the process is not ready.
    let last = CancellationToken::new();
    let admin = tokio::spawn(admin::serve(ports.admin, Arc::clone(&metrics), Arc::clone(&health), last.clone()));
    let outside = Outside { metrics, health, wall_ms };
    let result = work(config, only, ports.board, outside, &shutdown).await;
    shutdown.cancel();
    last.cancel();
    let _ = admin.await;
    result
}

/// The parts that `only` leaves, until one of them ends.
///
/// The board answers from the first moment on, also while ClickHouse is away: viewers who come then are told so, and their
/// pages fill by themselves. It reads nothing but the names of the contract, so that it may ask before the schema was
/// looked at.
async fn work(
    config: &Config,
    only: Option<Part>,
    listener: Option<TcpListener>,
    outside: Outside,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let corps = Corps::new(&config.corp)?;
    let page = board::Board::new(config.board.clone(), client(&config.clickhouse), corps, outside.wall_ms);
    let page = listener.map(|listener| tokio::spawn(board::serve(listener, page, shutdown.clone())));
    let done = async {
        schema(config, only, &outside.health, shutdown).await?;
        outside.health.set_ready();
        if only == Some(Part::Board) {
            watch(config, &outside.health, shutdown).await;
            return Ok(());
        }
        count(config, outside, shutdown).await
    };
    let done = done.await;
    shutdown.cancel();
    if let Some(page) = page {
        page.await?;
    }
    done
}

/// The pipeline, and the figures that are computed from what it counted.
async fn count(config: &Config, outside: Outside, shutdown: &CancellationToken) -> Result<(), Error> {
    let figures = tokio::spawn(refresh::keep(config.clone(), shutdown.clone()));
    let result = pipeline::run(config, outside, shutdown.clone()).await;
    // However the pipeline ended, the process does not go on without it.
    shutdown.cancel();
    figures.await?;
    Ok(result?)
}

/// Between two questions to ClickHouse whether it answers; longer than its answer may take.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

const NO_ANSWER: &str = "ClickHouse does not answer";

/// Tells whether ClickHouse answers, in a process without a pipeline to tell it, until `shutdown`.
async fn watch(config: &Config, health: &Health, shutdown: &CancellationToken) {
    let (client, mut faults) = (client(&config.clickhouse), Repeated::new(Duration::from_secs(30)));
    loop {
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            () = shutdown.cancelled() => return,
        }
        let asked = tokio::time::timeout(WATCH_INTERVAL, client.query("SELECT 1").fetch_one::<u8>()).await;
        let trouble = match asked {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(chain(&error)),
            Err(_) => Some(format!("no answer within {} s", WATCH_INTERVAL.as_secs())),
        };
        health.report("clickhouse", trouble.as_ref().map(|error| format!("ClickHouse: {error}")).as_deref());
        match trouble {
            Some(error) => faults.warn(std::time::Instant::now(), NO_ANSWER, &error),
            None => faults.recovered(std::time::Instant::now(), NO_ANSWER),
        }
    }
}

/// Waits for ClickHouse, refuses a schema that does not fit, and tells the warehouse which topics are counted.
async fn schema(
    config: &Config,
    only: Option<Part>,
    health: &Health,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let (mut faults, mut backoff) = (Repeated::new(Duration::from_secs(30)), Backoff::new(rand::random));
    while !shutdown.is_cancelled() {
        let checked = match migrate::check(&config.clickhouse, &config.chunk).await {
            Ok(()) if only != Some(Part::Board) => {
                migrate::announce(&config.clickhouse, &config.kafka.topics.input).await
            }
            checked => checked,
        };
        let error = match checked {
            Ok(()) => break,
            Err(error) if error.is_final() => return Err(error.into()),
            Err(error) => chain(&error),
        };
        health.report("clickhouse", Some(&format!("ClickHouse: {error}")));
        faults.warn(std::time::Instant::now(), NO_ANSWER, &error);
        tokio::select! {
            () = tokio::time::sleep(backoff.advance()) => {}
            () = shutdown.cancelled() => {}
        }
    }
    health.report("clickhouse", None);
    Ok(())
}
