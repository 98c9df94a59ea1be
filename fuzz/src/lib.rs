//! What each fuzz target looks at: everything that reads bytes of strangers.
//!
//! `targets/` gives these functions to libFuzzer, and `tests/corpus.rs` gives them the inputs that were kept, in every
//! `cargo test`. Each takes any bytes, and panics where a promise is broken.

pub mod bundle;
pub mod checkpoint;
pub mod claim;
pub mod document;
pub mod encoder;
pub mod envelope;
pub mod frontier;
pub mod gguf;
pub mod grammar;
pub mod kept;
pub mod key;
pub mod listing;
pub mod manifest;
pub mod pin;
pub mod plan;
pub mod policy;
pub mod report;
pub mod safetensors;
pub mod statement;
pub mod template;
pub mod tokenizer;
pub mod wal;

pub type Look = fn(&[u8]);

pub const TARGETS: &[(&str, Look)] = &[
    ("bundle", bundle::look),
    ("checkpoint", checkpoint::look),
    ("claim", claim::look),
    ("document", document::look),
    ("encoder", encoder::look),
    ("envelope", envelope::look),
    ("frontier", frontier::look),
    ("gguf", gguf::look),
    ("grammar", grammar::look),
    ("key", key::look),
    ("listing", listing::look),
    ("manifest", manifest::look),
    ("pin", pin::look),
    ("plan", plan::look),
    ("policy", policy::look),
    ("report", report::look),
    ("safetensors", safetensors::look),
    ("statement", statement::look),
    ("template", template::look),
    ("tokenizer", tokenizer::look),
    ("wal", wal::look),
];
