//! Every choice and every moment of a simulated history.
//!
//! Invariant: one generator, seeded once; one clock, which moves only where the history waits.

use std::{
    cell::{Cell, RefCell},
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use tokio::time::Instant;

/// A Monday, half a minute before midnight in Shanghai: every history crosses it.
pub(super) const BEGIN_MS: i64 = 1_741_622_370_000;

thread_local! {
    static CLOCK: Cell<Option<Instant>> = const { Cell::new(None) };
    static DICE: RefCell<Option<Dice>> = const { RefCell::new(None) };
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Draws of one history.
#[derive(Clone, Debug)]
pub(super) struct Dice(Arc<Mutex<SmallRng>>);

impl Dice {
    /// Begins the history of this seed on this thread: its clock stands at [`BEGIN_MS`].
    pub(super) fn begin(seed: u64) -> Self {
        let dice = Self(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))));
        CLOCK.set(Some(Instant::now()));
        DICE.set(Some(dice.clone()));
        dice
    }

    fn generator(&self) -> MutexGuard<'_, SmallRng> {
        self.0.lock().unwrap()
    }

    /// From `[0, end)`; 0 where that is empty.
    pub(super) fn below(&self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.generator().random_range(0..end) }
    }

    /// From `[first, last]`.
    pub(super) fn between(&self, first: u64, last: u64) -> u64 {
        self.generator().random_range(first..=last)
    }

    /// True so many times of a thousand.
    pub(super) fn chance(&self, thousandths: u64) -> bool {
        self.below(1_000) < thousandths
    }

    pub(super) fn index(&self, length: usize) -> usize {
        self.generator().random_range(0..length)
    }

    pub(super) fn pick<'a, T>(&self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    pub(super) fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

/// Milliseconds since the epoch, by the clock of the history.
pub(super) fn wall_ms() -> i64 {
    let began = CLOCK.get().expect("a history has begun on this thread");
    BEGIN_MS + i64::try_from(began.elapsed().as_millis()).unwrap()
}

/// A draw for code that takes its randomness as a function.
pub(super) fn random() -> f64 {
    DICE.with_borrow(|dice| dice.as_ref().expect("a history has begun on this thread").generator().random())
}

/// Where it is told what happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trace {
    Silent,
    /// Printed: the history is replayed to be read.
    Told,
    /// For [`kept`].
    Kept,
}

/// What was told on this thread since the last time.
pub(super) fn kept() -> Vec<String> {
    TOLD.take()
}

impl Trace {
    pub(super) fn say(self, words: fmt::Arguments<'_>) {
        let line = || format!("{:>9.3} s  {words}", seconds(wall_ms() - BEGIN_MS));
        match self {
            Self::Silent => {}
            Self::Told => println!("{}", line()),
            Self::Kept => TOLD.with_borrow_mut(|told| told.push(line())),
        }
    }
}

fn seconds(milliseconds: i64) -> f64 {
    std::time::Duration::from_millis(milliseconds.unsigned_abs()).as_secs_f64()
}

/// What the parts of a simulated process share about its life.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) number: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    /// What was on its way when the process was killed never arrives.
    cut: bool,
    dead: bool,
    wakers: Vec<std::task::Waker>,
}

impl Life {
    pub(super) fn new(number: u32) -> Arc<Self> {
        Arc::new(Self { number, state: Mutex::default() })
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state.lock().unwrap().dead
    }

    pub(super) fn is_cut(&self) -> bool {
        self.state.lock().unwrap().cut
    }

    pub(super) fn end(&self, cut: bool) {
        let mut state = self.state.lock().unwrap();
        (state.dead, state.cut) = (true, cut);
    }

    /// As by SIGSTOP.
    pub(super) fn stop(&self) {
        self.state.lock().unwrap().stopped = true;
    }

    /// As by SIGCONT.
    pub(super) fn resume(&self) {
        let mut state = self.state.lock().unwrap();
        state.stopped = false;
        state.wakers.drain(..).for_each(std::task::Waker::wake);
    }
}

/// A part of a process, which stands still while that is stopped.
#[derive(Debug)]
pub(super) struct Part<F> {
    pub(super) life: Arc<Life>,
    pub(super) work: std::pin::Pin<Box<F>>,
}

impl<F: Future> Future for Part<F> {
    type Output = F::Output;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<F::Output> {
        {
            let mut state = self.life.state.lock().unwrap();
            if state.stopped {
                state.wakers.push(context.waker().clone());
                return std::task::Poll::Pending;
            }
        }
        self.work.as_mut().poll(context)
    }
}
