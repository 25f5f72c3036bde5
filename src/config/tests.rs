//! Promises of the configuration.

use std::{path::PathBuf, time::Duration};

use super::*;

/// Files by text, variables, arguments.
fn load_all(files: &[&str], variables: &[(&str, &str)], set: &[&str]) -> Result<Config, Mistakes> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let path = folder.path().join(format!("{index}.toml"));
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let set: Vec<String> = set.iter().map(|&argument| argument.to_owned()).collect();
    load(&paths, variables, &set, Board::Served)
}

fn file(text: &str) -> Result<Config, Mistakes> {
    load_all(&[text], &[], &[])
}

/// The mistakes, without the folder of the files.
fn mistakes(result: Result<Config, Mistakes>) -> Vec<String> {
    let name = |line: String| match line.split_once(".toml:") {
        Some((path, rest)) => format!("{}.toml:{rest}", path.rsplit('/').next().unwrap()),
        None => line,
    };
    result.unwrap_err().0.iter().map(|mistake| name(mistake.to_string())).collect()
}

#[test]
fn no_configuration_is_the_defaults() {
    assert_eq!(load_all(&[], &[("HOME", "/"), ("YINLIU_PORT", "tcp://10.0.0.1:80")], &[]).unwrap(), Config::default());
}

#[test]
fn later_layer_wins_setting_by_setting() {
    let config = load_all(
        &[
            "[clickhouse]\nuser = \"a\"\ndatabase = \"a\"\npassword = \"a\"\n",
            "[clickhouse]\nuser = \"b\"\n[chunk]\nbits = 5\n",
        ],
        &[("YINLIU__CLICKHOUSE__PASSWORD", "c"), ("YINLIU__CHUNK__BITS", "6")],
        &["chunk.bits=7", "flush.interval=250ms"],
    )
    .unwrap();
    assert_eq!((config.clickhouse.user.as_str(), config.clickhouse.database.as_str()), ("b", "a"));
    assert_eq!((config.clickhouse.password.as_str(), config.chunk.bits), ("c", 7));
    assert_eq!(config.flush.interval, Duration::from_millis(250));
}

#[test]
fn password_of_digits_keeps_its_zeros_and_a_number_is_a_number() {
    let variables = [("YINLIU__CLICKHOUSE__PASSWORD", "0012345"), ("YINLIU__DEDUP__RECORDS", "1000")];
    let config = load_all(&[], &variables, &["clickhouse.user=007"]).unwrap();
    assert_eq!((config.clickhouse.password.as_str(), config.clickhouse.user.as_str()), ("0012345", "007"));
    assert_eq!(config.dedup.records, 1_000);
}

#[test]
fn brokers_are_text_with_commas_or_a_list() {
    let expected = ["a:1".to_owned(), "b:2".to_owned()];
    assert_eq!(file("kafka.brokers = 'a:1, b:2'").unwrap().kafka.brokers, expected);
    assert_eq!(file("kafka.brokers = ['a:1', 'b:2']").unwrap().kafka.brokers, expected);
    assert_eq!(load_all(&[], &[("YINLIU__KAFKA__BROKERS", "a:1,b:2")], &[]).unwrap().kafka.brokers, expected);
}

#[test]
fn librdkafka_option_has_one_name_however_it_is_written() {
    let check = |config: Result<Config, Mistakes>| {
        let options = config.unwrap().kafka.options;
        assert_eq!(options.into_iter().collect::<Vec<_>>(), [("security.protocol".to_owned(), "ssl".to_owned())]);
    };
    check(file("[kafka.options]\n\"security.protocol\" = \"ssl\""));
    check(file("[kafka.options]\nsecurity.protocol = \"ssl\""));
    check(file("[kafka.options.security]\nprotocol = \"ssl\""));
    check(load_all(&[], &[("YINLIU__KAFKA__OPTIONS__SECURITY_PROTOCOL", "ssl")], &[]));
    check(load_all(&[], &[], &["kafka.options.security.protocol=ssl"]));
    check(load_all(&[], &[], &["kafka.options.\"security.protocol\"=ssl"]));
    let number = file("[kafka.options]\nsession.timeout.ms = 10000").unwrap();
    assert_eq!(number.kafka.options["session.timeout.ms"], "10000");
}

