//! Promises of the way out, on a fake outlet with room for everything and on a mock of Kafka.

use std::{cell::Cell, collections::HashMap};

use jiff::civil::Date;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
};

use super::*;
use crate::{generate::Topic, progress::Telling};

/// 2026-11-11 12:00 in Shanghai.
const NOON_MS: i64 = 1_794_369_600_000;
const MIDNIGHT_MS: i64 = NOON_MS - 12 * 3_600_000;

#[derive(Default)]
struct Shelf {
    deliveries: Vec<Delivery>,
    /// Asked to stop after this many.
    stop: Option<(usize, CancellationToken)>,
    waits: Vec<Duration>,
}

impl Outlet for Shelf {
    fn send(&mut self, delivery: &Delivery) -> Result<(), Error> {
        self.deliveries.push(delivery.clone());
        if let Some((_, shutdown)) = self.stop.as_ref().filter(|(after, _)| self.deliveries.len() == *after) {
            shutdown.cancel();
        }
        Ok(())
    }

    fn idle(&mut self, limit: Duration) {
        self.waits.push(limit);
    }

    fn finish(&mut self) -> Result<(u64, Option<String>), Error> {
        Ok((0, None))
    }
}

fn events(shelf: &Shelf) -> Vec<&Delivery> {
    let reference = [Topic::Org, Topic::Channel, Topic::Target, Topic::Contest];
    shelf.deliveries.iter().filter(|delivery| !reference.contains(&delivery.topic)).collect()
}

fn quiet() -> Settings {
    Settings { telling: Telling::Nothing, ..Settings::default() }
}

fn generate(settings: &Settings, shelf: &mut Shelf) -> Result<Summary, Error> {
    drive(settings, shelf, &|| NOON_MS, &CancellationToken::new())
}

#[test]
fn so_far_grows_with_the_rhythm_of_the_day() {
    let at = |hours: i64| so_far(&quiet(), 30_000, MIDNIGHT_MS + hours * 3_600_000).unwrap();
    assert_eq!(at(0), (Date::constant(2026, 11, 11), 0));
    let records: Vec<_> = [8, 12, 16, 20, 23].map(|hours| at(hours).1).into();
    assert!(records.is_sorted() && records[0] < 3_000 && records[4] > 28_000, "{records:?}");
    assert_eq!(at(24), (Date::constant(2026, 11, 12), 0));
}

#[test]
fn today_is_told_from_midnight_until_now() {
    let mut shelf = Shelf::default();
    let summary = generate(&Settings { count: 2_000, ..quiet() }, &mut shelf).unwrap();
    let events = events(&shelf);
    assert_eq!(summary.tally.records(), u64::try_from(events.len()).unwrap());
    assert!(events.iter().all(|delivery| (MIDNIGHT_MS..NOON_MS).contains(&delivery.timestamp_ms)));
    assert!(events[0].timestamp_ms < MIDNIGHT_MS + 3_600_000);
    assert!(events[events.len() - 1].timestamp_ms > NOON_MS - 600_000);
}

#[test]
fn a_past_day_is_told_to_its_end() {
    let mut shelf = Shelf::default();
    let day = Day::Past(Date::constant(2026, 11, 10));
    generate(&Settings { day, count: 2_000, ..quiet() }, &mut shelf).unwrap();
    let yesterday = MIDNIGHT_MS - 24 * 3_600_000..MIDNIGHT_MS;
    assert!(events(&shelf).iter().all(|delivery| yesterday.contains(&delivery.timestamp_ms)));
}

#[test]
fn the_story_so_far_goes_on_live_until_the_limit() {
    let mut shelf = Shelf::default();
    let ticks = Cell::new(0);
    let clock = || {
        ticks.set(ticks.get() + 1);
        NOON_MS + ticks.get()
    };
    let settings = Settings { count: 1_000, live: true, limit: Some(3_000), ..quiet() };
    let summary = drive(&settings, &mut shelf, &clock, &CancellationToken::new()).unwrap();
    assert_eq!(summary.tally.records(), 3_000);
    let live = events(&shelf).iter().filter(|delivery| delivery.timestamp_ms >= NOON_MS).count();
    assert!((1_900..2_200).contains(&live), "{live}");
}

#[test]
fn records_less_than_a_millisecond_apart_are_waited_for_together() {
    let mut shelf = Shelf::default();
    let settings = Settings { count: 0, live: true, rate: 20_000, limit: Some(200), ..quiet() };
    generate(&settings, &mut shelf).unwrap();
    assert!(
        !shelf.waits.is_empty() && shelf.waits.iter().all(|wait| *wait >= Duration::from_millis(5)),
        "{:?}",
        shelf.waits
    );
}

