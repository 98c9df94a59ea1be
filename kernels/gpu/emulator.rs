//! CUDA C++ on a CPU: what is given to a C++ compiler, and how its result is called.
//!
//! The headers in `emulator/` stand in for CUDA. With fibers the kernel becomes a shared library, in which the order of a
//! block's threads changes from launch to launch: a kernel that lacks a barrier gives other bits. With threads it becomes a
//! program, under the thread sanitizer, that takes one launch from a file ([`Case`]) and reports races with their lines.
//!
//! Left out: finding and running the compiler, which is the caller's.

use std::ffi::c_void;
use std::path::Path;

use libloading::Library;

use super::Source;
use super::launch::{Buffer, Fault, Launch};
use super::source::INTERFACE;

/// What a library exports and a program is made of.
const EXPORT: &str = include_str!("emulator/export.h");
const HEADERS: [(&str, &str); 5] = [
    ("cuda_on_cpu.h", include_str!("emulator/cuda_on_cpu.h")),
    ("fibers.h", include_str!("emulator/fibers.h")),
    ("threads.h", include_str!("emulator/threads.h")),
    ("export.h", EXPORT),
    INTERFACE,
];

/// The file that the compiler is given, among [`files`].
pub const UNIT: &str = "unit.cpp";

/// Options for either kind. Contraction stays off, so that only what the source says is fused.
pub const OPTIONS: [&str; 6] = ["-std=c++17", "-O2", "-g", "-march=native", "-ffp-contract=off", "-pthread"];
/// For a library, with fibers.
pub const LIBRARY: [&str; 2] = ["-shared", "-fPIC"];
/// For a program, with threads and the sanitizer.
pub const SANITIZED: [&str; 2] = ["-fsanitize=thread", "-DBIZRA_THREADS"];
/// What the sanitizer makes its exit code when it has found a race.
pub const RACE: i32 = 66;

/// The files that a folder has to hold for the compiler: names and texts. None where the entry is no name of a function.
pub fn files(source: &Source, entry: &str) -> Option<Vec<(String, String)>> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if entry.is_empty() || entry.starts_with(|c: char| c.is_ascii_digit()) || !entry.chars().all(fine) {
        return None;
    }
    let quoted = source.name.replace('\\', "\\\\").replace('"', "\\\"");
    let unit = format!(
        "#include \"cuda_on_cpu.h\"\n#line 1 \"{quoted}\"\n{}\n#line 1 \"export.h\"\n#define BIZRA_ENTRY {entry}\n#include \"export.h\"\n",
        source.text
    );
    let headers = HEADERS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Some(headers.chain(source.headers.clone()).chain([(UNIT.to_owned(), unit)]).collect())
}

type Run = unsafe extern "C" fn(*const *mut c_void, *const usize, usize, *const u32, u32) -> i32;

/// A kernel in a library that the compiler has made.
#[derive(Debug)]
pub struct Emulated {
    run: Run,
    _library: Library,
}

impl Emulated {
    /// Runs the library's constructors, in this process: whoever doesn't trust the kernel does it in another.
    pub fn load(path: &Path) -> Result<Emulated, Fault> {
        // SAFETY: the library is what the compiler made of the headers here and a kernel, which has none of its own, or
        // this process is one that may be lost.
        let library = unsafe { Library::new(path) }
            .map_err(|e| Fault::Machine(format!("the emulated kernel can't be loaded: {e}")))?;
        // SAFETY: export.h defines the function with this signature.
        let run = *unsafe { library.get::<Run>(b"bizra_emulated_launch\0") }
            .map_err(|_| Fault::Machine("the library holds no emulated kernel".into()))?;
        Ok(Emulated { run, _library: library })
    }

