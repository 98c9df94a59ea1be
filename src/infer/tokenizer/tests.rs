use proptest::prelude::*;

use super::*;
use crate::infer::gguf::Gguf;
use crate::infer::gguf::write::{Put, Writer};

const PLAIN: EncodeOpts = EncodeOpts { add_special: false, parse_special: false };
const SPECIAL: EncodeOpts = EncodeOpts { add_special: true, parse_special: true };

/// Ids: 0 <unk>, 1 <s>, 2 </s>, 3..=258 bytes, then ▁ a b ab ▁a ▁ab abab, [user].
fn spm() -> Writer {
    let mut texts = vec!["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()];
    texts.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    texts.extend(["▁", "a", "b", "ab", "▁a", "▁ab", "abab", "[user]"].map(String::from));
    let mut types = vec![2, 3, 3];
    types.extend([6; 256]);
    types.extend([1, 1, 1, 1, 1, 1, 1, 4]);
    let mut scores = vec![0.0f32; 259];
    // ab before ▁a before ▁ab, abab last.
    scores.extend([-9.0, -9.0, -9.0, -1.0, -2.0, -3.0, -4.0, 0.0]);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Writer::new()
        .key("tokenizer.ggml.model", Put::Str("llama"))
        .key("tokenizer.ggml.tokens", Put::Strings(&texts))
        .key("tokenizer.ggml.token_type", Put::Integers(&types))
        .key("tokenizer.ggml.scores", Put::Floats(&scores))
        .key("tokenizer.ggml.padding_token_id", Put::U32(u32::MAX))
}

const SPACE_ID: u32 = 259;
const A: u32 = 260;
const B: u32 = 261;
const AB: u32 = 262;
const SPACE_AB: u32 = 264;
const ABAB: u32 = 265;
const USER: u32 = 266;

fn open(writer: &Writer) -> Result<Tokenizer, TokenizerError> {
    let file = writer.header();
    Tokenizer::from_gguf(&Gguf::parse(&file).expect("a valid file"))
}

#[test]
fn sentencepiece_merges_by_score_from_the_left() {
    let tokenizer = open(&spm()).expect("valid");
    let encode = |text| tokenizer.encode(text, PLAIN).expect("all bytes have tokens");
    assert_eq!(encode("ab"), [SPACE_AB]);
    assert_eq!(encode("abab"), [SPACE_AB, AB]);
    assert_eq!(encode("babab"), [SPACE_ID, B, ABAB]);
    assert_eq!(encode("ba"), [SPACE_ID, B, A]);
    assert!(encode("").is_empty());
    assert_eq!(encode("é"), [SPACE_ID, 3 + 0xC3, 3 + 0xA9]);
    assert_eq!(encode("a\nb"), [263, 3 + 10, B]);
}

#[test]
fn specials_are_parsed_only_where_asked_and_user_tokens_always() {
    let tokenizer = open(&spm()).expect("valid");
    let special = tokenizer.encode("<s>ab</s>", SPECIAL).expect("encodes");
    assert_eq!(special, [1, 1, SPACE_AB, 2]);
    let plain = tokenizer.encode("<s>", PLAIN).expect("encodes");
    assert_eq!(plain, [SPACE_ID, 3 + u32::from(b'<'), 3 + u32::from(b's'), 3 + u32::from(b'>')]);
    assert_eq!(tokenizer.encode("ab[user]ab", PLAIN).expect("encodes"), [SPACE_AB, USER, SPACE_AB]);
    assert_eq!((tokenizer.roles().bos, tokenizer.roles().eos, tokenizer.roles().pad), (Some(1), Some(2), None));
    assert!(tokenizer.is_end(2) && !tokenizer.is_end(1));
}

#[test]
fn the_prefix_follows_the_key() {
    let tokenizer = open(&spm().key("tokenizer.ggml.add_space_prefix", Put::Bool(false))).expect("valid");
    assert_eq!(tokenizer.encode("ab", PLAIN).expect("encodes"), [AB]);
    assert_eq!(
        tokenizer.decode(&[SPACE_AB], DecodeOpts { strip_prefix: true, ..Default::default() }).expect("ids"),
        b" ab"
    );
}

#[test]
fn bos_and_eos_follow_the_keys() {
    let eos = spm()
        .key("tokenizer.ggml.add_eos_token", Put::Bool(true))
        .key("tokenizer.ggml.add_bos_token", Put::Bool(false));
    assert_eq!(open(&eos).expect("valid").encode("ab", SPECIAL).expect("encodes"), [SPACE_AB, 2]);
    let none = spm()
        .key("tokenizer.ggml.add_eos_token", Put::Bool(true))
        .key("tokenizer.ggml.eos_token_id", Put::U32(u32::MAX));
    assert!(matches!(open(&none), Err(TokenizerError::AddWithout { role: "EOS", .. })));
    let outside = spm().key("tokenizer.ggml.bos_token_id", Put::U32(5000));
    assert!(matches!(open(&outside), Err(TokenizerError::Role { id: 5000, .. })));
}

#[test]
fn decoding_skips_control_tokens_unless_asked() {
    let tokenizer = open(&spm()).expect("valid");
    let ids = [1, SPACE_AB, 3 + 0xC3, 3 + 0xA9, USER, 2];
    let plain = tokenizer.decode(&ids, DecodeOpts::default()).expect("ids");
    assert_eq!(String::from_utf8(plain).expect("text"), " abé[user]");
    let all = tokenizer.decode(&ids, DecodeOpts { special: true, strip_prefix: true }).expect("ids");
    assert_eq!(String::from_utf8(all).expect("text"), "<s>abé[user]</s>");
    assert_eq!(tokenizer.decode(&[9999], DecodeOpts::default()), Err(TokenizerError::NoSuchId { id: 9999, len: 267 }));
}

/// Ids: the 256 bytes, then he, ll, hell, hello, Ġhello, <|im_end|>, [x].
fn bpe(pre: &str) -> Writer {
    let mut texts: Vec<String> = (0..=255u8)
        .map(|byte| {
            let printable = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
            let before = (0..byte).filter(|b| !matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)).count() as u32;
            let char =
                if printable { char::from(byte) } else { char::from_u32(256 + before).expect("below surrogates") };
            char.to_string()
        })
        .collect();
    texts.extend(["he", "ll", "hell", "hello", "Ġhello", "<|im_end|>", "[x]"].map(String::from));
    let mut types = vec![1; 261];
    types.extend([3, 4]);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Writer::new()
        .key("tokenizer.ggml.model", Put::Str("gpt2"))
        .key("tokenizer.ggml.pre", Put::Str(pre))
        .key("tokenizer.ggml.tokens", Put::Strings(&texts))
        .key("tokenizer.ggml.token_type", Put::Integers(&types))
        .key("tokenizer.ggml.merges", Put::Strings(&["l l", "h e", "he ll", "hell o", "Ġ hello"]))
        .key("tokenizer.ggml.bos_token_id", Put::U32(261))
}

