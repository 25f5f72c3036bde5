//! The figures of a view as JSON or CSV.
//!
//! Invariant: the tag of an answer changes whenever its content does, but for the age that every reader keeps itself.

mod table;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use self::table::Table;
use super::access::sight::Subject;
use super::channels::Channels;
use super::leaderboard::Leaderboard;
use super::losses::Losses;
use super::problem::Problem;
use super::snapshot::{Freshness, Snapshot};
use super::summary::{Envelope, Summary};
use super::trend::Trend;
use super::view::{Format, Level, View};
use super::{attention, contests, corrections, definitions, person, search};
use crate::event::named;

named! {
    /// What can be asked for, by its path under `/api/v1/`.
    Part {
        Summary = "summary",
        Leaderboard = "leaderboard",
        Channels = "channels",
        Trend = "trend",
        Attention = "attention",
        Losses = "losses",
        Corrections = "corrections",
        Contests = "contests",
        MyAdds = "me/adds",
        Search = "search",
        Definitions = "definitions",
    }
}

impl Part {
    /// What of a scope it tells.
    #[must_use]
    pub fn subject(self) -> Subject {
        match self {
            Self::Leaderboard => Subject::Ranks,
            Self::MyAdds => Subject::Person,
            Self::Summary
            | Self::Channels
            | Self::Trend
            | Self::Attention
            | Self::Losses
            | Self::Corrections
            | Self::Contests
            | Self::Search
            | Self::Definitions => Subject::Figures,
        }
    }
}

/// Answers one request from figures that were read `age` ago.
///
/// # Errors
/// [`Problem::Parameter`] where the part needs a parameter that is not there, [`Problem::NoFigures`] where what it tells
/// could not be read.
pub fn answer(
    part: Part,
    view: &View,
    snapshot: &Snapshot,
    age: Duration,
    request: &HeaderMap,
) -> Result<Response, Problem> {
    needs(part, view)?;
    let freshness = snapshot.freshness(age);
    let tag = format!("W/\"{}-{}\"", snapshot.revision, freshness.state.name());
    let known = request.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let made = match view.format {
            Format::Json => json(part, view, snapshot, age),
            Format::Csv => {
                Table::of(part, view, snapshot, &freshness).map(|table| csv(part, snapshot, &table, &freshness))
            }
        };
        made.ok_or(Problem::NoFigures)?
    };
    let headers = response.headers_mut();
    // What one viewer may see another may not: neither a shared cache nor the next one at this browser gets it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("cookie, authorization"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// What a part cannot do without.
fn needs(part: Part, view: &View) -> Result<(), Problem> {
    let problem = |field, allowed: &str| Err(Problem::Parameter { field, allowed: vec![allowed.to_owned()] });
    match part {
        Part::MyAdds if view.watched.scope.level != Level::Staff => problem("scope", "staff:ID"),
        Part::Search if view.text.is_empty() => problem("q", "a part of a name or id, 1 to 64 characters"),
        _ => Ok(()),
    }
}

/// The data of a part in their envelope; absent where they could not be read.
fn json(part: Part, view: &View, snapshot: &Snapshot, age: Duration) -> Option<Response> {
    let freshness = snapshot.freshness(age);
    Some(match part {
        Part::Summary => enveloped(snapshot, age, Summary::new(snapshot, &freshness)),
        Part::Leaderboard => enveloped(snapshot, age, Leaderboard::new(snapshot, view, &freshness)),
        Part::Channels => enveloped(snapshot, age, Channels::new(snapshot, &freshness)),
        Part::Trend => enveloped(snapshot, age, Trend::new(snapshot, view.step_seconds, &freshness)?),
        Part::Attention => {
            let found = attention::attention(snapshot, &view.viewer, &freshness)?;
            let not_judged = Some(attention::not_judged(snapshot, &freshness).to_vec());
            axum::Json(Envelope { not_judged, ..Envelope::new(snapshot, age, found) }).into_response()
        }
        Part::Losses => enveloped(snapshot, age, Losses::new(snapshot)),
        Part::Corrections => enveloped(snapshot, age, corrections::corrections(snapshot)?),
        Part::Contests => enveloped(snapshot, age, contests::contests(snapshot, view, &freshness)?),
        Part::MyAdds => enveloped(snapshot, age, person::adds(snapshot)?),
        Part::Search => {
            enveloped(snapshot, age, search::search(&view.text, &view.viewer, &snapshot.directory.organisation))
        }
        Part::Definitions => enveloped(snapshot, age, definitions::items()),
    })
}

