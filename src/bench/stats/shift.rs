//! How far one sample lies from another, with an interval at any level: the estimates of Hodges and Lehmann, whose
//! intervals are the rank tests of Wilcoxon (pairs) and of Mann and Whitney (samples apart) turned inside out.
//!
//! Nothing is assumed of the noise but that it is the same on both sides: then the differences of pairs are symmetric
//! about the shift. Sources: Hodges and Lehmann 1963; Hollander, Wolfe and Chicken, *Nonparametric Statistical
//! Methods*, sections 3.3 and 4.3; the allowance for neighbours that are alike, Bayley and Hammersley 1946.

use super::{EXACT_UP_TO, Interval, erfc};

/// Up to this many pairs the signed-rank distribution is counted out.
const PAIRS_EXACT_UP_TO: usize = 100;

/// More pairs than this are averaged in blocks: the means of all pairs of them would fill the memory.
const MOST_PAIRS: usize = 1000;

/// A location, and the sorted values among which the bounds of its intervals lie.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shift {
    pub(crate) estimate: f64,
    between: Vec<f64>,
    ranks: Ranks,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ranks {
    Signed { pairs: usize },
    Sum { first: usize, second: usize, inflation: f64 },
}

impl Shift {
    /// Where the differences of pairs lie. They are finite and at least one.
    pub(crate) fn of_pairs(differences: &[f64]) -> Self {
        let blocks = in_blocks(differences);
        let mut means = Vec::with_capacity(blocks.len() * (blocks.len() + 1) / 2);
        for (at, one) in blocks.iter().enumerate() {
            means.extend(blocks[at..].iter().map(|other| (one + other) / 2.0));
        }
        Shift::among(means, Ranks::Signed { pairs: blocks.len() })
    }

    /// How far `first` lies above `second`, which were taken at other times; both in the order in which they were
    /// taken. Values are finite and at least one on each side.
    pub(crate) fn apart(first: &[f64], second: &[f64]) -> Self {
        let (first, second) = (in_blocks(first), in_blocks(second));
        let differences = first.iter().flat_map(|a| second.iter().map(move |b| a - b)).collect();
        let inflation = inflation(&first).max(inflation(&second));
        Shift::among(differences, Ranks::Sum { first: first.len(), second: second.len(), inflation })
    }

    fn among(mut between: Vec<f64>, ranks: Ranks) -> Self {
        between.sort_unstable_by(f64::total_cmp);
        let half = between.len() / 2;
        let estimate =
            if between.len().is_multiple_of(2) { (between[half - 1] + between[half]) / 2.0 } else { between[half] };
        Shift { estimate, between, ranks }
    }

    /// Covers the true shift but for `miss` of all cases; none where the samples are too few for that.
    pub(crate) fn interval(&self, miss: f64) -> Option<Interval> {
        let outside = match self.ranks {
            Ranks::Signed { pairs } => signed_outside(pairs, miss / 2.0),
            Ranks::Sum { first, second, inflation } => sum_outside(first, second, inflation, miss / 2.0),
        }?;
        Some(Interval { low: self.between[outside - 1], high: self.between[self.between.len() - outside] })
    }
}

/// The fewest pairs whose interval exists at this level.
pub(crate) fn fewest_pairs(miss: f64) -> usize {
    (2.0 / miss).log2().ceil() as usize
}

fn in_blocks(values: &[f64]) -> Vec<f64> {
    let size = values.len().div_ceil(MOST_PAIRS).max(1);
    values.chunks(size).map(|block| block.iter().sum::<f64>() / block.len() as f64).collect()
}

/// The k for which the k-th smallest and k-th largest mean of two differences are the bounds: the largest k for which a
/// signed-rank sum below k is no likelier than `tail`.
fn signed_outside(pairs: usize, tail: f64) -> Option<usize> {
    if pairs > PAIRS_EXACT_UP_TO {
        let n = pairs as f64;
        let (mean, variance) = (n * (n + 1.0) / 4.0, n * (n + 1.0) * (2.0 * n + 1.0) / 24.0);
        return whole(mean - quantile_above(tail) * variance.sqrt());
    }
    let most = pairs * (pairs + 1) / 2;
    let mut chance = vec![0.0f64; most + 1];
    chance[0] = 1.0;
    for rank in 1..=pairs {
        for sum in (0..=most).rev() {
            let with = if sum >= rank { chance[sum - rank] } else { 0.0 };
            chance[sum] = (chance[sum] + with) / 2.0;
        }
    }
    count_below(&chance, tail)
}

