//! Runs that are held back in the middle, and killed there or met by another one.
//!
//! Invariant: where a run is held is seen by what it sends, never by how long it took.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use super::{
    DAY, TWELVE_TAKEN_OUT, all_of_repeated, assert_verified, command, figures, once, reconcile, repeated, told,
};
use crate::support::{
    counting::Counting,
    poll,
    proxy::{Mode, Proxy},
};

/// Starts a run whose registers of one grain are held back, and waits until they are.
async fn held(counting: &Counting, insert: &'static str) -> (Proxy, Child) {
    let proxy = Proxy::start(&counting.config.clickhouse.url, 1);
    proxy.set(Mode::Hold(insert));
    let url = format!("clickhouse.url={}", proxy.url());
    let mut command = command(counting, &[&["reconcile"], &DAY[..]].concat());
    // Of a setting that is given twice the later one holds.
    let child = command.args(["--set", &url]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    poll::until("registers that are held back", Duration::from_mins(1), async || match proxy.struck() {
        0 => Err("none yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    (proxy, child)
}

/// The same by day, once it has told of them.
async fn held_between_telling_and_writing(counting: &Counting) -> (Proxy, Child) {
    let held = held(counting, "INSERT INTO counts_1d_registers").await;
    assert_ne!(told(counting).await, Vec::<String>::new(), "it is told before it is written");
    held
}

#[tokio::test]
async fn run_that_meets_days_put_right_and_minutes_not_yet_tells_of_none_of_them() {
    let counting = repeated("met").await;
    let (later, mut meets) = held(&counting, "INSERT INTO counts_1d_board_registers").await;
    let (earlier, mut met) = held(&counting, "INSERT INTO counts_1m_registers").await;
    later.set(Mode::Pass);
    assert!(meets.wait().unwrap().success());
    earlier.set(Mode::Pass);
    assert!(met.wait().unwrap().success());
    assert_eq!(told(&counting).await, TWELVE_TAKEN_OUT);
    assert_eq!(figures(&counting).await, once(&all_of_repeated()));
    assert_verified(&counting).await;
}

#[tokio::test]
async fn run_that_is_killed_between_telling_and_writing_is_told_once() {
    let counting = repeated("killed_between").await;
    let (_proxy, mut killed) = held_between_telling_and_writing(&counting).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(reconcile(&counting, &[]).0, Some(0));
    assert_eq!(told(&counting).await, TWELVE_TAKEN_OUT);
    assert_eq!(figures(&counting).await, once(&all_of_repeated()));
}

#[tokio::test]
async fn run_that_overtakes_another_one_tells_of_the_same_change_and_it_counts_once() {
    let counting = repeated("overtaken").await;
    let (proxy, mut overtaken) = held_between_telling_and_writing(&counting).await;
    assert_eq!(reconcile(&counting, &[]).0, Some(0));
    let tellings = "SELECT toString(count()) FROM amendment_log WHERE metric = 'adds'";
    let stored = counting.texts(tellings).await;
    // What was held back arrives late, and the run goes on.
    proxy.set(Mode::Pass);
    assert!(overtaken.wait().unwrap().success());
    let rows = "SELECT toString(count()) FROM amendments WHERE metric = 'adds'";
    assert!(stored > counting.texts(rows).await, "two runs told of some changes: {stored:?} rows");
    assert_eq!(told(&counting).await, TWELVE_TAKEN_OUT);
    assert_eq!(figures(&counting).await, once(&all_of_repeated()));
    assert_verified(&counting).await;
}
