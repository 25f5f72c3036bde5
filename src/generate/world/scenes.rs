//! The scenes of the day and what follows from them.
//!
//! Invariant: every fact is stamped with the instant at which it happens; delays live in the plans alone, but for a
//! backlog, which is about days gone by.

use super::{
    Direction, Fact, Fault, Friend, Given, HOUR_MS, MINUTE_MS, Opening, Place, Plan, Standing, Step, Type, Via, World,
    channel,
};
use crate::generate::{fact::Sender, rhythm::DAY_MS};

const SECOND_MS: i64 = 1_000;

impl World {
    pub(super) fn take(&mut self, plan: &Plan) {
        let Plan { at_ms, place, customer, given, .. } = *plan;
        match plan.step {
            Step::Add => self.add(at_ms, place.staff, (customer, given)),
            Step::Welcome | Step::Notify => self.message(at_ms, place.staff, customer, Some(Sender::Machine)),
            Step::Reply => self.message(at_ms, place.staff, customer, Some(Sender::Person)),
            Step::Write => self.write(at_ms, place, customer),
            Step::Leave => self.leave(at_ms, place, customer),
            Step::Return => self.come_back(at_ms, place, customer),
            Step::Purge => {
                if let Some(given) = self.part(place, customer) {
                    let fact = self.fact(Type::FriendDeletedByStaff, at_ms, place.staff, (customer, given));
                    self.happened.push(fact);
                }
            }
            Step::Overtake => self.overtake(at_ms),
            Step::CostlyBroadcast => self.costly_broadcast(at_ms),
            Step::CatchUp => self.catch_up(at_ms),
            Step::Refund { order, amount_fen } => {
                let fact = self.fact(Type::OrderRefunded, at_ms, place.staff, (customer, given));
                self.happened.push(Fact { serial: order, amount_fen, ..fact });
            }
        }
    }

    /// A customer comes to a member of staff through a channel; most become friends, some soon, some half.
    pub(super) fn meet(&mut self, at_ms: i64) {
        let (staff, channel) = self.encounter(at_ms);
        let given = self.give(staff, channel);
        let who = (self.fresh(), given);
        let later = |delay: i64| at_ms + delay;
        let at_once = (Place { staff, slot: 0 }, who.0, given);
        match channel::channel(channel).opening {
            Opening::Scan => {
                if self.dice.per_mille(700) {
                    let scan = self.fact(Type::TouchScanned, at_ms, staff, who);
                    let serial = self.fresh();
                    self.happened.push(Fact { serial, ..scan });
                }
                let delay = 3 * SECOND_MS + self.dice.exponential(14 * SECOND_MS);
                match self.dice.below(100) {
                    0..78 => self.plan(later(delay), Step::Add, at_once),
                    78..90 => {
                        let half = self.fact(Type::FriendHalfAdded, at_ms + SECOND_MS, staff, who);
                        self.happened.push(half);
                        if self.dice.per_mille(350) {
                            let delay = delay + self.dice.exponential(12 * MINUTE_MS);
                            self.plan(later(delay), Step::Add, at_once);
                        }
                    }
                    _ => {}
                }
            }
            Opening::AskedByCustomer => {
                let ask = self.fact(Type::FriendRequested, at_ms, staff, who);
                self.happened.push(Fact { direction: Some(Direction::In), ..ask });
                if self.dice.per_mille(880) {
                    let delay = 2 * SECOND_MS + self.dice.exponential(self.patience_ms(staff));
                    self.plan(later(delay), Step::Add, at_once);
                }
            }
            Opening::AskedByStaff => {
                let ask = self.fact(Type::FriendRequested, at_ms, staff, who);
                self.happened.push(Fact { direction: Some(Direction::Out), ..ask });
                // About one in five accepts, within hours.
                if self.dice.per_mille(200) {
                    let delay = 20 * SECOND_MS + self.dice.exponential(70 * MINUTE_MS);
                    self.plan(later(delay), Step::Add, at_once);
                }
            }
        }
    }

    fn add(&mut self, at_ms: i64, staff: u16, (customer, given): (u64, Given)) {
        self.befriend(at_ms, staff, (customer, given));
        let place = self.friends.insert(staff, Friend { customer, given, standing: Standing::Friend });
        self.befriended(at_ms, place, (customer, given));
    }

    /// The add of a customer, of this day and no transfer: one that the board counts of the store.
    pub(super) fn befriend(&mut self, at_ms: i64, staff: u16, who: (u64, Given)) {
        let fact = self.fact(Type::FriendAdded, at_ms, staff, who);
        self.happened.push(fact);
        self.adds[self.brand.staff[usize::from(staff)].store] += 1;
    }

