//! Names in a plan: each is given once, and each that is used was given.

use std::collections::{HashMap, HashSet};

use super::read::{Reader, unknown_word};
use super::scalars::Id;
use super::schema::{Criterion, Plan, Task, Work};
use super::source::{At, Source, Span};
use crate::error::{Error, Place, nearest};

const DEFAULT_STATUSES: &[&str] = &["pending", "active", "blocked", "done"];

/// Names of one kind, and where each was given.
struct Names<'a> {
    kind: &'static str,
    known: HashMap<&'a str, Span>,
    /// Ids of the text, where some of it was refused: their names may have been given by what is missing.
    perhaps: &'a HashSet<&'a str>,
}

impl<'a> Names<'a> {
    fn collect(
        kind: &'static str,
        ids: impl IntoIterator<Item = &'a At<Id>>,
        perhaps: &'a HashSet<&'a str>,
        reader: &mut Reader<'_>,
    ) -> Self {
        let mut names = Names { kind, known: HashMap::new(), perhaps };
        for id in ids {
            names.add(id, reader);
        }
        names
    }

    fn add(&mut self, id: &'a At<Id>, reader: &mut Reader<'_>) {
        if let Some(first) = self.known.insert(&id.value.0, id.span) {
            let line = line_of(reader, first);
            let message = format!("the {} `{}` is given a second time (first in line {line})", self.kind, id.value);
            reader.refuse(
                id.span,
                message,
                Some("rename one of the two; ids that only differ in their Unicode form are equal".into()),
            );
        }
    }

    fn check(&self, reference: &At<Id>, reader: &mut Reader<'_>) {
        let name = reference.value.0.as_str();
        if self.known.contains_key(name) || self.perhaps.contains(name) {
            return;
        }
        let near = nearest(&reference.value.0, self.known.keys().copied());
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.known.is_empty() && self.perhaps.is_empty() => {
                format!("this plan gives no {} at all", self.kind)
            }
            None => format!("give the {} first, or remove its name here", self.kind),
        };
        reader.refuse(reference.span, format!("there is no {} `{}`", self.kind, reference.value), Some(hint));
    }

    fn check_all<'r>(&self, references: impl IntoIterator<Item = &'r At<Id>>, reader: &mut Reader<'_>) {
        references.into_iter().for_each(|r| self.check(r, reader));
    }
}

fn line_of(reader: &Reader<'_>, span: Span) -> usize {
    reader.position(span).0
}

pub(super) fn tasks(plan: &Plan) -> impl Iterator<Item = &Task> {
    let days = plan.days.iter().flat_map(|d| &d.tasks);
    days.chain(plan.week.iter().flat_map(|w| &w.tasks)).chain(plan.lists.iter().flat_map(|l| &l.entries))
}

pub(super) fn criteria(plan: &Plan) -> impl Iterator<Item = &Criterion> {
    criteria_lists(plan).flatten()
}

/// The criteria that stand together, list by list.
pub(super) fn criteria_lists(plan: &Plan) -> impl Iterator<Item = &[Criterion]> {
    let gates = plan.phases.iter().chain(&plan.tiers).filter_map(|p| p.gate.as_ref()).map(|g| &g.criteria);
    let go = plan.go_no_go.iter().map(|g| &g.criteria);
    let horizons = plan.horizons.iter().map(|h| &h.criteria);
    gates.chain(go).chain(horizons).chain([&plan.definition_of_done]).map(Vec::as_slice)
}

fn work(plan: &Plan) -> impl Iterator<Item = &Work> {
    plan.days.iter().flat_map(|d| d.work.iter().chain(d.schedule.iter().flat_map(|s| &s.work)))
}

fn given_work(plan: &Plan) -> impl Iterator<Item = &At<Id>> {
    let packages = plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages).map(|p| &p.id);
    let items = plan.items.iter().flat_map(|i| std::iter::once(&i.id).chain(i.parts.iter().map(|p| &p.id)));
    packages.chain(items).chain(tasks(plan).filter_map(|t| t.id.as_ref()))
}

