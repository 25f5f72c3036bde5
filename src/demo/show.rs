//! What the terminal shows: where to look, and a line of rates.
//!
//! Invariant: what it says of counts it reads where everybody can, in ClickHouse.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use clickhouse::{Client, Row};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::{config::Config, generate, log::chain, service::Ports};

/// Between two lines where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// It is noon there when it is midnight in Shanghai, or 11 o'clock.
const ELSEWHERE: &str = "America/New_York";

#[derive(Row, Deserialize)]
struct Figures {
    adds: u64,
    records: u64,
    rejected: u64,
    duplicate: u64,
    behind: u32,
}

const FIGURES: &str = "SELECT \
     ifNull((SELECT sum(adds) FROM v_counts_1d WHERE business_date = toDate(now(?))), 0) AS adds, \
     sum(c.received) AS records, sum(c.rejected) AS rejected, sum(c.duplicate) AS duplicate, \
     ifNull((SELECT max(lag_seconds) FROM v_freshness), 0) AS behind FROM chunks AS c";

/// Where to look.
pub(super) fn addresses(ports: &Ports, config: &Config) {
    let (board, admin) = ports.addresses();
    let sql = &config.clickhouse.url;
    let mut out = std::io::stdout().lock();
    // A terminal that is gone need not be told.
    let _ = writeln!(
        out,
        "\n  yinliu 引流 — exact, live counts of WeCom friend acquisition, on generated events\n\n  \
         board    http://{board}/\n  \
         SQL      {sql}   for example:\n           \
         curl -s '{sql}/?database=yinliu' --data-binary \\\n             \
         \"SELECT channel, sum(adds) FROM v_counts_1d GROUP BY channel ORDER BY 2 DESC LIMIT 5 FORMAT PrettyCompact\"\n  \
         metrics  http://{admin}/metrics\n\n  \
         Ctrl-C ends it.\n"
    );
}

/// Where a day in full swing is to be seen, for it is early where the brand lives.
pub(super) fn early(brand: &generate::Settings) {
    let _ = writeln!(
        std::io::stdout().lock(),
        "  It is early in {}: ranks move an hour after midnight, forecasts come later still.\n  \
         With --set 'corp.{}.time_zone={}' the brand is in the middle of its day.\n",
        brand.time_zone,
        brand.corp,
        if brand.time_zone == ELSEWHERE { "Asia/Shanghai" } else { ELSEWHERE },
    );
}

/// A line that is written over each second on a terminal; elsewhere a line now and then.
pub(super) async fn rates(client: Client, time_zone: String, shutdown: CancellationToken) {
    let terminal = std::io::stdout().is_terminal();
    let interval = if terminal { Duration::from_secs(1) } else { PLAIN_INTERVAL };
    let mut before: Option<Figures> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = shutdown.cancelled() => break,
        }
        let now = match client.query(FIGURES).bind(&time_zone).fetch_one::<Figures>().await {
            Ok(now) => now,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the figures of the line cannot be read");
                continue;
            }
        };
        let records = before.as_ref().map_or(0, |before| now.records.saturating_sub(before.records));
        let rate = records / interval.as_secs();
        let line = format!(
            "{rate:>7} events/s   {:>8} adds today   {} records, {} refused, {} repeated   complete up to {} s ago",
            now.adds, now.records, now.rejected, now.duplicate, now.behind
        );
        let mut out = std::io::stdout().lock();
        let _ = if terminal { write!(out, "\r\x1b[2K  {line}") } else { writeln!(out, "  {line}") };
        let _ = out.flush();
        before = Some(now);
    }
    if terminal {
        println!();
    }
}
