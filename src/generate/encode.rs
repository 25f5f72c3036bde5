//! Facts to bytes, in the hands of the brand's very different producers.
//!
//! Invariant: pure; the same fact always makes the same bytes, so a repeated delivery repeats every byte.

use std::sync::Arc;

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    brand::{Brand, Staff, campaign_id},
    channel::{self, Side},
    fact::{Fact, Fault, Sender, Via},
};
use crate::event::Type;

/// The system that writes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Producer {
    /// The receiver of the platform's callbacks: bare objects, UTF-8.
    Callback,
    /// A newer one that also says where.
    Placed,
    /// Written in a language that escapes all but ASCII.
    Escaping,
    /// Adds nested fields of its own.
    Traced,
    /// The tills of the stores: escapes, and writes times as text.
    Till,
    /// The order system of the online shops: CloudEvents.
    OrderSystem,
}

/// Writes facts of one brand.
#[derive(Clone, Debug)]
pub struct Encoder {
    brand: Arc<Brand>,
    /// `"corp_id":"…"`, escaped once: the id is the user's.
    corp: Vec<u8>,
}

impl Encoder {
    #[must_use]
    pub fn new(brand: Arc<Brand>) -> Self {
        let corp = format!("\"corp_id\":{}", serde_json::Value::from(brand.corp_id.as_str())).into_bytes();
        Self { brand, corp }
    }

