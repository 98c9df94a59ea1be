//! Decisions by evidence that become receipts: the gates of phases, and the last decision of a sprint.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Session;
use super::evidence::{Evidence, Moment, files_of};
use crate::env::Env;
use crate::error::{Error, Exit, Result};
use crate::plan::gate::{self, Commands, Decision, Inputs, Outcome as Verdict, Ran};
use crate::receipts::hex;
use crate::receipts::policy::SignedPolicy;
use crate::receipts::predicates::{DecidedCriterion, GO_NO_GO, GateDecision};
use crate::receipts::receipt::Content;
use crate::receipts::stamp::Time;
use crate::receipts::statement::{Draft, Subject};
use crate::sprint::gonogo;
use crate::sys::folders;
use crate::sys::git_files::RepositoryFiles;
use crate::sys::index::Index;
use crate::sys::plans::{self, Loaded};
use crate::sys::process::{self, Around};
use crate::view::roadmap::gate::{Decided, Format};

#[derive(clap::Args)]
pub(super) struct Flags {
    /// Look at the files of this revision instead of the work tree
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Show the evidence of every criterion, also where it is met
    #[arg(long)]
    pub explain: bool,
    /// Decide, and leave no receipt
    #[arg(long)]
    dry_run: bool,
    /// Run the commands that the plan names as evidence
    #[arg(long)]
    allow_commands: bool,
    /// Run them although the plan differs from the default branch's
    #[arg(long, requires = "allow_commands")]
    force_commands: bool,
    /// Read every receipt again, and refuse where the index that finds them did not agree with the ledger
    #[arg(long)]
    verify_index: bool,
    /// How to print the decision
    #[arg(long, value_enum, default_value = "table")]
    format: FormatArg,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    Table,
    Junit,
    Github,
    Md,
}

impl Flags {
    pub(super) fn format(&self) -> Format {
        match self.format {
            FormatArg::Table => Format::Table,
            FormatArg::Junit => Format::Junit,
            FormatArg::Github => Format::Github,
            FormatArg::Md => Format::Markdown,
        }
    }
}

/// The files that are looked at.
pub(super) struct Sight {
    pub files: RepositoryFiles,
    pub root: PathBuf,
    /// The commit, where it is not the work tree.
    pub rev: Option<String>,
}

impl Sight {
    pub(super) fn of(flags: &Flags, session: &Session) -> Result<Self> {
        let (mut files, root) = files_of(session)?;
        let rev = flags.at.as_deref().map(|rev| files.at(rev)).transpose()?;
        Ok(Sight { files, root, rev })
    }

    /// The plan of a path below the root.
    pub(super) fn read(&self, path: String) -> Result<Read> {
        let Some(bytes) = self.files.bytes(&path)? else {
            return Err(Error::invalid(format!("there is no file {path}")).hint("check the path and its spelling"));
        };
        let loaded = plans::read(path.as_ref(), &bytes).map_err(|mut problems| problems.swap_remove(0))?;
        Ok(Read { loaded, path, bytes })
    }
}

