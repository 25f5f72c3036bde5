//! What was read of the places of one level, at one instant.
//!
//! Invariant: whoever asks for a place that nothing was read of gets what is true of such a place, not nothing.

use std::collections::HashMap;
use std::sync::Arc;

/// Values by the id of their place; all who hold them share them.
#[derive(Debug)]
pub struct Places<T> {
    by_id: Arc<HashMap<String, Arc<T>>>,
    /// Of every place that is not among them.
    other: Arc<T>,
}

impl<T> Clone for Places<T> {
    fn clone(&self) -> Self {
        Self { by_id: Arc::clone(&self.by_id), other: Arc::clone(&self.other) }
    }
}

impl<T> Places<T> {
    #[must_use]
    pub fn new(by_id: impl IntoIterator<Item = (String, T)>, other: T) -> Self {
        let by_id = by_id.into_iter().map(|(id, value)| (id, Arc::new(value))).collect();
        Self { by_id: Arc::new(by_id), other: Arc::new(other) }
    }

    /// The same of every place.
    #[must_use]
    pub fn all(value: T) -> Self {
        Self::new([], value)
    }

    #[must_use]
    pub fn get(&self, id: &str) -> &Arc<T> {
        self.by_id.get(id).unwrap_or(&self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_which_nothing_was_read_gets_what_is_true_of_such_places() {
        let places = Places::new([("S1".to_owned(), 7)], 0);
        assert_eq!([places.get("S1"), places.get("S2")].map(|value| **value), [7, 0]);
    }
}
