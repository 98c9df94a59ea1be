//! The baseline: what is claimed, what each claim weighs, and what evidence is worth, locked by a signature.
//!
//! Without it anybody could lower H by dropping claims. A new baseline is a new epoch with a reason, and no change is
//! told across epochs. The signature is a receipt whose subject is [`Baseline::text`]; checking it is the caller's.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::asks::Asks;
use super::bits::Table;
use super::claims::{Claim, mean_hours};

pub const KIND: &str = "entropy-baseline/v1";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub epoch: u32,
    pub reason: String,
    /// RFC 3339, UTC.
    pub time: String,
    pub commit: String,
    pub table: Worth,
    /// In hours, with all the digits that the number needs.
    pub mean: String,
    /// Whether `asks` is of all that the evidence says, and of which criteria cover work. Older baselines locked the
    /// kind of a claim's own evidence and no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    pub claims: Vec<Locked>,
}

/// What each kind of evidence is worth, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worth {
    pub owner: u16,
    pub independent: u16,
    pub machine: u16,
    pub reproduced: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// `plan/ID`.
    pub id: String,
    /// In units of the mean, with all the digits that the number needs.
    weight: String,
    /// SHA-256 of what it rests on: see [`Asks`] and [`Baseline::whole`].
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex_digest")]
    pub asks: Option<[u8; 32]>,
}

/// The file: the baseline and the envelope that signs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub bizra: String,
    pub baseline: Baseline,
    pub envelope: serde_json::Value,
}

impl Baseline {
    pub fn lock(epoch: u32, reason: &str, time: String, commit: String, table: Table, claims: &[Claim]) -> Baseline {
        let mean = mean_hours(claims);
        let lock = |claim: &Claim| Locked {
            id: claim.id.clone(),
            weight: super::claims::weight(claim, mean).to_string(),
            asks: claim.asks.whole,
        };
        let Table { owner, independent, machine, reproduced } = table;
        let mut claims: Vec<Locked> = claims.iter().map(lock).collect();
        claims.sort_by(|a, b| a.id.cmp(&b.id));
        let table = Worth { owner, independent, machine, reproduced };
        Baseline { epoch, reason: reason.to_owned(), time, commit, table, mean: mean.to_string(), whole: true, claims }
    }

    /// Fills in what an older baseline left open: what the claims rested on in the commit that it names. It stays as it
    /// is where that commit holds other claims. Not to be signed: [`Baseline::text`] is another one's after it.
    pub fn complete(&mut self, then: &HashMap<String, Asks>) {
        if !self.whole && self.claims.iter().all(|lock| then.contains_key(&lock.id)) {
            self.claims.iter_mut().for_each(|lock| lock.asks = then.get(&lock.id).and_then(|asks| asks.whole));
            self.whole = true;
        }
    }

    pub fn table(&self) -> Table {
        let Worth { owner, independent, machine, reproduced } = self.table;
        Table { owner, independent, machine, reproduced }
    }

    pub fn mean_hours(&self) -> f64 {
        self.mean.parse().unwrap_or(1.0)
    }

    /// What is signed: this and nothing else, in one spelling.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("invariant: a baseline has no maps with keys other than strings")
    }

    /// What is wrong with its content, though its form is right.
    pub fn fault(&self) -> Option<String> {
        if let Some(fault) = self.table().fault() {
            return Some(fault.to_owned());
        }
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        if number(&self.mean).is_none_or(|mean| mean == 0.0) {
            return Some(format!("`{}` is no mean of hours", self.mean));
        }
        if let Some(lock) = self.claims.iter().find(|lock| number(&lock.weight).is_none()) {
            return Some(format!("`{}` is no weight for {}", lock.weight, lock.id));
        }
        let twice = self.claims.windows(2).find(|pair| pair[0].id >= pair[1].id);
        if let Some(pair) = twice {
            return Some(format!("{} stands twice, or out of order", pair[1].id));
        }
        if self.epoch == 0 {
            return Some("epochs are counted from 1".into());
        }
        if self.time.parse::<jiff::Timestamp>().is_err() {
            return Some(format!("`{}` is no time", self.time));
        }
        None
    }
}

impl Locked {
    pub fn weight(&self) -> f64 {
        self.weight.parse().unwrap_or(0.0)
    }
}

mod hex_digest {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(digest: &Option<[u8; 32]>, to: S) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => to.collect_str(&digest.iter().map(|b| format!("{b:02x}")).collect::<String>()),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<[u8; 32]>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let fault = || D::Error::custom("expected 64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(fault());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| fault())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| fault())?;
        }
        Ok(Some(digest))
    }
}