/// Refuses names given twice, names that nobody gave, unknown statuses and ids that break the plan's own pattern.
///
/// Where the plan was read in part, only what holds of the whole is refused.
pub(super) fn resolve(plan: &Plan, reader: &mut Reader<'_>) {
    let partial = reader.has_problems();
    let perhaps: HashSet<&str> = if partial { reader.tree.texts_under("id").collect() } else { HashSet::new() };
    let perhaps = &perhaps;
    let phases = Names::collect("phase", plan.phases.iter().chain(&plan.tiers).map(|p| &p.id), perhaps, reader);
    let works = Names::collect("package, item or task", given_work(plan), perhaps, reader);
    let people = Names::collect("person", plan.people.iter().map(|p| &p.id), perhaps, reader);
    let teams = Names::collect("team", plan.teams.iter().map(|t| &t.id), perhaps, reader);
    let metrics = Names::collect("metric", plan.metrics.iter().map(|m| &m.id), perhaps, reader);
    let steps = Names::collect("cost step", plan.costs.iter().flat_map(|c| &c.steps).map(|s| &s.id), perhaps, reader);
    let mut categories = Names::collect("category", plan.categories.iter().map(|c| &c.id), perhaps, reader);
    for category in plan.vocab.iter().flat_map(|v| &v.category) {
        categories.add(category, reader);
    }
    Names::collect("criterion", criteria(plan).map(|c| &c.id), perhaps, reader);
    Names::collect("check", plan.checks.iter().map(|c| &c.id), perhaps, reader);
    Names::collect("fact", plan.facts.iter().map(|f| &f.id), perhaps, reader);
    Names::collect("inventory", plan.inventories.iter().map(|i| &i.id), perhaps, reader);
    Names::collect("table", plan.tables.iter().map(|t| &t.id), perhaps, reader);
    Names::collect("list", plan.lists.iter().map(|l| &l.id), perhaps, reader);

    phases.check_all(&plan.current_phase, reader);
    for package in plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages) {
        works.check_all(&package.needs, reader);
        people.check_all(&package.owners, reader);
        if !partial && !categories.known.is_empty() {
            categories.check_all(&package.category, reader);
        }
    }
    for criterion in criteria(plan) {
        works.check_all(&criterion.covers, reader);
        metrics.check_all(&criterion.metric, reader);
    }
    for item in &plan.items {
        people.check_all(&item.lead, reader);
        people.check_all(item.support.iter().map(|s| &s.who), reader);
        if !partial && !categories.known.is_empty() {
            categories.check_all(&item.category, reader);
        }
        works.check_all(item.needs.iter().filter_map(|n| n.item.as_ref()), reader);
        works.check_all(item.deliverables.iter().filter_map(|d| d.uses.as_ref()), reader);
        people.check_all(item.deliverables.iter().filter_map(|d| d.reviewer.as_ref()), reader);
    }
    for team in &plan.teams {
        works.check_all(team.focus.iter().flat_map(|f| &f.items), reader);
    }
    teams.check_all(plan.people.iter().filter_map(|p| p.team.as_ref()), reader);
    for work in work(plan) {
        people.check_all(&work.who, reader);
        works.check_all(&work.item, reader);
        teams.check_all(&work.team, reader);
    }
    for day in &plan.days {
        for progress in &day.progress {
            works.check_all(progress.item.iter().chain(&progress.part), reader);
        }
        if let Some(counts) = &day.counts {
            works.check_all(counts.named.iter().chain(&counts.active), reader);
            if !partial {
                categories.check_all(&counts.complete_categories, reader);
            }
        }
    }
    for task in tasks(plan) {
        works.check_all(&task.item, reader);
        metrics.check_all(task.measured.iter().map(|m| &m.metric), reader);
    }
    works.check_all(plan.metrics.iter().filter_map(|m| m.instrument.as_ref()), reader);
    works.check_all(plan.risks.iter().flat_map(|r| &r.affects), reader);
    works.check_all(plan.blockers.iter().flat_map(|b| &b.blocks), reader);
    works.check_all(plan.critical_path.iter().flat_map(|p| &p.items), reader);
    if let Some(costs) = &plan.costs {
        works.check_all(costs.steps.iter().filter_map(|s| s.item.as_ref()), reader);
        steps.check_all(costs.totals.iter().filter_map(|t| t.after.as_ref()), reader);
        steps.check_all(costs.claims.iter().map(|c| &c.step), reader);
    }
    people.check_all(plan.approvals.iter().flat_map(|a| &a.members).map(|m| &m.who), reader);
    people.check_all(plan.go_no_go.iter().flat_map(|g| &g.reviewers).map(|r| &r.who), reader);
    if !partial {
        statuses(plan, reader);
        id_pattern(plan, reader);
    }
}