#[test]
fn corp_id_keeps_its_case_and_its_dots() {
    let variables = [("YINLIU__CORP__wwAbC__TIME_ZONE", "Asia/Tokyo")];
    let config = load_all(&["[corp.wwAbC]\ncurrency = \"JPY\""], &variables, &["corp.\"a.B\".currency=EUR"]).unwrap();
    let corp = &config.corp["wwAbC"];
    assert_eq!((corp.time_zone.as_str(), corp.currency.as_str()), ("Asia/Tokyo", "JPY"));
    assert_eq!(config.corp["a.B"].currency, "EUR");
}

#[test]
fn every_mistake_of_form_is_told_with_its_place_and_the_nearest_name() {
    let variables = [("YINLIU__CLICKHOUSE__PASWORD", "x"), ("YINLIU_CHUNK__BITS", "9"), ("YINLIU__BOARD", "1")];
    let text = "[kafka]\nbrokres = 'a:1'\ngroup = 7\n\n[chunk]\n  bits = 'x'\n[topics]\ninput = 'a'\n";
    let found =
        mistakes(load_all(&[text], &variables, &["dedup.record=5", "flush", "nothing.here=1", "chunk.bits.x=1"]));
    let expected = [
        "0.toml:2:1: unknown key `kafka.brokres`, did you mean `kafka.brokers`?",
        "0.toml:3:9: `kafka.group`: invalid type: integer `7`, expected a string",
        "0.toml:6:10: `chunk.bits`: invalid type: string \"x\", expected u32",
        "0.toml:7:2: unknown key `topics`, did you mean `kafka.topics`?",
        "YINLIU__CLICKHOUSE__PASWORD: unknown variable, did you mean `YINLIU__CLICKHOUSE__PASSWORD`?",
        "YINLIU_CHUNK__BITS: unknown variable, did you mean `YINLIU__CHUNK__BITS`?",
        "YINLIU__BOARD: `board` is a section, not a setting",
        "--set dedup.record: unknown key, did you mean `dedup.records`?",
        "--set flush: give `section.key=value`",
        "--set nothing.here: unknown key; there are `admin`, `board`, `chunk`, `clickhouse`, `corp`, `dedup`, \
         `directory`, `flush`, `kafka`, `memory`, `refresh`",
        "--set chunk.bits.x: unknown key; `chunk.bits` has no parts",
    ];
    assert_eq!(found, expected);
}

#[test]
fn broken_file_is_told_with_line_and_column_and_a_missing_one_by_name() {
    let found = mistakes(file("[kafka]\nbrokers = \n"));
    assert!(found[0].starts_with("0.toml:2:1"), "{found:?}");
    let missing = load(&[PathBuf::from("missing.toml")], std::iter::empty(), &[], Board::Served);
    assert!(mistakes(missing)[0].starts_with("missing.toml:1:1: cannot read the file: "));
}

#[test]
fn every_mistake_of_sense_is_told_at_once_with_its_origin() {
    let text = "[chunk]\nbits = 3\nday_bits = 25\n[flush]\ninterval = '99ms'\n[dedup]\nrecords = 0\nspan = '841h'\n";
    let found = mistakes(load_all(&[text], &[("YINLIU__DIRECTORY__DELAY", "500ms")], &["kafka.group="]));
    let expected = [
        "--set kafka.group: `kafka.group` must not be empty",
        "0.toml:7:11: `dedup.records` must be 1 to 1048576",
        "0.toml:8:8: `dedup.span` must be more than 0 and at most 35 days",
        "0.toml:2:8: `chunk.bits` must be 4 to 20",
        "0.toml:3:12: `chunk.day_bits` must be `chunk.bits` (3) to 24",
        "YINLIU__DIRECTORY__DELAY: `directory.delay` must be 1s to 1h",
        "0.toml:5:12: `flush.interval` must be 100ms to 60s",
    ];
    assert_eq!(found, expected);
}

