//! What analysts and boards ask of the warehouse, beside the plan that was rejected, while flushes and merges run.
//!
//! Invariant: each question is asked through a view, as anyone may ask it, and its rejected plan in the same run.

mod fill;

use std::{
    fs,
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use fill::{Size, TODAY};

use crate::{
    Scale,
    engine::{Program, Warehouse, words},
    measure::{self, Runs},
    table::Table,
};

/// Flushes before the first question: parts of all ages lie beside each other then.
const WARM_UP: u64 = 60;

struct Question {
    figure: &'static str,
    target: &'static str,
    sql: String,
}

pub(crate) fn run(scale: Scale, table: &mut Table) {
    let (size, times, warm_up) = match scale {
        Scale::Full => {
            let size = Size {
                staff: 10_000,
                minutes: 20_000_000,
                facts: 10_000_000,
                days: 365,
                days_of_all: 30,
                flush: 5_000,
            };
            (size, 50, WARM_UP)
        }
        Scale::Quick => {
            let size = Size { staff: 200, minutes: 20_000, facts: 10_000, days: 20, days_of_all: 3, flush: 50 };
            (size, 2, 1)
        }
    };
    let warehouse = Warehouse::start();
    fill::fill(&warehouse, &size);
    let (done, flushed, parts) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            for number in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                fill::flush(&warehouse, &size, number);
                flushed.store(number + 1, Ordering::Relaxed);
                let most = "SELECT toUInt64(max(n)) FROM (SELECT count() AS n FROM system.parts WHERE active \
                            AND database = 'yinliu' GROUP BY table, partition)";
                parts.fetch_max(warehouse.number(most), Ordering::Relaxed);
                let due = Duration::from_secs(number + 1);
                thread::sleep(due.saturating_sub(began.elapsed()));
            }
        });
        while flushed.load(Ordering::Relaxed) < warm_up {
            thread::sleep(Duration::from_millis(100));
        }
        for question in questions() {
            ask(&warehouse, &question, times, table);
        }
        done.store(true, Ordering::Relaxed);
    });
    table.row("parts in the fullest partition, at the most", "< 100", parts.load(Ordering::Relaxed).to_string());
    table.row("flushes meanwhile, a second apart at best", "stated", flushed.load(Ordering::Relaxed).to_string());
    stored(&warehouse, &size, table);
    refreshed(&warehouse, &size, table);
}

