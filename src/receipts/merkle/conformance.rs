//! Runs one case of the shared Merkle proof vectors (JSON, as transparency-dev/merkle publishes them).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Hash, verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    Inclusion,
    Consistency,
    SubtreeInclusion,
    SubtreeConsistency,
}

impl Suite {
    pub const ALL: [Self; 4] = [Self::Inclusion, Self::Consistency, Self::SubtreeInclusion, Self::SubtreeConsistency];

    /// The folder that the vectors keep this suite's cases in.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Inclusion => "inclusion",
            Self::Consistency => "consistency",
            Self::SubtreeInclusion => "subtreeinclusion",
            Self::SubtreeConsistency => "subtreeconsistency",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    Fail(String),
    /// The case cannot be judged, for this reason.
    Skip(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: Option<u64>,
    start: Option<u64>,
    end: Option<u64>,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    size1: Option<u64>,
    size2: Option<u64>,
    start: Option<u64>,
    end: Option<u64>,
    size: Option<u64>,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    BASE64.decode(text).map_err(|error| format!("base64 {text:?}: {error}"))
}

/// The vectors hold values that are no hash. What stands for them here is equal where they are, and nothing else's hash.
fn hash(text: &str) -> Result<Hash, String> {
    Ok(bytes(text)?.try_into().unwrap_or_else(|bytes: Vec<u8>| Sha256::digest(bytes).into()))
}

fn hashes(proof: Option<Vec<String>>) -> Result<Vec<Hash>, String> {
    proof.unwrap_or_default().iter().map(|text| hash(text)).collect()
}

fn missing(field: &str) -> String {
    format!("field `{field}` is missing")
}

pub fn run(suite: Suite, json: &[u8]) -> Outcome {
    match judge(suite, json) {
        Err(reason) => Outcome::Skip(reason),
        Ok((Ok(()), true)) => Outcome::Fail("accepted; must be refused".to_owned()),
        Ok((Err(error), false)) => Outcome::Fail(format!("refused ({error}); must be accepted")),
        Ok(_) => Outcome::Pass,
    }
}

/// Our verdict and whether the case wants a refusal.
fn judge(suite: Suite, json: &[u8]) -> Result<(Result<(), String>, bool), String> {
    let unreadable = |error: serde_json::Error| format!("not in the known format: {error}");
    Ok(match suite {
        Suite::Inclusion | Suite::SubtreeInclusion => {
            let case: Inclusion = serde_json::from_slice(json).map_err(unreadable)?;
            if bytes(&case.leaf_hash)?.len() != size_of::<Hash>() {
                return Ok((Err("the leaf is no hash, which our types cannot hold".to_owned()), case.want_err));
            }
            let (proof, leaf, root) = (hashes(case.proof)?, hash(&case.leaf_hash)?, hash(&case.root)?);
            let verdict = if suite == Suite::Inclusion {
                let size = case.tree_size.ok_or_else(|| missing("treeSize"))?;
                verify_inclusion(&proof, case.leaf_idx, &leaf, size, &root)
            } else {
                let start = case.start.ok_or_else(|| missing("start"))?;
                let end = case.end.ok_or_else(|| missing("end"))?;
                verify_subtree_inclusion(&proof, case.leaf_idx, &leaf, start, end, &root)
            };
            (verdict.map_err(|error| error.to_string()), case.want_err)
        }
        Suite::Consistency | Suite::SubtreeConsistency => {
            let case: Consistency = serde_json::from_slice(json).map_err(unreadable)?;
            let (proof, root1, root2) = (hashes(case.proof)?, hash(&case.root1)?, hash(&case.root2)?);
            let verdict = if suite == Suite::Consistency {
                let old = case.size1.ok_or_else(|| missing("size1"))?;
                let new = case.size2.ok_or_else(|| missing("size2"))?;
                verify_consistency(&proof, old, &root1, new, &root2)
            } else {
                let start = case.start.ok_or_else(|| missing("start"))?;
                let end = case.end.ok_or_else(|| missing("end"))?;
                let size = case.size.ok_or_else(|| missing("size"))?;
                verify_subtree_consistency(&proof, start, end, &root1, size, &root2)
            };
            (verdict.map_err(|error| error.to_string()), case.want_err)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"leafIdx":0,"treeSize":1,"root":"bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
        "leafHash":"bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=","proof":null,"desc":"","wantErr":false}"#;

    #[test]
    fn verdicts() {
        assert_eq!(run(Suite::Inclusion, GOOD.as_bytes()), Outcome::Pass);
        let wrong = GOOD.replace("false", "true");
        assert!(matches!(run(Suite::Inclusion, wrong.as_bytes()), Outcome::Fail(_)));
        let longer = GOOD.replace("null", r#"["bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="]"#);
        assert!(matches!(run(Suite::Inclusion, longer.as_bytes()), Outcome::Fail(_)));
        let no_leaf = GOOD.replace(r#""leafHash":"bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=""#, r#""leafHash":"""#);
        assert!(matches!(run(Suite::Inclusion, no_leaf.as_bytes()), Outcome::Fail(_)));
        assert!(matches!(run(Suite::SubtreeInclusion, GOOD.as_bytes()), Outcome::Skip(_)));
        assert!(matches!(run(Suite::Consistency, b"{}"), Outcome::Skip(_)));
        let roots = |one: &str, two: &str| {
            let case = format!(r#"{{"size1":1,"size2":1,"root1":"{one}","root2":"{two}","proof":[],"wantErr":false}}"#);
            run(Suite::Consistency, case.as_bytes())
        };
        assert_eq!(roots("AAAA", "AAAA"), Outcome::Pass);
        assert!(matches!(roots("AAAA", "BBBB"), Outcome::Fail(_)));
    }
}
