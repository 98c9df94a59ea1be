//! Requests to a hub. Redirects are followed here and not by the client, because what they carry matters: a token goes to
//! the hub alone, never to where a redirect leads, and never in the clear; the hash counts that the hub itself announced.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};

use super::announce::{Address, Announced, encoded, pause};
use super::{Event, Tell};
use crate::about;
use crate::env::{Env, Vars};
use crate::error::{Error, Exit, Result};
use crate::model::{Listing, RemoteFile};
use crate::sys::{files, folders};

const PUBLIC_HUB: &str = "https://huggingface.co";
const MOST_REDIRECTS: usize = 10;
const LONGEST_LISTING: u64 = 64 << 20;
const LONGEST_TOKEN: usize = 4096;
/// Without a byte for so long, a connection is given up; `HF_HUB_DOWNLOAD_TIMEOUT` says otherwise.
const SILENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Asked to wait for longer, we end instead: whoever runs us decides.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Where systems keep the certificates that they trust.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

pub struct Hub {
    agent: Agent,
    endpoint: Address,
    /// With a path below the host, as mirrors have it; no slash at the end.
    base: String,
    token: Option<String>,
    retries: u32,
    now: Timestamp,
}

/// Why a request has no answer that can be used.
pub(super) enum Failure {
    /// It may have one the next time, at the earliest after the pause that the server asks for.
    Passing {
        error: Error,
        pause: Option<Duration>,
    },
    /// It has no bytes from there on.
    Beyond(Error),
    Final(Error),
}

impl Failure {
    pub(super) fn passing(error: Error) -> Self {
        Failure::Passing { error, pause: None }
    }
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) announced: Announced,
    pub(super) body: Body,
    /// Who sent the bytes, to be named.
    pub(super) from: String,
}

impl Hub {
    /// `retries`: how often in a row something that may pass is tried again.
    pub fn of(env: &Env, retries: u32) -> Result<Self> {
        let base = env.vars.get("HF_ENDPOINT").unwrap_or(PUBLIC_HUB).trim_end_matches('/').to_owned();
        let endpoint = Address::parse(&base).filter(|_| !base.contains(['?', '#'])).ok_or_else(|| {
            Error::usage(format!("HF_ENDPOINT: `{base}` is no address of a hub"))
                .hint("write one as https://hub.example")
        })?;
        let silence = match env.vars.get("HF_HUB_DOWNLOAD_TIMEOUT") {
            None => SILENCE,
            Some(text) => {
                Duration::from_secs(text.parse().ok().filter(|s| (1..=3600).contains(s)).ok_or_else(|| {
                    Error::usage(format!("HF_HUB_DOWNLOAD_TIMEOUT: `{text}` is no number of seconds from 1 to 3600"))
                })?)
            }
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(format!("bizra/{}", about::VERSION))
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(silence))
            .timeout_per_write(Some(silence))
            .tls_config(TlsConfig::builder().root_certs(roots(&env.vars)?).build())
            .proxy(proxy(&env.vars, &endpoint)?)
            .build();
        let (agent, token, now) = (config.new_agent(), token(&env.vars)?, env.clock.wall());
        Ok(Hub { agent, endpoint, base, token, retries, now })
    }

    /// The page of a repository, for people.
    pub fn page(&self, repo: &str) -> String {
        format!("{}/{repo}", self.base)
    }

    pub fn listing(&self, repo: &str, revision: &str, tell: &mut Tell<'_>) -> Result<Listing> {
        let url = format!("{}/api/models/{repo}/revision/{}?blobs=true", self.base, encoded(revision));
        let what = format!("{repo}@{revision}");
        let mut tries = self.tries();
        loop {
            match self.read_listing(&url, &what, repo) {
                Ok(bytes) => {
                    return Listing::parse(&bytes).map_err(|fault| {
                        Error::from(fault)
                            .because(format!("{} answered for {what}", self.base))
                            .hint("is it the address of a hub, and is there a login page between?")
                    });
                }
                Err(failure) => tries.again(failure, tell)?,
            }
        }
    }

