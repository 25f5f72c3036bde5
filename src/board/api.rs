//! The figures of a view as JSON or CSV.
//!
//! Invariant: the tag of an answer changes whenever its content does, but for the age that every reader keeps itself.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::channels::Channels;
use super::leaderboard::Leaderboard;
use super::snapshot::Snapshot;
use super::summary::{Envelope, Summary};
use super::view::{Format, View};
use crate::event::{Counter, named};

named! {
    /// What can be asked for.
    Part { Summary = "summary", Leaderboard = "leaderboard", Channels = "channels" }
}

/// Spreadsheets read UTF-8 only behind this mark.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Answers one request from figures that were read `age` ago.
#[must_use]
pub fn answer(part: Part, view: &View, snapshot: &Snapshot, age: Duration, request: &HeaderMap) -> Response {
    let freshness = snapshot.freshness(age);
    let tag = format!("W/\"{}-{}\"", snapshot.revision, freshness.state.name());
    let known = request.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match (part, view.format) {
            (Part::Summary, Format::Json) => json(snapshot, age, Summary::new(snapshot)),
            (Part::Leaderboard, Format::Json) => json(snapshot, age, Leaderboard::new(snapshot, view, &freshness)),
            (Part::Channels, Format::Json) => json(snapshot, age, Channels::new(snapshot, &freshness)),
            (part, Format::Csv) => csv(part, view, snapshot, age),
        }
    };
    let headers = response.headers_mut();
    // What one viewer may see another may not: neither a shared cache nor the next one at this browser gets it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("cookie, authorization"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn json<T: Serialize>(snapshot: &Snapshot, age: Duration, data: T) -> Response {
    axum::Json(Envelope::new(snapshot, age, data)).into_response()
}

/// A table of the same figures, each row with the instant up to which it is complete.
fn csv(part: Part, view: &View, snapshot: &Snapshot, age: Duration) -> Response {
    let freshness = snapshot.freshness(age);
    let (columns, rows) = match part {
        Part::Summary => summary_table(snapshot),
        Part::Leaderboard => {
            let columns = [
                "rank",
                "id",
                "name",
                "adds",
                "net_adds",
                "qualified_adds",
                "baseline_adds",
                "staff_active",
                "target",
                "last_add_at",
            ];
            (columns.to_vec(), values(&Leaderboard::new(snapshot, view, &freshness).rows))
        }
        Part::Channels => {
            let columns = ["channel", "group", "zh", "en", "adds", "baseline_adds", "qualified_adds"];
            (columns.to_vec(), values(&Channels::new(snapshot, &freshness).rows))
        }
    };
    let complete_through = freshness.complete_through.unwrap_or_default();
    let Ok(table) = table(&columns, &rows, &complete_through) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let name = format!("attachment; filename=\"{}-{}.csv\"", part.name(), snapshot.day);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (
            HeaderName::from_static("content-disposition"),
            HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment")),
        ),
    ];
    (headers, Bytes::from(table)).into_response()
}

/// The day and its baselines, one below the other.
fn summary_table(snapshot: &Snapshot) -> (Vec<&'static str>, Vec<Value>) {
    let mut columns = vec!["business_date", "until"];
    columns.extend(Counter::ALL.iter().map(|counter| counter.name()));
    columns.extend(["net_adds", "opened", "qualified_adds"]);
    let summary = Summary::new(snapshot);
    let mut rows = values(&[&summary.figures]);
    for row in &mut rows {
        row["business_date"] = snapshot.day.to_string().into();
        row["until"] = super::snapshot::rfc3339(snapshot.instants.now.until).into();
    }
    rows.extend(values(&summary.baselines));
    (columns, rows)
}

fn values<T: Serialize>(rows: &[T]) -> Vec<Value> {
    rows.iter().map(|row| serde_json::json!(row)).collect()
}

fn table(columns: &[&str], rows: &[Value], complete_through: &str) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
    writer.write_record(columns.iter().chain(&["complete_through"]))?;
    for row in rows {
        let cells = columns.iter().map(|column| cell(&row[*column]));
        writer.write_record(cells.chain([complete_through.to_owned()]))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// The text of a cell. Text that a spreadsheet would take for a formula is quoted, for names come from outside.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    fn ask(part: Part, parameters: &[(&str, &str)], headers: &HeaderMap) -> Response {
        answer(part, &fixture::view(parameters), &fixture::snapshot(), Duration::ZERO, headers)
    }

    async fn body(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 1_000_000).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn every_answer_comes_in_the_envelope() {
        for part in Part::ALL {
            let text = body(ask(*part, &[], &HeaderMap::new())).await;
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer["corp_id"], "acme");
            assert_eq!(answer["business_date"], "2026-11-22");
            assert_eq!(answer["time_zone"], "Asia/Shanghai");
            assert_eq!(answer["day_state"], "open");
            assert_eq!(answer["scope"]["level"], "corp");
            assert_eq!(answer["scope"]["stores"], 3);
            assert_eq!(answer["freshness"]["state"], "live");
            assert_eq!(answer["freshness"]["complete_through"], "2026-11-22T06:32:15Z");
            assert!(answer["data"].is_object());
        }
    }

    #[test]
    fn an_unchanged_answer_is_not_sent_again() {
        let first = ask(Part::Summary, &[], &HeaderMap::new());
        let known = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(ask(Part::Summary, &[], &known).status(), StatusCode::NOT_MODIFIED);
        let stale = answer(Part::Summary, &fixture::view(&[]), &fixture::snapshot(), Duration::from_mins(10), &known);
        assert_eq!(stale.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_table_opens_in_a_spreadsheet_and_runs_no_formula() {
        let text = body(ask(Part::Channels, &[("format", "csv")], &HeaderMap::new())).await;
        assert!(text.starts_with("\u{feff}channel,group,zh,en,adds,"));
        assert!(text.contains("\nbadge,"));
        assert!(text.trim_end().ends_with("2026-11-22T06:32:15Z"));
        assert_eq!(cell(&Value::from("=1+1")), "'=1+1");
        assert_eq!(cell(&Value::from(-3)), "-3");
    }

    #[tokio::test]
    async fn the_table_of_the_summary_has_a_row_for_each_baseline() {
        let text = body(ask(Part::Summary, &[("format", "csv")], &HeaderMap::new())).await;
        assert_eq!(text.lines().count(), 4);
        assert!(text.lines().nth(2).unwrap().starts_with("2026-11-21,2026-11-21T06:32:15Z,"));
    }
}
