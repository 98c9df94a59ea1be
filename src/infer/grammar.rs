//! Answers that are valid by construction: at each token, only those may be picked that go on with the schema or grammar.
//!
//! llguidance says which tokens may come next; this module gives it the bytes of a vocabulary, SentencePiece or
//! byte-level, and refuses in a sentence what can't be satisfied. A token counts by its bytes alone, so text may be cut
//! into tokens as the model likes. Leaves out picking ([`super::sampler`]).

use std::fmt;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, SimpleVob, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value as Json, json};

use super::tokenizer::{Kind, Tokenizer};

/// What an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'f> {
    /// JSON that a JSON Schema allows.
    Schema(&'f str),
    /// Text of a Lark grammar, as llguidance reads it.
    Lark(&'f str),
}

/// Why no answer can have this form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrammarError {
    /// Line and column from 1, where they can be told.
    pub at: Option<(usize, usize)>,
    pub reason: String,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A form made ready for one vocabulary. Cheap to clone, and to begin anew for each answer.
#[derive(Clone)]
pub struct Grammar(Arc<Matcher>);

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grammar")
    }
}

impl PartialEq for Grammar {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Grammar {
    pub fn new(tokenizer: &Tokenizer, form: Form) -> Result<Grammar, GrammarError> {
        let refuse = |reason: String| GrammarError { at: None, reason };
        let grammar = match form {
            Form::Schema(text) => TopLevelGrammar::from_json_schema(schema(text)?),
            Form::Lark(text) => TopLevelGrammar::from_lark(text.to_owned()),
        };
        let Some(end) = tokenizer.roles().ends.first() else {
            return Err(refuse("the vocabulary has no token that ends an answer".into()));
        };
        let words: Vec<Vec<u8>> = (0..tokenizer.len() as u32).map(|id| word(tokenizer, id)).collect();
        let vocabulary = TokTrie::from(&TokRxInfo::new(words.len() as u32, *end), &words);
        // Never canonical: tokens are not put together anew, only tried one by one.
        let vocabulary: llguidance::toktrie::TokEnv = Arc::new(ApproximateTokEnv::new(vocabulary));
        let slices = SlicedBiasComputer::json_slices();
        let mut factory = ParserFactory::new(&vocabulary, InferenceCapabilities::default(), &slices)
            .map_err(|e| refuse(e.to_string()))?;
        factory.quiet();
        factory.limits_mut().verbose_errors = false;
        let parser = factory.create_parser(grammar).map_err(|e| said(&format!("{e:#}"), form))?;
        let mut matcher = Matcher::new(Ok(parser));
        let mask = matcher.compute_mask().map_err(|e| said(&e.to_string(), form))?;
        if mask.is_zero() {
            return Err(refuse("no token of this model can begin such an answer".into()));
        }
        Ok(Grammar(Arc::new(matcher)))
    }

    /// The state before the first token.
    pub fn begin(&self) -> Constraint {
        Constraint { matcher: Matcher::clone(&self.0), mask: None }
    }
}

/// What may come next in one answer.
pub struct Constraint {
    matcher: Matcher,
    mask: Option<SimpleVob>,
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Constraint")
    }
}

impl Constraint {
    /// The tokens that may be picked now, a bit each.
    pub fn allowed(&mut self) -> Result<&[u32], GrammarError> {
        if self.mask.is_none() {
            let mask = self.matcher.compute_mask_or_eos();
            self.mask = Some(mask.map_err(|e| GrammarError { at: None, reason: first_line(&e.to_string()) })?);
        }
        Ok(self.mask.as_ref().map_or(&[][..], SimpleVob::as_slice))
    }

    /// Takes note of a token that was picked.
    pub fn take(&mut self, id: u32) -> Result<(), GrammarError> {
        self.mask = None;
        self.matcher.consume_token(id).map_err(|e| GrammarError { at: None, reason: first_line(&e.to_string()) })
    }

    /// Whether nothing can be added any more.
    pub fn is_over(&self) -> bool {
        self.matcher.is_stopped() && !self.matcher.is_error()
    }

