//! The process that runs kernels: what it is given, what it may not do, and how its end is told.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bizra::env::{Clock, Interrupt};
use bizra::kernel::op::Op;
use bizra::kernel::run::{Blank, Broken, Edge, Invoke, ParamValue, Runner, Target, Tensor};
use bizra::sys::kernel_worker::{Conditions, Worker};
use bizra_kernels::call::DType;

struct Still;

impl Clock for Still {
    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn worker(seconds: u64) -> Worker<'static> {
    let limit = Duration::from_secs(seconds);
    worker_until(limit, &Interrupt::default())
}

fn worker_until(limit: Duration, interrupt: &Interrupt) -> Worker<'static> {
    let conditions = Conditions {
        program: env!("CARGO_BIN_EXE_bizra").into(),
        library_path: None,
        drivers: Vec::new(),
        limit,
        until: None,
        interrupt: interrupt.clone(),
    };
    Worker::new(conditions, &Still)
}

fn softmax_call(kernel: u32, x: &[f32], edge: Edge) -> Invoke {
    let shape = vec![1, x.len() as i64];
    let strides = vec![x.len() as i64, 1];
    let bytes: Vec<u8> = x.iter().flat_map(|v| v.to_le_bytes()).collect();
    let blank = Blank { dtype: DType::F32, shape: shape.clone(), strides: strides.clone(), bytes: bytes.len() };
    Invoke {
        kernel,
        op: Op::Softmax,
        inputs: vec![Arc::new(Tensor { dtype: DType::F32, shape, strides, bytes })],
        outputs: vec![blank],
        params: vec![("unused".into(), ParamValue::Integer(1))],
        threads: 1,
        workspace: 0,
        poison: vec![0xff, 0xee],
        edge,
        align: 4,
        shift: 0,
        cold: false,
    }
}

#[test]
fn a_builtin_kernel_runs_against_both_guard_pages_and_amid_pages() {
    let mut worker = worker(60);
    let kernel = worker.load(&Target::Builtin("softmax".into())).expect("it is there");
    let calls =
        [Edge::Start, Edge::End, Edge::Neither].map(|edge| softmax_call(kernel, &[0.0, 0.0, 0.0, 0.0, 0.0], edge));
    let batch = worker.run(&calls).expect("it runs");
    for done in batch.done {
        assert_eq!((done.status, &done.damage), (0, &None));
        let values: Vec<f32> = done.outputs[0].as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        assert_eq!(values, [0.2; 5]);
    }
    let missing = worker.load(&Target::Builtin("soft max".into()));
    assert_eq!(missing, Err(Broken::Load("no kernel is named `soft max`".into())));
    assert!(worker.run(&[softmax_call(kernel, &[1.0], Edge::End)]).is_ok(), "a refusal ends nothing");
}

/// A shared library, where this machine has a C compiler.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn library(folder: &Path, name: &str, code: &str) -> Option<PathBuf> {
    let (source, library) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    let head = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n#include \"bizra_kernel.h\"\n";
    std::fs::write(&source, format!("{head}{code}")).expect("a file");
    let include = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/kernels");
    let made =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-w", include, "-o"]).args([&library, &source]).status();
    match made {
        Ok(status) => {
            assert!(status.success(), "{name} doesn't compile");
            Some(library)
        }
        Err(error) => {
            eprintln!("skipped: there is no C compiler here ({error})");
            None
        }
    }
}

fn run_c(name: &str, body: &str, seconds: u64) -> Option<Result<(i32, Option<String>), Broken>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = library(
        folder.path(),
        name,
        &format!(
            "int32_t f(const bizra_call *c) {{ float *x = c->inputs[0].data, *y = c->outputs[0].data; long n = c->inputs[0].shape[1]; {body} }}"
        ),
    )?;
    let mut worker = worker(seconds);
    let target = Target::Library { path: path.to_str().expect("UTF-8").into(), symbol: "f".into() };
    Some(worker.load(&target).and_then(|kernel| {
        let batch = worker.run(&[softmax_call(kernel, &[1.0, 2.0, 3.0], Edge::End)])?;
        Ok((batch.done[0].status, batch.done[0].damage.clone()))
    }))
}

