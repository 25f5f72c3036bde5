//! The figures of a scope, and the envelope that every answer of the API comes in.
//!
//! Invariant: a figure that cannot be computed from the views yet is `null`, never an estimate or a zero.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::attention::NotJudged;
use super::days::{DayState, Moment};
use super::details::cohorts::Cohort;
use super::pace::{self, Forecast, Pace, Unknown};
use super::reader::{Counters, Minutes};
use super::snapshot::{Freshness, Snapshot, rfc3339};
use super::view::{Level, Scope};
use crate::event::Counter;

/// What every answer says beside its data (board, section 3).
#[derive(Clone, Debug, Serialize)]
pub struct Envelope<T> {
    pub corp_id: String,
    /// `YYYY-MM-DD`.
    pub business_date: String,
    pub time_zone: String,
    pub day_state: DayState,
    pub revision: i64,
    pub scope: Place,
    pub freshness: Freshness,
    pub data: T,
    /// Of what needs a person: what there is too little history for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<Vec<NotJudged>>,
}

impl<T> Envelope<T> {
    /// Wraps data that were computed from this snapshot, `age` after it was read.
    #[must_use]
    pub fn new(snapshot: &Snapshot, age: Duration, data: T) -> Self {
        Self {
            corp_id: snapshot.watched.corp.clone(),
            business_date: snapshot.day.to_string(),
            time_zone: snapshot.time_zone.clone(),
            day_state: snapshot.instants.state,
            revision: snapshot.revision,
            scope: Place::new(snapshot),
            freshness: snapshot.freshness(age),
            data,
            not_judged: None,
        }
    }
}

/// A scope with its names, and how large it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    pub level: &'static str,
    pub id: String,
    pub name: String,
    /// From the corp down to the scope itself.
    pub path: Vec<Step>,
    /// Stores with active staff within the scope.
    pub stores: usize,
    /// Active staff within the scope.
    pub staff: usize,
}

/// One step of the path to a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub level: &'static str,
    pub id: String,
    pub name: String,
}

impl Place {
    fn new(snapshot: &Snapshot) -> Self {
        let scope = &snapshot.watched.scope;
        let organisation = &snapshot.directory.organisation;
        let step = |scope: &Scope| Step {
            level: scope.level.name(),
            id: scope.id.clone(),
            name: match scope.level {
                Level::Corp => snapshot.watched.corp.clone(),
                level @ (Level::Region | Level::Store | Level::Staff) => organisation.name(level, &scope.id),
            },
        };
        let own = step(scope);
        let stores: std::collections::HashSet<_> =
            organisation.active(scope).map(|member| &member.store_id).filter(|id| !id.is_empty()).collect();
        Self {
            level: own.level,
            id: own.id,
            name: own.name,
            path: organisation.path(scope).iter().map(step).collect(),
            stores: stores.len(),
            staff: organisation.active(scope).count(),
        }
    }
}

/// Counters, each under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named(pub Counters);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Counter::ALL.len()))?;
        for counter in Counter::ALL {
            map.serialize_entry(counter.name(), &self.0.get(*counter))?;
        }
        map.end()
    }
}

/// The figures of a scope and day, or of the part of a day that a baseline stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    #[serde(flatten)]
    pub counters: Named,
    pub net_adds: i64,
    /// Of the adds, by the day of the add: `null` until the cohorts have reached the day, and of a part of a day.
    pub opened: Option<u64>,
    pub qualified_adds: Option<u64>,
    pub qualified_final: Option<bool>,
    pub not_new_adds: Option<u64>,
    pub lost_adds: Option<u64>,
}

impl Figures {
    #[must_use]
    pub fn new(counters: Counters) -> Self {
        Self {
            counters: Named(counters),
            net_adds: counters.net_adds(),
            opened: None,
            qualified_adds: None,
            qualified_final: None,
            not_new_adds: None,
            lost_adds: None,
        }
    }

    /// With what became of the adds, as far as it is known.
    #[must_use]
    pub fn with_cohort(self, cohort: &Cohort, is_final: bool) -> Self {
        let Some(qualified) = cohort.qualified(self.adds()) else { return self };
        Self {
            opened: Some(cohort.opened),
            qualified_adds: Some(qualified),
            qualified_final: Some(is_final),
            not_new_adds: Some(cohort.not_new),
            lost_adds: Some(cohort.lost),
            ..self
        }
    }