    /// Whether the answer would be valid if it ended here.
    pub fn is_whole(&mut self) -> bool {
        self.is_over() || self.matcher.is_accepting().unwrap_or(false)
    }
}

/// The bytes of a token as llguidance takes them: what is no text begins with a byte that no text has.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    match tokenizer.kind(id) {
        Some(Kind::Control) => [b"\xff", tokenizer.text(id).unwrap_or_default().as_bytes()].concat(),
        Some(Kind::Unknown | Kind::Unused) | None => Vec::new(),
        Some(Kind::Normal | Kind::UserDefined | Kind::Byte) => tokenizer.piece(id, false).unwrap_or_default(),
    }
}

/// Between the parts of JSON: as compact and as pretty writers have it, but not without end, where small models stay.
const WHITESPACE: &str = r"\n[ \t]{0,40}|[ \t]{1,4}";

fn schema(text: &str) -> Result<Json, GrammarError> {
    let parsed: Json = serde_json::from_str(text).map_err(|e| {
        let said = e.to_string();
        let reason = said.split(" at line ").next().unwrap_or(&said).to_owned();
        GrammarError { at: Some((e.line(), e.column().max(1))), reason: format!("this is no JSON: {reason}") }
    })?;
    match parsed {
        Json::Object(mut members) => {
            // llguidance's own options, where a schema that was written for it has some; none that lets go of rules.
            let options = members.entry("x-guidance").or_insert_with(|| json!({ "whitespace_pattern": WHITESPACE }));
            if let Json::Object(options) = options {
                options.insert("lenient".to_owned(), false.into());
                options.insert("coerce_one_of".to_owned(), false.into());
            }
            Ok(Json::Object(members))
        }
        Json::Bool(true) => schema("{}"),
        Json::Bool(false) => Err(GrammarError { at: None, reason: "the schema `false` allows nothing".into() }),
        _ => Err(GrammarError { at: None, reason: "a schema is an object, or true".into() }),
    }
}

/// Without what it says to those who call it as a library.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    line.split(" Enable '").next().unwrap_or(line).to_owned()
}

