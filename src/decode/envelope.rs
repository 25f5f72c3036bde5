//! From the bytes of a record to the object of the event: size, Confluent prefix, CloudEvents.
//!
//! Invariant: the attributes of an envelope stand in only for fields that the object itself leaves absent.

use super::{
    field::Field,
    malformed,
    object::{BLANKS, Object, Value},
    refusal,
};
use crate::event::{Header, Reason, Record, Refusal};

/// A value larger than this is refused; it is also the default `max.message.bytes` of a topic, give or take the framing.
pub(super) const VALUE_BYTES_MAX: usize = 1_048_576;

/// Opens whatever envelope the record has.
///
/// # Errors
/// `too_large`, `unsupported_encoding`, `malformed`.
pub(super) fn open<'a>(record: &Record<'a>) -> Result<Object<'a>, Refusal> {
    let value = record.value.unwrap_or_default();
    if value.len() > VALUE_BYTES_MAX {
        let detail = format!("the value has {} bytes; at most {VALUE_BYTES_MAX} are allowed", value.len());
        return Err(refusal(Reason::TooLarge, detail));
    }
    let content = Content::of(record.headers);
    if content == Content::Batch {
        return Err(refusal(Reason::UnsupportedEncoding, "a batch of CloudEvents; one event a record is read"));
    }
    let value = without_confluent_prefix(value)?;
    if value.is_empty() {
        return Err(malformed("the value is null or empty; one JSON object is read"));
    }
    let text = std::str::from_utf8(value)
        .map_err(|error| malformed(format!("the value is no UTF-8 from byte {}", error.valid_up_to())))?;
    let mut object = Object::read(text)?;
    if content == Content::Structured || is_cloud_event(&object) {
        return structured(&object);
    }
    take_headers(&mut object, record.headers)?;
    Ok(object)
}

/// What the header `content-type` says, as far as it decides how the value is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Structured,
    Batch,
    Other,
}

impl Content {
    fn of(headers: &[Header<'_>]) -> Self {
        let Some(media_type) = header(headers, "content-type") else {
            return Self::Other;
        };
        let starts =
            |with: &str| media_type.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
        if starts("application/cloudevents-batch") {
            Self::Batch
        } else if starts("application/cloudevents+json") {
            Self::Structured
        } else {
            Self::Other
        }
    }
}

/// The value of the first header of this name, in any case of letters.
fn header<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Strips the zero byte and the four bytes of schema id that Confluent's serialisers write before JSON.
fn without_confluent_prefix(value: &[u8]) -> Result<&[u8], Refusal> {
    if value.first() != Some(&0) {
        return Ok(value);
    }
    let json = value.get(5..).unwrap_or_default();
    let blank = |byte: &&u8| BLANKS.contains(&char::from(**byte));
    if json.iter().find(|byte| !blank(byte)) == Some(&b'{') {
        return Ok(json);
    }
    let detail = "a zero byte and a schema id, but no JSON object behind them; Avro and Protobuf are not read";
    Err(refusal(Reason::UnsupportedEncoding, detail))
}

/// Whether a body without the media type is a CloudEvent in structured form.
fn is_cloud_event(object: &Object<'_>) -> bool {
    !object.present().contains(Field::EventId)
        && object.unknown("specversion").is_some()
        && (object.unknown("data").is_some() || object.unknown("data_base64").is_some())
}

fn structured<'a>(envelope: &Object<'a>) -> Result<Object<'a>, Refusal> {
    if envelope.unknown("data_base64").is_some() {
        return Err(refusal(Reason::UnsupportedEncoding, "`data_base64` of a CloudEvent; `data` is read"));
    }
    envelope.check()?;
    let data = envelope.unknown("data").unwrap_or_default();
    if !data.starts_with('{') {
        return Err(malformed("`data` of the CloudEvent is absent or no JSON object"));
    }
    let mut object = Object::read(data)?;
    let attribute = |name| envelope.unknown(name).map_or(Value::Absent, Value::Json);
    object.stand_in(Field::EventId, attribute("id"));
    object.stand_in(Field::Type, envelope.get(Field::Type));
    object.stand_in(Field::OccurredAt, attribute("time"));
    Ok(object)
}

/// Lets the attributes of a binary CloudEvent stand in.
fn take_headers<'a>(object: &mut Object<'a>, headers: &[Header<'a>]) -> Result<(), Refusal> {
    if headers.is_empty() {
        return Ok(());
    }
    for (field, name) in [(Field::EventId, "ce_id"), (Field::Type, "ce_type"), (Field::OccurredAt, "ce_time")] {
        if object.present().contains(field) {
            continue;
        }
        if let Some(value) = header(headers, name) {
            let text = std::str::from_utf8(value)
                .map_err(|_| malformed(format!("the header `{name}` that stands in for a field is no UTF-8")))?;
            object.stand_in(field, Value::Header(text));
        }
    }
    Ok(())
}
