//! The catalogue page `schemas/clickhouse/README.md`, made from the statements themselves.
//!
//! Invariant: nothing stands on the page that the DDL does not say.

use std::{fmt::Write as _, fs, path::Path};

/// A table or view as its statement describes it.
struct Entry {
    kind: &'static str,
    name: String,
    comment: (String, String),
    /// Of its own comment, or of the heading of its file.
    layer: String,
    /// Name, type, Chinese and English.
    columns: Vec<[String; 4]>,
}

/// Layers of the Chinese school and what the other one calls them; what tells of the pipeline itself is neither's.
const LAYERS: [(&str, &str); 6] =
    [("ODS", "stg"), ("DWD", "fct"), ("DWS", "agg"), ("ADS", "mart"), ("DIM", "dim"), ("OPS", "operations")];

const HEAD: &str = "\
# Catalogue of the warehouse

Made from the statements beside it by `tests/catalogue.rs`; edit those. Read the views: they need no `FINAL`, and the
physical tables may change shape behind them. Filter by `corp_id` and `business_date` first, then region, store, staff.
Instants are UTC, business days are those of the corp's zone, amounts are in 1/100 of its currency. Every rate is a
stored numerator over a stored denominator: add both up, then divide.
Layers: ODS = `stg`, DWD = `fct`, DWS = `agg`, ADS = `mart`, DIM = `dim`; OPS tells how the pipeline itself goes. [Ten questions](../questions.md) are answered with them.
";

fn split(comment: &str) -> (String, String) {
    let (chinese, english) = comment.split_once(" / ").unwrap_or((comment, ""));
    (chinese.replace("''", "'"), english.replace("''", "'"))
}

/// `text COMMENT 'comment'`, with or without a comma behind.
fn commented(line: &str) -> Option<(&str, &str)> {
    let (text, comment) = line.split_once("COMMENT '")?;
    Some((text.trim(), comment.trim_end_matches(',').strip_suffix('\'')?))
}

/// `DWS · agg`, as it stands in front of a comment, or first in brackets in the heading of a file.
fn layer(name: &str, comment: &str, heading: &str) -> String {
    let own = LAYERS.iter().find(|(layer, _)| comment.starts_with(layer));
    let place = |layer: &str| heading.find(&format!("({layer}"));
    let of_file = || LAYERS.iter().filter(|(layer, _)| place(layer).is_some()).min_by_key(|(layer, _)| place(layer));
    let (layer, other) =
        own.or_else(of_file).unwrap_or_else(|| panic!("neither `{name}` nor the heading of its file says its layer"));
    format!("{layer} · {other}")
}

fn entry(heading: &str, statement: &str) -> Option<Entry> {
    let lines: Vec<_> = statement.lines().filter(|line| !line.starts_with("--")).collect();
    let head = lines.iter().find(|line| line.starts_with("CREATE "))?;
    let kinds = [("CREATE TABLE ", "table"), ("CREATE VIEW ", "view"), ("CREATE MATERIALIZED VIEW ", "feed")];
    let (name, kind) = kinds.iter().find_map(|(start, kind)| Some((head.strip_prefix(start)?, *kind)))?;
    let comment = lines.iter().rev().find_map(|line| commented(line))?;
    let column = |line: &&str| {
        let (text, comment) = commented(line.strip_prefix("    ")?)?;
        let (name, kind) = text.split_once(' ')?;
        let (chinese, english) = split(comment);
        let kind = kind.split(" DEFAULT ").next()?.to_owned();
        Some([name.to_owned(), kind, chinese, english])
    };
    let columns = lines.iter().filter_map(column).collect();
    let name = name.split([' ', '(']).next()?.to_owned();
    let comment = split(comment.1);
    let layer = layer(&name, &comment.0, heading);
    Some(Entry { kind, name, comment, layer, columns })
}

fn entries() -> Vec<Entry> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/clickhouse");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let texts: Vec<_> = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    texts.iter().flat_map(|text| of_file(text)).collect()
}

fn of_file(text: &str) -> Vec<Entry> {
    let (heading, _) = text.split_once("CREATE ").unwrap();
    text.split(";\n").filter_map(|statement| entry(heading, statement)).collect()
}

fn page(entries: &[Entry]) -> String {
    let mut page = HEAD.to_owned();
    for (title, kind) in [("Views", "view"), ("Physical tables", "table")] {
        writeln!(page, "\n## {title}\n\n| name | layer | 中文 | English |\n|---|---|---|---|").unwrap();
        for entry in entries.iter().filter(|entry| entry.kind == kind) {
            let (chinese, english) = &entry.comment;
            let link = if kind == "view" { format!("[`{0}`](#{0})", entry.name) } else { format!("`{}`", entry.name) };
            writeln!(page, "| {link} | {} | {chinese} | {english} |", entry.layer).unwrap();
        }
    }
    for entry in entries.iter().filter(|entry| entry.kind == "view") {
        let (chinese, english) = &entry.comment;
        writeln!(
            page,
            "\n### {}\n\n{chinese} / {english}\n\n| column | type | 中文 | English |\n|---|---|---|---|",
            entry.name
        )
        .unwrap();
        for [name, kind, chinese, english] in &entry.columns {
            writeln!(page, "| `{name}` | `{kind}` | {chinese} | {english} |").unwrap();
        }
    }
    page
}

#[test]
fn catalogue_says_what_the_statements_say() {
    let entries = entries();
    assert!(entries.len() > 30, "{} tables and views", entries.len());
    let made = page(&entries);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/clickhouse/README.md");
    if fs::read_to_string(&path).unwrap_or_default() != made {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("catalogue.md");
        fs::write(&fresh, made).unwrap();
        panic!("{} is stale: replace it by {}", path.display(), fresh.display());
    }
}

/// Each table is told of by its own words, and what ClickHouse drops by itself by the statement's.
#[test]
fn every_table_says_how_long_it_keeps_what() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/clickhouse");
    let page = fs::read_to_string(folder.join("README.md")).unwrap();
    let (mut tables, mut dropped) = (0, Vec::new());
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let Some("sql") = path.extension().and_then(|extension| extension.to_str()) else { continue };
        let text = fs::read_to_string(&path).unwrap();
        let (heading, _) = text.split_once("CREATE ").unwrap();
        for statement in text.split(";\n") {
            let Some(Entry { kind: "table", name, comment: (chinese, english), .. }) = entry(heading, statement) else {
                continue;
            };
            tables += 1;
            let told = [chinese.split_once("；保留："), english.split_once("; kept: ")];
            let [Some((_, chinese)), Some((_, english))] = told else {
                panic!("`{name}` does not say how long it keeps")
            };
            assert!(
                page.contains(&format!("；保留：{chinese} |")) && page.contains(&format!("; kept: {english} |")),
                "{name}"
            );
            let ttl = statement.lines().find_map(|line| line.strip_prefix("TTL ")?.split_once("INTERVAL "));
            let days = ttl.map(|(_, span)| span.strip_suffix(" DAY").unwrap().to_owned());
            match &days {
                Some(days) => {
                    assert_eq!(chinese, format!("{days} 天"), "{name}");
                    assert_eq!(english.trim_end_matches('s'), format!("{days} day"), "{name}");
                    dropped.push(name);
                }
                None => assert!(chinese.starts_with("永久") && english.starts_with("for ever"), "{name}: {english}"),
            }
        }
    }
    assert!(tables > 20, "{tables} tables");
    assert_eq!(dropped.len(), 2, "{dropped:?}");
}
