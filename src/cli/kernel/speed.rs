//! Claims of speed on this machine: who is started, what the machine can do, how long there is.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use bizra_kernels::call::DType;
use bizra_kernels::child::Files;
use bizra_kernels::peak::{Arithmetic, dot_peak};
use bizra_kernels::{Level, os};

use super::super::Session;
use super::choose::Known;
use super::{cpu, peer};
use crate::env::{Chance, Clock, Interrupt, Vars};
use crate::error::{Error, Exit, Place, Result};
use crate::kernel::gpu::Tools as _;
use crate::kernel::manifest::Layout;
use crate::kernel::peers;
use crate::kernel::promise::Promise;
use crate::kernel::run::{Runner, Target};
use crate::kernel::selftest::Trial;
use crate::kernel::speed::{Asked, Decided, Figure, Timed, asked, decide};
use crate::kernel::timing::Verdict;
use crate::kernel::timing::controls::Roof;
use crate::kernel::timing::draw::Secret;
use crate::kernel::timing::session::Step;
use crate::kernel::timing::stand::{About, Party};
use crate::sys::files;
use crate::sys::gpu::Machine;
use crate::sys::kernel_worker::{Conditions, Worker};
use crate::sys::process::Around;
use crate::ui::Unit;
use crate::view::kernel::say_failure;
use crate::view::kernel_claims::Claimed;

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// No list of shapes is longer.
const MOST_BYTES: usize = 1 << 20;

/// Enough to be read from memory and not from caches.
const BANDWIDTH_BYTES: usize = 512 << 20;

/// What a session is measured with.
pub(super) struct Bench<'b> {
    pub(super) program: &'b Path,
    pub(super) library_path: Option<std::ffi::OsString>,
    pub(super) clock: &'b dyn Clock,
    pub(super) interrupt: &'b Interrupt,
    pub(super) limit: Duration,
    /// How tensors lie: plainly where the kernel takes that.
    pub(super) layout: Layout,
    pub(super) threads: u32,
    pub(super) chance: &'b dyn Fn() -> std::result::Result<Secret, String>,
    pub(super) goes_on: &'b dyn Fn(Step) -> bool,
}

/// Measures one claim of a kernel.
pub(super) fn claim(
    bench: &Bench<'_>,
    claim: &Asked,
    promise: &Promise,
    kernel: Party,
    baselines: &[String],
    peer: &dyn Fn(&str, &Timed) -> Option<Vec<f64>>,
) -> std::result::Result<Decided, String> {
    let secret = (bench.chance)()?;
    let threads = bench.threads as usize;
    let clock = || bench.clock.monotonic();
    let types = [promise.input, promise.output, promise.accumulate].into_iter();
    let f32_sums = types.chain(claim.timed.iter().map(|one| one.weights)).all(|dtype| dtype == DType::F32);
    // Only what moves more than caches hold stands under the memory's roof, or what says so.
    let by_memory = claim.claim.baseline().is_none();
    let roof = || Roof {
        peak: f32_sums.then(|| {
            let looks = (0..3).map(|_| dot_peak(Level::best(), Arithmetic::Float, threads, &clock));
            looks.fold(0.0, f64::max)
        }),
        bandwidth: by_memory.then(|| os::huge_page_bandwidth(BANDWIDTH_BYTES, threads, &clock).ok()).flatten(),
    };
    let conditions = Conditions {
        program: bench.program.to_owned(),
        library_path: bench.library_path.clone(),
        // What candle goes by; nobody else looks.
        drivers: vec![(peers::THREADS.into(), bench.threads.to_string().into())],
        limit: bench.limit,
        until: None,
        interrupt: bench.interrupt.clone(),
    };
    let start = || -> Box<dyn Runner + '_> { Box::new(Worker::new(conditions.clone(), bench.clock)) };
    let party = |name: &String| Party { name: name.clone(), target: Target::Builtin(name.clone()), workspace: 0 };
    let about = About {
        kernel,
        baselines: baselines.iter().map(party).collect(),
        promise,
        timed: claim.timed.clone(),
        layout: bench.layout,
        threads: bench.threads,
        cold: claim.cold,
        secret: &secret,
        chance: bench.chance,
        start: &start,
        roof: &roof,
        goes_on: bench.goes_on,
    };
    decide(claim, about, peer, &say_failure).map_err(|error| error.to_string())
}

