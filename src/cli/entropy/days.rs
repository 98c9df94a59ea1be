//! H over days: `bizra entropy log` and `bizra entropy report`.

use std::path::PathBuf;

use jiff::{Timestamp, ToSpan as _};

use super::super::evidence::Moment as Time;
use super::super::{Outcome, Session};
use super::ground::Ground;
use super::{day_ends, now};
use crate::entropy::claims::Weighed;
use crate::entropy::measure::sum;
use crate::entropy::scatter;
use crate::error::{Error, Exit, Result};
use crate::sys::files::{self, Access};
use crate::sys::git_code::Stood;
use crate::view::entropy::{Log, LogDay, Piece};
use crate::view::entropy_report::Report;

/// Print H day by day
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra entropy log                             The last 14 days
  bizra entropy log --days 60 --json")]
pub(super) struct LogArgs {
    /// How many days
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
}

/// Draw H over days, what each phase still has open, what adds most, and the scatter
///
/// The page stands alone: no scripts, nothing that is fetched. The same commit, ledger and day give the same bytes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra entropy report                          In the terminal
  bizra entropy report -o entropy.html --days 90")]
pub(super) struct ReportArgs {
    /// The HTML file to write [default: the terminal]
    #[arg(short, long, value_name = "FILE.html", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// How many days
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    /// How many contributors to list
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
}

pub(super) fn log(args: &LogArgs, session: &mut Session) -> Result<Outcome> {
    let mut ground = Ground::open(session)?;
    let (log, reasons) = days(&mut ground, args.days, session)?;
    ground.cache.keep();
    Ok(Outcome::because(log, reasons))
}

/// H at the end of each of the last days.
fn days(ground: &mut Ground, count: u16, session: &Session) -> Result<(Log, Vec<Error>)> {
    let time = Time::of(session);
    let tip = now(ground, time)?;
    let zone = ground.zone(session, &tip)?;
    let today = time.now.to_zoned(zone.clone()).date();
    let ends = day_ends(today, &zone, u32::from(count) - 1, time.now)?;
    let stood = ground.history.tips_at(&ends)?;
    let (mut dates, mut moments) = (Vec::new(), Vec::new());
    let mut reasons = Vec::new();
    for (back, (end, stood)) in (0_i64..).zip(ends.iter().zip(stood)) {
        let date = today.checked_sub(back.days()).map_err(|e| Error::usage(e.to_string()))?;
        let tip = match stood {
            Stood::Here(tip) => tip,
            Stood::Nothing => break,
            Stood::Unknown => {
                let message = format!("the history ends on {date}: what was before is not known here");
                reasons.push(Error::new(Exit::Undecided, message).hint("git fetch --unshallow"));
                break;
            }
        };
        let at = Timestamp::from_second(*end).map_err(|e| Error::usage(e.to_string()))?;
        dates.push(date);
        moments.push((if back == 0 { time } else { Time { now: at, given: true } }, tip));
    }
    let course = ground.course(session, &moments)?;
    let told = dates.into_iter().zip(moments).zip(course).map(|((date, (at, tip)), (claims, v))| {
        let p = sum(claims.iter().map(Weighed::bits));
        let same_epoch = ground.baseline.as_ref().is_some_and(|held| at.now >= held.time);
        let claims = claims.iter().map(|claim| (claim.id.clone(), claim.bits())).collect();
        LogDay { date, commit: tip.commit, h: p + v, p, v, claims, same_epoch }
    });
    let mut days: Vec<LogDay> = told.collect();
    days.reverse();
    Ok((Log { days }, reasons))
}

pub(super) fn report(args: &ReportArgs, session: &mut Session) -> Result<Outcome> {
    if let Some(path) = &args.output
        && !path.extension().is_some_and(|ending| ending == "html" || ending == "htm")
    {
        return Err(
            Error::usage(format!("--output {}: the report is HTML", path.display())).hint("give it the ending .html")
        );
    }
    let mut ground = Ground::open(session)?;
    let (mut report, reasons) = drawn(&mut ground, args.days, args.top, session)?;
    ground.cache.keep();
    report.path = args.output.as_ref().map(|p| p.display().to_string());
    if let Some(path) = &args.output {
        files::replace(&files::from(&session.env.cwd, path), report.html().as_bytes(), Access::Everyone)?;
    }
    Ok(Outcome::because(report, reasons))
}

/// H over days, and what it is made of at their end.
pub(super) fn drawn(ground: &mut Ground, count: u16, top: usize, session: &Session) -> Result<(Report, Vec<Error>)> {
    let (log, reasons) = days(ground, count, session)?;
    let time = Time::of(session);
    let tip = now(ground, time)?;
    let phases = ground.phases(session, &tip)?;
    let zone = ground.zone(session, &tip)?;
    let today = time.now.to_zoned(zone.clone()).date();
    let seen = ground.see(session, tip, Some(time))?;
    let (scatter, _) = ground.scatter(&day_ends(today, &zone, scatter::WINDOW_DAYS, time.now)?)?;
    let moment = ground.moment(&seen);
    let claims = moment.claims.iter().map(Piece::claim);
    let mut pieces: Vec<Piece> = claims.chain(moment.code.values().map(Piece::code)).collect();
    pieces.sort_by(|a, b| b.bits.total_cmp(&a.bits).then_with(|| a.name.cmp(&b.name)));
    pieces.truncate(top);
    Ok((Report { log, phases, pieces, scatter, path: None }, reasons))
}
