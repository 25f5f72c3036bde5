//! The program `yinliu`; see [`yinliu::program`].

use std::ffi::OsString;

fn main() {
    let line: Vec<OsString> = std::env::args_os().collect();
    yinliu::program::main(&line)
}
