//! Files of reference data over restarts of the process that reads them.
//!
//! Invariant: what stands is what the file says now, and of a line that did not change there is one row.

use std::{
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use clickhouse::Client;
use serde_json::json;

use crate::support::{
    engine::Engine,
    kafka, poll,
    stage::{SOON, Stage},
    yinliu::Yinliu,
};

/// Kind, head, and the lines of before and after: one stays, one says something else, one goes, one comes.
const FILES: [(&str, &str, [&str; 3], [&str; 3]); 4] = [
    (
        "cost",
        "corp_id,business_date,channel,campaign_id,cost_fen",
        ["c,2025-03-10,stays,,1", "c,2025-03-10,changes,,2", "c,2025-03-10,goes,,3"],
        ["c,2025-03-10,stays,,1", "c,2025-03-10,changes,,4", "c,2025-03-10,comes,,5"],
    ),
    (
        "official",
        "corp_id,business_date,staff_id,new_apply_cnt,new_contact_cnt,negative_feedback_cnt",
        ["c,2025-03-10,stays,1,0,0", "c,2025-03-10,changes,2,0,0", "c,2025-03-10,goes,3,0,0"],
        ["c,2025-03-10,stays,1,0,0", "c,2025-03-10,changes,4,0,0", "c,2025-03-10,comes,5,0,0"],
    ),
    (
        "target",
        "corp_id,level,id,business_date,metric,target",
        ["c,store,m,2025-03-10,stays,1", "c,store,m,2025-03-10,changes,2", "c,store,m,2025-03-10,goes,3"],
        ["c,store,m,2025-03-10,stays,1", "c,store,m,2025-03-10,changes,4", "c,store,m,2025-03-10,comes,5"],
    ),
    (
        "contest",
        "corp_id,contest_id,name,level,ids,metric,basis,starts_at,ends_at",
        [
            "c,stays,1,staff,a b,adds,total,0,4102444800000",
            "c,changes,2,staff,a,adds,total,0,4102444800000",
            "c,goes,3,staff,a,adds,total,0,4102444800000",
        ],
        [
            "c,stays,1,staff,a b,adds,total,0,4102444800000",
            "c,changes,4,staff,a,adds,total,0,4102444800000",
            "c,comes,5,staff,a,adds,total,0,4102444800000",
        ],
    ),
];

/// What stands of each kind by the views that people read, and how many rows its table has of the line that stays.
const STANDING: &str = "SELECT concat(kind, ' ', name, ' ', value) AS line FROM (\
     SELECT 'cost' AS kind, toString(channel) AS name, toString(cost_fen) AS value FROM v_costs_1d \
     UNION ALL SELECT 'official', staff_id, toString(official) FROM v_official_1d WHERE metric = 'requests_out' \
     UNION ALL SELECT 'target', toString(metric), toString(target) FROM v_targets \
     UNION ALL SELECT DISTINCT 'contest', contest_id, name FROM v_contests \
     UNION ALL SELECT 'rows', 'cost', toString(count()) FROM cost_log WHERE channel = 'stays' \
     UNION ALL SELECT 'rows', 'official', toString(count()) FROM official_log WHERE staff_id = 'stays' \
     UNION ALL SELECT 'rows', 'target', toString(count()) FROM target_log WHERE metric = 'stays' \
     UNION ALL SELECT 'rows', 'contest', toString(count()) FROM contest_log WHERE contest_id = 'stays') ORDER BY line";

fn write(folder: &Path, written_s: u64, lines: impl Fn(usize) -> [&'static str; 3]) {
    for (at, (kind, head, ..)) in FILES.iter().enumerate() {
        let path = folder.join(format!("{kind}.csv"));
        std::fs::write(&path, format!("{head}\n{}\n", lines(at).join("\n"))).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(written_s)).unwrap();
    }
}

async fn until(client: &Client, expected: &[(&str, u8)]) {
    let mut lines = FILES.map(|(kind, ..)| format!("rows {kind} 1")).to_vec();
    lines
        .extend(FILES.iter().flat_map(|(kind, ..)| expected.iter().map(move |(name, n)| format!("{kind} {name} {n}"))));
    lines.sort();
    poll::until("the rows of the files", SOON, async || match client.query(STANDING).fetch_all::<String>().await {
        Ok(found) if found == lines => Ok(()),
        found => Err(format!("{found:#?}")),
    })
    .await;
}

#[tokio::test]
async fn lines_that_went_while_no_process_ran_are_withdrawn_and_the_others_are_not_published_again() {
    let engine = Engine::start();
    let stage = Stage::new(kafka::shared(), engine.url(), "files");
    stage.build(1).await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1_700_000_000, |at| FILES[at].2);
    let mut config = stage.config();
    let path = |kind: &str| folder.path().join(format!("{kind}.csv")).display().to_string();
    config["directory"] = json!({
        "cost_file": path("cost"), "official_file": path("official"),
        "target_file": path("target"), "contest_file": path("contest"),
    });
    let mut yinliu = Yinliu::start(&config);
    let client = stage.client();
    until(&client, &[("stays", 1), ("changes", 2), ("goes", 3)]).await;
    yinliu.stop();
    // A copy of before, as far as its time tells.
    write(folder.path(), 1_600_000_000, |at| FILES[at].3);
    yinliu.restart();
    until(&client, &[("stays", 1), ("changes", 4), ("comes", 5)]).await;
}
