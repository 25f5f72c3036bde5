//! The files of the page, embedded in the program.
//!
//! Invariant: nothing is loaded from elsewhere, neither by the server nor by the browser.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::problem::Problem;

#[derive(RustEmbed)]
#[folder = "src/board/assets/"]
struct Assets;

/// Stylesheets of two files: what all pages share, and what only some need. They go out as one, for compressed together
/// they are smaller than apart, and nobody loads what only other pages need.
const SHEETS: [(&str, [&str; 2]); 2] =
    [("phone.css", ["board.css", "phone.css"]), ("wall.css", ["board.css", "wall.css"])];

/// A file for the browser, by its content.
#[must_use]
pub fn asset(name: &str, request: &HeaderMap) -> Response {
    let kind = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some(_) | None => return Problem::NotFound.into_response(),
    };
    let sheet = SHEETS.iter().find(|(sheet, _)| *sheet == name);
    let parts = sheet.map_or(std::slice::from_ref(&name), |(_, parts)| parts.as_slice());
    let files: Option<Vec<_>> = parts.iter().map(|part| Assets::get(part)).collect();
    files.map_or_else(|| Problem::NotFound.into_response(), |files| answer(&files, kind, request))
}

/// Names do not change with the content, so a browser asks each time and mostly hears that it has the file.
fn answer(files: &[EmbeddedFile], kind: &'static str, request: &HeaderMap) -> Response {
    let hashes = files.iter().flat_map(|file| file.metadata.sha256_hash().into_iter().take(16));
    let tag = hashes.fold(String::from("W/\""), |tag, byte| tag + &format!("{byte:02x}")) + "\"";
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { content(files).into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn content(files: &[EmbeddedFile]) -> Vec<u8> {
    files.iter().flat_map(|file| file.data.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stylesheet_of_two_files_goes_out_as_one_with_a_tag_of_both() {
        let bytes =
            async |name| axum::body::to_bytes(asset(name, &HeaderMap::new()).into_body(), 1 << 20).await.unwrap();
        let (shared, wall) = (bytes("board.css").await, bytes("wall.css").await);
        assert!(wall.starts_with(&shared) && wall.len() > shared.len());
        let tag = |name| asset(name, &HeaderMap::new()).headers()[header::ETAG].len();
        assert_eq!(tag("wall.css"), 2 * tag("board.css") - 4);
    }

    #[test]
    fn a_browser_that_has_a_file_is_not_sent_it_again() {
        let first = asset("board.css", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let known = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(asset("board.css", &known).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn nothing_else_is_served() {
        for name in ["shell.html", "../board.rs", "none.css"] {
            assert_eq!(asset(name, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{name}");
        }
    }
}
