//! Text that is safe inside a page.
//!
//! Invariant: only this file turns text into HTML, and whatever comes from data is escaped.

use std::fmt;

/// Markup: text that a browser may read as HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Escaped text, for content and for attributes in double quotes.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut html = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                other => html.push(other),
            }
        }
        Self(html)
    }

    /// A template of ours with `{{name}}` replaced by the value of that name, which is never read as a template again.
    ///
    /// A name without a value becomes nothing.
    #[must_use]
    pub fn fill(template: &str, values: &[(&str, Self)]) -> Self {
        Self::resolve(template, |name| values.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone()))
    }

    /// The same with the values that `value` has for the names.
    #[must_use]
    pub fn resolve(template: &str, value: impl Fn(&str) -> Option<Self>) -> Self {
        let mut html = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            html.push_str(before);
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            if let Some(value) = value(name) {
                html.push_str(&value.0);
            }
            rest = after;
        }
        html.push_str(rest);
        Self(html)
    }

    /// One after the other.
    #[must_use]
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Html {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A whole number with thousands, and the true minus sign.
#[must_use]
pub fn number(value: i128) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "−" } else { "" });
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `numerator / denominator` in tenths, rounded half up, as text with one decimal. The denominator is at least 1.
#[must_use]
pub fn tenths(numerator: i128, denominator: u64) -> String {
    let denominator = i128::from(denominator.max(1));
    let tenths = (numerator.abs() * 20 + denominator) / (denominator * 2);
    let sign = if numerator < 0 && tenths > 0 { "−" } else { "" };
    format!("{sign}{}.{}", number(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_become_markup_or_templates() {
        let values = [("name", Html::text("<b>\"A\" & {{other}}'")), ("other", Html::text("x"))];
        let html = Html::fill("<i>{{name}}</i>{{none}}{{other}}", &values).into_string();
        assert_eq!(html, "<i>&lt;b&gt;&quot;A&quot; &amp; {{other}}&#39;</i>x");
    }

    #[test]
    fn numbers_carry_thousands_and_a_true_minus() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(-318), "−318");
        assert_eq!(number(0), "0");
    }

    #[test]
    fn ratios_are_rounded_once() {
        assert_eq!(tenths(300, 14), "21.4");
        assert_eq!(tenths(1, 4), "0.3");
        assert_eq!(tenths(-7, 2), "−3.5");
        assert_eq!(tenths(18_426 * 100, 40_000), "46.1");
    }
}