#[test]
fn kernels_in_c_are_contained_and_their_ends_are_told() {
    let Some(fine) = run_c("fine", "for (long i = 0; i < n; i++) y[i] = x[i]; return 0;", 60) else { return };
    assert_eq!(fine, Ok((0, None)));
    let told = |name: &str, body: &str, seconds: u64| match run_c(name, body, seconds) {
        Some(Err(broken)) => broken.to_string(),
        other => panic!("{name}: {other:?}"),
    };
    assert!(told("null", "*(volatile int *)8 = 1; return 0;", 60).contains("signal 11"));
    assert!(told("past", "return (int)((volatile float *)x)[n] & 4;", 60).contains("signal 11"), "reads past the end");
    assert!(told("input", "((volatile float *)x)[0] = 1; return 0;", 60).contains("signal 11"), "inputs are read-only");
    assert!(told("exit", "_exit(0);", 60).contains("exited with code 0"));
    assert!(told("hang", "for (;;) sleep(1);", 1).contains("within 1 s"));
    assert!(told("forks", "return fork() == 0;", 60).contains("start a process"));
    let program = told("program", "return system(\"true\");", 60);
    assert!(program.contains("start a p"), "{program}");
    assert!(told("writes", "return fopen(\"/tmp/bizra-kernel-was-here\", \"w\") == 0;", 60).contains("write a file"));
    assert!(!Path::new("/tmp/bizra-kernel-was-here").exists());
    let words = "for (int i = 0; i < 1 << 20; i++) puts(\"word\"); fflush(stdout); return 0;";
    assert!(told("prints", words, 60).contains("printed more than"));
    let eats = "for (;;) { char *p = malloc(64 << 20); if (!p) abort(); memset(p, 1, 64 << 20); }";
    assert!(told("eats", eats, 60).contains("signal 6"), "memory is refused before the machine has none");
    let before = run_c("before", "y[-1] = 1; for (long i = 0; i < n; i++) y[i] = x[i]; return 0;", 60);
    assert_eq!(before, Some(Ok((0, Some("a byte 4 before output 0 was written".into())))));
    let folder = tempfile::tempdir().expect("a folder");
    let path = library(folder.path(), "nothing", "int other;").expect("the compiler was there");
    let symbol = Target::Library { path: path.to_str().expect("UTF-8").into(), symbol: "f".into() };
    assert_eq!(worker(60).load(&symbol), Err(Broken::Load("the library exports no `f`".into())));
}

/// Calls in C, and whether they are answered, with 0 where all is well; the others end the kernel.
const SYSTEM_CALLS: [(&str, bool); 42] = [
    ("syscall(SYS_execve, \"/bin/true\", 0, 0)", false),
    ("syscall(SYS_execveat, -100, \"/bin/true\", 0, 0, 0)", false),
    ("syscall(SYS_clone, 17, 0, 0, 0, 0)", false),
    ("socket(AF_INET, SOCK_STREAM, 0)", false),
    ("socket(AF_UNIX, SOCK_DGRAM, 0)", false),
    ("kill(getppid(), 0)", false),
    ("syscall(SYS_rt_sigqueueinfo, getppid(), 0, 0)", false),
    ("syscall(SYS_pidfd_open, getppid(), 0)", false),
    ("syscall(SYS_ptrace, 0, 0, 0, 0)", false),
    ("setsid()", false),
    ("setpgid(0, 0)", false),
    ("open(\"/dev/null\", O_WRONLY)", false),
    ("open(\"/dev/null\", O_RDONLY | O_TRUNC)", false),
    ("syscall(SYS_openat, -100, \"/dev/null\", O_RDWR)", false),
    ("unlink(\"/nothing\")", false),
    ("rename(\"/nothing\", \"/none\")", false),
    ("mkdir(\"/nothing/none\", 0)", false),
    ("ftruncate(0, 0)", false),
    ("fchmod(0, 0)", false),
    ("fchown(0, 0, 0)", false),
    ("utimensat(-100, \"/nothing\", 0, 0)", false),
    ("syscall(SYS_fsetxattr, 0, 0, 0, 0, 0)", false),
    ("syscall(SYS_shmget, 0, 4096, 0)", false),
    ("syscall(SYS_mq_open, \"/nothing\", 0, 0, 0)", false),
    ("syscall(SYS_bpf, 0, 0, 0)", false),
    ("ioctl(0, 0x40086602, 0)", false), // FS_IOC_SETFLAGS
    ("ioctl(0, TIOCSTI, \"x\")", false),
    ("ioctl(0, FIOCLEX)", true),
    ("isatty(0)", true),
    ("open(\"/dev/null\", O_RDONLY) < 0", true),
    ("syscall(SYS_clone3, 0, 0) != -1 || errno != ENOSYS", true),
    ("syscall(SYS_setrlimit, RLIMIT_CPU, &limit) != -1 || errno != EPERM", true),
    ("syscall(SYS_pidfd_send_signal, 0, 0, 0, 0)", false),
    ("syscall(SYS_unshare, 0)", false),
    ("setpriority(PRIO_PROCESS, getppid(), 15) != -1 || errno != EPERM", true),
    ("syscall(SYS_sched_setaffinity, getppid(), 0, 0) != -1 || errno != EPERM", true),
    ("syscall(SYS_sched_setscheduler, getppid(), 0, 0) != -1 || errno != EPERM", true),
    ("syscall(SYS_ioprio_set, 1, getppid(), 0) != -1 || errno != EPERM", true),
    ("syscall(SYS_tkill, getppid(), 0) != -1 || errno != EPERM", true),
    ("syscall(SYS_tgkill, getppid(), getppid(), 0) != -1 || errno != EPERM", true),
    ("syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0)", true),
    ("setrlimit(RLIMIT_CPU, &limit) != -1 || errno != EPERM", true),
];