/// What a kernel of the self-test claims.
pub(super) fn of_specimen(
    trial: &Trial,
    program: Option<&Path>,
    clock: &dyn Clock,
    interrupt: &Interrupt,
    limit: Duration,
    chance: &dyn Fn() -> std::result::Result<Secret, String>,
) -> std::result::Result<Decided, String> {
    let Some(program) = program else { return Err("this program's own file can't be found".into()) };
    let manifest = &trial.manifest;
    let claims = asked(manifest, &|_| true, &|_| Err("there are no files here".into())).map_err(|why| why.message)?;
    let Some(one) = claims.first() else { return Err("the kernel claims nothing".into()) };
    let goes_on = |_| !interrupt.requested();
    let bench = Bench {
        program,
        library_path: None,
        clock,
        interrupt,
        limit,
        layout: Layout::Plain,
        threads: 1,
        chance,
        goes_on: &goes_on,
    };
    let name = trial.specimen.entry.name.to_owned();
    let kernel = Party { target: Target::Builtin(name.clone()), name, workspace: 0 };
    let baselines: Vec<String> = manifest.baselines.iter().map(|one| one.id.value.0.clone()).collect();
    claim(&bench, one, &Promise::of(manifest), kernel, &baselines, &|_, _| None)
}

/// The figures behind a verdict, in one line.
pub(super) fn in_words(decided: &Decided) -> String {
    let one = |figure: &Figure| {
        format!(
            "{:.3}x on {}, between {:.3}x and {:.3}x over {} processes",
            figure.estimate, figure.timed, figure.lower, figure.upper, figure.processes
        )
    };
    let figures: Vec<String> = decided.figures.iter().map(one).collect();
    format!("{}: {}", decided.verdict.word(), figures.join("; "))
}

/// The claims of a kernel, read as its manifest has them: what can't be is refused whether or not it is asked for.
pub(super) fn claims(known: &Known) -> Result<Vec<Asked>> {
    let file = |path: &str| {
        let path = known.folder.join(path);
        let bytes = files::read_at_most(&path, MOST_BYTES).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|_| format!("{} is no text", path.display()))
    };
    asked(&known.manifest, &|_| true, &file).map_err(|bad| {
        Error::invalid(bad.message).at(Place::in_text(&known.shown, &known.source.text, bad.at)).hint(bad.hint)
    })
}

