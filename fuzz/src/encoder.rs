//! The files of a folder that claims to hold an encoder: all are refused in the end, for there are no weights.

use bizra::embed::{Files, Model};

const CONFIG: &[u8] = br#"{"vocab_size":16,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,
"intermediate_size":8,"max_position_embeddings":12,"hidden_act":"gelu","type_vocab_size":2,"model_type":"bert"}"#;
const WORDS: &[u8] = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n";

pub fn look(bytes: &[u8]) {
    let whole = Files { config: CONFIG, vocabulary: Some(WORDS), weights: b"", ..Files::default() };
    let damaged = [
        Files { config: bytes, ..whole },
        Files { tokenizer: Some(bytes), vocabulary: None, ..whole },
        Files { vocabulary: Some(bytes), ..whole },
        Files { tokenizer_config: Some(bytes), ..whole },
        Files { sentences: Some(bytes), pooling: Some(bytes), ..whole },
        Files { weights: bytes, ..whole },
    ];
    for files in damaged {
        if let Err(error) = Model::read(&files) {
            assert_ne!(error.to_string(), "");
        }
    }
}
