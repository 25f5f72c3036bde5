//! The friends that each member of staff has, as far as the model remembers them.
//!
//! Invariant: bounded: a ring per member, the newest push out the oldest, and whatever was planned with those is dropped.

use super::{
    dice::{Dice, mix},
    fact::{Given, Via},
};

/// All rings together; at 40 bytes a friend 42 MB.
const SLOTS: usize = 1 << 20;
/// Fewer than this, and a busy hour would forget the friends before their planned deletes come.
const RING_MIN: usize = 64;
/// More than this no member of a small brand gains between an add and its planned delete.
const RING_MAX: usize = 4_096;
/// Friends from before the day, per member; enough for talk, few enough to set up 20,000 staff in a blink.
const BEFORE: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Friend,
    Left,
}

#[derive(Clone, Copy, Debug)]
pub struct Friend {
    pub customer: u64,
    pub given: Given,
    pub standing: Standing,
}

/// Where a friend stands; outlives the friend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub staff: u16,
    pub slot: u16,
}

#[derive(Clone, Debug)]
pub struct Friends {
    ring: usize,
    slots: Vec<Friend>,
    /// Per member how many friends were ever put into the ring.
    inserted: Vec<usize>,
}

impl Friends {
    /// Each of `staff` members with friends from before the day, whose channel nobody wrote down.
    #[must_use]
    pub fn new(staff: usize, seed: u64, unknown: Given) -> Self {
        debug_assert_eq!(unknown.via, Via::Nothing);
        let ring = (SLOTS / staff.max(1)).clamp(RING_MIN, RING_MAX);
        let nobody = Friend { customer: 0, given: unknown, standing: Standing::Left };
        let mut slots = vec![nobody; ring * staff];
        for (member, ring) in slots.chunks_mut(ring).enumerate() {
            for (slot, friend) in ring.iter_mut().take(BEFORE).enumerate() {
                let number = u64::try_from(member * BEFORE + slot).unwrap_or(u64::MAX);
                *friend =
                    Friend { customer: mix(seed ^ FROM_BEFORE, number) | 1, standing: Standing::Friend, ..nobody };
            }
        }
        Self { ring, slots, inserted: vec![BEFORE; staff] }
    }

    pub fn insert(&mut self, staff: u16, friend: Friend) -> Place {
        let inserted = &mut self.inserted[usize::from(staff)];
        let place = Place { staff, slot: slot(*inserted % self.ring) };
        *inserted += 1;
        let at = self.at(place);
        self.slots[at] = friend;
        place
    }

    /// The one who stands there, if that is still this customer.
    pub fn get(&mut self, place: Place, customer: u64) -> Option<&mut Friend> {
        let at = self.at(place);
        Some(&mut self.slots[at]).filter(|friend| friend.customer == customer)
    }

    /// A present friend of this member; `None` where three tries find none.
    pub fn pick(&self, staff: u16, dice: &mut Dice) -> Option<(Place, Friend)> {
        let filled = slot(self.inserted[usize::from(staff)].min(self.ring));
        (0..3).find_map(|_| {
            let place = Place { staff, slot: u16::try_from(dice.below(u32::from(filled))).unwrap_or(0) };
            let friend = self.slots[self.at(place)];
            (friend.standing == Standing::Friend).then_some((place, friend))
        })
    }

    fn at(&self, place: Place) -> usize {
        usize::from(place.staff) * self.ring + usize::from(place.slot)
    }
}

fn slot(number: usize) -> u16 {
    u16::try_from(number).expect("a ring has at most 4,096 slots")
}

/// Sets the customers from before apart from those of any day.
const FROM_BEFORE: u64 = 0x6265_666f_7265;

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: Given = Given { channel: 0, via: Via::Nothing };

    fn friend(customer: u64) -> Friend {
        Friend { customer, given: UNKNOWN, standing: Standing::Friend }
    }

    #[test]
    fn the_newest_push_out_the_oldest() {
        let mut friends = Friends::new(20_000, 1, UNKNOWN);
        let first = friends.insert(7, friend(2));
        assert!(friends.get(first, 2).is_some());
        for customer in 10..10 + 64 {
            friends.insert(7, friend(customer));
        }
        assert!(friends.get(first, 2).is_none());
    }

    #[test]
    fn those_who_left_are_not_picked() {
        let mut friends = Friends::new(1, 1, UNKNOWN);
        let mut dice = Dice::new(1);
        let (place, met) = friends.pick(0, &mut dice).unwrap();
        friends.get(place, met.customer).unwrap().standing = Standing::Left;
        for _ in 0..1_000 {
            assert!(friends.pick(0, &mut dice).is_none_or(|(other, _)| other != place));
        }
    }
}
