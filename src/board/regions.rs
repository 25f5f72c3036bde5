//! The regions of a corp, beside whatever its leaderboard ranks.
//!
//! Invariant: pure; the regions and what belongs to none add up to the total, and stand in an order that the day does not
//! change.

use std::cmp::Reverse;

use serde::Serialize;

use super::snapshot::Snapshot;
use super::view::{Level, Metric};
use crate::event::Counter;

/// One region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Region {
    /// Empty for what belongs to none.
    pub id: String,
    pub name: String,
    pub adds: u64,
    pub target: Option<u64>,
}

/// The regions with the largest target first; none where the leaderboard ranks them itself, or within one of them.
#[must_use]
pub fn regions(snapshot: &Snapshot) -> Vec<Region> {
    let directory = &snapshot.directory;
    let region = |(id, counters): &(String, super::reader::Counters)| Region {
        id: id.clone(),
        name: directory.name(Level::Region, id),
        adds: counters.get(Counter::Adds),
        target: directory.target(Level::Region, id, Metric::Adds.name()),
    };
    let mut regions: Vec<_> = snapshot.counts.regions.iter().map(region).collect();
    regions.retain(|region| !region.id.is_empty() || region.adds > 0);
    regions.sort_by(|a, b| {
        let place = |region: &Region| (region.id.is_empty(), Reverse(region.target));
        place(a).cmp(&place(b)).then_with(|| a.id.cmp(&b.id))
    });
    regions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    #[test]
    fn regions_add_up_to_the_total_and_stand_by_their_targets() {
        let snapshot = fixture::snapshot();
        let found = regions(&snapshot);
        let total: u64 = found.iter().map(|region| region.adds).sum();
        assert_eq!(total, snapshot.total().get(Counter::Adds));
        let shown: Vec<_> = found.iter().map(|region| (region.id.as_str(), region.target)).collect();
        assert_eq!(shown, [("R2", Some(60)), ("R1", Some(40)), ("", None)]);
    }
}
