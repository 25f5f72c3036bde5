//! Histories of `reconcile`, each drawn by a seed: what it corrects is SQL, so that they run on a real engine.
//!
//! Invariant: expected is what the contract's sentences make of the records that were sent; a seed decides at which of its
//! writes a run is broken off.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use clickhouse::Row;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use serde::Deserialize;
use yinliu::{reconcile, verify};

use crate::{
    simulation::asked,
    support::{
        counting::{CHUNK, Counting},
        engine::Engine,
        proxy::{Mode, Proxy},
    },
};

/// 2025-03-10 10:00 in Asia/Shanghai, and the midnight that follows.
const NOW_MS: i64 = 1_741_572_000_000;
const MIDNIGHT_MS: i64 = 1_741_622_400_000;

/// Of `Counting`: farther apart an event counts twice.
const HORIZON: usize = 4;

const ORIGINS: [(&str, u32); 3] = [("yinliu.friend.v1", 0), ("yinliu.friend.v1", 1), ("yinliu.order.v1", 0)];
const STAFF: u32 = 3;

/// An event as it is sent, once or again.
#[derive(Clone, Debug)]
struct Event {
    id: usize,
    kind: &'static str,
    occurred_at: i64,
    staff: u32,
    /// Given in the record.
    placed: bool,
}

/// One record of a partition.
#[derive(Clone, Debug)]
struct Sent {
    event: Event,
    recorded_at: i64,
    /// Whether the directory had its member by then.
    employed: bool,
    /// The first offset that the process remembers which counted it.
    remembered: usize,
}

/// Day, member, store: adds, losses, messages, amount.
type Figures = BTreeMap<(String, String, String), [u64; 4]>;

#[derive(Row, Deserialize)]
struct Found {
    day: String,
    staff_id: String,
    store_id: String,
    figures: Vec<u64>,
}

#[derive(Row, Deserialize)]
struct Told {
    staff_id: String,
    change: i64,
}

/// What a run writes.
const WRITES: [&str; 6] = [
    "INSERT INTO facts",
    "INSERT INTO counts_1d_board_registers",
    "INSERT INTO amendment_log",
    BY_DAY,
    "INSERT INTO counts_1m_registers",
    "INSERT INTO ledger",
];

const BY_DAY: &str = "INSERT INTO counts_1d_registers";

struct History {
    dice: SmallRng,
    counting: Counting,
    /// Between the runs that are broken off and the engine.
    proxy: Proxy,
    sent: [Vec<Sent>; ORIGINS.len()],
    /// Where the process began.
    began: [usize; ORIGINS.len()],
    events: Vec<Event>,
    employed: BTreeSet<u32>,
    /// Adds that were put into registers by hand, by member.
    tampered: BTreeMap<String, i64>,
    /// Whether its steps are told.
    told: bool,
}

