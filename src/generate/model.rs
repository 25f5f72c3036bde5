//! The stream of a brand's records: what happens, and how it reaches the log, on time, late, or twice.
//!
//! Invariant: pure and reproducible; the timestamps of the records never run backwards, and a repeated delivery lies at
//! most [`REPEAT_WITHIN`] deliveries behind its first.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::Arc,
};

use super::{
    Delivery, Topic,
    brand::Brand,
    dice::{Dice, mix},
    encode::Encoder,
    fact::{Fact, Via},
    planned::Planned,
    rhythm::{self, MINUTE_MS, Span},
    world::World,
};
use crate::event::{Reason, Type};

/// Far within the horizon in which the pipeline recognises a duplicate (65,536 offsets of a partition), so that each
/// one is recognised even where all records go to one partition.
pub const REPEAT_WITHIN: u32 = 4_096;

/// Deliveries that 1,000 beginnings lead to within a day, measured; a test holds it to 3 %.
const DELIVERIES_PER_1000: u64 = 1_715;

/// A live stream tells of what happened this long ago: longer than any prompt delivery takes.
const BEHIND_MS: i64 = 1_000;

/// What was delivered so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that are to be accepted, duplicates included, by [`Type::index`].
    pub by_type: [u64; Type::ALL.len()],
    /// Records that are to be refused, by [`Reason::index`].
    pub refused: [u64; Reason::ALL.len()],
    /// Of the accepted types, deliveries beyond the first of an event.
    pub repeated: u64,
    /// Bytes of all values.
    pub bytes: u64,
}

impl Tally {
    /// All deliveries.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.by_type.iter().chain(&self.refused).sum()
    }
}

/// A brand at work, and the post on its way.
#[derive(Clone, Debug)]
pub struct Model {
    brand: Arc<Brand>,
    encoder: Encoder,
    world: World,
    dice: Dice,
    outbox: BinaryHeap<Reverse<Letter>>,
    repeats: BinaryHeap<Reverse<Letter>>,
    posted: u64,
    /// Timestamp of the latest delivery.
    clock_ms: i64,
    delivered: i64,
    tally: Tally,
    planned: Planned,
}

/// A fact on its way.
#[derive(Clone, Copy, Debug)]
struct Letter {
    /// In the outbox the instant of delivery; among the repeats the number of the delivery.
    due: i64,
    order: u64,
    fact: Fact,
}

impl Ord for Letter {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

impl PartialOrd for Letter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Letter {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Letter {}

impl Model {
    /// A model whose time begins at `start_ms`, on the local day that began at `midnight_ms`.
    #[must_use]
    pub fn new(brand: Arc<Brand>, start_ms: i64, midnight_ms: i64) -> Self {
        Self {
            encoder: Encoder::new(Arc::clone(&brand)),
            world: World::new(Arc::clone(&brand), start_ms, midnight_ms),
            dice: Dice::new(mix(!brand.seed, start_ms.cast_unsigned())),
            outbox: BinaryHeap::new(),
            repeats: BinaryHeap::new(),
            posted: 0,
            clock_ms: start_ms,
            delivered: 0,
            tally: Tally::default(),
            planned: Planned::new(Arc::clone(&brand)),
            brand,
        }
    }

    /// Keeps the code of the story from everybody; before [`Self::day`].
    pub fn keep_code(&mut self) {
        self.world.keep_code();
    }

    /// Tells the story of a demonstration around the instant at which the stream goes live; before [`Self::day`].
    pub fn tell_story(&mut self, live_ms: i64) {
        self.world.tell_story(live_ms);
    }

    /// About `count` deliveries in order, stamped within the span and as busy as its hours are. What is still on its
    /// way at the end stays in the model: a later span or [`Self::now`] delivers it.
    pub fn day(&mut self, span: Span, count: u64) -> Day<'_> {
        let beginnings = i64::try_from(count.saturating_mul(1_000) / DELIVERIES_PER_1000).unwrap_or(i64::MAX).max(1);
        let mean_gap = (rhythm::work(&span) / beginnings).max(1);
        let mut day = Day { model: self, span, mean_gap, carry: 0, next_ms: None };
        day.next_ms = day.gap(span.start_ms);
        day
    }

    /// The next delivery of a live stream, stamped `now_ms`; there always is one, for what happens next is moved up:
    /// the caller's pace is the rate. `now_ms` does not run backwards.
    pub fn now(&mut self, now_ms: i64) -> Delivery {
        let then_ms = now_ms - BEHIND_MS;
        loop {
            if let Some(repeat) = self.due_repeat() {
                return self.repeat(repeat, now_ms);
            }
            if let Some(letter) = self.due_letter(now_ms + 1) {
                return self.deliver(letter, now_ms);
            }
            match self.world.next_step_ms() {
                Some(at_ms) if at_ms <= then_ms => self.world.step(),
                _ => self.world.begin(then_ms),
            }
            self.post();
        }
    }

    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    #[must_use]
    pub fn planned(&self) -> &Planned {
        &self.planned
    }

    /// The books, once the stream is over.
    #[must_use]
    pub fn into_planned(self) -> Planned {
        self.planned
    }

    /// Sends what happened on its way.
    fn post(&mut self) {
        for fact in self.world.happened.drain(..) {
            // What is told of days later is delivered when it is told: the world's time is that of the latest fact.
            let sent = fact.occurred_at.max(self.clock_ms - BEHIND_MS);
            let due = sent + transit_ms(&mut self.dice);
            self.posted += 1;
            self.outbox.push(Reverse(Letter { due, order: self.posted, fact }));
        }
    }

