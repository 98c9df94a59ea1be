//! Logits against the reference, and what must make no difference to answers.

use std::f64::consts::TAU;

use bizra_kernels::Matrix;

use super::*;
use crate::infer::conformance_lm::relative_error;
use crate::infer::dtype::DType;
use crate::infer::fault::Place;
use crate::infer::generate::Finish;
use crate::infer::weights::{Dims, Tensor};

mod conformance;
mod reference;
mod tiny;

use reference::{Definition, Tensors};
use tiny::{Key, LLAMA, Tiny};

const TOKENS: [u32; 21] = [1, 261, 9, 105, 262, 17, 3, 44, 263, 5, 5, 201, 99, 264, 7, 260, 18, 33, 261, 2, 150];

fn options() -> Options<'static> {
    Options { threads: 2, cell: Cell::F32, ..Options::default() }
}

fn all_logits(engine: &mut Engine, tokens: &[u32]) -> Vec<Vec<f32>> {
    let mut session = engine.session().unwrap();
    engine.pass(&mut [(&mut session, tokens, Wanted::All)]).unwrap()
}

fn angles(base: f64, dims: usize) -> Vec<f64> {
    (0..dims / 2).map(|i| 1.0 / base.powf(2.0 * i as f64 / dims as f64)).collect()
}

/// What the definitions say of a plain model of that size.
fn plain(tiny: &Tiny) -> Definition {
    Definition {
        layers: tiny.layers,
        heads: tiny.heads,
        kv_heads: tiny.kv_heads,
        head_dim: tiny.head_dim,
        eps: f64::from(1e-5f32),
        scale: 1.0 / (tiny.head_dim as f64).sqrt(),
        windows: vec![None; tiny.layers],
        angles: vec![angles(10_000.0, tiny.head_dim); tiny.layers],
        magnitude: 1.0,
        neighbours: tiny.arch == "llama",
        fused: tiny.fused,
        gemma: false,
        stored_norms_less_one: false,
        attention_cap: None,
        logit_cap: None,
    }
}

fn agree(engine: &mut Engine, definition: &Definition, tensors: &Tensors) {
    let found = all_logits(engine, &TOKENS);
    let expected = definition.logits(tensors, &TOKENS);
    assert_eq!(found.len(), expected.len());
    for (position, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found.len(), expected.len());
        let error = relative_error(found, expected);
        assert!(error < 1e-5, "position {position}: relative error {error:e}");
    }
}

fn file_agrees(tiny: &Tiny, definition: &Definition) {
    let tensors = tiny.tensors();
    let file = tiny.gguf(&tensors);
    agree(&mut Engine::load(&file, &options()).unwrap(), definition, &tensors);
}

/// The same weights as a folder of Hugging Face's would give them.
fn folder_agrees(tiny: &Tiny, config: &str, definition: &Definition) {
    let tensors = tiny.tensors();
    let file = tiny.gguf(&tensors);
    let tokenizer = Tokenizer::from_gguf(&Gguf::parse(&file).unwrap()).unwrap();
    let config = ModelConfig::from_hf(config.as_bytes(), |name| tensors.0.contains_key(name)).unwrap();
    let gguf = Gguf::parse(&file).unwrap();
    let weights = Weights::new(gguf.tensors().iter().cloned()).unwrap();
    agree(&mut Engine::from_parts(config, &weights, tokenizer, &options()).unwrap(), definition, &tensors);
}

#[test]
fn llama() {
    file_agrees(&LLAMA, &plain(&LLAMA));
    let tied = Tiny { tied: true, kv_heads: 6, ..LLAMA };
    file_agrees(&tied, &plain(&tied));
    let shared = Tiny { kv_heads: 1, keys: vec![("rope.freq_base", Key::Float(500_000.0))], ..LLAMA };
    file_agrees(&shared, &Definition { angles: vec![angles(5e5, 6); 2], ..plain(&shared) });
}

