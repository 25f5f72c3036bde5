//! Whether the settings make sense: ranges, names, addresses, and what yinliu must decide itself.
//!
//! Invariant: pure but for librdkafka's own check of its settings; finds every fault, and shows no secret.

use std::{collections::BTreeMap, fmt::Display, net::SocketAddr, ops::RangeInclusive, time::Duration};

use axum::http::Uri;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName};
use jiff::tz::TimeZone;
use rdkafka::{ClientConfig, error::KafkaError};

use super::{Board, Config, mask};
use crate::{board, chunk, corp, dedup, sink, source};

/// A setting that does not make sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) path: Vec<String>,
    text: String,
}

impl Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "`{}` {}", self.path.join("."), self.text)
    }
}

/// A set of 1,048,576 repetitions takes 50 MB in every partition.
const RECORDS_MAX: u32 = 1_048_576;

/// As far back as an event may have happened (contract, section 1): an older repetition is refused anyway.
const SPAN_MAX: Duration = Duration::from_hours(35 * 24);

const CORP_ID_BYTES_MAX: usize = 64;

/// Enough for a date and a word; it goes into every link.
const KEY_ID_BYTES_MAX: usize = 32;

/// Kafka's own limit.
const TOPIC_BYTES_MAX: usize = 249;

/// Settings of librdkafka that are not for the configuration, with the reason.
const OWN_OPTIONS: [(&str, &str); 10] = [
    ("bootstrap.servers", "is set by `kafka.brokers`"),
    ("metadata.broker.list", "is set by `kafka.brokers`"),
    ("group.id", "is set by `kafka.group`"),
    ("enable.auto.commit", "is off: positions are committed after the inserts are acknowledged"),
    ("auto.commit.enable", "is off: positions are committed after the inserts are acknowledged"),
    ("enable.auto.offset.store", "is off: positions are committed after the inserts are acknowledged"),
    ("auto.offset.reset", "is fixed: the ledger in ClickHouse decides where a partition starts"),
    ("isolation.level", "is fixed: only committed records are counted"),
    (
        "partition.assignment.strategy",
        "is fixed: partitions move one by one, and are placed anew, in the cooperative protocol",
    ),
    ("enable.partition.eof", "is off: librdkafka loses positions where it meets reading by batches"),
];

