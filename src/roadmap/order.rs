//! Rules about what comes before what (BZ4xx).

use std::collections::{HashMap, VecDeque};

use crate::plan::Linted;
use crate::plan::decimal::Decimal;
use crate::plan::finding::Report;
use crate::plan::scalars::{DayRange, Id};
use crate::plan::schema::Class;
use crate::plan::source::{At, Span};

/// In knots larger than this the cycle through one node is shown, which may not be the shortest of all.
const SMALL_KNOT: usize = 300;

/// Packages and items as numbers, and what each needs; parts count as their item.
pub(super) struct Needs<'a> {
    pub(super) ids: Vec<&'a At<Id>>,
    pub(super) needs: Vec<Vec<(usize, Span)>>,
}

impl<'a> Needs<'a> {
    /// `uses` adds what deliverables are made with.
    pub(super) fn of(linted: &Linted<'a>, uses: bool) -> Self {
        let items = &linted.plan.items;
        let ids: Vec<&At<Id>> = linted.packages().map(|p| &p.id).chain(items.iter().map(|i| &i.id)).collect();
        let mut number: HashMap<&str, usize> = ids.iter().enumerate().map(|(n, id)| (id.value.0.as_str(), n)).collect();
        for item in items {
            let own = number[item.id.value.0.as_str()];
            number.extend(item.parts.iter().map(|part| (part.id.value.0.as_str(), own)));
        }
        let edge = |to: &At<Id>| number.get(to.value.0.as_str()).map(|n| (*n, to.span));
        let of_package = linted.packages().map(|p| p.needs.iter().filter_map(edge).collect());
        let of_item = items.iter().map(|item| {
            let needs = item.needs.iter().filter_map(|n| n.item.as_ref());
            let used = item.deliverables.iter().filter_map(|d| d.uses.as_ref()).filter(|_| uses);
            needs.chain(used).filter_map(edge).collect()
        });
        let needs = of_package.chain(of_item).collect();
        Needs { ids, needs }
    }

    /// The groups that reach themselves, after Tarjan (1972), without recursion. Each is sorted.
    pub(super) fn knots(&self) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let n = self.ids.len();
        let (mut order, mut low, mut on_stack) = (vec![UNSEEN; n], vec![0; n], vec![false; n]);
        let (mut stack, mut knots, mut next) = (Vec::new(), Vec::new(), 0);
        for root in 0..n {
            if order[root] != UNSEEN {
                continue;
            }
            let mut path = vec![(root, 0)];
            while let Some((node, edge)) = path.pop() {
                if edge == 0 {
                    (order[node], low[node]) = (next, next);
                    next += 1;
                    stack.push(node);
                    on_stack[node] = true;
                }
                match self.needs[node].get(edge) {
                    Some((to, _)) => {
                        path.push((node, edge + 1));
                        if order[*to] == UNSEEN {
                            path.push((*to, 0));
                        } else if on_stack[*to] {
                            low[node] = low[node].min(order[*to]);
                        }
                    }
                    None => {
                        if let Some((parent, _)) = path.last() {
                            low[*parent] = low[*parent].min(low[node]);
                        }
                        if low[node] == order[node] {
                            let from = stack.iter().rposition(|s| *s == node).unwrap_or(0);
                            let mut knot: Vec<usize> = stack.drain(from..).collect();
                            knot.sort_unstable();
                            knot.iter().for_each(|k| on_stack[*k] = false);
                            if knot.len() > 1 || self.needs[node].iter().any(|(to, _)| *to == node) {
                                knots.push(knot);
                            }
                        }
                    }
                }
            }
        }
        knots
    }

    /// The shortest cycle in a knot.
    pub(super) fn way_around(&self, knot: &[usize]) -> Option<Vec<usize>> {
        let starts = if knot.len() > SMALL_KNOT { &knot[..1] } else { knot };
        starts.iter().filter_map(|s| self.way_back(*s)).min_by_key(Vec::len)
    }

    /// The shortest way from `start` back to it, as nodes.
    fn way_back(&self, start: usize) -> Option<Vec<usize>> {
        let mut from: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for (to, _) in &self.needs[node] {
                if *to == start {
                    let mut way = vec![node];
                    while let Some(before) = from.get(way.last()?) {
                        way.push(*before);
                    }
                    way.reverse();
                    return Some(way);
                }
                if !from.contains_key(to) {
                    from.insert(*to, node);
                    queue.push_back(*to);
                }
            }
        }
        None
    }
}

