//! ClickHouse's own block framing of compressed bodies, `decompress=1` and `compress=1`.
//!
//! Invariant: what does not carry the checksum of its bytes is refused, never inserted.
//!
//! A block is `checksum (16) · method (1) · size (4) · raw size (4) · payload`; the size counts from the method on,
//! the checksum (CityHash 1.0.2, two little-endian words) covers the same bytes. *Source*: `CompressionInfo.h` of
//! ClickHouse.

use bytes::{Buf, Bytes, BytesMut};

const CHECKSUM_BYTES: usize = 16;
const HEADER_BYTES: usize = 9;
const METHOD_LZ4: u8 = 0x82;
const METHOD_NONE: u8 = 0x02;

/// ClickHouse refuses blocks above 1 GiB; clients send 0.25 to 1 MiB. A larger one here is a broken header.
const BLOCK_BYTES_MAX: usize = 128 << 20;

/// The size of raw blocks that the server side of ClickHouse writes (`max_compress_block_size`).
const RAW_BLOCK_BYTES: usize = 1 << 20;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("read a compressed block of method `{0:#x}`")]
    Method(u8),
    #[error("read a compressed block of `{0}` bytes")]
    Size(u32),
    #[error("check the checksum of a compressed block")]
    Checksum,
    #[error("decompress a block to `{0}` bytes")]
    Payload(u32),
    #[error("read the last compressed block, cut after `{0}` bytes")]
    Cut(usize),
}

/// Takes the body in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pending: BytesMut,
}

impl Decoder {
    /// The raw bytes of the blocks that are complete by now, maybe none.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Bytes, Error> {
        self.pending.extend_from_slice(piece);
        let mut raw = Vec::new();
        while let Some(block) = self.next_block()? {
            decode(&block, &mut raw)?;
        }
        Ok(raw.into())
    }

    /// A body ends with a block.
    pub(super) fn finish(self) -> Result<(), Error> {
        if self.pending.is_empty() { Ok(()) } else { Err(Error::Cut(self.pending.len())) }
    }

    fn next_block(&mut self) -> Result<Option<BytesMut>, Error> {
        let Some(header) = self.pending.get(CHECKSUM_BYTES..CHECKSUM_BYTES + HEADER_BYTES) else {
            return Ok(None);
        };
        let size = (&header[1..]).get_u32_le();
        let bytes = usize::try_from(size).ok().filter(|bytes| (HEADER_BYTES..=BLOCK_BYTES_MAX).contains(bytes));
        let block_bytes = CHECKSUM_BYTES + bytes.ok_or(Error::Size(size))?;
        Ok((self.pending.len() >= block_bytes).then(|| self.pending.split_to(block_bytes)))
    }
}

fn decode(block: &[u8], raw: &mut Vec<u8>) -> Result<(), Error> {
    let (checksum, covered) = block.split_at(CHECKSUM_BYTES);
    if checksum != checksum_of(covered) {
        return Err(Error::Checksum);
    }
    let (mut header, payload) = covered.split_at(HEADER_BYTES);
    let method = header.get_u8();
    header.advance(size_of::<u32>());
    let raw_size = header.get_u32_le();
    let raw_bytes =
        usize::try_from(raw_size).ok().filter(|bytes| *bytes <= BLOCK_BYTES_MAX).ok_or(Error::Size(raw_size))?;
    match method {
        METHOD_NONE => raw.extend_from_slice(payload),
        METHOD_LZ4 => {
            let start = raw.len();
            raw.resize(start + raw_bytes, 0);
            let written = lz4_flex::block::decompress_into(payload, &mut raw[start..]);
            if written.ok() != Some(raw_bytes) {
                return Err(Error::Payload(raw_size));
            }
        }
        method => return Err(Error::Method(method)),
    }
    Ok(())
}

/// The blocks of `raw`.
pub(super) fn encode(raw: &[u8]) -> Vec<u8> {
    let mut blocks = Vec::new();
    for chunk in raw.chunks(RAW_BLOCK_BYTES) {
        let payload = lz4_flex::block::compress(chunk);
        let size = u32::try_from(HEADER_BYTES + payload.len()).expect("a block is 1 MiB and a little");
        let raw_size = u32::try_from(chunk.len()).expect("a block is at most 1 MiB");
        let mut covered = vec![METHOD_LZ4];
        covered.extend_from_slice(&size.to_le_bytes());
        covered.extend_from_slice(&raw_size.to_le_bytes());
        covered.extend_from_slice(&payload);
        blocks.extend_from_slice(&checksum_of(&covered));
        blocks.append(&mut covered);
    }
    blocks
}

/// The high word comes first, each word in little-endian order.
fn checksum_of(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    cityhash_rs::cityhash_102_128(bytes).rotate_right(64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three blocks, the last one short.
    fn sample() -> Vec<u8> {
        (0..625_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect()
    }

    #[test]
    fn blocks_are_read_whatever_the_pieces() {
        let raw = sample();
        let blocks = encode(&raw);
        for piece_bytes in [1_usize, 24, 25, 26, 4096, 1 << 20, blocks.len()] {
            let blocks = if piece_bytes == 1 { encode(&raw[..1000]) } else { blocks.clone() };
            let mut decoder = Decoder::default();
            let decoded: Vec<u8> =
                blocks.chunks(piece_bytes).flat_map(|piece| decoder.push(piece).unwrap().to_vec()).collect();
            decoder.finish().unwrap();
            assert_eq!(decoded, raw[..decoded.len()]);
            assert_eq!(decoded.len(), if piece_bytes == 1 { 1000 } else { raw.len() });
        }
    }

    #[test]
    fn a_changed_byte_is_refused() {
        let blocks = encode(b"hello hello hello hello");
        for position in [0, 15, CHECKSUM_BYTES, CHECKSUM_BYTES + 6, blocks.len() - 1] {
            let mut changed = blocks.clone();
            changed[position] ^= 1;
            let mut decoder = Decoder::default();
            assert_eq!(decoder.push(&changed), Err(Error::Checksum), "byte {position}");
        }
    }

    #[test]
    fn a_cut_body_is_refused() {
        let blocks = encode(b"hello");
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(&blocks[..blocks.len() - 1]), Ok(Bytes::new()));
        assert_eq!(decoder.finish(), Err(Error::Cut(blocks.len() - 1)));
    }

    #[test]
    fn an_absurd_size_is_refused_before_it_is_waited_for() {
        let mut blocks = encode(b"hello");
        blocks[CHECKSUM_BYTES + 1..CHECKSUM_BYTES + 5].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Decoder::default().push(&blocks), Err(Error::Size(u32::MAX)));
    }
}
