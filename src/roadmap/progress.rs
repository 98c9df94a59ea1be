//! How far a plan is: what its words claim against what evidence proves, by phase, category, priority and owner.
//!
//! Claimed is what is called done, or reported at 100 %. Proven is what evidence shows, whatever it is called. Hours are
//! exact; work without hours counts as a piece of work and adds none. A package of several owners counts for each.

use crate::error::Error;
use crate::plan::decimal::Decimal;
use crate::plan::effort;
use crate::plan::gate::proof::Proofs;
use crate::plan::gate::{self, Decision, Inputs, Outcome};
use crate::plan::lint::Linted;
use crate::plan::scalars::DayRange;
use crate::plan::schema::{Class, Item, Package, Task};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    Phase,
    Category,
    Priority,
    Owner,
}

impl By {
    pub const ALL: [By; 4] = [By::Phase, By::Category, By::Priority, By::Owner];

    pub fn word(self) -> &'static str {
        match self {
            By::Phase => "phase",
            By::Category => "category",
            By::Priority => "priority",
            By::Owner => "owner",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub works: usize,
    pub hours: Decimal,
}

/// What there is to do, and how much of it is told and shown to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub all: Amount,
    pub claimed: Amount,
    pub proven: Amount,
    /// Claimed, and not proven.
    pub unproven: Amount,
    /// Claimed, and disproved.
    pub refuted: Amount,
    /// Work without hours.
    pub unsized_works: usize,
}

#[derive(Clone, Debug)]
pub struct Row {
    /// None for work that names nothing of this kind.
    pub name: Option<String>,
    pub title: Option<String>,
    pub sum: Sum,
    pub gate: Option<Decision>,
    pub boxes: Boxes,
}

/// Boxes of days, weeks and lists. They prove nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Boxes {
    pub ticked: usize,
    pub all: usize,
}

/// One plan.
#[derive(Clone, Debug)]
pub struct Progress {
    pub plan: String,
    pub title: String,
    pub whole: Sum,
    pub by: Vec<(By, Vec<Row>)>,
    pub boxes: Boxes,
}

/// One piece of work, as the sums want it.
struct Piece<'a> {
    hours: Option<Decimal>,
    claimed: bool,
    outcome: Option<Outcome>,
    phase: Option<&'a str>,
    category: Option<&'a str>,
    priority: Option<&'a str>,
    owners: Vec<&'a str>,
}

pub fn of(linted: &Linted<'_>, proofs: &Proofs<'_>, inputs: &Inputs<'_>) -> Result<Progress, Error> {
    let plan = linted.plan;
    let pieces = pieces(linted, proofs);
    let too_large = || Error::invalid("the hours of the plan add up to more than can be counted");
    let mut by = Vec::new();
    for kind in By::ALL {
        let mut rows = Vec::new();
        for (name, title) in names(linted, kind, &pieces) {
            let of_name = pieces.iter().filter(|piece| piece.has(kind, name));
            let sum = Sum::of(of_name).ok_or_else(too_large)?;
            let phase = linted.phases().find(|p| kind == By::Phase && Some(p.id.value.0.as_str()) == name);
            let gate = match phase.filter(|p| p.gate.is_some()) {
                Some(phase) => Some(gate::decide(plan, linted.source, phase, inputs)?),
                None => None,
            };
            let days = |range: DayRange| plan.days.iter().filter(move |d| range.contains(d.n.value));
            let tasks = phase.and_then(|p| p.days.as_ref()).into_iter().flat_map(|r| days(r.value));
            let boxes = Boxes::of(tasks.flat_map(|day| &day.tasks));
            rows.push(Row { name: name.map(str::to_owned), title: title.map(str::to_owned), sum, gate, boxes });
        }
        by.push((kind, rows));
    }
    Ok(Progress {
        plan: plan.id.value.to_string(),
        title: plan.title.value.clone(),
        whole: Sum::of(&pieces).ok_or_else(too_large)?,
        by,
        boxes: Boxes::of(linted.tasks()),
    })
}

/// Whether a plan calls this work done.
pub fn claimed(linted: &Linted<'_>, id: &str) -> bool {
    linted.class_of(id) == Some(Class::Done) || linted.item(id).is_some_and(|item| linted.completion(item).is_some())
}

