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
        let own =
            configs.iter().map(|(id, config)| Ok((id.clone(), Corp::new(id, config)?))).collect::<Result<_, _>>()?;
        Ok(Self { default: Corp::new("", &Config::default())?, own })
    }

    #[must_use]
    pub fn get(&self, corp_id: &str) -> &Corp {
        self.own.get(corp_id).unwrap_or(&self.default)
    }
}

impl Corp {
    fn new(corp_id: &str, config: &Config) -> Result<Self, Error> {
        let time_zone = TimeZone::get(&config.time_zone).map_err(|source| Error {
            corp_id: corp_id.to_owned(),
            time_zone: config.time_zone.clone(),
            source,
        })?;
        Ok(Self { time_zone, currency: config.currency.clone() })
    }
}
