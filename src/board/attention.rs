//! The few things that need a person: a code that fell silent, requests that nobody accepts, losses after a broadcast,
//! a place without an add.
//!
//! Invariant: pure; each is told by its value and by what is usual, and nothing is told where too little is known to call
//! anything usual.

use std::cmp::Reverse;

use serde::Serialize;

use super::access::sight::{Names, Sight, Viewer};
use super::contests::Place;
use super::days::DayState;
use super::details::broadcasts::Sent;
use super::details::codes::Code;
use super::pace;
use super::reader::Counters;
use super::snapshot::{Freshness, Snapshot, rfc3339};
use super::view::{Level, Scope};
use crate::event::{Counter, named};

/// More than three nobody acts upon (board, section 2).
const SHOWN_MAX: usize = 3;
/// A code is silent after more than twice the gap that nineteen in twenty of its gaps stay below.
const SILENT_GAPS: i64 = 2;
/// Of fewer requests of a day, and of fewer before, a rate is chance.
const REQUESTS_MIN: u64 = 20;
const USUAL_REQUESTS_MIN: u64 = 100;
/// Fewer losses than this are no pattern, and fewer earlier broadcasts no usual.
const LOSSES_MIN: u64 = 5;
const USUAL_BROADCASTS_MIN: u64 = 3;
/// Where fewer adds are usual by now, none is nothing strange: of 5 that come by chance, none come in 1 of 148 days.
const USUAL_ADDS_MIN: u64 = 5;

named! {
    /// What is the matter.
    Kind { Silent = "silent", PassRate = "pass_rate", Loss = "loss", Zero = "zero" }
}

/// One item of `/api/v1/attention`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: Kind,
    /// Of whom; `null` for a code that is not of one place.
    pub scope: Option<Place>,
    /// Of the place, or of the code.
    pub name: String,
    /// Seconds of silence, requests accepted, friends lost, adds.
    pub value: u64,
    /// Seconds between two adds, adds by now; `null` where the usual is a ratio.
    pub usual: Option<u64>,
    /// Accepted of sent, lost of the audience; `null` where the value is no ratio.
    pub numerator: Option<u64>,
    pub denominator: Option<u64>,
    /// The usual ratio.
    pub usual_numerator: Option<u64>,
    pub usual_denominator: Option<u64>,
    /// The value may still grow.
    pub provisional: bool,
    /// The last add of a code, when a broadcast was sent; RFC 3339, UTC.
    pub since: Option<String>,
}

/// A kind of which nothing is told, for there is too little to know what is usual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotJudged {
    pub kind: Kind,
    /// What is usual is known from these.
    pub basis: &'static str,
    pub known: u64,
    pub needed: u64,
}

/// What cannot be judged; nothing while the figures are stale, for then nothing is compared at all.
#[must_use]
pub fn not_judged<'a>(snapshot: &'a Snapshot, freshness: &Freshness) -> &'a [NotJudged] {
    if freshness.holds_comparisons() { &[] } else { &snapshot.derived.not_judged }
}

/// The kinds that there would be something to say of, were there more history.
#[must_use]
pub fn find_not_judged(snapshot: &Snapshot) -> Vec<NotJudged> {
    let mut found = Vec::new();
    let mut add = |kind, basis, known, needed| {
        if known < needed {
            found.push(NotJudged { kind, basis, known, needed });
        }
    };
    let details = &snapshot.details;
    if snapshot.instants.state == DayState::Open {
        let requests = details.requests.iter().flat_map(|requests| requests.children.values());
        let enough = requests.filter(|passed| passed.sent >= REQUESTS_MIN).map(|passed| passed.usual_sent).max();
        if let Some(usual) = enough {
            add(Kind::PassRate, "requests_of_7_days", usual, USUAL_REQUESTS_MIN);
        }
    }
    if let Some(broadcasts) = details.broadcasts.as_ref().filter(|broadcasts| !broadcasts.sent.is_empty()) {
        add(Kind::Loss, "broadcasts_of_30_days", broadcasts.usual.tasks, USUAL_BROADCASTS_MIN);
    }
    if snapshot.instants.state == DayState::Open && details.history.is_some() {
        let known = u64::try_from(snapshot.derived.like_weekdays.len()).unwrap_or(0);
        add(Kind::Zero, "like_weekdays", known, u64::try_from(pace::DAYS_MIN).unwrap_or(0));
    }
    found
}

