//! Model files: mapped, and told apart by their bytes. Where they lie is [`find`]'s question.

use std::fs::File;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

use bizra_kernels::os::{self, Mapped};
use sha2::{Digest as _, Sha256};

use super::{embedded, files};
use crate::error::{Error, Place, Result};
use crate::infer::config::ModelConfig;
use crate::infer::gguf::Gguf;
use crate::infer::hf::{self, Shard};
use crate::infer::template;
use crate::infer::tokenizer::Tokenizer;
use crate::infer::weights::Weights;
use crate::receipts::{Hash, hex};

mod digests;
mod find;

use digests::Remembered;
pub(super) use digests::Seen;
pub use digests::{remember, remembered};
pub use find::{Wanted, at_path, cached, candidates};

/// The most that a model's card may have, to be looked into.
const LONGEST_CARD: usize = 4 << 20;

/// The most that a text file beside the weights may have.
const LONGEST_TEXT: usize = 256 << 20;

/// A model on disk, its weights mapped.
pub struct Opened {
    /// The file, or the folder.
    pub path: PathBuf,
    /// The last part of the path: what receipts call it.
    pub name: String,
    weights: Vec<MappedFile>,
    kind: Kind,
}

struct MappedFile {
    name: String,
    path: PathBuf,
    bytes: Bytes,
    seen: Seen,
}

/// Where a file's bytes are.
enum Bytes {
    Mapped(Mapped),
    /// In the program itself: no file to change or to be read again.
    Held(&'static [u8]),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Held(bytes) => bytes,
        }
    }
}

impl Bytes {
    fn release(&self, range: Range<usize>) {
        if let Bytes::Mapped(map) = self {
            map.release(range);
        }
    }
}

enum Kind {
    Gguf,
    Folder(Box<Folder>),
}

/// The text files of a Hugging Face folder.
struct Folder {
    config: Vec<u8>,
    index: Option<Vec<u8>>,
    tokenizer: Vec<u8>,
    tokenizer_config: Option<Vec<u8>>,
    generation_config: Option<Vec<u8>>,
    chat_template: Option<Vec<u8>>,
}

/// What of a model an engine is built from.
pub struct Parts<'a> {
    pub config: ModelConfig,
    pub weights: Weights<'a>,
    pub tokenizer: Tokenizer,
    /// The chat template's source, where the model brings one.
    pub template: Option<String>,
}

/// A model by its own words.
pub struct Sketch {
    pub arch: Option<String>,
    pub title: Option<String>,
    pub licence: Option<String>,
}

impl Opened {
    /// A path, or [`embedded::NAME`] alone.
    pub fn open(path: &Path) -> Result<Self> {
        if path.as_os_str() == embedded::NAME {
            return Self::open_embedded();
        }
        let metadata = std::fs::metadata(path).map_err(|e| Error::reading(path, &e))?;
        let whole = path.canonicalize().ok();
        // A cache's blob has its hash for a name; the link that leads to it has the file's.
        let is_blob = |whole: &Path| whole.parent().is_some_and(|folder| folder.ends_with("blobs"));
        let named = whole.as_deref().filter(|whole| !is_blob(whole)).unwrap_or(path).file_name();
        let name = named.map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        if metadata.is_dir() {
            return Self::open_folder(path, name);
        }
        let file = MappedFile::open(path, &name)?;
        Ok(Opened { path: path.to_owned(), name, weights: vec![file], kind: Kind::Gguf })
    }

    fn open_embedded() -> Result<Self> {
        let bytes = embedded::bytes().ok_or_else(|| {
            Error::cannot("this bizra was built without a model inside")
                .hint("name one: -m FILE.gguf; or build with --features embedded-model")
        })?;
        let seen = Seen::always(bytes.len() as u64);
        let (path, name) = (PathBuf::from(embedded::NAME), embedded::NAME.to_owned());
        let file = MappedFile { name: name.clone(), path: path.clone(), bytes: Bytes::Held(bytes), seen };
        Ok(Opened { path, name, weights: vec![file], kind: Kind::Gguf })
    }

    /// Whether it is the model inside the binary.
    pub fn is_embedded(&self) -> bool {
        self.weights.iter().any(|file| matches!(file.bytes, Bytes::Held(_)))
    }

    fn open_folder(path: &Path, name: String) -> Result<Self> {
        let text = |file: &str| -> Result<Option<Vec<u8>>> {
            let path = path.join(file);
            if path.exists() { files::read_at_most(&path, LONGEST_TEXT).map(Some) } else { Ok(None) }
        };
        let needed = |file: &str, found: Option<Vec<u8>>| {
            found.ok_or_else(|| {
                Error::invalid(format!("{} is no model folder: it has no {file}", path.display()))
                    .hint("name a .gguf file, or a folder with config.json, tokenizer.json and model.safetensors")
            })
        };
        let config = needed("config.json", text("config.json")?)?;
        let tokenizer = needed("tokenizer.json", text("tokenizer.json")?)?;
        let index = text("model.safetensors.index.json")?;
        let names = match &index {
            Some(index) => hf::shard_names(index).map_err(|e| Error::invalid(e.to_string()).at(Place::file(path)))?,
            None => vec!["model.safetensors".to_owned()],
        };
        let mut weights = Vec::new();
        for name in names {
            weights.push(MappedFile::open(&path.join(&name), &name)?);
        }
        let folder = Folder {
            config,
            index,
            tokenizer,
            tokenizer_config: text("tokenizer_config.json")?,
            generation_config: text("generation_config.json")?,
            chat_template: text("chat_template.jinja")?,
        };
        Ok(Opened { path: path.to_owned(), name, weights, kind: Kind::Folder(Box::new(folder)) })
    }

