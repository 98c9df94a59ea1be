//! `bizra config`: each setting in force and where its value came from.

use super::{Outcome, Session};
use crate::error::{Error, Result, nearest};
use crate::view::config::Settings;

/// Show the settings in force and where each came from
///
/// Flags come first, then BIZRA_* variables, then bizra.toml at the root of the repository, then your own config.toml,
/// then the default.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra config                 All settings
  bizra config tz              One value, for a script
  bizra config --json          The same for programs")]
pub(super) struct Args {
    /// Print this setting's value alone
    key: Option<String>,
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Outcome> {
    let values = session.config.values();
    if let Some(key) = &args.key
        && !values.iter().any(|v| v.setting.key == key)
    {
        let error = Error::usage(format!("there is no setting `{key}`"));
        return Err(match nearest(key, values.iter().map(|v| v.setting.key)) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error.hint("`bizra config` lists them"),
        });
    }
    Ok(Outcome::yes(Settings { values: values.to_vec(), only: args.key.clone(), sources: session.setup.sources() }))
}
