//! `yinliu reconcile`: what it corrects, what it leaves alone, and that no moment is a bad one for it.
//!
//! Invariant: each test has a database of its own on one engine; figures are read through the contract's views.

mod beside;
mod held;

use std::{
    process::{Command, Output, Stdio},
    sync::LazyLock,
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use yinliu::verify;

use crate::support::{
    counting::{CHUNK, Counting},
    engine::Engine,
};

/// 2025-03-10 10:00 in Asia/Shanghai.
const NOW_MS: i64 = 1_741_572_000_000;

const FRIEND: &str = "yinliu.friend.v1";
const ORDER: &str = "yinliu.order.v1";

async fn counting(database: &str) -> Counting {
    static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);
    Counting::new(ENGINE.url(), database).await
}

/// Adds of these numbers, one a second, by one of three members of staff.
fn adds(ids: std::ops::Range<usize>) -> Vec<(i64, String)> {
    ids.map(|id| add(id, r#""store_id":"m","region_id":"r","#)).collect()
}

fn add(id: usize, place: &str) -> (i64, String) {
    let (at, staff) = (NOW_MS + i64::try_from(id).unwrap() * 1_000, id % 3);
    let text = format!(
        r#"{{"event_id":"e{id}","type":"friend.added","corp_id":"c","occurred_at":{at},"staff_id":"s{staff}",{place}"customer_id":"x{id}","channel":"app"}}"#
    );
    (at + 500, text)
}

/// The same a minute later by the record, as a producer that repeats itself sends it.
fn later(records: &[(i64, String)]) -> Vec<(i64, String)> {
    records.iter().map(|(at, text)| (at + 60_000, text.clone())).collect()
}

/// Forty adds in two chunks of days of one partition, the first eight of them once more behind them, four of them in
/// another topic too: of the 100 records that are counted, 88 are right. Every chunk of days but the last is closed.
async fn repeated(database: &str) -> Counting {
    let mut counting = counting(database).await;
    let first = adds(0..40);
    counting.count(FRIEND, 0, &first).await;
    counting.count(FRIEND, 0, &later(&first[..8])).await;
    counting.count(FRIEND, 0, &adds(100..100 + 2 * CHUNK - 48)).await;
    counting.count(ORDER, 1, &later(&first[4..8])).await;
    counting.count(ORDER, 1, &adds(200..200 + CHUNK)).await;
    counting
}

fn command(counting: &Counting, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinliu"));
    command.args(words).args(counting.settings()).stdin(Stdio::null());
    command
}

const DAY: [&str; 4] = ["--from", "2025-03-10", "--to", "2025-03-10"];

/// Runs to the end; what it printed and how it ended.
fn reconcile(counting: &Counting, more: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        command(counting, &[&["reconcile"], &DAY[..], more].concat()).output().unwrap();
    assert!(status.success() || !stderr.is_empty() || !stdout.is_empty());
    (status.code(), String::from_utf8(stdout).unwrap() + if status.success() { "" } else { "(failed) " })
}

async fn assert_verified(counting: &Counting) {
    let days = verify::Settings {
        from: Some("2025-03-09".parse().unwrap()),
        to: Some("2025-03-11".parse().unwrap()),
        ..Default::default()
    };
    let report = verify::run(&days, &counting.config, NOW_MS).await.unwrap();
    assert!(report.is_equal(), "{report}");
    assert_eq!(report.notes, Vec::<String>::new(), "nothing is counted twice any more");
}

/// Adds by member of staff, by minute and by day.
async fn figures(counting: &Counting) -> Vec<String> {
    let sql = "SELECT concat(grain, ' ', staff_id, ' ', store_id, ' ', toString(sum(adds))) AS line FROM (\
               SELECT 'day' AS grain, staff_id, store_id, adds FROM v_counts_1d UNION ALL \
               SELECT 'board', staff_id, store_id, adds FROM v_counts_1d_staff UNION ALL \
               SELECT 'minute', staff_id, store_id, adds FROM v_counts_1m) GROUP BY grain, staff_id, store_id ORDER BY line";
    counting.texts(sql).await
}

/// Everything that the command may write, in a form that shows each version of a row.
async fn everything(counting: &Counting) -> Vec<String> {
    let tables =
        ["facts", "counts_1m_registers", "counts_1d_registers", "counts_1d_board_registers", "ledger", "amendment_log"];
    let sql = tables.map(|table| format!("SELECT concat('{table} ', toString(count())) AS line FROM {table}"));
    counting.texts(&format!("SELECT line FROM ({}) ORDER BY line", sql.join(" UNION ALL "))).await
}

/// What the figures are when each of these events counts once, in store `m`.
fn once(ids: &(impl Iterator<Item = usize> + Clone)) -> Vec<String> {
    let of = |staff: usize| ids.clone().filter(|id| id % 3 == staff).count();
    let lines = |grain: &'static str| (0..3).map(move |staff| format!("{grain} s{staff} m {}", of(staff)));
    lines("board").chain(lines("day")).chain(lines("minute")).collect()
}

fn all_of_repeated() -> impl Iterator<Item = usize> + Clone {
    (0..40).chain(100..100 + 2 * CHUNK - 48).chain(200..200 + CHUNK)
}

#[tokio::test]
async fn event_that_was_counted_in_two_chunks_counts_once_and_verify_agrees() {
    let counting = repeated("far").await;
    assert_ne!(figures(&counting).await, once(&all_of_repeated()));
    let (code, said) = reconcile(&counting, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("12 duplicates"), "{said}");
    assert_eq!(figures(&counting).await, once(&all_of_repeated()));
    assert_verified(&counting).await;
    let first = "SELECT toString(count()) FROM events WHERE event_id = 'e5' AND src_topic = 'yinliu.friend.v1' AND src_offset = 5";
    assert_eq!(counting.texts(first).await, ["1"], "the first one counts");
    let sums = "SELECT concat(toString(sum(counted)), ' ', toString(sum(duplicate)), ' ', toString(max(generation))) FROM chunks";
    assert_eq!(counting.texts(sums).await, ["88 12 2"], "the ledger counts what is left");
}

#[tokio::test]
async fn event_that_was_first_counted_weeks_before_the_asked_day_counts_there_alone() {
    const WEEKS_MS: i64 = 21 * 86_400_000;
    let mut counting = counting("weeks").await;
    let (at, text) = add(0, r#""store_id":"m","region_id":"r","#);
    let earlier = text.replace(&NOW_MS.to_string(), &(NOW_MS - WEEKS_MS).to_string());
    assert_ne!(text, earlier);
    counting.count(FRIEND, 0, &[(at - WEEKS_MS, earlier)]).await;
    counting.count(FRIEND, 0, &adds(1..CHUNK)).await;
    counting.count(ORDER, 1, &[(at, text)]).await;
    counting.count(ORDER, 1, &adds(100..100 + CHUNK)).await;
    let (code, said) = reconcile(&counting, &[]);
    assert!(code == Some(0) && said.contains("1 duplicate"), "{said}");
    let sql = "SELECT concat(toString(business_date), ' ', src_topic) FROM events WHERE event_id = 'e0'";
    assert_eq!(counting.texts(sql).await, [format!("2025-02-17 {FRIEND}")], "the first one counts");
    assert_verified(&counting).await;
}

#[tokio::test]
async fn what_is_changed_is_told_and_stored_with_its_reason() {
    let counting = repeated("told").await;
    let (_, said) = reconcile(&counting, &[]);
    let sql = "SELECT concat(toString(business_date), ' corp `', corp_id, '` region `', region_id, '` store `', store_id, \
               '` staff `', staff_id, '` channel `', channel, '`: ', metric, ' ', toString(before), ' → ', \
               toString(after), ' (', reason, ')') FROM amendments ORDER BY recorded_at";
    let mut stored = counting.texts(sql).await;
    let mut told: Vec<_> = said.lines().filter(|line| line.contains('→')).map(str::to_owned).collect();
    stored.sort();
    told.sort();
    assert_eq!(told, stored, "{said}");
    let change = |line: &String| {
        let (_, change) = line.split_once(": adds ").unwrap();
        let (before, rest) = change.split_once(" → ").unwrap();
        let (after, reason) = rest.split_once(' ').unwrap();
        assert_eq!(reason, "(duplicate)");
        before.parse::<i64>().unwrap() - after.parse::<i64>().unwrap()
    };
    assert_eq!(stored.iter().map(change).sum::<i64>(), 12, "{stored:?}");
}

#[tokio::test]
async fn second_run_changes_nothing_and_a_dry_run_never_does() {
    let counting = repeated("twice").await;
    let before = everything(&counting).await;
    let (code, planned) = reconcile(&counting, &["--dry-run"]);
    assert_eq!((code, everything(&counting).await), (Some(0), before), "{planned}");
    let (_, done) = reconcile(&counting, &[]);
    assert_eq!(planned.replace("would be corrected", "corrected"), done);
    let after = everything(&counting).await;
    for more in [&[][..], &["--dry-run"]] {
        let (code, said) = reconcile(&counting, more);
        assert_eq!((code, said.contains("nothing to correct")), (Some(0), true), "{said}");
        assert_eq!(everything(&counting).await, after);
    }
}

#[tokio::test]
async fn open_chunks_are_left_to_the_pipeline_which_goes_on_counting() {
    let mut counting = counting("open").await;
    let first = adds(0..40);
    counting.count(FRIEND, 0, &first).await;
    counting.count(ORDER, 0, &later(&first[..8])).await;
    let (code, said) = reconcile(&counting, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("nothing to correct") && said.contains("16 records lie in chunks that are still open"),
        "{said}"
    );
    // The chunks are counted to their end, by a process that starts in them.
    counting.restart();
    counting.count(ORDER, 0, &adds(100..100 + CHUNK)).await;
    counting.count(FRIEND, 0, &adds(200..200 + CHUNK)).await;
    let (code, said) = reconcile(&counting, &[]);
    assert_eq!((code, said.contains("8 duplicates")), (Some(0), true), "{said}");
    let open = [(FRIEND, 300), (ORDER, 400)];
    for (topic, id) in open {
        counting.restart();
        counting.count(topic, 0, &adds(id..id + 4)).await;
    }
    let all = (0..40).chain(100..100 + CHUNK).chain(200..200 + CHUNK).chain(300..304).chain(400..404);
    assert_eq!(figures(&counting).await, once(&all));
    assert_verified(&counting).await;
}

#[tokio::test]
async fn figures_that_were_tampered_with_become_what_the_facts_say() {
    let mut counting = counting("tampered").await;
    counting.count(FRIEND, 0, &adds(0..40)).await;
    let right = figures(&counting).await;
    for table in ["counts_1m_registers", "counts_1d_registers", "counts_1d_board_registers"] {
        // One row has too much, one belongs to nobody, each as a repair by hand might leave it.
        let columns = "* REPLACE (adds + 5 AS adds, version + bitShiftLeft(toUInt64(7), 48) AS version)";
        counting
            .execute(&format!("INSERT INTO {table} SELECT {columns} FROM {table} WHERE staff_id = 's1' LIMIT 1"))
            .await;
        let columns = "* REPLACE ('nobody' AS staff_id)";
        counting.execute(&format!("INSERT INTO {table} SELECT {columns} FROM {table} LIMIT 1")).await;
    }
    assert_ne!(figures(&counting).await, right);
    let (code, said) = reconcile(&counting, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("staff `nobody` channel `app`: adds"), "{said}");
    assert!(said.contains("(recount)"), "{said}");
    assert_eq!(figures(&counting).await, right);
    assert_verified(&counting).await;
    assert_eq!(
        reconcile(&counting, &[]).1,
        "! 8 records lie in chunks that are still open: the running pipeline keeps those\n2025-03-10 to 2025-03-10: nothing to correct\n"
    );
}

#[tokio::test]
async fn row_for_boards_alone_is_put_right_and_told_as_such() {
    let counting = repeated("boards").await;
    reconcile(&counting, &[]);
    let right = figures(&counting).await;
    let newer = "version + bitShiftLeft(toUInt64(7), 48) AS version";
    for (columns, told) in [
        ("adds + 5 AS adds", "staff `s1` channel ``: adds"),
        ("last_add_at + 5 AS last_add_at", "staff `s1` channel ``: last_add_at"),
    ] {
        counting
            .execute(&format!(
                "INSERT INTO counts_1d_board_registers SELECT * REPLACE ({columns}, {newer}) FROM counts_1d_board_registers FINAL \
                 WHERE staff_id = 's1' AND src_chunk = 0 LIMIT 1"
            ))
            .await;
        let (code, said) = reconcile(&counting, &[]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(told) && said.contains("(recount of boards)"), "{said}");
        assert_eq!(figures(&counting).await, right);
        assert_verified(&counting).await;
    }
}

#[tokio::test]
async fn member_who_came_into_the_directory_late_gets_the_figures_of_his_store() {
    let mut counting = counting("directory").await;
    let unplaced: Vec<_> = (0..CHUNK + 8).map(|id| add(id, "")).collect();
    counting.count(FRIEND, 0, &unplaced).await;
    counting.employ("s1", "m1", "r1", NOW_MS + 3_600_000).await;
    // Who moved later was in the first store then.
    counting.employ("s1", "m9", "r9", NOW_MS + 7_200_000).await;
    assert!(reconcile(&counting, &[]).1.contains("nothing to correct"), "without `--directory` a place is no reason");
    let planned = reconcile(&counting, &["--directory", "--dry-run"]).1;
    let (code, said) = reconcile(&counting, &["--directory"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(planned.replace("would be corrected", "corrected"), said);
    assert!(
        said.contains("11 facts placed") && said.contains("store `m1` staff `s1`") && said.contains("(directory)"),
        "{said}"
    );
    let placed = "SELECT concat(region_id, ' ', store_id, ' ', toString(count())) FROM events WHERE src_offset < 32 \
                  AND staff_id = 's1' GROUP BY region_id, store_id";
    assert_eq!(counting.texts(placed).await, ["r1 m1 11"]);
    assert_verified(&counting).await;
    // A process that starts in the open chunk keeps what was corrected, and holds what it had counted there.
    counting.restart();
    counting.count(FRIEND, 0, &adds(100..104)).await;
    assert_verified(&counting).await;
    assert!(reconcile(&counting, &["--directory"]).1.contains("nothing to correct"));
}

#[tokio::test]
async fn chunk_whose_facts_are_gone_is_left_alone_and_named() {
    let counting = repeated("gone").await;
    counting.execute("ALTER TABLE facts DELETE WHERE src_offset = 3 SETTINGS mutations_sync = 2").await;
    let (code, said) = reconcile(&counting, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("✗ yinliu.friend.v1[0] offsets 0 to 32: left alone"), "{said}");
    let untouched =
        "SELECT toString(max(generation)) FROM chunks WHERE src_topic = 'yinliu.friend.v1' AND src_chunk < 2";
    assert_eq!(counting.texts(untouched).await, ["0"]);
}

#[tokio::test]
async fn day_of_a_chunk_that_holds_other_days_too_is_corrected_alone() {
    let mut counting = counting("days").await;
    let first = adds(0..8);
    // Counted twice on the first day, and, 16 hours later in the same chunk of days, on the next one.
    counting.count(FRIEND, 0, &first).await;
    counting.count(FRIEND, 0, &adds(57_600..57_608)).await;
    counting.count(FRIEND, 0, &later(&first)).await;
    counting.count(FRIEND, 0, &adds(57_700..57_712)).await;
    counting.count(ORDER, 0, &later(&adds(57_600..57_632))).await;
    let (code, said) = reconcile(&counting, &[]);
    assert_eq!((code, said.contains("8 duplicates")), (Some(0), true), "{said}");
    let next = ["reconcile", "--from", "2025-03-11", "--to", "2025-03-11"];
    let output = command(&counting, &next).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("8 duplicates"), "{said}");
    assert_verified(&counting).await;
    assert_eq!(figures(&counting).await, once(&(0..8).chain(57_600..57_632).chain(57_700..57_712)));
}

#[tokio::test]
async fn run_that_is_killed_anywhere_or_meets_another_one_ends_with_the_same_figures() {
    let mut dice = SmallRng::seed_from_u64(7);
    for round in 0..4 {
        let counting = repeated(&format!("killed_{round}")).await;
        let words = [&["reconcile"], &DAY[..]].concat();
        let start = || command(&counting, &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        for _ in 0..6 {
            let mut killed = start();
            // The moment is what is tested: a whole run takes some 300 ms.
            tokio::time::sleep(Duration::from_millis(dice.random_range(20..300))).await;
            killed.kill().unwrap();
            killed.wait().unwrap();
        }
        let mut both = [start(), start()];
        for child in &mut both {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(figures(&counting).await, once(&all_of_repeated()), "round {round}");
        assert_verified(&counting).await;
        let (_, said) = reconcile(&counting, &[]);
        assert!(said.contains("nothing to correct"), "round {round}: {said}");
        assert_eq!(told(&counting).await, TWELVE_TAKEN_OUT, "round {round}");
    }
}

/// What the amendments say that was taken out of the adds, by day and by minute alone.
async fn told(counting: &Counting) -> Vec<String> {
    let sql = "SELECT concat(if(window_start = 0, 'day ', 'minute '), toString(sum(before - after))) AS line \
               FROM amendments WHERE metric = 'adds' GROUP BY window_start = 0 ORDER BY line";
    counting.texts(sql).await
}

/// Of [`repeated`]: no change is lost, none is told twice, and none of the minutes of a change by day.
const TWELVE_TAKEN_OUT: [&str; 1] = ["day 12"];

#[tokio::test]
async fn wrong_words_end_with_2_and_a_warehouse_that_is_away_with_1() {
    let run = |words: &[&str]| crate::support::yinliu::command(words);
    for words in
        [&["reconcile"][..], &["reconcile", "--from", "2025-03-10"], &["reconcile", "--from", "x", "--to", "y"]]
    {
        let (code, said) = run(words);
        assert_eq!(code, Some(2), "{words:?}: {said}");
    }
    let away = ["--set", "clickhouse.url=http://127.0.0.1:1"];
    let (code, said) = run(&[&["reconcile"], &DAY[..], &away].concat());
    assert_eq!(code, Some(1), "{said}");
    // Of a range that ends before it begins this is seen first.
    let range = ["--from", "2025-03-11", "--to", "2025-03-10", away[0], away[1]];
    for command in [&["verify"][..], &["reconcile"], &["dead-letters", "list"], &["dead-letters", "replay"]] {
        let (code, said) = run(&[command, &range].concat());
        assert_eq!((code, said.contains("choose the")), (Some(2), true), "{command:?}: {said}");
    }
}
