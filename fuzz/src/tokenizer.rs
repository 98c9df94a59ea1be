//! Any text becomes tokens of the vocabulary, and the tokens become the text again.

use std::sync::LazyLock;

use bizra::infer::gguf::Gguf;
use bizra::infer::tokenizer::{DecodeOpts, EncodeOpts, Kind, Tokenizer};

pub(super) static TINY: LazyLock<Tokenizer> = LazyLock::new(|| {
    let file = Gguf::parse(include_bytes!("../../fixtures/tiny.gguf")).expect("the fixture is a model");
    Tokenizer::from_gguf(&file).expect("the fixture has a tokenizer")
});

pub fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let plain = TINY.encode(text, EncodeOpts::default()).expect("bytes are in the vocabulary");
    assert!(plain.iter().all(|id| (*id as usize) < TINY.len()));
    let back = TINY.decode(&plain, DecodeOpts { special: true, strip_prefix: true }).expect("ids are known");
    // The vocabulary writes blanks as U+2581, so it can't tell the two apart.
    let mut given = text.replace('\u{2581}', " ");
    let mut back = String::from_utf8(back).expect("what was text is text again");
    // As with other programs, what follows a token that stands for itself begins with a blank of its own.
    if plain.iter().any(|id| TINY.kind(*id) == Some(Kind::UserDefined)) {
        given.retain(|c| c != ' ');
        back.retain(|c| c != ' ');
    }
    assert_eq!(back, given);
    let special = TINY.encode(text, EncodeOpts { add_special: true, parse_special: true }).expect("as above");
    assert!(special.iter().all(|id| (*id as usize) < TINY.len()));
    // Any bytes may claim to be a tokenizer.json.
    if let Err(error) = Tokenizer::from_json(text.as_bytes(), None) {
        assert_ne!(error.to_string(), "");
    }
}
