//! Which path answers what, with the headers that every answer carries.
//!
//! Invariant: a page runs no script and loads no style but our own, and nobody else's page may frame it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use super::access::Access;
use super::access::grant::Grant;
use super::admission::{self, Admission, Asked};
use super::api::{self, Part};
use super::details::Readings;
use super::leaderboard::Leaderboard;
use super::limits::{self, Client, Limits};
use super::pictures::Pictures;
use super::refresh::Refresher;
use super::snapshot::Snapshot;
use super::sources::{Beginnings, Beside, BusiestCorps, Directories, Organisations, Views};
use super::view::View;
use super::{Board, assets, page, problem::Problem, stream};

const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

#[derive(Clone, Debug)]
struct Shared {
    views: Arc<Refresher<Views>>,
    admission: Arc<Admission>,
    pictures: Arc<Pictures>,
    limits: Arc<Limits>,
    shutdown: CancellationToken,
}

/// All paths of the board.
pub(super) fn router(board: Board, limits: Arc<Limits>, shutdown: CancellationToken) -> Router {
    let organisations = Organisations::new(Arc::clone(&board.reader));
    let organisations = Arc::new(Refresher::new(organisations, shutdown.clone()));
    let corps = BusiestCorps::new(Arc::clone(&board.reader));
    let admission = Arc::new(Admission {
        access: Access::new(board.config.access),
        corp: board.config.corp,
        wall_ms: board.wall_ms,
        busiest: Arc::new(Refresher::new(corps, shutdown.clone())),
        organisations: Arc::clone(&organisations),
    });
    let details = Readings::new(&board.reader, &board.corps, &shutdown);
    let beginnings = Arc::new(Refresher::new(Beginnings::new(Arc::clone(&board.reader)), shutdown.clone()));
    let directories = Directories::new(Arc::clone(&board.reader));
    let directories = Arc::new(Refresher::new(directories, shutdown.clone()));
    let beside = Beside { organisations, beginnings, directories, details };
    let views = Views::new(board.reader, board.corps, beside);
    let shared = Shared {
        views: Arc::new(Refresher::new(views, shutdown.clone())),
        admission: Arc::clone(&admission),
        pictures: Arc::default(),
        limits: Arc::clone(&limits),
        shutdown,
    };
    Router::new()
        .route("/", get(show))
        .route("/me", get(show))
        .route("/wall", get(show))
        .route("/api/v1/stream", get(follow))
        .route("/api/v1/{*part}", get(ask))
        .layer(middleware::from_fn_with_state(admission, admission::admit))
        .route(
            "/assets/{name}",
            get(|Path(name): Path<String>, headers: HeaderMap| async move { assets::asset(&name, &headers) }),
        )
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::Method })
        .layer(middleware::from_fn_with_state(limits, limits::keep))
        // Event streams are left as they are: the layer's own rule, for a compressor would hold events back.
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(secured))
        .with_state(shared)
}

async fn show(State(shared): State<Shared>, Extension(grant): Extension<Grant>, uri: Uri) -> Response {
    match shared.page(&grant, &uri).await {
        Ok(page) => ([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response(),
        Err(problem) => admission::refused(problem, &uri),
    }
}

async fn ask(
    State(shared): State<Shared>,
    Extension(grant): Extension<Grant>,
    Path(part): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let part = Part::from_name(&part).ok_or(Problem::NotFound)?;
    let view = shared.admission.view(&grant, &uri, Asked::Part(part.subject())).await?;
    let (snapshot, age) = shared.figures(&view).await?;
    api::answer(part, &view, &snapshot, age, &headers)
}

async fn follow(
    State(shared): State<Shared>,
    Extension(grant): Extension<Grant>,
    Extension(client): Extension<Client>,
    uri: Uri,
) -> Result<Response, Problem> {
    let view = shared.admission.view(&grant, &uri, Asked::Page).await?;
    let seat = shared.limits.streams.take(Some(client)).ok_or(Problem::Busy)?;
    let readings = shared.views.watch(&view.watched).await?;
    let told = shared.pictures.follow(view, readings);
    let end = until(shared.shutdown.clone(), shared.admission.judged_for(&grant));
    Ok(stream::stream(told, seat, end))
}

/// Ends with the server, or when the viewer has to be judged again; browsers then connect anew.
async fn until(shutdown: CancellationToken, judged_for: Duration) {
    let _ = tokio::time::timeout(judged_for, shutdown.cancelled_owned()).await;
}

async fn secured(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

impl Shared {
    async fn page(&self, grant: &Grant, uri: &Uri) -> Result<String, Problem> {
        let view = self.admission.view(grant, uri, Asked::Page).await?;
        let (figures, colleagues) = tokio::join!(self.figures(&view), self.colleagues(grant, &view));
        match figures {
            Ok((snapshot, age)) => Ok(page::page(&view, &snapshot, age, colleagues)),
            Err(Problem::NoFigures) => Ok(page::page_without_figures(&view)),
            Err(problem) => Err(problem),
        }
    }

    /// The ranks around the person of a view; absent where there is no such person, or where they could not be read.
    async fn colleagues(&self, grant: &Grant, view: &View) -> Option<Leaderboard> {
        let ranks = self.admission.colleagues(grant, view).await?;
        let (snapshot, age) = self.figures(&ranks).await.ok()?;
        Some(Leaderboard::new(&snapshot, &ranks, &snapshot.freshness(age)))
    }

    /// The newest figures of a view, with their age.
    async fn figures(&self, view: &View) -> Result<(Arc<Snapshot>, Duration), Problem> {
        self.views.newest(&view.watched).await?.ok_or(Problem::NoFigures)
    }
}

#[cfg(test)]
mod tests;
