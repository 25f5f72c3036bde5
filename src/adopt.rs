//! Takes over a topic that was deleted and created again: from then on its records count as another incarnation's.
//!
//! Invariant: writes one row, and that only for a topic which cannot be the one that was counted.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use clickhouse::Row;
use serde::Deserialize;

use crate::{
    batch::Origin,
    config,
    pipeline::loader::BROKER_LIMIT,
    sink::{self, ClickHouse, Sink as _},
    source::{self, Brokers as _, log::Log},
};

/// `yinliu adopt`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// The input topic that was deleted and created again
    #[arg(long, value_name = "NAME")]
    pub topic: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("ask ClickHouse about the topic")]
    Sink(#[from] sink::Error),
    #[error("ask the brokers about the topic")]
    Source(#[from] source::Error),
    #[error("ask the brokers about the topic: some partitions have no leader")]
    NoLeader,
    #[error("adopt `{topic}`: {why}")]
    Refused { topic: String, why: Refusal },
}

/// Why a topic is not adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotInput,
    /// The brokers do not have it.
    Missing,
    /// Nothing was ever counted of it, so that it needs no adoption.
    NeverCounted,
    /// It was adopted, and nothing was counted of it since.
    Adopted(u32),
    /// It has the id of the topic that was counted, or none is known; and no partition ends below the ledger.
    Same,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInput => out.write_str("it is not among `kafka.topics.input`"),
            Self::Missing => out.write_str("the brokers have no such topic; create it first"),
            Self::NeverCounted => out.write_str("nothing was counted of it yet; it needs no adoption"),
            Self::Adopted(incarnation) => write!(
                out,
                "it is adopted already, as number {incarnation}; running processes look again within 10 s"
            ),
            Self::Same => out.write_str(
                "it looks like the topic that was counted: no other id, and no partition ends below the ledger; nothing \
                 was changed",
            ),
        }
    }
}

/// A topic that was adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    pub topic: String,
    /// Its number among the topics of its name.
    pub incarnation: u32,
}

impl fmt::Display for Adopted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, incarnation } = self;
        write!(
            out,
            "adopted `{topic}` as number {incarnation} of its name: its records stand as `{topic}#{incarnation}` in the \
             tables, what was counted before stays; running processes look again within 10 s and read it from its start"
        )
    }
}

/// What was found of a topic that may be adopted; shown before anything is written.
#[derive(Clone, Debug)]
pub struct Seen {
    topic: String,
    /// The number that it gets.
    incarnation: u32,
    counted: Vec<Counted>,
    found: Found,
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, counted, found, .. } = self;
        let known = |id: &str| if id.is_empty() { "unknown".to_owned() } else { format!("`{id}`") };
        let ids: BTreeSet<_> = counted.iter().map(|row| known(&row.topic_id)).collect();
        let ids = ids.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(out, "`{topic}`: id {} now, {ids} when it was counted", known(&found.id))?;
        let partitions: BTreeSet<_> =
            counted.iter().map(|row| row.src_partition).chain(found.ends.keys().copied()).collect();
        for partition in partitions {
            let position = counted.iter().find(|row| row.src_partition == partition).map_or(0, |row| row.position);
            match found.ends.get(&partition) {
                Some(end) => writeln!(out, "  partition {partition}: counted up to {position}, its log ends at {end}")?,
                None => writeln!(out, "  partition {partition}: counted up to {position}, it exists no more")?,
            }
        }
        Ok(())
    }
}

/// What the ledger holds of one partition.
#[derive(Clone, Debug, Row, Deserialize)]
struct Counted {
    src_partition: u32,
    position: u64,
    topic_id: String,
}

/// What the brokers hold of a topic.
#[derive(Clone, Debug, Default)]
struct Found {
    id: String,
    /// By partition; those that do not exist are absent.
    ends: HashMap<u32, u64>,
}

/// A broker that has just started may show an end below the true one: ends alone have to stay low for so long.
const SETTLE: Duration = Duration::from_secs(10);
const SETTLE_STEP: Duration = Duration::from_millis(500);

/// Brokers that have just told something else tell ids as fast, or do not know the request.
const ID_LIMIT: Duration = Duration::from_secs(1);

/// Looks at the topic, and writes nothing.
///
/// # Errors
/// The topic is refused, or ClickHouse or the brokers do not answer.
pub async fn look(settings: &Settings, config: &config::Config) -> Result<Seen, Error> {
    let topic = &settings.topic;
    let refused = |why| Error::Refused { topic: topic.clone(), why };
    if !config.kafka.topics.input.contains(topic) {
        return Err(refused(Refusal::NotInput));
    }
    let sink = ClickHouse::new(&config.clickhouse);
    let incarnation = sink.incarnations().await?.get(topic).copied().unwrap_or(1);
    let counted = counted(&sink, topic, incarnation).await?;
    if counted.is_empty() {
        let why = if incarnation == 1 { Refusal::NeverCounted } else { Refusal::Adopted(incarnation) };
        return Err(refused(why));
    }
    let log = Arc::new(Log::new(&config.kafka)?);
    let began = tokio::time::Instant::now();
    let found = loop {
        let Some(found) = find(&log, topic).await? else { return Err(refused(Refusal::Missing)) };
        match judge(&counted, &found) {
            Judgement::Same => return Err(refused(Refusal::Same)),
            Judgement::OtherId => break found,
            Judgement::Shorter if began.elapsed() >= SETTLE => break found,
            Judgement::Shorter => tokio::time::sleep(SETTLE_STEP).await,
        }
    };
    Ok(Seen { topic: topic.clone(), incarnation: incarnation + 1, counted, found })
}

