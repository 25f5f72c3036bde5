//! What there is a fixed number of: streams, connections.
//!
//! Invariant: a seat that is given up can be taken at once; of clients without a seat nothing is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Client;

/// So many for all, and so many for each client.
#[derive(Debug)]
pub struct Seats {
    all: usize,
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_client: HashMap<Client, usize>,
}

/// Taken until it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    client: Option<Client>,
}

impl Seats {
    #[must_use]
    pub fn new(all: u32, each: u32) -> Self {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Self { all: count(all), each: count(each), taken: Mutex::default() }
    }

    /// A seat for this client; without a client only the number of all counts. `None` where all are taken.
    #[must_use]
    pub fn take(self: &Arc<Self>, client: Option<Client>) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.all >= self.all {
            return None;
        }
        if let Some(client) = client {
            let own = taken.by_client.entry(client).or_default();
            if *own >= self.each {
                return None;
            }
            *own += 1;
        }
        taken.all += 1;
        Some(Seat { seats: Arc::clone(self), client })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics while it is locked.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all -= 1;
        let Some(client) = self.client else { return };
        if let Some(own) = taken.by_client.get_mut(&client) {
            *own -= 1;
            if *own == 0 {
                taken.by_client.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_taken_until_it_is_given_up() {
        let client = |last: u8| Some(Client::new([203, 0, 113, last].into()));
        let seats = Arc::new(Seats::new(4, 2));
        let first = seats.take(client(1)).unwrap();
        let _second = seats.take(client(1)).unwrap();
        assert!(seats.take(client(1)).is_none(), "two for each");
        let _other = seats.take(client(2)).unwrap();
        drop(first);
        let _again = seats.take(client(1)).unwrap();
        let proxy = seats.take(None).unwrap();
        assert!(seats.take(client(3)).is_none() && seats.take(None).is_none(), "four for all");
        drop(proxy);
        drop(seats.take(client(3)).unwrap());
        assert_eq!(seats.taken().by_client.len(), 2, "who holds nothing is forgotten");
    }
}