    fn read_listing(&self, url: &str, what: &str, repo: &str) -> Result<Vec<u8>, Failure> {
        let reply = self.get(url, 0, what, repo)?;
        let mut bytes = Vec::new();
        let read = reply.body.into_reader().take(LONGEST_LISTING + 1).read_to_end(&mut bytes);
        read.map_err(|e| Failure::passing(cut(&reply.from, &e)))?;
        if bytes.len() as u64 > LONGEST_LISTING {
            return Err(Failure::Final(Error::invalid(format!("{what}: the list of files is longer than 64 MiB"))));
        }
        Ok(bytes)
    }

    /// The hash and the size that are announced for a file, where the list of files leaves them out.
    pub fn announced(&self, repo: &str, commit: &str, path: &str, tell: &mut Tell<'_>) -> Result<RemoteFile> {
        let mut tries = self.tries();
        loop {
            match self.file(repo, commit, path, 0) {
                Ok(Reply { announced: Announced { digest, size }, .. }) => {
                    return Ok(RemoteFile { path: path.to_owned(), size, digest });
                }
                Err(failure) => tries.again(failure, tell)?,
            }
        }
    }

    /// The bytes of a file from `from` on.
    pub(super) fn file(&self, repo: &str, commit: &str, path: &str, from: u64) -> Result<Reply, Failure> {
        let path: Vec<String> = path.split('/').map(encoded).collect();
        let path = path.join("/");
        self.get(&format!("{}/{repo}/resolve/{commit}/{path}", self.base), from, &format!("{repo}/{path}"), repo)
    }

    fn get(&self, url: &str, from: u64, what: &str, repo: &str) -> Result<Reply, Failure> {
        let mut address = Address::parse(url).ok_or_else(|| Failure::Final(odd_address(url)))?;
        let mut announced = Announced::default();
        // Once it has led elsewhere, nothing brings the token back.
        let mut at_home = true;
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.agent.get(address.text()).header("accept-encoding", "identity");
            if from > 0 {
                request = request.header("range", format!("bytes={from}-"));
            }
            at_home &= address.same_origin(&self.endpoint);
            let token = self.token.as_deref().filter(|_| at_home && address.is_private());
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|e| unreached(&address, &e))?;
            let status = response.status().as_u16();
            if at_home {
                let said = Announced::of(response.headers());
                announced = Announced { digest: said.digest.or(announced.digest), size: said.size.or(announced.size) };
            }
            match status {
                200 | 206 => return Ok(self.reply(response, announced, &address)),
                301 | 302 | 303 | 307 | 308 => {
                    let location =
                        response.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or_default();
                    let next = address.join(location).ok_or_else(|| Failure::Final(odd_address(location)))?;
                    if address.is_encrypted() && !next.is_encrypted() {
                        let told = format!("{} leads to {}, which is not encrypted", address.shown(), next.shown());
                        return Err(Failure::Final(Error::new(Exit::Integrity, told)));
                    }
                    address = next;
                }
                _ => return Err(self.refusal(status, response.headers(), &address, what, repo, token.is_some())),
            }
        }
        Err(Failure::Final(Error::cannot(format!(
            "{what}: more than {MOST_REDIRECTS} redirects, the last to {}",
            address.shown()
        ))))
    }

    fn reply(&self, response: Response<Body>, announced: Announced, address: &Address) -> Reply {
        let (head, body) = response.into_parts();
        Reply { status: head.status.as_u16(), headers: head.headers, announced, body, from: address.shown() }
    }

    fn refusal(
        &self,
        status: u16,
        headers: &HeaderMap,
        address: &Address,
        what: &str,
        repo: &str,
        token: bool,
    ) -> Failure {
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let because = |error: Error| match said("x-error-message") {
            Some(reason) => error.because(reason.chars().take(300).collect::<String>()),
            None => error,
        };
        let code = said("x-error-code").unwrap_or_default();
        let from = address.shown();
        Failure::Final(because(match (status, code) {
            (401, _) if token => Error::cannot(format!("{what}: {from} does not accept the token"))
                .hint("check HF_TOKEN, or the file that `hf auth login` wrote"),
            (401, _) => Error::cannot(format!("{what}: it isn't there, or it is shown to those with a token only"))
                .because(format!("{from} answered 401"))
                .hint(format!("check the name at {}", self.page(repo)))
                .hint(match self.token {
                    Some(_) => "the token is not sent without encryption: HF_ENDPOINT should begin with https://",
                    None => "set HF_TOKEN, or run `hf auth login`",
                }),
            // Addresses of storage hold for a while only, and are had anew by asking the hub again.
            (403, _) if !address.same_origin(&self.endpoint) => {
                return Failure::passing(Error::cannot(format!("{what}: {from} answered 403")));
            }
            (403, _) => Error::cannot(format!("{what}: {from} refuses access"))
                .hint(format!("read and accept its terms at {}, then give a token in HF_TOKEN", self.page(repo))),
            (404, "RevisionNotFound") => Error::invalid(format!("{what}: there is no such revision"))
                .hint(format!("its branches and tags: {}/tree/main", self.page(repo))),
            (404, "EntryNotFound") => {
                Error::invalid(format!("{what}: there is no such file")).because(format!("{from} answered 404"))
            }
            (404 | 410, _) => Error::invalid(format!("{what}: there is no such repository or revision"))
                .because(format!("{from} answered {status}"))
                .hint(format!("check the name at {}", self.page(repo))),
            (416, _) => return Failure::Beyond(Error::cannot(format!("{what}: {from} has no bytes from there on"))),
            (429, _) => {
                let error = Error::cannot(format!("{what}: {from} is asked too often"))
                    .hint("try again later; with a token in HF_TOKEN the limits are wider");
                return Failure::Passing { error: because(error), pause: pause(headers, self.now) };
            }
            (408 | 425 | 500..=599, _) => {
                let error = Error::cannot(format!("{what}: {from} answered {status}")).hint("try again later");
                return Failure::Passing { error: because(error), pause: pause(headers, self.now) };
            }
            _ => Error::cannot(format!("{what}: {from} answered {status}")),
        }))
    }

    pub(super) fn tries(&self) -> Tries {
        Tries::new(self.retries)
    }
}

