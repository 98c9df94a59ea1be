//! Triton kernels where there is no Triton: what stands in for a Python, or for Triton in a real one, and goes wrong.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bizra::env::{Env, Interrupt};
use bizra::kernel::run::{Broken, Runner, Target};
use bizra::sys::kernel_worker::{Conditions, Worker};
use bizra_kernels::gpu::Source;
use bizra_kernels::gpu::plan::Rule;

use crate::harness::{Ran, TestEnv};

const VERIFY: [&str; 7] = ["kernel", "verify", "mine.kernel.yaml", "--backend", "triton", "--quick", "--no-receipt"];

const MANIFEST: &str = "bizra: kernel/v1
id: mine
op: softmax
targets: {triton: {source: mine.py, entry: softmax, launch: {block: 128, tile: [1]}}}
contract: {in: f32, out: f32, accumulate: f32, deterministic: bitwise, special: {masked_row: nan}}
domain: {R: 0..8, N: 1..64, tiles: {N: 16}}
";

fn world(source: &str) -> TestEnv {
    let env = TestEnv::new();
    env.write("mine.kernel.yaml", MANIFEST);
    env.write("mine.py", source);
    env
}

fn verify(env: &TestEnv, more: &[&str]) -> Ran {
    env.run(&[VERIFY.as_slice(), more].concat())
}

/// A program that is started like a Python: what it does as a compiler, with its folder as `$5`, and as a child.
fn stand_in(folder: &Path, compile: &str, run: &str) -> String {
    let path = folder.join("python");
    std::fs::write(&path, format!("#!/bin/sh\ncase \"$4\" in\ncompile) {compile};;\nrun) {run};;\nesac\n"))
        .expect("it");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it may run");
    path.display().to_string()
}

