//! What the figures of a closed day are measured by: targets, heads and costs as they were known at closing, beside those that
//! were published since.
//!
//! Invariant: expected figures are worked out by hand from the story above them.

use crate::{
    support::refreshed::{Happening, Kind, Refreshed, instant},
    views::{event, told},
};

/// Rows of the organisation, of targets and of costs, as of a day of publication.
async fn publish(refreshed: &Refreshed, published: &str, rows: [&str; 3]) {
    for (into, row) in [
        ("org_log (corp_id, staff_id, store_id, region_id, active, valid_from", rows[0]),
        ("target_log (corp_id, business_date, level, id, metric, target, removed", rows[1]),
        ("cost_log (corp_id, business_date, channel, campaign_id, cost_fen, removed", rows[2]),
    ] {
        let rows = row.replace('(', "('c', ").replace(')', &format!(", '{published}')"));
        refreshed.execute(&format!("INSERT INTO {into}, published_at) VALUES {rows}")).await;
    }
}

/// What the figures of the day are measured by, and they themselves: as of closing, and now.
async fn measured(refreshed: &Refreshed) -> [Vec<String>; 2] {
    let [mut closed, mut now] = [Vec::new(), Vec::new()];
    for (view, key, as_of_closing, as_of_now) in [
        (
            "v_leaderboard_1d",
            "level, id",
            "adds - adjusted_adds, closed_staff_active, closed_target",
            "adds, staff_active, target",
        ),
        ("v_headcount_1d", "level, id", "closed_staff_active", "staff_active"),
        ("v_targets", "level, metric", "closed_value, closed_target", "value, target"),
        ("v_cohort_costs_1d", "channel, figure", "closed_numerator, closed_denominator", "numerator, denominator"),
        (
            "v_campaign_costs_1d",
            "channel, campaign_id, figure",
            "closed_numerator, closed_denominator",
            "numerator, denominator",
        ),
    ] {
        for (told, columns) in [(&mut closed, as_of_closing), (&mut now, as_of_now)] {
            let sql = format!(
                "SELECT '{view}', {key}, {columns} FROM {view} WHERE corp_id = 'c' AND business_date = '2025-03-10' ORDER BY ALL"
            );
            let lines = refreshed.csv(&sql).await.replace('"', "");
            told.extend(
                lines.lines().filter(|line| !line.contains("_7d,") && !line.contains("_30d,")).map(str::to_owned),
            );
        }
    }
    [closed, now]
}

/// Of the story below: one of two adds of the first member was lost, the second member stands in the first store.
const AS_OF_CLOSING: [&str; 23] = [
    "v_leaderboard_1d,region,online,1,0,0",
    "v_leaderboard_1d,region,r,2,2,0",
    "v_leaderboard_1d,staff,s1,2,1,4",
    "v_leaderboard_1d,staff,s2,1,1,0",
    "v_leaderboard_1d,store,store-s1,2,2,5",
    "v_leaderboard_1d,store,store-s2,1,0,0",
    "v_headcount_1d,region,r,2",
    "v_headcount_1d,staff,s1,1",
    "v_headcount_1d,staff,s2,1",
    "v_headcount_1d,staff,s9,0",
    "v_headcount_1d,store,store-s1,2",
    "v_headcount_1d,store,store-s9,0",
    "v_targets,corp,qualified_adds,2,8",
    "v_targets,staff,adds,2,4",
    "v_targets,store,adds,2,5",
    "v_cohort_costs_1d,cashier,cost_per_add,300,2",
    "v_cohort_costs_1d,cashier,cost_per_retained_add_24h,300,1",
    "v_cohort_costs_1d,douyin,cost_per_add,90,1",
    "v_cohort_costs_1d,douyin,cost_per_retained_add_24h,90,1",
    "v_campaign_costs_1d,cashier,,cost_per_add,300,2",
    "v_campaign_costs_1d,cashier,,cost_per_retained_add_24h,300,1",
    "v_campaign_costs_1d,douyin,spring,cost_per_add,90,1",
    "v_campaign_costs_1d,douyin,spring,cost_per_retained_add_24h,90,1",
];

/// And what it is once everything was published anew.
const AMENDED: [&str; 30] = [
    "v_leaderboard_1d,region,online,1,0,0",
    "v_leaderboard_1d,region,r,3,3,0",
    "v_leaderboard_1d,staff,s1,3,1,40",
    "v_leaderboard_1d,staff,s2,1,1,0",
    "v_leaderboard_1d,store,store-s1,3,1,0",
    "v_leaderboard_1d,store,store-s2,1,2,0",
    "v_headcount_1d,region,r,3",
    "v_headcount_1d,staff,s1,1",
    "v_headcount_1d,staff,s2,1",
    "v_headcount_1d,staff,s3,1",
    "v_headcount_1d,staff,s9,0",
    "v_headcount_1d,store,store-s1,1",
    "v_headcount_1d,store,store-s2,2",
    "v_headcount_1d,store,store-s9,0",
    "v_targets,corp,qualified_adds,3,80",
    "v_targets,region,net_adds,2,7",
    "v_targets,staff,adds,3,40",
    "v_targets,store,adds,3,0",
    "v_cohort_costs_1d,badge,cost_per_add,50,0",
    "v_cohort_costs_1d,badge,cost_per_retained_add_24h,50,0",
    "v_cohort_costs_1d,cashier,cost_per_add,999,3",
    "v_cohort_costs_1d,cashier,cost_per_retained_add_24h,999,2",
    "v_cohort_costs_1d,douyin,cost_per_add,0,0",
    "v_cohort_costs_1d,douyin,cost_per_retained_add_24h,0,0",
    "v_campaign_costs_1d,badge,,cost_per_add,50,0",
    "v_campaign_costs_1d,badge,,cost_per_retained_add_24h,50,0",
    "v_campaign_costs_1d,cashier,,cost_per_add,999,3",
    "v_campaign_costs_1d,cashier,,cost_per_retained_add_24h,999,2",
    "v_campaign_costs_1d,douyin,spring,cost_per_add,0,0",
    "v_campaign_costs_1d,douyin,spring,cost_per_retained_add_24h,0,0",
];

