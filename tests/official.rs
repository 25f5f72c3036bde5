//! WeCom's own statistics beside what was counted.
//!
//! Invariant: expected differences are worked out by hand from the story above them.

use crate::support::refreshed::{Happening, Kind, Refreshed, instant};

fn event(time: &str, kind: Kind, staff: &str, customer: &str) -> Happening {
    Happening::new(instant(&format!("2025-03-{time}"), "Asia/Shanghai"), kind, staff, customer)
}

/// A row of the file: day, member, then new contacts, negative feedback, applications.
async fn publish(refreshed: &Refreshed, published: &str, row: &str) {
    publish_for(refreshed, "c", published, row).await;
}

/// The same of a corp.
async fn publish_for(refreshed: &Refreshed, corp: &str, published: &str, row: &str) {
    let at_ms = instant(published, "Asia/Shanghai");
    refreshed
        .execute(&format!(
            "INSERT INTO official_log (corp_id, business_date, staff_id, new_contact_cnt, negative_feedback_cnt, \
             new_apply_cnt, removed, published_at) SELECT '{corp}', *, fromUnixTimestamp64Milli({at_ms}) \
             FROM values('d Date, s String, a UInt64, n UInt64, r UInt64, x Bool', {row})"
        ))
        .await;
}

/// Of the day: member, counter, official, counted, difference, shifted, late, repeated, unexplained, silent.
async fn differences(refreshed: &Refreshed) -> String {
    let sql = "SELECT staff_id, metric, official, counted, difference, shifted, late, repeated, unexplained, is_silent FROM v_official_1d \
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
    let expected = "agrees,adds,1,1,0,0,0,0,0,false\n\
                    lacks,adds,3,2,-1,0,0,0,-1,false\n\
                    late,adds,1,3,2,0,2,0,0,false\n\
                    repeats,adds,1,2,1,0,0,1,0,false\n\
                    silent,adds,2,0,-2,0,0,0,-2,true\n";
    assert_eq!(differences(&refreshed).await, expected);
}

/// Days of New York begin twelve hours after those of Beijing, days of Auckland five hours before.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_day_of_another_zone_explains_is_a_cause_of_its_own() {
    let zones = [("east", "Pacific/Auckland"), ("west", "America/New_York")];
    let mut refreshed = Refreshed::with_zones("official_zones", &zones).await;
    let add = |zone: (&str, &str), time: &str, staff: &str, customer: &str| {
        let add = Happening::new(instant(&format!("2025-03-{time}"), zone.1), Kind::Add, staff, customer);
        Happening { corp: zone.0.to_owned(), ..add }
    };
    let [east, west] = zones;
    refreshed
        .count(&[
            // Of the 10th in Beijing, of the 9th in New York.
            add(west, "09T12:00:00", "s1", "a"),
            add(west, "09T14:00:00", "s1", "b"),
            // Of the 10th in both, one of them of the same customer.
            add(west, "10T09:00:00", "s1", "d"),
            add(west, "10T11:59:59", "s1", "b"),
            // Of the 11th in Beijing, of the 10th in New York.
            add(west, "10T12:00:00", "s1", "e"),
            // Of the 9th in Beijing, of the 10th in Auckland; of the 10th in both; of the 10th in Beijing, of the 11th in Auckland.
            add(east, "10T04:59:59", "s1", "a"),
            add(east, "10T05:00:00", "s1", "b"),
            add(east, "11T04:59:59", "s1", "d"),
        ])
        .await;
    // Told after the statistics were read, and of another day.
    refreshed.count_after(&[add(west, "09T15:00:00", "s2", "f")], 3 * 86_400_000).await;
    // One more came to New York of which no callback tells.
    let rows = "('2025-03-09', 's1', 0, 0, 0, false), ('2025-03-10', 's1', 4, 0, 0, false), ('2025-03-11', 's1', 1, 0, 0, false), \
                ('2025-03-10', 's2', 0, 0, 0, false)";
    publish_for(&refreshed, west.0, "2025-03-12T08:00:00", rows).await;
    let rows = "('2025-03-09', 's1', 1, 0, 0, false), ('2025-03-10', 's1', 2, 0, 0, false), ('2025-03-11', 's1', 0, 0, 0, false)";
    publish_for(&refreshed, east.0, "2025-03-12T08:00:00", rows).await;
    let sql = "SELECT corp_id, toDayOfMonth(business_date), staff_id, official, counted, difference, shifted, late, repeated, unexplained, \
               is_silent FROM v_official_1d WHERE metric = 'adds' ORDER BY ALL";
    let expected = [
        "east,9,s1,1,0,-1,-1,0,0,0,false",
        "east,10,s1,2,2,0,0,0,0,0,false",
        "east,11,s1,0,1,1,1,0,0,0,false",
        "west,9,s1,0,2,2,2,0,0,0,false",
        "west,10,s1,4,3,-1,-1,0,1,-1,false",
        "west,10,s2,0,0,0,-1,1,0,0,false",
        "west,11,s1,1,0,-1,-1,0,0,0,false",
    ];
    assert_eq!(refreshed.csv(sql).await.replace('"', "").lines().collect::<Vec<_>>(), expected);
    let unequal = "SELECT count() FROM v_official_1d WHERE difference != shifted + toInt64(late) + toInt64(repeated) + unexplained";
    assert_eq!(refreshed.csv(unequal).await, "0\n");
}
