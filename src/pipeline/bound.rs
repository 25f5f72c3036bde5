//! How much memory the process may take, and what follows for its partitions.
//!
//! Invariant: pure; a worker that has partitions always reads at least one of them.
//!
//! # Why partitions take turns at the bound
//! What a process holds is bounded by the chunk: at most `2^chunk.bits` registers by minute, `2^chunk.day_bits` by day and
//! twice that for boards in each partition. A day of ordinary keys fills a small part of that, but what senders do is not
//! ours to say: ids of the longest form in every record take a hundred times the memory. So there is a limit. At the limit, those partitions of a
//! worker that were read longest are held, and each is read again as soon as there is room, or else when its turn comes.
//! - *Not flushed earlier*: a register is needed after its flush, for the next event of its key adds to it.
//! - *Not dropped from a partition that is read on*: reading it back for each event would ask ClickHouse for rows all day.
//! - *Not shed to other processes*: the group shares partitions evenly, and who else has room is nothing it knows. A person
//!   starts another process, and what is held moves by itself, or raises the limit.
//! - *Not left to the system*: a process that is killed for its memory comes back to the same partitions.
//!
//! # Why one partition alone may take more than the share
//! Its bound is that of the chunk, which ids of the longest form in every record reach and nothing else comes near.
//! - *Not held*: what it takes ends with its chunk, and the chunk ends when it is read.
//! - *Not without its oldest registers*: an event for one of them that comes late would write it anew, with a larger
//!   version and less in it.
//! - *Not in shorter chunks*: where a chunk is cut has to follow from the offsets alone. If memory decided, a former owner
//!   and the next would put one record into two chunks, and both would count.
//! - *Not at the cost of the other workers*: they would have to agree who reads, and two such partitions would be at the
//!   same point.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::worker::BATCH_BYTES_FULL;

/// Section `memory`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is held of all partitions of a process, in MiB: registers, names, and the dedup horizon. From 16 to 1,048,576.
    pub limit_mib: usize,
}

impl Default for Config {
    fn default() -> Self {
        // Sixteen partitions of a brand with 20,000 members of staff take about a quarter of it.
        Self { limit_mib: 1_024 }
    }
}

const MIB: usize = 1 << 20;

/// The batch that is filled, the one that waits, the one in the channel, and the one that is written, of which the client
/// has a copy: each as large as a full one and what a drain adds to it.
const BATCHES: usize = 5 * 2 * BATCH_BYTES_FULL;

/// What librdkafka fetches ahead for one member (`queued.max.messages.kbytes`), and as much again unpacked.
const FETCHED: usize = 16 * MIB;

/// Program, libraries and clients, dead letters on their way (64 MiB at most), and what the allocator keeps.
const BASE: usize = 192 * MIB;

impl Config {
    /// What the partitions of one of so many workers may take, in bytes.
    #[must_use]
    pub const fn share(&self, workers: usize) -> usize {
        self.limit_mib * MIB / workers
    }

    /// What the process stays below, in bytes, but for its directory, while no partition alone is larger than a worker's
    /// share.
    #[must_use]
    pub const fn process(&self, workers: usize) -> usize {
        BASE + self.limit_mib * MIB + workers * (BATCHES + FETCHED)
    }
}

/// A partition that stays behind for want of room is read after this time at the latest: long enough that loading it again
/// and again, which takes a second, is not what the process does.
const TURN: Duration = Duration::from_secs(10);

/// To hold a partition that takes less than this part of the share would win nothing.
const SMALL: usize = 256;

/// What a partition takes, or took when it was held, and for how long it has been read or held.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub bytes: usize,
    pub age: Duration,
}

/// What is to be done about partitions, by their number in what was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub hold: Vec<usize>,
    pub take_up: Vec<usize>,
}

/// Which partitions of a worker to hold, and which to take up again.
#[must_use]
pub fn judge(share: usize, read: &[Taken], held: &[Taken]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut turns = oldest_first(read);
    turns.retain(|&at| read[at].bytes > share / SMALL);
    let mut total: usize = turns.iter().map(|&at| read[at].bytes).sum();
    if total > share {
        // The last one has just begun, and stays.
        for &at in turns.split_last().map_or(&[][..], |(_, older)| older) {
            if total <= share {
                break;
            }
            total -= read[at].bytes;
            verdict.hold.push(at);
        }
        // One that is larger than the share by itself gives way when its turn is over.
        if !verdict.hold.is_empty() {
            return verdict;
        }
    }
    // Room to grow, or it would be held again at once. One is read in any case.
    let fits = |total: usize, taken: Taken| total == 0 || total + taken.bytes + taken.bytes / 4 <= share;
    let waiting = oldest_first(held);
    for &at in &waiting {
        if !fits(total, held[at]) {
            break;
        }
        total += held[at].bytes;
        verdict.take_up.push(at);
    }
    if let (Some(&next), true) = (waiting.first(), verdict.take_up.is_empty()) {
        for at in turns {
            if read[at].age < TURN || fits(total, held[next]) {
                break;
            }
            total -= read[at].bytes;
            verdict.hold.push(at);
        }
    }
    verdict
}

fn oldest_first(all: &[Taken]) -> Vec<usize> {
    let mut order: Vec<_> = (0..all.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(all[at].age));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Partitions by KiB and seconds, of a share of 100 KiB.
    #[track_caller]
    fn check(read: &[(usize, u64)], waiting: &[(usize, u64)], hold: &[usize], take_up: &[usize]) {
        let taken = |all: &[(usize, u64)]| -> Vec<Taken> {
            all.iter()
                .map(|&(bytes, seconds)| Taken { bytes: bytes << 10, age: Duration::from_secs(seconds) })
                .collect()
        };
        let expected = Verdict { hold: hold.to_vec(), take_up: take_up.to_vec() };
        assert_eq!(judge(100 << 10, &taken(read), &taken(waiting)), expected, "{read:?} {waiting:?}");
    }

    #[test]
    fn partitions_within_the_share_are_read() {
        check(&[(50, 99), (50, 1)], &[], &[], &[]);
    }

    #[test]
    fn those_read_longest_are_held_until_the_rest_is_within_the_share() {
        check(&[(40, 1), (70, 3), (30, 2)], &[], &[1], &[]);
        check(&[(60, 1), (90, 2), (80, 3)], &[], &[2, 1], &[]);
    }

    #[test]
    fn one_partition_is_read_however_large_it_is() {
        check(&[(200, 99)], &[], &[], &[]);
        check(&[(200, 1), (300, 2)], &[], &[1], &[]);
        check(&[], &[(200, 1)], &[], &[0]);
    }

    #[test]
    fn held_partitions_are_taken_up_once_there_is_room_to_grow() {
        check(&[(20, 1)], &[(70, 5)], &[], &[]);
        check(&[(20, 1)], &[(60, 5)], &[], &[0]);
        check(&[(10, 1)], &[(60, 5), (10, 4)], &[], &[0, 1]);
    }

    #[test]
    fn partition_that_waits_gets_its_turn() {
        check(&[(60, 9), (30, 8)], &[(50, 20)], &[], &[]);
        check(&[(60, 10), (30, 8)], &[(50, 20)], &[0], &[]);
        check(&[(200, 10)], &[(200, 10)], &[0], &[]);
    }

    #[test]
    fn partition_that_takes_next_to_nothing_is_never_held_and_takes_no_room() {
        check(&[(0, 99), (60, 9), (60, 8)], &[], &[1], &[]);
        check(&[(0, 99)], &[(200, 10)], &[], &[0]);
    }
}
