//! What became of the adds of a day: not new, lost, opened, retained.
//!
//! Invariant: of the adds that are counted, those that are neither known to the corp nor lost are qualified, so that
//! what is shown subtracts exactly; how far that is known is said beside it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Detail;
use crate::board::days::Instants;
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};

/// The refresh of the cohorts runs once a minute by default; farther behind than this it has failed, and what was added
/// since would pass for qualified unseen.
const BEHIND_MS_MAX: i64 = 600_000;

/// An add is qualified for good 24 h after it (domain).
const QUALIFYING_MS: i64 = 86_400_000;

/// The cohorts of a day within a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cohorts {
    /// Every record that the brokers held by then (ms since the epoch) is in these figures.
    pub complete_through: i64,
    /// By id at the watched level.
    pub children: HashMap<String, Cohort>,
    pub channels: HashMap<String, Cohort>,
}

/// What is known of the adds of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cohort {
    /// Of customers that the corp knew.
    pub not_new: u64,
    /// New, but lost or purged within 24 h so far.
    pub lost: u64,
    /// With a first message from the customer on the same day, so far.
    pub opened: u64,
    /// Of all adds, known to the corp or not, those that are 24 h old, and of these those who are still friends.
    pub matured: u64,
    pub retained: u64,
}

impl Detail for Cohorts {
    /// They are refreshed once a minute.
    const INTERVAL: Duration = Duration::from_secs(30);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        reader.cohorts(parts)
    }
}

impl Cohorts {
    /// Whether these figures have reached what is counted of the day.
    #[must_use]
    pub fn reach(&self, instants: &Instants) -> bool {
        self.complete_through > instants.bounds.0 && self.complete_through + BEHIND_MS_MAX >= instants.now.until
    }

    /// Whether no member of the day can change any more.
    #[must_use]
    pub fn are_final(&self, instants: &Instants) -> bool {
        self.complete_through >= instants.bounds.1 + QUALIFYING_MS
    }

    /// Of the whole scope.
    #[must_use]
    pub fn total(&self) -> Cohort {
        let mut total = Cohort::default();
        for cohort in self.channels.values() {
            total.not_new += cohort.not_new;
            total.lost += cohort.lost;
            total.opened += cohort.opened;
            total.matured += cohort.matured;
            total.retained += cohort.retained;
        }
        total
    }
}

impl Cohort {
    /// Of so many adds those that are qualified; absent where a correction took out adds that the cohort still holds.
    #[must_use]
    pub fn qualified(&self, adds: u64) -> Option<u64> {
        adds.checked_sub(self.not_new)?.checked_sub(self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    #[test]
    fn cohorts_count_from_when_the_refresh_has_reached_the_day() {
        let instants = fixture::snapshot().instants;
        let reach = |complete_through| Cohorts { complete_through, ..Cohorts::default() }.reach(&instants);
        assert!(reach(instants.now.until) && reach(instants.now.until - 600_000));
        assert!(!reach(instants.now.until - 600_001), "adds of ten minutes would pass unseen");
        assert!(!reach(instants.bounds.0) && !reach(0));
    }

    #[test]
    fn cohorts_are_final_when_the_last_member_is_a_day_old() {
        let instants = fixture::snapshot().instants;
        let are_final = |complete_through| Cohorts { complete_through, ..Cohorts::default() }.are_final(&instants);
        assert!(!are_final(instants.bounds.1 + 86_399_999) && are_final(instants.bounds.1 + 86_400_000));
    }

    #[test]
    fn qualified_is_what_is_left_of_the_adds() {
        let cohort = Cohort { not_new: 4, lost: 3, opened: 9, ..Cohort::default() };
        assert_eq!(cohort.qualified(10), Some(3));
        assert_eq!(cohort.qualified(6), None);
    }
}
