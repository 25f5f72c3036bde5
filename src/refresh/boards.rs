//! What leaderboards show beside today's counts.
//!
//! Invariant: of the day that runs and the next one it is there before anybody asks; of every other day as soon as anything
//! that it follows from has changed.

use std::collections::BTreeSet;

use super::{CorpDay, DAYS, Run, all, days};
use crate::sink;

const LEADERBOARD: &str = include_str!("../../schemas/refresh/leaderboard.sql");

/// Ranks of an hour ago change until an hour after a day; a run may have been missed.
const MOVING_MS: i64 = 2 * 3_600_000;
/// What was missed for longer is a day that has changed, or one that nothing is new of.
const MISSED_MS: i64 = 3 * 86_400_000;

impl Run<'_> {
    /// The leaderboards of days with counts that changed and of the days that run, and what places are called on every day.
    pub(super) async fn leaderboards(&self, counted: &[CorpDay]) -> Result<(), sink::Error> {
        let mut days: BTreeSet<_> = counted.iter().cloned().collect();
        days.extend(self.running().await?);
        for days in days.iter().cloned().collect::<Vec<_>>().chunks(DAYS) {
            let horizon = ("horizon_ms", self.now.complete_through_ms.to_string());
            let values = [("days", CorpDay::end_literals(days)), horizon];
            self.replace("compute leaderboards", LEADERBOARD, &values).await?;
            self.is_alive().await?;
        }
        self.places(days).await
    }

    /// Of every corp the days that ran since the last refresh, and the next one.
    async fn running(&self) -> Result<Vec<CorpDay>, sink::Error> {
        let corps = "SELECT DISTINCT toString(corp_id) FROM corp_activity";
        let corps: Vec<String> = all(self.client, "look for corps", corps).await?;
        let until = self.now.complete_through_ms;
        let from = self.now.last_complete_through_ms.clamp(until - MISSED_MS, until) - MOVING_MS;
        let days = corps.into_iter().flat_map(|corp| {
            let dates = days::running(&self.corps.get(&corp).time_zone, from, until);
            dates.map(move |date| self.day(corp.clone(), date)).collect::<Vec<_>>()
        });
        Ok(days.collect())
    }
}
