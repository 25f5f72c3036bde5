//! Rules of the code that the compiler does not check.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// What a pure room must not name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "std::io",
    "std::env",
    "Instant::now",
    "SystemTime",
    "tokio",
    "tracing::",
    "async fn",
    "rdkafka",
    "clickhouse::",
    "println!",
    "Mutex",
];

/// Lines of a file before its tests.
const FILE_LINES_MAX: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of a file up to its tests, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let before_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The rooms of a table in `lib.rs`, by the title of its first column, in reading order.
fn table(title: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with(&format!("//! | {title} |"))).skip(2);
    let cells = rows.map_while(|line| line.strip_prefix("//! |")?.split('|').next());
    // `[`mod@reference`]` is a room as well.
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(|name| name.trim_start_matches("mod@").to_owned()).collect()
}

/// Rooms without clock, file, socket, thread or log line.
fn pure() -> Vec<String> {
    table("pure room")
}

/// All rooms: each may use those before it.
fn rooms() -> &'static [String] {
    static ROOMS: OnceLock<Vec<String>> = OnceLock::new();
    ROOMS.get_or_init(|| [pure(), table("room")].concat())
}

/// The rooms that `lib.rs` holds, as they stand there: group by group, within a group by the alphabet.
fn declared() -> Vec<BTreeSet<String>> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let groups = text.split("\n\n").map(|group| {
        let names = group.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        names.map(str::to_owned).collect::<BTreeSet<_>>()
    });
    groups.filter(|group| !group.is_empty()).collect()
}

fn room(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Whether these are the tests of a room, in a file of their own.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    ["tests", "testing", "fixture"].contains(&name.as_str())
        || path.components().any(|part| part.as_os_str() == "tests")
}

fn sources() -> Vec<PathBuf> {
    let all = files(&root().join("src"), "rs");
    all.into_iter().filter(|path| !is_test(path) && !path.ends_with("lib.rs") && !path.ends_with("main.rs")).collect()
}

/// The rooms that a file names: `crate::room` and each first word of `crate::{…}`.
fn uses(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let (mut depth, mut item) = (0, String::new());
            for letter in list.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend(first_word(&std::mem::take(&mut item))),
                    _ => {}
                }
                if depth == 0 && letter != ',' {
                    item.push(letter);
                }
            }
            found.extend(first_word(&item));
        } else {
            found.extend(first_word(rest));
        }
    }
    found
}

fn first_word(text: &str) -> Option<String> {
    let word: String =
        text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    rooms().contains(&word).then_some(word)
}

#[test]
fn tables_of_rooms_are_in_the_order_of_the_code() {
    let mut rooms = rooms().iter().cloned();
    for group in declared() {
        let told: BTreeSet<_> = rooms.by_ref().take(group.len()).collect();
        assert_eq!(told, group, "the tables in lib.rs and its `pub mod`s");
    }
    assert_eq!(rooms.next(), None, "lib.rs has no such room");
    assert!(pure().len() > 9, "{:?}", pure());
}

#[test]
fn every_room_is_in_the_table_and_uses_only_rooms_above_it() {
    let position = |room: &str| rooms().iter().position(|other| *other == room);
    for path in sources() {
        let room = room(&path);
        let Some(own) = position(&room) else { panic!("{room} is not in the table of rooms") };
        for used in uses(&code(&path)) {
            // The configuration is made of the rooms' own sections.
            let allowed = position(&used) <= Some(own) || room == "config";
            assert!(allowed, "{}: `{room}` uses `{used}`, which stands below it", path.display());
        }
    }
}