/// Enters the topic as the next of its name.
///
/// # Errors
/// ClickHouse does not answer.
pub async fn run(seen: Seen, config: &config::Config) -> Result<Adopted, Error> {
    let (sink, Seen { topic, incarnation, found, .. }) = (ClickHouse::new(&config.clickhouse), seen);
    let insert = sink.client().query("INSERT INTO incarnations (topic, incarnation, topic_id) VALUES (?, ?, ?)");
    let inserted = insert.bind(&topic).bind(incarnation).bind(&found.id).execute().await;
    inserted.map_err(|source| sink::Error::new("enter the topic", source))?;
    Ok(Adopted { topic, incarnation })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    Same,
    OtherId,
    /// No other id, but a partition ends below the ledger.
    Shorter,
}

fn judge(counted: &[Counted], found: &Found) -> Judgement {
    // The newest row of all: the topic may have been counted before the brokers told ids.
    let other = |row: &Counted| !row.topic_id.is_empty() && !found.id.is_empty() && row.topic_id != found.id;
    let shorter = |row: &Counted| found.ends.get(&row.src_partition).copied().unwrap_or(0) < row.position;
    if counted.iter().any(other) {
        Judgement::OtherId
    } else if counted.iter().any(shorter) {
        Judgement::Shorter
    } else {
        Judgement::Same
    }
}

async fn counted(sink: &ClickHouse, topic: &str, incarnation: u32) -> Result<Vec<Counted>, Error> {
    let label = Origin { topic: topic.into(), partition: 0 }.label(incarnation);
    let sql = "SELECT src_partition, max(c.next_offset) AS position, argMax(c.topic_id, c.next_offset) AS topic_id \
               FROM chunks AS c WHERE src_topic = ? GROUP BY src_partition";
    let rows = sink.client().query(sql).bind(&*label.topic).fetch_all::<Counted>().await;
    Ok(rows.map_err(|source| sink::Error::new("read the ledger", source))?)
}

/// What the brokers hold of the topic; `None` where they have none of this name.
async fn find(log: &Arc<Log>, topic: &str) -> Result<Option<Found>, Error> {
    let (log, topic) = (Arc::clone(log), topic.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let names = [topic];
        let topics = log.topics(&names, BROKER_LIMIT)?;
        let Some(found) = topics.first() else { return Ok(None) };
        let name: Arc<str> = found.name.as_str().into();
        let origins: Vec<_> =
            (0..found.partitions).map(|partition| Origin { topic: Arc::clone(&name), partition }).collect();
        let ends = log.ends(&origins, BROKER_LIMIT)?;
        if ends.len() < origins.len() {
            return Err(Error::NoLeader);
        }
        let id = log.ids(&names, ID_LIMIT).into_values().next().unwrap_or_default();
        Ok(Some(Found { id, ends: ends.into_iter().map(|(origin, end)| (origin.partition, end)).collect() }))
    });
    asked.await.unwrap_or(Err(Error::NoLeader))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counted_id: &str, id: &str, ends: &[(u32, u64)], expected: Judgement) {
        let counted = [(0, 10), (1, 0)].map(|(src_partition, position)| Counted {
            src_partition,
            position,
            topic_id: counted_id.to_owned(),
        });
        let found = Found { id: id.to_owned(), ends: ends.iter().copied().collect() };
        assert_eq!(judge(&counted, &found), expected, "counted `{counted_id}`, now `{id}` with {ends:?}");
    }

    #[test]
    fn what_was_seen_is_shown_partition_by_partition() {
        let counted =
            |src_partition, topic_id: &str| Counted { src_partition, position: 10, topic_id: topic_id.to_owned() };
        let found = Found { id: "b".to_owned(), ends: HashMap::from([(0, 3), (2, 0)]) };
        let counted = vec![counted(0, "a"), counted(1, "")];
        let seen = Seen { topic: "t".to_owned(), incarnation: 2, counted, found };
        let expected = "`t`: id `b` now, `a`, unknown when it was counted\n  partition 0: counted up to 10, its log ends at 3\n  \
                        partition 1: counted up to 10, it exists no more\n  partition 2: counted up to 0, its log ends at 0\n";
        assert_eq!(seen.to_string(), expected);
    }

    #[test]
    fn topic_is_another_by_its_id_or_by_an_end_below_the_ledger() {
        check("a", "a", &[(0, 10), (1, 0)], Judgement::Same);
        check("a", "", &[(0, 11), (1, 5)], Judgement::Same);
        check("", "a", &[(0, 10), (1, 0)], Judgement::Same);
        check("a", "b", &[(0, 10), (1, 0)], Judgement::OtherId);
        check("a", "a", &[(0, 9), (1, 0)], Judgement::Shorter);
        check("", "", &[(1, 0)], Judgement::Shorter);
    }
}
