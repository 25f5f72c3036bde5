//! Episodes and cohort figures in a real engine: hand-made stories, and random histories against a slow recount.
//!
//! Invariant: what `refresh` leaves behind is a function of the facts and of the instant they are complete through;
//! neither their order nor the number, the moments and the ends of the runs decide anything.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};
use yinliu::refresh;

use crate::{
    lineage,
    support::{
        figures::same,
        refreshed::{Happening, Kind, Refreshed, instant, zone},
    },
};

/// Customers of the random histories.
const HISTORIES: usize = 20_000;

const CORPS: [&str; 2] = ["c", "ny"];

/// A short history: few members of staff, few days, instants that often coincide or lie on an edge of a day or a span.
fn history(dice: &mut SmallRng, number: usize) -> Vec<Happening> {
    const KINDS: [Kind; 14] = [
        Kind::Add,
        Kind::Add,
        Kind::Add,
        Kind::Add,
        Kind::Customer,
        Kind::Customer,
        Kind::Staff,
        Kind::TransferOut,
        Kind::TransferIn,
        Kind::Request,
        Kind::Inbound,
        Kind::Outbound,
        Kind::Order,
        Kind::Order,
    ];
    // Daylight saving begins in New York on 2025-03-09.
    const DAYS: [&str; 6] = ["2025-03-08", "2025-03-09", "2025-03-10", "2025-03-11", "2025-03-15", "2025-03-16"];
    const TIMES: [&str; 6] = ["00:00:00", "00:30:00", "10:00:00", "10:00:01", "10:00:40", "23:59:59"];
    let corp = CORPS[number % CORPS.len()];
    let count = dice.random_range(1..12);
    let event = |(at, dice): (usize, &mut SmallRng)| {
        let text = format!("{}T{}", DAYS[dice.random_range(0..DAYS.len())], TIMES[dice.random_range(0..TIMES.len())]);
        let kind = KINDS[dice.random_range(0..KINDS.len())];
        let channels =
            if kind == Kind::Add { &["cashier", "douyin", "shared"][..] } else { &["cashier", "douyin"][..] };
        Happening {
            at_ms: instant(&text, zone(corp)),
            corp: corp.to_owned(),
            customer: format!("x{number}"),
            staff: format!("s{}", dice.random_range(0..3)),
            kind,
            id: format!("e{number}-{:02}-{at}", dice.random_range(0..99)),
            channel: channels[dice.random_range(0..channels.len())].to_owned(),
            amount: dice.random_range(1..1_000),
        }
    };
    (0..count).map(|at| event((at, &mut *dice))).collect()
}

pub(crate) async fn check(refreshed: &Refreshed, corp: &str, events: &[Happening], horizon_ms: i64) {
    let (expected, found) = (lineage::episodes(events), refreshed.episodes(corp).await);
    let by_key = |episodes: Vec<_>| -> BTreeMap<_, _> {
        let key = |episode: &crate::support::refreshed::Episode| {
            (episode.corp.clone(), episode.customer.clone(), episode.staff.clone(), episode.number)
        };
        episodes.into_iter().map(|episode| (key(&episode), episode)).collect()
    };
    assert_eq!(expected.len(), found.len(), "{corp}: as many episodes");
    same("episodes", &by_key(expected), &by_key(found));
    let cells = lineage::figures(events, horizon_ms);
    same("figures", &cells, &refreshed.figures(corp).await);
    same("figures of the long view", &lineage::told(&cells), &refreshed.told(corp).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_random_histories_are_counted_as_a_slow_recount_counts_them() {
    let mut dice = SmallRng::seed_from_u64(5);
    let mut events: Vec<_> = (0..HISTORIES).flat_map(|number| history(&mut dice, number)).collect();
    events.shuffle(&mut dice);
    let mut refreshed = Refreshed::new("histories", &CORPS).await;
    let horizons = ["2025-03-09T12:00:00", "2025-03-11T00:00:00", "2025-03-16T10:00:00", "2025-04-12T00:00:00"];
    let mut counted = 0;
    for (round, horizon) in horizons.iter().enumerate() {
        let until = events.len() * (round + 1) / horizons.len();
        refreshed.count(&events[counted..until]).await;
        counted = until;
        let horizon_ms = instant(horizon, "Asia/Shanghai");
        refreshed.complete_through(horizon_ms).await;
        match round {
            // In two places at once.
            0 | 2 => {
                tokio::join!(refreshed.refresh(), refreshed.refresh());
            }
            // Broken off at a random moment, then begun again.
            1 => {
                let settings = refresh::Settings::default();
                let limit = std::time::Duration::from_millis(dice.random_range(50..1_500));
                drop(tokio::time::timeout(limit, refresh::run(&settings, &refreshed.config)).await);
            }
            _ => {}
        }
        if round % 2 == 1 {
            for table in ["customer_events", "episode_rows", "request_rows", "cohort_rows"] {
                refreshed.execute(&format!("OPTIMIZE TABLE {table} FINAL")).await;
            }
        }
        refreshed.refresh().await;
        for corp in CORPS {
            let own: Vec<_> = events[..until].iter().filter(|event| event.corp == corp).cloned().collect();
            check(&refreshed, corp, &own, horizon_ms).await;
        }
    }
    let rested = refreshed.refresh().await;
    assert_eq!(rested.customers, 0, "nothing came in: {rested}");
    let mut adds = Vec::new();
    for view in ["v_cohorts_1d", "v_counts_1d"] {
        let sql = format!("SELECT sum(v.adds) FROM {view} AS v");
        adds.push(refreshed.client.query(&sql).fetch_one::<u64>().await.unwrap());
    }
    assert_eq!(adds[0], adds[1], "members of the cohorts are the adds");
}
