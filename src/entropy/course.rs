//! V from moment to moment: what a day did not change is not looked at again.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::bits::{Table, uncertainty};
use super::measure::{TOKENS_PER_WEIGHT, sum};
use super::runs::{Coverage, Run, left};
use super::units::{Unit, UnitId};

/// The code at the moment that was looked at last, and what is known about it.
#[derive(Default)]
pub struct Course {
    code: BTreeMap<UnitId, Here>,
    /// Of each unit of test code, how often it stands there.
    tests: HashMap<UnitId, u32>,
    /// What came since bits were told last.
    fresh: HashSet<UnitId>,
    runs: Vec<Run>,
    /// Of each run, the share of its tests that were there.
    left: Vec<f64>,
    /// Of each unit that has evidence, the chance that it is right.
    known: HashMap<UnitId, f64>,
}

struct Here {
    /// The same code in several places is one claim.
    places: u32,
    weight: f64,
    bits: f64,
}

impl Course {
    pub fn add(&mut self, units: &[Unit]) {
        for unit in units {
            if unit.test {
                *self.tests.entry(unit.id).or_default() += 1;
                continue;
            }
            let here = self.code.entry(unit.id).or_insert_with(|| {
                self.fresh.insert(unit.id);
                Here { places: 0, weight: f64::from(unit.tokens) / TOKENS_PER_WEIGHT, bits: 0.0 }
            });
            here.places += 1;
        }
    }

    /// What was added before.
    pub fn remove(&mut self, units: &[Unit]) {
        for unit in units.iter().filter(|unit| unit.test) {
            if let Some(times) = self.tests.get_mut(&unit.id) {
                *times -= 1;
                if *times == 0 {
                    self.tests.remove(&unit.id);
                }
            }
        }
        for unit in units.iter().filter(|unit| !unit.test) {
            if let Some(here) = self.code.get_mut(&unit.id) {
                here.places -= 1;
                if here.places == 0 {
                    self.code.remove(&unit.id);
                }
            }
        }
    }

    /// The bits of the code that is there, by what the runs show about it.
    pub fn v(&mut self, runs: &[Run], table: &Table) -> f64 {
        let left: Vec<f64> = runs.iter().map(|run| left(run, |test| self.tests.contains_key(test))).collect();
        if self.runs == runs && self.left == left {
            for id in self.fresh.drain() {
                if let Some(here) = self.code.get_mut(&id) {
                    here.bits = here.weight * uncertainty(self.known.get(&id).copied().unwrap_or(0.5));
                }
            }
        } else {
            self.known = Coverage::of(runs, &self.tests.keys().copied().collect(), table).chances();
            (self.runs, self.left) = (runs.to_vec(), left);
            self.fresh.clear();
            for (id, here) in &mut self.code {
                here.bits = here.weight * uncertainty(self.known.get(id).copied().unwrap_or(0.5));
            }
        }
        sum(self.code.values().map(|here| here.bits))
    }
}
