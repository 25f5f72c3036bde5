//! What a demonstration shows soon after it goes live, whatever the dice say: a code falls silent, a store overtakes
//! another, a broadcast costs friends, and a producer that was cut off for a while sends what it kept.
//!
//! Invariant: the scenes are made of the facts of every day, and all of them have happened [`WITHIN_MS`] after the stream
//! went live.

use super::{Fact, Friend, Given, MINUTE_MS, Place, Standing, Step, Type, Via, World, channel};

const SECOND_MS: i64 = 1_000;

/// Whoever watches for so long has seen all of it.
pub(in crate::generate) const WITHIN_MS: i64 = 120 * SECOND_MS;

/// The code had an add every so often for so long, so that a minute without one is strange.
const CODE_GAP_MS: i64 = 10 * SECOND_MS;
const CODE_ADDS: i64 = 60;

/// When scenes begin, after the stream went live.
const OVERTAKE_AT_MS: i64 = 10 * SECOND_MS;
const BROADCAST_AT_MS: i64 = 15 * SECOND_MS;
const LATE_AT_MS: i64 = 30 * SECOND_MS;

/// A store overtakes in rounds of so long, for the other goes on as well; the last one ends with the story.
const ROUND_MS: i64 = 10 * SECOND_MS;
/// So far it gets ahead at least.
const AHEAD: u32 = 3;
/// A board shows so many stores on a wall.
const RANKS: usize = 8;

/// Of so many who got the message so many leave: ten times as many as of any other broadcast.
const AUDIENCE: u32 = 400;
const LEAVING: i64 = 16;

/// A producer was away for so long, and kept so many adds.
const AWAY_MS: i64 = 40 * MINUTE_MS;
const KEPT: i64 = 12;

/// What the story knows of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    /// The code that has adds by plan alone.
    pub(super) code: Option<u32>,
    /// Who overtakes whom: positions among the stores.
    race: Option<(usize, usize)>,
    ends_ms: i64,
}

impl World {
    /// Keeps the code of the story, the last one, from everybody.
    pub(in crate::generate) fn keep_code(&mut self) {
        self.story.code = self.brand.codes.len().checked_sub(1).and_then(|last| u32::try_from(last).ok());
    }

    /// Plans the scenes around the instant at which the stream goes live.
    pub(in crate::generate) fn tell_story(&mut self, live_ms: i64) {
        self.keep_code();
        if let Some(code) = self.story.code {
            let given = Given { channel: self.brand.codes[self.brand.codes.len() - 1].channel, via: Via::Code(code) };
            for n in 1..=CODE_ADDS {
                let place = Place { staff: self.anyone(), slot: 0 };
                let who = (place, self.fresh(), given);
                self.plan(live_ms - n * CODE_GAP_MS, Step::Add, who);
            }
        }
        self.story.ends_ms = live_ms + WITHIN_MS;
        let nobody = (Place { staff: 0, slot: 0 }, 0, self.nothing_given());
        self.plan(live_ms + OVERTAKE_AT_MS, Step::Overtake, nobody);
        self.plan(live_ms + BROADCAST_AT_MS, Step::CostlyBroadcast, nobody);
        self.plan(live_ms + LATE_AT_MS, Step::CatchUp, nobody);
    }

    /// Adds of the store that overtakes, as many as it is behind and a few more.
    pub(super) fn overtake(&mut self, at_ms: i64) {
        let Some((store, ahead)) = self.story.race.or_else(|| self.closest()) else { return };
        self.story.race = Some((store, ahead));
        let (own, other) = (self.adds[store], self.adds[ahead]);
        let needed = i64::from((other + 2 * AHEAD).saturating_sub(own));
        let staff = self.brand.stores[store].staff.clone();
        for n in 0..needed {
            let member = staff.start + usize::try_from(n).unwrap_or(0) % staff.len();
            let place = Place { staff: u16::try_from(member).unwrap_or(0), slot: 0 };
            let who = (place, self.fresh(), Given { channel: channel::index("badge"), via: Via::Key });
            self.plan(at_ms + n * (ROUND_MS - 2 * SECOND_MS) / needed, Step::Add, who);
        }
        if at_ms + 2 * ROUND_MS < self.story.ends_ms {
            self.plan(at_ms + ROUND_MS, Step::Overtake, (Place { staff: 0, slot: 0 }, 0, self.nothing_given()));
        }
    }

    /// Of the first stores the two neighbours that are least apart: who is behind, and who is ahead.
    fn closest(&self) -> Option<(usize, usize)> {
        let mut ranks: Vec<usize> = (0..self.adds.len()).collect();
        ranks.sort_by_key(|store| std::cmp::Reverse(self.adds[*store]));
        ranks.truncate(RANKS);
        let apart = |pair: &&[usize]| self.adds[pair[0]] - self.adds[pair[1]];
        ranks.windows(2).filter(|pair| apart(pair) > 0).min_by_key(apart).map(|pair| (pair[1], pair[0]))
    }

    /// A broadcast after which many leave within the minute.
    pub(super) fn costly_broadcast(&mut self, at_ms: i64) {
        let staff = self.anyone();
        let fact = self.fact(Type::BroadcastSent, at_ms, staff, (0, self.nothing_given()));
        let serial = self.fresh();
        self.happened.push(Fact { serial, count: AUDIENCE, ..fact });
        for n in 1..=LEAVING {
            if let Some((place, friend)) = self.friends.pick(staff, &mut self.dice) {
                self.plan(at_ms + n * 3 * SECOND_MS, Step::Leave, (place, friend.customer, friend.given));
            }
        }
    }

    /// What a producer kept while it was away comes at once.
    pub(super) fn catch_up(&mut self, at_ms: i64) {
        for n in 0..KEPT {
            let staff = self.anyone();
            let given = self.give(staff, channel::index("search"));
            let customer = self.fresh();
            self.befriend(at_ms - AWAY_MS + n * 20 * SECOND_MS, staff, (customer, given));
            self.friends.insert(staff, Friend { customer, given, standing: Standing::Friend });
        }
    }
}
