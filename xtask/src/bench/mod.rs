//! The benchmarks: each runs its subjects interleaved with a peer; all come out in one table.
//!
//! Raw samples go to `target/bench/NAME.json`, with what is needed to compare them later.

mod aa;
mod embed;
pub(crate) mod engine;
mod entropy;
mod gate;
mod kernels;
pub(crate) mod ledger;
mod long;
mod overhead;
mod plans;
mod report;
mod standup;
mod startup;

use std::path::PathBuf;

use bizra::bench::measure::{FEWEST_ROUNDS, Schedule, Series};

use crate::dist;
use crate::tools::{self, Outcome, Stopwatch};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which benchmarks to run; when none is named, all but those that take minutes and a model of a real shape: `engine`,
    /// which runs alone, `batch`, `session`, `lookup`, `form`, `kv` and `kernels`
    names: Vec<String>,
    /// Samples of each subject; of `engine` at most 5, with --full 10
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Measure this binary, instead of building a release
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// The sizes that take minutes too: a ledger of a million receipts, which is built once and kept; every model and
    /// setting of `engine`, going on where an earlier run was cut
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// The sizes that take seconds; this is the default
    #[arg(long)]
    quick: bool,
    /// The model that `batch`, `session`, `lookup`, `form` and `kv` run [default: random weights in the shape of 1.1B]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    engine: engine::Args,
}

/// One benchmark of the registry.
struct Benchmark {
    name: &'static str,
    run: Run,
}

enum Run {
    /// Whole processes of the release binary beside a peer's.
    Races(fn(&Setup) -> Outcome<Vec<Race>>),
    /// Both, of whole processes of the release binary.
    Processes(fn(&Setup) -> Outcome<Measured>),
    /// Figures with targets, measured within this process, which must be a release then.
    Figures(fn(&Stopwatch, bool) -> Outcome<Vec<Figure>>),
    /// Whether `bizra bench` is right about timings of this process, whatever it was built for: how often its statistics
    /// are, and what it costs itself.
    Counts(fn(&Stopwatch, usize) -> Outcome<Vec<Figure>>),
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "startup", run: Run::Races(startup::run) },
    Benchmark { name: "standup", run: Run::Races(standup::run) },
    Benchmark { name: "ledger", run: Run::Figures(ledger::run) },
    Benchmark { name: "embed", run: Run::Processes(embed::run) },
    Benchmark { name: "entropy", run: Run::Processes(entropy::run) },
    Benchmark { name: "gate", run: Run::Processes(gate::run) },
    Benchmark { name: "aa", run: Run::Counts(aa::run) },
    Benchmark { name: "overhead", run: Run::Counts(overhead::run) },
    Benchmark { name: "plans", run: Run::Processes(plans::run) },
];

/// Those that run only when they are named.
const LONG: &[Benchmark] = &[
    Benchmark { name: "kernels", run: Run::Processes(kernels::run) },
    Benchmark { name: "batch", run: Run::Processes(long::batch) },
    Benchmark { name: "session", run: Run::Processes(long::session) },
    Benchmark { name: "lookup", run: Run::Processes(long::lookup) },
    Benchmark { name: "form", run: Run::Processes(long::form) },
    Benchmark { name: "kv", run: Run::Processes(long::kv) },
];

const ENGINE: &str = "engine";

/// One line of a table: what was measured, beside what it must reach.
pub(crate) struct Figure {
    what: String,
    measured: String,
    target: String,
    /// Whether the target is reached; `None` where there is none.
    met: Option<bool>,
}

impl Figure {
    pub(crate) fn new(what: &str, measured: String, target: String, met: Option<bool>) -> Self {
        Self { what: what.to_owned(), measured, target, met }
    }
}

type Measured = (Vec<Race>, Vec<Figure>);

