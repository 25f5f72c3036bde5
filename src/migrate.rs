//! Creates and upgrades the ClickHouse schema from the numbered files of `schemas/clickhouse/`.
//!
//! Invariant: a file once applied never changes; every statement can be run again after an interruption.

mod statement;

use std::fmt::Write as _;

use clickhouse::{Client, Row};
use rust_embed::Embed;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    chunk,
    sink::{self, client},
};

#[derive(Embed)]
#[folder = "schemas/clickhouse"]
struct Files;

/// One numbered file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    pub name: String,
    pub checksum: String,
    sql: String,
}

/// How the schema of a database stands to this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Current,
    /// These files are still to be applied.
    Behind(Vec<String>),
    /// A later version of this program made it.
    Ahead(Vec<String>),
    /// An applied file reads otherwise here.
    Changed(String),
    /// The chunks of the database have another size than the configuration says.
    Chunks {
        database: String,
        configuration: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("apply `{name}`")]
    Apply {
        name: String,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error(transparent)]
    State(#[from] sink::Error),
    #[error("use the database `{database}`: {state}")]
    Unfit { database: String, state: State },
}

impl Error {
    /// Whether a person must mend it: waiting does not help.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::State(error) => matches!(error, sink::Error::Final { .. }),
            Self::Apply { .. } | Self::Unfit { .. } => true,
        }
    }
}

/// What is being done in most of the errors below.
const STATE: &str = "read the state of the schema";

impl std::fmt::Display for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Current => write!(formatter, "its schema is current"),
            Self::Behind(files) => write!(formatter, "its schema lacks {}; run `yinliu migrate`", files.join(", ")),
            Self::Ahead(files) => {
                write!(
                    formatter,
                    "its schema has {}, which this version does not know; use the newer program",
                    files.join(", ")
                )
            }
            Self::Changed(file) => {
                write!(formatter, "`{file}` was applied with another content; use the program that applied it")
            }
            Self::Chunks { database, configuration } => write!(
                formatter,
                "its chunks have {database}, the configuration says {configuration}; they are fixed when a database is \
                 created: correct `chunk.bits` and `chunk.day_bits`, or use another database"
            ),
        }
    }
}

#[derive(Row, Deserialize)]
struct Applied {
    name: String,
    checksum: String,
}

/// All migrations of this program, in order.
#[must_use]
pub fn migrations() -> Vec<Migration> {
    let mut names: Vec<_> = Files::iter().filter(|name| name.ends_with(".sql")).collect();
    names.sort();
    let read = |name: std::borrow::Cow<'static, str>| {
        let sql = String::from_utf8(Files::get(&name)?.data.into_owned()).ok()?;
        let checksum = format!("{:032x}", xxh3_128(sql.as_bytes()));
        Some(Migration { name: name.into_owned(), checksum, sql })
    };
    names.into_iter().filter_map(read).collect()
}

impl Migration {
    /// The statements of this file as they are run with these settings.
    #[must_use]
    pub fn statements(&self, config: &sink::Config) -> Vec<String> {
        statement::split(&self.sql).iter().flat_map(|statement| statement.render(config)).collect()
    }
}

