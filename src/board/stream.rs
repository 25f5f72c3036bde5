//! The live stream of a view: one snapshot, then what changes.
//!
//! Invariant: a stream sends at most one event per reading, so at most one a second, and ends with the server.
//!
//! What a page does not paint it is not sent: the chart of the day, the forecast and the flags of rows come with the page,
//! which a browser takes anew every half minute. A step of the chart lasts ten minutes; sent every second it would take a
//! tenth of the 4 kB that a delta may have (board, section 6).

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, future};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::channels::{self, Channels};
use super::leaderboard::{Leaderboard, PAGE_ROWS, TODAY_ROWS, WALL_ROWS};
use super::limits::Seat;
use super::news;
use super::pictures::Told;
use super::regions;
use super::snapshot::{Freshness, Snapshot};
use super::summary::{Baseline, Summary};
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

/// What a page paints of a view between one taking and the next. The figures of the scope are not for everybody who may
/// see the ranks within it.
pub(super) fn picture(snapshot: &Snapshot, view: &View, age: Duration) -> Map<String, Value> {
    let freshness = snapshot.freshness(age);
    let channels = Channels::new(snapshot, &freshness);
    let mut fields = vec![
        ("revision", json!(snapshot.revision)),
        ("business_date", json!(snapshot.day.to_string())),
        ("metric", json!(view.metric.name())),
        ("freshness", json!(freshness)),
    ];
    if view.viewer.sight.shows_figures() {
        fields.push(("figures", figures(snapshot, &freshness)));
    }
    match view.page {
        Page::Today => {
            fields.extend(ranks(&Leaderboard::new(snapshot, view, &freshness), TODAY_ROWS));
            fields.push(("groups", json!(channels.groups())));
        }
        Page::Rank => {
            let board = Leaderboard::new(snapshot, view, &freshness);
            fields.extend(ranks(&board, PAGE_ROWS));
            fields.push(("mine", painted(json!(board.mine))));
        }
        Page::Channels => fields.push(("channels", json!(channels.rows.iter().map(channel).collect::<Vec<_>>()))),
        Page::Me => fields.push(("groups", json!(channels.groups()))),
        Page::Wall => {
            fields.extend(ranks(&Leaderboard::new(snapshot, view, &freshness), WALL_ROWS));
            fields.push(("groups", json!(channels.groups())));
            fields.push(("regions", json!(regions::regions(snapshot))));
            fields.push(("news", json!(news::news(snapshot, &freshness))));
        }
    }
    fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
}

