//! Every metric of the process, with its labels, its help text and the handle that the rooms keep.
//!
//! Invariant: a label is a value of an enum or a configured topic, never a person, a store or a customer; every
//! pair of labels is there, at 0, before the first record.

use std::collections::BTreeMap;

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
    core::{Collector, Metric, MetricVec, MetricVecBuilder},
    process_collector::ProcessCollector,
};

use crate::{
    event::{Reason, Type, named},
    sink::Class,
};

named! {
    /// Why a partition is held: read no further until somebody or something resolves it.
    Cause {
        /// A refused record cannot be written to the dead-letter topic.
        DeadLetter = "dead_letter",
        /// The rows that were loaded do not add up to the ledger.
        Ledger = "ledger",
        /// The topic is another one than the ledger knows under its name.
        TopicRecreated = "topic_recreated",
        /// The directory is not read up to the time that the next record needs.
        Directory = "directory",
        /// What the partitions of this process hold takes more memory than it may.
        Memory = "memory",
    }
}

named! {
    /// The tables that a flush inserts into, in the order of the inserts.
    Table {
        Events = "events",
        DeadLetters = "dead_letters",
        CountsByMinute = "counts_1m",
        CountsByDay = "counts_1d",
        CountsForBoards = "counts_1d_board",
        Chunks = "chunks",
    }
}

/// Seconds from the record's timestamp to the acknowledged insert. A flush each second puts the median near 0.7 s:
/// four bounds below 1 s resolve that, those above 60 s show an outage that is being caught up with.
const DELAY_BOUNDS: [f64; 15] = [0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// Seconds of one flush. Inserts take tens of milliseconds; beyond 1 s a flush is longer than its interval.
const FLUSH_BOUNDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Rows of one insert, by powers of four: from a quiet shop's handful to a full batch.
const ROW_BOUNDS: [f64; 11] =
    [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];

/// The metrics of one process. Fields are handles without labels; methods give the handle of one label.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Records read from input topics, tombstones included; those read again count again.
    pub records_received: IntCounter,
    pub events_duplicate: IntCounter,
    pub events_conflicting: IntCounter,
    pub events_late: IntCounter,
    /// Seconds; observe through `Histogram::local`, once per batch.
    pub event_delay: Histogram,
    /// Seconds.
    pub flush: Histogram,
    pub rebalances: IntCounter,
    pub records_replayed: IntCounter,
    pub dead_letters: IntCounter,
    /// Offsets that retention removed before they were counted; counting goes on behind them.
    pub offsets_lost: IntCounter,
    pub directory_rows_ignored: IntCounter,
    /// Registers held in memory, over all partitions.
    pub registers: IntGauge,
    /// What partitions take of it, in bytes, and how much the whole process may.
    pub partition_memory: IntGauge,
    pub memory_bound: IntGauge,
    /// Seconds since the epoch; 0 before the first event.
    pub last_event_timestamp: Gauge,
    /// Seconds since the epoch; 0 until it is known.
    pub complete_through_timestamp: Gauge,
    rejected: Vec<IntCounter>,
    counted: Vec<IntCounter>,
    insert_retries: Vec<IntCounter>,
    held: Vec<IntGauge>,
    rows: Vec<Histogram>,
    lag: BTreeMap<String, IntGauge>,
}

