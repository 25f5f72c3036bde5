//! The checks, each one query whose rows are the differences.
//!
//! Invariant: aggregates in ClickHouse; only what differs is transferred. A register above the ledger's position is
//! compared with the facts below its own offset, everything else with the facts below the ledger's.

use std::collections::HashMap;

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::{Days, Difference, sql};
use crate::{
    batch::Origin,
    chunk::{self, Grain},
    event::{Counter, named},
    sink::{self, Error},
};

named! {
    /// What is compared with what.
    Check {
        Ledger = "the balance of the ledger",
        Minutes = "rollups by minute with rollups by day",
        Days = "rollups by day with facts",
        Boards = "rollups for boards with rollups by day",
        MinutesAhead = "rollups by minute ahead of the ledger with facts",
        DaysAhead = "rollups by day ahead of the ledger with facts",
        BoardsAhead = "rollups for boards ahead of the ledger with facts",
        Counted = "facts with the ledger",
        Log = "facts with the log",
    }
}

impl Check {
    /// The two figures of a difference: what is expected, what is found.
    #[must_use]
    pub const fn sides(self) -> (&'static str, &'static str) {
        match self {
            Self::Ledger => ("outcome", "receipt"),
            Self::Minutes => ("day", "minute"),
            Self::Days | Self::DaysAhead => ("facts", "day"),
            Self::Boards => ("day", "board"),
            Self::BoardsAhead => ("facts", "board"),
            Self::MinutesAhead => ("facts", "minute"),
            Self::Counted => ("ledger", "facts"),
            Self::Log => ("log", "facts"),
        }
    }

    /// Whether it compares figures of chunks, which hold many days and keys.
    pub(super) fn is_of_chunks(self) -> bool {
        matches!(self, Self::Ledger | Self::Counted)
    }
}

/// One check tells at most so many; as many again show nothing new, and have to be held in memory.
pub(crate) const DIFFERENCES_MAX: usize = 100_000;

/// Examples of events that were counted more than once.
const EXAMPLES: usize = 5;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Warehouse<'a> {
    pub(crate) client: &'a Client,
    pub(crate) chunk: &'a chunk::Config,
    pub(crate) days: Days,
}

#[derive(Row, Deserialize)]
struct Figure {
    day: String,
    place: String,
    counter: String,
    expected: u64,
    found: u64,
}

#[derive(Row, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the fields are the columns of the query")]
struct Position {
    src_topic: String,
    src_partition: u32,
    position: u64,
}

#[derive(Row, Deserialize)]
struct Span {
    first_date: u16,
    last_date: u16,
}

