//! How the like weekdays of the weeks before went.
//!
//! Invariant: a day on which nothing was added says nothing about a usual day, and is left out.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::civil::Date;

use super::Detail;
use crate::board::days::{LIKE_WEEKDAYS, Moment};
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};

/// Up to [`LIKE_WEEKDAYS`] days of one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub days: Vec<LikeDay>,
}

/// One day that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LikeDay {
    pub day: Date,
    /// Minutes since the epoch with adds, in order of time.
    pub minutes: Vec<(u32, u64)>,
    /// Adds of the day by id at the watched level.
    pub children: HashMap<String, u64>,
}

impl Detail for History {
    /// Weeks that are over change by late events alone.
    const INTERVAL: Duration = Duration::from_mins(10);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        reader.history(parts)
    }
}

/// Adds of a day until a moment of it, and of all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub until: u64,
    pub whole: u64,
}

impl LikeDay {
    /// How far the day had come at its moment among those of the instants of a view; absent for a day without adds.
    #[must_use]
    pub fn progress(&self, moments: &[Moment; LIKE_WEEKDAYS]) -> Option<Progress> {
        let moment = moments.iter().find(|moment| moment.day == self.day)?;
        Some(self.progress_at(moment)).filter(|progress| progress.whole > 0)
    }

    fn progress_at(&self, moment: &Moment) -> Progress {
        let minute = u32::try_from(moment.minute() / 60_000).unwrap_or(u32::MAX);
        let sum = |minutes: &[(u32, u64)]| minutes.iter().map(|(_, adds)| adds).sum::<u64>();
        let whole = self.minutes.partition_point(|(start, _)| *start < minute);
        let running = self.minutes[whole..].first().filter(|(start, _)| *start == minute).map_or(0, |(_, adds)| *adds);
        Progress { until: moment.count(sum(&self.minutes[..whole]), running), whole: sum(&self.minutes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_whole_minutes_and_the_share_of_the_running_one() {
        let day: Date = "2026-11-15".parse().unwrap();
        let like = |minutes| LikeDay { day, minutes, children: HashMap::new() };
        let moments = [Moment { day, until: 10 * 60_000 + 15_000 }; LIKE_WEEKDAYS];
        let progress = like(vec![(3, 5), (9, 2), (10, 8), (700, 40)]).progress(&moments);
        assert_eq!(progress, Some(Progress { until: 7 + 2, whole: 55 }));
        assert_eq!(like(Vec::new()).progress(&moments), None, "a day without adds is no example");
    }
}
