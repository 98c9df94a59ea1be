//! What every receipt says about its making: which log, which session, when, by what tool and on which machine.
//!
//! A process run is a session. Inside one, receipts count up from 0 and each names the one before; the first names what
//! was the log's last receipt at that moment. So a receipt that is taken away leaves a gap that its neighbours show.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

use super::envelope::ReceiptId;
use super::fields::{Fields, ShapeError};
use super::json::{self, Object, Value};
use super::{Hash, hex};

const MAX_WORD_BYTES: usize = 128;
/// The predicate members that [`Stamp`] writes, and that no predicate may use for itself.
pub const MEMBERS: [&str; 6] = ["host", "ledger", "nonce", "session", "time", "tool"];

/// UTC to the millisecond, always written in 24 characters: `2026-01-31T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(Timestamp);

impl Time {
    /// `None` outside the years 0 to 9999. What is finer than a millisecond is cut off.
    pub fn new(at: Timestamp) -> Option<Self> {
        let at = Timestamp::from_millisecond(at.as_millisecond()).ok()?;
        // The first and last second of the four-digit years.
        (-62_167_219_200..253_402_300_800).contains(&at.as_second()).then_some(Self(at))
    }

    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&self.0))
    }
}

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = text.parse().ok().and_then(Self::new);
        time.filter(|time| time.to_string() == text).ok_or("expected a time in UTC such as 2026-01-31T12:00:00.000Z")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    pub name: String,
    pub version: String,
    /// The source commit it was built from, where that is known.
    pub commit: Option<String>,
    /// Target, profile and features, as the build knows them.
    pub build: String,
}

/// A receipt's place in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub session: [u8; 16],
    pub seq: u64,
    /// `None` in a log's very first receipt only.
    pub prev: Option<ReceiptId>,
}

/// A running session, kept by the process: says where its next receipt stands.
#[derive(Debug, Clone)]
pub struct Session {
    id: [u8; 16],
    next: u64,
    last: Option<ReceiptId>,
}

impl Session {
    /// `id` must come from the operating system's randomness.
    pub fn new(id: [u8; 16]) -> Self {
        Self { id, next: 0, last: None }
    }

    /// `tip` is the log's last receipt at the moment of appending, known under the log's lock.
    pub fn position(&self, tip: Option<ReceiptId>) -> Position {
        Position { session: self.id, seq: self.next, prev: self.last.or(tip) }
    }

    /// To be called once the receipt is durable.
    pub fn appended(&mut self, id: ReceiptId) {
        self.next += 1;
        self.last = Some(id);
    }
}

/// What the log adds to a draft when its place is fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The log's genesis hash.
    pub ledger: Hash,
    /// Must come from the operating system's randomness.
    pub nonce: [u8; 16],
    pub position: Position,
    pub time: Time,
    pub tool: Tool,
    /// The machine's fingerprint.
    pub host: String,
}

impl Stamp {
    pub(super) fn write(&self, predicate: &mut Object) -> Result<(), ShapeError> {
        for (path, word) in [
            ("predicate.host", &self.host),
            ("predicate.tool.name", &self.tool.name),
            ("predicate.tool.version", &self.tool.version),
            ("predicate.tool.build", &self.tool.build),
        ] {
            check_word(word).map_err(|reason| ShapeError::new(path, reason))?;
        }
        if let Some(commit) = &self.tool.commit {
            check_commit(commit).map_err(|reason| ShapeError::new("predicate.tool.commit", reason))?;
        }
        let seq = json::integer(self.position.seq)
            .ok_or_else(|| ShapeError::new("predicate.session.seq", "is beyond 2^53 - 1"))?;
        let session = Object::new()
            .with("id", hex::encode(&self.position.session))
            .with("prev", self.position.prev.map(|id| id.to_string()))
            .with("seq", seq);
        let tool = Object::new()
            .with("build", self.tool.build.as_str())
            .with("commit", self.tool.commit.clone())
            .with("name", self.tool.name.as_str())
            .with("version", self.tool.version.as_str());
        let members: [(&str, Value); 6] = [
            ("host", self.host.as_str().into()),
            ("ledger", hex::encode(&self.ledger).into()),
            ("nonce", hex::encode(&self.nonce).into()),
            ("session", session.into()),
            ("time", self.time.to_string().into()),
            ("tool", tool.into()),
        ];
        for (key, value) in members {
            if !predicate.insert(key, value) {
                return Err(ShapeError::new(format!("predicate.{key}"), "the name is reserved for the log's stamp"));
            }
        }
        Ok(())
    }

    pub(super) fn read(predicate: &mut Fields<'_>) -> Result<Self, ShapeError> {
        let mut session = predicate.object("session")?;
        let position = Position {
            session: session.hex("id")?,
            seq: session.count("seq")?,
            prev: match session.nullable_string("prev")? {
                Some(_) => Some(ReceiptId(session.hex("prev")?)),
                None => None,
            },
        };
        if position.seq > 0 && position.prev.is_none() {
            return Err(session.error("prev", "is null, although the session has an earlier receipt"));
        }
        session.finish()?;
        let mut tool = predicate.object("tool")?;
        let commit = tool.nullable_string("commit")?;
        commit.map_or(Ok(()), check_commit).map_err(|reason| tool.error("commit", reason))?;
        let tool_read = Tool {
            name: tool.parsed("name", word)?,
            version: tool.parsed("version", word)?,
            commit: commit.map(str::to_owned),
            build: tool.parsed("build", word)?,
        };
        tool.finish()?;
        Ok(Self {
            ledger: predicate.hex("ledger")?,
            nonce: predicate.hex("nonce")?,
            position,
            time: predicate.parsed("time", Time::from_str)?,
            tool: tool_read,
            host: predicate.parsed("host", word)?,
        })
    }
}

fn word(text: &str) -> Result<String, &'static str> {
    check_word(text).map(|()| text.to_owned())
}

fn check_word(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > MAX_WORD_BYTES || !text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return Err("expected 1 to 128 printable ASCII characters");
    }
    Ok(())
}

fn check_commit(text: &str) -> Result<(), &'static str> {
    if matches!(text.len(), 40 | 64) && hex::is_hex(text) { Ok(()) } else { Err("expected a full git commit id") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_spelling() {
        for text in ["2026-01-31T12:00:00.000Z", "0000-01-01T00:00:00.000Z", "9999-12-30T21:59:59.999Z"] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        }
        for text in [
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.0000Z",
            "2026-01-31T12:00:00.000+00:00",
            "2026-01-31t12:00:00.000z",
            "2026-02-29T12:00:00.000Z",
            "2026-01-31T12:00:60.000Z",
            "2026-01-31 12:00:00.000Z",
            "-000001-01-31T12:00:00.000Z",
            "",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text:?}");
        }
        let precise = Timestamp::from_nanosecond(1_769_860_800_123_456_789).unwrap();
        assert_eq!(Time::new(precise).unwrap().to_string(), "2026-01-31T12:00:00.123Z");
    }

    #[test]
    fn a_session_chains_its_receipts() {
        let (tip, first) = (ReceiptId([1; 32]), ReceiptId([2; 32]));
        let mut session = Session::new([7; 16]);
        assert_eq!(session.position(None).prev, None);
        assert_eq!(session.position(Some(tip)), Position { session: [7; 16], seq: 0, prev: Some(tip) });
        session.appended(first);
        // Others may have appended in between: inside the session only its own receipts count.
        assert_eq!(session.position(Some(tip)), Position { session: [7; 16], seq: 1, prev: Some(first) });
    }
}
