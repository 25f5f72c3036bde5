//! The brand: regions, stores with opening hours, staff of very different diligence, and the codes of its channels.
//!
//! Invariant: pure, and decided by the settings alone; the same settings make the same brand.

use std::ops::Range;

use jiff::tz::TimeZone;

use super::{
    Error, Settings,
    channel::{self, CHANNELS, Mix, Named, Side},
    dice::{Dice, Weighted},
    names,
    rhythm::MINUTE_MS,
};

#[derive(Clone, Debug)]
pub struct Region {
    pub id: String,
    pub name: String,
}

#[derive(Clone, Debug)]
pub struct Store {
    pub id: String,
    pub name: String,
    /// Position among the regions.
    pub region: usize,
    /// Positions among the staff: a store's people stand side by side.
    pub staff: Range<usize>,
    /// Milliseconds of the local day, `[opens, closes)`.
    pub open_ms: Range<i64>,
}

#[derive(Clone, Debug)]
pub struct Staff {
    pub id: String,
    pub name: String,
    /// Position among the stores.
    pub store: usize,
    /// Share of the traffic, relative to the others; 0 is on leave.
    pub diligence: u32,
    /// How long this person lets a customer wait, on average.
    pub patience_ms: i64,
}

/// A channel code, as a row of the channel topic.
#[derive(Clone, Debug)]
pub struct Code {
    pub state: String,
    pub channel: channel::Index,
    /// Position among the campaigns, where the code belongs to one.
    pub campaign: Option<usize>,
    pub label: String,
}

/// Everything about the brand that does not change during a day.
#[derive(Clone, Debug)]
pub struct Brand {
    pub corp_id: String,
    pub seed: u64,
    pub time_zone: TimeZone,
    pub regions: Vec<Region>,
    pub stores: Vec<Store>,
    pub staff: Vec<Staff>,
    pub codes: Vec<Code>,
    /// Adds that the brand asks of everybody a day, however diligent.
    pub target_per_head: usize,
    mixes: Vec<Mix>,
    diligence: Weighted,
    /// Per channel the codes of every store: store by store, each this many.
    store_channels: Vec<channel::Index>,
    /// Per channel the codes that all stores share.
    shared_codes: Vec<Vec<usize>>,
}

impl Brand {
    /// # Errors
    /// Sizes that do not fit each other, and a time zone that the zone database does not know.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let time_zone = TimeZone::get(&settings.time_zone)
            .map_err(|source| Error::TimeZone { time_zone: settings.time_zone.clone(), source })?;
        let [regions, stores, staff] =
            [settings.regions, settings.stores, settings.staff].map(|size| usize::try_from(size).unwrap_or(0));
        if regions == 0 || regions > stores || stores > staff || staff > STAFF_MAX || stores > STORES_MAX {
            return Err(Error::Sizes { regions, stores, staff });
        }
        let mut dice = Dice::new(settings.seed);
        let regions: Vec<Region> = (0..regions).map(region).collect();
        let stores = open_stores(regions.len(), stores, staff, &mut dice);
        let staff = employ(&stores, &mut dice);
        let store_channels: Vec<channel::Index> = coded(Side::Store).collect();
        let mut brand = Self {
            corp_id: settings.corp.clone(),
            seed: settings.seed,
            time_zone,
            mixes: (0..regions.len()).map(Mix::new).collect(),
            diligence: Weighted::new(&staff.iter().map(|one| one.diligence).collect::<Vec<_>>()),
            regions,
            stores,
            staff,
            codes: Vec::new(),
            target_per_head: settings.target_per_head,
            store_channels,
            shared_codes: vec![Vec::new(); CHANNELS.len()],
        };
        brand.print_codes();
        Ok(brand)
    }

    /// A member of staff, by diligence.
    pub fn pick_staff(&self, dice: &mut Dice) -> usize {
        self.diligence.pick(dice)
    }

    #[must_use]
    pub fn store_of(&self, staff: usize) -> &Store {
        &self.stores[self.staff[staff].store]
    }

    #[must_use]
    pub fn mix_of(&self, staff: usize) -> &Mix {
        &self.mixes[self.store_of(staff).region]
    }

    /// A code of this channel that is out in the store of this member, or with the public for online channels.
    pub fn pick_code(&self, staff: usize, channel: channel::Index, dice: &mut Dice) -> Option<usize> {
        if let Some(at) = self.store_channels.iter().position(|&own| own == channel) {
            return Some(self.staff[staff].store * self.store_channels.len() + at);
        }
        let shared = &self.shared_codes[usize::from(channel)];
        (!shared.is_empty()).then(|| *dice.pick(shared))
    }

    /// Fills `codes`: first those of every store in the order of `store_channels`, then those that all share.
    fn print_codes(&mut self) {
        for store in &self.stores {
            for &index in &self.store_channels {
                let row = channel::channel(index);
                self.codes.push(Code {
                    state: format!("{}-{}", store.id, row.key),
                    channel: index,
                    campaign: None,
                    label: format!("{}·{}", store.name, row.label),
                });
            }
        }
        for index in coded(Side::Online) {
            let row = channel::channel(index);
            for (campaign, (_, name)) in names::CAMPAIGNS.iter().enumerate() {
                self.shared_codes[usize::from(index)].push(self.codes.len());
                self.codes.push(Code {
                    state: format!("{}_{:02}", row.key, campaign + 1),
                    channel: index,
                    campaign: Some(campaign),
                    label: format!("{}·{name}", row.label),
                });
            }
        }
    }
}

