//! The board in front of thousands of viewers on event streams, each of their own store or person: how late, how much CPU,
//! memory, bytes and questions to ClickHouse; and how long a page takes.
//!
//! Invariant: board, pipeline and engine are processes of their own; viewers read every byte, as browsers do.

pub(crate) mod hour;

use std::{
    io::{Read as _, Write as _},
    ops::Range,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, runtime::Runtime};

use crate::{
    Scale,
    engine::{PATIENCE, PROBES, Program, Warehouse, live, probe, producer, words},
    measure::{self, Runs, count},
    null::{block_on, prepare},
    support::{kafka::shared, port},
    table::Table,
};

/// What is measured at which size.
struct Size {
    viewers: usize,
    rate: u32,
    window: Duration,
    probes: usize,
    pages: usize,
}

const FULL: Size = Size { viewers: 2_000, rate: 20_000, window: Duration::from_mins(1), probes: 100, pages: 40 };
const QUICK: Size = Size { viewers: 50, rate: 1_000, window: Duration::from_secs(3), probes: 5, pages: 3 };

/// The corp of the generator.
const WATCHED: &str = "corp=ww-demo";

/// Where probes happen, and who looks: the corp of the probes, and a store of theirs among the 400 of the other corp.
const PROBED: [(&str, &str); 2] =
    [(PROBES, "corp=probe"), (r#""corp_id":"ww-demo","store_id":"S-probes""#, "corp=ww-demo&scope=store:S-probes")];

/// The ranks of all staff of the corp.
const RANKS: &str = "corp=ww-demo&view=rank&level=staff";

/// Scopes that the viewers share: 400 stores, and with every fourth of them a member of staff.
const SCOPES: usize = 500;

/// What the viewer of this number watches.
fn watched(viewer: usize) -> String {
    let (round, within) = (viewer % SCOPES / 5, viewer % 5);
    match within {
        4 => format!("{WATCHED}&view=me&scope=staff:st{:05}", 1 + round * 50),
        store => of_store(round * 4 + store),
    }
}

fn of_store(number: usize) -> String {
    format!("{WATCHED}&scope=store:S{}", 1_001 + number)
}

/// Between two probes: not in step with the flush of a second, nor with the readings of the board.
const PROBE_EVERY: Duration = Duration::from_millis(310);

/// A board, and the addresses of all its viewers are one.
struct Board {
    program: Program,
    address: String,
}

impl Board {
    fn start(warehouse: &Warehouse) -> Self {
        let address = port::free().to_string();
        let settings = [
            format!("clickhouse.url={}", warehouse.url),
            "admin.listen=127.0.0.1:0".to_owned(),
            format!("board.listen={address}"),
            "board.limits.streams_per_address=8000".to_owned(),
            "board.limits.connections_per_address=8000".to_owned(),
            "board.limits.requests_burst=100000".to_owned(),
        ];
        let mut arguments = words(&["run", "--only", "board", "--log", "warn"]);
        arguments.extend(settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]));
        let board = Self { program: Program::start(&arguments, Stdio::null(), Stdio::inherit()), address };
        let began = Instant::now();
        while std::net::TcpStream::connect(&board.address).is_err() {
            assert!(began.elapsed() < PATIENCE, "the board does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        board
    }
}

/// What viewers have read together.
#[derive(Default)]
struct Received {
    bytes: AtomicU64,
    open: AtomicU64,
}

/// Opens a stream; the head of the answer is read.
async fn open(address: &str, query: &str) -> TcpStream {
    let socket = TcpStream::connect(address).await.expect("the board takes viewers");
    let request = format!("GET /api/v1/stream?{query} HTTP/1.1\r\nhost: board\r\n\r\n");
    socket.writable().await.expect("the board reads");
    assert_eq!(socket.try_write(request.as_bytes()).ok(), Some(request.len()), "a new socket has room");
    let mut head = [0; 12];
    assert_eq!(read(&socket, &mut head).await, 12, "the board answers");
    assert_eq!(&head, b"HTTP/1.1 200", "every viewer gets a stream");
    socket
}

/// What is there, at least a byte; 0 at the end of the stream.
async fn read(socket: &TcpStream, buffer: &mut [u8]) -> usize {
    loop {
        socket.readable().await.expect("a socket");
        match socket.try_read(buffer) {
            Ok(read) => return read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return 0,
        }
    }
}

/// Viewers, who read until the runtime ends.
fn watch(runtime: &Runtime, board: &Board, viewers: Range<usize>) -> Arc<Received> {
    let (received, all) = (Arc::new(Received::default()), viewers.len());
    for viewer in viewers {
        let (address, received) = (board.address.clone(), Arc::clone(&received));
        runtime.spawn(async move {
            let socket = open(&address, &watched(viewer)).await;
            received.open.fetch_add(1, Ordering::Relaxed);
            let mut buffer = vec![0; 16 << 10];
            loop {
                let count = read(&socket, &mut buffer).await;
                assert!(count > 0, "a stream ended");
                received.bytes.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
            }
        });
    }
    let began = Instant::now();
    while received.open.load(Ordering::Relaxed) < u64::try_from(all).unwrap_or(0) {
        assert!(began.elapsed() < PATIENCE, "{} of {all} streams are open", received.open.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(20));
    }
    received
}

/// From the send of each probe to the event that shows it, at a viewer of where they happen.
fn delays(board: &Board, topic: &str, probes: usize, (place, query): (&str, &str)) -> Runs {
    let producer = producer(shared());
    // The place is there before its viewer is.
    probe(&producer, topic, Some(0), "p", place);
    producer.poll(Duration::from_secs(1));
    let mut stream = std::net::TcpStream::connect(&board.address).expect("the board takes viewers");
    let request = format!("GET /api/v1/stream?{query} HTTP/1.1\r\nhost: board\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the board reads");
    let (sender, shown) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let (mut text, mut buffer) = (Vec::new(), [0; 16 << 10]);
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            text.extend_from_slice(&buffer[..read]);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let Some(adds) = adds_of(&String::from_utf8_lossy(&line)) else { continue };
                if sender.send((adds, Instant::now())).is_err() {
                    return;
                }
            }
        }
    });
    let first = wait_for_adds(&shown, 1);
    let (mut sent, mut delays) = (Vec::new(), Runs::default());
    let (began, mut seen) = (Instant::now(), 0);
    while seen < probes {
        if sent.len() < probes && began.elapsed() >= PROBE_EVERY * u32::try_from(sent.len()).unwrap_or(0) {
            sent.push(Instant::now());
            // One partition keeps their order: the n-th add is the n-th probe.
            probe(&producer, topic, Some(0), "p", place);
        }
        producer.poll(Duration::ZERO);
        while let Ok((adds, at)) = shown.try_recv() {
            let upto = usize::try_from(adds.saturating_sub(first)).unwrap_or(0).min(sent.len());
            for sent_at in &sent[seen.min(upto)..upto] {
                delays.push(at.duration_since(*sent_at).as_secs_f64());
            }
            seen = seen.max(upto);
        }
        assert!(began.elapsed() < PATIENCE, "{seen} of {probes} probes were shown");
        thread::sleep(Duration::from_millis(5));
    }
    drop(shown);
    // It ends at the next event, or with the board.
    drop(reader);
    delays
}

