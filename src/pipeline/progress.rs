//! Through which moment each partition is complete.
//!
//! Invariant: pure; a partition is complete through the moment at which an end of its log was asked for, once
//! everything below that end is in the warehouse. Timestamps of records play no part: a producer may set them at will.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::sync::mpsc;

use crate::batch::Origin;

/// While a partition is behind, its ends of more than an hour are kept at one a second; beyond, every other one goes.
const ENDS_MAX: usize = 4_096;

/// Ends of the log, and when they were asked for (milliseconds since the epoch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub asked_at: i64,
    pub ends: Vec<(Origin, u64)>,
    /// Partitions that did not exist a sample ago, which was asked for at that moment: complete through it.
    pub born: Vec<(Origin, i64)>,
    /// Topics that are others than a sample ago, though of the same name, or seen for the first time; and their ids.
    pub recreated: Vec<(String, String)>,
}

/// The partitions that this process counts.
#[derive(Debug)]
pub struct Progress {
    samples: mpsc::UnboundedReceiver<Sample>,
    partitions: BTreeMap<Origin, Partition>,
    born: Vec<(Origin, i64)>,
}

#[derive(Debug, Default)]
struct Partition {
    position: Option<u64>,
    /// As the position stands in the tables.
    label: Option<Origin>,
    /// The topic of the position; empty where the brokers tell no ids.
    topic_id: Arc<str>,
    /// The topic of the ends; empty where the brokers tell no ids.
    ends_topic_id: String,
    /// How the topic stands in the tables that was read here before it was recreated.
    gone: Option<Origin>,
    /// Ends not yet reached, oldest first, each larger than the one before.
    ends: VecDeque<(i64, u64)>,
    complete_through: Option<i64>,
    told: Option<i64>,
}

impl Progress {
    #[must_use]
    pub const fn new(samples: mpsc::UnboundedReceiver<Sample>) -> Self {
        Self { samples, partitions: BTreeMap::new(), born: Vec::new() }
    }

    /// Everything below `position` of the topic with this id is in the warehouse; `label` as it stands in the tables.
    pub fn flushed(&mut self, label: &Origin, topic_id: &Arc<str>, position: u64) {
        let partition = self.partitions.entry(label.broker()).or_default();
        if partition.is_of_another_topic(label, topic_id) {
            return;
        }
        if partition.label.as_ref() != Some(label) || partition.topic_id != *topic_id {
            (partition.label, partition.topic_id, partition.position) = (Some(label.clone()), topic_id.clone(), None);
        }
        partition.position = partition.position.max(Some(position));
        partition.reach();
    }

    /// The warehouse may have forgotten whatever was told; the partitions are opened again.
    pub fn restart(&mut self) {
        for partition in self.partitions.values_mut() {
            (partition.position, partition.complete_through, partition.told) = (None, None, None);
        }
    }

    /// The partitions that became complete through a later moment, and that moment (milliseconds since the epoch).
    pub fn changed(&mut self) -> Vec<(Origin, i64)> {
        while let Ok(sample) = self.samples.try_recv() {
            self.sampled(sample);
        }
        let mut changed = std::mem::take(&mut self.born);
        for (origin, partition) in &mut self.partitions {
            if partition.complete_through > partition.told {
                partition.told = partition.complete_through;
                changed.extend(partition.told.map(|moment| (origin.clone(), moment)));
            }
        }
        changed
    }

    /// The moment through which all partitions of this process are complete.
    #[must_use]
    pub fn complete_through(&self) -> Option<i64> {
        let counted = self.partitions.values().filter(|partition| partition.position.is_some() || partition.is_lost());
        counted.map(|partition| partition.complete_through).min().flatten()
    }