/// The same for the differences between two samples and Mann and Whitney's U. Neighbours that are alike make a sample
/// worth less than its size: the bounds move outwards by `inflation`.
fn sum_outside(first: usize, second: usize, inflation: f64, tail: f64) -> Option<usize> {
    let (n1, n2) = (first as f64, second as f64);
    let mean = n1 * n2 / 2.0;
    let inner = if first + second <= EXACT_UP_TO {
        count_below(&u_chances(first, second), tail)? as f64
    } else {
        mean - quantile_above(tail) * (n1 * n2 * (n1 + n2 + 1.0) / 12.0).sqrt()
    };
    whole(mean - (mean - inner) * inflation)
}

fn whole(rank: f64) -> Option<usize> {
    (rank >= 1.0).then_some(rank as usize)
}

fn count_below(chance: &[f64], tail: f64) -> Option<usize> {
    let mut sum = 0.0;
    let below = chance.iter().take_while(|one| {
        sum += **one;
        sum <= tail
    });
    Some(below.count()).filter(|count| *count > 0)
}

/// How likely each U is where all arrangements are: the Gaussian binomial coefficient, factor by factor.
fn u_chances(first: usize, second: usize) -> Vec<f64> {
    let most = first * second;
    let mut ways = vec![0.0f64; most + 1];
    ways[0] = 1.0;
    for factor in 1..=second {
        for u in (first + factor..=most).rev() {
            ways[u] -= ways[u - first - factor];
        }
        for u in factor..=most {
            ways[u] += ways[u - factor];
        }
    }
    let all: f64 = ways.iter().sum();
    ways.iter().map(|count| count / all).collect()
}

/// How much wider the interval of a series must be than that of as many independent values, when each value resembles
/// the one before.
fn inflation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if variance <= 0.0 {
        return 1.0;
    }
    let alike: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / variance;
    // A short series seems less like itself than it is.
    let alike = ((n * alike + 1.0) / (n - 3.0).max(1.0)).clamp(0.0, 0.95);
    ((1.0 + alike) / (1.0 - alike)).sqrt()
}

