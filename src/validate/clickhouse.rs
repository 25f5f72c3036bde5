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
    fn refused_credentials_point_to_the_settings_of_the_user() {
        assert!(advise("Code: 516. DB::Exception: default: Authentication failed").contains("`clickhouse.password`"));
        assert!(advise("network error: connection refused").contains("`clickhouse.url`"));
    }
}
