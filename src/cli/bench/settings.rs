//! What is to be measured: the sizes and ways of running that were asked for, each with each.

use bizra_kernels::default_threads;

use super::MeasureArgs;
use crate::cli::infer::model::{cell_of, cell_word};
use crate::error::{Error, Result};
use crate::infer::kv::Cell;
use crate::infer::trial::Sizes;

/// One way of running a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) sizes: Sizes,
    pub(super) threads: usize,
    pub(super) cell: Cell,
}

impl Case {
    pub(super) fn setting(&self) -> crate::bench::result::Setting {
        crate::bench::result::Setting {
            prompt: Some(self.sizes.prompt as u64),
            generated: Some(self.sizes.generated as u64),
            depth: Some(self.sizes.depth as u64),
            batch: Some(self.sizes.batch as u64),
            threads: Some(self.threads as u64),
            kv: Some(cell_word(self.cell).to_owned()),
        }
    }
}

/// Refuses what no model could be measured with, before one is opened.
pub(super) fn check(args: &MeasureArgs) -> Result<()> {
    for (flag, list) in [("-p", &args.prompt), ("-n", &args.tokens), ("-b", &args.batch)] {
        if list.contains(&0) {
            return Err(Error::usage(format!("{flag} 0: there is nothing to measure in none")).hint("give 1 or more"));
        }
    }
    let usable = default_threads();
    if let Some(many) = args.threads.iter().find(|count| **count == 0 || **count > usable) {
        let reason = format!("-t {many}: this process may use {usable} processors, and threads beyond them only wait");
        return Err(Error::usage(reason).hint(format!("give 1 to {usable}")));
    }
    Ok(())
}

/// Sizes where none are given: what fits the model's context.
const PROMPT: usize = 512;
const TOKENS: usize = 128;

/// Every case, for a model of that context and with the cell that it would have by itself.
pub(super) fn cases(args: &MeasureArgs, trained: usize, own_cell: Cell) -> Vec<Case> {
    let or = |list: &[usize], default: usize| if list.is_empty() { vec![default] } else { unique(list) };
    let prompts = or(&args.prompt, PROMPT.min(trained / 2).max(1));
    let tokens = or(&args.tokens, TOKENS.min(trained / 4).max(1));
    let given: Vec<Cell> = args.kv.iter().filter_map(|word| cell_of(word)).collect();
    let cells = if given.is_empty() { vec![own_cell] } else { given };
    let mut cases = Vec::new();
    for threads in or(&args.threads, default_threads()) {
        for cell in &cells {
            for batch in or(&args.batch, 1) {
                for depth in or(&args.depth, 0) {
                    for prompt in &prompts {
                        for generated in &tokens {
                            let sizes = Sizes { prompt: *prompt, generated: *generated, depth, batch };
                            let case = Case { sizes, threads, cell: *cell };
                            if !cases.contains(&case) {
                                cases.push(case);
                            }
                        }
                    }
                }
            }
        }
    }
    cases
}

fn unique(list: &[usize]) -> Vec<usize> {
    let mut seen = Vec::new();
    for one in list {
        if !seen.contains(one) {
            seen.push(*one);
        }
    }
    seen
}
