//! When each member of staff had their last add, to the millisecond.
//!
//! Invariant: of two that reach as much within one minute the first stands first, as soon as this is read.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Detail;
use crate::board::places::Places;
use crate::board::reader::{Error, Parts, Reader};
use crate::board::view::{Level, Scope};

/// Of one corp and day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastAdds {
    /// By member of staff: each store with the last add there, in ms since the epoch.
    pub by_staff: HashMap<String, Vec<(String, i64)>>,
}

impl LastAdds {
    /// The last add of a member of staff within their store, or anywhere.
    #[must_use]
    pub fn within(&self, scope: &Scope, staff: &str) -> Option<i64> {
        let stores = self.by_staff.get(staff)?.iter();
        stores.filter(|(store, _)| scope.level != Level::Store || *store == scope.id).map(|(_, at)| *at).max()
    }
}

impl Detail for LastAdds {
    const INTERVAL: Duration = Duration::from_secs(10);

    fn read<'a>(reader: &'a dyn Reader, parts: &'a Parts) -> BoxFuture<'a, Result<Places<Self>, Error>> {
        Box::pin(async move { Ok(Places::all(reader.last_adds(&parts.corp, parts.day).await?)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_add_in_another_store_is_no_last_add_of_this_one() {
        let stores = vec![("S1".to_owned(), 5), ("S2".to_owned(), 9)];
        let last_adds = LastAdds { by_staff: HashMap::from([("z1".to_owned(), stores)]) };
        let within = |scope: &str, staff| last_adds.within(&Scope::read(scope).unwrap(), staff);
        assert_eq!(
            [within("store:S1", "z1"), within("staff:z1", "z1"), within("store:S1", "z2")],
            [Some(5), Some(9), None]
        );
    }
}
