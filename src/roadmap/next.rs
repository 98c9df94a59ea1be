//! What to do now: what could be begun, what is only said to be done, and what keeps the rest waiting.
//!
//! Work is done when evidence proves it. Work that is only claimed lets what follows begin, but apart: should the claim
//! fall, so does what was built on it. A phase opens with the gate of the one before. The order is priority, then float, then the order of the plan.

use std::collections::{HashMap, HashSet};

use crate::error::Error;
use crate::plan::decimal::Decimal;
use crate::plan::gate::proof::{Proofs, unshown};
use crate::plan::gate::{Decision, Judged, Outcome};
use crate::plan::lint::Linted;
use crate::plan::needs::Work;
use crate::plan::schedule::Network;
use crate::plan::schema::{Class, Phase, Plan};

use super::progress::claimed;

/// How firmly something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Proven,
    /// Called done, and not shown.
    Claimed,
    Open,
}

/// A piece of work that is not proven.
#[derive(Clone, Debug)]
pub struct Step {
    pub plan: String,
    pub id: String,
    pub name: String,
    pub phase: Option<String>,
    pub priority: Option<&'static str>,
    pub hours: Option<Decimal>,
    pub float: Decimal,
    pub critical: bool,
    /// The days of its window.
    pub window: Option<(u32, u32)>,
    pub owners: Vec<String>,
    pub doing: bool,
    /// How much other open work waits for it, over however many steps. Not told of what is blocked itself.
    pub waiting: usize,
    /// What of its needs is only claimed.
    pub on_word: Vec<Block>,
    pub blocks: Vec<Block>,
    /// What evidence says about it, and what would show it.
    pub proof: Judged,
}

/// What keeps work waiting, and what would end that.
#[derive(Clone, Debug)]
pub struct Block {
    pub by: String,
    pub why: String,
    pub next: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Next {
    /// Could be begun.
    pub ready: Vec<Step>,
    /// Could be begun if what is claimed is true.
    pub ready_on_word: Vec<Step>,
    /// Called done, and waiting for evidence.
    pub to_prove: Vec<Step>,
    pub blocked: Vec<Step>,
    pub proven: usize,
}

impl Next {
    pub fn is_over(&self) -> bool {
        [&self.ready, &self.ready_on_word, &self.to_prove, &self.blocked].iter().all(|list| list.is_empty())
    }

    fn lists(&mut self) -> [&mut Vec<Step>; 4] {
        [&mut self.ready, &mut self.ready_on_word, &mut self.to_prove, &mut self.blocked]
    }

    /// Of several plans one, in the order of the steps and not of the plans.
    pub fn join(all: Vec<Next>) -> Next {
        let mut whole = Next::default();
        for mut next in all {
            whole.proven += next.proven;
            for (into, from) in whole.lists().into_iter().zip(next.lists()) {
                into.append(from);
            }
        }
        whole.lists().into_iter().for_each(|list| list.sort_by(|a, b| a.urgency().cmp(&b.urgency())));
        whole
    }

    pub fn only_of(&mut self, owner: &str) {
        self.lists().into_iter().for_each(|list| list.retain(|step| step.owners.iter().any(|o| o == owner)));
    }
}

impl Step {
    fn urgency(&self) -> impl Ord {
        (self.priority.is_none(), self.priority, self.float, self.window.is_none(), self.window)
    }
}

/// The gate that keeps a phase from opening, and what would open it.
pub type Held<'p> = HashMap<&'p str, Block>;

/// The phases that wait for the gate of an earlier one.
pub fn held<'p>(
    plan: &'p Plan,
    mut decide: impl FnMut(&'p Phase) -> Result<Decision, Error>,
) -> Result<Held<'p>, Error> {
    let mut held = Held::new();
    for list in [&plan.phases, &plan.tiers] {
        let mut closed: Option<Block> = None;
        for phase in list {
            if let Some(block) = &closed {
                held.insert(phase.id.value.0.as_str(), block.clone());
            } else if phase.gate.is_some() {
                let decision = decide(phase)?;
                closed = (decision.outcome != Outcome::Met).then(|| Block {
                    by: decision.phase.clone(),
                    why: format!(
                        "its gate is closed ({}): {} of {} criteria are met",
                        decision.outcome.word(),
                        decision.count("met"),
                        decision.criteria.len()
                    ),
                    next: Some(format!("bizra roadmap gate {}", decision.phase)),
                });
            }
        }
    }
    Ok(held)
}

/// `proofs` are those of everything that work can need.
pub fn of(linted: &Linted<'_>, proofs: &Proofs<'_>, held: &Held<'_>) -> Result<Next, Error> {
    let network = Network::of(linted.plan, linted.source)?;
    let desk = Desk { linted, proofs, held, network: &network };
    let left = network.timed(|_, work| match desk.standing(&work.id().value.0) {
        Standing::Open => network.hours(work).unwrap_or_default(),
        _ => Decimal::ZERO,
    })?;
    let critical: HashSet<usize> = left.critical.iter().copied().collect();
    let mut next = Next::default();
    for (number, work) in network.works().iter().enumerate() {
        if matches!(work, Work::Task(..)) {
            continue;
        }
        let standing = desk.standing(network.id(number));
        if standing == Standing::Proven {
            next.proven += 1;
            continue;
        }
        let mut step = desk.step(number, *work, left.times[number].float, critical.contains(&number));
        if step.blocks.is_empty() {
            step.waiting = desk.waiting_for(number);
        }
        let list = match standing {
            Standing::Claimed => &mut next.to_prove,
            _ if !step.blocks.is_empty() => &mut next.blocked,
            _ if !step.on_word.is_empty() => &mut next.ready_on_word,
            _ => &mut next.ready,
        };
        list.push(step);
    }
    Ok(Next::join(vec![next]))
}

