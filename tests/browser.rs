//! The checks of the board in a real Chromium, on real boards over a real engine, with figures of the real pipeline.
//!
//! Invariant: node drives the browser and reports each check by its name (`tests/browser/`); here stands what it needs.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use rdkafka::producer::FutureProducer;
use serde_json::{Value, json};
use tempfile::TempDir;
use yinliu::{chunk, directory::channels, migrate, sink};

use crate::{
    chaos::number,
    support::{
        board::Board,
        engine::Engine,
        kafka,
        process::Process,
        proxy::{Mode, Proxy},
        records::{self, Stored},
        stage::Stage,
        told::{CORP, QUIET, Told, now_ms},
        yinliu::Yinliu,
    },
};

#[tokio::test]
async fn every_check_of_the_board_holds_in_a_browser() {
    let (engine, chromium) = (Engine::start(), chromium());
    let stage = Stage::new(kafka::shared(), engine.url(), "browser");
    let told = Told::tell(&stage).await;
    let proxy = Arc::new(Proxy::start(&engine.url(), 1));
    let mut config = told.config.clone();
    config["board"] = json!({ "access": { "keys": { "k1": "0123456789abcdef0123456789abcdef" } } });
    let guarded = Board::start(&config);
    config["board"] = json!({});
    config["clickhouse"]["url"] = json!(proxy.url());
    let open = Board::start(&config);
    let stopped = Stopped::start(&engine.url(), &told).await;
    let board = stopped.board.url();
    let control = Control::start(Hands::new(proxy, &stage, &told, stopped));
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("board");
    drop(fs::remove_dir_all(&pictures));

    let brand = &told.brand;
    let (own, other) = (brand.store_of(0), brand.stores.last().unwrap());
    let store = |store: &yinliu::generate::brand::Store| json!({ "id": store.id, "name": store.name });
    let scope = format!("store:{}", own.id);
    let given = json!({
        "open": open.url(), "guarded": guarded.url(), "stopped": board, "control": control.url, "chromium": chromium,
        "clickhouse": engine.url(), "database": stage.clickhouse().database, "topic": stage.topic("friend"),
        "corp": CORP, "quiet": QUIET, "alone": number("ALONE").is_some(), "zone": told.zone, "pictures": pictures,
        "staff": brand.staff[0].id, "own": store(own), "other": store(other),
        "links": { "store": guarded.link(&["--scope", &scope, "--role", "manager", "--corp", CORP]) },
    });
    let (passed, said) = tokio::task::spawn_blocking(move || run(&given)).await.unwrap();
    // Beside the captured output of the test: where the pictures are is worth knowing of every run.
    let _ = writeln!(std::io::stderr(), "pictures of the board: {}", pictures.display());
    assert!(passed, "checks in the browser failed; the pictures are in {}:\n{said}", pictures.display());
    drop(told.pipeline);
}

/// Runs the checks; whether all passed, and the report.
fn run(given: &Value) -> (bool, String) {
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/main.mjs");
    assert!(main.with_file_name("node_modules").is_dir(), "run deploy/fetch-browser.sh, or `make test`");
    let words: [OsString; 4] =
        [format!("YINLIU_BROWSER={given}").into(), "node".into(), "--test-reporter=spec".into(), main.into_os_string()];
    let folder = TempDir::new().unwrap().keep();
    let (process, output) = Process::start("env".as_ref(), words, &folder);
    let mut said = String::new();
    for line in BufReader::new(output).lines() {
        let line = line.unwrap();
        println!("{line}");
        said += &(line + "\n");
    }
    (process.wait() == 0, said)
}

/// Debian's name first.
fn chromium() -> PathBuf {
    #[allow(clippy::disallowed_methods, reason = "where programs are is not a setting of yinliu")]
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    found
        .into_iter()
        .find(|program| program.is_file())
        .expect("no Chromium: run deploy/fetch-browser.sh, or `make test`")
}

/// A pipeline that counts the same topics into a database of its own, and a board over that: it is stopped while the checks
/// of the others go on.
struct Stopped {
    pipeline: Mutex<Yinliu>,
    board: Board,
}

impl Stopped {
    const NAME: &str = "browser_stopped";

