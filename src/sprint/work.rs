//! The work of a sprint, one piece at a time: what the plan claims about it by a day, and what evidence proves.
//!
//! Items and packages are work, and so are boxes that belong to none. Claims are statuses, ticks and progress that is
//! reported for days that have come; none of them proves anything.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::Error;
use crate::plan::Linted;
use crate::plan::decimal::Decimal;
use crate::plan::effort;
use crate::plan::gate::proof::{self, Proofs};
use crate::plan::gate::{Inputs, Judged, Outcome};
use crate::plan::scalars::DayRange;
use crate::plan::schema::{Class, Day, Item, Package, Plan, Priority, Progress, Task, Work};
use crate::plan::source::Span;

/// What is true of a piece of work: evidence first, then what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Proven,
    /// Evidence says no.
    Refuted,
    /// There is evidence, and nobody who is trusted stands behind it.
    Untrusted,
    /// Said to be done.
    Claimed,
    Blocked,
    Doing,
    Todo,
}

impl State {
    pub const ALL: [State; 7] =
        [State::Proven, State::Refuted, State::Untrusted, State::Claimed, State::Blocked, State::Doing, State::Todo];

    pub fn word(self) -> &'static str {
        match self {
            State::Proven => "proven",
            State::Refuted => "refuted",
            State::Untrusted => "untrusted",
            State::Claimed => "claimed",
            State::Blocked => "blocked",
            State::Doing => "doing",
            State::Todo => "to do",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Item,
    Package,
    Task,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Item => "item",
            Kind::Package => "package",
            Kind::Task => "task",
        }
    }
}

/// What the plan says about how far it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claim {
    pub done: bool,
    /// The day on which it is said to be done.
    pub day: Option<u32>,
    /// The last report, where there is one.
    pub percent: Option<Decimal>,
    pub class: Option<Class>,
}

#[derive(Clone, Debug)]
pub struct Piece<'a> {
    /// Its id, or where a box without one stands.
    pub key: String,
    pub id: Option<&'a str>,
    pub kind: Kind,
    pub name: &'a str,
    pub people: Vec<&'a str>,
    pub priority: Option<Priority>,
    /// The days on which it is planned.
    pub window: Option<DayRange>,
    pub hours: Option<Decimal>,
    pub claim: Claim,
    pub proof: Judged,
    pub state: State,
    pub span: Span,
}

impl Piece<'_> {
    pub fn is_proven(&self) -> bool {
        self.state == State::Proven
    }

    /// When the newest receipt behind its proof was made.
    pub fn proven_at(&self) -> Option<Timestamp> {
        self.proof.time.filter(|_| self.is_proven())
    }
}

/// A reason not to go on that the plan writes down.
#[derive(Clone, Debug)]
pub struct Obstacle<'a> {
    pub name: &'a str,
    pub text: Option<&'a str>,
    pub blocks: Vec<&'a str>,
    /// What would settle it.
    pub next: String,
    pub span: Span,
}

/// A sprint with its work judged, as of a day.
pub struct Board<'a> {
    pub linted: Linted<'a>,
    pub pieces: Vec<Piece<'a>>,
    pub proofs: Proofs<'a>,
    pub obstacles: Vec<Obstacle<'a>>,
}

impl<'a> Board<'a> {
    /// Reports of days after `until` say what is hoped for, and claim nothing yet.
    pub fn of(
        plan: &'a Plan,
        source: &'a crate::plan::source::Source,
        until: u32,
        inputs: &Inputs<'_>,
    ) -> Result<Self, Error> {
        let linted = Linted::new(plan, source);
        let proofs = proof::of_all(plan, source, inputs)?;
        let per_day = effort::hours_per_day(plan);
        let mut pieces = Vec::new();
        for phase in linted.phases() {
            let days = phase.days.as_ref().map(|d| d.value);
            pieces.extend(phase.packages.iter().map(|p| of_package(p, days, &linted, &proofs)));
        }
        let scheduled = scheduled_hours(&linted);
        for item in &plan.items {
            let hours = effort::of_item(item, per_day).or(scheduled.get(item.id.value.0.as_str()).copied());
            pieces.push(of_item(item, hours, until, &linted, &proofs));
        }
        for day in &plan.days {
            let boxes = (1..).zip(&day.tasks).filter(|(_, task)| task.item.is_none());
            pieces.extend(boxes.map(|(number, task)| of_task(day, number, task, &proofs)));
        }
        let mut board = Board { linted, pieces, proofs, obstacles: Vec::new() };
        board.obstacles = board.open_obstacles();
        for piece in &mut board.pieces {
            piece.state = state(piece, &board.obstacles, &board.linted);
        }
        Ok(board)
    }

