//! What a warehouse goes through without anyone's doing: rows sent twice, rows of an earlier flush that arrive late, zeros
//! of a sweep, merges at any moment. No figure of any view changes by it.
//!
//! Invariant: whole tables are disturbed, by what their engine and columns say; a view that is added is watched too.

use std::collections::BTreeMap;

use clickhouse::{Client, Row};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde::Deserialize;
use yinliu::refresh;

use crate::support::refreshed::{Happening, Kind, Refreshed, instant};

/// Moves of one history: each of the kinds comes up several times.
const MOVES: usize = 30;

/// Disturbances between a count and the next.
const MOVES_BETWEEN: usize = 3;

/// Columns that say when a question is asked, and not what was counted.
const OF_THE_CLOCK: [&str; 1] = ["lag_seconds"];

/// These too say when something was written: two warehouses of the same facts differ in them.
const OF_THE_WRITING: [&str; 6] = ["lag_seconds", "ingested_at", "updated_at", "closed_at", "refreshed_at", "run"];

/// One row at least of everything that is not told by facts.
const REFERENCE: [&str; 9] = [
    "corp_activity (corp_id, last_event_at) VALUES ('c', '2025-03-10 00:00:00')",
    "org_log (corp_id, staff_id, staff_name, store_id, region_id, active, published_at) \
     VALUES ('c', 's0', 'S0', 'm', 'r', true, '2025-03-01 00:00:00'), ('c', 's1', 'S1', 'm', 'r', true, '2025-03-01 00:00:00')",
    "channel_log (corp_id, state, channel, label, `group`, published_at) VALUES ('c', 'poster', 'fair', 'Fair', 'event', '2025-03-01 00:00:00')",
    "target_log (corp_id, level, id, business_date, metric, target, published_at) \
     VALUES ('c', 'staff', 's0', '2025-03-10', 'adds', 5, '2025-03-01 00:00:00'), ('c', 'staff', 's0', '2025-03-10', 'adds', 6, '2025-03-02 00:00:00')",
    "contest_log (corp_id, contest_id, name, level, ids, metric, basis, starts_at, ends_at, published_at) \
     VALUES ('c', 'k', 'K', 'staff', ['s0', 's1'], 'adds', 'total', '2025-03-09 16:00:00', '2025-03-18 00:00:00', '2025-03-01 00:00:00')",
    "cost_log (corp_id, business_date, channel, campaign_id, cost_fen, published_at) \
     VALUES ('c', '2025-03-10', 'cashier', '', 700, '2025-03-11 00:00:00'), ('c', '2025-03-10', 'cashier', '', 800, '2025-03-12 00:00:00')",
    "official_log (corp_id, business_date, staff_id, new_contact_cnt, published_at) \
     VALUES ('c', '2025-03-10', 's0', 7, '2025-03-11 00:00:00'), ('c', '2025-03-10', 's1', 2, '2025-03-11 00:00:00')",
    "amendment_log (corp_id, business_date, reason, metric, staff_id, channel, before, after, generation, recorded_at) \
     VALUES ('c', '2025-03-10', 'recount', 'adds', 's0', 'cashier', 1, 2, 1, '2025-03-12 00:00:00')",
    "dead_letter_log (src_topic, src_offset, recorded_at, reason, value) VALUES ('t', 7, '2025-03-10 00:00:00', 'malformed', '{')",
];

#[derive(Debug, Row, Deserialize)]
struct Table {
    name: String,
    counters: Vec<String>,
    has_version: bool,
}

