//! What the process does where there is too much, or where ClickHouse cannot or will not take it.
//!
//! Invariant: each error has the reaction of its class: wait and try again, hold a partition, or end and say what to do.

use std::time::{Duration, Instant};

use serde_json::json;
use yinliu::chunk;

use crate::{
    chaos::number,
    recount::assert_counts_equal_the_log,
    support::{
        engine::Engine,
        figures::Chunks,
        kafka,
        load::Load,
        poll,
        proxy::{Failure, Mode, Proxy},
        records::{self, Stored},
        stage::{SOON, Stage},
        told::now_ms,
        yinliu::Yinliu,
    },
};

/// A stage, a running process behind a proxy, and a brand whose directory it knows.
async fn running(stage: &Stage<'_>, proxy: &Proxy, seed: u64) -> (Load, Yinliu) {
    stage.build(2).await;
    let load = Load::new(stage, seed);
    let rows = load.send_reference().await;
    let mut config = stage.config();
    config["clickhouse"]["url"] = proxy.url().into();
    let yinliu = Yinliu::start(&config);
    stage.until_reference(rows).await;
    (load, yinliu)
}

/// Topic, partition, end.
type Ends = Vec<(String, u32, u64)>;

fn sum(ends: &Ends) -> u64 {
    ends.iter().map(|(.., end)| end).sum()
}

/// What the brokers held at some moments, in seconds since the epoch.
#[derive(Default)]
struct Held(Vec<(f64, Ends)>);

impl Held {
    /// At most twice a second.
    fn look(&mut self, stage: &Stage<'_>) {
        let now = || Duration::from_millis(now_ms().unsigned_abs()).as_secs_f64();
        if self.0.last().is_some_and(|(at, _)| now() - at < 0.5) {
            return;
        }
        let ends = stage.ends();
        // They held as much at any later moment.
        self.0.push((now(), ends));
    }

    /// Nothing is told to be complete that is not in: `through` was asked for before these chunks.
    fn assert_in(&self, chunks: &Chunks, through: f64) {
        let Some((at, ends)) = self.0.iter().rev().find(|(at, _)| *at <= through) else { return };
        let missing = chunks.reach(ends).err();
        assert!(missing.is_none(), "complete through {through}, but not through the ends of {at}: {missing:?}");
    }
}

/// Records that wait when the process starts: some seconds of work.
const BACKLOG: usize = 100_000;

/// What waited for ClickHouse is counted at this part of the speed of a backlog at least. Measured: two fifths, for the load
/// goes on beside it on the same cores, and ClickHouse has just started. Who waits between two flushes takes a twentieth.
const DRAIN_LEAST: f64 = 0.2;

/// How fast the ledger goes, from its first move on.
#[derive(Default)]
struct Pace {
    begin: Option<u64>,
    moved: Option<(Instant, u64)>,
}

impl Pace {
    /// In records a second, up to now.
    fn look(&mut self, chunks: &Chunks, ends: &Ends) -> f64 {
        let sum = ends.iter().map(|(topic, partition, _)| chunks.position(topic, *partition)).sum::<u64>();
        if self.moved.is_none() && sum > *self.begin.get_or_insert(sum) {
            self.moved = Some((Instant::now(), sum));
        }
        let Some((since, from)) = self.moved else { return 0.0 };
        f64::from(u32::try_from(sum - from).unwrap()) / since.elapsed().as_secs_f64()
    }
}

/// How fast the process counts what waited for its start.
async fn backlog_per_second(stage: &Stage<'_>) -> f64 {
    let (ends, client, mut pace) = (stage.ends(), stage.client(), Pace::default());
    poll::until("the backlog in", SOON, async || {
        let chunks = Chunks::read(&client).await.map_err(|error| format!("{error:?}"))?;
        let per_second = pace.look(&chunks, &ends);
        chunks.reach(&ends).map(|()| per_second)
    })
    .await
}

