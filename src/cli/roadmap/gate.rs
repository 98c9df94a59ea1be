//! `bizra roadmap gate`: does the evidence open the gate?

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::{Outcome, Session};
use crate::env::{Clock, Vars};
use crate::error::{Error, Exit, Result};
use crate::plan::Linted;
use crate::receipts::finding::Code;
use crate::receipts::hex;
use crate::receipts::keys::PublicKey;
use crate::receipts::log::LogId;
use crate::receipts::policy::{Roles, SignedPolicy, Trust};
use crate::receipts::predicates::{DecidedCriterion, GateDecision};
use crate::receipts::receipt::Content;
use crate::receipts::stamp::Time;
use crate::receipts::statement::{Draft, Subject};
use crate::receipts::verify;
use crate::roadmap::gate::{
    self, About, Commands, Decision, Fault, Inputs, Outcome as Verdict, Ran, Receipt, Receipts, Signer,
};
use crate::sys::git_files::RepositoryFiles;
use crate::sys::index::Index;
use crate::sys::ledger::{Ledger, Log};
use crate::sys::plans::{self, Loaded};
use crate::sys::process;
use crate::view::roadmap::gate::{Decided, Format, Gated};

/// Clocks of machines differ a little: a receipt from this far ahead still counts.
const SKEW: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// Decide whether a phase's gate opens, by evidence and never by ticks
///
/// Each criterion ends as met, failed, pending (missing, expired, stale, foreign) or untrusted, with what was compared,
/// from which receipt, and the next step. Answers 0 when the gates are open, 1 when one failed, 4 when evidence is
/// missing, 5 when it hangs on evidence that nobody trusted stands behind. A yes and a no become receipts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap gate genesis                    May the phase be closed?
  bizra roadmap gate --explain                  Every gate, with the evidence behind each criterion
  bizra roadmap gate genesis --at v1.2          As of a revision's files
  bizra roadmap gate --format github            Annotations for a pull request")]
