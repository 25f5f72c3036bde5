//! What one flush carries: encoded rows for each table, and the ledger rows that may follow them.
//!
//! Invariant: pure; only appends. Rows are in ClickHouse's `RowBinary`, encoded once, so that a retry sends the same bytes.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::{
    dedup::Identity,
    enrich::Dimensions,
    event::{Counter, Event, Record, Refusal},
    mutants::planted,
    window::{Date, Minute},
};

/// Version of the rules of counting, kept with every chunk.
pub const FOLD: u16 = 1;

/// Values of dead letters are kept up to here; the whole value is in the topic.
const LETTER_VALUE_BYTES_MAX: usize = 65_536;

/// Columns of a fact, in the order in which [`Batch`] encodes them.
pub const FACT_COLUMNS: &str = "type, event_id, corp_id, staff_id, customer_id, occurred_at, channel_given, state, \
     add_way, campaign_id, direction, count, auto, order_id, amount_fen, currency, task_id, task_name, audience, extra, \
     region_id, store_id, channel, channel_group, business_date, recorded_at, src_topic, src_partition, src_offset";

/// Columns of a refused record.
pub const LETTER_COLUMNS: &str =
    "src_topic, src_partition, src_offset, recorded_at, reason, detail, key, value, value_bytes, headers";

/// Columns of a ledger row.
pub const LEDGER_COLUMNS: &str = "src_topic, src_partition, src_chunk, next_offset, received, rejected, duplicate, \
     counted, generation, fold, first_date, last_date, topic_id, version";

/// Columns of a register: by minute, or by day without `window_start`. Those for boards have `last_add_at` behind them.
#[must_use]
pub fn register_columns(window_start: &str) -> String {
    let counters: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    format!(
        "corp_id, region_id, store_id, staff_id, channel, {window_start}business_date, late, src_topic, \
         src_partition, src_chunk, {}, events, version",
        counters.join(", ")
    )
}

/// A partition of an input topic, as it stands in the tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The topic; a recreated one that was adopted carries `#` and its number.
    pub topic: Arc<str>,
    pub partition: u32,
}

impl Origin {
    /// The partition as it stands in the tables, for this incarnation of its topic; the first one is 1.
    #[must_use]
    pub fn label(&self, incarnation: u32) -> Self {
        if incarnation <= 1 {
            return self.clone();
        }
        Self { topic: format!("{}#{incarnation}", self.topic).into(), partition: self.partition }
    }

    /// The partition as the brokers know it: names of topics hold no `#`.
    #[must_use]
    pub fn broker(&self) -> Self {
        match self.topic.split_once('#') {
            None => self.clone(),
            Some((topic, _)) => Self { topic: topic.into(), partition: self.partition },
        }
    }
}

/// Rows of one table, encoded one after another.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub bytes: Vec<u8>,
    pub count: usize,
}

/// How far one chunk is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub origin: Origin,
    pub chunk: u64,
    pub next_offset: u64,
    pub tally: Tally,
    pub topic_id: Arc<str>,
}

/// What became of the records of one chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub received: u64,
    pub rejected: u64,
    pub duplicate: u64,
    pub counted: u64,
    /// Earliest and latest business day counted.
    pub dates: Option<(Date, Date)>,
}

impl Tally {
    /// The balance that holds at every instant: each record is refused, a duplicate, or counted.
    #[must_use]
    pub const fn balances(&self) -> bool {
        self.received == self.rejected + self.duplicate + self.counted
    }

    /// Takes in the day of a counted record.
    pub fn extend_dates(&mut self, date: Date) {
        let (first, last) = self.dates.unwrap_or((date, date));
        self.dates = Some((first.min(date), last.max(date)));
    }
}

/// The rows since the last flush of all partitions of one worker.
#[derive(Debug, Default)]
pub struct Batch {
    /// Raised each time all partitions start again from the ledger: what was drained before that is void.
    pub epoch: u64,
    pub facts: Rows,
    pub minute: Rows,
    pub day: Rows,
    pub board: Rows,
    pub letters: Rows,
    /// Written after all rows above are acknowledged; at most one for each chunk.
    pub ledger: Vec<Entry>,
    /// The latest `occurred_at` counted, by corp.
    pub activity: FxHashMap<String, i64>,
    /// Record timestamps of counted records in tenths of a second, and how many follow each other with the same: by
    /// these the delay up to the acknowledged insert is told.
    pub recorded: Vec<(i64, u32)>,
    /// Partitions that were started since the last drain.
    pub opened: Vec<Opened>,
}

/// A partition that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub origin: Origin,
    /// As the brokers told it; empty where they tell no ids.
    pub topic_id: Arc<str>,
    /// The ledger's position; `None` where it has no row yet.
    pub ledger: Option<u64>,
    /// Everything below it is in the warehouse, or in the log no more.
    pub position: u64,
    /// Until the ledger is here, the partition leans on rows beyond the ledger that it loaded and does not write again.
    pub leans_until: u64,
    /// How often the warehouse had been away, and may have been replaced, when the loading began.
    pub absences: u64,
}