/// One setting is refused, with a text that holds `part`.
fn check_refused(argument: &str, part: &str) {
    let found = mistakes(load_all(&[], &[], &[argument]));
    assert!(found.len() == 1 && found[0].contains(part), "`{argument}`: {found:?}");
}

#[test]
fn setting_without_sense_is_refused() {
    check_refused("kafka.brokers=", "`host:port`");
    check_refused("kafka.brokers=a", "`a`");
    check_refused("kafka.brokers=a:1,b:0", "`b:0`");
    check_refused("kafka.brokers=a:70000", "`a:70000`");
    check_refused("kafka.topics.input=a,a", "already");
    check_refused("kafka.topics.org=yinliu.order.v1", "`kafka.topics.input` has already");
    check_refused("kafka.topics.org=a b", "cannot be a topic");
    check_refused("kafka.topics.org=..", "cannot be a topic");
    check_refused("clickhouse.url=127.0.0.1:8123", "`http://host:port`");
    check_refused("clickhouse.url=tcp://a:9000", "`http://host:port`");
    check_refused("clickhouse.database=a-b", "`_`");
    check_refused("clickhouse.cluster=a'b", "quotation");
    check_refused("admin.listen=127.0.0.1:8080", "`board.listen`");
    check_refused("admin.listen=0.0.0.0:8080", "`board.listen`");
    check_refused("admin.listen=8080", "invalid socket address");
    check_refused("corp.a.time_zone=Asia/Shangai", "time zone");
    check_refused("corp.a.currency=rmb", "upper-case");
    check_refused("corp.\"a/b\".currency=CNY", "without `/`");
    check_refused("dedup.span=0s", "more than 0");
    check_refused("dedup.span=soon", "`dedup.span`");
}

#[test]
fn address_of_a_board_that_is_served_elsewhere_is_not_judged() {
    for set in ["board.listen=0.0.0.0:8080", "admin.listen=127.0.0.1:8080"] {
        let load = |board| load(&[], std::iter::empty(), &[set.to_owned()], board);
        assert!(load(Board::Served).is_err(), "{set}");
        assert!(load(Board::Elsewhere).is_ok(), "{set}");
    }
}

#[test]
fn option_that_yinliu_decides_or_librdkafka_does_not_know_is_refused() {
    check_refused("kafka.options.group.id=a", "`kafka.group`");
    check_refused("kafka.options.enable.auto.commit=true", "acknowledged");
    check_refused("kafka.options.auto.offset.reset=latest", "ledger");
    check_refused("kafka.options.isolation.level=read_uncommitted", "committed");
    check_refused("kafka.options.secuirty.protocol=ssl", "secuirty.protocol");
    check_refused("kafka.options.session.timeout.ms=soon", "session.timeout.ms");
    check_refused("kafka.options.partition.assignment.strategy=range", "cooperative");
}

#[test]
fn no_secret_is_shown() {
    let secrets = [
        ("YINLIU__CLICKHOUSE__PASSWORD", "s3cr3t"),
        ("YINLIU__KAFKA__OPTIONS__SASL_PASSWORD", "s3cr3t"),
        ("YINLIU__KAFKA__OPTIONS__SSL_KEY_PASSWORD", "s3cr3t"),
        ("YINLIU__KAFKA__OPTIONS__SASL_USERNAME", "anna"),
    ];
    let mut config = load_all(&[], &secrets, &[]).unwrap();
    // This build of librdkafka refuses it, another may not.
    config.kafka.options.insert("sasl.oauthbearer.client.secret".to_owned(), "s3cr3t".to_owned());
    config.clickhouse.url = "http://anna:s3cr3t@host:8123".to_owned();
    for shown in [format!("{config}"), format!("{config:?}"), format!("{config:#?}")] {
        assert!(!shown.contains("s3cr3t") && shown.contains("sasl.username\" = \"anna\""), "{shown}");
    }
}

