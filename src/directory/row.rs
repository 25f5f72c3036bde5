//! One row of a reference topic, read from a record or from a line of CSV.
//!
//! Invariant: pure; a row that breaks its form is an answer that names what is wrong.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::instant;

/// When a row became known to everyone, and its place among rows of the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Publication {
    /// Timestamp of the record, milliseconds since the epoch.
    pub at: i64,
    pub partition: u32,
    pub offset: u64,
}

/// The partition of rows that come from a file, which no topic has: so a file withdraws nothing that a topic said.
pub const FILE_PARTITION: u32 = u32::MAX;

/// A member of staff: where they work, from when on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrgRow {
    pub publication: Publication,
    pub removed: bool,
    pub corp_id: String,
    pub staff_id: String,
    pub staff_name: String,
    pub store_id: String,
    pub store_name: String,
    pub region_id: String,
    pub region_name: String,
    pub active: bool,
    /// Milliseconds since the epoch; the publication where none is given.
    pub valid_from: i64,
}

/// What a channel code stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelRow {
    pub publication: Publication,
    pub removed: bool,
    pub corp_id: String,
    pub state: String,
    pub channel: String,
    pub campaign_id: String,
    pub label: String,
    /// Not empty: the row makes `channel` a key of the corp.
    pub group: String,
}

impl OrgRow {
    /// Bytes of all texts.
    pub(super) fn texts(&self) -> usize {
        let Self { corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, .. } = self;
        [corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name].into_iter().map(String::len).sum()
    }
}

impl ChannelRow {
    /// Bytes of all texts.
    pub(super) fn texts(&self) -> usize {
        let Self { corp_id, state, channel, campaign_id, label, group, .. } = self;
        [corp_id, state, channel, campaign_id, label, group].into_iter().map(String::len).sum()
    }
}

/// What a day's figure should reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub publication: Publication,
    pub removed: bool,
    pub corp_id: String,
    pub level: String,
    pub id: String,
    pub business_date: String,
    pub metric: String,
    pub target: u64,
}

/// A contest between staff, stores or regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contest {
    pub publication: Publication,
    pub removed: bool,
    pub corp_id: String,
    pub contest_id: String,
    pub name: String,
    pub level: String,
    pub ids: Vec<String>,
    pub metric: String,
    pub basis: String,
    /// `[starts_at, ends_at)`, milliseconds since the epoch.
    pub starts_at: i64,
    pub ends_at: i64,
}

/// What a channel cost on a day, for a campaign or without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub publication: Publication,
    pub removed: bool,
    pub corp_id: String,
    pub business_date: String,
    pub channel: String,
    pub campaign_id: String,
    /// In 1/100 of the currency of the corp.
    pub cost_fen: u64,
}

/// What WeCom's own statistics (`get_user_behavior_data`) say of a member of staff on a day, in its own names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Official {
    pub publication: Publication,
    pub removed: bool,
    pub corp_id: String,
    pub business_date: String,
    pub staff_id: String,
    pub new_apply_cnt: u64,
    pub new_contact_cnt: u64,
    pub negative_feedback_cnt: u64,
}

/// As for amounts of orders: more is a mistake of the unit.
const COST_FEN_MAX: u64 = 1_000_000_000_000;

/// Of one member of staff on one day: more is a mistake of the column.
const COUNT_MAX: u64 = 1_000_000;

/// A row of any reference topic, or of the files of costs and of official statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    Org(OrgRow),
    Channel(ChannelRow),
    Target(Target),
    Contest(Contest),
    Cost(Cost),
    Official(Official),
}

/// Which of the reference topics a row comes from; of the last two there is a file alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Org,
    Channel,
    Target,
    Contest,
    Cost,
    Official,
}