    /// A figure by its name in the answer; absent where it is not known, or where there is none of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<i64> {
        let count = match name {
            "net_adds" => return Some(self.net_adds),
            "losses" => self.losses(),
            "opened" => self.opened?,
            "qualified_adds" => self.qualified_adds?,
            "not_new_adds" => self.not_new_adds?,
            "lost_adds" => self.lost_adds?,
            name => self.counters.0.get(Counter::from_name(name)?),
        };
        i64::try_from(count).ok()
    }

    #[must_use]
    pub fn adds(&self) -> u64 {
        self.counters.0.get(Counter::Adds)
    }

    /// Deletions by customers and by staff.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.counters.0.get(Counter::DeletesByCustomer) + self.counters.0.get(Counter::DeletesByStaff)
    }
}

/// The target of the scope for this day: in adds where there is one, else in another metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    pub metric: &'static str,
    pub target: u64,
    /// The usual share of a day by now; `null` where there are too few like weekdays, and when the figures are stale.
    pub usual_numerator: Option<u64>,
    pub usual_denominator: Option<u64>,
}

/// The same figures at the same time of day on an earlier day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Baseline {
    pub business_date: String,
    /// Exclusive, RFC 3339, UTC.
    pub until: Option<String>,
    #[serde(flatten)]
    pub figures: Figures,
}

/// Data of `/api/v1/summary`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    pub figures: Figures,
    pub target: Option<Target>,
    /// The usual share of a day by now, whether or not it has a target. An answer tells it with the target (board, section 3).
    #[serde(skip)]
    pub usual: Option<Pace>,
    /// Why there is no usual pace of the day.
    pub usual_unknown: Option<Unknown>,
    pub forecast: Option<Forecast>,
    /// Why there is no forecast.
    pub forecast_unknown: Option<Unknown>,
    /// The day before, then the day a week before, as far as all of them was counted.
    pub baselines: Vec<Baseline>,
    /// The others of these days.
    pub uncounted: Vec<String>,
}

impl Summary {
    /// The figures of a snapshot; `freshness` decides whether pace and forecast are held.
    #[must_use]
    pub fn new(snapshot: &Snapshot, freshness: &Freshness) -> Self {
        let scope = &snapshot.watched.scope;
        let days = snapshot.usual_days(freshness);
        let pace = days.and_then(pace::usual);
        let target = snapshot.directory.any_target(scope.level, &scope.id);
        let moments = snapshot.instants.baselines.iter().zip(&snapshot.earlier.baselines);
        let (counted, uncounted): (Vec<_>, Vec<_>) =
            moments.partition(|(moment, _)| snapshot.counted_all_of(moment.day));
        let figures = Figures::new(snapshot.total());
        let figures = match snapshot.cohorts() {
            Some(cohorts) => figures.with_cohort(&cohorts.total(), cohorts.are_final(&snapshot.instants)),
            None => figures,
        };
        let forecast = match scope.level {
            Level::Staff => Err(Unknown::Person),
            Level::Corp | Level::Region | Level::Store => days.and_then(|days| pace::forecast(figures.adds(), days)),
        };
        Self {
            target: target.map(|(metric, target)| Target {
                metric: metric.name(),
                target,
                usual_numerator: pace.ok().map(|pace| pace.numerator),
                usual_denominator: pace.ok().map(|pace| pace.denominator),
            }),
            usual: pace.ok(),
            usual_unknown: pace.err(),
            forecast: forecast.ok(),
            forecast_unknown: forecast.err(),
            baselines: counted.iter().map(|(moment, channels)| Baseline::new(moment, channels.values())).collect(),
            uncounted: uncounted.iter().map(|(moment, _)| moment.day.to_string()).collect(),
            figures,
        }
    }
}

