//! One history: what happens in it, and how it heals.
//!
//! Invariant: everything that happens follows from the seed.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use yinliu::{batch::Origin, metrics::Metrics};

use super::{
    chance::{Dice, Trace, wall_ms},
    clickhouse::ClickHouse,
    log::Log,
    plan::{Faults, Kind, Plan},
    process::{Closing, Process},
    workload::Producer,
};

pub(super) struct History {
    pub(super) plan: Plan,
    dice: Dice,
    trace: Trace,
    pub(super) log: Arc<Log>,
    pub(super) server: Arc<ClickHouse>,
    pub(super) producer: Producer,
    processes: Vec<Process>,
    stopped: Vec<(Process, i64)>,
    closing: Vec<Closing>,
    started: u32,
    brokers_back_at: Option<i64>,
    /// A topic that is deleted and created again as soon as it is counted, and gets no records until then.
    doomed: Option<String>,
}

/// A process that does not answer for so long is no member any more.
const SESSION_MS: i64 = 2_000;

/// Healed and drained within this time, or never: a held partition is looked at again after 10 s, and where one alone takes
/// the memory of all, each has a turn of as long once a minute.
const HEAL_MS: i64 = 600_000;

impl History {
    pub(super) fn new(dice: Dice, trace: Trace, metrics: &Arc<Metrics>) -> Self {
        let plan = Plan::draw(&dice, metrics);
        trace.say(format_args!("{plan:?}"));
        let log = Log::new(dice.clone(), trace, &plan);
        let server = ClickHouse::new(dice.clone(), trace, Arc::clone(&log), &plan);
        let producer = Producer::new(dice.clone(), plan.habits.clone());
        Self {
            plan,
            dice,
            trace,
            log,
            server,
            producer,
            processes: Vec::new(),
            stopped: Vec::new(),
            closing: Vec::new(),
            started: 0,
            brokers_back_at: None,
            doomed: None,
        }
    }

    pub(super) async fn run(&mut self) {
        for _ in 0..self.plan.processes_max {
            self.join();
        }
        self.log.rebalance(0);
        for _ in 0..self.plan.ticks {
            self.produce();
            self.fault().await;
            self.turn().await;
        }
        self.heal().await;
    }

    fn produce(&mut self) {
        let mut origins = self.log.origins();
        origins.retain(|origin| self.doomed.as_deref() != Some(&*origin.topic));
        for _ in 0..self.dice.below(self.plan.burst + 1) {
            if !origins.is_empty() {
                let origin = self.dice.pick(&origins).clone();
                self.producer.produce(&self.log, &origin);
            }
        }
        if self.dice.chance(80) {
            self.producer.change_directory();
        }
    }

    /// Lets time pass, and each process do some of what it can.
    async fn turn(&mut self) {
        let mut order: Vec<_> = (0..self.processes.len()).collect();
        self.dice.shuffle(&mut order);
        for at in order {
            let process = &mut self.processes[at];
            if wall_ms() >= process.reads_at {
                let rows = self.producer.rows_from(process.directory_read);
                process.directory_read += rows.len();
                process.reference.publish(rows);
                process.reference.complete(wall_ms());
                process.reads_at = wall_ms() + self.dice.below(self.plan.directory_lag_ms).cast_signed();
            }
            for worker in 0..process.workers() {
                if self.dice.chance(700) {
                    process.step(worker);
                }
            }
            process.look();
        }
        sleep(Duration::from_millis(self.dice.between(1, self.plan.tick_ms_max))).await;
        let (gone, closing): (Vec<_>, _) = std::mem::take(&mut self.closing).into_iter().partition(Closing::is_gone);
        self.closing = closing;
        if !gone.is_empty() {
            for closing in &gone {
                self.log.evict(closing.life());
            }
            self.log.rebalance(0);
        }
        if self.brokers_back_at.is_some_and(|at| at <= wall_ms()) {
            self.brokers_back_at = None;
            self.log.set_away(false);
        }
        let (due, stopped) = std::mem::take(&mut self.stopped).into_iter().partition(|(_, until)| *until <= wall_ms());
        self.stopped = stopped;
        for (process, _) in due {
            self.resume(process);
        }
    }

