//! Mutations of bytes that come from outside.
//!
//! Invariant: the same generator gives the same mutations.

use rand::{Rng as _, rngs::SmallRng};

/// What JSON, TOML, CSV and SQL break at.
const PIECES: [&[u8]; 12] = [
    b"\"",
    b"\\",
    b"\\ud800",
    b"{",
    b"[[[[[[[[",
    b"\0",
    b"\xff\xfe",
    b"1e999999999",
    b"-0",
    b"null,",
    b"\r\n",
    b"'/*--",
];

/// The input after up to so many steps; some take a piece of another input.
pub(super) fn mutate(input: &[u8], other: &[u8], steps_max: usize, random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.random_range(1..=steps_max) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..5) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => drop(bytes.splice(at..at, PIECES[random.random_range(0..PIECES.len())].iter().copied())),
            _ => {
                let from = random.random_range(0..=other.len());
                bytes.splice(at..at, other[from..].iter().copied().take(64));
            }
        }
    }
    bytes
}
