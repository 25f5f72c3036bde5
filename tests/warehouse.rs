//! A warehouse in memory that reads the encoded rows of a batch as ClickHouse would, and keeps the newest version of each.

use std::collections::{BTreeMap, HashMap};

use yinliu::{
    batch::{Batch, Origin, Rows, Tally, upto},
    chunk::{self, COUNTERS},
    event::Counter,
    partition::{Fact, Loaded, Row},
    window::{Date, Minute, Window},
};

/// Dimensions of a rollup: corp, minutes since the epoch (by day: 0), day, region, store, staff, channel.
pub(crate) type Key = (String, u32, u16, String, String, String, String);

#[derive(Clone, Debug, Default)]
pub(crate) struct Warehouse {
    pub(crate) facts: BTreeMap<(Origin, u64), Fact>,
    minutes: BTreeMap<RegisterKey, Row>,
    days: BTreeMap<RegisterKey, Row>,
    pub(crate) ledger: BTreeMap<(Origin, u64), (u64, Tally)>,
    pub(crate) letters: BTreeMap<(Origin, u64), (String, String)>,
}

type RegisterKey = (Origin, u64, Key, bool);

/// What one register or view row counts, without zeros.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

impl Warehouse {
    /// Takes in a whole flush.
    pub(crate) fn flush(&mut self, batch: &Batch) {
        self.insert_rows(batch);
        for entry in &batch.ledger {
            self.ledger.insert((entry.origin.clone(), entry.chunk), (entry.next_offset, entry.tally));
        }
    }

    /// Takes in the rows of a flush that never came to write its ledger rows.
    pub(crate) fn insert_rows(&mut self, batch: &Batch) {
        self.insert_facts(&batch.facts);
        self.insert_letters(&batch.letters);
        insert_registers(&mut self.minutes, &batch.minute, true);
        insert_registers(&mut self.days, &batch.day, false);
    }

    /// What a start of this partition is given.
    pub(crate) fn load(&self, origin: &Origin, chunk: &chunk::Config) -> Loaded {
        let entries: Vec<_> = self.ledger.iter().filter(|((other, _), _)| other == origin).collect();
        let next_offset = entries.iter().map(|(_, (next_offset, _))| *next_offset).max();
        let position = next_offset.unwrap_or(0);
        let in_day = |at: u64| at >> (chunk.day_bits - chunk.bits) == position >> chunk.day_bits;
        let day = entries.iter().filter(|((_, at), _)| in_day(*at));
        let rows = |rows: &BTreeMap<RegisterKey, Row>, bits: u32| {
            let open = |((other, at, ..), _): &(&RegisterKey, &Row)| other == origin && *at >= position >> bits;
            rows.iter().filter(open).map(|(_, row)| row.clone()).collect()
        };
        Loaded {
            next_offset,
            tally: self
                .ledger
                .get(&(origin.clone(), position >> chunk.bits))
                .map(|(_, tally)| *tally)
                .unwrap_or_default(),
            day_counted: day.map(|(_, (_, tally))| tally.counted).sum(),
            minutes: rows(&self.minutes, chunk.bits),
            days: rows(&self.days, chunk.day_bits),
            facts: self
                .facts
                .range((origin.clone(), position)..(origin.clone(), u64::MAX))
                .map(|(_, f)| f.clone())
                .collect(),
            ..Loaded::default()
        }
    }

    pub(crate) fn counts_1m(&self) -> BTreeMap<Key, Counts> {
        sum(&self.minutes)
    }

