//! Closes business days and contests: what each figure said three days after their end stays beside what it says later.
//!
//! Invariant: of several closings of a day the first by the server's clock holds, so that none that arrives late changes a
//! figure; no figure of a closing that holds is written after it.
//!
//! # A day of which nothing was known when it was due
//! Its first record may come weeks late, in parts, and a run would close it with the part that has come. Rewards of the day
//! were paid on nothing, so it is closed with nothing, and all that comes is an adjustment. A corp of which no finished run has
//! closed a day is new, or the warehouse is: its history is read for the first time, and closed as it is known then. So is a
//! day of which any record was published in time: it is history that is loaded in parts.

use std::collections::BTreeSet;

use super::{Asking, CorpDay, DAYS, Run, all, ask, literal, one};
use crate::{
    sink,
    window::{SETTLING_MS, is_closed},
};

const ENDS: &str = include_str!("../../schemas/refresh/ends.sql");
const DUE: &str = include_str!("../../schemas/refresh/due.sql");
const CLOSINGS: &str = include_str!("../../schemas/refresh/closings.sql");
const CLOSED_PLACES: &str = include_str!("../../schemas/refresh/closed_places.sql");
const CLOSED_COSTS: &str = include_str!("../../schemas/refresh/closed_costs.sql");
const CLOSE: &str = include_str!("../../schemas/refresh/close.sql");
const DUE_CONTESTS: &str = include_str!("../../schemas/refresh/due_contests.sql");
const IN_TIME: &str = include_str!("../../schemas/refresh/in_time.sql");
const CONTESTS: &str = include_str!("../../schemas/refresh/contests.sql");

impl Run<'_> {
    /// Days with any count: those whose cohorts were computed, and of all others those that changed, or that time may have
    /// closed.
    pub(super) async fn counted(&self, computed: &[CorpDay]) -> Result<Vec<CorpDay>, sink::Error> {
        let sql = self.statement(DUE, &[("dates", literal(&self.aging()))]);
        let counted = self.picked("look for days to be closed", &sql).await?;
        let days: BTreeSet<_> = computed.iter().cloned().chain(counted).collect();
        Ok(days.into_iter().collect())
    }

    /// Only here the zones of the corps are known.
    pub(super) async fn note_ends(&self, days: &[CorpDay]) -> Result<(), sink::Error> {
        for days in days.chunks(DAYS) {
            self.execute("note when days end", ENDS, &[("days", CorpDay::end_literals(days))]).await?;
        }
        Ok(())
    }

    /// Closes those of the days that are not closed yet.
    pub(super) async fn close(&self, due: &[CorpDay]) -> Result<(), sink::Error> {
        if due.is_empty() {
            return Ok(());
        }
        let known = "SELECT DISTINCT toString(corp_id) FROM closings WHERE run IN (SELECT run FROM refresh_runs)";
        let known: Vec<String> = all(self.client, "look for corps with closed days", known).await?;
        let through = "SELECT toInt64(toUnixTimestamp64Milli(max(r.complete_through))) FROM refresh_runs AS r";
        let through_ms: i64 = one(self.client, "look how far figures were complete", through).await?;
        for due in due.chunks(DAYS) {
            let sql = format!(
                "SELECT DISTINCT corp_id, business_date FROM closings WHERE (corp_id, business_date) IN \
                 (SELECT corp_id, business_date FROM values('corp_id String, business_date Date, over Bool', {}))",
                CorpDay::literals(due)
            );
            let closed = self.picked("look for closed days", &sql).await?;
            let is_open = |day: &&CorpDay| !closed.contains(day);
            let was_due = |day: &CorpDay| is_closed(day.ends_ms, through_ms) && known.contains(&day.corp_id);
            let (late, mut open): (Vec<_>, Vec<_>) = due.iter().filter(is_open).cloned().partition(was_due);
            let (in_time, missed) = self.in_time(late).await?;
            open.extend(in_time);
            self.close_with(&missed, through_ms, &[]).await?;
            let figures = [
                ("copy the figures of closed days", CLOSINGS),
                ("copy heads and targets of closed days", CLOSED_PLACES),
                ("copy the costs of closed days", CLOSED_COSTS),
            ];
            self.close_with(&open, self.now.complete_through_ms, &figures).await?;
        }
        Ok(())
    }

    /// Parts the days in those of which a record was published before they were due, and the others.
    async fn in_time(&self, days: Vec<CorpDay>) -> Result<(Vec<CorpDay>, Vec<CorpDay>), sink::Error> {
        if days.is_empty() {
            return Ok((days, Vec::new()));
        }
        let values = [("days", CorpDay::end_literals(&days)), ("settling_ms", SETTLING_MS.to_string())];
        let sql = self.statement(IN_TIME, &values);
        let in_time = self.picked("look for days that were known in time", &sql).await?;
        Ok(days.into_iter().partition(|day| in_time.contains(day)))
    }

    /// Closes these days with these figures of theirs. No statement that was given up may write rows of a closing that holds:
    /// each is tried once with a number, which is that of the run.
    async fn close_with(
        &self,
        days: &[CorpDay],
        horizon_ms: i64,
        figures: &[(&'static str, &str)],
    ) -> Result<(), sink::Error> {
        if days.is_empty() {
            return Ok(());
        }
        let values = [
            ("days", CorpDay::literals(days)),
            ("ends", CorpDay::end_literals(days)),
            ("horizon_ms", horizon_ms.to_string()),
        ];
        for &(doing, sql) in figures.iter().chain(&[("close days", CLOSE)]) {
            let sql = self.statement(sql, &values);
            ask(Asking::Once, doing, || self.client.query_raw(&sql).execute()).await?;
        }
        Ok(())
    }

    /// Closes contests as days are closed: so long after their end.
    pub(super) async fn close_contests(&self) -> Result<(), sink::Error> {
        let due = [("due_ms", self.now.complete_through_ms.saturating_sub(SETTLING_MS).max(0).to_string())];
        let sql = self.statement(DUE_CONTESTS, &due);
        let count: u64 = one(self.client, "look for contests to be closed", &sql).await?;
        if count == 0 {
            return Ok(());
        }
        let sql = self.statement(CONTESTS, &due);
        ask(Asking::Once, "close contests", || self.client.query_raw(&sql).execute()).await
    }
}
