//! The command line: what may be asked of the program, and which room answers.
//!
//! Invariant: a command is one line of the enum and one call; it decides nothing here.

use std::{ffi::OsString, io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use tokio_util::sync::CancellationToken;

use crate::{
    adopt,
    board::access::link,
    config::{self, Config},
    dead_letters, demo, engine, export, forget, generate, log, migrate, reconcile, refresh,
    service::{self, Ports},
    top, validate, verify,
};

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
    /// Which log lines are written, such as `info` or `info,yinliu=debug`; by default `info`, in the demo `warn`.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<log::Filter>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the pipeline with the board and the port for operators.
    Run(Run),
    /// Run everything embedded, on generated events: broker, ClickHouse engine, generator, pipeline, board.
    Demo(demo::Settings),
    /// Make realistic events, to Kafka or to standard output.
    Generate(generate::Settings),
    /// Create or upgrade the ClickHouse schema.
    Migrate(Migrate),
    /// Run the embedded ClickHouse engine alone.
    #[command(hide = true)]
    Engine(EngineAlone),
    /// Check the configuration, then Kafka, ClickHouse and the schema.
    Validate(Validate),
    /// Compare rollups, facts and ledger for a range of business days.
    Verify(verify::Settings),
    /// Correct the rollups of a range of business days by the facts.
    ///
    /// Takes out events that were counted more than once, farther apart than the horizon, and puts right whatever else
    /// differs from the facts. Safe at any moment; a second run changes nothing. Chunks of offsets that are not complete
    /// are left to the running pipeline.
    Reconcile(reconcile::Settings),
    /// Show refused records, and send them again.
    #[command(subcommand)]
    DeadLetters(dead_letters::Settings),
    /// Compute the cohort figures from facts that came in since the last time.
    Refresh(refresh::Settings),
    /// Erase one customer: the facts lose who it was, the counts stay.
    ///
    /// The facts go on under a random name, with a random event id, without order, other fields, and codes of this one
    /// person. What remains: type, times, staff, place, channel and amount, and the position in Kafka. Not reached are
    /// records in Kafka, records of others that name the customer, logs of the ClickHouse server, backups and exports.
    Forget(forget::Settings),
    /// Write a day or a month of a view as Parquet or CSV, a file for each business day.
    ///
    /// A run that was broken off goes on where it ended: files of days that were over when they were written stay.
    Export(export::Settings),
    /// Take over a topic that was deleted and created again.
    Adopt(adopt::Settings),
    /// Make a signed link to the board for a scope.
    Token(link::Settings),
    /// Show rates, lag, delay and leaders in the terminal, live.
    ///
    /// Of the whole group of processes: what the ledger holds against the ends of the logs. Elsewhere than on a terminal
    /// each look is printed below the one before.
    Top(top::Settings),
}

#[derive(Clone, Debug, Args)]
pub struct Validate {
    /// Check the configuration alone; ask neither Kafka nor ClickHouse.
    #[arg(long)]
    no_environment: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Run this part alone; other processes run the other.
    #[arg(long, value_enum)]
    only: Option<service::Part>,
}

#[derive(Clone, Debug, Args)]
pub struct Migrate {
    /// Print the statements instead of running them.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub struct EngineAlone {
    /// The folder of its data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
}

/// What a command is given beside its arguments.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The wall clock: milliseconds since the epoch.
    pub wall_ms: fn() -> i64,
    /// The process is asked to end.
    pub shutdown: CancellationToken,
}

/// How the program ends. Most of wrong usage is found within clap, which ends it with 2 as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// 1: something failed, or a check found a fault.
    Failure,
    /// 2: what was asked for makes no sense, such as a first day after the last one.
    Usage,
    /// 78, `EX_CONFIG` of sysexits: a supervisor need not try again.
    Configuration,
}

impl Exit {
    /// What the parent of the process sees.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Configuration => 78,
        }
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
        if let Command::Token(settings) = &arguments.command {
            settings.check().map_err(|text| Self::command().error(ErrorKind::ValueValidation, text))?;
        }
        Ok(arguments)
    }
}

impl Arguments {
    /// Which log lines are written.
    ///
    /// # Errors
    /// None: the default filters are valid.
    #[must_use]
    pub fn log(&self) -> log::Filter {
        let default = if matches!(self.command, Command::Demo(_)) { "warn" } else { "info" };
        self.log.clone().unwrap_or_else(|| default.parse().expect("a level is a filter"))
    }
}

impl Command {
    /// Whether the address of the board is this process's to take. A command that serves nothing looks at the configuration of
    /// those that do.
    #[must_use]
    pub const fn board(&self) -> config::Board {
        match self {
            Self::Run(Run { only: Some(service::Part::Pipeline) }) => config::Board::Elsewhere,
            _ => config::Board::Served,
        }
    }

    /// Whether SIGTERM and Ctrl-C are a request to this command rather than its end.
    #[must_use]
    pub const fn ends_by_signal(&self) -> bool {
        match self {
            Self::Run(_) | Self::Demo(_) | Self::Generate(_) | Self::Top(_) => true,
            // The engine listens for itself.
            Self::Migrate(_)
            | Self::Validate(_)
            | Self::Verify(_)
            | Self::Reconcile(_)
            | Self::DeadLetters(_)
            | Self::Refresh(_)
            | Self::Forget(_)
            | Self::Export(_)
            | Self::Adopt(_)
            | Self::Token(_)
            | Self::Engine(_) => false,
        }
    }