impl Metrics {
    /// All metrics at 0, in a registry of their own, with a lag for each of these input topics.
    #[must_use]
    pub fn new(input_topics: &[String]) -> Self {
        let registry = Registry::new();
        let new = Register(&registry);
        new.metric(ProcessCollector::for_self());
        new.build_info();
        let rejected = opts("records_rejected_total", "Records refused and sent to the dead-letter topic, by reason.");
        let counted = opts("events_counted_total", "Events counted for the first time, by type.");
        let retries =
            opts("insert_retries_total", "Inserts into ClickHouse that failed and are tried again, by error.");
        let held = opts("partitions_held", "Partitions that are not read until a fault is resolved, by cause.");
        let rows = histogram("flush_rows", "Rows of one insert, by table.", &ROW_BOUNDS);
        let lag = opts("kafka_lag_records", "Records behind the end of the assigned partitions, by topic.");
        let lag = new.family(IntGaugeVec::new, lag, "topic", input_topics.iter().map(String::as_str));
        Self {
            records_received: new.counter("records_received_total", "Records read from the input topics."),
            events_duplicate: new.counter("events_duplicate_total", "Events that repeat an earlier one."),
            events_conflicting: new
                .counter("events_conflicting_total", "Duplicates whose values differ from those of the counted event."),
            events_late: new
                .counter("events_late_total", "Events whose record is more than 120 s later than the event."),
            event_delay: new.histogram(histogram(
                "event_delay_seconds",
                "From the record's timestamp to the acknowledged insert.",
                &DELAY_BOUNDS,
            )),
            flush: new.histogram(histogram("flush_seconds", "Duration of one flush, retries included.", &FLUSH_BOUNDS)),
            rebalances: new.counter("rebalances_total", "Changes of the partitions assigned to this process."),
            records_replayed: new
                .counter("replayed_records_total", "Records read again because no ledger row vouched for them."),
            dead_letters: new.counter("dead_letters_total", "Records written to the dead-letter topic."),
            offsets_lost: new.counter("offsets_lost_total", "Offsets that retention removed before they were counted."),
            directory_rows_ignored: new
                .counter("directory_rows_ignored_total", "Rows of reference topics that break their form."),
            registers: new.gauge("registers", "Registers held in memory."),
            partition_memory: new.gauge("partition_memory_bytes", "Memory of what is held of partitions."),
            memory_bound: new.gauge(
                "memory_bound_bytes",
                "Memory that the process stays below, by its settings and the rows of its directory.",
            ),
            last_event_timestamp: new
                .seconds("last_event_timestamp_seconds", "When the newest counted event happened; 0: none yet."),
            complete_through_timestamp: new.seconds(
                "complete_through_timestamp_seconds",
                "Every record that the brokers held by then is in ClickHouse; 0: not known yet.",
            ),
            rejected: new.family(IntCounterVec::new, rejected, "reason", Reason::ALL.iter().map(|each| each.name())),
            counted: new.family(IntCounterVec::new, counted, "type", Type::ALL.iter().map(|each| each.name())),
            insert_retries: new.family(IntCounterVec::new, retries, "error", Class::ALL.iter().map(|each| each.name())),
            held: new.family(IntGaugeVec::new, held, "cause", Cause::ALL.iter().map(|each| each.name())),
            rows: new.family(HistogramVec::new, rows, "table", Table::ALL.iter().map(|each| each.name())),
            lag: input_topics.iter().cloned().zip(lag).collect(),
            registry,
        }
    }

    #[must_use]
    pub fn records_rejected(&self, reason: Reason) -> &IntCounter {
        &self.rejected[reason.index()]
    }

    #[must_use]
    pub fn events_counted(&self, kind: Type) -> &IntCounter {
        &self.counted[kind.index()]
    }

    #[must_use]
    pub fn insert_retries(&self, class: Class) -> &IntCounter {
        &self.insert_retries[class.index()]
    }

    #[must_use]
    pub fn partitions_held(&self, cause: Cause) -> &IntGauge {
        &self.held[cause.index()]
    }

    #[must_use]
    pub fn flush_rows(&self, table: Table) -> &Histogram {
        &self.rows[table.index()]
    }

    /// The lag of a configured input topic; `None` for any other topic.
    #[must_use]
    pub fn kafka_lag(&self, topic: &str) -> Option<&IntGauge> {
        self.lag.get(topic)
    }

    /// Everything in the text format of Prometheus 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("gathered families have names and metrics, and text grows without limit")
    }
}

/// Why the `expect`s below cannot fail.
const VALID: &str = "names and labels are constants of this file, valid and each used once";

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("yinliu")
}

fn histogram(name: &str, help: &str, bounds: &[f64]) -> HistogramOpts {
    HistogramOpts::from(opts(name, help)).buckets(bounds.to_vec())
}

