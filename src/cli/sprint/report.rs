//! The reports about a sprint: they claim nothing and leave no receipt.

use std::path::PathBuf;

use super::super::evidence;
use super::super::page_format::PageFormat;
use super::super::{Outcome, Session};
use super::choose::{Chosen, Which, choose};
use crate::error::{Error, Exit, Result, nearest};
use crate::plan::gate::Inputs;
use crate::sprint::work::Board;
use crate::sprint::{day, metrics, next, risks, status};
use crate::sys::files::{self, Access};
use crate::view::sheet::{Format, Sheet};
use crate::view::sprint as view;

#[derive(clap::Args)]
struct Flags {
    #[command(flatten)]
    which: Which,
    /// How to print the report
    #[arg(long, value_enum, default_value = "table")]
    format: PageFormat,
}

impl From<PageFormat> for Format {
    fn from(format: PageFormat) -> Self {
        match format {
            PageFormat::Table => Format::Table,
            PageFormat::Md => Format::Markdown,
        }
    }
}

/// Say where the sprint stands
///
/// The day, work by state, what is proven against what is claimed, the burn-down by both, the load of people, open
/// blockers and metrics. Proof counts on the day of the newest receipt behind it, a claim on the day that reports it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra sprint status                           The sprint that is active today
  bizra sprint status --sprint phase6 --format md
  bizra sprint status --svg burndown.svg        The burn-down as a picture as well")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    flags: Flags,
    /// Write the burn-down into this file as SVG
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    svg: Option<PathBuf>,
}

/// Say what to do now
///
/// Work that could be begun in the order of priority, float and window, what is claimed and wants its evidence, what
/// comes later, and what keeps the rest. Work is done when it is proven; what rests on a mere claim says so.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra sprint next
  bizra sprint next --who nova                  Of one person: led, supported or scheduled
  bizra sprint next --json | jq -r '.result.now[0].key'")]
pub(super) struct NextArgs {
    #[command(flatten)]
    flags: Flags,
    /// A person of the sprint
    #[arg(long, value_name = "PERSON")]
    who: Option<String>,
}

/// Show what the plan says about a day, against what is proven
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra sprint day                              Today
  bizra sprint day 4
  bizra sprint day 10 --sprint phase6 --format md")]
pub(super) struct DayArgs {
    /// The number of the day [default: today's]
    #[arg(value_name = "N")]
    day: Option<u32>,
    #[command(flatten)]
    flags: Flags,
}

/// Show the metrics: target, value by receipts, trend, met or not
///
/// The value is that of the newest admissible receipt whose `metrics` has the metric's id, or whose body has it by a path
/// such as `benchmark.decode.tok_s`. What the plan itself says is shown as claimed. A target without an operator wants at
/// least its value. Answers 4 where the sprint has no metrics.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra sprint metrics
  bizra sprint metrics --sprint sprints/flywheel.yaml --json")]
pub(super) struct MetricsArgs {
    #[command(flatten)]
    flags: Flags,
}

/// Show the risk register, and the unproven or blocked work that each risk touches
///
/// The highest level comes first, and of one level what is not said to be settled. Levels and statuses are the plan's
/// words; what it doesn't say is unknown. Answers 4 where the sprint has no risks written down.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra sprint risks
  bizra sprint risks --json | jq '.result.risks[] | select(.level == \"high\")'")]
pub(super) struct RisksArgs {
    #[command(flatten)]
    flags: Flags,
}

/// A sprint chosen and judged, and the sheet that is made of it.
fn report<T>(
    flags: &Flags,
    session: &mut Session,
    make: impl FnOnce(&Chosen, &Board<'_>, &Inputs<'_>) -> Result<T>,
) -> Result<T> {
    let chosen = choose(&flags.which, session)?;
    evidence::judge_at(session, chosen.moment, |inputs| {
        let board = Board::of(&chosen.loaded.plan, &chosen.loaded.source, chosen.until(), inputs)?;
        make(&chosen, &board, inputs)
    })
}

fn undecided(message: &str, hint: &str) -> Vec<Error> {
    vec![Error::new(Exit::Undecided, message).hint(hint)]
}

