//! `bizra kernel verify`: kernels are tried, and what came of it becomes a receipt.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::super::{Outcome, Session};
use super::choose::{BACKENDS, Choice, Known};
use super::cpu::{self, Prepared};
use super::gpu::{self, Around};
use super::{memory, receipt, speed};
use crate::error::{Error, Exit, Place, Result};
use crate::kernel::case::Case;
use crate::kernel::gpu::Backend;
use crate::kernel::op::dims;
use crate::kernel::plan::Effort;
use crate::kernel::promise::Promise;
use crate::kernel::report::{self, Report, Wanted};
use crate::kernel::run::Level;
use crate::plan::gate::glob;
use crate::sys::{files, machine};
use crate::ui::Unit;
use crate::view::bench::size;
use crate::view::escape;
use crate::view::kernel::{Format, NotTried, Verified, say};

/// Try kernels against references in f64
///
/// Each kernel runs in a process of its own, on shapes, data and seeds that it can't know: every edge of every size, the
/// distributions and probes of its operation, outputs poisoned twice, buffers between guard pages. An answer has to pass
/// three gates, and each case has to refuse trivial answers. Answers 0 when every kernel is verified; 1 when one is
/// refused; 4 when one was skipped or time ran out. Leaves a receipt.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra kernel verify --quick
  bizra kernel verify 'attention-*' --only correctness
  bizra kernel verify attention-f32 --quick --claim all
  bizra kernel verify mine.kernel.yaml --format junit
  bizra kernel verify '*-gpu' --backend cuda,wgpu --quick
  bizra kernel verify matmul-float --case 'matmul/M=3,N=17,K=64/f32/normal/plain/t1/000000000000002a'")]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,
    /// A covering set of cases that takes seconds
    #[arg(long)]
    quick: bool,
    /// Only this stage
    #[arg(long, value_enum, value_name = "STAGE")]
    only: Option<Stage>,
    /// Only shapes with these sizes, of the kernels whose domain has them: K=4096 or S=64,D=128
    #[arg(long, value_name = "SIZES")]
    shape: Option<String>,
    /// Replay one case, as failures name it
    #[arg(long, value_name = "CASE", conflicts_with_all = ["shape", "quick", "repro"])]
    case: Option<String>,
    /// Replay the failures that a file names: a line `KERNEL CASE` for each, or the document of a run with --json
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with_all = ["shape", "quick"])]
    repro: Option<PathBuf>,
    /// Fail with 6 where one of these backends has no device here
    #[arg(long, value_name = "BACKENDS", value_delimiter = ',', value_parser = BACKENDS)]
    require: Vec<String>,
    /// Decide this claim of a kernel's speed too, or `all` of them; takes minutes
    #[arg(long, value_name = "CLAIM", conflicts_with_all = ["case", "repro"])]
    claim: Option<String>,
    /// Threads that kernel and baselines are timed with
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// End in time, undecided if need be: 90s, 5m
    #[arg(long, value_name = "TIME", value_parser = super::super::bench::time)]
    budget: Option<Duration>,
    /// How to print the verdicts
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: FormatArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    Correctness,
    Determinism,
    /// Claims of speed, without a receipt
    Timing,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    Table,
    Junit,
    Sarif,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Format {
        match format {
            FormatArg::Table => Format::Table,
            FormatArg::Junit => Format::Junit,
            FormatArg::Sarif => Format::Sarif,
        }
    }
}

/// A kernel's report and the digest of its code, or why there is none.
type Ended = Result<(Report, Option<[u8; 32]>)>;

/// A kernel on a backend, with the case that it is to replay, where only one is.
struct Job<'k> {
    known: &'k Known,
    backend: &'static str,
    only: Option<Case>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match (tried(args, session), args.format) {
        // Who reads a report of failures wants one of these too.
        (Err(error), FormatArg::Junit | FormatArg::Sarif) if matches!(error.exit, Exit::Invalid | Exit::Cannot) => {
            let errors = session.told.iter().chain([&error]).cloned().collect();
            let answer = NotTried { errors, format: args.format.into() };
            Ok(Outcome::because(answer, vec![error]))
        }
        (outcome, _) => outcome,
    }
}

