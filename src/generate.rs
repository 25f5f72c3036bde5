//! The realistic day of a brand, as records: seeded, reproducible, for a past day, for today so far, or live.
//!
//! ```text
//! Settings ─▶ brand ─▶ world (what happens) ─▶ model (how it is delivered) ─▶ drive ─▶ outlet: Kafka or lines
//!                                                     └─▶ planned (what has to be counted)
//! ```
//!
//! Invariant: everything up to `model` is pure; `drive` alone waits, and asks a clock that it is given.

pub mod brand;
pub mod channel;
pub mod dice;
pub mod drive;
pub mod encode;
pub mod fact;
pub mod friends;
pub mod model;
mod names;
pub mod outlet;
pub mod planned;
pub mod reference;
pub mod rhythm;
mod world;

use std::{fmt, str::FromStr, time::Duration};

use jiff::civil::Date;

pub use drive::{run, so_far};
pub use model::{Model, Tally};
pub use planned::Planned;

use crate::{
    corp,
    event::{Counter, Reason, Type},
    progress::Telling,
};

/// The role of the topic that a record goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    Friend,
    Message,
    Order,
    Touch,
    Org,
    Channel,
    Target,
    Contest,
}

/// One record on its way to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub topic: Topic,
    pub key: String,
    /// Milliseconds since the epoch; the timestamp that the record is to carry.
    pub timestamp_ms: i64,
    /// Mostly one JSON object, now and then broken by design.
    pub value: Vec<u8>,
}

/// Where records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Destination {
    /// To the topics of the configuration
    Kafka,
    /// To standard output, a JSON line each: topic, key, timestamp and value (as text; as value_base64 if it is none)
    Stdout,
}

/// Which day is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// From midnight until now.
    Today,
    /// All of it, from midnight to midnight.
    Past(Date),
}

impl FromStr for Day {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "today" { Ok(Self::Today) } else { text.parse().map(Self::Past) }
    }
}

/// Three quarters of what the default of `count` makes of a head.
const TARGET_PER_HEAD: usize = 30;

/// What to generate. The texts below are those of `--help`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// Where the records go
    #[arg(long = "to", value_enum, default_value = "kafka")]
    pub destination: Destination,
    /// `today` (from midnight until now), or a past day as YYYY-MM-DD, in the brand's time zone
    #[arg(long, default_value = "today")]
    pub day: Day,
    /// Records of that day, to within a few per cent; 0 leaves the day out
    // About 400 a head: a busy day of the default brand, and a few seconds of work for the pipeline.
    #[arg(long, default_value_t = 100_000)]
    pub count: u64,
    /// After the day so far go on with what happens now, until stopped
    #[arg(long)]
    pub live: bool,
    /// Records per second, of the day or, with --live, of what comes after it; 0 is as fast as it goes
    #[arg(long, default_value_t = 0)]
    pub rate: u32,
    /// Stop after this many records
    #[arg(long)]
    pub limit: Option<u64>,
    /// The same seed, sizes and day make the same records
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The brand's corp id
    #[arg(long, default_value = "ww-demo")]
    pub corp: String,
    /// The brand's time zone
    #[arg(long, default_value_t = corp::Config::default().time_zone)]
    pub time_zone: String,
    /// Regions of the brand
    #[arg(long, default_value_t = 4)]
    pub regions: u32,
    /// Stores of the brand, at most 400
    #[arg(long, default_value_t = 24)]
    pub stores: u32,
    /// Staff of the brand, at most 20000
    // Ten a store: what fits a screen of the board and still has a long tail.
    #[arg(long, default_value_t = 240)]
    pub staff: u32,
    /// Adds that the brand asks of everybody a day.
    #[arg(skip = TARGET_PER_HEAD)]
    pub target_per_head: usize,
    #[arg(skip)]
    pub telling: Telling,
    #[arg(skip)]
    pub plot: Plot,
}

/// What decides what happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plot {
    #[default]
    Chance,
    /// Chance, on a day before a story: a code that it is about is not out yet.
    Prologue,
    /// Chance, and the scenes that a demonstration shows within two minutes once the stream is live.
    Story,
}

