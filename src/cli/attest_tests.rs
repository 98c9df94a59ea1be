//! `bizra attest-tests`: reports of tests become a receipt that names the code they covered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::{Outcome, Session};
use crate::entropy::coverage::{self, Format, Report};
use crate::entropy::scope;
use crate::entropy::units::UnitId;
use crate::error::{Error, Exit, Place, Result};
use crate::receipts::predicates::{MOST_UNITS, TestRun};
use crate::receipts::statement::{Draft, Subject};
use crate::sys::files;
use crate::sys::git_code::{CodeHistory, TreeFile};
use crate::sys::git_units::{Content, split};
use crate::view::attest_tests::Ran;

/// Turn coverage and test reports into a signed receipt
///
/// The receipt names the units of code whose lines ran and the test code that stood in the tree, so that the evidence
/// ends when either changes. Reports are LCOV, Cobertura, LLVM's JSON export, JUnit, or cargo-mutants' outcomes; several
/// of one run are given together.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra attest-tests lcov.info                               Which code did the tests run?
  bizra attest-tests lcov.info junit.xml                     And which tests passed?
  bizra attest-tests --from cobertura coverage.xml mutants.out/outcomes.json")]
pub(super) struct Args {
    /// The reports
    #[arg(value_name = "REPORT", required = true, value_hint = clap::ValueHint::FilePath)]
    reports: Vec<PathBuf>,
    /// What the first report is [default: what it looks like]
    #[arg(long, value_enum, value_name = "FORMAT")]
    from: Option<FormatArg>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    Lcov,
    Cobertura,
    #[value(name = "llvm-cov.json", alias = "llvm-cov")]
    LlvmCov,
    Junit,
    Mutants,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Format {
        match format {
            FormatArg::Lcov => Format::Lcov,
            FormatArg::Cobertura => Format::Cobertura,
            FormatArg::LlvmCov => Format::LlvmCov,
            FormatArg::Junit => Format::Junit,
            FormatArg::Mutants => Format::Mutants,
        }
    }
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    if session.config.switch("no-receipt") {
        return Err(Error::usage("a run of tests is a receipt, so --no-receipt leaves nothing to do"));
    }
    let (report, digests, written) = read(args, session)?;
    let root = session.root();
    let history = CodeHistory::open(&root)?;
    let Some(tip) = history.head()? else {
        return Err(Error::new(Exit::Undecided, "the repository has no commit yet").hint("commit the code first"));
    };
    let tree = history.files(tip.tree)?;
    let tracked: BTreeSet<String> = tree.iter().map(|f| f.path.clone()).collect();
    let (mut units, mut tests): (BTreeMap<UnitId, u8>, BTreeSet<UnitId>) = (BTreeMap::new(), BTreeSet::new());
    let matched = matched(&report, &root, &tracked);
    for TreeFile { path, said, .. } in &tree {
        if scope::by_path(path, *said).is_some() {
            continue;
        }
        let full = root.join(path);
        let Ok(facts) = std::fs::symlink_metadata(&full) else { continue };
        if !facts.is_file() || facts.len() > scope::LARGEST {
            continue;
        }
        let Content::Units(found) = split(path, &files::read(&full)?, *said) else { continue };
        let lines = matched.get(path.as_str());
        if let (Some(_), Ok(changed)) = (lines, facts.modified())
            && changed > written
        {
            return Err(Error::new(Exit::Undecided, format!("{path} was changed after the report was written"))
                .hint("run the tests again, then attest"));
        }
        for unit in found {
            if unit.test {
                tests.insert(unit.id);
            } else if let Some(share) =
                lines.and_then(|lines| Report::share(lines, *unit.lines.start(), *unit.lines.end()))
            {
                let known = units.entry(unit.id).or_default();
                *known = share.max(*known);
            }
        }
    }
    let unmatched: Vec<String> =
        report.files.keys().filter(|name| place_of(name, &root, &tracked).is_none()).cloned().collect();
    if !report.files.is_empty() && matched.is_empty() {
        let first = report.files.keys().next().map_or("", String::as_str);
        return Err(Error::invalid(format!("no file of the report is in this repository: {first}, …"))
            .hint("run bizra in the repository that the tests ran in"));
    }
    units.retain(|_, share| *share > 0);
    if report.passed.is_empty() && report.failed.is_empty() && report.mutants.is_none() && units.is_empty() {
        return Err(Error::new(Exit::Undecided, format!("no test ran: {} were skipped", report.skipped.len()))
            .hint("a receipt takes a test that passed or failed, or a line that was reached"));
    }
    let mut run = Sha256::new();
    digests.iter().for_each(|(_, digest)| run.update(digest));
    let whole = TestRun {
        run: run.finalize().into(),
        part: 1,
        parts: 1,
        passed: report.passed.len() as u64,
        failed: report.failed.len() as u64,
        skipped: report.skipped.len() as u64,
        killed: report.mutants.map(|m| (m.caught * 1000 / m.tried.max(1)) as u16),
        units: units.into_iter().collect(),
        tests: tests.into_iter().collect(),
    };
    let mut subjects: Vec<Subject> =
        digests.iter().map(|(name, digest)| Subject::sha256(format!("report:{name}"), *digest)).collect();
    if history.is_clean()? {
        subjects.push(Subject::git("commit", "gitCommit", &tip.commit)?);
    }
    let mut receipts = Vec::new();
    for part in parts(&whole) {
        let draft = Draft::new(subjects.clone(), &part)?;
        receipts.extend(session.record(&draft)?.map(|id| id.to_string()));
    }
    let mut reasons = Vec::new();
    if !whole.all_passed() {
        let first = report.failed.first().cloned().unwrap_or_default();
        reasons.push(Error::new(Exit::No, format!("{} tests failed: {first}, …", whole.failed)));
    }
    let answer = Ran { run: whole, unmatched, files: matched.len(), receipts: receipts.clone() };
    Ok(Outcome { receipt: receipts.pop(), ..Outcome::because(answer, reasons) })
}

