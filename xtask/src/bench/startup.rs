//! What it costs to start bizra and end at once, as a whole process, beside `git --version`.

use std::path::Path;
use std::process::{Command, Stdio};

use bizra::bench::measure::{self, Subject};

use super::{Entrant, Race, Setup};
use crate::tools::{self, Outcome};

pub(super) fn run(setup: &Setup) -> Outcome<Vec<Race>> {
    let processes = [
        ("bizra --version", setup.binary.as_path(), "--version"),
        ("bizra --help", setup.binary.as_path(), "--help"),
        ("git --version", Path::new("git"), "--version"),
    ];
    let mut subjects: Vec<Subject<'_, String>> = processes
        .iter()
        .map(|(name, program, argument)| Subject::timed(*name, &setup.clock, || whole_process(program, argument)))
        .collect();
    let series = measure::interleaved(&setup.schedule, &mut subjects).map_err(|cause| cause.to_string())?;
    let entrants = series
        .into_iter()
        .zip(processes)
        .map(|(series, (_, program, argument))| Entrant { series, peak_kib: peak_kib(program, argument) })
        .collect();
    Ok(vec![Race { entrants, peer: 2 }])
}

fn whole_process(program: &Path, argument: &str) -> Outcome {
    let mut command = tools::command(program);
    tools::succeed(command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null()))
}

/// The largest resident size that GNU time saw: a parent of its own, which is small, so that ours is not counted.
fn peak_kib(program: &Path, argument: &str) -> Option<u64> {
    let mut command: Command = tools::command("time");
    command.args(["--quiet", "--format=%M"]).arg(program).arg(argument).stdout(Stdio::null());
    let said = command.output().ok().filter(|output| output.status.success())?.stderr;
    String::from_utf8(said).ok()?.trim().parse().ok()
}
