//! The values of an event out of the raw texts of its fields, each checked against the table.
//!
//! Invariant: nothing is converted, trimmed or normalised; a detail quotes numbers and three-letter currencies alone.

use std::{borrow::Cow, ops::RangeInclusive};

use super::{
    field::{Field, Fields},
    object::{Object, Value, unescape, unquoted},
    refusal, rfc3339,
};
use crate::event::{Direction, Reason, Refusal};

/// Reads the fields of one object, of which some are required.
pub(super) struct Values<'o, 'a> {
    pub(super) object: &'o Object<'a>,
    pub(super) required: Fields,
}

impl<'a> Values<'_, 'a> {
    /// A text of at most `bytes_max` bytes; `""` where it is absent.
    pub(super) fn text(&self, field: Field, bytes_max: usize) -> Result<Cow<'a, str>, Refusal> {
        let text = match self.object.get(field) {
            Value::Absent => return Ok(Cow::Borrowed("")),
            value => self.plain(value).ok_or_else(|| invalid(field, "is no text"))?,
        };
        if text.len() > bytes_max {
            return Err(invalid(field, &format!("has {} bytes of UTF-8; at most {bytes_max} are allowed", text.len())));
        }
        if text.is_empty() && self.required.contains(field) {
            return Err(invalid(field, &format!("is empty; 1 to {bytes_max} bytes are required")));
        }
        // Without an escape, JSON holds no U+0000; a header may.
        if matches!(text, Cow::Owned(_)) && text.contains('\0') {
            return Err(invalid(field, "holds U+0000, which is not allowed"));
        }
        Ok(text)
    }

    /// The text of a value that is one. Text of a header is `Owned`, like all that may hold U+0000.
    pub(super) fn plain(&self, value: Value<'a>) -> Option<Cow<'a, str>> {
        match value {
            Value::Json(raw) if raw.starts_with('"') => {
                if self.object.escaped() && raw.contains('\\') {
                    return unescape(raw).map(Cow::Owned);
                }
                Some(Cow::Borrowed(unquoted(raw)))
            }
            Value::Header(text) => Some(Cow::Owned(text.to_owned())),
            Value::Json(_) | Value::Absent => None,
        }
    }

    /// An integer in the range, both ends included; `None` where it is absent.
    pub(super) fn integer(&self, field: Field, range: RangeInclusive<i64>) -> Result<Option<i64>, Refusal> {
        let raw = match self.object.get(field) {
            Value::Absent => return Ok(None),
            Value::Json(r#""""#) if !self.required.contains(field) => return Ok(None),
            Value::Json(raw) => raw,
            Value::Header(_) => return Err(invalid(field, NO_INTEGER)),
        };
        let number = raw.parse().map_err(|_| invalid(field, NO_INTEGER))?;
        if range.contains(&number) {
            return Ok(Some(number));
        }
        let (least, most) = range.into_inner();
        Err(invalid(field, &format!("is {number}; {least} to {most} is allowed")))
    }

    /// An integer that is not negative.
    pub(super) fn natural(&self, field: Field, range: RangeInclusive<i64>) -> Result<Option<u64>, Refusal> {
        let number = self.integer(field, range)?;
        number.map(|number| u64::try_from(number).map_err(|_| invalid(field, "is negative"))).transpose()
    }

    /// A boolean; false where it is absent.
    pub(super) fn boolean(&self, field: Field) -> Result<bool, Refusal> {
        match self.object.get(field) {
            Value::Absent | Value::Json("false" | r#""""#) => Ok(false),
            Value::Json("true") => Ok(true),
            Value::Json(_) | Value::Header(_) => Err(invalid(field, "is neither `true` nor `false`")),
        }
    }

    pub(super) fn direction(&self) -> Result<Direction, Refusal> {
        let text = self.plain(self.object.get(Field::Direction));
        let direction = text.and_then(|text| Direction::from_name(&text));
        direction.ok_or_else(|| invalid(Field::Direction, "is neither `in` nor `out`"))
    }

    /// Checks that the currency, where it is given, is the corp's own.
    pub(super) fn currency(&self, own: &str) -> Result<(), Refusal> {
        let given = match self.object.get(Field::Currency) {
            Value::Absent | Value::Json(r#""""#) => return Ok(()),
            value => self.plain(value).ok_or_else(|| invalid(Field::Currency, "is no text"))?,
        };
        if given == own {
            return Ok(());
        }
        let code = given.len() == 3 && given.bytes().all(|byte| byte.is_ascii_alphabetic());
        let given = if code { format!("is `{given}`") } else { "is no code of three letters".to_owned() };
        Err(invalid(Field::Currency, &format!("{given}; only `{own}`, the currency of the corp, is allowed")))
    }

    /// When it happened, in milliseconds since the epoch.
    pub(super) fn occurred_at(&self) -> Result<Instant, Refusal> {
        let value = self.object.get(Field::OccurredAt);
        if let Some(text) = self.plain(value) {
            let expected = "is no time of RFC 3339 with seconds and a zone, such as `2025-03-10T10:00:00+08:00`";
            return rfc3339::parse(&text).map(Instant::Text).ok_or_else(|| invalid(Field::OccurredAt, expected));
        }
        let Value::Json(raw) = value else {
            return Err(invalid(Field::OccurredAt, NO_INTEGER));
        };
        let expected = "is neither an integer of ms since the epoch nor a time of RFC 3339";
        raw.parse().map(Instant::Integer).map_err(|_| invalid(Field::OccurredAt, expected))
    }
}

/// An instant in milliseconds since the epoch, and the form in which it was given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instant {
    Integer(i64),
    Text(i64),
}

impl Instant {
    pub(super) const fn ms(self) -> i64 {
        match self {
            Self::Integer(ms) | Self::Text(ms) => ms,
        }
    }

    /// The unit in which an integer would lie in our time, for one that was refused.
    ///
    /// Each range begins in 1973 and ends in 5138 when read in its unit, so at most one fits.
    pub(super) const fn looks_like(self) -> Option<&'static str> {
        match self {
            Self::Integer(100_000_000..100_000_000_000) => Some("seconds"),
            Self::Integer(100_000_000_000_000..100_000_000_000_000_000) => Some("microseconds"),
            Self::Integer(100_000_000_000_000_000..) => Some("nanoseconds"),
            Self::Integer(_) | Self::Text(_) => None,
        }
    }
}

const NO_INTEGER: &str = "is no integer: digits without fraction or exponent, within 64 bits signed";

#[cold]
pub(super) fn invalid(field: Field, what: &str) -> Refusal {
    refusal(Reason::InvalidField, format!("`{}` {what}", field.name()))
}
