//! The command line: what may be asked of the program, and which room answers.
//!
//! Invariant: a command is one line of the enum and one call; it decides nothing here.

use std::{ffi::OsString, io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand, error::ErrorKind};

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

impl Arguments {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// Wrong usage, or a wish for help or the version: print it and exit with its code.
    pub fn read(line: &[OsString]) -> Result<Self, clap::Error> {
        let arguments = Self::try_parse_from(line)?;
        let given = |option: &str| {
            let with_value = format!("{option}=");
            let is_given = |word: &str| word == option || word.starts_with(&with_value);
            line.iter().filter(|word| word.to_str().is_some_and(is_given)).count()
        };
        // Of a repeated option that stands on both sides of the command, clap keeps one side and drops the other.
        if given("--config") != arguments.config.len() || given("--set") != arguments.set.len() {
            let text = "give every `--config` and `--set` on the same side of the command";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, text));
        }
        Ok(arguments)
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
    use super::*;

    fn read(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::read(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn files_and_settings_repeat_on_either_side_of_the_command() {
        for line in [
            "yinliu validate --config a --config=b --set a.b=1 --set=a.c=--set",
            "yinliu --config a --config=b --set a.b=1 --set=a.c=--set validate --no-environment",
            "yinliu --set a.b=1 --set=a.c=--set validate --config a --config=b",
        ] {
            let arguments = read(line).unwrap();
            assert_eq!(arguments.config, [PathBuf::from("a"), PathBuf::from("b")], "{line}");
            assert_eq!(arguments.set, ["a.b=1", "a.c=--set"], "{line}");
        }
    }

    #[test]
    fn wrong_usage_is_told_and_no_setting_is_dropped_silently() {
        for line in [
            "yinliu",
            "yinliu validat",
            "yinliu validate --log=yinliu=loud",
            "yinliu --config a validate --config b",
            "yinliu --set a.b=1 validate --set a.c=1",
        ] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
