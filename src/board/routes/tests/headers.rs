//! What every answer and every page carries for the safety of the browser.
//!
//! Invariant: kinds of answers are asked for one by one, each by the status that it must have.

use super::*;

/// One request for each kind of answer: path, headers of the request, status.
fn kinds(manager: &str) -> Vec<(String, String, u16)> {
    let kind = |path: &str, headers: &str, status: u16| (path.to_owned(), headers.to_owned(), status);
    let token = manager.trim().strip_prefix("cookie: yinliu_board=").unwrap();
    vec![
        kind("/", manager, 200),
        kind("/me", manager, 200),
        kind("/wall?lang=en", manager, 200),
        kind("/api/v1/summary", manager, 200),
        kind("/api/v1/leaderboard?format=csv", manager, 200),
        kind("/assets/board.js", "", 200),
        kind(&format!("/?token={token}"), "", 303),
        kind("/?metric=best", manager, 400),
        kind("/", "", 401),
        kind("/api/v1/channels", "", 401),
        kind("/?scope=store:S2", manager, 403),
        kind("/api/v1/summary?scope=store:S2", manager, 403),
        kind("/nowhere", manager, 404),
        kind("/assets/none.css", manager, 404),
        kind("/", "content-length: 4\r\n", 413),
        kind(&format!("/?{}", "x".repeat(5_000)), "", 414),
    ]
}

#[tokio::test]
async fn every_answer_says_what_a_browser_must_not_do() {
    let served = guarded().await;
    let manager = cookie(Some("acme"), "store:S1", Role::Manager, 60);
    let mut answers = Vec::new();
    for (path, headers, status) in kinds(&manager) {
        let answer = served.whole(&path, &headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        answers.push((path, answer));
    }
    let tag = answers.iter().find(|(path, _)| path == "/api/v1/summary").unwrap();
    let tag = tag.1.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let unchanged = served.whole("/api/v1/summary", &format!("{manager}if-none-match: {tag}\r\n")).await;
    assert!(unchanged.starts_with("HTTP/1.1 304"), "{unchanged}");
    answers.push(("an unchanged answer".to_owned(), unchanged));
    answers.push(("a stream".to_owned(), served.get("/api/v1/stream", &manager, "\r\n\r\n").await.1));
    answers.push(("another method".to_owned(), served.ask("POST", "/", &manager).await));
    for (what, answer) in answers {
        let head = answer.split("\r\n\r\n").next().unwrap();
        for (name, value) in HEADERS {
            assert!(head.contains(&format!("\r\n{name}: {value}")), "{what} lacks {name}: {head}");
        }
    }
}

#[tokio::test]
async fn another_method_is_refused_as_a_problem_that_names_the_allowed_ones() {
    let served = served().await;
    for path in ["/", "/api/v1/summary", "/api/v1/stream", "/assets/board.css"] {
        let refused = served.ask("POST", path, "").await;
        assert!(refused.starts_with("HTTP/1.1 405") && refused.contains("\r\nallow: GET,HEAD\r\n"), "{refused}");
        assert!(refused.contains("application/problem+json"), "{refused}");
        assert!(served.ask("HEAD", path, "").await.starts_with("HTTP/1.1 200"), "{path}");
    }
}

#[tokio::test]
async fn a_page_holds_no_inline_code_and_names_no_other_server() {
    let served = served().await;
    let policy = HEADERS.iter().find(|(name, _)| *name == "content-security-policy").unwrap().1;
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"));
    for path in ["/", "/?view=rank", "/?view=channels", "/me", "/me?scope=staff:z1", "/wall", "/?lang=en&theme=dark"] {
        let answer = served.whole(path, "").await;
        let page = answer.split_once("\r\n\r\n").unwrap().1;
        for inline in [" style=", "<style", " onclick=", " onload=", "javascript:", "//"] {
            // A comment of a namespace is the one address that nobody asks for.
            let page = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!page.contains(inline), "{path}: {inline}");
        }
        for script in page.split("<script").skip(1) {
            assert!(script.starts_with(" type=\"module\" src=\"assets/"), "{path}: {script}");
        }
    }
}