/// The figure `adds` of a picture or delta.
fn adds_of(line: &str) -> Option<u64> {
    let picture: serde_json::Value = serde_json::from_str(line.trim().strip_prefix("data:")?).ok()?;
    picture["figures"]["adds"].as_u64()
}

fn wait_for_adds(shown: &std::sync::mpsc::Receiver<(u64, Instant)>, least: u64) -> u64 {
    loop {
        let (adds, _) = shown.recv_timeout(PATIENCE).expect("the first probe is shown");
        if adds >= least {
            return adds;
        }
    }
}

/// From the request of a page to its last byte, in ms.
fn page(board: &Board, query: &str) -> f64 {
    let began = Instant::now();
    let mut stream = std::net::TcpStream::connect(&board.address).expect("the board takes viewers");
    let request = format!("GET /?{query} HTTP/1.1\r\nhost: board\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the board reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the board answers");
    let took = began.elapsed().as_secs_f64() * 1e3;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("data-n=\"adds\""), "a page with figures: {answer}");
    took
}

/// Pages of this many stores.
fn pages_of_stores(board: &Board, number: usize) -> Runs {
    (0..number).map(|store| page(board, &of_store(store))).collect()
}

/// Pages of the ranks of all staff when they are known.
fn pages_of_ranks(board: &Board, number: usize) -> Runs {
    page(board, RANKS);
    (0..number).map(|_| page(board, RANKS)).collect()
}

