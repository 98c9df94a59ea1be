//! Starts each subject in a process of its own and reads what it measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bizra::bench::measure::Clock as _;
use serde_json::Value;

use super::plan::{Cell, Isa, LLAMA, ROWS_TOKENS, Test, Who};
use crate::tools::{self, Outcome, Stopwatch};

/// The programs that are measured.
pub(super) struct Programs {
    /// The release binary of bizra.
    pub(super) bizra: PathBuf,
    pub(super) llama: Option<PathBuf>,
    pub(super) llama_avx2: Option<PathBuf>,
    /// Built from `xtask/peers/llama.cpp`.
    pub(super) llama_record: Option<PathBuf>,
    pub(super) candle: Option<PathBuf>,
    /// A home for bizra's own files.
    pub(super) home: PathBuf,
    /// GNU time is there to tell a process's memory.
    pub(super) gnu_time: bool,
}

impl Programs {
    fn llama(&self, isa: Isa) -> Option<&Path> {
        match isa {
            Isa::Best => self.llama.as_deref(),
            Isa::Avx2 => self.llama_avx2.as_deref(),
        }
    }

    /// Whether there is a program for it.
    pub(super) fn have(&self, who: Who, isa: Isa) -> bool {
        match who {
            Who::Bizra | Who::BizraCached => true,
            Who::Llama | Who::LlamaPlain => self.llama(isa).is_some(),
            Who::Candle => self.candle.is_some() && isa == Isa::Best,
        }
    }

    /// The seconds of each test, and for bizra the bytes that a position of the context takes.
    pub(super) fn passes(&self, who: Who, cell: &Cell, model: &Path, tests: &[Test]) -> Outcome<Passes> {
        match who {
            Who::Bizra | Who::BizraCached => bizra(cell, model, tests),
            Who::Llama | Who::LlamaPlain => {
                let program = self.llama(cell.isa).ok_or("there is no llama-bench for this")?;
                llama(program, who, cell, model, tests)
            }
            Who::Candle => {
                let program = self.candle.as_deref().ok_or("there is no candle to compare with")?;
                candle(program, cell, model, tests)
            }
        }
    }

    /// Seconds of a whole process up to the first token after sixteen, and the most KiB that it held.
    pub(super) fn first_token(&self, who: Who, cell: &Cell, model: &Path) -> Outcome<(f64, Option<f64>)> {
        let threads = cell.threads.to_string();
        let mut command = match who {
            Who::Bizra | Who::BizraCached => {
                let mut command = self.start(&self.bizra);
                let prompt = cell.recipe.shape.prompt();
                command.args(["infer", "--quiet", "--no-receipt", "--raw", &prompt, "-n", "1", "--threads", &threads]);
                command.arg("--model").arg(model).env_clear().env("HOME", &self.home);
                // Without the home's folder for it, whatever else is in there.
                command.env("BIZRA_PACKED_CACHE", if who == Who::BizraCached { "8GB" } else { "0" });
                command
            }
            Who::Llama | Who::LlamaPlain => {
                let program = self.llama(cell.isa).ok_or("there is no llama-bench for this")?;
                let mut command = self.start(program);
                command.args(["-p", "16", "-n", "0", "-t", &threads, "-m"]).arg(model).args(LLAMA_ONCE);
                command.args(["--repack", repack(who)]);
                command
            }
            Who::Candle => return Err("candle has no whole process to compare with".to_owned()),
        };
        let clock = Stopwatch::start();
        let output = command.output().map_err(|cause| format!("cannot start `{}`: {cause}", tools::typed(&command)))?;
        let seconds = clock.elapsed().as_secs_f64();
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("`{}` ended with {}\n{}", tools::typed(&command), output.status, said.trim_end()));
        }
        let kib = said.lines().last().filter(|_| self.gnu_time).and_then(|line| line.trim().parse().ok());
        Ok((seconds, kib))
    }

    /// The program, with its memory told at the end of standard error where that can be.
    fn start(&self, program: &Path) -> Command {
        if !self.gnu_time {
            return tools::command(program);
        }
        let mut command = tools::command("/usr/bin/time");
        command.args(["--quiet", "--format=%M"]).arg(program);
        command
    }

    /// How far logits are from exact arithmetic: who, the prompt's number, relative error, divergence.
    pub(super) fn logits(&self, cell: &Cell, model: &Path, prompts: &[String]) -> Outcome<Vec<Distance>> {
        let program = self.llama_record.as_deref().ok_or("there is no program that records llama.cpp's logits")?;
        let mut records = Vec::new();
        for who in LLAMA {
            for (number, prompt) in prompts.iter().enumerate() {
                let arguments = [prompt, "1", "256", "f16", repack(who)];
                let said = tools::read(tools::command(program).arg(model).args(arguments))?;
                let path = self.home.join(format!("record-{}-{number}.json", repack(who)));
                tools::write_file(&path, said.as_bytes())?;
                records.push((who, number, path));
            }
        }
        let mut command = this("logits")?;
        command.arg(model).arg(cell.threads.to_string()).args(records.iter().map(|(.., path)| path));
        let lines = lines(&tools::read(&mut command)?)?;
        let mut found = Vec::new();
        for ((who, number, path), line) in records.iter().zip(&lines) {
            let of = |whose: &str, what: &str| {
                line[whose][what].as_f64().ok_or_else(|| format!("there is no {what} of {whose}'s logits"))
            };
            found.push((*who, *number, of("peer", "error")?, of("peer", "kl")?));
            // Ours are the same beside either of its settings.
            if *who == LLAMA[0] {
                found.push((Who::Bizra, *number, of("bizra", "error")?, of("bizra", "kl")?));
            }
            fs::remove_file(path).map_err(|cause| format!("cannot remove {}: {cause}", path.display()))?;
        }
        Ok(found)
    }
}

