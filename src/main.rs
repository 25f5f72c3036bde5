//! The program `yinliu`; see [`yinliu::program`].

use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    yinliu::program::main(&line)
}
