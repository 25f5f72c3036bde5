//! One engine for all tests of the library, which share a process and so an engine.
//!
//! Invariant: each caller gets a database of its own; nothing is shared between tests but the engine.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;

use tempfile::TempDir;

use super::{Config, Engine};

/// Where the shared engine listens; started by the first caller, on a runtime of its own that outlives the tests.
pub(crate) fn address() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let folder = TempDir::new().unwrap();
                remove_at_exit(&folder);
                let engine = Engine::start(&config(&folder)).await.unwrap();
                sender.send(engine.address()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().unwrap()
    })
}

/// Nothing is dropped when a test binary ends. A shell that waits for the end of its input sees that end too.
fn remove_at_exit(folder: &TempDir) {
    let mut command = Command::new("sh");
    command.args(["-c", "read -r line; rm -rf \"$1\"", "remove"]).arg(folder.path());
    let shell = command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0).spawn().unwrap();
    // Forgotten with its pipe, which the system closes with this process.
    std::mem::forget(shell);
}

/// A fresh database on the shared engine, and its address as a URL.
pub(crate) async fn database() -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let url = format!("http://{}", address());
    let client = clickhouse::Client::default().with_url(&url);
    client.query(&format!("CREATE DATABASE {name}")).execute().await.unwrap();
    (url, name)
}

pub(super) fn config(folder: &TempDir) -> Config {
    let data = folder.path().join("data");
    Config { library: Engine::default_library(), data, listen: "127.0.0.1:0".parse().unwrap() }
}
