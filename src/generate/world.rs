//! What happens in the brand: customers meet staff, become friends, talk, buy, leave and come back.
//!
//! Invariant: causes before effects: a friend leaves only who is one, and comes back only who left. Time is an argument
//! and never runs backwards; nothing here knows of records, producers or lateness.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::Arc,
};

use super::{
    brand::Brand,
    channel::{self, Index, Named, Opening, Side},
    dice::{Dice, Weighted, mix},
    fact::{Fact, Fault, Given, Sender, Via},
    friends::{Friend, Friends, Place, Standing},
    rhythm::{HOUR_MS, MINUTE_MS, intensity, time_of_day},
};
use crate::event::{Direction, Type};

mod scenes;
pub(super) mod story;

/// How the scenes of a day stand to each other, in 1,000. Talk is most of what a brand sends; the rare ones matter.
const SCENES: [(Scene, u32); 10] = [
    (Scene::Meet, 230),
    (Scene::Talk, 545),
    (Scene::Touch, 150),
    (Scene::Buy, 45),
    (Scene::Leave, 14),
    (Scene::Broadcast, 4),
    (Scene::Purge, 2),
    (Scene::Transfer, 6),
    (Scene::Backlog, 3),
    (Scene::Mishap, 1),
];

/// What begins without a cause in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Meet,
    Talk,
    Touch,
    Buy,
    /// A friend from long ago leaves.
    Leave,
    Broadcast,
    /// Staff tidy their lists.
    Purge,
    /// A customer is handed to a colleague.
    Transfer,
    /// A producer that was cut off for days sends what it kept.
    Backlog,
    /// A broken producer sends a record that must be refused.
    Mishap,
}

/// What follows from something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Becomes a friend; has no place in a ring yet.
    Add,
    Welcome,
    Write,
    Reply,
    Leave,
    Return,
    Purge,
    /// A machine writes to a friend.
    Notify,
    Refund {
        order: u64,
        amount_fen: u32,
    },
    /// Of the story that a demonstration tells.
    Overtake,
    CostlyBroadcast,
    CatchUp,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    at_ms: i64,
    /// Order of planning, which decides between equal times.
    order: u64,
    step: Step,
    place: Place,
    customer: u64,
    given: Given,
}

impl Ord for Plan {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}

impl PartialOrd for Plan {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Plan {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Plan {}

/// The brand with its friends and what is about to happen to them.
#[derive(Clone, Debug)]
pub(super) struct World {
    brand: Arc<Brand>,
    dice: Dice,
    friends: Friends,
    scenes: Weighted,
    plans: BinaryHeap<Reverse<Plan>>,
    planned: u64,
    /// Numbers of customers, messages, orders: mixed with a salt of the day, so that days do not repeat them.
    serial: u64,
    salt: u64,
    midnight_ms: i64,
    /// By store, so far.
    adds: Vec<u32>,
    story: story::Story,
    /// What happened since it was last taken, in no order.
    pub(super) happened: Vec<Fact>,
    unattributed: Index,
    shared: Index,
    assigned: Index,
}

impl World {
    pub(super) fn new(brand: Arc<Brand>, start_ms: i64, midnight_ms: i64) -> Self {
        let unattributed = channel::index("unattributed");
        let salt = mix(brand.seed, start_ms.cast_unsigned());
        Self {
            dice: Dice::new(salt),
            friends: Friends::new(brand.staff.len(), brand.seed, Given { channel: unattributed, via: Via::Nothing }),
            scenes: Weighted::new(&SCENES.map(|(_, weight)| weight)),
            plans: BinaryHeap::new(),
            planned: 0,
            serial: 0,
            salt,
            midnight_ms,
            adds: vec![0; brand.stores.len()],
            story: story::Story::default(),
            happened: Vec::new(),
            unattributed,
            shared: channel::index("shared"),
            assigned: channel::index("assigned"),
            brand,
        }
    }

    /// When the next planned step is due.
    pub(super) fn next_step_ms(&self) -> Option<i64> {
        self.plans.peek().map(|Reverse(plan)| plan.at_ms)
    }