/// What a benchmark is given.
pub(crate) struct Setup {
    pub(crate) clock: Stopwatch,
    pub(crate) schedule: Schedule,
    /// The release binary of bizra.
    pub(crate) binary: PathBuf,
    /// The model that was named.
    pub(crate) model: Option<PathBuf>,
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
    match args.names.as_slice() {
        [name] if name == ENGINE => {
            return engine::run(&args.engine, args.binary.as_deref(), args.rounds, args.full)
                .map_err(|message| format!("{ENGINE}: {message}"));
        }
        names if names.iter().any(|name| name == ENGINE) => {
            return Err(format!("`{ENGINE}` takes minutes and runs alone: name no other benchmark beside it"));
        }
        _ => {}
    }
    let chosen = chosen(&args.names)?;
    // What counts verdicts makes no interval.
    let counts_only = chosen.iter().all(|benchmark| benchmark.name == "kernels");
    if args.rounds < FEWEST_ROUNDS && !(counts_only && args.rounds > 0) {
        return Err(format!("--rounds {}: at least {FEWEST_ROUNDS} samples make an interval", args.rounds));
    }
    let is_race = |benchmark: &&Benchmark| matches!(benchmark.run, Run::Races(_) | Run::Processes(_));
    let (races, others): (Vec<_>, Vec<_>) = chosen.into_iter().partition(is_race);
    let (figures, counts): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|benchmark| matches!(benchmark.run, Run::Figures(_)));
    for benchmark in counts {
        let Run::Counts(count) = benchmark.run else { continue };
        eprintln!("{} …", benchmark.name);
        show(benchmark.name, count(&Stopwatch::start(), args.rounds))?;
    }
    if !figures.is_empty() && cfg!(debug_assertions) {
        in_release(&figures, args.full)?;
    } else {
        for benchmark in figures {
            let Run::Figures(measure) = benchmark.run else { continue };
            eprintln!("{} …", benchmark.name);
            show(benchmark.name, measure(&Stopwatch::start(), args.full))?;
        }
    }
    if races.is_empty() { Ok(()) } else { race(args, races) }
}

fn show(name: &str, figures: Outcome<Vec<Figure>>) -> Outcome {
    let figures = figures.map_err(|message| format!("{name}: {message}"))?;
    save(name, &report::raw_figures(name, &figures))?;
    print!("{}", report::figures(&figures));
    Ok(())
}

/// Figures of a debug build say nothing: the same task again, optimised.
fn in_release(benchmarks: &[&Benchmark], full: bool) -> Outcome {
    let mut command = tools::cargo();
    command.args(["run", "--quiet", "--release", "--locked", "--package", "xtask", "--", "bench"]);
    command.args(benchmarks.iter().map(|benchmark| benchmark.name)).args(full.then_some("--full"));
    tools::succeed(&mut command)
}

fn save(name: &str, raw: &serde_json::Value) -> Outcome {
    let path = tools::root().join("target/bench").join(format!("{name}.json"));
    tools::write_file(&path, format!("{raw:#}\n").as_bytes())
}

fn race(args: &Args, benchmarks: Vec<&'static Benchmark>) -> Outcome {
    let binary = match &args.binary {
        Some(binary) => {
            std::fs::canonicalize(binary).map_err(|cause| format!("cannot find {}: {cause}", binary.display()))?
        }
        None => dist::build()?,
    };
    let schedule = Schedule { rounds: args.rounds, ..Schedule::default() };
    let model = args.model.as_ref().map(std::fs::canonicalize).transpose();
    let model = model.map_err(|cause| format!("cannot find the model: {cause}"))?;
    let setup = Setup { clock: Stopwatch::start(), schedule, binary, model };
    let mut results = Vec::new();
    for benchmark in benchmarks {
        eprintln!("{} …", benchmark.name);
        let ran = match benchmark.run {
            Run::Races(run) => run(&setup).map(|races| (races, Vec::new())),
            Run::Processes(run) => run(&setup),
            Run::Figures(_) | Run::Counts(_) => continue,
        };
        let (races, figures) = ran.map_err(|message| format!("{}: {message}", benchmark.name))?;
        let mut raw = report::raw(benchmark.name, &races);
        if !figures.is_empty() {
            raw["figures"] = report::raw_figures(benchmark.name, &figures)["figures"].take();
            print!("{}", report::figures(&figures));
        }
        save(benchmark.name, &raw)?;
        if !races.is_empty() {
            results.push((benchmark.name, races));
        }
    }
    if !results.is_empty() {
        print!("{}", report::table(&results)?);
    }
    Ok(())
}

fn chosen(names: &[String]) -> Outcome<Vec<&'static Benchmark>> {
    if names.is_empty() {
        return Ok(BENCHMARKS.iter().collect());
    }
    let find = |name: &String| {
        BENCHMARKS.iter().chain(LONG).find(|benchmark| benchmark.name == *name).ok_or_else(|| {
            let known: Vec<_> = BENCHMARKS.iter().chain(LONG).map(|benchmark| benchmark.name).chain([ENGINE]).collect();
            format!("there is no benchmark {name}; there are: {}", known.join(", "))
        })
    };
    names.iter().map(find).collect()
}
