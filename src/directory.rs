//! Who works where, and what a channel code means, with the times from which that holds.
//!
//! Invariant: pure; a row once taken in is never changed, only joined by others, and the order in which rows are
//! taken in does not matter.

pub mod channels;
mod line;
mod row;

use std::{path::PathBuf, time::Duration};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

pub use row::{ChannelRow, Contest, Cost, FILE_PARTITION, Kind, Official, OrgRow, Publication, Reference, Target};

/// Section `directory`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A change holds for records from this long after its publication on; the pipeline holds back while it has not
    /// read the directory up to there. So every process decides alike, however late it learns of a change.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub delay: Duration,
    /// CSV files with the columns of the topics, for those without the topics; `None`: no file.
    pub org_file: Option<PathBuf>,
    pub channel_file: Option<PathBuf>,
    pub target_file: Option<PathBuf>,
    pub contest_file: Option<PathBuf>,
    /// What channels cost, which no topic says.
    pub cost_file: Option<PathBuf>,
    /// What WeCom itself counted, to compare with.
    pub official_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delay: Duration::from_mins(1),
            org_file: None,
            channel_file: None,
            target_file: None,
            contest_file: None,
            cost_file: None,
            official_file: None,
        }
    }
}

/// All rows of the organisation and of the channel codes that were ever published.
#[derive(Debug, Default)]
pub struct Directory {
    corps: FxHashMap<String, Corp>,
    rows: usize,
    bytes: usize,
}

/// Rows that are held: some 600 bytes each. 20,000 members who all move every week fill it in a year.
const ROWS_MAX: usize = 1_000_000;

/// What a row takes beside its texts: itself, its key in a map, and what the allocator adds to each.
const ROW_BYTES: usize = 512;

/// What came of taking in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    New,
    Known,
    /// The directory is full: the row plays no part.
    Refused,
}

#[derive(Debug, Default)]
struct Corp {
    /// By member of staff, in order of publication.
    members: FxHashMap<String, Vec<OrgRow>>,
    /// By channel code, in order of publication.
    states: FxHashMap<String, Vec<ChannelRow>>,
    /// The corp's own channel keys: when each was given which group, in order of publication.
    keys: FxHashMap<String, Vec<(Publication, String)>>,
}

/// Where a member of staff worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    pub store_id: &'a str,
    pub region_id: &'a str,
}

/// A channel key and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel<'a> {
    pub key: &'a str,
    pub group: &'a str,
}

impl Directory {
    /// Takes in a row of the organisation.
    pub fn insert_org(&mut self, row: OrgRow) -> Taken {
        if self.rows >= ROWS_MAX {
            return Taken::Refused;
        }
        let corp = self.corps.entry(row.corp_id.clone()).or_default();
        let rows = corp.members.entry(row.staff_id.clone()).or_default();
        let (key, texts) = (row.staff_id.len(), row.texts());
        let taken = insert_in_order(rows, row, |row| row.publication);
        self.note(taken, key + texts);
        taken
    }

    /// Takes in a row of the channel codes.
    pub fn insert_channel(&mut self, row: ChannelRow) -> Taken {
        if self.rows >= ROWS_MAX {
            return Taken::Refused;
        }
        let corp = self.corps.entry(row.corp_id.clone()).or_default();
        let mut keys = row.state.len();
        if !row.group.is_empty() && channels::builtin(&row.channel).is_none() {
            let groups = corp.keys.entry(row.channel.clone()).or_default();
            keys += row.channel.len() + row.group.len() + ROW_BYTES / 2;
            insert_in_order(groups, (row.publication, row.group.clone()), |(publication, _)| *publication);
        }
        let rows = corp.states.entry(row.state.clone()).or_default();
        let texts = row.texts();
        let taken = insert_in_order(rows, row, |row| row.publication);
        self.note(taken, keys + texts);
        taken
    }

    fn note(&mut self, taken: Taken, texts: usize) {
        if taken == Taken::New {
            self.rows += 1;
            self.bytes += ROW_BYTES + texts;
        }
    }

    /// The most that all rows take, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the member worked, for an event that happened at `occurred_at`, by the rows published up to `until`
    /// (both milliseconds since the epoch): of these the one with the latest `valid_from` at or before the event,
    /// of equal ones the later published; the first row is valid from the beginning of time. If none was published
    /// by then, the member's first row. A member without rows works nowhere.
    #[must_use]
    pub fn place(&self, corp_id: &str, staff_id: &str, occurred_at: i64, until: i64) -> Place<'_> {
        let rows = self.corps.get(corp_id).and_then(|corp| corp.members.get(staff_id));
        let Some((first, later)) = rows.and_then(|rows| rows.split_first()) else { return Place::default() };
        let mut holds = (i64::MIN, first);
        for row in later {
            if row.publication.at > until {
                break;
            }
            if row.valid_from <= occurred_at && row.valid_from >= holds.0 {
                holds = (row.valid_from, row);
            }
        }
        Place { store_id: &holds.1.store_id, region_id: &holds.1.region_id }
    }

    /// The channel that a code stood for: by the newest row published up to `until`, else by the first one.
    #[must_use]
    pub fn channel_of_state(&self, corp_id: &str, state: &str, until: i64) -> Option<Channel<'_>> {
        let rows = self.corps.get(corp_id)?.states.get(state)?;
        let row = rows.iter().rev().find(|row| row.publication.at <= until).or_else(|| rows.first())?;
        self.channel(corp_id, &row.channel, until).or_else(|| {
            // The row itself makes the key, though it was published later than the rows that count by then.
            (!row.group.is_empty()).then_some(Channel { key: &row.channel, group: &row.group })
        })
    }

    /// The channel of a key: built in, or made the corp's own by a row published up to `until`.
    #[must_use]
    pub fn channel(&self, corp_id: &str, key: &str, until: i64) -> Option<Channel<'_>> {
        if let Some(channel) = channels::builtin(key) {
            return Some(channel);
        }
        let (key, groups) = self.corps.get(corp_id)?.keys.get_key_value(key)?;
        let (_, group) = groups.iter().rev().find(|(publication, _)| publication.at <= until)?;
        Some(Channel { key, group })
    }

    /// Members of staff of whom something is known.
    #[must_use]
    pub fn members(&self) -> usize {
        self.corps.values().map(|corp| corp.members.len()).sum()
    }
}

/// Keeps `rows` in order of publication; a row that is there already is not taken in twice.
fn insert_in_order<T>(rows: &mut Vec<T>, row: T, publication: impl Fn(&T) -> Publication) -> Taken {
    let at = publication(&row);
    let position = rows.partition_point(|other| publication(other) < at);
    if rows.get(position).is_some_and(|other| publication(other) == at) {
        return Taken::Known;
    }
    // Mostly there is one for ever: no room for four.
    rows.reserve_exact(1);
    rows.insert(position, row);
    Taken::New
}
