//! What a warehouse goes through without anyone's doing: rows sent twice, rows of an earlier flush that arrive late, zeros
//! of a sweep, merges at any moment. No figure of any view changes by it.
//!
//! Invariant: whole tables are disturbed, by what their engine and columns say; a view that is added is watched too.

use std::collections::BTreeMap;

use clickhouse::{Client, Row};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde::Deserialize;

use crate::support::refreshed::{Happening, Kind, Refreshed, instant};

/// Moves of one history: each of the kinds comes up several times.
const MOVES: usize = 30;

/// Columns that say when a question is asked, and not what was counted.
const OF_THE_CLOCK: [&str; 1] = ["lag_seconds"];

#[derive(Debug, Row, Deserialize)]
struct Table {
    name: String,
    counters: Vec<String>,
    has_version: bool,
}

/// A day of a few people and customers, some of it late, told in flushes at random.
async fn told(name: &str, dice: &mut StdRng) -> Refreshed {
    let mut refreshed = Refreshed::new(name, &["c"]).await;
    let kinds = [Kind::Add, Kind::Add, Kind::Customer, Kind::Staff, Kind::Inbound, Kind::Outbound, Kind::Order];
    let midnight = instant("2025-03-10T00:00:00", "Asia/Shanghai");
    let mut events: Vec<_> = (0..120)
        .map(|number| Happening {
            at_ms: midnight + dice.random_range(0..90_000_000),
            corp: "c".to_owned(),
            customer: format!("x{}", dice.random_range(0..15)),
            staff: format!("s{}", dice.random_range(0..4)),
            kind: *kinds.choose(dice).unwrap(),
            id: format!("e{number}"),
            channel: ["cashier", "badge", "shared"].choose(dice).unwrap().to_string(),
            amount: dice.random_range(1..1_000),
        })
        .collect();
    events.sort_by_key(|event| event.at_ms);
    while !events.is_empty() {
        let rest = events.split_off(dice.random_range(1..=events.len().min(20)));
        refreshed.count(&events).await;
        events = rest;
    }
    refreshed.complete_through(instant("2025-03-20T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    refreshed
}

/// By view a digest of all its rows.
async fn digests(client: &Client) -> BTreeMap<String, (u64, u64)> {
    let views = "SELECT table, arrayStringConcat(groupArray(name), ', ') FROM system.columns WHERE database = currentDatabase() \
                 AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View') \
                 AND name NOT IN ? GROUP BY table";
    let views = client.query(views).bind(OF_THE_CLOCK.as_slice()).fetch_all::<(String, String)>().await.unwrap();
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
    let replaced = |version: &str, value: &str| {
        let values: Vec<_> = counters.iter().map(|counter| format!("{value} AS {counter}")).collect();
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
            replaced("version - 1", "toUInt32(3)")
        ),
        // What a sweep writes where no facts are left.
        4 if register => format!(
            "INSERT INTO {name} SELECT * REPLACE (concat(staff_id, 'gone') AS staff_id, {}) FROM {name} FINAL WHERE {some}",
            replaced("version + bitShiftLeft(toUInt64(1), 48)", "toUInt32(0)")
        ),
        _ => format!("INSERT INTO {name} SELECT * FROM {name} FINAL WHERE {some}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_ties_older_versions_zeros_and_merges_at_any_moment_change_no_figure_of_any_view() {
    for seed in 0..2 {
        let mut dice = StdRng::seed_from_u64(seed);
        let refreshed = told(&format!("versions_{seed}"), &mut dice).await;
        let before = digests(&refreshed.client).await;
        let tables = tables(&refreshed.client).await;
        assert!(tables.iter().filter(|table| table.name.starts_with("counts_")).count() == 3, "{tables:?}");
        for number in 0..MOVES {
            let sql = disturbance(tables.choose(&mut dice).unwrap(), &mut dice);
            refreshed.execute(&sql).await;
            let after = digests(&refreshed.client).await;
            let changed: Vec<_> = after.iter().filter(|(view, digest)| before[*view] != **digest).collect();
            assert!(changed.is_empty(), "seed {seed}, move {number}: after {sql} differ {changed:?}");
        }
        // Nor does a refresh that looks at all of it again.
        refreshed.refresh().await;
    }
}
