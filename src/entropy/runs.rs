//! Evidence for code: runs of tests that say which units they covered and with which tests.

use std::collections::{HashMap, HashSet};

use super::bits::{Standing, Table};
use super::units::UnitId;

/// A run of tests that passed, as its admissible receipts tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub receipts: Vec<String>,
    /// Who signed it.
    pub key: String,
    /// Each with the share of its lines that ran, in percent.
    pub covered: Vec<(UnitId, u8)>,
    /// Test code that the run rests on. Once it is gone or changed, nobody can repeat the run.
    pub tests: Vec<UnitId>,
    /// The share of planted faults that the tests found, in thousandths.
    pub killed: Option<u16>,
}

/// The best that is known about each unit.
#[derive(Debug, Default)]
pub struct Coverage<'r> {
    best: HashMap<UnitId, Known<'r>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Known<'r> {
    pub p: f64,
    pub standing: Standing,
    pub run: &'r Run,
    /// The share of its tests that still stand as they were.
    pub tests_left: f64,
}

impl<'r> Coverage<'r> {
    /// `present` are the test units that there are now.
    pub fn of(runs: &'r [Run], present: &HashSet<UnitId>, table: &Table) -> Coverage<'r> {
        let mut keys: HashMap<UnitId, HashSet<&str>> = HashMap::new();
        for run in runs.iter().filter(|run| left(run, |test| present.contains(test)) > 0.0) {
            for (unit, percent) in &run.covered {
                if *percent > 0 {
                    keys.entry(*unit).or_default().insert(run.key.as_str());
                }
            }
        }
        let mut best: HashMap<UnitId, Known<'r>> = HashMap::new();
        for run in runs {
            let tests_left = left(run, |test| present.contains(test));
            let killed = run.killed.map_or(1.0, |k| f64::from(k) / 1000.0);
            for (unit, percent) in &run.covered {
                let share = f64::from(*percent).min(100.0) / 100.0 * tests_left * killed;
                if share <= 0.0 {
                    continue;
                }
                let twice = keys.get(unit).is_some_and(|keys| keys.len() > 1);
                let standing = if twice { Standing::Reproduced } else { Standing::Machine };
                let p = 0.5 + (table.worth(standing) - 0.5) * share;
                if best.get(unit).is_none_or(|known| p > known.p) {
                    best.insert(*unit, Known { p, standing, run, tests_left });
                }
            }
        }
        Coverage { best }
    }

    /// Of each unit that has evidence, the chance that it is right.
    pub fn chances(&self) -> HashMap<UnitId, f64> {
        self.best.iter().map(|(unit, known)| (*unit, known.p)).collect()
    }

    pub fn known(&self, unit: &UnitId) -> Option<&Known<'r>> {
        self.best.get(unit)
    }
}

/// The share of a run's tests that are there as they were. A run that names none can't be held to any.
pub(super) fn left(run: &Run, is_present: impl Fn(&UnitId) -> bool) -> f64 {
    if run.tests.is_empty() {
        return 0.0;
    }
    run.tests.iter().filter(|test| is_present(test)).count() as f64 / run.tests.len() as f64
}
