//! Where records go: Kafka, or lines of text.
//!
//! Invariant: in order, each once; a full queue is waited for, and what was not acknowledged is counted.

use std::{io::Write, thread, time::Duration};

use super::{Delivery, Error, Topic};
use crate::source;

mod kafka;
pub use kafka::Kafka;

/// Takes records.
pub trait Outlet {
    /// Returns once there is room for the record, not once it has arrived.
    ///
    /// # Errors
    /// The outlet takes nothing any more.
    fn send(&mut self, delivery: &Delivery) -> Result<(), Error>;

    /// Passes the time until the next record is due, at most this long.
    fn idle(&mut self, limit: Duration);

    /// Waits until all have arrived; says how many have not, and why the last of them.
    ///
    /// # Errors
    /// The outlet takes nothing any more.
    fn finish(&mut self) -> Result<(u64, Option<String>), Error>;
}

/// The names of the topics, by role.
#[derive(Clone, Debug)]
pub struct Names {
    topics: source::Topics,
}

impl Names {
    /// The four kinds of event go to the input topics in the order friend, message, order, touch; where fewer are
    /// configured, several kinds share one: any type may arrive on any of them.
    ///
    /// # Errors
    /// No input topic at all.
    pub fn new(topics: &source::Topics) -> Result<Self, Error> {
        if topics.input.is_empty() {
            return Err(Error::NoInputTopic);
        }
        Ok(Self { topics: topics.clone() })
    }

    #[must_use]
    pub fn of(&self, topic: Topic) -> &str {
        let input = |at: usize| self.topics.input[at % self.topics.input.len()].as_str();
        match topic {
            Topic::Friend => input(0),
            Topic::Message => input(1),
            Topic::Order => input(2),
            Topic::Touch => input(3),
            Topic::Org => &self.topics.org,
            Topic::Channel => &self.topics.channel,
            Topic::Target => &self.topics.target,
            Topic::Contest => &self.topics.contest,
        }
    }
}

/// Writes a JSON line per record: `{"topic":…,"key":…,"timestamp":…,"value":…}`, the value as text; one that is no text
/// is `value_base64`.
#[derive(Debug)]
pub struct Lines<W> {
    writer: W,
    names: Names,
    /// The line at hand, kept for its room.
    line: Vec<u8>,
}

impl<W: Write> Lines<W> {
    /// The writer had better be buffered.
    pub fn new(writer: W, names: Names) -> Self {
        Self { writer, names, line: Vec::new() }
    }
}

impl<W: Write> Outlet for Lines<W> {
    fn send(&mut self, delivery: &Delivery) -> Result<(), Error> {
        self.line.clear();
        write_line(&mut self.line, self.names.of(delivery.topic), delivery).map_err(Error::Write)?;
        self.writer.write_all(&self.line).map_err(Error::Write)
    }

    fn idle(&mut self, limit: Duration) {
        // Whoever reads a slow stream wants to see it; a failure shows at the next record.
        let _ = self.writer.flush();
        thread::sleep(limit);
    }

    fn finish(&mut self) -> Result<(u64, Option<String>), Error> {
        self.writer.flush().map_err(Error::Write)?;
        Ok((0, None))
    }
}

fn write_line(mut line: &mut Vec<u8>, topic: &str, delivery: &Delivery) -> std::io::Result<()> {
    let text = |line: &mut Vec<u8>, text: &str| serde_json::to_writer(line, text).map_err(std::io::Error::from);
    line.write_all(b"{\"topic\":")?;
    text(line, topic)?;
    line.write_all(b",\"key\":")?;
    text(line, &delivery.key)?;
    write!(&mut line, ",\"timestamp\":{}", delivery.timestamp_ms)?;
    if let Ok(value) = str::from_utf8(&delivery.value) {
        line.write_all(b",\"value\":")?;
        text(line, value)?;
    } else {
        line.write_all(b",\"value_base64\":\"")?;
        push_base64(&delivery.value, line);
        line.push(b'"');
    }
    line.write_all(b"}\n")
}

/// RFC 4648, with padding; for the few values that are no text, so not worth a dependency.
fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let [first, second, third] = three;
        let sextets = [first >> 2, (first & 3) << 4 | second >> 4, (second & 15) << 2 | third >> 6, third & 63];
        for (at, sextet) in sextets.into_iter().enumerate() {
            out.push(if at <= chunk.len() { LETTERS[usize::from(sextet)] } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(value: &[u8]) -> serde_json::Value {
        let names = Names::new(&source::Topics::default()).unwrap();
        let mut out = Vec::new();
        let delivery =
            Delivery { topic: Topic::Friend, key: "st\"1".to_owned(), timestamp_ms: 17, value: value.to_vec() };
        Lines::new(&mut out, names).send(&delivery).unwrap();
        assert_eq!(out.last(), Some(&b'\n'));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_line_reads_back_as_the_record() {
        let line = line_of("{\"a\":\"王\"}".as_bytes());
        assert_eq!(line["topic"], "yinliu.friend.v1");
        assert_eq!((&line["key"], &line["timestamp"]), (&"st\"1".into(), &17.into()));
        assert_eq!(line["value"], "{\"a\":\"王\"}");
    }

    #[test]
    fn a_value_that_is_no_text_is_base64() {
        let check = |bytes: &[u8], expected: &str| {
            let line = line_of(bytes);
            assert_eq!(line["value_base64"], expected);
            assert!(line.get("value").is_none());
        };
        check(b"\xff", "/w==");
        check(b"\xffa", "/2E=");
        check(b"\xffab", "/2Fi");
        check(b"\xffab>", "/2FiPg==");
    }

    #[test]
    fn fewer_input_topics_are_shared() {
        let topics = source::Topics { input: vec!["all".to_owned()], ..source::Topics::default() };
        let names = Names::new(&topics).unwrap();
        assert_eq!((names.of(Topic::Touch), names.of(Topic::Org)), ("all", "yinliu.org.v1"));
        let none = source::Topics { input: Vec::new(), ..topics };
        assert!(matches!(Names::new(&none), Err(Error::NoInputTopic)));
    }
}
