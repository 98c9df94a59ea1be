//! `bizra kernel list`: the kernels that are known here.

use super::super::{Outcome, Session};
use super::choose::{BACKENDS, Choice, has};
use crate::error::Result;
use crate::view::kernel::{Listed, Row};

/// List kernels, what they compute and for what
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra kernel list
  bizra kernel list --op attention")]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let kernels = args.choice.pick(session)?;
    let rows = kernels.iter().map(|known| {
        let manifest = &known.manifest;
        Row {
            id: manifest.id().to_owned(),
            op: manifest.op().word(),
            title: manifest.title.as_ref().map_or(String::new(), |t| t.value.clone()),
            backends: BACKENDS.into_iter().filter(|b| has(known, b)).collect(),
            claims: manifest.claims.len(),
            path: known.shown.display().to_string(),
        }
    });
    Ok(Outcome::yes(Listed { rows: rows.collect() }))
}
