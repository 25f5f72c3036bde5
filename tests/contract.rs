//! The running board and its description in `schemas/openapi.yaml` say the same.
//!
//! Invariant: the description is read, not repeated here, so a new path or parameter is held to it at once.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use yinliu::board::api::Part;

use crate::support::{
    board::Board,
    engine::Engine,
    kafka, poll,
    stage::{SOON, Stage},
    told::{CORP, Told},
    yinliu::Yinliu,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn description() -> Value {
    let text = fs::read_to_string(root().join("schemas/openapi.yaml")).unwrap();
    serde_yaml_ng::from_str(&text).unwrap()
}

/// A board with figures of the real pipeline, and one of its staff; all tests ask the same one.
async fn board() -> (&'static Board, &'static str) {
    let (board, staff, _, _) = told().await;
    (board, staff)
}

/// The same with the configuration by which others are started.
async fn told() -> &'static (Board, String, Value, Engine) {
    static BOARD: OnceCell<(Board, String, Value, Engine)> = OnceCell::const_new();
    BOARD
        .get_or_init(|| async {
            let engine = Engine::start();
            let stage = Stage::new(kafka::shared(), engine.url(), "contract");
            let mut told = Told::tell(&stage).await;
            told.pipeline.stop();
            // The tests ask faster than any viewers.
            told.config["board"] = json!({ "limits": { "requests_per_second": 100_000, "requests_burst": 100_000 } });
            (Board::start(&told.config), told.brand.staff[0].id.clone(), told.config, engine)
        })
        .await
}

/// The answer, for which a board may ask to wait: beside all other tests ClickHouse reads slower than a viewer would.
async fn answered(board: &Board, asked: &str) -> (u16, String) {
    poll::until(asked, SOON, async || match board.get(asked, "")? {
        (503, answer) => Err(answer),
        answer => Ok(answer),
    })
    .await
}

/// Follows references within the description.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => resolved(document, document.pointer(reference.trim_start_matches('#')).expect(reference)),
        None => value,
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// The operations of the board: path and operation.
fn operations(document: &Value) -> Vec<(&String, &Value)> {
    tagged(document, "board")
}

fn tagged<'a>(document: &'a Value, tag: &str) -> Vec<(&'a String, &'a Value)> {
    let all = object(&document["paths"]).iter().map(|(path, item)| (path, &item["get"]));
    let tagged: Vec<_> = all.filter(|(_, operation)| operation["tags"] == json!([tag])).collect();
    assert!(tagged.len() > 3, "the description names paths of `{tag}`");
    tagged
}

/// The parameters of an operation that stand in the address.
fn parameters<'a>(document: &'a Value, operation: &'a Value) -> impl Iterator<Item = &'a Value> {
    let all = operation["parameters"].as_array().unwrap().iter();
    all.map(|parameter| resolved(document, parameter)).filter(|parameter| parameter["in"] == "query")
}

/// The parameters without which an operation answers nothing, but for one: `scope=staff:s1&`.
fn needed(document: &Value, operation: &Value, but: &str, staff: &str) -> String {
    let needed = parameters(document, operation).filter(|parameter| parameter["required"] == true);
    let names = needed.map(|parameter| parameter["name"].as_str().unwrap()).filter(|name| *name != but);
    let value = |name: &str| if name == "scope" { format!("staff:{staff}") } else { "1".to_owned() };
    names.map(|name| format!("{name}={}&", value(name))).collect::<Vec<_>>().concat()
}

/// Values that a parameter must take, by its schema, and one that it must not.
fn values(parameter: &Value, name: &str, staff: &str) -> (Vec<String>, Option<&'static str>) {
    let schema = &parameter["schema"];
    let listed = schema["enum"].as_array().or_else(|| schema["anyOf"][0]["enum"].as_array());
    if let Some(values) = listed {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return (values.iter().map(text).collect(), Some("other"));
    }
    match name {
        "corp" => (vec![CORP.to_owned()], Some("a%2Fb")),
        "scope" if parameter["required"] == true => (vec![format!("staff:{staff}")], Some("planet:mars")),
        "q" => (vec!["1".to_owned()], Some("")),
        "scope" => (vec!["corp".to_owned()], Some("planet:mars")),
        "day" => (vec!["2026-01-31".to_owned()], Some("2026-02-30")),
        _ if schema["anyOf"][0]["type"] == "integer" => (vec!["0".to_owned(), "7".to_owned()], Some("-1")),
        _ => (Vec::new(), None),
    }
}

