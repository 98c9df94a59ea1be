//! The benchmarks: each runs its subjects interleaved with a peer; all come out in one table.
//!
//! Raw samples go to `target/bench/NAME.json`, with what is needed to compare them later.

mod report;
mod startup;

use std::path::PathBuf;

use bizra::bench::measure::{FEWEST_ROUNDS, Schedule, Series};

use crate::dist;
use crate::tools::{self, Outcome, Stopwatch};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which benchmarks to run; all when none is named
    names: Vec<String>,
    /// Samples of each subject
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Measure this binary, instead of building a release
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// One benchmark of the registry.
struct Benchmark {
    name: &'static str,
    run: fn(&Setup) -> Outcome<Vec<Race>>,
}

const BENCHMARKS: &[Benchmark] = &[Benchmark { name: "startup", run: startup::run }];

/// What a benchmark is given.
pub(crate) struct Setup {
    pub(crate) clock: Stopwatch,
    pub(crate) schedule: Schedule,
    /// The release binary of bizra.
    pub(crate) binary: PathBuf,
}

/// Subjects that did the same work in the same rounds.
pub(crate) struct Race {
    pub(crate) entrants: Vec<Entrant>,
    /// The entrant to which the others are compared, by its index.
    pub(crate) peer: usize,
}

pub(crate) struct Entrant {
    pub(crate) series: Series,
    /// The largest resident size of the process, where it could be measured.
    pub(crate) peak_kib: Option<u64>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let chosen = chosen(&args.names)?;
    if args.rounds < FEWEST_ROUNDS {
        return Err(format!("--rounds {}: at least {FEWEST_ROUNDS} samples make an interval", args.rounds));
    }
    let binary = match &args.binary {
        Some(binary) => {
            std::fs::canonicalize(binary).map_err(|cause| format!("cannot find {}: {cause}", binary.display()))?
        }
        None => dist::build()?,
    };
    let schedule = Schedule { rounds: args.rounds, ..Schedule::default() };
    let setup = Setup { clock: Stopwatch::start(), schedule, binary };
    let mut results = Vec::new();
    for benchmark in chosen {
        eprintln!("{} …", benchmark.name);
        let races = (benchmark.run)(&setup).map_err(|message| format!("{}: {message}", benchmark.name))?;
        let raw = report::raw(benchmark.name, &races);
        let path = tools::root().join("target/bench").join(format!("{}.json", benchmark.name));
        tools::write_file(&path, format!("{raw:#}\n").as_bytes())?;
        results.push((benchmark.name, races));
    }
    print!("{}", report::table(&results)?);
    Ok(())
}

fn chosen(names: &[String]) -> Outcome<Vec<&'static Benchmark>> {
    if names.is_empty() {
        return Ok(BENCHMARKS.iter().collect());
    }
    let find = |name: &String| {
        BENCHMARKS.iter().find(|benchmark| benchmark.name == *name).ok_or_else(|| {
            let known: Vec<_> = BENCHMARKS.iter().map(|benchmark| benchmark.name).collect();
            format!("there is no benchmark {name}; there are: {}", known.join(", "))
        })
    };
    names.iter().map(find).collect()
}
