//! The door of the board: who sends a request, and which view they get.
//!
//! Invariant: no handler makes a view by itself, so none answers before the viewer was judged.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::access::grant::{Basis, Grant};
use super::access::sight::{self, Names, Sight, Subject, Viewer};
use super::access::{self, Access};
use super::organisation::Organisation;
use super::problem::Problem;
use super::refresh::Refresher;
use super::refusal;
use super::sources::{BusiestCorps, Organisations};
use super::view::{Defaults, Filter, Language, Level, Metric, Order, Page, View};

/// A stream goes on for so long by one judgement: people change stores, and links are withdrawn.
const JUDGED_FOR_MAX: Duration = Duration::from_hours(1);

/// What is needed to judge a request.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) access: Access,
    /// The corp where nobody names one; empty: the busiest, or for a link the only one.
    pub(super) corp: String,
    /// Milliseconds since the epoch.
    pub(super) wall_ms: fn() -> i64,
    pub(super) busiest: Arc<Refresher<BusiestCorps>>,
    pub(super) organisations: Arc<Refresher<Organisations>>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A page, or the stream that follows it.
    Page,
    /// A part of the figures by itself.
    Part(Subject),
}

impl Asked {
    fn subject(self, view: &View) -> Subject {
        match (self, view.page) {
            (Self::Part(subject), _) => subject,
            (Self::Page, Page::Rank) => Subject::Ranks,
            (Self::Page, Page::Wall) => Subject::Wall,
            (Self::Page, Page::Today | Page::Channels | Page::Me) => Subject::Figures,
        }
    }
}

/// Lets a request in with its [`Grant`], or turns a link into a cookie, or refuses.
pub(super) async fn admit(
    State(admission): State<Arc<Admission>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let (now, uri) = ((admission.wall_ms)() / 1000, request.uri().clone());
    if let Some(token) = access::token_of(&uri) {
        return admission.take(token, &uri, request.headers(), now);
    }
    match admission.access.identify(request.headers(), peer.ip(), now) {
        Ok(grant) => {
            request.extensions_mut().insert(grant);
            next.run(request).await
        }
        Err(problem) => refused(problem, &uri),
    }
}

/// A problem as a page for people, and as `application/problem+json` for programs.
pub(super) fn refused(problem: Problem, uri: &Uri) -> Response {
    let is_page = !uri.path().contains("/api/");
    let language = if uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "lang=en")) {
        Language::En
    } else {
        Language::Zh
    };
    match refusal::page(&problem, language).filter(|_| is_page) {
        Some(page) => {
            let mut response = (problem.status(), [(header::CACHE_CONTROL, "no-store")], Html(page)).into_response();
            problem.challenge(response.headers_mut());
            response
        }
        None => problem.into_response(),
    }
}

