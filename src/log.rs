//! What the process says to its operator: where lines go, how an error is written, how repetition is kept short.
//!
//! Invariant: nothing else formats a chain of errors, and a fault that lasts is one line per interval, not per try.

use std::{
    error::Error as StdError,
    fmt::Write as _,
    io::IsTerminal as _,
    str::FromStr,
    time::{Duration, Instant},
};

use tracing::Metadata;
use tracing_subscriber::{Layer as _, filter, fmt, layer::SubscriberExt as _, registry, util::SubscriberInitExt as _};

/// The shape of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

impl Format {
    /// Text if standard error is a terminal, else JSON.
    #[must_use]
    pub fn for_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Which lines are written, such as `info` or `info,yinliu=debug`.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(filter::Targets);

impl FromStr for Filter {
    type Err = filter::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("install the log")]
pub struct Error(#[source] Box<dyn StdError + Send + Sync>);

/// Sends all log lines to standard error from now on, those of librdkafka and other libraries included.
///
/// # Errors
/// A second call in one process.
pub fn init(format: Format, filter: &Filter) -> Result<(), Error> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    registry()
        .with(lines.with_filter(filter.0.clone()).with_filter(filter::filter_fn(is_ours_to_tell)))
        .try_init()
        .map_err(|error| Error(error.into()))
}

/// What ClickHouse answers may quote rows; its client returns an error, and logs it besides, which is left out.
fn is_ours_to_tell(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() || !metadata.target().starts_with("clickhouse") || metadata.fields().field("error").is_none()
}

/// The error and its sources on one line, from the outermost to the root: `insert rows: connect to …: refused`.
///
/// A source that its parent's text already ends with is left out, since foreign errors often repeat theirs.
#[must_use]
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.ends_with(&part) {
            write!(text, ": {part}").expect("text grows without limit");
        }
        next = source.source();
    }
    text
}

/// What to say about a fault that is met again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    Nothing,
    /// The fault is new.
    First,
    /// It lasts: met `times` in all since it began `lasting` ago.
    Again {
        times: u64,
        lasting: Duration,
    },
    /// It is over: it was met `times` in all and lasted `lasting`.
    Recovered {
        times: u64,
        lasting: Duration,
    },
}

/// Keeps a lasting fault to a line when it begins, a line per interval, and a line when it is over.
#[derive(Debug)]
pub struct Repeated {
    interval: Duration,
    fault: Option<Fault>,
}

#[derive(Debug)]
struct Fault {
    began: Instant,
    said: Instant,
    times: u64,
}

impl Repeated {
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { interval, fault: None }
    }

    /// The fault was met at `now`.
    pub fn failed(&mut self, now: Instant) -> Say {
        let Some(fault) = &mut self.fault else {
            self.fault = Some(Fault { began: now, said: now, times: 1 });
            return Say::First;
        };
        fault.times += 1;
        if now.saturating_duration_since(fault.said) < self.interval {
            return Say::Nothing;
        }
        fault.said = now;
        Say::Again { times: fault.times, lasting: now.saturating_duration_since(fault.began) }
    }

    /// The fault was met: warns when it is new, and at intervals while it lasts.
    pub fn warn(&mut self, now: Instant, what: &'static str, error: &str) {
        match self.failed(now) {
            Say::First => tracing::warn!(error, "{what}; trying again"),
            Say::Again { times, lasting } => tracing::warn!(error, times, ?lasting, "{what} still; trying again"),
            Say::Nothing | Say::Recovered { .. } => {}
        }
    }

    /// What had failed worked: says so if it was said to fail.
    pub fn recovered(&mut self, now: Instant, what: &'static str) {
        if let Say::Recovered { times, lasting } = self.succeeded(now) {
            tracing::info!(times, ?lasting, "no longer: {what}");
        }
    }

    /// What had failed worked at `now`.
    pub fn succeeded(&mut self, now: Instant) -> Say {
        match self.fault.take() {
            None => Say::Nothing,
            Some(fault) => Say::Recovered { times: fault.times, lasting: now.saturating_duration_since(fault.began) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    fn link(texts: &[&'static str]) -> Link {
        let (text, rest) = texts.split_first().unwrap();
        Link { text, source: (!rest.is_empty()).then(|| Box::new(link(rest))) }
    }

    #[test]
    fn chain_names_every_source_once() {
        assert_eq!(chain(&link(&["insert rows", "connect", "refused"])), "insert rows: connect: refused");
        assert_eq!(chain(&link(&["insert rows", "connect: refused", "refused"])), "insert rows: connect: refused");
        assert_eq!(chain(&link(&["insert rows"])), "insert rows");
    }

    #[test]
    fn lasting_fault_is_said_first_then_once_per_interval_then_recovered() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut repeated = Repeated::new(Duration::from_secs(10));
        assert_eq!(repeated.succeeded(at(0)), Say::Nothing);
        assert_eq!(repeated.failed(at(1)), Say::First);
        assert_eq!(repeated.failed(at(10)), Say::Nothing);
        assert_eq!(repeated.failed(at(11)), Say::Again { times: 3, lasting: Duration::from_secs(10) });
        assert_eq!(repeated.failed(at(20)), Say::Nothing);
        assert_eq!(repeated.succeeded(at(21)), Say::Recovered { times: 4, lasting: Duration::from_secs(20) });
        assert_eq!(repeated.failed(at(22)), Say::First);
    }

    #[test]
    fn unreadable_filter_is_refused() {
        assert!("info,yinliu=debug".parse::<Filter>().is_ok());
        assert!("yinliu=loud".parse::<Filter>().is_err());
    }
}
