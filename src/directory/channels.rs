//! The channel keys that every corp has, and the codes that the platform uses for ways of adding.
//!
//! Invariant: data from `schemas/channels.json`, compiled in; nothing else names a channel.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::Channel;

/// What resolves to nothing, so that the sum over the channels always equals the total.
pub const UNATTRIBUTED: Channel<'static> = Channel { key: "unattributed", group: "unattributed" };

/// The group whose adds are transfers: never an acquisition.
pub const TRANSFER: &str = "transfer";

/// The table as it is written in `schemas/channels.json`.
#[derive(Debug, Deserialize)]
pub struct Table {
    pub groups: Vec<Label>,
    pub channels: Vec<Key>,
    #[serde(default)]
    pub add_way: Vec<AddWay>,
}

/// A name for people.
#[derive(Debug, Deserialize)]
pub struct Label {
    pub key: String,
    pub zh: String,
    pub en: String,
}

#[derive(Debug, Deserialize)]
pub struct Key {
    pub key: String,
    pub group: String,
    pub zh: String,
    pub en: String,
}

/// Codes of the platform that stand for one channel.
#[derive(Debug, Deserialize)]
pub struct AddWay {
    pub codes: Vec<i64>,
    pub channel: String,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../schemas/channels.json")).expect("a test reads the table")
});

static BUILTIN: LazyLock<FxHashMap<&str, Channel<'static>>> = LazyLock::new(|| {
    TABLE.channels.iter().map(|key| (key.key.as_str(), Channel { key: &key.key, group: &key.group })).collect()
});

static ADD_WAYS: LazyLock<FxHashMap<i64, Channel<'static>>> = LazyLock::new(|| {
    let ways = TABLE.add_way.iter().flat_map(|way| way.codes.iter().map(|&code| (code, way.channel.as_str())));
    ways.filter_map(|(code, channel)| Some((code, builtin(channel)?))).collect()
});

/// The whole table.
#[must_use]
pub fn table() -> &'static Table {
    &TABLE
}

/// The channel of a key that every corp has; keys match exactly.
#[must_use]
pub fn builtin(key: &str) -> Option<Channel<'static>> {
    BUILTIN.get(key).copied()
}

/// The channel that the platform's code of the way of adding stands for.
#[must_use]
pub fn of_add_way(code: i64) -> Channel<'static> {
    ADD_WAYS.get(&code).copied().unwrap_or(UNATTRIBUTED)
}
