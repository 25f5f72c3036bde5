//! Contests of a corp, one row for each that takes part.
//!
//! Invariant: read once for all scopes of a corp.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Detail;
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};
use crate::board::view::Scope;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contests {
    /// Those of one contest stand together.
    pub rows: Vec<Contestant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contestant {
    pub contest_id: String,
    pub name: String,
    pub scope: Scope,
    pub metric: String,
    /// `total` or `per_head`.
    pub basis: String,
    /// In ms since the epoch: from the first to before the second.
    pub bounds: (i64, i64),
    pub value: i64,
    /// Active members of staff at its end; before that, as of now.
    pub staff_active: u64,
}

impl Detail for Contests {
    /// A page is taken anew every half minute, and no stream tells of them.
    const INTERVAL: Duration = Duration::from_secs(30);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        Box::pin(async move { Ok(Places::all(reader.contests(&parts.corp).await?)) })
    }
}
