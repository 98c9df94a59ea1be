//! The process that runs kernels, from the parent's side: started, fed, watched, ended.
//!
//! Everything that the kernel is not to know stays here or above: the parent writes poison and margins, compares them
//! afterwards from its own copies, and ends the process with all that it started when its time is over or its output too
//! long. See `bizra_kernels::child` for what the process itself gives up.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bizra_kernels::child::{
    ARGUMENT, Batch as Wired, CallSpec, FORBIDDEN, File, Files, Region, Reply, Request, TensorSpec, page_size, read,
    write,
};
use bizra_kernels::gpu::plan::{Form, Rule};
use bizra_kernels::gpu::triton::RUN;
use bizra_kernels::os;

use super::python;
use crate::env::{Clock, Interrupt};
use crate::kernel::gpu::launch_of;
use crate::kernel::run::{Batch, Blank, Broken, Containment, Done, Edge, Invoke, Place, Runner, Target, Tensor};

/// What a kernel may print before it is ended.
const MOST_OUTPUT: u64 = 1 << 20;
/// What is kept of it, to be shown when it crashes.
const KEPT_OUTPUT: usize = 2048;

/// How kernels are run.
#[derive(Clone)]
pub struct Conditions {
    /// This program.
    pub program: PathBuf,
    /// The folder that libraries are found from, as programs are started with it.
    pub library_path: Option<std::ffi::OsString>,
    /// Variables that say which GPU or driver to take, such as `CUDA_VISIBLE_DEVICES` and `VK_DRIVER_FILES`.
    pub drivers: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    /// For one batch.
    pub limit: Duration,
    /// For all of them, by the clock: when it is over, no batch goes on.
    pub until: Option<Duration>,
    /// The user's wish that it all ends, which is heard while a kernel computes too.
    pub interrupt: Interrupt,
}

/// SIGSYS: how the system ends a process at a call that its filter forbids, where the process doesn't hear of it.
const FILTERED: i32 = 31;
/// How often that is asked.
const HEARD: Duration = Duration::from_millis(50);
/// What is looked at to see whether a process rests (it takes less than a tenth of that, however busy the machine is),
/// and how often: for a second, since the threads of some OpenMP libraries spin for a fifth of one after their work.
const GLANCE: Duration = Duration::from_millis(20);
const GLANCES: u32 = 50;

pub struct Worker<'c> {
    conditions: Conditions,
    clock: &'c dyn Clock,
    running: Option<Running>,
    held: Containment,
    place: Option<Place>,
    kind: Kind,
    /// How kernels are launched whose process can't plan that, by their numbers.
    rules: HashMap<u32, Rule>,
}

/// What kernels run in. Those of different kinds don't share a process.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// This program, held.
    Held,
    /// This program with a device's driver, which can't be held.
    Device,
    /// A Python, held likewise.
    Python(String),
}

impl Kind {
    fn of(target: &Target) -> Kind {
        match target {
            Target::Builtin(_) | Target::Library { .. } | Target::Emulated { .. } => Kind::Held,
            Target::Cuda { .. } | Target::Wgsl { .. } => Kind::Device,
            Target::Triton { python, .. } => Kind::Python(python.clone()),
        }
    }
}

struct Running {
    child: Child,
    socket: UnixStream,
    files: Files,
    said: Said,
}

/// What the process printed.
#[derive(Clone, Default)]
struct Said {
    bytes: Arc<AtomicU64>,
    last: Arc<std::sync::Mutex<Vec<u8>>>,
}

impl<'c> Worker<'c> {
    pub fn new(conditions: Conditions, clock: &'c dyn Clock) -> Self {
        let held = Containment::default();
        Worker { conditions, clock, running: None, held, place: None, kind: Kind::Held, rules: HashMap::new() }
    }

