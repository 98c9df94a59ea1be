//! Receipts: what a signed claim is, byte for byte, and who may make it.
//!
//! Everything here is a function of bytes and values. Where receipts are kept, how they get there and when it happened
//! come from outside: a log calls [`statement::Draft::seal`] with its stamp, and signs [`checkpoint`]s with a size and a
//! root that it knows.

pub mod audit;
pub mod checkpoint;
pub mod commitment;
pub mod conformance;
pub mod decimal;
pub mod envelope;
pub mod fields;
pub mod finding;
pub mod hex;
pub mod json;
pub mod keys;
pub mod log;
pub mod merkle;
pub mod pin;
pub mod policy;
pub mod predicates;
pub mod proof;
pub mod receipt;
pub mod stamp;
pub mod statement;
pub mod tiles;
pub mod verify;

/// A SHA-256 digest: a node of the tree, a genesis, a receipt's id.
pub type Hash = [u8; 32];