fn made(rest: &str) -> String {
    format!(r#"printf code > "$5/code"; printf '%s' '{{"held":true,{rest}}}' > "$5/made.json""#)
}

#[test]
fn where_there_is_no_triton_a_kernel_is_skipped_and_the_reason_told() {
    let none = r#""triton":null,"made":[],"wrong":null,"#;
    let cases = [
        ("true", "doesn't say what came of the kernel"),
        ("echo 'No module named json' >&2; exit 3", "ended with 3: No module named json"),
        ("kill -SEGV $$", "was ended by a signal"),
        (r#"echo nonsense > "$5/made.json""#, "doesn't say what came of the kernel"),
        (&made(&format!(r#"{none}"missing":["this Python has Triton 2.1.0"]"#)), "this Python has Triton 2.1.0"),
        (
            &made(r#""triton":"3.6.0","made":[["cubin for sm_80","gone"]],"missing":[],"wrong":null"#),
            "tells of cubin for sm_80 and leaves none",
        ),
        (
            &made(r#""triton":"3.6.0","made":[["cubin for sm_80","../python"]],"missing":[],"wrong":null"#),
            "tells of cubin for sm_80 and leaves none",
        ),
    ];
    for (compile, reason) in cases {
        let mut env = world("");
        env.set("BIZRA_PYTHON", &stand_in(&env.work(), compile, "exit 1"));
        let ran = verify(&env, &[]);
        assert_eq!(ran.code, 4, "{compile}: {ran}");
        assert!(ran.stderr.contains(reason) && ran.stdout.starts_with("skipped"), "{compile}: {ran}");
        assert_eq!(verify(&env, &["--require", "triton"]).code, 6, "{compile}");
    }
    let env = world("").var("BIZRA_PYTHON", "/nowhere/python3");
    let ran = verify(&env, &["--json"]);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a document");
    let kernel = &document["result"]["kernels"][0];
    assert_eq!((ran.code, &kernel["level"], &kernel["outcome"]), (4, &"skipped".into(), &"skipped".into()), "{ran}");
    assert!(kernel["on"].as_str().is_some_and(|why| why.contains("there is no Python: `/nowhere/python3`")), "{ran}");
}

#[test]
fn what_compiles_and_does_not_run_is_compiled_and_no_more() {
    let compiled = made(
        r#""triton":"3.6.0","made":[["hsaco for gfx942","code"]],"missing":["cubin for sm_80: no ptxas"],"wrong":null"#,
    );
    let mut env = world("");
    // A child that refuses to load: one byte for that, and its words.
    let refuses = r"head -c 8 >/dev/null; printf '\017\0\0\0\0\0\0\0\002\006\0\0\0\0\0\0\0no one' >&0; sleep 1";
    env.set("BIZRA_PYTHON", &stand_in(&env.work(), &compiled, refuses));
    let ran = verify(&env, &[]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(
        ran.stderr.contains("compiled and no more: not compiled: cubin for sm_80: no ptxas; not run: no one"),
        "{ran}"
    );
    assert!(ran.stdout.contains("hsaco for gfx942, Triton 3.6.0: 5694d08a2e53ffca…"), "{ran}");
    let junit = verify(&env, &["--format", "junit"]);
    assert!(junit.stdout.contains("skipped message=\"compiled and no more: "), "{junit}");
    assert_eq!(verify(&env, &["--require", "triton"]).code, 6);

    let wrong = made(r#""triton":"3.6.0","made":[],"missing":[],"wrong":"mine.py:7: no such name""#);
    env.set("BIZRA_PYTHON", &stand_in(&env.work(), &wrong, "exit 1"));
    let ran = verify(&env, &[]);
    assert!(ran.code == 3 && ran.stderr.contains("can't be made into a kernel: mine.py:7: no such name"), "{ran}");
}

#[test]
fn a_child_that_ends_hangs_or_talks_nonsense_is_told() {
    let (env, real) = (TestEnv::new(), Env::real());
    let load = |run: &str, seconds: u64| {
        let conditions = Conditions {
            program: env!("CARGO_BIN_EXE_bizra").into(),
            library_path: None,
            drivers: vec![("PATH".into(), "/usr/bin:/bin".into())],
            limit: Duration::from_secs(seconds),
            until: None,
            interrupt: Interrupt::default(),
        };
        let target = Target::Triton {
            python: stand_in(&env.work(), "exit 1", run),
            source: Source::new("mine.py", ""),
            entry: "softmax".into(),
            signature: vec!["*fp32".into()],
            rule: Rule { block: 32, tile: vec![1] },
        };
        Worker::new(conditions, &*real.clock).load(&target).expect_err("it can't be loaded")
    };
    assert_eq!(load("sleep 100", 1), Broken::TimedOut(1));
    let told = load("exit 7", 60);
    assert!(matches!(&told, Broken::Crashed(how) if how.contains("code 7")), "{told:?}");
    let told = load("kill -SEGV $$", 60);
    assert!(matches!(&told, Broken::Crashed(how) if how.contains("signal 11")), "{told:?}");
    let told = load("kill -SYS $$", 60);
    assert!(matches!(told, Broken::Forbidden(_)), "{told:?}");
    assert!(matches!(load("printf 'nonsense, and more of it' >&0", 60), Broken::Crashed(_)));
    assert!(matches!(load("head -c 3000000 /dev/zero; sleep 100", 60), Broken::TooMuchOutput(_)));
    let target = Target::Triton {
        python: "/nowhere/python3".into(),
        source: Source::new("mine.py", ""),
        entry: "softmax".into(),
        signature: Vec::new(),
        rule: Rule { block: 32, tile: vec![1] },
    };
    let conditions = Conditions {
        program: env!("CARGO_BIN_EXE_bizra").into(),
        library_path: None,
        drivers: Vec::new(),
        limit: Duration::from_secs(1),
        until: None,
        interrupt: Interrupt::default(),
    };
    assert!(matches!(Worker::new(conditions, &*real.clock).load(&target), Err(Broken::Machine(_))));
}

/// What stands in for Triton and NumPy in a real Python: kernels are called as they are written.
const STAND_INS: [(&str, &str); 8] = [
    ("numpy/__init__.py", "__version__ = '0'\ndef seterr(**_): pass\n"),
    (
        "triton/__init__.py",
        "__version__ = 'VERSION'
class jit:
    def __init__(self, fn):
        self.fn, self.arg_names = fn, list(fn.__code__.co_varnames[: fn.__code__.co_argcount])
    def __getitem__(self, grid):
        return lambda *arguments: [self.fn(*arguments) for _ in range(1)]
def compile(source, target, options):
    class Compiled:
        asm = {'cubin': b'for ' + str(target).encode(), 'hsaco': 'as text'}
    return Compiled
",
    ),
    ("triton/language.py", ""),
    ("triton/runtime/__init__.py", ""),
    ("triton/runtime/interpreter.py", ""),
    ("triton/backends/__init__.py", ""),
    ("triton/backends/compiler.py", "def GPUTarget(*what): return what\n"),
    ("triton/compiler/__init__.py", "def ASTSource(*what): return what\n"),
];

const SOFTMAX: &str = "import ctypes
import math
import triton


@triton.jit
def softmax(x, y, rows, cols, x_stride, y_stride, eps):
    read = (ctypes.c_float * (rows * x_stride)).from_address(x.data_ptr())
    for row in range(rows):
        values = read[row * x_stride : row * x_stride + cols]
        known = [value for value in values if value == value]
        most = max(known) if known else math.nan
        parts = [math.exp(value - most) if value - most < 1 else math.nan for value in values]
        total = math.fsum(parts) if all(part == part for part in parts) else math.nan
        written = (ctypes.c_float * cols).from_address(y.data_ptr() + 4 * row * y_stride)
        for col in range(cols):
            written[col] = parts[col] / total
";

/// A real Python, or the reason why the test was skipped.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn python() -> Option<String> {
    let found = Command::new("python3").args(["-c", "import sys; print(sys.executable, end='')"]).output();
    match found {
        Ok(ran) if ran.status.success() => String::from_utf8(ran.stdout).ok(),
        _ => {
            println!("skipped: there is no python3");
            None
        }
    }
}

fn with_triton(python: &str, version: &str, source: &str) -> TestEnv {
    let mut env = world(source);
    for (path, text) in STAND_INS {
        env.write(&format!("stand-ins/{path}"), text.replace("VERSION", version));
    }
    env.set("BIZRA_PYTHON", python);
    env.set("PYTHONPATH", &env.work().join("stand-ins").display().to_string());
    env
}

#[test]
fn the_helper_runs_what_it_is_given_and_the_gates_judge_it() {
    let Some(python) = python() else { return };
    let ran = verify(&with_triton(&python, "3.6.0", SOFTMAX), &[]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stdout.starts_with("verified  mine@triton ran-emulated: "), "{ran}");
    assert!(ran.stdout.contains("on Triton 3.6.0's interpreter, NumPy 0, Python 3."), "{ran}");
    for made in ["cubin for sm_80, Triton 3.6.0: ", "cubin for sm_100", "hsaco for gfx90a", "hsaco for gfx1100"] {
        assert!(ran.stdout.contains(made), "{made}: {ran}");
    }
    let line = "            written[col] = parts[col] / total\n";
    let after = |more: &str| SOFTMAX.replace(line, &format!("{line}{more}"));
    for (source, code, told) in [
        (SOFTMAX.replace("/ total", "/ total * 0.999"), 1, "further from the truth"),
        (SOFTMAX.replace("range(cols):", "range(cols - 1):"), 1, "poison"),
        (
            SOFTMAX.replace("* cols).from", "* (cols + 1)).from") + "        written[cols] = 0\n",
            1,
            "memory that is not its own",
        ),
        (after("            read[0] = 0\n"), 1, "memory that is not its own"),
        (after("            open('/tmp/never', 'w')\n"), 1, "system call that kernels may not make"),
        (after("            import os; os.system('true')\n"), 1, "system call that kernels may not make"),
        (after("            print('x' * 3000000)\n"), 1, "printed more than"),
        (after("            import os; os._exit(0)\n"), 1, "it exited with code 0"),
        (after("            raise ValueError('no such row')\n"), 1, "mine.py:18: no such row"),
        (SOFTMAX.replace("def softmax", "def other"), 3, "mine.py has no function `softmax` under @triton.jit"),
        (SOFTMAX.replace("import math", "import mathematics"), 3, "mine.py:2: No module named 'mathematics'"),
        (SOFTMAX.replace("for row in", "for row on"), 3, "mine.py:9: "),
        (SOFTMAX.replace(", eps)", ")"), 3, "takes 6 arguments, and the operation has 7"),
    ] {
        let ran = verify(&with_triton(&python, "3.6.0", &source), &[]);
        assert!(ran.code == code && ran.stderr.contains(told), "{told}: {ran}");
    }
}

#[test]
fn a_triton_of_another_time_is_told() {
    let Some(python) = python() else { return };
    for version in ["2.3.1", "4.0", "unknown"] {
        let ran = verify(&with_triton(&python, version, SOFTMAX), &[]);
        let told = format!("this Python has Triton {version}, and what is here was written for 3.2 to 3.x");
        assert!(ran.code == 4 && ran.stderr.contains(&told), "{ran}");
    }
}
