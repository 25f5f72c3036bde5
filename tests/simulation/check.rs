//! What must be true of a history once everything has healed.
//!
//! Invariant: expected is what the recount makes of the log; of the program nothing but what it left in the warehouse.

use std::collections::{BTreeMap, BTreeSet};

use yinliu::{batch::Origin, directory::OrgRow, partition::Partition};

use super::{clickhouse::Start, history::History, plan::Kind};
use crate::{
    recount::{Directory, Fate, Witness, recount},
    support::{
        figures::{At, same},
        records::Stored,
    },
    warehouse::{Counts, Key, Warehouse},
};

/// What the log does not tell: what retention took, and what was decided where it depends on when one looked.
struct Observed<'a> {
    starts: BTreeMap<Origin, Vec<&'a Start>>,
    warehouse: &'a Warehouse,
    dedup_records: u64,
}

fn origin(record: &Stored) -> Origin {
    Origin { topic: record.topic.as_str().into(), partition: u32::try_from(record.partition.unwrap()).unwrap() }
}

impl Witness for Observed<'_> {
    fn fate(&self, record: &Stored, nearest: Option<u64>) -> Fate {
        let (origin, offset) = (origin(record), record.offset);
        let starts = self.starts.get(&origin).map_or(&[][..], Vec::as_slice);
        // Not entered when the log began behind it, and nobody had counted it.
        let gone =
            |start: &&&Start| (start.ledger..start.log_begins).contains(&offset) && !start.facts.contains(&offset);
        if starts.iter().any(|start| gone(&start)) {
            return Fate::Gone;
        }
        let unseen = |nearest: u64, start: &Start| {
            start.log_begins > nearest && start.ledger.max(start.log_begins) <= offset
                || gone(&&&Start { ..start.clone() })
        };
        let near = nearest.filter(|nearest| offset - nearest <= self.dedup_records);
        if near.is_some_and(|nearest| starts.iter().any(|start| unseen(nearest, start))) {
            // Counted by whoever could not see the first delivery; a duplicate for whoever could.
            let counted = self.warehouse.facts.contains_key(&(origin, offset));
            return if counted { Fate::Counted } else { Fate::Repeats };
        }
        Fate::ByRule
    }

    fn place(&self, record: &Stored, first: Option<&OrgRow>) -> (String, String) {
        let first = first.map(|row| (row.store_id.clone(), row.region_id.clone())).unwrap_or_default();
        let fact = self.warehouse.facts.get(&(origin(record), record.offset));
        // Nowhere, where the row was not there yet.
        if fact.is_some_and(|fact| fact.region_id.is_empty()) { Default::default() } else { first }
    }
}

pub(super) fn check(history: &History) {
    let warehouse = history.server.warehouse();
    let records = history.log.everything();
    let starts = history.server.starts();
    let mut observed =
        Observed { starts: BTreeMap::new(), warehouse: &warehouse, dedup_records: history.plan.terms.records };
    for start in &starts {
        observed.starts.entry(start.origin.clone()).or_default().push(start);
    }
    let disputed: BTreeSet<Origin> = history.server.disputed().into_iter().map(|(origin, _)| origin).collect();
    assert!(history.plan.kind == Kind::Newcomers || disputed.is_empty(), "two owners disagree on {disputed:?}");
    let settled: Vec<_> = records.iter().filter(|record| !disputed.contains(&origin(record))).cloned().collect();
    let directory = Directory::new(history.producer.rows.clone(), []);
    let (figures, chunks) = recount(&history.plan.terms, &directory, &settled, &observed);

    let found: BTreeSet<At> = warehouse.facts.keys().map(|(origin, offset)| at(origin, *offset)).collect();
    let found: BTreeSet<At> =
        found.into_iter().filter(|(topic, partition, _)| !disputed.contains(&named(topic, *partition))).collect();
    let missing: Vec<_> = figures.events.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&figures.events).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "facts: missing {missing:?}, surplus {surplus:?}");

    if disputed.is_empty() {
        same("minutes", &figures.minutes, &warehouse.counts_1m());
        same("days", &figures.days, &warehouse.counts_1d());
        same("boards", &figures.boards, &warehouse.counts_for_boards());
    } else {
        check_disputed(&figures.days, &warehouse.counts_1d());
        check_disputed(&figures.boards, &warehouse.counts_for_boards());
    }
    let sums = warehouse.chunks().into_iter().filter(|(origin, _)| !disputed.contains(origin));
    let sums = sums.filter(|(_, (_, tally))| tally.received > 0).map(|(origin, (_, tally))| {
        let sums = [tally.received, tally.rejected, tally.duplicate, tally.counted];
        ((origin.topic.to_string(), origin.partition), sums)
    });
    let expected = chunks.0.into_iter().map(|(partition, [_, sums @ ..])| (partition, sums));
    same("sums of the ledger", &expected.collect(), &sums.collect());
    check_letters(history, &observed, &records, &disputed);
    for origin in history.log.origins() {
        let label = history.log.label(&origin);
        if disputed.contains(&label) {
            continue;
        }
        let loaded = warehouse.load(&label, &history.plan.settings.partition.chunk);
        let start = history.log.start_of(&origin);
        let started = Partition::start(&history.plan.settings.partition, label, loaded, start);
        assert!(started.is_ok(), "{origin:?} does not start again: {started:?}");
    }
}

fn at(origin: &Origin, offset: u64) -> At {
    (origin.topic.to_string(), origin.partition, offset)
}

fn named(topic: &str, partition: u32) -> Origin {
    Origin { topic: topic.into(), partition }
}

/// Partitions with a disputed record add to the figures of the others, and may add too much; nothing is lacking.
fn check_disputed(settled: &BTreeMap<Key, Counts>, found: &BTreeMap<Key, Counts>) {
    for (key, counts) in settled {
        for (counter, count) in counts {
            let found = found.get(key).and_then(|counts| counts.get(counter)).copied().unwrap_or(0);
            assert!(found >= *count, "{key:?} has {found} {counter}, at least {count} are certain");
        }
    }
}

/// Each refused record has its letter, in the topic and in the table; no other record has. A disputed partition is held
/// when it is opened, and its letters may be there or not.
fn check_letters(history: &History, observed: &Observed<'_>, records: &[Stored], disputed: &BTreeSet<Origin>) {
    let letters = history.log.letters();
    let directory = Directory::new([], []);
    // The topic of letters names the topic as the brokers do: a recreated one has its own record at the same offset.
    let mut expected: BTreeMap<(Origin, u64), (bool, bool)> = BTreeMap::new();
    for record in records {
        let (place, offset) = (origin(record), record.offset);
        if disputed.contains(&place) {
            expected.entry((place.broker(), offset)).or_default().1 = true;
            continue;
        }
        let (_, alone) = recount(&history.plan.terms, &directory, std::slice::from_ref(record), observed);
        let refused = alone.0.values().any(|sums| sums[2] > 0);
        let gone = alone.0.is_empty();
        let kept = observed.warehouse.letters.contains_key(&(place.clone(), offset));
        assert!(kept == refused || gone, "{place:?} {offset}: refused {refused}, row of a letter {kept}");
        let (any_refused, any_gone) = expected.entry((place.broker(), offset)).or_default();
        (*any_refused, *any_gone) = (*any_refused || refused, *any_gone || gone);
    }
    for (place, (refused, gone)) in expected {
        let written = letters.contains(&place);
        assert!(written == refused || gone, "{place:?}: refused {refused}, letter {written}");
    }
}
