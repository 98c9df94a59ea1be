use super::reference::{Bert, Shape};
use super::*;

const WORDS: &str =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\ngate\nopens\nwhen\nevidence\n##s\ncomes\n.\na\nsmall\nword\ncafe\n";
const OPTIONS: Options = Options { pooling: Pooling::Mean, normalise: true, truncate: false, batch: 8 };

/// MiniLM's shape, over a few words.
fn mini() -> Bert {
    Bert::random(Shape { vocabulary: 16, width: 384, layers: 6, heads: 12, inner: 1536, positions: 64 }, 7)
}

fn tiny() -> Bert {
    Bert::random(Shape { vocabulary: 16, width: 32, layers: 2, heads: 4, inner: 64, positions: 12 }, 11)
}

fn files<'f>(config: &'f [u8], weights: &'f [u8]) -> Files<'f> {
    Files { config, vocabulary: Some(WORDS.as_bytes()), weights, ..Files::default() }
}

fn model(bert: &Bert) -> Model {
    let (config, weights) = (bert.config(), bert.safetensors(""));
    Model::read(&files(&config, &weights)).expect("a model")
}

fn embed(model: &Model, texts: &[&str], options: &Options) -> Vec<Embedded> {
    model.embed(texts, options, &mut |_| {}).expect("vectors")
}

fn cosine(a: &[f32], b: &[f64]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum();
    let (a, b) = (a.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>(), b.iter().map(|b| b * b).sum::<f64>());
    dot / (a * b).sqrt()
}

#[test]
fn vectors_agree_with_a_pass_in_f64() {
    let bert = mini();
    let model = model(&bert);
    let texts = [
        ("The gate opens when evidence comes.", [2, 4, 5, 6, 7, 8, 10, 11, 3].as_slice()),
        ("a word", &[2, 12, 14, 3]),
    ];
    let both = texts.map(|(text, _)| text);
    let mean = embed(&model, &both, &OPTIONS);
    let cls = embed(&model, &both, &Options { pooling: Pooling::Cls, normalise: false, ..OPTIONS });
    for (at, (text, ids)) in texts.iter().enumerate() {
        let rows = bert.forward(ids);
        let expected: Vec<f64> =
            (0..384).map(|d| rows.iter().map(|row| row[d]).sum::<f64>() / rows.len() as f64).collect();
        assert_eq!(mean[at].tokens, ids.len(), "{text}");
        let near = cosine(&mean[at].vector, &expected);
        assert!(near >= 0.999_99, "{text}: cosine {near}");
        let norm: f64 = mean[at].vector.iter().map(|x| f64::from(*x).powi(2)).sum();
        assert!((norm - 1.0).abs() < 1e-6, "{text}: {norm}");
        assert!(cosine(&cls[at].vector, &rows[0]) >= 0.999_99, "{text}");
        let worst = cls[at].vector.iter().zip(&rows[0]).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-3, "{text}: {worst}");
    }
}

#[test]
fn company_and_order_change_no_vector() {
    let model = model(&tiny());
    let texts = ["the gate", "a", "the small gate opens when evidence comes", "", "word word word", "the gate"];
    let together = embed(&model, &texts, &OPTIONS);
    for (text, embedded) in texts.iter().zip(&together) {
        let alone = embed(&model, &[text], &Options { batch: 1, ..OPTIONS });
        for (a, b) in alone[0].vector.iter().zip(&embedded.vector) {
            assert!((a - b).abs() < 1e-5, "{text:?}: {a} {b}");
        }
    }
    assert_eq!(together[0].vector, together[5].vector);
    assert!(together[0].vector != together[1].vector);
    let mut told = Vec::new();
    model.embed(&texts, &Options { batch: 4, ..OPTIONS }, &mut |ready| told.push(ready)).expect("vectors");
    assert_eq!(told, [4, 6]);
    assert_eq!(model.embed(&[], &OPTIONS, &mut |_| {}), Ok(Vec::new()));
}

#[test]
fn what_is_too_long_is_said_and_cut_only_when_asked() {
    let model = model(&tiny());
    let long = "word ".repeat(20);
    let texts = ["a", long.as_str(), "the", long.as_str()];
    let refused = model.embed(&texts, &OPTIONS, &mut |_| {});
    assert_eq!(refused, Err(EmbedError::TooLong { number: 2, tokens: 22, limit: 12, more: 1 }));
    let cut = embed(&model, &texts, &Options { truncate: true, ..OPTIONS });
    assert_eq!(
        cut.iter().map(|e| (e.tokens, e.truncated)).collect::<Vec<_>>(),
        [(3, false), (22, true), (3, false), (22, true)]
    );
    // Ten words and the two tokens around them are what there is room for.
    let kept = embed(&model, &[&"word ".repeat(10)], &OPTIONS);
    assert_eq!(kept[0].vector, cut[1].vector);
}

