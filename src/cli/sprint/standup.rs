//! `bizra sprint standup`: what a day brought, from history and the ledger.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::super::evidence::{Moment, files_of, judge_over};
use super::super::{Outcome, Session};
use super::choose::{Chosen, Which, choose};
use super::entropy;
use crate::error::{Error, Exit, Result};
use crate::plan::gate::{self, Decision, Inputs};
use crate::sprint::standup::file::{self, Change};
use crate::sprint::standup::{
    self, Asked, Before, Entropy, History, Linker, Presence, Seen, Standup, Version, Whose, Window,
};
use crate::sprint::work::Board;
use crate::sys::git::Found;
use crate::sys::git_files::RepositoryFiles;
use crate::sys::git_history::{GitHistory, Stretch};
use crate::sys::plans::{self, Loaded};
use crate::sys::standups;
use crate::view::standup::{Format, Shown, markdown};

/// Write the standup of a day: done, blocked, next, from receipts, commits and the plan
///
/// Done is what a receipt of the day shows; ticks without one are “Claimed, unverified”. Commits belong to an item by its
/// id in the message, by a trailer (`Bizra-Item: A1`), or by the files that the item names; --json gives the reason of
/// each. A day lasts from midnight to midnight in the sprint's own zone, and gathers the days before it on which nobody
/// works, so that everything is told once.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra sprint standup                          Today, as Markdown
  bizra sprint standup --day 3 --write          Keep day 3 in sprints/ID/standups/3.md
  bizra sprint standup --update --if-changed    For a scheduler: edits stay, silent when nothing is new
  bizra sprint standup --team --format slack    Person by person, to paste or post
  bizra sprint standup --author ann@example.org --since 2026-01-26")]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// A day of the sprint, by number or date [default: today]
    #[arg(long, value_name = "N|DATE")]
    day: Option<String>,
    /// Begin earlier or later than the day does: a date, or a time
    #[arg(long, value_name = "DATE|TIME")]
    since: Option<String>,
    /// Person by person; with =TEAM that team's people only
    #[arg(long, value_name = "TEAM", num_args = 0..=1, require_equals = true)]
    team: Option<Option<String>>,
    /// Only what this person did: the whole name or address after the mailmap; may be given several times
    #[arg(long = "author", value_name = "NAME|ADDRESS")]
    authors: Vec<String>,
    /// Look at the history of this revision only; may be given several times [default: HEAD and every branch]
    #[arg(long = "rev", value_name = "REV")]
    revs: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "md")]
    format: FormatArg,
    /// Keep it in sprints/ID/standups/DAY.md; refuses where somebody edited that file
    #[arg(long, conflicts_with = "update")]
    write: bool,
    /// The same, and sections that people edited stay as they are
    #[arg(long)]
    update: bool,
    /// Say and write nothing when the file holds the same already
    #[arg(long)]
    if_changed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatArg {
    Md,
    Json,
    Html,
    Slack,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    session.json |= args.format == FormatArg::Json;
    let chosen = choose(&args.which, session)?;
    let window = window(args, &chosen)?;
    let over = window.end <= chosen.moment.now;
    let git = match &session.setup.repository {
        Ok(Some(found)) => Some(GitHistory::open(found, &args.revs)?),
        Ok(None) if !args.revs.is_empty() => {
            return Err(Error::cannot("--rev: there is no git repository here").hint("leave --rev out, or name --repo"));
        }
        Ok(None) => None,
        Err(error) => return Err(error.clone()),
    };
    let past = Past::of(session, git.as_ref(), &chosen, &window, over)?;
    let loaded = past.end.as_ref().unwrap_or(&chosen.loaded);
    let history = history(git.as_ref(), loaded, &window, chosen.moment.now)?;
    let found = evidence(session, loaded, &window, &chosen, past.rev.as_deref())?;
    let whose =
        Whose { authors: args.authors.clone(), by_person: args.team.is_some(), team: args.team.clone().flatten() };
    let mut notes = found.notes;
    if window.start > chosen.moment.now {
        notes.push("This day has not begun.".into());
    }
    if !chosen.overlapping.is_empty() {
        notes.push(format!("Other sprints have days in common with this one: {}.", chosen.overlapping.join(", ")));
    }
    let standup = standup::tell(Asked {
        now: version(loaded),
        source: &loaded.source,
        zone: &chosen.zone,
        window: &window,
        history: &history,
        board: &found.board,
        gates: &found.gates,
        receipts: &found.receipts,
        before: &past.before(),
        entropy: &found.entropy,
        whose: &whose,
        notes,
    })?;
    let format = match args.format {
        FormatArg::Md | FormatArg::Json => Format::Markdown,
        FormatArg::Html => Format::Html,
        FormatArg::Slack => Format::Slack,
    };
    keep(args, session, &chosen, standup, &history, over, format)
}

