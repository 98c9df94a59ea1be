//! Vocabularies of the right size without a word of anybody's: all combinations of a few letters, in an order in which
//! they are found again.

use bizra::infer::gguf::write::{Put, Writer};

use super::shape::Shape;
use crate::tools::Outcome;

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

pub(super) fn put(file: Writer, shape: &Shape) -> Outcome<Writer> {
    match shape.arch {
        "llama" => Ok(sentencepiece(file, shape.vocab)),
        "qwen2" => Ok(byte_pairs(file, shape.vocab)),
        other => Err(format!("there is no vocabulary for the architecture {other}")),
    }
}

fn letters() -> impl Iterator<Item = char> + Clone {
    'a'..='z'
}

fn pairs() -> impl Iterator<Item = (char, char)> + Clone {
    letters().flat_map(|a| letters().map(move |b| (a, b)))
}

fn triples() -> impl Iterator<Item = (char, char, char)> + Clone {
    pairs().flat_map(|(a, b)| letters().map(move |c| (a, b, c)))
}

/// Pieces with scores that fall from one to the next: the earlier is merged first.
fn sentencepiece(file: Writer, size: usize) -> Writer {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).into();
    let mut kinds = vec![UNKNOWN, CONTROL, CONTROL];
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    kinds.resize(tokens.len(), BYTE);
    let words = std::iter::once("▁".to_owned())
        .chain(letters().map(String::from))
        .chain(letters().map(|a| format!("▁{a}")))
        .chain(pairs().map(|(a, b)| format!("{a}{b}")))
        .chain(pairs().map(|(a, b)| format!("▁{a}{b}")))
        .chain(triples().map(|(a, b, c)| format!("▁{a}{b}{c}")))
        .chain(triples().map(|(a, b, c)| format!("{a}{b}{c}")));
    tokens.extend(words.take(size - tokens.len()));
    kinds.resize(tokens.len(), NORMAL);
    let scores: Vec<f32> = (0..tokens.len()).map(|id| -(id as f32)).collect();
    let texts: Vec<&str> = tokens.iter().map(String::as_str).collect();
    file.key("tokenizer.ggml.model", Put::Str("llama"))
        .key("tokenizer.ggml.pre", Put::Str("default"))
        .key("tokenizer.ggml.tokens", Put::Strings(&texts))
        .key("tokenizer.ggml.token_type", Put::Integers(&kinds))
        .key("tokenizer.ggml.scores", Put::Floats(&scores))
        .key("tokenizer.ggml.bos_token_id", Put::U32(1))
        .key("tokenizer.ggml.eos_token_id", Put::U32(2))
        .key("tokenizer.ggml.unknown_token_id", Put::U32(0))
}

/// How byte-level vocabularies write a byte.
fn byte_letter(byte: u8) -> char {
    match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        0..=b' ' => char::from_u32(256 + u32::from(byte)).unwrap_or(' '),
        0x7f..=0xa0 => char::from_u32(256 + 33 + u32::from(byte - 0x7f)).unwrap_or(' '),
        0xad => char::from_u32(256 + 67).unwrap_or(' '),
    }
}

const ENDS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// Rows of the embedding beyond the vocabulary, its named tokens included.
const SPARE: usize = 293;

/// Merges in the order of the tokens that they make.
fn byte_pairs(file: Writer, size: usize) -> Writer {
    let space = byte_letter(b' ');
    let merges = letters()
        .map(|a| format!("{space} {a}"))
        .chain(pairs().map(|(a, b)| format!("{a} {b}")))
        .chain(pairs().map(|(a, b)| format!("{space}{a} {b}")))
        .chain(triples().map(|(a, b, c)| format!("{space}{a} {b}{c}")))
        // Of two pairs that overlap, the earlier in the alphabet is merged first.
        .chain(triples().map(|(a, b, c)| if (a, b) <= (b, c) { format!("{a}{b} {c}") } else { format!("{a} {b}{c}") }))
        .chain(pairs().flat_map(|(a, b)| pairs().map(move |(c, d)| format!("{a}{b} {c}{d}"))));
    let merges: Vec<String> = merges.take(size - SPARE - 256).collect();
    let mut tokens: Vec<String> = (0..=255).map(|byte| byte_letter(byte).to_string()).collect();
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let mut kinds = vec![NORMAL; tokens.len()];
    let end = tokens.len() as u32;
    tokens.extend(ENDS.map(str::to_owned));
    kinds.resize(tokens.len(), CONTROL);
    tokens.extend((tokens.len()..size).map(|id| format!("[PAD{id}]")).collect::<Vec<_>>());
    kinds.resize(tokens.len(), UNUSED);
    let texts: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let merges: Vec<&str> = merges.iter().map(String::as_str).collect();
    file.key("tokenizer.ggml.model", Put::Str("gpt2"))
        .key("tokenizer.ggml.pre", Put::Str("qwen2"))
        .key("tokenizer.ggml.tokens", Put::Strings(&texts))
        .key("tokenizer.ggml.token_type", Put::Integers(&kinds))
        .key("tokenizer.ggml.merges", Put::Strings(&merges))
        .key("tokenizer.ggml.bos_token_id", Put::U32(end))
        .key("tokenizer.ggml.eos_token_id", Put::U32(end + 2))
        .key("tokenizer.ggml.add_bos_token", Put::Bool(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_letters_of_their_own() {
        let mut all: Vec<char> = (0..=255).map(byte_letter).collect();
        assert_eq!((byte_letter(b' '), byte_letter(b'\n'), byte_letter(0x7f), byte_letter(0xad)), ('Ġ', 'Ċ', 'ġ', 'Ń'));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 256);
        assert!(!all.contains(&' '));
    }
}
