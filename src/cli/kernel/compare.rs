//! `bizra kernel compare`: two kernels of one operation on the same cases.

use std::time::Duration;

use super::super::{Outcome, Session};
use super::choose::{Choice, Known};
use super::cpu;
use crate::error::{Error, Exit, Result};
use crate::kernel::compare::compare;
use crate::kernel::plan::Effort;
use crate::view::escape;
use crate::view::kernel::{Comparison, say};

/// Compare two kernels of one operation: errors and bits on the same cases
///
/// Both are judged by their own contracts. Answers 0 when both hold, 1 when one doesn't, 4 when they share no case.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra kernel compare matmul-quantised matmul-packed
  bizra kernel compare softmax mine.kernel.yaml --quick")]
pub(super) struct Args {
    /// The first kernel: its id, or its manifest
    #[arg(value_name = "A")]
    first: String,
    /// The second kernel
    #[arg(value_name = "B")]
    second: String,
    /// A covering set of cases that takes seconds
    #[arg(long)]
    quick: bool,
    /// End in time, with fewer cases if need be: 90s, 5m
    #[arg(long, value_name = "TIME", value_parser = super::super::bench::time)]
    budget: Option<Duration>,
}

fn one(name: &str, session: &mut Session) -> Result<Known> {
    let choice = Choice { glob: Some(name.to_owned()), op: None, backend: Vec::new() };
    let mut all = choice.pick(session)?;
    match (all.pop(), all.len()) {
        (Some(only), 0) => Ok(only),
        (_, more) => Err(Error::usage(format!("`{name}` names {} kernels, and one is needed", more + 1))),
    }
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let (first, second) = (one(&args.first, session)?, one(&args.second, session)?);
    let [a, b] = [&first, &second].map(|known| known.manifest.op().word());
    if a != b {
        return Err(Error::usage(format!("{} computes {a} and {} {b}", first.manifest.id(), second.manifest.id())));
    }
    let clock = &*session.env.clock;
    let program = session.env.program.as_deref();
    let _held = session.env.interrupt.defer();
    let subjects = [cpu::prepare(&first, program)?.subject, cpu::prepare(&second, program)?.subject];
    let until = args.budget.map(|budget| clock.monotonic() + budget);
    let start = cpu::Start {
        library_path: session.env.vars.get_os("LD_LIBRARY_PATH").map(ToOwned::to_owned),
        until,
        ..cpu::Start::new(program, clock, &session.env.interrupt)
    };
    let effort = if args.quick { Effort::Quick } else { Effort::Full };
    let seed = u64::from_le_bytes(session.random()?);
    let compared = cpu::with_worker(start, |runner| {
        compare(runner, [&subjects[0], &subjects[1]], effort, seed, &|| clock.monotonic(), until, super::memory(1))
    })?
    .map_err(|broken| cpu::refused(&first, &broken))?;
    let mut reasons: Vec<Error> = Vec::new();
    for (side, named) in compared.sides.iter().zip([&args.first, &args.second]) {
        reasons.extend(side.failures.iter().map(|failed| {
            Error::new(Exit::No, format!("{}: {}", side.id, say(failed))).hint(format!(
                "bizra kernel verify {} --case '{}'",
                escape::shell(named),
                failed.case
            ))
        }));
    }
    if compared.cases == 0 && reasons.is_empty() {
        reasons.push(Error::new(Exit::Undecided, "there is no case that both kernels are made for"));
    }
    Ok(Outcome::because(Comparison { compared }, reasons))
}
