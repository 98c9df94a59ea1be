//! What a hub says of a repository at a revision: the commit, and each file with its size and hash. Read from the answer
//! to `GET /api/models/REPO/revision/REVISION?blobs=true`, and believed no further than it makes sense.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::{is_hex, is_safe, shown};

/// The hash that a hub announces for a file, which is also the file's name among the cache's blobs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Digest {
    /// Of the content: files in Git LFS, which is where weights are.
    Sha256(String),
    /// Of git's blob, by SHA-1: small files.
    Git(String),
}

impl Digest {
    /// From the name of a blob or an `ETag`: 64 or 40 hexadecimal digits, with or without quotes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
        if is_hex(text, 64) {
            Some(Digest::Sha256(text.to_owned()))
        } else if is_hex(text, 40) {
            Some(Digest::Git(text.to_owned()))
        } else {
            None
        }
    }

    pub fn hex(&self) -> &str {
        match self {
            Digest::Sha256(hex) | Digest::Git(hex) => hex,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Digest::Sha256(_) => "sha256",
            Digest::Git(_) => "git",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Safe to be made below a folder.
    pub path: String,
    pub size: Option<u64>,
    pub digest: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// 40 hexadecimal digits.
    pub commit: String,
    pub files: Vec<RemoteFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListingFault {
    NoJson {
        reason: String,
    },
    Missing(&'static str),
    /// Git can't hold such a name, so whoever sends it means harm.
    Path(String),
    Twice(String),
    Value {
        file: String,
        field: &'static str,
    },
}

impl fmt::Display for ListingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJson { reason } => write!(f, "the answer is no JSON document: {reason}"),
            Self::Missing(field) => write!(f, "the answer has no sound `{field}`"),
            Self::Path(path) => write!(f, "it lists a file {}, which is no name to make a file of", shown(path)),
            Self::Twice(path) => write!(f, "it lists {} twice", shown(path)),
            Self::Value { file, field } => write!(f, "file {}: `{field}` is not what it should be", shown(file)),
        }
    }
}

impl std::error::Error for ListingFault {}

impl Listing {
    pub fn parse(json: &[u8]) -> Result<Self, ListingFault> {
        let json: Value = serde_json::from_slice(json).map_err(|e| ListingFault::NoJson { reason: e.to_string() })?;
        let commit = json["sha"].as_str().filter(|sha| is_hex(sha, 40)).ok_or(ListingFault::Missing("sha"))?;
        let siblings = json["siblings"].as_array().ok_or(ListingFault::Missing("siblings"))?;
        let mut seen = BTreeSet::new();
        let mut files = Vec::with_capacity(siblings.len());
        for sibling in siblings {
            let file = RemoteFile::read(sibling)?;
            if !seen.insert(file.path.clone()) {
                return Err(ListingFault::Twice(file.path));
            }
            files.push(file);
        }
        Ok(Listing { commit: commit.to_owned(), files })
    }

    pub fn paths(&self) -> Vec<&str> {
        self.files.iter().map(|file| file.path.as_str()).collect()
    }

