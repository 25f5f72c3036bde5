//! Episodes and cohort figures, counted once more: one event after another, one customer after another.
//!
//! Invariant: slow and obvious; shares no line with the SQL and knows no table.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::refreshed::{Cell, Episode, Figures, Happening, Kind, Told, by_customer, day};

const DAY_MS: i64 = 86_400_000;

/// All episodes of these events.
pub(crate) fn episodes(events: &[Happening]) -> Vec<Episode> {
    let mut all: Vec<_> = by_customer(events).into_values().flat_map(|events| of_customer(&events)).collect();
    all.sort();
    all
}

fn of_customer(events: &[Happening]) -> Vec<Episode> {
    let staff: BTreeSet<_> = events.iter().map(|event| event.staff.clone()).collect();
    let mut begun: Vec<_> = staff
        .iter()
        .flat_map(|staff| of_two(&events.iter().filter(|event| event.staff == *staff).cloned().collect::<Vec<_>>()))
        .collect();
    begun.sort_by_key(|(episode, event_id)| {
        let kind = ["unknown", "transfer", "add"].iter().position(|kind| *kind == episode.begun_by);
        (episode.began_ms, kind, episode.staff.clone(), event_id.clone())
    });
    let numbered = |(number, (episode, _)): (u32, (Episode, String))| Episode { number_in_corp: number, ..episode };
    let mut episodes: Vec<_> = (1..).zip(begun).map(numbered).collect();
    let heirs: Vec<_> = (0..episodes.len()).map(|at| heir(&episodes, at)).collect();
    let as_begun = episodes.clone();
    for (at, episode) in episodes.iter_mut().enumerate() {
        if let Some(heir) = heirs[at] {
            episode.handed_to.clone_from(&as_begun[heir].staff);
        }
        let mut last = at;
        while let Some(heir) = heirs[last] {
            last = heir;
        }
        if as_begun[last].ended_by != "transfer" {
            (episode.lost_ms, episode.lost_by) = (as_begun[last].ended_ms, as_begun[last].ended_by.clone());
        }
        (episode.unfriended_ms, episode.unfriended_by) = parting(&as_begun, &heirs, at);
    }
    talk(&mut episodes, events);
    for order in events.iter().filter(|event| event.kind == Kind::Order) {
        credit(&mut episodes, &heirs, order);
    }
    episodes
}

/// Whether the channel is one of transfers (contract, section 2).
fn is_transfer(event: &Happening) -> bool {
    ["shared", "assigned"].contains(&event.channel.as_str())
}

/// The episodes of one member of staff and one customer, each with the id of the event that began it.
fn of_two(events: &[Happening]) -> Vec<(Episode, String)> {
    let instants: BTreeSet<_> = events.iter().map(|event| event.at_ms).collect();
    let mut two = Two::default();
    for instant in instants {
        let of = |kinds: &[Kind]| {
            let mut found = Vec::new();
            for kind in kinds {
                let mut same: Vec<_> = events
                    .iter()
                    .filter(|event| event.at_ms == instant && event.kind == *kind)
                    // An add in a channel of transfers is a transfer.
                    .filter(|event| !is_transfer(event) || *kind != Kind::Add)
                    .chain(events.iter().filter(|event| {
                        let shared = event.kind == Kind::Add && is_transfer(event);
                        event.at_ms == instant && shared && *kind == Kind::TransferIn
                    }))
                    .collect();
                same.sort_by_key(|event| event.id.clone());
                found.extend(same.into_iter().map(|event| (*kind, event)));
            }
            found
        };
        let begins = of(&[Kind::Add, Kind::TransferIn]);
        let ends = of(&[Kind::Customer, Kind::Staff, Kind::TransferOut]);
        if two.open {
            two.end_all(&ends);
            two.begin_all(&begins);
        } else {
            two.begin_all(&begins);
            two.end_all(&ends);
        }
    }
    two.episodes
}

#[derive(Default)]
struct Two {
    open: bool,
    episodes: Vec<(Episode, String)>,
}

impl Two {
    fn begin_all(&mut self, events: &[(Kind, &Happening)]) {
        for (kind, event) in events {
            self.begin(*kind, event);
        }
    }

