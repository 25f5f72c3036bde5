//! The ClickHouse engine as a process: `yinliu engine`, which can be killed like a server.
//!
//! Invariant: it keeps its address and its folder through `kill`, `stop` and `restart`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clickhouse::Client;
use tempfile::TempDir;

use super::process::{Process, Signal};

#[derive(Debug)]
pub(crate) struct Engine {
    process: Option<Process>,
    folder: PathBuf,
    address: SocketAddr,
    /// Words in front of the program's own.
    wrapper: Vec<OsString>,
}

impl Engine {
    /// An engine on an empty folder. Returns when it answers: less than a second.
    pub(crate) fn start() -> Self {
        // Removed by the guard of the process, which also sees the test binary die.
        Self::start_in(TempDir::new().unwrap().keep(), Vec::new())
    }

    /// The same, run by another program.
    pub(crate) fn start_under(wrapper: Vec<OsString>) -> Self {
        Self::start_in(TempDir::new().unwrap().keep(), wrapper)
    }

    /// An engine on a copy of what this one had when it was stopped or killed: a backup that is restored.
    pub(crate) fn start_copy(&self) -> Self {
        assert!(self.process.is_none(), "stop the engine before its folder is copied");
        let folder = TempDir::new().unwrap().keep();
        copy_folder(&self.folder, &folder).unwrap();
        Self::start_in(folder, self.wrapper.clone())
    }

    /// Puts the folder of `other`, which is stopped too, in the place of this one's: a restore in place.
    pub(crate) fn replace_data(&self, other: &Self) {
        assert!(self.process.is_none() && other.process.is_none(), "stop both engines first");
        fs::remove_dir_all(&self.folder).unwrap();
        fs::create_dir(&self.folder).unwrap();
        copy_folder(&other.folder, &self.folder).unwrap();
    }

    fn start_in(folder: PathBuf, wrapper: Vec<OsString>) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut engine = Self { process: None, folder, address: any_port, wrapper };
        engine.restart();
        engine
    }

    /// Starts it again on the same folder and address, after `kill` or `stop`.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "the engine runs already");
        let address = self.address.to_string();
        let data = self.folder.join("data");
        let arguments = [OsStr::new("engine"), "--data".as_ref(), data.as_ref(), "--listen".as_ref(), address.as_ref()];
        let program = OsStr::new(env!("CARGO_BIN_EXE_yinliu"));
        let mut words = self.wrapper.iter().map(OsString::as_os_str).chain([program]).chain(arguments);
        let first = words.next().expect("the program at least");
        let (process, output) = Process::start(first, words, &self.folder);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        self.address = line.trim().parse().expect("the engine tells its address, or why not on standard error");
        self.process = Some(process);
    }

    /// kill -9. The folder and the address stay.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("a running engine").end(Signal::Kill);
    }

    /// As a supervisor stops it.
    pub(crate) fn stop(&mut self) {
        self.process.take().expect("a running engine").end(Signal::Terminate);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Client {
        Client::default().with_url(self.url())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.process.is_none() {
            // Without a process no guard is left to remove it; what stays is the system's to clean.
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            // The engine links its databases to its store with relative paths, which hold in the copy.
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
