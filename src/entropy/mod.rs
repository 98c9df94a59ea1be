//! How much is still uncertain about what a project claims, in bits.
//!
//! H = P + V. P sums over the packages and criteria of the plans, V over the units of the code; each adds its weight
//! times the uncertainty that the best piece of evidence for it leaves ([`bits`]). What is locked, and how evidence is
//! weighed, stands in a signed baseline ([`baseline`]). `docs/entropy.md` says why it is made like this, and what it
//! can't see. This module knows no git, clock or ledger: it is given trees, units and judged evidence.

pub mod asks;
pub mod attributes;
pub mod baseline;
pub mod bits;
pub mod claims;
pub mod course;
pub mod coverage;
pub mod measure;
pub mod runs;
pub mod scatter;
pub mod scope;
pub mod units;
