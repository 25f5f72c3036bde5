//! Kafka: does it answer, are the topics there, do they keep what must be kept?
//!
//! Invariant: reads metadata and settings of topics alone; joins no group.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    metadata::Metadata,
};

use super::Finding;
use crate::{
    dedup, directory, log,
    source::{self, Complaints, client_settings, complaint},
};

/// Long enough for a broker that is just starting to be asked twice.
const PATIENCE: Duration = Duration::from_secs(10);

/// A row that is compacted away sooner may be gone before a process that was stopped over night reads it.
const COMPACTION_LAG_MIN: Duration = Duration::from_hours(24);

/// Partitions of each topic that exists.
type Partitions = BTreeMap<String, usize>;

/// Settings by topic and name.
type Settings = BTreeMap<String, HashMap<String, String>>;

pub(super) async fn check(
    kafka: &source::Config,
    directory: &directory::Config,
    dedup: &dedup::Config,
) -> Vec<Finding> {
    let config = client_settings(kafka, []);
    let brokers = kafka.brokers.join(",");
    let asked = {
        let config = config.clone();
        tokio::task::spawn_blocking(move || metadata(&config)).await
    };
    let partitions = match asked {
        Ok(Ok(partitions)) => partitions,
        Ok(Err(why)) => return vec![unreachable(&brokers, &why)],
        Err(error) => return vec![unreachable(&brokers, &log::chain(&error))],
    };
    let mut findings = vec![Finding::good(format!("Kafka at `{brokers}`"))];
    findings.extend(judge_topics(&kafka.topics, directory, &partitions));
    match settings(&config, &partitions, &kafka.topics).await {
        Ok(settings) => findings.extend(judge_settings(&kafka.topics, dedup, &settings)),
        Err(error) => findings.push(Finding::warning(format!(
            "settings of topics: {}; grant `DESCRIBE_CONFIGS` to have retention and compaction checked",
            log::chain(&error)
        ))),
    }
    findings
}

fn unreachable(brokers: &str, why: &str) -> Finding {
    Finding::fault(format!(
        "Kafka at `{brokers}`: {why}; start it, or correct `kafka.brokers` and the credentials in `kafka.options`"
    ))
}

/// Blocks for at most twice [`PATIENCE`].
fn metadata(config: &ClientConfig) -> Result<Partitions, String> {
    let consumer: BaseConsumer<Complaints> =
        config.create_with_context(Complaints::default()).map_err(|error| log::chain(&error))?;
    match consumer.fetch_metadata(None, PATIENCE) {
        Ok(metadata) => Ok(partitions(&metadata)),
        Err(error) => Err(complaint(&consumer).map_or_else(|| log::chain(&error), |complaint| complaint.to_string())),
    }
}

fn partitions(metadata: &Metadata) -> Partitions {
    let there = metadata.topics().iter().filter(|topic| topic.error().is_none());
    there.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect()
}

/// Settings of those of our topics that exist.
async fn settings(
    config: &ClientConfig,
    partitions: &Partitions,
    topics: &source::Topics,
) -> Result<Settings, KafkaError> {
    let admin = AdminClient::from_config_and_context(config, Complaints::default())?;
    let ours = topics.input.iter().chain(references(topics).map(|(_, topic)| topic));
    let asked: Vec<_> =
        ours.filter(|topic| partitions.contains_key(*topic)).map(|topic| ResourceSpecifier::Topic(topic)).collect();
    if asked.is_empty() {
        return Ok(Settings::new());
    }
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let mut settings = Settings::new();
    let answers = admin.describe_configs(asked.iter(), &options).await?;
    for (topic, answer) in asked.iter().zip(answers) {
        let ResourceSpecifier::Topic(topic) = topic else { continue };
        let entries = answer.map_err(KafkaError::AdminOp)?.entries;
        let known = entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect();
        settings.insert((*topic).to_owned(), known);
    }
    Ok(settings)
}

/// The compacted topics by role.
fn references(topics: &source::Topics) -> impl Iterator<Item = (&'static str, &String)> {
    [("org", &topics.org), ("channel", &topics.channel), ("target", &topics.target), ("contest", &topics.contest)]
        .into_iter()
}