#[derive(Deserialize)]
struct Fields<'a> {
    corp_id: Option<String>,
    staff_id: Option<String>,
    staff_name: Option<String>,
    store_id: Option<String>,
    store_name: Option<String>,
    region_id: Option<String>,
    region_name: Option<String>,
    active: Option<bool>,
    #[serde(borrow)]
    valid_from: Option<&'a RawValue>,
    state: Option<String>,
    channel: Option<String>,
    campaign_id: Option<String>,
    label: Option<String>,
    group: Option<String>,
    level: Option<String>,
    id: Option<String>,
    business_date: Option<String>,
    metric: Option<String>,
    target: Option<u64>,
    cost_fen: Option<u64>,
    new_apply_cnt: Option<u64>,
    new_contact_cnt: Option<u64>,
    negative_feedback_cnt: Option<u64>,
    contest_id: Option<String>,
    name: Option<String>,
    ids: Option<Vec<String>>,
    basis: Option<String>,
    #[serde(borrow)]
    starts_at: Option<&'a RawValue>,
    #[serde(borrow)]
    ends_at: Option<&'a RawValue>,
}

impl Reference {
    /// Reads one record: the fields of its body, or of its key where the value is null and the row is a removal.
    ///
    /// # Errors
    /// What is wrong with the row, without its values.
    pub fn read(
        kind: Kind,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        publication: Publication,
    ) -> Result<Self, String> {
        match value {
            Some(value) => Self::from_body(kind, value, publication),
            None => Self::removal(kind, key, publication),
        }
    }

    fn from_body(kind: Kind, value: &[u8], publication: Publication) -> Result<Self, String> {
        let text = std::str::from_utf8(value).map_err(|_| "the value is not UTF-8".to_owned())?;
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        let corp_id = without_slash("corp_id", required("corp_id", fields.corp_id, 64)?)?;
        let removed = false;
        Ok(match kind {
            Kind::Org => Self::Org(OrgRow {
                publication,
                removed,
                corp_id,
                staff_id: required("staff_id", fields.staff_id, 64)?,
                staff_name: optional("staff_name", fields.staff_name, 128)?,
                store_id: optional("store_id", fields.store_id, 64)?,
                store_name: optional("store_name", fields.store_name, 128)?,
                region_id: optional("region_id", fields.region_id, 64)?,
                region_name: optional("region_name", fields.region_name, 128)?,
                active: fields.active.unwrap_or(true),
                valid_from: moment("valid_from", fields.valid_from)?.unwrap_or(publication.at),
            }),
            Kind::Channel => Self::Channel(ChannelRow {
                publication,
                removed,
                corp_id,
                state: required("state", fields.state, 64)?,
                channel: required("channel", fields.channel, 64)?,
                campaign_id: optional("campaign_id", fields.campaign_id, 64)?,
                label: optional("label", fields.label, 128)?,
                group: optional("group", fields.group, 64)?,
            }),
            Kind::Target => Self::Target(Target {
                publication,
                removed,
                corp_id,
                level: one_of("level", fields.level, &["staff", "store", "region", "corp"])?,
                id: required("id", fields.id, 64)?,
                business_date: date("business_date", fields.business_date)?,
                metric: required("metric", fields.metric, 64)?,
                target: fields.target.ok_or("`target` is missing")?,
            }),
            Kind::Contest => Self::Contest(Contest {
                publication,
                removed,
                corp_id,
                contest_id: required("contest_id", fields.contest_id, 64)?,
                name: optional("name", fields.name, 128)?,
                level: one_of("level", fields.level, &["staff", "store", "region"])?,
                ids: fields.ids.ok_or("`ids` is missing")?,
                metric: required("metric", fields.metric, 64)?,
                basis: one_of("basis", fields.basis, &["total", "per_head"])?,
                starts_at: moment("starts_at", fields.starts_at)?.ok_or("`starts_at` is missing")?,
                ends_at: moment("ends_at", fields.ends_at)?.ok_or("`ends_at` is missing")?,
            }),
            Kind::Cost => Self::Cost(Cost {
                publication,
                removed,
                corp_id,
                business_date: date("business_date", fields.business_date)?,
                channel: without_slash("channel", required("channel", fields.channel, 64)?)?,
                campaign_id: optional("campaign_id", fields.campaign_id, 64)?,
                cost_fen: number("cost_fen", fields.cost_fen, COST_FEN_MAX)?,
            }),
            Kind::Official => Self::Official(Official {
                publication,
                removed,
                corp_id,
                business_date: date("business_date", fields.business_date)?,
                staff_id: required("staff_id", fields.staff_id, 64)?,
                new_apply_cnt: number("new_apply_cnt", fields.new_apply_cnt, COUNT_MAX)?,
                new_contact_cnt: number("new_contact_cnt", fields.new_contact_cnt, COUNT_MAX)?,
                negative_feedback_cnt: number("negative_feedback_cnt", fields.negative_feedback_cnt, COUNT_MAX)?,
            }),
        })
    }

