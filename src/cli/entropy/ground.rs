//! What H is measured on: the repository's history, its plans, its code, and the ledger as it was at a moment.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;

use jiff::tz::TimeZone;

use super::super::Session;
use super::super::evidence::{Evidence, Moment as Time, files_of};
use super::lock::{self, Held};
use crate::entropy::bits::{Standing, Table};
use crate::entropy::claims::{self, Claim, Weighed};
use crate::entropy::course::Course;
use crate::entropy::measure::{File, Moment};
use crate::entropy::runs::Run;
use crate::entropy::scatter::{self, DayChange};
use crate::entropy::scope::{self, LeftOut};
use crate::entropy::units::Unit;
use crate::error::{Error, Result};
use crate::plan::gate::{self, About, Commands, Inputs, Judged, Matter, Ran, Receipt, Receipts, proof};
use crate::plan::schema::PlanKind;
use crate::receipts::policy::SignedPolicy;
use crate::receipts::predicates::{Entropy, Predicate as _, TestRun};
use crate::sys::git_code::{CodeHistory, Oid, Stood, Tip, TreeFile};
use crate::sys::git_files::RepositoryFiles;
use crate::sys::git_units::{Content, UnitCache};
use crate::sys::ledger::Ledger;
use crate::sys::plans::{self, Loaded};
use crate::sys::{files, folders};

pub(super) struct Ground {
    pub(super) root: PathBuf,
    pub(super) history: CodeHistory,
    pub(super) baseline: Option<Held>,
    pub(super) cache: UnitCache,
    ledger: Option<Ledger>,
    policy: Option<SignedPolicy>,
    threads: usize,
}

/// One moment, looked at whole.
pub(super) struct Seen {
    pub(super) tip: Tip,
    pub(super) claims: Vec<Weighed>,
    files: Vec<TreeFile>,
    runs: Vec<Run>,
    /// Files with code that does not count, and why.
    pub(super) left_out: Vec<(String, LeftOut)>,
}

impl Ground {
    pub(super) fn open(session: &mut Session) -> Result<Ground> {
        let root = session.root();
        if !matches!(&session.setup.repository, Ok(Some(_))) {
            return Err(Error::cannot("there is no repository here, and H is measured on one")
                .hint("`bizra init` begins one, --repo PATH names another"));
        }
        let history = CodeHistory::open(&root)?;
        let cache = UnitCache::open(&root, folders::cache(&session.env.vars));
        let baseline = lock::read(session, &root)?;
        let threads = bizra_kernels::default_threads();
        let mut ground = Ground {
            history,
            baseline,
            cache,
            ledger: session.ledger_if_there()?,
            policy: session.policy()?,
            threads,
            root,
        };
        ground.complete(session)?;
        Ok(ground)
    }

    /// Holds an older baseline to what was asked for in the commit that it was made from, where that can be read.
    fn complete(&mut self, session: &Session) -> Result<()> {
        let Some(Held { baseline, .. }) = self.baseline.as_ref().filter(|held| !held.baseline.whole) else {
            return Ok(());
        };
        let Some(tip) = self.history.rev(&baseline.commit).filter(|tip| tip.commit == baseline.commit) else {
            return Ok(());
        };
        let (files, _) = self.files_at(session, &tip)?;
        // What can't be read any more is no fault of the plans of today.
        let Ok(plans) = self.plans(&files) else { return Ok(()) };
        let asked =
            plans.iter().flat_map(|loaded| claims::listed(&loaded.plan)).map(|(id, _, asks)| (id, asks)).collect();
        if let Some(held) = &mut self.baseline {
            held.baseline.complete(&asked);
        }
        Ok(())
    }

    pub(super) fn table(&self) -> Table {
        self.baseline.as_ref().map(|held| held.baseline.table()).unwrap_or_default()
    }