impl History {
    async fn begin(seed: u64, told: bool) -> Self {
        static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("corrections_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let counting = Counting::new(ENGINE.url(), &database).await;
        Self {
            dice: SmallRng::seed_from_u64(seed),
            counting,
            proxy: Proxy::start(&ENGINE.url(), seed),
            sent: [const { Vec::new() }; ORIGINS.len()],
            began: [0; ORIGINS.len()],
            events: Vec::new(),
            employed: BTreeSet::new(),
            tampered: BTreeMap::new(),
            told,
        }
    }

    fn event(&mut self) -> Event {
        if !self.events.is_empty() && self.dice.random_bool(0.4) {
            return self.events[self.dice.random_range(0..self.events.len())].clone();
        }
        let kinds = ["friend.added", "friend.added", "friend.deleted_by_customer", "message.inbound", "order.paid"];
        let event = Event {
            id: self.events.len(),
            kind: kinds[self.dice.random_range(0..kinds.len())],
            occurred_at: NOW_MS + self.dice.random_range(0..20 * 3_600_000),
            staff: self.dice.random_range(0..STAFF),
            placed: self.dice.random_bool(0.5),
        };
        self.events.push(event.clone());
        event
    }

    /// Some records into one partition, counted as the pipeline does.
    async fn count(&mut self) {
        let at = self.dice.random_range(0..ORIGINS.len());
        let mut records = Vec::new();
        for _ in 0..self.dice.random_range(1..2 * CHUNK) {
            let event = self.event();
            // Some minutes late, so that registers of late records come about as well.
            let recorded_at = event.occurred_at + self.dice.random_range(0..1_800_000);
            let employed = self.employed.contains(&event.staff);
            records.push((recorded_at, event.to_json()));
            self.sent[at].push(Sent { event, recorded_at, employed, remembered: self.began[at] });
        }
        let (topic, partition) = ORIGINS[at];
        self.tell(format!("{topic}/{partition} counts {} records, {} in all", records.len(), self.sent[at].len()));
        self.counting.count(topic, partition, &records).await;
    }

    /// A member comes into the directory, perhaps after events of theirs.
    async fn employ(&mut self) {
        let staff = self.dice.random_range(0..STAFF);
        if self.employed.insert(staff) {
            self.tell(format!("s{staff} comes into the directory"));
            let [id, store, region] = ["s", "m", "r"].map(|kind| format!("{kind}{staff}"));
            self.counting.employ(&id, &store, &region, NOW_MS + i64::from(staff)).await;
        }
    }

    /// Somebody writes into a register of a closed chunk.
    async fn tamper(&mut self) {
        let at = self.dice.random_range(0..ORIGINS.len());
        let (topic, partition) = ORIGINS[at];
        let closed = format!(
            "src_topic = '{topic}' AND src_partition = {partition} AND src_chunk < {}",
            self.sent[at].len() / CHUNK
        );
        let chosen = "ORDER BY corp_id, business_date, late, region_id, store_id, staff_id, channel, src_chunk LIMIT 1";
        let of = format!("counts_1d_registers FINAL WHERE {closed} {chosen}");
        for staff in self.counting.texts(&format!("SELECT staff_id FROM {of}")).await {
            self.tell(format!("somebody adds 5 to a register of {staff} in {topic}/{partition}"));
            let row = "* REPLACE (adds + 5 AS adds, version + 1 AS version)";
            self.counting.execute(&format!("INSERT INTO counts_1d_registers SELECT {row} FROM {of}")).await;
            *self.tampered.entry(staff).or_default() += 5;
        }
    }

    async fn reconcile(&self, directory: bool) -> Result<reconcile::Report, reconcile::Error> {
        reconcile::run(&settings(directory), &self.counting.config, NOW_MS).await
    }

    /// The same, up to this write.
    async fn break_off(&self, stop: Mode, directory: bool) {
        self.tell(format!("reconcile, directory {directory}, up to {stop:?}"));
        let mut config = self.counting.config.clone();
        config.clickhouse.url = self.proxy.url();
        if let Some(ended) = self.proxy.break_off(stop, reconcile::run(&settings(directory), &config, NOW_MS)).await {
            ended.unwrap();
        }
    }

    fn tell(&self, what: impl std::fmt::Display) {
        if self.told {
            println!("  {what}");
        }
    }

    async fn step(&mut self) {
        match self.dice.random_range(0..12) {
            0..5 => self.count().await,
            5 => self.employ().await,
            6 => self.tamper().await,
            7 | 8 => {
                let (directory, number) = (self.dice.random_bool(0.5), self.dice.random_range(1..3));
                let write = WRITES[self.dice.random_range(0..WRITES.len())];
                let after = self.dice.random_bool(0.5);
                let stop = if after { Mode::StopAfter(write, number) } else { Mode::StopBefore(write, number) };
                self.break_off(stop, directory).await;
            }
            9 | 10 => {
                let directory = self.dice.random_bool(0.5);
                self.tell(format!("reconcile twice at once, directory {directory}"));
                let (one, other) = tokio::join!(self.reconcile(directory), self.reconcile(directory));
                one.and(other).unwrap();
            }
            _ => self.restart(),
        }
    }

    /// Another process goes on, without a look at the records before its first.
    fn restart(&mut self) {
        self.tell("another process goes on");
        self.counting.restart();
        self.began = std::array::from_fn(|at| self.sent[at].len());
    }

    /// Records that were counted, with their partition and offset: those that repeat none of the last few.
    fn counted(&self) -> Vec<(usize, usize, &Sent)> {
        let mut counted = Vec::new();
        for (at, records) in self.sent.iter().enumerate() {
            for (offset, record) in records.iter().enumerate() {
                let near = &records[offset.saturating_sub(HORIZON).max(record.remembered)..offset];
                if !near.iter().any(|earlier| earlier.event.id == record.event.id) {
                    counted.push((at, offset, record));
                }
            }
        }
        counted
    }

    /// Those of them that still count: of each event the first, and what lies in open chunks.
    fn kept(&self) -> Vec<(usize, usize, &Sent)> {
        let mut counted = self.counted();
        counted.sort_by_key(|&(at, offset, record)| (record.recorded_at, ORIGINS[at], offset));
        let mut seen = BTreeSet::new();
        counted.retain(|&(at, offset, record)| seen.insert(record.event.id) || !self.is_closed(at, offset));
        counted
    }

    fn is_closed(&self, at: usize, offset: usize) -> bool {
        offset / CHUNK < self.sent[at].len() / CHUNK
    }

    fn expected(&self) -> Figures {
        let mut figures = Figures::new();
        for (at, offset, Sent { event, employed, .. }) in self.kept() {
            let known = if self.is_closed(at, offset) { self.employed.contains(&event.staff) } else { *employed };
            let store = match (event.placed, known) {
                (true, _) => "given".to_owned(),
                (false, true) => format!("m{}", event.staff),
                (false, false) => String::new(),
            };
            let day = if event.occurred_at < MIDNIGHT_MS { "2025-03-10" } else { "2025-03-11" };
            let figure = figures.entry((day.to_owned(), format!("s{}", event.staff), store)).or_default();
            match event.kind {
                "friend.added" => figure[0] += 1,
                "friend.deleted_by_customer" => figure[1] += 1,
                "message.inbound" => figure[2] += 1,
                _ => figure[3] += event.fen(),
            }
        }
        figures
    }

    async fn found(&self, view: &str) -> Figures {
        let sql = format!(
            "SELECT toString(business_date) AS day, staff_id, store_id, [sum(adds), sum(deletes_by_customer), \
             sum(messages_in), sum(gmv_fen)] AS figures FROM {view} GROUP BY day, staff_id, store_id"
        );
        let rows = self.counting.client.query(&sql).fetch_all::<Found>().await.unwrap();
        rows.into_iter().map(|row| ((row.day, row.staff_id, row.store_id), row.figures.try_into().unwrap())).collect()
    }

    async fn check(&self) {
        let expected = self.expected();
        assert_eq!(self.found("v_counts_1d").await, expected, "by day");
        assert_eq!(self.found("v_counts_1m").await, expected, "by minute");
        let name = |at: usize, offset: usize| format!("{}[{}] {offset}", ORIGINS[at].0, ORIGINS[at].1);
        let kept: BTreeSet<_> = self.kept().into_iter().map(|(at, offset, _)| name(at, offset)).collect();
        let events = "SELECT concat(src_topic, '[', toString(src_partition), '] ', toString(src_offset)) FROM events";
        let found: BTreeSet<_> = self.counting.texts(events).await.into_iter().collect();
        assert_eq!(found, kept, "which delivery counts");
        self.check_told().await;
        let days = ["2025-03-09", "2025-03-12"].map(|day| Some(day.parse().unwrap()));
        let days = verify::Settings { from: days[0], to: days[1], ..Default::default() };
        let report = verify::run(&days, &self.counting.config, NOW_MS).await.unwrap();
        assert!(report.is_equal(), "{report}");
    }

    /// What the amendments say of each member's adds is the way from what was counted, and put in by hand, to what holds.
    async fn check_told(&self) {
        let adds = |records: Vec<(usize, usize, &Sent)>| {
            let mut adds = BTreeMap::<String, i64>::new();
            for (_, _, Sent { event, .. }) in records {
                *adds.entry(format!("s{}", event.staff)).or_default() += i64::from(event.kind == "friend.added");
            }
            adds
        };
        let mut changes = adds(self.kept());
        for (staff, count) in adds(self.counted()).into_iter().chain(self.tampered.clone()) {
            *changes.entry(staff).or_default() -= count;
        }
        changes.retain(|_, change| *change != 0);
        let sql = "SELECT staff_id, toInt64(sum(after) - sum(before)) AS change FROM amendments \
                   WHERE metric = 'adds' AND window_start = 0 GROUP BY staff_id HAVING change != 0";
        let told = self.counting.client.query(sql).fetch_all::<Told>().await.unwrap();
        let told: BTreeMap<_, _> = told.into_iter().map(|row| (row.staff_id, row.change)).collect();
        assert_eq!(told, changes, "what was changed is told once");
    }
}

fn settings(directory: bool) -> reconcile::Settings {
    let [from, to] = ["2025-03-10", "2025-03-11"].map(|day| day.parse().unwrap());
    reconcile::Settings { from, to, directory, dry_run: false }
}

impl Event {
    fn fen(&self) -> u64 {
        u64::try_from(self.id).unwrap() + 100
    }

