//! Progress: what is claimed against what is proven, as bars, as Markdown, as JSON.

use serde_json::{Map, Value, json};

use super::super::View;
use super::verbatim;
use crate::plan::decimal::Decimal;
use crate::plan::gate::{Decision, Outcome};
use crate::roadmap::progress::{Amount, Boxes, By, Progress, Row, Sum};
use crate::ui::{Align, Grid, Line, Page, Tone};
use crate::view::escape;

pub(crate) struct Status {
    pub(crate) plans: Vec<Progress>,
    pub(crate) by: Vec<By>,
    pub(crate) markdown: bool,
}

/// Below this the columns of the table no longer fit, and each row becomes two lines.
const WIDE: usize = 72;
const BAR: u32 = 16;

fn hours(amount: Amount) -> String {
    format!("{} h", amount.hours)
}

fn of_whole(row: &Row) -> String {
    match (&row.name, &row.title) {
        (Some(name), Some(title)) if title.to_lowercase() != name.to_lowercase() => format!("{name} ({title})"),
        (Some(name), _) => name.clone(),
        (None, _) => "(none)".into(),
    }
}

fn gate(decision: &Decision) -> String {
    let (met, all) = (decision.count("met"), decision.criteria.len());
    match decision.outcome {
        Outcome::Met => format!("open, {met} of {all}"),
        outcome => format!("{}, {met} of {all}", outcome.word()),
    }
}

/// Proven, claimed beyond that, and the rest, as cells. What is there shows, and only what is whole looks whole.
fn cells(sum: &Sum) -> [usize; 3] {
    let told = |part: Amount| -> u32 {
        let by_hours = !sum.all.hours.is_zero();
        let count = |n: usize| Decimal::from_int(i64::try_from(n).unwrap_or(i64::MAX));
        let (part, all) =
            if by_hours { (part.hours, sum.all.hours) } else { (count(part.works), count(sum.all.works)) };
        if part.is_zero() || all.is_zero() {
            return 0;
        }
        if part >= all {
            return BAR;
        }
        let exact = part.mul(Decimal::from_int(i64::from(BAR))).and_then(|p| p.div(all, 0));
        exact.and_then(|n| n.to_string().parse::<u32>().ok()).unwrap_or(0).clamp(1, BAR - 1)
    };
    let proven = told(sum.proven);
    let claimed = told(sum.unproven).min(BAR - proven);
    [proven, claimed, BAR - proven - claimed].map(|n| n as usize)
}

fn bar(sum: &Sum) -> String {
    let [proven, claimed, rest] = cells(sum);
    format!("{}{}{}", "█".repeat(proven), "▒".repeat(claimed), "░".repeat(rest))
}

fn toned_bar(line: Line, sum: &Sum) -> Line {
    let [proven, claimed, rest] = cells(sum);
    line.toned(Tone::Good, "█".repeat(proven)).toned(Tone::Warn, "▒".repeat(claimed)).toned(Tone::Dim, "░".repeat(rest))
}

fn summary(sum: &Sum) -> String {
    let share = sum.proven.percent_of(sum.all).map_or(String::new(), |p| format!(" ({p} %)"));
    let unit = |amount: Amount| {
        if sum.all.hours.is_zero() { amount.works.to_string() } else { hours(amount) }
    };
    let pieces = if sum.all.hours.is_zero() { " pieces of work" } else { "" };
    let mut text = format!("{} of {}{pieces} proven{share}", unit(sum.proven), unit(sum.all));
    if sum.unproven.works > 0 {
        text += &format!(", {} claimed without proof", unit(sum.unproven));
    }
    text
}

