//! Records and changes of the directory, made to hit every edge often.
//!
//! Invariant: whatever is drawn here, the recount can read.

use std::sync::Arc;

use serde_json::json;
use yinliu::{
    batch::Origin,
    directory::{OrgRow, Publication, Reference},
};

use super::{
    chance::{BEGIN_MS, Dice, wall_ms},
    log::Log,
};
use crate::{recount::KINDS, support::records::Stored};

const DAY_MS: i64 = 86_400_000;

/// Members of staff from the beginning.
const STAFF: u64 = 3;

/// What producers do in one history.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    /// Records that repeat an earlier one, of a thousand.
    pub(super) repeated: u64,
    pub(super) dedup_records: u64,
    pub(super) span_ms: i64,
    /// Records that are refused, of a thousand.
    pub(super) broken: u64,
    /// Offsets without a record, before so many of a thousand.
    pub(super) gaps: u64,
    /// Whether members appear whose first row comes later.
    pub(super) newcomers: bool,
}

#[derive(Debug)]
pub(super) struct Producer {
    dice: Dice,
    habits: Habits,
    sent: u64,
    pub(super) rows: Vec<OrgRow>,
}

impl Producer {
    /// With a first row of each member, long before the history.
    pub(super) fn new(dice: Dice, habits: Habits) -> Self {
        let mut producer = Self { dice, habits, sent: 0, rows: Vec::new() };
        for staff in 0..STAFF {
            producer.row(staff, BEGIN_MS - 3_600_000);
        }
        producer
    }

    fn row(&mut self, staff: u64, at: i64) {
        let store = self.dice.below(3);
        let valid_from = if self.dice.chance(300) { at - 1_000 * self.dice.below(7_200).cast_signed() } else { at };
        let offset = u64::try_from(self.rows.len()).unwrap();
        self.rows.push(OrgRow {
            publication: Publication { at, partition: 0, offset },
            corp_id: "c".to_owned(),
            staff_id: format!("s{staff}"),
            store_id: format!("st{store}"),
            region_id: format!("r{}", store % 2),
            active: true,
            valid_from,
            ..OrgRow::default()
        });
    }

    /// A member moves; or a newcomer, of whom there are events already, has a first row.
    pub(super) fn change_directory(&mut self) {
        let members = STAFF + if self.habits.newcomers { 3 } else { 0 };
        let staff = self.dice.below(members);
        self.row(staff, wall_ms());
    }

    /// What a process that has read so many rows has not read yet.
    pub(super) fn rows_from(&self, read: usize) -> Vec<Reference> {
        self.rows[read..].iter().cloned().map(Reference::Org).collect()
    }

    /// One more record in this partition.
    pub(super) fn produce(&mut self, log: &Log, origin: &Origin) {
        let gap = if self.dice.chance(self.habits.gaps) { self.dice.between(1, 20) } else { 0 };
        let repeated = if self.dice.chance(self.habits.repeated) { self.earlier(log, origin) } else { None };
        let timestamp = self.timestamp();
        let value = match repeated {
            Some(earlier) => earlier.value.clone().map(|value| self.again(value)),
            None if self.dice.chance(self.habits.broken) => self.broken(timestamp),
            None => Some(self.event(timestamp).to_string().into_bytes()),
        };
        let (topic, partition) = (origin.topic.to_string(), i32::try_from(origin.partition).ok());
        log.append(origin, gap, Stored { topic, partition, timestamp, value, ..Stored::default() });
        if self.dice.chance(self.habits.gaps) {
            log.mark(origin, self.dice.between(1, 5));
        }
    }

    /// An earlier record: a near one, one about as far as the horizon reaches, or any.
    fn earlier(&self, log: &Log, origin: &Origin) -> Option<Arc<Stored>> {
        let horizon = self.habits.dedup_records;
        let distance = match self.dice.below(4) {
            0 | 1 => self.dice.between(1, 4),
            2 => self.dice.between(horizon.saturating_sub(2).max(1), horizon + 2),
            _ => self.dice.between(1, 4 * horizon),
        };
        log.back(origin, usize::try_from(distance).unwrap())
    }

    /// The same event, seldom with another amount: a conflict.
    fn again(&self, value: Vec<u8>) -> Vec<u8> {
        let Ok(text) = str::from_utf8(&value) else { return value };
        // Again and again the amount would leave its range.
        if self.dice.chance(900) || text.contains("\"amount_fen\":111") {
            return value;
        }
        text.replace("\"amount_fen\":", "\"amount_fen\":1").into_bytes()
    }

    /// Mostly of now; sometimes back by so much that it meets the span of the horizon or the delay of the directory.
    fn timestamp(&self) -> i64 {
        let span = self.habits.span_ms.unsigned_abs();
        let back = match self.dice.below(10) {
            0..6 => self.dice.below(50),
            6..9 => self.dice.below(span),
            _ => self.dice.below(3 * span),
        };
        wall_ms() - back.cast_signed()
    }

    fn event(&mut self, timestamp: i64) -> serde_json::Value {
        let dice = &self.dice;
        let age = match dice.below(10) {
            0..6 => dice.below(3_000),
            6 | 7 => dice.below(400_000),
            8 => dice.below(3 * DAY_MS.unsigned_abs()),
            _ => dice.between(119_000, 121_000),
        };
        let ahead = if dice.chance(50) { dice.below(600_000) } else { 0 };
        let kind = *dice.pick(&KINDS);
        let members = STAFF + if self.habits.newcomers { 3 } else { 0 };
        self.sent += 1;
        let mut event = json!({
            "event_id": format!("e{}", self.sent), "type": kind, "corp_id": "c",
            "occurred_at": timestamp - age.cast_signed() + ahead.cast_signed(), "customer_id": "w",
            "order_id": "o", "amount_fen": dice.below(10_000), "count": dice.between(1, 9), "direction": *dice.pick(&["in", "out"]),
            "auto": dice.chance(500), "task_id": "t", "audience": 9,
        });
        if !kind.starts_with("touch.") || dice.chance(500) {
            event["staff_id"] = format!("s{}", dice.below(members)).into();
        }
        match dice.below(5) {
            0 => event["channel"] = (*dice.pick(&["badge", "shared", "nothing"])).into(),
            1 => event["add_way"] = (*dice.pick(&[3, 201, 7_777])).into(),
            _ => {}
        }
        if dice.chance(100) {
            event["store_id"] = format!("st{}", dice.below(3)).into();
        }
        event
    }

    /// A record that is refused.
    fn broken(&mut self, timestamp: i64) -> Option<Vec<u8>> {
        let mut event = self.event(timestamp);
        match self.dice.below(5) {
            0 => return None,
            1 => return Some(b"{\"event_id\":".to_vec()),
            2 => event["type"] = "friend.renamed".into(),
            3 => event["occurred_at"] = (timestamp + 700_000).into(),
            _ => event["occurred_at"] = (timestamp - 36 * DAY_MS).into(),
        }
        Some(event.to_string().into_bytes())
    }
}
