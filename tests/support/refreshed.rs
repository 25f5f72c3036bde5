//! A database of its own, events counted into it as the pipeline does, and the cohort figures that `refresh` makes.
//!
//! Invariant: facts come from the pure rooms through the sink; figures are read from the views alone.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use clickhouse::{Client, Row};
use jiff::Timestamp;
use serde::Deserialize;
use yinliu::{
    batch::{Batch, Origin, encode_ledger},
    config,
    corp::Corps,
    directory::Directory,
    event::Record,
    migrate,
    partition::{Config, Loaded, Outcome, Partition, Rules},
    refresh::{self, Settings},
    sink::{self, ClickHouse, Sink as _, Table},
    window::Calendar,
};

use super::engine::Engine;

/// One event of a history. Amounts are those of orders; a `shared` channel makes an add a transfer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Happening {
    pub(crate) at_ms: i64,
    pub(crate) corp: String,
    pub(crate) customer: String,
    pub(crate) staff: String,
    pub(crate) kind: Kind,
    /// Also its `event_id`.
    pub(crate) id: String,
    pub(crate) channel: String,
    pub(crate) amount: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Add,
    TransferIn,
    Customer,
    Staff,
    TransferOut,
    Request,
    Inbound,
    Outbound,
    Order,
    /// Of a member of staff to all their customers; `amount` is the audience, `channel` the task.
    Broadcast,
}

impl Kind {
    /// The type of the contract and what else such a record carries.
    fn record(self) -> (&'static str, &'static str) {
        match self {
            Self::Add => ("friend.added", ""),
            Self::TransferIn => ("friend.transferred_in", ""),
            Self::Customer => ("friend.deleted_by_customer", ""),
            Self::Staff => ("friend.deleted_by_staff", ""),
            Self::TransferOut => ("friend.transferred_out", ""),
            Self::Request => ("friend.requested", r#","direction":"out""#),
            Self::Inbound => ("message.inbound", ""),
            Self::Outbound => ("message.outbound", ""),
            Self::Order => ("order.paid", ""),
            Self::Broadcast => ("broadcast.sent", ""),
        }
    }
}

impl Happening {
    /// Of the corp `c`, at the till; no two alike in one millisecond.
    pub(crate) fn new(at_ms: i64, kind: Kind, staff: &str, customer: &str) -> Self {
        Self {
            at_ms,
            corp: "c".to_owned(),
            customer: customer.to_owned(),
            staff: staff.to_owned(),
            kind,
            id: format!("{staff}-{customer}-{kind:?}-{at_ms}"),
            channel: "cashier".to_owned(),
            amount: 0,
        }
    }

    /// Region and store: online adds have their own region, and a member at a second that is odd another counter.
    pub(crate) fn place(&self) -> (String, String) {
        let region = if self.channel == "douyin" { "online" } else { "r" };
        let counter = if self.at_ms / 1_000 % 2 == 1 { "kiosk" } else { "store" };
        (region.to_owned(), format!("{counter}-{}", self.staff))
    }

    /// Of paid adds.
    pub(crate) fn campaign(&self) -> &'static str {
        if self.kind == Kind::Add && self.channel == "douyin" { "spring" } else { "" }
    }

