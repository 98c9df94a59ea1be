//! This project's GPU kernels through the verifier's own cases, on what this machine has instead of a GPU.

use std::path::Path;
use std::time::Duration;

use bizra::env::{Clock, Env, Interrupt};
use bizra::kernel::gpu::{self, Backend, Ready, Refused, Tools, Tried};
use bizra::kernel::manifest::Manifest;
use bizra::kernel::plan::{Effort, plan};
use bizra::kernel::promise::Promise;
use bizra::kernel::run::{Level, Runner};
use bizra::kernel::verify::{self, Loaded, Verdict};
use bizra::plan::source::Source;
use bizra::sys::gpu::Machine;
use bizra::sys::kernel_worker::{Conditions, Worker};
use bizra::sys::process::Around;
use bizra::sys::yaml;

/// Cases of each kernel: the command runs all.
const CASES: usize = 10;
const SEED: u64 = 11;

fn kernels() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")
}

fn manifest(path: &Path) -> Manifest {
    let text = std::fs::read_to_string(path).expect("a manifest");
    let source = Source::new(path, text);
    let tree = yaml::parse(&source, 0).expect("YAML");
    Manifest::of(&tree, &source).unwrap_or_else(|all| panic!("{all:?}"))
}

/// All manifests of this project with such a target, and their folders.
fn ours(backend: Backend) -> Vec<(std::path::PathBuf, Manifest)> {
    let mut all = Vec::new();
    for folder in std::fs::read_dir(kernels()).expect("a folder").flatten().filter(|f| f.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).expect("a folder").flatten() {
            if file.file_name().to_string_lossy().ends_with("kernel.yaml") {
                let manifest = manifest(&file.path());
                if backend.of(&manifest).is_some() {
                    all.push((folder.path(), manifest));
                }
            }
        }
    }
    all.sort_by(|(_, a), (_, b)| a.id().cmp(b.id()));
    all
}

fn source(folder: &Path, backend: Backend, manifest: &Manifest) -> bizra_kernels::gpu::Source {
    let target = backend.of(manifest).expect("a target");
    let read = |path: &str| Ok(std::fs::read_to_string(folder.join(path)).expect("a source"));
    gpu::source(target, &|path| path.to_owned(), &read).expect("sources")
}

fn with<T>(work: impl FnOnce(&mut Machine<'_>, &mut Worker<'_>, &dyn Clock) -> T) -> T {
    let (env, interrupt) = (Env::real(), Interrupt::default());
    let around = Around { folder: Path::new("/"), vars: &env.vars, clock: &*env.clock, interrupt: &interrupt };
    let library = env.vars.get_os("BIZRA_NVRTC").map(Into::into);
    let mut machine = Machine::new(around, library, env.vars.get_os("BIZRA_PYTHON").map(Into::into));
    let conditions = Conditions {
        until: None,
        interrupt: Interrupt::default(),
        program: env!("CARGO_BIN_EXE_bizra").into(),
        library_path: None,
        drivers: Vec::new(),
        limit: Duration::from_secs(120),
    };
    let mut worker = Worker::new(conditions, &*env.clock);
    work(&mut machine, &mut worker, &*env.clock)
}

/// Prepares and judges one kernel. Failures come back as words.
fn judged(
    backend: Backend,
    manifest: &Manifest,
    source: &bizra_kernels::gpu::Source,
    tools: &mut dyn Tools,
    worker: &mut Worker<'_>,
) -> Result<(Ready, usize), String> {
    let ready = match gpu::prepare(manifest, backend, source, Tried::Seed(SEED), tools, worker) {
        Ok(ready) => ready,
        Err(Refused::Kernel(why)) => return Err(why),
        Err(Refused::Machine(broken)) => panic!("{broken}"),
    };
    if let Some((case, said)) = ready.races.first() {
        return Err(format!("{case}: race: {said}"));
    }
    let Some(target) = ready.target.clone() else { return Ok((ready, 0)) };
    let promise = Promise::of(manifest);
    let cases = plan(manifest, &promise, Effort::Quick, SEED, 2).cases;
    let step = cases.len().div_ceil(CASES).max(1);
    let (mut previous, mut passed) = (Vec::new(), 0);
    let kernel = worker.load(&target).map_err(|e| e.to_string())?;
    let loaded = Loaded { kernel, promise, workspace: 0 };
    for case in cases.iter().step_by(step) {
        match verify::case(worker, &loaded, case, &mut previous) {
            Verdict::Passed(_) => passed += 1,
            Verdict::NoPower(_) => {}
            Verdict::Skipped(why) => return Err(why),
            Verdict::Failed(failure) => return Err(format!("{case}: {failure:?}")),
        }
    }
    Ok((ready, passed))
}

#[expect(clippy::print_stdout, reason = "what was judged, and how far it got")]
fn all(backend: Backend) {
    with(|machine, worker, clock| {
        let kernels = ours(backend);
        assert_eq!(kernels.len(), if backend == Backend::Triton { 3 } else { 6 });
        let mut failures = Vec::new();
        for (folder, manifest) in kernels {
            let source = source(&folder, backend, &manifest);
            let began = clock.monotonic();
            match judged(backend, &manifest, &source, machine, worker) {
                Ok((ready, passed)) => {
                    let took = (clock.monotonic() - began).as_secs_f64();
                    let made: Vec<_> = ready.artefacts.iter().map(|a| a.what.as_str()).collect();
                    println!(
                        "{} {}: {passed} passed, {took:.1} s, {made:?} {:?} {:?}",
                        manifest.id(),
                        ready.level,
                        ready.watched,
                        ready.left_out
                    );
                    if ready.target.is_some() {
                        assert!(passed > CASES / 3, "{}: {passed} passed", manifest.id());
                    }
                }
                Err(why) => failures.push(format!("{}: {why}", manifest.id())),
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    });
}

#[test]
fn cuda_kernels_pass_where_there_is_a_compiler() {
    all(Backend::Cuda);
}

#[test]
fn wgsl_kernels_pass_where_there_is_vulkan() {
    all(Backend::Wgpu);
}

/// In seconds where a Python has Triton; skipped elsewhere.
#[test]
fn triton_kernels_pass_where_there_is_triton() {
    all(Backend::Triton);
}

#[test]
fn a_cuda_kernel_without_a_barrier_is_refused() {
    with(|machine, worker, _| {
        let (folder, manifest) = ours(Backend::Cuda).into_iter().find(|(_, m)| m.id() == "softmax-gpu").expect("it");
        let mut source = source(&folder, Backend::Cuda, &manifest);
        let header = source.headers.iter_mut().find(|(name, _)| name == "reduce.cuh").expect("a header");
        let (before, after) = header.1.rsplit_once("    __syncthreads();\n").expect("a barrier");
        header.1 = format!("{before}{after}");
        match judged(Backend::Cuda, &manifest, &source, machine, worker) {
            Ok((Ready { level: Level::Skipped { reason }, .. }, _)) => println!("skipped: {reason}"),
            Ok((Ready { level: Level::Compiled, left_out, .. }, _)) => println!("skipped: {left_out:?}"),
            Ok((ready, _)) => panic!("it passed: {}", ready.level),
            Err(why) => assert!(why.contains("race") || why.contains("Differs") || why.contains("Miss"), "{why}"),
        }
    });
}