impl Status {
    fn plan(&self, progress: &Progress, page: &mut Page) {
        page.heading(format!("{}: {}", progress.plan, progress.title));
        let whole = &progress.whole;
        if whole.all.works > 0 {
            page.line(toned_bar(Line::new(), whole).text("  ").text(summary(whole)).hanging(2));
        } else {
            page.text("no packages and no items: nothing that could be proven");
        }
        for line in remarks(progress) {
            page.line(Line::new().toned(Tone::Dim, line).hanging(2));
        }
        for (by, rows) in progress.by.iter().filter(|(by, _)| self.by.contains(by)) {
            page.blank();
            if rows.is_empty() {
                page.text(format!("no work names its {}", by.word()));
                continue;
            }
            page.either(WIDE, wide(*by, rows), narrow(*by, rows));
        }
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        for progress in &self.plans {
            text += &format!("### {}: {}\n\n", escape::markdown(&progress.plan), escape::markdown(&progress.title));
            if progress.whole.all.works > 0 {
                text += &format!("{}\n\n", summary(&progress.whole));
            }
            for line in remarks(progress) {
                text += &format!("{line}\n\n");
            }
            for (by, rows) in progress.by.iter().filter(|(by, rows)| self.by.contains(by) && !rows.is_empty()) {
                let shown = Shown::of(rows);
                text += &format!("| {} | proven | claimed | all |", by.word());
                text += if shown.boxes { " ticked |" } else { "" };
                text += if shown.gates { " gate |" } else { "" };
                text += "\n|---|---:|---:|---:|";
                text += if shown.boxes { "---:|" } else { "" };
                text += if shown.gates { "---|\n" } else { "\n" };
                for row in rows {
                    let Sum { proven, claimed, all, .. } = row.sum;
                    let amounts = [proven, claimed, all]
                        .map(|a| if shown.hours { format!("{} ({})", hours(a), a.works) } else { a.works.to_string() });
                    text += &format!("| {} | {} |", escape::markdown(&of_whole(row)), amounts.join(" | "));
                    if shown.boxes {
                        text += &format!(" {} |", ticks(row.boxes));
                    }
                    if shown.gates {
                        text += &format!(" {} |", gate_of(row));
                    }
                    text.push('\n');
                }
                text.push('\n');
            }
        }
        text
    }
}

fn remarks(progress: &Progress) -> Vec<String> {
    let mut remarks = Vec::new();
    let sum = &progress.whole;
    if sum.refuted.works > 0 {
        remarks.push(format!("{} called done and disproved by evidence", pieces(sum.refuted.works)));
    }
    if sum.unsized_works > 0 && !sum.all.hours.is_zero() {
        remarks.push(format!("{} without hours", pieces(sum.unsized_works)));
    }
    let Boxes { ticked, all } = progress.boxes;
    if all > 0 {
        remarks.push(format!("{ticked} of {all} boxes ticked; a tick proves nothing"));
    }
    remarks
}

fn pieces(n: usize) -> String {
    if n == 1 { "1 piece of work is".into() } else { format!("{n} pieces of work are") }
}

/// What the rows of one kind have to show.
struct Shown {
    work: bool,
    hours: bool,
    boxes: bool,
    gates: bool,
}

impl Shown {
    fn of(rows: &[Row]) -> Shown {
        Shown {
            work: rows.iter().any(|row| row.sum.all.works > 0),
            hours: rows.iter().any(|row| !row.sum.all.hours.is_zero()),
            boxes: rows.iter().any(|row| row.boxes.all > 0),
            gates: rows.iter().any(|row| row.gate.is_some()),
        }
    }
}

fn ticks(boxes: Boxes) -> String {
    format!("{} of {}", boxes.ticked, boxes.all)
}

fn gate_of(row: &Row) -> String {
    row.gate.as_ref().map_or("no gate".into(), gate)
}

