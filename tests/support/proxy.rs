//! What can go wrong between the pipeline and ClickHouse's HTTP endpoint, on demand.
//!
//! Invariant: a request reaches the engine whole or not at all; what is told to the client is the fault of the moment.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::poll;

/// How soon a connection notices that the fault is another.
const LOOK: Duration = Duration::from_millis(20);

/// What happens to requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    Pass,
    /// Connections are closed as soon as they are made.
    Refuse,
    /// Requests are taken and not answered; the connection ends with the fault.
    Hang,
    /// Each answer comes this much later.
    Slow(Duration),
    /// Requests whose statement begins like this are answered by an error and do not reach the engine.
    Fail(&'static str, Failure),
    /// Requests whose statement begins like this wait for another mode, and reach the engine then.
    Hold(&'static str),
    /// The request of this number, from 1, of those whose statement begins like this waits for another mode, and does not
    /// reach the engine.
    StopBefore(&'static str, u64),
    /// The same is done; its answer waits for another mode, and is lost.
    StopAfter(&'static str, u64),
    /// Every other insert is done, and its answer is lost.
    Unacknowledged,
    /// Every other insert is cut off, and done so much later.
    Late(Duration),
    /// Every other answer ends in its middle.
    Cut,
}

/// An error as a server tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    /// `None`: it comes from something in front of the server.
    pub(crate) code: Option<u16>,
    pub(crate) text: &'static str,
}

/// Forwards HTTP/1.1 to one address.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    mode: Mutex<(Mode, u64)>,
    dice: Mutex<SmallRng>,
    struck: AtomicU64,
    /// Requests like those at one of which it is to stop, since the mode was set.
    alike: AtomicU64,
    closed: AtomicBool,
}

impl Proxy {
    /// Passes everything on to `url` until told otherwise. `seed` decides which requests of a mode are struck.
    pub(crate) fn start(url: &str, seed: u64) -> Self {
        let to = url.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to,
            mode: Mutex::new((Mode::Pass, 0)),
            dice: Mutex::new(SmallRng::seed_from_u64(seed)),
            struck: AtomicU64::new(0),
            alike: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if serving.closed.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(connection), shared) = (connection, Arc::clone(&serving)) else { continue };
                // A connection that breaks is what this is for.
                thread::spawn(move || drop(shared.serve(connection)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on.
    pub(crate) fn set(&self, mode: Mode) {
        let mut current = self.shared.mode.lock().unwrap();
        *current = (mode, current.1 + 1);
        self.shared.alike.store(0, Ordering::Relaxed);
    }

    /// Requests and connections that a fault met so far.
    pub(crate) fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::Relaxed)
    }

    /// Lets a run go until the fault of this mode meets it, and ends it there; its answer, where it met none.
    pub(crate) async fn break_off<T>(&self, mode: Mode, run: impl Future<Output = T>) -> Option<T> {
        let before = self.struck();
        self.set(mode);
        let met = async || if self.struck() > before { Ok(()) } else { Err("no fault".to_owned()) };
        let answer = tokio::select! {
            answer = run => Some(answer),
            () = poll::until("the fault, or the end", Duration::from_mins(5), met) => None,
        };
        self.set(Mode::Pass);
        answer
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.set(Mode::Refuse);
        // Wakes the listener, so that it sees the end.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    /// The mode, and the number of its setting.
    fn mode(&self) -> (Mode, u64) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strike(&self) {
        self.struck.fetch_add(1, Ordering::Relaxed);
    }

    /// Until the mode is another one than that of this number.
    fn wait(&self, number: u64) {
        while self.mode().1 == number {
            thread::sleep(LOOK);
        }
    }

    fn every_other(&self) -> bool {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).random_bool(0.5)
    }

    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        loop {
            if self.mode().0 == Mode::Refuse {
                self.strike();
                return Ok(());
            }
            let Some(request) = read(&mut client)? else { return Ok(()) };
            let (mode, number) = self.mode();
            let is_like = |begin| statement(&request).starts_with(begin);
            let insert = is_like("INSERT");
            let alike = match mode {
                Mode::StopBefore(begin, _) | Mode::StopAfter(begin, _) if is_like(begin) => {
                    self.alike.fetch_add(1, Ordering::Relaxed) + 1
                }
                _ => 0,
            };
            match mode {
                Mode::Pass => client.write_all(&forward(self.to, &request)?)?,
                Mode::Refuse => {
                    self.strike();
                    return Ok(());
                }
                Mode::Hang => {
                    self.strike();
                    self.wait(number);
                    return Ok(());
                }
                Mode::StopBefore(_, at) | Mode::StopAfter(_, at) if alike == at => {
                    if matches!(mode, Mode::StopAfter(..)) {
                        forward(self.to, &request)?;
                    }
                    self.strike();
                    self.wait(number);
                    return Ok(());
                }
                Mode::Slow(time) => {
                    self.strike();
                    let answer = forward(self.to, &request)?;
                    thread::sleep(time);
                    client.write_all(&answer)?;
                }
                Mode::Fail(begin, failure) if is_like(begin) => {
                    self.strike();
                    client.write_all(&failure.answer())?;
                }
                Mode::Hold(begin) if is_like(begin) => {
                    self.strike();
                    self.wait(number);
                    client.write_all(&forward(self.to, &request)?)?;
                }
                Mode::Unacknowledged if insert && self.every_other() => {
                    self.strike();
                    forward(self.to, &request)?;
                    return Ok(());
                }
                Mode::Late(time) if insert && self.every_other() => {
                    self.strike();
                    let to = self.to;
                    thread::spawn(move || {
                        thread::sleep(time);
                        // Where the engine is away by then, the request is lost.
                        drop(forward(to, &request));
                    });
                    return Ok(());
                }
                Mode::Cut if self.every_other() => {
                    self.strike();
                    let answer = forward(self.to, &request)?;
                    return client.write_all(&answer[..answer.len() / 2]);
                }
                Mode::Fail(..)
                | Mode::Hold(_)
                | Mode::StopBefore(..)
                | Mode::StopAfter(..)
                | Mode::Unacknowledged
                | Mode::Late(_)
                | Mode::Cut => {
                    client.write_all(&forward(self.to, &request)?)?;
                }
            }
        }
    }
}

