use super::*;
use crate::infer::dtype::DType;
use crate::infer::gguf::Gguf;
use crate::infer::gguf::write::{Put, Writer};

fn llama(arch: &str) -> Writer {
    let key = |key: &str| format!("{arch}.{key}");
    Writer::new()
        .key("general.architecture", Put::Str(arch))
        .key(&key("embedding_length"), Put::U32(64))
        .key(&key("block_count"), Put::U32(12))
        .key(&key("attention.head_count"), Put::U32(8))
        .key(&key("attention.head_count_kv"), Put::U32(4))
        .key(&key("feed_forward_length"), Put::U32(172))
        .key(&key("context_length"), Put::U32(512))
        .key(&key("attention.layer_norm_rms_epsilon"), Put::F32(1e-5))
        .tensor("token_embd.weight", &[64, 100], DType::F32)
}

fn read(writer: &Writer) -> Result<ModelConfig, ConfigError> {
    let mut file = Vec::new();
    writer.write(&mut file, |n| Ok(vec![0; if n == 0 { 25_600 } else { 4 }])).expect("memory");
    ModelConfig::from_gguf(&Gguf::parse(&file).expect("valid"))
}

#[test]
fn a_plain_file_needs_no_rope_keys() {
    let config = read(&llama("llama")).expect("valid");
    assert_eq!((config.vocab, config.heads, config.kv_heads, config.key_dim, config.rope.dims), (100, 8, 4, 8, 8));
    assert_eq!(
        (config.rope.base, &config.rope.scaling, config.rope.layout),
        (10_000.0, &RopeScaling::None, RopeLayout::Interleaved)
    );
    assert!(config.tied && !config.qk_norm && config.window.is_none());
    assert_eq!(config.attention_scale, 1.0 / 8f32.sqrt());
    let untied = read(&llama("llama").tensor("output.weight", &[1], DType::F32)).expect("valid");
    assert!(!untied.tied);
}

#[test]
fn scalings_are_read() {
    let with = |kind: &str| {
        llama("qwen2").key("qwen2.rope.scaling.type", Put::Str(kind)).key("qwen2.rope.scaling.factor", Put::F32(4.0))
    };
    assert_eq!(read(&with("linear")).expect("valid").rope.scaling, RopeScaling::Linear { factor: 4.0 });
    let yarn = read(&with("yarn").key("qwen2.rope.scaling.original_context_length", Put::U32(128))).expect("valid");
    assert!(matches!(yarn.rope.scaling, RopeScaling::Yarn { original_context: 128, beta_fast: 32.0, .. }));
    assert_eq!(yarn.rope.layout, RopeLayout::Half);
    assert!(matches!(read(&with("magic")), Err(ConfigError::Unsupported { .. })));
    let long = llama("phi3").key("phi3.rope.scaling.original_context_length", Put::U32(256)).tensor(
        "rope_factors_long.weight",
        &[1],
        DType::F32,
    );
    let RopeScaling::LongRope { attn_factor, .. } = read(&long).expect("valid").rope.scaling else {
        panic!("long rope")
    };
    assert!((attn_factor - (1.0f32 + 0.125).sqrt()).abs() < 1e-6, "{attn_factor}");
}

#[test]
fn gemma_slides_in_five_layers_of_six() {
    let config = read(&llama("gemma3").key("gemma3.attention.sliding_window", Put::U32(16))).expect("valid");
    let full: Vec<usize> = (0..12).filter(|&layer| config.window_of(layer).is_none()).collect();
    assert_eq!((full, config.window_of(0)), (vec![5, 11], Some(16)));
    assert_eq!((config.embedding_scale, config.activation, config.post_norms), (8.0, Activation::Gelu, true));
    assert_eq!(config.rope.window_base, Some(10_000.0));
}

#[test]
fn every_number_is_checked() {
    let replaced = |key: &str, value: Put<'_>| {
        let keys = [
            "embedding_length",
            "block_count",
            "attention.head_count",
            "attention.head_count_kv",
            "feed_forward_length",
            "context_length",
        ];
        let mut writer = Writer::new().key("general.architecture", Put::Str("llama")).tensor(
            "token_embd.weight",
            &[64, 100],
            DType::F32,
        );
        for (name, usual) in keys.iter().zip([64, 2, 8, 4, 172, 512]) {
            writer = writer.key(&format!("llama.{name}"), if *name == key { value } else { Put::U32(usual) });
        }
        let eps = if key == "eps" { value } else { Put::F32(1e-5) };
        read(&writer.key("llama.attention.layer_norm_rms_epsilon", eps))
    };
    assert!(replaced("none", Put::U32(0)).is_ok());
    for key in [
        "embedding_length",
        "block_count",
        "attention.head_count",
        "attention.head_count_kv",
        "feed_forward_length",
        "context_length",
    ] {
        assert!(matches!(replaced(key, Put::U32(0)), Err(ConfigError::Range { .. })), "{key}");
        assert!(matches!(replaced(key, Put::U32(u32::MAX)), Err(ConfigError::Range { .. })), "{key}");
        assert!(matches!(replaced(key, Put::Str("8")), Err(ConfigError::Type { .. })), "{key}");
    }
    assert!(matches!(replaced("attention.head_count_kv", Put::U32(3)), Err(ConfigError::Heads { .. })));
    assert!(replaced("attention.head_count_kv", Put::Integers(&[2, 2])).is_ok());
    assert!(matches!(replaced("attention.head_count_kv", Put::Integers(&[2, 4])), Err(ConfigError::Type { .. })));
    for eps in [0.0, -1.0, f32::NAN, 1.0] {
        assert!(matches!(replaced("eps", Put::F32(eps)), Err(ConfigError::Range { .. })), "{eps}");
    }
}

