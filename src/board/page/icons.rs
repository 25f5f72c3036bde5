//! The pictures of the page: drawn once, used by name.
//!
//! Invariant: a picture says nothing that a word beside it or a label does not say.

use crate::board::html::Html;

/// Name and strokes, on a square of 20.
const ICONS: &[(&str, &str)] = &[
    ("share", "<path d=\"M10 12V3m0 0L6.500 6.500M10 3l3.500 3.500M4 11v5h12v-5\"/>"),
    ("search", "<circle cx=\"9\" cy=\"9\" r=\"5\"/><path d=\"m13 13 4 4\"/>"),
    ("next", "<path d=\"m7 4 5 6-5 6\"/>"),
    ("down", "<path d=\"m5 8 5 5 5-5\"/>"),
    ("today", "<path d=\"M3 16h14M5 13V9m5 4V4m5 9V7\"/>"),
    ("rank", "<path d=\"M3 17h14M4 17v-5h4v5M8 17V7h4v10m0 0v-7h4v7\"/>"),
    ("channels", "<path d=\"M3 5h14M3 10h9M3 15h5\"/>"),
    (
        "me",
        "<circle cx=\"10\" cy=\"7\" r=\"3.2\"/><path d=\"M3.800 17c.8-3.400 3.200-5 6.200-5s5.400 1.600 6.200 5\"/>",
    ),
    ("silent", "<path d=\"M3 10h3m3 0h2m3 0h3\"/>"),
    ("loss", "<path d=\"M4 5l5 6 3-3 4 6m0 0h-3.500m3.500 0v-3.500\"/>"),
    (
        "pass_rate",
        "<path d=\"M5 3h3l1.500 4-2 1.500a9 9 0 0 0 4 4l1.500-2 4 1.500v3c0 1-1 2-2 2C8.500 16.500 3.500 11 3 5c0-1 1-2 2-2z\"/>",
    ),
    ("zero", "<circle cx=\"10\" cy=\"10\" r=\"6\"/>"),
    ("close", "<path d=\"m5 5 10 10M15 5 5 15\"/>"),
    ("lock", "<rect x=\"4\" y=\"9\" width=\"12\" height=\"8\" rx=\"1.500\"/><path d=\"M7 9V6.500a3 3 0 0 1 6 0V9\"/>"),
];

/// A picture by its name.
pub(super) fn icon(name: &str) -> Html {
    let name = Html::text(name);
    Html::fill(
        "<svg class=\"i\" viewBox=\"0 0 20 20\" aria-hidden=\"true\"><use href=\"#i-{{name}}\"/></svg>",
        &[("name", name)],
    )
}

/// The definitions of all pictures and of the hatching of what is not certain, once per page.
pub(super) fn definitions() -> Html {
    let symbols = ICONS.iter().map(|(name, strokes)| {
        let strokes = Html::fill(strokes, &[]);
        let values = [("name", Html::text(name)), ("strokes", strokes)];
        Html::fill("<symbol id=\"i-{{name}}\" viewBox=\"0 0 20 20\">{{strokes}}</symbol>", &values)
    });
    Html::fill(include_str!("definitions.html").trim_end(), &[("symbols", Html::join(symbols))])
}
