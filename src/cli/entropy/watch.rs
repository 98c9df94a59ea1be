//! `bizra entropy --watch`: H as it changes.
//!
//! It looks once a second whether a commit, a receipt, the baseline, the trust file or the day has changed, and measures
//! again when one has, and each minute, for evidence also ends by the clock. What looks as before is not shown again.
//! It leaves no receipts: each would change what is watched.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::super::evidence::Moment as Time;
use super::super::{Outcome, Session};
use super::ground::Ground;
use super::{MeasureArgs, days, lock, measured_on};
use crate::error::{Error, Exit, Result};
use crate::receipts::policy;
use crate::sys::files;
use crate::view::entropy_report::{Broken, Dashboard, Watched};

const LOOK_EVERY: Duration = Duration::from_secs(1);
const MEASURE_EVERY: Duration = Duration::from_secs(60);
/// How soon an interrupt is heeded.
const NAP: Duration = Duration::from_millis(25);
const DAYS: u16 = 30;

pub(super) fn watch(args: &MeasureArgs, session: &mut Session) -> Result<Outcome> {
    if session.config.get("now").is_some() {
        return Err(Error::usage("--watch goes by the clock, and --now stops it").hint("leave one of them out"));
    }
    let interrupt = session.env.interrupt.clone();
    let _held = interrupt.defer();
    let on_screen = session.ui.has_screen() && !session.json;
    let mut seen: Option<[u8; 32]> = None;
    let mut shown = String::new();
    let mut measured_at = Duration::ZERO;
    loop {
        let now = session.env.clock.monotonic();
        // What can't be looked at is measured, which says why.
        let state = state(session, args).ok();
        if seen.is_none() || state != seen || now.saturating_sub(measured_at) >= MEASURE_EVERY {
            let watched = match look(args, session) {
                Ok(dashboard) => Watched::Measured(Box::new(dashboard)),
                Err(error) if shown.is_empty() => return Err(error),
                Err(error) => Watched::Broken(Broken { message: error.to_string(), hints: error.hints.clone() }),
            };
            (seen, measured_at) = (state.or(Some([0; 32])), now);
            let looks = watched.looks();
            if looks != shown {
                show(watched, on_screen, session)?;
                shown = looks;
            }
        }
        while session.env.clock.monotonic().saturating_sub(now) < LOOK_EVERY {
            if interrupt.requested() {
                return Err(Error::new(Exit::Interrupted, "the watch has ended"));
            }
            std::thread::sleep(NAP);
        }
    }
}

fn show(watched: Watched, on_screen: bool, session: &mut Session) -> Result<()> {
    if on_screen {
        return session.ui.screen(&watched.page(session.env.clock.wall()));
    }
    let outcome = match watched {
        Watched::Measured(dashboard) => {
            let reasons = dashboard.reasons.clone();
            Outcome::because(*dashboard, reasons)
        }
        Watched::Broken(broken) => {
            let error = broken.hints.iter().fold(Error::invalid(&broken.message), |e, hint| e.hint(hint));
            Outcome { exit: Exit::Invalid, ..Outcome::because(broken, vec![error]) }
        }
    };
    session.say("entropy", outcome)
}

fn look(args: &MeasureArgs, session: &mut Session) -> Result<Dashboard> {
    let mut ground = Ground::open(session)?;
    let (measured, mut reasons) = measured_on(&mut ground, args.since.as_deref(), args.top, args.classic, session)?;
    let (report, more) = days::drawn(&mut ground, DAYS, args.top, session)?;
    ground.cache.keep();
    // Both tell of a history that ends too early.
    if reasons.is_empty() {
        reasons.extend(more);
    }
    Ok(Dashboard { measured, report, reasons })
}

/// A digest of all that H is measured on.
fn state(session: &Session, args: &MeasureArgs) -> Result<[u8; 32]> {
    let root = session.root();
    let mut digest = Sha256::new();
    let history = crate::sys::git_code::CodeHistory::open(&root)?;
    for tip in [history.head()?, args.since.as_deref().and_then(|since| history.rev(since))] {
        digest.update(tip.map_or_else(String::new, |tip| tip.commit));
        digest.update([0]);
    }
    for name in [lock::FILE, policy::FILE_NAME] {
        digest.update(files::read_if_there(&root.join(name))?.unwrap_or_default());
        digest.update([0]);
    }
    if let Some(ledger) = session.ledger_if_there()? {
        for id in ledger.logs()? {
            let log = ledger.log(&id)?;
            let pending = log.wal()?.pending.len();
            digest.update(format!("{id} {} {pending}\n", log.tip()));
        }
    }
    // A day that ends begins another comparison, wherever it is that it ends.
    let quarter = Time::of(session).now.as_second().div_euclid(900);
    digest.update(quarter.to_le_bytes());
    Ok(digest.finalize().into())
}