/// How often something was tried, with pauses that grow.
pub(super) struct Tries {
    left: u32,
    most: u32,
    pause: Duration,
}

impl Tries {
    fn new(most: u32) -> Self {
        Tries { left: most, most, pause: FIRST_PAUSE }
    }

    /// Something came: it may fail as often again.
    pub(super) fn progressed(&mut self) {
        *self = Tries::new(self.most);
    }

    /// Waits before the next try; an error where there is none.
    pub(super) fn again(&mut self, failure: Failure, tell: &mut Tell<'_>) -> Result<()> {
        let (error, asked) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing { error, pause } => (error, pause),
            Failure::Beyond(error) => (error, None),
        };
        if let Some(asked) = asked.filter(|asked| *asked > LONGEST_WAIT) {
            return Err(error.because(format!("it asks to be left alone for {} seconds", asked.as_secs())));
        }
        if self.left == 0 {
            return Err(match self.most {
                0 => error,
                most => error.because(format!("tried {} times", most + 1)),
            });
        }
        self.left -= 1;
        let pause = asked.unwrap_or(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        tell(Event::Retry { reason: &error, pause });
        std::thread::sleep(pause);
        Ok(())
    }
}

/// The connection ended or fell silent in the middle.
pub(super) fn cut(from: &str, cause: &std::io::Error) -> Error {
    Error::cannot(format!("the connection to {from} was cut")).because(cause)
}

fn odd_address(text: &str) -> Error {
    let shown: String = text.split('?').next().unwrap_or_default().chars().take(80).collect();
    Error::cannot(format!("a redirect leads to {shown:?}, which is no address to go to"))
}