    /// The zone that days are counted in: the user's, else the first plan's.
    pub(super) fn zone(&self, session: &Session, tip: &Tip) -> Result<TimeZone> {
        let (files, _) = self.files_at(session, tip)?;
        let plans = self.plans(&files)?;
        let roadmap = plans.iter().find(|loaded| loaded.plan.bizra.value == PlanKind::Roadmap);
        let plan = roadmap.or(plans.first());
        Ok(session.config.zone(plan.map_or(TimeZone::UTC, |loaded| loaded.plan.timezone.value.get())))
    }

    /// The phases of a commit's plans, each with its claims.
    pub(super) fn phases(&self, session: &Session, tip: &Tip) -> Result<Vec<(String, Vec<String>)>> {
        let (files, _) = self.files_at(session, tip)?;
        Ok(self.plans(&files)?.iter().flat_map(|loaded| claims::by_phase(&loaded.plan).collect::<Vec<_>>()).collect())
    }

    fn files_at(&self, session: &Session, tip: &Tip) -> Result<(RepositoryFiles, PathBuf)> {
        let (mut files, root) = files_of(session)?;
        files.at(&tip.commit)?;
        Ok((files, root))
    }

    fn plans(&self, files: &RepositoryFiles) -> Result<Vec<Loaded>> {
        let mut loaded = Vec::new();
        for folder in plans::FOLDERS {
            for name in files.names_in(folder)?.into_iter().filter(|n| n.ends_with(".yaml") || n.ends_with(".yml")) {
                let Some(bytes) = files.bytes(&name)? else { continue };
                loaded.push(plans::read(name.as_ref(), &bytes).map_err(|mut problems| problems.swap_remove(0))?);
            }
        }
        Ok(loaded)
    }

