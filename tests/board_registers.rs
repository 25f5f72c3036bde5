//! The registers for boards of a database that never had any.
//!
//! Invariant: what is there was counted by the pure rooms; what is missing is made by `migrate` and the start of a partition.

use yinliu::{event::Counter, migrate, verify};

use crate::support::{
    counting::{CHUNK, Counting},
    engine::Engine,
};

/// 2025-03-10 10:00 in Asia/Shanghai.
const NOW_MS: i64 = 1_741_572_000_000;

const TOPIC: &str = "yinliu.friend.v1";

/// Adds, losses and orders of three members of staff, a minute apart, some of them late.
fn records(ids: std::ops::Range<usize>) -> Vec<(i64, String)> {
    let record = |id: usize| {
        let (at, staff) = (NOW_MS + i64::try_from(id).unwrap() * 60_000, id % 3);
        let (kind, more) = [
            ("friend.added", r#","channel":"cashier""#),
            ("friend.deleted_by_customer", ""),
            ("order.paid", r#","order_id":"o","amount_fen":7"#),
        ][id % 5 % 3];
        let text = format!(
            r#"{{"event_id":"e{id}","type":"{kind}","corp_id":"c","occurred_at":{at},"staff_id":"s{staff}","customer_id":"x","store_id":"m{staff}","region_id":"r"{more}}}"#
        );
        (at + if id.is_multiple_of(7) { 1_000_000 } else { 500 }, text)
    };
    ids.map(record).collect()
}

/// What the views for boards say.
async fn for_boards(counting: &Counting) -> Vec<String> {
    let row = "concat(toString(business_date), region_id, ' ', store_id, ' ', staff_id, channel, ' ', \
               toString((adds, late_adds, deletes_by_customer, gmv_fen, last_add_at))) AS row";
    counting.texts(&format!("SELECT {row} FROM v_counts_1d_board ORDER BY row")).await
}

#[tokio::test]
async fn database_from_before_gets_closed_chunks_by_migrating_and_the_open_one_at_the_start() {
    let engine = Engine::start();
    let mut counting = Counting::new(engine.url(), "before").await;
    counting.count(TOPIC, 0, &records(0..CHUNK + 9)).await;
    let before = for_boards(&counting).await;
    assert_eq!(before.len(), 5, "three members of staff, two channels: {before:?}");
    counting.execute("TRUNCATE TABLE counts_1d_board_registers").await;
    counting.execute("ALTER TABLE migrations DELETE WHERE name = '0016_boards.sql' SETTINGS mutations_sync = 2").await;
    migrate::run(&counting.config.clickhouse, &counting.config.chunk).await.unwrap();
    let chunks = "SELECT DISTINCT toString(src_chunk) FROM counts_1d_board_registers WHERE events > 0";
    assert_eq!(counting.texts(chunks).await, ["0"]);
    assert_ne!(for_boards(&counting).await, before);

    counting.restart();
    counting.count(TOPIC, 0, &[]).await;
    assert_eq!(for_boards(&counting).await, before);
    let report = verify::run(&verify::Settings::default(), &counting.config, NOW_MS).await.unwrap();
    assert!(report.is_equal(), "{report}");
}

#[tokio::test]
async fn rows_of_the_chunks_add_up_to_the_rollups_by_all_dimensions() {
    let engine = Engine::start();
    let mut counting = Counting::new(engine.url(), "chunks").await;
    counting.count(TOPIC, 0, &records(0..CHUNK + 9)).await;
    let sums: Vec<_> = Counter::ALL.iter().map(|counter| format!("sum(v.{})", counter.name())).collect();
    for (view, minute) in [("v_counts_1m", "window_start, "), ("v_counts_1d", "")] {
        let key = format!("corp_id, {minute}business_date, region_id, store_id, staff_id, channel");
        let of = async |view: &str| {
            let sums = sums.join(", ");
            counting
                .texts(&format!("SELECT toString(({key}, {sums})) AS row FROM {view} AS v GROUP BY {key} ORDER BY row"))
                .await
        };
        let (whole, parts) = (of(view).await, of(&format!("{view}_chunks")).await);
        assert!(whole.len() > 5 && whole == parts, "{view}: {whole:?}\n{parts:?}");
    }
    let rows = async |view: &str| counting.texts(&format!("SELECT toString(count()) FROM {view}")).await;
    assert_ne!(rows("v_counts_1d").await, rows("v_counts_1d_chunks").await, "a key of both chunks has two rows");

    // Conditions are tried before rows of one key are compared, where only the key is asked: never of a counter.
    for (view, more) in [("v_counts_1m_chunks", ", window_start"), ("v_counts_1d_chunks", "")] {
        let registers = view.replace("v_", "").replace("chunks", "registers");
        let key =
            "corp_id, business_date, late, region_id, store_id, staff_id, channel, src_topic, src_partition, src_chunk";
        counting
            .execute(&format!(
                "INSERT INTO {registers} ({key}{more}, version) SELECT {key}{more}, version + 1 FROM {registers} FINAL \
                 WHERE staff_id = 's1'"
            ))
            .await;
        let adds =
            counting.texts(&format!("SELECT DISTINCT staff_id FROM {view} WHERE adds > 0 ORDER BY staff_id")).await;
        assert_eq!(adds, ["s0", "s2"], "{view}: a zero of a newer version hides what was counted");
    }
}
