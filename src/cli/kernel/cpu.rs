//! Kernels on the processor: of the engine, or of a shared library.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::choose::Known;
use crate::env::{Clock, Interrupt};
use crate::error::{Error, Exit, Place, Result};
use crate::kernel::report::Subject;
use crate::kernel::run::{Broken, Level, Runner, Target};
use crate::plan::source::Span;
use crate::sys::files;

/// How long one batch of calls may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A kernel that can be loaded.
pub(super) struct Prepared<'k> {
    pub(super) subject: Subject<'k>,
    /// SHA-256 of the library, or of this program.
    pub(super) code: Option<[u8; 32]>,
}

fn place(known: &Known, span: Span) -> Place {
    Place::in_text(&known.shown, &known.source.text, span.start as usize)
}

/// What a manifest's `cpu` target comes to; its library has to be there.
pub(super) fn prepare<'k>(known: &'k Known, program: Option<&Path>) -> Result<Prepared<'k>> {
    let manifest = &known.manifest;
    let Some(cpu) = &manifest.targets.cpu else {
        return Err(Error::invalid(format!("{} has no target for the processor", manifest.id()))
            .at(place(known, manifest.targets.span)));
    };
    let library = match &cpu.library {
        None => None,
        Some(named) => {
            let (path, at) = (known.folder.join(&named.value), place(known, named.span));
            if !path.is_file() {
                let (what, hint) = match path.exists() {
                    true => ("is no file", "`library` names a shared library, made by `cc -shared -fPIC` or the like"),
                    false => ("isn't there", "build it first; `library` is a path from the manifest's folder"),
                };
                return Err(Error::invalid(format!("the library {} {what}", path.display())).at(at).hint(hint));
            }
            let path = path.canonicalize().map_err(|e| Error::reading(&path, &e))?;
            let Some(text) = path.to_str() else {
                return Err(Error::invalid("the library's path is no valid UTF-8").at(at));
            };
            Some((text.to_owned(), files::sha256(&path)?))
        }
    };
    let target = |entry: &str| match &library {
        Some((path, _)) => Target::Library { path: path.clone(), symbol: entry.to_owned() },
        None => Target::Builtin(entry.to_owned()),
    };
    let device = bizra_kernels::os::cpu_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let subject = Subject {
        manifest,
        backend: "cpu",
        target: target(&cpu.entry.value),
        same_bits: cpu.same_bits.iter().map(|entry| target(&entry.value)).collect(),
        workspace: cpu.workspace.as_ref().map_or(0, |w| w.value as usize),
        level: Level::RanOnDevice { device },
    };
    let code = match &library {
        Some((_, digest)) => Some(*digest),
        None => program.map(files::sha256).transpose()?,
    };
    Ok(Prepared { subject, code })
}

/// Why a trial could not take place.
pub(super) fn refused(known: &Known, broken: &Broken) -> Error {
    let entry = known.manifest.targets.cpu.as_ref().map(|cpu| cpu.entry.span);
    match (broken, entry) {
        (Broken::Load(why), Some(span)) => {
            Error::invalid(why.clone()).at(place(known, span)).hint("check `entry` and `library`")
        }
        (Broken::Interrupted, _) => Error::new(Exit::Interrupted, "interrupted while kernels were tried"),
        _ => Error::cannot(broken.to_string()),
    }
}

/// What a process for kernels is started with.
pub(super) struct Start<'s> {
    pub(super) program: Option<&'s Path>,
    pub(super) clock: &'s dyn Clock,
    pub(super) interrupt: &'s Interrupt,
    pub(super) library_path: Option<OsString>,
    /// Variables that drivers go by.
    pub(super) drivers: Vec<(OsString, OsString)>,
    /// How long one batch of calls may take.
    pub(super) limit: Duration,
    /// When all of it has to be over, by the clock.
    pub(super) until: Option<Duration>,
}

impl<'s> Start<'s> {
    pub(super) fn new(program: Option<&'s Path>, clock: &'s dyn Clock, interrupt: &'s Interrupt) -> Start<'s> {
        Start { program, clock, interrupt, library_path: None, drivers: Vec::new(), limit: PATIENCE, until: None }
    }
}

/// Work with a process that runs kernels.
#[cfg(unix)]
pub(super) fn with_worker<T>(start: Start<'_>, work: impl FnOnce(&mut dyn Runner) -> T) -> Result<T> {
    use crate::sys::kernel_worker::{Conditions, Worker};
    let Start { program, clock, interrupt, library_path, drivers, limit, until } = start;
    let Some(program) = program else {
        return Err(Error::cannot("this program's own file can't be found, so kernels can't be given a process"));
    };
    let conditions =
        Conditions { program: program.to_owned(), library_path, drivers, limit, until, interrupt: interrupt.clone() };
    Ok(work(&mut Worker::new(conditions, clock)))
}

#[cfg(not(unix))]
pub(super) fn with_worker<T>(_: Start<'_>, _: impl FnOnce(&mut dyn Runner) -> T) -> Result<T> {
    Err(Error::cannot("kernels are run on Linux only"))
}
