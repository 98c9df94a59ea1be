//! Published test vectors against our code: Wycheproof's Ed25519 file and the example in DSSE's protocol description.
//!
//! The files are handed in as bytes; where they come from is the caller's business.

use std::fmt;

use super::envelope::pae;
use super::fields::{Fields, ShapeError};
use super::json::{self, JsonError};
use super::keys::PublicKey;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Fail(String),
    Skip(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VectorError {
    Json(JsonError),
    Shape(ShapeError),
    /// The description has no example where one was expected.
    Missing(&'static str),
    Empty,
}

impl fmt::Display for VectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Shape(error) => error.fmt(f),
            Self::Missing(what) => write!(f, "no {what} in the file"),
            Self::Empty => write!(f, "the file holds no cases"),
        }
    }
}

impl std::error::Error for VectorError {}

impl From<JsonError> for VectorError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<ShapeError> for VectorError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

/// Every case of Wycheproof's `ed25519_test.json`. A key that we do not let in counts as a refused signature.
pub fn wycheproof(file: &[u8]) -> Result<Vec<Case>, VectorError> {
    let document = json::parse(file)?;
    let mut document = Fields::of("", &document)?;
    let mut cases = Vec::new();
    for (path, group) in document.array("testGroups")? {
        let mut group = Fields::of(path, group)?;
        let key = group.object("publicKey")?.hex::<32>("pk")?;
        for (path, test) in group.array("tests")? {
            let mut test = Fields::of(path, test)?;
            let name = format!("wycheproof ed25519 {}: {}", test.count("tcId")?, test.string("comment")?);
            let (message, signature) = (bytes(&mut test, "msg")?, bytes(&mut test, "sig")?);
            let accepted = accepts(&key, &message, &signature);
            let expected = match test.string("result")? {
                "valid" => true,
                "invalid" => false,
                other => return Err(test.error("result", format!("unknown result {other:?}")).into()),
            };
            let verdict = match (expected, accepted) {
                (true, Err(reason)) => Verdict::Fail(format!("a valid signature was refused: {reason}")),
                (false, Ok(())) => Verdict::Fail("an invalid signature was accepted".to_owned()),
                _ => Verdict::Pass,
            };
            cases.push(Case { name, verdict });
        }
    }
    let counted = document.count("numberOfTests")?;
    if cases.is_empty() {
        return Err(VectorError::Empty);
    }
    if cases.len() as u64 != counted {
        return Err(document.error("numberOfTests", format!("is {counted}, but there are {}", cases.len())).into());
    }
    Ok(cases)
}

fn accepts(key: &[u8; 32], message: &[u8], signature: &[u8]) -> Result<(), String> {
    let key = PublicKey::from_bytes(key).map_err(|error| error.to_string())?;
    let signature = signature.try_into().map_err(|_| "it is not 64 bytes long".to_owned())?;
    if key.verify(message, signature) { Ok(()) } else { Err("it does not verify".to_owned()) }
}

/// Any even number of digits, none included.
fn bytes(test: &mut Fields<'_>, key: &'static str) -> Result<Vec<u8>, ShapeError> {
    let text = test.string(key)?;
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    match pairs.collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() * 2 == text.len()) {
        Some(bytes) => Ok(bytes),
        None => Err(test.error(key, "expected hexadecimal digits")),
    }
}

/// The worked example in DSSE's `protocol.md`. Its signature is ECDSA, which receipts do not use.
pub fn dsse(description: &[u8]) -> Result<Vec<Case>, VectorError> {
    let text = std::str::from_utf8(description).map_err(|_| VectorError::Missing("UTF-8 text"))?;
    let text = text.split_once("## Test Vectors").ok_or(VectorError::Missing("section of test vectors"))?.1;
    let block = |label: &'static str| {
        let (_, after) = text.split_once(&format!("\n{label}:\n")).ok_or(VectorError::Missing(label))?;
        let (_, after) = after.split_once("```none\n").ok_or(VectorError::Missing(label))?;
        after.split_once("\n```").map(|(block, _)| block).ok_or(VectorError::Missing(label))
    };
    let (body, payload_type, expected) = (block("SERIALIZED_BODY")?, block("PAYLOAD_TYPE")?, block("PAE")?);
    let ours = pae(payload_type, body.as_bytes());
    let verdict = if ours == expected.as_bytes() {
        Verdict::Pass
    } else {
        Verdict::Fail(format!("expected {expected:?}, got {:?}", String::from_utf8_lossy(&ours)))
    };
    let skip = Verdict::Skip("the example is signed with ECDSA P-256; receipts take Ed25519 alone");
    Ok(vec![
        Case { name: "dsse pre-authentication encoding".to_owned(), verdict },
        Case { name: "dsse example signature".to_owned(), verdict: skip },
    ])
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::super::keys::{SecretKey, Signer as _};
    use super::*;

    /// A file in Wycheproof's form, with one right signature, one wrong and one cut short.
    fn vectors(result: &str) -> String {
        let secret = SecretKey::from_seed(&[3; 32]);
        let sig = hex::encode(&secret.sign(b"\x12").unwrap());
        let key = hex::encode(secret.public().as_bytes());
        let test = |id: u32, msg: &str, sig: &str, result: &str| {
            format!(r#"{{"tcId":{id},"comment":"c","msg":"{msg}","sig":"{sig}","result":"{result}"}}"#)
        };
        let tests = [test(1, "12", &sig, result), test(2, "", &sig, "invalid"), test(3, "12", &sig[2..], "invalid")];
        format!(
            r#"{{"numberOfTests":3,"testGroups":[{{"publicKey":{{"pk":"{key}"}},"tests":[{}]}}]}}"#,
            tests.join(",")
        )
    }

    #[test]
    fn wycheproof_cases_can_fail() {
        let verdicts = |text: &str| {
            let cases = wycheproof(text.as_bytes()).unwrap();
            cases.into_iter().map(|case| case.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&vectors("valid")), [Verdict::Pass, Verdict::Pass, Verdict::Pass]);
        assert!(matches!(verdicts(&vectors("invalid"))[..], [Verdict::Fail(_), Verdict::Pass, Verdict::Pass]));
        let altered = vectors("valid").replace(r#""msg":"12""#, r#""msg":"13""#);
        assert!(matches!(verdicts(&altered)[0], Verdict::Fail(_)));

        for broken in ["{", "{}", r#"{"numberOfTests":0,"testGroups":[]}"#] {
            assert!(wycheproof(broken.as_bytes()).is_err(), "{broken}");
        }
        for (from, to) in [("\":3,", "\":4,"), ("\"valid", "\"acceptable"), ("\"msg\":\"12", "\"msg\":\"1")] {
            assert!(wycheproof(vectors("valid").replace(from, to).as_bytes()).is_err(), "{from}");
        }
    }

    #[test]
    fn dsse_cases_can_fail() {
        let text = "# x\n## Test Vectors\n\nSERIALIZED_BODY:\n\n```none\nab\n```\n\nPAYLOAD_TYPE:\n\n```none\nt\n```\n\nPAE:\n\n```none\nDSSEv1 1 t 2 ab\n```\n";
        let cases = dsse(text.as_bytes()).unwrap();
        assert_eq!(cases[0].verdict, Verdict::Pass);
        assert!(matches!(cases[1].verdict, Verdict::Skip(_)));
        let wrong = dsse(text.replace("2 ab", "3 ab").as_bytes()).unwrap();
        assert!(matches!(wrong[0].verdict, Verdict::Fail(_)));
        assert!(dsse(text.replace("PAE", "PEA").as_bytes()).is_err());
        assert!(dsse(b"\xff").is_err());
    }
}