    /// The piece of this id, or the one that a part or a box of this id belongs to.
    pub fn piece(&self, id: &str) -> Option<&Piece<'a>> {
        let of_box = || self.linted.tasks().find(|t| t.id.as_ref().is_some_and(|own| own.value.0 == id))?.item.as_ref();
        let named = of_box().map_or(id, |item| item.value.0.as_str());
        let whole = self.linted.item(named).map_or(named, |item| item.id.value.0.as_str());
        self.pieces.iter().find(|piece| piece.id == Some(whole))
    }

    /// A blocker is open while it stands in the plan, but where all that it blocks is proven.
    fn open_obstacles(&self) -> Vec<Obstacle<'a>> {
        let proven = |id: &str| self.proofs.get(id).is_some_and(|judged| judged.outcome == Outcome::Met);
        let plan = self.linted.plan;
        let mut open = Vec::new();
        for blocker in &plan.blockers {
            let blocks: Vec<&str> = blocker.blocks.iter().map(|b| b.value.0.as_str()).collect();
            if blocks.is_empty() || !blocks.iter().all(|id| proven(id)) {
                let (name, text) = (blocker.name.value.as_str(), blocker.text.as_ref().map(|t| t.value.as_str()));
                let next = "settle it, and take it from `blockers`".to_owned();
                open.push(Obstacle { name, text, blocks, next, span: blocker.span });
            }
        }
        for dependency in plan.dependencies.iter().filter(|d| d.done.as_ref().is_some_and(|d| !d.value)) {
            let next = "bring it about, and mark the dependency as done".to_owned();
            let name = dependency.text.value.as_str();
            open.push(Obstacle { name, text: None, blocks: Vec::new(), next, span: dependency.span });
        }
        for piece in self.pieces.iter().filter(|p| p.claim.class == Some(Class::Blocked)) {
            let Some(id) = piece.id.filter(|id| !proven(id)) else { continue };
            if !open.iter().any(|obstacle| obstacle.blocks.contains(&id)) {
                let next = format!("lift the block, and change the status of `{id}`");
                let text = Some("its status says that it is blocked");
                open.push(Obstacle { name: piece.name, text, blocks: vec![id], next, span: piece.span });
            }
        }
        open
    }
}

fn state(piece: &Piece<'_>, obstacles: &[Obstacle<'_>], linted: &Linted<'_>) -> State {
    let blocked = || {
        let whole = |id| linted.item(id).map(|item| item.id.value.0.as_str()).or(Some(id));
        obstacles.iter().flat_map(|o| o.blocks.iter().copied()).any(|id| whole(id) == piece.id)
    };
    let begun = || piece.claim.class == Some(Class::Doing) || piece.claim.percent.is_some_and(|p| !p.is_zero());
    match piece.proof.outcome {
        Outcome::Met => State::Proven,
        Outcome::Failed => State::Refuted,
        Outcome::Untrusted => State::Untrusted,
        Outcome::Pending(_) if piece.claim.done => State::Claimed,
        Outcome::Pending(_) if blocked() => State::Blocked,
        Outcome::Pending(_) if begun() => State::Doing,
        Outcome::Pending(_) => State::Todo,
    }
}

fn judged(id: &str, proofs: &Proofs<'_>) -> Judged {
    proofs.get(id).cloned().unwrap_or_else(|| proof::unshown(id))
}

fn of_package<'a>(
    package: &'a Package,
    window: Option<DayRange>,
    linted: &Linted<'_>,
    proofs: &Proofs<'_>,
) -> Piece<'a> {
    let id = package.id.value.0.as_str();
    let class = package.status.as_ref().map(|s| linted.class(&s.value));
    Piece {
        key: id.to_owned(),
        id: Some(id),
        kind: Kind::Package,
        name: &package.name.value,
        people: package.owners.iter().map(|o| o.value.0.as_str()).collect(),
        priority: package.priority.as_ref().map(|p| p.value),
        window,
        hours: effort::of_package(package),
        claim: Claim { done: class == Some(Class::Done), class, ..Claim::default() },
        proof: judged(id, proofs),
        state: State::Todo,
        span: package.id.span,
    }
}

