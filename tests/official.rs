//! WeCom's own statistics beside what was counted.
//!
//! Invariant: expected differences are worked out by hand from the story above them.

use crate::support::refreshed::{Happening, Kind, Refreshed, instant};

fn event(time: &str, kind: Kind, staff: &str, customer: &str) -> Happening {
    Happening::new(instant(&format!("2025-03-{time}"), "Asia/Shanghai"), kind, staff, customer)
}

/// A row of the file: day, member, then new contacts, negative feedback, applications.
async fn publish(refreshed: &Refreshed, published: &str, row: &str) {
    let at_ms = instant(published, "Asia/Shanghai");
    refreshed
        .execute(&format!(
            "INSERT INTO official_log (corp_id, business_date, staff_id, new_contact_cnt, negative_feedback_cnt, \
             new_apply_cnt, removed, published_at) SELECT 'c', *, fromUnixTimestamp64Milli({at_ms}) \
             FROM values('d Date, s String, a UInt64, n UInt64, r UInt64, x Bool', {row})"
        ))
        .await;
}

/// Of the day: member, counter, official, counted, difference, late, repeated, unexplained, silent.
async fn differences(refreshed: &Refreshed) -> String {
    let sql = "SELECT staff_id, metric, official, counted, difference, late, repeated, unexplained, is_silent FROM v_official_1d \
               WHERE corp_id = 'c' AND business_date = '2025-03-10' AND (difference != 0 OR late + repeated != 0 OR metric = 'adds') \
               ORDER BY staff_id, metric";
    refreshed.csv(sql).await.replace('"', "")
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_told_by_their_causes() {
    let mut refreshed = Refreshed::new("official", &["c"]).await;
    refreshed
        .count(&[
            // Agrees; what is no add, or no application of the member, is not compared.
            event("10T09:00:00", Kind::Add, "agrees", "a"),
            event("10T09:10:00", Kind::TransferIn, "agrees", "b"),
            event("10T09:20:00", Kind::Staff, "agrees", "a"),
            event("11T00:00:00", Kind::Add, "agrees", "c"),
            // One customer who came, left and came again; another left too.
            event("10T10:00:00", Kind::Request, "repeats", "a"),
            event("10T10:05:00", Kind::Add, "repeats", "a"),
            event("10T11:00:00", Kind::Customer, "repeats", "a"),
            event("10T12:00:00", Kind::Add, "repeats", "a"),
            event("10T13:00:00", Kind::Customer, "repeats", "b"),
            // WeCom knows three, of whom two came here.
            event("10T10:00:00", Kind::Add, "lacks", "a"),
            event("10T11:00:00", Kind::Add, "lacks", "b"),
            // Of a member of whom WeCom says nothing.
            event("10T10:00:00", Kind::Add, "unknown", "a"),
            // Added before midnight, and again after the statistics were read.
            event("10T10:00:00", Kind::Add, "late", "a"),
            event("10T20:00:00", Kind::Add, "late", "a"),
            event("10T21:00:00", Kind::Add, "late", "b"),
        ])
        .await;
    publish(
        &refreshed,
        "2025-03-11T08:00:00",
        "('2025-03-10', 'agrees', 1, 0, 0, false), ('2025-03-10', 'repeats', 9, 9, 9, false)",
    )
    .await;
    publish(
        &refreshed,
        "2025-03-11T08:00:00",
        "('2025-03-10', 'lacks', 3, 0, 0, false), ('2025-03-10', 'silent', 2, 0, 0, false)",
    )
    .await;
    publish(&refreshed, "2025-03-10T19:00:00", "('2025-03-10', 'late', 1, 0, 0, false)").await;
    publish(&refreshed, "2025-03-11T08:00:00", "('2025-03-10', 'gone', 5, 0, 0, false)").await;
    // What is published later holds: a correction, and a line that was taken out.
    publish(
        &refreshed,
        "2025-03-11T09:00:00",
        "('2025-03-10', 'repeats', 1, 2, 1, false), ('2025-03-10', 'gone', 0, 0, 0, true)",
    )
    .await;
    let expected = "agrees,adds,1,1,0,0,0,0,false\n\
                    lacks,adds,3,2,-1,0,0,-1,false\n\
                    late,adds,1,3,2,2,0,0,false\n\
                    repeats,adds,1,2,1,0,1,0,false\n\
                    silent,adds,2,0,-2,0,0,-2,true\n";
    assert_eq!(differences(&refreshed).await, expected);
}
