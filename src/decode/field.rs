//! The table of fields: which fields an event has, which its type requires, which its type uses.
//!
//! Invariant: only the table of the contract's section 1; nothing here looks at a value.

#![allow(unreachable_pub, reason = "`named!` writes `pub`, for most names are the crate's; these stay in the room")]

use crate::event::{Type, named};

named! {
    /// The fields of the table, by the name that producers send, in the order of the table.
    Field {
        Schema = "schema",
        EventId = "event_id",
        Type = "type",
        CorpId = "corp_id",
        OccurredAt = "occurred_at",
        StaffId = "staff_id",
        CustomerId = "customer_id",
        StoreId = "store_id",
        RegionId = "region_id",
        Channel = "channel",
        State = "state",
        AddWay = "add_way",
        CampaignId = "campaign_id",
        Direction = "direction",
        Count = "count",
        Auto = "auto",
        OrderId = "order_id",
        AmountFen = "amount_fen",
        Currency = "currency",
        TaskId = "task_id",
        Audience = "audience",
        TaskName = "task_name",
    }
}

/// A set of fields, one bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(u32);

impl Fields {
    pub(super) const NONE: Self = Self(0);

    const fn of(fields: &[Field]) -> Self {
        let mut set = 0;
        let mut at = 0;
        while at < fields.len() {
            set |= 1 << fields[at].index();
            at += 1;
        }
        Self(set)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn contains(self, field: Field) -> bool {
        self.0 & (1 << field.index()) != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a field, and says whether it was new.
    pub(super) const fn insert(&mut self, field: Field) -> bool {
        let new = !self.contains(field);
        self.0 |= 1 << field.index();
        new
    }

    /// The first field of the set in the order of the table.
    pub(super) fn first(self) -> Option<Field> {
        let at = usize::try_from(self.0.trailing_zeros()).ok()?;
        Field::ALL.get(at).copied()
    }

    /// The fields of the set, in the order of the table.
    pub(super) fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |field| self.contains(*field))
    }

    pub(super) fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

const ALWAYS: Fields = Fields::of(&[Field::EventId, Field::Type, Field::CorpId, Field::OccurredAt]);
const STAFF: Fields = ALWAYS.and(Fields::of(&[Field::StaffId]));
const CUSTOMER: Fields = STAFF.and(Fields::of(&[Field::CustomerId]));

/// The fields without which an event of this type is refused; `None` stands for a `type` that is absent or no text,
/// and so is not `touch.*`.
pub(super) const fn required(kind: Option<Type>) -> Fields {
    match kind {
        Some(Type::TouchExposed | Type::TouchScanned) => ALWAYS,
        Some(Type::FriendRequested) => CUSTOMER.and(Fields::of(&[Field::Direction])),
        Some(
            Type::FriendHalfAdded
            | Type::FriendAdded
            | Type::FriendDeletedByCustomer
            | Type::FriendDeletedByStaff
            | Type::FriendTransferredIn
            | Type::FriendTransferredOut
            | Type::MessageInbound
            | Type::MessageOutbound,
        ) => CUSTOMER,
        Some(Type::OrderPaid | Type::OrderRefunded) => STAFF.and(Fields::of(&[Field::OrderId, Field::AmountFen])),
        Some(Type::BroadcastSent) => STAFF.and(Fields::of(&[Field::TaskId, Field::Audience])),
        None => STAFF,
    }
}

/// The fields that are for certain types alone; elsewhere they are ignored, unchecked, and kept in `extra`.
const OF_SOME_TYPES: Fields = Fields::of(&[
    Field::Direction,
    Field::Count,
    Field::Auto,
    Field::OrderId,
    Field::AmountFen,
    Field::Currency,
    Field::TaskId,
    Field::Audience,
    Field::TaskName,
]);

/// The fields of the table that are for other types than this one.
pub(super) const fn foreign(kind: Type) -> Fields {
    OF_SOME_TYPES.without(match kind {
        Type::TouchExposed | Type::TouchScanned | Type::MessageInbound => Fields::of(&[Field::Count]),
        Type::MessageOutbound => Fields::of(&[Field::Count, Field::Auto]),
        Type::FriendRequested => Fields::of(&[Field::Direction]),
        Type::FriendHalfAdded
        | Type::FriendAdded
        | Type::FriendDeletedByCustomer
        | Type::FriendDeletedByStaff
        | Type::FriendTransferredIn
        | Type::FriendTransferredOut => Fields::NONE,
        Type::OrderPaid | Type::OrderRefunded => Fields::of(&[Field::OrderId, Field::AmountFen, Field::Currency]),
        Type::BroadcastSent => Fields::of(&[Field::TaskId, Field::Audience, Field::TaskName]),
    })
}
