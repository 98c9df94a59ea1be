//! The CPU engine beside llama.cpp and candle: the same files, in rounds in which each takes its turn, as ratios to the
//! better of llama.cpp's settings, with targets, expectations and the machine's limits beside them.
//!
//! Every subject is a process of its own each time, so that none inherits what another left in memory. The short run
//! keeps within its minutes by leaving out repetitions, never rows; the long one goes on where it was cut.

pub(crate) mod child;
mod document;
mod peers;
mod plan;
mod plot;
mod products;
mod state;
mod summary;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bizra::bench::measure::Clock as _;
use bizra_kernels::{Format, Level, os, peak};
use serde_json::{Value, json};

use super::report;
use crate::dist;
use crate::models::{self, Recipe};
use crate::tools::{self, Outcome, Stopwatch};
use peers::Programs;
use plan::{Cell, Isa, Task, Test, Who};
use state::{Sample, State};

/// Repetitions of the short run, and how long it may take: what is left out then is named.
const QUICK_ROUNDS: usize = 5;
const QUICK_TIME: Duration = Duration::from_secs(18 * 60);
const FULL_ROUNDS: usize = 10;

/// Names of what is measured beside the seconds of tests.
const FIRST_TOKEN: &str = "first-token";
const PEAK_KIB: &str = "peak-kib";
const LOGITS_ERROR: &str = "logits-error";
const LOGITS_KL: &str = "logits-kl";
const PRODUCT_ERROR: &str = "product-error";
const KV_BYTES: &str = "kv-bytes";
const DOT_PEAK: &str = "dot-peak";
const BANDWIDTH: &str = "bandwidth";
const MACHINE: &str = "machine";

#[derive(clap::Args)]
#[command(next_help_heading = "For the benchmark `engine`")]
#[group(id = "engine")]
pub(crate) struct Args {
    /// llama.cpp's `llama-bench`, built for this processor
    #[arg(long, value_name = "PATH")]
    llama: Option<PathBuf>,
    /// The same, built for AVX2 alone
    #[arg(long, value_name = "PATH")]
    llama_avx2: Option<PathBuf>,
    /// What prints llama.cpp's logits: built from xtask/peers/llama.cpp
    #[arg(long, value_name = "PATH")]
    llama_record: Option<PathBuf>,
    /// candle's passes: built from xtask/peers/candle
    #[arg(long, value_name = "PATH")]
    candle: Option<PathBuf>,
    /// Where the model files are or will be made [default: target/models]
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
    /// Only tasks whose name contains this, such as `first token` or `q8_0 2 best`
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// Write the table and the plots into docs/benchmarks
    #[arg(long)]
    publish: bool,
}

pub(super) fn run(args: &Args, binary: Option<&Path>, rounds: usize, full: bool) -> Outcome {
    if cfg!(debug_assertions) {
        let mut command = tools::cargo();
        command.args(["run", "--quiet", "--release", "--locked", "--package", "xtask", "--"]);
        return tools::succeed(command.args(tools::arguments()));
    }
    let home = tools::root().join("target/bench/engine");
    if args.publish && args.only.is_some() {
        return Err("a part of the results can't be published: leave out --only".to_owned());
    }
    let programs = Programs {
        bizra: binary.map_or_else(dist::build, found)?,
        llama: args.llama.as_deref().map(found).transpose()?,
        llama_avx2: args.llama_avx2.as_deref().map(found).transpose()?,
        llama_record: args.llama_record.as_deref().map(found).transpose()?,
        candle: args.candle.as_deref().map(found).transpose()?,
        home: home.join("home"),
        gnu_time: tools::starts("/usr/bin/time", "--version"),
    };
    let folder = args.models.clone().unwrap_or_else(models::folder);
    let mut tasks = if full { plan::full() } else { plan::quick() };
    if let Some(only) = &args.only {
        let names: Vec<String> = tasks.iter().map(task_name).collect();
        tasks.retain(|task| task_name(task).contains(only.as_str()));
        if tasks.is_empty() {
            return Err(format!("no task is called so; there are:\n{}", names.join("\n")));
        }
    }
    let about = about(&programs)?;
    let path = home.join(if full { "full.jsonl" } else { "quick.jsonl" });
    let mut bench = Bench {
        programs,
        folder,
        full,
        state: State::open(&path, &about, full)?,
        clock: Stopwatch::start(),
        costs: HashMap::new(),
        left_out: Vec::new(),
    };
    bench.make_models(&tasks)?;
    bench.clock = Stopwatch::start();
    let rounds = rounds.min(if full { FULL_ROUNDS } else { QUICK_ROUNDS });
    for round in 0..rounds {
        for task in &tasks {
            bench.take(task, round).map_err(|message| format!("{} left off there: {message}", path.display()))?;
        }
    }
    let seconds = bench.clock.elapsed().as_secs();
    let summary = summary::of(&bench.state, &tasks);
    print!("{}", summary.text());
    for line in &bench.left_out {
        println!("{line}");
    }
    println!("measured in {} min {} s", seconds / 60, seconds % 60);
    let target = if args.publish { tools::root().join("docs/benchmarks") } else { home };
    document::write(&target, &summary, &bench.state, &about, &bench.left_out)
}

