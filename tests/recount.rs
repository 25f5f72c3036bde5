//! The counts once more, from the log alone: slow, obvious, and without a line of the program's own.
//!
//! Invariant: takes the records from their beginning and the contract's sentences as they stand; made for records whose
//! directory has one row for each channel code.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde_json::{Map, Value};
use yinliu::directory::{OrgRow, Publication};

use crate::{
    support::{
        figures::{Chunks, Differences, Figures, differences},
        records::{self, Stored},
        stage::Stage,
    },
    warehouse::{Key, LAST_ADD},
};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// Asia/Shanghai has had no other offset since 1991.
const SHANGHAI_MS: i64 = 8 * 3_600_000;

/// What the contract lets a configuration choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// `dedup.records`.
    pub(crate) records: u64,
    /// `dedup.span`.
    pub(crate) span_ms: i64,
    /// `directory.delay`.
    pub(crate) delay_ms: i64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { records: 65_536, span_ms: DAY_MS, delay_ms: MINUTE_MS }
    }
}

/// What becomes of a record that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As the contract's sentences say.
    ByRule,
    /// Nobody could read it before retention took it.
    Gone,
    Counted,
    Repeats,
}

/// What the log alone does not tell, because it is gone from it.
pub(crate) trait Witness {
    /// The fate of a record; `nearest` is the offset of the nearest earlier record of its identity.
    fn fate(&self, record: &Stored, nearest: Option<u64>) -> Fate;

    /// Store and region under which a record was counted whose member had no row by then.
    fn place(&self, record: &Stored, first: Option<&OrgRow>) -> (String, String);
}

/// The log tells everything: it is whole, and each member has a row before all events.
pub(crate) struct WholeLog;

impl Witness for WholeLog {
    fn fate(&self, _: &Stored, _: Option<u64>) -> Fate {
        Fate::ByRule
    }

    fn place(&self, _: &Stored, first: Option<&OrgRow>) -> (String, String) {
        first.map(|row| (row.store_id.clone(), row.region_id.clone())).unwrap_or_default()
    }
}

/// An event in an earlier record of the partition: its offset and timestamp.
type Seen = HashMap<(String, i32, String, String), (u64, i64)>;

/// Who worked where, and what the channel codes meant.
#[derive(Debug)]
pub(crate) struct Directory {
    /// By corp and member, in the order of publication.
    members: HashMap<(String, String), Vec<OrgRow>>,
    /// Channel by corp and code.
    codes: HashMap<(String, String), String>,
    keys: HashSet<String>,
}

/// How much was compared: records of the log, and keys by minute and by day; and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) records: usize,
    pub(crate) keys: usize,
    pub(crate) wrong: Differences,
}

impl Compared {
    pub(crate) fn assert_right(&self) {
        assert!(self.wrong.rows == 0, "{}", self.wrong.told);
    }
}

/// What the warehouse has to show of these records of the input topics, given in the order of each partition.
pub(crate) fn recount(
    terms: &Terms,
    directory: &Directory,
    records: &[Stored],
    witness: &dyn Witness,
) -> (Figures, Chunks) {
    let (mut figures, mut chunks, mut seen) = (Figures::default(), Chunks::default(), Seen::new());
    for record in records {
        let partition = record.partition.unwrap();
        let number = u32::try_from(partition).unwrap();
        let event = event(record);
        let earlier = event.as_ref().and_then(|event| {
            let identity = (record.topic.clone(), partition, text(event, "corp_id"), text(event, "event_id"));
            seen.insert(identity, (record.offset, record.timestamp))
        });
        let fate = witness.fate(record, earlier.map(|(offset, _)| offset));
        if fate == Fate::Gone {
            continue;
        }
        let sums = chunks.0.entry((record.topic.clone(), number)).or_default();
        sums[0] = record.offset + 1;
        sums[1] += 1;
        let Some(event) = event else {
            sums[2] += 1;
            continue;
        };
        let within = |(offset, at): (u64, i64)| {
            record.offset - offset <= terms.records && record.timestamp - at <= terms.span_ms
        };
        if fate == Fate::Repeats || fate == Fate::ByRule && earlier.is_some_and(within) {
            sums[3] += 1;
            continue;
        }
        sums[4] += 1;
        figures.events.insert((record.topic.clone(), number, record.offset));
        let (store_id, region_id) = directory.place(terms, &event, record, witness);
        let channel = directory.channel(&event);
        count(&mut figures, &event, record.timestamp, [region_id, store_id, channel]);
    }
    (figures, chunks)
}

