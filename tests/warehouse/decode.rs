//! The rows of a batch, read from their encoded form as ClickHouse would read them.
//!
//! Invariant: the order of the columns is written down here once more, by hand.

use yinliu::{
    batch::{Entry, Origin, Rows, Tally, upto},
    chunk::{COUNTERS, Grain},
    event::{Direction, Type, Weight},
    partition::{self, Fact},
    sink::Table,
    window::{Date, Minute, Window},
};

use super::RegisterKey;

/// One register.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) chunk: u64,
    pub(crate) corp_id: String,
    pub(crate) region_id: String,
    pub(crate) store_id: String,
    pub(crate) staff_id: String,
    pub(crate) channel: String,
    pub(crate) window: Window,
    pub(crate) values: [u64; COUNTERS],
    pub(crate) events: u32,
    pub(crate) last_add_at: i64,
    pub(crate) upto: u64,
}

impl Row {
    /// As a partition is given it.
    pub(crate) fn loaded(&self) -> partition::Row<'_> {
        let Self { corp_id, region_id, store_id, staff_id, channel, values, .. } = self;
        let &Self { chunk, window, events, last_add_at, upto, .. } = self;
        partition::Row {
            chunk,
            corp_id,
            region_id,
            store_id,
            staff_id,
            channel,
            window,
            values,
            events,
            last_add_at,
            upto,
        }
    }
}

/// One row of a table that the pipeline writes.
#[derive(Clone, Debug)]
pub(crate) enum Inserted {
    Fact(Origin, Box<Fact>),
    Register(Grain, Box<(RegisterKey, Row)>),
    /// Reason and detail of a refused record.
    Letter(Origin, u64, (String, String)),
    Ledger(Entry),
    /// Complete through this moment, milliseconds since the epoch.
    Progress(Origin, i64),
}

impl Inserted {
    /// The rows of one insert. Those of tables without an influence on counting are left out.
    pub(crate) fn read(table: Table, rows: &Rows) -> Vec<Self> {
        let mut read = Read(&rows.bytes);
        let row = |read: &mut Read<'_>| match table {
            Table::Facts => read.fact(),
            Table::Minutes => read.register(Grain::Minute),
            Table::Days => read.register(Grain::Day),
            Table::Boards => read.register(Grain::Board),
            Table::Ledger => read.entry(),
            Table::Letters => read.letter(),
            Table::Progress => Self::Progress(read.origin(), read.i64()),
            other => panic!("`{other:?}` is written by other means"),
        };
        if table == Table::Activity {
            return Vec::new();
        }
        let inserted = (0..rows.count).map(|_| row(&mut read)).collect();
        assert!(read.0.is_empty(), "rows of {table:?} are encoded as their columns say");
        inserted
    }

    /// The partition of its table in which ClickHouse keeps the row: an insert is atomic within one alone.
    pub(crate) fn table_partition(&self) -> (u16, bool) {
        match self {
            // By month in ClickHouse; two days stand for two months here, so that this happens in a short history too.
            Self::Fact(_, fact) => (fact.window.date.0, false),
            Self::Register(_, register) => (register.1.window.date.0, register.1.window.late),
            Self::Letter(..) | Self::Ledger(_) | Self::Progress(..) => (0, false),
        }
    }
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

    fn nullable<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.take(1)[0] == 0).then(|| read(self))
    }

    fn origin(&mut self) -> Origin {
        Origin { topic: self.text().into(), partition: self.u32() }
    }

    fn fact(&mut self) -> Inserted {
        let kind = Type::from_name(&self.text()).unwrap();
        self.text(); // event_id
        let (corp_id, staff_id) = (self.text(), self.text());
        self.text(); // customer_id
        let occurred_at = self.i64();
        self.nullable(Self::text); // channel_given
        self.text(); // state
        self.nullable(Self::i64); // add_way
        self.text(); // campaign_id
        let direction = Direction::from_name(&self.text());
        let (count, auto) = (self.u32().into(), self.take(1)[0] == 1);
        self.text(); // order_id
        let amount_fen = self.nullable(Self::u64);
        for _ in ["currency", "task_id", "task_name"] {
            self.text();
        }
        self.nullable(Self::u64); // audience
        let extra = self.text();
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&extra).ok();
        let (region_id, store_id, channel, channel_group) = (self.text(), self.text(), self.text(), self.text());
        let (date, recorded_at) = (Date(self.u16()), self.i64());
        let (origin, offset) = (self.origin(), self.u64());
        let window = Window::new(occurred_at, recorded_at, date);
        let (weight, lateness_ms) = (Weight { kind, count, direction, auto, amount_fen }, recorded_at - occurred_at);
        let fact = Fact {
            offset,
            occurred_at,
            corp_id,
            staff_id,
            region_id,
            store_id,
            channel,
            channel_group,
            window,
            weight,
            lateness_ms,
        };
        Inserted::Fact(origin, Box::new(fact))
    }

    fn register(&mut self, grain: Grain) -> Inserted {
        let (corp_id, region_id, store_id) = (self.text(), self.text(), self.text());
        let (staff_id, channel) = (self.text(), self.text());
        let minute = if grain == Grain::Minute { self.u32() / 60 } else { 0 };
        let (date, late) = (self.u16(), self.take(1)[0] == 1);
        let (origin, chunk) = (self.origin(), self.u64());
        let mut values = [0; COUNTERS];
        for value in &mut values {
            *value = self.u64();
        }
        let (events, version) = (self.u32(), self.u64());
        let last_add_at = if grain == Grain::Board { self.i64() } else { 0 };
        let key =
            (corp_id.clone(), minute, date, region_id.clone(), store_id.clone(), staff_id.clone(), channel.clone());
        let window = Window { minute: Minute(minute), date: Date(date), late };
        let upto = upto(version);
        let row =
            Row { chunk, corp_id, region_id, store_id, staff_id, channel, window, values, events, last_add_at, upto };
        Inserted::Register(grain, Box::new(((origin, chunk, key, late), row)))
    }

    fn entry(&mut self) -> Inserted {
        let (origin, chunk, next_offset) = (self.origin(), self.u64(), self.u64());
        let [received, rejected, duplicate, counted] = [self.u64(), self.u64(), self.u64(), self.u64()];
        let [_generation, _fold, first, last] = [self.u16(), self.u16(), self.u16(), self.u16()];
        let topic_id = self.text().into();
        assert_eq!(upto(self.u64()), next_offset, "the version of a ledger row is its position");
        let dates = (counted > 0).then_some((Date(first), Date(last)));
        let tally = Tally { received, rejected, duplicate, counted, dates };
        Inserted::Ledger(Entry { origin, chunk, next_offset, tally, topic_id })
    }

    fn letter(&mut self) -> Inserted {
        let (origin, offset) = (self.origin(), self.u64());
        self.i64();
        let words = (self.text(), self.text());
        self.bytes(); // key
        self.bytes(); // value
        self.u64();
        for _ in 0..self.varint() {
            self.bytes();
            self.bytes();
        }
        Inserted::Letter(origin, offset, words)
    }
}
