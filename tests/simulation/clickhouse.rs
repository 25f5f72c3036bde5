//! A simulated ClickHouse, with the weaknesses of the real one.
//!
//! Invariant: an insert is atomic within one partition of its table and nowhere else; what was acknowledged stays, but
//! for a restore from a backup, and is seen on every replica after a sync.

mod steps;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use rustc_hash::FxHashMap;
use tokio::time::sleep;
use yinliu::{
    batch::{Origin, Rows},
    chunk,
    partition::{Loaded, Room, let_go},
    sink::{Class, Error, Sink, Table},
};

use super::{
    chance::{Dice, Life, Trace, wall_ms},
    log::Log,
    plan::{Kind, Plan},
};
use crate::warehouse::{Inserted, Warehouse};

/// What may go wrong with a request: so many of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) refused: u64,
    /// Some partitions of the table took the insert, and the answer is an error.
    pub(super) partial: u64,
    /// The whole insert is in, and the answer is lost.
    pub(super) lost_answer: u64,
    /// The sender gives up, and the insert arrives later, in part or whole.
    pub(super) late: u64,
    pub(super) late_ms_max: u64,
    pub(super) delay_ms_max: u64,
    /// The server ends just after it acknowledged an insert; the next one is a copy from after the last ledger row.
    pub(super) replaced: u64,
}

/// What one load saw.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) origin: Origin,
    pub(super) ledger: u64,
    pub(super) log_begins: u64,
    /// Offsets of the facts at and beyond the ledger.
    pub(super) facts: BTreeSet<u64>,
}

#[derive(Debug)]
pub(super) struct ClickHouse {
    dice: Dice,
    trace: Trace,
    log: Arc<Log>,
    /// Offsets of a chunk, as a power of two; `None`: what retention took leaves holes in the ledger.
    whole_bits: Option<u32>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Warehouse,
    /// A copy of an earlier moment.
    backup: Option<Warehouse>,
    /// A copy from after the newest ledger row.
    standby: Option<Warehouse>,
    /// For how long a server is away at least when another one takes its place; `None`: that would go unnoticed now.
    replaced_for_ms: Option<i64>,
    /// What a replica that lags held when it began to, and in which of its tables it does.
    lagging: Option<(Warehouse, [bool; 5])>,
    /// Raised by each restore, of which nothing that was under way is left.
    incarnation: u32,
    away_until: i64,
    weather: Weather,
    starts: Vec<Start>,
    /// Records whose fact was inserted with two different places.
    disputed: BTreeSet<(Origin, u64)>,
    under_way: u64,
    inserts: u64,
}

impl State {
    /// What the replica that is read holds.
    fn seen(&self) -> Cow<'_, Warehouse> {
        match &self.lagging {
            Some((earlier, tables)) => Cow::Owned(self.now.with_tables_of(earlier, *tables)),
            None => Cow::Borrowed(&self.now),
        }
    }
}

