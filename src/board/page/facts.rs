//! What a page shows: the answers of the API, read back into what pages need of them.
//!
//! Invariant: a page shows nothing that the API does not answer, and what is `null` there is absent here.

#![allow(clippy::struct_field_names, reason = "the fields have the names of the API")]

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::board::access::sight::Sight;
use crate::board::channels::Channels as ChannelsAnswer;
use crate::board::leaderboard::Leaderboard as LeaderboardAnswer;
use crate::board::snapshot::Snapshot;
use crate::board::summary::{Envelope, Summary as SummaryAnswer};
use crate::board::view::View;

/// Everything that a page of one view needs. A part that is `None` is not answered yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) frame: Frame,
    pub(super) summary: Summary,
    pub(super) leaderboard: Leaderboard,
    pub(super) channels: Channels,
    pub(super) trend: Option<Trend>,
    pub(super) attention: Option<Vec<Attention>>,
    pub(super) losses: Option<Losses>,
    pub(super) corrections: Option<Vec<Correction>>,
    pub(super) contests: Option<Vec<Contest>>,
    pub(super) my_adds: Option<Vec<MyAdd>>,
}

impl Facts {
    /// The answers for a view from figures that were read `age` ago.
    pub(super) fn read(view: &View, snapshot: &Snapshot, age: Duration) -> Self {
        let freshness = snapshot.freshness(age);
        let rows = Self {
            frame: read(Envelope::new(snapshot, age, ())),
            leaderboard: read(LeaderboardAnswer::new(snapshot, view, &freshness)),
            ..Self::default()
        };
        // Whoever sees the ranks of others sees rows alone: the figures of that scope are not theirs.
        if matches!(view.viewer.sight, Sight::Siblings | Sight::Around { .. }) {
            return rows;
        }
        Self {
            summary: read(SummaryAnswer::new(snapshot)),
            channels: read(ChannelsAnswer::new(snapshot, &freshness)),
            ..rows
        }
    }
}

/// An answer as a page reads it: the same text that a client gets. A part in another shape than expected is left out
/// whole, as one that is not answered; the tests of the pages read every part.
fn read<T: DeserializeOwned + Default>(answer: impl Serialize) -> T {
    serde_json::to_value(answer).ok().and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

/// What stands beside the data of every answer.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Frame {
    pub(super) corp_id: String,
    pub(super) business_date: String,
    pub(super) time_zone: String,
    pub(super) revision: i64,
    pub(super) scope: Place,
    pub(super) freshness: Freshness,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Place {
    pub(super) level: String,
    pub(super) name: String,
    pub(super) path: Vec<Step>,
    pub(super) stores: u64,
    pub(super) staff: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Step {
    pub(super) level: String,
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Freshness {
    pub(super) complete_through: Option<String>,
    pub(super) lag_seconds: Option<u64>,
    pub(super) state: String,
}

/// Counters and derived figures, each under its name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Figures(Map<String, Value>);

impl Figures {
    /// A figure; `None` where it is not known.
    pub(super) fn get(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    pub(super) fn adds(&self) -> i64 {
        self.get("adds").unwrap_or(0)
    }

    /// Deletions by customers and by staff.
    pub(super) fn losses(&self) -> i64 {
        self.get("deletes_by_customer").unwrap_or(0) + self.get("deletes_by_staff").unwrap_or(0)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Summary {
    #[serde(flatten)]
    pub(super) figures: Figures,
    pub(super) qualified_final: Option<bool>,
    pub(super) target: Option<Target>,
    pub(super) forecast: Option<Forecast>,
    pub(super) baselines: Vec<Baseline>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Target {
    pub(super) target: u64,
    pub(super) usual_numerator: Option<u64>,
    pub(super) usual_denominator: Option<u64>,
}

impl Target {
    /// The usual share of a day by now, in thousandths.
    pub(super) fn usual_thousandths(&self) -> Option<i64> {
        let numerator = i64::try_from(self.usual_numerator?).ok()?;
        let denominator = i64::try_from(self.usual_denominator?).ok().filter(|denominator| *denominator > 0)?;
        numerator.checked_mul(1000).map(|thousands| (thousands + denominator / 2) / denominator)
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Forecast {
    pub(super) adds: u64,
    pub(super) low: u64,
    pub(super) high: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Baseline {
    pub(super) business_date: String,
    pub(super) until: Option<String>,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Leaderboard {
    pub(super) total: u64,
    pub(super) rows: Vec<Row>,
    pub(super) mine: Option<Mine>,
    pub(super) next: Option<usize>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) rank: Option<i64>,
    pub(super) rank_before: Option<i64>,
    pub(super) adds: i64,
    /// `None` where the viewer may not see losses.
    pub(super) net_adds: Option<i64>,
    pub(super) qualified_adds: Option<i64>,
    pub(super) baseline_adds: Option<i64>,
    pub(super) staff_active: u64,
    pub(super) target: Option<u64>,
    #[serde(default)]
    pub(super) flags: Vec<String>,
}

/// The viewer's own row.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Mine {
    #[serde(flatten)]
    pub(super) row: Row,
    /// How much the next rank has more.
    pub(super) gap_next: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Channels {
    pub(super) total: i64,
    pub(super) rows: Vec<Channel>,
    #[serde(default)]
    pub(super) silent: Option<Vec<Silent>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Channel {
    pub(super) channel: String,
    pub(super) group: Option<String>,
    #[serde(default)]
    pub(super) zh: String,
    #[serde(default)]
    pub(super) en: String,
    pub(super) adds: i64,
    pub(super) baseline_adds: Option<i64>,
    pub(super) qualified_adds: Option<i64>,
}

/// A code without adds for longer than is usual.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Silent {
    pub(super) state: String,
    pub(super) label: Option<String>,
    pub(super) last_add_at: Option<String>,
    pub(super) silent_seconds: Option<u64>,
    pub(super) usual_gap_seconds: Option<u64>,
}

/// Counts by step of the day; a step that is not there yet is `null`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Trend {
    pub(super) step_seconds: u64,
    pub(super) adds: Vec<Option<u64>>,
    pub(super) late_adds: Vec<Option<u64>>,
    pub(super) baseline_adds: Vec<Option<u64>>,
    pub(super) complete_steps: usize,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Attention {
    pub(super) kind: String,
    pub(super) scope: Option<Value>,
    pub(super) name: Option<String>,
    pub(super) value: Option<i64>,
    pub(super) usual: Option<f64>,
    pub(super) numerator: Option<i64>,
    pub(super) denominator: Option<i64>,
    pub(super) provisional: Option<bool>,
    pub(super) since: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Losses {
    #[serde(default)]
    pub(super) broadcasts: Vec<Broadcast>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Broadcast {
    pub(super) name: Option<String>,
    pub(super) sent_at: Option<String>,
    pub(super) audience: Option<u64>,
    pub(super) deleted_24h: Option<u64>,
    pub(super) provisional: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Correction {
    pub(super) business_date: String,
    pub(super) reason: String,
    pub(super) before: Option<i64>,
    pub(super) after: Option<i64>,
    pub(super) closed: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Contest {
    pub(super) name: String,
    pub(super) basis: String,
    pub(super) ends_at: Option<String>,
    pub(super) state: String,
    pub(super) sides: Vec<Side>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Side {
    pub(super) name: String,
    pub(super) value: Option<i64>,
    pub(super) staff_active: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct MyAdd {
    pub(super) added_at: String,
    pub(super) channel: String,
    pub(super) status: String,
    pub(super) final_at: Option<String>,
    pub(super) received_late_at: Option<String>,
    pub(super) receipt: Option<String>,
}
