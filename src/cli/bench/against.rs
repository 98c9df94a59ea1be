//! What a run is compared with: a receipt, another model, or a program.

use std::io::Read as _;
use std::time::Duration;

use super::MeasureArgs;
use super::command::{Program, program_file};
use super::receipt::run_of;
use crate::bench::adapters::Pattern;
use crate::bench::result::Run;
use crate::cli::Session;
use crate::cli::receipts::find_receipt;
use crate::error::{Error, Exit, Result};
use crate::receipts::envelope::ReceiptId;
use crate::receipts::predicates::Benchmark;
use crate::sys::machine;
use crate::view::escape;

pub(super) enum Peer {
    Receipt { id: ReceiptId, run: Box<Run> },
    Model(String),
    Program(Program),
}

pub(super) fn resolve(session: &Session, target: &str, limit: Duration, pattern: Option<Pattern>) -> Result<Peer> {
    let target = target.trim();
    if target.is_empty() {
        return Err(Error::usage("--against names nothing").hint("give the id of a receipt, a model, or 'CMD ARGS…'"));
    }
    let path = session.env.cwd.join(target);
    if !path.exists() && target.len() >= 6 && target.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return receipt(session, target);
    }
    if target.contains(char::is_whitespace) && !path.exists() {
        return Ok(Peer::Program(Program::find(session, target, limit, pattern)?));
    }
    match session.find_model(target).map(|found| found.path) {
        Ok(path) if path.is_file() && !is_gguf(&path) => {
            // A program without arguments, by its path.
            let path = if target.contains('/') { target.to_owned() } else { format!("./{target}") };
            Ok(Peer::Program(Program::find(session, &escape::shell(&path), limit, pattern)?))
        }
        Ok(_) => Ok(Peer::Model(target.to_owned())),
        Err(_) if program_file(session, target).is_some() => {
            Ok(Peer::Program(Program::find(session, &escape::shell(target), limit, pattern)?))
        }
        Err(error) => Err(error.hint("--against takes the id of a receipt, a model, or a program with its arguments")),
    }
}

fn is_gguf(path: &std::path::Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && &magic == b"GGUF"
}

fn receipt(session: &Session, prefix: &str) -> Result<Peer> {
    let receipt = find_receipt(&session.ledger()?, prefix)?;
    let content = receipt.content.map_err(|reason| Error::new(Exit::Integrity, reason))?;
    let Some(benchmark) = content.statement.predicate::<Benchmark>() else {
        return Err(Error::invalid(format!("receipt {} is no benchmark", content.id))
            .hint("`bizra receipts list` shows what each receipt is"));
    };
    let run = run_of(&benchmark?)?;
    check_machine(&run, &content.id.to_string(), &machine::fingerprint())?;
    Ok(Peer::Receipt { id: content.id, run: Box::new(run) })
}

/// Figures of other hardware say nothing about this.
fn check_machine(run: &Run, id: &str, here: &str) -> Result<()> {
    let there = &run.machine;
    if there.fingerprint == here {
        return Ok(());
    }
    Err(Error::new(
        Exit::Undecided,
        format!("receipt {id} was made on other hardware, so its figures say nothing about this machine"),
    )
    .because(format!("its fingerprint is {}, and here it is {here}", there.fingerprint))
    .because(format!("it was made on {} with {} processors", there.cpu, there.usable))
    .hint("run the benchmark here, and compare with that receipt"))
}

/// Where no sizes are given, those of the receipt, so that there is something to compare.
pub(super) fn take_sizes(args: &mut MeasureArgs, run: &Run) {
    let take = |list: &mut Vec<usize>, of: fn(&crate::bench::result::Setting) -> Option<u64>| {
        if list.is_empty() {
            let found = run.measurements.iter().filter_map(|one| of(&one.setting));
            for size in found.filter_map(|size| usize::try_from(size).ok()) {
                if !list.contains(&size) {
                    list.push(size);
                }
            }
        }
    };
    take(&mut args.prompt, |s| s.prompt);
    take(&mut args.tokens, |s| s.generated);
    take(&mut args.depth, |s| s.depth);
    take(&mut args.batch, |s| s.batch);
    take(&mut args.threads, |s| s.threads);
    if args.kv.is_empty() {
        for kv in run.measurements.iter().filter_map(|one| one.setting.kv.clone()) {
            if !args.kv.contains(&kv) {
                args.kv.push(kv);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_of_another_machine_is_refused() {
        let run = run_of(&Benchmark::example()).expect("the example holds together");
        assert_eq!(check_machine(&run, "3f2a", &run.machine.fingerprint), Ok(()));
        let refused = check_machine(&run, "3f2a", "linux-x86_64-ffffffffffffffff").expect_err("it is another");
        assert_eq!(refused.exit, Exit::Undecided);
        assert!(refused.message.contains("3f2a was made on other hardware"), "{refused:?}");
        assert!(refused.causes[0].contains("linux-x86_64-0123456789abcdef"), "{refused:?}");
    }
}