    pub fn file(&self, path: &str) -> Option<&RemoteFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl RemoteFile {
    fn read(sibling: &Value) -> Result<Self, ListingFault> {
        let path = sibling["rfilename"].as_str().ok_or(ListingFault::Missing("rfilename"))?;
        if !is_safe(path) {
            return Err(ListingFault::Path(path.to_owned()));
        }
        let wrong = |field| ListingFault::Value { file: path.to_owned(), field };
        let number = |value: &Value, field| match value {
            Value::Null => Ok(None),
            value => value.as_u64().map(Some).ok_or_else(|| wrong(field)),
        };
        let text = |value: &Value, digits, field| match value {
            Value::Null => Ok(None),
            value => value
                .as_str()
                .filter(|hex| is_hex(hex, digits))
                .map(|hex| Some(hex.to_owned()))
                .ok_or_else(|| wrong(field)),
        };
        let lfs = &sibling["lfs"];
        let sha256 = text(&lfs["sha256"], 64, "lfs.sha256")?;
        let blob = text(&sibling["blobId"], 40, "blobId")?;
        // Of a file in LFS the blob is the pointer, which nobody downloads.
        let blob = blob.filter(|_| lfs.is_null());
        let size = number(&lfs["size"], "lfs.size")?.or(number(&sibling["size"], "size")?);
        Ok(RemoteFile { path: path.to_owned(), size, digest: sha256.map(Digest::Sha256).or(blob.map(Digest::Git)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn parse(siblings: Value) -> Result<Listing, ListingFault> {
        Listing::parse(json!({ "sha": COMMIT, "siblings": siblings, "private": false }).to_string().as_bytes())
    }

    #[test]
    fn files_come_with_the_hash_of_their_content() {
        let sha = "a".repeat(64);
        let listing = parse(json!([
            { "rfilename": "b.gguf", "size": 7, "blobId": COMMIT, "lfs": { "sha256": sha, "size": 7, "pointerSize": 130 } },
            { "rfilename": "x/README.md", "size": 3, "blobId": COMMIT },
            { "rfilename": "bare" },
        ]));
        let file = |path: &str, size, digest| RemoteFile { path: path.to_owned(), size, digest };
        let expected = vec![
            file("b.gguf", Some(7), Some(Digest::Sha256(sha))),
            file("x/README.md", Some(3), Some(Digest::Git(COMMIT.to_owned()))),
            file("bare", None, None),
        ];
        assert_eq!(listing, Ok(Listing { commit: COMMIT.to_owned(), files: expected }));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let told = |siblings| parse(siblings).expect_err("refused").to_string();
        for path in ["../../.bashrc", "/etc/passwd", "a\\..\\b", "a//b", ""] {
            assert!(told(json!([{ "rfilename": path }])).contains("which is no name to make a file of"), "{path}");
        }
        assert_eq!(told(json!([{ "rfilename": "a" }, { "rfilename": "a" }])), "it lists \"a\" twice");
        assert_eq!(told(json!([{ "rfilename": "a", "size": -1 }])), "file \"a\": `size` is not what it should be");
        let odd = json!([{ "rfilename": "a", "lfs": { "sha256": "../../x" } }]);
        assert_eq!(told(odd), "file \"a\": `lfs.sha256` is not what it should be");
        assert_eq!(told(json!([{}])), "the answer has no sound `rfilename`");
        assert_eq!(told(json!("x")), "the answer has no sound `siblings`");
        assert_eq!(Listing::parse(b"{\"sha\": \"../x\"}"), Err(ListingFault::Missing("sha")));
        let page = Listing::parse(b"<html>Log in</html>").expect_err("a login page");
        assert!(page.to_string().starts_with("the answer is no JSON document: "), "{page}");
    }

    #[test]
    fn etags_are_hashes_or_nothing() {
        let sha = "0f".repeat(32);
        assert_eq!(Digest::parse(&format!("\"{sha}\"")), Some(Digest::Sha256(sha)));
        assert_eq!(Digest::parse(&format!("W/\"{COMMIT}\"")), Some(Digest::Git(COMMIT.to_owned())));
        for odd in ["", "\"x\"", "../../x", &COMMIT.to_uppercase()] {
            assert_eq!(Digest::parse(odd), None, "{odd}");
        }
    }

    /// JSON of roughly the right form, so that the deeper checks are reached as well.
    fn nearly() -> impl Strategy<Value = Value> {
        let word = prop_oneof!["[a-c./\\\\]{0,6}", Just("a".repeat(64)), Just("b".repeat(40)), "\\PC{0,6}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            word.prop_map(Value::from),
            any::<bool>().prop_map(Value::from)
        ];
        let lfs = (leaf.clone(), leaf.clone()).prop_map(|(sha, size)| json!({ "sha256": sha, "size": size }));
        let sibling = (leaf.clone(), leaf.clone(), leaf.clone(), prop_oneof![leaf.clone(), lfs])
            .prop_map(|(name, size, blob, lfs)| json!({ "rfilename": name, "size": size, "blobId": blob, "lfs": lfs }));
        (leaf.clone(), prop_oneof![leaf, prop::collection::vec(sibling, 0..4).prop_map(Value::from)])
            .prop_map(|(sha, siblings)| json!({ "sha": sha, "siblings": siblings }))
    }

    proptest! {
        #[test]
        fn whatever_comes_only_sound_names_and_hashes_get_through(json in nearly()) {
            if let Ok(listing) = Listing::parse(json.to_string().as_bytes()) {
                prop_assert!(is_hex(&listing.commit, 40));
                for file in &listing.files {
                    prop_assert!(is_safe(&file.path));
                    prop_assert!(file.digest.as_ref().is_none_or(|digest| Digest::parse(digest.hex()).as_ref() == Some(digest)));
                }
            }
        }

        #[test]
        fn any_bytes_are_an_answer_or_a_refusal(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Listing::parse(&bytes);
        }
    }
}