#[test]
fn llama_with_every_bias_and_partial_rotation() {
    let tiny = Tiny {
        head_dim: 10,
        biases: &["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "output"],
        keys: vec![("rope.dimension_count", Key::Count(4))],
        ..LLAMA
    };
    file_agrees(&tiny, &Definition { angles: vec![angles(1e4, 4); 2], ..plain(&tiny) });
}

#[test]
fn llama_3_divisors_in_the_file() {
    let tiny = Tiny { extra: vec![("rope_freqs.weight", 3, 1.0, 8.0)], ..LLAMA };
    let tensors = tiny.tensors();
    let divided = angles(1e4, 6).iter().zip(&tensors.0["rope_freqs.weight"].values).map(|(a, d)| a / d).collect();
    file_agrees(&tiny, &Definition { angles: vec![divided; 2], ..plain(&tiny) });
}

#[test]
fn llama_3_rule_in_the_configuration() {
    let config = r#"{"model_type": "llama", "hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 6,
        "num_key_value_heads": 2, "intermediate_size": 50, "vocab_size": 266, "max_position_embeddings": 300,
        "rms_norm_eps": 1e-5, "rope_theta": 100.0, "hidden_act": "silu", "tie_word_embeddings": false,
        "rope_scaling": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 80}}"#;
    let scaled = angles(100.0, 6).into_iter().map(|angle| {
        let (factor, low, high, old) = (4.0, 1.0, 4.0, 80.0);
        let wavelength = TAU / angle;
        if wavelength < old / high {
            angle
        } else if wavelength > old / low {
            angle / factor
        } else {
            let smooth = (old / wavelength - low) / (high - low);
            (1.0 - smooth) * angle / factor + smooth * angle
        }
    });
    let angles = vec![scaled.collect(); 2];
    folder_agrees(&LLAMA, config, &Definition { angles, neighbours: false, ..plain(&LLAMA) });
}

#[test]
fn mistral_with_a_window_in_every_layer() {
    let config = r#"{"model_type": "mistral", "hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 6,
        "num_key_value_heads": 2, "intermediate_size": 50, "vocab_size": 266, "max_position_embeddings": 300,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "sliding_window": 5}"#;
    let definition = Definition { windows: vec![Some(5); 2], neighbours: false, ..plain(&LLAMA) };
    folder_agrees(&LLAMA, config, &definition);
}

#[test]
fn qwen2_with_biases_and_yarn() {
    let tiny = Tiny { arch: "qwen2", biases: &["attn_q", "attn_k", "attn_v"], ..LLAMA };
    file_agrees(&tiny, &plain(&tiny));
    let keys = vec![
        ("rope.scaling.type", Key::Text("yarn")),
        ("rope.scaling.factor", Key::Float(4.0)),
        ("rope.scaling.original_context_length", Key::Count(64)),
    ];
    let yarn = Tiny { head_dim: 16, keys, ..tiny };
    // As the paper has it: pairs that turn more than 32 times in the old context keep their angle, those that turn
    // less than once are slowed, and a ramp over whole pair numbers joins them.
    let pair = |turns: f64| 16.0 * (64.0 / (turns * TAU)).ln() / (2.0 * 1e4f64.ln());
    let (first, last) = (pair(32.0).floor().max(0.0), pair(1.0).ceil().min(15.0));
    let mixed = angles(1e4, 16).into_iter().enumerate().map(|(i, angle)| {
        let slowed = ((i as f64 - first) / (last - first)).clamp(0.0, 1.0);
        angle / 4.0 * slowed + angle * (1.0 - slowed)
    });
    let definition = Definition { angles: vec![mixed.collect(); 2], magnitude: 1.0 + 0.1 * 4f64.ln(), ..plain(&yarn) };
    file_agrees(&yarn, &definition);
}

#[test]
fn qwen3_normalises_queries_and_keys() {
    let tiny = Tiny { arch: "qwen3", head_dim: 14, qk_norm: true, tied: true, ..LLAMA };
    file_agrees(&tiny, &plain(&tiny));
}

