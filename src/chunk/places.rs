//! Dense numbers for the dimensions that occur in one chunk by day.
//!
//! Invariant: one number per place, and the text of each place is held once, whatever is derived from it.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::{Grain, index};

/// The number of a place in its [`Places`]; what it means depends on the grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub(super) u32);

/// What boards show of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The member of staff, over all channels.
    Staff,
    /// The channel, over a region.
    Channel,
}

/// The places of the events of a chunk, and those for boards: at most one and two for each of its 2^24 offsets.
#[derive(Clone, Debug, Default)]
pub struct Places {
    index: HashTable<u32>,
    /// Encoded dimensions, one after another, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    board_index: HashTable<u32>,
    /// Cut out of a place, which is why their texts take no room.
    boards: Vec<(Place, View)>,
}

/// A place for boards as it is encoded: what is before, for, and behind the dimensions that it leaves empty.
type Cut<'a> = [&'a [u8]; 3];

/// `corp_id, region_id, store_id, staff_id, channel`: where each ends in their encoding.
fn ends(key: &[u8]) -> [usize; 5] {
    let mut at = 0;
    std::array::from_fn(|_| {
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = key[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        at += length;
        at
    })
}

fn cut(key: &[u8], view: View) -> Cut<'_> {
    // An empty text is its length.
    let [_, region, _, staff, _] = ends(key);
    match view {
        View::Staff => [&key[..staff], &[0], &[]],
        View::Channel => [&key[..region], &[0, 0], &key[staff..]],
    }
}

fn hash(cut: &Cut<'_>) -> u64 {
    xxh3_64(cut[0]) ^ xxh3_64(cut[2]).rotate_left(1)
}

fn text<'a>(bytes: &'a [u8], ends: &[usize], place: Place) -> &'a [u8] {
    let place = index(place.0);
    let start = place.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[start..ends[place]]
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a chunk has at most 2^24 offsets")
}

impl Places {
    /// The number of the place of an event, of these encoded dimensions.
    pub fn intern(&mut self, key: &[u8]) -> Place {
        let hash = xxh3_64(key);
        let (bytes, ends) = (&self.bytes, &self.ends);
        let encoded = |place: u32| text(bytes, ends, Place(place));
        if let Some(&place) = self.index.find(hash, |&place| encoded(place) == key) {
            return Place(place);
        }
        let place = number(ends.len());
        self.index.insert_unique(hash, place, |&place| xxh3_64(encoded(place)));
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        Place(place)
    }

    /// The number of a place for boards: what they show of these encoded dimensions.
    pub fn intern_for_boards(&mut self, key: &[u8], view: View) -> Place {
        let wanted = cut(key, view);
        let hash_of = hash(&wanted);
        let (bytes, ends, boards) = (&self.bytes, &self.ends, &self.boards);
        let is_wanted = |&at: &u32| {
            let (place, other) = boards[index(at)];
            other == view && cut(text(bytes, ends, place), view) == wanted
        };
        if let Some(&at) = self.board_index.find(hash_of, is_wanted) {
            return Place(at);
        }
        let place = self.intern(key);
        let (bytes, ends, boards) = (&self.bytes, &self.ends, &self.boards);
        let at = number(boards.len());
        self.board_index.insert_unique(hash_of, at, |&at| {
            let (place, view) = boards[index(at)];
            hash(&cut(text(bytes, ends, place), view))
        });
        self.boards.push((place, view));
        Place(at)
    }

    /// The encoded dimensions of the place of an event.
    #[must_use]
    pub fn encoded(&self, place: Place) -> &[u8] {
        text(&self.bytes, &self.ends, place)
    }

    /// Encodes the dimensions of a place of this grain.
    pub(super) fn put(&self, grain: Grain, place: Place, row: &mut Vec<u8>) {
        match grain {
            Grain::Minute | Grain::Day => row.extend_from_slice(self.encoded(place)),
            Grain::Board => {
                let (place, view) = self.boards[index(place.0)];
                for part in cut(self.encoded(place), view) {
                    row.extend_from_slice(part);
                }
            }
        }
    }

    /// Memory, in bytes: of a list that only grows what it has reached, for the system gives nothing that was never
    /// touched.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let ends = self.ends.len() * size_of::<usize>();
        let boards = self.boards.len() * size_of::<(Place, View)>() + self.board_index.allocation_size();
        self.index.allocation_size() + self.bytes.len() + ends + boards
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{batch::encode_place, directory::Channel, enrich::Dimensions};

    fn key(store_id: &str, staff_id: &str, channel: &str) -> Vec<u8> {
        let mut key = Vec::new();
        let region_id = "r".repeat(200);
        let channel = Channel { key: channel, group: "" };
        encode_place(&mut key, "corp", staff_id, &Dimensions { region_id: &region_id, store_id, channel });
        key
    }

    #[test]
    fn boards_show_a_member_without_channel_and_a_channel_without_store_and_member() {
        let mut places = Places::default();
        let mut board = |staff: &str, channel: &str, view| {
            let place = places.intern_for_boards(&key("S1", staff, channel), view);
            let mut row = Vec::new();
            places.put(Grain::Board, place, &mut row);
            (place, row)
        };
        let (one, row) = board("mei", "package_card", View::Staff);
        assert_eq!(row, key("S1", "mei", ""));
        let (other, row) = board("mei", "sms_link", View::Staff);
        assert_eq!((other, row), (one, key("S1", "mei", "")), "over all channels");
        let (third, row) = board("li", "sms_link", View::Channel);
        assert_eq!(row, key("", "", "sms_link"));
        assert_ne!(third, one);
        assert_eq!(board("an", "sms_link", View::Channel).0, third, "over all members");
    }

    #[test]
    fn each_place_keeps_its_number_as_they_become_many() {
        let mut places = Places::default();
        let names: Vec<_> = (0..2_000).map(|number| format!("m{number}")).collect();
        for (at, name) in (0..).zip(&names).chain((0..).zip(&names)) {
            let key = key("S1", name, "badge");
            assert_eq!(places.intern(&key), Place(at));
            assert_eq!(places.encoded(Place(at)), key);
            assert_eq!(places.intern_for_boards(&key, View::Channel), Place(0));
            assert_eq!(places.intern_for_boards(&key, View::Staff), Place(at + 1));
        }
    }
}
