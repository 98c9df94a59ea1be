//! Repositories of code from a seed: commits that change a function or two, in five languages, written by `git
//! fast-import` once, packed, and kept.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::tools::{self, Outcome};

/// Another version makes other repositories.
const VERSION: u32 = 2;
const SEED: u64 = 0x005e_ed0f_c0de;
/// The last commit's second, 2026-01-30T18:00:00Z.
const LAST: u64 = 1_769_796_000;
/// Twenty commits a day, so 80,000 in eleven years.
const STEP: u64 = 4320;
const FUNCTIONS: u64 = 24;
const PARTS: u64 = 12;

#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) commits: u64,
    pub(super) files: u64,
}

/// A work tree at the last commit, which also holds a plan.
pub(super) fn made(shape: Shape) -> Outcome<PathBuf> {
    let folder = tools::root().join(format!("target/bench/entropy/v{VERSION}-{}-{}", shape.commits, shape.files));
    let done = folder.join(".git/made");
    if done.exists() {
        return Ok(folder);
    }
    eprintln!("making a repository of {} commits over {} files …", shape.commits, shape.files);
    let cannot = |cause: std::io::Error| format!("cannot write {}: {cause}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(cannot)?;
    }
    fs::create_dir_all(&folder).map_err(cannot)?;
    tools::succeed(&mut git(&folder, &["init", "--quiet", "--initial-branch=main"]))?;
    let mut import = git(&folder, &["fast-import", "--quiet"]);
    let mut child = import.stdin(Stdio::piped()).spawn().map_err(|cause| format!("cannot start git: {cause}"))?;
    let mut stream = BufWriter::new(child.stdin.take().ok_or("git takes no input")?);
    History::new(shape).write(&mut stream).map_err(cannot)?;
    drop(stream);
    let status = child.wait().map_err(|cause| format!("git fast-import: {cause}"))?;
    if !status.success() {
        return Err(format!("git fast-import ended with {status}"));
    }
    tools::succeed(&mut git(&folder, &["repack", "-a", "-d", "-q"]))?;
    tools::succeed(&mut git(&folder, &["reset", "--quiet", "--hard"]))?;
    fs::write(done, []).map_err(cannot)?;
    Ok(folder)
}

pub(super) fn git(folder: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = tools::command("git");
    command.current_dir(folder).args(arguments);
    command
}

/// Coverage of every other file, as a run of tests would report it.
pub(super) fn coverage(folder: &Path, shape: Shape) -> Outcome<String> {
    let mut report = String::new();
    for file in (0..shape.files).step_by(2) {
        let path = path(file);
        let text = tools::read_file(&folder.join(&path))?;
        let _ = writeln!(report, "SF:{path}");
        for line in 1..=text.iter().filter(|byte| **byte == b'\n').count() {
            let _ = writeln!(report, "DA:{line},1");
        }
        report += "end_of_record\n";
    }
    Ok(report)
}

/// What the plan claims: packages with hours, and a criterion for each.
fn plan() -> String {
    let (mut criteria, mut packages) = (String::new(), String::new());
    for n in 0..25 {
        let path = path(n);
        let _ = writeln!(
            criteria,
            "      - {{id: C-{n:02}, covers: [W-{n:02}], evidence: {{file: {{path: {path}, min_bytes: 4}}}}}}"
        );
        let _ = writeln!(packages, "      - {{id: W-{n:02}, name: Package {n}, hours: {}}}", 1 + n % 9);
    }
    format!(
        "bizra: roadmap/v1\nid: bench\ntitle: Bench\ntimezone: UTC\nphases:\n  - id: all\n    gate:\n      criteria:\n\
         {criteria}    packages:\n{packages}"
    )
}

fn path(file: u64) -> String {
    let ending = ["rs", "py", "c", "ts", "go"][(file % 5) as usize];
    // Files of one ending share a folder, as they do in most projects, and one in ten of these are tests.
    let folder = if file % 10 == 9 { "tests" } else { "src" };
    format!("{folder}/part{}/f{file}.{ending}", file % PARTS)
}

struct History {
    shape: Shape,
    state: u64,
    /// How often each function of each file was changed.
    versions: Vec<[u32; FUNCTIONS as usize]>,
}

impl History {
    fn new(shape: Shape) -> History {
        History { shape, state: SEED, versions: vec![[0; FUNCTIONS as usize]; shape.files as usize] }
    }

