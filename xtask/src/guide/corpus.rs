//! What the model learns, read from `xtask/corpus/`: facts with phrases, templates that make questions of phrases, plain
//! sentences, and questions outside of what it knows. The hash of a template's text says what it is for, so nobody
//! chooses what is held out.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::tools::{self, Outcome};

pub(super) struct Corpus {
    pub(super) facts: Vec<Fact>,
    pub(super) templates: Vec<Template>,
    pub(super) plain: Vec<String>,
    pub(super) outside: Outside,
}

pub(super) struct Fact {
    pub(super) id: String,
    pub(super) answer: String,
    /// What a right answer holds, all of it.
    pub(super) keys: Vec<String>,
    pub(super) phrases: Vec<Phrase>,
}

pub(super) struct Phrase {
    pub(super) kind: char,
    pub(super) text: String,
    /// That of a question of its own; other phrases stand in templates, and those are split.
    pub(super) split: Split,
}

pub(super) struct Template {
    pub(super) kind: char,
    pub(super) text: String,
    pub(super) split: Split,
}

#[derive(Default)]
pub(super) struct Outside {
    pub(super) words: BTreeMap<String, Vec<String>>,
    /// Whole questions.
    pub(super) questions: Vec<Template>,
    /// Phrases for templates, each with its own split.
    pub(super) phrases: Vec<Phrase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Split {
    Train,
    /// For choosing sizes and rates.
    Dev,
    /// For the one evaluation that counts.
    Held,
}

impl Split {
    /// One in ten is held out, one in twelve is for tuning.
    pub(super) fn of(text: &str) -> Self {
        match Sha256::digest(text.as_bytes())[0] {
            0..26 => Split::Held,
            26..47 => Split::Dev,
            _ => Split::Train,
        }
    }
}

const KINDS: &str = "gncxeyq";

impl Corpus {
    pub(super) fn read() -> Outcome<Self> {
        let folder = tools::root().join("xtask/corpus");
        let read = |name: &str| {
            let bytes = tools::read_file(&folder.join(name))?;
            String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))
        };
        Self::parse(&read("facts.txt")?, &read("templates.txt")?, &read("plain.txt")?, &read("outside.txt")?)
    }

    fn parse(facts: &str, templates: &str, plain: &str, outside: &str) -> Outcome<Self> {
        let plain = lines(plain).map(|(_, line)| line.to_owned()).collect();
        let corpus = Corpus {
            facts: parse_facts(facts)?,
            templates: parse_templates(templates)?,
            plain,
            outside: parse_outside(outside)?,
        };
        for kind in KINDS.chars() {
            if !corpus.templates.iter().any(|t| t.kind == kind && t.split == Split::Train) {
                return Err(format!("templates.txt: no template of kind `{kind}` is for training"));
            }
        }
        Ok(corpus)
    }

    /// SHA-256 over the files as they lie in the repository.
    pub(super) fn digest() -> Outcome<String> {
        let mut all = Vec::new();
        for name in ["facts.txt", "templates.txt", "plain.txt", "outside.txt"] {
            all.extend(tools::read_file(&tools::root().join("xtask/corpus").join(name))?);
        }
        Ok(tools::sha256(&all))
    }

    pub(super) fn of_kind(&self, kind: char, split: Split) -> Vec<&Template> {
        self.templates.iter().filter(|t| t.kind == kind && t.split == split).collect()
    }
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// `k: rest` with a kind of phrase.
fn phrase(line: &str) -> Option<(char, &str)> {
    let (kind, text) = line.split_once(": ")?;
    let kind = kind.parse().ok().filter(|kind| KINDS.contains(*kind))?;
    Some((kind, text.trim()))
}

