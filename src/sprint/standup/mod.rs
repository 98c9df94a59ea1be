//! The standup that writes itself: what a day of a sprint brought, by receipts first, then claims, then commits.
//!
//! [`tell`] takes what happened in a [`Window`] as values (commits, receipts, proofs, decisions, the plan before and
//! now) and returns the sections that the sprint asks for. How they look, and where history comes from, is elsewhere.

mod ahead;
pub mod commit;
mod entropy;
pub mod file;
pub mod link;
pub mod scope;
mod sections;
mod told;
pub mod window;

use std::collections::BTreeSet;
use std::rc::Rc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::Error;
use crate::plan::gate::{About, Decision, Receipt, Receipts};
use crate::plan::schema::Plan;
use crate::plan::source::Source;
use crate::receipts::statement::Value;
use crate::sprint::timeline::Position;
use crate::sprint::work::Board;
pub use commit::{Commit, Who};
pub use entropy::{Entropy, Measured};
pub use link::{Link, Linker};
pub use scope::{Before, Scope, Version};
pub use window::Window;

/// What a repository tells about a window.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Those of the window, each once, newest first.
    pub commits: Vec<Commit>,
    pub presence: Presence,
    /// The clone begins at commits whose parents it doesn't have.
    pub shallow: bool,
    /// Commits that are named as parents and are not there, though the clone is no shallow one.
    pub missing: usize,
    /// Commits dated later than a day after now.
    pub future: usize,
    /// Commits whose date can't be read.
    pub undated: usize,
    /// Branches that lead to no commit.
    pub broken: Vec<String>,
    /// Commits of the window whose files were not looked at, for there are too many.
    pub unlooked: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    #[default]
    NoRepository,
    NoCommit,
    Commits,
}

/// A receipt of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    /// `benchmark`, `inference`.
    pub kind: String,
    pub time: Timestamp,
    pub trusted: bool,
    /// For a gate's decision: the gate, and whether it opened.
    pub gate: Option<(String, bool)>,
}

/// Whose standup it is.
#[derive(Clone, Debug, Default)]
pub struct Whose {
    /// Names or addresses, as they are after the mailmap; everybody's where there is none.
    pub authors: Vec<String>,
    /// Told person by person.
    pub by_person: bool,
    /// The people of one team only.
    pub team: Option<String>,
}

pub struct Asked<'a> {
    pub now: Version<'a>,
    pub source: &'a Source,
    pub zone: &'a TimeZone,
    pub window: &'a Window,
    pub history: &'a History,
    pub board: &'a Board<'a>,
    /// What the gates of the sprint say.
    pub gates: &'a [Decision],
    /// Those of the window, newest first.
    pub receipts: &'a [Seen],
    pub before: &'a Before<'a>,
    pub entropy: &'a Entropy,
    pub whose: &'a Whose,
    /// Notes of the caller.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Standup {
    pub sprint: String,
    pub title: String,
    pub zone: String,
    pub heading: String,
    pub window: Window,
    /// What has to be known to read it right.
    pub notes: Vec<String>,
    pub sections: Vec<Section>,
    pub commits: Vec<Linked>,
    pub receipts: Vec<Seen>,
    pub scope: Option<Scope>,
    pub entropy: Entropy,
}

/// A commit that is told, and what it belongs to.
#[derive(Clone, Debug)]
pub struct Linked {
    pub commit: Commit,
    pub links: Vec<Link>,
    /// Names in its trailers that the sprint doesn't have.
    pub unknown: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Done,
    Blocked,
    Next,
    Entropy,
    Metrics,
    Risks,
    Scope,
    /// One that only people can write.
    Own,
}

