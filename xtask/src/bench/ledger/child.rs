//! What the ledger's benchmark runs in processes of its own: writers beside each other, and work whose memory counts.

use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use bizra::bench::measure::Clock as _;
use bizra::receipts::audit::Request;
use bizra::receipts::pin::Pins;
use bizra::sys::ledger::Ledger;
use bizra::sys::ledger::audit::audit_ledger;
use std::ops::ControlFlow;

use super::folder::told;
use super::workload::{Mix, Workload};
use crate::tools::{self, Outcome, Stopwatch};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    work: Work,
}

#[derive(clap::Subcommand)]
enum Work {
    /// Append after a byte on standard input; the salt tells writers apart
    Append {
        ledger: PathBuf,
        salt: String,
        count: u64,
        /// Take each receipt into git before the next, instead of all at the end
        #[arg(long)]
        each_in_git: bool,
    },
    /// Audit and print the seconds it took and the receipts it judged
    Audit {
        ledger: PathBuf,
        threads: NonZeroUsize,
        /// Only what came after this file's pins
        pins: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &Args) -> Outcome {
    let workload = Workload::new(Mix::Usual);
    match &args.work {
        Work::Append { ledger, salt, count, each_in_git } => {
            let ledger = Ledger::open(ledger, false).map_err(told)?;
            let signer = workload.note_signer()?;
            let mut writer = ledger.writer(&workload.log(), &signer).map_err(told)?;
            println!("ready");
            std::io::stdout().flush().map_err(|cause| cause.to_string())?;
            let _ = std::io::stdin().read(&mut [0]).map_err(|cause| cause.to_string())?;
            for number in 0..*count {
                let salt = format!("{salt} {number}");
                let appended = writer.append(0, &mut |place| workload.envelope(place, &salt)).map_err(told)?;
                println!("{}", appended.index);
                if *each_in_git {
                    writer.settle().map_err(told)?;
                }
            }
            println!("done");
            // What follows is not timed.
            let _ = std::io::stdin().read(&mut [0]).map_err(|cause| cause.to_string())?;
            writer.settle().map_err(told).map(drop)
        }
        Work::Audit { ledger, threads, pins } => {
            let pins = match pins {
                Some(path) => Some(Pins::parse(&tools::read_file(path)?).map_err(|error| error.to_string())?),
                None => None,
            };
            let trust = workload.trust();
            let request = Request {
                trust: Ok(&trust),
                pins: pins.as_ref().map(Ok),
                since_pin: pins.is_some(),
                require_pin: false,
                require_history: false,
                threads: *threads,
            };
            let clock = Stopwatch::start();
            let report = audit_ledger(ledger, &request, &mut |_| ControlFlow::Continue(())).map_err(told)?;
            let seconds = clock.elapsed().as_secs_f64();
            let report = report.map_err(|_| "the audit was stopped")?;
            let findings: Vec<String> =
                report.all_findings().take(5).map(|(_, finding)| format!("{finding:?}")).collect();
            if report.exit() != 0 || !findings.is_empty() {
                return Err(format!("the audit found: {findings:?} {:?}", report.faults));
            }
            let judged: u64 = report.logs.iter().map(|log| log.judged).sum();
            let entries: u64 = report.logs.iter().map(|log| log.entries).sum();
            println!("{seconds} {judged} {entries}");
            Ok(())
        }
    }
}
