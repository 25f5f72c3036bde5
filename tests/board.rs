//! Every answer of the board from a hand-made month in a real engine: what is counted, what is usual, who may see what.
//!
//! Invariant: asked over HTTP, as pages and programs do.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use yinliu::board::{
    self, Board,
    access::{
        Secret,
        grant::{Grant, Role},
        token,
    },
    days,
    reader::{Parts, Reader as _},
    view::{Level, Scope},
    warehouse::Warehouse,
};
use yinliu::event::Counter;

use self::month::{ALWAYS_LATE, FIRST_DAY, OVERTAKEN, TIED, month, now_ms};
use crate::support::{board::FIGURES, poll, stage::SOON};

mod month;
mod nginx;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A board over the month; with a key nobody sees anything without a link.
async fn served(config: board::Config) -> Served {
    let month = month().await;
    month.complete_through(now_ms()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let page = Board::new(config, month.client, month.corps, now_ms);
    tokio::spawn(board::serve(listener, page, shutdown.clone()));
    Served { address, shutdown }
}

impl Served {
    /// Status and body, once there are figures.
    async fn get(&self, path: &str, header: &str) -> (u16, String) {
        let mut answer = self.try_get(path, header).await;
        poll::until(path, SOON, async || {
            if answer.0 == 503 {
                answer = self.try_get(path, header).await;
            }
            if answer.0 == 503 { Err(answer.1.clone()) } else { Ok(()) }
        })
        .await;
        answer
    }

    async fn try_get(&self, path: &str, header: &str) -> (u16, String) {
        let answer = self.ask(path, header).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The lines before the body.
    async fn head(&self, path: &str, header: &str) -> String {
        self.ask(path, header).await.split_once("\r\n\r\n").unwrap().0.to_owned()
    }

    async fn ask(&self, path: &str, header: &str) -> String {
        let (address, request) = (self.address, format!("GET {path} HTTP/1.0\r\nHost: board\r\n{header}\r\n"));
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        });
        answer.await.unwrap()
    }

    /// Waits until an answer shows this: what costs more than counts is read a moment after the first viewer came.
    async fn shows(&self, path: &str, pick: impl Fn(&Value) -> Value, expected: Value) {
        poll::until(path, SOON, async || {
            let (status, body) = self.get(&format!("/api/v1/{path}"), "").await;
            let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
            let found = pick(&answer["data"]);
            if status == 200 && found == expected { Ok(()) } else { Err(format!("{status}: {found} of {body}")) }
        })
        .await;
    }
}

/// The fields of an object.
fn fields(value: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| value[*name].clone()).collect()
}