/// A day of a few people and customers, some of it late.
fn events(dice: &mut StdRng) -> Vec<Happening> {
    const KINDS: [Kind; 9] = [
        Kind::Add,
        Kind::Add,
        Kind::Customer,
        Kind::Staff,
        Kind::Request,
        Kind::Inbound,
        Kind::Outbound,
        Kind::Order,
        Kind::Broadcast,
    ];
    let midnight = instant("2025-03-10T00:00:00", "Asia/Shanghai");
    let event = |number| {
        let kind = *KINDS.choose(dice).unwrap();
        let customer = if kind == Kind::Broadcast { String::new() } else { format!("x{}", dice.random_range(0..15)) };
        Happening {
            at_ms: midnight + dice.random_range(0..90_000_000),
            corp: "c".to_owned(),
            customer,
            staff: format!("s{}", dice.random_range(0..4)),
            kind,
            id: format!("e{number}"),
            channel: ["cashier", "badge", "shared"].choose(dice).unwrap().to_string(),
            amount: dice.random_range(1..1_000),
        }
    };
    let mut events: Vec<_> = (0..140).map(event).collect();
    events.sort_by_key(|event| event.at_ms);
    events
}

/// Both are told the same in flushes at random, and refreshed at the same moments; the first is disturbed in between.
async fn tell([shaken, steady]: &mut [Refreshed; 2], dice: &mut StdRng) {
    for refreshed in [&*shaken, &*steady] {
        for rows in REFERENCE {
            refreshed.execute(&format!("INSERT INTO {rows}")).await;
        }
    }
    let mut events = events(dice);
    while !events.is_empty() {
        let rest = events.split_off(dice.random_range(1..=events.len().min(20)));
        let refreshes = dice.random_bool(0.3);
        for refreshed in [&mut *shaken, &mut *steady] {
            refreshed.count(&events).await;
            if refreshes {
                refreshed.complete_through(events[events.len() - 1].at_ms).await;
            }
        }
        disturb(&shaken.client, MOVES_BETWEEN, dice).await;
        if refreshes {
            shaken.refresh().await;
            steady.refresh().await;
            disturb(&shaken.client, MOVES_BETWEEN, dice).await;
        }
        events = rest;
    }
    for refreshed in [shaken, steady] {
        // The adds of one code, which then falls silent.
        let code = "ALTER TABLE facts UPDATE state = 'poster' WHERE type = 'friend.added' AND business_date = '2025-03-10' \
                    SETTINGS mutations_sync = 2";
        refreshed.execute(code).await;
        refreshed.complete_through(instant("2025-03-20T00:00:00", "Asia/Shanghai")).await;
        refreshed.refresh().await;
    }
}

