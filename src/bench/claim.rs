//! What a user claims of a run, or what must not happen to it: `decode >= 35 tok/s`, `decode < 0.97x`.
//!
//! A claim is terms joined by `and`. A term names a figure, perhaps with the settings it is about, and bounds its value
//! in a unit of its dimension, or its ratio to what the run is compared with (`x`). It is decided on the bounds of the
//! 95% interval: what holds for the whole interval is supported, what holds for none of it is refuted, anything else is
//! inconclusive. Leaves out where the intervals come from.

mod parse;
mod unit;

use std::fmt;

use super::result::{METRICS, Metric, Setting, metric_of};
use super::stats::Interval;

pub use crate::claims::{ClaimError, Sign, Verdict};

/// Terms that must all hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub terms: Vec<Term>,
    /// As it was typed.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub metric: &'static Metric,
    /// The figure is meant under every setting that agrees with this.
    pub setting: Setting,
    pub sign: Sign,
    pub bound: Bound,
    /// As it was typed.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// In the metric's own unit, whichever was written.
    Value(f64),
    /// Of the figure to that of what the run is compared with.
    Ratio(f64),
}

/// What a run knows of one figure that a claim is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub id: String,
    pub setting: Setting,
    /// Median or ratio, and its interval, where there are samples enough for one.
    pub value: f64,
    pub interval: Option<Interval>,
}

/// What became of one term under one setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub term: usize,
    pub evidence: Evidence,
    pub verdict: Verdict,
}

/// A claim, decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
    /// Terms that the run has no figure for: nothing about them is known, so they are inconclusive.
    pub without_evidence: Vec<usize>,
}

impl Claim {
    pub fn parse(text: &str) -> Result<Claim, ClaimError> {
        parse::claim(text)
    }

    /// Whether the run must be compared with something.
    pub fn needs_peer(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.bound, Bound::Ratio(_)))
    }

    /// Decides the claim on what `values` and `ratios` say; of several settings that a term is about all must hold.
    pub fn decide(&self, values: &[Evidence], ratios: &[Evidence]) -> Decision {
        let (mut findings, mut without_evidence) = (Vec::new(), Vec::new());
        for (at, term) in self.terms.iter().enumerate() {
            let evidence = match term.bound {
                Bound::Value(_) => values,
                Bound::Ratio(_) => ratios,
            };
            let about: Vec<&Evidence> = evidence.iter().filter(|one| term.is_about(one)).collect();
            if about.is_empty() {
                without_evidence.push(at);
            }
            findings.extend(about.into_iter().map(|one| Finding {
                term: at,
                evidence: one.clone(),
                verdict: term.judge(one),
            }));
        }
        let unknown = without_evidence.iter().map(|_| Verdict::Inconclusive);
        let verdict = Verdict::all(findings.iter().map(|finding| finding.verdict).chain(unknown));
        Decision { verdict, findings, without_evidence }
    }
}

impl Term {
    fn is_about(&self, evidence: &Evidence) -> bool {
        self.metric.id == evidence.id && is_about(&self.setting, &evidence.setting)
    }

    fn judge(&self, evidence: &Evidence) -> Verdict {
        let (Bound::Value(bound) | Bound::Ratio(bound)) = self.bound;
        let Some(interval) = evidence.interval else { return Verdict::Inconclusive };
        match self.sign.is_lower() {
            true => self.sign.judge(interval.low, interval.high, bound),
            false => self.sign.judge(interval.high, interval.low, bound),
        }
    }
}

/// Whether a figure under the setting `there` is one of those that `wanted` names.
pub fn is_about(wanted: &Setting, there: &Setting) -> bool {
    fn asks<T: PartialEq>(wanted: &Option<T>, there: &Option<T>) -> bool {
        wanted.is_none() || wanted == there
    }
    asks(&wanted.prompt, &there.prompt)
        && asks(&wanted.generated, &there.generated)
        && asks(&wanted.depth, &there.depth)
        && asks(&wanted.batch, &there.batch)
        && asks(&wanted.threads, &there.threads)
        && asks(&wanted.kv, &there.kv)
}

/// Reads a figure without a bound, such as `decode[t2]`.
pub fn figure(text: &str) -> Result<(&'static Metric, Setting), ClaimError> {
    parse::figure(text)
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The name that a metric has in a claim, where the unit is said anyway: `decode`, `decode.bare`, `load.cold`.
pub fn short_name(metric: &Metric) -> &'static str {
    let suffix = metric.unit.to_ascii_lowercase().replace('/', "_");
    match metric.id.strip_suffix(&suffix) {
        Some(rest) => rest.trim_end_matches(['_', '.']),
        None => metric.id,
    }
}

/// The metric of that id or short name.
pub fn metric_named(name: &str) -> Option<&'static Metric> {
    metric_of(name).or_else(|| METRICS.iter().find(|metric| short_name(metric) == name))
}

#[cfg(test)]
mod tests;
