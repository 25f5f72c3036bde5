//! What an add costs: the rows of a file of costs, beside the cohorts of their days.
//!
//! Invariant: expected figures are worked out by hand from the story above them.

use crate::support::refreshed::{Happening, Kind, Refreshed, instant};

fn event(time: &str, kind: Kind, customer: &str, channel: &str) -> Happening {
    let at_ms = instant(&format!("2025-03-{time}"), "Asia/Shanghai");
    Happening { channel: channel.to_owned(), ..Happening::new(at_ms, kind, "s1", customer) }
}

async fn cost(refreshed: &Refreshed, published: u8, row: &str) {
    refreshed
        .execute(&format!(
            "INSERT INTO cost_log (corp_id, business_date, channel, campaign_id, cost_fen, removed, published_at) \
             SELECT 'c', *, fromUnixTimestamp64Milli(toInt64({published})) FROM values('d Date, h String, k String, f UInt64, x Bool', {row})"
        ))
        .await;
}

/// The figures of the day by channel: numerator, denominator, pending.
async fn figures(refreshed: &Refreshed, figure: &str) -> String {
    let sql = format!(
        "SELECT toString(business_date), channel, numerator, denominator, pending FROM v_cohort_costs_1d \
         WHERE corp_id = 'c' AND figure = '{figure}' ORDER BY business_date, channel"
    );
    refreshed.csv(&sql).await.replace('"', "")
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_count_by_day_and_channel_once_all_of_the_day_have_matured() {
    let mut refreshed = Refreshed::new("costs", &["c"]).await;
    let day = [
        event("10T10:00:00", Kind::Add, "a", "cashier"),
        event("10T10:05:00", Kind::Add, "b", "cashier"),
        event("10T11:00:00", Kind::Customer, "b", "cashier"),
        event("10T12:00:00", Kind::Add, "d", "badge"),
        // Of a day without costs.
        event("11T10:00:00", Kind::Add, "e", "cashier"),
    ];
    refreshed.count(&day).await;
    cost(&refreshed, 1, "('2025-03-10', 'cashier', 'spring', 300, false), ('2025-03-10', 'cashier', '', 90, false)")
        .await;
    // An advertisement that nobody followed.
    cost(&refreshed, 1, "('2025-03-10', 'douyin', '', 70, false)").await;
    cost(&refreshed, 1, "('2025-03-10', 'badge', '', 40, false), ('2025-03-10', 'badge', 'gone', 1000, false)").await;
    // What is published later holds: a correction, and a line that was taken out.
    cost(&refreshed, 2, "('2025-03-10', 'cashier', '', 100, false), ('2025-03-10', 'badge', 'gone', 0, true)").await;

    refreshed.complete_through(instant("2025-03-11T11:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    // The day may go on in another zone.
    let none = "2025-03-10,badge,0,0,0\n2025-03-10,cashier,0,0,0\n2025-03-10,douyin,0,0,0\n";
    assert_eq!(figures(&refreshed, "cost_per_add").await, none);

    refreshed.complete_through(instant("2025-03-13T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    let per_add = "2025-03-10,badge,40,1,0\n2025-03-10,cashier,400,2,0\n2025-03-10,douyin,70,0,0\n";
    let per_retained = "2025-03-10,badge,40,1,0\n2025-03-10,cashier,400,1,0\n2025-03-10,douyin,70,0,0\n";
    let pending = "2025-03-10,badge,0,0,1\n2025-03-10,cashier,0,0,2\n2025-03-10,douyin,0,0,0\n";
    assert_eq!(figures(&refreshed, "cost_per_add").await, per_add);
    assert_eq!(figures(&refreshed, "cost_per_retained_add_24h").await, per_retained);
    assert_eq!(figures(&refreshed, "cost_per_retained_add_7d").await, pending);

    refreshed.complete_through(instant("2025-03-19T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    assert_eq!(figures(&refreshed, "cost_per_retained_add_7d").await, per_retained);
    assert_eq!(figures(&refreshed, "cost_per_retained_add_30d").await, pending);

    refreshed.complete_through(instant("2025-04-12T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    assert_eq!(figures(&refreshed, "cost_per_retained_add_30d").await, per_retained);
}

#[tokio::test(flavor = "multi_thread")]
async fn campaign_costs_what_its_own_adds_cost() {
    let mut refreshed = Refreshed::new("campaigns", &["c"]).await;
    // Adds from advertisements on douyin name the campaign `spring`.
    let day = [
        event("10T10:00:00", Kind::Add, "a", "douyin"),
        event("10T10:05:00", Kind::Add, "b", "douyin"),
        event("10T10:10:00", Kind::Add, "d", "douyin"),
        event("10T11:00:00", Kind::Customer, "b", "douyin"),
        event("11T10:05:00", Kind::Staff, "d", "douyin"),
        event("10T12:00:00", Kind::Add, "e", "cashier"),
    ];
    refreshed.count(&day).await;
    cost(&refreshed, 1, "('2025-03-10', 'douyin', 'spring', 300, false), ('2025-03-10', 'douyin', '', 50, false)")
        .await;
    cost(&refreshed, 1, "('2025-03-10', 'douyin', 'summer', 70, false), ('2025-03-10', 'cashier', '', 9, false)").await;
    let sql = "SELECT channel, campaign_id, figure, numerator, denominator, pending FROM v_campaign_costs_1d \
               WHERE corp_id = 'c' AND NOT (figure = 'cost_per_retained_add_30d') ORDER BY channel, campaign_id, figure";
    refreshed.complete_through(instant("2025-03-13T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    let expected = [
        "cashier,,cost_per_add,9,1,0",
        "cashier,,cost_per_retained_add_24h,9,1,0",
        "cashier,,cost_per_retained_add_7d,0,0,1",
        "douyin,,cost_per_add,50,0,0",
        "douyin,,cost_per_retained_add_24h,50,0,0",
        "douyin,,cost_per_retained_add_7d,0,0,0",
        "douyin,spring,cost_per_add,300,3,0",
        "douyin,spring,cost_per_retained_add_24h,300,1,0",
        "douyin,spring,cost_per_retained_add_7d,0,0,3",
        "douyin,summer,cost_per_add,70,0,0",
        "douyin,summer,cost_per_retained_add_24h,70,0,0",
        "douyin,summer,cost_per_retained_add_7d,0,0,0",
    ];
    assert_eq!(refreshed.csv(sql).await.replace('"', "").lines().collect::<Vec<_>>(), expected);

    // Of a channel all of whose campaigns cost something it is the same as of the channel.
    refreshed.complete_through(instant("2025-04-12T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    let sums = |view: &str| {
        format!(
            "SELECT channel, figure, sum(v.numerator), sum(v.denominator), sum(v.matured), sum(v.pending) FROM {view} AS v \
             GROUP BY channel, figure ORDER BY channel, figure"
        )
    };
    let channels = refreshed.csv(&sums("v_cohort_costs_1d")).await;
    assert!(channels.contains("\"douyin\",\"cost_per_retained_add_30d\",420,1,3,0"), "{channels}");
    assert_eq!(refreshed.csv(&sums("v_campaign_costs_1d")).await, channels);
}
