//! `yinliu demo` as it is started by hand: where it says to look, what stands there, what happens, how it ends and goes on.
//!
//! Invariant: how long it takes is asked only where the machine does nothing else (`make browser`).

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    chaos::number,
    support::{
        board::ask,
        poll,
        process::{Process, Signal},
        stage::SOON,
        told::now_ms,
    },
};

/// Whoever looks at its page for so long has seen every scene, where nothing else runs.
const STORY: Duration = Duration::from_mins(2);
/// Adds that the producer of the story kept while it was away.
const KEPT: i64 = 12;

/// From the start of the program to adds of today that move, and from Ctrl-C to its end, where nothing else runs.
const MOVING: Duration = Duration::from_secs(10);
const ENDING: Duration = Duration::from_secs(5);

const BUSY: [&str; 2] = ["--rate", "100"];

struct Demo {
    process: Process,
    began: Instant,
    board: SocketAddr,
    sql: SocketAddr,
    metrics: SocketAddr,
}

impl Demo {
    /// Starts it with more words and reads where to look.
    fn start(data: &Path, more: &[&str]) -> Self {
        let began = Instant::now();
        // Its own folder of the test; the guard removes it.
        let folder = TempDir::new().unwrap().keep();
        let words = [OsStr::new("demo"), OsStr::new("--data"), data.as_ref()].into_iter();
        let words = words.chain(more.iter().map(OsStr::new));
        let (process, output) = Process::start(OsStr::new(env!("CARGO_BIN_EXE_yinliu")), words, &folder);
        let mut output = BufReader::new(output);
        let mut address = |name: &str| {
            let mut line = String::new();
            while !line.trim_start().starts_with(name) {
                line.clear();
                assert!(output.read_line(&mut line).unwrap() > 0, "it ends before it says where `{name}` is");
            }
            let (_, address) = line.split_once("http://").unwrap();
            let end = address.find(|letter: char| !letter.is_ascii_digit() && !".:".contains(letter)).unwrap();
            address[..end].parse().unwrap()
        };
        let (board, sql, metrics) = (address("board"), address("SQL"), address("metrics"));
        // It must not stop for a full pipe.
        thread::spawn(move || output.read_to_end(&mut Vec::new()));
        Self { process, began, board, sql, metrics }
    }

    /// The text of a page of the board.
    fn page(&self, path: &str) -> Result<String, String> {
        let (status, answer) = ask(self.board, path, "")?;
        if status == 200 { Ok(answer) } else { Err(answer) }
    }

    /// An answer of the board's API.
    fn api(&self, part: &str) -> Result<Value, String> {
        let answer = self.page(&format!("/api/v1/{part}"))?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or(&answer)?;
        serde_json::from_str(body).map_err(|error| format!("{error}: {answer}"))
    }

    /// Adds of today on the board.
    fn adds(&self) -> Result<u64, String> {
        let summary = self.api("summary")?;
        summary["data"]["adds"].as_u64().ok_or(summary.to_string())
    }

    /// Waits until there are more of them.
    async fn more_adds(&self, before: u64) -> u64 {
        poll::until("adds of today", SOON, async || match self.adds()? {
            adds if adds > before => Ok(adds),
            adds => Err(format!("{adds}, as before")),
        })
        .await
    }

    /// A second signal while it closes.
    fn end_at_once(mut self) {
        self.process.send(Signal::Interrupt);
        self.process.send(Signal::Terminate);
        assert_eq!(self.process.wait(), 1, "exit code after a second signal");
    }

    /// Ctrl-C; how long it took to end.
    fn end(mut self) -> Duration {
        let asked = Instant::now();
        self.process.send(Signal::Interrupt);
        assert_eq!(self.process.wait(), 0, "exit code after Ctrl-C");
        asked.elapsed()
    }
}

/// What somebody sees of the story who opens the page as soon as it is there.
struct Watcher<'a> {
    name: &'static str,
    demo: &'a Demo,
    opened: Instant,
    /// Everything that came by then was counted when the page opened.
    complete: jiff::Timestamp,
    stores: Vec<String>,
}

