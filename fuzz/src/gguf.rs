//! A GGUF file is read or refused; what is read lies inside the file, and so do configuration and tokenizer that
//! follow from it.

use bizra::infer::config::ModelConfig;
use bizra::infer::gguf::Gguf;
use bizra::infer::tokenizer::Tokenizer;

pub fn look(file: &[u8]) {
    let gguf = match Gguf::parse(file) {
        Ok(gguf) => gguf,
        Err(error) => return assert_ne!(error.to_string(), ""),
    };
    for tensor in gguf.tensors() {
        let end = tensor.offset as usize + tensor.data.len();
        assert!(end <= file.len());
    }
    if let Err(error) = ModelConfig::from_gguf(&gguf) {
        assert_ne!(error.to_string(), "");
    }
    if let Err(error) = Tokenizer::from_gguf(&gguf) {
        assert_ne!(error.to_string(), "");
    }
}
