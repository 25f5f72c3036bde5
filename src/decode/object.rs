//! One JSON object cut into the raw texts of its fields, with every name looked up in the table.
//!
//! Invariant: the whole text is checked against RFC 8259, and no value is interpreted: what is not in the table is kept
//! as it came, so numbers beyond any range, lone surrogates and deep nesting there do no harm.

use std::{borrow::Cow, fmt};

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    field::{Field, Fields},
    malformed,
};
use crate::event::Refusal;

/// What stands in a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Absent,
    /// The raw text of a JSON value other than `null`.
    Json(&'a str),
    /// The text of a Kafka header that stands in for the field.
    Header(&'a str),
}

/// An object by its fields.
#[derive(Debug)]
pub(super) struct Object<'a> {
    values: [Value<'a>; Field::ALL.len()],
    present: Fields,
    named: Fields,
    repeated: Option<Field>,
    /// Whether the object holds an escape at all; most do not, and then every string is borrowed.
    escaped: bool,
    /// Raw names (with their quotes) and raw values that are not in the table, as they came.
    unknown: Vec<(&'a str, &'a str)>,
}

impl<'a> Object<'a> {
    /// Reads the text of one JSON object, with nothing but white space around it.
    ///
    /// # Errors
    /// `malformed` where it is something else; a repeated name is found by [`Self::check`] alone.
    pub(super) fn read(text: &'a str) -> Result<Self, Refusal> {
        if !text.trim_start_matches(BLANKS).starts_with('{') {
            return Err(malformed("the value is no JSON object"));
        }
        let mut object = Self {
            values: [Value::Absent; Field::ALL.len()],
            present: Fields::NONE,
            named: Fields::NONE,
            repeated: None,
            escaped: memchr::memchr(b'\\', text.as_bytes()).is_some(),
            unknown: Vec::new(),
        };
        let mut json = serde_json::Deserializer::from_str(text);
        // The errors of the parser name a place and what was expected there, and quote nothing.
        json.deserialize_map(Fill(&mut object))
            .and_then(|()| json.end())
            .map_err(|error| malformed(format!("the value is no JSON object: {error}")))?;
        Ok(object)
    }

    fn put(&mut self, name: &'a str, value: &'a str) {
        let Some(field) = self.field(name) else {
            self.unknown.push((name, value));
            return;
        };
        if !self.named.insert(field) {
            self.repeated.get_or_insert(field);
        }
        if value != "null" {
            self.present.insert(field);
            self.values[field.index()] = Value::Json(value);
        }
    }

    fn field(&self, name: &str) -> Option<Field> {
        if self.escaped && name.contains('\\') {
            return Field::from_name(&unescape(name)?);
        }
        Field::from_name(unquoted(name))
    }

    pub(super) fn get(&self, field: Field) -> Value<'a> {
        self.values[field.index()]
    }

    pub(super) fn present(&self) -> Fields {
        self.present
    }

    pub(super) fn escaped(&self) -> bool {
        self.escaped
    }

    /// The raw value of a name that is not in the table: the last of this name, unless that is `null`.
    pub(super) fn unknown(&self, wanted: &str) -> Option<&'a str> {
        let (_, value) = self.unknown.iter().rfind(|(name, _)| decoded_name(name) == wanted)?;
        (*value != "null").then_some(*value)
    }

    /// Lets `value` stand in for a field that is absent.
    pub(super) fn stand_in(&mut self, field: Field, value: Value<'a>) {
        if matches!(value, Value::Absent) || self.present.contains(field) {
            return;
        }
        self.escaped |= matches!(value, Value::Json(raw) if raw.contains('\\'));
        self.present.insert(field);
        self.values[field.index()] = value;
    }

    /// Refuses what makes the fields of the table ambiguous: a repeated name, a lone surrogate.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if let Some(field) = self.repeated {
            return Err(malformed(format!("`{}` is repeated; each field may stand once", field.name())));
        }
        if !self.escaped {
            return Ok(());
        }
        for field in self.present.iter() {
            if let Value::Json(raw) = self.get(field)
                && has_lone_surrogate(raw)
            {
                return Err(malformed(format!("`{}` holds half of a surrogate pair, which is no text", field.name())));
            }
        }
        Ok(())
    }

    /// The text of a JSON object of all fields that are unknown or `foreign` to the event's type, as they came: first the
    /// unknown ones in their order, then the others in the order of the table.
    ///
    /// Of a repeated name the last is kept, as most readers of JSON do; the column that takes this wants unique names.
    pub(super) fn extra(&self, foreign: Fields) -> Cow<'a, str> {
        let foreign = self.present.intersect(foreign);
        if self.unknown.is_empty() && foreign.is_empty() {
            return Cow::Borrowed("{}");
        }
        let bytes: usize = self.unknown.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut text = String::with_capacity(bytes + 2);
        let mut write = |quote: &str, name: &str, value: &str| {
            let separator = if text.is_empty() { "{" } else { "," };
            for part in [separator, quote, name, quote, ":", value] {
                text.push_str(part);
            }
        };
        let superseded = self.superseded();
        for (at, (name, value)) in self.unknown.iter().enumerate() {
            if superseded.binary_search(&at).is_err() {
                write("", name, value);
            }
        }
        for field in foreign.iter() {
            if let Value::Json(raw) = self.get(field) {
                write("\"", field.name(), raw);
            }
        }
        text.push('}');
        Cow::Owned(text)
    }

    /// Ascending positions of the unknown fields whose name comes again later. By sorting, not by comparing each with
    /// each: a record has room for 200,000 names.
    fn superseded(&self) -> Vec<usize> {
        // The few names of an ordinary record differ, which is seen without taking memory for it.
        let differ =
            || self.unknown.iter().enumerate().all(|(at, (name, _))| self.unknown[..at].iter().all(|o| o.0 != *name));
        if self.unknown.len() < 2 || !self.escaped && self.unknown.len() <= FEW && differ() {
            return Vec::new();
        }
        let mut names: Vec<_> =
            self.unknown.iter().enumerate().map(|(at, (name, _))| (decoded_name(name), at)).collect();
        names.sort_unstable();
        let mut earlier: Vec<_> =
            names.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].1).collect();
        earlier.sort_unstable();
        earlier
    }
}