    pub(crate) fn counts_1d(&self) -> BTreeMap<Key, Counts> {
        sum(&self.days)
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

    fn insert_facts(&mut self, rows: &Rows) {
        let mut read = Read(&rows.bytes);
        for _ in 0..rows.count {
            read.text(); // type
            read.text(); // event_id
            let (corp_id, staff_id) = (read.text(), read.text());
            read.text(); // customer_id
            let occurred_at = read.i64();
            read.nullable(|read| drop(read.text()));
            read.text(); // state
            read.nullable(|read| {
                read.i64();
            });
            read.text(); // campaign_id
            read.text(); // direction
            read.take(4);
            read.take(1);
            read.text(); // order_id
            read.nullable(|read| {
                read.i64();
            });
            read.text(); // currency
            read.text(); // task_id
            read.text(); // task_name
            read.nullable(|read| {
                read.i64();
            });
            let extra = read.text();
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&extra).ok();
            let (region_id, store_id, channel, channel_group) = (read.text(), read.text(), read.text(), read.text());
            let (date, recorded_at) = (Date(read.u16()), read.i64());
            let (origin, offset) = (read.origin(), read.u64());
            let window = Window::new(occurred_at, recorded_at, date);
            let fact = Fact { offset, corp_id, staff_id, region_id, store_id, channel, channel_group, window };
            self.facts.insert((origin, offset), fact);
        }
        assert!(read.0.is_empty(), "facts are encoded as their columns say");
    }

    fn insert_letters(&mut self, rows: &Rows) {
        let mut read = Read(&rows.bytes);
        for _ in 0..rows.count {
            let (origin, offset) = (read.origin(), read.u64());
            read.i64();
            let (reason, detail) = (read.text(), read.text());
            read.bytes(); // key
            read.bytes(); // value
            read.u64();
            for _ in 0..read.varint() {
                read.bytes();
                read.bytes();
            }
            self.letters.insert((origin, offset), (reason, detail));
        }
        assert!(read.0.is_empty(), "letters are encoded as their columns say");
    }
}

fn insert_registers(into: &mut BTreeMap<RegisterKey, Row>, rows: &Rows, by_minute: bool) {
    let mut read = Read(&rows.bytes);
    for _ in 0..rows.count {
        let (corp_id, region_id, store_id) = (read.text(), read.text(), read.text());
        let (staff_id, channel) = (read.text(), read.text());
        let minute = if by_minute { read.u32() / 60 } else { 0 };
        let (date, late) = (read.u16(), read.take(1)[0] == 1);
        let (origin, chunk) = (read.origin(), read.u64());
        let mut values = [0; COUNTERS];
        for value in &mut values {
            *value = read.u64();
        }
        let (events, version) = (read.u32(), read.u64());
        let key =
            (corp_id.clone(), minute, date, region_id.clone(), store_id.clone(), staff_id.clone(), channel.clone());
        let window = Window { minute: Minute(minute), date: Date(date), late };
        let upto = upto(version);
        let row = Row { chunk, corp_id, region_id, store_id, staff_id, channel, window, values, events, upto };
        let newest = into.entry((origin, chunk, key, late)).or_insert_with(|| row.clone());
        if upto >= newest.upto {
            *newest = row;
        }
    }
    assert!(read.0.is_empty(), "registers are encoded as their columns say");
}

fn sum(rows: &BTreeMap<RegisterKey, Row>) -> BTreeMap<Key, Counts> {
    let mut sums: BTreeMap<Key, Counts> = BTreeMap::new();
    for ((_, _, key, _), row) in rows {
        let counts = sums.entry(key.clone()).or_default();
        for (counter, value) in Counter::ALL.iter().zip(row.values).filter(|(_, value)| *value > 0) {
            *counts.entry(counter.name()).or_default() += value;
        }
    }
    sums.retain(|_, counts| !counts.is_empty());
    sums
}

/// Reads `RowBinary`.
struct Read<'a>(&'a [u8]);

impl<'a> Read<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take(2).try_into().unwrap())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn varint(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number;
            }
            shift += 7;
        }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.varint();
        self.take(length)
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    fn nullable(&mut self, read: impl FnOnce(&mut Self)) {
        if self.take(1)[0] == 0 {
            read(self);
        }
    }

    fn origin(&mut self) -> Origin {
        Origin { topic: self.text().into(), partition: self.u32() }
    }
}
