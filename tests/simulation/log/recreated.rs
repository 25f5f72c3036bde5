//! A topic that is deleted and created again under its name.
//!
//! Invariant: the records of the former topic are kept for the recount alone; nobody can read them any more.

use std::{ops::Range, sync::Arc};

use yinliu::{batch::Origin, source::Signal};

use super::{Log, Partition, State, wall_ms};
use crate::support::records::Stored;

/// What is left of a topic that is gone.
#[derive(Debug)]
pub(super) struct Former {
    pub(super) label: Origin,
    pub(super) end: u64,
    records: Vec<Arc<Stored>>,
}

impl State {
    /// The number of the topic among those of its name.
    pub(super) fn number(&self, topic: &str) -> u32 {
        self.numbers.get(topic).copied().unwrap_or(1)
    }

    fn label(&self, origin: &Origin) -> Origin {
        origin.label(self.number(&origin.topic))
    }
}

impl Log {
    /// The partition as it has to stand in the tables.
    pub(in super::super) fn label(&self, origin: &Origin) -> Origin {
        self.state().label(origin)
    }

    /// The number of the topic among those of its name.
    pub(in super::super) fn number(&self, topic: &str) -> u32 {
        self.state().number(topic)
    }

    /// Whether each member that has a partition of the topic reads it: nobody is about to start by what the brokers said
    /// of it a moment ago. On real brokers that moment passes while a topic is deleted.
    pub(in super::super) fn is_read(&self, topic: &str) -> bool {
        let state = self.state();
        let mut slots = state.members.values().flat_map(|member| member.slots.values());
        slots.all(|(origin, next)| *origin.topic != *topic || next.is_some())
    }

    /// Deletes the topic with its records and creates it again; whoever reads it is told that its position is not there.
    pub(in super::super) fn recreate(&self, topic: &str) {
        let mut state = self.state();
        let origins: Vec<_> = state.partitions.keys().filter(|origin| *origin.topic == *topic).cloned().collect();
        for origin in origins {
            let label = state.label(&origin);
            let fresh = Partition { ends: vec![(wall_ms(), 0)], ..Partition::default() };
            let Some(Partition { records, end, .. }) = state.partitions.insert(origin, fresh) else { continue };
            state.former.push(Former { label, end, records });
        }
        let number = state.number(topic) + 1;
        state.numbers.insert(topic.to_owned(), number);
        for member in state.members.values_mut() {
            for (slot, (origin, next)) in &mut member.slots {
                if *origin.topic == *topic && next.take().is_some() {
                    member.signals.push_back(Signal::Broken(*slot));
                }
            }
        }
        self.trace.say(format_args!("topic {topic} is deleted and created again, as number {number} of its name"));
    }

    /// Everything that was ever appended, each partition in its order, under the names of the tables.
    pub(in super::super) fn everything(&self) -> Vec<Stored> {
        let state = self.state();
        let former = state.former.iter().map(|former| (former.label.clone(), &former.records));
        let current = state.partitions.iter().map(|(origin, partition)| (state.label(origin), &partition.records));
        let labelled = |(label, records): (Origin, &Vec<Arc<Stored>>)| {
            let topic = label.topic.to_string();
            records.iter().map(|record| Stored { topic: topic.clone(), ..(**record).clone() }).collect::<Vec<_>>()
        };
        former.chain(current).flat_map(labelled).collect()
    }

    /// The first offset of a record among these, of a partition by its name in the tables; retention hides nothing.
    pub(in super::super) fn first_record_in(&self, label: &Origin, offsets: Range<u64>) -> Option<u64> {
        let state = self.state();
        let former = state.former.iter().find(|former| former.label == *label).map(|former| &former.records);
        let records = former.unwrap_or_else(|| &state.partitions[&label.broker()].records);
        let at = records.partition_point(|record| record.offset < offsets.start);
        records.get(at).map(|record| record.offset).filter(|offset| offsets.contains(offset))
    }

    /// The end of a partition by its name in the tables.
    pub(in super::super) fn end_of_label(&self, label: &Origin) -> u64 {
        let state = self.state();
        let former = state.former.iter().find(|former| former.label == *label).map(|former| former.end);
        former.unwrap_or_else(|| state.partitions[&label.broker()].end)
    }
}
