//! Metrics of a sprint: what is wanted, what receipts say, how it got there, and what the plan merely claims.

use crate::error::Error;
use crate::plan::decimal::Decimal;
use crate::plan::gate::Inputs;
use crate::plan::gate::reading::{self, Reading};
use crate::plan::schema::{Comparison, Metric, Plan, Quantity};
use crate::plan::source::Source;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Met,
    NotMet,
    /// No admissible receipt, or one that can't be compared.
    Unknown,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::NotMet => "not met",
            Verdict::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Measured<'a> {
    pub metric: &'a Metric,
    pub verdict: Verdict,
    pub current: Option<Reading>,
    /// Comparable values, oldest first.
    pub trend: Vec<Reading>,
    /// Why the verdict is unknown.
    pub why: Option<String>,
    pub warnings: Vec<String>,
}

pub fn of<'a>(plan: &'a Plan, source: &Source, inputs: &Inputs<'_>) -> Result<Vec<Measured<'a>>, Error> {
    let mut measured = Vec::new();
    for metric in &plan.metrics {
        let id = metric.id.value.0.as_str();
        let readings = reading::of_metric(plan, source, id, inputs)?;
        let unit = metric.target.as_ref().and_then(unit);
        let mut warnings = readings.warnings;
        let (verdict, why) = match (&readings.current, &metric.target) {
            (None, _) => {
                let why = if warnings.is_empty() { "no receipt measures it".to_owned() } else { warnings.remove(0) };
                (Verdict::Unknown, Some(why))
            }
            (Some(_), None) => (Verdict::Unknown, Some("the plan sets no target".to_owned())),
            (Some(current), Some(target)) => match holds(current, id, target) {
                Some(true) => (Verdict::Met, None),
                Some(false) => (Verdict::NotMet, None),
                None => (Verdict::Unknown, Some(incomparable(current, unit))),
            },
        };
        let mut trend = readings.all;
        trend.retain(|r| r.value.is_ok() && (metric.target.is_none() || r.has_unit(id, unit)));
        measured.push(Measured { metric, verdict, current: readings.current, trend, why, warnings });
    }
    Ok(measured)
}

fn unit(quantity: &Quantity) -> Option<&str> {
    quantity.unit.as_ref().map(|u| u.value.as_str())
}

/// How a target is compared where it doesn't say: more is better.
pub fn operator(target: &Quantity) -> Comparison {
    target.op.as_ref().map_or(Comparison::AtLeast, |op| op.value)
}

/// A target of two numbers is a range, both ends included.
fn holds(current: &Reading, id: &str, target: &Quantity) -> Option<bool> {
    let compare = |op, wanted: Decimal| current.holds(id, op, wanted, unit(target));
    match &target.to {
        Some(to) => Some(compare(Comparison::AtLeast, target.value.value)? && compare(Comparison::AtMost, to.value)?),
        None => compare(operator(target), target.value.value),
    }
}

fn incomparable(current: &Reading, unit: Option<&str>) -> String {
    match &current.value {
        Err(what) => format!("the receipt says {what}, which is no number"),
        Ok(_) => format!(
            "the receipt's value is in {}, and {} is asked for",
            current.unit.as_deref().unwrap_or("no unit"),
            unit.unwrap_or("no unit")
        ),
    }
}
