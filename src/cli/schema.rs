//! `bizra schema`: what a plan file may hold, as JSON Schema.

use super::{Outcome, Session};
use crate::error::Result;
use crate::plan::schema::{PlanKind, json_schema};
use crate::view::roadmap::Schema;

/// Print the JSON Schema of a plan file
///
/// Editors complete and check plans with it. Put this line at the head of a plan, beside a file that holds the schema:
/// # yaml-language-server: $schema=roadmap.schema.json
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra schema roadmap > roadmap.schema.json
  bizra schema sprint > sprint.schema.json")]
pub(super) struct Args {
    /// Which kind of plan
    kind: Kind,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Roadmap,
    Sprint,
}

pub(super) fn run(args: &Args, _: &mut Session) -> Result<Outcome> {
    let kind = match args.kind {
        Kind::Roadmap => PlanKind::Roadmap,
        Kind::Sprint => PlanKind::Sprint,
    };
    Ok(Outcome::yes(Schema { kind: kind.word(), schema: json_schema(kind) }))
}
