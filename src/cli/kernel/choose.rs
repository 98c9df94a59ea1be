//! Which kernels a command is about.

use std::path::Path;

use super::super::Session;
use crate::error::{Error, Result};
use crate::kernel::op::Op;
use crate::plan::gate::glob;
use crate::sys::{files, kernels};
pub(super) use kernels::Known;

/// Backends in the order they are told in.
pub(super) const BACKENDS: [&str; 4] = ["cpu", "cuda", "wgpu", "triton"];

#[derive(clap::Args)]
pub(super) struct Choice {
    /// Ids of kernels, also with * and ?, or a manifest's file [default: every kernel]
    #[arg(value_name = "KERNEL", value_hint = clap::ValueHint::FilePath)]
    pub(super) glob: Option<String>,
    /// Only kernels of this operation
    #[arg(long, value_name = "OP", value_parser = op)]
    pub(super) op: Option<Op>,
    /// On these backends [default for verify: cpu]
    #[arg(long, value_name = "BACKEND", value_delimiter = ',', value_parser = BACKENDS)]
    pub(super) backend: Vec<String>,
}

fn op(text: &str) -> std::result::Result<Op, String> {
    Op::ALL.iter().copied().find(|op| op.word() == text).ok_or_else(|| {
        let all: Vec<&str> = Op::ALL.iter().map(|op| op.word()).collect();
        format!("operations are {}", all.join(", "))
    })
}

/// All kernels that are known here: of the repository, else the engine's own.
pub(super) fn known(session: &mut Session) -> Result<Vec<Known>> {
    let root = session.root();
    let paths = kernels::find(&root)?;
    let loaded: Result<Vec<Known>, Vec<Error>> = if paths.is_empty() {
        kernels::own()
    } else {
        let mut problems = Vec::new();
        let mut all = Vec::new();
        for path in &paths {
            match kernels::load(path, super::super::lint::shown(path, &session.env.cwd).as_path()) {
                Ok(known) => all.push(known),
                Err(more) => problems.extend(more),
            }
        }
        problems.extend(kernels::distinct(&all));
        if problems.is_empty() { Ok(all) } else { Err(problems) }
    };
    loaded.map_err(|problems| all_told(session, problems))
}

/// Tells all problems but the last, which ends the command.
fn all_told(session: &mut Session, mut problems: Vec<Error>) -> Error {
    let last = problems.pop().unwrap_or_else(|| Error::invalid("a manifest can't be read"));
    problems.into_iter().for_each(|problem| session.tell(problem));
    last
}

impl Choice {
    /// The same choice, with these backends where none was asked for.
    pub(super) fn on(&self, backends: &[String]) -> Choice {
        let default = || if backends.is_empty() { vec!["cpu".to_owned()] } else { backends.to_vec() };
        let mut backend = if self.backend.is_empty() { default() } else { self.backend.clone() };
        backend.extend(backends.iter().filter(|b| !self.backend.is_empty() && !self.backend.contains(b)).cloned());
        Choice { glob: self.glob.clone(), op: self.op, backend }
    }

    /// The kernels that were asked for; never none.
    pub(super) fn pick(&self, session: &mut Session) -> Result<Vec<Known>> {
        let (mut all, name) = match &self.glob {
            Some(path) if path.ends_with(".yaml") || path.ends_with(".yml") => {
                let full = files::from(&session.env.cwd, Path::new(path));
                let one = kernels::load(&full, Path::new(path)).map_err(|problems| all_told(session, problems))?;
                (vec![one], None)
            }
            glob => (known(session)?, glob.as_deref()),
        };
        let ids: Vec<String> = all.iter().map(|k| k.manifest.id().to_owned()).collect();
        if let Some(name) = name {
            all.retain(|k| glob::fits(name, k.manifest.id()));
        }
        if let Some(op) = self.op {
            let ops: Vec<&str> = all.iter().map(|k| k.manifest.op().word()).collect();
            all.retain(|k| k.manifest.op() == op);
            if all.is_empty() && !ops.is_empty() {
                let message = format!("what was named computes {}, and not {}", distinct(ops).join(", "), op.word());
                return Err(Error::invalid(message).hint("leave out --op, or name other kernels"));
            }
        }
        let elsewhere = all.first().map(|k| BACKENDS.into_iter().filter(|b| has(k, b)).collect::<Vec<_>>());
        if !self.backend.is_empty() {
            all.retain(|k| self.backend.iter().any(|b| has(k, b)));
        }
        if all.is_empty() {
            // Nothing that was looked at is no yes.
            let error = Error::invalid("no kernel fits what was asked for");
            let near = name.and_then(|n| crate::error::nearest(n, ids.iter().map(String::as_str)));
            if let Some(backends) = elsewhere {
                let asked = self.backend.join(", ");
                return Err(Error::invalid(format!("no kernel that was asked for has a target for {asked}"))
                    .hint(format!("try --backend {}", backends.join(","))));
            }
            return Err(match near {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("`bizra kernel list` names them all"),
            });
        }
        Ok(all)
    }

    /// Backends of a kernel that were asked for.
    pub(super) fn backends(&self, known: &Known) -> Vec<&'static str> {
        let wanted = |b: &&str| self.backend.is_empty() || self.backend.iter().any(|w| w == b);
        BACKENDS.into_iter().filter(|b| has(known, b)).filter(wanted).collect()
    }
}

fn distinct(mut words: Vec<&str>) -> Vec<&str> {
    words.sort_unstable();
    words.dedup();
    words
}

pub(super) fn has(known: &Known, backend: &str) -> bool {
    let targets = &known.manifest.targets;
    match backend {
        "cpu" => targets.cpu.is_some(),
        "cuda" => targets.cuda.is_some(),
        "wgpu" => targets.wgpu.is_some(),
        _ => targets.triton.is_some(),
    }
}
