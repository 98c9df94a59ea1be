//! Sessions on disk: the keys and values of a prompt, so that what was read once is not read again.
//!
//! A file holds what it was computed by, its tokens, each layer's bytes and their SHA-256, and at its end an HMAC over all
//! but the layers, under a key that lies with the user. So a file that was cut, changed or brought from elsewhere is
//! refused: nobody could see in an answer that its prompt's beginning was made up. All of it is checked each time.
//!
//! A run reads a whole file and puts a whole one in its place. Of two runs at once the last one's stays; both are what
//! they claim to be.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bizra_kernels::os::Mapped;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::files::{self, Access};
use crate::error::{Error, Place, Result};
use crate::receipts::Hash;

const MAGIC: &[u8; 16] = b"bizra session 1\n";
const ENDING: &str = "session";
const LONGEST_HEADER: usize = 1 << 16;
const MOST_LAYERS: usize = 1 << 12;

/// What keys and values depend on beside their tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The model's name, for people.
    pub name: String,
    /// SHA-256 of the model, in hexadecimal.
    pub model: String,
    /// How keys and values are kept: `f16`, `q8` or `f32`.
    pub kv: String,
    /// Their form, and how positions turn.
    pub arrangement: String,
    /// Version and commit of the program.
    pub build: String,
    /// The machine's fingerprint.
    pub host: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    origin: Origin,
    tokens: usize,
    layers: usize,
    layer_bytes: usize,
}

/// The folder of sessions and the key that vouches for them.
pub struct Sessions {
    folder: PathBuf,
    key: PathBuf,
}

/// A session's file, checked.
pub struct Kept {
    file: Mapped,
    pub origin: Origin,
    pub tokens: Vec<u32>,
    layers: Vec<Range<usize>>,
}

impl Kept {
    pub fn layers(&self) -> Vec<&[u8]> {
        self.layers.iter().map(|range| &self.file[range.clone()]).collect()
    }
}

/// What can be told of a session without reading it whole.
pub struct Listed {
    pub name: String,
    pub bytes: u64,
    pub used: Option<SystemTime>,
    /// None for what is no session's file. Not checked: the file says so itself.
    pub says: Option<(Origin, usize)>,
}

/// Letters, digits, `.`, `-` and `_`; the first is no dot.
pub fn check_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.') {
        return Ok(());
    }
    Err(Error::usage(format!("`{}` can't name a session", name.escape_debug()))
        .hint("up to 64 letters, digits, dots, dashes and underscores; no dot at the beginning"))
}

