//! The weight formats of GGUF files: their names, sizes and type numbers; to f32 and back.
//!
//! [`dequantize`] is the meaning of a format; the packed products in [`mod@crate::matmul`] are tested against it.
//! The encoders follow GGML's reference rounding for the formats in blocks of 32. Those for K-quants are plain
//! (one pass, no search for better scales): good for test data, not for publishing models, for which there is
//! [`quantize_well`].

mod decode;
mod encode;
mod search;

pub use decode::dequantize;
pub(crate) use decode::{k4_scale_min, q3_scale};
pub use encode::{quantize, quantize_well};

use crate::Error;
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(non_camel_case_types)]
pub enum Format {
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
}

/// Format, GGML's type number, values a block, bytes a block, name.
const TABLE: [(Format, u32, usize, usize, &str); 13] = [
    (Format::F32, 0, 1, 4, "F32"),
    (Format::F16, 1, 1, 2, "F16"),
    (Format::BF16, 30, 1, 2, "BF16"),
    (Format::Q8_0, 8, 32, 34, "Q8_0"),
    (Format::Q4_0, 2, 32, 18, "Q4_0"),
    (Format::Q4_1, 3, 32, 20, "Q4_1"),
    (Format::Q5_0, 6, 32, 22, "Q5_0"),
    (Format::Q5_1, 7, 32, 24, "Q5_1"),
    (Format::Q2_K, 10, 256, 84, "Q2_K"),
    (Format::Q3_K, 11, 256, 110, "Q3_K"),
    (Format::Q4_K, 12, 256, 144, "Q4_K"),
    (Format::Q5_K, 13, 256, 176, "Q5_K"),
    (Format::Q6_K, 14, 256, 210, "Q6_K"),
];

impl Format {
    pub const ALL: [Format; 13] = {
        let mut all = [Format::F32; 13];
        let mut i = 0;
        while i < 13 {
            all[i] = TABLE[i].0;
            i += 1;
        }
        all
    };

    const fn entry(self) -> (Format, u32, usize, usize, &'static str) {
        TABLE[self as usize]
    }

    /// The type number in GGUF files.
    pub const fn ggml_type(self) -> u32 {
        self.entry().1
    }

    /// Values that are stored together.
    pub const fn block_len(self) -> usize {
        self.entry().2
    }

    /// Bytes that such a block takes.
    pub const fn block_bytes(self) -> usize {
        self.entry().3
    }

    pub const fn name(self) -> &'static str {
        self.entry().4
    }

    /// F32, F16 or BF16: multiplied with activations in f32.
    pub const fn is_float(self) -> bool {
        self.block_len() == 1
    }

    pub fn from_ggml_type(id: u32) -> Option<Format> {
        TABLE.iter().find(|e| e.1 == id).map(|e| e.0)
    }

    pub fn parse(name: &str) -> Option<Format> {
        TABLE.iter().find(|e| e.4.eq_ignore_ascii_case(name)).map(|e| e.0)
    }

    /// Bytes that `len` values take; `len` must be whole blocks.
    pub fn bytes(self, len: usize) -> Result<usize, Error> {
        if !len.is_multiple_of(self.block_len()) {
            return Err(Error::Block { what: self.name(), value: len, block: self.block_len() });
        }
        crate::error::product(self.name(), &[len / self.block_len(), self.block_bytes()])
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
