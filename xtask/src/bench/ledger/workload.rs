//! Receipts as commands write them, the same ones for the same index: each the only one of its session, sealed by the
//! product's own constructors. What is random in a real one (nonce, session, commitments, timings) is random here.

use bizra::receipts::Hash;
use bizra::receipts::checkpoint::NoteSigner;
use bizra::receipts::envelope::{Envelope, ReceiptId};
use bizra::receipts::keys::SecretKey;
use bizra::receipts::log::{LogHeader, LogId};
use bizra::receipts::policy::Trust;
use bizra::receipts::predicates::{Attestation, Engine, Finish, Inference, Model, Parameters, Score, Text, Timings};
use bizra::receipts::stamp::{Position, Session, Stamp, Time, Tool};
use bizra::receipts::statement::{Draft, Sealed, Subject};
use bizra::sys::ledger::{CallerError, Position as Place};
use sha2::{Digest as _, Sha256};

/// What is kept under `target` is of no use to another workload.
pub(super) const VERSION: u32 = 1;
/// 2026-01-01T00:00:00Z.
const EPOCH: i64 = 1_767_225_600;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mix {
    /// Three inferences, then an attestation.
    Usual,
    Inferences,
    Attestations,
}

pub(super) struct Workload {
    mix: Mix,
    key: SecretKey,
    checkpoint_key: [u8; 32],
    header: LogHeader,
}

fn random(index: u64, what: &str) -> Hash {
    Sha256::new().chain_update(index.to_le_bytes()).chain_update(what).finalize().into()
}

fn first<const N: usize>(hash: Hash) -> [u8; N] {
    std::array::from_fn(|at| hash[at])
}

fn number(index: u64, what: &str, below: u64) -> u64 {
    u64::from_le_bytes(first(random(index, what))) % below
}

impl Workload {
    pub(super) fn new(mix: Mix) -> Self {
        let key = SecretKey::from_seed(&random(0, "receipt key"));
        let checkpoint_key = random(0, "checkpoint key");
        let header = LogHeader {
            writer: key.public().id().to_string(),
            checkpoint_key: *SecretKey::from_seed(&checkpoint_key).public().as_bytes(),
            nonce: first(random(0, "log")),
            created: "2026-01-01T00:00:00.000Z".to_owned(),
        };
        Self { mix, key, checkpoint_key, header }
    }

    pub(super) fn header(&self) -> &LogHeader {
        &self.header
    }

    pub(super) fn log(&self) -> LogId {
        self.header.id()
    }

    pub(super) fn note_signer(&self) -> Result<NoteSigner, String> {
        let key = SecretKey::from_seed(&self.checkpoint_key).into_signing_key();
        NoteSigner::new(self.log().origin(), key).map_err(|error| error.to_string())
    }

    /// The key that signs the receipts, as a file of it.
    pub(super) fn key_file(&self) -> String {
        self.key.to_pkcs8_pem().clone()
    }

    pub(super) fn trust(&self) -> Trust {
        Trust::Own { logs: vec![self.log().to_string()], keys: vec![*self.key.public()] }
    }

    /// The envelope that stands at `index` when the log's last receipt is `last`; `salt` tells writers apart.
    pub(super) fn seal(&self, index: u64, salt: &str, last: Option<ReceiptId>) -> Result<Sealed, CallerError> {
        let draft = match self.mix {
            Mix::Inferences => inference(index)?,
            Mix::Attestations => attestation(index)?,
            Mix::Usual if index % 4 == 3 => attestation(index)?,
            Mix::Usual => inference(index)?,
        };
        let stamp =
            self.stamp(index, salt, Session::new(first(random(index, &format!("session {salt}")))).position(last))?;
        Ok(draft.seal(&stamp, &self.key)?)
    }

    /// For [`bizra::sys::ledger::Writer::append`].
    pub(super) fn envelope(&self, place: &Place<'_>, salt: &str) -> Result<Vec<u8>, CallerError> {
        let last = place.last.map(Envelope::parse).transpose()?.map(|envelope| envelope.id());
        Ok(self.seal(place.index, salt, last)?.envelope)
    }

