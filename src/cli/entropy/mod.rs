//! `bizra entropy`: how much is still uncertain, in bits, and what changed it.

mod days;
mod ground;
mod lock;
mod watch;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::evidence::Moment as Time;
use super::{Outcome, Session};
use crate::entropy::measure::{Change, Moment};
use crate::entropy::scatter;
use crate::error::{Error, Exit, Result};
use crate::receipts::predicates::Entropy;
use crate::receipts::receipt::Content;
use crate::receipts::stamp::Time as Stamped;
use crate::receipts::statement::{Decimal, Draft, Subject};
use crate::sys::git_code::{Stood, Tip};
use crate::view::entropy::{Bits, Compared, Explained, Measured, Piece, Since};
use ground::Ground;

/// Measure how much is still uncertain about what the plans claim and the code does, in bits
///
/// H is P, the packages and criteria of the plans, plus V, the code: each counts by its weight and by what the best
/// evidence leaves open; unknown counts a full bit. Measured are the last commit and the ledger, and the change since
/// the end of the day before. docs/entropy.md explains it with an example.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  bizra entropy                                 Now, and what has changed since yesterday
  bizra entropy --since v1.2 --top 20           What has changed since a release
  bizra entropy --watch                         Both as they change, until Ctrl-C
  bizra entropy baseline                        Lock what is claimed and what it weighs
  bizra entropy check --max-delta 0             For CI: 1 when uncertainty has grown
  bizra entropy explain src/main.rs             What a file or claim adds, and why"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    measure: MeasureArgs,
}

#[derive(clap::Subcommand)]
enum Command {
    Baseline(lock::BaselineArgs),
    Scope(lock::ScopeArgs),
    Explain(ExplainArgs),
    Log(days::LogArgs),
    Report(days::ReportArgs),
    Check(CheckArgs),
}

#[derive(clap::Args)]
struct MeasureArgs {
    /// Compare with this commit, or with the end of this day [default: the day before]
    #[arg(long, value_name = "REV|DATE")]
    since: Option<String>,
    /// How many contributions to list
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    /// Also print Hassan's change entropy, for those who know it
    #[arg(long)]
    classic: bool,
    /// Go on, and show it again each time that something has changed; leaves no receipts
    #[arg(long)]
    watch: bool,
}

/// Say what a claim, or the code at a path, adds to H, and why
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra entropy explain                         Everything, the largest first
  bizra entropy explain omega/GEN-SEC-002       One claim
  bizra entropy explain src/receipts            The code in a folder")]
struct ExplainArgs {
    /// A claim as plan/ID, or a path [default: everything]
    #[arg(value_name = "CLAIM|PATH")]
    what: Option<String>,
    /// How many pieces to list
    #[arg(long, value_name = "N", default_value_t = 30)]
    top: usize,
}

/// Fail when uncertainty has grown by more than it may
///
/// Answers 0 when the change is at most --max-delta, 1 when it is more, 4 when it can't be told.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra entropy check                           No more than since the day before
  bizra entropy check --since origin/main --max-delta 0.5")]
struct CheckArgs {
    /// Bits that H may have grown by
    #[arg(long, value_name = "BITS", default_value_t = 0.0, allow_negative_numbers = true)]
    max_delta: f64,
    /// Compare with this commit, or with the end of this day [default: the day before]
    #[arg(long, value_name = "REV|DATE")]
    since: Option<String>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    match &args.command {
        None if args.measure.watch => watch::watch(&args.measure, session),
        None => measure(&args.measure, session),
        Some(Command::Baseline(args)) => lock::make(args, session),
        Some(Command::Scope(args)) => lock::release(args, session),
        Some(Command::Explain(args)) => explain(args, session),
        Some(Command::Log(args)) => days::log(args, session),
        Some(Command::Report(args)) => days::report(args, session),
        Some(Command::Check(args)) => check(args, session),
    }
}

/// What H is compared with, or why it can't be.
enum Before {
    Tip(Tip, Time),
    Not(Since),
}