    /// Numbers that are the same each time (xorshift).
    fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % limit
    }

    fn write(mut self, out: &mut impl Write) -> std::io::Result<()> {
        for number in 0..self.shape.commits {
            let time = LAST - (self.shape.commits - 1 - number) * STEP;
            let who = format!("Dev {0} <dev{0}@example.org> {time} +0000", self.below(25));
            let message = format!("change {number}\n");
            write!(out, "commit refs/heads/main\nauthor {who}\ncommitter {who}\n")?;
            write!(out, "data {}\n{message}", message.len())?;
            if number == 0 {
                inline(out, "roadmap/bench.yaml", &plan())?;
                for file in 0..self.shape.files {
                    inline(out, &path(file), &self.text(file))?;
                }
                continue;
            }
            for _ in 0..=self.below(2) {
                let (file, function) = (self.below(self.shape.files), self.below(FUNCTIONS));
                self.versions[file as usize][function as usize] += 1;
                inline(out, &path(file), &self.text(file))?;
            }
        }
        out.flush()
    }

    fn text(&self, file: u64) -> String {
        let mut text = if file % 5 == 4 { format!("package part{}\n", file % PARTS) } else { String::new() };
        for (at, version) in self.versions[file as usize].iter().enumerate() {
            let mut state = (file << 40) ^ ((at as u64) << 32) ^ u64::from(*version) ^ SEED;
            let mut next = |limit: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % limit
            };
            function(&mut text, file % 5, &format!("work_{at}"), &mut next);
        }
        text
    }
}

/// One function of about eighty tokens, some of them known to nobody else.
fn function(text: &mut String, language: u64, name: &str, next: &mut impl FnMut(u64) -> u64) {
    let (a, b, c, d) = (next(9999), next(9999), next(99), next(9999));
    let called = format!("step_{}", next(500));
    let _ = match language {
        0 => writeln!(
            text,
            "/// Does {a}.\nfn {name}(input: &[u64], limit: u64) -> u64 {{\n    let mut total = {a};\n    \
             for (at, value) in input.iter().enumerate() {{\n        if *value > limit && at % {c} == 0 {{\n            \
             total += {called}(*value, {b});\n        }} else {{\n            total ^= value.rotate_left({c});\n        \
             }}\n    }}\n    total.wrapping_mul({d})\n}}\n"
        ),
        1 => writeln!(
            text,
            "def {name}(values, limit):\n    # does {a}\n    total = {a}\n    for at, value in enumerate(values):\n        \
             if value > limit and at % {c} == 0:\n            total += {called}(value, {b})\n        else:\n            \
             total ^= value << {c}\n    return total * {d}\n\n"
        ),
        2 => writeln!(
            text,
            "/* does {a} */\nstatic unsigned long {name}(const unsigned long *in, unsigned long n, unsigned long limit)\n\
             {{\n\tunsigned long total = {a}, i;\n\tfor (i = 0; i < n; i++) {{\n\t\tif (in[i] > limit && i % {c} == 0)\n\
             \t\t\ttotal += {called}(in[i], {b});\n\t\telse\n\t\t\ttotal ^= in[i] << {c};\n\t}}\n\treturn total * {d};\n}}\n"
        ),
        3 => writeln!(
            text,
            "// does {a}\nexport function {name}(input: number[], limit: number): number {{\n  let total = {a};\n  \
             for (let at = 0; at < input.length; at++) {{\n    const value = input[at];\n    if (value > limit && at % {c} \
             === 0) {{\n      total += {called}(value, {b});\n    }} else {{\n      total ^= value << {c};\n    }}\n  }}\n  \
             return total * {d};\n}}\n"
        ),
        _ => writeln!(
            text,
            "// does {a}\nfunc {name}(input []uint64, limit uint64) uint64 {{\n\ttotal := uint64({a})\n\tfor at, value := \
             range input {{\n\t\tif value > limit && at%{c} == 0 {{\n\t\t\ttotal += {called}(value, {b})\n\t\t}} else {{\n\
             \t\t\ttotal ^= value << {c}\n\t\t}}\n\t}}\n\treturn total * {d}\n}}\n"
        ),
    };
}

fn inline(out: &mut impl Write, path: &str, text: &str) -> std::io::Result<()> {
    writeln!(out, "M 100644 inline {path}\ndata {}\n{text}", text.len())
}
