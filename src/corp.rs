//! Tenants: the time zone and the currency of each corp.
//!
//! Invariant: a corp needs no configuration; one that has none lives by the defaults.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Section `corp."ID"` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A name of the zone database that is compiled in; decides `business_date`.
    pub time_zone: String,
    /// Three upper-case letters; amounts in another currency are refused.
    pub currency: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { time_zone: "Asia/Shanghai".to_owned(), currency: "CNY".to_owned() }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("read the time zone `{time_zone}` of corp `{corp_id}`")]
pub struct Error {
    corp_id: String,
    time_zone: String,
    source: jiff::Error,
}

/// The settings of one corp, ready for use.
#[derive(Clone, Debug)]
pub struct Corp {
    pub time_zone: TimeZone,
    pub currency: String,
    /// Dense number of the time zone among those in use; 0 is the default's.
    pub zone: usize,
}

/// All corps that have settings of their own, and the default for the others.
#[derive(Clone, Debug)]
pub struct Corps {
    default: Corp,
    own: HashMap<String, Corp>,
}

impl Corps {
    /// # Errors
    /// A time zone that the zone database does not know.
    pub fn new(configs: &HashMap<String, Config>) -> Result<Self, Error> {
        let default = Config::default();
        let mut zones = vec![default.time_zone.clone()];
        let default = Corp::new("", &default, &mut zones)?;
        let own = configs.iter().map(|(id, config)| Ok((id.clone(), Corp::new(id, config, &mut zones)?)));
        Ok(Self { own: own.collect::<Result<_, _>>()?, default })
    }

    #[must_use]
    pub fn get(&self, corp_id: &str) -> &Corp {
        if self.own.is_empty() { &self.default } else { self.own.get(corp_id).unwrap_or(&self.default) }
    }
}

impl Corp {
    fn new(corp_id: &str, config: &Config, zones: &mut Vec<String>) -> Result<Self, Error> {
        let time_zone = TimeZone::get(&config.time_zone).map_err(|source| Error {
            corp_id: corp_id.to_owned(),
            time_zone: config.time_zone.clone(),
            source,
        })?;
        let zone = zones.iter().position(|zone| *zone == config.time_zone).unwrap_or_else(|| {
            zones.push(config.time_zone.clone());
            zones.len() - 1
        });
        Ok(Self { time_zone, currency: config.currency.clone(), zone })
    }
}