fn measure(args: &MeasureArgs, session: &mut Session) -> Result<Outcome> {
    let (measured, reasons) = measured(args.since.as_deref(), args.top, args.classic, session)?;
    let receipt = record(&measured, session)?;
    Ok(Outcome { receipt, ..Outcome::because(measured, reasons) })
}

fn check(args: &CheckArgs, session: &mut Session) -> Result<Outcome> {
    if !args.max_delta.is_finite() {
        return Err(Error::usage(format!("--max-delta {}: expected a number of bits", args.max_delta)));
    }
    let (measured, mut reasons) = measured(args.since.as_deref(), 5, false, session)?;
    let total = measured.compared.as_ref().ok().map(|compared| compared.change.total());
    match (&measured.compared, total) {
        // What can't be printed is no growth.
        (Ok(_), Some(total)) if total > args.max_delta + 1e-9 => {
            let message = format!("H has grown by {total:.2} bits, and {} are allowed", args.max_delta);
            let largest = measured.compared.as_ref().ok().and_then(|c| {
                c.change.contributions.iter().find(|piece| piece.bits > 0.0).map(|p| format!("most of it: {}", p.name))
            });
            let error = Error::new(Exit::No, message);
            reasons.push(largest.into_iter().fold(error, Error::hint));
        }
        (Err(why), _) if reasons.is_empty() => reasons.push(
            Error::new(Exit::Undecided, format!("the change of H can't be told: {}", why.words()))
                .hint(why.next().to_owned()),
        ),
        _ => {}
    }
    let receipt = record(&measured, session)?;
    Ok(Outcome { receipt, ..Outcome::because(measured, reasons) })
}

fn measured(since: Option<&str>, top: usize, classic: bool, session: &mut Session) -> Result<(Measured, Vec<Error>)> {
    let mut ground = Ground::open(session)?;
    let measured = measured_on(&mut ground, since, top, classic, session)?;
    ground.cache.keep();
    Ok(measured)
}

fn measured_on(
    ground: &mut Ground,
    since: Option<&str>,
    top: usize,
    classic: bool,
    session: &Session,
) -> Result<(Measured, Vec<Error>)> {
    let time = Time::of(session);
    let tip = now(ground, time)?;
    let zone = ground.zone(session, &tip)?;
    let today = time.now.to_zoned(zone.clone()).date();
    let before = before(ground, since, today, &zone)?;
    let seen = ground.see(session, tip, Some(time))?;
    let (mut reasons, mut earlier) = (Vec::new(), None);
    let why_not = match before {
        Before::Tip(tip, at) => {
            earlier = Some(ground.see(session, tip, Some(at))?);
            None
        }
        Before::Not(why) => {
            if matches!(why, Since::CutOff) {
                reasons.push(
                    Error::new(Exit::Undecided, "the history ends before the day that H is compared with")
                        .hint("git fetch --unshallow"),
                );
            }
            Some(why)
        }
    };
    let ends = day_ends(today, &zone, scatter::WINDOW_DAYS, time.now)?;
    let (scatter, days) = ground.scatter(&ends)?;
    let moment = ground.moment(&seen);
    let compared = match (&earlier, why_not) {
        (Some(earlier), _) => {
            let was = ground.moment(earlier);
            let change = Change::between(&was, &moment);
            Ok(Compared { h: was.h(), commit: earlier.tip.commit.clone(), change })
        }
        (None, why) => Err(why.unwrap_or(Since::FirstDay)),
    };
    let measured = Measured {
        commit: seen.tip.commit.clone(),
        now: time.now,
        now_given: time.given,
        bits: bits(&moment),
        compared,
        top,
        scatter,
        classic: if classic { Some(scatter::classic(&days)) } else { None },
        baseline: ground.baseline.as_ref().map(|held| (held.baseline.epoch, held.digest, held.receipt.clone())),
        left_out: seen.left_out.clone(),
        kinds_only: ground.baseline.as_ref().is_some_and(|held| !held.baseline.whole),
        uncommitted: !ground.history.is_clean()?,
    };
    Ok((measured, reasons))
}

