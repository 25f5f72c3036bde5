//! A simulated Kafka: topics, a consumer group, the dead-letter topic.
//!
//! Invariant: what it does at its worst is what Kafka may do: it removes the start of a partition, gives a partition to
//! another member while the former one reads on, answers late, and is away.

mod consumer;
mod recreated;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use rdkafka::error::RDKafkaErrorCode;
use rustc_hash::FxHashMap;
use yinliu::{
    batch::Origin,
    letters::{Letter, Post, Refused, Reports},
    source::{Brokers, Error, Signal, Slot, log::Topic},
};

use super::{
    chance::{BEGIN_MS, Dice, Life, Trace, wall_ms},
    plan::Plan,
};
use crate::support::records::Stored;
pub(super) use consumer::Consumer;
use recreated::Former;

/// Between two reports of librdkafka about the ends of what it reads.
const STATISTICS_MS: i64 = 1_000;

#[derive(Debug)]
pub(super) struct Log {
    dice: Dice,
    trace: Trace,
    /// How often records are delivered once more, of a thousand reads.
    again: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<Origin, Partition>,
    members: BTreeMap<u32, Member>,
    owners: BTreeMap<Origin, u32>,
    next_member: u32,
    letters: BTreeSet<(Origin, u64)>,
    away: bool,
    /// The furthest position that ever stood in the ledger, of whichever topic of its name.
    entered: BTreeMap<Origin, u64>,
    /// Of topics that were recreated: which of its name it is.
    numbers: BTreeMap<String, u32>,
    former: Vec<Former>,
}

#[derive(Debug, Default)]
struct Partition {
    records: Vec<Arc<Stored>>,
    start: u64,
    end: u64,
    /// Each end, and from when on it was one.
    ends: Vec<(i64, u64)>,
}

#[derive(Debug)]
struct Member {
    life: Arc<Life>,
    signals: VecDeque<Signal>,
    slots: BTreeMap<Slot, (Origin, Option<u64>)>,
    next_slot: u32,
    /// Before it, the member does not know what became of its partitions.
    hears_at: i64,
    statistics_at: i64,
    in_group: bool,
}