/// So many names are compared each with each in less time than they are sorted.
const FEW: usize = 12;

/// The white space of RFC 8259.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Fills an object from the parser's events.
struct Fill<'o, 'a>(&'o mut Object<'a>);

impl<'a> Visitor<'a> for Fill<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&'a RawValue>()? {
            let value = map.next_value::<&'a RawValue>()?;
            self.0.put(name.get(), value.get());
        }
        Ok(())
    }
}

/// The text of a raw JSON string; `None` where it is no text, for a lone surrogate.
pub(super) fn unescape(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// What stands between the quotes of a raw JSON string.
pub(super) fn unquoted(raw: &str) -> &str {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
}

/// The name that a raw name stands for, or the raw one where that is no text.
fn decoded_name(raw: &str) -> Cow<'_, str> {
    let decoded = if raw.contains('\\') { unescape(raw) } else { None };
    decoded.map_or(Cow::Borrowed(unquoted(raw)), Cow::Owned)
}

/// Whether a valid raw JSON value holds, at any depth, an escaped half of a surrogate pair without its other half.
fn has_lone_surrogate(raw: &str) -> bool {
    let Some(mut rest) = raw.find('\\').and_then(|first| raw.as_bytes().get(first..)) else {
        return false;
    };
    let mut high = false;
    loop {
        match rest {
            [b'\\', b'u', first, second, _, _, behind @ ..] => {
                match (first | 0x20, second | 0x20) {
                    (b'd', b'8' | b'9' | b'a' | b'b') if !high => high = true,
                    (b'd', b'c'..=b'f') if high => high = false,
                    (b'd', b'8' | b'9' | b'a'..=b'f') => return true,
                    _ if high => return true,
                    _ => {}
                }
                rest = behind;
            }
            [] => return high,
            _ if high => return true,
            [b'\\', _, behind @ ..] | [_, behind @ ..] => rest = behind,
        }
    }
}
