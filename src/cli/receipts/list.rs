//! `bizra receipts list`.

use super::super::pick::check_start;
use super::super::{Outcome, Session};
use super::browse::{NewestFirst, find_log};
use crate::config::parse_time;
use crate::error::{Error, Result};
use crate::receipts::predicates;
use crate::receipts::receipt::Receipt;
use crate::view::receipts::Listed;

/// List receipts, newest first
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra receipts list --predicate attestation --since 2026-02-01
  bizra receipts list --subject docs/security.md --limit 5")]
pub(super) struct Args {
    /// Only of this type, such as attestation or attestation/v0.1
    #[arg(long, value_name = "TYPE")]
    predicate: Option<String>,
    /// Only about this: a subject's name, or the start of one of its digests
    #[arg(long, value_name = "NAME|DIGEST")]
    subject: Option<String>,
    /// Only from this time on
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only signed by the key whose id begins so
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only of the session whose id begins so
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// Only of the log whose id begins so
    #[arg(long, value_name = "LOG")]
    log: Option<String>,
    /// How many to a page
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Which page
    #[arg(long, value_name = "PAGE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    page: u64,
}

struct Filter<'a> {
    args: &'a Args,
    since: Option<jiff::Timestamp>,
    until: Option<jiff::Timestamp>,
}

impl Filter<'_> {
    fn admits(&self, receipt: &Receipt) -> bool {
        let args = self.args;
        let selective =
            args.predicate.is_some() || args.subject.is_some() || args.key.is_some() || args.session.is_some();
        let Ok(content) = &receipt.content else { return !selective && self.since.is_none() && self.until.is_none() };
        let statement = &content.statement;
        let time = statement.stamp.time.timestamp();
        let session = crate::receipts::hex::encode(&statement.stamp.position.session);
        let is_type = |wanted: &String| {
            let name = predicates::name_of(&statement.predicate_type).unwrap_or_default();
            name == *wanted || name.split('/').next() == Some(wanted) || statement.predicate_type == *wanted
        };
        let is_about = |wanted: &String| {
            statement.subjects.iter().any(|s| {
                s.name == *wanted
                    || (wanted.len() >= 6 && s.digests().any(|(_, digits)| digits.starts_with(wanted.as_str())))
            })
        };
        self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time < until)
            && args.predicate.as_ref().is_none_or(is_type)
            && args.subject.as_ref().is_none_or(is_about)
            && args.key.as_ref().is_none_or(|key| content.envelope.keyid.to_string().starts_with(key.as_str()))
            && args.session.as_ref().is_none_or(|wanted| session.starts_with(wanted.as_str()))
    }
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let zone = session.config.zone(session.env.machine_zone().0);
    let time = |flag: &str, text: &Option<String>| {
        text.as_ref()
            .map(|t| parse_time(t, &zone).map_err(|flaw| flaw.on(|what| Error::usage(format!("--{flag}: {what}")), t)))
            .transpose()
    };
    for (what, start, digits) in [("key", &args.key, 64), ("session", &args.session, 32)] {
        if let Some(start) = start {
            check_start(what, start, digits)?;
        }
    }
    let filter = Filter { args, since: time("since", &args.since)?, until: time("until", &args.until)? };
    let mut listed =
        Listed { receipts: Vec::new(), page: args.page, more: false, filtered: false, ledger: session.ledger_path()? };
    let Some(ledger) = session.ledger_if_there()? else {
        // Nothing was claimed here yet, which is an answer; a ledger that was named and isn't there is a mistake.
        if args.log.is_some() || session.config.get("ledger").is_some() {
            return Err(session.ledger().err().unwrap_or_else(|| Error::invalid("the ledger has no log yet")));
        }
        return Ok(Outcome::yes(listed));
    };
    let log = args.log.as_ref().map(|prefix| find_log(&ledger, prefix)).transpose()?;
    let mut all = NewestFirst::of(&ledger, log.as_ref())?;
    let mut skip = (args.page - 1).saturating_mul(args.limit);
    while let Some(receipt) = all.next()? {
        if !filter.admits(&receipt) {
            listed.filtered = true;
            continue;
        }
        if skip > 0 {
            skip -= 1;
        } else if listed.receipts.len() as u64 == args.limit {
            listed.more = true;
            break;
        } else {
            listed.receipts.push(receipt);
        }
    }
    Ok(Outcome::yes(listed))
}