fn wide(by: By, rows: &[Row]) -> Page {
    let shown = Shown::of(rows);
    let mut header = vec![(by.word(), Align::Left)];
    if shown.work {
        header.push(("", Align::Left));
        if shown.hours {
            header.extend(["proven", "claimed", "all"].map(|word| (word, Align::Right)));
        }
        header.push((if shown.hours { "count" } else { "proven/claimed/all" }, Align::Right));
    }
    header.extend(shown.boxes.then_some(("ticked", Align::Right)));
    header.extend(shown.gates.then_some(("gate", Align::Left)));
    let mut grid = Grid::new(header);
    for row in rows {
        let Sum { proven, claimed, all, .. } = row.sum;
        let mut cells = vec![of_whole(row)];
        if shown.work {
            cells.push(bar(&row.sum));
            if shown.hours {
                cells.extend([proven, claimed, all].map(hours));
            }
            cells.push(format!("{}/{}/{}", proven.works, claimed.works, all.works));
        }
        cells.extend(shown.boxes.then(|| ticks(row.boxes)));
        cells.extend(shown.gates.then(|| gate_of(row)));
        grid.row(cells);
    }
    let mut page = Page::new();
    page.grid(grid);
    page
}

fn narrow(by: By, rows: &[Row]) -> Page {
    let shown = Shown::of(rows);
    let mut page = Page::new();
    page.heading(format!("by {}", by.word()));
    for row in rows {
        let Sum { proven, claimed, all, .. } = row.sum;
        let mut head = Line::new().text(of_whole(row));
        if shown.boxes {
            head = head.toned(Tone::Dim, format!("  ticked: {}", ticks(row.boxes)));
        }
        if shown.gates {
            head = head.toned(Tone::Dim, format!("  gate: {}", gate_of(row)));
        }
        page.line(head.hanging(4));
        if shown.work {
            let numbers = if shown.hours {
                format!(" {}/{}/{}", proven.hours, claimed.hours, hours(all))
            } else {
                format!(" {}/{}/{}", proven.works, claimed.works, all.works)
            };
            page.line(toned_bar(Line::new().text("  "), &row.sum).text(numbers).hanging(4));
        }
    }
    if shown.work {
        page.line(Line::new().toned(Tone::Dim, "(proven/claimed/all)"));
    }
    page
}

fn amount(amount: Amount) -> Value {
    json!({ "works": amount.works, "hours": amount.hours.to_string() })
}

fn boxes(boxes: Boxes) -> Value {
    json!({ "ticked": boxes.ticked, "all": boxes.all })
}

fn sum(sum: &Sum) -> Value {
    json!({
        "all": amount(sum.all),
        "claimed": amount(sum.claimed),
        "proven": amount(sum.proven),
        "claimed_unproven": amount(sum.unproven),
        "claimed_disproved": amount(sum.refuted),
        "without_hours": sum.unsized_works,
        "proven_percent": sum.proven.percent_of(sum.all).map(|p| p.to_string()),
    })
}

impl View for Status {
    fn page(&self) -> Page {
        if self.markdown {
            return verbatim(self.markdown());
        }
        let mut page = Page::new();
        for (n, progress) in self.plans.iter().enumerate() {
            if n > 0 {
                page.blank();
            }
            self.plan(progress, &mut page);
        }
        page
    }

    fn json(&self) -> Value {
        let row = |by: By, row: &Row| {
            let mut value = sum(&row.sum);
            value["name"] = row.name.as_deref().into();
            value["title"] = row.title.as_deref().into();
            if by == By::Phase {
                value["boxes"] = boxes(row.boxes);
                value["gate"] = row.gate.as_ref().map_or(Value::Null, |decision| {
                    json!({
                        "outcome": decision.outcome.word(),
                        "met": decision.count("met"),
                        "criteria": decision.criteria.len(),
                        "policy": decision.policy,
                    })
                });
            }
            value
        };
        let plan = |progress: &Progress| {
            let by: Map<String, Value> = progress
                .by
                .iter()
                .map(|(by, rows)| (by.word().to_owned(), rows.iter().map(|r| row(*by, r)).collect()))
                .collect();
            json!({
                "plan": progress.plan,
                "title": progress.title,
                "whole": sum(&progress.whole),
                "by": by,
                "boxes": boxes(progress.boxes),
            })
        };
        json!({ "plans": self.plans.iter().map(plan).collect::<Vec<_>>() })
    }
}
