//! The board behind nginx, as `deploy/nginx.conf` sets it up.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use yinliu::board::access::grant::Role;

use super::{Served, guarded, link, month::month, month::now_ms, served};
use crate::support::{poll, port, process::Process, stage::SOON};

/// Debian's, unpacked; else the one of this machine.
fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    #[allow(clippy::disallowed_methods, reason = "where programs are is not a setting of yinliu")]
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).map(|folder| folder.join("nginx"));
    let mut all = [root.join(".cache/nginx/usr/sbin/nginx")].into_iter().chain(folders);
    all.find(|program| program.is_file()).expect("no nginx: run deploy/fetch-nginx.sh, or `make test`")
}

/// nginx before a board; it ends with this.
struct Nginx {
    /// The board as it is reached through nginx.
    board: Served,
    _process: Process,
}

impl Nginx {
    async fn before(board: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let listen = port::free();
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx.conf")).unwrap();
        // Where it may write; all else stays as it is given.
        let paths =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};"));
        let http = format!("http {{\naccess_log off;\n{}", paths.concat());
        let mut config = text;
        for (given, tested) in
            [("127.0.0.1:8080;", format!("{board};")), ("listen 80;", format!("listen {listen};")), ("http {", http)]
        {
            let lines = config.lines().filter(|line| !line.trim_start().starts_with('#'));
            assert_eq!(lines.filter(|line| line.contains(given)).count(), 1, "deploy/nginx.conf has one `{given}`");
            config = config.replacen(given, &tested, 1);
        }
        let file = folder.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let (prefix, file) = (folder.display().to_string(), file.display().to_string());
        let globals = "daemon off; master_process off; pid nginx.pid; error_log stderr;";
        let words = ["-p", &prefix, "-c", &file, "-e", "stderr", "-g", globals].map(str::to_owned);
        let (process, _output) = Process::start(program().as_os_str(), words, &folder);
        poll::until("nginx listens", SOON, async || TcpStream::connect(listen).map_err(|error| error.to_string()))
            .await;
        Self { board: Served { address: listen, shutdown: CancellationToken::new() }, _process: process }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx_pages_are_compressed_and_a_header_from_outside_opens_nothing() {
    let mut config = guarded();
    config.access.proxy_addresses = vec!["127.0.0.1".to_owned()];
    config.access.proxy_header = "X-Yinliu-Grant".to_owned();
    let board = served(config).await;
    let nginx = Nginx::before(board.address).await;
    let owner = link("corp", Role::Owner);
    let (status, page) = nginx.board.get("/?corp=c", &owner).await;
    assert!(status == 200 && page.contains("</html>"), "{page}");
    let head = nginx.board.head("/?corp=c", &format!("Accept-Encoding: gzip\r\n{owner}")).await;
    assert!(head.to_lowercase().contains("content-encoding: gzip"), "{head}");
    let named = "X-Yinliu-Grant: corp=c&scope=corp&role=owner\r\n";
    assert_eq!(board.get("/api/v1/summary", named).await.0, 200, "the board believes its proxy");
    assert_eq!(nginx.board.get("/api/v1/summary", named).await.0, 401, "and the proxy nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx_each_viewer_has_a_rate_of_their_own() {
    let mut config = board_limits();
    config.access.proxy_addresses = vec!["127.0.0.1".to_owned()];
    let board = served(config).await;
    let nginx = Nginx::before(board.address).await;
    let ask = async |last: u32| {
        nginx.board.try_get("/assets/icon.svg", &format!("X-Forwarded-For: 203.0.113.{last}\r\n")).await.0
    };
    for last in 1..=20 {
        assert_eq!(ask(last).await, 200, "viewer {last}");
    }
    let mut refused = 0;
    for _ in 0..20 {
        refused += u32::from(ask(99).await == 429);
    }
    assert!(refused > 0, "one viewer is held to their rate");
}

fn board_limits() -> yinliu::board::Config {
    let mut config = yinliu::board::Config::default();
    (config.limits.requests_per_second, config.limits.requests_burst) = (1, 14);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx_an_event_is_there_the_moment_it_comes() {
    let board = served(yinliu::board::Config::default()).await;
    let nginx = Nginx::before(board.address).await;
    let address = nginx.board.address;
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = "GET /api/v1/stream?corp=c HTTP/1.1\r\nHost: board\r\nAccept-Encoding: gzip\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line.starts_with("event:") && sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut next = async || tokio::time::timeout(SOON, events.recv()).await.expect("an event").unwrap();
    assert_eq!(json!(next().await), json!("event: snapshot"));
    month().await.complete_through(now_ms()).await;
    assert_eq!(json!(next().await), json!("event: delta"));
}