fn unreached(address: &Address, error: &ureq::Error) -> Failure {
    let at = address.shown();
    let offline = "check the network; --offline uses what the cache has; HF_ENDPOINT names a mirror";
    match error {
        ureq::Error::HostNotFound => {
            Failure::passing(Error::cannot(format!("{at}: there is no such host, or no network")).hint(offline))
        }
        ureq::Error::Io(e) if is_certificate(e) => Failure::Final(untrusted(&at, e)),
        ureq::Error::Rustls(e) => Failure::Final(untrusted(&at, e)),
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::Timeout(_) => {
            Failure::passing(Error::cannot(format!("{at} can't be reached")).because(error).hint(offline))
        }
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => Failure::Final(
            Error::cannot(format!("{at} can't be reached through the proxy"))
                .because(error)
                .hint("check HTTPS_PROXY and NO_PROXY"),
        ),
        _ => Failure::Final(Error::cannot(format!("{at} gives no answer that can be read")).because(error)),
    }
}

/// TLS reports a certificate that it does not trust as an error of reading.
fn is_certificate(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData
}

fn untrusted(at: &str, cause: &dyn std::fmt::Display) -> Error {
    Error::cannot(format!("{at}: no trusted connection"))
        .because(cause)
        .hint("where a proxy or a mirror has a certificate of its own, name its authority's PEM file in SSL_CERT_FILE")
}

/// `SSL_CERT_FILE` alone where it is set, else what the system trusts, else what Mozilla does.
fn roots(vars: &Vars) -> Result<RootCerts> {
    let named = vars.get_os("SSL_CERT_FILE").map(PathBuf::from);
    let found = named.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file()));
    let Some(path) = found else { return Ok(RootCerts::WebPki) };
    let text = files::read(&path)?;
    let certificates: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return match vars.get_os("SSL_CERT_FILE") {
            Some(_) => Err(Error::invalid(format!("SSL_CERT_FILE: {} has no certificates", path.display()))),
            None => Ok(RootCerts::WebPki),
        };
    }
    Ok(certificates.into())
}

/// As other programs read the variables; ours come from [`Env`].
fn proxy(vars: &Vars, endpoint: &Address) -> Result<Option<Proxy>> {
    let either = |name: &str| vars.get(name).or_else(|| vars.get(&name.to_ascii_lowercase()));
    let kind = if endpoint.is_encrypted() { either("HTTPS_PROXY") } else { either("HTTP_PROXY") };
    let Some(text) = kind.or_else(|| either("ALL_PROXY")) else { return Ok(None) };
    // Its address may hold a password, so it is not shown.
    let wrong = |e: ureq::Error| {
        Error::usage("the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names is no address").because(e)
    };
    let named = Proxy::new(text).map_err(wrong)?;
    let mut proxy = Proxy::builder(named.protocol()).host(named.host()).port(named.port());
    if let Some(name) = named.username() {
        proxy = proxy.username(name);
    }
    if let Some(password) = named.password() {
        proxy = proxy.password(password);
    }
    for host in either("NO_PROXY").unwrap_or_default().split(',').map(str::trim).filter(|host| !host.is_empty()) {
        proxy = proxy.no_proxy(host);
    }
    proxy.build().map(Some).map_err(wrong)
}

/// `HF_TOKEN`, else the file that Hugging Face's tools keep it in.
fn token(vars: &Vars) -> Result<Option<String>> {
    let named = vars.get("HF_TOKEN").or_else(|| vars.get("HUGGING_FACE_HUB_TOKEN"));
    let (token, from) = match named {
        Some(token) => (token.to_owned(), "HF_TOKEN".to_owned()),
        None => match folders::hub_token(vars).filter(|path| path.is_file()) {
            None => return Ok(None),
            Some(path) => {
                let bytes = files::read_at_most(&path, LONGEST_TOKEN)?;
                (String::from_utf8_lossy(&bytes).into_owned(), path.display().to_string())
            }
        },
    };
    let token = token.trim();
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::invalid(format!("{from}: this is no token: it has blanks or other signs in it")));
    }
    Ok(Some(token.to_owned()).filter(|token| !token.is_empty()))
}
