//! Which records repeat an earlier one of the same partition.
//!
//! Invariant: pure; decides from offsets and record timestamps alone, never from a clock, so that every process
//! that reads the same records decides alike.

use std::time::Duration;

use hashbrown::{HashTable, hash_table::Entry};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::mutants::planted;

/// Section `dedup`: how far back a repetition is recognised. Both bounds are facts of the log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Offsets, at most 1,048,576: the horizon holds about 50 bytes for each, in every partition.
    pub records: u32,
    /// Record timestamps.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub span: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { records: 65_536, span: Duration::from_hours(24) }
    }
}

/// What a record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    First,
    /// Its values are those of the counted record.
    Duplicate,
    /// A duplicate whose values differ from those of the counted record.
    Conflict,
}

/// The identity of an event: 128 bits of a hash over corp and id. Two different events among the 65,536 of a
/// horizon share it with a chance of 2^-97.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64, u64);

impl Identity {
    /// `scratch` is overwritten. No corp id holds a `/`, so the pair is unambiguous.
    #[must_use]
    pub fn new(corp_id: &str, event_id: &str, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        scratch.extend_from_slice(corp_id.as_bytes());
        scratch.push(b'/');
        scratch.extend_from_slice(event_id.as_bytes());
        let hash = xxh3_128(scratch).to_le_bytes();
        let half = |from: usize| hash[from..from + 8].try_into().map_or(0, u64::from_le_bytes);
        Self(half(0), half(8))
    }

    /// Half of a good hash is a good hash.
    const fn hash(self) -> u64 {
        self.0
    }
}

/// One record as the horizon remembers it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub offset: u64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub identity: Identity,
    /// A hash of the decoded values.
    pub values: u64,
}

/// A place of the ring that no record has taken: none has the last offset of 64 bits.
const NOTHING: Seen = Seen { offset: u64::MAX, timestamp: 0, identity: Identity(0, 0), values: 0 };

/// The records of one partition that a later one could repeat.
///
/// A ring in which each offset has its place, and an index from identity to the newest record that carries it.
#[derive(Debug)]
pub struct Horizon {
    records: u64,
    span_ms: i64,
    ring: Vec<Seen>,
    newest: HashTable<u32>,
}

