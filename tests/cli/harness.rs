//! A world of its own for each test: a home, a work folder, a clock that stands still, chance that repeats.
//!
//! [`TestEnv::run`] calls the program in this process over a fake environment; [`TestEnv::process`] starts the real
//! binary with a cleared environment. Both give a [`Ran`], whose text holds exit code, stdout and stderr together.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bizra::env::{Chance, Clock, Env, Input, Interrupt, Output};
use tempfile::TempDir;

pub struct TestEnv {
    root: TempDir,
    vars: Vec<(String, String)>,
    width: Option<usize>,
    wall: String,
    chance: RepeatingChance,
    stdin: Vec<u8>,
    keyboard: bool,
}

pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit: {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl TestEnv {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("bizra-test-").tempdir().expect("a temporary folder");
        for folder in ["home", "work"] {
            std::fs::create_dir(root.path().join(folder)).expect("a folder in it");
        }
        let home = root.path().join("home").display().to_string();
        let vars = [
            ("HOME", home.as_str()),
            ("USERPROFILE", home.as_str()),
            ("LC_ALL", "C"),
            ("TZ", "UTC"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_AUTHOR_NAME", "A U Thor"),
            ("GIT_AUTHOR_EMAIL", "author@example.com"),
            ("GIT_AUTHOR_DATE", "2026-02-01T09:00:00+03:00"),
            ("GIT_COMMITTER_NAME", "C O Mitter"),
            ("GIT_COMMITTER_EMAIL", "committer@example.com"),
            ("GIT_COMMITTER_DATE", "2026-02-01T09:00:00+03:00"),
        ];
        let vars = vars.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let (wall, chance) = ("2026-02-01T06:00:00Z".to_owned(), RepeatingChance::default());
        TestEnv { root, vars, width: None, wall, chance, stdin: Vec::new(), keyboard: false }
    }

    /// Another machine: other dice than those of [`TestEnv::new`].
    pub fn other(number: u64) -> Self {
        let env = TestEnv::new();
        env.chance.0.store(number << 32, Ordering::Relaxed);
        env
    }

    /// What the clock shows from now on.
    pub fn at(&mut self, wall: &str) {
        wall.parse::<jiff::Timestamp>().expect("a timestamp");
        self.wall = wall.to_owned();
    }

    /// What the next runs in this process read from standard input.
    pub fn stdin(&mut self, bytes: impl Into<Vec<u8>>) {
        self.stdin = bytes.into();
    }

    /// From now on, without making the world anew.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.vars.push((name.to_owned(), value.to_owned()));
    }

    pub fn unset(&mut self, name: &str) {
        self.vars.retain(|(k, _)| k != name);
    }

    /// The reader is a terminal of this many columns.
    pub fn terminal(mut self, width: usize) -> Self {
        self.width = Some(width);
        self
    }

    /// What is read comes from a person.
    pub fn at_a_keyboard(mut self) -> Self {
        self.keyboard = true;
        self
    }

    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.retain(|(k, _)| k != name);
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.vars.retain(|(k, _)| k != name);
        self
    }

    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Writes a file of the work folder.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("its folder");
        std::fs::write(path, text).expect("the file is written");
    }

    /// Puts a file of the repository's `fixtures/` into the work folder.
    pub fn fixture(&self, name: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        self.write(name, std::fs::read(source).expect("the fixture is there"));
    }

    /// Puts all of `fixtures/` into the work folder, under its name.
    pub fn fixture_folder(&self) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        for entry in std::fs::read_dir(source).expect("the fixtures").flatten() {
            let name = format!("fixtures/{}", entry.file_name().to_string_lossy());
            self.write(&name, std::fs::read(entry.path()).expect("a fixture"));
        }
    }

    /// Git in the work folder, with no configuration but the test's.
    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"])
            .args(args)
            .current_dir(self.work())
            .env_clear()
            .env("PATH", path_of_the_machine())
            .envs(self.vars.iter().map(|(k, v)| (k, v)))
            .output()
            .expect("git can be run");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The program in this process.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_in(self.work(), args)
    }

    /// The program in this process, with `input` to read.
    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        self.run_reading(self.work(), args, input)
    }

    /// The program in this process, from another folder.
    pub fn run_in(&self, cwd: PathBuf, args: &[&str]) -> Ran {
        self.run_reading(cwd, args, &self.stdin)
    }

    fn run_reading(&self, cwd: PathBuf, args: &[&str], input: &[u8]) -> Ran {
        let (stdout, stderr) = (Shared::default(), Shared::default());
        let output = |sink: &Shared| Output {
            sink: Box::new(sink.clone()),
            terminal: self.width.is_some(),
            width: self.width,
            height: None,
        };
        let path = [("PATH".to_owned(), path_of_the_machine())];
        let env = Env {
            clock: Box::new(StillClock { wall: self.wall.parse().expect("a timestamp"), looks: AtomicU64::new(0) }),
            chance: Box::new(self.chance.clone()),
            vars: path.into_iter().chain(self.vars.iter().cloned()).collect(),
            cwd,
            program: Some(env!("CARGO_BIN_EXE_bizra").into()),
            stdin: Input { source: Box::new(io::Cursor::new(input.to_vec())), terminal: self.keyboard },
            stdout: output(&stdout),
            stderr: output(&stderr),
            interrupt: Interrupt::default(),
        };
        let argv = std::iter::once("bizra").chain(args.iter().copied()).map(OsString::from);
        let code = bizra::cli::run(env, argv).code();
        self.ran(code.into(), &stdout.text(), &stderr.text())
    }

    /// The real binary, ready to start.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bizra"));
        command
            .args(args)
            .current_dir(self.work())
            .env_clear()
            .envs(of_the_machine())
            .envs(self.vars.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null());
        command
    }

    /// The real binary, to its end.
    pub fn process(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().expect("the binary starts");
        let code = code_of(output.status);
        self.ran(code, &String::from_utf8_lossy(&output.stdout), &String::from_utf8_lossy(&output.stderr))
    }

    /// The real binary, whose reader went away before it started.
    pub fn process_unread(&self, args: &[&str]) -> Ran {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let output = self.command(args).stdout(writer).stderr(Stdio::piped()).output().expect("the binary starts");
        self.ran(code_of(output.status), "", &String::from_utf8_lossy(&output.stderr))
    }

    /// The real binary through a shell: `script` stands after it, for redirections.
    #[cfg(unix)]
    pub fn shell(&self, args: &str, script: &str) -> Ran {
        let line = format!("'{}' {args} {script}", env!("CARGO_BIN_EXE_bizra"));
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(self.work()).env_clear().envs(of_the_machine());
        command.envs(self.vars.iter().map(|(k, v)| (k, v)));
        let output = command.stdin(Stdio::null()).output().expect("a shell");
        let code = code_of(output.status);
        self.ran(code, &String::from_utf8_lossy(&output.stdout), &String::from_utf8_lossy(&output.stderr))
    }

    fn ran(&self, code: i32, stdout: &str, stderr: &str) -> Ran {
        Ran { code, stdout: self.redacted(stdout), stderr: self.redacted(stderr) }
    }

    /// What differs from run to run, replaced by its name.
    fn redacted(&self, text: &str) -> String {
        let canonical = |path: PathBuf| path.canonicalize().unwrap_or(path);
        let replace = |text: String, path: &Path, name: &str| text.replace(&path.display().to_string(), name);
        let text = replace(text.to_owned(), &canonical(self.work()), "$WORK");
        let text = replace(text, &canonical(self.home()), "$HOME");
        text.replace(env!("CARGO_PKG_VERSION"), "$VERSION")
    }
}

