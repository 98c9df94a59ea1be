//! Reads safetensors files from bytes that somebody else mapped. Strict: no holes, no overlaps, no unknown types.
//! Leaves out what the tensors are called elsewhere ([`super::hf`]).

use std::fmt;

use serde_json::Value as Json;

use super::dtype::DType;
use super::weights::Dims;
use super::{json, shown};

const LONGEST_HEADER: u64 = 100_000_000;

/// A tensor by its name in the file.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    pub name: String,
    /// Innermost first, unlike in the file.
    pub dims: Dims,
    pub dtype: DType,
    pub offset: u64,
    pub data: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SafetensorsError {
    Truncated {
        have: usize,
    },
    Header {
        length: u64,
        most: u64,
    },
    Json {
        offset: usize,
        reason: String,
    },
    Field {
        tensor: String,
        reason: &'static str,
    },
    DType {
        tensor: String,
        dtype: String,
    },
    Size {
        tensor: String,
        given: u64,
        needed: String,
    },
    /// A tensor does not begin where the one before it ends.
    Gap {
        tensor: String,
        begins: u64,
        expected: u64,
    },
    Outside {
        ends: u64,
        data: u64,
    },
}

impl fmt::Display for SafetensorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("safetensors: ")?;
        match self {
            Self::Truncated { have } => write!(f, "the file has {have} bytes; its header length alone takes 8"),
            Self::Header { length, most } => write!(f, "byte 0: a header of {length} bytes cannot be; at most {most}"),
            Self::Json { offset, reason } => write!(f, "byte {offset}: {reason}"),
            Self::Field { tensor, reason } => write!(f, "tensor {}: {reason}", shown(tensor)),
            Self::DType { tensor, dtype } => {
                write!(
                    f,
                    "tensor {}: type {} is not supported; supported are F32, F16, BF16",
                    shown(tensor),
                    shown(dtype)
                )
            }
            Self::Size { tensor, given, needed } => {
                write!(f, "tensor {}: {given} bytes given, {needed} needed", shown(tensor))
            }
            Self::Gap { tensor, begins, expected } => {
                write!(f, "tensor {}: begins at byte {begins} of the data, not at {expected}", shown(tensor))
            }
            Self::Outside { ends, data } => write!(f, "the tensors end at byte {ends} of the data, which has {data}"),
        }
    }
}

impl std::error::Error for SafetensorsError {}

/// All tensors, in the order of their data.
pub fn parse(file: &[u8]) -> Result<Vec<Entry<'_>>, SafetensorsError> {
    let (length, rest) = file.split_first_chunk::<8>().ok_or(SafetensorsError::Truncated { have: file.len() })?;
    let length = u64::from_le_bytes(*length);
    let most = LONGEST_HEADER.min(rest.len() as u64);
    if length > most {
        return Err(SafetensorsError::Header { length, most });
    }
    let (header, data) = rest.split_at(length as usize);
    let header = json::parse(header).map_err(|e| SafetensorsError::Json { offset: 8 + e.offset, reason: e.reason })?;
    let Json::Object(fields) = header else {
        return Err(SafetensorsError::Json { offset: 8, reason: "the header is no object".to_owned() });
    };
    let mut found = fields
        .iter()
        .filter(|(name, _)| *name != "__metadata__")
        .map(|(name, description)| describe(name, description))
        .collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(|described| described.begin);
    let mut expected = 0;
    let mut entries = Vec::with_capacity(found.len());
    for Described { name, dims, dtype, begin, end } in found {
        if begin != expected {
            return Err(SafetensorsError::Gap { tensor: name, begins: begin, expected });
        }
        let bytes = data.get(begin as usize..end as usize);
        let bytes = bytes.ok_or(SafetensorsError::Outside { ends: end, data: data.len() as u64 })?;
        entries.push(Entry { name, dims, dtype, offset: 8 + length + begin, data: bytes });
        expected = end;
    }
    if expected != data.len() as u64 {
        return Err(SafetensorsError::Outside { ends: expected, data: data.len() as u64 });
    }
    Ok(entries)
}

struct Described {
    name: String,
    dims: Dims,
    dtype: DType,
    begin: u64,
    end: u64,
}