    fn evidence<'e>(&'e self, session: &Session, time: Time) -> Result<Evidence<'e>> {
        Evidence::open(session, self.ledger.as_ref(), self.policy.as_ref(), time)
    }

    /// The claims of a commit's plans, with the evidence that there was at `at`; now, when that is `None`.
    pub(super) fn claims(&self, session: &Session, tip: &Tip, at: Option<Time>) -> Result<Vec<Claim>> {
        let time = at.unwrap_or_else(|| Time::of(session));
        let evidence = self.evidence(session, time)?;
        self.judged(session, tip, time, &evidence)
    }

    fn judged(&self, session: &Session, tip: &Tip, time: Time, evidence: &Evidence<'_>) -> Result<Vec<Claim>> {
        let (files, _) = self.files_at(session, tip)?;
        let inputs = Inputs {
            receipts: &WithoutOwn(evidence),
            files: &files,
            commands: &NoCommands,
            now: time.now,
            has_policy: self.policy.is_some(),
            every_key: true,
        };
        let mut all = Vec::new();
        for Loaded { plan, source, .. } in &self.plans(&files)? {
            let mut judged: HashMap<String, Judged> =
                proof::of_work(plan, source, &inputs)?.into_iter().map(|(id, j)| (id.to_owned(), j)).collect();
            judged.extend(gate::criteria(plan, source, &inputs)?.into_iter().map(|(id, j)| (id.to_owned(), j)));
            let owners: HashMap<&str, Vec<&str>> =
                Matter::all(plan).map(|matter| (matter.id.0.as_str(), matter.owners(plan))).collect();
            for (id, hours, asks) in claims::listed(plan) {
                let local = id.split_once('/').map_or(id.as_str(), |(_, local)| local);
                let Some(judged) = judged.get(local) else { continue };
                let owners = owners.get(local).map(Vec::as_slice).unwrap_or_default();
                let standing = claims::standing(judged, &|receipts| standing_of(evidence, receipts, owners));
                all.push(Claim {
                    hours,
                    asks,
                    standing,
                    reason: reason(judged, standing),
                    receipts: judged.receipts.clone(),
                    id,
                });
            }
        }
        Ok(all)
    }

    /// Everything at a commit, by the evidence that there was at `at`.
    pub(super) fn see(&mut self, session: &Session, tip: Tip, at: Option<Time>) -> Result<Seen> {
        let time = at.unwrap_or_else(|| Time::of(session));
        let files = self.history.files(tip.tree)?;
        let (mut counted, mut left_out) = (Vec::new(), Vec::new());
        for file in files {
            match file.special.or_else(|| scope::by_path(&file.path, file.said)) {
                Some(why) => left_out.push((file.path, why)),
                None => counted.push(file),
            }
        }
        self.cache.learn(counted.iter(), self.threads)?;
        counted.retain(|file| match self.cache.content(file) {
            Content::Units(_) => true,
            Content::LeftOut(why) => {
                left_out.push((file.path.clone(), *why));
                false
            }
            Content::NoCode => false,
        });
        let evidence = self.evidence(session, time)?;
        let claims = self.weighed(session, &tip, time, &evidence)?;
        let runs = runs(&evidence, &evidence.find("test-run", About::Anything))?;
        Ok(Seen { tip, claims, files: counted, runs, left_out })
    }

    fn weighed(&self, session: &Session, tip: &Tip, time: Time, evidence: &Evidence<'_>) -> Result<Vec<Weighed>> {
        let claims = self.judged(session, tip, time, evidence)?;
        let changes = lock::changes(evidence, self.baseline.as_ref())?;
        let baseline = self.baseline.as_ref().map(|held| &held.baseline);
        Ok(claims::weighed(&claims, baseline, &changes, &self.table()))
    }

    /// The claims at each of these moments, and V. What lies between two of them is all that is looked at.
    pub(super) fn course(&mut self, session: &Session, moments: &[(Time, Tip)]) -> Result<Vec<(Vec<Weighed>, f64)>> {
        let Some((first, _)) = moments.first() else { return Ok(Vec::new()) };
        let steps = self.steps(moments)?;
        let mut evidence = self.evidence(session, *first)?;
        let table = self.table();
        let (mut course, mut known) = (Course::default(), (Vec::new(), Vec::new()));
        let mut all = Vec::with_capacity(moments.len());
        for ((time, tip), step) in moments.iter().zip(steps) {
            evidence.as_of(*time);
            let there = places_of_runs(&evidence)?;
            if there != known.0 {
                known = (there.clone(), runs(&evidence, &there)?);
            }
            match &step {
                Step::Whole(files) => {
                    course = Course::default();
                    files.iter().for_each(|file| course.add(self.units(file)));
                }
                Step::Changed(changed) => {
                    for (was, is) in changed {
                        was.iter().filter(counts).for_each(|file| course.remove(self.units(file)));
                        is.iter().filter(counts).for_each(|file| course.add(self.units(file)));
                    }
                }
            }
            all.push((self.weighed(session, tip, *time, &evidence)?, course.v(&known.1, &table)));
        }
        Ok(all)
    }

    /// The first tip as a whole, and what leads from each to the next; all code in them is learned.
    fn steps(&mut self, moments: &[(Time, Tip)]) -> Result<Vec<Step>> {
        let mut steps = Vec::with_capacity(moments.len());
        let mut before: Option<Oid> = None;
        for (_, tip) in moments {
            let step = match before {
                None => None,
                Some(tree) if tree == tip.tree => Some(Vec::new()),
                Some(tree) => Some(self.history.changed(Some(tree), tip.tree)?),
            };
            // Attributes speak of files that did not change themselves.
            let speaks = |file: &Option<TreeFile>| file.as_ref().is_some_and(|f| f.path.ends_with(".gitattributes"));
            steps.push(match step.filter(|changed| !changed.iter().any(|(was, is)| speaks(was) || speaks(is))) {
                Some(changed) => Step::Changed(changed),
                None => {
                    let files = self.history.files(tip.tree)?;
                    Step::Whole(files.into_iter().filter(|f| f.special.is_none() && counts(&f)).collect())
                }
            });
            before = Some(tip.tree);
        }
        let files = steps.iter().flat_map(|step| -> Box<dyn Iterator<Item = &TreeFile>> {
            match step {
                Step::Whole(files) => Box::new(files.iter()),
                Step::Changed(changed) => Box::new(changed.iter().flat_map(|(was, is)| was.iter().chain(is))),
            }
        });
        self.cache.learn(files.filter(counts), self.threads)?;
        Ok(steps)
    }

    pub(super) fn moment<'a>(&'a self, seen: &'a Seen) -> Moment<'a> {
        let files: Vec<File<'a>> = seen.files.iter().filter_map(|file| self.file(file)).collect();
        Moment::of(seen.claims.clone(), &files, &seen.runs, &self.table())
    }

    fn file<'a>(&'a self, file: &'a TreeFile) -> Option<File<'a>> {
        match self.cache.content(file) {
            Content::Units(units) => Some(File { path: &file.path, units }),
            _ => None,
        }
    }

    fn units(&self, file: &TreeFile) -> &[Unit] {
        match self.cache.content(file) {
            Content::Units(units) => units,
            _ => &[],
        }
    }

    /// What each of the days before `ends` changed on balance. `ends` are the ends of days, latest first.
    pub(super) fn days(&mut self, ends: &[i64]) -> Result<Vec<DayChange>> {
        let stood = self.history.tips_at(ends)?;
        let trees: Vec<Option<Oid>> = stood
            .iter()
            .map(|stood| match stood {
                Stood::Here(tip) => Some(tip.tree),
                Stood::Nothing | Stood::Unknown => None,
            })
            .collect();
        let mut changes = Vec::new();
        for (age, (pair, before)) in (0..).zip(trees.windows(2).zip(&stood[1..])) {
            let [Some(after), earlier] = pair else { break };
            if *before == Stood::Unknown {
                break;
            }
            if Some(*after) != *earlier {
                changes.push((age, self.history.changed(*earlier, *after)?));
            }
        }
        // All days together, so that every core has something to split until the end.
        let files = changes.iter().flat_map(|(_, changed)| changed).flat_map(|(old, new)| old.iter().chain(new));
        self.cache.learn(files.filter(counts), self.threads)?;
        Ok(changes.iter().map(|(age, changed)| DayChange { age: *age, tokens: self.net_change(changed) }).collect())
    }

    /// Tokens of the units that are on one side only, by file.
    fn net_change(&self, changed: &[Changed]) -> BTreeMap<String, u64> {
        let mut old: HashMap<_, (u64, &str)> = HashMap::new();
        let mut new: HashMap<_, (u64, &str)> = HashMap::new();
        for (was, is) in changed {
            for (side, file) in [(&mut old, was), (&mut new, is)] {
                let Some(file) = file.as_ref().filter(counts).and_then(|f| self.file(f)) else { continue };
                side.extend(file.units.iter().map(|u| (u.id, (u64::from(u.tokens), file.path))));
            }
        }
        let mut tokens: BTreeMap<String, u64> = BTreeMap::new();
        let gone = old.iter().filter(|(id, _)| !new.contains_key(*id));
        let come = new.iter().filter(|(id, _)| !old.contains_key(*id));
        for (_, (count, path)) in gone.chain(come) {
            *tokens.entry((*path).to_owned()).or_default() += count;
        }
        tokens
    }

    /// Whether a commit carries the baseline that is in force.
    pub(super) fn holds_baseline(&self, tip: &Tip) -> Result<bool> {
        let theirs = self.history.file(tip, lock::FILE)?;
        let ours = files::read_if_there(&self.root.join(lock::FILE))?;
        Ok(theirs.is_some() && theirs == ours)
    }

    pub(super) fn scatter(&mut self, ends: &[i64]) -> Result<(Option<scatter::Scatter>, Vec<DayChange>)> {
        let days = self.days(ends)?;
        Ok((scatter::of(&days), days))
    }
}

