//! What a manifest says of a kernel's speed, read into something that measurements can decide:
//! `ratio >= 2.0 over candle-naive@0.11.1 on S>=1024`.
//!
//! Leaves out where the times come from and how sure they are ([`super::timing`]): here stand the grammar, the shapes
//! that a claim is about, and what a verdict on each of them makes of the whole.

mod parse;

use std::fmt;

use super::timing::Statistic;
use super::timing::session::Spent;

pub use crate::claims::{ClaimError, Sign, Verdict};
pub use parse::Known;

/// One claim, as its manifest writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// As it was typed.
    pub text: String,
    pub what: What,
    pub shapes: Shapes,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The baseline's time over the kernel's, bounded on every shape.
    Ratio { sign: Sign, bound: f64, baseline: String },
    /// At least `least` on every shape, and at least `reached` on each that `at` names.
    Between { least: f64, reached: f64, at: Vec<Condition>, baseline: String },
    /// The kernel's share of its own device's roofline falls short of another device's, in a receipt, by less than this
    /// share.
    Gap { below: f64, receipt: String },
    /// The kernel's bytes a second, as a share of what the memory gave in the same session.
    Bandwidth { sign: Sign, share: f64 },
}

/// What a claim is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Shapes {
    /// All that the manifest has.
    All,
    /// All of a file beside the manifest.
    File(String),
    /// Those that meet every condition.
    Where(Vec<Condition>),
}

/// `S>=1024`, `D=64`, `S=512..2048`, `causal=true`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub name: String,
    pub test: Test,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Test {
    Is(Sign, u64),
    Equal(u64),
    /// Both ends belong to it.
    Within(u64, u64),
}

impl Condition {
    /// A shape that doesn't have the size at all is not meant.
    pub fn holds(&self, size: &dyn Fn(&str) -> Option<u64>) -> bool {
        size(&self.name).is_some_and(|value| match self.test {
            Test::Is(sign, bound) => sign.holds(value, bound),
            Test::Equal(wanted) => value == wanted,
            Test::Within(low, high) => low <= value && value <= high,
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.test {
            Test::Is(sign, bound) => write!(f, "{}{}{bound}", self.name, sign.text()),
            Test::Equal(wanted) => write!(f, "{}={wanted}", self.name),
            Test::Within(low, high) => write!(f, "{}={low}..{high}", self.name),
        }
    }
}

impl Claim {
    pub fn parse(text: &str, known: &Known<'_>) -> Result<Claim, ClaimError> {
        parse::claim(text, known)
    }

    /// What the kernel is compared with, where it is compared in this session.
    pub fn baseline(&self) -> Option<&str> {
        match &self.what {
            What::Ratio { baseline, .. } | What::Between { baseline, .. } => Some(baseline),
            What::Gap { .. } | What::Bandwidth { .. } => None,
        }
    }

    /// Whether a shape of the manifest's own is meant; those of a file are all meant.
    pub fn is_about(&self, size: &dyn Fn(&str) -> Option<u64>) -> bool {
        match &self.shapes {
            Shapes::All | Shapes::File(_) => true,
            Shapes::Where(conditions) => conditions.iter().all(|one| one.holds(size)),
        }
    }

    /// What is asked of the figure on one shape: how it is bounded, and by what. The figure is a ratio to the baseline, or
    /// a share of a bandwidth; of a gap it is the ratio of two shares of a roofline.
    pub fn asks(&self, size: &dyn Fn(&str) -> Option<u64>) -> (Sign, f64) {
        match &self.what {
            What::Ratio { sign, bound, .. } => (*sign, *bound),
            What::Between { reached, at, .. } if at.iter().all(|one| one.holds(size)) => (Sign::AtLeast, *reached),
            What::Between { least, .. } => (Sign::AtLeast, *least),
            What::Gap { below, .. } => (Sign::More, 1.0 - below),
            What::Bandwidth { sign, share } => (*sign, *share),
        }
    }

    /// Whether some shape must reach more than the rest, and none of these does: then the claim can't be supported.
    pub fn misses_its_peak<'s>(&self, shapes: impl IntoIterator<Item = &'s dyn Fn(&str) -> Option<u64>>) -> bool {
        let What::Between { at, .. } = &self.what else { return false };
        !shapes.into_iter().any(|size| at.iter().all(|one| one.holds(size)))
    }

    /// The verdict on one shape, from the logarithm of its figure.
    pub fn judge(sign: Sign, bound: f64, found: &Statistic, spent: Spent) -> Verdict {
        let (at_risk, at_best) = match sign.is_lower() {
            true => (found.lower(spent.support), found.upper(spent.refute)),
            false => (found.upper(spent.support), found.lower(spent.refute)),
        };
        sign.judge(at_risk, at_best, bound.ln())
    }
}

#[cfg(test)]
mod tests;