    /// The value of the fact's record; it breaks the contract exactly as its fault says.
    #[must_use]
    pub fn encode(&self, fact: &Fact) -> Vec<u8> {
        let producer = self.producer(fact);
        // Most values have 300 to 370 bytes.
        let mut out = Vec::with_capacity(448);
        if producer == Producer::OrderSystem {
            out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":\"");
            self.event_id(fact, &mut out);
            out.extend_from_slice(b"\",\"source\":\"/order-center\",\"type\":\"");
            out.extend_from_slice(fact.kind.name().as_bytes());
            out.extend_from_slice(b"\",\"time\":\"");
            push_time(fact.occurred_at, &mut out);
            out.extend_from_slice(b"\",\"data\":{");
            self.body(fact, producer, &mut out);
            out.extend_from_slice(b"}}");
        } else {
            self.head(fact, producer, &mut out);
            out.push(b',');
            self.body(fact, producer, &mut out);
            out.push(b'}');
        }
        if fact.fault == Some(Fault::Truncated) {
            out.truncate(out.len() * 2 / 3);
        }
        out
    }

    fn producer(&self, fact: &Fact) -> Producer {
        let Some(staff) = fact.staff.filter(|_| fact.fault.is_none()) else { return Producer::Callback };
        if matches!(fact.kind, Type::OrderPaid | Type::OrderRefunded) {
            let online = channel::channel(fact.given.channel).side == Side::Online && fact.given.via != Via::Nothing;
            return if online { Producer::OrderSystem } else { Producer::Till };
        }
        // Stores were moved to the newer systems one by one.
        match self.brand.staff[usize::from(staff)].store % 8 {
            1 => Producer::Escaping,
            3 | 6 => Producer::Placed,
            5 => Producer::Traced,
            _ => Producer::Callback,
        }
    }

    fn head(&self, fact: &Fact, producer: Producer, out: &mut Vec<u8>) {
        out.push(b'{');
        if producer == Producer::Placed {
            out.extend_from_slice(b"\"schema\":1,");
        }
        out.extend_from_slice(b"\"event_id\":\"");
        self.event_id(fact, out);
        out.extend_from_slice(b"\",\"type\":\"");
        let kind = if fact.fault == Some(Fault::UnknownType) { "friend.remarked" } else { fact.kind.name() };
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"occurred_at\":");
        match (fact.fault, producer) {
            (Some(Fault::Seconds), _) => push_number(fact.occurred_at / 1_000, out),
            (_, Producer::Till) => {
                out.push(b'"');
                push_time(fact.occurred_at, out);
                out.push(b'"');
            }
            _ => push_number(fact.occurred_at, out),
        }
    }

    fn body(&self, fact: &Fact, producer: Producer, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.corp);
        let staff = fact.staff.map(|staff| &self.brand.staff[usize::from(staff)]);
        if let Some(staff) = staff.filter(|_| fact.fault != Some(Fault::NoStaff)) {
            push_text("staff_id", &staff.id, out);
        }
        if fact.customer != 0 {
            out.extend_from_slice(b",\"customer_id\":");
            if fact.fault == Some(Fault::WrongKind) {
                out.extend_from_slice(b"20250001");
            } else {
                self.customer_id(fact.customer, out);
            }
        }
        self.given(fact, out);
        payload(fact, out);
        if let Some(staff) = staff {
            self.own_fields(staff, producer, out);
        }
        self.trace(fact, producer, out);
        if fact.fault == Some(Fault::OtherCharset) {
            // “Hello” in GBK.
            out.extend_from_slice(b",\"remark\":\"\xc4\xfa\xba\xc3\"");
        }
    }

    fn given(&self, fact: &Fact, out: &mut Vec<u8>) {
        match fact.given.via {
            Via::Nothing => {}
            Via::Key => push_text("channel", channel::channel(fact.given.channel).key, out),
            Via::Code(code) => {
                let code = &self.brand.codes[usize::try_from(code).unwrap_or(0)];
                push_text("state", &code.state, out);
                if let Some(campaign) = code.campaign {
                    push_text("campaign_id", campaign_id(campaign), out);
                }
                // The platform's number for “scanned a code” comes with every code, and decides nothing.
                out.extend_from_slice(b",\"add_way\":1");
            }
            Via::StaleCode(number) => {
                out.extend_from_slice(b",\"state\":\"old_2023_");
                push_number(i64::from(number), out);
                out.push(b'"');
            }
            Via::AddWay(number) => {
                out.extend_from_slice(b",\"add_way\":");
                push_number(i64::from(number), out);
            }
        }
    }

    /// What a producer says of the member of staff beyond the contract, or, for one, of their place.
    fn own_fields(&self, staff: &Staff, producer: Producer, out: &mut Vec<u8>) {
        let store = &self.brand.stores[staff.store];
        match producer {
            Producer::Callback => push_text("staff_name", &staff.name, out),
            Producer::Placed => {
                push_text("store_id", &store.id, out);
                push_text("region_id", &self.brand.regions[store.region].id, out);
            }
            Producer::Escaping | Producer::Till => {
                push_escaped("staff_name", &staff.name, out);
                push_escaped("store_name", &store.name, out);
            }
            Producer::Traced => {
                push_text("operator\":{\"kind\":\"staff\",\"name", &staff.name, out);
                out.extend_from_slice(b",\"roles\":[\"guide\",\"host\"]}");
            }
            Producer::OrderSystem => push_text("shop", "官方旗舰店", out),
        }
    }

    fn trace(&self, fact: &Fact, producer: Producer, out: &mut Vec<u8>) {
        let source: &[u8] = match producer {
            Producer::Callback => b",\"source\":\"wecom-callback\",\"trace_id\":\"",
            Producer::Placed => b",\"source\":\"scrm-gateway\",\"trace_id\":\"",
            Producer::Escaping => b",\"source\":\"legacy\",\"trace_id\":\"",
            Producer::Traced => b",\"source\":\"scrm-mesh\",\"traceparent\":\"",
            Producer::Till => b",\"source\":\"pos\",\"receipt_no\":\"",
            Producer::OrderSystem => b",\"trade_no\":\"",
        };
        out.extend_from_slice(source);
        let bytes = xxh3_128(&self.identity(fact, TRACE)).to_le_bytes();
        push_hex(&bytes[..10], out);
        out.push(b'"');
    }

    /// Made of corp, change, staff, customer, second and code, so that every delivery of one event has the same.
    fn event_id(&self, fact: &Fact, out: &mut Vec<u8>) {
        push_hex(&xxh3_128(&self.identity(fact, 0)).to_le_bytes(), out);
    }

    fn identity(&self, fact: &Fact, salt: u64) -> [u8; 64] {
        let number = |at: usize| u64::try_from(at).unwrap_or(0);
        let code = match fact.given.via {
            Via::Code(code) => u64::from(code) + 1,
            Via::StaleCode(code) => u64::from(code) << 32,
            Via::Nothing | Via::Key | Via::AddWay(_) => 0,
        };
        let parts = [
            self.brand.seed ^ salt,
            number(fact.kind.index()),
            fact.staff.map_or(0, |staff| u64::from(staff) + 1),
            fact.customer,
            fact.occurred_at.div_euclid(1_000).cast_unsigned(),
            code,
            fact.serial,
            fact.fault.map_or(0, |_| 1),
        ];
        let mut bytes = [0; 64];
        for (to, part) in bytes.chunks_exact_mut(8).zip(parts) {
            to.copy_from_slice(&part.to_le_bytes());
        }
        bytes
    }

    /// Shaped as the platform's: 32 characters, the first ones shared by the corp.
    fn customer_id(&self, customer: u64, out: &mut Vec<u8>) {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&customer.to_le_bytes());
        bytes[8..].copy_from_slice(&self.brand.seed.to_le_bytes());
        let mut rest = xxh3_128(&bytes);
        out.extend_from_slice(b"\"wmYlDmCgAAA");
        for _ in 0..21 {
            out.push(LETTERS[usize::from(rest.to_le_bytes()[0] & 63)]);
            rest >>= 6;
        }
        out.push(b'"');
    }
}