/// Whose, the prompt's number, the relative error, the divergence in nats.
pub(super) type Distance = (Who, usize, f64, f64);

pub(super) struct Passes {
    pub(super) seconds: Vec<(Test, f64)>,
    pub(super) kv_bytes: Option<f64>,
}

const LLAMA_ONCE: [&str; 5] = ["-r", "1", "--no-warmup", "-o", "jsonl"];

fn repack(who: Who) -> &'static str {
    if who == Who::LlamaPlain { "0" } else { "1" }
}

/// This program, as a child of the benchmark.
fn this(work: &str) -> Outcome<Command> {
    let program = std::env::current_exe().map_err(|cause| format!("cannot find the path of xtask itself: {cause}"))?;
    let mut command = tools::command(program);
    command.args(["engine-work", work]);
    Ok(command)
}

fn lines(text: &str) -> Outcome<Vec<Value>> {
    let read = |line| serde_json::from_str(line).map_err(|_| format!("a subject printed {line:?}, which is no JSON"));
    text.lines().filter(|line| !line.trim().is_empty()).map(read).collect()
}

fn bizra(cell: &Cell, model: &Path, tests: &[Test]) -> Outcome<Passes> {
    let mut command = this("passes")?;
    command.arg(model).args([&cell.threads.to_string(), cell.isa.word()]);
    command.args(tests.iter().map(Test::to_string));
    let said = lines(&tools::read(&mut command)?)?;
    let find = |test: Test| {
        let line = said.iter().find(|line| line["test"] == test.to_string());
        line.and_then(|line| line["seconds"].as_f64()).ok_or_else(|| format!("bizra did not measure {test}"))
    };
    Ok(Passes {
        seconds: tests.iter().map(|test| Ok((*test, find(*test)?))).collect::<Outcome<_>>()?,
        kv_bytes: said.iter().find_map(|line| line["kv_bytes"].as_f64()),
    })
}

fn candle(program: &Path, cell: &Cell, model: &Path, tests: &[Test]) -> Outcome<Passes> {
    // It has no test of several rows: a prompt is always one pass.
    let known: Vec<Test> = tests.iter().copied().filter(|test| !matches!(test, Test::Rows { .. })).collect();
    let mut command = tools::command(program);
    command.arg(model).args(known.iter().map(Test::to_string)).env("RAYON_NUM_THREADS", cell.threads.to_string());
    let said = tools::read(&mut command)?;
    let seconds = |line: &str| {
        let (test, seconds) = line.split_once(' ')?;
        Some((test.parse().ok()?, seconds.parse().ok()?))
    };
    let read = |line| seconds(line).ok_or_else(|| format!("candle printed {line:?}"));
    Ok(Passes { seconds: said.lines().map(read).collect::<Outcome<_>>()?, kv_bytes: None })
}