pub(super) fn status(args: &StatusArgs, session: &mut Session) -> Result<Outcome> {
    let flags = &args.flags;
    let (sheet, picture) = report(flags, session, |chosen, board, inputs| {
        let (plan, timeline) = (&chosen.loaded.plan, &chosen.timeline);
        let head = chosen.head();
        let status = view::status::Status {
            head: &head,
            board,
            totals: status::totals(board),
            burndown: status::burndown(board, timeline, &chosen.zone, chosen.today),
            load: status::load(plan, timeline, timeline.day_reached(chosen.today)),
            metrics: metrics::of(plan, &chosen.loaded.source, inputs)?,
        };
        let picture = status.burndown.as_ref().map(|burndown| view::status::chart(&head, burndown).svg());
        Ok((view::status::sheet(&status, flags.format.into()), picture))
    })?;
    if let Some(path) = &args.svg {
        let Some(picture) = picture else {
            return Err(Error::new(
                Exit::Undecided,
                "there is no burn-down to draw: the sprint has no dates, or no work",
            )
            .hint("give it `calendar: {start: …}`, or leave --svg out"));
        };
        files::replace(&session.env.cwd.join(path), picture.as_bytes(), Access::Everyone)?;
        session.ui.note(format!("burn-down written to {}", path.display()));
    }
    Ok(Outcome::yes(sheet))
}

pub(super) fn next(args: &NextArgs, session: &mut Session) -> Result<Outcome> {
    let (sheet, reasons) = report(&args.flags, session, |chosen, board, _| {
        let who = args.who.as_deref();
        let people: Vec<&str> = chosen.loaded.plan.people.iter().map(|p| p.id.value.0.as_str()).collect();
        if let Some(who) = who.filter(|who| !people.contains(who)) {
            let error = Error::usage(format!("--who {who}: the sprint knows no such person"));
            return Err(match nearest(who, people.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None if people.is_empty() => error.hint("it lists no `people`"),
                None => error.hint(format!("people: {}", people.join(", "))),
            });
        }
        let next = next::of(board, chosen.timeline.day_reached(chosen.today), who)?;
        let reasons = match who {
            _ if next.all > 0 => Vec::new(),
            Some(who) => undecided(&format!("{who} has no part in any work"), "`bizra sprint next` shows all of it"),
            None => undecided("the sprint lists no work", "list its `items`, or boxes of its `days`"),
        };
        Ok((view::next::sheet(&chosen.head(), &next, who, args.flags.format.into()), reasons))
    })?;
    Ok(Outcome::because(sheet, reasons))
}

pub(super) fn day(args: &DayArgs, session: &mut Session) -> Result<Outcome> {
    let sheet = report(&args.flags, session, |chosen, board, _| {
        let n = match args.day.or(chosen.timeline.day_reached(chosen.today)) {
            Some(n) => n,
            None => {
                return Err(Error::usage(format!("{} is no day of the sprint", chosen.today))
                    .hint("name a day by its number: bizra sprint day 1"));
            }
        };
        let Some(told) = day::of(board, &chosen.timeline, &chosen.zone, n) else {
            let error = Error::usage(format!("the sprint has no day {n}"));
            return Err(match (chosen.timeline.first(), chosen.timeline.last()) {
                (Some(first), Some(last)) => error.hint(format!("its days are {first} to {last}")),
                _ => error.hint("it has no days at all: list them under `days`"),
            });
        };
        Ok(view::day::sheet(&chosen.head(), &told, args.flags.format.into()))
    })?;
    Ok(Outcome::yes(sheet))
}

pub(super) fn metrics(args: &MetricsArgs, session: &mut Session) -> Result<Outcome> {
    let (sheet, none): (Sheet, bool) = report(&args.flags, session, |chosen, _, inputs| {
        let metrics = metrics::of(&chosen.loaded.plan, &chosen.loaded.source, inputs)?;
        Ok((view::metrics::sheet(&chosen.head(), &metrics, args.flags.format.into()), metrics.is_empty()))
    })?;
    let reasons = if none { undecided("the sprint has no metrics", "list them under `metrics`") } else { Vec::new() };
    Ok(Outcome::because(sheet, reasons))
}

pub(super) fn risks(args: &RisksArgs, session: &mut Session) -> Result<Outcome> {
    let (sheet, none): (Sheet, bool) = report(&args.flags, session, |chosen, board, _| {
        let register = risks::of(board);
        Ok((view::risks::sheet(&chosen.head(), &register, args.flags.format.into()), register.is_empty()))
    })?;
    let reasons = if none {
        undecided(
            "the sprint has no risks written down, which is not to say that it has none",
            "list them under `risks`",
        )
    } else {
        Vec::new()
    };
    Ok(Outcome::because(sheet, reasons))
}
