//! `bizra kernel`: whether kernels compute what they say.

mod choose;
mod compare;
mod cpu;
mod explain;
mod gpu;
mod list;
mod peer;
mod receipt;
mod selftest;
mod speed;
mod verify;

use super::{Outcome, Session};
use crate::error::Result;

/// Verify kernels: references in f64, bounds for each element, probes, isolation
///
/// A kernel is a function of bizra's own engine, or one that a shared library exports with the interface of
/// kernels/bizra_kernel.h. Its manifest says what it promises; the verifier decides whether that holds.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra kernel list                        Which kernels are there?
  bizra kernel verify --quick              Are they right, as far as 30 seconds tell?
  bizra kernel verify 'matmul-*'           Some of them, in full
  bizra kernel verify mine.kernel.yaml     Your own, from a shared library
  bizra kernel selftest                    Would the verifier notice?")]
pub(super) struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(clap::Subcommand)]
enum Part {
    Compare(compare::Args),
    Explain(explain::Args),
    List(list::Args),
    Selftest(selftest::Args),
    Verify(verify::Args),
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match &args.part {
        Part::Compare(args) => compare::run(args, session),
        Part::Explain(args) => explain::run(args, session),
        Part::List(args) => list::run(args, session),
        Part::Selftest(args) => selftest::run(args, session),
        Part::Verify(args) => verify::run(args, session),
    }
}
