//! How much memory the process may take, and what follows for its partitions.
//!
//! Invariant: at most as much is read as the limit allows; a process that has partitions always reads at least one of them.
//!
//! # Why partitions take turns at the bound
//! What a process holds is bounded by the chunk: at most `2^chunk.bits` registers by minute, `2^chunk.day_bits` by day and
//! twice that for boards in each partition. A day of ordinary keys fills a small part of that, but what senders do is not
//! ours to say: ids of the longest form in every record take a hundred times the memory. So there is a limit. At the limit,
//! those partitions that were read longest are held, and each is read again as soon as there is room, or else when its turn
//! comes. Partitions of which nothing is known yet, after a start, are let go of as they come in and take turns too.
//! - *Not flushed earlier*: a register is needed after its flush, for the next event of its key adds to it.
//! - *Not dropped from a partition that is read on*: reading it back for each event would ask ClickHouse for rows all day.
//! - *Not shed to other processes*: the group shares partitions evenly, and who else has room is nothing it knows. A person
//!   starts another process, and what is held moves by itself, or raises the limit.
//! - *Not left to the system*: a process that is killed for its memory comes back to the same partitions.
//! - *Not a share for each worker*: one large partition would exceed the share of its worker while the others leave theirs
//!   unused, and eight workers with one each would exceed the limit by as much as eight.
//!
//! # Why one partition alone may take more than the limit
//! Its bound is that of the chunk ([`chunk::Config::bytes_max`]), which ids of the longest form in every record reach and
//! nothing else comes near; the bound of the process is for the larger of the two.
//! - *Not held*: what it takes ends with its chunk, and the chunk ends when it is read.
//! - *Not without its oldest registers*: an event for one of them that comes late would write it anew, with a larger
//!   version and less in it.
//! - *Not in shorter chunks*: where a chunk is cut has to follow from the offsets alone. If memory decided, a former owner
//!   and the next would put one record into two chunks, and both would count.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::worker::BATCH_BYTES_FULL;
use crate::{chunk, partition::Room};

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
    /// What all partitions of the process may take together, in bytes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit_mib * MIB
    }

    /// What the process stays below, in bytes, but for its directory.
    #[must_use]
    pub fn process(&self, workers: usize, chunk: &chunk::Config) -> usize {
        let partitions = self.limit().max(chunk.bytes_max());
        BASE + partitions + chunk.loading_bytes_max() + workers * (BATCHES + FETCHED)
    }
}

/// A partition that waits for want of room has its turn after this time, if it is loaded within a second.
const TURN: Duration = Duration::from_secs(10);

/// A turn lasts so many times as long as loading took, for loading is not what a process is there for: three million
/// registers take ten seconds and more.
const LOADS: u32 = 4;

/// How long a partition is read at least that was loaded in this time, while others wait.
#[must_use]
pub fn turn(loaded_in: Duration) -> Duration {
    TURN.max(loaded_in.saturating_mul(LOADS))
}

/// To hold a partition that takes less than this part of the limit would win nothing.
const SMALL: usize = 256;

/// What a partition takes, or took when it was held, in bytes, and since when it has been read or held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub bytes: usize,
    pub since: Instant,
    /// See [`turn`].
    pub turn: Duration,
}

/// The partitions of one worker.
#[derive(Clone, Debug, Default)]
pub struct Stand {
    pub read: Vec<Taken>,
    pub held: Vec<Taken>,
    /// What those that are on their way took when they were held, in bytes; `None` where there are none.
    pub loading: Option<usize>,
}

/// What is to be done about partitions, by their number in what was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub hold: Vec<usize>,
    pub take_up: Vec<usize>,
}

/// What the partitions of all workers take.
#[derive(Debug)]
pub struct Turns {
    limit: usize,
    stands: Mutex<Vec<Stand>>,
}

