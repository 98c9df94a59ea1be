//! The forgery that the audit has to find: a score is changed in a signed receipt, with git's own commands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::super::Session;
use super::stage::{Done, Stage};
use crate::error::{Error, Result};

pub(super) const SHOWN: &str =
    "git --git-dir=.git/bizra/ledger.git …   # the receipt, the tree, the commit and the ref made anew";

const FORGED: &str = ".git/forged.json";
const LEDGER: &str = "--git-dir=.git/bizra/ledger.git";
const BEFORE: &str = r#""score":{"of":"10","value":"9"}"#;
const AFTER: &str = r#""score":{"of":"10","value":"10"}"#;

pub(super) fn review(stage: &Stage, session: &Session) -> Result<Done> {
    let git = |words: &[&str]| stage.git_says(session, &[&[LEDGER], words].concat());
    let reference = git(&["for-each-ref", "--format=%(refname)", "refs/bizra/log"])?;
    for name in git(&["ls-tree", "-r", "--name-only", &reference, "tail/"])?.lines() {
        let receipt = git(&["cat-file", "blob", &format!("{reference}:{name}")])?;
        let Some(forged) = forged(&receipt) else { continue };
        stage.write(FORGED, &forged)?;
        let blob = git(&["hash-object", "-w", "--no-filters", FORGED])?;
        git(&["read-tree", &reference])?;
        git(&["update-index", "--cacheinfo", &format!("100644,{blob},{name}")])?;
        let tree = git(&["write-tree"])?;
        let message = git(&["log", "-1", "--format=%B", &reference])?;
        let commit = git(&["commit-tree", "-p", &reference, "-m", &message, &tree])?;
        git(&["update-ref", &reference, &commit])?;
        return Ok(Done { exit: Some(0), said: format!("{name} of {reference} says 10 of 10 now\n") });
    }
    Err(Error::invalid("the ledger has no review to forge"))
}

/// The receipt with the better score under the old signature; none where it is about something else.
fn forged(receipt: &str) -> Option<String> {
    let mut envelope: Value = serde_json::from_str(receipt).ok()?;
    let payload = String::from_utf8(BASE64.decode(envelope["payload"].as_str()?).ok()?).ok()?;
    if !payload.contains(BEFORE) {
        return None;
    }
    envelope["payload"] = BASE64.encode(payload.replace(BEFORE, AFTER)).into();
    Some(envelope.to_string())
}