pub(super) fn cycles(linted: &Linted<'_>, report: &mut Report) {
    let needs = Needs::of(linted, true);
    for knot in needs.knots() {
        let Some(way) = needs.way_around(&knot) else { continue };
        let names: Vec<&str> = way.iter().chain(way.first()).map(|n| needs.ids[*n].value.0.as_str()).collect();
        let edge = |from: usize, to: usize| needs.needs[from].iter().find(|(n, _)| *n == to).map(|(_, span)| *span);
        let (first, last) = (way[0], way[way.len() - 1]);
        let Some(begins) = edge(first, way.get(1).copied().unwrap_or(first)) else { continue };
        let closes = edge(last, first).unwrap_or(begins);
        let more = knot.len() - way.len();
        let rest = if more > 0 { format!(" ({more} more are tied up with it)") } else { String::new() };
        report
            .find(begins, format!("{} needs itself: {}{rest}", names[0], names.join(" → ")))
            .against(closes, format!("{} needs {} here", needs.ids[last].value, names[0]))
            .fix("remove one of these needs: none of the work could ever begin");
    }
}

pub(super) fn used_early(linted: &Linted<'_>, report: &mut Report) {
    for item in &linted.plan.items {
        for need in &item.needs {
            let Some(name) = &need.item else { continue };
            let Some(needed) = linted.item(&name.value.0) else { continue };
            let reported = linted.completion(needed);
            if let (Some(by), Some(done)) = (&need.by_day, reported)
                && done > by.value
            {
                report
                    .find(by.span, format!("{} needs {} by day {}", item.id.value, name.value, by.value))
                    .against(needed.id.span, format!("it is complete on day {done}"))
                    .numbers(format!("day {}", by.value), format!("day {done}"))
                    .fix("finish it sooner, or begin later with what needs it");
                continue;
            }
            let begins = need.during.as_ref().or(item.window.as_ref());
            let ends = reported.or(needed.window.as_ref().map(|w| w.last));
            if let (Some(begins), Some(ends)) = (begins, ends)
                && ends >= begins.first
            {
                report
                    .find(
                        name.span,
                        format!("{} begins on day {} and needs {}", item.id.value, begins.first, name.value),
                    )
                    .against(
                        needed.window.as_ref().map_or(needed.id.span, |w| w.span),
                        format!("it ends on day {ends}"),
                    )
                    .numbers(format!("day {}", begins.first), format!("after day {ends}"))
                    .fix("begin after it ends, or say in `during` when it is needed");
            }
        }
        for deliverable in &item.deliverables {
            let Some(uses) = &deliverable.uses else { continue };
            let used = linted.item(&uses.value.0).and_then(|i| i.window.as_ref());
            if let (Some(own), Some(used)) = (&item.window, used)
                && used.first > own.last
            {
                report
                    .find(
                        uses.span,
                        format!("{} delivers by day {} what is made with {}", item.id.value, own.last, uses.value),
                    )
                    .against(used.span, format!("{} begins on day {}", uses.value, used.first))
                    .numbers(format!("day {}", own.last), format!("day {} at the earliest", used.first))
                    .fix("move this deliverable to the later item");
            }
        }
    }
}

pub(super) fn later_phase(linted: &Linted<'_>, report: &mut Report) {
    for (n, phase) in linted.phases().enumerate() {
        for criterion in phase.gate.iter().flat_map(|g| &g.criteria) {
            for work in &criterion.covers {
                let Some((of, package)) = linted.package(&work.value.0).filter(|(of, _)| *of > n) else { continue };
                let later = linted.phases().nth(of).map_or("a later phase", |p| p.id.value.0.as_str());
                report
                    .find(
                        work.span,
                        format!("the gate of {} needs {}, which is work of {later}", phase.id.value, work.value),
                    )
                    .against(package.id.span, format!("planned in {later}"))
                    .fix("move the package before the gate, or the criterion behind it");
            }
        }
    }
}

pub(super) fn critical_path(linted: &Linted<'_>, report: &mut Report) {
    let declared: Vec<&At<Id>> = linted.plan.critical_path.iter().flat_map(|p| &p.items).collect();
    let Some(first) = declared.first() else { return };
    let needs = Needs::of(linted, false);
    if !needs.knots().is_empty() {
        return;
    }
    let length = |n: usize| -> Decimal {
        let id = needs.ids[n].value.0.as_str();
        match linted.package(id) {
            Some((_, package)) => package.hours.map_or(Decimal::ZERO, |h| h.value.0),
            None => linted.item(id).and_then(|i| i.window).map_or(Decimal::ZERO, |w| days(w.value)),
        }
    };
    let Some(longest) = longest_path(&needs, &length) else { return };
    let missing: Vec<&str> = longest
        .iter()
        .map(|n| needs.ids[*n].value.0.as_str())
        .filter(|id| {
            !declared
                .iter()
                .any(|d| linted.item(&d.value.0).map_or(d.value.0.as_str(), |i| i.id.value.0.as_str()) == *id)
        })
        .collect();
    if longest.len() > 1 && !missing.is_empty() {
        let names: Vec<&str> = longest.iter().map(|n| needs.ids[*n].value.0.as_str()).collect();
        let total = Decimal::sum(longest.iter().map(|n| length(*n))).unwrap_or_default();
        report
            .find(
                first.span,
                format!("the longest chain of needs holds {}, which the declared path leaves out", missing.join(", ")),
            )
            .against(needs.ids[longest[longest.len() - 1]].span, "where the longest chain ends")
            .numbers(
                declared.iter().map(|d| d.value.0.as_str()).collect::<Vec<_>>().join(" → "),
                format!("{} ({total})", names.join(" → ")),
            )
            .fix("declare the computed path, or correct the needs and windows");
    }
}

