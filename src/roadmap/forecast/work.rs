//! The work of a plan as a forecast sees it: pieces with hours, doers and needs.
//!
//! What a plan leaves open, and a forecast would have to guess, is refused here: work without hours, work that needs
//! itself, work of people who have no hours.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::Ask;
use crate::error::{Error, Exit, Place};
use crate::plan::Linted;
use crate::plan::decimal::Decimal;
use crate::plan::needs::Needs;
use crate::plan::scalars::Id;
use crate::plan::schema::{Class, Estimate, Item, Package, Priority, Task};
use crate::plan::source::{At, Span};

const HOURS_PER_DAY: i64 = 8;
/// More places than this are counted, and not listed.
const SHOWN: usize = 5;

/// Hours at best, most likely, and at worst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Points {
    pub(super) low: f64,
    pub(super) likely: f64,
    pub(super) high: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Said to be done, and nothing shows it.
    Claimed,
    /// Shown to be done, whatever is said.
    Proven,
}

#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) id: String,
    pub(super) group: usize,
    pub(super) state: State,
    /// None for work that is done and never had hours.
    pub(super) points: Option<Points>,
    pub(super) hours: Decimal,
    /// Who does it, and which share of the hours; empty where anybody may.
    pub(super) shares: Vec<(usize, f64)>,
}

/// What finishes together in the eyes of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) kind: &'static str,
    pub(super) id: String,
}

/// Nodes are the pieces, and after them the gates that hold later phases back.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) pieces: Vec<Piece>,
    pub(super) groups: Vec<Group>,
    /// Per node: the nodes that wait for it.
    pub(super) later: Vec<Vec<usize>>,
    /// Per piece: its place when several could begin.
    pub(super) rank: Vec<usize>,
    /// Hours on a working day, by person.
    pub(super) capacity: Vec<f64>,
    pub(super) notes: Vec<String>,
}

impl Work {
    pub(super) fn of(linted: &Linted<'_>, ask: &Ask, proven: &HashSet<String>) -> Result<Work, Vec<Error>> {
        let reader = Reader::new(linted, ask, proven);
        reader.read()
    }
}

/// Where work stands in the plan, for the order of what could begin at the same time.
type Order = (usize, Option<Priority>, u32);