fn pieces<'a>(linted: &Linted<'a>, proofs: &Proofs<'_>) -> Vec<Piece<'a>> {
    let outcome = |id: &str| proofs.get(id).map(|judged| judged.outcome);
    let per_day = effort::hours_per_day(linted.plan);
    let of_package = |phase: &'a str, package: &'a Package| Piece {
        hours: effort::of_package(package),
        claimed: claimed(linted, &package.id.value.0),
        outcome: outcome(&package.id.value.0),
        phase: Some(phase),
        category: package.category.as_ref().map(|c| c.value.0.as_str()),
        priority: package.priority.as_ref().map(|p| p.value.word()),
        owners: package.owners.iter().map(|o| o.value.0.as_str()).collect(),
    };
    let of_item = |item: &'a Item| Piece {
        hours: effort::of_item(item, per_day),
        claimed: claimed(linted, &item.id.value.0),
        outcome: outcome(&item.id.value.0),
        phase: None,
        category: item.category.as_ref().map(|c| c.value.0.as_str()),
        priority: None,
        owners: item.lead.iter().map(|l| l.value.0.as_str()).collect(),
    };
    let packages = linted.phases().flat_map(|p| p.packages.iter().map(move |w| (p.id.value.0.as_str(), w)));
    packages.map(|(phase, package)| of_package(phase, package)).chain(linted.plan.items.iter().map(of_item)).collect()
}

impl Piece<'_> {
    fn has(&self, by: By, name: Option<&str>) -> bool {
        match (by, name) {
            (By::Phase, name) => self.phase == name,
            (By::Category, name) => self.category == name,
            (By::Priority, name) => self.priority == name,
            (By::Owner, None) => self.owners.is_empty(),
            (By::Owner, Some(name)) => self.owners.contains(&name),
        }
    }
}

/// The names of one kind with their titles, in the order of the plan, and none at the end where work names nothing.
fn names<'a>(linted: &Linted<'a>, by: By, pieces: &[Piece<'a>]) -> Vec<(Option<&'a str>, Option<&'a str>)> {
    let plan = linted.plan;
    let mut names: Vec<(Option<&str>, Option<&str>)> = match by {
        By::Phase => {
            linted.phases().map(|p| (Some(p.id.value.0.as_str()), p.name.as_ref().map(|n| n.value.as_str()))).collect()
        }
        By::Category => {
            let listed = plan.vocab.iter().flat_map(|v| &v.category).map(|c| (Some(c.value.0.as_str()), None));
            let named = plan.categories.iter().map(|c| (Some(c.id.value.0.as_str()), Some(c.name.value.as_str())));
            listed.chain(named).collect()
        }
        By::Priority => Vec::new(),
        By::Owner => plan
            .people
            .iter()
            .map(|p| (Some(p.id.value.0.as_str()), p.role.as_ref().map(|r| r.value.as_str())))
            .collect(),
    };
    let mut used: Vec<&str> = match by {
        By::Phase => Vec::new(),
        By::Category => pieces.iter().filter_map(|p| p.category).collect(),
        By::Priority => pieces.iter().filter_map(|p| p.priority).collect(),
        By::Owner => pieces.iter().flat_map(|p| p.owners.iter().copied()).collect(),
    };
    used.sort_unstable();
    used.dedup();
    let more: Vec<_> = used.into_iter().filter(|u| !names.iter().any(|(n, _)| *n == Some(*u))).collect();
    names.extend(more.into_iter().map(|name| (Some(name), None)));
    if by != By::Phase {
        names.retain(|(name, _)| pieces.iter().any(|piece| piece.has(by, *name)));
    }
    if pieces.iter().any(|piece| piece.has(by, None)) && !names.is_empty() {
        names.push((None, None));
    }
    names
}

impl Sum {
    fn of<'a>(pieces: impl IntoIterator<Item = &'a Piece<'a>>) -> Option<Sum> {
        let mut sum = Sum::default();
        for piece in pieces {
            let proven = piece.outcome == Some(Outcome::Met);
            sum.all.add(piece)?;
            if piece.claimed {
                sum.claimed.add(piece)?;
            }
            if proven {
                sum.proven.add(piece)?;
            }
            if piece.claimed && !proven {
                sum.unproven.add(piece)?;
            }
            if piece.claimed && piece.outcome == Some(Outcome::Failed) {
                sum.refuted.add(piece)?;
            }
            sum.unsized_works += usize::from(piece.hours.is_none());
        }
        Some(sum)
    }
}

impl Boxes {
    fn of<'a>(tasks: impl Iterator<Item = &'a Task>) -> Boxes {
        tasks.filter_map(|task| task.done.as_ref()).fold(Boxes::default(), |boxes, done| Boxes {
            ticked: boxes.ticked + usize::from(done.value),
            all: boxes.all + 1,
        })
    }
}

impl Amount {
    fn add(&mut self, piece: &Piece<'_>) -> Option<()> {
        self.works += 1;
        self.hours = self.hours.add(piece.hours.unwrap_or_default())?;
        Some(())
    }

    /// The share of a whole in percent with one digit after the point, by hours where there are any.
    pub fn percent_of(self, whole: Amount) -> Option<Decimal> {
        let hundred = Decimal::from_int(100);
        let (part, of) = if whole.hours.is_zero() {
            let count = |n: usize| i64::try_from(n).ok().map(Decimal::from_int);
            (count(self.works)?, count(whole.works)?)
        } else {
            (self.hours, whole.hours)
        };
        part.mul(hundred)?.div(of, 1)
    }
}