#[tokio::test]
async fn clickhouse_that_is_away_under_load_costs_no_count_and_memory_within_the_bound() {
    let asked = number("PRESSURE_SECONDS");
    let away = Duration::from_secs(asked.unwrap_or(60));
    // More than the process holds back within a minute, so that it has to stop reading.
    let per_second = number("PRESSURE_RATE").and_then(|rate| rate.try_into().ok()).unwrap_or(4_000);
    let mut engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "away");
    // A bound that the records of ten minutes would exceed, were they held back unread: they are 300 bytes each.
    let chunk = chunk::Config { bits: 12, day_bits: 15 };
    stage.build_with_chunks(2, &chunk).await;
    let mut load = Load::new(&stage, 3);
    let rows = load.send_reference().await;
    load.send(BACKLOG).await;
    let mut config = stage.config();
    config["chunk"] = json!({ "bits": chunk.bits, "day_bits": chunk.day_bits });
    config["memory"] = json!({ "limit_mib": 64 });
    let yinliu = Yinliu::start(&config);
    stage.until_reference(rows).await;
    let (counted, backlog_per_second) = (sum(&stage.ends()), backlog_per_second(&stage).await);
    let metric = |sample: &str| yinliu.metric(sample).unwrap();
    let (started, rebalances) = (metric("process_start_time_seconds"), metric("rebalances_total"));
    let bound = metric("memory_bound_bytes");

    let load = load.steady(per_second);
    engine.kill();
    yinliu.until_ready_is(503, "ClickHouse", SOON).await;
    let (began, fresh) = (Instant::now(), metric("complete_through_timestamp_seconds"));
    let (mut resident, mut held) = (0.0_f64, Held::default());
    while began.elapsed() < away {
        held.look(&stage);
        let (status, causes) = yinliu.get("/readyz").unwrap();
        assert!(status == 503 && causes.contains("ClickHouse"), "{status} {causes}");
        resident = resident.max(metric("process_resident_memory_bytes"));
        assert!(resident < bound, "{resident} bytes of memory, the bound is {bound}");
        let same = |sample: &str, value: f64| assert!((metric(sample) - value).abs() < 0.001, "`{sample}` moved");
        same("rebalances_total", rebalances);
        same("complete_through_timestamp_seconds", fresh);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (waiting, back) = (stage.ends(), Instant::now());
    let topic = |role: &str| metric(&format!("kafka_lag_records{{topic=\"{}\"}}", stage.topic(role)));
    let lag: f64 = ["friend", "message", "order", "touch"].map(topic).iter().sum();
    // It stops reading once its batches are full, and says how far it is behind.
    let sent = sum(&waiting) - counted;
    assert!(lag > f64::from(u32::try_from(sent).unwrap()) / 2.0, "a lag of {lag} records of {sent}");
    engine.restart();
    let (client, mut pace) = (stage.client(), Pace::default());
    let drained_per_second = poll::until("everything that waited", SOON * 5, async || {
        held.look(&stage);
        let through = metric("complete_through_timestamp_seconds");
        // And what boards show.
        let view = "SELECT toFloat64(complete_through) FROM v_complete_through";
        let by_view = client.query(view).fetch_one::<f64>().await.map_err(|error| format!("{error:?}"))?;
        let chunks = Chunks::read(&client).await.map_err(|error| format!("{error:?}"))?;
        held.assert_in(&chunks, through.max(by_view));
        let per_second = pace.look(&chunks, &waiting);
        chunks.reach(&waiting).map(|()| per_second)
    })
    .await;
    let drained = back.elapsed();
    assert!(held.0.len() > 1 && metric("complete_through_timestamp_seconds") > fresh, "freshness goes on");
    load.stop();
    yinliu.until_ready_is(200, "ok", SOON).await;
    stage.until_in(SOON * 5).await;
    let compared = assert_counts_equal_the_log(&stage).await;
    assert!((metric("process_start_time_seconds") - started).abs() < 0.5, "it was never restarted");
    println!(
        "away {} s at {per_second} events/s: {:.0} MB of memory (bound {:.0} MB), a lag of {lag} records, all {sent} in {:.1} s \
         after it was back, at {drained_per_second:.0} records/s (a backlog at {backlog_per_second:.0}); {} records, {} keys, none wrong",
        away.as_secs(),
        resident / 1e6,
        bound / 1e6,
        drained.as_secs_f64(),
        compared.records,
        compared.keys
    );
    assert!(
        drained_per_second >= backlog_per_second * DRAIN_LEAST,
        "what waited is counted at {drained_per_second:.0} records/s, a backlog at {backlog_per_second:.0}"
    );
    // How fast is a question to a machine that does nothing else, which `make pressure` puts.
    assert!(asked.is_none() || drained < away, "the backlog drains faster than it came: {drained:?}");
}

const fn failure(status: u16, code: u16, text: &'static str) -> Failure {
    Failure { status, code: Some(code), text }
}

#[tokio::test]
async fn error_that_a_person_must_mend_ends_the_process_with_1_and_says_how() {
    let engine = Engine::start();
    let proxy = Proxy::start(&engine.url(), 1);
    let stage = Stage::new(kafka::shared(), engine.url(), "final");
    let (mut load, mut yinliu) = running(&stage, &proxy, 21).await;
    let password = "Code: 516. DB::Exception: default: Authentication failed: password is incorrect, or there is no user \
                    with such name. (AUTHENTICATION_FAILED) (version 26.3.1.1 (official build))";
    let quota = "Code: 201. DB::Exception: Quota for user `yinliu` for 3600s has been exceeded: queries = 101/100. \
                 (QUOTA_EXCEEDED) (version 26.3.1.1 (official build))";
    let readonly = "Code: 164. DB::Exception: yinliu: Cannot execute query in readonly mode. (READONLY)";
    let grants = "Code: 497. DB::Exception: yinliu: Not enough privileges. To execute this query, it's necessary to have \
                  the grant INSERT(type, event_id) ON yinliu.facts. (ACCESS_DENIED)";
    for (failure, remedy) in [
        (failure(403, 516, password), "`clickhouse.password`"),
        (failure(500, 201, quota), "raise the quota"),
        (failure(500, 164, readonly), "`readonly`"),
        (failure(403, 497, grants), "grants"),
    ] {
        proxy.set(Mode::Fail("INSERT", failure));
        load.send(200).await;
        assert_eq!(yinliu.exit_code(SOON), 1, "{failure:?}");
        assert!(yinliu.log().contains(remedy), "the log says what to do about {failure:?}:\n{}", yinliu.log());
        proxy.set(Mode::Pass);
        yinliu.restart();
    }
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
    // At its start, too.
    yinliu.stop();
    proxy.set(Mode::Fail("", failure(403, 516, password)));
    yinliu.restart();
    assert_eq!(yinliu.exit_code(SOON), 1);
}

