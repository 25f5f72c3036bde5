//! What the pipeline counts: the undecoded record, the decoded event, its type and its counters.
//!
//! Invariant: only data. Nothing here reads a clock, a file or a socket, and nothing decides.

use std::borrow::Cow;

/// One Kafka header; names are compared in any case of letters.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    pub name: &'a str,
    pub value: &'a [u8],
}

/// A record as the broker stores it, before anything is known about its content.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub offset: u64,
    /// Milliseconds since the epoch as stored by the broker, of either type; `None` where it stores none.
    pub timestamp: Option<i64>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header<'a>],
}

/// Declares an enum without data together with the text that stands for each value outside, and by which it is serialised.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The text that stands for this value outside.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of this name; names match exactly.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }

            /// The position in [`Self::ALL`].
            #[must_use]
            #[allow(clippy::as_conversions, reason = "the discriminant of an enum without data is its position")]
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}
#[allow(unused_imports, reason = "for the other rooms")]
pub(crate) use named;

named! {
    /// The types of event, by the name that producers send.
    Type {
        TouchExposed = "touch.exposed",
        TouchScanned = "touch.scanned",
        FriendRequested = "friend.requested",
        FriendHalfAdded = "friend.half_added",
        FriendAdded = "friend.added",
        FriendDeletedByCustomer = "friend.deleted_by_customer",
        FriendDeletedByStaff = "friend.deleted_by_staff",
        FriendTransferredIn = "friend.transferred_in",
        FriendTransferredOut = "friend.transferred_out",
        MessageInbound = "message.inbound",
        MessageOutbound = "message.outbound",
        OrderPaid = "order.paid",
        OrderRefunded = "order.refunded",
        BroadcastSent = "broadcast.sent",
    }
}

named! {
    /// The counters of a rollup, by the name of their column, in the order of the columns.
    Counter {
        Exposures = "exposures",
        Scans = "scans",
        RequestsIn = "requests_in",
        RequestsOut = "requests_out",
        HalfAdds = "half_adds",
        Adds = "adds",
        LateAdds = "late_adds",
        DeletesByCustomer = "deletes_by_customer",
        DeletesByStaff = "deletes_by_staff",
        TransfersIn = "transfers_in",
        TransfersOut = "transfers_out",
        MessagesIn = "messages_in",
        MessagesOut = "messages_out",
        MessagesAuto = "messages_auto",
        Orders = "orders",
        GmvFen = "gmv_fen",
        Refunds = "refunds",
        RefundFen = "refund_fen",
        Broadcasts = "broadcasts",
    }
}

named! {
    /// Who asked for the friendship, in `friend.requested`.
    Direction { In = "in", Out = "out" }
}

named! {
    /// Why a record is refused, in the order in which reasons are tested: the first that applies is given.
    Reason {
        TooLarge = "too_large",
        UnsupportedEncoding = "unsupported_encoding",
        Malformed = "malformed",
        UnsupportedSchema = "unsupported_schema",
        UnknownType = "unknown_type",
        MissingField = "missing_field",
        InvalidField = "invalid_field",
        InFuture = "in_future",
        TooOld = "too_old",
    }
}

/// A refused record: the reason, and a sentence for people that quotes no customer id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub detail: String,
}

/// A decoded event. Text that is absent is `""`, but for the fields where absence is told apart from empty text.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    pub event_id: Cow<'a, str>,
    pub kind: Type,
    pub corp_id: Cow<'a, str>,
    /// Milliseconds since the epoch.
    pub occurred_at: i64,
    pub staff_id: Cow<'a, str>,
    pub customer_id: Cow<'a, str>,
    pub store_id: Cow<'a, str>,
    pub region_id: Cow<'a, str>,
    pub channel: Cow<'a, str>,
    pub state: Cow<'a, str>,
    pub add_way: Option<i64>,
    pub campaign_id: Cow<'a, str>,
    /// Given on `friend.requested` alone.
    pub direction: Option<Direction>,
    /// Deliveries that one record stands for; 1 on every type but `message.*` and `touch.*`.
    pub count: u64,
    pub auto: bool,
    pub order_id: Cow<'a, str>,
    /// 1/100 of the corp's currency; given on `order.*` alone.
    pub amount_fen: Option<u64>,
    pub task_id: Cow<'a, str>,
    pub task_name: Cow<'a, str>,
    /// Given on `broadcast.sent` alone.
    pub audience: Option<u64>,
    /// The text of one JSON object: every field of the record that the event does not use, as it came; `{}` if none.
    pub extra: Cow<'a, str>,
}

impl Event<'_> {
    /// The counters that this event adds to, in `lateness_ms` (record timestamp minus `occurred_at`) where it
    /// matters: one, or two where an add is late or an order carries an amount.
    ///
    /// `transfer` says whether the event's channel belongs to the group `transfer`: its adds are transfers alone.
    #[must_use]
    pub fn counters(&self, lateness_ms: i64, transfer: bool) -> [Option<(Counter, u64)>; 2] {
        let &Self { kind, count, direction, auto, amount_fen, .. } = self;
        Weight { kind, count, direction, auto, amount_fen }.counters(lateness_ms, transfer)
    }
}

/// What of an event decides which counters it adds to, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    pub kind: Type,
    pub count: u64,
    pub direction: Option<Direction>,
    pub auto: bool,
    pub amount_fen: Option<u64>,
}

impl Weight {
    /// As [`Event::counters`].
    #[must_use]
    pub fn counters(&self, lateness_ms: i64, transfer: bool) -> [Option<(Counter, u64)>; 2] {
        let one = |counter| [Some((counter, 1)), None];
        let counted = |counter| [Some((counter, self.count)), None];
        let amount = |counter, total| [Some((counter, 1)), Some((total, self.amount_fen.unwrap_or(0)))];
        match self.kind {
            Type::TouchExposed => counted(Counter::Exposures),
            Type::TouchScanned => counted(Counter::Scans),
            Type::FriendRequested => match self.direction {
                Some(Direction::Out) => one(Counter::RequestsOut),
                Some(Direction::In) | None => one(Counter::RequestsIn),
            },
            Type::FriendHalfAdded => one(Counter::HalfAdds),
            Type::FriendAdded if transfer => one(Counter::TransfersIn),
            Type::FriendAdded if lateness_ms > LATE_ADD_MS => [Some((Counter::Adds, 1)), Some((Counter::LateAdds, 1))],
            Type::FriendAdded => one(Counter::Adds),
            Type::FriendDeletedByCustomer => one(Counter::DeletesByCustomer),
            Type::FriendDeletedByStaff => one(Counter::DeletesByStaff),
            Type::FriendTransferredIn => one(Counter::TransfersIn),
            Type::FriendTransferredOut => one(Counter::TransfersOut),
            Type::MessageInbound => counted(Counter::MessagesIn),
            Type::MessageOutbound if self.auto => counted(Counter::MessagesAuto),
            Type::MessageOutbound => counted(Counter::MessagesOut),
            Type::OrderPaid => amount(Counter::Orders, Counter::GmvFen),
            Type::OrderRefunded => amount(Counter::Refunds, Counter::RefundFen),
            Type::BroadcastSent => one(Counter::Broadcasts),
        }
    }
}

/// An add whose record is more than this later than the add itself is also a late add (contract, section 1).
pub const LATE_ADD_MS: i64 = 120_000;
