//! What an audit reads of a ledger: `receipts::audit`'s sources over the object store and the write-ahead logs.

use std::ops::ControlFlow;
use std::path::Path;

use git2::{ObjectType, Oid};

use crate::receipts::audit::source::{Commit, Damage, FOLDER_MODE, Fault, Node, ObjectName, Record, Source, Wal};
use crate::receipts::audit::{Contents, Opened, Progress, Report, Request, Stopped, audit};
use crate::receipts::log::{CHECKPOINT, LogId};

use super::error::{Kind, LedgerError};
use super::store::MISSING;
use super::{Ledger, Log};

const SIZE: &str = "Bizra-Size";
const REPLACE: &str = "refs/replace/";

/// Audits the ledger at `path`.
pub fn audit_ledger(
    path: &Path,
    request: &Request<'_>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Result<Report, Stopped>, LedgerError> {
    let ledger = match Ledger::open(path, false) {
        Ok(ledger) => ledger,
        Err(error) if error.kind() == Kind::Invalid => {
            return Ok(Ok(Report::of_missing(request, &path.display().to_string(), &error.to_string())));
        }
        Err(error) => return Err(error),
    };
    Ok(audit(&ledger.contents()?, request, progress))
}

impl Ledger {
    /// Everything that an audit looks at.
    pub fn contents(&self) -> Result<Contents<'_>, LedgerError> {
        let (replace_refs, stray_refs) =
            self.stray_refs()?.into_iter().partition(|name: &String| name.starts_with(REPLACE));
        let source = |id: LogId| {
            let log: Opened<'_> = match self.log(&id) {
                Ok(log) => Ok(Box::new(log)),
                Err(error) => Err(fault(error)),
            };
            (id, log)
        };
        let logs = self.logs()?.into_iter().map(source).collect();
        Ok(Contents { logs, lost: self.lost_logs()?, replace_refs, stray_refs })
    }
}

fn fault(error: LedgerError) -> Fault {
    let detail = error.to_string();
    match error {
        LedgerError::Object { reason, .. } if reason == MISSING => Fault::Missing(detail),
        error if error.kind() == Kind::Machine => Fault::Machine(detail),
        _ => Fault::Corrupt(detail),
    }
}

/// The fault of a folder that cannot be read.
fn within(prefix: &str, fault: Fault) -> Fault {
    let detail = |detail: String| format!("folder {prefix:?}: {detail}");
    match fault {
        Fault::Missing(text) => Fault::Missing(detail(text)),
        Fault::Corrupt(text) => Fault::Corrupt(detail(text)),
        Fault::Machine(text) => Fault::Machine(detail(text)),
    }
}

fn name(oid: Oid) -> ObjectName {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(oid.as_bytes());
    ObjectName(bytes)
}

fn oid(name: ObjectName) -> Result<Oid, Fault> {
    Oid::from_bytes(&name.0).map_err(|error| Fault::Corrupt(error.message().to_owned()))
}

impl Source for Log<'_> {
    fn id(&self) -> &LogId {
        self.id()
    }

    fn walk(&self, visit: &mut dyn FnMut(Result<Node, Fault>) -> bool) {
        let mut folders = vec![(String::new(), self.tree)];
        while let Some((prefix, tree)) = folders.pop() {
            let entries = match self.ledger.store.tree(tree) {
                Ok(entries) => entries,
                Err(error) => {
                    visit(Err(within(&prefix, fault(error))));
                    continue;
                }
            };
            for entry in entries {
                let path = format!("{prefix}{}", String::from_utf8_lossy(&entry.name));
                let inside = (entry.mode == FOLDER_MODE).then(|| format!("{path}/"));
                let enter = visit(Ok(Node { path, mode: entry.mode, object: name(entry.oid) }));
                folders.extend(inside.filter(|_| enter).map(|inside| (inside, entry.oid)));
            }
        }
    }

    fn blob(&self, object: ObjectName) -> Result<Vec<u8>, Fault> {
        let object = self.ledger.store.read(oid(object)?, ObjectType::Blob).map_err(fault)?;
        Ok(object.data().to_vec())
    }

    fn history(&self, visit: &mut dyn FnMut(Result<Commit, Fault>)) {
        let shallow = self.shallow().unwrap_or_default();
        for commit in Log::history(self) {
            match commit {
                Ok((oid, commit)) => {
                    let size = commit.trailer(SIZE).and_then(|size| size.parse().ok());
                    let parents = commit.parents.iter().map(|parent| name(*parent)).collect();
                    visit(Ok(Commit { name: name(oid), parents, size }));
                    if shallow.contains(&oid) {
                        return;
                    }
                }
                Err(error) => visit(Err(fault(error))),
            }
        }
    }

    fn is_shallow_at(&self, commit: ObjectName) -> bool {
        oid(commit).is_ok_and(|oid| self.shallow().is_ok_and(|shallow| shallow.contains(&oid)))
    }

    fn checkpoint_at(&self, commit: ObjectName) -> Result<Option<Vec<u8>>, Fault> {
        let tree = self.ledger.store.commit(oid(commit)?).map_err(fault)?.tree;
        match self.ledger.store.blob_at(tree, CHECKPOINT) {
            Ok(object) => Ok(Some(object.data().to_vec())),
            Err(LedgerError::PathMissing { .. }) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    fn wal(&self, size: u64) -> Result<Option<Wal>, Fault> {
        let state = self.wal_behind(size).map_err(fault)?;
        if !state.present {
            return Ok(None);
        }
        let moved = self.ledger.log(self.id()).is_ok_and(|log| log.tip() != self.tip());
        if moved {
            // A writer went on meanwhile: what it left behind is about a newer tree than this one.
            return Ok(None);
        }
        let damage =
            |damage: super::Damage| Damage { offset: damage.offset, bytes: damage.bytes, reason: damage.reason };
        let record = |record: super::Record| Record {
            index: record.index,
            envelope: record.envelope,
            checkpoint: record.checkpoint,
        };
        Ok(Some(Wal {
            header_damaged: state.header_damaged,
            base: state.base_commit.map(|commit| (name(commit), state.base)),
            pending: state.pending.into_iter().map(record).collect(),
            torn: state.torn.map(damage),
            corrupt: state.corrupt.into_iter().map(damage).collect(),
        }))
    }
}