/// A file as it was and as it is.
type Changed = (Option<TreeFile>, Option<TreeFile>);

/// How the code of one moment comes from that of another.
enum Step {
    Whole(Vec<TreeFile>),
    Changed(Vec<Changed>),
}

fn counts(file: &&TreeFile) -> bool {
    scope::by_path(&file.path, file.said).is_none()
}

/// H is no evidence for the claims that it is measured on: else every measurement would lower the next.
struct WithoutOwn<'e, 'l>(&'e Evidence<'l>);

impl Receipts for WithoutOwn<'_, '_> {
    fn find(&self, predicate: &str, about: About<'_>) -> Vec<u32> {
        self.0.find(predicate, about)
    }

    fn commits(&self, predicate: &str) -> Vec<String> {
        self.0.commits(predicate)
    }

    fn open(&self, place: u32) -> Result<Option<Rc<Receipt>>> {
        Ok(self.0.open(place)?.filter(|receipt| receipt.statement.predicate_type != Entropy::TYPE))
    }
}

struct NoCommands;

impl Commands for NoCommands {
    fn run(&self, _: &[&str], _: std::time::Duration) -> Result<Ran> {
        Ok(Ran::Refused {
            why: "H is measured without running commands".into(),
            next: "let a gate run it: bizra roadmap gate --allow-commands",
        })
    }
}