fn bits(moment: &Moment<'_>) -> Bits {
    Bits {
        h: moment.h(),
        p: moment.p(),
        v: moment.v(),
        ceiling: moment.ceiling(),
        claims: moment.claims.len(),
        orphans: moment.claims.iter().filter(|c| c.orphan).map(|c| (c.id.clone(), c.bits())).collect(),
        units: moment.code.len(),
        covered: moment.code.values().filter(|c| c.run.is_some()).count(),
    }
}

/// The commit that counts now.
fn now(ground: &Ground, time: Time) -> Result<Tip> {
    let unknown = |what: &str, hint: &str| Err(Error::new(Exit::Undecided, what).hint(hint));
    let Some(head) = ground.history.head()? else {
        return unknown("the repository has no commit, so nothing can be measured", "commit the plans and the code");
    };
    if !time.given {
        return Ok(head);
    }
    match ground.history.tips_at(&[time.now.as_second()])?.pop() {
        Some(Stood::Here(tip)) => Ok(tip),
        Some(Stood::Unknown) => unknown("the history is cut off after that time", "git fetch --unshallow"),
        _ => unknown("there was no commit yet at that time", "name a later time with --now"),
    }
}

fn before(ground: &Ground, since: Option<&str>, today: Date, zone: &TimeZone) -> Result<Before> {
    let stood_at = |end: Timestamp| -> Result<Before> {
        Ok(match ground.history.tips_at(&[end.as_second()])?.pop() {
            Some(Stood::Here(tip)) => Before::Tip(tip, Time { now: end, given: true }),
            Some(Stood::Unknown) => Before::Not(Since::CutOff),
            _ => Before::Not(Since::FirstDay),
        })
    };
    let found = match since {
        None => stood_at(end_before(today, zone)?)?,
        Some(text) => match text.parse::<Date>() {
            Ok(date) if date > today => {
                return Err(Error::usage(format!("--since {text}: that day is still to come")));
            }
            Ok(date) => {
                let next = date.checked_add(1.day()).map_err(|e| Error::usage(format!("--since {text}: {e}")))?;
                stood_at(end_before(next, zone)?)?
            }
            Err(_) => match ground.history.rev(text) {
                Some(tip) => {
                    let mut at = Timestamp::from_second(tip.time).map_err(|_| {
                        Error::usage(format!("--since {text}: the commit's date is no time that can be told"))
                    })?;
                    // A commit that carries the baseline came after it, whatever its clock says.
                    if let Some(held) = &ground.baseline
                        && ground.holds_baseline(&tip)?
                    {
                        at = at.max(held.time);
                    }
                    Before::Tip(tip, Time { now: at, given: true })
                }
                None => {
                    return Err(Error::usage(format!("--since {text}: neither a commit here nor a day"))
                        .hint("write a revision, or a day as 2026-01-31"));
                }
            },
        },
    };
    // No change is told across baselines, nor without one.
    Ok(match (found, &ground.baseline) {
        (Before::Tip(..), None) => Before::Not(Since::NoBaseline),
        (Before::Tip(_, at), Some(held)) if at.now < held.time => Before::Not(Since::OtherEpoch(held.baseline.epoch)),
        (found, _) => found,
    })
}

/// The last moment of the day before `day`.
fn end_before(day: Date, zone: &TimeZone) -> Result<Timestamp> {
    let start = zone.to_ambiguous_zoned(day.at(0, 0, 0, 0)).compatible().map_err(|e| Error::usage(e.to_string()))?;
    // Where a day has no midnight, it begins with its first moment.
    let start = start.start_of_day().map_err(|e| Error::usage(e.to_string()))?;
    start.timestamp().checked_sub(1.second()).map_err(|e| Error::usage(e.to_string()))
}

/// Now, and the ends of as many days before as `days` need, latest first.
fn day_ends(today: Date, zone: &TimeZone, days: u32, now: Timestamp) -> Result<Vec<i64>> {
    let mut ends = vec![now.as_second()];
    for back in 0..i64::from(days) {
        let day = today.checked_sub(back.days()).map_err(|e| Error::usage(e.to_string()))?;
        ends.push(end_before(day, zone)?.as_second());
    }
    Ok(ends)
}

