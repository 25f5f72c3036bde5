//! The regions of a corp, beside whatever its leaderboard ranks.
//!
//! Invariant: pure; the regions and what belongs to none add up to the total, and stand in an order that the day does not
//! change.

use std::cmp::Reverse;

use serde::Serialize;

use super::reader::{Counters, Directory};
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
    /// Where the target is of these.
    pub net_adds: Option<i64>,
    /// What the target is of.
    pub metric: &'static str,
    /// In adds where there is one; none in qualified adds, which are known of the children of a scope alone.
    pub target: Option<u64>,
}

impl Region {
    fn new(id: &str, counters: &Counters, directory: &Directory) -> Self {
        let target = directory.any_target(Level::Region, id);
        let (metric, target) = target.filter(|(metric, _)| *metric != Metric::QualifiedAdds).unzip();
        Self {
            id: id.to_owned(),
            name: directory.name(Level::Region, id),
            adds: counters.get(Counter::Adds),
            net_adds: (metric == Some(Metric::NetAdds)).then(|| counters.net_adds()),
            metric: metric.unwrap_or(Metric::Adds).name(),
            target,
        }
    }

    /// What its target counts.
    #[must_use]
    pub fn measured(&self) -> i128 {
        self.net_adds.map_or_else(|| self.adds.into(), i128::from)
    }
}

/// The regions with the largest target first; none where the leaderboard ranks them itself, or within one of them.
#[must_use]
pub fn regions(snapshot: &Snapshot) -> Vec<Region> {
    let region = |(id, counters): &(String, Counters)| Region::new(id, counters, &snapshot.directory);
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