    fn start(&mut self) -> Result<&mut Running, Broken> {
        let failed = |e: &std::io::Error| Broken::Machine(format!("the process for kernels can't be started: {e}"));
        if self.running.is_none() {
            let running = self.spawn().map_err(|e| failed(&e))?;
            match running.files.send(&running.socket) {
                Ok(()) => self.running = Some(running),
                // It ended before it had been told anything.
                Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    return Err(running.why_ended(false, self.conditions.limit, &e));
                }
                Err(e) => return Err(failed(&e)),
            }
        }
        self.running.as_mut().ok_or_else(|| Broken::Machine("no process for kernels".into()))
    }

    fn spawn(&self) -> std::io::Result<Running> {
        let files = Files::new()?;
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(HEARD))?;
        socket.set_write_timeout(Some(self.conditions.limit))?;
        let mut command = match &self.kind {
            Kind::Python(python) => {
                let mut command = Command::new(python);
                command.args(python::arguments(RUN));
                command
            }
            Kind::Held | Kind::Device => {
                let mut command = Command::new(&self.conditions.program);
                command.arg(ARGUMENT);
                command
            }
        };
        command.env_clear().stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
        if let Some(path) = &self.conditions.library_path {
            command.env("LD_LIBRARY_PATH", path);
        }
        // A driver in software keeps compiled kernels in files, and one looks for windows; neither is wanted.
        command.env("MESA_SHADER_CACHE_DISABLE", "true").env("NODEVICE_SELECT", "1");
        command.envs(self.conditions.drivers.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
        let mut child = os::own_group(&mut command).spawn()?;
        // What the command holds of the child's end has to close, or its death is never noticed.
        drop(command);
        let said = Said::default();
        let group = child.id();
        for stream in [child.stdout.take().map(Stream::Out), child.stderr.take().map(Stream::Err)].into_iter().flatten()
        {
            let said = said.clone();
            std::thread::spawn(move || said.listen(stream, group));
        }
        Ok(Running { child, socket, files, said })
    }

    /// Asks and waits; when no answer comes, says why and forgets the process.
    fn ask(&mut self, request: &Request) -> Result<Reply, Broken> {
        let limit = self.conditions.limit;
        let left = self.conditions.until.map_or(limit, |until| limit.min(until.saturating_sub(self.clock.monotonic())));
        let interrupt = self.conditions.interrupt.clone();
        let running = self.start()?;
        let answer = write(&mut running.socket, request)
            .and_then(|()| read::<Reply>(&mut Patient { socket: &running.socket, left, interrupt: &interrupt }));
        match answer {
            Ok(reply) => Ok(reply),
            Err(error) => {
                // Without an answer the process is of no more use; it ends as it is dropped.
                let Some(running) = self.running.take() else {
                    return Err(Broken::Machine("no process for kernels".into()));
                };
                if interrupt.requested() {
                    return Err(Broken::Interrupted);
                }
                let late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                Err(running.why_ended(late, limit, &error))
            }
        }
    }
}

/// The child's answer, waited for in slices, so that the end of time and the user are heard in between.
struct Patient<'p> {
    socket: &'p UnixStream,
    left: Duration,
    interrupt: &'p Interrupt,
}

impl Read for Patient<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if self.interrupt.requested() {
                // Not the kind of that name, after which readers try again.
                return Err(ErrorKind::ConnectionAborted.into());
            }
            match self.socket.read(to) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.left.is_zero() {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    self.left = self.left.saturating_sub(HEARD);
                }
                other => return other,
            }
        }
    }
}

enum Stream {
    Out(std::process::ChildStdout),
    Err(std::process::ChildStderr),
}

impl Said {
    fn listen(&self, mut stream: Stream, group: u32) {
        let mut piece = [0; 8192];
        loop {
            let read = match &mut stream {
                Stream::Out(s) => s.read(&mut piece),
                Stream::Err(s) => s.read(&mut piece),
            };
            let Ok(n @ 1..) = read else { return };
            let before = self.bytes.fetch_add(n as u64, Ordering::SeqCst);
            if let Ok(mut last) = self.last.lock() {
                last.extend_from_slice(&piece[..n]);
                let beyond = last.len().saturating_sub(KEPT_OUTPUT);
                last.drain(..beyond);
            }
            if before <= MOST_OUTPUT && before + n as u64 > MOST_OUTPUT {
                os::end_group_of(group);
            }
        }
    }
}

impl Running {
    fn why_ended(mut self, late: bool, limit: Duration, error: &std::io::Error) -> Broken {
        if late {
            self.end();
            return Broken::TimedOut(limit.as_secs());
        }
        // The socket closes a moment before the process is gone, whose last words may still be on their way.
        let status = self.child.wait();
        os::end_group(&mut self.child);
        if self.said.bytes.load(Ordering::SeqCst) > MOST_OUTPUT {
            return Broken::TooMuchOutput(MOST_OUTPUT);
        }
        let words = self.said.last.lock().map(|l| String::from_utf8_lossy(&l).trim().to_owned()).unwrap_or_default();
        let words = words.lines().next_back().map(|l| format!("; its last words: {l}")).unwrap_or_default();
        match status {
            Ok(status) if status.code() == Some(FORBIDDEN) => {
                let call = self.files.forbidden_call();
                Broken::Forbidden(call.map_or("it did what kernels may not".into(), |call| {
                    format!("it made a system call that kernels may not make ({})", os::system_call_name(call))
                }))
            }
            Ok(status) if status.signal() == Some(FILTERED) => Broken::Forbidden(os::signal_name(FILTERED)),
            Ok(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => Broken::Crashed(format!("{}{words}", os::signal_name(signal))),
                (None, Some(code)) => Broken::Crashed(format!("it exited with code {code}{words}")),
                (None, None) => Broken::Crashed(error.to_string()),
            },
            Err(error) => Broken::Machine(error.to_string()),
        }
    }