impl Warehouse<'_> {
    /// The differences of one check as of now.
    pub(crate) async fn look(&self, check: Check) -> Result<Vec<Difference>, Error> {
        let sql = match check {
            Check::Ledger => ledger(),
            Check::Minutes => self.minutes(&self.position_table().await?),
            Check::Days => self.facts_and_days(&self.position_table().await?),
            Check::Boards => self.boards(&self.position_table().await?),
            Check::MinutesAhead => self.ahead(Grain::Minute, &self.position_table().await?),
            Check::DaysAhead => self.ahead(Grain::Day, &self.position_table().await?),
            Check::BoardsAhead => self.ahead(Grain::Board, &self.position_table().await?),
            Check::Counted => {
                let positions = self.position_table().await?;
                self.counted(&positions, self.span().await?)
            }
            // Needs the brokers; `deep` answers it.
            Check::Log => return Ok(Vec::new()),
        };
        let sql = format!("{sql} ORDER BY day, place, counter LIMIT {DIFFERENCES_MAX} {}", sql::SETTINGS);
        let figures = self.fetch::<Figure>("compare", &sql).await?;
        let difference = |Figure { day, place, counter, expected, found }| Difference {
            check,
            day,
            place,
            counter,
            expected,
            found,
        };
        Ok(figures.into_iter().map(difference).collect())
    }

    /// The ledger's position of every partition.
    pub(crate) async fn positions(&self) -> Result<HashMap<Origin, u64>, Error> {
        let sql = "SELECT src_topic, src_partition, max(next_offset) AS position FROM ledger \
                   GROUP BY src_topic, src_partition";
        let rows = self.fetch::<Position>("read the ledger", sql).await?;
        let position =
            |row: Position| (Origin { topic: row.src_topic.into(), partition: row.src_partition }, row.position);
        Ok(rows.into_iter().map(position).collect())
    }

    /// Records that the rollups by day count.
    pub(crate) async fn records(&self) -> Result<u64, Error> {
        let (table, between) = (sql::table(Grain::Day), sql::between(self.days));
        let sql =
            format!("SELECT sum(toUInt64(events)) FROM {table} FINAL WHERE business_date {between} {}", sql::SETTINGS);
        Ok(self.fetch::<u64>("count the records", &sql).await?.into_iter().sum())
    }

    /// Notes on events that lie among the facts more than once: duplicates beyond the horizon.
    pub(crate) async fn repetitions(&self) -> Result<Vec<String>, Error> {
        let between = sql::between(self.days);
        let identity = "sipHash128(corp_id, event_id)";
        let repeated = format!(
            "SELECT {identity} AS identity, count() AS times FROM events WHERE business_date {between} \
             GROUP BY identity HAVING times > 1"
        );
        let sum = format!("SELECT count(), toUInt64(sum(times) - count()) FROM ({repeated}) {}", sql::SETTINGS);
        let sums = self.fetch::<(u64, u64)>("look for repeated events", &sum).await?;
        let Some(&(events @ 1.., extra)) = sums.first() else { return Ok(Vec::new()) };
        let examples = format!(
            "SELECT concat(event_id, ' of ', corp_id, ' at ', arrayStringConcat(arraySort(groupArray(5)(concat(\
             src_topic, '[', toString(src_partition), '] offset ', toString(src_offset)))), ', ')) AS example \
             FROM events WHERE business_date {between} AND {identity} IN (SELECT identity FROM ({repeated}) LIMIT {EXAMPLES}) \
             GROUP BY corp_id, event_id ORDER BY example {}",
            sql::SETTINGS
        );
        let examples = self.fetch::<String>("look for repeated events", &examples).await?;
        let text = format!(
            "{events} events were counted more than once ({extra} times too many), farther apart than the horizon or in \
             other partitions; `yinliu reconcile` takes them out. Such as {}",
            examples.join("; ")
        );
        Ok(vec![text])
    }

    pub(crate) async fn fetch<T>(&self, doing: &'static str, sql: &str) -> Result<Vec<T>, Error>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead,
    {
        // The text may hold question marks, which the client would bind.
        self.client.query_raw(sql).fetch_all::<T>().await.map_err(|source| sink::Error::new(doing, source))
    }

    /// Runs a statement that answers nothing, however long it takes.
    pub(crate) async fn execute(&self, doing: &'static str, sql: &str) -> Result<(), Error> {
        self.client.query_raw(sql).execute().await.map_err(|source| sink::Error::new(doing, source))
    }

    async fn position_table(&self) -> Result<String, Error> {
        Ok(sql::positions(&self.positions().await?))
    }

    fn minutes(&self, positions: &str) -> String {
        // Chunks of minutes lie within chunks of days.
        let chunk = format!("bitShiftRight(src_chunk, {})", self.chunk.day_bits - self.chunk.bits);
        unequal(
            Grain::Minute,
            &self.settled(Grain::Day, "src_chunk", positions),
            &self.settled(Grain::Minute, &chunk, positions),
        )
    }

    /// Counters are compared with those by day, for these are compared with the facts already; the last adds with facts.
    fn boards(&self, positions: &str) -> String {
        let (key, counters, upto) = (sql::PARTITION_KEY, sql::of_registers(Grain::Day), sql::UPTO);
        let days = sql::folded(Grain::Board, &sql::registers(Grain::Day, self.days, positions));
        let last_adds = sql::folded(
            Grain::Board,
            &format!(
                "SELECT fact.* FROM ({}) AS fact INNER JOIN {positions} AS p ON fact.src_topic = p.topic \
                 AND fact.src_partition = p.number WHERE fact.src_offset < p.position AND {}",
                sql::facts(self.days, self.chunk.day_bits),
                sql::of_fact(Counter::Adds)
            ),
        );
        let expected = format!(
            "SELECT {key}, src_chunk AS day_chunk, arrayPushBack({counters}, toUInt64(0)) AS figures, \
             max({upto} > position) AS ahead FROM ({days}) GROUP BY {key}, day_chunk UNION ALL \
             SELECT {key}, src_chunk AS day_chunk, \
             arrayPushBack({}, toUInt64(max(toUnixTimestamp64Milli(occurred_at)))) AS figures, 0 AS ahead \
             FROM ({last_adds}) GROUP BY {key}, day_chunk",
            sql::zeros(Grain::Day)
        );
        unequal(Grain::Board, &expected, &self.settled(Grain::Board, "src_chunk", positions))
    }

    fn facts_and_days(&self, positions: &str) -> String {
        let (key, figures) = (sql::PARTITION_KEY, sql::of_facts(Grain::Day));
        let facts = sql::facts(self.days, self.chunk.day_bits);
        let facts = format!(
            "SELECT {key}, src_chunk AS day_chunk, {figures} AS figures, 0 AS ahead FROM (SELECT fact.* FROM ({facts}) AS fact \
             INNER JOIN {positions} AS p ON fact.src_topic = p.topic AND fact.src_partition = p.number \
             WHERE fact.src_offset < p.position) GROUP BY {key}, day_chunk"
        );
        unequal(Grain::Day, &facts, &self.settled(Grain::Day, "src_chunk", positions))
    }

    /// The figures of registers by [`sql::PARTITION_KEY`] and chunk of days, and whether one of them is ahead of the ledger.
    fn settled(&self, grain: Grain, chunk: &str, positions: &str) -> String {
        let (figures, upto, key) = (sql::of_registers(grain), sql::UPTO, sql::PARTITION_KEY);
        let registers = sql::registers(grain, self.days, positions);
        format!(
            "SELECT {key}, {chunk} AS day_chunk, {figures} AS figures, max({upto} > position) AS ahead \
             FROM ({registers}) GROUP BY {key}, day_chunk"
        )
    }

    /// Registers that a flush has written beyond the ledger, each with the facts that it must hold.
    fn ahead(&self, grain: Grain, positions: &str) -> String {
        let (key, upto, figures, zeros) = (sql::KEY, sql::UPTO, sql::of_registers(grain), sql::zeros(grain));
        let (bits, window) = match grain {
            Grain::Minute => (self.chunk.bits, ", late, window_start"),
            Grain::Day | Grain::Board => (self.chunk.day_bits, ", late"),
        };
        let register = format!("{key}{window}");
        let columns = || register.split(", ");
        let renamed = columns().map(|column| format!("{column} AS of_{column}")).collect::<Vec<_>>().join(", ");
        let equal = columns().map(|column| format!("fact.{column} = a.of_{column}")).collect::<Vec<_>>().join(" AND ");
        let registers = sql::registers(grain, self.days, positions);
        let ahead = format!("SELECT *, {upto} AS upto FROM ({registers}) WHERE {upto} > position");
        let chunk = "src_topic, src_partition, src_chunk";
        let facts = sql::facts(self.days, bits);
        let facts = format!("SELECT * FROM ({facts}) WHERE ({chunk}) IN (SELECT {chunk} FROM ({ahead}))");
        let (facts, of_facts) = (sql::folded(grain, &facts), sql::of_facts(grain));
        let facts = format!(
            "SELECT {key}, {of_facts} AS figures FROM (SELECT fact.* FROM ({facts}) AS fact INNER JOIN \
             (SELECT {renamed}, upto FROM ({ahead})) AS a ON {equal} WHERE fact.src_offset < a.upto) \
             GROUP BY {key}"
        );
        let found = format!("SELECT {key}, {figures} AS figures FROM ({ahead}) GROUP BY {key}");
        let unequal = format!(
            "SELECT {key}, sumForEach(e) AS expected, sumForEach(f) AS found FROM (\
             SELECT {key}, figures AS e, {zeros} AS f FROM ({facts}) UNION ALL \
             SELECT {key}, {zeros} AS e, figures AS f FROM ({found})) GROUP BY {key} HAVING expected != found"
        );
        unfold(grain, &unequal)
    }

    /// The days that hold the records of the chunks which have some in the range: late ones lie far before it.
    pub(crate) async fn span(&self) -> Result<Days, Error> {
        let Days { from, to } = self.days;
        let sql = format!(
            "SELECT least(toDate({0}), min(s.first_date)) AS first_date, greatest(toDate({1}), max(s.last_date)) AS last_date \
             FROM (SELECT first_date, last_date FROM chunks WHERE counted > 0 AND first_date <= toDate({1}) \
             AND last_date >= toDate({0}) UNION ALL SELECT toDate({0}), toDate({1})) AS s",
            from.0, to.0
        );
        let span = self.fetch::<Span>("read the ledger", &sql).await?;
        let days =
            |span: &Span| Days { from: crate::window::Date(span.first_date), to: crate::window::Date(span.last_date) };
        Ok(span.first().map_or(self.days, days))
    }

    fn counted(&self, positions: &str, span: Days) -> String {
        let (between, spanned, bits) = (sql::between(self.days), sql::between(span), self.chunk.bits);
        let Days { from, to } = self.days;
        let chunk = "src_topic, src_partition, src_chunk";
        let of_offset = format!("bitShiftRight(src_offset, {bits}) AS src_chunk");
        let chosen = format!(
            "SELECT {chunk} FROM chunks WHERE counted > 0 AND first_date <= toDate({}) AND last_date >= toDate({}) \
             UNION DISTINCT SELECT src_topic, src_partition, {of_offset} FROM facts WHERE business_date {between}",
            to.0, from.0
        );
        // The offsets of a chunk fit into a bitmap of a few KiB, so that copies of a fact need no `FINAL`. The few that
        // `reconcile` marked are taken out again.
        let facts = format!(
            "SELECT {chunk}, groupBitmap(toUInt32(src_offset - bitShiftLeft(src_chunk, {bits}))) AS n, \
             min(business_date) AS first, max(business_date) AS last FROM (\
             SELECT f.src_topic AS src_topic, f.src_partition AS src_partition, f.src_chunk AS src_chunk, \
             f.src_offset AS src_offset, f.business_date AS business_date \
             FROM (SELECT src_topic, src_partition, src_offset, business_date, {of_offset} FROM facts \
             WHERE business_date {spanned}) AS f \
             LEFT JOIN (SELECT src_topic AS of_topic, src_partition AS of_partition, src_chunk AS of_chunk, next_offset \
             FROM chunks) AS c ON f.src_topic = c.of_topic AND f.src_partition = c.of_partition AND f.src_chunk = c.of_chunk \
             LEFT JOIN {positions} AS p ON f.src_topic = p.topic AND f.src_partition = p.number \
             WHERE f.src_offset < if(c.next_offset = 0, p.position, c.next_offset)) GROUP BY {chunk}"
        );
        let marked = format!(
            "SELECT {chunk}, countIf(marked) AS n FROM (SELECT src_topic, src_partition, {of_offset}, src_offset, \
             argMax(is_duplicate, version) AS marked FROM facts WHERE version > 0 AND business_date {spanned} \
             GROUP BY src_topic, src_partition, src_chunk, src_offset) GROUP BY {chunk}"
        );
        format!(
            "SELECT {} AS day, {CHUNK} AS place, 'counted' AS counter, sum(l) AS expected, \
             toUInt64(greatest(0, toInt64(sum(f)) - toInt64(sum(m)))) AS found FROM (\
             SELECT {chunk}, counted AS l, toUInt64(0) AS f, toUInt64(0) AS m, {FIRST_DATE} AS first, {LAST_DATE} AS last \
             FROM chunks UNION ALL \
             SELECT {chunk}, toUInt64(0), n, toUInt64(0), first, last FROM ({facts}) UNION ALL \
             SELECT {chunk}, toUInt64(0), toUInt64(0), n, toDate(65535), toDate(0) FROM ({marked})) \
             WHERE ({chunk}) IN ({chosen}) GROUP BY {chunk} HAVING expected != found",
            of_days("min(first)", "max(last)")
        )
    }
}

