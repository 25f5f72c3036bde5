//! So many requests of a client a second, and so many at once.
//!
//! Invariant: a client that waits for the time that it was told is admitted.
//!
//! Each client has one instant, at which what it asked for so far would be done at the steady rate (the generic cell
//! rate algorithm, ITU-T I.371): as long as that lies no farther ahead than a burst, a request is admitted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Client;

/// 5 MB; beyond it clients that come new share one rate.
const CLIENTS_MAX: usize = 100_000;
/// Between two looks for clients that may be forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// The rate of each client.
#[derive(Debug)]
pub(super) struct Rate {
    /// Between two requests at the steady rate.
    interval: Duration,
    /// How far ahead a client may be: all of a burst but the request itself.
    ahead_max: Duration,
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    done_at: HashMap<Client, Instant>,
    swept_at: Option<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, ahead_max: interval * burst.saturating_sub(1), clients: Mutex::default() }
    }

    /// Counts a request, or says how long the client has to wait.
    pub(super) fn admit(&self, client: Client, now: Instant) -> Result<(), Duration> {
        // A panic while it was locked leaves a map that is still whole: every change is one call.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.place(client, now);
        let done_at = clients.done_at.get(&client).map_or(now, |done_at| now.max(*done_at));
        let wait = done_at.duration_since(now).saturating_sub(self.ahead_max);
        if !wait.is_zero() {
            return Err(wait);
        }
        clients.done_at.insert(client, done_at + self.interval);
        Ok(())
    }
}

impl Clients {
    /// The client itself, where there is a place for it.
    fn place(&mut self, client: Client, now: Instant) -> Client {
        if self.done_at.len() < CLIENTS_MAX || self.done_at.contains_key(&client) {
            return client;
        }
        if self.swept_at.is_none_or(|swept_at| now.duration_since(swept_at) >= SWEEP) {
            // Whoever is not ahead is as good as new.
            self.done_at.retain(|_, done_at| *done_at > now);
            self.swept_at = Some(now);
        }
        if self.done_at.len() < CLIENTS_MAX { client } else { Client::OTHERS }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn client(number: u32) -> Client {
        Client::new(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn a_burst_is_admitted_and_then_the_steady_rate() {
        let (rate, now) = (Rate::new(10, 3), Instant::now());
        let admit = |ms| rate.admit(client(1), now + Duration::from_millis(ms));
        assert_eq!([admit(0), admit(0), admit(0)], [Ok(()), Ok(()), Ok(())]);
        assert_eq!(admit(0), Err(Duration::from_millis(100)));
        assert_eq!(admit(60), Err(Duration::from_millis(40)));
        assert_eq!([admit(100), admit(100)], [Ok(()), Err(Duration::from_millis(100))]);
        assert_eq!(rate.admit(client(2), now), Ok(()), "another client");
        assert_eq!([admit(9_000), admit(9_000), admit(9_000)], [Ok(()), Ok(()), Ok(())]);
    }

    #[test]
    fn clients_without_number_do_not_take_memory_without_end() {
        let (rate, now) = (Rate::new(1, 1), Instant::now());
        for number in 0..150_000 {
            let _ = rate.admit(client(number), now);
        }
        let kept = || rate.clients.lock().unwrap().done_at.len();
        assert_eq!(kept(), CLIENTS_MAX + 1);
        assert_eq!(rate.admit(client(7), now).unwrap_err(), Duration::from_secs(1), "the first kept their places");
        let later = now + Duration::from_secs(5);
        assert_eq!(rate.admit(client(200_000), later), Ok(()));
        assert_eq!(kept(), 1, "whoever did nothing for a while is forgotten");
    }
}
