//! `yinliu run` as a process of its own, which can be killed.
//!
//! Invariant: it keeps its configuration and its port through `kill` and `restart`; what it logs stays readable.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    poll, port,
    process::{LOGGED, Process, Signal},
    stage::SOON,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_yinliu");

#[derive(Debug)]
pub(crate) struct Yinliu {
    process: Option<Process>,
    /// Hangs up when the process is gone.
    gone: mpsc::Receiver<()>,
    folder: PathBuf,
    admin: SocketAddr,
    /// Words in front of the program's own.
    wrapper: Vec<OsString>,
}

impl Yinliu {
    /// Starts the pipeline by these settings, to which its address is added.
    pub(crate) fn start(config: &Value) -> Self {
        Self::start_under(config, Vec::new())
    }

    /// The same, run by another program.
    pub(crate) fn start_under(config: &Value, wrapper: Vec<OsString>) -> Self {
        // Removed by the guard of the process, which also sees the test binary die.
        let folder = TempDir::new().unwrap().keep();
        let admin = port::free();
        let mut config = config.clone();
        config["admin"] = json!({ "listen": admin });
        fs::write(folder.join("yinliu.toml"), toml::to_string(&config).unwrap()).unwrap();
        let mut yinliu = Self { process: None, gone: mpsc::channel().1, folder, admin, wrapper };
        yinliu.restart();
        yinliu
    }

    /// Runs another command of the program by the same configuration; whether it succeeded, and what it said.
    pub(crate) fn command(&self, words: &[&str]) -> (bool, String) {
        let output = self.program(words).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Another command of the program by the same configuration, still to be started.
    pub(crate) fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("--config").arg(self.folder.join("yinliu.toml"));
        command
    }

    /// Starts it again after it ended.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let config = self.folder.join("yinliu.toml");
        let log = self.folder.join("log");
        let shell: [&OsStr; 4] = ["-c".as_ref(), LOGGED.as_ref(), "yinliu".as_ref(), log.as_ref()];
        let program: [&OsStr; 6] = [
            PROGRAM.as_ref(),
            "run".as_ref(),
            "--only".as_ref(),
            "pipeline".as_ref(),
            "--config".as_ref(),
            config.as_ref(),
        ];
        let words = shell.into_iter().chain(self.wrapper.iter().map(OsString::as_os_str)).chain(program);
        let (process, mut output) = Process::start(OsStr::new("sh"), words, &self.folder);
        let (ended, gone) = mpsc::channel::<()>();
        thread::spawn(move || {
            drop(output.read_to_end(&mut Vec::new()));
            drop(ended);
        });
        (self.process, self.gone) = (Some(process), gone);
    }

    /// kill -9, wherever it stands.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("a running process").end(Signal::Kill);
    }

    /// As a supervisor asks it to end.
    pub(crate) fn terminate(&mut self) {
        self.process.as_mut().expect("a running process").send(Signal::Terminate);
    }

    /// As a person at a terminal asks it to end.
    pub(crate) fn interrupt(&mut self) {
        self.process.as_mut().expect("a running process").send(Signal::Interrupt);
    }

    /// SIGSTOP: others take it for dead, and it does not know.
    pub(crate) fn freeze(&mut self) {
        self.process.as_mut().expect("a running process").send(Signal::Freeze);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&mut self) {
        self.process.as_mut().expect("a frozen process").send(Signal::Continue);
    }

    /// The exit code of a process that ends by itself or was asked to, within `limit`.
    pub(crate) fn exit_code(&mut self, limit: Duration) -> i32 {
        let hung_up = self.gone.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Disconnected);
        assert!(hung_up, "expected the process to end within {limit:?}; its log:\n{}", self.log());
        self.process.take().expect("a process that was running").wait()
    }

    /// Asks it to end and waits: it must do so within the 10 s that supervisors give.
    pub(crate) fn stop(&mut self) {
        self.terminate();
        let code = self.exit_code(Duration::from_secs(10));
        assert_eq!(code, 0, "exit code after SIGTERM; its log:\n{}", self.log());
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some() && self.gone.try_recv() == Err(mpsc::TryRecvError::Empty)
    }

    /// The end of what it said on standard error.
    pub(crate) fn log(&self) -> String {
        let text = fs::read(self.folder.join("log")).unwrap_or_default();
        // Enough for the last minutes of a process that logs what lasts once in 30 s.
        String::from_utf8_lossy(&text[text.len().saturating_sub(6_000)..]).into_owned()
    }

    /// All that it said on standard error.
    pub(crate) fn whole_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    /// Status and body of a page of the port for operators; an error while nobody answers.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), String> {
        let (status, text) = self.answer(path)?;
        let (_, body) = text.split_once("\r\n\r\n").ok_or("half an answer")?;
        Ok((status, body.to_owned()))
    }

    /// Status and whole answer.
    pub(crate) fn answer(&self, path: &str) -> Result<(u16, String), String> {
        let ask = || {
            let mut stream = TcpStream::connect(self.admin)?;
            stream.set_read_timeout(Some(SOON))?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let text = ask().map_err(|error: std::io::Error| format!("{path}: {error}"))?;
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        Ok((status, text))
    }

    /// The value of a sample of `/metrics`, written with its labels and without `yinliu_`.
    pub(crate) fn metric(&self, sample: &str) -> Result<f64, String> {
        let (_, body) = self.get("/metrics")?;
        let line = body.lines().find_map(|line| {
            let name = line.strip_prefix("yinliu_").unwrap_or(line);
            name.strip_prefix(sample)?.strip_prefix(' ')
        });
        line.and_then(|value| value.parse().ok()).ok_or_else(|| format!("no sample `{sample}`"))
    }

    /// Waits until `/readyz` answers with this status and, somewhere, this text.
    pub(crate) async fn until_ready_is(&self, status: u16, text: &str, limit: Duration) {
        let expected = format!("`/readyz` with {status} and `{text}`");
        poll::until(&expected, limit, async || match self.get("/readyz")? {
            (found, body) if found == status && body.contains(text) => Ok(()),
            (found, body) => Err(format!("{found} {body}; its log:\n{}", self.log())),
        })
        .await;
    }
}

impl Drop for Yinliu {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the log of the process:\n{}", self.log());
        }
        if self.process.is_none() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// Runs a command that ends by itself; exit code and everything that it printed.
pub(crate) fn command(arguments: &[&str]) -> (Option<i32>, String) {
    let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}
