//! One process of three is killed under load, with the settings that are shipped: who notices, and for how long.
//!
//! Invariant: no setting is made for the test but addresses and names.
//!
//! How long it takes is asked only where a rate is given (`make chaos`, which has the machine for itself): among other tests
//! it asks that everything comes in again after each kill, and that nothing is counted twice or not at all.

use std::time::{Duration, Instant};

use serde_json::json;

use super::number;
use crate::{
    recount::assert_counts_equal_the_log,
    support::{
        engine::Engine,
        figures::Chunks,
        kafka,
        load::Load,
        poll,
        stage::{SOON, Stage},
        yinliu::Yinliu,
    },
};

/// `session.timeout.ms` as it is shipped.
const SESSION: Duration = Duration::from_secs(6);

/// From the kill of a process to everything in, at 20,000 events/s on two idle cores.
const FRESH_AGAIN: Duration = Duration::from_secs(10);

/// Two flushes: as late as every event is.
const FRESH: Duration = Duration::from_secs(2);

#[tokio::test]
async fn kill_disturbs_no_other_process_and_everything_is_in_again_within_seconds() {
    let asked = number("KILL_RATE");
    let per_second = asked.and_then(|rate| rate.try_into().ok()).unwrap_or(2_000);
    let lag = if asked.is_some() { FRESH } else { SOON };
    let kills = number("KILLS").unwrap_or(2);
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "survivors");
    stage.build(3).await;
    let load = Load::new(&stage, 31);
    let rows = load.send_reference().await;
    let mut config = stage.config();
    config["kafka"]["options"] = json!({});
    config["flush"]["interval"] = "1s".into();
    let mut processes = [(); 3].map(|()| Yinliu::start(&config));
    stage.until_reference(rows).await;
    let load = load.steady(per_second);
    let (mut slowest, mut longest) = (Duration::ZERO, Duration::ZERO);
    for kill in 0..kills {
        for process in &processes {
            until_reading(process).await;
        }
        until_fresh(&stage, lag).await;
        let (victim, others) = processes.split_first_mut().expect("there are three");
        victim.kill();
        let killed = Instant::now();
        victim.restart();
        let silence = silence_until_fresh(&stage, others, lag).await;
        let took = killed.elapsed();
        println!("kill {kill}: fresh after {took:.1?}, the others silent for {silence:.1?} at most");
        (slowest, longest) = (slowest.max(took), longest.max(silence));
        processes.rotate_left(1);
    }
    load.stop();
    stage.until_in(SOON).await;
    let compared = assert_counts_equal_the_log(&stage).await;
    println!(
        "{kills} kills at {per_second} events/s: fresh after {slowest:.1?}, others silent {longest:.1?}; {compared:?}"
    );
    if asked.is_some() {
        assert!(longest <= SESSION, "a process that was not killed read nothing for {longest:?}");
        assert!(slowest <= FRESH_AGAIN, "everything was in again only {slowest:?} after a kill");
    }
}

/// The process reads records of partitions of its own.
async fn until_reading(process: &Yinliu) {
    let before = poll::until("a process that answers", SOON, async || process.metric("records_received_total")).await;
    poll::until("a process that reads", SOON, async || match process.metric("records_received_total")? {
        now if now > before => Ok(()),
        now => Err(format!("{now} records; its log:\n{}", process.log())),
    })
    .await;
}

/// Everything is in that the log held so long ago.
async fn until_fresh(stage: &Stage<'_>, lag: Duration) {
    poll::until("counts that are fresh", SOON * 2, async || is_fresh(stage, lag, || {}).await).await;
}

/// Looks at something else as well, ten times a second.
async fn is_fresh(stage: &Stage<'_>, lag: Duration, mut look: impl FnMut()) -> Result<(), String> {
    let (ends, asked, client) = (stage.ends(), Instant::now(), stage.client());
    loop {
        look();
        let chunks = Chunks::read(&client).await.map_err(|error| format!("{error:?}"))?;
        let behind = ends.iter().filter(|(topic, partition, end)| chunks.position(topic, *partition) < *end).count();
        if behind == 0 {
            return Ok(());
        }
        if asked.elapsed() > lag {
            return Err(format!("{behind} partitions are behind"));
        }
        // Between two looks, and nothing depends on how many there are.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The longest time for which one of these processes read nothing, until the counts are fresh.
async fn silence_until_fresh(stage: &Stage<'_>, others: &[Yinliu], lag: Duration) -> Duration {
    let mut seen = vec![(0.0, Instant::now(), Duration::ZERO); others.len()];
    let mut look = || {
        for (process, (received, since, longest)) in others.iter().zip(&mut seen) {
            let now = process.metric("records_received_total").unwrap_or(*received);
            *longest = (*longest).max(since.elapsed());
            if now > *received {
                (*received, *since) = (now, Instant::now());
            }
        }
    };
    poll::until("counts that are fresh", SOON * 2, async || is_fresh(stage, lag, &mut look).await).await;
    seen.iter().map(|(_, _, longest)| *longest).max().unwrap_or_default()
}
