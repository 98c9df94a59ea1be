//! Pins, `bizra.pin`: checkpoints that were seen, kept in the main branch, so that a log can only grow.
//!
//! A ledger that was cut short and signed again is perfect in itself; only what was seen before tells. The file holds a
//! line `bizra pin v1`, then per log its verifier key and its checkpoints, smallest first:
//!
//! ```text
//! log NAME+HASH+KEY
//! SIZE ROOT SIGNATURE
//! ```
//!
//! Whether one tree continues another is asked of the caller, who has the log.

use std::fmt;

use super::checkpoint::{Checkpoint, CheckpointError, NoteVerifier};
use super::finding::{Code, Finding};

#[cfg(test)]
mod tests;

pub const FILE_NAME: &str = "bizra.pin";
pub const MAX_BYTES: usize = 1 << 20;
const HEADER: &str = "bizra pin v1";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinError {
    TooLong {
        bytes: usize,
    },
    /// `line` counts from 1.
    Malformed {
        line: usize,
        reason: String,
    },
    Signature {
        line: usize,
        reason: CheckpointError,
    },
    /// A log's checkpoints do not grow from line to line.
    Regress {
        line: usize,
        size: u64,
        previous: u64,
    },
    /// A checkpoint to be pinned does not open.
    Checkpoint(CheckpointError),
    /// The log is known under another key.
    Key {
        pinned: String,
        got: String,
    },
    /// A checkpoint to be pinned contradicts what is pinned.
    Contradiction(Finding),
}

impl PinError {
    /// `None` for a file that holds no pins at all, which is invalid input rather than a finding.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::TooLong { .. } | Self::Malformed { .. } => None,
            Self::Signature { .. } => Some(Code::PinSignature),
            Self::Regress { .. } => Some(Code::PinRegress),
            Self::Checkpoint(error) => Some(error.code()),
            Self::Key { .. } => Some(Code::CheckpointKey),
            Self::Contradiction(finding) => Some(finding.code),
        }
    }
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "{FILE_NAME} has {bytes} bytes; at most {MAX_BYTES} are read"),
            Self::Malformed { line, reason } => write!(f, "{FILE_NAME}:{line}: {reason}"),
            Self::Signature { line, reason } => write!(f, "{FILE_NAME}:{line}: {reason}"),
            Self::Regress { line, size, previous } => {
                write!(f, "{FILE_NAME}:{line}: size {size} after {previous}: a log's pins only grow")
            }
            Self::Checkpoint(error) => error.fmt(f),
            Self::Key { pinned, got } => write!(f, "the log is pinned under {pinned}, and this is {got}"),
            Self::Contradiction(finding) => finding.fmt(f),
        }
    }
}

impl std::error::Error for PinError {}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pin {
    checkpoint: Checkpoint,
    signature: String,
}

/// One log's pins, smallest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedLog {
    verifier: NoteVerifier,
    pins: Vec<Pin>,
}

impl PinnedLog {
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    pub fn checkpoints(&self) -> impl DoubleEndedIterator<Item = &Checkpoint> {
        self.pins.iter().map(|pin| &pin.checkpoint)
    }

    /// The signed note that was pinned at `size`.
    pub fn note(&self, size: u64) -> Option<String> {
        let Pin { checkpoint, signature } = self.pins.iter().find(|pin| pin.checkpoint.size == size)?;
        Some(format!("{}\n\u{2014} {} {signature}\n", checkpoint.body(), self.verifier.name()))
    }

    pub fn newest(&self) -> Option<&Checkpoint> {
        self.checkpoints().next_back()
    }

