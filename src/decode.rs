//! Record to event: envelopes, JSON, and every refusal of the contract in its order.
//!
//! Invariant: pure; a bad record is an answer, never an error and never a panic. No detail quotes a customer id.
//!
//! # Why the raw texts of the fields
//! The object is cut into raw texts first and interpreted after its type is known: a field that is for other types must
//! not be checked, a field that nobody knows must be kept as it came, and a repeated one must be seen. Strings without
//! an escape, nearly all of them, are borrowed from the record.

mod envelope;
mod field;
mod object;
mod rfc3339;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

use crate::{
    corp::Corps,
    event::{Event, Reason, Record, Refusal, Type},
};
use field::{Field, foreign, required};
use object::{unescape, unquoted};
use value::{Instant, Values, invalid};

/// An event may lie this much after its record's timestamp: clocks differ (contract, section 1).
pub const FUTURE_MS_MAX: i64 = 600_000;

/// An event may lie this much before its record's timestamp: 35 days, a month and its repair (contract, section 1).
pub const AGE_MS_MAX: i64 = 35 * 86_400_000;

/// Decodes one record, or says why it is refused.
///
/// The event borrows from the record. Its `extra` holds the fields that are unknown and those that are for other types:
/// of a repeated unknown name the last, of a CloudEvent those of its `data`.
///
/// # Errors
/// The first reason that applies, in the order of [`crate::event::Reason`].
pub fn decode<'a>(record: &Record<'a>, corps: &Corps) -> Result<Event<'a>, Refusal> {
    let object = envelope::open(record)?;
    object.check()?;
    let values = Values { object: &object, required: required(None) };
    check_schema(&values)?;
    let kind = kind(&values)?;
    let values = Values { object: &object, required: required(kind) };
    check_missing(&values, kind)?;
    let kind = kind.ok_or_else(|| invalid(Field::Type, "is no text"))?;
    let (event, occurred_at) = event(&values, kind, corps)?;
    let timestamp = record
        .timestamp
        .ok_or_else(|| refusal(Reason::InvalidField, "the record has no timestamp; the topic must store one"))?;
    check_time(occurred_at, timestamp)?;
    Ok(event)
}

/// The instant that the raw JSON text of a value stands for, in milliseconds since the epoch, written as `occurred_at` is:
/// an integer or RFC 3339. `None` for anything else.
#[must_use]
pub fn instant(raw: &str) -> Option<i64> {
    if !raw.starts_with('"') {
        return raw.parse().ok();
    }
    if raw.contains('\\') { rfc3339::parse(&unescape(raw)?) } else { rfc3339::parse(unquoted(raw)) }
}

