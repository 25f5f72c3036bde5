//! The channel mix of a scope.
//!
//! Invariant: pure; `unattributed` is always a row, so the rows add up to the total.

use std::collections::HashMap;

use serde::Serialize;

use super::attention;
use super::details::codes::Code;
use super::details::cohorts::Cohort;
use super::reader::Minutes;
use super::snapshot::{Freshness, Snapshot, rfc3339};
use crate::directory::channels;
use crate::event::Counter;

/// The key of adds that nothing resolves to.
const UNATTRIBUTED: &str = channels::UNATTRIBUTED.key;

/// Data of `/api/v1/channels`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Channels {
    /// Adds of all rows.
    pub total: u64,
    /// By adds, largest first; `unattributed` last.
    pub rows: Vec<Row>,
    /// Codes without adds for longer than is usual; `null` where they could not be read, and when the figures are stale.
    pub silent: Option<Vec<Silent>>,
}

/// A code without adds for longer than is usual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Silent {
    pub state: String,
    pub label: Option<String>,
    pub channel: String,
    /// RFC 3339, UTC.
    pub last_add_at: Option<String>,
    pub silent_seconds: u64,
    /// Nineteen in twenty of its gaps of the last 14 days were no longer.
    pub usual_gap_seconds: u64,
}

/// One channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub channel: String,
    /// `null` for a key that neither the table nor the corp put in a group.
    pub group: Option<String>,
    /// Labels; the key itself where there is none.
    pub zh: String,
    pub en: String,
    pub adds: u64,
    /// `null` where nothing is compared: see [`Snapshot::compares`].
    pub baseline_adds: Option<u64>,
    /// `null` until the cohorts have reached the day.
    pub qualified_adds: Option<u64>,
    /// `null` until an add of the day is 24 h old.
    pub retained_24h: Option<Retained>,
}

/// Of the adds that are 24 h old, those of customers who are still friends then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Retained {
    pub numerator: u64,
    pub denominator: u64,
}

impl Retained {
    fn of(cohort: Cohort) -> Option<Self> {
        (cohort.matured > 0).then_some(Self { numerator: cohort.retained, denominator: cohort.matured })
    }

    /// Of all of them; absent where nothing is known of any.
    #[must_use]
    pub fn sum(all: impl Iterator<Item = Self>) -> Option<Self> {
        all.reduce(|sum, more| Self {
            numerator: sum.numerator + more.numerator,
            denominator: sum.denominator + more.denominator,
        })
    }
}

/// The channels of one group together; a channel in none is one by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group<'a> {
    pub group: String,
    pub adds: u64,
    /// `null` where nothing is compared: see [`Snapshot::compares`].
    pub baseline_adds: Option<u64>,
    /// At least one.
    #[serde(skip)]
    pub rows: Vec<&'a Row>,
}

impl Channels {
    /// The mix by group.
    #[must_use]
    pub fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group> = Vec::new();
        for row in &self.rows {
            let key = row.group.as_ref().unwrap_or(&row.channel);
            if let Some(group) = groups.iter_mut().find(|group| group.group == *key) {
                group.adds += row.adds;
                group.baseline_adds = group.baseline_adds.zip(row.baseline_adds).map(|(sum, more)| sum + more);
                group.rows.push(row);
            } else {
                let (adds, baseline_adds) = (row.adds, row.baseline_adds);
                groups.push(Group { group: key.clone(), adds, baseline_adds, rows: vec![row] });
            }
        }
        groups
    }

    /// The mix of a snapshot; `freshness` decides whether comparisons are held.
    #[must_use]
    pub fn new(snapshot: &Snapshot, freshness: &Freshness) -> Self {
        let moment = &snapshot.instants.baselines[0];
        let compares = snapshot.compares(freshness);
        let cohorts = snapshot.cohorts();
        let baseline = |minutes: &Minutes| minutes.whole.until(&minutes.running, moment).get(Counter::Adds);
        let mut adds: HashMap<&str, (u64, u64)> = HashMap::from([(UNATTRIBUTED, (0, 0))]);
        for (channel, of_the_day) in &snapshot.counts.channels {
            adds.entry(channel).or_default().0 = *of_the_day;
        }
        for (channel, minutes) in &snapshot.earlier.baselines[0] {
            adds.entry(channel).or_default().1 = baseline(minutes);
        }
        let mut rows: Vec<Row> = adds
            .into_iter()
            .filter(|(channel, (adds, baseline))| *channel == UNATTRIBUTED || adds + baseline > 0)
            .map(|(channel, (adds, baseline))| {
                let known = channels::table().channels.iter().find(|known| known.key == *channel);
                let label =
                    |text: fn(&channels::Key) -> &String| known.map_or_else(|| channel.to_owned(), |k| text(k).clone());
                let cohort = cohorts.map(|cohorts| cohorts.channels.get(channel).copied().unwrap_or_default());
                Row {
                    channel: channel.to_owned(),
                    group: known.map(|known| &known.group).or(snapshot.directory.groups.get(channel)).cloned(),
                    zh: label(|channel| &channel.zh),
                    en: label(|channel| &channel.en),
                    adds,
                    baseline_adds: compares.then_some(baseline),
                    qualified_adds: cohort.and_then(|cohort| cohort.qualified(adds)),
                    retained_24h: cohort.and_then(Retained::of),
                }
            })
            .collect();
        rows.sort_by(|a, b| {
            let last = |row: &Row| row.channel == UNATTRIBUTED;
            last(a).cmp(&last(b)).then(b.adds.cmp(&a.adds)).then_with(|| a.channel.cmp(&b.channel))
        });
        Self {
            total: rows.iter().map(|row| row.adds).sum(),
            rows,
            silent: if freshness.holds_comparisons() { None } else { silent(snapshot) },
        }
    }
}

