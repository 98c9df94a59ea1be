//! What `.gitattributes` says about which code counts: `linguist-generated` and `linguist-vendored`, as forges read them.
//!
//! A word of the people who keep the repository outranks what a file looks like, in both directions. Leaves out finding
//! the files, and attributes that are kept outside of commits.

use fancy_regex::Regex;

/// What is said about one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub generated: Option<bool>,
    pub vendored: Option<bool>,
}

/// One file of attributes, its lines in order.
#[derive(Debug, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    /// Matched against the path from the file's folder on, or against the name alone.
    pattern: Regex,
    of_name: bool,
    generated: Option<Word>,
    vendored: Option<Word>,
}

#[derive(Clone, Copy, Debug)]
enum Word {
    Is(bool),
    /// `!attribute`: as if nothing had been said.
    Unsaid,
}

impl Rules {
    /// Lines that can't be read say nothing, as with git.
    pub fn read(text: &str) -> Rules {
        Rules(text.lines().filter_map(Rule::read).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what these rules say about a path, which is given from their file's folder on. Files of inner folders come
    /// after those of outer ones, and the last word counts.
    pub fn apply(&self, path: &str, said: &mut Said) {
        let name = path.rsplit('/').next().unwrap_or(path);
        for rule in &self.0 {
            let subject = if rule.of_name { name } else { path };
            if !rule.pattern.is_match(subject).unwrap_or(false) {
                continue;
            }
            for (word, said) in [(rule.generated, &mut said.generated), (rule.vendored, &mut said.vendored)] {
                match word {
                    Some(Word::Is(value)) => *said = Some(value),
                    Some(Word::Unsaid) => *said = None,
                    None => {}
                }
            }
        }
    }
}

impl Rule {
    fn read(line: &str) -> Option<Rule> {
        let line = line.trim();
        let (pattern, words) = match line.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => line.split_once(char::is_whitespace)?,
        };
        if pattern.starts_with(['#', '!']) || pattern.starts_with("[attr]") {
            return None;
        }
        let (mut generated, mut vendored) = (None, None);
        for word in words.split_whitespace() {
            let (name, said) = match (word.strip_prefix('-'), word.strip_prefix('!'), word.split_once('=')) {
                (Some(name), ..) => (name, Word::Is(false)),
                (_, Some(name), _) => (name, Word::Unsaid),
                (.., Some((name, value))) => (name, Word::Is(value != "false")),
                _ => (word, Word::Is(true)),
            };
            match name {
                "linguist-generated" => generated = Some(said),
                "linguist-vendored" => vendored = Some(said),
                _ => {}
            }
        }
        if generated.is_none() && vendored.is_none() {
            return None;
        }
        let of_name = !pattern.contains('/');
        let pattern = Regex::new(&regex(pattern.strip_prefix('/').unwrap_or(pattern))).ok()?;
        Some(Rule { pattern, of_name, generated, vendored })
    }
}

/// A pattern of gitattributes as a regular expression.
fn regex(pattern: &str) -> String {
    let mut text = String::from("^");
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let at_start = text.len() == 1 || text.ends_with('/');
        if at_start && let Some(after) = rest.strip_prefix("**/") {
            text += "(?:.*/)?";
            rest = after;
            continue;
        }
        if at_start && rest == "**" {
            text += ".+";
            break;
        }
        let class = rest.strip_prefix('[').and_then(|inner| inner.get(1..)?.find(']').map(|end| &inner[..=end]));
        rest = &rest[next.len_utf8()..];
        match (next, class) {
            ('*', _) => text += "[^/]*",
            ('?', _) => text += "[^/]",
            ('[', Some(class)) => {
                rest = &rest[class.len() + 1..];
                let (not, class) = class.strip_prefix(['!', '^']).map_or(("", class), |class| ("^", class));
                let class = class.replace('\\', "\\\\").replace('[', "\\[").replace("&&", "&\\&");
                text += &format!("[{not}{class}]");
            }
            ('\\', _) => {
                let literal = rest.chars().next().unwrap_or('\\');
                rest = rest.get(literal.len_utf8()..).unwrap_or_default();
                text += &fancy_regex::escape(literal.encode_utf8(&mut [0; 4]));
            }
            _ => text += &fancy_regex::escape(next.encode_utf8(&mut [0; 4])),
        }
    }
    text + "$"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, path: &str) -> (Option<bool>, Option<bool>) {
        let mut said = Said::default();
        Rules::read(text).apply(path, &mut said);
        (said.generated, said.vendored)
    }

    #[test]
    fn words_are_read_as_git_reads_them() {
        let check = |line: &str, expected| assert_eq!(said(line, "a.c"), expected, "{line}");
        check("*.c linguist-generated", (Some(true), None));
        check("*.c text linguist-generated=true eol=lf", (Some(true), None));
        check("*.c -linguist-vendored", (None, Some(false)));
        check("*.c linguist-generated=false", (Some(false), None));
        check("*.c linguist-generated\na.c !linguist-generated", (None, None));
        check("# *.c linguist-generated", (None, None));
        check("!*.c linguist-generated", (None, None));
        check("[attr]made linguist-generated", (None, None));
        check("*.c", (None, None));
        check("\"a.c\" linguist-vendored", (None, Some(true)));
        check("*.c linguist-documentation", (None, None));
    }

    #[test]
    fn patterns_fit_what_git_lets_them_fit() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let told = said(&format!("{pattern} linguist-generated"), path).0.is_some();
            assert_eq!(told, expected, "{pattern} on {path}");
        };
        check("*.pb.rs", "x/y/a.pb.rs", true);
        check("/a.c", "a.c", true);
        check("/a.c", "x/a.c", false);
        check("gen/*.c", "gen/a.c", true);
        check("gen/*.c", "gen/x/a.c", false);
        check("gen/*.c", "x/gen/a.c", false);
        check("gen/**", "gen/x/a.c", true);
        check("gen/**", "gen", false);
        check("**/gen/**", "x/gen/a.c", true);
        check("**/a.c", "a.c", true);
        check("a/**/b.c", "a/b.c", true);
        check("a/**/b.c", "a/x/y/b.c", true);
        check("gen/", "gen/a.c", false);
        check("a[0-9].c", "a7.c", true);
        check("a[!0-9].c", "a7.c", false);
        check("a?.c", "ab.c", true);
        check("a?.c", "a/.c", false);
        check("a+b.c", "a+b.c", true);
        check("a\\*.c", "a*.c", true);
        check("a\\*.c", "ab.c", false);
        check("a[.c", "a[.c", true);
    }
}
