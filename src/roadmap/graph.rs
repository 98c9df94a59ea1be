//! The needs of a plan as a graph: which work, which arrows, when, and on the critical path or not.
//!
//! How it is drawn is for the view; [`lanes`] decides where the lines of a drawing on a terminal run.

use std::collections::BTreeSet;

use crate::error::{Error, Place, nearest};
use crate::plan::decimal::Decimal;
use crate::plan::lint::Linted;
use crate::plan::needs::Work;
use crate::plan::schedule::Network;

use super::progress::claimed;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: String,
    pub name: String,
    /// The phase of a package.
    pub phase: Option<String>,
    pub hours: Option<Decimal>,
    pub earliest: Decimal,
    pub float: Decimal,
    pub critical: bool,
    /// Called done in the plan.
    pub done: bool,
    /// Beside the phase that was asked for, and needed by it.
    pub outside: bool,
    /// Steps of needs before it.
    pub rank: usize,
}

#[derive(Clone, Debug)]
pub struct Graph {
    pub plan: String,
    pub title: String,
    /// By rank, and otherwise in the order of the plan.
    pub nodes: Vec<Node>,
    /// From what is needed to what needs it, as places in `nodes`.
    pub edges: BTreeSet<(usize, usize)>,
    pub critical: Vec<String>,
    /// The arrows of the critical path.
    pub critical_edges: BTreeSet<(usize, usize)>,
    /// How long the longest chain is, in hours.
    pub length: Decimal,
    /// Phases with their names, in the order of the plan.
    pub phases: Vec<(String, Option<String>)>,
}

pub struct Wanted<'a> {
    pub only_critical: bool,
    pub phase: Option<&'a str>,
}

pub fn of(linted: &Linted<'_>, wanted: &Wanted<'_>) -> Result<Graph, Error> {
    let plan = linted.plan;
    let network = Network::of(plan, linted.source)?;
    let schedule = network.schedule()?;
    let phases: Vec<(String, Option<String>)> = linted
        .phases()
        .map(|p| (p.id.value.to_string(), p.name.as_ref().or(p.title.as_ref()).map(|n| n.value.clone())))
        .collect();
    if let Some(wanted) = wanted.phase
        && !phases.iter().any(|(id, _)| id == wanted)
    {
        let ids = phases.iter().map(|(id, _)| id.as_str());
        return Err(Error::usage(format!("there is no phase `{wanted}`")).hint(match nearest(wanted, ids.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("phases: {}", ids.collect::<Vec<_>>().join(", ")),
        }));
    }
    let phase_of = |work: Work<'_>| match work {
        Work::Package(_, phase) => Some(phase.id.value.to_string()),
        _ => None,
    };
    if network.works().is_empty() {
        return Err(Error::invalid("the plan has neither packages nor items, so there is nothing to draw")
            .at(Place::file(&linted.source.path))
            .hint("add `packages` to a phase, or `items` to the plan"));
    }
    let mut critical = vec![false; network.works().len()];
    schedule.critical.iter().for_each(|n| critical[*n] = true);
    let inside: Vec<bool> = network
        .works()
        .iter()
        .zip(&critical)
        .map(|(work, critical)| {
            let in_phase = wanted.phase.is_none_or(|wanted| phase_of(*work).as_deref() == Some(wanted));
            in_phase && (*critical || !wanted.only_critical)
        })
        .collect();
    let mut shown = inside.clone();
    for number in (0..inside.len()).filter(|n| inside[*n] && !wanted.only_critical) {
        network.needs(number).iter().for_each(|link| shown[link.to] = true);
    }
    let ranks = network.ranks();
    let mut order: Vec<usize> = (0..shown.len()).filter(|n| shown[*n]).collect();
    order.sort_by_key(|n| (ranks[*n], *n));
    let mut place = vec![usize::MAX; shown.len()];
    order.iter().enumerate().for_each(|(at, n)| place[*n] = at);
    let node = |n: &usize| {
        let (work, times) = (network.works()[*n], schedule.times[*n]);
        Node {
            id: network.id(*n).to_owned(),
            name: work.name().to_owned(),
            phase: phase_of(work),
            hours: network.hours(work),
            earliest: times.earliest,
            float: times.float,
            critical: critical[*n],
            done: match work {
                Work::Task(task, _) => task.done.as_ref().is_some_and(|done| done.value),
                _ => claimed(linted, network.id(*n)),
            },
            outside: !inside[*n],
            rank: ranks[*n],
        }
    };
    let critical_edges: BTreeSet<(usize, usize)> = schedule
        .critical
        .windows(2)
        .map(|pair| (place[pair[0]], place[pair[1]]))
        .filter(|(from, to)| *from != usize::MAX && *to != usize::MAX)
        .collect();
    let edges: BTreeSet<(usize, usize)> = order
        .iter()
        .flat_map(|n| network.needs(*n).iter().map(move |link| (link.to, *n)))
        .filter(|(from, to)| shown[*from] && inside[*to])
        .map(|(from, to)| (place[from], place[to]))
        .collect();
    Ok(Graph {
        plan: plan.id.value.to_string(),
        title: plan.title.value.clone(),
        nodes: order.iter().map(node).collect(),
        critical_edges: &edges & &critical_edges,
        edges,
        critical: schedule.critical.iter().map(|n| network.id(*n).to_owned()).collect(),
        length: schedule.length,
        phases,
    })
}

