//! Sources that were written for a GPU: made ready, tried where they run, told how far they got.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bizra_kernels::gpu::Source;
use sha2::{Digest as _, Sha256};

use super::choose::Known;
use super::cpu;
use crate::env::{Clock, Interrupt, Vars};
use crate::error::{Error, Place, Result};
use crate::kernel::gpu::{self, Backend};
use crate::kernel::report::{self, Report, Subject, Wanted};
use crate::sys::gpu::Machine;
use crate::sys::{kernels, process};

/// What the trial of a kernel takes from its surroundings.
pub(super) struct Around<'s> {
    pub(super) clock: &'s dyn Clock,
    pub(super) vars: &'s Vars,
    pub(super) interrupt: &'s Interrupt,
    /// This program's own file.
    pub(super) program: Option<&'s Path>,
    pub(super) nvrtc: Option<PathBuf>,
    /// A Python with Triton.
    pub(super) python: Option<PathBuf>,
}

/// Takes a kernel as far as this machine can, and tries it where it runs; with the digest of its source.
pub(super) fn run(
    known: &Known,
    backend: Backend,
    wanted: &Wanted,
    around: &Around<'_>,
    step: &mut dyn FnMut(usize, usize),
) -> Result<(Report, Option<[u8; 32]>)> {
    let (manifest, word) = (&known.manifest, backend.word());
    let Some(target) = backend.of(manifest) else {
        return Ok((Report::skipped(manifest, word, "there is no such target".into()), None));
    };
    let shown = |path: &str| known.shown.parent().unwrap_or(Path::new("")).join(path).display().to_string();
    let source = gpu::source(target, &shown, &|path| kernels::text(known, path)).map_err(|error| {
        let at = Place::in_text(&known.shown, &known.source.text, target.source.span.start as usize);
        error.at(at)
    })?;
    let digest = Some(source_digest(&source));
    let tried = wanted.only.as_ref().map_or(gpu::Tried::Seed(wanted.seed), gpu::Tried::Case);
    let process =
        process::Around { folder: Path::new("/"), vars: around.vars, clock: around.clock, interrupt: around.interrupt };
    // What was made is there for as long as this is.
    let mut machine = Machine::new(process, around.nvrtc.clone(), around.python.clone());
    let set = |name: &&str| Some(((*name).into(), around.vars.get_os(name)?.to_owned()));
    let (kept, limit) = match backend {
        Backend::Triton => (OF_PYTHON.as_slice(), INTERPRETED),
        Backend::Cuda | Backend::Wgpu => (DRIVERS.as_slice(), cpu::PATIENCE),
    };
    let drivers = kept.iter().filter_map(set).collect();
    let library_path = around.vars.get_os("LD_LIBRARY_PATH").map(ToOwned::to_owned);
    let start = cpu::Start::new(around.program, around.clock, around.interrupt);
    let start = cpu::Start { drivers, library_path, limit, ..start };
    cpu::with_worker(start, |runner| {
        let ready = match gpu::prepare(manifest, backend, &source, tried, &mut machine, runner) {
            Ok(ready) => ready,
            Err(gpu::Refused::Kernel(log)) => {
                let at = Place::in_text(&known.shown, &known.source.text, target.entry.span.start as usize);
                return Err(Error::invalid(format!("{} can't be made into a kernel: {log}", source.name)).at(at));
            }
            Err(gpu::Refused::Machine(broken)) => return Err(Error::cannot(broken.to_string())),
        };
        let made = Report::ready(manifest, word, &ready);
        let Some(target) = ready.target.filter(|_| made.failures.is_empty()) else { return Ok((made, digest)) };
        let subject =
            Subject { manifest, backend: word, target, same_bits: Vec::new(), workspace: 0, level: ready.level };
        match report::trial(runner, &subject, wanted, &|| around.clock.monotonic(), step) {
            Ok(report) => Ok((report.made(made), digest)),
            Err(broken) => Err(Error::cannot(broken.to_string())),
        }
    })?
}

/// Of a source and all that it includes, with their names.
fn source_digest(source: &Source) -> [u8; 32] {
    let mut hash = Sha256::new();
    let own = (source.name.clone(), source.text.clone());
    for (name, text) in source.headers.iter().chain([&own]) {
        for part in [name, text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

/// How long a batch may take in an interpreter: it repeats the heaviest cases, at some milliseconds a block.
const INTERPRETED: Duration = Duration::from_secs(600);

/// Variables that Python finds itself and its packages by.
const OF_PYTHON: [&str; 6] = ["PATH", "HOME", "PYTHONPATH", "PYTHONHOME", "PYENV_ROOT", "PYENV_VERSION"];

/// Variables that drivers and their loaders go by.
const DRIVERS: [&str; 5] =
    ["CUDA_VISIBLE_DEVICES", "VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_LOADER_DRIVERS_SELECT", "XDG_DATA_DIRS"];
