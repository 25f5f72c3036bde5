//! What a page shows: the answers of the API, and nothing else.
//!
//! Invariant: a page shows nothing that the API does not answer. The parts that it does not answer yet have the shapes of
//! the board's specification, section 3.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::board::access::sight::Sight;
use crate::board::channels::Channels;
use crate::board::leaderboard::Leaderboard;
use crate::board::snapshot::Snapshot;
use crate::board::summary::{Envelope, Summary};
use crate::board::view::View;

/// Everything that a page of one view needs. A part that is `None` is not for this viewer, or not answered yet.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) frame: Envelope<()>,
    pub(super) leaderboard: Leaderboard,
    pub(super) summary: Option<Summary>,
    pub(super) channels: Option<Channels>,
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
        // Whoever sees the ranks of others sees rows alone: the figures of that scope are not theirs.
        let rows_alone = matches!(view.viewer.sight, Sight::Siblings | Sight::Around { .. });
        Self {
            frame: Envelope::new(snapshot, age, ()),
            leaderboard: Leaderboard::new(snapshot, view, &freshness),
            summary: (!rows_alone).then(|| Summary::new(snapshot)),
            channels: (!rows_alone).then(|| Channels::new(snapshot, &freshness)),
            trend: None,
            attention: None,
            losses: None,
            corrections: None,
            contests: None,
            my_adds: None,
        }
    }
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
