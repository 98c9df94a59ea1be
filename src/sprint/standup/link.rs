//! Which work a commit belongs to, and by what: a trailer, an id in its message, or the files that it changed.

use std::borrow::Cow;
use std::collections::HashMap;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::commit::Commit;
use crate::plan::evidence::Node;
use crate::plan::gate::glob;
use crate::plan::schema::{Item, Plan, Task};

/// The key of the trailer that names items.
pub const TRAILER: &str = "Bizra-Item";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The trailer's value.
    Trailer(String),
    /// The word of the message.
    Message(String),
    /// The file, and the pattern of the item that it fits.
    Path { path: String, glob: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The item, package or task; a part counts as its item.
    pub to: String,
    /// The strongest first.
    pub reasons: Vec<Reason>,
}

/// What commits of a sprint can belong to.
pub struct Linker<'a> {
    /// The work that an id stands for.
    ids: HashMap<&'a str, &'a str>,
    globs: Vec<(&'a str, &'a str)>,
}

impl<'a> Linker<'a> {
    pub fn of(plan: &'a Plan) -> Self {
        let mut ids = HashMap::new();
        let mut globs = Vec::new();
        for package in plan.phases.iter().chain(&plan.tiers).flat_map(|p| &p.packages) {
            let id = package.id.value.0.as_str();
            ids.insert(id, id);
            let evidence = package.evidence.iter();
            evidence.for_each(|e| e.walk(&mut |node| of_evidence(&node.node, id, &mut globs)));
        }
        for item in &plan.items {
            let id = item.id.value.0.as_str();
            ids.insert(id, id);
            ids.extend(item.parts.iter().map(|part| (part.id.value.0.as_str(), id)));
            of_item(item, id, &mut globs);
        }
        for task in tasks(plan) {
            if let Some(id) = &task.id {
                ids.insert(&id.value.0, &id.value.0);
            }
        }
        // A pattern that every file fits tells nothing apart.
        globs.retain(|(pattern, _)| glob::fault(pattern).is_none() && pattern.split('/').any(|part| !is_wild(part)));
        Linker { ids, globs }
    }

    /// The patterns that files are looked at for; none where no work names any.
    pub fn globs(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.globs.iter().map(|(pattern, _)| *pattern)
    }

    /// The links of a commit in the order of the reasons, and the names in its trailers that this sprint doesn't have.
    pub fn links(&self, commit: &Commit) -> (Vec<Link>, Vec<String>) {
        let (mut links, mut unknown) = (Vec::<Link>::new(), Vec::new());
        let mut add = |to: &str, reason: Reason| match links.iter_mut().find(|link| link.to == to) {
            Some(link) if link.reasons.contains(&reason) => {}
            Some(link) => link.reasons.push(reason),
            None => links.push(Link { to: to.to_owned(), reasons: vec![reason] }),
        };
        let message: Cow<'_, str> =
            if is_nfc(&commit.message) { (&commit.message).into() } else { commit.message.nfc().collect() };
        // Wherever it stands below the subject: a blank line before it is easily forgotten.
        for (number, line) in message.trim_start().lines().enumerate() {
            let trailer = line.split_once(':').filter(|(key, _)| number > 0 && key.eq_ignore_ascii_case(TRAILER));
            let Some((_, value)) = trailer else {
                for word in words(line) {
                    if let Some(to) = self.ids.get(word) {
                        add(to, Reason::Message(word.to_owned()));
                    }
                }
                continue;
            };
            for name in value.split([',', ' ', '\t', ';']).filter(|name| !name.is_empty()) {
                match self.ids.get(name) {
                    Some(to) => add(to, Reason::Trailer(name.to_owned())),
                    None => unknown.push(name.to_owned()),
                }
            }
        }
        for path in &commit.paths {
            for (pattern, to) in &self.globs {
                if glob::fits(pattern, path) {
                    add(to, Reason::Path { path: path.clone(), glob: (*pattern).to_owned() });
                }
            }
        }
        links.iter_mut().for_each(|link| link.reasons.sort());
        (links, unknown)
    }
}

/// Tasks of days and lists.
pub(super) fn tasks(plan: &Plan) -> impl Iterator<Item = &Task> {
    plan.days.iter().flat_map(|d| &d.tasks).chain(plan.lists.iter().flat_map(|l| &l.entries))
}

fn is_wild(part: &str) -> bool {
    part.chars().all(|c| matches!(c, '*' | '?' | '.'))
}

fn of_item<'a>(item: &'a Item, id: &'a str, globs: &mut Vec<(&'a str, &'a str)>) {
    globs.extend(item.deliverables.iter().filter_map(|d| Some((d.path.as_ref()?.value.as_str(), id))));
    item.evidence.iter().for_each(|e| e.walk(&mut |node| of_evidence(&node.node, id, globs)));
}

