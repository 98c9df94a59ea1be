//! What a run takes from outside and could differ the next time: clock, chance, variables, folder, streams, signals.
//!
//! Everything else in the program receives these from an [`Env`], so that tests hand in their own and the same inputs
//! give the same bytes. This is the only file that reads the real ones.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::Exit;

pub trait Clock: Send + Sync {
    /// The time of day: data for people, never a measure.
    fn wall(&self) -> jiff::Timestamp;
    /// Time since an arbitrary start, which never goes back: the only source of durations.
    fn monotonic(&self) -> Duration;
}

/// Unpredictable bytes: for keys, nonces and salts.
pub trait Chance: Send + Sync {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;
}

/// The environment variables of the run.
#[derive(Clone, Debug, Default)]
pub struct Vars(BTreeMap<OsString, OsString>);

impl Vars {
    pub fn get_os(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|v| !v.is_empty())
    }

    /// The value as it was set, an empty one too: for what must not be passed over when a script left it empty.
    pub fn as_set(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The value, where it is set, not empty and valid UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_os(name).and_then(OsStr::to_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(k, v)| (k.as_os_str(), v.as_os_str()))
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Vars {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Vars(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// A stream to write to, and what is known of its reader.
pub struct Output {
    pub sink: Box<dyn Write + Send>,
    pub terminal: bool,
    /// Columns, where the reader is a terminal.
    pub width: Option<usize>,
    /// Rows, where the reader is a terminal.
    pub height: Option<usize>,
}

impl Output {
    pub fn plain(sink: impl Write + Send + 'static) -> Self {
        Output { sink: Box::new(sink), terminal: false, width: None, height: None }
    }
}

pub struct Input {
    pub source: Box<dyn Read + Send>,
    pub terminal: bool,
}

/// Whether the user asked the run to stop.
///
/// Without a [`Deferred`] guard the process ends at once. Work that has something to save takes a guard, asks
/// [`Interrupt::requested`] now and then, and ends in good order; a second request ends it all the same.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<InterruptState>);

#[derive(Default)]
struct InterruptState {
    requested: AtomicBool,
    guards: AtomicUsize,
}

pub struct Deferred(Interrupt);

impl Interrupt {
    pub fn requested(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    pub fn defer(&self) -> Deferred {
        self.0.guards.fetch_add(1, Ordering::SeqCst);
        Deferred(self.clone())
    }

    /// Takes note of a request; true when nothing holds the process back from ending now.
    pub fn request(&self) -> bool {
        let repeated = self.0.requested.swap(true, Ordering::SeqCst);
        repeated || self.0.guards.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        self.0.0.guards.fetch_sub(1, Ordering::SeqCst);
    }
}

pub struct Env {
    pub clock: Box<dyn Clock>,
    pub chance: Box<dyn Chance>,
    pub vars: Vars,
    pub cwd: PathBuf,
    /// This program's file, to run it once more; none where the system doesn't tell.
    pub program: Option<PathBuf>,
    pub stdin: Input,
    pub stdout: Output,
    pub stderr: Output,
    pub interrupt: Interrupt,
}

impl Env {
    /// The machine's own time zone, and whether it names one: `TZ`, else the system's setting, else UTC.
    pub fn machine_zone(&self) -> (jiff::tz::TimeZone, bool) {
        if let Some(name) = self.vars.get("TZ") {
            let name = name.strip_prefix(':').unwrap_or(name);
            if let Ok(zone) = jiff::tz::TimeZone::get(name).or_else(|_| jiff::tz::TimeZone::posix(name)) {
                return (zone, true);
            }
        }
        match jiff::tz::TimeZone::try_system() {
            Ok(zone) => (zone, true),
            Err(_) => (jiff::tz::TimeZone::UTC, false),
        }
    }

    /// The environment of this process. Call once.
    #[expect(clippy::disallowed_methods, reason = "the one home of the process environment")]
    pub fn real() -> Self {
        let vars: Vars = std::env::vars_os().collect();
        let columns = vars.get("COLUMNS").and_then(|c| c.parse().ok());
        let rows = vars.get("LINES").and_then(|l| l.parse().ok());
        let stdout = Output {
            terminal: io::stdout().is_terminal(),
            width: columns.or_else(|| terminal_size(io::stdout()).map(|(width, _)| width)),
            height: rows.or_else(|| terminal_size(io::stdout()).map(|(_, height)| height)),
            sink: if bizra_kernels::os::stdout_was_closed() { Box::new(Closed) } else { Box::new(io::stdout()) },
        };
        let stderr = Output {
            terminal: io::stderr().is_terminal(),
            width: columns.or_else(|| terminal_size(io::stderr()).map(|(width, _)| width)),
            height: rows.or_else(|| terminal_size(io::stderr()).map(|(_, height)| height)),
            sink: Box::new(io::stderr()),
        };
        let stdin = Input { terminal: io::stdin().is_terminal(), source: Box::new(io::stdin()) };
        let interrupt = Interrupt::default();
        let on_signal = interrupt.clone();
        // Without the handler the default action still ends the process, so a refusal here changes nothing.
        let _ = ctrlc::set_handler(move || {
            if on_signal.request() {
                std::process::exit(Exit::Interrupted.code().into());
            }
        });
        Env {
            clock: Box::new(SystemClock(std::time::Instant::now())),
            chance: Box::new(SystemChance),
            cwd: std::env::current_dir().unwrap_or_default(),
            program: std::env::current_exe().ok(),
            vars,
            stdin,
            stdout,
            stderr,
            interrupt,
        }
    }
}

/// Columns and rows.
fn terminal_size(stream: impl StreamHandle) -> Option<(usize, usize)> {
    terminal_size::terminal_size_of(stream).map(|(width, height)| (usize::from(width.0), usize::from(height.0)))
}

#[cfg(unix)]
trait StreamHandle: std::os::fd::AsFd {}
#[cfg(unix)]
impl<T: std::os::fd::AsFd> StreamHandle for T {}
#[cfg(windows)]
trait StreamHandle: std::os::windows::io::AsHandle {}
#[cfg(windows)]
impl<T: std::os::windows::io::AsHandle> StreamHandle for T {}

struct SystemClock(std::time::Instant);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the wall clock")]
    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::other)
    }
}

/// A stdout that was closed before we started; the runtime puts a sink that swallows everything in its place, and an
/// answer that nobody can read must not look delivered.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_waits_for_guards_once() {
        let interrupt = Interrupt::default();
        let guard = interrupt.defer();
        assert!(!interrupt.request(), "the guard holds the first request back");
        assert!(interrupt.requested());
        assert!(interrupt.request(), "a second one is not held back");
        drop(guard);
        assert!(Interrupt::default().request(), "without a guard the process ends at once");
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let vars: Vars = [("A", ""), ("B", "x")].into_iter().collect();
        assert_eq!((vars.get("A"), vars.get("B"), vars.get("C")), (None, Some("x"), None));
    }
}
