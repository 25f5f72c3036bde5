//! What the board reads: the questions, and the shapes of their answers.
//!
//! Invariant: answers are as they were counted; nothing here compares, ranks or rounds.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::civil::Date;

use super::days::{Instants, Moment};
use super::details::broadcasts::Broadcasts;
use super::details::codes::Codes;
use super::details::cohorts::Cohorts;
use super::details::contests::Contests;
use super::details::corrections::Corrections;
use super::details::course::Course;
use super::details::history::History;
use super::details::person::Person;
use super::details::requests::Requests;
use super::organisation::Organisation;
use super::view::{Level, Metric, Scope};
use crate::event::Counter;

/// Where figures come from; of parts in their order. A trait, because the tests of the board answer from fixtures.
pub trait Reader: Debug + Send + Sync + 'static {
    /// The two corps with the most adds of the newest days, the busiest first; fewer where fewer were ever counted.
    fn busiest_corps(&self) -> BoxFuture<'_, Result<Vec<String>, Error>>;

    /// Who is where in a corp.
    fn organisation<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Organisation, Error>>;

    /// The first business day with adds that came in time, or with any where all come late; absent where there are none.
    fn counted_since<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Option<Date>, Error>>;

    /// How far a corp is counted, and the clock of the server.
    fn clock<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Clock, Error>>;

    /// The counts of the day within each part: by child, channel and region, read at one instant, so that all sums agree.
    fn day<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Vec<Day>, Error>>;

    /// The counts of the same parts at earlier moments.
    fn earlier<'a>(&'a self, parts: &'a Parts, instants: &'a Instants) -> BoxFuture<'a, Result<Vec<Earlier>, Error>>;

    /// Targets of the day, and channels of the corp's own; without the organisation, which is read for all days at once.
    fn directory<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Directory, Error>>;

    /// What became of the adds of a day.
    fn cohorts<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Vec<Cohorts>, Error>>;

    /// The adds of a day by the minute, and of the day before.
    fn course<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Vec<Course>, Error>>;

    /// How the like weekdays of the weeks before went.
    fn history<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Vec<History>, Error>>;

    /// Broadcasts of a day, and who left after them.
    fn broadcasts<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Vec<Broadcasts>, Error>>;

    /// Requests by staff and their answers.
    fn requests<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Vec<Requests>, Error>>;

    /// What was changed in the corp after it was shown, of the day and the week before it.
    fn corrections<'a>(&'a self, corp: &'a str, day: Date) -> BoxFuture<'a, Result<Corrections, Error>>;

    /// Contests of the corp.
    fn contests<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Contests, Error>>;

    /// Codes of the corp that fell silent.
    fn codes<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Codes, Error>>;

    /// The adds of members of staff, each by themselves.
    fn person<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Vec<Person>, Error>>;
}

/// Parts of a corp at one level, of which the figures of a day are read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    pub corp: String,
    pub day: Date,
    pub scope: Level,
    /// Empty for the corp itself.
    pub ids: Vec<String>,
    /// Of their children.
    pub level: Level,
}

impl Parts {
    /// Whether the regions are told of beside the children: of the whole corp, where the children are others.
    #[must_use]
    pub fn show_regions(&self) -> bool {
        self.scope == Level::Corp && self.level != Level::Region
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read `{what}` from ClickHouse")]
    Query { what: &'static str, source: clickhouse::error::Error },
    #[error("read a view from ClickHouse within {seconds} s")]
    Timeout { seconds: u64 },
    #[error("find the instants of the day `{day}`")]
    Day { day: Date },
}

/// Every counter of the contract's section 1, by [`Counter::index`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; Counter::ALL.len()]);

impl Counters {
    /// From values in the order of [`Counter::ALL`]; what is missing is 0.
    #[must_use]
    pub fn from_values(values: &[u64]) -> Self {
        let mut counters = Self::default();
        for (counter, value) in counters.0.iter_mut().zip(values) {
            *counter = *value;
        }
        counters
    }

    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter.index()]
    }

