//! What a loaded kernel runs on, from the child's side: this process, or a device.
//!
//! A device is opened once and kept for the life of the process. CUDA C++ that is emulated runs in this process, between
//! the same guard pages as any library's kernel.

use std::path::Path;
use std::sync::OnceLock;

use super::rounding::Rounding;
use super::wire::{Place, Target};
use crate::call::abi::{Call, Function, OpCode, Status};
use crate::call::{Entry, Invocation, builtin};
use crate::gpu::emulator::Emulated;
use crate::gpu::plan::{self, Rule};
use crate::gpu::{Fault, cuda, wgsl};

/// A kernel that can be called.
pub(super) enum Loaded {
    Function(Function),
    Emulated(Emulated, Rule),
    Cuda(cuda::Kernel<'static>, Rule),
    Wgsl(wgsl::Kernel<'static>, Rule),
}

/// Libraries stay for the life of the process, as the functions of theirs do.
pub(super) fn load(
    lists: &[&[Entry]],
    libraries: &mut Vec<libloading::Library>,
    target: &Target,
) -> Result<(Loaded, Option<Place>), Fault> {
    match target {
        Target::Builtin(name) => {
            let function = builtin::find(lists, name).ok_or_else(|| missing(format!("no kernel is named `{name}`")))?;
            Ok((Loaded::Function(function), None))
        }
        Target::Library { path, symbol } => {
            // SAFETY: whatever the library does when it is loaded happens in this process, which is confined.
            let library = unsafe { libloading::Library::new(path) }
                .map_err(|e| missing(format!("the library can't be loaded: {}", reason(&e))))?;
            // SAFETY: the manifest says that the symbol is a kernel; if it isn't, this process pays for it.
            let function = unsafe { library.get::<Function>(symbol.as_bytes()) }
                .map(|f| *f)
                .map_err(|_| missing(format!("the library exports no `{symbol}`")))?;
            libraries.push(library);
            Ok((Loaded::Function(function), None))
        }
        Target::Emulated { library, rule } => {
            let kernel = Emulated::load(Path::new(library))?;
            Ok((Loaded::Emulated(kernel, rule.clone()), None))
        }
        Target::Cuda { code, entry, rule } => {
            let gpu = opened_cuda().map_err(missing)?;
            let place = Place { device: gpu.name().to_owned(), driver: gpu.driver(), software: false };
            let kernel = gpu.load(code, entry)?;
            Ok((Loaded::Cuda(kernel, rule.clone()), Some(place)))
        }
        Target::Wgsl { source, entry, op, rule } => {
            let gpu = opened_vulkan().map_err(missing)?;
            let place = Place { device: gpu.name(), driver: gpu.driver(), software: gpu.is_software() };
            let op = OpCode::from_number(*op).ok_or_else(|| missing("no operation has that number".into()))?;
            let kernel = gpu.load(source, entry, plan::outputs(op))?;
            Ok((Loaded::Wgsl(kernel, rule.clone()), Some(place)))
        }
        Target::Triton { .. } => Err(missing("Triton kernels run in the process of a Python".into())),
    }
}

/// The loader's own words, which its error keeps as a cause.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn missing(what: String) -> Fault {
    Fault::Machine(what)
}

fn opened_cuda() -> Result<&'static cuda::Cuda, String> {
    static GPU: OnceLock<Result<cuda::Cuda, String>> = OnceLock::new();
    GPU.get_or_init(cuda::Cuda::open).as_ref().map_err(Clone::clone)
}

fn opened_vulkan() -> Result<&'static wgsl::Gpu, String> {
    static GPU: OnceLock<Result<wgsl::Gpu, String>> = OnceLock::new();
    GPU.get_or_init(wgsl::Gpu::open).as_ref().map_err(Clone::clone)
}

impl Loaded {
    /// The call's status and, where the device has a clock of its own, its time by that.
    ///
    /// # Safety
    /// The call's pointers hold what the call says.
    pub(super) unsafe fn call(&mut self, call: &Call) -> Result<(i32, Option<u64>), Fault> {
        // SAFETY: the caller's promise.
        let mut seen = unsafe { Invocation::new(call) };
        let outcome = match self {
            Loaded::Function(function) => {
                let before = Rounding::now();
                // SAFETY: as above; what the function does is why this happens in a process of its own.
                let status = unsafe { function(&raw const *call) };
                if Rounding::now() != before {
                    before.restore();
                    let what =
                        "it returned with the processor rounding, or treating denormals, in another way than before";
                    return Err(Fault::Kernel(what.to_owned()));
                }
                return Ok((status, None));
            }
            Loaded::Emulated(kernel, rule) => {
                plan::planned(&mut seen, rule, |buffers, launch| kernel.launch(buffers, launch).map(|()| None))
            }
            Loaded::Cuda(kernel, rule) => {
                plan::planned(&mut seen, rule, |buffers, launch| kernel.launch(buffers, launch).map(Some))
            }
            Loaded::Wgsl(kernel, rule) => {
                plan::planned(&mut seen, rule, |buffers, launch| kernel.launch(buffers, launch).map(|()| None))
            }
        };
        match outcome {
            Ok(ran) => ran.map(|time| (Status::Ok.code(), time)),
            Err(status) => Ok((status.code(), None)),
        }
    }
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;

    extern "C" fn leaves_it(_: *const Call) -> i32 {
        0
    }

    extern "C" fn flushes(_: *const Call) -> i32 {
        Rounding::flush();
        0
    }

    #[test]
    fn a_call_has_to_leave_the_processor_as_it_found_it() {
        // SAFETY: a call without tensors and parameters is all zeros, and its pointers lead to none of them.
        let call: Call = unsafe { std::mem::zeroed() };
        let before = Rounding::now();
        for (function, refused) in [(leaves_it as Function, false), (flushes, true), (leaves_it, false)] {
            // SAFETY: there is nothing that the call points to.
            let called = unsafe { Loaded::Function(function).call(&call) };
            assert_eq!(called.is_err(), refused);
            assert_eq!(Rounding::now(), before, "it is made as it was");
        }
    }
}