/// The statements that come before all files: the database, and the table of what was applied.
fn foundation(config: &sink::Config) -> Vec<String> {
    const TABLE: &str = "\
-- sharding: rand()
CREATE TABLE migrations (
    name String COMMENT '文件名 / name of the file',
    checksum String COMMENT '内容校验 / checksum of its content',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT '执行时间 / when it was applied'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY name
COMMENT '已执行的迁移 / migrations that were applied';
";
    let table = statement::split(TABLE);
    let database = format!("CREATE DATABASE IF NOT EXISTS {}{}", config.database, statement::on_cluster(config));
    std::iter::once(database).chain(table.iter().flat_map(|statement| statement.render(config))).collect()
}

/// Everything that `migrate` would run on an empty server, as text.
#[must_use]
pub fn dry_run(config: &sink::Config) -> String {
    let mut text = String::new();
    let all = migrations();
    let files = all.iter().map(|migration| (migration.name.as_str(), migration.statements(config)));
    for (name, statements) in std::iter::once(("foundation", foundation(config))).chain(files) {
        // Text grows without limit.
        let _ = writeln!(text, "-- {name}");
        for statement in statements {
            let _ = writeln!(text, "{statement};\n");
        }
    }
    text
}

/// Applies what is missing; the answer names it.
///
/// # Errors
/// A database that another version made, or whose chunks have another size.
pub async fn run(config: &sink::Config, chunk: &chunk::Config) -> Result<Vec<String>, Error> {
    let (database, client) = (&config.database, client(config));
    let server = client.clone().with_database("default");
    let mut foundation = foundation(config).into_iter();
    if let Some(create) = foundation.next() {
        execute(&server, "the database", &create).await?;
    }
    for statement in foundation {
        execute(&client, "the table of migrations", &statement).await?;
    }
    let missing = match state(&client, chunk).await? {
        State::Behind(missing) => missing,
        State::Current => return Ok(Vec::new()),
        state => return Err(Error::Unfit { database: database.clone(), state }),
    };
    for migration in migrations().iter().filter(|migration| missing.contains(&migration.name)) {
        for statement in migration.statements(config) {
            execute(&client, &migration.name, &statement).await?;
        }
        let note =
            format!("INSERT INTO migrations (name, checksum) VALUES ('{}', '{}')", migration.name, migration.checksum);
        execute(&client, &migration.name, &note).await?;
    }
    let fix = format!(
        "INSERT INTO settings (name, value) SELECT 'chunk_bits', '{}' WHERE (SELECT count() FROM settings \
         WHERE name = 'chunk_bits') = 0",
        chunks(chunk)
    );
    execute(&client, "the settings", &fix).await?;
    Ok(missing)
}

/// How the schema that this client's database has stands to this program.
pub async fn state(client: &Client, chunk: &chunk::Config) -> Result<State, Error> {
    let found = client.query("SELECT name, checksum FROM migrations FINAL").fetch_all::<Applied>().await;
    let applied = match found {
        Ok(applied) => applied,
        Err(error) if is_missing(&error) => Vec::new(),
        Err(error) => return Err(Error::State(sink::Error::new(STATE, error))),
    };
    let known = migrations();
    let of = |name: &str| applied.iter().find(|applied| applied.name == name);
    let ahead: Vec<_> = applied
        .iter()
        .filter(|applied| !known.iter().any(|migration| migration.name == applied.name))
        .map(|applied| applied.name.clone())
        .collect();
    if !ahead.is_empty() {
        return Ok(State::Ahead(ahead));
    }
    let changed = known.iter().find(|migration| of(&migration.name).is_some_and(|a| a.checksum != migration.checksum));
    if let Some(migration) = changed {
        return Ok(State::Changed(migration.name.clone()));
    }
    let missing: Vec<_> = known
        .iter()
        .filter(|migration| of(&migration.name).is_none())
        .map(|migration| migration.name.clone())
        .collect();
    if !missing.is_empty() {
        return Ok(State::Behind(missing));
    }
    let fixed =
        client.query("SELECT value FROM settings FINAL WHERE name = 'chunk_bits'").fetch_optional::<String>().await;
    let configuration = chunks(chunk);
    Ok(match fixed.map_err(|source| sink::Error::new(STATE, source))? {
        Some(database) if database != configuration => State::Chunks { database, configuration },
        // None: an interruption came between the last file and this row; the next `migrate` writes it.
        None => State::Behind(vec!["settings".to_owned()]),
        Some(_) => State::Current,
    })
}

/// Refuses a database that this program cannot work with.
pub async fn check(config: &sink::Config, chunk: &chunk::Config) -> Result<(), Error> {
    match state(&client(config), chunk).await? {
        State::Current => Ok(()),
        state => Err(Error::Unfit { database: config.database.clone(), state }),
    }
}

/// Tells the warehouse which topics the pipeline counts, so that one which was taken out of the configuration does not
/// hold back the freshness of all.
pub async fn announce(config: &sink::Config, topics: &[String]) -> Result<(), Error> {
    // Names of topics hold neither quotes nor commas.
    let topics = topics.join(",");
    let client = client(config);
    let newest = "SELECT argMax(s.value, s.set_at) FROM settings AS s WHERE s.name = 'input_topics'";
    let insert =
        format!("INSERT INTO settings (name, value) SELECT 'input_topics', '{topics}' WHERE ({newest}) != '{topics}'");
    let told = client.query_raw(&insert).execute().await;
    told.map_err(|source| Error::State(sink::Error::new("tell which topics are counted", source)))
}

fn chunks(chunk: &chunk::Config) -> String {
    format!("{} bits by minute, {} by day", chunk.bits, chunk.day_bits)
}

/// Unknown database or table: nothing was applied yet.
fn is_missing(error: &clickhouse::error::Error) -> bool {
    matches!(error, clickhouse::error::Error::BadResponse(text) if text.contains("Code: 81.") || text.contains("Code: 60."))
}

async fn execute(client: &Client, name: &str, statement: &str) -> Result<(), Error> {
    // The text may hold question marks, which the client would bind.
    let query = client.query_raw(statement);
    query.execute().await.map_err(|source| Error::Apply { name: name.to_owned(), source })
}
