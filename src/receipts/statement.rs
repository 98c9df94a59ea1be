//! Statements: in-toto Statement v1, typed on the way in and on the way out.
//!
//! A [`Draft`] is what a command has to say. It becomes a receipt in one step, [`Draft::seal`], which the log calls once
//! the receipt's place is fixed, so that nothing can come between the stamp and the signature.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::envelope::{Envelope, MAX_BYTES, ReceiptId};
use super::fields::{Fields, ShapeError};
use super::finding::Code;
use super::json::{self, JsonError};
use super::keys::{SignError, Signer};
use super::predicates::Predicate;
use super::stamp::{self, Stamp};
use super::{Hash, hex};

/// What a statement's body is made of: whoever reads statements needs no more of this module's neighbours.
pub use super::decimal::Decimal;
pub use super::json::{Object, Value};

#[cfg(test)]
pub(super) mod tests;

pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const MAX_NAME_BYTES: usize = 1024;

/// The digests that a subject may carry, and how many hexadecimal digits each has.
const DIGESTS: [(&str, &[usize]); 6] = [
    ("gitBlob", &[40, 64]),
    ("gitCommit", &[40, 64]),
    ("gitTag", &[40, 64]),
    ("gitTree", &[40, 64]),
    ("sha256", &[64]),
    ("sha512", &[128]),
];

/// What a statement is about: a name, and digests that hold it fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub name: String,
    /// Algorithm and lower-case hexadecimal digits, in canonical order.
    digests: Vec<(&'static str, String)>,
}

impl Subject {
    pub fn sha256(name: impl Into<String>, digest: Hash) -> Self {
        Self { name: name.into(), digests: vec![("sha256", hex::encode(&digest))] }
    }

    pub fn of_bytes(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self::sha256(name, Sha256::digest(bytes).into())
    }

    /// `algorithm` is one of in-toto's names, such as `gitCommit`.
    pub fn with_digest(mut self, algorithm: &str, digits: &str) -> Result<Self, ShapeError> {
        let (algorithm, digits) = check_digest(algorithm, digits)?;
        self.digests.retain(|(other, _)| *other != algorithm);
        self.digests.push((algorithm, digits));
        self.digests.sort_unstable();
        Ok(self)
    }

    pub fn git(name: impl Into<String>, algorithm: &str, digits: &str) -> Result<Self, ShapeError> {
        Self { name: name.into(), digests: Vec::new() }.with_digest(algorithm, digits)
    }

    pub fn digest(&self, algorithm: &str) -> Option<&str> {
        self.digests.iter().find(|(name, _)| *name == algorithm).map(|(_, digits)| digits.as_str())
    }

    pub fn digests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.digests.iter().map(|(algorithm, digits)| (*algorithm, digits.as_str()))
    }

    fn to_value(&self) -> Value {
        let digest = self.digests().fold(Object::new(), |object, (algorithm, digits)| object.with(algorithm, digits));
        Object::new().with("digest", digest).with("name", self.name.as_str()).into()
    }

    fn read(path: String, value: &Value) -> Result<Self, ShapeError> {
        let mut fields = Fields::of(path, value)?;
        let digest_path = fields.path_of("digest");
        let Value::Object(digest) = fields.take("digest")? else {
            return Err(ShapeError::new(digest_path, "expected an object"));
        };
        let mut digests = Vec::with_capacity(digest.len());
        for (algorithm, digits) in digest.iter() {
            let Value::String(digits) = digits else {
                return Err(ShapeError::new(digest_path, format!("{algorithm} is {}, no digest", digits.kind())));
            };
            let checked = check_digest(algorithm, digits);
            digests.push(checked.map_err(|error| ShapeError::new(digest_path.as_str(), error.reason))?);
        }
        let subject = Self { name: fields.string("name")?.to_owned(), digests };
        fields.finish()?;
        Ok(subject)
    }
}

fn check_digest(algorithm: &str, digits: &str) -> Result<(&'static str, String), ShapeError> {
    let refuse = |reason: String| Err(ShapeError::new("digest", reason));
    let Some((algorithm, lengths)) = DIGESTS.iter().find(|(name, _)| *name == algorithm) else {
        return refuse(format!("unknown digest algorithm {algorithm:?}"));
    };
    if !lengths.contains(&digits.len()) || !hex::is_hex(digits) {
        return refuse(format!("{digits:?} is no {algorithm} digest in lower-case hexadecimal"));
    }
    Ok((algorithm, digits.to_owned()))
}

fn check_subjects(subjects: &[Subject]) -> Result<(), ShapeError> {
    if subjects.is_empty() {
        return Err(ShapeError::new("subject", "a statement is about something: at least one subject"));
    }
    for (at, subject) in subjects.iter().enumerate() {
        let refuse =
            |reason: &str| Err(ShapeError::new(format!("subject[{at}]"), format!("{:?}: {reason}", subject.name)));
        if subject.name.is_empty() || subject.name.len() > MAX_NAME_BYTES || subject.name.contains(char::is_control) {
            return refuse("a name has 1 to 1024 bytes and no control characters");
        }
        if subject.digests.is_empty() {
            return refuse("has no digest");
        }
        if subjects[..at].iter().any(|other| other.name == subject.name) {
            return refuse("the name occurs twice");
        }
    }
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementError {
    NonCanonical(JsonError),
    Shape(ShapeError),
}

impl StatementError {
    pub fn code(&self) -> Code {
        Code::PayloadNoncanonical
    }
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonCanonical(error) => write!(f, "payload {error}"),
            Self::Shape(error) => write!(f, "statement: {error}"),
        }
    }
}

