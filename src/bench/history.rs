//! A figure over time: the runs of a ledger as series, of which no two machines, models, settings or units are mixed,
//! with the places at which a level changed.
//!
//! Leaves out where runs come from, and whether their receipts are to be believed.

use jiff::Timestamp;

use super::changes::{Change, changes};
use super::compare::SAME_WITHIN;
use super::result::{Better, Machine, Measurement, Run, Setting, Subject};
use super::stats::Interval;

/// A run and the receipt that tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub receipt: String,
    pub time: Timestamp,
    pub run: Run,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub receipt: String,
    pub time: Timestamp,
    pub median: f64,
    pub interval: Option<Interval>,
    /// Too noisy for its own run to be believed.
    pub noisy: bool,
}

/// One figure of one subject under one setting on one machine, from the oldest to the newest.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub subject: Subject,
    pub machine: Machine,
    pub id: String,
    pub unit: String,
    pub better: Better,
    pub setting: Setting,
    pub points: Vec<Point>,
    pub changes: Vec<Change>,
}

impl Series {
    fn begin(run: &Run, measurement: &Measurement) -> Self {
        Series {
            subject: run.subject.clone(),
            machine: run.machine.clone(),
            id: measurement.id.clone(),
            unit: measurement.unit.clone(),
            better: measurement.better,
            setting: measurement.setting.clone(),
            points: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn takes(&self, run: &Run, measurement: &Measurement) -> bool {
        self.id == measurement.id
            && self.unit == measurement.unit
            && self.setting == measurement.setting
            && self.machine.fingerprint == run.machine.fingerprint
            && self.machine.level == run.machine.level
            && is_same_subject(&self.subject, &run.subject)
    }

    /// Whether a change was to the better.
    pub fn is_gain(&self, change: &Change) -> bool {
        (change.after > change.before) == (self.better == Better::Higher)
    }
}

/// A model is its bytes. A program is what was called: its file changes with every build, which is what its history is about.
fn is_same_subject(one: &Subject, other: &Subject) -> bool {
    match (one, other) {
        (Subject::Model(one), Subject::Model(other)) => one.sha256 == other.sha256,
        (Subject::Command(one), Subject::Command(other)) => one.argv == other.argv,
        _ => false,
    }
}

/// The series of the figures that are wanted, each with its changes; in the order in which they first appear.
pub fn series(entries: &[Entry], is_wanted: impl Fn(&Run, &Measurement) -> bool) -> Vec<Series> {
    let mut by_time: Vec<&Entry> = entries.iter().collect();
    by_time.sort_by_key(|entry| entry.time);
    let mut all: Vec<Series> = Vec::new();
    for entry in by_time {
        for measurement in entry.run.measurements.iter().filter(|one| is_wanted(&entry.run, one)) {
            let Ok(estimate) = measurement.estimate() else { continue };
            let point = Point {
                receipt: entry.receipt.clone(),
                time: entry.time,
                median: estimate.median,
                interval: estimate.interval,
                noisy: entry.run.is_noisy(measurement),
            };
            match all.iter_mut().find(|series| series.takes(&entry.run, measurement)) {
                Some(series) => series.points.push(point),
                None => {
                    let mut series = Series::begin(&entry.run, measurement);
                    series.points.push(point);
                    all.push(series);
                }
            }
        }
    }
    for series in &mut all {
        let medians: Vec<f64> = series.points.iter().map(|point| point.median).collect();
        // A figure that may be zero has no ratios, and so no changes that could be told.
        if medians.iter().all(|median| *median > 0.0) {
            series.changes = changes(&medians, SAME_WITHIN);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::result::{CommandSubject, ModelSubject, Noise, Plan, metric_of};
    use super::*;

    fn entry(second: i64, machine: &str, model: &str, threads: u64, speed: f64) -> Entry {
        let metric = metric_of("decode.tok_s").expect("a metric");
        let setting = Setting { threads: Some(threads), ..Setting::default() };
        let samples = (0..10).map(|at| speed + f64::from(at % 3) * 0.01).collect();
        let (sha256, quant, arch) = (model.repeat(32), "Q4_0".to_owned(), "llama".to_owned());
        let run = Run {
            subject: Subject::Model(ModelSubject { name: model.into(), sha256, bytes: 1, arch, quant, parameters: 1 }),
            machine: Machine {
                fingerprint: machine.into(),
                cpu: "a cpu".into(),
                system: "linux".into(),
                level: "avx2".into(),
                processors: 2,
                usable: 2,
                memory_bytes: 1,
                governor: None,
            },
            plan: Plan { rounds: 10, window: 2, tolerance: 0.05, warm_up_limit: 4, precision: 0.1, seed: 0 },
            peaks: Vec::new(),
            noise: Noise::default(),
            outputs: Vec::new(),
            measurements: vec![Measurement { samples, ..Measurement::of(metric, setting) }],
            remarks: Vec::new(),
        };
        Entry { receipt: format!("r{second}"), time: Timestamp::from_second(second).expect("a time"), run }
    }

    #[test]
    fn machines_models_and_settings_are_never_mixed() {
        let entries = [
            entry(4, "m", "aa", 2, 30.0),
            entry(1, "m", "aa", 2, 31.0),
            entry(2, "n", "aa", 2, 60.0),
            entry(3, "m", "bb", 2, 10.0),
            entry(5, "m", "aa", 1, 16.0),
        ];
        let all = series(&entries, |_, _| true);
        let receipts = |series: &Series| series.points.iter().map(|p| p.receipt.clone()).collect::<Vec<_>>();
        assert_eq!(
            all.iter().map(receipts).collect::<Vec<_>>(),
            [vec!["r1", "r4"], vec!["r2"], vec!["r3"], vec!["r5"]]
        );
        assert_eq!(series(&entries, |_, one| one.setting.threads == Some(1)).len(), 1);
    }

    #[test]
    fn a_program_is_what_was_called_whatever_its_file() {
        let command = |sha256: &str| Subject::Command(CommandSubject { argv: vec!["a".into()], sha256: sha256.into() });
        let mut entries = [entry(1, "m", "aa", 2, 30.0), entry(2, "m", "aa", 2, 30.0)];
        entries[0].run.subject = command("00");
        entries[1].run.subject = command("11");
        assert_eq!(series(&entries, |_, _| true).len(), 1);
    }

    #[test]
    fn a_regression_is_marked_where_it_came() {
        let speed = |at: i64| if at < 9 { 30.0 } else { 27.0 } + (at * 7 % 5) as f64 * 0.02;
        let entries: Vec<Entry> = (0..16).map(|at| entry(at, "m", "aa", 2, speed(at))).collect();
        let all = series(&entries, |_, _| true);
        assert_eq!(all[0].changes.iter().map(|change| change.at).collect::<Vec<_>>(), [9]);
        assert!(!all[0].is_gain(&all[0].changes[0]));
    }
}