impl Kind {
    /// What a sprint means by the name of a section.
    pub fn of(title: &str) -> Kind {
        let word: String = title.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
        match word.as_str() {
            "done" | "completed" => Kind::Done,
            "blocked" | "blockers" => Kind::Blocked,
            "next" | "nextsteps" => Kind::Next,
            "entropy" | "entropyδ" | "entropydelta" | "δentropy" => Kind::Entropy,
            "metrics" => Kind::Metrics,
            "risks" => Kind::Risks,
            _ => Kind::Own,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Kind::Done => "done",
            Kind::Blocked => "blocked",
            Kind::Next => "next",
            Kind::Entropy => "entropy",
            Kind::Metrics => "metrics",
            Kind::Risks => "risks",
            Kind::Scope => "scope",
            Kind::Own => "own",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Section {
    pub title: String,
    pub kind: Kind,
    pub groups: Vec<Group>,
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub label: Option<String>,
    pub entries: Vec<Entry>,
    /// How many more there are.
    pub more: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    #[default]
    None,
    /// The id of an item, package or task.
    Work(String),
    /// A commit's id.
    Commit(String),
}

#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub mark: Mark,
    pub text: String,
    pub who: Vec<String>,
    /// What is to be said about it, part by part.
    pub words: Vec<String>,
    pub receipts: Vec<String>,
    pub under: Vec<Entry>,
}

impl Entry {
    pub(super) fn text(text: impl Into<String>) -> Entry {
        Entry { text: text.into(), ..Entry::default() }
    }
}

/// What the sections are called where the sprint doesn't say.
const SECTIONS: [&str; 4] = ["Done", "Blocked", "Next", "Entropy Δ"];
const HEADING: &str = "Day N - YYYY-MM-DD";

pub fn tell(asked: Asked<'_>) -> Result<Standup, Error> {
    let plan = asked.now.plan;
    let linker = Linker::of(plan);
    let people = people_meant(plan, asked.whose)?;
    let commits: Vec<Linked> = asked
        .history
        .commits
        .iter()
        .filter(|commit| is_meant(commit, plan, asked.whose, people.as_ref()))
        .map(|commit| {
            let (links, unknown) = linker.links(commit);
            Linked { commit: commit.clone(), links, unknown }
        })
        .collect();
    let scope = Scope::between(asked.before, asked.now);
    let told = told::Told::of(&asked, &commits, people.as_ref());
    let own = plan.standup.iter().flat_map(|s| &s.sections).map(|s| s.value.as_str());
    let mut titles: Vec<&str> = own.collect();
    if titles.is_empty() {
        titles = SECTIONS.to_vec();
    }
    let mut written: Vec<Section> = titles.into_iter().map(|title| told.section(title)).collect();
    written.extend(scope.as_ref().map(sections::scope));
    Ok(Standup {
        sprint: plan.id.value.0.clone(),
        title: plan.title.value.clone(),
        zone: plan.timezone.value.0.clone(),
        heading: heading(plan, asked.window),
        window: asked.window.clone(),
        notes: notes(&asked, &commits),
        sections: written,
        commits,
        receipts: asked.receipts.to_vec(),
        scope,
        entropy: asked.entropy.clone(),
    })
}

/// `Day 3 - 2026-01-31`, by the sprint's own pattern.
fn heading(plan: &Plan, window: &Window) -> String {
    let Some(day) = window.day else { return window.date.to_string() };
    let pattern = plan.standup.as_ref().and_then(|s| s.heading.as_ref()).map_or(HEADING, |h| h.value.as_str());
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut text = String::new();
    let mut before = None;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c == 'N' && !is_word(before) && !is_word(rest.clone().next()) {
            text += &day.to_string();
        } else {
            text.push(c);
        }
        before = Some(c);
    }
    text.replace("YYYY-MM-DD", &window.date.to_string())
}

fn notes(asked: &Asked<'_>, commits: &[Linked]) -> Vec<String> {
    let mut notes = Vec::new();
    let (window, history) = (asked.window, asked.history);
    match window.place {
        Position::Before { starts } => notes.push(format!("The sprint has not begun: its first day is {starts}.")),
        Position::After { ended } => notes.push(format!("The sprint is over: its last day was {ended}.")),
        Position::Undated => notes.push("The sprint's plan has no dates, so this day has no number.".into()),
        Position::Between { next: None, .. } => notes.push("The sprint has no more numbered days.".into()),
        Position::Day(_) | Position::Between { .. } => {}
    }
    let local = |time: Timestamp| time.to_zoned(asked.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
    let is_whole = window::midnight(window.first, asked.zone).is_ok_and(|midnight| midnight == window.start);
    if !is_whole {
        notes.push(format!("Since {} ({}).", local(window.start), asked.now.plan.timezone.value.0));
    } else if window.first != window.date {
        notes.push(format!("Gathers {} to {}.", window.first, window.date));
    } else if window.day.is_some_and(|day| day <= 1) {
        notes.push("The first day: what was before it is not told.".into());
    }
    match history.presence {
        Presence::NoRepository => notes.push("There is no git repository here, so there are no commits.".into()),
        Presence::NoCommit => notes.push("The repository has no commit yet.".into()),
        Presence::Commits => {}
    }
    if history.shallow {
        notes.push("This clone is shallow: commits before its beginning are not told.".into());
    }
    let count = |n: usize, one: &str, many: &str| {
        let text = if n == 1 { one.to_owned() } else { format!("{n} {many}") };
        (n > 0).then_some(text)
    };
    notes.extend(count(
        history.missing,
        "A commit that others come from is missing: history may be incomplete.",
        "commits that others come from are missing: history may be incomplete.",
    ));
    notes.extend(count(
        history.future,
        "One commit is dated in the future and belongs to no day yet.",
        "commits are dated in the future and belong to no day yet.",
    ));
    notes.extend(count(
        history.undated,
        "One commit has no date that can be read, and belongs to no day.",
        "commits have no date that can be read, and belong to no day.",
    ));
    notes.extend(count(
        history.unlooked,
        "One commit was linked by its message alone: there are too many to look at the files of all.",
        "commits were linked by their messages alone: there are too many to look at the files of all.",
    ));
    if !history.broken.is_empty() {
        notes.push(format!("Branches that lead to no commit: {}.", history.broken.join(", ")));
    }
    for linked in commits.iter().filter(|linked| !linked.unknown.is_empty()) {
        let names = linked.unknown.join(", ");
        notes.push(format!("Commit {} names {names}, which this sprint doesn't have.", short(&linked.commit.id)));
    }
    if !asked.whose.authors.is_empty() {
        notes.push(format!("Only what {} did.", asked.whose.authors.join(" or ")));
    }
    if let Some(team) = &asked.whose.team {
        notes.push(format!("Only what the team {team} did."));
    }
    notes.extend(asked.notes.iter().cloned());
    notes
}

/// The ids of the people that a standup is narrowed to; none where it is everybody's.
fn people_meant(plan: &Plan, whose: &Whose) -> Result<Option<BTreeSet<String>>, Error> {
    if let Some(team) = &whose.team {
        let known = || plan.teams.iter().map(|t| t.id.value.0.as_str());
        if !known().any(|id| id == team) {
            let error = Error::usage(format!("--team={team}: the sprint has no such team"));
            return Err(match crate::error::nearest(team, known()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None if plan.teams.is_empty() => error.hint("it has no teams; --team alone tells person by person"),
                None => error.hint(format!("teams: {}", known().collect::<Vec<_>>().join(", "))),
            });
        }
    } else if whose.authors.is_empty() {
        return Ok(None);
    }
    let in_team = |person: &&crate::plan::schema::Person| match &whose.team {
        Some(team) => person.team.as_ref().is_some_and(|t| t.value.0 == *team),
        None => true,
    };
    let asked = |id: &str| {
        whose.authors.is_empty()
            || whose.authors.iter().filter_map(|text| commit::who(text)).any(|who| is_person(&who, id))
    };
    let ids = plan.people.iter().filter(in_team).map(|p| p.id.value.0.as_str()).filter(|id| asked(id));
    Ok(Some(ids.map(str::to_owned).collect()))
}

/// Whether somebody of a repository is somebody of a sprint: by name, or by what stands before the @ of the address.
pub(super) fn is_person(who: &Who, id: &str) -> bool {
    let same = |text: &str| !text.is_empty() && text.to_lowercase() == id.to_lowercase();
    same(&who.name) || same(who.email.split('@').next().unwrap_or_default())
}

fn is_meant(commit: &Commit, plan: &Plan, whose: &Whose, people: Option<&BTreeSet<String>>) -> bool {
    let by_name = whose.authors.is_empty() || commit.by().any(|who| whose.authors.iter().any(|asked| who.is(asked)));
    let of_team = || {
        let ids = plan.people.iter().map(|p| p.id.value.0.as_str());
        let meant = |id: &&str| people.is_none_or(|people| people.contains(*id));
        let ids: Vec<&str> = ids.filter(meant).collect();
        commit.by().any(|who| ids.iter().any(|id| is_person(who, id)))
    };
    by_name && (whose.team.is_none() || of_team())
}

/// The receipts at `places` that are of a window, newest first.
pub fn in_window(window: &Window, mut places: Vec<u32>, receipts: &dyn Receipts) -> Result<Vec<Rc<Receipt>>, Error> {
    /// Logs of several machines are ordered by clocks that differ: this many older ones in a row, and no newer one comes.
    const OLDER_IN_A_ROW: usize = 256;
    places.sort_unstable();
    let (mut found, mut older) = (Vec::new(), 0);
    for place in places {
        let Some(receipt) = receipts.open(place)? else { continue };
        if receipt.time < window.start {
            older += 1;
            if older == OLDER_IN_A_ROW {
                break;
            }
            continue;
        }
        older = 0;
        if window.holds(receipt.time) {
            found.push(receipt);
        }
    }
    found.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.id.cmp(&b.id)));
    Ok(found)
}

/// What a standup tells of the receipts of a window, newest first.
pub fn receipts_of(window: &Window, receipts: &dyn Receipts) -> Result<Vec<Seen>, Error> {
    let mut found = Vec::new();
    for receipt in in_window(window, receipts.find("*", About::Anything), receipts)? {
        let kind = receipt.statement.predicate_type.rsplit(':').nth(1).unwrap_or_default().to_owned();
        let text = |key: &str| match receipt.statement.body.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        let gate = match (text("plan"), text("phase"), text("decision")) {
            (Some(plan), Some(phase), Some(decision)) if kind == "gate-decision" => {
                Some((format!("{plan}/{phase}"), decision == "passed"))
            }
            _ => None,
        };
        found.push(Seen { id: receipt.id.clone(), kind, time: receipt.time, trusted: receipt.fault.is_none(), gate });
    }
    Ok(found)
}

/// As many digits of an id as people read.
pub fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}
