//! Kafka over TLS with a password, by `[kafka.options]` alone.
//!
//! Invariant: what the broker or the certificate refuses is told where an operator looks, in the client's own words.

use serde_json::Value;

use crate::{
    recount::assert_counts_equal_the_log,
    support::{
        engine::Engine,
        load::Load,
        secured::{PASSWORD, Secured},
        stage::{SOON, Stage},
        yinliu::Yinliu,
    },
};

/// The configuration of a process that reaches the broker over TLS, by this password.
fn config(stage: &Stage<'_>, secured: &Secured, password: &str) -> Value {
    let mut config = stage.config();
    config["kafka"]["brokers"] = secured.brokers.as_str().into();
    config["kafka"]["options"] = secured.options(password);
    config
}

#[tokio::test]
async fn events_are_counted_over_tls_with_a_password() {
    let (secured, engine) = (Secured::start(), Engine::start());
    let stage = Stage::new(&secured.kafka, engine.url(), "secured");
    stage.build(2).await;
    stage.create_board_topics().await;
    let mut load = Load::new(&stage, 41);
    load.send_reference().await;
    load.send(500).await;
    let mut yinliu = Yinliu::start(&config(&stage, &secured, PASSWORD));
    stage.until_in(SOON).await;
    assert_counts_equal_the_log(&stage).await;
    assert!(!stage.letters().is_empty(), "letters go the same way");
    for words in [&["validate"][..], &["verify", "--deep", "--from", "2026-01-01", "--to", "2027-12-31"]] {
        let (good, said) = yinliu.command(words);
        assert!(good, "{words:?}: {said}");
    }
    // Last, for its own records are no part of the recount.
    let (good, said) = yinliu.command(&["generate", "--count", "50"]);
    assert!(good, "{said}");
    yinliu.stop();

    check_refused(&config(&stage, &secured, "wrong"), "SASL authentication error: Authentication failed").await;
    let mut unknown = config(&stage, &secured, PASSWORD);
    unknown["kafka"]["options"].as_object_mut().unwrap().remove("ssl.ca.location");
    unknown["kafka"]["options"]["debug"] = "security".into();
    let said = check_refused(&unknown, "certificate verify failed").await;
    assert!(said.contains("Setting default CA certificate location"), "the system's authorities count: {said}");
}

/// `validate` and `/readyz` say this of such a configuration; what `validate` said at its most talkative.
async fn check_refused(config: &Value, why: &str) -> String {
    let mut yinliu = Yinliu::start(config);
    let (good, said) = yinliu.command(&["validate", "--log", "debug"]);
    assert!(!good && said.contains("✗ Kafka at") && said.contains(why), "`{why}`: {said}");
    yinliu.until_ready_is(503, why, SOON).await;
    yinliu.kill();
    said
}