/// What the memory of the model is laid out for: 64 friends a head of 20,000 staff are 60 MB.
pub const STAFF_MAX: usize = 20_000;
/// More stores than any brand of that many staff has.
pub const STORES_MAX: usize = 400;

/// The id of a campaign.
#[must_use]
pub fn campaign_id(campaign: usize) -> &'static str {
    names::CAMPAIGNS[campaign].0
}

/// The channels of one side that are known by codes.
fn coded(side: Side) -> impl Iterator<Item = channel::Index> {
    let of_side = move |(_, channel): &(usize, &channel::Channel)| channel.side == side && channel.named == Named::Code;
    CHANNELS.iter().enumerate().filter(of_side).map(|(_, channel)| channel::index(channel.key))
}

fn region(number: usize) -> Region {
    let (id, name, _) = names::REGIONS[number % names::REGIONS.len()];
    match number / names::REGIONS.len() {
        0 => Region { id: format!("r-{id}"), name: format!("{name}大区") },
        round => Region { id: format!("r-{id}-{}", round + 1), name: format!("{name}大区{}", round + 1) },
    }
}

/// Stores, region by region, with very different numbers of people: each at least one, the rest by lot.
fn open_stores(regions: usize, stores: usize, staff: usize, dice: &mut Dice) -> Vec<Store> {
    let sizes: Vec<u32> = (0..stores).map(|_| 4 + dice.below(10)).collect();
    let lot = Weighted::new(&sizes);
    let mut heads = vec![1; stores];
    for _ in stores..staff {
        heads[lot.pick(dice)] += 1;
    }
    let mut first = 0;
    let mut open = Vec::with_capacity(stores);
    for (number, heads) in heads.into_iter().enumerate() {
        let region = number * regions / stores;
        // The first store of a region is the one whose own region begins there.
        let within = number - (region * stores).div_ceil(regions);
        open.push(Store {
            id: format!("S{:04}", 1_001 + number),
            name: names::store(region, within),
            region,
            staff: first..first + heads,
            // From nine to half past ten, until half past eight to half past ten.
            open_ms: (540 + dice.between(0, 7) * 15) * MINUTE_MS..(1_230 + dice.between(0, 9) * 15) * MINUTE_MS,
        });
        first += heads;
    }
    open
}

fn employ(stores: &[Store], dice: &mut Dice) -> Vec<Staff> {
    let mut staff = Vec::new();
    for (at, store) in stores.iter().enumerate() {
        for number in store.staff.clone() {
            // The square of an exponential: the best tenth brings about half of the friends, as in life.
            let zeal = dice.exponential(1_000).min(12_000);
            let on_leave = dice.per_mille(40) && store.staff.len() > 1;
            let diligence = if on_leave { 0 } else { u32::try_from(zeal * zeal / 1_000).unwrap_or(0) + 20 };
            staff.push(Staff {
                id: format!("st{:05}", number + 1),
                name: names::person(number),
                store: at,
                diligence,
                patience_ms: 20_000 + dice.exponential(4 * MINUTE_MS),
            });
        }
    }
    // A brand whose every member is on leave has no day.
    if staff.iter().all(|one| one.diligence == 0) {
        staff[0].diligence = 1;
    }
    staff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brand(regions: u32, stores: u32, staff: u32) -> Result<Brand, Error> {
        Brand::new(&Settings { regions, stores, staff, ..Settings::default() })
    }

    #[test]
    fn every_store_has_people_and_every_member_a_store() {
        let brand = brand(4, 24, 240).unwrap();
        assert_eq!((brand.regions.len(), brand.stores.len(), brand.staff.len()), (4, 24, 240));
        for (at, store) in brand.stores.iter().enumerate() {
            assert!(!store.staff.is_empty());
            assert!(store.staff.clone().all(|member| brand.staff[member].store == at));
        }
        for region in 0..4 {
            assert_eq!(brand.stores.iter().filter(|store| store.region == region).count(), 6);
        }
    }

    #[test]
    fn names_of_stores_are_distinct() {
        let brand = brand(7, 400, 20_000).unwrap();
        let names: std::collections::HashSet<&str> = brand.stores.iter().map(|store| store.name.as_str()).collect();
        assert_eq!(names.len(), 400);
    }

    #[test]
    fn the_best_tenth_of_the_staff_do_about_half_of_the_work() {
        let brand = brand(4, 100, 4_000).unwrap();
        let mut shares: Vec<u64> = brand.staff.iter().map(|one| u64::from(one.diligence)).collect();
        shares.sort_unstable_by(|left, right| right.cmp(left));
        let best: u64 = shares[..400].iter().sum();
        let all: u64 = shares.iter().sum();
        assert!((40..65).contains(&(best * 100 / all)), "{best} of {all}");
    }

    #[test]
    fn codes_of_a_store_are_those_that_are_picked_there() {
        let brand = brand(4, 24, 240).unwrap();
        let mut dice = Dice::new(3);
        let code = brand.pick_code(200, channel::index("badge"), &mut dice).unwrap();
        assert_eq!(brand.codes[code].state, format!("{}-badge", brand.store_of(200).id));
        assert_eq!(brand.pick_code(200, channel::index("guide"), &mut dice), None);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(matches!(brand(5, 4, 100), Err(Error::Sizes { .. })));
        assert!(matches!(brand(1, 40, 39), Err(Error::Sizes { .. })));
    }
}
