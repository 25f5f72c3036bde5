//! What stays: figures of closed days beside what changed since, and every figure when facts are dropped or a customer is
//! forgotten.
//!
//! Invariant: asked as a data team asks, by name and without `FINAL`.

use yinliu::{board::days, forget, migrate, validate, verify};

use crate::{
    support::refreshed::{Happening, Kind, Refreshed, instant, zone},
    views::{contest, event, texts, told},
};

#[tokio::test(flavor = "multi_thread")]
async fn closed_day_stays_readable_as_it_was_paid_beside_what_came_later() {
    let events = [event("10:00:00", Kind::Add, "s1", "x1"), event("10:00:00", Kind::Add, "s1", "x2")];
    let mut refreshed = told("closed", &events, "2025-03-13T23:59:59").await;
    let closed = "SELECT concat(staff_id, ' ', toString(closed_adds), ' ', toString(closed_qualified_adds), ' ', \
                  toString(adjusted_adds), ' ', toString(adjusted_net_adds), ' ', toString(adjusted_qualified_adds)) \
                  FROM v_closed_1d WHERE corp_id = 'c' ORDER BY staff_id";
    assert_eq!(texts(&refreshed, closed).await, Vec::<String>::new(), "it still settles");
    refreshed.complete_through(instant("2025-03-14T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    assert_eq!(texts(&refreshed, closed).await, ["s1 2 2 0 0 0"]);
    // Of a run that began before and was given up; it arrives now.
    for late in [
        "INSERT INTO closed_rows SELECT * REPLACE (1 AS run, 9 AS adds, 9 AS net_adds, 9 AS qualified_adds, map('adds', 9) AS figures) FROM closed_rows",
        "INSERT INTO closings (corp_id, business_date, run, complete_through) SELECT corp_id, business_date, 1, complete_through FROM closings",
    ] {
        refreshed.execute(late).await;
    }
    assert_eq!(texts(&refreshed, closed).await, ["s1 2 2 0 0 0"]);
    let holds =
        "SELECT concat(toString(business_date), if(run > 1, ' by the first', ' by the late one')) FROM v_closings";
    assert_eq!(texts(&refreshed, holds).await, ["2025-03-10 by the first"]);

    // The second one overtakes.
    let overtakes = ["x3", "x4", "x5"].map(|customer| event("12:00:00", Kind::Add, "s2", customer));
    refreshed.count(&overtakes).await;
    refreshed.count(&[event("11:00:00", Kind::Customer, "s1", "x1")]).await;
    refreshed.complete_through(instant("2025-03-16T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    refreshed.refresh().await;
    assert_eq!(texts(&refreshed, closed).await, ["s1 2 2 0 -1 -1", "s2 0 0 3 3 3"]);
    let figures = "SELECT concat(staff_id, ' ', figure, ' ', toString(closed), ' ', toString(adjusted)) AS line \
                   FROM v_closed_figures_1d WHERE corp_id = 'c' AND (adjusted != 0 OR figure = 'adds') ORDER BY line";
    let found = texts(&refreshed, figures).await;
    for line in ["s1 adds 2 0", "s1 deletes_by_customer 0 1", "s1 lost_24h 0 1", "s1 retained_24h 2 -1", "s2 adds 0 3"]
    {
        assert!(found.iter().any(|found| found == line), "{line}: {found:#?}");
    }
    let board = "SELECT concat(id, ' ', toString(adds), ' ', toString(is_closed), ' ', toString(adjusted_adds), ' ', \
                 toString(adjusted_qualified_adds), ' ', toString(rank), ' ', toString(closed_rank)) \
                 FROM v_leaderboard_1d WHERE corp_id = 'c' AND level = 'staff' ORDER BY id";
    assert_eq!(texts(&refreshed, board).await, ["s1 2 true 0 -1 2 1", "s2 3 true 3 3 1 2"]);
    // One more member, of whom no refresh knows yet: the day is closed for all of its places.
    refreshed.count(&[event("13:00:00", Kind::Add, "s3", "x6")]).await;
    let expected = ["s1 2 true 0 -1 2 1", "s2 3 true 3 3 1 2", "s3 1 true 1 0 3 2"];
    assert_eq!(texts(&refreshed, board).await, expected);
}

/// Who was first of two with as many adds is what the reward hung on.
#[tokio::test(flavor = "multi_thread")]
async fn closed_day_keeps_the_order_of_ties() {
    let events = [event("11:00:00", Kind::Add, "s1", "x1"), event("10:00:00", Kind::Add, "s2", "x2")];
    let mut refreshed = told("ties_closed", &events, "2025-03-14T00:00:00").await;
    let board = "SELECT concat(id, ' ', toString(place), ' ', toString(closed_rank), ' ', toString(closed_place), ' ', \
                 formatDateTime(closed_reached_at, '%H:%i', 'Asia/Shanghai')) \
                 FROM v_leaderboard_1d WHERE corp_id = 'c' AND level = 'staff' ORDER BY id";
    assert_eq!(texts(&refreshed, board).await, ["s1 2 1 2 11:00", "s2 1 1 1 10:00"]);
    // Both get one more, by which the other is first now.
    let late = [event("11:30:00", Kind::Add, "s1", "x3"), event("12:00:00", Kind::Add, "s2", "x4")];
    refreshed.count(&late).await;
    refreshed.refresh().await;
    assert_eq!(texts(&refreshed, board).await, ["s1 1 1 2 11:00", "s2 2 1 1 10:00"]);
}

/// The same of a contest, whose facts nobody may have to read again years later.
#[tokio::test(flavor = "multi_thread")]
async fn contest_stays_readable_as_it_was_won() {
    let add = |time: &str, staff: &str, customer: &str| event(time, Kind::Add, staff, customer);
    let mut refreshed = told("won", &[add("10:30:00", "s1", "x1")], "2025-03-13T10:59:59").await;
    contest(&refreshed).await;
    let sql = "SELECT concat(id, ' ', state, ' ', toString(value), ' ', toString(rank), ', closed ', toString(closed_value), ' ', \
               toString(closed_rank)) FROM v_contests WHERE corp_id = 'c' ORDER BY id";
    refreshed.refresh().await;
    let running = ["s1 ended 1 1, closed 0 0", "s2 ended 0 2, closed 0 0", "s3 ended 0 2, closed 0 0"];
    assert_eq!(texts(&refreshed, sql).await, running, "it still settles");
    // Three days after its end, by the instant everything is counted through; and what comes later changes no reward.
    refreshed.complete_through(instant("2025-03-13T11:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    refreshed.count(&[add("10:40:00", "s2", "x2"), add("10:50:00", "s2", "x3")]).await;
    refreshed.refresh().await;
    let closed = ["s1 closed 1 2, closed 1 1", "s2 closed 2 1, closed 0 2", "s3 closed 0 3, closed 0 2"];
    assert_eq!(texts(&refreshed, sql).await, closed);
    // A week after its end as it was closed.
    refreshed.complete_through(instant("2025-03-17T11:00:00", "Asia/Shanghai")).await;
    let kept = ["s1 closed 1 1, closed 1 1", "s2 closed 0 2, closed 0 2", "s3 closed 0 2, closed 0 2"];
    assert_eq!(texts(&refreshed, sql).await, kept);
}

/// At both edges of a day, of one of 24 hours and of one of 23, the view says what the board says.
#[tokio::test(flavor = "multi_thread")]
async fn business_day_is_open_until_its_end_settles_for_three_days_and_is_closed_then() {
    let mut refreshed = Refreshed::new("days", &["c", "ny"]).await;
    let corps = ["c", "ny"].map(|corp| (corp, zone(corp), instant("2025-03-10T00:00:00", zone(corp))));
    for (corp, _, end_ms) in corps {
        let add = Happening::new(end_ms - 1, Kind::Add, "s1", "x1");
        refreshed.count(&[Happening { corp: corp.to_owned(), ..add }]).await;
    }
    refreshed.refresh().await;
    let told = "SELECT concat(corp_id, ' ', toString(business_date), ' ', day_state, ' ', \
                toString(toUnixTimestamp64Milli(ends_at))) FROM v_days ORDER BY corp_id";
    let mut seen = std::collections::BTreeSet::new();
    for edge_ms in [0, 3 * 86_400_000] {
        for (_, _, end_ms) in corps {
            for through_ms in [end_ms + edge_ms - 1, end_ms + edge_ms] {
                refreshed.complete_through(through_ms).await;
                let expected = corps.map(|(corp, zone, end_ms)| {
                    let zone = jiff::tz::TimeZone::get(zone).unwrap();
                    let board = days::instants("2025-03-09".parse().unwrap(), through_ms, &zone).unwrap();
                    seen.insert((corp, board.state.name()));
                    format!("{corp} 2025-03-09 {} {end_ms}", board.state.name())
                });
                assert_eq!(texts(&refreshed, told).await, expected, "complete through {through_ms}");
            }
        }
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}

/// Rewards may be paid on any of them.
#[tokio::test(flavor = "multi_thread")]
async fn day_of_anything_is_closed_with_every_figure_that_it_has() {
    let order = Happening { amount: 700, ..event("2025-03-08T10:00:00", Kind::Order, "s1", "x1") };
    let events = [
        event("2025-03-09T10:00:00", Kind::Customer, "s1", "x1"),
        order,
        event("2025-03-07T10:00:00", Kind::Inbound, "s1", "x2"),
        event("2025-03-13T10:00:00", Kind::Add, "s1", "x3"),
    ];
    let mut refreshed = told("any", &events[..1], "2025-03-12T23:59:59").await;
    let closed = "SELECT concat(toString(business_date), ' ', figure, ' ', toString(closed), ' ', toString(adjusted)) AS line \
                  FROM v_closed_figures_1d ORDER BY line";
    assert_eq!(texts(&refreshed, closed).await, Vec::<String>::new(), "it still settles");
    // By time alone, without a cohort. Then days of which nothing was known when they were due: rewards of the one were paid
    // on nothing, however much of it has come when a run looks; records of the other are as old as they say, and loaded now.
    refreshed.complete_through(instant("2025-03-13T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    assert_eq!(texts(&refreshed, closed).await, ["2025-03-09 deletes_by_customer 1 0"]);
    refreshed.count_after(&events[2..3], 5 * 86_400_000).await;
    refreshed.count(&[events[1].clone(), events[3].clone()]).await;
    refreshed.complete_through(instant("2025-03-14T00:00:00", "Asia/Shanghai")).await;
    refreshed.refresh().await;
    let expected = [
        "2025-03-07 messages_in 0 1",
        "2025-03-08 gmv_fen 700 0",
        "2025-03-08 orders 1 0",
        "2025-03-09 deletes_by_customer 1 0",
    ];
    assert_eq!(texts(&refreshed, closed).await, expected);
    // None is left out: what the two views by day have beside their dimensions.
    let kept = "SELECT DISTINCT name FROM (SELECT if(table = 'v_cohorts_1d' AND name = 'requests_out', 'requests_of_customers', name) \
                AS name FROM system.columns WHERE database = currentDatabase() AND table IN ('v_counts_1d', 'v_cohorts_1d') \
                AND position > 6) ORDER BY name";
    let view =
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'v_figures_1d'";
    let view = texts(&refreshed, view).await.remove(0);
    let names = texts(&refreshed, kept).await;
    assert!(names.len() > 50, "{names:?}");
    for name in names {
        assert!(view.contains(&format!("('{name}', ")), "{name} is not kept: {view}");
    }
}

/// As deploy/README.md has it, for days before 2025-03-15; the tables that drop rows then, and after the schema was
/// looked at again.
async fn drop_old_facts(refreshed: &Refreshed) -> Vec<String> {
    let days = "SELECT toString(dateDiff('day', toDate('2025-03-15'), toDate(now('UTC'))))";
    let days = texts(refreshed, days).await.remove(0);
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/README.md")).unwrap();
    for statement in page.lines().filter(|line| line.contains("MODIFY TTL")) {
        let statement = statement.replace("yinliu.", "").replace("INTERVAL 400 DAY", &format!("INTERVAL {days} DAY"));
        refreshed.execute(statement.trim_end_matches(';')).await;
    }
    refreshed.execute("OPTIMIZE TABLE facts FINAL").await;
    migrate::run(&refreshed.config.clickhouse, &refreshed.config.chunk).await.unwrap();
    let dropping = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine_full LIKE '% TTL %' ORDER BY name";
    texts(refreshed, dropping).await
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_go_on_as_if_the_facts_that_were_dropped_were_there() {
    let mut events = vec![event("10:00:00", Kind::Add, "s1", "back"), event("10:30:00", Kind::Add, "s1", "faithful")];
    events.extend((0..9).map(|minute| event(&format!("11:0{minute}:00"), Kind::Inbound, "s1", "back")));
    events.push(event("12:00:00", Kind::Customer, "s1", "back"));
    events.push(event("2025-03-20T10:00:00", Kind::Add, "s2", "back"));
    let later = [
        event("2025-03-20T18:00:00", Kind::Customer, "s2", "back"),
        event("2025-03-20T19:00:00", Kind::Customer, "s1", "faithful"),
        event("2025-03-21T09:00:00", Kind::Add, "s2", "faithful"),
    ];
    let (through, then) = ("2025-03-20T12:00:00", instant("2025-03-31T00:00:00", "Asia/Shanghai"));
    let mut whole = told("whole", &events, through).await;
    let mut dropped = told("dropped", &events, through).await;
    let tables = drop_old_facts(&dropped).await;
    assert_eq!(texts(&dropped, "SELECT toString(business_date) FROM events").await, ["2025-03-20"]);
    for refreshed in [&mut whole, &mut dropped] {
        refreshed.count(&later).await;
        refreshed.complete_through(then).await;
        refreshed.refresh().await;
    }
    let (expected, found) = (whole.episodes("c").await, dropped.episodes("c").await);
    assert_eq!(found, expected);
    let lost: Vec<_> = expected.iter().map(|each| (each.number_in_corp, each.lost_by.as_str())).collect();
    assert_eq!(lost, [(1, "customer"), (2, "customer"), (1, "customer"), (2, "")], "{expected:#?}");
    assert_eq!(dropped.figures("c").await, whole.figures("c").await);
    let days = ["2025-03-09", "2025-03-22"].map(|day| Some(day.parse().unwrap()));
    let settings = verify::Settings { from: days[0], to: days[1], ..Default::default() };
    let report = verify::run(&settings, &dropped.config, then).await.unwrap();
    assert!(!report.is_equal() && report.to_string().contains("2025-03-10"), "{report}");

    assert_eq!(tables, ["dead_letter_log", "facts", "refresh_queue", "refresh_runs"]);
    let warned = async || {
        let report = validate::run(&dropped.config, validate::Environment::Check).await.to_string();
        report.lines().filter(|line| line.contains(" TTL")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(warned().await, Vec::<String>::new());
    dropped.execute("ALTER TABLE customer_events MODIFY TTL business_date + INTERVAL 400 DAY").await;
    let warning = "! table `customer_events` drops rows by a TTL, and figures are made of them: \
                   `ALTER TABLE customer_events REMOVE TTL`";
    assert_eq!(warned().await, [warning]);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_customer_is_nowhere_and_every_figure_is_as_before() {
    let mut events = vec![
        event("09:00:00", Kind::Request, "s1", "secret"),
        event("10:00:00", Kind::Add, "s1", "secret"),
        event("10:30:00", Kind::Customer, "s1", "secret"),
        event("11:00:00", Kind::Add, "s2", "secret"),
        Happening { amount: 9, ..event("11:30:00", Kind::Order, "s2", "secret") },
        event("12:00:00", Kind::Add, "s2", "other"),
    ];
    // Of two adds in one instant the ids decide which stands for the friend.
    for number in 0..8 {
        for (id, channel) in [("b-secret", "douyin"), ("a-secret", "cashier")] {
            let (id, channel) = (format!("{id}-{number}"), channel.to_owned());
            events.push(Happening { id, channel, ..event(&format!("14:0{number}:00"), Kind::Add, "s2", "secret") });
        }
    }
    let refreshed = told("forget", &events, "2025-03-20T00:00:00").await;
    let more = "ALTER TABLE facts UPDATE extra = '{\"said\":\"secret\"}', channel_given = 'of secret', campaign_id = 'secret', \
                state = if(staff_id = 's2', 'poster', 'card of secret') WHERE true SETTINGS mutations_sync = 2";
    refreshed.execute(more).await;
    refreshed
        .execute(
            "INSERT INTO dead_letter_log (src_topic, recorded_at, reason, key, value) \
             VALUES ('t', now64(3), 'malformed', 'k', '{\"customer_id\":\"secret\"')",
        )
        .await;
    let before = refreshed.figures("c").await;
    let settings = forget::Settings { corp: "c".to_owned(), customer: "secret".to_owned() };
    let report = forget::run(&settings, &refreshed.config).await.unwrap();
    assert_eq!(report.facts, 21, "{report}");
    assert_eq!(refreshed.figures("c").await, before);
    assert_eq!(forget::run(&settings, &refreshed.config).await.unwrap().facts, 0, "a second time there is nothing");
    refreshed.execute("OPTIMIZE TABLE facts FINAL").await;
    assert_eq!(refreshed.figures("c").await, before);
    // The fact of the other customer quotes this one in a field of its own: that is not reached, as the report says.
    refreshed.execute("ALTER TABLE facts DELETE WHERE customer_id = 'other' SETTINGS mutations_sync = 2").await;
    let columns = "SELECT concat(table, '.', name) FROM system.columns WHERE database = currentDatabase() AND table IN (                   SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree')";
    let mut searched = std::collections::BTreeMap::<_, Vec<_>>::new();
    for column in texts(&refreshed, columns).await {
        let (table, name) = column.split_once('.').unwrap();
        let quotes = format!("ifNull(position(toString(`{name}`), 'secret'), 0) > 0");
        searched.entry(table.to_owned()).or_default().push(quotes);
    }
    assert!(searched.len() > 20, "{searched:?}");
    for (table, quotes) in searched {
        let sql = format!("SELECT toString(count()) FROM {table} WHERE {}", quotes.join(" OR "));
        assert_eq!(texts(&refreshed, &sql).await, ["0"], "{table}");
    }
    let left = "SELECT toString(count()) FROM events WHERE startsWith(customer_id, 'forgotten-')";
    assert_eq!(texts(&refreshed, left).await, ["21"]);
    let kept = "SELECT DISTINCT state FROM events WHERE startsWith(customer_id, 'forgotten-') ORDER BY state";
    assert_eq!(texts(&refreshed, kept).await, ["", "poster"], "a code that others came by stays");
    let ids = "SELECT toString(uniqExact(event_id)) FROM events";
    assert_eq!(texts(&refreshed, ids).await, ["21"], "each event has its own id");
}

/// The detail of each letter says which it is.
#[tokio::test(flavor = "multi_thread")]
async fn letters_of_a_forgotten_customer_go_and_those_of_others_stay() {
    let go = [
        ("own", "", r#"{"corp_id":"c","customer_id":"wm1"}"#),
        ("escaped", "", r#"{"corp_id":"c","customer_id":"w\\u006d1"}"#),
        ("without a corp", "", r#"{"customer_id":"wm1"}"#),
        ("no json", "", r#"{"customer_id":"wm1""#),
        ("cut, of a corp that cannot be told", "", r#"{"corp_id":"d","customer_id":"wm1","said":""#),
        ("no text", "", r"\xffwm1\xff"),
        ("cloud event", "", r#"{"specversion":"1.0","data":{"corp_id":"c","customer_id":"wm1"}}"#),
        ("confluent", "", r#"\0\0\0\0\x07{"corp_id":"c","customer_id":"w\\u006d1"}"#),
        ("quoted by another", "", r#"{"corp_id":"c","customer_id":"wm2","said":"ask\\nwm1, or wm10"}"#),
        ("part of an event's id", "", r#"{"corp_id":"c","event_id":"add_s1_wm1-9"}"#),
        ("key", "c/wm1", r#"{"corp_id":"c"}"#),
        ("header", "", r#"{"corp_id":"c"}"#),
    ];
    let stay = [
        ("longer", "c/wm10", r#"{"corp_id":"c","customer_id":"wm10","event_id":"wm10-1"}"#),
        ("longer in front", "", r#"{"corp_id":"c","customer_id":"0wm1"}"#),
        ("longer by a dash", "", r#"{"corp_id":"c","customer_id":"wm1-0"}"#),
        ("longer by a line", "", r#"{"corp_id":"c","customer_id":"wm1_0"}"#),
        ("longer, no json", "", r#"{"customer_id":"wm10""#),
        ("longer, without a corp", "", r#"{"customer_id":"wm10"}"#),
        ("other corp", "wm1", r#"{"corp_id":"d","customer_id":"wm1"}"#),
        ("cloud event of another corp", "", r#"{"specversion":"1.0","data":{"corp_id":"d","customer_id":"wm1"}}"#),
    ];
    let refreshed = told("letters", &[event("10:00:00", Kind::Add, "s1", "wm1")], "2025-03-11T00:00:00").await;
    for (offset, (detail, key, value)) in go.iter().chain(&stay).enumerate() {
        let header = if *detail == "header" { "wm1" } else { "wm10" };
        let letter = format!(
            "INSERT INTO dead_letter_log (src_topic, src_offset, recorded_at, reason, detail, key, value, headers) \
             VALUES ('t', {offset}, now64(3), 'invalid_field', '{}', '{key}', '{value}', [('who', '{header}')])",
            detail.replace('\'', "\\'")
        );
        refreshed.execute(&letter).await;
    }
    let settings = forget::Settings { corp: "c".to_owned(), customer: "wm1".to_owned() };
    let report = forget::run(&settings, &refreshed.config).await.unwrap();
    let left = "SELECT detail FROM dead_letters ORDER BY src_offset";
    assert_eq!(texts(&refreshed, left).await, stay.map(|(detail, ..)| detail));
    assert!(report.deleted.contains(&("dead_letter_log", 12)), "{report}");
}