fn gemma() -> (Tiny, Definition) {
    let tiny = Tiny {
        arch: "gemma3",
        layers: 7,
        head_dim: 8,
        tied: true,
        qk_norm: true,
        post_norms: true,
        keys: vec![
            ("rope.freq_base", Key::Float(1e6)),
            ("rope.scaling.type", Key::Text("linear")),
            ("rope.scaling.factor", Key::Float(8.0)),
            ("attention.sliding_window", Key::Count(4)),
        ],
        ..LLAMA
    };
    let everything = |layer: usize| layer == 5;
    let scaled: Vec<f64> = angles(1e6, 8).iter().map(|angle| angle / 8.0).collect();
    let definition = Definition {
        windows: (0..7).map(|layer| (!everything(layer)).then_some(4)).collect(),
        angles: (0..7).map(|layer| if everything(layer) { scaled.clone() } else { angles(1e4, 8) }).collect(),
        gemma: true,
        ..plain(&tiny)
    };
    (tiny, definition)
}

#[test]
fn gemma3_windows_bases_and_norms() {
    let (tiny, definition) = gemma();
    file_agrees(&tiny, &definition);
}

#[test]
fn softcaps_of_scores_and_logits() {
    let (mut tiny, definition) = gemma();
    tiny.keys.push(("attn_logit_softcapping", Key::Float(0.7)));
    tiny.keys.push(("final_logit_softcapping", Key::Float(1.5)));
    let caps = Definition { attention_cap: Some(f64::from(0.7f32)), logit_cap: Some(1.5), ..definition };
    file_agrees(&tiny, &caps);
}

#[test]
fn gemma3_from_its_own_files_has_norms_less_one_and_another_scale() {
    let (tiny, definition) = gemma();
    let config = r#"{"model_type": "gemma3_text", "hidden_size": 36, "num_hidden_layers": 7, "num_attention_heads": 6,
        "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 50, "vocab_size": 266,
        "max_position_embeddings": 300, "rms_norm_eps": 1e-5, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
        "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 20, "sliding_window": 4,
        "sliding_window_pattern": 6, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}"#;
    let definition = Definition { stored_norms_less_one: true, scale: 1.0 / 20f64.sqrt(), ..definition };
    folder_agrees(&tiny, config, &definition);
}

#[test]
fn phi3_fused_with_long_rope() {
    let tiny = Tiny {
        arch: "phi3",
        head_dim: 8,
        fused: true,
        biases: &["attn_qkv"],
        extra: vec![("rope_factors_short.weight", 3, 1.0, 1.5), ("rope_factors_long.weight", 3, 2.0, 9.0)],
        keys: vec![
            ("rope.dimension_count", Key::Count(6)),
            ("rope.scaling.original_context_length", Key::Count(100)),
            ("rope.scaling.attn_factor", Key::Float(1.25)),
            ("attention.sliding_window", Key::Count(9)),
        ],
        ..LLAMA
    };
    let tensors = tiny.tensors();
    let file = tiny.gguf(&tensors);
    for (context, name) in [(None, "short"), (Some(100), "short"), (Some(101), "long")] {
        let divisors = &tensors.0[&format!("rope_factors_{name}.weight")].values;
        let divided: Vec<f64> = angles(1e4, 6).iter().zip(divisors).map(|(a, d)| a / d).collect();
        let definition =
            Definition { angles: vec![divided; 2], magnitude: 1.25, windows: vec![Some(9); 2], ..plain(&tiny) };
        agree(&mut Engine::load(&file, &Options { context, ..options() }).unwrap(), &definition, &tensors);
    }
}

fn generated(engine: &mut Engine, tokens: usize) -> Generation {
    let sampling = Sampling { temperature: 0.9, seed: 11, ..Sampling::default() };
    let limits = Limits { tokens: Some(tokens), ignore_end: true, ..Limits::default() };
    engine.generate(&TOKENS, &sampling, &limits, &mut |_| Control::Continue, &|| Duration::ZERO).unwrap()
}

#[test]
fn threads_chunks_and_levels_make_no_difference() {
    let (gemma, _) = gemma();
    for tiny in [LLAMA, gemma] {
        let file = tiny.gguf(&tiny.tensors());
        let expected = generated(&mut Engine::load(&file, &options()).unwrap(), 40);
        assert_eq!((expected.token_ids.len(), &expected.finish), (40, &Finish::Length));
        for threads in [1, 2, 3] {
            for chunk in [1, 2, 7, 20, 21, 300] {
                let options = Options { threads, chunk: Some(chunk), ..options() };
                assert_eq!(generated(&mut Engine::load(&file, &options).unwrap(), 40), expected, "{threads} {chunk}");
            }
        }
        for level in Level::available() {
            let mut engine = Engine::load(&file, &Options { level, ..options() }).unwrap();
            assert_eq!(generated(&mut engine, 40), expected, "{level}");
        }
    }
}