    /// What follows an add: the welcome, perhaps talk, perhaps a farewell within the hour or later in the day.
    fn befriended(&mut self, at_ms: i64, place: Place, (customer, given): (u64, Given)) {
        let who = (place, customer, given);
        if self.dice.per_mille(900) {
            self.plan(at_ms + SECOND_MS, Step::Welcome, who);
        }
        if self.dice.per_mille(400) {
            let delay = 5 * SECOND_MS + self.dice.exponential(4 * MINUTE_MS);
            self.plan(at_ms + delay, Step::Write, who);
        }
        match self.dice.below(1_000) {
            0..45 => {
                let delay = MINUTE_MS + self.dice.exponential(18 * MINUTE_MS);
                self.plan(at_ms + delay, Step::Leave, who);
            }
            45..75 => {
                let delay = HOUR_MS + self.dice.exponential(5 * HOUR_MS);
                self.plan(at_ms + delay, Step::Leave, who);
            }
            _ => {}
        }
    }

    /// Ends the friendship, if it is one; says how producers name its channel: 12 in 100 do not know it any more.
    fn part(&mut self, place: Place, customer: u64) -> Option<Given> {
        let friend = self.friends.get(place, customer).filter(|friend| friend.standing == Standing::Friend)?;
        friend.standing = Standing::Left;
        let given = friend.given;
        Some(if self.dice.per_mille(120) { self.nothing_given() } else { given })
    }

    fn leave(&mut self, at_ms: i64, place: Place, customer: u64) {
        let Some(given) = self.part(place, customer) else { return };
        let fact = self.fact(Type::FriendDeletedByCustomer, at_ms, place.staff, (customer, given));
        self.happened.push(fact);
        if self.dice.per_mille(120) {
            let delay = 5 * MINUTE_MS + self.dice.exponential(2 * HOUR_MS);
            self.plan(at_ms + delay, Step::Return, (place, customer, given));
        }
    }

    fn come_back(&mut self, at_ms: i64, place: Place, customer: u64) {
        let channel = channel::index("search");
        let given = self.give(place.staff, channel);
        let Some(friend) = self.friends.get(place, customer).filter(|friend| friend.standing == Standing::Left) else {
            return;
        };
        friend.standing = Standing::Friend;
        friend.given = given;
        self.befriend(at_ms, place.staff, (customer, given));
        self.befriended(at_ms, place, (customer, given));
    }

    /// From the customer where there is no sender.
    fn message(&mut self, at_ms: i64, staff: u16, customer: u64, sender: Option<Sender>) {
        let kind = if sender.is_some() { Type::MessageOutbound } else { Type::MessageInbound };
        let fact = self.fact(kind, at_ms, staff, (customer, self.nothing_given()));
        // Some producers send one record for a burst of messages.
        let count = if self.dice.per_mille(60) { 2 + self.dice.below(6) } else { 1 };
        let serial = self.fresh();
        self.happened.push(Fact { serial, count, sender: sender.unwrap_or(Sender::Person), ..fact });
    }

    fn write(&mut self, at_ms: i64, place: Place, customer: u64) {
        self.message(at_ms, place.staff, customer, None);
        let who = (place, customer, self.nothing_given());
        if self.dice.per_mille(600) {
            let delay = 8 * SECOND_MS + self.dice.exponential(self.patience_ms(place.staff));
            self.plan(at_ms + delay, Step::Reply, who);
        }
        if self.dice.per_mille(150) {
            let delay = 5 * SECOND_MS + self.dice.exponential(2 * MINUTE_MS);
            self.plan(at_ms + delay, Step::Write, who);
        }
    }

    fn patience_ms(&self, staff: u16) -> i64 {
        self.brand.staff[usize::from(staff)].patience_ms
    }

    pub(super) fn talk(&mut self, at_ms: i64) {
        let staff = self.anyone();
        let Some((place, friend)) = self.friends.pick(staff, &mut self.dice) else { return };
        if self.dice.per_mille(450) {
            self.write(at_ms, place, friend.customer);
        } else {
            self.message(at_ms, staff, friend.customer, Some(Sender::Person));
        }
    }

    /// Somebody sees a code, or many do: the public's codes belong to no member of staff.
    pub(super) fn touch(&mut self, at_ms: i64) {
        let (staff, channel) = self.encounter(at_ms);
        let given = self.give(staff, channel);
        let fact = self.fact(Type::TouchExposed, at_ms, staff, (0, given));
        let serial = self.fresh();
        let public = matches!(given.via, Via::Code(code)
            if self.brand.codes[usize::try_from(code).unwrap_or(0)].campaign.is_some());
        if public {
            let seen = 20 + self.dice.exponential(400);
            let count = u32::try_from(seen).unwrap_or(1);
            let staff = fact.staff.filter(|_| self.dice.per_mille(300));
            self.happened.push(Fact { staff, serial, count, ..fact });
        } else {
            let kind = if self.dice.per_mille(300) { Type::TouchScanned } else { Type::TouchExposed };
            self.happened.push(Fact { kind, serial, ..fact });
        }
    }