fn parse_facts(text: &str) -> Outcome<Vec<Fact>> {
    let mut facts: Vec<Fact> = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in lines(text) {
        let refuse = |why: &str| Err(format!("facts.txt:{number}: {why}"));
        if let Some(id) = line.strip_prefix("@ ") {
            if facts.iter().any(|fact| fact.id == id) {
                return refuse("the id is there already");
            }
            facts.push(Fact { id: id.into(), answer: String::new(), keys: Vec::new(), phrases: Vec::new() });
            continue;
        }
        let Some(fact) = facts.last_mut() else { return refuse("a fact begins with `@ id`") };
        if let Some(answer) = line.strip_prefix("a: ") {
            fact.answer = answer.into();
        } else if let Some(keys) = line.strip_prefix("k: ") {
            fact.keys = keys.split(" & ").map(str::to_owned).collect();
            if let Some(key) = fact.keys.iter().find(|key| !fact.answer.contains(key.as_str())) {
                return refuse(&format!("the fact's own answer has no `{key}`"));
            }
        } else if let Some((kind, text)) = phrase(line) {
            if let Some(before) = seen.insert(line, number) {
                return refuse(&format!("this stands on line {before} already"));
            }
            fact.phrases.push(Phrase { kind, text: text.into(), split: Split::of(line) });
        } else {
            return refuse("this is no part of a fact");
        }
    }
    match facts.iter().find(|fact| fact.answer.is_empty() || fact.keys.is_empty() || fact.phrases.is_empty()) {
        Some(fact) => Err(format!("facts.txt: `{}` lacks an answer, keys or phrases", fact.id)),
        None => Ok(facts),
    }
}

fn parse_templates(text: &str) -> Outcome<Vec<Template>> {
    lines(text)
        .map(|(number, line)| {
            let (kind, text) = phrase(line)
                .filter(|(_, text)| text.matches("{}").count() == 1)
                .ok_or(format!("templates.txt:{number}: a template is a kind and a text with one {{}}"))?;
            // What stands around a question of its own is no template of it: the question is.
            let split = if kind == 'q' { Split::Train } else { Split::of(line) };
            Ok(Template { kind, text: text.into(), split })
        })
        .collect()
}

fn parse_outside(text: &str) -> Outcome<Outside> {
    let mut outside = Outside::default();
    let mut topic = Split::Train;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("# ") {
            // A topic that is held out takes its questions with it.
            topic = if Split::of(name) == Split::Held { Split::Held } else { Split::Train };
        } else if let Some(list) = line.strip_prefix("= ") {
            let (name, words) = list.split_once(": ").ok_or(format!("outside.txt: `{line}` is no list"))?;
            outside.words.insert(name.into(), words.split(" | ").map(|word| word.trim().into()).collect());
        } else if let Some((kind, text)) = phrase(line) {
            outside.phrases.push(Phrase { kind, text: text.into(), split: Split::of(line) });
        } else {
            outside.questions.push(Template { kind: 'o', text: line.into(), split: Split::of(line).max(topic) });
        }
    }
    Ok(outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_of_the_repository_holds_together() {
        let corpus = Corpus::read().unwrap();
        assert!(corpus.facts.len() >= 150, "{}", corpus.facts.len());
        for kind in "gnc".chars() {
            assert!(corpus.templates.iter().filter(|t| t.kind == kind).count() >= 35, "{kind}");
            assert!(!corpus.of_kind(kind, Split::Held).is_empty(), "{kind}");
        }
        let held = corpus.outside.questions.iter().filter(|q| q.split == Split::Held).count();
        assert!(held >= 20, "{held}");
    }

    #[test]
    fn facts_that_contradict_themselves_are_refused_with_their_line() {
        let refused = |text: &str| parse_facts(text).err().unwrap_or_default();
        assert_eq!(refused("g: run it"), "facts.txt:1: a fact begins with `@ id`");
        assert_eq!(refused("@ a\na: yes\nk: no"), "facts.txt:3: the fact's own answer has no `no`");
        assert_eq!(refused("@ a\na: b\nk: b\ng: c\ng: c"), "facts.txt:5: this stands on line 4 already");
        assert_eq!(refused("@ a\na: b\nk: b"), "facts.txt: `a` lacks an answer, keys or phrases");
    }

    #[test]
    fn the_split_is_the_hash_s() {
        assert_eq!(Split::of("g: how do i {}"), Split::of("g: how do i {}"));
        let count = |wanted| (0..1000).filter(|n: &u32| Split::of(&n.to_string()) == wanted).count();
        assert!((70..140).contains(&count(Split::Held)) && (50..120).contains(&count(Split::Dev)));
    }
}