/// Whether an answer is one of those that the operation describes.
fn check(document: &Value, operation: &Value, asked: &str, (status, answer): (u16, String)) {
    let described = &operation["responses"][status.to_string()];
    assert!(!described.is_null(), "{asked}: {status} is not described\n{answer}");
    let described = resolved(document, described);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    for header in described["headers"].as_object().into_iter().flatten().map(|(name, _)| name.to_lowercase()) {
        assert!(field(&header).is_some() || header == "set-cookie", "{asked}: no {header}\n{head}");
    }
    let Some(content) = described["content"].as_object() else { return };
    let kind = field("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let media = content.get(kind).unwrap_or_else(|| panic!("{asked}: {kind} is not described\n{head}"));
    if kind.ends_with("json") {
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{asked}: {error}\n{body}"));
        check_schema(document, &media["schema"], asked, &body);
    }
}

/// Whether the first event of a stream is a Picture as described.
async fn check_picture(document: &Value, board: &Board, asked: &str) {
    let path = asked.strip_prefix("/api/v1/").unwrap();
    let picture = poll::until(path, SOON, async || board.first_event(path)).await;
    check_schema(document, &json!({ "$ref": "#/components/schemas/Picture" }), asked, &picture);
}

fn check_schema(document: &Value, schema: &Value, asked: &str, value: &Value) {
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{asked}: {errors:?}\n{value}");
}

#[tokio::test]
async fn a_stream_sends_of_each_page_what_the_description_says_that_it_paints() {
    let (document, (board, _)) = (description(), board().await);
    let rows = ["rows", "order"].as_slice();
    for (view, parts) in [
        ("today", &[rows, &["groups"]].concat()),
        ("rank", &[rows, &["mine"]].concat()),
        ("channels", &vec!["channels"]),
        ("me", &vec!["groups"]),
        ("wall", &[rows, &["groups", "regions", "news"]].concat()),
    ] {
        let asked = format!("/api/v1/stream?corp={CORP}&level=store&view={view}");
        check_picture(&document, board, &asked).await;
        let picture = board.first_event(asked.strip_prefix("/api/v1/").unwrap()).unwrap();
        let found: BTreeSet<_> = object(&picture).keys().map(String::as_str).collect();
        let common = ["revision", "business_date", "metric", "freshness", "figures"];
        assert_eq!(found, common.iter().chain(parts).copied().collect(), "{view}");
    }
}

#[tokio::test]
async fn every_path_and_every_value_of_its_parameters_is_answered_as_described() {
    let (document, (board, staff)) = (description(), board().await);
    for (path, operation) in operations(&document) {
        let events = path.ends_with("/stream");
        let ask = async |but: &str, query: &str, expected: u16| {
            let asked = format!("{path}?{}{query}", needed(&document, operation, but, staff));
            if events && expected == 200 {
                check_picture(&document, board, &asked).await;
                return;
            }
            let (status, answer) = answered(board, &asked).await;
            assert_eq!(status, expected, "{asked}: {answer}");
            check(&document, operation, &asked, (status, answer));
        };
        ask("", "", 200).await;
        let mut described = BTreeSet::new();
        for parameter in parameters(&document, operation) {
            let name = parameter["name"].as_str().unwrap();
            described.insert(name);
            let (good, bad) = values(parameter, name, staff);
            assert!(!good.is_empty(), "{path}: no value of `{name}` is known to be good");
            for value in good {
                ask(name, &format!("corp={CORP}&{name}={value}"), 200).await;
            }
            if let Some(value) = bad {
                ask(name, &format!("{name}={value}"), 400).await;
            }
        }
        assert!(described.contains("corp"), "{path} describes its parameters");
    }
}

#[tokio::test]
async fn what_a_guarded_board_refuses_is_answered_as_described() {
    let (document, (_, staff, config, _)) = (description(), told().await);
    let guarded = |limits: &Value| {
        let mut config = config.clone();
        let keys = json!({ "k1": "0123456789abcdef0123456789abcdef" });
        config["board"] = json!({ "access": { "keys": keys }, "limits": limits });
        Board::start(&config)
    };
    let (board, hurried) = (
        guarded(&config["board"]["limits"]),
        // The least that a configuration may allow.
        guarded(&json!({ "requests_per_second": 1, "requests_burst": 14 })),
    );
    let link = board.link(&["--scope", &format!("staff:{staff}"), "--role", "staff", "--corp", CORP]);
    let token = link.split("token=").nth(1).unwrap();
    let cookie = format!("Cookie: yinliu_board={token}\r\n");
    for (path, operation) in operations(&document) {
        let needed = needed(&document, operation, "", staff);
        let cases = [
            (String::new(), "", 401),
            ("corp=other".to_owned(), cookie.as_str(), 403),
            (format!("token={token}"), "", 303),
        ];
        for (query, header, expected) in cases {
            let asked = format!("{path}?{needed}{query}");
            let answer = board.get(&asked, header).unwrap();
            assert_eq!(answer.0, expected, "{asked}: {}", answer.1);
            check(&document, operation, &asked, answer);
        }
        let mut answers = (0..100).map(|_| hurried.get(path, "").unwrap());
        let beyond = answers.find(|(status, _)| *status == 429).expect("a limit");
        check(&document, operation, path, beyond);
    }
}

#[tokio::test]
async fn an_answer_that_is_known_is_not_sent_again_on_any_path_that_names_a_tag() {
    let (document, (board, staff)) = (description(), board().await);
    for (path, operation) in operations(&document) {
        if operation["responses"]["304"].is_null() {
            continue;
        }
        let asked = format!("{path}?{}corp={CORP}&day=2026-01-31", needed(&document, operation, "", staff));
        let (_, first) = answered(board, &asked).await;
        let tag = first.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag");
        let again = board.get(&asked, &format!("If-None-Match: {tag}\r\n")).unwrap();
        assert_eq!(again.0, 304, "{asked}: {}", again.1);
    }
}

#[tokio::test]
async fn every_file_of_the_pages_is_described_and_answered() {
    let (document, (board, _)) = (description(), board().await);
    let operation = &document["paths"]["/assets/{name}"]["get"];
    let described = operation["parameters"][0]["schema"]["enum"].as_array().unwrap();
    let described: BTreeSet<_> = described.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let folder = fs::read_dir(root().join("src/board/assets")).unwrap();
    let files: BTreeSet<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(described, files);
    for name in files.iter().chain([&"other.css".to_owned()]) {
        let asked = format!("/assets/{name}");
        let (status, answer) = answered(board, &asked).await;
        assert_eq!(status, if described.contains(name) { 200 } else { 404 }, "{asked}: {answer}");
        check(&document, operation, &asked, (status, answer));
    }
}

#[tokio::test]
async fn every_path_for_operators_is_answered_as_described() {
    let document = description();
    // Nobody answers at either address, so that it never becomes ready.
    let away = json!({ "kafka": { "brokers": "127.0.0.1:1" }, "clickhouse": { "url": "http://127.0.0.1:1" } });
    let mut yinliu = Yinliu::start(&away);
    yinliu.until_ready_is(503, "ClickHouse", SOON).await;
    for (path, operation) in tagged(&document, "admin") {
        let answer = yinliu.answer(path).unwrap();
        assert_eq!(answer.0, if path == "/readyz" { 503 } else { 200 }, "{path}: {}", answer.1);
        check(&document, operation, path, answer);
    }
    yinliu.stop();
}

/// The routes that a file of the code serves, before its tests.
fn routes(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let after = code.split(".route(").skip(1);
    after.map(|call| call.split('"').nth(1).expect("a route is a text").to_owned()).collect()
}

#[test]
fn every_route_is_described_and_every_path_has_a_route() {
    let document = description();
    let mut routes: BTreeSet<_> = routes("src/admin.rs").into_iter().chain(routes("src/board/routes.rs")).collect();
    // One route for all figures; which there are its own room says.
    assert!(routes.remove("/api/v1/{*part}"));
    routes.extend(Part::ALL.iter().map(|part| format!("/api/v1/{}", part.name())));
    let described: BTreeSet<_> = object(&document["paths"]).keys().cloned().collect();
    assert_eq!(routes, described);
}

/// Streams do not end, and Schemathesis waits for the end of an answer.
const UNENDING: &str = "/api/v1/stream";

#[tokio::test]
async fn schemathesis_finds_no_answer_that_is_not_described() {
    let (board, _) = board().await;
    let program = root().join(".cache/schemathesis/bin/schemathesis");
    assert!(program.is_file(), "run `deploy/fetch-python.sh schemathesis`, or `make test`");
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.arg("--config-file").arg(root().join("tests/schemathesis.toml"));
    command.arg("run").arg(root().join("schemas/openapi.yaml")).args(["--url", &board.url()]);
    command.args(["--include-tag", "board", "--exclude-path", UNENDING]);
    command.args(["--checks", "all", "--exclude-checks", "ignored_auth,positive_data_acceptance"]);
    command.args(["--max-examples", "15", "--seed", "1", "--generation-database", "none", "--no-color"]);
    let output = command.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
