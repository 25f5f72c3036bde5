//! Region, store and channel of an event.
//!
//! Invariant: pure; what the event itself says is trusted, the directory fills in what it leaves out.

use crate::{
    directory::{
        Channel, Directory, Place,
        channels::{TRANSFER, UNATTRIBUTED, of_add_way},
    },
    event::Event,
};

/// Under which region, store and channel an event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions<'a> {
    pub region_id: &'a str,
    pub store_id: &'a str,
    pub channel: Channel<'a>,
}

impl Dimensions<'_> {
    /// Whether adds under this channel are transfers.
    #[must_use]
    pub fn is_transfer(&self) -> bool {
        self.channel.group == TRANSFER
    }
}

/// Resolves the dimensions by the rows of the directory published up to `until` (milliseconds since the epoch).
///
/// An absent store is the member's. An absent region is the member's too, but only if the store is the member's: a
/// store that was given may lie elsewhere. The first of `channel`, `state`, `add_way` that is present decides alone.
#[must_use]
pub fn resolve<'a>(event: &'a Event<'_>, directory: &'a Directory, until: i64) -> Dimensions<'a> {
    let Place { store_id, region_id } = place(event, directory, until);
    Dimensions { region_id, store_id, channel: channel(event, directory, until) }
}

fn place<'a>(event: &'a Event<'_>, directory: &'a Directory, until: i64) -> Place<'a> {
    let given = Place { store_id: &event.store_id, region_id: &event.region_id };
    if event.staff_id.is_empty() || !given.store_id.is_empty() && !given.region_id.is_empty() {
        return given;
    }
    let own = directory.place(&event.corp_id, &event.staff_id, event.occurred_at, until);
    let store_id = if given.store_id.is_empty() { own.store_id } else { given.store_id };
    let region_id = match given.region_id {
        "" if store_id == own.store_id => own.region_id,
        region_id => region_id,
    };
    Place { store_id, region_id }
}

fn channel<'a>(event: &'a Event<'_>, directory: &'a Directory, until: i64) -> Channel<'a> {
    if !event.channel.is_empty() {
        directory.channel(&event.corp_id, &event.channel, until).unwrap_or(UNATTRIBUTED)
    } else if !event.state.is_empty() {
        directory.channel_of_state(&event.corp_id, &event.state, until).unwrap_or(UNATTRIBUTED)
    } else {
        event.add_way.map_or(UNATTRIBUTED, of_add_way)
    }
}