/// The worst findings of a scope, of different kinds first; absent where nothing that could tell of one was read.
#[must_use]
pub fn attention(snapshot: &Snapshot, viewer: &Viewer, freshness: &Freshness) -> Option<Vec<Finding>> {
    let details = &snapshot.details;
    if details.codes.is_none()
        && details.requests.is_none()
        && details.broadcasts.is_none()
        && details.history.is_none()
    {
        return None;
    }
    let mut found: Vec<_> =
        findings(snapshot, freshness).into_iter().filter(|finding| is_for(finding, viewer)).collect();
    // The first of each kind, then the second of each: three silent codes would hide a store without adds.
    let mut seen = [0_usize; Kind::ALL.len()];
    found.sort_by_cached_key(|finding| {
        let kind = Kind::ALL.iter().position(|kind| *kind == finding.kind).unwrap_or(0);
        seen[kind] += 1;
        (seen[kind], kind)
    });
    found.truncate(SHOWN_MAX);
    Some(found)
}

/// What is the matter with a child of the scope.
#[must_use]
pub fn flags(findings: &[Finding], scope: &Scope) -> Vec<Kind> {
    let of = |finding: &&Finding| {
        finding.scope.as_ref().is_some_and(|place| place.level == scope.level.name() && place.id == scope.id)
    };
    let mut kinds: Vec<Kind> = findings.iter().filter(of).map(|finding| finding.kind).collect();
    kinds.dedup();
    kinds
}

/// What is the matter within a scope, of each kind the worst first.
///
/// While the figures are stale nothing is compared with what is usual by now; losses after a broadcast stand, for they
/// are counted from the broadcast on.
#[must_use]
pub fn findings(snapshot: &Snapshot, freshness: &Freshness) -> Vec<Finding> {
    let held = freshness.holds_comparisons();
    snapshot.derived.findings.iter().filter(|finding| !held || finding.kind == Kind::Loss).cloned().collect()
}

/// Everything that is the matter; of a day that is over its losses alone.
#[must_use]
pub fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = losses(snapshot);
    if snapshot.instants.state == DayState::Open {
        found.extend(silent(snapshot));
        found.extend(pass_rates(snapshot));
        found.extend(zeros(snapshot));
    }
    found
}

/// On a wall no member of staff is named, and of nobody but a place is said what they lost.
fn is_for(finding: &Finding, viewer: &Viewer) -> bool {
    let of_staff = finding.scope.as_ref().is_some_and(|place| place.level == Level::Staff.name());
    let losses_hidden = viewer.sight == Sight::Wall && finding.kind == Kind::Loss;
    !(of_staff && (viewer.names == Names::Hidden || losses_hidden))
}

fn finding(snapshot: &Snapshot, kind: Kind, child: &str) -> Finding {
    let level = snapshot.watched.level;
    let scope = Scope { level, id: child.to_owned() };
    Finding {
        kind,
        scope: Some(Place::new(&scope)),
        name: snapshot.directory.name(level, child),
        value: 0,
        usual: None,
        numerator: None,
        denominator: None,
        usual_numerator: None,
        usual_denominator: None,
        provisional: false,
        since: None,
    }
}

/// Codes of the scope without an add for more than twice their usual gap, by what is complete now.
#[must_use]
pub fn silent_codes(snapshot: &Snapshot) -> Option<Vec<(&Code, u64)>> {
    let codes = &snapshot.details.codes.as_ref()?.silent;
    let scope = &snapshot.watched.scope;
    let is_of = |code: &&Code| match scope.level {
        Level::Corp => true,
        Level::Region => code.region_id == scope.id,
        Level::Store => code.store_id == scope.id,
        Level::Staff => code.staff_id == scope.id,
    };
    let silent = |code: &Code| {
        let seconds = (snapshot.instants.now.until - code.last_add_at) / 1000;
        let usual = i64::try_from(code.usual_gap_seconds).ok()?;
        u64::try_from(seconds).ok().filter(|_| seconds > usual.saturating_mul(SILENT_GAPS))
    };
    Some(codes.iter().filter(is_of).filter_map(|code| silent(code).map(|seconds| (code, seconds))).collect())
}

fn silent(snapshot: &Snapshot) -> Vec<Finding> {
    let codes = silent_codes(snapshot).unwrap_or_default();
    let level = snapshot.watched.level;
    let item = |(code, seconds): (&Code, u64)| {
        let child = match level {
            Level::Region => &code.region_id,
            Level::Store => &code.store_id,
            Level::Staff => &code.staff_id,
            Level::Corp => "",
        };
        let base = finding(snapshot, Kind::Silent, child);
        Finding {
            scope: base.scope.filter(|_| !child.is_empty()),
            name: if code.label.is_empty() { code.state.clone() } else { code.label.clone() },
            value: seconds,
            usual: Some(code.usual_gap_seconds),
            since: rfc3339(code.last_add_at),
            ..base
        }
    };
    codes.into_iter().map(item).collect()
}

