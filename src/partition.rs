//! One partition of an input topic: every record in its order becomes counts, a duplicate, or a dead letter.
//!
//! Invariant: pure; what comes out depends on the log, the directory and what the warehouse held at the start alone.

mod loaded;
mod start;

use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use loaded::{Fact, Loaded, Room, Row, Rows, let_go};
pub use start::Mismatch;

use crate::{
    batch::{self, Batch, Draft, Entry, Origin, Tally, encode_place},
    chunk::{self, Boards, Grain, Key, Places, Registers, View},
    corp::Corps,
    decode::decode,
    dedup::{self, Horizon, Seen, Verdict},
    directory::{Channel, Directory},
    enrich::{self, Dimensions},
    event::{Event, Reason, Record, Refusal, Type},
    mutants::planted,
    window::{Calendar, Window},
};

/// What all partitions of a worker count by.
#[derive(Debug)]
pub struct Rules<'a> {
    pub corps: &'a Corps,
    pub directory: &'a Directory,
    /// `directory.delay`, milliseconds.
    pub delay_ms: i64,
    pub calendar: &'a mut Calendar,
    /// Room for encoding keys; its content has no meaning.
    pub scratch: &'a mut Vec<u8>,
}

/// Settings of every partition.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub chunk: chunk::Config,
    pub dedup: dedup::Config,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its offset lies below the position: it was delivered before.
    Skipped,
    /// It was counted before this process took over, and is read for the sake of its duplicates alone.
    Warmed,
    Rejected(Refusal),
    Duplicate,
    /// A duplicate whose values differ from those of the counted record.
    Conflict,
    Counted(Counted),
}

/// What the pipeline tells about a counted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub kind: Type,
    /// Record timestamp minus `occurred_at`, milliseconds.
    pub lateness_ms: i64,
}

/// What a former owner of the partition decided about an offset, read from the facts.
#[derive(Clone, Debug)]
struct Decision {
    region_id: String,
    store_id: String,
    channel: String,
    channel_group: String,
}

/// The state of one partition.
#[derive(Debug)]
pub struct Partition {
    origin: Origin,
    /// The origin, encoded as it stands in every row.
    encoded: Vec<u8>,
    topic_id: Arc<str>,
    /// The next offset to count.
    position: u64,
    /// The next offset to read for the horizon, while below `position`.
    warmed: u64,
    horizon: Horizon,
    places: Places,
    minute: Registers,
    day: Registers,
    boards: Boards,
    tally: Tally,
    /// Whether `tally` or `position` changed since the last drain.
    changed: bool,
    decided: FxHashMap<u64, Decision>,
    /// Below it an offset without a fact was not counted by its former owner.
    decided_below: u64,
    /// Facts beyond the ledger of records that the log holds no more, in their order.
    unread: Vec<Fact>,
    leans_until: u64,
}

impl Partition {
    /// The next offset to count; everything below it is refused, a duplicate, or counted.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Below it lie all rows beyond the ledger that were loaded; 0 where there were none.
    #[must_use]
    pub const fn leans_until(&self) -> u64 {
        self.leans_until
    }

    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The topic that is read, as the brokers told it; empty where they tell no ids.
    #[must_use]
    pub const fn topic_id(&self) -> &Arc<str> {
        &self.topic_id
    }

    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Registers held, of all grains.
    #[must_use]
    pub fn registers(&self) -> usize {
        self.minute.len() + self.day.len() + self.boards.len()
    }