fn bits(rows: &[Vec<f32>]) -> Vec<Vec<u32>> {
    rows.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
}

#[test]
fn sequences_in_one_pass_get_what_each_gets_alone() {
    let file = LLAMA.gguf(&LLAMA.tensors());
    let mut engine = Engine::load(&file, &options()).unwrap();
    let alone: Vec<_> =
        [&TOKENS[..9], &TOKENS[9..10], &TOKENS[3..15]].iter().map(|tokens| all_logits(&mut engine, tokens)).collect();
    let [mut a, mut b, mut c] = [(); 3].map(|()| engine.session().unwrap());
    engine.pass(&mut [(&mut a, &TOKENS[..4], Wanted::None)]).unwrap();
    let together = engine
        .pass(&mut [
            (&mut a, &TOKENS[4..9], Wanted::Last),
            (&mut b, &TOKENS[9..10], Wanted::All),
            (&mut c, &TOKENS[3..15], Wanted::All),
        ])
        .unwrap();
    let expected: Vec<Vec<f32>> = alone[0][8..].iter().chain(&alone[1]).chain(&alone[2]).cloned().collect();
    assert_eq!(bits(&together), bits(&expected));
    assert_eq!((a.tokens(), b.tokens(), c.tokens().len()), (&TOKENS[..9], &TOKENS[9..10], 12));
}

#[test]
fn a_session_computes_a_shared_beginning_once() {
    let file = LLAMA.gguf(&LLAMA.tensors());
    let mut engine = Engine::load(&file, &options()).unwrap();
    let mut session = engine.session().unwrap();
    let limits = Limits { tokens: Some(5), ignore_end: true, ..Limits::default() };
    let mut ask = |session: &mut Session, prompt: &[u32]| {
        let go_on = &mut |_: Event<'_>| Control::Continue;
        let kept =
            engine.generate_in(session, prompt, &Sampling::default(), &limits, go_on, &|| Duration::ZERO).unwrap();
        let fresh = engine.generate(prompt, &Sampling::default(), &limits, go_on, &|| Duration::ZERO).unwrap();
        assert_eq!((fresh.usage.reused, &fresh.token_ids), (0, &kept.token_ids));
        kept.usage.reused
    };
    assert_eq!(ask(&mut session, &TOKENS[..10]), 0);
    assert_eq!(ask(&mut session, &TOKENS[..10]), 9);
    assert_eq!(ask(&mut session, &TOKENS), 10);
    assert_eq!(ask(&mut session, &TOKENS[..3]), 2);
    let other = [&TOKENS[..2], &[7]].concat();
    assert_eq!(ask(&mut session, &other), 2);

    let (gemma, _) = gemma();
    let file = gemma.gguf(&gemma.tensors());
    let error = Engine::load(&file, &options())
        .unwrap()
        .generate_in(&mut session, &TOKENS, &Sampling::default(), &limits, &mut |_| Control::Continue, &|| {
            Duration::ZERO
        })
        .unwrap_err();
    assert_eq!(error, InferError::Session);
}

#[test]
fn packed_weights_give_the_same_bits_and_tell_what_was_copied() {
    let file = quantised();
    let gguf = Gguf::parse(&file).unwrap();
    let copied = std::cell::RefCell::new(Vec::new());
    let tell = |range: Range<u64>| copied.borrow_mut().push(range);
    let raw = all_logits(&mut Engine::load(&file, &options()).unwrap(), &TOKENS);
    let packed = all_logits(&mut Engine::load(&file, &Options { pack: Some(&tell), ..options() }).unwrap(), &TOKENS);
    assert_eq!(bits(&raw), bits(&packed));
    let mut copied = copied.into_inner();
    copied.sort_by_key(|range| range.start);
    let mut expected: Vec<Range<u64>> = gguf
        .tensors()
        .iter()
        .filter(|t| t.dtype == DType::Q8_0 && t.name != "token_embd.weight")
        .map(|t| t.offset..t.offset + t.data.len() as u64)
        .collect();
    expected.sort_by_key(|range| range.start);
    assert_eq!(copied, expected);
}