/// What a row of the drawing has in one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Empty,
    /// The work itself.
    Work,
    /// A line that runs past, from the work in this place.
    Past(usize),
    /// A line that this row's work comes from, and that runs on.
    Branch(usize),
    /// The same, ending here.
    End(usize),
}

/// For each node its row. A lane is held by a node from its own row down to the last that needs it.
pub fn lanes(graph: &Graph) -> Vec<Vec<Cell>> {
    let mut last: Vec<usize> = (0..graph.nodes.len()).collect();
    let mut needs = vec![Vec::new(); graph.nodes.len()];
    for (from, to) in &graph.edges {
        last[*from] = last[*from].max(*to);
        needs[*to].push(*from);
    }
    let mut held: Vec<Option<usize>> = Vec::new();
    let mut rows = Vec::with_capacity(graph.nodes.len());
    for (node, needs) in needs.iter().enumerate() {
        let mut row: Vec<Cell> = held
            .iter()
            .map(|lane| match lane {
                None => Cell::Empty,
                Some(source) if needs.contains(source) && last[*source] == node => Cell::End(*source),
                Some(source) if needs.contains(source) => Cell::Branch(*source),
                Some(source) => Cell::Past(*source),
            })
            .collect();
        let beyond = row.iter().rposition(|c| matches!(c, Cell::Branch(_) | Cell::End(_))).map_or(0, |at| at + 1);
        for lane in &mut held {
            if lane.is_some_and(|source| last[source] == node) {
                *lane = None;
            }
        }
        let free = (beyond..row.len()).find(|lane| row[*lane] == Cell::Empty).unwrap_or(row.len());
        if free == row.len() {
            row.push(Cell::Work);
        } else {
            row[free] = Cell::Work;
        }
        if last[node] > node {
            held.resize(held.len().max(free + 1), None);
            held[free] = Some(node);
        }
        while held.last() == Some(&None) {
            held.pop();
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graph(nodes: usize, edges: &[(usize, usize)]) -> Graph {
        let node = |n: usize| Node {
            id: format!("w{n}"),
            name: String::new(),
            phase: None,
            hours: None,
            earliest: Decimal::ZERO,
            float: Decimal::ZERO,
            critical: false,
            done: false,
            outside: false,
            rank: 0,
        };
        Graph {
            plan: String::new(),
            title: String::new(),
            nodes: (0..nodes).map(node).collect(),
            edges: edges.iter().copied().collect(),
            critical: Vec::new(),
            critical_edges: BTreeSet::new(),
            length: Decimal::ZERO,
            phases: Vec::new(),
        }
    }

    proptest! {
        /// What is drawn can be read back: each row shows exactly the needs of its work.
        #[test]
        fn rows_show_each_need_once(edges in prop::collection::btree_set((0usize..9, 0usize..9), 0..20)) {
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a < b).collect();
            let rows = lanes(&graph(9, &edges));
            let mut held: Vec<Option<usize>> = vec![None; 20];
            for (node, row) in rows.iter().enumerate() {
                let mut needs = Vec::new();
                prop_assert_eq!(row.iter().filter(|c| **c == Cell::Work).count(), 1);
                for (lane, cell) in row.iter().enumerate() {
                    match cell {
                        Cell::Work => {
                            prop_assert_eq!(held[lane], None, "a lane is free before it is taken");
                            held[lane] = edges.iter().any(|(from, _)| *from == node).then_some(node);
                        }
                        Cell::Past(source) => prop_assert_eq!(held[lane], Some(*source)),
                        Cell::Branch(source) => {
                            prop_assert_eq!(held[lane], Some(*source));
                            needs.push(*source);
                        }
                        Cell::End(source) => {
                            prop_assert_eq!(held[lane], Some(*source));
                            needs.push(*source);
                            held[lane] = None;
                        }
                        Cell::Empty => prop_assert_eq!(held[lane], None),
                    }
                }
                needs.sort_unstable();
                let expected: Vec<usize> = edges.iter().filter(|(_, to)| *to == node).map(|(from, _)| *from).collect();
                prop_assert_eq!(needs, expected);
            }
            prop_assert!(held.iter().all(Option::is_none), "no line is left hanging");
        }
    }
}