/// What a window of time cost.
struct Cost {
    cpu: f64,
    bytes: f64,
    queries: f64,
}

fn cost(warehouse: &Warehouse, board: &Board, received: &Received, window: Duration) -> Cost {
    // The question itself is one too.
    let queries = || warehouse.number("SELECT toUInt64(sum(value)) FROM system.events WHERE event = 'SelectQuery'");
    let bytes = || received.bytes.load(Ordering::Relaxed);
    let (began, cpu, read, asked) = (Instant::now(), board.program.cpu(), bytes(), queries());
    thread::sleep(window);
    let seconds = began.elapsed().as_secs_f64();
    let per_second = |count: u64| self::count(usize::try_from(count).unwrap_or(0)) / seconds;
    let cpu = (board.program.cpu() - cpu) / seconds;
    Cost { cpu, bytes: per_second(bytes() - read), queries: per_second(queries() - asked - 1) }
}

pub(crate) fn run(scale: Scale, table: &mut Table) {
    prepare(shared());
    let size = if scale == Scale::Full { FULL } else { QUICK };
    let topic = block_on(shared().fresh_topic("board", 8, &[]));
    let warehouse = Warehouse::start();
    let _pipeline = warehouse.pipeline(&topic, Stdio::null());
    let _live = live(&topic, size.rate);
    warehouse.wait_for(u64::from(size.rate) * 5);
    let board = Board::start(&warehouse);
    let runtime = Runtime::new().expect("threads can be started");
    rlimit::increase_nofile_limit(16_384).expect("the limit of open files can be read");

    let one = watch(&runtime, &board, 0..1);
    let alone = cost(&warehouse, &board, &one, size.window / 4);
    let of_unwatched = pages_of_stores(&board, size.pages);
    let all = watch(&runtime, &board, 1..size.viewers);
    let memory = || measure::memory(board.program.pid());
    let start = memory();
    let cost = cost(&warehouse, &board, &all, size.window);
    let middle = memory();
    let of_watched = pages_of_stores(&board, size.pages);
    let of_ranks = pages_of_ranks(&board, size.pages);
    let [of_corp, of_store] = PROBED.map(|probed| delays(&board, &topic, size.probes, probed));
    let end = memory();
    runtime.shutdown_background();

    let viewers = count(size.viewers);
    let used = format!("{} viewers at {} events/s", size.viewers, size.rate);
    for (whose, delays) in [("", of_corp), ("of one of the stores, ", of_store)] {
        let (median, late) = (delays.median(), delays.quantile(0.99));
        let measured = format!("median {median:.2}, p99 {late:.2}, most {:.2}", delays.quantile(1.0));
        table.row(&format!("from produce to shown, {whose}{used}, s"), "median ≤ 2.0, p99 ≤ 3.0", measured);
    }
    let of_pages = [
        ("a store that nobody watched, with one viewer of another", of_unwatched),
        ("a store that is watched, with all viewers", of_watched),
        ("the ranks of 5,000 staff, with all viewers", of_ranks),
    ];
    for (what, times) in of_pages {
        let measured = format!("median {:.0}, p95 {:.0}", times.median(), times.quantile(0.95));
        table.row(&format!("the page of {what}, ms"), "≤ 50", measured);
    }
    let cpu = (cost.cpu - alone.cpu).max(0.0) / viewers * 1e3;
    table.row("CPU of the board per 1,000 viewers, cores", "stated", format!("{cpu:.2}"));
    table.row("bytes per viewer and minute, kB", "stated", format!("{:.1}", cost.bytes / viewers * 60.0 / 1e3));
    let queries = format!("{:.1} against {:.1}", cost.queries, alone.queries);
    let scopes = SCOPES.min(size.viewers);
    let asked = format!("ClickHouse queries a second, {} viewers of {scopes} scopes against 1", size.viewers);
    table.row(&asked, "nearly the same", queries);
    let grown = format!("{start:.0}, {middle:.0}, {end:.0}");
    table.row("memory of the board: all viewers there, middle, end, MB", "flat", grown);
}