    fn removal(kind: Kind, key: Option<&[u8]>, publication: Publication) -> Result<Self, String> {
        let key = key.and_then(|key| std::str::from_utf8(key).ok()).ok_or("a removal without a key in UTF-8")?;
        let (corp_id, rest) = key.split_once('/').ok_or("the key of a removal has no `/`")?;
        let corp_id = required("corp_id", Some(corp_id.to_owned()), 64)?;
        let removed = true;
        let id = required("the key", Some(rest.to_owned()), 256)?;
        Ok(match kind {
            Kind::Org => {
                let valid_from = publication.at;
                Self::Org(OrgRow { publication, removed, corp_id, staff_id: id, valid_from, ..OrgRow::default() })
            }
            Kind::Channel => {
                Self::Channel(ChannelRow { publication, removed, corp_id, state: id, ..Default::default() })
            }
            Kind::Target => {
                let (level, rest) = id.split_once('/').ok_or("the key of a target has too few parts")?;
                let (id, day) = rest.rsplit_once('/').ok_or("the key of a target has too few parts")?;
                let business_date = date("business_date", Some(day.to_owned()))?;
                let (level, id) = (level.to_owned(), id.to_owned());
                Self::Target(Target { publication, removed, corp_id, level, id, business_date, ..Default::default() })
            }
            Kind::Contest => {
                Self::Contest(Contest { publication, removed, corp_id, contest_id: id, ..Contest::default() })
            }
            Kind::Cost | Kind::Official => return Err("comes from a file, which withdraws its lines itself".to_owned()),
        })
    }
}

fn required(name: &str, value: Option<String>, longest: usize) -> Result<String, String> {
    let value = optional(name, value, longest)?;
    if value.is_empty() { Err(format!("`{name}` is missing")) } else { Ok(value) }
}

fn optional(name: &str, value: Option<String>, longest: usize) -> Result<String, String> {
    let value = value.unwrap_or_default();
    if value.len() > longest {
        return Err(format!("`{name}` is longer than {longest} bytes"));
    }
    if value.contains('\0') {
        return Err(format!("`{name}` holds U+0000"));
    }
    Ok(value)
}

/// Keys are put together with it.
fn without_slash(name: &str, value: String) -> Result<String, String> {
    if value.contains('/') { Err(format!("`{name}` holds a `/`")) } else { Ok(value) }
}

fn number(name: &str, value: Option<u64>, most: u64) -> Result<u64, String> {
    match value {
        Some(number) if number <= most => Ok(number),
        Some(_) => Err(format!("`{name}` is above {most}")),
        None => Err(format!("`{name}` is missing")),
    }
}

fn one_of(name: &str, value: Option<String>, allowed: &[&str]) -> Result<String, String> {
    let value = required(name, value, 64)?;
    if allowed.contains(&value.as_str()) {
        Ok(value)
    } else {
        Err(format!("`{name}` is none of {}", allowed.join(", ")))
    }
}

fn date(name: &str, value: Option<String>) -> Result<String, String> {
    let value = required(name, value, 10)?;
    let date = value.parse::<jiff::civil::Date>().ok().and_then(crate::window::date_of);
    date.map(|_| value).ok_or_else(|| format!("`{name}` is no day between 1970-01-01 and 2149-06-06"))
}

/// As `occurred_at` is written: integer milliseconds or RFC 3339; null and `""` are absent.
fn moment(name: &str, value: Option<&RawValue>) -> Result<Option<i64>, String> {
    let Some(value) = value else { return Ok(None) };
    if matches!(value.get(), "null" | "\"\"") {
        return Ok(None);
    }
    instant(value.get())
        .map(Some)
        .ok_or_else(|| format!("`{name}` is neither milliseconds since the epoch nor RFC 3339"))
}

/// Where the value breaks its form; the words of the parser would quote what stands there.
fn unreadable(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a field is missing, repeated, or of another type",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is no JSON",
    };
    format!("the value is no such row: {what} (line {}, column {})", error.line(), error.column())
}
