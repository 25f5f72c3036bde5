//! What a change of the organisation makes a refresh compute: the days and places that it concerns, and no others.
//!
//! Invariant: what had been refreshed before is as old as after a night, so that nothing is computed by chance.

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};
use yinliu::directory::{OrgRow, Publication};

use crate::{
    dimensions::{BEGIN_MS, HOUR_MS, publish, random_row},
    refreshes::age,
    support::refreshed::{Kind, Refreshed},
    views::{event, texts, told},
};

/// Five days with adds, and a refresh long after, when none of them comes of age.
async fn five_days(name: &str) -> Refreshed {
    let adds: Vec<_> =
        (9..14).map(|day| event(&format!("2025-03-{day:02}T10:00:00"), Kind::Add, "s1", &format!("x{day}"))).collect();
    let refreshed = told(name, &adds, "2025-03-25T18:00:00").await;
    age(&refreshed.client).await;
    refreshed
}

/// Of corp `c`, at work in a store of region `r`, whose name is that of the store; from some hours after `BEGIN_MS` on.
fn row(offset: u64, staff: &str, store: &str, from_hours: i64) -> OrgRow {
    OrgRow {
        publication: Publication { at: BEGIN_MS + i64::try_from(offset).unwrap(), partition: 0, offset },
        corp_id: "c".to_owned(),
        staff_id: staff.to_owned(),
        store_id: store.to_owned(),
        store_name: store.to_owned(),
        region_id: "r".to_owned(),
        region_name: "R".to_owned(),
        active: true,
        valid_from: BEGIN_MS + from_hours * HOUR_MS,
        ..OrgRow::default()
    }
}

/// Every place of those days gets a name that a refresh would never give.
async fn plant(refreshed: &Refreshed) {
    refreshed
        .execute(
            "INSERT INTO place_rows SELECT * REPLACE ('planted' AS name, toUInt64(toUnixTimestamp64Micro(now64(6))) AS version) \
             FROM place_rows FINAL",
        )
        .await;
}

/// Day of the month and place of what was computed since.
async fn computed(refreshed: &Refreshed) -> Vec<String> {
    let sql = "SELECT concat(toString(toDayOfMonth(business_date)), ' ', id) AS line FROM place_rows FINAL \
               WHERE corp_id = 'c' AND business_date < '2025-03-15' AND name != 'planted' ORDER BY business_date, id";
    texts(refreshed, sql).await
}

/// After each of these rows the places that the next refresh computes.
#[tokio::test(flavor = "multi_thread")]
async fn change_of_the_organisation_reaches_the_places_and_days_that_it_changes_and_no_others() {
    let refreshed = five_days("reached").await;
    // Of a day on which nothing else is computed again.
    refreshed
        .execute(
            "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, published_at, ingested_at) \
             VALUES ('c', 'store', 'm1', '2025-03-11', 'adds', 5, now64(3), now64(3) - INTERVAL 1 HOUR)",
        )
        .await;
    for (offset, staff, store) in [(0, "s1", "m1"), (1, "s2", "m2"), (2, "s3", "m2")] {
        publish(&refreshed, &row(offset, staff, store, -900)).await;
    }
    refreshed.refresh().await;
    // From noon in Shanghai on the 11th; the region has as many as before.
    let moves = row(3, "s3", "m1", 28);
    // What was known: published once more, as a nightly file does.
    let again = row(4, "s3", "m1", 52);
    let renamed = OrgRow { store_name: "new".to_owned(), ..row(5, "s1", "m1", 52) };
    let elsewhere = OrgRow { corp_id: "d".to_owned(), ..row(6, "s3", "m9", -900) };
    // At midnight in Shanghai before the 13th: the day before ends with it still there.
    let removed = OrgRow {
        removed: true,
        active: false,
        store_name: String::new(),
        region_id: String::new(),
        region_name: String::new(),
        ..row(7, "s3", "", 64)
    };
    // The first row of a member holds from the beginning of time.
    let hired = row(8, "s4", "m2", 52);
    for (change, expected) in [
        (None, ""),
        (Some(moves), "11 m1, 11 m2, 12 m1, 12 m2, 13 m1, 13 m2"),
        (Some(again), ""),
        (Some(renamed), "9 m1, 10 m1, 11 m1, 12 m1, 13 m1"),
        (Some(elsewhere), ""),
        (Some(removed), "13 m1, 13 r, 13 s3"),
        (
            Some(hired),
            "9 m2, 9 r, 9 s4, 10 m2, 10 r, 10 s4, 11 m2, 11 r, 11 s4, 12 m2, 12 r, 12 s4, 13 m2, 13 r, 13 s4",
        ),
    ] {
        plant(&refreshed).await;
        if let Some(row) = &change {
            publish(&refreshed, row).await;
        }
        refreshed.refresh().await;
        assert_eq!(computed(&refreshed).await.join(", "), expected, "{change:?}");
        plant(&refreshed).await;
        refreshed.refresh().await;
        assert_eq!(computed(&refreshed).await, Vec::<String>::new(), "done already: {change:?}");
    }
    let target = "SELECT toString(target) FROM place_rows FINAL WHERE business_date = '2025-03-11' AND id = 'm1'";
    assert_eq!(texts(&refreshed, target).await, ["5"], "kept through all of it");
}

