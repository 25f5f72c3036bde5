//! Figures that changed after they were shown, of the day and the week before it.
//!
//! Invariant: pure; a scope lists the corrections of its own figures and of no other.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use super::details::corrections::Corrected;
use super::snapshot::{Snapshot, rfc3339};
use super::view::{Level, Scope};
use crate::event::named;

named! {
    /// Why a figure changed.
    Reason {
        /// Events came late, and were put back in their minutes.
        Late = "late",
        /// Records were there more than once.
        Replay = "replay",
        /// The figure was counted again from the facts.
        Fold = "fold",
        /// The channels of what was counted changed, and their sum did not.
        Channel = "channel",
    }
}

impl Reason {
    /// From the reason of an amendment, or `channel` as the reader calls what moved between channels.
    fn of(amendment: &str) -> Self {
        match amendment {
            "late" => Self::Late,
            "channel" => Self::Channel,
            text if text.contains("duplicate") => Self::Replay,
            _ => Self::Fold,
        }
    }
}

/// One item of `/api/v1/corrections`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Correction {
    pub business_date: String,
    pub reason: Reason,
    /// A counter.
    pub metric: String,
    pub before: i64,
    pub after: i64,
    /// When what came late had happened: from the first to the last of it; `null` for other reasons.
    pub from: Option<String>,
    pub to: Option<String>,
    /// The last of it.
    pub received_at: Option<String>,
    /// The day was closed: the change is an adjustment.
    pub closed: bool,
}

/// The corrections of the scope, the newest day first; absent where they could not be read.
#[must_use]
pub fn corrections(snapshot: &Snapshot) -> Option<Vec<Correction>> {
    let rows = &snapshot.details.corrections.as_ref()?.rows;
    let mut sums: BTreeMap<(Date, &'static str, &str), Corrected> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_within(row, &snapshot.watched.scope)) {
        let key = (row.day, Reason::of(&row.reason).name(), row.metric.as_str());
        sums.entry(key).and_modify(|sum| add(sum, row)).or_insert_with(|| row.clone());
    }
    let item = |sum: Corrected| Correction {
        business_date: sum.day.to_string(),
        reason: Reason::of(&sum.reason),
        metric: sum.metric,
        before: sum.before,
        after: sum.after,
        from: sum.occurred.and_then(|(from, _)| rfc3339(from)),
        to: sum.occurred.and_then(|(_, to)| rfc3339(to)),
        received_at: rfc3339(sum.received_at),
        closed: sum.is_closed,
    };
    Some(sums.into_values().rev().map(item).collect())
}

fn add(sum: &mut Corrected, row: &Corrected) {
    sum.before += row.before;
    sum.after += row.after;
    sum.received_at = sum.received_at.max(row.received_at);
    sum.is_closed |= row.is_closed;
    sum.occurred = match (sum.occurred, row.occurred) {
        (Some((from, to)), Some((other_from, other_to))) => Some((from.min(other_from), to.max(other_to))),
        (one, other) => one.or(other),
    };
}

/// By the places of the figure itself: where somebody is now changes nothing of it.
fn is_within(row: &Corrected, scope: &Scope) -> bool {
    match scope.level {
        Level::Corp => true,
        Level::Region => row.region_id == scope.id,
        Level::Store => row.store_id == scope.id,
        Level::Staff => row.staff_id == scope.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    fn of(scope: &str) -> Vec<(String, &'static str, i64, i64)> {
        let mut snapshot = fixture::snapshot();
        snapshot.watched.scope = Scope::read(scope).unwrap();
        let found = corrections(&snapshot).unwrap();
        found.into_iter().map(|item| (item.business_date, item.reason.name(), item.before, item.after)).collect()
    }

    #[test]
    fn a_scope_adds_up_its_own_corrections_and_lists_no_others() {
        let yesterday = "2026-11-21".to_owned();
        let [late, replay] = [(yesterday.clone(), "late", 12, 15), (yesterday.clone(), "replay", 9, 8)];
        assert_eq!(of("corp"), [replay.clone(), late]);
        assert_eq!(of("store:S1"), [(yesterday, "late", 7, 8)]);
        assert_eq!(of("staff:z9"), []);
    }

    #[test]
    fn what_came_late_says_when_it_had_happened() {
        let all = corrections(&fixture::snapshot()).unwrap();
        let late = all.iter().find(|item| item.reason == Reason::Late).unwrap();
        assert_eq!(late.from.as_deref(), Some("2026-11-21T02:20:00Z"));
        assert_eq!(late.to.as_deref(), Some("2026-11-21T02:50:00Z"));
        assert!(late.closed && late.received_at.is_some());
    }

    #[test]
    fn every_reason_of_an_amendment_has_one_here() {
        let reasons =
            ["late", "duplicate", "duplicate, directory", "directory", "recount", "recount of minutes", "channel"];
        let found = reasons.map(|reason| Reason::of(reason).name());
        assert_eq!(found, ["late", "replay", "replay", "fold", "fold", "fold", "channel"]);
    }
}
