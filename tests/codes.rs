//! Codes that fell silent: what is listed, and what is as usual.
//!
//! Invariant: adds are facts of their own, so that each code has the history that is written here and no other.

use clickhouse::Row;
use serde::Deserialize;

use crate::support::refreshed::{Refreshed, instant};

const ZONE: &str = "Asia/Shanghai";

/// Adds of a code: `count` of them, `every` seconds apart, the last at `last`, in the zone.
struct Adds(&'static str, u32, u32, &'static str);

async fn tell(refreshed: &Refreshed, adds: &[Adds]) {
    for Adds(code, count, every, last) in adds {
        let (topic, last) = (format!("{code} until {last}"), instant(last, ZONE));
        refreshed
            .execute(&format!(
                "INSERT INTO facts (corp_id, business_date, type, staff_id, store_id, region_id, src_topic, src_offset, \
                 event_id, occurred_at, recorded_at, channel, state) SELECT 'c', toDate(at, '{ZONE}'), 'friend.added', \
                 's1', 'store', 'r', '{topic}', number, toString(number), \
                 fromUnixTimestamp64Milli(toInt64({last} - number * {every} * 1000), 'UTC') AS at, at, 'badge', '{code}' \
                 FROM numbers({count})"
            ))
            .await;
    }
}

#[derive(Debug, PartialEq, Row, Deserialize)]
struct Listed {
    state: String,
    silent_seconds: u32,
    usual_gap_seconds: u32,
    usual_adds: Option<f64>,
}

async fn silent(refreshed: &Refreshed, through: &str) -> Vec<(String, u32, u32, Option<f64>)> {
    refreshed.complete_through(instant(through, ZONE)).await;
    let sql = "SELECT state, silent_seconds, usual_gap_seconds, usual_adds FROM v_silent_codes ORDER BY state";
    let rows = refreshed.client.query(sql).fetch_all::<Listed>().await.unwrap();
    rows.into_iter().map(|row| (row.state, row.silent_seconds, row.usual_gap_seconds, row.usual_adds)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_silent_when_adds_are_missing_that_this_part_of_the_day_usually_has() {
    let refreshed = Refreshed::new("codes", &["c"]).await;
    // Four days from 10:00 to 20:00, every ten minutes.
    let open: Vec<_> = ["2025-03-07T20:00:00", "2025-03-08T20:00:00", "2025-03-09T20:00:00", "2025-03-10T20:00:00"]
        .map(|last| Adds("open-by-day", 61, 600, last))
        .into();
    tell(&refreshed, &open).await;
    // Day and night for four days, until midnight; and nine adds, of which no gap is usual.
    tell(&refreshed, &[Adds("steady", 576, 600, "2025-03-11T00:00:00")]).await;
    tell(&refreshed, &[Adds("seldom", 9, 600, "2025-03-10T20:00:00")]).await;
    // Since yesterday evening alone: one breaks off at midnight, one has become slow before.
    tell(&refreshed, &[Adds("new", 12, 300, "2025-03-11T00:00:00")]).await;
    let slow = [Adds("slower", 200, 10, "2025-03-10T23:00:00"), Adds("slower", 5, 1_800, "2025-03-11T02:00:00")];
    tell(&refreshed, &slow).await;

    let code = |name: &str, silent, gap, adds| (name.to_owned(), silent, gap, adds);
    let three = 3 * 3_600;
    let night = [code("new", three, 300, None), code("steady", three, 600, Some(18.0))];
    assert_eq!(silent(&refreshed, "2025-03-11T03:00:00").await, night, "at night shops are closed");
    // Of the adds from 10:00 on six or more are missing.
    let listed = silent(&refreshed, "2025-03-11T10:30:00").await;
    assert!(!listed.iter().any(|(code, ..)| code == "open-by-day"), "{listed:?}");
    let listed = silent(&refreshed, "2025-03-11T11:05:00").await;
    let day = listed.iter().find(|(code, ..)| code == "open-by-day");
    assert_eq!(day, Some(&code("open-by-day", 15 * 3_600 + 300, 600, Some(7.0))), "{listed:?}");
    // The same facts written once more, as after a crash, and one that `reconcile` took out: until parts are merged both lie
    // beside the first.
    refreshed.execute("INSERT INTO facts SELECT * FROM facts").await;
    let taken = "INSERT INTO facts SELECT * REPLACE (true AS is_duplicate, 1 AS version) FROM facts WHERE state = 'new' LIMIT 1";
    refreshed.execute(taken).await;
    let again = silent(&refreshed, "2025-03-11T11:05:00").await;
    let all_but_new = |listed: &[(String, u32, u32, Option<f64>)]| {
        listed.iter().filter(|(code, ..)| code != "new").cloned().collect::<Vec<_>>()
    };
    assert_eq!(all_but_new(&again), all_but_new(&listed));
}