    /// Events that are remembered for the sake of their duplicates.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.horizon.len()
    }

    /// Memory of everything that is held, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // Names of up to 64 bytes, mostly far shorter.
        let decided = self.decided.capacity() * (size_of::<(u64, Decision)>() + 64);
        let registers = self.minute.bytes() + self.day.bytes() + self.boards.bytes();
        registers + self.places.bytes() + self.horizon.bytes() + decided
    }

    /// Takes in the record at the position or beyond it; offsets between the two do not exist in the log.
    pub fn fold(&mut self, record: &Record<'_>, rules: &mut Rules<'_>, batch: &mut Batch) -> Outcome {
        if record.offset < self.position {
            return self.warm(record, rules, batch);
        }
        self.enter_chunk(record.offset, batch);
        self.position = record.offset + 1;
        // What is delivered again from now on has its place in the horizon already.
        self.warmed = self.position;
        self.changed = true;
        self.tally.received += 1;
        match read(record, rules) {
            Ok((event, window)) => self.count(&event, window, record, rules, batch),
            Err(refusal) => {
                self.tally.rejected += 1;
                batch.letter(record, &refusal, &self.encoded);
                Outcome::Rejected(refusal)
            }
        }
    }

    /// Moves the position to an offset that the log has reached without a record: transaction markers, aborted records.
    pub fn advance(&mut self, position: u64, batch: &mut Batch) {
        if position > self.position {
            self.enter_chunk(position - 1, batch);
            self.position = position;
            self.changed = true;
        }
    }

    /// Encodes what changed since the last drain.
    pub fn drain(&mut self, batch: &mut Batch) {
        if !self.changed {
            return;
        }
        self.changed = false;
        self.minute.drain(&self.places, &self.encoded, self.position, &mut batch.minute);
        self.day.drain(&self.places, &self.encoded, self.position, &mut batch.day);
        self.boards.drain(&self.places, &self.encoded, self.position, &mut batch.board);
        batch.enter(self.entry(self.position));
        if self.position >= self.decided_below {
            self.decided.retain(|&offset, _| offset >= self.position);
        }
    }

    fn entry(&self, next_offset: u64) -> Entry {
        let (origin, topic_id) = (self.origin.clone(), Arc::clone(&self.topic_id));
        Entry { origin, chunk: self.minute.chunk(), next_offset, tally: self.tally, topic_id }
    }

    fn warm(&mut self, record: &Record<'_>, rules: &mut Rules<'_>, batch: &mut Batch) -> Outcome {
        if record.offset < self.warmed {
            return Outcome::Skipped;
        }
        self.warmed = record.offset + 1;
        if let Ok((event, _)) = read(record, rules) {
            let draft = batch.draft(&event, &rules.corps.get(&event.corp_id).currency);
            batch.withdraw(&draft);
            self.observe(&event, &draft, record, rules);
        }
        Outcome::Warmed
    }

    /// Closes the chunks that end at or before `offset`, and opens those in which it lies.
    fn enter_chunk(&mut self, offset: u64, batch: &mut Batch) {
        if !self.minute.ends_before(offset) {
            return;
        }
        let end = self.minute.end();
        self.minute.drain(&self.places, &self.encoded, end, &mut batch.minute);
        if self.changed {
            batch.enter(self.entry(end));
        }
        self.minute = self.minute.next(offset);
        if !planted!(TallyCarriedOver) {
            self.tally = Tally::default();
        }
        if planted!(PlacesForgotten) {
            self.places = Places::default();
        }
        if self.day.ends_before(offset) {
            self.day.drain(&self.places, &self.encoded, self.day.end(), &mut batch.day);
            self.boards.drain(&self.places, &self.encoded, self.day.end(), &mut batch.board);
            self.day = self.day.next(offset);
            self.boards = self.boards.next(offset);
            self.places = Places::default();
        }
    }

    fn count(
        &mut self,
        event: &Event<'_>,
        window: Window,
        record: &Record<'_>,
        rules: &mut Rules<'_>,
        batch: &mut Batch,
    ) -> Outcome {
        let draft = batch.draft(event, &rules.corps.get(&event.corp_id).currency);
        let verdict = self.observe(event, &draft, record, rules);
        let timestamp = record.timestamp.unwrap_or(0);
        // Mostly there is none left.
        let decision = if self.decided.is_empty() { None } else { self.decided.remove(&record.offset) };
        let repeats = match (&decision, verdict) {
            (Some(_), _) | (None, Verdict::First) => false,
            (None, Verdict::Duplicate | Verdict::Conflict) => true,
        };
        if repeats || decision.is_none() && record.offset < self.decided_below {
            batch.withdraw(&draft);
            self.tally.duplicate += 1 + u64::from(planted!(DuplicateTalliedTwice));
            return if verdict == Verdict::Conflict { Outcome::Conflict } else { Outcome::Duplicate };
        }
        let dimensions = match &decision {
            Some(decision) => decision.dimensions(),
            None if planted!(DelayIgnored) => enrich::resolve(event, rules.directory, timestamp),
            None => enrich::resolve(event, rules.directory, timestamp.saturating_sub(rules.delay_ms)),
        };
        match &decision {
            Some(_) => batch.withdraw(&draft),
            None => batch.accept(&dimensions, window.date, record, &self.encoded),
        }
        let lateness_ms = timestamp - event.occurred_at;
        encode_place(rules.scratch, &event.corp_id, &event.staff_id, &dimensions);
        let place = self.places.intern(rules.scratch);
        let additions = event.counters(lateness_ms, dimensions.is_transfer());
        self.minute.add(Key::new(Grain::Minute, place, window), record.offset, &additions);
        let key = Key::new(Grain::Day, place, window);
        let at = self.day.add(key, record.offset, &additions);
        let (places, encoded) = (&mut self.places, &*rules.scratch);
        self.boards.add(at, &additions, event.occurred_at, || board_keys(places, encoded, key));
        self.tally.counted += 1;
        self.tally.extend_dates(window.date);
        batch.note(&event.corp_id, event.occurred_at, timestamp);
        Outcome::Counted(Counted { kind: event.kind, lateness_ms })
    }

    fn observe(&mut self, event: &Event<'_>, draft: &Draft, record: &Record<'_>, rules: &mut Rules<'_>) -> Verdict {
        self.horizon.observe(Seen {
            offset: record.offset,
            #[cfg(feature = "mutants")]
            timestamp: if planted!(DedupByWallClock) {
                crate::mutants::clock_ms()
            } else {
                record.timestamp.unwrap_or(0)
            },
            #[cfg(not(feature = "mutants"))]
            timestamp: record.timestamp.unwrap_or(0),
            identity: batch::identity(event, rules.scratch),
            values: draft.values,
        })
    }
}

impl Decision {
    fn dimensions(&self) -> Dimensions<'_> {
        Dimensions {
            region_id: &self.region_id,
            store_id: &self.store_id,
            channel: Channel { key: &self.channel, group: &self.channel_group },
        }
    }
}

/// The two registers for boards of what counts in this register by day, which has these encoded dimensions.
fn board_keys(places: &mut Places, encoded: &[u8], day: Key) -> [Key; 2] {
    [View::Staff, View::Channel].map(|view| day.at(places.intern_for_boards(encoded, view)))
}

/// Decodes a record and assigns its windows.
fn read<'a>(record: &Record<'a>, rules: &mut Rules<'_>) -> Result<(Event<'a>, Window), Refusal> {
    let event = decode(record, rules.corps)?;
    let timestamp = record.timestamp.unwrap_or(0);
    let window = rules.calendar.window(rules.corps.get(&event.corp_id), event.occurred_at, timestamp);
    window.map(|window| (event, window)).ok_or_else(|| Refusal {
        reason: Reason::InvalidField,
        detail: "`occurred_at` lies outside 1970-01-01 to 2106-02-07, the range of the warehouse".to_owned(),
    })
}