impl ClickHouse {
    pub(super) fn new(dice: Dice, trace: Trace, log: Arc<Log>, plan: &Plan) -> Arc<Self> {
        let whole_bits = (plan.kind != Kind::Outage).then_some(plan.settings.partition.chunk.bits);
        let server = Self { dice, trace, log, whole_bits, state: Mutex::default() };
        server.set_weather(plan.weather);
        Arc::new(server)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    pub(super) fn warehouse(&self) -> Warehouse {
        self.state().now.clone()
    }

    pub(super) fn starts(&self) -> Vec<Start> {
        self.state().starts.clone()
    }

    pub(super) fn disputed(&self) -> BTreeSet<(Origin, u64)> {
        self.state().disputed.clone()
    }

    pub(super) fn inserts(&self) -> u64 {
        self.state().inserts
    }

    /// Inserts that have not arrived yet.
    pub(super) fn under_way(&self) -> u64 {
        self.state().under_way
    }

    /// The ledger's position of the topic as it is now, and that of the backup.
    pub(super) fn positions_of(&self, origin: &Origin) -> (u64, u64) {
        let origin = &self.log.label(origin);
        let state = self.state();
        let now = state.now.position(origin).unwrap_or(0);
        (now, state.backup.as_ref().map_or(now, |backup| backup.position(origin).unwrap_or(0)))
    }

    pub(super) fn back_up(&self) {
        let mut state = self.state();
        state.backup = Some(state.now.clone());
        self.trace.say(format_args!("ClickHouse: backup"));
    }

    /// Everything since the backup is gone, and the server away for so long.
    pub(super) fn restore(&self, away_ms: i64) {
        let mut state = self.state();
        let Some(backup) = state.backup.clone() else { return };
        self.replace(&mut state, backup, away_ms);
    }

    /// Lets servers end, to be away for at least so long; or not any more.
    pub(super) fn let_end(&self, away_ms: Option<i64>) {
        self.state().replaced_for_ms = away_ms;
    }

    fn replace(&self, state: &mut State, copy: Warehouse, away_ms: i64) {
        state.standby = Some(copy.clone());
        state.now = copy;
        state.lagging = None;
        state.incarnation += 1;
        state.under_way = 0;
        state.away_until = wall_ms() + away_ms;
        self.trace.say(format_args!("ClickHouse: restored, away for {away_ms} ms"));
    }

    /// Takes over a recreated topic, as the command does.
    pub(super) fn adopt(&self, topic: &str) {
        let mut state = self.state();
        let number = state.now.incarnations.get(topic).copied().unwrap_or(1);
        if number < self.log.number(topic) {
            state.now.incarnations.insert(topic.to_owned(), number + 1);
            self.trace.say(format_args!("ClickHouse: topic {topic} is adopted as number {}", number + 1));
        }
    }

    /// Whether a recreated topic waits for its adoption.
    pub(super) fn awaits_adoption(&self, topic: &str) -> bool {
        self.state().now.incarnations.get(topic).copied().unwrap_or(1) < self.log.number(topic)
    }

    /// Whether nothing that was counted depends on the topic as it is now: it may be deleted.
    pub(super) fn has_all_of(&self, topic: &str) -> bool {
        let origins: Vec<_> = self.log.origins().into_iter().filter(|origin| *origin.topic == *topic).collect();
        let positions = origins.iter().map(|origin| (self.positions_of(origin).0, self.log.end_of(origin)));
        let positions: Vec<_> = positions.collect();
        self.under_way() == 0
            && !self.awaits_adoption(topic)
            && positions.iter().any(|(position, _)| *position > 0)
            && positions.iter().all(|(position, end)| position == end)
    }

    /// From now on there are no older copies: what they lack could not be counted again.
    pub(super) fn forget_copies(&self) {
        let mut state = self.state();
        (state.backup, state.standby) = (Some(state.now.clone()), Some(state.now.clone()));
    }

    pub(super) fn go_away(&self, milliseconds: i64) {
        self.state().away_until = wall_ms() + milliseconds;
        self.trace.say(format_args!("ClickHouse: away for {milliseconds} ms"));
    }

    pub(super) fn is_away(&self) -> bool {
        wall_ms() < self.state().away_until
    }

    /// From now on reads come from a replica that takes nothing in until it is synced.
    pub(super) fn lag(&self) {
        let mut state = self.state();
        if state.lagging.is_none() {
            let all = self.dice.chance(500);
            let tables = [(); 5].map(|()| all || self.dice.chance(500));
            state.lagging = Some((state.now.clone(), tables));
            self.trace.say(format_args!("ClickHouse: the replica that is read lags"));
        }
    }

    pub(super) fn heal(&self) {
        let mut state = self.state();
        (state.lagging, state.away_until, state.weather) = (None, 0, Weather::default());
    }

    /// Takes in the rows that one partition of a table keeps, unless the server was replaced meanwhile.
    fn apply(&self, life: &Life, incarnation: u32, rows: Vec<Inserted>) {
        let mut state = self.state();
        if state.incarnation != incarnation {
            return;
        }
        state.under_way -= 1;
        if life.is_cut() {
            return;
        }
        let mut labels = BTreeSet::new();
        for row in rows {
            self.check(&state, &row);
            if let Inserted::Fact(origin, fact) = &row
                && let Some(known) = state.now.facts.get(&(origin.clone(), fact.offset))
                && (&known.store_id, &known.region_id, &known.channel)
                    != (&fact.store_id, &fact.region_id, &fact.channel)
            {
                state.disputed.insert((origin.clone(), fact.offset));
            }
            let entered = matches!(row, Inserted::Ledger(_));
            if let Inserted::Ledger(entry) = &row {
                self.log.enter(&entry.origin, entry.next_offset);
                labels.insert(entry.origin.clone());
            }
            state.now.take(row);
            if entered && state.weather.replaced > 0 {
                state.standby = Some(state.now.clone());
            }
        }
        for label in labels {
            self.check_whole(&state.now, &label);
        }
    }

    /// After an insert that was acknowledged: perhaps the last thing that this server does.
    fn acknowledged(&self) {
        let mut state = self.state();
        let Some(away_ms) = state.replaced_for_ms.filter(|_| self.dice.chance(state.weather.replaced)) else { return };
        let Some(standby) = state.standby.clone() else { return };
        self.replace(&mut state, standby, away_ms);
    }
}

fn failed(class: Class) -> Error {
    Error::Retry { doing: "ask the simulation", class, source: clickhouse::error::Error::TimedOut }
}

/// What becomes of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Good,
    Refused,
    Partial,
    LostAnswer,
    Late,
}

