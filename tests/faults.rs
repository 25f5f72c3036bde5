//! Whatever breaks while events flow, the views end up equal to an independent recount of the log.
//!
//! Invariant: faults are real: processes are killed, folders replaced, records deleted by the broker.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;

use crate::{
    recount::{assert_counts_equal, assert_counts_equal_the_log},
    support::{
        engine::Engine,
        figures::Chunks,
        kafka,
        load::Load,
        poll,
        records::{self, Stored},
        stage::{SOON, Stage},
        yinliu::Yinliu,
    },
};

/// A steady load that one busy core makes and counts with ease.
const PER_SECOND: usize = 400;

/// A stage with two partitions a topic, a running process that knows the directory, and a brand to send records of.
async fn running(stage: &Stage<'_>, seed: u64) -> (Load, Yinliu) {
    stage.build(2).await;
    let load = Load::new(stage, seed);
    let rows = load.send_reference().await;
    let yinliu = Yinliu::start(&stage.config());
    stage.until_reference(rows).await;
    (load, yinliu)
}

/// Records that the ledger says were received.
async fn received(stage: &Stage<'_>) -> Result<u64, String> {
    let chunks = Chunks::read(&stage.client()).await.map_err(|error| format!("{error:?}"))?;
    Ok(chunks.0.values().map(|sums| sums[1]).sum())
}

/// Waits until the ledger has more records than now.
async fn until_more(stage: &Stage<'_>, yinliu: &Yinliu) {
    let before = received(stage).await.unwrap();
    poll::until("more records in the ledger", SOON, async || match received(stage).await? {
        now if now > before => Ok(()),
        now => Err(format!("{now} records, {before} before; its log:\n{}", yinliu.log())),
    })
    .await;
}

async fn until_reading(yinliu: &Yinliu) {
    poll::until("the process reads records", SOON, async || match yinliu.metric("records_received_total")? {
        count if count > 0.0 => Ok(()),
        count => Err(format!("{count} records; its log:\n{}", yinliu.log())),
    })
    .await;
}

#[tokio::test]
async fn twenty_kills_in_the_middle_of_flushes_change_no_count() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "kills");
    let (load, mut yinliu) = running(&stage, 1).await;
    let load = load.steady(PER_SECOND);
    let mut dice = SmallRng::seed_from_u64(1);
    for _ in 0..20 {
        until_more(&stage, &yinliu).await;
        // The moment is what is tested: anywhere within the next flushes.
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..300))).await;
        yinliu.kill();
        yinliu.restart();
    }
    load.stop();
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
    let (agrees, said) = yinliu.command(&["verify", "--deep", "--from", "2026-01-01", "--to", "2027-12-31"]);
    assert!(agrees && said.contains("everything agrees"), "{said}");
}

#[tokio::test]
async fn instances_that_join_and_leave_under_load_change_no_count() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "instances");
    let (load, mut one) = running(&stage, 2).await;
    let load = load.steady(PER_SECOND);
    until_reading(&one).await;
    let mut other = Yinliu::start(&stage.config());
    until_reading(&other).await;
    one.stop();
    until_more(&stage, &other).await;
    one.restart();
    until_reading(&one).await;
    other.kill();
    until_more(&stage, &one).await;
    other.restart();
    until_reading(&other).await;
    load.stop();
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
}

#[tokio::test]
async fn clickhouse_restored_from_an_older_copy_heals_by_itself() {
    let mut engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "restored");
    let (mut load, yinliu) = running(&stage, 4).await;
    load.send(2_000).await;
    stage.until_in(SOON).await;
    engine.stop();
    let mut backup = engine.start_copy();
    backup.stop();
    engine.restart();
    load.send(2_000).await;
    stage.until_in(SOON).await;
    engine.stop();
    engine.replace_data(&backup);
    engine.restart();
    load.send(500).await;
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
    assert!(yinliu.is_running());
    // What the drill ends with, as its user sees it.
    let deep = ["verify", "--deep", "--from", "2026-01-01", "--to", "2027-12-31"];
    let (agrees, said) = yinliu.command(&deep);
    assert!(agrees && said.contains("everything agrees"), "{said}");
    deep_notices_a_fact_that_is_gone_and_one_that_says_something_else(&stage, &yinliu, &deep).await;
}