    fn end_all(&mut self, events: &[(Kind, &Happening)]) {
        for (kind, event) in events {
            self.end(*kind, event);
        }
    }

    fn begin(&mut self, kind: Kind, event: &Happening) {
        if self.open && kind == Kind::TransferIn {
            return;
        }
        if self.open {
            self.close("replaced", event.at_ms);
        }
        let begun_by = if kind == Kind::Add { "add" } else { "transfer" };
        self.push(begun_by, event);
        self.open = true;
    }

    fn end(&mut self, kind: Kind, event: &Happening) {
        let by = match kind {
            Kind::Customer => "customer",
            Kind::Staff => "staff",
            _ => "transfer",
        };
        if self.open {
            self.close(by, event.at_ms);
        } else if self.episodes.is_empty() {
            self.push("unknown", event);
            self.close(by, event.at_ms);
        }
    }

    fn push(&mut self, begun_by: &str, event: &Happening) {
        let (region, store) = event.place();
        let episode = Episode {
            region,
            store,
            campaign: event.campaign().to_owned(),
            corp: event.corp.clone(),
            customer: event.customer.clone(),
            staff: event.staff.clone(),
            began_ms: event.at_ms,
            number: u32::try_from(self.episodes.len() + 1).unwrap(),
            business_date: day(&event.corp, event.at_ms),
            begun_by: begun_by.to_owned(),
            channel: event.channel.clone(),
            ..Default::default()
        };
        self.episodes.push((episode, event.id.clone()));
    }

    fn close(&mut self, by: &str, at_ms: i64) {
        let (episode, _) = self.episodes.last_mut().unwrap();
        (episode.ended_ms, episode.ended_by) = (at_ms, by.to_owned());
        self.open = false;
    }
}

fn until(ended_ms: i64) -> i64 {
    if ended_ms == 0 { i64::MAX } else { ended_ms }
}

/// Which later episode continues this one after a transfer.
fn heir(episodes: &[Episode], at: usize) -> Option<usize> {
    let from = &episodes[at];
    if from.ended_by != "transfer" {
        return None;
    }
    let distance = |to: usize| (episodes[to].began_ms - from.ended_ms).abs();
    (at + 1..episodes.len())
        .filter(|to| episodes[*to].begun_by == "transfer" && episodes[*to].staff != from.staff)
        .filter(|to| distance(*to) <= DAY_MS && until(episodes[*to].ended_ms) >= from.ended_ms)
        .min_by_key(|to| (distance(*to), *to))
}

/// When the customer was no friend any more, and by whom: a colleague who was handed the friend goes on with them, and so does
/// a further add of the same two.
fn parting(episodes: &[Episode], heirs: &[Option<usize>], at: usize) -> (i64, String) {
    let episode = &episodes[at];
    match episode.ended_by.as_str() {
        "transfer" => heirs[at].map_or((0, String::new()), |heir| parting(episodes, heirs, heir)),
        "replaced" => {
            let is_next = |other: &Episode| other.staff == episode.staff && other.number == episode.number + 1;
            parting(episodes, heirs, episodes.iter().position(is_next).unwrap())
        }
        by => (episode.ended_ms, by.to_owned()),
    }
}

fn talk(episodes: &mut [Episode], events: &[Happening]) {
    for episode in episodes.iter_mut().filter(|episode| episode.begun_by == "add") {
        let within = |kind: Kind, from_ms: i64| {
            let said = events.iter().filter(|event| event.kind == kind && event.staff == episode.staff);
            let said = said.filter(|event| event.at_ms >= from_ms && event.at_ms < until(episode.ended_ms));
            let first = said.map(|event| event.at_ms).min();
            first.filter(|at| day(&episode.corp, *at) <= episode.business_date + 2)
        };
        if let Some(opened) = within(Kind::Inbound, episode.began_ms) {
            let replied = within(Kind::Outbound, opened).unwrap_or(0);
            (episode.opened_ms, episode.replied_ms) = (opened, replied);
        }
    }
}