/// The day that is asked for, or the one that today belongs to.
fn window(args: &Args, chosen: &Chosen) -> Result<Window> {
    let plan = &chosen.loaded.plan;
    let date = match args.day.as_deref() {
        None => chosen.today,
        Some(day) => date_of(day, chosen)?,
    };
    let mut window = Window::of(date, &chosen.timeline, plan.calendar.as_ref(), &chosen.zone)?;
    // Where two numbers have one date, the one that was typed is meant.
    if let Some(number) = args.day.as_deref().and_then(|day| day.parse().ok()) {
        window.day = Some(number);
    }
    let Some(since) = &args.since else { return Ok(window) };
    let start = match since.parse::<Date>() {
        Ok(date) if since.len() == 10 => standup::window::midnight(date, &chosen.zone)?,
        _ => time_of(since, chosen)?,
    };
    window.since(start)
}

fn date_of(day: &str, chosen: &Chosen) -> Result<Date> {
    if let Ok(number) = day.parse::<u32>() {
        if let Some(date) = chosen.timeline.date_of(number) {
            return Ok(date);
        }
        let place = chosen.path.as_str();
        if chosen.timeline.has(number) || chosen.timeline.first().is_none() {
            return Err(Error::invalid(format!("{place}: day {number} has no date, and none follows from the others"))
                .hint("add `calendar: {start: YEAR-MONTH-DAY}` to the sprint, or name a date: --day YEAR-MONTH-DAY"));
        }
        let (first, last) = (chosen.timeline.first().unwrap_or_default(), chosen.timeline.last().unwrap_or_default());
        return Err(Error::usage(format!("--day {day}: the sprint has days {first} to {last}"))
            .hint("a date may lie outside the sprint: --day YEAR-MONTH-DAY"));
    }
    day.parse::<Date>().ok().filter(|_| day.len() == 10).ok_or_else(|| {
        Error::usage(format!("--day {day}: this is no day"))
            .hint("write a number such as 3, or a date such as 2026-01-31")
    })
}

fn time_of(text: &str, chosen: &Chosen) -> Result<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let local = text.parse::<jiff::civil::DateTime>().ok().filter(|_| text.len() > 10);
    local.and_then(|local| local.to_zoned(chosen.zone.clone()).ok()).map(|zoned| zoned.timestamp()).ok_or_else(|| {
        Error::usage(format!("--since {text}: this is no date or time"))
            .hint("write 2026-01-31, 2026-01-31T09:00 (in the sprint's zone) or 2026-01-31T09:00:00+03:00")
    })
}

fn version(loaded: &Loaded) -> Version<'_> {
    Version { plan: &loaded.plan, tree: &loaded.tree }
}

/// The plan and the files as they stood at the ends of the window.
#[derive(Default)]
struct Past {
    /// The commit that a window which is over ended with.
    rev: Option<String>,
    /// The sprint's file there.
    end: Option<Loaded>,
    start: Start,
}

#[derive(Default)]
enum Start {
    Plan(Box<Loaded>),
    Nothing,
    Invalid,
    #[default]
    Unknown,
}

