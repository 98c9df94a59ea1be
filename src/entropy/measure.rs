//! H at a moment, and what changed it between two.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::bits::{Table, uncertainty};
use super::claims::Weighed;
use super::runs::{Coverage, Run};
use super::units::{Unit, UnitId};

/// Bits are told per thousand tokens.
pub(super) const TOKENS_PER_WEIGHT: f64 = 1000.0;

/// A file of code and its units.
#[derive(Clone, Debug)]
pub struct File<'u> {
    pub path: &'u str,
    pub units: &'u [Unit],
}

/// Everything that H at one moment is made of.
#[derive(Debug)]
pub struct Moment<'a> {
    pub claims: Vec<Weighed>,
    pub code: BTreeMap<UnitId, Code<'a>>,
}

/// A unit of code as it counts.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    pub unit: &'a Unit,
    pub path: &'a str,
    pub p: f64,
    pub run: Option<&'a Run>,
    pub tests_left: f64,
}

impl Code<'_> {
    pub fn weight(&self) -> f64 {
        f64::from(self.unit.tokens) / TOKENS_PER_WEIGHT
    }

    pub fn bits(&self) -> f64 {
        self.weight() * uncertainty(self.p)
    }
}

impl Weighed {
    pub fn bits(&self) -> f64 {
        self.weight * uncertainty(self.p)
    }
}

impl<'a> Moment<'a> {
    pub fn of(claims: Vec<Weighed>, files: &[File<'a>], runs: &'a [Run], table: &Table) -> Moment<'a> {
        let tests: HashSet<UnitId> = files.iter().flat_map(|f| f.units).filter(|u| u.test).map(|u| u.id).collect();
        let coverage = Coverage::of(runs, &tests, table);
        let mut code: BTreeMap<UnitId, Code<'a>> = BTreeMap::new();
        for file in files {
            for unit in file.units.iter().filter(|u| !u.test) {
                // The same code twice is one claim, found under the first of its paths.
                let known = coverage.known(&unit.id);
                let here = Code {
                    unit,
                    path: file.path,
                    p: known.map_or(0.5, |k| k.p),
                    run: known.map(|k| k.run),
                    tests_left: known.map_or(0.0, |k| k.tests_left),
                };
                let there = code.entry(unit.id).or_insert(here);
                if (file.path, unit.lines.start()) < (there.path, there.unit.lines.start()) {
                    *there = here;
                }
            }
        }
        Moment { claims, code }
    }

    pub fn p(&self) -> f64 {
        sum(self.claims.iter().map(Weighed::bits))
    }

    pub fn v(&self) -> f64 {
        sum(self.code.values().map(Code::bits))
    }

    pub fn h(&self) -> f64 {
        self.p() + self.v()
    }

    /// What H would be if nobody had shown anything.
    pub fn ceiling(&self) -> f64 {
        sum(self.claims.iter().map(|c| c.weight).chain(self.code.values().map(Code::weight)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Claim,
    Code,
    Scope,
}

/// What one claim, or the code of one file, did to H.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    pub part: Part,
    pub name: String,
    pub bits: f64,
    pub reason: String,
    pub receipts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub p: f64,
    pub v: f64,
    /// Claims that came or went.
    pub scope: f64,
    /// The largest first; they add up to [`Change::total`].
    pub contributions: Vec<Contribution>,
}

impl Change {
    pub fn total(&self) -> f64 {
        self.p + self.v + self.scope
    }

    pub fn between(before: &Moment<'_>, after: &Moment<'_>) -> Change {
        let mut contributions = Vec::new();
        let old: HashMap<&str, &Weighed> = before.claims.iter().map(|c| (c.id.as_str(), c)).collect();
        let new: HashMap<&str, &Weighed> = after.claims.iter().map(|c| (c.id.as_str(), c)).collect();
        for claim in &after.claims {
            let (part, bits) = match old.get(claim.id.as_str()) {
                Some(was) => (Part::Claim, claim.bits() - was.bits()),
                None => (Part::Scope, claim.bits()),
            };
            contributions.push(contribution(part, claim, bits, claim.reason.clone()));
        }
        for claim in before.claims.iter().filter(|c| !new.contains_key(c.id.as_str())) {
            contributions.push(contribution(Part::Scope, claim, -claim.bits(), "it left the plan".into()));
        }
        contributions.extend(code(before, after));
        contributions.retain(|c| c.bits != 0.0);
        contributions.sort_by(|a, b| b.bits.abs().total_cmp(&a.bits.abs()).then_with(|| a.name.cmp(&b.name)));
        let part = |part| sum(contributions.iter().filter(|c| c.part == part).map(|c| c.bits));
        Change { p: part(Part::Claim), v: part(Part::Code), scope: part(Part::Scope), contributions }
    }
}

fn contribution(part: Part, claim: &Weighed, bits: f64, reason: String) -> Contribution {
    Contribution { part, name: claim.id.clone(), bits, reason, receipts: claim.receipts.clone() }
}

/// Code, file by file: what came, what went, and what evidence did.
fn code(before: &Moment<'_>, after: &Moment<'_>) -> Vec<Contribution> {
    #[derive(Default)]
    struct Sums<'a> {
        bits: Vec<f64>,
        new: u32,
        gone: u32,
        better: u32,
        worse: u32,
        receipts: Vec<&'a str>,
    }
    let mut files: BTreeMap<&str, Sums<'_>> = BTreeMap::new();
    for (id, now) in &after.code {
        let was = before.code.get(id);
        let change = now.bits() - was.map_or(0.0, Code::bits);
        if change == 0.0 {
            continue;
        }
        let sums = files.entry(now.path).or_default();
        sums.bits.push(change);
        match was {
            None => sums.new += 1,
            Some(_) if change < 0.0 => sums.better += 1,
            Some(_) => sums.worse += 1,
        }
        for id in now.run.iter().flat_map(|run| &run.receipts) {
            if !sums.receipts.contains(&id.as_str()) {
                sums.receipts.push(id);
            }
        }
    }
    for (_, was) in before.code.iter().filter(|(id, _)| !after.code.contains_key(*id)) {
        let sums = files.entry(was.path).or_default();
        sums.bits.push(-was.bits());
        sums.gone += 1;
    }
    let told = |sums: &Sums<'_>| {
        let counts = [
            (sums.new, "units are new or changed"),
            (sums.gone, "are gone or were changed"),
            (sums.better, "have better evidence"),
            (sums.worse, "have lost evidence"),
        ];
        let said: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        said.join(", ")
    };
    let all = files.into_iter().map(|(path, sums)| Contribution {
        part: Part::Code,
        name: path.to_owned(),
        bits: sum(sums.bits.iter().copied()),
        reason: told(&sums),
        receipts: sums.receipts.iter().map(|id| (*id).to_owned()).collect(),
    });
    all.collect()
}

/// Neumaier's sum: what the order of the terms can change is below what anyone prints.
pub fn sum(terms: impl IntoIterator<Item = f64>) -> f64 {
    let (mut total, mut lost) = (0.0_f64, 0.0_f64);
    for term in terms {
        let next = total + term;
        lost += if total.abs() >= term.abs() { (total - next) + term } else { (term - next) + total };
        total = next;
    }
    total + lost
}

#[cfg(test)]
mod tests;
