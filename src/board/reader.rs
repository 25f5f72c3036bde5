//! What the board reads: the questions, and the shapes of their answers.
//!
//! Invariant: answers are as they were counted; nothing here compares, ranks or rounds.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::civil::Date;

use super::counts::Counts;
use super::days::{Instants, MINUTE_MS, Moment};
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
use super::places::Places;
use super::view::{Level, Metric, Scope};
use crate::event::Counter;

/// Where figures come from. A trait, because the tests of the board answer from fixtures.
pub trait Reader: Debug + Send + Sync + 'static {
    /// The two corps with the most adds of the newest days, the busiest first; fewer where fewer were ever counted.
    fn busiest_corps(&self) -> BoxFuture<'_, Result<Vec<String>, Error>>;

    /// Who is where in a corp at a moment, in ms since the epoch: now, where it is absent or has not come yet.
    fn organisation<'a>(&'a self, corp: &'a str, at: Option<i64>) -> BoxFuture<'a, Result<Organisation, Error>>;

    /// The first business day with adds that came in time, or with any where all come late; absent where there are none.
    fn counted_since<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Option<Date>, Error>>;

    /// How far a corp is counted, and the clock of the server.
    fn clock<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Clock, Error>>;

    /// The counts of a day, read at one instant, so that all sums agree.
    fn counts<'a>(&'a self, corp: &'a str, day: Date, within: &'a Within) -> BoxFuture<'a, Result<Counts, Error>>;

    /// The counts of parts at earlier moments.
    fn earlier<'a>(&'a self, parts: &'a Parts, instants: &'a Instants)
    -> BoxFuture<'a, Result<Places<Earlier>, Error>>;

    /// Targets of a day, and channels of the corp's own; without the organisation, which is read for all days at once.
    fn directory<'a>(&'a self, corp: &'a str, day: Date) -> BoxFuture<'a, Result<Directory, Error>>;

    /// What became of the adds of a day.
    fn cohorts<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Cohorts>, Error>>;

    /// The adds of a day by the minute, and of the day before.
    fn course<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Course>, Error>>;

    /// How the like weekdays of the weeks before went.
    fn history<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<History>, Error>>;

    /// Broadcasts of a day, and who left after them.
    fn broadcasts<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Broadcasts>, Error>>;

    /// Requests by staff and their answers.
    fn requests<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Requests>, Error>>;

    /// What was changed in the corp after it was shown, of the day and the week before it.
    fn corrections<'a>(&'a self, corp: &'a str, day: Date) -> BoxFuture<'a, Result<Corrections, Error>>;

    /// Contests of the corp.
    fn contests<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Contests, Error>>;

    /// Codes of the corp that fell silent.
    fn codes<'a>(&'a self, corp: &'a str) -> BoxFuture<'a, Result<Codes, Error>>;

    /// The adds of members of staff, each by themselves.
    fn person<'a>(&'a self, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Person>, Error>>;
}

/// Of which places the counts of a day are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within {
    /// The corp and its regions: channels are told of by region.
    Regions,
    /// All stores and members of staff: channels are told of by each of them.
    Everywhere,
    /// Some stores and members of staff, likewise.
    Some { stores: Vec<String>, staff: Vec<String> },
}

/// Parts of a corp at one level, of which the figures of a day are read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    pub corp: String,
    pub day: Date,
    pub scope: Level,
    /// Absent: all of the level. What a question about all of them costs, one about a few costs nearly.
    pub ids: Option<Vec<String>>,
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

    pub fn set(&mut self, counter: Counter, value: u64) {
        self.0[counter.index()] = value;
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

/// Counts of one day within one scope; the sums over `children` and over `regions` are the `total`, that over `channels`
/// are its adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    pub total: Counters,
    /// By id at the level of the children; the id is empty for what belongs to none.
    pub children: Vec<(String, Counters)>,
    /// Adds by channel.
    pub channels: Vec<(String, u64)>,
    /// By region of the whole corp where the children are others; the id is empty for what belongs to none.
    pub regions: Vec<(String, Counters)>,
    /// When each child had its last add, in ms since the epoch, as far as it is known.
    pub last_adds: HashMap<String, i64>,
}

/// Counts at earlier moments.
///
/// They were read for the minute that ran then, with what it takes to tell of the next one: so that nobody waits when a
/// minute ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// For which moments: see [`minutes_of`].
    pub minutes: [i64; 4],
    /// By channel, for each of [`Instants::baselines`].
    pub baselines: [HashMap<String, Minutes>; 2],
    pub children: HashMap<String, EarlierChild>,
    /// The last hour of the scope, of its regions where [`Parts::show_regions`], and of its children but for staff; as far
    /// as it had come when it was read.
    pub hours: Arc<HashMap<Scope, Hour>>,
}

impl Earlier {
    /// The same as of these instants: those for which it was read, or a minute later; absent for any other.
    #[must_use]
    pub fn as_of(self: &Arc<Self>, instants: &Instants) -> Option<Arc<Self>> {
        let minutes = minutes_of(instants);
        if minutes == self.minutes {
            return Some(Arc::clone(self));
        }
        let moved: [i64; 4] = std::array::from_fn(|at| minutes[at] - self.minutes[at]);
        let hour_moved = moved == [MINUTE_MS; 4];
        // In the first hour of a day the moment of an hour ago stays at its start.
        (hour_moved || moved == [MINUTE_MS, 0, MINUTE_MS, MINUTE_MS]).then(|| {
            let mut next = Self { minutes, ..Self::clone(self) };
            next.baselines.iter_mut().flat_map(HashMap::values_mut).for_each(Minutes::turn);
            next.children.values_mut().for_each(|child| child.turn(hour_moved));
            let hours = Arc::make_mut(&mut next.hours).values_mut();
            hours.for_each(|hour| hour.begin_at(instants.hour_ago.minute()));
            Arc::new(next)
        })
    }
}