/// llguidance puts `LINE(COLUMN): ` before what it says of a grammar, with `at ` before it or without.
fn said(text: &str, form: Form) -> GrammarError {
    let line = first_line(text);
    let place = || {
        let rest = line.strip_prefix("at ").unwrap_or(&line);
        let (at, reason) = rest.split_once("): ")?;
        let (row, column) = at.split_once('(')?;
        Some(((row.parse().ok().filter(|row| *row > 0)?, column.parse::<usize>().ok()?.max(1)), reason.to_owned()))
    };
    match (form, place()) {
        (Form::Lark(_), Some((at, reason))) => GrammarError { at: Some(at), reason },
        _ => GrammarError { at: None, reason: line },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::gguf::Gguf;

    const TINY: &[u8] = include_bytes!("../../fixtures/tiny.gguf");

    fn tokenizer() -> Tokenizer {
        Tokenizer::from_gguf(&Gguf::parse(TINY).unwrap()).unwrap()
    }

    fn refused(form: Form) -> String {
        let error = Grammar::new(&tokenizer(), form).expect_err("it is wrong");
        format!("{:?} {error}", error.at)
    }

    /// Whether a text can be written token by token, and whether it is whole then.
    fn accepts(grammar: &Grammar, text: &str) -> Option<bool> {
        let tokenizer = tokenizer();
        let mut constraint = grammar.begin();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let allowed = constraint.allowed().unwrap().to_vec();
            let may = |id: &u32| allowed[*id as usize / 32] >> (id % 32) & 1 == 1;
            let fits = |id: &u32| {
                let word = word(&tokenizer, *id);
                !word.is_empty() && rest.starts_with(&word)
            };
            let id =
                (0..tokenizer.len() as u32).filter(fits).filter(may).max_by_key(|id| word(&tokenizer, *id).len())?;
            constraint.take(id).unwrap();
            rest = &rest[word(&tokenizer, id).len()..];
        }
        Some(constraint.is_whole())
    }

    #[test]
    fn a_schema_allows_what_it_describes_and_nothing_else() {
        let schema = r##"{"type": "object", "properties": {"n": {"$ref": "#/$defs/small"}, "ok": {"type": "boolean"}},
            "required": ["n", "ok"], "additionalProperties": false, "$defs": {"small": {"enum": [1, 22]}}}"##;
        let grammar = Grammar::new(&tokenizer(), Form::Schema(schema)).unwrap();
        assert_eq!(accepts(&grammar, r#"{"n": 22, "ok": true}"#), Some(true));
        assert_eq!(accepts(&grammar, r#"{"n": 22, "ok": tr"#), Some(false));
        for wrong in [r#"{"n": 3"#, r#"{"ok": true}"#, "[", r#"{"n": 1, "ok": true}x"#, r#"{"n": 1, "ok": true, "#] {
            assert_eq!(accepts(&grammar, wrong), None, "{wrong}");
        }
        // Characters outside of the vocabulary are written byte by byte.
        let text = Grammar::new(&tokenizer(), Form::Schema(r#"{"type": "string", "minLength": 1}"#)).unwrap();
        assert_eq!(accepts(&text, "\"né 👍\""), Some(true));
        assert_eq!(accepts(&text, "\"\""), None);
    }

    #[test]
    fn a_grammar_allows_what_it_describes() {
        let grammar =
            Grammar::new(&tokenizer(), Form::Lark("start: \"yes\" | \"no\" tail?\ntail: /[0-9]{2}/\n")).unwrap();
        assert_eq!(accepts(&grammar, "yes"), Some(true));
        assert_eq!(accepts(&grammar, "no"), Some(true));
        assert_eq!(accepts(&grammar, "no4"), Some(false));
        assert_eq!(accepts(&grammar, "no42"), Some(true));
        assert_eq!(accepts(&grammar, "maybe"), None);
        let mut over = grammar.begin();
        assert!(!over.is_over());
        let tokenizer = tokenizer();
        for byte in b"yes" {
            let id = (0..tokenizer.len() as u32).find(|id| word(&tokenizer, *id) == [*byte]).unwrap();
            over.take(id).unwrap();
        }
        assert!(over.is_over(), "nothing can follow");
        assert!(over.take(300).is_err() || over.allowed().is_err() || over.is_over());
    }

    #[test]
    fn what_can_not_be_satisfied_is_refused() {
        let schemas = [
            ("false", "allows nothing"),
            ("[]", "a schema is an object"),
            (r#"{"type": "strin"}"#, ""),
            (r#"{"type": "integer", "minimum": 5, "maximum": 4}"#, ""),
            (r#"{"allOf": [{"type": "string"}, {"type": "integer"}]}"#, ""),
            (r#"{"type": "array", "uniqueItems": true}"#, "uniqueItems"),
            (r#"{"x-guidance": {"lenient": true}, "type": "array", "uniqueItems": true}"#, "uniqueItems"),
            (r##"{"$ref": "#/$defs/none"}"##, ""),
            (r#"{"oneOf": [{"type": "string", "maxLength": 3}, {"type": "string", "minLength": 2}]}"#, "oneOf"),
        ];
        for (text, told) in schemas {
            let said = refused(Form::Schema(text));
            println!("{text}: {said}");
            assert!(said.starts_with("None ") && said.len() > 8 && said.contains(told), "{text}: {said}");
        }
        let half = refused(Form::Schema("{\"type\":\n  strin}"));
        assert!(half.starts_with("Some((2, 3)) this is no JSON"), "{half}");
        let grammars = [
            ("start: \"a\"\n\nb: ( \"c\"\n", "Some(("),
            ("start: \"a\"\nother: \"b\" )\n", "Some((2"),
            ("start: nowhere\n", "nowhere"),
            ("", ""),
            ("start: /a(/\n", ""),
        ];
        for (text, told) in grammars {
            let said = refused(Form::Lark(text));
            println!("{text:?}: {said}");
            assert!(said.len() > 8 && said.contains(told), "{text:?}: {said}");
        }
    }
}
