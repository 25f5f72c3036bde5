//! Refused records for people: counted by reason, shown one by one, sent again.
//!
//! Invariant: a record that is sent again keeps its key, its bytes and its headers, and goes to the partition from which
//! it came. So it is the same event there, and none that was counted meanwhile is sent.

mod counted;
mod escape;
mod filter;
mod list;
mod replay;
mod restore;
mod show;
mod stored;

use std::{fmt, io::Write as _, str::FromStr};

use anyhow::Context as _;
use rdkafka::error::KafkaError;

use crate::{batch, config, corp, sink, source};
pub use filter::{Filter, Moment};
pub use list::Format;
pub use replay::Replayed;

/// `yinliu dead-letters`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Settings {
    /// Count refused records by day, topic and reason, with an example of each
    List {
        #[command(flatten)]
        filter: Filter,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print refused records with their reason, their headers and their bytes
    ///
    /// The newest first.
    #[command(group(clap::ArgGroup::new("which").args(["origin", "reason", "topic", "from", "to"]).multiple(true).required(true)))]
    Show {
        /// The one that was refused here
        #[arg(value_name = "TOPIC/PARTITION/OFFSET", conflicts_with_all = ["reason", "topic", "from", "to"])]
        origin: Option<Origin>,
        #[command(flatten)]
        filter: Filter,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=i64::from(show::LIMIT_MAX)))]
        limit: u32,
    },
    /// Send refused records again to the partitions from which they came
    ///
    /// Those that were sent again before are left out, and so are those whose events were counted meanwhile.
    Replay {
        /// This one alone
        #[arg(value_name = "TOPIC/PARTITION/OFFSET", conflicts_with_all = ["reason", "topic", "from", "to"])]
        origin: Option<Origin>,
        #[command(flatten)]
        filter: Filter,
        /// Print how many there are, and send nothing
        #[arg(long)]
        dry_run: bool,
        /// The oldest of them, at most so many
        #[arg(long, value_name = "N", default_value_t = replay::LIMIT_MAX, value_parser = clap::value_parser!(u32).range(1..=i64::from(replay::LIMIT_MAX)))]
        limit: u32,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read the dead letters")]
    Sink(#[from] sink::Error),
    #[error("read the corps of the configuration")]
    Corps(#[source] corp::Error),
    #[error("show `{0}`: no record was refused there")]
    Unknown(Origin),
    #[error("choose the time: `from` is not before `to`")]
    Span,
    #[error("read the topic of dead letters")]
    Source(#[from] source::Error),
    #[error("read the topic of dead letters")]
    Restore(#[source] KafkaError),
    #[error("read the topic of dead letters: the reading thread is gone")]
    Gone,
    #[error("send `{origin}` again; {sent} were sent before it")]
    Send {
        origin: Origin,
        sent: u64,
        #[source]
        source: KafkaError,
    },
}

/// Where a record was refused: topic as it stands in the tables, partition, offset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    pub partition: batch::Origin,
    pub offset: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.partition.topic, self.partition.partition, self.offset)
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (rest, offset) = text.rsplit_once('/')?;
            let (topic, partition) = rest.rsplit_once('/')?;
            let letters = |letter: char| letter.is_ascii_alphanumeric() || "._-#".contains(letter);
            if topic.is_empty() || !topic.chars().all(letters) {
                return None;
            }
            let partition = batch::Origin { topic: topic.into(), partition: partition.parse().ok()? };
            Some(Self { partition, offset: offset.parse().ok()? })
        };
        read().ok_or("it is not TOPIC/PARTITION/OFFSET")
    }
}

/// Does what was asked and prints the answer.
///
/// # Errors
/// ClickHouse or Kafka does not answer, or the answer cannot be printed.
pub async fn run(settings: Settings, config: &config::Config, now_ms: i64) -> anyhow::Result<()> {
    let client = sink::client(&config.clickhouse);
    let text = match settings {
        Settings::List { filter, format } => list::run(&client, &filter, format).await?,
        Settings::Show { origin, filter, limit } => show::run(&client, origin.as_ref(), &filter, limit).await?,
        Settings::Replay { origin, filter, dry_run, limit } => {
            let chosen = replay::choose(&client, origin.as_ref(), &filter, limit).await?;
            write!(std::io::stdout(), "{chosen}").context("print how many there are")?;
            if dry_run {
                return Ok(());
            }
            replay::run(&client, config, chosen, now_ms).await?.to_string()
        }
    };
    write!(std::io::stdout(), "{text}").context("print the answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_read_as_it_is_written() {
        for text in ["yinliu.friend.v1/0/17", "a#2/3/0"] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
        for text in ["", "a", "a/1", "/1/2", "a/x/2", "a/1/-2", "a'/1/2", "a/b/1/2"] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
