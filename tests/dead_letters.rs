//! `yinliu dead-letters`: refused records listed, shown and sent again, through a real broker and a running pipeline.
//!
//! Invariant: each test has topics and a database of its own; what was sent is read back from the topics.

use std::{process::Stdio, time::Duration};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use serde_json::json;

use crate::support::{
    engine::Engine,
    kafka, poll,
    records::{self, Stored},
    stage::{SOON, Stage},
    yinliu::Yinliu,
};

/// A replay carries the time of today, and what happened must not be too old for it.
#[allow(clippy::disallowed_methods, reason = "what is sent again gets the wall clock's timestamp from the client")]
fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

const HOUR_MS: i64 = 3_600_000;

/// As of RFC 3339.
fn instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

fn event(id: &str, kind: &str, occurred_at: i64) -> Vec<u8> {
    let event = json!({
        "event_id": id, "type": kind, "corp_id": "c", "occurred_at": occurred_at, "staff_id": "s1", "customer_id": "x",
        "channel": "app", "store_id": "m", "region_id": "r",
    });
    event.to_string().into_bytes()
}

/// A record of partition 1 of the friend topic.
fn record(stage: &Stage<'_>, value: Vec<u8>, timestamp: i64) -> Stored {
    Stored {
        topic: stage.topic("friend"),
        partition: Some(1),
        timestamp,
        key: Some(b"s1".to_vec()),
        value: Some(value),
        headers: vec![("trace".to_owned(), b"7\xff".to_vec()), ("original-x".to_owned(), b"y".to_vec())],
        ..Stored::default()
    }
}

/// An add whose record came, by its timestamp, an hour before it happened: refused as `in_future`.
fn ahead(stage: &Stage<'_>, id: &str, now: i64) -> Stored {
    record(stage, event(id, "friend.added", now - HOUR_MS), now - 2 * HOUR_MS)
}

/// All adds, and the records that were received, refused, duplicates and counted.
async fn figures(stage: &Stage<'_>) -> (u64, [u64; 4]) {
    let client = stage.client();
    let adds = client.query("SELECT sum(adds) FROM v_counts_1d").fetch_one::<u64>().await.unwrap();
    let sums = "SELECT [sum(c.received), sum(c.rejected), sum(c.duplicate), sum(c.counted)] FROM chunks AS c";
    let sums = client.query(sums).fetch_one::<Vec<u64>>().await.unwrap();
    (adds, sums.try_into().unwrap())
}

fn friends(stage: &Stage<'_>) -> Vec<Stored> {
    let topic = stage.topic("friend");
    stage.records().into_iter().filter(|record| record.topic == topic).collect()
}

fn replay(yinliu: &Yinliu, words: &[&str]) -> String {
    let (succeeded, said) = yinliu.command(&[&["dead-letters", "replay"], words].concat());
    assert!(succeeded, "{said}");
    said
}