    /// Bytes of the weights' files.
    pub fn bytes(&self) -> u64 {
        self.weights.iter().map(|file| file.seen.bytes).sum()
    }

    pub fn format(&self) -> &'static str {
        match self.kind {
            Kind::Gguf => "gguf",
            Kind::Folder(_) => "safetensors",
        }
    }

    /// Gives back the pages of a single file's range, which is not read again.
    pub fn release(&self, range: Range<u64>) {
        if let [file] = self.weights.as_slice()
            && let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end))
        {
            file.bytes.release(start..end);
        }
    }

    /// Asks the system to forget the weights' pages, here and in its cache, so that they are read from disk again.
    pub fn forget_pages(&self) -> std::io::Result<()> {
        for file in &self.weights {
            if let Bytes::Held(_) = file.bytes {
                return Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "the model is part of the program"));
            }
            file.bytes.release(0..usize::MAX);
            os::forget_pages(&File::open(&file.path)?)?;
        }
        Ok(())
    }

    pub fn parts(&self) -> Result<Parts<'_>> {
        match &self.kind {
            Kind::Gguf => self.gguf_parts(),
            Kind::Folder(folder) => self.folder_parts(folder),
        }
    }

    /// What the model says of itself, as far as it can be read without building it.
    pub fn sketch(&self) -> Result<Sketch> {
        match &self.kind {
            Kind::Gguf => {
                let file = Gguf::parse(&self.weights[0].bytes).map_err(|e| self.refuse(&e))?;
                let text = |key: &str| file.get(key).and_then(|value| value.as_str()).map(str::to_owned);
                let licence = text("general.license").or_else(|| self.card().and_then(|card| licence(&card)));
                Ok(Sketch { arch: text("general.architecture"), title: text("general.name"), licence })
            }
            Kind::Folder(folder) => {
                let config: serde_json::Value = serde_json::from_slice(&folder.config).unwrap_or_default();
                let arch = config["model_type"].as_str().map(str::to_owned);
                let title = config["_name_or_path"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
                Ok(Sketch { arch, title, licence: self.card().and_then(|card| licence(&card)) })
            }
        }
    }

    /// The model's card: in its folder, or beside its file.
    fn card(&self) -> Option<String> {
        let folder = if self.path.is_dir() { &self.path } else { self.path.parent()? };
        let bytes = files::read_at_most(&folder.join("README.md"), LONGEST_CARD).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn refuse(&self, reason: &dyn std::fmt::Display) -> Error {
        Error::invalid(reason.to_string()).at(Place::file(&self.path))
    }

    fn gguf_parts(&self) -> Result<Parts<'_>> {
        let file = Gguf::parse(&self.weights[0].bytes).map_err(|e| self.refuse(&e))?;
        let config = ModelConfig::from_gguf(&file).map_err(|e| self.refuse(&e))?;
        let tokenizer = Tokenizer::from_gguf(&file).map_err(|e| self.refuse(&e))?;
        let weights = Weights::new(file.tensors().iter().cloned())
            .map_err(|twice| self.refuse(&format!("tensor `{}` is there twice", twice.name)))?;
        let template = match template::source(&file, None) {
            Ok(source) => Some(source.to_owned()),
            Err(template::TemplateError::Missing) => None,
            Err(e) => return Err(self.refuse(&e)),
        };
        Ok(Parts { config, weights, tokenizer, template })
    }

    fn folder_parts(&self, folder: &Folder) -> Result<Parts<'_>> {
        let shards: Vec<Shard<'_>> =
            self.weights.iter().map(|file| Shard { name: &file.name, bytes: &file.bytes }).collect();
        let (config, weights) =
            hf::open(&folder.config, folder.index.as_deref(), &shards).map_err(|e| self.refuse(&e))?;
        let mut tokenizer =
            Tokenizer::from_json(&folder.tokenizer, folder.tokenizer_config.as_deref()).map_err(|e| self.refuse(&e))?;
        for text in [Some(&folder.config), folder.generation_config.as_ref()].into_iter().flatten() {
            tokenizer.add_ends(ends(text));
        }
        Ok(Parts { config, weights, tokenizer, template: folder.template() })
    }

    /// Whether the files are still those that were mapped. An answer from a model that changed meanwhile is void.
    pub fn unchanged(&self) -> bool {
        self.weights
            .iter()
            .filter(|file| matches!(file.bytes, Bytes::Mapped(_)))
            .all(|file| std::fs::metadata(&file.path).is_ok_and(|metadata| Seen::of(&metadata) == file.seen))
    }

    /// The SHA-256 of a single file that was hashed before and has not changed since; nothing is hashed for it.
    pub fn known_digest(&self, memory: &Path) -> Option<Hash> {
        let (Kind::Gguf, [file]) = (&self.kind, self.weights.as_slice()) else { return None };
        if let Bytes::Held(bytes) = file.bytes {
            return Some(Sha256::digest(bytes).into());
        }
        Remembered::read(memory).known(file)
    }

    /// SHA-256 of the file; of a folder, of the lines `SHA256  NAME` of its files, sorted by name.
    ///
    /// What was hashed before is remembered in `memory` for as long as size, time and inode stay.
    pub fn digest(&self, memory: Option<&Path>) -> Hash {
        let digests = self.file_digests(memory);
        if let (Kind::Gguf, [(_, digest)]) = (&self.kind, digests.as_slice()) {
            return *digest;
        }
        let lines: String = digests.iter().map(|(name, hash)| format!("{}  {name}\n", hex::encode(hash))).collect();
        Sha256::digest(lines).into()
    }

    /// Each file with its SHA-256, sorted by name; remembered as in [`Opened::digest`].
    pub fn file_digests(&self, memory: Option<&Path>) -> Vec<(String, Hash)> {
        let mut known = memory.map(Remembered::read).unwrap_or_default();
        let mut digests: Vec<(String, Hash)> =
            self.weights.iter().map(|file| (file.name.clone(), known.digest(file))).collect();
        if let Some(memory) = memory {
            known.write(memory);
        }
        if let Kind::Folder(folder) = &self.kind {
            let texts = [
                ("config.json", Some(&folder.config)),
                ("model.safetensors.index.json", folder.index.as_ref()),
                ("tokenizer.json", Some(&folder.tokenizer)),
                ("tokenizer_config.json", folder.tokenizer_config.as_ref()),
                ("generation_config.json", folder.generation_config.as_ref()),
                ("chat_template.jinja", folder.chat_template.as_ref()),
            ];
            let there = texts.into_iter().filter_map(|(name, bytes)| Some((name.to_owned(), bytes?)));
            digests.extend(there.map(|(name, bytes)| (name, Sha256::digest(bytes).into())));
        }
        digests.sort();
        digests
    }
}

