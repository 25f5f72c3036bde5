//! The dimensions, against the directory by which the pipeline places events.
//!
//! Invariant: rows are published as the reference topics publish them; the views are asked by name.

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use yinliu::directory::{Directory, OrgRow, Publication};

use crate::{
    support::refreshed::{Kind, Refreshed},
    views::{event, told},
};

/// 2025-03-10 00:00 UTC, and how far apart the moments of this test lie.
pub(crate) const BEGIN_MS: i64 = 1_741_564_800_000;
pub(crate) const HOUR_MS: i64 = 3_600_000;

pub(crate) fn random_row(dice: &mut SmallRng, number: u64) -> OrgRow {
    let removed = dice.random_range(0..6) == 0;
    let (store, at) = (dice.random_range(0..4), BEGIN_MS + i64::try_from(number).unwrap() * HOUR_MS);
    let place = |kind: &str| if removed { String::new() } else { format!("{kind}{store}") };
    OrgRow {
        publication: Publication { at, partition: 0, offset: number },
        removed,
        corp_id: "c".to_owned(),
        staff_id: format!("s{}", dice.random_range(0..4)),
        store_id: place("m"),
        store_name: place("store "),
        region_id: place("r"),
        region_name: place("region "),
        active: !removed,
        valid_from: at + dice.random_range(-6..6) * HOUR_MS,
        ..OrgRow::default()
    }
}

