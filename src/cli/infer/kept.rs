//! The session that `--session` names: opened before a run, kept after it.

use crate::about;
use crate::cli::Session;
use crate::env::Vars;
use crate::error::{Error, Place, Result};
use crate::infer::engine::{self, Engine};
use crate::receipts::{Hash, hex};
use crate::sys::sessions::{self, Origin, Sessions};
use crate::sys::{folders, machine};

use super::model::cell_word;

/// Where the finished run's session goes.
pub(super) struct Keeper {
    name: String,
    sessions: Sessions,
    origin: Origin,
}

/// The folder of sessions can be made again at any time; the key that vouches for them can't.
pub(in crate::cli) fn sessions(vars: &Vars) -> Result<Sessions> {
    let none = || Error::cannot("no home folder is known, so there is no place for sessions").hint("set HOME");
    let cache = folders::cache(vars).ok_or_else(none)?;
    let data = folders::data(vars).ok_or_else(none)?;
    Ok(Sessions::at(cache.join("sessions"), data.join("session-key")))
}

/// Keys and values are the same bits only where this build computes them on this machine.
pub(in crate::cli) fn build() -> String {
    format!("{} {} {}", about::VERSION, about::full_commit().unwrap_or("of no commit"), about::TARGET)
}

/// What was kept under the name, ready to go on; a new session where nothing was, or where another build made it.
pub(super) fn open(
    session: &mut Session,
    name: &str,
    model: (&str, Hash),
    engine: &Engine<'_>,
) -> Result<(Keeper, engine::Session)> {
    let sessions = sessions(&session.env.vars)?;
    let origin = Origin {
        name: model.0.to_owned(),
        model: hex::encode(&model.1),
        kv: cell_word(engine.cell()).to_owned(),
        arrangement: engine.arrangement(),
        build: build(),
        host: machine::fingerprint(),
    };
    let begun = match sessions.open(name)? {
        None => engine.session()?,
        Some(kept) => {
            check(&kept.origin, &origin, name).map_err(|e| e.at(Place::file(sessions.path(name))))?;
            if (&kept.origin.build, &kept.origin.host) == (&origin.build, &origin.host) {
                let begun = engine.session_of(&kept.tokens, &kept.layers())?;
                session.ui.detail(format!("the session `{name}` knows {} tokens", begun.tokens().len()));
                begun
            } else {
                session.ui.warn(format!(
                    "the session `{name}` was made by another build or machine, whose numbers may differ: it begins anew"
                ));
                engine.session()?
            }
        }
    };
    Ok((Keeper { name: name.to_owned(), sessions, origin }, begun))
}

/// Whether a session is this model's, in this form.
fn check(kept: &Origin, wanted: &Origin, name: &str) -> Result<()> {
    let another = format!("bizra session rm {name}, or another name");
    if kept.model != wanted.model {
        let (theirs, ours) = (&kept.model[..kept.model.len().min(12)], &wanted.model[..12]);
        return Err(Error::invalid(format!(
            "the session `{name}` belongs to the model {} ({theirs}), and this is {} ({ours})",
            kept.name, wanted.name
        ))
        .hint(another));
    }
    if kept.kv != wanted.kv {
        return Err(Error::invalid(format!(
            "the session `{name}` keeps keys and values as {}, and this run as {}",
            kept.kv, wanted.kv
        ))
        .hint(format!("--kv {}", kept.kv))
        .hint(another));
    }
    if kept.arrangement != wanted.arrangement {
        return Err(Error::invalid(format!(
            "the session `{name}` was computed for another context length or by another version"
        ))
        .hint("the --ctx of the run that made it")
        .hint(another));
    }
    Ok(())
}

impl Keeper {
    pub(super) fn keep(&self, session: &Session, finished: &engine::Session) -> Result<()> {
        let layers: Vec<Vec<&[u8]>> = finished.layers().map(|pieces| pieces.collect()).collect();
        self.sessions.keep(&self.name, &self.origin, finished.tokens(), &layers, session.random()?)
    }
}

/// A name that may be one, before anything is loaded for it.
pub(super) fn check_name(name: Option<&str>) -> Result<()> {
    name.map_or(Ok(()), sessions::check_name)
}