    pub(super) fn buy(&mut self, at_ms: i64) {
        let staff = self.anyone();
        let Some((place, friend)) = self.friends.pick(staff, &mut self.dice) else { return };
        // From 39 yuan, 260 on average.
        let amount_fen = u32::try_from(3_900 + self.dice.exponential(22_000)).unwrap_or(3_900);
        let fact = self.fact(Type::OrderPaid, at_ms, staff, (friend.customer, friend.given));
        let order = self.fresh();
        self.happened.push(Fact { serial: order, amount_fen, ..fact });
        if self.dice.per_mille(60) {
            let amount_fen = if self.dice.per_mille(700) { amount_fen } else { amount_fen / 2 };
            let delay = 10 * MINUTE_MS + self.dice.exponential(3 * HOUR_MS);
            self.plan(at_ms + delay, Step::Refund { order, amount_fen }, (place, friend.customer, friend.given));
        }
    }

    pub(super) fn lose(&mut self, at_ms: i64) {
        let staff = self.anyone();
        if let Some((place, friend)) = self.friends.pick(staff, &mut self.dice) {
            self.leave(at_ms, place, friend.customer);
        }
    }

    /// One mass message; of the records about it the model sends a few, and of those who read it some leave.
    pub(super) fn broadcast(&mut self, at_ms: i64) {
        let staff = self.anyone();
        let audience = 100 + u32::try_from(self.dice.exponential(900)).unwrap_or(0);
        let fact = self.fact(Type::BroadcastSent, at_ms, staff, (0, self.nothing_given()));
        let serial = self.fresh();
        self.happened.push(Fact { serial, count: audience, ..fact });
        for _ in 0..10 {
            let Some((place, friend)) = self.friends.pick(staff, &mut self.dice) else { continue };
            let who = (place, friend.customer, friend.given);
            let sent = at_ms + SECOND_MS + self.dice.exponential(15 * SECOND_MS);
            self.plan(sent, Step::Notify, who);
            if self.dice.per_mille(80) {
                let delay = 10 * SECOND_MS + self.dice.exponential(30 * MINUTE_MS);
                self.plan(sent + delay, Step::Leave, who);
            }
        }
    }

    pub(super) fn purge(&mut self, at_ms: i64) {
        let staff = self.anyone();
        for number in 0..2 + i64::from(self.dice.below(8)) {
            if let Some((place, friend)) = self.friends.pick(staff, &mut self.dice) {
                self.plan(at_ms + number * 4 * SECOND_MS, Step::Purge, (place, friend.customer, friend.given));
            }
        }
    }

    /// Out of one list, into a colleague's; some systems report the latter as an add by assignment.
    pub(super) fn transfer(&mut self, at_ms: i64) {
        let staff = self.anyone();
        let colleagues = self.brand.store_of(usize::from(staff)).staff.clone();
        let offset = usize::try_from(self.dice.below(u32::try_from(colleagues.len()).unwrap_or(1))).unwrap_or(0);
        let colleague = u16::try_from(colleagues.start + offset).unwrap_or(staff);
        if colleague == staff {
            return;
        }
        let Some((place, friend)) = self.friends.pick(staff, &mut self.dice) else { return };
        let Some(given) = self.part(place, friend.customer) else { return };
        let out = self.fact(Type::FriendTransferredOut, at_ms, staff, (friend.customer, given));
        self.happened.push(out);
        // A third shares a customer, the others inherit one from somebody who left.
        let (channel, way) = if self.dice.per_mille(333) { (self.shared, 201) } else { (self.assigned, 202) };
        let given = Given { channel, via: Via::AddWay(way) };
        let kind = if self.dice.per_mille(150) { Type::FriendAdded } else { Type::FriendTransferredIn };
        let arrival = self.fact(kind, at_ms + SECOND_MS, colleague, (friend.customer, given));
        self.happened.push(arrival);
        self.friends.insert(colleague, Friend { given, standing: Standing::Friend, ..friend });
    }

    /// One to three days ago somebody was added and wrote; nobody could tell until now.
    pub(super) fn backlog(&mut self, at_ms: i64) {
        let staff = self.anyone();
        let given = self.give(staff, channel::index("search"));
        let then = at_ms - self.dice.between(DAY_MS, 3 * DAY_MS);
        let customer = self.fresh();
        let fact = self.fact(Type::FriendAdded, then, staff, (customer, given));
        self.happened.push(fact);
        self.friends.insert(staff, Friend { customer, given, standing: Standing::Friend });
        self.message(then + 40 * SECOND_MS, staff, customer, None);
    }

    pub(super) fn mishap(&mut self, at_ms: i64) {
        let staff = self.anyone();
        let fault = *self.dice.pick(&Fault::ALL);
        let kind = *self.dice.pick(&[Type::FriendAdded, Type::MessageInbound]);
        let who = (self.fresh(), self.nothing_given());
        let fact = self.fact(kind, at_ms, staff, who);
        self.happened.push(Fact { fault: Some(fault), ..fact });
    }
}