fn silent(snapshot: &Snapshot) -> Option<Vec<Silent>> {
    let silent = |(code, silent_seconds): (&Code, u64)| Silent {
        state: code.state.clone(),
        label: Some(code.label.clone()).filter(|label| !label.is_empty()),
        channel: code.channel.clone(),
        last_add_at: rfc3339(code.last_add_at),
        silent_seconds,
        usual_gap_seconds: code.usual_gap_seconds,
    };
    Some(attention::silent_codes(snapshot)?.into_iter().map(silent).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::board::fixture;

    #[test]
    fn the_channels_add_up_to_the_total_with_unattributed_last() {
        let snapshot = fixture::snapshot();
        let mix = Channels::new(&snapshot, &snapshot.freshness(Duration::ZERO));
        assert_eq!(mix.total, 30);
        let rows: Vec<_> = mix.rows.iter().map(|row| (row.channel.as_str(), row.adds)).collect();
        assert_eq!(rows, [("badge", 20), ("search", 7), (UNATTRIBUTED, 3)]);
    }

    #[test]
    fn the_groups_add_up_to_the_total_and_to_its_baseline() {
        let snapshot = fixture::snapshot();
        let mix = Channels::new(&snapshot, &snapshot.freshness(Duration::ZERO));
        let groups = mix.groups();
        assert!(groups.len() < mix.rows.len() || groups.len() == 3, "{groups:?}");
        assert_eq!(groups.iter().map(|group| group.adds).sum::<u64>(), mix.total);
        let baselines = |rows: &mut dyn Iterator<Item = Option<u64>>| rows.sum::<Option<u64>>();
        assert_eq!(
            baselines(&mut groups.iter().map(|group| group.baseline_adds)),
            baselines(&mut mix.rows.iter().map(|row| row.baseline_adds))
        );
    }

    #[test]
    fn the_baselines_of_the_channels_add_up_to_the_baseline_of_the_total() {
        let snapshot = fixture::snapshot();
        let mix = Channels::new(&snapshot, &snapshot.freshness(Duration::ZERO));
        let sum: u64 = mix.rows.iter().filter_map(|row| row.baseline_adds).sum();
        assert_eq!(
            sum,
            crate::board::summary::Summary::new(&snapshot, &snapshot.freshness(Duration::ZERO)).baselines[0]
                .figures
                .adds()
        );
    }

    #[test]
    fn silent_codes_are_listed_and_go_when_the_figures_are_stale() {
        let snapshot = fixture::snapshot();
        let silent = |age| Channels::new(&snapshot, &snapshot.freshness(Duration::from_secs(age))).silent;
        let code = &silent(0).unwrap()[0];
        assert_eq!((code.state.as_str(), code.silent_seconds, code.usual_gap_seconds), ("qr-7", 2835, 240));
        assert_eq!(silent(600), None);
    }

    #[test]
    fn the_qualified_adds_of_the_channels_add_up_to_those_of_the_total() {
        let snapshot = fixture::snapshot();
        let mix = Channels::new(&snapshot, &snapshot.freshness(Duration::ZERO));
        let qualified: Option<u64> = mix.rows.iter().map(|row| row.qualified_adds).sum();
        assert_eq!(
            qualified,
            crate::board::summary::Summary::new(&snapshot, &snapshot.freshness(Duration::ZERO)).figures.qualified_adds
        );
    }

    #[test]
    fn a_scope_without_adds_still_shows_unattributed() {
        let mut snapshot = fixture::snapshot();
        snapshot.counts.channels.clear();
        snapshot.earlier = std::sync::Arc::default();
        let mix = Channels::new(&snapshot, &snapshot.freshness(Duration::ZERO));
        assert_eq!((mix.total, mix.rows.len()), (0, 1));
    }
}
