//! Which of a repository's files are the model that was asked for: one GGUF file, or the files of a safetensors folder.

use std::fmt;

use super::shown;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    Gguf(String),
    /// All that the engine reads of a folder.
    Folder(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChooseFault {
    /// Several files fit, and nothing says which one is meant.
    Several {
        repo: String,
        files: Vec<String>,
    },
    NoQuant {
        repo: String,
        quant: String,
        files: Vec<String>,
    },
    Split {
        repo: String,
        file: String,
        parts: usize,
        others: Vec<String>,
    },
    /// Neither GGUF nor safetensors.
    NoWeights {
        repo: String,
        other: Option<String>,
    },
    NoText {
        repo: String,
        file: &'static str,
    },
}

impl fmt::Display for ChooseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Several { repo, .. } => write!(f, "{repo} has several files for that"),
            Self::NoQuant { repo, quant, files } if files.is_empty() => {
                write!(f, "{repo} has no GGUF files, so `{quant}` is none of them")
            }
            Self::NoQuant { repo, quant, .. } => write!(f, "{repo} has no file for `{quant}`"),
            Self::Split { repo, file, parts, .. } => {
                write!(f, "{repo}: {} is split into {parts} files, which can't be run yet", shown(file))
            }
            Self::NoWeights { repo, other: None } => write!(f, "{repo} has neither GGUF files nor safetensors"),
            Self::NoWeights { repo, other: Some(other) } => {
                write!(f, "{repo} has neither GGUF files nor safetensors, and {} is not read", shown(other))
            }
            Self::NoText { repo, file } => write!(f, "{repo} has safetensors but no {file}, which they need"),
        }
    }
}

impl std::error::Error for ChooseFault {}

impl ChooseFault {
    /// What to type instead.
    pub fn hint(&self) -> String {
        match self {
            Self::Several { files, .. } => format!("name one: {}", files.join(", ")),
            Self::NoQuant { repo, files, .. } if files.is_empty() => {
                format!("leave the quant out: {repo}; or look for a repository of GGUF files, often called {repo}-GGUF")
            }
            Self::NoQuant { files, .. } => format!("it has {}", files.join(", ")),
            Self::Split { others, .. } if others.is_empty() => {
                "look for a repository with smaller quants of this model".to_owned()
            }
            Self::Split { others, .. } => format!("these are whole: {}", others.join(", ")),
            Self::NoWeights { repo, .. } | Self::NoText { repo, .. } => {
                format!("look for a repository of GGUF files, often called {repo}-GGUF")
            }
        }
    }
}

const INDEX: &str = "model.safetensors.index.json";

/// What the engine must have beside safetensors, and what it reads where it is there (the last three for embeddings).
const TEXTS: [&str; 2] = ["config.json", "tokenizer.json"];
const MORE_TEXTS: [&str; 6] = [
    "tokenizer_config.json",
    "generation_config.json",
    "chat_template.jinja",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
];

/// A GGUF model by its first file.
struct Candidate<'a> {
    path: &'a str,
    parts: usize,
}

impl Candidate<'_> {
    fn listed(&self) -> String {
        if self.parts > 1 { format!("{} ({} parts)", self.path, self.parts) } else { self.path.to_owned() }
    }
}

/// The model among `files`, which may come in any order.
pub fn choose(repo: &str, quant: Option<&str>, files: &[&str]) -> Result<Chosen, ChooseFault> {
    let repo = || repo.to_owned();
    let candidates = candidates(quant, files);
    let listed = |all: &[&Candidate<'_>]| all.iter().map(|c| c.listed()).collect::<Vec<_>>();
    let all: Vec<&Candidate<'_>> = candidates.iter().collect();
    if all.is_empty() {
        return match quant {
            None => folder(&repo(), files),
            Some(quant) => Err(ChooseFault::NoQuant { repo: repo(), quant: quant.to_owned(), files: Vec::new() }),
        };
    }
    let wanted = quant.map(str::to_ascii_lowercase).unwrap_or_default();
    // The whole name, else a word of it, else a part of a word.
    let ways: [fn(&str, &str) -> bool; 3] =
        [|path, wanted| path == wanted, has_word, |path, wanted| path.contains(wanted)];
    let by = |fits: fn(&str, &str) -> bool| -> Vec<&Candidate<'_>> {
        all.iter().copied().filter(|c| fits(&c.path.to_ascii_lowercase(), &wanted)).collect()
    };
    let found = match quant {
        None => all.clone(),
        Some(_) => ways.into_iter().map(by).find(|found| !found.is_empty()).unwrap_or_default(),
    };
    match found.as_slice() {
        [one] if one.parts == 1 => Ok(Chosen::Gguf(one.path.to_owned())),
        [one] => {
            let whole: Vec<&Candidate<'_>> = all.iter().copied().filter(|c| c.parts == 1).collect();
            let (file, others) = (one.path.to_owned(), listed(&whole));
            Err(ChooseFault::Split { repo: repo(), file, parts: one.parts, others })
        }
        [] => {
            let quant = quant.unwrap_or_default().to_owned();
            Err(ChooseFault::NoQuant { repo: repo(), quant, files: listed(&all) })
        }
        several => Err(ChooseFault::Several { repo: repo(), files: listed(several) }),
    }
}