async fn deep_notices_a_fact_that_is_gone_and_one_that_says_something_else(
    stage: &Stage<'_>,
    yinliu: &Yinliu,
    deep: &[&str],
) {
    let client = stage.client();
    let key = "concat('corp `', corp_id, '` region `', region_id, '` store `', store_id, '` staff `', staff_id, \
               '` channel `', channel, '`'), concat('corp `', corp_id, '` staff `', staff_id, '`')";
    let sql = format!(
        "SELECT src_topic, src_partition, src_offset, toString(business_date), {key} FROM events \
         WHERE type = 'friend.added' LIMIT 2"
    );
    let facts = client.query(&sql).fetch_all::<(String, u32, u64, String, String, String)>().await.unwrap();
    let at = |number: usize| {
        let (topic, partition, offset, ..) = &facts[number];
        format!("src_topic = '{topic}' AND src_partition = {partition} AND src_offset = {offset}")
    };
    for change in [format!("DELETE WHERE {}", at(0)), format!("UPDATE count = 7 WHERE {}", at(1))] {
        let sql = format!("ALTER TABLE facts {change} SETTINGS mutations_sync = 2");
        client.query(&sql).execute().await.unwrap();
    }
    let (agrees, said) = yinliu.command(deep);
    // What is gone has the key that its record gives.
    let what = [("counted by", true), ("counted as recorded by", false)];
    for ((topic, partition, offset, day, key, given), (what, is_gone)) in facts.iter().zip(what) {
        let key = if is_gone { given } else { key };
        let line = format!("✗ {day} {key} of {topic}[{partition}] chunk 0 offset {offset}: {what} log 1, by facts 0");
        assert!(!agrees && said.contains(&line), "no `{line}` in\n{said}");
    }
}

#[tokio::test]
async fn retention_that_removed_the_start_of_the_open_chunk_takes_no_count() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "retention");
    let (mut load, mut yinliu) = running(&stage, 5).await;
    load.send(3_000).await;
    stage.until_in(SOON).await;
    yinliu.kill();
    let counted = stage.records();
    let mut before = TopicPartitionList::new();
    for (topic, partition, end) in stage.ends() {
        let offset = Offset::Offset(i64::try_from(end / 2 + 1).unwrap());
        before.add_partition_offset(&topic, i32::try_from(partition).unwrap(), offset).unwrap();
    }
    stage.kafka.delete_records(&before).await;
    yinliu.restart();
    // Another brand, for what repeats a deleted record would be counted, as the contract says.
    let mut other = Load::new(&stage, 55);
    other.send(1_000).await;
    stage.until_in(SOON).await;
    let new = stage.records().into_iter().filter(|record| !counted.contains(record));
    let all: Vec<_> = counted.iter().cloned().chain(new).collect();
    assert_counts_equal(&stage, &all).await;
}

#[tokio::test]
async fn deep_reads_what_retention_left_and_says_from_where_on() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "truncated");
    stage.build(1).await;
    let mut config = stage.config();
    config["dedup"] = json!({ "records": 50 });
    let yinliu = Yinliu::start(&config);
    let adds = (0..300).map(|id| add(&stage, "friend", &format!("e{id}")));
    records::send(&records::producer(stage.kafka), adds).await;
    stage.until_in(SOON).await;
    let topic = stage.topic("friend");
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&topic, 0, Offset::Offset(100)).unwrap();
    stage.kafka.delete_records(&before).await;
    let deep = ["verify", "--deep", "--from", "2026-01-01", "--to", "2027-12-31"];
    let (agrees, said) = yinliu.command(&deep);
    let note = format!("{topic}[0]: the log tells what counts from offset 150 on, the ledger stands at 300");
    assert!(agrees && said.contains(&note), "no `{note}` in\n{said}");
    // What repeats a record that is gone would be told wrongly before there.
    for offset in [149, 150] {
        let sql = format!("ALTER TABLE facts DELETE WHERE src_topic = '{topic}' AND src_offset = {offset}");
        stage.client().query(&format!("{sql} SETTINGS mutations_sync = 2")).execute().await.unwrap();
    }
    let (agrees, said) = yinliu.command(&deep);
    let line = |offset| format!("{topic}[0] chunk 0 offset {offset}: counted by log 1, by facts 0");
    assert!(!agrees && said.contains(&line(150)) && !said.contains(&line(149)), "{said}");
}

