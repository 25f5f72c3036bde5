//! One statement of a migration, and what it becomes on one server or on a cluster.
//!
//! Invariant: pure; the files hold plain statements, everything that a cluster needs is added here.

use crate::sink;

/// A statement as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    sql: String,
    /// The expression by which a cluster spreads the rows of the table: from the line `-- sharding: …` above it.
    sharding: Option<String>,
}

/// A view that feeds one table from the inserts of another.
const FEED: &str = "MATERIALIZED VIEW";

/// A view in place of the one that an earlier file created.
const REPLACED: &str = "OR REPLACE VIEW";

/// The statements of a file: each ends with `;` at the end of a line.
pub(super) fn split(text: &str) -> Vec<Statement> {
    let statement = |part: &str| {
        let (notes, lines): (Vec<_>, Vec<_>) = part.lines().partition(|line| line.starts_with("--"));
        let sql = lines.join("\n").trim().to_owned();
        let sharding = notes.iter().find_map(|note| note.strip_prefix("-- sharding: ")).map(str::to_owned);
        (!sql.is_empty()).then_some(Statement { sql, sharding })
    };
    text.split(";\n").filter_map(statement).collect()
}

/// ` ON CLUSTER 'name'`, where the configuration names one.
pub(super) fn on_cluster(config: &sink::Config) -> String {
    if config.cluster.is_empty() { String::new() } else { format!(" ON CLUSTER '{}'", config.cluster) }
}

impl Statement {
    /// On one server the statement itself. On a cluster a replicated table on each shard, and one over all shards that
    /// carries the table's name; views are created on every server.
    pub(super) fn render(&self, config: &sink::Config) -> Vec<String> {
        let cluster = on_cluster(config);
        let Some((kind, rest)) = ["TABLE", "VIEW", FEED, REPLACED]
            .iter()
            .find_map(|kind| Some((*kind, self.sql.strip_prefix("CREATE ")?.strip_prefix(kind)?.trim_start())))
        else {
            return vec![self.sql.clone()];
        };
        let (name, body) = rest.split_once(' ').unwrap_or((rest, ""));
        if !cluster.is_empty() && kind == FEED {
            // An insert reaches the table of its shard; what it feeds may belong to another, and goes over all shards.
            let body = body.replacen("\nFROM facts\n", "\nFROM facts_local\n", 1);
            return vec![format!("CREATE {kind} IF NOT EXISTS {name}{cluster} {body}")];
        }
        if kind == REPLACED {
            return vec![format!("CREATE {kind} {name}{cluster} {body}")];
        }
        if cluster.is_empty() || kind != "TABLE" {
            return vec![format!("CREATE {kind} IF NOT EXISTS {name}{cluster} {body}")];
        }
        let replicated = body.replacen("ENGINE = ", "ENGINE = Replicated", 1);
        let sharding = self.sharding.as_deref().unwrap_or("rand()");
        let (name_of_cluster, database) = (&config.cluster, &config.database);
        vec![
            format!("CREATE TABLE IF NOT EXISTS {name}_local{cluster} {replicated}"),
            format!(
                "CREATE TABLE IF NOT EXISTS {name}{cluster} AS {name}_local\n\
                 ENGINE = Distributed('{name_of_cluster}', '{database}', '{name}_local', {sharding})"
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "-- A file.\n\n-- sharding: cityHash64(b)\nCREATE TABLE a (\n    b String\n)\nENGINE = MergeTree\nORDER BY b;\n";

    fn check(text: &str, cluster: &str, expected: &[&str]) {
        let config = sink::Config { cluster: cluster.to_owned(), ..Default::default() };
        let rendered: Vec<_> = split(text).iter().flat_map(|statement| statement.render(&config)).collect();
        assert_eq!(rendered, expected);
    }

    #[test]
    fn one_server_gets_plain_tables() {
        check(TABLE, "", &["CREATE TABLE IF NOT EXISTS a (\n    b String\n)\nENGINE = MergeTree\nORDER BY b"]);
    }

    #[test]
    fn cluster_gets_replicated_tables_and_one_over_all_shards() {
        check(
            TABLE,
            "c",
            &[
                "CREATE TABLE IF NOT EXISTS a_local ON CLUSTER 'c' (\n    b String\n)\nENGINE = ReplicatedMergeTree\nORDER BY b",
                "CREATE TABLE IF NOT EXISTS a ON CLUSTER 'c' AS a_local\nENGINE = Distributed('c', 'yinliu', 'a_local', cityHash64(b))",
            ],
        );
    }

    #[test]
    fn cluster_feeds_a_table_from_the_inserts_of_each_shard() {
        check(
            "CREATE MATERIALIZED VIEW v TO t (a String)\nAS\nSELECT a\nFROM facts\nWHERE a != '';\n",
            "c",
            &[
                "CREATE MATERIALIZED VIEW IF NOT EXISTS v ON CLUSTER 'c' TO t (a String)\nAS\nSELECT a\nFROM facts_local\nWHERE a != ''",
            ],
        );
    }

    #[test]
    fn cluster_gets_views_on_every_server() {
        check(
            "CREATE VIEW v (a String)\nAS\nSELECT 1;\n",
            "c",
            &["CREATE VIEW IF NOT EXISTS v ON CLUSTER 'c' (a String)\nAS\nSELECT 1"],
        );
    }

    #[test]
    fn later_file_puts_a_view_in_the_place_of_an_earlier_one() {
        let text = "CREATE OR REPLACE VIEW v (a String)\nAS\nSELECT 1;\n";
        check(text, "", &["CREATE OR REPLACE VIEW v (a String)\nAS\nSELECT 1"]);
        check(text, "c", &["CREATE OR REPLACE VIEW v ON CLUSTER 'c' (a String)\nAS\nSELECT 1"]);
    }
}
