//! Roadmaps: the lint rules that any plan is held to, import, rendering, changes between revisions, forecasts, progress, what to do next, the graph of needs.
//!
//! Rules about days, people and sizes are in [`crate::sprint`]; those here are about text, status, arithmetic, order
//! and coverage. Gates are decided in [`crate::plan::gate`].

mod coverage;
pub mod diff;
pub mod facts;
pub mod forecast;
pub mod graph;
pub mod import;
mod markdown;
pub mod next;
mod order;
pub mod progress;
pub mod render;
mod status;
mod sums;

use crate::plan::finding::{Code, Rule, Severity};

const fn rule(
    code: u16,
    severity: Severity,
    title: &'static str,
    check: fn(&crate::plan::Linted<'_>, &mut crate::plan::finding::Report),
) -> Rule {
    Rule { code: Code(code), severity, title, check }
}

pub const RULES: &[Rule] = &[
    rule(1, Severity::Error, "text that was read in the wrong encoding", status::damaged_text),
    // BZ002 is found by the engine itself, which reads the exceptions.
    rule(2, Severity::Error, "an exception without reason, rule or use", |_, _| {}),
    rule(101, Severity::Error, "done, with a part that is open", status::open_child),
    rule(102, Severity::Error, "ticked, with the work open", status::ticked_but_open),
    rule(103, Severity::Error, "one icon for two meanings", status::shared_icons),
    rule(104, Severity::Error, "unknown here, recorded there", status::recorded_elsewhere),
    rule(105, Severity::Warning, "ticked, with nothing behind it", status::ticked_without_anything),
    rule(201, Severity::Error, "a stated sum is not the sum", sums::stated_sums),
    rule(202, Severity::Error, "a step's percentage is not what the step does", sums::step_percentages),
    rule(203, Severity::Error, "a chain that doesn't hold together", sums::chain),
    rule(204, Severity::Error, "a projection that doesn't follow from its numbers", sums::scale),
    rule(205, Severity::Error, "a factor or percentage that its own numbers contradict", sums::claims),
    rule(206, Severity::Error, "one quantity, told twice and differently", sums::restated),
    rule(207, Severity::Error, "parts that don't add up to their step", sums::parts),
    rule(208, Severity::Error, "progress along the way against time elapsed", sums::journey),
    rule(209, Severity::Error, "an estimate whose points are out of order", sums::estimates),
    rule(401, Severity::Error, "a cycle of needs", order::cycles),
    rule(402, Severity::Error, "used before it is there", order::used_early),
    rule(403, Severity::Error, "a gate that needs work of a later phase", order::later_phase),
    rule(404, Severity::Warning, "a critical path that isn't the longest", order::critical_path),
    rule(405, Severity::Error, "approved before the evidence exists", order::approved_early),
    rule(406, Severity::Error, "a metric reported before its instrument", order::metric_early),
    rule(407, Severity::Warning, "blocked work on the schedule", order::blocked_but_scheduled),
    rule(701, Severity::Info, "a criterion that no work leads to", coverage::uncovered_criteria),
    rule(702, Severity::Info, "work that no criterion needs", coverage::unneeded_work),
    rule(703, Severity::Warning, "a criterion without evidence", coverage::no_evidence),
    rule(704, Severity::Error, "an average weaker than its minimums", coverage::weak_average),
    rule(705, Severity::Error, "evidence weaker than the target", coverage::weak_evidence),
    rule(706, Severity::Error, "evidence that no gate can decide", coverage::undecidable),
];
