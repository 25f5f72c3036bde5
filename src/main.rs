//! The program `yinliu`: reads its arguments and settings, runs one command, tells how that ended.
//!
//! Invariant: an error is printed once, here, with its whole chain.

use std::process::ExitCode;

use anyhow::Context as _;
use yinliu::{
    cli::{Arguments, Exit},
    config, log,
};

fn main() -> ExitCode {
    let line: Vec<_> = std::env::args_os().collect();
    let arguments = Arguments::read(&line).unwrap_or_else(|error| error.exit());
    let exit = run(arguments).unwrap_or_else(|error| {
        report(&error);
        Exit::Failure
    });
    exit.into()
}

fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    let config = match config::load(&arguments.config, config::environment(), &arguments.set) {
        Ok(config) => config,
        Err(mistakes) => {
            // For the person who wrote the configuration, so plain lines even where logs are JSON.
            eprintln!("{mistakes}");
            return Ok(Exit::Configuration);
        }
    };
    log::init(log::Format::for_stderr(), &arguments.log)?;
    tracing::debug!(%config, "configuration");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the asynchronous runtime")?;
    runtime.block_on(arguments.command.run(config))
}

fn report(error: &anyhow::Error) {
    let chain = log::chain(error.as_ref());
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{chain}");
    } else {
        eprintln!("yinliu: {chain}");
    }
}
