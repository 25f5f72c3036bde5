//! What somebody may see: a part of one corp, and in which role.
//!
//! Invariant: pure; a grant whose role does not fit its scope is not made.

use std::collections::HashMap;

use axum::extract::Query;
use axum::http::Uri;

use crate::board::view::{Level, Scope};
use crate::event::named;

named! {
    /// In which role somebody looks (board, section 5).
    Role {
        /// Everything of the corp.
        Owner = "owner",
        /// A scope with all beneath it, and the totals of its siblings.
        Manager = "manager",
        /// Their own page, rank and neighbours, and the best of their store.
        Staff = "staff",
        /// A screen that everybody who passes can read.
        Wall = "wall",
    }
}

impl Role {
    /// The levels of the scopes that this role can have.
    #[must_use]
    pub fn levels(self) -> &'static [Level] {
        match self {
            Self::Owner => &[Level::Corp],
            Self::Manager | Self::Wall => &[Level::Corp, Level::Region, Level::Store],
            Self::Staff => &[Level::Staff],
        }
    }
}

/// What somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Absent: the only corp of the database, or the configured one.
    pub corp: Option<String>,
    pub scope: Scope,
    pub role: Role,
    /// In seconds since the epoch; absent where each request is judged anew.
    pub expires_at: Option<i64>,
    /// How it came about.
    pub basis: Basis,
}

/// Why a grant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// There are no keys: everybody sees everything.
    Open,
    /// Somebody vouched for it.
    Signed,
}

impl Grant {
    /// Absent where the role does not fit the scope.
    #[must_use]
    pub fn new(corp: Option<String>, scope: Scope, role: Role) -> Option<Self> {
        let fits = role.levels().contains(&scope.level);
        fits.then_some(Self { corp, scope, role, expires_at: None, basis: Basis::Signed })
    }

    /// Every corp and scope.
    #[must_use]
    pub fn everything() -> Self {
        Self { corp: None, scope: Scope::corp(), role: Role::Owner, expires_at: None, basis: Basis::Open }
    }

    /// From the header of a trusted proxy, written as the query of a link: `corp=ID&scope=store:ID&role=manager`.
    #[must_use]
    pub fn from_header(value: &str) -> Option<Self> {
        let uri: Uri = format!("/?{value}").parse().ok()?;
        let Query(mut fields) = Query::<HashMap<String, String>>::try_from_uri(&uri).ok()?;
        let corp = fields.remove("corp").filter(|corp| !corp.is_empty());
        Self::new(corp, Scope::read(fields.get("scope")?)?, Role::from_name(fields.get("role")?)?)
    }
}
