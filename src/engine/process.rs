//! The engine as a process of its own, so that it can be killed like a server.
//!
//! Invariant: the address stands on standard output, one line, before anything else does, and only once it answers.

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};

use super::{Config, Engine, Error};

/// Runs until SIGTERM or Ctrl-C, then closes the data folder.
pub async fn run(config: &Config) -> Result<(), Error> {
    let failed = |source| Error::Signal { source };
    // Before the address is told: whoever reads it may signal at once.
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let engine = Engine::start(config).await?;
    announce(&engine).map_err(|source| Error::Announce { source })?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    engine.stop().await
}

fn announce(engine: &Engine) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", engine.address())?;
    output.flush()
}