/// The views, as they are now, equal everything that the input topics hold.
pub(crate) async fn assert_counts_equal_the_log(stage: &Stage<'_>) -> Compared {
    assert_counts_equal(stage, &stage.records()).await
}

/// The views, as they are now, equal these records, whether or not the log still holds them.
pub(crate) async fn assert_counts_equal(stage: &Stage<'_>, records: &[Stored]) -> Compared {
    let compared = compare(stage, records).await;
    compared.assert_right();
    compared
}

/// The views, as they are now, beside these records.
pub(crate) async fn compare(stage: &Stage<'_>, records: &[Stored]) -> Compared {
    compare_by(stage, records, &Terms::default()).await
}

/// The same by other terms.
pub(crate) async fn compare_by(stage: &Stage<'_>, records: &[Stored], terms: &Terms) -> Compared {
    let (figures, chunks) = recount(terms, &Directory::read(stage), records, &WholeLog);
    assert!(!figures.minutes.is_empty(), "there is something to count");
    let found = stage.figures().await;
    let ledger = Chunks::read(&stage.client()).await.unwrap();
    let events = |events: &BTreeSet<_>| events.iter().cloned().map(|event| (event, ())).collect();
    let wrong = [
        differences("`events` against the log", &events(&figures.events), &events(&found.events)),
        differences("minutes against the log", &figures.minutes, &found.minutes),
        differences("days against the log", &figures.days, &found.days),
        differences("boards against the log", &figures.boards, &found.boards),
        differences("sums of `chunks` against the log", &chunks.0, &ledger.0),
    ];
    Compared {
        records: records.len(),
        keys: figures.minutes.len() + figures.days.len(),
        wrong: wrong.iter().fold(Differences::default(), Differences::and),
    }
}

/// The object of a record, with the attributes of its envelope; `None` where it is refused.
fn event(record: &Stored) -> Option<Map<String, Value>> {
    let value: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
    let mut event = value.as_object()?.clone();
    if event.contains_key("specversion") {
        let mut data = event["data"].as_object()?.clone();
        for (attribute, field) in [("id", "event_id"), ("type", "type"), ("time", "occurred_at")] {
            data.entry(field).or_insert_with(|| event[attribute].clone());
        }
        event = data;
    }
    let kind = event.get("type")?.as_str()?.to_owned();
    let known = KINDS.contains(&kind.as_str());
    let named = kind.starts_with("touch.") || event.get("staff_id").is_some_and(Value::is_string);
    let customer = event.get("customer_id").is_none_or(Value::is_string);
    let age = record.timestamp - occurred_at(&event);
    let good = known && named && customer && (-600_000..=35 * DAY_MS).contains(&age);
    good.then_some(event)
}

/// Every type of event.
pub(crate) const KINDS: [&str; 14] = [
    "touch.exposed",
    "touch.scanned",
    "friend.requested",
    "friend.half_added",
    "friend.added",
    "friend.deleted_by_customer",
    "friend.deleted_by_staff",
    "friend.transferred_in",
    "friend.transferred_out",
    "message.inbound",
    "message.outbound",
    "order.paid",
    "order.refunded",
    "broadcast.sent",
];

fn occurred_at(event: &Map<String, Value>) -> i64 {
    match &event["occurred_at"] {
        Value::String(time) => time.parse::<Timestamp>().unwrap().as_millisecond(),
        number => number.as_i64().unwrap(),
    }
}