fn judge_topics(topics: &source::Topics, directory: &directory::Config, there: &Partitions) -> Vec<Finding> {
    let needed = |role: &str, topic: &String| match there.get(topic) {
        Some(partitions @ 1..) => Finding::good(format!("topic `{topic}` with {partitions} partitions")),
        Some(0) | None => {
            Finding::fault(format!("topic `{topic}` does not exist: create it, or correct `kafka.topics.{role}`"))
        }
    };
    let mut findings: Vec<Finding> = topics.input.iter().map(|topic| needed("input", topic)).collect();
    findings.push(needed("dead_letter", &topics.dead_letter));
    let files = [&directory.org_file, &directory.channel_file, &directory.target_file, &directory.contest_file];
    for ((role, topic), file) in references(topics).zip(files) {
        findings.push(match (there.contains_key(topic), file) {
            (true, _) => Finding::good(format!("topic `{topic}`")),
            (false, Some(_)) => Finding::good(format!("no topic `{topic}`, but `directory.{role}_file`")),
            (false, None) => Finding::warning(format!(
                "topic `{topic}` does not exist: create it, or set `directory.{role}_file`, or do without"
            )),
        });
    }
    findings
}

/// Warns of topics that forget too early; says nothing of those that do not.
fn judge_settings(topics: &source::Topics, dedup: &dedup::Config, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for topic in &topics.input {
        let retention = milliseconds(settings, topic, "retention.ms");
        if retention.is_some_and(|kept| kept < dedup.span) {
            findings.push(Finding::warning(format!(
                "topic `{topic}` keeps records for less than `dedup.span`: raise its `retention.ms`, \
                 or repetitions are not recognised after a restart"
            )));
        }
    }
    for (_, topic) in references(topics) {
        let policy = settings.get(topic).and_then(|settings| settings.get("cleanup.policy"));
        if policy.is_some_and(|policy| policy != "compact") {
            findings.push(Finding::warning(format!(
                "topic `{topic}` loses rows that are still valid: set its `cleanup.policy` to `compact`"
            )));
        }
        let lag = milliseconds(settings, topic, "min.compaction.lag.ms");
        if lag.is_some_and(|lag| lag < COMPACTION_LAG_MIN) {
            findings.push(Finding::warning(format!(
                "topic `{topic}` may forget a row before it is read: \
                 set its `min.compaction.lag.ms` to 86400000 (a day) or more"
            )));
        }
    }
    findings
}

/// A setting in milliseconds; `None` where it is not known or -1, without limit.
fn milliseconds(settings: &Settings, topic: &str, name: &str) -> Option<Duration> {
    settings.get(topic)?.get(name)?.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::{super::Mark, *};

    fn marks(findings: &[Finding]) -> Vec<Mark> {
        findings.iter().map(|finding| finding.mark).collect()
    }

    fn there(topics: &[(&str, usize)]) -> Partitions {
        topics.iter().map(|(topic, partitions)| ((*topic).to_owned(), *partitions)).collect()
    }

    #[test]
    fn missing_input_and_dead_letter_are_faults_and_missing_reference_data_a_warning() {
        let topics = source::Topics { input: vec!["a".to_owned(), "b".to_owned()], ..Default::default() };
        let directory = directory::Config { channel_file: Some("c.csv".into()), ..Default::default() };
        let found = judge_topics(&topics, &directory, &there(&[("a", 4), ("yinliu.org.v1", 1)]));
        let expected = [Mark::Good, Mark::Fault, Mark::Fault, Mark::Good, Mark::Good, Mark::Warning, Mark::Warning];
        assert_eq!(marks(&found), expected, "{found:?}");
    }

    /// One topic with one setting gives this many warnings.
    fn check_setting(topic: &str, name: &str, value: &str, warnings: usize) {
        let settings = Settings::from([(topic.to_owned(), HashMap::from([(name.to_owned(), value.to_owned())]))]);
        let found = judge_settings(&source::Topics::default(), &dedup::Config::default(), &settings);
        assert_eq!(marks(&found), vec![Mark::Warning; warnings], "{topic} {name}={value}: {found:?}");
    }

    #[test]
    fn topic_that_forgets_too_early_is_a_warning() {
        check_setting("yinliu.friend.v1", "retention.ms", "86399999", 1);
        check_setting("yinliu.friend.v1", "retention.ms", "86400000", 0);
        check_setting("yinliu.friend.v1", "retention.ms", "-1", 0);
        check_setting("yinliu.org.v1", "cleanup.policy", "delete", 1);
        check_setting("yinliu.org.v1", "cleanup.policy", "compact,delete", 1);
        check_setting("yinliu.org.v1", "cleanup.policy", "compact", 0);
        check_setting("yinliu.channel.v1", "min.compaction.lag.ms", "0", 1);
        check_setting("yinliu.channel.v1", "min.compaction.lag.ms", "86400000", 0);
    }
}
