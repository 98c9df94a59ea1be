//! The measurement of a standup's day: the newest receipt of `bizra entropy` that can be relied on.

use crate::error::{Error, Exit, Result};
use crate::plan::gate::{About, Fault, Receipts};
use crate::receipts::predicates;
use crate::receipts::statement::Decimal;
use crate::sprint::standup::{self, Entropy, Measured, Window};

pub(super) fn of_day(window: &Window, over: bool, receipts: &dyn Receipts) -> Result<Entropy> {
    let (mut newest, mut distrusted): (Option<Measured>, Option<String>) = (None, None);
    for receipt in standup::in_window(window, receipts.find("entropy", About::Anything), receipts)? {
        let Some(Ok(said)) = receipt.statement.predicate::<predicates::Entropy>() else { continue };
        // Made with --now, it may tell of another day than its own.
        if !window.holds(said.now.timestamp()) {
            continue;
        }
        if let Some(Fault::Foreign(why) | Fault::Untrusted(why)) = &receipt.fault {
            distrusted.get_or_insert_with(|| format!("receipt {} doesn't count: {why}", standup::short(&receipt.id)));
            continue;
        }
        let Some(commit) = receipt.statement.subjects.iter().find_map(|s| s.digest("gitCommit")) else { continue };
        let measured = Measured {
            receipt: receipt.id.clone(),
            commit: commit.to_owned(),
            at: said.now.timestamp(),
            h: bits(&said.h)?,
            p: bits(&said.p)?,
            v: bits(&said.v)?,
            ceiling: bits(&said.ceiling)?,
            change: said.delta.as_ref().map(bits).transpose()?.zip(said.since),
            scatter: said.scatter.as_ref().map(bits).transpose()?,
            has_baseline: said.baseline.is_some(),
        };
        if newest.as_ref().is_none_or(|known| known.at < measured.at) {
            newest = Some(measured);
        }
    }
    let next = if over { "bizra entropy log" } else { "bizra entropy" };
    let why = || distrusted.unwrap_or_else(|| "no receipt of this day holds a measurement".into());
    Ok(newest.map_or_else(|| Entropy::NotMeasured { why: why(), next }, Entropy::Measured))
}

fn bits(decimal: &Decimal) -> Result<f64> {
    let text = decimal.as_str();
    text.parse().map_err(|_| Error::new(Exit::Integrity, format!("{text} bits are no number")))
}
