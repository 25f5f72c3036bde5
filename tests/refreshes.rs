//! What a refresh takes in: what came, what was corrected, and nothing else.
//!
//! Invariant: what had been refreshed before is as old as after a night, so that nothing is taken in by chance.

use std::sync::LazyLock;

use clickhouse::Client;
use serde_json::json;
use yinliu::{reconcile, refresh};

use crate::support::{
    counting::{CHUNK, Counting},
    engine::Engine,
    kafka,
    load::Load,
    poll,
    proxy::{Mode, Proxy},
    refreshed::{Happening, Kind, Refreshed, instant},
    stage::{SOON, Stage},
    yinliu::Yinliu,
};

/// 2025-03-10 10:00 in Asia/Shanghai.
const NOW_MS: i64 = 1_741_572_000_000;

const FRIEND: &str = "yinliu.friend.v1";

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    client.query_raw(sql).fetch_all().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Everything that is there was written an hour before, runs too.
pub(crate) async fn age(client: &Client) {
    let older = "SETTINGS mutations_sync = 2";
    for table in ["facts", "episode_rows", "request_rows"] {
        let sql = format!("ALTER TABLE {table} UPDATE ingested_at = ingested_at - INTERVAL 1 HOUR WHERE true {older}");
        client.query_raw(&sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// An event of each number by one of three members of staff, a second apart.
fn sent(ids: std::ops::Range<usize>, event: impl Fn(usize) -> String) -> Vec<(i64, String)> {
    let of = |id: usize| {
        let at = NOW_MS + i64::try_from(id).unwrap() * 1_000;
        let text = format!(
            r#"{{"event_id":"e{id}","corp_id":"c","occurred_at":{at},"staff_id":"s{}",{}}}"#,
            id % 3,
            event(id)
        );
        (at + 500, text)
    };
    ids.map(of).collect()
}

fn add(id: usize) -> String {
    format!(r#""type":"friend.added","customer_id":"x{id}","channel":"app""#)
}

fn broadcast(id: usize) -> String {
    format!(r#""type":"broadcast.sent","task_id":"t{id}","audience":7"#)
}

async fn counting(database: &str) -> Counting {
    static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);
    Counting::new(ENGINE.url(), database).await
}

async fn refresh(counting: &Counting) {
    refresh::run(&refresh::Settings::default(), &counting.config).await.unwrap();
}

async fn reconcile(counting: &Counting, directory: bool) -> reconcile::Report {
    let [from, to] = ["2025-03-10", "2025-03-11"].map(|day| day.parse().unwrap());
    let settings = reconcile::Settings { from, to, directory, dry_run: false };
    reconcile::run(&settings, &counting.config, NOW_MS).await.unwrap()
}

/// Adds by store and member of staff in a view.
async fn adds(counting: &Counting, view: &str) -> Vec<String> {
    let sql = format!(
        "SELECT concat(store_id, ' ', staff_id, ' ', toString(sum(v.adds))) AS line FROM {view} AS v \
         WHERE adds > 0 GROUP BY store_id, staff_id ORDER BY line"
    );
    counting.texts(&sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_reconcile_marks_leave_the_cohorts_the_episodes_and_the_broadcasts() {
    let mut counting = counting("marked").await;
    let first = [sent(0..CHUNK - 4, add), sent(CHUNK - 4..CHUNK, broadcast)].concat();
    counting.count(FRIEND, 0, &first).await;
    counting.restart();
    let later: Vec<_> = first.iter().map(|(at, text)| (at + 60_000, text.clone())).collect();
    counting.count("yinliu.order.v1", 0, &later).await;
    refresh(&counting).await;
    let audience = "SELECT toString(sum(v.audience)) FROM v_broadcasts AS v";
    assert_eq!(counting.texts(audience).await, ["56"], "each counts twice so far");
    age(&counting.client).await;
    let report = reconcile(&counting, false).await;
    assert_eq!(report.duplicates, u64::try_from(CHUNK).unwrap());
    refresh(&counting).await;
    let expected = adds(&counting, "v_counts_1d").await;
    assert_eq!(expected, [" s0 10", " s1 9", " s2 9"]);
    assert_eq!(adds(&counting, "v_cohorts_1d").await, expected);
    let episodes = "SELECT toString(count()) FROM v_episodes";
    assert_eq!(counting.texts(episodes).await, ["28"]);
    assert_eq!(counting.texts(audience).await, ["28"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_reconcile_places_are_members_of_their_store() {
    let mut counting = counting("placed").await;
    counting.count(FRIEND, 0, &[sent(0..CHUNK - 4, add), sent(CHUNK - 4..CHUNK, broadcast)].concat()).await;
    refresh(&counting).await;
    age(&counting.client).await;
    counting.employ("s1", "m1", "r1", NOW_MS).await;
    let report = reconcile(&counting, true).await;
    assert_eq!(report.placed, 11, "nine adds and two broadcasts");
    refresh(&counting).await;
    let expected = adds(&counting, "v_counts_1d").await;
    assert_eq!(expected, [" s0 10", " s2 9", "m1 s1 9"]);
    assert_eq!(adds(&counting, "v_cohorts_1d").await, expected);
    let stores =
        "SELECT concat(store_id, ' ', toString(count())) AS line FROM v_broadcasts GROUP BY store_id ORDER BY line";
    assert_eq!(counting.texts(stores).await, [" 2", "m1 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_computes_the_customers_and_the_days_that_facts_came_in_for_and_no_others() {
    let mut refreshed = Refreshed::new("touched", &["c"]).await;
    let event = |time: &str, kind, staff: &str, customer: &str| {
        Happening::new(instant(time, "Asia/Shanghai"), kind, staff, customer)
    };
    let mut events = Vec::new();
    for day in ["2025-03-12", "2025-03-13", "2025-03-14"] {
        for number in 0..20 {
            let (time, staff) = (format!("{day}T10:00:{number:02}"), format!("s{}", number % 3));
            events.push(event(&time, Kind::Add, &staff, &format!("{day}-x{number}")));
            events.push(event(&time, Kind::Request, &staff, &format!("{day}-x{number}")));
        }
    }
    refreshed.count(&events).await;
    // No member of these days comes of age about this time.
    refreshed.complete_through(instant("2025-03-25T18:00:00", "Asia/Shanghai")).await;
    let all = refreshed.refresh().await;
    assert_eq!((all.customers, all.days), (60, 3));
    age(&refreshed.client).await;
    let rested = refreshed.refresh().await;
    assert_eq!((rested.customers, rested.days), (0, 0), "nothing came in");

    let late = event("2025-03-13T12:00:00", Kind::Customer, "s1", "2025-03-13-x1");
    // A friend from long before says hello: nobody's cohort.
    let hello = event("2025-03-20T12:00:00", Kind::Inbound, "s2", "2025-03-12-x2");
    refreshed.count(&[late, hello]).await;
    let touched = refreshed.refresh().await;
    assert_eq!((touched.customers, touched.days), (1, 1));
    let lost = "SELECT toString(business_date) FROM v_cohorts_1d WHERE lost_24h > 0";
    assert_eq!(texts(&refreshed.client, lost).await, ["2025-03-13"]);
    let written = "SELECT concat(toString(business_date), ' ', customer_id, ' ', lost_by) FROM episode_rows \
                   WHERE ingested_at > now64(3) - INTERVAL 30 MINUTE";
    assert_eq!(texts(&refreshed.client, written).await, ["2025-03-13 2025-03-13-x1 customer"]);
}

/// Each statement may be repeated: where answers are lost and the server is away, a run ends as one that met no fault.
#[tokio::test(flavor = "multi_thread")]
async fn run_goes_on_where_clickhouse_failed_and_writes_the_same() {
    let event = |time: &str, kind, staff: &str, customer: &str| {
        Happening::new(instant(&format!("2025-03-10T{time}"), "Asia/Shanghai"), kind, staff, customer)
    };
    let events = [
        event("09:00:00", Kind::Request, "s1", "x1"),
        event("10:00:00", Kind::Add, "s1", "x1"),
        event("10:01:00", Kind::Inbound, "s1", "x1"),
        event("10:02:00", Kind::Outbound, "s1", "x1"),
        event("11:00:00", Kind::Add, "s2", "x1"),
        event("12:00:00", Kind::Customer, "s1", "x1"),
        event("13:00:00", Kind::Order, "s2", "x1"),
    ];
    let mut told = Vec::new();
    for faulty in [false, true] {
        let mut refreshed = Refreshed::new(if faulty { "shaken" } else { "steady" }, &["c"]).await;
        refreshed.count(&events).await;
        refreshed.complete_through(instant("2025-03-12T00:00:00", "Asia/Shanghai")).await;
        let proxy = Proxy::start(&refreshed.config.clickhouse.url, 1);
        refreshed.config.clickhouse.url = proxy.url();
        let faults = async {
            if !faulty {
                return;
            }
            let struck = async |count: u64| {
                let seen =
                    async || Some(proxy.struck()).filter(|seen| *seen >= count).ok_or(proxy.struck().to_string());
                poll::until("faults that were met", SOON, seen).await;
            };
            proxy.set(Mode::Hold("INSERT INTO episode_rows"));
            struck(1).await;
            proxy.set(Mode::Refuse);
            struck(4).await;
            proxy.set(Mode::Unacknowledged);
        };
        let (report, ()) = tokio::join!(refreshed.refresh(), faults);
        assert!(!faulty || proxy.struck() > 4, "answers were lost");
        let runs = texts(&refreshed.client, "SELECT toString(uniqExact(run)) FROM refresh_runs").await;
        told.push((
            report,
            runs,
            refreshed.episodes("c").await,
            refreshed.figures("c").await,
            refreshed.told("c").await,
        ));
    }
    assert_eq!(told[1], told[0]);
    assert_eq!((told[0].2.len(), told[0].1.as_slice()), (2, ["1".to_owned()].as_slice()));
}

/// Of several processes one refreshes; whoever looks while it does leaves it alone.
#[tokio::test]
async fn run_is_due_an_interval_after_the_last_one_began_whoever_did_it() {
    let counting = counting("turns").await;
    let due = async || refresh::is_due(&counting.config).await.unwrap();
    let moved = async |table: &str, column: &str, seconds: i64| {
        let clock = if column == "run" { "toUInt64(toUnixTimestamp64Micro(now64(6))) + 1000000 *" } else { "now() +" };
        counting.execute(&format!("INSERT INTO {table} ({column}) SELECT {clock} {seconds}")).await;
    };
    assert!(due().await, "there was none");
    refresh(&counting).await;
    assert!(!due().await, "one has just begun");
    for table in ["refresh_runs", "refresh_queue"] {
        counting.execute(&format!("TRUNCATE TABLE {table}")).await;
    }
    moved("refresh_runs", "run", -61).await;
    assert!(due().await, "the interval is a minute");
    moved("refresh_queue", "queued_at", -50).await;
    assert!(!due().await, "one goes on");
    counting.execute("TRUNCATE TABLE refresh_queue").await;
    moved("refresh_runs", "run", 100).await;
    assert!(due().await, "it cannot have begun later than now");
}

#[tokio::test]
async fn running_process_refreshes_what_it_counts() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "kept");
    stage.build(1).await;
    let mut load = Load::new(&stage, 19);
    let rows = load.send_reference().await;
    let mut config = stage.config();
    config["refresh"] = json!({ "interval": "1s" });
    let _yinliu = Yinliu::start(&config);
    stage.until_reference(rows).await;
    load.send(500).await;
    stage.until_in(SOON).await;
    let client = stage.client();
    let adds = "SELECT ifNull((SELECT sum(v.adds) FROM v_counts_1d AS v), 0) AS counted, \
                ifNull((SELECT sum(v.adds) FROM v_cohorts_1d AS v), 0) AS members";
    poll::until("members of the cohorts", SOON, async || match client.query(adds).fetch_one::<(u64, u64)>().await {
        Ok((counted @ 1.., members)) if counted == members => Ok(()),
        found => Err(format!("{found:?}")),
    })
    .await;
}