/// The fields of each object of a list.
fn each(list: &Value, names: &[&str]) -> Value {
    list.as_array().into_iter().flatten().map(|item| fields(item, names)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cohorts_pace_and_forecast_are_those_of_the_month() {
    let served = served(board::Config::default()).await;
    let names = ["adds", "not_new_adds", "lost_adds", "qualified_adds", "opened", "qualified_final"];
    served.shows("summary?corp=c", |data| fields(data, &names), json!([5, 1, 3, 1, 1, false])).await;
    let names = ["target", "usual_numerator", "usual_denominator"];
    served.shows("summary?corp=c", |data| fields(&data["target"], &names), json!([20, 36, 60])).await;
    let forecast = json!({"adds": 8, "low": 8, "high": 8, "basis_days": 3});
    served.shows("summary?corp=c", |data| data["forecast"].clone(), forecast).await;
    let rows = json!([["store-s1", 1, ["silent", "pass_rate"]], ["store-s2", 0, ["zero"]]]);
    let names = ["id", "qualified_adds", "flags"];
    let by_qualified = "leaderboard?corp=c&level=store&metric=qualified_adds";
    served.shows(by_qualified, |data| each(&data["rows"], &names), rows).await;
    let zero = "leaderboard?corp=c&level=store&filter=zero";
    served.shows(zero, |data| json!([data["total"], data["rows"][0]["id"]]), json!([1, "store-s2"])).await;
    served.shows("channels?corp=c", |data| data["rows"][0]["qualified_adds"].clone(), json!(1)).await;
    let retained = |day: &str| format!("channels?corp=c&day={day}");
    let pick = |data: &Value| fields(&data["rows"][0], &["adds", "retained_24h"]);
    let (today, yesterday) = (month::day(0), month::day(1));
    served.shows(&retained(&today), pick, json!([5, null])).await;
    served.shows(&retained(&yesterday), pick, json!([54, {"numerator": 53, "denominator": 53}])).await;
    let names = ["state", "usual_gap_seconds"];
    served.shows("channels?corp=c", |data| each(&data["silent"], &names), json!([["qr-1", 300]])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_over_is_divided_by_who_was_at_work_at_its_end() {
    let served = served(board::Config::default()).await;
    for (day, of_the_second) in [(0, 1), (1, 2)] {
        let path = format!("leaderboard?corp=c&level=store&order=per_head&day={}", month::day(day));
        let heads = |data: &Value| {
            let mut rows: Vec<_> = each(&data["rows"], &["id", "staff_active"]).as_array().cloned().unwrap_or_default();
            rows.sort_by_key(Value::to_string);
            Value::Array(rows)
        };
        served.shows(&path, heads, json!([["store-s1", 1], ["store-s2", of_the_second]])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_equals_within_one_minute_the_first_to_reach_the_score_stands_first() {
    let served = served(board::Config::default()).await;
    let names = ["id", "rank", "tied"];
    for (level, ids) in [("store", ["store-s2", "store-s1"]), ("staff", ["s2", "s1"])] {
        let path = format!("leaderboard?corp={TIED}&level={level}");
        let rows = json!([[ids[0], 1, true], [ids[1], 1, true]]);
        served.shows(&path, |data| each(&data["rows"], &names), rows).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_overtakes_within_the_hour_says_where_it_was() {
    let served = served(board::Config::default()).await;
    let path = format!("leaderboard?corp={OVERTAKEN}&level=store");
    let rows = json!([["store-s2", 4, 1, 2], ["store-s1", 3, 2, 1]]);
    served.shows(&path, |data| each(&data["rows"], &["id", "adds", "rank", "rank_before"]), rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_takes_the_running_minute_by_its_share() {
    let month = month().await;
    let zone = month.corps.get("c").time_zone.clone();
    // Half past nine of yesterday had 50 adds; of their minute a quarter has passed.
    let now = month::today().at(0, 9, 30) + 15_000;
    let instants = days::instants(days::day_of(now, &zone).unwrap(), now, &zone).unwrap();
    let (corp, day) = ("c".to_owned(), instants.now.day);
    let parts = Parts { corp, day, scope: Level::Corp, ids: None, level: Level::Store };
    let earlier = Warehouse::new(month.client).earlier(&parts, &instants).await.unwrap();
    let earlier = earlier.get("");
    let (before, channel) = (&instants.baselines[0], &earlier.baselines[0]["cashier"]);
    assert_eq!(earlier.children["store-s1"].baseline_adds, [0, 50, 0]);
    assert_eq!(channel.whole.until(&channel.running, before).get(Counter::Adds), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trend_holds_every_add_of_both_days() {
    let served = served(board::Config::default()).await;
    let pick = |trend: &Value| {
        let sum = |name: &str| trend[name].as_array().into_iter().flatten().filter_map(Value::as_u64).sum::<u64>();
        let complete = (72..=90).contains(&trend["complete_steps"].as_u64().unwrap_or(0));
        json!([sum("adds"), sum("late_adds"), sum("baseline_adds"), trend["adds"][60], complete])
    };
    served.shows("trend?corp=c&step_seconds=600", pick, json!([5, 0, 54, 5, true])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_compared_with_days_that_were_not_counted_whole() {
    let served = served(board::Config::default()).await;
    let shows = |data: &Value| json!([each(&data["baselines"], &["adds"]), data["uncounted"].as_array().map(Vec::len)]);
    for (corp, expected) in [
        ("c", json!([[[53], [12]], 0])),
        // What came late tells nothing of a day on which nobody counted.
        (FIRST_DAY, json!([[], 2])),
        // Where all comes late, the first day with any is the first.
        (ALWAYS_LATE, json!([[[1]], 1])),
    ] {
        served.shows(&format!("summary?corp={corp}"), shows, expected).await;
    }
    let trend = |data: &Value| json!(data["baseline_adds"].as_array().map(Vec::is_empty));
    served.shows(&format!("trend?corp={FIRST_DAY}"), trend, json!(true)).await;
    served.shows("trend?corp=c", trend, json!(false)).await;
    let (_, page) = served.get(&format!("/?corp={FIRST_DAY}&lang=en"), "").await;
    assert_eq!(page.matches("not fully counted").count(), 2, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_somebody_is_told_with_what_is_usual() {
    let served = served(board::Config::default()).await;
    let names = ["kind", "name", "usual", "numerator", "denominator", "usual_numerator", "usual_denominator"];
    let expected = json!([
        ["silent", "qr-1", 300, null, null, null, null],
        ["pass_rate", "一店", null, 0, 20, 50, 100],
        ["zero", "二店", 6, null, null, null, null],
    ]);
    served.shows("attention?corp=c&level=store", |data| each(data, &names), expected).await;
    poll::until("the broadcast is not judged", SOON, async || {
        let (_, body) = served.get("/api/v1/attention?corp=c&level=store", "").await;
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        let expected = json!([{"kind": "loss", "basis": "broadcasts_of_30_days", "known": 0, "needed": 3}]);
        if answer["not_judged"] == expected { Ok(()) } else { Err(body) }
    })
    .await;
    let names = ["task_id", "audience", "deleted_24h", "provisional"];
    served.shows("losses?corp=c", |data| each(&data["broadcasts"], &names), json!([["task", 10, 1, true]])).await;
    let names = ["deletes_by_customer", "deletes_by_staff"];
    served.shows("losses?corp=c", |data| fields(data, &names), json!([2, 1])).await;
    let sides = |data: &Value| {
        data.as_array().into_iter().flatten().map(|contest| each(&contest["sides"], &["name", "value"])).collect()
    };
    served.shows("contests?corp=c", sides, json!([[["一店", 5], ["二店", 0]], [["甲", 5], ["乙", 0]]])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_are_those_of_the_scope_with_what_stood_before() {
    let served = served(board::Config::default()).await;
    let pick = |data: &Value| -> Value {
        let item = |item: &Value| json!([item["reason"], item["before"], item["after"], item["from"].is_string()]);
        data.as_array().into_iter().flatten().map(item).collect()
    };
    let (replay, late) = (json!(["replay", 4, 3, false]), json!(["late", 0, 2, true]));
    let channel = json!(["channel", 7, 7, false]);
    served.shows("corrections?corp=c", pick, json!([replay, channel, late])).await;
    served.shows("corrections?corp=c&scope=store:store-s1", pick, json!([channel, late])).await;
    served.shows("corrections?corp=c&scope=store:store-s2", pick, json!([replay])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_adds_say_what_became_of_them() {
    let served = served(board::Config::default()).await;
    let pick = |data: &Value| -> Value {
        let add = |add: &Value| json!([add["status"], add["channel"], add["final_at"].is_string()]);
        data.as_array().into_iter().flatten().map(add).collect()
    };
    let expected = json!([
        ["not_new", "cashier", false],
        ["left", "cashier", false],
        ["purged", "cashier", false],
        ["pending", "cashier", true],
        ["left", "cashier", false],
    ]);
    served.shows("me/adds?corp=c&scope=staff:s1", pick, expected).await;
    let receipts = |data: &Value| -> Value {
        let receipts = data.as_array().into_iter().flatten().filter_map(|add| add["receipt"].as_str());
        let all: std::collections::BTreeSet<_> = receipts.collect();
        json!([all.len(), all.iter().all(|receipt| receipt.starts_with("yinliu.friend.v1/"))])
    };
    served.shows("me/adds?corp=c&scope=staff:s1", receipts, json!([5, true])).await;
    let (_, page) = served.get("/me?corp=c&scope=staff:s1&lang=en", "").await;
    assert!(page.contains("not new to the company, not counted"), "{page}");
}

/// Every path that answers with figures, for the scope of the viewer or another.
fn paths(query: &str) -> Vec<String> {
    let parts = FIGURES.iter().chain(&["definitions"]);
    let mut paths: Vec<_> = parts.map(|part| format!("/api/v1/{part}?{query}")).collect();
    paths.push(format!("/api/v1/search?q=s&{query}"));
    paths.extend(["/", "/me", "/wall"].map(|page| format!("{page}?{query}")));
    paths.extend(["rank", "channels"].map(|view| format!("/?view={view}&{query}")));
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn no_customer_leaves_the_server() {
    let served = served(board::Config::default()).await;
    let mut all = paths("corp=c");
    // Of one person there is no wall.
    all.extend(paths("corp=c&scope=staff:s1").into_iter().filter(|path| !path.starts_with("/wall")));
    all.extend(["json", "csv"].map(|format| format!("/api/v1/me/adds?corp=c&scope=staff:s1&format={format}")));
    all.extend(paths("corp=c&format=csv"));
    for path in all {
        let (status, body) = served.get(&path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body.contains("secret"), "{path}: {body}");
    }
}

fn guarded() -> board::Config {
    let mut config = board::Config::default();
    config.access.keys.insert("k1".to_owned(), Secret::new(SECRET));
    config
}

fn link(scope: &str, role: Role) -> String {
    let grant = Grant::new(Some("c".to_owned()), Scope::read(scope).unwrap(), role).unwrap();
    let grant = Grant { expires_at: Some(now_ms() / 1000 + 600), ..grant };
    let token = token::sign(&grant, ("k1", &Secret::new(SECRET)), now_ms() / 1000 - 10);
    format!("Cookie: yinliu_board={token}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_manager_finds_nothing_of_another_store_in_any_answer() {
    let served = served(guarded()).await;
    let manager = link("store:store-s1", Role::Manager);
    for path in paths("") {
        let (status, body) = served.get(&path, &manager).await;
        assert_eq!(status, 200, "{path}: {body}");
        // The total of a sibling is theirs to see, in a contest as in the ranks; whoever works there is not.
        assert!(path.contains("contests") || path.contains("wall") || !body.contains("二店"), "{path}: {body}");
        assert!(!body.contains("乙"), "{path}: {body}");
    }
    for path in paths("scope=store:store-s2") {
        let (status, body) = served.get(&path, &manager).await;
        assert_eq!(status, 403, "{path}: {body}");
        assert!(!body.contains("二店") && !body.contains("乙"), "{path}: {body}");
    }
    let other = served.get("/api/v1/me/adds?scope=staff:s2", &manager).await;
    assert_eq!(other.0, 403, "{}", other.1);
    assert_eq!(served.get("/api/v1/me/adds?scope=staff:s1", &manager).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_their_own_adds_and_a_wall_nobodys() {
    let served = served(guarded()).await;
    let staff = link("staff:s1", Role::Staff);
    let (status, own) = served.get("/api/v1/me/adds", &staff).await;
    assert!(status == 200 && own.contains("not_new"), "{own}");
    assert_eq!(served.get("/api/v1/me/adds?scope=staff:s2", &staff).await.0, 403);
    let (_, found) = served.get("/api/v1/search?q=s", &staff).await;
    assert!(found.contains("甲") && !found.contains("乙") && !found.contains("二店"), "{found}");
    let wall = link("region:r", Role::Wall);
    assert_eq!(served.get("/api/v1/me/adds?scope=staff:s1", &wall).await.0, 403);
    for path in paths("") {
        let (status, body) = served.get(&path, &wall).await;
        assert!(status == 200 && !body.contains("甲") && !body.contains("乙"), "{path}: {status} {body}");
    }
}
