//! The components that faults strike: a broker, an engine behind a proxy, and four places for processes.
//!
//! Invariant: when no fault is on, everything runs that should, and on the right time.

use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng, seq::IndexedRandom as _};

use super::fault::Kind;
use crate::support::{
    engine::Engine,
    kafka::Kafka,
    load::Load,
    poll,
    proxy::{Failure, Mode, Proxy},
    shim::{Disk, Shim},
    stage::{SOON, Stage},
    yinliu::Yinliu,
};

const NAME: &str = "chaos";

/// Of the four places; so many run at the begin, and never fewer than two.
const RUNNING: usize = 3;
const PLACES: usize = 4;
const RUNNING_LEAST: usize = 2;

/// Beyond this a topic gains no more partitions.
const PARTITIONS_MAX: usize = 8;

/// How often processes are looked at: the shortest faults last for less than a second.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// A process that is asked to end does so within 10 s on an idle machine.
const END: Duration = Duration::from_secs(30);

/// What ClickHouse answers while it works too much, restarts, lacks its keeper, or stands behind a broken balancer.
const FAILURES: [Failure; 9] = [
    failure(
        500,
        252,
        "Code: 252. DB::Exception: Too many parts (3000 with average size of 1.20 KiB) in table 'facts'. \
                       Merges are processing significantly slower than inserts. (TOO_MANY_PARTS)",
    ),
    failure(500, 241, "Code: 241. DB::Exception: Memory limit (total) exceeded. (MEMORY_LIMIT_EXCEEDED)"),
    failure(500, 242, "Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)"),
    failure(500, 243, "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)"),
    failure(408, 159, "Code: 159. DB::Exception: Timeout exceeded: elapsed 30 seconds. (TIMEOUT_EXCEEDED)"),
    failure(503, 209, "Code: 209. DB::NetException: Timeout exceeded while reading from socket. (SOCKET_TIMEOUT)"),
    failure(500, 999, "Code: 999. Coordination::Exception: Session expired. (KEEPER_EXCEPTION)"),
    failure(500, 202, "Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)"),
    Failure { status: 502, code: None, text: "<html><h1>502 Bad Gateway</h1></html>" },
];

const fn failure(status: u16, code: u16, text: &'static str) -> Failure {
    Failure { status, code: Some(code), text }
}

pub(crate) struct World {
    pub(crate) kafka: Kafka,
    engine: Engine,
    disk: Shim,
    proxy: Proxy,
    places: Vec<Place>,
    dice: SmallRng,
    looked: Instant,
    /// The most memory that any process was seen to have since it was asked for, in bytes.
    peak: f64,
}

struct Place {
    yinliu: Yinliu,
    clock: Shim,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// It left, until another joins.
    Away,
    /// Struck by a fault that is on.
    Struck,
}

/// What a fault struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// No process was there to be struck, or the topic can gain no more: it does not count.
    Nobody,
    Place(usize),
    Component,
}

impl World {
    /// The components, and a brand whose directory each process knows before it counts: its rows carry times of the story,
    /// by which they are long published.
    pub(crate) async fn build(seed: u64, brokers: usize) -> (Self, Load) {
        let (kafka, disk) = (Kafka::cluster(brokers), Shim::new());
        let engine = Engine::start_under(disk.wrapper());
        let proxy = Proxy::start(&engine.url(), seed);
        let mut world = Self {
            kafka,
            engine,
            disk,
            proxy,
            places: Vec::new(),
            dice: SmallRng::seed_from_u64(seed),
            looked: Instant::now(),
            peak: 0.0,
        };
        world.stage().build(2).await;
        let load = Load::new(&world.stage(), seed);
        let rows = load.send_reference().await;
        let mut config = world.stage().config();
        config["clickhouse"]["url"] = world.proxy.url().into();
        for number in 0..PLACES {
            let clock = Shim::new();
            let mut yinliu = Yinliu::start_under(&config, clock.wrapper());
            let state = if number < RUNNING { State::Running } else { State::Away };
            if state == State::Away {
                yinliu.kill();
            }
            world.places.push(Place { yinliu, clock, state });
        }
        world.stage().until_reference(rows).await;
        (world, load)
    }

