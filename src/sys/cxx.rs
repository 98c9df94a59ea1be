//! The system's C++ compiler, which makes kernels that run on a CPU what was written for a GPU.

use std::path::PathBuf;
use std::time::Duration;

use bizra_kernels::gpu::emulator::{self, LIBRARY, OPTIONS, RACE, Race, SANITIZED, UNIT};
use bizra_kernels::gpu::{Buffer, Launch, Source};

use super::process::{Around, Conditions, Finished, Said, finish};
use crate::env::Vars;

/// For one source, which takes a second or two.
const COMPILE: Duration = Duration::from_secs(120);
/// For one launch under the sanitizer.
const WATCHED: Duration = Duration::from_secs(120);

/// A compiler that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    argv: Vec<String>,
    version: String,
}

/// Why nothing was made, or nothing found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The source doesn't compile, or the kernel does what none may; the compiler's words, or ours.
    Kernel(String),
    Machine(String),
}

/// What the compiler made. Its folder goes with it.
#[derive(Debug)]
pub struct Made {
    folder: tempfile::TempDir,
    source: Source,
}

const FILE: &str = "made";

impl Compiler {
    /// `CXX` where it is set, else the first of c++, g++ and clang++ that answers. The error is the reason why there is none.
    pub fn find(around: &Around<'_>) -> Result<Compiler, String> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let candidates = match around.vars.get("CXX") {
            Some(named) => vec![words(named)],
            None => ["c++", "g++", "clang++"].map(words).to_vec(),
        };
        let mut why = String::new();
        for argv in candidates {
            let asked: Vec<&str> = argv.iter().map(String::as_str).chain(["--version"]).collect();
            match ask(&asked, around, Duration::from_secs(20)) {
                Ok((Some(0), said)) => {
                    let version = text(&said.stdout).lines().next().unwrap_or_default().trim().to_owned();
                    return Ok(Compiler { argv, version });
                }
                Ok((_, said)) => why = format!("`{}` fails: {}", argv.join(" "), text(&said.stderr).trim()),
                Err(_) if !why.is_empty() => {}
                Err(error) => why = format!("there is no C++ compiler: `{}`: {error}", argv.join(" ")),
            }
        }
        Err(why)
    }

    /// As it calls itself, such as `g++ (Debian 12.2.0-14) 12.2.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A shared library, for [`emulator::Emulated`].
    pub fn library(&self, source: &Source, entry: &str, around: &Around<'_>) -> Result<Made, Failed> {
        self.make(source, entry, &LIBRARY, around)
    }

    /// A program under the thread sanitizer, for [`Made::races`].
    pub fn sanitized(&self, source: &Source, entry: &str, around: &Around<'_>) -> Result<Made, Failed> {
        self.make(source, entry, &SANITIZED, around)
    }

    fn make(&self, source: &Source, entry: &str, kind: &[&str], around: &Around<'_>) -> Result<Made, Failed> {
        let files = emulator::files(source, entry)
            .ok_or_else(|| Failed::Kernel(format!("{}: `{entry}` is no name of a function", source.name)))?;
        let machine = |error: std::io::Error| Failed::Machine(format!("no folder for the compiler: {error}"));
        let folder = tempfile::Builder::new().prefix("bizra-").tempdir_in(temporary(around.vars)).map_err(machine)?;
        for (name, text) in files {
            let plain = std::path::Path::new(&name).file_name().is_some_and(|n| *n == *name.as_str());
            if !plain {
                return Err(Failed::Kernel(format!("{}: `{name}` is no name of a file beside it", source.name)));
            }
            std::fs::write(folder.path().join(name), text).map_err(machine)?;
        }
        let fixed = OPTIONS.iter().chain(kind).copied().chain(["-w", UNIT, "-o", FILE]);
        let argv: Vec<&str> = self.argv.iter().map(String::as_str).chain(fixed).collect();
        let inside = Around { folder: folder.path(), ..*around };
        match ask(&argv, &inside, COMPILE).map_err(Failed::Machine)? {
            (Some(0), _) => Ok(Made { source: source.clone(), folder }),
            (_, said) => {
                let place = format!("{}/", folder.path().display());
                Err(Failed::Kernel(text(&said.stderr).replace(&place, "").trim_end().to_owned()))
            }
        }
    }
}

