//! From a manifest's target for a GPU to what can be run here, and how far evidence will then go.
//!
//! What is there decides: a device before an emulator, an emulator before a compiler, a compiler before a translator. Each
//! step that was left out says why. Compilers and emulators are the caller's ([`Tools`]); no times come from here.

use bizra_kernels::call::DType;
use bizra_kernels::gpu::plan::{Form, MOST_THREADS, Rule, launch, signature, tiles};
use bizra_kernels::gpu::{INTERFACE, Launch, Source};

use super::case::Case;
use super::manifest::{Manifest, Source_, Values};
use super::op::{self, Op};
use super::plan::{Effort, plan};
use super::promise::Promise;
use super::run::{Broken, Level, ParamValue, Runner, Target, Tensor};
use super::{inputs, run};
use crate::plan::read::Reader;

/// Architectures that CUDA is compiled for where no device says which.
pub const ARCHITECTURES: [&str; 3] = ["sm_80", "sm_90", "sm_100"];

/// A backend that a source is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Cuda,
    Wgpu,
    Triton,
}

impl Backend {
    pub const ALL: [Backend; 3] = [Backend::Cuda, Backend::Wgpu, Backend::Triton];

    pub fn word(self) -> &'static str {
        match self {
            Backend::Cuda => "cuda",
            Backend::Wgpu => "wgpu",
            Backend::Triton => "triton",
        }
    }

    pub fn of(self, manifest: &Manifest) -> Option<&Source_> {
        match self {
            Backend::Cuda => manifest.targets.cuda.as_ref(),
            Backend::Wgpu => manifest.targets.wgpu.as_ref(),
            Backend::Triton => manifest.targets.triton.as_ref(),
        }
    }
}

/// Something that was made of the source on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Such as `cubin for sm_90` or `MSL`.
    pub what: String,
    pub by: String,
    pub bytes: Vec<u8>,
}

/// Why a step came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The source or the kernel is at fault: what was said about it, with lines.
    Kernel(String),
    /// Something is not here.
    Missing(String),
}

/// A device, as it is before anything runs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    pub driver: String,
    /// What its compiler is told, such as `sm_90`.
    pub architecture: String,
}

/// One launch for the thread sanitizer: tensors in order, the output last.
pub struct Watched {
    pub case: Case,
    pub tensors: Vec<Vec<u8>>,
    pub launch: Launch,
}

/// What came of a Triton kernel before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The Python that has Triton.
    pub python: String,
    pub artefacts: Vec<Artefact>,
    /// Targets that nothing was made for, and why; and what could not be kept from the source meanwhile.
    pub left_out: Vec<String>,
}

/// The compilers, translators and emulators of this machine.
pub trait Tools {
    /// The first NVIDIA GPU, or why there is none.
    fn device(&mut self) -> Result<Device, String>;
    /// Machine code for an architecture, and who made it.
    fn compile(&mut self, source: &Source, architecture: &str) -> Result<Artefact, Obstacle>;
    /// The source in other languages.
    fn translate(&mut self, source: &Source, entry: &str) -> Result<Vec<Artefact>, Obstacle>;
    /// A library of the emulated kernel, and the emulator's name. It is there for as long as the tools are.
    fn emulate(&mut self, source: &Source, entry: &str) -> Result<(String, String), Obstacle>;
    /// Machine code for all that Triton compiles for, from a function that takes such arguments.
    fn triton(&mut self, source: &Source, entry: &str, signature: &[String], block: u32) -> Result<Compiled, Obstacle>;
    /// Races of some launches: the number of the launch, and both places. What was told once isn't told again.
    fn races(&mut self, source: &Source, entry: &str, launches: &[Watched]) -> Result<Vec<(usize, String)>, Obstacle>;
}

/// What the thread sanitizer is to watch.
#[derive(Clone, Copy)]
pub enum Tried<'c> {
    /// Some launches, chosen by a seed.
    Seed(u64),
    Case(&'c Case),
}

/// What was made ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// To be run; the level holds once it has passed. Without one, the level is reached already.
    pub target: Option<Target>,
    pub level: Level,
    pub artefacts: Vec<Artefact>,
    /// Steps that were left out, and why.
    pub left_out: Vec<String>,
    /// Launches that the thread sanitizer watched; none where it watched nothing.
    pub watched: Option<usize>,
    /// Races that it found: where, and in what case. With one of them the kernel is refused.
    pub races: Vec<(Case, String)>,
}