fn of_evidence<'a>(node: &'a Node, id: &'a str, globs: &mut Vec<(&'a str, &'a str)>) {
    match node {
        Node::File(file) => globs.push((&file.path.value, id)),
        Node::Receipt(receipt) => {
            let paths = receipt.subject.iter().flat_map(|s| &s.paths);
            globs.extend(paths.map(|path| (path.value.as_str(), id)));
        }
        _ => {}
    }
}

/// What may be an id: runs of the characters that ids have, without the punctuation around them, and their parts
/// between slashes and pluses.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '-' | '_' | '.' | '/' | '+')
            || unicode_normalization::char::is_combining_mark(c)
    };
    let runs = line.split(move |c: char| !inside(c)).map(|run| run.trim_matches(['.', '-', '/', '+'].as_slice()));
    runs.filter(|run| !run.is_empty()).flat_map(|run| {
        let parts = run.split(['/', '+']).filter(move |part| *part != run && !part.is_empty());
        std::iter::once(run).chain(parts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sprint::tests::sprint;

    const PLAN: &str = "\
items:
  - {id: A1, name: One, deliverables: [{path: src/one.rs}, {path: 'docs/**/*.md'}, {path: '**'}]}
  - {id: A1-fix, name: Fix}
  - {id: B2, name: Two, parts: [{id: caption-pre-pass}], evidence: {file: {path: two/*.py}}}
  - {id: مهمة, name: Task}
days: [{n: 1, tasks: [{id: demo, text: Demo}]}]
";

    fn links(message: &str, paths: &[&str]) -> String {
        let loaded = sprint(PLAN);
        let commit = Commit {
            id: "0".into(),
            parents: 1,
            author: super::super::commit::Who::default(),
            coauthors: vec![],
            time: 0,
            authored: None,
            message: message.into(),
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
            copies: vec![],
        };
        let (links, unknown) = Linker::of(&loaded.plan).links(&commit);
        let shown = |reason: &Reason| match reason {
            Reason::Trailer(name) => format!("trailer {name}"),
            Reason::Message(word) => format!("message {word}"),
            Reason::Path { path, glob } => format!("{path} fits {glob}"),
        };
        let mut text: Vec<String> = links
            .iter()
            .map(|link| format!("{}: {}", link.to, link.reasons.iter().map(shown).collect::<Vec<_>>().join(", ")))
            .collect();
        text.extend(unknown.iter().map(|name| format!("? {name}")));
        text.join("; ")
    }

    #[test]
    fn an_id_counts_as_a_whole_word() {
        for (message, expected) in [
            ("A1: begin", "A1: message A1"),
            ("begin (A1).", "A1: message A1"),
            ("[A1] #B2", "A1: message A1; B2: message B2"),
            ("A1/B2", "A1: message A1; B2: message B2"),
            ("feat/A1", "A1: message A1"),
            ("A1-fix it", "A1-fix: message A1-fix"),
            ("A1-other, A12, xA1, A1_b, a1", ""),
            ("finish A1.", "A1: message A1"),
            ("with caption-pre-pass", "B2: message caption-pre-pass"),
            ("بدأت مهمة اليوم", "مهمة: message مهمة"),
            ("the demo", "demo: message demo"),
            ("", ""),
        ] {
            assert_eq!(links(message, &[]), expected, "{message}");
        }
    }

    #[test]
    fn trailers_name_items_and_unknown_names_are_told() {
        assert_eq!(links("s\n\nBizra-Item: A1", &[]), "A1: trailer A1");
        assert_eq!(links("s\n\nwords\nBizra-Item: A1\nmore", &[]), "A1: trailer A1");
        assert_eq!(links("Bizra-Item: A1", &[]), "A1: message A1");
        assert_eq!(links("B2 s\n\nbizra-item: A1, Z9 B2\n", &[]), "B2: trailer B2, message B2; A1: trailer A1; ? Z9");
    }

    #[test]
    fn files_fit_the_patterns_of_an_item() {
        assert_eq!(links("s", &["src/one.rs", "x"]), "A1: src/one.rs fits src/one.rs");
        assert_eq!(links("s", &["docs/a/b.md"]), "A1: docs/a/b.md fits docs/**/*.md");
        assert_eq!(links("s", &["two/x.py", "two/y/x.py"]), "B2: two/x.py fits two/*.py");
        assert_eq!(Linker::of(&sprint(PLAN).plan).globs().count(), 3, "`**` tells nothing apart");
    }

    proptest::proptest! {
        #[test]
        fn no_message_is_too_strange(message in ".*", more in "[A1 \n:,-]*") {
            links(&message, &[]);
            links(&(message + "\n\nBizra-Item:" + &more), &[]);
        }
    }
}
