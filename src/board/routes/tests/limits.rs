//! What one client, and all of them, may take of a board.
//!
//! Invariant: each limit is exceeded here, and then what is within it works again.

use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use super::*;

/// As long as anything here may take: far more than it does.
const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);

async fn limited(change: impl FnOnce(&mut crate::board::limits::Config)) -> Served {
    let mut config = Config::default();
    change(&mut config.limits);
    served_by(config).await
}

/// Asks until the answer begins like this.
async fn until(served: &Served, path: &str, begin: &str) {
    let asked = async {
        while !served.whole(path, "").await.starts_with(begin) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(SOON, asked).await.is_ok(), "{path} does not answer `{begin}`");
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_how_long_to_wait() {
    let served = limited(|limits| (limits.requests_per_second, limits.requests_burst) = (1, 14)).await;
    for _ in 0..14 {
        assert!(served.whole("/assets/icon.svg", "").await.starts_with("HTTP/1.1 200"));
    }
    let refused = served.whole("/api/v1/summary", "").await;
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("application/problem+json"), "{refused}");
    until(&served, "/assets/icon.svg", "HTTP/1.1 200").await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_viewer_has_a_rate_and_behind_another_all_have_one() {
    let mut config = Config::default();
    (config.limits.requests_per_second, config.limits.requests_burst) = (1, 14);
    let untrusted = served_by(config.clone()).await;
    config.access.proxy_addresses = vec!["127.0.0.1".to_owned()];
    let trusted = served_by(config).await;
    let ask = async |served: &Served, last: u8| {
        let header = format!("x-forwarded-for: 198.51.100.7, 203.0.113.{last}\r\n");
        served.whole("/assets/icon.svg", &header).await
    };
    for last in 1..=20 {
        assert!(ask(&trusted, last).await.starts_with("HTTP/1.1 200"), "viewer {last}");
        ask(&untrusted, last).await;
    }
    assert!(ask(&untrusted, 21).await.starts_with("HTTP/1.1 429"));
}

#[tokio::test]
async fn streams_beyond_those_of_an_address_or_of_all_are_refused_until_one_ends() {
    let of_address = limited(|limits| limits.streams_per_address = 2).await;
    let of_all = limited(|limits| limits.streams = 2).await;
    for served in [of_address, of_all] {
        let (first, _) = served.get("/api/v1/stream", "", "event: snapshot").await;
        let _second = served.get("/api/v1/stream", "", "event: snapshot").await;
        let refused = served.whole("/api/v1/stream", "").await;
        assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 5\r\n"), "{refused}");
        assert!(served.whole("/api/v1/summary", "").await.starts_with("HTTP/1.1 200"), "polling goes on");
        drop(first);
        let again = async {
            loop {
                let (_socket, answer) = served.get("/api/v1/stream", "", "\r\n\r\n").await;
                if answer.starts_with("HTTP/1.1 200") {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(SOON, again).await.is_ok(), "the place of the stream that ended stays taken");
    }
}

#[tokio::test]
async fn connections_beyond_those_of_an_address_or_of_all_are_refused_until_one_ends() {
    let of_address = limited(|limits| limits.connections_per_address = 1).await;
    let of_all = limited(|limits| (limits.connections, limits.streams) = (1, 1)).await;
    for served in [of_address, of_all] {
        let (held, _) = served.get("/assets/icon.svg", "", "</svg>").await;
        let refused = served.whole("/assets/icon.svg", "").await;
        assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 5\r\n"), "{refused}");
        drop(held);
        until(&served, "/assets/icon.svg", "HTTP/1.1 200").await;
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused() {
    let served = served().await;
    let path = |length: usize| format!("/assets/icon.svg?{}", "x".repeat(length));
    assert!(served.whole(&path(4_000), "").await.starts_with("HTTP/1.1 200"));
    assert!(served.whole(&path(4_097), "").await.starts_with("HTTP/1.1 414"));
    let header = |length: usize| format!("x-long: {}\r\n", "x".repeat(length));
    assert!(served.whole("/assets/icon.svg", &header(15_000)).await.starts_with("HTTP/1.1 200"));
    assert!(served.whole("/assets/icon.svg", &header(17_000)).await.starts_with("HTTP/1.1 431"));
    let many = "x-many: x\r\n".repeat(64);
    assert!(served.whole("/assets/icon.svg", &many).await.starts_with("HTTP/1.1 431"));
    for body in ["content-length: 1\r\n", "transfer-encoding: chunked\r\n"] {
        assert!(served.whole("/assets/icon.svg", body).await.starts_with("HTTP/1.1 413"), "{body}");
    }
}

#[tokio::test]
async fn a_connection_that_sends_no_whole_request_is_closed() {
    let served = limited(|limits| limits.head_timeout = SHORT).await;
    let (idle, _) = served.get("/assets/icon.svg", "", "</svg>").await;
    for begin in ["", "GET / HTTP/1.1\r\nhost: bo"] {
        let slow = TcpStream::connect(served.address).await.unwrap();
        slow.writable().await.unwrap();
        slow.try_write(begin.as_bytes()).unwrap();
        assert!(timeout(SOON, read_until(&slow, "\0")).await.is_ok(), "`{begin}` keeps a connection");
    }
    assert!(timeout(SOON, read_until(&idle, "\0")).await.is_ok(), "an idle connection is kept");
}

#[tokio::test]
async fn a_stream_outlives_the_time_for_a_request() {
    let served = limited(|limits| (limits.head_timeout, limits.write_timeout) = (SHORT, SHORT)).await;
    let (stream, _) = served.get("/api/v1/stream", "", "event: snapshot").await;
    // One event a second: these come after the time-outs.
    for _ in 0..2 {
        assert!(read_until(&stream, "event: delta").await.contains("event: delta"));
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_left() {
    let served = limited(|limits| (limits.connections_per_address, limits.write_timeout) = (1, SHORT)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let stuck = socket.connect(served.address).await.unwrap();
    // 900 times 20 kB fit in no buffer of a socket.
    let requests = "GET /assets/board.css HTTP/1.1\r\nhost: board\r\n\r\n".repeat(900);
    let mut rest = requests.as_bytes();
    while !rest.is_empty() {
        stuck.writable().await.unwrap();
        let written = stuck.try_write(rest).unwrap_or(0);
        rest = &rest[written..];
    }
    assert!(served.whole("/assets/icon.svg", "").await.starts_with("HTTP/1.1 503"), "its place is taken");
    until(&served, "/assets/icon.svg", "HTTP/1.1 200").await;
    drop(stuck);
}

#[tokio::test]
async fn an_answer_that_is_not_found_in_time_is_given_up() {
    let served = limited(|limits| limits.answer_timeout = SHORT).await;
    served.fixture.hangs.store(true, Ordering::SeqCst);
    let late = served.whole("/api/v1/summary?corp=acme", "").await;
    assert!(late.starts_with("HTTP/1.1 503") && late.contains("retry-after: 5\r\n"), "{late}");
    assert!(late.contains("No answer was found in time"), "{late}");
}
