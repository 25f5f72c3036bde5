//! Which refused records are meant.
//!
//! Invariant: pure; what a person wrote never reaches a statement unchecked.

use std::str::FromStr;

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};

use super::Error;
use crate::{corp, event::Reason};

/// By reason, topic and time; what is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Filter {
    /// Refused for this reason, such as `unknown_type`
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub reason: Option<Reason>,
    /// From this topic, whichever of its name
    #[arg(long, value_name = "TOPIC", value_parser = topic)]
    pub topic: Option<String>,
    /// Recorded at or after this instant, or on or after this day
    #[arg(long, value_name = "DAY|INSTANT")]
    pub from: Option<Moment>,
    /// Recorded before this instant, or on or before this day
    #[arg(long, value_name = "DAY|INSTANT")]
    pub to: Option<Moment>,
}

/// A day in the zone that corps have by default, or an instant as of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Day(civil::Date),
    Instant(Timestamp),
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A day alone is no instant.
        let day = text.parse::<civil::Date>().ok().filter(|_| text.len() == "2026-11-11".len());
        let instant = || text.parse().ok().map(Self::Instant);
        day.map(Self::Day).or_else(instant).ok_or("it is neither a day such as 2026-11-11 nor an instant of RFC 3339")
    }
}

fn reason(text: &str) -> Result<Reason, String> {
    let names = || Reason::ALL.iter().map(|reason| reason.name()).collect::<Vec<_>>().join(", ");
    Reason::from_name(text).ok_or_else(|| format!("the reasons are {}", names()))
}

fn topic(text: &str) -> Result<String, &'static str> {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "._-#".contains(letter);
    if !text.is_empty() && text.chars().all(letters) { Ok(text.to_owned()) } else { Err("it is no name of a topic") }
}

/// The zone in which days are meant and shown.
pub(super) fn zone() -> String {
    corp::Config::default().time_zone
}

impl Filter {
    /// The condition on `dead_letters`.
    pub(super) fn condition(&self) -> Result<String, Error> {
        let from = self.from.map(|moment| moment.start(0));
        let to = self.to.map(|moment| moment.start(1));
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(Error::Span);
        }
        let instant = |instant: Timestamp| format!("fromUnixTimestamp64Milli({})", instant.as_millisecond());
        let conditions = [
            self.reason.map(|reason| format!("reason = '{}'", reason.name())),
            self.topic.as_ref().map(|topic| format!("(src_topic = '{topic}' OR startsWith(src_topic, '{topic}#'))")),
            from.map(|from| format!("recorded_at >= {}", instant(from))),
            to.map(|to| format!("recorded_at < {}", instant(to))),
        ];
        let conditions: Vec<_> = conditions.into_iter().flatten().chain(["true".to_owned()]).collect();
        Ok(conditions.join(" AND "))
    }
}

impl Moment {
    /// The instant itself, or the start of the day so many days later.
    fn start(self, days: i32) -> Timestamp {
        match self {
            Self::Instant(instant) => instant,
            Self::Day(day) => {
                let zone = TimeZone::get(&zone()).unwrap_or(TimeZone::UTC);
                let start = day.saturating_add(days.days()).to_zoned(zone);
                start.map_or(Timestamp::MAX, |start| start.timestamp())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, expected: &str) {
        let moment = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        let filter = Filter { from: moment(from), to: moment(to), ..Filter::default() };
        assert_eq!(filter.condition().unwrap_or_default(), expected, "{from} to {to}");
    }

    #[test]
    fn days_are_whole_and_those_of_the_zone_while_instants_are_exact() {
        let (from, to) = ("fromUnixTimestamp64Milli(1741536000000)", "fromUnixTimestamp64Milli(1741622400000)");
        check("2025-03-10", "2025-03-10", &format!("recorded_at >= {from} AND recorded_at < {to} AND true"));
        check("2025-03-09T16:00:00Z", "", &format!("recorded_at >= {from} AND true"));
        check("", "2025-03-11T00:00:00+08:00", &format!("recorded_at < {to} AND true"));
        check("2025-03-11", "2025-03-10", "");
    }

    #[test]
    fn what_is_no_moment_reason_or_topic_is_told() {
        for text in ["", "yesterday", "2025-13-01", "2025-03-10T10:00"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        assert!(reason("lost").is_err() && topic("a'b").is_err() && topic("").is_err());
        assert_eq!(reason("too_old"), Ok(Reason::TooOld));
    }
}