    /// Does what was asked.
    ///
    /// # Errors
    /// Something failed on the way; what was asked for in a wrong way is an [`Exit`].
    pub async fn run(self, config: Config, around: Surroundings) -> anyhow::Result<Exit> {
        let error = match self.perform(config, around).await {
            Ok(exit) => return Ok(exit),
            Err(error) => error,
        };
        if !is_usage(&error) {
            return Err(error);
        }
        writeln!(std::io::stderr(), "{}", log::chain(error.as_ref())).context("say what is wrong")?;
        Ok(Exit::Usage)
    }

    async fn perform(self, config: Config, around: Surroundings) -> anyhow::Result<Exit> {
        let Surroundings { wall_ms, shutdown } = around;
        match self {
            Self::Run(Run { only }) => {
                let ports = Ports::bind(&config, only).await?;
                service::run(&config, only, ports, wall_ms, shutdown).await?;
            }
            Self::Demo(settings) => demo::run(settings, config, wall_ms, shutdown).await?,
            Self::Generate(settings) => {
                let generated = move || generate::run(&settings, &config.kafka, &wall_ms, &shutdown);
                let summary = tokio::task::spawn_blocking(generated).await.context("wait for the generator")??;
                write!(std::io::stderr(), "{summary}").context("print the summary")?;
                return Ok(if summary.failed == 0 { Exit::Success } else { Exit::Failure });
            }
            Self::Migrate(Migrate { dry_run: true }) => {
                write!(std::io::stdout(), "{}", migrate::dry_run(&config.clickhouse)).context("print the schema")?;
            }
            Self::Migrate(Migrate { dry_run: false }) => {
                let applied = migrate::run(&config.clickhouse, &config.chunk).await?;
                let text = if applied.is_empty() { "nothing to apply".to_owned() } else { applied.join(", ") };
                writeln!(std::io::stdout(), "{text}").context("print what was applied")?;
            }
            Self::Validate(arguments) => {
                let environment =
                    if arguments.no_environment { validate::Environment::Skip } else { validate::Environment::Check };
                let report = validate::run(&config, environment).await;
                write!(std::io::stdout(), "{report}").context("print the report")?;
                return Ok(if report.is_good() { Exit::Success } else { Exit::Failure });
            }
            Self::Verify(settings) => {
                let report = verify::run(&settings, &config, wall_ms()).await?;
                write!(std::io::stdout(), "{report}").context("print the report")?;
                return Ok(if report.is_equal() { Exit::Success } else { Exit::Failure });
            }
            Self::Reconcile(settings) => {
                let report = reconcile::run(&settings, &config, wall_ms()).await?;
                write!(std::io::stdout(), "{report}").context("print the report")?;
                return Ok(if report.is_whole() { Exit::Success } else { Exit::Failure });
            }
            Self::DeadLetters(settings) => dead_letters::run(settings, &config, wall_ms()).await?,
            Self::Refresh(settings) => {
                let report = refresh::run(&settings, &config).await?;
                writeln!(std::io::stdout(), "{report}").context("print what was computed")?;
            }
            Self::Forget(settings) => {
                let report = forget::run(&settings, &config).await?;
                write!(std::io::stdout(), "{report}").context("print what was erased")?;
            }
            Self::Export(settings) => {
                let report = export::run(&settings, &config, wall_ms()).await?;
                writeln!(std::io::stdout(), "{report}").context("print what was written")?;
            }
            Self::Adopt(settings) => {
                let seen = adopt::look(&settings, &config).await?;
                write!(std::io::stdout(), "{seen}").context("print what was seen")?;
                let adopted = adopt::run(seen, &config).await?;
                writeln!(std::io::stdout(), "{adopted}").context("print what was adopted")?;
            }
            Self::Token(settings) => match link::run(settings, &config.board, wall_ms() / 1000) {
                Ok(link) => writeln!(std::io::stdout(), "{link}").context("print the link")?,
                Err(error) => {
                    // A key that is missing is a matter of the configuration.
                    writeln!(std::io::stderr(), "{error}").context("say what is missing")?;
                    return Ok(Exit::Configuration);
                }
            },
            Self::Top(settings) => top::run(&settings, &config, wall_ms, shutdown).await?,
            Self::Engine(EngineAlone { data, listen }) => {
                let library = engine::Engine::default_library();
                engine::process::run(&engine::Config { library, data, listen }).await?;
            }
        }
        Ok(Exit::Success)
    }
}

/// Whether what was asked for makes no sense, whatever the warehouse holds: every error of that kind is named here.
fn is_usage(error: &anyhow::Error) -> bool {
    let of_generate = |error: &generate::Error| match error {
        generate::Error::Sizes { .. }
        | generate::Error::TimeZone { .. }
        | generate::Error::FutureDay(_)
        | generate::Error::LiveAfterPast(_)
        | generate::Error::Nothing => true,
        generate::Error::Calendar(_)
        | generate::Error::Write(_)
        | generate::Error::Connect { .. }
        | generate::Error::Produce { .. }
        | generate::Error::NoInputTopic => false,
    };
    let of_days = |error: &verify::Error| matches!(error, verify::Error::Days { .. });
    error.downcast_ref().is_some_and(of_days)
        || error.downcast_ref().is_some_and(|error| matches!(error, reconcile::Error::Days(error) if of_days(error)))
        || error.downcast_ref().is_some_and(|error| matches!(error, dead_letters::Error::Span))
        || error.downcast_ref().is_some_and(|error| matches!(error, export::Error::View { .. }))
        || error.downcast_ref().is_some_and(of_generate)
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
            "yinliu token --scope store:S1 --role owner",
            "yinliu token --scope store --role manager",
            "yinliu token --scope corp --role owner --expires 0s",
        ] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
