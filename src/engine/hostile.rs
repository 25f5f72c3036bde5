//! The embedded endpoint, tried with any bytes as far as they are read before the engine sees them.
//!
//! Invariant: takes any bytes, and returns.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use super::{
    multipart,
    packing::Unpacker,
    request::{Input, Request},
    statement::{self, Statement},
};
use crate::event::Header;

/// The first line is the address, the rest the body: plain, packed, a form and a statement, each in turn.
///
/// # Panics
/// A statement is not the bytes that were sent.
pub(crate) fn hostile(headers: &[Header<'_>], bytes: &[u8]) {
    let header = |header: &Header<'_>| {
        Some((HeaderName::try_from(header.name).ok()?, HeaderValue::from_bytes(header.value).ok()?))
    };
    let headers: HeaderMap = headers.iter().filter_map(header).collect();
    let (address, body) = bytes.split_at(memchr::memchr(b'\n', bytes).unwrap_or(0));
    let pairs = address.split(|byte| *byte == b'&').map(|pair| {
        let text = String::from_utf8_lossy(pair);
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        (name.to_owned(), value.to_owned())
    });
    // Refused or not: both are answers.
    let _ = Request::read(pairs.collect(), &headers);
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    for input in [Input::Blocks, Input::Frame] {
        let mut unpacker = Unpacker::new(input);
        // In two pieces: where the body is cut is up to the network.
        let (first, second) = body.split_at(body.len() / 2);
        let taken = [first, second].into_iter().all(|piece| unpacker.push(Bytes::copy_from_slice(piece)).is_ok());
        if taken {
            let _ = unpacker.finish();
        }
    }
    if let Some(boundary) = str::from_utf8(address).ok().and_then(multipart::boundary) {
        let _ = multipart::fields(body, boundary);
    }
    if let Statement::Insert { head, data, .. } = statement::read(body) {
        assert!(body.starts_with(head) && body.ends_with(data), "what was sent, cut in two");
    }
}
