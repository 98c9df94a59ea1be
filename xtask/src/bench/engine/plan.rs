//! What is measured, in which order, what it must reach, and what was expected before anybody looked.

use std::fmt;
use std::str::FromStr;

use crate::models::{Mix, Recipe, recipes};

/// Tokens of a test of several rows a pass.
pub(super) const ROWS_TOKENS: usize = 64;

/// Work whose seconds count: passes over tokens, without tokenizer or sampler, as llama-bench does it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Test {
    Prefill {
        tokens: usize,
    },
    /// Token after token, on top of a context that is not counted.
    Decode {
        tokens: usize,
        depth: usize,
    },
    /// A prompt in passes of so many rows.
    Rows {
        rows: usize,
    },
}

impl Test {
    /// Tokens that the seconds are for.
    pub(super) fn tokens(self) -> usize {
        match self {
            Test::Prefill { tokens } | Test::Decode { tokens, .. } => tokens,
            Test::Rows { .. } => ROWS_TOKENS,
        }
    }

    /// Positions that a session needs for it.
    pub(super) fn context(self) -> usize {
        match self {
            Test::Decode { tokens, depth } => tokens + depth,
            other => other.tokens(),
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Test::Prefill { tokens } => format!("prefill {tokens}"),
            Test::Decode { tokens, depth: 0 } => format!("decode {tokens}"),
            Test::Decode { depth, .. } => format!("decode after {depth}"),
            Test::Rows { rows } => format!("{rows} rows a pass"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Prefill { tokens } => write!(f, "prefill:{tokens}"),
            Test::Decode { tokens, depth } => write!(f, "decode:{tokens}@{depth}"),
            Test::Rows { rows } => write!(f, "rows:{rows}"),
        }
    }
}

impl FromStr for Test {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| digits.parse::<usize>().ok().filter(|n| *n > 0);
        let read = || {
            let (kind, rest) = text.split_once(':')?;
            Some(match kind {
                "prefill" => Test::Prefill { tokens: number(rest)? },
                "rows" => Test::Rows { rows: number(rest)? },
                "decode" => {
                    let (tokens, depth) = rest.split_once('@')?;
                    Test::Decode { tokens: number(tokens)?, depth: depth.parse().ok()? }
                }
                _ => return None,
            })
        };
        read().ok_or_else(|| format!("{text:?} is no test: prefill:TOKENS, decode:TOKENS@DEPTH, rows:ROWS"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Isa {
    /// What the processor has.
    Best,
    Avx2,
}

impl Isa {
    pub(super) fn word(self) -> &'static str {
        match self {
            Isa::Best => "best",
            Isa::Avx2 => "avx2",
        }
    }
}

/// A model file under a number of threads and an instruction level.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) recipe: Recipe,
    pub(crate) threads: usize,
    pub(crate) isa: Isa,
}

impl Cell {
    /// What samples are kept under.
    pub(super) fn key(&self) -> String {
        format!("{} {} {}", self.recipe.name(), self.threads, self.isa.word())
    }
}

#[derive(Clone)]
pub(super) enum Task {
    /// Peaks of memory and arithmetic.
    Limits {
        threads: usize,
        isa: Isa,
    },
    Passes {
        cell: Cell,
        tests: Vec<Test>,
    },
    /// A whole process, from its start to the first token of an answer.
    FirstToken {
        cell: Cell,
    },
    /// Products of each format beside exact arithmetic, in the first round.
    Products,
    /// The logits beside exact arithmetic; the same in every round, so done in the first alone.
    Logits {
        recipe: Recipe,
    },
}

/// Who does the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    Bizra,
    /// With its packed weights in a file.
    BizraCached,
    Llama,
    /// Without re-packing.
    LlamaPlain,
    Candle,
}

impl Who {
    pub(super) fn name(self) -> &'static str {
        match self {
            Who::Bizra => "bizra",
            Who::BizraCached => "bizra, packed cache",
            Who::Llama => "llama.cpp",
            Who::LlamaPlain => "llama.cpp --repack 0",
            Who::Candle => "candle",
        }
    }
}

pub(super) const LLAMA: [Who; 2] = [Who::Llama, Who::LlamaPlain];

fn prefill(tokens: usize) -> Test {
    Test::Prefill { tokens }
}

fn decode(tokens: usize, depth: usize) -> Test {
    Test::Decode { tokens, depth }
}