fn describe(name: &str, description: &Json) -> Result<Described, SafetensorsError> {
    let bad = |reason| SafetensorsError::Field { tensor: name.to_owned(), reason };
    let fields = description.as_object().filter(|fields| fields.len() == 3);
    let fields = fields.ok_or_else(|| bad("needs exactly dtype, shape and data_offsets"))?;
    let dtype = match fields.get("dtype").and_then(Json::as_str).ok_or_else(|| bad("dtype is no string"))? {
        "F32" => DType::F32,
        "F16" => DType::F16,
        "BF16" => DType::BF16,
        other => return Err(SafetensorsError::DType { tensor: name.to_owned(), dtype: other.to_owned() }),
    };
    let numbers = |key: &str| -> Option<Vec<u64>> { fields.get(key)?.as_array()?.iter().map(Json::as_u64).collect() };
    let mut shape = numbers("shape").ok_or_else(|| bad("shape is no list of sizes"))?;
    shape.reverse();
    let dims = Dims::new(&shape).filter(|_| !shape.contains(&0));
    let dims = dims.ok_or_else(|| bad("shape must have 1 to 4 sizes above zero"))?;
    let offsets = numbers("data_offsets").and_then(|pair| <[u64; 2]>::try_from(pair).ok());
    let [begin, end] = offsets.filter(|[begin, end]| begin <= end).ok_or_else(|| bad("data_offsets is no span"))?;
    let needed = dims.rows().and_then(|rows| dtype.bytes(dims.width(), rows));
    if needed != Some(end - begin) {
        let needed = needed.map_or_else(|| "more than can be".to_owned(), |needed| needed.to_string());
        return Err(SafetensorsError::Size { tensor: name.to_owned(), given: end - begin, needed });
    }
    Ok(Described { name: name.to_owned(), dims, dtype, begin, end })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend_from_slice(header.as_bytes());
        out.extend((0..data).map(|n| n as u8));
        out
    }

    const GOOD: &str = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[3],"data_offsets":[24,30]},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;

    #[test]
    fn reads_tensors_in_order_with_dims_innermost_first() {
        let bytes = file(GOOD, 30);
        let entries = parse(&bytes).expect("valid");
        assert_eq!(entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((entries[0].dims.as_slice(), entries[1].dtype), (&[3, 2][..], DType::BF16));
        assert_eq!((entries[1].data, entries[1].offset), (&[24, 25, 26, 27, 28, 29][..], 8 + GOOD.len() as u64 + 24));
    }

    #[test]
    fn holes_overlaps_and_wrong_sizes_are_refused() {
        let with = |old: &str, new: &str, data| parse(&file(&GOOD.replace(old, new), data)).expect_err("refused");
        assert!(matches!(with("[24,30]", "[25,31]", 31), SafetensorsError::Gap { begins: 25, expected: 24, .. }));
        assert!(matches!(with("[24,30]", "[20,26]", 30), SafetensorsError::Gap { .. }));
        assert!(matches!(with("[24,30]", "[24,32]", 32), SafetensorsError::Size { .. }));
        assert!(matches!(with("[2,3]", "[4294967296,4294967296,3]", 30), SafetensorsError::Size { .. }));
        assert!(matches!(with("BF16", "I64", 30), SafetensorsError::DType { .. }));
        assert!(matches!(with("[2,3]", "[0,3]", 30), SafetensorsError::Field { .. }));
        assert!(matches!(with("x", "x", 31), SafetensorsError::Outside { ends: 30, data: 31 }));
        assert!(matches!(with("\"b\"", "\"a\"", 30), SafetensorsError::Json { .. }));
        assert!(matches!(parse(&u64::MAX.to_le_bytes()), Err(SafetensorsError::Header { length: u64::MAX, most: 0 })));
    }

    #[test]
    fn truncated_anywhere_is_refused() {
        let bytes = file(GOOD, 30);
        assert!((0..bytes.len()).all(|cut| parse(&bytes[..cut]).is_err()));
    }

    proptest! {
        #[test]
        fn changed_headers_never_panic(at in 0usize..GOOD.len() + 8, byte in any::<u8>()) {
            let mut bytes = file(GOOD, 30);
            bytes[at] = byte;
            if let Ok(entries) = parse(&bytes) {
                prop_assert_eq!(entries.iter().map(|e| e.data.len()).sum::<usize>(), 30);
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }
}
