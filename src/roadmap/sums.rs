//! Rules about numbers that follow from other numbers (BZ2xx). Exact; what rounding alone explains is let pass.

use crate::plan::Linted;
use crate::plan::decimal::Decimal;
use crate::plan::expr::{self, Numbers};
use crate::plan::finding::Report;
use crate::plan::read::Named;
use crate::plan::scalars::Hours;
use crate::plan::source::At;

fn int(n: i64) -> Decimal {
    Decimal::from_int(n)
}

/// How much smaller `to` is than `from`, in percent.
fn reduction(from: Decimal, to: Decimal) -> Option<Decimal> {
    from.sub(to)?.mul(int(100))?.div(from, 9)
}

fn percent(n: Decimal) -> String {
    format!("{n} %")
}

/// At most two digits after the point: enough to see what is wrong.
fn short(n: Decimal) -> String {
    n.div(int(1), 2).unwrap_or(n).to_string()
}

impl Numbers for Linted<'_> {
    fn select(&self, path: &str, filters: &[(String, String)]) -> Option<Vec<Decimal>> {
        let one = int(1);
        let passes = |fields: &[(&str, Option<&str>)]| {
            filters.iter().all(|(key, value)| fields.iter().any(|(k, v)| k == key && *v == Some(value.as_str())))
        };
        let mut all = Vec::new();
        match path {
            "package" | "package.hours" => {
                for phase in self.phases() {
                    for package in &phase.packages {
                        let fields = [
                            ("phase", Some(phase.id.value.0.as_str())),
                            ("category", package.category.as_ref().map(|c| c.value.0.as_str())),
                            ("priority", package.priority.as_ref().map(|p| p.value.word())),
                            ("status", package.status.as_ref().map(|s| s.value.as_str())),
                        ];
                        let value =
                            if path == "package" { Some(one) } else { package.hours.as_ref().map(|h| h.value.0) };
                        all.extend(value.filter(|_| passes(&fields)));
                    }
                }
            }
            "phase" => all.extend(self.phases().map(|_| one)),
            "criterion" => all.extend(self.criteria().map(|_| one)),
            "item" => {
                for item in &self.plan.items {
                    let fields = [
                        ("category", item.category.as_ref().map(|c| c.value.0.as_str())),
                        ("lead", item.lead.as_ref().map(|l| l.value.0.as_str())),
                    ];
                    all.extend(passes(&fields).then_some(one));
                }
            }
            "item.tests" => {
                all.extend(
                    self.plan
                        .items
                        .iter()
                        .flat_map(|i| &i.deliverables)
                        .filter_map(|d| Some(int(d.tests.as_ref()?.value.into()))),
                );
            }
            "item.lines" => {
                all.extend(
                    self.plan
                        .items
                        .iter()
                        .flat_map(|i| &i.deliverables)
                        .filter_map(|d| Some(int(d.lines.as_ref()?.value.into()))),
                );
            }
            "inventory.size" => {
                for inventory in &self.plan.inventories {
                    if passes(&[("id", Some(inventory.id.value.0.as_str()))]) {
                        all.extend(inventory.entries.iter().filter_map(|e| e.size.as_ref()).map(|s| s.value));
                    }
                }
            }
            "person" => all.extend(self.plan.people.iter().map(|_| one)),
            "day" => all.extend(self.plan.days.iter().map(|_| one)),
            "work.hours" => {
                for day in &self.plan.days {
                    for work in day.work.iter().chain(day.schedule.iter().flat_map(|s| &s.work)) {
                        let people = i64::try_from(work.who.len()).unwrap_or(0);
                        all.extend(work.hours.as_ref().and_then(|h| h.value.0.mul(int(people))));
                    }
                }
            }
            _ => return None,
        }
        Some(all)
    }
}

pub(super) fn stated_sums(linted: &Linted<'_>, report: &mut Report) {
    for check in &linted.plan.checks {
        let unit = check.unit.as_ref().map_or(String::new(), |u| format!(" {}", u.value));
        match expr::evaluate(&check.expr.value, linted) {
            Ok(value) if check.equals.value == value => {}
            Ok(value) if check.approx.is_some_and(|a| a.value) && check.equals.value.could_print(value) => {}
            Ok(value) => report
                .find(check.equals.span, format!("{} is stated to be {}{unit}", check.expr.value, check.equals.value))
                .against(check.expr.span, "what it is said to be the value of")
                .numbers(format!("{}{unit}", check.equals.value), format!("{}{unit}", short(value)))
                .fix("correct the stated number, or what it adds up"),
            Err(why) => report
                .find(check.expr.span, format!("{} can't be computed: {why}", check.expr.value))
                .fix("write for example sum(package.hours[phase=genesis]), count(item) or 50 * 10"),
        }
    }
    let Some(effort) = &linted.plan.effort else { return };
    let compare = |stated: &At<Hours>, what: String, filters: &[(String, String)], report: &mut Report| {
        let sum = linted.select("package.hours", filters).and_then(Decimal::sum);
        if let Some(sum) = sum.filter(|sum| *sum != stated.value.0) {
            report
                .find(stated.span, format!("the hours of {what} are stated as {}", stated.value.0))
                .numbers(format!("{} h", stated.value.0), format!("{sum} h"))
                .fix("correct the stated sum, or the hours of its packages");
        }
    };
    if let Some(total) = &effort.total {
        compare(total, "all packages".into(), &[], report);
    }
    let by = |named: &Named<At<Hours>>, key: &str, report: &mut Report| {
        for (name, stated) in &named.0 {
            let filter = [(key.to_owned(), name.value.clone())];
            compare(stated, format!("{key} {}", name.value), &filter, report);
        }
    };
    by(&effort.by_phase, "phase", report);
    by(&effort.by_category, "category", report);
}