fn enveloped<T: Serialize>(snapshot: &Snapshot, age: Duration, data: T) -> Response {
    axum::Json(Envelope::new(snapshot, age, data)).into_response()
}

fn csv(part: Part, snapshot: &Snapshot, table: &Table, freshness: &Freshness) -> Response {
    let Ok(bytes) = table.write(freshness) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let name = format!("attachment; filename=\"{}-{}.csv\"", part.name().replace('/', "-"), snapshot.day);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (
            HeaderName::from_static("content-disposition"),
            HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment")),
        ),
    ];
    (headers, Bytes::from(bytes)).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::board::fixture;

    /// A view that the part can be asked of, with its figures.
    fn of(part: Part, parameters: &[(&str, &str)]) -> (View, Snapshot) {
        let mut parameters = parameters.to_vec();
        match part {
            Part::MyAdds => parameters.extend([("scope", "staff:z1"), ("level", "staff")]),
            Part::Search => parameters.push(("q", "店")),
            _ => {}
        }
        let view = fixture::view(&parameters);
        let snapshot = if part == Part::MyAdds { fixture::snapshot_of_person() } else { fixture::snapshot() };
        (view, snapshot)
    }

    fn ask(part: Part, parameters: &[(&str, &str)], headers: &HeaderMap) -> Response {
        answer(part, &of(part, parameters).0, &of(part, parameters).1, Duration::ZERO, headers).unwrap()
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
            assert_eq!(answer["scope"]["level"], if *part == Part::MyAdds { "staff" } else { "corp" });
            assert_eq!(answer["freshness"]["state"], "live");
            assert_eq!(answer["freshness"]["complete_through"], "2026-11-22T06:32:15Z");
            assert!(!answer["data"].is_null(), "{part:?}");
        }
    }

    #[test]
    fn an_unchanged_answer_is_not_sent_again() {
        let first = ask(Part::Summary, &[], &HeaderMap::new());
        let known = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(ask(Part::Summary, &[], &known).status(), StatusCode::NOT_MODIFIED);
        let later = Duration::from_mins(10);
        let stale = answer(Part::Summary, &fixture::view(&[]), &fixture::snapshot(), later, &known).unwrap();
        assert_eq!(stale.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_table_opens_in_a_spreadsheet_and_runs_no_formula() {
        let text = body(ask(Part::Channels, &[("format", "csv")], &HeaderMap::new())).await;
        assert!(text.starts_with("\u{feff}channel,group,zh,en,adds,"));
        assert!(text.contains("\nbadge,"));
        assert!(text.trim_end().ends_with("2026-11-22T06:32:15Z,live"));
        assert_eq!(table::cell(&Value::from("=1+1")), "'=1+1");
        assert_eq!(table::cell(&Value::from(-3)), "-3");
    }

    #[tokio::test]
    async fn the_table_of_the_summary_has_a_row_for_each_baseline() {
        let text = body(ask(Part::Summary, &[("format", "csv")], &HeaderMap::new())).await;
        assert_eq!(text.lines().count(), 4);
        assert!(text.lines().nth(2).unwrap().starts_with("2026-11-21,2026-11-21T06:32:15Z,"));
    }

    #[tokio::test]
    async fn every_part_is_a_table_whose_provisional_figures_carry_their_seal_in_words() {
        let sealed = [
            (Part::Summary, 2, "qualified_adds_seal", "provisional"),
            (Part::Summary, 2, "opened_seal", "provisional"),
            (Part::Summary, 2, "not_new_adds_seal", "provisional"),
            (Part::Summary, 2, "lost_adds_seal", "provisional"),
            (Part::Summary, 2, "forecast_seal", "estimate"),
            (Part::Leaderboard, 2, "qualified_adds_seal", "provisional"),
            (Part::Channels, 2, "qualified_adds_seal", "provisional"),
            (Part::Trend, 89, "adds_seal", "Part of 10 min"),
            (Part::Attention, 3, "value_seal", "provisional"),
            (Part::Losses, 3, "deleted_24h_seal", "provisional"),
            (Part::Corrections, 2, "after_seal", "revised"),
            (Part::Contests, 2, "value_seal", "provisional"),
            (Part::MyAdds, 2, "status_seal", "provisional"),
        ];
        for (part, line, column, word) in sealed {
            let text = body(ask(part, &[("format", "csv"), ("lang", "en")], &HeaderMap::new())).await;
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let at = reader.headers().unwrap().iter().position(|name| name.trim_start_matches('\u{feff}') == column);
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            assert_eq!(&rows[line - 2][at.unwrap()], word, "{part:?}: {text}");
        }
        for part in Part::ALL {
            let text = body(ask(*part, &[("format", "csv")], &HeaderMap::new())).await;
            assert!(text.starts_with('\u{feff}') && text.lines().count() > 1, "{part:?}: {text}");
        }
    }

    #[tokio::test]
    async fn a_table_of_ranks_holds_all_rows_from_the_first_that_is_asked_for() {
        let mut snapshot = fixture::snapshot();
        snapshot.counts.children = (0..120).map(|n| (format!("X{n:03}"), fixture::counters(n + 1, 0))).collect();
        // Beside the three stores that the directory knows.
        for (from, rows) in [("0", 123), ("100", 23), ("123", 0)] {
            let view = fixture::view(&[("format", "csv"), ("from", from)]);
            let table = answer(Part::Leaderboard, &view, &snapshot, Duration::ZERO, &HeaderMap::new());
            assert_eq!(body(table.unwrap()).await.lines().count(), 1 + rows, "from {from}");
        }
    }

    /// Cells of a column of the table of a part, from the first row on.
    async fn column(part: Part, name: &str) -> Vec<String> {
        let text = body(ask(part, &[("format", "csv"), ("lang", "en")], &HeaderMap::new())).await;
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let at = reader.headers().unwrap().iter().position(|column| column == name);
        let at = at.unwrap_or_else(|| panic!("no `{name}`: {text}"));
        reader.records().map(|row| row.unwrap()[at].to_owned()).collect()
    }

    #[tokio::test]
    async fn a_table_leaves_out_nothing_that_the_answer_in_json_holds() {
        assert_eq!(column(Part::Leaderboard, "rank_before").await, ["2", "1", "", ""]);
        assert_eq!(column(Part::Leaderboard, "tied").await, ["false"; 4]);
        let day = [("business_date", "2026-11-22"), ("time_zone", "Asia/Shanghai")];
        for (name, cell) in day.into_iter().chain([("complete_through_local", "2026-11-22 14:32:15")]) {
            assert_eq!(column(Part::Leaderboard, name).await, [cell; 4], "{name}");
        }
        assert_eq!(column(Part::Losses, "deletes_by_customer").await, ["4", "", ""], "the day, then its broadcasts");
        assert_eq!(column(Part::Losses, "task_id").await, ["", "t2", "t1"]);
        for (name, cell) in [("target_metric", "adds"), ("target", "100"), ("usual_numerator", "135")] {
            assert_eq!(column(Part::Summary, name).await, [cell, "", ""], "{name}");
        }
        assert_eq!(column(Part::Channels, "adds").await, ["20", "7", "3", ""], "the channels, then silent codes");
        assert_eq!(column(Part::Channels, "code").await, ["", "", "", "qr-7"]);
        assert_eq!(column(Part::Channels, "silent_seconds").await[3], "2835");
        assert_eq!(column(Part::Search, "path").await[1], "华东 / 杭州湖滨路店");
    }

    #[test]
    fn what_could_not_be_read_is_a_problem_and_not_an_empty_answer() {
        let mut snapshot = fixture::snapshot();
        snapshot.details = crate::board::details::Details::default();
        for part in [Part::Trend, Part::Attention, Part::Corrections, Part::Contests] {
            let answer = answer(part, &fixture::view(&[]), &snapshot, Duration::ZERO, &HeaderMap::new());
            assert_eq!(answer.unwrap_err(), Problem::NoFigures, "{part:?}");
        }
    }

    #[test]
    fn a_part_that_needs_a_parameter_says_which() {
        let field =
            |part| match answer(part, &fixture::view(&[]), &fixture::snapshot(), Duration::ZERO, &HeaderMap::new()) {
                Err(Problem::Parameter { field, .. }) => field,
                other => panic!("{other:?}"),
            };
        assert_eq!([Part::MyAdds, Part::Search].map(field), ["scope", "q"]);
    }
}
