//! Which work needs which, as a graph, and the cycles in it.
//!
//! Packages and items are its nodes, and tasks that something needs; a part of an item counts as the item. How long
//! work takes and when it can begin is for [`super::schedule`].

use std::collections::{HashMap, HashSet};

use super::names;
use super::scalars::Id;
use super::schema::{Item, Package, Phase, Plan, Task};
use super::source::{At, Span};

#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    Package(&'a Package, &'a Phase),
    Item(&'a Item),
    Task(&'a Task, &'a At<Id>),
}

impl<'a> Work<'a> {
    pub fn id(self) -> &'a At<Id> {
        match self {
            Work::Package(package, _) => &package.id,
            Work::Item(item) => &item.id,
            Work::Task(_, id) => id,
        }
    }

    pub fn name(self) -> &'a str {
        match self {
            Work::Package(package, _) => &package.name.value,
            Work::Item(item) => &item.name.value,
            Work::Task(task, _) => &task.text.value,
        }
    }
}

/// A need: the work, and the word for it where it stands, which may be that of a part.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    pub to: usize,
    pub named: &'a At<Id>,
}

pub struct Needs<'a> {
    works: Vec<Work<'a>>,
    links: Vec<Vec<Link<'a>>>,
    numbers: HashMap<&'a str, usize>,
}

/// Work that needs itself: the shortest way round, and the two needs that begin and close it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    pub way: Vec<usize>,
    pub begins: Span,
    pub closes: Span,
    /// How much other work is tied up with it.
    pub more: usize,
}

impl<'a> Needs<'a> {
    /// What has to be there before work can begin.
    pub fn of(plan: &'a Plan) -> Self {
        Needs::collect(plan, false)
    }

    /// The same, and what deliverables are made with.
    pub fn with_uses(plan: &'a Plan) -> Self {
        Needs::collect(plan, true)
    }

    fn collect(plan: &'a Plan, uses: bool) -> Self {
        let phases = || plan.phases.iter().chain(&plan.tiers);
        let packages = phases().flat_map(|phase| phase.packages.iter().map(move |p| Work::Package(p, phase)));
        let mut works: Vec<Work<'a>> = packages.chain(plan.items.iter().map(Work::Item)).collect();
        let links_of = |work: &Work<'a>| -> Vec<&'a At<Id>> {
            match *work {
                Work::Package(package, _) => package.needs.iter().collect(),
                Work::Item(item) => {
                    let used = item.deliverables.iter().filter_map(|d| d.uses.as_ref()).filter(|_| uses);
                    item.needs.iter().filter_map(|n| n.item.as_ref()).chain(used).collect()
                }
                Work::Task(..) => Vec::new(),
            }
        };
        let wanted: Vec<Vec<&At<Id>>> = works.iter().map(links_of).collect();
        let named: HashSet<&str> = wanted.iter().flatten().map(|id| id.value.0.as_str()).collect();
        let tasks = names::tasks(plan).filter_map(|task| Some(Work::Task(task, task.id.as_ref()?)));
        works.extend(tasks.filter(|task| named.contains(task.id().value.0.as_str())));
        let mut numbers: HashMap<&str, usize> = HashMap::with_capacity(works.len());
        for (number, work) in works.iter().enumerate() {
            numbers.insert(&work.id().value.0, number);
            if let Work::Item(item) = work {
                numbers.extend(item.parts.iter().map(|part| (part.id.value.0.as_str(), number)));
            }
        }
        let link = |named: &'a At<Id>| Some(Link { to: *numbers.get(named.value.0.as_str())?, named });
        let mut links: Vec<Vec<Link<'a>>> =
            wanted.into_iter().map(|all| all.into_iter().filter_map(link).collect()).collect();
        links.resize_with(works.len(), Vec::new);
        Needs { works, links, numbers }
    }

    pub fn works(&self) -> &[Work<'a>] {
        &self.works
    }

    pub fn id(&self, number: usize) -> &'a str {
        &self.works[number].id().value.0
    }

    /// What this work needs directly.
    pub fn links(&self, number: usize) -> &[Link<'a>] {
        &self.links[number]
    }

    /// The work of this id, or the one that has a part of this id.
    pub fn number(&self, id: &str) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    /// One for each group of work that is tied up with itself, in the order of the plan.
    pub fn cycles(&self) -> Vec<Cycle> {
        let mut knots = self.knots();
        knots.iter_mut().for_each(|knot| knot.sort_unstable());
        knots.sort_unstable();
        let mut search = Search { seen: vec![0; self.works.len()], round: 0, effort: MOST_STEPS };
        knots.iter().filter_map(|knot| self.cycle_in(knot, &mut search)).collect()
    }

    fn cycle_in(&self, knot: &[usize], search: &mut Search) -> Option<Cycle> {
        let mut shortest: Option<Vec<usize>> = None;
        for start in knot {
            let limit = shortest.as_ref().map_or(usize::MAX, |way| way.len() - 1);
            if limit == 0 || (shortest.is_some() && search.effort == 0) {
                break;
            }
            shortest = self.way_back(*start, limit, search).or(shortest);
        }
        let way = shortest?;
        let span = |from: usize, to: usize| self.links[from].iter().find(|l| l.to == to).map(|l| l.named.span);
        let (first, last) = (way[0], way[way.len() - 1]);
        let begins = span(first, way.get(1).copied().unwrap_or(first))?;
        let closes = span(last, first).unwrap_or(begins);
        Some(Cycle { begins, closes, more: knot.len() - way.len(), way })
    }

    /// The shortest way from `start` back to it over at most `limit` needs.
    fn way_back(&self, start: usize, limit: usize, search: &mut Search) -> Option<Vec<usize>> {
        search.round += 1;
        let mut reached: Vec<(usize, usize, usize)> = vec![(start, 0, 1)];
        let mut next = 0;
        while let Some((node, _, depth)) = reached.get(next).copied() {
            for link in &self.links[node] {
                search.effort = search.effort.saturating_sub(1);
                if link.to == start {
                    let mut way = Vec::with_capacity(depth);
                    let mut at = next;
                    while at != 0 {
                        way.push(reached[at].0);
                        at = reached[at].1;
                    }
                    way.push(start);
                    way.reverse();
                    return Some(way);
                }
                if depth < limit && std::mem::replace(&mut search.seen[link.to], search.round) != search.round {
                    reached.push((link.to, next, depth + 1));
                }
            }
            next += 1;
        }
        None
    }

    /// The groups that reach themselves, after Tarjan (1972), without recursion.
    fn knots(&self) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let n = self.works.len();
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
                match self.links[node].get(edge) {
                    Some(Link { to, .. }) => {
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
                            let knot: Vec<usize> = stack.drain(from..).collect();
                            knot.iter().for_each(|k| on_stack[*k] = false);
                            if knot.len() > 1 || self.links[node].iter().any(|l| l.to == node) {
                                knots.push(knot);
                            }
                        }
                    }
                }
            }
        }
        knots
    }
}

/// How many needs are followed for the shortest cycles of a plan. Beyond it the shortest that was found is shown.
const MOST_STEPS: usize = 20_000_000;

struct Search {
    /// The round in which a node was reached last.
    seen: Vec<u32>,
    round: u32,
    effort: usize,
}