/// How a kernel is launched, from its target. An error says what is wrong with it.
pub fn rule(op: Op, target: &Source_) -> Result<Rule, String> {
    let Some(tiles) = tiles(op) else {
        return Err(format!("there is no interface for {} on a GPU yet", op.word()));
    };
    if let Some((name, _)) = target.launch.0.iter().find(|(name, _)| !matches!(name.value.as_str(), "block" | "tile")) {
        return Err(format!("`{}` is nothing that a launch has: write `block` and `tile`", name.value));
    }
    let numbers = |name: &str| match target.launch.get(name) {
        Some(Values::List(all)) => all.iter().map(|v| u32::try_from(*v).ok().filter(|v| *v > 0)).collect(),
        _ => None,
    };
    let block: Option<Vec<u32>> = numbers("block");
    let block = match block.as_deref() {
        Some([one]) if *one <= MOST_THREADS => *one,
        _ => return Err(format!("a launch has `block: N`, its threads, from 1 to {MOST_THREADS}")),
    };
    match numbers("tile") {
        Some(tile) if tile.len() == tiles => Ok(Rule { block, tile }),
        _ => Err(format!("a launch of {} has `tile`, a list of {tiles} sizes above 0; see bizra_gpu.h", op.word())),
    }
}

/// Refuses targets that can't be launched, with their places.
pub fn check(manifest: &Manifest, reader: &mut Reader<'_>) {
    for backend in Backend::ALL {
        let Some(target) = backend.of(manifest) else { continue };
        if let Err(why) = rule(manifest.op(), target) {
            reader.refuse(target.entry.span, why, Some("add `launch: {block: 128, tile: [1]}`".into()));
        }
        if backend != Backend::Triton {
            continue;
        }
        if let Some(other) = target.with.first() {
            reader.refuse(other.span, "a Triton source stands alone", Some("write what it needs into the file".into()));
        }
        // Its arguments have types before it meets any.
        if let [_, other, ..] = manifest.contract.weights.as_slice() {
            let hint = Some("give each type of weights a manifest of its own".into());
            reader.refuse(other.span, "a Triton kernel takes weights of one type", hint);
        }
    }
}

/// The source with what goes with it. `read` gives a file's text by its path from the manifest's folder.
pub fn source(
    target: &Source_,
    shown: &dyn Fn(&str) -> String,
    read: &dyn Fn(&str) -> crate::error::Result<String>,
) -> crate::error::Result<Source> {
    let mut source = Source::new(shown(&target.source.value), read(&target.source.value)?);
    if source.is_cuda() {
        source = source.with(INTERFACE.0, INTERFACE.1);
    }
    for other in &target.with {
        let name = match source.is_cuda() {
            true => other.value.rsplit('/').next().unwrap_or(&other.value).to_owned(),
            false => shown(&other.value),
        };
        source = source.with(name, read(&other.value)?);
    }
    Ok(source)
}

/// Takes a kernel as far as this machine can before it is judged. The obstacle is the kernel's own fault.
pub fn prepare(
    manifest: &Manifest,
    backend: Backend,
    source: &Source,
    tried: Tried<'_>,
    tools: &mut dyn Tools,
    runner: &mut dyn Runner,
) -> Result<Ready, Refused> {
    let Some(target) = backend.of(manifest) else {
        let reason = format!("{} has no target for {}", manifest.id(), backend.word());
        return Ok(Ready::nowhere(reason));
    };
    let (op, entry) = (manifest.op(), target.entry.value.as_str());
    let rule = rule(op, target).map_err(Refused::Kernel)?;
    match backend {
        Backend::Cuda => cuda(manifest, source, entry, &rule, tried, tools),
        Backend::Wgpu => wgpu(op, source, entry, rule, tools, runner),
        Backend::Triton => triton(manifest, source, entry, rule, tools, runner),
    }
}

/// Why nothing was made ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Kernel(String),
    Machine(Broken),
}

impl Ready {
    fn nowhere(reason: String) -> Ready {
        Ready {
            target: None,
            level: Level::Skipped { reason },
            artefacts: Vec::new(),
            left_out: Vec::new(),
            watched: None,
            races: Vec::new(),
        }
    }
}

