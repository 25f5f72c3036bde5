//! Everything in one process: broker, ClickHouse engine, generator, pipeline, board, port for operators.
//!
//! Invariant: the pipeline is the one of `yinliu run`; only the addresses are others.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clickhouse::Client;
use rdkafka::mocking::MockCluster;
use tokio_util::sync::CancellationToken;

use self::folder::Folder;
use crate::{
    config::Config,
    engine::{self, Engine},
    generate::{self, Day, Destination, Plot},
    migrate,
    progress::Telling,
    service::{self, Ports},
    sink,
};

mod folder;
mod show;

/// The mock broker keeps 5 MiB of each partition: with this many the day so far fits several times over.
const PARTITIONS: i32 = 6;

/// Events of the day so far: told within seconds, and enough for every staff member to have some.
const STORY_EVENTS: u64 = 60_000;

/// `yinliu demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Keep the data in this folder, and go on from what it holds
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Events per second
    #[arg(long, default_value_t = 50)]
    pub rate: u32,
    /// The same seed makes the same brand
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("make a folder for the data")]
    Folder(#[source] std::io::Error),
    #[error("start the embedded ClickHouse engine; `make demo` fetches it")]
    Engine(#[from] engine::Error),
    #[error("start the embedded broker")]
    Broker(#[source] rdkafka::error::KafkaError),
    #[error("create the schema")]
    Migrate(#[from] migrate::Error),
    #[error("look at what the folder holds")]
    Sink(#[from] sink::Error),
    #[error("run yinliu")]
    Service(#[from] service::Error),
    #[error("generate events")]
    Generate(#[from] generate::Error),
}

/// Runs until `shutdown`, then closes everything.
pub async fn run(
    settings: Settings,
    mut config: Config,
    wall_ms: fn() -> i64,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let temporary;
    let data = if let Some(data) = settings.data.as_deref() {
        data
    } else {
        temporary = Folder::under(&std::env::temp_dir()).map_err(Error::Folder)?;
        temporary.path()
    };
    let engine = engine(data).await?;
    let broker = MockCluster::new(1).map_err(Error::Broker)?;
    let topics = &config.kafka.topics;
    for topic in topics.input.iter().chain([&topics.dead_letter]) {
        broker.create_topic(topic, PARTITIONS, 1).map_err(Error::Broker)?;
    }
    for topic in [&topics.org, &topics.channel, &topics.target, &topics.contest] {
        broker.create_topic(topic, 1, 1).map_err(Error::Broker)?;
    }
    config.kafka.brokers = vec![broker.bootstrap_servers()];
    config.clickhouse = sink::Config { url: format!("http://{}", engine.address()), ..sink::Config::default() };
    // A broker that begins anew with each start: its directory is as old as the process.
    migrate::run(&config.clickhouse, &config.chunk).await?;
    let client = sink::client(&config.clickhouse);
    begin_anew(&client, &config).await?;
    let told = is_told(&client).await?;
    let ports = Ports::bind_near(&config).await?;
    show::addresses(&ports, &config);

    let generator = generator(&settings, told, config.clone(), wall_ms, shutdown.clone());
    let line = tokio::spawn(show::rates(client, shutdown.clone()));
    let service = service::run(&config, None, ports, wall_ms, shutdown.clone()).await;
    shutdown.cancel();
    let _ = line.await;
    let generated = generator.await;
    engine.stop().await?;
    drop(broker);
    service?;
    // The generator's thread is not cancelled: it returns or panics, and a panic is in the log.
    generated.map_or(Ok(()), |generated| generated.map(drop).map_err(Error::from))
}

async fn engine(data: &Path) -> Result<Engine, Error> {
    let port = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let config = |listen| engine::Config { library: Engine::default_library(), data: data.join("clickhouse"), listen };
    match Engine::start(&config(port(8123))).await {
        // Somebody's ClickHouse is on the usual port.
        Err(engine::Error::Listen { .. }) => Ok(Engine::start(&config(port(0))).await?),
        started => Ok(started?),
    }
}

/// The broker keeps nothing from one start to the next: what the folder holds came from topics of the same names that
/// are gone.
async fn begin_anew(client: &Client, config: &Config) -> Result<(), Error> {
    for topic in &config.kafka.topics.input {
        let sql = format!(
            "INSERT INTO incarnations (topic, incarnation) \
             SELECT '{topic}', greatest(1, (SELECT max(incarnation) FROM incarnations WHERE topic = '{topic}')) + 1 \
             WHERE (SELECT count() FROM ledger WHERE splitByChar('#', toString(src_topic))[1] = '{topic}') > 0"
        );
        client.query_raw(&sql).execute().await.map_err(|source| sink::Error::new("begin the topics anew", source))?;
    }
    Ok(())
}

/// Whether the folder holds today's story so far.
async fn is_told(client: &Client) -> Result<bool, Error> {
    let sql = "SELECT count() FROM counts_1d_registers WHERE business_date = toDate(now('Asia/Shanghai'))";
    let rows = client.query(sql).fetch_one::<u64>().await;
    Ok(rows.map_err(|source| sink::Error::new("look for today's figures", source))? > 0)
}

fn generator(
    settings: &Settings,
    told: bool,
    config: Config,
    wall_ms: fn() -> i64,
    shutdown: CancellationToken,
) -> tokio::task::JoinHandle<Result<generate::Summary, generate::Error>> {
    let story = generate::Settings {
        destination: Destination::Kafka,
        day: Day::Today,
        count: if told { 0 } else { STORY_EVENTS },
        live: true,
        rate: settings.rate,
        seed: settings.seed,
        telling: Telling::Nothing,
        plot: Plot::Story,
        ..generate::Settings::default()
    };
    tokio::task::spawn_blocking(move || {
        let generated = generate::run(&story, &config.kafka, &wall_ms, &shutdown);
        if let Err(error) = &generated {
            tracing::error!(error = %crate::log::chain(error), "the generator cannot go on");
            shutdown.cancel();
        }
        generated
    })
}