impl Default for Settings {
    /// The defaults of the command line.
    fn default() -> Self {
        Self {
            destination: Destination::Kafka,
            day: Day::Today,
            count: 100_000,
            live: false,
            rate: 0,
            limit: None,
            seed: 1,
            corp: "ww-demo".to_owned(),
            time_zone: corp::Config::default().time_zone,
            regions: 4,
            stores: 24,
            staff: 240,
            target_per_head: TARGET_PER_HEAD,
            telling: Telling::Progress,
            plot: Plot::Chance,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "make a brand of {regions} regions, {stores} stores and {staff} staff: each needs at least as many as the one \
         before it, at least 1, at most {} stores and {} staff",
        brand::STORES_MAX,
        brand::STAFF_MAX
    )]
    Sizes { regions: usize, stores: usize, staff: usize },
    #[error("read the time zone `{time_zone}` of the brand")]
    TimeZone { time_zone: String, source: jiff::Error },
    #[error("find the midnights around the day to generate")]
    Calendar(#[source] jiff::Error),
    #[error("generate `{0}`: that day is not over; `today` tells it so far")]
    FutureDay(Date),
    #[error("go on live after `{0}`: only `today` leads up to now")]
    LiveAfterPast(Date),
    #[error("generate at a limit of no record, or nothing at all: there is no day (`count` is 0) and no `live`")]
    Nothing,
    #[error("write a record to the output")]
    Write(#[source] std::io::Error),
    #[error("connect to Kafka at `{brokers}`")]
    Connect { brokers: String, source: rdkafka::error::KafkaError },
    #[error("hand a record for topic `{topic}` to the Kafka producer")]
    Produce { topic: String, source: rdkafka::error::KafkaError },
    #[error("find a topic for events: the configuration names no input topic")]
    NoInputTopic,
}

/// What was generated, and what it has to be counted as.
#[derive(Clone, Debug)]
pub struct Summary {
    pub tally: Tally,
    /// Rows of the reference topics.
    pub reference: u64,
    /// Records that Kafka did not acknowledge, and why the last of them was not. Where this is above 0 the books do not
    /// tell what has to be counted.
    pub failed: u64,
    pub last_failure: Option<String>,
    pub elapsed: Duration,
    pub planned: Planned,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.tally.records();
        let seconds = self.elapsed.as_secs_f64();
        writeln!(f, "{records} records and {} reference rows in {seconds:.1} s", self.reference)?;
        writeln!(f, "{} bytes, {} a record", self.tally.bytes, self.tally.bytes / records.max(1))?;
        for (kind, count) in Type::ALL.iter().zip(self.tally.by_type).filter(|(_, count)| *count > 0) {
            writeln!(f, "  {:<26} {count:>12}", kind.name())?;
        }
        writeln!(f, "  {:<26} {:>12}", "of these delivered again", self.tally.repeated)?;
        for (reason, count) in Reason::ALL.iter().zip(self.tally.refused).filter(|(_, count)| *count > 0) {
            writeln!(f, "  {:<26} {count:>12}", format!("to be refused: {}", reason.name()))?;
        }
        for counter in [Counter::Adds, Counter::DeletesByCustomer, Counter::DeletesByStaff, Counter::LateAdds] {
            writeln!(f, "  {:<26} {:>12}", format!("to be counted: {}", counter.name()), self.planned.total(counter))?;
        }
        if let Some(failure) = &self.last_failure {
            writeln!(f, "{} records were not acknowledged; the last: {failure}", self.failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn defaults_of_the_command_line_are_those_of_the_type() {
        assert_eq!(Line::parse_from(["generate"]).settings, Settings::default());
    }

    #[test]
    fn a_day_is_today_or_a_date() {
        assert_eq!("today".parse::<Day>().unwrap(), Day::Today);
        assert_eq!("2026-11-11".parse::<Day>().unwrap(), Day::Past(Date::constant(2026, 11, 11)));
        assert!("yesterday".parse::<Day>().is_err());
    }
}