struct Reader<'a> {
    linted: &'a Linted<'a>,
    ask: &'a Ask,
    proven: &'a HashSet<String>,
    /// Hours of a working day, where a person has no capacity of their own.
    day: Decimal,
    people: HashMap<&'a str, usize>,
    /// Per item: the hours that the days of the plan give a person for it.
    scheduled: HashMap<&'a str, BTreeMap<usize, Decimal>>,
    without_hours: Vec<&'a At<Id>>,
    problems: Vec<Error>,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(linted: &'a Linted<'a>, ask: &'a Ask, proven: &'a HashSet<String>) -> Self {
        let calendar = linted.plan.calendar.as_ref();
        let day = calendar.and_then(|c| c.hours_per_day.as_ref()).map(|h| h.value.0);
        let people: HashMap<&str, usize> =
            linted.plan.people.iter().enumerate().map(|(n, p)| (p.id.value.0.as_str(), n)).collect();
        let scheduled = scheduled(linted, &people);
        Reader {
            linted,
            ask,
            proven,
            day: day.unwrap_or(Decimal::from_int(HOURS_PER_DAY)),
            people,
            scheduled,
            without_hours: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn place(&self, span: Span) -> Place {
        Place::in_text(&self.linted.source.path, &self.linted.source.text, span.start as usize)
    }

    fn read(mut self) -> Result<Work, Vec<Error>> {
        let plan = self.linted.plan;
        let mut groups = Vec::new();
        let mut pieces = Vec::new();
        let mut orders: Vec<Order> = Vec::new();
        for (n, phase) in self.linted.phases().enumerate() {
            let kind = if n < plan.phases.len() { "phase" } else { "tier" };
            groups.push(Group { kind, id: phase.id.value.to_string() });
            for package in &phase.packages {
                pieces.push(self.package(package, n));
                orders.push((n, package.priority.map(|p| p.value), 0));
            }
        }
        let phases = groups.len();
        for item in &plan.items {
            let id = item.category.as_ref().map_or("items", |c| c.value.0.as_str());
            let group = match groups[phases..].iter().position(|g| g.id == id) {
                Some(known) => phases + known,
                None => {
                    let kind = if item.category.is_some() { "category" } else { "all" };
                    groups.push(Group { kind, id: id.to_owned() });
                    groups.len() - 1
                }
            };
            pieces.push(self.item(item, group));
            orders.push((phases, None, item.window.map_or(u32::MAX, |w| w.first)));
        }
        if pieces.is_empty() {
            return Err(vec![
                Error::invalid("the plan has no packages and no items, so there is nothing to forecast")
                    .at(Place::file(&self.linted.source.path))
                    .hint("add `packages` with `hours` to its phases, or `items` with `effort`"),
            ]);
        }
        let later = self.needs(&pieces, &orders);
        let capacity = self.capacity(&pieces);
        self.refuse_what_has_no_hours();
        self.say_what_is_assumed(&pieces);
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let tails = tails(&pieces, &later);
        let mut by_order: Vec<usize> = (0..pieces.len()).collect();
        by_order.sort_by_key(|n| {
            let (phase, priority, day) = orders[*n];
            (phase, priority.is_none(), priority, day, Reverse(tails[*n].to_bits()), *n)
        });
        let mut rank = vec![0; pieces.len()];
        by_order.iter().enumerate().for_each(|(place, n)| rank[*n] = place);
        Ok(Work { pieces, groups, later, rank, capacity, notes: self.notes })
    }

    fn state(&self, id: &At<Id>) -> State {
        if self.proven.contains(&id.value.0) {
            State::Proven
        } else if self.linted.class_of(&id.value.0) == Some(Class::Done) {
            State::Claimed
        } else {
            State::Open
        }
    }

    fn package(&mut self, package: &'a Package, group: usize) -> Piece {
        let state = self.state(&package.id);
        let estimated = match (&package.estimate, &package.hours) {
            (Some(estimate), _) => self.three_points(estimate).map(|points| (points, estimate.likely.value.0)),
            (None, hours) => self.one_point(&package.id, state, hours.map(|h| h.value.0)),
        };
        let share = 1.0 / package.owners.len().max(1) as f64;
        let shares = package.owners.iter().filter_map(|o| Some((*self.people.get(o.value.0.as_str())?, share)));
        Piece {
            id: package.id.value.to_string(),
            group,
            state,
            points: estimated.map(|(points, _)| points),
            hours: estimated.map_or(Decimal::ZERO, |(_, hours)| hours),
            shares: shares.collect(),
        }
    }

    fn item(&mut self, item: &'a Item, group: usize) -> Piece {
        let state = self.state(&item.id);
        let scheduled = self.scheduled.get(item.id.value.0.as_str()).cloned().unwrap_or_default();
        let whole: Option<Decimal> = scheduled.values().copied().try_fold(Decimal::ZERO, Decimal::add);
        let hours = self.budget(item).or(whole.filter(|w| !w.is_zero()));
        let estimated = self.one_point(&item.id, state, hours);
        let shares = match whole.map(float).filter(|w| *w > 0.0) {
            Some(whole) => scheduled.iter().map(|(who, hours)| (*who, float(*hours) / whole)).collect(),
            None => item.lead.iter().filter_map(|l| Some((*self.people.get(l.value.0.as_str())?, 1.0))).collect(),
        };
        let id = item.id.value.to_string();
        let points = estimated.map(|(points, _)| points);
        Piece { id, group, state, points, hours: estimated.map_or(Decimal::ZERO, |(_, hours)| hours), shares }
    }

    fn budget(&self, item: &Item) -> Option<Decimal> {
        let parts = Decimal::from_int(i64::try_from(item.parts.len().max(1)).unwrap_or(1));
        let hours = item.effort.iter().map(|budget| {
            let once = match (&budget.hours, &budget.days) {
                (Some(hours), _) => hours.value.0,
                (None, Some(days)) => days.value.mul(self.day)?,
                (None, None) => return None,
            };
            if budget.each.is_some_and(|each| each.value) { once.mul(parts) } else { Some(once) }
        });
        hours.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty()).and_then(Decimal::sum)
    }

    fn three_points(&mut self, estimate: &Estimate) -> Option<Points> {
        let [low, likely, high] = [estimate.low, estimate.likely, estimate.high].map(|h| h.value.0);
        if low > likely || likely > high {
            let error = Error::invalid(format!("low {low}, likely {likely}, high {high} are not in this order"));
            self.problems.push(error.at(self.place(estimate.span)).hint("write them in the order of their size"));
            return None;
        }
        Some(Points { low: float(low), likely: float(likely), high: float(high) })
    }

    fn one_point(&mut self, id: &'a At<Id>, state: State, hours: Option<Decimal>) -> Option<(Points, Decimal)> {
        let Some(hours) = hours.or(self.ask.assume_hours) else {
            if state == State::Open {
                self.without_hours.push(id);
            }
            return None;
        };
        let (low, high) = self.ask.spread;
        let likely = float(hours);
        let points = Points { low: likely * f64::from(low) / 100.0, likely, high: likely * f64::from(high) / 100.0 };
        Some((points, hours))
    }

    fn refuse_what_has_no_hours(&mut self) {
        let Some(first) = self.without_hours.first() else { return };
        let all = self.without_hours.len();
        let ids: Vec<&str> = self.without_hours.iter().take(SHOWN).map(|id| id.value.0.as_str()).collect();
        let more = if all > SHOWN { format!(" and {} more", all - SHOWN) } else { String::new() };
        let message = format!("open work has no hours: {}{more}", ids.join(", "));
        let field = if self.linted.item(&first.value.0).is_some() { "`effort`" } else { "`hours` or `estimate`" };
        let error = Error::new(Exit::Undecided, message)
            .at(self.place(first.span))
            .hint(format!("give it {field}, or say what to take for all of it: --assume-hours 8"));
        self.problems.push(error);
    }

    /// Who waits for whom, with a node after the pieces for each gate that holds later phases back.
    fn needs(&mut self, pieces: &[Piece], orders: &[Order]) -> Vec<Vec<usize>> {
        let needs = Needs::with_uses(self.linted.plan);
        if let Some(cycle) = needs.cycles().into_iter().next() {
            let names: Vec<&str> = cycle.way.iter().chain(cycle.way.first()).map(|n| needs.id(*n)).collect();
            let error = Error::invalid(format!("{} needs itself: {}", names[0], names.join(" → ")));
            let hint = "remove one of these needs: none of the work could ever begin";
            self.problems.push(error.at(self.place(cycle.begins)).hint(hint));
        }
        // Packages and items come first there, as here; tasks have no hours.
        let links = |n: usize| needs.links(n).iter().filter(|link| link.to < pieces.len());
        let mut later = vec![Vec::new(); pieces.len()];
        for n in 0..pieces.len() {
            links(n).for_each(|link| later[link.to].push(n));
        }
        self.needs_elsewhere(pieces, &mut later);
        if self.ask.overlap {
            return later;
        }
        let gated: Vec<usize> =
            self.linted.phases().enumerate().filter(|(_, p)| p.gate.is_some()).map(|p| p.0).collect();
        let phases = self.linted.phases().count();
        let gated: Vec<usize> = gated.into_iter().filter(|g| g + 1 < phases).collect();
        for n in 0..pieces.len() {
            for link in links(n) {
                let needed = &link.to;
                let (own, theirs) = (orders[n].0, orders[*needed].0);
                let held = gated.iter().any(|g| own <= *g && *g < theirs) && theirs < phases;
                if held && pieces[n].state == State::Open && pieces[*needed].state == State::Open {
                    let message =
                        format!("{} needs {}, which its own phase's gate holds back", pieces[n].id, pieces[*needed].id);
                    let error = Error::invalid(message).at(self.place(link.named.span));
                    self.problems.push(error.hint("move one of the two, or let phases overlap: --overlap"));
                }
            }
        }
        let mut of_phase = vec![Vec::new(); phases + 1];
        orders.iter().enumerate().for_each(|(n, (phase, ..))| of_phase[*phase].push(n));
        // Each gate waits for the phases since the one before it, and for that one.
        for (at, gate) in gated.iter().enumerate() {
            let node = later.len();
            let until = gated.get(at + 1).copied().unwrap_or(phases - 1);
            let since = at.checked_sub(1).map_or(0, |before| gated[before] + 1);
            let mut behind: Vec<usize> = of_phase[gate + 1..=until].concat();
            behind.extend((at + 1 < gated.len()).then_some(node + 1));
            later.push(behind);
            of_phase[since..=*gate].iter().flatten().for_each(|n| later[*n].push(node));
        }
        if !gated.is_empty() {
            self.notes.push(
                "a gate holds later phases back until the work before it is done (--overlap lets them begin)".into(),
            );
        }
        later
    }

    /// Needs that name a task of a day or list, or nothing of this plan.
    fn needs_elsewhere(&mut self, pieces: &[Piece], later: &mut [Vec<usize>]) {
        let number: HashMap<&str, usize> = pieces.iter().enumerate().map(|(n, p)| (p.id.as_str(), n)).collect();
        let tasks: HashMap<&str, &Task> =
            self.linted.tasks().filter_map(|t| Some((t.id.as_ref()?.value.0.as_str(), t))).collect();
        let of_packages = self.linted.packages().flat_map(|p| p.needs.iter().map(move |need| (&p.id, need)));
        let of_items = self.linted.plan.items.iter().flat_map(|i| i.needs.iter().map(move |need| (&i.id, need)));
        let named = of_packages.chain(of_items.clone().filter_map(|(id, need)| Some((id, need.item.as_ref()?))));
        for (id, need) in named {
            let Some(task) = tasks.get(need.value.0.as_str()) else { continue };
            let own = number[id.value.0.as_str()];
            let item = task.item.as_ref().and_then(|i| self.linted.item(&i.value.0));
            match item.and_then(|i| number.get(i.id.value.0.as_str())) {
                Some(needed) if *needed != own => later[*needed].push(own),
                Some(_) => {}
                None if task.done.is_some_and(|d| d.value) || pieces[own].state != State::Open => {}
                None => {
                    let message = format!("{} needs the task {}, which is open and has no hours", id.value, need.value);
                    let error = Error::new(Exit::Undecided, message).at(self.place(need.span));
                    self.problems.push(error.hint("give the task an `item`, or tick it"));
                }
            }
        }
        let outside: Vec<String> = of_items
            .filter(|(id, need)| {
                need.item.is_none() && need.done.is_none() && pieces[number[id.value.0.as_str()]].state == State::Open
            })
            .map(|(id, need)| {
                format!("{} ({})", need.text.as_ref().map_or("something", |t| t.value.as_str()), id.value)
            })
            .collect();
        if !outside.is_empty() {
            self.notes.push(format!("needed from elsewhere, and taken to be there: {}", listed(&outside)));
        }
    }

    fn capacity(&mut self, pieces: &[Piece]) -> Vec<f64> {
        let plan = self.linted.plan;
        if plan.people.is_empty() {
            let hours = self.day;
            let who =
                if self.ask.people == 1 { "one person".to_owned() } else { format!("{} people", self.ask.people) };
            self.notes.push(format!("the plan names nobody: {who} with {hours} h a day (--people N)"));
            if hours.is_zero() {
                let at = plan.calendar.as_ref().and_then(|c| c.hours_per_day).map_or(plan.span, |h| h.span);
                let error = Error::new(Exit::Undecided, "a working day of no hours never ends anything");
                self.problems.push(error.at(self.place(at)).hint("give `hours_per_day` a number above 0"));
            }
            return vec![float(hours); self.ask.people as usize];
        }
        let capacity: Vec<Decimal> =
            plan.people.iter().map(|p| p.capacity.as_ref().map_or(self.day, |c| c.value.0)).collect();
        if plan.people.iter().any(|p| p.capacity.is_none()) {
            self.notes.push(format!("who has no `capacity` works {} h a day", self.day));
        }
        let busy = |p: &&Piece| p.state == State::Open && p.points.is_some_and(|points| points.high > 0.0);
        for piece in pieces.iter().filter(busy) {
            for (who, _) in piece.shares.iter().filter(|(who, _)| capacity[*who].is_zero()) {
                let person = &plan.people[*who];
                let at = person.capacity.as_ref().map_or(person.id.span, |c| c.span);
                let message = format!("{} has no hours a day, and {} is theirs to do", person.id.value, piece.id);
                let error = Error::new(Exit::Undecided, message).at(self.place(at));
                self.problems.push(error.hint("give the work to somebody else, or the person a `capacity`"));
            }
        }
        let anybodys = pieces.iter().filter(busy).find(|p| p.shares.is_empty());
        if let Some(piece) = anybodys.filter(|_| capacity.iter().all(|c| c.is_zero())) {
            let message = format!("{} is nobody's, and nobody in the plan has hours", piece.id);
            let error = Error::new(Exit::Undecided, message).at(self.place(plan.people[0].span));
            self.problems.push(error.hint("give somebody a `capacity` above 0"));
        }
        capacity.into_iter().map(float).collect()
    }

    fn say_what_is_assumed(&mut self, pieces: &[Piece]) {
        let plan = self.linted.plan;
        if plan.calendar.as_ref().is_none_or(|c| c.workdays.is_empty()) {
            self.notes.push("the plan gives no workdays: all seven count".into());
        }
        let (low, high) = self.ask.spread;
        if self.linted.packages().any(|p| p.estimate.is_none()) || !plan.items.is_empty() {
            self.notes.push(format!(
                "one number for hours stands for {low} % of it at best and {high} % at worst (--spread)"
            ));
        }
        if let Some(hours) = self.ask.assume_hours {
            self.notes.push(format!("work without hours counts {hours} h (--assume-hours)"));
        }
        let open = |id: &Id| pieces.iter().any(|p| p.id == id.0 && p.state == State::Open);
        let begun = pieces.iter().filter(|p| self.linted.class_of(&p.id) == Some(Class::Doing)).count();
        if begun > 0 {
            self.notes.push(format!("work that was begun counts in full: {begun}"));
        }
        let ids: Vec<String> = pieces.iter().map(|p| p.id.clone()).collect();
        let mut blocked: Vec<String> =
            ids.into_iter().filter(|id| self.linted.class_of(id) == Some(Class::Blocked)).collect();
        for id in plan.blockers.iter().flat_map(|b| &b.blocks).filter(|id| open(&id.value)) {
            if !blocked.contains(&id.value.0) {
                blocked.push(id.value.0.clone());
            }
        }
        if !blocked.is_empty() {
            self.notes.push(format!("blocked, and taken to be freed at once: {}", listed(&blocked)));
        }
    }
}