impl Sessions {
    pub fn at(folder: PathBuf, key: PathBuf) -> Self {
        Sessions { folder, key }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ENDING}"))
    }

    /// The session of that name; none where there is none yet. What is not all that it claims to be is refused.
    pub fn open(&self, name: &str) -> Result<Option<Kept>> {
        let path = self.path(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::reading(&path, &e)),
        };
        let wrong = |what: &str| {
            Error::invalid(format!("the session `{name}` can't be trusted: {what}"))
                .at(Place::file(&path))
                .hint(format!("bizra session rm {name}, and the next run begins it anew"))
        };
        let bytes = Mapped::of(&file).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidInput => wrong("it is no plain file"),
            _ => Error::reading(&path, &e),
        })?;
        let Some(key) = files::read_if_there(&self.key)? else {
            return Err(wrong("the key that vouched for it is gone"));
        };
        let found = parse(&bytes).map_err(wrong)?;
        let end = bytes.len() - 32;
        let signed = mac(&key, &bytes[..found.layers_at], &bytes[found.digests_at..end]);
        if signed.verify_slice(&bytes[end..]).is_err() {
            return Err(wrong("it was changed, or made on another machine"));
        }
        let layers: Vec<Range<usize>> = (0..found.header.layers)
            .map(|layer| found.layers_at + layer * found.header.layer_bytes)
            .map(|at| at..at + found.header.layer_bytes)
            .collect();
        if digests(layers.len(), &|layer| Sha256::digest(&bytes[layers[layer].clone()]).into())
            != bytes[found.digests_at..end]
        {
            return Err(wrong("its keys and values were changed"));
        }
        let tokens = bytes[found.tokens_at..found.layers_at].as_chunks::<4>().0;
        let tokens = tokens.iter().map(|id| u32::from_le_bytes(*id)).collect();
        Ok(Some(Kept { origin: found.header.origin, tokens, layers, file: bytes }))
    }

    /// Puts a session in the place of an earlier one. `layers` are the pieces of each layer's bytes.
    pub fn keep(
        &self,
        name: &str,
        origin: &Origin,
        tokens: &[u32],
        layers: &[Vec<&[u8]>],
        new_key: [u8; 32],
    ) -> Result<()> {
        files::private_folder(&self.folder)?;
        let key = self.key(new_key)?;
        let layer_bytes = layers.first().map_or(0, |pieces| pieces.iter().map(|piece| piece.len()).sum());
        let header = Header { origin: origin.clone(), tokens: tokens.len(), layers: layers.len(), layer_bytes };
        let header = serde_json::to_vec(&header).expect("invariant: strings and numbers serialise");
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&(header.len() as u32).to_le_bytes());
        head.extend_from_slice(&header);
        head.extend(tokens.iter().flat_map(|id| id.to_le_bytes()));
        let digests = digests(layers.len(), &|layer| {
            let mut hash = Sha256::new();
            layers[layer].iter().for_each(|piece| hash.update(piece));
            hash.finalize().into()
        });
        let signature = mac(&key, &head, &digests).finalize().into_bytes();
        files::replace_by(&self.path(name), Access::Owner, &mut |file| {
            let mut out = BufWriter::with_capacity(1 << 20, file);
            out.write_all(&head)?;
            for piece in layers.iter().flatten() {
                out.write_all(piece)?;
            }
            out.write_all(&digests)?;
            out.write_all(&signature)?;
            out.flush()
        })
    }

    /// The key, made where there is none. It has its name only once it is whole: of two runs at once, one makes it.
    fn key(&self, new: [u8; 32]) -> Result<Vec<u8>> {
        if let Some(key) = files::read_if_there(&self.key)? {
            return Ok(key);
        }
        if let Some(folder) = self.key.parent() {
            files::private_folder(folder)?;
        }
        let beside = self.key.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&beside);
        let written = files::create(&beside, Access::Owner)
            .and_then(|mut file| file.write_all(&new).and_then(|()| file.sync_all()))
            .and_then(|()| fs::hard_link(&beside, &self.key));
        let _ = fs::remove_file(&beside);
        match written {
            Ok(()) => Ok(new.to_vec()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => files::read(&self.key),
            Err(e) => Err(Error::writing(self.key.display(), &e)),
        }
    }

    /// All sessions, by name.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::reading(&self.folder, &e)),
        };
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let name = name.strip_suffix(ENDING)?.strip_suffix('.')?;
            check_name(name).is_ok().then(|| name.to_owned())
        });
        let mut listed: Vec<Listed> = names.filter_map(|name| self.look(&name)).collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// None where there is no such session.
    pub fn look(&self, name: &str) -> Option<Listed> {
        let file = File::open(self.path(name)).ok()?;
        let metadata = file.metadata().ok()?;
        let bytes = Mapped::of(&file).ok();
        let says = bytes.as_ref().and_then(|bytes| parse(bytes).ok()).map(|f| (f.header.origin, f.header.tokens));
        Some(Listed { name: name.to_owned(), bytes: metadata.len(), used: metadata.modified().ok(), says })
    }

    /// Whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Error::writing(path.display(), &e)),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

struct Found {
    header: Header,
    tokens_at: usize,
    layers_at: usize,
    digests_at: usize,
}

/// Where everything is in a file, or what is wrong with it.
fn parse(bytes: &[u8]) -> std::result::Result<Found, &'static str> {
    let cut = "it is cut short";
    let head = bytes.get(..20).ok_or(cut)?;
    if head[..16] != *MAGIC {
        return Err("it is no session's file");
    }
    let length = u32::from_le_bytes(head[16..].try_into().expect("invariant: four bytes")) as usize;
    if length > LONGEST_HEADER {
        return Err("its header is damaged");
    }
    let header = bytes.get(20..20 + length).ok_or(cut)?;
    let header: Header = serde_json::from_slice(header).map_err(|_| "its header is damaged")?;
    if header.layers > MOST_LAYERS {
        return Err("its header is damaged");
    }
    let tokens_at = 20 + length;
    let sizes = || {
        let layers_at = header.tokens.checked_mul(4)?.checked_add(tokens_at)?;
        let digests_at = header.layers.checked_mul(header.layer_bytes)?.checked_add(layers_at)?;
        Some((layers_at, digests_at, digests_at.checked_add(32 * header.layers + 32)?))
    };
    let (layers_at, digests_at, total) = sizes().ok_or("its header is damaged")?;
    match bytes.len() {
        len if len < total => Err(cut),
        len if len > total => Err("it is longer than it says"),
        _ => Ok(Found { tokens_at, layers_at, digests_at, header }),
    }
}

