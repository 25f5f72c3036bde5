//! `yinliu export`: files that a data team reads, and runs that were broken off.
//!
//! Invariant: what a file holds is read by the engine itself, and compared with the view.

use std::{
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use yinliu::export::{self, Error, Format, Report, Settings};

use crate::support::refreshed::{Happening, Kind, Refreshed, instant};

/// Long after the days of these tests.
const NOW_MS: i64 = 1_750_000_000_000;

async fn counted(name: &str) -> Refreshed {
    let mut refreshed = Refreshed::new(name, &["c", "d"]).await;
    let event = |number: usize| {
        let at_ms = instant("2025-03-10T10:00:00", "Asia/Shanghai") + i64::try_from(number).unwrap() * 43_200_000;
        let (staff, customer) = (format!("s{}", number % 3), format!("客户,'{number}'"));
        Happening { corp: ["c", "d"][number % 2].to_owned(), ..Happening::new(at_ms, Kind::Add, &staff, &customer) }
    };
    refreshed.count(&(0..9).map(event).collect::<Vec<_>>()).await;
    refreshed
}

fn settings(view: &str, of: &str, format: Format, to: &Path) -> Settings {
    let (view, of, to) = (view.to_owned(), of.parse().unwrap(), to.to_owned());
    Settings { view, of, format, corp: None, to, again: false }
}

async fn run(refreshed: &Refreshed, settings: &Settings) -> Report {
    export::run(settings, &refreshed.config, NOW_MS).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_month_hold_what_the_view_shows() {
    let refreshed = counted("export_month").await;
    for (view, columns) in [
        ("v_counts_1d", "corp_id, business_date, region_id, store_id, staff_id, channel, adds, messages_in"),
        ("events", "corp_id, business_date, event_id, customer_id, src_partition, src_offset, count"),
    ] {
        for (format, name) in [(Format::Parquet, "Parquet"), (Format::Csv, "CSVWithNames")] {
            let folder = tempfile::tempdir().unwrap();
            let report = run(&refreshed, &settings(view, "2025-03", format, folder.path())).await;
            assert_eq!((report.written, report.kept, report.to_come), (31, 0, 0));
            let files = folder.path().join(format!("{view}.*.*"));
            let rows = |from: &str| {
                format!(
                    "SELECT arrayStringConcat(arraySort(groupArray(toString(({columns}))))) FROM (\
                         SELECT * REPLACE (toString(business_date) AS business_date) FROM {from})"
                )
            };
            let exported = refreshed.csv(&rows(&format!("file('{}', {name})", files.display()))).await;
            let shown = refreshed.csv(&rows(view)).await;
            assert!(shown.len() > 200 && exported == shown, "{view} as {name}: {exported} for {shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn run_that_was_broken_off_goes_on_and_leaves_whole_files_as_they_are() {
    let refreshed = counted("export_again").await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings("v_counts_1d", "2025-03", Format::Csv, folder.path());
    let first = run(&refreshed, &settings).await;
    let path = |day: &str| folder.path().join(format!("v_counts_1d.2025-03-{day}.csv"));
    let (whole, lacking, early) = (path("10"), path("11"), path("12"));
    let right = fs::read_to_string(&lacking).unwrap();
    fs::rename(&lacking, lacking.with_extension("csv.part")).unwrap();
    fs::write(lacking.with_extension("csv.part"), "half a l").unwrap();
    fs::write(&whole, "stays").unwrap();
    // Written while its day went on.
    fs::File::options()
        .write(true)
        .open(&early)
        .unwrap()
        .set_modified(UNIX_EPOCH + Duration::from_secs(1_741_780_000))
        .unwrap();
    let second = run(&refreshed, &settings).await;
    assert_eq!((first.written, second.written, second.kept), (31, 2, 29));
    assert_eq!((fs::read_to_string(&lacking).unwrap(), fs::read_to_string(&whole).unwrap().as_str()), (right, "stays"));
    assert!(!lacking.with_extension("csv.part").exists());

    settings.again = true;
    assert_eq!(run(&refreshed, &settings).await.written, 31);
    assert_ne!(fs::read_to_string(&whole).unwrap(), "stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn corp_has_files_of_its_own_and_days_to_come_have_none() {
    let refreshed = counted("export_corp").await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings("events", "2025-03-10", Format::Csv, folder.path());
    settings.corp = Some("c".to_owned());
    run(&refreshed, &settings).await;
    let text = fs::read_to_string(folder.path().join("events.c.2025-03-10.csv")).unwrap();
    assert!(text.lines().count() == 2 && text.starts_with("\"corp_id\",") && text.contains("\"c\""), "{text}");
    settings.of = "2026-11".parse().unwrap();
    let report = run(&refreshed, &settings).await;
    assert_eq!((report.written, report.to_come), (0, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn view_that_is_not_there_is_answered_with_those_that_are() {
    let refreshed = counted("export_unknown").await;
    let folder = tempfile::tempdir().unwrap();
    for view in ["v_count_1d", "events; DROP TABLE facts", "facts", "v_freshness"] {
        let settings = settings(view, "2025-03-10", Format::Csv, folder.path());
        let Err(Error::View { known, .. }) = export::run(&settings, &refreshed.config, NOW_MS).await else {
            panic!("{view} is exported")
        };
        assert!(known.contains("events, ") && known.contains("v_counts_1d, "), "{known}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