    fn due_letter(&mut self, before_ms: i64) -> Option<Fact> {
        self.outbox.peek().filter(|Reverse(letter)| letter.due < before_ms)?;
        self.outbox.pop().map(|Reverse(letter)| letter.fact)
    }

    fn due_repeat(&mut self) -> Option<Fact> {
        self.repeats.peek().filter(|Reverse(letter)| letter.due <= self.delivered)?;
        self.repeats.pop().map(|Reverse(letter)| letter.fact)
    }

    /// The first delivery of a fact; four in 1,000 are followed by another.
    fn deliver(&mut self, fact: Fact, timestamp_ms: i64) -> Delivery {
        let delivery = self.record(&fact, timestamp_ms);
        if let Some(fault) = fact.fault {
            self.tally.refused[fault.reason().index()] += 1;
            return delivery;
        }
        self.tally.by_type[fact.kind.index()] += 1;
        self.planned.enter(&fact, delivery.timestamp_ms);
        if self.dice.per_mille(4) {
            // Mostly the platform tries again within seconds; sometimes a producer sends a whole stretch again.
            let span = if self.dice.per_mille(100) { REPEAT_WITHIN } else { 64 };
            let due = self.delivered + 1 + i64::from(self.dice.below(span - 1));
            self.posted += 1;
            self.repeats.push(Reverse(Letter { due, order: self.posted, fact }));
        }
        delivery
    }

    fn repeat(&mut self, fact: Fact, timestamp_ms: i64) -> Delivery {
        self.tally.by_type[fact.kind.index()] += 1;
        self.tally.repeated += 1;
        self.record(&fact, timestamp_ms)
    }

    fn record(&mut self, fact: &Fact, timestamp_ms: i64) -> Delivery {
        self.clock_ms = self.clock_ms.max(timestamp_ms);
        self.delivered += 1;
        let value = self.encoder.encode(fact);
        self.tally.bytes += u64::try_from(value.len()).unwrap_or(0);
        Delivery { topic: topic(fact.kind), key: self.key(fact), timestamp_ms: self.clock_ms, value }
    }

    /// The member of staff; for touches that belong to nobody their code, so that they spread.
    fn key(&self, fact: &Fact) -> String {
        match (fact.staff, fact.given.via) {
            (Some(staff), _) => self.brand.staff[usize::from(staff)].id.clone(),
            (None, Via::Code(code)) => self.brand.codes[usize::try_from(code).unwrap_or(0)].state.clone(),
            (None, _) => self.brand.corp_id.clone(),
        }
    }
}

/// One day's deliveries in order; see [`Model::day`].
#[derive(Debug)]
pub struct Day<'a> {
    model: &'a mut Model,
    span: Span,
    /// Work between two beginnings, on average.
    mean_gap: i64,
    /// Work done within the current millisecond.
    carry: i64,
    next_ms: Option<i64>,
}

impl Day<'_> {
    /// The instant of the next beginning after this one.
    fn gap(&mut self, from_ms: i64) -> Option<i64> {
        let amount = self.model.dice.exponential(self.mean_gap).saturating_add(self.carry);
        let (at_ms, carry) = rhythm::after(amount, from_ms, &self.span)?;
        self.carry = carry;
        Some(at_ms)
    }

    #[must_use]
    pub fn model(&self) -> &Model {
        self.model
    }
}

impl Iterator for Day<'_> {
    type Item = Delivery;

    fn next(&mut self) -> Option<Delivery> {
        loop {
            if let Some(repeat) = self.model.due_repeat() {
                return Some(self.model.repeat(repeat, self.model.clock_ms));
            }
            let begin_ms = self.next_ms.unwrap_or(i64::MAX);
            let step_ms = self.model.world.next_step_ms().unwrap_or(i64::MAX);
            // Nothing that happens from here on is delivered before it happened.
            let certain_ms = begin_ms.min(step_ms).min(self.span.end_ms);
            if let Some(Reverse(letter)) = self.model.outbox.peek().filter(|letter| letter.0.due < certain_ms) {
                let due = letter.due;
                return self.model.due_letter(certain_ms).map(|fact| self.model.deliver(fact, due));
            }
            if certain_ms == self.span.end_ms {
                // The day is over; what was to be repeated is repeated now.
                let Reverse(letter) = self.model.repeats.pop()?;
                return Some(self.model.repeat(letter.fact, self.model.clock_ms));
            }
            if begin_ms <= step_ms {
                self.model.world.begin(begin_ms);
                self.next_ms = self.gap(begin_ms);
            } else {
                self.model.world.step();
            }
            self.model.post();
        }
    }
}

fn topic(kind: Type) -> Topic {
    match kind {
        Type::TouchExposed | Type::TouchScanned => Topic::Touch,
        Type::FriendRequested
        | Type::FriendHalfAdded
        | Type::FriendAdded
        | Type::FriendDeletedByCustomer
        | Type::FriendDeletedByStaff
        | Type::FriendTransferredIn
        | Type::FriendTransferredOut => Topic::Friend,
        Type::MessageInbound | Type::MessageOutbound | Type::BroadcastSent => Topic::Message,
        Type::OrderPaid | Type::OrderRefunded => Topic::Order,
    }
}

/// From the event to the log: mostly a fraction of a second; in 1,000, six take minutes and one or two hours.
fn transit_ms(dice: &mut Dice) -> i64 {
    match dice.below(10_000) {
        0..60 => 20_000 + dice.exponential(8 * MINUTE_MS),
        60..75 => 30 * MINUTE_MS + dice.exponential(120 * MINUTE_MS),
        _ => 40 + dice.exponential(180).min(BEHIND_MS - 200),
    }
}

#[cfg(test)]
mod story;
#[cfg(test)]
mod tests;