fn mac(key: &[u8], head: &[u8], digests: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("invariant: HMAC takes keys of any length");
    mac.update(head);
    mac.update(digests);
    mac
}

/// Of each layer, several at a time: a long session is as large as a model.
fn digests(layers: usize, digest: &(dyn Fn(usize) -> Hash + Sync)) -> Vec<u8> {
    let threads = bizra_kernels::default_threads().clamp(1, layers.max(1));
    let mut all = vec![[0; 32]; layers];
    std::thread::scope(|scope| {
        for (part, digests) in all.chunks_mut(layers.div_ceil(threads).max(1)).enumerate() {
            let first = part * layers.div_ceil(threads).max(1);
            scope.spawn(move || digests.iter_mut().zip(first..).for_each(|(to, layer)| *to = digest(layer)));
        }
    });
    all.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use crate::receipts::hex;

    fn origin() -> Origin {
        let word = |text: &str| text.to_owned();
        Origin {
            name: word("m.gguf"),
            model: hex::encode(&[7; 32]),
            kv: word("f16"),
            arrangement: word("1"),
            build: word("b"),
            host: word("h"),
        }
    }

    fn sessions(folder: &Path) -> Sessions {
        Sessions::at(folder.join("cache"), folder.join("data/session-key"))
    }

    fn keep(sessions: &Sessions, name: &str) {
        let layers = [vec![&b"abc"[..], &b"de"[..]], vec![&b"fgh"[..], &b"ij"[..]], vec![&b"klmno"[..]]];
        sessions.keep(name, &origin(), &[5, 6, 7], &layers, [9; 32]).expect("kept");
    }

    #[test]
    fn what_was_kept_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let sessions = sessions(folder.path());
        assert!(sessions.open("a").expect("no error").is_none());
        keep(&sessions, "a");
        let kept = sessions.open("a").expect("good").expect("there");
        assert_eq!((kept.tokens.as_slice(), &kept.origin), (&[5, 6, 7][..], &origin()));
        assert_eq!(kept.layers(), [b"abcde", b"fghij", b"klmno"]);
        assert!(!files::others_may_read(&sessions.path("a")).expect("there"));
        let listed = sessions.list().expect("listed");
        assert_eq!((listed.len(), listed[0].says.as_ref().map(|(_, tokens)| *tokens)), (1, Some(3)));
        assert!(sessions.remove("a").expect("removed") && !sessions.remove("a").expect("gone"));
    }

    #[test]
    fn a_file_that_was_cut_or_changed_anywhere_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let sessions = sessions(folder.path());
        keep(&sessions, "a");
        let path = sessions.path("a");
        let whole = fs::read(&path).expect("there");
        let refused = |bytes: &[u8], what: &str| {
            fs::write(&path, bytes).expect("written");
            let error = sessions.open("a").err().unwrap_or_else(|| panic!("{what} was trusted"));
            assert_eq!(error.exit, Exit::Invalid, "{what}: {error}");
            assert!(error.hints[0].contains("bizra session rm a"), "{what}");
        };
        for cut in 0..whole.len() {
            refused(&whole[..cut], &format!("cut at {cut}"));
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            refused(&bytes, &format!("byte {at} changed"));
        }
        refused(&[&whole[..], b"x"].concat(), "a byte more");
        fs::write(&path, &whole).expect("written");
        assert!(sessions.open("a").is_ok());
        fs::write(&sessions.key, [8; 32]).expect("another key");
        refused(&whole, "another's");
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "notes-2.1_x", &"n".repeat(64)] {
            check_name(good).expect(good);
        }
        for bad in ["", ".", "..", ".a", "a/b", "a b", "ä", &"n".repeat(65)] {
            assert_eq!(check_name(bad).expect_err(bad).exit, Exit::Usage);
        }
    }
}
