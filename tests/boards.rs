//! Boards beside each other and beside a pipeline of its own.
//!
//! Invariant: all figures come from ClickHouse, so it does not matter which board a viewer meets.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    board::Board,
    engine::Engine,
    kafka, poll,
    stage::Stage,
    told::{CORP, Told},
};

/// Paths whose answers are compared.
const PATHS: [&str; 4] = ["summary", "leaderboard?level=store", "leaderboard?level=staff&metric=net_adds", "channels"];

#[tokio::test]
async fn two_boards_without_kafka_show_what_a_pipeline_counted_and_go_on_without_it() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "boards");
    let mut told = Told::tell(&stage).await;
    // Boards of their own configuration: brokers that do not answer.
    let boards = [Board::start(&told.config), Board::start(&told.config)];
    // From now on nothing changes but the age.
    told.pipeline.stop();
    let counted: u64 = stage
        .client()
        .query("SELECT sum(adds) FROM v_counts_1d WHERE corp_id = ? AND business_date = toDate(now(?))")
        .bind(CORP)
        .bind(&told.zone)
        .fetch_one()
        .await
        .unwrap();
    assert!(counted > 100, "{counted} adds");
    for path in PATHS {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}corp={CORP}");
        poll::until(&format!("the same {path}"), Duration::from_secs(20), async || {
            let (one, other) = (figures(&boards[0], &path)?, figures(&boards[1], &path)?);
            if one == other { Ok(()) } else { Err(format!("{one}\n{other}")) }
        })
        .await;
    }
    let summary = boards[0].api(&format!("summary?corp={CORP}")).unwrap();
    assert_eq!(summary["data"]["adds"], json!(counted));
}

/// An answer without what differs by the moment and by the process that saw it first.
fn figures(board: &Board, path: &str) -> Result<Value, String> {
    let mut answer = board.api(path)?;
    answer["revision"].take();
    answer["freshness"]["lag_seconds"].take();
    Ok(answer)
}