/// The GGUF files that are models. Projectors of images and importance matrices are GGUF as well, and no models of their
/// own: they count only where they are asked for.
fn candidates<'a>(quant: Option<&str>, files: &[&'a str]) -> Vec<Candidate<'a>> {
    let quant = quant.map(str::to_ascii_lowercase).unwrap_or_default();
    let beside = |path: &str| ["mmproj", "imatrix"].iter().any(|word| path.contains(word) && !quant.contains(word));
    let mut candidates = Vec::new();
    for path in files {
        let lower = path.to_ascii_lowercase();
        let Some(stem) = lower.strip_suffix(".gguf").filter(|_| !beside(&lower)) else { continue };
        match part_of(stem) {
            Some((1, parts)) if parts > 1 => candidates.push(Candidate { path, parts }),
            Some((_, parts)) if parts > 1 => {}
            _ => candidates.push(Candidate { path, parts: 1 }),
        }
    }
    candidates.sort_by_key(|c| c.path);
    candidates
}

/// `…-00002-of-00003`: which part, and of how many.
fn part_of(stem: &str) -> Option<(usize, usize)> {
    let (rest, parts) = stem.rsplit_once("-of-")?;
    let (_, part) = rest.rsplit_once('-')?;
    let number = |text: &str| text.parse().ok().filter(|_| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit()));
    Some((number(part)?, number(parts)?))
}

/// Whether `word` stands in `text` between signs that can't belong to it: F16 is no part of BF16, nor Q4_K of Q4_K_M.
fn has_word(text: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let alone = |at: usize| !joins(text[..at].chars().last()) && !joins(text[at + word.len()..].chars().next());
    text.match_indices(word).any(|(at, _)| alone(at))
}