impl MappedFile {
    fn open(path: &Path, name: &str) -> Result<Self> {
        let no_file = || Error::invalid("this is no plain file").at(Place::file(path));
        // Opening a pipe would wait for a writer.
        if !std::fs::metadata(path).map_err(|e| Error::reading(path, &e))?.is_file() {
            return Err(no_file());
        }
        let file = File::open(path).map_err(|e| Error::reading(path, &e))?;
        let metadata = file.metadata().map_err(|e| Error::reading(path, &e))?;
        let bytes = Mapped::of(&file).map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidInput => no_file(),
            _ => Error::reading(path, &e),
        })?;
        let bytes = Bytes::Mapped(bytes);
        Ok(MappedFile { name: name.to_owned(), path: path.to_owned(), bytes, seen: Seen::of(&metadata) })
    }
}

impl Folder {
    /// The template's own file, else the field of the tokenizer's configuration.
    fn template(&self) -> Option<String> {
        if let Some(bytes) = &self.chat_template {
            return String::from_utf8(bytes.clone()).ok();
        }
        let config: serde_json::Value = serde_json::from_slice(self.tokenizer_config.as_ref()?).ok()?;
        match &config["chat_template"] {
            serde_json::Value::String(source) => Some(source.clone()),
            serde_json::Value::Array(named) => named
                .iter()
                .find(|entry| entry["name"] == "default")
                .and_then(|entry| entry["template"].as_str())
                .map(str::to_owned),
            _ => None,
        }
    }
}

/// The licence that a model's card names between its first two lines of hyphens.
fn licence(card: &str) -> Option<String> {
    let head = card.strip_prefix("---")?.split("\n---").next()?;
    let value = |key: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(key))?.split(" #").next()?;
        let text = line.trim().trim_matches(['"', '\'']);
        (!text.is_empty()).then(|| text.to_owned())
    };
    // `other` stands for a name of its own.
    match value("license:") {
        Some(other) if other == "other" => value("license_name:").or(Some(other)),
        found => found,
    }
}

/// `eos_token_id` of a configuration file: one, or a list.
fn ends(config: &[u8]) -> Vec<u32> {
    let Ok(config) = serde_json::from_slice::<serde_json::Value>(config) else { return Vec::new() };
    let id = |value: &serde_json::Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match &config["eos_token_id"] {
        serde_json::Value::Array(ids) => ids.iter().filter_map(id).collect(),
        one => id(one).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_names_the_licence() {
        for (card, named) in [
            ("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\nlicense: mit\n", Some("apache-2.0")),
            ("---\nlicense: other\nlicense_name: \"llama3.2\"\n---\n", Some("llama3.2")),
            ("---\nlicense: other # ask\n---\n", Some("other")),
            ("---\nlicense:\n  - mit\n---\n", None),
            ("# A model\nlicense: mit\n", None),
            ("---", None),
        ] {
            assert_eq!(licence(card).as_deref(), named, "{card}");
        }
    }
}