impl Admission {
    /// Moves the token of a link into a cookie, and the browser to the same address without it.
    fn take(&self, token: &str, uri: &Uri, headers: &HeaderMap, now: i64) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        let answer = response.headers_mut();
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(location) = HeaderValue::from_str(&access::without_token(uri)) {
            answer.insert(header::LOCATION, location);
        }
        if self.access.is_open() {
            return response;
        }
        match self.access.read(token, now) {
            Ok(grant) => {
                if let Ok(cookie) = HeaderValue::from_str(&access::set_cookie(token, &grant, now, headers)) {
                    answer.insert(header::SET_COOKIE, cookie);
                }
                response
            }
            Err(problem) => refused(problem, uri),
        }
    }

    /// The view that a request asks for, with what its sender may see of it.
    pub(super) async fn view(&self, grant: &Grant, uri: &Uri, asked: Asked) -> Result<View, Problem> {
        let parameters = Query::<HashMap<String, String>>::try_from_uri(uri).map(|Query(parameters)| parameters);
        let parameters = parameters.map_err(|_| Problem::Parameter {
            field: "query",
            allowed: vec!["pairs of name=value, percent-encoded".to_owned()],
        })?;
        let own = Defaults { corp: self.corp_of(grant).await?, scope: grant.scope.clone() };
        let mut view = View::read(&parameters, &own)?.at(uri.path(), &parameters);
        if view.watched.corp.is_empty() {
            // Nothing was ever counted.
            return Ok(view);
        }
        if grant.basis != Basis::Open && view.watched.corp != own.corp {
            return Err(sight::denied(grant, &Organisation::default()));
        }
        let known = self.organisations.newest(&(view.watched.corp.clone(), None)).await?;
        let places = known.as_ref().map(|(places, _)| Arc::clone(places)).unwrap_or_default();
        if asked == Asked::Page && view.page == Page::Rank {
            view = among_colleagues(view, &places);
        }
        let judged = sight::judge(grant, asked.subject(&view), &view.watched, &places, self.wall_names());
        // Without the organisation nobody can say what lies within what.
        view.viewer = judged.map_err(|problem| if known.is_none() { Problem::NoFigures } else { problem })?;
        match (&view.viewer.sight, view.metric) {
            // An order by what the rows do not show would show it.
            (Sight::Around { .. } | Sight::Wall, Metric::NetAdds | Metric::QualifiedAdds) => {
                Err(Problem::Parameter { field: "metric", allowed: vec![Metric::Adds.name().to_owned()] })
            }
            _ => Ok(view),
        }
    }

    /// The ranks among which the person of the page `/me` stands: their own row and its neighbours.
    pub(super) async fn colleagues(&self, grant: &Grant, view: &View) -> Option<View> {
        let person = &view.watched.scope;
        if view.page != Page::Me || person.level != Level::Staff {
            return None;
        }
        let (places, _) = self.organisations.newest(&(view.watched.corp.clone(), None)).await.ok()??;
        let ranks = View {
            page: Page::Rank,
            metric: Metric::Adds,
            order: Order::Total,
            filter: Filter::All,
            ..view.of(places.parent(person)?)
        };
        let viewer = sight::judge(grant, Subject::Ranks, &ranks.watched, &places, self.wall_names()).ok()?;
        // Whoever may see more of the store sees no more of it here.
        let viewer = Viewer { sight: Sight::Around { first: 0 }, own: Some(person.clone()), ..viewer };
        Some(View { viewer, ..ranks })
    }

    fn wall_names(&self) -> Names {
        if self.access.wall_names() { Names::Shown } else { Names::Hidden }
    }

    /// The corp of a grant; the one with the most adds where it may be any, empty where none was ever counted.
    async fn corp_of(&self, grant: &Grant) -> Result<String, Problem> {
        if let Some(corp) = &grant.corp {
            return Ok(corp.clone());
        }
        if !self.corp.is_empty() {
            return Ok(self.corp.clone());
        }
        let busiest = match self.busiest.newest(&()).await? {
            Some((busiest, _)) => busiest,
            // The page waits for its figures by itself.
            None if grant.basis == Basis::Open => Arc::default(),
            None => return Err(Problem::NoFigures),
        };
        match (busiest.as_slice(), grant.basis) {
            ([], _) => Ok(String::new()),
            ([first, ..], Basis::Open) | ([first], Basis::Signed) => Ok(first.clone()),
            // A link without a corp would show whichever is the busiest at the moment.
            ([..], Basis::Signed) => Err(sight::denied(grant, &Organisation::default())),
        }
    }

    /// For how long a judgement of this grant holds.
    pub(super) fn judged_for(&self, grant: &Grant) -> Duration {
        let left = grant.expires_at.map(|expires_at| expires_at.saturating_sub((self.wall_ms)() / 1000).max(0));
        left.map_or(JUDGED_FOR_MAX, |left| JUDGED_FOR_MAX.min(Duration::from_secs(left.unsigned_abs())))
    }
}

/// The ranks of one person are those of their store, as far as the directory knows it.
fn among_colleagues(view: View, places: &Organisation) -> View {
    let person = &view.watched.scope;
    match places.parent(person).filter(|_| person.level == Level::Staff) {
        Some(store) => view.of(store),
        None => view,
    }
}
