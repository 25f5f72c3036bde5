//! How far the work is: a bar on a terminal, plain lines elsewhere.
//!
//! Invariant: only tells, on standard error; a progress that nobody can see changes nothing.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::registers::Cell;
use crate::window;

#[derive(Debug)]
pub(super) enum Progress {
    Spinner(ProgressBar),
    Lines,
}

/// Often enough to show that something goes on.
const TICK: Duration = Duration::from_millis(200);

impl Progress {
    pub(super) fn start() -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(TICK);
        Self::Spinner(spinner)
    }

    pub(super) fn step(&self, text: &'static str) {
        match self {
            Self::Spinner(spinner) => spinner.set_message(text),
            Self::Lines => tracing::info!("{text}"),
        }
    }

    /// Begins with one day of a chunk.
    pub(super) fn cell(&self, cell: &Cell) {
        let (origin, number, day) = (&cell.chunk.origin, cell.chunk.number, window::civil_of(cell.day));
        let text = format!("correcting {day} in {}[{}] chunk of days {number}", origin.topic, origin.partition);
        match self {
            Self::Spinner(spinner) => spinner.set_message(text),
            Self::Lines => tracing::info!("{text}"),
        }
    }

    pub(super) fn end(&self) {
        if let Self::Spinner(spinner) = self {
            spinner.finish_and_clear();
        }
    }
}