#[tokio::test]
async fn error_that_passes_is_waited_for_with_its_class_in_the_metric() {
    let engine = Engine::start();
    let proxy = Proxy::start(&engine.url(), 1);
    let stage = Stage::new(kafka::shared(), engine.url(), "passing");
    let (mut load, yinliu) = running(&stage, &proxy, 22).await;
    let parts = "Code: 252. DB::Exception: Too many parts (3000 with average size of 1.20 KiB) in table 'yinliu.facts'. \
                 Merges are processing significantly slower than inserts. (TOO_MANY_PARTS)";
    let memory = "Code: 241. DB::Exception: (total) memory limit exceeded: would use 3.50 GiB. (MEMORY_LIMIT_EXCEEDED)";
    let readonly = "Code: 242. DB::Exception: Table is in readonly mode (replica path: /a/b). (TABLE_IS_READ_ONLY)";
    let timeout = "Code: 159. DB::Exception: Timeout exceeded: elapsed 30.1 seconds, maximum: 30. (TIMEOUT_EXCEEDED)";
    let balancer = Failure { status: 502, code: None, text: "<html><h1>502 Bad Gateway</h1></html>" };
    for (failure, class) in [
        (failure(500, 252, parts), "too_many_parts"),
        (failure(500, 241, memory), "memory"),
        (failure(500, 242, readonly), "readonly"),
        (failure(408, 159, timeout), "timeout"),
        (balancer, "other"),
    ] {
        proxy.set(Mode::Fail("INSERT", failure));
        load.send(200).await;
        yinliu.until_ready_is(503, "ClickHouse", SOON).await;
        let sample = format!("insert_retries_total{{error=\"{class}\"}}");
        poll::until(&format!("two attempts in `{sample}`"), SOON, async || match yinliu.metric(&sample)? {
            count if count >= 2.0 => Ok(()),
            count => Err(format!("{count}; its log:\n{}", yinliu.log())),
        })
        .await;
        proxy.set(Mode::Pass);
        yinliu.until_ready_is(200, "ok", SOON).await;
    }
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
    assert!(yinliu.is_running(), "the process waited");
}

#[tokio::test]
async fn table_that_lacks_a_column_ends_the_process_and_costs_no_count() {
    let engine = Engine::start();
    let proxy = Proxy::start(&engine.url(), 1);
    let stage = Stage::new(kafka::shared(), engine.url(), "column");
    let (mut load, mut yinliu) = running(&stage, &proxy, 23).await;
    load.send(500).await;
    stage.until_in(SOON).await;
    let client = stage.client();
    client.query("ALTER TABLE facts DROP COLUMN add_way").execute().await.unwrap();
    load.send(500).await;
    assert_eq!(yinliu.exit_code(SOON), 1);
    assert!(yinliu.log().contains("yinliu migrate"), "{}", yinliu.log());
    client.query("ALTER TABLE facts ADD COLUMN add_way Nullable(Int64) AFTER state").execute().await.unwrap();
    yinliu.restart();
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
}

#[tokio::test]
async fn poison_records_are_put_aside_with_their_reason_and_their_partition_goes_on() {
    let engine = Engine::start();
    let proxy = Proxy::start(&engine.url(), 1);
    let stage = Stage::new(kafka::shared(), engine.url(), "poison");
    let (mut load, yinliu) = running(&stage, &proxy, 24).await;
    let at = |value: Vec<u8>, headers: Vec<(String, Vec<u8>)>| Stored {
        topic: stage.topic("friend"),
        partition: Some(0),
        timestamp: 1_780_279_200_000,
        value: Some(value),
        headers,
        ..Stored::default()
    };
    let poison = [
        at(vec![b'a'; (1 << 20) + 1], Vec::new()),
        at(b"[".repeat(500_000), Vec::new()),
        at(br#"{"a":"#.repeat(100_000), vec![("h".to_owned(), vec![0; 400_000])]),
        at(b"\xff\xfe\x00".to_vec(), vec![("content-type".to_owned(), b"\xff".to_vec())]),
        at(Vec::new(), Vec::new()),
    ];
    let count = poison.len();
    records::send(&records::producer(stage.kafka), poison).await;
    load.send(300).await;
    stage.until_in(SOON).await;
    let letters = stage.letters();
    let reasons: Vec<_> = letters.iter().filter(|letter| letter.header("partition") == Some("0")).collect();
    let of_poison = reasons.iter().filter(|letter| matches!(letter.header("reason"), Some("too_large" | "malformed")));
    assert!(of_poison.count() >= count, "{} letters", reasons.len());
    assert_counts_equal_the_log(&stage).await;
    assert!(yinliu.is_running());
}
