//! Compression of bodies, both ways.
//!
//! Invariant: what cannot be unpacked to its last byte is refused.

use std::io::{self, Read, Write};

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
            Self::Frame(frames) => unpack_frames(&frames, FRAME_BYTES_MAX),
        }
    }
}

/// A body may be several frames, one after another: the Python client makes one of each block.
fn unpack_frames(frames: &[u8], bytes_max: usize) -> Result<Bytes, Exception> {
    let mut rest = Rest(frames);
    let mut raw = Vec::new();
    while !rest.0.is_empty() {
        // One more than allowed, to see that there is more.
        let room = u64::try_from(bytes_max + 1 - raw.len()).unwrap_or(u64::MAX);
        FrameDecoder::new(&mut rest).take(room).read_to_end(&mut raw).map_err(|error| broken(&error))?;
        if raw.len() > bytes_max {
            let detail = format!("The body is larger than {bytes_max} bytes");
            return Err(Exception::of_request(Fault::TooLarge, &detail));
        }
    }
    Ok(raw.into())
}

/// The decoder takes the end of its input for the end of the frame, wherever it is; a whole frame never reaches it.
struct Rest<'a>(&'a [u8]);

impl Read for Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is cut off"));
        }
        self.0.read(buffer)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<u8> {
        let long = "long ".repeat(100_000);
        [b"one ".as_slice(), b"two ", long.as_bytes()].into_iter().flat_map(|raw| pack_frame(raw).unwrap()).collect()
    }

    #[test]
    fn frames_that_hold_more_than_allowed_are_refused_before_they_are_unpacked() {
        let bomb = pack_frame(&vec![0; 1 << 20]).unwrap();
        assert!(bomb.len() < 1 << 14, "{} bytes", bomb.len());
        let allowed = |count: usize| unpack_frames(&bomb.repeat(count), 3 << 20).map(|raw| raw.len());
        assert_eq!(allowed(3), Ok(3 << 20));
        for count in [4, 100] {
            assert!(allowed(count).is_err_and(|exception| format!("{exception:?}").contains("larger than")), "{count}");
        }
    }

    fn unpack(body: &[u8]) -> Result<Bytes, Exception> {
        let mut unpacker = Unpacker::new(Input::Frame);
        for piece in body.chunks(1000) {
            assert_eq!(unpacker.push(Bytes::copy_from_slice(piece)), Ok(Bytes::new()));
        }
        unpacker.finish()
    }

    #[test]
    fn every_frame_of_a_body_is_read() {
        assert_eq!(unpack(&frames()).unwrap(), format!("one two {}", "long ".repeat(100_000)));
    }

    #[test]
    fn a_cut_frame_is_refused_wherever_it_is_cut() {
        let frame = pack_frame(b"one two three").unwrap();
        for length in 1..frame.len() {
            assert!(unpack(&frame[..length]).is_err(), "cut after {length} bytes");
        }
        let frames = frames();
        assert!(unpack(&frames[..frames.len() - 1]).is_err());
    }

    #[test]
    fn what_follows_the_last_frame_is_refused() {
        assert!(unpack(&[frames(), b"x".to_vec()].concat()).is_err());
    }

    #[test]
    fn an_empty_body_is_empty() {
        assert_eq!(unpack(b"").unwrap(), "");
    }
}
