//! Events that were counted more than once: farther apart than the horizon, in another partition, in another topic.
//!
//! Invariant: of all facts of an event that the ledger covers, one is first, whoever asks and when: the one with the
//! earliest record timestamp, then by topic, partition and offset. A fact that was marked once stays marked.
//!
//! # Why by the timestamp first
//! Offsets of two partitions cannot be compared. Within one partition timestamps mostly run with the offsets; where they
//! run backwards, the earlier timestamp is still the same for every reader.
//!
//! # Why never unmarked
//! The fact that came first may have been dropped with its month since. Its registers still count it.

use super::{NOW, scope::Scope};
use crate::{batch::FACT_COLUMNS, mutants::planted, sink::Error, verify::sql};

/// 64 bits choose the candidates; which of these are the same event is decided by the ids themselves.
const IDENTITY: &str = "cityHash64(corp_id, event_id)";
const PLACE: &str = "cityHash64(src_topic, src_partition, src_offset)";

/// The facts to be marked, as `src_topic, src_partition, src_offset`.
pub(super) fn unmarked(scope: &Scope<'_>) -> String {
    let between = sql::between(scope.warehouse.days);
    let day_chunk = format!("bitShiftRight(src_offset, {})", scope.warehouse.chunk.day_bits);
    // Copies of a fact lie at the same offset, so they are no candidates.
    let candidates = format!(
        "SELECT {IDENTITY} AS identity FROM facts WHERE identity IN (\
         SELECT {IDENTITY} FROM facts WHERE business_date {between}) GROUP BY identity HAVING min({PLACE}) != max({PLACE})"
    );
    let facts = format!(
        "SELECT corp_id, event_id, src_topic, src_partition, src_offset, any(business_date) AS day, \
         min(recorded_at) AS recorded, argMax(is_duplicate, version) AS marked FROM facts WHERE {IDENTITY} IN ({candidates}) \
         GROUP BY corp_id, event_id, src_topic, src_partition, src_offset"
    );
    let direction = if planted!(LastDeliveryCounts) { "DESC" } else { "ASC" };
    format!(
        "SELECT src_topic, src_partition, src_offset FROM (\
         SELECT f.*, p.closed AS closed, row_number() OVER (PARTITION BY corp_id, event_id \
         ORDER BY recorded {direction}, src_topic, src_partition, src_offset) AS nth FROM ({facts}) AS f \
         INNER JOIN {} AS p ON f.src_topic = p.topic AND f.src_partition = p.number WHERE f.src_offset < p.position) AS p \
         WHERE nth > 1 AND NOT marked AND day {between} AND {}",
        scope.partitions(),
        scope.is_closed(&day_chunk)
    )
}

/// How many facts are to be marked.
pub(super) async fn count(scope: &Scope<'_>) -> Result<u64, Error> {
    let text = format!("SELECT count() FROM ({}) {}", unmarked(scope), sql::SETTINGS);
    let counts = scope.warehouse.fetch::<u64>("look for repeated events", &text).await?;
    Ok(counts.into_iter().sum())
}

/// Marks them.
pub(super) async fn mark(scope: &Scope<'_>, generation: u64) -> Result<u64, Error> {
    let between = sql::between(scope.warehouse.days);
    let chosen = unmarked(scope);
    let text = format!(
        "INSERT INTO facts ({FACT_COLUMNS}, schema, ingested_at, is_duplicate, version) \
         SELECT {FACT_COLUMNS}, schema, {NOW}, true, {generation} FROM (\
         SELECT * FROM facts WHERE business_date {between} AND (src_topic, src_partition, src_offset) IN ({chosen}) \
         ORDER BY version DESC LIMIT 1 BY src_topic, src_partition, src_offset) {}",
        sql::SETTINGS
    );
    scope.warehouse.execute("mark repeated events", &text).await?;
    let text = format!(
        "SELECT uniqExact(src_topic, src_partition, src_offset) FROM facts \
         WHERE business_date {between} AND version = {generation} AND is_duplicate"
    );
    let counts = scope.warehouse.fetch::<u64>("count the marked events", &text).await?;
    Ok(counts.into_iter().sum())
}
