//! A real Apache Kafka of one process or several, each broker and controller in one.
//!
//! Invariant: each keeps its ports and its folder through `kill` and `restart`, as a broker does.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, TopicPartitionList};
use tempfile::TempDir;

use super::port;
use super::process::{Process, Signal};

/// After kill -9 a start recovers its logs and takes about 10 s on an idle machine; this allows for a busy one.
const READY_WAIT: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(crate) struct Kafka {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    process: Option<Process>,
    folder: PathBuf,
    port: u16,
}

/// The broker that all tests of the binary share, each with topics of its own.
pub(crate) fn shared() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(Kafka::start)
}

impl Kafka {
    /// A broker of its own, for tests that kill it. Returns when it answers: about 5 s.
    pub(crate) fn start() -> Self {
        Self::cluster(1)
    }

    /// So many brokers, each of which has every record, as long as two of them are there.
    pub(crate) fn cluster(size: usize) -> Self {
        Self::start_all(size, |_| Listener::default()).0
    }

    /// One with a listener more, whose port is the answer. `listener` is told the folder of the broker.
    pub(crate) fn start_with(listener: impl Fn(&Path) -> Listener) -> (Self, u16) {
        let (kafka, of_listeners) = Self::start_all(1, listener);
        (kafka, of_listeners[0])
    }

    fn start_all(size: usize, listener: impl Fn(&Path) -> Listener) -> (Self, Vec<u16>) {
        let controllers: Vec<_> = (0..size).map(|_| port::free().port()).collect();
        let (mut nodes, mut of_listeners) = (Vec::new(), Vec::new());
        for number in 0..size {
            // Removed by the guard of the process, which also sees the test binary die.
            let folder = TempDir::new().unwrap().keep();
            let listener = listener(&folder);
            let [port, of_listener] = configure(&folder, &listener, number, &controllers);
            let words = ["kafka.tools.StorageTool", "format", "-t", CLUSTER];
            let format = listener.format.iter().map(String::as_str);
            let words: Vec<_> = words.into_iter().chain(format).chain(["-c"]).collect();
            let format = java(&words, &folder).output().unwrap();
            assert!(format.status.success(), "{}", String::from_utf8_lossy(&format.stderr));
            nodes.push(Node { process: None, folder, port });
            of_listeners.push(of_listener);
        }
        let mut kafka = Self { nodes };
        kafka.restart();
        (kafka, of_listeners)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.nodes[0].folder
    }

    /// For `bootstrap.servers`.
    pub(crate) fn brokers(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        addresses.join(",")
    }

    pub(crate) fn size(&self) -> usize {
        self.nodes.len()
    }

    /// kill -9 of one of them. The folder and the port stay.
    pub(crate) fn kill(&mut self, number: usize) {
        self.nodes[number].process.take().expect("a running broker").end(Signal::Kill);
    }

    /// Starts it again after `kill`; returns when all answer.
    pub(crate) fn restart(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| node.process.is_none()) {
            let command = java(&["kafka.Kafka"], &node.folder);
            let (process, mut output) = Process::start(command.get_program(), command.get_args(), &node.folder);
            // Kafka must not stop for a full pipe; what it has to say stands in its log.
            thread::spawn(move || output.read_to_end(&mut Vec::new()));
            node.process = Some(process);
        }
        self.wait_until_ready();
    }

    /// A topic of a name that no other test uses: `prefix` and a number.
    pub(crate) async fn fresh_topic(&self, prefix: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.create_topic(&name, partitions, settings).await;
        name
    }

    pub(crate) async fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(i32::try_from(self.size()).unwrap()));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(READY_WAIT));
        let results = self.admin().create_topics([&topic], &options).await.unwrap();
        for result in results {
            result.unwrap();
        }
    }

    /// The topic has so many partitions from now on.
    pub(crate) async fn grow_topic(&self, name: &str, partitions: usize) {
        let options = AdminOptions::new().operation_timeout(Some(READY_WAIT));
        let more = NewPartitions::new(name, partitions);
        for result in self.admin().create_partitions([&more], &options).await.unwrap() {
            result.unwrap();
        }
    }

    /// With its records, so that one of the same name starts again at offset 0.
    pub(crate) async fn delete_topic(&self, name: &str) {
        let options = AdminOptions::new().operation_timeout(Some(READY_WAIT));
        for result in self.admin().delete_topics(&[name], &options).await.unwrap() {
            result.unwrap();
        }
    }

    /// As retention does: what lies below these offsets is gone.
    pub(crate) async fn delete_records(&self, before: &TopicPartitionList) {
        let options = AdminOptions::new().operation_timeout(Some(READY_WAIT));
        self.admin().delete_records(before, &options).await.unwrap();
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.brokers()).create().unwrap()
    }

    /// A port that accepts is not yet a broker that answers.
    fn wait_until_ready(&self) {
        let mut config = ClientConfig::new();
        // The log of refused connections while it starts is of no use.
        config.set("bootstrap.servers", self.brokers()).set("log_level", "0").set("reconnect.backoff.max.ms", "200");
        let client: BaseConsumer = config.create().unwrap();
        let began = Instant::now();
        let answers = || client.fetch_metadata(None, Duration::from_millis(500)).map(|known| known.brokers().len());
        while answers().ok() != Some(self.size()) {
            let log =
                || self.nodes.iter().map(|node| fs::read_to_string(node.folder.join("broker.log")).unwrap_or_default());
            assert!(began.elapsed() < READY_WAIT, "Kafka does not answer; its logs: {:?}", log().collect::<Vec<_>>());
        }
    }
}