pub(super) fn step_percentages(linted: &Linted<'_>, report: &mut Report) {
    let Some(costs) = &linted.plan.costs else { return };
    for step in &costs.steps {
        let Some(stated) = &step.percent else { continue };
        let Some(real) = reduction(step.from.value, step.to.value) else { continue };
        if !stated.value.could_print(real) {
            report
                .find(stated.span, format!("{} is said to take off {}", step.name.value, percent(stated.value)))
                .against(step.from.span, format!("from {} to {} {}", step.from.value, step.to.value, costs.unit.value))
                .numbers(percent(stated.value), format!("{} %", short(real)))
                .fix("correct the percentage, or the two amounts");
        }
    }
}

pub(super) fn chain(linted: &Linted<'_>, report: &mut Report) {
    let Some(costs) = &linted.plan.costs else { return };
    let mut before = &costs.start;
    for step in &costs.steps {
        if step.from.value != before.value {
            report
                .find(step.from.span, format!("{} begins at {}", step.name.value, step.from.value))
                .against(before.span, "where the step before ended")
                .numbers(step.from.value, before.value)
                .fix("begin each step where the one before ended");
        }
        before = &step.to;
    }
    for total in &costs.totals {
        if let Some(real) = reduction(costs.start.value, total.to.value)
            && !total.percent.value.could_print(real)
        {
            report
                .find(
                    total.percent.span,
                    format!("{} is said to be {}", total.name.value, percent(total.percent.value)),
                )
                .against(
                    total.to.span,
                    format!("from {} to {} {}", costs.start.value, total.to.value, costs.unit.value),
                )
                .numbers(percent(total.percent.value), format!("{} %", short(real)))
                .fix("correct the percentage, or the amount");
        }
        let after = total.after.as_ref().and_then(|id| costs.steps.iter().find(|s| s.id.value == id.value));
        if let Some(step) = after.filter(|s| s.to.value != total.to.value) {
            report
                .find(total.to.span, format!("{} ends at {}", total.name.value, total.to.value))
                .against(step.to.span, format!("{} ends here", step.name.value))
                .numbers(total.to.value, step.to.value)
                .fix("let the total end where its last step ends");
        }
    }
    for pair in costs.totals.windows(2) {
        let Some(more) = &pair[1].more else { continue };
        if let Some(real) = pair[1].percent.value.sub(pair[0].percent.value).filter(|real| *real != more.value) {
            report
                .find(more.span, format!("{} is said to add {}", pair[1].name.value, percent(more.value)))
                .against(pair[0].percent.span, "what there was before")
                .numbers(percent(more.value), percent(real))
                .fix("correct the difference");
        }
    }
}

pub(super) fn scale(linted: &Linted<'_>, report: &mut Report) {
    for scale in linted.plan.costs.iter().flat_map(|c| &c.scale) {
        let unit = scale.unit.as_ref().map_or(String::new(), |u| format!(" {}", u.value));
        match expr::evaluate(&scale.expr.value, linted) {
            Ok(real) if real == scale.claim.value => {}
            Ok(real) => report
                .find(scale.claim.span, format!("{}: {} is claimed", scale.name.value, scale.claim.value))
                .against(scale.expr.span, scale.expr.value.clone())
                .numbers(format!("{}{unit}", scale.claim.value), format!("{}{unit}", short(real)))
                .fix("correct the projection: it follows from numbers that the plan has itself"),
            Err(why) => {
                report
                    .find(scale.expr.span, format!("{} can't be computed: {why}", scale.expr.value))
                    .fix("write a product such as 500 * 1000");
            }
        }
    }
}

