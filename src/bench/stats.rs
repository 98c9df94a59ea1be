//! Rank statistics for timings: medians and their intervals, percentiles, spread, ratios, and a test of
//! whether two samples differ.
//!
//! Timings are skewed and have outliers, so nothing here assumes a normal distribution and nothing is thrown
//! away. Sources: order-statistic interval of the median, Conover, *Practical Nonparametric Statistics*;
//! percentiles, Hyndman and Fan 1996, type 7; rank-sum test, Mann and Whitney 1947, its exact distribution
//! under ties by the shift algorithm of Streitberg and Röhmel 1986.

pub(crate) mod shift;

use std::error::Error;
use std::fmt;

/// How sure an interval is meant to be: it covers the true value at least this often.
pub const CONFIDENCE: f64 = 0.95;

/// Up to this many values in both samples together the rank-sum test counts every arrangement: C(40, 20) is
/// still exact in an `f64`.
const EXACT_UP_TO: usize = 40;

#[derive(Clone, Debug, PartialEq)]
pub enum StatsError {
    Empty,
    NotFinite { index: usize, value: f64 },
    NotPositive { index: usize, value: f64 },
    NotPaired { left: usize, right: usize },
    NotAShare { value: f64 },
    OneLook,
}

impl fmt::Display for StatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatsError::Empty => write!(f, "no samples: nothing can be said about none"),
            StatsError::NotFinite { index, value } => write!(f, "sample {index} is {value}, not a finite number"),
            StatsError::NotPositive { index, value } => {
                write!(f, "sample {index} is {value}: a ratio needs samples above zero")
            }
            StatsError::NotPaired { left, right } => {
                write!(f, "{left} samples cannot be paired with {right}: measure both in the same rounds")
            }
            StatsError::NotAShare { value } => write!(f, "{value} is not a share between 0 and 1"),
            StatsError::OneLook => write!(f, "one look on a side has no ratio"),
        }
    }
}

impl Error for StatsError {}

/// Finite values in ascending order, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample(Vec<f64>);

/// A range that covers the true value with at least [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// A median, and where it may lie; with fewer than six values there is no such interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub median: f64,
    pub interval: Option<Interval>,
}

impl Sample {
    pub fn new(values: &[f64]) -> Result<Self, StatsError> {
        if values.is_empty() {
            return Err(StatsError::Empty);
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(StatsError::NotFinite { index, value: values[index] });
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Ok(Sample(sorted))
    }

    pub fn sorted(&self) -> &[f64] {
        &self.0
    }

    pub fn median(&self) -> f64 {
        let half = self.0.len() / 2;
        if self.0.len().is_multiple_of(2) { midpoint(self.0[half - 1], self.0[half]) } else { self.0[half] }
    }

    /// The median's interval between two order statistics: free of any assumption on the distribution.
    pub fn median_interval(&self) -> Option<Interval> {
        let outside = ranks_outside(self.0.len())?;
        Some(Interval { low: self.0[outside - 1], high: self.0[self.0.len() - outside] })
    }

    pub fn estimate(&self) -> Estimate {
        Estimate { median: self.median(), interval: self.median_interval() }
    }

    /// The value below which `share` of the sample lies, linear between its neighbours.
    pub fn percentile(&self, share: f64) -> Result<f64, StatsError> {
        if !(0.0..=1.0).contains(&share) {
            return Err(StatsError::NotAShare { value: share });
        }
        let position = share * (self.0.len() - 1) as f64;
        let below = self.0[position.floor() as usize];
        let above = self.0[position.ceil() as usize];
        let weight = position.fract();
        Ok(below * (1.0 - weight) + above * weight)
    }

    /// The median absolute deviation from the median, unscaled.
    pub fn mad(&self) -> f64 {
        let median = self.median();
        let mut distances: Vec<f64> = self.0.iter().map(|value| (value - median).abs()).collect();
        distances.sort_unstable_by(f64::total_cmp);
        Sample(distances).median()
    }
}

fn midpoint(a: f64, b: f64) -> f64 {
    a / 2.0 + b / 2.0
}

/// The largest k for which the k-th smallest and the k-th largest of `n` values enclose the median with
/// [`CONFIDENCE`]: each side may miss it with the probability of fewer than k heads in n throws.
fn ranks_outside(n: usize) -> Option<usize> {
    let budget = (1.0 - CONFIDENCE) / 2.0;
    let mut ln_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = ln_term.exp();
    let mut k = 0;
    while tail <= budget && k < n {
        ln_term += ((n - k) as f64 / (k + 1) as f64).ln();
        tail += ln_term.exp();
        k += 1;
    }
    (k > 0).then_some(k)
}

/// The median of `left[i] / right[i]` over rounds i. Pairing cancels what slowed a whole round down.
pub fn paired_ratio(left: &[f64], right: &[f64]) -> Result<Estimate, StatsError> {
    if left.len() != right.len() {
        return Err(StatsError::NotPaired { left: left.len(), right: right.len() });
    }
    for side in [left, right] {
        if let Some(index) = side.iter().position(|value| value.is_nan() || *value <= 0.0) {
            return Err(StatsError::NotPositive { index, value: side[index] });
        }
    }
    let ratios: Vec<f64> = left.iter().zip(right).map(|(left, right)| left / right).collect();
    Ok(Sample::new(&ratios)?.estimate())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Every arrangement of the ranks was counted, ties included.
    Exact,
    /// Normal approximation, corrected for ties and continuity.
    Normal,
}

/// What the rank-sum test of two unpaired samples says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankSum {
    /// How many pairs have the first sample's value above the second's; a tie counts a half.
    pub u: f64,
    /// `u` as a share of all pairs: 0.5 when neither tends to be larger.
    pub superiority: f64,
    /// Two-sided: how often equal distributions would give a `u` at least this far from the middle.
    pub p: f64,
    pub method: Method,
}