/// The part of a fact that the record alone decides, encoded but not yet accepted.
#[derive(Debug)]
pub struct Draft {
    start: usize,
    /// A hash of the values: two deliveries of one event with the same values share it.
    pub values: u64,
}

impl Batch {
    /// Bytes of all rows.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let rows = [&self.facts, &self.minute, &self.day, &self.board, &self.letters];
        rows.into_iter().map(|rows| rows.bytes.len()).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0 && self.ledger.is_empty() && self.opened.is_empty()
    }

    /// Encodes what the record says. Follow it by [`Self::accept`] or [`Self::withdraw`].
    pub fn draft(&mut self, event: &Event<'_>, currency: &str) -> Draft {
        let rows = &mut self.facts.bytes;
        let start = rows.len();
        put_text(rows, event.kind.name());
        put_text(rows, &event.event_id);
        put_text(rows, &event.corp_id);
        put_text(rows, &event.staff_id);
        put_text(rows, &event.customer_id);
        rows.extend_from_slice(&event.occurred_at.to_le_bytes());
        put_nullable(rows, (!event.channel.is_empty()).then_some(&event.channel), |rows, text| put_text(rows, text));
        put_text(rows, &event.state);
        put_nullable(rows, event.add_way, |rows, code| rows.extend_from_slice(&code.to_le_bytes()));
        put_text(rows, &event.campaign_id);
        put_text(rows, event.direction.map_or("", crate::event::Direction::name));
        rows.extend_from_slice(&u32::try_from(event.count).unwrap_or(u32::MAX).to_le_bytes());
        rows.push(u8::from(event.auto));
        put_text(rows, &event.order_id);
        put_nullable(rows, event.amount_fen, |rows, fen| rows.extend_from_slice(&fen.to_le_bytes()));
        put_text(rows, if event.amount_fen.is_some() { currency } else { "" });
        put_text(rows, &event.task_id);
        put_text(rows, &event.task_name);
        put_nullable(rows, event.audience, |rows, people| rows.extend_from_slice(&people.to_le_bytes()));
        // Store and region stand in the row as resolved; as given they are hashed only.
        let end = rows.len();
        put_text(rows, &event.store_id);
        put_text(rows, &event.region_id);
        let values = xxhash_rust::xxh3::xxh3_64(&rows[start..]);
        rows.truncate(end);
        put_text(rows, &event.extra);
        Draft { start, values }
    }

    /// Completes the fact of a counted event. `origin` is encoded by [`encode_origin`].
    pub fn accept(&mut self, dimensions: &Dimensions<'_>, date: Date, record: &Record<'_>, origin: &[u8]) {
        let rows = &mut self.facts.bytes;
        put_text(rows, dimensions.region_id);
        put_text(rows, dimensions.store_id);
        put_text(rows, dimensions.channel.key);
        put_text(rows, dimensions.channel.group);
        rows.extend_from_slice(&date.0.to_le_bytes());
        rows.extend_from_slice(&record.timestamp.unwrap_or(0).to_le_bytes());
        rows.extend_from_slice(origin);
        rows.extend_from_slice(&record.offset.to_le_bytes());
        self.facts.count += 1;
    }

    /// Takes the draft back: the event is a duplicate, or its fact is in the warehouse already.
    pub fn withdraw(&mut self, draft: &Draft) {
        self.facts.bytes.truncate(draft.start);
    }

    /// Notes a counted event for freshness.
    pub fn note(&mut self, corp_id: &str, occurred_at: i64, timestamp: i64) {
        let tenth = timestamp.div_euclid(100);
        match self.recorded.last_mut() {
            Some((last, count)) if *last == tenth => *count += 1,
            _ => self.recorded.push((tenth, 1)),
        }
        self.active(corp_id, occurred_at);
    }

    fn active(&mut self, corp_id: &str, occurred_at: i64) {
        match self.activity.get_mut(corp_id) {
            Some(latest) => *latest = (*latest).max(occurred_at),
            None => {
                self.activity.insert(corp_id.to_owned(), occurred_at);
            }
        }
    }

    /// Encodes a refused record for the table; the topic carries it whole.
    pub fn letter(&mut self, record: &Record<'_>, refusal: &Refusal, origin: &[u8]) {
        let rows = &mut self.letters.bytes;
        rows.extend_from_slice(origin);
        rows.extend_from_slice(&record.offset.to_le_bytes());
        // The column is a part of the table's partition: out of its range would be out of the calendar.
        let recorded_at = record.timestamp.unwrap_or(0).clamp(0, crate::window::END_MS - 1);
        rows.extend_from_slice(&recorded_at.to_le_bytes());
        put_text(rows, refusal.reason.name());
        put_text(rows, &refusal.detail);
        put_bytes(rows, record.key.unwrap_or_default());
        let value = record.value.unwrap_or_default();
        put_bytes(rows, &value[..value.len().min(LETTER_VALUE_BYTES_MAX)]);
        put_length(rows, value.len());
        put_varint(rows, record.headers.len());
        for header in record.headers {
            put_text(rows, header.name);
            put_bytes(rows, header.value);
        }
        self.letters.count += 1;
    }

    /// Replaces the row of the same chunk, for a ledger row is absolute; but for one that is further, by which a former
    /// owner in this process vouches for its rows.
    pub fn enter(&mut self, entry: Entry) {
        match self.ledger.iter_mut().find(|other| other.origin == entry.origin && other.chunk == entry.chunk) {
            Some(other) if other.next_offset > entry.next_offset && !planted!(OlderEntryWins) => {}
            Some(other) => *other = entry,
            None => self.ledger.push(entry),
        }
    }

    /// Takes out everything; the room stays.
    pub fn clear(&mut self) {
        for rows in [&mut self.facts, &mut self.minute, &mut self.day, &mut self.board, &mut self.letters] {
            rows.bytes.clear();
            rows.count = 0;
        }
        self.ledger.clear();
        self.activity.clear();
        self.recorded.clear();
        self.opened.clear();
    }

    /// Takes over the rows of another worker; counts of `other` have no meaning afterwards.
    pub fn append(&mut self, other: &mut Self) {
        let rows = [
            (&mut self.facts, &mut other.facts),
            (&mut self.minute, &mut other.minute),
            (&mut self.day, &mut other.day),
            (&mut self.board, &mut other.board),
            (&mut self.letters, &mut other.letters),
        ];
        for (mine, theirs) in rows {
            mine.bytes.append(&mut theirs.bytes);
            mine.count += theirs.count;
        }
        for entry in other.ledger.drain(..) {
            self.enter(entry);
        }
        for (corp_id, occurred_at) in other.activity.drain() {
            self.active(&corp_id, occurred_at);
        }
        self.recorded.append(&mut other.recorded);
        self.opened.append(&mut other.opened);
    }
}