fn tried(args: &Args, session: &mut Session) -> Result<Outcome> {
    let choice = args.choice.on(&args.require);
    let mut kernels = choice.pick(session)?;
    if let Some(shape) = &args.shape {
        kernels = narrowed(shape, kernels, session)?;
    }
    kernels.iter().try_for_each(|known| speed::claims(known).map(drop))?;
    let replayed = replayed(args, session, &kernels)?;
    let seed: [u8; 8] = session.random()?;
    let jobs: Vec<Job<'_>> = kernels
        .iter()
        .flat_map(|known| choice.backends(known).into_iter().map(move |backend| (known, backend)))
        .flat_map(|(known, backend)| match &replayed {
            None => vec![Job { known, backend, only: None }],
            Some(cases) => {
                let own = cases.iter().filter(|(id, _)| id == known.manifest.id());
                own.map(|(_, case)| Job { known, backend, only: Some(case.clone()) }).collect()
            }
        })
        .collect();
    if jobs.is_empty() {
        return Err(Error::invalid("nothing is left to try").hint("check the names in the file given with --repro"));
    }
    let clock = &*session.env.clock;
    let until = args.budget.map(|budget| clock.monotonic() + budget);
    let wanted = Wanted {
        effort: if args.quick { Effort::Quick } else { Effort::Full },
        correctness: matches!(args.only, None | Some(Stage::Correctness)),
        determinism: matches!(args.only, None | Some(Stage::Determinism)),
        only: None,
        shape: args.shape.clone(),
        memory: memory(at_once(jobs.len())),
        seed: u64::from_le_bytes(seed),
        most_threads: u32::try_from(bizra_kernels::default_threads().max(3)).unwrap_or(3),
        until,
        enough: report::ENOUGH_FAILURES,
    };
    let timed_only = args.only == Some(Stage::Timing);
    let claims = args.claim.as_deref().or(timed_only.then_some("all"));
    let reports = if timed_only { Vec::new() } else { all(session, &jobs, &wanted)? };
    let (reports, digests): (Vec<Report>, Vec<Option<[u8; 32]>>) = reports.into_iter().unzip();
    let mut reasons: Vec<Error> = Vec::new();
    for (job, report) in jobs.iter().zip(&reports) {
        reasons.extend(refusals(job, report, args));
    }
    // What computes the wrong thing has no speed.
    let claims = match claims {
        Some(named) if reasons.is_empty() => {
            let wanted = |id: &str| named == "all" || glob::fits(named, id);
            speed::decided(&kernels, &wanted, args.threads, until, session)?
        }
        _ => Vec::new(),
    };
    reasons.extend(speed::reasons(&claims));
    let machine = machine::facts(bizra_kernels::Level::best());
    let told = receipt::Told {
        jobs: &jobs.iter().zip(&digests).map(|(job, digest)| (job.known, *digest)).collect::<Vec<_>>(),
        reports: &reports,
        machine: &machine,
        effort: wanted.effort,
        stages: (wanted.correctness, wanted.determinism),
        seed,
        claims: &claims,
        program: session.env.program.as_deref().map(files::sha256).transpose()?,
    };
    // Replays of single cases are for looking, not for claiming.
    let signed = if timed_only || replayed.is_some() || args.shape.is_some() || session.config.switch("no-receipt") {
        None
    } else {
        match super::selftest::last(session)? {
            Some(score) => session.record(&receipt::draft(&told, score)?)?.map(|id| id.to_string()),
            None => {
                session.ui.note(
                    "no receipt: nothing is signed before the verifier was tried on wrong kernels: `bizra kernel selftest`",
                );
                None
            }
        }
    };
    let commitment: [u8; 32] = Sha256::digest(seed).into();
    let paths = jobs.iter().map(|job| job.known.shown.display().to_string()).collect();
    let answer =
        Verified { reports, claims, paths, effort: wanted.effort, seed, commitment, format: args.format.into() };
    Ok(Outcome { receipt: signed, ..Outcome::because(answer, reasons) })
}

