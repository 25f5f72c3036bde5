//! Record to event: envelopes, JSON, and every refusal of the contract in its order.
//!
//! Invariant: pure; a bad record is an answer, never an error and never a panic.

use crate::{
    corp::Corps,
    event::{Event, Record, Refusal},
};

/// Decodes one record, or says why it is refused.
///
/// # Errors
/// The first reason that applies, in the order of [`crate::event::Reason`].
pub fn decode<'a>(record: &Record<'a>, corps: &Corps) -> Result<Event<'a>, Refusal> {
    let _ = (record, corps);
    unimplemented!()
}

/// The instant that the raw JSON text of a value stands for, in milliseconds since the epoch, as `occurred_at` is written.
#[must_use]
pub fn instant(raw: &str) -> Option<i64> {
    let _ = raw;
    unimplemented!()
}