#[test]
fn pure_rooms_stay_pure() {
    let mut pure = pure();
    // What it holds of tokio is there in the binary of the simulation alone.
    pure.retain(|room| room != "mutants");
    for path in sources().iter().filter(|path| pure.contains(&room(path))) {
        let code = code(path);
        for word in IMPURE {
            assert!(!code.contains(word), "{}: a pure room names `{word}`", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_does_and_is_short() {
    for path in files(&root().join("src"), "rs").iter().chain(&files(&root().join("tests"), "rs")) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("//! "), "{}: begin with what the file does", path.display());
        let lines = code(path).lines().count();
        assert!(lines <= FILE_LINES_MAX, "{}: {lines} lines of code, at most {FILE_LINES_MAX}", path.display());
    }
}

#[test]
fn unsafe_code_stands_in_one_file_for_each_foreign_thing() {
    let with_unsafe: Vec<_> = sources()
        .into_iter()
        .filter(|path| code(path).contains("unsafe "))
        .map(|path| path.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    // The engine, the allocator, the end of the process, librdkafka.
    assert_eq!(
        with_unsafe,
        ["src/engine/chdb.rs", "src/pipeline/memory.rs", "src/program/leave.rs", "src/source/ffi.rs"]
    );
}

#[test]
fn nothing_is_unfinished_or_switched_off() {
    for path in files(&root().join("src"), "rs").iter().chain(&files(&root().join("tests"), "rs")) {
        if path.ends_with("tests/tidy.rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for word in ["todo!(", "unimplemented!(", "FIXME", "TODO", "#[ignore", "dbg!("] {
            assert!(!text.contains(word), "{}: `{word}`", path.display());
        }
    }
}

#[test]
fn every_metric_that_an_operator_is_told_of_exists() {
    let metrics = yinliu::metrics::Metrics::new(&["t".to_owned()]).render();
    let mut documents = files(&root().join("deploy"), "md");
    documents.extend(files(&root().join("deploy"), "yml"));
    // Its models are named after us, as metrics are.
    documents.retain(|path| !path.starts_with(root().join("deploy/dbt")));
    documents.push(root().join("README.md"));
    for path in documents {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("yinliu_") {
            let letters = |letter: &char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || *letter == '_';
            let name: String = text[at..].chars().take_while(letters).collect();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            assert!(metrics.contains(&format!("# TYPE {family} ")), "{}: no metric `{name}`", path.display());
        }
    }
}

/// What `deny.toml` says of the tree.
fn deny() -> toml::Table {
    fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

#[test]
fn every_dependency_has_a_licence_that_may_be_used() {
    let (deny, metadata) = (deny(), metadata());
    let licences: Vec<_> =
        deny["licenses"]["allow"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{} packages", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
        // One alternative is enough; of a conjunction every part has to be allowed.
        let allowed = |alternative: &str| {
            let mut parts = alternative.split(" AND ");
            parts.all(|part| licences.contains(&part.trim().trim_matches(['(', ')'])))
        };
        assert!(licence.split(" OR ").any(allowed), "{} {}: licence `{licence}`", package["name"], package["version"]);
    }
}

#[test]
fn every_dependency_comes_from_the_registry_by_a_version_and_none_is_banned() {
    let lock: toml::Table = fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let deny = deny();
    let banned = deny["bans"]["deny"].as_array().unwrap().iter();
    let banned: Vec<_> = banned.filter_map(|ban| ban["crate"].as_str()).collect();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let source = package.get("source").map_or("", |source| source.as_str().unwrap());
        let known = source.starts_with("registry+") && source.ends_with("/crates.io-index");
        assert!(known || name == "yinliu" && source.is_empty(), "{name} comes from `{source}`");
        assert!(!banned.contains(&name), "{name} is banned by deny.toml");
    }
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    for (name, wish) in ["dependencies", "dev-dependencies"].iter().flat_map(|part| manifest[*part].as_table().unwrap())
    {
        let version = wish.as_str().or_else(|| wish.get("version")?.as_str()).unwrap_or("*");
        assert!(!version.contains('*'), "{name}: any version");
    }
}

#[test]
fn tests_want_no_other_features_of_a_dependency_than_the_binary() {
    // Else cargo builds it twice on a machine that runs both, and everything that stands on it.
    let built = |edges: &str| {
        let said = cargo(&["tree", "--prefix", "none", "--format", "{p} {f}", "--edges", edges]);
        said.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect::<BTreeSet<_>>()
    };
    let (binary, tests) = (built("normal,build"), built("normal,build,dev"));
    assert!(tests.len() > binary.len() && binary.len() > 100, "{} and {}", binary.len(), tests.len());
    let others: Vec<_> = binary.difference(&tests).collect();
    assert!(others.is_empty(), "the tests build these with other features: {others:#?}");
}

fn metadata() -> serde_json::Value {
    let said = cargo(&["metadata", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"]);
    serde_json::from_str(&said).unwrap()
}

/// What cargo says of the tree as it is locked.
fn cargo(words: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(words).args(["--locked", "--offline"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