fn credit(episodes: &mut [Episode], heirs: &[Option<usize>], order: &Happening) {
    let open = |episode: &Episode| episode.began_ms <= order.at_ms && until(episode.ended_ms) > order.at_ms;
    let own = episodes.iter().rposition(|episode| open(episode) && episode.staff == order.staff);
    let Some(mut at) = own.or_else(|| episodes.iter().rposition(open)) else { return };
    while let Some(earlier) = heirs.iter().position(|heir| *heir == Some(at)) {
        at = earlier;
    }
    let episode = &mut episodes[at];
    let age = order.at_ms - episode.began_ms;
    if (0..30 * DAY_MS).contains(&age) {
        episode.orders_30d += 1;
        episode.gmv_30d_fen += order.amount;
    }
    if (0..7 * DAY_MS).contains(&age) {
        episode.orders_7d += 1;
        episode.gmv_7d_fen += order.amount;
    }
}

/// The figures of every cell, with everything known through the horizon.
pub(crate) fn figures(events: &[Happening], horizon_ms: i64) -> BTreeMap<Cell, Figures> {
    let mut cells = BTreeMap::new();
    for own in by_customer(events).values() {
        add_customer(&mut cells, own, horizon_ms);
    }
    for figures in cells.values_mut() {
        figures.retain(|_, value| *value > 0);
    }
    cells
}

fn add_customer(cells: &mut BTreeMap<Cell, Figures>, events: &[Happening], horizon_ms: i64) {
    for episode in of_customer(events).iter().filter(|episode| episode.begun_by == "add") {
        let place = (episode.region.clone(), episode.store.clone());
        let cell = (episode.corp.clone(), episode.business_date, place, episode.staff.clone(), episode.channel.clone());
        member(cells.entry(cell).or_default(), episode, horizon_ms);
    }
    for request in events.iter().filter(|event| event.kind == Kind::Request) {
        let date = day(&request.corp, request.at_ms);
        let cell = (request.corp.clone(), date, request.place(), request.staff.clone(), request.channel.clone());
        let adds = events.iter().filter(|event| event.kind == Kind::Add && !is_transfer(event));
        let own = adds.filter(|event| event.staff == request.staff);
        let accepted = own.map(|event| event.at_ms - request.at_ms).filter(|waited| *waited >= 0).min();
        asked(cells.entry(cell).or_default(), accepted, request.at_ms + 3 * DAY_MS <= horizon_ms);
    }
}

/// What the figures of these cells come to, each with its parts as the domain defines it: numerator, denominator, members
/// old enough, members that are not yet.
pub(crate) fn told(cells: &BTreeMap<Cell, Figures>) -> Told {
    // Numerator, denominator, what counts the members old enough.
    const OF_ADDS: [(&str, &str, &str, &str); 20] = [
        ("first_adds", "first_adds", "adds", "adds"),
        ("re_adds", "re_adds", "adds", "adds"),
        ("new_to_corp", "new_adds", "adds", "adds"),
        ("qualified_provisional", "qualified_adds", "adds", "matured_24h"),
        ("qualified_final", "qualified_final", "matured_24h", "matured_24h"),
        ("loss_same_day", "lost_same_day", "matured_same_day", "matured_same_day"),
        ("loss_24h", "lost_24h", "matured_24h", "matured_24h"),
        ("loss_7d", "lost_7d", "matured_7d", "matured_7d"),
        ("retained_24h", "retained_24h", "matured_24h", "matured_24h"),
        ("retained_7d", "retained_7d", "matured_7d", "matured_7d"),
        ("retained_30d", "retained_30d", "matured_30d", "matured_30d"),
        ("staff_purge_24h", "purged_24h", "matured_24h", "matured_24h"),
        ("opened_same_day", "opened_same_day", "matured_same_day", "matured_same_day"),
        ("opened_24h", "opened_24h", "matured_24h", "matured_24h"),
        ("first_reply", "replied_same_day", "opened_same_day", "matured_same_day"),
        ("first_reply_seconds", "reply_seconds", "replied_same_day", "matured_same_day"),
        ("conversion_7d", "converted_7d", "matured_7d", "matured_7d"),
        ("conversion_30d", "converted_30d", "matured_30d", "matured_30d"),
        ("gmv_per_add_7d", "gmv_7d_fen", "matured_7d", "matured_7d"),
        ("gmv_per_add_30d", "gmv_30d_fen", "matured_30d", "matured_30d"),
    ];
    const OF_REQUESTS: [(&str, &str, &str, &str); 2] = [
        ("pass_rate_72h", "passed_72h", "matured_72h", "matured_72h"),
        ("accept_seconds", "accept_seconds", "passed_72h", "matured_72h"),
    ];
    let mut told = Told::new();
    for (cell, figures) in cells {
        let of = |name: &str| figures.get(name).copied().unwrap_or(0);
        for (members, parts) in [("adds", &OF_ADDS[..]), ("requests_out", &OF_REQUESTS[..])] {
            for (figure, numerator, denominator, matured) in parts.iter().filter(|_| of(members) > 0) {
                let parts = [of(numerator), of(denominator), of(matured), of(members) - of(matured)];
                told.insert((cell.clone(), (*figure).to_owned()), parts);
            }
        }
    }
    told
}

