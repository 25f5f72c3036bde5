//! Seeded chance, in integers.
//!
//! Invariant: no floating point, so that one seed gives the same stream of bytes on every machine.

use rand::{Rng, RngCore, SeedableRng, rngs::SmallRng};

/// A source of chance that its seed decides.
#[derive(Clone, Debug)]
pub struct Dice(SmallRng);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// A number in `[0, end)`; `end` is at least 1.
    pub fn below(&mut self, end: u32) -> u32 {
        self.0.random_range(0..end)
    }

    /// A number in `[low, high)`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..high)
    }

    /// True this many times in 1,000.
    pub fn per_mille(&mut self, times: u32) -> bool {
        self.below(1_000) < times
    }

    /// True this many times in 1,000,000.
    pub fn per_million(&mut self, times: u32) -> bool {
        self.below(1_000_000) < times
    }

    /// Exponentially distributed with this mean, to within 6 % of the true quantiles.
    ///
    /// `-log2(u)` is the count of leading zeros plus a fraction, which is taken as linear; the mean of that is 3/2.
    pub fn exponential(&mut self, mean: i64) -> i64 {
        const ONE: i64 = 1 << 16;
        let bits = self.0.next_u64() | 1;
        let zeros = bits.leading_zeros();
        // Shifted past its leading 1, the top 16 bits are the fraction; `checked_shl` for the one value that is all shifted out.
        let fraction = i64::try_from(bits.checked_shl(zeros + 1).unwrap_or(0) >> 48).unwrap_or(0);
        let quantile = (i64::from(zeros) + 1) * ONE - fraction;
        let scaled = i128::from(mean) * i128::from(quantile) / i128::from(3 * ONE / 2);
        i64::try_from(scaled).unwrap_or(i64::MAX)
    }

    /// One of them; there is at least one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let index = self.0.random_range(0..of.len());
        &of[index]
    }
}

/// Mixes two numbers into one that looks like chance (the finaliser of SplitMix64).
#[must_use]
pub fn mix(left: u64, right: u64) -> u64 {
    let mut mixed = left.wrapping_add(right.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Draws an index by weight in constant time (the alias method of Vose).
#[derive(Clone, Debug)]
pub struct Weighted {
    /// Per column the chance, of 2^32, to stay in it, and the column to go to else.
    columns: Vec<(u32, u32)>,
}

impl Weighted {
    /// Weights are relative; at least one is above 0.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        let columns = u64::try_from(weights.len()).unwrap_or(u64::MAX);
        let total: u64 = weights.iter().copied().map(u64::from).sum::<u64>().max(1);
        let mut scaled: Vec<u64> = weights.iter().map(|&weight| u64::from(weight) * columns).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..weights.len()).partition(|&at| scaled[at] < total);
        let mut table = vec![(u32::MAX, 0); weights.len()];
        for (at, column) in table.iter_mut().enumerate() {
            column.1 = u32::try_from(at).unwrap_or(u32::MAX);
        }
        while let (Some(poor), Some(rich)) = (small.pop(), large.pop()) {
            let stay = (u128::from(scaled[poor]) << 32) / u128::from(total);
            table[poor] = (u32::try_from(stay).unwrap_or(u32::MAX), u32::try_from(rich).unwrap_or(u32::MAX));
            scaled[rich] -= total - scaled[poor];
            if scaled[rich] < total { small.push(rich) } else { large.push(rich) }
        }
        Self { columns: table }
    }

    /// An index of the weights.
    pub fn pick(&self, dice: &mut Dice) -> usize {
        let bits = dice.0.next_u64();
        let column = dice.0.random_range(0..self.columns.len());
        let (stay, other) = self.columns[column];
        if bits >> 32 < u64::from(stay) { column } else { usize::try_from(other).unwrap_or(column) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_has_the_mean_that_was_asked_for() {
        let mut dice = Dice::new(1);
        let sum: i64 = (0..100_000).map(|_| dice.exponential(1_000)).sum();
        assert!((98_000_000..102_000_000).contains(&sum), "{sum}");
    }

    #[test]
    fn weights_are_drawn_in_proportion_and_zero_never() {
        let mut dice = Dice::new(2);
        let weighted = Weighted::new(&[1, 0, 3, 6]);
        let mut drawn = [0u32; 4];
        for _ in 0..100_000 {
            drawn[weighted.pick(&mut dice)] += 1;
        }
        assert_eq!(drawn[1], 0);
        for (index, expected) in [(0, 10_000), (2, 30_000), (3, 60_000)] {
            assert!(drawn[index].abs_diff(expected) < 700, "{drawn:?}");
        }
    }
}