fn find(shape: &str, mix: Mix) -> Recipe {
    recipes().find(|one| one.shape.name == shape && one.mix == mix).expect("invariant: the plan names what can be made")
}

const SMALL: &str = "tinyllama-1.1b";
const LARGE: &str = "qwen2.5-1.5b";

/// What the short run measures: every row of the table, with two threads and the formats where they differ.
pub(super) fn quick() -> Vec<Task> {
    let cell = |recipe, threads, isa| Cell { recipe, threads, isa };
    let usual = find(SMALL, Mix::Q4KM);
    let two = |recipe| cell(recipe, 2, Isa::Best);
    let mut tasks = vec![Task::Limits { threads: 2, isa: Isa::Best }];
    for recipe in [find(SMALL, Mix::Q4_0), find(SMALL, Mix::Q8_0), find(LARGE, Mix::Q4KM)] {
        tasks.push(Task::Passes { cell: two(recipe), tests: vec![prefill(64), prefill(512), decode(128, 0)] });
    }
    let lengths = [64, 128, 256, 512].map(prefill).into_iter().chain([decode(128, 0)]).collect();
    tasks.push(Task::Passes { cell: two(usual), tests: lengths });
    for recipe in [usual, find(SMALL, Mix::Q4_0), find(SMALL, Mix::Q8_0), find(LARGE, Mix::Q4KM)] {
        tasks.push(Task::FirstToken { cell: two(recipe) });
    }
    let rows = [2, 4, 8, 16].map(|rows| Test::Rows { rows }).into();
    tasks.push(Task::Passes { cell: two(usual), tests: rows });
    tasks.push(Task::Passes { cell: two(usual), tests: vec![decode(32, 512), decode(32, 2048)] });
    tasks.push(Task::Limits { threads: 1, isa: Isa::Best });
    tasks.push(Task::Passes { cell: cell(usual, 1, Isa::Best), tests: vec![prefill(64), decode(128, 0)] });
    tasks.push(Task::Limits { threads: 2, isa: Isa::Avx2 });
    for recipe in [usual, find(SMALL, Mix::Q8_0)] {
        tasks.push(Task::Passes { cell: cell(recipe, 2, Isa::Avx2), tests: vec![prefill(64), decode(32, 0)] });
    }
    tasks.push(Task::Products);
    for recipe in [usual, find(SMALL, Mix::Q4_0), find(SMALL, Mix::Q8_0), find(LARGE, Mix::Q4KM)] {
        tasks.push(Task::Logits { recipe });
    }
    tasks
}

/// Both shapes in three formats with one thread and two, longer contexts, both instruction levels.
pub(super) fn full() -> Vec<Task> {
    let mut tasks = vec![Task::Products];
    for threads in [1, 2] {
        tasks.push(Task::Limits { threads, isa: Isa::Best });
        tasks.push(Task::Limits { threads, isa: Isa::Avx2 });
    }
    for recipe in recipes() {
        for threads in [1, 2] {
            let cell = Cell { recipe, threads, isa: Isa::Best };
            let usual = recipe.shape.name == SMALL && recipe.mix == Mix::Q4KM && threads == 2;
            let prompts: &[usize] = if usual { &[64, 128, 256, 512, 1024, 2048] } else { &[64, 512] };
            let tests = prompts.iter().copied().map(prefill).chain([decode(128, 0)]).collect();
            tasks.push(Task::Passes { cell, tests });
            let depths: &[usize] = if usual { &[512, 1024, 2048, 4096, 8192] } else { &[2048] };
            tasks.push(Task::Passes { cell, tests: depths.iter().map(|depth| decode(32, *depth)).collect() });
            tasks.push(Task::Passes { cell, tests: [2, 4, 8, 16].map(|rows| Test::Rows { rows }).into() });
            tasks.push(Task::FirstToken { cell });
            let cell = Cell { isa: Isa::Avx2, ..cell };
            tasks.push(Task::Passes { cell, tests: vec![prefill(64), prefill(512), decode(128, 0)] });
        }
        tasks.push(Task::Logits { recipe });
    }
    tasks
}

