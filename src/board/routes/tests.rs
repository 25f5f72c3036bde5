//! The paths of a board over HTTP, on the fixture.
//!
//! Invariant: what is tested goes over a socket, as a browser sends it.

mod headers;
mod limits;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::board::access::grant::Role;
use crate::board::access::{Secret, token};
use crate::board::fixture::Fixture;
use crate::board::fixture::crew::{CREW, CREW_STAFF};
use crate::board::view::Scope;
use crate::board::{Config, serve};
use crate::corp::Corps;

struct Served {
    address: SocketAddr,
    fixture: Arc<Fixture>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

const NOW: i64 = 1_795_329_135;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

async fn served() -> Served {
    served_by(Config::default()).await
}

/// With a key, so that everybody needs a link.
async fn guarded() -> Served {
    let mut config = Config::default();
    config.access.keys.insert("k1".to_owned(), Secret::new(SECRET));
    served_by(config).await
}

/// The header of a viewer with this grant, which expires after so many seconds.
fn cookie(corp: Option<&str>, scope: &str, role: Role, seconds: i64) -> String {
    let grant = Grant::new(corp.map(str::to_owned), Scope::read(scope).unwrap(), role).unwrap();
    let grant = Grant { expires_at: Some(NOW + seconds), ..grant };
    format!("cookie: yinliu_board={}\r\n", token::sign(&grant, ("k1", &Secret::new(SECRET)), NOW - 100))
}

async fn served_by(config: Config) -> Served {
    let fixture = Arc::new(Fixture::default());
    let corps = Corps::new(&HashMap::new()).unwrap();
    let board = Board { config, reader: Arc::<Fixture>::clone(&fixture), corps, wall_ms: || NOW * 1000 };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, board, shutdown.clone()));
    Served { address, fixture, shutdown, task }
}

impl Served {
    /// Asks for a path and reads until `end` was read or the server closes.
    async fn get(&self, path: &str, headers: &str, end: &str) -> (TcpStream, String) {
        let socket = TcpStream::connect(self.address).await.unwrap();
        socket.writable().await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: board\r\n{headers}\r\n");
        assert_eq!(socket.try_write(request.as_bytes()).unwrap(), request.len());
        let text = read_until(&socket, end).await;
        (socket, text)
    }

    async fn whole(&self, path: &str, headers: &str) -> String {
        self.get(path, &format!("connection: close\r\n{headers}"), "\0").await.1
    }

    /// The head of an answer at least, to a request of this method.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> String {
        let socket = TcpStream::connect(self.address).await.unwrap();
        socket.writable().await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: board\r\nconnection: close\r\n{headers}\r\n");
        assert_eq!(socket.try_write(request.as_bytes()).unwrap(), request.len());
        read_until(&socket, if method == "HEAD" { "\r\n\r\n" } else { "\0" }).await
    }
}

async fn read_until(socket: &TcpStream, end: &str) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        socket.readable().await.unwrap();
        match socket.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                bytes.extend_from_slice(&buffer[..read]);
                if String::from_utf8_lossy(&bytes).contains(end) {
                    break;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("read the answer: {error}"),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn the_page_is_never_an_error_while_clickhouse_is_down() {
    let served = served().await;
    served.fixture.down.store(true, Ordering::SeqCst);
    let page = served.whole("/?corp=acme", "").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("data-state=\"loading\""), "{page}");
    let figures = served.whole("/api/v1/summary?corp=acme", "").await;
    assert!(figures.starts_with("HTTP/1.1 503") && figures.contains("retry-after: 5"), "{figures}");
}

#[tokio::test]
async fn a_page_that_names_no_corp_shows_the_busiest() {
    let page = served().await.whole("/", "").await;
    assert!(page.contains("data-n=\"adds\">30</b>") && page.contains("content-security-policy: default-src 'none'"));
}

