//! Names, heads and targets of places on each day.
//!
//! Invariant: what is noted of a place is what the rows of all its days show: it is written after them, and as it was before them.
//!
//! # What a change of the organisation reaches
//! A day shows of a place its name and its heads at the end of the day, and both follow from the whole organisation: a member
//! moves from a moment on, a first row holds from the beginning of time, a removal lets an earlier row hold again, a row may
//! be published late, or for a time to come. So a run does not ask which rows came in. It compares what the organisation says
//! of each place now with what was noted, and computes only the places that differ, on the days that end after the first
//! instant from which heads differ. Rows that say what is known already, such as those of a file that comes every night,
//! reach nothing, and what one run has done no other does again.
//!
//! A name differs on every day: reports over months would show two stores where there is one, and a view says names are those
//! of the last refresh. That is a row for each day of the few places that were renamed.
//!
//! A target reaches its day only where the rows of places show another one: a year of them, sent at once, is computed by one
//! run and not by all those that look back to it.
//!
//! # Two runs at once
//! A row that is right already is not written again, so a run that knows less may write after one that knows more, and win.
//! While another run may still be writing nothing is noted, and the next run does it all again.

use std::collections::BTreeSet;

use clickhouse::Row;
use serde::Deserialize;

use super::{CorpDay, DAYS, OVERLAP, Run, SIGN, all, one};
use crate::sink;

const PLACES: &str = include_str!("../../schemas/refresh/places.sql");
const TARGETS: &str = include_str!("../../schemas/refresh/targets.sql");
const HEADS: &str = include_str!("../../schemas/refresh/heads.sql");
const CHANGED_PLACES: &str = include_str!("../../schemas/refresh/changed_places.sql");
const NOTE_PLACES: &str = include_str!("../../schemas/refresh/note_places.sql");

/// Places that one statement names: ids of the greatest length keep it below the 256 KiB that a server reads. Where more
/// changed, all of the day are computed.
const NAMED: usize = 500;

/// A place that is not as it was noted.
#[derive(Clone, Debug, Row, Deserialize)]
struct Place {
    corp_id: String,
    level: String,
    id: String,
    /// Days that end later may show something else, in milliseconds since the epoch.
    from_ms: i64,
    /// Of what it is now.
    digest: u64,
}

impl Place {
    fn key(&self) -> String {
        [&self.corp_id, &self.level, &self.id].map(|text| sink::literal(text)).join(", ")
    }
}

impl Run<'_> {
    /// All places of these days and of those whose targets changed; of all other days those that the organisation changed.
    pub(super) async fn places(&self, mut days: BTreeSet<CorpDay>) -> Result<(), sink::Error> {
        let heads = ("heads", super::fill(HEADS, &[]));
        let sql = self.statement(CHANGED_PLACES, &[heads]);
        let changed: Vec<Place> = all(self.client, "look for changes of the organisation", &sql).await?;
        let sql = self.statement(TARGETS, &[]);
        days.extend(self.picked("look for changes of targets", &sql).await?);
        for days in days.iter().cloned().collect::<Vec<_>>().chunks(DAYS) {
            self.compute(days, &[]).await?;
        }
        for changed in changed.chunk_by(|one, other| one.corp_id == other.corp_id) {
            self.changed(changed, &days).await?;
        }
        if !changed.is_empty() && self.is_alone().await? {
            self.note(&changed).await?;
        }
        Ok(())
    }

    /// The places of one corp in the order of `from_ms`, but for the days that are done.
    async fn changed(&self, changed: &[Place], done: &BTreeSet<CorpDay>) -> Result<(), sink::Error> {
        let corp = sink::literal(&changed[0].corp_id);
        let sql = format!("SELECT DISTINCT corp_id, business_date FROM business_days WHERE corp_id = {corp}");
        let days = self.picked("look for days with places", &sql).await?;
        let reached = |day: &CorpDay| changed.partition_point(|place| place.from_ms < day.ends_ms);
        let mut days: Vec<_> = days.into_iter().filter(|day| reached(day) > 0 && !done.contains(day)).collect();
        days.sort_unstable_by_key(|day| day.ends_ms);
        let (few, many) = days.split_at(days.partition_point(|day| reached(day) <= NAMED));
        for days in few.chunks(DAYS) {
            let named = days.last().map_or(0, reached);
            self.compute(days, &changed[..named]).await?;
        }
        for days in many.chunks(DAYS) {
            self.compute(days, &[]).await?;
        }
        Ok(())
    }

    /// These places, or without any every one.
    async fn compute(&self, days: &[CorpDay], places: &[Place]) -> Result<(), sink::Error> {
        let these: Vec<_> = places.iter().map(|place| format!("({})", place.key())).collect();
        let these = if these.is_empty() { "('', '', '')".to_owned() } else { these.join(", ") };
        let values =
            [("days", CorpDay::end_literals(days)), ("these", these), ("every", places.is_empty().to_string())];
        self.replace("note names, heads and targets", PLACES, &values).await?;
        self.is_alive().await
    }

    async fn note(&self, changed: &[Place]) -> Result<(), sink::Error> {
        for places in changed.chunks(NAMED) {
            let rows: Vec<_> = places.iter().map(|place| format!("({}, {})", place.key(), place.digest)).collect();
            let values = [("places", rows.join(", ")), ("heads", super::fill(HEADS, &[]))];
            self.execute("note what the organisation was", NOTE_PLACES, &values).await?;
        }
        Ok(())
    }

    /// Whether no other run was writing since this one began: none has given a sign of late that was not finished by then.
    async fn is_alone(&self) -> Result<bool, sink::Error> {
        let (run, overlap) = (self.now.run, OVERLAP.as_secs());
        let sql = format!(
            "SELECT count() FROM refresh_queue WHERE batch = {SIGN} AND run != {run} \
             AND queued_at >= now() - INTERVAL {overlap} SECOND AND run NOT IN (SELECT run FROM refresh_runs \
             WHERE finished_at < fromUnixTimestamp64Micro(toInt64({run})))"
        );
        let others: u64 = one(self.client, "look for other refreshes", &sql).await?;
        Ok(others == 0)
    }
}
