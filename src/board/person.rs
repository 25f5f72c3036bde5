//! One's own adds, each with where it stands, and the month.
//!
//! Invariant: pure; an add shows time, channel and status, and the place of its record; never the customer.

use serde::Serialize;

use super::details::person::{Added, Fate};
use super::snapshot::{Snapshot, rfc3339};
use crate::event::{LATE_ADD_MS, named};

/// After so long an add can no longer change (contract of the warehouse: 24 h).
const FINAL_MS: i64 = 86_400_000;

named! {
    /// Where an add stands.
    Status {
        /// It may still be lost.
        Pending = "pending",
        /// Qualified.
        Final = "final",
        /// The corp knew the customer.
        NotNew = "not_new",
        /// Deleted by the customer within 24 h.
        Left = "left",
        /// Deleted by the member of staff within 24 h.
        Purged = "purged",
    }
}

/// One item of `/api/v1/me/adds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Add {
    /// RFC 3339, UTC, as all instants here.
    pub added_at: Option<String>,
    pub channel: String,
    pub status: Status,
    /// When its status can no longer change; `null` where it cannot any more.
    pub final_at: Option<String>,
    /// When its record came, if it came late.
    pub received_late_at: Option<String>,
    /// Topic, partition and offset of its record.
    pub receipt: String,
}

/// The qualified adds of the month up to the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Month {
    /// Can no longer change.
    pub qualified_final: u64,
    /// Qualified so far.
    pub pending: u64,
    /// What changed on closed days after they were closed.
    pub adjusted: i64,
}

/// The adds of a member of staff in order of time; absent where they could not be read, and of any other scope.
#[must_use]
pub fn adds(snapshot: &Snapshot) -> Option<Vec<Add>> {
    let person = snapshot.details.person.as_ref()?;
    Some(person.adds.iter().map(|added| Add::new(added, person.complete_through)).collect())
}

/// When the adds of the day before were, in RFC 3339, UTC; absent where they could not be read, and of any other scope.
#[must_use]
pub fn day_before(snapshot: &Snapshot) -> Option<Vec<String>> {
    let person = snapshot.details.person.as_ref()?;
    Some(person.day_before.iter().filter_map(|at| rfc3339(*at)).collect())
}

/// How the month of a member of staff stands; absent where it could not be read, and of any other scope.
#[must_use]
pub fn month(snapshot: &Snapshot) -> Option<Month> {
    let month = snapshot.details.person.as_ref()?.month;
    Some(Month {
        qualified_final: month.qualified_final,
        pending: month.qualified.saturating_sub(month.qualified_final),
        adjusted: month.adjusted,
    })
}

impl Add {
    fn new(added: &Added, complete_through: i64) -> Self {
        let final_at = added.at + FINAL_MS;
        let status = match added.fate {
            Fate::NotNew => Status::NotNew,
            Fate::Left => Status::Left,
            Fate::Purged => Status::Purged,
            Fate::Friend if complete_through >= final_at => Status::Final,
            Fate::Friend | Fate::Unknown => Status::Pending,
        };
        let (topic, partition, offset) = &added.record;
        Self {
            added_at: rfc3339(added.at),
            channel: added.channel.clone(),
            status,
            final_at: if status == Status::Pending { rfc3339(final_at) } else { None },
            received_late_at: if added.recorded_at - added.at > LATE_ADD_MS {
                rfc3339(added.recorded_at)
            } else {
                None
            },
            receipt: format!("{topic}/{partition}/{offset}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_329_000_000;

    fn check(fate: Fate, recorded_after_ms: i64, complete_after_ms: i64) -> Add {
        let record = ("yinliu.friend.v1".to_owned(), 3, 42);
        let added = Added { at: AT, recorded_at: AT + recorded_after_ms, channel: "badge".to_owned(), record, fate };
        Add::new(&added, AT + complete_after_ms)
    }

    #[test]
    fn a_friend_is_pending_until_a_day_has_passed_in_the_figures() {
        let pending = check(Fate::Friend, 0, FINAL_MS - 1);
        assert_eq!((pending.status, pending.final_at.is_some()), (Status::Pending, true));
        let last = check(Fate::Friend, 0, FINAL_MS);
        assert_eq!((last.status, last.final_at), (Status::Final, None));
        assert_eq!(check(Fate::Unknown, 0, FINAL_MS).status, Status::Pending, "what the refresh has not seen");
        assert_eq!(check(Fate::NotNew, 0, 0).status, Status::NotNew);
    }

    #[test]
    fn an_add_that_came_late_says_when_and_each_has_the_place_of_its_record() {
        assert_eq!(check(Fate::Friend, 120_000, 0).received_late_at, None);
        assert!(check(Fate::Friend, 120_001, 0).received_late_at.is_some());
        assert_eq!(check(Fate::Friend, 0, 0).receipt, "yinliu.friend.v1/3/42");
    }
}
