//! What another device's receipt holds, for claims of a gap to it.

use std::collections::HashMap;

use super::super::Session;
use super::super::evidence::judge;
use crate::error::{Error, Exit, Result};
use crate::kernel::claims::What;
use crate::kernel::op::Op;
use crate::kernel::speed::Asked;
use crate::plan::gate::About;
use crate::receipts::decimal::Decimal;
use crate::receipts::predicates::{KernelClaim, KernelVerification};

const PREDICATE: &str = "kernel-verification/v0.1";

/// By shape: ln of the share of its own roofline that the other kernel reached, in each process. Nothing for claims that
/// compare with no receipt.
pub(super) fn of(asked: &Asked, op: Op, session: &mut Session) -> Result<HashMap<String, Vec<f64>>> {
    let What::Gap { receipt: wanted, .. } = &asked.claim.what else { return Ok(HashMap::new()) };
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
    Ok(shares(&verification, op, asked.cold))
}

/// What a receipt holds for kernels of an operation, under caches that were treated alike. A claim that a check refused
/// says nothing of the machine; of several on one shape, the one with most processes says most.
fn shares(receipt: &KernelVerification, op: Op, cold: bool) -> HashMap<String, Vec<f64>> {
    let same_op = |kernel: &str| receipt.kernels.iter().any(|k| k.id == kernel && k.op == op.word());
    let sound = |claim: &&KernelClaim| same_op(&claim.kernel) && claim.cold == cold && claim.check.is_none();
    let mut held: HashMap<String, Vec<f64>> = HashMap::new();
    for figure in receipt.claims.iter().filter(sound).flat_map(|claim| &claim.figures) {
        let share = |share: &Decimal| share.as_str().parse::<f64>().ok().map(f64::ln);
        let logs: Vec<f64> = figure.roof.iter().filter_map(share).filter(|log| log.is_finite()).collect();
        if logs.len() > held.get(&figure.shape).map_or(1, Vec::len) {
            held.insert(figure.shape.clone(), logs);
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipts::predicates::{ClaimFigure, KernelSelfTest, VerifiedKernel};

    fn figure(shape: &str, roof: &[&str]) -> ClaimFigure {
        ClaimFigure {
            shape: shape.into(),
            asked: ">= 2".into(),
            verdict: "inconclusive".into(),
            estimate: None,
            low: None,
            high: None,
            samples: Vec::new(),
            seconds: None,
            roof: roof.iter().map(|share| share.parse().expect("a number")).collect(),
            baselines: Vec::new(),
        }
    }

    fn claim(kernel: &str, cold: bool, check: Option<&str>, figures: Vec<ClaimFigure>) -> KernelClaim {
        KernelClaim {
            kernel: kernel.into(),
            id: "fast".into(),
            text: "fast".into(),
            grammar: "ratio >= 2 over naive".into(),
            verdict: "inconclusive".into(),
            check: check.map(str::to_owned),
            why: None,
            threads: 1,
            cold,
            program: [0; 32],
            committed: [0; 32],
            secret: [0; 32],
            controls: None,
            figures,
        }
    }

    fn kernel(id: &str, op: &str) -> VerifiedKernel {
        let zero = || "0".parse().expect("a number");
        VerifiedKernel {
            id: id.into(),
            op: op.into(),
            backend: "cpu".into(),
            outcome: "verified".into(),
            level: "ran-on-device".into(),
            on: None,
            manifest: [0; 32],
            code: None,
            made: Vec::new(),
            cases: 1,
            counted: 1,
            repeated: 0,
            edges: 1,
            edges_possible: None,
            probes: 1,
            pairs: 1,
            pairs_possible: None,
            random_shapes: 0,
            worst: zero(),
            against_plain: zero(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn shares_are_those_of_sound_claims_about_the_same() {
        let receipt = KernelVerification {
            effort: "quick".into(),
            correctness: true,
            determinism: true,
            committed: [0; 32],
            seed: [0; 8],
            self_test: KernelSelfTest { receipt: None, refused: 1, wrong: 1, accepted: 1, honest: 1 },
            cpu: String::new(),
            system: String::new(),
            isa: String::new(),
            not_contained: Vec::new(),
            kernels: vec![kernel("mine", "attention"), kernel("other", "softmax")],
            claims: vec![
                claim("mine", false, None, vec![figure("S=1", &["0.5", "0.25"]), figure("S=2", &["0.5"])]),
                claim("mine", false, None, vec![figure("S=1", &["0.5", "0.5", "0.5"]), figure("S=3", &[])]),
                claim("mine", false, None, vec![figure("S=1", &["0.1", "0.1"])]),
                claim("mine", false, Some("roofline"), vec![figure("S=4", &["1.5", "1.5"])]),
                claim("mine", true, None, vec![figure("S=5", &["0.2", "0", "0.2"])]),
                claim("other", false, None, vec![figure("R=1,N=2", &["0.2", "0.2"])]),
            ],
        };
        let half = 0.5f64.ln();
        assert_eq!(shares(&receipt, Op::Attention, false), HashMap::from([("S=1".to_owned(), vec![half; 3])]));
        assert_eq!(shares(&receipt, Op::Attention, true), HashMap::from([("S=5".to_owned(), vec![0.2f64.ln(); 2])]));
        assert_eq!(shares(&receipt, Op::Softmax, false).len(), 1);
        assert!(shares(&receipt, Op::Matmul, false).is_empty());
    }
}
