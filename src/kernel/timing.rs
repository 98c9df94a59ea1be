//! How fast a kernel is beside another, and how sure that is.
//!
//! One process says little: where its code and buffers came to lie moves its times by more than what is claimed. So the
//! unit is a fresh process: in each, pairs of calls in an order drawn beforehand, of which the median of ln(tB/tK) is
//! kept ([`session`]); a one-sided t bound over processes decides ([`Statistic`]). An inconclusive session is extended,
//! and each look at it spends a part of the 5% ([`LOOKS`]). What shows that the stand itself measures stands in
//! [`controls`]; the order, the inputs and the calls that are checked are drawn in [`draw`].
//!
//! Leaves out clocks and how processes are made: [`stand`] has what it asks of them.

pub mod controls;
pub mod draw;
pub mod session;
pub mod stand;

use std::fmt;

use super::student;
pub use crate::claims::Verdict;

/// How often a claim that is just not true may be supported all the same.
pub const ALPHA: f64 = 0.05;

/// One look at the processes so far, and what of [`ALPHA`] it spends. By the union bound all looks together stay within it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    pub processes: usize,
    pub alpha: f64,
}

/// Each look has twice the processes of the one before.
pub const LOOKS: [Look; 3] =
    [Look { processes: 10, alpha: 0.030 }, Look { processes: 20, alpha: 0.015 }, Look { processes: 40, alpha: 0.005 }];

/// The mean of a logarithm over processes, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistic {
    pub mean: f64,
    /// Of the mean.
    pub error: f64,
    pub freedom: f64,
}

/// A sample that no figure can be drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum StatisticError {
    TooFew { processes: usize },
    NotFinite { process: usize, value: f64 },
}

impl fmt::Display for StatisticError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatisticError::TooFew { processes } => {
                write!(f, "{processes} processes are too few: their scatter is what the bound is made of")
            }
            StatisticError::NotFinite { process, value } => {
                write!(f, "process {process} gave {value}, which is no logarithm of a ratio of times")
            }
        }
    }
}

impl std::error::Error for StatisticError {}

impl Statistic {
    /// Of one value a process.
    pub fn of(values: &[f64]) -> Result<Statistic, StatisticError> {
        if let Some(process) = values.iter().position(|value| !value.is_finite()) {
            return Err(StatisticError::NotFinite { process, value: values[process] });
        }
        let n = values.len() as f64;
        if n < 2.0 {
            return Err(StatisticError::TooFew { processes: values.len() });
        }
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Ok(Statistic { mean, error: (variance / n).sqrt(), freedom: n - 1.0 })
    }

    /// The difference to a figure that was measured apart, by Welch (1947) and Satterthwaite (1946).
    #[must_use]
    pub fn minus(&self, other: &Statistic) -> Statistic {
        let (a, b) = (self.error.powi(2), other.error.powi(2));
        let freedom = match a + b {
            0.0 => self.freedom.min(other.freedom),
            both => both.powi(2) / (a.powi(2) / self.freedom + b.powi(2) / other.freedom),
        };
        Statistic { mean: self.mean - other.mean, error: (a + b).sqrt(), freedom }
    }

    /// What the true value is below only with probability `alpha`.
    pub fn lower(&self, alpha: f64) -> f64 {
        self.mean - student::quantile(1.0 - alpha, self.freedom) * self.error
    }

    pub fn upper(&self, alpha: f64) -> f64 {
        self.mean + student::quantile(1.0 - alpha, self.freedom) * self.error
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n.is_multiple_of(2) => f64::midpoint(values[half - 1], values[half]),
        _ => values[half],
    }
}

#[cfg(test)]
mod tests;
