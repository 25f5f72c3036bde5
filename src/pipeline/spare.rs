//! Batches whose rows are in, to be filled again: fresh memory costs a fault of the processor for every 4 KiB of it.
//!
//! Invariant: a batch that is given out is empty; no more are kept than can be under way.

use std::sync::{Mutex, PoisonError};

use crate::batch::Batch;

/// Empty batches that still have their room.
#[derive(Debug)]
pub struct Spares {
    kept: Mutex<Vec<Batch>>,
    most: usize,
}

impl Spares {
    /// Keeps at most so many.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { kept: Mutex::new(Vec::new()), most }
    }

    /// An empty batch.
    #[must_use]
    pub fn take(&self) -> Batch {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Empties a batch and keeps it, if it has room.
    pub fn put(&self, mut batch: Batch) {
        if batch.facts.bytes.capacity() == 0 {
            return;
        }
        batch.clear();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < self.most {
            kept.push(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Rows;

    #[test]
    fn a_batch_comes_back_empty_with_its_room() {
        let spares = Spares::new(1);
        for _ in 0..2 {
            spares.put(Batch { facts: Rows { bytes: vec![1; 100], count: 1 }, ..Batch::default() });
        }
        let batch = spares.take();
        assert!(batch.is_empty() && batch.facts.count == 0);
        assert!(batch.facts.bytes.capacity() >= 100);
        assert_eq!(spares.take().facts.bytes.capacity(), 0, "one was kept");
    }
}
