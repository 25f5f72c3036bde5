//! ClickHouse: does it answer, is it new enough, does it know us and our database?
//!
//! Invariant: reads system tables alone.

use std::time::Duration;

use clickhouse::Client;

use super::Finding;
use crate::{
    chunk, log,
    migrate::{self, State},
    sink,
};

/// A server that needs longer for a question about itself will not do a flush each second.
const PATIENCE: Duration = Duration::from_secs(10);

/// The oldest version with everything that the schema uses; older ones get no fixes any more.
const VERSION_MIN: (u32, u32) = (24, 8);

pub(super) async fn check(config: &sink::Config, chunk: &chunk::Config) -> Vec<Finding> {
    // Without the database: it may not be there yet, and then every query would fail.
    let client = Client::default().with_url(&config.url).with_user(&config.user).with_password(&config.password);
    let mut findings = Vec::new();
    match ask(client.query("SELECT version()").fetch_one::<String>()).await {
        Ok(version) => findings.push(judge_version(&config.url, &version)),
        Err(why) => {
            findings.push(Finding::fault(format!("ClickHouse at `{}`: {}", config.url, advise(&why))));
            return findings;
        }
    }
    let database = client.query("SELECT count() FROM system.databases WHERE name = ?").bind(&config.database);
    match ask(database.fetch_one::<u64>()).await {
        Ok(0) => {
            let text = format!("database `{}` does not exist: run `yinliu migrate`", config.database);
            findings.push(Finding::fault(text));
        }
        Ok(_) => {
            findings.push(Finding::good(format!("database `{}`", config.database)));
            findings.push(schema(config, chunk).await);
            findings.extend(dropping(&client, &config.database).await);
        }
        Err(why) => findings.push(Finding::fault(format!("database `{}`: {}", config.database, advise(&why)))),
    }
    findings
}

/// How the schema of the database stands to this program.
async fn schema(config: &sink::Config, chunk: &chunk::Config) -> Finding {
    let state = tokio::time::timeout(PATIENCE, migrate::state(&sink::client(config), chunk)).await;
    let text = |state: &State| format!("database `{}`: {state}", config.database);
    match state {
        Ok(Ok(state @ State::Current)) => Finding::good(text(&state)),
        // As `run` sees it.
        Ok(Ok(state @ (State::Behind(_) | State::Ahead(_) | State::Changed(_) | State::Chunks { .. }))) => {
            Finding::fault(text(&state))
        }
        Ok(Err(error)) => Finding::fault(format!("schema: {}", advise(&log::chain(&error)))),
        Err(_) => Finding::fault(format!("schema: {}", advise(&format!("no answer within {} s", PATIENCE.as_secs())))),
    }
}

/// Tables that may drop rows: two whose old rows figures can do without (deploy/README.md), and two of the refresh's own.
const MAY_DROP: [&str; 4] = ["facts", "dead_letter_log", "refresh_queue", "refresh_runs"];

/// Warns of tables that drop rows of which figures are made.
async fn dropping(client: &Client, database: &str) -> Vec<Finding> {
    let sql = "SELECT name FROM system.tables WHERE database = ? AND position(engine_full, ' TTL ') > 0 ORDER BY name";
    match ask(client.query(sql).bind(database).fetch_all::<String>()).await {
        Ok(tables) => tables.iter().filter_map(|table| judge_ttl(table)).collect(),
        Err(why) => vec![Finding::fault(format!("tables of `{database}`: {}", advise(&why)))],
    }
}

/// Of a table with a TTL.
fn judge_ttl(table: &str) -> Option<Finding> {
    let name = table.strip_suffix("_local").unwrap_or(table);
    (!MAY_DROP.contains(&name)).then(|| {
        Finding::warning(format!(
            "table `{table}` drops rows by a TTL, and figures are made of them: `ALTER TABLE {table} REMOVE TTL`"
        ))
    })
}

async fn ask<T>(answer: impl Future<Output = clickhouse::error::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| log::chain(&error)),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// What failed, and what to do about it. ClickHouse tells the kind by a code in its text.
fn advise(why: &str) -> String {
    let advice = if why.contains("Code: 516") || why.contains("Code: 192") || why.contains("Code: 194") {
        "correct `clickhouse.user` and `clickhouse.password`"
    } else if why.contains("Code: 497") {
        "grant the user what the query needs"
    } else {
        "start the server, or correct `clickhouse.url`"
    };
    format!("{why}; {advice}")
}

fn judge_version(url: &str, version: &str) -> Finding {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(year)), Some(Ok(release))) if (year, release) >= VERSION_MIN => {
            Finding::good(format!("ClickHouse {version} at `{url}`"))
        }
        _ => Finding::fault(format!(
            "ClickHouse {version} at `{url}` is too old: update it to {}.{} or later",
            VERSION_MIN.0, VERSION_MIN.1
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Mark, *};

    #[test]
    fn version_is_compared_by_numbers() {
        let mark = |version| judge_version("http://a:1", version).mark;
        assert_eq!(mark("24.8.1.1"), Mark::Good);
        assert_eq!(mark("24.12.3"), Mark::Good);
        assert_eq!(mark("26.5.3.1-testing"), Mark::Good);
        assert_eq!(mark("24.7.9"), Mark::Fault);
        assert_eq!(mark("9.9"), Mark::Fault);
        assert_eq!(mark("unknown"), Mark::Fault);
    }

    #[test]
    fn rows_that_figures_are_made_of_are_not_to_be_dropped() {
        let warns = |table| judge_ttl(table).map(|finding| finding.mark);
        for table in ["facts", "facts_local", "dead_letter_log", "refresh_runs"] {
            assert_eq!(warns(table), None, "{table}");
        }
        for table in ["customer_events", "customer_events_local", "counts_1m_registers", "episode_rows"] {
            assert_eq!(warns(table), Some(Mark::Warning), "{table}");
        }
    }

    #[test]
    fn refused_credentials_point_to_the_settings_of_the_user() {
        assert!(advise("Code: 516. DB::Exception: default: Authentication failed").contains("`clickhouse.password`"));
        assert!(advise("network error: connection refused").contains("`clickhouse.url`"));
    }
}
