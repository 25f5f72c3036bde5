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
use super::leaderboard::Leaderboard;
use super::limits::Seat;
use super::news;
use super::pictures::Told;
use super::regions;
use super::snapshot::{Freshness, Snapshot};
use super::summary::{Figures, Summary};
use super::trend::Trend;
use super::view::{Page, View};
use crate::event::Counter;

/// Proxies cut connections that are silent for a minute or less.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again; readings come once a second.
const RECONNECT: Duration = Duration::from_secs(3);

/// Streams the pictures of a view until `end` or until the viewer leaves; `seat` is held as long.
#[must_use]
pub fn stream(told: watch::Receiver<Told>, seat: Seat, end: impl Future<Output = ()> + Send + 'static) -> Response {
    let mut seen = 0;
    let events = WatchStream::new(told).filter_map(move |told| {
        let _held = &seat;
        let event = event(&told, seen);
        seen = told.number;
        future::ready(event)
    });
    let events = events.map(Ok::<_, Infallible>).take_until(end);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The event for a viewer who has `seen` the picture of this number: who missed one gets the newest whole.
fn event(told: &Told, seen: u64) -> Option<Event> {
    let (name, data) = match &told.delta {
        _ if told.number == seen => return None,
        Some(delta) if seen > 0 && told.number == seen + 1 => ("delta", delta),
        Some(_) | None => ("snapshot", &told.whole),
    };
    Some(Event::default().event(name).id(&told.revision).retry(RECONNECT).data(data))
}

/// All that a page shows of a view; the page of ranks shows its rows alone.
pub(super) fn picture(snapshot: &Snapshot, view: &View, age: Duration) -> Map<String, Value> {
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
        fields.extend(of_the_scope(snapshot, view, &freshness));
    }
    fields.push(("freshness", json!(freshness)));
    fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
}

/// What a picture tells of the whole scope.
fn of_the_scope(snapshot: &Snapshot, view: &View, freshness: &Freshness) -> [(&'static str, Value); 5] {
    let summary = Summary::new(snapshot, freshness);
    let channels = Channels::new(snapshot, freshness);
    let baseline = |day: &str, until: &Option<String>, figures: &Figures| json!({"business_date": day, "until": until, "adds": figures.adds(), "net_adds": figures.net_adds});
    let mut figures = json!(summary.figures);
    figures["target"] = json!(summary.target);
    figures["baselines"] = summary.baselines.iter().map(|b| baseline(&b.business_date, &b.until, &b.figures)).collect();
    debug_assert_eq!(channels.total, summary.figures.counters.0.get(Counter::Adds), "the channels add up to the total");
    figures["forecast"] = json!(summary.forecast);
    let trend = Trend::new(snapshot, view.step_seconds, freshness);
    [
        ("figures", figures),
        ("channels", json!(channels.rows)),
        ("regions", json!(regions::regions(snapshot))),
        ("trend", trend.map_or_else(|| json!({}), |trend| json!(trend))),
        ("news", json!(news::news(snapshot, freshness))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::delta::delta;
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
    fn a_viewer_gets_what_changed_and_who_missed_a_picture_gets_it_whole() {
        let told = |number, delta: Option<&str>| Told {
            number,
            revision: "7".to_owned(),
            whole: "whole".into(),
            delta: delta.map(Into::into),
        };
        let text = |told, seen| event(&told, seen).map(|event| format!("{event:?}"));
        assert_eq!(text(told(0, None), 0), None);
        assert!(text(told(5, Some("changed")), 0).unwrap().contains("event: snapshot"));
        assert!(text(told(6, Some("changed")), 5).unwrap().contains("event: delta"));
        assert!(text(told(7, Some("changed")), 5).unwrap().contains("event: snapshot"));
        assert!(text(told(6, None), 5).unwrap().contains("event: snapshot"), "another day");
        assert_eq!(text(told(6, Some("changed")), 6), None);
    }
}