fn found(path: &Path) -> Outcome<PathBuf> {
    std::fs::canonicalize(path).map_err(|cause| format!("cannot find {}: {cause}", path.display()))
}

/// What a sample must have in common with another to stand beside it.
fn about(programs: &Programs) -> Outcome<Value> {
    let stamp = |path: &Option<PathBuf>| -> Outcome<Option<String>> {
        path.as_deref().map(|path| tools::read_file(path).map(|bytes| tools::sha256(&bytes))).transpose()
    };
    let mut about = report::with_machine("engine", "programs", Vec::new());
    about["programs"] = json!({
        "bizra": stamp(&Some(programs.bizra.clone()))?,
        "llama-bench": stamp(&programs.llama)?,
        "llama-bench for AVX2": stamp(&programs.llama_avx2)?,
        "llama.cpp's logits": stamp(&programs.llama_record)?,
        "candle": stamp(&programs.candle)?,
    });
    about["level"] = json!(Level::best().name());
    Ok(about)
}

struct Bench {
    programs: Programs,
    folder: PathBuf,
    full: bool,
    state: State,
    clock: Stopwatch,
    /// Seconds that a task took in its last round.
    costs: HashMap<String, Duration>,
    left_out: Vec<String>,
}

impl Bench {
    fn make_models(&self, tasks: &[Task]) -> Outcome {
        for task in tasks {
            let (Task::Passes { cell: Cell { recipe, .. }, .. } | Task::Logits { recipe }) = task else { continue };
            if !recipe.path(&self.folder).is_file() {
                eprintln!("making {} …", recipe.name());
                recipe.make(&self.folder)?;
            }
        }
        Ok(())
    }

    fn model(&self, recipe: &Recipe) -> PathBuf {
        recipe.path(&self.folder)
    }

    /// One turn of every subject, in an order that changes from round to round.
    fn take(&mut self, task: &Task, round: usize) -> Outcome {
        let name = task_name(task);
        let before = self.clock.elapsed();
        if !self.full && round > 0 {
            let cost = self.costs.get(&name).copied().unwrap_or_default();
            if before + cost > QUICK_TIME {
                self.left_out.push(format!("{name}: {round} of {QUICK_ROUNDS} rounds, for want of time"));
                self.costs.insert(name, QUICK_TIME);
                return Ok(());
            }
        }
        match task {
            Task::Limits { threads, isa } => self.limits(*threads, *isa, round)?,
            Task::Passes { cell, tests } => {
                for who in self.turns(&[Who::Bizra, Who::Llama, Who::LlamaPlain, Who::Candle], cell.isa, round) {
                    self.passes(who, cell, tests, round)?;
                }
            }
            Task::FirstToken { cell } => {
                for who in self.turns(&[Who::Bizra, Who::BizraCached, Who::Llama, Who::LlamaPlain], cell.isa, round) {
                    self.first_token(who, cell, round)?;
                }
            }
            Task::Products if round == 0 => self.products()?,
            Task::Logits { recipe } if round == 0 => self.logits(recipe)?,
            Task::Products | Task::Logits { .. } => {}
        }
        let cost = self.clock.elapsed() - before;
        if self.costs.get(&name) != Some(&QUICK_TIME) {
            self.costs.insert(name, cost);
        }
        Ok(())
    }

    fn turns(&self, all: &[Who], isa: Isa, round: usize) -> Vec<Who> {
        let mut turns: Vec<Who> = all.iter().copied().filter(|who| self.programs.have(*who, isa)).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        turns
    }

    fn keep(&mut self, cell: &str, who: Who, round: usize, values: Vec<(String, f64)>) -> Outcome {
        let sample = |(what, value)| Sample { cell: cell.to_owned(), what, who: who.name().to_owned(), round, value };
        self.state.keep(values.into_iter().map(sample).collect())
    }

    fn limits(&mut self, threads: usize, isa: Isa, round: usize) -> Outcome {
        let cell = machine(threads, isa);
        if self.state.has(&cell, BANDWIDTH, MACHINE, round) {
            return Ok(());
        }
        let level = Level::parse(isa.word()).map_err(|cause| cause.to_string())?;
        let clock = Stopwatch::start();
        let now = || clock.elapsed();
        // The best of a few is what can be reached.
        let most = |measure: &dyn Fn() -> Outcome<f64>| -> Outcome<f64> {
            (0..5).try_fold(0.0, |most: f64, _| measure().map(|found| most.max(found)))
        };
        let dots = most(&|| Ok(peak::dot_peak(level, peak::Arithmetic::Integer, threads, &now)))?;
        let read = most(&|| os::huge_page_bandwidth(512 << 20, threads, &now).map_err(|cause| cause.to_string()))?;
        let sample = |what: &str, value| Sample {
            cell: cell.clone(),
            what: what.to_owned(),
            who: MACHINE.to_owned(),
            round,
            value,
        };
        self.state.keep(vec![sample(DOT_PEAK, dots), sample(BANDWIDTH, read)])
    }

