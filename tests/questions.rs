//! The ten questions of `schemas/questions.sql`, asked of a small week.
//!
//! Invariant: each stands in the file as an analyst would run it.

use std::{fmt::Write as _, fs, path::Path};

use crate::support::refreshed::{Happening, Kind, Refreshed, instant};

const HEAD: &str = "\
# Ten questions and their answers

Made by `tests/questions.rs` from [questions.sql](questions.sql), which asks them of a small week in two stores: one has two
active members of staff, the other one; both have a target. Each answer is what the engine says.
";

/// A week: two members of staff in stores of their own, two channels, one broadcast, one transfer, one late loss.
fn week() -> Vec<Happening> {
    let rows = [
        ("2025-03-10T09:00:00", Kind::Request, "s1", "a", "cashier", 0),
        ("2025-03-10T09:10:00", Kind::Request, "s1", "z", "cashier", 0),
        ("2025-03-10T10:00:00", Kind::Add, "s1", "a", "cashier", 0),
        ("2025-03-10T10:01:00", Kind::Inbound, "s1", "a", "cashier", 0),
        ("2025-03-10T10:03:00", Kind::Outbound, "s1", "a", "cashier", 0),
        ("2025-03-10T10:05:00", Kind::Add, "s1", "b", "douyin", 0),
        ("2025-03-10T11:00:00", Kind::Customer, "s1", "b", "douyin", 0),
        ("2025-03-10T11:30:00", Kind::Add, "s1", "e", "cashier", 0),
        ("2025-03-10T12:00:00", Kind::Add, "s2", "c", "douyin", 0),
        ("2025-03-10T12:30:00", Kind::Staff, "s2", "c", "douyin", 0),
        ("2025-03-11T10:00:00", Kind::Add, "s2", "d", "cashier", 0),
        ("2025-03-11T11:00:00", Kind::Add, "s2", "b", "cashier", 0),
        ("2025-03-11T12:00:00", Kind::Broadcast, "s2", "", "spring", 2),
        ("2025-03-11T12:30:00", Kind::Customer, "s2", "d", "cashier", 0),
        ("2025-03-12T10:00:00", Kind::Order, "s1", "a", "", 9_900),
        ("2025-03-12T11:00:00", Kind::TransferOut, "s1", "a", "", 0),
        ("2025-03-12T11:00:01", Kind::TransferIn, "s2", "a", "", 0),
        ("2025-03-12T12:00:00", Kind::Add, "s1", "b", "cashier", 0),
    ];
    let row = |(at, (time, kind, staff, customer, channel, amount)): (usize, (&str, Kind, &str, &str, &str, u64))| {
        Happening {
            at_ms: instant(time, "Asia/Shanghai"),
            corp: "c".to_owned(),
            customer: customer.to_owned(),
            staff: staff.to_owned(),
            kind,
            id: format!("e{at}"),
            channel: channel.to_owned(),
            amount,
        }
    };
    rows.into_iter().enumerate().map(row).collect()
}

/// The answers in order, each row as its columns with commas.
const ANSWERS: [&[&str]; 10] = [
    &["store-s1,1,2,0.5,4", "store-s2,0,1,0,3"],
    &["cashier,3,5,0.6", "douyin,0,2,0"],
    &["s2,1,3"],
    &["1,2,0,3600"],
    &["spring,2,1,0"],
    &["store-s1,1,1,120,1"],
    &["cashier,9900,1,5,1980", "douyin,0,0,2,0"],
    &["2025-03-10,s1,3,0,-1"],
    &["s1,s2,1"],
    &["2025-03-10,4,0,0", "2025-03-11,2,0,1", "2025-03-12,1,1,1"],
];

#[tokio::test(flavor = "multi_thread")]
async fn ten_questions_have_their_answers() {
    let mut refreshed = Refreshed::new("questions", &["c"]).await;
    refreshed.count(&week()).await;
    refreshed
        .execute(
            "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, published_at) VALUES \
             ('c', 'store', 'store-s1', '2025-03-10', 'qualified_adds', 4, now64(3)), \
             ('c', 'store', 'store-s2', '2025-03-10', 'qualified_adds', 3, now64(3))",
        )
        .await;
    refreshed
        .execute(
            "INSERT INTO org_log (corp_id, staff_id, store_id, region_id, active, published_at) VALUES \
             ('c', 's1', 'store-s1', 'r', true, now64(3)), ('c', 's3', 'store-s1', 'r', true, now64(3)), \
             ('c', 's2', 'store-s2', 'r', true, now64(3))",
        )
        .await;
    refreshed.complete_through(instant("2025-03-20T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    // After the day was closed it becomes known that a customer had left within the hour.
    let known =
        Happening { id: "late".to_owned(), kind: Kind::Customer, customer: "e".to_owned(), ..week()[6].clone() };
    refreshed.count(&[Happening { at_ms: instant("2025-03-10T12:00:00", "Asia/Shanghai"), ..known }]).await;
    refreshed.complete_through(instant("2025-03-21T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    let text = include_str!("../schemas/questions.sql");
    let questions: Vec<_> = text.split(";\n").filter(|question| question.contains("SELECT")).collect();
    assert_eq!(questions.len(), ANSWERS.len());
    let mut page = HEAD.to_owned();
    for (question, answer) in questions.iter().zip(ANSWERS) {
        let lines: Vec<_> = question.lines().filter(|line| !line.starts_with("--")).collect();
        let sql = lines.join("\n");
        let asked = question
            .lines()
            .filter_map(|line| line.strip_prefix("-- "))
            .find(|line| line.starts_with(|letter: char| letter.is_ascii_digit()))
            .unwrap();
        let mut cursor = refreshed.client.query_raw(&sql).fetch_bytes("CSVWithNames").unwrap();
        let found = String::from_utf8(cursor.collect().await.unwrap().to_vec()).unwrap().replace('"', "");
        let (names, found) = found.split_once('\n').unwrap();
        // Versions of ClickHouse differ in how they write what a view calls a Bool.
        let found: Vec<_> = found.lines().map(|line| line.replace("false", "0")).collect();
        assert_eq!(found, answer, "{question}");
        let row = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
        let names: Vec<_> = names.split(',').collect();
        let head = row(&names) + &row(&vec!["---"; names.len()]).replace(' ', "");
        let rows: String = found.iter().map(|line| row(&line.split(',').collect::<Vec<_>>())).collect();
        write!(page, "\n## {asked}\n\n```sql\n{}\n```\n\n{head}{rows}", sql.trim()).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/questions.md");
    if fs::read_to_string(&path).unwrap_or_default() != page {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("questions.md");
        fs::write(&fresh, page).unwrap();
        panic!("{} is stale: replace it by {}", path.display(), fresh.display());
    }
}