pub(super) struct Args {
    /// The phase [default: every phase that has a gate]
    #[arg(value_name = "PHASE")]
    phase: Option<String>,
    /// The plan file [default: all in roadmap/]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Look at the files of this revision instead of the work tree
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Show the evidence of every criterion, also where it is met
    #[arg(long)]
    explain: bool,
    /// Decide, and leave no receipt
    #[arg(long)]
    dry_run: bool,
    /// Run the commands that the plan names as evidence
    #[arg(long)]
    allow_commands: bool,
    /// Run them although the plan differs from the default branch's
    #[arg(long, requires = "allow_commands")]
    force_commands: bool,
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

/// A plan, and where it was read from.
struct Read {
    loaded: Loaded,
    path: String,
    bytes: Vec<u8>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let (mut files, root) = files_of(session)?;
    let rev = args.at.as_deref().map(|rev| files.at(rev)).transpose()?;
    let read = read_plans(args, session, &files, &root)?;
    let chosen = choose(args.phase.as_deref(), &read)?;
    let given = session.config.now(&jiff::tz::TimeZone::UTC);
    let now = given.unwrap_or_else(|| session.env.clock.wall());
    let horizon = if given.is_some() { now } else { now.checked_add(SKEW).unwrap_or(now) };
    let ledger = session.ledger_if_there()?;
    let policy = session.policy()?;
    let book = Book::open(session, ledger.as_ref(), policy.as_ref(), horizon)?;
    if book.index.unreadable() > 0 {
        let message =
            format!("{} entries of the ledger can't be read: `bizra receipts audit`", book.index.unreadable());
        session.ui.warn(message);
    }
    let mut decided = Vec::new();
    for (read, phase) in chosen {
        let refused = may_run(args, &files, read)?;
        let runner = Runner { refused, root: &root, vars: &session.env.vars, clock: &*session.env.clock };
        let inputs = Inputs { receipts: &book, files: &files, commands: &runner, now, has_policy: policy.is_some() };
        let phase = &read.loaded.plan.phases.iter().chain(&read.loaded.plan.tiers).nth(phase);
        let Some(phase) = phase else { continue };
        let decision = gate::decide(&read.loaded.plan, &read.loaded.source, phase, &inputs)?;
        decided.push((read, decision));
    }
    let mut reasons = Vec::new();
    let mut answer = Vec::new();
    for (read, decision) in decided {
        let receipt = match decision.outcome {
            Verdict::Met | Verdict::Failed if !args.dry_run => {
                let claim = claim(&decision, now, given.is_some(), rev.clone(), policy.as_ref(), args.allow_commands)?;
                let draft = Draft::new(vec![Subject::of_bytes(read.path.as_str(), &read.bytes)], &claim)?;
                session.record(&draft)?.map(|id| id.to_string())
            }
            _ => None,
        };
        reasons.extend(reason(&decision));
        answer.push(Decided { decision, path: read.path.clone(), receipt });
    }
    let receipt = answer.iter().rev().find_map(|d| d.receipt.clone());
    let format = match args.format {
        FormatArg::Table => Format::Table,
        FormatArg::Junit => Format::Junit,
        FormatArg::Github => Format::Github,
        FormatArg::Md => Format::Markdown,
    };
    let view = Gated { decided: answer, explain: args.explain, format, now: now.to_string(), rev };
    Ok(Outcome { receipt, ..Outcome::because(view, reasons) })
}

pub(super) fn files_of(session: &Session) -> Result<(RepositoryFiles, PathBuf)> {
    let root = session.root();
    let in_repository = matches!(&session.setup.repository, Ok(Some(found)) if found.work_dir.is_some());
    Ok((RepositoryFiles::open(&root, in_repository)?, root))
}

fn read_plans(args: &Args, session: &Session, files: &RepositoryFiles, root: &std::path::Path) -> Result<Vec<Read>> {
    let paths = match &args.file {
        Some(file) => {
            let full = session.env.cwd.join(file);
            let inside = full.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/");
            vec![inside]
        }
        None => {
            let names = files.names_in("roadmap")?;
            names.into_iter().filter(|n| n.ends_with(".yaml") || n.ends_with(".yml")).collect()
        }
    };
    if paths.is_empty() {
        return Err(Error::invalid("there is no plan in roadmap/")
            .hint("name one with --file, or import one: `bizra roadmap import FILE.md`"));
    }
    let mut read = Vec::new();
    for path in paths {
        let Some(bytes) = files.bytes(&path)? else {
            return Err(Error::invalid(format!("there is no file {path}")).hint("check the path and its spelling"));
        };
        let loaded = plans::read(path.as_ref(), &bytes).map_err(|mut problems| problems.swap_remove(0))?;
        read.push(Read { loaded, path, bytes });
    }
    Ok(read)
}

/// The phases to decide, as numbers within their plans. Asking for nothing is never a yes.
fn choose<'a>(wanted: Option<&str>, read: &'a [Read]) -> Result<Vec<(&'a Read, usize)>> {
    let mut all = Vec::new();
    let mut names = Vec::new();
    for plan in read {
        for (number, phase) in plan.loaded.plan.phases.iter().chain(&plan.loaded.plan.tiers).enumerate() {
            let id = phase.id.value.0.as_str();
            names.push(id);
            if wanted.map_or(phase.gate.is_some(), |wanted| wanted == id) {
                all.push((plan, number));
            }
        }
    }
    match (wanted, all.len()) {
        (Some(wanted), 0) => {
            let error = Error::usage(format!("there is no phase `{wanted}`"));
            Err(match crate::error::nearest(wanted, names.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("phases: {}", names.join(", "))),
            })
        }
        (Some(wanted), 2..) => {
            let paths: Vec<&str> = all.iter().map(|(plan, _)| plan.path.as_str()).collect();
            Err(Error::usage(format!("several plans have a phase `{wanted}`"))
                .hint(format!("name one with --file: {}", paths.join(", "))))
        }
        (None, 0) => Err(Error::invalid("no phase has a gate, so there is nothing to decide")
            .hint("add `gate: {criteria: […]}` to a phase")),
        _ => Ok(all),
    }
}