impl Turns {
    /// Of so many workers, whose partitions may take so many bytes together.
    #[must_use]
    pub fn new(limit: usize, workers: usize) -> Self {
        Self { limit, stands: Mutex::new(vec![Stand::default(); workers]) }
    }

    /// Where a worker stands.
    pub fn tell(&self, worker: usize, stand: Stand) {
        self.stands.lock().unwrap_or_else(PoisonError::into_inner)[worker] = stand;
    }

    /// What a worker is to do about its own partitions, in view of those of all as they were told last. All judge by one
    /// order, so that what one leaves to another the other will do.
    #[must_use]
    pub fn judge(&self, worker: usize, stand: Stand, now: Instant) -> Verdict {
        let mut stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        stands[worker] = stand;
        let all = |of: fn(&Stand) -> &Vec<Taken>| stands.iter().flat_map(of).copied().collect::<Vec<_>>();
        let is_loading = stands.iter().any(|stand| stand.loading.is_some());
        // Nobody is taken up beside what is not known yet.
        let waiting = if is_loading { Vec::new() } else { all(|stand| &stand.held) };
        let verdict = judge(self.limit, &all(|stand| &stand.read), &waiting, now);
        let own = |numbers: Vec<usize>, of: fn(&Stand) -> usize| -> Vec<usize> {
            let first = stands[..worker].iter().map(of).sum::<usize>();
            let own = first..first + of(&stands[worker]);
            numbers.into_iter().filter(|number| own.contains(number)).map(|number| number - first).collect()
        };
        let hold = own(verdict.hold, |stand| stand.read.len());
        let take_up = own(verdict.take_up, |stand| stand.held.len());
        Verdict { hold, take_up }
    }

    /// The room for partitions that are to be loaded, and of which some took so many bytes before they were held.
    #[must_use]
    pub fn room(&self, expected: usize) -> Room {
        let stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        let read: Vec<_> = stands.iter().flat_map(|stand| &stand.read).map(|taken| taken.bytes).collect();
        let loading: usize = stands.iter().filter_map(|stand| stand.loading).sum();
        let taken = read.iter().sum::<usize>() + loading.saturating_sub(expected);
        let keeps_one = loading <= expected && read.iter().all(|&bytes| is_small(bytes, self.limit));
        Room { bytes: self.limit.saturating_sub(taken), keeps_one }
    }
}

const fn is_small(bytes: usize, limit: usize) -> bool {
    bytes <= limit / SMALL
}

