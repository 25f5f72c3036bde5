//! `reconcile` beside a pipeline that counts, is killed, and starts again.
//!
//! Invariant: what has to come out is recounted from the log, by the rule of corrections: the first of a kind counts.

use std::process::Stdio;

use serde_json::json;
use yinliu::{chunk, generate};

use crate::{
    recount::{Terms, compare_by},
    support::{
        engine::Engine,
        kafka,
        load::Load,
        records,
        stage::{SOON, Stage},
        yinliu::Yinliu,
    },
};

/// Records of a partition within which the pipeline itself knows a repeated event: all that the load repeats by itself, or
/// what it repeats behind the last correction would be counted twice.
const HORIZON: u32 = generate::model::REPEAT_WITHIN;

/// Of so many records the topic of friends has more than a horizon.
const BETWEEN: usize = 50_000;

/// The day that is told, and those of which late events tell.
const DAYS: [&str; 4] = ["--from", "2026-05-01", "--to", "2026-06-30"];

#[tokio::test]
async fn corrections_beside_a_pipeline_that_counts_and_is_killed_leave_each_event_once() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "beside");
    let chunks = chunk::Config { bits: 6, day_bits: 8 };
    stage.build_with_chunks(1, &chunks).await;
    let mut load = Load::new(&stage, 21);
    let rows = load.send_reference().await;
    let mut config = stage.config();
    config["chunk"] = json!({ "bits": chunks.bits, "day_bits": chunks.day_bits });
    config["dedup"] = json!({ "records": HORIZON });
    let mut yinliu = Yinliu::start(&config);
    stage.until_reference(rows).await;
    load.send(1_000).await;
    let friend = stage.topic("friend");
    let first: Vec<_> = stage.records().into_iter().filter(|record| record.topic == friend).collect();
    load.send(BETWEEN).await;
    records::send(&records::producer(stage.kafka), first.clone()).await;
    stage.until_in(SOON).await;
    let counted_twice = compare_by(&stage, &stage.records(), &EACH_ONCE).await;
    assert!(counted_twice.wrong.rows > 0, "{} records came again beyond the horizon", first.len());

    let load = load.steady(400);
    for round in 0..6 {
        // Two at once, of which one asks the directory, too.
        let runs = [&["reconcile", "--log", "warn"][..], &["reconcile", "--directory", "--log", "warn"]].map(|words| {
            let mut run = yinliu.program(&[words, &DAYS].concat());
            run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        });
        if round % 2 == 1 {
            yinliu.kill();
            yinliu.restart();
        }
        for run in runs {
            let output = run.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    load.stop();
    stage.until_in(SOON).await;
    compare_by(&stage, &stage.records(), &EACH_ONCE).await.assert_right();
    let (agrees, said) = yinliu.command(&[&["verify", "--deep"], &DAYS[..]].concat());
    assert!(agrees, "{said}");
}

/// However far apart.
const EACH_ONCE: Terms = Terms { records: u64::MAX, span_ms: i64::MAX, delay_ms: 60_000 };
