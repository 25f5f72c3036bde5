//! How far a command is: a bar or a spinner on a terminal, plain lines elsewhere, always on standard error.
//!
//! Invariant: only tells; a progress that nobody can see changes nothing. What it draws is gone with it.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// Whether a command tells how far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Telling {
    #[default]
    Progress,
    /// It is a part of something else, which has the terminal and the log.
    Nothing,
}

/// How far the work is. Copies tell of the same work.
#[derive(Clone, Debug)]
pub struct Progress {
    place: Place,
    work: Arc<Mutex<Work>>,
}

#[derive(Clone, Debug)]
enum Place {
    Nowhere,
    Terminal(ProgressBar),
    Lines,
}

/// What is being done.
#[derive(Debug)]
struct Work {
    what: String,
    total: Option<u64>,
    began: Instant,
    told: Instant,
}

/// Often enough to show that something goes on.
const TICK: Duration = Duration::from_millis(200);

/// Often enough to show life in a log, rarely enough not to fill it.
const LINE_EVERY: Duration = Duration::from_secs(5);

const STEP: &str = "{spinner} {msg}, {elapsed}";
const COUNT: &str = "{spinner} {msg}: {human_pos}, {per_sec}, {elapsed}";
const COUNT_TO: &str = "{msg}: {bar:32} {human_pos}/{human_len}, {per_sec}, {eta} left";

impl Progress {
    #[must_use]
    pub fn start(telling: Telling) -> Self {
        Self::at(match telling {
            Telling::Nothing => Place::Nowhere,
            Telling::Progress if io::stderr().is_terminal() => {
                let bar = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
                bar.enable_steady_tick(TICK);
                Place::Terminal(bar)
            }
            Telling::Progress => Place::Lines,
        })
    }

    fn at(place: Place) -> Self {
        let now = Instant::now();
        let work = Work { what: String::new(), total: None, began: now, told: now };
        Self { place, work: Arc::new(Mutex::new(work)) }
    }

    /// Begins with something of unknown length.
    pub fn step(&self, what: &str) {
        self.begin(what, None, STEP);
    }

    /// Begins with so many things, where an end is known.
    pub fn count(&self, what: &str, total: Option<u64>) {
        self.begin(what, total, if total.is_some() { COUNT_TO } else { COUNT });
    }

    fn begin(&self, what: &str, total: Option<u64>, template: &str) {
        let now = Instant::now();
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) =
            Work { what: what.to_owned(), total, began: now, told: now };
        match &self.place {
            Place::Nowhere => {}
            Place::Terminal(bar) => {
                bar.reset();
                bar.set_message(what.to_owned());
                total.map_or_else(|| bar.unset_length(), |total| bar.set_length(total));
                // Last, for it draws what is set.
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style);
                }
            }
            Place::Lines => say(what),
        }
    }

    /// So many of them are done.
    pub fn done(&self, count: u64) {
        match &self.place {
            Place::Nowhere => {}
            Place::Terminal(bar) => bar.set_position(count),
            Place::Lines => {
                let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
                if work.told.elapsed() >= LINE_EVERY {
                    work.told = Instant::now();
                    say(&work.line(count, work.began.elapsed()));
                }
            }
        }
    }

    /// What of the work is at hand: something that changes faster than anybody reads lines.
    pub fn detail(&self, text: &str) {
        if let Place::Terminal(bar) = &self.place {
            let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            bar.set_message(format!("{}, {text}", work.what));
        }
    }
}

impl Work {
    fn line(&self, count: u64, elapsed: Duration) -> String {
        let of = self.total.map_or_else(String::new, |total| format!(" of {total}"));
        let per_second = u128::from(count) * 1_000 / elapsed.as_millis().max(1);
        format!("{}: {count}{of} in {} s, {per_second} a second", self.what, elapsed.as_secs())
    }
}

fn say(line: &str) {
    // Nobody is left to be told that nobody listens.
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(total: Option<u64>, count: u64, elapsed: Duration) -> String {
        let now = Instant::now();
        Work { what: "generating records".to_owned(), total, began: now, told: now }.line(count, elapsed)
    }

    #[test]
    fn a_line_tells_how_far_and_how_fast() {
        let text = line(Some(10_000), 3_000, Duration::from_secs(6));
        assert_eq!(text, "generating records: 3000 of 10000 in 6 s, 500 a second");
        assert_eq!(line(None, 0, Duration::ZERO), "generating records: 0 in 0 s, 0 a second");
    }

    #[test]
    fn a_bar_shows_the_work_that_began_last_and_nothing_of_the_one_before() {
        let bar = ProgressBar::hidden();
        let progress = Progress::at(Place::Terminal(bar.clone()));
        let shown = || (bar.message(), bar.position(), bar.length());
        progress.count("exporting days", Some(30));
        progress.clone().done(7);
        progress.detail("2026-11-10");
        assert_eq!(shown(), ("exporting days, 2026-11-10".to_owned(), 7, Some(30)));
        progress.step("comparing days");
        assert_eq!(shown(), ("comparing days".to_owned(), 0, None));
    }

    #[test]
    fn every_template_is_one() {
        for template in [STEP, COUNT, COUNT_TO] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
