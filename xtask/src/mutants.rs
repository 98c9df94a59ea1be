//! `cargo xtask mutants`: how many faults, planted into the code one at a time, the tests notice.
//!
//! One build holds all faults, each behind a switch that a variable turns at run time (mutant schemata: Untch, Offutt
//! and Harrold, "Mutation analysis using mutant schemata", ISSTA 1993), so that a fault costs the tests that reach it and
//! no compiler. Faults are those of cargo-mutants: a body gives way to a plausible value of its type, an operator to its
//! neighbour, a guard to yes or no. Leaves out what macros hold, `const fn`, and types that name no value.

mod build;
mod plant;
mod trial;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use plant::Mutant;
use sha2::{Digest as _, Sha256};
use trial::Fate;

use crate::tools::Outcome;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files or folders of src/ to plant faults into
    #[arg(value_name = "PATH", default_values_t = DEFAULT.map(String::from))]
    paths: Vec<String>,
    /// Fail when fewer than this share of the faults is noticed
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100))]
    min: Option<u8>,
    /// How many faults to try at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Seconds of tests that run the whole program, for each fault that no unit test notices
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
    /// Only say which faults would be planted
    #[arg(long)]
    list: bool,
    /// Try so many of them, chosen by their digests; the share of all that is noticed then has an interval
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "list")]
    sample: Option<u32>,
    /// Another sample of the same size
    #[arg(long, default_value_t = 0, requires = "sample")]
    seed: u64,
    /// Only those whose description holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Receipts, the gate, and what decides whether a kernel is right: here a fault that nobody notices would be believed.
const DEFAULT: [&str; 6] = [
    "src/receipts",
    "src/plan/gate",
    "src/kernel/float.rs",
    "src/kernel/gates.rs",
    "src/kernel/promise.rs",
    "src/kernel/quant.rs",
];

pub(crate) fn run(args: &Args) -> Outcome {
    let mut planted = plant::files(&args.paths)?;
    if let Some(text) = &args.only {
        planted.iter_mut().for_each(|file| file.keep(|mutant| mutant.to_string().contains(text)));
    }
    let count = planted.iter().map(|file| file.mutants().count()).sum::<usize>();
    if count == 0 {
        return Err(format!("there is nothing to plant a fault into in {}", args.paths.join(", ")));
    }
    if args.list {
        planted.iter().flat_map(plant::File::mutants).for_each(|mutant| println!("{mutant}"));
        println!("{count} faults");
        return Ok(());
    }
    let tree = build::Tree::copy()?;
    let unviable = tree.settle(&mut planted)?;
    let tests = tree.tests()?;
    let mut mutants: Vec<&Mutant> = planted.iter().flat_map(plant::File::mutants).collect();
    println!("{} faults can be compiled, {unviable} cannot", mutants.len());
    if let Some(count) = args.sample {
        sample(&mut mutants, count as usize, args.seed);
        println!("{} of them are tried", mutants.len());
    }
    let fates = trial::run(&mutants, &tests, args.jobs.into(), Duration::from_secs(args.patience))?;
    report(&mutants, &fates, args.min, args.sample.is_some())
}

/// Keeps so many, the same each time for a seed, whichever files they are in.
fn sample(mutants: &mut Vec<&Mutant>, count: usize, seed: u64) {
    mutants.sort_by_cached_key(|mutant| <[u8; 32]>::from(Sha256::digest(format!("{seed} {mutant}"))));
    mutants.truncate(count);
    mutants.sort_by_key(|mutant| mutant.id);
}

#[derive(Default)]
struct Row {
    noticed: usize,
    /// Among the noticed: the tests never came to an end.
    endless: usize,
    all: usize,
}

impl Row {
    fn percent(&self) -> f64 {
        100.0 * self.noticed as f64 / self.all as f64
    }
}

fn report(mutants: &[&Mutant], fates: &[Fate], min: Option<u8>, sampled: bool) -> Outcome {
    let mut rows: BTreeMap<PathBuf, Row> = BTreeMap::new();
    let mut total = Row::default();
    for (mutant, fate) in mutants.iter().zip(fates) {
        for row in [rows.entry(mutant.file.clone()).or_default(), &mut total] {
            row.all += 1;
            row.noticed += usize::from(fate.is_noticed());
            row.endless += usize::from(*fate == Fate::Endless);
        }
        if !fate.is_noticed() {
            println!("{}: {mutant}", if *fate == Fate::Unreached { "reached by no test" } else { "missed" });
        }
    }
    println!("\n{:>7}  {:>11}  {:>7}  file", "percent", "noticed", "endless");
    let rows = rows.iter().map(|(path, row)| (path.display().to_string(), row));
    for (name, row) in rows.chain([("in all".to_string(), &total)]) {
        println!("{:>7.1}  {:>5}/{:<5}  {:>7}  {name}", row.percent(), row.noticed, row.all, row.endless);
    }
    if sampled {
        let (low, high) = wilson(total.noticed, total.all);
        println!("of all faults, with 95 % confidence: {low:.1} to {high:.1} percent");
    }
    match min {
        Some(min) if total.percent() < f64::from(min) => {
            Err(format!("{:.1} % of the faults are noticed, fewer than {min} %", total.percent()))
        }
        _ => Ok(()),
    }
}

/// The 95 % interval of a share in percent (Wilson, JASA 1927).
fn wilson(met: usize, all: usize) -> (f64, f64) {
    let (n, z) = (all as f64, 1.96);
    let share = met as f64 / n;
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z * z / n;
    (100.0 * (middle - half) / whole, 100.0 * (middle + half) / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_cannot_end_is_noticed_and_what_they_never_reach_is_not() {
        let planted = plant::of("src/a.rs".into(), "fn f() -> u8 { 7 }", 1).unwrap();
        let mutants: Vec<&Mutant> = planted.mutants().collect();
        assert_eq!(mutants.len(), 2);
        assert!(report(&mutants, &[Fate::Noticed, Fate::Endless], Some(100), false).is_ok());
        let refused = report(&mutants, &[Fate::Noticed, Fate::Unreached], Some(80), false).unwrap_err();
        assert_eq!(refused, "50.0 % of the faults are noticed, fewer than 80 %");
        assert!(report(&mutants, &[Fate::Missed, Fate::Noticed], Some(50), false).is_ok());
        let (mut one, mut again) = (mutants.clone(), mutants);
        sample(&mut one, 1, 0);
        sample(&mut again, 1, 0);
        assert_eq!((one.len(), one[0].id), (1, again[0].id));
    }

    #[test]
    fn a_share_of_a_sample_has_wilsons_interval() {
        let (low, high) = wilson(8, 10);
        assert!((low - 49.02).abs() < 0.01 && (high - 94.33).abs() < 0.01, "{low} to {high}");
    }
}