/// The server, as one process sees it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) server: Arc<ClickHouse>,
    pub(super) life: Arc<Life>,
    /// What the brokers last told this process.
    pub(super) starts: Arc<Mutex<FxHashMap<Origin, u64>>>,
    /// A bound of its memory.
    pub(super) facts_bytes_max: usize,
}

impl Connection {
    fn course(&self, weather: &Weather) -> Course {
        let drawn = self.server.dice.below(1_000);
        let mut limit = 0;
        let courses = [
            (weather.refused, Course::Refused),
            (weather.partial, Course::Partial),
            (weather.lost_answer, Course::LostAnswer),
            (weather.late, Course::Late),
        ];
        let found = courses.into_iter().find(|(thousandths, _)| {
            limit += thousandths;
            drawn < limit
        });
        found.map_or(Course::Good, |(_, course)| course)
    }

    /// A request that asks for something, with its delay; the answer is as old as the question.
    async fn answer<T>(&self, question: impl FnOnce(&mut State) -> T) -> Result<T, Error> {
        let dice = &self.server.dice;
        let (answer, delay) = {
            let mut state = self.server.state();
            let weather = state.weather;
            let refused = wall_ms() < state.away_until || dice.chance(weather.refused);
            let answer = if refused { Err(failed(Class::Network)) } else { Ok(question(&mut state)) };
            (answer, dice.below(weather.delay_ms_max.max(2)))
        };
        sleep(Duration::from_millis(delay)).await;
        answer
    }