impl std::error::Error for StatementError {}

impl From<JsonError> for StatementError {
    fn from(error: JsonError) -> Self {
        Self::NonCanonical(error)
    }
}

impl From<ShapeError> for StatementError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

/// A receipt's content, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub subjects: Vec<Subject>,
    pub predicate_type: String,
    pub stamp: Stamp,
    /// The predicate without the stamp's members.
    pub body: Object,
}

impl Statement {
    /// Reads a payload, which must be canonical and hold exactly what a statement holds. A predicate of a type that is
    /// known here must be valid too; one of another type is kept as it is.
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        let value = json::parse_canonical(payload)?;
        let mut fields = Fields::of("", &value)?;
        if fields.string("_type")? != STATEMENT_TYPE {
            return Err(fields.error("_type", format!("expected {STATEMENT_TYPE:?}")).into());
        }
        let predicate_type = fields.string("predicateType")?;
        if super::predicates::name_of(predicate_type).is_none() {
            return Err(fields.error("predicateType", "expected urn:bizra:predicate:NAME:vMAJOR.MINOR").into());
        }
        let subjects = fields.array("subject")?;
        let subjects = subjects.into_iter().map(|(path, value)| Subject::read(path, value));
        let subjects = subjects.collect::<Result<Vec<_>, _>>()?;
        check_subjects(&subjects)?;
        let stamp = Stamp::read(&mut fields.object("predicate")?)?;
        let Value::Object(predicate) = fields.take("predicate")? else {
            return Err(fields.error("predicate", "expected an object").into());
        };
        let mut body = predicate.clone();
        for member in stamp::MEMBERS {
            body.remove(member);
        }
        super::predicates::check(predicate_type, &body)?;
        fields.finish()?;
        Ok(Self { subjects, predicate_type: predicate_type.to_owned(), stamp, body })
    }

    /// The predicate as `P`, or `None` when it is of another type.
    pub fn predicate<P: Predicate>(&self) -> Option<Result<P, ShapeError>> {
        (self.predicate_type == P::TYPE).then(|| super::predicates::read(&self.body))
    }

    pub fn to_payload(&self) -> Result<Vec<u8>, ShapeError> {
        payload(&self.subjects, &self.predicate_type, &self.body, &self.stamp)
    }
}

fn payload(subjects: &[Subject], predicate_type: &str, body: &Object, stamp: &Stamp) -> Result<Vec<u8>, ShapeError> {
    let mut predicate = body.clone();
    stamp.write(&mut predicate)?;
    let statement = Object::new()
        .with("_type", STATEMENT_TYPE)
        .with("predicate", predicate)
        .with("predicateType", predicate_type)
        .with("subject", Value::Array(subjects.iter().map(Subject::to_value).collect()));
    Ok(Value::Object(statement).to_canonical().into_bytes())
}

/// What a command has to say, checked, and waiting for its place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    subjects: Vec<Subject>,
    predicate_type: &'static str,
    body: Object,
}

/// A receipt, ready to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub id: ReceiptId,
    pub envelope: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealError {
    Shape(ShapeError),
    Sign(SignError),
    TooLong { bytes: usize },
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(error) => write!(f, "receipt: {error}"),
            Self::Sign(error) => error.fmt(f),
            Self::TooLong { bytes } => {
                write!(
                    f,
                    "the receipt would have {bytes} bytes; at most {MAX_BYTES} fit a log entry: name fewer subjects"
                )
            }
        }
    }
}

impl std::error::Error for SealError {}

impl Draft {
    pub fn new<P: Predicate>(mut subjects: Vec<Subject>, predicate: &P) -> Result<Self, ShapeError> {
        subjects.sort_by(|a, b| a.name.cmp(&b.name));
        check_subjects(&subjects)?;
        predicate.validate()?;
        let body = predicate.body();
        if let Some(member) = stamp::MEMBERS.iter().find(|member| body.get(member).is_some()) {
            return Err(ShapeError::new(format!("predicate.{member}"), "the name is reserved for the log's stamp"));
        }
        Ok(Self { subjects, predicate_type: P::TYPE, body })
    }

    pub fn predicate_type(&self) -> &'static str {
        self.predicate_type
    }

    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// Stamps and signs. The log calls this under its lock, with the place that the receipt will have.
    pub fn seal(&self, stamp: &Stamp, signer: &dyn Signer) -> Result<Sealed, SealError> {
        let payload = payload(&self.subjects, self.predicate_type, &self.body, stamp).map_err(SealError::Shape)?;
        let envelope = Envelope::sign(payload, signer).map_err(SealError::Sign)?;
        let sealed = Sealed { id: envelope.id(), envelope: envelope.to_bytes() };
        if sealed.envelope.len() > MAX_BYTES {
            return Err(SealError::TooLong { bytes: sealed.envelope.len() });
        }
        Ok(sealed)
    }
}
