//! What receipts say about a metric: the value now, and the values before it.
//!
//! The value now is that of the newest admissible receipt. Before it every receipt counts that can be relied on, also
//! where the bytes that it is about have changed since: that is what a history is.

use jiff::Timestamp;

use super::judge::Court;
use super::receipt::find_metric;
use super::{Inputs, value};
use crate::error::Error;
use crate::plan::decimal::Decimal as Wanted;
use crate::plan::schema::{Comparison, Plan};
use crate::plan::source::Source;
use crate::receipts::statement::Decimal;

/// One receipt's word about a metric.
#[derive(Clone, Debug)]
pub struct Reading {
    pub receipt: String,
    pub time: Timestamp,
    /// `Err` is what stands there instead of a number.
    pub value: Result<Decimal, String>,
    pub unit: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Readings {
    pub current: Option<Reading>,
    /// Oldest first.
    pub all: Vec<Reading>,
    /// Why there is no current value, or what does not count.
    pub warnings: Vec<String>,
}

pub fn of_metric(plan: &Plan, source: &Source, id: &str, inputs: &Inputs<'_>) -> Result<Readings, Error> {
    let court = Court { plan, source, beside: &[], inputs };
    let search = court.measured(id)?;
    let mut places = court.places_of_metric(id);
    places.sort_unstable();
    places.dedup();
    let mut all = Vec::new();
    for place in places.into_iter().rev() {
        let Some(receipt) = inputs.receipts.open(place)? else { continue };
        let Some(found) = find_metric(&receipt.statement.body, id).filter(|_| receipt.fault.is_none()) else {
            continue;
        };
        all.push(Reading { receipt: receipt.id.clone(), time: receipt.time, value: found.number, unit: found.unit });
    }
    let newest = search.admissible.first();
    let current = newest.and_then(|newest| all.iter().rev().find(|reading| reading.receipt == newest.id).cloned());
    Ok(Readings { current, all, warnings: search.warnings })
}

impl Reading {
    /// Whether the value is as wanted; none where it is no number, or of another unit.
    pub fn holds(&self, id: &str, op: Comparison, wanted: Wanted, unit: Option<&str>) -> Option<bool> {
        let number = self.value.as_ref().ok()?;
        self.has_unit(id, unit).then(|| value::holds(number, op, wanted))
    }

    /// Whether the value is in this unit; a part of the metric's id may name it where the receipt doesn't.
    pub fn has_unit(&self, id: &str, unit: Option<&str>) -> bool {
        let found = value::Found { number: self.value.clone(), unit: self.unit.clone() };
        value::unit_fits(unit, &found, id)
    }
}