impl Past {
    fn of(session: &Session, git: Option<&GitHistory>, chosen: &Chosen, window: &Window, over: bool) -> Result<Past> {
        let (Some(git), Ok(Some(found))) = (git, &session.setup.repository) else { return Ok(Past::default()) };
        let outside = std::path::Path::new(&chosen.path).is_absolute() || chosen.path.starts_with("..");
        if outside {
            return Ok(Past::default());
        }
        let mut past = Past::default();
        if over && let Some(rev) = git.tip_before(window.end.as_second()) {
            if let Some(Ok(loaded)) = at(found, &rev, chosen)? {
                past.end = Some(loaded);
            }
            past.rev = Some(rev);
        }
        let tracked_later = over && past.end.is_none();
        past.start = match git.tip_before(window.start.as_second()) {
            _ if tracked_later => Start::Unknown,
            Some(rev) => match at(found, &rev, chosen)? {
                Some(Ok(loaded)) => Start::Plan(Box::new(loaded)),
                Some(Err(())) => Start::Invalid,
                None => Start::Nothing,
            },
            None if git.has_commits() && !git.is_shallow() => Start::Nothing,
            None => Start::Unknown,
        };
        Ok(past)
    }

    fn before(&self) -> Before<'_> {
        match &self.start {
            Start::Plan(loaded) => Before::Plan(version(loaded)),
            Start::Nothing => Before::Nothing,
            Start::Invalid => Before::Invalid,
            Start::Unknown => Before::Unknown,
        }
    }
}

/// The sprint's file at a revision: under its name, else under whichever name had its id. `Err` is no valid plan.
fn at(found: &Found, rev: &str, chosen: &Chosen) -> Result<Option<Result<Loaded, ()>>> {
    let mut files = repository_files(found)?;
    files.at(rev)?;
    if let Some(bytes) = files.bytes(&chosen.path)? {
        return Ok(Some(plans::read(chosen.path.as_ref(), &bytes).map_err(|_| ())));
    }
    for name in files.names_in(plans::SPRINTS)? {
        let Some(bytes) = files.bytes(&name)? else { continue };
        if let Ok(loaded) = plans::read(name.as_ref(), &bytes)
            && loaded.plan.id.value == chosen.loaded.plan.id.value
        {
            return Ok(Some(Ok(loaded)));
        }
    }
    Ok(None)
}

fn repository_files(found: &Found) -> Result<RepositoryFiles> {
    RepositoryFiles::open(found.work_dir.as_deref().unwrap_or(&found.common_dir), true)
}

fn history(git: Option<&GitHistory>, loaded: &Loaded, window: &Window, now: Timestamp) -> Result<History> {
    let Some(git) = git else { return Ok(History::default()) };
    let linker = Linker::of(&loaded.plan);
    let globs: Vec<&str> = linker.globs().collect();
    // A commit's clock shows whole seconds: it lies in the window when its second does.
    let up = |time: Timestamp| time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    let stretch = Stretch { start: up(window.start), end: up(window.end), now: now.as_second() };
    git.during(stretch, &globs)
}

struct Evidenced<'p> {
    board: Board<'p>,
    gates: Vec<Decision>,
    receipts: Vec<Seen>,
    entropy: Entropy,
    notes: Vec<String>,
}

/// What the ledger shows, as it stood when the window ended.
fn evidence<'p>(
    session: &mut Session,
    loaded: &'p Loaded,
    window: &Window,
    chosen: &Chosen,
    rev: Option<&str>,
) -> Result<Evidenced<'p>> {
    let over = window.end <= chosen.moment.now;
    let moment = match window.end.checked_sub(1.nanosecond()) {
        Ok(last) if over => Moment { now: last, given: true },
        _ => chosen.moment,
    };
    let mut files = match &session.setup.repository {
        Ok(Some(found)) if rev.is_some() || found.work_dir.is_none() => repository_files(found)?,
        _ => files_of(session)?.0,
    };
    let is_bare = matches!(&session.setup.repository, Ok(Some(found)) if found.work_dir.is_none());
    if let Some(rev) = rev.or(is_bare.then_some("HEAD")) {
        files.at(rev)?;
    }
    let until = chosen.timeline.day_reached(window.date).unwrap_or(0);
    judge_over(session, &files, moment, |inputs| {
        let (plan, source) = (&loaded.plan, &loaded.source);
        let board = Board::of(plan, source, until, inputs)?;
        let (gates, notes) = gates(loaded, inputs);
        let receipts = standup::receipts_of(window, inputs.receipts)?;
        let entropy = entropy::of_day(window, over, inputs.receipts)?;
        Ok(Evidenced { board, gates, receipts, entropy, notes })
    })
}

