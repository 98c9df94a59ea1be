//! The run's ledger: where it is, who signs, and the one call that leaves a receipt.
//!
//! [`Session::record`] is all that a command needs: it takes a checked draft and returns the receipt's id once it is
//! durable, or an error, and then the command withholds its answer. Everything else here serves the commands that look
//! into the ledger.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Session;
use crate::about;
use crate::env::Clock;
use crate::error::{Error, Exit, Place, Result};
use crate::receipts::checkpoint::NoteSigner;
use crate::receipts::envelope::{Envelope, ReceiptId};
use crate::receipts::keys::{KeyId, PublicKey, SecretKey, SignError, Signer};
use crate::receipts::log::{LogHeader, LogId};
use crate::receipts::pin::{self, Pins};
use crate::receipts::policy::{self, SignedPolicy};
use crate::receipts::predicates::KeyEvent;
use crate::receipts::stamp::{self, Stamp, Time, Tool};
use crate::receipts::statement::Draft;
use crate::sys::keyring::{Keyring, Known};
use crate::sys::ledger::{Ledger, Position, Room};
use crate::sys::ssh_agent::Agent;
use crate::sys::{files, folders, machine};

/// How long an agent may take, a person's confirmation counted in.
const AGENT_PATIENCE: Duration = Duration::from_secs(30);

const LONGEST_KEY_FILE: usize = 1 << 16;

/// What the checkpoint key is made from: the receipt key's signature over this. Nobody without the receipt key can make
/// it, nothing else that is signed begins so, and knowing the checkpoint key gives no way back.
const CHECKPOINT_KEY_LABEL: &[u8] = b"bizra checkpoint key, version 1";

/// A key that a variable gives.
pub(super) struct Given {
    pub(super) variable: &'static str,
    pub(super) public: PublicKey,
    secret: Option<SecretKey>,
}

/// Who signs in this run.
pub(super) struct Writer {
    pub(super) signer: Box<dyn Signer>,
    pub(super) id: KeyId,
    checkpoint_seed: [u8; 32],
}

impl Writer {
    fn new(signer: Box<dyn Signer>) -> Result<Self> {
        let signature = signer.sign(CHECKPOINT_KEY_LABEL)?;
        let checkpoint_seed = Sha256::digest(signature).into();
        Ok(Writer { id: signer.public_key().id(), signer, checkpoint_seed })
    }

    fn checkpoint_key(&self) -> SecretKey {
        SecretKey::from_seed(&self.checkpoint_seed)
    }

    fn note_signer(&self, log: &LogId) -> Result<NoteSigner> {
        Ok(NoteSigner::new(log.origin(), self.checkpoint_key().into_signing_key())?)
    }
}

/// A run whose receipt has its room already.
pub(super) struct Prepared {
    writer: Writer,
    room: Room,
}

/// A receipt that is durable.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) id: ReceiptId,
    pub(super) log: LogId,
    pub(super) index: u64,
}

impl Session {
    /// `--ledger`, else inside the repository's git folder, else in the user's data folder.
    pub(super) fn ledger_path(&self) -> Result<PathBuf> {
        if let Some(path) = self.config.get("ledger") {
            return Ok(files::from(&self.env.cwd, Path::new(path)));
        }
        match &self.setup.repository {
            Ok(Some(repository)) => Ok(repository.ledger_path()),
            Ok(None) => match folders::data(&self.env.vars) {
                Some(data) => Ok(data.join("ledger.git")),
                None => {
                    Err(Error::cannot("there is no place for a ledger: no repository, and no home folder is known")
                        .hint("run in a git repository, set HOME or XDG_DATA_HOME, or name one with --ledger PATH"))
                }
            },
            Err(error) => Err(error.clone()),
        }
    }

    /// The ledger for reading; it must be there.
    pub(super) fn ledger(&self) -> Result<Ledger> {
        Ok(Ledger::open(&self.ledger_path()?, false)?)
    }

    /// The ledger for reading, where there is one.
    pub(super) fn ledger_if_there(&self) -> Result<Option<Ledger>> {
        let path = self.ledger_path()?;
        if path.exists() { Ok(Some(Ledger::open(&path, false)?)) } else { Ok(None) }
    }

    pub(super) fn keyring(&self) -> Option<Keyring> {
        folders::data(&self.env.vars).map(|data| Keyring::at(data.join("keys")))
    }

