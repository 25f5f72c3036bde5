//! Configuration: defaults, files, environment, command line; every mistake found before anything starts.
//!
//! Invariant: a [`Config`] that `load` returned is whole and within its limits, and shows no secret when printed.
//! The environment of the process is read here and nowhere else.
//!
//! # Why not the `config` crate
//! It knows neither the line of a wrong key nor the variable of a wrong value, folds the case of corp ids in
//! variables and splits librdkafka's dotted names. Here every layer becomes a list of assignments (path, value,
//! origin). Each is checked alone, so that every mistake is found and carries its origin; then they are merged, and
//! later ones win. Text from outside a file becomes a number where the default is one, so a password `0012345` stays.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{admin, board, chunk, corp, dedup, directory, pipeline, refresh, sink, source};
use layer::Assignment;

mod check;
mod layer;
mod mask;
mod names;

/// All sections. Every field has a default; see `deploy/yinliu.toml` for all of them with their meaning.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub kafka: source::Config,
    pub clickhouse: sink::Config,
    pub board: board::Config,
    pub admin: admin::Config,
    /// By corp id; a corp that is not here lives by the defaults.
    pub corp: HashMap<String, corp::Config>,
    pub dedup: dedup::Config,
    pub directory: directory::Config,
    pub flush: pipeline::Config,
    pub chunk: chunk::Config,
    pub memory: pipeline::bound::Config,
    pub refresh: refresh::Config,
}

/// TOML of all settings, with secrets masked.
impl fmt::Display for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&mask::toml(self))
    }
}

/// As `Display`: whoever prints a configuration for debugging must not print a password.
impl fmt::Debug for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Line and column count from 1; columns are characters.
    File {
        file: PathBuf,
        line: usize,
        column: usize,
    },
    /// The name of an environment variable.
    Variable(String),
    /// The text after `--set`, without the value.
    Argument(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(out, "{}:{line}:{column}", file.display()),
            Self::Variable(name) => out.write_str(name),
            Self::Argument(key) => write!(out, "--set {key}"),
            Self::Default => out.write_str("default"),
        }
    }
}

/// One mistake in the configuration, told with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub origin: Origin,
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.origin, self.text)
    }
}

/// Every mistake that was found; its text has one line for each.
#[derive(Debug, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        out.write_str(&lines.join("\n"))
    }
}

/// The variables of this process that are text.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Whether this process listens at the address of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    Served,
    /// Another process serves it, perhaps of the same configuration.
    Elsewhere,
}

/// Defaults, then each file in order, then variables `YINLIU__SECTION__KEY`, then `section.key=value` in order.
///
/// # Errors
/// All mistakes at once: of form as long as there are any, else of range and sense.
pub fn load(
    files: &[PathBuf],
    environment: impl Iterator<Item = (String, String)>,
    set: &[String],
    board: Board,
) -> Result<Config, Mistakes> {
    let mut layers = layer::Layers::default();
    for file in files {
        layers.file(file);
    }
    for (name, value) in environment {
        layers.variable(&name, &value);
    }
    for argument in set {
        layers.argument(argument);
    }
    let assignments = layers.finish().map_err(Mistakes)?;
    let config = merge(&assignments)?;
    let origins: BTreeMap<&[String], &Origin> =
        assignments.iter().map(|assignment| (assignment.path.as_slice(), &assignment.origin)).collect();
    let mistakes: Vec<Mistake> = check::check(&config, board)
        .into_iter()
        .map(|fault| Mistake { origin: origin(&origins, &fault.path), text: fault.to_string() })
        .collect();
    if mistakes.is_empty() { Ok(config) } else { Err(Mistakes(mistakes)) }
}

/// The origin of the value at `path`, or of the first value beneath it.
fn origin(origins: &BTreeMap<&[String], &Origin>, path: &[String]) -> Origin {
    let found = origins.range(path..).next().filter(|(found, _)| found.starts_with(path));
    found.map_or(Origin::Default, |(_, origin)| (*origin).clone())
}

fn merge(assignments: &[Assignment]) -> Result<Config, Mistakes> {
    let mut root = toml::Table::new();
    for assignment in assignments {
        assignment.put(&mut root);
    }
    root.try_into()
        .map_err(|error| Mistakes(vec![Mistake { origin: Origin::Default, text: error.message().to_owned() }]))
}

/// A file of these bytes, from its text to the checks of sense.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn hostile(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut layers = layer::Layers::default();
    layers.text(std::path::Path::new("hostile.toml"), &text);
    // A variable and an argument out of the same bytes: each line is one.
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        layers.variable(name, value);
        layers.argument(&format!("{name}={value}"));
    }
    let Ok(config) = layers.finish().map_err(Mistakes).and_then(|assignments| merge(&assignments)) else { return };
    let _ = check::check(&config, Board::Served);
    let _ = mask::toml(&config);
}

#[cfg(test)]
mod tests;
