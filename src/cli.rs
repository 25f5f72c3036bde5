//! The command line: what may be asked of the program, and which room answers.
//!
//! Invariant: a command is one line of the enum and one call; it decides nothing here.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::{config::Config, log, validate};

/// Exact, live counts of WeCom friend acquisition: Kafka in, ClickHouse out.
#[derive(Clone, Debug, Parser)]
#[command(name = "yinliu", version)]
pub struct Arguments {
    /// A TOML file with settings; of several, later ones win.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// One setting, over files and environment.
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    /// Which log lines are written, such as `info` or `info,yinliu=debug`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "info")]
    pub log: log::Filter,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check the configuration, then Kafka, ClickHouse and the schema.
    Validate(Validate),
}

#[derive(Clone, Debug, Args)]
pub struct Validate {
    /// Check the configuration alone; ask neither Kafka nor ClickHouse.
    #[arg(long)]
    no_environment: bool,
}

/// How the program ends. Wrong usage ends it with 2, from within clap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// 1: something failed, or a check found a fault.
    Failure,
    /// 78, `EX_CONFIG` of sysexits: a supervisor need not try again.
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Configuration => 78,
        })
    }
}

impl Command {
    /// Does what was asked.
    pub async fn run(self, config: Config) -> anyhow::Result<Exit> {
        match self {
            Self::Validate(arguments) => {
                let environment =
                    if arguments.no_environment { validate::Environment::Skip } else { validate::Environment::Check };
                let report = validate::run(&config, environment).await;
                write!(std::io::stdout(), "{report}").context("print the report")?;
                Ok(if report.is_good() { Exit::Success } else { Exit::Failure })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_are_taken_before_and_after_the_command_and_repeat() {
        let line = ["yinliu", "--config", "a", "validate", "--config", "b", "--set", "a.b=1", "--set", "a.c=2"];
        let arguments = Arguments::try_parse_from(line).unwrap();
        assert_eq!(arguments.set, ["a.b=1", "a.c=2"]);
        assert!(arguments.config.contains(&PathBuf::from("b")), "{arguments:?}");
    }

    #[test]
    fn unreadable_log_filter_and_unknown_command_are_wrong_usage() {
        for line in [["yinliu", "validate", "--log=yinliu=loud"], ["yinliu", "validat", "--log=info"]] {
            assert_eq!(Arguments::try_parse_from(line).unwrap_err().exit_code(), 2);
        }
    }
}
