//! How the elements of a tensor are stored: the formats that bizra computes with, by their ggml id and name.
//! Leaves out decoding them, which is the kernels' business.

use std::fmt;

/// A storage format. Quantised ones hold `block()` elements in `block_bytes()` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

struct Row {
    dtype: DType,
    ggml: u32,
    name: &'static str,
    block: u32,
    bytes: u32,
}

const fn row(dtype: DType, ggml: u32, name: &'static str, block: u32, bytes: u32) -> Row {
    Row { dtype, ggml, name, block, bytes }
}

const TABLE: [Row; 13] = [
    row(DType::F32, 0, "F32", 1, 4),
    row(DType::F16, 1, "F16", 1, 2),
    row(DType::BF16, 30, "BF16", 1, 2),
    row(DType::Q4_0, 2, "Q4_0", 32, 18),
    row(DType::Q4_1, 3, "Q4_1", 32, 20),
    row(DType::Q5_0, 6, "Q5_0", 32, 22),
    row(DType::Q5_1, 7, "Q5_1", 32, 24),
    row(DType::Q8_0, 8, "Q8_0", 32, 34),
    row(DType::Q2K, 10, "Q2_K", 256, 84),
    row(DType::Q3K, 11, "Q3_K", 256, 110),
    row(DType::Q4K, 12, "Q4_K", 256, 144),
    row(DType::Q5K, 13, "Q5_K", 256, 176),
    row(DType::Q6K, 14, "Q6_K", 256, 210),
];

/// Formats that exist elsewhere, so that a refusal can say which one a file uses.
const FOREIGN: [(u32, &str); 22] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
];

impl DType {
    pub const ALL: [DType; 13] = {
        let mut all = [DType::F32; 13];
        let mut i = 0;
        while i < TABLE.len() {
            all[i] = TABLE[i].dtype;
            i += 1;
        }
        all
    };

    pub fn from_ggml(id: u32) -> Result<Self, UnsupportedType> {
        TABLE.iter().find(|row| row.ggml == id).map(|row| row.dtype).ok_or(UnsupportedType { id })
    }

    pub fn ggml_id(self) -> u32 {
        self.row().ggml
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Elements that are stored together.
    pub fn block(self) -> u64 {
        u64::from(self.row().block)
    }

    pub fn block_bytes(self) -> u64 {
        u64::from(self.row().bytes)
    }

    /// Bytes of `rows` rows of `width` elements; `None` when a row is no whole number of blocks or the size overflows.
    pub fn bytes(self, width: u64, rows: u64) -> Option<u64> {
        if !width.is_multiple_of(self.block()) {
            return None;
        }
        (width / self.block()).checked_mul(self.block_bytes())?.checked_mul(rows)
    }

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.dtype == self).expect("invariant: every format has its row")
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A ggml type id that bizra has no arithmetic for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedType {
    pub id: u32,
}

impl fmt::Display for UnsupportedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match FOREIGN.iter().find(|(id, _)| *id == self.id) {
            Some((id, name)) => write!(f, "tensor type {name} (id {id}) is not supported; supported are ")?,
            None => write!(f, "tensor type id {} is unknown; supported are ", self.id)?,
        }
        for (i, row) in TABLE.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, row.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_unique_and_found_again() {
        for dtype in DType::ALL {
            assert_eq!(DType::from_ggml(dtype.ggml_id()), Ok(dtype));
            assert_eq!(TABLE.iter().filter(|row| row.name == dtype.name()).count(), 1);
            assert!(FOREIGN.iter().all(|(id, _)| *id != dtype.ggml_id()));
        }
    }

    #[test]
    fn sizes_follow_blocks() {
        assert_eq!(DType::Q4_0.bytes(64, 3), Some(2 * 18 * 3));
        assert_eq!(DType::Q6K.bytes(256, 1), Some(210));
        assert_eq!(DType::Q6K.bytes(255, 1), None);
        assert_eq!(DType::F32.bytes(u64::MAX / 4, 2), None);
    }

    #[test]
    fn a_refusal_names_the_type_and_the_supported_ones() {
        let text = DType::from_ggml(23).expect_err("IQ4_XS is foreign").to_string();
        assert!(text.contains("IQ4_XS") && text.contains("Q4_K"), "{text}");
        assert!(DType::from_ggml(4711).expect_err("unknown").to_string().contains("4711"));
    }
}
