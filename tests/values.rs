//! A day worked out by hand, in every column that a board or a reward reads: ranks, heads, targets, contests, requests.
//!
//! Invariant: expected figures are worked out from the day above them.

use crate::support::refreshed::{Happening, Kind, Refreshed, instant};

/// Three adds of `s1`, of which one leaves; two of `s2`, of which one is deleted by staff; one request of two passes.
fn day() -> Vec<Happening> {
    let rows = [
        ("09:00:00", Kind::Request, "s1", "a"),
        ("09:30:00", Kind::Request, "s1", "z"),
        ("10:00:00", Kind::Add, "s1", "a"),
        ("10:10:00", Kind::Add, "s1", "b"),
        ("10:20:00", Kind::Add, "s1", "c"),
        ("10:30:00", Kind::Add, "s2", "d"),
        ("10:40:00", Kind::Add, "s2", "e"),
        ("11:00:00", Kind::Customer, "s1", "c"),
        ("12:00:00", Kind::Staff, "s2", "e"),
    ];
    let event = |(time, kind, staff, customer): (&str, Kind, &str, &str)| {
        Happening::new(instant(&format!("2025-03-10T{time}"), "Asia/Shanghai"), kind, staff, customer)
    };
    rows.map(event).to_vec()
}

/// The day is over, and its adds are a day old; in `store-s1` there are two active members and one who is not.
async fn told(name: &str) -> Refreshed {
    let mut refreshed = Refreshed::new(name, &["c"]).await;
    refreshed.count(&day()).await;
    refreshed
        .execute(
            "INSERT INTO org_log (corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, active, published_at) \
             VALUES ('c', 's1', 'Ann', 'store-s1', 'First', 'r', 'East', true, '2025-03-01 00:00:00'), \
             ('c', 's4', 'Dan', 'store-s1', 'First', 'r', 'East', true, '2025-03-01 00:00:00'), \
             ('c', 's3', 'Cid', 'store-s1', 'First', 'r', 'East', false, '2025-03-01 00:00:00'), \
             ('c', 's2', 'Bob', 'store-s2', 'Second', 'r', 'East', true, '2025-03-01 00:00:00')",
        )
        .await;
    refreshed
        .execute(
            "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, published_at, src_offset) VALUES \
             ('c', 'store', 'store-s1', '2025-03-10', 'adds', 9, '2025-03-01 00:00:00', 1), \
             ('c', 'store', 'store-s1', '2025-03-10', 'adds', 4, '2025-03-01 00:00:00', 2), \
             ('c', 'store', 'store-s2', '2025-03-10', 'adds', 7, '2025-03-01 00:00:00', 3), \
             ('c', 'region', 'r', '2025-03-10', 'adds', 10, '2025-03-01 00:00:00', 4), \
             ('c', 'corp', '', '2025-03-10', 'net_adds', 5, '2025-03-01 00:00:00', 5), \
             ('c', 'staff', 's1', '2025-03-10', 'qualified_adds', 2, '2025-03-01 00:00:00', 6)",
        )
        .await;
    // As the topic removes: by the key, which has no metric.
    refreshed
        .execute(
            "INSERT INTO target_log (corp_id, level, id, business_date, removed, published_at, src_offset) VALUES \
             ('c', 'store', 'store-s2', '2025-03-10', true, '2025-03-02 00:00:00', 7)",
        )
        .await;
    refreshed.complete_through(instant("2025-03-12T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    refreshed
}

async fn lines(refreshed: &Refreshed, sql: &str) -> Vec<String> {
    refreshed.csv(sql).await.replace('"', "").lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn leaderboard_tells_names_heads_and_targets_at_every_level() {
    let refreshed = told("values").await;
    let board = "SELECT level, id, name, adds, net_adds, qualified_adds, qualified_final, rank, staff_active, target \
                 FROM v_leaderboard_1d WHERE corp_id = 'c' AND business_date = '2025-03-10' ORDER BY level, place";
    let expected = [
        "region,r,East,5,3,3,3,1,3,10",
        "staff,s1,Ann,3,2,2,2,1,1,0",
        "staff,s2,Bob,2,1,1,1,2,1,0",
        "store,store-s1,First,3,2,2,2,1,2,4",
        "store,store-s2,Second,2,1,1,1,2,1,0",
    ];
    assert_eq!(lines(&refreshed, board).await, expected);
    let targets = "SELECT level, id, metric, target, value FROM v_targets WHERE corp_id = 'c' ORDER BY level";
    let expected =
        ["corp,c,net_adds,5,3", "region,r,adds,10,5", "staff,s1,qualified_adds,2,2", "store,store-s1,adds,4,3"];
    assert_eq!(lines(&refreshed, targets).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn contest_per_head_divides_by_those_who_are_active() {
    let refreshed = told("heads").await;
    refreshed
        .execute(
            "INSERT INTO contest_log (corp_id, contest_id, name, level, ids, metric, basis, starts_at, ends_at, published_at) VALUES \
             ('c', 'heads', 'H', 'store', ['store-s1', 'store-s2'], 'adds', 'per_head', '2025-03-10 02:00:00', '2025-03-10 03:00:00', '2025-03-01 00:00:00'), \
             ('c', 'left', 'L', 'staff', ['s1', 's2'], 'net_adds', 'total', '2025-03-10 02:10:00', '2025-03-10 04:00:00', '2025-03-01 00:00:00'), \
             ('c', 'stay', 'S', 'region', ['r'], 'qualified_adds', 'total', '2025-03-10 02:00:00', '2025-03-10 02:40:00', '2025-03-01 00:00:00'), \
             ('c', 'soon', 'N', 'staff', ['s1'], 'adds', 'total', '2025-03-12 00:00:00', '2025-03-13 00:00:00', '2025-03-01 00:00:00')",
        )
        .await;
    let contests = "SELECT contest_id, id, metric, basis, state, value, staff_active, rank FROM v_contests \
                    WHERE corp_id = 'c' ORDER BY contest_id, rank";
    let expected = [
        "heads,store-s2,adds,per_head,ended,2,1,1",
        "heads,store-s1,adds,per_head,ended,3,2,2",
        // The add at its beginning and not those before; the deletion at its end is outside.
        "left,s2,net_adds,total,ended,2,1,1",
        "left,s1,net_adds,total,ended,1,1,2",
        "soon,s1,adds,total,upcoming,0,1,1",
        "stay,r,qualified_adds,total,ended,3,3,1",
    ];
    assert_eq!(lines(&refreshed, contests).await, expected);
}

/// The value of a contest of qualified adds is that of the leaderboard.
#[tokio::test(flavor = "multi_thread")]
async fn contest_pays_no_add_whose_friend_was_added_again_and_left() {
    let rows = [
        ("10:00:00", Kind::Add, "s1", "a"),
        ("10:05:00", Kind::Add, "s1", "a"),
        ("10:10:00", Kind::Customer, "s1", "a"),
        ("10:00:00", Kind::Add, "s1", "b"),
        ("10:05:00", Kind::Add, "s1", "b"),
    ];
    let event = |(time, kind, staff, customer): (&str, Kind, &str, &str)| {
        let at_ms = instant(&format!("2025-03-10T{time}"), "Asia/Shanghai");
        Happening::new(at_ms, kind, staff, customer)
    };
    let mut refreshed = Refreshed::new("paid", &["c"]).await;
    refreshed.count(&rows.map(event)).await;
    refreshed
        .execute(
            "INSERT INTO contest_log (corp_id, contest_id, name, level, ids, metric, basis, starts_at, ends_at, published_at) VALUES \
             ('c', 'k', 'K', 'staff', ['s1'], 'qualified_adds', 'total', '2025-03-10 00:00:00', '2025-03-11 00:00:00', '2025-03-01 00:00:00')",
        )
        .await;
    refreshed.complete_through(instant("2025-03-12T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    let contest = "SELECT value FROM v_contests WHERE corp_id = 'c'";
    assert_eq!(lines(&refreshed, contest).await, ["1"]);
    let board = "SELECT qualified_final FROM v_leaderboard_1d WHERE corp_id = 'c' AND level = 'staff'";
    assert_eq!(lines(&refreshed, board).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_is_told_with_the_first_add_that_answers_it() {
    let refreshed = told("asked").await;
    let requests = "SELECT toString(business_date), region_id, store_id, staff_id, channel, toUnixTimestamp64Milli(requested_at), \
                    toUnixTimestamp64Milli(accepted_at) FROM v_requests WHERE corp_id = 'c' ORDER BY requested_at";
    let at = |time: &str| instant(&format!("2025-03-10T{time}"), "Asia/Shanghai");
    let expected = [
        format!("2025-03-10,r,store-s1,s1,cashier,{},{}", at("09:00:00"), at("10:00:00")),
        format!("2025-03-10,r,store-s1,s1,cashier,{},\\N", at("09:30:00")),
    ];
    assert_eq!(lines(&refreshed, requests).await, expected);
}