    fn resume(&mut self, process: Process) {
        let hears_at = wall_ms() + self.dice.below(2_000).cast_signed();
        self.trace.say(format_args!("process {} goes on, and hears at {hears_at}", process.life.number));
        process.life.resume();
        self.log.wake(&process.life, hears_at);
        self.processes.push(process);
        self.log.rebalance(0);
    }

    fn join(&mut self) {
        self.started += 1;
        self.trace.say(format_args!("process {} starts", self.started));
        self.processes.push(Process::start(self.started, &self.plan.settings, &self.log, &self.server));
    }

    fn take_any(&mut self) -> Option<Process> {
        if self.processes.is_empty() {
            return None;
        }
        let at = self.dice.index(self.processes.len());
        Some(self.processes.swap_remove(at))
    }

    fn kill(&mut self, process: Process) {
        // Without overlap nothing of a dead process may arrive once another one has begun.
        let cut = self.plan.kind == Kind::Outage || self.dice.chance(500);
        self.trace.say(format_args!("process {} is killed", process.life.number));
        let life = Arc::clone(&process.life);
        process.kill(cut);
        self.log.evict(&life);
    }

    async fn fault(&mut self) {
        let faults = self.plan.faults;
        if self.dice.chance(faults.kill)
            && let Some(process) = self.take_any()
        {
            self.kill(process);
            self.log.rebalance(0);
        }
        if self.dice.chance(faults.close)
            && let Some(process) = self.take_any()
        {
            self.trace.say(format_args!("process {} is asked to end", process.life.number));
            self.closing.push(process.close());
        }
        if self.dice.chance(faults.stop)
            && !self.server.is_away()
            && let Some(process) = self.take_any()
        {
            let pause = self.dice.between(100, 10_000).cast_signed();
            self.trace.say(format_args!("process {} is stopped for {pause} ms", process.life.number));
            // What happens while it does not ask goes unnoticed by it.
            self.server.let_end(None);
            process.life.stop();
            if pause > SESSION_MS {
                self.log.evict(&process.life);
                self.log.rebalance(0);
            }
            self.stopped.push((process, wall_ms() + pause));
        }
        let few = self.processes.len() + self.stopped.len() < usize::try_from(self.plan.processes_max).unwrap();
        if few && (self.processes.is_empty() || self.dice.chance(faults.join)) {
            self.join();
            self.log.rebalance(0);
        }
        if self.dice.chance(faults.rebalance) {
            self.log.rebalance(self.dice.between(100, 1_000));
        }
        if self.dice.chance(faults.outage) {
            self.outage().await;
        }
        self.outside(faults);
    }

