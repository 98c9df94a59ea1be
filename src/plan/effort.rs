//! How much work something is, in hours, as its plan says.

use super::decimal::Decimal;
use super::schema::{Item, Package, Plan};

const HOURS_PER_DAY: i64 = 8;

pub fn hours_per_day(plan: &Plan) -> Decimal {
    let own = plan.calendar.as_ref().and_then(|c| c.hours_per_day.as_ref());
    own.map_or(Decimal::from_int(HOURS_PER_DAY), |hours| hours.value.0)
}

/// The hours of a package, or the likely ones of its estimate.
pub fn of_package(package: &Package) -> Option<Decimal> {
    let hours = package.hours.as_ref().or(package.estimate.as_ref().map(|e| &e.likely));
    hours.map(|hours| hours.value.0)
}

/// The sum of an item's budgets, those for each part counted once a part. None where there are none, or where one
/// says neither hours nor days.
pub fn of_item(item: &Item, hours_per_day: Decimal) -> Option<Decimal> {
    let parts = Decimal::from_int(i64::try_from(item.parts.len().max(1)).ok()?);
    let budgets: Option<Vec<Decimal>> = item
        .effort
        .iter()
        .map(|budget| {
            let hours = budget.hours.as_ref().map(|h| h.value.0);
            let days = || budget.days.as_ref().and_then(|d| d.value.mul(hours_per_day));
            let once = hours.or_else(days)?;
            if budget.each.as_ref().is_some_and(|each| each.value) { once.mul(parts) } else { Some(once) }
        })
        .collect();
    budgets.filter(|all| !all.is_empty()).and_then(Decimal::sum)
}