impl<'a> Watcher<'a> {
    async fn open(name: &'static str, demo: &'a Demo) -> Self {
        poll::until("the page", SOON, async || demo.page("/")).await;
        let opened = Instant::now();
        let (complete, stores) = poll::until("the ranks of the stores", SOON, async || {
            let board = demo.api("leaderboard?level=store")?;
            let complete = board["freshness"]["complete_through"].as_str().and_then(|text| text.parse().ok());
            let stores: Vec<_> =
                rows(&board["data"]["rows"]).filter_map(|row| row["id"].as_str().map(str::to_owned)).collect();
            // Before that the day so far is still being counted.
            let is_live = board["freshness"]["state"] == "live" && stores.len() >= 8;
            complete.filter(|_| is_live).map(|complete| (complete, stores)).ok_or(board.to_string())
        })
        .await;
        Self { name, demo, opened, complete, stores }
    }

    /// Waits until `part` of the API holds the scene, and a page shows these words; says when that was.
    async fn sees(&self, scene: &str, part: &str, holds: impl Fn(&Value) -> bool, (page, words): (&str, &str)) {
        poll::until(scene, SOON, async || {
            let answer = self.demo.api(part)?;
            if holds(&answer["data"]) { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;
        poll::until(&format!("{scene} on the page"), SOON, async || {
            let text = self.demo.page(page)?;
            if text.contains(words) { Ok(()) } else { Err(text) }
        })
        .await;
        let seen = format!("{}: {scene} {:.1?} after the page was there", self.name, self.opened.elapsed());
        println!("{seen}");
        assert!(number("ALONE").is_none() || self.opened.elapsed() <= STORY, "{seen}");
    }

    /// Whether a store stands before one that it stood behind when the page opened, and says that it moved up.
    fn overtakes(&self, board: &Value) -> bool {
        let now: Vec<_> = rows(&board["rows"]).filter_map(|row| Some((row["id"].as_str()?, row))).collect();
        let first = |id: &str| self.stores.iter().position(|store| store == id);
        now.iter().enumerate().any(|(at, (id, row))| {
            let passed = now[at + 1..].iter().any(|(other, _)| first(other) < first(id));
            passed && row["rank"].as_u64() < row["rank_before"].as_u64()
        })
    }

    async fn sees_an_overtaking(&self) {
        let of_stores = "leaderboard?level=store";
        self.sees("a store overtakes", of_stores, |board| self.overtakes(board), ("/?view=rank&level=store", "▲"))
            .await;
    }

    /// All but the overtaking, which is told of ranks that are an hour old.
    async fn sees_the_other_scenes(&self) {
        let runs = |contests: &Value| rows(contests).any(|contest| contest["state"] == "running" && stands(contest));
        self.sees("a contest has standings", "contests", runs, ("/wall", "class=\"tug\"")).await;
        let silent = |channels: &Value| rows(&channels["silent"]).next().is_some();
        self.sees("a code is silent", "channels", silent, ("/?view=channels", "最后一个")).await;
        self.sees("it needs somebody", "attention", |items| is_told(items, "silent"), ("/", ">静<")).await;
        let lost = |losses: &Value| rows(&losses["broadcasts"]).any(|sent| sent["deleted_24h"].as_u64() >= Some(5));
        self.sees("a broadcast has losses", "losses", lost, ("/", "群发后流失")).await;
        self.sees("they need somebody", "attention", |items| is_told(items, "loss"), ("/", ">删<")).await;
        let amended = |corrections: &Value| self.amended(corrections) >= KEPT;
        self.sees("late events amend", "corrections", amended, ("/", ">改<")).await;
    }

    /// Adds that corrections put in after the page opened.
    fn amended(&self, corrections: &Value) -> i64 {
        let is_new = |row: &&Value| {
            let received = row["received_at"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
            row["reason"] == "late" && row["metric"] == "adds" && received > Some(self.complete)
        };
        let put_in = |row: &Value| row["after"].as_i64().unwrap_or(0) - row["before"].as_i64().unwrap_or(0);
        rows(corrections).filter(is_new).map(put_in).sum()
    }
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Two sides have something to compare.
fn stands(contest: &Value) -> bool {
    rows(&contest["sides"]).filter(|side| side["value"].as_u64() > Some(0)).count() >= 2
}

fn is_told(items: &Value, kind: &str) -> bool {
    rows(items).any(|item| item["kind"] == kind)
}

/// The setting by which the brand lives in a zone where this hour of the day is now.
fn at_hour(hour: i64) -> String {
    let now = now_ms().div_euclid(3_600_000);
    // POSIX counts hours to the west; of the zones with whole hours those from 11 west to 12 east are all there.
    let east = (hour - now + 11).rem_euclid(24) - 11;
    let zone = if east > 0 { format!("Etc/GMT-{east}") } else { format!("Etc/GMT+{}", -east) };
    format!("corp.ww-demo.time_zone={zone}")
}

/// In the first hour of a day there are no ranks of an hour ago, so that nobody is said to have moved.
#[tokio::test]
async fn every_scene_of_the_demo_is_seen_within_two_minutes_of_its_page_by_day_and_just_after_midnight() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let start = |folder: usize, hour| Demo::start(folders[folder].path(), &["--set", &at_hour(hour)]);
    let [by_day, by_night] = [start(0, 15), start(1, 0)];
    let (day, night) = tokio::join!(Watcher::open("15 h", &by_day), Watcher::open("0 h", &by_night));
    tokio::join!(day.sees_the_other_scenes(), night.sees_the_other_scenes(), day.sees_an_overtaking());
    by_day.end();
    by_night.end();
}

/// What `clickhouse-connect` gets for a question at the demo's SQL address.
fn by_python(sql: SocketAddr, question: &str) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/dbt/bin/python");
    assert!(program.is_file(), "run `deploy/fetch-python.sh dbt`, or `make test`");
    let script = format!(
        "import clickhouse_connect\n\
         client = clickhouse_connect.get_client(host='{}', port={}, database='yinliu')\n\
         print(client.query(\"{question}\").result_rows)",
        sql.ip(),
        sql.port()
    );
    let output = Command::new(program).args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn demo_counts_where_it_says_ends_at_ctrl_c_and_goes_on_with_its_data() {
    let data = tempfile::tempdir().unwrap();
    // Whatever had happened by then is the history that it tells at its first start.
    let history = format!("SELECT count() FROM facts WHERE occurred_at < fromUnixTimestamp64Milli({})", now_ms());
    let told = |demo: &Demo| {
        let answer = by_python(demo.sql, &history);
        answer.trim_matches(|letter: char| !letter.is_ascii_digit()).parse::<u64>().unwrap()
    };
    let demo = Demo::start(data.path(), &BUSY);
    let some = demo.more_adds(0).await;
    let more = demo.more_adds(some).await;
    let moving = demo.began.elapsed();
    let (status, metrics) = ask(demo.metrics, "/metrics", "").unwrap();
    assert!(status == 200 && metrics.contains("yinliu_records_received_total"), "{status} {metrics}");
    let (_, ready) = ask(demo.metrics, "/readyz", "").unwrap();
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let answer = by_python(
        demo.sql,
        "SELECT sum(adds) >= {more} FROM v_counts_1d".replace("{more}", &more.to_string()).as_str(),
    );
    assert_eq!(answer, "[(1,)]");
    let page = ask(demo.board, "/", "").unwrap().1;
    assert!(page.contains("<html") && page.contains("今日加粉"), "{page}");
    let (before, history_before) = (demo.adds().unwrap(), told(&demo));
    let ending = demo.end();

    let again = Demo::start(data.path(), &BUSY);
    let kept = again.more_adds(before.saturating_sub(1)).await;
    again.more_adds(kept).await;
    let history_after = told(&again);
    assert!(
        history_before > 100 && (history_before..2 * history_before).contains(&history_after),
        "it goes on and does not tell the days before again: {history_before}, {history_after}"
    );
    again.end();
    Demo::start(data.path(), &BUSY).end_at_once();

    println!("moving after {moving:.1?}, ended after {ending:.1?}");
    if number("ALONE").is_some() {
        assert!(moving <= MOVING && ending <= ENDING, "moving after {moving:.1?}, ended after {ending:.1?}");
    }
}