    /// Takes the next planned step.
    pub(super) fn step(&mut self) {
        if let Some(Reverse(plan)) = self.plans.pop() {
            self.take(&plan);
        }
    }

    /// Begins something new at this instant.
    pub(super) fn begin(&mut self, at_ms: i64) {
        let (scene, _) = SCENES[self.scenes.pick(&mut self.dice)];
        match scene {
            Scene::Meet => self.meet(at_ms),
            Scene::Talk => self.talk(at_ms),
            Scene::Touch => self.touch(at_ms),
            Scene::Buy => self.buy(at_ms),
            Scene::Leave => self.lose(at_ms),
            Scene::Broadcast => self.broadcast(at_ms),
            Scene::Purge => self.purge(at_ms),
            Scene::Transfer => self.transfer(at_ms),
            Scene::Backlog => self.backlog(at_ms),
            Scene::Mishap => self.mishap(at_ms),
        }
    }

    fn plan(&mut self, at_ms: i64, step: Step, (place, customer, given): (Place, u64, Given)) {
        self.planned += 1;
        self.plans.push(Reverse(Plan { at_ms, order: self.planned, step, place, customer, given }));
    }

    fn fact(&self, kind: Type, occurred_at: i64, staff: u16, (customer, given): (u64, Given)) -> Fact {
        let _ = self.unattributed;
        Fact {
            occurred_at,
            kind,
            staff: Some(staff),
            customer,
            given,
            serial: 0,
            direction: None,
            sender: Sender::Person,
            count: 1,
            amount_fen: 0,
            fault: None,
        }
    }

    /// A number that no other customer, message or order of the day has, and never 0.
    fn fresh(&mut self) -> u64 {
        self.serial += 1;
        mix(self.salt, self.serial) | 1
    }

    fn nothing_given(&self) -> Given {
        Given { channel: self.unattributed, via: Via::Nothing }
    }

    /// Who is met where at this time: stores only while they are open.
    fn encounter(&mut self, at_ms: i64) -> (u16, Index) {
        let time = time_of_day(at_ms, self.midnight_ms);
        let store = u32::try_from(intensity(Side::Store, time)).unwrap_or(0);
        let online = u32::try_from(intensity(Side::Online, time)).unwrap_or(1).max(1);
        let wanted = if self.dice.below(store + online) < store { Side::Store } else { Side::Online };
        let mut staff = self.brand.pick_staff(&mut self.dice);
        let mut side = Side::Online;
        if wanted == Side::Store {
            // Eight tries: were nearly all stores closed, the customer would go online.
            for _ in 0..8 {
                if self.brand.store_of(staff).open_ms.contains(&time) {
                    side = Side::Store;
                    break;
                }
                staff = self.brand.pick_staff(&mut self.dice);
            }
        }
        let channel = self.brand.mix_of(staff).pick(side, &mut self.dice);
        (u16::try_from(staff).expect("a brand has at most 20,000 staff"), channel)
    }

    fn anyone(&mut self) -> u16 {
        u16::try_from(self.brand.pick_staff(&mut self.dice)).expect("a brand has at most 20,000 staff")
    }

    /// How the platform tells of this channel: in 1,000, 33 say nothing, 12 a code that nobody knows any more.
    fn give(&mut self, staff: u16, channel: Index) -> Given {
        match self.dice.below(1_000) {
            0..33 => return self.nothing_given(),
            33..45 => {
                let code = u16::try_from(self.dice.below(40)).unwrap_or(0);
                return Given { channel: self.unattributed, via: Via::StaleCode(code) };
            }
            _ => {}
        }
        let via = match channel::channel(channel).named {
            Named::Key => Via::Key,
            Named::AddWay(numbers) => Via::AddWay(*self.dice.pick(numbers)),
            Named::Code => match self.brand.pick_code(usize::from(staff), channel, &mut self.dice) {
                Some(code) => {
                    let code = u32::try_from(code).expect("a brand has some thousand codes");
                    // The code of the story has adds by plan alone.
                    if self.story.code == Some(code) { Via::Key } else { Via::Code(code) }
                }
                None => Via::Key,
            },
        };
        Given { channel, via }
    }
}