/// Any 16 bytes in base64; each folder has its own cluster.
const CLUSTER: &str = "eWlubGl1LXRlc3RzLTAwMQ";

/// A listener beside the one of the tests, by its protocol.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) settings: Vec<(String, String)>,
    /// What the folder is formatted with.
    pub(crate) format: Vec<String>,
}

impl Default for Listener {
    /// One that nobody uses.
    fn default() -> Self {
        Self { name: "SPARE", settings: Vec::new(), format: Vec::new() }
    }
}

/// Writes `server.properties` of one broker of several; returns its port and that of the other listener.
fn configure(folder: &Path, listener: &Listener, number: usize, controllers: &[u16]) -> [u16; 2] {
    let [port, of_listener] = [(); 2].map(|()| port::free().port());
    let (name, id, size) = (listener.name, number + 1, controllers.len());
    let voters = controllers.iter().enumerate().map(|(at, port)| format!("{}@127.0.0.1:{port}", at + 1));
    let mut text = format!(
        "process.roles=broker,controller\nnode.id={id}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},{name}://127.0.0.1:{of_listener},CONTROLLER://127.0.0.1:{}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port},{name}://127.0.0.1:{of_listener}\n\
         controller.quorum.voters={}\n\
         log.dirs={}\n",
        controllers[number],
        voters.collect::<Vec<_>>().join(","),
        folder.join("log").display()
    );
    for setting in ["offsets.topic.replication.factor", "transaction.state.log.replication.factor"] {
        writeln!(text, "{setting}={size}").unwrap();
    }
    // What is acknowledged is on two of three.
    for setting in ["min.insync.replicas", "transaction.state.log.min.isr"] {
        writeln!(text, "{setting}={}", size.min(2)).unwrap();
    }
    let more = listener.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in SETTINGS.into_iter().chain(more) {
        writeln!(text, "{key}={value}").unwrap();
    }
    fs::write(folder.join("server.properties"), text).unwrap();
    [port, of_listener]
}

const SETTINGS: [(&str, &str); 15] = [
    ("controller.listener.names", "CONTROLLER"),
    ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SPARE:PLAINTEXT,SASL_SSL:SASL_SSL"),
    // Others lead soon where one is gone.
    ("broker.session.timeout.ms", "4000"),
    // Few, so that the first member of a group does not wait for fifty partitions.
    ("offsets.topic.num.partitions", "4"),
    ("transaction.state.log.num.partitions", "4"),
    ("group.initial.rebalance.delay.ms", "0"),
    // Lets a test notice a killed member after a second.
    ("group.min.session.timeout.ms", "1000"),
    ("auto.create.topics.enable", "false"),
    // Test records carry the timestamps of their story; retention would remove the old ones at once.
    ("log.retention.ms", "-1"),
    ("log.message.timestamp.before.max.ms", "9223372036854775807"),
    ("log.message.timestamp.after.max.ms", "9223372036854775807"),
    // Twice the contract's largest value, and room for the frame: too large values must reach the pipeline.
    ("message.max.bytes", "2162688"),
    ("replica.fetch.max.bytes", "2162688"),
    ("num.partitions", "1"),
    ("controlled.shutdown.enable", "false"),
];

/// A program of Kafka with its configuration as the last argument.
fn java(arguments: &[&str], folder: &Path) -> Command {
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/kafka");
    assert!(jars.is_dir(), "Kafka is not fetched: run deploy/fetch-kafka.sh, or `make test`");
    let mut class_path = jars.into_os_string();
    class_path.push(OsStr::new("/*"));
    let mut command = Command::new("java");
    command.arg("-Xmx512m").arg("-XX:+UseSerialGC").arg("-XX:TieredStopAtLevel=1");
    command.arg(format!("-Dorg.slf4j.simpleLogger.logFile={}", folder.join("broker.log").display()));
    command.arg("-cp").arg(class_path).args(arguments).arg(folder.join("server.properties"));
    command
}
