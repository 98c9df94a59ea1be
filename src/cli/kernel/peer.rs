//! What another device's receipt holds, for claims of a gap to it.

use std::collections::HashMap;

use super::super::Session;
use super::super::evidence::judge;
use crate::error::{Error, Exit, Result};
use crate::kernel::claims::{Claim, What};
use crate::kernel::op::Op;
use crate::plan::gate::About;
use crate::receipts::predicates::KernelVerification;

const PREDICATE: &str = "kernel-verification/v0.1";

/// By shape: ln of the share of its own roofline that the other kernel reached, in each process. Nothing for claims that
/// compare with no receipt.
pub(super) fn of(claim: &Claim, op: Op, session: &mut Session) -> Result<HashMap<String, Vec<f64>>> {
    let What::Gap { receipt: wanted, .. } = &claim.what else { return Ok(HashMap::new()) };
    let found = judge(session, |inputs| {
        for place in inputs.receipts.find(PREDICATE, About::Anything) {
            let Some(receipt) = inputs.receipts.open(place)? else { continue };
            if !receipt.id.starts_with(wanted.as_str()) {
                continue;
            }
            if let Some(fault) = &receipt.fault {
                let why = format!("receipt {wanted} can't be relied on: {fault:?}");
                return Err(Error::new(Exit::Integrity, why).hint("bizra receipts audit"));
            }
            return Ok(receipt.statement.predicate::<KernelVerification>().and_then(|read| read.ok()));
        }
        Ok(None)
    })?;
    let Some(verification) = found else {
        return Err(Error::new(Exit::Undecided, format!("there is no kernel-verification receipt {wanted} here"))
            .hint("`bizra receipts list` shows them; another machine's ledger has to be in this repository"));
    };
    let same_op = |kernel: &str| verification.kernels.iter().any(|k| k.id == kernel && k.op == op.word());
    let mut held = HashMap::new();
    for figure in verification.claims.iter().filter(|c| same_op(&c.kernel)).flat_map(|c| &c.figures) {
        let logs: Vec<f64> =
            figure.roof.iter().filter_map(|share| share.as_str().parse::<f64>().ok()).map(f64::ln).collect();
        if logs.len() > 1 {
            held.insert(figure.shape.clone(), logs);
        }
    }
    Ok(held)
}