fn days(range: DayRange) -> Decimal {
    Decimal::from_int(i64::from(range.last - range.first) + 1)
}

/// The chain of needs with the greatest sum of lengths, what comes first at the front. The graph has no cycles.
fn longest_path(needs: &Needs<'_>, length: &dyn Fn(usize) -> Decimal) -> Option<Vec<usize>> {
    let n = needs.ids.len();
    let mut waiting: Vec<usize> = needs.needs.iter().map(Vec::len).collect();
    let mut needed_by = vec![Vec::new(); n];
    for (node, all) in needs.needs.iter().enumerate() {
        all.iter().for_each(|(to, _)| needed_by[*to].push(node));
    }
    let mut ready: VecDeque<usize> = (0..n).filter(|i| waiting[*i] == 0).collect();
    let mut best: Vec<(Decimal, Option<usize>)> = (0..n).map(|i| (length(i), None)).collect();
    while let Some(node) = ready.pop_front() {
        for next in &needed_by[node] {
            let through = best[node].0.add(length(*next))?;
            if through > best[*next].0 {
                best[*next] = (through, Some(node));
            }
            waiting[*next] -= 1;
            if waiting[*next] == 0 {
                ready.push_back(*next);
            }
        }
    }
    let mut node = (0..n).rev().max_by(|a, b| best[*a].0.cmp(&best[*b].0))?;
    let mut path = vec![node];
    while let Some(before) = best[node].1 {
        path.push(before);
        node = before;
    }
    path.reverse();
    Some(path)
}

pub(super) fn approved_early(linted: &Linted<'_>, report: &mut Report) {
    let slots: Vec<_> =
        linted.plan.days.iter().flat_map(|d| d.schedule.iter().map(move |s| ((d.n.value, s.from.value), s))).collect();
    for (when, slot) in &slots {
        for wanted in &slot.consumes {
            let made = slots.iter().find(|(_, s)| s.produces.iter().any(|p| p.value == wanted.value));
            if let Some((made_at, maker)) = made.filter(|(made_at, _)| made_at >= when) {
                report
                    .find(
                        wanted.span,
                        format!("“{}” rests on {}, which does not exist yet", slot.title.value, wanted.value),
                    )
                    .against(maker.from.span, format!("“{}” makes it", maker.title.value))
                    .numbers(
                        format!("day {} at {}", when.0, short(when.1)),
                        format!("after day {} at {}", made_at.0, short(maker.to.value)),
                    )
                    .fix("put what makes the evidence first");
            }
        }
    }
}

fn short(time: jiff::civil::Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

pub(super) fn metric_early(linted: &Linted<'_>, report: &mut Report) {
    for metric in &linted.plan.metrics {
        let (Some(since), Some(instrument)) = (&metric.since_day, &metric.instrument) else { continue };
        let of_task = linted
            .plan
            .days
            .iter()
            .find(|d| d.tasks.iter().any(|t| t.id.as_ref().is_some_and(|id| id.value == instrument.value)));
        let ready = of_task.map(|d| (d.n.value, d.n.span)).or_else(|| {
            let window = linted.item(&instrument.value.0)?.window?;
            Some((window.last, window.span))
        });
        if let Some((day, span)) = ready.filter(|(day, _)| *day > since.value) {
            report
                .find(since.span, format!("{} is to be reported from day {}", metric.name.value, since.value))
                .against(span, format!("{} is made on day {day}", instrument.value))
                .numbers(format!("day {}", since.value), format!("day {day}"))
                .fix("report it once it can be measured, or make the instrument first");
        }
    }
}

pub(super) fn blocked_but_scheduled(linted: &Linted<'_>, report: &mut Report) {
    for task in linted.tasks() {
        let Some(item) = &task.item else { continue };
        if linted.class_of(&item.value.0) == Some(Class::Blocked) {
            let place =
                linted.package(&item.value.0).map(|(_, p)| p.id.span).or(linted.item(&item.value.0).map(|i| i.id.span));
            report
                .find(item.span, format!("“{}” is scheduled, and {} is blocked", task.text.value, item.value))
                .against(place.unwrap_or(item.span), "where it is said to be blocked")
                .fix("schedule what lifts the block first, or take the block away");
        }
    }
}