    async fn start(engine: &str, told: &Told) -> Self {
        let clickhouse =
            sink::Config { url: engine.to_owned(), database: Self::NAME.to_owned(), ..sink::Config::default() };
        migrate::run(&clickhouse, &chunk::Config::default()).await.unwrap();
        let mut config = told.config.clone();
        config["clickhouse"]["database"] = json!(Self::NAME);
        config["kafka"]["group"] = json!(Self::NAME);
        // Its cohorts are looked at by nobody.
        config["refresh"] = json!({ "interval": "1m" });
        Self { pipeline: Mutex::new(Yinliu::start(&config)), board: Board::start(&config) }
    }
}

/// What the checks may order.
struct Hands {
    clickhouse: Arc<Proxy>,
    stopped: Stopped,
    producer: FutureProducer,
    topic: String,
    /// Who adds, the first of them late.
    staff: Vec<String>,
    runtime: tokio::runtime::Handle,
    ordered: AtomicU64,
}

impl Hands {
    fn new(clickhouse: Arc<Proxy>, stage: &Stage<'_>, told: &Told, stopped: Stopped) -> Self {
        Self {
            clickhouse,
            stopped,
            producer: records::producer(stage.kafka),
            topic: stage.topic("friend"),
            staff: told.brand.staff.iter().map(|staff| staff.id.clone()).collect(),
            runtime: tokio::runtime::Handle::current(),
            ordered: AtomicU64::new(0),
        }
    }

    /// Does what an order says, and returns once it is done.
    fn obey(&self, order: &str) {
        match order.split_once(' ') {
            Some(("clickhouse", "refuse")) => self.clickhouse.set(Mode::Refuse),
            Some(("clickhouse", "pass")) => self.clickhouse.set(Mode::Pass),
            Some(("pipeline", "freeze")) => self.stopped.pipeline.lock().unwrap().freeze(),
            Some(("pipeline", "thaw")) => self.stopped.pipeline.lock().unwrap().thaw(),
            Some(("late", occurred_at)) => self.add([(self.staff[0].as_str(), "badge")], occurred_at),
            None if order == "adds" => self.add_everywhere(),
            _ => panic!("no such order: {order}"),
        }
    }

    /// An add of everybody, and one through every channel.
    fn add_everywhere(&self) {
        let channels: Vec<_> = channels::table().channels.iter().map(|channel| channel.key.as_str()).collect();
        let count = self.staff.len().max(channels.len());
        let pairs = self.staff.iter().map(String::as_str).cycle().zip(channels.into_iter().cycle()).take(count);
        self.add(pairs, &jiff::Timestamp::from_millisecond(now_ms()).unwrap().to_string());
    }

    /// Adds of that instant, each of a member of staff through a channel, whose records come now.
    fn add<'a>(&self, adds: impl IntoIterator<Item = (&'a str, &'a str)>, occurred_at: &str) {
        let record = |(staff, channel): (&str, &str)| {
            let id = format!("ordered-{}", self.ordered.fetch_add(1, Ordering::Relaxed));
            let event = json!({
                "event_id": id, "type": "friend.added", "corp_id": CORP, "occurred_at": occurred_at, "staff_id": staff,
                "customer_id": format!("customer-{id}"), "channel": channel,
            });
            Stored {
                topic: self.topic.clone(),
                timestamp: now_ms(),
                key: Some(staff.as_bytes().to_vec()),
                value: Some(event.to_string().into_bytes()),
                ..Stored::default()
            }
        };
        let records: Vec<_> = adds.into_iter().map(record).collect();
        self.runtime.block_on(records::send(&self.producer, records));
    }
}

/// Does for the checks what a browser cannot: a POST with the order as its body.
struct Control {
    url: String,
    closed: Arc<AtomicBool>,
}

impl Control {
    fn start(hands: Hands) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&closed);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                take_order(&hands, connection.unwrap());
            }
        });
        Self { url: format!("http://{address}"), closed }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees the end.
        drop(TcpStream::connect(self.url.trim_start_matches("http://")));
    }
}

fn take_order(hands: &Hands, connection: TcpStream) {
    let mut request = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        assert!(request.read_line(&mut line).unwrap() > 0, "a request has a body");
        match line.trim_end().to_lowercase().split_once(": ") {
            Some(("content-length", text)) => length = text.parse().unwrap(),
            None if line.trim_end().is_empty() => break,
            Some(_) | None => {}
        }
    }
    let mut order = vec![0; length];
    request.read_exact(&mut order).unwrap();
    hands.obey(std::str::from_utf8(&order).unwrap());
    request.get_mut().write_all(b"HTTP/1.1 204 Done\r\nconnection: close\r\n\r\n").unwrap();
}