fn statuses(plan: &Plan, reader: &mut Reader<'_>) {
    let own: Vec<&str> = plan.vocab.iter().flat_map(|v| &v.status.0).map(|(word, _)| word.value.as_str()).collect();
    let known = if own.is_empty() { DEFAULT_STATUSES } else { &own };
    let phases = plan.phases.iter().chain(&plan.tiers);
    let used = phases
        .flat_map(|p| p.status.iter().chain(p.packages.iter().filter_map(|p| p.status.as_ref())))
        .chain(plan.items.iter().filter_map(|i| i.status.as_ref()))
        .chain(plan.days.iter().filter_map(|d| d.status.as_ref()));
    for status in used {
        if !known.contains(&status.value.as_str()) {
            let (message, hint) = unknown_word(&status.value, known);
            reader.refuse(status.span, format!("the status `{}` {message}", status.value), hint);
        }
    }
}

fn id_pattern(plan: &Plan, reader: &mut Reader<'_>) {
    let Some(pattern) = plan.vocab.as_ref().and_then(|v| v.id_pattern.as_ref()) else { return };
    // The engine without look-around would do; this one is at hand, and a limit keeps bad patterns short.
    let regex = match fancy_regex::RegexBuilder::new(&pattern.value).backtrack_limit(10_000).build() {
        Ok(regex) => regex,
        Err(why) => {
            reader.refuse(pattern.span, format!("`{}` is no pattern: {why}", pattern.value), None);
            return;
        }
    };
    let packages = plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages).map(|p| &p.id);
    for id in packages.chain(plan.items.iter().map(|i| &i.id)) {
        if !regex.is_match(&id.value.0).unwrap_or(false) {
            let message = format!("the id `{}` does not follow this plan's pattern {}", id.value, pattern.value);
            reader.refuse(id.span, message, Some("rename it, or widen `vocab.id_pattern`".into()));
        }
    }
}

pub(super) fn across(plans: &[(&Source, &Plan)]) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut seen: HashMap<&str, (usize, Span)> = HashMap::new();
    for (n, (source, plan)) in plans.iter().enumerate() {
        for id in std::iter::once(&plan.id).chain(given_work(plan)) {
            match seen.get(id.value.0.as_str()) {
                Some((first, span)) if *first != n => {
                    let other = plans[*first].0;
                    let (line, column) = other.position(span.start);
                    let first = format!("{}:{line}:{column}", other.path.display());
                    let place = Place::in_text(&source.path, &source.text, id.span.start as usize);
                    errors.push(
                        Error::invalid(format!("the id `{}` is given in two plans (first at {first})", id.value))
                            .at(place)
                            .hint("rename one of the two: commits and receipts name items by id alone"),
                    );
                }
                Some(_) => {}
                None => {
                    seen.insert(&id.value.0, (n, id.span));
                }
            }
        }
    }
    errors
}
