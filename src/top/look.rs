//! One look: the ledger, the ends of the logs, freshness, adds of today, and the leaders.
//!
//! Invariant: everything of a look was asked for at the same time; without an answer of Kafka there is no lag.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clickhouse::{Row, RowOwned, RowRead, query::Query};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::{Error, Settings};
use crate::{
    batch::Origin,
    config,
    corp::Corps,
    log::chain,
    sink::{self, ClickHouse, Sink as _},
    source::{self, Brokers, log::Log},
};

/// ClickHouse or Kafka that does not answer within this time does not for this look.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// What was seen at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Look {
    /// Since the command began.
    pub(super) at: Duration,
    /// By topic, as the brokers name it.
    pub(super) topics: BTreeMap<String, Topic>,
    /// Why there is no lag.
    pub(super) kafka: Option<String>,
    /// Those with most adds today first.
    pub(super) corps: Vec<Corp>,
    pub(super) leaders: Vec<Leader>,
}

/// What the ledger says of a topic, since its first record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) received: u64,
    pub(super) rejected: u64,
    pub(super) duplicate: u64,
    pub(super) counted: u64,
    /// Offsets of its partitions that are not in the ledger.
    pub(super) lag: Option<u64>,
}

/// A corp, and its business day that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Corp {
    pub(super) id: String,
    pub(super) day: Date,
    pub(super) adds: u64,
    pub(super) net_adds: i64,
    pub(super) behind_s: u32,
    /// In the zone of the corp.
    pub(super) complete_through: jiff::Zoned,
    pub(super) last_event_at: jiff::Zoned,
}

/// A row of the leaderboard of the corp that was asked for, or of the first one.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub(super) struct Leader {
    pub(super) level: String,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) adds: u64,
    pub(super) net_adds: i64,
    pub(super) rank: u32,
    /// 0 without adds by then.
    pub(super) rank_hour_ago: u32,
}

#[derive(Row, Deserialize)]
struct Entered {
    src_topic: String,
    src_partition: u32,
    next_offset: u64,
    received: u64,
    rejected: u64,
    duplicate: u64,
    counted: u64,
}

#[derive(Row, Deserialize)]
struct Freshness {
    corp_id: String,
    complete_through_ms: i64,
    last_event_ms: i64,
    lag_seconds: u32,
}

#[derive(Row, Deserialize)]
struct DayOfCorp {
    corp_id: String,
    days: i32,
    adds: u64,
    net_adds: i64,
}

const ENTERED: &str = "SELECT c.src_topic AS src_topic, c.src_partition AS src_partition, max(c.next_offset) AS next_offset, \
    sum(c.received) AS received, sum(c.rejected) AS rejected, sum(c.duplicate) AS duplicate, sum(c.counted) AS counted \
    FROM chunks AS c GROUP BY src_topic, src_partition";

const FRESHNESS: &str = "SELECT toString(f.corp_id) AS corp_id, \
    toUnixTimestamp64Milli(f.complete_through) AS complete_through_ms, \
    toUnixTimestamp64Milli(f.last_event_at) AS last_event_ms, f.lag_seconds AS lag_seconds FROM v_freshness AS f";

/// Today of any zone.
const DAYS: &str = "SELECT toString(c.corp_id) AS corp_id, toInt32(c.business_date) AS days, sum(c.adds) AS adds, \
    toInt64(sum(c.adds)) - toInt64(sum(c.deletes_by_customer)) - toInt64(sum(c.deletes_by_staff)) AS net_adds \
    FROM v_counts_1d_channel AS c WHERE c.business_date BETWEEN toDate(?) - 1 AND toDate(?) + 1 \
    GROUP BY corp_id, days";

const LEADERS: &str = "SELECT toString(l.level) AS level, l.id AS id, l.name AS name, l.adds AS adds, \
    l.net_adds AS net_adds, l.rank AS rank, l.rank_hour_ago AS rank_hour_ago FROM v_leaderboard_1d AS l \
    WHERE l.corp_id = ? AND l.business_date = toDate(?) AND l.level IN ('store', 'staff') AND l.place <= ? \
    ORDER BY l.level, l.place";

/// Looks, again and again.
#[derive(Debug)]
pub(super) struct Looker {
    warehouse: ClickHouse,
    brokers: Arc<Log>,
    topics: Vec<String>,
    corps: Corps,
    corp: Option<String>,
    leaders: u32,
}

impl Looker {
    pub(super) fn new(settings: &Settings, config: &config::Config, brokers: Log) -> Result<Self, Error> {
        Ok(Self {
            warehouse: ClickHouse::new(&config.clickhouse),
            brokers: Arc::new(brokers),
            topics: config.kafka.topics.input.clone(),
            corps: Corps::new(&config.corp)?,
            corp: settings.corp.clone(),
            leaders: settings.leaders,
        })
    }

    pub(super) async fn look(&self, at: Duration, wall_ms: i64) -> Result<Look, Error> {
        let (ledger, ends, counted) = tokio::join!(within(self.ledger()), self.ends(), within(self.counted(wall_ms)));
        let ((entered, incarnations), (corps, leaders)) = (ledger?, counted?);
        let (topics, kafka) = self.topics(entered, &incarnations, ends);
        Ok(Look { at, topics, kafka, corps, leaders })
    }