type Digests = Vec<(String, [u8; 32])>;

/// The reports put together, each file's digest, and when the first of them was written.
fn read(args: &Args, session: &Session) -> Result<(Report, Digests, SystemTime)> {
    let mut report = Report::default();
    let mut digests: Digests = Vec::new();
    let mut written: Option<SystemTime> = None;
    for (number, path) in args.reports.iter().enumerate() {
        let full = files::from(&session.env.cwd, path);
        let bytes = files::read(&full)?;
        let at = |line: Option<u32>| match line {
            Some(line) => Place { file: path.clone(), at: Some((line as usize, 1)), excerpt: None },
            None => Place::file(path),
        };
        let text = String::from_utf8(bytes)
            .map_err(|e| Error::invalid(format!("it is no text: {e}")).at(Place::file(path)))?;
        let named = args.from.filter(|_| number == 0).map(Format::from);
        let Some(format) = named.or_else(|| Format::guess(&text)) else {
            return Err(Error::invalid("this looks like none of the reports that can be read")
                .at(Place::file(path))
                .hint("say what it is: --from lcov|cobertura|llvm-cov.json|junit|mutants"));
        };
        coverage::read(format, &text, &mut report).map_err(|e| Error::invalid(e.to_string()).at(at(e.line)))?;
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let twice =
            digests.iter().filter(|(known, _)| *known == name || known.starts_with(&format!("{name} "))).count();
        digests.push((if twice > 0 { format!("{name} {}", twice + 1) } else { name }, digest));
        if let Ok(time) = std::fs::metadata(&full).and_then(|m| m.modified()) {
            written = Some(written.map_or(time, |known| known.min(time)));
        }
    }
    digests.sort_by_key(|(_, digest)| *digest);
    let written = written.ok_or_else(|| Error::cannot("no report says when it was written"))?;
    Ok((report, digests, written))
}

/// The lines of each tracked file that the report speaks of.
fn matched<'r>(
    report: &'r Report,
    root: &Path,
    tracked: &BTreeSet<String>,
) -> BTreeMap<String, &'r BTreeMap<u32, bool>> {
    let named =
        |(name, lines): (&String, &'r BTreeMap<u32, bool>)| place_of(name, root, tracked).map(|path| (path, lines));
    report.files.iter().filter_map(named).collect()
}

/// Reports name files absolutely, from the root, or from a folder of sources below it.
fn place_of(name: &str, root: &Path, tracked: &BTreeSet<String>) -> Option<String> {
    let name = name.replace('\\', "/");
    let inside = Path::new(&name).strip_prefix(root).ok().and_then(Path::to_str).unwrap_or(&name);
    let inside = inside.trim_start_matches("./");
    if tracked.contains(inside) {
        return Some(inside.to_owned());
    }
    let end = format!("/{inside}");
    let mut fits = tracked.iter().filter(|path| path.ends_with(&end));
    match (fits.next(), fits.next()) {
        (Some(only), None) => Some(only.clone()),
        _ => None,
    }
}

/// A run as the receipts that have room for it.
fn parts(whole: &TestRun) -> Vec<TestRun> {
    let mut parts = Vec::new();
    let (mut units, mut tests) = (whole.units.as_slice(), whole.tests.as_slice());
    while parts.is_empty() || !units.is_empty() || !tests.is_empty() {
        let (some, rest) = units.split_at(units.len().min(MOST_UNITS));
        let (checks, others) = tests.split_at(tests.len().min(MOST_UNITS - some.len()));
        (units, tests) = (rest, others);
        parts.push(TestRun { units: some.to_vec(), tests: checks.to_vec(), ..whole.clone() });
    }
    let count = parts.len() as u64;
    for (number, part) in (1..).zip(&mut parts) {
        (part.part, part.parts) = (number, count);
    }
    parts
}
