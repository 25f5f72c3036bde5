//! A warehouse in memory that reads the encoded rows of a batch as ClickHouse would, and keeps the newest version of each.

mod decode;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use yinliu::{
    batch::{Batch, Origin, Tally, encode_ledger},
    chunk::{self, Grain},
    event::Counter,
    partition::{Fact, Loaded},
    sink::Table,
};

pub(crate) use decode::Inserted;
use decode::Row;

/// Dimensions of a rollup: corp, minutes since the epoch (by day: 0), day, region, store, staff, channel.
pub(crate) type Key = (String, u32, u16, String, String, String, String);

#[derive(Clone, Debug, Default)]
pub(crate) struct Warehouse {
    pub(crate) facts: BTreeMap<(Origin, u64), Fact>,
    minutes: BTreeMap<RegisterKey, Row>,
    days: BTreeMap<RegisterKey, Row>,
    boards: BTreeMap<RegisterKey, Row>,
    pub(crate) ledger: BTreeMap<(Origin, u64), (u64, Tally)>,
    pub(crate) letters: BTreeMap<(Origin, u64), (String, String)>,
    pub(crate) progress: BTreeMap<Origin, i64>,
    topic_ids: BTreeMap<Origin, Arc<str>>,
    /// Topics that were adopted, and as which of their name.
    pub(crate) incarnations: BTreeMap<String, u32>,
}

pub(crate) type RegisterKey = (Origin, u64, Key, bool);

/// Beside the counters of a row for boards: when its last add occurred, in milliseconds.
pub(crate) const LAST_ADD: &str = "last_add_at";

/// What one register or view row counts, without zeros.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

impl Warehouse {
    /// Takes in a whole flush.
    pub(crate) fn flush(&mut self, batch: &Batch) {
        self.insert_rows(batch);
        self.take_all(Inserted::read(Table::Ledger, &encode_ledger(&batch.ledger)));
    }

    /// Takes in the rows of a flush that never came to write its ledger rows.
    pub(crate) fn insert_rows(&mut self, batch: &Batch) {
        for (table, rows) in [
            (Table::Facts, &batch.facts),
            (Table::Letters, &batch.letters),
            (Table::Minutes, &batch.minute),
            (Table::Days, &batch.day),
            (Table::Boards, &batch.board),
        ] {
            self.take_all(Inserted::read(table, rows));
        }
    }

    pub(crate) fn take_all(&mut self, rows: impl IntoIterator<Item = Inserted>) {
        rows.into_iter().for_each(|row| self.take(row));
    }

    /// Takes in one row, unless it holds a newer version.
    pub(crate) fn take(&mut self, row: Inserted) {
        match row {
            Inserted::Fact(origin, fact) => {
                self.facts.insert((origin, fact.offset), *fact);
            }
            Inserted::Register(grain, register) => {
                let (key, row) = *register;
                let rows = match grain {
                    Grain::Minute => &mut self.minutes,
                    Grain::Day => &mut self.days,
                    Grain::Board => &mut self.boards,
                };
                let newest = rows.entry(key).or_insert_with(|| row.clone());
                if row.upto >= newest.upto {
                    *newest = row;
                }
            }
            Inserted::Letter(origin, offset, words) => {
                self.letters.insert((origin, offset), words);
            }
            Inserted::Ledger(entry) => {
                self.topic_ids.insert(entry.origin.clone(), entry.topic_id);
                let newest = self.ledger.entry((entry.origin, entry.chunk)).or_default();
                if entry.next_offset >= newest.0 {
                    *newest = (entry.next_offset, entry.tally);
                }
            }
            Inserted::Progress(origin, moment) => {
                let newest = self.progress.entry(origin).or_insert(moment);
                *newest = moment.max(*newest);
            }
        }
    }

    /// This warehouse, but for some tables as they were in an earlier one: facts, minutes, days, boards, ledger.
    pub(crate) fn with_tables_of(&self, earlier: &Self, tables: [bool; 5]) -> Self {
        let mut mixed = self.clone();
        let [facts, minutes, days, boards, ledger] = tables;
        if facts {
            mixed.facts.clone_from(&earlier.facts);
        }
        if minutes {
            mixed.minutes.clone_from(&earlier.minutes);
        }
        if days {
            mixed.days.clone_from(&earlier.days);
        }
        if boards {
            mixed.boards.clone_from(&earlier.boards);
        }
        if ledger {
            mixed.ledger.clone_from(&earlier.ledger);
        }
        mixed
    }

