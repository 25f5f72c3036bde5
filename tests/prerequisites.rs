//! What `make` looks for before it fetches or builds anything.
//!
//! Invariant: the script sees the programs of a test alone, whatever the machine has.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

/// What the demo needs, but for `rustc`.
const DEMO: [&str; 6] = ["cargo", "cc", "c++", "make", "perl", "npm"];

/// Exit code and text of the check, on a machine that has these programs, each with the line that it prints.
fn check(purpose: &str, programs: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, line) in programs {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{line}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/check-prerequisites.sh");
    let output = Command::new("/bin/bash").arg(script).arg(purpose).env("PATH", folder.path()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn check_rustc(version: &str) -> (Option<i32>, String) {
    let others = DEMO.map(|name| (name, ""));
    check("demo", &[&others[..], &[("rustc", version)]].concat())
}

#[test]
fn whatever_is_missing_is_named_with_the_command_that_installs_it() {
    let (code, said) = check("demo", &[]);
    assert_eq!(code, Some(1), "{said}");
    for (name, command) in [
        ("cargo", "https://sh.rustup.rs | sh"),
        ("cc", "apt-get install gcc"),
        ("c++", "apt-get install g++"),
        ("make", "apt-get install make"),
        ("perl", "apt-get install perl"),
        ("npm", "apt-get install npm"),
    ] {
        let line = said.lines().find(|line| line.starts_with(&format!("missing: {name}")));
        assert!(line.is_some_and(|line| line.contains(command)), "`{name}`: {said}");
    }
    let (code, said) = check("test", &[]);
    assert_ne!(code, Some(0), "{said}");
    for name in ["mvn", "java", "python3", "node"] {
        let line = said.lines().find(|line| line.starts_with(&format!("missing: {name}")));
        assert!(line.is_some_and(|line| line.contains(" install ")), "`{name}`: {said}");
    }
}

#[test]
fn older_toolchain_is_told_before_anything_is_fetched() {
    let manifest: toml::Table = include_str!("../Cargo.toml").parse().unwrap();
    let needed = manifest["package"]["rust-version"].as_str().unwrap();
    let (major, minor) = needed.split_once('.').unwrap();
    let minor: u32 = minor.parse().unwrap();
    for (version, expected) in [
        (format!("{major}.{}.9 (0123abcde 2026-01-01)", minor - 1), 1),
        (format!("{major}.9.0"), 1),
        (format!("{major}.{minor}.0 (0123abcde 2026-04-14)"), 0),
        (format!("{major}.{}.0-nightly", minor + 1), 0),
        ("9.0.0".to_owned(), 0),
    ] {
        let (code, said) = check_rustc(&format!("rustc {version}"));
        assert_eq!(code, Some(expected), "{version}: {said}");
        let told = said.contains(&format!("{needed} is needed; rustup update stable"));
        assert_eq!(told, expected == 1, "{version}: {said}");
    }
}