#[test]
fn what_was_packed_before_is_taken_where_it_fits() {
    let file = quantised();
    let packing = Options { pack: Some(&|_| ()), ..options() };
    let mut first = Engine::load(&file, &packing).unwrap();
    let logits = all_logits(&mut first, &TOKENS);
    let pool = Pool::new(1);
    for misfit in [false, true] {
        let given = std::cell::RefCell::new(Vec::new());
        let stored = |offset: u64, matrix: Matrix| {
            given.borrow_mut().push(offset);
            let rows = matrix.rows() / if misfit { 2 } else { 1 };
            let data = &matrix.data()[..matrix.format().bytes(rows * matrix.cols()).unwrap()];
            Packed::pack(&pool, &Matrix::new(matrix.format(), rows, matrix.cols(), data).unwrap()).ok()
        };
        let mut again = Engine::load(&file, &Options { stored: Some(&stored), ..packing }).unwrap();
        assert_eq!(bits(&all_logits(&mut again, &TOKENS)), bits(&logits), "misfit: {misfit}");
        let mut given = given.into_inner();
        let mut packed: Vec<u64> = first.packed().map(|(offset, _)| offset).collect();
        given.sort_unstable();
        packed.sort_unstable();
        assert_eq!(given, packed);
    }
}

/// A llama in Q8_0, whose matrices have rows of 64.
fn quantised() -> Vec<u8> {
    let tiny = Tiny { dim: 64, ffn: 96, head_dim: 16, heads: 4, tied: true, ..LLAMA };
    let tensors = tiny.tensors();
    let plain = tiny.gguf(&tensors);
    let plain = Gguf::parse(&plain).unwrap();
    let mut file = crate::infer::gguf::write::Writer::new();
    for (key, value) in plain.metadata() {
        use crate::infer::gguf::Value;
        use crate::infer::gguf::write::Put;
        file = match value {
            Value::U32(n) => file.key(key, Put::U32(*n)),
            Value::F32(x) => file.key(key, Put::F32(*x)),
            Value::Str(text) => file.key(key, Put::Str(text)),
            Value::Array(array) => {
                if let Some(texts) = array.strings() {
                    file.key(key, Put::Strings(&texts.collect::<Vec<_>>()))
                } else if let Some(kinds) = array.integers() {
                    file.key(key, Put::Integers(&kinds.map(|kind| kind as i32).collect::<Vec<_>>()))
                } else {
                    file.key(key, Put::Floats(&array.floats().unwrap().collect::<Vec<_>>()))
                }
            }
            other => panic!("{other:?}"),
        };
    }
    let is_matrix = |dims: &Dims| dims.as_slice().len() == 2;
    for Tensor { name, dims, .. } in plain.tensors() {
        file = file.tensor(name, dims.as_slice(), if is_matrix(dims) { DType::Q8_0 } else { DType::F32 });
    }
    let mut bytes = Vec::new();
    let data = |n: usize| {
        let tensor = &plain.tensors()[n];
        let values: Vec<f32> = tensor.data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Ok(if is_matrix(&tensor.dims) {
            let mut out = vec![0; tensor.dims.rows().unwrap() as usize * tensor.dims.width() as usize / 32 * 34];
            bizra_kernels::quant::quantize(bizra_kernels::Format::Q8_0, &values, &mut out).unwrap();
            out
        } else {
            tensor.data.to_vec()
        })
    };
    file.write(&mut bytes, data).unwrap();
    bytes
}