/// What the receipts behind a leaf of evidence are worth.
fn standing_of(evidence: &Evidence<'_>, receipts: &[String], owners: &[&str]) -> Standing {
    let mut keys: Vec<String> = Vec::new();
    let mut best = Standing::Nothing;
    for id in receipts {
        let Some(receipt) = evidence.by_id(id).filter(|r| r.fault.is_none()) else { continue };
        let word = receipt.statement.predicate_type.contains(":attestation:");
        let standing = match &receipt.signer {
            _ if !word => Standing::Machine,
            Some(signer) if owners.iter().all(|o| o.to_lowercase() != signer.name.to_lowercase()) => {
                Standing::Independent
            }
            _ => Standing::Owner,
        };
        if !word && !keys.contains(&receipt.key) {
            keys.push(receipt.key.clone());
        }
        best = best.max(standing);
    }
    if keys.len() > 1 { Standing::Reproduced } else { best }
}

fn reason(judged: &Judged, standing: Standing) -> String {
    if standing != Standing::Nothing {
        return standing.words().to_owned();
    }
    let deciding = judged.deciding();
    let first = deciding.first().map_or_else(|| judged.found.clone(), |d| format!("{}: {}", d.wanted, d.found));
    format!("{} ({first})", judged.outcome.words())
}

/// Where runs of tests are told that had been made by then.
fn places_of_runs(evidence: &Evidence<'_>) -> Result<Vec<u32>> {
    let mut there = evidence.find("test-run", About::Anything);
    let opened: Result<Vec<bool>> = there.iter().map(|place| Ok(evidence.open(*place)?.is_some())).collect();
    let mut opened = opened?.into_iter();
    there.retain(|_| opened.next().unwrap_or_default());
    Ok(there)
}

/// The runs of tests that count, each from all of its parts.
fn runs(evidence: &Evidence<'_>, places: &[u32]) -> Result<Vec<Run>> {
    // By run and key: the parts by number, each with its receipt.
    type Parts = BTreeMap<u64, (TestRun, String)>;
    let mut parts: BTreeMap<([u8; 32], String), Parts> = BTreeMap::new();
    for place in places {
        let Some(receipt) = evidence.open(*place)?.filter(|r| r.fault.is_none()) else { continue };
        let Some(Ok(run)) = receipt.statement.predicate::<TestRun>() else { continue };
        let known = parts.entry((run.run, receipt.key.clone())).or_default();
        known.entry(run.part).or_insert((run, receipt.id.clone()));
    }
    let mut runs = Vec::new();
    for ((_, key), parts) in parts {
        let whole = parts.values().next().is_some_and(|(run, _)| run.parts == parts.len() as u64);
        if !whole || parts.values().any(|(run, _)| !run.all_passed()) {
            continue;
        }
        let mut joined = Run { receipts: Vec::new(), key, covered: Vec::new(), tests: Vec::new(), killed: None };
        for (run, id) in parts.into_values() {
            joined.receipts.push(id);
            joined.covered.extend(run.units);
            joined.tests.extend(run.tests);
            joined.killed = run.killed;
        }
        runs.push(joined);
    }
    Ok(runs)
}