    /// The ledger's position; `None` where it has no row.
    pub(crate) fn position(&self, origin: &Origin) -> Option<u64> {
        let rows = self.ledger.range((origin.clone(), 0)..=(origin.clone(), u64::MAX));
        rows.map(|(_, (next_offset, _))| *next_offset).max()
    }

    /// What a start of this partition is given.
    pub(crate) fn load(&self, origin: &Origin, chunk: &chunk::Config) -> Loaded {
        let entries: Vec<_> = self.ledger.range((origin.clone(), 0)..=(origin.clone(), u64::MAX)).collect();
        let next_offset = entries.iter().map(|(_, (next_offset, _))| *next_offset).max();
        let position = next_offset.unwrap_or(0);
        let in_day = |at: u64| at >> (chunk.day_bits - chunk.bits) == position >> chunk.day_bits;
        let day: Vec<_> = entries.iter().filter(|((_, at), _)| in_day(*at)).collect();
        let facts = self.facts.range((origin.clone(), position)..(origin.clone(), u64::MAX));
        let facts: Vec<Fact> = facts.map(|(_, fact)| fact.clone()).collect();
        let tally = self.ledger.get(&(origin.clone(), position >> chunk.bits)).map(|(_, tally)| *tally);
        // Rows are looked for on the days that the ledger and the facts name, in the open chunk and the one behind it.
        let days = day.iter().filter_map(|(_, (_, tally))| tally.dates).chain(tally.and_then(|tally| tally.dates));
        let days = days.chain(facts.iter().map(|fact| (fact.window.date, fact.window.date)));
        let days = days.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        // That of the topic, where nothing was counted of the partition yet.
        let of_topic = self.topic_ids.iter().filter(|(other, _)| other.topic == origin.topic).map(|(_, id)| id);
        let topic_id = self.topic_ids.get(origin).into_iter().chain(of_topic).find(|id| !id.is_empty());
        let topic_id = topic_id.map(ToString::to_string);
        let mut loaded = Loaded {
            next_offset,
            topic_id,
            tally: tally.unwrap_or_default(),
            day_counted: day.iter().map(|(_, (_, tally))| tally.counted).sum(),
            day_dates: days,
            facts,
            ..Loaded::default()
        };
        let tables = [
            (Grain::Minute, &self.minutes, chunk.bits),
            (Grain::Day, &self.days, chunk.day_bits),
            (Grain::Board, &self.boards, chunk.day_bits),
        ];
        let mut scratch = Vec::new();
        for (grain, rows, bits) in tables {
            let open = |((other, at, ..), row): &(&RegisterKey, &Row)| {
                let found = other == origin && [position >> bits, (position >> bits) + 1].contains(at);
                found && days.is_some_and(|(first, last)| (first..=last).contains(&row.window.date))
            };
            for (_, row) in rows.iter().filter(open) {
                loaded.rows.take(grain, &row.loaded(), &mut scratch);
            }
        }
        loaded
    }

    pub(crate) fn counts_1m(&self) -> BTreeMap<Key, Counts> {
        sum(&self.minutes)
    }

    pub(crate) fn counts_1d(&self) -> BTreeMap<Key, Counts> {
        sum(&self.days)
    }

    /// Members of staff without channel and channels without store and staff, with the time of the last add.
    pub(crate) fn counts_for_boards(&self) -> BTreeMap<Key, Counts> {
        sum(&self.boards)
    }

    /// Sums over the chunks of each partition, and the position.
    pub(crate) fn chunks(&self) -> HashMap<Origin, (u64, Tally)> {
        let mut chunks: HashMap<Origin, (u64, Tally)> = HashMap::new();
        for ((origin, _), (next_offset, tally)) in &self.ledger {
            let (position, sum) = chunks.entry(origin.clone()).or_default();
            *position = (*position).max(*next_offset);
            sum.received += tally.received;
            sum.rejected += tally.rejected;
            sum.duplicate += tally.duplicate;
            sum.counted += tally.counted;
        }
        chunks
    }
}

fn sum(rows: &BTreeMap<RegisterKey, Row>) -> BTreeMap<Key, Counts> {
    let mut sums: BTreeMap<Key, Counts> = BTreeMap::new();
    for ((_, _, key, _), row) in rows {
        let counts = sums.entry(key.clone()).or_default();
        for (counter, value) in Counter::ALL.iter().zip(row.values).filter(|(_, value)| *value > 0) {
            *counts.entry(counter.name()).or_default() += value;
        }
        if let Ok(at @ 1..) = u64::try_from(row.last_add_at) {
            let last = counts.entry(LAST_ADD).or_default();
            *last = at.max(*last);
        }
    }
    sums.retain(|_, counts| !counts.is_empty());
    sums
}