fn ask(warehouse: &Warehouse, question: &Question, times: usize, table: &mut Table) {
    let mut answers = Runs::default();
    for _ in 0..times {
        let began = Instant::now();
        warehouse.execute(&format!("{} FORMAT Null", question.sql));
        answers.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let text = format!("p50 {:.0}, p95 {:.0}", answers.median(), answers.quantile(0.95));
    table.row(question.figure, question.target, text);
}

/// The questions of the issue, each followed by the plan that was rejected.
fn questions() -> Vec<Question> {
    let today = format!("corp_id = 'c' AND business_date = '{TODAY}'");
    let month = format!("corp_id = 'c' AND business_date BETWEEN toDate('{TODAY}') - 30 AND toDate('{TODAY}')");
    let year = format!("corp_id = 'c' AND business_date > toDate('{TODAY}') - 365");
    let ask = |figure, target, sql: String| Question { figure, target, sql };
    let board = |level: &str| {
        format!("SELECT * FROM v_leaderboard_1d WHERE {today} AND level = '{level}' ORDER BY place LIMIT 100")
    };
    let sums = "sum(adds), sum(deletes_by_customer), sum(deletes_by_staff), sum(messages_in)";
    vec![
        ask("leaderboard of today, staff, ms", "p95 ≤ 100", board("staff")),
        ask("leaderboard of today, stores, ms", "p95 ≤ 100", board("store")),
        ask("leaderboard of today, regions, ms", "p95 ≤ 100", board("region")),
        ask(
            "sums of today by staff, ms",
            "",
            format!("SELECT staff_id, {sums} FROM v_counts_1d_staff WHERE {today} GROUP BY staff_id"),
        ),
        ask(
            "rejected: the same from days of all dimensions, ms",
            "",
            format!("SELECT staff_id, {sums} FROM v_counts_1d WHERE {today} GROUP BY staff_id"),
        ),
        ask(
            "rejected: the same from minutes, ms",
            "",
            format!("SELECT staff_id, {sums} FROM v_counts_1m WHERE {today} GROUP BY staff_id"),
        ),
        ask(
            "sums of today by channel, ms",
            "",
            format!("SELECT channel, {sums} FROM v_counts_1d_channel WHERE {today} GROUP BY channel"),
        ),
        ask(
            "rejected: the same from days of all dimensions, ms",
            "",
            format!("SELECT channel, {sums} FROM v_counts_1d WHERE {today} GROUP BY channel"),
        ),
        ask(
            "one person's day by channel, ms",
            "p95 ≤ 50",
            format!("SELECT channel, {sums} FROM v_counts_1d WHERE {today} AND staff_id = 's77' GROUP BY channel"),
        ),
        ask(
            "one person's day, ms",
            "p95 ≤ 50",
            format!("SELECT * FROM v_counts_1d_staff WHERE {today} AND staff_id = 's77'"),
        ),
        ask(
            "rejected: the same from minutes, ms",
            "",
            format!("SELECT {sums} FROM v_counts_1m WHERE {today} AND staff_id = 's77'"),
        ),
        ask(
            "a month by store, ms",
            "p95 ≤ 500",
            format!(
                "SELECT business_date, store_id, {sums} FROM v_counts_1d_staff WHERE {month} GROUP BY business_date, store_id"
            ),
        ),
        ask(
            "rejected: the same from days of all dimensions, ms",
            "",
            format!(
                "SELECT business_date, store_id, {sums} FROM v_counts_1d WHERE {month} GROUP BY business_date, store_id"
            ),
        ),
        ask(
            "a year by region and channel, ms",
            "p95 ≤ 1000",
            format!(
                "SELECT toStartOfMonth(business_date) AS m, region_id, channel, {sums} FROM v_counts_1d_channel WHERE {year} GROUP BY m, region_id, channel"
            ),
        ),
        ask(
            "rejected: a month of the same from days of all dimensions, ms",
            "",
            format!("SELECT region_id, channel, {sums} FROM v_counts_1d WHERE {month} GROUP BY region_id, channel"),
        ),
    ]
}

/// Bytes on disk and rows of the day, by table.
fn stored(warehouse: &Warehouse, size: &Size, table: &mut Table) {
    let tables = [
        ("facts", size.facts),
        ("customer_events", size.facts),
        ("counts_1m_registers", size.minutes),
        ("counts_1d_registers", size.minutes),
        ("counts_1d_board_registers", size.minutes),
    ];
    let (mut sum, mut texts) = (0.0, Vec::new());
    for (name, events) in tables {
        let of = format!(
            "FROM system.parts WHERE active AND database = 'yinliu' AND table = '{name}' AND (max_date = '{TODAY}' OR partition LIKE '%{TODAY}%' OR table IN ('facts', 'customer_events'))"
        );
        let (bytes, rows) = (
            warehouse.number(&format!("SELECT sum(bytes_on_disk) {of}")),
            warehouse.number(&format!("SELECT sum(rows) {of}")),
        );
        let [bytes, events] = [bytes, events].map(|number| measure::count(usize::try_from(number).unwrap_or(0)));
        sum += bytes / events;
        texts.push(format!("{name} {:.1} ({rows} rows)", bytes / events));
    }
    table.row("stored bytes an event of today, by table", "stated", format!("{sum:.0}: {}", texts.join(", ")));
}

/// All facts for the first time, and those of ten flushes after that.
fn refreshed(warehouse: &Warehouse, size: &Size, table: &mut Table) {
    let millions = measure::count(usize::try_from(size.facts).unwrap_or(0)) / 1e6;
    for what in ["first refresh", "next refresh, after ten flushes"] {
        let _ = fs::write(format!("/proc/{}/clear_refs", warehouse.pid()), "5");
        let arguments = words(&["refresh", "--set", &format!("clickhouse.url={}", warehouse.url), "--log", "warn"]);
        let began = Instant::now();
        assert!(Program::start(&arguments, Stdio::null(), Stdio::inherit()).wait().success(), "refresh fails");
        let (seconds, peak) = (began.elapsed().as_secs_f64(), measure::peak_memory(warehouse.pid()));
        let figure = format!("{what}, of {millions} million facts, s");
        table.row(
            &figure,
            "30 s and 2 GiB at 100 million",
            format!("{seconds:.1}, peak memory of the engine {peak:.0} MB"),
        );
        (0..10).for_each(|number| fill::flush(warehouse, size, 1_000_000 + number));
    }
}
