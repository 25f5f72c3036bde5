//! The program `yinliu`: reads its arguments and settings, runs one command, tells how that ended.
//!
//! Invariant: an error is printed once, here, with its whole chain.
//!
//! # Why not in `main.rs`
//! A future is compiled by the crate that polls it: everything would be compiled once more for the binary.

mod leave;

use std::{
    ffi::OsString,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::leave::leave;
use crate::{
    cli::{Arguments, Exit, Surroundings},
    config, log,
};

/// Does what the arguments ask for, of which the first is the name of the program, and ends the process.
pub fn main(line: &[OsString]) -> ! {
    let arguments = Arguments::read(line).unwrap_or_else(|error| error.exit());
    let exit = run(arguments).unwrap_or_else(|error| {
        report(&error);
        Exit::Failure
    });
    leave(exit)
}

fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    let config = match config::load(&arguments.config, config::environment(), &arguments.set, arguments.command.board())
    {
        Ok(config) => config,
        Err(mistakes) => {
            // For the person who wrote the configuration, so plain lines even where logs are JSON.
            eprintln!("{mistakes}");
            return Ok(Exit::Configuration);
        }
    };
    log::init(log::Format::for_stderr(), &arguments.log())?;
    tracing::debug!(%config, "configuration");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the asynchronous runtime")?;
    let shutdown = CancellationToken::new();
    let result = runtime.block_on(async {
        if arguments.command.ends_by_signal() {
            tokio::spawn(end_by_signal(shutdown.clone())?);
        }
        arguments.command.run(config, Surroundings { wall_ms, shutdown }).await
    });
    // A thread that hangs in a library must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(500));
    result
}

/// Milliseconds since the epoch, by the wall clock.
#[allow(clippy::disallowed_methods, reason = "this is where the process asks what time it is")]
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// SIGTERM or Ctrl-C asks the process to end; a second one ends it at once.
fn end_by_signal(shutdown: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if shutdown.is_cancelled() {
                leave(Exit::Failure);
            }
            shutdown.cancel();
        }
    })
}

fn report(error: &anyhow::Error) {
    let chain = log::chain(error.as_ref());
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{chain}");
    } else {
        eprintln!("yinliu: {chain}");
    }
}