#[test]
fn system_calls_that_change_the_world_end_a_kernel() {
    let case = |(number, (call, is_answered)): (usize, &(&str, bool))| match is_answered {
        true => format!("case {number}: return {call};\n"),
        false => format!("case {number}: {call}; break;\n"),
    };
    let cases: String = SYSTEM_CALLS.iter().enumerate().map(case).collect();
    let code = format!(
        "#include <errno.h>\n#include <fcntl.h>\n#include <signal.h>\n#include <sys/ioctl.h>\n#include <sys/resource.h>\n\
         #include <sys/socket.h>\n#include <sys/stat.h>\n#include <sys/syscall.h>\n\
         int32_t f(const bizra_call *c) {{ struct rlimit limit = {{1, 1}}; const float *x = c->inputs[0].data;\n\
         switch ((int)x[0]) {{\n{cases}}}\nreturn 0; }}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let Some(path) = library(folder.path(), "calls", &code) else { return };
    let target = Target::Library { path: path.to_str().expect("UTF-8").into(), symbol: "f".into() };
    for (number, (call, is_answered)) in SYSTEM_CALLS.iter().enumerate() {
        let mut worker = worker(60);
        let kernel = worker.load(&target).expect("it loads");
        let x = [number as f32];
        match worker.run(&[softmax_call(kernel, &x, Edge::End)]) {
            Ok(batch) => assert!(*is_answered && batch.done[0].status == 0, "{call}: {:?}", batch.done[0].status),
            Err(broken) => {
                let told = broken.to_string();
                assert!(!is_answered && told.contains("system call"), "{call}: {told}");
            }
        }
    }
}

/// What the self-test has for this: kernels of the program itself.
fn misbehaving(worker: &mut Worker<'_>, name: &str) -> Result<u32, Broken> {
    worker.load(&Target::Builtin(name.into()))
}

#[test]
fn a_kernel_that_never_returns_keeps_nobody_who_wants_to_leave() {
    let interrupt = Interrupt::default();
    let mut worker = worker_until(Duration::from_secs(600), &interrupt);
    let kernel = misbehaving(&mut worker, "conduct-hang").expect("it is there");
    let user = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        interrupt.request();
    });
    assert_eq!(worker.run(&[softmax_call(kernel, &[1.0], Edge::End)]), Err(Broken::Interrupted));
    user.join().expect("it ends");
    assert_eq!(misbehaving(&mut worker, "softmax"), Err(Broken::Interrupted), "nothing is begun afterwards");
}

#[test]
fn threads_that_go_on_after_the_answer_are_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, rests) in [("softmax", true), ("busy", false)] {
        let target = match name {
            "busy" => {
                let code = "#include <pthread.h>
                    static void *burn(void *x) { for (volatile long i = 0;; i++); return x; }
                    int32_t f(const bizra_call *c) { pthread_t t; return pthread_create(&t, 0, burn, 0); }";
                let Some(path) = library(folder.path(), name, code) else { return };
                Target::Library { path: path.to_str().expect("UTF-8").into(), symbol: "f".into() }
            }
            name => Target::Builtin(name.into()),
        };
        let mut worker = worker(60);
        let kernel = worker.load(&target).expect("it is there");
        worker.run(&[softmax_call(kernel, &[1.0, 2.0], Edge::End)]).expect("it returns");
        match worker.rests() {
            Ok(()) => assert!(rests, "{name}"),
            Err(Broken::Forbidden(why)) => assert!(!rests && why.contains("worked on for 1 s"), "{name}: {why}"),
            Err(other) => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn buffers_that_were_put_out_of_the_caches_hold_what_they_held() {
    let mut worker = worker(60);
    let kernel = worker.load(&Target::Builtin("softmax".into())).expect("it is there");
    let warm = softmax_call(kernel, &[0.5, 1.5, -2.0], Edge::Start);
    let cold = Invoke { cold: true, ..warm.clone() };
    let [warm, cold] = [warm, cold].map(|call| worker.run(&[call]).expect("it runs").done.remove(0).outputs);
    assert_eq!(warm, cold);
}