/// One process for each kind of test; each begins with a small one that warms up and is not kept.
fn llama(program: &Path, who: Who, cell: &Cell, model: &Path, tests: &[Test]) -> Outcome<Passes> {
    let list = |numbers: Vec<usize>| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let mut prompts = vec![16];
    let (mut shallow, mut depths, mut rows) = (None, Vec::new(), vec![ROWS_TOKENS]);
    let mut deep = None;
    for test in tests {
        match *test {
            Test::Prefill { tokens } => prompts.push(tokens),
            Test::Decode { tokens, depth: 0 } => shallow = Some(tokens),
            Test::Decode { tokens, depth } => {
                deep = Some(tokens);
                depths.push(depth);
            }
            Test::Rows { rows: more } => rows.push(more),
        }
    }
    let mut runs = Vec::new();
    if prompts.len() > 1 || shallow.is_some() {
        runs.push(vec!["-p".into(), list(prompts), "-n".into(), shallow.unwrap_or(0).to_string()]);
    }
    if let Some(tokens) = deep {
        runs.push(vec!["-p".into(), "0".into(), "-n".into(), tokens.to_string(), "-d".into(), list(depths)]);
    }
    if rows.len() > 1 {
        let tokens = ROWS_TOKENS.to_string();
        runs.push(vec!["-p".into(), tokens, "-n".into(), "0".into(), "-b".into(), list(rows)]);
    }
    let mut said = Vec::new();
    for arguments in runs {
        let mut command = tools::command(program);
        command.args(arguments).args(LLAMA_ONCE).args(["--repack", repack(who), "-t", &cell.threads.to_string()]);
        said.extend(lines(&tools::read(command.arg("-m").arg(model))?)?);
    }
    let find = |test: Test| {
        let line = said.iter().find(|line| is_of(line, test));
        let nanos = line.and_then(|line| line["samples_ns"][0].as_f64());
        nanos.map(|nanos| (test, nanos / 1e9)).ok_or_else(|| format!("llama-bench did not measure {test}"))
    };
    Ok(Passes { seconds: tests.iter().map(|test| find(*test)).collect::<Outcome<_>>()?, kv_bytes: None })
}

fn is_of(line: &Value, test: Test) -> bool {
    let number = |name: &str| line[name].as_u64().and_then(|n| usize::try_from(n).ok());
    let (prompt, generated, depth) = (number("n_prompt"), number("n_gen"), number("n_depth"));
    match test {
        Test::Prefill { tokens } => (prompt, generated, depth) == (Some(tokens), Some(0), Some(0)),
        Test::Decode { tokens, depth: at } => (prompt, generated, depth) == (Some(0), Some(tokens), Some(at)),
        Test::Rows { rows } => (prompt, number("n_batch")) == (Some(ROWS_TOKENS), Some(rows)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_of_llama_bench_are_told_apart() {
        let line = |prompt: u32, generated: u32, depth: u32, batch: u32| json!({"n_prompt": prompt, "n_gen": generated, "n_depth": depth, "n_batch": batch});
        let all = [
            line(16, 0, 0, 2048),
            line(64, 0, 0, 2048),
            line(0, 32, 0, 2048),
            line(0, 32, 512, 2048),
            line(64, 0, 0, 8),
        ];
        let which = |test: &str| {
            let test = test.parse().expect("a test");
            all.iter().position(|line| is_of(line, test))
        };
        let tests = ["prefill:16", "prefill:64", "decode:32@0", "decode:32@512", "rows:8", "rows:4", "decode:31@0"];
        assert_eq!(tests.map(which), [Some(0), Some(1), Some(2), Some(3), Some(4), None, None]);
    }
}