#[test]
fn mistake_shows_no_secret() {
    for (text, set) in [
        ("clickhouse.password = 5551234", ""),
        ("kafka.options.sasl.password = [5551234]", ""),
        ("", "clickhouse.url=http://anna:5551234@host:8123"),
        ("", "clickhouse.url=tcp://anna:5551234@host:8123"),
    ] {
        let set: &[&str] = if set.is_empty() { &[] } else { &[set] };
        let found = mistakes(load_all(&[text], &[], set));
        assert!(found.len() == 1 && !found[0].contains("5551234"), "{found:?}");
    }
}

#[test]
fn printed_configuration_can_be_loaded_again() {
    let config = file("[corp.a]\ncurrency = \"EUR\"\n[kafka.options]\nclient.id = 'x'\n[dedup]\nspan = '90m'").unwrap();
    assert_eq!(file(&config.to_string()).unwrap(), config);
}

#[test]
fn example_configuration_is_accepted_and_names_every_setting() {
    let example = include_str!("../../deploy/yinliu.toml");
    file(example).unwrap();
    // Settings that are commented out are still named.
    let mut missing = Vec::new();
    let mut walk = vec![(Vec::new(), &*names::ROOT)];
    while let Some((path, node)) = walk.pop() {
        match node {
            names::Node::Section(children) => {
                walk.extend(
                    children
                        .iter()
                        .map(|(name, child)| ([path.as_slice(), std::slice::from_ref(name)].concat(), child)),
                );
            }
            _ if !example.contains(path.last().unwrap()) => missing.push(path.join(".")),
            _ => {}
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn example_configuration_is_the_defaults_where_it_sets_one() {
    let example = file(include_str!("../../deploy/yinliu.toml")).unwrap();
    let expected = Config {
        corp: example.corp.clone(),
        kafka: source::Config { options: example.kafka.options.clone(), ..source::Config::default() },
        ..Config::default()
    };
    assert_eq!(example, expected);
}

#[test]
fn keys_of_the_board_are_read_from_every_layer_and_shown_by_none() {
    let secret = "0123456789abcdef0123456789abcdef";
    let config = load_all(
        &[&format!("board.access.keys.'2026-10' = '{secret}'")],
        &[("YINLIU__BOARD__ACCESS__KEYS__2026_11", secret), ("YINLIU__BOARD__ACCESS__WALL_NAMES", "true")],
        &[],
    )
    .unwrap();
    assert_eq!(config.board.access.keys.keys().collect::<Vec<_>>(), ["2026-10", "2026_11"]);
    assert!(config.board.access.wall_names);
    for shown in [config.to_string(), format!("{config:?}"), format!("{:?}", config.board)] {
        assert!(!shown.contains("0123456789"), "{shown}");
    }
}

#[test]
fn every_limit_of_the_board_has_its_range() {
    let told = |text: &str| mistakes(file(&format!("[board.limits]\n{text}"))).join("\n");
    for name in ["requests_per_second", "streams", "streams_per_address", "connections", "connections_per_address"] {
        assert!(
            told(&format!("{name} = 0")).contains(&format!("`board.limits.{name}` must be 1 to 1000000")),
            "{name}"
        );
    }
    assert!(told("requests_burst = 13").contains("must be 14 to 1000000"));
    for name in ["head_timeout", "answer_timeout", "write_timeout"] {
        assert!(told(&format!("{name} = '1ms'")).contains(&format!("`board.limits.{name}` must be 100ms to 10m")));
    }
    assert!(told("streams = 9000").contains("`board.limits.connections` must be at least `board.limits.streams`"));
}

#[test]
fn every_mistake_of_the_access_to_the_board_is_told() {
    let number = mistakes(file("board.access.keys = {c = 3}"));
    assert_eq!(number, ["0.toml:1:26: `board.access.keys.c` must be text in quotation marks"]);
    let keys = "board.access.keys = {a = '1', b = '2', C = '3'}";
    let proxies = ["board.access.proxy_addresses = 'here'", "board.access.proxy_header = 'x-scope'"];
    let told = proxies.map(|proxy| mistakes(file(&format!("{keys}\n{proxy}"))).join("\n")).join("\n");
    for expected in ["at most two", "32 bytes or more", "`here`, which is neither", "must say whose", "small letters"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}
