//! `deploy/dbt`, run by dbt on the real engine, which answers all that it asks. What the engine has none of is not tried: users,
//! TLS and clusters.
//!
//! Invariant: dbt writes into a temporary folder; the project is read where it is delivered.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    refreshed::{Happening, Kind, Refreshed, instant},
    told,
};

const ZONE: &str = "Asia/Shanghai";

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/dbt")
}

/// dbt of one data team, whose models stand beside the database `dbt`.
struct Dbt {
    folder: TempDir,
    port: String,
}

impl Dbt {
    fn new(refreshed: &Refreshed) -> Self {
        let (_, port) = refreshed.config.clickhouse.url.rsplit_once(':').unwrap();
        Self { folder: tempfile::tempdir().unwrap(), port: port.to_owned() }
    }

    fn run(&self, words: &[&str]) -> Output {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/dbt/bin/dbt");
        assert!(program.is_file(), "run `deploy/fetch-python.sh dbt`, or `make test`");
        let mut command = Command::new(program);
        command.current_dir(project()).args(["--no-use-colors", "--warn-error"]).args(words);
        // The events of these tests happened in 2025.
        command.args(["--vars", "{weeks: 1000, tested_days: 7000}"]);
        command.arg("--target-path").arg(self.folder.path().join("target"));
        command.arg("--log-path").arg(self.folder.path().join("logs"));
        command.env("CLICKHOUSE_HOST", "127.0.0.1").env("CLICKHOUSE_PORT", &self.port);
        command.env("YINLIU_DATABASE", "dbt").env("YINLIU_DBT_DATABASE", "dbt_models");
        command.output().unwrap()
    }

    /// What became of each model, test or source that it ran, by name.
    fn results(&self, file: &str) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.folder.path().join("target").join(file)).unwrap();
        let text: Value = serde_json::from_str(&text).unwrap();
        let result = |result: &Value| {
            let word = |field: &str| result[field].as_str().unwrap().to_owned();
            (word("unique_id"), word("status"))
        };
        text["results"].as_array().unwrap().iter().map(result).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Two weeks that meet on the midnight before 2025-03-17; a store with a target alone; a customer whom the corp knew.
async fn two_weeks() -> Refreshed {
    let mut refreshed = Refreshed::new("dbt", &["c"]).await;
    let rows = [
        ("2025-03-10T10:00:00", Kind::Add, "s1", "a"),
        ("2025-03-10T10:05:00", Kind::Add, "s1", "b"),
        ("2025-03-10T11:00:00", Kind::Customer, "s1", "b"),
        ("2025-03-11T10:00:00", Kind::Add, "s2", "e"),
        ("2025-03-12T10:00:00", Kind::Add, "s2", "a"),
        ("2025-03-16T23:30:00", Kind::Add, "s1", "c"),
        ("2025-03-17T00:30:00", Kind::Add, "s1", "d"),
    ];
    let event = |(time, kind, staff, customer)| Happening::new(instant(time, ZONE), kind, staff, customer);
    refreshed.count(&rows.map(event)).await;
    for (staff, store, active) in
        [("s1", "s1", true), ("s7", "s1", true), ("s8", "s1", false), ("s2", "s2", true), ("s3", "s3", true)]
    {
        refreshed
            .execute(&format!(
                "INSERT INTO org_log (corp_id, staff_id, store_id, store_name, region_id, region_name, active, published_at) \
                 VALUES ('c', '{staff}', 'store-{store}', 'Store {store}', 'r', 'Region', {active}, now64(3))"
            ))
            .await;
    }
    for (store, day, metric, target) in [
        ("s1", "2025-03-10", "net_adds", 1),
        ("s1", "2025-03-16", "net_adds", 3),
        ("s1", "2025-03-10", "qualified_adds", 8),
        ("s1", "2025-03-10", "adds", 100),
        ("s3", "2025-03-12", "qualified_adds", 5),
    ] {
        refreshed
            .execute(&format!(
                "INSERT INTO target_log (corp_id, level, id, business_date, metric, target, published_at) VALUES \
                 ('c', 'store', 'store-{store}', '{day}', '{metric}', {target}, now64(3))"
            ))
            .await;
    }
    refreshed.execute("INSERT INTO corp_activity VALUES ('c', '2025-03-16 16:30:00')").await;
    refreshed
}

