//! The child's side: confine, load, map, call, answer.

use super::memory::receive;
use super::place::{self, Loaded};
use super::wire::{Batch, CallSpec, ParamValue, Region, Reply, Request, Target, TensorSpec};
use super::{Containment, File, contain, page_size, read, write};
use crate::call::Entry;
use crate::call::abi::{ABI, Call, MAX_RANK, Param, Tensor};
use crate::gpu::Fault;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

/// Answers requests until the parent closes the socket, and returns the exit code. `lists` are the kernels that
/// `builtin:` finds.
pub fn serve(lists: &[&[Entry]]) -> i32 {
    match run(lists) {
        Ok(()) => 0,
        Err(_) => 6,
    }
}

fn run(lists: &[&[Entry]]) -> io::Result<()> {
    // Who asked may end while a kernel computes, and nobody else would end that.
    // SAFETY: plain numbers in and out.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    let mut socket = take_stdin()?;
    let [inputs, outputs] = receive(socket.as_fd())?;
    let last_word = map_last_word(&outputs)?;
    let mut child = Child { lists, inputs, outputs, last_word, held: None, libraries: Vec::new(), kernels: Vec::new() };
    loop {
        let request = match read::<Request>(&mut socket) {
            Ok(request) => request,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let reply = match request {
            Request::Load(target) => child.load(&target),
            Request::Run(batch) => child.batch(&batch),
        };
        write(&mut socket, &reply.unwrap_or_else(Reply::Refused))?;
    }
}

/// The socket, which kernels that read from stdin shall not find there.
fn take_stdin() -> io::Result<UnixStream> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let nothing = fs::File::open("/dev/null")?;
    // SAFETY: two descriptors of this process.
    if unsafe { libc::dup2(nothing.as_raw_fd(), 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    socket.peer_addr()?;
    Ok(socket)
}

fn map_last_word(outputs: &fs::File) -> io::Result<*mut u32> {
    // SAFETY: a new mapping, which stays for the life of the process.
    let page = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        libc::mmap(std::ptr::null_mut(), page_size(), access, libc::MAP_SHARED, outputs.as_raw_fd(), 0)
    };
    if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(page.cast()) }
}

struct Child<'l> {
    lists: &'l [&'l [Entry]],
    inputs: fs::File,
    outputs: fs::File,
    last_word: *mut u32,
    /// None before anything was loaded that needs to be held.
    held: Option<Containment>,
    libraries: Vec<libloading::Library>,
    kernels: Vec<Loaded>,
}

impl Child<'_> {
    fn load(&mut self, target: &Target) -> Result<Reply, String> {
        // A GPU's driver opens devices to write and asks for much else. What runs there is the kernel's machine code, on
        // the device; the code of this process is the driver's and ours, so it is not confined for such kernels.
        let on_device = matches!(target, Target::Cuda { .. } | Target::Wgsl { .. });
        if self.held.is_none() && !on_device {
            self.held = Some(contain::confine(self.last_word));
        }
        let (kernel, place) = match place::load(self.lists, &mut self.libraries, target) {
            Ok(loaded) => loaded,
            Err(Fault::Kernel(what)) => return Ok(Reply::Faulted(what)),
            Err(Fault::Machine(why)) => return Err(why),
        };
        self.kernels.push(kernel);
        let held = self.held.unwrap_or_default();
        Ok(Reply::Loaded { kernel: self.kernels.len() as u32 - 1, held, place })
    }

    fn batch(&mut self, batch: &Batch) -> Result<Reply, String> {
        let regions = batch.regions.iter().map(|region| self.map(region)).collect::<Result<Vec<_>, _>>()?;
        let calls = batch.calls.iter().map(|call| Ready::new(call, &regions)).collect::<Result<Vec<_>, _>>()?;
        if calls.iter().any(|ready| ready.kernel >= self.kernels.len()) {
            return Err("no such kernel is loaded".into());
        }
        let mut results = Vec::with_capacity(calls.len());
        for ready in &calls {
            let call = ready.call();
            let before = now();
            // SAFETY: the call's pointers lie in regions that are mapped, as far as its sizes say; the rest is why this
            // happens in a process of its own.
            let called = unsafe { self.kernels[ready.kernel].call(&call) };
            let took = now().saturating_sub(before);
            match called {
                Ok((status, time)) => results.push((status, time.unwrap_or(took))),
                Err(Fault::Kernel(what)) => return Ok(Reply::Faulted(what)),
                Err(Fault::Machine(why)) => return Err(why),
            }
        }
        Ok(Reply::Ran(results))
    }

    fn map(&self, region: &Region) -> Result<Mapped, String> {
        let (file, access) = match region.file {
            File::Inputs => (&self.inputs, libc::PROT_READ),
            File::Outputs => (&self.outputs, libc::PROT_READ | libc::PROT_WRITE),
        };
        let page = page_size();
        let len = usize::try_from(region.bytes).map_err(|e| e.to_string())?;
        let whole = len.checked_add(2 * page).ok_or("a region exceeds the address space")?;
        let why = || format!("a region can't be mapped: {}", io::Error::last_os_error());
        // SAFETY: a new reservation that nobody may touch, and within it a mapping of the file; both belong to the value
        // that is returned.
        unsafe {
            let hidden = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let start = libc::mmap(std::ptr::null_mut(), whole, libc::PROT_NONE, hidden, -1, 0);
            if start == libc::MAP_FAILED {
                return Err(why());
            }
            let mapped = Mapped { start: start.cast(), whole, len };
            if len > 0 {
                let (to, flags) = (mapped.start.add(page), libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_POPULATE);
                let data = libc::mmap(to.cast(), len, access, flags, file.as_raw_fd(), region.offset as libc::off_t);
                if data == libc::MAP_FAILED {
                    return Err(why());
                }
            }
            Ok(mapped)
        }
    }
}

