//! `bizra completions`: the script that teaches a shell our commands and flags.

use clap_complete::Shell;

use super::{Outcome, command};
use crate::error::Result;
use crate::view::Script;

/// Print the completion script for a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  bizra completions bash > ~/.local/share/bash-completion/completions/bizra
  bizra completions zsh > \"${fpath[1]}/_bizra\"
  bizra completions fish > ~/.config/fish/completions/bizra.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "bizra", &mut script);
    let text = String::from_utf8(script).expect("invariant: our command line is UTF-8");
    Ok(Outcome::yes(Script { kind: args.shell.to_string(), text }))
}
