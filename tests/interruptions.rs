//! A refresh that ends before it is through, at each of its writes: the next one makes the figures whole.
//!
//! Invariant: deterministic; the run is broken off once the engine has the write, or before it comes there.

use yinliu::refresh;

use crate::{
    episodes, refreshes,
    support::{
        proxy::{Mode, Proxy},
        refreshed::{Happening, Kind, Refreshed, instant},
    },
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A run writes more often than that.
const WRITES: u64 = 10;

/// The first instant of a day, from 0.
fn midnight(day: i64) -> i64 {
    instant("2025-03-10T00:00:00", "Asia/Shanghai") + day * DAY_MS
}

/// What comes in on a day: of yesterday's friend and of one more; and an add and a request that come too late for their
/// closed days, of which nothing else comes in and no member comes of age.
fn came_in(day: i64) -> Vec<Happening> {
    let event = |hour: i64, kind, staff: &str, customer: i64| Happening {
        amount: 100,
        ..Happening::new(midnight(day) + hour * HOUR_MS, kind, staff, &format!("x{customer}"))
    };
    let mut sent = Happening::new(midnight(day) + 8 * HOUR_MS, Kind::Broadcast, "s1", "");
    (sent.channel, sent.amount) = (format!("task{day}"), 5);
    vec![
        sent,
        event(9, Kind::Request, "s1", day),
        event(10, Kind::Add, "s1", day),
        event(11, Kind::Inbound, "s1", day),
        event(12, Kind::Outbound, "s1", day),
        event(13, Kind::Customer, "s1", day - 1),
        event(14, Kind::Add, "s2", day - 1),
        event(15, Kind::Order, "s2", day - 2),
        event(16 - 5 * 24, Kind::Add, "s3", day),
        event(16 - 9 * 24, Kind::Request, "s4", day),
    ]
}

/// Whatever there is was written an hour before, runs too: what the next run takes in, it finds by the last finished one.
async fn an_hour_passes(refreshed: &Refreshed) {
    refreshes::age(&refreshed.client).await;
    let new = "run > toUnixTimestamp64Micro(now64(6) - INTERVAL 50 MINUTE)";
    for sql in [
        format!("INSERT INTO refresh_runs SELECT * REPLACE (run - 3600000000 AS run) FROM refresh_runs WHERE {new}"),
        format!("ALTER TABLE refresh_runs DELETE WHERE {new} SETTINGS mutations_sync = 2"),
    ] {
        refreshed.execute(&sql).await;
    }
}

/// Whether the run met the fault and ended there.
async fn broken_off(refreshed: &Refreshed, proxy: &Proxy, mode: Mode) -> bool {
    let mut config = refreshed.config.clone();
    config.clickhouse.url = proxy.url();
    let run = proxy.break_off(mode, refresh::run(&refresh::Settings::default(), &config)).await;
    run.map(Result::unwrap).is_none()
}

async fn kept(refreshed: &Refreshed) -> Vec<String> {
    let mut found = Vec::new();
    for columns_and_view in [
        "* FROM v_closed_1d",
        "* FROM v_closed_figures_1d",
        "* FROM v_broadcasts",
        "corp_id, business_date FROM v_closings",
    ] {
        found.push(refreshed.csv(&format!("SELECT {columns_and_view} ORDER BY ALL")).await);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_that_breaks_off_at_any_write_is_made_good_by_the_next() {
    let mut shaken = Refreshed::new("interrupted", &["c"]).await;
    let mut steady = Refreshed::new("uninterrupted", &["c"]).await;
    let proxy = Proxy::start(&shaken.config.clickhouse.url, 1);
    // Days that make each later run close one.
    let mut events: Vec<_> = (0..4).flat_map(came_in).collect();
    for refreshed in [&mut shaken, &mut steady] {
        refreshed.count(&events).await;
        refreshed.complete_through(midnight(4)).await;
        refreshed.refresh().await;
    }
    let stops = (1..).flat_map(|write| [Mode::StopBefore("INSERT", write), Mode::StopAfter("INSERT", write)]);
    for (day, stop) in (4..).zip(stops) {
        let came = came_in(day);
        let horizon_ms = midnight(day + 1);
        for refreshed in [&mut shaken, &mut steady] {
            refreshed.count(&came).await;
            refreshed.complete_through(horizon_ms).await;
        }
        events.extend(came);
        let is_broken = broken_off(&shaken, &proxy, stop).await;
        an_hour_passes(&shaken).await;
        shaken.refresh().await;
        steady.refresh().await;
        let of_customers: Vec<_> = events.iter().filter(|event| event.kind != Kind::Broadcast).cloned().collect();
        episodes::check(&shaken, "c", &of_customers, horizon_ms).await;
        let (expected, found) = (kept(&steady).await, kept(&shaken).await);
        assert_eq!(expected, found, "after {stop:?}");
        assert!(expected.iter().all(|rows| !rows.is_empty()), "{expected:?}");
        if !is_broken {
            assert!(matches!(stop, Mode::StopBefore(_, write) if write > WRITES), "{stop:?}");
            return;
        }
    }
}
