//! `bizra receipts replay`: run again what a receipt says, and compare. Leaves no receipt of its own.

use super::super::bench;
use super::super::infer::{FormArgs, InputArgs, replay};
use super::super::{Outcome, Session};
use super::browse::find;
use crate::error::{Error, Exit, Result};
use crate::receipts::predicates::{
    Attestation, Benchmark, Embedding, Entropy, EntropyBaseline, EntropyScope, GateDecision, Inference, KeyEvent,
    PolicyEvent, Predicate, Quantization, TestRun,
};
use crate::view::Script;

/// Run again what a receipt says, and say whether the outcome is the same
///
/// Answers 0 when it is identical, 1 when it differs, and 4 when it can't be told here: the model or the texts are not at
/// hand, or the outcome differs on another instruction level, build or machine. An inference's prompt comes from what
/// --record-text kept, else it is given again by the flags that infer has. A benchmark is measured again on the same
/// machine: it is identical where the intervals overlap and the same tokens come out.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts replay 3f2a9c01
  bizra receipts replay 3f2a9c01 --prompt 'Name three primes.'
  bizra receipts replay 3f2a9c01 -m model.gguf -f notes.md --prompt 'What is still open?' --json")]
pub(super) struct Args {
    /// The receipt's id or the start of it
    id: String,
    /// Where the receipt's model is [default: found by its SHA-256 among the models that were used here]
    #[arg(short, long, value_name = "MODEL", value_hint = clap::ValueHint::AnyPath)]
    model: Option<String>,
    /// The prompt, as it was given to infer; - reads it from standard input
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    form: FormArgs,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let receipt = find(&session.ledger()?, &args.id)?;
    let content = receipt.content.map_err(|reason| Error::new(Exit::Integrity, reason))?;
    let statement = &content.statement;
    let undecided = |why: &str| Error::new(Exit::Undecided, format!("receipt {} can't be replayed: {why}", content.id));
    if let Some(claim) = statement.predicate::<Inference>() {
        let (model, prompt) = (args.model.as_deref(), args.prompt.as_deref());
        let again = replay::Again { model, prompt, input: &args.input, form: &args.form };
        return replay::replay(session, &content.id.to_string(), &statement.stamp, &claim?, &again);
    }
    if let Some(benchmark) = statement.predicate::<Benchmark>() {
        return bench::replay::replay(session, &content.id.to_string(), &benchmark?, args.model.as_deref());
    }
    let decided = match statement.predicate_type.as_str() {
        GateDecision::TYPE => Some(super::super::decision::replay(session, &content)?),
        Entropy::TYPE => Some(super::super::entropy::replay(session, &content)?),
        _ => None,
    };
    if let Some(decided) = decided {
        return match decided {
            Err(why) => Err(undecided(&why)),
            Ok((true, what)) => {
                Ok(Outcome::yes(Script { kind: "replay".into(), text: format!("identical: {what}\n") }))
            }
            Ok((false, what)) => Err(Error::new(Exit::No, format!("receipt {} says otherwise: {what}", content.id))),
        };
    }
    Err(match statement.predicate_type.as_str() {
        Attestation::TYPE => undecided("it is a person's word, and nothing was run"),
        Embedding::TYPE => {
            undecided("its texts are held by a commitment alone: embed them again with the model it names")
        }
        Quantization::TYPE => undecided("it takes minutes and a file of that size")
            .hint("`bizra model quantize` the same file again: the digest must be the same"),
        EntropyBaseline::TYPE => undecided("it locks what is claimed, and nothing was run"),
        EntropyScope::TYPE => undecided("it is a person's word about scope, and nothing was run"),
        TestRun::TYPE => undecided("the tests were run by other tools: run them and attest their reports again"),
        KeyEvent::TYPE => undecided("it tells of a change of keys, and nothing was run"),
        PolicyEvent::TYPE => undecided("it tells of a change of the policy, and nothing was run")
            .hint("`bizra trust check` looks at the policy as it stands"),
        other => undecided(&format!("this version does not know the type {other}")),
    })
}
