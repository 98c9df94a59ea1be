//! Code as units: functions and other items, each known by the hash of its normalised tokens.
//!
//! What does not change what code does, changes no unit: white space, comments, doc strings, imports, trailing commas,
//! the file and module that it lies in, the function's own name, and the names of what is bound inside it. A unit in
//! a class or impl is known together with that, so that two types' `len` are two units.
//! Leaves out reading files and deciding which of them count ([`super::scope`]).

mod binders;
mod chunks;
mod languages;
mod walk;

use std::ops::RangeInclusive;

pub use languages::{Language, is_test_path};

/// Raise it whenever the same bytes may give other units: caches are keyed by it.
pub const NORMALISER: u32 = 1;

/// The first 12 bytes of SHA-256 over normalised tokens.
pub type UnitId = [u8; 12];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub id: UnitId,
    /// As a person would look for it; empty for code outside functions.
    pub name: String,
    pub tokens: u32,
    /// Lines of the file, from 1.
    pub lines: RangeInclusive<u32>,
    /// It checks other code, and is no claim of its own.
    pub test: bool,
}

/// The units of a file. `path` chooses nothing but whether they are tests.
pub fn of(language: Language, path: &str, source: &[u8]) -> Vec<Unit> {
    let in_tests = is_test_path(path);
    match language.grammar() {
        Some(grammar) => walk::units(&grammar, source, in_tests),
        None => chunks::units(source, in_tests),
    }
}

#[cfg(test)]
mod tests;