/// The minutes that run at the moments of which [`Earlier`] tells, by their start: now, an hour ago, and the baselines.
#[must_use]
pub fn minutes_of(instants: &Instants) -> [i64; 4] {
    let [yesterday, last_week] = instants.baselines;
    [instants.now, instants.hour_ago, yesterday, last_week].map(|moment| moment.minute())
}

/// The last hour of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Adds of the day until one hour ago, whole minutes.
    pub before: u64,
    /// Whole minutes with adds since: start in ms since the epoch and adds, in order of time.
    pub minutes: Vec<(i64, u64)>,
}

impl Hour {
    /// The same from a later minute on.
    fn begin_at(&mut self, minute: i64) {
        let passed = self.minutes.partition_point(|(start, _)| *start < minute);
        self.before += self.minutes.drain(..passed).map(|(_, adds)| adds).sum::<u64>();
    }
}

/// Counts of the whole minutes before a moment, of the minute that runs then, and of the one after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minutes {
    pub whole: Counters,
    pub running: Counters,
    pub next: Counters,
}

impl Minutes {
    /// To the next minute, beyond which nothing is known.
    fn turn(&mut self) {
        self.whole.add(&self.running);
        self.running = std::mem::take(&mut self.next);
    }
}

/// One row of the leaderboard at earlier moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EarlierChild {
    /// Adds of the first baseline: of the whole minutes, of the running one, and of the one after it.
    pub baseline_adds: [u64; 3],
    /// Of the day itself until one hour ago, whole minutes; and in the minute that ran then.
    pub adds_hour_ago: u64,
    pub net_adds_hour_ago: i64,
    pub added_then: u64,
    pub net_added_then: i64,
    /// Start of the minute of the day's last add.
    pub last_add_at: Option<i64>,
}

impl EarlierChild {
    /// To the next minute; `hour_moved` where that of an hour ago has turned as well.
    fn turn(&mut self, hour_moved: bool) {
        let [whole, running, next] = self.baseline_adds;
        self.baseline_adds = [whole + running, next, 0];
        if hour_moved {
            self.adds_hour_ago += std::mem::take(&mut self.added_then);
            self.net_adds_hour_ago += std::mem::take(&mut self.net_added_then);
        }
    }
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

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::board::days;

    fn counters(adds: u64) -> Counters {
        let mut values = [0; Counter::ALL.len()];
        values[Counter::Adds.index()] = adds;
        Counters::from_values(&values)
    }

    /// Read for this time of the day 2026-11-22 in UTC.
    fn read(time: &str) -> Arc<Earlier> {
        let minute = instants(time).hour_ago.minute();
        let minutes = Minutes { whole: counters(10), running: counters(2), next: counters(1) };
        let child = EarlierChild {
            baseline_adds: [10, 2, 1],
            adds_hour_ago: 7,
            net_adds_hour_ago: 6,
            added_then: 3,
            net_added_then: 2,
            last_add_at: None,
        };
        let hour = Hour { before: 7, minutes: vec![(minute, 3), (minute + MINUTE_MS, 5)] };
        Arc::new(Earlier {
            minutes: minutes_of(&instants(time)),
            baselines: [HashMap::from([("badge".to_owned(), minutes)]), HashMap::new()],
            children: HashMap::from([("S1".to_owned(), child)]),
            hours: Arc::new(HashMap::from([(Scope::corp(), hour)])),
        })
    }

    fn instants(time: &str) -> Instants {
        let through: jiff::Timestamp = format!("2026-11-22T{time}Z").parse().unwrap();
        days::instants(jiff::civil::date(2026, 11, 22), through.as_millisecond(), &TimeZone::UTC).unwrap()
    }

    /// Adds by then of the baseline and its running minute, of an hour ago, and before the hour of the news.
    fn told(earlier: &Earlier) -> ([u64; 2], [u64; 2], u64) {
        let (channel, child) = (&earlier.baselines[0]["badge"], &earlier.children["S1"]);
        let baseline = [channel.whole, channel.running].map(|counters| counters.get(Counter::Adds));
        assert_eq!(baseline, child.baseline_adds[..2], "channels and children agree");
        let net = child.adds_hour_ago - child.net_adds_hour_ago.unsigned_abs();
        (baseline, [child.adds_hour_ago, net], earlier.hours[&Scope::corp()].before)
    }

    #[test]
    fn what_was_read_for_a_minute_tells_of_the_next_one_and_of_no_other() {
        let earlier = read("10:00:30");
        let as_of = |time| earlier.as_of(&instants(time)).map(|earlier| told(&earlier));
        assert_eq!(as_of("10:00:59"), Some(([10, 2], [7, 1], 7)));
        assert_eq!(as_of("10:01:00"), Some(([12, 1], [10, 2], 10)));
        assert_eq!(as_of("10:02:00"), None);
        assert_eq!(as_of("09:59:59"), None);
    }

    #[test]
    fn in_the_first_hour_of_a_day_an_hour_ago_is_its_start() {
        let next = read("00:10:30").as_of(&instants("00:11:00")).unwrap();
        assert_eq!(told(&next), ([12, 1], [7, 1], 7));
    }
}
