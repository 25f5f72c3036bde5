//! The live stream of a view: one snapshot, then what changes.
//!
//! Invariant: a stream sends at most one event per reading, so at most one a second, and ends with the server.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, future};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::channels::Channels;
use super::delta::delta;
use super::leaderboard::Leaderboard;
use super::limits::Seat;
use super::refresh::Reading;
use super::snapshot::{Freshness, Snapshot};
use super::summary::{Figures, Summary};
use super::view::{Page, View};
use crate::event::Counter;

/// Proxies cut connections that are silent for a minute or less.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again; readings come once a second.
const RECONNECT: Duration = Duration::from_secs(3);

/// Streams a view until `end` or until the viewer leaves; `seat` is held as long.
#[must_use]
pub fn stream(
    view: View,
    readings: watch::Receiver<Reading<Snapshot>>,
    seat: Seat,
    end: impl Future<Output = ()> + Send + 'static,
) -> Response {
    let mut sent: Option<Map<String, Value>> = None;
    let events = WatchStream::new(readings).filter_map(move |reading| {
        let _held = &seat;
        future::ready(reading.aged().and_then(|(snapshot, age)| event(&picture(&snapshot, &view, age), &mut sent)))
    });
    let events = events.map(Ok::<_, Infallible>).take_until(end);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The next event: the first picture of a day is a snapshot.
fn event(picture: &Map<String, Value>, sent: &mut Option<Map<String, Value>>) -> Option<Event> {
    let before = sent.as_ref().filter(|sent| sent.get("business_date") == picture.get("business_date"));
    let (name, data) = match before {
        None => ("snapshot", Value::Object(picture.clone())),
        Some(before) => ("delta", Value::Object(delta(before, picture))),
    };
    *sent = Some(picture.clone());
    let id = picture.get("revision").map(Value::to_string).unwrap_or_default();
    Event::default().event(name).id(id).retry(RECONNECT).json_data(data).ok()
}

/// All that a page shows of a view; the page of ranks shows its rows alone.
fn picture(snapshot: &Snapshot, view: &View, age: Duration) -> Map<String, Value> {
    let freshness = snapshot.freshness(age);
    let board = Leaderboard::new(snapshot, view, &freshness);
    let order: Vec<_> = board.rows.iter().map(|row| row.id.clone()).collect();
    let mut fields = vec![
        ("revision", json!(snapshot.revision)),
        ("business_date", json!(snapshot.day.to_string())),
        ("day_state", json!(snapshot.instants.state)),
        ("rows", json!(board.rows)),
        ("order", json!(order)),
        ("mine", json!(board.mine)),
        ("next", json!(board.next)),
        ("held", json!(board.held)),
    ];
    if view.page != Page::Rank {
        fields.extend(of_the_scope(snapshot, &freshness));
    }
    fields.push(("freshness", json!(freshness)));
    fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
}

/// What a picture tells of the whole scope.
fn of_the_scope(snapshot: &Snapshot, freshness: &Freshness) -> [(&'static str, Value); 4] {
    let summary = Summary::new(snapshot);
    let channels = Channels::new(snapshot, freshness);
    let baseline = |day: &str, until: &Option<String>, figures: &Figures| json!({"business_date": day, "until": until, "adds": figures.adds(), "net_adds": figures.net_adds});
    let mut figures = json!(summary.figures);
    figures["target"] = json!(summary.target);
    figures["baselines"] = summary.baselines.iter().map(|b| baseline(&b.business_date, &b.until, &b.figures)).collect();
    debug_assert_eq!(channels.total, summary.figures.counters.0.get(Counter::Adds), "the channels add up to the total");
    // Charts and news come with the full board; the names are taken.
    [("figures", figures), ("channels", json!(channels.rows)), ("trend", json!({})), ("news", json!([]))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture;

    #[test]
    fn a_delta_of_a_thousand_adds_is_small() {
        let before = fixture::snapshot();
        let mut after = before.clone();
        after.revision += 1000;
        for (_, counters) in &mut after.counts.children {
            let doubled = *counters;
            counters.add(&doubled);
        }
        let view = fixture::view(&[]);
        let picture = |snapshot: &Snapshot| picture(snapshot, &view, Duration::ZERO);
        let bytes = Value::Object(delta(&picture(&before), &picture(&after))).to_string().len();
        assert!(bytes < 4096, "{bytes} bytes");
    }

    #[test]
    fn the_first_picture_of_a_day_is_a_snapshot() {
        let mut sent = None;
        let view = fixture::view(&[]);
        let mut first = picture(&fixture::snapshot(), &view, Duration::ZERO);
        let text = |event: Option<Event>| format!("{:?}", event.unwrap());
        assert!(text(event(&first, &mut sent)).contains("event: snapshot"));
        assert!(text(event(&first, &mut sent)).contains("event: delta"));
        first.insert("business_date".to_owned(), json!("2026-11-23"));
        assert!(text(event(&first, &mut sent)).contains("event: snapshot"));
    }
}