/// A plan, and where it was read from.
pub(super) struct Read {
    pub loaded: Loaded,
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Where the index that finds receipts was not what the ledger holds, for those who ask.
pub(super) fn index_faults(flags: &Flags, session: &Session) -> Result<Vec<Error>> {
    let ledger = session.ledger_if_there()?;
    let Some((ledger, cache)) = ledger.filter(|_| flags.verify_index).zip(folders::cache(&session.env.vars)) else {
        return Ok(Vec::new());
    };
    let fault = |path: PathBuf| {
        Error::new(Exit::Integrity, format!("the index {} was not what the ledger holds", path.display()))
            .hint("it is made again now: decide once more, and ask who can write there")
    };
    Ok(Index::verify(&ledger, &cache)?.into_iter().map(fault).collect())
}

/// Decides each of these matters, and records every yes and no.
pub(super) fn take<T>(
    session: &mut Session,
    flags: &Flags,
    sight: &Sight,
    moment: Moment,
    matters: Vec<(&Read, T)>,
    decide: impl Fn(&Read, &T, &Inputs<'_>) -> Result<Decision>,
) -> Result<Vec<Decided>> {
    let ledger = session.ledger_if_there()?;
    let policy = session.policy()?;
    let evidence = Evidence::open(session, ledger.as_ref(), policy.as_ref(), moment)?;
    evidence.warn(session);
    let mut decided = Vec::new();
    for (read, matter) in &matters {
        let refused = may_run(flags, &sight.files, read)?;
        let runner = Runner { refused, env: &session.env, root: &sight.root };
        let inputs = Inputs {
            receipts: &evidence,
            files: &sight.files,
            commands: &runner,
            now: moment.now,
            has_policy: policy.is_some(),
            every_key: false,
        };
        decided.push((*read, decide(read, matter, &inputs)?));
    }
    let mut answer = Vec::new();
    for (read, decision) in decided {
        let receipt = match decision.outcome {
            Verdict::Met | Verdict::Failed if !flags.dry_run => {
                let claim = claim(&decision, moment, sight.rev.clone(), policy.as_ref(), flags.allow_commands)?;
                let draft = Draft::new(vec![Subject::of_bytes(read.path.as_str(), &read.bytes)], &claim)?;
                let without = "`--dry-run` decides without a receipt";
                session.record(&draft).map_err(|error| error.hint(without))?.map(|id| id.to_string())
            }
            _ => None,
        };
        answer.push(Decided { decision, path: read.path.clone(), receipt });
    }
    Ok(answer)
}

/// What keeps a decision from being a yes, as a reason that begins with `message`.
pub(super) fn reason(decision: &Decision, message: String) -> Option<Error> {
    let exit = match decision.outcome {
        Verdict::Met => return None,
        Verdict::Failed => Exit::No,
        Verdict::Pending(_) => Exit::Undecided,
        Verdict::Untrusted => Exit::Integrity,
    };
    let mut error = Error::new(exit, message);
    let alike = decision.criteria.iter().find(|c| c.judged.outcome.word() == decision.outcome.word());
    if let Some((criterion, next)) = alike.and_then(|c| Some((c, c.judged.next.as_ref()?))) {
        error = error.hint(format!("{}: {next}", criterion.id));
    }
    Some(error)
}

/// Why commands are not to be run; none when they may.
fn may_run(flags: &Flags, files: &RepositoryFiles, read: &Read) -> Result<Option<Ran>> {
    let refused = |why: String, next| Ok(Some(Ran::Refused { why, next }));
    if !flags.allow_commands {
        return refused(
            "commands are not run unless allowed".into(),
            "look at the command, then allow it: --allow-commands",
        );
    }
    if flags.at.is_some() {
        let why = "commands run in the work tree only, and --at looks at a revision";
        return refused(why.into(), "leave --at out");
    }
    if flags.force_commands {
        return Ok(None);
    }
    match files.on_default_branch(&read.path, &read.bytes)? {
        (_, true) => Ok(None),
        (Some(branch), false) => refused(
            format!("{} differs from {branch}'s", read.path),
            "look at the command, then merge the plan first, or run it all the same: --force-commands",
        ),
        (None, false) => refused(
            "there is no default branch to compare the plan with".into(),
            "look at the command, then run it all the same: --force-commands",
        ),
    }
}

fn outcomes(decision: &Decision) -> Vec<DecidedCriterion> {
    let hash = |id: &String| hex::decode(id);
    let one = |c: &gate::Criterion| DecidedCriterion {
        id: c.id.clone(),
        outcome: c.judged.outcome.word().to_owned(),
        receipts: c.judged.receipts.iter().filter_map(hash).collect(),
    };
    decision.criteria.iter().map(one).collect()
}

fn claim(
    decision: &Decision,
    moment: Moment,
    rev: Option<String>,
    policy: Option<&SignedPolicy>,
    commands: bool,
) -> Result<GateDecision> {
    let criteria = outcomes(decision);
    Ok(GateDecision {
        plan: decision.plan.clone(),
        phase: decision.phase.clone(),
        policy: decision.policy.clone(),
        passed: decision.outcome == Verdict::Met,
        now: Time::new(moment.now).ok_or_else(|| Error::usage("--now lies outside the years 0 to 9999"))?,
        now_given: moment.given,
        rev,
        trust: policy.map(|p| p.digest),
        criteria: criteria.len() as u64,
        met: decision.count("met") as u64,
        commands,
        digest: GateDecision::digest_of(&criteria),
        listed: GateDecision::listing(&criteria),
    })
}

/// Decides again what a receipt says was decided. `Err` says why it can't be told here.
pub(in crate::cli) fn replay(
    session: &Session,
    content: &Content,
) -> Result<std::result::Result<(bool, String), String>> {
    let Some(Ok(said)) = content.statement.predicate::<GateDecision>() else {
        return Ok(Err("it holds no decision".into()));
    };
    if said.commands {
        return Ok(Err("commands were part of the decision".into()));
    }
    let Some(subject) = content.statement.subjects.first() else { return Ok(Err("it names no plan".into())) };
    let (mut files, root) = files_of(session)?;
    if let Some(rev) = &said.rev
        && files.at(rev).is_err()
    {
        return Ok(Err(format!("commit {rev} is not in this repository")));
    }
    let Some(bytes) = files.bytes(&subject.name)? else { return Ok(Err(format!("{} is not there", subject.name))) };
    if Subject::of_bytes("", &bytes).digest("sha256") != subject.digest("sha256") {
        return Ok(Err(format!("{} has changed since", subject.name)));
    }
    let policy = session.policy()?;
    if policy.as_ref().map(|p| p.digest) != said.trust {
        return Ok(Err("another trust policy is in force".into()));
    }
    let Ok(loaded) = plans::read(subject.name.as_ref(), &bytes) else {
        return Ok(Err("the plan can't be read".into()));
    };
    let phase = loaded.plan.phases.iter().chain(&loaded.plan.tiers).find(|p| p.id.value.0 == said.phase);
    let ledger = session.ledger_if_there()?;
    let now = said.now.timestamp();
    let evidence = Evidence::open(session, ledger.as_ref(), policy.as_ref(), Moment { now, given: true })?;
    let refused = Some(Ran::Refused { why: "commands are not run again".to_owned(), next: "decide anew" });
    let runner = Runner { refused, env: &session.env, root: &root };
    let inputs = Inputs {
        receipts: &evidence,
        files: &files,
        commands: &runner,
        now,
        has_policy: policy.is_some(),
        every_key: false,
    };
    let decision = match phase {
        _ if said.policy == GO_NO_GO => gonogo::decide(&loaded.plan, &loaded.source, &inputs)?,
        Some(phase) => gate::decide(&loaded.plan, &loaded.source, phase, &inputs)?,
        None => return Ok(Err(format!("the plan has no phase {}", said.phase))),
    };
    let same = GateDecision::digest_of(&outcomes(&decision)) == said.digest
        && (decision.outcome == Verdict::Met) == said.passed;
    if !same && said.rev.is_none() {
        return Ok(Err("the work tree that was looked at may have changed since".into()));
    }
    let what = match said.policy.as_str() {
        GO_NO_GO => format!("the go/no-go of {}", decision.plan),
        _ => format!("the gate of {}", decision.phase),
    };
    Ok(Ok((same, format!("{what} is {}", decision.outcome.words()))))
}

struct Runner<'a> {
    refused: Option<Ran>,
    env: &'a Env,
    root: &'a Path,
}

impl Commands for Runner<'_> {
    fn run(&self, argv: &[&str], limit: Duration) -> Result<Ran> {
        if let Some(refused) = &self.refused {
            return Ok(refused.clone());
        }
        let Env { vars, clock, interrupt, .. } = self.env;
        process::run(argv, &Around { folder: self.root, vars, clock: &**clock, interrupt }, limit)
    }
}
