//! What a request asks for: its address, its headers, its form.
//!
//! Invariant: a name that is not known here is a setting, for the engine to accept or refuse, as in ClickHouse.

use axum::http::{HeaderMap, header};

use super::exception::{Exception, Fault};
use super::session::Scope;

/// How the body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Plain,
    /// `decompress=1`.
    Blocks,
    /// `Content-Encoding: lz4`.
    Frame,
}

/// How the answer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Plain,
    /// `compress=1`.
    Blocks,
    /// `Accept-Encoding: lz4`.
    Frame,
}

#[derive(Debug)]
pub(super) struct Request {
    /// From the address; more of it, or all, may stand in the body.
    pub(super) query: String,
    pub(super) query_id: String,
    /// For a statement that names none.
    pub(super) format: String,
    pub(super) scope: Scope,
    pub(super) input: Input,
    pub(super) output: Output,
}

/// Names that are instructions to the interface, not settings. Users, roles, quotas and sessions do not exist here:
/// whoever reaches the loopback address may do everything, and each request is a session of its own.
const IGNORED: [&str; 14] = [
    "user",
    "password",
    "role",
    "quota_key",
    "session_id",
    "session_timeout",
    "session_check",
    "close_session",
    "stacktrace",
    "buffer_size",
    "wait_end_of_query",
    "client_protocol_version",
    "enable_http_compression",
    "framing",
];

impl Request {
    pub(super) fn read(pairs: Vec<(String, String)>, headers: &HeaderMap) -> Result<Self, Exception> {
        let header_text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut request = Self {
            query: String::new(),
            query_id: random_id(),
            format: header_text("x-clickhouse-format").unwrap_or_else(|| "TabSeparated".to_owned()),
            scope: Scope { database: header_text("x-clickhouse-database"), ..Scope::default() },
            input: input(headers)?,
            output: output(headers),
        };
        for (name, value) in pairs {
            request.set(name, value);
        }
        Ok(request)
    }

    /// One field of the address or of a form.
    pub(super) fn set(&mut self, name: String, value: String) {
        if let Some(parameter) = name.strip_prefix("param_") {
            self.scope.parameters.push((parameter.to_owned(), value));
            return;
        }
        match name.as_str() {
            "query" => self.query = value,
            "query_id" if !value.is_empty() => self.query_id = value,
            "database" => self.scope.database = Some(value),
            "default_format" => self.format = value,
            "decompress" if value == "1" => self.input = Input::Blocks,
            "compress" if value == "1" => self.output = Output::Blocks,
            "query_id" | "decompress" | "compress" => {}
            ignored if IGNORED.contains(&ignored) => {}
            _ => self.scope.settings.push((name, value)),
        }
    }
}

fn input(headers: &HeaderMap) -> Result<Input, Exception> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase()).as_deref() {
        None | Some(b"" | b"identity") => Ok(Input::Plain),
        Some(b"lz4") => Ok(Input::Frame),
        Some(other) => {
            let detail = format!("Unknown compression method: {}; lz4 is known", String::from_utf8_lossy(other));
            Err(Exception::of_request(Fault::Encoding, &detail))
        }
    }
}

fn output(headers: &HeaderMap) -> Output {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let lz4 = accepted.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("lz4"));
    if lz4 { Output::Frame } else { Output::Plain }
}

/// A version 4 UUID, as ClickHouse names a query that has no name.
fn random_id() -> String {
    let version = 4_u128 << 76;
    let variant = 2_u128 << 62;
    let bits = (rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62)) | version | variant;
    let digits = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Request {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Request::read(pairs, &HeaderMap::new()).unwrap()
    }

    #[test]
    fn unknown_names_are_settings() {
        let request = read(&[("async_insert", "0"), ("no_such", "1"), ("session_id", "s"), ("user", "u")]);
        let settings = [("async_insert", "0"), ("no_such", "1")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(request.scope.settings, settings);
    }

    #[test]
    fn parameters_lose_their_prefix() {
        assert_eq!(read(&[("param_x", "1")]).scope.parameters, [("x".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn compression_is_off_unless_asked_for() {
        let request = read(&[("compress", "0"), ("decompress", "0")]);
        assert_eq!((request.input, request.output), (Input::Plain, Output::Plain));
        let request = read(&[("compress", "1"), ("decompress", "1")]);
        assert_eq!((request.input, request.output), (Input::Blocks, Output::Blocks));
    }

    #[test]
    fn a_nameless_query_gets_a_uuid() {
        let id = read(&[]).query_id;
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
        assert_ne!(id, read(&[]).query_id);
        assert_eq!(read(&[("query_id", "mine")]).query_id, "mine");
    }
}