#[tokio::test]
async fn refused_event_is_sent_again_once_as_the_same_record_and_counts_once() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "replay_once");
    stage.build(2).await;
    let yinliu = Yinliu::start(&stage.config());
    let (producer, now) = (records::producer(stage.kafka), wall_ms());
    // The second one was sent by its producer again, in time and with a key that leads to the other partition, and counted.
    let mut again = record(&stage, event("two", "friend.added", now - HOUR_MS), now - HOUR_MS);
    again.partition = again.partition.map(|partition| 1 - partition);
    let sent = [ahead(&stage, "one", now), ahead(&stage, "two", now), again];
    records::send(&producer, sent.clone()).await;
    stage.until_in(SOON).await;
    assert_eq!(figures(&stage).await, (1, [3, 2, 0, 1]));

    let (succeeded, said) = yinliu.command(&["dead-letters", "list"]);
    assert!(succeeded && said.contains("in_future") && said.contains(" 2         0 replayed"), "{said}");
    let said = replay(&yinliu, &["--dry-run"]);
    assert!(said.contains("2 letters to send again"), "{said}");
    assert_eq!(friends(&stage).len(), 3, "a dry run sends nothing");
    let (topic, recorded) = (stage.topic("friend"), instant(now - 2 * HOUR_MS));
    let after = instant(now - 2 * HOUR_MS + 1);
    for (filter, meant) in [
        (["--topic", &topic], 2),
        (["--topic", &stage.topic("order")], 0),
        (["--reason", "in_future"], 2),
        (["--reason", "unknown_type"], 0),
        (["--from", &recorded], 2),
        (["--from", &after], 0),
        (["--to", &recorded], 0),
        (["--to", &after], 2),
    ] {
        let said = replay(&yinliu, &[&["--dry-run"], &filter[..]].concat());
        assert!(said.contains(&format!("{meant} letters to send again")), "{filter:?}: {said}");
        let (succeeded, said) = yinliu.command(&[&["dead-letters", "list"], &filter[..]].concat());
        assert!(succeeded && said.contains("in_future") == (meant > 0), "{filter:?}: {said}");
    }

    let counted = "! 1 are not sent: their events were counted meanwhile";
    for expected in [
        [counted, "1 letters sent again"],
        ["1 letters to send again\n! 1 are left out: they were sent again before", counted],
    ] {
        let said = replay(&yinliu, &[]);
        assert!(expected.iter().all(|expected| said.contains(expected)), "{said}");
        stage.until_in(SOON).await;
        assert_eq!(figures(&stage).await, (2, [4, 2, 0, 2]), "one more counts, the other is not sent");
    }
    let again: Vec<_> = friends(&stage).into_iter().filter(|record| record.headers.len() > 2).collect();
    let [again] = &again[..] else { panic!("one record was sent again: {again:?}") };
    let same = (&again.key, &again.value, again.partition, &again.headers[..2]);
    assert_eq!(same, (&sent[0].key, &sent[0].value, sent[0].partition, &sent[0].headers[..]));
    let (_, said) = yinliu.command(&["dead-letters", "list", "--format", "json"]);
    let start = said.find('[').unwrap();
    let list: serde_json::Value = serde_json::from_str(&said[start..=said.rfind(']').unwrap()]).unwrap();
    assert_eq!(
        (&list[0]["letters"], &list[0]["replayed"], &list[0]["reason"]),
        (&json!(2), &json!(1), &json!("in_future"))
    );
}

#[tokio::test]
async fn record_that_is_refused_again_keeps_its_history() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "replay_refused");
    stage.build(2).await;
    let yinliu = Yinliu::start(&stage.config());
    let producer = records::producer(stage.kafka);
    let origin = |offset: usize| format!("{}/1/{offset}", stage.topic("friend"));
    records::send(&producer, [record(&stage, event("one", "friend.poked", wall_ms()), wall_ms())]).await;
    for round in 0..3 {
        stage.until_in(SOON).await;
        poll::until("the letter", SOON, async || match stage.letters().len() {
            count if count == round + 1 => Ok(()),
            count => Err(format!("{count} letters")),
        })
        .await;
        let letters = stage.letters();
        let headers: Vec<_> = letters[round].headers.iter().filter(|(name, _)| name.starts_with("original-")).collect();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let found: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        let mut expected = vec![("original-trace", text(b"7\xff")), ("original-original-x", "y".to_owned())];
        expected.extend((0..round).map(|offset| ("original-yinliu-replay-of", origin(offset))));
        expected.extend((round > 0).then(|| ("original-yinliu-replay-count", round.to_string())));
        assert_eq!(found, expected);
        let (succeeded, said) = yinliu.command(&["dead-letters", "show", &origin(round)]);
        assert!(succeeded && said.contains("header    trace: 7\\xff") && said.contains("friend.poked"), "{said}");
        let said = replay(&yinliu, &[]);
        assert!(said.contains("1 letters sent again"), "{said}");
    }
    assert!(replay(&yinliu, &[&origin(1)]).contains("0 letters to send again"), "sent before, by itself too");
    poll::until("the last letter in ClickHouse", SOON, async || {
        let (_, said) = yinliu.command(&["dead-letters", "show", &origin(3)]);
        if said.contains("yinliu-replay-count: 3") { Ok(()) } else { Err(said) }
    })
    .await;
    let show = |words: &[&str]| yinliu.command(&[&["dead-letters", "show"], words].concat()).1;
    let said = show(&["--reason", "unknown_type", "--topic", &stage.topic("friend"), "--limit", "2"]);
    let at = |offset| said.find(&format!("origin    {}\n", origin(offset)));
    assert!(at(3) < at(2) && at(3).is_some() && at(1).is_none(), "the newest first: {said}");
    assert!(said.contains("! 2 older ones are not shown"), "{said}");
    for none in [["--reason", "malformed"], ["--to", "2020-01-01"]] {
        assert!(show(&none).contains("no dead letters"), "{none:?}");
    }
}