fn text(event: &Map<String, Value>, field: &str) -> String {
    event.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn count(figures: &mut Figures, event: &Map<String, Value>, timestamp: i64, place: [String; 3]) {
    let (corp_id, staff_id) = (text(event, "corp_id"), text(event, "staff_id"));
    let occurred_at = occurred_at(event);
    let [region_id, store_id, channel] = place;
    let minute = u32::try_from(occurred_at / MINUTE_MS).unwrap();
    let day = u16::try_from((occurred_at + SHANGHAI_MS) / DAY_MS).unwrap();
    let late = timestamp - occurred_at > 120_000;
    for (counter, value) in additions(event, &channel, late).into_iter().filter(|(_, value)| *value > 0) {
        let key = |minute: u32| -> Key {
            let place = (region_id.clone(), store_id.clone());
            (corp_id.clone(), minute, day, place.0, place.1, staff_id.clone(), channel.clone())
        };
        *figures.minutes.entry(key(minute)).or_default().entry(counter).or_default() += value;
        *figures.days.entry(key(0)).or_default().entry(counter).or_default() += value;
        let (corp_id, region_id, none) = (corp_id.clone(), region_id.clone(), String::new());
        let of_staff = (corp_id.clone(), 0, day, region_id.clone(), store_id.clone(), staff_id.clone(), String::new());
        for board in [of_staff, (corp_id, 0, day, region_id, none.clone(), none, channel.clone())] {
            let counts = figures.boards.entry(board).or_default();
            *counts.entry(counter).or_default() += value;
            if counter == "adds" {
                let last = counts.entry(LAST_ADD).or_default();
                *last = u64::try_from(occurred_at).unwrap().max(*last);
            }
        }
    }
}

/// The table of section 1.
fn additions(event: &Map<String, Value>, channel: &str, late: bool) -> Vec<(&'static str, u64)> {
    let number = |field: &str, absent: u64| event.get(field).map_or(absent, |value| value.as_u64().unwrap());
    let count = number("count", 1);
    match text(event, "type").as_str() {
        "touch.exposed" => vec![("exposures", count)],
        "touch.scanned" => vec![("scans", count)],
        "friend.requested" if text(event, "direction") == "in" => vec![("requests_in", 1)],
        "friend.requested" => vec![("requests_out", 1)],
        "friend.half_added" => vec![("half_adds", 1)],
        "friend.added" if ["shared", "assigned"].contains(&channel) => vec![("transfers_in", 1)],
        "friend.added" => vec![("adds", 1), ("late_adds", u64::from(late))],
        "friend.deleted_by_customer" => vec![("deletes_by_customer", 1)],
        "friend.deleted_by_staff" => vec![("deletes_by_staff", 1)],
        "friend.transferred_in" => vec![("transfers_in", 1)],
        "friend.transferred_out" => vec![("transfers_out", 1)],
        "message.inbound" => vec![("messages_in", count)],
        "message.outbound" if event.get("auto") == Some(&Value::Bool(true)) => vec![("messages_auto", count)],
        "message.outbound" => vec![("messages_out", count)],
        "order.paid" => vec![("orders", 1), ("gmv_fen", number("amount_fen", 0))],
        "order.refunded" => vec![("refunds", 1), ("refund_fen", number("amount_fen", 0))],
        "broadcast.sent" => vec![("broadcasts", 1)],
        other => panic!("`{other}` is no type"),
    }
}

impl Directory {
    /// Of these rows and codes (channel by corp and code).
    pub(crate) fn new(
        rows: impl IntoIterator<Item = OrgRow>,
        codes: impl IntoIterator<Item = ((String, String), String)>,
    ) -> Self {
        let mut members: HashMap<_, Vec<OrgRow>> = HashMap::new();
        for row in rows {
            members.entry((row.corp_id.clone(), row.staff_id.clone())).or_default().push(row);
        }
        for rows in members.values_mut() {
            rows.sort_by_key(|row| row.publication);
        }
        let table: Value = serde_json::from_str(include_str!("../schemas/channels.json")).unwrap();
        let channels = table["channels"].as_array().unwrap().iter();
        let keys = channels.map(|channel| channel["key"].as_str().unwrap().to_owned()).collect();
        Self { members, codes: codes.into_iter().collect(), keys }
    }

    fn read(stage: &Stage<'_>) -> Self {
        let rows = |role: &str| {
            let records = records::read(stage.kafka, &[stage.topic(role)]);
            records.into_iter().map(|record| {
                let row = serde_json::from_slice::<Map<String, Value>>(record.value.as_deref().unwrap()).unwrap();
                (record, row)
            })
        };
        let member = |(record, row): (Stored, Map<String, Value>)| OrgRow {
            publication: Publication { at: record.timestamp, partition: 0, offset: record.offset },
            corp_id: text(&row, "corp_id"),
            staff_id: text(&row, "staff_id"),
            store_id: text(&row, "store_id"),
            region_id: text(&row, "region_id"),
            valid_from: row.get("valid_from").and_then(Value::as_i64).unwrap_or(record.timestamp),
            ..OrgRow::default()
        };
        let code = |(_, row): (Stored, Map<String, Value>)| {
            ((text(&row, "corp_id"), text(&row, "state")), text(&row, "channel"))
        };
        Self::new(rows("org").map(member), rows("channel").map(code))
    }

    /// The first of `channel`, `state`, `add_way` that is present decides alone.
    fn channel(&self, event: &Map<String, Value>) -> String {
        let corp_id = text(event, "corp_id");
        let key = if event.contains_key("channel") {
            Some(text(event, "channel")).filter(|key| self.keys.contains(key))
        } else if event.contains_key("state") {
            self.codes.get(&(corp_id, text(event, "state"))).cloned()
        } else {
            event.get("add_way").and_then(|way| add_way(way.as_i64().unwrap())).map(str::to_owned)
        };
        key.unwrap_or_else(|| "unattributed".to_owned())
    }

    /// Store and region.
    fn place(
        &self,
        terms: &Terms,
        event: &Map<String, Value>,
        record: &Stored,
        witness: &dyn Witness,
    ) -> (String, String) {
        let (store_id, region_id) = (text(event, "store_id"), text(event, "region_id"));
        let staff_id = text(event, "staff_id");
        if staff_id.is_empty() || !store_id.is_empty() && !region_id.is_empty() {
            return (store_id, region_id);
        }
        let rows = self.members.get(&(text(event, "corp_id"), staff_id)).map_or(&[][..], Vec::as_slice);
        let published: Vec<_> =
            rows.iter().filter(|row| row.publication.at <= record.timestamp - terms.delay_ms).collect();
        // The first row of a member is valid from the beginning of time.
        let since = |row: &OrgRow| if row.publication == rows[0].publication { i64::MIN } else { row.valid_from };
        let valid = published.iter().filter(|row| since(row) <= occurred_at(event));
        let (own_store, own_region) = match valid.max_by_key(|row| (since(row), row.publication)) {
            Some(row) => (row.store_id.clone(), row.region_id.clone()),
            None => witness.place(record, rows.first()),
        };
        let at_home = store_id.is_empty() || store_id == own_store;
        let region_id = if region_id.is_empty() && at_home { own_region } else { region_id };
        (if store_id.is_empty() { own_store } else { store_id }, region_id)
    }
}

fn add_way(way: i64) -> Option<&'static str> {
    let ways = BTreeMap::from([
        (2, "search"),
        (9, "search"),
        (3, "card_share"),
        (4, "group_chat"),
        (5, "phone_import"),
        (6, "wechat_contact"),
        (7, "wechat_contact"),
        (13, "wechat_contact"),
        (24, "wechat_contact"),
        (10, "channels_profile"),
        (11, "work_context"),
        (12, "work_context"),
        (16, "acquisition_link"),
        (201, "shared"),
        (202, "assigned"),
    ]);
    ways.get(&way).copied()
}