fn cuda(
    manifest: &Manifest,
    source: &Source,
    entry: &str,
    rule: &Rule,
    tried: Tried<'_>,
    tools: &mut dyn Tools,
) -> Result<Ready, Refused> {
    let mut ready = Ready::nowhere(String::new());
    let device = tools.device();
    let architectures = match &device {
        Ok(device) => vec![device.architecture.as_str()],
        Err(_) => ARCHITECTURES.to_vec(),
    };
    for architecture in architectures {
        match tools.compile(source, architecture) {
            Ok(made) => ready.artefacts.push(made),
            Err(Obstacle::Kernel(log)) => return Err(Refused::Kernel(log)),
            Err(Obstacle::Missing(why)) => {
                ready.left_out.push(format!("not compiled: {why}"));
                break;
            }
        }
    }
    match (device, ready.artefacts.first()) {
        (Ok(device), Some(code)) => {
            let Device { name, driver, architecture } = device;
            ready.level = Level::RanOnDevice { device: format!("{name}, {architecture}, {driver}") };
            let (code, entry) = (code.bytes.clone(), entry.to_owned());
            ready.target = Some(Target::Cuda { code, entry, rule: rule.clone() });
            return Ok(ready);
        }
        (Ok(_), None) => ready.left_out.push("not run on the device, for want of code".into()),
        (Err(why), _) => ready.left_out.push(format!("not run on a device: {why}")),
    }
    match tools.emulate(source, entry) {
        Ok((library, emulator)) => {
            ready.level = Level::RanEmulated { emulator };
            ready.target = Some(Target::Emulated { library, rule: rule.clone() });
        }
        Err(Obstacle::Kernel(log)) => return Err(Refused::Kernel(log)),
        Err(Obstacle::Missing(why)) => {
            ready.left_out.push(format!("not emulated: {why}"));
            ready.level = match ready.artefacts.is_empty() {
                true => Level::Skipped { reason: ready.left_out.join("; ") },
                false => Level::Compiled,
            };
            return Ok(ready);
        }
    }
    let launches = watched(manifest, rule, tried);
    match tools.races(source, entry, &launches) {
        Ok(races) => {
            ready.watched = Some(launches.len());
            if let Level::RanEmulated { emulator } = &mut ready.level {
                *emulator += &format!("; the thread sanitizer watched {} launches", launches.len());
            }
            let of = |number: usize| launches.get(number).map(|watched| watched.case.clone());
            ready.races = races.into_iter().filter_map(|(number, said)| Some((of(number)?, said))).collect();
        }
        Err(Obstacle::Kernel(why)) => return Err(Refused::Kernel(why)),
        Err(Obstacle::Missing(why)) => ready.left_out.push(format!("not watched by the thread sanitizer: {why}")),
    }
    Ok(ready)
}

fn wgpu(
    op: Op,
    source: &Source,
    entry: &str,
    rule: Rule,
    tools: &mut dyn Tools,
    runner: &mut dyn Runner,
) -> Result<Ready, Refused> {
    let artefacts = match tools.translate(source, entry) {
        Ok(artefacts) => artefacts,
        Err(Obstacle::Kernel(log)) => return Err(Refused::Kernel(log)),
        Err(Obstacle::Missing(why)) => return Ok(Ready::nowhere(why)),
    };
    let ready = Ready { artefacts, level: Level::Parsed, ..Ready::nowhere(String::new()) };
    let target = Target::Wgsl { source: source.clone(), entry: entry.to_owned(), op: op as u32, rule };
    placed(ready, target, runner)
}

fn triton(
    manifest: &Manifest,
    source: &Source,
    entry: &str,
    rule: Rule,
    tools: &mut dyn Tools,
    runner: &mut dyn Runner,
) -> Result<Ready, Refused> {
    let weights = Promise::of(manifest).weights;
    let weights = weights.first().copied().unwrap_or(DType::F32);
    let Some(signature) = signature(manifest.op(), weights) else {
        return Err(Refused::Kernel(format!("there is no interface for {} on a GPU yet", manifest.op().word())));
    };
    let signature: Vec<String> = signature.into_iter().map(str::to_owned).collect();
    let made = match tools.triton(source, entry, &signature, rule.block) {
        Ok(made) => made,
        Err(Obstacle::Kernel(log)) => return Err(Refused::Kernel(log)),
        Err(Obstacle::Missing(why)) => return Ok(Ready::nowhere(why)),
    };
    let Compiled { python, artefacts, left_out } = made;
    let level = if artefacts.is_empty() { Level::Skipped { reason: String::new() } } else { Level::Compiled };
    let ready = Ready { artefacts, level, left_out, ..Ready::nowhere(String::new()) };
    let target = Target::Triton { python, source: source.clone(), entry: entry.to_owned(), signature, rule };
    let mut ready = placed(ready, target, runner)?;
    if let Level::Skipped { reason } = &mut ready.level {
        *reason = ready.left_out.join("; ");
    }
    ready.left_out.push("not run on a device: what Triton compiles is not launched from here".into());
    Ok(ready)
}