#[test]
fn a_tokenizers_own_truncation_and_padding_are_switched_off() {
    let bert = tiny();
    let (config, weights) = (bert.config(), bert.safetensors("bert."));
    let plain = files(&config, &weights);
    let described = text::described(WORDS.as_bytes());
    let mut asked: serde_json::Value = serde_json::from_slice(&described).expect("JSON");
    asked["truncation"] =
        serde_json::json!({ "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0 });
    asked["padding"] = serde_json::json!({ "strategy": { "Fixed": 9 }, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]" });
    let asked = asked.to_string();
    let asking = Model::read(&Files { tokenizer: Some(asked.as_bytes()), ..plain }).expect("a model");
    let texts = ["the small gate opens", "a"];
    assert_eq!(embed(&asking, &texts, &OPTIONS), embed(&model(&bert), &texts, &OPTIONS));
}

#[test]
fn a_folder_has_its_word_on_pooling_length_and_case() {
    let bert = tiny();
    let (config, weights) = (bert.config(), bert.safetensors(""));
    let plain = files(&config, &weights);
    let told = Files {
        pooling: Some(br#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#),
        sentences: Some(br#"{"max_seq_length": 5}"#),
        tokenizer_config: Some(br#"{"do_lower_case": false}"#),
        ..plain
    };
    let told = Model::read(&told).expect("a model");
    assert_eq!((told.pooling, told.limit), (Pooling::Cls, 5));
    let unknown = embed(&told, &["The", "[UNK]"], &OPTIONS);
    assert_eq!(unknown[0].vector, unknown[1].vector, "the upper case is not in the vocabulary");
    let plain = Model::read(&plain).expect("a model");
    assert_eq!((plain.pooling, plain.limit), (Pooling::Mean, 12));
    let folded = embed(&plain, &["CAFÉ", "cafe"], &OPTIONS);
    assert_eq!(folded[0].vector, folded[1].vector);
}

#[test]
fn what_is_no_such_model_is_refused() {
    let bert = tiny();
    let (config, weights) = (bert.config(), bert.safetensors(""));
    let refused = |files: &Files<'_>| match Model::read(files) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };
    let with = |key: &str, value: serde_json::Value| {
        let mut config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
        config[key] = value;
        refused(&files(config.to_string().as_bytes(), &weights))
    };
    let check = |said: String, word: &str| assert!(said.contains(word), "{said}");
    check(with("model_type", "roberta".into()), "`roberta`");
    check(with("hidden_act", "silu".into()), "`silu`");
    check(with("hidden_size", serde_json::Value::Null), "hidden_size is missing");
    check(with("hidden_size", (-4).into()), "hidden_size is -4");
    check(with("num_attention_heads", 5.into()), "no multiple");
    check(with("hidden_size", 64.into()), "model.safetensors");
    check(with("num_hidden_layers", 3.into()), "encoder.layer.2");
    check(with("vocab_size", (1_u64 << 40).into()), "vocab_size");
    check(with("vocab_size", 4.into()), "model.safetensors");
    check(with("position_embedding_type", "relative_key".into()), "relative_key");
    check(with("max_position_embeddings", 2.into()), "no room");
    let plain = files(&config, &weights);
    check(refused(&Files { config: b"{", ..plain }), "no JSON");
    check(refused(&Files { config: b"[]", ..plain }), "no object");
    check(refused(&Files { vocabulary: None, ..plain }), "vocab.txt");
    check(refused(&Files { vocabulary: Some(b"a\nb\na\n"), ..plain }), "lines 1 and 3");
    check(refused(&Files { vocabulary: Some(b"a\nb\n"), ..plain }), "[PAD]");
    check(refused(&Files { vocabulary: Some(b"\xff"), ..plain }), "UTF-8");
    check(refused(&Files { tokenizer: Some(b"{}"), ..plain }), "tokenizer.json");
    let described = String::from_utf8(text::described(WORDS.as_bytes())).expect("JSON");
    let broken = format!("{{\"decoder\": {{\"type\":,}},{}", &described[1..]);
    check(refused(&Files { tokenizer: Some(broken.as_bytes()), ..plain }), "tokenizer.json");
    check(
        refused(&Files { pooling: Some(br#"{"pooling_mode_max_tokens": true}"#), ..plain }),
        "pooling_mode_max_tokens",
    );
    for cut in [0, 7, 8, 100, weights.len() / 2, weights.len() - 1] {
        check(refused(&Files { weights: &weights[..cut], ..plain }), "model.safetensors");
    }
    let many = format!("{WORDS}one\ntwo\n");
    let more = Model::read(&Files { vocabulary: Some(many.as_bytes()), ..plain }).expect("it may have more");
    let beyond = more.embed(&["two"], &OPTIONS, &mut |_| {}).expect_err("there is no such row");
    check(beyond.to_string(), "token 17");
}

#[test]
fn numbers_that_are_none_are_no_vector() {
    let bert = tiny();
    let (config, mut weights) = (bert.config(), bert.safetensors(""));
    let end = weights.len();
    for four in weights[end - 4096..].chunks_exact_mut(4) {
        four.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    let broken = Model::read(&files(&config, &weights)).expect("its form is right");
    let said = broken.embed(&["a", "the"], &OPTIONS, &mut |_| {});
    assert_eq!(said, Err(EmbedError::NotFinite { number: 1 }));
}