#[test]
fn reference_rows_come_before_all_events_one_for_each_key() {
    let mut shelf = Shelf::default();
    let summary = generate(&Settings { count: 100, ..quiet() }, &mut shelf).unwrap();
    let rows = usize::try_from(summary.reference).unwrap();
    let mut by_topic: HashMap<Topic, usize> = HashMap::new();
    let mut keys = std::collections::HashSet::new();
    for row in &shelf.deliveries[..rows] {
        *by_topic.entry(row.topic).or_default() += 1;
        assert!(keys.insert((row.topic, &row.key)) && row.key.starts_with("ww-demo/"), "{}", row.key);
    }
    assert_eq!(by_topic[&Topic::Org], 240);
    assert_eq!(by_topic[&Topic::Target], 1 + 4 + 24 + 240);
    assert_eq!(by_topic[&Topic::Contest], 2);
    assert_eq!(by_topic.len(), 4);
    assert_eq!(events(&shelf).len(), shelf.deliveries.len() - rows);
}

#[test]
fn a_stop_ends_the_stream_at_once() {
    let shutdown = CancellationToken::new();
    let mut shelf = Shelf { stop: Some((2_000, shutdown.clone())), ..Shelf::default() };
    let settings = Settings { live: true, rate: 1_000_000, ..quiet() };
    drive(&settings, &mut shelf, &|| NOON_MS, &shutdown).unwrap();
    assert_eq!(shelf.deliveries.len(), 2_000);
}

#[test]
fn what_cannot_be_told_is_refused() {
    let check = |settings: Settings| generate(&settings, &mut Shelf::default()).unwrap_err();
    let tomorrow = Date::constant(2026, 11, 12);
    let ask = quiet;
    assert!(matches!(check(Settings { day: Day::Past(tomorrow), ..ask() }), Error::FutureDay(_)));
    let past = Day::Past(Date::constant(2026, 11, 10));
    assert!(matches!(check(Settings { day: past, live: true, ..ask() }), Error::LiveAfterPast(_)));
    assert!(matches!(check(Settings { count: 0, ..ask() }), Error::Nothing));
    assert!(matches!(check(Settings { time_zone: "Asia/Atlantis".to_owned(), ..ask() }), Error::TimeZone { .. }));
}

#[test]
fn a_pace_lets_through_its_rate_and_makes_up_for_a_second_at_most() {
    let mut pace = Pace::new(100);
    let begin = pace.from;
    let burst = |pace: &mut Pace, after_ms| {
        let now = begin + Duration::from_millis(after_ms);
        std::iter::from_fn(|| pace.ahead(now).is_none().then_some(())).take(10_000).count()
    };
    assert_eq!(burst(&mut pace, 0), 1);
    assert_eq!(burst(&mut pace, 5), 0);
    assert_eq!(burst(&mut pace, 500), 50);
    assert_eq!(burst(&mut pace, 2_500), 101);
}

/// A mock of Kafka with all topics; the mock of an embedded broker stays bounded, so a small day goes in.
fn mock() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, source::Config) {
    let cluster = MockCluster::new(1).unwrap();
    let config = source::Config { brokers: vec![cluster.bootstrap_servers()], ..source::Config::default() };
    let topics = &config.topics;
    for topic in topics.input.iter().chain([&topics.org, &topics.channel, &topics.target, &topics.contest]) {
        cluster.create_topic(topic, 3, 1).unwrap();
    }
    (cluster, config)
}

#[test]
fn every_record_arrives_in_kafka_and_is_acknowledged() {
    let (_cluster, config) = mock();
    let settings = Settings { count: 3_000, ..quiet() };
    let summary = run(&settings, &config, &|| NOON_MS, &CancellationToken::new()).unwrap();
    assert_eq!((summary.failed, &summary.last_failure), (0, &None));
    let mut client = ClientConfig::new();
    let consumer: BaseConsumer =
        client.set("bootstrap.servers", config.brokers.join(",")).set("group.id", "count").create().unwrap();
    let in_log = |topics: &[String]| -> i64 {
        let end =
            |topic: &str, partition| consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)).unwrap().1;
        topics.iter().flat_map(|topic| (0..3).map(move |partition| (topic, partition))).map(|(t, p)| end(t, p)).sum()
    };
    assert_eq!(in_log(&config.topics.input), i64::try_from(summary.tally.records()).unwrap());
    let reference = [config.topics.org, config.topics.channel, config.topics.target, config.topics.contest];
    assert_eq!(in_log(&reference), i64::try_from(summary.reference).unwrap());
}

#[test]
fn records_that_no_broker_takes_are_counted_as_failed() {
    let (cluster, mut config) = mock();
    config.options = [("message.timeout.ms".to_owned(), "500".to_owned())].into();
    let shutdown = CancellationToken::new();
    let mut outlet = Kafka::connect(&config, shutdown.clone()).unwrap();
    cluster.broker_down(1).unwrap();
    let settings = Settings { count: 50, ..quiet() };
    let summary = drive(&settings, &mut outlet, &|| NOON_MS, &shutdown).unwrap();
    assert_eq!(summary.failed, summary.tally.records() + summary.reference);
    assert!(summary.last_failure.is_some());
}