fn folder(repo: &str, files: &[&str]) -> Result<Chosen, ChooseFault> {
    let has = |name: &str| files.contains(&name);
    let is_shard = |path: &&&str| {
        let stem = path.strip_prefix("model-").and_then(|rest| rest.strip_suffix(".safetensors"));
        stem.is_some_and(|stem| part_of(&format!("model-{stem}")).is_some())
    };
    let mut chosen: Vec<&str> = if has(INDEX) {
        files.iter().filter(is_shard).copied().chain([INDEX]).collect()
    } else if has("model.safetensors") {
        vec!["model.safetensors"]
    } else {
        let other = files.iter().filter(|path| path.ends_with(".bin") || path.ends_with(".safetensors")).min();
        return Err(ChooseFault::NoWeights { repo: repo.to_owned(), other: other.map(|path| (*path).to_owned()) });
    };
    if let Some(file) = TEXTS.into_iter().find(|file| !has(file)) {
        return Err(ChooseFault::NoText { repo: repo.to_owned(), file });
    }
    chosen.extend(TEXTS.into_iter().chain(MORE_TEXTS).filter(|file| has(file)));
    chosen.sort_unstable();
    Ok(Chosen::Folder(chosen.into_iter().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(quant: Option<&str>, files: &[&str], expected: &str) {
        let found = match choose("a/b", quant, files) {
            Ok(Chosen::Gguf(file)) => file,
            Ok(Chosen::Folder(files)) => files.join(" "),
            Err(fault) => format!("{fault}; {}", fault.hint()),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_quant_is_a_word_of_the_files_name() {
        for (text, word) in [("m-q4_k_m.gguf", "q4_k_m"), ("m.f16.gguf", "f16"), ("bf16-f16", "f16")] {
            assert!(has_word(text, word), "{word} in {text}");
        }
        for (text, word) in [("m-bf16.gguf", "f16"), ("m-q4_k_m.gguf", "q4_k"), ("iq4_0", "q4_0")] {
            assert!(!has_word(text, word), "{word} in {text}");
        }
    }

    #[test]
    fn one_file_is_found_and_nothing_is_guessed() {
        let files = ["b-Q8_0.gguf", "b-F16.gguf", "b-BF16.gguf", "mmproj-F16.gguf", "b.imatrix.gguf", "README.md"];
        check(Some("q8_0"), &files, "b-Q8_0.gguf");
        check(Some("F16"), &files, "b-F16.gguf");
        check(Some("b-BF16.gguf"), &files, "b-BF16.gguf");
        check(Some("mmproj"), &files, "mmproj-F16.gguf");
        check(None, &["only.gguf", "mmproj-F16.gguf"], "only.gguf");
        let several = "a/b has several files for that; name one: b-BF16.gguf, b-F16.gguf, b-Q8_0.gguf";
        check(None, &files, several);
        check(Some("16"), &files, "a/b has several files for that; name one: b-BF16.gguf, b-F16.gguf");
        check(Some("Q2"), &files, "a/b has no file for `Q2`; it has b-BF16.gguf, b-F16.gguf, b-Q8_0.gguf");
        check(Some("x.gguf"), &["x.gguf", "x.gguf.gguf"], "x.gguf");
    }

    #[test]
    fn split_models_are_one_model_that_can_not_be_run() {
        let files = ["Q8_0/b-00002-of-00002.gguf", "Q8_0/b-00001-of-00002.gguf", "b-Q4_0.gguf"];
        check(Some("Q4_0"), &files, "b-Q4_0.gguf");
        check(
            Some("Q8_0"),
            &files,
            "a/b: \"Q8_0/b-00001-of-00002.gguf\" is split into 2 files, which can't be run yet; these are whole: b-Q4_0.gguf",
        );
        check(
            None,
            &files,
            "a/b has several files for that; name one: Q8_0/b-00001-of-00002.gguf (2 parts), b-Q4_0.gguf",
        );
        check(None, &["b-00001-of-00001.gguf"], "b-00001-of-00001.gguf");
    }

    #[test]
    fn a_folder_is_taken_where_there_is_no_gguf() {
        check(
            None,
            &["config.json", "tokenizer.json", "model.safetensors", "x.py"],
            "config.json model.safetensors tokenizer.json",
        );
        let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", INDEX];
        let all =
            [&shards[..], &["config.json", "tokenizer.json", "generation_config.json", "other.safetensors"]].concat();
        check(
            None,
            &all,
            "config.json generation_config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json tokenizer.json",
        );
        check(
            None,
            &["config.json", "model.safetensors"],
            "a/b has safetensors but no tokenizer.json, which they need; look for a repository of GGUF files, often called a/b-GGUF",
        );
        check(
            None,
            &["pytorch_model.bin", "config.json"],
            "a/b has neither GGUF files nor safetensors, and \"pytorch_model.bin\" is not read; look for a repository of GGUF files, often called a/b-GGUF",
        );
        check(
            None,
            &[],
            "a/b has neither GGUF files nor safetensors; look for a repository of GGUF files, often called a/b-GGUF",
        );
        check(
            Some("Q4_0"),
            &["config.json"],
            "a/b has no GGUF files, so `Q4_0` is none of them; leave the quant out: a/b; or look for a repository of GGUF files, often called a/b-GGUF",
        );
    }

    proptest! {
        #[test]
        fn only_what_is_there_is_chosen_whatever_the_order(
            files in prop::collection::vec("[a-c]{1,2}(-Q[48]_0|-F16)?(-0000[12]-of-0000[12])?\\.(gguf|bin)|config\\.json|tokenizer\\.json|model\\.safetensors", 0..6),
            quant in prop::option::of("Q4_0|f16|\\PC{1,4}"),
        ) {
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let chosen = choose("a/b", quant.as_deref(), &files);
            let backwards: Vec<&str> = files.iter().rev().copied().collect();
            prop_assert_eq!(&chosen, &choose("a/b", quant.as_deref(), &backwards));
            let chosen = match chosen {
                Ok(Chosen::Gguf(file)) => vec![file],
                Ok(Chosen::Folder(files)) => files,
                Err(fault) => {
                    prop_assert!(!fault.hint().is_empty());
                    Vec::new()
                }
            };
            for file in chosen {
                prop_assert!(files.contains(&file.as_str()), "{} is not there", file);
            }
        }
    }
}
