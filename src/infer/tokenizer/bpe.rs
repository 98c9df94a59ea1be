//! Byte-pair encoding: words are put together from characters by a ranked list of merges. Tokens spell bytes either
//! in GPT-2's printable characters, or as themselves with `<0xXX>` for what has no token.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::TokenizerError;
use super::merge::Merger;
use super::pre::PreTokenizer;
use super::table::Table;
use super::vocab::Vocab;

#[derive(Clone, Debug)]
pub(super) struct Bpe {
    pub(super) pre: PreTokenizer,
    /// "left right" by rank.
    pub(super) merges: Table,
    pub(super) byte_level: bool,
    pub(super) ignore_merges: bool,
    pub(super) whole_newlines: bool,
}

impl Bpe {
    pub(super) fn encode(
        &self,
        vocab: &Vocab,
        unk: Option<u32>,
        text: &str,
        out: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        let mut seen: HashMap<&str, Range<usize>> = HashMap::new();
        let mut merger = Merger::new();
        let (mut spelled, mut pair) = (String::new(), Vec::new());
        for word in self.pre.words(text)? {
            if let Some(range) = seen.get(word) {
                out.extend_from_within(range.clone());
                continue;
            }
            let begin = out.len();
            let spelled = if self.byte_level {
                spelled.clear();
                spelled.extend(word.bytes().map(|byte| PRINTABLE[usize::from(byte)]));
                spelled.as_str()
            } else {
                word
            };
            self.encode_word(vocab, unk, spelled, &mut merger, &mut pair, out)?;
            seen.insert(word, begin..out.len());
        }
        Ok(())
    }

    fn encode_word(
        &self,
        vocab: &Vocab,
        unk: Option<u32>,
        word: &str,
        merger: &mut Merger<Reverse<u32>>,
        pair: &mut Vec<u8>,
        out: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        let whole = self.ignore_merges || (self.whole_newlines && word.bytes().all(|byte| byte == b'\n'));
        if whole && let Some(id) = vocab.find(word) {
            out.push(id);
            return Ok(());
        }
        let rank = |left: &str, right: &str| {
            pair.clear();
            pair.extend_from_slice(left.as_bytes());
            pair.push(b' ');
            pair.extend_from_slice(right.as_bytes());
            self.merges.find(pair).map(Reverse)
        };
        let mut missing = None;
        merger.merge(word, rank, |piece| match vocab.find(piece) {
            Some(id) => out.push(id),
            None if self.byte_level => {
                for char in piece.chars() {
                    let mut utf8 = [0; 4];
                    match vocab.find(char.encode_utf8(&mut utf8)).or(unk) {
                        Some(id) => out.push(id),
                        None => missing = missing.or(byte_of(char)),
                    }
                }
            }
            None => {
                for byte in piece.bytes() {
                    match vocab.byte(byte).or(unk) {
                        Some(id) => out.push(id),
                        None => missing = missing.or(Some(byte)),
                    }
                }
            }
        });
        missing.map_or(Ok(()), |byte| Err(TokenizerError::NoToken { byte }))
    }
}

/// GPT-2's character for each byte: itself where it is printable, else one from U+0100 on.
static PRINTABLE: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = '\u{100}'..;
    std::array::from_fn(|byte| match byte as u8 {
        byte @ (b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) => char::from(byte),
        _ => next.next().expect("invariant: only 68 bytes are unprintable"),
    })
});

static BYTES: LazyLock<HashMap<char, u8>> =
    LazyLock::new(|| PRINTABLE.iter().enumerate().map(|(byte, &char)| (char, byte as u8)).collect());

/// The byte that a character of a byte-level token stands for.
pub(super) fn byte_of(char: char) -> Option<u8> {
    BYTES.get(&char).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_characters_are_gpt2s() {
        assert_eq!((PRINTABLE[b' ' as usize], PRINTABLE[b'\n' as usize], PRINTABLE[0]), ('Ġ', 'Ċ', 'Ā'));
        assert_eq!((PRINTABLE[b'a' as usize], PRINTABLE[0xAD], PRINTABLE[0xFF]), ('a', 'Ń', 'ÿ'));
        assert!((0..=255u8).all(|byte| byte_of(PRINTABLE[usize::from(byte)]) == Some(byte)));
    }
}
