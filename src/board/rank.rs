//! Who stands where in a leaderboard.
//!
//! Invariant: pure; equal scores share a rank, and the rank after a tie counts all who are before it (1, 2, 2, 4).

use std::cmp::Ordering;

/// What a row is ranked by: a ratio, so that nothing is rounded before it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    pub numerator: i128,
    /// At least 1.
    pub denominator: u64,
    /// When the score was reached, in ms since the epoch, as far as it is known; of equal ones the earlier stands first.
    pub reached_at: Option<i64>,
}

impl Score {
    fn compare(&self, other: &Self) -> Ordering {
        (self.numerator * i128::from(other.denominator)).cmp(&(other.numerator * i128::from(self.denominator)))
    }
}

/// The place of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The row, by its position in what was given.
    pub row: usize,
    /// From 1; absent for a row without a score.
    pub rank: Option<u32>,
    /// Another row has the same rank.
    pub tied: bool,
}

/// The rows in order of rank, best first; rows without a score come last, and rows that nothing else tells apart keep
/// the order in which they were given.
#[must_use]
pub fn places(scores: &[Option<Score>]) -> Vec<Place> {
    let mut order: Vec<(usize, Option<Score>)> = scores.iter().copied().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| match (a, b) {
        (Some(a), Some(b)) => {
            let reached = |score: &Score| score.reached_at.unwrap_or(i64::MAX);
            b.compare(a).then_with(|| reached(a).cmp(&reached(b)))
        }
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
    let equal = |a: Option<Score>, b: Option<Score>| matches!((a, b), (Some(a), Some(b)) if a.compare(&b).is_eq());
    let mut places: Vec<Place> = Vec::with_capacity(order.len());
    for (position, &(row, score)) in order.iter().enumerate() {
        let ties_before = position > 0 && equal(order[position - 1].1, score);
        let ties_after = order.get(position + 1).is_some_and(|next| equal(next.1, score));
        let rank = match score {
            None => None,
            Some(_) if ties_before => places[position - 1].rank,
            Some(_) => u32::try_from(position + 1).ok(),
        };
        places.push(Place { row, rank, tied: ties_before || ties_after });
    }
    places
}

/// The next rank above a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// One that somebody holds: above 4 in 1, 2, 2, 4 it is 2.
    pub rank: u32,
    /// How much must be added to the numerator of the row to reach it.
    pub gap: u64,
}

/// The next rank above the row at position `at` of `places`; absent for the first rank and for a row without a score.
#[must_use]
pub fn next(scores: &[Option<Score>], places: &[Place], at: usize) -> Option<Next> {
    let own = places.get(at)?;
    let above = places[..at].iter().rev().find(|place| place.rank < own.rank)?;
    let rank = above.rank?;
    let (own, above) = (scores[own.row]?, scores[above.row]?);
    // Rounded up: of a ratio, the first whole number that is not below it.
    let (have, denominator) = (own.numerator * i128::from(above.denominator), i128::from(above.denominator));
    let need = above.numerator * i128::from(own.denominator);
    let gap = u64::try_from((need - have + denominator - 1).div_euclid(denominator)).ok()?;
    Some(Next { rank, gap })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(numerator: i128, denominator: u64, reached_at: i64) -> Score {
        Score { numerator, denominator, reached_at: Some(reached_at) }
    }

    fn check(scores: &[Option<Score>], expected: &[(usize, Option<u32>, bool)]) {
        let found: Vec<_> = places(scores).iter().map(|place| (place.row, place.rank, place.tied)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn ties_share_a_rank_and_the_next_rank_counts_them_all() {
        check(
            &[Some(score(5, 1, 0)), Some(score(9, 1, 0)), Some(score(7, 1, 0)), Some(score(7, 1, 0))],
            &[(1, Some(1), false), (2, Some(2), true), (3, Some(2), true), (0, Some(4), false)],
        );
    }

    #[test]
    fn of_a_tie_who_reached_the_score_first_stands_first() {
        check(&[Some(score(7, 1, 20)), Some(score(7, 1, 10))], &[(1, Some(1), true), (0, Some(1), true)]);
    }

    #[test]
    fn ratios_are_compared_exactly() {
        check(
            &[Some(score(1, 3, 0)), Some(score(3, 9, 0)), Some(score(334, 1000, 0))],
            &[(2, Some(1), false), (0, Some(2), true), (1, Some(2), true)],
        );
    }

    #[test]
    fn negative_scores_rank_below_zero_and_rows_without_a_score_come_last_unranked() {
        check(
            &[None, Some(score(-2, 1, 0)), None, Some(score(0, 1, 0))],
            &[(3, Some(1), false), (1, Some(2), false), (0, None, false), (2, None, false)],
        );
    }

    #[test]
    fn the_next_rank_is_one_that_somebody_holds_and_the_gap_is_what_reaches_it() {
        let scores = [Some(score(5, 1, 0)), Some(score(9, 1, 0)), Some(score(5, 1, 1)), None];
        let places = places(&scores);
        let next_of = |at| next(&scores, &places, at).map(|next| (next.rank, next.gap));
        assert_eq!([0, 1, 2, 3].map(next_of), [None, Some((1, 4)), Some((1, 4)), None]);
        let scores = [9, 7, 7, 5].map(|numerator| Some(score(numerator, 1, 0)));
        let last = next(&scores, &super::places(&scores), 3);
        assert_eq!(last, Some(Next { rank: 2, gap: 2 }), "of 1, 2, 2, 4");
        // 10 of 3 heads against 7 of 2: 11 heads a 3 would be enough, for 10.5 is not whole.
        let scores = [Some(score(10, 3, 0)), Some(score(7, 2, 0))];
        assert_eq!(next(&scores, &super::places(&scores), 1), Some(Next { rank: 1, gap: 1 }));
    }
}
