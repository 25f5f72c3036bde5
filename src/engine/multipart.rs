//! Fields of a `multipart/form-data` body: how clients send a query with its parameters.
//!
//! Invariant: a body that is not closed by its boundary is refused, never read in part.

/// The boundary that a `content-type` names, or `None` for another type of body.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parts.find_map(|part| part.strip_prefix("boundary="))?;
    Some(value.trim_matches('"'))
}

/// Names and values in order; `None` for a malformed body.
pub(super) fn fields(body: &[u8], boundary: &str) -> Option<Vec<(String, String)>> {
    let text = str::from_utf8(body).ok()?;
    let delimiter = format!("--{boundary}");
    let mut parts = text.split(delimiter.as_str());
    // What stands before the first boundary is a preamble that nobody reads.
    parts.next()?;
    let mut fields = Vec::new();
    for part in parts {
        if part.starts_with("--") {
            return Some(fields);
        }
        let (head, value) = part.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
        fields.push((name(head)?.to_owned(), value.strip_suffix("\r\n")?.to_owned()));
    }
    None
}

fn name(head: &str) -> Option<&str> {
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let value = disposition.split(';').find_map(|part| part.trim().strip_prefix("name="))?;
    Some(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT\r\n{x:String}\r\n\
                        --b\r\nContent-Disposition: form-data; name=\"param_x\"\r\nContent-Type: text/plain\r\n\r\n\r\n--b--\r\n";

    #[test]
    fn fields_keep_their_line_ends() {
        let expected = [("query", "SELECT\r\n{x:String}"), ("param_x", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(BODY.as_bytes(), "b"), Some(expected.to_vec()));
    }

    #[test]
    fn a_cut_body_is_refused() {
        let cut = BODY.strip_suffix("--b--\r\n").unwrap();
        assert_eq!(fields(cut.as_bytes(), "b"), None);
    }

    #[test]
    fn only_multipart_has_a_boundary() {
        assert_eq!(boundary("multipart/form-data; boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("application/x-www-form-urlencoded"), None);
    }
}
