//! What `make` looks for before it fetches or builds anything, and what it makes of a package that is another one.
//!
//! Invariant: the scripts see programs of the test, whatever the machine has.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

/// A program of this folder that does so.
fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What the demo needs, but for `rustc`.
const DEMO: [&str; 6] = ["cargo", "cc", "c++", "make", "perl", "npm"];

/// Exit code and text of the check, on a machine that has these programs, each with the line that it prints.
fn check(purpose: &str, programs: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, line) in programs {
        program(folder.path(), name, &format!("echo '{line}'"));
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

/// Fetches the engine into this checkout, from an npm that has `not the engine` under its name.
fn fetch(checkout: &Path) -> (Option<i32>, String) {
    let script = checkout.join("deploy/fetch-engine.sh");
    let path = format!("{}:/usr/bin:/bin", checkout.join("bin").display());
    let output = Command::new("/bin/bash").arg(script).env("PATH", path).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn engine_with_another_checksum_is_not_installed() {
    const CHECKSUM: &str = "4ca196073ec3482fd719cb1e61abcbe6fce148befbb1778b99f61c3f0141a8a8";
    let (root, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    let (checkout, bin) = (folder.path(), folder.path().join("bin"));
    fs::create_dir(checkout.join("deploy")).unwrap();
    fs::create_dir(&bin).unwrap();
    fs::copy(root.join("deploy/fetch-engine.sh"), checkout.join("deploy/fetch-engine.sh")).unwrap();
    let pinned = fs::read_to_string(root.join("deploy/engine.env")).unwrap();
    let of = |name: &str| {
        let line = pinned.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap().trim_matches(['"', '\'']).to_owned()
    };
    let package = of("ENGINE_PACKAGE");
    program(
        &bin,
        "npm",
        &format!("folder=$3/node_modules/{package}; mkdir -p $folder; printf 'not the engine' >$folder/libchdb.so"),
    );
    let library = checkout.join(".cache/engine/libchdb.so");

    fs::write(checkout.join("deploy/engine.env"), &pinned).unwrap();
    let (code, said) = fetch(checkout);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("has not the checksum") && said.contains("Delete"), "{said}");
    assert!(!library.exists(), "it is not installed");

    fs::write(checkout.join("deploy/engine.env"), pinned.replace(&of("ENGINE_SHA256"), CHECKSUM)).unwrap();
    let (code, said) = fetch(checkout);
    assert!(code == Some(0) && library.exists(), "{said}");
    // What is there is not fetched again; what was changed since is.
    program(&bin, "npm", "exit 1");
    assert_eq!(fetch(checkout), (Some(0), String::new()));
    fs::write(&library, "changed").unwrap();
    let changed = fs::File::options().write(true).open(&library).unwrap();
    changed.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000)).unwrap();
    let (code, said) = fetch(checkout);
    assert!(code == Some(1) && said.contains("npm could not install"), "{said}");
}
