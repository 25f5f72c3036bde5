//! Bytes for people, and bytes as ClickHouse tells them.
//!
//! Invariant: pure; what is printed holds no control character, so that a record cannot write to a terminal.

use std::fmt::Write as _;

/// Text as it is; what is no text, or would move a cursor, escaped.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() || letter == '\\' {
                text.extend(letter.escape_default());
            } else {
                text.push(letter);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Bytes as `hex()` wrote them; what is no such text is empty.
pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    text.as_bytes().chunks(2).map(byte).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_readable_and_nothing_else_reaches_the_terminal() {
        assert_eq!(escaped("引流 {\"a\":1}".as_bytes()), "引流 {\"a\":1}");
        assert_eq!(escaped(b"a\n\x1b[2J\\\xff\x00"), "a\\n\\u{1b}[2J\\\\\\xff\\u{0}");
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        assert_eq!(unhex("00FFe5"), [0, 255, 0xe5]);
        assert_eq!(unhex(""), [0; 0]);
    }
}