pub(super) fn claims(linted: &Linted<'_>, report: &mut Report) {
    for (item, claim) in linted.plan.items.iter().flat_map(|i| i.claims.iter().map(move |c| (i, c))) {
        let (Some(from), Some(to)) = (&claim.from, &claim.to) else { continue };
        // What is saved says what is left: from 71 % saved to 85 % saved is from 29 to 15.
        let (was, is) = if claim.saved.is_some_and(|s| s.value) {
            let left = |n: &At<Decimal>| int(100).sub(n.value);
            let (Some(was), Some(is)) = (left(from), left(to)) else { continue };
            (was, is)
        } else {
            (from.value, to.value)
        };
        let (larger, smaller) = if was > is { (was, is) } else { (is, was) };
        if let Some(factor) = &claim.factor
            && let Some(real) = larger.div(smaller, 9)
            && !factor.value.could_print(real)
        {
            report
                .find(factor.span, format!("{} claims {}× for {}", item.id.value, factor.value, claim.what.value))
                .against(from.span, format!("from {} to {}", from.value, to.value))
                .numbers(format!("{}×", factor.value), format!("{}×", short(real)))
                .fix("correct the factor, or the two numbers that it is the ratio of");
        }
        if let Some(stated) = &claim.percent
            && let Some(real) = reduction(was, is).map(Decimal::abs)
            && !stated.value.could_print(real)
        {
            report
                .find(
                    stated.span,
                    format!("{} claims {} for {}", item.id.value, percent(stated.value), claim.what.value),
                )
                .against(from.span, format!("from {} to {}", from.value, to.value))
                .numbers(percent(stated.value), format!("{} %", short(real)))
                .fix("correct the percentage, or the two numbers that it comes from");
        }
    }
}

pub(super) fn restated(linted: &Linted<'_>, report: &mut Report) {
    let Some(costs) = &linted.plan.costs else { return };
    for claim in &costs.claims {
        let Some(step) = costs.steps.iter().find(|s| s.id.value == claim.step.value) else { continue };
        if let (Some(here), Some(there)) = (&claim.percent, &step.percent)
            && here.value != there.value
        {
            report
                .find(
                    here.span,
                    format!("{}: {} takes off {}", claim.r#where.value, step.name.value, percent(here.value)),
                )
                .against(there.span, format!("{} in the chain", percent(there.value)))
                .numbers(percent(here.value), percent(there.value))
                .fix("tell it once, or tell it alike");
        }
        if let Some(whole) = &claim.total_percent
            && let Some(real) = reduction(costs.start.value, step.to.value)
            && !whole.value.could_print(real)
        {
            report
                .find(
                    whole.span,
                    format!(
                        "{}: {} in all once {} is done",
                        claim.r#where.value,
                        percent(whole.value),
                        step.name.value
                    ),
                )
                .against(step.to.span, format!("from {} to {} {}", costs.start.value, step.to.value, costs.unit.value))
                .numbers(percent(whole.value), format!("{} %", short(real)))
                .fix("correct the percentage: the chain is not that far yet");
        }
    }
}

pub(super) fn parts(linted: &Linted<'_>, report: &mut Report) {
    for step in linted.plan.costs.iter().flat_map(|c| &c.steps).filter(|s| !s.parts.is_empty()) {
        let sum = Decimal::sum(step.parts.iter().map(|p| p.amount.value));
        let (Some(sum), Some(whole)) = (sum, step.from.value.sub(step.to.value)) else { continue };
        if sum != whole {
            report
                .find(step.from.span, format!("{} takes off {whole}", step.name.value))
                .against(step.parts[0].span, "its parts begin here")
                .numbers(whole, sum)
                .fix("name the part that is missing, or correct the amounts");
        }
    }
}

pub(super) fn journey(linted: &Linted<'_>, report: &mut Report) {
    let Some(journey) = &linted.plan.journey else { return };
    let Some(month) = &journey.month else { return };
    let elapsed =
        journey.years.value.mul(int(12)).and_then(|months| int(month.value.into()).mul(int(100))?.div(months, 9));
    if let Some(elapsed) = elapsed.filter(|e| !journey.percent.value.0.could_print(*e)) {
        report
            .find(
                journey.percent.span,
                format!("{} of {} years are said to be over", percent(journey.percent.value.0), journey.years.value),
            )
            .against(month.span, format!("month {}", month.value))
            .numbers(percent(journey.percent.value.0), format!("{} %", short(elapsed)))
            .fix("correct the percentage or the month, or say what else the percentage measures");
    }
}
/// The three points of an estimate, and the single number beside them.
pub(super) fn estimates(linted: &Linted<'_>, report: &mut Report) {
    for package in linted.packages() {
        let Some(estimate) = &package.estimate else { continue };
        let [low, likely, high] = [estimate.low, estimate.likely, estimate.high].map(|h| h.value.0);
        let mut sorted = [low, likely, high];
        sorted.sort();
        if sorted != [low, likely, high] {
            let [a, b, c] = sorted;
            report
                .find(estimate.span, format!("the estimate of {} is out of order", package.id.value))
                .numbers(format!("low {low}, likely {likely}, high {high}"), format!("low {a}, likely {b}, high {c}"))
                .fix("write low, likely and high in the order of their size");
        } else if let Some(hours) = package.hours.filter(|h| h.value.0 < low || h.value.0 > high) {
            report
                .find(hours.span, format!("the hours of {} lie outside its own estimate", package.id.value))
                .against(estimate.span, "its estimate")
                .numbers(format!("{} h", hours.value.0), format!("{low} to {high} h"))
                .fix("correct the hours or the estimate");
        }
    }
}