    /// Runs all blocks. The buffers are the kernel's to reach beyond: there are margins where there are guard pages.
    pub fn launch(&mut self, buffers: &mut [Buffer<'_>], launch: &Launch) -> Result<(), Fault> {
        let mut pointers: Vec<*mut c_void> = buffers
            .iter_mut()
            .map(|buffer| match buffer {
                Buffer::Input(bytes) => bytes.as_ptr().cast_mut().cast(),
                Buffer::Output(bytes) => bytes.as_mut_ptr().cast(),
            })
            .collect();
        let mut sizes = launch.sizes.clone();
        let mut arguments: Vec<*mut c_void> = pointers.iter_mut().map(|p| (&raw mut *p).cast()).collect();
        arguments.push(sizes.as_mut_ptr().cast());
        let bytes: Vec<usize> = pointers.iter().map(|_| size_of::<usize>()).chain([sizes.len() * 4]).collect();
        if launch.is_empty() {
            return Ok(());
        }
        // SAFETY: as many arguments and sizes as are told, all alive during the call, which waits for the kernel and refuses
        // where the kernel takes others. What the kernel does is its own.
        let outcome =
            unsafe { (self.run)(arguments.as_ptr(), bytes.as_ptr(), bytes.len(), launch.grid.as_ptr(), launch.block) };
        outcome_of(outcome)
    }
}

fn outcome_of(code: i32) -> Result<(), Fault> {
    match code {
        0 => Ok(()),
        1 => Err(Fault::Kernel("the kernel takes other parameters than the operation's: see bizra_gpu.h".into())),
        2 => Err(Fault::Kernel("threads of one block wait for different barriers".into())),
        other => Err(Fault::Machine(format!("the emulator answered {other}"))),
    }
}

/// A launch as a sanitized program reads it from its first argument, a file: little-endian words, then each buffer with its
/// length. All buffers come back in the file that the second names.
pub struct Case<'c> {
    pub buffers: &'c [Buffer<'c>],
    pub launch: &'c Launch,
}

impl Case<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let Launch { grid, block, sizes } = self.launch;
        let counts = [*block, self.buffers.len() as u32, sizes.len() as u32];
        let words = grid.iter().chain(&counts).chain(sizes);
        let mut bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
        for buffer in self.buffers {
            bytes.extend((buffer.bytes().len() as u64).to_le_bytes());
            bytes.extend(buffer.bytes());
        }
        bytes
    }
}

/// A race that the sanitizer has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Race {
    /// What was done, such as `Write of size 4`, and where, for both sides where both are known.
    pub sides: Vec<String>,
}

/// The races in what a sanitized program printed. Only lines that the kernel's files have are named.
pub fn races(said: &str, source: &Source) -> Vec<Race> {
    let files: Vec<&str> =
        [source.name.as_str()].into_iter().chain(source.headers.iter().map(|(name, _)| name.as_str())).collect();
    let mut races = Vec::new();
    for report in said.split("WARNING: ThreadSanitizer: data race").skip(1) {
        let report = report.split("==================").next().unwrap_or(report);
        let mut sides: Vec<String> = Vec::new();
        let mut what = None;
        for line in report.lines().map(str::trim) {
            if let Some((access, _)) = line.split_once(" at 0x") {
                what = Some(access.trim_start_matches("Previous ").to_lowercase());
            } else if line.starts_with('#')
                && let Some(access) = &what
                && let Some(place) = line.split_whitespace().find_map(|word| place(word, &files))
            {
                sides.push(format!("{access} at {place}"));
                what = None;
            }
        }
        races.push(Race { sides });
    }
    races
}

/// `file:line` of a word such as `/tmp/x/reduce.cuh:21`, where the file is one of the kernel's.
fn place(word: &str, files: &[&str]) -> Option<String> {
    files.iter().find_map(|file| {
        let at = word.find(&format!("{file}:"))?;
        let line: String = word[at + file.len() + 1..].chars().take_while(char::is_ascii_digit).collect();
        let alone = at == 0 || word[..at].ends_with('/');
        (alone && !line.is_empty()).then(|| format!("{file}:{line}"))
    })
}

#[cfg(test)]
mod tests;