#[tokio::test]
async fn group_offsets_that_were_moved_change_no_count() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "offsets");
    let (mut load, mut yinliu) = running(&stage, 6).await;
    load.send(1_000).await;
    stage.until_in(SOON).await;
    for to_end in [false, true] {
        yinliu.stop();
        load.send(500).await;
        stage.move_group(|end| if to_end { end } else { 0 }).unwrap();
        yinliu.restart();
        load.send(500).await;
        stage.until_in(SOON).await;
        assert_counts_equal_the_log(&stage).await;
    }
}

#[tokio::test]
async fn partition_that_a_topic_gains_is_counted_within_seconds() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "gained");
    let (mut load, yinliu) = running(&stage, 8).await;
    load.send(500).await;
    stage.until_in(SOON).await;
    let topic = stage.topic("friend");
    stage.kafka.grow_topic(&topic, 3).await;
    let producer = records::producer(stage.kafka);
    let gained = |id: u32| Stored { partition: Some(2), ..add(&stage, "friend", &format!("gained-{id}")) };
    poll::until("a producer that knows the partition", SOON, async || match stage.partitions(&topic) {
        3 => Ok(()),
        count => Err(format!("{count} partitions")),
    })
    .await;
    records::send(&producer, (0..10).map(gained)).await;
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
    assert!(yinliu.is_running());
}

#[tokio::test]
async fn recreated_topic_is_held_with_the_command_that_adopts_it_while_others_go_on() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "recreated");
    let (mut load, mut yinliu) = running(&stage, 7).await;
    load.send(1_000).await;
    stage.until_in(SOON).await;
    yinliu.stop();
    let touch = stage.topic("touch");
    let counted: Vec<_> = stage.records().into_iter().filter(|record| record.topic == touch).collect();
    stage.kafka.delete_topic(&touch).await;
    // One more than before: of the last one nothing was counted yet, and it belongs to the new topic all the same.
    stage.create_input(&touch, 3).await;
    yinliu.restart();
    yinliu.until_ready_is(503, &format!("yinliu adopt --topic {touch}"), SOON).await;
    assert!(yinliu.metric("partitions_held{cause=\"topic_recreated\"}").unwrap() > 0.0, "the hold is in the metrics");
    load.send(1_000).await;
    let others = stage.ends().into_iter().filter(|(topic, ..)| *topic != touch).collect();
    stage.until_at(others, SOON).await;
    let others = stage.records().into_iter().filter(|record| record.topic != touch);
    let all: Vec<_> = counted.iter().cloned().chain(others).collect();
    assert_counts_equal(&stage, &all).await;

    let (same, said) = yinliu.command(&["adopt", "--topic", &stage.topic("friend")]);
    assert!(!same, "a topic that was not recreated is not adopted: {said}");
    let (adopted, said) = yinliu.command(&["adopt", "--topic", &touch]);
    assert!(adopted && said.contains("partition 0: counted up to"), "it shows what it saw: {said}");
    let anew = u64::try_from(stage.records().iter().filter(|record| record.topic == touch).count()).unwrap();
    assert!(anew > 0, "the recreated topic has records");
    let sql = "SELECT sum(received) FROM chunks WHERE endsWith(src_topic, '#2')";
    let client = stage.client();
    poll::until("the recreated topic counted from its beginning", SOON, async || {
        match client.query(sql).fetch_one::<u64>().await {
            Ok(received) if received == anew => Ok(()),
            other => Err(format!("{other:?} of {anew} records; its log:\n{}", yinliu.log())),
        }
    })
    .await;
    let (agrees, said) = yinliu.command(&["verify", "--from", "2026-01-01", "--to", "2027-12-31"]);
    assert!(agrees, "{said}");
}

