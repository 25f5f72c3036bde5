//! Where rows go: ClickHouse over HTTP(S), and back from it at the start of a partition.
//!
//! Invariant: a row is acknowledged or it is not known; nothing here decides what to do about an error.

mod backoff;
mod clickhouse;
mod error;
mod load;

use std::future::Future;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

pub use self::{
    backoff::Backoff,
    clickhouse::{ClickHouse, client, literal},
    error::{Class, Error},
};
use crate::{
    batch::{self, Origin, Rows},
    partition::{Loaded, Room},
};

/// Section `clickhouse`.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `http://` or `https://`, host and port.
    pub url: String,
    pub database: String,
    pub user: String,
    /// Secret.
    pub password: String,
    /// `ON CLUSTER` of the migrations, with `Replicated*` engines; empty: one server, plain engines.
    pub cluster: String,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, database, user, password: _, cluster } = self;
        let mut fields = formatter.debug_struct("Config");
        fields.field("url", url).field("database", database).field("user", user).field("cluster", cluster);
        fields.finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".to_owned(),
            database: "yinliu".to_owned(),
            user: "default".to_owned(),
            password: String::new(),
            cluster: String::new(),
        }
    }
}

/// The tables that this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    Facts,
    Minutes,
    Days,
    Boards,
    Ledger,
    Progress,
    Activity,
    Letters,
    Org,
    Channels,
    Targets,
    Contests,
    Costs,
    Official,
    /// Written by `reconcile`.
    Amendments,
    /// Written by `dead-letters replay`.
    Replays,
}

impl Table {
    pub const ALL: [Self; 16] = [
        Self::Facts,
        Self::Minutes,
        Self::Days,
        Self::Boards,
        Self::Ledger,
        Self::Progress,
        Self::Activity,
        Self::Letters,
        Self::Org,
        Self::Channels,
        Self::Targets,
        Self::Contests,
        Self::Costs,
        Self::Official,
        Self::Amendments,
        Self::Replays,
    ];

    /// The name in ClickHouse.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Minutes => "counts_1m_registers",
            Self::Days => "counts_1d_registers",
            Self::Boards => "counts_1d_board_registers",
            Self::Ledger => "ledger",
            Self::Progress => "progress",
            Self::Activity => "corp_activity",
            Self::Letters => "dead_letter_log",
            Self::Org => "org_log",
            Self::Channels => "channel_log",
            Self::Targets => "target_log",
            Self::Contests => "contest_log",
            Self::Costs => "cost_log",
            Self::Official => "official_log",
            Self::Amendments => "amendment_log",
            Self::Replays => "dead_letter_replays",
        }
    }

    /// The columns that rows carry, in the order in which they are encoded.
    #[must_use]
    pub fn columns(self) -> String {
        const PUBLICATION: &str = "removed, published_at, src_partition, src_offset";
        match self {
            Self::Facts => batch::FACT_COLUMNS.to_owned(),
            Self::Minutes => batch::register_columns("window_start, "),
            Self::Days => batch::register_columns(""),
            Self::Boards => batch::register_columns("") + ", last_add_at",
            Self::Ledger => batch::LEDGER_COLUMNS.to_owned(),
            Self::Progress => "src_topic, src_partition, complete_through".to_owned(),
            Self::Activity => "corp_id, last_event_at".to_owned(),
            Self::Letters => batch::LETTER_COLUMNS.to_owned(),
            Self::Org => format!(
                "corp_id, staff_id, staff_name, store_id, store_name, region_id, region_name, active, valid_from, \
                 {PUBLICATION}"
            ),
            Self::Channels => format!("corp_id, state, channel, campaign_id, label, `group`, {PUBLICATION}"),
            Self::Targets => format!("corp_id, level, id, business_date, metric, target, {PUBLICATION}"),
            Self::Contests => {
                format!("corp_id, contest_id, name, level, ids, metric, basis, starts_at, ends_at, {PUBLICATION}")
            }
            Self::Costs => format!("corp_id, business_date, channel, campaign_id, cost_fen, {PUBLICATION}"),
            Self::Official => format!(
                "corp_id, business_date, staff_id, new_apply_cnt, new_contact_cnt, negative_feedback_cnt, {PUBLICATION}"
            ),
            Self::Amendments => {
                "corp_id, business_date, reason, metric, region_id, store_id, staff_id, channel, before, after, \
                 window_start, late, src_topic, src_partition, src_chunk, generation_before, generation"
                    .to_owned()
            }
            Self::Replays => "src_topic, src_partition, src_offset, replay_offset, replay_count".to_owned(),
        }
    }
}

/// The warehouse, as the pipeline needs it.
pub trait Sink: Send + Sync + 'static {
    /// Inserts all rows. On success they are in; on an error they may be in, in part or whole, now or later.
    fn insert(&self, table: Table, rows: &Rows) -> impl Future<Output = Result<(), Error>> + Send;

    /// The ledger's position of each origin that has one.
    fn positions(&self, origins: &[Origin]) -> impl Future<Output = Result<FxHashMap<Origin, u64>, Error>> + Send;

    /// The incarnation of each topic that was adopted after it was recreated.
    fn incarnations(&self) -> impl Future<Output = Result<FxHashMap<String, u32>, Error>> + Send;

    /// Waits until what is read afterwards contains every acknowledged row, whichever replica took it.
    fn sync(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// What the warehouse holds of each origin, as far as there is room; after [`Self::sync`] every acknowledged row is seen.
    fn load(
        &self,
        origins: &[Origin],
        chunk: &crate::chunk::Config,
        room: Room,
    ) -> impl Future<Output = Result<FxHashMap<Origin, Loaded>, Error>> + Send;
}