/// Why a kernel's report is no yes.
fn refusals(job: &Job<'_>, report: &Report, args: &Args) -> Vec<Error> {
    let id = job.known.manifest.id();
    let mut all: Vec<Error> = Vec::new();
    for failed in &report.failures {
        let file = if job.known.shown.exists() && args.choice.glob.as_deref().is_some_and(|g| g.ends_with("yaml")) {
            job.known.shown.display().to_string()
        } else {
            id.to_owned()
        };
        let error = Error::new(Exit::No, format!("{id} on {}: {}", job.backend, say(failed)));
        let on = if job.backend == "cpu" { String::new() } else { format!(" --backend {}", job.backend) };
        all.push(error.hint(format!("bizra kernel verify {}{on} --case '{}'", escape::shell(&file), failed.case)));
    }
    match &report.level {
        Level::Skipped { reason } if all.is_empty() => {
            let exit = if args.require.iter().any(|b| b == job.backend) { Exit::Cannot } else { Exit::Undecided };
            all.push(Error::new(exit, format!("{id} on {}: skipped: {reason}", job.backend)));
        }
        _ if all.is_empty() && !report.complete => {
            let error = Error::new(Exit::Undecided, format!("{id} on {}: time ran out", job.backend));
            let hint = if args.quick { "give it a larger --budget" } else { "give it a larger --budget, or --quick" };
            all.push(error.hint(hint));
        }
        Level::Parsed | Level::Compiled if all.is_empty() => {
            let exit = if args.require.iter().any(|b| b == job.backend) { Exit::Cannot } else { Exit::Undecided };
            let (level, why) = (report.level.word(), report.left_out.join("; "));
            all.push(Error::new(exit, format!("{id} on {}: {level} and no more: {why}", job.backend)));
        }
        Level::RanEmulated { .. } if all.is_empty() && args.require.iter().any(|b| b == job.backend) => {
            let about = "it ran emulated, and --require asks for a device";
            all.push(Error::cannot(format!("{id} on {}: {about}", job.backend)));
        }
        _ if all.is_empty() && report.too_large.is_some() => {
            let (case, takes) =
                report.too_large.as_ref().map_or((String::new(), 0), |(case, n)| (case.to_string(), *n));
            let about = format!("cases of its domain take more memory than is free: {case} about {}", size(takes));
            let error = Error::new(Exit::Undecided, format!("{id} on {}: {about}", job.backend));
            all.push(error.hint("narrow the domain, or try it on a machine with more memory"));
        }
        _ if all.is_empty() && report.planned == 0 => {
            let about = match &args.shape {
                Some(shape) => format!("no case can have {shape}, with the types and blocks that it takes"),
                None => "its domain has no case that can be made, with the types and blocks that it takes".to_owned(),
            };
            all.push(Error::new(Exit::Undecided, format!("{id} on {}: {about}", job.backend)));
        }
        _ if all.is_empty() && report.says_nothing() => {
            let about = "no case that was run could have refused it";
            all.push(Error::new(Exit::Undecided, format!("{id} on {}: {about}", job.backend)));
        }
        _ => {}
    }
    all
}

