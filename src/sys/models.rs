//! Model files: found by path or in the Hugging Face cache, mapped, and told apart by their bytes.

use std::fs::{File, Metadata};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bizra_kernels::os::{self, Mapped};
use sha2::{Digest as _, Sha256};

use super::files::{self, Access};
use super::hub::Cache;
use super::{embedded, folders};
use crate::env::Env;
use crate::error::{Error, Place, Result};
use crate::infer::config::ModelConfig;
use crate::infer::gguf::Gguf;
use crate::infer::hf::{self, Shard};
use crate::infer::template;
use crate::infer::tokenizer::Tokenizer;
use crate::infer::weights::Weights;
use crate::model::{self, ChooseFault, Chosen, Name};
use crate::receipts::{Hash, hex};

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

/// A file as it was when it was looked at: another size, time or inode means that it is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    bytes: u64,
    changed: Option<SystemTime>,
    inode: u64,
}

impl Seen {
    pub(super) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Seen { bytes: metadata.len(), changed: metadata.modified().ok(), inode }
    }

    /// Three numbers; none for a file whose time of change can't be told.
    pub(super) fn text(&self) -> Option<String> {
        let since = self.changed?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(format!("{} {} {}", self.bytes, since.as_nanos(), self.inode))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let bytes = words.next()?.parse().ok()?;
        let nanoseconds: u64 = words.next()?.parse().ok()?;
        let changed = SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_nanos(nanoseconds));
        Some(Seen { bytes, changed, inode: words.next()?.parse().ok()? })
    }
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
        let seen = Seen { bytes: bytes.len() as u64, changed: None, inode: 0 };
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

/// Digests of large files, by path, with what the file looked like.
#[derive(Default)]
struct Remembered(Vec<(String, Seen, Hash)>);

const MOST_REMEMBERED: usize = 256;

impl Remembered {
    /// A memory that can't be read is an empty one.
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Remembered(text.lines().filter_map(Self::line).collect())
    }

    fn line(line: &str) -> Option<(String, Seen, Hash)> {
        let (hash, rest) = line.split_once(' ')?;
        // Size, time and inode, then a path that may have blanks.
        let (end, _) = rest.match_indices(' ').nth(2)?;
        Some((rest[end + 1..].to_owned(), Seen::parse(&rest[..end])?, hex::decode(hash)?))
    }

    fn name(path: &Path) -> String {
        path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
    }

    fn get(&self, path: &str, now: &Seen) -> Option<Hash> {
        self.0.iter().find(|(other, seen, _)| other == path && seen == now).map(|(_, _, hash)| *hash)
    }

    fn put(&mut self, path: String, now: Seen, hash: Hash) {
        self.0.retain(|(other, _, _)| *other != path);
        self.0.push((path, now, hash));
        let surplus = self.0.len().saturating_sub(MOST_REMEMBERED);
        self.0.drain(..surplus);
    }

    fn known(&self, file: &MappedFile) -> Option<Hash> {
        match file.bytes {
            Bytes::Held(_) => None,
            Bytes::Mapped(_) => self.get(&Self::name(&file.path), &file.seen),
        }
    }

    fn digest(&mut self, file: &MappedFile) -> Hash {
        if let Some(hash) = self.known(file) {
            return hash;
        }
        let hash: Hash = Sha256::digest(&*file.bytes).into();
        if let Bytes::Mapped(_) = file.bytes {
            self.put(Self::name(&file.path), file.seen, hash);
        }
        hash
    }

    /// Forgetting costs a hash the next time, nothing else.
    fn write(&self, path: &Path) {
        let mut text = String::new();
        for (path, seen, hash) in &self.0 {
            if let Some(seen) = seen.text()
                && !path.contains('\n')
            {
                text += &format!("{} {seen} {path}\n", hex::encode(hash));
            }
        }
        if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
            return;
        }
        if let Some(folder) = path.parent() {
            let _ = files::private_folder(folder).and_then(|()| files::replace(path, text.as_bytes(), Access::Owner));
        }
    }
}

/// What lies at that path, where anything does; [`embedded::NAME`] alone is the model inside the binary.
pub fn at_path(env: &Env, name: &str) -> Option<PathBuf> {
    if name == embedded::NAME {
        return Some(name.into());
    }
    let path = env.cwd.join(name);
    // Where it can't be told, opening it says why.
    path.try_exists().unwrap_or(true).then_some(path)
}

