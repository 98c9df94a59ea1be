//! Learns a byte-level byte-pair vocabulary: the pair that stands beside each other most often becomes one token, again
//! and again. Encoding is the engine's own; this only finds the merges.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Tokens as GPT-2 spells them, and merges as "left right" in the order of their ranks.
pub(super) struct Vocabulary {
    pub(super) tokens: Vec<String>,
    pub(super) merges: Vec<String>,
}

/// GPT-2's character for each byte: itself where it is printable, else one from U+0100 on.
fn spelled() -> [char; 256] {
    let mut next = '\u{100}'..;
    std::array::from_fn(|byte| match byte as u8 {
        byte @ (b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) => char::from(byte),
        _ => next.next().unwrap_or_default(),
    })
}

/// Words as GPT-2's pattern cuts them, nearly: what it cuts otherwise only makes a merge that is used less.
pub(super) fn words(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        c if c.is_alphabetic() => 1,
        c if c.is_numeric() => 2,
        c if c.is_whitespace() => 0,
        _ => 3,
    };
    let mut words = Vec::new();
    let mut begin = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let here = kind(c);
        let Some(&(next, following)) = chars.peek() else { break };
        let joins = kind(following) == here || (c == ' ' && at == begin && kind(following) != 0);
        if !joins {
            words.push(&text[begin..next]);
            begin = next;
        }
    }
    if begin < text.len() {
        words.push(&text[begin..]);
    }
    words
}

/// `counts` says how often each word stands in the texts; what came up once or twice is chance.
pub(super) fn learn(counts: &BTreeMap<String, u64>, size: usize) -> Vocabulary {
    let mut tokens: Vec<String> = spelled().iter().map(char::to_string).collect();
    let mut merges = Vec::new();
    let mut words: Vec<(Vec<u32>, u64)> = counts
        .iter()
        .filter(|(_, count)| **count > 2)
        .map(|(word, count)| (word.bytes().map(u32::from).collect(), *count))
        .collect();
    let mut pairs = Pairs::default();
    words.iter().for_each(|(word, count)| pairs.add(word, *count));
    while tokens.len() < size {
        let Some((left, right)) = pairs.best() else { break };
        let id = tokens.len() as u32;
        merges.push(format!("{} {}", tokens[left as usize], tokens[right as usize]));
        tokens.push(format!("{}{}", tokens[left as usize], tokens[right as usize]));
        for (word, count) in &mut words {
            if !word.windows(2).any(|pair| pair == [left, right]) {
                continue;
            }
            pairs.take(word, *count);
            let mut at = 0;
            while at + 1 < word.len() {
                if (word[at], word[at + 1]) == (left, right) {
                    word[at] = id;
                    word.remove(at + 1);
                }
                at += 1;
            }
            pairs.add(word, *count);
        }
    }
    Vocabulary { tokens, merges }
}

/// How often two tokens stand beside each other.
#[derive(Default)]
struct Pairs(BTreeMap<(u32, u32), u64>);

impl Pairs {
    fn add(&mut self, word: &[u32], count: u64) {
        for pair in word.windows(2) {
            *self.0.entry((pair[0], pair[1])).or_default() += count;
        }
    }

    fn take(&mut self, word: &[u32], count: u64) {
        for pair in word.windows(2) {
            if let Some(left) = self.0.get_mut(&(pair[0], pair[1])) {
                *left -= count;
            }
        }
    }

    /// Of pairs that are as frequent, the first by number: the same on every machine.
    fn best(&self) -> Option<(u32, u32)> {
        let best = self.0.iter().max_by_key(|(pair, count)| (**count, Reverse(**pair)));
        best.filter(|(_, count)| **count > 0).map(|(pair, _)| *pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_the_blank_before_them() {
        assert_eq!(words("what does --json do?"), ["what", " does", " --", "json", " do", "?"]);
        assert_eq!(words(" a1  b"), [" a", "1", "  ", "b"]);
        assert_eq!(words("").len(), 0);
    }

    #[test]
    fn the_most_frequent_pair_comes_first() {
        let counts = BTreeMap::from([("aab".into(), 5), ("ab".into(), 4), ("xy".into(), 2)]);
        let learnt = learn(&counts, 300);
        assert_eq!(learnt.merges, ["a b", "a ab"]);
        assert_eq!(learnt.tokens.len(), 258);
        assert_eq!(&learnt.tokens[256..], ["ab", "aab"]);
        assert_eq!(learnt.tokens[usize::from(b' ')], "Ġ");
    }
}
