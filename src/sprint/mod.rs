//! Sprints: where they stand by what is proven, and the lint rules about days, people, progress and sizes.
//!
//! The rules hold for any plan that speaks of such things.

mod calendar;
pub mod day;
pub mod gonogo;
pub mod metrics;
pub mod next;
mod people;
mod progress;
pub mod risks;
mod sizes;
pub mod standup;
pub mod status;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod work;

use crate::plan::finding::{Code, Report, Rule, Severity};

const fn rule(
    code: u16,
    severity: Severity,
    title: &'static str,
    check: fn(&crate::plan::Linted<'_>, &mut Report),
) -> Rule {
    Rule { code: Code(code), severity, title, check }
}

pub const RULES: &[Rule] = &[
    rule(301, Severity::Error, "a date on which nobody works", calendar::idle_dates),
    rule(302, Severity::Error, "start and target against the numbered days", calendar::length),
    rule(303, Severity::Error, "declared working days against the calendar", calendar::declared_days),
    rule(304, Severity::Error, "dated days out of step", calendar::steps),
    rule(305, Severity::Warning, "windows with a gap or an overlap", calendar::windows),
    rule(306, Severity::Error, "times that clash", calendar::times),
    rule(307, Severity::Error, "a rollout longer than declared, or with a jump", calendar::rollout),
    rule(308, Severity::Warning, "scheduled before its window", calendar::before_window),
    rule(309, Severity::Warning, "a week named after a day that isn't its first", calendar::week_of),
    rule(501, Severity::Error, "more hours in a day than a person has", people::capacity),
    rule(502, Severity::Warning, "a part in an item, and no hours for it", people::owners_without_hours),
    rule(503, Severity::Warning, "work outside the window of its item", people::outside_window),
    rule(504, Severity::Warning, "scheduled hours against the budget", people::budget),
    rule(505, Severity::Error, "assignments against the roster", people::roster),
    rule(506, Severity::Warning, "someone who approves their own work", people::own_approval),
    rule(507, Severity::Info, "a team's focus on another team's item", people::focus),
    rule(508, Severity::Error, "declared numbers of teams, people or items", people::declared),
    rule(601, Severity::Error, "a count of complete items against the items", progress::counts),
    rule(602, Severity::Error, "called complete below 100 %", progress::complete_category),
    rule(603, Severity::Warning, "a gap in the numbering", progress::gaps),
    rule(604, Severity::Error, "progress that falls", progress::falling),
    rule(605, Severity::Error, "a count that doesn't follow from the day before", progress::previous),
    rule(606, Severity::Warning, "begun, and missing from what is in progress", progress::forgotten),
    rule(801, Severity::Error, "a declared size against the sum of its parts", sizes::sums),
    rule(802, Severity::Error, "the declared size of the source document", sizes::source),
    rule(803, Severity::Error, "one file, two sizes", sizes::twice),
];