/// The Mann-Whitney test of whether one sample tends to be larger than the other.
pub fn rank_sum(first: &Sample, second: &Sample) -> RankSum {
    let (n1, n2) = (first.0.len(), second.0.len());
    let pooled = pool(first, second);
    let first_ranks: u64 = pooled.iter().map(|tie| tie.twice_rank * tie.from_first as u64).sum();
    let twice_u = first_ranks - (n1 * (n1 + 1)) as u64;
    let u = twice_u as f64 / 2.0;
    let (p, method) = if n1 + n2 <= EXACT_UP_TO {
        (exact_p(&pooled, n1, first_ranks), Method::Exact)
    } else {
        (normal_p(&pooled, n1, n2, u), Method::Normal)
    };
    RankSum { u, superiority: u / (n1 as f64 * n2 as f64), p, method }
}

/// Values that are equal share the mean of their ranks; twice that is a whole number.
struct Tie {
    twice_rank: u64,
    size: usize,
    from_first: usize,
}

fn pool(first: &Sample, second: &Sample) -> Vec<Tie> {
    let mut values: Vec<(f64, bool)> = first.0.iter().map(|value| (*value, true)).collect();
    values.extend(second.0.iter().map(|value| (*value, false)));
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut before = 0;
    values
        .chunk_by(|a, b| a.0 == b.0)
        .map(|equal| {
            let tie = Tie {
                twice_rank: (2 * before + equal.len() + 1) as u64,
                size: equal.len(),
                from_first: equal.iter().filter(|(_, from_first)| *from_first).count(),
            };
            before += equal.len();
            tie
        })
        .collect()
}

/// Counts, over all ways to pick `n1` of the pooled values, those whose rank sum lies at least as far from the
/// mean as the one observed.
fn exact_p(pooled: &[Tie], n1: usize, observed: u64) -> f64 {
    let n: usize = pooled.iter().map(|tie| tie.size).sum();
    let most = n * (n + 1);
    let mut ways = vec![vec![0.0f64; most + 1]; n1 + 1];
    ways[0][0] = 1.0;
    for tie in pooled {
        let rank = tie.twice_rank as usize;
        for _ in 0..tie.size {
            for picked in (1..=n1).rev() {
                for sum in (rank..=most).rev() {
                    ways[picked][sum] += ways[picked - 1][sum - rank];
                }
            }
        }
    }
    let mean = (n1 * (n + 1)) as u64;
    let distance = observed.abs_diff(mean);
    let (mut extreme, mut all) = (0.0, 0.0);
    for (sum, count) in ways[n1].iter().enumerate() {
        all += count;
        if (sum as u64).abs_diff(mean) >= distance {
            extreme += count;
        }
    }
    extreme / all
}

fn normal_p(pooled: &[Tie], n1: usize, n2: usize, u: f64) -> f64 {
    let (n1, n2) = (n1 as f64, n2 as f64);
    let n = n1 + n2;
    let ties: f64 = pooled.iter().map(|tie| (tie.size as f64).powi(3) - tie.size as f64).sum();
    let variance = n1 * n2 / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - n1 * n2 / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    erfc(z / std::f64::consts::SQRT_2)
}

/// The complementary error function for x ≥ 0: a series of positive terms near zero, Laplace's continued
/// fraction in the tail, where the series would lose its digits to the subtraction from one.
fn erfc(x: f64) -> f64 {
    let scale = (-x * x).exp() / std::f64::consts::PI.sqrt();
    if x < 2.0 {
        let (mut term, mut sum, mut n) = (2.0 * x, 0.0, 0.0);
        while term > f64::EPSILON * sum {
            sum += term;
            n += 1.0;
            term *= 2.0 * x * x / (2.0 * n + 1.0);
        }
        1.0 - scale * sum
    } else {
        scale / (1..=120).rev().fold(x, |below, k| x + f64::from(k) / 2.0 / below)
    }
}

#[cfg(test)]
mod tests;
