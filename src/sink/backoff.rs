//! How long to wait before a request is sent once more.
//!
//! Invariant: pure but for the random number that it is given.

use std::time::Duration;

/// Retries wait twice as long each time, up to here: an outage ends unseen for at most this long.
const BACKOFF: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// Twice as long each time, and a random part of that, so that many processes do not come back at once.
#[derive(Debug)]
pub struct Backoff {
    last: Option<Duration>,
    /// From 0 to 1.
    random: fn() -> f64,
}

impl Backoff {
    /// To wait by this random number from 0 to 1.
    #[must_use]
    pub const fn new(random: fn() -> f64) -> Self {
        Self { last: None, random }
    }

    /// The next time to wait.
    pub fn advance(&mut self) -> Duration {
        let limit = self.last.map_or(*BACKOFF.start(), |last| (last * 2).min(*BACKOFF.end()));
        self.last = Some(limit);
        limit.mul_f64(0.5 + 0.5 * (self.random)())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(random: fn() -> f64, expected: &[u64]) {
        let mut backoff = Backoff::new(random);
        let waits: Vec<_> = expected.iter().map(|_| backoff.advance()).collect();
        assert_eq!(waits, expected.iter().copied().map(Duration::from_millis).collect::<Vec<_>>());
    }

    #[test]
    fn waits_double_up_to_a_limit_and_are_spread_over_their_upper_half() {
        check(|| 1.0, &[100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
        check(|| 0.0, &[50, 100, 200, 400, 800, 1_600, 2_500, 2_500, 2_500]);
        check(|| 0.5, &[75, 150, 300]);
    }
}
