//! A child that dies with the test binary.
//!
//! Invariant: the child ends when this value is dropped, and when the test binary ends by a panic, Ctrl-C or kill -9.
//!
//! # Why a shell stands between
//! The parent-death signal of Linux fires when the *thread* that started the child ends, and tests are threads; a
//! handler in the test binary does not run on kill -9. So a small shell holds the reading end of a pipe: the kernel
//! closes the other end with the test binary, whatever ended it, and the shell kills the child. It is the leader of a
//! process group of its own, so that Ctrl-C does not reach it first.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Sends each signal that it reads; at `WAIT` waits for the child and tells its exit code; at the end of input sends KILL
/// and removes the folder. Its own copy of the output is closed, so that a reader sees the end of it when the child is
/// gone; its errors (`Killed`) are no news.
const GUARD: &str = r#"
folder=$1; shift
"$@" </dev/null &
child=$!
exec >&- 2>/dev/null
while read -r order; do
    if [ "$order" = WAIT ]; then
        wait $child
        exit $?
    fi
    kill -s "$order" $child
done
kill -s KILL $child
wait $child
rm -rf "$folder"
"#;

/// For `sh -c`: standard error goes to a file, so that it is shown where a test fails and nowhere else.
pub(crate) const LOGGED: &str = r#"log=$1; shift; exec "$@" 2>>"$log""#;

/// What a process is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// kill -9: nothing is written any more.
    Kill,
    /// As a supervisor does it.
    Terminate,
    /// Ctrl-C.
    Interrupt,
    /// Nothing of it runs until it is told to continue; it does not know of the time between.
    Freeze,
    Continue,
}

#[derive(Debug)]
pub(crate) struct Process {
    guard: Child,
}

impl Process {
    /// Starts `program` with `arguments`; the standard output is the caller's to read. `folder` is removed when the
    /// process is dropped or abandoned, but not by `end`.
    pub(crate) fn start<I>(program: &OsStr, arguments: I, folder: &Path) -> (Self, ChildStdout)
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = Command::new("sh");
        command.arg("-c").arg(GUARD).arg("guard").arg(folder).arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut guard = command.spawn().expect("a shell exists on every Unix");
        let output = guard.stdout.take().expect("the output is piped");
        (Self { guard }, output)
    }

    /// Sends the signal and waits until the process is gone. Its folder stays.
    pub(crate) fn end(mut self, signal: Signal) {
        self.send(signal);
        self.wait();
    }

    /// Sends the signal.
    pub(crate) fn send(&mut self, signal: Signal) {
        self.order(match signal {
            Signal::Kill => "KILL",
            Signal::Terminate => "TERM",
            Signal::Interrupt => "INT",
            Signal::Freeze => "STOP",
            Signal::Continue => "CONT",
        });
    }

    /// Waits until the process is gone; its exit code, or 128 and the number of the signal that ended it.
    pub(crate) fn wait(mut self) -> i32 {
        self.order("WAIT");
        self.guard.wait().unwrap().code().expect("nobody kills the guard")
    }

    fn order(&mut self, order: &str) {
        let input = self.guard.stdin.as_mut().expect("the input is piped until `drop`");
        writeln!(input, "{order}").unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // After `end` the guard has been waited for, and this returns at once.
        self.guard.wait().unwrap();
    }
}