/// As a shell counts: 128 and the signal's number where a signal ended it.
fn code_of(status: std::process::ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(-1)
}

fn path_of_the_machine() -> String {
    of_the_machine().find_map(|(name, value)| (name == "PATH").then_some(value)).unwrap_or_default()
}

/// Where programs are, and where one that is measured leaves what it covered: beside the work it would look like a result.
#[expect(clippy::disallowed_methods, reason = "git and sh are looked up where the machine keeps them")]
fn of_the_machine() -> impl Iterator<Item = (&'static str, String)> {
    ["PATH", "LLVM_PROFILE_FILE"].into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?)))
}

#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic while held")).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while held").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Wall time stands still; the monotonic clock moves a millisecond a look.
struct StillClock {
    wall: jiff::Timestamp,
    looks: AtomicU64,
}

impl Clock for StillClock {
    fn wall(&self) -> jiff::Timestamp {
        self.wall
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.looks.fetch_add(1, Ordering::Relaxed))
    }
}

/// Bytes that differ from each other, and that are the same each time the test is run.
#[derive(Clone, Default)]
struct RepeatingChance(Arc<AtomicU64>);

impl Chance for RepeatingChance {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        for byte in bytes {
            let n = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *byte = (n >> 56) as u8;
        }
        Ok(())
    }
}