impl Horizon {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            records: u64::from(config.records),
            span_ms: i64::try_from(config.span.as_millis()).unwrap_or(i64::MAX),
            ring: Vec::new(),
            newest: HashTable::new(),
        }
    }

    /// Takes in the next record that was not refused, and says whether it repeats one.
    ///
    /// It does if the nearest earlier record of its identity lies at most `records` offsets before it with a
    /// timestamp at most `span` smaller; that record may itself be a duplicate, so a repetition renews the horizon.
    pub fn observe(&mut self, mut seen: Seen) -> Verdict {
        let slot = self.slot(seen.offset);
        let position = index(slot);
        if self.ring.len() <= position {
            self.ring.resize(position + 1, NOTHING);
        }
        self.evict(slot, seen.identity);
        let earlier = self.replace(slot, seen.identity);
        let verdict = match earlier {
            Some(first) if self.reaches(&first, &seen) => {
                let verdict = if first.values == seen.values { Verdict::Duplicate } else { Verdict::Conflict };
                // The next repetition is compared with the one that was counted.
                seen.values = first.values;
                verdict
            }
            _ => Verdict::First,
        };
        self.ring[position] = seen;
        verdict
    }

    /// Identities that are remembered: at most as many as the horizon has offsets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.newest.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    /// Memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ring.capacity() * size_of::<Seen>() + self.newest.allocation_size()
    }

    fn reaches(&self, earlier: &Seen, later: &Seen) -> bool {
        later.offset - earlier.offset + u64::from(planted!(HorizonShort)) <= self.records
            && later.timestamp.saturating_sub(earlier.timestamp) <= self.span_ms
    }

    /// Forgets the identity of the record that gives up its place, unless it is that of the one which takes it or
    /// already points to a newer record.
    fn evict(&mut self, slot: u32, successor: Identity) {
        let evicted = self.ring[index(slot)];
        if evicted.offset == NOTHING.offset || evicted.identity == successor || planted!(EvictionForgotten) {
            return;
        }
        if let Ok(entry) = self.newest.find_entry(evicted.identity.hash(), |&at| at == slot) {
            entry.remove();
        }
    }

    /// Points the identity to `slot`; the record that it pointed to.
    fn replace(&mut self, slot: u32, identity: Identity) -> Option<Seen> {
        let ring = &self.ring;
        let identity_at = |at: u32| ring[index(at)].identity;
        let same = |&at: &u32| identity_at(at) == identity;
        let entry = self.newest.entry(identity.hash(), same, |&at| identity_at(at).hash());
        match entry {
            Entry::Occupied(mut entry) => Some(ring[index(std::mem::replace(entry.get_mut(), slot))]),
            Entry::Vacant(entry) => {
                entry.insert(slot);
                None
            }
        }
    }

    fn slot(&self, offset: u64) -> u32 {
        u32::try_from(offset % self.records.max(1)).expect("`records` is a u32")
    }
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).expect("a u32 is an index")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn seen(offset: u64, timestamp: i64, id: &str, values: u64) -> Seen {
        Seen { offset, timestamp, identity: Identity::new("corp", id, &mut Vec::new()), values }
    }

    fn horizon(records: u32, span_ms: u64) -> Horizon {
        Horizon::new(&Config { records, span: Duration::from_millis(span_ms) })
    }

    fn check(records: u32, span_ms: u64, inputs: &[(u64, i64, &str, u64)], expected: &[Verdict]) {
        let mut horizon = horizon(records, span_ms);
        let found: Vec<_> = inputs.iter().map(|&(o, t, id, v)| horizon.observe(seen(o, t, id, v))).collect();
        assert_eq!(found, expected, "{inputs:?}");
    }

    use Verdict::{Conflict, Duplicate, First};

    #[test]
    fn redelivered_event_is_a_duplicate_up_to_the_last_offset_of_the_horizon() {
        check(4, 1000, &[(0, 0, "a", 1), (4, 0, "a", 1)], &[First, Duplicate]);
        check(4, 1000, &[(0, 0, "a", 1), (5, 0, "a", 1)], &[First, First]);
    }

    #[test]
    fn redelivered_event_is_a_duplicate_up_to_the_last_millisecond_of_the_span() {
        check(4, 1000, &[(0, 0, "a", 1), (1, 1000, "a", 1)], &[First, Duplicate]);
        check(4, 1000, &[(0, 0, "a", 1), (1, 1001, "a", 1)], &[First, First]);
        check(4, 1000, &[(0, 5000, "a", 1), (1, 0, "a", 1)], &[First, Duplicate]);
    }

    #[test]
    fn duplicate_renews_the_horizon_and_is_compared_with_the_counted_record() {
        check(2, 1000, &[(0, 0, "a", 1), (2, 0, "a", 2), (4, 0, "a", 2)], &[First, Conflict, Conflict]);
    }

    #[test]
    fn evicted_record_does_not_take_its_newer_repetition_with_it() {
        check(
            2,
            1000,
            &[(0, 0, "a", 1), (1, 0, "a", 1), (2, 0, "b", 1), (3, 0, "a", 1)],
            &[First, Duplicate, First, Duplicate],
        );
    }

    proptest! {
        #[test]
        fn verdicts_equal_a_search_through_all_earlier_records(
            steps in prop::collection::vec((1_u64..4, -30_i64..50, 0_u8..6, 0_u64..2), 1..200), records in 1_u32..12,
        ) {
            let mut horizon = horizon(records, 40);
            let mut nearest: HashMap<u8, (u64, i64, u64)> = HashMap::new();
            let (mut offset, mut timestamp) = (0, 0);
            for (gap, elapsed, id, values) in steps {
                offset += gap;
                timestamp += elapsed;
                let expected = match nearest.get(&id) {
                    Some(&(o, t, v)) if offset - o <= u64::from(records) && timestamp - t <= 40 => {
                        nearest.insert(id, (offset, timestamp, v));
                        if v == values { Duplicate } else { Conflict }
                    }
                    _ => { nearest.insert(id, (offset, timestamp, values)); First }
                };
                prop_assert_eq!(horizon.observe(seen(offset, timestamp, &id.to_string(), values)), expected);
            }
        }
    }
}
