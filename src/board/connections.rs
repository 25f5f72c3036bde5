//! Accepts connections and serves them one by one, each within its limits.
//!
//! Invariant: nobody keeps a connection by doing nothing: not by sending half a request, nor by reading no answer.
//!
//! Why not `axum::serve`: it has no time-outs, and takes as many connections as the process has files.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use super::limits::{Limits, Seat};

/// The head of a request: the longest address, a cookie, and what browsers and proxies add.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// The process has no file left for another connection: some will be free in a while.
const NO_FILES_WAIT: Duration = Duration::from_millis(500);

/// What a connection hears for which there is no place.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A connection that is closed with unread bytes is reset, and a reset overtakes the answer: so the request is read first,
/// for so long, and of so many connections at a time.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);
const REFUSALS_MAX: usize = 256;

/// Serves until `shutdown`, then until what is open has ended.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: Arc<Limits>, shutdown: CancellationToken) {
    let (open, refusals) = (TaskTracker::new(), Arc::new(Semaphore::new(REFUSALS_MAX)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(seat) = limits.connections.take(limits.holder(peer.ip())) else {
                    if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                        open.spawn(refuse(stream, permit));
                    }
                    continue;
                };
                let connection = Connection { peer, router: router.clone(), limits: Arc::clone(&limits), _seat: seat };
                open.spawn(connection.serve(stream, shutdown.clone()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, "the board cannot accept a connection");
                tokio::time::sleep(NO_FILES_WAIT).await;
            }
        }
    }
    open.close();
    open.wait().await;
}

async fn refuse(stream: TcpStream, _permit: OwnedSemaphorePermit) {
    let refused = async {
        stream.readable().await?;
        stream.try_write(FULL)?;
        let mut unread = [0; 4096];
        while stream.try_read(&mut unread).map_or_else(is_to_come, |count| count > 0) {
            stream.readable().await?;
        }
        Ok::<(), io::Error>(())
    };
    // However it ends, the connection is closed.
    let _ = timeout(REFUSAL_WAIT, refused).await;
}

#[allow(clippy::needless_pass_by_value, reason = "as a result gives it away")]
fn is_to_come(error: io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Connection {
    peer: SocketAddr,
    router: Router,
    limits: Arc<Limits>,
    _seat: Seat,
}

impl Connection {
    async fn serve(self, stream: TcpStream, shutdown: CancellationToken) {
        // Without it a small event waits for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.config.write_timeout));
        let answer = service_fn(|mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(self.peer));
            self.router.clone().call(request)
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.limits.config.head_timeout);
        http.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
        let mut connection = Box::pin(http.serve_connection(TokioIo::new(Box::pin(stream)), answer));
        // However a connection ends, it is the client's to come again.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}