#[test]
fn a_nan_among_the_weights_is_found_where_it_strikes() {
    let broken = |name: &str, value: f64| {
        let mut tensors = LLAMA.tensors();
        tensors.0.get_mut(name).unwrap().values[7] = value;
        let file = LLAMA.gguf(&tensors);
        let mut engine = Engine::load(&file, &options()).unwrap();
        let limits = Limits { tokens: Some(4), ..Limits::default() };
        let mut session = engine.session().unwrap();
        let result = engine.generate_in(
            &mut session,
            &TOKENS,
            &Sampling::default(),
            &limits,
            &mut |_| Control::Continue,
            &|| Duration::ZERO,
        );
        assert!(session.tokens().is_empty() && session.kv.is_empty());
        result.unwrap_err()
    };
    let layer = |number| InferError::NotFinite { place: Place::Layer { number, of: 2 }, position: 0 };
    assert_eq!(broken("blk.0.attn_v.weight", f64::NAN), layer(0));
    assert_eq!(broken("blk.0.ffn_down.weight", f64::INFINITY), layer(0));
    // Only the last position goes on after the last layer's attention.
    let last = InferError::NotFinite { place: Place::Layer { number: 1, of: 2 }, position: TOKENS.len() - 1 };
    assert_eq!(broken("blk.1.ffn_norm.weight", f64::NAN), last);
    let logits = InferError::NotFinite { place: Place::Logits, position: TOKENS.len() - 1 };
    assert_eq!(broken("output.weight", f64::NAN), logits);
    insta::assert_snapshot!(logits, @"the model computed NaN or infinity in the logits at position 20; its weights are damaged, or need a wider cache type");
}

#[test]
fn prompts_and_options_that_do_not_fit_are_refused() {
    let file = LLAMA.gguf(&LLAMA.tensors());
    let load = |context| Engine::load(&file, &Options { context, ..options() });
    assert_eq!(load(Some(0)).err(), Some(InferError::ContextOption { asked: 0, trained: 300 }));
    assert_eq!(load(Some(301)).err(), Some(InferError::ContextOption { asked: 301, trained: 300 }));
    let mut engine = load(Some(20)).unwrap();
    let ask = |engine: &mut Engine, prompt: &[u32]| {
        let limits = Limits { ignore_end: true, ..Limits::default() };
        engine.generate(prompt, &Sampling::default(), &limits, &mut |_| Control::Continue, &|| Duration::ZERO)
    };
    let error = ask(&mut engine, &TOKENS).unwrap_err();
    insta::assert_snapshot!(error, @"21 tokens do not fit into the context of 20; shorten the prompt or raise the context");
    assert_eq!(ask(&mut engine, &[]).unwrap_err(), InferError::EmptyPrompt);
    assert_eq!(ask(&mut engine, &[1, 266]).unwrap_err(), InferError::TokenId { id: 266, vocab: 266 });
    let full = ask(&mut engine, &TOKENS[..20]).unwrap();
    assert_eq!((full.token_ids.len(), full.finish), (1, Finish::Length));
    let most = ask(&mut engine, &TOKENS[..15]).unwrap();
    assert_eq!((most.token_ids.len(), most.finish), (6, Finish::Length));
}

#[test]
fn tensors_that_are_missing_surplus_or_of_another_size_are_refused() {
    let load = |tiny: &Tiny, change: &dyn Fn(&mut Tensors)| {
        let mut tensors = tiny.tensors();
        change(&mut tensors);
        Engine::load(&tiny.gguf(&tensors), &options()).err().map(|e| e.to_string()).unwrap_or_default()
    };
    insta::assert_snapshot!(load(&LLAMA, &|t| drop(t.0.remove("blk.1.ffn_up.weight"))), @"tensor `blk.1.ffn_up.weight` is missing from the model");
    insta::assert_snapshot!(load(&LLAMA, &|t| {
        let matrix = t.0.get_mut("blk.0.attn_q.weight").unwrap();
        matrix.rows = 18;
        matrix.values.truncate(18 * matrix.cols);
    }), @"tensor `blk.0.attn_q.weight` has sizes [36, 18] where the configuration asks for [36, 36]");
    let extra = Tiny { extra: vec![("blk.0.attn_q_norm.bias", 6, 0.0, 1.0)], ..LLAMA };
    insta::assert_snapshot!(load(&extra, &|_| ()), @"tensor `blk.0.attn_q_norm.bias` has no place in a llama model as bizra knows it; without it the answers would be wrong");
    let factors = Tiny { extra: vec![("rope_freqs.weight", 3, -1.0, -0.5)], ..LLAMA };
    let factors = load(&factors, &|t| t.0.get_mut("rope_freqs.weight").unwrap().values[0] = -0.75);
    insta::assert_snapshot!(factors, @"rope_freqs.weight: number 0 is -0.75; it must be finite and above 0");
}

