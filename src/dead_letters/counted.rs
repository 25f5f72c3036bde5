//! Which refused records hold events that were counted meanwhile.
//!
//! Invariant: asks the facts of all days, for an event that its producer mended may have got another day.

use std::collections::{HashMap, HashSet};

use clickhouse::Client;

use super::{Origin, restore::Whole};
use crate::{
    config,
    corp::{self, Corps},
    decode::decode,
    event::{Header, Record},
    sink,
};

#[derive(Debug)]
pub(super) struct Counted {
    client: Client,
    corps: Corps,
    now_ms: i64,
}

/// Corp and event id, which make two deliveries one event.
type Identity = (String, String);

impl Counted {
    pub(super) fn new(client: Client, config: &config::Config, now_ms: i64) -> Result<Self, corp::Error> {
        Ok(Self { client, corps: Corps::new(&config.corp)?, now_ms })
    }

    /// Those of these letters whose events have facts.
    pub(super) async fn among(&self, letters: &[Whole]) -> Result<HashSet<Origin>, sink::Error> {
        // What is not decoded is refused again, and counts nothing.
        let identities: HashMap<&Origin, Identity> =
            letters.iter().filter_map(|letter| Some((&letter.origin, self.identity(letter)?))).collect();
        if identities.is_empty() {
            return Ok(HashSet::new());
        }
        let asked: Vec<_> = identities.values().collect();
        let sql = "SELECT DISTINCT corp_id, event_id FROM facts WHERE (corp_id, event_id) IN ?";
        let found = self.client.query(sql).bind(asked).fetch_all::<Identity>().await;
        let found: HashSet<_> =
            found.map_err(|source| sink::Error::new("ask which events were counted", source))?.into_iter().collect();
        let counted = identities.into_iter().filter(|(_, identity)| found.contains(identity));
        Ok(counted.map(|(origin, _)| origin.clone()).collect())
    }

    fn identity(&self, letter: &Whole) -> Option<Identity> {
        let headers: Vec<_> = letter.headers.iter().map(|(name, value)| Header { name, value }).collect();
        let record = Record {
            offset: letter.origin.offset,
            // As it will be sent.
            timestamp: Some(self.now_ms),
            key: letter.key.as_deref(),
            value: Some(&letter.value),
            headers: &headers,
        };
        let event = decode(&record, &self.corps).ok()?;
        Some((event.corp_id.to_string(), event.event_id.to_string()))
    }
}