impl Made {
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// The races of one launch. An error is a launch that tells nothing.
    pub fn races(&self, buffers: &[Buffer<'_>], launch: &Launch, around: &Around<'_>) -> Result<Vec<Race>, Failed> {
        let case = emulator::Case { buffers, launch }.bytes();
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        let (program, input, output) = (place(FILE), place("in"), place("out"));
        std::fs::write(&input, case).map_err(|e| Failed::Machine(format!("{input}: {e}")))?;
        let option = format!("exitcode={RACE}");
        let vars: Vars = around
            .vars
            .iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .chain([("TSAN_OPTIONS".into(), option.into())])
            .collect();
        let inside = Around { folder: self.folder.path(), vars: &vars, ..*around };
        let mut argv = vec![program.as_str(), &input, &output];
        let mut ended = ask(&argv, &inside, WATCHED);
        // The sanitizer wants addresses that a strict randomisation doesn't give; without one it starts.
        if ended.as_ref().is_ok_and(|(_, said)| text(&said.stderr).contains(NOT_STARTED)) {
            argv.splice(0..0, ["setarch", "-R"]);
            ended = ask(&argv, &inside, WATCHED);
        }
        // Threads that wait for each other are found under fibers; here time tells nothing about a kernel.
        let (code, said) =
            ended.map_err(|why| Failed::Machine(format!("under the thread sanitizer it came to no end: {why}")))?;
        let words = text(&said.stderr);
        if words.contains(NOT_STARTED) {
            let line = words.lines().find(|l| l.contains(NOT_STARTED)).unwrap_or_default();
            return Err(Failed::Machine(format!("the thread sanitizer doesn't start here: {}", line.trim())));
        }
        let races = emulator::races(&words, &self.source);
        match code {
            Some(0) if races.is_empty() => Ok(races),
            Some(RACE) if !races.is_empty() => Ok(races),
            Some(1) => Err(Failed::Kernel("the kernel takes other parameters than the operation's".into())),
            Some(code) => Err(Failed::Machine(format!("the sanitized program ended with {code}: {}", last(&words)))),
            None => Err(Failed::Kernel(format!("the sanitized program was ended by a signal: {}", last(&words)))),
        }
    }
}

/// What the sanitizer says when it can't.
const NOT_STARTED: &str = "FATAL: ThreadSanitizer";

fn ask(argv: &[&str], around: &Around<'_>, limit: Duration) -> Result<(Option<i32>, Said), String> {
    let Around { folder, vars, clock, interrupt } = *around;
    match finish(argv, &Conditions { folder, vars, clock, limit, stop: &|| interrupt.requested() }) {
        Finished::CannotStart(why) => Err(why),
        Finished::Ended { code, said } => Ok((code, said)),
        Finished::TimedOut(_) => Err(format!("it took more than {} seconds", limit.as_secs())),
        Finished::Stopped => Err("interrupted".into()),
    }
}

pub(super) fn temporary(vars: &Vars) -> PathBuf {
    vars.get_os("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn last(words: &str) -> &str {
    words.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::env::{Env, Interrupt};
    use std::path::Path;

    const SHARED: &str = "extern \"C\" __global__ void turn(const float *x, float *y, unsigned n) {
    __shared__ float all[64];
    all[threadIdx.x] = x[threadIdx.x];
    BARRIER
    y[threadIdx.x] = all[n - 1 - threadIdx.x];
}
";

    fn with<T>(work: impl FnOnce(&Around<'_>) -> T) -> T {
        let (env, interrupt) = (Env::real(), Interrupt::default());
        work(&Around { folder: Path::new("/"), vars: &env.vars, clock: &*env.clock, interrupt: &interrupt })
    }

    /// Where there is none, the test says that it was skipped.
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    fn compiler(around: &Around<'_>) -> Option<Compiler> {
        match Compiler::find(around) {
            Ok(found) => Some(found),
            Err(why) => {
                println!("skipped: {why}");
                None
            }
        }
    }

    #[test]
    fn a_named_compiler_that_is_not_there_is_told() {
        with(|around| {
            let vars: Vars = [("CXX", "no-such-compiler -x"), ("PATH", "/usr/bin:/bin")].into_iter().collect();
            let error = Compiler::find(&Around { vars: &vars, ..*around }).unwrap_err();
            assert!(error.starts_with("there is no C++ compiler: `no-such-compiler -x`: "), "{error}");
        });
    }

    #[test]
    fn a_source_that_does_not_compile_gives_the_compilers_words_with_lines() {
        with(|around| {
            let Some(compiler) = compiler(around) else { return };
            let source =
                Source::new("mine/turn.cu", "extern \"C\" __global__ void turn(float *y) {\n  y[0] = nothing;\n}\n");
            let Err(Failed::Kernel(log)) = compiler.library(&source, "turn", around) else { panic!("it compiled") };
            assert!(log.contains("mine/turn.cu:2:") && log.contains("nothing"), "{log}");
            assert!(
                matches!(compiler.library(&source, "turn()", around), Err(Failed::Kernel(why)) if why.contains("no name"))
            );
            let outside = Source::new("turn.cu", "").with("../turn.h", "");
            assert!(
                matches!(compiler.library(&outside, "turn", around), Err(Failed::Kernel(why)) if why.contains("../turn.h"))
            );
        });
    }

    #[test]
    fn a_dropped_barrier_is_found_by_the_sanitizer() {
        with(|around| {
            let Some(compiler) = compiler(around) else { return };
            let x: Vec<u8> = (0..64u16).flat_map(|i| f32::from(i).to_le_bytes()).collect();
            let launch = Launch { grid: [1, 1, 1], block: 64, sizes: vec![64] };
            let found = |barrier: &str| {
                let source = Source::new("turn.cu", SHARED.replace("BARRIER", barrier));
                let made = compiler.sanitized(&source, "turn", around).unwrap();
                let mut y = vec![0; x.len()];
                made.races(&[Buffer::Input(&x), Buffer::Output(&mut y)], &launch, around)
            };
            match found("__syncthreads();") {
                Ok(races) => assert_eq!(races, []),
                Err(Failed::Machine(why)) => return println!("skipped: {why}"),
                Err(Failed::Kernel(why)) => panic!("{why}"),
            }
            let races = found("").unwrap();
            let mut sides = races[0].sides.clone();
            sides.sort();
            assert_eq!(sides, ["read of size 4 at turn.cu:5", "write of size 4 at turn.cu:3"]);
        });
    }
}
