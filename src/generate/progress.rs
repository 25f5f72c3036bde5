//! How far the work is: a bar on a terminal, a plain line every few seconds elsewhere, always on standard error.
//!
//! Invariant: only tells; a progress that nobody can see changes nothing.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::Telling;

/// Often enough to show life in a log, rarely enough not to fill it.
const LINE_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) enum Progress {
    /// Somebody else tells, who has the terminal.
    Untold,
    Bar(ProgressBar),
    Lines {
        total: Option<u64>,
        started: Instant,
        last: Instant,
    },
}

impl Progress {
    /// Of `total` records, where an end is known.
    pub(super) fn new(total: Option<u64>, telling: Telling) -> Self {
        if telling == Telling::Nothing {
            return Self::Untold;
        }
        if !io::stderr().is_terminal() {
            let started = Instant::now();
            return Self::Lines { total, started, last: started };
        }
        let template = match total {
            Some(_) => "{bar:32} {human_pos}/{human_len} records, {per_sec}, {eta} left",
            None => "{spinner} {human_pos} records, {per_sec}, {elapsed}",
        };
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        Self::Bar(match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    pub(super) fn tell(&mut self, records: u64) {
        match self {
            Self::Untold => {}
            Self::Bar(bar) => bar.set_position(records),
            Self::Lines { total, started, last } => {
                if last.elapsed() < LINE_EVERY {
                    return;
                }
                *last = Instant::now();
                let line = line(records, *total, started.elapsed());
                // Nobody is left to be told that nobody listens.
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn line(records: u64, total: Option<u64>, elapsed: Duration) -> String {
    let of = total.map_or_else(String::new, |total| format!(" of about {total}"));
    let per_second = u128::from(records) * 1_000 / elapsed.as_millis().max(1);
    format!("generated {records}{of} records in {} s, {per_second} a second", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_and_how_fast() {
        let text = line(3_000, Some(10_000), Duration::from_secs(6));
        assert_eq!(text, "generated 3000 of about 10000 records in 6 s, 500 a second");
        assert_eq!(line(0, None, Duration::ZERO), "generated 0 records in 0 s, 0 a second");
    }
}