#[test]
fn memory_is_known_before_loading() {
    let file = LLAMA.gguf(&LLAMA.tensors());
    let config = ModelConfig::from_gguf(&Gguf::parse(&file).unwrap()).unwrap();
    let needs = needs(&config, file.len() as u64, &Options { context: Some(32), chunk: Some(4), ..options() }).unwrap();
    // 2 layers × 2 heads × 32 positions × (6 for keys + 16, padded, for values) × 4 bytes.
    assert_eq!(needs.cache, 2 * 2 * 32 * (6 + 16) * 4);
    let mut engine = Engine::load(&file, &options()).unwrap();
    let mut session = engine.session().unwrap();
    engine.pass(&mut [(&mut session, &TOKENS[..4], Wanted::Last)]).unwrap();
    let taken = engine.work.taken() as u64;
    assert!(needs.activations >= taken && needs.activations <= taken * 2, "{} {taken}", needs.activations);
    assert_eq!(needs.total(), file.len() as u64 + needs.cache + needs.activations);
    let huge = ModelConfig { context: 1 << 28, layers: 1 << 12, kv_heads: 1 << 12, key_dim: 1 << 14, ..config };
    assert_eq!(Needs::new(&huge, 1, Cell::F32, 1 << 28, 1).total(), u64::MAX);
}

#[test]
fn the_files_of_a_folder_name_their_ends() {
    let ends = |text: &str| end_tokens(text.as_bytes()).map_err(|e| e.to_string());
    assert_eq!(ends(r#"{"eos_token_id": 7}"#), Ok(vec![7]));
    assert_eq!(ends(r#"{"eos_token_id": [7, 9]}"#), Ok(vec![7, 9]));
    assert_eq!(ends(r#"{"eos_token_id": null}"#), Ok(vec![]));
    assert_eq!(ends("{}"), Ok(vec![]));
    insta::assert_snapshot!(ends(r#"{"eos_token_id": "</s>"}"#).unwrap_err(), @"model configuration: `eos_token_id` must be a token id or a list of them");
    insta::assert_snapshot!(ends("[").unwrap_err().split(':').next().unwrap(), @"config.json, byte 0");
}

#[test]
fn a_session_put_away_and_taken_up_again_says_the_same() {
    let file = LLAMA.gguf(&LLAMA.tensors());
    for cell in [Cell::F32, Cell::F16, Cell::Q8] {
        let mut engine = Engine::load(&file, &Options { cell, ..options() }).unwrap();
        let mut session = engine.session().unwrap();
        engine.pass(&mut [(&mut session, &TOKENS[..17], Wanted::None)]).unwrap();
        let layers: Vec<Vec<u8>> = session.layers().map(|layer| layer.flatten().copied().collect()).collect();
        assert_eq!(layers[0].len(), engine.layer_bytes(17).unwrap());
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        let mut other = Engine::load(&file, &Options { cell, context: Some(40), ..options() }).unwrap();
        let mut again = other.session_of(&TOKENS[..17], &layers).unwrap();
        assert_eq!(again.tokens(), &TOKENS[..17]);
        let expected = engine.pass(&mut [(&mut session, &TOKENS[17..], Wanted::All)]).unwrap();
        let found = other.pass(&mut [(&mut again, &TOKENS[17..], Wanted::All)]).unwrap();
        assert_eq!(bits(&found), bits(&expected), "{cell:?}");
        let small = Engine::load(&file, &Options { cell, context: Some(9), ..options() }).unwrap();
        assert_eq!(small.session_of(&TOKENS[..17], &layers).unwrap().tokens(), &TOKENS[..9]);
        assert!(small.session_of(&TOKENS[..16], &layers).is_err(), "the bytes are of other tokens");
        assert!(small.session_of(&TOKENS[..17], &layers[1..]).is_err(), "a layer is missing");
        assert_eq!(engine.arrangement(), small.arrangement());
        let exact = Engine::load(&file, &options()).unwrap();
        assert_eq!(exact.arrangement() == small.arrangement(), cell == Cell::F32);
    }
}
