//! Why a kernel refused its arguments.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A slice's length doesn't follow from the sizes given with it.
    Length { what: &'static str, expected: usize, found: usize },
    /// Rows or columns that are no whole number of blocks.
    Block { what: &'static str, value: usize, block: usize },
    /// Sizes whose product exceeds the address space.
    TooLarge { what: &'static str },
    /// A value outside of what the operation is defined for.
    Range { what: &'static str, value: usize, limit: usize },
    /// The operation isn't defined for this weight format.
    Format { what: &'static str, format: crate::Format },
    /// The system gave no memory.
    Memory { bytes: usize },
    /// A name that is no instruction level.
    LevelName(String),
    /// A level that this processor doesn't have.
    LevelMissing { asked: &'static str, best: &'static str },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Length { what, expected, found } => {
                write!(f, "{what}: {found} values where the shape asks for {expected}")
            }
            Error::Block { what, value, block } => write!(f, "{what}: {value} is no multiple of {block}"),
            Error::TooLarge { what } => write!(f, "{what}: the size exceeds the address space"),
            Error::Range { what, value, limit } => write!(f, "{what}: {value} is outside of what fits, {limit}"),
            Error::Format { what, format } => write!(f, "{what}: not defined for {format}"),
            Error::Memory { bytes } => write!(f, "the system gave no memory for {bytes} bytes"),
            Error::LevelName(name) => {
                write!(f, "`{name}` is no instruction level; use scalar, avx2, avx512, amx or best")
            }
            Error::LevelMissing { asked, best } => {
                write!(f, "this processor doesn't have the instruction level {asked}; its best is {best}")
            }
        }
    }
}

impl std::error::Error for Error {}

pub(crate) fn length(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::Length { what, expected, found }) }
}

pub(crate) fn product(what: &'static str, factors: &[usize]) -> Result<usize, Error> {
    factors.iter().try_fold(1usize, |n, f| n.checked_mul(*f)).ok_or(Error::TooLarge { what })
}

/// How many rows of `width` values a slice holds; an empty width holds none.
pub(crate) fn rows(what: &'static str, len: usize, width: usize) -> Result<usize, Error> {
    match width {
        0 if len == 0 => Ok(0),
        0 => Err(Error::Length { what, expected: 0, found: len }),
        _ if len.is_multiple_of(width) => Ok(len / width),
        _ => Err(Error::Block { what, value: len, block: width }),
    }
}
