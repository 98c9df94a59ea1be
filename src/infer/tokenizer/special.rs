//! Finds special tokens in a text. Longer tokens win over shorter ones, then lower ids, then earlier places, wherever
//! they overlap: the order in which llama.cpp looks for them.

use super::table::Table;

/// The special tokens of a vocabulary, arranged for search.
#[derive(Clone, Debug)]
pub(super) struct Specials {
    texts: Table,
    tokens: Vec<SpecialToken>,
    /// Distinct lengths of the tokens by first byte, longest first.
    lengths: Vec<Vec<u32>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SpecialToken {
    pub(super) id: u32,
    /// Found even where control tokens are not asked for.
    pub(super) always: bool,
    /// Swallows the white space before, or after.
    pub(super) strip_left: bool,
    pub(super) strip_right: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    Token(u32),
}

struct Match {
    start: usize,
    end: usize,
    token: SpecialToken,
}

impl Specials {
    pub(super) fn new() -> Self {
        Self { texts: Table::with_capacity(0, 0), tokens: Vec::new(), lengths: vec![Vec::new(); 256] }
    }

    pub(super) fn add(&mut self, text: &[u8], token: SpecialToken) {
        let Some(&first) = text.first() else { return };
        if let Some(Ok(_)) = self.texts.insert(text) {
            self.tokens.push(token);
            let lengths = &mut self.lengths[usize::from(first)];
            let length = text.len() as u32;
            if let Err(at) = lengths.binary_search_by(|probe| length.cmp(probe)) {
                lengths.insert(at, length);
            }
        }
    }

    pub(super) fn partition<'t>(&self, text: &'t str, all: bool) -> Vec<Part<'t>> {
        let mut found = self.matches(text, all);
        if found.is_empty() {
            return if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] };
        }
        found.sort_by_key(|m| (std::cmp::Reverse(m.end - m.start), m.token.id, m.start));
        // Spans stay sorted and apart, so that each candidate is checked against its two neighbours only.
        let mut taken: std::collections::BTreeMap<usize, (usize, u32)> = std::collections::BTreeMap::new();
        for m in found {
            let before = taken.range(..m.end).next_back().map_or(0, |(_, &(end, _))| end);
            if before > m.start {
                continue;
            }
            let after = taken.range(m.end..).next().map_or(text.len(), |(&start, _)| start);
            let mut span = (m.start, m.end);
            if m.token.strip_left {
                span.0 = before + text[before..m.start].trim_ascii_end().len();
            }
            if m.token.strip_right {
                span.1 = after - text[m.end..after].trim_ascii_start().len();
            }
            taken.insert(span.0, (span.1, m.token.id));
        }
        let mut parts = Vec::with_capacity(2 * taken.len() + 1);
        let mut at = 0;
        for (start, (end, id)) in taken {
            if start > at {
                parts.push(Part::Text(&text[at..start]));
            }
            parts.push(Part::Token(id));
            at = end;
        }
        if at < text.len() {
            parts.push(Part::Text(&text[at..]));
        }
        parts
    }

    fn matches(&self, text: &str, all: bool) -> Vec<Match> {
        let mut found = Vec::new();
        let bytes = text.as_bytes();
        for (start, byte) in bytes.iter().enumerate() {
            for &length in &self.lengths[usize::from(*byte)] {
                let end = start + length as usize;
                if let Some(number) = bytes.get(start..end).and_then(|candidate| self.texts.find(candidate)) {
                    let token = self.tokens[number as usize];
                    if all || token.always {
                        found.push(Match { start, end, token });
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specials(tokens: &[(&str, u32, bool)]) -> Specials {
        let mut specials = Specials::new();
        for &(text, id, always) in tokens {
            specials.add(text.as_bytes(), SpecialToken { id, always, strip_left: false, strip_right: false });
        }
        specials
    }

    #[test]
    fn control_tokens_are_found_only_where_asked() {
        let specials = specials(&[("<s>", 1, false), ("<tool>", 9, true)]);
        let text = "a<s>b<tool><s>";
        use Part::{Text, Token};
        assert_eq!(specials.partition(text, true), [Text("a"), Token(1), Text("b"), Token(9), Token(1)]);
        assert_eq!(specials.partition(text, false), [Text("a<s>b"), Token(9), Text("<s>")]);
        assert_eq!(specials.partition("", true), []);
    }

    #[test]
    fn the_longest_wins_even_when_it_begins_later() {
        let specials = specials(&[("ab", 1, true), ("bcd", 2, true), ("bc", 3, true)]);
        assert_eq!(specials.partition("abcd", true), [Part::Text("a"), Part::Token(2)]);
        assert_eq!(specials.partition("abab", true), [Part::Token(1), Part::Token(1)]);
    }

    #[test]
    fn stripping_takes_white_space_up_to_the_neighbour() {
        let mut specials = Specials::new();
        specials.add(b"<e>", SpecialToken { id: 5, always: true, strip_left: false, strip_right: true });
        specials.add(b"<l>", SpecialToken { id: 6, always: true, strip_left: true, strip_right: false });
        let parts = specials.partition("a <e> \n b  <l> c", true);
        assert_eq!(parts, [Part::Text("a "), Part::Token(5), Part::Text("b"), Part::Token(6), Part::Text(" c")]);
    }
}
