//! What a run of faults came to, as a table.
//!
//! Invariant: a time stands for a fault that came alone; of those that overlap only their number is told.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::fault::Kind;

#[derive(Debug, Default)]
pub(crate) struct Report {
    faults: BTreeMap<Kind, usize>,
    /// From begin and end of a fault to caught up.
    alone: BTreeMap<Kind, Vec<(Duration, Duration)>>,
    together: Vec<Duration>,
    during: Memory,
    after: Memory,
}

/// The most that a process had, in bytes, and which faults were on, or just over.
#[derive(Debug, Default)]
struct Memory {
    bytes: f64,
    faults: String,
}

impl Memory {
    fn see(&mut self, bytes: f64, faults: &str) {
        if bytes > self.bytes {
            *self = Self { bytes, faults: faults.to_owned() };
        }
    }
}

impl Report {
    pub(crate) fn fault(&mut self, kind: Kind) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(crate) fn faults(&self) -> usize {
        self.faults.values().sum()
    }

    /// The kinds that did not come.
    pub(crate) fn missing(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| !self.faults.contains_key(kind)).collect()
    }

    pub(crate) fn alone(&mut self, kind: Kind, from_begin: Duration, from_end: Duration) {
        self.alone.entry(kind).or_default().push((from_begin, from_end));
    }

    /// From the end of the last of several faults.
    pub(crate) fn together(&mut self, from_end: Duration) {
        self.together.push(from_end);
    }

    /// What a process had at most while these faults were on, and from then until all was in.
    pub(crate) fn memory(&mut self, kinds: &[&str], during: f64, after: f64) {
        let faults = kinds.join(", ");
        self.during.see(during, &faults);
        self.after.see(after, &faults);
    }

    pub(crate) fn most_memory(&self) -> String {
        let Self { during, after, .. } = self;
        format!(
            "in a process at most {:.0} MB of memory during a fault ({}), and {:.0} MB after one ({})",
            during.bytes / 1e6,
            during.faults,
            after.bytes / 1e6,
            after.faults
        )
    }

    pub(crate) fn table(&self) -> String {
        let mut text =
            "| fault | faults | alone | caught up after its begin: median, worst | after its end: median, worst |\n\
                        |---|--:|--:|--:|--:|\n"
                .to_owned();
        for (kind, count) in &self.faults {
            let alone = self.alone.get(kind).map_or(&[][..], Vec::as_slice);
            let begins = spread(alone.iter().map(|(begin, _)| *begin));
            let ends = spread(alone.iter().map(|(_, end)| *end));
            writeln!(text, "| {} | {count} | {} | {begins} | {ends} |", kind.name(), alone.len()).unwrap();
        }
        let alone = || self.alone.values().flatten();
        let (begins, ends) = (spread(alone().map(|(begin, _)| *begin)), spread(alone().map(|(_, end)| *end)));
        let together = spread(self.together.iter().copied());
        writeln!(text, "| all that came alone | | {} | {begins} | {ends} |", alone().count()).unwrap();
        writeln!(text, "| two or three at once | | {} | | {together} |", self.together.len()).unwrap();
        writeln!(text, "| all | {} | | | |", self.faults()).unwrap();
        text
    }
}

/// Median and worst, in seconds.
fn spread(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    match (times.get(times.len() / 2), times.last()) {
        (Some(median), Some(worst)) => format!("{:.1} s, {:.1} s", median.as_secs_f64(), worst.as_secs_f64()),
        _ => String::new(),
    }
}