    fn end(&mut self) {
        os::end_group(&mut self.child);
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A buffer's place in its file.
#[derive(Clone, Copy)]
struct Placed {
    region: u32,
    file: File,
    /// Of the region in the file.
    offset: usize,
    /// Of the buffer in the region.
    start: usize,
    bytes: usize,
    /// Of the region.
    whole: usize,
}

/// Lays out a batch.
struct Plan {
    regions: Vec<Region>,
    ends: [usize; 2],
}

impl Plan {
    fn new() -> Plan {
        // The first page of the outputs is for the child's last word.
        Plan { regions: Vec::new(), ends: [0, page_size()] }
    }

    fn place(&mut self, file: File, bytes: usize, call: &Invoke, align: usize) -> Placed {
        let page = page_size();
        let aligned = |place: usize| place / align.max(1) * align.max(1);
        // An empty buffer has a page too, so that its pointer is one.
        let (start, whole) = match call.edge {
            Edge::Start => (call.shift, (call.shift + bytes).next_multiple_of(page).max(page)),
            Edge::End => {
                let whole = bytes.next_multiple_of(page).max(page);
                (aligned(whole - bytes), whole)
            }
            Edge::Neither => {
                let start = aligned(page + page / 3);
                (start, (start + bytes + page).next_multiple_of(page))
            }
        };
        let end = &mut self.ends[usize::from(file == File::Outputs)];
        let offset = *end;
        *end += whole;
        self.regions.push(Region { file, offset: offset as u64, bytes: whole as u64 });
        Placed { region: self.regions.len() as u32 - 1, file, offset, start, bytes, whole }
    }
}

/// What fills the margins of inputs.
const MARGIN: u8 = 0xa5;

fn spec(placed: Placed, dtype: u32, shape: &[i64], strides: &[i64]) -> TensorSpec {
    let (start, bytes) = (placed.start as u64, placed.bytes as u64);
    TensorSpec { region: placed.region, start, bytes, dtype, shape: shape.to_vec(), strides: strides.to_vec() }
}

impl Runner for Worker<'_> {
    /// The first kernel of another kind ends the process.
    fn load(&mut self, target: &Target) -> Result<u32, Broken> {
        let kind = Kind::of(target);
        if kind != self.kind {
            self.running = None;
        }
        self.kind = kind;
        if self.running.is_none() {
            self.rules.clear();
        }
        match self.ask(&Request::Load(target.clone()))? {
            Reply::Loaded { kernel, held, place } => {
                self.held = held;
                self.place = place;
                if let Target::Triton { rule, .. } = target {
                    self.rules.insert(kernel, rule.clone());
                }
                Ok(kernel)
            }
            Reply::Refused(why) => Err(Broken::Load(why)),
            Reply::Faulted(what) => Err(Broken::Faulted(what)),
            Reply::Ran(_) => Err(Broken::Crashed("it answered another question".into())),
        }
    }

    fn run(&mut self, calls: &[Invoke]) -> Result<Batch, Broken> {
        let mut plan = Plan::new();
        let mut inputs: HashMap<(*const Tensor, Edge), Placed> = HashMap::new();
        let mut placed = Vec::new();
        let mut wired = Wired::default();
        for call in calls {
            let mut spec_of = Vec::new();
            for tensor in &call.inputs {
                let key = (Arc::as_ptr(tensor), call.edge);
                let at = *inputs
                    .entry(key)
                    .or_insert_with(|| plan.place(File::Inputs, tensor.bytes.len(), call, call.align));
                spec_of.push(spec(at, tensor.dtype as u32, &tensor.shape, &tensor.strides));
            }
            let outputs: Vec<Placed> =
                call.outputs.iter().map(|o| plan.place(File::Outputs, o.bytes, call, call.align)).collect();
            let scratch =
                (call.workspace > 0).then(|| plan.place(File::Outputs, call.workspace, call, call.align.max(64)));
            let blank = |(at, blank): (&Placed, &Blank)| spec(*at, blank.dtype as u32, &blank.shape, &blank.strides);
            wired.calls.push(CallSpec {
                kernel: call.kernel,
                op: call.op as u32,
                threads: call.threads,
                inputs: spec_of,
                outputs: outputs.iter().zip(&call.outputs).map(blank).collect(),
                params: call.params.clone(),
                workspace: scratch.map(|p| (p.region, p.start as u64, p.bytes as u64)),
                launch: self.rules.get(&call.kernel).zip(call.outputs.first()).and_then(|(rule, written)| {
                    let inputs: Vec<&Tensor> = call.inputs.iter().map(|tensor| &**tensor).collect();
                    let Blank { dtype, shape, strides, .. } = written;
                    launch_of(call.op, &inputs, Form { dtype: Some(*dtype), shape, strides }, &call.params, rule)
                }),
            });
            placed.push((outputs, scratch));
        }
        wired.regions.clone_from(&plan.regions);
        let running = self.start()?;
        let machine = |e: std::io::Error| Broken::Machine(format!("no memory for the kernel's buffers: {e}"));
        running.files.grow(plan.ends[0], plan.ends[1]).map_err(machine)?;
        let mut written: Vec<(Placed, &Tensor)> = Vec::new();
        for call in calls {
            for tensor in &call.inputs {
                let key = (Arc::as_ptr(tensor), call.edge);
                if let Some(at) = inputs.remove(&key) {
                    let mut whole = vec![MARGIN; at.whole];
                    whole[at.start..at.start + at.bytes].copy_from_slice(&tensor.bytes);
                    running.files.write(File::Inputs, at.offset, &whole);
                    written.push((at, tensor));
                }
            }
        }
        for (call, (outputs, scratch)) in calls.iter().zip(&placed) {
            for at in outputs.iter().chain(scratch) {
                running.files.fill(at.offset, at.whole, &call.poison);
            }
        }
        // Last of all: what the parent has just written is in the caches that processors share.
        if calls.iter().any(|call| call.cold) {
            running.files.flush();
        }
        let leader = running.child.id();
        let (began, before) = (self.clock.monotonic(), os::processor_time(leader));
        let reply = self.ask(&Request::Run(wired))?;
        let took = self.clock.monotonic().saturating_sub(began);
        let busy = before.zip(os::processor_time(leader)).map(|(before, now)| now.saturating_sub(before));
        let results = match reply {
            Reply::Ran(results) if results.len() == calls.len() => results,
            Reply::Refused(why) => return Err(Broken::Machine(why)),
            Reply::Faulted(what) => return Err(Broken::Faulted(what)),
            _ => return Err(Broken::Crashed("it answered another question".into())),
        };
        let files = &self.start()?.files;
        // A copy first: whatever still runs over there can't change what is judged.
        let mut done = Vec::with_capacity(calls.len());
        for ((call, (outputs, scratch)), (status, nanoseconds)) in calls.iter().zip(&placed).zip(results) {
            let (mut all, mut damage) = (Vec::new(), None);
            for (number, at) in outputs.iter().chain(scratch).enumerate() {
                let whole = files.read(at.file, at.offset, at.whole);
                let margin = (0..at.whole).filter(|i| !(at.start..at.start + at.bytes).contains(i));
                let changed = margin.into_iter().find(|i| whole[*i] != call.poison[*i % call.poison.len()]);
                if let (Some(i), None) = (changed, &damage) {
                    let what = if number < outputs.len() { format!("output {number}") } else { "the workspace".into() };
                    let (by, side) =
                        if i < at.start { (at.start - i, "before") } else { (i - at.start - at.bytes + 1, "after") };
                    damage = Some(format!("a byte {by} {side} {what} was written"));
                }
                if number < outputs.len() {
                    all.push(whole[at.start..at.start + at.bytes].to_vec());
                }
            }
            done.push(Done { status, nanoseconds, outputs: all, damage });
        }
        for (at, tensor) in written {
            let now = files.read(File::Inputs, at.offset + at.start, at.bytes);
            if now != tensor.bytes
                && let Some(first) = done.first_mut()
            {
                first.damage.get_or_insert("an input was changed".into());
            }
        }
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        Ok(Batch { done, nanoseconds, busy: busy.unwrap_or_default() })
    }

    fn rests(&mut self) -> Result<(), Broken> {
        let Some(leader) = self.running.as_ref().map(|running| running.child.id()) else { return Ok(()) };
        let worked = || os::processor_time(leader);
        for _ in 0..GLANCES {
            let before = worked();
            std::thread::sleep(GLANCE);
            let worked = before.zip(worked()).is_some_and(|(before, now)| now.saturating_sub(before) > GLANCE / 10);
            let at_work = worked || wants_to_work(leader);
            if self.conditions.interrupt.requested() {
                return Err(Broken::Interrupted);
            }
            if !at_work {
                return Ok(());
            }
        }
        self.running = None;
        let seconds = (GLANCE * GLANCES).as_secs();
        Err(Broken::Forbidden(format!("its threads worked on for {seconds} s after it had returned")))
    }

    fn is_stopped(&self) -> bool {
        self.conditions.interrupt.requested()
    }

    fn containment(&self) -> Containment {
        self.held
    }

    fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

/// Whether a thread of a process has work to do, though a busy machine may not let it. Where nobody can tell, its
/// processor time has to do.
fn wants_to_work(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return false };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which may hold anything.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
    })
}