/// Why commands are not to be run; none when they may.
fn may_run(args: &Args, files: &RepositoryFiles, read: &Read) -> Result<Option<String>> {
    if !args.allow_commands {
        return Ok(Some("commands are not run unless allowed".into()));
    }
    if args.at.is_some() {
        return Ok(Some("commands run in the work tree only, and --at looks at a revision".into()));
    }
    if args.force_commands {
        return Ok(None);
    }
    Ok(match files.on_default_branch(&read.path, &read.bytes)? {
        (_, true) => None,
        (Some(branch), false) => {
            Some(format!("{} differs from {branch}'s: merge it first, or --force-commands", read.path))
        }
        (None, false) => Some("there is no default branch to compare the plan with: --force-commands".into()),
    })
}

/// The done work of a plan of the work tree that evidence shows to be done. Commands are not run.
pub(super) fn proven(session: &mut Session, linted: &Linted<'_>) -> Result<HashSet<String>> {
    let (files, root) = files_of(session)?;
    let given = session.config.now(&jiff::tz::TimeZone::UTC);
    let now = given.unwrap_or_else(|| session.env.clock.wall());
    let ledger = session.ledger_if_there()?;
    let policy = session.policy()?;
    let horizon = if given.is_some() { now } else { now.checked_add(SKEW).unwrap_or(now) };
    let book = Book::open(session, ledger.as_ref(), policy.as_ref(), horizon)?;
    let refused = Some("only a gate runs commands".to_owned());
    let runner = Runner { refused, root: &root, vars: &session.env.vars, clock: &*session.env.clock };
    let inputs = Inputs { receipts: &book, files: &files, commands: &runner, now, has_policy: policy.is_some() };
    gate::proven(linted, &inputs)
}

fn reason(decision: &Decision) -> Option<Error> {
    let exit = match decision.outcome {
        Verdict::Met => return None,
        Verdict::Failed => Exit::No,
        Verdict::Pending(_) => Exit::Undecided,
        Verdict::Untrusted => Exit::Integrity,
    };
    let (met, all) = (decision.count("met"), decision.criteria.len());
    let message = format!(
        "the gate of {} is closed ({}): {met} of {all} criteria are met",
        decision.phase,
        decision.outcome.word()
    );
    let mut error = Error::new(exit, message);
    let alike = decision.criteria.iter().find(|c| c.judged.outcome.word() == decision.outcome.word());
    if let Some((criterion, next)) = alike.and_then(|c| Some((c, c.judged.next.as_ref()?))) {
        error = error.hint(format!("{}: {next}", criterion.id));
    }
    Some(error)
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
    now: Timestamp,
    now_given: bool,
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
        now: Time::new(now).ok_or_else(|| Error::usage("--now lies outside the years 0 to 9999"))?,
        now_given,
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
    let phases = loaded.plan.phases.iter().chain(&loaded.plan.tiers);
    let Some(phase) = phases.into_iter().find(|p| p.id.value.0 == said.phase) else {
        return Ok(Err(format!("the plan has no phase {}", said.phase)));
    };
    let ledger = session.ledger_if_there()?;
    let now = said.now.timestamp();
    let book = Book::open(session, ledger.as_ref(), policy.as_ref(), now)?;
    let refused = Some("commands are not run again".to_owned());
    let runner = Runner { refused, root: &root, vars: &session.env.vars, clock: &*session.env.clock };
    let inputs = Inputs { receipts: &book, files: &files, commands: &runner, now, has_policy: policy.is_some() };
    let decision = gate::decide(&loaded.plan, &loaded.source, phase, &inputs)?;
    let same = GateDecision::digest_of(&outcomes(&decision)) == said.digest
        && (decision.outcome == Verdict::Met) == said.passed;
    if !same && said.rev.is_none() {
        return Ok(Err("the work tree that was looked at may have changed since".into()));
    }
    Ok(Ok((same, format!("the gate of {} is {}", decision.phase, decision.outcome.words()))))
}

/// The ledger's receipts, found by the index and verified one by one.
struct Book<'a> {
    index: Index,
    logs: HashMap<LogId, OpenLog<'a>>,
    horizon: Timestamp,
    opened: RefCell<HashMap<u32, Option<Rc<Receipt>>>>,
}