fn asked(figures: &mut Figures, accepted: Option<i64>, is_old: bool) {
    let mut add =
        |name: &str, value: i64| *figures.entry(name.to_owned()).or_default() += u64::try_from(value).unwrap();
    add("requests_out", 1);
    if is_old {
        add("matured_72h", 1);
        if let Some(waited) = accepted.filter(|waited| *waited < 3 * DAY_MS) {
            add("passed_72h", 1);
            add("accept_seconds", waited / 1000);
        }
    }
}

fn member(figures: &mut Figures, episode: &Episode, horizon_ms: i64) {
    let mut add = |name: &str, value: u64| *figures.entry(name.to_owned()).or_default() += value;
    let mut count = |name: &str, holds: bool| add(name, u64::from(holds));
    let within = |days: i64| until(episode.lost_ms) < episode.began_ms.saturating_add(days * DAY_MS);
    let is_new = episode.number_in_corp == 1;
    let spoilt = until(episode.unfriended_ms) < episode.began_ms + DAY_MS;
    let same_day = |at_ms: i64| at_ms > 0 && day(&episode.corp, at_ms) == episode.business_date;
    let opened = same_day(episode.opened_ms);
    let replied = opened && same_day(episode.replied_ms);
    let waited = (episode.replied_ms - episode.opened_ms) / 1000;
    count("adds", true);
    count("first_adds", episode.number == 1);
    count("re_adds", episode.number > 1);
    count("new_adds", is_new);
    count("qualified_adds", is_new && !spoilt);
    count("lost_adds", is_new && spoilt);
    count("opened_adds", opened);
    if day(&episode.corp, horizon_ms) > episode.business_date {
        count("matured_same_day", true);
        count("lost_same_day", episode.lost_by == "customer" && same_day(episode.lost_ms));
        count("opened_same_day", opened);
        count("replied_same_day", replied);
        count("replied_1m", replied && waited < 60);
        count("replied_5m", replied && (60..300).contains(&waited));
        count("replied_30m", replied && (300..1800).contains(&waited));
        count("replied_2h", replied && (1800..7200).contains(&waited));
        count("replied_later", replied && waited >= 7200);
    }
    for (days, name) in [(1, "24h"), (7, "7d"), (30, "30d")] {
        if episode.began_ms + days * DAY_MS > horizon_ms {
            continue;
        }
        count(&format!("matured_{name}"), true);
        count(&format!("retained_{name}"), !within(days));
        let by = |who: &str| within(days) && episode.lost_by == who;
        if days == 1 {
            count("purged_24h", by("staff"));
            count("replaced_24h", by("replaced"));
            let open_ms = episode.opened_ms;
            count("opened_24h", open_ms > 0 && open_ms < episode.began_ms + DAY_MS);
            count("qualified_final", is_new && !spoilt);
        }
        if days < 30 {
            count(&format!("lost_{name}"), by("customer"));
        }
        if days > 1 {
            let orders = if days == 7 { episode.orders_7d } else { episode.orders_30d };
            count(&format!("converted_{name}"), orders > 0);
        }
    }
    if day(&episode.corp, horizon_ms) > episode.business_date && replied {
        add("reply_seconds", u64::try_from(waited).unwrap());
    }
    for (days, name, gmv) in [(7, "gmv_7d_fen", episode.gmv_7d_fen), (30, "gmv_30d_fen", episode.gmv_30d_fen)] {
        if episode.began_ms + days * DAY_MS <= horizon_ms {
            add(name, gmv);
        }
    }
}
