//! Why a GGUF file was refused: the byte, the key or tensor, and the reason.

use std::fmt;

use crate::infer::dtype::UnsupportedType;
use crate::infer::shown;

/// A refusal; `offset` is counted from the start of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufError {
    pub offset: u64,
    pub place: Place,
    pub fault: Fault,
}

/// The part of the file that was being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Header,
    /// Before the key's name is known, its number.
    KeyNumber(u64),
    Key(String),
    TensorNumber(u64),
    Tensor(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    Magic([u8; 4]),
    Version(u32),
    BigEndian,
    Truncated { need: u64, have: u64 },
    Count { what: &'static str, count: u64, most: u64 },
    Length { what: &'static str, length: u64, most: u64 },
    Empty(&'static str),
    NotUtf8(&'static str),
    ValueType(u32),
    NestedArray,
    NotBool(u8),
    Duplicate { first: u64 },
    AlignmentType(&'static str),
    Alignment(u32),
    Rank(u32),
    ZeroDimension(usize),
    Unsupported(UnsupportedType),
    Blocks { width: u64, block: u64, dtype: &'static str },
    TooLarge,
    Misaligned { relative: u64, alignment: u32 },
    Outside { end: u64, file: u64 },
    Overlap { other: String },
}

impl fmt::Display for GgufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GGUF, byte {}", self.offset)?;
        match &self.place {
            Place::Header => f.write_str(", header: ")?,
            Place::KeyNumber(n) => write!(f, ", key number {n}: ")?,
            Place::Key(key) => write!(f, ", key {}: ", shown(key))?,
            Place::TensorNumber(n) => write!(f, ", tensor number {n}: ")?,
            Place::Tensor(name) => write!(f, ", tensor {}: ", shown(name))?,
        }
        self.fault.fmt(f)
    }
}

impl std::error::Error for GgufError {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Magic(bytes) => write!(f, "begins with {bytes:02x?}, not with \"GGUF\""),
            Fault::Version(version) => write!(f, "version {version} is not supported; versions 2 and 3 are"),
            Fault::BigEndian => f.write_str("the file is big-endian; convert it to little-endian"),
            Fault::Truncated { need, have } => {
                write!(f, "the file ends here: {need} bytes are needed, {have} are left")
            }
            Fault::Count { what, count, most } => {
                write!(f, "{count} {what} cannot be: at most {most} are possible here")
            }
            Fault::Length { what, length, most } => {
                write!(f, "a {what} of {length} bytes is too long: at most {most} are allowed")
            }
            Fault::Empty(what) => write!(f, "the {what} is empty"),
            Fault::NotUtf8(what) => write!(f, "the {what} is not UTF-8"),
            Fault::ValueType(id) => write!(f, "value type {id} is unknown; 0 to 12 are known"),
            Fault::NestedArray => f.write_str("arrays of arrays are not supported"),
            Fault::NotBool(byte) => write!(f, "a boolean is 0 or 1, not {byte}"),
            Fault::Duplicate { first } => write!(f, "the name was used before, at byte {first}"),
            Fault::AlignmentType(found) => write!(f, "the alignment must be an unsigned 32-bit number, not {found}"),
            Fault::Alignment(value) => write!(f, "alignment {value} is not a power of two of at least 1"),
            Fault::Rank(rank) => write!(f, "{rank} dimensions; 1 to 4 are supported"),
            Fault::ZeroDimension(index) => write!(f, "dimension {index} is zero"),
            Fault::Unsupported(unsupported) => unsupported.fmt(f),
            Fault::Blocks { width, block, dtype } => {
                write!(f, "rows of {width} elements are no whole number of {dtype} blocks of {block}")
            }
            Fault::TooLarge => f.write_str("the product of the dimensions is too large"),
            Fault::Misaligned { relative, alignment } => {
                write!(f, "data offset {relative} is no multiple of the alignment {alignment}")
            }
            Fault::Outside { end, file } => write!(f, "the data would end at byte {end}, but the file has {file}"),
            Fault::Overlap { other } => write!(f, "the data overlaps that of tensor {}", shown(other)),
        }
    }
}
