//! `bizra doctor`: what this machine can do.

use super::{Outcome, Session};
use crate::doctor::{Check, Report, Subject};
use crate::error::Result;
use crate::sys::machine;
use crate::ui::Unit;

/// Show what this machine can do, and what to mend
///
/// Each line is ok, missing or broken. The answer is 0 when core work is possible, 6 when something of the core is
/// broken, and 4 when something asked for with --require is not there.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra doctor                           Everything at a glance
  bizra doctor --bandwidth               Measure memory as well (two seconds)
  bizra doctor --require cuda,git        Exit with 4 unless both are there")]
pub(super) struct Args {
    /// Fail with 4 unless these are ok
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_enum)]
    require: Vec<Subject>,
    /// Measure the memory bandwidth
    #[arg(long)]
    bandwidth: bool,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let mut checks = machine::checks(&session.env, &session.config, &session.setup);
    insert(&mut checks, machine::ledger(session.ledger_path()));
    if args.bandwidth || args.require.contains(&Subject::Bandwidth) {
        let clock = || session.env.clock.monotonic();
        let mut bar = session.ui.progress("measuring memory", Some(machine::BANDWIDTH_ROUNDS), Unit::Items, clock());
        let check = machine::bandwidth(&clock, &mut |round| bar.at(round, clock()));
        insert(&mut checks, check);
    }
    let report = Report { checks, required: args.require.clone() };
    let reasons = report.reasons();
    Ok(Outcome::because(report, reasons))
}

/// Puts a check where its subject stands among the others.
fn insert(checks: &mut Vec<Check>, check: Check) {
    let place = checks.iter().position(|c| c.subject as u8 > check.subject as u8).unwrap_or(checks.len());
    checks.insert(place, check);
}