    fn stamp(&self, index: u64, salt: &str, position: Position) -> Result<Stamp, CallerError> {
        Ok(Stamp {
            ledger: self.header.genesis(),
            nonce: first(random(index, &format!("nonce {salt}"))),
            position,
            time: time(index)?,
            tool: Tool {
                name: "bizra".to_owned(),
                version: "0.1.0".to_owned(),
                commit: Some("77c69c3b1f0a5d9e2c4486b0733d1a5ef09b2c68".to_owned()),
                build: "x86_64-unknown-linux-gnu release".to_owned(),
            },
            host: "3b7c9d20e4f1685aa0d4c21b97f3e865".to_owned(),
        })
    }
}

/// A receipt every nine seconds and a bit.
fn time(index: u64) -> Result<Time, CallerError> {
    let text = spelled(EPOCH * 1000 + index as i64 * 9000 + number(index, "time", 9000) as i64);
    Ok(text.parse()?)
}

/// Milliseconds since 1970 as receipts write them; the days of 2026 and later, by Hinnant's `civil_from_days`.
fn spelled(milliseconds: i64) -> String {
    let (days, rest) = (milliseconds.div_euclid(86_400_000), milliseconds.rem_euclid(86_400_000));
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

fn attestation(index: u64) -> Result<Draft, CallerError> {
    let attestation = Attestation {
        role: "reviewer".to_owned(),
        statement: Some(format!("Read run {index} and its evaluation; it may go on.")),
        score: Some(Score { value: number(index, "score", 101).to_string().parse()?, of: "100".parse()? }),
    };
    let subject = Subject::sha256(format!("reports/run-{index}.md"), random(index, "report"));
    Ok(Draft::new(vec![subject], &attestation)?)
}

fn inference(index: u64) -> Result<Draft, CallerError> {
    let text = |what: &str| Text {
        commitment: random(index, what),
        tokens_commitment: random(index, &format!("{what} tokens")),
        tokens: 20 + number(index, &format!("{what} count"), 400),
    };
    let millis = |what: &str, whole: u64| {
        format!("{}.{:03}", number(index, what, whole), number(index, &format!("{what} fraction"), 1000)).parse()
    };
    let inference = Inference {
        model: Model {
            name: "Qwen2.5-0.5B-Instruct-Q4_K_M".to_owned(),
            sha256: random(1, "model"),
            bytes: 397_808_192,
            arch: "qwen2".to_owned(),
        },
        tokenizer: random(1, "tokenizer"),
        template: Some(random(1, "template")),
        clock: Some(time(index)?),
        prompt: text("prompt"),
        output: text("output"),
        parameters: Parameters {
            temperature: "0.7".parse()?,
            top_k: 40,
            top_p: "0.95".parse()?,
            min_p: "0.05".parse()?,
            typical: "1".parse()?,
            repetition: "1.1".parse()?,
            presence: "0".parse()?,
            frequency: "0".parse()?,
            lookback: 64,
            bias: Vec::new(),
            seed: number(index, "seed", u64::MAX),
            max_tokens: Some(256),
            stops: Vec::new(),
            form: None,
            context: 4096,
        },
        engine: Engine { level: "avx2".to_owned(), threads: 2, chunk: 64, kv: "f16".to_owned() },
        finish: if index.is_multiple_of(5) { Finish::Length } else { Finish::Eos },
        timings: Timings {
            prompt: millis("prompt time", 900)?,
            first_token: millis("first token time", 900)?,
            decode: millis("decode time", 20_000)?,
        },
    };
    Ok(Draft::new(inference.subjects(Vec::new()), &inference)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_as_receipts_spell_them() {
        assert_eq!(spelled(1_767_225_600_007), "2026-01-01T00:00:00.007Z");
        assert_eq!(spelled(1_835_395_199_999), "2028-02-28T23:59:59.999Z");
        assert_eq!(spelled(1_835_395_200_000), "2028-02-29T00:00:00.000Z");
        assert_eq!(time(1_000_000).unwrap().to_string().len(), 24);
    }

    #[test]
    fn a_receipt_is_as_long_as_a_real_one_and_the_same_each_time() {
        let workload = Workload::new(Mix::Usual);
        let (one, again) = (workload.seal(4, "", None).unwrap(), workload.seal(4, "", None).unwrap());
        assert_eq!(one, again);
        assert_ne!(one.id, workload.seal(4, "other", None).unwrap().id);
        assert!((1500..3500).contains(&one.envelope.len()), "{}", one.envelope.len());
    }
}