/// Which partitions to hold, and which to take up again.
fn judge(limit: usize, read: &[Taken], held: &[Taken], now: Instant) -> Verdict {
    let mut verdict = Verdict::default();
    let mut turns = oldest_first(read);
    turns.retain(|&at| !is_small(read[at].bytes, limit));
    let mut total: usize = turns.iter().map(|&at| read[at].bytes).sum();
    if total > limit {
        // The last one has just begun, and stays.
        for &at in turns.split_last().map_or(&[][..], |(_, older)| older) {
            if total <= limit {
                break;
            }
            total -= read[at].bytes;
            verdict.hold.push(at);
        }
        // One that is larger than the limit by itself gives way when its turn is over.
        if !verdict.hold.is_empty() {
            return verdict;
        }
    }
    // Room to grow, or it would be held again at once. One is read in any case.
    let fits = |total: usize, taken: Taken| total == 0 || total + taken.bytes + taken.bytes / 4 <= limit;
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
            if now.saturating_duration_since(read[at].since) < read[at].turn || fits(total, held[next]) {
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
    order.sort_by_key(|&at| all[at].since);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long after the first of them, for what is an hour old.
    fn now() -> Instant {
        Instant::now() + Duration::from_hours(1)
    }

    /// By KiB and seconds.
    fn taken(all: &[(usize, u64)], now: Instant) -> Vec<Taken> {
        let since = |age| now.checked_sub(Duration::from_secs(age)).unwrap();
        let taken = |&(bytes, age)| Taken { bytes: bytes << 10, since: since(age), turn: TURN };
        all.iter().map(taken).collect()
    }

    /// Partitions by KiB and seconds, of which all may take 100 KiB.
    #[track_caller]
    fn check(read: &[(usize, u64)], waiting: &[(usize, u64)], hold: &[usize], take_up: &[usize]) {
        let now = now();
        let expected = Verdict { hold: hold.to_vec(), take_up: take_up.to_vec() };
        assert_eq!(judge(100 << 10, &taken(read, now), &taken(waiting, now), now), expected, "{read:?} {waiting:?}");
    }

    #[test]
    fn partitions_within_the_limit_are_read() {
        check(&[(50, 99), (50, 1)], &[], &[], &[]);
    }

    #[test]
    fn those_read_longest_are_held_until_the_rest_is_within_the_limit() {
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
    fn turn_is_worth_the_time_that_loading_took() {
        assert_eq!(turn(Duration::from_millis(300)), TURN);
        let now = now();
        let mut read = taken(&[(200, 50)], now);
        read[0].turn = turn(Duration::from_secs(15));
        let judged = |at| judge(100 << 10, &read, &taken(&[(200, 10)], now), at);
        assert!(judged(now).hold.is_empty());
        assert_eq!(judged(now + Duration::from_secs(10)).hold, [0]);
    }

    #[test]
    fn partition_that_takes_next_to_nothing_is_never_held_and_takes_no_room() {
        check(&[(0, 99), (60, 9), (60, 8)], &[], &[1], &[]);
        check(&[(0, 99)], &[(200, 10)], &[], &[0]);
    }

    /// Two workers, and what each of them is to do.
    #[track_caller]
    fn check_workers(stands: &[Stand; 2], expected: [(&[usize], &[usize]); 2]) {
        let turns = Turns::new(100 << 10, 2);
        for (worker, stand) in stands.iter().enumerate() {
            turns.tell(worker, stand.clone());
        }
        for (worker, (hold, take_up)) in expected.into_iter().enumerate() {
            let expected = Verdict { hold: hold.to_vec(), take_up: take_up.to_vec() };
            assert_eq!(turns.judge(worker, stands[worker].clone(), now()), expected, "{worker} of {stands:?}");
        }
    }

    fn stand(read: &[(usize, u64)], held: &[(usize, u64)]) -> Stand {
        let now = now();
        Stand { read: taken(read, now), held: taken(held, now), loading: None }
    }

    #[test]
    fn workers_judge_by_one_order_and_each_does_its_own_part() {
        let stands = [stand(&[(40, 1), (30, 9)], &[]), stand(&[(5, 8), (60, 5)], &[])];
        check_workers(&stands, [(&[1], &[]), (&[0], &[])]);
        let stands = [stand(&[(40, 1)], &[(10, 7)]), stand(&[(5, 8)], &[(10, 9), (60, 5)])];
        check_workers(&stands, [(&[], &[0]), (&[], &[0])]);
    }

    #[test]
    fn nobody_is_taken_up_beside_what_is_not_known_yet() {
        let loading = Stand { loading: Some(0), ..Stand::default() };
        check_workers(&[stand(&[], &[(10, 7)]), loading], [(&[], &[]), (&[], &[])]);
    }

    #[test]
    fn room_to_load_is_what_nobody_takes() {
        let turns = Turns::new(100 << 10, 2);
        assert_eq!(turns.room(0), Room { bytes: 100 << 10, keeps_one: true });
        turns.tell(0, Stand { loading: Some(30 << 10), ..stand(&[(0, 1)], &[(500, 1)]) });
        assert_eq!(turns.room(30 << 10), Room { bytes: 100 << 10, keeps_one: true });
        assert_eq!(turns.room(0), Room { bytes: 70 << 10, keeps_one: false });
        turns.tell(1, stand(&[(90, 1)], &[]));
        assert_eq!(turns.room(30 << 10), Room { bytes: 10 << 10, keeps_one: false });
    }
}