/// The ratio of speeds to llama.cpp's better setting that a test must reach, where one is set.
pub(super) fn target(cell: &Cell, test: Test) -> Option<f64> {
    match (cell.isa, test) {
        (Isa::Avx2, Test::Prefill { .. }) => Some(1.2),
        (Isa::Avx2, Test::Decode { .. }) => Some(1.1),
        (Isa::Avx2, Test::Rows { .. }) => None,
        (_, Test::Prefill { tokens: 512 }) => Some(match cell.recipe.mix {
            Mix::Q4_0 => 3.0,
            Mix::Q4KM => 2.5,
            Mix::Q8_0 => 5.0,
        }),
        (_, Test::Prefill { tokens: 64 }) => Some(2.5),
        (_, Test::Decode { depth: 0, .. }) => Some(1.7),
        (_, Test::Decode { depth: 2048 | 8192, .. }) => Some(1.9),
        (_, Test::Rows { .. }) => Some(2.0),
        (_, Test::Prefill { .. } | Test::Decode { .. }) => None,
    }
}

/// What was expected of these ratios before the first run on a new machine: the prototype's, less what a processor
/// with narrower vectors and quicker memory gives away.
pub(super) fn expected(cell: &Cell, test: Test) -> f64 {
    match (cell.isa, test, cell.recipe.mix) {
        (Isa::Avx2, Test::Prefill { .. }, _) => 1.5,
        (Isa::Avx2, ..) => 1.2,
        (_, Test::Prefill { tokens: 256.. }, Mix::Q4_0) => 2.5,
        (_, Test::Prefill { tokens: 256.. }, Mix::Q4KM) => 1.8,
        (_, Test::Prefill { tokens: 256.. }, Mix::Q8_0) => 4.0,
        (_, Test::Prefill { .. }, _) => 2.3,
        (_, Test::Decode { depth: 0, .. }, _) => 1.4,
        (_, Test::Decode { .. }, _) => 1.6,
        (_, Test::Rows { .. }, _) => 1.7,
    }
}

/// At most so much of llama.cpp's, and what was expected.
pub(super) struct Ceiling {
    pub(super) target: f64,
    pub(super) expected: f64,
}

pub(super) const FIRST_TOKEN: Ceiling = Ceiling { target: 0.8, expected: 0.9 };
pub(super) const FIRST_TOKEN_CACHED: Ceiling = Ceiling { target: 0.35, expected: 0.3 };
pub(super) const MEMORY: Ceiling = Ceiling { target: 1.0, expected: 1.0 };
pub(super) const ERROR: Ceiling = Ceiling { target: 1.0, expected: 0.95 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_as_they_are_written() {
        for text in ["prefill:512", "decode:128@0", "decode:32@8192", "rows:16"] {
            assert_eq!(text.parse::<Test>().expect(text).to_string(), text);
        }
        for text in ["", "prefill", "prefill:0", "prefill:x", "decode:3", "decode:0@3", "rows:-1", "speed:3"] {
            assert!(text.parse::<Test>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_row_of_the_targets_is_in_both_plans() {
        for (name, plan) in [("quick", quick()), ("full", full())] {
            let passes: Vec<(Cell, Test)> = plan
                .iter()
                .filter_map(|task| match task {
                    Task::Passes { cell, tests } => Some(tests.iter().map(|test| (*cell, *test))),
                    _ => None,
                })
                .flatten()
                .collect();
            let has = |wanted: &dyn Fn(&Cell, Test) -> bool| passes.iter().any(|(cell, test)| wanted(cell, *test));
            for mix in Mix::ALL {
                assert!(has(&|c, t| c.recipe.mix == mix && t == prefill(512)), "{name} {mix:?}");
                assert!(has(&|c, t| c.recipe.mix == mix && t == decode(128, 0)), "{name} {mix:?}");
            }
            assert!(has(&|c, t| c.isa == Isa::Avx2 && t == prefill(64)), "{name}");
            assert!(has(&|c, _| c.threads == 1), "{name}");
            for rows in [2, 4, 8, 16] {
                assert!(has(&|_, t| t == Test::Rows { rows }), "{name} {rows}");
            }
            assert!(has(&|_, t| matches!(t, Test::Decode { depth: 2048, .. })), "{name}");
            assert_eq!(has(&|_, t| matches!(t, Test::Decode { depth: 8192, .. })), name == "full");
            assert!(plan.iter().any(|task| matches!(task, Task::FirstToken { .. })), "{name}");
            assert!(plan.iter().any(|task| matches!(task, Task::Logits { .. })), "{name}");
        }
    }
}