impl Baseline {
    /// Each channel is cut at the moment by itself, so that the baselines of the channels add up to this one.
    fn new<'a>(moment: &Moment, channels: impl Iterator<Item = &'a Minutes>) -> Self {
        let mut counters = Counters::default();
        for minutes in channels {
            counters.add(&minutes.whole.until(&minutes.running, moment));
        }
        Self { business_date: moment.day.to_string(), until: rfc3339(moment.until), figures: Figures::new(counters) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::board::details::cohorts::Cohorts;
    use crate::board::fixture;

    fn summary(snapshot: &Snapshot, age_seconds: u64) -> Summary {
        Summary::new(snapshot, &snapshot.freshness(Duration::from_secs(age_seconds)))
    }

    #[test]
    fn pace_and_forecast_come_of_like_weekdays_and_go_when_the_figures_are_stale() {
        let mut snapshot = fixture::snapshot();
        let live = summary(&snapshot, 0);
        let target = live.target.unwrap();
        assert_eq!((target.usual_numerator, target.usual_denominator), (Some(135), Some(300)));
        assert_eq!(live.forecast, Some(Forecast { adds: 67, low: 61, high: 73, basis_days: 3 }));
        let stale = summary(&snapshot, 600);
        assert_eq!((stale.target.unwrap().usual_numerator, stale.forecast), (None, None));
        assert_eq!((stale.usual_unknown, stale.forecast_unknown), (Some(Unknown::Held), Some(Unknown::Held)));
        snapshot.watched.scope = Scope { level: Level::Staff, id: "z1".to_owned() };
        let of_staff = summary(&snapshot, 0);
        assert_eq!((of_staff.forecast, of_staff.forecast_unknown), (None, Some(Unknown::Person)));
        assert_eq!((live.usual_unknown, of_staff.usual_unknown, live.forecast_unknown), (None, None, None));
    }

    #[test]
    fn a_day_that_is_over_has_no_forecast() {
        let mut snapshot = fixture::snapshot();
        snapshot.instants.state = DayState::Settling;
        let over = summary(&snapshot.with_derived(), 0);
        assert_eq!((over.usual_unknown, over.forecast_unknown), (Some(Unknown::Over), Some(Unknown::Over)));
    }

    #[test]
    fn cohort_figures_are_null_until_the_refresh_has_reached_the_day() {
        let mut snapshot = fixture::snapshot();
        let cohorts = Cohorts { complete_through: snapshot.instants.bounds.0, ..Cohorts::default() };
        snapshot.details.cohorts = Some(Arc::new(cohorts));
        let summary = serde_json::to_value(summary(&snapshot, 0)).unwrap();
        for field in ["opened", "qualified_adds", "qualified_final", "not_new_adds", "lost_adds"] {
            assert!(summary[field].is_null(), "{field}");
        }
        assert_eq!(summary["adds"], 30);
        assert_eq!(summary["net_adds"], 26);
        assert_eq!(summary["target"]["target"], 100);
    }

    #[test]
    fn shown_adds_less_not_new_less_lost_are_the_shown_qualified() {
        let summary = serde_json::to_value(summary(&fixture::snapshot(), 0)).unwrap();
        let figure = |name: &str| summary[name].as_i64().unwrap();
        assert_eq!(figure("qualified_adds"), 24);
        assert_eq!(figure("adds") - figure("not_new_adds") - figure("lost_adds"), figure("qualified_adds"));
        assert_eq!((figure("opened"), &summary["qualified_final"]), (12, &serde_json::json!(false)));
    }

    #[test]
    fn a_baseline_counts_whole_minutes_and_the_share_of_the_running_one() {
        let baseline = &summary(&fixture::snapshot(), 0).baselines[0];
        assert_eq!(baseline.business_date, "2026-11-21");
        assert_eq!(baseline.until.as_deref(), Some("2026-11-21T06:32:15Z"));
        assert_eq!(baseline.figures.adds(), 20 + 2);
    }

    #[test]
    fn a_day_of_which_not_all_was_counted_is_no_baseline() {
        let mut snapshot = fixture::snapshot();
        let mut days = |since: Option<&str>| {
            snapshot.counted_since = since.map(|day| day.parse().unwrap());
            let summary = summary(&snapshot, 0);
            (summary.baselines.into_iter().map(|base| base.business_date).collect::<Vec<_>>(), summary.uncounted)
        };
        let both = || vec!["2026-11-21".to_owned(), "2026-11-15".to_owned()];
        assert_eq!(days(Some("2026-11-14")), (both(), vec![]));
        assert_eq!(
            days(Some("2026-11-15")),
            (both()[..1].to_vec(), both()[1..].to_vec()),
            "the first day may be a part"
        );
        assert_eq!(days(Some("2026-11-21")), (vec![], both()));
        assert_eq!(days(None), (vec![], both()));
    }

    #[test]
    fn the_path_leads_from_the_corp_to_the_scope() {
        let mut snapshot = fixture::snapshot();
        snapshot.watched.scope = Scope { level: Level::Store, id: "S1".to_owned() };
        let place = Place::new(&snapshot);
        let names: Vec<_> = place.path.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["acme", "华东", "杭州湖滨路店"]);
    }
}