    fn to_json(&self) -> String {
        let Self { id, kind, occurred_at, staff, placed } = self;
        let place = if *placed { r#""store_id":"given","region_id":"given","# } else { "" };
        format!(
            r#"{{"event_id":"e{id}","type":"{kind}","corp_id":"c","occurred_at":{occurred_at},"staff_id":"s{staff}",{place}"customer_id":"x{id}","channel":"app","order_id":"o{id}","amount_fen":{}}}"#,
            self.fen()
        )
    }
}

/// Plays the history of this seed to its end and looks at what came of it; its steps are told if that is wished.
pub(crate) async fn play(seed: u64, told: bool) {
    let mut history = History::begin(seed, told).await;
    for _ in 0..history.dice.random_range(4..12) {
        history.step().await;
    }
    // Whatever is right by then is told by then, too: nobody finds it wrong again.
    history.break_off(Mode::StopAfter(BY_DAY, 1), true).await;
    history.reconcile(true).await.unwrap();
    history.check().await;
    // What is corrected is left alone, and a process that starts on it goes on counting.
    assert_eq!(history.reconcile(true).await.unwrap().registers, 0, "a second run changes nothing");
    history.restart();
    history.count().await;
    history.reconcile(true).await.unwrap();
    history.check().await;
    history.counting.execute(&format!("DROP DATABASE {}", history.counting.config.clickhouse.database)).await;
}

/// Histories of every run of the tests: some seconds each.
const SEEDS: u64 = 4;

#[tokio::test]
async fn every_history_of_corrections_ends_with_the_figures_of_its_records() {
    let seeds = asked("YINLIU_CORRECTION_SEEDS", 0..SEEDS);
    let is_one = seeds.end - seeds.start == 1;
    for seed in seeds {
        println!("seed {seed}, which `make corrections SEED={seed}` tells");
        play(seed, is_one).await;
    }
}