    /// The stage as the test sees it: no fault is between.
    pub(crate) fn stage(&self) -> Stage<'_> {
        Stage::new(&self.kafka, self.engine.url(), NAME)
    }

    /// Requests and connections to ClickHouse that a fault met so far.
    pub(crate) fn struck(&self) -> u64 {
        self.proxy.struck()
    }

    /// How often a process read a clock that had jumped, and the engine met a full disk, so far.
    pub(crate) fn orders_met(&self) -> [u64; 2] {
        [self.places.iter().map(|place| place.clock.jumps_met()).sum(), self.disk.full_disks_met()]
    }

    pub(crate) async fn begin(&mut self, kind: Kind) -> Met {
        match kind {
            Kind::Kill => return self.strike(Yinliu::kill),
            Kind::Freeze => return self.strike(Yinliu::freeze),
            Kind::Terminate => return self.strike(Yinliu::terminate),
            Kind::Join | Kind::Leave => return self.join_or_leave(kind),
            Kind::OffsetsToEarliest | Kind::OffsetsToLatest => self.each_running(Yinliu::terminate),
            Kind::ClockJump => {
                let Some(place) = self.any(State::Running) else { return Met::Nobody };
                // Up to a day either way, and at least as much as the delay of the directory.
                let off = self.dice.random_range(60_000..86_400_000) * if self.dice.random_bool(0.5) { 1 } else { -1 };
                self.places[place].clock.set_clock(off);
                return Met::Place(place);
            }
            Kind::EngineKill => self.engine.kill(),
            Kind::DiskFull => self.disk.set_disk(Disk::Full),
            Kind::Refuse
            | Kind::Hang
            | Kind::Slow
            | Kind::ErrorByCode
            | Kind::Unacknowledged
            | Kind::LateInsert
            | Kind::CutAnswer => {
                let mode = self.mode(kind);
                self.proxy.set(mode);
            }
            Kind::BrokerKill => self.kafka.kill(self.dice.random_range(0..self.kafka.size())),
            Kind::MorePartitions => return self.grow().await,
        }
        Met::Component
    }

    /// Ends what `begin` began.
    pub(crate) async fn end(&mut self, kind: Kind, met: Met) {
        match (kind, met) {
            (Kind::Kill, Met::Place(place)) => {
                self.places[place].yinliu.restart();
                self.places[place].state = State::Running;
            }
            (Kind::Freeze, Met::Place(place)) => {
                self.places[place].yinliu.thaw();
                self.places[place].state = State::Running;
            }
            (Kind::Terminate, Met::Place(place)) => {
                self.places[place].ended();
                self.places[place].yinliu.restart();
                self.places[place].state = State::Running;
            }
            (Kind::OffsetsToEarliest | Kind::OffsetsToLatest, _) => self.move_group(kind).await,
            (Kind::ClockJump, Met::Place(place)) => self.places[place].clock.set_clock(0),
            (Kind::EngineKill, _) => self.engine.restart(),
            (Kind::DiskFull, _) => self.free_disk().await,
            (
                Kind::Refuse
                | Kind::Hang
                | Kind::Slow
                | Kind::ErrorByCode
                | Kind::Unacknowledged
                | Kind::LateInsert
                | Kind::CutAnswer,
                _,
            ) => self.proxy.set(Mode::Pass),
            (Kind::BrokerKill, _) => self.kafka.restart(),
            // Over at once, or nobody was there to be struck.
            (
                Kind::Join
                | Kind::Leave
                | Kind::MorePartitions
                | Kind::Kill
                | Kind::Freeze
                | Kind::Terminate
                | Kind::ClockJump,
                _,
            ) => {}
        }
    }

    /// Looks now and then at the memory of each process that runs; fails where one has ended by itself.
    pub(crate) fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        for place in self.places.iter().filter(|place| place.state == State::Running) {
            let log = || place.yinliu.log();
            assert!(place.yinliu.is_running(), "a process ended by itself; its log:\n{}", log());
            // It may not answer yet.
            self.peak = self.peak.max(place.yinliu.metric("process_resident_memory_bytes").unwrap_or(0.0));
        }
    }

    /// The most memory that any process had since the last time, in bytes; 0 where none was looked at.
    pub(crate) fn take_peak(&mut self) -> f64 {
        std::mem::take(&mut self.peak)
    }

    /// Waits until each process that runs is ready: nothing is held, nothing is away.
    pub(crate) async fn until_ready(&self) {
        for place in self.places.iter().filter(|place| place.state == State::Running) {
            place.yinliu.until_ready_is(200, "ok", SOON).await;
        }
    }

    /// The program's own check, by one of the processes' configuration.
    pub(crate) fn verify(&self) -> (bool, String) {
        self.places[0].yinliu.command(&["verify", "--deep", "--from", "2026-01-01", "--to", "2027-12-31"])
    }

    fn any(&mut self, state: State) -> Option<usize> {
        let places: Vec<_> = (0..PLACES).filter(|&place| self.places[place].state == state).collect();
        places.choose(&mut self.dice).copied()
    }

    fn strike(&mut self, how: impl FnOnce(&mut Yinliu)) -> Met {
        let Some(place) = self.any(State::Running) else { return Met::Nobody };
        how(&mut self.places[place].yinliu);
        self.places[place].state = State::Struck;
        Met::Place(place)
    }

    /// One joins, or leaves; where it cannot, the other.
    fn join_or_leave(&mut self, kind: Kind) -> Met {
        let running = self.places.iter().filter(|place| place.state == State::Running).count();
        let leaves = running == PLACES || (kind == Kind::Leave && running > RUNNING_LEAST);
        let Some(number) = self.any(if leaves { State::Running } else { State::Away }) else { return Met::Nobody };
        let place = &mut self.places[number];
        if leaves {
            place.yinliu.terminate();
            place.ended();
            place.state = State::Away;
        } else {
            place.yinliu.restart();
            place.state = State::Running;
        }
        Met::Place(number)
    }

    fn each_running(&mut self, how: impl Fn(&mut Yinliu)) {
        for place in self.places.iter_mut().filter(|place| place.state == State::Running) {
            how(&mut place.yinliu);
            place.state = State::Struck;
        }
    }

    async fn move_group(&mut self, kind: Kind) {
        for place in self.places.iter_mut().filter(|place| place.state == State::Struck) {
            place.ended();
        }
        let stage = self.stage();
        // A member that did not get to say goodbye is one until its session ends.
        poll::until("a group without members", SOON, async || {
            let to = |end| if kind == Kind::OffsetsToLatest { end } else { 0 };
            stage.move_group(to).map_err(|error| error.to_string())
        })
        .await;
        for place in self.places.iter_mut().filter(|place| place.state == State::Struck) {
            place.yinliu.restart();
            place.state = State::Running;
        }
    }

    /// The disk is full to the last byte for a moment, then somebody makes room and starts the server again: what it
    /// was merging when the writing failed is broken until then, its sources are not.
    async fn free_disk(&mut self) {
        self.disk.set_disk(Disk::Over);
        // How long it lasts, as of every fault; whether a merge writes meanwhile may differ from time to time.
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.disk.set_disk(Disk::Free);
        self.engine.kill();
        self.engine.restart();
    }

    fn mode(&mut self, kind: Kind) -> Mode {
        match kind {
            Kind::Refuse => Mode::Refuse,
            Kind::Hang => Mode::Hang,
            Kind::Slow => Mode::Slow(Duration::from_millis(self.dice.random_range(100..1_000))),
            Kind::ErrorByCode => Mode::Fail("", *FAILURES.choose(&mut self.dice).expect("there are some")),
            Kind::Unacknowledged => Mode::Unacknowledged,
            Kind::LateInsert => Mode::Late(Duration::from_millis(self.dice.random_range(200..5_000))),
            Kind::CutAnswer => Mode::Cut,
            other => panic!("{other:?} is no fault of the wire"),
        }
    }

    async fn grow(&mut self) -> Met {
        let topics: Vec<_> = ["friend", "message", "order", "touch"].map(|role| self.stage().topic(role)).into();
        let topic = topics.choose(&mut self.dice).expect("there are four");
        let partitions = self.stage().partitions(topic);
        if partitions == PARTITIONS_MAX {
            return Met::Nobody;
        }
        self.kafka.grow_topic(topic, partitions + 1).await;
        Met::Component
    }
}

impl Place {
    /// It was asked to end, and does as it should.
    fn ended(&mut self) {
        let code = self.yinliu.exit_code(END);
        assert_eq!(code, 0, "exit code after SIGTERM; its log:\n{}", self.yinliu.log());
    }
}