/// The claims of the kernels that were chosen, decided one after the other; `wanted` says which.
pub(super) fn decided(
    kernels: &[Known],
    wanted: &dyn Fn(&str) -> bool,
    threads: u32,
    until: Option<Duration>,
    session: &mut Session,
) -> Result<Vec<Claimed>> {
    let mut all = Vec::new();
    for known in kernels {
        let mut claims = claims(known)?;
        claims.retain(|claim| wanted(&claim.id));
        for timed in claims.iter().flat_map(|claim| &claim.timed) {
            super::check_room(&timed.shape, timed.weights, &Promise::of(&known.manifest))?;
        }
        let here = known.manifest.targets.cpu.is_some();
        if let Some(cold) = claims.iter().find(|claim| here && claim.cold && !Files::FLUSHES) {
            let message = format!("claim `{}` is about cold caches, which can't be emptied here", cold.id);
            return Err(
                Error::cannot(message).hint("that takes an x86-64 processor; `cache: warm` is measured anywhere")
            );
        }
        all.extend(claims.into_iter().map(|claim| (known, claim)));
    }
    if all.is_empty() {
        return Err(Error::invalid("no kernel that was chosen makes such a claim")
            .hint("`bizra kernel list --json` tells how many each makes; manifests have them under `claims`"));
    }
    let mut peers = Vec::new();
    for (known, one) in &all {
        peers.push(peer::of(one, known.manifest.op(), session)?);
    }
    let peers: Vec<_> =
        peers.iter().map(|held| |_: &str, timed: &Timed| held.get(&timed.to_string()).cloned()).collect();
    let clock = &*session.env.clock;
    let Some(program) = session.env.program.clone() else {
        return Err(Error::cannot("this program's own file can't be found, so kernels can't be given a process"));
    };
    let library_path = session.env.vars.get_os("LD_LIBRARY_PATH").map(ToOwned::to_owned);
    let interrupt = &session.env.interrupt;
    let chance = secrets(&*session.env.chance);
    let _held = interrupt.defer();
    let mut bar = session.ui.progress("claims", Some(all.len() as u64 * 100), Unit::Items, clock.monotonic());
    let mut found = Vec::new();
    for (number, (known, one)) in all.iter().enumerate() {
        if known.manifest.targets.cpu.is_none() {
            let secret = chance().map_err(Error::cannot)?;
            let why = Some(("device", without_device(&session.env.vars, clock, interrupt)));
            found.push((known.manifest.id().to_owned(), Decided { why, ..Decided::open(one, threads, &secret) }));
            continue;
        }
        let steps = Cell::new(0u64);
        let told = RefCell::new(&mut bar);
        let goes_on = |step: Step| {
            steps.set(steps.get() + 1);
            let share = steps.get() * 100 / (one.timed.len() * step.processes).max(1) as u64;
            told.borrow_mut().at(number as u64 * 100 + share.min(99), clock.monotonic());
            !interrupt.requested() && until.is_none_or(|until| clock.monotonic() < until)
        };
        let bench = Bench {
            program: &program,
            library_path: library_path.clone(),
            clock,
            interrupt,
            limit: PATIENCE,
            layout: plainest(known.manifest.domain.layouts()),
            threads,
            chance: &chance,
            goes_on: &goes_on,
        };
        let baselines: Vec<String> = known.manifest.baselines.iter().map(|one| one.id.value.0.clone()).collect();
        let subject = cpu::prepare(known, Some(&program))?.subject;
        let name = known.manifest.id().to_owned();
        let kernel = Party { name, target: subject.target, workspace: subject.workspace };
        let decided = claim(&bench, one, &Promise::of(&known.manifest), kernel, &baselines, &peers[number]);
        if interrupt.requested() {
            return Err(Error::new(Exit::Interrupted, "interrupted while claims were measured"));
        }
        let decided = decided.map_err(|why| Error::cannot(format!("claim `{}` can't be measured: {why}", one.id)))?;
        found.push((known.manifest.id().to_owned(), decided));
    }
    Ok(found)
}

/// Why a claim of a kernel for GPUs stays open.
fn without_device(vars: &Vars, clock: &dyn Clock, interrupt: &Interrupt) -> String {
    let around = Around { folder: Path::new("/"), vars, clock, interrupt };
    match Machine::new(around, None, None).device() {
        Err(why) => format!("{why}, and what stands for a GPU has no speed worth telling"),
        Ok(device) => format!("claims are not measured on GPUs yet, such as {}", device.name),
    }
}

fn plainest(layouts: &[Layout]) -> Layout {
    let first = layouts.first().copied().unwrap_or(Layout::Plain);
    if layouts.contains(&Layout::Plain) { Layout::Plain } else { first }
}

/// Secrets from the system's randomness, drawn when they are asked for.
pub(super) fn secrets(chance: &dyn Chance) -> impl Fn() -> std::result::Result<Secret, String> + '_ {
    move || {
        let mut bytes = [0; 32];
        chance.fill(&mut bytes).map_err(|error| format!("the operating system gives no random bytes: {error}"))?;
        Ok(Secret::new(bytes))
    }
}

/// What the verdicts mean for the answer.
pub(super) fn reasons(claims: &[Claimed]) -> Vec<Error> {
    let one = |(kernel, decided): &Claimed| {
        let exit = match decided.verdict {
            Verdict::Supported => return None,
            Verdict::Refuted => Exit::No,
            Verdict::Inconclusive => Exit::Undecided,
        };
        let why = decided.why.as_ref().map_or_else(|| in_words(decided), |(check, why)| format!("{check}: {why}"));
        Some(Error::new(exit, format!("{kernel}: claim `{}` is {}: {why}", decided.id, decided.verdict.word())))
    };
    claims.iter().filter_map(one).collect()
}