/// A region between its guard pages.
struct Mapped {
    start: *mut u8,
    whole: usize,
    len: usize,
}

impl Mapped {
    fn at(&self, start: u64, bytes: u64) -> Result<*mut u8, String> {
        let end = start.checked_add(bytes).filter(|end| *end <= self.len as u64);
        end.ok_or("a tensor lies outside of its region")?;
        Ok(self.start.wrapping_add(page_size() + start as usize))
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: this value's own reservation; the calls that used it are over.
        unsafe { libc::munmap(self.start.cast(), self.whole) };
    }
}

/// A call with all that it points to.
struct Ready {
    kernel: usize,
    op: u32,
    threads: u32,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    params: Vec<Param>,
    _keys: Vec<CString>,
    workspace: (*mut u8, u64),
}

impl Ready {
    fn new(spec: &CallSpec, regions: &[Mapped]) -> Result<Ready, String> {
        let region = |n: u32| regions.get(n as usize).ok_or("a tensor names no region");
        let tensor = |t: &TensorSpec| -> Result<Tensor, String> {
            if t.shape.len() > MAX_RANK || t.shape.len() != t.strides.len() {
                return Err("a tensor has too many dimensions".into());
            }
            let all = |of: &[i64]| std::array::from_fn(|i| of.get(i).copied().unwrap_or(0));
            Ok(Tensor {
                data: region(t.region)?.at(t.start, t.bytes)?.cast(),
                bytes: t.bytes,
                dtype: t.dtype,
                rank: t.shape.len() as u32,
                shape: all(&t.shape),
                strides: all(&t.strides),
            })
        };
        let keys: Vec<CString> = spec
            .params
            .iter()
            .map(|(key, _)| CString::new(key.as_str()))
            .collect::<Result<_, _>>()
            .map_err(|e| e.to_string())?;
        let param = |(key, (_, value)): (&CString, &(String, ParamValue))| {
            let (kind, i, f) = match value {
                ParamValue::Integer(i) => (0, *i, 0.0),
                ParamValue::Float(f) => (1, 0, *f),
            };
            Param { key: key.as_ptr(), kind, reserved: 0, i, f }
        };
        Ok(Ready {
            kernel: spec.kernel as usize,
            op: spec.op,
            threads: spec.threads,
            inputs: spec.inputs.iter().map(tensor).collect::<Result<_, _>>()?,
            outputs: spec.outputs.iter().map(tensor).collect::<Result<_, _>>()?,
            params: keys.iter().zip(&spec.params).map(param).collect(),
            _keys: keys,
            workspace: match spec.workspace {
                Some((number, start, bytes)) => (region(number)?.at(start, bytes)?, bytes),
                None => (std::ptr::null_mut(), 0),
            },
        })
    }

    fn call(&self) -> Call {
        Call {
            abi: ABI,
            op: self.op,
            inputs_len: self.inputs.len() as u32,
            outputs_len: self.outputs.len() as u32,
            params_len: self.params.len() as u32,
            threads: self.threads,
            inputs: self.inputs.as_ptr(),
            outputs: self.outputs.as_ptr(),
            params: self.params.as_ptr(),
            workspace: self.workspace.0.cast(),
            workspace_bytes: self.workspace.1,
        }
    }
}

/// Nanoseconds of the child's clock, which counts for durations within it and for nothing else.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills in one struct.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}