/// A chunk, for people.
const CHUNK: &str = "concat(src_topic, '[', toString(src_partition), '] chunk ', toString(src_chunk))";

/// The days of a chunk in the ledger, in which nothing may be counted.
const FIRST_DATE: &str = "if(counted > 0, first_date, toDate(65535))";
const LAST_DATE: &str = "if(counted > 0, last_date, toDate(0))";

/// Days for people, by the first and the last.
fn of_days(first: &str, last: &str) -> String {
    format!(
        "multiIf({first} > {last}, '', {first} = {last}, toString({first}), \
         concat(toString({first}), ' to ', toString({last})))"
    )
}

fn ledger() -> String {
    format!(
        "SELECT {} AS day, {CHUNK} AS place, 'received' AS counter, rejected + duplicate + counted AS expected, \
         received AS found FROM chunks WHERE expected != found",
        of_days(FIRST_DATE, LAST_DATE)
    )
}

/// The differences between two selections of [`sql::PARTITION_KEY`], `day_chunk`, `figures` and `ahead`, without the
/// keys that are ahead of the ledger.
fn unequal(grain: Grain, expected: &str, found: &str) -> String {
    let (partition_key, key, zeros) = (sql::PARTITION_KEY, sql::KEY, sql::zeros(grain));
    let unequal = format!(
        "SELECT {key}, sumForEach(e) AS expected, sumForEach(f) AS found FROM (\
         SELECT {partition_key}, day_chunk AS src_chunk, figures AS e, {zeros} AS f, ahead FROM ({expected}) UNION ALL \
         SELECT {partition_key}, day_chunk AS src_chunk, {zeros} AS e, figures AS f, ahead FROM ({found})) \
         GROUP BY {key} HAVING expected != found AND max(ahead) = 0"
    );
    unfold(grain, &unequal)
}

/// One row for each figure that differs.
fn unfold(grain: Grain, unequal: &str) -> String {
    let (place, names) = (sql::PLACE, sql::names(grain));
    format!(
        "SELECT toString(business_date) AS day, {place} AS place, d.1 AS counter, d.2 AS expected, d.3 AS found FROM (\
         SELECT *, arrayJoin(arrayFilter(one -> one.2 != one.3, arrayZip({names}, expected, found))) AS d FROM ({unequal}))"
    )
}
