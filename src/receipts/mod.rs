//! Receipts: what a signed claim is, byte for byte, and who may make it.
//!
//! Everything here is a function of bytes and values. Where receipts are kept, how they get there and when it happened
//! come from outside: a log's writer calls [`checkpoint`] with a size and a root.

pub mod checkpoint;
pub mod hex;
pub mod keys;
pub mod log;
pub mod merkle;
pub mod tiles;

/// A SHA-256 digest: a node of the tree, a genesis, a receipt's id.
pub type Hash = [u8; 32];
