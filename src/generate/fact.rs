//! What happened in the brand's day, before any producer wrote it down.
//!
//! Invariant: small and without text, for hundreds of thousands of facts wait to be delivered late.

use super::channel;
use crate::event::{Direction, Reason, Type};

/// How a producer names the channel, and what the contract makes of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// What it resolves to.
    pub channel: channel::Index,
    pub via: Via,
}

/// The field that names the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Nothing,
    /// The key of the channel, in `channel`.
    Key,
    /// Position of the brand's code, in `state`.
    Code(u32),
    /// A code that no row of the channel topic explains, in `state`.
    StaleCode(u16),
    /// The platform's number, in `add_way`.
    AddWay(i16),
}

/// What is wrong with a record, by design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Cut off in the middle.
    Truncated,
    /// Chinese in GBK: no UTF-8.
    OtherCharset,
    /// No `staff_id`.
    NoStaff,
    /// A type that nobody agreed on.
    UnknownType,
    /// `customer_id` is a number.
    WrongKind,
    /// Seconds where milliseconds belong.
    Seconds,
}

impl Fault {
    pub const ALL: [Self; 6] =
        [Self::Truncated, Self::OtherCharset, Self::NoStaff, Self::UnknownType, Self::WrongKind, Self::Seconds];

    /// Why the pipeline has to refuse it.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Truncated | Self::OtherCharset => Reason::Malformed,
            Self::NoStaff => Reason::MissingField,
            Self::UnknownType => Reason::UnknownType,
            Self::WrongKind => Reason::InvalidField,
            Self::Seconds => Reason::TooOld,
        }
    }
}

/// Who sent a message, where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Person,
    Machine,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// Milliseconds since the epoch.
    pub occurred_at: i64,
    pub kind: Type,
    /// Position among the staff; `None` on a touch that belongs to nobody.
    pub staff: Option<u16>,
    /// 0 is no customer; the text of the id is made of this number.
    pub customer: u64,
    pub given: Given,
    /// Tells apart what may repeat within a second: messages, orders, tasks, touches. 0 on `friend.*`, whose customer,
    /// second and type already do.
    pub serial: u64,
    pub direction: Option<Direction>,
    pub sender: Sender,
    /// Deliveries that a touch or message stands for, or the audience of a broadcast.
    pub count: u32,
    pub amount_fen: u32,
    pub fault: Option<Fault>,
}
