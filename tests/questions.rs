//! The ten questions of `schemas/questions.sql`: of a small week whose answers are known, and of a generated one for the page.
//!
//! Invariant: each stands in the file as an analyst would run it.

use std::{fmt::Write as _, fs, path::Path};

use clickhouse::Client;
use jiff::civil;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use yinliu::{
    generate::{self, Day, Settings},
    progress::Telling,
};

use crate::support::{
    engine::Engine,
    kafka, poll,
    refreshed::{Happening, Kind, Refreshed, instant},
    stage::{SOON, Stage},
    told::now_ms,
    yinliu::Yinliu,
};

const HEAD: &str = "\
# Ten questions and their answers

Made by `tests/questions.rs` from [questions.sql](questions.sql), which asks them of a week that `yinliu generate` made, of a
brand of six stores, after the pipeline counted it: each answer is what the engine says, of long ones the first rows. The
last two days came after those before were closed.
";

/// Rows of an answer that the page shows.
const SHOWN: usize = 8;

/// A week: two members of staff in stores of their own, two channels, one broadcast, one transfer, one late loss.
fn week() -> Vec<Happening> {
    let rows = [
        ("2025-03-10T09:00:00", Kind::Request, "s1", "a", "cashier", 0),
        ("2025-03-10T09:10:00", Kind::Request, "s1", "z", "cashier", 0),
        ("2025-03-10T10:00:00", Kind::Add, "s1", "a", "cashier", 0),
        ("2025-03-10T10:01:00", Kind::Inbound, "s1", "a", "cashier", 0),
        ("2025-03-10T10:03:00", Kind::Outbound, "s1", "a", "cashier", 0),
        ("2025-03-10T10:05:00", Kind::Add, "s1", "b", "douyin", 0),
        ("2025-03-10T11:00:00", Kind::Customer, "s1", "b", "douyin", 0),
        ("2025-03-10T11:30:00", Kind::Add, "s1", "e", "cashier", 0),
        ("2025-03-10T12:00:00", Kind::Add, "s2", "c", "douyin", 0),
        ("2025-03-10T12:30:00", Kind::Staff, "s2", "c", "douyin", 0),
        ("2025-03-11T10:00:00", Kind::Add, "s2", "d", "cashier", 0),
        ("2025-03-11T11:00:00", Kind::Add, "s2", "b", "cashier", 0),
        ("2025-03-11T12:00:00", Kind::Broadcast, "s2", "", "spring", 2),
        ("2025-03-11T12:30:00", Kind::Customer, "s2", "d", "cashier", 0),
        ("2025-03-12T10:00:00", Kind::Order, "s1", "a", "", 9_900),
        ("2025-03-12T11:00:00", Kind::TransferOut, "s1", "a", "", 0),
        ("2025-03-12T11:00:01", Kind::TransferIn, "s2", "a", "", 0),
        ("2025-03-12T12:00:00", Kind::Add, "s1", "b", "cashier", 0),
    ];
    let row = |(at, (time, kind, staff, customer, channel, amount)): (usize, (&str, Kind, &str, &str, &str, u64))| {
        Happening {
            at_ms: instant(time, "Asia/Shanghai"),
            corp: "c".to_owned(),
            customer: customer.to_owned(),
            staff: staff.to_owned(),
            kind,
            id: format!("e{at}"),
            channel: channel.to_owned(),
            amount,
        }
    };
    rows.into_iter().enumerate().map(row).collect()
}

/// The answers in order, each row as its columns with commas.
const ANSWERS: [&[&str]; 10] = [
    &["store-s1,1,2,0.5,4", "store-s2,0,1,0,3"],
    &["cashier,3,5,0.6", "douyin,0,2,0"],
    &["s2,1,3"],
    &["1,2,0,3600"],
    &["spring,2,1,0"],
    &["store-s1,1,1,120,1"],
    &["cashier,9900,1,5,1980", "douyin,0,0,2,0"],
    &["2025-03-10,s1,3,0,-1"],
    &["s1,s2,1"],
    &["2025-03-10,4,0,0", "2025-03-11,2,0,1", "2025-03-12,1,1,1"],
];

