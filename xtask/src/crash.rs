//! `cargo xtask crash`: the ledger's crash test with as many kills as a night has room for.

use crate::tools::{self, Outcome};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Processes to kill while they append
    #[arg(long, default_value_t = 1000)]
    kills: u64,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if args.kills == 0 {
        return Err("--kills 0: nothing would be tested".to_owned());
    }
    let mut command = tools::cargo();
    command.args(["test", "--quiet", "--locked", "--package", "bizra", "--test", "ledger_crash"]);
    command.args(["--", "--exact", "killed_at_any_point_nothing_acknowledged_is_lost", "--nocapture"]);
    tools::succeed(command.env("BIZRA_TEST_KILLS", args.kills.to_string()))
}