    pub(super) fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.env
            .chance
            .fill(&mut bytes)
            .map_err(|e| Error::cannot("the operating system gives no random bytes").because(e))?;
        Ok(bytes)
    }

    pub(super) fn time(&self) -> Result<Time> {
        clock_time(&*self.env.clock)
    }

    /// The key that signs: from the variables, else the keyring's, else a single key of an agent where there is no home,
    /// else a new one.
    pub(super) fn writer(&mut self) -> Result<Writer> {
        if let Some(given) = self.given_key()? {
            return match given.secret {
                Some(key) => Writer::new(Box::new(key)),
                // A public key stands for the private one that an agent keeps, as git and ssh have it.
                None => Writer::new(Box::new(self.agent()?.signer(given.public)?)),
            };
        }
        let Some(ring) = self.keyring() else {
            return self.writer_without_home();
        };
        let known = match ring.default_key()? {
            Some(known) => known,
            None => self.first_key(&ring)?,
        };
        self.writer_of(&ring, &known)
    }

    /// The key that `BIZRA_KEY` or `BIZRA_KEY_FILE` gives, which comes before every other.
    pub(super) fn given_key(&self) -> Result<Option<Given>> {
        if let Some(text) = self.env.vars.as_set("BIZRA_KEY") {
            let key = SecretKey::read(text.as_encoded_bytes()).map_err(|e| {
                Error::usage(format!("BIZRA_KEY: {e}")).hint("it holds the key itself: a PKCS#8 or OpenSSH private key")
            })?;
            return Ok(Some(Given { variable: "BIZRA_KEY", public: *key.public(), secret: Some(key) }));
        }
        let Some(path) = self.env.vars.get_os("BIZRA_KEY_FILE") else { return Ok(None) };
        let variable = "BIZRA_KEY_FILE";
        let path = files::from(&self.env.cwd, Path::new(path));
        let bytes =
            files::read_at_most(&path, LONGEST_KEY_FILE).map_err(|e| e.because(format!("{variable} names it")))?;
        match SecretKey::read(&bytes) {
            Ok(key) => Ok(Some(Given { variable, public: *key.public(), secret: Some(key) })),
            Err(secret) => match std::str::from_utf8(&bytes).map(PublicKey::read) {
                Ok(Ok(public)) => Ok(Some(Given { variable, public, secret: None })),
                Ok(Err(public)) if bytes.starts_with(b"ssh-") => Err(Error::from(public).at(Place::file(path))),
                _ => Err(Error::from(secret).at(Place::file(path))),
            },
        }
    }

    pub(super) fn writer_of(&self, ring: &Keyring, known: &Known) -> Result<Writer> {
        if known.private {
            return Writer::new(Box::new(ring.load(&known.public.id())?));
        }
        Writer::new(Box::new(self.agent()?.signer(known.public)?))
    }

    fn writer_without_home(&self) -> Result<Writer> {
        let none = || {
            Error::cannot("there is no key to sign with, and no home folder to keep one in")
                .hint("set BIZRA_KEY or BIZRA_KEY_FILE, run an ssh-agent with one Ed25519 key, or set HOME")
        };
        if self.env.vars.get_os("SSH_AUTH_SOCK").is_none() {
            return Err(none());
        }
        let agent = self.agent()?;
        match agent.identities()?.as_slice() {
            [only] => Writer::new(Box::new(agent.signer(only.key)?)),
            [] => Err(none().because("the ssh-agent holds no Ed25519 key")),
            several => Err(Error::usage(format!("the ssh-agent holds {} Ed25519 keys", several.len()))
                .hint("name one: BIZRA_KEY_FILE=PATH of its public key")),
        }
    }

    pub(super) fn agent(&self) -> Result<Agent> {
        match self.env.vars.get_os("SSH_AUTH_SOCK") {
            Some(socket) => Ok(Agent { socket: socket.into(), timeout: AGENT_PATIENCE }),
            None => Err(Error::from(SignError::Unavailable("SSH_AUTH_SOCK is not set".into()))
                .hint("start an ssh-agent, add the key with ssh-add, and run the command again")),
        }
    }

    /// Makes the machine's first key, and says so once.
    pub(super) fn first_key(&mut self, ring: &Keyring) -> Result<Known> {
        let _alone = ring.alone()?;
        if let Some(made_meanwhile) = ring.default_key()? {
            return Ok(made_meanwhile);
        }
        let key = SecretKey::from_seed(&self.random()?);
        let path = ring.keep(&key, &format!("bizra, made {}", self.time()?))?;
        ring.set_default(&key.public().id())?;
        self.ui.note(format!("made a key for signing receipts: {}", key.public().id()));
        self.ui.note(format!("it lies in {} and only you can read it: keep a copy", path.display()));
        ring.default_key()?.ok_or_else(|| Error::cannot(format!("{} was taken away again", path.display())))
    }

    /// Leaves a receipt, unless the user asked for none. Returns once it is durable.
    pub(super) fn record(&mut self, draft: &Draft) -> Result<Option<ReceiptId>> {
        if self.config.switch("no-receipt") {
            return Ok(None);
        }
        let writer = self.writer().map_err(or_without)?;
        Ok(Some(self.record_as(&writer, draft)?.id))
    }

    /// The next receipt begins a session of its own: a session's receipts stand in one log.
    pub(super) fn end_stamps(&mut self) {
        self.stamps = None;
    }

    /// Makes sure, before a run that can't withhold its answer, that its receipt will find a place. None where the user
    /// asked for no receipt.
    pub(super) fn prepare(&mut self) -> Result<Option<Prepared>> {
        if self.config.switch("no-receipt") {
            return Ok(None);
        }
        let writer = self.writer().map_err(or_without)?;
        let ledger = Ledger::open(&self.ledger_path()?, true)?;
        let log = self.log_to_grow(&ledger, &writer)?;
        let name = crate::receipts::hex::encode(&self.random::<8>()?);
        let room = ledger.reserve(&log, &name)?;
        Ok(Some(Prepared { writer, room }))
    }

    /// Leaves the receipt that room was taken for.
    pub(super) fn record_prepared(&mut self, prepared: Prepared, draft: &Draft) -> Result<Recorded> {
        let Prepared { writer, room } = prepared;
        drop(room);
        self.record_as(&writer, draft)
    }

    /// The same without a word on stderr, for runs that leave many.
    pub(super) fn record_untold(&mut self, prepared: Prepared, draft: &Draft) -> Result<Recorded> {
        let Prepared { writer, room } = prepared;
        drop(room);
        self.leave(&writer, draft)
    }

    /// Leaves a receipt signed by `writer`, in that key's own log, which is begun where there is none.
    pub(super) fn record_as(&mut self, writer: &Writer, draft: &Draft) -> Result<Recorded> {
        let recorded = self.leave(writer, draft)?;
        self.ui.note(format!("receipt {}", recorded.id));
        Ok(recorded)
    }

    fn leave(&mut self, writer: &Writer, draft: &Draft) -> Result<Recorded> {
        let ledger = Ledger::open(&self.ledger_path()?, true)?;
        let log = self.log_to_grow(&ledger, writer)?;
        let notes = writer.note_signer(&log)?;
        let mut open = ledger.writer(&log, &notes)?;
        let recorded = self.append(&mut open, writer, draft)?;
        self.settle(&mut open);
        Ok(recorded)
    }

    /// The key's log, begun where there is none. One that was cut short would be forked by what is added to it.
    fn log_to_grow(&mut self, ledger: &Ledger, writer: &Writer) -> Result<LogId> {
        let Some(log) = log_of(ledger, &writer.id)? else { return self.begin_log(ledger, writer) };
        // Pins that can't be read say nothing here: gates and audits refuse them.
        let pins = self.pins().unwrap_or_default();
        let Some(pin) = pins.log(&log.origin()).and_then(|pinned| pinned.newest()) else { return Ok(log) };
        let there = ledger.log(&log)?;
        let got = there.size()? + there.wal()?.pending.len() as u64;
        if pin.size > got {
            let message = format!("log {log} is shorter than it was: pin={} got={got}", pin.size);
            return Err(Error::new(Exit::Integrity, message)
                .at(Place::file(pin::FILE_NAME))
                .hint("`bizra receipts fetch REMOTE` brings back what is missing; nothing is added until then"));
        }
        Ok(log)
    }

    /// The key's log, made by whichever process comes first. One that has only lost its ref is brought back, and goes on.
    fn begin_log(&mut self, ledger: &Ledger, writer: &Writer) -> Result<LogId> {
        ledger.alone(|| {
            for lost in ledger.lost_logs()? {
                match ledger.repair(&lost) {
                    Ok(_) => self.ui.warn(format!("the ref of log {lost} was gone, and was made again")),
                    Err(error) => self.ui.warn(format!("log {lost} was written here, and its ref is gone: {error}")),
                }
            }
            match log_of(ledger, &writer.id)? {
                Some(log) => Ok(log),
                None => self.make_log(ledger, writer),
            }
        })
    }

    fn make_log(&mut self, ledger: &Ledger, writer: &Writer) -> Result<LogId> {
        let time = self.time()?;
        let header = LogHeader {
            writer: writer.id.to_string(),
            checkpoint_key: *writer.checkpoint_key().public().as_bytes(),
            nonce: self.random()?,
            created: time.to_string(),
        };
        let log = header.id();
        let notes = writer.note_signer(&log)?;
        ledger.create_log(&header, &notes, time.timestamp().as_second())?;
        let event = KeyEvent::Init { key: *writer.signer.public_key() };
        let draft = Draft::new(event.subjects(), &event)?;
        let mut open = ledger.writer(&log, &notes)?;
        self.append(&mut open, writer, &draft)?;
        Ok(log)
    }

    fn append(
        &mut self,
        open: &mut crate::sys::ledger::Writer<'_>,
        writer: &Writer,
        draft: &Draft,
    ) -> Result<Recorded> {
        let time = self.time()?;
        let nonce = self.random()?;
        if self.stamps.is_none() {
            self.warn_if_untrusted(writer);
            self.stamps = Some(stamp::Session::new(self.random()?));
        }
        let stamps = self.stamps.get_or_insert_with(|| unreachable!("set above"));
        let clock = &*self.env.clock;
        let mut sealed_id = None;
        let appended = open.append(time.timestamp().as_second(), &mut |position: &Position<'_>| {
            let last = position.last.map(|bytes| Envelope::parse(bytes).map(|e| e.id())).transpose().map_err(|e| {
                Error::new(Exit::Integrity, format!("the log's last receipt can't be read: {e}"))
                    .hint("`bizra receipts audit` says what is wrong with it")
            })?;
            let stamp = Stamp {
                ledger: *position.genesis,
                nonce,
                position: stamps.position(last),
                // Read while the log is held: of two writers the later in the log is the later by the clock.
                time: clock_time(clock)?,
                tool: tool(),
                host: machine::fingerprint(),
            };
            let sealed = draft.seal(&stamp, &*writer.signer)?;
            sealed_id = Some(sealed.id);
            Ok(sealed.envelope)
        })?;
        let id = sealed_id.ok_or_else(|| Error::new(Exit::Bug, "the ledger took a receipt that nobody sealed"))?;
        stamps.appended(id);
        Ok(Recorded { id, log: open.id().clone(), index: appended.index })
    }

    /// A receipt that nobody will rely on is still recorded, but not without a word.
    fn warn_if_untrusted(&mut self, writer: &Writer) {
        match self.policy() {
            Ok(Some(signed)) if signed.policy.entries.iter().all(|entry| entry.key.id() != writer.id) => {
                self.ui.warn(format!(
                    "{} does not name the key that signs here, so others will not rely on this receipt",
                    policy::FILE_NAME
                ));
                self.ui.note("have a policy key add it: bizra trust add \"$(bizra keys show --openssh)\" --name NAME");
            }
            Ok(_) => {}
            Err(error) => self.ui.warn(format!("the trust policy can't be relied on: {error}")),
        }
    }

    /// Takes what is acknowledged into git. It is durable already, so a fault here is worth a warning and no more.
    fn settle(&mut self, open: &mut crate::sys::ledger::Writer<'_>) {
        if let Err(error) = open.settle() {
            self.ui.warn(format!("the receipt is safe, but git could not take it yet: {error}"));
        }
    }

    /// The folder that holds `bizra-trust.json` and `bizra.pin`.
    pub(super) fn root(&self) -> PathBuf {
        match &self.setup.repository {
            Ok(Some(repository)) => repository.work_dir.clone().unwrap_or_else(|| self.env.cwd.clone()),
            _ => self.env.cwd.clone(),
        }
    }

    /// The trust policy of the repository, where there is one.
    pub(super) fn policy(&self) -> Result<Option<SignedPolicy>> {
        let path = self.root().join(policy::FILE_NAME);
        match files::read_if_there(&path)? {
            Some(bytes) => Ok(Some(SignedPolicy::open(&bytes, None)?)),
            None => Ok(None),
        }
    }

    /// Every key of this machine: those of the keyring, and the one from the variables.
    pub(super) fn own_keys(&self) -> Result<Vec<PublicKey>> {
        let mut keys: Vec<PublicKey> = match self.keyring() {
            Some(ring) => ring.list()?.into_iter().map(|k| k.public).collect(),
            None => Vec::new(),
        };
        if let Some(given) = self.given_key()?
            && !keys.contains(&given.public)
        {
            keys.push(given.public);
        }
        Ok(keys)
    }

    pub(super) fn pins(&self) -> Result<Pins> {
        let path = self.root().join(pin::FILE_NAME);
        match files::read_if_there(&path)? {
            Some(bytes) => Ok(Pins::parse(&bytes)?),
            None => Ok(Pins::default()),
        }
    }
}

/// The log that `key` writes, where the ledger has one.
pub(super) fn log_of(ledger: &Ledger, key: &KeyId) -> Result<Option<LogId>> {
    let writer = key.to_string();
    for id in ledger.logs()? {
        if ledger.log(&id)?.header()?.writer == writer {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// For receipts that come with an answer, and not for those that are the answer.
fn or_without(error: Error) -> Error {
    error.hint("an answer without a receipt: --no-receipt")
}

fn clock_time(clock: &dyn Clock) -> Result<Time> {
    Time::new(clock.wall()).ok_or_else(|| Error::cannot("the clock shows a year beyond 9999"))
}

fn tool() -> Tool {
    Tool {
        name: "bizra".into(),
        version: about::VERSION.into(),
        commit: about::full_commit().map(str::to_owned),
        build: format!("{} {}", about::TARGET, if cfg!(debug_assertions) { "debug" } else { "release" }),
    }
}