/// The first rows of a leaderboard, and in which order they stand.
fn ranks(board: &Leaderboard, most: usize) -> [(&'static str, Value); 2] {
    let rows: Vec<_> = board.rows.iter().take(most).collect();
    let order: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
    [("order", json!(order)), ("rows", rows.iter().map(|row| painted(json!(row))).collect())]
}

/// A row without what no page paints of it.
fn painted(mut row: Value) -> Value {
    if let Value::Object(fields) = &mut row {
        for field in ["tied", "last_add_at", "flags"] {
            fields.remove(field);
        }
    }
    row
}

fn channel(row: &channels::Row) -> Value {
    json!({"channel": row.channel, "group": row.group, "adds": row.adds, "baseline_adds": row.baseline_adds})
}

/// Counters that no page paints.
const NOT_PAINTED: [Counter; 8] = [
    Counter::MessagesIn,
    Counter::MessagesOut,
    Counter::MessagesAuto,
    Counter::Orders,
    Counter::GmvFen,
    Counter::Refunds,
    Counter::RefundFen,
    Counter::Broadcasts,
];

/// The figures of the scope that a page paints, with its target and what they are compared with.
fn figures(snapshot: &Snapshot, freshness: &Freshness) -> Value {
    let summary = Summary::new(snapshot, freshness);
    let baseline = |baseline: &Baseline| json!({"business_date": baseline.business_date, "until": baseline.until, "adds": baseline.figures.adds()});
    let mut figures = json!(summary.figures);
    if let Value::Object(fields) = &mut figures {
        for counter in NOT_PAINTED {
            fields.remove(counter.name());
        }
    }
    figures["target"] = json!(summary.target);
    figures["baselines"] = summary.baselines.iter().map(baseline).collect();
    figures
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;
    use crate::board::access::sight::Sight;
    use crate::board::delta::{BYTES_MAX, Step};
    use crate::board::fixture;
    use crate::board::reader::{Counters, EarlierChild, Minutes};
    use crate::directory::channels as keys;

    fn counters(adds: u64) -> Counters {
        let mut values = [adds; Counter::ALL.len()];
        values[Counter::Adds.index()] = adds;
        Counters::from_values(&values)
    }

    /// Sixty stores and every channel, `second` seconds after all of them were busy for long: whatever counts has moved.
    fn busy(second: u64) -> Snapshot {
        let mut snapshot = fixture::snapshot();
        snapshot.revision += i64::try_from(second).unwrap();
        let stores = 0..60_u64;
        let id = |n: u64| format!("store-{n:04}");
        // In every second some overtake others.
        let adds = |n: u64| 20_000 - n * 10 + second * 3 + if (n + second).is_multiple_of(12) { 11 } else { 0 };
        snapshot.counts.total = counters(40 * (12_000 + second));
        snapshot.counts.children = stores.clone().map(|n| (id(n), counters(adds(n)))).collect();
        let baseline = |n: u64| EarlierChild {
            baseline_adds: [9_000 + n + second, 0, 0],
            adds_hour_ago: 5_000 + (n * 11 + second) % 60,
            ..EarlierChild::default()
        };
        let earlier = Arc::make_mut(&mut snapshot.earlier);
        earlier.children = stores.map(|n| (id(n), baseline(n))).collect();
        let channels = || keys::table().channels.iter().map(|known| known.key.clone());
        snapshot.counts.channels = channels().map(|key| (key, 12_000 + second)).collect();
        let minutes = Minutes { whole: counters(11_000 + second), ..Minutes::default() };
        earlier.baselines = [(); 2].map(|()| channels().map(|key| (key, minutes)).collect::<HashMap<_, _>>());
        snapshot.with_derived()
    }

    #[test]
    fn a_delta_of_the_busiest_second_is_small_on_every_page() {
        for page in Page::ALL {
            for metric in ["adds", "net_adds", "qualified_adds"] {
                let view = View { page: *page, ..fixture::view(&[("metric", metric)]) };
                let mut told = picture(&busy(0), &view, Duration::ZERO);
                for second in 1..20 {
                    let now = picture(&busy(second), &view, Duration::ZERO);
                    let step = Step::new(&told, &now, second);
                    let bytes = Value::Object(step.delta.clone()).to_string().len();
                    assert!(bytes <= BYTES_MAX, "{page:?} by {metric}: {bytes} bytes of {:?}", step.delta);
                    let values = |picture: &Map<String, Value>, list: &str, field: &str| {
                        picture[list].as_array().unwrap().iter().map(|item| item[field].clone()).collect::<Vec<_>>()
                    };
                    for (list, field) in [("rows", metric), ("rows", "rank"), ("groups", "adds"), ("channels", "adds")]
                    {
                        if now.contains_key(list) {
                            assert_eq!(
                                values(&step.told, list, field),
                                values(&now, list, field),
                                "{page:?}: counts never wait"
                            );
                        }
                    }
                    told = step.told;
                }
            }
        }
    }

    /// The description of a picture, without what has to be there: of a delta only what changed is.
    fn described() -> jsonschema::Validator {
        fn free(value: &mut Value) {
            match value {
                Value::Object(fields) => {
                    fields.remove("required");
                    fields.values_mut().for_each(free);
                }
                Value::Array(items) => items.iter_mut().for_each(free),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let text = include_str!("../../schemas/openapi.yaml");
        let mut document: Value = serde_yaml_ng::from_str(text).unwrap();
        free(&mut document["components"]["schemas"]);
        let schema = json!({ "$ref": "#/components/schemas/Picture", "components": document["components"] });
        jsonschema::validator_for(&schema).unwrap()
    }

    #[test]
    fn a_delta_holds_nothing_but_what_the_description_names() {
        let described = described();
        let unknown = json!({ "revision": 1, "rows": [{ "id": "a", "customer_id": "b" }] });
        assert!(!described.is_valid(&unknown), "a field that is not described is noticed");
        for page in Page::ALL {
            let view = View { page: *page, ..fixture::view(&[]) };
            let told = picture(&busy(0), &view, Duration::ZERO);
            let delta = Value::Object(Step::new(&told, &picture(&busy(1), &view, Duration::ZERO), 1).delta);
            assert!(delta.as_object().unwrap().len() > 2, "{page:?}: something changed: {delta}");
            let errors: Vec<_> = described.iter_errors(&delta).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{page:?}: {errors:?}\n{delta}");
        }
    }

    #[test]
    fn the_figures_of_a_scope_are_told_to_those_who_may_see_them() {
        for (page, sight, expected) in [
            (Page::Rank, Sight::Whole, Some(30)),
            (Page::Today, Sight::Whole, Some(30)),
            (Page::Rank, Sight::Siblings, None),
            (Page::Rank, Sight::Around { first: 3 }, None),
        ] {
            let mut view = View { page, ..fixture::view(&[]) };
            view.viewer.sight = sight;
            let told = picture(&fixture::snapshot(), &view, Duration::ZERO);
            assert_eq!(
                told.get("figures").and_then(|figures| figures["adds"].as_u64()),
                expected,
                "{page:?} {sight:?}"
            );
        }
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
