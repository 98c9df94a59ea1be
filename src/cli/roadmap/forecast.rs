//! `bizra roadmap forecast`: when could the rest be done?

use std::ops::ControlFlow;
use std::path::PathBuf;

use jiff::civil::Date;

use super::super::evidence::judge;
use super::super::{Outcome, Session};
use crate::error::{Error, Exit, Result};
use crate::plan::decimal::Decimal;
use crate::plan::gate::{Outcome as Verdict, proof};
use crate::plan::lint::Linted;
use crate::roadmap::forecast::{self, Ask};
use crate::ui::Unit;
use crate::view::roadmap::forecast::Forecasted;

/// Draw the hours of the open work many times, and say by when it could be done
///
/// Three-point estimates are drawn from a triangle, single numbers of hours from a spread around them. People take what
/// is ready and theirs, over the plan's working days. Prints the dates by which half, 80 % and 95 % of the runs had
/// ended. What evidence shows to be done is done, whatever its status; what is only claimed to be is listed, and forecast
/// as if it had to be done again. The answer is 4 when the plan leaves open what would have to be guessed. The same inputs
/// give the same bytes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra roadmap forecast                                   The repository's one roadmap, from today
  bizra roadmap forecast sprints/next.yaml --from 2026-03-01
  bizra roadmap forecast roadmap/omega.yaml --people 3     Three people, where the plan names nobody
  bizra roadmap forecast --runs 100000 --seed 7 --json     More runs, other dice, one document")]
pub(super) struct Args {
    /// The plan file [default: the only one in roadmap/, or in both folders]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// The first day of work [default: today in the plan's zone, or the plan's start where that is later]
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// How often the work is played through
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    /// Where the dice begin
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What a single number of hours stands for at best and at worst, in percent of it
    #[arg(long, value_name = "LOW-HIGH", default_value = "80-200", value_parser = spread)]
    spread: (u32, u32),
    /// Hours of open work that has none
    #[arg(long, value_name = "HOURS", value_parser = hours)]
    assume_hours: Option<Decimal>,
    /// How many do the work of a plan that names nobody [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    people: Option<u32>,
    /// Let later phases begin while a gate before them is closed
    #[arg(long)]
    overlap: bool,
}

fn spread(text: &str) -> std::result::Result<(u32, u32), String> {
    let percent = |part: &str| part.parse::<u32>().ok().filter(|n| *n <= 10_000);
    match text.split_once('-').map(|(low, high)| (percent(low), percent(high))) {
        Some((Some(low), Some(high))) if low <= 100 && high >= 100 => Ok((low, high)),
        _ => Err("write LOW-HIGH in percent around 100, such as 80-200".to_owned()),
    }
}

fn hours(text: &str) -> std::result::Result<Decimal, String> {
    match Decimal::parse(text) {
        Ok(hours) if !hours.is_negative() => Ok(hours),
        _ => Err("write a number of hours, such as 8".to_owned()),
    }
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let (loaded, path) = super::one_plan(args.file.as_deref(), "forecast", session)?;
    let linted = Linted::new(&loaded.plan, &loaded.source);
    let people = match args.people {
        Some(_) if !loaded.plan.people.is_empty() => {
            let hint = "give people a `capacity` in the plan, or leave --people out";
            return Err(Error::usage(format!("--people: {} names its people", path.display())).hint(hint));
        }
        given => given.unwrap_or(1),
    };
    let zone = loaded.plan.timezone.value.get();
    let now = session.config.now(&zone).unwrap_or_else(|| session.env.clock.wall());
    let today = now.to_zoned(zone).date();
    let ask = Ask {
        from: args.from.unwrap_or_else(|| forecast::begins(&linted).map_or(today, |start| start.max(today))),
        runs: args.runs,
        seed: args.seed,
        spread: args.spread,
        assume_hours: args.assume_hours,
        people,
        overlap: args.overlap,
    };
    let proven = judge(session, |inputs| proof::of_work(linted.plan, linted.source, inputs))?
        .into_iter()
        .filter(|(_, judged)| judged.outcome == Verdict::Met)
        .map(|(id, _)| id.to_owned())
        .collect();
    let clock = &session.env.clock;
    let interrupt = session.env.interrupt.clone();
    let _held = interrupt.defer();
    let mut bar = session.ui.progress("playing it through", Some(args.runs.into()), Unit::Items, clock.monotonic());
    let played = forecast::forecast(&linted, &ask, &proven, &mut |runs| {
        bar.at(runs.into(), clock.monotonic());
        if interrupt.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(bar);
    let forecast = match played {
        Ok(Some(forecast)) => forecast,
        Ok(None) => return Err(Error::new(Exit::Interrupted, "the forecast was stopped, so there is none")),
        Err(mut problems) => return Err(problems.swap_remove(0)),
    };
    let (plan, zone) = (loaded.plan.id.value.to_string(), loaded.plan.timezone.value.0.clone());
    Ok(Outcome::yes(Forecasted { path: path.display().to_string(), plan, zone, ask, forecast }))
}
