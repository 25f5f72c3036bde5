//! CPU and memory as the kernel counts them, and medians of noisy figures.
//!
//! Invariant: only reads; a figure that the kernel does not tell is 0, and shows as such.

use std::{fs, time::Duration};

/// `user` and `sys` are told in ticks of this rate on every architecture of Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU that a process has used since its start, user and system, in seconds.
pub(crate) fn process_cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may hold blanks, the fields behind it do not.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// CPU that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// The most memory that a process has held, in MB of 1,000,000 bytes.
pub(crate) fn peak_memory(pid: u32) -> f64 {
    of_status(pid, "VmHWM:")
}

/// The memory that a process holds now, likewise.
pub(crate) fn memory(pid: u32) -> f64 {
    of_status(pid, "VmRSS:")
}

fn of_status(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
    kibibytes.unwrap_or(0.0) * 1024.0 / 1e6
}

/// Several runs of the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Vec<f64>);

impl Runs {
    pub(crate) fn push(&mut self, figure: f64) {
        let at = self.0.partition_point(|other| *other < figure);
        self.0.insert(at, figure);
    }

    /// The figure below which this part of the runs lies: 0.5 is the median.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let position = (0..=last).find(|&at| count(at) >= part * count(last));
        position.and_then(|at| self.0.get(at)).copied().unwrap_or(0.0)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Least, median and most, with this many decimals.
    pub(crate) fn text(&self, decimals: usize) -> String {
        let (least, most) = (self.quantile(0.0), self.quantile(1.0));
        format!("{:.decimals$} ({least:.decimals$} to {most:.decimals$})", self.median())
    }
}

impl FromIterator<f64> for Runs {
    fn from_iter<T: IntoIterator<Item = f64>>(figures: T) -> Self {
        let mut runs = Self::default();
        figures.into_iter().for_each(|figure| runs.push(figure));
        runs
    }
}

/// A count as a figure; counts of benchmarks are far below 2^53.
pub(crate) fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
