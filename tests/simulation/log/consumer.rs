//! A member of the group, as the pipeline's worker sees it.
//!
//! Invariant: within an assignment records come in order, and some of them once more.

use std::{sync::Arc, time::Duration};

use yinliu::{
    batch::Origin,
    event::Record,
    source::{Error, Signal, Slot, Source},
};

use super::{Log, STATISTICS_MS, State, wall_ms};
use crate::support::records::Stored;

/// One member of the group.
#[derive(Debug)]
pub(in super::super) struct Consumer {
    log: Arc<Log>,
    member: u32,
}

/// Records of one call: few, so that a step ends in the middle of everything.
const RECORDS_MAX: u64 = 12;

impl Consumer {
    pub(super) const fn new(log: Arc<Log>, member: u32) -> Self {
        Self { log, member }
    }

    /// The next records of some partitions; where there is none left, the position behind what holds none.
    fn fetch(&self) -> (Vec<(Slot, Arc<Stored>)>, Vec<Signal>) {
        let mut state = self.log.state();
        let State { partitions, members, away, .. } = &mut *state;
        let Some(member) = members.get_mut(&self.member).filter(|_| !*away) else { return Default::default() };
        let (mut fetched, mut signals) = (Vec::new(), Vec::new());
        let mut slots: Vec<_> = member.slots.keys().copied().collect();
        self.log.dice.shuffle(&mut slots);
        let mut room = usize::try_from(self.log.dice.between(1, RECORDS_MAX)).unwrap();
        for slot in slots {
            let (origin, next) = member.slots.get_mut(&slot).unwrap();
            let Some(position) = *next else { continue };
            let partition = &partitions[origin];
            // Behind the end as well, as in a topic that was recreated.
            if position < partition.start || position > partition.end {
                *next = None;
                signals.push(Signal::Broken(slot));
                continue;
            }
            let from = partition.records.partition_point(|record| record.offset < position);
            let records = partition.records[from..].iter().take(room);
            fetched.extend(records.map(|record| (slot, Arc::clone(record))));
            let taken = (partition.records.len() - from).min(room);
            room -= taken;
            *next = match partition.records.get(from + taken) {
                Some(record) if taken == 0 => Some(record.offset),
                Some(_) => Some(partition.records[from + taken - 1].offset + 1),
                None => Some(partition.end),
            };
            // As after a reset of the position by the client itself.
            if taken > 0 && self.log.dice.chance(self.log.again) {
                *next = Some(partition.records[from + self.log.dice.index(taken)].offset);
            }
        }
        (fetched, signals)
    }
}

impl Source for Consumer {
    fn signals(&mut self) -> Result<Vec<Signal>, Error> {
        let mut state = self.log.state();
        let State { partitions, members, away, .. } = &mut *state;
        let Some(member) = members.get_mut(&self.member) else { return Ok(Vec::new()) };
        let now = wall_ms();
        let mut signals = Vec::new();
        if member.hears_at <= now {
            signals.extend(member.signals.drain(..));
            for signal in &signals {
                if let Signal::Revoked(slots) = signal {
                    member.slots.retain(|slot, _| !slots.contains(slot));
                }
            }
        }
        if now >= member.statistics_at && !*away {
            member.statistics_at = now + STATISTICS_MS;
            for (slot, (origin, next)) in &member.slots {
                if let Some(position) = next.filter(|position| *position >= partitions[origin].end) {
                    signals.push(Signal::Tail(*slot, position));
                }
            }
        }
        Ok(signals)
    }

    fn records(&mut self, _: Duration, visit: &mut dyn FnMut(Slot, &Record<'_>)) -> Vec<Signal> {
        let (fetched, signals) = self.fetch();
        for (slot, record) in fetched {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            let timestamp = Some(record.timestamp);
            visit(slot, &Record { offset: record.offset, timestamp, key, value, headers: &[] });
        }
        signals
    }

    fn start(&mut self, slot: Slot, offset: u64) -> Result<(), Error> {
        let mut state = self.log.state();
        let placed = state.members.get_mut(&self.member).and_then(|member| member.slots.get_mut(&slot));
        if let Some((origin, next)) = placed {
            *next = Some(offset);
            self.log.trace.say(format_args!("member {} reads {origin:?} from {offset}", self.member));
        }
        Ok(())
    }

    fn hold(&mut self, slot: Slot) -> Result<(), Error> {
        let mut state = self.log.state();
        let placed = state.members.get_mut(&self.member).and_then(|member| member.slots.get_mut(&slot));
        if let Some((_, next)) = placed {
            *next = None;
        }
        Ok(())
    }

    /// In whichever order: nobody reads from what is committed. But lag tools believe it, so it never leads the ledger.
    fn commit(&mut self, positions: &[(Origin, u64)]) -> Result<(), Error> {
        let state = self.log.state();
        for (origin, position) in positions {
            let entered = state.entered.get(origin).copied().unwrap_or(0);
            assert!(*position <= entered, "{origin:?} is committed at {position}, the ledger came to {entered}");
        }
        Ok(())
    }
}
