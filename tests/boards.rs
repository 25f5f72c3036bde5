//! Boards beside each other and beside a pipeline of its own.
//!
//! Invariant: all figures come from ClickHouse, so it does not matter which board a viewer meets.

use serde_json::{Value, json};

use crate::support::{
    board::{Board, FIGURES},
    engine::Engine,
    kafka, poll,
    proxy::{Mode, Proxy},
    stage::{SOON, Stage},
    told::{CORP, Told},
};

/// Beside [`FIGURES`], of which `leaderboard` is the one of the level below.
const RANKS: [&str; 2] = ["leaderboard?level=store", "leaderboard?level=staff&metric=net_adds"];

#[tokio::test]
async fn two_boards_without_kafka_show_what_a_pipeline_counted_and_go_on_without_it() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "boards");
    let mut told = Told::tell(&stage).await;
    // Boards of their own configuration: brokers that do not answer.
    let boards = [Board::start(&told.config), Board::start(&told.config)];
    both_tell_what_happened_before_they_were_asked(&stage, &told, &boards).await;
    a_contest_stands_as_in_the_warehouse(&stage, &boards[0]).await;
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
    let ranks = boards[0].api(&format!("leaderboard?level=staff&corp={CORP}")).unwrap();
    let first = ranks["data"]["rows"][0]["id"].as_str().unwrap().to_owned();
    let of_the_first = format!("me/adds?scope=staff:{first}");
    for path in FIGURES.into_iter().chain(RANKS).chain([of_the_first.as_str()]) {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}corp={CORP}");
        poll::until(&format!("the same {path}"), SOON, async || {
            let (one, other) = (figures(&boards[0], &path)?, figures(&boards[1], &path)?);
            if one == other { Ok(()) } else { Err(format!("{one}\n{other}")) }
        })
        .await;
    }
    let own = boards[0].api(&format!("{of_the_first}&corp={CORP}")).unwrap();
    assert!(own["data"].as_array().is_some_and(|adds| !adds.is_empty()), "{own}");
    let summary = boards[0].api(&format!("summary?corp={CORP}")).unwrap();
    assert_eq!(summary["data"]["adds"], json!(counted));
}

/// Sides in their order with their values and heads: the board asks for each contest by itself, `v_contests` for all.
async fn a_contest_stands_as_in_the_warehouse(stage: &Stage<'_>, board: &Board) {
    let sql = "SELECT concat(contest_id, ' ', id, ' ', toString(value), ' ', toString(staff_active)) FROM v_contests \
               WHERE corp_id = ? AND ends_at > now64(3) - INTERVAL 7 DAY ORDER BY starts_at, contest_id, rank, id";
    poll::until("the sides of every contest", SOON, async || {
        let expected: Vec<String> =
            stage.client().query(sql).bind(CORP).fetch_all().await.map_err(|e| e.to_string())?;
        let answer = board.api(&format!("contests?corp={CORP}"))?;
        let sides = |contest: &Value| {
            let id = contest["contest_id"].as_str().unwrap_or_default().to_owned();
            let sides = contest["sides"].as_array().cloned().unwrap_or_default();
            sides.into_iter().map(move |side| {
                let place = side["scope"]["id"].as_str().unwrap_or_default();
                format!("{id} {place} {} {}", side["value"], side["staff_active"])
            })
        };
        let told: Vec<_> = answer["data"].as_array().into_iter().flatten().flat_map(sides).collect();
        if told == expected && told.len() > 1 { Ok(()) } else { Err(format!("{told:#?}\n{expected:#?}")) }
    })
    .await;
}

/// A target that was reached within the last half hour is news on every board, whenever that was started.
async fn both_tell_what_happened_before_they_were_asked(stage: &Stage<'_>, told: &Told, boards: &[Board; 2]) {
    let adds = "SELECT sumIf(adds, window_start < now() - INTERVAL 30 MINUTE) AS before, sum(adds) AS now FROM v_counts_1m \
                WHERE corp_id = ? AND business_date = toDate(now(?))";
    let (before, now): (u64, u64) = stage.client().query(adds).bind(CORP).bind(&told.zone).fetch_one().await.unwrap();
    assert!(before < now, "{before} adds half an hour ago, {now} now");
    let target = before + 1;
    let row = format!(
        "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, published_at) \
         SELECT '{CORP}', 'corp', '{CORP}', toDate(now('{}')), 'adds', {target}, now64(3)",
        told.zone
    );
    stage.client().query(&row).execute().await.unwrap();
    for board in boards {
        poll::until("the target among the news", SOON, async || {
            let news = board.first_event(&format!("stream?corp={CORP}&level=store&view=wall"))?["news"].take();
            let reached = |item: &Value| item["kind"] == "target" && item["value"] == json!(target);
            if news.as_array().is_some_and(|items| items.iter().any(reached)) { Ok(()) } else { Err(news.to_string()) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_board_whose_clickhouse_is_away_at_its_start_and_later_says_so_and_fills_when_it_comes() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "board_alone");
    stage.build(1).await;
    let proxy = Proxy::start(&engine.url(), 1);
    proxy.set(Mode::Refuse);
    let mut config = stage.config();
    config["clickhouse"]["url"] = json!(proxy.url());
    let board = Board::start(&config);
    let (status, page) = board.get("/?corp=c&lang=en", "").unwrap();
    assert!(status == 200 && page.contains("data-state=\"loading\""), "{status} {page}");
    assert!(page.contains("The database does not answer"), "{page}");
    let (status, answer) = board.get("/api/v1/summary?corp=c", "").unwrap();
    assert!(status == 503 && answer.to_lowercase().contains("retry-after: "), "{status} {answer}");
    let cause = async || match board.admin("/readyz")? {
        (503, answer) if answer.contains("clickhouse: ClickHouse: ") => Ok(()),
        (status, answer) => Err(format!("{status} {answer}")),
    };
    poll::until("the cause", SOON, cause).await;
    proxy.set(Mode::Pass);
    let figures = async || match (board.api("summary?corp=c")?, board.admin("/readyz")?) {
        (summary, (200, _)) if summary["freshness"]["state"] == "empty" => Ok(()),
        other => Err(format!("{other:?}")),
    };
    poll::until("figures", SOON, figures).await;
    proxy.set(Mode::Refuse);
    poll::until("the cause again", SOON, cause).await;
    proxy.set(Mode::Pass);
    poll::until("figures again", SOON, figures).await;
}

/// An answer without what differs by the moment and by the process that saw it first.
fn figures(board: &Board, path: &str) -> Result<Value, String> {
    let mut answer = board.api(path)?;
    answer["revision"].take();
    answer["freshness"]["lag_seconds"].take();
    Ok(answer)
}