/// The identity of an event in its partition.
#[must_use]
pub fn identity(event: &Event<'_>, scratch: &mut Vec<u8>) -> Identity {
    Identity::new(&event.corp_id, &event.event_id, scratch)
}

/// `src_topic, src_partition`, as they stand in every row.
#[must_use]
pub fn encode_origin(origin: &Origin) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_text(&mut bytes, &origin.topic);
    bytes.extend_from_slice(&origin.partition.to_le_bytes());
    bytes
}

/// `corp_id, region_id, store_id, staff_id, channel`, as they stand in a register, into `key`.
pub fn encode_place(key: &mut Vec<u8>, corp_id: &str, staff_id: &str, dimensions: &Dimensions<'_>) {
    key.clear();
    put_text(key, corp_id);
    put_text(key, dimensions.region_id);
    put_text(key, dimensions.store_id);
    put_text(key, staff_id);
    put_text(key, dimensions.channel.key);
}

/// `window_start` where there is one, `business_date, late`.
pub fn put_window(rows: &mut Vec<u8>, minute: Option<Minute>, date: Date, late: bool) {
    if let Some(Minute(minute)) = minute {
        rows.extend_from_slice(&(minute * 60).to_le_bytes());
    }
    rows.extend_from_slice(&date.0.to_le_bytes());
    rows.push(u8::from(late));
}

/// The version of a row that is complete below `upto`; generation 0 is the pipeline's own.
#[must_use]
pub const fn version(generation: u16, upto: u64) -> u64 {
    #[allow(clippy::as_conversions, reason = "u64::from is not const")]
    let generation = generation as u64;
    generation << 48 | upto
}

/// The offset below which a row of this version is complete.
#[must_use]
pub const fn upto(version: u64) -> u64 {
    version & ((1 << 48) - 1)
}

/// The ledger rows, in the order of [`LEDGER_COLUMNS`].
#[must_use]
pub fn encode_ledger(entries: &[Entry]) -> Rows {
    let mut rows = Rows { bytes: Vec::with_capacity(entries.len() * 128), count: entries.len() };
    for entry in entries {
        let bytes = &mut rows.bytes;
        put_text(bytes, &entry.origin.topic);
        bytes.extend_from_slice(&entry.origin.partition.to_le_bytes());
        let Tally { received, rejected, duplicate, counted, dates } = entry.tally;
        for number in [entry.chunk, entry.next_offset, received, rejected, duplicate, counted] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let (first, last) = dates.unwrap_or((Date(0), Date(0)));
        for number in [0, FOLD, first.0, last.0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        put_text(bytes, &entry.topic_id);
        bytes.extend_from_slice(&version(0, entry.next_offset).to_le_bytes());
    }
    rows
}

fn put_nullable<T>(rows: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    rows.push(u8::from(value.is_none()));
    if let Some(value) = value {
        put(rows, value);
    }
}

/// Text with its length in front.
pub fn put_text(rows: &mut Vec<u8>, text: &str) {
    put_bytes(rows, text.as_bytes());
}

/// Bytes with their length in front.
pub fn put_bytes(rows: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(rows, bytes.len());
    rows.extend_from_slice(bytes);
}

fn put_length(rows: &mut Vec<u8>, length: usize) {
    rows.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
}

/// LEB128, least significant group first.
pub fn put_varint(rows: &mut Vec<u8>, mut number: usize) {
    loop {
        let group = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            return rows.push(group);
        }
        rows.push(group | 0x80);
    }
}