/// The kernels whose domain has these sizes, with no others; which are left out is told.
fn narrowed(text: &str, kernels: Vec<Known>, session: &mut Session) -> Result<Vec<Known>> {
    let mut sizes: Vec<(String, i64)> = Vec::new();
    for part in text.split(',') {
        let size = part.split_once('=').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
        let Some((name, value)) = size else {
            return Err(Error::usage(format!("`{part}` is no size")).hint("as in --shape S=64,D=128"));
        };
        let mut names: Vec<&str> =
            kernels.iter().flat_map(|known| dims(known.manifest.op())).map(|dim| dim.name).collect();
        if !names.contains(&name.as_str()) {
            names.sort_unstable();
            names.dedup();
            let hint = format!("sizes of what was asked for: {}", names.join(", "));
            return Err(Error::usage(format!("`{name}` is no size of what was asked for")).hint(hint));
        }
        if sizes.iter().any(|(known, _)| *known == name) {
            return Err(Error::usage(format!("`{name}` stands twice in --shape")));
        }
        sizes.push((name, value));
    }
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    for mut known in kernels {
        match known.manifest.domain.narrowed(known.manifest.op(), &sizes) {
            Ok(domain) => {
                known.manifest.domain = domain;
                all.push(known);
            }
            Err(why) => left_out.push((known, why)),
        }
    }
    if all.is_empty() {
        let mut problems = left_out.into_iter().map(|(known, why)| {
            let (id, span) = (known.manifest.id(), known.manifest.domain.span);
            Error::invalid(format!("{id}: {why}")).at(Place::in_text(
                &known.shown,
                &known.source.text,
                span.start as usize,
            ))
        });
        return Err(problems.next().unwrap_or_else(|| Error::invalid("no kernel is made for this shape")));
    }
    for (known, why) in left_out {
        session.ui.note(format!("left out: {}: {why}", known.manifest.id()));
    }
    Ok(all)
}

/// Cases that are named, by kernel.
fn replayed(args: &Args, session: &Session, kernels: &[Known]) -> Result<Option<Vec<(String, Case)>>> {
    if let Some(text) = &args.case {
        let case = Case::parse(text).ok_or_else(|| super::no_case(Exit::Usage, text))?;
        let fits = |k: &&Known| kernels.len() == 1 || k.manifest.leaves_out(&case).is_none();
        let Some(known) = kernels.iter().find(fits).filter(|_| kernels.iter().filter(fits).count() == 1) else {
            let error =
                Error::usage(format!("the case is one of {}, and which kernel is to replay it?", case.op().word()));
            return Err(error.hint("name one kernel: bizra kernel verify ID --case …"));
        };
        if let Some(why) = known.manifest.leaves_out(&case) {
            return Err(Error::usage(why));
        }
        super::check_room(&case.shape, case.weights, &Promise::of(&known.manifest))?;
        return Ok(Some(vec![(known.manifest.id().to_owned(), case)]));
    }
    let Some(path) = &args.repro else { return Ok(None) };
    let bytes = files::read(&files::from(&session.env.cwd, path))?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(Error::invalid("this is no text in UTF-8").at(Place::file(path)));
    };
    let named = named_failures(text, path)?;
    if named.is_empty() {
        return Err(Error::invalid("the file names no failure").at(Place::file(path)));
    }
    let mut all = Vec::new();
    for Named { id, case, at } in named {
        let Some(parsed) = Case::parse(&case) else { return Err(super::no_case(Exit::Invalid, &case).at(at)) };
        if let Some(known) = kernels.iter().find(|known| known.manifest.id() == id) {
            if let Some(why) = known.manifest.leaves_out(&parsed) {
                return Err(Error::invalid(why).at(at));
            }
            super::check_room(&parsed.shape, parsed.weights, &Promise::of(&known.manifest)).map_err(|e| e.at(at))?;
        }
        all.push((id, parsed));
    }
    Ok(Some(all))
}

/// A failure in a file.
struct Named {
    id: String,
    case: String,
    at: Place,
}