#[tokio::test]
async fn letter_that_was_cut_is_sent_whole_or_not_at_all() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "replay_cut");
    stage.build_without_letters(2).await;
    // Of the two long ones the topic takes one.
    let limit = [("retention.ms", "-1"), ("max.message.bytes", "150000")];
    stage.kafka.create_topic(&stage.topic("dead-letter"), 1, &limit).await;
    let yinliu = Yinliu::start(&stage.config());
    let long = |id: &str, bytes: usize| [event(id, "friend.poked", wall_ms()), vec![b' '; bytes]].concat();
    let mut sent: Vec<_> =
        [100_000, 200_000].iter().map(|&bytes| record(&stage, long("one", bytes), wall_ms())).collect();
    sent.push(Stored { value: None, ..sent[0].clone() });
    let producer = records::producer(stage.kafka);
    records::send(&producer, sent.clone()).await;
    stage.until_in(SOON).await;
    let said = replay(&yinliu, &["--reason", "unknown_type"]);
    let lost = format!(
        "! {}/1/1 is not sent: its bytes are whole neither in the table nor in the topic",
        stage.topic("friend")
    );
    assert!(said.contains(&lost) && said.contains("1 letters sent again"), "{said}");
    let friends = friends(&stage);
    assert_eq!((friends.len(), &friends[3].value, &friends[3].key), (4, &sent[0].value, &sent[0].key));
    assert_eq!(friends[3].headers[..2], sent[0].headers, "its headers are those of the record, not of the letter");
    stage.until_in(SOON).await;
    let said = replay(&yinliu, &["--dry-run"]);
    assert!(said.contains("! 1 are left out: they have no value"), "{said}");
}

#[tokio::test]
async fn replay_that_is_killed_anywhere_counts_each_event_once() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "replay_killed");
    stage.build(2).await;
    let yinliu = Yinliu::start(&stage.config());
    let (producer, now) = (records::producer(stage.kafka), wall_ms());
    records::send(&producer, (0..2_000).map(|id| ahead(&stage, &id.to_string(), now))).await;
    stage.until_in(SOON).await;
    let mut dice = SmallRng::seed_from_u64(3);
    for _ in 0..5 {
        let mut killed = yinliu.program(&["dead-letters", "replay"]).stdout(Stdio::null()).spawn().unwrap();
        // The moment is what is tested: a whole run takes about half a second.
        tokio::time::sleep(Duration::from_millis(dice.random_range(50..400))).await;
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    replay(&yinliu, &[]);
    assert!(replay(&yinliu, &[]).contains("0 letters to send again"));
    stage.until_in(SOON).await;
    let (adds, [received, rejected, duplicate, counted]) = figures(&stage).await;
    assert_eq!((adds, rejected, counted), (2_000, 2_000, 2_000));
    assert_eq!(received, rejected + duplicate + counted);
}

#[test]
fn wrong_words_end_with_2_and_components_that_are_away_with_1() {
    let run = crate::support::yinliu::command;
    for words in [
        &["dead-letters"][..],
        &["dead-letters", "show"],
        &["dead-letters", "show", "friend"],
        &["dead-letters", "show", "--limit", "3"],
        &["dead-letters", "show", "a/0/1", "--topic", "friend"],
        &["dead-letters", "list", "--reason", "lost"],
        &["dead-letters", "list", "--from", "yesterday"],
        &["dead-letters", "list", "--format", "xml"],
        &["dead-letters", "replay", "--limit", "0"],
        &["dead-letters", "replay", "a/0/1", "--reason", "malformed"],
    ] {
        let (code, said) = run(words);
        assert_eq!(code, Some(2), "{words:?}: {said}");
    }
    let away = ["--set", "clickhouse.url=http://127.0.0.1:1"];
    for words in [&["dead-letters", "list"][..], &["dead-letters", "show", "a/0/1"], &["dead-letters", "replay"]] {
        let (code, said) = run(&[words, &away].concat());
        assert_eq!(code, Some(1), "{words:?}: {said}");
    }
}