#[tokio::test]
async fn a_problem_names_the_field_and_what_is_allowed() {
    let answer = served().await.whole("/api/v1/leaderboard?metric=best", "").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("application/problem+json"), "{answer}");
    assert!(
        answer.contains("\"field\":\"metric\"") && answer.contains("[\"adds\",\"net_adds\",\"qualified_adds\"]"),
        "{answer}"
    );
}

#[tokio::test]
async fn answers_are_compressed_and_streams_are_not() {
    let served = served().await;
    let page = served.whole("/", "accept-encoding: gzip\r\n").await;
    assert!(page.contains("content-encoding: gzip"));
    let (_socket, stream) = served.get("/api/v1/stream", "accept-encoding: gzip\r\n", "event: snapshot").await;
    assert!(stream.contains("text/event-stream") && !stream.contains("content-encoding"), "{stream}");
    assert!(stream.contains("no-cache, no-transform") && stream.contains("x-accel-buffering: no"));
}

#[tokio::test]
async fn an_open_stream_ends_with_the_server() {
    let served = served().await;
    let (_open, _) = served.get("/api/v1/stream", "", "event: snapshot").await;
    let before = tokio::time::Instant::now();
    served.shutdown.cancel();
    served.task.await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(4), "the stream was cut by the deadline");
}

/// Status and text of every path that shows figures, for this viewer.
async fn answers(served: &Served, header: &str, query: &str) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    // Of these one needs a member of staff, the other a text.
    let parts = Part::ALL.iter().filter(|part| !matches!(part, Part::MyAdds | Part::Search));
    let mut paths: Vec<_> = parts.map(|part| format!("/api/v1/{}?", part.name())).collect();
    paths.extend(
        ["/?", "/me?", "/wall?", "/?view=rank&", "/?view=channels&", "/api/v1/search?q=z3&"].map(str::to_owned),
    );
    for path in paths {
        answers.push((path.clone(), served.whole(&format!("{path}{query}"), header).await));
    }
    let (_, stream) = served.get(&format!("/api/v1/stream?{query}"), header, "\r\n\r\n").await;
    answers.push(("/api/v1/stream".to_owned(), stream));
    answers
}

