//! `bizra demo`: the whole loop in a folder of its own, one command after the other, each shown before it runs.
//!
//! Everything here is done by this very program and by git, in processes of their own, so that what is shown is what a
//! reader would see who types the same. Leaves out what the commands do.

mod forge;
mod stage;

use super::{Outcome, Session};
use crate::error::{Error, Exit, Result};
use crate::view::demo::{Played, Step};

/// Play the whole loop in a temporary folder: from nothing to an open gate, and a forgery that is found
///
/// init, infer, bench, lint, a closed gate, evidence, the open gate, standup, entropy that falls, and a ledger that
/// somebody tampered with. Each command is shown before it runs, so that this is a tutorial. Nothing outside of the
/// folder is read or changed: no key, ledger or repository of yours.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra demo              Under a minute; the folder is removed at the end
  bizra demo --keep       Keeps the folder, to look around in it
  bizra demo --json       Each command, its exit code and the expected one")]
pub(super) struct Args {
    /// Keep the folder, and say where it is
    #[arg(long)]
    keep: bool,
}

/// What is done in a step.
#[derive(Clone, Copy)]
enum Doing {
    Bizra(&'static [&'static str]),
    Git(&'static [&'static str]),
    Write {
        path: &'static str,
        text: &'static str,
    },
    /// Somebody else's hand in the ledger.
    Forge,
}

struct Scene {
    why: &'static str,
    doing: Doing,
    ends: Exit,
}

const fn scene(why: &'static str, doing: Doing, ends: Exit) -> Scene {
    Scene { why, doing, ends }
}

const README: &str = "# A project\n\nIts gates open on evidence, and on nothing else.\n";

const SCENES: &[Scene] = &[
    scene("An empty folder becomes a project.", Doing::Bizra(&["init"]), Exit::Yes),
    scene("The plan is a file like any other.", Doing::Git(&["add", "--all"]), Exit::Yes),
    scene("", Doing::Git(&["commit", "--quiet", "--message=The plan"]), Exit::Yes),
    scene(
        "What is claimed, and what counts as evidence, is locked and signed.",
        Doing::Bizra(&["entropy", "baseline"]),
        Exit::Yes,
    ),
    scene("", Doing::Git(&["add", "--all"]), Exit::Yes),
    scene("", Doing::Git(&["commit", "--quiet", "--message=The baseline of entropy"]), Exit::Yes),
    scene("Does the plan contradict itself?", Doing::Bizra(&["roadmap", "lint"]), Exit::Yes),
    scene("The gate is closed, and says what is missing.", Doing::Bizra(&["roadmap", "gate"]), Exit::Undecided),
    scene("Evidence, first part: a file.", Doing::Write { path: "README.md", text: README }, Exit::Yes),
    scene("", Doing::Git(&["add", "--all"]), Exit::Yes),
    scene("", Doing::Git(&["commit", "--quiet", "--message=S-1: say what this is for"]), Exit::Yes),
    scene(
        "Second part: the model inside the binary answers, and its answer has a signed receipt.",
        Doing::Bizra(&["infer", "What does a gate need to open?"]),
        Exit::Yes,
    ),
    scene(
        "How fast was that? A claim, decided by measurements, which are a receipt as well.",
        Doing::Bizra(&[
            "bench",
            "embedded",
            "-p",
            "32",
            "-n",
            "16",
            "--rounds",
            "10",
            "--no-load",
            "--claim",
            "decode >= 20 tok/s",
        ]),
        Exit::Yes,
    ),
    scene(
        "Are the kernels that computed it right? Against references in f64, in a process that can't know the inputs.",
        Doing::Bizra(&["kernel", "verify", "rmsnorm", "--quick", "--no-receipt"]),
        Exit::Yes,
    ),
    scene(
        "Third part: somebody's signed word about the criterion.",
        Doing::Bizra(&["attest", "--role", "lead", "--score", "9", "--criterion", "first/reviewed"]),
        Exit::Yes,
    ),
    scene("Now the gate is open.", Doing::Bizra(&["roadmap", "gate"]), Exit::Yes),
    scene("The standup writes itself.", Doing::Bizra(&["sprint", "standup"]), Exit::Yes),
    scene("Less is uncertain than before.", Doing::Bizra(&["entropy", "--since", "HEAD~1"]), Exit::Yes),
    scene("Does the ledger hold?", Doing::Bizra(&["receipts", "audit"]), Exit::Yes),
    scene("Somebody who has git, but not the key, makes the 9 of the review a 10.", Doing::Forge, Exit::Yes),
    scene("The audit refuses the ledger.", Doing::Bizra(&["receipts", "audit"]), Exit::Integrity),
];

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let _held = session.env.interrupt.defer();
    let stage = stage::Stage::build(session)?;
    let mut steps = Vec::new();
    for scene in SCENES {
        let began = session.env.clock.monotonic();
        let shown = scene.doing.shown();
        announce(session, scene.why, &shown)?;
        let done = match scene.doing {
            Doing::Bizra(words) => stage.bizra(session, words)?,
            Doing::Git(words) => stage.git(session, words)?,
            Doing::Write { path, text } => stage.write(path, text)?,
            Doing::Forge => forge::review(&stage, session)?,
        };
        if !session.json {
            session.ui.speech(&done.said)?;
        }
        let seconds = session.env.clock.monotonic().saturating_sub(began).as_secs_f64();
        let step = Step {
            why: scene.why,
            command: shown,
            exit: done.exit,
            expected: scene.ends.code(),
            seconds,
            said: done.said,
        };
        let as_told = step.as_expected();
        steps.push(step);
        // What comes after rests on it.
        if !as_told {
            break;
        }
    }
    let failed = steps.last().filter(|step| !step.as_expected()).map(|step| {
        Error::new(
            Exit::No,
            format!("`{}` ended with {}, and {} was expected", step.command, step.ended(), step.expected),
        )
        .hint("`bizra doctor` says what this machine can do")
    });
    let kept = args.keep.then(|| stage.keep());
    let played = Played { steps, of: SCENES.len(), kept };
    Ok(Outcome::because(played, failed.into_iter().collect()))
}

fn announce(session: &mut Session, why: &str, command: &str) -> Result<()> {
    if session.json {
        return Ok(());
    }
    let gap = if why.is_empty() { String::new() } else { format!("\n# {why}\n") };
    session.ui.raw(format!("{gap}$ {command}\n").as_bytes())
}

impl Doing {
    /// As one would type it.
    fn shown(self) -> String {
        match self {
            Doing::Bizra(words) => typed("bizra", words),
            Doing::Git(words) => typed("git", words),
            Doing::Write { path, .. } => format!("$EDITOR {path}"),
            Doing::Forge => forge::SHOWN.to_owned(),
        }
    }
}

fn typed(program: &str, words: &[&str]) -> String {
    let plain = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./=~:,".contains(&b));
    let quoted = words.iter().map(|word| if plain(word) { (*word).to_owned() } else { format!("'{word}'") });
    std::iter::once(program.to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn commands_can_be_typed_as_they_are_shown() {
        assert_eq!(typed("bizra", &["infer", "Why?"]), "bizra infer 'Why?'");
        assert_eq!(typed("git", &["commit", "--message=The plan"]), "git commit '--message=The plan'");
        assert_eq!(typed("bizra", &["entropy", "--since", "HEAD~1"]), "bizra entropy --since HEAD~1");
    }
}
