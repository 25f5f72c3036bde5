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
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    board::Board,
    engine::Engine,
    kafka,
    process::Process,
    proxy::{Mode, Proxy},
    stage::Stage,
    told::{CORP, QUIET, Told},
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
    let control = Control::start(proxy);
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("board");
    drop(fs::remove_dir_all(&pictures));

    let brand = &told.brand;
    let (own, other) = (brand.store_of(0), brand.stores.last().unwrap());
    let store = |store: &yinliu::generate::brand::Store| json!({ "id": store.id, "name": store.name });
    let scope = format!("store:{}", own.id);
    let given = json!({
        "open": open.url(), "guarded": guarded.url(), "control": control.url, "chromium": chromium,
        "clickhouse": engine.url(), "database": stage.clickhouse().database, "topic": stage.topic("friend"),
        "corp": CORP, "quiet": QUIET, "zone": told.zone, "pictures": pictures,
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

/// Does for the checks what a browser cannot: a POST with the order as its body.
struct Control {
    url: String,
    closed: Arc<AtomicBool>,
}

impl Control {
    fn start(clickhouse: Arc<Proxy>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&closed);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                obey(&clickhouse, connection.unwrap());
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

fn obey(clickhouse: &Proxy, mut connection: TcpStream) {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    let done = loop {
        let text = String::from_utf8_lossy(&bytes);
        if text.ends_with("clickhouse refuse") {
            break Mode::Refuse;
        }
        if text.ends_with("clickhouse pass") {
            break Mode::Pass;
        }
        let count = connection.read(&mut piece).unwrap();
        assert!(count > 0, "no such order: {text}");
        bytes.extend_from_slice(&piece[..count]);
    };
    clickhouse.set(done);
    connection.write_all(b"HTTP/1.1 204 Done\r\nconnection: close\r\n\r\n").unwrap();
}