impl Log {
    pub(super) fn new(dice: Dice, trace: Trace, plan: &Plan) -> Arc<Self> {
        let mut state = State::default();
        for topic in 0..plan.topics {
            for partition in 0..plan.partitions {
                let (topic, partition) = (format!("t{topic}").into(), u32::try_from(partition).unwrap());
                let empty = Partition { ends: vec![(BEGIN_MS - 1, 0)], ..Partition::default() };
                state.partitions.insert(Origin { topic, partition }, empty);
            }
        }
        Arc::new(Self { dice, trace, again: plan.again, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn origins(&self) -> Vec<Origin> {
        self.state().partitions.keys().cloned().collect()
    }

    pub(super) fn topics(&self) -> Vec<String> {
        let topics: BTreeSet<_> = self.state().partitions.keys().map(|origin| origin.topic.to_string()).collect();
        topics.into_iter().collect()
    }

    /// Appends a record behind so many offsets that hold none.
    pub(super) fn append(&self, origin: &Origin, gap: u64, mut record: Stored) -> u64 {
        let mut state = self.state();
        let partition = state.partitions.get_mut(origin).unwrap();
        record.offset = partition.end + gap;
        partition.end = record.offset + 1;
        partition.ends.push((wall_ms(), partition.end));
        let offset = record.offset;
        partition.records.push(Arc::new(record));
        offset
    }

    /// Transaction markers: offsets at the end that hold no record.
    pub(super) fn mark(&self, origin: &Origin, offsets: u64) {
        let mut state = self.state();
        let partition = state.partitions.get_mut(origin).unwrap();
        partition.end += offsets;
        partition.ends.push((wall_ms(), partition.end));
    }

    /// Removes what lies below this offset.
    pub(super) fn retain_from(&self, origin: &Origin, start: u64) {
        let mut state = self.state();
        let partition = state.partitions.get_mut(origin).unwrap();
        if start > partition.start {
            partition.start = start.min(partition.end);
            self.trace.say(format_args!("retention: {origin:?} begins at {}", partition.start));
        }
    }

    /// The ledger has this position under the name of the tables.
    pub(super) fn enter(&self, label: &Origin, position: u64) {
        let mut state = self.state();
        let entered = state.entered.entry(label.broker()).or_default();
        *entered = position.max(*entered);
    }

    pub(super) fn start_of(&self, origin: &Origin) -> u64 {
        self.state().partitions[origin].start
    }

    pub(super) fn end_of(&self, origin: &Origin) -> u64 {
        self.state().partitions[origin].end
    }

    /// The end that the partition had at this moment.
    pub(super) fn end_at(&self, origin: &Origin, moment: i64) -> u64 {
        let state = self.state();
        let ends = &state.partitions[origin].ends;
        // What was appended in the same millisecond came before or after it.
        ends[..ends.partition_point(|(since, _)| *since < moment)].last().map_or(0, |(_, end)| *end)
    }

    /// An earlier record of the partition, so many records back.
    pub(super) fn back(&self, origin: &Origin, distance: usize) -> Option<Arc<Stored>> {
        let state = self.state();
        let records = &state.partitions[origin].records;
        records.len().checked_sub(distance).and_then(|at| records.get(at)).cloned()
    }

    pub(super) fn letters(&self) -> BTreeSet<(Origin, u64)> {
        self.state().letters.clone()
    }

    pub(super) fn set_away(&self, away: bool) {
        self.state().away = away;
        self.trace.say(format_args!("brokers {}", if away { "away" } else { "back" }));
    }

    /// A new member of the group, which is given partitions by the next [`Self::rebalance`].
    pub(super) fn join(self: &Arc<Self>, life: &Arc<Life>) -> Consumer {
        let mut state = self.state();
        let number = state.next_member;
        state.next_member += 1;
        let member = Member {
            life: Arc::clone(life),
            signals: VecDeque::new(),
            slots: BTreeMap::new(),
            next_slot: 0,
            hears_at: 0,
            statistics_at: wall_ms(),
            in_group: true,
        };
        state.members.insert(number, member);
        drop(state);
        Consumer::new(Arc::clone(self), number)
    }

    /// The members of this process are in the group no more; those that still run learn of it later.
    pub(super) fn evict(&self, life: &Life) {
        let mut state = self.state();
        let State { members, owners, .. } = &mut *state;
        members.retain(|_, member| member.life.number != life.number || !member.life.is_dead());
        for (number, member) in members.iter_mut().filter(|(_, member)| member.life.number == life.number) {
            member.in_group = false;
            owners.retain(|_, owner| owner != number);
        }
        let left: BTreeSet<_> = members.keys().copied().collect();
        owners.retain(|_, owner| left.contains(owner));
    }

    /// Members of this process hear of what happened after this moment, and are in the group again.
    pub(super) fn wake(&self, life: &Life, hears_at: i64) {
        let mut state = self.state();
        for member in state.members.values_mut().filter(|member| member.life.number == life.number) {
            member.hears_at = hears_at;
            if !member.in_group {
                member.in_group = true;
                let lost: Vec<_> = member.slots.keys().copied().collect();
                member.signals.clear();
                member.signals.push_back(Signal::Revoked(lost));
            }
        }
    }

    /// Gives each partition that has no owner to a member, and of the others so many of a thousand to another one.
    pub(super) fn rebalance(&self, moved_thousandths: u64) {
        let mut state = self.state();
        let State { partitions, members, owners, .. } = &mut *state;
        let candidates: Vec<u32> =
            members.iter().filter(|(_, member)| member.in_group).map(|(number, _)| *number).collect();
        if candidates.is_empty() {
            return;
        }
        for origin in partitions.keys() {
            let former = owners.get(origin).copied();
            if former.is_some() && !self.dice.chance(moved_thousandths) {
                continue;
            }
            let next = *self.dice.pick(&candidates);
            if let Some(member) = former.and_then(|former| members.get_mut(&former)) {
                let slots = member.slots.iter().filter(|(_, (other, _))| other == origin);
                let slots: Vec<_> = slots.map(|(slot, _)| *slot).collect();
                member.signals.push_back(Signal::Revoked(slots));
            }
            let member = members.get_mut(&next).unwrap();
            let slot = Slot(member.next_slot);
            member.next_slot += 1;
            member.slots.insert(slot, (origin.clone(), None));
            member.signals.push_back(Signal::Assigned(vec![(slot, origin.clone())]));
            owners.insert(origin.clone(), next);
            self.trace.say(format_args!(
                "group: {origin:?} from {former:?} to member {next} of process {}",
                member.life.number
            ));
        }
    }
}

/// The brokers, as one process asks them.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) log: Arc<Log>,
    /// What they answered last about the starts of partitions.
    pub(super) starts: Arc<Mutex<FxHashMap<Origin, u64>>>,
}

impl Client {
    fn offsets(&self, origins: &[Origin], of: impl Fn(&Partition) -> u64) -> Result<FxHashMap<Origin, u64>, Error> {
        let state = self.log.state();
        if state.away {
            return Err(Error::Asked { what: "offsets", source: RDKafkaErrorCode::AllBrokersDown });
        }
        Ok(origins.iter().map(|origin| (origin.clone(), of(&state.partitions[origin]))).collect())
    }
}

impl Brokers for Client {
    fn topics(&self, names: &[String], _: Duration) -> Result<Vec<Topic>, Error> {
        let state = self.log.state();
        let topic = |name: &String| {
            let partitions = state.partitions.keys().filter(|origin| *origin.topic == **name).count();
            Topic { name: name.clone(), partitions: u32::try_from(partitions).unwrap() }
        };
        Ok(names.iter().map(topic).collect())
    }

    fn ids(&self, names: &[String], _: Duration) -> FxHashMap<String, String> {
        let state = self.log.state();
        names.iter().map(|name| (name.clone(), format!("{name}, {}", state.number(name)))).collect()
    }

    fn starts(&self, origins: &[Origin], _: Duration) -> Result<FxHashMap<Origin, u64>, Error> {
        let starts = self.offsets(origins, |partition| partition.start)?;
        self.starts.lock().unwrap().extend(starts.clone());
        Ok(starts)
    }

    fn ends(&self, origins: &[Origin], _: Duration) -> Result<FxHashMap<Origin, u64>, Error> {
        self.offsets(origins, |partition| partition.end)
    }

    /// The answer is out of date when it arrives.
    async fn ask<T: Send + 'static>(self: Arc<Self>, question: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        let (answer, delay) = (question(&self), self.log.dice.below(200));
        tokio::time::sleep(Duration::from_millis(delay)).await;
        Some(answer)
    }
}

/// The way of one process's letters.
pub(super) struct Mail {
    pub(super) log: Arc<Log>,
    pub(super) life: Arc<Life>,
    pub(super) reports: Arc<Reports>,
    /// So many of a thousand come back.
    pub(super) refused_thousandths: u64,
}

impl Post for Mail {
    fn send(&self, letter: Letter) {
        let (log, life, reports) = (Arc::clone(&self.log), Arc::clone(&self.life), Arc::clone(&self.reports));
        let delay = log.dice.below(if log.dice.chance(100) { 3_000 } else { 50 });
        let refused = log.dice.chance(self.refused_thousandths);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            if life.is_cut() {
                return;
            }
            if refused || log.state().away {
                return reports.came_back(letter, Refused::Other("away".to_owned()));
            }
            log.state().letters.insert((letter.origin.clone(), letter.offset));
            reports.arrived(&letter);
        });
    }

    fn flush(&self, _: Duration) {}
}