    /// What the pins say about the log's `current` checkpoint. `continues` answers whether the log's first
    /// `pinned.size` entries have the root `pinned.root`.
    pub fn judge(&self, current: &Checkpoint, mut continues: impl FnMut(&Checkpoint) -> bool) -> Vec<Finding> {
        let (name, size) = (self.verifier.name(), current.size);
        let judge = |pinned: &Checkpoint| {
            let (code, detail) = if size < pinned.size {
                (Code::Rollback, format!("{name} is shorter than it was: pin={} got={size}", pinned.size))
            } else if size == pinned.size && current.root != pinned.root {
                (Code::Fork, format!("{name} has two roots at size {size}: the pinned one and the log's"))
            } else if size > pinned.size && !continues(pinned) {
                (Code::PinInconsistent, format!("{name} at size {size} does not continue the pin at {}", pinned.size))
            } else {
                return None;
            };
            Some(Finding::new(code, detail).at_path(FILE_NAME))
        };
        self.checkpoints().filter_map(judge).collect()
    }
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pins(Vec<PinnedLog>);

impl Pins {
    pub fn parse(file: &[u8]) -> Result<Self, PinError> {
        if file.len() > MAX_BYTES {
            return Err(PinError::TooLong { bytes: file.len() });
        }
        let malformed = |line, reason: &str| PinError::Malformed { line, reason: reason.to_owned() };
        let text = std::str::from_utf8(file).map_err(|error| {
            let before = &file[..error.valid_up_to()];
            malformed(1 + before.iter().filter(|&&byte| byte == b'\n').count(), "it is not UTF-8")
        })?;
        let Some(body) = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')) else {
            return Err(malformed(1, "expected `bizra pin v1`"));
        };
        if !body.is_empty() && !body.ends_with('\n') {
            return Err(malformed(1 + text.split('\n').count() - 1, "the last line does not end"));
        }
        let mut logs: Vec<PinnedLog> = Vec::new();
        for (at, text) in body.split_terminator('\n').enumerate() {
            let line = at + 2;
            if let Some(vkey) = text.strip_prefix("log ") {
                let verifier = NoteVerifier::parse(vkey)
                    .map_err(|error| PinError::Malformed { line, reason: error.to_string() })?;
                if logs.last().is_some_and(|last| last.pins.is_empty()) {
                    return Err(malformed(line - 1, "the log has no checkpoint"));
                }
                if logs.last().is_some_and(|last| last.verifier.name() >= verifier.name()) {
                    return Err(malformed(line, "logs stand in the order of their names, each once"));
                }
                logs.push(PinnedLog { verifier, pins: Vec::new() });
            } else {
                let log = logs.last_mut().ok_or_else(|| malformed(line, "expected `log NAME+HASH+KEY`"))?;
                let pin = read_pin(line, text, &log.verifier)?;
                if let Some(previous) =
                    log.newest().map(|newest| newest.size).filter(|size| *size >= pin.checkpoint.size)
                {
                    return Err(PinError::Regress { line, size: pin.checkpoint.size, previous });
                }
                log.pins.push(pin);
            }
        }
        if logs.last().is_some_and(|last| last.pins.is_empty()) {
            return Err(malformed(1 + body.lines().count(), "the log has no checkpoint"));
        }
        Ok(Self(logs))
    }

    pub fn logs(&self) -> &[PinnedLog] {
        &self.0
    }

    /// The pins of the log that signs under `name` (`bizra-ledger/LOG-ID`).
    pub fn log(&self, name: &str) -> Option<&PinnedLog> {
        self.0.iter().find(|log| log.verifier.name() == name)
    }

    /// Pins a log's signed checkpoint, unless it contradicts what is pinned. False when it was pinned already.
    pub fn add(
        &mut self,
        verifier: &NoteVerifier,
        note: &[u8],
        continues: impl FnMut(&Checkpoint) -> bool,
    ) -> Result<bool, PinError> {
        let (checkpoint, signature) = Checkpoint::open_with_signature(note, verifier).map_err(PinError::Checkpoint)?;
        let pin = Pin { checkpoint, signature };
        match self.0.binary_search_by(|log| log.verifier.name().cmp(verifier.name())) {
            Err(at) => self.0.insert(at, PinnedLog { verifier: verifier.clone(), pins: vec![pin] }),
            Ok(at) => {
                let log = &mut self.0[at];
                if log.verifier != *verifier {
                    return Err(PinError::Key { pinned: log.verifier.to_string(), got: verifier.to_string() });
                }
                if let Some(finding) = log.judge(&pin.checkpoint, continues).into_iter().next() {
                    return Err(PinError::Contradiction(finding));
                }
                if log.newest().is_some_and(|newest| newest.size == pin.checkpoint.size) {
                    return Ok(false);
                }
                log.pins.push(pin);
            }
        }
        Ok(true)
    }
}

impl fmt::Display for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for log in &self.0 {
            writeln!(f, "log {}", log.verifier)?;
            for Pin { checkpoint, signature } in &log.pins {
                let body = checkpoint.body();
                let root = body.lines().nth(2).unwrap_or_default();
                writeln!(f, "{} {root} {signature}", checkpoint.size)?;
            }
        }
        Ok(())
    }
}

fn read_pin(line: usize, text: &str, verifier: &NoteVerifier) -> Result<Pin, PinError> {
    let mut words = text.split(' ');
    let (Some(size), Some(root), Some(signature), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(PinError::Malformed { line, reason: "expected `SIZE ROOT SIGNATURE`".to_owned() });
    };
    let name = verifier.name();
    let note = format!("{name}\n{size}\n{root}\n\n\u{2014} {name} {signature}\n");
    match Checkpoint::open(note.as_bytes(), verifier) {
        Ok(checkpoint) => Ok(Pin { checkpoint, signature: signature.to_owned() }),
        Err(CheckpointError::Malformed { reason, .. }) => Err(PinError::Malformed { line, reason: reason.to_owned() }),
        Err(CheckpointError::TooLong { .. }) => {
            Err(PinError::Malformed { line, reason: "the line is too long".to_owned() })
        }
        Err(reason) => Err(PinError::Signature { line, reason }),
    }
}
