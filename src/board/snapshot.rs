//! Everything that is known about one watched view at one moment.
//!
//! Invariant: pure; what a viewer sees is computed from a snapshot alone, so all viewers of a revision see the same.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use serde::Serialize;

use super::attention::{self, Finding, NotJudged};
use super::days::{DayState, Instants};
use super::details::Details;
use super::details::cohorts::Cohorts;
use super::details::history::{LikeDay, Progress};
use super::leaderboard::Ranks;
use super::news::Item;
use super::pace::Unknown;
use super::reader::{Clock, Counters, Day, Directory, Earlier};
use super::view::Watched;
use crate::event::{Counter, named};

/// The longest lag at which the page is live, and at which it is merely behind (board, section 1), in seconds.
const LIVE_SECONDS_MAX: u64 = 30;
const BEHIND_SECONDS_MAX: u64 = 120;

named! {
    /// How far the figures may be trusted.
    State {
        /// At most 30 s behind.
        Live = "live",
        /// At most 120 s behind.
        Behind = "behind",
        /// Farther behind: comparisons are withdrawn.
        Stale = "stale",
        /// Nothing was added on this day, or the corp was never counted.
        Empty = "empty",
    }
}

/// The figures of one view, as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub watched: Watched,
    pub day: Date,
    /// The first business day that was counted, perhaps a part of it; absent while there is none.
    pub counted_since: Option<Date>,
    /// Name of the corp's zone.
    pub time_zone: String,
    pub clock: Clock,
    pub instants: Instants,
    pub counts: Day,
    pub earlier: Arc<Earlier>,
    pub directory: Directory,
    pub details: Details,
    /// What happened within the last hour, the newest first.
    pub news: Vec<Item>,
    pub derived: Derived,
    pub ranks: Ranks,
    /// The server's clock in ms when these figures were first seen: it grows with every change, across restarts too.
    pub revision: i64,
}

/// What follows from the figures of a snapshot: computed once for all who look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    /// How far the like weekdays had come by now; none where the day is over or the history was not read.
    pub like_weekdays: Vec<Progress>,
    /// What needs a person, while the figures are not stale.
    pub findings: Vec<Finding>,
    /// What of it there is too little history for.
    pub not_judged: Vec<NotJudged>,
}

/// How fresh a snapshot is at the moment of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// Instants in RFC 3339, UTC.
    pub complete_through: Option<String>,
    pub last_event_at: Option<String>,
    pub lag_seconds: Option<u64>,
    pub state: State,
}

impl Freshness {
    /// Whether comparisons are withdrawn: some partitions are ahead of others, so they would be unfair.
    #[must_use]
    pub fn holds_comparisons(&self) -> bool {
        self.state == State::Stale
    }
}

impl Snapshot {
    /// The counts of the whole scope.
    #[must_use]
    pub fn total(&self) -> Counters {
        self.counts.total
    }

    /// When a child had its last add, in ms since the epoch: to the minute alone where it was counted before last adds were.
    #[must_use]
    pub fn last_add_at(&self, child: &str) -> Option<i64> {
        let to_the_minute = self.earlier.children.get(child).and_then(|child| child.last_add_at);
        self.counts.last_adds.get(child).copied().max(to_the_minute)
    }

    /// Whether all of this day was counted, so that another may be compared with it: 0 of a day on which nobody counted is
    /// no figure.
    #[must_use]
    pub fn counted_all_of(&self, day: Date) -> bool {
        self.counted_since.is_some_and(|first| first < day)
    }

    /// Whether the figures may be compared with those of the day before.
    #[must_use]
    pub fn compares(&self, freshness: &Freshness) -> bool {
        !freshness.holds_comparisons() && self.counted_all_of(self.instants.baselines[0].day)
    }

    /// The like weekdays that were counted whole; none where the history was not read.
    pub fn like_weekdays(&self) -> impl Iterator<Item = &LikeDay> {
        let days = self.details.history.iter().flat_map(|history| &history.days);
        days.filter(|like| self.counted_all_of(like.day))
    }

    /// How far the like weekdays had come by now.
    ///
    /// # Errors
    /// Why nothing is usual: [`Unknown::Held`], [`Unknown::Over`] or [`Unknown::Unread`].
    pub fn usual_days(&self, freshness: &Freshness) -> Result<&[Progress], Unknown> {
        if freshness.holds_comparisons() {
            Err(Unknown::Held)
        } else if self.instants.state != DayState::Open {
            Err(Unknown::Over)
        } else if self.details.history.is_none() {
            Err(Unknown::Unread)
        } else {
            Ok(&self.derived.like_weekdays)
        }
    }