impl Failure {
    fn answer(self) -> Vec<u8> {
        let Self { status, code, text } = self;
        let code = code.map(|code| format!("X-ClickHouse-Exception-Code: {code}\r\n")).unwrap_or_default();
        let length = text.len();
        format!(
            "HTTP/1.1 {status} Failure\r\n{code}Content-Type: text/plain; charset=UTF-8\r\nContent-Length: {length}\r\n\r\n\
             {text}"
        )
        .into_bytes()
    }
}

/// One exchange with the engine, on a connection of its own.
fn forward(to: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut engine = TcpStream::connect(to)?;
    engine.set_nodelay(true)?;
    engine.write_all(request)?;
    read(&mut engine)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A request or an answer as it stands on the wire; `None` where the connection ended before it.
fn read(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if more(stream, &mut bytes)? == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let field = |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    if field("transfer-encoding:").is_some_and(|coding| coding.contains("chunked")) {
        let mut at = head;
        loop {
            let size = loop {
                match find(&bytes[at..], b"\r\n") {
                    Some(end) => {
                        let digits = String::from_utf8_lossy(&bytes[at..at + end]).into_owned();
                        at += end + 2;
                        break usize::from_str_radix(digits.trim(), 16).map_err(io::Error::other)?;
                    }
                    None => need(stream, &mut bytes)?,
                }
            };
            // The piece and the end of its line; after the last one the end of the message.
            at += size + 2;
            while bytes.len() < at {
                need(stream, &mut bytes)?;
            }
            if size == 0 {
                return Ok(Some(bytes));
            }
        }
    }
    let length: usize = field("content-length:").map_or(Ok(0), |digits| digits.parse()).map_err(io::Error::other)?;
    while bytes.len() < head + length {
        need(stream, &mut bytes)?;
    }
    Ok(Some(bytes))
}

fn need(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    if more(stream, bytes)? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 16 << 10];
    let count = stream.read(&mut piece)?;
    bytes.extend_from_slice(&piece[..count]);
    Ok(count)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The statement as far as it stands in the address, or else the begin of the body.
fn statement(request: &[u8]) -> String {
    let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    if let Some((_, rest)) = line.split_once("query=") {
        return rest.replace('+', " ").replace("%20", " ");
    }
    let body = find(request, b"\r\n\r\n").map_or(request.len(), |end| end + 4);
    String::from_utf8_lossy(&request[body..request.len().min(body + 200)]).into_owned()
}
