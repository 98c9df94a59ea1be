//! What this machine has for kernels that were written for a GPU: NVIDIA's compiler and device, naga, a C++ compiler, a
//! Python with Triton.

use std::path::PathBuf;

use bizra_kernels::gpu::nvrtc::{Compiled, Nvrtc};
use bizra_kernels::gpu::{Buffer, Fault, Source, cuda, wgsl};

use super::cxx::{Compiler, Failed, Made};
use super::process::Around;
use super::python;
use crate::kernel::gpu::{Artefact, Compiled as OfTriton, Device, Obstacle, Tools, Watched};

/// Each is looked for once, and only when it is asked for.
pub struct Machine<'a> {
    around: Around<'a>,
    /// NVRTC's library, where the user names it.
    library: Option<PathBuf>,
    /// The Python that the user names.
    python: Option<PathBuf>,
    nvrtc: Option<Result<Nvrtc, String>>,
    compiler: Option<Result<Compiler, String>>,
    device: Option<Result<Device, String>>,
    /// What was made has to stay for as long as it may be run.
    made: Vec<Made>,
}

impl<'a> Machine<'a> {
    pub fn new(around: Around<'a>, library: Option<PathBuf>, python: Option<PathBuf>) -> Self {
        Machine { around, library, python, nvrtc: None, compiler: None, device: None, made: Vec::new() }
    }

    fn compiler(&mut self) -> Result<Compiler, Obstacle> {
        let around = &self.around;
        self.compiler.get_or_insert_with(|| Compiler::find(around)).clone().map_err(Obstacle::Missing)
    }
}

fn obstacle(failed: Failed) -> Obstacle {
    match failed {
        Failed::Kernel(why) => Obstacle::Kernel(why),
        Failed::Machine(why) => Obstacle::Missing(why),
    }
}

impl Tools for Machine<'_> {
    fn device(&mut self) -> Result<Device, String> {
        let look = || {
            cuda::Cuda::open().map(|gpu| Device {
                name: gpu.name().to_owned(),
                driver: gpu.driver(),
                architecture: gpu.architecture(),
            })
        };
        self.device.get_or_insert_with(look).clone()
    }

    fn compile(&mut self, source: &Source, architecture: &str) -> Result<Artefact, Obstacle> {
        let library = self.library.as_deref();
        let nvrtc = self.nvrtc.get_or_insert_with(|| Nvrtc::load(library)).as_ref();
        let nvrtc = nvrtc.map_err(|why| Obstacle::Missing(why.clone()))?;
        match nvrtc.compile(source, architecture) {
            Ok(Compiled::Cubin { code, .. }) => Ok(Artefact {
                what: format!("cubin for {architecture}"),
                by: format!("NVRTC {}", nvrtc.version()),
                bytes: code,
            }),
            Ok(Compiled::Refused { log }) => Err(Obstacle::Kernel(format!("NVRTC for {architecture}: {log}"))),
            Err(why) => Err(Obstacle::Missing(why)),
        }
    }

    fn translate(&mut self, source: &Source, entry: &str) -> Result<Vec<Artefact>, Obstacle> {
        let artefact = |t: wgsl::Translation| Artefact { what: t.language.into(), by: "naga 30".into(), bytes: t.code };
        match wgsl::translate(source, entry) {
            Ok(all) => Ok(all.into_iter().map(artefact).collect()),
            Err(Fault::Kernel(why)) => Err(Obstacle::Kernel(why)),
            Err(Fault::Machine(why)) => Err(Obstacle::Missing(why)),
        }
    }

    fn triton(&mut self, source: &Source, entry: &str, signature: &[String], block: u32) -> Result<OfTriton, Obstacle> {
        python::compile(self.python.as_deref(), source, entry, signature, block, &self.around).map_err(obstacle)
    }

    fn emulate(&mut self, source: &Source, entry: &str) -> Result<(String, String), Obstacle> {
        let compiler = self.compiler()?;
        let made = compiler.library(source, entry, &self.around).map_err(obstacle)?;
        let path = made.path().display().to_string();
        self.made.push(made);
        Ok((path, format!("CUDA on fibers, {}", compiler.version())))
    }

    fn races(&mut self, source: &Source, entry: &str, launches: &[Watched]) -> Result<Vec<(usize, String)>, Obstacle> {
        // The same source has just become a library: what fails now is the sanitizer, which not every system has.
        let made = self.compiler()?.sanitized(source, entry, &self.around).map_err(|failed| {
            let (Failed::Kernel(why) | Failed::Machine(why)) = failed;
            Obstacle::Missing(format!("it can't be built in: {}", why.lines().next().unwrap_or_default()))
        })?;
        let mut found: Vec<(usize, String)> = Vec::new();
        for (number, Watched { tensors, launch, .. }) in launches.iter().enumerate() {
            let buffers: Vec<Buffer<'_>> = tensors.iter().map(|bytes| Buffer::Input(bytes)).collect();
            for race in made.races(&buffers, launch, &self.around).map_err(obstacle)? {
                let said = race.sides.join(", ");
                if found.iter().all(|(_, known)| *known != said) {
                    found.push((number, said));
                }
            }
        }
        Ok(found)
    }
}
