//! A hub of the tests' own on 127.0.0.1: small repositories, and every way in which a network goes wrong.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The commit that `main` stands at.
pub const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Where the bytes that it asks for begin.
    pub fn from(&self) -> usize {
        let range = self.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        range.and_then(|from| from.parse().ok()).unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Ends the connection after so many bytes of the body.
    pub cut: Option<usize>,
    /// Falls silent after them instead.
    pub stall: bool,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Reply { status, headers: Vec::new(), body: Vec::new(), cut: None, stall: false }
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Replaces a header of that name.
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    pub fn stall(mut self, after: usize) -> Self {
        (self.cut, self.stall) = (Some(after), true);
        self
    }
}

/// The files of one repository. What ends with `.gguf` or `.safetensors` lies in LFS.
#[derive(Clone, Default)]
pub struct Repository {
    pub name: String,
    pub files: BTreeMap<String, Vec<u8>>,
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Git's name of a blob: SHA-1, written out here so that it is checked against another than the program's own.
pub fn git_id(bytes: &[u8]) -> String {
    let mut data = format!("blob {}\0", bytes.len()).into_bytes();
    data.extend(bytes);
    sha1(&data)
}

/// FIPS 180-4, section 6.1.
fn sha1(data: &[u8]) -> String {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = data.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((data.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut words = [0u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        for t in 16..80 {
            words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (t, word) in words.iter().enumerate() {
            let (f, k) = match t {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    state.iter().map(|word| format!("{word:08x}")).collect()
}

impl Repository {
    pub fn new(name: &str) -> Self {
        Repository { name: name.to_owned(), files: BTreeMap::new() }
    }

    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), bytes.into());
        self
    }

    fn in_lfs(path: &str) -> bool {
        path.ends_with(".gguf") || path.ends_with(".safetensors")
    }

    /// What an honest hub answers.
    pub fn answer(&self, request: &Request) -> Reply {
        let api = format!("/api/models/{}/revision/", self.name);
        if let Some(rest) = request.path.strip_prefix(&api) {
            let revision = rest.split('?').next().unwrap_or_default();
            return match revision {
                "main" | "v1" | "refs%2Fpr%2F1" | COMMIT => Reply::new(200).body(self.listing().to_string()),
                _ => Reply::new(404).header("x-error-code", "RevisionNotFound"),
            };
        }
        let resolve = format!("/{}/resolve/{COMMIT}/", self.name);
        let Some(path) = request.path.strip_prefix(&resolve) else {
            return Reply::new(404).header("x-error-code", "RepoNotFound");
        };
        let Some(bytes) = self.files.get(path) else {
            return Reply::new(404).header("x-error-code", "EntryNotFound");
        };
        let etag = if Self::in_lfs(path) { sha256(bytes) } else { git_id(bytes) };
        let from = request.from();
        let reply = if from >= bytes.len() && from > 0 {
            Reply::new(416)
        } else if from > 0 {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            Reply::new(206).body(&bytes[from..]).header("content-range", range)
        } else {
            Reply::new(200).body(bytes.clone())
        };
        let reply = reply.header("x-repo-commit", COMMIT).header("etag", format!("\"{etag}\""));
        if Self::in_lfs(path) {
            reply.header("x-linked-etag", format!("\"{etag}\"")).header("x-linked-size", bytes.len())
        } else {
            reply
        }
    }

    pub fn listing(&self) -> serde_json::Value {
        let sibling = |(path, bytes): (&String, &Vec<u8>)| {
            if Self::in_lfs(path) {
                let lfs = json!({ "sha256": sha256(bytes), "size": bytes.len(), "pointerSize": 130 });
                json!({ "rfilename": path, "size": bytes.len(), "blobId": git_id(b"a pointer"), "lfs": lfs })
            } else {
                json!({ "rfilename": path, "size": bytes.len(), "blobId": git_id(bytes) })
            }
        };
        let siblings: Vec<_> = self.files.iter().map(sibling).collect();
        json!({ "id": self.name, "sha": COMMIT, "siblings": siblings, "private": false })
    }
}

/// A server on a port of its own, until it is dropped.
pub struct Hub {
    pub url: String,
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
}

impl Hub {
    /// An honest one.
    pub fn of(repository: Repository) -> Self {
        Hub::start(move |request, _| repository.answer(request))
    }

    /// `answer` is told which request it is, counted from 0.
    pub fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (requests, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, over, answer) = (Arc::clone(&requests), Arc::clone(&ended), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), log, answer) = (stream, Arc::clone(&log), Arc::clone(&answer)) else { return };
                let over = Arc::clone(&over);
                std::thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    let number = {
                        let mut log: std::sync::MutexGuard<'_, Vec<Request>> = log.lock().expect("no panic while held");
                        log.push(request.clone());
                        log.len() - 1
                    };
                    let reply = answer(&request, number);
                    send(stream, &request, &reply, &over);
                });
            }
        });
        Hub { url: format!("http://127.0.0.1:{port}"), port, requests, ended }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic while held").clone()
    }

    /// The requests for a file.
    pub fn asked(&self, path: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.path.ends_with(path)).collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut reader = BufReader::new(stream).take(1 << 16);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, headers })
}

fn send(mut stream: TcpStream, request: &Request, reply: &Reply, over: &AtomicBool) {
    let mut head = format!("HTTP/1.1 {} Whatever\r\nconnection: close\r\n", reply.status);
    let has = |name: &str| reply.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    if !has("content-length") && !has("transfer-encoding") {
        head += &format!("content-length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let body = if request.method == "HEAD" {
        &[]
    } else {
        &reply.body[..reply.cut.unwrap_or(reply.body.len()).min(reply.body.len())]
    };
    // The reader may be gone: that is what some tests are about.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(b"\r\n"))
        .and_then(|()| stream.write_all(body));
    let _ = stream.flush();
    let mut waited = 0;
    while reply.stall && waited < 1000 && !over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20));
        waited += 1;
    }
    let _ = stream.shutdown(Shutdown::Both);
}

#[test]
fn the_tests_own_hashes_are_right() {
    assert_eq!(sha1(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(git_id(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}