    /// The cohorts of the day, if they have reached what is counted of it.
    #[must_use]
    pub fn cohorts(&self) -> Option<&Cohorts> {
        self.details.cohorts.as_deref().filter(|cohorts| cohorts.reach(&self.instants))
    }

    /// The same with what follows from it.
    #[must_use]
    pub fn with_derived(mut self) -> Self {
        let like_weekdays = if self.instants.state == DayState::Open {
            self.like_weekdays().filter_map(|like| like.progress(&self.instants.like_weekdays)).collect()
        } else {
            Vec::new()
        };
        self.derived = Derived { like_weekdays, ..Derived::default() };
        self.derived.not_judged = attention::find_not_judged(&self);
        self.derived.findings = attention::find(&self);
        self
    }

    /// The freshness `age` after the snapshot was read: the lag grows while ClickHouse does not answer.
    #[must_use]
    pub fn freshness(&self, age: Duration) -> Freshness {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let lag_seconds = self.clock.complete_through.map(|complete_through| {
            let lag_ms = self.clock.now.saturating_sub(complete_through).max(0).saturating_add(age_ms);
            lag_ms.unsigned_abs() / 1000
        });
        let state = match lag_seconds {
            None => State::Empty,
            Some(lag) if lag > BEHIND_SECONDS_MAX => State::Stale,
            Some(_) if self.total().get(Counter::Adds) == 0 => State::Empty,
            Some(lag) if lag > LIVE_SECONDS_MAX => State::Behind,
            Some(_) => State::Live,
        };
        Freshness {
            complete_through: self.clock.complete_through.and_then(rfc3339),
            last_event_at: self.clock.last_event_at.and_then(rfc3339),
            lag_seconds,
            state,
        }
    }

    /// Whether a viewer would see the same in both, whenever they were read.
    #[must_use]
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        self.day == other.day
            && self.counted_since == other.counted_since
            && self.clock.complete_through == other.clock.complete_through
            && self.clock.last_event_at == other.clock.last_event_at
            && self.instants == other.instants
            && self.counts == other.counts
            && self.earlier == other.earlier
            && self.directory == other.directory
            && self.details == other.details
            && self.news == other.news
    }
}

/// An instant in ms since the epoch as text of RFC 3339 in UTC; absent for one that no calendar holds.
#[must_use]
pub fn rfc3339(instant: i64) -> Option<String> {
    Some(jiff::Timestamp::from_millisecond(instant).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    fn check(lag_ms: i64, age_seconds: u64, expected: State) {
        let mut snapshot = fixture::snapshot();
        snapshot.clock.now = snapshot.clock.complete_through.unwrap() + lag_ms;
        assert_eq!(
            snapshot.freshness(Duration::from_secs(age_seconds)).state,
            expected,
            "{lag_ms} ms, {age_seconds} s"
        );
    }

    #[test]
    fn the_state_follows_the_lag() {
        check(3_000, 0, State::Live);
        check(30_999, 0, State::Live);
        check(31_000, 0, State::Behind);
        check(120_999, 0, State::Behind);
        check(121_000, 0, State::Stale);
    }

    #[test]
    fn the_lag_grows_while_nothing_is_read() {
        check(3_000, 100, State::Behind);
        check(3_000, 118, State::Stale);
        let freshness = fixture::snapshot().freshness(Duration::from_secs(118));
        assert_eq!(freshness.lag_seconds, Some(121));
        assert!(freshness.holds_comparisons());
    }

    #[test]
    fn a_server_clock_behind_the_pipeline_is_no_negative_lag() {
        check(-5_000, 0, State::Live);
    }

    #[test]
    fn a_day_without_adds_is_empty_and_stale_when_behind() {
        let mut snapshot = fixture::snapshot();
        snapshot.counts = Day::default();
        assert_eq!(snapshot.freshness(Duration::ZERO).state, State::Empty);
        assert_eq!(snapshot.freshness(Duration::from_mins(10)).state, State::Stale);
        snapshot.clock.complete_through = None;
        assert_eq!(snapshot.freshness(Duration::from_mins(10)).lag_seconds, None);
        assert_eq!(snapshot.freshness(Duration::from_mins(10)).state, State::Empty);
    }
}
