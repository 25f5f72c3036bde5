//! The program as it is run, into a real ClickHouse engine: speed, CPU of both, freshness, parts, the time of a start.
//!
//! Invariant: every process is its own, and ends with the figure it is for.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use clickhouse::Client;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use tempfile::TempDir;

use crate::{
    Scale,
    child::wall_ms,
    measure::{self, Runs},
    null::{STAFF, block_on, fill, prepare},
    support::kafka::{Kafka, shared},
    table::Table,
};

/// How often the warehouse is asked; a question takes some 5 ms of the engine.
const ASK: Duration = Duration::from_millis(50);

/// Between two probes: not in step with the flush of a second.
const PROBE_EVERY: Duration = Duration::from_millis(310);

/// Whatever takes longer than this is broken.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// A process that ends with this value.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn start(arguments: &[String], output: Stdio, errors: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yinliu"));
        command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors);
        Self(command.spawn().expect("cargo has built it"))
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.0.wait().expect("it was started")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn cpu(&self) -> f64 {
        measure::process_cpu(self.0.id())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An engine with the schema of yinliu.
pub(crate) struct Warehouse {
    program: Program,
    pub(crate) url: String,
    client: Client,
    _folder: TempDir,
}

impl Warehouse {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().expect("there is room for a folder");
        let data = folder.path().join("data").display().to_string();
        let arguments = words(&["engine", "--data", &data, "--listen", "127.0.0.1:0"]);
        let mut program = Program::start(&arguments, Stdio::piped(), Stdio::inherit());
        let mut address = String::new();
        let output = program.0.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut address).expect("the engine tells its address");
        let url = format!("http://{}", address.trim());
        let migrate = words(&["migrate", "--set", &format!("clickhouse.url={url}"), "--log", "warn"]);
        let migrated = Program::start(&migrate, Stdio::null(), Stdio::inherit()).0.wait();
        assert!(migrated.is_ok_and(|status| status.success()), "the schema cannot be made");
        let client = Client::default().with_url(&url).with_database("yinliu");
        Self { program, url, client, _folder: folder }
    }

    /// The pipeline alone, on this topic.
    pub(crate) fn pipeline(&self, topic: &str, errors: Stdio) -> Program {
        let settings = [
            format!("kafka.brokers={}", shared().brokers()),
            format!("kafka.group=bench-{topic}"),
            format!("kafka.topics.input={topic}"),
            format!("clickhouse.url={}", self.url),
            "admin.listen=127.0.0.1:0".to_owned(),
            "board.listen=127.0.0.1:0".to_owned(),
        ];
        let mut arguments = words(&["run", "--only", "pipeline"]);
        arguments.extend(settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]));
        Program::start(&arguments, Stdio::null(), errors)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.0.id()
    }

    pub(crate) fn execute(&self, sql: &str) {
        block_on(self.client.query_raw(sql).execute()).expect("the engine takes the statement");
    }

    pub(crate) fn number(&self, sql: &str) -> u64 {
        block_on(self.client.query(sql).fetch_one::<u64>()).expect("the engine answers")
    }

    /// Records that are entered in the ledger.
    fn entered(&self) -> u64 {
        self.number(
            "SELECT toUInt64(sum(upto)) FROM (SELECT max(l.next_offset) AS upto FROM ledger AS l GROUP BY src_topic, \
             src_partition)",
        )
    }

    /// Waits until so many are.
    pub(crate) fn wait_for(&self, records: u64) {
        let began = Instant::now();
        while self.entered() < records {
            assert!(began.elapsed() < PATIENCE, "{} of {records} records arrived", self.entered());
            thread::sleep(ASK);
        }
    }
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Events a second into the engine, and what they cost.
pub(crate) fn throughput(scale: Scale, table: &mut Table) {
    prepare(shared());
    let (events, turns) = if scale == Scale::Full { (2_000_000, 3) } else { (50_000, 1) };
    let job = fill(shared(), 8, events);
    let (mut speed, mut own, mut engine) = (Runs::default(), Runs::default(), Runs::default());
    let millions = measure::count(usize::try_from(events).unwrap_or(0)) / 1e6;
    for _ in 0..turns {
        let warehouse = Warehouse::start();
        let before = warehouse.program.cpu();
        let pipeline = warehouse.pipeline(&job.topic, Stdio::null());
        warehouse.wait_for(1);
        let (began, from) = (Instant::now(), warehouse.entered());
        warehouse.wait_for(events);
        speed.push(
            (millions * 1e6 - measure::count(usize::try_from(from).unwrap_or(0))) / began.elapsed().as_secs_f64(),
        );
        own.push(pipeline.cpu() / millions);
        engine.push((warehouse.program.cpu() - before) / millions);
    }
    table.row("into the engine, events/s", "stated", speed.text(0));
    table.row("into the engine, CPU s per million: yinliu", "≤ 4.0", own.text(2));
    table.row("into the engine, CPU s per million: engine", "stated", engine.text(2));
}

/// Live events at a steady rate, from the generator in a process of its own.
pub(crate) fn live(topic: &str, rate: u32) -> Program {
    let (rate, staff) = (rate.to_string(), STAFF.to_string());
    let brokers = format!("kafka.brokers={}", shared().brokers());
    let topic = format!("kafka.topics.input={topic}");
    let sizes = ["--staff", &staff, "--stores", "400"];
    let stream = ["generate", "--count", "0", "--live", "--rate", &rate, "--set", &brokers, "--set", &topic];
    Program::start(&words(&[&stream[..], &sizes].concat()), Stdio::null(), Stdio::null())
}