/// Ready to run, where the runner can load it, on what it then says.
fn placed(mut ready: Ready, target: Target, runner: &mut dyn Runner) -> Result<Ready, Refused> {
    match runner.load(&target) {
        Ok(_) => {}
        Err(Broken::Load(why)) => {
            ready.left_out.push(format!("not run: {why}"));
            return Ok(ready);
        }
        Err(broken) if !broken.is_of_kernel() => return Err(Refused::Machine(broken)),
        Err(broken) => return Err(Refused::Kernel(broken.to_string())),
    }
    let Some(place) = runner.place() else {
        ready.left_out.push("not run: the process for kernels doesn't say on what".into());
        return Ok(ready);
    };
    let run::Place { device, driver, software } = place;
    ready.level = match (*software, device.starts_with("llvmpipe")) {
        (true, true) => Level::RanEmulated { emulator: format!("lavapipe: {device}, {driver}") },
        (true, false) => Level::RanEmulated { emulator: format!("{device}, {driver}") },
        (false, _) => Level::RanOnDevice { device: format!("{device}, {driver}") },
    };
    ready.target = Some(target);
    Ok(ready)
}

/// Multiply-adds of a launch that the sanitizer watches, which makes it a few hundred times slower.
const MOST_WATCHED: usize = 40_000;
/// Blocks of such a launch: each is as many threads of the system as it has, which meet at every barrier.
const MOST_BLOCKS: usize = 16;
/// The largest of those, and as many others.
const LAUNCHES: usize = 2;

/// A few launches from a quick plan: the largest that can be waited for, and some that are spread over the rest.
fn watched(manifest: &Manifest, rule: &Rule, tried: Tried<'_>) -> Vec<Watched> {
    let promise = Promise::of(manifest);
    let seed = match tried {
        Tried::Case(case) => return launched(case.clone(), &promise, rule).into_iter().collect(),
        Tried::Seed(seed) => seed,
    };
    let mut cases = plan(manifest, &promise, Effort::Quick, seed, 1).cases;
    cases.retain(|case| (1..=MOST_WATCHED).contains(&op::work(&case.shape)));
    cases.sort_by_key(|case| std::cmp::Reverse(op::work(&case.shape)));
    let blocks = |watched: &Watched| watched.launch.grid.iter().map(|n| *n as usize).product::<usize>();
    let mut all: Vec<Watched> = cases
        .into_iter()
        .filter_map(|case| launched(case, &promise, rule))
        .filter(|watched| (1..=MOST_BLOCKS).contains(&blocks(watched)))
        .collect();
    let rest = all.split_off(LAUNCHES.min(all.len()));
    let step = rest.len().div_ceil(LAUNCHES).max(1);
    all.extend(rest.into_iter().step_by(step));
    all
}

/// The launch of a call, from its tensors and parameters; none where a kernel can't be asked for it.
pub fn launch_of(
    op: Op,
    inputs: &[&Tensor],
    output: Form<'_>,
    params: &[(String, ParamValue)],
    rule: &Rule,
) -> Option<Launch> {
    let mut forms: Vec<Form<'_>> =
        inputs.iter().map(|t| Form { dtype: Some(t.dtype), shape: &t.shape, strides: &t.strides }).collect();
    forms.push(output);
    let param = |key: &str| {
        params.iter().find(|(name, _)| name == key).map(|(_, value)| match value {
            ParamValue::Integer(i) => *i as f64,
            ParamValue::Float(f) => *f,
        })
    };
    launch(op, &forms, &param, rule)
}

fn launched(case: Case, promise: &Promise, rule: &Rule) -> Option<Watched> {
    let operands = inputs::build(&case, promise);
    let given: Vec<&Tensor> = operands.iter().map(|o| &*o.tensor).collect();
    let slot = op::outputs(&case.shape, promise.types(case.weights)).into_iter().next()?;
    let shape: Vec<i64> = slot.shape.iter().map(|n| *n as i64).collect();
    let strides = inputs::strides(&slot.shape, inputs::layout_of(&case, &slot));
    let written = Form { dtype: Some(slot.dtype), shape: &shape, strides: &strides };
    let launch = launch_of(case.op(), &given, written, &inputs::params(&case), rule)?;
    let out = inputs::extent(&slot.shape, &strides) * slot.dtype.block().1;
    let tensors = given.iter().map(|t| t.bytes.clone()).chain([vec![0xff; out]]).collect();
    Some(Watched { case, tensors, launch })
}

#[cfg(test)]
mod tests;