    fn sampled(&mut self, sample: Sample) {
        self.born.extend(sample.born);
        for (origin, _) in &sample.ends {
            self.partitions.entry(origin.clone()).or_default();
        }
        for (origin, partition) in &mut self.partitions {
            if let Some((_, topic_id)) = sample.recreated.iter().find(|(topic, _)| **topic == *origin.topic) {
                partition.recreated(topic_id);
            }
        }
        for (origin, end) in sample.ends {
            let partition = self.partitions.entry(origin).or_default();
            match partition.ends.back_mut() {
                // Nothing came since: the later moment is as complete.
                Some((asked_at, last)) if *last == end => *asked_at = sample.asked_at,
                _ => partition.ends.push_back((sample.asked_at, end)),
            }
            if partition.ends.len() > ENDS_MAX {
                let mut odd = false;
                partition.ends.retain(|_| {
                    odd = !odd;
                    !odd
                });
            }
            partition.reach();
        }
    }
}

impl Partition {
    /// The log is another one, of the topic with this id.
    fn recreated(&mut self, topic_id: &str) {
        let is_first = self.ends_topic_id.is_empty();
        topic_id.clone_into(&mut self.ends_topic_id);
        self.ends.clear();
        // It may have been opened before its ends were seen, and without its id if the brokers did not tell it then.
        let is_unknown = is_first && self.topic_id.is_empty();
        if *self.topic_id != *topic_id && !is_unknown {
            self.position = None;
            self.gone = self.label.take().or(self.gone.take());
        }
    }

    /// Whether what was flushed says nothing of the ends of today: it is of the topic before, whose rows arrive late.
    /// Where its id is not known, the label tells; but a topic of which nothing was counted is not adopted, and the one
    /// after it keeps the label.
    fn is_of_another_topic(&self, label: &Origin, topic_id: &str) -> bool {
        if self.ends_topic_id.is_empty() || topic_id.is_empty() {
            self.gone.as_ref() == Some(label)
        } else {
            self.ends_topic_id != topic_id
        }
    }

    /// Whether its topic was recreated, and is not counted since.
    const fn is_lost(&self) -> bool {
        self.gone.is_some() && self.label.is_none()
    }

    fn reach(&mut self) {
        let Some(position) = self.position else { return };
        while let Some(&(asked_at, end)) = self.ends.front()
            && end <= position
        {
            self.complete_through = self.complete_through.max(Some(asked_at));
            // The last one stays, for the next sample may be of the same end.
            if self.ends.len() == 1 {
                break;
            }
            self.ends.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin { topic: "t".into(), partition: 0 }
    }

    fn check(steps: &[(i64, u64, Option<u64>)], expected: Option<i64>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut progress = Progress::new(receiver);
        let mut told = None;
        for &(asked_at, end, position) in steps {
            sender
                .send(Sample { asked_at, ends: vec![(origin(), end)], born: Vec::new(), recreated: Vec::new() })
                .unwrap();
            if let Some(position) = position {
                progress.flushed(&origin(), &Arc::default(), position);
            }
            told = progress.changed().last().map(|(_, moment)| *moment).or(told);
        }
        assert_eq!(told, expected, "{steps:?}");
    }

    #[test]
    fn partition_is_complete_through_the_last_moment_whose_end_is_flushed() {
        check(&[(1, 10, Some(9)), (2, 20, Some(10)), (3, 30, Some(29))], Some(2));
    }

    #[test]
    fn idle_partition_advances() {
        check(&[(1, 10, Some(10)), (2, 10, None), (3, 10, None)], Some(3));
    }

    #[test]
    fn partition_that_was_never_flushed_is_complete_through_nothing() {
        check(&[(1, 10, None), (2, 10, None)], None);
    }

    #[test]
    fn empty_partition_is_complete_once_it_is_counted() {
        check(&[(1, 0, Some(0)), (2, 0, None)], Some(2));
    }

    /// What happens to a partition of the topic `t`.
    enum Step {
        /// `number` among the topics of that name, by which it stands in the tables.
        Flushed {
            number: u32,
            topic_id: &'static str,
            position: u64,
        },
        /// With the id of the topic where it is another than before.
        Ends {
            asked_at: i64,
            end: u64,
            recreated: Option<&'static str>,
        },
        Restart,
    }
    use Step::{Ends, Flushed, Restart};

    /// Each step with the moment that is told after it.
    fn check_recreated(steps: &[(Step, Option<i64>)]) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut progress = Progress::new(receiver);
        for (number, (step, expected)) in steps.iter().enumerate() {
            match *step {
                Flushed { number, topic_id, position } => {
                    let label = if number == 1 { origin() } else { origin().label(number) };
                    progress.flushed(&label, &topic_id.into(), position);
                }
                Ends { asked_at, end, recreated } => {
                    let recreated = recreated.map(|id| ("t".to_owned(), id.to_owned())).into_iter().collect();
                    sender.send(Sample { asked_at, ends: vec![(origin(), end)], born: Vec::new(), recreated }).unwrap();
                }
                Restart => progress.restart(),
            }
            let told = progress.changed().last().map(|(_, moment)| *moment);
            assert_eq!(told, *expected, "step {number}");
        }
    }

