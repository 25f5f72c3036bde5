//! `yinliu demo` as it is started by hand: where it says to look, what stands there, and how it ends and goes on.
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
    },
};

/// From the start of the program to adds of today that move, and from Ctrl-C to its end, where nothing else runs.
const MOVING: Duration = Duration::from_secs(10);
const ENDING: Duration = Duration::from_secs(5);

struct Demo {
    process: Process,
    began: Instant,
    board: SocketAddr,
    sql: SocketAddr,
    metrics: SocketAddr,
}

impl Demo {
    /// Starts it and reads where to look.
    fn start(data: &Path) -> Self {
        let began = Instant::now();
        // Its own folder of the test; the guard removes it.
        let folder = TempDir::new().unwrap().keep();
        let words: [&OsStr; 5] = ["demo".as_ref(), "--rate".as_ref(), "100".as_ref(), "--data".as_ref(), data.as_ref()];
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

    /// Adds of today on the board.
    fn adds(&self) -> Result<u64, String> {
        let (_, answer) = ask(self.board, "/api/v1/summary", "")?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or(&answer)?;
        let summary: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {answer}"))?;
        summary["data"]["adds"].as_u64().ok_or(answer)
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
    let demo = Demo::start(data.path());
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
    let before = demo.adds().unwrap();
    let ending = demo.end();

    let again = Demo::start(data.path());
    let kept = again.more_adds(before.saturating_sub(1)).await;
    assert!(kept < 2 * before, "it goes on from {before} and does not tell the day again: {kept}");
    again.more_adds(kept).await;
    again.end();
    Demo::start(data.path()).end_at_once();

    println!("moving after {moving:.1?}, ended after {ending:.1?}");
    if number("ALONE").is_some() {
        assert!(moving <= MOVING && ending <= ENDING, "moving after {moving:.1?}, ended after {ending:.1?}");
    }
}