#[test]
fn unknown_architectures_and_experts_are_refused_by_name() {
    let text = read(&llama("mamba")).expect_err("unknown").to_string();
    assert!(text.contains("mamba") && text.contains("llama, qwen2, qwen3, gemma3, phi3"), "{text}");
    assert!(matches!(
        read(&llama("llama").key("llama.expert_count", Put::U32(8))),
        Err(ConfigError::Unsupported { .. })
    ));
    let hf = ModelConfig::from_hf(br#"{"model_type":"mamba"}"#, |_| false);
    assert_eq!(hf, Err(ConfigError::Arch { name: "mamba".to_owned() }));
}

fn hf(model_type: &str, more: &str) -> Result<ModelConfig, ConfigError> {
    let text = format!(
        r#"{{"model_type":"{model_type}","hidden_size":64,"num_hidden_layers":4,"num_attention_heads":8,"num_key_value_heads":4,
        "intermediate_size":172,"max_position_embeddings":512,"vocab_size":100,"rms_norm_eps":1e-5{more}}}"#
    );
    ModelConfig::from_hf(text.as_bytes(), |_| true)
}

#[test]
fn hugging_face_says_the_same_with_other_words() {
    let config = hf("llama", r#","rope_scaling":null,"hidden_act":"silu","tie_word_embeddings":false"#).expect("valid");
    assert_eq!((config.rope.layout, config.tied, config.norm_offset), (RopeLayout::Half, false, 0.0));
    let three = r#","rope_theta":500000.0,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192}"#;
    let config = hf("llama", three).expect("valid");
    assert_eq!(config.rope.base, 500_000.0);
    assert_eq!(
        config.rope.scaling,
        RopeScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context: 8192 }
    );
    let long = r#","original_max_position_embeddings":256,"rope_scaling":{"type":"longrope","short_factor":[1,1,1,1],"long_factor":[2,2,2,2]}"#;
    assert!(matches!(
        hf("phi3", long).expect("valid").rope.scaling,
        RopeScaling::LongRope { original_context: 256, .. }
    ));
    assert!(matches!(hf("phi3", &long.replace("[2,2,2,2]", "[2]")), Err(ConfigError::Range { .. })));
    assert!(matches!(hf("llama", r#","hidden_act":"relu""#), Err(ConfigError::Unsupported { .. })));
    assert!(matches!(hf("llama", r#","head_dim":7"#), Err(ConfigError::Range { .. })));
    assert!(matches!(hf("llama", r#","vocab_size":1"#), Err(ConfigError::Json { .. })));
}

#[test]
fn scalings_out_of_range_are_refused() {
    let three = |factor: &str, low: &str, high: &str| {
        hf(
            "llama",
            &format!(
                r#","rope_scaling":{{"rope_type":"llama3","factor":{factor},"low_freq_factor":{low},"high_freq_factor":{high},"original_max_position_embeddings":64}}"#
            ),
        )
    };
    assert!(three("8", "1", "4").is_ok());
    for (factor, low, high) in
        [("0.5", "1", "4"), ("8", "0", "4"), ("8", "4", "4"), ("8", "4", "1"), ("1e60", "1", "4")]
    {
        assert!(matches!(three(factor, low, high), Err(ConfigError::Range { .. })), "{factor} {low} {high}");
    }
    assert!(matches!(hf("llama", r#","rope_scaling":{"type":"linear","factor":0}"#), Err(ConfigError::Range { .. })));
    assert!(matches!(
        hf("llama", r#","rope_scaling":{"type":"yarn","factor":4,"beta_fast":1,"beta_slow":2}"#),
        Err(ConfigError::Range { .. })
    ));
    assert!(matches!(hf("llama", r#","rope_theta":1.0"#), Err(ConfigError::Range { .. })));
}

#[test]
fn hugging_face_windows() {
    assert_eq!(hf("mistral", r#","sliding_window":128"#).expect("valid").window_of(3), Some(128));
    assert_eq!(hf("qwen2", r#","sliding_window":128"#).expect("valid").window, None);
    let qwen = hf("qwen2", r#","sliding_window":128,"use_sliding_window":true,"max_window_layers":2"#).expect("valid");
    assert_eq!((qwen.window_of(1), qwen.window_of(2)), (None, Some(128)));
    let types = r#","sliding_window":128,"layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"]"#;
    let config = hf("gemma3_text", types).expect("valid");
    assert_eq!((config.window_of(0), config.window_of(1), config.norm_offset), (Some(128), None, 1.0));
}