    #[test]
    fn recreated_topic_is_complete_through_nothing_new_until_it_is_counted_itself() {
        check_recreated(&[
            (Flushed { number: 1, topic_id: "a", position: 10 }, None),
            (Ends { asked_at: 1, end: 10, recreated: None }, Some(1)),
            (Ends { asked_at: 2, end: 3, recreated: Some("b") }, None),
            // Rows of the former topic that arrive late.
            (Flushed { number: 1, topic_id: "a", position: 10 }, None),
            (Ends { asked_at: 3, end: 10, recreated: None }, None),
            (Flushed { number: 2, topic_id: "b", position: 3 }, Some(2)),
            (Flushed { number: 2, topic_id: "b", position: 10 }, Some(3)),
        ]);
    }

    #[test]
    fn topic_that_is_recreated_before_anything_of_it_was_entered_is_not_taken_for_the_one_after_it() {
        check_recreated(&[
            (Flushed { number: 1, topic_id: "a", position: 0 }, None),
            (Ends { asked_at: 1, end: 2, recreated: Some("b") }, None),
            // The batch that was in hand.
            (Flushed { number: 1, topic_id: "a", position: 2 }, None),
            // Nothing had been counted when it was opened again: it was not adopted.
            (Flushed { number: 1, topic_id: "b", position: 2 }, Some(1)),
        ]);
    }

    #[test]
    fn topic_that_is_recreated_while_the_position_is_not_known_is_recognised() {
        for topic_id in ["a", ""] {
            check_recreated(&[
                (Ends { asked_at: 0, end: 10, recreated: Some("a") }, None),
                (Flushed { number: 1, topic_id, position: 10 }, Some(0)),
                (Restart, None),
                (Ends { asked_at: 1, end: 1, recreated: Some("b") }, None),
                // The former topic was opened again just before it went.
                (Flushed { number: 1, topic_id, position: 10 }, None),
                (Flushed { number: 2, topic_id: "b", position: 1 }, Some(1)),
            ]);
        }
    }

    #[test]
    fn recreated_topic_that_is_opened_before_its_ends_are_seen_is_complete_through_them() {
        check_recreated(&[
            (Flushed { number: 1, topic_id: "a", position: 10 }, None),
            (Flushed { number: 2, topic_id: "b", position: 0 }, None),
            (Ends { asked_at: 1, end: 0, recreated: Some("b") }, Some(1)),
        ]);
    }

    #[test]
    fn memory_is_bounded_while_a_partition_is_behind() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut progress = Progress::new(receiver);
        for second in 0..20_000_u32 {
            let ends = vec![(origin(), u64::from(second) + 1)];
            sender.send(Sample { asked_at: second.into(), ends, born: Vec::new(), recreated: Vec::new() }).unwrap();
            progress.changed();
        }
        assert!(progress.partitions[&origin()].ends.len() <= ENDS_MAX);
        progress.flushed(&origin(), &Arc::default(), 20_000);
        assert_eq!(progress.changed().last().map(|(_, moment)| *moment), Some(19_999));
    }
}