    /// What happens to ClickHouse and the brokers.
    fn outside(&mut self, faults: Faults) {
        let dice = &self.dice;
        if dice.chance(faults.away) {
            self.server.go_away(dice.between(100, 5_000).cast_signed());
        }
        if dice.chance(faults.backup) {
            self.server.back_up();
        }
        // A restore takes longer than any process goes without a request.
        let least = 4 * self.plan.weather.delay_ms_max
            + 2 * u64::try_from(self.plan.settings.flush_interval.as_millis()).unwrap();
        let away_ms = (least + dice.below(2_000)).cast_signed();
        self.server.let_end(self.stopped.is_empty().then_some(away_ms));
        if dice.chance(faults.restore) && self.stopped.is_empty() {
            self.server.restore((least + dice.below(2_000)).cast_signed());
        }
        for topic in self.log.topics() {
            if self.server.awaits_adoption(&topic) && dice.chance(100) {
                self.server.adopt(&topic);
            }
        }
        if dice.chance(faults.recreate) && self.doomed.is_none() {
            self.doomed = Some(dice.pick(&self.log.topics()).clone());
        }
        let settled = |topic: &&String| self.server.has_all_of(topic) && self.log.is_read(topic);
        if self.stopped.is_empty()
            && let Some(topic) = self.doomed.as_ref().filter(settled)
        {
            self.log.recreate(topic);
            self.server.forget_copies();
            self.doomed = None;
        }
        if dice.chance(faults.lag) {
            self.server.lag();
        }
        if dice.chance(faults.brokers_away) && self.brokers_back_at.is_none() {
            self.log.set_away(true);
            self.brokers_back_at = Some(wall_ms() + dice.between(100, 5_000).cast_signed());
        }
        if self.plan.kind == Kind::Overlap && dice.chance(faults.retention) {
            for origin in self.log.origins() {
                let (ledger, backup) = self.server.positions_of(&origin);
                let needed = ledger.min(backup).saturating_sub(self.plan.terms.records);
                self.log.retain_from(&origin, needed.saturating_sub(dice.below(10)));
            }
        }
    }

    /// All processes are down for a while, and retention takes what it takes.
    async fn outage(&mut self) {
        self.trace.say(format_args!("all processes end"));
        while let Some(process) = self.take_any() {
            self.kill(process);
        }
        if self.plan.kind == Kind::Outage {
            // Nothing is on its way any more.
            while self.server.under_way() > 0 {
                sleep(Duration::from_millis(100)).await;
            }
            for origin in self.log.origins() {
                let (start, end) = (self.log.start_of(&origin), self.log.end_of(&origin));
                let (ledger, _) = self.server.positions_of(&origin);
                let most = if self.dice.chance(500) { end } else { ledger };
                if most > start && self.dice.chance(500) {
                    self.log.retain_from(&origin, self.dice.between(start, most));
                }
            }
        }
        sleep(Duration::from_millis(self.dice.below(2_000))).await;
        self.join();
        self.log.rebalance(0);
    }

    /// Nothing goes wrong any more, and everything is counted.
    async fn heal(&mut self) {
        self.trace.say(format_args!("everything heals"));
        while self.server.is_away() {
            self.turn().await;
        }
        self.server.heal();
        self.brokers_back_at = None;
        self.log.set_away(false);
        for (process, _) in std::mem::take(&mut self.stopped) {
            self.resume(process);
        }
        if self.processes.is_empty() {
            self.join();
        }
        self.log.rebalance(0);
        (self.plan.tick_ms_max, self.plan.directory_lag_ms) = (200, 100);
        let began = wall_ms();
        while !self.is_drained() {
            if wall_ms() > began + HEAL_MS {
                return self.give_up();
            }
            for topic in self.log.topics() {
                self.server.adopt(&topic);
            }
            self.turn().await;
        }
        // Nothing is left to do: what the processes go on to do changes nothing.
        for _ in 0..10 {
            self.turn().await;
        }
    }

    fn is_drained(&self) -> bool {
        let behind = |origin: &Origin| self.server.positions_of(origin).0 < self.log.end_of(origin);
        self.closing.is_empty() && self.server.under_way() == 0 && !self.log.origins().iter().any(behind)
    }

    /// A partition is held for good where two owners have placed a newcomer's record differently, and nowhere else.
    fn give_up(&self) {
        let disputed = self.server.disputed();
        for origin in self.log.origins() {
            let (position, end) = (self.server.positions_of(&origin).0, self.log.end_of(&origin));
            let excused = self.plan.kind == Kind::Newcomers && disputed.iter().any(|(other, _)| *other == origin);
            let causes: Vec<_> = self.processes.iter().flat_map(|process| process.shared.health.causes()).collect();
            assert!(position >= end || excused, "{origin:?} stays at {position} of {end}: {causes:?}");
        }
    }
}