struct OpenLog<'a> {
    log: Log<'a>,
    genesis: crate::receipts::Hash,
    trust: Trust,
    pending: HashMap<u64, Vec<u8>>,
}

impl<'a> Book<'a> {
    fn open(
        session: &Session,
        ledger: Option<&'a Ledger>,
        policy: Option<&SignedPolicy>,
        horizon: Timestamp,
    ) -> Result<Self> {
        let (mut index, mut logs) = (Index::default(), HashMap::new());
        if let Some(ledger) = ledger {
            let own = session.own_keys()?;
            for id in ledger.logs()? {
                let log = ledger.log(&id)?;
                let header = log.header()?;
                let pending = log.wal()?.pending.into_iter().map(|r| (r.index, r.envelope)).collect();
                let trust = match policy {
                    Some(policy) => Trust::Policy(policy.clone()),
                    None => own_trust(&id, &header.writer, &own),
                };
                logs.insert(id, OpenLog { log, genesis: header.genesis(), trust, pending });
            }
            index = Index::of(ledger)?;
        }
        Ok(Book { index, logs, horizon, opened: RefCell::default() })
    }

    fn read(&self, place: u32) -> Result<Option<Receipt>> {
        let Some(place) = self.index.place(place) else { return Ok(None) };
        let Some(open) = self.logs.get(&place.log) else { return Ok(None) };
        let bytes = match open.pending.get(&place.index) {
            Some(bytes) => bytes.clone(),
            None => open.log.entry(place.index)?,
        };
        let name = place.log.to_string();
        let at = verify::Place { log: &name, ledger: open.genesis, index: place.index };
        let judged = verify::at_place(&bytes, &open.trust, at);
        let Ok(content) = Content::read(&bytes) else { return Ok(None) };
        let time = content.statement.stamp.time.timestamp();
        if time > self.horizon {
            return Ok(None);
        }
        let fault = judged.findings.first().map(|finding| match finding.code {
            Code::LedgerIdMismatch if judged.findings.len() == 1 => Fault::Foreign(finding.detail.clone()),
            _ => Fault::Untrusted(format!("{}: {}", finding.code, finding.detail)),
        });
        let signer = match judged.roles {
            Some(Roles::Listed { name, roles }) => Some(Signer { name: name.to_owned(), roles: roles.to_vec() }),
            _ => None,
        };
        let key = content.envelope.keyid.to_string();
        Ok(Some(Receipt { id: content.id.to_string(), key, signer, time, statement: content.statement, fault }))
    }
}

/// Without a policy this machine's keys count, in their own logs only.
fn own_trust(log: &LogId, writer: &str, own: &[PublicKey]) -> Trust {
    let mine = own.iter().any(|key| key.id().to_string() == writer);
    Trust::Own { logs: vec![log.to_string()], keys: if mine { own.to_vec() } else { Vec::new() } }
}

impl Receipts for Book<'_> {
    fn find(&self, predicate: &str, about: About<'_>) -> Vec<u32> {
        self.index.find(predicate, about)
    }

    fn commits(&self, predicate: &str) -> Vec<String> {
        self.index.commits(predicate)
    }

    fn open(&self, place: u32) -> Result<Option<Rc<Receipt>>> {
        if let Some(known) = self.opened.borrow().get(&place) {
            return Ok(known.clone());
        }
        let read = self.read(place)?.map(Rc::new);
        self.opened.borrow_mut().insert(place, read.clone());
        Ok(read)
    }
}

struct Runner<'a> {
    refused: Option<String>,
    root: &'a std::path::Path,
    vars: &'a Vars,
    clock: &'a dyn Clock,
}

impl Commands for Runner<'_> {
    fn run(&self, argv: &[&str], limit: Duration) -> Result<Ran> {
        match &self.refused {
            Some(why) => Ok(Ran::Refused(why.clone())),
            None => Ok(process::run(argv, self.root, self.vars, self.clock, limit)),
        }
    }
}
