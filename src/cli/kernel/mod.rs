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

use bizra_kernels::call::DType;

use super::{Outcome, Session};
use crate::error::{Error, Exit, Result};
use crate::kernel::op::{self, Shape};
use crate::kernel::promise::Promise;
use crate::view::bench::size;

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

/// Bytes that trying one case may take, where so many are tried at the same time: half of what is free.
fn memory(at_once: usize) -> u64 {
    bizra_kernels::os::Memory::read().map_or(u64::MAX, |memory| memory.available / 2 / at_once.max(1) as u64)
}

/// The refusal of what is no case; of a long text its beginning.
fn no_case(exit: Exit, text: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    let more = if shown.len() < text.len() { " …" } else { "" };
    let error = Error::new(exit, format!("`{shown}`{more} is no case"));
    error.hint("take it as a failure prints it: softmax/R=2,N=33/f32/needle/plain/t1/000000000000002a")
}

/// Refuses a shape that this machine's memory has no room for.
fn check_room(shape: &Shape, weights: DType, promise: &Promise) -> Result<()> {
    let (takes, free) = (op::memory(shape, promise.types(weights)), memory(1));
    if takes <= free {
        return Ok(());
    }
    let message =
        format!("{shape} takes about {} of memory to be tried, and {} are free for it", size(takes), size(free));
    Err(Error::cannot(message).hint("take a smaller shape of the same kind"))
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
