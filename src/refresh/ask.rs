//! Questions to ClickHouse that outlast a short fault.
//!
//! Invariant: a statement that is repeated may have taken effect before, and may yet.
//!
//! # Why a statement is repeated, and not the run
//! A run that began anew with every fault would never come to its end where they come more often than it takes.

use std::time::{Duration, Instant};

use clickhouse::{Client, RowOwned, RowRead};

use crate::{
    log::{Repeated, chain},
    sink::{self, Backoff, Class},
};

/// A statement that takes longer has met a server that is away.
const LIMIT: Duration = Duration::from_mins(10);

/// For so long a statement is repeated.
const PATIENCE: Duration = Duration::from_mins(1);

const FAILED: &str = "a statement of the refresh is repeated";

/// Whether what failed may be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Once,
    Again,
}

/// Every row of the answer.
pub(super) async fn all<T: RowOwned + RowRead>(
    client: &Client,
    doing: &'static str,
    sql: &str,
) -> Result<Vec<T>, sink::Error> {
    ask(Asking::Again, doing, || client.query_raw(sql).fetch_all()).await
}

/// The one row of the answer.
pub(super) async fn one<T: RowOwned + RowRead>(
    client: &Client,
    doing: &'static str,
    sql: &str,
) -> Result<T, sink::Error> {
    ask(Asking::Again, doing, || client.query_raw(sql).fetch_one()).await
}

/// A statement whose rows are absolute.
pub(super) async fn execute(client: &Client, doing: &'static str, sql: &str) -> Result<(), sink::Error> {
    ask(Asking::Again, doing, || client.query_raw(sql).execute()).await
}

pub(super) async fn ask<T, F>(asking: Asking, doing: &'static str, request: impl Fn() -> F) -> Result<T, sink::Error>
where
    F: Future<Output = Result<T, clickhouse::error::Error>>,
{
    let (began, mut backoff) = (Instant::now(), Backoff::new(rand::random));
    let mut faults = Repeated::new(Duration::from_secs(30));
    loop {
        let answer = tokio::time::timeout(LIMIT, request()).await;
        let answer = answer.unwrap_or(Err(clickhouse::error::Error::TimedOut));
        match answer.map_err(|source| sink::Error::new(doing, source)) {
            Err(error) if asking == Asking::Again && may_pass(&error) && began.elapsed() < PATIENCE => {
                faults.warn(Instant::now(), FAILED, &chain(&error));
                tokio::time::sleep(backoff.advance()).await;
            }
            answer => {
                faults.recovered(Instant::now(), FAILED);
                return answer;
            }
        }
    }
}

/// What was too large for the server's memory is so again.
fn may_pass(error: &sink::Error) -> bool {
    matches!(error, sink::Error::Retry { class, .. } if *class != Class::Memory)
}
