//! `bizra kernel explain`: what a case is made of, and what an answer to it has to be.

use super::super::{Outcome, Session};
use super::choose::Choice;
use crate::error::{Error, Exit, Result};
use crate::kernel::case::Case;
use crate::kernel::explain::explain;
use crate::kernel::promise::Promise;
use crate::view::kernel::Explained;

/// Show what a case is made of, and what an answer has to be
///
/// Nothing is run: the tensors come from the case's seed, the truth and its bounds from the reference.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra kernel explain 'softmax/R=2,N=33/f32/needle/plain/t1/000000000000002a'
  bizra kernel explain softmax 'softmax/R=2,N=33/f32/needle/plain/t1/000000000000002a'
  bizra kernel explain matmul-float 'matmul/M=1,N=1,K=4096/f16/integers/plain/t2/0000000000000007'")]
pub(super) struct Args {
    /// The kernel, whose contract decides the bounds; needless where one of the processor's kernels takes the case
    #[arg(value_name = "KERNEL")]
    kernel: String,
    /// The case, as failures name it
    #[arg(value_name = "CASE")]
    case: Option<String>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let text = args.case.as_ref().unwrap_or(&args.kernel);
    let Some(case) = Case::parse(text) else {
        let is_file = args.case.is_none() && (text.ends_with(".yaml") || text.ends_with(".yml"));
        return Err(match is_file {
            true => Error::usage(format!("which case of {text}?")).hint("name it after the file"),
            false => super::no_case(Exit::Usage, text),
        });
    };
    let kernels = match &args.case {
        Some(_) => Choice { glob: Some(args.kernel.clone()), op: None, backend: Vec::new() }.pick(session)?,
        None => {
            let mut all = Choice { glob: None, op: Some(case.op()), backend: vec!["cpu".to_owned()] }.pick(session)?;
            all.retain(|known| Promise::of(&known.manifest).weights.contains(&case.weights));
            all
        }
    };
    let [known] = kernels.as_slice() else {
        let ids: Vec<&str> = kernels.iter().map(|known| known.manifest.id()).collect();
        let error = Error::usage(format!("{} kernels fit, and one is needed", kernels.len()));
        return Err(error.hint(format!("name one before the case: {}", ids.join(", "))));
    };
    let promise = Promise::of(&known.manifest);
    if let Some(why) = known.manifest.leaves_out(&case) {
        return Err(Error::usage(why));
    }
    super::check_room(&case.shape, case.weights, &promise)?;
    Ok(Outcome::yes(Explained { id: known.manifest.id().to_owned(), told: explain(&case, &promise) }))
}