    fn json(&self) -> String {
        let Self { at_ms, corp, customer, staff, kind, id, channel, amount } = self;
        let (name, more) = kind.record();
        let own = match kind {
            Kind::Order => format!(r#","order_id":"o-{id}","amount_fen":{amount}"#),
            Kind::Broadcast => format!(r#","task_id":"{channel}","audience":{amount}"#),
            _ => format!(r#","channel":"{channel}""#),
        };
        let ((region, store), campaign) = (self.place(), self.campaign());
        let customer = if customer.is_empty() { String::new() } else { format!(r#","customer_id":"{customer}""#) };
        format!(
            r#"{{"event_id":"{id}","type":"{name}","corp_id":"{corp}","occurred_at":{at_ms},"staff_id":"{staff}","store_id":"{store}","region_id":"{region}","campaign_id":"{campaign}"{customer}{own}{more}}}"#
        )
    }
}

/// Figures of one cell that are not 0, by name.
pub(crate) type Figures = BTreeMap<String, u64>;

/// Corp, days since 1970, region and store, staff, channel.
pub(crate) type Cell = (String, u16, (String, String), String, String);

#[derive(Debug, Row, Deserialize)]
struct CellRow {
    corp_id: String,
    business_date: u16,
    region_id: String,
    store_id: String,
    staff_id: String,
    channel: String,
    figures: Vec<u64>,
}

/// An episode as `v_episodes` shows it; instants in ms since the epoch, 0 where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Row, Deserialize)]
pub(crate) struct Episode {
    pub(crate) corp: String,
    pub(crate) customer: String,
    pub(crate) began_ms: i64,
    pub(crate) staff: String,
    pub(crate) number: u32,
    pub(crate) number_in_corp: u32,
    pub(crate) business_date: u16,
    pub(crate) begun_by: String,
    pub(crate) region: String,
    pub(crate) store: String,
    pub(crate) channel: String,
    pub(crate) campaign: String,
    pub(crate) ended_ms: i64,
    pub(crate) ended_by: String,
    pub(crate) handed_to: String,
    pub(crate) lost_ms: i64,
    pub(crate) lost_by: String,
    pub(crate) unfriended_ms: i64,
    pub(crate) unfriended_by: String,
    pub(crate) opened_ms: i64,
    pub(crate) replied_ms: i64,
    pub(crate) orders_7d: u32,
    pub(crate) gmv_7d_fen: u64,
    pub(crate) orders_30d: u32,
    pub(crate) gmv_30d_fen: u64,
}

/// A database with one partition of the friends' topic.
#[derive(Debug)]
pub(crate) struct Refreshed {
    pub(crate) config: config::Config,
    pub(crate) client: Client,
    pub(crate) corps: Corps,
    sink: ClickHouse,
    partitions: Vec<Partition>,
}

impl Refreshed {
    /// A new database on the engine that all of these share. A corp whose id begins with `ny` lives in New York.
    pub(crate) async fn new(name: &str, corps: &[&str]) -> Self {
        let new_york = corps.iter().filter(|corp| corp.starts_with("ny"));
        Self::with_zones(name, &new_york.map(|corp| (*corp, "America/New_York")).collect::<Vec<_>>()).await
    }

    /// The same with the zones of these corps.
    pub(crate) async fn with_zones(name: &str, zones: &[(&str, &str)]) -> Self {
        static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);
        let clickhouse = sink::Config { url: ENGINE.url(), database: name.to_owned(), ..Default::default() };
        let of = |zone: &str| yinliu::corp::Config { time_zone: zone.to_owned(), ..Default::default() };
        let corp = zones.iter().map(|(corp, zone)| ((*corp).to_owned(), of(zone)));
        let config = config::Config { clickhouse, corp: corp.collect(), ..Default::default() };
        migrate::run(&config.clickhouse, &config.chunk).await.unwrap();
        Self::over(config)
    }

    /// What another test has made, with connections of this one: those of the other end with its runtime.
    pub(crate) fn over(config: config::Config) -> Self {
        let sink = ClickHouse::new(&config.clickhouse);
        let start = |partition| {
            let origin = Origin { topic: "yinliu.friend.v1".into(), partition };
            Partition::start(&Config::default(), origin, Loaded::default(), 0).unwrap()
        };
        let corps = Corps::new(&config.corp).unwrap();
        Self { client: sink.client().clone(), sink, corps, config, partitions: (0..2).map(start).collect() }
    }

    /// Counts the events, each in the partition of its member of staff, and flushes.
    pub(crate) async fn count(&mut self, events: &[Happening]) {
        self.count_after(events, 500).await;
    }

    /// The same, each so many milliseconds after it happened.
    pub(crate) async fn count_after(&mut self, events: &[Happening], delay_ms: i64) {
        let records: Vec<_> = events.iter().map(|event| (event.clone(), event.at_ms + delay_ms)).collect();
        self.count_recorded(&records).await;
    }

    /// The same, each with the timestamp of its record.
    pub(crate) async fn count_recorded(&mut self, records: &[(Happening, i64)]) {
        let (directory, mut calendar, mut scratch) = (Directory::default(), Calendar::new(), Vec::new());
        let mut batch = Batch::default();
        for (event, recorded_ms) in records {
            let mut rules = Rules {
                corps: &self.corps,
                directory: &directory,
                delay_ms: 60_000,
                calendar: &mut calendar,
                scratch: &mut scratch,
            };
            let number = usize::from(event.staff.bytes().last().unwrap_or(0)) % self.partitions.len();
            let (partition, json) = (&mut self.partitions[number], event.json());
            let (offset, timestamp) = (partition.position(), Some(*recorded_ms));
            let record = Record { offset, timestamp, key: None, value: Some(json.as_bytes()), headers: &[] };
            let outcome = partition.fold(&record, &mut rules, &mut batch);
            assert!(matches!(outcome, Outcome::Counted(_) | Outcome::Duplicate), "{json}: {outcome:?}");
        }
        self.partitions.iter_mut().for_each(|partition| partition.drain(&mut batch));
        for (table, rows) in [
            (Table::Facts, &batch.facts),
            (Table::Minutes, &batch.minute),
            (Table::Days, &batch.day),
            (Table::Boards, &batch.board),
        ] {
            self.sink.insert(table, rows).await.unwrap();
        }
        self.sink.insert(Table::Ledger, &encode_ledger(&batch.ledger)).await.unwrap();
    }

    /// Everything until this instant is counted.
    pub(crate) async fn complete_through(&self, instant_ms: i64) {
        self.execute(&format!(
            "INSERT INTO progress (src_topic, src_partition, complete_through) \
             VALUES ('yinliu.friend.v1', 0, fromUnixTimestamp64Milli(toInt64({instant_ms}), 'UTC'))"
        ))
        .await;
    }

    pub(crate) async fn refresh(&self) -> refresh::Report {
        refresh::run(&Settings::default(), &self.config).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.client.query_raw(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The answer of a question as CSV.
    pub(crate) async fn csv(&self, sql: &str) -> String {
        let mut cursor = self.client.query_raw(sql).fetch_bytes("CSV").unwrap();
        String::from_utf8(cursor.collect().await.unwrap().to_vec()).unwrap()
    }

    /// All episodes of the corps whose id begins so.
    pub(crate) async fn episodes(&self, corp: &str) -> Vec<Episode> {
        let ms = |column: &str, name: &str| format!("ifNull(toUnixTimestamp64Milli({column}), 0) AS {name}");
        let sql = format!(
            "SELECT toString(corp_id) AS corp, customer_id AS customer, {}, staff_id AS staff, number, number_in_corp, \
             business_date, toString(begun_by) AS begun_by, toString(region_id) AS region, toString(store_id) AS store, \
             toString(channel) AS channel, toString(campaign_id) AS campaign, {}, \
             toString(ended_by) AS ended_by, handed_to, {}, toString(lost_by) AS lost_by, {}, toString(unfriended_by) AS unfriended_by, {}, {}, \
             orders_7d, gmv_7d_fen, orders_30d, gmv_30d_fen FROM v_episodes WHERE startsWith(corp_id, '{corp}')",
            ms("began_at", "began_ms"),
            ms("ended_at", "ended_ms"),
            ms("lost_at", "lost_ms"),
            ms("unfriended_at", "unfriended_ms"),
            ms("opened_at", "opened_ms"),
            ms("replied_at", "replied_ms"),
        );
        let mut found = self.client.query(&sql).fetch_all::<Episode>().await.unwrap();
        found.sort();
        found
    }

    /// The figures of all cells of the corps whose id begins so.
    pub(crate) async fn figures(&self, corp: &str) -> BTreeMap<Cell, Figures> {
        let names = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'v_cohorts_1d' \
                     AND position > 6 ORDER BY position";
        let names = self.client.query(names).fetch_all::<String>().await.unwrap();
        let sql = format!(
            "SELECT toString(corp_id) AS corp_id, business_date, toString(region_id) AS region_id, \
             toString(store_id) AS store_id, staff_id, toString(channel) AS channel, [{}] AS figures \
             FROM v_cohorts_1d WHERE startsWith(corp_id, '{corp}')",
            names.join(", ")
        );
        let mut found = BTreeMap::new();
        for row in self.client.query(&sql).fetch_all::<CellRow>().await.unwrap() {
            let figures = names.iter().cloned().zip(row.figures).filter(|(_, value)| *value > 0).collect();
            let cell = (row.corp_id, row.business_date, (row.region_id, row.store_id), row.staff_id, row.channel);
            let repeated = found.insert(cell, figures);
            assert_eq!(repeated, None, "one row for each cell");
        }
        found
    }
}

/// A figure of a cell as `v_cohort_figures_1d` tells it: numerator, denominator, matured, pending.
pub(crate) type Told = BTreeMap<(Cell, String), [u64; 4]>;

#[derive(Debug, Row, Deserialize)]
struct ToldRow {
    corp_id: String,
    business_date: u16,
    region_id: String,
    store_id: String,
    staff_id: String,
    channel: String,
    figure: String,
    parts: Vec<u64>,
}

impl Refreshed {
    /// What the long view tells of the corps whose id begins so.
    pub(crate) async fn told(&self, corp: &str) -> Told {
        let sql = format!(
            "SELECT toString(corp_id) AS corp_id, business_date, toString(region_id) AS region_id, \
             toString(store_id) AS store_id, staff_id, toString(channel) AS channel, toString(figure) AS figure, \
             [numerator, denominator, matured, pending] AS parts FROM v_cohort_figures_1d WHERE startsWith(corp_id, '{corp}')"
        );
        let rows = self.client.query(&sql).fetch_all::<ToldRow>().await.unwrap();
        let of = |row: ToldRow| {
            let cell = (row.corp_id, row.business_date, (row.region_id, row.store_id), row.staff_id, row.channel);
            ((cell, row.figure), row.parts.try_into().unwrap())
        };
        rows.into_iter().map(of).collect()
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    yinliu::log::chain(error)
}

/// Milliseconds since the epoch of a wall time in a corp's zone.
pub(crate) fn instant(text: &str, zone: &str) -> i64 {
    let civil: jiff::civil::DateTime = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    civil.in_tz(zone).unwrap().timestamp().as_millisecond()
}

/// The zone of a corp of these tests.
pub(crate) fn zone(corp: &str) -> &'static str {
    if corp.starts_with("ny") { "America/New_York" } else { "Asia/Shanghai" }
}

/// Days since 1970 of an instant in a corp's zone.
pub(crate) fn day(corp: &str, at_ms: i64) -> u16 {
    let date = Timestamp::from_millisecond(at_ms).unwrap().in_tz(zone(corp)).unwrap().date();
    yinliu::window::date_of(date).unwrap().0
}

/// Events by customer.
pub(crate) fn by_customer(events: &[Happening]) -> HashMap<(String, String), Vec<Happening>> {
    let mut customers: HashMap<_, Vec<_>> = HashMap::new();
    for event in events {
        customers.entry((event.corp.clone(), event.customer.clone())).or_default().push(event.clone());
    }
    customers
}