/// The z above which a normal variable lies with probability `tail`.
fn quantile_above(tail: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if erfc(middle / std::f64::consts::SQRT_2) / 2.0 > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(actual: f64, expected: f64, tolerance: f64) {
        assert!((actual - expected).abs() <= tolerance, "{actual} is not within {tolerance} of {expected}");
    }

    /// Hollander and Wolfe's depression scores: R's `wilcox.test(paired = TRUE, conf.int = TRUE)` gives −0.46 within
    /// −0.786 and −0.010.
    #[expect(clippy::approx_constant, reason = "a published sample, not π")]
    #[test]
    fn pairs_of_the_depression_scores() {
        let before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
        let after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
        let differences: Vec<f64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
        let shift = Shift::of_pairs(&differences);
        near(shift.estimate, -0.46, 1e-12);
        let interval = shift.interval(0.05).unwrap();
        near(interval.low, -0.786, 1e-12);
        near(interval.high, -0.010, 1e-12);
        assert_eq!(shift.interval(0.002), None);
    }

    /// Hollander and Wolfe's permeability constants, with R's answer.
    #[test]
    fn samples_apart_of_the_permeability_constants() {
        let at_term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let earlier = [1.15, 0.88, 0.90, 0.74, 1.21];
        let shift = Shift::apart(&at_term, &earlier);
        near(shift.estimate, 0.305, 1e-12);
        let interval = Shift { ranks: Ranks::Sum { first: 10, second: 5, inflation: 1.0 }, ..shift }.interval(0.05);
        near(interval.unwrap().low, -0.15, 1e-12);
        near(interval.unwrap().high, 0.76, 1e-12);
    }

    /// Counted with SciPy's distributions, for 95, 99 and 99.8 %.
    #[test]
    fn ranks_of_the_tables() {
        let signed = [
            (6, [1, 0, 0]),
            (9, [6, 2, 0]),
            (10, [9, 4, 1]),
            (20, [53, 38, 27]),
            (30, [138, 110, 87]),
            (100, [1956, 1780, 1635]),
        ];
        let sums = [((5, 4), [2, 0, 0]), ((10, 10), [24, 17, 11]), ((7, 13), [21, 14, 9]), ((20, 20), [128, 106, 89])];
        for (at, miss) in [0.05, 0.01, 0.002].into_iter().enumerate() {
            for (pairs, outside) in signed {
                assert_eq!(signed_outside(pairs, miss / 2.0).unwrap_or(0), outside[at], "{pairs} pairs, {miss}");
            }
            for ((first, second), outside) in sums {
                let counted = sum_outside(first, second, 1.0, miss / 2.0).unwrap_or(0);
                assert_eq!(counted, outside[at], "{first} and {second}, {miss}");
            }
        }
        assert_eq!([0.05, 0.01, 0.002].map(fewest_pairs), [6, 8, 10]);
    }

    #[test]
    fn normal_quantiles() {
        for (tail, z) in [(0.025, 1.959_963_985), (0.001, 3.090_232_306), (1e-6, 4.753_424_309), (1e-12, 7.034_483_825)]
        {
            near(quantile_above(tail), z, 1e-8);
        }
    }

    /// Where the counting ends and the approximation begins there is no step.
    #[test]
    fn the_approximation_meets_the_count() {
        for tail in [0.025, 0.001] {
            let n = PAIRS_EXACT_UP_TO as f64;
            let normal = n * (n + 1.0) / 4.0 - quantile_above(tail) * (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
            let exact = signed_outside(PAIRS_EXACT_UP_TO, tail).unwrap() as f64;
            near(normal / exact, 1.0, 0.02);
        }
    }

    #[test]
    fn neighbours_that_are_alike_widen_the_interval() {
        let alternating: Vec<f64> = (0..30).map(|at| f64::from(at % 2)).collect();
        let in_runs: Vec<f64> = (0..30).map(|at| f64::from(at / 10 % 2)).collect();
        assert_eq!(inflation(&alternating), 1.0);
        assert_eq!(inflation(&[5.0; 30]), 1.0);
        assert!(inflation(&in_runs) > 2.0, "{}", inflation(&in_runs));
    }

    #[test]
    fn many_pairs_are_taken_in_blocks() {
        let values: Vec<f64> = (0..5000).map(|at| f64::from(at % 7)).collect();
        let shift = Shift::of_pairs(&values);
        near(shift.estimate, 3.0, 0.05);
        assert!(shift.interval(0.05).is_some_and(|interval| interval.contains(3.0)));
    }

    proptest! {
        #[test]
        fn an_estimate_lies_in_its_intervals(values in prop::collection::vec(-1e3f64..1e3, 1..60)) {
            let shift = Shift::of_pairs(&values);
            let (wide, narrow) = (shift.interval(0.002), shift.interval(0.05));
            prop_assert_eq!(narrow.is_some(), values.len() >= fewest_pairs(0.05));
            if let (Some(wide), Some(narrow)) = (wide, narrow) {
                prop_assert!(wide.low <= narrow.low && narrow.low <= shift.estimate);
                prop_assert!(shift.estimate <= narrow.high && narrow.high <= wide.high);
            }
        }

        #[test]
        fn samples_apart_are_antisymmetric(
            first in prop::collection::vec(-1e3f64..1e3, 1..40), second in prop::collection::vec(-1e3f64..1e3, 1..40)
        ) {
            let (forth, back) = (Shift::apart(&first, &second), Shift::apart(&second, &first));
            prop_assert!((forth.estimate + back.estimate).abs() < 1e-9);
            prop_assert_eq!(forth.interval(0.05).map(|i| (i.low, i.high)), back.interval(0.05).map(|i| (-i.high, -i.low)));
        }
    }
}