/// The file or folder in the Hugging Face cache that a name means at a revision.
pub fn cached(env: &Env, name: &Name<'_>, revision: Option<&str>) -> Result<PathBuf> {
    let cache = Cache::of(&env.vars)?;
    let commit = cache.commit(name.repo, revision)?;
    let files = cache.files(name.repo, &commit)?;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let chosen = model::choose(name.repo, name.quant, &paths);
    let pull = |error: Error| error.hint(format!("bizra model pull {name}"));
    match chosen {
        Ok(Chosen::Folder(_)) => Ok(cache.snapshot(name.repo, &commit)),
        Ok(Chosen::Gguf(path)) => {
            let found = files.into_iter().find(|file| file.path == path && file.size.is_some());
            let gone = || {
                pull(
                    Error::invalid("this link of the cache leads nowhere")
                        .at(Place::file(cache.snapshot(name.repo, &commit).join(&path))),
                )
            };
            found.map(|file| file.at).ok_or_else(gone)
        }
        // Other files of the repository may be what is missing here.
        Err(fault @ (ChooseFault::NoQuant { .. } | ChooseFault::NoWeights { .. } | ChooseFault::NoText { .. })) => {
            let here = Error::from(fault).because(format!(
                "only what was pulled is looked at: {}",
                cache.snapshot(name.repo, &commit).display()
            ));
            Err(pull(here))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Remembers what hashing a file gave, so that nothing has to hash it again before it changes.
pub fn remember(memory: &Path, path: &Path, hash: Hash) {
    if let Ok(metadata) = std::fs::metadata(path) {
        let mut known = Remembered::read(memory);
        known.put(Remembered::name(path), Seen::of(&metadata), hash);
        known.write(memory);
    }
}

/// The SHA-256 of a file as it was remembered, where it has not changed since.
pub fn remembered(memory: &Path, path: &Path) -> Option<Hash> {
    let metadata = std::fs::metadata(path).ok()?;
    Remembered::read(memory).get(&Remembered::name(path), &Seen::of(&metadata))
}

/// Files and folders that may be the model with that name and size: those that were hashed before, those in the
/// folder where the user stands, and those in the Hugging Face cache. Nothing is opened to find them.
pub fn candidates(env: &Env, memory: Option<&Path>, model: &Wanted<'_>) -> Vec<PathBuf> {
    let remembered = memory.map(Remembered::read).unwrap_or_default();
    let mut found = Vec::new();
    for (path, _, hash) in &remembered.0 {
        let path = PathBuf::from(path);
        // A folder's hash is none of its files': its files were remembered, and the folder is asked.
        found.extend(path.parent().filter(|folder| folder.join("config.json").exists()).map(Path::to_owned));
        if *hash == model.sha256 {
            found.push(path);
        }
    }
    found.push(env.cwd.join(model.name));
    if let Some(cache) = folders::model_cache(&env.vars) {
        let entries = |folder: &Path| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(folder).map(|all| all.flatten().map(|e| e.path()).collect());
            let mut entries: Vec<PathBuf> = entries.unwrap_or_default();
            entries.sort();
            entries
        };
        for repo in entries(&cache) {
            // Large files are named after their SHA-256 there.
            found.push(repo.join("blobs").join(hex::encode(&model.sha256)));
            for snapshot in entries(&repo.join("snapshots")) {
                found.extend(entries(&snapshot).into_iter().filter(|path| path.ends_with(model.name)));
                found.push(snapshot);
            }
        }
    }
    let has_size = |path: &PathBuf| match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => path.join("config.json").exists(),
        Ok(metadata) => metadata.len() == model.bytes,
        Err(_) => false,
    };
    found.retain(has_size);
    found.dedup();
    if embedded::bytes().is_some_and(|bytes| bytes.len() as u64 == model.bytes) {
        found.push(embedded::NAME.into());
    }
    found
}

/// A model as a receipt tells of it.
pub struct Wanted<'a> {
    pub name: &'a str,
    pub sha256: Hash,
    pub bytes: u64,
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

    #[test]
    fn digests_are_remembered_until_the_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, memory) = (folder.path().join("m 1.gguf"), folder.path().join("data/digests"));
        std::fs::write(&path, b"one").expect("written");
        let digest = || Opened::open(&path).expect("opened").digest(Some(&memory));
        let one: Hash = Sha256::digest(b"one").into();
        assert_eq!(digest(), one);
        let text = std::fs::read_to_string(&memory).expect("remembered");
        std::fs::write(&memory, text.replace(&hex::encode(&one), &hex::encode(&[7; 32]))).expect("written");
        assert_eq!(digest(), [7; 32], "it is read from memory");
        std::fs::write(&path, b"two!").expect("changed");
        assert_eq!(digest(), <Hash>::from(Sha256::digest(b"two!")));
    }
}