    fn passes(&mut self, who: Who, cell: &Cell, tests: &[Test], round: usize) -> Outcome {
        let tests: Vec<Test> = if who == Who::Candle { self.of_candle(cell, tests, round) } else { tests.to_vec() };
        let key = cell.key();
        let done = |test: &Test| self.state.has(&key, &test.to_string(), who.name(), round);
        if tests.iter().all(done) {
            return Ok(());
        }
        self.say(&key, who, round);
        let passes = self.programs.passes(who, cell, &self.model(&cell.recipe), &tests)?;
        let mut values: Vec<(String, f64)> =
            passes.seconds.iter().map(|(test, seconds)| (test.to_string(), *seconds)).collect();
        values.extend(passes.kv_bytes.map(|bytes| (KV_BYTES.to_owned(), bytes)));
        self.keep(&key, who, round, values)
    }

    /// Its figures tell where it stands, and it is slow: once or twice, and in the short run no long prompts.
    fn of_candle(&self, cell: &Cell, tests: &[Test], round: usize) -> Vec<Test> {
        let wanted = |test: &&Test| match test {
            Test::Prefill { tokens } => self.full || *tokens <= 64,
            Test::Decode { depth, .. } => self.full || *depth == 0,
            Test::Rows { .. } => false,
        };
        let turns = if self.full { 2 } else { 1 };
        if round >= turns || cell.threads == 1 && !self.full {
            return Vec::new();
        }
        tests.iter().filter(wanted).copied().collect()
    }

    fn first_token(&mut self, who: Who, cell: &Cell, round: usize) -> Outcome {
        let key = cell.key();
        if self.state.has(&key, FIRST_TOKEN, who.name(), round) {
            return Ok(());
        }
        self.say(&key, who, round);
        let model = self.model(&cell.recipe);
        if round == 0 {
            // The file comes into the page cache, and for the second of ours the packed weights are written.
            self.programs.first_token(who, cell, &model)?;
        }
        let (seconds, kib) = self.programs.first_token(who, cell, &model)?;
        let mut values = vec![(FIRST_TOKEN.to_owned(), seconds)];
        values.extend(kib.map(|kib| (PEAK_KIB.to_owned(), kib)));
        self.keep(&key, who, round, values)
    }

    fn products(&mut self) -> Outcome {
        if Format::ALL.iter().all(|format| self.state.has(&product(*format), PRODUCT_ERROR, Who::Bizra.name(), 0)) {
            return Ok(());
        }
        let found = products::errors(self.programs.llama_record.as_deref(), &self.programs.home)?;
        for products::Errors { format, ours, theirs } in found {
            for (who, error) in [(Who::Bizra, Some(ours)), (Who::LlamaPlain, theirs)] {
                let values = error.map(|error| (PRODUCT_ERROR.to_owned(), error));
                self.keep(&product(format), who, 0, values.into_iter().collect())?;
            }
        }
        Ok(())
    }

    /// What can't be compared here is named, and the rest goes on.
    fn logits(&mut self, recipe: &Recipe) -> Outcome {
        let cell = Cell { recipe: *recipe, threads: 2, isa: Isa::Best };
        let key = cell.key();
        if self.programs.llama_record.is_none() || self.state.has(&key, LOGITS_KL, Who::Llama.name(), 0) {
            return Ok(());
        }
        self.say(&key, Who::Llama, 0);
        let prompts = prompts(recipe);
        match self.programs.logits(&cell, &self.model(recipe), &prompts) {
            Ok(found) => {
                for (who, number, error, divergence) in found {
                    let values = vec![(LOGITS_ERROR.to_owned(), error), (LOGITS_KL.to_owned(), divergence)];
                    self.keep(&key, who, number, values)?;
                }
            }
            Err(message) => self.left_out.push(format!("logits of {}: {message}", recipe.name())),
        }
        Ok(())
    }

    fn say(&self, cell: &str, who: Who, round: usize) {
        eprintln!("{:>5} s  round {}  {cell}  {}", self.clock.elapsed().as_secs(), round + 1, who.name());
    }
}

fn machine(threads: usize, isa: Isa) -> String {
    format!("machine {threads} {}", isa.word())
}

fn product(format: Format) -> String {
    format!("product {format}")
}

/// The words of the usual prompt in other orders, once, twice and three times as long.
fn prompts(recipe: &Recipe) -> Vec<String> {
    let prompt = recipe.shape.prompt();
    let words: Vec<&str> = prompt.split(' ').collect();
    let turned = |by: usize| [&words[by..], &words[..by]].concat().join(" ");
    vec![turned(3), [turned(5), turned(1)].join(" "), [turned(7), turned(2), turned(9)].join(" ")]
}

fn task_name(task: &Task) -> String {
    match task {
        Task::Limits { threads, isa } => machine(*threads, *isa),
        Task::Passes { cell, tests } => {
            let tests: Vec<String> = tests.iter().map(Test::to_string).collect();
            format!("{} {}", cell.key(), tests.join(" "))
        }
        Task::FirstToken { cell } => format!("{} first token", cell.key()),
        Task::Products => "products".to_owned(),
        Task::Logits { recipe } => format!("{} logits", recipe.name()),
    }
}
