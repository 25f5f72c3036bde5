//! Answers to requests that cannot be served, as `application/problem+json` (RFC 9457).
//!
//! Invariant: a problem with a request names the field and the values that are allowed there.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::view::{Level, Scope};

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A parameter that does not hold one of the allowed values.
    Parameter { field: &'static str, allowed: Vec<String> },
    /// No such page.
    NotFound,
    /// ClickHouse has not answered yet, and no earlier figures are known.
    NoFigures,
    /// A limit of this server: too many streams, or too many different views at once.
    Busy,
    /// A limit of one client or of one request.
    Beyond(Beyond),
    /// Nothing here is asked for like this.
    Method,
    /// Nothing that lets the sender in.
    Unsigned(Unsigned),
    /// Not for this viewer.
    Denied(Denied),
}

/// Which limit a request is beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The requests of one address.
    Requests { wait: Duration },
    /// The length of path and query.
    Address,
    /// Nothing takes a body.
    Body,
    /// The time for an answer.
    Time,
}

/// Why a request is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// It carries neither token nor cookie.
    Missing,
    Expired,
    /// Not signed by us.
    Invalid,
}

/// A refusal: it names what the viewer may see, and never what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// With its name; that of a corp is empty.
    pub sees: (Scope, String),
    /// Whose manager can widen it; absent: the owner.
    pub above: Option<(Scope, String)>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    allowed: &'a [String],
    /// What the viewer may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// After how many seconds a client may ask again: figures are asked for once a second, so a few rounds later.
const RETRY_AFTER_SECONDS: u64 = 5;

impl Problem {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Parameter { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoFigures | Self::Busy | Self::Beyond(Beyond::Time) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Beyond(Beyond::Requests { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Self::Beyond(Beyond::Address) => StatusCode::URI_TOO_LONG,
            Self::Beyond(Beyond::Body) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsigned(_) => StatusCode::UNAUTHORIZED,
            Self::Denied(_) => StatusCode::FORBIDDEN,
        }
    }

    /// Says in an answer how to sign in, where that is what is missing.
    pub fn challenge(&self, headers: &mut HeaderMap) {
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }

    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::NoFigures | Self::Busy | Self::Beyond(Beyond::Time) => Some(RETRY_AFTER_SECONDS),
            Self::Beyond(Beyond::Requests { wait }) => Some(wait.as_secs() + 1),
            Self::Parameter { .. }
            | Self::NotFound
            | Self::Method
            | Self::Beyond(Beyond::Address | Beyond::Body)
            | Self::Unsigned(_)
            | Self::Denied(_) => None,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Parameter { .. } => "A parameter is not valid",
            Self::NotFound => "No such page",
            Self::NoFigures => "No figures are known yet",
            Self::Busy => "Too many viewers",
            Self::Beyond(Beyond::Requests { .. }) => "Too many requests from this address",
            Self::Beyond(Beyond::Address) => "The address is too long",
            Self::Beyond(Beyond::Body) => "A request has no body here",
            Self::Beyond(Beyond::Time) => "No answer was found in time",
            Self::Method => "Only GET and HEAD are answered",
            Self::Unsigned(Unsigned::Missing) => "A link is needed",
            Self::Unsigned(Unsigned::Expired) => "The link has expired",
            Self::Unsigned(Unsigned::Invalid) => "The link is not valid",
            Self::Denied(_) => "Not for this link",
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Parameter { field, allowed } => Some(format!("`{field}` must be one of: {}", allowed.join(", "))),
            Self::NotFound | Self::NoFigures | Self::Busy | Self::Beyond(_) | Self::Method => None,
            Self::Unsigned(_) => {
                Some("open the link that you were given, or send it as `Authorization: Bearer`".to_owned())
            }
            Self::Denied(Denied { sees, above }) => {
                let above = above.as_ref().filter(|(scope, _)| scope.level != Level::Corp);
                let who = above
                    .map_or_else(|| "the owner".to_owned(), |(scope, _)| format!("whoever manages `{}`", scope.text()));
                Some(format!("you may see `{}`; {who} can widen it", sees.0.text()))
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (field, allowed) = match &self {
            Self::Parameter { field, allowed } => (Some(*field), allowed.as_slice()),
            Self::NotFound
            | Self::NoFigures
            | Self::Busy
            | Self::Beyond(_)
            | Self::Method
            | Self::Unsigned(_)
            | Self::Denied(_) => (None, [].as_slice()),
        };
        let (status, retry_after) = (self.status(), self.retry_after_seconds());
        let body = Body {
            kind: "about:blank",
            title: self.title(),
            status: status.as_u16(),
            detail: self.detail(),
            field,
            allowed,
            scope: match &self {
                Self::Denied(denied) => Some(denied.sees.0.text()),
                Self::Parameter { .. }
                | Self::NotFound
                | Self::NoFigures
                | Self::Busy
                | Self::Beyond(_)
                | Self::Method
                | Self::Unsigned(_) => None,
            },
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        self.challenge(headers);
        response
    }
}