async fn disturb(client: &Client, moves: usize, dice: &mut StdRng) {
    for _ in 0..moves {
        let sql = disturbance(tables(client).await.choose(dice).unwrap(), dice);
        client.query_raw(&sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// By view the number of its rows and a digest of them all, without these columns.
async fn digests(client: &Client, without: &[&str]) -> BTreeMap<String, (u64, u64)> {
    let views = "SELECT table, arrayStringConcat(groupArray(name), ', ') FROM system.columns WHERE database = currentDatabase() \
                 AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View') \
                 AND name NOT IN ? GROUP BY table";
    let views = client.query(views).bind(without).fetch_all::<(String, String)>().await.unwrap();
    assert!(views.len() > 20, "{views:?}");
    let mut digests = BTreeMap::new();
    for (view, columns) in views {
        let sql = format!("SELECT count(), sum(cityHash64(toString(tuple({columns})))) FROM {view}");
        let digest = client.query_raw(&sql).fetch_one::<(u64, u64)>().await;
        digests.insert(view.clone(), digest.unwrap_or_else(|error| panic!("{view}: {error}")));
    }
    digests
}

/// The tables whose rows are replaced by later versions.
async fn tables(client: &Client) -> Vec<Table> {
    let sql = "SELECT t.name AS name, \
               groupArrayIf(c.name, c.type IN ('UInt64', 'UInt32') AND NOT c.is_in_sorting_key AND c.name != 'version') AS counters, \
               toBool(countIf(c.name = 'version') > 0) AS has_version \
               FROM system.tables AS t INNER JOIN system.columns AS c ON c.table = t.name AND c.database = t.database \
               WHERE t.database = currentDatabase() AND t.engine = 'ReplacingMergeTree' AND t.total_rows > 0 \
               AND t.name NOT IN ('migrations', 'settings') GROUP BY name ORDER BY name";
    client.query(sql).fetch_all::<Table>().await.unwrap()
}

/// One thing that happens to a table.
fn disturbance(table: &Table, dice: &mut StdRng) -> String {
    let Table { name, counters, .. } = table;
    let some = format!("cityHash64(*, {}) % 3 = 0", dice.random::<u32>());
    let replaced = |version: &str, value: fn(&str) -> String| {
        let values: Vec<_> = counters.iter().map(|counter| format!("{} AS {counter}", value(counter))).collect();
        format!("{version} AS version{}{}", if values.is_empty() { "" } else { ", " }, values.join(", "))
    };
    let register = name.starts_with("counts_");
    match dice.random_range(0..5) {
        0 => format!("INSERT INTO {name} SELECT * FROM {name} WHERE {some}"),
        1 => format!("OPTIMIZE TABLE {name}"),
        2 => format!("OPTIMIZE TABLE {name} FINAL"),
        // An insert of a flush or a refresh before, which a former owner sent and the server took in late.
        3 if table.has_version => format!(
            "INSERT INTO {name} SELECT * REPLACE ({}) FROM (SELECT * FROM {name} FINAL) WHERE version > 0 AND {some}",
            replaced("version - 1", |counter| format!("intDiv({counter}, 2)"))
        ),
        // What a sweep writes where no facts are left.
        4 if register => format!(
            "INSERT INTO {name} SELECT * REPLACE (concat(staff_id, 'gone') AS staff_id, {}) FROM {name} FINAL WHERE {some}",
            replaced("version + bitShiftLeft(toUInt64(1), 48)", |_| "toUInt32(0)".to_owned())
        ),
        _ => format!("INSERT INTO {name} SELECT * FROM {name} FINAL WHERE {some}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_ties_older_versions_zeros_and_merges_at_any_moment_change_no_figure_of_any_view() {
    for seed in 0..2 {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut both = [
            Refreshed::new(&format!("shaken_{seed}"), &["c"]).await,
            Refreshed::new(&format!("steady_{seed}"), &["c"]).await,
        ];
        tell(&mut both, &mut dice).await;
        let [refreshed, steady] = both;
        let told = digests(&steady.client, &OF_THE_WRITING).await;
        let empty: Vec<_> = told.iter().filter(|(_, (rows, _))| *rows == 0).collect();
        assert!(empty.is_empty(), "nothing would be compared: {empty:?}");
        assert_same(&told, &digests(&refreshed.client, &OF_THE_WRITING).await, &format!("seed {seed}, told"));
        let before = digests(&refreshed.client, &OF_THE_CLOCK).await;
        let tables = tables(&refreshed.client).await;
        assert!(tables.iter().filter(|table| table.name.starts_with("counts_")).count() == 3, "{tables:?}");
        for number in 0..MOVES {
            let sql = disturbance(tables.choose(&mut dice).unwrap(), &mut dice);
            refreshed.execute(&sql).await;
            let after = digests(&refreshed.client, &OF_THE_CLOCK).await;
            assert_same(&before, &after, &format!("seed {seed}, move {number}: {sql}"));
        }
        // Nor does a refresh that looks at all of it again.
        let all = refresh::Settings { all: true, ..refresh::Settings::default() };
        refresh::run(&all, &refreshed.config).await.unwrap();
        assert_same(&told, &digests(&refreshed.client, &OF_THE_WRITING).await, &format!("seed {seed}, refreshed"));
    }
}

fn assert_same(before: &BTreeMap<String, (u64, u64)>, after: &BTreeMap<String, (u64, u64)>, place: &str) {
    let changed: Vec<_> = after.iter().filter(|(view, digest)| before[*view] != **digest).collect();
    assert!(changed.is_empty(), "after {place} differ {changed:?}");
}
