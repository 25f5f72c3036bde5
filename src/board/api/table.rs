//! Answers as tables, for spreadsheets.
//!
//! Invariant: each row says how far it is complete, and each figure that may still change carries its seal in words.

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};

use super::Part;
use crate::board::channels::Channels;
use crate::board::contests::Contest;
use crate::board::leaderboard::Leaderboard;
use crate::board::losses::Losses;
use crate::board::snapshot::{Freshness, Snapshot, rfc3339};
use crate::board::summary::{Step, Summary};
use crate::board::trend::Trend;
use crate::board::view::{Language, View};
use crate::board::words::Word;
use crate::board::{attention, contests, corrections, definitions, person, search};
use crate::event::Counter;

/// Spreadsheets read UTF-8 only behind this mark.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Columns by name, and rows that hold them.
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Value>,
}

impl Table {
    fn new(columns: &[&'static str], rows: Vec<Value>) -> Self {
        Self { columns: columns.to_vec(), rows }
    }

    /// The table of a part; absent where the figures for it could not be read.
    pub(super) fn of(part: Part, view: &View, snapshot: &Snapshot, freshness: &Freshness) -> Option<Self> {
        let language = view.language;
        let qualified = snapshot.cohorts().map(|cohorts| cohorts.are_final(&snapshot.instants));
        let sealed = |rows: Vec<Value>| seal_cohort(rows, language, qualified);
        Some(match part {
            Part::Summary => summary(snapshot, freshness, language),
            Part::Leaderboard => Self::new(
                &[
                    "rank",
                    "tied",
                    "rank_before",
                    "id",
                    "name",
                    "adds",
                    "net_adds",
                    "qualified_adds",
                    "qualified_adds_seal",
                    "baseline_adds",
                    "staff_active",
                    "target",
                    "last_add_at",
                    "flags",
                    "business_date",
                    "time_zone",
                    "complete_through_local",
                ],
                dated(sealed(values(&Leaderboard::new(snapshot, view, freshness).rows)), snapshot, freshness),
            ),
            Part::Channels => channels(&Channels::new(snapshot, freshness), sealed),
            Part::Trend => trend(&Trend::new(snapshot, view.step_seconds, freshness)?, language),
            Part::Attention => {
                let found = attention::attention(snapshot, &view.viewer, freshness)?;
                let seals: Vec<_> = found.iter().map(|finding| seal(language, !finding.provisional)).collect();
                let columns = [
                    "kind",
                    "level",
                    "id",
                    "name",
                    "value",
                    "value_seal",
                    "usual",
                    "numerator",
                    "denominator",
                    "usual_numerator",
                    "usual_denominator",
                    "since",
                ];
                Self::new(&columns, placed(with(values(&found), "value_seal", &seals)))
            }
            Part::Losses => losses(&Losses::new(snapshot), language)?,
            Part::Corrections => {
                let found = corrections::corrections(snapshot)?;
                let seals = vec![Word::RevisedWord.text(language); found.len()];
                let columns = [
                    "business_date",
                    "reason",
                    "metric",
                    "before",
                    "after",
                    "after_seal",
                    "from",
                    "to",
                    "received_at",
                    "closed",
                ];
                Self::new(&columns, with(values(&found), "after_seal", &seals))
            }
            Part::Contests => sides(&contests::contests(snapshot, view, freshness)?, language),
            Part::MyAdds => {
                let adds = person::adds(snapshot)?;
                let is_final = |add: &person::Add| add.status != person::Status::Pending;
                let seals: Vec<_> = adds.iter().map(|add| seal(language, is_final(add))).collect();
                let columns =
                    ["added_at", "channel", "status", "status_seal", "final_at", "received_late_at", "receipt"];
                Self::new(&columns, with(values(&adds), "status_seal", &seals))
            }
            Part::Search => {
                let found = search::search(&view.text, &view.viewer, &snapshot.directory.organisation);
                let paths: Vec<_> = found.iter().map(|found| path(&found.path)).collect();
                Self::new(&["level", "id", "name", "path"], with(values(&found), "path", &paths))
            }
            Part::Definitions => {
                Self::new(&["key", "zh", "en", "basis", "final_after_seconds"], values(&definitions::items()))
            }
        })
    }

    /// The bytes of the file; the last columns are the same in every row.
    pub(super) fn write(&self, freshness: &Freshness) -> Result<Vec<u8>, csv::Error> {
        let complete_through = freshness.complete_through.clone().unwrap_or_default();
        let mut writer = csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
        writer.write_record(self.columns.iter().chain(&["complete_through", "state"]))?;
        for row in &self.rows {
            let cells = self.columns.iter().map(|column| cell(&row[*column]));
            writer.write_record(cells.chain([complete_through.clone(), freshness.state.name().to_owned()]))?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

fn values<T: Serialize>(rows: &[T]) -> Vec<Value> {
    rows.iter().map(|row| json!(row)).collect()
}

fn seal(language: Language, is_final: bool) -> &'static str {
    let word = if is_final { Word::Final } else { Word::ProvisionalInTable };
    word.text(language)
}

/// Rows with one more column.
fn with<T: Serialize>(mut rows: Vec<Value>, column: &str, cells: &[T]) -> Vec<Value> {
    for (row, cell) in rows.iter_mut().zip(cells) {
        row[column] = json!(cell);
    }
    rows
}

/// What becomes of the adds of a day, each with the column of its seal.
const COHORT: [(&str, &str); 4] = [
    ("opened", "opened_seal"),
    ("not_new_adds", "not_new_adds_seal"),
    ("lost_adds", "lost_adds_seal"),
    ("qualified_adds", "qualified_adds_seal"),
];

/// Rows whose figures of the cohort say whether they may still change.
fn seal_cohort(mut rows: Vec<Value>, language: Language, is_final: Option<bool>) -> Vec<Value> {
    let word = is_final.map(|is_final| seal(language, is_final));
    for row in &mut rows {
        for (figure, column) in COHORT {
            if row.get(figure).is_some_and(|value| !value.is_null()) {
                row[column] = json!(word);
            }
        }
    }
    rows
}

/// Rows that say of which day they are, and how far they are complete by the clock of the corp.
fn dated(mut rows: Vec<Value>, snapshot: &Snapshot, freshness: &Freshness) -> Vec<Value> {
    let zone = TimeZone::get(&snapshot.time_zone).unwrap_or(TimeZone::UTC);
    let complete: Option<jiff::Timestamp> = freshness.complete_through.as_ref().and_then(|at| at.parse().ok());
    let complete = complete.map(|at| at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string());
    for row in &mut rows {
        row["business_date"] = snapshot.day.to_string().into();
        row["time_zone"] = snapshot.time_zone.as_str().into();
        row["complete_through_local"] = json!(complete);
    }
    rows
}

/// Rows with the place of a scope in columns of its own.
fn placed(mut rows: Vec<Value>) -> Vec<Value> {
    for row in &mut rows {
        (row["level"], row["id"]) = (row["scope"]["level"].clone(), row["scope"]["id"].clone());
    }
    rows
}

/// The channels, which add up, and below them the codes that are silent, which have no adds to add.
fn channels(channels: &Channels, sealed: impl Fn(Vec<Value>) -> Vec<Value>) -> Table {
    let columns = [
        "channel",
        "group",
        "zh",
        "en",
        "adds",
        "baseline_adds",
        "qualified_adds",
        "qualified_adds_seal",
        "retained_24h",
        "matured_24h",
        "code",
        "label",
        "last_add_at",
        "silent_seconds",
        "usual_gap_seconds",
    ];
    let mut rows = sealed(values(&channels.rows));
    for (row, channel) in rows.iter_mut().zip(&channels.rows) {
        row["retained_24h"] = json!(channel.retained_24h.map(|retained| retained.numerator));
        row["matured_24h"] = json!(channel.retained_24h.map(|retained| retained.denominator));
    }
    let silent = channels.silent.as_deref().unwrap_or_default();
    // The last column of every table is named `state` already.
    let codes: Vec<_> = silent.iter().map(|code| &code.state).collect();
    rows.extend(with(values(silent), "code", &codes));
    Table::new(&columns, rows)
}

/// The day, then each of its broadcasts; absent where these could not be read.
fn losses(losses: &Losses, language: Language) -> Option<Table> {
    let columns = [
        "deletes_by_customer",
        "deletes_by_staff",
        "transfers_in",
        "transfers_out",
        "task_id",
        "name",
        "sent_at",
        "audience",
        "deleted_24h",
        "deleted_24h_seal",
    ];
    let sent = losses.broadcasts.as_ref()?;
    let seals: Vec<_> = sent.iter().map(|sent| seal(language, !sent.provisional)).collect();
    let sent = with(values(sent), "deleted_24h_seal", &seals);
    Some(Table::new(&columns, values(&[losses]).into_iter().chain(sent).collect()))
}

/// From the top down, by name.
fn path(steps: &[Step]) -> String {
    steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(" / ")
}

/// The day and its baselines, one below the other; target, pace and forecast stand in the row of the day.
fn summary(snapshot: &Snapshot, freshness: &Freshness, language: Language) -> Table {
    let mut columns = vec!["business_date", "until"];
    columns.extend(Counter::ALL.iter().map(|counter| counter.name()));
    columns.push("net_adds");
    columns.extend(COHORT.iter().flat_map(|(figure, seal)| [*figure, *seal]));
    columns.extend(["target_metric", "target", "usual_numerator", "usual_denominator", "usual_unknown"]);
    columns.extend(["forecast_adds", "forecast_low", "forecast_high", "forecast_seal", "forecast_unknown"]);
    let summary = Summary::new(snapshot, freshness);
    let mut rows = values(&[&summary.figures]);
    for row in &mut rows {
        row["business_date"] = snapshot.day.to_string().into();
        row["until"] = rfc3339(snapshot.instants.now.until).into();
        row["usual_unknown"] = json!(summary.usual_unknown);
        row["forecast_unknown"] = json!(summary.forecast_unknown);
        if let Some(target) = &summary.target {
            (row["target_metric"], row["target"]) = (target.metric.into(), target.target.into());
            row["usual_numerator"] = target.usual_numerator.into();
            row["usual_denominator"] = target.usual_denominator.into();
        }
        if let Some(forecast) = summary.forecast {
            row["forecast_adds"] = forecast.adds.into();
            (row["forecast_low"], row["forecast_high"]) = (forecast.low.into(), forecast.high.into());
            row["forecast_seal"] = Word::EstimateWord.text(language).into();
        }
    }
    rows.extend(values(&summary.baselines));
    Table { columns, rows: seal_cohort(rows, language, summary.figures.qualified_final) }
}

fn trend(trend: &Trend, language: Language) -> Table {
    let start: Option<jiff::Timestamp> = trend.from.as_ref().and_then(|from| from.parse().ok());
    let in_progress = Word::InProgress.with(language, &[&(trend.step_seconds / 60).to_string()]);
    let rows = (0..trend.adds.len()).map(|at| {
        let seconds = i64::try_from(at).unwrap_or(0).saturating_mul(i64::try_from(trend.step_seconds).unwrap_or(0));
        let from = start.and_then(|start| start.checked_add(jiff::SignedDuration::from_secs(seconds)).ok());
        let is_complete = at < trend.complete_steps;
        let word = if is_complete { Word::CompleteWord.text(language).to_owned() } else { in_progress.clone() };
        json!({
            "from": from.map(|from| from.to_string()),
            "adds": trend.adds[at],
            "adds_seal": trend.adds[at].map(|_| word),
            "late_adds": trend.late_adds.get(at),
            "baseline_adds": trend.baseline_adds.get(at),
        })
    });
    Table::new(&["from", "adds", "adds_seal", "late_adds", "baseline_adds"], rows.collect())
}

fn sides(contests: &[Contest], language: Language) -> Table {
    let mut rows = Vec::new();
    for contest in contests {
        for mut row in values(&contest.sides) {
            row["side"] = row["name"].take();
            let value = json!(contest);
            for field in ["contest_id", "name", "metric", "basis", "starts_at", "ends_at", "state"] {
                row[field] = value[field].clone();
            }
            row["value_seal"] =
                seal(language, contest.state == contests::State::Ended && contest.metric != "qualified_adds").into();
            rows.push(row);
        }
    }
    let columns = [
        "contest_id",
        "name",
        "metric",
        "basis",
        "starts_at",
        "ends_at",
        "state",
        "level",
        "id",
        "side",
        "value",
        "value_seal",
        "staff_active",
    ];
    Table::new(&columns, placed(rows))
}

/// The text of a cell. Text that a spreadsheet would take for a formula is quoted, for names come from outside.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
