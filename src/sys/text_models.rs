//! Folders of embedding models: their text files read, their weights mapped.

use std::fs::File;
use std::path::{Path, PathBuf};

use bizra_kernels::os::Mapped;
use sha2::{Digest as _, Sha256};

use super::files;
use super::models::Seen;
use crate::embed::Files;
use crate::error::{Error, Place, Result};
use crate::receipts::{Hash, hex};

/// The most that a text file beside the weights may have.
const LONGEST_TEXT: usize = 256 << 20;
const WEIGHTS: &str = "model.safetensors";
/// In the order of [`Files`].
const TEXTS: [&str; 6] = [
    "config.json",
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
];

pub struct TextModel {
    pub path: PathBuf,
    /// The last part of the path: what receipts call it.
    pub name: String,
    texts: [Option<Vec<u8>>; 6],
    weights: Mapped,
    seen: Seen,
}

impl TextModel {
    pub fn open(path: &Path) -> Result<TextModel> {
        let metadata = std::fs::metadata(path).map_err(|e| Error::reading(path, &e))?;
        let needed = "embeddings need a folder with config.json, tokenizer.json or vocab.txt, and model.safetensors";
        if !metadata.is_dir() {
            return Err(Error::invalid("this is no folder").at(Place::file(path)).hint(needed));
        }
        let mut texts: [Option<Vec<u8>>; 6] = Default::default();
        for (name, text) in TEXTS.iter().zip(&mut texts) {
            let path = path.join(name);
            if path.exists() {
                *text = Some(files::read_at_most(&path, LONGEST_TEXT)?);
            }
        }
        let missing =
            |name: &str| Error::invalid(format!("the folder has no {name}")).at(Place::file(path)).hint(needed);
        if texts[0].is_none() {
            return Err(missing(TEXTS[0]));
        }
        let file = path.join(WEIGHTS);
        if !file.exists() {
            return Err(missing(WEIGHTS));
        }
        if !file.is_file() {
            return Err(Error::invalid("this is no plain file").at(Place::file(&file)));
        }
        let opened = File::open(&file).map_err(|e| Error::reading(&file, &e))?;
        let seen = Seen::of(&opened.metadata().map_err(|e| Error::reading(&file, &e))?);
        let weights = Mapped::of(&opened).map_err(|e| Error::reading(&file, &e))?;
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned();
        Ok(TextModel { path: path.to_owned(), name, texts, weights, seen })
    }

    pub fn files(&self) -> Files<'_> {
        let [config, tokenizer, vocabulary, tokenizer_config, sentences, pooling] =
            [0, 1, 2, 3, 4, 5].map(|at: usize| self.texts[at].as_deref());
        let (config, weights) = (config.unwrap_or_default(), &*self.weights);
        Files { config, tokenizer, vocabulary, tokenizer_config, sentences, pooling, weights }
    }

    pub fn bytes(&self) -> u64 {
        self.weights.len() as u64
    }

    /// Whether the weights are still those that were mapped. Vectors from weights that changed meanwhile are void.
    pub fn unchanged(&self) -> bool {
        std::fs::metadata(self.path.join(WEIGHTS)).is_ok_and(|metadata| Seen::of(&metadata) == self.seen)
    }

    /// SHA-256 of the lines `SHA256  NAME` of the files, sorted, as of every folder of a model.
    pub fn digest(&self) -> Hash {
        let texts = TEXTS.iter().zip(&self.texts).filter_map(|(name, text)| Some((*name, text.as_deref()?)));
        let mut lines: Vec<String> = texts
            .chain([(WEIGHTS, &*self.weights)])
            .map(|(name, bytes)| format!("{}  {name}\n", hex::encode(&Sha256::digest(bytes))))
            .collect();
        lines.sort();
        Sha256::digest(lines.concat()).into()
    }
}
