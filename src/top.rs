//! A live view in the terminal: how fast records come in, how far behind the counts are, and who leads.
//!
//! Invariant: reads views and the ends of the logs alone; a look that fails is told, and the one before stays.
//!
//! # Why not from `/metrics`
//! Those are of one process. The ledger tells what all processes of the group entered, wherever they run; what it does not
//! tell is not counted yet.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::{
    config, corp, log, sink,
    source::{self, log::Log},
};

mod look;
mod screen;

use look::{Look, Looker};
use screen::Screen;

#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// The corp whose leaders are shown; by default the one with most adds today
    #[arg(long, value_name = "ID")]
    pub corp: Option<String>,
    /// So many leading stores, and members of staff
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub leaders: u32,
    /// End after so many looks; by default Ctrl-C ends it
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Corp(#[from] corp::Error),
    #[error(transparent)]
    Source(#[from] source::Error),
    #[error(transparent)]
    Sink(#[from] sink::Error),
    #[error("ClickHouse gave no answer within {} s", look::LIMIT.as_secs())]
    Stalled,
    #[error("write to the terminal")]
    Write(#[from] io::Error),
}

/// Between two looks: as often as the pipeline enters what it counted.
const INTERVAL: Duration = Duration::from_secs(1);

/// Rates are told over this time, for the ledger moves by whole flushes.
const RATE_SPAN: Duration = Duration::from_secs(10);

/// Shows one look after another until `shutdown`; `wall_ms` is the wall clock in milliseconds since the epoch.
///
/// # Errors
/// ClickHouse does not answer the first look, or standard output is closed. Kafka may be away: then the lag is unknown.
pub async fn run(
    settings: &Settings,
    config: &config::Config,
    wall_ms: fn() -> i64,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let looker = Looker::new(settings, config, Log::new(&config.kafka)?)?;
    let mut screen = Screen::open(io::stdout().is_terminal())?;
    let (mut looks, mut shown, start) = (VecDeque::new(), 0_u64, Instant::now());
    loop {
        let began = Instant::now();
        let look = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            look = looker.look(start.elapsed(), wall_ms()) => look,
        };
        let trouble = match look {
            Ok(look) => {
                remember(&mut looks, look);
                None
            }
            Err(error) if looks.is_empty() => return Err(error),
            Err(error) => Some(log::chain(&error)),
        };
        screen.show(&screen::lines(&looks, trouble.as_deref(), screen.width()))?;
        shown += 1;
        if settings.count.is_some_and(|count| shown >= count) {
            return Ok(());
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(INTERVAL.saturating_sub(began.elapsed())) => {}
        }
    }
}

/// Keeps the newest look, and of those before it what the rates are told from.
fn remember(looks: &mut VecDeque<Look>, look: Look) {
    while looks.len() > 1 && looks.get(1).is_some_and(|second| look.at.saturating_sub(second.at) >= RATE_SPAN) {
        looks.pop_front();
    }
    looks.push_back(look);
}
