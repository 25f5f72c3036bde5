//! Errors as ClickHouse's HTTP interface tells them: a status, a code in a header, the text in the body.
//!
//! Invariant: the text of the engine is passed on as it is.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// `UNKNOWN_EXCEPTION`: for a text without a code.
const UNKNOWN: u16 = 1002;

/// An error of a statement or of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    code: u16,
    text: String,
}

impl Exception {
    /// What the engine said: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`.
    pub(super) fn from_engine(text: &str) -> Self {
        let code = text.strip_prefix("Code: ").and_then(|rest| rest.split('.').next()?.parse().ok());
        Self { code: code.unwrap_or(UNKNOWN), text: text.trim_end().to_owned() }
    }

    /// A request that never reached the engine.
    pub(super) fn of_request(fault: Fault, detail: &str) -> Self {
        let (code, name) = match fault {
            Fault::Malformed => (36, "BAD_ARGUMENTS"),
            Fault::Compression => (271, "CANNOT_DECOMPRESS"),
            Fault::Encoding => (48, "NOT_IMPLEMENTED"),
            Fault::TooLarge => (307, "TOO_MANY_BYTES"),
            Fault::CutOff => (95, "CANNOT_READ_FROM_SOCKET"),
            Fault::Stopping => (236, "ABORTED"),
        };
        Self { code, text: format!("Code: {code}. DB::Exception: {detail}. ({name})") }
    }

    /// As `exceptionCodeToHTTPStatus.cpp` of ClickHouse maps the codes that can arise here.
    fn status(&self) -> StatusCode {
        match self.code {
            194 => StatusCode::UNAUTHORIZED,
            192 | 193 | 497 | 512 | 516 => StatusCode::FORBIDDEN,
            6
            | 8
            | 15
            | 25..=27
            | 36..=38
            | 41
            | 44
            | 53
            | 62
            | 72
            | 117
            | 123
            | 167
            | 168
            | 223
            | 321
            | 376
            | 427
            | 441
            | 675
            | 676 => StatusCode::BAD_REQUEST,
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 152 | 336 | 511 => StatusCode::NOT_FOUND,
            229 => StatusCode::PAYLOAD_TOO_LARGE,
            48 => StatusCode::NOT_IMPLEMENTED,
            159 => StatusCode::REQUEST_TIMEOUT,
            76 | 209 | 439 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// `version` is the engine's; ClickHouse ends its texts with it.
    pub(super) fn into_response(self, version: &str) -> Response {
        let mut text = self.text.clone();
        if !text.contains("(version ") {
            text = format!("{text} (version {version})");
        }
        text.push('\n');
        let mut response = (self.status(), text).into_response();
        response.headers_mut().insert("x-clickhouse-exception-code", HeaderValue::from(self.code));
        response
    }
}

/// Why a request was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed,
    Compression,
    Encoding,
    TooLarge,
    CutOff,
    Stopping,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str, status: u16) {
        let response = Exception::from_engine(text).into_response("26.7");
        assert_eq!(response.headers()["x-clickhouse-exception-code"], code);
        assert_eq!(response.status().as_u16(), status);
    }

    #[test]
    fn the_code_decides_the_status() {
        check("Code: 60. DB::Exception: no table. (UNKNOWN_TABLE)", "60", 404);
        check("Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)", "62", 400);
        check("Code: 241. DB::Exception: memory. (MEMORY_LIMIT_EXCEEDED)", "241", 500);
    }

    #[test]
    fn a_text_without_a_code_is_an_unknown_exception() {
        check("Invalid insert stream", "1002", 500);
    }
}
