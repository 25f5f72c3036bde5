//! Losses after broadcasts in random histories, against a slow recount.
//!
//! Invariant: neither the order of the facts nor the number of the runs decides a figure.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};

use crate::{
    refreshes::age,
    support::{
        figures::same,
        refreshed::{Happening, Kind, Refreshed, instant, zone},
    },
};

const CORPS: [&str; 2] = ["c", "ny"];

const DAY_MS: i64 = 86_400_000;

/// Instants that often coincide, or lie 24 h or a millisecond less apart; clocks go forward in New York on 2025-03-09.
fn happening(dice: &mut SmallRng, corp: &str, kind: Kind, customer: String, number: usize) -> Happening {
    const DAYS: [&str; 5] = ["2025-03-08", "2025-03-09", "2025-03-10", "2025-03-11", "2025-03-13"];
    const TIMES: [&str; 5] = ["00:00:00", "09:59:59", "10:00:00", "10:00:01", "23:59:59"];
    let text = format!("{}T{}", DAYS[dice.random_range(0..DAYS.len())], TIMES[dice.random_range(0..TIMES.len())]);
    let task = format!("t{:02}", dice.random_range(0..40));
    Happening {
        at_ms: instant(&text, zone(corp)) + dice.random_range(-1..=1),
        corp: corp.to_owned(),
        customer,
        staff: format!("s{}", dice.random_range(0..3)),
        kind,
        id: format!("e{number}"),
        channel: if kind == Kind::Broadcast { task } else { "cashier".to_owned() },
        amount: dice.random_range(1..100),
    }
}

fn histories(dice: &mut SmallRng) -> Vec<Happening> {
    const KINDS: [Kind; 10] = [
        Kind::Add,
        Kind::Add,
        Kind::Add,
        Kind::TransferIn,
        Kind::Customer,
        Kind::Customer,
        Kind::Customer,
        Kind::Customer,
        Kind::Staff,
        Kind::TransferOut,
    ];
    let mut events = Vec::new();
    for corp in CORPS {
        for number in 0..60 {
            let to = if dice.random_bool(0.5) { String::new() } else { format!("x{}", dice.random_range(0..30)) };
            events.push(happening(dice, corp, Kind::Broadcast, to, number));
        }
        for number in 60..2_000 {
            let (kind, customer) = (KINDS[dice.random_range(0..KINDS.len())], dice.random_range(0..400));
            events.push(happening(dice, corp, kind, format!("x{customer}"), number));
        }
    }
    events.shuffle(dice);
    events
}

/// Audience, and who deleted whom they were friends with when it was sent, by corp and task.
fn recount(events: &[Happening]) -> BTreeMap<(String, String), (u64, u64)> {
    let sent: Vec<_> = events.iter().enumerate().filter(|(_, event)| event.kind == Kind::Broadcast).collect();
    let mut audiences = BTreeMap::<_, u64>::new();
    for (_, sent) in &sent {
        *audiences.entry((sent.corp.clone(), sent.channel.clone())).or_default() += sent.amount;
    }
    let mut blamed = BTreeMap::<_, BTreeSet<(usize, &str)>>::new();
    for Loss { friend_from_ms, loss } in losses(events) {
        let got = |sent: &Happening| {
            let to_them = sent.customer.is_empty() || sent.customer == loss.customer;
            to_them && (&sent.corp, &sent.staff) == (&loss.corp, &loss.staff) && friend_from_ms <= sent.at_ms
        };
        let before = |sent: &Happening| sent.at_ms <= loss.at_ms && loss.at_ms < sent.at_ms + DAY_MS;
        let last = sent
            .iter()
            .filter(|(_, sent)| got(sent) && before(sent))
            .max_by_key(|(number, sent)| (sent.at_ms, &sent.channel, *number));
        if let Some((number, last)) = last {
            blamed.entry((last.corp.clone(), last.channel.clone())).or_default().insert((*number, &loss.customer));
        }
    }
    let with_losses = |(key, audience)| {
        let deleted = blamed.get(&key).map_or(0, BTreeSet::len);
        (key, (audience, u64::try_from(deleted).unwrap()))
    };
    audiences.into_iter().map(with_losses).collect()
}

/// A customer who was a friend from this instant on, and left.
struct Loss<'a> {
    friend_from_ms: i64,
    loss: &'a Happening,
}

/// Goes through what happened between each two, one instant after another. Of the two nothing is known at first: whoever
/// is deleted then was a friend from before.
fn losses(events: &[Happening]) -> Vec<Loss<'_>> {
    let mut twos = BTreeMap::<_, BTreeMap<i64, Vec<&Happening>>>::new();
    for event in events.iter().filter(|event| event.kind != Kind::Broadcast) {
        let two = twos.entry((&event.corp, &event.staff, &event.customer)).or_default();
        two.entry(event.at_ms).or_default().push(event);
    }
    let mut losses = Vec::new();
    for instants in twos.into_values() {
        let (mut friend_from, mut is_known) = (None, false);
        for (at_ms, events) in instants {
            let begins = events.iter().any(|event| matches!(event.kind, Kind::Add | Kind::TransferIn));
            let ends = events.iter().any(|event| !matches!(event.kind, Kind::Add | Kind::TransferIn));
            let was_friend = friend_from;
            let from_before = (!is_known && !begins).then_some(i64::MIN);
            // Friends end first and begin again; others begin first, and that ends at once.
            let ended = was_friend.or(begins.then_some(at_ms)).or(from_before).filter(|_| ends);
            friend_from = match (was_friend, begins, ends) {
                (Some(_), true, true) | (None, true, false) => Some(at_ms),
                (from, _, false) => from,
                (_, _, true) => None,
            };
            is_known = true;
            let loss = events.into_iter().find(|event| event.kind == Kind::Customer);
            losses.extend(ended.zip(loss).map(|(friend_from_ms, loss)| Loss { friend_from_ms, loss }));
        }
    }
    losses
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_after_broadcasts_of_random_histories_are_those_of_a_slow_recount() {
    let mut dice = SmallRng::seed_from_u64(7);
    let events = histories(&mut dice);
    let mut refreshed = Refreshed::new("blamed", &CORPS).await;
    refreshed.complete_through(instant("2025-04-01T00:00:00", "Asia/Shanghai")).await;
    let (mut counted, mut expected) = (0, BTreeMap::new());
    for until in [events.len() / 2, events.len() - 40, events.len() - 3, events.len()] {
        refreshed.count(&events[counted..until]).await;
        counted = until;
        refreshed.refresh().await;
        expected = recount(&events[..until]);
        let sql = "SELECT toString(corp_id), task_id, sum(v.audience), sum(v.deleted_24h) FROM v_broadcasts AS v \
                   GROUP BY corp_id, task_id";
        let found = refreshed.client.query(sql).fetch_all::<(String, String, u64, u64)>().await.unwrap();
        let found = found.into_iter().map(|(corp, task, audience, deleted)| ((corp, task), (audience, deleted)));
        same("losses after broadcasts", &expected, &found.collect());
        age(&refreshed.client).await;
    }
    let (audience, deleted) = expected.values().fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    assert!(audience > 3_000 && deleted > 200, "{deleted} of {audience}");
}
