//! Where the data of an `INSERT` begins, and which format a statement names.
//!
//! Invariant: reads words and brackets, never meaning; whether a statement is valid is the engine's to say.

/// A statement as the endpoint must treat it. Positions are bytes of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement<'a> {
    /// `INSERT` with data: its text without `FORMAT`, the format, and the data that follows in the same text.
    Insert { head: &'a [u8], format: &'a str, data: &'a [u8] },
    /// Anything else, with the format that it names for its answer.
    Other { format: Option<&'a str> },
}

/// Reads a statement; what follows `FORMAT …` or `VALUES` of an insert may be any bytes.
pub(super) fn read(text: &[u8]) -> Statement<'_> {
    let mut words = Words { text, position: 0, depth: 0 };
    match words.next() {
        Some(word) if word.is("INSERT") => insert(text, words),
        Some(_) | None => Statement::Other { format: named_format(text) },
    }
}

fn insert<'a>(text: &'a [u8], mut words: Words<'a>) -> Statement<'a> {
    while let Some(word) = words.next() {
        if word.is("SELECT") || word.is("WITH") {
            break;
        }
        if word.is("VALUES") {
            return Statement::Insert { head: &text[..word.start], format: "Values", data: &text[word.end()..] };
        }
        if word.is("FORMAT")
            && let Some(format) = words.next()
        {
            let data = after_newline(&text[format.end()..]);
            return Statement::Insert { head: &text[..word.start], format: format.text, data };
        }
    }
    Statement::Other { format: None }
}

/// The data starts after the first newline, or after the blanks where there is none: a newline may be data.
fn after_newline(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\x0c')).count();
    let text = &text[blanks..];
    let text = text.strip_prefix(b"\r").unwrap_or(text);
    text.strip_prefix(b"\n").unwrap_or(text)
}

/// `… FORMAT name [SETTINGS …]` at the end of a statement.
fn named_format(text: &[u8]) -> Option<&str> {
    let mut named = None;
    let mut words = Words { text, position: 0, depth: 0 };
    let mut word = words.next();
    while let Some(current) = word {
        word = words.next();
        if current.is("FORMAT")
            && let Some(format) = word
        {
            word = words.next();
            named = word.is_none_or(|after| after.is("SETTINGS")).then_some(format.text).or(named);
        }
    }
    named
}

#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    start: usize,
}

impl Word<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword)
    }

    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The bare words outside brackets, quotes and comments.
struct Words<'a> {
    text: &'a [u8],
    position: usize,
    depth: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<Word<'a>> {
        loop {
            let rest = &self.text[self.position..];
            let skipped = match *rest.first()? {
                quote @ (b'\'' | b'"' | b'`') => quoted(rest, quote),
                b'-' if rest.starts_with(b"--") => through(rest, b"\n"),
                b'/' if rest.starts_with(b"/*") => through(rest, b"*/"),
                byte if is_word(byte) => {
                    let start = self.position;
                    let length = rest.iter().take_while(|byte| is_word(**byte)).count();
                    self.position += length;
                    if self.depth == 0 {
                        let text = str::from_utf8(&rest[..length]).expect("a word is ASCII, see `is_word`");
                        return Some(Word { text, start });
                    }
                    continue;
                }
                byte => {
                    match byte {
                        b'(' | b'[' | b'{' => self.depth += 1,
                        b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                        _ => {}
                    }
                    1
                }
            };
            self.position += skipped;
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

/// The length of a quoted text, quotes included; a doubled quote reads as two texts, which is the same here.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut position = 1;
    while let Some(byte) = text.get(position) {
        match *byte {
            b'\\' => position += 2,
            byte if byte == quote => return position + 1,
            _ => position += 1,
        }
    }
    text.len()
}

fn through(text: &[u8], end: &[u8]) -> usize {
    text.windows(end.len()).position(|window| window == end).map_or(text.len(), |position| position + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_insert(text: &[u8], head: &str, format: &str, data: &[u8]) {
        assert_eq!(read(text), Statement::Insert { head: head.as_bytes(), format, data });
    }

    #[track_caller]
    fn check_other(text: &str, format: Option<&str>) {
        assert_eq!(read(text.as_bytes()), Statement::Other { format });
    }

    #[test]
    fn binary_data_begins_after_one_newline() {
        check_insert(
            b"INSERT INTO t(a, b) FORMAT RowBinary\n\n\x00\xff",
            "INSERT INTO t(a, b) ",
            "RowBinary",
            b"\n\x00\xff",
        );
    }

    #[test]
    fn an_insert_may_come_without_its_data() {
        check_insert(b"insert into `d`.`t` format RowBinary", "insert into `d`.`t` ", "RowBinary", b"");
    }

    #[test]
    fn data_may_stand_on_the_line_of_the_format() {
        check_insert(b"INSERT INTO t FORMAT CSV 1,2\r\n3,4", "INSERT INTO t ", "CSV", b"1,2\r\n3,4");
        check_insert(b"INSERT INTO t FORMAT CSV \r\n3,4", "INSERT INTO t ", "CSV", b"3,4");
    }

    #[test]
    fn values_are_data() {
        check_insert(b"INSERT INTO t (a) VALUES (1),\n(2)", "INSERT INTO t (a) ", "Values", b" (1),\n(2)");
    }

    #[test]
    fn settings_before_the_format_stay_in_the_head() {
        check_insert(
            b"INSERT INTO t SETTINGS x = 'FORMAT CSV', y = 1 FORMAT TSV\n1",
            "INSERT INTO t SETTINGS x = 'FORMAT CSV', y = 1 ",
            "TSV",
            b"1",
        );
    }

    #[test]
    fn words_in_quotes_brackets_and_comments_are_not_read() {
        check_insert(
            b"/* FORMAT a */ INSERT INTO t (format, `values`) -- VALUES\n FORMAT CSV\n",
            "/* FORMAT a */ INSERT INTO t (format, `values`) -- VALUES\n ",
            "CSV",
            b"",
        );
    }

    #[test]
    fn an_insert_from_a_select_is_one_statement() {
        check_other("INSERT INTO t SELECT * FROM s", None);
        check_other("INSERT INTO t WITH 1 AS x SELECT x", None);
    }

    #[test]
    fn the_named_format_is_found_at_the_end() {
        check_other("SELECT 1 FORMAT JSON", Some("JSON"));
        check_other("SELECT 1 FORMAT JSONEachRow SETTINGS max_threads = 1;", Some("JSONEachRow"));
        check_other("SELECT format FROM t", None);
        check_other("SELECT 'it''s FORMAT x' FROM (SELECT 1 FORMAT y)", None);
        check_other("", None);
    }

    #[test]
    fn an_unfinished_quote_reaches_to_the_end() {
        check_other("SELECT 'FORMAT x \\", None);
    }
}