/// What a file with failures names: a document of a run, or a line for each.
fn named_failures(text: &str, path: &Path) -> Result<Vec<Named>> {
    if text.trim_start().starts_with('{') {
        let document: serde_json::Value = serde_json::from_str(text).map_err(|why| {
            let before: usize = text.lines().take(why.line().saturating_sub(1)).map(|line| line.len() + 1).sum();
            let at = Place::in_text(path, text, before + why.column().saturating_sub(1));
            Error::invalid(format!("this is no JSON: {why}")).at(at)
        })?;
        let kernels = document["result"]["kernels"].as_array().into_iter().flatten();
        let all = kernels.flat_map(|kernel| {
            let failures = kernel["failures"].as_array().into_iter().flatten();
            failures.filter_map(|failure| {
                let (id, case) = (kernel["id"].as_str()?.to_owned(), failure["case"].as_str()?.to_owned());
                let at = Place::in_text(path, text, text.find(&case).unwrap_or(0));
                Some(Named { id, case, at })
            })
        });
        return Ok(all.collect());
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let named = lines.map(|line| {
        let (id, case) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let offset = line.as_ptr() as usize - text.as_ptr() as usize;
        Named { id: id.to_owned(), case: case.trim().to_owned(), at: Place::in_text(path, text, offset) }
    });
    Ok(named.collect())
}

/// What a worker tells while it works.
enum Event {
    Step(usize, usize, usize),
    Done(usize, Box<Result<(Report, Option<[u8; 32]>)>>),
}

/// Kernels that are tried at the same time.
fn at_once(jobs: usize) -> usize {
    bizra_kernels::default_threads().clamp(1, 4).min(jobs)
}

/// Tries all, two at a time where there are two processors; the reports in order, each with its code's digest.
fn all(session: &mut Session, jobs: &[Job<'_>], wanted: &Wanted) -> Result<Vec<(Report, Option<[u8; 32]>)>> {
    let clock = &*session.env.clock;
    let interrupt = &session.env.interrupt;
    let around = Around {
        clock,
        vars: &session.env.vars,
        interrupt,
        program: session.env.program.as_deref(),
        python: session.config.get("python").map(|path| files::from(&session.env.cwd, Path::new(path))),
        nvrtc: session.config.get("nvrtc").map(|path| files::from(&session.env.cwd, Path::new(path))),
    };
    let _held = interrupt.defer();
    let next = Mutex::new(0..jobs.len());
    let (tell, told) = mpsc::channel();
    let mut bar = session.ui.progress("kernels", Some(jobs.len() as u64 * 100), Unit::Items, clock.monotonic());
    let mut results: Vec<Option<Ended>> = jobs.iter().map(|_| None).collect();
    std::thread::scope(|scope| {
        for _ in 0..at_once(jobs.len()) {
            let (tell, next, around) = (tell.clone(), &next, &around);
            scope.spawn(move || {
                loop {
                    let taken = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                    let Some(number) = taken.filter(|_| !interrupt.requested()) else { return };
                    let mut step = |done, all| drop(tell.send(Event::Step(number, done, all)));
                    let result = one(&jobs[number], wanted, around, &mut step);
                    drop(tell.send(Event::Done(number, Box::new(result))));
                }
            });
        }
        drop(tell);
        let mut shares = vec![0u64; jobs.len()];
        for event in told {
            match event {
                Event::Step(number, done, all) => shares[number] = (done * 100 / all.max(1)) as u64,
                Event::Done(number, result) => {
                    shares[number] = 100;
                    results[number] = Some(*result);
                }
            }
            bar.at(shares.iter().sum(), clock.monotonic());
        }
    });
    if interrupt.requested() {
        return Err(Error::new(Exit::Interrupted, "interrupted while kernels were tried"));
    }
    results.into_iter().flatten().collect()
}

fn one(
    job: &Job<'_>,
    wanted: &Wanted,
    around: &Around<'_>,
    step: &mut dyn FnMut(usize, usize),
) -> Result<(Report, Option<[u8; 32]>)> {
    let wanted = Wanted { only: job.only.clone(), ..wanted.clone() };
    if let Some(backend) = Backend::ALL.into_iter().find(|b| b.word() == job.backend) {
        return gpu::run(job.known, backend, &wanted, around, step);
    }
    let Around { clock, program, vars, interrupt, .. } = *around;
    let Prepared { subject, code } = cpu::prepare(job.known, program)?;
    let library_path = vars.get_os("LD_LIBRARY_PATH").map(ToOwned::to_owned);
    let start = cpu::Start { library_path, until: wanted.until, ..cpu::Start::new(program, clock, interrupt) };
    let tried =
        cpu::with_worker(start, |runner| report::trial(runner, &subject, &wanted, &|| clock.monotonic(), step))?;
    match tried {
        Ok(report) => Ok((report, code)),
        Err(broken) => Err(cpu::refused(job.known, &broken)),
    }
}