/// Sets trace ids apart from event ids.
const TRACE: u64 = 0x7472_6163_6500;

/// The fields that one type alone has.
fn payload(fact: &Fact, out: &mut Vec<u8>) {
    match fact.kind {
        Type::TouchExposed | Type::TouchScanned | Type::MessageInbound if fact.count > 1 => {
            push_count("count", fact.count, out);
        }
        Type::MessageOutbound => {
            if fact.sender == Sender::Machine {
                out.extend_from_slice(b",\"auto\":true");
            }
            if fact.count > 1 {
                push_count("count", fact.count, out);
            }
        }
        Type::FriendRequested => {
            if let Some(direction) = fact.direction {
                push_text("direction", direction.name(), out);
            }
        }
        Type::OrderPaid | Type::OrderRefunded => {
            out.extend_from_slice(b",\"order_id\":\"YL");
            push_hex(&fact.serial.to_le_bytes(), out);
            out.push(b'"');
            push_count("amount_fen", fact.amount_fen, out);
        }
        Type::BroadcastSent => {
            out.extend_from_slice(b",\"task_id\":\"T");
            push_hex(&fact.serial.to_le_bytes(), out);
            out.push(b'"');
            push_count("audience", fact.count, out);
            push_text("task_name", "会员日早安问候", out);
        }
        Type::TouchExposed
        | Type::TouchScanned
        | Type::MessageInbound
        | Type::FriendHalfAdded
        | Type::FriendAdded
        | Type::FriendDeletedByCustomer
        | Type::FriendDeletedByStaff
        | Type::FriendTransferredIn
        | Type::FriendTransferredOut => {}
    }
}

/// `,"name":"text"`; neither needs escaping: all our words are plain.
fn push_text(name: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// The same with all but ASCII as `\uXXXX`.
fn push_escaped(name: &str, text: &str, out: &mut Vec<u8>) {
    push_text(name, "", out);
    out.pop();
    for unit in text.encode_utf16() {
        match u8::try_from(unit).ok().filter(u8::is_ascii) {
            Some(ascii) => out.push(ascii),
            None => {
                out.extend_from_slice(b"\\u");
                push_hex(&unit.to_be_bytes(), out);
            }
        }
    }
    out.push(b'"');
}

fn push_count(name: &str, count: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    push_number(i64::from(count), out);
}

/// RFC 3339 in UTC.
fn push_time(at_ms: i64, out: &mut Vec<u8>) {
    let time = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    out.extend_from_slice(format!("{time:.3}").as_bytes());
}

/// Decimal digits; `write!` takes three times as long, and every record has a time.
fn push_number(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    let start = out.len();
    let mut rest = number.unsigned_abs();
    loop {
        out.push(b'0' + u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out[start..].reverse();
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are() {
        for number in [0, 7, 10, -35, 1_732_435_200_123, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            push_number(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    #[test]
    fn escaped_text_reads_back() {
        let mut out = b"{\"a\":1".to_vec();
        push_escaped("name", "欧阳𠮷 a", &mut out);
        out.push(b'}');
        assert!(out.is_ascii());
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["name"], "欧阳𠮷 a");
    }
}
