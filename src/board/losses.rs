//! Who left, and after which broadcasts.
//!
//! Invariant: pure; a rate is its numerator and its denominator, and says whether it can still grow.

use serde::Serialize;

use super::snapshot::{Snapshot, rfc3339};
use crate::event::Counter;

/// Data of `/api/v1/losses`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Losses {
    pub deletes_by_customer: u64,
    pub deletes_by_staff: u64,
    /// Between colleagues: neither adds nor losses.
    pub transfers_in: u64,
    pub transfers_out: u64,
    /// Of the day, the latest first; `null` where they could not be read.
    pub broadcasts: Option<Vec<Broadcast>>,
}

/// One task, to everybody within the scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broadcast {
    pub task_id: String,
    /// The id where the task has no name.
    pub name: String,
    /// RFC 3339, UTC: the first of the task.
    pub sent_at: Option<String>,
    pub audience: u64,
    /// Customers who deleted the sender within 24 h of it.
    pub deleted_24h: u64,
    /// The 24 h have not passed.
    pub provisional: bool,
}

impl Losses {
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let total = snapshot.total();
        Self {
            deletes_by_customer: total.get(Counter::DeletesByCustomer),
            deletes_by_staff: total.get(Counter::DeletesByStaff),
            transfers_in: total.get(Counter::TransfersIn),
            transfers_out: total.get(Counter::TransfersOut),
            broadcasts: broadcasts(snapshot),
        }
    }
}

fn broadcasts(snapshot: &Snapshot) -> Option<Vec<Broadcast>> {
    let sent = &snapshot.details.broadcasts.as_ref()?.sent;
    let mut tasks: Vec<(i64, Broadcast)> = Vec::new();
    for part in sent {
        let Some((first, task)) = tasks.iter_mut().find(|(_, task)| task.task_id == part.task_id) else {
            let name = if part.name.is_empty() { &part.task_id } else { &part.name };
            let task = Broadcast {
                task_id: part.task_id.clone(),
                name: name.clone(),
                sent_at: None,
                audience: part.audience,
                deleted_24h: part.deleted_24h,
                provisional: part.is_provisional,
            };
            tasks.push((part.sent_at, task));
            continue;
        };
        *first = part.sent_at.min(*first);
        task.audience += part.audience;
        task.deleted_24h += part.deleted_24h;
        task.provisional |= part.is_provisional;
    }
    tasks.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.task_id.cmp(&other.task_id)));
    Some(tasks.into_iter().map(|(first, task)| Broadcast { sent_at: rfc3339(first), ..task }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    #[test]
    fn a_task_adds_up_its_senders_and_stays_provisional_while_one_of_them_is() {
        let losses = Losses::new(&fixture::snapshot()).broadcasts.unwrap();
        let lines: Vec<_> =
            losses.iter().map(|b| (b.name.as_str(), b.audience, b.deleted_24h, b.provisional)).collect();
        assert_eq!(lines, [("t2", 100, 0, true), ("双11预热", 900, 15, true)]);
        assert_eq!(losses[1].sent_at.as_deref(), Some("2026-11-22T02:00:00Z"));
    }

    #[test]
    fn broadcasts_that_could_not_be_read_are_not_no_broadcasts() {
        let mut snapshot = fixture::snapshot();
        snapshot.details.broadcasts = None;
        assert_eq!(Losses::new(&snapshot).broadcasts, None);
    }
}