#[test]
fn byte_pairs_merge_by_rank() {
    let tokenizer = open(&bpe("gpt-2")).expect("valid");
    let encode = |text| tokenizer.encode(text, PLAIN).expect("all bytes have tokens");
    assert_eq!(encode("hello hello"), [259, 260]);
    assert_eq!(encode("hellhe"), [258, 256]);
    assert_eq!(encode("lll"), [257, u32::from(b'l')]);
    assert_eq!(encode("\n "), [u32::from(b'\n'), u32::from(b' ')]);
    assert_eq!(encode("é"), [0xC3, 0xA9]);
    assert_eq!(encode("he[x]he<|im_end|>").iter().filter(|&&id| id == 261).count(), 0);
    assert_eq!(tokenizer.encode("he[x]<|im_end|>", SPECIAL).expect("encodes"), [256, 262, 261]);
    assert!(tokenizer.is_end(261));
    assert_eq!(tokenizer.name(), "gpt2/gpt-2");
}

#[test]
fn a_whole_word_may_ignore_merges() {
    let with = |pre| open(&bpe(pre)).expect("valid").encode("hello", EncodeOpts::default()).expect("encodes");
    assert_eq!(with("llama-bpe"), with("qwen2"));
    let mut writer = bpe("llama-bpe");
    writer = writer.key("tokenizer.ggml.add_bos_token", Put::Bool(false));
    let tokenizer = open(&writer).expect("valid");
    assert!(!tokenizer.adds_bos());
    assert_eq!(tokenizer.encode("hell", PLAIN).expect("encodes"), [258]);
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let text = open(&bpe("gpt-99")).expect_err("unknown").to_string();
    assert!(text.contains("gpt-99") && text.contains("llama-bpe") && text.contains("tekken"), "{text}");
    for model in ["bert", "t5", "rwkv", "plamo2"] {
        let writer = Writer::new()
            .key("tokenizer.ggml.model", Put::Str(model))
            .key("tokenizer.ggml.tokens", Put::Strings(&["a"]));
        assert_eq!(open(&writer).expect_err("unsupported"), TokenizerError::Model { model: model.to_owned() });
    }
    let bare =
        Writer::new().key("tokenizer.ggml.model", Put::Str("gpt2")).key("tokenizer.ggml.tokens", Put::Strings(&["a"]));
    assert_eq!(open(&bare).expect_err("no pre"), TokenizerError::MissingPre);
    let twice = Writer::new()
        .key("tokenizer.ggml.model", Put::Str("llama"))
        .key("tokenizer.ggml.tokens", Put::Strings(&["a", "b", "a"]));
    assert!(matches!(open(&twice), Err(TokenizerError::DuplicateToken { first: 0, second: 2, .. })));
    let nan = Writer::new()
        .key("tokenizer.ggml.model", Put::Str("llama"))
        .key("tokenizer.ggml.tokens", Put::Strings(&["a", "b"]))
        .key("tokenizer.ggml.scores", Put::Floats(&[0.0, f32::NAN]));
    assert_eq!(open(&nan).expect_err("NaN"), TokenizerError::Score { id: 1 });
}

