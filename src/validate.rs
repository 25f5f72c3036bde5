//! The check before a start: can these settings work against this Kafka and this ClickHouse?
//!
//! Invariant: changes nothing outside. A finding that is not good says what to do.

use std::fmt;

use crate::config::Config;

mod clickhouse;
mod kafka;

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Ask Kafka and ClickHouse.
    Check,
    /// The configuration alone.
    Skip,
}

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Good,
    /// It works, but not as well as it should.
    Warning,
    /// It cannot work.
    Fault,
}

/// One line of the checklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub mark: Mark,
    /// What was found; for a warning or a fault also what to do.
    pub text: String,
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self { mark: Mark::Good, text: text.into() }
    }

    fn warning(text: impl Into<String>) -> Self {
        Self { mark: Mark::Warning, text: text.into() }
    }

    fn fault(text: impl Into<String>) -> Self {
        Self { mark: Mark::Fault, text: text.into() }
    }
}

/// The checklist; its text has one line per finding and a line that sums up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(pub Vec<Finding>);

impl Report {
    /// Whether nothing stands in the way of a start.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.count(Mark::Fault) == 0
    }

    fn count(&self, mark: Mark) -> usize {
        self.0.iter().filter(|finding| finding.mark == mark).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.0 {
            let mark = match finding.mark {
                Mark::Good => '✓',
                Mark::Warning => '!',
                Mark::Fault => '✗',
            };
            writeln!(out, "{mark} {}", finding.text)?;
        }
        writeln!(out, "{} faults, {} warnings", self.count(Mark::Fault), self.count(Mark::Warning))
    }
}

/// Looks at a configuration that was loaded, and so is without mistakes, and at what it points to.
pub async fn run(config: &Config, environment: Environment) -> Report {
    let mut findings = vec![Finding::good("configuration"), board(config)];
    if environment == Environment::Check {
        let (kafka, clickhouse) = tokio::join!(
            kafka::check(&config.kafka, &config.directory, &config.dedup),
            clickhouse::check(&config.clickhouse, &config.chunk)
        );
        findings.extend(files(config));
        findings.extend(kafka);
        findings.extend(clickhouse);
    }
    Report(findings)
}

/// Who may look at the board.
fn board(config: &Config) -> Finding {
    let (listen, access) = (config.board.listen, &config.board.access);
    if access.is_open() {
        let text =
            format!("board `{listen}`: shows everything to whoever reaches it; set a key in `board.access.keys`");
        return Finding::warning(text);
    }
    let proxy = if access.proxy_header.is_empty() { "" } else { ", and a trusted proxy" };
    Finding::good(format!("board `{listen}`: {} keys sign links{proxy}", access.keys.len()))
}

/// The CSV files that the configuration names.
fn files(config: &Config) -> Vec<Finding> {
    let directory = &config.directory;
    [
        ("org_file", &directory.org_file),
        ("channel_file", &directory.channel_file),
        ("target_file", &directory.target_file),
        ("contest_file", &directory.contest_file),
        ("cost_file", &directory.cost_file),
        ("official_file", &directory.official_file),
    ]
    .into_iter()
    .filter_map(|(name, file)| file.as_ref().map(|file| (name, file)))
    .map(|(name, file)| match std::fs::File::open(file) {
        Ok(_) => Finding::good(format!("file `{}`", file.display())),
        Err(error) => Finding::fault(format!("file `{}`: {error}; correct `directory.{name}`", file.display())),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn configuration_alone_is_checked_without_kafka_and_clickhouse() {
        let mut config = Config::default();
        config.board.access.keys.insert("k".to_owned(), crate::board::access::Secret::new("s3cr3t"));
        let report = run(&config, Environment::Skip).await;
        let expected = "✓ configuration\n✓ board `127.0.0.1:8080`: 1 keys sign links\n0 faults, 0 warnings\n";
        assert_eq!(report.to_string(), expected);
        assert!(report.is_good());
    }

    #[test]
    fn board_that_anybody_can_read_is_a_warning() {
        let found = board(&Config::default());
        assert!(found.mark == Mark::Warning && found.text.contains("`board.access.keys`"), "{found:?}");
    }

    #[test]
    fn warning_does_not_stand_in_the_way_and_a_fault_does() {
        let mut report = Report(vec![Finding::warning("a")]);
        assert!(report.is_good());
        report.0.push(Finding::fault("b"));
        assert_eq!((report.is_good(), report.to_string().as_str()), (false, "! a\n✗ b\n1 faults, 1 warnings\n"));
    }

    #[test]
    fn missing_file_is_a_fault_that_names_its_setting() {
        let mut config = Config::default();
        config.directory.org_file = Some("missing.csv".into());
        let found = files(&config);
        assert!(
            found.len() == 1 && found[0].mark == Mark::Fault && found[0].text.contains("`directory.org_file`"),
            "{found:?}"
        );
    }

    #[tokio::test]
    async fn unreachable_clickhouse_is_a_fault_that_names_the_setting_and_no_password() {
        // A port that was free a moment ago: nobody listens there now.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = crate::sink::Config {
            url: format!("http://{address}"),
            password: "s3cr3t".to_owned(),
            ..Default::default()
        };
        let found = clickhouse::check(&config, &crate::chunk::Config::default()).await;
        assert!(found.len() == 1 && found[0].mark == Mark::Fault, "{found:?}");
        assert!(found[0].text.contains("`clickhouse.url`") && !found[0].text.contains("s3cr3t"), "{found:?}");
    }
}