fn record(measured: &Measured, session: &mut Session) -> Result<Option<String>> {
    let claim = Entropy {
        baseline: measured.baseline.as_ref().map(|(_, digest, _)| *digest),
        h: decimal(measured.bits.h)?,
        p: decimal(measured.bits.p)?,
        v: decimal(measured.bits.v)?,
        ceiling: decimal(measured.bits.ceiling)?,
        delta: measured.compared.as_ref().ok().map(|c| decimal(c.change.total())).transpose()?,
        since: measured.compared.as_ref().ok().map(|c| c.commit.clone()),
        scatter: measured.scatter.as_ref().map(|s| decimal(s.bits)).transpose()?,
        now: Stamped::new(measured.now).ok_or_else(|| Error::usage("--now lies outside the years 0 to 9999"))?,
        now_given: measured.now_given,
    };
    let subject = Subject::git("commit", "gitCommit", &measured.commit)?;
    let draft = Draft::new(vec![subject], &claim)?;
    Ok(session.record(&draft)?.map(|id| id.to_string()))
}

/// Measures again what a receipt says was measured. `Err` says why it can't be told here.
pub(super) fn replay(session: &mut Session, content: &Content) -> Result<std::result::Result<(bool, String), String>> {
    let Some(Ok(said)) = content.statement.predicate::<Entropy>() else {
        return Ok(Err("it holds no measurement".into()));
    };
    let Some(commit) = content.statement.subjects.iter().find_map(|s| s.digest("gitCommit")) else {
        return Ok(Err("it names no commit".into()));
    };
    let mut ground = Ground::open(session)?;
    let Some(tip) = ground.history.rev(commit) else {
        return Ok(Err(format!("commit {commit} is not in this repository")));
    };
    if ground.baseline.as_ref().map(|held| held.digest) != said.baseline {
        return Ok(Err("another baseline is in force".into()));
    }
    let seen = ground.see(session, tip, Some(Time { now: said.now.timestamp(), given: true }))?;
    ground.cache.keep();
    let moment = ground.moment(&seen);
    let same = decimal(moment.h())? == said.h
        && decimal(moment.p())? == said.p
        && decimal(moment.v())? == said.v
        && decimal(moment.ceiling())? == said.ceiling;
    Ok(Ok((same, format!("H is {:.2} bits", moment.h()))))
}

fn decimal(bits: f64) -> Result<Decimal> {
    let text = format!("{bits:.9}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let text = if text == "-0" { "0" } else { text };
    text.parse().map_err(|_| Error::cannot(format!("{bits} bits can't be written down")))
}

fn explain(args: &ExplainArgs, session: &mut Session) -> Result<Outcome> {
    let mut ground = Ground::open(session)?;
    let time = Time::of(session);
    let tip = now(&ground, time)?;
    let seen = ground.see(session, tip, Some(time))?;
    ground.cache.keep();
    let moment = ground.moment(&seen);
    let wanted = args.what.as_deref().map(|what| what.trim_end_matches('/'));
    let mut pieces: Vec<Piece> = Vec::new();
    for claim in &moment.claims {
        if wanted.is_none_or(|what| what == claim.id) {
            pieces.push(Piece::claim(claim));
        }
    }
    let inside = |path: &str, what: &str| path == what || path.strip_prefix(what).is_some_and(|r| r.starts_with('/'));
    for code in moment.code.values() {
        if wanted.is_none_or(|what| inside(code.path, what)) {
            pieces.push(Piece::code(code));
        }
    }
    let left_out: Vec<_> =
        seen.left_out.iter().filter(|(path, _)| wanted.is_some_and(|what| inside(path, what))).cloned().collect();
    if pieces.is_empty() && left_out.is_empty() {
        let what = wanted.unwrap_or_default();
        let names = moment.claims.iter().map(|c| c.id.as_str()).chain(moment.code.values().map(|c| c.path));
        let error = Error::usage(format!("no claim and no code is called `{what}`"));
        return Err(match crate::error::nearest(what, names) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("bizra entropy explain lists everything"),
        });
    }
    pieces.sort_by(|a, b| b.bits.total_cmp(&a.bits).then_with(|| a.name.cmp(&b.name)));
    Ok(Outcome::yes(Explained { pieces, top: args.top, left_out }))
}