    async fn ledger(&self) -> Result<(Vec<Entered>, FxHashMap<String, u32>), Error> {
        let entered = rows("read the ledger", self.warehouse.client().query(ENTERED));
        tokio::try_join!(entered, async { Ok(self.warehouse.incarnations().await?) })
    }

    async fn ends(&self) -> Result<Ends, String> {
        let names = self.topics.clone();
        let ends = Arc::clone(&self.brokers).ask(move |brokers| ends(brokers, &names)).await;
        ends.ok_or_else(|| "no answer".to_owned())?.map_err(|error| chain(&error))
    }

    async fn counted(&self, wall_ms: i64) -> Result<(Vec<Corp>, Vec<Leader>), Error> {
        let corps = self.corps(wall_ms).await?;
        let of = corps.iter().find(|corp| self.corp.as_ref().is_none_or(|id| *id == corp.id));
        let leaders = match of {
            Some(corp) => {
                let asked = self.warehouse.client().query(LEADERS).bind(&corp.id).bind(corp.day.to_string());
                rows("read the leaders", asked.bind(self.leaders)).await?
            }
            None => Vec::new(),
        };
        Ok((corps, leaders))
    }

    /// What was entered of each input topic and how much is to come, or why that is not known.
    fn topics(
        &self,
        entered: Vec<Entered>,
        incarnations: &FxHashMap<String, u32>,
        ends: Result<Ends, String>,
    ) -> (BTreeMap<String, Topic>, Option<String>) {
        let mut topics: BTreeMap<_, _> = self.topics.iter().map(|name| (name.clone(), Topic::default())).collect();
        let mut positions = FxHashMap::default();
        for row in entered {
            let label = Origin { topic: row.src_topic.as_str().into(), partition: row.src_partition };
            if let Some(topic) = topics.get_mut(&*label.broker().topic) {
                topic.received += row.received;
                topic.rejected += row.rejected;
                topic.duplicate += row.duplicate;
                topic.counted += row.counted;
            }
            positions.insert(label, row.next_offset);
        }
        let ends = match ends {
            Ok(ends) => ends,
            Err(why) => return (topics, Some(why)),
        };
        for (origin, (start, end)) in ends {
            let label = origin.label(incarnations.get(&*origin.topic).copied().unwrap_or(1));
            let position = positions.get(&label).copied().unwrap_or(start);
            if let Some(topic) = topics.get_mut(&*origin.topic) {
                topic.lag = Some(topic.lag.unwrap_or(0) + end.saturating_sub(position));
            }
        }
        (topics, None)
    }

    /// The corps that were ever counted, with the adds of their day.
    async fn corps(&self, wall_ms: i64) -> Result<Vec<Corp>, Error> {
        let today = zoned(wall_ms, &TimeZone::UTC).date().to_string();
        let freshness = rows::<Freshness>("read the freshness", self.warehouse.client().query(FRESHNESS));
        let days = self.warehouse.client().query(DAYS).bind(&today).bind(&today);
        let (freshness, days) = tokio::try_join!(freshness, rows::<DayOfCorp>("read the adds of today", days))?;
        let days: FxHashMap<_, _> = days.into_iter().map(|day| ((day.corp_id.clone(), day.days), day)).collect();
        let corps = freshness.into_iter().map(|row| {
            let zone = &self.corps.get(&row.corp_id).time_zone;
            let day = zoned(wall_ms, zone).date();
            let counted = days.get(&(row.corp_id.clone(), since_epoch(day)));
            Corp {
                day,
                adds: counted.map_or(0, |day| day.adds),
                net_adds: counted.map_or(0, |day| day.net_adds),
                behind_s: row.lag_seconds,
                complete_through: zoned(row.complete_through_ms, zone),
                last_event_at: zoned(row.last_event_ms, zone),
                id: row.corp_id,
            }
        });
        let mut corps: Vec<_> = corps.collect();
        corps.sort_by(|one, other| other.adds.cmp(&one.adds).then_with(|| one.id.cmp(&other.id)));
        Ok(corps)
    }
}

/// First and next offset of each partition.
type Ends = Vec<(Origin, (u64, u64))>;

fn ends(brokers: &Log, names: &[String]) -> Result<Ends, source::Error> {
    let topics = brokers.topics(names, LIMIT)?;
    let origins: Vec<_> = topics.iter().flat_map(source::log::Topic::origins).collect();
    let (starts, ends) = (brokers.starts(&origins, LIMIT)?, brokers.ends(&origins, LIMIT)?);
    let found = ends.into_iter().map(|(origin, end)| {
        let start = starts.get(&origin).copied().unwrap_or(0);
        (origin, (start, end))
    });
    Ok(found.collect())
}

async fn within<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(LIMIT, asked).await.unwrap_or(Err(Error::Stalled))
}

async fn rows<T: RowOwned + RowRead>(doing: &'static str, query: Query) -> Result<Vec<T>, Error> {
    Ok(query.fetch_all::<T>().await.map_err(|source| sink::Error::new(doing, source))?)
}

/// An instant in milliseconds since the epoch; the epoch where a clock cannot be.
fn zoned(ms: i64, zone: &TimeZone) -> jiff::Zoned {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

/// ClickHouse's number of a day.
fn since_epoch(day: Date) -> i32 {
    crate::window::date_of(day).map_or(0, |date| i32::from(date.0))
}