/// Week, region, store, adds, net, qualified, final, heads, targets, per head, shares; whether complete through this hour.
const MART: [&str; 4] = [
    "\"2025-03-10\",11,2025,\"Region\",\"Store s1\",3,2,2,2,2,4,8,1,1,0.5,0.25,1",
    "\"2025-03-10\",11,2025,\"Region\",\"Store s2\",2,2,1,1,1,0,0,2,1,\\N,\\N,1",
    "\"2025-03-10\",11,2025,\"Region\",\"Store s3\",0,0,0,0,1,0,5,0,0,\\N,0,1",
    "\"2025-03-17\",12,2025,\"Region\",\"Store s1\",1,1,1,1,2,0,0,0.5,0.5,\\N,\\N,1",
];

#[tokio::test(flavor = "multi_thread")]
async fn project_builds_passes_its_tests_and_tells_stale_sources_from_fresh_ones() {
    let (before, refreshed) = (files(&project()), two_weeks().await);
    let dbt = Dbt::new(&refreshed);
    let parsed = Dbt { port: "1".to_owned(), folder: tempfile::tempdir().unwrap() }.run(&["parse"]);
    assert!(parsed.status.success(), "without a warehouse: {}", said(&parsed));

    refreshed.complete_through(instant("2025-03-20T00:00:00", ZONE)).await;
    refreshed.refresh().await;
    let stale = dbt.run(&["source", "freshness"]);
    let sources = ["source.yinliu.yinliu.v_freshness", "source.yinliu.yinliu.v_refresh"];
    let told = |status: &str| sources.map(|source| (source.to_owned(), status.to_owned()));
    let mut found = dbt.results("sources.json");
    found.sort();
    assert_eq!(found, told("error"), "{}", said(&stale));

    refreshed.complete_through(told::now_ms()).await;
    refreshed.refresh().await;
    let fresh = dbt.run(&["source", "freshness"]);
    let mut found = dbt.results("sources.json");
    found.sort();
    assert_eq!(found, told("pass"), "{}", said(&fresh));

    let built = dbt.run(&["build"]);
    assert!(built.status.success(), "{}", said(&built));
    let results = dbt.results("run_results.json");
    let of =
        |kind: &str, status: &str| results.iter().filter(|(id, found)| id.starts_with(kind) && found == status).count();
    let (models, tests) = (of("model.", "success"), of("test.", "pass"));
    assert!(models == 8 && tests > 12 && models + tests == results.len(), "{results:?}");

    let rows = "SELECT * EXCEPT (corp_id, region_id, store_id, complete_through), complete_through > now() - 3600 FROM dbt_models.fct_store_week \
                ORDER BY week_start, store_id";
    assert_eq!(refreshed.csv(rows).await.lines().collect::<Vec<_>>(), MART);
    let uncommented = "SELECT count() FROM system.columns WHERE database = 'dbt_models' AND table = 'fct_store_week' \
                       AND comment NOT LIKE '% / %'";
    assert_eq!(refreshed.csv(uncommented).await, "0\n", "comments reach ClickHouse");
    assert_eq!(files(&project()), before, "nothing is left in the project");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_name_every_column_of_their_views_with_its_comment() {
    let refreshed = Refreshed::new("dbt_sources", &[]).await;
    let text = fs::read_to_string(project().join("models/staging/sources.yml")).unwrap();
    let sources: Value = serde_yaml_ng::from_str(&text).unwrap();
    let tables = sources["sources"][0]["tables"].as_array().unwrap();
    assert!(tables.len() > 10, "{} sources", tables.len());
    let pair =
        |value: &Value| format!("{}: {}", value["name"].as_str().unwrap(), value["description"].as_str().unwrap());
    for table in tables {
        let name = table["name"].as_str().unwrap();
        let comment = format!(
            "SELECT concat(name, ': ', comment) FROM system.tables WHERE database = 'dbt_sources' AND name = '{name}'"
        );
        let columns = format!(
            "SELECT concat(name, ': ', comment) FROM system.columns WHERE database = 'dbt_sources' AND table = '{name}' \
             ORDER BY position"
        );
        let mut named = vec![pair(table)];
        named.extend(table["columns"].as_array().unwrap().iter().map(pair));
        let mut found = refreshed.client.query(&comment).fetch_all::<String>().await.unwrap();
        found.extend(refreshed.client.query(&columns).fetch_all::<String>().await.unwrap());
        assert_eq!(named, found, "{name}");
    }
}
