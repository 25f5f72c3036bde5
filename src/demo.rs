//! Everything in one process: broker, ClickHouse engine, generator, pipeline, board, port for operators.
//!
//! Invariant: the pipeline is the one of `yinliu run`; only the addresses are others, and the refresh comes sooner.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clickhouse::Client;
use jiff::{ToSpan as _, civil::Date};
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

/// The mock broker keeps 5 MiB of each partition: with this many what is told before the pipeline starts fits twice.
const PARTITIONS: i32 = 10;

/// A request that comes while the mock broker ends another may not wake it (librdkafka 2.12), and it sleeps for a second.
const BETWEEN_TOPICS: Duration = Duration::from_millis(2);

/// Records of a whole day like today, of which those until now are told: all within seconds, days back included, on a slow
/// machine too.
const DAY: u64 = 20_000;
/// However early it is, so many: what a leaderboard is made of.
const DAY_MIN: u64 = 2_000;
/// Days before today that are told whole, and records of each: yesterday, and the weekdays like today by which its end is
/// foreseen, of which the first is not believed to be counted whole. No two are alike.
const DAYS_BACK: [(i64, u64); 5] = [(28, 16_000), (21, 17_500), (14, 19_500), (7, 21_000), (1, 16_500)];
/// Nobody waits a minute for the first cohort figures; by then all that was told at the start is counted, so that no day is
/// closed on a part of it.
const REFRESH: Duration = Duration::from_secs(20);
/// A tenth more than such days bring.
const TARGET_PER_HEAD: usize = 10;

/// `yinliu demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Keep the data in this folder, and go on from what it holds
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Events per second
    #[arg(long, default_value_t = 10)]
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
    let of_events = topics.input.iter().chain([&topics.dead_letter]).map(|topic| (topic, PARTITIONS));
    let of_rows = [&topics.org, &topics.channel, &topics.target, &topics.contest].map(|topic| (topic, 1));
    for (topic, partitions) in of_events.chain(of_rows) {
        broker.create_topic(topic, partitions, 1).map_err(Error::Broker)?;
        tokio::time::sleep(BETWEEN_TOPICS).await;
    }
    config.kafka.brokers = vec![broker.bootstrap_servers()];
    config.clickhouse = sink::Config { url: format!("http://{}", engine.address()), ..sink::Config::default() };
    // A broker that begins anew with each start: its directory is as old as the process.
    migrate::run(&config.clickhouse, &config.chunk).await?;
    let client = sink::client(&config.clickhouse);
    begin_anew(&client, &config).await?;
    let brand = brand(&settings, &config);
    let (past, today) = days(&brand, &told(&client).await?, wall_ms())?;
    let ports = Ports::bind_near(&config).await?;
    show::addresses(&ports, &config);
    if generate::so_far(&brand, DAY, wall_ms())?.1 < DAY_MIN {
        show::early(&brand);
    }

    config.refresh.interval = REFRESH;
    let generators = [vec![today], past].map(|days| generator(days, config.clone(), wall_ms, shutdown.clone()));
    let line = tokio::spawn(show::rates(client, brand.time_zone, shutdown.clone()));
    let service = service::run(&config, None, ports, wall_ms, shutdown.clone()).await;
    shutdown.cancel();
    let _ = line.await;
    let generated = futures_util::future::join_all(generators).await;
    engine.stop().await?;
    drop(broker);
    service?;
    // A generator's thread is not cancelled: it returns or panics, and a panic is in the log.
    Ok(generated.into_iter().try_for_each(|told| told.unwrap_or(Ok(())))?)
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

/// Days of which the folder holds more than what came late.
async fn told(client: &Client) -> Result<Vec<Date>, Error> {
    let sql = "SELECT toString(business_date) FROM v_counts_1d_channel \
               GROUP BY business_date HAVING sum(adds) > sum(late_adds)";
    let rows = client.query(sql).fetch_all::<String>().await;
    let rows = rows.map_err(|source| sink::Error::new("look for the days that are told", source))?;
    Ok(rows.iter().filter_map(|date| date.parse().ok()).collect())
}

/// The brand whose days are told, in the zone in which they are counted.
fn brand(settings: &Settings, config: &Config) -> generate::Settings {
    let brand = generate::Settings {
        destination: Destination::Kafka,
        rate: settings.rate,
        seed: settings.seed,
        target_per_head: TARGET_PER_HEAD,
        telling: Telling::Nothing,
        ..generate::Settings::default()
    };
    let corp = config.corp.get(&brand.corp).cloned().unwrap_or_default();
    generate::Settings { time_zone: corp.time_zone, ..brand }
}

/// What is to be told: the days back that are not told yet, and today, which goes on live.
fn days(
    brand: &generate::Settings,
    told: &[Date],
    now_ms: i64,
) -> Result<(Vec<generate::Settings>, generate::Settings), generate::Error> {
    let (today, so_far) = generate::so_far(brand, DAY, now_ms)?;
    let mut past = Vec::new();
    for (back, count) in DAYS_BACK {
        let date = today.checked_sub(back.days()).map_err(generate::Error::Calendar)?;
        if !told.contains(&date) {
            past.push(generate::Settings {
                day: Day::Past(date),
                count,
                rate: 0,
                plot: Plot::Prologue,
                ..brand.clone()
            });
        }
    }
    let count = if told.contains(&today) { 0 } else { so_far.max(DAY_MIN) };
    let today = generate::Settings { day: Day::Today, count, live: true, plot: Plot::Story, ..brand.clone() };
    Ok((past, today))
}

/// Tells days, one after the other.
fn generator(
    days: Vec<generate::Settings>,
    config: Config,
    wall_ms: fn() -> i64,
    shutdown: CancellationToken,
) -> tokio::task::JoinHandle<Result<(), generate::Error>> {
    tokio::task::spawn_blocking(move || {
        for day in days.iter().take_while(|_| !shutdown.is_cancelled()) {
            if let Err(error) = generate::run(day, &config.kafka, &wall_ms, &shutdown) {
                tracing::error!(error = %crate::log::chain(&error), "the generator cannot go on");
                shutdown.cancel();
                return Err(error);
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
