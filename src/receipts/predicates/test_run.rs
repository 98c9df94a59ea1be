//! `test-run/v0.1`: tests ran, and covered units of code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::Hash;
use super::super::fields::{Fields, ShapeError};
use super::super::hex;
use super::super::json::{self, Object, Value};
use super::Predicate;

/// The id of a unit of code.
pub type UnitId = [u8; 12];

/// As many units, covered or of tests, as one receipt has room for.
pub const MOST_UNITS: usize = 2_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRun {
    pub run: Hash,
    pub part: u64,
    pub parts: u64,
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
    /// In thousandths.
    pub killed: Option<u16>,
    /// Each with the share of its lines that ran, in percent.
    pub units: Vec<(UnitId, u8)>,
    pub tests: Vec<UnitId>,
}

impl TestRun {
    pub fn all_passed(&self) -> bool {
        self.failed == 0
    }
}

fn pack(ids: impl Iterator<Item = UnitId>) -> String {
    STANDARD.encode(ids.flatten().collect::<Vec<u8>>())
}

fn unpack(text: &str) -> Result<Vec<UnitId>, &'static str> {
    let bytes = STANDARD.decode(text).map_err(|_| "expected base64")?;
    let (ids, rest) = bytes.as_chunks::<12>();
    if rest.is_empty() { Ok(ids.to_vec()) } else { Err("expected 12 bytes for each unit") }
}

impl Predicate for TestRun {
    const TYPE: &'static str = "urn:bizra:predicate:test-run:v0.1";
    const SCHEMA: &'static str = include_str!("../../../docs/predicates/test-run-v0.1.schema.json");

    fn validate(&self) -> Result<(), ShapeError> {
        let refuse = |field: &str, reason: &str| Err(ShapeError::new(format!("predicate.{field}"), reason));
        if self.part == 0 || self.part > self.parts {
            return refuse("part", "parts are counted from 1, and none comes after the last");
        }
        for (field, count) in
            [("parts", self.parts), ("passed", self.passed), ("failed", self.failed), ("skipped", self.skipped)]
        {
            if count > json::MAX_INTEGER as u64 {
                return refuse(field, "too large");
            }
        }
        if self.killed.is_some_and(|killed| killed > 1000) {
            return refuse("killed", "no more than all, in thousandths");
        }
        if self.units.len() + self.tests.len() > MOST_UNITS {
            return refuse("units", "more than one receipt has room for");
        }
        if self.units.iter().any(|(_, percent)| *percent > 100) {
            return refuse("percent", "no more than all lines can run");
        }
        Ok(())
    }

    fn body(&self) -> Object {
        let count = |n: u64| json::integer(n).unwrap_or(Value::Null);
        let percent: Vec<u8> = self.units.iter().map(|(_, percent)| *percent).collect();
        Object::new()
            .with("failed", count(self.failed))
            .with("killed", self.killed.map(u32::from))
            .with("part", count(self.part))
            .with("parts", count(self.parts))
            .with("passed", count(self.passed))
            .with("percent", hex::encode(&percent))
            .with("run", hex::encode(&self.run))
            .with("skipped", count(self.skipped))
            .with("tests", pack(self.tests.iter().copied()))
            .with("units", pack(self.units.iter().map(|(id, _)| *id)))
            .with("verdict", if self.all_passed() { "passed" } else { "failed" })
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let units = fields.parsed("units", unpack)?;
        let percent = fields.string("percent")?;
        let (pairs, rest) = percent.as_bytes().as_chunks::<2>();
        if pairs.len() != units.len() || !rest.is_empty() {
            return Err(fields.error("percent", "expected two digits for each unit"));
        }
        let mut covered = Vec::with_capacity(units.len());
        for (id, pair) in units.into_iter().zip(pairs) {
            let digits = std::str::from_utf8(pair).ok().filter(|d| hex::is_hex(d));
            let Some(share) = digits.and_then(|d| u8::from_str_radix(d, 16).ok()) else {
                return Err(fields.error("percent", "expected hexadecimal digits"));
            };
            covered.push((id, share));
        }
        let killed = match fields.nullable_count("killed")? {
            None => None,
            Some(killed) => Some(u16::try_from(killed).map_err(|_| fields.error("killed", "too large"))?),
        };
        let read = Self {
            run: fields.hex("run")?,
            part: fields.count("part")?,
            parts: fields.count("parts")?,
            passed: fields.count("passed")?,
            failed: fields.count("failed")?,
            skipped: fields.count("skipped")?,
            killed,
            units: covered,
            tests: fields.parsed("tests", unpack)?,
        };
        let said = fields.parsed("verdict", |word| match word {
            "passed" => Ok(true),
            "failed" => Ok(false),
            _ => Err("expected passed or failed"),
        })?;
        if said != read.all_passed() {
            return Err(fields.error("verdict", "it disagrees with the number of tests that failed"));
        }
        Ok(read)
    }
}
