//! A wall clock that jumps and a disk that is full, for one process, while it runs.
//!
//! Invariant: the program under test is the one that is shipped; what stands between it and the C library is made here.
//!
//! # Why not a small file system or libfaketime
//! A container may refuse to mount, and a mount outlives a test that is killed; libfaketime has to be installed. The
//! compiler that builds this project is there, and the answer `ENOSPC` is the same whoever gives it.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// How full a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    Free,
    /// Whoever asks is told that nothing is free.
    Full,
    /// Nothing more is written, whether one asked or not.
    Over,
}

/// Orders for one process.
#[derive(Debug)]
pub(crate) struct Shim {
    orders: TempDir,
}

impl Shim {
    pub(crate) fn new() -> Self {
        let shim = Self { orders: TempDir::new().unwrap() };
        fs::write(shim.path(), [0; 32]).unwrap();
        shim
    }

    /// The words in front of the program's own that put it under these orders.
    pub(crate) fn wrapper(&self) -> Vec<OsString> {
        let assign = |name: &str, path: &Path| {
            let mut word = OsString::from(name);
            word.push(path);
            word
        };
        vec!["env".into(), assign("LD_PRELOAD=", library()), assign("YINLIU_SHIM=", &self.path())]
    }

    /// How far the wall clock is off, from now on.
    pub(crate) fn set_clock(&self, off_ms: i64) {
        self.order(0, off_ms);
    }

    /// How full the disk is, from now on.
    pub(crate) fn set_disk(&self, disk: Disk) {
        self.order(
            8,
            match disk {
                Disk::Free => 0,
                Disk::Full => 1,
                Disk::Over => 2,
            },
        );
    }

    /// How often the process has read a clock that is off.
    pub(crate) fn jumps_met(&self) -> u64 {
        self.count(16)
    }

    /// How often the process was told that the disk is full, or refused a write for it.
    pub(crate) fn full_disks_met(&self) -> u64 {
        self.count(24)
    }

    fn count(&self, at: u64) -> u64 {
        let mut count = [0; 8];
        fs::File::open(self.path()).unwrap().read_exact_at(&mut count, at).unwrap();
        u64::from_ne_bytes(count)
    }

    fn order(&self, at: u64, value: i64) {
        let file = fs::OpenOptions::new().write(true).open(self.path()).unwrap();
        file.write_all_at(&value.to_ne_bytes(), at).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.orders.path().join("orders")
    }
}

/// Built once, beside the test binary.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/shim.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shim.so");
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&made).arg(source).arg("-ldl").output();
        let built = built.expect("the C compiler `cc`, which the dependencies are built by as well");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        // In one step, for another test binary may be using the old one.
        fs::rename(&made, &library).unwrap();
        library
    })
}
