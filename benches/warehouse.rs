//! What analysts and boards ask of the warehouse, beside the plans that were rejected, while flushes and merges run.
//!
//! Invariant: each question is asked through a view, as anyone may ask it, and its rejected plan in the same run.

mod designs;
pub(crate) mod fill;

use std::{
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

/// As it is shipped.
const REFRESH_EVERY: Duration = Duration::from_mins(1);

/// How often a question is asked: for a p95, and, of a plan that was rejected, for a median.
const TIMES: usize = 50;
const REJECTED_TIMES: usize = 5;

/// A rejected plan that takes longer is asked no second time.
const LONG: Duration = Duration::from_secs(5);

pub(crate) fn run(scale: Scale, table: &mut Table) {
    let (size, times, warm_up) = match scale {
        Scale::Full => {
            let size = Size {
                staff: 10_000,
                minutes: 20_000_000,
                facts: 5_000_000,
                fact_days: 1,
                days: 365,
                days_of_all: 30,
                // Each second, four times what makes the rows of the day so far.
                flush: 1_000,
            };
            (size, [TIMES, REJECTED_TIMES], WARM_UP)
        }
        Scale::Quick => {
            let size =
                Size { staff: 200, minutes: 20_000, facts: 10_000, fact_days: 1, days: 20, days_of_all: 3, flush: 50 };
            (size, [1, 1], 1)
        }
    };
    let warehouse = Warehouse::start();
    fill::fill(&warehouse, &size);
    warehouse.execute(include_str!("warehouse/leaderboard_before.sql"));
    refresh(&warehouse);
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
        // As the process does by itself.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                refresh(&warehouse);
                let next = Instant::now() + REFRESH_EVERY;
                while !done.load(Ordering::Relaxed) && Instant::now() < next {
                    thread::sleep(Duration::from_millis(100));
                }
            }
        });
        while flushed.load(Ordering::Relaxed) < warm_up {
            thread::sleep(Duration::from_millis(100));
        }
        for question in of_today().iter().chain(&of_days()) {
            question.ask(&warehouse, times, table);
        }
        done.store(true, Ordering::Relaxed);
    });
    table.row("parts in the fullest partition, at the most", "< 100", parts.load(Ordering::Relaxed).to_string());
    table.row("flushes meanwhile, a second apart at best", "stated", flushed.load(Ordering::Relaxed).to_string());
    stored(&warehouse, &size, table);
    designs::tried(&warehouse, &size, times[1], table);
}

/// One run of the program's own command.
pub(crate) fn refresh(warehouse: &Warehouse) {
    let arguments = words(&["refresh", "--set", &format!("clickhouse.url={}", warehouse.url), "--log", "warn"]);
    assert!(Program::start(&arguments, Stdio::null(), Stdio::inherit()).wait().success(), "refresh fails");
}

/// The same question of one view after another: the first is the plan, the others were rejected.
struct Question {
    figure: &'static str,
    target: &'static str,
    views: &'static [&'static str],
    /// With `{view}` in the place of its name.
    sql: String,
}

impl Question {
    fn ask(&self, warehouse: &Warehouse, [times, rejected_times]: [usize; 2], table: &mut Table) {
        let mut chosen = None;
        for view in self.views {
            let times = if chosen.is_none() { times } else { rejected_times };
            let sql = format!("{} FORMAT Null", self.sql.replace("{view}", view));
            let mut answers = Runs::default();
            for _ in 0..times {
                let began = Instant::now();
                warehouse.execute(&sql);
                answers.push(began.elapsed().as_secs_f64() * 1e3);
                if chosen.is_some() && began.elapsed() > LONG {
                    break;
                }
            }
            let median = answers.median();
            let Some(plan) = chosen else {
                chosen = Some(median);
                let text = format!("p50 {median:.0}, p95 {:.0}", answers.quantile(0.95));
                table.row(&format!("{}: `{view}`, ms", self.figure), self.target, text);
                continue;
            };
            let text = format!("p50 {median:.0}: {:.1} times as long", median / plan);
            table.row(&format!("rejected: the same from `{view}`, ms"), "", text);
        }
    }
}

const SUMS: &str = "sum(adds), sum(deletes_by_customer), sum(deletes_by_staff), sum(messages_in)";

fn of_today() -> Vec<Question> {
    let today = format!("corp_id = 'c' AND business_date = '{TODAY}'");
    let board = |figure, level| Question {
        figure,
        target: "p95 ≤ 100",
        views: &["v_leaderboard_1d", "leaderboard_before"],
        sql: format!("SELECT * FROM {{view}} WHERE {today} AND level = '{level}' ORDER BY place LIMIT 100"),
    };
    vec![
        board("leaderboard of today, staff", "staff"),
        board("leaderboard of today, stores", "store"),
        board("leaderboard of today, regions", "region"),
        Question {
            figure: "sums of today by staff",
            target: "",
            views: &["v_counts_1d_staff", "v_counts_1d", "v_counts_1m"],
            sql: format!("SELECT staff_id, {SUMS} FROM {{view}} WHERE {today} GROUP BY staff_id"),
        },
        Question {
            figure: "sums of today by channel",
            target: "",
            views: &["v_counts_1d_channel", "v_counts_1d", "v_counts_1m"],
            sql: format!("SELECT channel, {SUMS} FROM {{view}} WHERE {today} GROUP BY channel"),
        },
        Question {
            figure: "one person's day",
            target: "p95 ≤ 50",
            views: &["v_counts_1d_staff", "v_counts_1d", "v_counts_1m"],
            sql: format!("SELECT {SUMS} FROM {{view}} WHERE {today} AND staff_id = 's77'"),
        },
        Question {
            figure: "one person's day by channel",
            target: "p95 ≤ 50",
            views: &["v_counts_1d_chunks", "v_counts_1d", "v_counts_1m"],
            sql: format!("SELECT channel, {SUMS} FROM {{view}} WHERE {today} AND staff_id = 's77' GROUP BY channel"),
        },
    ]
}

fn of_days() -> Vec<Question> {
    let of =
        |days| format!("corp_id = 'c' AND business_date > toDate('{TODAY}') - {days} AND business_date <= '{TODAY}'");
    let (month, year) = (of(30), of(365));
    let by_region = |days: &str| {
        format!(
            "SELECT toStartOfMonth(business_date) AS month, region_id, channel, {SUMS} FROM {{view}} WHERE {days} \
             GROUP BY month, region_id, channel"
        )
    };
    vec![
        Question {
            figure: "a month by store",
            target: "p95 ≤ 500",
            views: &["v_counts_1d_staff", "v_counts_1d"],
            sql: format!(
                "SELECT business_date, store_id, {SUMS} FROM {{view}} WHERE {month} GROUP BY business_date, store_id"
            ),
        },
        Question {
            figure: "a month by region and channel",
            target: "",
            views: &["v_counts_1d_channel", "v_counts_1d"],
            sql: by_region(&month),
        },
        Question {
            figure: "a year by region and channel",
            target: "p95 ≤ 1000",
            views: &["v_counts_1d_channel"],
            sql: by_region(&year),
        },
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
            "FROM system.parts WHERE active AND database = 'yinliu' AND table = '{name}' \
             AND (partition LIKE '%{TODAY}%' OR table IN ('facts', 'customer_events'))"
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