/// Every fault, in the order of the sections; the address of a board that is served elsewhere is its own process's matter.
pub(super) fn check(config: &Config, board: Board) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    faults.kafka(&config.kafka);
    faults.clickhouse(&config.clickhouse);
    faults.board(&config.board);
    if board == Board::Served {
        faults.listen(config);
    }
    let sorted: BTreeMap<_, _> = config.corp.iter().collect();
    for (id, corp) in sorted {
        faults.corp(id, corp);
    }
    faults.dedup(&config.dedup);
    faults.chunk(&config.chunk);
    faults.range(&["memory", "limit_mib"], &config.memory.limit_mib, &(16..=1_048_576), "16 to 1048576");
    let (delay, interval) = (config.directory.delay, config.flush.interval);
    faults.range(&["directory", "delay"], &delay, &(Duration::from_secs(1)..=Duration::from_hours(1)), "1s to 1h");
    // ClickHouse wants about a dozen inserts a second at most; a minute is the resolution of the counts.
    faults.range(
        &["flush", "interval"],
        &interval,
        &(Duration::from_millis(100)..=Duration::from_mins(1)),
        "100ms to 60s",
    );
    // Below a second the runs would do nothing but begin; figures that are a day old are no longer of today.
    faults.range(
        &["refresh", "interval"],
        &config.refresh.interval,
        &(Duration::from_secs(1)..=Duration::from_hours(24)),
        "1s to 24h",
    );
    faults.0
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: &[&str], text: impl Into<String>) {
        self.0.push(Fault { path: path.iter().map(|&name| name.to_owned()).collect(), text: text.into() });
    }

    fn require(&mut self, condition: bool, path: &[&str], text: &str) {
        if !condition {
            self.add(path, text);
        }
    }

    fn range<T: PartialOrd>(&mut self, path: &[&str], value: &T, range: &RangeInclusive<T>, text: &str) {
        self.require(range.contains(value), path, &format!("must be {text}"));
    }

    fn kafka(&mut self, kafka: &source::Config) {
        self.require(!kafka.brokers.is_empty(), &["kafka", "brokers"], "must name a broker as `host:port`");
        for broker in &kafka.brokers {
            self.require(
                is_host_port(broker),
                &["kafka", "brokers"],
                &format!("has `{broker}`, which is not `host:port`"),
            );
        }
        self.require(!kafka.group.is_empty(), &["kafka", "group"], "must not be empty");
        self.topics(&kafka.topics);
        for (name, value) in &kafka.options {
            self.option(name, value);
        }
    }

    fn topics(&mut self, topics: &source::Topics) {
        self.require(!topics.input.is_empty(), &["kafka", "topics", "input"], "must name a topic");
        let input = topics.input.iter().map(|topic| ("input", topic));
        let others = [
            ("dead_letter", &topics.dead_letter),
            ("org", &topics.org),
            ("channel", &topics.channel),
            ("target", &topics.target),
            ("contest", &topics.contest),
        ];
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (role, topic) in input.chain(others) {
            let path = ["kafka", "topics", role];
            if !is_topic(topic) {
                self.add(
                    &path,
                    format!("has `{topic}`, which cannot be a topic: 1 to 249 letters, digits, `.`, `_`, `-`"),
                );
            } else if let Some(other) = seen.insert(topic, role) {
                self.add(&path, format!("has `{topic}`, which `kafka.topics.{other}` has already"));
            }
        }
    }

    fn option(&mut self, name: &str, value: &str) {
        let path = ["kafka", "options", name];
        if let Some((_, why)) = OWN_OPTIONS.iter().find(|(own, _)| *own == name) {
            return self.add(&path, *why);
        }
        let checked = ClientConfig::new().set(name, value).create_native_config();
        if let Err(KafkaError::ClientConfig(_, description, _, _)) = checked {
            let secret = mask::is_secret(&path.map(str::to_owned)) && description.contains(value);
            let why = if secret { "the value does not fit" } else { description.as_str() };
            self.add(&path, format!("is refused by librdkafka: {why}"));
        }
    }

    fn clickhouse(&mut self, clickhouse: &sink::Config) {
        if let Err(why) = check_url(&clickhouse.url) {
            self.add(&["clickhouse", "url"], why);
        }
        self.require(
            is_identifier(&clickhouse.database),
            &["clickhouse", "database"],
            "must be letters, digits and `_`, not starting with a digit",
        );
        self.require(!clickhouse.user.is_empty(), &["clickhouse", "user"], "must not be empty");
        // A cluster stands in statements between quotation marks; a macro such as `{cluster}` is allowed.
        let quotable = !clickhouse.cluster.chars().any(|c| matches!(c, '\'' | '"' | '`' | '\\') || c.is_control());
        self.require(quotable, &["clickhouse", "cluster"], "must not hold quotation marks or backslashes");
    }

    fn board(&mut self, board: &board::Config) {
        let is_address = board.url.parse::<Uri>().is_ok_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some() && url.query().is_none()
        });
        let given = board.url.is_empty() || is_address;
        self.require(given, &["board", "url"], "must be `http://host` or `https://host`, with or without a path");
        let access = &board.access;
        let many = access.keys.len() > board::access::KEYS_MAX;
        self.require(
            !many,
            &["board", "access", "keys"],
            "must hold at most two: the one that signs, and the one before",
        );
        for (id, secret) in &access.keys {
            let path = ["board", "access", "keys", id.as_str()];
            let plain = (1..=KEY_ID_BYTES_MAX).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
            self.require(plain, &path, "must have an id of 1 to 32 small letters, digits, `-`, `_`");
            let long = secret.as_bytes().len() >= board::access::SECRET_BYTES_MIN;
            self.require(long, &path, "must be 32 bytes or more");
        }
        let path = ["board", "access", "proxy_header"];
        if !access.proxy_header.is_empty() {
            let named = HeaderName::from_bytes(access.proxy_header.as_bytes())
                .is_ok_and(|name| ![COOKIE, AUTHORIZATION, HOST].contains(&name));
            self.require(named, &path, "must be the name of a header of its own");
        }
        let path = ["board", "access", "proxy_addresses"];
        for address in &access.proxy_addresses {
            let known = board::access::network::Network::read(address).is_some();
            self.require(known, &path, &format!("has `{address}`, which is neither an address nor a network"));
        }
        let trusted = access.proxy_header.is_empty() || !access.proxy_addresses.is_empty();
        self.require(trusted, &path, "must say whose `board.access.proxy_header` is trusted");
        self.limits(&board.limits);
    }

    fn limits(&mut self, limits: &board::limits::Config) {
        let counts = [
            ("requests_per_second", limits.requests_per_second),
            ("streams", limits.streams),
            ("streams_per_address", limits.streams_per_address),
            ("connections", limits.connections),
            ("connections_per_address", limits.connections_per_address),
        ];
        for (name, count) in counts {
            self.range(&["board", "limits", name], &count, &(1..=1_000_000), "1 to 1000000");
        }
        // A page asks for so many things at once.
        let burst = &limits.requests_burst;
        self.range(&["board", "limits", "requests_burst"], burst, &(14..=1_000_000), "14 to 1000000");
        let room = limits.connections >= limits.streams;
        self.require(room, &["board", "limits", "connections"], "must be at least `board.limits.streams`");
        let times = [
            ("head_timeout", limits.head_timeout),
            ("answer_timeout", limits.answer_timeout),
            ("write_timeout", limits.write_timeout),
        ];
        let range = Duration::from_millis(100)..=Duration::from_mins(10);
        for (name, time) in times {
            self.range(&["board", "limits", name], &time, &range, "100ms to 10m");
        }
    }

    fn listen(&mut self, config: &Config) {
        let (board, admin) = (config.board.listen, config.admin.listen);
        if config.board.access.is_open() && !board.ip().is_loopback() {
            let why = format!("must hold a key, for `board.listen` = `{board}` can be reached from other machines");
            self.add(&["board", "access", "keys"], why);
        }
        if overlap(board, admin) {
            self.add(&["admin", "listen"], format!("is `{admin}`, which meets `board.listen` = `{board}`"));
        }
    }

    fn corp(&mut self, id: &str, corp: &corp::Config) {
        let valid = (1..=CORP_ID_BYTES_MAX).contains(&id.len()) && !id.contains('/');
        self.require(valid, &["corp", id], "must have an id of 1 to 64 bytes without `/`");
        if TimeZone::get(&corp.time_zone).is_err() {
            self.add(&["corp", id, "time_zone"], format!("is `{}`, which is no known time zone", corp.time_zone));
        }
        let currency = corp.currency.len() == 3 && corp.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        self.require(currency, &["corp", id, "currency"], "must be three upper-case letters, such as `CNY`");
    }

    fn dedup(&mut self, dedup: &dedup::Config) {
        self.range(&["dedup", "records"], &dedup.records, &(1..=RECORDS_MAX), "1 to 1048576");
        self.range(
            &["dedup", "span"],
            &dedup.span,
            &(Duration::from_nanos(1)..=SPAN_MAX),
            "more than 0 and at most 35 days",
        );
    }

    fn chunk(&mut self, chunk: &chunk::Config) {
        self.range(&["chunk", "bits"], &chunk.bits, &(4..=20), "4 to 20");
        let day_bits = format!("`chunk.bits` ({}) to 24", chunk.bits);
        self.range(&["chunk", "day_bits"], &chunk.day_bits, &(chunk.bits..=24), &day_bits);
    }
}

/// `host:port`, an IPv6 address in brackets.
fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let plain = !host.is_empty() && !host.contains([':', '/', '@', ' ', '[', ']']);
    (bracketed || plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_topic(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    letters && (1..=TOPIC_BYTES_MAX).contains(&name.len()) && name != "." && name != ".."
}

fn is_identifier(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    letters && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

fn check_url(text: &str) -> Result<(), String> {
    let shown = mask::url(text);
    let form = || format!("is `{shown}`, which is not `http://host:port` or `https://host:port`");
    let url: Uri = text.parse().map_err(|_| form())?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err(form());
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("must not hold credentials: they belong in `clickhouse.user` and `clickhouse.password`".to_owned());
    }
    if url.query().is_some() {
        return Err("must not hold a query: the database belongs in `clickhouse.database`".to_owned());
    }
    Ok(())
}

/// Whether two listeners on these addresses would meet; port 0 is a free one.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (any || one.ip() == other.ip())
}
