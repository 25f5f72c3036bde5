//! Answers to requests that cannot be served, as `application/problem+json` (RFC 9457).
//!
//! Invariant: a problem with a request names the field and the values that are allowed there.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

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
}

/// After how many seconds a client may ask again: figures are asked for once a second, so a few rounds later.
const RETRY_AFTER_SECONDS: &str = "5";

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Parameter { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NoFigures | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Parameter { .. } => "A parameter is not valid",
            Self::NotFound => "No such page",
            Self::NoFigures => "No figures are known yet",
            Self::Busy => "Too many viewers",
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (field, allowed) = match &self {
            Self::Parameter { field, allowed } => (Some(*field), allowed.as_slice()),
            Self::NotFound | Self::NoFigures | Self::Busy => (None, [].as_slice()),
        };
        let status = self.status();
        let body = Body {
            kind: "about:blank",
            title: self.title(),
            status: status.as_u16(),
            detail: field.map(|field| format!("`{field}` must be one of: {}", allowed.join(", "))),
            field,
            allowed,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}