#[tokio::test(flavor = "multi_thread")]
async fn ten_questions_have_their_answers() {
    let mut refreshed = Refreshed::new("questions", &["c"]).await;
    refreshed.count(&week()).await;
    refreshed
        .execute(
            "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, published_at) VALUES \
             ('c', 'store', 'store-s1', '2025-03-10', 'qualified_adds', 4, now64(3)), \
             ('c', 'store', 'store-s2', '2025-03-10', 'qualified_adds', 3, now64(3))",
        )
        .await;
    refreshed
        .execute(
            "INSERT INTO org_log (corp_id, staff_id, store_id, region_id, active, published_at) VALUES \
             ('c', 's1', 'store-s1', 'r', true, now64(3)), ('c', 's3', 'store-s1', 'r', true, now64(3)), \
             ('c', 's2', 'store-s2', 'r', true, now64(3))",
        )
        .await;
    refreshed.complete_through(instant("2025-03-20T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    // After the day was closed it becomes known that a customer had left within the hour.
    let known =
        Happening { id: "late".to_owned(), kind: Kind::Customer, customer: "e".to_owned(), ..week()[6].clone() };
    refreshed.count(&[Happening { at_ms: instant("2025-03-10T12:00:00", "Asia/Shanghai"), ..known }]).await;
    refreshed.complete_through(instant("2025-03-21T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    let asked = questions();
    assert_eq!(asked.len(), ANSWERS.len());
    for (Question { sql, .. }, expected) in asked.iter().zip(ANSWERS) {
        let (_, found) = answer(&refreshed.client, sql).await;
        assert_eq!(found, expected, "{sql}");
    }
}

struct Question {
    title: &'static str,
    sql: String,
}

/// Those of the file, in order.
fn questions() -> Vec<Question> {
    let text = include_str!("../schemas/questions.sql");
    let asked = text.split(";\n").filter(|question| question.contains("SELECT"));
    let question = |question: &'static str| {
        let title = question
            .lines()
            .filter_map(|line| line.strip_prefix("-- "))
            .find(|line| line.starts_with(|letter: char| letter.is_ascii_digit()))
            .unwrap();
        let lines: Vec<_> = question.lines().filter(|line| !line.starts_with("--")).collect();
        Question { title, sql: lines.join("\n").trim().to_owned() }
    };
    asked.map(question).collect()
}

/// The names of the columns, and each row with commas.
async fn answer(client: &Client, sql: &str) -> (String, Vec<String>) {
    let mut cursor = client.query_raw(sql).fetch_bytes("CSVWithNames").unwrap();
    let text = String::from_utf8(cursor.collect().await.unwrap().to_vec()).unwrap().replace('"', "");
    let (names, rows) = text.split_once('\n').unwrap();
    // Versions of ClickHouse differ in how they write what a view calls a Bool.
    (names.to_owned(), rows.lines().map(|line| line.replace("false", "0").replace("true", "1")).collect())
}

/// The days of the questions, of a brand of four stores, of the stage's zone and corp.
async fn generate_days(config: &serde_json::Value, days: std::ops::RangeInclusive<i8>) {
    let kafka: yinliu::source::Config = serde_json::from_value(config["kafka"].clone()).unwrap();
    let told = tokio::task::spawn_blocking(move || {
        for day in days {
            let settings = Settings {
                day: Day::Past(civil::date(2025, 3, day)),
                count: 2_500,
                corp: "c".to_owned(),
                regions: 2,
                stores: 6,
                staff: 48,
                telling: Telling::Nothing,
                ..Settings::default()
            };
            generate::run(&settings, &kafka, &now_ms, &CancellationToken::new()).unwrap();
        }
    });
    told.await.unwrap();
}

#[tokio::test]
async fn the_page_tells_the_answers_of_the_generated_week() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "asked");
    stage.build(2).await;
    stage.create_board_topics().await;
    let mut config = stage.config();
    config["refresh"] = json!({ "interval": "1h" });
    // Who starts knows the directory before it counts; who counts already may read an event before its member of staff.
    generate_days(&config, 10..=14).await;
    let pipeline = Yinliu::start(&config);
    stage.until_in(SOON).await;
    // They come by a topic of their own, for which nobody waits who counts.
    let told =
        "SELECT countDistinct(business_date) FROM v_targets WHERE level = 'staff' AND metric = 'adds' GROUP BY id";
    poll::until("targets of five days for each member of staff", SOON, async || {
        let days: Vec<u64> = stage.client().query_raw(told).fetch_all().await.map_err(|error| error.to_string())?;
        (days == [5; 48]).then_some(()).ok_or(format!("{days:?}"))
    })
    .await;
    // The generator hopes for adds; what the first question compares is what rewards hang on.
    let targets = "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, published_at) \
                   SELECT corp_id, 'store', id, business_date, 'qualified_adds', intDiv(t.target, 2), now64(3) \
                   FROM v_targets AS t WHERE level = 'store' AND metric = 'adds'";
    stage.client().query_raw(targets).execute().await.unwrap();
    let refresh = || assert!(pipeline.command(&["refresh", "--log", "warn"]).0, "refresh succeeds");
    refresh();
    generate_days(&config, 15..=16).await;
    stage.until_in(SOON).await;
    refresh();
    let mut page = HEAD.to_owned();
    for Question { title, sql } in questions() {
        let (names, found) = answer(&stage.client(), &sql).await;
        assert!(!found.is_empty(), "the generated week says nothing to:\n{sql}");
        let row = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
        let names: Vec<_> = names.split(',').collect();
        let head = row(&names) + &row(&vec!["---"; names.len()]).replace(' ', "");
        let mut rows: String = found.iter().take(SHOWN).map(|line| row(&line.split(',').collect::<Vec<_>>())).collect();
        if found.len() > SHOWN {
            write!(rows, "\n… and {} rows more.\n", found.len() - SHOWN).unwrap();
        }
        write!(page, "\n## {title}\n\n```sql\n{sql}\n```\n\n{head}{rows}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/questions.md");
    if fs::read_to_string(&path).unwrap_or_default() != page {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("questions.md");
        fs::write(&fresh, page).unwrap();
        panic!("{} is stale: replace it by {}", path.display(), fresh.display());
    }
}