fn scheduled<'a>(linted: &Linted<'a>, people: &HashMap<&str, usize>) -> HashMap<&'a str, BTreeMap<usize, Decimal>> {
    let mut scheduled: HashMap<&str, BTreeMap<usize, Decimal>> = HashMap::new();
    let days = linted.plan.days.iter();
    for work in days.flat_map(|d| d.work.iter().chain(d.schedule.iter().flat_map(|s| &s.work))) {
        let item = work.item.as_ref().and_then(|i| linted.item(&i.value.0));
        let (Some(item), Some(hours)) = (item, work.hours.filter(|h| !h.value.0.is_zero())) else { continue };
        let of_item = scheduled.entry(item.id.value.0.as_str()).or_default();
        for who in work.who.iter().filter_map(|w| people.get(w.value.0.as_str())) {
            let sum = of_item.entry(*who).or_default();
            *sum = sum.add(hours.value.0).unwrap_or(*sum);
        }
    }
    scheduled
}

/// Per piece: the hours of the longest chain that begins with it. None is negative, so that their bits have the same order.
fn tails(pieces: &[Piece], later: &[Vec<usize>]) -> Vec<f64> {
    let mut waits_for = vec![0usize; later.len()];
    later.iter().flatten().for_each(|n| waits_for[*n] += 1);
    let mut order: Vec<usize> = (0..later.len()).filter(|n| waits_for[*n] == 0).collect();
    let mut at = 0;
    while let Some(node) = order.get(at).copied() {
        at += 1;
        for next in &later[node] {
            waits_for[*next] -= 1;
            if waits_for[*next] == 0 {
                order.push(*next);
            }
        }
    }
    let mut tails = vec![0.0f64; later.len()];
    for node in order.into_iter().rev() {
        let open = pieces.get(node).filter(|p| p.state == State::Open).and_then(|p| p.points);
        let rest = later[node].iter().map(|next| tails[*next]).fold(0.0, f64::max);
        tails[node] = open.map_or(0.0, |points| points.likely) + rest;
    }
    tails
}

fn listed(all: &[String]) -> String {
    let more = if all.len() > SHOWN { format!(" and {} more", all.len() - SHOWN) } else { String::new() };
    format!("{}{more}", all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// The nearest binary number, which is the same on every machine.
pub(super) fn float(decimal: Decimal) -> f64 {
    decimal.to_string().parse().unwrap_or(f64::MAX)
}
