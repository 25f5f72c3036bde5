//! What each figure means: the one place for the pages and the API.
//!
//! Invariant: pure; every definition says by which date its figure is counted and when it is final.

use serde::Serialize;

use super::view::Language;
use super::words::Word;
use crate::event::named;

named! {
    /// By which date a figure is counted: two bases never meet in one sum.
    Basis {
        /// When the event happened.
        Event = "event",
        /// The day of the add, whatever happens to it later.
        Add = "add",
    }
}

impl Basis {
    #[must_use]
    pub fn word(self) -> Word {
        match self {
            Self::Event => Word::ByEvent,
            Self::Add => Word::ByAdd,
        }
    }
}

/// One definition.
#[derive(Debug)]
pub struct Definition {
    pub key: &'static str,
    pub title: Word,
    pub says: Word,
    pub basis: Basis,
    pub when: Word,
    /// After so long a member of the day can no longer change; `None` where that depends on the day alone.
    pub final_after_seconds: Option<u64>,
    /// The equation: word, figure, and the sign before it; none where it is added, and of the result.
    pub terms: &'static [(Word, &'static str, &'static str)],
}

const DAY_SECONDS: u64 = 86_400;

pub const DEFINITIONS: &[Definition] = &[
    Definition {
        key: "complete_through",
        title: Word::CompleteThrough,
        says: Word::DefComplete,
        basis: Basis::Event,
        when: Word::WhenComplete,
        final_after_seconds: None,
        terms: &[],
    },
    Definition {
        key: "adds",
        title: Word::Adds,
        says: Word::DefAdds,
        basis: Basis::Event,
        when: Word::WhenAdds,
        final_after_seconds: Some(0),
        terms: &[],
    },
    Definition {
        key: "net_adds",
        title: Word::NetAdds,
        says: Word::DefNet,
        basis: Basis::Event,
        when: Word::WhenNet,
        final_after_seconds: Some(0),
        terms: &[
            (Word::Adds, "adds", ""),
            (Word::ByCustomer, "deletes_by_customer", "−"),
            (Word::ByStaff, "deletes_by_staff", "−"),
            (Word::NetAdds, "net_adds", ""),
        ],
    },
    Definition {
        key: "qualified_adds",
        title: Word::Qualified,
        says: Word::DefQualified,
        basis: Basis::Add,
        when: Word::WhenQualified,
        final_after_seconds: Some(DAY_SECONDS),
        terms: &[
            (Word::Adds, "adds", ""),
            (Word::NotNew, "not_new_adds", "−"),
            (Word::LeftAlready, "lost_adds", "−"),
            (Word::Qualified, "qualified_adds", ""),
        ],
    },
    Definition {
        key: "opened",
        title: Word::Opened,
        says: Word::DefOpened,
        basis: Basis::Add,
        when: Word::WhenQualified,
        final_after_seconds: Some(DAY_SECONDS),
        terms: &[],
    },
    Definition {
        key: "target",
        title: Word::Target,
        says: Word::DefTarget,
        basis: Basis::Event,
        when: Word::WhenTarget,
        final_after_seconds: None,
        terms: &[],
    },
];

/// One item of `/api/v1/definitions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    pub key: &'static str,
    pub zh: &'static str,
    pub en: &'static str,
    pub basis: Basis,
    pub final_after_seconds: Option<u64>,
}

#[must_use]
pub fn items() -> Vec<Item> {
    let item = |definition: &Definition| Item {
        key: definition.key,
        zh: definition.says.text(Language::Zh),
        en: definition.says.text(Language::En),
        basis: definition.basis,
        final_after_seconds: definition.final_after_seconds,
    };
    DEFINITIONS.iter().map(item).collect()
}
