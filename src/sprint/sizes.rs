//! Rules about lists of things with sizes (BZ8xx).

use std::collections::HashMap;

use crate::plan::Linted;
use crate::plan::decimal::Decimal;
use crate::plan::finding::Report;
use crate::plan::source::Span;

pub(super) fn sums(linted: &Linted<'_>, report: &mut Report) {
    for inventory in &linted.plan.inventories {
        let Some(total) = &inventory.total else { continue };
        let sizes: Option<Vec<Decimal>> = inventory.entries.iter().map(|e| Some(e.size.as_ref()?.value)).collect();
        let Some(sum) = sizes.filter(|s| !s.is_empty()).and_then(Decimal::sum) else { continue };
        // “About 8,000” may be off by a tenth: less than that nobody can hold against it.
        let tolerance = match inventory.approx.is_some_and(|a| a.value) {
            true => total.value.abs().div(Decimal::from_int(10), 9).unwrap_or_default(),
            false => Decimal::ZERO,
        };
        let unit = inventory.unit.as_ref().map_or(String::new(), |u| format!(" {}", u.value));
        if total.value.sub(sum).is_some_and(|off| off.abs() > tolerance) {
            report
                .find(total.span, format!("{} is declared with {}{unit}", inventory.title.value, total.value))
                .against(inventory.entries[0].span, "its entries begin here")
                .numbers(format!("{}{unit}", total.value), format!("{sum}{unit}"))
                .fix("declare the sum of the entries, or list what is missing");
        }
    }
}

pub(super) fn source(linted: &Linted<'_>, report: &mut Report) {
    let Some(lines) = linted.plan.source.as_ref().and_then(|s| s.lines.as_ref()) else { return };
    for entry in
        linted.plan.inventories.iter().flat_map(|i| &i.entries).filter(|e| e.is_source.is_some_and(|s| s.value))
    {
        let Some(size) = &entry.size else { continue };
        let real = Decimal::from_int(lines.value.into());
        let tolerance = match entry.approx.is_some_and(|a| a.value) {
            true => size.value.abs().div(Decimal::from_int(10), 9).unwrap_or_default(),
            false => Decimal::ZERO,
        };
        if size.value.sub(real).is_some_and(|off| off.abs() > tolerance) {
            report
                .find(size.span, format!("{} is declared with {} lines", entry.name.value, size.value))
                .against(lines.span, "the lines that it has")
                .numbers(size.value, real)
                .fix("declare the lines that it has");
        }
    }
}

pub(super) fn twice(linted: &Linted<'_>, report: &mut Report) {
    let mut declared: HashMap<&str, (u32, Span)> = HashMap::new();
    for deliverable in linted.plan.items.iter().flat_map(|i| &i.deliverables) {
        let (Some(path), Some(lines)) = (&deliverable.path, &deliverable.lines) else { continue };
        let name = path.value.rsplit('/').next().unwrap_or(&path.value);
        declared.insert(name, (lines.value, lines.span));
    }
    for entry in linted.plan.inventories.iter().flat_map(|i| &i.entries) {
        let Some(size) = &entry.size else { continue };
        let Some((lines, span)) = declared.get(entry.name.value.as_str()) else { continue };
        if size.value != Decimal::from_int(i64::from(*lines)) {
            report
                .find(size.span, format!("{} has {} lines here", entry.name.value, size.value))
                .against(*span, format!("{lines} lines there"))
                .numbers(size.value, lines)
                .fix("declare one size");
        }
    }
}