#[test]
fn a_byte_without_a_token_is_an_error_not_a_loss() {
    let tiny = |unk: u32| {
        Writer::new()
            .key("tokenizer.ggml.model", Put::Str("llama"))
            .key("tokenizer.ggml.tokens", Put::Strings(&["<unk>", "▁", "a"]))
            .key("tokenizer.ggml.scores", Put::Floats(&[0.0, -1.0, -1.0]))
            .key("tokenizer.ggml.unknown_token_id", Put::U32(unk))
    };
    assert_eq!(open(&tiny(0)).expect("valid").encode("az", PLAIN).expect("unknown is there"), [1, 2, 0]);
    assert_eq!(open(&tiny(u32::MAX)).expect("valid").encode("az", PLAIN), Err(TokenizerError::NoToken { byte: b'z' }));
}

#[test]
fn long_words_take_no_quadratic_time() {
    let long = "ab".repeat(200_000);
    let ids = open(&spm()).expect("valid").encode(&long, PLAIN).expect("encodes");
    assert_eq!(ids.len(), 1 + 99_999 + 1);
    let ids = open(&bpe("gpt-2")).expect("valid").encode(&"l".repeat(400_001), PLAIN).expect("encodes");
    assert_eq!(ids.len(), 200_001);
}

#[test]
fn any_text_comes_back() {
    let spm = open(&spm()).expect("valid");
    let bpes = ["gpt-2", "llama-bpe", "qwen2", "deepseek-v3", "gpt-4o"].map(|pre| open(&bpe(pre)).expect("valid"));
    proptest!(|(text in any::<String>())| {
        let ids = spm.encode(&text, PLAIN).expect("encodes");
        let back = spm.decode(&ids, DecodeOpts { special: true, strip_prefix: true }).expect("ids");
        prop_assert_eq!(String::from_utf8_lossy(&back), text.replace('▁', " "));
        for bpe in &bpes {
            let ids = bpe.encode(&text, PLAIN).expect("encodes");
            let back = bpe.decode(&ids, DecodeOpts::default()).expect("ids");
            prop_assert_eq!(String::from_utf8_lossy(&back), text.as_str());
        }
    });
}

#[test]
fn special_parsing_never_panics() {
    let tokenizer = open(&spm()).expect("valid");
    proptest!(|(text in "[<>|/sa-c\\[\\]user im_end ▁]{0,40}")| {
        prop_assert!(tokenizer.encode(&text, SPECIAL).is_ok());
    });
}