    pub fn add(&mut self, other: &Self) {
        for (counter, value) in self.0.iter_mut().zip(other.0) {
            *counter += value;
        }
    }

    /// Counts until a moment, from whole minutes (`self`) and the minute that runs then.
    #[must_use]
    pub fn until(&self, running: &Self, moment: &Moment) -> Self {
        let mut counters = *self;
        for (counter, running) in counters.0.iter_mut().zip(running.0) {
            *counter = moment.count(*counter, running);
        }
        counters
    }

    /// `adds − deletes_by_customer − deletes_by_staff`, by event (contract, section 1).
    #[must_use]
    pub fn net_adds(&self) -> i64 {
        let signed = |counter| i64::try_from(self.get(counter)).unwrap_or(i64::MAX);
        let lost = signed(Counter::DeletesByCustomer).saturating_add(signed(Counter::DeletesByStaff));
        signed(Counter::Adds).saturating_sub(lost)
    }
}

/// Instants in ms since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// The clock of the server.
    pub now: i64,
    /// Absent where the corp was never counted.
    pub complete_through: Option<i64>,
    pub last_event_at: Option<i64>,
}

/// Counts of one day; the sums over `children`, over `channels` and over `regions` are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// By id at the level of the children; the id is empty for what belongs to none.
    pub children: Vec<(String, Counters)>,
    pub channels: Vec<(String, Counters)>,
    /// By region where [`Parts::show_regions`]; the id is empty for what belongs to none.
    pub regions: Vec<(String, Counters)>,
}

/// Counts at earlier moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// By channel, for each of [`Instants::baselines`].
    pub baselines: [HashMap<String, Minutes>; 2],
    pub children: HashMap<String, EarlierChild>,
    /// The last hour of the scope, of its regions where [`Parts::show_regions`], and of its children but for staff.
    pub hours: Arc<HashMap<Scope, Hour>>,
}

/// The last hour of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Adds of the day until one hour ago, whole minutes.
    pub before: u64,
    /// Whole minutes with adds since: start in ms since the epoch and adds, in order of time.
    pub minutes: Vec<(i64, u64)>,
}

/// Counts of the whole minutes before a moment, and of the minute that runs then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minutes {
    pub whole: Counters,
    pub running: Counters,
}

/// One row of the leaderboard at earlier moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EarlierChild {
    /// Adds of the first baseline: whole minutes, and the running one.
    pub baseline_adds: (u64, u64),
    /// Of the day itself until one hour ago, whole minutes.
    pub adds_hour_ago: u64,
    pub net_adds_hour_ago: i64,
    /// Start of the minute of the day's last add.
    pub last_add_at: Option<i64>,
}

/// What is told of a corp and a day beside the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    pub organisation: Arc<Organisation>,
    /// Targets of the day by level, id and metric; the id is empty for the corp.
    pub targets: Arc<HashMap<(Level, String, String), u64>>,
    /// Groups of the channels that the corp added itself.
    pub groups: HashMap<String, String>,
}

impl Directory {
    /// The name of an id, or the id where no row names it.
    #[must_use]
    pub fn name(&self, level: Level, id: &str) -> String {
        self.organisation.name(level, id)
    }

    #[must_use]
    pub fn target(&self, level: Level, id: &str, metric: &str) -> Option<u64> {
        let id = if level == Level::Corp { "" } else { id };
        self.targets.get(&(level, id.to_owned(), metric.to_owned())).copied()
    }

    /// The target of a place in the first metric that has one; adds come first, for nothing of them is provisional.
    #[must_use]
    pub fn any_target(&self, level: Level, id: &str) -> Option<(Metric, u64)> {
        Metric::ALL.iter().find_map(|metric| Some((*metric, self.target(level, id, metric.name())?)))
    }
}