/// Rewards were paid by the organisation, the targets and the costs of that moment.
#[tokio::test(flavor = "multi_thread")]
async fn closed_day_is_measured_by_what_was_known_at_closing_beside_what_was_published_since() {
    let events = [
        event("10:00:00", Kind::Add, "s1", "x1"),
        event("10:00:00", Kind::Add, "s1", "x2"),
        event("11:00:00", Kind::Customer, "s1", "x2"),
        Happening { channel: "douyin".to_owned(), ..event("12:00:00", Kind::Add, "s2", "x3") },
    ];
    let mut refreshed = told("measured", &events, "2025-03-12T00:00:00").await;
    publish(
        &refreshed,
        "2025-03-01",
        [
            "('s1', 'store-s1', 'r', true, '2025-03-01'), ('s2', 'store-s1', 'r', true, '2025-03-01')",
            "('2025-03-10', 'staff', 's1', 'adds', 4, false), ('2025-03-10', 'store', 'store-s1', 'adds', 3, false), \
             ('2025-03-10', 'corp', '', 'qualified_adds', 8, false)",
            "('2025-03-10', 'cashier', '', 300, false), ('2025-03-10', 'douyin', 'spring', 70, false)",
        ],
    )
    .await;
    refreshed.complete_through(instant("2025-03-13T23:59:59", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    let [closed, _] = measured(&refreshed).await;
    let is_none = |line: &String| line.starts_with("v_leaderboard_1d") || line.ends_with(",0");
    assert!(closed.len() > 12 && closed.iter().all(is_none), "it still settles: {closed:#?}");

    // What comes while it settles is known in time; who left after the day was there at its end.
    publish(
        &refreshed,
        "2025-03-13",
        [
            "('s9', 'store-s9', 'r', false, '2025-03-01'), ('s1', 'store-s1', 'r', false, '2025-03-12')",
            "('2025-03-10', 'store', 'store-s1', 'adds', 5, false)",
            "('2025-03-10', 'douyin', 'spring', 90, false)",
        ],
    )
    .await;
    refreshed.complete_through(instant("2025-03-14T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    assert_eq!(
        measured(&refreshed).await,
        [AS_OF_CLOSING, AS_OF_CLOSING].map(|lines| lines.map(str::to_owned).to_vec())
    );

    // One member was elsewhere by then, and one more is known; targets are raised, withdrawn and set late; an advertisement
    // cost nothing, the till more, and badges something too. And an add comes late.
    publish(
        &refreshed,
        "2025-03-20",
        [
            "('s2', 'store-s2', 'r', true, '2025-03-05'), ('s3', 'store-s2', 'r', true, '2025-03-20')",
            "('2025-03-10', 'staff', 's1', 'adds', 40, false), ('2025-03-10', 'store', 'store-s1', '', 0, true), \
             ('2025-03-10', 'corp', '', 'qualified_adds', 80, false), ('2025-03-10', 'region', 'r', 'net_adds', 7, false)",
            "('2025-03-10', 'cashier', '', 999, false), ('2025-03-10', 'douyin', 'spring', 0, true), \
             ('2025-03-10', 'badge', '', 50, false)",
        ],
    )
    .await;
    // Of a run that began before and was given up; it arrives now.
    for late in [
        "INSERT INTO closed_place_rows SELECT * REPLACE (1 AS run, 9 AS staff_active, map('adds', 9) AS targets) FROM closed_place_rows",
        "INSERT INTO closed_cost_rows SELECT * REPLACE (1 AS run, 9 AS cost_fen, 9 AS adds, 9 AS retained_24h) FROM closed_cost_rows",
        "INSERT INTO closings (corp_id, business_date, run, complete_through) SELECT corp_id, business_date, 1, complete_through FROM closings",
    ] {
        refreshed.execute(late).await;
    }
    refreshed.count(&[event("13:00:00", Kind::Add, "s1", "x4")]).await;
    refreshed.complete_through(instant("2025-03-21T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    let [mut closed, now] = measured(&refreshed).await;
    let added = [
        "v_headcount_1d,staff,s3,0",
        "v_headcount_1d,store,store-s2,0",
        "v_targets,region,net_adds,1,0",
        "v_cohort_costs_1d,badge,cost_per_add,0,0",
        "v_cohort_costs_1d,badge,cost_per_retained_add_24h,0,0",
        "v_campaign_costs_1d,badge,,cost_per_add,0,0",
        "v_campaign_costs_1d,badge,,cost_per_retained_add_24h,0,0",
    ];
    closed.retain(|line| !added.contains(&line.as_str()));
    assert_eq!(closed, AS_OF_CLOSING);
    assert_eq!(now, AMENDED);
}
