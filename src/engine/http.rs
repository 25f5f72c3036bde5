//! ClickHouse's HTTP interface, as far as its clients go.
//!
//! Invariant: an insert is answered with 200 only after the engine holds its rows; an error never has a body of data.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::chdb::Statistics;
use super::exception::{Exception, Fault};
use super::multipart;
use super::packing::{self, Unpacker};
use super::request::Request;
use super::session::{Insert, PIECES_AHEAD, Piece, Sessions};
use super::statement::{self, Statement};

/// A statement, and an insert whose statement stands in the body before its data, are collected before they run. The
/// Python client sends a data frame that way; 256 MiB is ten times what it holds by default.
const COLLECTED_BYTES_MAX: usize = 256 << 20;

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) sessions: Sessions,
    /// Of ClickHouse, such as `26.7.2.1`.
    pub(super) version: String,
}

pub(super) fn router(endpoint: Arc<Endpoint>) -> Router {
    let alive = || async { "Ok.\n" };
    Router::new()
        .route("/ping", get(alive))
        .route("/replicas_status", get(alive))
        .route("/", get(answer).post(answer))
        .with_state(endpoint)
}

async fn answer(
    State(endpoint): State<Arc<Endpoint>>,
    method: Method,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let is_probe = method == Method::GET && pairs.is_empty();
    if is_probe {
        return "Ok.\n".into_response();
    }
    let mut request = match Request::read(pairs, &headers) {
        Ok(request) => request,
        Err(exception) => return exception.into_response(&endpoint.version),
    };
    if method == Method::GET {
        // As in ClickHouse: an address that is merely followed changes nothing.
        request.scope.settings.push(("readonly".to_owned(), "2".to_owned()));
    }
    let query_id = request.query_id.clone();
    let outcome = execute(&endpoint.sessions, request, &headers, body).await;
    let mut response = outcome.unwrap_or_else(|exception| exception.into_response(&endpoint.version));
    if let Ok(query_id) = HeaderValue::from_str(&query_id) {
        response.headers_mut().insert("x-clickhouse-query-id", query_id);
    }
    response
}

async fn execute(
    sessions: &Sessions,
    mut request: Request,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Exception> {
    let started = Instant::now();
    let mut body = Incoming { body, unpacker: Unpacker::new(request.input) };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if let Some(boundary) = content_type.and_then(multipart::boundary) {
        let form = body.collect(BytesMut::new()).await?;
        let fields = multipart::fields(&form, boundary);
        for (name, value) in fields.ok_or_else(|| malformed("the form cannot be read"))? {
            request.set(name, value);
        }
        body = Incoming::empty();
    }

    let address = Bytes::from(std::mem::take(&mut request.query));
    let streams = matches!(statement::read(&address), Statement::Insert { .. });
    // An insert that stands in the address streams its body; any other body is, or begins with, the statement.
    let (text, body) =
        if streams { (address, body) } else { (body.collect(BytesMut::from(&address[..])).await?, Incoming::empty()) };

    let (answer, format) = match statement::read(&text) {
        Statement::Insert { head, format, data } => {
            let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
            let insert = Insert { head: text.slice_ref(head), format: format.to_owned(), pieces };
            let inline = text.slice_ref(data);
            let (sent, answer) = tokio::join!(body.send(inline, sender), sessions.insert(request.scope, insert));
            sent?;
            (answer?, format.to_owned())
        }
        Statement::Other { format } => {
            let format = format.map_or_else(|| request.format.clone(), str::to_owned);
            (sessions.query(request.scope, text, request.format).await?, format)
        }
    };
    let statistics = answer.statistics();
    let mut response = packing::pack(answer, request.output).await;
    describe(response.headers_mut(), &format, &summary(statistics, started));
    Ok(response)
}

fn describe(headers: &mut HeaderMap, format: &str, summary: &str) {
    let content_type = match format {
        "TabSeparated" | "TSV" | "TabSeparatedWithNames" | "TabSeparatedWithNamesAndTypes" => {
            "text/tab-separated-values; charset=UTF-8"
        }
        "CSV" | "CSVWithNames" => "text/csv; charset=UTF-8; header=absent",
        "JSON" | "JSONCompact" => "application/json; charset=UTF-8",
        "JSONEachRow" => "application/x-ndjson; charset=UTF-8",
        "Pretty" | "PrettyCompact" | "Vertical" => "text/plain; charset=UTF-8",
        _ => "application/octet-stream",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in [("x-clickhouse-format", format), ("x-clickhouse-summary", summary)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// ClickHouse writes its numbers as text.
fn summary(statistics: Statistics, started: Instant) -> String {
    let Statistics { read_rows, read_bytes, written_rows, written_bytes, result_rows, result_bytes } = statistics;
    let elapsed_ns = started.elapsed().as_nanos();
    format!(
        r#"{{"read_rows":"{read_rows}","read_bytes":"{read_bytes}","written_rows":"{written_rows}","written_bytes":"{written_bytes}","total_rows_to_read":"0","result_rows":"{result_rows}","result_bytes":"{result_bytes}","elapsed_ns":"{elapsed_ns}"}}"#
    )
}

fn malformed(detail: &str) -> Exception {
    Exception::of_request(Fault::Malformed, detail)
}

/// The body of a request, unpacked as it arrives.
struct Incoming {
    body: Body,
    unpacker: Unpacker,
}

impl Incoming {
    fn empty() -> Self {
        Self { body: Body::empty(), unpacker: Unpacker::Plain }
    }

    /// Appends all of it to `text`.
    async fn collect(self, mut text: BytesMut) -> Result<Bytes, Exception> {
        let (mut stream, mut unpacker) = (self.body.into_data_stream(), self.unpacker);
        while let Some(piece) = stream.next().await {
            text.extend_from_slice(&unpacker.push(piece.map_err(|_cut| cut_off())?)?);
            if text.len() > COLLECTED_BYTES_MAX {
                let detail = format!("The body is larger than {COLLECTED_BYTES_MAX} bytes");
                return Err(Exception::of_request(Fault::TooLarge, &detail));
            }
        }
        text.extend_from_slice(&unpacker.finish()?);
        Ok(text.freeze())
    }

    /// Sends `first`, then all of it. Where the insert has failed and takes no more, the rest is read and dropped: a
    /// client reads its answer only after it has sent its body.
    async fn send(self, first: Bytes, insert: mpsc::Sender<Piece>) -> Result<(), Exception> {
        let (mut stream, mut unpacker) = (self.body.into_data_stream(), self.unpacker);
        let pass = async |piece| drop(insert.send(piece).await);
        if !first.is_empty() {
            pass(Piece::Data(first)).await;
        }
        while let Some(piece) = stream.next().await {
            let data = unpacker.push(piece.map_err(|_cut| cut_off())?)?;
            if !data.is_empty() {
                pass(Piece::Data(data)).await;
            }
        }
        let data = unpacker.finish()?;
        if !data.is_empty() {
            pass(Piece::Data(data)).await;
        }
        pass(Piece::End).await;
        Ok(())
    }
}

fn cut_off() -> Exception {
    Exception::of_request(Fault::CutOff, "The body ended before its time")
}