/// A target is compared with what is shown: set, it makes a refresh compute its day once, said again it does nothing, and one
/// that another run has overwritten meanwhile is mended.
#[tokio::test(flavor = "multi_thread")]
async fn target_reaches_the_day_that_shows_another_and_no_refresh_after_that() {
    let refreshed = five_days("aimed").await;
    publish(&refreshed, &row(0, "s1", "m1", -900)).await;
    refreshed.refresh().await;
    let say = |offset: u32, target: u32, removed: bool| {
        format!(
            "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, removed, published_at, src_offset) \
             VALUES ('c', 'store', 'm1', '2025-03-11', 'adds', {target}, {removed}, now64(3), {offset})"
        )
    };
    let overwrite = "INSERT INTO place_rows SELECT * REPLACE (1 AS target, toUInt64(toUnixTimestamp64Micro(now64(6))) AS version) \
                     FROM place_rows FINAL WHERE business_date = '2025-03-11' AND id = 'm1'";
    let shown = "SELECT toString(target) FROM place_rows FINAL WHERE business_date = '2025-03-11' AND id = 'm1'";
    let all = ["11 m1", "11 r", "11 s1"];
    for (step, expected, target) in [
        (say(1, 5, false), &all[..], "5"),
        (say(2, 5, false), &[], "5"),
        (say(3, 7, false), &all, "7"),
        (overwrite.to_owned(), &all, "7"),
        (say(4, 0, true), &all, "0"),
    ] {
        plant(&refreshed).await;
        refreshed.execute(&step).await;
        refreshed.refresh().await;
        assert_eq!(computed(&refreshed).await, expected, "{step}");
        plant(&refreshed).await;
        refreshed.refresh().await;
        assert_eq!(computed(&refreshed).await, Vec::<String>::new(), "done already: {step}");
        assert_eq!(texts(&refreshed, shown).await, [target], "{step}");
    }
}

/// A run that may still be writing can undo what this one found right: until it is gone, a change is computed each time.
#[tokio::test(flavor = "multi_thread")]
async fn change_is_computed_again_while_another_refresh_may_be_writing() {
    let refreshed = five_days("beside").await;
    for (offset, staff, store) in [(0, "s1", "m1"), (1, "s2", "m2")] {
        publish(&refreshed, &row(offset, staff, store, -900)).await;
    }
    refreshed.refresh().await;
    refreshed.execute("INSERT INTO refresh_queue (run, batch) VALUES (1, 4294967295)").await;
    publish(&refreshed, &row(2, "s1", "m2", 52)).await;
    for _ in 0..2 {
        plant(&refreshed).await;
        refreshed.refresh().await;
        assert_eq!(computed(&refreshed).await, ["12 m1", "12 m2", "13 m1", "13 m2"]);
    }
    refreshed.execute("INSERT INTO refresh_runs (run, finished_at) VALUES (1, now64(3) - INTERVAL 1 MINUTE)").await;
    for expected in [4, 0] {
        plant(&refreshed).await;
        refreshed.refresh().await;
        assert_eq!(computed(&refreshed).await.len(), expected);
    }
}

/// Rows in any order, removals and returns, names that change: every day shows what the whole organisation says of it.
#[tokio::test(flavor = "multi_thread")]
async fn every_day_shows_the_heads_and_names_of_the_whole_organisation_after_any_change() {
    let refreshed = five_days("organised").await;
    let mut dice = SmallRng::seed_from_u64(11);
    let mut rows: Vec<_> = (0..36).map(|number| random_row(&mut dice, number)).collect();
    for row in rows.iter_mut().filter(|row| !row.removed) {
        row.valid_from += dice.random_range(-48..48) * HOUR_MS;
        row.store_name = format!("{} {}", row.store_name, dice.random_range(0..2));
        row.active = dice.random_range(0..4) > 0;
    }
    rows.shuffle(&mut dice);
    let shown = "SELECT business_date, level, id, name, staff_active FROM place_rows FINAL WHERE corp_id = 'c' \
                 AND business_date < '2025-03-15' AND (name != '' OR staff_active > 0) ORDER BY ALL";
    let expected = "SELECT d.business_date, h.level, h.id, h.name, \
                    toUInt32(arraySum(c -> if(c.at < d.ends_at, c.change, 0), h.changes)) AS heads \
                    FROM business_days AS d FINAL INNER JOIN dim_headcount AS h ON h.corp_id = d.corp_id \
                    WHERE d.corp_id = 'c' AND (h.name != '' OR heads > 0) ORDER BY ALL";
    let mut seen = std::collections::BTreeSet::new();
    for rows in rows.chunks(2) {
        for row in rows {
            publish(&refreshed, row).await;
        }
        refreshed.refresh().await;
        let found = refreshed.csv(shown).await;
        assert_eq!(found, refreshed.csv(expected).await, "{rows:#?}");
        seen.insert(found);
    }
    assert!(seen.len() > 12, "{} organisations", seen.len());
}