struct Desk<'a, 'p> {
    linted: &'a Linted<'p>,
    proofs: &'a Proofs<'a>,
    held: &'a Held<'a>,
    network: &'a Network<'p>,
}

impl<'p> Desk<'_, 'p> {
    /// Of work, a part of an item, or a task.
    fn standing(&self, id: &str) -> Standing {
        if self.proofs.get(id).is_some_and(|judged| judged.outcome == Outcome::Met) {
            return Standing::Proven;
        }
        let of_item = self.linted.item(id);
        let is_part = of_item.is_some_and(|item| item.id.value.0 != id);
        let reported = |part: &str| {
            let whole = |p: &crate::plan::schema::Progress| {
                p.percent.value.is_whole() && p.part.as_ref().is_some_and(|own| own.value.0 == part)
            };
            self.linted.plan.days.iter().any(|day| day.progress.iter().any(whole))
        };
        let ticked = || {
            let task = self.linted.tasks().find(|t| t.id.as_ref().is_some_and(|own| own.value.0 == id));
            task.and_then(|t| t.done.as_ref()).is_some_and(|done| done.value)
        };
        let told = if is_part {
            reported(id) || of_item.is_some_and(|item| claimed(self.linted, &item.id.value.0))
        } else if of_item.is_some() || self.linted.package(id).is_some() {
            claimed(self.linted, id)
        } else {
            ticked()
        };
        if told { Standing::Claimed } else { Standing::Open }
    }

    fn step(&self, number: usize, work: Work<'p>, float: Decimal, critical: bool) -> Step {
        let id = self.network.id(number);
        let (phase, priority, owners, window) = match work {
            Work::Package(package, phase) => (
                Some(phase.id.value.to_string()),
                package.priority.as_ref().map(|p| p.value.word()),
                package.owners.iter().collect(),
                None,
            ),
            Work::Item(item) => {
                let people = item.lead.iter().chain(item.support.iter().map(|s| &s.who)).collect();
                (None, None, people, item.window.as_ref().map(|w| (w.value.first, w.value.last)))
            }
            Work::Task(..) => (None, None, Vec::new(), None),
        };
        let mut step = Step {
            plan: self.linted.plan.id.value.to_string(),
            id: id.to_owned(),
            name: work.name().to_owned(),
            phase,
            priority,
            hours: self.network.hours(work),
            float,
            critical,
            window,
            owners: owners.into_iter().map(|o| o.value.to_string()).collect(),
            doing: self.linted.class_of(id) == Some(Class::Doing),
            waiting: 0,
            on_word: Vec::new(),
            blocks: self.obstacles(id, work),
            proof: self.proof(id),
        };
        step.blocks.extend(step.phase.as_deref().and_then(|phase| self.held.get(phase)).cloned());
        for link in self.network.needs(number) {
            let needed = link.named.value.0.as_str();
            match self.standing(needed) {
                Standing::Proven => {}
                Standing::Claimed => {
                    let proof = self.proof(needed);
                    let why = format!("it is only said to be done: {}", proof.outcome.words());
                    step.on_word.push(Block { by: needed.to_owned(), why, next: proof.next });
                }
                Standing::Open => {
                    let proof = self.proof(needed);
                    let why = format!("“{}” is not done", self.network.works()[link.to].name());
                    step.blocks.push(Block { by: needed.to_owned(), why, next: proof.next });
                }
            }
        }
        step
    }

    fn proof(&self, id: &str) -> Judged {
        self.proofs.get(id).cloned().unwrap_or_else(|| unshown(id))
    }

    /// What is said to block it, beside open needs.
    fn obstacles(&self, id: &str, work: Work<'_>) -> Vec<Block> {
        let mut found = Vec::new();
        for blocker in &self.linted.plan.blockers {
            let about = |name: &str| name == id || self.linted.item(name).is_some_and(|item| item.id.value.0 == id);
            if blocker.blocks.iter().any(|b| about(&b.value.0)) {
                let why = blocker.text.as_ref().map_or("it is listed as a blocker".to_owned(), |t| t.value.clone());
                let next = Some("settle it, and take it from `blockers`".to_owned());
                found.push(Block { by: blocker.name.value.clone(), why, next });
            }
        }
        if let Work::Item(item) = work {
            let outside = item.needs.iter().filter(|n| n.item.is_none() && n.done.is_none());
            for text in outside.filter_map(|n| n.text.as_ref()) {
                let next = Some("once it is there, write the date into its `done`".to_owned());
                found.push(Block { by: text.value.clone(), why: "it comes from outside the plan".into(), next });
            }
        }
        if self.linted.class_of(id) == Some(Class::Blocked) && found.is_empty() {
            let note = match work {
                Work::Package(package, _) => package.status_note.as_ref(),
                _ => None,
            };
            let why = note.map_or("its status says that it is blocked".to_owned(), |n| n.value.clone());
            let next = Some(format!("lift the block, and change the status of `{id}`"));
            found.push(Block { by: "status".into(), why, next });
        }
        found
    }

    fn waiting_for(&self, number: usize) -> usize {
        let mut seen = HashSet::new();
        let mut reached = vec![number];
        let mut count = 0;
        while let Some(work) = reached.pop() {
            for next in self.network.needed_by(work) {
                if seen.insert(*next) {
                    reached.push(*next);
                    count += usize::from(self.standing(self.network.id(*next)) == Standing::Open);
                }
            }
        }
        count
    }
}