/// Children whose requests are accepted half as often as is usual at the same age, or less.
fn pass_rates(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(requests) = &snapshot.details.requests else { return Vec::new() };
    let fell = |passed: &super::details::requests::Passed| {
        let (sent, accepted) = (u128::from(passed.sent), u128::from(passed.accepted));
        let (usual_sent, usual_accepted) = (u128::from(passed.usual_sent), u128::from(passed.usual_accepted));
        let enough = passed.sent >= REQUESTS_MIN && passed.usual_sent >= USUAL_REQUESTS_MIN;
        enough && usual_accepted > 0 && accepted * usual_sent * 2 <= usual_accepted * sent
    };
    let mut fallen: Vec<_> =
        requests.children.iter().filter(|(child, passed)| !child.is_empty() && fell(passed)).collect();
    fallen.sort_by_key(|(child, passed)| (Reverse(passed.sent), *child));
    let item = |(child, passed): (&String, &super::details::requests::Passed)| Finding {
        value: passed.accepted,
        numerator: Some(passed.accepted),
        denominator: Some(passed.sent),
        usual_numerator: Some(passed.usual_accepted),
        usual_denominator: Some(passed.usual_sent),
        provisional: true,
        ..finding(snapshot, Kind::PassRate, child)
    };
    fallen.into_iter().map(item).collect()
}

/// Children that lost twice as large a share of an audience as is usual here, or more.
fn losses(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(broadcasts) = &snapshot.details.broadcasts else { return Vec::new() };
    let usual = broadcasts.usual;
    if usual.tasks < USUAL_BROADCASTS_MIN || usual.audience == 0 {
        return Vec::new();
    }
    let many = |sent: &&Sent| {
        let twice = u128::from(usual.deleted_24h) * 2 * u128::from(sent.audience);
        !sent.child.is_empty()
            && sent.deleted_24h >= LOSSES_MIN
            && u128::from(sent.deleted_24h) * u128::from(usual.audience) >= twice
    };
    let mut sent: Vec<&Sent> = broadcasts.sent.iter().filter(many).collect();
    sent.sort_by_key(|sent| (Reverse(sent.deleted_24h), &sent.child, &sent.task_id));
    let item = |sent: &Sent| Finding {
        value: sent.deleted_24h,
        numerator: Some(sent.deleted_24h),
        denominator: Some(sent.audience),
        usual_numerator: Some(usual.deleted_24h),
        usual_denominator: Some(usual.audience),
        provisional: sent.is_provisional,
        since: rfc3339(sent.sent_at),
        ..finding(snapshot, Kind::Loss, &sent.child)
    };
    sent.into_iter().map(item).collect()
}

/// Children with somebody at work and no add, where by now some are usual: the child's adds of like weekdays, by the share
/// of a day that is usual in the whole scope by now.
fn zeros(snapshot: &Snapshot) -> Vec<Finding> {
    let like = snapshot.derived.like_weekdays.as_slice();
    let Ok(pace) = pace::usual(like) else { return Vec::new() };
    let organisation = &snapshot.directory.organisation;
    let level = snapshot.watched.level;
    let with_adds = |id: &str, counters: &Counters| counters.get(Counter::Adds) > 0 && !id.is_empty();
    let added: std::collections::HashSet<&str> = snapshot
        .counts
        .children
        .iter()
        .filter(|(id, counters)| with_adds(id, counters))
        .map(|(id, _)| id.as_str())
        .collect();
    let mut at_work: Vec<&str> =
        organisation.active(&snapshot.watched.scope).filter_map(|member| member.id_at(level)).collect();
    at_work.sort_unstable();
    at_work.dedup();
    let days = u128::try_from(like.len()).unwrap_or(1).max(1);
    let usual = |child: &str| {
        let whole: u64 = snapshot.like_weekdays().filter_map(|day| day.children.get(child)).sum();
        let by_now = u128::from(whole) * u128::from(pace.numerator) / u128::from(pace.denominator) / days;
        u64::try_from(by_now).ok().filter(|usual| *usual >= USUAL_ADDS_MIN)
    };
    let silent = at_work.into_iter().filter(|child| !added.contains(child));
    let mut zeros: Vec<_> = silent.filter_map(|child| usual(child).map(|usual| (child, usual))).collect();
    zeros.sort_by_key(|(child, usual)| (Reverse(*usual), *child));
    let item = |(child, usual)| Finding { usual: Some(usual), ..finding(snapshot, Kind::Zero, child) };
    zeros.into_iter().map(item).collect()
}

#[cfg(test)]
mod tests;