/// From produce to visible, beside a steady stream.
pub(crate) fn freshness(scale: Scale, table: &mut Table) {
    prepare(shared());
    let (rate, probes) = if scale == Scale::Full { (20_000, 100) } else { (1_000, 5) };
    let topic = block_on(shared().fresh_topic("live", 8, &[]));
    let warehouse = Warehouse::start();
    let _pipeline = warehouse.pipeline(&topic, Stdio::null());
    let _live = live(&topic, rate);
    // Not before everything has settled.
    warehouse.wait_for(u64::from(rate) * 5);
    let producer = producer(shared());
    let sql = "SELECT staff_id FROM v_counts_1m WHERE corp_id = 'probe'";
    let (mut sent, mut delays) = (HashMap::new(), Runs::default());
    let (began, mut number) = (Instant::now(), 0);
    while number < probes || !sent.is_empty() {
        if number < probes && began.elapsed() >= PROBE_EVERY * number {
            let name = format!("p{number}");
            sent.insert(name.clone(), Instant::now());
            probe(&producer, &topic, None, &name, PROBES);
            number += 1;
        }
        producer.poll(Duration::ZERO);
        let seen: Vec<String> = block_on(warehouse.client.query(sql).fetch_all()).expect("the engine answers");
        for name in seen {
            if let Some(at) = sent.remove(&name) {
                delays.push(at.elapsed().as_secs_f64());
            }
        }
        assert!(began.elapsed() < PATIENCE, "{} probes were never seen", sent.len());
        thread::sleep(Duration::from_millis(10));
    }
    let (median, late) = (delays.median(), delays.quantile(0.99));
    let measured = format!("median {median:.2}, p99 {late:.2}, most {:.2}", delays.quantile(1.0));
    table.row("from produce to visible, 20,000 events/s, s", "median ≤ 1.0, p99 ≤ 2.0", measured);
}

/// Parts that inserts create in a second, by the number of partitions.
pub(crate) fn parts(scale: Scale, table: &mut Table) {
    prepare(shared());
    let (rate, seconds) = if scale == Scale::Full { (5_000, 15) } else { (500, 3) };
    let created = "SELECT toUInt64(sum(value)) FROM system.events WHERE event = 'MergeTreeDataWriterBlocks'";
    let mut figures = Vec::new();
    for partitions in [1, 16] {
        let topic = block_on(shared().fresh_topic("parts", partitions, &[]));
        let warehouse = Warehouse::start();
        let _pipeline = warehouse.pipeline(&topic, Stdio::null());
        let _live = live(&topic, rate);
        warehouse.wait_for(u64::from(rate));
        let (began, before) = (Instant::now(), warehouse.number(created));
        thread::sleep(Duration::from_secs(seconds));
        let after = warehouse.number(created);
        let parts = measure::count(usize::try_from(after - before).unwrap_or(0)) / began.elapsed().as_secs_f64();
        figures.push(format!("{parts:.1} with {partitions}"));
    }
    table.row("parts created a second, by partitions", "independent of them", figures.join(", "));
}

/// From the assignment to counted and in the ledger, on a log that is caught up.
pub(crate) fn start(scale: Scale, table: &mut Table) {
    const PARTITIONS: i32 = 16;
    prepare(shared());
    let (events, turns) = if scale == Scale::Full { (1_000_000, 5) } else { (20_000, 1) };
    let job = fill(shared(), PARTITIONS, events);
    let warehouse = Warehouse::start();
    let caught_up = warehouse.pipeline(&job.topic, Stdio::null());
    warehouse.wait_for(events);
    drop(caught_up);
    let producer = producer(shared());
    let mut times = Runs::default();
    for turn in 0..turns {
        let before = warehouse.entered();
        for partition in 0..PARTITIONS {
            probe(&producer, &job.topic, Some(partition), &format!("s{turn}-{partition}"), PROBES);
        }
        producer.flush(PATIENCE).expect("Kafka answers");
        let mut pipeline = warehouse.pipeline(&job.topic, Stdio::piped());
        let mut lines = BufReader::new(pipeline.0.stderr.take().expect("it is piped"));
        let mut line = String::new();
        while !line.contains("partitions assigned") {
            line.clear();
            assert!(lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0), "the process ended early");
        }
        let began = Instant::now();
        thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        warehouse.wait_for(before + u64::try_from(PARTITIONS).unwrap_or(0));
        times.push(began.elapsed().as_secs_f64());
    }
    table.row("start on a caught-up log, from the assignment to entered, s", "≤ 3", times.text(2));
}

pub(crate) fn producer(kafka: &Kafka) -> BaseProducer {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", kafka.brokers()).set("linger.ms", "0").create().expect("the settings are good")
}

/// The corp of probes alone.
pub(crate) const PROBES: &str = r#""corp_id":"probe""#;

/// One event of a place, found again by its member of staff.
pub(crate) fn probe(producer: &BaseProducer, topic: &str, partition: Option<i32>, name: &str, place: &str) {
    let now = wall_ms();
    let value = format!(
        r#"{{"event_id":"{name}-{now}","type":"friend.added",{place},"occurred_at":{now},"staff_id":"{name}","customer_id":"c","channel":"store_qr"}}"#
    );
    let mut record = BaseRecord::to(topic).key(name).payload(&value).timestamp(now);
    record.partition = partition;
    assert!(producer.send(record).is_ok(), "the producer has room for probes");
}
