//! What an audit can say: a fixed vocabulary, so that scripts and people can rely on the words.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

codes! {
    SigInvalid = "sig-invalid",
    KeyUntrusted = "key-untrusted",
    KeyRole = "key-role",
    KeyRevoked = "key-revoked",
    KeyOutOfRange = "key-out-of-range",
    KeyidMismatch = "keyid-mismatch",
    SignatureCount = "signature-count",
    PayloadType = "payload-type",
    /// Also a canonical payload that is no statement of ours: the one spelling includes the one shape.
    PayloadNoncanonical = "payload-noncanonical",
    EnvelopeNoncanonical = "envelope-noncanonical",
    DuplicateReceipt = "duplicate-receipt",
    SessionOrder = "session-order",
    SessionTruncated = "session-truncated",
    LedgerIdMismatch = "ledger-id-mismatch",
    TimeRegress = "time-regress",
    Gap = "gap",
    SizeMismatch = "size-mismatch",
    RootMismatch = "root-mismatch",
    TileMismatch = "tile-mismatch",
    FrontierMismatch = "frontier-mismatch",
    BundleMalformed = "bundle-malformed",
    CheckpointMalformed = "checkpoint-malformed",
    CheckpointKey = "checkpoint-key",
    OriginMismatch = "origin-mismatch",
    PinInconsistent = "pin-inconsistent",
    PinMissing = "pin-missing",
    PinRegress = "pin-regress",
    PinSignature = "pin-signature",
    Rollback = "rollback",
    Fork = "fork",
    HistoryRewritten = "history-rewritten",
    HistoryShallow = "history-shallow",
    HistoryMerge = "history-merge",
    HistoryInconsistent = "history-inconsistent",
    ObjectCorrupt = "object-corrupt",
    ObjectMissing = "object-missing",
    ReplaceRefs = "replace-refs",
    UnexpectedPath = "unexpected-path",
    BadMode = "bad-mode",
    PolicyWeakKey = "policy-weak-key",
    PolicyUnsigned = "policy-unsigned",
    PrunedNotAllowed = "pruned-not-allowed",
    LedgerMissing = "ledger-missing",
    WalTornTail = "wal-torn-tail",
    WalCorrupt = "wal-corrupt",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Code {
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    pub fn severity(self) -> Severity {
        match self {
            Self::HistoryShallow | Self::WalTornTail => Severity::Info,
            Self::TimeRegress | Self::HistoryRewritten => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// The exit code that this finding alone would give.
    pub fn exit(self) -> u8 {
        match self {
            _ if self.severity() < Severity::Error => 0,
            Self::LedgerMissing => 3,
            Self::PinMissing | Self::PrunedNotAllowed => 4,
            _ => 5,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    /// The log index concerned.
    pub index: Option<u64>,
    /// The path in the ledger's tree, or the file, concerned.
    pub path: Option<String>,
    pub detail: String,
}

impl Finding {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, index: None, path: None, detail: detail.into() }
    }

    pub fn at_index(self, index: u64) -> Self {
        Self { index: Some(index), ..self }
    }

    pub fn at_path(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(index) = self.index {
            write!(f, " at {index}")?;
        }
        if let Some(path) = &self.path {
            write!(f, " in {path}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// The exit code of a whole audit. With `require_history`, a shallow history is missing evidence.
pub fn exit_code(findings: &[Finding], require_history: bool) -> u8 {
    let shallow = |code| require_history && code == Code::HistoryShallow;
    let exits = || findings.iter().map(|finding| if shallow(finding.code) { 4 } else { finding.code.exit() });
    [3, 5, 4].into_iter().find(|exit| exits().any(|other| other == *exit)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_found_again() {
        assert_eq!(Code::ALL.len(), 45);
        for (at, code) in Code::ALL.iter().enumerate() {
            assert_eq!(Code::from_name(code.name()), Some(*code));
            assert!(Code::ALL[..at].iter().all(|other| other.name() != code.name()));
        }
        assert_eq!(Code::from_name("fine"), None);
    }

    #[test]
    fn the_worst_class_decides() {
        let exit = |codes: &[Code], history| {
            let findings: Vec<_> = codes.iter().map(|code| Finding::new(*code, "")).collect();
            exit_code(&findings, history)
        };
        assert_eq!(exit(&[], true), 0);
        assert_eq!(exit(&[Code::TimeRegress, Code::WalTornTail, Code::HistoryShallow], false), 0);
        assert_eq!(exit(&[Code::HistoryShallow], true), 4);
        assert_eq!(exit(&[Code::PinMissing, Code::TimeRegress], false), 4);
        assert_eq!(exit(&[Code::PinMissing, Code::SigInvalid], false), 5);
        assert_eq!(exit(&[Code::SigInvalid, Code::LedgerMissing], false), 3);
    }

    #[test]
    fn severities_have_names_and_order() {
        let all = [Severity::Info, Severity::Warning, Severity::Error];
        assert_eq!(all.map(Severity::name), ["info", "warning", "error"]);
        assert!(all.is_sorted());
        let of = |severity| Code::ALL.iter().filter(|code| code.severity() == severity).count();
        assert_eq!(all.map(of), [2, 2, 41]);
    }

    #[test]
    fn a_finding_reads_as_a_sentence() {
        let finding = Finding::new(Code::Gap, "no receipt 4 to 7").at_index(4).at_path("tile/entries/000");
        insta::assert_snapshot!(finding, @"gap at 4 in tile/entries/000: no receipt 4 to 7");
    }
}