/// Makes metrics and enters them in a registry.
struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn metric<M: Collector + 'static>(&self, metric: M) {
        self.0.register(Box::new(metric)).expect(VALID);
    }

    fn kept<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect(VALID);
        self.metric(metric.clone());
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.kept(IntCounter::with_opts(opts(name, help)))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.kept(IntGauge::with_opts(opts(name, help)))
    }

    fn seconds(&self, name: &str, help: &str) -> Gauge {
        self.kept(Gauge::with_opts(opts(name, help)))
    }

    fn histogram(&self, opts: HistogramOpts) -> Histogram {
        self.kept(Histogram::with_opts(opts))
    }

    /// The handles of one name, one for each value of its label, in their order.
    fn family<'a, O, B: MetricVecBuilder<M: Metric> + 'static>(
        &self,
        make: impl FnOnce(O, &[&str]) -> prometheus::Result<MetricVec<B>>,
        opts: O,
        label: &str,
        values: impl Iterator<Item = &'a str>,
    ) -> Vec<B::M> {
        let family = self.kept(make(opts, &[label]));
        values.map(|value| family.with_label_values(&[value])).collect()
    }

    fn build_info(&self) {
        let opts = opts("build_info", "Always 1; the version is the label.");
        for version in self.family(IntGaugeVec::new, opts, "version", std::iter::once(env!("CARGO_PKG_VERSION"))) {
            version.set(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new(&["shop.friend.v1".to_owned()])
    }

    #[test]
    fn every_metric_of_the_contract_is_there_before_the_first_record() {
        let text = metrics().render();
        for sample in [
            "records_received_total 0",
            "records_rejected_total{reason=\"too_old\"} 0",
            "events_duplicate_total 0",
            "events_conflicting_total 0",
            "events_counted_total{type=\"friend.added\"} 0",
            "events_late_total 0",
            "event_delay_seconds_count 0",
            "flush_seconds_count 0",
            "flush_rows_count{table=\"chunks\"} 0",
            "insert_retries_total{error=\"too_many_parts\"} 0",
            "kafka_lag_records{topic=\"shop.friend.v1\"} 0",
            "rebalances_total 0",
            "replayed_records_total 0",
            "dead_letters_total 0",
            "registers 0",
            "partition_memory_bytes 0",
            "memory_bound_bytes 0",
            "last_event_timestamp_seconds 0",
            "complete_through_timestamp_seconds 0",
            "partitions_held{cause=\"topic_recreated\"} 0",
            "offsets_lost_total 0",
            "build_info{version=\"",
        ] {
            assert!(text.contains(&format!("\nyinliu_{sample}")), "`{sample}` is missing in\n{text}");
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    }

    #[test]
    fn every_label_pair_is_there_once() {
        let text = metrics().render();
        let samples = |prefix: &str| text.lines().filter(|line| line.starts_with(prefix)).count();
        assert_eq!(samples("yinliu_records_rejected_total{"), Reason::ALL.len());
        assert_eq!(samples("yinliu_events_counted_total{"), Type::ALL.len());
        assert_eq!(samples("yinliu_insert_retries_total{"), Class::ALL.len());
        assert_eq!(samples("yinliu_partitions_held{"), Cause::ALL.len());
        assert_eq!(samples("yinliu_flush_rows_count{"), Table::ALL.len());
    }

    #[test]
    fn a_handle_moves_the_sample_of_its_own_label_alone() {
        let metrics = metrics();
        metrics.records_rejected(Reason::Malformed).inc_by(3);
        metrics.kafka_lag("shop.friend.v1").unwrap().set(7);
        assert!(metrics.kafka_lag("other").is_none());
        let text = metrics.render();
        assert!(text.contains("\nyinliu_records_rejected_total{reason=\"malformed\"} 3\n"), "{text}");
        assert!(text.contains("\nyinliu_records_rejected_total{reason=\"too_large\"} 0\n"), "{text}");
        assert!(text.contains("\nyinliu_kafka_lag_records{topic=\"shop.friend.v1\"} 7\n"), "{text}");
    }

    #[test]
    fn metrics_of_two_processes_in_one_test_do_not_meet() {
        let (one, other) = (metrics(), metrics());
        one.dead_letters.inc();
        assert_eq!(other.dead_letters.get(), 0);
    }
}
