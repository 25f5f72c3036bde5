//! Compression of bodies, both ways.
//!
//! Invariant: what cannot be unpacked to its last byte is refused.

use std::io::{Read, Write};

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use tokio::task;

use super::blocks;
use super::chdb::Answer;
use super::exception::{Exception, Fault};
use super::request::{Input, Output};

/// Smaller answers fit in one packet as they are.
const PACKED_BYTES_MIN: usize = 1024;

/// An LZ4 frame is collected before it is unpacked: 256 MiB, as for a statement. Only the Python client sends frames.
const FRAME_BYTES_MAX: usize = 256 << 20;

/// Takes a body in pieces.
#[derive(Debug)]
pub(super) enum Unpacker {
    Plain,
    Blocks(blocks::Decoder),
    Frame(BytesMut),
}

impl Unpacker {
    pub(super) fn new(input: Input) -> Self {
        match input {
            Input::Plain => Self::Plain,
            Input::Blocks => Self::Blocks(blocks::Decoder::default()),
            Input::Frame => Self::Frame(BytesMut::new()),
        }
    }

    pub(super) fn push(&mut self, piece: Bytes) -> Result<Bytes, Exception> {
        match self {
            Self::Plain => Ok(piece),
            Self::Blocks(decoder) => decoder.push(&piece).map_err(|error| broken(&error)),
            Self::Frame(frame) if frame.len() + piece.len() > FRAME_BYTES_MAX => {
                let detail = format!("The compressed body is larger than {FRAME_BYTES_MAX} bytes");
                Err(Exception::of_request(Fault::TooLarge, &detail))
            }
            Self::Frame(frame) => {
                frame.extend_from_slice(&piece);
                Ok(Bytes::new())
            }
        }
    }

    pub(super) fn finish(self) -> Result<Bytes, Exception> {
        match self {
            Self::Plain => Ok(Bytes::new()),
            Self::Blocks(decoder) => decoder.finish().map(|()| Bytes::new()).map_err(|error| broken(&error)),
            Self::Frame(frame) => unpack_frame(&frame),
        }
    }
}

fn unpack_frame(frame: &[u8]) -> Result<Bytes, Exception> {
    let mut raw = Vec::new();
    let limit = u64::try_from(FRAME_BYTES_MAX).expect("256 MiB fits").saturating_add(1);
    FrameDecoder::new(frame).take(limit).read_to_end(&mut raw).map_err(|error| broken(&error))?;
    if raw.len() > FRAME_BYTES_MAX {
        let detail = format!("The body is larger than {FRAME_BYTES_MAX} bytes");
        return Err(Exception::of_request(Fault::TooLarge, &detail));
    }
    Ok(raw.into())
}

fn broken(error: &dyn std::error::Error) -> Exception {
    Exception::of_request(Fault::Compression, &format!("Cannot decompress the body: {error}"))
}

/// The answer as a response, without a copy where it is not packed.
pub(super) async fn pack(answer: Answer, output: Output) -> Response {
    let raw = Bytes::from_owner(answer);
    let packed = match output {
        Output::Frame if raw.len() >= PACKED_BYTES_MIN => on_a_thread(raw.clone(), pack_frame).await,
        Output::Blocks => on_a_thread(raw.clone(), |raw| Some(blocks::encode(raw))).await,
        Output::Plain | Output::Frame => None,
    };
    let Some(packed) = packed else {
        return Response::new(Body::from(raw));
    };
    let mut response = Response::new(Body::from(packed));
    if output == Output::Frame {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("lz4"));
    }
    response
}

/// Compression runs at about 400 MB/s: too long for the threads that serve sockets.
async fn on_a_thread(raw: Bytes, pack: fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    task::spawn_blocking(move || pack(&raw)).await.ok().flatten()
}

fn pack_frame(raw: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(raw).ok()?;
    encoder.finish().ok()
}