#[tokio::test]
async fn nobody_sees_anything_without_a_link_that_is_good() {
    let served = guarded().await;
    let expired = cookie(Some("acme"), "corp", Role::Owner, -1);
    let other = cookie(Some("acme"), "corp", Role::Owner, 60).replace("yinliu_board=", "yinliu_board=A");
    for header in ["", &expired, &other] {
        for (path, answer) in answers(&served, header, "corp=acme").await {
            assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
            assert!(!answer.contains("湖滨路") && !answer.contains("\"adds\""), "{path}: {answer}");
        }
    }
    assert!(served.whole("/", &expired).await.contains("已过期"));
    assert!(served.whole("/assets/board.css", "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_link_shows_its_scope_and_without_a_parameter_just_that() {
    let served = guarded().await;
    let manager = cookie(Some("acme"), "store:S1", Role::Manager, 60);
    for (path, answer) in answers(&served, &manager, "").await {
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    let summary = served.whole("/api/v1/summary", &manager).await;
    assert!(summary.contains(r#""scope":{"level":"store","id":"S1""#), "{summary}");
    assert!(summary.contains("private, no-cache") && summary.contains("vary: cookie, authorization"), "{summary}");
    let bearer = manager.replace("cookie: yinliu_board=", "authorization: Bearer ");
    assert!(served.whole("/api/v1/summary", &bearer).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn another_scope_or_corp_is_denied_everywhere_and_its_name_told_nowhere() {
    let served = guarded().await;
    let manager = cookie(Some("acme"), "store:S1", Role::Manager, 60);
    for query in ["scope=store:S2", "scope=corp", "scope=staff:z3", "corp=other", "scope=store:none"] {
        for (path, answer) in answers(&served, &manager, query).await {
            assert!(answer.starts_with("HTTP/1.1 403"), "{path}?{query}: {answer}");
            assert!(!answer.contains("新街口") && !answer.contains("沈立群"), "{path}?{query}: {answer}");
        }
    }
    let problem = served.whole("/api/v1/summary?scope=store:S2", &manager).await;
    assert!(problem.contains(r#""scope":"store:S1""#) && problem.contains("region:R1"), "{problem}");
    let page = served.whole("/?scope=store:S2", &manager).await;
    assert!(page.contains("杭州湖滨路店") && page.contains("华东"), "{page}");
}

#[tokio::test]
async fn totals_of_siblings_are_ranks_and_nothing_else() {
    let served = guarded().await;
    let manager = cookie(Some("acme"), "store:S1", Role::Manager, 60);
    let query = "scope=region:R1&level=store&view=rank";
    let board = served.whole(&format!("/api/v1/leaderboard?{query}"), &manager).await;
    assert!(board.contains("新街口") && board.contains(r#""mine":{"id":"S1""#), "{board}");
    assert!(served.whole(&format!("/api/v1/summary?{query}"), &manager).await.starts_with("HTTP/1.1 403"));
    let page = served.whole(&format!("/?{query}"), &manager).await;
    assert!(page.starts_with("HTTP/1.1 200") && !page.contains("id=\"adds\">30"), "{page}");
    let (_, stream) = served.get(&format!("/api/v1/stream?{query}"), &manager, "\n\n").await;
    assert!(stream.contains("\"rows\"") && !stream.contains("\"figures\""), "{stream}");
    for kind in ["today", "channels"] {
        let tab = page.split(&format!("\" data-tab=\"{kind}\"")).next().unwrap().rsplit("href=\"").next().unwrap();
        assert!(tab.contains("scope=store:S1"), "whoever sees ranks alone is led home: {tab}");
    }
}

#[tokio::test]
async fn staff_rank_among_neighbours_whose_losses_stay_hidden() {
    let served = guarded().await;
    let staff = cookie(Some("acme"), "staff:z1", Role::Staff, 60);
    let board = served.whole("/api/v1/leaderboard?scope=store:S1&level=staff", &staff).await;
    assert!(board.starts_with("HTTP/1.1 200") && board.contains("\"net_adds\":null"), "{board}");
    let by_net = served.whole("/api/v1/leaderboard?scope=store:S1&level=staff&metric=net_adds", &staff).await;
    assert!(by_net.starts_with("HTTP/1.1 400") && by_net.contains(r#""allowed":["adds"]"#), "{by_net}");
}

/// Which of the crew are named in an answer, by id.
fn named(answer: &str) -> Vec<&'static str> {
    CREW_STAFF.iter().filter(|(_, name, _, _)| answer.contains(name)).map(|(staff, _, _, _)| *staff).collect()
}

#[tokio::test]
async fn staff_see_their_neighbours_and_the_first_three_of_their_store_and_nobody_else() {
    let served = guarded().await;
    let ask = async |staff: &str, query: &str| {
        let link = cookie(Some(CREW), &format!("staff:{staff}"), Role::Staff, 60);
        served.whole(&format!("/api/v1/leaderboard?level=staff&{query}"), &link).await
    };
    for (staff, query, expected) in [
        ("p6", "scope=store:S7", vec!["p1", "p2", "p3", "p5", "p6", "p7"]),
        ("p1", "scope=store:S7", vec!["p1", "p2", "p3"]),
        ("p7", "scope=store:S7&order=per_head", vec!["p1", "p2", "p3", "p6", "p7"]),
        ("p6", "scope=region:R7", vec!["p5", "p6", "p7"]),
        ("p6", "scope=store:S7&from=3", vec!["p1", "p2", "p3", "p5", "p6", "p7"]),
    ] {
        let board = ask(staff, query).await;
        assert_eq!(named(&board), expected, "{staff} asks for {query}: {board}");
        let body: serde_json::Value = serde_json::from_str(board.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert!(body["data"]["next"].is_null(), "there is no next page: {board}");
        for row in body["data"]["rows"].as_array().unwrap() {
            assert_eq!(row["net_adds"].is_null(), row["id"] != staff, "losses are one's own: {row}");
        }
    }
}

#[tokio::test]
async fn the_tab_of_ranks_of_a_member_of_staff_is_their_store_with_their_row_pinned() {
    let served = guarded().await;
    let link = cookie(Some(CREW), "staff:p6", Role::Staff, 60);
    let page = served.whole("/?view=rank&lang=en", &link).await;
    assert_eq!(named(&page), ["p1", "p2", "p3", "p5", "p6", "p7"], "{page}");
    let pin = page.split("class=\"pin\"").nth(1).unwrap_or_else(|| panic!("{page}"));
    assert!(pin.contains("rank 5 is 10 ahead") && pin.contains("data-rank=\"6\""), "{pin}");
    assert!(page.contains("data-query=\"corp=crew&amp;view=rank&amp;scope=store:S7&amp;lang=en\""), "{page}");
    // Whatever it links to is for them.
    let body = page.split("\r\n\r\n").nth(1).unwrap();
    let links: Vec<_> =
        body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&")).collect();
    assert!(links.len() > 10, "{links:?}");
    for to in links.iter().filter(|to| !to.starts_with("assets/")) {
        let answer = served.whole(&format!("/{}", to.trim_start_matches("./")), &link).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{to}: {answer}");
    }
    let (_, stream) = served.get("/api/v1/stream?view=rank", &link, "\n\n").await;
    assert!(stream.contains("\"mine\":{") && !stream.contains("\"figures\""), "{stream}");
    assert_eq!(named(&stream), ["p1", "p2", "p3", "p5", "p6", "p7"], "{stream}");
}

#[tokio::test]
async fn ones_own_page_says_the_rank_among_all_of_the_store_and_the_neighbours() {
    let served = guarded().await;
    let manager = cookie(Some(CREW), "store:S7", Role::Manager, 60);
    for link in [cookie(Some(CREW), "staff:p6", Role::Staff, 60), manager] {
        let page = served.whole("/me?scope=staff:p6&lang=en", &link).await;
        let ladder = page.split("id=\"ladder\"").nth(1).unwrap().split("</section>").next().unwrap();
        assert!(ladder.contains(">of 7<"), "{ladder}");
        assert_eq!(named(ladder), ["p5", "p7"], "{ladder}");
        for part in ["data-rank=\"5\"", "data-rank=\"6\"", "data-rank=\"7\"", "10 more", "10 fewer", "<b>Me</b>"] {
            assert!(ladder.contains(part), "{part}: {ladder}");
        }
    }
    let other = cookie(Some(CREW), "store:S8", Role::Manager, 60);
    assert!(served.whole("/me?scope=staff:p6", &other).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_wall_names_staff_where_that_is_configured_and_only_then() {
    let mut config = Config::default();
    config.access.keys.insert("k1".to_owned(), Secret::new(SECRET));
    let hidden = served_by(config.clone()).await;
    config.access.wall_names = true;
    let shown = served_by(config).await;
    let wall = cookie(Some(CREW), "store:S7", Role::Wall, 60);
    let ask = async |served: &Served, path: &str, link: &str| {
        if path.contains("stream") { served.get(path, link, "\n\n").await.1 } else { served.whole(path, link).await }
    };
    let check = async |path: &str, link: &str| {
        let path = format!("{path}corp={CREW}&scope=store:S7&level=staff");
        let without = ask(&hidden, &path, link).await;
        assert!(without.starts_with("HTTP/1.1 200") && named(&without).is_empty(), "{path}: {without}");
        let with = ask(&shown, &path, link).await;
        assert_eq!(named(&with), ["p1", "p2", "p3", "p4", "p5", "p6", "p7"], "{path}: {with}");
        assert!(!with.contains("\"net_adds\":69"), "nobody's losses: {with}");
    };
    check("/api/v1/leaderboard?", &wall).await;
    let owner = cookie(Some(CREW), "corp", Role::Owner, 60);
    let manager = cookie(Some(CREW), "store:S7", Role::Manager, 60);
    for link in [&wall, &owner, &manager] {
        for path in ["/wall?", "/?view=wall&", "/api/v1/stream?view=wall&"] {
            check(path, link).await;
        }
    }
    let by_net = shown.whole("/wall?scope=store:S7&level=staff&metric=net_adds", &wall).await;
    assert!(by_net.starts_with("HTTP/1.1 400"), "{by_net}");
    let person = shown.whole("/me?scope=staff:p1", &wall).await;
    assert!(person.starts_with("HTTP/1.1 403"), "{person}");
}

#[tokio::test]
async fn a_wall_of_a_board_that_is_open_to_all_names_staff_only_where_that_is_configured() {
    let mut config = Config::default();
    let hidden = served_by(config.clone()).await;
    config.access.wall_names = true;
    let shown = served_by(config).await;
    let query = format!("corp={CREW}&scope=store:S7&level=staff");
    let ask = async |served: &Served| {
        let page = served.whole(&format!("/wall?{query}"), "").await;
        page + &served.get(&format!("/api/v1/stream?view=wall&{query}"), "", "\n\n").await.1
    };
    let (without, with) = (ask(&hidden).await, ask(&shown).await);
    assert!(without.contains("\"news\":[") && named(&without).is_empty(), "{without}");
    assert_eq!(named(&with), ["p1", "p2", "p3", "p4", "p5", "p6", "p7"], "{with}");
    // Elsewhere everybody is shown, as the board says.
    assert_eq!(named(&hidden.whole(&format!("/?{query}"), "").await).len(), 7);
}

#[tokio::test]
async fn a_link_becomes_a_cookie_and_leaves_the_address() {
    let served = guarded().await;
    let cookie = cookie(Some("acme"), "store:S1", Role::Manager, 60);
    let token = cookie.trim().strip_prefix("cookie: yinliu_board=").unwrap();
    let answer = served.whole(&format!("/?lang=en&token={token}"), "").await;
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: ./?lang=en\r\n"), "{answer}");
    assert!(answer.contains(&format!("set-cookie: yinliu_board={token}; Path=/; Max-Age=60; HttpOnly")), "{answer}");
    let forged = served.whole(&format!("/?token={token}x"), "").await;
    assert!(forged.starts_with("HTTP/1.1 401") && !forged.contains("set-cookie"), "{forged}");
}

#[tokio::test]
async fn a_link_without_a_corp_shows_the_only_one() {
    let owner = cookie(None, "corp", Role::Owner, 60);
    assert!(guarded().await.whole("/api/v1/summary", &owner).await.contains(r#""corp_id":"acme""#));
    let served = guarded().await;
    served.fixture.corps.store(2, Ordering::SeqCst);
    assert!(served.whole("/api/v1/summary", &owner).await.starts_with("HTTP/1.1 403"), "of two corps it shows none");
}

#[tokio::test]
async fn a_board_without_keys_says_that_it_shows_everything() {
    let page = served().await.whole("/?corp=acme", "").await;
    assert!(page.contains("id=\"open\""), "{page}");
    let owner = cookie(Some("acme"), "corp", Role::Owner, 60);
    assert!(!guarded().await.whole("/", &owner).await.contains("id=\"open\""));
}

#[tokio::test]
async fn a_stream_ends_when_its_link_expires() {
    let served = guarded().await;
    let owner = cookie(Some("acme"), "corp", Role::Owner, 1);
    let (socket, _) = served.get("/api/v1/stream", &owner, "event: snapshot").await;
    // The last chunk may come by itself.
    let rest = tokio::time::timeout(Duration::from_secs(4), read_until(&socket, "0\r\n\r\n")).await;
    assert!(rest.is_ok(), "the stream goes on");
}