fn of_item<'a>(
    item: &'a Item,
    hours: Option<Decimal>,
    until: u32,
    linted: &Linted<'_>,
    proofs: &Proofs<'_>,
) -> Piece<'a> {
    let id = item.id.value.0.as_str();
    let people = item.lead.iter().chain(item.support.iter().map(|s| &s.who));
    Piece {
        key: id.to_owned(),
        id: Some(id),
        kind: Kind::Item,
        name: &item.name.value,
        people: people.map(|who| who.value.0.as_str()).collect(),
        priority: None,
        window: item.window.as_ref().map(|w| w.value),
        hours,
        claim: claim_of(item, until, linted),
        proof: judged(id, proofs),
        state: State::Todo,
        span: item.id.span,
    }
}

fn of_task<'a>(day: &Day, number: usize, task: &'a Task, proofs: &Proofs<'_>) -> Piece<'a> {
    let id = task.id.as_ref().map(|id| id.value.0.as_str());
    let place = format!("day {}, box {number}", day.n.value);
    let n = day.n.value;
    let done = task.done.as_ref().is_some_and(|d| d.value);
    let proof = match id {
        Some(id) => judged(id, proofs),
        None => Judged::missing("evidence", "no criterion can cover a box without an id")
            .next(format!("give {place} an id, and let a criterion with evidence cover it")),
    };
    Piece {
        key: id.map_or(place, str::to_owned),
        id,
        kind: Kind::Task,
        name: &task.text.value,
        people: Vec::new(),
        priority: None,
        window: Some(DayRange { first: n, last: n }),
        hours: None,
        claim: Claim { done, day: done.then_some(n), ..Claim::default() },
        proof,
        state: State::Todo,
        span: task.span,
    }
}

fn claim_of(item: &Item, until: u32, linted: &Linted<'_>) -> Claim {
    let class = item.status.as_ref().map(|s| linted.class(&s.value));
    let completed = linted.completion(item).filter(|day| *day <= until);
    let done = completed.is_some() || class == Some(Class::Done);
    let last = |hit: &dyn Fn(&Progress) -> bool| {
        let reported = linted.plan.days.iter().filter(|d| d.n.value <= until);
        reported.flat_map(|d| &d.progress).filter(|p| hit(p)).map(|p| p.percent.value.0).last()
    };
    let whole = last(&|p| p.part.is_none() && p.item.as_ref().is_some_and(|i| i.value == item.id.value));
    let parts: Vec<Option<Decimal>> = item
        .parts
        .iter()
        .map(|part| last(&|p| p.part.as_ref().or(p.item.as_ref()).is_some_and(|i| i.value == part.id.value)))
        .collect();
    let mean = || {
        let sum = Decimal::sum(parts.iter().map(|p| p.unwrap_or_default()))?;
        sum.div(Decimal::from_int(i64::try_from(parts.len()).ok()?), 0)
    };
    let percent = whole.or_else(|| parts.iter().any(Option::is_some).then(mean).flatten());
    Claim { done, day: completed, percent, class }
}

/// The hours that the days plan for each item.
fn scheduled_hours<'a>(linted: &Linted<'a>) -> BTreeMap<&'a str, Decimal> {
    let mut hours: BTreeMap<&str, Decimal> = BTreeMap::new();
    for work in linted.plan.days.iter().flat_map(super::people::work) {
        let Some((item, length)) = item_of(work, linted).zip(work.hours.as_ref()) else { continue };
        let people = Decimal::from_int(i64::try_from(work.who.len()).unwrap_or(0));
        let sum = hours.entry(item.id.value.0.as_str()).or_default();
        *sum = length.value.0.mul(people).and_then(|h| sum.add(h)).unwrap_or(*sum);
    }
    hours
}

/// The item that work is about, or the one that has the part that it is about.
pub fn item_of<'a>(work: &Work, linted: &Linted<'a>) -> Option<&'a Item> {
    work.item.as_ref().and_then(|item| linted.item(&item.value.0))
}