pub(crate) async fn publish(refreshed: &Refreshed, row: &OrgRow) {
    let OrgRow {
        publication, removed, corp_id, staff_id, store_id, store_name, region_id, region_name, active, ..
    } = row;
    let (at, valid_from, offset) = (publication.at, row.valid_from, publication.offset);
    refreshed
        .execute(&format!(
            "INSERT INTO org_log (corp_id, staff_id, store_id, store_name, region_id, region_name, active, removed, valid_from, \
             published_at, src_offset) VALUES ('{corp_id}', '{staff_id}', '{store_id}', '{store_name}', '{region_id}', \
             '{region_name}', {active}, {removed}, fromUnixTimestamp64Milli({valid_from}), fromUnixTimestamp64Milli({at}), {offset})"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn member_stands_in_the_dimension_of_a_moment_where_events_of_that_moment_count() {
    let refreshed = Refreshed::new("dimensions", &["c"]).await;
    let (mut dice, mut directory) = (SmallRng::seed_from_u64(5), Directory::default());
    for number in 0..40 {
        let row = random_row(&mut dice, number);
        publish(&refreshed, &row).await;
        directory.insert_org(row);
    }
    for hours in (-3..50).step_by(4) {
        let moment = BEGIN_MS + hours * HOUR_MS;
        let mut expected: Vec<_> = (0..4)
            .map(|staff| format!("s{staff}"))
            .map(|staff| (directory.place("c", &staff, moment, i64::MAX).store_id.to_owned(), staff))
            .filter(|(store, _)| !store.is_empty())
            .map(|(store, staff)| format!("{staff} {store}"))
            .collect();
        expected.sort();
        let at = moment / 1_000;
        let sql = format!(
            "SELECT concat(staff_id, ' ', store_id) AS line FROM dim_staff_at(moment = toDateTime64({at}, 3, 'UTC')) \
             WHERE corp_id = 'c' ORDER BY line"
        );
        assert_eq!(refreshed.client.query_raw(&sql).fetch_all::<String>().await.unwrap(), expected, "{hours} h");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_regions_and_channels_are_those_of_the_moment_with_the_corps_own() {
    let refreshed = Refreshed::new("dimensions_now", &["c"]).await;
    // The last one moves from the second store to the first.
    for (offset, staff, store, active) in [(0, 0, 1, true), (1, 1, 1, false), (2, 2, 2, true), (3, 2, 1, true)] {
        let row = OrgRow {
            publication: Publication { at: BEGIN_MS, partition: 0, offset },
            corp_id: "c".to_owned(),
            staff_id: format!("s{staff}"),
            store_id: format!("m{store}"),
            store_name: format!("store {store}"),
            region_id: "r".to_owned(),
            region_name: "region".to_owned(),
            active,
            valid_from: BEGIN_MS + i64::try_from(offset).unwrap() * HOUR_MS,
            ..OrgRow::default()
        };
        publish(&refreshed, &row).await;
    }
    let as_of = |view: &str, milliseconds| {
        format!("{view}_at(moment = toDateTime64({}, 3, 'UTC'))", (BEGIN_MS + milliseconds) / 1_000)
    };
    for (view, expected) in [
        (as_of("dim_store", 2 * HOUR_MS), "\"m1\",\"store 1\",\"region\",1\n\"m2\",\"store 2\",\"region\",1\n"),
        (as_of("dim_store", 3 * HOUR_MS), "\"m1\",\"store 1\",\"region\",2\n"),
        ("dim_store".to_owned(), "\"m1\",\"store 1\",\"region\",2\n"),
    ] {
        let stores = format!("SELECT store_id, store_name, region_name, staff_active FROM {view} ORDER BY store_id");
        assert_eq!(refreshed.csv(&stores).await, expected, "{view}");
    }
    for (view, expected) in [(as_of("dim_region", 2 * HOUR_MS), 2), ("dim_region".to_owned(), 1)] {
        let regions = format!("SELECT region_id, region_name, stores, staff_active FROM {view}");
        assert_eq!(refreshed.csv(&regions).await, format!("\"r\",\"region\",{expected},2\n"), "{view}");
    }
    refreshed
        .execute(
            "INSERT INTO channel_log (corp_id, state, channel, label, `group`, published_at) VALUES \
             ('c', 'k1', 'fair', 'Fair', 'event', now64(3)), ('c', 'k2', 'cashier', 'Till', '', now64(3))",
        )
        .await;
    for (view, expected) in
        [("dim_channel".to_owned(), "\"fair\",\"event\",\"Fair\"\n"), (as_of("dim_channel", HOUR_MS), "")]
    {
        let own = format!("SELECT channel, channel_group, name_en FROM {view} WHERE corp_id = 'c'");
        assert_eq!(refreshed.csv(&own).await, expected, "{view}");
    }

    let table: serde_json::Value = serde_json::from_str(include_str!("../schemas/channels.json")).unwrap();
    let text = |channel: &serde_json::Value, field: &str| channel[field].as_str().unwrap().to_owned();
    let mut known: Vec<_> = table["channels"].as_array().unwrap().iter().collect();
    known.sort_by_key(|channel| text(channel, "key"));
    let known: Vec<_> =
        known.iter().map(|each| ["key", "group", "zh", "en"].map(|field| text(each, field)).join("|")).collect();
    let every = "SELECT concat(channel, '|', channel_group, '|', name_zh, '|', name_en) FROM dim_channel WHERE corp_id = '' ORDER BY channel";
    assert_eq!(refreshed.client.query_raw(every).fetch_all::<String>().await.unwrap(), known);
}

/// Two members of one store: one leaves on the second day, one comes on the third. Rewards per head hang on who was there.
#[tokio::test(flavor = "multi_thread")]
async fn heads_of_a_day_are_those_at_its_end() {
    let adds: Vec<_> =
        (10..13).map(|day| event(&format!("2025-03-{day}T10:00:00"), Kind::Add, "s1", &format!("x{day}"))).collect();
    let refreshed = told("headcount", &adds, "2025-03-20T00:00:00").await;
    // 2025-03-10 12:00 in Shanghai, and whole days after it.
    let noon = |days: i64| BEGIN_MS + 4 * HOUR_MS + days * 24 * HOUR_MS;
    let rows = [
        ("s1", noon(-9), true, "once"),
        ("s2", noon(-9), true, "once"),
        ("s2", noon(1), false, "once"),
        ("s3", noon(2), false, "once"),
        ("s3", noon(2), true, "now"),
    ];
    for (offset, (staff, at, active, name)) in (0..).zip(rows) {
        let row = OrgRow {
            publication: Publication { at, partition: 0, offset },
            corp_id: "c".to_owned(),
            staff_id: staff.to_owned(),
            store_id: "store-s1".to_owned(),
            store_name: name.to_owned(),
            region_id: "r".to_owned(),
            active,
            valid_from: at,
            ..OrgRow::default()
        };
        publish(&refreshed, &row).await;
    }
    // A row of the organisation may concern days that were computed long before.
    refreshed.refresh().await;
    let heads = |view: &str| {
        format!(
            "SELECT business_date, staff_active FROM {view} WHERE corp_id = 'c' AND level = 'store' ORDER BY business_date"
        )
    };
    let expected = "\"2025-03-10\",2\n\"2025-03-11\",1\n\"2025-03-12\",2\n";
    for view in ["v_leaderboard_1d", "v_headcount_1d"] {
        assert_eq!(refreshed.csv(&heads(view)).await, expected, "{view}");
    }
    let one_day = "SELECT name, staff_active FROM v_leaderboard_1d WHERE corp_id = 'c' AND business_date = '2025-03-10' \
                   AND level = 'store'";
    assert_eq!(refreshed.csv(one_day).await, "\"now\",2\n");
    // One that ended on the second day, one that ended on the third.
    for (contest, ends) in [("k1", "2025-03-11 12:00:00"), ("k2", "2025-03-12 12:00:00")] {
        refreshed
            .execute(&format!(
                "INSERT INTO contest_log (corp_id, contest_id, name, level, ids, metric, basis, starts_at, ends_at, published_at) \
                 VALUES ('c', '{contest}', 'K', 'store', ['store-s1'], 'adds', 'per_head', '2025-03-09 16:00:00', '{ends}', now64(3))"
            ))
            .await;
    }
    refreshed
        .execute(
            "INSERT INTO progress (src_topic, src_partition, complete_through) VALUES ('t', 0, '2025-03-13 00:00:00')",
        )
        .await;
    let contests = "SELECT contest_id, value, staff_active FROM v_contests WHERE corp_id = 'c' ORDER BY contest_id";
    assert_eq!(refreshed.csv(contests).await, "\"k1\",2,1\n\"k2\",3,2\n");
}