/// Every gate of the sprint, decided; and why one can't be.
fn gates(loaded: &Loaded, inputs: &Inputs<'_>) -> (Vec<Decision>, Vec<String>) {
    let (plan, source) = (&loaded.plan, &loaded.source);
    let phases = plan.phases.iter().filter(|phase| phase.gate.is_some());
    let mut decided: Vec<(&str, Result<Decision>)> =
        phases.map(|phase| (phase.id.value.0.as_str(), gate::decide(plan, source, phase, inputs))).collect();
    let lists = [
        ("go/no-go", plan.go_no_go.as_ref().map_or(&[][..], |go| &go.criteria)),
        ("definition of done", &plan.definition_of_done),
    ];
    for (name, criteria) in lists.into_iter().filter(|(_, criteria)| !criteria.is_empty()) {
        decided.push((name, gate::decide_all(plan, source, name, criteria, plan.span, inputs)));
    }
    let (mut gates, mut notes) = (Vec::new(), Vec::new());
    for (name, decision) in decided {
        match decision {
            Ok(decision) => gates.push(decision),
            Err(error) => notes.push(format!("The gate of {name} can't be decided: {error}.")),
        }
    }
    (gates, notes)
}

/// Keeps the standup where that is asked for, and answers with it.
fn keep(
    args: &Args,
    session: &mut Session,
    chosen: &Chosen,
    standup: Standup,
    history: &History,
    over: bool,
    format: Format,
) -> Result<Outcome> {
    let mut text = markdown(&standup);
    let (presence, shallow): (Presence, bool) = (history.presence, history.shallow);
    let mut shown = Shown {
        standup,
        presence,
        shallow,
        text: String::new(),
        format,
        over,
        file: None,
        changed: None,
        kept: Vec::new(),
        silent: false,
    };
    if args.write || args.update || args.if_changed {
        if matches!(&session.setup.repository, Ok(Some(found)) if found.work_dir.is_none()) {
            return Err(Error::cannot("a bare repository has no files to keep a standup in")
                .hint("leave --write, --update and --if-changed out"));
        }
        let root = session.root();
        let window = &shown.standup.window;
        let day = window.day.map_or_else(|| window.date.to_string(), |day| day.to_string());
        let path = standups::path(&chosen.loaded.plan.id.value.0, &day)?;
        let old = standups::read(&root, &path)?;
        let (change, kept) = match args.write {
            true => (file::replace(old.as_deref(), &text), Vec::new()),
            false => file::update(old.as_deref(), &text),
        };
        let changed = match change {
            Change::Edited(sections) => {
                return Err(Error::new(Exit::No, format!("{path} was edited by hand: {}", sections.join(", ")))
                    .hint("--update keeps what was edited and brings the rest up to date"));
            }
            Change::Same => {
                text = file::readable(old.as_deref().unwrap_or_default());
                false
            }
            Change::Write(new) => {
                if args.write || args.update {
                    standups::write(&root, &path, &new)?;
                    session.ui.note(format!("wrote {path}"));
                }
                text = file::readable(&new);
                true
            }
        };
        if !kept.is_empty() {
            session.ui.note(format!("kept as edited: {}", kept.join(", ")));
        }
        shown.file = Some((path, changed && (args.write || args.update)));
        shown.changed = Some(changed);
        shown.kept = kept;
        shown.silent = args.if_changed && !changed;
    }
    shown.text = text;
    Ok(Outcome::yes(shown))
}
