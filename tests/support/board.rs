//! `yinliu run --only board` as a process of its own.
//!
//! Invariant: it has no Kafka to go to; it answers when `start` returns.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    port,
    process::{LOGGED, Process},
    stage::SOON,
};

/// Of `/api/v1/`, what tells figures of whatever scope.
pub(crate) const FIGURES: [&str; 8] =
    ["summary", "leaderboard", "channels", "trend", "attention", "losses", "corrections", "contests"];

const PROGRAM: &str = env!("CARGO_BIN_EXE_yinliu");

#[derive(Debug)]
pub(crate) struct Board {
    _process: Process,
    folder: PathBuf,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Board {
    /// Starts a board by these settings, to which its addresses are added.
    pub(crate) fn start(config: &Value) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with more words.
    pub(crate) fn start_with(config: &Value, more: &[&str]) -> Self {
        // Removed by the guard of the process, which also sees the test binary die.
        let folder = TempDir::new().unwrap().keep();
        let [address, admin] = [(); 2].map(|()| port::free());
        let mut config = config.clone();
        config["kafka"]["brokers"] = json!(["127.0.0.1:1"]);
        config["admin"] = json!({ "listen": admin });
        config["board"]["listen"] = json!(address);
        let file = folder.join("yinliu.toml");
        fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        let log = folder.join("log");
        let shell = ["-c", LOGGED, "board"].map(OsStr::new).into_iter().chain([log.as_os_str(), OsStr::new(PROGRAM)]);
        let words = ["run", "--only", "board", "--config"].map(OsStr::new).into_iter().chain([file.as_os_str()]);
        let words = shell.chain(words).chain(more.iter().map(OsStr::new));
        let (process, mut output) = Process::start(OsStr::new("sh"), words, &folder);
        // It must not stop for a full pipe.
        thread::spawn(move || output.read_to_end(&mut Vec::new()));
        let board = Self { _process: process, folder, address, admin };
        let began = Instant::now();
        while board.get("/assets/icon.svg", "").map(|(status, _)| status) != Ok(200) {
            assert!(began.elapsed() < SOON, "the board does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        board
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The link that `yinliu token` prints for these words.
    pub(crate) fn link(&self, words: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.arg("token").args(words).arg("--config").arg(self.folder.join("yinliu.toml"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Status and whole answer; `headers` are lines that end with CRLF.
    pub(crate) fn get(&self, path: &str, headers: &str) -> Result<(u16, String), String> {
        ask(self.address, path, headers)
    }

    /// The first event of a stream under `/api/v1/`.
    pub(crate) fn first_event(&self, path: &str) -> Result<Value, String> {
        let follow = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(SOON))?;
            // Of HTTP/1.0, so that nothing stands between the lines.
            write!(stream, "GET /api/v1/{path} HTTP/1.0\r\nHost: board\r\n\r\n")?;
            BufReader::new(stream)
                .lines()
                .find(|line| line.as_ref().map_or(true, |line| line.starts_with("data:")))
                .transpose()
        };
        let line = follow().map_err(|error: std::io::Error| format!("{path}: {error}"))?.ok_or("no event")?;
        serde_json::from_str(line.trim_start_matches("data:")).map_err(|error| format!("{error}: {line}"))
    }

    /// Status and whole answer of the port for operators.
    pub(crate) fn admin(&self, path: &str) -> Result<(u16, String), String> {
        ask(self.admin, path, "")
    }

    /// The JSON of a path under `/api/v1/`; an error while it is not answered with 200.
    pub(crate) fn api(&self, path: &str) -> Result<Value, String> {
        let (status, answer) = self.get(&format!("/api/v1/{path}"), "")?;
        let (_, body) = answer.split_once("\r\n\r\n").filter(|_| status == 200).ok_or(&answer)?;
        serde_json::from_str(body).map_err(|error| format!("{error}: {answer}"))
    }
}

/// Status and whole answer; `headers` are lines that end with CRLF.
pub(crate) fn ask(address: SocketAddr, path: &str, headers: &str) -> Result<(u16, String), String> {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(SOON))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n")?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = ask().map_err(|error: std::io::Error| format!("{path}: {error}"))?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
    Ok((status, text))
}
