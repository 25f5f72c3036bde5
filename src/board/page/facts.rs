//! What a page shows, by the same functions that answer the API.
//!
//! Invariant: no figure of a scope is read for a viewer who may see its rows alone, and what is told of the adds of a person
//! only where that person is the scope.
//!
//! Beside what the API answers a page shows the day before and the month of a person, the neighbours in the ranks, and the
//! regions and the news of a wall.

use std::time::Duration;

use crate::board::attention::{self, Finding, NotJudged};
use crate::board::channels::Channels;
use crate::board::contests::{self, Contest};
use crate::board::corrections::{self, Correction};
use crate::board::leaderboard::Leaderboard;
use crate::board::losses::Losses;
use crate::board::news::{self, Item};
use crate::board::person::{self, Add, Month};
use crate::board::regions::{self, Region};
use crate::board::snapshot::Snapshot;
use crate::board::summary::{Envelope, Summary};
use crate::board::trend::Trend;
use crate::board::view::View;

/// Everything that a page of one view needs. A part that is `None` is not for this viewer, or could not be read.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) frame: Envelope<()>,
    pub(super) leaderboard: Leaderboard,
    /// Of the page of one person: the ranks around them.
    pub(super) colleagues: Option<Leaderboard>,
    /// Whether what becomes of the adds of the day can no longer change; absent where nothing of it is known.
    pub(super) qualified_final: Option<bool>,
    /// All that is the matter with the rows; only the flags of a row say whether it is for the viewer.
    pub(super) findings: Vec<Finding>,
    pub(super) summary: Option<Summary>,
    pub(super) channels: Option<Channels>,
    pub(super) trend: Option<Trend>,
    pub(super) attention: Option<Vec<Finding>>,
    pub(super) not_judged: Vec<NotJudged>,
    pub(super) losses: Option<Losses>,
    pub(super) corrections: Option<Vec<Correction>>,
    pub(super) contests: Option<Vec<Contest>>,
    pub(super) my_adds: Option<Vec<Add>>,
    /// When those of the day before were.
    pub(super) my_adds_before: Option<Vec<String>>,
    pub(super) month: Option<Month>,
    pub(super) regions: Vec<Region>,
    /// What is told to a room, the newest first.
    pub(super) news: Vec<Item>,
}

impl Facts {
    /// The answers for a view from figures that were read `age` ago.
    pub(super) fn read(view: &View, snapshot: &Snapshot, age: Duration, colleagues: Option<Leaderboard>) -> Self {
        let freshness = snapshot.freshness(age);
        // Whoever sees the ranks of others sees rows alone: the figures of that scope are not theirs.
        let whole = view.viewer.sight.shows_figures().then_some(snapshot);
        Self {
            frame: Envelope::new(snapshot, age, ()),
            leaderboard: Leaderboard::new(snapshot, view, &freshness),
            colleagues,
            qualified_final: snapshot.cohorts().map(|cohorts| cohorts.are_final(&snapshot.instants)),
            findings: attention::findings(snapshot, &freshness),
            summary: whole.map(|snapshot| Summary::new(snapshot, &freshness)),
            channels: whole.map(|snapshot| Channels::new(snapshot, &freshness)),
            trend: whole.and_then(|snapshot| Trend::new(snapshot, view.step_seconds, &freshness)),
            attention: whole.and_then(|snapshot| attention::attention(snapshot, &view.viewer, &freshness)),
            not_judged: whole.map(|snapshot| attention::not_judged(snapshot, &freshness).to_vec()).unwrap_or_default(),
            losses: whole.map(Losses::new),
            corrections: whole.and_then(corrections::corrections),
            contests: whole.and_then(|snapshot| contests::contests(snapshot, view, &freshness)),
            my_adds: whole.and_then(person::adds),
            my_adds_before: whole.and_then(person::day_before),
            month: whole.and_then(person::month),
            regions: whole.map(regions::regions).unwrap_or_default(),
            news: whole.map(|snapshot| news::news(snapshot, &freshness).to_vec()).unwrap_or_default(),
        }
    }
}