    /// Sends the parts of an insert on their way; the answer and when it comes, in milliseconds.
    fn send(&self, table: Table, rows: &Rows) -> (Course, u32, u64) {
        let (server, dice) = (&self.server, &self.server.dice);
        let mut parts: BTreeMap<(u16, bool), Vec<Inserted>> = BTreeMap::new();
        for row in Inserted::read(table, rows) {
            parts.entry(row.table_partition()).or_default().push(row);
        }
        let mut parts: Vec<_> = parts.into_values().collect();
        let mut state = server.state();
        let weather = state.weather;
        state.inserts += 1;
        let course = if wall_ms() < state.away_until { Course::Refused } else { self.course(&weather) };
        dice.shuffle(&mut parts);
        match course {
            Course::Refused => parts.clear(),
            Course::Partial => parts.truncate(dice.index(parts.len().max(1))),
            Course::Late if dice.chance(500) => parts.truncate(dice.index(parts.len() + 1)),
            Course::Good | Course::LostAnswer | Course::Late => {}
        }
        let delay = weather.delay_ms_max.max(2);
        let mut answered = 0;
        state.under_way += u64::try_from(parts.len()).unwrap();
        let incarnation = state.incarnation;
        drop(state);
        let (number, name) = (self.life.number, table.name());
        server.trace.say(format_args!("process {number}: insert of {} into {name}: {course:?}", rows.count));
        for part in parts {
            let late = if course == Course::Late { 1_000 + dice.below(weather.late_ms_max) } else { 0 };
            let arrives = dice.below(delay) + late;
            answered = answered.max(arrives);
            let (server, life) = (Arc::clone(server), Arc::clone(&self.life));
            tokio::spawn(async move {
                sleep(Duration::from_millis(arrives)).await;
                server.apply(&life, incarnation, part);
            });
        }
        let answered = if course == Course::Late { dice.below(delay) } else { answered };
        (course, incarnation, answered + 1 + dice.below(delay))
    }
}

impl Sink for Connection {
    async fn insert(&self, table: Table, rows: &Rows) -> Result<(), Error> {
        let bytes = rows.bytes.len();
        assert!(table != Table::Facts || bytes <= self.facts_bytes_max, "{bytes} bytes of facts in one insert");
        let (course, incarnation, answered) = self.send(table, rows);
        sleep(Duration::from_millis(answered)).await;
        let replaced = self.server.state().incarnation != incarnation;
        match course {
            Course::Good if !replaced => {
                self.server.acknowledged();
                Ok(())
            }
            Course::Good | Course::Refused => Err(failed(Class::Network)),
            Course::Partial => Err(failed(Class::Other)),
            Course::LostAnswer | Course::Late => Err(failed(Class::Timeout)),
        }
    }

    async fn positions(&self, origins: &[Origin]) -> Result<FxHashMap<Origin, u64>, Error> {
        self.answer(|state| {
            let seen = state.seen();
            let position = |origin: &Origin| Some((origin.clone(), seen.position(origin)?));
            origins.iter().filter_map(position).collect()
        })
        .await
    }

    async fn incarnations(&self) -> Result<FxHashMap<String, u32>, Error> {
        self.answer(|state| state.seen().incarnations.clone().into_iter().collect()).await
    }

    async fn sync(&self) -> Result<(), Error> {
        let lags_on = self.server.dice.chance(700);
        self.answer(|state| {
            let tables = state.lagging.take().filter(|_| lags_on).map(|(_, tables)| tables);
            // It may fall behind again at once.
            state.lagging = tables.map(|tables| (state.now.clone(), tables));
        })
        .await
    }

    async fn load(
        &self,
        origins: &[Origin],
        chunk: &chunk::Config,
        room: Room,
    ) -> Result<FxHashMap<Origin, Loaded>, Error> {
        let starts = self.starts.lock().unwrap().clone();
        self.answer(|state| {
            let seen = state.seen();
            let mut loaded: BTreeMap<_, _> =
                origins.iter().map(|origin| (origin.clone(), seen.load(origin, chunk))).collect();
            for (origin, loaded) in &loaded {
                let facts = loaded.facts.iter().map(|fact| fact.offset).collect();
                let (ledger, log_begins) = (loaded.next_offset.unwrap_or(0), starts[&origin.broker()]);
                state.starts.push(Start { origin: origin.clone(), ledger, log_begins, facts });
            }
            let_go(loaded.values_mut(), room);
            loaded.into_iter().collect()
        })
        .await
    }
}
