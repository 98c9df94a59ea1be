//! The form that an answer must have: a JSON Schema or a grammar, from a file.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::cli::Session;
use crate::error::{Error, Place, Result};
use crate::infer::grammar;
use crate::infer::grammar::Grammar;
use crate::infer::tokenizer::Tokenizer;
use crate::receipts::predicates::{self, FormKind};
use crate::receipts::statement::Subject;
use crate::sys::files;

const LONGEST: usize = 4 << 20;

#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = "Form of the answer")]
pub(in crate::cli) struct FormArgs {
    /// A JSON Schema: the answer is JSON that it allows, and nothing else can be said
    #[arg(long, value_name = "FILE", conflicts_with = "grammar", value_hint = clap::ValueHint::FilePath)]
    schema: Option<PathBuf>,
    /// A Lark grammar: the answer is a text of its rule `start`
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    grammar: Option<PathBuf>,
}

/// The file, read and not yet understood.
pub(super) struct Form {
    path: PathBuf,
    kind: FormKind,
    text: String,
}

impl FormArgs {
    pub(super) fn given(&self) -> bool {
        self.schema.is_some() || self.grammar.is_some()
    }

    pub(super) fn read(&self, session: &Session) -> Result<Option<Form>> {
        let (path, kind) = match (&self.schema, &self.grammar) {
            (Some(path), _) => (path, FormKind::Schema),
            (None, Some(path)) => (path, FormKind::Grammar),
            (None, None) => return Ok(None),
        };
        let bytes = files::read_at_most(&files::from(&session.env.cwd, path), LONGEST)?;
        let text =
            String::from_utf8(bytes).map_err(|_| Error::invalid("this is no valid UTF-8").at(Place::file(path)))?;
        Ok(Some(Form { path: path.clone(), kind, text }))
    }
}

impl Form {
    pub(super) fn grammar(&self, tokenizer: &Tokenizer) -> Result<Grammar> {
        let form = match self.kind {
            FormKind::Schema => grammar::Form::Schema(&self.text),
            FormKind::Grammar => grammar::Form::Lark(&self.text),
        };
        Grammar::new(tokenizer, form).map_err(|e| {
            let line = |row: usize| self.text.lines().nth(row - 1).map(str::to_owned);
            let place = match e.at {
                Some((row, column)) => Place { file: self.path.clone(), at: Some((row, column)), excerpt: line(row) },
                None => Place::file(&self.path),
            };
            let what = match self.kind {
                FormKind::Schema => "no answer can satisfy this schema",
                FormKind::Grammar => "no answer can follow this grammar",
            };
            Error::invalid(what).because(e.reason).at(place)
        })
    }

    pub(super) fn claim(&self) -> predicates::Form {
        predicates::Form { kind: self.kind, sha256: Sha256::digest(&self.text).into() }
    }

    pub(super) fn subject(&self) -> Subject {
        let name = self.path.to_string_lossy().replace(|c: char| c.is_control(), "?");
        Subject::of_bytes(name, self.text.as_bytes())
    }
}