fn check_schema(values: &Values<'_, '_>) -> Result<(), Refusal> {
    // What is no integer is an invalid field, and found later.
    match values.integer(Field::Schema, i64::MIN..=i64::MAX) {
        Ok(Some(schema @ 2..)) => {
            let detail = format!("`schema` is {schema}; 1 is supported");
            Err(refusal(Reason::UnsupportedSchema, detail))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The type; `None` where it is absent or no text, which is found later.
fn kind(values: &Values<'_, '_>) -> Result<Option<Type>, Refusal> {
    let Some(name) = values.plain(values.object.get(Field::Type)) else {
        return Ok(None);
    };
    Type::from_name(&name).map(Some).ok_or_else(|| {
        // Only what has the form of a type is quoted: an id that stands here by mistake has no dot.
        let form = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        let quotable = name.len() <= 40 && name.contains('.') && name.bytes().all(form);
        let given = if quotable { format!("`type` is `{name}`") } else { "`type`".to_owned() };
        refusal(Reason::UnknownType, format!("{given}, which is none of the {} types", Type::ALL.len()))
    })
}

fn check_missing(values: &Values<'_, '_>, kind: Option<Type>) -> Result<(), Refusal> {
    let Some(field) = values.required.without(values.object.present()).first() else {
        return Ok(());
    };
    let whom = kind.map_or("every event", Type::name);
    Err(refusal(Reason::MissingField, format!("`{}` is missing; `{whom}` requires it", field.name())))
}

/// Takes every field of the type; the limits are those of the contract's table.
fn event<'a>(values: &Values<'_, 'a>, kind: Type, corps: &Corps) -> Result<(Event<'a>, Instant), Refusal> {
    values.integer(Field::Schema, 1..=1)?;
    let corp_id = values.text(Field::CorpId, 64)?;
    if corp_id.contains('/') {
        return Err(invalid(Field::CorpId, "holds `/`, at which the keys of reference rows are cut"));
    }
    let occurred_at = values.occurred_at()?;
    let mut event = Event {
        event_id: values.text(Field::EventId, 128)?,
        kind,
        corp_id,
        occurred_at: occurred_at.ms(),
        staff_id: values.text(Field::StaffId, 64)?,
        customer_id: values.text(Field::CustomerId, 128)?,
        store_id: values.text(Field::StoreId, 64)?,
        region_id: values.text(Field::RegionId, 64)?,
        channel: values.text(Field::Channel, 64)?,
        state: values.text(Field::State, 64)?,
        add_way: values.integer(Field::AddWay, i64::MIN..=i64::MAX)?,
        campaign_id: values.text(Field::CampaignId, 64)?,
        direction: None,
        count: 1,
        auto: false,
        order_id: Cow::Borrowed(""),
        amount_fen: None,
        task_id: Cow::Borrowed(""),
        task_name: Cow::Borrowed(""),
        audience: None,
        extra: values.object.extra(foreign(kind)),
    };
    take_fields_of_type(&mut event, values, corps)?;
    Ok((event, occurred_at))
}

fn take_fields_of_type<'a>(event: &mut Event<'a>, values: &Values<'_, 'a>, corps: &Corps) -> Result<(), Refusal> {
    match event.kind {
        Type::FriendRequested => event.direction = Some(values.direction()?),
        Type::FriendHalfAdded
        | Type::FriendAdded
        | Type::FriendDeletedByCustomer
        | Type::FriendDeletedByStaff
        | Type::FriendTransferredIn
        | Type::FriendTransferredOut => {}
        Type::TouchExposed | Type::TouchScanned | Type::MessageInbound => event.count = count(values)?,
        Type::MessageOutbound => {
            event.count = count(values)?;
            event.auto = values.boolean(Field::Auto)?;
        }
        Type::OrderPaid | Type::OrderRefunded => {
            event.order_id = values.text(Field::OrderId, 64)?;
            event.amount_fen = values.natural(Field::AmountFen, 0..=1_000_000_000_000)?;
            values.currency(&corps.get(&event.corp_id).currency)?;
        }
        Type::BroadcastSent => {
            event.task_id = values.text(Field::TaskId, 128)?;
            event.audience = values.natural(Field::Audience, 0..=i64::MAX)?;
            event.task_name = values.text(Field::TaskName, 128)?;
        }
    }
    Ok(())
}

fn count(values: &Values<'_, '_>) -> Result<u64, Refusal> {
    Ok(values.natural(Field::Count, 1..=1_000_000)?.unwrap_or(1))
}

fn check_time(occurred_at: Instant, timestamp: i64) -> Result<(), Refusal> {
    // Saturation keeps the comparison true: both limits are far from the ends of 64 bits.
    let ahead_ms = occurred_at.ms().saturating_sub(timestamp);
    let (reason, side) = if ahead_ms > FUTURE_MS_MAX {
        (Reason::InFuture, format!("{ahead_ms} ms after the record's timestamp; at most {FUTURE_MS_MAX} are allowed"))
    } else if ahead_ms < -AGE_MS_MAX {
        let age_ms = ahead_ms.unsigned_abs();
        (Reason::TooOld, format!("{age_ms} ms before the record's timestamp; at most {AGE_MS_MAX} are allowed"))
    } else {
        return Ok(());
    };
    let unit = occurred_at.looks_like().map_or_else(String::new, |unit| format!("; it looks like {unit}, ms are read"));
    Err(refusal(reason, format!("`occurred_at` lies {side}{unit}")))
}

#[cold]
fn refusal(reason: Reason, detail: impl Into<String>) -> Refusal {
    Refusal { reason, detail: detail.into() }
}

#[cold]
fn malformed(detail: impl Into<String>) -> Refusal {
    refusal(Reason::Malformed, detail)
}