#[tokio::test]
async fn missing_dead_letter_topic_holds_the_partition_until_it_is_there() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "letters");
    stage.build_without_letters(1).await;
    let yinliu = Yinliu::start(&stage.config());
    let producer = records::producer(stage.kafka);
    let refused = Stored {
        topic: stage.topic("order"),
        timestamp: AT_MS,
        value: Some(b"no object".to_vec()),
        ..Stored::default()
    };
    records::send(&producer, [refused, add(&stage, "order", "1")]).await;
    let held = "partitions_held{cause=\"dead_letter\"}";
    poll::until("a partition held for its dead letter", SOON, async || match yinliu.metric(held)? {
        1.0 => Ok(()),
        count => Err(format!("{count} held; its log:\n{}", yinliu.log())),
    })
    .await;
    records::send(&producer, [add(&stage, "friend", "2")]).await;
    stage.until_at(vec![(stage.topic("friend"), 0, 1)], SOON).await;
    stage.create_letters().await;
    stage.until_in(SOON).await;
    poll::until("no partition held", SOON, async || match yinliu.metric(held)? {
        0.0 => Ok(()),
        count => Err(format!("{count} held")),
    })
    .await;
    assert_counts_equal_the_log(&stage).await;
    let letters = stage.letters();
    assert!(letters.iter().all(|letter| letter.header("reason") == Some("malformed")), "{letters:?}");
    assert!(!letters.is_empty(), "the letter arrived once there was a topic");
}

#[tokio::test]
async fn partition_that_retention_overtook_goes_on_where_the_log_begins() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "overtaken");
    stage.build_without_letters(1).await;
    let yinliu = Yinliu::start(&stage.config());
    let producer = records::producer(stage.kafka);
    let (topic, refused) = (stage.topic("order"), Some(b"no object".to_vec()));
    let refused = Stored { topic: topic.clone(), timestamp: AT_MS, value: refused, ..Stored::default() };
    records::send(&producer, [refused]).await;
    let held = "partitions_held{cause=\"dead_letter\"}";
    poll::until("a partition held for its dead letter", SOON, async || match yinliu.metric(held)? {
        1.0 => Ok(()),
        count => Err(format!("{count} held")),
    })
    .await;
    let counted = stage.records();
    records::send(&producer, (1..10).map(|id| add(&stage, "order", &id.to_string()))).await;
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&topic, 0, Offset::Offset(6)).unwrap();
    stage.kafka.delete_records(&before).await;
    stage.create_letters().await;
    stage.until_in(SOON).await;
    let all: Vec<_> = counted.into_iter().chain(stage.records()).collect();
    assert_counts_equal(&stage, &all).await;
    let lost = yinliu.metric("offsets_lost_total").unwrap();
    assert!((lost - 5.0).abs() < 0.5, "{lost} offsets are told as lost, of five; its log:\n{}", yinliu.log());
}

#[tokio::test]
async fn ledger_that_does_not_add_up_holds_its_partition_while_others_go_on() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "unequal");
    let (mut load, mut yinliu) = running(&stage, 9).await;
    load.send(1_000).await;
    stage.until_in(SOON).await;
    yinliu.stop();
    let friend = stage.topic("friend");
    let spoil = format!(
        "INSERT INTO ledger SELECT * REPLACE (counted + 1 AS counted, received + 1 AS received, version + 1 AS version) \
         FROM ledger FINAL WHERE src_topic = '{friend}' AND src_partition = 0"
    );
    stage.client().query(&spoil).execute().await.unwrap();
    yinliu.restart();
    yinliu.until_ready_is(503, "held (ledger): partition 0 of", SOON).await;
    let (_, causes) = yinliu.get("/readyz").unwrap();
    assert!(causes.contains("the ledger counts") && causes.contains("yinliu verify"), "{causes}");
    let held = yinliu.metric("partitions_held{cause=\"ledger\"}").unwrap();
    assert!((held - 1.0).abs() < 0.5, "{held} held: {causes}");
    let log = yinliu.whole_log();
    assert!(log.contains("\"cause\":\"ledger\"") && log.contains("the ledger counts"), "{log}");
    load.send(1_000).await;
    let held = |topic: &str, partition: u32| topic == friend && partition == 0;
    let others = stage.ends().into_iter().filter(|(topic, partition, _)| !held(topic, *partition)).collect();
    stage.until_at(others, SOON).await;
    assert!(yinliu.is_running());
}

/// 2026-06-01 10:00 in Shanghai.
const AT_MS: i64 = 1_780_279_200_000;

fn add(stage: &Stage<'_>, role: &str, id: &str) -> Stored {
    let event = json!({
        "event_id": id, "type": "friend.added", "corp_id": "ww-one", "occurred_at": AT_MS, "staff_id": "s1",
        "customer_id": "wmK1", "channel": "app",
    });
    let value = Some(event.to_string().into_bytes());
    Stored { topic: stage.topic(role), timestamp: AT_MS, value, ..Stored::default() }
}
