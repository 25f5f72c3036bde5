//! `yinliu top`: what it shows is what ledger and views say, of all processes.
//!
//! Invariant: its lines are read as a person reads them.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
};

use clickhouse::Row;
use serde::Deserialize;
use tempfile::TempDir;
use yinliu::sink;

use crate::support::{
    engine::Engine,
    kafka,
    process::{Process, Signal},
    stage::Stage,
    told::{CORP, QUIET, Told},
    yinliu::command,
};

#[derive(Debug, Row, Deserialize)]
struct Store {
    id: String,
    adds: u64,
}

/// The words of the line that begins with this one.
fn line<'a>(shown: &'a str, first: &str) -> Vec<&'a str> {
    let words = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = words.into_iter().find(|words| words.first() == Some(&first));
    found.unwrap_or_else(|| panic!("no line of `{first}`:\n{shown}"))
}

#[tokio::test]
async fn it_shows_what_the_views_say_and_goes_on_without_kafka() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "top");
    let told = Told::tell(&stage).await;
    let (succeeded, shown) = told.pipeline.command(&["top", "--count", "2", "--leaders", "3", "--log", "warn"]);
    assert!(succeeded, "{shown}");
    let all = line(&shown, "all");
    assert_eq!((all.len(), all[1], all[5]), (6, "–", "0"), "everything is in the ledger:\n{shown}");
    assert_eq!(shown.matches("records/s").count(), 2, "two looks:\n{shown}");

    let today = "corp_id = ? AND business_date = (SELECT max(business_date) FROM v_counts_1d)";
    let sql = format!("SELECT id, adds FROM v_leaderboard_1d WHERE {today} AND level = 'store' ORDER BY place LIMIT 3");
    let stores = stage.client().query(&sql).bind(CORP).fetch_all::<Store>().await.unwrap();
    let adds = stage.client().query(&format!("SELECT sum(adds) FROM v_counts_1d WHERE {today}")).bind(CORP);
    let adds = adds.fetch_one::<u64>().await.unwrap();
    let corp = line(&shown, CORP);
    assert_eq!(corp[2].replace(',', ""), adds.to_string(), "{shown}");
    assert_eq!(line(&shown, QUIET)[2], "0", "{shown}");
    let mut leaders = shown.lines().skip_while(|line| !line.starts_with("#  store")).skip(1);
    for Store { id, adds } in stores {
        let words: Vec<_> = leaders.next().unwrap().split_whitespace().collect();
        assert!(words[1] == id && words.contains(&adds.to_string().as_str()), "{id} with {adds}:\n{shown}");
    }

    let of_other = ["top", "--count", "1", "--corp", QUIET, "--set", "kafka.brokers=127.0.0.1:1", "--log", "error"];
    let (succeeded, shown) = told.pipeline.command(&of_other);
    assert!(succeeded && shown.contains("no lag is known"), "{shown}");
    assert_eq!(line(&shown, "all")[5], "–", "{shown}");
    let leader = shown.lines().skip_while(|line| !line.starts_with("#  store")).nth(1);
    assert!(!leader.unwrap().contains(corp[2]), "the leaders are the other corp's:\n{shown}");
}

#[tokio::test]
async fn it_ends_at_ctrl_c_and_without_clickhouse_at_once() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "top_ends");
    stage.build(1).await;
    let sink::Config { url, database, .. } = stage.clickhouse();
    let settings = [format!("clickhouse.url={url}"), format!("clickhouse.database={database}")];
    let words = ["top", "--set", "kafka.brokers=127.0.0.1:1", "--set", &settings[0], "--set", &settings[1]];
    // The guard of the process removes its folder.
    let folder = TempDir::new().unwrap().keep();
    let (mut top, output) = Process::start(OsStr::new(env!("CARGO_BIN_EXE_yinliu")), words, &folder);
    let mut lines = BufReader::new(output).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "nothing is counted yet"), "it ended before it showed anything");
    top.send(Signal::Interrupt);
    assert_eq!(top.wait(), 0, "exit code after Ctrl-C");
    let (code, said) = command(&["top", "--set", "clickhouse.url=http://127.0.0.1:1"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("read the ") && said.contains("refused"), "it says what it could not read, and why: {said}");
}
